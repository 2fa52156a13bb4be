/* Relay and consumers on librdkafka's mock cluster: delivery with headers, order, repeats, dead letters, a fatal producer, leaving. With
 * TEST_KAFKA_BROKERS they run on that bus instead, which then also shows that topics are created. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "app.h"
#include "bus.h"
#include "bus_producer.h"
#include "json.h"
#include "relay.h"

/* The outbox stands in the test: what registers is what we call. */
static const struct ec_relay_sink *sink;
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
static struct ec_topic topic = {.partitions = 3, .key = "id"};
static const struct ec_event shown_event = {.name = "Shown", .version = 1, .topic = &topic, .body = &shown_record};
static const struct ec_error error_broken = {"broken", 409, "It does not work"};

struct frame {
    struct shown in;
};

/* What the handler saw, and how often it is to fail. */
static struct {
    int calls, in_flight, most_in_flight, fail_times;
    const struct ec_error *fail_with;
    int64_t n[4096];
    char id[4096][16], key[4096][160], trace[4096][33];
    struct ec_task *held;
    bool hold;
} seen;
static bool not_ready;

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
            ec_fail_with(task, seen.fail_with);
            return;
        }
        ec_reply(task, NULL);
    }
}

static const struct ec_program program = {.name = "test.Shown", .run = handle, .frame_size = sizeof(struct frame), .in = &shown_record};
static struct ec_consumer declared = {
    .event = &shown_event, .retries = 2, .backoff_min_ms = 5, .backoff_max_ms = 20, .dead_letter = true, .program = &program};

static const char *test_not_ready(struct ec_app *app)
{
    (void)app;
    return not_ready ? "its database is away" : NULL;
}
static const struct ec_module module_database = {.name = "database", .not_ready = test_not_ready};
static const struct ec_module *const modules[] = {&module_database, &ec_module_producer, &ec_module_consumer, NULL};
static const struct ec_topic *const topics[] = {&topic, NULL};
static const struct ec_consumer *const consumers[] = {&declared, NULL};
static const struct ec_service service = {.name = "test-svc", .modules = modules, .topics = topics, .consumers = consumers};

/* ------------------------------------------------------------------ the bus */

static rd_kafka_t *mock_rk;
static rd_kafka_mock_cluster_t *mock; /* NULL: a bus from outside */
static const char *brokers;
static int round_number;
static char topic_name[64], dead_name[80], group_name[64];

static bool until(bool (*holds)(void), int ms)
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

static bool ready(void)
{
    return ec_bus_producer_ready();
}

static int start_all(void **state)
{
    const char *why;

    (void)state;
    memset(&seen, 0, sizeof(seen));
    not_ready = false;
    snprintf(topic_name, sizeof(topic_name), "shows-%d-%d", (int)getpid(), ++round_number);
    snprintf(dead_name, sizeof(dead_name), "%s.dead-letter", topic_name);
    snprintf(group_name, sizeof(group_name), "test-svc.group-%d-%d", (int)getpid(), round_number);
    topic.name = topic_name;
    declared.group = group_name;
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

static bool left(void)
{
    return ec_module_consumer.idle(&ec_app);
}

static bool all_closed(void)
{
    return ec_bus_closing() == 0;
}

static int stop_all(void **state)
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

static int delivered, undelivered, wanted;

static void on_delivered(void *data, bool ok)
{
    (void)data;
    *(ok ? &delivered : &undelivered) += 1;
}

static bool all_told(void)
{
    return delivered + undelivered >= wanted;
}

static bool all_seen(void)
{
    return seen.calls >= wanted && !seen.in_flight;
}

static void send_typed(const char *key, int64_t n, const char *type, const char *body)
{
    char text[128];
    struct ec_relay_row row = {.id = n, .topic = ec_str_of(topic_name), .key = ec_str_of(key), .type = ec_str_of(type), .created_at = ec_now()};

    row.event_id.b[0] = 0xab;
    row.event_id.b[14] = (uint8_t)(n >> 8);
    row.event_id.b[15] = (uint8_t)n;
    row.traceparent = EC_STR("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01");
    snprintf(text, sizeof(text), "{\"id\":\"%s\",\"n\":%lld,\"later\":true}", key, (long long)n);
    row.body = ec_str_of(body ? body : text);
    assert_true(sink->produce(&row, on_delivered, NULL));
}

static void send_one(const char *key, int64_t n)
{
    send_typed(key, n, "Shown.v1", NULL);
}

static void await_seen(int n)
{
    wanted = n;
    assert_true(until(all_seen, 20000));
}

/* ------------------------------------------------------------------ reading back */

struct letter {
    int n;
    char reason[128], from[64], offset[16], value[128], id[40];
};

static void header_text(const rd_kafka_message_t *message, const char *name, char *out, size_t size)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t n;

    out[0] = '\0';
    if (!rd_kafka_message_headers(message, &headers) && !rd_kafka_header_get_last(headers, name, &value, &n))
        snprintf(out, size, "%.*s", (int)n, (const char *)value);
}

