/* Nodes, and what may pass between them. */
#include "server.h"

#include <inttypes.h>
#include <string.h>

static const char *duration(const struct lsp_view *view, int64_t ms)
{
    struct ecc_arena *arena = (struct ecc_arena *)(uintptr_t)&view->arena;
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}};

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (ms && ms % units[i].ms == 0)
            return ecc_arena_printf(arena, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
    return ecc_arena_printf(arena, "%" PRId64 "ms", ms);
}

/* ------------------------------------------------------------------ edges */

struct called {
    FILE *out;
    const struct ecc_edge *edge;
    struct {
        const char *items[64];
        size_t n;
    } said;
};

static void put_call(void *context, const struct ecc_stmt *call)
{
    struct called *c = context;
    const char *name = call->u.call.op ? call->u.call.op->name : call->u.call.ext ? call->u.call.ext->name : NULL;

    if (call->u.call.edge != c->edge || !name || c->said.n == sizeof c->said.items / sizeof *c->said.items)
        return;
    for (size_t i = 0; i < c->said.n; i++)
        if (strcmp(c->said.items[i], name) == 0)
            return;
    fprintf(c->out, "%s`%s`", c->said.n ? ", " : "- calls ", name);
    c->said.items[c->said.n++] = name;
}

static bool carries_calls(const struct ecc_edge *e)
{
    return e->to->kind == ECC_NODE_SERVICE ? e->from->kind != ECC_NODE_BUS : e->to->kind == ECC_NODE_EXTERNAL;
}

static void put_calls(FILE *out, const struct lsp_view *view, const struct ecc_edge *e)
{
    struct called called = {.out = out, .edge = e};

    lsp_each_call(view->analysis.model, put_call, &called);
    fputs(called.said.n ? "\n" : "- calls nothing yet\n", out);
    fprintf(out, "- timeout %s\n", duration(view, e->timeout_ms));
    if (e->retries)
        fprintf(out, "- up to %d retries, %s to %s apart\n", e->retries, duration(view, e->backoff_min_ms),
                duration(view, e->backoff_max_ms));
    else
        fputs("- no retry\n", out);
    if (e->breaker.set)
        fprintf(out, "- breaker: opens after %d consecutive %s, for %s, then %d probe%s\n", e->breaker.trip,
                e->breaker.timeouts_only ? "timeouts" : "failures", duration(view, e->breaker.open_ms), e->breaker.probes,
                e->breaker.probes == 1 ? "" : "s");
    else
        fputs("- no breaker\n", out);
    if (e->concurrency)
        fprintf(out, "- at most %d at a time\n", e->concurrency);
    if (e->on_open)
        fprintf(out, "- when it is open: `%s`\n", e->on_open->name);
    if (e->on_failure)
        fprintf(out, "- when it fails: `%s`\n", e->on_failure->name);
}

void lsp_describe_edge(FILE *out, const struct lsp_view *view, const struct ecc_edge *e)
{
    fprintf(out, "```ecom\nedge %s -> %s\n```\n", e->from->name, e->to->name);
    if (e->http || e->https)
        fprintf(out, "- %s%s\n", e->https ? "https" : "http", e->external ? ", to an external" : "");
    for (size_t i = 0; i < e->npublish; i++)
        fprintf(out, "- publishes to %s\n", e->publish[i]->name);
    for (size_t i = 0; i < e->nconsume; i++)
        fprintf(out, "- consumes %s\n", e->consume[i]->name);
    for (size_t i = 0; i < e->nkeyspaces; i++)
        fprintf(out, "- keyspace %s\n", e->keyspaces[i]->name);
    if (carries_calls(e))
        put_calls(out, view, e);
}

static void put_prop(FILE *out, const struct lsp_view *view, const struct ecc_ast_prop *p)
{
    fprintf(out, "  %s", ecc_ast_prop_name(p->kind));
    switch (p->kind) {
    case ECC_AST_PROP_TIMEOUT:
        fprintf(out, " %s", duration(view, p->ms));
        break;
    case ECC_AST_PROP_RETRY:
        fprintf(out, " %" PRId64 " backoff %s..%s", p->count, duration(view, p->range.min_ms), duration(view, p->range.max_ms));
        break;
    case ECC_AST_PROP_BREAKER:
        fprintf(out, " { trip %" PRId64 " consecutive %s  open %s  probe %" PRId64 " }", p->count,
                p->timeouts_only ? "timeouts" : "failures", duration(view, p->ms), p->probes);
        break;
    case ECC_AST_PROP_CONCURRENCY:
        fprintf(out, " %" PRId64, p->count);
        break;
    case ECC_AST_PROP_ON_OPEN:
    case ECC_AST_PROP_ON_FAILURE:
        fprintf(out, " fail %s", p->error.text);
        break;
    case ECC_AST_PROP_PUBLISH:
    case ECC_AST_PROP_CONSUME:
    case ECC_AST_PROP_KEYSPACE:
    case ECC_AST_PROP_USE:
        for (size_t i = 0; i < p->names.n; i++)
            fprintf(out, " %s", p->names.items[i].text);
        break;
    case ECC_AST_PROP_HTTP:
    case ECC_AST_PROP_HTTPS:
    case ECC_AST_PROP_EXTERNAL:
        break;
    }
    fputc('\n', out);
}

