/* See code.h. Numbers as the language writes them. */
#include <inttypes.h>
#include <string.h>

#include "code.h"

struct policy {
    struct ecc_writer *w;
    bool any;
};

static struct policy begin(struct ecc_writer *w)
{
    ecc_w(w, "\"policy\": [");
    return (struct policy){w, false};
}

static void end(struct policy *p)
{
    ecc_wl(p->w, "]");
}

static void put(struct policy *p, const char *name, const char *value)
{
    ecc_w(p->w, "%s{\"name\": %s, \"value\": %s}", p->any ? ", " : "", ecc_quote_json(p->w->arena, name),
          ecc_quote_json(p->w->arena, value));
    p->any = true;
}
#define PUT(p, name, ...) put((p), (name), ecc_arena_printf((p)->w->arena, __VA_ARGS__))

static const char *duration(struct policy *p, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}};

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (ms && ms % units[i].ms == 0)
            return ecc_arena_printf(p->w->arena, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
    return ecc_arena_printf(p->w->arena, "%" PRId64 "ms", ms);
}

static const char *backoff(struct policy *p, int64_t min_ms, int64_t max_ms)
{
    return max_ms ? ecc_arena_printf(p->w->arena, ", after %s to %s", duration(p, min_ms), duration(p, max_ms)) : "";
}

static void put_keyspace(struct policy *p, const struct ecc_keyspace *keyspace)
{
    const char *near =
        keyspace->near_ms ? ecc_arena_printf(p->w->arena, ", and for %s by each process that reads it", duration(p, keyspace->near_ms)) : "";

    PUT(p, keyspace->name, "kept for %s%s", duration(p, keyspace->ttl_ms), near);
}

/* ------------------------------------------------------------------ nodes */

static const char *error_names(struct policy *p, const struct ecc_error *const *errors, size_t n)
{
    const char *text = "";

    for (size_t i = 0; i < n; i++)
        text = ecc_arena_printf(p->w->arena, "%s%s%s", text, i ? ", " : "", errors[i]->name);
    return text;
}

static void put_gateway(struct policy *p, const struct ecc_gateway *g)
{
    static const char *const per[] = {
        [ECC_PER_IDENTITY] = "identity", [ECC_PER_ADDRESS] = "address", [ECC_PER_IDENTITY_OR_ADDRESS] = "identity or address"};

    PUT(p, "listen", "%d%s", g->port, g->tls ? ", TLS" : "");
    if (g->auth && g->auth->via)
        PUT(p, "auth", "by %s.%s, kept for %s", g->auth->via->u.call.edge->to->name, g->auth->via->u.call.op->name,
            duration(p, g->auth->cache_ms));
    if (g->limit)
        PUT(p, "limit", "%g/s, burst %d%s, per %s%s", g->limit->per_second, g->limit->burst,
            g->limit->lease ? ecc_arena_printf(p->w->arena, ", lease %d", g->limit->lease) : "", per[g->limit->per],
            !g->limit->cache            ? ""
            : g->limit->when_down_allow ? ", allowed while its cache is down"
                                        : ", refused while its cache is down");
    PUT(p, "routes", "%zu", g->nroutes);
}

static void put_external(struct policy *p, const struct ecc_external *x)
{
    static const char *const auths[] = {
        [ECC_AUTH_NONE] = "none", [ECC_AUTH_BEARER] = "bearer", [ECC_AUTH_BASIC] = "basic", [ECC_AUTH_HEADER] = "header"};

    put(p, "base", x->base);
    put(p, "auth", auths[x->auth]);
    put(p, "sandbox", x->has_sandbox ? "yes" : "no");
}

void studio_write_node_policy(struct ecc_writer *w, const struct ecc_node *node)
{
    struct policy list = begin(w), *p = &list;

    switch (node->kind) {
    case ECC_NODE_GATEWAY:
        put_gateway(p, &node->u.gateway);
        break;
    case ECC_NODE_SERVICE:
        PUT(p, "workers", "%d", node->u.service.workers);
        PUT(p, "operations", "%zu", node->u.service.nops);
        for (size_t i = 0; i < node->u.service.nsagas; i++)
            if (!node->u.service.sagas[i]->past)
                PUT(p, "saga", "%s, %zu steps", node->u.service.sagas[i]->name, node->u.service.sagas[i]->nsteps);
        break;
    case ECC_NODE_BUS:
        for (size_t i = 0; i < node->u.bus.ntopics; i++) {
            const struct ecc_topic *t = node->u.bus.topics[i];
            PUT(p, t->name, "by %s, %d partition%s%s%s", t->key, t->partitions, t->partitions == 1 ? "" : "s",
                t->retention_ms ? ", kept for " : "", t->retention_ms ? duration(p, t->retention_ms) : "");
        }
        break;
    case ECC_NODE_CACHE:
        for (size_t i = 0; i < node->u.cache.nkeyspaces; i++)
            put_keyspace(p, node->u.cache.keyspaces[i]);
        break;
    case ECC_NODE_EXTERNAL:
        put_external(p, &node->u.external);
        break;
    case ECC_NODE_CLIENT:
        break;
    }
    end(p);
}

