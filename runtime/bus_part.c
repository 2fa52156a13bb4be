/* A partition: its messages one after another, each as a task; partitions run side by side.
 *
 * The offset is stored once the message's effect is durable (the task has replied), so a crash repeats at most the message in work; the
 * inbox knows it by its key `event/<group>/<event id>`. A failure is repeated with backoff while the partition waits, then the message
 * is a dead letter or dropped, as is at once what can't be handled at all: a type that the topic does not have, a body that can't be
 * read. What is not the message's fault costs no attempt: this process not being ready (its database is away), or the same message still
 * in work elsewhere. Types of the topic that the group has no consumer for are none of its business, nor is what was sent back for
 * another group.
 *
 * Messages that arrive meanwhile wait here; beyond HIGH of them librdkafka is told to pause the partition, below LOW to go on.
 *
 * A partition that is taken away forgets what waits; the task in flight ends by itself, and its offset is not stored: whoever has the
 * partition now repeats the message and finds the stored reply.
 */
#include "bus_consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "random.h"
#include "span.h"
#include "trace.h"

enum { HIGH = 256, LOW = 64, NOT_READY_MS = 1000 };

static size_t live;

size_t bus_parts_live(void)
{
    return live;
}

/* ------------------------------------------------------------------ messages */

static char *put(char **at, const void *bytes, size_t n)
{
    char *start = *at;

    if (n)
        memcpy(start, bytes, n);
    *at += n;
    return start;
}

struct bus_message *bus_message_copy(const rd_kafka_message_t *from)
{
    rd_kafka_headers_t *headers = NULL;
    size_t n = 0, bytes = from->key_len + from->len;
    const char *name;
    const void *value;
    size_t size;
    struct bus_message *message;
    char *at;

