/* A partition: its messages, each a task. Those of one key are handled one after another, those of different keys side by side; partitions
 * are independent of each other.
 *
 * A message belongs to a lane, a hash of its key, and is ready once the one before it in the lane is through. Where a handler of the topic
 * does more than one transaction (it asks others, or works step by step), the partition has a single lane: then partitions are the measure
 * of what is asked of others at once. So it has for who asks for that (EC_EVENTS_AT_ONCE=1), and all messages without a key share one lane.
 *
 * The offset is stored once the effects of a message and of all before it are durable (their tasks have replied), so a crash repeats what was
 * under way and what came after it; the inbox knows it by its key `event/<group>/<event id>`. A failure is repeated with backoff while the
 * lane waits, then the message is a dead letter or dropped, as is at once what can't be handled at all: a type that the topic does not
 * have, a body that can't be read. What is not the message's fault costs no attempt: this process not being ready (its database is away), or
 * the same message still in work elsewhere. Types of the topic that the group has no consumer for are none of its business, nor is what was
 * sent back for another group.
 *
 * Each partition has a queue of its own in librdkafka, from which up to HIGH messages are taken, and the next when LOW are left or none of
 * them is ready. What is not taken stays there, and librdkafka fetches no more than its bounds. (Pausing would throw away what it has
 * fetched, each time.)
 *
 * A partition that is taken away starts nothing more; the tasks under way end by themselves, and their offsets are not stored: whoever has
 * the partition now repeats the messages and finds the stored replies. The part owns its messages until then.
 */
#include "bus_consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "random.h"
#include "span.h"
#include "trace.h"

enum { HIGH = 512, LOW = 128, NOT_READY_MS = 1000 };

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

/* ------------------------------------------------------------------ lanes */

/* FNV-1a */
static int lane_of(const struct bus_part *part, struct ec_str key)
{
    uint32_t hash = 2166136261u;

    if (part->most == 1)
        return 0;
    for (size_t i = 0; i < key.n; i++)
        hash = (hash ^ (unsigned char)key.p[i]) * 16777619u;
    return (int)(hash % BUS_LANES);
}

static void make_ready(struct bus_message *message)
{
    struct bus_part *part = message->part;

    message->next_ready = NULL;
    *part->ready_end = message;
    part->ready_end = &message->next_ready;
}

static void enter_lane(struct bus_message *message)
{
    struct bus_message **last = &message->part->lanes[message->lane];

    if (*last)
        (*last)->follower = message;
    else
        make_ready(message);
    *last = message;
}

