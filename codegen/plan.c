/* Lowering: statements to acts.
 *
 * The walk carries a continuation, a chain of (block, next statement), which says what can still happen after a statement. Two questions
 * are asked of it. When a transaction ends: is the reply known by now? Then the rest, up to the return, is lowered before the commit
 * (what is computed) or after it (what goes to a cache), and the commit carries the reply, so that a repeated request gets it. And: is
 * this the program's last write? A call or a saga that is still to come counts as one, because a key that is finished is never
 * taken up again.
 */
#include "plan.h"

#include <string.h>

#include "arena.h"
#include "cnames.h"
#include "defer.h"
#include "plan_shared.h"

struct cont { /* what comes after a statement */
    const struct ecc_block *block;
    size_t next;
    const struct cont *up;
    bool loop; /* block is a loop's: it may come again */
};

struct lower {
    struct ecc_arena *arena;
    struct ecc_plan *plan;
    bool open;    /* in a transaction */
    bool wrapped; /* in one that the program did not ask for */
};

/* ------------------------------------------------------------------ names */

static const char *numbered(struct ecc_arena *arena, const char *name, int n)
{
    return n == 1 ? name : ecc_arena_printf(arena, "%s_%d", name, n);
}

static bool member_taken(const struct ecc_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->members.n; i++)
        if (strcmp(plan->members.items[i]->name, name) == 0)
            return true;
    return strcmp(name, "out") == 0;
}

static struct ecc_member *add_member(struct lower *l, enum ecc_member_kind kind, const char *name, const struct ecc_type *type)
{
    struct ecc_member *member = ECC_NEW(l->arena, struct ecc_member);
    const char *safe = ecc_c_member(l->arena, name);
    int n = 1;

    while (kind != ECC_MEMBER_OUT && member_taken(l->plan, numbered(l->arena, safe, n)))
        n++;
    member->kind = kind;
    member->name = numbered(l->arena, safe, n);
    member->type = type;
    ECC_PUSH(l->arena, &l->plan->members, member);
    return member;
}

/* A variable has one member, even where its statement was lowered on two ways to a return. */
static struct ecc_member *add_var(struct lower *l, enum ecc_member_kind kind, const struct ecc_var *var)
{
    struct ecc_member *member;

    for (size_t i = 0; i < l->plan->members.n; i++)
        if (l->plan->members.items[i]->var == var)
            return l->plan->members.items[i];
    member = add_member(l, kind, var->unique, var->type);
    member->var = var;
    return member;
}

const struct ecc_member *ecc_plan_member(const struct ecc_plan *plan, const struct ecc_var *var)
{
    for (size_t i = 0; i < plan->members.n; i++)
        if (plan->members.items[i]->var == var)
            return plan->members.items[i];
    return NULL;
}

static bool step_taken(const struct ecc_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->steps.n; i++)
        if (strcmp(plan->steps.items[i]->step, name) == 0)
            return true;
    return strcmp(name, "start") == 0;
}

/* ------------------------------------------------------------------ acts */

static struct ecc_act *add(struct lower *l, struct ecc_acts *acts, enum ecc_act_kind kind)
{
    struct ecc_act *act = ECC_NEW(l->arena, struct ecc_act);

    act->kind = kind;
    ECC_PUSH(l->arena, acts, act);
    return act;
}

static struct ecc_act *add_step(struct lower *l, struct ecc_acts *acts, enum ecc_act_kind kind, const char *name)
{
    struct ecc_act *act = add(l, acts, kind);
    const char *snake = ecc_snake(l->arena, name);
    int n = 1;

    while (step_taken(l->plan, numbered(l->arena, snake, n)))
        n++;
    act->step = numbered(l->arena, snake, n);
    ECC_PUSH(l->arena, &l->plan->steps, act);
    return act;
}

static void add_commit(struct lower *l, struct ecc_acts *acts, bool with_out, bool last)
{
    struct ecc_act *act = add_step(l, acts, ECC_ACT_COMMIT, "commit");

    act->with_out = with_out && l->plan->result;
    act->last = last;
}

