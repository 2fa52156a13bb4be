/* Switches: what the language can assume of a topology's parts, as a person would flip it. One is offered for a scenario in which it would
 * be noticed, which derive knows: with it assumed as well, other messages are sent, or they end otherwise. What is made lives in the view's
 * memory.
 */
#include <string.h>

#include "studio.h"

struct switches {
    struct studio_switch *items;
    size_t n, cap;
};

static const char *called(const struct ecc_node *node)
{
    return node->title && *node->title ? node->title : node->name;
}

/* id, what, assume: kept by the list. Two of one id, of statuses that are one error, are one. */
static void add(struct ecc_arena *arena, struct switches *list, const char *id, const char *what, const char *assume, enum studio_real real,
                struct ecc_assume clause)
{
    struct studio_switch new = {
        .id = id,
        .label = ecc_arena_printf(arena, clause.kind == ECC_ASSUME_HANGS || clause.kind == ECC_ASSUME_DOWN ? "%s %s" : "%s: %s",
                                  called(clause.node), what),
        .what = what,
        .assume = assume,
        .node = clause.node,
        .real = real,
        .clause = clause,
    };

    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].id, id) == 0)
            return;
    ECC_PUSH(arena, list, new);
}

static void add_state(struct ecc_arena *arena, struct switches *list, const struct ecc_node *node, enum ecc_assume_kind kind)
{
    const char *word = kind == ECC_ASSUME_HANGS ? "hangs" : "down";

    add(arena, list, ecc_arena_printf(arena, "%s.%s", node->name, word), kind == ECC_ASSUME_HANGS ? "hangs" : "is down",
        ecc_arena_printf(arena, "%s %s", node->name, word), STUDIO_REAL_NOW, (struct ecc_assume){.kind = kind, .node = node});
}

static void add_failure(struct ecc_arena *arena, struct switches *list, const char *call, enum studio_real real, struct ecc_assume clause)
{
    const char *node = clause.node->name, *error = clause.error->name;

    clause.kind = ECC_ASSUME_FAILS;
    add(arena, list, ecc_arena_printf(arena, "%s.%s.%s", node, call, error), ecc_arena_printf(arena, "%s fails with %s", call, error),
        ecc_arena_printf(arena, "%s.%s fails %s", node, call, error), real, clause);
}

/* A stand-in can be told to refuse; what an operation says is decided by rows. */
static void add_failures(struct ecc_arena *arena, struct switches *list, const struct ecc_node *node)
{
    for (size_t i = 0; node->kind == ECC_NODE_EXTERNAL && i < node->u.external.ncalls; i++) {
        const struct ecc_ext_call *call = node->u.external.calls[i];
        for (size_t k = 0; k < call->nerrors; k++)
            add_failure(arena, list, call->name, STUDIO_REAL_NOW,
                        (struct ecc_assume){.node = node, .ext = call, .error = call->errors[k].error});
    }
    for (size_t i = 0; node->kind == ECC_NODE_SERVICE && i < node->u.service.nops; i++) {
        const struct ecc_op *op = node->u.service.ops[i];
        for (size_t k = 0; k < op->nerrors; k++)
            add_failure(arena, list, op->name, STUDIO_REAL_NEVER, (struct ecc_assume){.node = node, .op = op, .error = op->errors[k]});
    }
}

static void add_breakers(struct ecc_arena *arena, struct switches *list, const struct ecc_model *model, const struct ecc_node *node)
{
    for (size_t i = 0; i < model->nedges; i++) {
        const struct ecc_edge *edge = model->edges[i];
        if (edge->to != node || !edge->breaker.set)
            continue;
        add(arena, list, ecc_arena_printf(arena, "%s.%s.open", edge->from->name, node->name),
            ecc_arena_printf(arena, "the breaker of %s is open", called(edge->from)),
            ecc_arena_printf(arena, "breaker %s -> %s open", edge->from->name, node->name), STUDIO_REAL_IN_RUN,
            (struct ecc_assume){.kind = ECC_ASSUME_OPEN, .node = node, .edge = edge});
    }
}

static void add_keyspaces(struct ecc_arena *arena, struct switches *list, const struct ecc_node *node)
{
    for (size_t i = 0; i < node->u.cache.nkeyspaces; i++) {
        const struct ecc_keyspace *keyspace = node->u.cache.keyspaces[i];
        for (int holds = 1; holds >= 0; holds--) {
            const char *word = holds ? "holds" : "misses";
            add(arena, list, ecc_arena_printf(arena, "%s.%s.%s", node->name, keyspace->name, word),
                ecc_arena_printf(arena, holds ? "%s holds what is asked for" : "%s has not what is asked for", keyspace->name),
                ecc_arena_printf(arena, "%s.%s %s", node->name, keyspace->name, word), STUDIO_REAL_IN_RUN,
                (struct ecc_assume){.kind = holds ? ECC_ASSUME_HOLDS : ECC_ASSUME_MISSES, .node = node, .keyspace = keyspace});
        }
    }
}

