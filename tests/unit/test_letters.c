/* Poison messages and dead letters: what becomes one and what it carries, that nothing else stops or is lost, and the command that lists,
 * shows and sends back. */
#include "bus_test.h"

#include <ctype.h>
#include <jansson.h>

#include "bus_letters_cmd.h"

#define TYPED "ce_type", "Shown.v1"

static char labels[300];

static const char *group_labels(const char *group, const char *reason)
{
    snprintf(labels, sizeof(labels), reason ? "group=\"%s\",reason=\"%s\"" : "group=\"%s\"", group, reason);
    return labels;
}

static int letters_counted(const char *reason)
{
    return (int)metric(EC_COUNTER, "ec_dead_letters_total", group_labels(group_name, reason));
}

static int waiting(void)
{
    return (int)metric(EC_GAUGE, "ec_dead_letters_waiting", group_labels(group_name, NULL));
}

static bool others_dead(void)
{
    snprintf(labels, sizeof(labels), "group=\"%s\",event=\"other\",outcome=\"dead-letter\"", group_name);
    return metric(EC_COUNTER, "ec_consumer_events_total", labels) >= 2;
}

static void raw(const char *key, const char *value, const char *const *headers)
{
    send_raw(topic_name, ec_str_of(key), value ? ec_str_of(value) : (struct ec_str){NULL, 0}, headers);
}
#define RAW(key, value, ...) raw(key, value, (const char *const[]){__VA_ARGS__, NULL})

/* ------------------------------------------------------------------ the command */

static char *out, *err;

static char *taken(FILE *file, int saved, int fd)
{
    long n;
    char *text;

    dup2(saved, fd);
    close(saved);
    n = ftell(file);
    assert_true(n >= 0);
    text = calloc(1, (size_t)n + 1);
    rewind(file);
    assert_int_equal(fread(text, 1, (size_t)n, file), n);
    fclose(file);
    return text;
}

/* The words after `dead-letters`. What it says is in out and err. */
static int command(const char *const *words)
{
    char *argv[8] = {(char[]){"dead-letters"}};
    FILE *files[2] = {tmpfile(), tmpfile()};
    int saved[2] = {dup(1), dup(2)}, argc = 1, code;

    while (*words)
        argv[argc++] = (char *)(uintptr_t)*words++;
    fflush(NULL);
    dup2(fileno(files[0]), 1);
    dup2(fileno(files[1]), 2);
    code = ec_dead_letter_commands[0].run(&ec_app, argc, argv);
    fflush(NULL);
    fseek(files[0], 0, SEEK_END);
    fseek(files[1], 0, SEEK_END);
    free(out);
    free(err);
    err = taken(files[1], saved[1], 2);
    out = taken(files[0], saved[0], 1);
    return code;
}
#define COMMAND(...) command((const char *const[]){__VA_ARGS__, NULL})

/* The letters as JSON, oldest first. */
static json_t *listed(size_t n)
{
    json_t *list;

    assert_int_equal(COMMAND("list", "--format=json"), 0);
    list = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(list);
    assert_int_equal(json_array_size(list), n);
    return list;
}

static const char *text_of(json_t *list, size_t i, const char *name)
{
    return json_string_value(json_object_get(json_array_get(list, i), name));
}

/* ------------------------------------------------------------------ how they come about */

static void test_after_retries(void **state)
{
    struct letter letter;
    int64_t time;

    (void)state;
    seen.fail_times = 3;
    seen.fail_with = &error_broken;
    seen.fail_detail = "gear 3 is missing";
    RAW("a", "{\"id\":\"a\",\"n\":1,\"later\":true}", TYPED, "ce_id", "first", "note", "by hand");
    send_one("a", 2);
    await_seen(4);
    assert_true(until(one_dead_letter, 10000));
    assert_int_equal(seen.n[3], 2);
    assert_int_equal(read_topic(dead_name, &letter, 1), 1);
    assert_string_equal(letter.reason, "broken");
    assert_string_equal(letter.detail, "gear 3 is missing");
    assert_string_equal(letter.group, group_name);
    assert_string_equal(letter.from, topic_name);
    assert_in_range(atoi(letter.partition), 0, 2);
    assert_string_equal(letter.offset, "0");
    assert_string_equal(letter.attempts, "3");
    assert_true(ec_time_parse(ec_str_of(letter.time), &time) && ec_now() - time < 60000000);
    assert_string_equal(letter.key, "a");
    assert_string_equal(letter.value, "{\"id\":\"a\",\"n\":1,\"later\":true}");
    assert_string_equal(letter.note, "by hand");
    assert_string_equal(letter.id, "first");
    assert_int_equal(letters_counted("broken"), 1);
    assert_int_equal(waiting(), 0);
}

