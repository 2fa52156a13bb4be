/* Services: operations as their callers see them, programs, consumers, sagas. What only a service itself sees is told as "its program". */
#include "internal.h"

static const char *const repeats[] = {"read", "atomic", "claim"};

/* How far two programs are apart; NULL when they say the same. */
static const char *program_words(struct ecc_comparer *c, const struct ecc_block *old, const struct ecc_block *new_)
{
    const char *a = ecc_canon_block(c->arena, old), *b = ecc_canon_block(c->arena, new_);
    size_t added, removed;

    if (strcmp(a, b) == 0)
        return NULL;
    ecc_count_lines(c->arena, a, strlen(a), b, strlen(b), &added, &removed);
    return CFMT(c, "%zu statement%s new, %zu gone", added, added == 1 ? "" : "s", removed);
}

/* ------------------------------------------------------------------ operations */

static bool has_error(const struct ecc_op *op, const char *name)
{
    return FIND(op->errors, op->nerrors, name) != NULL;
}

static const char *types_of(struct ecc_comparer *c, const struct ecc_op *op)
{
    return CFMT(c, "(%s) -> %s", ecc_canon_record(c->arena, op->params), ecc_canon_type(c->arena, op->result));
}

static void compare_op(struct ecc_comparer *c, const struct ecc_op *old, const struct ecc_op *new_)
{
    const char *subject = CFMT(c, "%s.%s", new_->service->name, new_->name), *words;
    bool used = old->ncallers > 0;

    if (used) {
        ecc_compare_records(c, ECC_AT_PARAM, subject, old->params, new_->params, old->span, new_->span);
        ecc_compare_types(c, ECC_AT_RESULT, CFMT(c, "answer of %s", subject), old->span, new_->span, old->result, new_->result);
        for (size_t i = 0; i < new_->nerrors; i++)
            if (!has_error(old, new_->errors[i]->name))
                ecc_differ(c, ECC_DIFF_OP_ERROR_ADDED, false, new_->span, subject, "new error %s", new_->errors[i]->name);
    } else if (strcmp(types_of(c, old), types_of(c, new_)) != 0) {
        ecc_differ(c, ECC_DIFF_OP_TYPES_CHANGED, false, new_->span, subject, "was %s and is %s", types_of(c, old), types_of(c, new_));
    }
    for (size_t i = 0; i < old->nerrors; i++)
        if (!has_error(new_, old->errors[i]->name))
            ecc_differ(c, ECC_DIFF_OP_ERROR_REMOVED, false, new_->span, subject, "no error %s any more", old->errors[i]->name);
    for (size_t i = 0; i < new_->ncallers; i++)
        if (!FIND(old->callers, old->ncallers, new_->callers[i]->name))
            ecc_differ(c, ECC_DIFF_OP_CALLER_ADDED, false, new_->span, subject, "is called by %s now", new_->callers[i]->name);
    if (old->custom != new_->custom)
        ecc_differ(c, ECC_DIFF_OP_PROGRAM_CHANGED, false, new_->span, subject, "its program is %s now",
                   new_->custom ? "custom" : "in the topology");
    else if ((words = program_words(c, &old->program.body, &new_->program.body)))
        ecc_differ(c, ECC_DIFF_OP_PROGRAM_CHANGED, false, new_->span, subject, "its program changed, %s", words);
    if (old->program.repeat != new_->program.repeat)
        ecc_differ(c, ECC_DIFF_OP_REPEAT_CHANGED, false, new_->span, subject, "a repeated key was met as %s and is met as %s",
                   repeats[old->program.repeat], repeats[new_->program.repeat]);
}

const struct ecc_op *ecc_op_before(const struct ecc_service *old, const struct ecc_service *new_, const struct ecc_op *op, bool *renamed)
{
    const struct ecc_op *was = FIND(old->ops, old->nops, op->name);

    *renamed = !was && op->was && !FIND(new_->ops, new_->nops, op->was);
    return *renamed ? FIND(old->ops, old->nops, op->was) : was;
}

