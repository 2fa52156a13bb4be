/* Expressions to C: paths, literals, operators.
 *
 * What is optional is a pointer, or a text or list that says so itself; expr_convert.c knows how one becomes the other.
 */
#include "emit_expr.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "expr_value.h"
#include "shapes.h"
#include "writer.h"

static struct ecc_val value_of(struct ecc_exprs *x, const struct ecc_expr *e);

/* ------------------------------------------------------------------ paths */

static struct ecc_val field_of(struct ecc_exprs *x, const struct ecc_expr *e)
{
    const struct ecc_expr *of = e->u.field.of;
    const struct ecc_field *field = e->u.field.field;
    struct ecc_val base = value_of(x, of);
    const char *member = ecc_c_member(x->arena, field->name), *text, *base_text;
    bool pointer = ecc_is_pointer(field->type);

    base_text = ecc_val_at(x, base, PREC_POST);
    text = FMT(x, "%s%s%s", base_text, base.pointer ? "->" : ".", member);
    if (!of->type->optional)
        return (struct ecc_val){text, PREC_POST, pointer, base.path};
    /* A field of a record that may be absent is absent with it. */
    if (pointer || ecc_is_pointer(e->type))
        return (struct ecc_val){FMT(x, "%s ? %s%s : NULL", ecc_val_at(x, base, PREC_OR), pointer ? "" : "&", text), PREC_COND, true, false};
    return ecc_val(FMT(x, "%s ? %s : %s", ecc_val_at(x, base, PREC_OR), text, ecc_absent_c(x, e->type)), PREC_COND);
}

const char *ecc_expr_path(struct ecc_arena *arena, const struct ecc_expr *expr)
{
    const char *of;

    if (expr->kind == ECC_EXPR_CONVERT)
        return ecc_expr_path(arena, expr->u.convert);
    if (expr->kind == ECC_EXPR_VAR)
        return expr->u.var->name;
    if (expr->kind != ECC_EXPR_FIELD)
        return NULL;
    of = ecc_expr_path(arena, expr->u.field.of);
    return of ? ecc_arena_printf(arena, "%s.%s", of, expr->u.field.field->name) : NULL;
}

/* ------------------------------------------------------------------ operators */

static bool is_null(const struct ecc_expr *e)
{
    while (e->kind == ECC_EXPR_CONVERT)
        e = e->u.convert;
    return e->kind == ECC_EXPR_NULL;
}

/* `x` where a pointer says it, `x.p` where the text does. */
static const char *there(struct ecc_exprs *x, const struct ecc_type *type, struct ecc_val v)
{
    if (v.pointer || ecc_is_pointer(type))
        return ecc_val_at(x, v, PREC_UNARY);
    return FMT(x, "%s.%s", ecc_val_at(x, v, PREC_POST), type->kind == ECC_TYPE_LIST ? "v" : "p");
}

static struct ecc_val compared(struct ecc_exprs *x, enum ecc_operator op, const struct ecc_type *type, struct ecc_val a, struct ecc_val b)
{
    static const char *const signs[] = {[ECC_OP_EQ] = "==", [ECC_OP_NE] = "!=", [ECC_OP_LT] = "<",
                                        [ECC_OP_LE] = "<=", [ECC_OP_GT] = ">", [ECC_OP_GE] = ">="};
    bool equality = op == ECC_OP_EQ || op == ECC_OP_NE;
    enum prec prec = equality ? PREC_EQ : PREC_REL;

    a = ecc_val_deref(x, a);
    b = ecc_val_deref(x, b);
    if (equality && (ecc_is_text(type) || type->kind == ECC_TYPE_UUID)) {
        const char *text = FMT(x, "%s(%s, %s)", ecc_is_text(type) ? "ec_str_eq" : "ec_uuid_eq", a.text, b.text);

        return op == ECC_OP_EQ ? ecc_val(text, PREC_POST) : ecc_val(FMT(x, "!%s", text), PREC_NOT);
    }
    if (ecc_is_text(type))
        return ecc_val(FMT(x, "ec_str_cmp(%s, %s) %s 0", a.text, b.text, signs[op]), prec);
    return ecc_val(FMT(x, "%s %s %s", ecc_val_at(x, a, prec + 1), signs[op], ecc_val_at(x, b, prec + 1)), prec);
}

