#include "statements.h"

#include "arena.h"
#include "schema.h"
#include "writer.h"

static const char *typed(struct ecc_writer *w, const char *name, const struct ecc_type *type)
{
    return ecc_arena_printf(w->arena, "{\"name\": %s, \"type\": %s, \"optional\": %s}", ecc_quote_json(w->arena, name),
                            ecc_quote_json(w->arena, ecc_schema_type(type)), type->optional ? "true" : "false");
}

static void write_statement(struct ecc_writer *w, const struct ecc_shapes *unit, const struct ecc_sql_shape_of *shape)
{
    static const char *const shapes[] = {
        [ECC_SQL_ONE] = "one", [ECC_SQL_MAYBE] = "maybe", [ECC_SQL_MANY] = "many", [ECC_SQL_EXEC] = "exec"};
    const struct ecc_sql *sql = shape->sql;

    ecc_w_open(w, "{");
    ecc_wl(w, "\"service\": %s,", ecc_quote_json(w->arena, unit->node->name));
    ecc_wl(w, "\"statement\": %s,", ecc_quote_json(w->arena, shape->title));
    ecc_wl(w, "\"shape\": \"%s\",", shapes[sql->shape]);
    ecc_wl(w, "\"sql\": %s,", ecc_quote_json(w->arena, sql->text));
    ecc_w_open(w, "\"params\": [");
    for (size_t i = 0; i < sql->nparams; i++)
        ecc_wl(w, "%s%s", typed(w, sql->param_names[i], sql->params[i]->type), i + 1 < sql->nparams ? "," : "");
    ecc_w_close(w, "],");
    ecc_w_open(w, "\"columns\": [");
    for (size_t i = 0; sql->row && i < sql->row->nfields; i++)
        ecc_wl(w, "%s%s", typed(w, sql->row->fields[i].name, sql->row->fields[i].type), i + 1 < sql->row->nfields ? "," : "");
    ecc_w_close(w, "]");
}

const char *ecc_statements(struct ecc_arena *arena, struct ecc_shapes *const *units, size_t n)
{
    struct ecc_writer w;
    bool first = true;

    ecc_writer_init(&w, arena);
    w.width = 2;
    ecc_wl(&w, "[");
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < units[i]->sqls.n; j++) {
            if (!first)
                ecc_w_close(&w, "},");
            write_statement(&w, units[i], units[i]->sqls.items[j]);
            first = false;
        }
    }
    if (!first)
        ecc_w_close(&w, "}");
    ecc_wl(&w, "]");
    return ecc_arena_strndup(arena, w.data, w.n);
}
