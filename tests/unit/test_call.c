/* Internal calls against a server on the same loop: headers, answers, mapping of failures, what is unknown, retries, breaker, bulkhead. */
#include "http_test.h"

#include <cjose/cjose.h>

#include "edge.h"
#include "task.h"
#include "token.h"

static const struct ec_error error_sold = {"sold", 409, "Sold"}, error_away = {"away", 503, "Away"}, error_shut = {"shut", 503, "Shut"};

struct thing { struct ec_str name; int64_t n; };
static const struct ec_field thing_fields[] = {
    {.name = "name", .kind = EC_TEXT, .offset = offsetof(struct thing, name)},
    {.name = "n", .kind = EC_INT, .offset = offsetof(struct thing, n)},
};
static const struct ec_record thing_record = {"Thing", sizeof(struct thing), thing_fields, 2, NULL};

static struct ec_edge edge;
static const struct ec_error *const call_errors[] = {&error_sold, NULL};
static struct ec_call call = {.edge = &edge, .op = "Do", .in = &thing_record, .out = &thing_record, .errors = call_errors};
static struct ec_edge *const edges[] = {&edge, NULL};
static const struct ec_service service = {.name = "alpha", .edges = edges};

/* The peer: says what the test wants, remembers what it was asked. */
static struct {
    struct ec_http_server *server;
    int port, served, status, fail_first; /* fail_first: so many 503 before */
    const char *body, *headers;
    bool hang, drop, hang_once;
    struct ec_http_exchange *held[8];
    int nheld;
    char seen[4096], keys[8][256];
} peer;

static uv_loop_t loop;

static void on_gone(struct ec_http_exchange *x, void *data)
{
    int i;

    (void)data;
    for (i = 0; i < peer.nheld; i++)
        if (peer.held[i] == x)
            peer.held[i] = NULL;
    ec_http_close(x);
}

static void handle(struct ec_http_exchange *x, void *data)
{
    const struct ec_http_request *request = ec_http_exchange_request(x);
    struct ec_str key = ec_http_header(request, "idempotency-key");
    char *to = peer.seen;
    size_t i;

    (void)data;
    to += sprintf(to, "%.*s %.*s\n", (int)request->method.n, request->method.p, (int)request->target.n, request->target.p);
    for (i = 0; i < request->nheaders; i++)
        to += sprintf(to, "%.*s: %.*s\n", (int)request->headers[i].name.n, request->headers[i].name.p, (int)request->headers[i].value.n,
                      request->headers[i].value.p);
    sprintf(to, "\n%.*s", (int)request->body.n, request->body.p);
    if (peer.served < 8)
        sprintf(peer.keys[peer.served], "%.*s", (int)key.n, key.n ? key.p : "");
    peer.served++;
    if (peer.hang || (peer.hang_once && peer.served == 1)) {
        ec_http_exchange_set(x, NULL, on_gone);
        peer.held[peer.nheld++] = x;
    } else if (peer.drop) {
        ec_http_close(x);
    } else if (peer.served <= peer.fail_first) {
        ec_http_reply(x, 503, EC_STR("text/plain"), (struct ec_str){NULL, 0}, EC_STR(""));
    } else {
        ec_http_reply(x, peer.status, EC_STR("application/json"), ec_str_of(peer.headers ? peer.headers : ""), ec_str_of(peer.body));
    }
}

struct frame { struct thing in, out; };
static struct {
    bool ended, unknown;
    const struct ec_error *error;
    int retry_after_s;
    char detail[200];
    struct thing out;
    char name[32];
} end;

static void run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        f->in = (struct thing){EC_STR("a \"b\""), 7};
        EC_AWAIT_CATCH(task, 1, ec_call(task, &call, &f->in, &f->out));
        end.error = task->error;
        end.unknown = task->unknown;
        end.retry_after_s = task->retry_after_s;
        snprintf(end.detail, sizeof(end.detail), "%s", task->detail ? task->detail : "");
        end.out = f->out;
        if (!task->error)
            snprintf(end.name, sizeof(end.name), "%.*s", (int)f->out.name.n, f->out.name.p);
        task->error = NULL;
        ec_reply(task, NULL);
    }
}
static void on_finish(struct ec_task *task)
{
    end.ended = true;
    ec_task_free(task);
}

static struct ec_program program = {.name = "alpha.Test", .run = run, .frame_size = sizeof(struct frame)};

static struct ec_task *new_task(void)
{
    struct ec_task *task = ec_task_new(&ec_app, &program);

    task->finish = on_finish;
    memset(&end, 0, sizeof(end));
    return task;
}

