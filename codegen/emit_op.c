/* ops/<op>.c: one operation a file. And custom.h, for those that a person writes: the frame and the function of each.
 *
 * A custom operation is a C file of the person's, custom/<service>/<op>.c beside the topology, that defines the `run` function of the
 * program. It includes custom.h and has everything that generated code has: the calls, errors and records of the service, EC_AWAIT, and
 * `own` in the frame for what has to live over an await. The rest of the program is generated like any other's.
 */
#include "emit_program.h"

#include "arena.h"

static const struct ecc_type *result_of(const struct ecc_op *op)
{
    return op->result->kind == ECC_TYPE_VOID || op->result->record->nfields == 0 ? NULL : op->result;
}

static const char *custom_path(struct ecc_arena *arena, const struct ecc_op *op)
{
    return ecc_arena_printf(arena, "custom/%s/%s.c", op->service->name, ecc_snake(arena, op->name));
}

static void emit_custom(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_op *op)
{
    ecc_wl(w, "#include \"../custom.h\"");
    ecc_w_blank(w);
    ecc_wl(w, "/* %s.%s: %s */", op->service->name, op->name, custom_path(shapes->arena, op));
    ecc_emit_program_table(shapes, w, ecc_shapes_program(shapes, &op->program), ecc_shapes_record(shapes, op->params), result_of(op), true);
}

static void emit_custom_frame(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_op *op)
{
    const struct ecc_program_shape *program = ecc_shapes_program(shapes, &op->program);
    const struct ecc_shape *in = ecc_shapes_record(shapes, op->params);

    ecc_w_blank(w);
    ecc_wl(w, "/* %s.%s: %s%s */", op->service->name, op->name, custom_path(shapes->arena, op),
           op->program.repeat == ECC_REPEAT_CLAIM ? "; its first step is ec_claim" : "");
    ecc_w_open(w, "struct %s {", program->frame);
    if (in)
        ecc_wl(w, "struct %s in;", in->name);
    ecc_wl(w, "void *own;");
    if (result_of(op))
        ecc_wl(w, "%s;", ecc_c_decl(shapes, op->result, "out"));
    ecc_w_close(w, "};");
    ecc_wl(w, "void %s(struct ec_task *task);", program->run);
}

static void emit_custom_header(struct ecc_codegen *cg, struct ecc_shapes *shapes)
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
        emit_custom_frame(shapes, w, service->ops[i]);
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
    for (size_t i = 0; i < service->nops; i++) {
        const struct ecc_op *op = service->ops[i];
        struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_C);

        if (op->custom) {
            emit_custom(shapes, w, op);
        } else {
            ecc_wl(w, "#include \"../%s\"", shapes->header);
            ecc_emit_program(shapes, w, ecc_plan_op(cg->arena, op));
        }
        ecc_codegen_add(cg, shapes, ecc_shapes_program(shapes, &op->program)->file, w);
    }
    emit_custom_header(cg, shapes);
}