static void read_topic(const char *name, struct letter *out)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[128];
    rd_kafka_t *rk;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(3);

    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
    rd_kafka_conf_set(conf, "group.id", "reader", why, sizeof(why));
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", why, sizeof(why));
    rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    memset(out, 0, sizeof(*out));
    for (int i = 0; i < 3; i++)
        rd_kafka_topic_partition_list_add(list, name, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, list);
    for (int ends = 0; ends < 3;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 10000);
        assert_non_null(message);
        if (message->err) {
            assert_int_equal(message->err, RD_KAFKA_RESP_ERR__PARTITION_EOF);
            ends++;
        } else {
            out->n++;
            snprintf(out->value, sizeof(out->value), "%.*s", (int)message->len, (char *)message->payload);
            header_text(message, "dead-letter-reason", out->reason, sizeof(out->reason));
            header_text(message, "dead-letter-topic", out->from, sizeof(out->from));
            header_text(message, "dead-letter-offset", out->offset, sizeof(out->offset));
            header_text(message, "ce_id", out->id, sizeof(out->id));
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}

static double outcome(const char *name)
{
    char labels[200];

    snprintf(labels, sizeof(labels), "group=\"%s\",event=\"Shown.v1\",outcome=\"%s\"", group_name, name);
    return ec_metric_value(ec_metric(EC_COUNTER, "ec_consumer_events_total", "", labels));
}

static bool one_dead_letter(void)
{
    return outcome("dead-letter") >= 1;
}

static bool one_dropped(void)
{
    return outcome("dropped") >= 1;
}

/* ------------------------------------------------------------------ tests */

static void test_event_arrives_whole(void **state)
{
    char key[160];

    (void)state;
    send_one("a", 7);
    await_seen(1);
    assert_int_equal(seen.n[0], 7);
    assert_string_equal(seen.id[0], "a");
    snprintf(key, sizeof(key), "event/%s/ab000000-0000-0000-0000-000000000007", group_name);
    assert_string_equal(seen.key[0], key);
    assert_string_equal(seen.trace[0], "0123456789abcdef0123456789abcdef");
}

static void test_order_of_a_key(void **state)
{
    static const char *const keys[] = {"a", "b", "c", "d", "e"};
    int64_t last[5] = {-1, -1, -1, -1, -1};

    (void)state;
    for (int i = 0; i < 2000; i++) /* more than a partition keeps here: fetching pauses and goes on */
        send_one(keys[i % 5], i);
    await_seen(2000);
    assert_int_equal(seen.calls, 2000);
    for (int i = 0; i < 2000; i++) {
        int k = seen.id[i][0] - 'a';
        assert_true(seen.n[i] > last[k]);
        last[k] = seen.n[i];
    }
    assert_in_range(seen.most_in_flight, 1, 3);
}

static void test_unknown_types_are_skipped(void **state)
{
    (void)state;
    send_typed("a", 1, "Shown.v2", NULL);
    send_typed("a", 2, "Other.v1", "not json");
    send_one("a", 3);
    await_seen(1);
    assert_int_equal(seen.n[0], 3);
}

static void test_failure_is_repeated_in_order(void **state)
{
    (void)state;
    seen.fail_times = 2;
    seen.fail_with = &ec_error_unavailable;
    send_one("a", 1);
    send_one("a", 2);
    await_seen(4);
    assert_int_equal(seen.n[0], 1);
    assert_int_equal(seen.n[1], 1);
    assert_int_equal(seen.n[2], 1);
    assert_int_equal(seen.n[3], 2);
}

static void test_dead_letter_after_retries(void **state)
{
    struct letter letter;

    (void)state;
    seen.fail_times = 3;
    seen.fail_with = &error_broken;
    send_one("a", 1);
    send_one("a", 2);
    await_seen(4);
    assert_true(until(one_dead_letter, 10000));
    assert_int_equal(seen.n[3], 2);
    read_topic(dead_name, &letter);
    assert_int_equal(letter.n, 1);
    assert_string_equal(letter.reason, "broken");
    assert_string_equal(letter.from, topic_name);
    assert_string_equal(letter.offset, "0");
    assert_string_equal(letter.value, "{\"id\":\"a\",\"n\":1,\"later\":true}");
    assert_string_equal(letter.id, "ab000000-0000-0000-0000-000000000001");
}

static void test_poison(void **state)
{
    struct letter letter;

    (void)state;
    send_typed("a", 1, "Shown.v1", "{\"id\":\"a\"");
    send_one("a", 2);
    await_seen(1);
    assert_int_equal(seen.n[0], 2);
    assert_true(until(one_dead_letter, 10000));
    read_topic(dead_name, &letter);
    assert_int_equal(letter.n, 1);
    assert_memory_equal(letter.reason, "poison: ", 8);
    assert_string_equal(letter.value, "{\"id\":\"a\"");
}

static void test_drop(void **state)
{
    (void)state;
    declared.dead_letter = false;
    seen.fail_times = 3;
    seen.fail_with = &error_broken;
    send_one("a", 1);
    await_seen(3);
    assert_true(until(one_dropped, 10000));
    declared.dead_letter = true;
}

