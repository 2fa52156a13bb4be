/* messages.c: the tables of enums, records and errors that drive JSON, forms, rows and saga state. */
#include <inttypes.h>
#include <string.h>

#include "arena.h"
#include "codegen.h"
#include "emit_db.h"
#include "reads.h"

static const char *joined_flags(struct ecc_arena *arena, const struct ecc_type *type, bool bounded, bool has_default, bool null)
{
    const char *text = "";

    const struct { bool set; const char *name; } flags[] = {
        {type->optional, "EC_OPTIONAL"}, {type->kind == ECC_TYPE_LIST, "EC_LIST"}, {bounded, "EC_BOUNDED"}, {has_default, "EC_DEFAULT"},
        {null, "EC_NULL"},
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (flags[i].set)
            text = ecc_arena_printf(arena, "%s%s%s", text, *text ? " | " : "", flags[i].name);
    }
    return text;
}

static const char *number(struct ecc_arena *arena, int64_t value)
{
    if (value == INT64_MIN)
        return "INT64_MIN";
    if (value == INT64_MAX)
        return "INT64_MAX";
    return ecc_arena_printf(arena, "%" PRId64, value);
}

const char *ecc_field_traits(struct ecc_arena *arena, const struct ecc_shapes *shapes, const struct ecc_type *type, bool has_default,
                             bool null)
{
    const struct ecc_type *item = type->kind == ECC_TYPE_LIST ? type->item : type;
    const char *text = ecc_c_kind(type), *flags = joined_flags(arena, type, item->bounded, has_default, null);

    if (*flags)
        text = ecc_arena_printf(arena, "%s, .flags = %s", text, flags);
    if (item->bounded)
        text = ecc_arena_printf(arena, "%s, .min = %s, .max = %s", text, number(arena, item->min), number(arena, item->max));
    if (type->kind == ECC_TYPE_LIST && type->bounded) {
        if (type->min > 0)
            text = ecc_arena_printf(arena, "%s, .list_min = %s", text, number(arena, type->min));
        if (type->max < INT64_MAX)
            text = ecc_arena_printf(arena, "%s, .list_max = %s", text, number(arena, type->max));
    }
    if (item->kind == ECC_TYPE_ENUM)
        text = ecc_arena_printf(arena, "%s, .of = &%s", text, ecc_shapes_enum(shapes, item->enum_)->table);
    if (item->kind == ECC_TYPE_RECORD && ecc_shapes_record(shapes, item->record))
        text = ecc_arena_printf(arena, "%s, .of = &%s", text, ecc_shapes_record(shapes, item->record)->table);
    return text;
}

