/* ops/<op>.c: one operation a file. And custom.h, for those that a person writes: the prototype of each.
 *
 * A custom operation is a C file of the person's, custom/<service>/<op>.c beside the topology, that defines one function. Each parameter of
 * the operation is a parameter of it, so that a function which was written for another operation does not compile. It may wait, and is then
 * entered again at its step as generated code is, with the same parameters. The rest of the program, and the claim of its key, is generated.
 */
#include "emit_program.h"

#include <string.h>

#include "arena.h"

static const struct ecc_type *result_of(const struct ecc_op *op)
{
    return op->result->kind == ECC_TYPE_VOID || op->result->record->nfields == 0 ? NULL : op->result;
}

const char *ecc_custom_path(struct ecc_arena *arena, const struct ecc_op *op)
{
    return ecc_arena_printf(arena, "custom/%s/%s.c", op->service->name, ecc_snake(arena, op->name));
}

/* A record without fields has no struct, and is left out wherever it is named. */
static bool is_empty(const struct ecc_type *type)
{
    return type->kind == ECC_TYPE_RECORD && type->record->nfields == 0;
}

static const char *param_name(const struct ecc_shapes *shapes, const char *field)
{
    const char *name = ecc_c_member(shapes->arena, field);
    bool taken = ecc_cnames_taken(&shapes->globals, name) || !strcmp(name, "task") || !strcmp(name, "out");

    return taken ? ecc_arena_printf(shapes->arena, "%s_", name) : name;
}

static void emit_frame(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_op *op)
{
    const struct ecc_shape *in = ecc_shapes_record(shapes, op->params);

    ecc_w_open(w, "struct %s {", ecc_shapes_program(shapes, &op->program)->frame);
    if (in)
        ecc_wl(w, "struct %s in;", in->name);
    ecc_wl(w, "void *own;");
    if (result_of(op))
        ecc_wl(w, "%s;", ecc_c_decl(shapes, op->result, "out"));
    ecc_w_close(w, "};");
}

/* A text that may be absent is a pointer, too: a function that was written for one that is always there does not compile. */
static bool is_maybe_text(const struct ecc_type *type)
{
    return type->optional && !ecc_c_by_pointer(type) && !ecc_c_optional_pointer(type);
}

static const char *param(const struct ecc_shapes *shapes, const struct ecc_field *field)
{
    const char *name = param_name(shapes, field->name);

    if (is_maybe_text(field->type))
        return ecc_arena_printf(shapes->arena, "const %s *%s", ecc_c_type(shapes, field->type), name);
    return ecc_c_param(shapes, field->type, name);
}

/* What the generated program hands over as that parameter. */
static const char *argument(const struct ecc_shapes *shapes, const struct ecc_field *field)
{
    const char *member = ecc_arena_printf(shapes->arena, "f->in.%s", ecc_c_member(shapes->arena, field->name));

    if (is_maybe_text(field->type))
        return ecc_arena_printf(shapes->arena, "%s.p ? &%s : NULL", member, member);
    if (ecc_c_by_pointer(field->type) && !(field->type->optional && ecc_c_optional_pointer(field->type)))
        return ecc_arena_printf(shapes->arena, "&%s", member);
    return member;
}

static void emit_prototype(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_op *op, const char *function)
{
    ecc_w_blank(w);
    ecc_wl(w, "/* %s.%s: %s */", op->service->name, op->name, ecc_custom_path(shapes->arena, op));
    ecc_w(w, "void %s(struct ec_task *task, void **own", function);
    for (size_t i = 0; i < op->params->nfields; i++)
        if (!is_empty(op->params->fields[i].type))
            ecc_w(w, ", %s", param(shapes, &op->params->fields[i]));
    if (result_of(op))
        ecc_w(w, ", %s", ecc_c_decl(shapes, op->result, "*out"));
    ecc_wl(w, ");");
}