static void compare_ops(struct ecc_comparer *c, const struct ecc_service *old, const struct ecc_service *new_)
{
    bool renamed;

    for (size_t i = 0; i < new_->nops; i++) {
        const struct ecc_op *op = new_->ops[i], *was = ecc_op_before(old, new_, op, &renamed);
        const char *subject = CFMT(c, "%s.%s", op->service->name, op->name);
        if (!was) {
            ecc_differ(c, ECC_DIFF_OP_ADDED, false, op->span, subject, "new operation");
            continue;
        }
        if (renamed)
            ecc_differ(c, was->ncallers ? ECC_DIFF_OP_RENAMED_IN_USE : ECC_DIFF_OP_RENAMED, false, op->span, subject, "was %s", was->name);
        else if (was->was && was->ncallers && !ecc_same_text(was->was, op->was))
            ecc_differ(c, ECC_DIFF_OP_NAME_REMOVED, false, op->span, subject, "is not called %s as well any more", was->was);
        compare_op(c, was, op);
    }
    for (size_t i = 0; i < old->nops; i++) {
        const struct ecc_op *op = old->ops[i];
        bool kept = false;
        for (size_t j = 0; j < new_->nops && !kept; j++)
            kept = ecc_op_before(old, new_, new_->ops[j], &renamed) == op;
        if (!kept)
            ecc_differ(c, op->ncallers ? ECC_DIFF_OP_REMOVED_IN_USE : ECC_DIFF_OP_REMOVED, true, op->span,
                       CFMT(c, "%s.%s", op->service->name, op->name), "operation is gone");
    }
}

/* ------------------------------------------------------------------ consumers */

static const struct ecc_consumer *same_consumer(const struct ecc_service *service, const struct ecc_consumer *consumer)
{
    for (size_t i = 0; i < service->nconsumers; i++)
        if (strcmp(service->consumers[i]->group, consumer->group) == 0 &&
            strcmp(service->consumers[i]->event->id, consumer->event->id) == 0)
            return service->consumers[i];
    return NULL;
}

static const char *consumer_name(struct ecc_comparer *c, const struct ecc_consumer *consumer)
{
    return CFMT(c, "consumer of %s v%d, group %s", consumer->event->name, consumer->event->version, consumer->group);
}

static const char *retry_text(struct ecc_comparer *c, const struct ecc_consumer *k)
{
    return CFMT(c, "retry %d backoff %s..%s then %s", k->retries, ecc_duration_words(c->arena, k->backoff_min_ms),
                ecc_duration_words(c->arena, k->backoff_max_ms), k->dead_letter ? "dead-letter" : "drop");
}

static void compare_consumers(struct ecc_comparer *c, const struct ecc_service *old, const struct ecc_service *new_)
{
    for (size_t i = 0; i < new_->nconsumers; i++) {
        const struct ecc_consumer *now = new_->consumers[i], *was = same_consumer(old, now);
        const char *subject = consumer_name(c, now), *words;
        if (!was) {
            ecc_differ(c, ECC_DIFF_CONSUMER_ADDED, false, now->span, subject, "new, in %s", now->service->name);
            continue;
        }
        if (strcmp(retry_text(c, was), retry_text(c, now)) != 0)
            ecc_differ(c, ECC_DIFF_CONSUMER_CHANGED, false, now->span, subject, "was %s and is %s", retry_text(c, was), retry_text(c, now));
        if ((words = program_words(c, &was->program.body, &now->program.body)))
            ecc_differ(c, ECC_DIFF_CONSUMER_CHANGED, false, now->span, subject, "its program changed, %s", words);
        if (was->program.repeat != now->program.repeat)
            ecc_differ(c, ECC_DIFF_CONSUMER_CHANGED, false, now->span, subject, "a repeated event was met as %s and is met as %s",
                       repeats[was->program.repeat], repeats[now->program.repeat]);
    }
    for (size_t i = 0; i < old->nconsumers; i++)
        if (!same_consumer(new_, old->consumers[i]))
            ecc_differ(c, ECC_DIFF_CONSUMER_REMOVED, true, old->consumers[i]->span, consumer_name(c, old->consumers[i]), "is gone, of %s",
                       old->consumers[i]->service->name);
}

/* ------------------------------------------------------------------ the service */

static const char *jwt_text(struct ecc_comparer *c, const struct ecc_jwt *jwt)
{
    return jwt ? CFMT(c, "issuer \"%s\" audience \"%s\" secret %s", jwt->issuer, jwt->audience, jwt->secret) : "none";
}