static const struct ecc_expr *unwrapped(const struct ecc_expr *e)
{
    while (e->kind == ECC_EXPR_CONVERT && e->type->optional && e->u.convert->type->kind == e->type->kind)
        e = e->u.convert;
    return e;
}

/* With an absent side, two values are equal when both are absent; any order is false. */
static struct ecc_val comparison(struct ecc_exprs *x, const struct ecc_expr *e)
{
    const struct ecc_expr *left = unwrapped(e->u.op.left), *right = unwrapped(e->u.op.right);
    enum ecc_operator op = e->u.op.op;
    bool equal = op == ECC_OP_EQ;
    struct ecc_val a, b, both;
    const char *guard, *sides;

    if (is_null(left) || is_null(right)) {
        const struct ecc_expr *side = is_null(left) ? right : left;

        if (is_null(side))
            return ecc_val(equal ? "true" : "false", PREC_POST);
        if (!side->type->optional)
            return ecc_val(equal ? "false" : "true", PREC_POST);
        a = value_of(x, side);
        return equal ? ecc_val(FMT(x, "!%s", there(x, side->type, a)), PREC_NOT) : ecc_val(there(x, side->type, a), PREC_UNARY);
    }
    a = value_of(x, left);
    b = value_of(x, right);
    if (ecc_is_text(right->type) && !ecc_is_text(left->type))
        a = ecc_val(ecc_val_text(x, left->type, a).text, PREC_POST);
    if (ecc_is_text(left->type) && !ecc_is_text(right->type))
        b = ecc_val(ecc_val_text(x, right->type, b).text, PREC_POST);
    both = compared(x, op, left->type, a, b);
    if (!left->type->optional && !right->type->optional)
        return both;
    if (left->type->optional && right->type->optional) {
        sides = FMT(x, "%s && %s", there(x, left->type, a), there(x, right->type, b));
        if (op != ECC_OP_EQ && op != ECC_OP_NE)
            return ecc_val(FMT(x, "%s && %s", sides, ecc_val_at(x, both, PREC_NOT)), PREC_AND);
        return ecc_val(FMT(x, "%s ? %s : !%s %s !%s", sides, ecc_val_at(x, both, PREC_OR), there(x, left->type, a), equal ? "&&" : "!=",
                         there(x, right->type, b)),
                     PREC_COND);
    }
    guard = left->type->optional ? there(x, left->type, a) : there(x, right->type, b);
    if (op == ECC_OP_NE)
        return ecc_val(FMT(x, "!%s || %s", guard, ecc_val_at(x, both, PREC_NOT)), PREC_OR);
    return ecc_val(FMT(x, "%s && %s", guard, ecc_val_at(x, both, PREC_NOT)), PREC_AND);
}

/* `a + b + c` is one concatenation of three. */
static const char *concat_parts(struct ecc_exprs *x, const struct ecc_expr *e)
{
    if (e->kind == ECC_EXPR_BINARY && e->u.op.op == ECC_OP_CONCAT)
        return FMT(x, "%s, %s", concat_parts(x, e->u.op.left), concat_parts(x, e->u.op.right));
    return ecc_expr_as_text(x, e);
}

static struct ecc_val concat(struct ecc_exprs *x, const struct ecc_expr *e)
{
    return ecc_val(FMT(x, "EC_CONCAT(task, %s)", concat_parts(x, e)), PREC_POST);
}

static struct ecc_val infix(struct ecc_exprs *x, const struct ecc_expr *e, const char *sign, enum prec prec, enum prec right)
{
    struct ecc_val a = ecc_val_deref(x, value_of(x, e->u.op.left)), b = ecc_val_deref(x, value_of(x, e->u.op.right));

    return ecc_val(FMT(x, "%s %s %s", ecc_val_at(x, a, prec), sign, ecc_val_at(x, b, right)), prec);
}

static struct ecc_val operation(struct ecc_exprs *x, const struct ecc_expr *e)
{
    struct ecc_val a;

