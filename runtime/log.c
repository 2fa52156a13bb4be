/* Logs: one JSON line an event, on stderr.
 *
 * Lines are gathered in one buffer. With a loop attached they are written by a prepare handle, that is once a turn, right before the
 * loop sleeps; the handle is unref'd, so that it keeps no loop alive. Without a loop each line is written at once. What is gathered is
 * also written at exit and when the process dies of a signal that a bug raises. When nobody reads stderr, lines are dropped and counted
 * rather than the loop blocked.
 *
 * What fails fails for everybody: an open breaker alone would write a line for each request, 20 MB a second. So of warnings and errors
 * that say the same, but for numbers and the trace, A_SECOND are written in a second; the next one that is written says how many were
 * left out. LOG_LEVEL=debug leaves nothing out.
 */
#include "app.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "random.h"
#include "siphash.h"

enum { FLUSH_AT = 64 * 1024, KEEP_AT_MOST = 1024 * 1024, ALIKE = 64, A_SECOND = 100 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static struct ec_buf lines;
static uint64_t dropped;
static int level = -1; /* not read yet */
static uv_prepare_t prepare;
static bool attached;
static struct ec_metric *left_out;

static struct alike {
    uint64_t what;
    int64_t second;
    unsigned said;
    int64_t left_out; /* since the last one that was written */
} alikes[ALIKE];      /* by their hash; one that takes another's place begins anew */

static int level_of(const char *name)
{
    int i;

    for (i = 0; i < 4; i++)
        if (strcmp(name, level_names[i]) == 0)
            return i;
    return -1;
}

/* What stderr takes; false when it takes nothing more for now. */
static bool write_out(int wait_ms)
{
    size_t at = 0;

    while (at < lines.n) {
        ssize_t n = write(STDERR_FILENO, lines.p + at, lines.n - at);

        if (n >= 0) {
            at += (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};

            if (poll(&ready, 1, wait_ms) <= 0)
                break;
        } else if (errno != EINTR) {
            at = lines.n; /* stderr is closed: there is nobody to tell */
        }
    }
    memmove(lines.p, lines.p + at, lines.n - at);
    lines.n -= at;
    return lines.n == 0;
}

void ec_log_flush(void)
{
    if (lines.n)
        write_out(1000);
}

static void on_prepare(uv_prepare_t *handle)
{
    (void)handle;
    if (lines.n)
        write_out(0);
}

static void on_fatal(int number)
{
    ec_log_flush();
    raise(number); /* SA_RESETHAND: now it kills */
}

static void first_use(void)
{
    const char *name = getenv("LOG_LEVEL");

    level = name ? level_of(name) : EC_LOG_INFO;
    if (level < 0)
        level = EC_LOG_INFO;
    atexit(ec_log_flush);
}

void ec_log_configure(struct ec_config_errors *errors)
{
    char *name = ec_config_get(errors, "LOG_LEVEL", "info", false);

    if (level < 0)
        first_use();
    if (name && level_of(name) >= 0)
        level = level_of(name);
    else if (name)
        ec_config_error(errors, "LOG_LEVEL must be debug, info, warn or error");
    free(name);
}

void ec_log_attach(uv_loop_t *loop)
{
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = on_fatal, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)}, before;
    size_t i;

    if (attached)
        return;
    uv_prepare_init(loop, &prepare);
    uv_prepare_start(&prepare, on_prepare);
    uv_unref((uv_handle_t *)&prepare);
    attached = true;
    left_out = ec_metric(EC_COUNTER, "ec_log_left_out_total",
                         "Lines of the log that were not written, since a hundred had said the same in that second or nobody read", "");
    for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
        if (sigaction(fatal[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL) /* a sanitizer's own handler stays */
            sigaction(fatal[i], &action, NULL);
}

void ec_log_detach(void)
{
    ec_log_flush();
    if (!attached)
        return;
    attached = false;
    uv_prepare_stop(&prepare);
    uv_close((uv_handle_t *)&prepare, NULL);
}

static void leave_out(void)
{
    if (left_out)
        ec_metric_add(left_out, 1);
}

static uint64_t what_it_says(const char *message, const struct ec_log_member *members, size_t n)
{
    uint64_t key[2] = {0, 0};
    size_t i;

    key[0] = ec_siphash((const uint8_t *)key, message, strlen(message));
    for (i = 0; i < n; i++)
        if (members[i].name && members[i].kind == 0)
            key[0] = ec_siphash((const uint8_t *)key, members[i].text.p, members[i].text.n);
    return key[0];
}

/* Its place, or NULL when as many as may be have said the same in this second. */
static struct alike *may_be_said(uint64_t what, int64_t second)
{
    struct alike *alike = &alikes[what % ALIKE];

    if (alike->what != what)
        *alike = (struct alike){.what = what, .second = second};
    if (alike->second != second) {
        alike->second = second;
        alike->said = 0;
    }
    if (alike->said >= A_SECOND) {
        alike->left_out++;
        leave_out();
        return NULL;
    }
    alike->said++;
    return alike;
}

static void add_count(const char *name, int64_t value)
{
    ec_buf_str(&lines, ",\"");
    ec_buf_str(&lines, name);
    ec_buf_int(&lines, "\":", value, "");
}

static void add_member(const char *name, struct ec_str text)
{
    ec_buf_str(&lines, ",\"");
    ec_buf_str(&lines, name);
    ec_buf_str(&lines, "\":");
    if (text.p)
        ec_json_write_text(&lines, text);
    else
        ec_buf_str(&lines, "null");
}

void ec_log_write(enum ec_log_level at, const struct ec_task *task, const char *message, const struct ec_log_member *members, size_t n)
{
    struct alike *alike = NULL;
    int64_t now;
    char text[40];
    size_t i;

    if (level < 0)
        first_use();
    if ((int)at < level)
        return;
    now = ec_now();
    if (at >= EC_LOG_WARN && level > EC_LOG_DEBUG) {
        alike = may_be_said(what_it_says(message, members, n), now / 1000000);
        if (!alike)
            return;
    }
    if (lines.n > KEEP_AT_MOST) {
        dropped++;
        leave_out();
        return;
    }
    ec_buf_str(&lines, "{\"ts\":\"");
    ec_buf_add(&lines, text, ec_time_format(now, text));
    ec_buf_str(&lines, "\",\"level\":\"");
    ec_buf_str(&lines, level_names[at]);
    ec_buf_str(&lines, "\"");
    if (ec_app.service)
        add_member("service", ec_str_of(ec_app.service->name));
    add_member("msg", ec_str_of(message));
    if (task) {
        char trace[33];

        ec_hex(task->trace.trace_id, 16, trace);
        add_member("trace_id", ec_str_of(trace));
    }
    for (i = 0; i < n; i++) {
        if (!members[i].name)
            continue;
        if (members[i].kind == 0)
            add_member(members[i].name, members[i].text);
        else
            add_count(members[i].name, members[i].i);
    }
    if (alike && alike->left_out) {
        add_count("alike_left_out", alike->left_out);
        alike->left_out = 0;
    }
    if (dropped) {
        add_count("lines_dropped", (int64_t)dropped);
        dropped = 0;
    }
    ec_buf_str(&lines, "}\n");
    if (!attached || lines.n >= FLUSH_AT)
        write_out(attached ? 0 : 1000);
}

void ec_panic(const char *why)
{
    ec_log_write(EC_LOG_ERROR, NULL, why, NULL, 0);
    ec_log_flush();
    abort();
}
