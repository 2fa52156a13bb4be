/* Consumer groups: one client a group of the service, subscribed to the topics of its consumers.
 *
 * A group subscribes once the topics are there (the producer, which dead letters need anyway, creates them). Assigned partitions become
 * bus_parts; revoked ones forget what waits and are given back at once: a handler in flight ends by itself and its event meets the
 * inbox again elsewhere. Offsets are stored by the parts and committed by librdkafka, once a second and when partitions go.
 *
 * Drain: nothing new is started; when the handlers have ended, offsets are committed and the group is left, in the background
 * (rd_kafka_consumer_close_queue), so the others take over at once.
 *
 * Once a second each queue is served even when it is silent (a consumer that does not ask is put out of its group), and the lag is read.
 */
#include "bus_consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_letters_cmd.h"

enum { TICK_MS = 100, SLOW_TICKS = 10 };

static struct {
    bool open, draining;
    struct bus_group *groups;
    uv_timer_t tick;
    int ticks;
    int64_t session_ms; /* how long a consumer may be silent before its partitions are another's */
    int64_t event_ms;   /* how long the handler of an event may take, and so how long a claim of one who has died is respected */
    int64_t at_once;    /* events of a partition that are handled side by side */
} consumer = {.session_ms = 6000, .event_ms = 30000, .at_once = 32};

int64_t bus_event_ms(void)
{
    return consumer.event_ms;
}

int bus_at_once(void)
{
    return (int)consumer.at_once;
}

bool bus_draining(void)
{
    return consumer.draining;
}

/* ------------------------------------------------------------------ events of a group */

static void revoke_all(struct bus_group *group)
{
    while (group->parts)
        bus_part_revoke(group->parts);
    ec_metric_set(group->assigned, 0);
}

static void on_rebalance(struct bus_group *group, rd_kafka_event_t *event)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    bool assign = rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;

    revoke_all(group); /* the eager protocol: all go, and those that stay come back */
    if (!assign) {
        rd_kafka_assign(group->rk, NULL);
        return;
    }
    for (int i = 0; i < list->cnt; i++)
        bus_part_new(group, list->elems[i].topic, list->elems[i].partition);
    rd_kafka_assign(group->rk, list);
    ec_metric_set(group->assigned, list->cnt);
    ec_log(EC_LOG_INFO, NULL, "partitions assigned", EC_L_STR("group", group->name), EC_L_INT("partitions", list->cnt));
}

static void on_event(struct ec_bus_port *port, rd_kafka_event_t *event)
{
    struct bus_group *group = port->data;

    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_REBALANCE:
        on_rebalance(group, event);
        break;
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
        break; /* what could not be committed is committed with the next */
    default:
        if (ec_bus_event(group->rk, group->name, event))
            group->broken = true;
        break;
    }
}

/* ------------------------------------------------------------------ a group's client */

static void group_forget(struct bus_group *group)
{
    if (!group->rk)
        return;
    revoke_all(group);
    ec_bus_close(group->rk, group->port, NULL, NULL);
    group->rk = NULL;
    group->subscribed = group->broken = false;
}

static void after_events(struct ec_bus_port *port)
{
    struct bus_group *group = port->data;

    for (struct bus_part *part = group->parts; part; part = part->next)
        bus_part_woken(part);
    if (group->rk && (group->broken || (group->closing && rd_kafka_consumer_closed(group->rk))))
        group_forget(group);
}

static int group_open(struct bus_group *group, const char **why)
{
    rd_kafka_conf_t *conf = ec_bus_conf(group->name);
    char ms[24];

    ec_bus_set(conf, "group.id", group->name);
    ec_bus_set(conf, "enable.auto.offset.store", "false");
    ec_bus_set(conf, "enable.auto.commit", "true");
    ec_bus_set(conf, "auto.commit.interval.ms", "1000");
    ec_bus_set(conf, "auto.offset.reset", "earliest");
    ec_bus_set(conf, "partition.assignment.strategy", "roundrobin,range");
    snprintf(ms, sizeof(ms), "%lld", (long long)consumer.session_ms);
    ec_bus_set(conf, "session.timeout.ms", ms);
    snprintf(ms, sizeof(ms), "%lld", (long long)consumer.session_ms / 6);
    ec_bus_set(conf, "heartbeat.interval.ms", ms);
    ec_bus_set(conf, "fetch.wait.max.ms", "20"); /* the embedded broker answers an empty fetch only after it, whatever comes meanwhile */
    ec_bus_set(conf, "fetch.error.backoff.ms", "100");
    ec_bus_set(conf, "queued.max.messages.kbytes", "1024"); /* of a partition */
    ec_bus_set(conf, "enable.partition.eof", "false");
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG |
                                       RD_KAFKA_EVENT_OFFSET_COMMIT);
    group->rk = ec_bus_open(RD_KAFKA_CONSUMER, conf, &group->port, why);
    if (!group->rk)
        return -1;
    group->port->data = group;
    group->port->serve = on_event;
    group->port->after = after_events;
    return 0;
}

