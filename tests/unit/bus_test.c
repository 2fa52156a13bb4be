/* The shared part of tests of relay and consumers. */
#include "bus_test.h"

#include "trace.h"

/* The outbox stands in the test: what registers is what we call. */
const struct ec_relay_sink *sink;
void ec_relay_register(const struct ec_relay_sink *registered)
{
    sink = registered;
}

struct shown {
    struct ec_str id;
    int64_t n;
};
static const struct ec_field shown_fields[] = {
    {.name = "id", .kind = EC_TEXT, .offset = offsetof(struct shown, id)},
    {.name = "n", .kind = EC_INT, .offset = offsetof(struct shown, n)},
};
static const struct ec_record shown_record = {.name = "Shown", .size = sizeof(struct shown), .fields = shown_fields, .nfields = 2};
static struct ec_topic topic = {
    .partitions = 3, .key = "id", .retention_ms = 86400000, .types = (const char *const[]){"Hidden.v1", "Shown.v1", NULL}};
static const struct ec_event shown_event = {.name = "Shown", .version = 1, .topic = &topic, .body = &shown_record};
const struct ec_error error_broken = {"broken", 409, "It does not work"};

struct frame {
    struct shown in;
};

struct seen seen;
bool not_ready;

static void handle(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);
    int i = seen.calls;

    switch (task->step) {
    case 0:
        seen.calls++;
        seen.n[i] = f->in.n;
        snprintf(seen.id[i], sizeof(seen.id[i]), "%.*s", (int)f->in.id.n, f->in.id.p);
        snprintf(seen.key[i], sizeof(seen.key[i]), "%.*s", (int)task->key.n, task->key.p);
        seen.again[i] = task->again;
        seen.sampled[i] = task->trace.sampled;
        for (int b = 0; b < 16; b++)
            snprintf(seen.trace[i] + 2 * b, 3, "%02x", task->trace.trace_id[b]);
        if (++seen.in_flight > seen.most_in_flight)
            seen.most_in_flight = seen.in_flight;
        if (seen.hold) {
            seen.held = task;
            task->step = 1;
            return;
        }
        EC_AWAIT(task, 1, ec_task_resume_soon(task));
        seen.in_flight--;
        if (seen.fail_times > 0) {
            seen.fail_times--;
            ec_task_error(task, seen.fail_with, "%s", seen.fail_detail ? seen.fail_detail : "");
            ec_fail(task);
            return;
        }
        ec_reply(task, NULL);
    }
}

static struct ec_program program = {.name = "test.Shown", .run = handle, .frame_size = sizeof(struct frame), .in = &shown_record};
struct ec_consumer declared = {
    .event = &shown_event, .retries = 2, .backoff_min_ms = 5, .backoff_max_ms = 20, .dead_letter = true, .program = &program};

static const char *test_not_ready(struct ec_app *app)
{
    (void)app;
    return not_ready ? "its database is away" : NULL;
}
static const struct ec_module module_database = {.name = "database", .not_ready = test_not_ready};
static const struct ec_module *const modules[] = {&module_database, &ec_module_producer, &ec_module_consumer, NULL};
static const struct ec_topic *const topics[] = {&topic, NULL};
static struct ec_consumer other; /* the same in another group */
static const struct ec_consumer *const consumers[] = {&declared, NULL}, *const two_groups[] = {&declared, &other, NULL};
static struct ec_service service = {.name = "test-svc", .modules = modules, .topics = topics, .consumers = consumers};

/* ------------------------------------------------------------------ the bus */

static rd_kafka_t *mock_rk;
rd_kafka_mock_cluster_t *mock; /* NULL: a bus from outside */
const char *brokers;
static int round_number;
char topic_name[64], dead_name[80], group_name[64], other_group_name[64];

