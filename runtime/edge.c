/* See edge.h. An attempt is repeated when the peer can't have done it, or will not do it twice; when the budget of the edge has a retry
 * left; and when the backoff ends before the deadline. What was unknown after one attempt stays so unless a later one is answered.
 */
#include <stdlib.h>
#include <string.h>

#include "edge.h"
#include "health.h"
#include "random.h"
#include "task.h"

enum { MAX_DELAY_MS = 60000 };

static struct ec_edge_state *states; /* of all edges */
static int live;                     /* attempts and waits of all edges */
static bool stopped;

static const char *const outcome_names[EC_EDGE_OUTCOMES] = {
    [EC_EDGE_OK] = "ok",     [EC_EDGE_ANSWERED] = "error",  [EC_EDGE_FAILED] = "failed", [EC_EDGE_TIMED_OUT] = "timeout",
    [EC_EDGE_LATE] = "late", [EC_EDGE_REFUSED] = "refused", [EC_EDGE_BROKEN] = "broken", [EC_EDGE_MALFORMED] = "malformed",
    [EC_EDGE_OPEN] = "open", [EC_EDGE_LIMITED] = "limited",
};

static const char *const breaker_names[] = {
    [EC_BREAKER_CLOSED] = "closed", [EC_BREAKER_HALF_OPEN] = "half-open", [EC_BREAKER_OPEN] = "open"};

static void breaker_changed(struct ec_breaker *breaker, void *data)
{
    static const double values[] = {[EC_BREAKER_CLOSED] = 0, [EC_BREAKER_HALF_OPEN] = 1, [EC_BREAKER_OPEN] = 2};
    struct ec_edge_state *state = data;

    ec_metric_set(state->breaker_gauge, values[breaker->state]);
    ec_metric_add(state->changes[breaker->state], 1);
    ec_log(EC_LOG_WARN, NULL, "circuit breaker", EC_L_STR("edge", state->edge->name), EC_L_STR("state", breaker_names[breaker->state]));
}

/* For who plays stories on a system of development: each begins with closed breakers and all of the budget of repeats. */
static void renew(void)
{
    struct ec_edge_state *state;

    for (state = states; state; state = state->next) {
        ec_breaker_renew(&state->breaker);
        state->budget.tokens = EC_RETRY_BUDGET_MAX;
    }
}

/* All of them at once: a rate sees the first failure only where there was a 0 before it. */
static void count_series(struct ec_edge_state *state)
{
    const struct ec_edge *edge = state->edge;
    struct ec_buf labels = {NULL, 0, 0};
    int i;

    ec_metric_label(&labels, "edge", edge->name);
    state->in_flight_gauge = ec_metric(EC_GAUGE, "ec_edge_in_flight", "Calls along an edge that wait for their answer", labels.p);
    state->retries = ec_metric(EC_COUNTER, "ec_edge_retries_total", "Attempts that repeated an earlier one", labels.p);
    if (edge->trip > 0)
        state->breaker_gauge =
            ec_metric(EC_GAUGE_MOST, "ec_breaker_state", "Circuit breaker of an edge; 0: closed, 1: half open, 2: open", labels.p);
    for (i = 0; i < EC_BREAKER_STATES && edge->trip > 0; i++) {
        labels.n = 0;
        ec_metric_label(&labels, "edge", edge->name);
        ec_metric_label(&labels, "to", breaker_names[i]);
        state->changes[i] = ec_metric(EC_COUNTER, "ec_breaker_changes_total", "Changes of circuit breakers, by what they became", labels.p);
    }
    for (i = 0; i < EC_EDGE_OUTCOMES; i++) {
        labels.n = 0;
        ec_metric_label(&labels, "edge", edge->name);
        ec_metric_label(&labels, "outcome", outcome_names[i]);
        state->calls[i] = ec_metric(EC_COUNTER, "ec_edge_calls_total", "Attempts of calls along an edge, by outcome", labels.p);
        state->seconds[i] = ec_metric(EC_HISTOGRAM, "ec_edge_seconds", "Time of attempts of calls along an edge, by outcome", labels.p);
    }
    ec_buf_free(&labels);
}

