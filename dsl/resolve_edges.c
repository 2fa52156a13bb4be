/* Edges: who may talk to whom, and how. A policy's properties come first, the edge's own override them. */
#include "resolve.h"
#include "source.h"

#include <stdlib.h>
#include <string.h>

struct ecc_edge *ecc_edge_between(struct ecc_resolver *r, const struct ecc_node *from, const struct ecc_node *to)
{
    return ecc_find(r, &from->out, to->name);
}

/* Behind the last edge, or at the end: where one more would be written. */
static void fix_edge(struct ecc_resolver *r, struct ecc_diag *d, const char *edge)
{
    uint32_t at = r->source->length;

    for (size_t i = 0; i < r->file->decls.n; i++)
        if (r->file->decls.items[i]->kind == ECC_AST_DECL_EDGE)
            at = r->file->decls.items[i]->span.end;
    ecc_diag_fix(d, (struct ecc_span){at, at}, ecc_arena_printf(r->arena, "\n%s%s", edge, at == r->source->length ? "\n" : ""));
}

struct ecc_edge *ecc_need_edge(struct ecc_resolver *r, const struct ecc_node *from, const struct ecc_node *to, struct ecc_span span,
                               const char *need)
{
    struct ecc_edge *edge = ecc_edge_between(r, from, to);

    if (edge) {
        ecc_mark(r, edge, "used");
        return edge;
    }
    if (!ecc_mark(r, &from->in, to->name)) /* said before */
        return NULL;
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_NO_EDGE, span, "there is no edge %s -> %s", from->name, to->name);
    ecc_diag_second(d, to->span, "declared here");
    if (!need)
        need = to->kind == ECC_NODE_EXTERNAL ? "{ https external }" : "{ http }";
    const char *line = ecc_arena_printf(r->arena, "edge %s -> %s %s", from->name, to->name, need);
    ecc_diag_help(r->diags, d, "add: %s", line);
    fix_edge(r, d, line);
    return NULL;
}

/* ------------------------------------------------------------------ who may talk to whom at all */

static bool carries_calls(const struct ecc_node *from, const struct ecc_node *to)
{
    return to->kind == ECC_NODE_EXTERNAL || to->kind == ECC_NODE_SERVICE ? from->kind == ECC_NODE_SERVICE || from->kind == ECC_NODE_GATEWAY
                                                                         : false;
}

static bool kinds_may_talk(enum ecc_node_kind from, enum ecc_node_kind to)
{
    switch (from) {
    case ECC_NODE_CLIENT:
        return to == ECC_NODE_GATEWAY;
    case ECC_NODE_GATEWAY:
        return to == ECC_NODE_SERVICE || to == ECC_NODE_CACHE;
    case ECC_NODE_SERVICE:
        return to == ECC_NODE_SERVICE || to == ECC_NODE_EXTERNAL || to == ECC_NODE_CACHE || to == ECC_NODE_BUS;
    case ECC_NODE_BUS:
        return to == ECC_NODE_SERVICE;
    default:
        return false;
    }
}

/* What a client can do in place of an edge to something else. */
static void to_gateway(struct ecc_resolver *r, struct ecc_diag *d, const struct ecc_node *from, const struct ecc_node *to,
                       struct ecc_span ends)
{
    const struct ecc_node *gateway = NULL;
    size_t n = 0;

    for (size_t i = 0; i < r->model->nnodes; i++) {
        if (r->model->nodes[i]->kind != ECC_NODE_GATEWAY)
            continue;
        gateway = r->model->nodes[i];
        n++;
    }
    if (n == 1 && ecc_edge_between(r, from, gateway)) {
        ecc_diag_help(r->diags, d, "take it away, and give %s a route that needs %s", gateway->name, to->name);
    } else if (n == 1) {
        ecc_diag_help(r->diags, d, "write `edge %s -> %s`, with a route of %s that needs %s", from->name, gateway->name, gateway->name,
                      to->name);
        ecc_diag_fix(d, ends, ecc_arena_printf(r->arena, "%s -> %s", from->name, gateway->name));
    } else {
        ecc_diag_help(r->diags, d, "%s, with a route that needs %s", n ? "name one of the gateways" : "declare a gateway", to->name);
    }
}

