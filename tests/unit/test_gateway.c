/* The gateway over HTTP: routes, parameters, tokens, limits, keys. */
#include "gateway_fixture.h"

/* ------------------------------------------------------------------ routes */

static void test_routes(void **state)
{
    (void)state;
    assert_int_equal(ask("GET /v1/things", NULL, NULL), 200);
    assert_int_equal(seen.frame.query.limit, 20);
    assert_int_equal(ask("GET /v1/things?limit=7&after=a%20b", NULL, NULL), 200);
    assert_int_equal(seen.frame.query.limit, 7);
    assert_int_equal(ask_head("/v1/things"), 200);
    assert_int_equal(ask("GET /", NULL, NULL), 404);
    assert_int_equal(ask("GET /v1", NULL, NULL), 404);
    assert_int_equal(ask("GET /v1/things/", NULL, NULL), 404);
    assert_int_equal(ask("GET //v1/things", NULL, NULL), 404);
    assert_int_equal(ask("GET /v1/nothing", NULL, NULL), 404);
    assert_body("\"type\":\"/problems/not-found\"");
    assert_int_equal(ask("GET /livez", NULL, NULL), 404); /* not for the outside */
    assert_int_equal(ask("PATCH /v1/things", NULL, NULL), 405);
    assert_has("Allow: GET, HEAD, POST\n");
    assert_int_equal(ask("GET /v1/th%69ngs", NULL, NULL), 200); /* the same path */
    assert_int_equal(ask("GET /v1/things/%zz", NULL, NULL), 400);
    assert_int_equal(ask("GET /v1/things/%00", NULL, NULL), 400);
}

static void test_literal_shadows_by_method(void **state)
{
    (void)state;
    assert_int_equal(ask("DELETE /v1/things/top", NULL, NULL), 204);
    assert_string_equal(reply.body, "");
    assert_int_equal(ask("GET /v1/things/top", NULL, NULL), 200);
    assert_string_equal(seen.name, "top");
    assert_int_equal(ask("PATCH /v1/things/top", NULL, NULL), 205);
    assert_string_equal(reply.body, "");
    assert_has("content-length: 0\n");
    assert_int_equal(ask("DELETE /v1/things/other", NULL, NULL), 405);
    assert_int_equal(ask("PUT /v1/things/top", NULL, NULL), 405);
    assert_has("DELETE");
    assert_has("GET");
}

static void test_parameters(void **state)
{
    (void)state;
    assert_int_equal(ask("GET /v1/things/a%2Fb", NULL, NULL), 200); /* an encoded slash is data */
    assert_string_equal(seen.name, "a/b");
    assert_int_equal(ask("GET /v1/things/123456789012345678901", NULL, NULL), 404);
    assert_int_equal(ask("GET /v1/ids/x", NULL, NULL), 404);
    assert_int_equal(ask("GET /v1/ids/00000000-0000-0000-0000-000000000001", NULL, NULL), 200);
    assert_int_equal(ask("GET /v1/things?limit=0", NULL, NULL), 422);
    assert_body("limit");
    assert_int_equal(ask("GET /v1/things?limit=x", NULL, NULL), 422);
    assert_int_equal(ask("GET /v1/things?other=1", NULL, NULL), 422);
    assert_int_equal(ask("GET /v1/things?limit=%zz", NULL, NULL), 400);
}

static void test_bodies(void **state)
{
    const char *token = "authorization: Bearer good-a\r\n";

    (void)state;
    assert_int_equal(ask("POST /v1/things", token, "{\"name\":\"x\",\"price\":3}"), 201);
    assert_int_equal(seen.frame.body.price, 3);
    assert_int_equal(ask("POST /v1/things", token, "{\"name\":\"x\""), 400);
    assert_int_equal(ask("POST /v1/things", token, "{\"name\":\"x\",\"price\":\"3\"}"), 422);
    assert_body("price");
    assert_body("\"trace_id\":\"");
    assert_int_equal(ask("POST /v1/things", token, "{\"name\":\"x\",\"price\":3,\"more\":1}"), 422);
    assert_int_equal(ask("POST /v1/things", token, NULL), 422);
    reply.answers = 0;
    ec_http_send(client, EC_STR("POST /v1/things HTTP/1.1\r\nauthorization: Bearer good-a\r\ncontent-type: text/plain\r\n"),
                 EC_STR("{\"name\":\"x\",\"price\":3}"), 5000, false, on_reply, NULL);
    assert_true(fixture_until(answered, 5000));
    assert_int_equal(reply.status, 415);
}

