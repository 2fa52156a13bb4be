/* The producer: idempotent, so that its own repeats neither double nor reorder.
 *
 * An idempotent producer can end in a fatal error (a message whose fate it can't find out). Then it is ended and another is made; all
 * that was on its way is told to have failed, and its senders send it again: consumers know an event by its id.
 *
 * Before anything is produced the service's topics must be there: those that the bus does not list are created by the Admin API with the
 * partitions that the topology declares. A message sent before would have the bus make the topic as it likes.
 */
#include "bus_producer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"

enum { TOPICS_RETRY_MS = 1000, ADMIN_TIMEOUT_MS = 5000 };

/* A dead letter is its message and some headers, so it may be larger than what the bus takes by default (1 MiB). */
#define LETTER_MAX_BYTES "2097152"

struct sent {
    void (*done)(void *data, bool ok);
    void *data;
    struct sent *next, *prev;
};

static struct {
    int users;
    rd_kafka_t *rk;
    struct ec_bus_port *port;
    bool broken;         /* fatal: to be replaced once its events are served */
    bool topics_ready, topics_asked;
    uv_timer_t timer;
    struct sent flying;  /* ring */
    size_t nflying;
    struct ec_metric *delivered, *failed, *replaced;
} producer = {.flying = {.next = &producer.flying, .prev = &producer.flying}};

static void on_timer(uv_timer_t *timer);

/* ------------------------------------------------------------------ sending */

static void land(struct sent *sent, bool ok)
{
    void (*done)(void *data, bool ok) = sent->done;
    void *data = sent->data;

    sent->prev->next = sent->next;
    sent->next->prev = sent->prev;
    producer.nflying--;
    free(sent);
    ec_metric_add(ok ? producer.delivered : producer.failed, 1);
    done(data, ok);
}

bool ec_bus_producer_ready(void)
{
    return producer.rk && !producer.broken && producer.topics_ready;
}

bool ec_bus_producer_idle(void)
{
    return producer.nflying == 0;
}

bool ec_bus_produce(const struct ec_bus_record *record, void (*done)(void *data, bool ok), void *data)
{
    rd_kafka_headers_t *headers;
    struct sent *sent;
    rd_kafka_resp_err_t error;

    if (!ec_bus_producer_ready())
        return false;
    sent = malloc(sizeof(*sent));
    headers = rd_kafka_headers_new(record->nheaders);
    if (!sent || !headers)
        abort();
    for (size_t i = 0; i < record->nheaders; i++)
        rd_kafka_header_add(headers, record->headers[i].name, -1, record->headers[i].value.p, (ssize_t)record->headers[i].value.n);
    error = rd_kafka_producev(producer.rk, RD_KAFKA_V_TOPIC(record->topic), RD_KAFKA_V_KEY(record->key.p, record->key.n),
                              RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value.p, record->value.n), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_TIMESTAMP(record->timestamp_ms), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(sent), RD_KAFKA_V_END);
    if (error) {
        rd_kafka_headers_destroy(headers);
        free(sent);
        if (error == RD_KAFKA_RESP_ERR__FATAL) {
            producer.broken = true;
            uv_timer_start(&producer.timer, on_timer, 0, 0);
        } else if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            ec_log(EC_LOG_WARN, NULL, "an event can't be produced", EC_L_STR("topic", record->topic), EC_L_STR("why", rd_kafka_err2str(error)));
        }
        return false;
    }
    *sent = (struct sent){.done = done, .data = data, .next = &producer.flying, .prev = producer.flying.prev};
    sent->prev->next = sent;
    producer.flying.prev = sent;
    producer.nflying++;
    return true;
}

static void on_reports(rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;

    while ((message = rd_kafka_event_message_next(event))) {
        if (message->err)
            ec_log(EC_LOG_WARN, NULL, "an event was not delivered", EC_L_STR("topic", rd_kafka_topic_name(message->rkt)),
                   EC_L_STR("why", rd_kafka_err2str(message->err)));
        land(message->_private, !message->err);
    }
}

/* ------------------------------------------------------------------ topics */

