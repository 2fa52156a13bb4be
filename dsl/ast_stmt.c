/* Statements of the syntax tree, and which suffix belongs to which of them. */
#include "build.h"

#include <string.h>

#include "sql_ahead.h"

static struct ecc_ast_stmt *new_stmt(struct ecc_parser *p, enum ecc_ast_stmt_kind kind, uint32_t start)
{
    struct ecc_ast_stmt *stmt = ECC_NEW(p->arena, struct ecc_ast_stmt);

    stmt->kind = kind;
    stmt->span = ecc_upto(p, start);
    return stmt;
}

static const char *stmt_name(const struct ecc_ast_stmt *stmt)
{
    switch (stmt->kind) {
    case ECC_AST_STMT_SQL:
        return stmt->u.sql.shape == ECC_SQL_ONE     ? "`sql one`"
               : stmt->u.sql.shape == ECC_SQL_MAYBE ? "`sql maybe`"
               : stmt->u.sql.shape == ECC_SQL_MANY  ? "`sql many`"
                                                    : "`sql exec`";
    case ECC_AST_STMT_CALL:
        return "a call";
    case ECC_AST_STMT_START:
        return "`start`";
    case ECC_AST_STMT_AWAIT:
        return "`await`";
    case ECC_AST_STMT_GET:
        return "reading a keyspace";
    default:
        return "this `let`";
    }
}

static void misplaced(struct ecc_parser *p, const struct ecc_ast_stmt *stmt, struct ecc_token k, const char *where)
{
    struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_MISPLACED, ecc_span_of(k), "`%.*s` does not belong to %s", (int)(k.end - k.start),
                                     p->source->text + k.start, stmt_name(stmt));

    ecc_diag_help(p->diags, diag, "it is for %s", where);
}

/* ------------------------------------------------------------------ steps */

struct ecc_ast_stmt *ecc_stmt_sql(struct ecc_parser *p, struct ecc_token k, enum ecc_sql_shape shape, struct ecc_token t)
{
    struct ecc_ast_stmt *stmt = new_stmt(p, ECC_AST_STMT_SQL, k.start);

    stmt->u.sql.shape = shape;
    stmt->u.sql.text = ecc_ast_sql(p, t);
    stmt->u.sql.number = ecc_sql_ahead_add(p->file->ahead, "", stmt->u.sql.text);
    return stmt;
}

/* What stands to the right of `let x =`. */
struct ecc_ast_stmt *ecc_stmt_value(struct ecc_parser *p, struct ecc_ast_expr *expr)
{
    struct ecc_ast_stmt *stmt = new_stmt(p, ECC_AST_STMT_LET, expr->span.start);

    ecc_claim(p, expr);
    if (expr->kind == ECC_AST_EXPR_REMOTE) {
        stmt->kind = ECC_AST_STMT_CALL;
        stmt->u.call.remote = expr->u.remote;
    } else if (expr->kind == ECC_AST_EXPR_INDEX) {
        stmt->kind = ECC_AST_STMT_GET;
        stmt->u.keyed = ecc_take_keyed(p, expr);
    } else {
        stmt->u.expr = expr;
    }
    return stmt;
}

/* A call whose result has no name. */
struct ecc_ast_stmt *ecc_stmt_call(struct ecc_parser *p, struct ecc_ast_expr *expr)
{
    struct ecc_ast_stmt *stmt = ecc_stmt_value(p, expr);

    if (stmt->kind == ECC_AST_STMT_LET) {
        struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_MISPLACED, expr->span, "nothing is done with this value");
        ecc_diag_help(p->diags, diag, "give it a name: `let x = ...`");
        stmt->let = (struct ecc_name){"", expr->span};
    }
    return stmt;
}

struct ecc_ast_stmt *ecc_stmt_start(struct ecc_parser *p, struct ecc_token k, struct ecc_token saga, struct ecc_ast_inits *args)
{
    struct ecc_ast_stmt *stmt = new_stmt(p, ECC_AST_STMT_START, k.start);

