/* The limiter on a real server: the bucket, its fields, and what happens without Redis. */
#include "redis_fixture.h"

#include "limiter.h"

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
        cmocka_unit_test_setup_teardown(test_down, setup, teardown),
    };

    ec_app.loop = uv_default_loop();
    return cmocka_run_group_tests(tests, NULL, fixture_redis_end);
}