    switch (e->u.op.op) {
    case ECC_OP_EQ:
    case ECC_OP_NE:
    case ECC_OP_LT:
    case ECC_OP_LE:
    case ECC_OP_GT:
    case ECC_OP_GE:
        return comparison(x, e);
    case ECC_OP_AND:
        return infix(x, e, "&&", PREC_AND, PREC_AND);
    case ECC_OP_OR: /* `a && b || c` is written with parentheses */
        a = infix(x, e, "||", PREC_NOT, PREC_NOT);
        return ecc_val(a.text, PREC_OR);
    case ECC_OP_NOT:
        a = ecc_val_deref(x, value_of(x, e->u.op.left));
        return ecc_val(FMT(x, "!%s", ecc_val_at(x, a, PREC_UNARY)), PREC_NOT);
    case ECC_OP_NEG:
        a = ecc_val_deref(x, value_of(x, e->u.op.left));
        return ecc_val(FMT(x, "-%s", ecc_val_at(x, a, PREC_POST)), PREC_UNARY);
    case ECC_OP_ADD:
        return infix(x, e, "+", PREC_ADD, PREC_MUL);
    case ECC_OP_SUB:
        return infix(x, e, "-", PREC_ADD, PREC_MUL);
    case ECC_OP_MUL:
        return infix(x, e, "*", PREC_MUL, PREC_UNARY);
    case ECC_OP_CONCAT:
        return concat(x, e);
    case ECC_OP_PRESENT:
        a = value_of(x, e->u.op.left);
        return ecc_val(there(x, e->u.op.left->type, a), PREC_UNARY);
    }
    return ecc_val("0", PREC_POST);
}

static const char *float_text(struct ecc_exprs *x, double f)
{
    char text[64];

    for (int digits = 1; digits <= 17; digits++) {
        double back;

        snprintf(text, sizeof text, "%.*g", digits, f);
        if (sscanf(text, "%lf", &back) == 1 && back == f)
            break;
    }
    return FMT(x, "%s%s", text, strpbrk(text, ".en") ? "" : ".0");
}

static struct ecc_val int_text(struct ecc_exprs *x, int64_t i)
{
    if (i == INT64_MIN)
        return ecc_val("(-9223372036854775807 - 1)", PREC_POST);
    return ecc_val(FMT(x, "%" PRId64, i), i < 0 ? PREC_UNARY : PREC_POST);
}

static struct ecc_val builtin(struct ecc_exprs *x, const struct ecc_expr *e)
{
    struct ecc_val a;

    if (e->u.call.fn == ECC_FN_NOW)
        return ecc_val("ec_now()", PREC_POST);
    a = ecc_val_deref(x, value_of(x, e->u.call.arg));
    if (e->u.call.arg->type->kind == ECC_TYPE_LIST)
        return ecc_val(FMT(x, "(int64_t)%s.n", ecc_val_at(x, a, PREC_POST)), PREC_UNARY);
    return ecc_val(FMT(x, "ec_text_length(%s)", a.text), PREC_POST);
}

static struct ecc_val value_of(struct ecc_exprs *x, const struct ecc_expr *e)
{
    struct ecc_place place;

    switch (e->kind) {
    case ECC_EXPR_TEXT:
        return ecc_val(FMT(x, "EC_STR(%s)", ecc_quote_c(x->arena, e->u.text)), PREC_POST);
    case ECC_EXPR_INT:
        return int_text(x, e->u.i);
    case ECC_EXPR_FLOAT:
        return ecc_val(float_text(x, e->u.f), e->u.f < 0 ? PREC_UNARY : PREC_POST);
    case ECC_EXPR_BOOL:
        return ecc_val(e->u.b ? "true" : "false", PREC_POST);
    case ECC_EXPR_NULL:
        return (struct ecc_val){ecc_absent_c(x, e->type), PREC_POST, ecc_is_pointer(e->type), false};
    case ECC_EXPR_ENUM:
        return ecc_val(ecc_shapes_enum_value(x->shapes, e->type->enum_, e->u.text), PREC_POST);
    case ECC_EXPR_VAR:
        place = x->place(x->context, e->u.var);
        return (struct ecc_val){place.text, PREC_POST, place.pointer, true};
    case ECC_EXPR_FIELD:
        return field_of(x, e);
    case ECC_EXPR_RECORD:
        return ecc_val_record(x, e);
    case ECC_EXPR_LIST:
        return ecc_val_list(x, e);
    case ECC_EXPR_UNARY:
    case ECC_EXPR_BINARY:
        return operation(x, e);
    case ECC_EXPR_CALL:
        return builtin(x, e);
    case ECC_EXPR_CONVERT:
        return ecc_val_convert(x, e->type, e->u.convert->type, value_of(x, e->u.convert));
    }
    return ecc_val("0", PREC_POST);
}