    stmt->u.start.saga = ecc_ast_kebab(p, saga);
    stmt->u.start.args = *args;
    for (size_t i = 0; i < args->n; i++) {
        if (!args->items[i]->name.text && !args->items[i]->spread) {
            ecc_diag(p->diags, ECC_E_MISPLACED, args->items[i]->span, "a saga's arguments have names");
            args->items[i]->name = (struct ecc_name){"", args->items[i]->span};
        }
    }
    return stmt;
}

struct ecc_ast_stmt *ecc_stmt_let(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_ast_stmt *stmt)
{
    stmt->let = ecc_ast_snake(p, n);
    stmt->span.start = k.start;
    if (stmt->kind == ECC_AST_STMT_SQL && stmt->u.sql.shape == ECC_SQL_EXEC) {
        struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_MISPLACED, stmt->let.span, "`sql exec` gives nothing that could have a name");
        ecc_diag_help(p->diags, diag, "use `sql one`, `sql maybe` or `sql many`, or leave out `let %s =`", stmt->let.text);
    }
    return stmt;
}

struct ecc_ast_stmt *ecc_stmt_await(struct ecc_parser *p, struct ecc_token k, struct ecc_token n)
{
    struct ecc_ast_stmt *stmt = new_stmt(p, ECC_AST_STMT_AWAIT, k.start);

    stmt->u.await.saga = ecc_ast_snake(p, n);
    return stmt;
}

/* ------------------------------------------------------------------ suffixes */

static bool takes_none(const struct ecc_ast_stmt *stmt)
{
    switch (stmt->kind) {
    case ECC_AST_STMT_SQL:
        return stmt->u.sql.shape != ECC_SQL_MANY;
    case ECC_AST_STMT_GET:
        return true;
    case ECC_AST_STMT_LET:
        return stmt->u.expr->kind == ECC_AST_EXPR_CALL && stmt->u.expr->u.call.fn == ECC_AST_FN_CLAIMS;
    default:
        return false;
    }
}

void ecc_stmt_none(struct ecc_parser *p, struct ecc_ast_stmt *stmt, struct ecc_token k, struct ecc_ast_stmt *out)
{
    stmt->span = ecc_upto(p, stmt->span.start);
    if (!takes_none(stmt)) {
        misplaced(p, stmt, k, "`sql one`, `sql maybe`, `sql exec`, reading a keyspace and `jwt.verify`");
        return;
    }
    if (!ecc_once(p, stmt->none, k, "`none`"))
        stmt->none = out;
}

void ecc_stmt_found(struct ecc_parser *p, struct ecc_ast_stmt *stmt, struct ecc_token k, struct ecc_ast_stmt *out)
{
    stmt->span = ecc_upto(p, stmt->span.start);
    if (stmt->kind != ECC_AST_STMT_GET && !(stmt->kind == ECC_AST_STMT_SQL && stmt->u.sql.shape == ECC_SQL_MAYBE)) {
        misplaced(p, stmt, k, "`sql maybe` and reading a keyspace");
        return;
    }
    if (!ecc_once(p, stmt->found, k, "`found`"))
        stmt->found = out;
}

void ecc_stmt_key(struct ecc_parser *p, struct ecc_ast_stmt *stmt, struct ecc_token k, struct ecc_ast_expr *key)
{
    stmt->span = ecc_upto(p, stmt->span.start);
    if (stmt->kind != ECC_AST_STMT_CALL) {
        misplaced(p, stmt, k, "calls");
        return;
    }
    if (!ecc_once(p, stmt->u.call.key, k, "`key`"))
        stmt->u.call.key = key;
}

void ecc_stmt_catch(struct ecc_parser *p, struct ecc_ast_stmt *stmt, struct ecc_token k, struct ecc_token error, struct ecc_ast_block *body)
{
    struct ecc_ast_catch *item = ECC_NEW(p->arena, struct ecc_ast_catch);

    stmt->span = ecc_upto(p, stmt->span.start);
    item->error = ecc_ast_pascal(p, error);
    item->body = *body;
    item->span = ecc_upto(p, k.start);
    if (stmt->kind == ECC_AST_STMT_CALL)
        ECC_PUSH(p->arena, &stmt->u.call.catches, item);
    else if (stmt->kind == ECC_AST_STMT_AWAIT)
        ECC_PUSH(p->arena, &stmt->u.await.catches, item);
    else
        misplaced(p, stmt, k, "calls and `await`");
}