static bool check_ends(struct ecc_resolver *r, const struct ecc_ast_decl *ast, const struct ecc_node *from, const struct ecc_node *to)
{
    struct ecc_span ends = {ast->u.edge.from.span.start, ast->u.edge.to.span.end};

    if (from == to) {
        ecc_diag(r->diags, ECC_E_EDGE, ends, "an edge from %s to itself", from->name);
        return false;
    }
    if (from->kind == ECC_NODE_EXTERNAL) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_EXTERNAL_SOURCE, ends, "%s is an external: it is called, it never calls in", from->name);
        ecc_diag_second(d, from->span, "declared here");
        if (kinds_may_talk(to->kind, from->kind)) {
            ecc_diag_help(r->diags, d, "turn the edge round: edge %s -> %s", to->name, from->name);
            ecc_diag_fix(d, ends, ecc_arena_printf(r->arena, "%s -> %s", to->name, from->name));
        }
        return false;
    }
    if (from->kind == ECC_NODE_CLIENT && to->kind != ECC_NODE_GATEWAY) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_CLIENT_EDGE, ends, "%s is a client: it speaks only to a gateway, and %s is %s",
                                      from->name, to->name, ecc_node_kind_name(to->kind));
        ecc_diag_second(d, to->span, "declared here");
        to_gateway(r, d, from, to, ends);
        return false;
    }
    if (!kinds_may_talk(from->kind, to->kind)) {
        ecc_diag(r->diags, ECC_E_EDGE, ends, "%s can't have an edge to %s", ecc_node_kind_name(from->kind), ecc_node_kind_name(to->kind));
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ properties */

struct properties { /* by kind; own ones replace the policy's */
    const struct ecc_ast_prop *by_kind[ECC_AST_PROP_USE + 1];
};

static void collect(struct ecc_resolver *r, struct properties *p, const struct ecc_ast_decl *ast)
{
    const struct ecc_ast_props *own = &ast->u.edge.props;

    for (size_t i = 0; i < own->n; i++) {
        if (own->items[i]->kind != ECC_AST_PROP_USE)
            continue;
        const struct ecc_ast_decl *policy =
            ecc_lookup(r, &r->spaces->policies, &own->items[i]->names.items[0], ECC_E_UNKNOWN_POLICY, "policy");
        if (policy)
            ecc_mark(r, policy, "used");
        for (size_t k = 0; policy && k < policy->u.policy.n; k++)
            p->by_kind[policy->u.policy.items[k]->kind] = policy->u.policy.items[k];
    }
    for (size_t i = 0; i < own->n; i++) {
        enum ecc_ast_prop_kind kind = own->items[i]->kind;
        /* http and https exclude each other: the own one also takes the other of the policy away */
        if (kind == ECC_AST_PROP_HTTP || kind == ECC_AST_PROP_HTTPS) {
            const struct ecc_ast_prop *other = p->by_kind[kind == ECC_AST_PROP_HTTP ? ECC_AST_PROP_HTTPS : ECC_AST_PROP_HTTP];
            bool others_own = false;
            for (size_t k = 0; k < i; k++)
                others_own = others_own || own->items[k] == other;
            if (other && others_own)
                ecc_diag(r->diags, ECC_E_EDGE_PROPERTY, own->items[i]->span, "an edge is either http or https");
            p->by_kind[ECC_AST_PROP_HTTP] = p->by_kind[ECC_AST_PROP_HTTPS] = NULL;
        }
        p->by_kind[kind] = own->items[i];
    }
}

static bool fits_edge(enum ecc_ast_prop_kind kind, const struct ecc_node *from, const struct ecc_node *to)
{
    switch (kind) {
    case ECC_AST_PROP_HTTP:
    case ECC_AST_PROP_HTTPS:
        return carries_calls(from, to) || from->kind == ECC_NODE_CLIENT;
    case ECC_AST_PROP_EXTERNAL:
        return to->kind == ECC_NODE_EXTERNAL;
    case ECC_AST_PROP_PUBLISH:
        return to->kind == ECC_NODE_BUS;
    case ECC_AST_PROP_CONSUME:
        return from->kind == ECC_NODE_BUS;
    case ECC_AST_PROP_KEYSPACE:
        return to->kind == ECC_NODE_CACHE;
    case ECC_AST_PROP_USE:
        return true;
    default:
        return carries_calls(from, to);
    }
}

static void take_calls(struct ecc_resolver *r, const struct properties *p, struct ecc_edge *e)
{
    const struct ecc_ast_prop *q;

    e->timeout_ms = 5000;
    if ((q = p->by_kind[ECC_AST_PROP_TIMEOUT]) && ecc_in_range(r, q->ms, 1, 86400000, q->span, "a timeout in milliseconds"))
        e->timeout_ms = q->ms;
    if ((q = p->by_kind[ECC_AST_PROP_RETRY])) {
        if (ecc_in_range(r, q->count, 0, 20, q->span, "the number of retries"))
            e->retries = (int)q->count;
        e->backoff_min_ms = q->range.min_ms;
        e->backoff_max_ms = q->range.max_ms;
        if (q->count && (q->range.min_ms < 1 || q->range.max_ms < q->range.min_ms))
            ecc_diag(r->diags, ECC_E_RANGE, q->range.span, "a backoff goes from a time to a longer one");
    }
    if ((q = p->by_kind[ECC_AST_PROP_BREAKER])) {
        bool fine = ecc_in_range(r, q->count, 1, 1000, q->span, "`trip`");
        fine &= ecc_in_range(r, q->ms, 1, 86400000, q->span, "`open` in milliseconds");
        fine &= ecc_in_range(r, q->probes, 1, 1000, q->span, "`probe`");
        if (fine)
            e->breaker = (struct ecc_breaker){true, (int)q->count, q->timeouts_only, q->ms, (int)q->probes};
    }
    if ((q = p->by_kind[ECC_AST_PROP_CONCURRENCY]) && ecc_in_range(r, q->count, 1, 100000, q->span, "a bound on concurrency"))
        e->concurrency = (int)q->count;
}

static const struct ecc_error *edge_error(struct ecc_resolver *r, const struct ecc_ast_prop *q)
{
    const struct ecc_error *error = q ? ecc_lookup_error(r, &q->error) : NULL;

    if (!error || error->status >= 500)
        return error;
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_EDGE_ERROR, q->error.span,
                                  "`%s` is %d: who does not answer has not decided, so this must be a 5xx", error->name, error->status);
    ecc_diag_second(d, error->span, "declared here");
    return NULL;
}