static void finish(struct ec_task *task)
{
    ec_task_start(task);
    TURN_UNTIL(&loop, end.ended);
}

static int setup(void **state)
{
    struct ec_http_server_options options = {.handle = handle};
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};
    const char *why = NULL;
    char url[64];

    (void)state;
    uv_loop_init(&loop);
    memset(&peer, 0, sizeof(peer));
    peer.status = 200;
    peer.body = "{\"name\":\"x\",\"n\":1}";
    peer.server = ec_http_server_start(&loop, &options, &why);
    peer.port = ec_http_server_port(peer.server);
    sprintf(url, "http://127.0.0.1:%d", peer.port);
    setenv("BETA_URL", url, 1);
    edge = (struct ec_edge){
        .name = "alpha -> beta", .peer = "beta", .env = "BETA_URL", .timeout_ms = 5000, .backoff_min_ms = 5, .backoff_max_ms = 10};
    call.safe = false;
    call.out = &thing_record;
    program.repeat = EC_REPEAT_READ;
    ec_app.loop = &loop;
    ec_app.service = &service;
    ec_module_calls.configure(&ec_app, &errors);
    if (errors.n)
        fail_msg("%.*s", (int)errors.text.n, errors.text.p);
    assert_int_equal(ec_module_calls.start(&ec_app, &why), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_true(ec_module_calls.idle(&ec_app));
    ec_module_calls.stop(&ec_app);
    ec_http_server_stop(peer.server);
    ec_tasks_stop();
    close_loop(&loop);
    return 0;
}

static void headers_and_bodies(void **state)
{
    struct ec_task *task = new_task();

    (void)state;
    task->key = EC_STR("s1/pay/undo");
    task->undoes = EC_STR("s1/pay/do");
    task->background = task->again = true;
    memset(task->trace.trace_id, 0xab, 16);
    memset(task->trace.span_id, 0xcd, 8);
    task->trace.sampled = true;
    finish(task);
    assert_null(end.error);
    assert_int_equal(end.out.n, 1);
    assert_string_equal(end.name, "x");
    assert_non_null(strstr(peer.seen, "POST /ops/Do\n"));
    assert_non_null(strstr(peer.seen, "\nauthorization: Bearer ey"));
    assert_non_null(strstr(peer.seen, "\nidempotency-key: s1/pay/undo\n"));
    assert_non_null(strstr(peer.seen, "\nec-undoes: s1/pay/do\n"));
    assert_non_null(strstr(peer.seen, "\nec-background: 1\n"));
    assert_non_null(strstr(peer.seen, "\nec-again: 1\n"));
    assert_non_null(strstr(peer.seen, "\nec-deadline: 5000\n"));
    assert_non_null(strstr(peer.seen, "\ntraceparent: 00-abababababababababababababababab-"));
    assert_null(strstr(peer.seen, "-cdcdcdcdcdcdcdcd-")); /* a span of its own */
    assert_non_null(strstr(peer.seen, "\n\n{\"name\":\"a \\\"b\\\"\",\"n\":7}"));
}

static void the_nearer_limit_counts(void **state)
{
    struct ec_task *task = new_task();
    int deadline = 0;

    (void)state;
    task->deadline_ns = uv_hrtime() + 2000000000ull;
    finish(task);
    assert_null(strstr(peer.seen, "idempotency-key"));
    sscanf(strstr(peer.seen, "ec-deadline: "), "ec-deadline: %d", &deadline);
    assert_in_range(deadline, 1500, 2000);
    /* None is left: nothing is sent. */
    task = new_task();
    task->deadline_ns = 1;
    finish(task);
    assert_ptr_equal(end.error, &ec_error_timeout);
    assert_false(end.unknown);
    assert_int_equal(peer.served, 1);
}

static void keys_of_a_keyed_program(void **state)
{
    struct ec_task *task;
    int i;

    (void)state;
    program.repeat = EC_REPEAT_CLAIM;
    for (i = 0; i < 2; i++) {
        task = new_task();
        task->key = EC_STR("client/a/1");
        task->undoes = EC_STR("not passed on");
        finish(task);
    }
    assert_string_equal(peer.keys[0], "client/a/1/1/Do");
    assert_string_equal(peer.keys[1], peer.keys[0]); /* the same when it is repeated */
    assert_null(strstr(peer.seen, "ec-undoes"));
    task = new_task();
    task->calls = 1;
    task->key = EC_STR("client/a/1");
    finish(task);
    assert_string_equal(peer.keys[2], "client/a/1/2/Do");
    task = new_task();
    task->key = EC_STR(
        "client/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
        "89012345678901234567890123456789012345678901234567890123456789012345678901234567890");
    finish(task);
    assert_int_equal(strlen(peer.keys[3]), 64);
    /* A repeat by a process that knows the operation under its new name is still a repeat. */
    call.was = "Make";
    task = new_task();
    task->key = EC_STR("client/a/1");
    finish(task);
    assert_string_equal(peer.keys[4], "client/a/1/1/Make");
    call.was = NULL;
}