/* The key is taken before the person's steps, which begin at 0. */
static void emit_run(struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_op *op, const char *function)
{
    const struct ecc_program_shape *program = ecc_shapes_program(shapes, &op->program);
    bool claims = op->program.repeat == ECC_REPEAT_CLAIM;

    if (claims) {
        const char *label = ecc_shapes_await(shapes, ecc_arena_printf(shapes->arena, "%s_CLAIM", program->upper), program->title, true);
        ecc_wl(w, "enum { %s = -1 };", label);
        ecc_w_blank(w);
        ecc_wl(w, "static void %s(struct ec_task *task)", program->run);
        ecc_w_open(w, "{");
        ecc_wl(w, "struct %s *f = EC_FRAME(task, struct %s);", program->frame, program->frame);
        ecc_w_blank(w);
        ecc_wl(w, "switch (task->step) {");
        ecc_wl(w, "case 0:");
        ecc_wl(w, "    EC_AWAIT(task, %s, ec_claim(task));", label);
        ecc_wl(w, "    task->step = 0;");
        ecc_wl(w, "}");
    } else {
        ecc_wl(w, "static void %s(struct ec_task *task)", program->run);
        ecc_w_open(w, "{");
        ecc_wl(w, "struct %s *f = EC_FRAME(task, struct %s);", program->frame, program->frame);
        ecc_w_blank(w);
    }
    ecc_w(w, "%s(task, &f->own", function);
    for (size_t i = 0; i < op->params->nfields; i++)
        if (!is_empty(op->params->fields[i].type))
            ecc_w(w, ", %s", argument(shapes, &op->params->fields[i]));
    ecc_wl(w, "%s);", result_of(op) ? ", &f->out" : "");
    ecc_w_close(w, "}");
    ecc_w_blank(w);
}

static void emit_custom(struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_op *op, const char *function)
{
    ecc_wl(w, "#include \"../custom.h\"");
    ecc_w_blank(w);
    ecc_wl(w, "/* %s.%s: %s */", op->service->name, op->name, ecc_custom_path(shapes->arena, op));
    emit_frame(shapes, w, op);
    ecc_w_blank(w);
    emit_run(shapes, w, op, function);
    ecc_emit_program_table(shapes, w, ecc_shapes_program(shapes, &op->program), ecc_shapes_record(shapes, op->params), result_of(op), true);
}

static void emit_custom_header(struct ecc_codegen *cg, struct ecc_shapes *shapes, const char *const *functions)
{
    const struct ecc_service *service = &shapes->node->u.service;
    struct ecc_writer *w = NULL;
    const char *guard = ecc_arena_printf(cg->arena, "%s_CUSTOM_H", ecc_upper(cg->arena, shapes->prefix));

    for (size_t i = 0; i < service->nops; i++) {
        if (!service->ops[i]->custom)
            continue;
        if (!w) {
            w = ecc_codegen_file(cg, ECC_BANNER_C);
            ecc_wl(w, "#ifndef %s", guard);
            ecc_wl(w, "#define %s", guard);
            ecc_w_blank(w);
            ecc_wl(w, "#include \"%s\"", shapes->header);
        }
        emit_prototype(shapes, w, service->ops[i], functions[i]);
    }
    if (!w)
        return;
    ecc_w_blank(w);
    ecc_wl(w, "#endif");
    ecc_codegen_add(cg, shapes, "custom.h", w);
}

void ecc_emit_ops(struct ecc_codegen *cg, struct ecc_shapes *shapes)
{
    const struct ecc_service *service = &shapes->node->u.service;

    if (shapes->node->kind != ECC_NODE_SERVICE)
        return;
    const char **functions = ECC_NEW_ARRAY(cg->scratch, const char *, service->nops);
    for (size_t i = 0; i < service->nops; i++) {
        const struct ecc_op *op = service->ops[i];
        struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_C);

        if (op->custom) {
            functions[i] = ecc_shapes_claim(
                shapes, ecc_arena_printf(shapes->arena, "%s_custom", ecc_shapes_program(shapes, &op->program)->prefix));
            emit_custom(shapes, w, op, functions[i]);
        } else {
            ecc_wl(w, "#include \"../%s\"", shapes->header);
            ecc_emit_program(shapes, w, ecc_plan_op(cg->scratch, op));
        }
        ecc_codegen_add(cg, shapes, ecc_shapes_program(shapes, &op->program)->file, w);
    }
    emit_custom_header(cg, shapes, functions);
}
