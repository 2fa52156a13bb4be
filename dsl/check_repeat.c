/* How each program meets a repeated key, and who calls each operation.
 *
 * A program that writes nothing, here or by what it calls, needs no barrier. One transaction (or one lone statement) and no call is
 * ATOMIC: the barrier is part of it. Everything else is claimed first. A service without a database has nowhere to keep a barrier: its
 * programs pass their key on to those who have.
 */
#include "resolve.h"

#include <stdlib.h>
#include <string.h>

static void look_at(struct ecc_resolver *r, struct ecc_effects *e);

static bool fails(const struct ecc_stmt *stmt)
{
    return stmt && stmt->kind == ECC_STMT_FAIL;
}

/* Can the program fail after its write is committed? Then the barrier must not say `done` with the write: the failure is the answer. */
static bool fails_after_write(const struct ecc_block *block, bool *wrote)
{
    for (size_t i = 0; i < block->nstmts; i++) {
        const struct ecc_stmt *s = block->stmts[i];
        bool other = *wrote;
        if (*wrote && (fails(s) || fails(s->none) || fails(s->found)))
            return true;
        switch (s->kind) {
        case ECC_STMT_TX:
            *wrote = true;
            break;
        case ECC_STMT_SQL:
            *wrote |= s->u.sql->writes;
            break;
        case ECC_STMT_FOR:
            if (fails_after_write(&s->u.loop.body, wrote) || fails_after_write(&s->u.loop.body, wrote))
                return true;
            break;
        case ECC_STMT_WHEN:
            if (fails_after_write(&s->u.when.then, wrote) || fails_after_write(&s->u.when.otherwise, &other))
                return true;
            *wrote |= other;
            break;
        default:
            break;
        }
    }
    return false;
}

static bool call_reads(struct ecc_resolver *r, const struct ecc_stmt *call)
{
    if (call->u.call.ext)
        return strcmp(call->u.call.ext->method, "GET") == 0 || strcmp(call->u.call.ext->method, "HEAD") == 0;
    return ecc_op_reads(r, call->u.call.op);
}

bool ecc_ext_repeats(const struct ecc_ext_call *ext)
{
    return ext->idempotency_header || strcmp(ext->method, "POST") != 0;
}

bool ecc_op_reads(struct ecc_resolver *r, const struct ecc_op *op)
{
    struct ecc_effects *e = ecc_find(r, op, "effects");

    if (e && !e->state)
        look_at(r, e);
    return e && e->pure;
}

/* A circle of calls ends at what is being looked at. */
const struct ecc_stmt *ecc_op_doubles(struct ecc_resolver *r, const struct ecc_op *op)
{
    static const struct ecc_stmt none;
    struct ecc_symbol *known = ecc_symbols_entry(&r->symbols, op, "doubled");
    const struct ecc_effects *effects = ecc_find(r, op, "effects");
    const struct ecc_stmt *found = NULL;

    if (known->value)
        return known->value == &none ? NULL : known->value;
    known->value = (void *)(uintptr_t)&none;
    for (size_t i = 0; effects && !found && i < effects->calls.n; i++) {
        const struct ecc_stmt *call = effects->calls.items[i];
        if (call->u.call.ext)
            found = ecc_ext_repeats(call->u.call.ext) ? NULL : call;
        else if (call->u.call.op)
            found = ecc_op_doubles(r, call->u.call.op);
    }
    if (found) /* the table may have grown meanwhile */
        ecc_symbols_entry(&r->symbols, op, "doubled")->value = (void *)(uintptr_t)found;
    return found;
}

/* While it is being looked at it is not pure: a circle of calls, which ecc_check_edges reports. */
static void look_at(struct ecc_resolver *r, struct ecc_effects *e)
{
    bool wrote = false;

    e->state = 1;
    bool pure = !e->writes && !e->starts && !e->custom;
    for (size_t i = 0; pure && i < e->calls.n; i++)
        pure = call_reads(r, e->calls.items[i]);
    e->pure = pure;
    if (pure || !e->node->u.service.has_database)
        e->program->repeat = ECC_REPEAT_READ;
    else if (e->writes <= 1 && !e->starts && !e->custom && !e->calls.n && !fails_after_write(&e->program->body, &wrote))
        e->program->repeat = ECC_REPEAT_ATOMIC;
    else
        e->program->repeat = ECC_REPEAT_CLAIM;
    e->state = 2;
}

static int by_name(const void *a, const void *b)
{
    const struct ecc_node *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static void find_callers(struct ecc_resolver *r)
{
    const struct ecc_model *m = r->model;

    for (int pass = 0; pass < 2; pass++) /* count, then fill */
        for (size_t i = 0; i < r->calls.n; i++) {
            struct ecc_op *op = (struct ecc_op *)(uintptr_t)r->calls.items[i].stmt->u.call.op;
            const struct ecc_node *from = r->calls.items[i].from;
            if (!op)
                continue;
            if (pass && !op->callers)
                op->callers = ECC_NEW_ARRAY(r->arena, const struct ecc_node *, op->ncallers), op->ncallers = 0;
            if (!pass ? ecc_mark(r, &op->ncallers, from->name) : ecc_mark(r, &op->callers, from->name)) {
                if (pass)
                    op->callers[op->ncallers] = from;
                op->ncallers++;
            }
        }
    for (size_t i = 0; i < m->nnodes; i++)
        for (size_t k = 0; m->nodes[i]->kind == ECC_NODE_SERVICE && k < m->nodes[i]->u.service.nops; k++) {
            struct ecc_op *op = m->nodes[i]->u.service.ops[k];
            if (op->ncallers > 1)
                qsort(op->callers, op->ncallers, sizeof *op->callers, by_name);
        }
}

void ecc_find_repeats(struct ecc_resolver *r)
{
    for (size_t i = 0; i < r->effects.n; i++)
        if (!r->effects.items[i]->state)
            look_at(r, r->effects.items[i]);
    find_callers(r);
}