/* ------------------------------------------------------------------ the outside */

const char *ecc_expr_c(struct ecc_exprs *x, const struct ecc_expr *expr)
{
    return ecc_expr_fit(x, expr->type, expr);
}

const char *ecc_expr_fit(struct ecc_exprs *x, const struct ecc_type *to, const struct ecc_expr *expr)
{
    const struct ecc_expr *plain = unwrapped(expr);

    if (is_null(expr))
        return ecc_absent_c(x, to);
    if (to->optional && plain->kind == ECC_EXPR_LIST && plain->u.list.nitems == 0) /* empty, but there */
        return FMT(x, "(%s){EC_ALLOC(task, %s), 0}", ecc_c_type(x->shapes, to), ecc_c_type(x->shapes, to->item));
    return ecc_val_convert(x, to, expr->type, value_of(x, expr)).text;
}

const char *ecc_expr_pointer(struct ecc_exprs *x, const struct ecc_type *to, const struct ecc_expr *expr)
{
    struct ecc_val v = value_of(x, expr);

    if (v.pointer && ecc_same_c(x, to, expr->type))
        return v.text;
    if (v.path && ecc_same_c(x, to, expr->type))
        return FMT(x, "&%s", ecc_val_at(x, v, PREC_UNARY));
    v = ecc_val_convert(x, ecc_val_present(x, to), expr->type, v);
    if (v.text[0] == '(')
        return FMT(x, "&%s", v.text);
    return FMT(x, "&(%s[]){%s}[0]", ecc_c_type(x->shapes, ecc_val_present(x, to)), v.text);
}

const char *ecc_expr_as_text(struct ecc_exprs *x, const struct ecc_expr *expr)
{
    struct ecc_val v = value_of(x, expr);

    if (ecc_is_text(expr->type))
        return v.text;
    if (v.pointer && expr->type->optional)
        return FMT(x, "%s ? %s : EC_STR(\"\")", ecc_val_at(x, v, PREC_OR), ecc_val_text(x, expr->type, v).text);
    return ecc_val_text(x, expr->type, v).text;
}

struct ecc_place ecc_place_member(struct ecc_arena *arena, const char *of, const char *member, const struct ecc_type *type)
{
    return (struct ecc_place){ecc_arena_printf(arena, "%s%s", of, ecc_c_member(arena, member)), ecc_is_pointer(type)};
}

struct ecc_place ecc_place_setting(const struct ecc_shapes *shapes, const struct ecc_var *var)
{
    const char *name = NULL, *part = "text";
    const struct ecc_node *node = shapes->node;
    struct ecc_setting **settings = node->kind == ECC_NODE_EXTERNAL ? node->u.external.settings : node->u.service.settings;
    size_t n = node->kind == ECC_NODE_EXTERNAL ? node->u.external.nsettings : node->u.service.nsettings;

    for (size_t i = 0; i < n; i++)
        if (settings[i]->var == var)
            name = ecc_shapes_name(shapes, settings[i]);
    if (!name)
        name = ecc_arena_printf(shapes->arena, "%s_setting", var->name);
    if (var->type->kind == ECC_TYPE_INT)
        part = "i";
    else if (var->type->kind == ECC_TYPE_FLOAT)
        part = "f";
    else if (var->type->kind == ECC_TYPE_BOOL)
        part = "b";
    else if (var->type->kind == ECC_TYPE_UUID)
        part = "uuid";
    return (struct ecc_place){ecc_arena_printf(shapes->arena, "%s.%s", name, part), false};
}
