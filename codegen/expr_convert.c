/* Values in C, and every way in which a value of one type becomes one of another.
 *
 * A record becomes another one field by field in a compound literal when it is a path; else, and for lists and optional records, a
 * static function of the file does it.
 */
#include "expr_value.h"

#include <string.h>

#include "arena.h"
#include "types.h"
#include "shapes.h"
#include "writer.h"

struct ecc_val ecc_val(const char *text, enum prec prec)
{
    return (struct ecc_val){.text = text, .prec = prec};
}

const char *ecc_val_at(struct ecc_exprs *x, struct ecc_val v, enum prec prec)
{
    return v.prec < prec ? FMT(x, "(%s)", v.text) : v.text;
}

struct ecc_val ecc_val_deref(struct ecc_exprs *x, struct ecc_val v)
{
    if (!v.pointer)
        return v;
    return ecc_val(FMT(x, "*%s", ecc_val_at(x, v, PREC_UNARY)), PREC_UNARY);
}

bool ecc_is_pointer(const struct ecc_type *type)
{
    return type->optional && ecc_c_optional_pointer(type);
}

/* The type without its `?`. */
const struct ecc_type *ecc_val_present(struct ecc_exprs *x, const struct ecc_type *type)
{
    struct ecc_type *copy;

    if (!type->optional)
        return type;
    copy = ECC_NEW(x->arena, struct ecc_type);
    *copy = *type;
    copy->optional = false;
    return copy;
}

bool ecc_is_text(const struct ecc_type *type)
{
    return type->kind == ECC_TYPE_TEXT || type->kind == ECC_TYPE_SECRET || type->kind == ECC_TYPE_EMAIL || type->kind == ECC_TYPE_JSON;
}

static const char *c_type(struct ecc_exprs *x, const struct ecc_type *type)
{
    return ecc_c_type(x->shapes, type);
}

bool ecc_same_c(struct ecc_exprs *x, const struct ecc_type *a, const struct ecc_type *b)
{
    return strcmp(c_type(x, ecc_val_present(x, a)), c_type(x, ecc_val_present(x, b))) == 0;
}

const char *ecc_absent_c(struct ecc_exprs *x, const struct ecc_type *type)
{
    return ecc_is_pointer(type) ? "NULL" : FMT(x, "(%s){0}", c_type(x, ecc_val_present(x, type)));
}

/* Lines after the first, one level deeper. */
static const char *deeper(struct ecc_exprs *x, const char *text)
{
    size_t lines = 0;
    char *out, *p;

    for (const char *s = text; *s; s++)
        lines += *s == '\n';
    if (lines == 0)
        return text;
    p = out = ecc_arena_alloc(x->arena, strlen(text) + lines * 4 + 1);
    for (const char *s = text; *s; s++) {
        *p++ = *s;
        if (*s == '\n') {
            memset(p, ' ', 4);
            p += 4;
        }
    }
    *p = 0;
    return out;
}

/* ------------------------------------------------------------------ compound literals */

struct parts { const char **items; size_t n, cap; };

/* One member stays on the line; more have a line each, those of a list where they are long. */
static const char *braces(struct ecc_exprs *x, const struct parts *parts, size_t line)
{
    const char *text = "{";
    size_t n = 0;

    for (size_t i = 0; i < parts->n; i++)
        n += strchr(parts->items[i], '\n') ? line : strlen(parts->items[i]) + 2;
    if (n < line || (parts->n == 1 && !strchr(parts->items[0], '\n'))) {
        for (size_t i = 0; i < parts->n; i++)
            text = FMT(x, "%s%s%s", text, i ? ", " : "", parts->items[i]);
        return FMT(x, "%s}", text);
    }
    for (size_t i = 0; i < parts->n; i++)
        text = FMT(x, "%s\n    %s,", text, deeper(x, parts->items[i]));
    return FMT(x, "%s\n}", text);
}

static const char *literal(struct ecc_exprs *x, const struct ecc_record *record, const struct parts *parts)
{
    const struct ecc_shape *shape = ecc_shapes_record(x->shapes, record);

    if (parts->n == 0)
        return FMT(x, "(struct %s){0}", shape ? shape->name : "ec_list");
    return FMT(x, "(struct %s)%s", shape->name, braces(x, parts, 0));
}