static void test_trace(void **state)
{
    (void)state;
    ask("GET /v1/things", "traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\r\n", NULL);
    assert_string_equal(seen.trace, "0123456789abcdef0123456789abcdef");
    ask("GET /v1/things", "traceparent: 00-0123456789abcdef0123456789abcdeg-0123456789abcdef-01\r\n", NULL);
    assert_string_not_equal(seen.trace, "0123456789abcdef0123456789abcdef");
}

/* ------------------------------------------------------------------ tokens */

static void test_no_token(void **state)
{
    (void)state;
    assert_int_equal(ask("GET /v1/me", NULL, NULL), 401);
    assert_has("WWW-Authenticate: Bearer\n");
    assert_int_equal(ask("GET /v1/me", "authorization: Basic x\r\n", NULL), 401);
    assert_int_equal(ask("GET /v1/me", "authorization: Bearer good-a\r\nauthorization: Bearer good-b\r\n", NULL), 401);
    assert_int_equal(ask("POST /v1/things", NULL, "{\"name\":1}"), 401); /* not told what the route expects */
    assert_int_equal(auth_calls, 0);
    assert_int_equal(ask("GET /v1/me", "authorization: Bearer bad\r\n", NULL), 401);
    assert_has("WWW-Authenticate: Bearer error=\"invalid_token\"\n");
    assert_body("/problems/bad-token");
    assert_int_equal(auth_calls, 1);
    assert_int_equal(ask("GET /v1/me", "authorization: Bearer bad\r\n", NULL), 401);
    assert_int_equal(auth_calls, 1); /* a refusal is kept, too */
    assert_int_equal(seen.calls, 0);
    seen.fail = &error_token; /* of an operation that needs no token itself */
    assert_int_equal(ask("GET /v1/things", NULL, NULL), 401);
    assert_has("WWW-Authenticate: Bearer\n");
    seen.fail = NULL;
}

static void test_verdict_is_kept_while_the_session_is_there(void **state)
{
    const char *token = "authorization: Bearer good-s1\r\n";

    (void)state;
    REDIS(EC_STR("SET"), EC_STR("sessions:s1"), EC_STR("{}"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask("GET /v1/me", token, NULL), 200);
        assert_string_equal(seen.session, "s1");
        assert_int_equal(seen.frame.identity.user.b[15], 's');
    }
    assert_int_equal(auth_calls, 1);
    REDIS(EC_STR("DEL"), EC_STR("sessions:s1"));
    assert_int_equal(ask("GET /v1/me", token, NULL), 200);
    assert_int_equal(auth_calls, 2);
}

static void test_one_question_a_token(void **state)
{
    (void)state;
    wanted = 200;
    for (int i = 0; i < 200; i++)
        post("GET /v1/me", "authorization: Bearer good-many\r\n", NULL);
    assert_true(fixture_until(answered, 15000));
    assert_int_equal(reply.by_status[200], 200);
    assert_true(auth_calls < 100); /* those that come while it is asked wait for the answer */
}

static void test_auth_away(void **state)
{
    (void)state;
    auth_down = true;
    assert_int_equal(ask("GET /v1/me", "authorization: Bearer good-x\r\n", NULL), 503);
    assert_has("Retry-After: 1\n");
    auth_down = false;
    assert_int_equal(ask("GET /v1/me", "authorization: Bearer good-x\r\n", NULL), 200);
}

/* ------------------------------------------------------------------ limits, keys, replies */

