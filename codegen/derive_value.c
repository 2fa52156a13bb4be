#include "derive_value.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

const struct ecc_known ecc_known_null = {.kind = ECC_KNOWN_NULL};

/* ------------------------------------------------------------------ making */

static struct ecc_known *make(struct ecc_arena *arena, enum ecc_known_kind kind)
{
    struct ecc_known *v = ECC_NEW(arena, struct ecc_known);

    v->kind = kind;
    return v;
}

const struct ecc_known *ecc_known_some(struct ecc_arena *arena, const char *format, ...)
{
    struct ecc_known *v = make(arena, ECC_KNOWN_SOME);
    va_list args;

    va_start(args, format);
    v->text = ecc_arena_vprintf(arena, format, args);
    va_end(args);
    return v;
}

const struct ecc_known *ecc_known_text(struct ecc_arena *arena, const char *text)
{
    struct ecc_known *v = make(arena, ECC_KNOWN_TEXT);

    v->text = text;
    return v;
}

const struct ecc_known *ecc_known_int(struct ecc_arena *arena, int64_t i)
{
    struct ecc_known *v = make(arena, ECC_KNOWN_INT);

    v->i = i;
    return v;
}

const struct ecc_known *ecc_known_bool(struct ecc_arena *arena, bool b)
{
    struct ecc_known *v = make(arena, ECC_KNOWN_BOOL);

    v->i = b;
    return v;
}

static const struct ecc_known *val_float(struct ecc_arena *arena, double f)
{
    struct ecc_known *v = make(arena, ECC_KNOWN_FLOAT);

    v->f = f;
    return v;
}

struct ecc_known *ecc_known_object(struct ecc_arena *arena, size_t n)
{
    struct ecc_known *v = make(arena, ECC_KNOWN_OBJECT);

    v->keys = ECC_NEW_ARRAY(arena, const char *, n);
    v->items = ECC_NEW_ARRAY(arena, const struct ecc_known *, n);
    v->n = n;
    return v;
}

const struct ecc_known *ecc_known_row(struct ecc_arena *arena, const struct ecc_record *record, const char *name)
{
    struct ecc_known *v = ecc_known_object(arena, record->nfields);

    for (size_t i = 0; i < v->n; i++) {
        v->keys[i] = record->fields[i].name;
        v->items[i] = ecc_known_some(arena, "%s.%s", name, record->fields[i].name);
    }
    return v;
}

/* ------------------------------------------------------------------ reading */

const struct ecc_known *ecc_known_field(struct ecc_arena *arena, const struct ecc_known *of, const char *name)
{
    if (of->kind == ECC_KNOWN_OBJECT)
        for (size_t i = 0; i < of->n; i++)
            if (strcmp(of->keys[i], name) == 0)
                return of->items[i];
    return of->kind == ECC_KNOWN_SOME ? ecc_known_some(arena, "%s.%s", of->text, name) : &ecc_known_null;
}

const char *ecc_known_print(struct ecc_arena *arena, const struct ecc_known *v)
{
    switch (v->kind) {
    case ECC_KNOWN_SOME:
        return ecc_arena_printf(arena, "<%s>", v->text);
    case ECC_KNOWN_TEXT:
        return v->text;
    case ECC_KNOWN_INT:
        return ecc_arena_printf(arena, "%" PRId64, v->i);
    case ECC_KNOWN_FLOAT:
        return ecc_arena_printf(arena, "%.17g", v->f);
    case ECC_KNOWN_BOOL:
        return v->i ? "true" : "false";
    case ECC_KNOWN_NULL:
        return "null";
    case ECC_KNOWN_OBJECT:
    case ECC_KNOWN_LIST:
        break;
    }
    return v->kind == ECC_KNOWN_OBJECT ? "{}" : "[]";
}

static bool number(const struct ecc_known *v, double *out)
{
    *out = v->kind == ECC_KNOWN_FLOAT ? v->f : (double)v->i;
    return v->kind == ECC_KNOWN_FLOAT || v->kind == ECC_KNOWN_INT;
}

