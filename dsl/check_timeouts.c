/* A caller must not give up before what it waits for has had its time.
 *
 * The worst a program can take is the sum of its calls' timeouts with their retries and pauses, the longer branch of each `when`, and the
 * steps of a saga that it awaits without `late`. Each edge that a request may wait on is held against the worst operation behind it, and the
 * calls of a route against the time that the gateway gives a request.
 * Compensations and repeats are left out: nobody waits for them. A loop counts as often as its list may have items, or once where that has no
 * upper bound; SQL not at all.
 */
#include "resolve.h"

#include <inttypes.h>
#include <string.h>

enum { REQUEST_MS = 30000 }; /* what the gateway gives a request: runtime/gateway.c */

static int64_t worst_block(struct ecc_resolver *r, const struct ecc_block *block);

static int64_t worst_edge(const struct ecc_edge *e)
{
    int64_t total = e->timeout_ms, pause = e->backoff_min_ms;

    for (int i = 0; i < e->retries; i++) {
        total += e->timeout_ms + pause;
        pause = pause * 2 < e->backoff_max_ms ? pause * 2 : e->backoff_max_ms;
    }
    return total;
}

enum { MOST = 1000000000 }; /* times and passes beyond this are no more than this, so that nothing overflows */

static int64_t passes(const struct ecc_stmt *loop)
{
    const struct ecc_type *type = loop->u.loop.list->type;
    int64_t most = type->kind == ECC_TYPE_LIST && type->bounded && type->max != INT64_MAX ? type->max : 1;

    return most < MOST ? most : MOST;
}

static int64_t times(int64_t n, int64_t ms)
{
    return ms < MOST && n * ms < MOST ? n * ms : MOST;
}

static int64_t worst_saga(const struct ecc_saga *saga)
{
    int64_t total = 0;

    for (size_t i = 0; i < saga->nsteps; i++)
        if (saga->steps[i].run && saga->steps[i].run->u.call.edge)
            total += worst_edge(saga->steps[i].run->u.call.edge);
    return total;
}

static int64_t worst_stmt(struct ecc_resolver *r, const struct ecc_stmt *s)
{
    int64_t most = 0, a, b;

    switch (s->kind) {
    case ECC_STMT_TX:
        return worst_block(r, &s->u.block);
    case ECC_STMT_FOR:
        return times(passes(s), worst_block(r, &s->u.loop.body));
    case ECC_STMT_WHEN:
        a = worst_block(r, &s->u.when.then);
        b = worst_block(r, &s->u.when.otherwise);
        return a > b ? a : b;
    case ECC_STMT_CALL:
        for (size_t i = 0; i < s->u.call.ncatches; i++) {
            a = worst_block(r, &s->u.call.catches[i].body);
            most = a > most ? a : most;
        }
        return most + (s->u.call.edge ? worst_edge(s->u.call.edge) : 0);
    case ECC_STMT_AWAIT:
        return s->u.await.has_late || s->u.await.saga->type->kind != ECC_TYPE_SAGA ? 0 : worst_saga(s->u.await.saga->type->saga);
    default:
        return 0;
    }
}

static int64_t worst_block(struct ecc_resolver *r, const struct ecc_block *block)
{
    int64_t total = 0;

    for (size_t i = 0; i < block->nstmts; i++)
        total += worst_stmt(r, block->stmts[i]);
    return total;
}

/* ------------------------------------------------------------------ the way, hop by hop */

enum { MAX_HOPS = 16 };

struct hops {
    struct ecc_resolver *r;
    const char *text;
    int n;
    int64_t passes; /* of the loops around */
};

static void add_hop(struct hops *h, const struct ecc_stmt *call)
{
    const struct ecc_edge *e = call->u.call.edge;

    if (!e || h->n++ >= MAX_HOPS)
        return;
    h->text = ecc_arena_printf(h->r->arena, "%s%s%s -> %s.%s %" PRId64 " ms", h->text, h->n > 1 ? " + " : "", e->from->name, e->to->name,
                               call->u.call.op ? call->u.call.op->name : call->u.call.ext->name, times(h->passes, worst_edge(e)));
    if (h->passes > 1)
        h->text = ecc_arena_printf(h->r->arena, "%s (in a loop, %" PRId64 " times %" PRId64 " ms)", h->text, h->passes, worst_edge(e));
    if (e->retries)
        h->text = ecc_arena_printf(h->r->arena, "%s (%d x %" PRId64 " ms and the pauses)", h->text, e->retries + 1, e->timeout_ms);
}