static bool has_struct(struct ecc_exprs *x, const struct ecc_type *type)
{
    return type->kind != ECC_TYPE_RECORD || ecc_shapes_record(x->shapes, type->record);
}

/* Inside braces, the type of a compound literal goes without saying. */
static const char *uncast(const char *c, const char *value)
{
    size_t n = strlen(c);

    return value[0] == '(' && strncmp(value + 1, c, n) == 0 && value[n + 1] == ')' && value[n + 2] == '{' ? value + n + 2 : value;
}

static void add_part(struct ecc_exprs *x, struct parts *parts, const struct ecc_field *field, const char *value)
{
    value = uncast(c_type(x, field->type), value);
    ECC_PUSH(x->arena, parts, FMT(x, ".%s = %s", ecc_c_member(x->arena, field->name), value));
}

struct ecc_val ecc_val_record(struct ecc_exprs *x, const struct ecc_expr *e)
{
    struct parts parts = {0};

    for (size_t i = 0; i < e->u.record.ninits; i++) {
        const struct ecc_init *init = &e->u.record.inits[i];
        const struct ecc_expr *value = init->value ? init->value : init->field->dflt;

        if (value && value->kind != ECC_EXPR_NULL && has_struct(x, init->field->type))
            add_part(x, &parts, init->field, ecc_expr_fit(x, init->field->type, value));
    }
    return ecc_val(literal(x, e->type->record, &parts), PREC_POST);
}

static const char *list_of(struct ecc_exprs *x, const struct ecc_type *type, const struct parts *parts)
{
    const char *item = c_type(x, type->item);

    if (parts->n == 0)
        return FMT(x, "(%s){0}", c_type(x, ecc_val_present(x, type)));
    if (x->keeps) {
        const char *times = parts->n == 1 ? "" : FMT(x, "%zu * ", parts->n);

        return FMT(x, "(%s){ec_some(task, &(%s[])%s, %ssizeof(%s)), %zu}", c_type(x, ecc_val_present(x, type)), item,
                   braces(x, parts, 80), times, item, parts->n);
    }
    return FMT(x, "(%s){(%s[])%s, %zu}", c_type(x, ecc_val_present(x, type)), item, braces(x, parts, 80), parts->n);
}

struct ecc_val ecc_val_list(struct ecc_exprs *x, const struct ecc_expr *e)
{
    struct parts parts = {0};

    for (size_t i = 0; i < e->u.list.nitems; i++) {
        const char *item = uncast(c_type(x, e->type->item), ecc_expr_fit(x, e->type->item, e->u.list.items[i]));

        ECC_PUSH(x->arena, &parts, item);
    }
    return ecc_val(list_of(x, e->type, &parts), PREC_POST);
}

/* ------------------------------------------------------------------ conversions */

struct ecc_val ecc_val_text(struct ecc_exprs *x, const struct ecc_type *from, struct ecc_val v)
{
    const char *text = ecc_val_deref(x, v).text;

    switch (from->kind) {
    case ECC_TYPE_INT:
        return ecc_val(FMT(x, "ec_text_int(task, %s)", text), PREC_POST);
    case ECC_TYPE_FLOAT:
        return ecc_val(FMT(x, "ec_text_float(task, %s)", text), PREC_POST);
    case ECC_TYPE_BOOL:
        return ecc_val(FMT(x, "ec_text_bool(%s)", text), PREC_POST);
    case ECC_TYPE_UUID:
        return ecc_val(FMT(x, "ec_text_uuid(task, %s)", text), PREC_POST);
    case ECC_TYPE_TIME:
        return ecc_val(FMT(x, "ec_text_time(task, %s)", text), PREC_POST);
    case ECC_TYPE_ENUM:
        return ecc_val(FMT(x, "ec_text_enum(&%s, %s)", ecc_shapes_enum(x->shapes, from->enum_)->table, text), PREC_POST);
    case ECC_TYPE_TEXT:
    case ECC_TYPE_SECRET:
    case ECC_TYPE_EMAIL:
    case ECC_TYPE_JSON:
    case ECC_TYPE_RECORD:
    case ECC_TYPE_LIST:
    case ECC_TYPE_SAGA:
    case ECC_TYPE_VOID:
        break;
    }
    return v;
}

