#include "json_schema.h"

#include <inttypes.h>
#include <string.h>

#include "arena.h"
#include "reads.h"

/* What stands for a component: a record in its strict or its open form, an enum, or the email (of NULL). */
struct ecc_component {
    const void *of;
    bool strict;
    const char *name;
};

/* runtime/scalar.c, ec_email_valid */
#define ATEXT "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
#define LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define EMAIL_PATTERN "^(?=.{1,64}@)" ATEXT "(\\." ATEXT ")*@" LABEL "(\\." LABEL ")*$"

static const char sample_email[] = "ada@example.com";
static const char sample_uuid[] = "018f3a5e-0000-7000-8000-000000000001";
static const char sample_time[] = "2030-01-31T12:00:00Z";

enum { MAX_SAMPLE_DEPTH = 6, MAX_SAMPLE_TEXT = 1000, MAX_SAMPLE_ITEMS = 10 };

static struct ecc_yaml *record_schema(struct ecc_json_schemas *s, const struct ecc_record *record, enum ecc_side side);

/* ------------------------------------------------------------------ components */

void ecc_json_schemas_init(struct ecc_json_schemas *s, struct ecc_arena *arena)
{
    *s = (struct ecc_json_schemas){.arena = arena, .components = ecc_yaml_map(arena)};
    ecc_cnames_init(&s->names, arena);
}

const char *ecc_json_schema_add(struct ecc_json_schemas *s, const char *wanted, struct ecc_yaml *schema)
{
    const char *name = ecc_cnames_claim(&s->names, wanted);

    ecc_yaml_put(s->components, name, schema);
    return name;
}

static struct ecc_yaml *reference(struct ecc_json_schemas *s, const char *name)
{
    return ecc_yaml_ref(s->arena, "components/schemas", name);
}

static const char *known(struct ecc_json_schemas *s, const void *of, bool strict)
{
    for (size_t i = 0; i < s->known.n; i++)
        if (s->known.items[i].of == of && s->known.items[i].strict == strict)
            return s->known.items[i].name;
    return NULL;
}

/* Known by its name before its schema is made: a record may hold itself. */
static const char *claim(struct ecc_json_schemas *s, const void *of, bool strict, const char *wanted)
{
    const char *name = ecc_json_schema_add(s, wanted, ecc_yaml_map(s->arena));

    ECC_PUSH(s->arena, &s->known, ((struct ecc_component){of, strict, name}));
    return name;
}

static struct ecc_yaml *enum_schema(struct ecc_json_schemas *s, const struct ecc_enum *enum_)
{
    const char *name = known(s, enum_, false);

    if (!name) {
        struct ecc_yaml *schema = ecc_yaml_map(s->arena), *values;

        name = claim(s, enum_, false, enum_->name);
        ecc_yaml_put_text(schema, "type", "string");
        values = ecc_yaml_put_list(schema, "enum");
        for (size_t i = 0; i < enum_->nvalues; i++)
            ecc_yaml_add_text(values, enum_->values[i]);
        ecc_yaml_put(s->components, name, schema);
    }
    return reference(s, name);
}

static struct ecc_yaml *email_schema(struct ecc_json_schemas *s)
{
    const char *name = known(s, NULL, false);

    if (!name) {
        struct ecc_yaml *schema = ecc_yaml_map(s->arena);

        name = claim(s, NULL, false, "Email");
        ecc_yaml_put_text(schema, "type", "string");
        ecc_yaml_put_text(schema, "format", "email");
        ecc_yaml_put_raw(schema, "maxLength", "254");
        ecc_yaml_put_text(schema, "pattern", EMAIL_PATTERN);
        ecc_yaml_put(s->components, name, schema);
    }
    return reference(s, name);
}

struct ecc_yaml *ecc_json_schema_record(struct ecc_json_schemas *s, const struct ecc_record *record, enum ecc_side side, const char *name)
{
    bool strict = side == ECC_SIDE_REQUEST;
    const char *made = known(s, record, strict);

    if (!made) {
        if (record->name)
            name = strict ? ecc_arena_printf(s->arena, "%sInput", record->name) : record->name;
        made = claim(s, record, strict, name);
        ecc_yaml_put(s->components, made, record_schema(s, record, side));
    }
    return reference(s, made);
}

/* ------------------------------------------------------------------ types */

static void put_bound(struct ecc_yaml *schema, const char *key, int64_t value, int64_t least, int64_t most)
{
    if (value > least && value < most)
        ecc_yaml_put(schema, key, ecc_yaml_int(schema->arena, value));
}

