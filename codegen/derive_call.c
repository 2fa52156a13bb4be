/* Calls along edges: breaker, attempts, what the peer says, and how it looks from here (runtime/edge.c does it for real). */
#include <string.h>

#include "arena.h"
#include "derive_internal.h"

const struct ecc_error ecc_derive_timeout = {.name = "Timeout", .status = 504, .title = "The time has passed"};
const struct ecc_error ecc_derive_unavailable = {.name = "Unavailable", .status = 503, .title = "Not available at the moment"};
const struct ecc_error ecc_derive_bad_gateway = {.name = "BadGateway", .status = 502, .title = "The peer's answer can't be used"};
const struct ecc_error ecc_derive_internal = {.name = "Internal", .status = 500, .title = "Something went wrong"};

struct attempt {
    enum ecc_hop_outcome outcome;
    const struct ecc_error *error; /* ERROR: as the peer calls it */
    const struct ecc_known *value;
    bool accepted, unknown, again;
    bool sent;
};

/* ------------------------------------------------------------------ breakers */

static struct ecc_broken *breaker_of(struct ecc_derive *d, const struct ecc_edge *edge)
{
    for (size_t i = 0; i < d->breakers.n; i++)
        if (d->breakers.items[i].edge == edge)
            return &d->breakers.items[i];
    struct ecc_broken new = {.edge = edge};
    for (size_t i = 0; i < d->scenario->nassumes; i++) {
        const struct ecc_assume *a = &d->scenario->assumes[i];
        if (a->kind == ECC_ASSUME_OPEN && a->edge == edge && ecc_derive_holds(d, a))
            new.open = d->met[i] = true;
    }
    ECC_PUSH(d->arena, &d->breakers, new);
    return &d->breakers.items[d->breakers.n - 1];
}

/* What repeats and compensations meet is not counted: they would keep open what nobody needs. */
static void count(struct ecc_broken *breaker, struct ecc_hop *hop, const struct attempt *attempt)
{
    const struct ecc_breaker *rule = &breaker->edge->breaker;
    bool timeout = attempt->outcome == ECC_HOP_IS_TIMEOUT;
    bool bad = timeout || attempt->outcome == ECC_HOP_IS_FAILED || attempt->outcome == ECC_HOP_IS_REFUSED;

    if (!rule->set || breaker->open || (bad && rule->timeouts_only && !timeout))
        return;
    breaker->failures = bad ? breaker->failures + 1 : 0;
    breaker->open = hop->opens = breaker->failures >= rule->trip;
}

/* ------------------------------------------------------------------ one attempt */

static bool raises(const struct ecc_op *op, const struct ecc_error *error)
{
    for (size_t i = 0; i < op->nerrors; i++)
        if (op->errors[i] == error)
            return true;
    return false;
}

static struct attempt of_op(struct ecc_derive *d, const struct ecc_at *at, struct ecc_hop *hop, const struct ecc_op *op,
                            const struct ecc_known *args)
{
    const struct ecc_assume *fails = ecc_derive_fails(d, op, NULL);
    struct ecc_at inside = *at;
    struct ecc_answer answer;

    if (fails)
        inside.steer = fails->error;
    else if (at->steer && !raises(op, at->steer))
        inside.steer = NULL;
    inside.node = op->service;
    inside.hops = &hop->hops;
    inside.branch = 0;
    inside.many = false;
    inside.saga = NULL;
    inside.step = NULL;
    answer = ecc_derive_op(d, &inside, op, args);
    if (fails && answer.error != fails->error) { /* it has its ways that are not in its text */
        answer = (struct ecc_answer){.error = fails->error};
        d->forced = op->custom ? d->forced : fails;
    }
    struct attempt attempt = {.value = answer.value, .accepted = answer.accepted, .unknown = answer.unknown, .sent = true};
    if (!answer.error)
        return attempt;
    /* A program that claims may have done some of its work before it failed; only a failure for good is its answer. */
    if (at->keyed && !op->custom && op->program.repeat == ECC_REPEAT_CLAIM &&
        (!raises(op, answer.error) || answer.error->status >= 500 || ecc_is_momentary(answer.error)))
        attempt.unknown = true;
    attempt.error = answer.error;
    if (raises(op, answer.error)) {
        attempt.outcome = ECC_HOP_IS_ERROR;
        return attempt;
    }
    attempt.outcome = answer.error->status >= 500 ? ECC_HOP_IS_FAILED : ECC_HOP_IS_ERROR;
    attempt.again = answer.error->status >= 500;
    attempt.unknown = attempt.unknown || (attempt.outcome == ECC_HOP_IS_FAILED && answer.error->status != 503);
    return attempt;
}

static struct attempt of_ext(struct ecc_derive *d, struct ecc_hop *hop, const struct ecc_ext_call *call, const struct ecc_known *args)
{
    const struct ecc_assume *fails = ecc_derive_fails(d, NULL, call);
    const struct ecc_type request = {.kind = ECC_TYPE_RECORD, .record = call->request};
    struct attempt attempt = {.sent = true};
    const struct ecc_known *reply = NULL;

