/* From a trace to the tree of hops. A span that is no message (an operation's own) gives its children to the message above it; one whose
 * parent is not there stands at the top. Siblings stand in the order in which they began, then in which they came. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "cnames.h"
#include "traces.h"

struct building {
    struct ecc_arena *arena;
    const struct ecc_model *model;
    const struct ecc_trace *trace;
    const struct ecc_node *client; /* who asks, or NULL: not known */
    struct ecc_hop **hops;         /* of each span, or NULL */
    size_t *order;                 /* of the spans, by their beginning */
    size_t *parents;               /* of each span; n: it has none here */
    uint64_t began_us;
};

/* ------------------------------------------------------------------ names */

static const struct ecc_node *node_named(const struct ecc_model *model, const char *name, size_t n)
{
    for (size_t i = 0; i < model->nnodes; i++)
        if (strlen(model->nodes[i]->name) == n && !memcmp(model->nodes[i]->name, name, n))
            return model->nodes[i];
    return NULL;
}

/* A gateway does not know who its client is: of several it is the one that the scenario has ask, if one is played, else the first. */
static const struct ecc_edge *clients_edge(const struct ecc_model *model, const char *gateway, const struct ecc_node *client)
{
    const struct ecc_edge *first = NULL;

    for (size_t i = 0; i < model->nedges; i++) {
        const struct ecc_edge *edge = model->edges[i];
        if (edge->from->kind != ECC_NODE_CLIENT || strcmp(edge->to->name, gateway) != 0)
            continue;
        if (edge->from == client)
            return edge;
        first = first ? first : edge;
    }
    return first;
}

static const char *edge_of(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_otlp_span *span,
                           const struct ecc_node *client)
{
    const struct ecc_edge *edge;

    if (!span->hop || span->edge)
        return span->hop ? span->edge : NULL;
    edge = clients_edge(model, span->service, client);
    return edge ? ecc_arena_printf(arena, "%s -> %s", edge->from->name, edge->to->name) : NULL;
}

const char *ecc_trace_edge(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_otlp_span *span)
{
    return edge_of(arena, model, span, NULL);
}

/* A node that the model does not have: of a release that it was not made of. */
static const struct ecc_node *stranger(struct ecc_arena *arena, const char *name, size_t n)
{
    struct ecc_node *node = ECC_NEW(arena, struct ecc_node);

    node->name = ecc_arena_strndup(arena, name, n);
    return node;
}

static const struct ecc_error *error_named(struct building *b, const char *kebab)
{
    for (size_t i = 0; i < b->model->nerrors; i++)
        if (!strcmp(ecc_kebab(b->arena, b->model->errors[i]->name), kebab))
            return b->model->errors[i];
    struct ecc_error *error = ECC_NEW(b->arena, struct ecc_error); /* the runtime's own: rate-limited, RateLimited */
    char *name = ecc_arena_strdup(b->arena, kebab), *to = name;
    bool upper = true;
    for (const char *p = kebab; *p; p++) {
        if (*p == '-') {
            upper = true;
            continue;
        }
        *to++ = upper && *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
        upper = false;
    }
    *to = '\0';
    error->name = name;
    return error;
}

/* ------------------------------------------------------------------ one hop */

static bool word(const char *text, const char *(*name)(unsigned), unsigned n, unsigned *out)
{
    for (unsigned i = 0; text && i < n; i++)
        if (!strcmp(name(i), text)) {
            *out = i;
            return true;
        }
    return false;
}

static const char *kind_name(unsigned kind)
{
    return ecc_hop_kind_name((enum ecc_hop_kind)kind);
}

static const char *outcome_name(unsigned outcome)
{
    return ecc_hop_outcome_name((enum ecc_hop_outcome)outcome);
}

static void set_ends(struct building *b, struct ecc_hop *hop, const char *edge)
{
    const char *arrow = edge ? strstr(edge, " -> ") : NULL;
    size_t n = arrow ? (size_t)(arrow - edge) : 0, suffix = strlen("-db");
    const char *to = arrow ? arrow + 4 : "?";

    hop->from = node_named(b->model, edge ? edge : "", n);
    if (!hop->from)
        hop->from = stranger(b->arena, n ? edge : "?", n ? n : 1);
    if (hop->kind == ECC_HOP_SQL && strlen(to) == n + suffix && !memcmp(to, edge, n) && !strcmp(to + n, "-db"))
        return;
    hop->to = node_named(b->model, to, strlen(to));
    if (!hop->to)
        hop->to = stranger(b->arena, to, strlen(to));
    for (size_t i = 0; i < hop->from->nout; i++)
        if (hop->from->out[i]->to == hop->to)
            hop->edge = hop->from->out[i];
}