static void on_topics(rd_kafka_event_t *event)
{
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    const rd_kafka_topic_result_t **topics;
    size_t n = 0;

    producer.topics_asked = false;
    if (error == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE) { /* no Admin API: the bus makes topics when they are used */
        producer.topics_ready = true;
        return;
    }
    if (error) {
        ec_log(EC_LOG_WARN, NULL, "topics can't be created", EC_L_STR("why", rd_kafka_event_error_string(event)));
        uv_timer_start(&producer.timer, on_timer, TOPICS_RETRY_MS, 0);
        return;
    }
    topics = rd_kafka_CreateTopics_result_topics(result, &n);
    for (size_t i = 0; i < n; i++) {
        error = rd_kafka_topic_result_error(topics[i]);
        if (!error || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            continue;
        ec_log(EC_LOG_WARN, NULL, "a topic can't be created", EC_L_STR("topic", rd_kafka_topic_result_name(topics[i])),
               EC_L_STR("why", rd_kafka_err2str(error)));
        /* Who may not create topics has them from elsewhere. */
        if (error != RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED && error != RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED) {
            uv_timer_start(&producer.timer, on_timer, TOPICS_RETRY_MS, 0);
            return;
        }
    }
    producer.topics_ready = true;
}

static bool has_dead_letters(const struct ec_topic *topic)
{
    const struct ec_consumer *const *consumer = ec_app.service->consumers;

    for (; consumer && *consumer; consumer++)
        if ((*consumer)->dead_letter && !strcmp((*consumer)->event->topic->name, topic->name))
            return true;
    return false;
}

/* The topic, or that of its dead letters. */
static rd_kafka_NewTopic_t *new_topic(const char *name, const struct ec_topic *of, bool letters)
{
    char why[128], retention[24];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, of->partitions, -1, why, sizeof(why)); /* the bus's own replication */

    if (!topic) {
        ec_log(EC_LOG_ERROR, NULL, "a topic can't be created", EC_L_STR("topic", name), EC_L_STR("why", why));
    } else if (letters) {
        rd_kafka_NewTopic_set_config(topic, "max.message.bytes", LETTER_MAX_BYTES);
        rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "delete"); /* each letter counts, not the last one of a key */
    } else if (of->retention_ms > 0) {
        snprintf(retention, sizeof(retention), "%lld", (long long)of->retention_ms);
        rd_kafka_NewTopic_set_config(topic, "retention.ms", retention);
    }
    return topic;
}

static bool has_topic(const struct rd_kafka_metadata *metadata, const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (!strcmp(metadata->topics[i].topic, name) && metadata->topics[i].partition_cnt > 0)
            return true;
    return false;
}

static void on_metadata(void *data, const struct rd_kafka_metadata *metadata)
{
    const struct ec_topic *const *topic = ec_app.service ? ec_app.service->topics : NULL;
    rd_kafka_NewTopic_t **wanted;
    rd_kafka_AdminOptions_t *options;
    char why[128], name[256];
    size_t n = 0;

    (void)data;
    if (!metadata) {
        producer.topics_asked = false;
        uv_timer_start(&producer.timer, on_timer, TOPICS_RETRY_MS, 0);
        return;
    }
    while (topic && topic[n])
        n++;
    wanted = calloc(2 * n + 1, sizeof(*wanted));
    if (!wanted)
        abort();
    for (n = 0; topic && *topic; topic++) {
        if (!has_topic(metadata, (*topic)->name) && (wanted[n] = new_topic((*topic)->name, *topic, false)))
            n++;
        snprintf(name, sizeof(name), "%s" BUS_LETTER_TOPIC_END, (*topic)->name);
        if (has_dead_letters(*topic) && !has_topic(metadata, name) && (wanted[n] = new_topic(name, *topic, true)))
            n++;
    }
    if (n) {
        options = rd_kafka_AdminOptions_new(producer.rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
        rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_TIMEOUT_MS, why, sizeof(why));
        rd_kafka_CreateTopics(producer.rk, wanted, n, options, producer.port->queue);
        rd_kafka_AdminOptions_destroy(options);
        rd_kafka_NewTopic_destroy_array(wanted, n);
    }
    producer.topics_asked = n > 0;
    producer.topics_ready = n == 0;
    free(wanted);
}

