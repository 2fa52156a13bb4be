/* db.c: the statements of a service, each with a function whose parameters have types. */
#include "emit_db.h"

#include <string.h>

#include "arena.h"
#include "codegen.h"

/* The parameter's name, unless something of file scope has it. */
static const char *name_of(const struct ecc_shapes *shapes, const struct ecc_sql *sql, size_t i)
{
    const char *name = sql->param_names[i];

    return ecc_cnames_taken(&shapes->globals, name) ? ecc_arena_printf(shapes->arena, "%s_", name) : name;
}

static const char *prototype(struct ecc_arena *arena, const struct ecc_shapes *shapes, const struct ecc_sql_shape_of *shape)
{
    const struct ecc_sql *sql = shape->sql;
    const char *text = ecc_arena_printf(arena, "void %s(struct ec_task *task", shape->function);

    for (size_t i = 0; i < sql->nparams; i++)
        text = ecc_arena_printf(arena, "%s, %s", text, ecc_c_param(shapes, sql->params[i]->type, name_of(shapes, sql, i)));
    if (sql->shape == ECC_SQL_MANY && shape->row)
        text = ecc_arena_printf(arena, "%s, struct %s *out", text, shape->row->list);
    else if (shape->row)
        text = ecc_arena_printf(arena, "%s, struct %s *out", text, shape->row->name);
    return ecc_arena_printf(arena, "%s)", text);
}

void ecc_db_write_prototype(struct ecc_writer *w, const struct ecc_shapes *shapes, const struct ecc_sql_shape_of *shape, const char *end)
{
    ecc_wl(w, "%s%s", prototype(w->arena, shapes, shape), end);
}

/* "ec_param_int(qty)" */
static const char *bound(struct ecc_writer *w, const struct ecc_shapes *shapes, const struct ecc_type *type, const char *name)
{
    static const char *const functions[] = {
        [ECC_TYPE_INT] = "int", [ECC_TYPE_FLOAT] = "float", [ECC_TYPE_BOOL] = "bool", [ECC_TYPE_UUID] = "uuid", [ECC_TYPE_TIME] = "time",
    };
    const char *opt = type->optional ? "opt_" : "";

    switch (type->kind) {
    case ECC_TYPE_INT:
    case ECC_TYPE_FLOAT:
    case ECC_TYPE_BOOL:
    case ECC_TYPE_UUID:
    case ECC_TYPE_TIME:
        return ecc_arena_printf(w->arena, "ec_param_%s%s(%s)", opt, functions[type->kind], name);
    case ECC_TYPE_ENUM:
        return ecc_arena_printf(w->arena, "ec_param_%senum(&%s, %s%s)", opt, ecc_shapes_enum(shapes, type->enum_)->table,
                                type->optional ? "(const int *)" : "(int)", name);
    case ECC_TYPE_RECORD:
    case ECC_TYPE_LIST:
        if (type->optional && type->kind == ECC_TYPE_RECORD) /* the field describes a present value; the pointer says whether it is */
            return ecc_arena_printf(w->arena, "%s ? ec_param_json(&%s_field, %s) : (struct ec_param){.kind = EC_PARAM_NULL}", name, name, name);
        return ecc_arena_printf(w->arena, "ec_param_json(&%s_field, %s)", name, name);
    case ECC_TYPE_TEXT:
    case ECC_TYPE_SECRET:
    case ECC_TYPE_EMAIL:
    case ECC_TYPE_JSON:
    case ECC_TYPE_SAGA:
    case ECC_TYPE_VOID:
        break;
    }
    return ecc_arena_printf(w->arena, "ec_param_text(%s)", name);
}

/* No row is a division by zero, which keeps all that is sent behind it from happening. */
static const char *guarded(struct ecc_arena *arena, const char *text)
{
    return ecc_arena_printf(arena, "WITH touched AS (\n%s\nRETURNING 1)\nSELECT 1 / count(*) FROM touched", text);
}

static void emit_statement(struct ecc_writer *w, const struct ecc_shapes *shapes, const struct ecc_sql_shape_of *shape)
{
    const struct ecc_sql *sql = shape->sql;

    ecc_wl(w, "/* %s */", ecc_comment_text(w->arena, shape->title));
    ecc_w_open(w, "static const struct ec_sql %s = {", shape->statement);
    ecc_wl(w, ".name = %s,", ecc_quote_c(w->arena, shape->title));
    const char *text = shape->none ? guarded(w->arena, sql->text) : sql->text;
    if (strchr(text, '\n')) {
        ecc_wl(w, ".text =");
        w->indent++;
        ecc_w_c_lines(w, text);
        ecc_wl(w, ",");
        w->indent--;
    } else {
        ecc_wl(w, ".text = %s,", ecc_quote_c(w->arena, text));
    }
    if (shape->none)
        ecc_wl(w, ".none = &%s,", ecc_shapes_error(shapes, shape->none));
    if (shape->row)
        ecc_wl(w, ".row = &%s,", shape->row->table);
    if (shape->lone)
        ecc_wl(w, ".lone = true,");
    ecc_w_close(w, "};");
    ecc_w_blank(w);
    ecc_db_write_prototype(w, shapes, shape, "");
    ecc_w_open(w, "{");
    bool fields = false;
    for (size_t i = 0; i < sql->nparams; i++) {
        struct ecc_type type = *sql->params[i]->type;
        if (!ecc_c_by_pointer(&type))
            continue;
        if (type.kind == ECC_TYPE_RECORD)
            type.optional = false;
        ecc_wl(w, "static const struct ec_field %s_field = {.kind = %s};", name_of(shapes, sql, i), ecc_field_traits(w->arena, shapes, &type, false, false));
        fields = true;
    }
    if (fields)
        ecc_w_blank(w);
    const char *run = shape->deferred ? "ec_sql_defer" : sql->shape == ECC_SQL_MANY ? "ec_sql_many" : shape->row ? "ec_sql_one" : "ec_sql_exec";
    ecc_w(w, "%s(task, &%s%s, ", run, shape->statement, shape->row ? ", out" : "");
    if (!sql->nparams) {
        ecc_wl(w, "EC_NO_PARAMS);");
    } else if (sql->nparams == 1) {
        ecc_wl(w, "EC_PARAMS(%s));", bound(w, shapes, sql->params[0]->type, name_of(shapes, sql, 0)));
    } else {
        ecc_w_open(w, "EC_PARAMS(");
        for (size_t i = 0; i < sql->nparams; i++)
            ecc_wl(w, "%s%s", bound(w, shapes, sql->params[i]->type, name_of(shapes, sql, i)), i + 1 < sql->nparams ? "," : "));");
        w->indent--;
    }
    ecc_w_close(w, "}");
    ecc_w_blank(w);
}

void ecc_emit_db(struct ecc_codegen *cg, struct ecc_shapes *shapes)
{
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_C);

    if (!shapes->sqls.n)
        return;
    ecc_wl(w, "#include \"%s\"", shapes->header);
    ecc_w_blank(w);
    for (size_t i = 0; i < shapes->sqls.n; i++)
        emit_statement(w, shapes, shapes->sqls.items[i]);
    ecc_w_open(w, "const struct ec_sql *const statements[] = {");
    for (size_t i = 0; i < shapes->sqls.n; i++)
        ecc_wl(w, "&%s,", shapes->sqls.items[i]->statement);
    ecc_wl(w, "NULL,");
    ecc_w_close(w, "};");
    ecc_codegen_add(cg, shapes, "db.c", w);
}