static struct ecc_hop *hop_of(struct building *b, const struct ecc_otlp_span *span)
{
    unsigned kind, outcome = ECC_HOP_IS_OK;
    struct ecc_hop *hop;

    if (!word(span->hop, kind_name, ECC_HOP_DELIVER + 1, &kind) ||
        (span->outcome && !word(span->outcome, outcome_name, ECC_HOP_IS_OPEN + 1, &outcome)))
        return NULL;
    hop = ECC_NEW(b->arena, struct ecc_hop);
    hop->kind = (enum ecc_hop_kind)kind;
    hop->outcome = (enum ecc_hop_outcome)outcome;
    hop->label = ecc_arena_strdup(b->arena, span->name);
    hop->status = span->status;
    hop->error = span->error ? error_named(b, span->error) : NULL;
    hop->opens = span->breaker && !strcmp(span->breaker, "open") && outcome != ECC_HOP_IS_OPEN && outcome != ECC_HOP_IS_OK;
    hop->recorded = true;
    hop->start_us = span->start_us - b->began_us;
    hop->end_us = span->end_us - b->began_us;
    set_ends(b, hop, edge_of(b->arena, b->model, span, b->client));
    return hop;
}

/* ------------------------------------------------------------------ the tree */

struct by_id {
    const char *id;
    size_t at;
};

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct by_id *)a)->id, ((const struct by_id *)b)->id);
}

static void find_parents(struct building *b)
{
    size_t n = b->trace->n;
    struct by_id *ids = ECC_NEW_ARRAY(b->arena, struct by_id, n + 1);

    for (size_t i = 0; i < n; i++)
        ids[i] = (struct by_id){b->trace->spans[i]->id, i};
    qsort(ids, n, sizeof *ids, by_id);
    for (size_t i = 0; i < n; i++) {
        const struct by_id key = {b->trace->spans[i]->parent, 0};
        const struct by_id *found = *key.id ? bsearch(&key, ids, n, sizeof *ids, by_id) : NULL;
        b->parents[i] = found ? found->at : n;
    }
}

/* The message above a span; n: it stands at the top, as do those whose parents go in a circle. */
static size_t message_above(const struct building *b, size_t i)
{
    size_t n = b->trace->n, found = n, steps = 0;

    for (size_t at = b->parents[i]; at < n; at = b->parents[at]) {
        if (++steps > n)
            return n;
        if (found == n && b->hops[at])
            found = at;
    }
    return found;
}

static int in_time(const void *a, const void *b, void *data)
{
    const struct building *building = data;
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    uint64_t x = building->trace->spans[i]->start_us, y = building->trace->spans[k]->start_us;

    return x != y ? (x < y ? -1 : 1) : i < k ? -1 : i > k;
}

struct ecc_derived *ecc_trace_recorded(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_scenario *scenario,
                                       const struct ecc_trace *trace)
{
    struct building b = {
        .arena = arena, .model = model, .trace = trace, .client = scenario && scenario->when ? scenario->when->client : NULL};
    struct ecc_derived *recorded = ECC_NEW(arena, struct ecc_derived);

    recorded->scenario = scenario;
    b.hops = ECC_NEW_ARRAY(arena, struct ecc_hop *, trace->n + 1);
    b.order = ECC_NEW_ARRAY(arena, size_t, trace->n + 1);
    b.parents = ECC_NEW_ARRAY(arena, size_t, trace->n + 1);
    for (size_t i = 0; i < trace->n; i++) {
        b.order[i] = i;
        if (!i || trace->spans[i]->start_us < b.began_us)
            b.began_us = trace->spans[i]->start_us;
    }
    recorded->began_us = b.began_us;
    qsort_r(b.order, trace->n, sizeof *b.order, in_time, &b);
    find_parents(&b);
    for (size_t i = 0; i < trace->n; i++)
        b.hops[i] = hop_of(&b, trace->spans[i]);
    for (size_t k = 0; k < trace->n; k++) {
        struct ecc_hop *hop = b.hops[b.order[k]];
        size_t above = message_above(&b, b.order[k]);
        if (hop)
            ECC_PUSH(arena, above < trace->n ? &b.hops[above]->hops : &recorded->hops, hop);
    }
    ecc_hops_name(arena, &recorded->hops);
    return recorded;
}
