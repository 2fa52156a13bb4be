/* A whole process behind its internal listener: ec_main in a child, plain sockets here. Commands, configuration mistakes, who may call
 * what, headers of the wire, problems, health, metrics, drain, workers. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjose/cjose.h>
#include <cmocka.h>

#include "app.h"
#include "health.h"
#include "token.h"

/* ------------------------------------------------------------------ the service */

struct echo_in {
    struct ec_str text;
    int64_t wait_ms;
};
static const struct ec_field echo_fields[] = {
    {.name = "text", .kind = EC_TEXT, .flags = EC_BOUNDED, .offset = offsetof(struct echo_in, text), .min = 1, .max = 20},
    {.name = "wait_ms", .kind = EC_INT, .flags = EC_DEFAULT, .offset = offsetof(struct echo_in, wait_ms)},
};
static const struct ec_record echo_in_record = {"EchoIn", sizeof(struct echo_in), echo_fields, 2, NULL};

struct echo_out {
    struct ec_str text, key, undoes, hash;
    bool background, again;
    int64_t remaining_ms;
};
#define O(member, kind_, fl) {.name = #member, .kind = (kind_), .flags = (fl), .offset = offsetof(struct echo_out, member)}
static const struct ec_field echo_out_fields[] = {
    O(text, EC_TEXT, 0), O(key, EC_TEXT, EC_OPTIONAL), O(undoes, EC_TEXT, EC_OPTIONAL),
    O(hash, EC_TEXT, 0), O(background, EC_BOOL, 0), O(again, EC_BOOL, 0), O(remaining_ms, EC_INT, 0),
};
static const struct ec_record echo_out_record = {"EchoOut", sizeof(struct echo_out), echo_out_fields, 7, NULL};

static const struct ec_error error_no_luck = {"no-luck", 409, "No luck"};

struct echo_frame {
    struct echo_in in;
    uv_timer_t timer;
    struct echo_out out;
};
enum { START, WAITED };

static void on_timer(uv_timer_t *timer)
{
    struct ec_task *task = timer->data;

    task->error = NULL;
    ec_task_resume(task);
}

static void wait_for(struct ec_task *task, struct echo_frame *f)
{
    uv_timer_init(task->app->loop, &f->timer);
    f->timer.data = task;
    uv_timer_start(&f->timer, on_timer, (uint64_t)f->in.wait_ms, 0);
}

static void timer_closed(uv_handle_t *handle)
{
    struct ec_task *task = handle->data;
    struct echo_frame *f = EC_FRAME(task, struct echo_frame);
    char *hash = ec_arena_printf(task->arena, "%02x%02x", task->request_hash[0], task->request_hash[15]);

    if (ec_str_eq(f->in.text, EC_STR("fail"))) {
        ec_task_error(task, &error_no_luck, "try \"again\"");
        ec_fail(task);
        return;
    }
    if (ec_str_eq(f->in.text, EC_STR("lost"))) {
        ec_task_error(task, &ec_error_unavailable, "an answer was lost");
        task->unknown = true;
        task->retry_after_s = 7;
        ec_fail(task);
        return;
    }
    f->out = (struct echo_out){f->in.text, task->key, task->undoes, ec_str_of(hash), task->background, task->again,
                                 ec_task_remaining_ms(task)};
    if (ec_str_eq(f->in.text, EC_STR("accept")))
        ec_accept(task, &f->out);
    else
        ec_reply(task, &f->out);
}

static void echo_run(struct ec_task *task)
{
    struct echo_frame *f = EC_FRAME(task, struct echo_frame);

    switch (task->step) {
    case START:
        EC_AWAIT(task, WAITED, wait_for(task, f));
        f->timer.data = task;
        uv_close((uv_handle_t *)&f->timer, timer_closed); /* the frame lives until it is closed */
        return;
    }
}
static const struct ec_program echo = {
    .name = "beta.Echo", .run = echo_run, .frame_size = sizeof(struct echo_frame), .in = &echo_in_record, .out = &echo_out_record,
    .errors = (const struct ec_error *const[]){&error_no_luck, NULL},
};
static const struct ec_op echo_op = {"Echo", &echo, (const char *const[]){"alpha", NULL}, .was = "Say"};

static void nothing_run(struct ec_task *task)
{
    ec_reply(task, NULL);
}
static const struct ec_program nothing = {.name = "beta.Nothing", .run = nothing_run, .frame_size = 8};
static const struct ec_op nothing_op = {"Nothing", &nothing, (const char *const[]){"alpha", NULL}},
                          theirs_op = {"Theirs", &nothing, (const char *const[]){"gamma", NULL}};

static bool part_ready;
static void part_configure(struct ec_app *app, struct ec_config_errors *errors)
{
    (void)app;
    part_ready = ec_config_int(errors, "PART_READY", 1, 0, 1);
}

