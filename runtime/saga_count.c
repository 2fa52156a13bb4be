/* What is told of sagas: for each name (versions of it count together) how many this process has under way, how many have begun and ended,
 * and how long they took from their start, also when another process had them before.
 *
 * Series are made at start and live as long as the process.
 */
#include <stdlib.h>
#include <string.h>

#include "saga.h"

struct ec_saga_count {
    const char *name;
    struct ec_metric *running, *compensating, *stuck, *started, *done, *failed, *repeats, *seconds;
    int nrunning, ncompensating, nstuck; /* while they are counted */
    struct ec_saga_count *next;
};

static struct ec_saga_count *counts;

static struct ec_saga_count *count_of(const struct ec_saga *saga)
{
    struct ec_saga_count *count = counts;

    while (count && strcmp(count->name, saga->name) != 0)
        count = count->next;
    return count;
}

static void count_new(const struct ec_saga *saga)
{
    struct ec_saga_count *count = calloc(1, sizeof(*count));
    struct ec_buf labels = {0};

    if (!count)
        ec_panic("out of memory");
    count->name = saga->name;
    ec_metric_label(&labels, "saga", saga->name);
    count->running = ec_metric(EC_GAUGE, "ec_saga_running", "Sagas of this process that go forward", labels.p);
    count->compensating = ec_metric(EC_GAUGE, "ec_saga_compensating", "Sagas of this process that go back", labels.p);
    count->stuck =
        ec_metric(EC_GAUGE, "ec_saga_stuck", "Sagas of this process whose present call has failed more than ten times", labels.p);
    count->started = ec_metric(EC_COUNTER, "ec_saga_started_total", "Sagas that this process has started", labels.p);
    count->repeats = ec_metric(EC_COUNTER, "ec_saga_repeats_total", "Calls of sagas that failed and are made again", labels.p);
    count->seconds = ec_metric(EC_HISTOGRAM, "ec_saga_seconds", "Time from the start of a saga to its end", labels.p);
    ec_metric_label(&labels, "outcome", "done");
    count->done = ec_metric(EC_COUNTER, "ec_saga_ended_total", "Sagas that have ended, by how", labels.p);
    labels.n = 0;
    ec_metric_label(&labels, "saga", saga->name);
    ec_metric_label(&labels, "outcome", "failed");
    count->failed = ec_metric(EC_COUNTER, "ec_saga_ended_total", "Sagas that have ended, by how", labels.p);
    ec_buf_free(&labels);
    count->next = counts;
    counts = count;
}

void ec_saga_count_open(const struct ec_service *service)
{
    const struct ec_saga *const *saga;

    for (saga = service->sagas; saga && *saga; saga++)
        if (!count_of(*saga))
            count_new(*saga);
}

void ec_saga_count_close(void)
{
    struct ec_saga_count *count;

    while ((count = counts)) {
        counts = count->next;
        free(count);
    }
}

void ec_saga_count_started(const struct ec_saga *saga)
{
    ec_metric_add(count_of(saga)->started, 1);
}

void ec_saga_count_repeat(const struct ec_saga *saga)
{
    ec_metric_add(count_of(saga)->repeats, 1);
}

void ec_saga_count_ended(const struct ec_instance *instance)
{
    const struct ec_saga_count *count = count_of(instance->saga);
    double seconds = (double)((int64_t)uv_hrtime() - instance->began_ns) / 1e9;

    ec_metric_add(instance->error ? count->failed : count->done, 1);
    ec_metric_observe(count->seconds, seconds > 0 ? seconds : 0);
}

void ec_saga_count_all(const struct ec_instance *first)
{
    const struct ec_instance *instance;
    struct ec_saga_count *count;

    for (count = counts; count; count = count->next)
        count->nrunning = count->ncompensating = count->nstuck = 0;
    for (instance = first; instance; instance = instance->next) {
        count = count_of(instance->saga);
        count->nrunning += instance->state == EC_SAGA_RUNNING;
        count->ncompensating += instance->state == EC_SAGA_COMPENSATING;
        count->nstuck += instance->attempts > EC_SAGA_STUCK;
    }
    for (count = counts; count; count = count->next) {
        ec_metric_set(count->running, count->nrunning);
        ec_metric_set(count->compensating, count->ncompensating);
        ec_metric_set(count->stuck, count->nstuck);
    }
}
