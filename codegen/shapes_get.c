/* Looking shapes up, and types of C. */
#include "shapes.h"

#include <string.h>

#include "arena.h"
#include "shapes_find.h"

const struct ecc_shape *ecc_shapes_record(const struct ecc_shapes *shapes, const struct ecc_record *record)
{
    return ecc_shapes_find(shapes, record);
}

const struct ecc_enum_shape *ecc_shapes_enum(const struct ecc_shapes *shapes, const struct ecc_enum *enum_)
{
    return ecc_shapes_find(shapes, enum_);
}

const char *ecc_shapes_enum_value(const struct ecc_shapes *shapes, const struct ecc_enum *enum_, const char *value)
{
    const struct ecc_enum_shape *shape = ecc_shapes_find(shapes, enum_);

    for (size_t i = 0; shape && i < enum_->nvalues; i++) {
        if (strcmp(enum_->values[i], value) == 0)
            return shape->values[i];
    }
    return NULL;
}

const char *ecc_shapes_error(const struct ecc_shapes *shapes, const struct ecc_error *error)
{
    const struct ecc_error_shape *shape = ecc_shapes_find(shapes, error);

    return shape ? shape->name : NULL;
}

const struct ecc_program_shape *ecc_shapes_program(const struct ecc_shapes *shapes, const struct ecc_program *program)
{
    return ecc_shapes_find(shapes, program);
}

const struct ecc_program_shape *ecc_shapes_route(const struct ecc_shapes *shapes, const struct ecc_route *route)
{
    return ecc_shapes_find(shapes, route);
}

const struct ecc_sql_shape_of *ecc_shapes_sql(const struct ecc_shapes *shapes, const struct ecc_sql *sql)
{
    return ecc_shapes_find(shapes, sql);
}

const struct ecc_call_shape *ecc_shapes_call(const struct ecc_shapes *shapes, const struct ecc_op *op, const struct ecc_ext_call *ext)
{
    return op ? ecc_shapes_find(shapes, op) : ecc_shapes_find(shapes, ext);
}

const struct ecc_saga_shape *ecc_shapes_saga(const struct ecc_shapes *shapes, const struct ecc_saga *saga)
{
    return ecc_shapes_find(shapes, saga);
}

const char *ecc_shapes_name(const struct ecc_shapes *shapes, const void *thing)
{
    return ecc_shapes_find(shapes, thing);
}

const char *ecc_shapes_secret(const struct ecc_shapes *shapes, const char *env)
{
    for (size_t i = 0; i < shapes->secrets.n; i++) {
        if (strcmp(shapes->secrets.items[i].of, env) == 0)
            return shapes->secrets.items[i].name;
    }
    return NULL;
}

const char *ecc_shapes_result(const struct ecc_shapes *shapes, const struct ecc_var *result)
{
    const char *name = ecc_c_member(shapes->arena, result->name);

    return strcmp(name, "in") == 0 || strcmp(name, "error") == 0 ? ecc_arena_printf(shapes->arena, "%s_", name) : name;
}

const char *ecc_shapes_claim(struct ecc_shapes *shapes, const char *wanted)
{
    return ecc_cnames_claim(&shapes->globals, wanted);
}

const char *ecc_shapes_await(struct ecc_shapes *shapes, const char *wanted, const char *program, bool commits)
{
    const char *label = ecc_arena_strdup(shapes->arena, ecc_shapes_claim(shapes, wanted));

    ECC_PUSH(shapes->arena, &shapes->awaits, ((struct ecc_await){label, program, commits}));
    return label;
}

bool ecc_c_optional_pointer(const struct ecc_type *type)
{
    switch (type->kind) {
    case ECC_TYPE_INT:
    case ECC_TYPE_TIME:
    case ECC_TYPE_FLOAT:
    case ECC_TYPE_BOOL:
    case ECC_TYPE_UUID:
    case ECC_TYPE_ENUM:
    case ECC_TYPE_RECORD:
        return true;
    case ECC_TYPE_TEXT:
    case ECC_TYPE_SECRET:
    case ECC_TYPE_EMAIL:
    case ECC_TYPE_JSON:
    case ECC_TYPE_LIST:
    case ECC_TYPE_SAGA:
    case ECC_TYPE_VOID:
        break;
    }
    return false;
}

