/* A service in a child process, with ec_main as a service has it, and a client on plain sockets. */
#ifndef OPS_FIXTURE_H
#define OPS_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
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
    bool sampled;
};
#define O(member, kind_, fl) {.name = #member, .kind = (kind_), .flags = (fl), .offset = offsetof(struct echo_out, member)}
static const struct ec_field echo_out_fields[] = {
    O(text, EC_TEXT, 0), O(key, EC_TEXT, EC_OPTIONAL), O(undoes, EC_TEXT, EC_OPTIONAL),
    O(hash, EC_TEXT, 0), O(background, EC_BOOL, 0), O(again, EC_BOOL, 0), O(remaining_ms, EC_INT, 0),
    O(sampled, EC_BOOL, 0),
};
static const struct ec_record echo_out_record = {"EchoOut", sizeof(struct echo_out), echo_out_fields, 8, NULL};

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

static struct ec_task *volatile waits; /* what is in flight when a process gives up is not freed, and no leak: a client or a database has it elsewhere */

static void wait_for(struct ec_task *task, struct echo_frame *f)
{
    waits = task;
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
                                 ec_task_remaining_ms(task), task->trace.sampled};
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
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that fails takes it along */
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

    /* Who has been killed since it was connected resets the connection: then no answer comes, which read_answer tells. */
    ssize_t put = write(fd, request, (size_t)n);
    assert_true(put == n || (put < 0 && (errno == ECONNRESET || errno == EPIPE)));
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

#endif
