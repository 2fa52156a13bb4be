/* Relay and consumers on librdkafka's mock cluster: delivery with headers, order, repeats, a fatal producer, leaving. With
 * TEST_KAFKA_BROKERS they run on that bus instead, which then also shows that topics are created. */
#include "bus_test.h"
#include "span.h"

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

/* Who publishes without a trace begins one, which is recorded as the process was told, and not each. */
static void test_a_trace_that_begins_with_an_event(void **state)
{
    const char *const headers[] = {"ce_type", "Shown.v1", NULL};
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};

    (void)state;
    setenv("OTEL_TRACES_SAMPLER_ARG", "0", 1);
    ec_spans_configure(&errors);
    send_raw(topic_name, EC_STR("a"), EC_STR("{\"id\":\"a\",\"n\":1}"), headers);
    await_seen(1);
    assert_false(seen.sampled[0]);
    send_one("a", 2); /* this one asks for it */
    await_seen(2);
    assert_true(seen.sampled[1]);
    setenv("OTEL_TRACES_SAMPLER_ARG", "1", 1);
    ec_spans_configure(&errors);
    unsetenv("OTEL_TRACES_SAMPLER_ARG");
    send_raw(topic_name, EC_STR("a"), EC_STR("{\"id\":\"a\",\"n\":3}"), headers);
    await_seen(3);
    assert_true(seen.sampled[2]);
    ec_spans_stop();
}