static void leave_lane(struct bus_message *message)
{
    struct bus_message **last = &message->part->lanes[message->lane];

    if (*last == message)
        *last = NULL;
    if (message->follower)
        make_ready(message->follower);
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
    struct bus_message *message;

    if (part->group || part->working || part->going_on || uv_is_closing((uv_handle_t *)&part->timer))
        return;
    while ((message = part->first)) {
        part->first = message->next;
        free(message);
    }
    uv_close((uv_handle_t *)&part->timer, timer_closed);
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

/* Stores and forgets what is through, up to the first that is not. */
static void store_through(struct bus_part *part)
{
    struct bus_message *message;
    int64_t next = -1;

    while ((message = part->first) && message->state == BUS_THROUGH) {
        next = message->offset + 1;
        part->first = message->next;
        part->n--;
        free(message);
    }
    if (!part->first)
        part->end = &part->first;
    if (next >= 0)
        store_offset(part, next);
}

void bus_message_done(struct bus_message *message, struct bus_consumer *consumer, enum bus_outcome outcome)
{
    struct bus_part *part = message->part;

    if (!part->group) {
        bus_message_left(message);
        return;
    }
    ec_metric_add(consumer->outcomes[outcome], 1);
    part->working--;
    message->state = BUS_THROUGH;
    leave_lane(message);
    store_through(part);
}

void bus_message_left(struct bus_message *message)
{
    struct bus_part *part = message->part;

    part->working--;
    message->state = BUS_QUEUED; /* in its lane, and never ready */
    free_when_over(part);
}

static void wait_for_first(struct bus_part *part);

static void on_timer(uv_timer_t *timer)
{
    struct bus_part *part = timer->data;
    uint64_t now = uv_now(ec_app.loop);

    for (struct bus_message *message = part->first; message; message = message->next)
        if (message->state == BUS_WAITING && message->due_ms <= now) {
            message->state = BUS_QUEUED;
            make_ready(message);
        }
    wait_for_first(part);
    bus_part_continue(part);
}

static void wait_for_first(struct bus_part *part)
{
    uint64_t now = uv_now(ec_app.loop), due = UINT64_MAX;

    for (struct bus_message *message = part->first; message; message = message->next)
        if (message->state == BUS_WAITING && message->due_ms < due)
            due = message->due_ms;
    if (due == UINT64_MAX)
        uv_timer_stop(&part->timer);
    else
        uv_timer_start(&part->timer, on_timer, due > now ? due - now : 0, 0);
}

static void wait_for(struct bus_message *message, int64_t ms)
{
    message->part->working--;
    message->state = BUS_WAITING;
    message->due_ms = uv_now(ec_app.loop) + (uint64_t)(ms > 0 ? ms : 0);
    wait_for_first(message->part);
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

static void failed(struct bus_message *message, struct bus_consumer *consumer, const struct ec_task *task)
{
    struct bus_part *part = message->part;
    const struct ec_consumer *declared = consumer->declared;
    const struct ec_error *error = task->error;
    bool ours = (error->status >= 500 && !process_is_ready()) || !strcmp(error->name, ec_error_conflict.name);
    int64_t wait = declared->backoff_min_ms > 0 ? declared->backoff_min_ms : 100;
    int64_t max = declared->backoff_max_ms > wait ? declared->backoff_max_ms : wait;

    ec_log(EC_LOG_WARN, task, "an event's handler failed", EC_L_STR("program", declared->program->name), EC_L_STR("error", error->name),
           EC_L_STR("detail", task->detail), EC_L_STR("topic", part->topic), EC_L_INT("partition", part->partition),
           EC_L_INT("offset", message->offset), EC_L_INT("attempt", message->attempts + 1));
    if (!ours && message->attempts >= declared->retries) {
        if (declared->dead_letter) {
            bus_dead_letter(message, consumer, error->name, task->detail, message->attempts + 1);
            return;
        }
        bus_message_done(message, consumer, BUS_DROPPED);
        bus_part_continue(part);
        return;
    }
    ec_metric_add(consumer->outcomes[BUS_RETRIED], 1);
    for (int i = 0; i < message->attempts && wait < max; i++)
        wait *= 2;
    if (ours)
        wait = max < NOT_READY_MS ? max : NOT_READY_MS;
    else
        message->attempts++;
    wait = wait < max ? wait : max;
    wait_for(message, (int64_t)((double)wait * (0.5 + ec_random_unit() / 2)));
}

static void on_finish(struct ec_task *task)
{
    struct bus_message *message = task->owner;
    struct bus_part *part = message->part;
    struct bus_consumer *consumer = part->group ? consumer_of(part->group, message) : NULL;

    if (!consumer) { /* revoked meanwhile */
        bus_message_left(message);
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
                                          .weight = task->stands_for,
                                          .began_ns = task->started_ns});
        ec_metric_observe(consumer->seconds, (double)(uv_hrtime() - task->started_ns) * 1e-9);
        if (task->error) {
            failed(message, consumer, task);
        } else {
            EC_CRASH_AFTER("%s.message", ec_crash_program(task->program));
            bus_message_done(message, consumer, BUS_DONE);
            bus_part_continue(part);
        }
    }
    ec_task_free(task);
}

/* A message that no attempt would help. */
static void poison(struct bus_message *message, struct bus_consumer *consumer, bool dead_letter, const char *reason, const char *detail)
{
    const struct bus_part *part = message->part;

    ec_log(EC_LOG_ERROR, NULL, "an event can't be read", EC_L_STR("group", part->group->name), EC_L_STR("topic", part->topic),
           EC_L_INT("partition", part->partition), EC_L_INT("offset", message->offset), EC_L_STR("reason", reason),
           EC_L_STR("detail", detail));
    if (dead_letter)
        bus_dead_letter(message, consumer, reason, detail, 0);
    else
        bus_message_done(message, consumer, BUS_DROPPED);
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
static struct ec_str key_of(struct ec_arena *arena, const struct bus_message *message)
{
    const struct bus_part *part = message->part;
    const char *group = part->group->name;
    struct ec_str id = bus_message_header(message, "ce_id");

    if (!usable_id(id))
        id = bus_message_header(message, BUS_REPLAY_OF);
    return ec_str_of(usable_id(id) ? ec_arena_printf(arena, "event/%s/%.*s", group, (int)id.n, id.p)
                                   : ec_arena_printf(arena, "event/%s/%s/%d/%lld", group, part->topic, (int)part->partition,
                                                     (long long)message->offset));
}

static void start(struct bus_message *message, struct bus_consumer *consumer)
{
    const struct ec_consumer *declared = consumer->declared;
    struct ec_task *task = ec_task_new(&ec_app, declared->program);
    struct ec_json_error error;
    char detail[320];
    enum ec_json_status status = ec_json_read(task->arena, message->value, declared->event->body, task->frame, EC_JSON_LENIENT, &error);

    if (status != EC_JSON_OK) {
        snprintf(detail, sizeof(detail), "%s%s%s", error.path, error.path[0] ? " " : "", error.message);
        ec_task_free(task);
        poison(message, consumer, declared->dead_letter, status == EC_JSON_MALFORMED ? "malformed" : "invalid", detail);
        return;
    }
    task->key = key_of(task->arena, message);
    task->again = bus_message_header(message, BUS_REPLAY_GROUP).p != NULL;
    ec_spans_join(task, bus_message_header(message, "traceparent"));
    task->deadline_ns = uv_hrtime() + (uint64_t)bus_event_ms() * 1000000;
    task->owner = message;
    task->finish = on_finish;
    ec_task_start(task);
}

/* No consumer of the group takes the message. */
static void unhandled(struct bus_message *message)
{
    const struct bus_part *part = message->part;
    struct bus_group *group = part->group;
    struct ec_str type = bus_message_header(message, "ce_type");
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
            bus_message_done(message, &group->other, BUS_SKIPPED);
            return;
        }
    poison(message, &group->other, dead_letter, "unknown-type", type.p ? "ce_type is no event of this topic" : "there is no ce_type");
}