static void test_limit(void **state)
{
    (void)state;
    limit.per_second = 0.1;
    limit.burst = 3;
    REDIS(EC_STR("SET"), EC_STR("sessions:l1"), EC_STR("{}"));
    assert_int_equal(ask("GET /v1/things", NULL, NULL), 200);
    assert_has("RateLimit-Policy: \"default\";q=3;w=30\n");
    assert_has("RateLimit: \"default\";r=2;t=10\n");
    assert_int_equal(ask("GET /v1/me", "authorization: Bearer good-l1\r\n", NULL), 200); /* not known yet: the address */
    assert_int_equal(ask("GET /v1/things?limit=0", NULL, NULL), 422);                    /* counts as well */
    assert_int_equal(ask("GET /v1/things", NULL, NULL), 429);
    assert_has("Retry-After: ");
    assert_body("/problems/rate-limited");
    assert_int_equal(ask("GET /v1/me", "authorization: Bearer good-l1\r\n", NULL), 200); /* known: its own bucket */
    assert_has("r=2;");
}

static void test_lease(void **state)
{
    struct ec_metric *local = ec_metric(EC_COUNTER, "ec_limiter_local_total", "", "");
    double before = ec_metric_value(local);

    (void)state;
    limit.per_second = 0.1;
    limit.burst = 6;
    limit.lease = 3;
    REDIS(EC_STR("SET"), EC_STR("sessions:e1"), EC_STR("{}"));
    for (int i = 5; i >= 0; i--) {
        char left[32];
        snprintf(left, sizeof(left), "RateLimit: \"default\";r=%d;", i);
        assert_int_equal(ask(i == 3 ? "GET /v1/me" : "GET /v1/things", i == 3 ? "authorization: Bearer good-e1\r\n" : NULL, NULL), 200);
        assert_has(left);
    }
    assert_int_equal(ask("GET /v1/things", NULL, NULL), 429);
    assert_has("Retry-After: ");
    assert_int_equal(ask("GET /v1/things?limit=0", NULL, NULL), 429);
    assert_int_equal(ask("GET /v1/things/top", NULL, NULL), 429); /* though the keyspace is asked for it */
    assert_int_equal((int)(ec_metric_value(local) - before), 4 + 2);
    assert_int_equal(ask("GET /v1/me", "authorization: Bearer good-e1\r\n", NULL), 200); /* known: its own bucket, and the session with it */
    assert_int_equal(ask("GET /v1/me", "authorization: Bearer good-e1\r\n", NULL), 200); /* the session alone */
    assert_has("r=4;");
    REDIS(EC_STR("DEL"), EC_STR("sessions:e1"));
    assert_int_equal(ask("GET /v1/me", "authorization: Bearer good-e1\r\n", NULL), 200);
    assert_int_equal(auth_calls, 2); /* it was seen to be gone */
    limit.by_address = false; /* by identity alone: a token that is not known is counted by what it turns out to be */
    assert_int_equal(ask("GET /v1/me", "authorization: Bearer good-f2\r\n", NULL), 200);
    assert_int_equal(ask("GET /v1/me", "authorization: Bearer good-f2\r\n", NULL), 200);
    assert_has("r=4;");
}

static void test_redis_away(void **state)
{
    (void)state;
    fixture_redis_stop();
    assert_true(fixture_until(fixture_redis_is_down, 5000));
    assert_int_equal(ask("GET /v1/things", NULL, NULL), 200);
    assert_null(strstr(reply.headers, "RateLimit"));
    assert_int_equal(ask("GET /v1/things/a", NULL, NULL), 200);
    assert_int_equal(ask("GET /v1/things/a", NULL, NULL), 200);
    assert_int_equal(seen.calls, 3);
    assert_int_equal(ask("GET /v1/me", "authorization: Bearer good-q\r\n", NULL), 200);
    assert_int_equal(ask("GET /v1/me", "authorization: Bearer good-q\r\n", NULL), 200);
    assert_int_equal(auth_calls, 2); /* whether the session is there is not known */
    limit.when_down_allow = false;
    assert_int_equal(ask("GET /v1/things", NULL, NULL), 503);
    assert_has("Retry-After: 1\n");
}

