/* The first level of a keyspace, in the process: what it answers without asking Redis, for how long, and what ends it. */
#include "cache_fixture.h"

#include "cache_near.h"

enum { NEAR_MS = 60000 };

static int near_setup(void **state)
{
    things.near_ms = NEAR_MS;
    return setup(state);
}

/* What somebody else puts. */
static void other_puts(const char *key, int n)
{
    char name[64], value[64];

    snprintf(name, sizeof(name), "things:%s", key);
    snprintf(value, sizeof(value), "{\"n\":%d,\"name\":\"\"}", n);
    raw("SET", name, value);
}

/* How many reads Redis has had. */
static long reads;
static void on_info(void *data, const struct ec_redis_reply *reply)
{
    const char *at = "";
    char *text;

    (void)data;
    assert_non_null(reply);
    text = strndup(reply->text.p, reply->text.n);
    at = strstr(text, "cmdstat_mget:calls=");
    reads = at ? strtol(at + strlen("cmdstat_mget:calls="), NULL, 10) : 0;
    free(text);
    raw_done = true;
}
static long redis_reads(void)
{
    raw_done = false;
    EC_REDIS(on_info, NULL, EC_STR("INFO"), EC_STR("commandstats"));
    assert_true(fixture_until(raw_is_done, 5000));
    return reads;
}

static void pass(int ms)
{
    for (uint64_t end = uv_hrtime() + (uint64_t)ms * 1000000; uv_hrtime() < end; usleep(200))
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
}

static void gets(const char *key, int n)
{
    act(GET, key, 0);
    assert_true(found);
    assert_int_equal(found_n, n);
}

static void test_a_hit_asks_nobody(void **state)
{
    long before;

    (void)state;
    act(PUT, "a", 41);
    assert_int_equal(ec_near_values(), 0); /* what is put is not kept, only what is read */
    before = redis_reads();
    for (int i = 0; i < 5; i++) {
        gets("a", 41);
        assert_string_equal(found_name, "a \"name\"");
    }
    assert_int_equal(redis_reads() - before, 1);
    assert_int_equal(ec_near_values(), 1);
    act(GET, "nothing", 0);
    act(GET, "nothing", 0); /* a miss is not kept */
    assert_false(found);
    assert_int_equal(redis_reads() - before, 3);
    things.near_ms = 0;
    gets("a", 41);
    gets("a", 41);
    assert_int_equal(redis_reads() - before, 5);
}

static void test_counted(void **state)
{
    struct ec_metric *hits = ec_metric(EC_COUNTER, "ec_cache_reads_total", "", "keyspace=\"things\",outcome=\"hit\"");
    struct ec_metric *near = ec_metric(EC_COUNTER, "ec_cache_near_hits_total", "", "keyspace=\"things\"");
    struct ec_metric *bytes = ec_metric(EC_GAUGE, "ec_cache_near_bytes", "", "");
    double were = ec_metric_value(hits), were_near = ec_metric_value(near);

    (void)state;
    act(PUT, "c", 1);
    for (int i = 0; i < 3; i++)
        gets("c", 1);
    assert_int_equal(ec_metric_value(hits) - were, 3);
    assert_int_equal(ec_metric_value(near) - were_near, 2);
    assert_true(ec_metric_value(bytes) > 0 && ec_metric_value(bytes) == (double)ec_near_bytes());
    act(DROP, "c", 0);
    assert_true(ec_metric_value(bytes) == 0);
}

/* Whoever else puts or drops is seen once the time is over. */
static void test_others_are_seen_in_time(void **state)
{
    (void)state;
    things.near_ms = 150;
    other_puts("b", 1);
    uint64_t sent = uv_hrtime();
    gets("b", 1);
    other_puts("b", 2);
    act(GET, "b", 0);
    assert_true(found_n == 1 || uv_hrtime() - sent >= 150000000);
    pass(160);
    gets("b", 2);
    sent = uv_hrtime();
    raw("DEL", "things:b", NULL);
    act(GET, "b", 0);
    assert_true(found || uv_hrtime() - sent >= 150000000);
    pass(160);
    act(GET, "b", 0);
    assert_false(found);
    assert_int_equal(ec_near_values(), 0);
}

static void test_own_are_seen_at_once(void **state)
{
    (void)state;
    act(PUT, "d", 1);
    gets("d", 1);
    gets("d", 1);
    act(PUT, "d", 2);
    gets("d", 2);
    gets("d", 2);
    act(DROP, "d", 0);
    act(GET, "d", 0);
    assert_false(found);
    for (int put = 0; put < 2; put++) { /* at once: not only when it has been answered */
        act(PUT, "d", 3);
        gets("d", 3);
        begin(put ? PUT : DROP, "d", 4);
        begin(GET, "d", 0);
        assert_true(fixture_until(has_ended, 5000));
        assert_int_equal(found, put);
        assert_true(!put || found_n == 4);
    }
}

