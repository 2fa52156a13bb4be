/* Edges and their policies, and what is said of the whole: what is forbidden, invariants, identities, scenarios. */
#include "internal.h"

/* ------------------------------------------------------------------ edges */

static const struct ecc_edge *same_edge(const struct ecc_model *model, const struct ecc_edge *edge)
{
    for (size_t i = 0; i < model->nedges; i++)
        if (strcmp(model->edges[i]->from->name, edge->from->name) == 0 && strcmp(model->edges[i]->to->name, edge->to->name) == 0)
            return model->edges[i];
    return NULL;
}

#define NAMES(c, list, n)                                                   \
    ({                                                                      \
        const char **names_ = ECC_NEW_ARRAY((c)->arena, const char *, (n)); \
        for (size_t i_ = 0; i_ < (n); i_++)                                 \
            names_[i_] = (list)[i_]->name;                                  \
        ecc_join_sorted((c)->arena, names_, (n));                           \
    })

enum { NPROPERTIES = 10 };
struct properties {
    const char *items[NPROPERTIES];
};
static const char *const property_words[NPROPERTIES] = {"transport", "timeout",    "retry",   "breaker", "concurrency",
                                                        "on open",   "on failure", "publish", "consume", "keyspace"};

static struct properties properties_of(struct ecc_comparer *c, const struct ecc_edge *e)
{
    const struct ecc_breaker *b = &e->breaker;
    struct properties p = {{
        e->http       ? "http"
        : e->https    ? "https"
        : e->external ? "external"
                      : "",
        ecc_duration_words(c->arena, e->timeout_ms),
        e->retries ? CFMT(c, "%d backoff %s..%s", e->retries, ecc_duration_words(c->arena, e->backoff_min_ms),
                          ecc_duration_words(c->arena, e->backoff_max_ms))
                   : "",
        b->set ? CFMT(c, "trip %d consecutive %s, open %s, probe %d", b->trip, b->timeouts_only ? "timeouts" : "failures",
                      ecc_duration_words(c->arena, b->open_ms), b->probes)
               : "",
        e->concurrency ? CFMT(c, "%d", e->concurrency) : "",
        e->on_open ? e->on_open->name : "",
        e->on_failure ? e->on_failure->name : "",
        NAMES(c, e->publish, e->npublish),
        NAMES(c, e->consume, e->nconsume),
        NAMES(c, e->keyspaces, e->nkeyspaces),
    }};
    return p;
}

static void compare_edges(struct ecc_comparer *c)
{
    for (size_t i = 0; i < c->new_->nedges; i++) {
        const struct ecc_edge *now = c->new_->edges[i], *was = same_edge(c->old, now);
        const char *subject = CFMT(c, "edge %s -> %s", now->from->name, now->to->name);
        if (!was) {
            ecc_differ(c, ECC_DIFF_EDGE_ADDED, false, now->span, subject, "new edge");
            continue;
        }
        struct properties before = properties_of(c, was), after = properties_of(c, now);
        for (int k = 0; k < NPROPERTIES; k++)
            if (strcmp(before.items[k], after.items[k]) != 0)
                ecc_differ(c, ECC_DIFF_EDGE_CHANGED, false, now->span, subject, "%s was %s and is %s", property_words[k],
                           *before.items[k] ? before.items[k] : "none", *after.items[k] ? after.items[k] : "none");
    }
    for (size_t i = 0; i < c->old->nedges; i++) {
        const struct ecc_edge *was = c->old->edges[i];
        if (!same_edge(c->new_, was))
            ecc_differ(c, ECC_DIFF_EDGE_REMOVED, true, was->span, CFMT(c, "edge %s -> %s", was->from->name, was->to->name), "edge is gone");
    }
}

static const char *forbid_name(struct ecc_comparer *c, const struct ecc_forbid *f)
{
    return CFMT(c, "forbid %s -> %s", f->from->name, f->to->name);
}

static bool has_forbid(struct ecc_comparer *c, const struct ecc_model *model, const struct ecc_forbid *forbid)
{
    for (size_t i = 0; i < model->nforbids; i++)
        if (strcmp(forbid_name(c, model->forbids[i]), forbid_name(c, forbid)) == 0)
            return true;
    return false;
}

