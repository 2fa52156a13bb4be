/* What routes read from keyspaces: hits, misses that are fetched once, values of an identity, and what the process has itself. */
#include "gateway_fixture.h"

#include "span.h"

static bool one_held(void)
{
    return seen.nheld > 0;
}

static bool all_missed(void)
{
    return gw_in_flight() == wanted;
}

static bool two_held(void)
{
    return seen.nheld > 1;
}

static bool three_held(void)
{
    return seen.nheld > 2;
}

static void test_cache(void **state)
{
    (void)state;
    assert_int_equal(ask("GET /v1/things/kettle", NULL, NULL), 200);
    assert_has("X-Cache: miss\n");
    assert_string_equal(reply.body, "{\"name\":\"kettle\",\"price\":4201}");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask("GET /v1/things/kettle", NULL, NULL), 200);
        assert_has("X-Cache: hit\n");
        assert_string_equal(reply.body, "{\"name\":\"kettle\",\"price\":4201}");
    }
    assert_int_equal(seen.calls, 1);
    assert_int_equal(ask_head("/v1/things/kettle"), 200);
    assert_has("X-Cache: hit\r\n");
    REDIS(EC_STR("SET"), EC_STR("things:kettle"), EC_STR("{\"name\":\"kettle\",\"price\":\"free\"}"));
    assert_int_equal(ask("GET /v1/things/kettle", NULL, NULL), 200); /* a broken value is no value */
    assert_has("X-Cache: miss\n");
    assert_int_equal(seen.calls, 2);
    assert_int_equal(ask("GET /v1/things/kettle", NULL, NULL), 200);
    assert_has("X-Cache: hit\n");
}

static void test_stampede(void **state)
{
    (void)state;
    seen.hold = true;
    wanted = 2000;
    for (int i = 0; i < 2000; i++)
        post("GET /v1/things/teapot", NULL, NULL);
    assert_true(fixture_until(one_held, 10000));
    assert_true(fixture_until(all_missed, 20000));
    for (int i = 0; i < 100; i++)
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
    assert_int_equal(seen.nheld, 1);
    ec_task_resume_soon(seen.held[0]);
    assert_true(fixture_until(answered, 20000));
    assert_int_equal(reply.by_status[200], 2000);
    assert_int_equal(seen.calls, 1);
}

static void test_failed_fetch_is_told_to_all_and_not_stored(void **state)
{
    (void)state;
    seen.hold = true;
    seen.fail = &ec_error_not_found;
    wanted = 5;
    for (int i = 0; i < 5; i++)
        post("GET /v1/things/none", NULL, NULL);
    assert_true(fixture_until(one_held, 10000));
    assert_true(fixture_until(all_missed, 10000));
    for (int i = 0; i < 100; i++)
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
    ec_task_resume_soon(seen.held[0]);
    assert_true(fixture_until(answered, 10000));
    assert_int_equal(reply.by_status[404], 5);
    seen.hold = false;
    seen.fail = NULL;
    assert_int_equal(ask("GET /v1/things/none", NULL, NULL), 200);
    assert_has("X-Cache: miss\n");
}

static void test_drop_during_a_fetch(void **state)
{
    (void)state;
    seen.hold = true;
    reply.answers = 0;
    wanted = 1;
    post("GET /v1/things/cup", NULL, NULL);
    assert_true(fixture_until(one_held, 10000));
    /* Meanwhile somebody changes the row and drops the key. */
    REDIS(EC_STR("SET"), EC_STR("#things:cup"), EC_STR("another"));
    REDIS(EC_STR("DEL"), EC_STR("things:cup"));
    seen.hold = false;
    wanted = 1;
    assert_int_equal(ask("GET /v1/things/cup", NULL, NULL), 200); /* doesn't wait for the old answer */
    assert_int_equal(seen.calls, 2);
    reply.answers = 0;
    ec_task_resume_soon(seen.held[0]);
    assert_true(fixture_until(answered, 10000));
    assert_int_equal(ask("GET /v1/things/cup", NULL, NULL), 200);
    assert_has("X-Cache: hit\n");
    assert_body("4202"); /* what was read after the drop */
}