static void add_reply(struct lower *l, struct ecc_acts *acts, enum ecc_act_kind kind)
{
    add(l, acts, kind)->with_out = l->plan->result;
}

static void add_out(struct lower *l, struct ecc_acts *acts, const struct ecc_expr *expr)
{
    if (expr && l->plan->result)
        add(l, acts, ECC_ACT_OUT)->expr = expr;
}

/* ------------------------------------------------------------------ what can still happen */

static bool block_acts_on_world(const struct ecc_plan *plan, const struct ecc_block *block, size_t from);

/* Would losing this statement, after the key was finished, lose something? A failure counts where the key was claimed: it is the answer. */
static bool acts_on_world(const struct ecc_plan *plan, const struct ecc_stmt *stmt)
{
    bool claimed = plan->program->repeat == ECC_REPEAT_CLAIM;

    if (stmt->none && acts_on_world(plan, stmt->none))
        return true;
    if (stmt->found && acts_on_world(plan, stmt->found))
        return true;
    switch (stmt->kind) {
    case ECC_STMT_SQL:
        return stmt->u.sql->writes;
    case ECC_STMT_CALL:
    case ECC_STMT_START:
    case ECC_STMT_AWAIT:
    case ECC_STMT_PUBLISH:
        return true;
    case ECC_STMT_TX:
        return block_acts_on_world(plan, &stmt->u.block, 0);
    case ECC_STMT_FOR:
        return block_acts_on_world(plan, &stmt->u.loop.body, 0);
    case ECC_STMT_WHEN:
        return block_acts_on_world(plan, &stmt->u.when.then, 0) || block_acts_on_world(plan, &stmt->u.when.otherwise, 0);
    case ECC_STMT_FAIL:
        return claimed;
    case ECC_STMT_GET:
    case ECC_STMT_PUT:
    case ECC_STMT_DROP:
    case ECC_STMT_HASH:
    case ECC_STMT_VERIFY:
    case ECC_STMT_SIGN:
    case ECC_STMT_CLAIMS:
    case ECC_STMT_NEW_ID:
    case ECC_STMT_LET:
    case ECC_STMT_RETURN:
    case ECC_STMT_ACCEPT:
        return false;
    }
    return true;
}

static bool block_acts_on_world(const struct ecc_plan *plan, const struct ecc_block *block, size_t from)
{
    for (size_t i = from; i < block->nstmts; i++)
        if (acts_on_world(plan, block->stmts[i]))
            return true;
    return false;
}

static bool is_last(const struct lower *l, const struct cont *cont)
{
    for (; cont; cont = cont->up)
        if (block_acts_on_world(l->plan, cont->block, cont->loop ? 0 : cont->next))
            return false;
    return true;
}

/* Is there nothing on the way to the return but what is computed and what goes to a cache? */
static bool straight_to_return(const struct cont *cont)
{
    for (; cont; cont = cont->up) {
        if (cont->loop)
            return false;
        for (size_t i = cont->next; i < cont->block->nstmts; i++) {
            enum ecc_stmt_kind kind = cont->block->stmts[i]->kind;

            if (kind == ECC_STMT_RETURN || kind == ECC_STMT_ACCEPT)
                return true;
            if (kind != ECC_STMT_LET && kind != ECC_STMT_NEW_ID && kind != ECC_STMT_SIGN && kind != ECC_STMT_PUT && kind != ECC_STMT_DROP)
                return false;
        }
    }
    return true; /* the end of the program is a return */
}

/* ------------------------------------------------------------------ statements */

static bool lower_block(struct lower *l, struct ecc_acts *acts, const struct ecc_block *block, const struct cont *up, bool loop);
static bool lower_stmt(struct lower *l, struct ecc_acts *acts, const struct ecc_stmt *stmt, const struct cont *cont);

