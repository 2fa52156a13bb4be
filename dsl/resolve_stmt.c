/* Statements and blocks.
 *
 * A block knows whether it ends its program on every path (return, accept, fail): what follows would never run, a program with a
 * result must end that way, and what a condition told is known afterwards when the other branch has ended. Names of a `tx` live on
 * after it; those of any other block don't.
 */
#include "resolve.h"

#include <string.h>

static struct ecc_stmt *resolve_stmt(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, bool *ends);

struct ecc_stmt *ecc_stmt_new(struct ecc_resolver *r, const struct ecc_body *body, enum ecc_stmt_kind kind, struct ecc_span span)
{
    struct ecc_stmt *stmt = ECC_NEW(r->arena, struct ecc_stmt);

    stmt->kind = kind;
    stmt->span = span;
    stmt->in_tx = body->in_tx;
    return stmt;
}

/* ------------------------------------------------------------------ let, none, found */

void ecc_let(struct ecc_resolver *r, struct ecc_body *body, struct ecc_stmt *stmt, const struct ecc_ast_stmt *ast,
             const struct ecc_type *type)
{
    if (!ast->let.text)
        return;
    if (type->kind == ECC_TYPE_VOID && !ECC_IS_UNKNOWN(type)) {
        ecc_diag(r->diags, ECC_E_NO_VALUE, ast->let.span, "there is nothing that could be called `%s`", ast->let.text);
        type = &ecc_type_unknown;
    }
    stmt->let = ecc_bind(r, body, ECC_VAR_LET, &ast->let, type);
}

static struct ecc_stmt *resolve_out(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast)
{
    bool ends;

    return resolve_stmt(r, body, ast, &ends);
}

/* After the statement's name is bound. may_*: whether its shape has such a case. */
static void none_and_found(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, struct ecc_stmt *stmt,
                           bool may_none, bool may_found)
{
    if (ast->found && !may_found) {
        ecc_diag(r->diags, ECC_E_OUTCOME, ast->found->span, "`found` has no meaning here");
    } else if (ast->found) {
        struct ecc_mark mark = ecc_scope_enter(body);
        if (stmt->let)
            ecc_assume_present(r, body, ecc_expr_var(r, NULL, stmt->let, stmt->span));
        stmt->found = resolve_out(r, body, ast->found);
        ecc_scope_leave(body, mark);
    }
    if (ast->none && !may_none) {
        ecc_diag(r->diags, ECC_E_OUTCOME, ast->none->span, "`none` has no meaning here");
    } else if (ast->none) {
        stmt->none = resolve_out(r, body, ast->none);
        if (stmt->let)
            ecc_assume_present(r, body, ecc_expr_var(r, NULL, stmt->let, stmt->span));
    }
}

/* ------------------------------------------------------------------ blocks */

struct ecc_block ecc_resolve_block(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_block *ast, bool *ends)
{
    struct ecc_block block = {ECC_NEW_ARRAY(r->arena, struct ecc_stmt *, ast->n), 0};

    bool ended = false; /* then it also ends with what can never run behind it */

    *ends = false;
    for (size_t i = 0; i < ast->n; i++) {
        if (*ends) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_UNREACHABLE, ast->items[i]->span, "this can never run");
            ecc_diag_second(d, ast->items[i - 1]->span, "ends here already");
            ended = true;
            *ends = false; /* said once; the rest is still looked at */
        }
        struct ecc_stmt *stmt = resolve_stmt(r, body, ast->items[i], ends);
        if (stmt)
            block.stmts[block.nstmts++] = stmt;
    }
    *ends = *ends || ended;
    return block;
}

static struct ecc_block scoped_block(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_block *ast, bool *ends)
{
    struct ecc_mark mark = ecc_scope_enter(body);
    struct ecc_block block = ecc_resolve_block(r, body, ast, ends);

    ecc_scope_leave(body, mark);
    return block;
}

static struct ecc_stmt *resolve_tx(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, bool *ends)
{
    struct ecc_stmt *stmt = ecc_stmt_new(r, body, ECC_STMT_TX, ast->span);
    bool outer = body->in_tx;

    if (outer)
        ecc_diag_second(ecc_diag(r->diags, ECC_E_NESTED_TX, ast->span, "a transaction inside a transaction"), body->tx, "the outer one");
    else if (body->node->kind == ECC_NODE_SERVICE && !body->node->u.service.has_database)
        ecc_diag(r->diags, ECC_E_NO_DATABASE, ast->span, "%s has no database", body->node->name);
    body->in_tx = true;
    if (!outer) {
        body->tx_writes = false;
        body->tx = (struct ecc_span){ast->span.start, ast->span.start + 2};
    }
    stmt->u.block = ecc_resolve_block(r, body, &ast->u.block, ends);
    body->in_tx = outer;
    if (!outer && body->tx_writes)
        body->effects->writes += body->loops ? 2 : 1;
    return stmt;
}