static void begin(struct bus_message *message)
{
    struct bus_group *group = message->part->group;
    struct bus_consumer *consumer = consumer_of(group, message);
    struct ec_str only = bus_message_header(message, BUS_REPLAY_GROUP);

    message->state = BUS_WORKING;
    message->part->working++;
    if (only.p && !ec_str_eq(only, ec_str_of(group->name)))
        bus_message_done(message, consumer ? consumer : &group->other, BUS_SKIPPED);
    else if (consumer)
        start(message, consumer);
    else
        unhandled(message);
}

static void add(struct bus_part *part, const rd_kafka_message_t *message)
{
    struct bus_message *copy = bus_message_copy(message);

    copy->part = part;
    copy->lane = lane_of(part, copy->key);
    if (part->next_offset < 0)
        part->next_offset = copy->offset;
    *part->end = copy;
    part->end = &copy->next;
    part->n++;
    enter_lane(copy);
}

static void take(struct bus_part *part)
{
    const rd_kafka_message_t *message;
    rd_kafka_event_t *event;

    while (part->n < HIGH && (event = rd_kafka_queue_poll(part->queue, 0))) {
        while ((message = rd_kafka_event_message_next(event)))
            add(part, message);
        part->group->broken |= ec_bus_event(part->group->rk, part->group->name, event);
        rd_kafka_event_destroy(event);
    }
    part->more = part->n >= HIGH;
}

/* What ends at once comes back here; the loop that is on the stack goes on then, instead of one within another. */
void bus_part_continue(struct bus_part *part)
{
    struct bus_message *message;

    if (part->going_on)
        return;
    part->going_on = true;
    while (part->group && part->working < part->most && !bus_draining()) {
        if (part->more && (part->n <= LOW || !part->ready))
            take(part);
        message = part->ready;
        if (!message)
            break;
        part->ready = message->next_ready;
        if (!part->ready)
            part->ready_end = &part->ready;
        begin(message);
    }
    part->going_on = false;
    free_when_over(part);
}

void bus_part_woken(struct bus_part *part)
{
    part->more = true;
    bus_part_continue(part);
}

/* ------------------------------------------------------------------ the group's side */

/* Each handler of the topic is one transaction, and asks nobody. */
static bool in_transactions(const struct bus_group *group, const char *topic)
{
    for (size_t i = 0; i < group->nconsumers; i++) {
        const struct ec_consumer *declared = group->consumers[i].declared;

        if (!strcmp(declared->event->topic->name, topic) && declared->program->repeat != EC_REPEAT_ATOMIC)
            return false;
    }
    return true;
}

struct bus_part *bus_part_new(struct bus_group *group, const char *topic, int32_t partition)
{
    static const uint64_t one = 1;
    struct bus_part *part = calloc(1, sizeof(*part));

    if (!part || !(part->topic = strdup(topic)))
        abort();
    part->group = group;
    part->partition = partition;
    part->end = &part->first;
    part->ready_end = &part->ready;
    part->most = in_transactions(group, topic) ? bus_at_once() : 1;
    part->next_offset = -1;
    part->queue = rd_kafka_queue_get_partition(group->rk, topic, partition);
    if (!part->queue)
        ec_panic("a partition has no queue");
    rd_kafka_queue_forward(part->queue, NULL); /* to the group's, where it would go otherwise */
    rd_kafka_queue_io_event_enable(part->queue, group->port->fd, &one, sizeof(one));
    uv_timer_init(ec_app.loop, &part->timer);
    part->timer.data = part;
    part->next = group->parts;
    group->parts = part;
    live++;
    return part;
}

void bus_part_stop(struct bus_part *part)
{
    uv_timer_stop(&part->timer);
}

void bus_part_revoke(struct bus_part *part)
{
    struct bus_part **at = &part->group->parts;

    while (*at != part)
        at = &(*at)->next;
    *at = part->next;
    rd_kafka_queue_io_event_enable(part->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(part->queue);
    bus_part_stop(part);
    part->group = NULL;
    free_when_over(part);
}

bool bus_part_busy(const struct bus_part *part)
{
    return part->working > 0;
}