/* A read that was sent before the process's own drop brings the value of before: to who has asked, and to nobody else. */
static void test_a_read_under_way_is_not_kept(void **state)
{
    (void)state;
    for (int put = 0; put < 2; put++) {
        act(PUT, "e", 1);
        begin(GET, "e", 0);
        begin(put ? PUT : DROP, "e", 2);
        assert_true(fixture_until(has_ended, 5000));
        assert_int_equal(ec_near_values(), 0);
        act(GET, "e", 0);
        assert_int_equal(found, put);
        assert_true(!put || found_n == 2);
    }
}

static void test_forget_all_while_reading(void **state)
{
    struct ec_near_read read;
    struct ec_str value;

    (void)state;
    assert_false(ec_near_find(&things, EC_STR("f"), &value, &read));
    ec_near_forget_all();
    ec_near_keep(&things, EC_STR("f"), EC_STR("{}"), &read);
    assert_int_equal(ec_near_values(), 0);
}

/* The time counts from when the read was sent, whenever its answer comes. */
static void test_time_counts_from_sending(void **state)
{
    struct ec_near_read read;
    struct ec_str value;

    (void)state;
    things.near_ms = 400;
    assert_false(ec_near_find(&things, EC_STR("g"), &value, &read));
    read.sent_ns -= 400000000;
    ec_near_keep(&things, EC_STR("g"), EC_STR("{}"), &read);
    assert_int_equal(ec_near_values(), 0); /* over before it came */
    other_puts("g", 1);
    kill(fixture_redis_pid, SIGSTOP);
    begin(GET, "g", 0);
    pass(250);
    kill(fixture_redis_pid, SIGCONT);
    assert_true(fixture_until(has_ended, 5000));
    assert_true(found);
    other_puts("g", 2);
    pass(200);
    gets("g", 2);
    /* Of two reads the one that was sent later says how long. */
    assert_false(ec_near_find(&things, EC_STR("h"), &value, &read));
    struct ec_near_read later = read;
    later.sent_ns += 1000000;
    ec_near_keep(&things, EC_STR("h"), EC_STR("new"), &later);
    ec_near_keep(&things, EC_STR("h"), EC_STR("old"), &read);
    assert_true(ec_near_find(&things, EC_STR("h"), &value, &read));
    assert_true(ec_str_eq(value, EC_STR("new")));
}

static void test_a_value_that_does_not_fit_is_not_kept(void **state)
{
    (void)state;
    raw("SET", "things:i", "{\"n\":\"x\"}");
    act(GET, "i", 0);
    assert_false(found);
    assert_int_equal(ec_near_values(), 0);
    other_puts("i", 3);
    gets("i", 3);
}

static void keep(size_t i, struct ec_str value)
{
    struct ec_near_read read;
    struct ec_str found_value;
    char key[32];
    struct ec_str k = {key, (size_t)snprintf(key, sizeof(key), "key-%zu", i)};

    if (!ec_near_find(&things, k, &found_value, &read))
        ec_near_keep(&things, k, value, &read);
}
static bool has(size_t i)
{
    struct ec_near_read read;
    struct ec_str value;
    char key[32];

    return ec_near_find(&things, (struct ec_str){key, (size_t)snprintf(key, sizeof(key), "key-%zu", i)}, &value, &read);
}

/* So many and so much at most; who was asked for longest ago makes room. */
static void test_bounds(void **state)
{
    struct ec_buf large = {0};
    struct ec_str value;

    (void)state;
    for (size_t i = 0; i < EC_NEAR_VALUES; i++)
        keep(i, EC_STR("{}"));
    assert_int_equal(ec_near_values(), EC_NEAR_VALUES);
    assert_true(has(0)); /* asked for: it is the newest now */
    for (size_t i = 0; i < 100; i++)
        keep(EC_NEAR_VALUES + i, EC_STR("{}"));
    assert_int_equal(ec_near_values(), EC_NEAR_VALUES);
    assert_true(has(0));
    for (size_t i = 1; i <= 100; i++)
        assert_false(has(i));
    assert_true(has(101));
    ec_near_forget_all();
    assert_int_equal(ec_near_bytes(), 0);

    memset(ec_buf_reserve(&large, EC_NEAR_LARGEST), 'x', EC_NEAR_LARGEST);
    value = (struct ec_str){large.p, 60000};
    for (size_t i = 0; i < 2000; i++) {
        keep(i, value);
        assert_true(ec_near_bytes() <= EC_NEAR_BYTES && ec_near_values() > 0);
    }
    assert_true(ec_near_bytes() > EC_NEAR_BYTES - 70000);
    assert_true(has(1999) && !has(0));
    ec_near_forget_all();
    keep(1, (struct ec_str){large.p, EC_NEAR_LARGEST});
    assert_int_equal(ec_near_values(), 0); /* too large, with its key */
    keep(1, (struct ec_str){large.p, EC_NEAR_LARGEST - 5});
    assert_int_equal(ec_near_values(), 1);
    keep(2, (struct ec_str){"", 0});
    assert_true(has(2));
    ec_buf_free(&large);
}

/* What nobody asks for any more goes by and by, when others come. */
static void test_ended_values_go(void **state)
{
    (void)state;
    things.near_ms = 20;
    for (size_t i = 0; i < 100; i++)
        keep(i, EC_STR("{}"));
    pass(30);
    for (size_t i = 100; i < 130; i++)
        keep(i, EC_STR("{}"));
    assert_in_range(ec_near_values(), 1, 30);
}

