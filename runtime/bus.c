/* librdkafka on the loop.
 *
 * Every client forwards all it has to say (messages, delivery reports, rebalances, errors, logs) to one queue, and that queue wakes the
 * loop by an eventfd. The queue writes only when it was empty, so it is always served until it is; after a bounded number of events
 * the loop gets its turn and the eventfd is written by us.
 *
 * A client is ended by rd_kafka_destroy, which joins its threads: in the thread pool, never on the loop.
 */
#include "bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS_A_TURN = 256, METADATA_TIMEOUT_MS = 5000 };

static char *brokers;
static size_t closing;

bool ec_bus_configure(struct ec_config_errors *errors)
{
    if (!brokers)
        brokers = ec_config_get(errors, "KAFKA_BROKERS", NULL, true);
    return brokers != NULL;
}

void ec_bus_set_brokers(const char *list)
{
    free(brokers);
    brokers = list ? strdup(list) : NULL;
}

void ec_bus_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];

    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
        return;
    ec_log(EC_LOG_ERROR, NULL, "a setting of the bus is wrong", EC_L_STR("name", name), EC_L_STR("why", why));
    ec_panic("a setting of the bus is wrong");
}

rd_kafka_conf_t *ec_bus_conf(const char *role)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char id[160];

    snprintf(id, sizeof(id), "%s/%s", ec_app.service ? ec_app.service->name : "ec", role);
    ec_bus_set(conf, "bootstrap.servers", brokers ? brokers : "");
    ec_bus_set(conf, "client.id", id);
    ec_bus_set(conf, "log.queue", "true");
    ec_bus_set(conf, "log.connection.close", "false");
    ec_bus_set(conf, "topic.metadata.refresh.interval.ms", "10000"); /* a topic that comes later is found soon */
    ec_bus_set(conf, "reconnect.backoff.ms", "50");
    ec_bus_set(conf, "reconnect.backoff.max.ms", "2000");
    ec_bus_set(conf, "socket.nagle.disable", "true");
    ec_bus_set(conf, "socket.keepalive.enable", "true");
    ec_bus_set(conf, "broker.address.ttl", "1000");
    return conf;
}

/* ------------------------------------------------------------------ the port */

static void wake(struct ec_bus_port *port)
{
    const uint64_t one = 1;

    if (write(port->fd, &one, sizeof(one)) != sizeof(one) && uv_is_active((uv_handle_t *)&port->poll))
        return; /* the counter is full: it is readable anyway */
}

void ec_bus_serve(struct ec_bus_port *port)
{
    rd_kafka_event_t *event;
    int n;

    for (n = 0; n < EVENTS_A_TURN && (event = rd_kafka_queue_poll(port->queue, 0)); n++) {
        port->serve(port, event);
        rd_kafka_event_destroy(event);
    }
    if (n == EVENTS_A_TURN)
        wake(port);
    if (port->after)
        port->after(port);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct ec_bus_port *port = poll->data;
    uint64_t count;

    (void)status;
    (void)events;
    if (read(port->fd, &count, sizeof(count)) == sizeof(count))
        ec_bus_serve(port);
}