static void group_subscribe(struct bus_group *group)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)group->nconsumers);
    rd_kafka_resp_err_t error;

    for (size_t i = 0; i < group->nconsumers; i++) {
        const char *topic = group->consumers[i].declared->event->topic->name;

        if (!rd_kafka_topic_partition_list_find(list, topic, RD_KAFKA_PARTITION_UA))
            rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
    }
    error = rd_kafka_subscribe(group->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    group->subscribed = error == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error)
        ec_log(EC_LOG_ERROR, NULL, "a group can't subscribe", EC_L_STR("group", group->name), EC_L_STR("why", rd_kafka_err2str(error)));
}

static bool group_busy(const struct bus_group *group)
{
    for (const struct bus_part *part = group->parts; part; part = part->next)
        if (bus_part_busy(part))
            return true;
    return false;
}

static void group_leave(struct bus_group *group)
{
    rd_kafka_error_t *error;

    group->closing = true;
    if (!group->rk)
        return;
    error = rd_kafka_consumer_close_queue(group->rk, group->port->queue);
    if (error) {
        ec_log(EC_LOG_WARN, NULL, "a group can't be left", EC_L_STR("group", group->name), EC_L_STR("why", rd_kafka_error_string(error)));
        rd_kafka_error_destroy(error);
        group_forget(group);
    }
}

static void read_lag(struct bus_group *group)
{
    int64_t low, high, lag = 0, oldest = INT64_MAX, now = ec_now() / 1000;

    for (const struct bus_part *part = group->parts; part; part = part->next) {
        if (part->next_offset >= 0 && rd_kafka_get_watermark_offsets(group->rk, part->topic, part->partition, &low, &high) == 0 &&
            high > part->next_offset)
            lag += high - part->next_offset;
        if (part->first && part->first->timestamp_ms < oldest)
            oldest = part->first->timestamp_ms;
    }
    ec_metric_set(group->lag, (double)lag);
    ec_metric_set(group->age, oldest < now ? (double)(now - oldest) / 1e3 : 0);
}

static void on_tick(uv_timer_t *timer)
{
    bool slow = ++consumer.ticks % SLOW_TICKS == 0;
    const char *why;

    (void)timer;
    for (struct bus_group *group = consumer.groups; group; group = group->next) {
        if (consumer.draining && !group->closing) {
            if (!group_busy(group))
                group_leave(group);
        } else if (!group->rk && !group->closing) {
            if (slow && group_open(group, &why))
                ec_log(EC_LOG_ERROR, NULL, "a consumer can't be made", EC_L_STR("group", group->name), EC_L_STR("why", why));
        } else if (group->rk && !group->subscribed && !group->closing && ec_bus_producer_ready()) {
            group_subscribe(group);
        }
        if (group->rk && slow)
            read_lag(group);
        if (group->rk && (slow || group->closing))
            ec_bus_serve(group->port); /* may forget the client: last */
    }
}

/* ------------------------------------------------------------------ the module */

static struct ec_metric *outcome_metric(const char *group, const char *event, enum bus_outcome outcome)
{
    static const char *const outcomes[NBUS_OUTCOMES] = {"done", "retried", "dead-letter", "dropped", "skipped"};
    struct ec_buf labels = {0};
    struct ec_metric *metric;

    ec_metric_label(&labels, "group", group);
    ec_metric_label(&labels, "event", event);
    ec_metric_label(&labels, "outcome", outcomes[outcome]);
    ec_buf_add(&labels, "", 1);
    metric = ec_metric(EC_COUNTER, "ec_consumer_events_total", "Events by what became of them", labels.p);
    ec_buf_free(&labels);
    return metric;
}

static void consumer_fill(struct bus_consumer *to, const struct ec_consumer *declared)
{
    struct ec_buf labels = {0};
    char type[256];

    snprintf(type, sizeof(type), "%s.v%d", declared->event->name, declared->event->version);
    to->declared = declared;
    to->type = ec_str_of(strdup(type));
    for (int i = 0; i < NBUS_OUTCOMES; i++)
        to->outcomes[i] = outcome_metric(declared->group, type, (enum bus_outcome)i);
    ec_metric_label(&labels, "group", declared->group);
    ec_metric_label(&labels, "event", type);
    ec_buf_add(&labels, "", 1);
    to->seconds = ec_metric(EC_HISTOGRAM, "ec_consumer_seconds", "Time of an attempt of an event's handler", labels.p);
    ec_buf_free(&labels);
}