bool until(bool (*holds)(void), int ms)
{
    uint64_t end = uv_hrtime() + (uint64_t)ms * 1000000;

    while (!holds()) {
        if (uv_hrtime() > end)
            return false;
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
        usleep(200);
    }
    return true;
}

bool ready(void)
{
    return ec_bus_producer_ready();
}

static int start_with(const struct ec_consumer *const *list)
{
    const char *why;

    service.consumers = list;
    memset(&seen, 0, sizeof(seen));
    not_ready = false;
    snprintf(topic_name, sizeof(topic_name), "shows-%d-%d", (int)getpid(), ++round_number);
    snprintf(dead_name, sizeof(dead_name), "%s.dead-letter", topic_name);
    snprintf(group_name, sizeof(group_name), "test-svc.group-%d-%d", (int)getpid(), round_number);
    snprintf(other_group_name, sizeof(other_group_name), "test-svc.others-%d-%d", (int)getpid(), round_number);
    topic.name = topic_name;
    program.repeat = EC_REPEAT_READ;
    declared.group = group_name;
    declared.dead_letter = true;
    other = declared;
    other.group = other_group_name;
    if (mock) {
        rd_kafka_mock_topic_create(mock, topic_name, topic.partitions, 1);
        rd_kafka_mock_topic_create(mock, dead_name, topic.partitions, 1);
    }
    ec_bus_set_brokers(brokers);
    assert_int_equal(ec_module_producer.start(&ec_app, &why), 0);
    assert_int_equal(ec_module_consumer.start(&ec_app, &why), 0);
    assert_non_null(sink);
    assert_true(until(ready, 15000));
    return 0;
}

int start_all(void **state)
{
    (void)state;
    return start_with(consumers);
}

int start_transactions(void **state)
{
    int failed = start_all(state);

    program.repeat = EC_REPEAT_ATOMIC; /* before the group has partitions */
    return failed;
}

int start_two_groups(void **state)
{
    (void)state;
    return start_with(two_groups);
}

bool left(void)
{
    return ec_module_consumer.idle(&ec_app);
}

bool all_closed(void)
{
    return ec_bus_closing() == 0;
}

int stop_all(void **state)
{
    (void)state;
    ec_module_consumer.drain(&ec_app);
    assert_true(until(left, 15000));
    ec_module_consumer.stop(&ec_app);
    ec_module_producer.stop(&ec_app);
    assert_null(sink);
    assert_true(until(all_closed, 15000));
    ec_tasks_stop();
    for (int i = 0; i < 10; i++)
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
    assert_int_equal(ec_tasks_live, 0);
    return 0;
}

int delivered, undelivered, wanted;

static void on_delivered(void *data, bool ok)
{
    (void)data;
    *(ok ? &delivered : &undelivered) += 1;
}

bool all_told(void)
{
    return delivered + undelivered >= wanted;
}

bool all_seen(void)
{
    return seen.calls >= wanted && !seen.in_flight;
}

void send_typed(const char *key, int64_t n, const char *type, const char *body)
{
    char text[128];
    struct ec_relay_row row = {.id = n, .topic = ec_str_of(topic_name), .key = ec_str_of(key), .type = ec_str_of(type), .created_at = ec_now()};

    row.event_id.b[0] = 0xab;
    row.event_id.b[14] = (uint8_t)(n >> 8);
    row.event_id.b[15] = (uint8_t)n;
    row.traceparent = EC_STR("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01");
    assert_true(ec_trace_parse(row.traceparent, &row.span));
    snprintf(text, sizeof(text), "{\"id\":\"%s\",\"n\":%lld,\"later\":true}", key, (long long)n);
    row.body = ec_str_of(body ? body : text);
    assert_true(sink->produce(&row, on_delivered, NULL));
}

void send_one(const char *key, int64_t n)
{
    send_typed(key, n, "Shown.v1", NULL);
}

void await_seen(int n)
{
    wanted = n;
    assert_true(until(all_seen, 20000));
}

/* ------------------------------------------------------------------ reading back */