static void test_kinds_of_poison(void **state)
{
    static const char *const reasons[] = {"malformed", "malformed", "invalid", "unknown-type", "unknown-type"};
    struct letter letters[8];
    int found[3] = {0};

    (void)state;
    RAW("a", "{\"id\":\"a\"", TYPED, "note", "0");
    RAW("a", NULL, TYPED, "note", "1");
    RAW("a", "{\"id\":\"a\",\"n\":\"seven\"}", TYPED, "note", "2");
    RAW("a", "{}", "ce_type", "Shown.v2", "note", "3");
    RAW("a", "{}", "note", "4");
    RAW("a", "not json", "ce_type", "Hidden.v1", "note", "5"); /* the topic's, but none of ours */
    send_one("a", 1);
    send_one("b", 2);
    await_seen(2);
    assert_true(until(others_dead, 20000));
    assert_int_equal((int)outcome("dead-letter"), 3);
    assert_int_equal(read_topic(dead_name, letters, 8), 5);
    for (int i = 0; i < 5; i++) {
        int kind = atoi(letters[i].note);

        assert_string_equal(letters[i].reason, reasons[kind]);
        assert_string_equal(letters[i].attempts, "0");
        assert_non_null(letters[i].detail[0] ? letters[i].detail : NULL);
        assert_null(strstr(letters[i].detail, "seven")); /* no value */
        found[kind < 2 ? 0 : kind < 3 ? 1 : 2]++;
        if (kind == 0)
            assert_string_equal(letters[i].value, "{\"id\":\"a\"");
    }
    assert_int_equal(found[0] * 100 + found[1] * 10 + found[2], 212);
    assert_int_equal(letters_counted("malformed"), 2);
    assert_int_equal(letters_counted("invalid"), 1);
    assert_int_equal(letters_counted("unknown-type"), 2);
}

static bool two_dropped(void)
{
    snprintf(labels, sizeof(labels), "group=\"%s\",event=\"other\",outcome=\"dropped\"", group_name);
    return outcome("dropped") >= 2 && metric(EC_COUNTER, "ec_consumer_events_total", labels) >= 1;
}

static void test_drop(void **state)
{
    struct letter letter;

    (void)state;
    declared.dead_letter = false;
    seen.fail_times = 3;
    seen.fail_with = &error_broken;
    send_one("a", 1);
    RAW("a", "{", TYPED);
    RAW("a", "{}", "ce_type", "Nobodys.v1");
    await_seen(3);
    assert_true(until(two_dropped, 10000));
    assert_int_equal(read_topic(dead_name, &letter, 1), 0);
}

/* As large as a message may be: with its headers the letter is larger than that. */
static void test_large(void **state)
{
    static char big[999800];
    struct letter letter;

    (void)state;
    memset(big, 'x', sizeof(big));
    send_raw(topic_name, EC_STR("a"), (struct ec_str){big, sizeof(big)}, (const char *const[]){TYPED, NULL});
    send_one("a", 1);
    await_seen(1);
    assert_int_equal(read_topic(dead_name, &letter, 1), 1);
    assert_int_equal(letter.length, sizeof(big));
}

static void restart_consumer(void)
{
    const char *why;

    ec_module_consumer.drain(&ec_app);
    assert_true(until(left, 15000));
    ec_module_consumer.stop(&ec_app);
    assert_true(until(all_closed, 15000));
    assert_int_equal(ec_module_consumer.start(&ec_app, &why), 0);
}

static bool it_waits(void)
{
    return waiting() == 1;
}

static bool some_seen(void)
{
    return seen.calls >= 3 && !seen.in_flight;
}