static const char *some(struct ecc_exprs *x, const struct ecc_type *type, struct ecc_val v)
{
    const char *text = v.text;

    switch (type->kind) {
    case ECC_TYPE_INT:
    case ECC_TYPE_TIME:
        return FMT(x, "ec_some_int(task, %s)", text);
    case ECC_TYPE_FLOAT:
        return FMT(x, "ec_some_float(task, %s)", text);
    case ECC_TYPE_BOOL:
        return FMT(x, "ec_some_bool(task, %s)", text);
    case ECC_TYPE_UUID:
        return FMT(x, "ec_some_uuid(task, %s)", text);
    case ECC_TYPE_ENUM:
        return FMT(x, "(%s *)ec_some_enum(task, (int)%s)", c_type(x, ecc_val_present(x, type)), ecc_val_at(x, v, PREC_UNARY));
    case ECC_TYPE_RECORD:
        return FMT(x, "ec_some(task, &%s, sizeof(%s))", ecc_val_at(x, v, PREC_UNARY), c_type(x, ecc_val_present(x, type)));
    case ECC_TYPE_TEXT:
    case ECC_TYPE_SECRET:
    case ECC_TYPE_EMAIL:
    case ECC_TYPE_JSON:
    case ECC_TYPE_LIST:
    case ECC_TYPE_SAGA:
    case ECC_TYPE_VOID:
        break;
    }
    return text;
}

static const char *tag(const char *c)
{
    return strncmp(c, "struct ", 7) == 0 ? c + 7 : strncmp(c, "enum ", 5) == 0 ? c + 5 : c;
}

/* Every field of `to` from the fields of v, which is a path. */
static const char *fields_from(struct ecc_exprs *x, const struct ecc_record *to, const struct ecc_record *from, struct ecc_val v)
{
    struct parts parts = {0};

    for (size_t i = 0; i < to->nfields; i++) {
        const struct ecc_field *field = &to->fields[i], *source = ecc_record_source(from, field);
        struct ecc_val part;

        if (!source) {
            if (field->dflt)
                add_part(x, &parts, field, ecc_expr_fit(x, field->type, field->dflt));
            continue;
        }
        if (!has_struct(x, field->type))
            continue;
        part.text = FMT(x, "%s%s%s", ecc_val_at(x, v, PREC_POST), v.pointer ? "->" : ".", ecc_c_member(x->arena, source->name));
        part.prec = PREC_POST;
        part.pointer = ecc_is_pointer(source->type);
        part.path = true;
        add_part(x, &parts, field, ecc_val_convert(x, field->type, source->type, part).text);
    }
    return literal(x, to, &parts);
}

