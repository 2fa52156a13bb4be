/* Sagas: parameters, steps with their undos, and the programs of both ends. */
#include "release.h"
#include "resolve.h"

#include <string.h>

void ecc_resolve_saga(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_saga *saga)
{
    struct ecc_node *service = ecc_lookup_kind(r, &ast->u.saga.service, ECC_NODE_SERVICE);
    struct ecc_record *params = (struct ecc_record *)(uintptr_t)saga->params;

    params->span = saga->span;
    ecc_resolve_fields(r, params, &ast->u.saga.params, ECC_REF_PARAM);
    if (!service)
        return;
    saga->service = service;
    if (!service->u.service.has_database) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_NO_DATABASE, ast->u.saga.service.span, "%s has no database, where sagas are kept", service->name);
        ecc_diag_second(d, service->span, "declared here");
    }
    service->u.service.nsagas++; /* ecc_own_sagas makes the list */
}

void ecc_own_sagas(struct ecc_resolver *r)
{
    const struct ecc_model *m = r->model;

    for (size_t i = 0; i < m->nnodes; i++) {
        struct ecc_service *s = &m->nodes[i]->u.service;
        if (m->nodes[i]->kind != ECC_NODE_SERVICE)
            continue;
        s->sagas = ECC_NEW_ARRAY(r->arena, struct ecc_saga *, s->nsagas);
        s->nsagas = 0;
    }
    for (size_t i = 0; i < m->nsagas + m->npast; i++) {
        struct ecc_saga *saga = i < m->nsagas ? m->sagas[i] : m->past[i - m->nsagas];
        struct ecc_node *owner = (struct ecc_node *)(uintptr_t)saga->service;
        if (owner)
            owner->u.service.sagas[owner->u.service.nsagas++] = saga;
    }
}

/* ------------------------------------------------------------------ steps */

static void add_error(struct ecc_resolver *r, struct ecc_saga *saga, size_t cap, const struct ecc_error *error)
{
    if (error && saga->nerrors < cap && ecc_mark(r, &saga->errors, error->name))
        saga->errors[saga->nerrors++] = error;
}

static void collect_errors(struct ecc_resolver *r, struct ecc_saga *saga)
{
    size_t cap = 0;

    for (size_t i = 0; i < saga->nsteps; i++)
        if (saga->steps[i].run)
            cap += saga->steps[i].run->u.call.op->nerrors + 2;
    saga->errors = ECC_NEW_ARRAY(r->arena, const struct ecc_error *, cap);
    for (size_t i = 0; i < saga->nsteps; i++) {
        const struct ecc_stmt *run = saga->steps[i].run;
        for (size_t k = 0; run && k < run->u.call.op->nerrors; k++)
            if (saga->steps[i].undo || !ecc_is_momentary(run->u.call.op->errors[k])) /* else it is asked again */
                add_error(r, saga, cap, run->u.call.op->errors[k]);
    }
    for (size_t i = 0; i < saga->nsteps; i++) {
        const struct ecc_stmt *run = saga->steps[i].run;
        if (!run || !run->u.call.edge || (!saga->steps[i].undo && !ecc_op_can_fail(run->u.call.op))) /* repeated until it succeeds */
            continue;
        add_error(r, saga, cap, run->u.call.edge->on_open);
        add_error(r, saga, cap, run->u.call.edge->on_failure);
    }
}

/* What the step's answer was to a past version: it goes on reading it so, whatever else the answer says since. */
static const struct ecc_record *past_answer(const struct ecc_resolver *r, const struct ecc_saga *saga, const char *step)
{
    const char *name = ecc_release_answer(r->arena, step);

    for (size_t i = 0; r->past && i < r->past->n; i++)
        for (size_t k = 0; r->past->items[i].saga == saga && k < r->past->items[i].answers.n; k++) {
            struct ecc_record *answer = r->past->items[i].answers.items[k];
            if (!answer->name || strcmp(answer->name, name) != 0)
                continue;
            answer->name = NULL; /* it is called after the step from here on */
            return answer;
        }
    return NULL;
}