static void compare_forbids(struct ecc_comparer *c)
{
    for (size_t i = 0; i < c->new_->nforbids; i++)
        if (!has_forbid(c, c->old, c->new_->forbids[i]))
            ecc_differ(c, ECC_DIFF_FORBID_ADDED, false, c->new_->forbids[i]->span, forbid_name(c, c->new_->forbids[i]), "new: \"%s\"",
                       c->new_->forbids[i]->why);
    for (size_t i = 0; i < c->old->nforbids; i++)
        if (!has_forbid(c, c->new_, c->old->forbids[i]))
            ecc_differ(c, ECC_DIFF_FORBID_REMOVED, true, c->old->forbids[i]->span, forbid_name(c, c->old->forbids[i]), "is gone");
}

/* ------------------------------------------------------------------ invariants, identities, scenarios */

static const char *invariant_text(struct ecc_comparer *c, const struct ecc_invariant *i)
{
    return CFMT(c, "on %s %s", NAMES(c, i->nodes, i->nnodes), ecc_canon_sql(c->arena, i->sql));
}

static const char *identity_text(struct ecc_comparer *c, const struct ecc_identity *identity)
{
    const char *text = "";

    for (size_t i = 0; i < identity->nrequests; i++)
        text = CFMT(c, "%s%s\n", text, ecc_canon_request(c->arena, identity->requests[i]));
    for (size_t i = 0; i < identity->ntoken; i++)
        text = CFMT(c, "%s.%s", text, identity->token[i]);
    return text;
}

static const char *scenario_text(struct ecc_comparer *c, const struct ecc_scenario *s)
{
    const char *text = CFMT(c, "%s %s\n", s->title, s->identity ? s->identity->name : "");

    for (size_t i = 0; i < s->ngiven; i++)
        text = CFMT(c, "%s%s\n", text, ecc_canon_request(c->arena, s->given[i]));
    text = CFMT(c, "%swhen %s\n", text, ecc_canon_request(c->arena, s->when));
    const char **assumes = ECC_NEW_ARRAY(c->arena, const char *, s->nassumes);
    for (size_t i = 0; i < s->nassumes; i++) {
        const struct ecc_assume *a = &s->assumes[i];
        assumes[i] = CFMT(c, "%zu %d %s %s %s %s %s>%s %s", a->after, (int)a->kind, a->node ? a->node->name : "", a->op ? a->op->name : "",
                          a->ext ? a->ext->name : "", a->error ? a->error->name : "", a->edge ? a->edge->from->name : "",
                          a->edge ? a->edge->to->name : "", a->keyspace ? a->keyspace->name : "");
    }
    text = CFMT(c, "%s%s\nexpect %d %s %s %s\n", text, ecc_join_sorted(c->arena, assumes, s->nassumes), s->expect_status,
                s->expect_error ? s->expect_error->name : "", s->expect_header ? s->expect_header : "",
                s->expect_value ? s->expect_value : "");
    for (size_t i = 0; i < s->nsays; i++)
        text = CFMT(c, "%ssay %s %s %s\n", text, s->says[i].edge->from->name, s->says[i].edge->to->name, s->says[i].text);
    return text;
}

/* One list of things with a name and a text. */
#define COMPARE_TEXTS(c, list, KIND, word, text_of)                                                                                   \
    do {                                                                                                                              \
        for (size_t i = 0; i < (c)->new_->n##list; i++) {                                                                             \
            __typeof__((c)->new_->list[0]) now = (c)->new_->list[i], was = FIND((c)->old->list, (c)->old->n##list, now->name);        \
            const char *subject = CFMT(c, word " %s", now->name);                                                                     \
            if (!was)                                                                                                                 \
                ecc_differ(c, ECC_DIFF_##KIND##_ADDED, false, now->span, subject, "new " word);                                       \
            else if (strcmp(text_of(c, was), text_of(c, now)) != 0)                                                                   \
                ecc_differ(c, ECC_DIFF_##KIND##_CHANGED, false, now->span, subject, "changed");                                       \
        }                                                                                                                             \
        for (size_t i = 0; i < (c)->old->n##list; i++)                                                                                \
            if (!FIND((c)->new_->list, (c)->new_->n##list, (c)->old->list[i]->name))                                                  \
                ecc_differ(c, ECC_DIFF_##KIND##_REMOVED, true, (c)->old->list[i]->span, CFMT(c, word " %s", (c)->old->list[i]->name), \
                           word " is gone");                                                                                          \
    } while (0)

void ecc_compare_rules(struct ecc_comparer *c)
{
    compare_edges(c);
    compare_forbids(c);
    COMPARE_TEXTS(c, invariants, INVARIANT, "invariant", invariant_text);
    COMPARE_TEXTS(c, identities, IDENTITY, "identity", identity_text);
    COMPARE_TEXTS(c, scenarios, SCENARIO, "scenario", scenario_text);
}