static struct bus_group *group_of(const char *name)
{
    struct bus_group *group = consumer.groups;
    struct ec_buf labels = {0};

    while (group && strcmp(group->name, name))
        group = group->next;
    if (group)
        return group;
    group = calloc(1, sizeof(*group));
    if (!group)
        abort();
    group->name = name;
    ec_metric_label(&labels, "group", name);
    ec_buf_add(&labels, "", 1);
    group->lag = ec_metric(EC_GAUGE, "ec_consumer_lag", "Messages in the assigned partitions that are not handled yet", labels.p);
    group->age =
        ec_metric(EC_GAUGE_MOST, "ec_consumer_lag_seconds", "Age of the oldest message that was fetched and is not handled yet", labels.p);
    group->assigned = ec_metric(EC_GAUGE, "ec_consumer_partitions", "Partitions assigned to this process", labels.p);
    group->waiting = ec_metric(EC_GAUGE, "ec_dead_letters_waiting", "Messages that wait until the bus has their dead letter", labels.p);
    ec_buf_free(&labels);
    for (int i = BUS_DEAD_LETTER; i < NBUS_OUTCOMES; i++)
        group->other.outcomes[i] = outcome_metric(name, "other", (enum bus_outcome)i);
    group->next = consumer.groups;
    consumer.groups = group;
    return group;
}

static void consumer_configure(struct ec_app *app, struct ec_config_errors *errors)
{
    (void)app;
    ec_bus_configure(errors);
    consumer.session_ms = ec_config_int(errors, "EC_KAFKA_SESSION_MS", 6000, 300, 300000);
    consumer.event_ms = ec_config_int(errors, "EC_EVENT_MS", 30000, 1000, 3600000);
    consumer.at_once = ec_config_int(errors, "EC_EVENTS_AT_ONCE", 32, 1, 256);
}

static int consumer_start(struct ec_app *app, const char **why)
{
    const struct ec_consumer *const *declared = app->service->consumers;

    consumer.draining = false;
    if (ec_bus_producer_open(app, why))
        return -1;
    for (; declared && *declared; declared++) {
        struct bus_group *group = group_of((*declared)->group);

        group->consumers = realloc(group->consumers, (group->nconsumers + 1) * sizeof(*group->consumers));
        if (!group->consumers)
            abort();
        consumer_fill(&group->consumers[group->nconsumers++], *declared);
    }
    uv_timer_init(app->loop, &consumer.tick);
    consumer.open = true;
    uv_timer_start(&consumer.tick, on_tick, 0, TICK_MS);
    for (struct bus_group *group = consumer.groups; group; group = group->next) {
        if (group_open(group, why)) {
            ec_module_consumer.stop(app);
            return -1;
        }
    }
    return 0;
}

static void consumer_drain(struct ec_app *app)
{
    (void)app;
    consumer.draining = true;
    for (struct bus_group *group = consumer.groups; group; group = group->next) {
        for (struct bus_part *part = group->parts; part; part = part->next)
            bus_part_stop(part);
        if (group->rk) /* also what is done by now, should a handler outlast the drain */
            rd_kafka_commit(group->rk, NULL, 1);
    }
    if (consumer.open)
        on_tick(&consumer.tick);
}

static bool consumer_idle(struct ec_app *app)
{
    (void)app;
    for (const struct bus_group *group = consumer.groups; group; group = group->next)
        if (group->rk)
            return false;
    return ec_bus_producer_idle();
}

static void consumer_stop(struct ec_app *app)
{
    (void)app;
    if (!consumer.open)
        return;
    consumer.open = false;
    consumer.draining = true;
    while (consumer.groups) {
        struct bus_group *group = consumer.groups;

        consumer.groups = group->next;
        group_forget(group);
        for (size_t i = 0; i < group->nconsumers; i++)
            free((char *)(uintptr_t)group->consumers[i].type.p);
        free(group->consumers);
        free(group);
    }
    ec_bus_producer_close();
    uv_close((uv_handle_t *)&consumer.tick, NULL);
}

const struct ec_module ec_module_consumer = {
    .name = "consumer",
    .configure = consumer_configure,
    .start = consumer_start,
    .drain = consumer_drain,
    .idle = consumer_idle,
    .stop = consumer_stop,
    .commands = ec_dead_letter_commands,
};