static void test_order_of_a_key(void **state)
{
    static const char *const keys[] = {"a", "b", "c", "d", "e"};
    int64_t last[5] = {-1, -1, -1, -1, -1};

    (void)state;
    for (int i = 0; i < 2000; i++) /* more than is taken of a partition at once */
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

/* What is repeated comes again before the next of its key. */
static void test_keys_side_by_side(void **state)
{
    int64_t last[26];
    char key[2] = "a";

    (void)state;
    memset(last, -1, sizeof(last));
    seen.fail_times = 300;
    seen.fail_with = &ec_error_conflict; /* costs no attempt */
    for (int i = 0; i < 2000; i++) {
        key[0] = (char)('a' + i % 26);
        send_one(key, i);
    }
    await_seen(2300);
    assert_int_equal(seen.calls, 2300);
    assert_int_equal((int)outcome("retried"), 300);
    assert_int_equal((int)outcome("done"), 2000);
    for (int i = 0; i < 2300; i++) {
        int k = seen.id[i][0] - 'a';
        assert_true(seen.n[i] == last[k] || seen.n[i] == (last[k] < 0 ? k : last[k] + 26));
        last[k] = seen.n[i];
    }
    assert_in_range(seen.most_in_flight, 4, 26);
}

static bool handler_holds(void)
{
    return seen.held != NULL;
}

static bool others_are_seen(void)
{
    return seen.calls == 251;
}

/* More than are taken at once wait for the first of their key: the others go on. */
static void test_others_pass_a_queue(void **state)
{
    char key[2] = "b";

    (void)state;
    seen.hold = true;
    send_one("a", 0);
    assert_true(until(handler_holds, 10000));
    seen.hold = false;
    for (int i = 1; i <= 300; i++)
        send_one("a", i);
    assert_false(until(others_are_seen, 1000)); /* they have come meanwhile */
    for (int i = 0; i < 250; i++) {
        key[0] = (char)('b' + i % 25);
        send_one(key, i);
    }
    assert_true(until(others_are_seen, 10000));
    ec_task_resume_soon(seen.held);
    await_seen(551);
}

static void test_no_key_is_one_key(void **state)
{
    const char *const headers[] = {"ce_type", "Shown.v1", NULL};
    const char *body = "{\"id\":\"a\",\"n\":1}";

    (void)state;
    for (int i = 0; i < 200; i++)
        send_raw(topic_name, (struct ec_str){NULL, 0}, ec_str_of(body), headers);
    await_seen(200);
    assert_in_range(seen.most_in_flight, 1, 3); /* partitions */
}

static void test_other_types_are_skipped(void **state)
{
    (void)state;
    send_typed("a", 1, "Hidden.v1", NULL);
    send_typed("a", 2, "Hidden.v1", "not json");
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

/* Message 1 may come again as well: it was done, but no one had the time to commit it. */
static bool second_is_repeated(void)
{
    return seen.calls >= 3 && seen.n[seen.calls - 1] == 2 && !seen.in_flight;
}

/* Ends the process, in which n calls have been, with one of them under way, and begins the next. */
static void restart_over_the_held(int n)
{
    const char *why;

    seen.hold = false;
    ec_module_consumer.stop(&ec_app);
    ec_task_resume_soon(seen.held); /* ends after its partition is gone */
    wanted = n;
    assert_true(until(all_seen, 5000));
    assert_true(until(all_closed, 15000));
    assert_int_equal(ec_module_consumer.start(&ec_app, &why), 0);
}

static void test_offset_is_stored_after_the_effect(void **state)
{
    (void)state;
    send_one("a", 1);
    await_seen(1);
    seen.hold = true;
    send_one("a", 2);
    assert_true(until(handler_holds, 10000));
    /* The process stops with the handler in flight: message 2 is not done, message 1 is. */
    ec_module_consumer.drain(&ec_app);
    assert_false(left());
    restart_over_the_held(2);
    assert_true(until(second_is_repeated, 20000));
}

static bool others_pass(void)
{
    return seen.calls == 31 && seen.in_flight == 1;
}

static bool first_is_repeated(void)
{
    for (int i = 31; i < seen.calls; i++)
        if (!seen.n[i])
            return true;
    return false;
}

/* The first of a partition is under way, those of other keys are through: after a stop nothing of the partition counts as stored. */
static void test_offset_waits_for_the_first(void **state)
{
    char key[3] = "b";

    (void)state;
    seen.hold = true;
    send_one("a", 0);
    assert_true(until(handler_holds, 10000));
    seen.hold = false;
    for (int i = 1; i <= 30; i++) {
        snprintf(key, sizeof(key), "%c%c", 'b' + i % 10, 'a' + i / 10);
        send_one(key, i);
    }
    assert_true(until(others_pass, 10000));
    ec_module_consumer.drain(&ec_app);
    restart_over_the_held(31);
    assert_true(until(first_is_repeated, 20000));
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

static const char *config_of(const char *name, const char *setting, char value[64])
{
    char why[128];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    rd_kafka_ConfigResource_t *asked = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
    const rd_kafka_ConfigResource_t **found;
    const rd_kafka_ConfigEntry_t **entries;
    rd_kafka_event_t *event;
    size_t n;

    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    queue = rd_kafka_queue_new(rk);
    rd_kafka_DescribeConfigs(rk, &asked, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, 20000);
    assert_non_null(event);
    assert_int_equal(rd_kafka_event_error(event), 0);
    found = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &n);
    assert_int_equal(n, 1);
    entries = rd_kafka_ConfigResource_configs(found[0], &n);
    value[0] = '\0';
    for (size_t i = 0; i < n; i++)
        if (!strcmp(rd_kafka_ConfigEntry_name(entries[i]), setting))
            snprintf(value, 64, "%s", rd_kafka_ConfigEntry_value(entries[i]));
    rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(asked);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
    return value;
}

/* On a bus with an Admin API. */
static void test_topics_are_made(void **state)
{
    char value[64];

    (void)state;
    assert_string_equal(config_of(topic_name, "retention.ms", value), "86400000");
    assert_string_equal(config_of(dead_name, "max.message.bytes", value), "2097152");
    assert_string_equal(config_of(dead_name, "cleanup.policy", value), "delete");
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
    return seen.calls > 0 && seen.n[seen.calls - 1] == 799 && !seen.in_flight;
}

/* A partition of which no more is taken, because enough waits here, goes away and comes back: it is read on. */
static void test_full_over_a_rebalance(void **state)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[128];

    (void)state;
    seen.hold = true;
    for (int i = 0; i < 800; i++)
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

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_event_arrives_whole, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_a_trace_that_begins_with_an_event, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_order_of_a_key, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_keys_side_by_side, start_transactions, stop_all),
        cmocka_unit_test_setup_teardown(test_no_key_is_one_key, start_transactions, stop_all),
        cmocka_unit_test_setup_teardown(test_others_pass_a_queue, start_transactions, stop_all),
        cmocka_unit_test_setup_teardown(test_failure_is_repeated_in_order, start_transactions, stop_all),
        cmocka_unit_test_setup_teardown(test_offset_is_stored_after_the_effect, start_transactions, stop_all),
        cmocka_unit_test_setup_teardown(test_offset_waits_for_the_first, start_transactions, stop_all),
        cmocka_unit_test_setup_teardown(test_other_types_are_skipped, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_failure_is_repeated_in_order, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_not_ready_costs_no_attempt, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_fatal_producer_is_replaced, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_offset_is_stored_after_the_effect, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_second_member_takes_over, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_full_over_a_rebalance, start_all, stop_all),
    };
    const struct CMUnitTest of_a_real_bus[] = {cmocka_unit_test_setup_teardown(test_topics_are_made, start_all, stop_all)};

    return cmocka_run_group_tests(tests, NULL, NULL) + (mock ? 0 : cmocka_run_group_tests(of_a_real_bus, NULL, NULL));
}

int main(void)
{
    return bus_test_run(run);
}
