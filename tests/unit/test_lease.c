/* Leases of a limit on a real server: how many are admitted, what Redis is asked for, and what is lost. */
#include "redis_fixture.h"

#include "limiter.h"
#include "siphash.h"

/* Two processes with one bucket are two limits of the same numbers: what is held is held by limit and client. */
static const struct ec_limit slow = {.per_second = 0.01, .burst = 40, .lease = 8, .by_address = true};
static const struct ec_limit slow_beside = {.per_second = 0.01, .burst = 40, .lease = 8, .by_address = true};
static const struct ec_limit fast = {.per_second = 1000, .burst = 100, .lease = 50, .by_address = true};
static const struct ec_limit fast_beside = {.per_second = 1000, .burst = 100, .lease = 50, .by_address = true};
static const struct ec_limit wide = {.per_second = 100, .burst = 200, .lease = 16, .by_address = true, .when_down_allow = true};
static const struct ec_limit brief = {.per_second = 2, .burst = 4, .lease = 2, .by_address = true};

static int answers, wanted, allowed, local;
static struct ec_limit_verdict last;
static struct {
    int who;
    bool allowed;
} order[256];

static void on_verdict(void *data, const struct ec_limit_verdict *verdict)
{
    if (answers < 256) {
        order[answers].who = data ? *(int *)data : 0;
        order[answers].allowed = verdict->allowed;
    }
    answers++;
    allowed += verdict->allowed;
    local += verdict->local;
    last = *verdict;
}

static bool all_answered(void)
{
    return answers >= wanted;
}

static void begin(const struct ec_limit *of, const char *who, int n)
{
    static int numbers[256];

    wanted = n;
    answers = allowed = local = 0;
    for (int i = 0; i < n; i++) {
        numbers[i % 256] = i;
        ec_limiter_take(of, ec_str_of(who), on_verdict, &numbers[i % 256]);
    }
}

static void take(const struct ec_limit *of, const char *who, int n)
{
    begin(of, who, n);
    assert_true(fixture_until(all_answered, 10000));
}

/* One after another, as one who waits for each answer. */
static int take_each(const struct ec_limit *of, const char *who, int n)
{
    int sum = 0;

    for (int i = 0; i < n; i++) {
        take(of, who, 1);
        sum += allowed;
    }
    return sum;
}

static long calls, calls_before;
static bool counted;

static void on_stats(void *data, const struct ec_redis_reply *reply)
{
    static const char name[] = "cmdstat_bitfield:calls=";
    char text[16384];
    const char *at;

    (void)data;
    assert_non_null(reply);
    assert_true(reply->text.n < sizeof(text));
    memcpy(text, reply->text.p, reply->text.n);
    text[reply->text.n] = '\0';
    at = strstr(text, name);
    calls = at ? atol(at + strlen(name)) : 0;
    counted = true;
}

static bool is_counted(void)
{
    return counted;
}

/* Questions that the server has been asked since the last time. */
static long asked(void)
{
    long now;

    counted = false;
    EC_REDIS(on_stats, NULL, EC_STR("INFO"), EC_STR("commandstats"));
    assert_true(fixture_until(is_counted, 5000));
    now = calls - calls_before;
    calls_before = calls;
    return now;
}

static int setup(void **state)
{
    (void)state;
    fixture_redis_begin();
    ec_limiter_open();
    asked();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ec_limiter_close();
    fixture_module_stop();
    return 0;
}

/* ------------------------------------------------------------------ how many */

static void test_exact(void **state)
{
    (void)state;
    assert_int_equal(take_each(&slow, "exact", 100), 40);
    assert_int_equal(asked(), 6); /* five leases and a refusal */
    assert_int_equal(take_each(&slow, "another", 8), 8);
    assert_int_equal(asked(), 1);
}

static void test_two_holders(void **state)
{
    (void)state;
    assert_int_equal(take_each(&slow, "two", 3), 3); /* and holds five */
    assert_int_equal(take_each(&slow_beside, "two", 100), 32);
    assert_int_equal(take_each(&slow, "two", 100), 5);
    assert_int_equal(asked(), 1 + 5 + 1);
}

