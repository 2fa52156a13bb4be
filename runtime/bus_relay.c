/* The outbox's way to the bus: each row becomes a message in the binary mode of CloudEvents, keyed by the topic's key field. */
#include <string.h>

#include "bus.h"
#include "bus_producer.h"
#include "json.h"
#include "relay.h"
#include "trace.h"

static bool produce(const struct ec_relay_row *row, void (*delivered)(void *data, bool ok), void *data)
{
    char id[37], time[40], topic[256], trace[EC_TRACEPARENT + 1];
    struct ec_bus_header headers[] = {
        {"ce_id", {id, 36}},
        {"ce_type", row->type},
        {"ce_source", ec_str_of(ec_app.service->name)},
        {"ce_specversion", EC_STR("1.0")},
        {"ce_time", {time, ec_time_format(row->created_at, time)}},
        {"content-type", EC_STR("application/json")},
        {"traceparent", {trace, EC_TRACEPARENT}},
    };
    size_t n = sizeof(headers) / sizeof(*headers);

    if (row->topic.n >= sizeof(topic))
        return false;
    memcpy(topic, row->topic.p, row->topic.n);
    topic[row->topic.n] = '\0';
    ec_uuid_format(row->event_id, id);
    ec_trace_format(&row->span, trace);
    return ec_bus_produce(&(struct ec_bus_record){.topic = topic,
                                                  .key = row->key,
                                                  .value = row->body,
                                                  .headers = headers,
                                                  .nheaders = row->traceparent.p ? n : n - 1,
                                                  .timestamp_ms = row->created_at / 1000},
                          delivered, data);
}

static const struct ec_relay_sink sink = {.ready = ec_bus_producer_ready, .produce = produce};

static void relay_configure(struct ec_app *app, struct ec_config_errors *errors)
{
    (void)app;
    ec_bus_configure(errors);
}

static int relay_start(struct ec_app *app, const char **why)
{
    if (ec_bus_producer_open(app, why))
        return -1;
    ec_relay_register(&sink);
    return 0;
}

static bool relay_idle(struct ec_app *app)
{
    (void)app;
    return ec_bus_producer_idle();
}

static void relay_stop(struct ec_app *app)
{
    (void)app;
    ec_bus_producer_close(); /* tells all that was on its way */
    ec_relay_register(NULL);
}

const struct ec_module ec_module_producer = {
    .name = "producer",
    .configure = relay_configure,
    .start = relay_start,
    .idle = relay_idle,
    .stop = relay_stop,
};