static void port_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void port_close(struct ec_bus_port *port)
{
    rd_kafka_queue_io_event_enable(port->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(port->queue);
    port->queue = NULL;
    uv_poll_stop(&port->poll);
    close(port->fd);
    uv_close((uv_handle_t *)&port->poll, port_closed);
}

rd_kafka_t *ec_bus_open(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct ec_bus_port **port, const char **why)
{
    static char text[256];
    const uint64_t one = 1;
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
    rd_kafka_queue_t *from;

    *why = text;
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    *port = calloc(1, sizeof(**port));
    if (!*port || ((*port)->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0) {
        *why = "no event descriptor";
        free(*port);
        rd_kafka_destroy(rk);
        return NULL;
    }
    (*port)->queue = rd_kafka_queue_new(rk);
    if (type == RD_KAFKA_CONSUMER) {
        rd_kafka_poll_set_consumer(rk);
        from = rd_kafka_queue_get_consumer(rk);
    } else {
        from = rd_kafka_queue_get_main(rk);
    }
    rd_kafka_queue_forward(from, (*port)->queue);
    rd_kafka_queue_destroy(from);
    rd_kafka_set_log_queue(rk, (*port)->queue);
    uv_poll_init(ec_app.loop, &(*port)->poll, (*port)->fd);
    (*port)->poll.data = *port;
    uv_poll_start(&(*port)->poll, UV_READABLE, on_poll);
    rd_kafka_queue_io_event_enable((*port)->queue, (*port)->fd, &one, sizeof(one));
    wake(*port); /* for what came before the descriptor was enabled */
    return rk;
}

/* ------------------------------------------------------------------ the end of a client */

/* A question to the bus blocks a thread of the pool, and its client must not be destroyed meanwhile: the thread that destroys waits for
 * it. Freed on the loop when both are over; `users` is the loop's. */
struct ask {
    uv_work_t work;
    uv_mutex_t mutex; /* held while the client is used */
    rd_kafka_t *rk;   /* NULL: destroyed; guarded by mutex */
    const void *client; /* the same, for the loop's eyes */
    const struct rd_kafka_metadata *metadata;
    void (*done)(void *data, const struct rd_kafka_metadata *metadata);
    void *data;
    int users;
    struct ask *next;
};

struct end {
    uv_work_t work;
    rd_kafka_t *rk;
    struct ask *ask;
    void (*then)(void *data);
    void *data;
};

static struct ask *asks;

static void ask_leave(struct ask *ask)
{
    if (--ask->users)
        return;
    uv_mutex_destroy(&ask->mutex);
    free(ask);
}

static void ask_now(uv_work_t *work)
{
    struct ask *ask = work->data;

    uv_mutex_lock(&ask->mutex);
    if (ask->rk && rd_kafka_metadata(ask->rk, 1, NULL, &ask->metadata, METADATA_TIMEOUT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        ask->metadata = NULL;
    uv_mutex_unlock(&ask->mutex);
}

static void asked(uv_work_t *work, int status)
{
    struct ask *ask = work->data, **at = &asks;

    (void)status;
    while (*at && *at != ask)
        at = &(*at)->next;
    if (*at) { /* its client was not closed meanwhile */
        *at = ask->next;
        ask->done(ask->data, ask->metadata);
    }
    if (ask->metadata)
        rd_kafka_metadata_destroy(ask->metadata);
    ask_leave(ask);
}

void ec_bus_metadata(rd_kafka_t *rk, void (*done)(void *data, const struct rd_kafka_metadata *metadata), void *data)
{
    struct ask *ask = calloc(1, sizeof(*ask));

    if (!ask)
        abort();
    *ask = (struct ask){.rk = rk, .client = rk, .done = done, .data = data, .users = 1, .next = asks};
    ask->work.data = ask;
    uv_mutex_init(&ask->mutex);
    asks = ask;
    uv_queue_work(ec_app.loop, &ask->work, ask_now, asked);
}

static void destroy(uv_work_t *work)
{
    struct end *end = work->data;

    if (end->ask) {
        uv_mutex_lock(&end->ask->mutex);
        end->ask->rk = NULL;
        uv_mutex_unlock(&end->ask->mutex);
    }
    rd_kafka_destroy_flags(end->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void destroyed(uv_work_t *work, int status)
{
    struct end *end = work->data;

    (void)status;
    closing--;
    if (end->ask)
        ask_leave(end->ask);
    if (end->then)
        end->then(end->data);
    free(end);
}

void ec_bus_close(rd_kafka_t *rk, struct ec_bus_port *port, void (*then)(void *data), void *data)
{
    struct end *end = calloc(1, sizeof(*end));
    struct ask **at = &asks;

    if (!end)
        abort();
    rd_kafka_set_log_queue(rk, NULL);
    port_close(port);
    *end = (struct end){.rk = rk, .then = then, .data = data};
    while (*at && (*at)->client != rk)
        at = &(*at)->next;
    if (*at) { /* a client asks one thing at a time */
        end->ask = *at;
        end->ask->users++;
        *at = end->ask->next;
    }
    end->work.data = end;
    closing++;
    uv_queue_work(ec_app.loop, &end->work, destroy, destroyed);
}

size_t ec_bus_closing(void)
{
    return closing;
}

/* ------------------------------------------------------------------ logs and errors */

static void log_line(const char *role, rd_kafka_event_t *event)
{
    const char *facility, *text;
    int severity;

    if (rd_kafka_event_log(event, &facility, &text, &severity) == 0)
        ec_log(severity <= 2 ? EC_LOG_ERROR : severity <= 4 ? EC_LOG_WARN : EC_LOG_DEBUG, NULL, "bus", EC_L_STR("role", role),
               EC_L_STR("facility", facility), EC_L_STR("text", text));
}

bool ec_bus_event(rd_kafka_t *rk, const char *role, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t error;
    char why[256];

    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_LOG) {
        log_line(role, event);
        return false;
    }
    if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_ERROR)
        return false;
    error = rd_kafka_event_error(event);
    if (rd_kafka_event_error_is_fatal(event) || error == RD_KAFKA_RESP_ERR__FATAL) {
        error = rd_kafka_fatal_error(rk, why, sizeof(why));
        ec_log(EC_LOG_ERROR, NULL, "the bus client has failed and is made anew", EC_L_STR("role", role), EC_L_STR("error", rd_kafka_err2name(error)),
               EC_L_STR("why", error ? why : rd_kafka_event_error_string(event)));
        return true;
    }
    /* Connections that come and go are librdkafka's to repair, and its log tells of them. */
    if (error != RD_KAFKA_RESP_ERR__TRANSPORT && error != RD_KAFKA_RESP_ERR__RESOLVE)
        ec_log(EC_LOG_WARN, NULL, "bus error", EC_L_STR("role", role), EC_L_STR("error", rd_kafka_err2name(error)),
               EC_L_STR("why", rd_kafka_event_error_string(event)));
    return false;
}