static struct ecc_stmt *resolve_for(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast)
{
    struct ecc_stmt *stmt = ecc_stmt_new(r, body, ECC_STMT_FOR, ast->span);
    const struct ecc_expr *list = ecc_resolve_expr(r, body, ast->u.loop.list, NULL);
    const struct ecc_type *item = &ecc_type_unknown;
    struct ecc_mark mark = ecc_scope_enter(body);
    bool ends;

    if (!ECC_IS_UNKNOWN(list->type) && list->type->kind != ECC_TYPE_LIST)
        ecc_diag(r->diags, ECC_E_TYPE, list->span, "for needs a list, but this is %s", ecc_type_name(r->arena, list->type));
    else if (!ECC_IS_UNKNOWN(list->type)) {
        list = ecc_fit_expr(r, list, ecc_type_present(r->arena, list->type), "the list");
        item = list->type->kind == ECC_TYPE_LIST ? list->type->item : item;
    }
    stmt->u.loop.list = list;
    stmt->u.loop.item = ecc_bind(r, body, ECC_VAR_ITEM, &ast->u.loop.item, item);
    body->loops++;
    stmt->u.loop.body = ecc_resolve_block(r, body, &ast->u.loop.body, &ends);
    body->loops--;
    ecc_scope_leave(body, mark);
    return stmt;
}

static struct ecc_stmt *resolve_when(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, bool *ends)
{
    struct ecc_stmt *stmt = ecc_stmt_new(r, body, ECC_STMT_WHEN, ast->span);
    const struct ecc_expr *cond = ecc_resolve_cond(r, body, ast->u.when.cond);
    struct ecc_mark mark = ecc_scope_enter(body);
    bool then_ends, else_ends = false;

    stmt->u.when.cond = cond;
    ecc_assume_cond(r, body, cond, true);
    stmt->u.when.then = ecc_resolve_block(r, body, &ast->u.when.then, &then_ends);
    ecc_scope_leave(body, mark);
    if (ast->u.when.has_else) {
        ecc_assume_cond(r, body, cond, false);
        stmt->u.when.otherwise = ecc_resolve_block(r, body, &ast->u.when.otherwise, &else_ends);
        ecc_scope_leave(body, mark);
    }
    if (then_ends != else_ends) /* whoever comes past here came the other way */
        ecc_assume_cond(r, body, cond, else_ends);
    *ends = then_ends && else_ends;
    return stmt;
}

/* ------------------------------------------------------------------ ends */

static struct ecc_stmt *resolve_fail(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, bool *ends)
{
    struct ecc_stmt *stmt = ecc_stmt_new(r, body, ECC_STMT_FAIL, ast->span);

    stmt->u.fail.error = ecc_lookup_error(r, &ast->u.fail.error);
    if (body->kind == ECC_BODY_END)
        ecc_diag(r->diags, ECC_E_END_FAILS, ast->span, "%s can't fail: the saga has ended", body->what);
    else if (stmt->u.fail.error && body->op && !ecc_has_error(body->op->errors, body->op->nerrors, stmt->u.fail.error)) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_UNDECLARED, ast->u.fail.error.span, "%s does not declare error `%s`", body->what,
                                      ast->u.fail.error.text);
        ecc_diag_second(d, body->op->span, "add it to the errors of this operation");
    }
    if (ast->u.fail.cond) {
        stmt->u.fail.cond = ecc_resolve_cond(r, body, ast->u.fail.cond);
        ecc_assume_cond(r, body, stmt->u.fail.cond, false);
    }
    *ends = !ast->u.fail.cond;
    return stmt;
}

static struct ecc_stmt *resolve_return(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, bool *ends)
{
    bool accept = ast->kind == ECC_AST_STMT_ACCEPT;
    struct ecc_stmt *stmt = ecc_stmt_new(r, body, accept ? ECC_STMT_ACCEPT : ECC_STMT_RETURN, ast->span);
    bool has_result = body->result && (ECC_IS_UNKNOWN(body->result) || body->result->kind != ECC_TYPE_VOID);

    *ends = true;
    body->effects->accepts |= accept;
    if (accept && !body->op) {
        ecc_diag(r->diags, ECC_E_RESULT, ast->span, "only an operation can accept");
        return stmt;
    }
    if (ast->u.expr && !has_result)
        ecc_diag(r->diags, ECC_E_RESULT, ast->u.expr->span, "%s has no result", body->what);
    else if (!ast->u.expr && has_result && !ECC_IS_UNKNOWN(body->result))
        ecc_diag(r->diags, ECC_E_RESULT, ast->span, "%s returns %s", body->what, ecc_type_name(r->arena, body->result));
    else if (ast->u.expr)
        stmt->u.expr = ecc_resolve_to(r, body, ast->u.expr, body->result, "the result");
    return stmt;
}

/* ------------------------------------------------------------------ caches */

static struct ecc_stmt *resolve_cache(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast)
{
    bool get = ast->kind == ECC_AST_STMT_GET, put = ast->kind == ECC_AST_STMT_PUT;
    struct ecc_stmt *stmt = ecc_stmt_new(r, body, get ? ECC_STMT_GET : put ? ECC_STMT_PUT : ECC_STMT_DROP, ast->span);
    struct ecc_cache_ref ref = {0};
    const struct ecc_type *type = &ecc_type_unknown;