/* A callee would take the second call of one request for a repeat of the first. */
static void keys_of_one_that_takes_none(void **state)
{
    struct ec_task *task;
    uint32_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        task = new_task();
        task->calls = i; /* READ: set by the fixture */
        task->key = EC_STR("client/a/1");
        finish(task);
    }
    assert_string_equal(peer.keys[0], "client/a/1");
    assert_string_equal(peer.keys[1], "client/a/1/2/Do");
}

/* A callee that is newer says more than is known here, and leaves out what may be absent. */
static void answers_of_another_version(void **state)
{
    (void)state;
    peer.body = "{\"name\":\"x\",\"n\":1,\"more\":{\"than\":[\"is\",\"known\"]}}";
    finish(new_task());
    assert_null(end.error);
    peer.body = "{\"name\":\"x\"}"; /* but not what is needed */
    finish(new_task());
    assert_ptr_equal(end.error, &ec_error_bad_gateway);
}

static void answers(void **state)
{
    static const struct {
        int status;
        const char *body, *headers;
        const struct ec_error *error;
        bool unknown;
    } cases[] = {
        {409, "{\"type\":\"/problems/sold\",\"title\":\"x\",\"detail\":\"gone\"}", NULL, &error_sold, false},
        {503, "{\"type\":\"https://h/sold\"}", NULL, &error_sold, false},
        {503, "{\"type\":\"/problems/sold\"}", "ec-unknown: 1\r\n", &error_sold, true},
        {409, "{\"type\":\"/problems/foreign\"}", NULL, &ec_error_bad_gateway, false},
        {409, "{\"type\":\"/problems/conflict\"}", NULL, &ec_error_conflict, false},
        {409, "{\"type\":\"/problems/revoked\"}", NULL, &ec_error_revoked, false},
        {422, "{\"type\":\"/problems/invalid\",\"detail\":\"n\"}", NULL, &ec_error_invalid, false},
        {401, "{\"type\":\"/problems/unauthorized\"}", NULL, &ec_error_bad_gateway, false},
        {403, "{\"type\":\"/problems/forbidden\"}", NULL, &ec_error_bad_gateway, false},
        {404, "not even JSON", NULL, &ec_error_bad_gateway, false},
        {500, "{\"type\":\"/problems/internal\"}", NULL, &ec_error_bad_gateway, true},
        {502, "", NULL, &ec_error_bad_gateway, true},
        {503, "{\"type\":\"/problems/unavailable\"}", NULL, &ec_error_unavailable, false},
        {503, "", "ec-unknown: 1\r\n", &ec_error_unavailable, true},
        {504, "", NULL, &ec_error_timeout, true},
        {200, "{\"name\":\"x\"}", NULL, &ec_error_bad_gateway, true},
        {200, "{\"name\":\"x\",\"n\":1,\"more\":2,\"more\":2}", NULL, &ec_error_bad_gateway, true},
        {200, "", NULL, &ec_error_bad_gateway, true},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        peer.status = cases[i].status;
        peer.body = cases[i].body;
        peer.headers = cases[i].headers;
        finish(new_task());
        if (end.error != cases[i].error || end.unknown != cases[i].unknown)
            fail_msg("%d %s: %s, unknown %d", cases[i].status, cases[i].body, end.error ? end.error->name : "none", end.unknown);
    }
    /* The same, mapped: only what is no answer of the operation. */
    edge.on_failure = &error_away;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool mapped = (cases[i].status >= 500 || cases[i].status == 200) && cases[i].error != &error_sold;

        peer.status = cases[i].status;
        peer.body = cases[i].body;
        peer.headers = cases[i].headers;
        finish(new_task());
        if (end.error != (mapped ? &error_away : cases[i].error) || end.unknown != cases[i].unknown)
            fail_msg("%d %s: %s, unknown %d", cases[i].status, cases[i].body, end.error ? end.error->name : "none", end.unknown);
    }
    /* What has no effect is never unknown. */
    call.safe = true;
    peer.status = 500;
    finish(new_task());
    assert_false(end.unknown);
    /* retry-after and detail go on. */
    peer.status = 409;
    peer.body = cases[0].body;
    peer.headers = "retry-after: 3\r\n";
    finish(new_task());
    assert_int_equal(end.retry_after_s, 3);
    assert_string_equal(end.detail, "gone");
    /* Nothing comes back, and accepted is as good as done. */
    call.out = NULL;
    peer.status = 202;
    peer.body = "{}";
    finish(new_task());
    assert_null(end.error);
}