    if (rd_kafka_message_headers(from, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        headers = NULL;
    for (; headers && rd_kafka_header_get_all(headers, n, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; n++)
        bytes += strlen(name) + 1 + size;
    message = malloc(sizeof(*message) + n * sizeof(struct ec_bus_header) + bytes + 2);
    if (!message)
        abort();
    *message = (struct bus_message){
        .offset = from->offset,
        .timestamp_ms = rd_kafka_message_timestamp(from, NULL),
        .headers = (struct ec_bus_header *)(message + 1),
        .nheaders = n,
    };
    at = (char *)(message->headers + n);
    if (from->key)
        message->key = (struct ec_str){put(&at, from->key, from->key_len), from->key_len};
    if (from->payload)
        message->value = (struct ec_str){put(&at, from->payload, from->len), from->len};
    for (size_t i = 0; i < n; i++) {
        rd_kafka_header_get_all(headers, i, &name, &value, &size);
        message->headers[i].name = put(&at, name, strlen(name) + 1);
        if (value)
            message->headers[i].value = (struct ec_str){put(&at, value, size), size};
        else
            message->headers[i].value = (struct ec_str){NULL, 0};
    }
    return message;
}

struct ec_str bus_message_header(const struct bus_message *message, const char *name)
{
    for (size_t i = message->nheaders; i-- > 0;) /* the last one says what holds */
        if (!strcmp(message->headers[i].name, name))
            return message->headers[i].value;
    return (struct ec_str){NULL, 0};
}

/* ------------------------------------------------------------------ going on */

static void timer_closed(uv_handle_t *handle)
{
    struct bus_part *part = handle->data;

    live--;
    free(part->topic);
    free(part);
}

static void free_when_over(struct bus_part *part)
{
    if (!part->group && !part->busy && !uv_is_closing((uv_handle_t *)&part->timer)) {
        bus_part_stop(part);
        free(part->first);
        part->first = NULL;
        uv_close((uv_handle_t *)&part->timer, timer_closed);
    }
}

static void pause_fetch(struct bus_part *part, bool pause)
{
    rd_kafka_topic_partition_list_t *list;

    if (part->paused == pause || !part->group || !part->group->rk)
        return;
    part->paused = pause;
    list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, part->topic, part->partition);
    if (pause)
        rd_kafka_pause_partitions(part->group->rk, list);
    else
        rd_kafka_resume_partitions(part->group->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static void store_offset(struct bus_part *part, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list;

    part->next_offset = offset;
    if (!part->group->rk)
        return;
    list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, part->topic, part->partition)->offset = offset;
    rd_kafka_offsets_store(part->group->rk, list); /* refused when it was just revoked: then it is repeated elsewhere */
    rd_kafka_topic_partition_list_destroy(list);
}

void bus_part_done(struct bus_part *part, struct bus_consumer *consumer, enum bus_outcome outcome)
{
    struct bus_message *message = part->first;

    part->busy = false;
    if (!part->group) {
        free_when_over(part);
        return;
    }
    ec_metric_add(consumer->outcomes[outcome], 1);
    store_offset(part, message->offset + 1);
    part->first = message->next;
    if (!part->first)
        part->end = &part->first;
    part->n--;
    part->attempts = 0;
    free(message);
    if (part->paused && part->n <= LOW && !bus_draining())
        pause_fetch(part, false);
}

static void on_timer(uv_timer_t *timer)
{
    struct bus_part *part = timer->data;

    part->waiting = false;
    bus_part_continue(part);
}

static void wait_for(struct bus_part *part, int64_t ms)
{
    part->waiting = true;
    uv_timer_start(&part->timer, on_timer, (uint64_t)(ms > 0 ? ms : 0), 0);
}

/* ------------------------------------------------------------------ a message as a task */

static struct bus_consumer *consumer_of(struct bus_group *group, const struct bus_message *message)
{
    struct ec_str type = bus_message_header(message, "ce_type");

    for (size_t i = 0; type.p && i < group->nconsumers; i++)
        if (ec_str_eq(group->consumers[i].type, type))
            return &group->consumers[i];
    return NULL;
}

/* The process can't work: what fails now fails for that reason. */
static bool process_is_ready(void)
{
    const struct ec_module *const *module = ec_app.service->modules;

    for (; module && *module; module++)
        if ((*module)->not_ready && (*module)->not_ready(&ec_app))
            return false;
    return true;
}

static void failed(struct bus_part *part, struct bus_consumer *consumer, const struct ec_task *task)
{
    const struct ec_consumer *declared = consumer->declared;
    const struct ec_error *error = task->error;
    bool ours = (error->status >= 500 && !process_is_ready()) || !strcmp(error->name, ec_error_conflict.name);
    int64_t wait = declared->backoff_min_ms > 0 ? declared->backoff_min_ms : 100;
    int64_t max = declared->backoff_max_ms > wait ? declared->backoff_max_ms : wait;

    ec_log(EC_LOG_WARN, task, "an event's handler failed", EC_L_STR("program", declared->program->name), EC_L_STR("error", error->name),
           EC_L_STR("detail", task->detail), EC_L_STR("topic", part->topic), EC_L_INT("partition", part->partition),
           EC_L_INT("offset", part->first->offset), EC_L_INT("attempt", part->attempts + 1));
    if (!ours && part->attempts >= declared->retries) {
        if (declared->dead_letter) {
            bus_dead_letter(part, consumer, error->name, task->detail, part->attempts + 1);
            return;
        }
        bus_part_done(part, consumer, BUS_DROPPED);
        bus_part_continue(part);
        return;
    }
    part->busy = false;
    ec_metric_add(consumer->outcomes[BUS_RETRIED], 1);
    for (int i = 0; i < part->attempts && wait < max; i++)
        wait *= 2;
    if (ours)
        wait = max < NOT_READY_MS ? max : NOT_READY_MS;
    else
        part->attempts++;
    wait = wait < max ? wait : max;
    wait_for(part, (int64_t)((double)wait * (0.5 + ec_random_unit() / 2)));
}

static void on_finish(struct ec_task *task)
{
    struct bus_part *part = task->owner;
    struct bus_consumer *consumer = part->group ? consumer_of(part->group, part->first) : NULL;

    if (!consumer) { /* revoked meanwhile */
        part->busy = false;
        free_when_over(part);
    } else {
        if (ec_spans_on)
            ec_span_end(&(struct ec_span){.trace = &task->trace,
                                          .kind = EC_SPAN_CONSUMER,
                                          .hop = "deliver",
                                          .from = consumer->declared->event->topic->bus,
                                          .to = ec_app.service->name,
                                          .name = consumer->declared->event->name,
                                          .outcome = task->error ? "error" : "ok",
                                          .error = task->error ? task->error->name : NULL,
                                          .began_ns = task->started_ns});
        ec_metric_observe(consumer->seconds, (double)(uv_hrtime() - task->started_ns) * 1e-9);
        if (task->error) {
            failed(part, consumer, task);
        } else {
            EC_CRASH_AFTER("%s.message", ec_crash_program(task->program));
            bus_part_done(part, consumer, BUS_DONE);
            bus_part_continue(part);
        }
    }
    ec_task_free(task);
}

/* A message that no attempt would help. */
static void poison(struct bus_part *part, struct bus_consumer *consumer, bool dead_letter, const char *reason, const char *detail)
{
    ec_log(EC_LOG_ERROR, NULL, "an event can't be read", EC_L_STR("group", part->group->name), EC_L_STR("topic", part->topic),
           EC_L_INT("partition", part->partition), EC_L_INT("offset", part->first->offset), EC_L_STR("reason", reason),
           EC_L_STR("detail", detail));
    if (dead_letter)
        bus_dead_letter(part, consumer, reason, detail, 0);
    else
        bus_part_done(part, consumer, BUS_DROPPED);
}

/* It becomes part of a key, which goes out in a header. */
static bool usable_id(struct ec_str id)
{
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] <= ' ' || id.p[i] > '~')
            return false;
    return id.n > 0 && id.n <= 100;
}

/* A message without an id is known by where it stood first, also when it is sent back later. */
static struct ec_str key_of(struct ec_arena *arena, const struct bus_part *part)
{
    const char *group = part->group->name;
    struct ec_str id = bus_message_header(part->first, "ce_id");