static void test_client_keys(void **state)
{
    static const char body[] = "{\"name\":\"x\",\"price\":3}";
    char header[600];

    (void)state;
    assert_int_equal(ask("POST /v1/things", "authorization: Bearer good-a\r\nidempotency-key: k1\r\n", body), 201);
    assert_string_equal(seen.key, "client/00000000-0000-0000-0000-000000000061/POST/v1/things/k1");
    assert_int_equal(ask("POST /v1/things", "authorization: Bearer good-b\r\nidempotency-key: k1\r\n", body), 201);
    assert_string_equal(seen.key, "client/00000000-0000-0000-0000-000000000062/POST/v1/things/k1");
    assert_int_equal(ask("POST /v1/things", "authorization: Bearer good-a\r\n", body), 201);
    assert_string_equal(seen.key, "");
    assert_int_equal(ask("POST /v1/things", "authorization: Bearer good-a\r\nidempotency-key: a b\r\n", body), 400);
    assert_int_equal(ask("GET /v1/things", "idempotency-key: k1\r\n", NULL), 200);
    assert_string_equal(seen.key, "");
    snprintf(header, sizeof(header), "authorization: Bearer good-a\r\nidempotency-key: %0200d\r\n", 7);
    assert_int_equal(ask("POST /v1/things", header, body), 201);
    assert_int_equal(strlen(seen.key), 7 + 64);
    assert_memory_equal(seen.key, "client/", 7);
}

static void test_accepted(void **state)
{
    (void)state;
    seen.accept = true;
    assert_int_equal(ask("POST /v1/things", "authorization: Bearer good-a\r\n", "{\"name\":\"x\",\"price\":3}"), 202);
    assert_has("Location: /v1/things/made%2F1\n");
    assert_body("\"name\":\"made/1\"");
}

static void test_failures(void **state)
{
    static const struct ec_error gone = {"gone-for-good", 410, "It is gone"};

    (void)state;
    seen.fail = &gone;
    assert_int_equal(ask("GET /v1/things", NULL, NULL), 410);
    assert_body("/problems/gone-for-good");
    seen.fail = &ec_error_internal;
    assert_int_equal(ask("GET /v1/things", NULL, NULL), 500);
    assert_null(strstr(reply.body, "inside"));
    seen.fail = &ec_error_unavailable;
    assert_int_equal(ask("GET /v1/things", NULL, NULL), 503);
    assert_has("Retry-After: 1\n");
}

/* ------------------------------------------------------------------ the keyspace */

static void test_admin(void **state)
{
    struct ec_http_client *admin;
    char url[64];
    const char *why;

    (void)state;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", ec_gateway_admin_port());
    admin = ec_http_client_new(ec_app.loop, url, 2, &why);
    reply.answers = 0;
    wanted = 1;
    ec_http_send(admin, EC_STR("GET /livez HTTP/1.1\r\n"), (struct ec_str){NULL, 0}, 5000, false, on_reply, NULL);
    assert_true(fixture_until(answered, 5000));
    assert_int_equal(reply.status, 200);
    for (int development = 0; development < 2; development++) { /* for who plays stories */
        near_things.near_ms = 60000;
        /* While the value is on its way to Redis, whoever asks gets it from the fetch that is over, and it is not kept. */
        for (int i = 0; i < 100 && !ec_near_values(); i++)
            assert_int_equal(ask("GET /v1/near/jar", NULL, NULL), 200);
        assert_int_equal(ec_near_values(), 1);
        ec_app.development = development;
        reply.answers = 0;
        ec_http_send(admin, EC_STR("DELETE /near HTTP/1.1\r\n"), (struct ec_str){NULL, 0}, 5000, false, on_reply, NULL);
        assert_true(fixture_until(answered, 5000));
        assert_int_equal(reply.status, development ? 204 : 404);
        assert_int_equal(ec_near_values(), !development);
    }
    ec_app.development = false;
    ec_http_client_stop(admin);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_routes), TEST(test_literal_shadows_by_method), TEST(test_parameters), TEST(test_bodies), TEST(test_trace),
        TEST(test_no_token), TEST(test_verdict_is_kept_while_the_session_is_there), TEST(test_one_question_a_token), TEST(test_auth_away),
        TEST(test_limit), TEST(test_lease), TEST(test_client_keys), TEST(test_accepted), TEST(test_failures), TEST(test_admin), TEST(test_redis_away),
    };

    ec_app.loop = uv_default_loop();
    ec_app.service = &service;
    return cmocka_run_group_tests(tests, NULL, fixture_redis_end);
}
