/* <unit>.h: everything that one process declares. Structs hold values before they are held; a list's struct needs only its item's tag. */
#include <string.h>

#include "arena.h"
#include "codegen.h"
#include "emit_db.h"

static void emit_enums(struct ecc_writer *w, const struct ecc_shapes *s)
{
    for (size_t i = 0; i < s->enums.n; i++) {
        const struct ecc_enum_shape *shape = s->enums.items[i];
        ecc_w_open(w, "enum %s {", shape->name);
        for (size_t j = 0; j < shape->enum_->nvalues; j++)
            ecc_wl(w, "%s,", shape->values[j]);
        ecc_w_close(w, "};");
        if (shape->listed)
            ecc_wl(w, "struct %s { enum %s *v; size_t n; };", shape->list, shape->name);
        ecc_wl(w, "extern const struct ec_enum %s;", shape->table);
        ecc_w_blank(w);
    }
}

static void emit_records(struct ecc_codegen *cg, struct ecc_writer *w, const struct ecc_shapes *s)
{
    for (size_t i = 0; i < s->records.n; i++) {
        if (s->records.items[i]->listed)
            ecc_wl(w, "struct %s { struct %s *v; size_t n; };", s->records.items[i]->list, s->records.items[i]->name);
    }
    ecc_w_blank(w);
    for (size_t i = 0; i < s->records.n; i++) {
        const struct ecc_shape *shape = s->records.items[i];
        ecc_w_open(w, "struct %s {", shape->name);
        for (size_t j = 0; j < shape->record->nfields; j++) {
            const struct ecc_field *field = &shape->record->fields[j];
            const struct ecc_type *type = field->type;
            if (type->kind == ECC_TYPE_RECORD && !ecc_shapes_record(s, type->record))
                continue;
            ecc_wl(w, "%s;", ecc_c_decl(s, type, ecc_c_member(cg->scratch, field->name)));
        }
        ecc_w_close(w, "};");
        ecc_wl(w, "extern const struct ec_record %s;", shape->table);
        ecc_w_blank(w);
    }
}

static void emit_sagas(struct ecc_writer *w, const struct ecc_shapes *s)
{
    for (size_t i = 0; i < s->sagas.n; i++) {
        const struct ecc_saga_shape *shape = s->sagas.items[i];
        ecc_wl(w, "/* saga %s: parameters, results of the steps, and the name of the error that it failed with */", shape->saga->name);
        ecc_w_open(w, "struct %s {", shape->name);
        if (shape->in)
            ecc_wl(w, "struct %s in;", shape->in->name);
        for (size_t j = 0; j < shape->saga->nsteps; j++) {
            const struct ecc_var *result = shape->saga->steps[j].result;
            if (result && !(result->type->kind == ECC_TYPE_RECORD && !ecc_shapes_record(s, result->type->record)))
                ecc_wl(w, "%s;", ecc_c_decl(s, result->type, ecc_shapes_result(s, result)));
        }
        ecc_wl(w, "struct ec_str error;");
        ecc_w_close(w, "};");
        ecc_wl(w, "extern const struct ec_saga %s;", shape->name);
        ecc_w_blank(w);
    }
}

static void emit_calls(struct ecc_writer *w, const struct ecc_shapes *s)
{
    for (size_t i = 0; i < s->edges.n; i++)
        ecc_wl(w, "extern struct ec_edge %s;", ecc_shapes_name(s, s->edges.items[i]));
    for (size_t i = 0; i < s->externals.n && !s->sandbox; i++)
        ecc_wl(w, "extern const struct ec_external %s;", ecc_shapes_name(s, s->externals.items[i]));
    ecc_w_blank(w);
    for (size_t i = 0; i < s->calls.n; i++) {
        const struct ecc_call_shape *call = s->calls.items[i];
        ecc_w(w, "void %s(struct ec_task *task", call->function);
        if (call->ext)
            ecc_w(w, ", struct ec_str key");
        if (call->in)
            ecc_w(w, ", const struct %s *in", call->in->name);
        if (call->out)
            ecc_w(w, ", struct %s *out", call->out->name);
        ecc_wl(w, ");");
    }
    ecc_w_blank(w);
}

static bool is_empty(const struct ecc_program_shape *program)
{
    return (program->done || program->failed) && !program->program->body.nstmts;
}