/* Nobody can tell by a version that the row has changed: who comes after the change is not given what was asked for before it. */
static void test_redis_away_joins_no_earlier_fetch(void **state)
{
    (void)state;
    fixture_redis_stop();
    assert_true(fixture_until(fixture_redis_is_down, 5000));
    seen.hold = true;
    post("GET /v1/things/cup", NULL, NULL);
    assert_true(fixture_until(one_held, 10000));
    for (int i = 0; i < 5; i++) /* after the change */
        post("GET /v1/things/cup", NULL, NULL);
    post("GET /v1/things/jug", NULL, NULL); /* of another key: not held up */
    assert_true(fixture_until(two_held, 10000));
    wanted = 7;
    assert_true(fixture_until(all_missed, 10000));
    for (int i = 0; i < 100; i++)
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
    wanted = 1;
    ec_task_resume_soon(seen.held[0]);
    assert_true(fixture_until(answered, 10000));
    assert_body("4202"); /* two calls by then */
    assert_true(fixture_until(three_held, 10000));
    assert_int_equal(reply.answers, 1);
    seen.hold = false;
    ec_task_resume_soon(seen.held[2]);
    wanted = 6;
    assert_true(fixture_until(answered, 10000));
    assert_body("4203");
    assert_int_equal(seen.calls, 3); /* one for all that had come by then */
    ec_task_resume_soon(seen.held[1]);
    wanted = 7;
    assert_true(fixture_until(answered, 10000));
    assert_int_equal(reply.by_status[200], 7);
}

/* A fetch that fails is told to who was there when it began, and to nobody else. */
static void test_redis_away_a_failure_is_not_passed_on(void **state)
{
    (void)state;
    fixture_redis_stop();
    assert_true(fixture_until(fixture_redis_is_down, 5000));
    seen.hold = true;
    post("GET /v1/things/cup", NULL, NULL);
    assert_true(fixture_until(one_held, 10000));
    for (int i = 0; i < 3; i++)
        post("GET /v1/things/cup", NULL, NULL);
    wanted = 4;
    assert_true(fixture_until(all_missed, 10000));
    for (int i = 0; i < 100; i++)
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
    wanted = 1;
    seen.fail = &ec_error_unavailable;
    ec_task_resume_soon(seen.held[0]);
    assert_true(fixture_until(answered, 10000));
    assert_true(fixture_until(two_held, 10000));
    seen.fail = NULL;
    wanted = 4;
    ec_task_resume_soon(seen.held[1]);
    assert_true(fixture_until(answered, 10000));
    assert_int_equal(reply.by_status[503], 1);
    assert_int_equal(reply.by_status[200], 3);
}

static double commands(void)
{
    return ec_metric_value(ec_metric(EC_COUNTER, "ec_redis_commands_total", "", ""));
}

static double asked_before;
static bool both_asked(void)
{
    return commands() >= asked_before + 2;
}