/* ------------------------------------------------------------------ edges */

static void put_calls(struct policy *p, const struct ecc_edge *edge)
{
    const struct ecc_breaker *b = &edge->breaker;

    put(p, "protocol", edge->https ? "https" : "http");
    put(p, "timeout", duration(p, edge->timeout_ms));
    if (edge->retries)
        PUT(p, "retry", "%d%s", edge->retries, backoff(p, edge->backoff_min_ms, edge->backoff_max_ms));
    if (b->set)
        PUT(p, "breaker", "opens after %d %s in a row, for %s, then %d probe%s", b->trip, b->timeouts_only ? "timeouts" : "failures",
            duration(p, b->open_ms), b->probes, b->probes == 1 ? "" : "s");
    if (edge->concurrency)
        PUT(p, "concurrency", "%d", edge->concurrency);
    if (edge->on_open)
        put(p, "on open", edge->on_open->name);
    if (edge->on_failure)
        put(p, "on failure", edge->on_failure->name);
}

static void put_op(struct policy *p, const struct ecc_node *service, const char *label)
{
    static const char *const repeats[] = {[ECC_REPEAT_READ] = "writes nothing, may be repeated",
                                          [ECC_REPEAT_ATOMIC] = "one transaction, with the key that makes it single",
                                          [ECC_REPEAT_CLAIM] = "claims its key first, and finishes it with the reply"};

    for (size_t i = 0; i < service->u.service.nops; i++) {
        const struct ecc_op *op = service->u.service.ops[i];
        if (strcmp(op->name, label) != 0)
            continue;
        put(p, "a repeat", repeats[op->program.repeat]);
        if (op->nerrors)
            put(p, "errors", error_names(p, (const struct ecc_error *const *)op->errors, op->nerrors));
    }
}

static void put_ext(struct policy *p, const struct ecc_node *external, const char *label)
{
    for (size_t i = 0; i < external->u.external.ncalls; i++) {
        const struct ecc_ext_call *call = external->u.external.calls[i];
        if (strcmp(call->name, label) != 0)
            continue;
        PUT(p, "call", "%s %s", call->method, call->path);
        if (call->idempotency_header)
            put(p, "idempotency", call->idempotency_header);
        for (size_t k = 0; k < call->nerrors; k++)
            PUT(p, "error", "%d is %s", call->errors[k].status, call->errors[k].error->name);
    }
}

static void put_consumers(struct policy *p, const struct ecc_node *service, const char *label)
{
    for (size_t i = 0; service->kind == ECC_NODE_SERVICE && i < service->u.service.nconsumers; i++) {
        const struct ecc_consumer *c = service->u.service.consumers[i];
        if (label && strcmp(label, c->event->name) != 0)
            continue;
        PUT(p, c->event->name, "group %s, %d retr%s%s, then %s", c->group, c->retries, c->retries == 1 ? "y" : "ies",
            c->retries ? backoff(p, c->backoff_min_ms, c->backoff_max_ms) : "", c->dead_letter ? "a dead letter" : "dropped");
    }
}

void studio_write_edge_policy(struct ecc_writer *w, const struct ecc_edge *edge, const char *label)
{
    struct policy list = begin(w), *p = &list;

    if ((edge->http || edge->https) && edge->from->kind != ECC_NODE_CLIENT)
        put_calls(p, edge);
    else if (edge->http || edge->https)
        put(p, "protocol", edge->https ? "https" : "http");
    if (label && edge->to->kind == ECC_NODE_SERVICE)
        put_op(p, edge->to, label);
    if (label && edge->to->kind == ECC_NODE_EXTERNAL)
        put_ext(p, edge->to, label);
    for (size_t i = 0; i < edge->npublish; i++)
        PUT(p, "publishes", "%s, by %s", edge->publish[i]->name, edge->publish[i]->key);
    for (size_t i = 0; i < edge->nconsume; i++)
        put(p, "consumes", edge->consume[i]->name);
    if (edge->nconsume)
        put_consumers(p, edge->to, label);
    for (size_t i = 0; i < edge->nkeyspaces; i++)
        if (studio_names(label, edge->keyspaces[i]->name))
            put_keyspace(p, edge->keyspaces[i]);
    end(p);
}