static void emit_things(struct ecc_writer *w, const struct ecc_shapes *s)
{
    const struct ecc_node *node = s->node;

    for (size_t i = 0; i < s->keyspaces.n; i++)
        ecc_wl(w, "extern const struct ec_keyspace %s;", ecc_shapes_name(s, s->keyspaces.items[i]));
    for (size_t i = 0; i < s->topics.n; i++)
        ecc_wl(w, "extern const struct ec_topic %s;", ecc_shapes_name(s, s->topics.items[i]));
    for (size_t i = 0; i < s->events.n; i++)
        ecc_wl(w, "extern const struct ec_event %s;", ecc_shapes_name(s, s->events.items[i]));
    ecc_w_blank(w);
    for (size_t i = 0; i < s->errors.n; i++)
        ecc_wl(w, "extern const struct ec_error %s;", s->errors.items[i]->name);
    ecc_w_blank(w);
    for (size_t i = 0; i < s->programs.n; i++) {
        if (!is_empty(s->programs.items[i]))
            ecc_wl(w, "extern const struct ec_program %s;", s->programs.items[i]->name);
    }
    ecc_w_blank(w);
    for (size_t i = 0; i < s->programs.n; i++) {
        if (s->programs.items[i]->route)
            ecc_wl(w, "extern const struct ec_route %s_route;", s->programs.items[i]->prefix);
    }
    ecc_w_blank(w);
    if (node->kind == ECC_NODE_GATEWAY)
        ecc_wl(w, "extern const struct ec_gateway gateway;");
    if (node->kind == ECC_NODE_SERVICE && node->u.service.jwt && s->uses_jwt)
        ecc_wl(w, "extern const struct ec_jwt jwt;");
    if (node->kind == ECC_NODE_SERVICE && node->u.service.has_database) {
        ecc_wl(w, "extern const struct ec_migration migrations[];");
        if (node->u.service.nseeds)
            ecc_wl(w, "extern const char seed[];");
    }
    ecc_w_blank(w);
}

/* Settings of the service itself and of what it calls. Not const: the runtime fills them in. */
static void emit_settings(struct ecc_writer *w, const struct ecc_shapes *s)
{
    const struct ecc_node *node = s->node;

    if (node->kind == ECC_NODE_SERVICE) {
        for (size_t i = 0; i < node->u.service.nsettings; i++)
            ecc_wl(w, "extern struct ec_setting %s;", ecc_shapes_name(s, node->u.service.settings[i]));
    }
    for (size_t i = 0; i < s->externals.n; i++) {
        const struct ecc_external *external = &s->externals.items[i]->u.external;
        for (size_t j = 0; j < external->nsettings; j++)
            ecc_wl(w, "extern struct ec_setting %s;", ecc_shapes_name(s, external->settings[j]));
    }
    for (size_t i = 0; i < s->secrets.n; i++)
        ecc_wl(w, "extern struct ec_setting %s;", s->secrets.items[i].name);
    ecc_w_blank(w);
}

static void emit_statements(struct ecc_writer *w, const struct ecc_shapes *s)
{
    for (size_t i = 0; i < s->sqls.n; i++)
        ecc_db_write_prototype(w, s, s->sqls.items[i], ";");
    if (s->sqls.n)
        ecc_wl(w, "extern const struct ec_sql *const statements[];");
    ecc_w_blank(w);
}

void ecc_emit_header(struct ecc_codegen *cg, struct ecc_shapes *shapes)
{
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_C);
    const char *guard = ecc_arena_printf(cg->scratch, "%s_H", ecc_upper(cg->scratch, shapes->prefix));

    if (ecc_c_reserved(guard))
        guard = ecc_arena_printf(cg->scratch, "X_%s", guard);
    ecc_wl(w, "#ifndef %s", guard);
    ecc_wl(w, "#define %s", guard);
    ecc_w_blank(w);
    ecc_wl(w, shapes->sandbox ? "#include <ec_sandbox.h>" : "#include <ec.h>");
    ecc_w_blank(w);
    emit_enums(w, shapes);
    emit_records(cg, w, shapes);
    if (!shapes->sandbox) {
        emit_sagas(w, shapes);
        emit_calls(w, shapes);
        emit_statements(w, shapes);
        emit_things(w, shapes);
        emit_settings(w, shapes);
    }
    ecc_wl(w, "#endif");
    ecc_codegen_add(cg, shapes, shapes->header, w);
}