static void failures(void **state)
{
    (void)state;
    edge.timeout_ms = 50;
    peer.hang = true;
    finish(new_task());
    assert_ptr_equal(end.error, &ec_error_timeout);
    assert_true(end.unknown);
    TURN_UNTIL(&loop, peer.held[0] == NULL); /* the peer sees that nobody waits */
    peer.hang = false;
    peer.drop = true;
    edge.timeout_ms = 5000;
    finish(new_task());
    assert_ptr_equal(end.error, &ec_error_bad_gateway);
    assert_true(end.unknown);
    ec_http_server_drain(peer.server, 0);
    finish(new_task());
    assert_ptr_equal(end.error, &ec_error_unavailable);
    assert_false(end.unknown);
}

static void retries(void **state)
{
    struct ec_task *task;

    (void)state;
    edge.retries = 2;
    peer.fail_first = 2;
    /* Not without a key: the peer might do it twice. */
    finish(new_task());
    assert_non_null(end.error);
    assert_int_equal(peer.served, 1);
    peer.served = 0;
    task = new_task();
    task->key = EC_STR("k");
    finish(task);
    assert_null(end.error);
    assert_int_equal(peer.served, 3);
    assert_string_equal(peer.keys[0], "k");
    assert_string_equal(peer.keys[2], "k");
    peer.served = 0;
    call.safe = true;
    finish(new_task());
    assert_null(end.error);
    /* Never an answer, and never past the deadline. */
    call.safe = false;
    peer.served = peer.fail_first = 0;
    peer.status = 409;
    peer.body = "{\"type\":\"/problems/sold\"}";
    task = new_task();
    task->key = EC_STR("k");
    finish(task);
    assert_int_equal(peer.served, 1);
    peer.served = 0;
    peer.fail_first = 9;
    edge.backoff_min_ms = edge.backoff_max_ms = 3000;
    task = new_task();
    task->key = EC_STR("k");
    task->deadline_ns = uv_hrtime() + 1000000000ull;
    finish(task);
    assert_int_equal(peer.served, 1);
    assert_non_null(end.error);
}

static void unknown_stays_unknown(void **state)
{
    struct ec_task *task;

    (void)state;
    edge.retries = 1;
    edge.timeout_ms = 60;
    peer.hang = true;
    task = new_task();
    task->key = EC_STR("k");
    ec_task_start(task);
    TURN_UNTIL(&loop, peer.served == 1);
    ec_http_server_drain(peer.server, 0); /* the second attempt is refused */
    TURN_UNTIL(&loop, end.ended);
    assert_ptr_equal(end.error, &ec_error_unavailable);
    assert_true(end.unknown);
}

/* Of an attempt that timed out, a later one learns only what the peer says about the work, not what it says about the request. */
static void what_settles_it(void **state)
{
    static const struct {
        int status;
        const char *body;
        bool unknown;
    } cases[] = {
        {409, "{\"type\":\"/problems/sold\"}", false},         {409, "{\"type\":\"/problems/revoked\"}", false},
        {409, "{\"type\":\"/problems/conflict\"}", true},      {401, "{\"type\":\"/problems/unauthorized\"}", true},
        {429, "{\"type\":\"/problems/rate-limited\"}", true}, {400, "", true},
    };
    struct ec_task *task;
    size_t i;

    (void)state;
    edge.retries = 1;
    edge.timeout_ms = 100;
    peer.hang_once = true;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        peer.served = peer.nheld = 0;
        peer.status = cases[i].status;
        peer.body = cases[i].body;
        task = new_task();
        task->key = EC_STR("k");
        finish(task);
        assert_int_equal(peer.served, 2);
        assert_non_null(end.error);
        if (end.unknown != cases[i].unknown)
            fail_msg("%d %s: unknown %d", cases[i].status, cases[i].body, end.unknown);
    }
}

static void the_budget(void **state)
{
    int i, total;

    (void)state;
    edge.retries = 5;
    edge.backoff_min_ms = edge.backoff_max_ms = 1;
    call.safe = true;
    peer.fail_first = 1000000;
    for (i = 0; i < 100; i++)
        finish(new_task());
    total = peer.served;
    assert_in_range(total, 105, 100 + 10 + 10); /* ten were saved, ten earned */
}