void ecc_stmt_late(struct ecc_parser *p, struct ecc_ast_stmt *stmt, struct ecc_token k, struct ecc_ast_block *body)
{
    stmt->span = ecc_upto(p, stmt->span.start);
    if (stmt->kind != ECC_AST_STMT_AWAIT) {
        misplaced(p, stmt, k, "`await`");
        return;
    }
    if (!ecc_once(p, stmt->u.await.has_late, k, "`late`")) {
        stmt->u.await.has_late = true;
        stmt->u.await.late = *body;
    }
}

/* ------------------------------------------------------------------ the others */

struct ecc_ast_stmt *ecc_stmt_tx(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_block *body)
{
    struct ecc_ast_stmt *stmt = new_stmt(p, ECC_AST_STMT_TX, k.start);

    stmt->u.block = *body;
    return stmt;
}

struct ecc_ast_stmt *ecc_stmt_publish(struct ecc_parser *p, struct ecc_token k, struct ecc_token event, struct ecc_ast_expr *body)
{
    struct ecc_ast_stmt *stmt = new_stmt(p, ECC_AST_STMT_PUBLISH, k.start);

    stmt->u.publish.event = ecc_ast_pascal(p, event);
    stmt->u.publish.body = body;
    return stmt;
}

struct ecc_ast_stmt *ecc_stmt_put(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_keyed *keyed, struct ecc_ast_expr *value)
{
    struct ecc_ast_stmt *stmt = new_stmt(p, ECC_AST_STMT_PUT, k.start);

    stmt->u.put.keyed = keyed;
    stmt->u.put.value = value;
    return stmt;
}

struct ecc_ast_stmt *ecc_stmt_drop(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_keyed *keyed)
{
    struct ecc_ast_stmt *stmt = new_stmt(p, ECC_AST_STMT_DROP, k.start);

    stmt->u.keyed = keyed;
    return stmt;
}

struct ecc_ast_stmt *ecc_stmt_for(struct ecc_parser *p, struct ecc_token k, struct ecc_token item, struct ecc_ast_expr *list,
                                  struct ecc_ast_block *body)
{
    struct ecc_ast_stmt *stmt = new_stmt(p, ECC_AST_STMT_FOR, k.start);

    stmt->u.loop.item = ecc_ast_snake(p, item);
    stmt->u.loop.list = list;
    stmt->u.loop.body = *body;
    return stmt;
}

struct ecc_ast_stmt *ecc_stmt_when(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_expr *cond, struct ecc_ast_block *then)
{
    struct ecc_ast_stmt *stmt = new_stmt(p, ECC_AST_STMT_WHEN, k.start);

    stmt->u.when.cond = cond;
    stmt->u.when.then = *then;
    return stmt;
}

void ecc_stmt_else(struct ecc_parser *p, struct ecc_ast_stmt *stmt, struct ecc_ast_block *otherwise)
{
    stmt->u.when.has_else = true;
    stmt->u.when.otherwise = *otherwise;
    stmt->span = ecc_upto(p, stmt->span.start);
}

struct ecc_ast_stmt *ecc_stmt_fail(struct ecc_parser *p, struct ecc_token k, struct ecc_token error, struct ecc_ast_expr *cond)
{
    struct ecc_ast_stmt *stmt = new_stmt(p, ECC_AST_STMT_FAIL, k.start);

    stmt->u.fail.error = ecc_ast_pascal(p, error);
    stmt->u.fail.cond = cond;
    return stmt;
}

struct ecc_ast_stmt *ecc_stmt_return(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_expr *value)
{
    struct ecc_ast_stmt *stmt = new_stmt(p, ECC_AST_STMT_RETURN, k.start);

    stmt->u.expr = value;
    return stmt;
}

struct ecc_ast_stmt *ecc_stmt_accept(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_expr *value)
{
    struct ecc_ast_stmt *stmt = new_stmt(p, ECC_AST_STMT_ACCEPT, k.start);

    stmt->u.expr = value;
    return stmt;
}