static void wait_until(uint64_t ns)
{
    while (uv_hrtime() < ns) {
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

/* In some time: what the plain limit would admit, and what each held when it began. */
static void test_bound(void **state)
{
    const double window_s = 0.3;
    uint64_t began;
    int sum = 0;

    (void)state;
    take(&fast, "bound", 1);
    take(&fast_beside, "bound", 1);
    wait_until(uv_hrtime() + 120000000); /* until the bucket is full again, while 49 are held by each */
    began = uv_hrtime();
    while ((double)(uv_hrtime() - began) < window_s * 1e9)
        sum += take_each(&fast, "bound", 1) + take_each(&fast_beside, "bound", 1);
    assert_in_range(sum, 200, (int)(100 + 2 * 50 + 1000 * ((double)(uv_hrtime() - began) / 1e9) + 1));
}

/* A second, in which more tokens come back than were taken; or the time that these take. */
static void test_life(void **state)
{
    uint64_t began = uv_hrtime();

    (void)state;
    take(&slow, "long life", 1);
    asked();
    take(&wide, "life", 1);
    wait_until(began + 700000000);
    take(&wide, "life", 1);
    assert_int_equal(local, 1);
    assert_int_equal(asked(), 1);
    wait_until(began + 1050000000);
    take(&wide, "life", 1);
    assert_int_equal(local, 0);
    assert_int_equal(asked(), 1);
    assert_int_equal(last.remaining, 199); /* the bucket is full again, and those of before are lost */
    take(&slow, "long life", 1);
    assert_int_equal(local, 1);
}

/* ------------------------------------------------------------------ what Redis is asked */

static void test_refusal_is_remembered(void **state)
{
    uint64_t began, took;

    (void)state;
    assert_int_equal(take_each(&brief, "refused", 5), 4);
    began = uv_hrtime();
    assert_int_equal(asked(), 3);
    take(&brief, "refused", 5000);
    assert_int_equal(local, 5000);
    assert_int_equal(allowed, 0);
    assert_true(last.known);
    assert_int_equal(last.retry_s, 1);
    assert_int_equal(last.remaining, 0);
    assert_in_range(last.reset_s, 1, 2);
    assert_int_equal(asked(), 0);
    while (!take_each(&brief, "refused", 1))
        usleep(500);
    took = uv_hrtime() - began;
    assert_in_range(took, 350000000, 1500000000); /* the next token comes within half a second */
    assert_in_range(asked(), 1, 5);               /* it may be asked a round trip too early */
}

static void test_coalesced(void **state)
{
    (void)state;
    take(&wide, "together", 64);
    assert_int_equal(allowed, 64);
    assert_int_equal(local, 0);
    assert_int_equal(asked(), 4);
    for (int i = 0; i < 64; i++)
        assert_int_equal(order[i].who, i);
    take(&wide, "together", 10);
    assert_int_equal(asked(), 1);
    take(&slow, "too many together", 64);
    assert_int_equal(allowed, 40);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(order[i].who, i);
        assert_int_equal(order[i].allowed, i < 40);
    }
    assert_int_equal(asked(), 6);
}

/* A verdict of what is held is there before ec_limiter_take returns. */
static void test_at_once(void **state)
{
    (void)state;
    take(&wide, "at once", 1);
    begin(&wide, "at once", 15);
    assert_int_equal(answers, 15);
    assert_int_equal(local, 15);
    begin(&wide, "at once", 1);
    assert_int_equal(answers, 0);
    assert_true(fixture_until(all_answered, 5000));
    assert_int_equal(asked(), 2);
}

static int left;

static void on_verdict_again(void *data, const struct ec_limit_verdict *verdict)
{
    on_verdict(data, verdict);
    if (left-- > 0)
        ec_limiter_take(&slow, EC_STR("again"), on_verdict_again, data);
}

/* Whoever is answered asks again at once: behind those who wait. */
static void test_asks_again(void **state)
{
    static int numbers[2] = {0, 1};

    (void)state;
    answers = allowed = local = 0;
    left = wanted = 100;
    wanted += 2;
    ec_limiter_take(&slow, EC_STR("again"), on_verdict_again, &numbers[0]);
    ec_limiter_take(&slow, EC_STR("again"), on_verdict_again, &numbers[1]);
    assert_true(fixture_until(all_answered, 5000));
    assert_int_equal(answers, 102);
    assert_int_equal(allowed, 40);
    for (int i = 0; i < 40; i++)
        assert_int_equal(order[i].who, i % 2);
    assert_int_equal(asked(), 6);
}

static void test_counters(void **state)
{
    struct ec_metric *all = ec_metric(EC_COUNTER, "ec_limiter_requests_total", "", "verdict=\"allowed\"");
    struct ec_metric *no = ec_metric(EC_COUNTER, "ec_limiter_requests_total", "", "verdict=\"refused\"");
    struct ec_metric *here = ec_metric(EC_COUNTER, "ec_limiter_local_total", "", "");
    double before[] = {ec_metric_value(all), ec_metric_value(no), ec_metric_value(here)};

    (void)state;
    take_each(&slow, "counted", 50);
    assert_int_equal((int)(ec_metric_value(all) - before[0]), 40);
    assert_int_equal((int)(ec_metric_value(no) - before[1]), 10);
    assert_int_equal((int)(ec_metric_value(here) - before[2]), 50 - 6);
}

static void test_fields(void **state)
{
    struct ec_buf buf = {0};

    (void)state;
    take(&wide, "fields", 1);
    ec_limiter_headers(&buf, &wide, &last);
    ec_buf_add(&buf, "", 1);
    assert_string_equal(buf.p, "RateLimit-Policy: \"default\";q=200;w=2\r\nRateLimit: \"default\";r=199;t=1\r\n");
    buf.n = 0;
    take(&wide, "fields", 1);
    ec_limiter_headers(&buf, &wide, &last);
    ec_buf_add(&buf, "", 1);
    assert_string_equal(buf.p, "RateLimit-Policy: \"default\";q=200;w=2\r\nRateLimit: \"default\";r=198;t=1\r\n");
    buf.n = 0;
    take(&slow, "fields of another", 41);
    take(&slow, "fields of another", 1);
    assert_int_equal(local, 1);
    ec_limiter_headers(&buf, &slow, &last);
    ec_buf_add(&buf, "", 1);
    assert_string_equal(buf.p, "RateLimit-Policy: \"default\";q=40;w=4000\r\nRateLimit: \"default\";r=0;t=4000\r\nRetry-After: 100\r\n");
    ec_buf_free(&buf);
}

/* ------------------------------------------------------------------ Redis away, and too many clients */

static void test_away_and_back(void **state)
{
    (void)state;
    take(&wide, "away", 1);
    take(&slow, "away", 1);
    fixture_redis_stop();
    assert_true(fixture_until(fixture_redis_is_down, 5000));
    take(&wide, "away", 15); /* held */
    assert_int_equal(local, 15);
    take(&wide, "away", 3);
    assert_int_equal(allowed, 3);
    assert_int_equal(local, 0);
    assert_false(last.known);
    take(&slow, "away", 10);
    assert_int_equal(local, 7);
    assert_int_equal(allowed, 7);
    assert_false(last.known);
    take(&slow, "away", 2); /* that nobody answered is not remembered, but asked again */
    assert_int_equal(local, 0);
    assert_int_equal(allowed, 0);
    fixture_redis_start();
    calls_before = 0;
    assert_true(fixture_until(fixture_redis_is_up, 10000));
    assert_int_equal(take_each(&slow, "away", 100), 40);
    assert_int_equal(asked(), 6);
}

/* What waits when the connection ends is answered, once. */
static void test_lost_under_way(void **state)
{
    (void)state;
    begin(&wide, "lost", 30);
    ec_module_redis.stop(&ec_app);
    assert_int_equal(answers, 30);
    assert_int_equal(allowed, 30);
    assert_false(last.known);
    for (int i = 0; i < 20; i++)
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
    fixture_module_start();
    assert_true(fixture_until(fixture_redis_is_up, 5000));
}

static void many(int from, int to)
{
    char who[32];

    for (int i = from; i < to;) {
        answers = allowed = local = 0;
        for (wanted = 0; wanted < 1024 && i < to; wanted++, i++) {
            snprintf(who, sizeof(who), "one of many %d", i);
            ec_limiter_take(&slow, ec_str_of(who), on_verdict, NULL);
        }
        assert_true(fixture_until(all_answered, 10000));
        assert_int_equal(allowed, wanted);
    }
}

static void test_too_many_clients(void **state)
{
    (void)state;
    take(&slow, "used", 1);
    take(&slow, "left alone", 1);
    many(0, 10000);
    take(&slow, "used", 1);
    assert_int_equal(local, 1);
    many(10000, 16384);
    asked();
    take(&slow, "used", 1); /* not among the oldest */
    assert_int_equal(local, 1);
    take(&slow, "left alone", 1); /* what was held is lost */
    assert_int_equal(local, 0);
    assert_int_equal(last.remaining, 40 - 8 - 1);
    assert_int_equal(asked(), 1);
    assert_int_equal(take_each(&slow, "left alone", 100), 40 - 8 - 1);
}

/* As many as there are, of each number that a question can be for. */
static void test_of_each_size(void **state)
{
    char who[32];

    (void)state;
    for (int lease = 2; lease <= 20; lease++) {
        struct ec_limit limit = {.per_second = 0.01, .burst = 40, .lease = lease, .by_address = true};
        snprintf(who, sizeof(who), "size %d", lease);
        assert_int_equal(take_each(&limit, who, 50), 40);
        assert_int_equal(asked(), (40 + lease - 1) / lease + 1);
    }
    for (int lease = 2; lease <= 500000; lease = lease * 5 / 2 + 1) {
        struct ec_limit limit = {.per_second = 1.0 / 86400, .burst = 1000000, .lease = lease, .by_address = true};
        snprintf(who, sizeof(who), "large size %d", lease);
        take(&limit, who, 1);
        assert_int_equal(allowed, 1);
        assert_int_equal(last.remaining, 1000000 - 1);
        take(&limit, who, 1);
        assert_int_equal(local, 1);
        assert_int_equal(last.remaining, 1000000 - 2);
    }
    ec_limiter_close(); /* these limits are gone */
}

/* ------------------------------------------------------------------ the hash */

/* From the reference implementation: bytes 0, 1, 2, ... under the key 0, 1, ... 15. */
static void test_hash(void **state)
{
    static const struct {
        size_t n;
        uint64_t hash;
    } known[] = {
        {0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd}, {7, 0xab0200f58b01d137}, {8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5}};
    uint8_t bytes[16];

    (void)state;
    for (int i = 0; i < 16; i++)
        bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_true(ec_siphash(bytes, bytes, known[i].n) == known[i].hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test_setup_teardown(test_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_each_size, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_holders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_life, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusal_is_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_coalesced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_asks_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_away_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_clients, setup, teardown),
    };

    ec_app.loop = uv_default_loop();
    return cmocka_run_group_tests(tests, NULL, fixture_redis_end);
}