static void ask_for_topics(void)
{
    if (producer.topics_ready || producer.topics_asked)
        return;
    producer.topics_asked = true;
    ec_bus_metadata(producer.rk, on_metadata, NULL);
}

/* ------------------------------------------------------------------ the client and its replacement */

static void on_event(struct ec_bus_port *port, rd_kafka_event_t *event)
{
    (void)port;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        on_reports(event);
        break;
    case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
        on_topics(event);
        break;
    default:
        if (ec_bus_event(producer.rk, "producer", event))
            producer.broken = true;
        break;
    }
}

static void lose_all(void)
{
    while (producer.flying.next != &producer.flying)
        land(producer.flying.next, false);
}

void ec_bus_producer_conf(rd_kafka_conf_t *conf, const char *timeout_ms)
{
    ec_bus_set(conf, "enable.idempotence", "true");
    ec_bus_set(conf, "acks", "all");
    ec_bus_set(conf, "linger.ms", "0"); /* the outbox hands over whole batches; waiting for more is its latency */
    ec_bus_set(conf, "message.timeout.ms", timeout_ms);
    ec_bus_set(conf, "message.max.bytes", LETTER_MAX_BYTES); /* what is too large for a topic the bus says */
    ec_bus_set(conf, "retry.backoff.ms", "100");
    ec_bus_set(conf, "partitioner", "murmur2_random"); /* as other clients of the bus choose */
}

static int open_client(const char **why)
{
    rd_kafka_conf_t *conf = ec_bus_conf("producer");

    ec_bus_producer_conf(conf, "30000");
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
    producer.rk = ec_bus_open(RD_KAFKA_PRODUCER, conf, &producer.port, why);
    if (!producer.rk)
        return -1;
    producer.port->serve = on_event;
    return 0;
}

static void replace_if_broken(struct ec_bus_port *port)
{
    const char *why;

    (void)port;
    if (!producer.broken || !producer.rk)
        return;
    ec_bus_close(producer.rk, producer.port, NULL, NULL);
    producer.rk = NULL;
    producer.topics_asked = false;
    ec_metric_add(producer.replaced, 1);
    lose_all();
    if (open_client(&why)) {
        ec_log(EC_LOG_ERROR, NULL, "a producer can't be made", EC_L_STR("why", why));
        uv_timer_start(&producer.timer, on_timer, TOPICS_RETRY_MS, 0);
        return;
    }
    producer.broken = false;
    producer.port->after = replace_if_broken;
    ask_for_topics();
}

static void on_timer(uv_timer_t *timer)
{
    const char *why;

    (void)timer;
    if (producer.rk) {
        replace_if_broken(producer.port);
    } else if (open_client(&why) == 0) {
        producer.broken = false;
        producer.port->after = replace_if_broken;
    } else {
        uv_timer_start(&producer.timer, on_timer, TOPICS_RETRY_MS, 0);
        return;
    }
    ask_for_topics();
}

int ec_bus_producer_open(struct ec_app *app, const char **why)
{
    if (producer.users++)
        return 0;
    producer.delivered = ec_metric(EC_COUNTER, "ec_bus_delivered_total", "Messages that the bus has taken", "");
    producer.failed = ec_metric(EC_COUNTER, "ec_bus_undelivered_total", "Messages that were not delivered and are sent again", "");
    producer.replaced = ec_metric(EC_COUNTER, "ec_bus_producers_replaced_total", "Producers that failed for good", "");
    producer.broken = producer.topics_ready = producer.topics_asked = false;
    if (open_client(why)) {
        producer.users--;
        return -1;
    }
    uv_timer_init(app->loop, &producer.timer);
    producer.port->after = replace_if_broken;
    ask_for_topics();
    return 0;
}

void ec_bus_producer_close(void)
{
    if (producer.users == 0 || --producer.users)
        return;
    if (producer.rk)
        ec_bus_close(producer.rk, producer.port, NULL, NULL);
    producer.rk = NULL;
    lose_all();
    uv_close((uv_handle_t *)&producer.timer, NULL);
}

void ec_bus_producer_break(void)
{
    rd_kafka_test_fatal_error(producer.rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "raised on purpose");
}