/* -1, 0, 1; 2: not known; 3: they differ and have no order. */
static int order(const struct ecc_known *a, const struct ecc_known *b)
{
    double x, y;

    if (a->kind == ECC_KNOWN_SOME || b->kind == ECC_KNOWN_SOME) {
        if (a->kind == ECC_KNOWN_NULL || b->kind == ECC_KNOWN_NULL)
            return 3;
        return a->kind == b->kind && strcmp(a->text, b->text) == 0 ? 0 : 2;
    }
    if (number(a, &x) && number(b, &y))
        return x < y ? -1 : x > y;
    if (a->kind != b->kind)
        return 3;
    switch (a->kind) {
    case ECC_KNOWN_NULL:
        return 0;
    case ECC_KNOWN_TEXT: {
        int n = strcmp(a->text, b->text);
        return n < 0 ? -1 : n > 0;
    }
    case ECC_KNOWN_BOOL:
        return a->i == b->i ? 0 : 3;
    default:
        return 2;
    }
}

enum ecc_truth ecc_known_compare(enum ecc_operator op, const struct ecc_known *a, const struct ecc_known *b)
{
    int n = order(a, b);

    if (n == 2)
        return ECC_UNKNOWN;
    if (op == ECC_OP_EQ || op == ECC_OP_NE)
        return (n == 0) == (op == ECC_OP_EQ) ? ECC_TRUE : ECC_FALSE;
    if (n == 3)
        return ECC_FALSE;
    switch (op) {
    case ECC_OP_LT:
        return n < 0 ? ECC_TRUE : ECC_FALSE;
    case ECC_OP_LE:
        return n <= 0 ? ECC_TRUE : ECC_FALSE;
    case ECC_OP_GT:
        return n > 0 ? ECC_TRUE : ECC_FALSE;
    case ECC_OP_GE:
        return n >= 0 ? ECC_TRUE : ECC_FALSE;
    default:
        return ECC_UNKNOWN;
    }
}

enum ecc_truth ecc_truth_not(enum ecc_truth t)
{
    return t == ECC_UNKNOWN ? t : t == ECC_TRUE ? ECC_FALSE : ECC_TRUE;
}

enum ecc_truth ecc_truth_and(enum ecc_truth a, enum ecc_truth b)
{
    if (a == ECC_FALSE || b == ECC_FALSE)
        return ECC_FALSE;
    return a == ECC_TRUE && b == ECC_TRUE ? ECC_TRUE : ECC_UNKNOWN;
}

/* ------------------------------------------------------------------ expressions */

void ecc_env_bind(struct ecc_env *env, const struct ecc_var *var, const struct ecc_known *value)
{
    struct ecc_bind bind = {var, value};

    if (var)
        ECC_PUSH(env->arena, &env->binds, bind);
}

static const struct ecc_known *look_up(const struct ecc_env *env, const struct ecc_var *var)
{
    for (size_t i = env->binds.n; i-- > 0;)
        if (env->binds.items[i].var == var)
            return env->binds.items[i].value;
    if (var->kind == ECC_VAR_PARAM && env->args)
        return ecc_known_field(env->arena, env->args, var->name);
    if (var->kind == ECC_VAR_ERROR && env->error)
        return env->error;
    return ecc_known_some(env->arena, "%s", var->name);
}

static const struct ecc_known *eval_record(struct ecc_env *env, const struct ecc_expr *e)
{
    struct ecc_known *v = ecc_known_object(env->arena, e->u.record.ninits);

    for (size_t i = 0; i < v->n; i++) {
        const struct ecc_init *init = &e->u.record.inits[i];
        const struct ecc_expr *value = init->value ? init->value : init->field->dflt;

        v->keys[i] = init->field->name;
        v->items[i] = value ? ecc_env_eval(env, value) : &ecc_known_null;
    }
    return v;
}

static const struct ecc_known *eval_list(struct ecc_env *env, const struct ecc_expr *e)
{
    struct ecc_known *v = ecc_known_object(env->arena, e->u.list.nitems);

    v->kind = ECC_KNOWN_LIST;
    for (size_t i = 0; i < v->n; i++)
        v->items[i] = ecc_env_eval(env, e->u.list.items[i]);
    return v;
}