void ec_edge_open(struct ec_edge *edge)
{
    struct ec_edge_state *state;

    stopped = false;
    if (edge->state)
        return;
    state = calloc(1, sizeof(*state));
    if (!state)
        abort();
    edge->state = state;
    state->edge = edge;
    state->next = states;
    states = state;
    ec_health_renew = renew;
    state->breaker = (struct ec_breaker){.trip = edge->trip,
                                         .probes = edge->probes > 0 ? edge->probes : 1,
                                         .timeouts_only = edge->trip_timeouts_only,
                                         .open_ns = (uint64_t)edge->open_ms * 1000000,
                                         .changed = breaker_changed,
                                         .data = state};
    state->budget.tokens = EC_RETRY_BUDGET_MAX;
    count_series(state);
}

void ec_edges_stop(void)
{
    stopped = true;
}

void ec_edge_close(struct ec_edge *edge)
{
    struct ec_edge_state **at = &states;

    while (*at && *at != edge->state)
        at = &(*at)->next;
    if (*at)
        *at = (*at)->next;
    free(edge->state);
    edge->state = NULL;
}

bool ec_edges_idle(void)
{
    return live == 0;
}

static void observe(struct ec_edge_state *state, enum ec_edge_outcome outcome, uint64_t began_ns)
{
    ec_metric_add(state->calls[outcome], 1);
    ec_metric_observe(state->seconds[outcome], (double)(uv_hrtime() - began_ns) / 1e9);
}

static enum ec_breaker_verdict verdict(const struct ec_attempts *attempts, enum ec_edge_outcome outcome)
{
    switch (outcome) {
    case EC_EDGE_OK:
    case EC_EDGE_ANSWERED:
        return EC_VERDICT_SUCCESS;
    case EC_EDGE_TIMED_OUT:
    case EC_EDGE_LATE:
        return attempts->cut ? EC_VERDICT_NONE : EC_VERDICT_TIMEOUT;
    default:
        return EC_VERDICT_FAILURE;
    }
}

/* ------------------------------------------------------------------ the end */

/* What the program sees of a failure. */
static const struct ec_error *seen_error(const struct ec_edge *edge, const struct ec_edge_result *result)
{
    const struct ec_error *mapped = edge->on_failure;

    switch (result->outcome) {
    case EC_EDGE_OK:
        return NULL;
    case EC_EDGE_ANSWERED:
        return result->error;
    case EC_EDGE_OPEN:
        if (edge->on_open)
            return edge->on_open;
        return mapped ? mapped : &ec_error_unavailable;
    case EC_EDGE_FAILED:
        return mapped ? mapped : result->error ? result->error : &ec_error_bad_gateway;
    case EC_EDGE_TIMED_OUT:
        return mapped ? mapped : &ec_error_timeout;
    case EC_EDGE_BROKEN:
    case EC_EDGE_MALFORMED:
        return mapped ? mapped : &ec_error_bad_gateway;
    default:
        return mapped ? mapped : &ec_error_unavailable;
    }
}

static void tell(const struct ec_attempts *attempts, const struct ec_edge_result *result)
{
    static const char *const outcomes[] = {
        [EC_EDGE_OK] = "ok",        [EC_EDGE_ANSWERED] = "error",  [EC_EDGE_FAILED] = "failed", [EC_EDGE_TIMED_OUT] = "timeout",
        [EC_EDGE_LATE] = "timeout", [EC_EDGE_REFUSED] = "refused", [EC_EDGE_BROKEN] = "failed", [EC_EDGE_MALFORMED] = "failed",
        [EC_EDGE_OPEN] = "open",    [EC_EDGE_LIMITED] = "refused",
    };

    const struct ec_edge *edge = attempts->edge;
    const struct ec_error *error;

    if (!ec_spans_on)
        return;
    error = seen_error(edge, result);
    ec_span_end(&(struct ec_span){.trace = &attempts->span,
                                  .kind = EC_SPAN_CLIENT,
                                  .hop = edge->env ? "call" : "external",
                                  .edge = edge->name,
                                  .name = attempts->asked,
                                  .outcome = outcomes[result->outcome],
                                  .error = error ? error->name : NULL,
                                  .breaker = edge->trip > 0 ? breaker_names[edge->state->breaker.state] : NULL,
                                  .status = result->status,
                                  .began_ns = attempts->began_ns});
}