void ecc_resolve_saga_steps(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_saga *saga)
{
    const struct ecc_ast_steps *steps = &ast->u.saga.steps;

    if (!saga->service)
        return;
    struct ecc_body *body = ecc_body_new(r, ECC_BODY_STEP, saga->service, ecc_arena_printf(r->arena, "saga `%s`", saga->name));
    body->saga = saga;
    ecc_bind_fields(r, body, saga->params);
    saga->steps = ECC_NEW_ARRAY(r->arena, struct ecc_saga_step, steps->n);
    if (!steps->n)
        ecc_diag(r->diags, ECC_E_EMPTY, ast->name.span, "saga `%s` has no steps", saga->name);
    for (size_t i = 0; i < steps->n; i++) {
        const struct ecc_ast_step *a = steps->items[i];
        struct ecc_saga_step *step = &saga->steps[saga->nsteps];
        *step = (struct ecc_saga_step){.name = a->name.text, .span = a->name.span};
        body->step = a->name.text;
        step->run = ecc_resolve_remote(r, body, a->run, &a->run->args, true, a->name.text);
        if (a->undo) /* before the result is bound: an undo may run without there ever having been one */
            step->undo = ecc_resolve_remote(r, body, a->undo, &a->undo->args, true, ecc_arena_printf(r->arena, "%s_undo", a->name.text));
        body->step = NULL;
        const struct ecc_type *type = step->run ? step->run->u.call.op->result : &ecc_type_unknown;
        const struct ecc_record *answer = past_answer(r, saga, a->name.text);
        if (answer && !ECC_IS_UNKNOWN(type))
            type = ecc_type_of_record(r->arena, answer);
        if (!ecc_declare(r, &saga->steps, &a->name, step, ECC_REF_STEP))
            continue;
        if (ECC_IS_UNKNOWN(type) || type->kind != ECC_TYPE_VOID)
            step->result = ecc_bind(r, body, ECC_VAR_STEP, &a->name, type);
        saga->nsteps++;
        if (step->undo)
            ((struct ecc_op *)(uintptr_t)step->undo->u.call.op)->is_undo = true;
    }
    collect_errors(r, saga);
}

/* ------------------------------------------------------------------ ends */

static struct ecc_body *end_body(struct ecc_resolver *r, const struct ecc_saga *saga, const char *which)
{
    struct ecc_body *body = ecc_body_new(r, ECC_BODY_END, saga->service, ecc_arena_printf(r->arena, "`%s` of saga `%s`", which, saga->name));

    body->saga = saga;
    ecc_bind_fields(r, body, saga->params);
    return body;
}

void ecc_resolve_saga_ends(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_saga *saga)
{
    static const struct ecc_ast_block nothing = {0};

    if (!saga->service)
        return;
    struct ecc_body *done = end_body(r, saga, "done");
    for (size_t i = 0; i < saga->nsteps; i++) {
        const struct ecc_var *var = saga->steps[i].result;
        struct ecc_symbol *e = var ? ecc_symbols_entry(&r->locals, &done->vars, var->name) : NULL;
        if (!e || e->value)
            continue;
        e->value = (void *)(uintptr_t)var; /* the same variable as in the steps: it is the saga's */
        e->span = var->span;
        ecc_unique_name(r, &done->uniques, var->unique);
        ECC_PUSH(r->arena, &done->scope, e);
    }
    ecc_resolve_program(r, done, ast->u.saga.has_done ? &ast->u.saga.done : &nothing, &saga->done, saga->span);
    struct ecc_body *failed = end_body(r, saga, "failed");
    struct ecc_name name = {"error", saga->span};
    ecc_bind(r, failed, ECC_VAR_ERROR, &name, &ecc_type_text);
    ecc_resolve_program(r, failed, ast->u.saga.has_failed ? &ast->u.saga.failed : &nothing, &saga->failed, saga->span);
    /* What nobody reads is not kept, and so never in the way when its shape changes. */
    for (size_t i = 0; i < saga->nsteps; i++)
        if (saga->steps[i].result && !saga->steps[i].result->used)
            saga->steps[i].result = NULL;
}