static void open_tx(struct lower *l, struct ecc_acts *acts, bool wrapped)
{
    add_step(l, acts, ECC_ACT_BEGIN, "tx");
    l->open = true;
    l->wrapped = wrapped;
}

/* Ends the open transaction. True: the rest of the program has been lowered with it. */
static bool close_tx(struct lower *l, struct ecc_acts *acts, const struct cont *cont)
{
    struct { const struct ecc_stmt **items; size_t n, cap; } later = {0};
    enum ecc_act_kind end = ECC_ACT_REPLY;
    const struct ecc_expr *expr = NULL;

    l->wrapped = false;
    if (!straight_to_return(cont)) {
        add_commit(l, acts, false, is_last(l, cont));
        l->open = false;
        return false;
    }
    for (bool done = false; cont && !done; cont = cont->up) {
        for (size_t i = cont->next; i < cont->block->nstmts && !done; i++) {
            const struct ecc_stmt *stmt = cont->block->stmts[i];

            done = stmt->kind == ECC_STMT_RETURN || stmt->kind == ECC_STMT_ACCEPT;
            if (done) {
                end = stmt->kind == ECC_STMT_ACCEPT ? ECC_ACT_ACCEPT : ECC_ACT_REPLY;
                expr = stmt->u.expr;
            } else if (stmt->kind == ECC_STMT_PUT || stmt->kind == ECC_STMT_DROP) {
                ECC_PUSH(l->arena, &later, stmt);
            } else {
                lower_stmt(l, acts, stmt, NULL);
            }
        }
    }
    add_out(l, acts, expr);
    add_commit(l, acts, true, true);
    l->open = false;
    for (size_t i = 0; i < later.n; i++)
        lower_stmt(l, acts, later.items[i], NULL);
    add_reply(l, acts, end);
    return true;
}

/* FAIL, RETURN, ACCEPT: always an end. */
static void lower_end(struct lower *l, struct ecc_acts *acts, const struct ecc_stmt *stmt)
{
    bool open = l->open;

    if (stmt->kind == ECC_STMT_FAIL) {
        add(l, acts, ECC_ACT_FAIL)->error = stmt->u.fail.error;
        return;
    }
    add_out(l, acts, stmt->u.expr);
    if (open)
        add_commit(l, acts, true, true);
    add_reply(l, acts, stmt->kind == ECC_STMT_ACCEPT ? ECC_ACT_ACCEPT : ECC_ACT_REPLY);
}

static void lower_clause(struct lower *l, struct ecc_acts *acts, enum ecc_act_kind kind, const struct ecc_member *member,
                         const struct ecc_stmt *clause)
{
    struct ecc_act *act;

    if (!clause)
        return;
    act = add(l, acts, kind);
    act->member = member;
    /* What a lone statement has written stays, whatever is answered: nobody asked for a transaction. */
    if (kind == ECC_ACT_FOUND && l->wrapped && clause->kind == ECC_STMT_FAIL)
        add_commit(l, &act->body, false, false);
    lower_end(l, &act->body, clause);
}

