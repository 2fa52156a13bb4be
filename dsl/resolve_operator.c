/* Operators and conditions. Comparisons and arithmetic need both sides present; `x == null` and a bare optional ask for absence. */
#include "resolve.h"

const struct ecc_expr *ecc_resolve_cond(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast)
{
    const struct ecc_expr *expr = ecc_resolve_expr(r, body, ast, &ecc_type_bool);

    if (ECC_IS_UNKNOWN(expr->type))
        return expr;
    if (expr->type->optional && expr->type->kind == ECC_TYPE_BOOL) {
        struct ecc_diag *d =
            ecc_diag(r->diags, ECC_E_CONDITION, expr->span, "this bool may be absent: is the condition that it is there, or that it is true?");
        ecc_diag_help(r->diags, d, "`x != null` asks for the first, `x != null and x` for the second; of a column, SQL has `coalesce(x, false)`");
        return ecc_expr_unknown(r, expr->span);
    }
    if (expr->type->optional) {
        struct ecc_expr *present = ecc_expr_new(r, ECC_EXPR_UNARY, &ecc_type_bool, expr->span);
        present->u.op.op = ECC_OP_PRESENT;
        present->u.op.left = expr;
        return present;
    }
    if (expr->type->kind == ECC_TYPE_BOOL)
        return expr;
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_CONDITION, expr->span, "a condition is a bool or an optional value, but this is %s",
                                  ecc_type_name(r->arena, expr->type));
    if (expr->type->kind == ECC_TYPE_RECORD || expr->kind == ECC_EXPR_VAR || expr->kind == ECC_EXPR_FIELD)
        ecc_diag_help(r->diags, d, "it is always there");
    return ecc_expr_unknown(r, expr->span);
}

static const char *spelling(enum ecc_operator op)
{
    static const char *const names[] = {
        [ECC_OP_EQ] = "==",  [ECC_OP_NE] = "!=", [ECC_OP_LT] = "<",    [ECC_OP_LE] = "<=", [ECC_OP_GT] = ">",
        [ECC_OP_GE] = ">=",  [ECC_OP_AND] = "and", [ECC_OP_OR] = "or", [ECC_OP_NOT] = "not", [ECC_OP_ADD] = "+",
        [ECC_OP_SUB] = "-",  [ECC_OP_MUL] = "*", [ECC_OP_NEG] = "-",   [ECC_OP_CONCAT] = "+", [ECC_OP_PRESENT] = "",
    };
    return names[op];
}

static const struct ecc_expr *binary(struct ecc_resolver *r, enum ecc_operator op, const struct ecc_type *type, struct ecc_span span,
                                     const struct ecc_expr *left, const struct ecc_expr *right)
{
    struct ecc_expr *expr = ecc_expr_new(r, ECC_EXPR_BINARY, type, span);

    expr->u.op.op = op;
    expr->u.op.left = left;
    expr->u.op.right = right;
    return expr;
}

static const struct ecc_expr *misuse(struct ecc_resolver *r, const struct ecc_ast_expr *ast, const struct ecc_expr *left,
                                     const struct ecc_expr *right)
{
    ecc_diag(r->diags, ECC_E_OPERATOR, ast->u.op.op_span, "%s %s %s has no meaning", ecc_type_name(r->arena, left->type),
             spelling(ast->u.op.op), ecc_type_name(r->arena, right->type));
    return ecc_expr_unknown(r, ast->span);
}

static const struct ecc_expr *must_be_present(struct ecc_resolver *r, const struct ecc_expr *expr)
{
    return expr->type->optional ? ecc_fit_expr(r, expr, ecc_type_present(r->arena, expr->type), NULL) : expr;
}

static bool needs_guidance(const struct ecc_ast_expr *ast)
{
    return ast->kind == ECC_AST_EXPR_NAME || ast->kind == ECC_AST_EXPR_NULL || ast->kind == ECC_AST_EXPR_INT ||
           ast->kind == ECC_AST_EXPR_TEXT;
}