static const struct ecc_known *arithmetic(struct ecc_env *env, const struct ecc_expr *e)
{
    const struct ecc_known *a = ecc_env_eval(env, e->u.op.left), *b = e->u.op.right ? ecc_env_eval(env, e->u.op.right) : &ecc_known_null;
    char sign = e->u.op.op == ECC_OP_ADD ? '+' : e->u.op.op == ECC_OP_MUL ? '*' : '-';
    int64_t out = 0;
    double x, y = 0;

    if (e->u.op.op == ECC_OP_CONCAT) {
        const char *left = ecc_known_print(env->arena, a), *right = ecc_known_print(env->arena, b);
        bool known = a->kind != ECC_KNOWN_SOME && b->kind != ECC_KNOWN_SOME;
        return known ? ecc_known_text(env->arena, ecc_arena_printf(env->arena, "%s%s", left, right))
                     : ecc_known_some(env->arena, "%s%s", left, right);
    }
    if (e->u.op.op == ECC_OP_NEG) {
        b = a;
        a = ecc_known_int(env->arena, 0);
    }
    if (!number(a, &x) || !number(b, &y))
        return ecc_known_some(env->arena, "%s%c%s", ecc_known_print(env->arena, a), sign, ecc_known_print(env->arena, b));
    if (a->kind == ECC_KNOWN_FLOAT || b->kind == ECC_KNOWN_FLOAT)
        return val_float(env->arena, sign == '+' ? x + y : sign == '*' ? x * y : x - y);
    bool over = sign == '+'   ? __builtin_add_overflow(a->i, b->i, &out)
                : sign == '*' ? __builtin_mul_overflow(a->i, b->i, &out)
                              : __builtin_sub_overflow(a->i, b->i, &out);
    return over ? ecc_known_some(env->arena, "overflow") : ecc_known_int(env->arena, out);
}

static const struct ecc_known *eval_operator(struct ecc_env *env, const struct ecc_expr *e)
{
    switch (e->u.op.op) {
    case ECC_OP_ADD:
    case ECC_OP_SUB:
    case ECC_OP_MUL:
    case ECC_OP_NEG:
    case ECC_OP_CONCAT:
        return arithmetic(env, e);
    default: {
        enum ecc_truth t = ecc_env_truth(env, e);
        return t == ECC_UNKNOWN ? ecc_known_some(env->arena, "?%u", e->span.start) : ecc_known_bool(env->arena, t == ECC_TRUE);
    }
    }
}

static const struct ecc_known *eval_call(struct ecc_env *env, const struct ecc_expr *e)
{
    if (e->u.call.fn == ECC_FN_NOW)
        return ecc_known_some(env->arena, "now");
    const struct ecc_known *of = ecc_env_eval(env, e->u.call.arg);
    if (of->kind == ECC_KNOWN_LIST)
        return ecc_known_int(env->arena, (int64_t)of->n);
    if (of->kind != ECC_KNOWN_TEXT)
        return ecc_known_some(env->arena, "len(%s)", ecc_known_print(env->arena, of));
    int64_t n = 0;
    for (const char *p = of->text; *p; p++)
        n += (*p & 0xc0) != 0x80; /* code points */
    return ecc_known_int(env->arena, n);
}

const struct ecc_known *ecc_env_eval(struct ecc_env *env, const struct ecc_expr *e)
{
    switch (e->kind) {
    case ECC_EXPR_TEXT:
    case ECC_EXPR_ENUM:
        return ecc_known_text(env->arena, e->u.text);
    case ECC_EXPR_INT:
        return ecc_known_int(env->arena, e->u.i);
    case ECC_EXPR_FLOAT:
        return val_float(env->arena, e->u.f);
    case ECC_EXPR_BOOL:
        return ecc_known_bool(env->arena, e->u.b);
    case ECC_EXPR_NULL:
        return &ecc_known_null;
    case ECC_EXPR_VAR:
        return look_up(env, e->u.var);
    case ECC_EXPR_FIELD:
        return ecc_known_field(env->arena, ecc_env_eval(env, e->u.field.of), e->u.field.field->name);
    case ECC_EXPR_RECORD:
        return eval_record(env, e);
    case ECC_EXPR_LIST:
        return eval_list(env, e);
    case ECC_EXPR_UNARY:
    case ECC_EXPR_BINARY:
        return eval_operator(env, e);
    case ECC_EXPR_CALL:
        return eval_call(env, e);
    case ECC_EXPR_CONVERT:
        return ecc_env_eval(env, e->u.convert);
    }
    return &ecc_known_null;
}

static enum ecc_truth truth_of(const struct ecc_known *v)
{
    if (v->kind == ECC_KNOWN_BOOL)
        return v->i ? ECC_TRUE : ECC_FALSE;
    return v->kind == ECC_KNOWN_NULL ? ECC_FALSE : ECC_UNKNOWN;
}

