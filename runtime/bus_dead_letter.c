/* A message that can't be handled goes, bytes and headers as they came, to `<topic>.dead-letter`, and the partition goes on. It is sent
 * until the bus has it: to go on without would lose it. The reason names the error, never a value. */
#include "bus_consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AGAIN_MS = 1000 };

struct letter {
    struct bus_part *part;
    struct bus_consumer *consumer;
    uv_timer_t timer;
    char reason[320];
};

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void over(struct letter *letter)
{
    uv_close((uv_handle_t *)&letter->timer, closed);
}

static void send_letter(uv_timer_t *timer);

/* When the partition is gone, whoever has it now meets the message again. */
static bool given_up(struct letter *letter)
{
    if (letter->part->group && !bus_draining())
        return false;
    letter->part->busy = false;
    if (!letter->part->group)
        bus_part_done(letter->part, NULL, BUS_SKIPPED);
    over(letter);
    return true;
}

static void on_delivered(void *data, bool ok)
{
    struct letter *letter = data;

    if (!ok) {
        if (!given_up(letter))
            uv_timer_start(&letter->timer, send_letter, AGAIN_MS, 0);
        return;
    }
    EC_CRASH_AFTER("%s.dead-letter", ec_crash_program(letter->consumer->declared->program));
    ec_log(EC_LOG_ERROR, NULL, "an event is a dead letter", EC_L_STR("topic", letter->part->topic), EC_L_INT("partition", letter->part->partition),
           EC_L_INT("offset", letter->part->first->offset), EC_L_STR("reason", letter->reason));
    bus_part_done(letter->part, letter->consumer, BUS_DEAD_LETTER);
    bus_part_continue(letter->part);
    over(letter);
}

static void send_letter(uv_timer_t *timer)
{
    struct letter *letter = timer->data;
    const struct bus_part *part = letter->part;
    const struct bus_message *message = part->first;
    struct ec_bus_header *headers;
    char topic[300], partition[16], offset[24];
    size_t n = message->nheaders;

    if (given_up(letter))
        return;
    EC_CRASH_BEFORE("%s.dead-letter", ec_crash_program(letter->consumer->declared->program));
    headers = calloc(n + 4, sizeof(*headers));
    if (!headers)
        abort();
    memcpy(headers, message->headers, n * sizeof(*headers));
    snprintf(topic, sizeof(topic), "%s.dead-letter", part->topic);
    snprintf(partition, sizeof(partition), "%d", (int)part->partition);
    snprintf(offset, sizeof(offset), "%lld", (long long)message->offset);
    headers[n++] = (struct ec_bus_header){"dead-letter-reason", ec_str_of(letter->reason)};
    headers[n++] = (struct ec_bus_header){"dead-letter-topic", ec_str_of(part->topic)};
    headers[n++] = (struct ec_bus_header){"dead-letter-partition", ec_str_of(partition)};
    headers[n++] = (struct ec_bus_header){"dead-letter-offset", ec_str_of(offset)};
    if (!ec_bus_produce(&(struct ec_bus_record){.topic = topic, .key = message->key, .value = message->value, .headers = headers, .nheaders = n},
                        on_delivered, letter))
        uv_timer_start(&letter->timer, send_letter, AGAIN_MS, 0);
    free(headers);
}

void bus_dead_letter(struct bus_part *part, struct bus_consumer *consumer, const char *reason)
{
    struct letter *letter = calloc(1, sizeof(*letter));

    if (!letter)
        abort();
    *letter = (struct letter){.part = part, .consumer = consumer};
    snprintf(letter->reason, sizeof(letter->reason), "%s", reason);
    uv_timer_init(ec_app.loop, &letter->timer);
    letter->timer.data = letter;
    part->busy = true;
    send_letter(&letter->timer);
}
