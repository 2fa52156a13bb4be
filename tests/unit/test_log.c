/* Logs: whole JSON lines, at once without a loop, once a turn with one, at exit, and when the process dies. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "app.h"

static char text[1 << 16];
static char last_line[1 << 16];

/* Runs what in a child with stderr on a pipe (or a file), gives what was written. Returns the wait status. */
static int written_by(void (*what)(void))
{
    int out[2], status;
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    assert_int_equal(pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        dup2(out[1], STDERR_FILENO);
        close(out[0]);
        close(out[1]);
        what();
        exit(0);
    }
    close(out[1]);
    while (n < sizeof(text) - 1 && (got = read(out[0], text + n, sizeof(text) - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = 0;
    close(out[0]);
    waitpid(pid, &status, 0);
    return status;
}

/* The n-th line, as an object. */
static json_t *line(int n)
{
    const char *p = text, *end;
    json_t *object;

    while (n-- > 0) {
        p = strchr(p, '\n');
        assert_non_null(p);
        p++;
    }
    end = strchr(p, '\n');
    assert_non_null(end);
    snprintf(last_line, sizeof(last_line), "%.*s", (int)(end - p), p);
    object = json_loads(last_line, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (!object)
        fail_msg("not JSON: %s", last_line);
    return object;
}

static const char *member(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value ? value : "(none)";
}

static void run(struct ec_task *task)
{
    (void)task;
}
static const struct ec_program program = {.name = "v", .run = run, .frame_size = 16};

static void hostile_members(void)
{
    static const struct ec_service service = {.name = "svc"};
    struct ec_task *task = ec_task_new(&ec_app, &program);

    ec_app.service = &service;
    memset(task->trace.trace_id, 0xab, 16);
    ec_log(EC_LOG_INFO, task, "a \"quoted\"\nmessage", EC_L_STR("op", "x\\y"), EC_L_INT("ms", -5), EC_L_STR("absent", NULL),
           EC_L_TEXT("bytes", ((struct ec_str){"\xff\x00\x1b[31m", 7})));
    ec_log(EC_LOG_DEBUG, NULL, "not shown");
    ec_log(EC_LOG_ERROR, NULL, "bare");
    ec_task_free(task);
    _exit(0); /* nothing left to flush */
}

static void lines_are_json(void **state)
{
    json_t *object;

    (void)state;
    unsetenv("LOG_LEVEL");
    written_by(hostile_members);
    object = line(0);
    assert_string_equal(member(object, "level"), "info");
    assert_string_equal(member(object, "service"), "svc");
    assert_string_equal(member(object, "msg"), "a \"quoted\"\nmessage");
    assert_string_equal(member(object, "trace_id"), "abababababababababababababababab");
    assert_string_equal(member(object, "op"), "x\\y");
    assert_int_equal(json_integer_value(json_object_get(object, "ms")), -5);
    assert_true(json_is_null(json_object_get(object, "absent")));
    assert_null(strchr(last_line, '\x1b'));
    json_decref(object);
    object = line(1);
    assert_string_equal(member(object, "msg"), "bare");
    assert_string_equal(member(object, "trace_id"), "(none)");
    json_decref(object);
}

static void levels(void)
{
    ec_log(EC_LOG_INFO, NULL, "not shown");
    ec_log(EC_LOG_WARN, NULL, "shown");
}

static void the_level_is_kept(void **state)
{
    (void)state;
    setenv("LOG_LEVEL", "warn", 1);
    written_by(levels);
    assert_null(strstr(text, "not shown"));
    assert_non_null(strstr(text, "shown"));
    unsetenv("LOG_LEVEL");
}

enum { FLOOD = 5000 };

/* All within what ec_now calls a second or two; numbers and the trace make no line another. */
static void a_flood(void)
{
    struct ec_task *task = ec_task_new(&ec_app, &program);

    for (int i = 0; i < FLOOD; i++) {
        task->trace.trace_id[0] = (uint8_t)i;
        ec_log(EC_LOG_WARN, task, "request failed", EC_L_STR("route", "a"), EC_L_INT("ms", i));
    }
    ec_log(EC_LOG_ERROR, NULL, "request failed", EC_L_STR("route", "b"));
    for (int i = 0; i < 300; i++)
        ec_log(EC_LOG_INFO, NULL, "told", EC_L_STR("route", "a"));
    usleep(1001000);
    ec_log(EC_LOG_WARN, task, "request failed", EC_L_STR("route", "a"), EC_L_INT("ms", FLOOD));
    ec_log(EC_LOG_WARN, task, "request failed", EC_L_STR("route", "a"), EC_L_INT("ms", FLOOD));
    ec_task_free(task);
    _exit(0);
}

static void what_a_flood_leaves_out_is_counted(void **state)
{
    int said = 0, told = 0, others = 0, last = 0;
    int64_t left = 0;
    int lines = 0;

    (void)state;
    unsetenv("LOG_LEVEL");
    written_by(a_flood);
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        lines++;
    for (int i = 0; i < lines; i++) {
        json_t *object = line(i), *n = json_object_get(object, "alike_left_out");

        told += strcmp(member(object, "msg"), "told") == 0;
        others += strcmp(member(object, "route"), "b") == 0;
        said += strcmp(member(object, "msg"), "request failed") == 0 && strcmp(member(object, "route"), "a") == 0;
        left += json_integer_value(n);
        last = n ? i : last;
        json_decref(object);
    }
    assert_int_equal(told, 300); /* what is no warning is not limited */
    assert_int_equal(others, 1); /* nor hidden by another that is */
    assert_in_range(said, 102, 302);
    assert_int_equal(said + left, FLOOD + 2);
    assert_int_equal(last, lines - 2); /* told once, with the first that is written again */

    setenv("LOG_LEVEL", "debug", 1);
    written_by(a_flood);
    assert_null(strstr(text, "alike_left_out"));
    unsetenv("LOG_LEVEL");
}

static void in_a_loop(void)
{
    uv_loop_t loop;
    int before[2], flags;
    char byte;

    uv_loop_init(&loop);
    ec_log_attach(&loop);
    /* Gathered until the turn ends: what is on stderr now comes first. */
    ec_log(EC_LOG_INFO, NULL, "second");
    if (write(STDERR_FILENO, "{\"msg\":\"first\"}\n", 16) != 16 || pipe(before))
        _exit(1);
    flags = uv_run(&loop, UV_RUN_DEFAULT); /* the handle keeps no loop alive: this returns */
    ec_log(EC_LOG_INFO, NULL, "third");
    ec_log_detach();
    uv_run(&loop, UV_RUN_DEFAULT);
    byte = (char)uv_loop_close(&loop);
    ec_log(EC_LOG_INFO, NULL, flags == 0 && byte == 0 ? "closed" : "left open");
    _exit(0);
}

static void batched_once_a_turn(void **state)
{
    static const char *const expected[] = {"first", "second", "third", "closed"};
    int i;

    (void)state;
    written_by(in_a_loop);
    for (i = 0; i < 4; i++) {
        json_t *object = line(i);

        assert_string_equal(member(object, "msg"), expected[i]);
        json_decref(object);
    }
}

static void dies_of_a_bug(void)
{
    static uv_loop_t loop;

    signal(SIGABRT, SIG_DFL);
    uv_loop_init(&loop);
    ec_log_attach(&loop);
    ec_log(EC_LOG_INFO, NULL, "last words");
    abort();
}

static void panics(void)
{
    ec_panic("a rule is broken");
}

static void flushed_when_it_dies(void **state)
{
    int status;

    (void)state;
    status = written_by(dies_of_a_bug);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "last words"));
    status = written_by(panics);
    assert_true(WIFSIGNALED(status));
    assert_non_null(strstr(text, "a rule is broken"));
}

static void exits_with_a_line(void)
{
    static uv_loop_t loop;

    uv_loop_init(&loop);
    ec_log_attach(&loop);
    ec_log(EC_LOG_INFO, NULL, "before exit");
}

static void flushed_at_exit(void **state)
{
    (void)state;
    written_by(exits_with_a_line);
    assert_non_null(strstr(text, "before exit"));
}

/* Nobody reads: the loop must not wait for it. */
static void nobody_reads(void)
{
    static uv_loop_t loop;
    int full[2], keep = dup(STDERR_FILENO), i;
    char said[64];
    uint64_t start;

    if (pipe(full))
        _exit(1);
    fcntl(full[1], F_SETFL, O_NONBLOCK);
    dup2(full[1], STDERR_FILENO);
    uv_loop_init(&loop);
    ec_log_attach(&loop);
    start = uv_hrtime();
    for (i = 0; i < 30000; i++) {
        ec_log(EC_LOG_INFO, NULL,
               "a line of some length, so that the pipe and the buffer are full before long, which is what this is about");
        if (i % 100 == 0)
            uv_run(&loop, UV_RUN_NOWAIT);
    }
    snprintf(said, sizeof(said), "%s\n", uv_hrtime() - start < 5000000000u ? "went on" : "was blocked");
    if (write(keep, said, strlen(said)) < 0)
        _exit(1);
    _exit(0);
}

static void a_full_pipe_blocks_nobody(void **state)
{
    (void)state;
    written_by(nobody_reads);
    assert_string_equal(text, "went on\n");
}

static void a_wrong_level_is_a_mistake(void **state)
{
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};

    (void)state;
    setenv("LOG_LEVEL", "loud", 1);
    ec_log_configure(&errors);
    assert_int_equal(errors.n, 1);
    setenv("LOG_LEVEL", "error", 1);
    ec_log_configure(&errors);
    assert_int_equal(errors.n, 1);
    unsetenv("LOG_LEVEL");
    ec_buf_free(&errors.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_flood_leaves_out_is_counted),
        cmocka_unit_test(lines_are_json),   cmocka_unit_test(the_level_is_kept),         cmocka_unit_test(batched_once_a_turn),
        cmocka_unit_test(flushed_at_exit),  cmocka_unit_test(flushed_when_it_dies),      cmocka_unit_test(a_full_pipe_blocks_nobody),
        cmocka_unit_test(a_wrong_level_is_a_mistake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
