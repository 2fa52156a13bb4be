/* Sagas and events: what goes on by itself (runtime/saga_run.c and bus_consumer.c do it for real). */
#include <string.h>

#include "arena.h"
#include "derive_internal.h"
#include "plan.h"

static struct ecc_answer end(struct ecc_derive *d, struct ecc_at at, const struct ecc_saga *saga, struct ecc_env *env,
                             const struct ecc_error *error)
{
    struct ecc_answer answer;

    at.phase = error ? ECC_HOP_FOR_FAILED : ECC_HOP_FOR_DONE;
    at.step = NULL;
    at.background = true;
    env->error = error ? ecc_known_text(d->arena, error->name) : NULL;
    answer = ecc_derive_program(d, &at, error ? &saga->failed : &saga->done, env);
    return (struct ecc_answer){.error = error, .pending = answer.error != NULL};
}

/* From the step `last` back. An undo that fails is repeated until it holds, and the saga's waiter is told before. */
static struct ecc_answer compensate(struct ecc_derive *d, struct ecc_at at, const struct ecc_saga *saga, struct ecc_env *env, size_t n,
                                    const struct ecc_error *error)
{
    at.phase = ECC_HOP_FOR_UNDO;
    at.background = true;
    while (n-- > 0) {
        if (!saga->steps[n].undo)
            continue;
        at.step = &saga->steps[n];
        if (ecc_derive_call(d, &at, saga->steps[n].undo, env).error)
            return (struct ecc_answer){.error = error, .pending = true};
    }
    return end(d, at, saga, env, error);
}

static struct ecc_answer run_saga(struct ecc_derive *d, const struct ecc_at *from, struct ecc_started *started)
{
    const struct ecc_saga *saga = started->saga;
    struct ecc_env env = {.arena = d->arena, .args = started->args};
    struct ecc_at at = *from;

    started->ran = true;
    at.node = saga->service;
    at.saga = saga;
    at.keyed = true;
    at.phase = ECC_HOP_FOR_DO;
    at.background = false;
    for (size_t i = 0; i < saga->nsteps && !d->cut; i++) {
        const struct ecc_saga_step *step = &saga->steps[i];
        at.step = step;
        struct ecc_answer answer = ecc_derive_call(d, &at, step->run, &env);
        if (!answer.error) {
            ecc_env_bind(&env, step->result, answer.value ? answer.value : &ecc_known_null);
            continue;
        }
        bool unknown = answer.unknown || ecc_is_momentary(answer.error);
        if (!step->undo && (unknown || !ecc_op_can_fail(step->run->u.call.op)))
            return (struct ecc_answer){.pending = true};
        return compensate(d, at, saga, &env, unknown ? i + 1 : i, answer.error);
    }
    return end(d, at, saga, &env, NULL);
}

struct ecc_answer ecc_derive_saga(struct ecc_derive *d, const struct ecc_at *from, struct ecc_started *started)
{
    struct ecc_answer answer = run_saga(d, from, started);

    d->held = d->held || answer.pending;
    return answer;
}

/* ------------------------------------------------------------------ events */

static void deliver_to(struct ecc_derive *d, const struct ecc_later *later, const struct ecc_node *service,
                       const struct ecc_consumer *consumer)
{
    const struct ecc_node *bus = later->publish->to;
    struct ecc_env env = {.arena = d->arena};
    struct ecc_at at = {.node = bus, .hops = &later->publish->hops, .phase = ECC_HOP_FOR_EVENT};
    struct ecc_hop *hop;

    if (ecc_derive_assumed(d, ECC_ASSUME_HANGS, service) || ecc_derive_assumed(d, ECC_ASSUME_DOWN, service)) {
        d->held = true;
        return; /* it waits on the bus */
    }
    hop = ecc_derive_hop(d, &at, ECC_HOP_DELIVER, service, ecc_derive_edge(bus, service), later->event->name, consumer->span);
    hop->beside = true;
    hop->many = later->publish->many;
    at = (struct ecc_at){.node = service, .hops = &hop->hops, .phase = ECC_HOP_FOR_EVENT, .keyed = true};
    ecc_env_bind(&env, consumer->var, later->body);
    struct ecc_answer answer = ecc_derive_program(d, &at, &consumer->program, &env);
    if (answer.error) {
        d->held = true;
        hop->outcome = ECC_HOP_IS_ERROR; /* it comes again, and in the end is a dead letter */
        hop->error = answer.error;
    }
}

void ecc_derive_deliver(struct ecc_derive *d, const struct ecc_later *later)
{
    const struct ecc_node *bus = later->publish->to;

    if (!bus || ecc_derive_assumed(d, ECC_ASSUME_DOWN, bus) || ecc_derive_assumed(d, ECC_ASSUME_HANGS, bus)) {
        later->publish->outcome = ECC_HOP_IS_REFUSED; /* it waits in the outbox */
        d->held = true;
        return;
    }
    for (size_t i = 0; i < d->model->nnodes; i++) {
        const struct ecc_node *node = d->model->nodes[i];
        for (size_t k = 0; node->kind == ECC_NODE_SERVICE && k < node->u.service.nconsumers; k++) {
            const struct ecc_consumer *consumer = node->u.service.consumers[k];
            if (consumer->event == later->event && consumer->topic == later->event->topic)
                deliver_to(d, later, node, consumer);
        }
    }
}
