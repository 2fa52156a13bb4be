/* Rules of sagas: what was done can be undone before anything after it can still fail, undoing can't be refused, and what is sent again has
 * its effect once. */
#include "resolve.h"

#include <string.h>

/* An error that decides something; a 5xx only says that nothing is decided yet. */
static const struct ecc_error *business_error(const struct ecc_op *op)
{
    for (size_t i = 0; i < op->nerrors; i++)
        if (op->errors[i]->status < 500)
            return op->errors[i];
    return NULL;
}

static void check_undo(struct ecc_resolver *r, const struct ecc_saga_step *step)
{
    const struct ecc_op *undo = step->undo->u.call.op;
    const struct ecc_error *error = business_error(undo);

    if (!error)
        return;
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_UNDO_FAILS, step->undo->span, "%s can refuse with `%s`, so this step could never be undone",
                                  undo->name, error->name);
    ecc_diag_second(d, undo->span, "declared here");
    ecc_diag_help(r->diags, d, "an undo must succeed in the end: let it return where it has nothing to do");
}

/* A step that can't be undone before one that can fail. */
static void check_order(struct ecc_resolver *r, const struct ecc_saga *saga)
{
    const struct ecc_saga_step *stuck = NULL;

    for (size_t i = 0; i < saga->nsteps; i++) {
        const struct ecc_saga_step *step = &saga->steps[i];
        const struct ecc_error *error = step->run ? business_error(step->run->u.call.op) : NULL;
        bool writes = step->run && !ecc_op_reads(r, step->run->u.call.op);
        /* with an undo, an unknown outcome is enough to turn back */
        if (stuck && (error || step->undo)) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_NO_UNDO, stuck->span, "step `%s` has no undo, but `%s` after it can fail%s%s", stuck->name,
                                          step->name, error ? " with " : "", error ? error->name : "");
            ecc_diag_second(d, step->span, "this step");
            return;
        }
        if (!stuck && writes && !step->undo)
            stuck = step;
    }
}

static void check_repeat(struct ecc_resolver *r, const struct ecc_saga_step *step, const struct ecc_stmt *call)
{
    const struct ecc_op *op = call ? call->u.call.op : NULL;
    const struct ecc_stmt *twice = op ? ecc_op_doubles(r, op) : NULL;

    if (!twice)
        return;
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_STEP_REPEAT, call->span,
                                  "step `%s` is repeated when its answer is lost, but %s calls %s.%s, which is not idempotent", step->name,
                                  op->name, twice->u.call.ext->external->name, twice->u.call.ext->name);
    ecc_diag_second(d, twice->span, "this call would have its effect twice");
    ecc_diag_help(r->diags, d, "name the header that makes it so, idempotency header \"...\", or let an event ask for it after the saga");
}

void ecc_check_sagas(struct ecc_resolver *r)
{
    const struct ecc_model *m = r->model;

    for (size_t i = 0; i < m->nsagas + m->npast; i++) {
        const struct ecc_saga *saga = i < m->nsagas ? m->sagas[i] : m->past[i - m->nsagas];
        for (size_t k = 0; k < saga->nsteps; k++) {
            if (saga->steps[k].undo)
                check_undo(r, &saga->steps[k]);
            check_repeat(r, &saga->steps[k], saga->steps[k].run);
            check_repeat(r, &saga->steps[k], saga->steps[k].undo);
        }
        check_order(r, saga);
    }
}