static const char *part_not_ready(struct ec_app *app)
{
    (void)app;
    return part_ready ? NULL : "the \"part\" is missing";
}

static int part_start(struct ec_app *app, const char **why)
{
    (void)app;
    *why = "it was told not to";
    return getenv("PART_BROKEN") ? -1 : 0;
}

static int count_command(struct ec_app *app, int argc, char **argv)
{
    return app->loop && strcmp(argv[0], "count") == 0 ? 40 + argc : 1;
}
static const struct ec_module part = {
    .name = "part", .configure = part_configure, .start = part_start, .not_ready = part_not_ready,
    .commands = (const struct ec_command[]){{"count", "count [WORD...]", count_command}, {NULL, NULL, NULL}},
};

static struct ec_setting greeting = {.name = "greeting", .env = "GREETING", .kind = EC_TEXT};
static struct ec_service beta = {
    .name = "beta",
    .modules = (const struct ec_module *const[]){&part, &ec_module_ops, NULL},
    .settings = (struct ec_setting *const[]){&greeting, NULL},
    .ops = (const struct ec_op *const[]){&echo_op, &nothing_op, &theirs_op, NULL},
};

/* ------------------------------------------------------------------ the child */

static pid_t child;
static FILE *child_err;
static int port;
static char line[4096];

static pid_t spawn(int argc, char **argv, int *err)
{
    int out[2];
    pid_t pid;

    assert_int_equal(pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        dup2(out[1], STDERR_FILENO);
        close(out[0]);
        close(out[1]);
        exit(ec_main(argc, argv, &beta));
    }
    close(out[1]);
    *err = out[0];
    return pid;
}

static bool next_line_with(const char *word)
{
    while (fgets(line, sizeof(line), child_err))
        if (strstr(line, word))
            return true;
    return false;
}

static void begin(void)
{
    int err;

    child = spawn(2, (char *[]){"beta", "serve", NULL}, &err);
    child_err = fdopen(err, "r");
    if (!next_line_with("\"msg\":\"listening\""))
        fail_msg("does not listen");
    port = atoi(strstr(line, "\"port\":") + 7);
}

/* Returns the exit code; -1 when killed. */
static int join(void)
{
    int status;

    waitpid(child, &status, 0);
    fclose(child_err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run_once(int argc, char **argv)
{
    size_t n = 0;
    ssize_t got;
    int err, status;
    pid_t pid = spawn(argc, argv, &err);

    while ((got = read(err, line + n, sizeof(line) - 1 - n)) > 0)
        n += (size_t)got;
    line[n] = 0;
    close(err);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ------------------------------------------------------------------ the client */

static char alpha_token[2000], answer[1 << 16];

static int open_socket(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void send_request(int fd, const char *method, const char *path, const char *headers, const char *body)
{
    char request[8000];
    int n = snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", method,
                     path, headers, strlen(body), body);

    assert_int_equal(write(fd, request, (size_t)n), n);
}

static int read_answer(int fd)
{
    size_t n = 0;
    ssize_t got;

    while (n < sizeof(answer) - 1 && (got = read(fd, answer + n, sizeof(answer) - 1 - n)) > 0)
        n += (size_t)got;
    answer[n] = 0;
    close(fd);
    return n > 12 ? atoi(answer + 9) : 0;
}

static int request(const char *method, const char *path, const char *headers, const char *body)
{
    int fd = open_socket();

    send_request(fd, method, path, headers, body);
    return read_answer(fd);
}

static int call(const char *op, const char *more, const char *body)
{
    char path[100], headers[4000];

    snprintf(path, sizeof(path), "/ops/%s", op);
    snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\nContent-Type: application/json\r\n%s", alpha_token, more);
    return request("POST", path, headers, body);
}

static bool has(const char *text)
{
    return strstr(answer, text) != NULL;
}

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
    assert_int_equal(
        call("Echo", "idempotency-key: s/1/undo\r\nec-undoes: s/1/do\r\nec-background: 1\r\nec-again: 1\r\nec-deadline: 500\r\n", "{\"text\":\"x\"}"),
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

static void several_workers(void **state)
{
    char number[16], seen[2][64] = {"", ""};
    int probe = socket(AF_INET, SOCK_STREAM, 0), one = 1, i;
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
    for (i = 0; i < 200 && !seen[1][0]; i++) {
        char *instance;

        assert_int_equal(request("GET", "/metrics", "", ""), 200);
        instance = strstr(answer, ",id=\"") + 5;
        instance[36] = 0;
        if (!seen[0][0])
            strcpy(seen[0], instance);
        else if (strcmp(seen[0], instance) != 0)
            strcpy(seen[1], instance);
    }
    assert_true(seen[1][0]); /* both answer, each as its own instance */
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
        cmocka_unit_test(admission),
        cmocka_unit_test(several_workers),
        cmocka_unit_test(commands_and_mistakes),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