/* The same way through a program as worst_block takes. */
static void add_block(struct hops *h, const struct ecc_block *block)
{
    for (size_t i = 0; i < block->nstmts; i++) {
        const struct ecc_stmt *s = block->stmts[i];
        const struct ecc_block *longest = NULL;
        int64_t around;
        switch (s->kind) {
        case ECC_STMT_TX:
            add_block(h, &s->u.block);
            break;
        case ECC_STMT_FOR:
            around = h->passes;
            h->passes = times(passes(s), around);
            add_block(h, &s->u.loop.body);
            h->passes = around;
            break;
        case ECC_STMT_WHEN:
            add_block(h, worst_block(h->r, &s->u.when.then) >= worst_block(h->r, &s->u.when.otherwise) ? &s->u.when.then
                                                                                                       : &s->u.when.otherwise);
            break;
        case ECC_STMT_CALL:
            add_hop(h, s);
            for (size_t k = 0; k < s->u.call.ncatches; k++)
                if (!longest || worst_block(h->r, &s->u.call.catches[k].body) > worst_block(h->r, longest))
                    longest = &s->u.call.catches[k].body;
            if (longest)
                add_block(h, longest);
            break;
        case ECC_STMT_AWAIT:
            for (size_t k = 0; worst_stmt(h->r, s) && k < s->u.await.saga->type->saga->nsteps; k++)
                if (s->u.await.saga->type->saga->steps[k].run)
                    add_hop(h, s->u.await.saga->type->saga->steps[k].run);
            break;
        default:
            break;
        }
    }
}

static const char *way(struct ecc_resolver *r, const struct ecc_op *op)
{
    struct hops h = {r, "", 0, 1};

    add_block(&h, &op->program.body);
    return h.n > MAX_HOPS ? ecc_arena_printf(r->arena, "%s + %d more", h.text, h.n - MAX_HOPS) : h.text;
}

/* Saga steps without an undo are repeated until they succeed, and undos run in the background: they may be cut short. */
static bool somebody_waits(const struct ecc_call_site *site)
{
    if (!site->saga)
        return true;
    for (size_t i = 0; i < site->saga->nsteps; i++)
        if (site->saga->steps[i].run == site->stmt)
            return site->saga->steps[i].undo != NULL;
    return false;
}

/* ------------------------------------------------------------------ routes */

static void check_route(struct ecc_resolver *r, const struct ecc_gateway *g, const struct ecc_route *route)
{
    struct hops h = {r, "", 0, 1};
    const struct ecc_stmt *longest = route->call, *via = route->auth && g->auth ? g->auth->via : NULL;
    int64_t worst = via ? worst_stmt(r, via) : 0;

    for (size_t i = 0; i < route->nbranches; i++) /* these run side by side */
        if (!longest || worst_stmt(r, route->branches[i].call) > worst_stmt(r, longest))
            longest = route->branches[i].call;
    if (longest)
        worst += worst_stmt(r, longest);
    if (worst <= REQUEST_MS)
        return;
    if (via)
        add_hop(&h, via);
    if (longest)
        add_hop(&h, longest);
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_TIMEOUT, route->span, "a request has %d ms, but %s %s may wait %" PRId64 " ms for others",
                                  (int)REQUEST_MS, route->method, route->path, worst);
    ecc_diag_note(r->diags, d, "one after the other: %s", h.text);
    ecc_diag_help(r->diags, d, "make the timeouts behind it shorter, or let the operation accept and go on by itself");
}

void ecc_check_timeouts(struct ecc_resolver *r)
{
    for (size_t i = 0; i < r->model->nnodes; i++) {
        const struct ecc_node *node = r->model->nodes[i];
        for (size_t k = 0; node->kind == ECC_NODE_GATEWAY && k < node->u.gateway.nroutes; k++)
            check_route(r, &node->u.gateway, node->u.gateway.routes[k]);
    }
    for (size_t i = 0; i < r->calls.n; i++) {
        const struct ecc_call_site *site = &r->calls.items[i];
        const struct ecc_edge *edge = site->stmt->u.call.edge;
        const struct ecc_op *op = site->stmt->u.call.op;
        if (!op || !edge || !somebody_waits(site))
            continue;
        struct ecc_symbol *known = ecc_symbols_entry(&r->symbols, &op->program, "worst");
        if (!known->value) /* plus one, so that a worst of nothing is known, too */
            known->value = (void *)(uintptr_t)(worst_block(r, &op->program.body) + 1);
        int64_t worst = (int64_t)(uintptr_t)known->value - 1;
        if (worst <= edge->timeout_ms || !ecc_mark(r, edge, op->name))
            continue;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_TIMEOUT, edge->span,
                                      "%s gives up after %" PRId64 " ms, but %s.%s may wait %" PRId64 " ms for others", edge->from->name,
                                      edge->timeout_ms, edge->to->name, op->name, worst);
        ecc_diag_second(d, op->span, "the operation that is waited for");
        ecc_diag_note(r->diags, d, "one after the other: %s", way(r, op));
        ecc_diag_help(r->diags, d, "make this timeout at least %" PRId64 " ms, or those behind it shorter", worst);
    }
}