/* What belongs to an identity is asked for along with the limit once its token is known, and is nobody else's. */
static void test_cache_of_an_identity(void **state)
{
    const char *ann = "authorization: Bearer good-ann\r\n", *ben = "authorization: Bearer good-ben\r\n";

    (void)state;
    auth.while_keyspace = NULL;
    assert_int_equal(ask("GET /v1/me/kettle", ann, NULL), 200);
    assert_has("X-Cache: miss\n");
    assert_int_equal(ask("GET /v1/me/kettle", ben, NULL), 200);
    assert_has("X-Cache: miss\n");
    assert_body("4202");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask("GET /v1/me/kettle", ann, NULL), 200);
        assert_has("X-Cache: hit\n");
        assert_body("4201");
    }
    assert_int_equal(ask("GET /v1/me/kettle", NULL, NULL), 401);
    asked_before = commands();
    kill(fixture_redis_pid, SIGSTOP);
    reply.answers = 0;
    wanted = 1;
    post("GET /v1/me/kettle", ben, NULL);
    assert_true(fixture_until(both_asked, 400)); /* the limit and the value, before either is answered; Redis is given up after 500 ms */
    kill(fixture_redis_pid, SIGCONT);
    assert_true(fixture_until(answered, 5000));
    assert_int_equal(reply.status, 200);
    assert_has("X-Cache: hit\n");
    assert_body("4202");
    limit.per_second = 0.1;
    limit.burst = 1;
    ask("GET /v1/me/kettle", ben, NULL);
    assert_int_equal(ask("GET /v1/me/kettle", ben, NULL), 429); /* though the value is there */
    assert_null(strstr(reply.headers, "X-Cache: hit"));
    assert_null(strstr(reply.body, "4202"));
    assert_int_equal(seen.calls, 2);
}

/* With a session that may have ended nothing is asked for before that is known. */
static void test_cache_behind_a_session(void **state)
{
    const char *token = "authorization: Bearer good-cat\r\n";
    double before;

    (void)state;
    REDIS(EC_STR("SET"), EC_STR("sessions:cat"), EC_STR("{}"));
    assert_int_equal(ask("GET /v1/me/kettle", token, NULL), 200);
    assert_int_equal(ask("GET /v1/me/kettle", token, NULL), 200);
    assert_has("X-Cache: hit\n");
    REDIS(EC_STR("DEL"), EC_STR("sessions:cat"));
    auth_down = true;
    before = ec_metric_value(ec_metric(EC_COUNTER, "ec_cache_reads_total", "", "keyspace=\"things\",outcome=\"hit\""));
    assert_int_equal(ask("GET /v1/me/kettle", token, NULL), 503);
    assert_true(before == ec_metric_value(ec_metric(EC_COUNTER, "ec_cache_reads_total", "", "keyspace=\"things\",outcome=\"hit\"")));
}

/* Reads of a route whose keyspace has `near`: once from Redis, then from memory. */
static void test_near(void **state)
{
    struct ec_metric *sent = ec_metric(EC_COUNTER, "ec_redis_commands_total", "", "");
    double before;

    (void)state;
    near_things.near_ms = 60000;
    for (int limited = 0; limited < 2; limited++) { /* alone, and beside the limit of the same round trip */
        const char *path = limited ? "GET /v1/near/cup" : "GET /v1/near/pot";
        gateway.limit = limited ? &limit : NULL;
        assert_int_equal(ask(path, NULL, NULL), 200);
        assert_has("X-Cache: miss\n");
        assert_int_equal(ask(path, NULL, NULL), 200);
        assert_has("X-Cache: hit\n");
        before = ec_metric_value(sent);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(ask(path, NULL, NULL), 200);
            assert_has("X-Cache: hit\n");
            assert_string_equal(reply.body, limited ? "{\"name\":\"cup\",\"price\":4202}" : "{\"name\":\"pot\",\"price\":4201}");
        }
        assert_in_range((int)(ec_metric_value(sent) - before), 5 * limited, 5 * limited + 3); /* a second may pass: PING, TIME */
    }
    assert_int_equal(seen.calls, 2);
    REDIS(EC_STR("SET"), EC_STR("near-things:jug"), EC_STR("{\"name\":\"jug\",\"price\":\"free\"}"));
    assert_int_equal(ask("GET /v1/near/jug", NULL, NULL), 200); /* a broken value is none, in memory either */
    assert_has("X-Cache: miss\n");
    assert_int_equal(ask_head("/v1/near/cup"), 200);
    assert_has("X-Cache: hit\r\n");
    fixture_redis_stop();
    assert_true(fixture_until(fixture_redis_is_down, 5000));
    assert_int_equal(ask("GET /v1/near/cup", NULL, NULL), 200); /* its time is not over */
    assert_has("X-Cache: hit\n");
    near_things.near_ms = 0; /* as if it were: the value in memory is not asked for */
    assert_int_equal(ask("GET /v1/near/cup", NULL, NULL), 200);
    assert_has("X-Cache: miss\n");
}