    if (!usable_id(id))
        id = bus_message_header(part->first, BUS_REPLAY_OF);
    return ec_str_of(usable_id(id) ? ec_arena_printf(arena, "event/%s/%.*s", group, (int)id.n, id.p)
                                   : ec_arena_printf(arena, "event/%s/%s/%d/%lld", group, part->topic, (int)part->partition,
                                                     (long long)part->first->offset));
}

static void start(struct bus_part *part, struct bus_consumer *consumer)
{
    const struct bus_message *message = part->first;
    const struct ec_consumer *declared = consumer->declared;
    struct ec_task *task = ec_task_new(&ec_app, declared->program);
    struct ec_json_error error;
    struct ec_trace parent;
    char detail[320];
    enum ec_json_status status = ec_json_read(task->arena, message->value, declared->event->body, task->frame, EC_JSON_LENIENT, &error);

    if (status != EC_JSON_OK) {
        snprintf(detail, sizeof(detail), "%s%s%s", error.path, error.path[0] ? " " : "", error.message);
        ec_task_free(task);
        poison(part, consumer, declared->dead_letter, status == EC_JSON_MALFORMED ? "malformed" : "invalid", detail);
        return;
    }
    task->key = key_of(task->arena, part);
    task->again = bus_message_header(message, BUS_REPLAY_GROUP).p != NULL;
    if (ec_trace_parse(bus_message_header(message, "traceparent"), &parent))
        ec_trace_child(&task->trace, &parent);
    task->deadline_ns = uv_hrtime() + (uint64_t)bus_event_ms() * 1000000;
    task->owner = part;
    task->finish = on_finish;
    part->busy = true;
    ec_task_start(task);
}

/* No consumer of the group takes the first message. */
static void unhandled(struct bus_part *part)
{
    struct bus_group *group = part->group;
    struct ec_str type = bus_message_header(part->first, "ce_type");
    const char *const *known = NULL;
    bool dead_letter = false;

    for (size_t i = 0; i < group->nconsumers; i++) {
        const struct ec_consumer *declared = group->consumers[i].declared;

        if (strcmp(declared->event->topic->name, part->topic))
            continue;
        dead_letter |= declared->dead_letter;
        known = declared->event->topic->types;
    }
    for (; type.p && known && *known; known++)
        if (ec_str_eq(ec_str_of(*known), type)) {
            bus_part_done(part, &group->other, BUS_SKIPPED);
            return;
        }
    poison(part, &group->other, dead_letter, "unknown-type", type.p ? "ce_type is no event of this topic" : "there is no ce_type");
}

void bus_part_continue(struct bus_part *part)
{
    while (part->group && part->first && !part->busy && !part->waiting && !bus_draining()) {
        struct bus_consumer *consumer = consumer_of(part->group, part->first);
        struct ec_str only = bus_message_header(part->first, BUS_REPLAY_GROUP);

        if (only.p && !ec_str_eq(only, ec_str_of(part->group->name)))
            bus_part_done(part, consumer ? consumer : &part->group->other, BUS_SKIPPED);
        else if (consumer)
            start(part, consumer);
        else
            unhandled(part);
    }
    free_when_over(part);
}

/* ------------------------------------------------------------------ the group's side */

struct bus_part *bus_part_new(struct bus_group *group, const char *topic, int32_t partition)
{
    struct bus_part *part = calloc(1, sizeof(*part));

    if (!part || !(part->topic = strdup(topic)))
        abort();
    part->group = group;
    part->partition = partition;
    part->end = &part->first;
    part->next_offset = -1;
    uv_timer_init(ec_app.loop, &part->timer);
    part->timer.data = part;
    part->next = group->parts;
    group->parts = part;
    live++;
    return part;
}

void bus_part_add(struct bus_part *part, const rd_kafka_message_t *message)
{
    struct bus_message *copy;

    if (bus_draining())
        return;
    copy = bus_message_copy(message);
    if (part->next_offset < 0)
        part->next_offset = copy->offset;
    *part->end = copy;
    part->end = &copy->next;
    part->n++;
    if (part->n >= HIGH)
        pause_fetch(part, true);
    bus_part_continue(part);
}

void bus_part_stop(struct bus_part *part)
{
    struct bus_message **from = part->busy && part->first ? &part->first->next : &part->first;

    uv_timer_stop(&part->timer);
    part->waiting = false;
    while (*from) {
        struct bus_message *message = *from;
        *from = message->next;
        free(message);
        part->n--;
    }
    part->end = from;
}

void bus_part_revoke(struct bus_part *part)
{
    struct bus_part **at = &part->group->parts;

    while (*at != part)
        at = &(*at)->next;
    *at = part->next;
    pause_fetch(part, false); /* librdkafka keeps the pause over a rebalance, and who gets the partition anew knows nothing of it */
    bus_part_stop(part);
    part->group = NULL;
    free_when_over(part);
}

bool bus_part_busy(const struct bus_part *part)
{
    return part->busy;
}