static bool lower_sql(struct lower *l, struct ecc_acts *acts, const struct ecc_stmt *stmt, const struct cont *cont)
{
    const struct ecc_sql *sql = stmt->u.sql;
    bool wrap = sql->writes && !l->open && l->plan->program->repeat == ECC_REPEAT_ATOMIC;
    struct ecc_member *result = NULL;
    struct ecc_act *run;

    if (wrap)
        open_tx(l, acts, true);
    if (ecc_is_deferred(l->plan->program, stmt)) {
        add(l, acts, ECC_ACT_NOW)->stmt = stmt;
        return wrap && close_tx(l, acts, cont);
    }
    run = add_step(l, acts, ECC_ACT_RUN, sql->name);
    run->stmt = stmt;
    switch (sql->shape) {
    case ECC_SQL_EXEC:
        break;
    case ECC_SQL_ONE:
        result = add_member(l, ECC_MEMBER_ROW, stmt->let ? stmt->let->unique : sql->name, NULL);
        result->record = sql->row;
        result->var = stmt->let;
        run->row = result;
        break;
    case ECC_SQL_MAYBE:
        if (stmt->let)
            result = add_var(l, ECC_MEMBER_VALUE, stmt->let);
        run->row = add_member(l, ECC_MEMBER_ROW, ecc_arena_printf(l->arena, "%s_row", stmt->let ? stmt->let->unique : sql->name), NULL);
        ((struct ecc_member *)run->row)->record = sql->row;
        break;
    case ECC_SQL_MANY:
        result = add_member(l, ECC_MEMBER_VALUE, stmt->let ? stmt->let->unique : sql->name, stmt->let ? stmt->let->type : NULL);
        result->record = sql->row;
        result->var = stmt->let;
        break;
    }
    run->member = result;
    if (sql->shape == ECC_SQL_MAYBE && result) {
        struct ecc_act *take = add(l, acts, ECC_ACT_TAKE);

        take->member = result;
        take->row = run->row;
        lower_clause(l, acts, ECC_ACT_ABSENT, result, stmt->none);
        lower_clause(l, acts, ECC_ACT_FOUND, result, stmt->found);
    } else {
        if (sql->shape == ECC_SQL_ONE && !stmt->none)
            add(l, acts, ECC_ACT_EXPECT);
        lower_clause(l, acts, ECC_ACT_NO_ROW, NULL, stmt->none);
        lower_clause(l, acts, ECC_ACT_FOUND, NULL, stmt->found);
    }
    return wrap && close_tx(l, acts, cont);
}

static void lower_catches(struct lower *l, struct ecc_acts *acts, struct ecc_act *run, const struct ecc_catch *catches, size_t n,
                          const struct cont *cont)
{
    struct ecc_act *caught;

    if (n == 0)
        return;
    run->catching = true;
    caught = add(l, acts, ECC_ACT_CAUGHT);
    caught->catches = ECC_NEW_ARRAY(l->arena, struct ecc_act_catch, n);
    caught->ncatches = n;
    for (size_t i = 0; i < n; i++) {
        caught->catches[i].error = catches[i].error;
        lower_block(l, &caught->catches[i].body, &catches[i].body, cont, false);
    }
}

static void lower_await(struct lower *l, struct ecc_acts *acts, const struct ecc_stmt *stmt, const struct cont *cont)
{
    const struct ecc_expr *saga = stmt->u.await.saga;
    const char *name = saga->kind == ECC_EXPR_VAR ? saga->u.var->unique : "saga";
    struct ecc_member *flag = add_member(l, ECC_MEMBER_LATE, ecc_arena_printf(l->arena, "%s_late", name), NULL);
    struct ecc_act *run = add_step(l, acts, ECC_ACT_RUN, ecc_arena_printf(l->arena, "await_%s", name)), *late;

    run->stmt = stmt;
    run->member = flag;
    lower_catches(l, acts, run, stmt->u.await.catches, stmt->u.await.ncatches, cont);
    late = add(l, acts, ECC_ACT_LATE);
    late->member = flag;
    if (stmt->u.await.has_late)
        lower_block(l, &late->body, &stmt->u.await.late, cont, false);
    else
        add(l, &late->body, ECC_ACT_FAIL);
}

static void lower_for(struct lower *l, struct ecc_acts *acts, const struct ecc_stmt *stmt, const struct cont *cont)
{
    struct ecc_act *act = add(l, acts, ECC_ACT_FOR);
    const struct ecc_expr *list = stmt->u.loop.list;

    act->stmt = stmt;
    if (list->kind != ECC_EXPR_VAR && list->kind != ECC_EXPR_FIELD)
        act->list = add_member(l, ECC_MEMBER_VALUE, ecc_arena_printf(l->arena, "%s_list", stmt->u.loop.item->unique), list->type);
    act->index = add_member(l, ECC_MEMBER_INDEX, ecc_arena_printf(l->arena, "%s_at", stmt->u.loop.item->unique), NULL);
    act->member = add_var(l, ECC_MEMBER_ITEM, stmt->u.loop.item);
    lower_block(l, &act->body, &stmt->u.loop.body, cont, true);
}

