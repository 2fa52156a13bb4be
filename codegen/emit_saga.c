/* sagas/<saga>.c: the calls of its steps, its `done` and `failed`, and the table that the engine runs.
 *
 * A step is no program: the engine has a task for it and calls the step's function, which starts one call from the saga's struct; the
 * result is written back into the struct.
 */
#include "emit_program.h"

#include <string.h>

#include "arena.h"

struct saga_file {
    struct ecc_arena *arena;
    struct ecc_shapes *shapes;
    const struct ecc_saga *saga;
    const struct ecc_saga_shape *shape;
    struct ecc_exprs x;
};

static struct ecc_place saga_place(const void *context, const struct ecc_var *var)
{
    const struct saga_file *s = context;

    if (var->kind == ECC_VAR_SETTING)
        return ecc_place_setting(s->shapes, var);
    if (var->kind == ECC_VAR_PARAM)
        return ecc_place_member(s->arena, "saga->in.", var->name, var->type);
    if (var->kind == ECC_VAR_STEP)
        return ecc_place_member(s->arena, "saga->", ecc_shapes_result(s->shapes, var), var->type);
    return ecc_place_member(s->arena, "saga->", var->name, var->type);
}

static const struct ecc_shape *answer_of(const struct ecc_shapes *shapes, const struct ecc_saga_step *step)
{
    return ecc_shapes_record(shapes, step->result->type->record);
}

/* The function that starts the call; its name. A past version has a call of its own: it reads the answer as it knows it. */
static const char *emit_step_function(struct saga_file *s, struct ecc_writer *w, const struct ecc_saga_step *step,
                                      const struct ecc_stmt *call, const char *phase)
{
    const char *name =
        ecc_shapes_claim(s->shapes, ecc_arena_printf(s->arena, "%s_%s_%s", s->shape->prefix, ecc_snake(s->arena, step->name), phase));
    const char *out = NULL, *args;
    struct ecc_writer body;

    if (step->result && call == step->run)
        out = ecc_arena_printf(s->arena, "&saga->%s", ecc_shapes_result(s->shapes, step->result));
    args = ecc_call_args(&s->x, call, out);
    ecc_writer_init(&body, s->arena);
    body.indent = 1;
    if (s->saga->past && out) {
        const char *table = ecc_shapes_claim(s->shapes, ecc_arena_printf(s->arena, "%s_call", name));
        const struct ecc_call_shape *shape = ecc_shapes_call(s->shapes, call->u.call.op, NULL);

        ecc_emit_internal_call(s->shapes, w, shape, table, answer_of(s->shapes, step)->table);
        ecc_w_blank(w);
        ecc_wl(&body, "ec_call(task, &%s%s%s);", table, shape->in ? "" : ", NULL", args);
    } else {
        ecc_wl(&body, "%s(task%s);", ecc_shapes_call(s->shapes, call->u.call.op, call->u.call.ext)->function, args);
    }
    ecc_emit_helpers(&s->x, w);
    s->x.helpers.n = 0;
    ecc_wl(w, "static void %s(struct ec_task *task, void *state)", name);
    ecc_w_open(w, "{");
    if (strstr(body.data, "saga->")) {
        ecc_wl(w, "struct %s *saga = state;", s->shape->name);
        ecc_w_blank(w);
    } else {
        ecc_wl(w, "(void)state;");
    }
    ecc_w_text(w, body.data, body.n);
    ecc_w_close(w, "}");
    ecc_w_blank(w);
    return name;
}

/* As its program is called, for whoever has to mend it. */
static const char *called(const struct saga_file *s, const struct ecc_stmt *call)
{
    const struct ecc_op *op = call->u.call.op;

    return ecc_quote_c(s->arena, ecc_arena_printf(s->arena, "%s.%s", op->service->name, op->name));
}