static struct ecc_yaml *scalar(struct ecc_arena *arena, const char *type, const char *format)
{
    struct ecc_yaml *schema = ecc_yaml_map(arena);

    ecc_yaml_put_text(schema, "type", type);
    if (format)
        ecc_yaml_put_text(schema, "format", format);
    return schema;
}

static struct ecc_yaml *present(struct ecc_json_schemas *s, const struct ecc_type *type, enum ecc_side side)
{
    struct ecc_yaml *schema;

    switch (type->kind) {
    case ECC_TYPE_TEXT:
    case ECC_TYPE_SECRET:
        schema = scalar(s->arena, "string", type->kind == ECC_TYPE_SECRET ? "password" : NULL);
        if (type->bounded) {
            put_bound(schema, "minLength", type->min, 0, INT64_MAX);
            put_bound(schema, "maxLength", type->max, -1, INT64_MAX);
        }
        return schema;
    case ECC_TYPE_EMAIL:
        return email_schema(s);
    case ECC_TYPE_INT:
        schema = scalar(s->arena, "integer", "int64");
        if (type->bounded) {
            put_bound(schema, "minimum", type->min, INT64_MIN, INT64_MAX);
            put_bound(schema, "maximum", type->max, INT64_MIN, INT64_MAX);
        }
        return schema;
    case ECC_TYPE_FLOAT:
        return scalar(s->arena, "number", "double");
    case ECC_TYPE_BOOL:
        return scalar(s->arena, "boolean", NULL);
    case ECC_TYPE_UUID:
        return scalar(s->arena, "string", "uuid");
    case ECC_TYPE_TIME:
        return scalar(s->arena, "string", "date-time");
    case ECC_TYPE_ENUM:
        return enum_schema(s, type->enum_);
    case ECC_TYPE_RECORD:
        return type->record->name ? ecc_json_schema_record(s, type->record, side, NULL) : record_schema(s, type->record, side);
    case ECC_TYPE_LIST:
        schema = scalar(s->arena, "array", NULL);
        ecc_yaml_put(schema, "items", present(s, type->item, side));
        if (type->bounded) {
            put_bound(schema, "minItems", type->min, 0, INT64_MAX);
            put_bound(schema, "maxItems", type->max, -1, INT64_MAX);
        }
        return schema;
    case ECC_TYPE_JSON:
    case ECC_TYPE_SAGA:
    case ECC_TYPE_VOID:
        break;
    }
    schema = ecc_yaml_map(s->arena);
    ecc_yaml_put_text(schema, "description", "Any JSON value");
    return schema;
}

/* The same, or null. */
static struct ecc_yaml *nullable(struct ecc_arena *arena, struct ecc_yaml *schema)
{
    struct ecc_yaml *type = ecc_yaml_get(schema, "type"), *both;

    if (type) {
        both = ecc_yaml_list(arena);
        both->flow = true;
        ecc_yaml_add(both, type);
        ecc_yaml_add_text(both, "null");
        ecc_yaml_put(schema, "type", both);
        return schema;
    }
    if (!ecc_yaml_get(schema, "$ref"))
        return schema; /* any value */
    both = ecc_yaml_map(arena);
    struct ecc_yaml *either = ecc_yaml_put_list(both, "anyOf");
    ecc_yaml_add(either, schema);
    ecc_yaml_add(either, scalar(arena, "null", NULL));
    return both;
}

static struct ecc_yaml *of_type(struct ecc_json_schemas *s, const struct ecc_type *type, enum ecc_side side, bool null)
{
    struct ecc_yaml *schema = present(s, type, side);

    return type->optional && (null || side == ECC_SIDE_REQUEST) ? nullable(s->arena, schema) : schema;
}

struct ecc_yaml *ecc_json_schema(struct ecc_json_schemas *s, const struct ecc_type *type, enum ecc_side side)
{
    return of_type(s, type, side, false);
}

/* In draft 7 nothing counts beside a reference. */
static struct ecc_yaml *open_up(struct ecc_arena *arena, struct ecc_yaml *schema)
{
    if (!ecc_yaml_get(schema, "$ref"))
        return schema;
    struct ecc_yaml *all = ecc_yaml_map(arena);
    ecc_yaml_add(ecc_yaml_put_list(all, "allOf"), schema);
    return all;
}

static bool has_example(const struct ecc_type *type)
{
    return type->kind == ECC_TYPE_INT || type->kind == ECC_TYPE_FLOAT || type->kind == ECC_TYPE_UUID || type->kind == ECC_TYPE_TIME;
}