static void test_letters_cannot_be_written(void **state)
{
    const char *why, *const keys[] = {"b", "c", "d", "e", "f", "g", "h", "i", "j", "k"};
    rd_kafka_resp_err_t errors[200];
    struct letter letter;

    (void)state;
    if (!mock)
        skip();
    ec_module_consumer.drain(&ec_app);
    assert_true(until(left, 15000));
    ec_module_consumer.stop(&ec_app);
    assert_true(until(all_closed, 15000));
    delivered = 0;
    RAW("a", "{", TYPED);
    send_one("a", 100);
    for (int i = 0; i < 10; i++)
        send_one(keys[i], i);
    wanted = 12;
    assert_true(until(all_told, 20000));
    for (int i = 0; i < 200; i++)
        errors[i] = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    rd_kafka_mock_push_request_errors_array(mock, 0, 200, errors);
    assert_int_equal(ec_module_consumer.start(&ec_app, &why), 0);
    assert_true(until(it_waits, 20000));
    assert_true(until(some_seen, 20000)); /* other partitions go on */
    for (int i = 0; i < seen.calls; i++)
        assert_int_not_equal(seen.n[i], 100); /* this one waits */
    assert_int_equal((int)outcome("dead-letter"), 0);
    restart_consumer(); /* in the middle: nothing was stored, so it comes again */
    assert_true(until(it_waits, 20000));
    rd_kafka_mock_clear_request_errors(mock, 0);
    assert_true(until(one_dead_letter, 20000));
    wanted = 11;
    assert_true(until(all_seen, 20000));
    assert_int_equal(waiting(), 0);
    assert_int_equal(read_topic(dead_name, &letter, 1), 1);
}

/* ------------------------------------------------------------------ the command */

static bool five_seen(void)
{
    return seen.calls >= 5 && !seen.in_flight;
}

static void test_replay(void **state)
{
    char id[200], again[220], first_key[160];
    struct letter letters[4];
    json_t *list, *source;

    (void)state;
    assert_int_equal(COMMAND("list"), 0);
    assert_string_equal(out, "");
    seen.fail_times = 3;
    seen.fail_with = &error_broken;
    send_one("a", 1);
    assert_true(until(one_dead_letter, 20000));
    send_one("b", 2);
    await_seen(4);
    snprintf(first_key, sizeof(first_key), "event/%s/ab000000-0000-0000-0000-000000000001", group_name);
    list = listed(1);
    snprintf(id, sizeof(id), "%s", text_of(list, 0, "id"));
    assert_memory_equal(id, dead_name, strlen(dead_name));
    assert_string_equal(text_of(list, 0, "group"), group_name);
    assert_string_equal(text_of(list, 0, "type"), "Shown.v1");
    assert_string_equal(text_of(list, 0, "event_id"), "ab000000-0000-0000-0000-000000000001");
    assert_string_equal(text_of(list, 0, "key"), "a");
    assert_string_equal(text_of(list, 0, "reason"), "broken");
    assert_string_equal(text_of(list, 0, "value"), "{\"id\":\"a\",\"n\":1,\"later\":true}");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "attempts")), 3);
    assert_true(json_is_null(json_object_get(json_array_get(list, 0), "replayed")));
    source = json_object_get(json_array_get(list, 0), "source");
    assert_string_equal(json_string_value(json_object_get(source, "topic")), topic_name);
    assert_int_equal(json_integer_value(json_object_get(source, "offset")), 0);
    json_decref(list);

    assert_int_equal(COMMAND("show", id), 0);
    assert_non_null(strstr(out, "dead-letter-reason: broken\n"));
    assert_non_null(strstr(out, "ce_id: ab000000-0000-0000-0000-000000000001\n"));
    assert_non_null(strstr(out, "\n\n29 bytes\n{\"id\":\"a\",\"n\":1,\"later\":true}\n"));

    assert_int_equal(COMMAND("replay", id), 0);
    snprintf(again, sizeof(again), "%s replayed\n", id);
    assert_string_equal(out, again);
    assert_true(until(five_seen, 20000));
    assert_int_equal(seen.n[4], 1);
    assert_true(seen.again[4] && !seen.again[0]);
    assert_string_equal(seen.key[4], first_key); /* the same event */
    assert_string_equal(seen.key[0], seen.key[1]);

    /* Once is enough. */
    assert_int_equal(COMMAND("replay", id), 0);
    assert_string_equal(out, "");
    assert_non_null(strstr(err, "already"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(COMMAND("replay", "--all"), 0);
        assert_string_equal(out, "");
    }
    list = listed(1);
    assert_true(json_is_string(json_object_get(json_array_get(list, 0), "replayed")));
    json_decref(list);
    assert_int_equal(COMMAND("list"), 0);
    assert_non_null(strstr(out, "  (replayed)\n"));
    assert_int_equal(read_topic(topic_name, letters, 4), 3);
    for (int i = 0; i < 3; i++) { /* as it was, without what made it a letter */
        assert_string_equal(letters[i].reason, "");
        assert_string_equal(letters[i].group, "");
    }
    send_one("b", 3);
    await_seen(6);
    assert_int_equal(seen.calls, 6);
}