static const struct ecc_topic **take_topics(struct ecc_resolver *r, const struct ecc_ast_prop *q, const struct ecc_node *bus, size_t *n)
{
    const struct ecc_topic **topics = ECC_NEW_ARRAY(r->arena, const struct ecc_topic *, q ? q->names.n : 0);

    for (size_t i = 0; q && i < q->names.n; i++) {
        const struct ecc_topic *topic = ecc_lookup(r, &r->spaces->topics, &q->names.items[i], ECC_E_UNKNOWN_TOPIC, "topic");
        if (topic && topic->bus != &bus->u.bus) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_UNKNOWN_TOPIC, q->names.items[i].span, "topic %s is not on %s", topic->name, bus->name);
            ecc_diag_second(d, topic->span, "declared here");
        } else if (topic && ecc_list_once(r, topics, &q->names.items[i], topic, "topic")) {
            topics[(*n)++] = topic;
        }
    }
    return topics;
}

static void take_lists(struct ecc_resolver *r, const struct properties *p, struct ecc_edge *e)
{
    const struct ecc_ast_prop *q = p->by_kind[ECC_AST_PROP_KEYSPACE];

    if (e->to->kind == ECC_NODE_BUS)
        e->publish = take_topics(r, p->by_kind[ECC_AST_PROP_PUBLISH], e->to, &e->npublish);
    if (e->from->kind == ECC_NODE_BUS)
        e->consume = take_topics(r, p->by_kind[ECC_AST_PROP_CONSUME], e->from, &e->nconsume);
    if (e->to->kind != ECC_NODE_CACHE || !q)
        return;
    e->keyspaces = ECC_NEW_ARRAY(r->arena, const struct ecc_keyspace *, q->names.n);
    for (size_t i = 0; i < q->names.n; i++) {
        const struct ecc_keyspace *k = ecc_lookup(r, &e->to->u.cache.keyspaces, &q->names.items[i], ECC_E_UNKNOWN_KEYSPACE,
                                                  ecc_arena_printf(r->arena, "keyspace of %s called", e->to->name));
        if (k && ecc_list_once(r, e->keyspaces, &q->names.items[i], k, "keyspace"))
            e->keyspaces[e->nkeyspaces++] = k;
    }
}