static void add_node(struct ecc_arena *arena, struct switches *list, const struct ecc_model *model, const struct ecc_node *node)
{
    if (node->kind == ECC_NODE_CLIENT || node->kind == ECC_NODE_GATEWAY)
        return; /* without them there is no scenario */
    if (node->kind == ECC_NODE_EXTERNAL || node->kind == ECC_NODE_SERVICE) {
        add_state(arena, list, node, ECC_ASSUME_HANGS);
        add_state(arena, list, node, ECC_ASSUME_DOWN);
        add_breakers(arena, list, model, node);
        add_failures(arena, list, node);
        return;
    }
    add_state(arena, list, node, ECC_ASSUME_DOWN);
    if (node->kind == ECC_NODE_CACHE)
        add_keyspaces(arena, list, node);
}

/* ------------------------------------------------------------------ is it noticed? */

/* Does the scenario send anything there? It spares most derivations. */
static bool goes_there(const struct studio_switch *s, const struct ecc_hops *hops)
{
    const struct ecc_assume *a = &s->clause;
    const char *call = a->ext ? a->ext->name : a->op ? a->op->name : NULL;

    for (size_t i = 0; i < hops->n; i++) {
        const struct ecc_hop *hop = hops->items[i];
        if (hop->to == s->node && (!call || strcmp(hop->label, call) == 0) && (!a->edge || hop->edge == a->edge))
            return true;
        if (s->node->kind == ECC_NODE_BUS && hop->from == s->node)
            return true;
        if (goes_there(s, &hop->hops))
            return true;
    }
    return false;
}

static bool same(const struct ecc_hops *a, const struct ecc_hops *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct ecc_hop *x = a->items[i], *y = b->items[i];
        if (x->kind != y->kind || x->outcome != y->outcome || x->phase != y->phase || x->from != y->from || x->to != y->to ||
            x->error != y->error || x->status != y->status || x->opens != y->opens || x->maybe != y->maybe ||
            strcmp(x->label, y->label) != 0)
            return false;
        if (!same(&x->hops, &y->hops))
            return false;
    }
    return true;
}

/* What an operation's text never comes to is not offered: it would be forced. */
static bool is_noticed(struct ecc_arena *arena, const struct ecc_model *model, const struct studio_switch *s,
                       const struct ecc_derived *derived)
{
    struct ecc_scenario more = *derived->scenario;

    if (!goes_there(s, &derived->hops))
        return false;
    struct ecc_arena *scratch = ecc_arena_scratch(arena);
    more.assumes = ECC_NEW_ARRAY(scratch, struct ecc_assume, more.nassumes + 1);
    if (more.nassumes)
        memcpy(more.assumes, derived->scenario->assumes, more.nassumes * sizeof *more.assumes);
    more.assumes[more.nassumes] = s->clause;
    more.assumes[more.nassumes].after = more.ngiven;
    more.nassumes++;
    const struct ecc_derived *with = ecc_derive(scratch, model, &more);
    return with->met[more.nassumes - 1] && with->forced != &more.assumes[more.nassumes - 1] && !same(&with->hops, &derived->hops);
}

void studio_view_switches(struct studio_view *view)
{
    const struct ecc_model *model = view->model;
    struct switches all = {0}, kept = {0};

    if (!model)
        return;
    for (size_t i = 0; i < model->nnodes; i++)
        add_node(view->arena, &all, model, model->nodes[i]);
    for (size_t i = 0; i < all.n; i++) {
        struct studio_switch *s = &all.items[i];
        bool any = s->real == STUDIO_REAL_NOW; /* of the running system it can be flipped with no scenario */
        bool holds = s->clause.kind == ECC_ASSUME_HOLDS;
        s->noticed = ECC_NEW_ARRAY(view->arena, bool, model->nscenarios + 1);
        for (size_t k = 0; k < model->nscenarios; k++) {
            s->noticed[k] = is_noticed(view->arena, model, s, view->derived[k]);
            any = any || s->noticed[k];
            if (holds && s->noticed[k] && model->scenarios[k]->identity) /* who fills it is somebody else, and so may be the key */
                s->real = STUDIO_REAL_NEVER;
        }
        if (any)
            ECC_PUSH(view->arena, &kept, *s);
    }
    view->switches = kept.items;
    view->nswitches = kept.n;
}

const char *studio_real_name(enum studio_real real)
{
    static const char *const names[] = {[STUDIO_REAL_NOW] = "now", [STUDIO_REAL_IN_RUN] = "run", [STUDIO_REAL_NEVER] = "never"};

    return names[real];
}
