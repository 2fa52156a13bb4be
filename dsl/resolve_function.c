/* The functions that are statements: new_id, passwords and tokens. Each is the whole right side of a `let`. */
#include "resolve.h"

#include <string.h>

/* The argument at position i, without a name; NULL after a report. */
static const struct ecc_ast_expr *positional(struct ecc_resolver *r, const struct ecc_ast_expr *ast, size_t i, size_t want,
                                             const char *usage)
{
    const struct ecc_ast_inits *args = &ast->u.call.args;

    if (args->n == want && !args->items[i]->name.text && !args->items[i]->spread)
        return args->items[i]->value;
    if (i == 0) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_FUNCTION, ast->span, "wrong arguments for %s", ecc_ast_function_name(ast->u.call.fn));
        ecc_diag_help(r->diags, d, "it is used so: %s", usage);
    }
    return NULL;
}

static const struct ecc_expr *secret_argument(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast, bool optional)
{
    const struct ecc_type *type = &ecc_type_secret;
    const struct ecc_expr *expr = ecc_resolve_expr(r, body, ast, type);

    if (optional && expr->type->optional)
        type = ecc_type_optional(r->arena, type);
    return ecc_fit_expr(r, expr, type, NULL);
}

static void resolve_sign(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast, struct ecc_stmt *stmt)
{
    const struct ecc_record *claims = r->model->claims;
    const struct ecc_expr *record = ecc_resolve_record(r, body, claims, &ast->u.call.args, ast->span, "argument");

    stmt->u.builtin.a = record->u.record.inits[0].value;
    stmt->u.builtin.b = record->u.record.inits[1].value;
    stmt->u.builtin.c = record->u.record.inits[2].value;
}

static void need_jwt(struct ecc_resolver *r, const struct ecc_body *body, const struct ecc_ast_expr *ast)
{
    if (body->node->u.service.jwt)
        return;
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_NO_JWT, ast->span, "%s has no `jwt`", body->node->name);
    ecc_diag_second(d, body->node->span, "declared here");
    ecc_diag_help(r->diags, d, "add: jwt issuer \"...\" audience \"...\" secret NAME");
}

void ecc_resolve_function(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, struct ecc_stmt *stmt)
{
    const struct ecc_ast_expr *call = ast->u.expr, *a, *b;
    const struct ecc_type *type = &ecc_type_unknown;

    switch (call->u.call.fn) {
    case ECC_AST_FN_NEW_ID:
        stmt->kind = ECC_STMT_NEW_ID;
        type = &ecc_type_uuid;
        if (call->u.call.args.n)
            ecc_diag(r->diags, ECC_E_FUNCTION, call->span, "new_id takes no argument");
        if (body->loops)
            ecc_diag(r->diags, ECC_E_FUNCTION, call->span, "new_id can't stand in a loop: a repeated request must get the same ids");
        break;
    case ECC_AST_FN_HASH:
        stmt->kind = ECC_STMT_HASH;
        type = &ecc_type_secret;
        if ((a = positional(r, call, 0, 1, "let hash = password.hash(password)")))
            stmt->u.builtin.a = secret_argument(r, body, a, false);
        break;
    case ECC_AST_FN_VERIFY:
        stmt->kind = ECC_STMT_VERIFY;
        type = &ecc_type_bool;
        a = positional(r, call, 0, 2, "let right = password.verify(password, user.hash)");
        b = a ? positional(r, call, 1, 2, "") : NULL;
        if (a && b) {
            stmt->u.builtin.a = secret_argument(r, body, a, false);
            stmt->u.builtin.b = secret_argument(r, body, b, true);
        }
        break;
    case ECC_AST_FN_SIGN:
        stmt->kind = ECC_STMT_SIGN;
        type = &ecc_type_text;
        need_jwt(r, body, call);
        resolve_sign(r, body, call, stmt);
        break;
    case ECC_AST_FN_CLAIMS:
        stmt->kind = ECC_STMT_CLAIMS;
        type = ecc_type_of_record(r->arena, r->model->claims);
        need_jwt(r, body, call);
        if ((a = positional(r, call, 0, 1, "let claims = jwt.verify(token) none -> fail ...")))
            stmt->u.builtin.a = secret_argument(r, body, a, false);
        if (!ast->none) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_OUTCOME, ast->span, "jwt.verify does not say what happens when the token is not valid");
            ecc_diag_help(r->diags, d, "add: none -> fail ...");
        }
        break;
    default:
        ecc_resolve_expr(r, body, call, NULL); /* reports that it belongs elsewhere */
        stmt->u.expr = ecc_expr_unknown(r, call->span);
        break;
    }
    ecc_let(r, body, stmt, ast, type);
}