void ecc_compare_settings(struct ecc_comparer *c, const char *subject, struct ecc_setting **old, size_t nold, struct ecc_setting **new_,
                          size_t nnew)
{
    struct ecc_arena *arena = c->arena;

    for (size_t i = 0; i < nnew; i++) {
        const struct ecc_setting *now = new_[i], *was = FIND(old, nold, now->name);
        const char *after = CFMT(c, "%s env %s = %s", ecc_canon_type(arena, now->type), now->env,
                                 now->dflt ? ecc_canon_expr(arena, now->dflt) : "(nothing)");
        if (!was) {
            ecc_differ(c, now->dflt ? ECC_DIFF_SETTING_ADDED : ECC_DIFF_SETTING_NEEDED, false, now->span, subject,
                       "new setting `%s` from %s", now->name, now->env);
            continue;
        }
        const char *before = CFMT(c, "%s env %s = %s", ecc_canon_type(arena, was->type), was->env,
                                  was->dflt ? ecc_canon_expr(arena, was->dflt) : "(nothing)");
        if (strcmp(before, after) != 0)
            ecc_differ(c, ECC_DIFF_SETTING_CHANGED, false, now->span, subject, "setting `%s` was %s and is %s", now->name, before, after);
    }
    for (size_t i = 0; i < nold; i++)
        if (!FIND(new_, nnew, old[i]->name))
            ecc_differ(c, ECC_DIFF_SETTING_REMOVED, true, old[i]->span, subject, "setting `%s` is gone", old[i]->name);
}

void ecc_compare_service(struct ecc_comparer *c, const struct ecc_node *old, const struct ecc_node *new_)
{
    static const struct ecc_service none;
    const struct ecc_service *a = old ? &old->u.service : &none, *b = new_ ? &new_->u.service : &none;

    compare_ops(c, a, b);
    compare_consumers(c, a, b);
    ecc_compare_database(c, old, new_);
    if (!old || !new_)
        return;
    const char *subject = CFMT(c, "service %s", new_->name);
    if (strcmp(jwt_text(c, a->jwt), jwt_text(c, b->jwt)) != 0)
        ecc_differ(c, ECC_DIFF_JWT_CHANGED, false, new_->span, subject, "jwt was %s and is %s", jwt_text(c, a->jwt), jwt_text(c, b->jwt));
    if (a->workers != b->workers)
        ecc_differ(c, ECC_DIFF_WORKERS_CHANGED, false, new_->span, subject, "workers were %d and are %d", a->workers, b->workers);
    ecc_compare_settings(c, subject, a->settings, a->nsettings, b->settings, b->nsettings);
}

/* ------------------------------------------------------------------ sagas */

static const struct ecc_saga_step *step_of(const struct ecc_saga *saga, const char *name)
{
    for (size_t i = 0; i < saga->nsteps; i++)
        if (strcmp(saga->steps[i].name, name) == 0)
            return &saga->steps[i];
    return NULL;
}

/* Do the steps that both have stand in one order? */
static bool same_order(const struct ecc_saga *old, const struct ecc_saga *new_)
{
    size_t at = 0;

    for (size_t i = 0; i < new_->nsteps; i++) {
        const struct ecc_saga_step *step = step_of(old, new_->steps[i].name);
        if (!step)
            continue;
        if ((size_t)(step - old->steps) < at)
            return false;
        at = (size_t)(step - old->steps);
    }
    return true;
}