void lsp_describe_policy(FILE *out, const struct lsp_view *view, const struct ecc_ast_decl *policy)
{
    const struct ecc_ast_decls *decls = &view->analysis.file->decls;
    bool any = false;

    fprintf(out, "```ecom\npolicy %s {\n", policy->name.text);
    for (size_t i = 0; i < policy->u.policy.n; i++)
        put_prop(out, view, policy->u.policy.items[i]);
    fputs("}\n```\n", out);
    for (size_t i = 0; i < decls->n; i++) {
        const struct ecc_ast_decl *d = decls->items[i];
        for (size_t k = 0; d->kind == ECC_AST_DECL_EDGE && k < d->u.edge.props.n; k++) {
            const struct ecc_ast_prop *p = d->u.edge.props.items[k];
            if (p->kind != ECC_AST_PROP_USE || strcmp(p->names.items[0].text, policy->name.text) != 0)
                continue;
            fprintf(out, "%s- %s -> %s\n", any ? "" : "\nOf the edges\n", d->u.edge.from.text, d->u.edge.to.text);
            any = true;
        }
    }
}

/* ------------------------------------------------------------------ nodes */

static void list(FILE *out, const char *what, size_t i, const char *name)
{
    fprintf(out, "%s%s", i ? ", " : what, name);
}

static void describe_service(FILE *out, const struct ecc_service *s)
{
    for (size_t i = 0; i < s->nops; i++)
        list(out, "- operations: ", i, s->ops[i]->name);
    fputs(s->nops ? "\n" : "", out);
    for (size_t i = 0; i < s->nconsumers; i++)
        list(out, "- consumes: ", i, s->consumers[i]->event ? s->consumers[i]->event->name : "?");
    fputs(s->nconsumers ? "\n" : "", out);
    for (size_t i = 0; i < s->ntables; i++)
        list(out, "- tables: ", i, s->tables[i]->name);
    fputs(s->ntables ? "\n" : "", out);
    for (size_t i = 0; i < s->nsagas; i++)
        list(out, "- sagas: ", i, s->sagas[i]->name);
    fputs(s->nsagas ? "\n" : "", out);
}

static void describe_gateway(FILE *out, const struct ecc_gateway *g)
{
    fprintf(out, "- listens on %d%s\n", g->port, g->tls ? ", with TLS" : "");
    for (size_t i = 0; i < g->nroutes; i++)
        fprintf(out, "- %s %s%s\n", g->routes[i]->method, g->routes[i]->path, g->routes[i]->auth ? ", authenticated" : "");
}

void lsp_describe_node(FILE *out, const struct lsp_view *view, const struct ecc_node *node)
{
    static const char *const words[] = {"client", "bus", "cache", "external", "service", "gateway"};
    const struct ecc_external *x = &node->u.external;

    (void)view;
    fprintf(out, "```ecom\n%s %s \"%s\"\n```\n", words[node->kind], node->name, node->title);
    switch (node->kind) {
    case ECC_NODE_SERVICE:
        describe_service(out, &node->u.service);
        break;
    case ECC_NODE_GATEWAY:
        describe_gateway(out, &node->u.gateway);
        break;
    case ECC_NODE_EXTERNAL:
        fprintf(out, "- base: %s%s\n", x->base ? x->base : "none", x->has_sandbox ? ", with a sandbox" : "");
        for (size_t i = 0; i < x->ncalls; i++)
            list(out, "- calls: ", i, x->calls[i]->name);
        fputs(x->ncalls ? "\n" : "", out);
        break;
    case ECC_NODE_BUS:
        for (size_t i = 0; i < node->u.bus.ntopics; i++)
            list(out, "- topics: ", i, node->u.bus.topics[i]->name);
        fputs(node->u.bus.ntopics ? "\n" : "", out);
        break;
    case ECC_NODE_CACHE:
        for (size_t i = 0; i < node->u.cache.nkeyspaces; i++)
            list(out, "- keyspaces: ", i, node->u.cache.keyspaces[i]->name);
        fputs(node->u.cache.nkeyspaces ? "\n" : "", out);
        break;
    case ECC_NODE_CLIENT:
        break;
    }
    for (size_t i = 0; i < node->nin; i++)
        list(out, "- from: ", i, node->in[i]->from->name);
    fputs(node->nin ? "\n" : "", out);
    for (size_t i = 0; i < node->nout; i++)
        list(out, "- to: ", i, node->out[i]->to->name);
    fputs(node->nout ? "\n" : "", out);
}