static void test_large_values_come_from_redis(void **state)
{
    struct ec_buf value = {0};

    (void)state;
    ec_buf_str(&value, "{\"n\":9,\"name\":\"");
    memset(ec_buf_reserve(&value, EC_NEAR_LARGEST), 'x', EC_NEAR_LARGEST);
    value.n += EC_NEAR_LARGEST;
    ec_buf_str(&value, "\"}");
    ec_buf_add(&value, "", 1);
    raw("SET", "things:l", value.p);
    ec_buf_free(&value);
    gets("l", 9);
    assert_int_equal(ec_near_values(), 0);
    gets("l", 9);
}

/* While Redis is away the time goes on, and no longer. */
static void test_redis_goes_away(void **state)
{
    (void)state;
    things.near_ms = 1000;
    act(PUT, "m", 5);
    uint64_t sent = uv_hrtime();
    gets("m", 5);
    fixture_redis_stop();
    assert_true(fixture_until(fixture_redis_is_down, 5000));
    act(GET, "m", 0);
    assert_true(found || uv_hrtime() - sent >= 1000000000);
    pass(1000);
    act(GET, "m", 0);
    assert_false(found);
}

/* A drop that Redis can't be told holds here all the same, until it has been told. */
static void test_a_drop_that_waits(void **state)
{
    (void)state;
    act(PUT, "o", 7);
    gets("o", 7);
    kill(fixture_redis_pid, SIGSTOP); /* it keeps the old value, and we can't reach it */
    act(DROP, "o", 0);
    assert_int_equal(ec_cache_pending_drops(), 1);
    act(GET, "o", 0);
    assert_false(found);
    kill(fixture_redis_pid, SIGCONT);
    for (int turns = 0; ec_cache_pending_drops() && turns < 20000; turns++) {
        act(GET, "o", 0); /* what Redis still has is not kept either */
        assert_false(found);
        assert_int_equal(ec_near_values(), 0);
        usleep(100);
    }
    assert_int_equal(ec_cache_pending_drops(), 0);
    act(PUT, "o", 8);
    gets("o", 8);
}

static bool no_drops(void)
{
    return ec_cache_pending_drops() == 0;
}

/* Redis refuses the drop, and a read that was sent behind it brings the old value before that is known. */
static void test_a_drop_that_is_refused(void **state)
{
    (void)state;
    act(PUT, "q", 1);
    raw("REPLICAOF", "127.0.0.1", "1"); /* of nobody: it answers reads, and no write */
    begin(DROP, "q", 0);
    begin(GET, "q", 0);
    assert_true(fixture_until(has_ended, 5000));
    assert_int_equal(ec_cache_pending_drops(), 1);
    assert_int_equal(ec_near_values(), 0);
    act(GET, "q", 0);
    assert_false(found);
    raw("REPLICAOF", "NO", "ONE");
    assert_true(fixture_until(no_drops, 5000));
    act(GET, "q", 0);
    assert_false(found);
}

static struct ec_cache_version version;
static int answers;
static void on_fetched(void *data, bool answered, struct ec_str value, const struct ec_cache_version *at)
{
    (void)data;
    assert_true(answered && !value.p);
    version = *at;
    answers++;
}
static void on_stored(void *data)
{
    (void)data;
    answers++;
}
static bool has_answers(void)
{
    return answers == 2 && running == 0;
}
static bool has_fetched(void)
{
    return answers == 1;
}

/* Redis has lost the script by which the value is put, and is given it anew: what was read between is older. */
static void test_a_put_that_is_sent_twice(void **state)
{
    (void)state;
    answers = 0;
    ec_cache_fetch(&things, EC_STR("r"), on_fetched, NULL);
    assert_true(fixture_until(has_fetched, 5000));
    raw("SCRIPT", "FLUSH", NULL);
    other_puts("r", 1);
    ec_cache_store(&things, EC_STR("r"), EC_STR("{\"n\":2,\"name\":\"\"}"), &version, on_stored, NULL);
    begin(GET, "r", 0);
    assert_true(fixture_until(has_answers, 5000));
    assert_int_equal(found_n, 1); /* or this shows nothing */
    gets("r", 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, near_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_hit_asks_nobody), TEST(test_counted), TEST(test_others_are_seen_in_time), TEST(test_own_are_seen_at_once),
        TEST(test_a_read_under_way_is_not_kept), TEST(test_forget_all_while_reading), TEST(test_time_counts_from_sending),
        TEST(test_a_value_that_does_not_fit_is_not_kept), TEST(test_bounds), TEST(test_ended_values_go),
        TEST(test_large_values_come_from_redis), TEST(test_redis_goes_away), TEST(test_a_drop_that_waits),
        TEST(test_a_drop_that_is_refused), TEST(test_a_put_that_is_sent_twice),
    };

    ec_app.loop = uv_default_loop();
    return cmocka_run_group_tests(tests, NULL, fixture_redis_end);
}
