/* A whole process behind its internal listener: ec_main in a child, plain sockets here. Commands, configuration mistakes, who may call
 * what, headers of the wire, problems, health, metrics, drain, workers. */
#include "ops_fixture.h"

/* ------------------------------------------------------------------ tests */

static void operations(void **state)
{
    (void)state;
    assert_int_equal(call("Say", "", "{\"text\":\"hello\"}"), 200); /* as callers of the version before know it */
    assert_true(has("{\"text\":\"hello\""));
    assert_int_equal(call("Echo", "", "{\"text\":\"hello\"}"), 200);
    assert_true(has("{\"text\":\"hello\",\"hash\":\"0000\",\"background\":false,\"again\":false,\"remaining_ms\":"));
    assert_true(has("content-type: application/json") || has("Content-Type: application/json"));
    assert_int_equal(call("Nothing", "", "{}"), 200);
    assert_true(has("\r\n\r\n{}"));
    assert_int_equal(call("Nothing", "", ""), 200);
    assert_int_equal(call("Echo", "", "{\"text\":\"accept\"}"), 202);
    assert_int_equal(call("Echo", "", "{\"text\":\"fail\"}"), 409);
    assert_true(
        has("\"type\":\"/problems/no-luck\",\"title\":\"No luck\",\"status\":409,\"detail\":\"try \\\"again\\\"\",\"trace_id\":\""));
    assert_int_equal(call("Echo", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n", "{\"text\":\"lost\"}"), 503);
    assert_true(has("ec-unknown: 1\r\n") && has("retry-after: 7\r\n") && has("\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\""));
}

static void the_wire(void **state)
{
    static const char *const bad[] = {
        "ec-deadline: x\r\n",
        "ec-deadline: -1\r\n",
        "ec-deadline: 99999999999999999999\r\n",
        "idempotency-key: a b\r\n",
        "idempotency-key: \xc3\xa9\r\n",
        "idempotency-key:\r\n",
        "ec-undoes: k\r\n",
        "ec-background: yes\r\n",
        "ec-again: 2\r\n",
        "idempotency-key: a\r\nIdempotency-Key: a\r\n",
        "ec-deadline: 1000\r\nec-deadline: 1\r\n",
    };
    char key[300] = "idempotency-key: ";
    size_t i;

    (void)state;
    assert_int_equal(call("Echo",
                          "idempotency-key: s/1/undo\r\nec-undoes: s/1/do\r\nec-background: 1\r\nec-again: 1\r\nec-deadline: 500\r\n",
                          "{\"text\":\"x\"}"),
                     200);
    assert_true(has("\"key\":\"s/1/undo\",\"undoes\":\"s/1/do\"") && has("\"background\":true") && has("\"again\":true") &&
                !has("\"hash\":\"0000\""));
    assert_in_range(atoi(strstr(answer, "\"remaining_ms\":") + 15), 1, 500);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (call("Echo", bad[i], "{\"text\":\"x\"}") != 400)
            fail_msg("not refused: %s (%s)", bad[i], answer);
    memset(key + strlen(key), 'k', 201);
    strcpy(key + 17 + 201, "\r\n");
    assert_int_equal(call("Echo", key, "{\"text\":\"x\"}"), 400);
    strcpy(key + 17 + 200, "\r\n");
    assert_int_equal(call("Echo", key, "{\"text\":\"x\"}"), 200);
    assert_int_equal(call("Echo", "ec-deadline: 0\r\n", "{\"text\":\"x\"}"), 504);
    assert_int_equal(call("Echo", "traceparent: nonsense\r\n", "{\"text\":\"x\"}"), 200);
}

static void bodies(void **state)
{
    char headers[4000];

    (void)state;
    assert_int_equal(call("Echo", "", "{\"text\":\"\"}"), 422);
    assert_true(has("text must have 1 to 20 characters"));
    assert_int_equal(call("Echo", "", "{\"text\":\"x\",\"y\":1}"), 422);
    assert_int_equal(call("Echo", "", ""), 422);
    assert_int_equal(call("Echo", "", "{\"text\":"), 400);
    assert_int_equal(call("Nothing", "", "{\"x\":1}"), 422);
    snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\nContent-Type: text/plain\r\n", alpha_token);
    assert_int_equal(request("POST", "/ops/Echo", headers, "{\"text\":\"x\"}"), 415);
    snprintf(headers, sizeof(headers), "Authorization: bearer %s\r\nContent-Type: application/json; charset=utf-8\r\n", alpha_token);
    assert_int_equal(request("POST", "/ops/Echo", headers, "{\"text\":\"x\"}"), 200);
}

static void who_may_call(void **state)
{
    char headers[4000];

    (void)state;
    assert_int_equal(request("POST", "/ops/Echo", "Content-Type: application/json\r\n", "{\"text\":\"x\"}"), 401);
    assert_true(has("www-authenticate: Bearer"));
    assert_int_equal(request("POST", "/ops/Echo", "Authorization: Bearer x.y.z\r\n", ""), 401);
    assert_int_equal(request("POST", "/ops/Echo", "Authorization: Basic eDp5\r\n", ""), 401);
    assert_int_equal(call("Theirs", "", "{}"), 403);
    assert_int_equal(call("Unknown", "", "{}"), 404);
    assert_int_equal(call("", "", "{}"), 404);
    assert_int_equal(call("Echo/", "", "{}"), 404);
    assert_int_equal(request("GET", "/", "", ""), 404);
    snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n", alpha_token);
    assert_int_equal(request("GET", "/ops/Echo", headers, ""), 405);
    assert_true(has("allow: POST"));
}

static void health_and_metrics(void **state)
{
    (void)state;
    assert_int_equal(request("GET", "/livez", "", ""), 200);
    assert_int_equal(request("GET", "/readyz", "", ""), 200);
    assert_true(has("{\"ready\":true}"));
    assert_int_equal(ec_health_command("0.0.0.0", port, false), 0);
    assert_int_equal(ec_health_command("localhost", port, true), 0);
    assert_int_equal(ec_health_command("no address", port, false), 1);
    assert_int_equal(request("POST", "/readyz", "", ""), 405);
    assert_int_equal(request("DELETE", "/breakers", "", ""), 404);
    assert_int_equal(call("Echo", "", "{\"text\":\"x\"}"), 200);
    assert_int_equal(request("GET", "/metrics", "", ""), 200);
    assert_true(has("ec_op_requests_total{op=\"Echo\",outcome=\"ok\"} ") && has("ec_op_seconds_bucket{op=\"Echo\",le=\"0.0005\"}"));
    assert_true(has("process_resident_memory_bytes ") && has("ec_info{service=\"beta\",version=\"dev\"") && has("ec_ops_in_flight 0\n"));
}

/* Breakers are set back only where it is said that this is development. */
static void breakers_of_development(void **state)
{
    (void)state;
    setenv("EC_DEVELOPMENT", "1", 1);
    begin();
    assert_int_equal(request("DELETE", "/breakers", "", ""), 204);
    assert_int_equal(request("GET", "/breakers", "", ""), 405);
    assert_true(has("allow: DELETE"));
    kill(child, SIGINT);
    assert_int_equal(join(), 0);
    unsetenv("EC_DEVELOPMENT");
}

static void not_ready_with_reasons(void **state)
{
    (void)state;
    setenv("PART_READY", "0", 1);
    begin();
    assert_int_equal(request("GET", "/readyz", "", ""), 503);
    assert_true(has("{\"ready\":false,\"reasons\":{\"part\":\"the \\\"part\\\" is missing\"}}"));
    assert_int_equal(request("GET", "/livez", "", ""), 200);
    assert_int_equal(ec_health_command("127.0.0.1", port, false), 1);
    kill(child, SIGINT);
    assert_int_equal(join(), 0);
    assert_int_equal(ec_health_command("127.0.0.1", port, false), 1);
    unsetenv("PART_READY");
}

static void drain_waits_for_what_is_in_flight(void **state)
{
    char headers[4000];
    int fd;

    (void)state;
    begin();
    fd = open_socket();
    snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\nContent-Type: application/json\r\n", alpha_token);
    send_request(fd, "POST", "/ops/Echo", headers, "{\"text\":\"slow\",\"wait_ms\":1500}");
    do /* the operation is in flight before the signal comes */
        assert_int_equal(request("GET", "/metrics", "", ""), 200);
    while (!has("ec_ops_in_flight 1\n"));
    kill(child, SIGTERM);
    assert_true(next_line_with("\"msg\":\"draining\""));
    assert_int_equal(read_answer(fd), 200);
    assert_true(has("\"text\":\"slow\""));
    assert_int_equal(join(), 0);
}

static void drain_gives_up(void **state)
{
    char headers[4000];
    int fd;

    (void)state;
    setenv("EC_DRAIN_MS", "50", 1);
    begin();
    unsetenv("EC_DRAIN_MS");
    fd = open_socket();
    snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\nContent-Type: application/json\r\n", alpha_token);
    send_request(fd, "POST", "/ops/Echo", headers, "{\"text\":\"slow\",\"wait_ms\":600000}");
    do
        assert_int_equal(request("GET", "/metrics", "", ""), 200);
    while (!has("ec_ops_in_flight 1\n"));
    kill(child, SIGTERM);
    assert_true(next_line_with("stopping with work in flight"));
    assert_int_equal(read_answer(fd), 0);
    assert_int_equal(join(), 0);
}

/* A caller without a trace begins one, which is recorded as the process was told: not each, whatever calls. */
static void a_trace_that_begins_here(void **state)
{
    (void)state;
    setenv("OTEL_TRACES_SAMPLER_ARG", "0", 1);
    begin();
    unsetenv("OTEL_TRACES_SAMPLER_ARG");
    assert_int_equal(call("Echo", "", "{\"text\":\"x\"}"), 200);
    assert_true(has("\"sampled\":false"));
    assert_int_equal(call("Echo", "traceparent: nonsense\r\n", "{\"text\":\"x\"}"), 200);
    assert_true(has("\"sampled\":false"));
    assert_int_equal(call("Echo", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n", "{\"text\":\"x\"}"), 200);
    assert_true(has("\"sampled\":true")); /* this one asks for it */
    kill(child, SIGTERM);
    assert_int_equal(join(), 0);
    begin();
    assert_int_equal(call("Echo", "", "{\"text\":\"x\"}"), 200);
    assert_true(has("\"sampled\":true"));
    assert_int_equal(call("Echo", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00\r\n", "{\"text\":\"x\"}"), 200);
    assert_true(has("\"sampled\":false"));
    kill(child, SIGTERM);
    assert_int_equal(join(), 0);
}

static void admission(void **state)
{
    char headers[4000];
    int first, second;

    (void)state;
    setenv("EC_MAX_TASKS", "1", 1);
    begin();
    unsetenv("EC_MAX_TASKS");
    first = open_socket();
    snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\nContent-Type: application/json\r\n", alpha_token);
    send_request(first, "POST", "/ops/Echo", headers, "{\"text\":\"slow\",\"wait_ms\":1500}");
    do
        assert_int_equal(request("GET", "/metrics", "", ""), 200);
    while (!has("ec_ops_in_flight 1\n"));
    second = call("Echo", "", "{\"text\":\"x\"}");
    assert_int_equal(second, 503);
    assert_true(has("retry-after: 1"));
    assert_int_equal(read_answer(first), 200);
    kill(child, SIGTERM);
    assert_int_equal(join(), 0);
}

/* How many workers tell that they are there; 0 also when whoever was asked has just died. */
static int workers_told(void)
{
    int n = 0;
    char *at;

    if (request("GET", "/metrics", "", "") != 200)
        return 0;
    for (at = answer; (at = strstr(at, "\nec_info{")); at++)
        n++;
    return n;
}

static pid_t a_worker(void)
{
    char path[64];
    int pid = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)child, (int)child);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    return pid;
}

static void count_together(void)
{
    int i;

    while (workers_told() < 2)
        ;
    for (i = 0; i < 40; i++) /* a connection each, which the kernel gives to either */
        assert_int_equal(call("Echo", "", "{\"text\":\"x\"}"), 200);
    for (i = 0; i < 20; i++) { /* whichever is asked */
        assert_int_equal(workers_told(), 2);
        assert_true(has("ec_op_requests_total{op=\"Echo\",outcome=\"ok\"} 40\n"));
        assert_true(has("ec_op_seconds_count{op=\"Echo\"} 40\n"));
        assert_true(has("ec_ready 1\n"));
    }
}

static void count_on_after_a_death(void)
{
    kill(a_worker(), SIGKILL);
    while (workers_told() != 1) /* its gauges are gone at once */
        ;
    assert_true(has("ec_op_requests_total{op=\"Echo\",outcome=\"ok\"} 40\n"));
    while (workers_told() != 2)
        ;
    assert_int_equal(call("Echo", "", "{\"text\":\"x\"}"), 200);
    assert_int_equal(workers_told(), 2);
    assert_true(has("ec_op_requests_total{op=\"Echo\",outcome=\"ok\"} 41\n"));
}

static void several_workers(void **state)
{
    char number[16];
    int probe = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(at);

    (void)state;
    /* A port that is free: bound here without listening, shared by SO_REUSEPORT. */
    setsockopt(probe, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    assert_int_equal(bind(probe, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(probe, (struct sockaddr *)&at, &length), 0);
    snprintf(number, sizeof(number), "%d", ntohs(at.sin_port));
    setenv("PORT", number, 1);
    beta.workers = 2;
    begin();
    assert_true(next_line_with("\"msg\":\"listening\""));
    close(probe);
    count_together();
    count_on_after_a_death();
    kill(child, SIGTERM);
    assert_int_equal(join(), 0);
    setenv("PART_BROKEN", "1", 1);
    assert_int_equal(run_once(1, (char *[]){"beta", NULL}), 69);
    unsetenv("PART_BROKEN");
    beta.workers = 0;
    setenv("PORT", "0", 1);
}

static void commands_and_mistakes(void **state)
{
    (void)state;
    assert_int_equal(run_once(2, (char *[]){"beta", "nonsense", NULL}), 64);
    assert_non_null(strstr(line, "beta count [WORD...]"));
    assert_int_equal(run_once(4, (char *[]){"beta", "count", "a", "b", NULL}), 43);
    assert_int_equal(run_once(2, (char *[]){"beta", "version", NULL}), 0);
    setenv("PART_BROKEN", "1", 1);
    assert_int_equal(run_once(1, (char *[]){"beta", NULL}), 69);
    assert_non_null(strstr(line, "it was told not to"));
    unsetenv("PART_BROKEN");
    unsetenv("GREETING");
    setenv("PORT", "high", 1);
    setenv("PART_READY", "maybe", 1);
    assert_int_equal(run_once(1, (char *[]){"beta", NULL}), 78);
    assert_string_equal(line, "beta: 3 mistakes in the configuration:\n  GREETING (or GREETING_FILE) must be set\n"
                              "  PART_READY must be a whole number between 0 and 1\n  PORT must be a whole number between 0 and 65535\n");
    setenv("GREETING", "hi", 1);
    setenv("PORT", "0", 1);
    unsetenv("PART_READY");
}

static int start_shared(void **state)
{
    (void)state;
    begin();
    return 0;
}

static int stop_shared(void **state)
{
    (void)state;
    kill(child, SIGTERM);
    return join();
}

static int group_setup(void **state)
{
    static const struct ec_service alpha = {.name = "alpha"};
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};
    cjose_err err;
    cjose_jwk_t *jwk = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &err);
    struct ec_str token;
    char set[2000], *public, *private;

    (void)state;
    cjose_jwk_set_kid(jwk, "alpha", 5, &err);
    public = cjose_jwk_to_json(jwk, false, &err);
    private = cjose_jwk_to_json(jwk, true, &err);
    snprintf(set, sizeof(set), "{\"keys\":[%s]}", public);
    setenv("EC_SERVICE_KEYS", set, 1);
    setenv("EC_SERVICE_KEY", private, 1);
    setenv("PORT", "0", 1);
    setenv("GREETING", "hi", 1);
    ec_app.service = &alpha;
    ec_token_configure_sign(&ec_app, &errors);
    token = ec_token_for("beta");
    snprintf(alpha_token, sizeof(alpha_token), "%.*s", (int)token.n, token.p);
    ec_token_stop();
    unsetenv("EC_SERVICE_KEY");
    free(public);
    free(private);
    cjose_jwk_release(jwk);
    return errors.n;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start_shared, stop_shared)
    const struct CMUnitTest tests[] = {
        T(operations),
        T(the_wire),
        T(bodies),
        T(who_may_call),
        T(health_and_metrics),
        cmocka_unit_test(breakers_of_development),
        cmocka_unit_test(not_ready_with_reasons),
        cmocka_unit_test(drain_waits_for_what_is_in_flight),
        cmocka_unit_test(drain_gives_up),
        cmocka_unit_test(a_trace_that_begins_here),
        cmocka_unit_test(admission),
        cmocka_unit_test(several_workers),
        cmocka_unit_test(commands_and_mistakes),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