enum ecc_truth ecc_env_truth(struct ecc_env *env, const struct ecc_expr *e)
{
    if (e->kind != ECC_EXPR_UNARY && e->kind != ECC_EXPR_BINARY)
        return truth_of(ecc_env_eval(env, e));
    switch (e->u.op.op) {
    case ECC_OP_NOT:
        return ecc_truth_not(ecc_env_truth(env, e->u.op.left));
    case ECC_OP_AND:
        return ecc_truth_and(ecc_env_truth(env, e->u.op.left), ecc_env_truth(env, e->u.op.right));
    case ECC_OP_OR:
        return ecc_truth_not(
            ecc_truth_and(ecc_truth_not(ecc_env_truth(env, e->u.op.left)), ecc_truth_not(ecc_env_truth(env, e->u.op.right))));
    case ECC_OP_PRESENT:
        return ecc_env_eval(env, e->u.op.left)->kind == ECC_KNOWN_NULL ? ECC_FALSE : ECC_TRUE;
    case ECC_OP_EQ:
    case ECC_OP_NE:
    case ECC_OP_LT:
    case ECC_OP_LE:
    case ECC_OP_GT:
    case ECC_OP_GE:
        return ecc_known_compare(e->u.op.op, ecc_env_eval(env, e->u.op.left), ecc_env_eval(env, e->u.op.right));
    default:
        return truth_of(arithmetic(env, e));
    }
}

/* ------------------------------------------------------------------ the wire */

const struct ecc_known *ecc_known_to_wire(struct ecc_arena *arena, const struct ecc_known *v, const struct ecc_type *type)
{
    if (v->kind == ECC_KNOWN_LIST && type->kind == ECC_TYPE_LIST) {
        struct ecc_known *list = ecc_known_object(arena, v->n);
        list->kind = ECC_KNOWN_LIST;
        for (size_t i = 0; i < v->n; i++)
            list->items[i] = ecc_known_to_wire(arena, v->items[i], type->item);
        return list;
    }
    if (v->kind != ECC_KNOWN_OBJECT || type->kind != ECC_TYPE_RECORD)
        return v;
    struct ecc_known *out = ecc_known_object(arena, type->record->nfields);
    for (size_t i = 0; i < out->n; i++) {
        const struct ecc_field *f = &type->record->fields[i];
        out->keys[i] = f->wire;
        out->items[i] = ecc_known_to_wire(arena, ecc_known_field(arena, v, f->name), f->type);
    }
    return out;
}

static bool has(const struct ecc_known *v, const char *name)
{
    for (size_t i = 0; v->kind == ECC_KNOWN_OBJECT && i < v->n; i++)
        if (strcmp(v->keys[i], name) == 0)
            return true;
    return false;
}

static const struct ecc_known *read_value(struct ecc_arena *arena, const struct ecc_known *v, const struct ecc_type *type,
                                          const char *name);

const struct ecc_known *ecc_known_from_wire(struct ecc_arena *arena, const struct ecc_known *v, const struct ecc_record *record,
                                            const char *name)
{
    struct ecc_env env = {.arena = arena};
    struct ecc_known *out;

    if (v->kind == ECC_KNOWN_SOME || v->kind == ECC_KNOWN_NULL)
        return v->kind == ECC_KNOWN_SOME ? ecc_known_row(arena, record, v->text) : v;
    out = ecc_known_object(arena, record->nfields);
    for (size_t i = 0; i < out->n; i++) {
        const struct ecc_field *f = &record->fields[i];
        const char *key = has(v, f->wire) ? f->wire : f->name;

        out->keys[i] = f->name;
        if (has(v, key))
            out->items[i] = read_value(arena, ecc_known_field(arena, v, key), f->type, ecc_arena_printf(arena, "%s.%s", name, f->name));
        else
            out->items[i] = f->dflt ? ecc_env_eval(&env, f->dflt) : &ecc_known_null;
    }
    return out;
}

static const struct ecc_known *read_value(struct ecc_arena *arena, const struct ecc_known *v, const struct ecc_type *type, const char *name)
{
    if (type->kind == ECC_TYPE_RECORD)
        return ecc_known_from_wire(arena, v, type->record, name);
    if (type->kind == ECC_TYPE_LIST && v->kind == ECC_KNOWN_LIST) {
        struct ecc_known *list = ecc_known_object(arena, v->n);
        list->kind = ECC_KNOWN_LIST;
        for (size_t i = 0; i < v->n; i++)
            list->items[i] = read_value(arena, v->items[i], type->item, name);
        return list;
    }
    return v;
}
