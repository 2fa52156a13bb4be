/* The limiter on a real server: the bucket, its fields, and what happens without Redis. */
#include "redis_fixture.h"

#include "limiter.h"
#include "redis_clock.h"

static const struct ec_limit limit = {.per_second = 100, .burst = 200, .by_address = true, .when_down_allow = true};
static const struct ec_limit strict = {.per_second = 0.5, .burst = 2, .by_address = true, .when_down_allow = false};

static int answers, allowed;
static struct ec_limit_verdict last;
static int wanted;

static void on_verdict(void *data, const struct ec_limit_verdict *verdict)
{
    (void)data;
    answers++;
    allowed += verdict->allowed;
    last = *verdict;
}

static bool all_answered(void)
{
    return answers >= wanted;
}

static void take(const struct ec_limit *of, const char *who, int n)
{
    answers = allowed = 0;
    wanted = n;
    for (int i = 0; i < n; i++)
        ec_limiter_take(of, ec_str_of(who), on_verdict, NULL);
    assert_true(fixture_until(all_answered, 5000));
}

static int setup(void **state)
{
    (void)state;
    fixture_redis_begin();
    ec_limiter_open();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_module_stop();
    return 0;
}

static void test_burst_then_refused(void **state)
{
    (void)state;
    take(&strict, "one", 5);
    assert_int_equal(allowed, 2);
    assert_true(last.known);
    assert_false(last.allowed);
    assert_int_equal(last.remaining, 0);
    assert_in_range(last.retry_s, 1, 2);
    take(&strict, "two", 1); /* another client's bucket is its own */
    assert_int_equal(allowed, 1);
    assert_int_equal(last.remaining, 1);
    assert_int_equal(last.reset_s, 2);
}

static void test_tokens_come_back(void **state)
{
    (void)state;
    take(&limit, "fast", 1000);
    assert_in_range(allowed, 200, 260);
    for (int i = 0; i < 200 && !last.allowed; i++) {
        usleep(2000);
        take(&limit, "fast", 1);
    }
    assert_true(last.allowed);
}

static void test_fields(void **state)
{
    struct ec_buf buf = {0};

    (void)state;
    take(&limit, "fields", 1);
    ec_limiter_headers(&buf, &limit, &last);
    ec_buf_add(&buf, "", 1);
    assert_string_equal(buf.p, "RateLimit-Policy: \"default\";q=200;w=2\r\nRateLimit: \"default\";r=199;t=1\r\n");
    buf.n = 0;
    take(&strict, "fields of another", 3);
    ec_limiter_headers(&buf, &strict, &last);
    ec_buf_add(&buf, "", 1);
    assert_non_null(strstr(buf.p, "RateLimit-Policy: \"default\";q=2;w=4\r\nRateLimit: \"default\";r=0;t=4\r\nRetry-After: 2\r\n"));
    ec_buf_free(&buf);
}

static struct {
    bool told;
    int64_t i;
} answer;

static void on_answer(void *data, const struct ec_redis_reply *reply)
{
    (void)data;
    assert_non_null(reply);
    answer.told = true;
    answer.i = reply->i;
}

static bool is_told(void)
{
    return answer.told;
}

#define ASK(...)                                   \
    do {                                           \
        answer.told = false;                       \
        EC_REDIS(on_answer, NULL, __VA_ARGS__);    \
        assert_true(fixture_until(is_told, 5000)); \
    } while (0)

/* A key has a life; whatever it says, a bucket is no fuller than full and no emptier than empty. */
static void test_key(void **state)
{
    static const struct ec_limit wider = {.per_second = 0.5, .burst = 100, .by_address = true}; /* the same client's, until lately */

    (void)state;
    take(&strict, "key", 1);
    ASK(EC_STR("PTTL"), EC_STR("bucket:key"));
    assert_in_range(answer.i, 11000, 12001); /* three times what the bucket takes to be full */
    ASK(EC_STR("STRLEN"), EC_STR("bucket:key"));
    assert_int_equal(answer.i, 8);
    take(&wider, "key of another limit", 50);
    for (int i = 0; i < 2; i++) {
        take(&strict, "key of another limit", 1);
        assert_int_equal(allowed, 0);
        assert_int_equal(last.reset_s, 4);
        assert_int_equal(last.retry_s, 2);
    }
    usleep(1100000); /* a token comes after two seconds: he who is refused now waits for less than one */
    take(&strict, "key of another limit", 1);
    assert_int_equal(allowed, 0);
    assert_int_equal(last.retry_s, 1);
    take(&limit, "key of a full bucket", 1);
    usleep(20000);
    take(&limit, "key of a full bucket", 1);
    assert_int_equal(last.remaining, 199);
    ASK(EC_STR("EXISTS"), EC_STR("bucket:key of a full bucket"));
    assert_int_equal(answer.i, 1);
}

/* A key outlives its bucket, and its life is told again by who comes later. */
static void test_life(void **state)
{
    static const struct ec_limit brief = {.per_second = 100, .burst = 1, .by_address = true};

    (void)state;
    for (int i = 0; i < 3; i++) {
        take(&brief, "life", 1);
        assert_int_equal(allowed, 1);
        ASK(EC_STR("PTTL"), EC_STR("bucket:life"));
        assert_in_range(answer.i, 1300, 2011);
        usleep(1100000);
    }
    usleep(1100000);
    ASK(EC_STR("EXISTS"), EC_STR("bucket:life"));
    assert_int_equal(answer.i, 0);
}

