/* Rules of edges: what is forbidden, what may be retried, and that services don't wait for each other in a circle. */
#include "resolve.h"

#include <string.h>

static void check_forbidden(struct ecc_resolver *r)
{
    for (size_t i = 0; i < r->model->nforbids; i++) {
        const struct ecc_forbid *f = r->model->forbids[i];
        const struct ecc_edge *e = ecc_edge_between(r, f->from, f->to);
        if (!e)
            continue;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_FORBIDDEN, e->span, "%s -> %s is forbidden: %s", f->from->name, f->to->name, f->why);
        ecc_diag_second(d, f->span, "forbidden here");
    }
}

/* ------------------------------------------------------------------ retries */

static bool repeats_safely(struct ecc_resolver *r, const struct ecc_call_site *site)
{
    const struct ecc_ext_call *ext = site->stmt->u.call.ext;
    const struct ecc_op *op = site->stmt->u.call.op;

    if (ext)
        return ecc_ext_repeats(ext);
    if (!site->saga && ecc_op_doubles(r, op)) /* of a saga's steps ecc_check_sagas says so, with a retry or without */
        return false;
    return site->keyed || (site->route && site->route->idempotent) || ecc_op_reads(r, op);
}

static void check_retries(struct ecc_resolver *r)
{
    for (size_t i = 0; i < r->calls.n; i++) {
        const struct ecc_call_site *site = &r->calls.items[i];
        const struct ecc_edge *edge = site->stmt->u.call.edge;
        const struct ecc_ext_call *ext = site->stmt->u.call.ext;
        if (!edge || !edge->retries || repeats_safely(r, site))
            continue;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_RETRY, site->stmt->span, "%s.%s is retried, but it is not idempotent", edge->to->name,
                                      ext ? ext->name : site->stmt->u.call.op->name);
        ecc_diag_second(d, edge->span, "this edge retries");
        const struct ecc_stmt *twice = ext ? NULL : ecc_op_doubles(r, site->stmt->u.call.op);
        if (twice)
            ecc_diag_note(r->diags, d, "it calls %s.%s, which would have its effect twice", twice->u.call.ext->external->name,
                          twice->u.call.ext->name);
        ecc_diag_help(r->diags, d,
                      ext || twice ? "name the header that makes it so: idempotency header \"...\""
                                   : "it writes, and this caller has no key: leave `retry` out, or call it from a saga or an event");
    }
}

/* ------------------------------------------------------------------ cycles */

enum { NEW, OPEN, DONE };

struct walk { struct ecc_node *node; size_t at; const struct ecc_edge *via; };

static bool waits(const struct ecc_edge *e)
{
    return e->from->kind == ECC_NODE_SERVICE && e->to->kind == ECC_NODE_SERVICE;
}

static void report_cycle(struct ecc_resolver *r, const struct walk *stack, size_t n, const struct ecc_edge *last)
{
    const char *path = last->to->name;
    size_t i = n;

    while (i && stack[i - 1].node != last->to) /* back to where the circle began */
        i--;
    for (; i < n; i++)
        path = ecc_arena_printf(r->arena, "%s -> %s", path, stack[i].node->name);
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_CYCLE, last->span, "services wait for each other in a circle: %s -> %s", path, last->to->name);
    if (n && stack[n - 1].node != last->to)
        ecc_diag_second(d, stack[n - 1].via->span, "the one before it");
    ecc_diag_help(r->diags, d, "let one of them learn by an event, or start a saga");
}

static void check_cycles(struct ecc_resolver *r)
{
    struct { struct walk *items; size_t n, cap; } stack = {0};
    static const char tag; /* space of the states */

    for (size_t i = 0; i < r->model->nnodes; i++) {
        struct ecc_symbol *first = ecc_symbols_entry(&r->symbols, &tag, r->model->nodes[i]->name);
        if ((uintptr_t)first->value != NEW)
            continue;
        first->value = (void *)(uintptr_t)OPEN;
        ECC_PUSH(r->arena, &stack, ((struct walk){r->model->nodes[i], 0, NULL}));
        while (stack.n) {
            struct walk *top = &stack.items[stack.n - 1];
            if (top->at == top->node->nout) {
                ecc_symbols_entry(&r->symbols, &tag, top->node->name)->value = (void *)(uintptr_t)DONE;
                stack.n--;
                continue;
            }
            const struct ecc_edge *e = top->node->out[top->at++];
            struct ecc_symbol *to = waits(e) ? ecc_symbols_entry(&r->symbols, &tag, e->to->name) : NULL;
            if (to && (uintptr_t)to->value == OPEN) {
                report_cycle(r, stack.items, stack.n, e);
            } else if (to && (uintptr_t)to->value == NEW) {
                to->value = (void *)(uintptr_t)OPEN;
                ECC_PUSH(r->arena, &stack, ((struct walk){(struct ecc_node *)(uintptr_t)e->to, 0, e}));
            }
        }
    }
}

void ecc_check_edges(struct ecc_resolver *r)
{
    for (size_t i = 0; i < r->model->nedges; i++) /* a client's edge is there for people */
        if (r->model->edges[i]->from->kind == ECC_NODE_CLIENT)
            ecc_mark(r, r->model->edges[i], "used");
    check_forbidden(r);
    check_retries(r);
    check_cycles(r);
}