static bool dead_letters_are(int n)
{
    return outcome("dead-letter") >= n;
}

static bool three_dead(void)
{
    return dead_letters_are(3);
}

static bool six_dead(void)
{
    return dead_letters_are(6);
}

static void test_replay_all(void **state)
{
    char key[3][160];
    json_t *list;

    (void)state;
    declared.retries = 0;
    seen.fail_times = 6;
    seen.fail_with = &error_broken;
    for (int i = 0; i < 3; i++)
        RAW("a", "{\"id\":\"a\",\"n\":1}", TYPED); /* without an id: known by where it stood first */
    assert_true(until(three_dead, 20000));
    for (int i = 0; i < 3; i++)
        snprintf(key[i], sizeof(key[i]), "%s", seen.key[i]);
    assert_string_not_equal(key[0], key[1]);
    assert_int_equal(COMMAND("replay", "--all", "--format", "json"), 0);
    list = json_loads(out, 0, NULL);
    assert_int_equal(json_array_size(list), 3);
    json_decref(list);
    assert_true(until(six_dead, 20000)); /* they fail again, as letters of their own */
    json_decref(listed(6));
    assert_int_equal(COMMAND("replay", "--all"), 0);
    assert_non_null(strstr(err, "3 replayed"));
    await_seen(9);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(seen.key[3 + i], key[i]);
        assert_string_equal(seen.key[6 + i], key[i]);
    }
    assert_int_equal((int)outcome("dead-letter"), 6);
    assert_int_equal(COMMAND("replay", "--all"), 0);
    assert_string_equal(out, "");
    assert_int_equal(COMMAND("list", "--limit", "2"), 0);
    assert_non_null(strstr(err, "4 older ones"));
    assert_ptr_equal(strchr(strchr(out, '\n') + 1, '\n')[1] ? out : NULL, NULL);
    declared.retries = 2;
}

static bool both_dead(void)
{
    return letters_counted("malformed") >= 1 &&
           metric(EC_COUNTER, "ec_dead_letters_total", group_labels(other_group_name, "malformed")) >= 1;
}

static bool other_dead_again(void)
{
    return metric(EC_COUNTER, "ec_dead_letters_total", group_labels(other_group_name, "malformed")) >= 2;
}

static bool one_skipped(void)
{
    return outcome("skipped") >= 1;
}

/* Two groups have a letter each of one message. One is sent back: only its group takes it. */
static void test_replay_is_for_one_group(void **state)
{
    struct letter letters[4];
    char id[200] = "";
    json_t *list;

    (void)state;
    RAW("a", "{", TYPED, "note", "by hand");
    assert_true(until(both_dead, 20000));
    list = listed(2);
    for (size_t i = 0; i < 2; i++)
        if (!strcmp(text_of(list, i, "group"), other_group_name))
            snprintf(id, sizeof(id), "%s", text_of(list, i, "id"));
    json_decref(list);
    assert_int_equal(COMMAND("replay", id), 0);
    assert_true(until(other_dead_again, 20000));
    assert_true(until(one_skipped, 20000));
    assert_int_equal(letters_counted("malformed"), 1);
    assert_int_equal(read_topic(dead_name, letters, 4), 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(letters[i].value, "{");
        assert_string_equal(letters[i].note, "by hand");
    }
}

static void check_harmless(void)
{
    for (const char *p = out; *p; p++)
        assert_true(*p == '\n' || *p == '\t' || (*p >= ' ' && *p != 0x7f));
}