static const struct ecc_type *optional_record(struct ecc_arena *arena, const struct ecc_record *record)
{
    struct ecc_type *type = ECC_NEW(arena, struct ecc_type);

    type->kind = ECC_TYPE_RECORD;
    type->record = record;
    type->optional = true;
    return type;
}

/* A statement that waits and may have a result under a let's name. */
static struct ecc_act *lower_run(struct lower *l, struct ecc_acts *acts, const struct ecc_stmt *stmt, const char *name)
{
    struct ecc_act *run;

    if (!name)
        name = stmt->let ? stmt->let->unique : "wait";
    run = add_step(l, acts, ECC_ACT_RUN, name);
    run->stmt = stmt;
    if (stmt->let)
        run->member = add_var(l, ECC_MEMBER_VALUE, stmt->let);
    return run;
}

/* True: nothing after the statement is reached, or it has been lowered with it. */
static bool lower_stmt(struct lower *l, struct ecc_acts *acts, const struct ecc_stmt *stmt, const struct cont *cont)
{
    struct ecc_act *act;
    bool then, otherwise;

    switch (stmt->kind) {
    case ECC_STMT_SQL:
        return lower_sql(l, acts, stmt, cont);
    case ECC_STMT_TX:
        open_tx(l, acts, false);
        if (lower_block(l, acts, &stmt->u.block, cont, false)) {
            l->open = false;
            return true;
        }
        return close_tx(l, acts, cont);
    case ECC_STMT_CALL:
        act = lower_run(l, acts, stmt, stmt->u.call.name);
        lower_catches(l, acts, act, stmt->u.call.catches, stmt->u.call.ncatches, cont);
        return false;
    case ECC_STMT_AWAIT:
        lower_await(l, acts, stmt, cont);
        return false;
    case ECC_STMT_GET:
        act = lower_run(l, acts, stmt, stmt->u.cache.name);
        if (!act->member)
            act->member = add_member(l, ECC_MEMBER_VALUE, stmt->u.cache.name, optional_record(l->arena, stmt->u.cache.keyspace->value));
        lower_clause(l, acts, ECC_ACT_FOUND, act->member, stmt->found);
        lower_clause(l, acts, ECC_ACT_ABSENT, act->member, stmt->none);
        return false;
    case ECC_STMT_PUT:
    case ECC_STMT_DROP:
        lower_run(l, acts, stmt, stmt->u.cache.name);
        return false;
    case ECC_STMT_HASH:
    case ECC_STMT_VERIFY:
    case ECC_STMT_SIGN:
        lower_run(l, acts, stmt, NULL);
        return false;
    case ECC_STMT_CLAIMS:
        lower_run(l, acts, stmt, NULL);
        lower_clause(l, acts, ECC_ACT_NO_ROW, NULL, stmt->none);
        lower_clause(l, acts, ECC_ACT_FOUND, NULL, stmt->found);
        return false;
    case ECC_STMT_PUBLISH:
        add(l, acts, ECC_ACT_NOW)->stmt = stmt;
        return false;
    case ECC_STMT_START:
        act = add(l, acts, ECC_ACT_NOW);
        act->stmt = stmt;
        if (stmt->let)
            act->member = add_var(l, ECC_MEMBER_REF, stmt->let);
        else
            act->member = add_member(l, ECC_MEMBER_REF, stmt->u.start.name, NULL);
        return false;
    case ECC_STMT_NEW_ID:
    case ECC_STMT_LET:
        act = add(l, acts, ECC_ACT_NOW);
        act->stmt = stmt;
        act->member = add_var(l, ECC_MEMBER_VALUE, stmt->let);
        return false;
    case ECC_STMT_FOR:
        lower_for(l, acts, stmt, cont);
        return false;
    case ECC_STMT_WHEN:
        act = add(l, acts, ECC_ACT_WHEN);
        act->expr = stmt->u.when.cond;
        then = lower_block(l, &act->body, &stmt->u.when.then, cont, false);
        otherwise = lower_block(l, &act->otherwise, &stmt->u.when.otherwise, cont, false);
        return then && otherwise;
    case ECC_STMT_FAIL:
        if (!stmt->u.fail.cond) {
            lower_end(l, acts, stmt);
            return true;
        }
        act = add(l, acts, ECC_ACT_WHEN);
        act->expr = stmt->u.fail.cond;
        lower_end(l, &act->body, stmt);
        return false;
    case ECC_STMT_RETURN:
    case ECC_STMT_ACCEPT:
        lower_end(l, acts, stmt);
        return true;
    }
    return false;
}