static const char *of_peer(struct ec_task *task, const char *before, const struct ec_edge *edge, const char *after)
{
    const struct ec_str parts[] = {ec_str_of(before), ec_str_of(edge->peer), ec_str_of(after)};

    return ec_concat(task, parts, 3).p;
}

static const char *seen_detail(const struct ec_edge *edge, const struct ec_edge_result *result, struct ec_task *task)
{
    if (result->outcome == EC_EDGE_ANSWERED || result->detail)
        return result->detail;
    switch (result->outcome) {
    case EC_EDGE_FAILED:
        return of_peer(task, "", edge, " failed");
    case EC_EDGE_TIMED_OUT:
        return of_peer(task, "", edge, " did not answer in time");
    case EC_EDGE_BROKEN:
        return of_peer(task, "", edge, " broke the connection");
    case EC_EDGE_MALFORMED:
        return of_peer(task, "", edge, " gave an answer that can't be read");
    case EC_EDGE_OPEN:
        return of_peer(task, "", edge, " is not called for a while");
    case EC_EDGE_LIMITED:
        return of_peer(task, "too many calls to ", edge, " are in flight");
    default:
        return of_peer(task, "", edge, " can't be reached");
    }
}

/* A failed attempt after one that may have had its effect does not undo that, nor does an answer about the request (its token, its rate,
 * `in progress`): only one about the work does. */
static bool still_unknown(const struct ec_attempts *attempts, const struct ec_edge_result *result)
{
    if (attempts->harmless || result->outcome == EC_EDGE_OK)
        return false;
    if (result->outcome == EC_EDGE_ANSWERED && result->verdict)
        return result->unknown;
    return result->unknown || attempts->unknown;
}

static void settle(struct ec_attempts *attempts, const struct ec_edge_result *result)
{
    struct ec_task *task = attempts->task;

    task->error = seen_error(attempts->edge, result);
    task->detail = task->error ? seen_detail(attempts->edge, result, task) : NULL;
    task->unknown = still_unknown(attempts, result);
    task->retry_after_s = task->error ? result->retry_after_s : 0;
    task->rows = 0;
}

/* ------------------------------------------------------------------ attempts */

static bool try_now(struct ec_attempts *attempts, struct ec_edge_result *refusal)
{
    struct ec_edge *edge = attempts->edge;
    struct ec_edge_state *state = edge->state;
    int64_t remaining = ec_task_remaining_ms(attempts->task);

    attempts->began_ns = uv_hrtime();
    ec_trace_child(&attempts->span, &attempts->task->trace);
    *refusal = (struct ec_edge_result){.outcome = EC_EDGE_LIMITED};
    if (remaining <= 0) {
        *refusal = (struct ec_edge_result){.outcome = EC_EDGE_ANSWERED, .error = &ec_error_timeout, .unknown = attempts->unknown};
        return false;
    }
    if (edge->concurrency > 0 && state->in_flight >= edge->concurrency) {
        refusal->retry_after_s = 1;
        return false;
    }
    if (!ec_breaker_enter(&state->breaker, attempts->began_ns, attempts->task->background, &attempts->pass)) {
        *refusal = (struct ec_edge_result){.outcome = EC_EDGE_OPEN,
                                           .retry_after_s = ec_breaker_retry_after_s(&state->breaker, attempts->began_ns)};
        return false;
    }
    attempts->cut = remaining < edge->timeout_ms;
    attempts->timeout_ms = attempts->cut ? remaining : edge->timeout_ms;
    state->in_flight++;
    live++;
    ec_metric_add(state->in_flight_gauge, 1);
    attempts->send(attempts);
    return true;
}