static void test_nothing_reaches_the_terminal(void **state)
{
    char id[200];
    json_t *list;

    (void)state;
    RAW("a\x1b[2J\xc2\x9b", "{\x1b]0;title\x07 \xe2\x80\xae\n\ttext", TYPED, "note\x1b", "\x1b[31m\r\x7f\xff");
    assert_true(until(one_dead_letter, 20000));
    assert_int_equal(COMMAND("list"), 0);
    check_harmless();
    assert_non_null(strstr(out, "a\\x1b[2J\\u{9b}"));
    list = listed(1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "value")), "{\x1b]0;title\x07 \xe2\x80\xae\n\ttext");
    snprintf(id, sizeof(id), "%s", text_of(list, 0, "id"));
    json_decref(list);
    assert_int_equal(COMMAND("show", id), 0);
    check_harmless();
    assert_non_null(strstr(out, "{\\x1b]0;title\\x07 \\u{202e}\n\ttext\n"));
    assert_non_null(strstr(out, "note\\x1b: \\x1b[31m\\x0d\\x7f\\xff\n"));
}

static void test_bytes_that_are_no_text(void **state)
{
    char id[200];
    json_t *list;

    (void)state;
    RAW("\xff\x01", "{\xff\x01 not text, and longer", TYPED, "dead-letter-replayed", "0"); /* which makes it no mark */
    assert_true(until(one_dead_letter, 20000));
    list = listed(1);
    assert_string_equal(json_string_value(json_object_get(json_object_get(json_array_get(list, 0), "key"), "hex")), "ff01");
    snprintf(id, sizeof(id), "%s", text_of(list, 0, "id"));
    json_decref(list);
    assert_int_equal(COMMAND("show", id), 0);
    check_harmless();
    assert_non_null(strstr(out, "\n24 bytes\n00000000  7b ff 01 20 6e 6f"));
}

static void test_refusals(void **state)
{
    char id[200];
    struct letter letters[8];

    (void)state;
    assert_int_equal(COMMAND("list", "more"), 64);
    assert_int_equal(COMMAND("lost"), 64);
    assert_int_equal(COMMAND("replay"), 64);
    assert_int_equal(COMMAND("replay", "--all", "x/0/0"), 64);
    assert_int_equal(COMMAND("show", "--all"), 64);
    assert_int_equal(COMMAND("list", "--limit", "0"), 64);
    assert_int_equal(COMMAND("list", "--format", "xml"), 64);
    assert_int_equal(COMMAND("show", "7"), 64);
    assert_int_equal(COMMAND("show", "x/y/7"), 64);
    assert_non_null(strstr(err, "TOPIC/PARTITION/OFFSET"));
    assert_int_equal(COMMAND("show", "no-such.dead-letter/0/7"), 1);
    snprintf(id, sizeof(id), "%s/0/7", dead_name);
    assert_int_equal(COMMAND("show", id), 1);
    assert_non_null(strstr(err, id));
    assert_int_equal(COMMAND("replay", id), 1);
    assert_ptr_equal(strchr(err, '\n')[1] ? err : NULL, NULL); /* one line */

    /* Of a group that is no more, of another topic, of another service, of nobody. */
    delivered = 0;
    wanted = 4;
    for (int i = 0; i < 3; i++) {
        const char *const from[3][2] = {{"test-svc.gone", topic_name}, {group_name, "elsewhere"}, {"test.x", topic_name}};

        send_raw(dead_name, EC_STR("a"), EC_STR("1"),
                 (const char *const[]){"dead-letter-group", from[i][0], "dead-letter-topic", from[i][1], NULL});
    }
    send_raw(dead_name, EC_STR("a"), EC_STR("4"), (const char *const[]){NULL});
    assert_true(until(all_told, 20000));
    json_decref(listed(2));
    assert_int_equal(COMMAND("replay", "--all"), 1);
    assert_string_equal(out, "");
    assert_non_null(strstr(err, "its group takes nothing from that topic any more"));
    assert_non_null(strstr(err, "0 replayed"));
    assert_int_equal(read_topic(topic_name, letters, 8), 0);

    ec_bus_set_brokers("127.0.0.1:1");
    assert_int_equal(COMMAND("list"), 1);
    assert_non_null(strstr(err, "the bus does not answer"));
    ec_bus_set_brokers(brokers);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_after_retries, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_kinds_of_poison, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_drop, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_large, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_letters_cannot_be_written, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_replay, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_replay_all, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_replay_is_for_one_group, start_two_groups, stop_all),
        cmocka_unit_test_setup_teardown(test_nothing_reaches_the_terminal, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_bytes_that_are_no_text, start_all, stop_all),
        cmocka_unit_test_setup_teardown(test_refusals, start_all, stop_all),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(out);
    free(err);
    return failed;
}

int main(void)
{
    return bus_test_run(run);
}
