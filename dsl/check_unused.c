/* Warnings: what was declared and serves nothing, and failures that no scenario shows. Only looked for when there is no error. */
#include "resolve.h"

#include <string.h>

static void warn_unused(struct ecc_resolver *r, enum ecc_code code, struct ecc_span span, const char *what, const char *name)
{
    ecc_diag(r->diags, code, span, "%s %s is not used", what, name);
}

static void check_edge(struct ecc_resolver *r, const struct ecc_edge *e)
{
    for (size_t i = 0; i < e->npublish; i++)
        if (!ecc_marked(r, &e->publish, e->publish[i]->name))
            ecc_diag(r->diags, ECC_W_UNUSED_EDGE, e->span, "%s never publishes to %s", e->from->name, e->publish[i]->name);
    for (size_t i = 0; i < e->nconsume; i++)
        if (!ecc_marked(r, &e->consume, e->consume[i]->name))
            ecc_diag(r->diags, ECC_W_UNUSED_EDGE, e->span, "%s consumes nothing from %s", e->to->name, e->consume[i]->name);
    for (size_t i = 0; i < e->nkeyspaces; i++)
        if (!ecc_marked(r, &e->keyspaces, e->keyspaces[i]->name))
            ecc_diag(r->diags, ECC_W_UNUSED_EDGE, e->span, "%s never touches keyspace %s", e->from->name, e->keyspaces[i]->name);
    if (!e->npublish && !e->nconsume && !e->nkeyspaces && !ecc_marked(r, e, "used"))
        ecc_diag(r->diags, ECC_W_UNUSED_EDGE, e->span, "nothing uses edge %s -> %s", e->from->name, e->to->name);
}

static void check_node(struct ecc_resolver *r, const struct ecc_node *n)
{
    if (n->kind == ECC_NODE_BUS)
        for (size_t i = 0; i < n->u.bus.ntopics; i++)
            if (!ecc_marked(r, n->u.bus.topics[i], "consumed"))
                ecc_diag(r->diags, ECC_W_UNCONSUMED, n->u.bus.topics[i]->span, "nobody consumes topic %s", n->u.bus.topics[i]->name);
    if (n->kind != ECC_NODE_SERVICE)
        return;
    for (size_t i = 0; i < n->u.service.nops; i++)
        if (!n->u.service.ops[i]->ncallers)
            ecc_diag(r->diags, ECC_W_UNUSED_OP, n->u.service.ops[i]->span, "nobody calls %s.%s", n->name, n->u.service.ops[i]->name);
    for (size_t i = 0; i < n->u.service.nconsumers; i++) {
        const struct ecc_consumer *c = n->u.service.consumers[i];
        if (ecc_marked(r, c->event, "published") || (c->event->several && ecc_marked(r, c->event->topic, c->event->name)))
            continue; /* an older version, of which some may still be in the topic */
        struct ecc_diag *d =
            ecc_diag(r->diags, ECC_W_UNPUBLISHED, c->span, "%s waits for %s, which nobody publishes", n->name, c->event->name);
        ecc_diag_second(d, c->event->span, "declared here");
    }
}

/* ------------------------------------------------------------------ what no scenario shows */

static bool shown(const struct ecc_scenario *s, const struct ecc_edge *e)
{
    for (size_t i = 0; i < s->nassumes; i++) {
        const struct ecc_assume *a = &s->assumes[i];
        if (a->edge == e || ((a->kind == ECC_ASSUME_HANGS || a->kind == ECC_ASSUME_DOWN) && a->node == e->to))
            return true;
    }
    return false;
}

static bool starts(const struct ecc_block *block, const struct ecc_saga *saga);

static bool starts_in(const struct ecc_stmt *s, const struct ecc_saga *saga)
{
    switch (s->kind) {
    case ECC_STMT_START:
        return s->u.start.saga == saga;
    case ECC_STMT_TX:
        return starts(&s->u.block, saga);
    case ECC_STMT_WHEN:
        return starts(&s->u.when.then, saga) || starts(&s->u.when.otherwise, saga);
    default:
        return false;
    }
}

static bool starts(const struct ecc_block *block, const struct ecc_saga *saga)
{
    for (size_t i = 0; i < block->nstmts; i++)
        if (starts_in(block->stmts[i], saga))
            return true;
    return false;
}

static void check_breakers(struct ecc_resolver *r)
{
    const struct ecc_model *m = r->model;

    for (size_t i = 0; i < m->nedges; i++) {
        bool found = !m->edges[i]->breaker.set;
        for (size_t k = 0; !found && k < m->nscenarios; k++)
            found = shown(m->scenarios[k], m->edges[i]);
        if (!found)
            ecc_diag(r->diags, ECC_W_NOT_SHOWN, m->edges[i]->span, "no scenario shows the breaker of %s -> %s", m->edges[i]->from->name,
                     m->edges[i]->to->name);
    }
}

/* A scenario shows that a saga fails when its request starts it and is answered with one of its errors. */
static void check_sagas_shown(struct ecc_resolver *r)
{
    const struct ecc_model *m = r->model;

    for (size_t i = 0; i < m->nsagas; i++) {
        const struct ecc_saga *saga = m->sagas[i];
        bool found = !saga->nerrors;
        for (size_t k = 0; !found && k < m->nscenarios; k++) {
            const struct ecc_scenario *s = m->scenarios[k];
            const struct ecc_stmt *call = s->when && s->when->route ? s->when->route->call : NULL;
            found = call && s->expect_error && ecc_has_error(saga->errors, saga->nerrors, s->expect_error) &&
                    starts(&call->u.call.op->program.body, saga);
        }
        if (!found)
            ecc_diag(r->diags, ECC_W_NOT_SHOWN, saga->span, "no scenario shows how saga %s fails", saga->name);
    }
}

static void check_caches_shown(struct ecc_resolver *r, const struct ecc_gateway *g)
{
    const struct ecc_model *m = r->model;

    for (size_t i = 0; i < g->nroutes; i++) {
        bool found = !g->routes[i]->cache.keyspace;
        for (size_t k = 0; !found && k < m->nscenarios; k++)
            found = m->scenarios[k]->when && m->scenarios[k]->when->route == g->routes[i];
        if (!found)
            ecc_diag(r->diags, ECC_W_NOT_SHOWN, g->routes[i]->span, "no scenario shows the cache of %s %s", g->routes[i]->method,
                     g->routes[i]->path);
    }
}

void ecc_check_unused(struct ecc_resolver *r)
{
    const struct ecc_model *m = r->model;

    for (size_t i = 0; i < m->nedges; i++)
        check_edge(r, m->edges[i]);
    for (size_t i = 0; i < m->nnodes; i++)
        check_node(r, m->nodes[i]);
    for (size_t i = 0; i < m->nsagas; i++)
        if (!ecc_marked(r, m->sagas[i], "started"))
            warn_unused(r, ECC_W_UNUSED_SAGA, m->sagas[i]->span, "saga", m->sagas[i]->name);
    for (size_t i = 0; i < r->file->decls.n; i++) {
        const struct ecc_ast_decl *d = r->file->decls.items[i];
        if (d->kind == ECC_AST_DECL_POLICY && !ecc_marked(r, d, "used"))
            warn_unused(r, ECC_W_UNUSED_POLICY, d->name.span, "policy", d->name.text);
    }
    if (!m->nscenarios)
        return;
    check_breakers(r);
    check_sagas_shown(r);
    for (size_t i = 0; i < m->nnodes; i++)
        if (m->nodes[i]->kind == ECC_NODE_GATEWAY)
            check_caches_shown(r, &m->nodes[i]->u.gateway);
}