/* The static function that makes a list, an optional record or a record out of another; made when first asked for. */
static const char *helper(struct ecc_exprs *x, const struct ecc_type *to, const struct ecc_type *from)
{
    bool by_pointer = ecc_is_pointer(from) || from->kind == ECC_TYPE_RECORD;
    const char *tt = c_type(x, ecc_val_present(x, to)), *ft = c_type(x, ecc_val_present(x, from));
    const char *star = ecc_is_pointer(to) ? "*" : "";
    const char *key = FMT(x, "%s%s from %s%s", tt, star, ft, by_pointer ? " *" : ""), *name, *body, *head;
    bool keeps = x->keeps;

    for (size_t i = 0; i < x->helpers.n; i++)
        if (strcmp(x->helpers.items[i].key, key) == 0)
            return x->helpers.items[i].name;
    x->keeps = true;
    name = ecc_shapes_claim(x->shapes, FMT(x, "%s_from_%s", tag(tt), tag(ft)));
    if (to->kind == ECC_TYPE_LIST) {
        struct ecc_val item = {.text = "from.v[i]", .prec = PREC_POST, .path = true};
        const char *each = ecc_val_convert(x, to->item, from->item, item).text;

        body = FMT(x,
                   "    %s out = {NULL, from.n};\n\n"
                   "    if (!from.v)\n"
                   "        return out;\n"
                   "    out.v = EC_ALLOC_ARRAY(task, %s, from.n);\n"
                   "    for (size_t i = 0; i < from.n; i++)\n"
                   "        out.v[i] = %s;\n"
                   "    return out;\n",
                   tt, c_type(x, to->item), deeper(x, deeper(x, each)));
        head = FMT(x, "static %s %s(struct ec_task *task, %s from)", tt, name, ft);
    } else {
        struct ecc_val v = {.text = "from", .prec = PREC_POST, .pointer = true, .path = true};
        const char *made = to->kind == ECC_TYPE_RECORD ? fields_from(x, to->record, from->record, v)
                                                       : ecc_val_convert(x, ecc_val_present(x, to), ecc_val_present(x, from), v).text;

        if (*star) {
            body = FMT(x,
                       "    %s *out = NULL;\n\n"
                       "    if (from) {\n"
                       "        out = EC_ALLOC(task, %s);\n"
                       "        *out = %s;\n"
                       "    }\n"
                       "    return out;\n",
                       tt, tt, deeper(x, deeper(x, made)));
        } else {
            body = FMT(x, "    return %s;\n", deeper(x, made));
            if (!strstr(body, "(task"))
                body = FMT(x, "    (void)task;\n%s", body);
        }
        head = FMT(x, "static %s %s%s(struct ec_task *task, const %s *from)", tt, star, name, ft);
    }
    ECC_PUSH(x->arena, &x->helpers, ((struct ecc_helper){key, name, FMT(x, "%s\n{\n%s}\n", head, body)}));
    x->keeps = keeps;
    return name;
}

void ecc_emit_helpers(struct ecc_exprs *x, struct ecc_writer *w)
{
    for (size_t i = 0; i < x->helpers.n; i++) {
        ecc_w(w, "%s", x->helpers.items[i].text);
        ecc_w_blank(w);
    }
}

static struct ecc_val record_from(struct ecc_exprs *x, const struct ecc_type *to, const struct ecc_type *from, struct ecc_val v)
{
    const char *where;

    if (v.path)
        return ecc_val(fields_from(x, to->record, from->record, v), PREC_POST);
    where = v.pointer ? v.text : FMT(x, "&%s", ecc_val_at(x, v, PREC_UNARY));
    return ecc_val(FMT(x, "%s(task, %s)", helper(x, to, ecc_val_present(x, from)), where), PREC_POST);
}

struct ecc_val ecc_val_convert(struct ecc_exprs *x, const struct ecc_type *to, const struct ecc_type *from, struct ecc_val v)
{
    bool same = ecc_same_c(x, to, from);

    if (!has_struct(x, to))
        return ecc_val("0", PREC_POST);
    if (ecc_is_pointer(to)) {
        if (v.pointer && same)
            return v;
        if (v.pointer)
            return (struct ecc_val){FMT(x, "%s(task, %s)", helper(x, to, from), v.text), PREC_POST, true, false};
        v = ecc_val_convert(x, ecc_val_present(x, to), from, v);
        return (struct ecc_val){some(x, to, v), PREC_POST, true, false};
    }
    if (same)
        return ecc_val_deref(x, v);
    if (v.pointer && from->optional && to->optional)
        return ecc_val(FMT(x, "%s ? %s : %s", ecc_val_at(x, v, PREC_OR),
                           ecc_val_convert(x, ecc_val_present(x, to), ecc_val_present(x, from), v).text, ecc_absent_c(x, to)),
                     PREC_COND);
    if (to->kind == ECC_TYPE_RECORD && from->kind == ECC_TYPE_RECORD)
        return record_from(x, to, from, v);
    if (to->kind == ECC_TYPE_LIST && from->kind == ECC_TYPE_LIST)
        return ecc_val(FMT(x, "%s(task, %s)", helper(x, ecc_val_present(x, to), ecc_val_present(x, from)), v.text), PREC_POST);
    if (ecc_is_text(to))
        return ecc_val_text(x, from, v);
    return ecc_val_deref(x, v);
}

