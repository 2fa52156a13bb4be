/* A message that can't be handled goes, bytes and headers as they came, to `<topic>.dead-letter`, with headers that say why, and its lane
 * of the partition goes on. It is sent until the bus has it: to go on without would lose it, so meanwhile the lane waits, which the gauge
 * ec_dead_letters_waiting shows. The offset is stored after the delivery; a crash between the two makes a second letter. The reason names
 * the error, never a value.
 */
#include "bus_consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

enum { AGAIN_MS = 1000, NHEADERS = 8 };

struct letter {
    struct bus_message *message;
    struct bus_consumer *consumer;
    const char *group;
    struct ec_metric *waiting;
    uv_timer_t timer;
    int attempts;
    char reason[100], detail[320];
};

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void over(struct letter *letter)
{
    ec_metric_add(letter->waiting, -1);
    uv_close((uv_handle_t *)&letter->timer, closed);
}

static void send_letter(uv_timer_t *timer);

/* When the partition is gone, whoever has it now meets the message again. */
static bool given_up(struct letter *letter)
{
    if (letter->message->part->group && !bus_draining())
        return false;
    bus_message_left(letter->message);
    over(letter);
    return true;
}

static void count(const struct letter *letter)
{
    struct ec_buf labels = {0};

    ec_metric_label(&labels, "group", letter->group);
    ec_metric_label(&labels, "reason", letter->reason);
    ec_buf_add(&labels, "", 1);
    ec_metric_add(ec_metric(EC_COUNTER, "ec_dead_letters_total", "Messages that became dead letters, by why", labels.p), 1);
    ec_buf_free(&labels);
}

static void on_delivered(void *data, bool ok)
{
    struct letter *letter = data;
    struct bus_message *message = letter->message;
    struct bus_part *part = message->part;

    if (!ok) {
        if (!given_up(letter))
            uv_timer_start(&letter->timer, send_letter, AGAIN_MS, 0);
        return;
    }
    if (letter->consumer)
        EC_CRASH_AFTER("%s.dead-letter", ec_crash_program(letter->consumer->declared->program));
    ec_log(EC_LOG_ERROR, NULL, "an event is a dead letter", EC_L_STR("group", letter->group), EC_L_STR("topic", part->topic),
           EC_L_INT("partition", part->partition), EC_L_INT("offset", message->offset),
           EC_L_STR("reason", letter->reason), EC_L_STR("detail", letter->detail));
    count(letter);
    bus_message_done(message, letter->consumer, BUS_DEAD_LETTER);
    bus_part_continue(part);
    over(letter);
}

static void send_letter(uv_timer_t *timer)
{
    struct letter *letter = timer->data;
    const struct bus_message *message = letter->message;
    const struct bus_part *part = message->part;
    struct ec_bus_header *headers;
    char topic[300], partition[16], offset[24], attempts[16], time[40];
    size_t n = message->nheaders;

    if (given_up(letter))
        return;
    if (letter->consumer)
        EC_CRASH_BEFORE("%s.dead-letter", ec_crash_program(letter->consumer->declared->program));
    headers = calloc(n + NHEADERS, sizeof(*headers));
    if (!headers)
        abort();
    memcpy(headers, message->headers, n * sizeof(*headers));
    snprintf(topic, sizeof(topic), "%s" BUS_LETTER_TOPIC_END, part->topic);
    snprintf(partition, sizeof(partition), "%d", (int)part->partition);
    snprintf(offset, sizeof(offset), "%lld", (long long)message->offset);
    snprintf(attempts, sizeof(attempts), "%d", letter->attempts);
    headers[n++] = (struct ec_bus_header){BUS_LETTER_REASON, ec_str_of(letter->reason)};
    if (letter->detail[0])
        headers[n++] = (struct ec_bus_header){BUS_LETTER_DETAIL, ec_str_of(letter->detail)};
    headers[n++] = (struct ec_bus_header){BUS_LETTER_GROUP, ec_str_of(letter->group)};
    headers[n++] = (struct ec_bus_header){BUS_LETTER_TOPIC, ec_str_of(part->topic)};
    headers[n++] = (struct ec_bus_header){BUS_LETTER_PARTITION, ec_str_of(partition)};
    headers[n++] = (struct ec_bus_header){BUS_LETTER_OFFSET, ec_str_of(offset)};
    headers[n++] = (struct ec_bus_header){BUS_LETTER_ATTEMPTS, ec_str_of(attempts)};
    headers[n++] = (struct ec_bus_header){BUS_LETTER_TIME, {time, ec_time_format(ec_now(), time)}};
    if (!ec_bus_produce(&(struct ec_bus_record){topic, message->key, message->value, headers, n, 0}, on_delivered, letter))
        uv_timer_start(&letter->timer, send_letter, AGAIN_MS, 0);
    free(headers);
}

void bus_dead_letter(struct bus_message *message, struct bus_consumer *consumer, const char *reason, const char *detail, int attempts)
{
    const struct bus_group *group = message->part->group;
    struct letter *letter = calloc(1, sizeof(*letter));

    if (!letter)
        abort();
    *letter = (struct letter){
        .message = message, .consumer = consumer, .group = group->name, .waiting = group->waiting, .attempts = attempts};
    snprintf(letter->reason, sizeof(letter->reason), "%s", reason);
    snprintf(letter->detail, sizeof(letter->detail), "%s", detail ? detail : "");
    uv_timer_init(ec_app.loop, &letter->timer);
    letter->timer.data = letter;
    ec_metric_add(letter->waiting, 1);
    send_letter(&letter->timer);
}