/* True: the end of the block is not reached, or what follows it has been lowered with it. */
static bool lower_block(struct lower *l, struct ecc_acts *acts, const struct ecc_block *block, const struct cont *up, bool loop)
{
    bool open = l->open, wrapped = l->wrapped, ends = false;

    for (size_t i = 0; i < block->nstmts && !ends; i++)
        ends = lower_stmt(l, acts, block->stmts[i], &(struct cont){block, i + 1, up, loop});
    l->open = open;
    l->wrapped = wrapped;
    return ends;
}

static const struct ecc_plan *lower_program(struct ecc_arena *arena, struct ecc_plan *plan, enum ecc_member_kind first)
{
    struct lower l = {.arena = arena, .plan = plan};
    bool ends;

    add_member(&l, first, first == ECC_MEMBER_IN ? "in" : "saga", NULL);
    if (plan->program->repeat == ECC_REPEAT_CLAIM)
        add_step(&l, &plan->acts, ECC_ACT_CLAIM, "claim");
    ends = lower_block(&l, &plan->acts, &plan->program->body, NULL, false);
    if (!ends)
        add_reply(&l, &plan->acts, ECC_ACT_REPLY);
    if (plan->result)
        add_member(&l, ECC_MEMBER_OUT, "out", plan->result);
    ecc_plan_mark_shared(&plan->acts);
    return plan;
}

/* A record without fields is nothing in C. */
static bool is_nothing(const struct ecc_type *type)
{
    return !type || type->kind == ECC_TYPE_VOID || (type->kind == ECC_TYPE_RECORD && type->record->nfields == 0);
}

const struct ecc_plan *ecc_plan_op(struct ecc_arena *arena, const struct ecc_op *op)
{
    struct ecc_plan *plan = ECC_NEW(arena, struct ecc_plan);

    plan->kind = ECC_PLAN_OP;
    plan->service = op->service;
    plan->op = op;
    plan->program = &op->program;
    plan->result = is_nothing(op->result) ? NULL : op->result;
    return lower_program(arena, plan, ECC_MEMBER_IN);
}

const struct ecc_plan *ecc_plan_consumer(struct ecc_arena *arena, const struct ecc_consumer *consumer)
{
    struct ecc_plan *plan = ECC_NEW(arena, struct ecc_plan);

    plan->kind = ECC_PLAN_CONSUMER;
    plan->service = consumer->service;
    plan->consumer = consumer;
    plan->program = &consumer->program;
    return lower_program(arena, plan, ECC_MEMBER_IN);
}

const struct ecc_plan *ecc_plan_saga_end(struct ecc_arena *arena, const struct ecc_saga *saga, enum ecc_plan_kind kind)
{
    struct ecc_plan *plan = ECC_NEW(arena, struct ecc_plan);

    plan->kind = kind;
    plan->service = saga->service;
    plan->saga = saga;
    plan->program = kind == ECC_PLAN_DONE ? &saga->done : &saga->failed;
    return lower_program(arena, plan, ECC_MEMBER_SAGA);
}