/* Who was refused has taken nothing: however many ask too much, each token that comes back is somebody's. */
static void test_refusals_cost_nothing(void **state)
{
    uint64_t began = uv_hrtime(), first, last_asked;
    int sum;

    (void)state;
    take(&limit, "many", 400);
    sum = allowed;
    first = last_asked = uv_hrtime();
    while (last_asked - first < 500000000) {
        last_asked = uv_hrtime();
        take(&limit, "many", 64);
        sum += allowed;
    }
    assert_in_range(sum, (int)(200 + 100 * ((double)(last_asked - first) / 1e9) - 2),
                    (int)(200 + 100 * ((double)(uv_hrtime() - began) / 1e9) + 1));
}

/* Not counted, and decided by each limit's `when down`. */
static void nobody_knows(const char *who)
{
    take(&strict, who, 2);
    assert_int_equal(allowed, 0);
    assert_false(last.known);
    take(&limit, who, 2);
    assert_int_equal(allowed, 2);
    assert_false(last.known);
}

/* Something else has the key: nobody knows, and it is not lost. */
static void test_not_a_bucket(void **state)
{
    (void)state;
    ASK(EC_STR("RPUSH"), EC_STR("bucket:list"), EC_STR("x"));
    nobody_knows("list");
    ASK(EC_STR("LLEN"), EC_STR("bucket:list"));
    assert_int_equal(answer.i, 1);
}

static struct ec_redis_clock_sample of(int64_t ahead, int64_t error)
{
    return (struct ec_redis_clock_sample){ahead, error};
}

static bool is_the_machines(void)
{
    struct timespec now;
    int64_t us;

    assert_true(ec_redis_clock(&us));
    clock_gettime(CLOCK_REALTIME, &now);
    return llabs((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - us) < 100000;
}

static void test_clock(void **state)
{
    struct ec_metric *sent = ec_metric(EC_COUNTER, "ec_redis_commands_total", "", "");
    double before = ec_metric_value(sent);
    uint64_t began = uv_hrtime();
    int64_t us, after;

    (void)state;
    assert_true(fixture_until(is_the_machines, 5000)); /* the next question, a second later, may have met a shorter wait */
    for (int i = 0; i < 50; i++)
        take(&limit, "clock", 2);
    /* TIME and PING, once a second, and PEXPIRE in each stretch of two */
    assert_in_range(ec_metric_value(sent) - before, 101, 103 + 3 * (uv_hrtime() - began) / 1000000000);
    assert_true(ec_redis_clock(&us));
    usleep(1000);
    assert_true(ec_redis_clock(&after));
    assert_in_range(after - us, 1000, 1000000);

    usleep(1100000);
    before = ec_metric_value(sent);
    for (int i = 0; i < 3; i++)
        assert_true(ec_redis_clock(&us));
    assert_int_equal(ec_metric_value(sent) - before, 1); /* asked again, once */

    assert_int_equal(ec_redis_clock_sample(1000, 1400, 51200).ahead_us, 50000);
    assert_int_equal(ec_redis_clock_sample(1000, 1400, 51200).error_us, 200);
    assert_true(ec_redis_clock_better(of(500, 100), of(400, 200), 0));  /* more exact */
    assert_false(ec_redis_clock_better(of(500, 300), of(400, 200), 0)); /* less so, and they agree */
    assert_true(ec_redis_clock_better(of(1000, 300), of(400, 200), 0)); /* the clock was set */
    assert_true(ec_redis_clock_better(of(-200, 300), of(400, 200), 0));
    assert_true(ec_redis_clock_better(of(500, 700), of(400, 200), 1000000)); /* in a second ours may have drifted by as much */
    assert_false(ec_redis_clock_better(of(500, 701), of(400, 200), 1000000));
}

static void on_user(void *data, const struct ec_redis_reply *reply)
{
    (void)data;
    assert_true(reply && reply->type == EC_REDIS_STATUS);
}

/* A user of whom TIME is refused: what there is no time for, nobody knows. */
static void test_no_clock(void **state)
{
    char url[80];
    const char *why;
    int64_t us;

    (void)state;
    EC_REDIS(on_user, NULL, EC_STR("ACL"), EC_STR("SETUSER"), EC_STR("timeless"), EC_STR("on"), EC_STR(">secret"), EC_STR("~*"),
             EC_STR("+@all"), EC_STR("-time"));
    ASK(EC_STR("PING"));
    fixture_module_stop();
    snprintf(url, sizeof(url), "redis://timeless:secret@127.0.0.1:%d/1", fixture_port);
    assert_true(ec_redis_configure(url, &why));
    assert_int_equal(ec_module_redis.start(&ec_app, &why), 0);
    assert_true(fixture_until(fixture_redis_is_up, 5000));
    assert_false(ec_redis_clock(&us));
    nobody_knows("timeless");
    ASK(EC_STR("EXISTS"), EC_STR("bucket:timeless"));
    assert_int_equal(answer.i, 0);
}

static void test_down(void **state)
{
    struct ec_buf buf = {0};

    (void)state;
    fixture_redis_stop();
    assert_true(fixture_until(fixture_redis_is_down, 5000));
    take(&limit, "down", 3);
    assert_int_equal(allowed, 3);
    assert_false(last.known);
    ec_limiter_headers(&buf, &limit, &last);
    assert_int_equal(buf.n, 0);
    take(&strict, "down", 3);
    assert_int_equal(allowed, 0);
    ec_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_burst_then_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tokens_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_life, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals_cost_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_a_bucket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_down, setup, teardown),
    };

    ec_app.loop = uv_default_loop();
    return cmocka_run_group_tests(tests, NULL, fixture_redis_end);
}