/* A literal beside a secret is a mistake of the operator, not of the literal. */
static const struct ecc_type *guide(const struct ecc_expr *other)
{
    return other->type->kind == ECC_TYPE_SECRET ? NULL : other->type;
}

/* Each side may tell the other's type: `role != staff`, `null == x`. */
static void both_sides(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast, const struct ecc_expr **left,
                       const struct ecc_expr **right)
{
    const struct ecc_ast_expr *l = ast->u.op.left, *e = ast->u.op.right;
    bool left_is_name = l->kind == ECC_AST_EXPR_NAME && ecc_find_local(r, &body->vars, l->u.name.text);

    if (needs_guidance(l) && !left_is_name && !(l->kind != ECC_AST_EXPR_NULL && needs_guidance(e) && e->kind != ECC_AST_EXPR_NAME)) {
        *right = ecc_resolve_expr(r, body, e, NULL);
        *left = ecc_resolve_expr(r, body, l, guide(*right));
    } else {
        *left = ecc_resolve_expr(r, body, l, NULL);
        *right = ecc_resolve_expr(r, body, e, guide(*left));
    }
}

static const struct ecc_expr *compare_null(struct ecc_resolver *r, const struct ecc_ast_expr *ast, const struct ecc_expr *left,
                                           const struct ecc_expr *right)
{
    enum ecc_operator op = ast->u.op.op;

    if (op != ECC_OP_EQ && op != ECC_OP_NE) {
        ecc_diag(r->diags, ECC_E_OPERATOR, ast->u.op.op_span, "null is only equal or not equal");
        return ecc_expr_unknown(r, ast->span);
    }
    return binary(r, op, &ecc_type_bool, ast->span, left, right);
}

static const struct ecc_expr *compare(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast)
{
    enum ecc_operator op = ast->u.op.op;
    const struct ecc_expr *left, *right;

    both_sides(r, body, ast, &left, &right);
    if (ECC_IS_UNKNOWN(left->type) || ECC_IS_UNKNOWN(right->type))
        return ecc_expr_unknown(r, ast->span);
    if (left->kind == ECC_EXPR_NULL || right->kind == ECC_EXPR_NULL)
        return compare_null(r, ast, left, right);
    left = must_be_present(r, left);
    right = must_be_present(r, right);
    if (ECC_IS_UNKNOWN(left->type) || ECC_IS_UNKNOWN(right->type))
        return ecc_expr_unknown(r, ast->span);
    if (left->type->kind == ECC_TYPE_SECRET || right->type->kind == ECC_TYPE_SECRET) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_SECRET_USE, ast->u.op.op_span, "a secret can't be compared");
        ecc_diag_help(r->diags, d, "passwords are checked with password.verify, tokens with jwt.verify");
        return ecc_expr_unknown(r, ast->span);
    }
    if (ecc_type_fit(left->type, right->type) == ECC_FIT_CONVERT)
        left = ecc_fit_expr(r, left, right->type, NULL);
    else if (ecc_type_fit(right->type, left->type) == ECC_FIT_CONVERT)
        right = ecc_fit_expr(r, right, left->type, NULL);
    enum ecc_type_kind kind = left->type->kind;
    bool ordered = kind == ECC_TYPE_INT || kind == ECC_TYPE_FLOAT || kind == ECC_TYPE_TIME || kind == ECC_TYPE_TEXT;
    bool equal = op == ECC_OP_EQ || op == ECC_OP_NE;
    if (!ecc_type_same(left->type, right->type) || !(equal ? ecc_type_is_scalar(left->type) : ordered))
        return misuse(r, ast, left, right);
    return binary(r, op, &ecc_type_bool, ast->span, left, right);
}

static const struct ecc_expr *to_text(struct ecc_resolver *r, const struct ecc_expr *expr)
{
    if (ECC_IS_UNKNOWN(expr->type) || expr->type->kind == ECC_TYPE_TEXT)
        return expr;
    struct ecc_expr *out = ecc_expr_new(r, ECC_EXPR_CONVERT, &ecc_type_text, expr->span);
    out->u.convert = expr;
    return out;
}