struct ecc_yaml *ecc_json_schema_field(struct ecc_json_schemas *s, const struct ecc_field *field, enum ecc_side side, const char *old)
{
    struct ecc_yaml *schema = of_type(s, field->type, side, field->null);
    struct ecc_yaml *dflt = field->dflt && side != ECC_SIDE_REPLY ? ecc_json_literal(s->arena, field->dflt) : NULL;

    if (dflt || old)
        schema = open_up(s->arena, schema);
    if (dflt)
        ecc_yaml_put(schema, "default", dflt);
    struct ecc_yaml *value = has_example(field->type) ? ecc_json_sample(s->arena, field->type, field->name) : NULL;
    if (value) {
        struct ecc_yaml *examples = ecc_yaml_put_list(schema, "examples");
        examples->flow = true;
        ecc_yaml_add(examples, value);
    }
    if (old) {
        ecc_yaml_put_text(schema, "description", ecc_arena_printf(s->arena, "The name of %s before it was renamed", field->wire));
        ecc_yaml_put_raw(schema, "deprecated", "true");
    }
    return schema;
}

/* Is it there in every object? */
static bool always(const struct ecc_field *field, enum ecc_side side)
{
    if (side == ECC_SIDE_REPLY)
        return !field->type->optional || field->null;
    return !field->type->optional && !field->dflt;
}

static bool on_the_wire(const struct ecc_field *field)
{
    return field->type->kind != ECC_TYPE_RECORD || field->type->record->nfields > 0; /* codegen/shapes.c leaves it out */
}

static void either_name(struct ecc_yaml *all, const char *name, const char *old)
{
    struct ecc_yaml *either = ecc_yaml_put_list(ecc_yaml_add_map(all), "anyOf");

    for (int i = 0; i < 2; i++) {
        struct ecc_yaml *required = ecc_yaml_put_list(ecc_yaml_add_map(either), "required");
        required->flow = true;
        ecc_yaml_add_text(required, i ? old : name);
    }
}

static struct ecc_yaml *record_schema(struct ecc_json_schemas *s, const struct ecc_record *record, enum ecc_side side)
{
    struct ecc_yaml *schema = scalar(s->arena, "object", NULL), *required = ecc_yaml_list(s->arena), *properties = ecc_yaml_map(s->arena),
                    *all = ecc_yaml_list(s->arena);

    for (size_t i = 0; i < record->nfields; i++) {
        const struct ecc_field *field = &record->fields[i];
        const char *old = ecc_field_alias(record, field);
        bool both = old && side != ECC_SIDE_REPLY;

        if (!on_the_wire(field))
            continue;
        ecc_yaml_put(properties, field->wire, ecc_json_schema_field(s, field, side, NULL));
        if (old)
            ecc_yaml_put(properties, old, ecc_json_schema_field(s, field, side, old));
        if (!always(field, side))
            continue;
        if (both) {
            either_name(all, field->wire, old);
            continue;
        }
        ecc_yaml_add_text(required, field->wire);
        if (old)
            ecc_yaml_add_text(required, old);
    }
    if (required->n)
        ecc_yaml_put(schema, "required", required);
    if (properties->n)
        ecc_yaml_put(schema, "properties", properties);
    if (all->n)
        ecc_yaml_put(schema, "allOf", all);
    if (side == ECC_SIDE_REQUEST)
        ecc_yaml_put_raw(schema, "additionalProperties", "false");
    return schema;
}

/* ------------------------------------------------------------------ values */

/* The field's name, as often as it takes; NULL: that is too often. */
static struct ecc_yaml *sample_text(struct ecc_arena *arena, const struct ecc_type *type, const char *name)
{
    size_t n = strlen(name), wanted = n;
    char *text;

    if (type->bounded && type->min > (int64_t)wanted)
        wanted = (size_t)type->min;
    if (type->bounded && type->max < (int64_t)wanted)
        wanted = (size_t)(type->max > 0 ? type->max : 0);
    if (wanted > MAX_SAMPLE_TEXT)
        return NULL;
    text = ecc_arena_alloc(arena, wanted + 1);
    for (size_t i = 0; i < wanted; i++)
        text[i] = i % (n + 1) == n ? '-' : name[i % (n + 1)];
    return ecc_yaml_text(arena, text);
}

static int64_t sample_int(const struct ecc_type *type)
{
    if (!type->bounded || (type->min <= 1 && type->max >= 1))
        return 1;
    return type->min > 1 ? type->min : type->max;
}

static struct ecc_yaml *sample(struct ecc_arena *arena, const struct ecc_type *type, const char *name, int depth);

static struct ecc_yaml *sample_record(struct ecc_arena *arena, const struct ecc_record *record, int depth)
{
    struct ecc_yaml *map = ecc_yaml_map(arena), *value;