static void header_text(const rd_kafka_message_t *message, const char *name, char *out, size_t size)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t n;

    out[0] = '\0';
    if (!rd_kafka_message_headers(message, &headers) && !rd_kafka_header_get_last(headers, name, &value, &n))
        snprintf(out, size, "%.*s", (int)n, (const char *)value);
}

static void read_letter(const rd_kafka_message_t *message, struct letter *out)
{
    out->length = message->len;
    snprintf(out->key, sizeof(out->key), "%.*s", (int)message->key_len, (char *)message->key);
    snprintf(out->value, sizeof(out->value), "%.*s", (int)message->len, (char *)message->payload);
    header_text(message, "dead-letter-reason", out->reason, sizeof(out->reason));
    header_text(message, "dead-letter-detail", out->detail, sizeof(out->detail));
    header_text(message, "dead-letter-group", out->group, sizeof(out->group));
    header_text(message, "dead-letter-topic", out->from, sizeof(out->from));
    header_text(message, "dead-letter-partition", out->partition, sizeof(out->partition));
    header_text(message, "dead-letter-offset", out->offset, sizeof(out->offset));
    header_text(message, "dead-letter-attempts", out->attempts, sizeof(out->attempts));
    header_text(message, "dead-letter-time", out->time, sizeof(out->time));
    header_text(message, "note", out->note, sizeof(out->note));
    header_text(message, "ce_id", out->id, sizeof(out->id));
}

int read_topic(const char *name, struct letter *out, int most)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[128], mark[24];
    rd_kafka_t *rk;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(3);
    int n = 0;

    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
    rd_kafka_conf_set(conf, "group.id", "reader", why, sizeof(why));
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", why, sizeof(why));
    rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    memset(out, 0, (size_t)most * sizeof(*out));
    for (int i = 0; i < 3; i++)
        rd_kafka_topic_partition_list_add(list, name, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, list);
    for (int ends = 0; ends < 3;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 20000);
        assert_non_null(message);
        if (message->err) {
            assert_int_equal(message->err, RD_KAFKA_RESP_ERR__PARTITION_EOF);
            ends++;
        } else {
            header_text(message, "dead-letter-replayed", mark, sizeof(mark));
            if (!mark[0] && n++ < most)
                read_letter(message, &out[n - 1]);
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return n;
}

double metric(enum ec_metric_type type, const char *family, const char *labels)
{
    return ec_metric_value(ec_metric(type, family, "", labels));
}

double outcome(const char *name)
{
    char labels[200];

    snprintf(labels, sizeof(labels), "group=\"%s\",event=\"Shown.v1\",outcome=\"%s\"", group_name, name);
    return metric(EC_COUNTER, "ec_consumer_events_total", labels);
}

bool one_dead_letter(void)
{
    return outcome("dead-letter") >= 1;
}

bool one_dropped(void)
{
    return outcome("dropped") >= 1;
}

void send_raw(const char *name, struct ec_str key, struct ec_str value, const char *const *headers)
{
    struct ec_bus_header list[8];
    size_t n = 0;

    for (; *headers; headers += 2)
        list[n++] = (struct ec_bus_header){headers[0], ec_str_of(headers[1])};
    assert_true(ec_bus_produce(&(struct ec_bus_record){name, key, value, list, n, 0}, on_delivered, NULL));
}

int bus_test_run(int (*run)(void))
{
    char why[128];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int failed;

    brokers = getenv("TEST_KAFKA_BROKERS");
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof(why));
    mock_rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (!brokers) {
        mock = rd_kafka_mock_cluster_new(mock_rk, 1);
        brokers = rd_kafka_mock_cluster_bootstraps(mock);
    }
    ec_app.loop = uv_default_loop();
    ec_app.service = &service;
    failed = run();
    ec_bus_set_brokers(NULL);
    if (mock)
        rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(mock_rk);
    return failed;
}