static void emit_steps(struct saga_file *s, struct ecc_writer *w, const char *table)
{
    const struct ecc_saga *saga = s->saga;
    const char **run = ECC_NEW_ARRAY(s->arena, const char *, saga->nsteps), **undo = ECC_NEW_ARRAY(s->arena, const char *, saga->nsteps);

    for (size_t i = 0; i < saga->nsteps; i++) {
        run[i] = emit_step_function(s, w, &saga->steps[i], saga->steps[i].run, "do");
        if (saga->steps[i].undo)
            undo[i] = emit_step_function(s, w, &saga->steps[i], saga->steps[i].undo, "undo");
    }
    ecc_w_open(w, "static const struct ec_saga_step %s[] = {", table);
    for (size_t i = 0; i < saga->nsteps; i++) {
        const struct ecc_saga_step *step = &saga->steps[i];

        ecc_w_open(w, "{");
        ecc_wl(w, ".name = %s,", ecc_quote_c(s->arena, step->name));
        ecc_wl(w, ".run = %s,", run[i]);
        if (undo[i])
            ecc_wl(w, ".undo = %s,", undo[i]);
        ecc_wl(w, ".calls = %s,", called(s, step->run));
        if (step->undo)
            ecc_wl(w, ".undoes = %s,", called(s, step->undo));
        if (step->result && answer_of(s->shapes, step)) {
            ecc_wl(w, ".result = &%s,", answer_of(s->shapes, step)->table);
            ecc_wl(w, ".result_offset = offsetof(struct %s, %s),", s->shape->name, ecc_shapes_result(s->shapes, step->result));
        }
        if (step->run->u.call.op && ecc_op_can_fail(step->run->u.call.op))
            ecc_wl(w, ".can_fail = true,");
        ecc_w_close(w, "},");
    }
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

static const struct ecc_program_shape *end_shape(const struct ecc_shapes *shapes, const struct ecc_program *program)
{
    return program->body.nstmts > 0 ? ecc_shapes_program(shapes, program) : NULL;
}

static void emit_saga(struct ecc_codegen *cg, struct ecc_shapes *shapes, const struct ecc_saga *saga)
{
    struct saga_file s = {.arena = cg->scratch, .shapes = shapes, .saga = saga, .shape = ecc_shapes_saga(shapes, saga)};
    const struct ecc_program_shape *done = end_shape(shapes, &saga->done), *failed = end_shape(shapes, &saga->failed);
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_C);
    const char *snake = s.shape->prefix, *table = NULL;

    s.x = (struct ecc_exprs){.arena = cg->scratch, .shapes = shapes, .place = saga_place, .context = &s};
    ecc_wl(w, "#include \"../%s\"", shapes->header);
    ecc_w_blank(w);
    if (saga->past)
        ecc_wl(w, "/* saga %s v%d of %s, for instances that it has started */", saga->name, saga->version, saga->service->name);
    else
        ecc_wl(w, "/* saga %s of %s */", saga->name, saga->service->name);
    if (saga->nsteps > 0) {
        table = ecc_shapes_claim(shapes, ecc_arena_printf(cg->scratch, "%s_steps", snake));
        emit_steps(&s, w, table);
    }
    if (done)
        ecc_emit_program(shapes, w, ecc_plan_saga_end(cg->scratch, saga, ECC_PLAN_DONE));
    if (failed)
        ecc_emit_program(shapes, w, ecc_plan_saga_end(cg->scratch, saga, ECC_PLAN_FAILED));
    ecc_w_blank(w);
    ecc_w_open(w, "const struct ec_saga %s = {", s.shape->name);
    ecc_wl(w, ".name = %s,", ecc_quote_c(cg->scratch, saga->name));
    ecc_wl(w, ".version = %d,", saga->version);
    if (s.shape->in)
        ecc_wl(w, ".state = &%s,", s.shape->in->table);
    ecc_wl(w, ".size = sizeof(struct %s),", s.shape->name);
    ecc_wl(w, ".error_offset = offsetof(struct %s, error),", s.shape->name);
    if (table) {
        ecc_wl(w, ".steps = %s,", table);
        ecc_wl(w, ".nsteps = sizeof %s / sizeof %s[0],", table, table);
    }
    if (done)
        ecc_wl(w, ".done = &%s,", done->name);
    if (failed)
        ecc_wl(w, ".failed = &%s,", failed->name);
    ecc_emit_errors(shapes, w, saga->errors, saga->nerrors);
    ecc_w_close(w, "};");
    ecc_codegen_add(cg, shapes, ecc_arena_printf(cg->scratch, "sagas/%s.c", snake), w);
}

void ecc_emit_sagas(struct ecc_codegen *cg, struct ecc_shapes *shapes)
{
    if (shapes->node->kind != ECC_NODE_SERVICE)
        return;
    for (size_t i = 0; i < shapes->node->u.service.nsagas; i++)
        emit_saga(cg, shapes, shapes->node->u.service.sagas[i]);
}