static void compare_steps(struct ecc_comparer *c, const char *subject, const struct ecc_saga *old, const struct ecc_saga *new_)
{
    for (size_t i = 0; i < new_->nsteps; i++) {
        const struct ecc_saga_step *now = &new_->steps[i], *was = step_of(old, now->name);
        if (!was) {
            ecc_differ(c, ECC_DIFF_SAGA_STEP_ADDED, false, now->span, subject, "new step %s", now->name);
            continue;
        }
        const char *before = ecc_canon_stmt(c->arena, was->run), *after = ecc_canon_stmt(c->arena, now->run);
        const char *undo = ecc_canon_stmt(c->arena, was->undo), *undoes = ecc_canon_stmt(c->arena, now->undo);
        if (strcmp(before, after) != 0)
            ecc_differ(c, ECC_DIFF_SAGA_STEP_CHANGED, false, now->span, subject, "step %s did `%s` and does `%s`", now->name, before,
                       after);
        if (strcmp(undo, undoes) != 0)
            ecc_differ(c, ECC_DIFF_SAGA_STEP_CHANGED, false, now->span, subject, "the undo of step %s was `%s` and is `%s`", now->name,
                       *undo ? undo : "none", *undoes ? undoes : "none");
    }
    for (size_t i = 0; i < old->nsteps; i++)
        if (!step_of(new_, old->steps[i].name))
            ecc_differ(c, ECC_DIFF_SAGA_STEP_REMOVED, true, old->steps[i].span, subject, "step %s is gone", old->steps[i].name);
    if (!same_order(old, new_))
        ecc_differ(c, ECC_DIFF_SAGA_STEPS_REORDERED, false, new_->span, subject, "its steps stand in another order");
}

static bool has_version(const struct ecc_model *model, const struct ecc_saga *saga)
{
    for (size_t i = 0; i < model->nsagas + model->npast; i++) {
        const struct ecc_saga *s = i < model->nsagas ? model->sagas[i] : model->past[i - model->nsagas];
        if (s->version == saga->version && strcmp(s->name, saga->name) == 0)
            return true;
    }
    return false;
}

/* Versions that the old side knew and the new one does not: what has started by them stays where it is. */
static void compare_versions(struct ecc_comparer *c)
{
    const struct ecc_model *old = c->old;

    for (size_t i = 0; i < old->nsagas + old->npast; i++) {
        const struct ecc_saga *was = i < old->nsagas ? old->sagas[i] : old->past[i - old->nsagas];
        bool retired = false;
        for (size_t k = 0; k < c->new_->nretired && !retired; k++) {
            const struct ecc_retired *r = c->new_->retired[k];
            retired = r->saga && strcmp(r->name, was->name) == 0 && (!r->version || r->version == was->version);
            if (retired && !has_version(c->new_, was))
                ecc_differ(c, ECC_DIFF_SAGA_VERSION_DROPPED, false, r->span, CFMT(c, "saga %s", was->name), "v%d is dropped", was->version);
        }
    }
}

void ecc_compare_sagas(struct ecc_comparer *c)
{
    const struct ecc_model *old = c->old, *new_ = c->new_;

    for (size_t i = 0; i < new_->nsagas; i++) {
        const struct ecc_saga *now = new_->sagas[i], *was = FIND(old->sagas, old->nsagas, now->name);
        const char *subject = CFMT(c, "saga %s", now->name), *words;
        if (!was) {
            ecc_differ(c, ECC_DIFF_SAGA_ADDED, false, now->span, subject, "new, on %s", now->service->name);
            continue;
        }
        if (now->version != was->version)
            ecc_differ(c, ECC_DIFF_SAGA_VERSION_RAISED, false, now->span, subject, "was v%d and is v%d", was->version, now->version);
        if (strcmp(was->service->name, now->service->name) != 0)
            ecc_differ(c, ECC_DIFF_SAGA_MOVED, false, now->span, subject, "was on %s and is on %s", was->service->name, now->service->name);
        ecc_compare_records(c, ECC_AT_SAGA, subject, was->params, now->params, was->span, now->span);
        compare_steps(c, subject, was, now);
        if ((words = program_words(c, &was->done.body, &now->done.body)))
            ecc_differ(c, ECC_DIFF_SAGA_END_CHANGED, false, now->span, subject, "`done` changed, %s", words);
        if ((words = program_words(c, &was->failed.body, &now->failed.body)))
            ecc_differ(c, ECC_DIFF_SAGA_END_CHANGED, false, now->span, subject, "`failed` changed, %s", words);
    }
    for (size_t i = 0; i < old->nsagas; i++)
        if (!FIND(new_->sagas, new_->nsagas, old->sagas[i]->name))
            ecc_differ(c, ECC_DIFF_SAGA_REMOVED, true, old->sagas[i]->span, CFMT(c, "saga %s", old->sagas[i]->name), "is gone, of %s",
                       old->sagas[i]->service->name);
    compare_versions(c);
}