    for (size_t i = 0; i < record->nfields; i++) {
        const struct ecc_field *field = &record->fields[i];

        if (!on_the_wire(field))
            continue;
        value = depth < MAX_SAMPLE_DEPTH ? sample(arena, field->type, field->name, depth + 1) : NULL;
        if (value)
            ecc_yaml_put(map, field->wire, value);
        else if (!field->type->optional)
            return NULL;
    }
    return map;
}

static struct ecc_yaml *sample_list(struct ecc_arena *arena, const struct ecc_type *type, const char *name, int depth)
{
    struct ecc_yaml *list = ecc_yaml_list(arena), *item;
    int64_t least = type->bounded && type->min > 0 ? type->min : 0, n = type->bounded && type->max < 1 ? 0 : least > 1 ? least : 1;

    if (least > MAX_SAMPLE_ITEMS)
        return NULL;
    for (int64_t i = 0; i < n; i++) {
        item = sample(arena, type->item, name, depth);
        if (!item)
            return least > 0 ? NULL : list;
        ecc_yaml_add(list, item);
    }
    return list;
}

static struct ecc_yaml *sample(struct ecc_arena *arena, const struct ecc_type *type, const char *name, int depth)
{
    switch (type->kind) {
    case ECC_TYPE_TEXT:
    case ECC_TYPE_SECRET:
        return sample_text(arena, type, type->kind == ECC_TYPE_SECRET ? "secret" : name);
    case ECC_TYPE_EMAIL:
        return ecc_yaml_text(arena, sample_email);
    case ECC_TYPE_INT:
        return ecc_yaml_int(arena, sample_int(type));
    case ECC_TYPE_FLOAT:
        return ecc_yaml_raw(arena, "1.5");
    case ECC_TYPE_BOOL:
        return ecc_yaml_raw(arena, "true");
    case ECC_TYPE_UUID:
        return ecc_yaml_text(arena, sample_uuid);
    case ECC_TYPE_TIME:
        return ecc_yaml_text(arena, sample_time);
    case ECC_TYPE_ENUM:
        return ecc_yaml_text(arena, type->enum_->values[0]);
    case ECC_TYPE_RECORD:
        return sample_record(arena, type->record, depth);
    case ECC_TYPE_LIST:
        return sample_list(arena, type, name, depth);
    case ECC_TYPE_JSON:
    case ECC_TYPE_SAGA:
    case ECC_TYPE_VOID:
        break;
    }
    return ecc_yaml_map(arena);
}

struct ecc_yaml *ecc_json_sample(struct ecc_arena *arena, const struct ecc_type *type, const char *name)
{
    return sample(arena, type, name, 0);
}

struct ecc_yaml *ecc_json_sample_record(struct ecc_arena *arena, const struct ecc_record *record)
{
    return sample_record(arena, record, 0);
}

struct ecc_yaml *ecc_json_literal(struct ecc_arena *arena, const struct ecc_expr *value)
{
    const char *text;

    while (value->kind == ECC_EXPR_CONVERT)
        value = value->u.convert;
    switch (value->kind) {
    case ECC_EXPR_TEXT:
    case ECC_EXPR_ENUM:
        return ecc_yaml_text(arena, value->u.text);
    case ECC_EXPR_INT:
        return ecc_yaml_int(arena, value->u.i);
    case ECC_EXPR_FLOAT:
        text = ecc_arena_printf(arena, "%.17g", value->u.f);
        return ecc_yaml_raw(arena, strpbrk(text, ".en") ? text : ecc_arena_printf(arena, "%s.0", text));
    case ECC_EXPR_BOOL:
        return ecc_yaml_raw(arena, value->u.b ? "true" : "false");
    case ECC_EXPR_NULL:
        return ecc_yaml_raw(arena, "null");
    case ECC_EXPR_UNARY:
        if (value->u.op.op == ECC_OP_NEG && value->u.op.left->kind == ECC_EXPR_INT)
            return ecc_yaml_int(arena, -value->u.op.left->u.i);
        if (value->u.op.op == ECC_OP_NEG && value->u.op.left->kind == ECC_EXPR_FLOAT)
            return ecc_yaml_raw(arena, ecc_arena_printf(arena, "-%.17g", value->u.op.left->u.f));
        return NULL;
    case ECC_EXPR_VAR:
    case ECC_EXPR_FIELD:
    case ECC_EXPR_RECORD:
    case ECC_EXPR_LIST:
    case ECC_EXPR_BINARY:
    case ECC_EXPR_CALL:
    case ECC_EXPR_CONVERT:
        break;
    }
    return NULL;
}