    if (body->in_tx) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_CALL_IN_TX, ast->span, "the cache can't be asked inside a transaction");
        ecc_diag_second(d, body->tx, "it begins here");
    }
    if (ecc_resolve_keyed(r, body, put ? ast->u.put.keyed : ast->u.keyed, &ref)) {
        type = ecc_type_of_record(r->arena, ref.keyspace->value);
        const char *verb = get ? "get" : put ? "put" : "drop";
        const char *step = ecc_snake_name(r->arena, ecc_arena_printf(r->arena, "%s_%s", verb, ref.keyspace->name));
        stmt->u.cache.name = ecc_unique_name(r, &body->steps, ast->let.text ? ast->let.text : step);
    }
    stmt->u.cache.keyspace = ref.keyspace;
    stmt->u.cache.key = ref.key;
    if (put)
        stmt->u.cache.value = ecc_resolve_to(r, body, ast->u.put.value, type, "the cached value");
    if (get) {
        ecc_let(r, body, stmt, ast, ecc_type_optional(r->arena, type));
        none_and_found(r, body, ast, stmt, true, true);
    }
    return stmt;
}

/* ------------------------------------------------------------------ one statement */

static struct ecc_stmt *resolve_let(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast)
{
    struct ecc_stmt *stmt = ecc_stmt_new(r, body, ECC_STMT_LET, ast->span);
    const struct ecc_ast_expr *e = ast->u.expr;

    if (e->kind == ECC_AST_EXPR_CALL && e->u.call.fn != ECC_AST_FN_LEN && e->u.call.fn != ECC_AST_FN_NOW) {
        ecc_resolve_function(r, body, ast, stmt);
        none_and_found(r, body, ast, stmt, stmt->kind == ECC_STMT_CLAIMS, false);
        return stmt;
    }
    stmt->u.expr = ecc_resolve_expr(r, body, e, NULL);
    ecc_let(r, body, stmt, ast, stmt->u.expr->type);
    none_and_found(r, body, ast, stmt, false, false);
    return stmt;
}

static struct ecc_stmt *resolve_stmt(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, bool *ends)
{
    struct ecc_stmt *stmt = NULL;

    *ends = false;
    switch (ast->kind) {
    case ECC_AST_STMT_SQL: {
        enum ecc_sql_shape shape = ast->u.sql.shape;
        stmt = ecc_stmt_new(r, body, ECC_STMT_SQL, ast->span);
        ecc_resolve_sql(r, body, ast, stmt);
        none_and_found(r, body, ast, stmt, shape != ECC_SQL_MANY, shape == ECC_SQL_MAYBE);
        return stmt->u.sql ? stmt : NULL;
    }
    case ECC_AST_STMT_TX:
        return resolve_tx(r, body, ast, ends);
    case ECC_AST_STMT_CALL:
        ecc_resolve_call(r, body, ast, &stmt);
        return stmt;
    case ECC_AST_STMT_START:
        stmt = ecc_stmt_new(r, body, ECC_STMT_START, ast->span);
        ecc_resolve_start(r, body, ast, stmt);
        return stmt;
    case ECC_AST_STMT_AWAIT:
        stmt = ecc_stmt_new(r, body, ECC_STMT_AWAIT, ast->span);
        ecc_resolve_await(r, body, ast, stmt);
        return stmt;
    case ECC_AST_STMT_PUBLISH:
        stmt = ecc_stmt_new(r, body, ECC_STMT_PUBLISH, ast->span);
        ecc_resolve_publish(r, body, ast, stmt);
        return stmt;
    case ECC_AST_STMT_GET:
    case ECC_AST_STMT_PUT:
    case ECC_AST_STMT_DROP:
        return resolve_cache(r, body, ast);
    case ECC_AST_STMT_LET:
        return resolve_let(r, body, ast);
    case ECC_AST_STMT_FOR:
        return resolve_for(r, body, ast);
    case ECC_AST_STMT_WHEN:
        return resolve_when(r, body, ast, ends);
    case ECC_AST_STMT_FAIL:
        return resolve_fail(r, body, ast, ends);
    case ECC_AST_STMT_RETURN:
    case ECC_AST_STMT_ACCEPT:
        return resolve_return(r, body, ast, ends);
    }
    return NULL;
}

void ecc_resolve_program(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_block *ast, struct ecc_program *program,
                         struct ecc_span end)
{
    bool ends;

    body->effects->program = program;
    ECC_PUSH(r->arena, &r->effects, body->effects);
    program->body = scoped_block(r, body, ast, &ends);
    if (!ends && body->result && !ECC_IS_UNKNOWN(body->result) && body->result->kind != ECC_TYPE_VOID)
        ecc_diag(r->diags, ECC_E_NO_RETURN, end, "%s must return %s on every path", body->what, ecc_type_name(r->arena, body->result));
}