static void the_breaker(void **state)
{
    struct ec_task *task;
    int i;

    (void)state;
    edge.state->breaker.trip = edge.trip = 3;
    edge.state->breaker.timeouts_only = true;
    edge.state->breaker.open_ns = 100000000;
    edge.state->breaker_gauge = ec_metric(EC_GAUGE_MOST, "ec_breaker_state", "x", "edge=\"alpha -> beta\"");
    for (i = 0; i < EC_BREAKER_STATES; i++)
        edge.state->changes[i] = ec_metric(EC_COUNTER, "ec_breaker_changes_total", "x", i == EC_BREAKER_OPEN ? "to=\"open\"" : "to=\"other\"");
    edge.on_open = &error_shut;
    edge.timeout_ms = 40;
    peer.hang = true;
    for (i = 0; i < 3; i++) {
        assert_int_equal(edge.state->breaker.state, EC_BREAKER_CLOSED);
        finish(new_task());
        assert_ptr_equal(end.error, &ec_error_timeout);
    }
    finish(new_task());
    assert_ptr_equal(end.error, &error_shut);
    assert_int_equal(end.retry_after_s, 1);
    assert_false(end.unknown);
    assert_int_equal(peer.served, 3);
    assert_true(ec_metric_value(edge.state->breaker_gauge) == 2);
    /* A deadline of the caller's says nothing about the peer: the probe's permit is there again. */
    usleep(110000);
    task = new_task();
    task->deadline_ns = uv_hrtime() + 20000000;
    finish(task);
    assert_ptr_equal(end.error, &ec_error_timeout);
    assert_int_equal(edge.state->breaker.state, EC_BREAKER_HALF_OPEN);
    peer.hang = false;
    finish(new_task());
    assert_null(end.error);
    assert_int_equal(edge.state->breaker.state, EC_BREAKER_CLOSED);
    assert_true(ec_metric_value(edge.state->breaker_gauge) == 0);
    /* Background calls don't trip. */
    peer.hang = true;
    for (i = 0; i < 4; i++) {
        task = new_task();
        task->background = true;
        finish(task);
    }
    assert_int_equal(edge.state->breaker.state, EC_BREAKER_CLOSED);
}

static void the_bulkhead(void **state)
{
    struct ec_task *first;

    (void)state;
    edge.concurrency = 1;
    peer.hang = true;
    first = new_task();
    ec_task_start(first);
    TURN_UNTIL(&loop, peer.nheld == 1);
    finish(new_task());
    assert_ptr_equal(end.error, &ec_error_unavailable);
    assert_false(end.unknown);
    end.ended = false;
    ec_http_reply(peer.held[0], 200, EC_STR("application/json"), (struct ec_str){NULL, 0}, EC_STR("{\"name\":\"x\",\"n\":1}"));
    TURN_UNTIL(&loop, end.ended);
    assert_null(end.error);
}

static void configuration(void **state)
{
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};

    (void)state;
    unsetenv("BETA_URL");
    ec_module_calls.configure(&ec_app, &errors);
    assert_int_equal(errors.n, 1);
    setenv("BETA_URL", "https://x", 1);
    ec_module_calls.configure(&ec_app, &errors);
    assert_int_equal(errors.n, 2);
    ec_buf_add(&errors.text, "", 1);
    assert_non_null(strstr(errors.text.p, "BETA_URL is not a list of http://host:port"));
    ec_buf_free(&errors.text);
}

static int make_key(void **state)
{
    cjose_err err;
    cjose_jwk_t *jwk = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &err);
    char *text;

    (void)state;
    cjose_jwk_set_kid(jwk, "alpha", 5, &err);
    text = cjose_jwk_to_json(jwk, true, &err);
    setenv("EC_SERVICE_KEY", text, 1);
    free(text);
    cjose_jwk_release(jwk);
    return 0;
}

static int drop_key(void **state)
{
    (void)state;
    ec_token_stop();
    return 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(headers_and_bodies), T(the_nearer_limit_counts), T(keys_of_a_keyed_program),
        T(keys_of_one_that_takes_none), T(answers), T(answers_of_another_version), T(failures), T(retries),
        T(unknown_stays_unknown), T(what_settles_it), T(the_budget), T(the_breaker), T(the_bulkhead), T(configuration),
    };

    setenv("LOG_LEVEL", "error", 1);
    return cmocka_run_group_tests(tests, make_key, drop_key);
}