void ec_edge_begin(struct ec_attempts *attempts)
{
    struct ec_edge_result refusal = {.outcome = EC_EDGE_REFUSED};

    attempts->attempt = 0;
    attempts->unknown = false;
    if (stopped) {
        settle(attempts, &refusal);
        ec_task_resume_soon(attempts->task);
        return;
    }
    if (!attempts->edge->state)
        ec_panic("a call along an edge whose module is not linked");
    ec_retry_earn(&attempts->edge->state->budget);
    if (try_now(attempts, &refusal))
        return;
    if (refusal.outcome != EC_EDGE_ANSWERED) {
        observe(attempts->edge->state, refusal.outcome, attempts->began_ns);
        tell(attempts, &refusal);
    }
    settle(attempts, &refusal);
    ec_task_resume_soon(attempts->task);
}

struct backoff {
    uv_timer_t timer;
    struct ec_attempts *attempts;
};

static void on_backoff_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_backoff(uv_timer_t *timer)
{
    struct backoff *backoff = timer->data;
    struct ec_attempts *attempts = backoff->attempts;
    struct ec_edge_result refusal = {.outcome = EC_EDGE_REFUSED};

    uv_close((uv_handle_t *)timer, on_backoff_closed);
    live--;
    if (stopped) {
        settle(attempts, &refusal);
        ec_task_resume(attempts->task);
        return;
    }
    ec_metric_add(attempts->edge->state->retries, 1);
    if (try_now(attempts, &refusal))
        return;
    if (refusal.outcome != EC_EDGE_ANSWERED) {
        observe(attempts->edge->state, refusal.outcome, attempts->began_ns);
        tell(attempts, &refusal);
    }
    settle(attempts, &refusal);
    ec_task_resume(attempts->task);
}

static bool retry(struct ec_attempts *attempts, const struct ec_edge_result *result)
{
    const struct ec_edge *edge = attempts->edge;
    bool sent = result->outcome != EC_EDGE_REFUSED && result->outcome != EC_EDGE_LATE;
    struct backoff *backoff;
    int64_t delay;

    if (stopped || !result->again || attempts->attempt >= edge->retries || (sent && !attempts->repeatable && !attempts->harmless))
        return false;
    delay = ec_retry_delay_ms(edge->backoff_min_ms, edge->backoff_max_ms, attempts->attempt, ec_random_unit());
    if (result->retry_after_s > 0 && delay < (int64_t)result->retry_after_s * 1000)
        delay = (int64_t)result->retry_after_s * 1000;
    if (delay > MAX_DELAY_MS || delay >= ec_task_remaining_ms(attempts->task) || !ec_retry_spend(&edge->state->budget))
        return false;
    attempts->attempt++;
    backoff = malloc(sizeof(*backoff));
    if (!backoff)
        abort();
    backoff->attempts = attempts;
    backoff->timer.data = backoff;
    uv_timer_init(attempts->task->app->loop, &backoff->timer);
    uv_update_time(attempts->task->app->loop); /* as of the turn's begin, in whole milliseconds: what was asked for must not be undercut */
    uv_timer_start(&backoff->timer, on_backoff, (uint64_t)delay + 1, 0);
    live++;
    return true;
}

void ec_edge_end(struct ec_attempts *attempts, const struct ec_edge_result *result)
{
    struct ec_edge_state *state = attempts->edge->state;

    state->in_flight--;
    live--;
    ec_metric_add(state->in_flight_gauge, -1);
    ec_breaker_leave(&state->breaker, uv_hrtime(), attempts->pass, verdict(attempts, result->outcome));
    observe(state, result->outcome, attempts->began_ns);
    tell(attempts, result);
    if (retry(attempts, result)) {
        attempts->unknown = attempts->unknown || result->unknown;
        return;
    }
    settle(attempts, result);
    ec_task_resume(attempts->task);
}

/* ------------------------------------------------------------------ errors by name */

static bool named(const struct ec_error *error, struct ec_str name)
{
    return strlen(error->name) == name.n && memcmp(error->name, name.p, name.n) == 0;
}

const struct ec_error *ec_error_find(const struct ec_error *const *errors, struct ec_str name)
{
    for (; errors && *errors; errors++)
        if (named(*errors, name))
            return *errors;
    return NULL;
}

const struct ec_error *ec_error_of_runtime(struct ec_str name)
{
#define X(id, error_name, status, title) &ec_error_##id,
    static const struct ec_error *const all[] = {EC_ERRORS(X) NULL};
#undef X

    return ec_error_find(all, name);
}