static const struct ecc_expr *arithmetic(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast)
{
    enum ecc_operator op = ast->u.op.op;
    const struct ecc_expr *left, *right;

    both_sides(r, body, ast, &left, &right);
    left = must_be_present(r, left);
    right = must_be_present(r, right);
    if (ECC_IS_UNKNOWN(left->type) || ECC_IS_UNKNOWN(right->type))
        return ecc_expr_unknown(r, ast->span);
    if (op == ECC_OP_ADD && (ecc_type_is_textual(left->type) || ecc_type_is_textual(right->type))) {
        if (left->type->kind == ECC_TYPE_SECRET || right->type->kind == ECC_TYPE_SECRET) {
            ecc_diag(r->diags, ECC_E_SECRET_USE, ast->u.op.op_span, "a secret can't become part of a text");
            return ecc_expr_unknown(r, ast->span);
        }
        if (!ecc_type_is_scalar(left->type) || !ecc_type_is_scalar(right->type))
            return misuse(r, ast, left, right);
        return binary(r, ECC_OP_CONCAT, &ecc_type_text, ast->span, to_text(r, left), to_text(r, right));
    }
    enum ecc_type_kind kind = left->type->kind;
    if (kind != right->type->kind || (kind != ECC_TYPE_INT && kind != ECC_TYPE_FLOAT))
        return misuse(r, ast, left, right);
    return binary(r, op, kind == ECC_TYPE_INT ? &ecc_type_int : &ecc_type_float, ast->span, left, right);
}

/* The right side is only reached when the left allows it, so it knows what the left has found. */
static const struct ecc_expr *logic(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast)
{
    struct ecc_mark mark = ecc_scope_enter(body);
    const struct ecc_expr *left = ecc_resolve_cond(r, body, ast->u.op.left);

    ecc_assume_cond(r, body, left, ast->u.op.op == ECC_OP_AND);
    const struct ecc_expr *right = ecc_resolve_cond(r, body, ast->u.op.right);
    ecc_facts_leave(body, mark);
    if (ECC_IS_UNKNOWN(left->type) || ECC_IS_UNKNOWN(right->type))
        return ecc_expr_unknown(r, ast->span);
    return binary(r, ast->u.op.op, &ecc_type_bool, ast->span, left, right);
}

static const struct ecc_expr *unary(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast)
{
    const struct ecc_expr *left;
    const struct ecc_type *type = &ecc_type_bool;

    if (ast->u.op.op == ECC_OP_NOT) {
        left = ecc_resolve_cond(r, body, ast->u.op.left);
    } else {
        left = must_be_present(r, ecc_resolve_expr(r, body, ast->u.op.left, NULL));
        type = left->type;
        if (!ECC_IS_UNKNOWN(type) && type->kind != ECC_TYPE_INT && type->kind != ECC_TYPE_FLOAT) {
            ecc_diag(r->diags, ECC_E_OPERATOR, ast->span, "- %s has no meaning", ecc_type_name(r->arena, type));
            return ecc_expr_unknown(r, ast->span);
        }
    }
    if (ECC_IS_UNKNOWN(left->type))
        return ecc_expr_unknown(r, ast->span);
    struct ecc_expr *expr =
        ecc_expr_new(r, ECC_EXPR_UNARY, type->kind == ECC_TYPE_INT ? &ecc_type_int : type, ast->span);
    expr->u.op.op = ast->u.op.op;
    expr->u.op.left = left;
    return expr;
}

const struct ecc_expr *ecc_resolve_operator(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast)
{
    if (ast->kind == ECC_AST_EXPR_UNARY)
        return unary(r, body, ast);
    switch (ast->u.op.op) {
    case ECC_OP_AND:
    case ECC_OP_OR:
        return logic(r, body, ast);
    case ECC_OP_ADD:
    case ECC_OP_SUB:
    case ECC_OP_MUL:
        return arithmetic(r, body, ast);
    default:
        return compare(r, body, ast);
    }
}