    if (fails) {
        attempt.error = fails->error;
        hop->status = fails->error->status;
    } else {
        hop->status = ecc_derive_sandbox(d, call, ecc_known_to_wire(d->arena, args, &request), &reply);
        for (size_t i = 0; i < call->nerrors; i++)
            if (call->errors[i].status == hop->status)
                attempt.error = call->errors[i].error;
    }
    for (size_t i = 0; attempt.error && i < call->nerrors; i++)
        if (call->errors[i].error == attempt.error) {
            attempt.outcome = ECC_HOP_IS_ERROR;
            hop->status = call->errors[i].status;
            return attempt;
        }
    if (hop->status >= 200 && hop->status < 300) {
        if (call->reply)
            attempt.value =
                reply ? ecc_known_from_wire(d->arena, reply, call->reply, call->name) : ecc_known_row(d->arena, call->reply, call->name);
        return attempt;
    }
    if (hop->status < 500 && hop->status != 429 && hop->status != 408 && (hop->status != 409 || !call->idempotency_header)) {
        attempt.outcome = ECC_HOP_IS_ERROR; /* for good, but not in words that the topology knows */
        attempt.error = &ecc_derive_bad_gateway;
        return attempt;
    }
    attempt.outcome = ECC_HOP_IS_FAILED;
    attempt.error = NULL;
    attempt.unknown = hop->status != 503 && hop->status != 429 && hop->status != 408; /* those say that nothing was done */
    attempt.again = true;
    return attempt;
}

static struct attempt try_once(struct ecc_derive *d, const struct ecc_at *at, struct ecc_hop *hop, const struct ecc_stmt *s,
                               const struct ecc_known *args)
{
    const struct ecc_node *peer = s->u.call.edge->to;

    if (ecc_derive_assumed(d, ECC_ASSUME_DOWN, peer))
        return (struct attempt){.outcome = ECC_HOP_IS_REFUSED, .again = true};
    if (ecc_derive_assumed(d, ECC_ASSUME_HANGS, peer))
        return (struct attempt){.outcome = ECC_HOP_IS_TIMEOUT, .unknown = true, .again = true, .sent = true};
    return s->u.call.op ? of_op(d, at, hop, s->u.call.op, args) : of_ext(d, hop, s->u.call.ext, args);
}

/* ------------------------------------------------------------------ the call */

static const struct ecc_error *seen(const struct ecc_edge *edge, const struct attempt *attempt)
{
    switch (attempt->outcome) {
    case ECC_HOP_IS_ERROR:
        return attempt->error;
    case ECC_HOP_IS_OPEN:
        return edge->on_open ? edge->on_open : edge->on_failure ? edge->on_failure : &ecc_derive_unavailable;
    case ECC_HOP_IS_TIMEOUT:
        return edge->on_failure ? edge->on_failure : &ecc_derive_timeout;
    case ECC_HOP_IS_REFUSED:
        return edge->on_failure ? edge->on_failure : &ecc_derive_unavailable;
    case ECC_HOP_IS_FAILED: /* the runtime's own errors go on by their names */
        if (edge->on_failure)
            return edge->on_failure;
        return attempt->error == &ecc_derive_unavailable || attempt->error == &ecc_derive_timeout ? attempt->error
                                                                                                  : &ecc_derive_bad_gateway;
    case ECC_HOP_IS_OK:
    case ECC_HOP_IS_HIT:
    case ECC_HOP_IS_MISS:
        break;
    }
    return NULL;
}

static bool harmless(const struct ecc_stmt *s)
{
    const struct ecc_ext_call *ext = s->u.call.ext;

    return ext ? strcmp(ext->method, "GET") == 0 || strcmp(ext->method, "HEAD") == 0
               : !s->u.call.op->custom && s->u.call.op->program.repeat == ECC_REPEAT_READ;
}

struct ecc_answer ecc_derive_call(struct ecc_derive *d, const struct ecc_at *at, const struct ecc_stmt *s, struct ecc_env *env)
{
    const struct ecc_edge *edge = s->u.call.edge;
    const char *label = s->u.call.op ? s->u.call.op->name : s->u.call.ext->name;
    const struct ecc_known *args = ecc_env_eval(env, s->u.call.args);
    bool repeatable = harmless(s) || (s->u.call.ext ? s->u.call.ext->idempotency_header != NULL : at->keyed);
    bool unknown = false;
    struct ecc_hop *hop;
    struct attempt attempt;

    for (int n = 0;; n++) {
        hop = ecc_derive_hop(d, at, s->u.call.op ? ECC_HOP_CALL : ECC_HOP_EXTERNAL, edge->to, edge, label, s->span);
        hop->attempt = n + 1;
        hop->maybe = n > 0; /* there is a budget of repeats */
        if (d->cut)
            return (struct ecc_answer){.error = &ecc_derive_internal};
        struct ecc_broken *breaker = breaker_of(d, edge);
        if (edge->breaker.set && breaker->open) {
            attempt = (struct attempt){.outcome = ECC_HOP_IS_OPEN};
        } else {
            attempt = try_once(d, at, hop, s, args);
            breaker = breaker_of(d, edge); /* the list may have moved */
            if (!at->background)
                count(breaker, hop, &attempt);
        }
        hop->outcome = attempt.outcome;
        hop->error = attempt.error;
        if (!attempt.again || n >= edge->retries || (attempt.sent && !repeatable))
            break;
        unknown = unknown || attempt.unknown;
    }
    struct ecc_answer answer = {.error = seen(edge, &attempt), .value = attempt.value, .accepted = attempt.accepted};
    if (!answer.error)
        return answer;
    hop->error = answer.error;
    answer.unknown = !harmless(s) && (attempt.unknown || (unknown && attempt.outcome != ECC_HOP_IS_ERROR));
    return answer;
}