static void take_properties(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_edge *e)
{
    struct properties p = {{0}};

    collect(r, &p, ast);
    for (int kind = 0; kind <= ECC_AST_PROP_USE; kind++) {
        if (!p.by_kind[kind] || fits_edge((enum ecc_ast_prop_kind)kind, e->from, e->to))
            continue;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_EDGE_PROPERTY, p.by_kind[kind]->span, "`%s` has no meaning on an edge from %s to %s",
                                      ecc_ast_prop_name((enum ecc_ast_prop_kind)kind), ecc_node_kind_name(e->from->kind),
                                      ecc_node_kind_name(e->to->kind));
        if (p.by_kind[kind]->span.start < ast->span.start || p.by_kind[kind]->span.end > ast->span.end)
            ecc_diag_second(d, e->span, "used by this edge");
        p.by_kind[kind] = NULL;
    }
    e->external = e->to->kind == ECC_NODE_EXTERNAL;
    e->https = p.by_kind[ECC_AST_PROP_HTTPS] || (e->external && !p.by_kind[ECC_AST_PROP_HTTP]);
    e->http = !e->https && fits_edge(ECC_AST_PROP_HTTP, e->from, e->to);
    take_calls(r, &p, e);
    e->on_open = edge_error(r, p.by_kind[ECC_AST_PROP_ON_OPEN]);
    e->on_failure = edge_error(r, p.by_kind[ECC_AST_PROP_ON_FAILURE]);
    take_lists(r, &p, e);
}

static void resolve_edge(struct ecc_resolver *r, const struct ecc_ast_decl *ast)
{
    struct ecc_node *from = ecc_lookup_node(r, &ast->u.edge.from), *to = ecc_lookup_node(r, &ast->u.edge.to);
    struct ecc_edge *e = ECC_NEW(r->arena, struct ecc_edge);

    if (!from || !to || !check_ends(r, ast, from, to))
        return;
    e->from = from;
    e->to = to;
    e->span = (struct ecc_span){ast->u.edge.from.span.start, ast->u.edge.to.span.end};
    struct ecc_symbol *first = ecc_symbols_add(&r->symbols, &from->out, to->name, e, e->span);
    if (first) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_DUPLICATE, e->span, "edge %s -> %s is declared twice", from->name, to->name);
        ecc_diag_second(d, first->span, "first declared here");
        return;
    }
    ecc_refer_edge(r, e, e->span);
    take_properties(r, ast, e);
    r->model->edges[r->model->nedges++] = e;
    from->nout++;
    to->nin++;
}

void ecc_resolve_edges(struct ecc_resolver *r)
{
    struct ecc_model *m = r->model;

    for (size_t i = 0; i < r->file->decls.n; i++)
        if (r->file->decls.items[i]->kind == ECC_AST_DECL_EDGE)
            resolve_edge(r, r->file->decls.items[i]);
    for (size_t i = 0; i < m->nnodes; i++) {
        struct ecc_node *node = m->nodes[i];
        node->out = ECC_NEW_ARRAY(r->arena, struct ecc_edge *, node->nout);
        node->in = ECC_NEW_ARRAY(r->arena, struct ecc_edge *, node->nin);
        node->nout = node->nin = 0;
    }
    for (size_t i = 0; i < m->nedges; i++) {
        /* the model's nodes are const to readers; these are the ones made by this compilation */
        struct ecc_node *from = (struct ecc_node *)(uintptr_t)m->edges[i]->from, *to = (struct ecc_node *)(uintptr_t)m->edges[i]->to;
        from->out[from->nout++] = m->edges[i];
        to->in[to->nin++] = m->edges[i];
    }
}