static void emit_enum(struct ecc_writer *w, const struct ecc_enum_shape *shape)
{
    const struct ecc_enum *enum_ = shape->enum_;

    ecc_w_open(w, "const struct ec_enum %s = {", shape->table);
    ecc_wl(w, ".name = %s,", ecc_quote_c(w->arena, enum_->name));
    ecc_w_open(w, ".values = (const char *const[]){");
    for (size_t i = 0; i < enum_->nvalues; i++)
        ecc_wl(w, "[%s] = %s,", shape->values[i], ecc_quote_c(w->arena, enum_->values[i]));
    ecc_w_close(w, "},");
    ecc_wl(w, ".n = %zu,", enum_->nvalues);
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

/* A literal as an initialiser of its member. */
static const char *initialiser(struct ecc_arena *arena, const struct ecc_shapes *s, const struct ecc_type *type, const struct ecc_expr *value)
{
    const char *text = NULL;

    while (value->kind == ECC_EXPR_CONVERT)
        value = value->u.convert;
    switch (value->kind) {
    case ECC_EXPR_TEXT:
        text = ecc_quote_c(arena, value->u.text);
        return ecc_arena_printf(arena, "{%s, sizeof(%s) - 1}", text, text);
    case ECC_EXPR_INT:
        if (value->u.i == INT64_MIN)
            text = "INT64_MIN";
        else
            text = ecc_arena_printf(arena, type->kind == ECC_TYPE_FLOAT ? "%" PRId64 ".0" : "%" PRId64, value->u.i);
        break;
    case ECC_EXPR_FLOAT:
        text = ecc_arena_printf(arena, "%.17g", value->u.f);
        if (!strpbrk(text, ".en"))
            text = ecc_arena_printf(arena, "%s.0", text);
        break;
    case ECC_EXPR_BOOL:
        text = value->u.b ? "true" : "false";
        break;
    case ECC_EXPR_ENUM:
        text = ecc_shapes_enum_value(s, type->enum_, value->u.text);
        break;
    case ECC_EXPR_UNARY:
        if (value->u.op.op == ECC_OP_NEG && (text = initialiser(arena, s, type, value->u.op.left)))
            return ecc_arena_printf(arena, "-%s", text);
        return NULL;
    default:
        return NULL;
    }
    if (text && type->optional && ecc_c_optional_pointer(type)) {
        struct ecc_type present = *type;
        present.optional = false;
        return ecc_arena_printf(arena, "&(%s){%s}", ecc_c_type(s, &present), text);
    }
    return text;
}

static const char *emit_preset(struct ecc_writer *w, const struct ecc_shapes *s, const struct ecc_shape *shape)
{
    const char *name = ecc_arena_printf(w->arena, "%s_preset", shape->name);

    ecc_w_open(w, "static const struct %s %s = {", shape->name, name);
    for (size_t i = 0; i < shape->record->nfields; i++) {
        const struct ecc_field *field = &shape->record->fields[i];
        const char *value = field->dflt ? initialiser(w->arena, s, field->type, field->dflt) : NULL;
        if (value)
            ecc_wl(w, ".%s = %s,", ecc_c_member(w->arena, field->name), value);
    }
    ecc_w_close(w, "};");
    return name;
}

static const char *wire_name(const struct ecc_shape *shape, const struct ecc_record *claims)
{
    return shape->record == claims ? "claims" : shape->record->name ? shape->record->name : shape->name;
}

static void emit_record(struct ecc_writer *w, const struct ecc_shapes *s, const struct ecc_shape *shape)
{
    const char *preset = shape->preset ? emit_preset(w, s, shape) : NULL;

    ecc_w_open(w, "static const struct ec_field %s_fields[] = {", shape->name);
    for (size_t i = 0; i < shape->record->nfields; i++) {
        const struct ecc_field *field = &shape->record->fields[i];
        if (field->type->kind == ECC_TYPE_RECORD && !ecc_shapes_record(s, field->type->record))
            continue;
        const char *was = ecc_field_alias(shape->record, field);
        ecc_wl(w, "{.name = %s, .kind = %s, .offset = offsetof(struct %s, %s)%s},", ecc_quote_c(w->arena, field->wire),
               ecc_field_traits(w->arena, s, field->type, field->dflt != NULL, field->null), shape->name, ecc_c_member(w->arena, field->name),
               was ? ecc_arena_printf(w->arena, ", .was = %s", ecc_quote_c(w->arena, was)) : "");
    }
    ecc_w_close(w, "};");
    ecc_w_open(w, "const struct ec_record %s = {", shape->table);
    ecc_wl(w, ".name = %s,", ecc_quote_c(w->arena, wire_name(shape, s->model->claims)));
    ecc_wl(w, ".size = sizeof(struct %s),", shape->name);
    ecc_wl(w, ".fields = %s_fields,", shape->name);
    ecc_wl(w, ".nfields = sizeof %s_fields / sizeof %s_fields[0],", shape->name, shape->name);
    if (preset)
        ecc_wl(w, ".preset = &%s,", preset);
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

void ecc_emit_messages(struct ecc_codegen *cg, struct ecc_shapes *shapes)
{
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_C);

    if (!shapes->enums.n && !shapes->records.n && (!shapes->errors.n || shapes->sandbox))
        return;
    ecc_wl(w, "#include \"%s\"", shapes->header);
    ecc_w_blank(w);
    for (size_t i = 0; i < shapes->enums.n; i++)
        emit_enum(w, shapes->enums.items[i]);
    for (size_t i = 0; i < shapes->records.n; i++)
        emit_record(w, shapes, shapes->records.items[i]);
    for (size_t i = 0; i < shapes->errors.n && !shapes->sandbox; i++) {
        const struct ecc_error *error = shapes->errors.items[i]->error;
        ecc_wl(w, "const struct ec_error %s = {.name = %s, .status = %d, .title = %s};", shapes->errors.items[i]->name,
               ecc_quote_c(cg->arena, ecc_kebab(cg->arena, error->name)), error->status, ecc_quote_c(cg->arena, error->title));
    }
    ecc_codegen_add(cg, shapes, "messages.c", w);
}