/* What another process has put is seen once the time is over. */
static void test_near_ends(void **state)
{
    (void)state;
    near_things.near_ms = 50;
    assert_int_equal(ask("GET /v1/near/bowl", NULL, NULL), 200);
    assert_int_equal(ask("GET /v1/near/bowl", NULL, NULL), 200);
    REDIS(EC_STR("SET"), EC_STR("near-things:bowl"), EC_STR("{\"name\":\"bowl\",\"price\":1}"));
    for (uint64_t end = uv_hrtime() + 60000000; uv_hrtime() < end;)
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
    assert_int_equal(ask("GET /v1/near/bowl", NULL, NULL), 200);
    assert_has("X-Cache: hit\n");
    assert_string_equal(reply.body, "{\"name\":\"bowl\",\"price\":1}");
}

static struct ec_buf told; /* spans */
static void collect(struct ec_http_exchange *exchange, void *data)
{
    const struct ec_http_request *request = ec_http_exchange_request(exchange);

    (void)data;
    ec_buf_add(&told, request->body.p, request->body.n);
    ec_http_reply(exchange, 200, EC_STR("application/json"), (struct ec_str){NULL, 0}, EC_STR("{}"));
}

static size_t times_told(const char *text)
{
    size_t n = 0;

    for (const char *at = told.p; at && (at = memmem(at, told.n - (size_t)(at - told.p), text, strlen(text))); at++)
        n++;
    return n;
}

static bool all_told(void)
{
    return ec_spans_idle() && times_told("\"GET /v1/mine/{name}\"") == 3;
}

/* Of a route behind a token, the read is a round trip of its own: it is told when there was one, and only then. */
static void test_spans_of_reads(void **state)
{
    struct ec_http_server_options options = {.host = "127.0.0.1", .handle = collect};
    struct ec_config_errors errors = {{0}, 0};
    struct ec_http_server *collector;
    const char *why;
    char url[64];

    (void)state;
    near_things.near_ms = 60000;
    gateway.limit = NULL;
    collector = ec_http_server_start(ec_app.loop, &options, &why);
    assert_non_null(collector);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", ec_http_server_port(collector));
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url, 1);
    ec_spans_configure(&errors);
    assert_int_equal(ec_spans_start(ec_app.loop, &why), 0);
    REDIS(EC_STR("SET"), EC_STR("sessions:7"), EC_STR("{}"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask("GET /v1/mine/cup", "authorization: Bearer good-7\r\n", NULL), 200);
        assert_has(i ? "X-Cache: hit\n" : "X-Cache: miss\n");
    }
    assert_true(fixture_until(all_told, 10000));
    assert_int_equal(times_told("\"get near-things\""), 2); /* a miss, a hit, and one from memory */
    assert_int_equal(times_told("\"put near-things\""), 1);
    assert_int_equal(times_told("\"get sessions\""), 2);
    ec_spans_stop();
    unsetenv("OTEL_EXPORTER_OTLP_ENDPOINT");
    ec_spans_configure(&errors);
    assert_false(ec_spans_on);
    ec_http_server_stop(collector);
    ec_buf_free(&told);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cache),
        TEST(test_stampede),
        TEST(test_failed_fetch_is_told_to_all_and_not_stored),
        TEST(test_drop_during_a_fetch),
        TEST(test_redis_away_joins_no_earlier_fetch),
        TEST(test_redis_away_a_failure_is_not_passed_on),
        TEST(test_cache_of_an_identity),
        TEST(test_cache_behind_a_session),
        TEST(test_near),
        TEST(test_near_ends),
        TEST(test_spans_of_reads),
    };

    ec_app.loop = uv_default_loop();
    ec_app.service = &service;
    return cmocka_run_group_tests(tests, NULL, fixture_redis_end);
}