static void test_not_ready_costs_no_attempt(void **state)
{
    (void)state;
    not_ready = true;
    seen.fail_times = 6;
    seen.fail_with = &ec_error_unavailable;
    send_one("a", 1);
    await_seen(7);
    assert_int_equal((int)outcome("dead-letter"), 0);
    assert_int_equal((int)outcome("retried"), 6);
    not_ready = false;
}

static void test_fatal_producer_is_replaced(void **state)
{
    (void)state;
    delivered = undelivered = 0;
    if (mock)
        rd_kafka_mock_broker_set_down(mock, -1);
    for (int i = 0; i < 5; i++)
        send_one("a", i);
    ec_bus_producer_break();
    wanted = 5;
    assert_true(until(all_told, 15000)); /* nothing is left without an answer */
    assert_int_equal(delivered + undelivered, 5);
    if (mock) {
        assert_int_equal(undelivered, 5);
        rd_kafka_mock_broker_set_up(mock, -1);
    }
    assert_true(until(ready, 15000));
    for (int i = 0; i < 5; i++)
        send_one("a", i);
    wanted = 10;
    assert_true(until(all_told, 30000));
    assert_true(delivered >= 5);
    await_seen(5);
}

static bool handler_holds(void)
{
    return seen.held != NULL;
}

/* Message 1 may come again as well: it was done, but no one had the time to commit it. */
static bool second_is_repeated(void)
{
    return seen.calls >= 3 && seen.n[seen.calls - 1] == 2 && !seen.in_flight;
}

static void test_offset_is_stored_after_the_effect(void **state)
{
    const char *why;

    (void)state;
    send_one("a", 1);
    await_seen(1);
    seen.hold = true;
    send_one("a", 2);
    assert_true(until(handler_holds, 10000));
    /* The process stops with the handler in flight: message 2 is not done, message 1 is. */
    ec_module_consumer.drain(&ec_app);
    assert_false(left());
    seen.hold = false;
    ec_module_consumer.stop(&ec_app);
    ec_task_resume_soon(seen.held); /* ends after its partition is gone */
    wanted = 2;
    assert_true(until(all_seen, 5000));
    assert_true(until(all_closed, 15000));
    assert_int_equal(ec_module_consumer.start(&ec_app, &why), 0);
    assert_true(until(second_is_repeated, 20000));
}

static void test_second_member_takes_over(void **state)
{
    const char *why;

    (void)state;
    for (int i = 0; i < 20; i++)
        send_one("a", i);
    await_seen(20);
    ec_module_consumer.drain(&ec_app);
    assert_true(until(left, 15000)); /* leaves the group and commits */
    ec_module_consumer.stop(&ec_app);
    assert_true(until(all_closed, 15000));
    assert_int_equal(ec_module_consumer.start(&ec_app, &why), 0);
    send_one("a", 20);
    await_seen(21);
    assert_int_equal(seen.calls, 21); /* nothing was handled twice */
    assert_int_equal(seen.n[20], 20);
}

static rd_kafka_t *guest;

static bool guest_has_a_part(void)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    rd_kafka_message_t *message = rd_kafka_consumer_poll(guest, 0);
    bool has;

    if (message)
        rd_kafka_message_destroy(message);
    has = !rd_kafka_assignment(guest, &list) && list && list->cnt > 0;
    if (list)
        rd_kafka_topic_partition_list_destroy(list);
    return has;
}

static bool last_is_seen(void)
{
    return seen.calls > 0 && seen.n[seen.calls - 1] == 399 && !seen.in_flight;
}

/* A partition that is paused, because more waits here than is kept, goes away and comes back: it is read on. */
static void test_paused_over_a_rebalance(void **state)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[128];

    (void)state;
    seen.hold = true;
    for (int i = 0; i < 400; i++)
        send_one("a", i);
    assert_true(until(handler_holds, 20000));
    assert_false(until(last_is_seen, 1000)); /* meanwhile the others come, up to the bound */
    rd_kafka_conf_set(conf, "group.id", group_name, why, sizeof(why));
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
    rd_kafka_conf_set(conf, "partition.assignment.strategy", "roundrobin,range", why, sizeof(why));
    guest = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    assert_non_null(guest);
    rd_kafka_poll_set_consumer(guest);
    rd_kafka_topic_partition_list_add(list, topic_name, RD_KAFKA_PARTITION_UA);
    assert_int_equal(rd_kafka_subscribe(guest, list), 0);
    rd_kafka_topic_partition_list_destroy(list);
    assert_true(until(guest_has_a_part, 30000));
    rd_kafka_destroy(guest); /* leaves */
    seen.hold = false;
    seen.in_flight = 0;
    ec_task_resume_soon(seen.held);
    assert_true(until(last_is_seen, 40000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_event_arrives_whole, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_order_of_a_key, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_unknown_types_are_skipped, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_failure_is_repeated_in_order, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_dead_letter_after_retries, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_poison, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_drop, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_not_ready_costs_no_attempt, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_fatal_producer_is_replaced, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_offset_is_stored_after_the_effect, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_second_member_takes_over, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_paused_over_a_rebalance, start_all, stop_all),
    };
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
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    ec_bus_set_brokers(NULL);
    if (mock)
        rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(mock_rk);
    return failed;
}