static const char *list_type(const struct ecc_shapes *shapes, const struct ecc_type *item)
{
    switch (item->kind) {
    case ECC_TYPE_TEXT:
    case ECC_TYPE_SECRET:
    case ECC_TYPE_EMAIL:
    case ECC_TYPE_JSON:
        return "struct ec_str_list";
    case ECC_TYPE_INT:
    case ECC_TYPE_TIME:
        return "struct ec_int_list";
    case ECC_TYPE_FLOAT:
        return "struct ec_float_list";
    case ECC_TYPE_BOOL:
        return "struct ec_bool_list";
    case ECC_TYPE_UUID:
        return "struct ec_uuid_list";
    case ECC_TYPE_ENUM:
        return ecc_arena_printf(shapes->arena, "struct %s", ecc_shapes_enum(shapes, item->enum_)->list);
    case ECC_TYPE_RECORD: {
        const struct ecc_shape *shape = ecc_shapes_record(shapes, item->record);
        return shape ? ecc_arena_printf(shapes->arena, "struct %s", shape->list) : "struct ec_list";
    }
    case ECC_TYPE_LIST:
    case ECC_TYPE_SAGA:
    case ECC_TYPE_VOID:
        break;
    }
    return "struct ec_list";
}

const char *ecc_c_type(const struct ecc_shapes *shapes, const struct ecc_type *type)
{
    const char *star = type->optional && ecc_c_optional_pointer(type) ? " *" : "";
    const char *name = "void";

    switch (type->kind) {
    case ECC_TYPE_TEXT:
    case ECC_TYPE_SECRET:
    case ECC_TYPE_EMAIL:
    case ECC_TYPE_JSON:
        return "struct ec_str";
    case ECC_TYPE_LIST:
        return list_type(shapes, type->item);
    case ECC_TYPE_INT:
    case ECC_TYPE_TIME:
        name = "int64_t";
        break;
    case ECC_TYPE_FLOAT:
        name = "double";
        break;
    case ECC_TYPE_BOOL:
        name = "bool";
        break;
    case ECC_TYPE_UUID:
        name = "struct ec_uuid";
        break;
    case ECC_TYPE_SAGA:
        name = "struct ec_saga_ref";
        break;
    case ECC_TYPE_ENUM:
        name = ecc_arena_printf(shapes->arena, "enum %s", ecc_shapes_enum(shapes, type->enum_)->name);
        break;
    case ECC_TYPE_RECORD: {
        const struct ecc_shape *shape = ecc_shapes_record(shapes, type->record);
        name = shape ? ecc_arena_printf(shapes->arena, "struct %s", shape->name) : "void";
        break;
    }
    case ECC_TYPE_VOID:
        break;
    }
    return *star ? ecc_arena_printf(shapes->arena, "%s *", name) : name;
}

const char *ecc_c_decl(const struct ecc_shapes *shapes, const struct ecc_type *type, const char *name)
{
    const char *c_type = ecc_c_type(shapes, type);

    return ecc_arena_printf(shapes->arena, "%s%s%s", c_type, c_type[strlen(c_type) - 1] == '*' ? "" : " ", name);
}

bool ecc_c_by_pointer(const struct ecc_type *type)
{
    return type->kind == ECC_TYPE_RECORD || type->kind == ECC_TYPE_LIST;
}

/* `const` goes before what is pointed at: an optional value or a struct. */
const char *ecc_c_param(const struct ecc_shapes *shapes, const struct ecc_type *type, const char *name)
{
    struct ecc_type present = *type;

    present.optional = false;
    if (ecc_c_by_pointer(type) || (type->optional && ecc_c_optional_pointer(type)))
        return ecc_arena_printf(shapes->arena, "const %s *%s", ecc_c_type(shapes, &present), name);
    return ecc_c_decl(shapes, type, name);
}

const char *ecc_c_kind(const struct ecc_type *type)
{
    static const char *const kinds[] = {
        [ECC_TYPE_TEXT] = "EC_TEXT",
        [ECC_TYPE_SECRET] = "EC_SECRET",
        [ECC_TYPE_EMAIL] = "EC_EMAIL",
        [ECC_TYPE_INT] = "EC_INT",
        [ECC_TYPE_FLOAT] = "EC_FLOAT",
        [ECC_TYPE_BOOL] = "EC_BOOL",
        [ECC_TYPE_UUID] = "EC_UUID",
        [ECC_TYPE_TIME] = "EC_TIME",
        [ECC_TYPE_JSON] = "EC_JSON",
        [ECC_TYPE_ENUM] = "EC_ENUM",
        [ECC_TYPE_RECORD] = "EC_RECORD",
        [ECC_TYPE_LIST] = NULL,
        [ECC_TYPE_SAGA] = NULL,
        [ECC_TYPE_VOID] = NULL,
    };

    return kinds[type->kind == ECC_TYPE_LIST ? type->item->kind : type->kind];
}
