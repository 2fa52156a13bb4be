/* See run.h. The life of one process: started, probed, restarted with exponential backoff, stopped. Exits and probes report by callbacks,
 * limits and backoff are looked at on each tick. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROBE_EVERY_MS = 1000, TRIES_AT_START = 3, CALM_MS = 30000, PROBE_WITHIN_MS = 3000 };

const char *const ecc_proc_state_names[] = {
#define X(e, n) n,
    ECC_PROC_STATES(X)
#undef X
};

/* ------------------------------------------------------------------ starting */

static char *file_text(struct ecc_arena *arena, const char *path)
{
    size_t n;
    char *text = ecc_read_file(arena, path, &n);

    while (text && n && (text[n - 1] == '\n' || text[n - 1] == ' '))
        text[--n] = '\0';
    return text;
}

/* The environment with every NAME=@file filled in. */
static char **environment(struct ecc_arena *arena, const struct ecc_proc *proc)
{
    char **env = ECC_NEW_ARRAY(arena, char *, proc->env.n + 1);

    for (size_t i = 0; i < proc->env.n; i++) {
        const char *item = proc->env.items[i], *at = strstr(item, "=@");
        char *text = at && strchr(item, '=') == at ? file_text(arena, at + 2) : NULL;
        env[i] = text ? ecc_arena_printf(arena, "%.*s=%s", (int)(at - item), item, text) : (char *)item;
    }
    return env;
}

static bool share_a_port(const struct ecc_proc *a, const struct ecc_proc *b)
{
    return (a->port && (a->port == b->port || a->port == b->shown_port)) ||
           (a->shown_port && (a->shown_port == b->port || a->shown_port == b->shown_port));
}

/* Is all there that it wants? A broker that is on its way has no address yet, and another may still have its port, one that goes. */
static bool can_start(const struct ecc_run *run)
{
    const struct ecc_proc *proc = run->proc;
    const struct ecc_runs *runs = &run->sup->up->runs;

    if (ecc_fault_holds(run->sup->held.faults, proc->name))
        return false;
    for (size_t i = 0; i < proc->env.n; i++) {
        const char *equals = strchr(proc->env.items[i], '=');
        if (equals && equals[1] == '@' && access(equals + 2, R_OK))
            return false;
    }
    for (size_t i = 0; i < runs->n; i++) {
        struct ecc_run *other = runs->items[i];
        if (other == run || !other->alive || !share_a_port(other->proc, proc))
            continue;
        if (other->leaving && other->state != ECC_PROC_STOPPING)
            ecc_run_stop(other);
        return false;
    }
    return true;
}

/* The last line of the log, for a message. */
static const char *last_words(struct ecc_arena *arena, const char *log)
{
    char *text = file_text(arena, log);
    char *line = text ? strrchr(text, '\n') : NULL;

    if (!text || !*text)
        return "it said nothing";
    line = line ? line + 1 : text;
    if (strlen(line) > 300)
        line[300] = '\0';
    return line;
}

/* It does not work as it was to be. */
static void fail(struct ecc_run *run, const char *what)
{
    struct ecc_sup *sup = run->sup;
    struct ecc_arena arena;

    if (sup->stopping)
        return;
    ecc_arena_init(&arena);
    const char *why = run->reason[0] ? run->reason : last_words(&arena, run->proc->log);
    ecc_up_progress(sup->up, "ecomc: %s %s: %s (log: %s)%s", run->proc->name, what, why, run->proc->log,
                    run->before ? "; it is started as it was before" : "");
    ecc_arena_free(&arena);
    if (!sup->keeps_on) {
        run->state = run->alive ? run->state : ECC_PROC_ENDED;
        ecc_sup_stop(sup, ECC_EXIT_FAILED);
        return;
    }
    ecc_sup_abandon(sup);
    run->next = run->before;
    run->restored = run->before != NULL;
    run->given_up = !run->before;
    if (run->alive)
        ecc_run_stop(run);
    else if (run->next)
        ecc_run_become_next(run);
    else
        run->state = ECC_PROC_FAILED;
}

static void on_handle_closed(uv_handle_t *handle)
{
    ((struct ecc_run *)handle->data)->handles--;
}

static void on_probe_closed(uv_handle_t *handle)
{
    ((struct ecc_run *)handle->data)->open = false;
    on_handle_closed(handle);
}

void ecc_run_close_probe(struct ecc_run *run)
{
    if (run->probing && !uv_is_closing((uv_handle_t *)&run->tcp))
        uv_close((uv_handle_t *)&run->tcp, on_probe_closed);
    run->probing = false;
}

static void back_off(struct ecc_run *run)
{
    int failures = run->failures < 7 ? run->failures : 7;
    uint64_t wait = 200u << failures, longest = (uint64_t)run->sup->up->backoff_ms;

    run->state = ECC_PROC_BACKOFF;
    run->failures++;
    run->due = ecc_sup_now(run->sup) + (wait < longest ? wait : longest);
}

static void stopped(struct ecc_run *run)
{
    if (run->sup->stopping || run->leaving) {
        run->state = ECC_PROC_ENDED;
        return;
    }
    if (run->next)
        ecc_run_become_next(run);
    else if (run->given_up)
        run->state = ECC_PROC_FAILED;
    else
        run->state = ECC_PROC_WAITING;
    run->due = 0;
}

static void on_exit_(uv_process_t *process, int64_t status, int signal_number)
{
    struct ecc_run *run = process->data;
    struct ecc_sup *sup = run->sup;
    const struct ecc_proc *proc = run->proc;

    run->alive = false;
    run->pid = 0;
    ecc_run_close_probe(run);
    uv_close((uv_handle_t *)process, on_handle_closed);
    ecc_sup_hurry(sup);
    if (sup->stopping || run->state == ECC_PROC_STOPPING) {
        stopped(run);
        return;
    }
    if (proc->once && status == 0 && !signal_number) {
        run->state = ECC_PROC_ENDED;
        return;
    }
    if (ecc_sup_now(sup) - run->started > CALM_MS)
        run->failures = 0;
    if (proc->probe == ECC_PROBE_FILE)
        unlink(proc->probe_path); /* what it announced holds no more */
    if (run->proving && !run->restored && (status == 78 || proc->once || run->failures + 1 >= TRIES_AT_START)) {
        fail(run, signal_number ? "was ended by a signal" : "could not start");
        return;
    }
    if (sup->complete) {
        const char *how = signal_number ? "signal" : "exit code";
        ecc_up_progress(sup->up, "%s ended (%s %d), starting it again; log: %s", proc->name, how,
                        signal_number ? signal_number : (int)status, proc->log);
    }
    run->restarts++;
    back_off(run);
}

/* What can't even be started is told like one that ends at once; the disk that is full ends all. */
static void start(struct ecc_run *run)
{
    struct ecc_sup *sup = run->sup;
    const struct ecc_proc *proc = run->proc;
    struct ecc_arena arena;
    int log = open(proc->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE}, {.flags = UV_INHERIT_FD, .data.fd = log}, {.flags = UV_INHERIT_FD, .data.fd = log}};

    if (log < 0 || (proc->reload && ecc_write_private(proc->reload_path, proc->reload))) {
        ecc_up_progress(sup->up, "ecomc: %s: %s", log < 0 ? proc->log : proc->reload_path, strerror(errno));
        ecc_sup_stop(sup, ECC_EXIT_IO);
        if (log >= 0)
            close(log);
        return;
    }
    ecc_arena_init(&arena);
    uv_process_options_t options = {
        .exit_cb = on_exit_,
        .file = proc->argv[0],
        .args = (char **)proc->argv,
        .env = environment(&arena, proc),
        .cwd = proc->cwd,
        .flags = UV_PROCESS_DETACHED, /* a Ctrl-C on the terminal is ours alone: we stop them in order */
        .stdio_count = 3,
        .stdio = stdio,
    };
    if (proc->as_postgres && sup->up->switch_user) {
        options.flags |= UV_PROCESS_SETUID | UV_PROCESS_SETGID;
        options.uid = sup->up->pg_uid;
        options.gid = sup->up->pg_gid;
    }
    if (proc->probe == ECC_PROBE_FILE)
        unlink(proc->probe_path);
    run->reason[0] = '\0';
    run->handles++;
    run->started = run->due = ecc_sup_now(sup);
    run->process.data = run;
    int error = uv_spawn(&sup->loop, &run->process, &options);
    close(log);
    ecc_arena_free(&arena);
    if (error) {
        uv_close((uv_handle_t *)&run->process, on_handle_closed);
        snprintf(run->reason, sizeof run->reason, "%s: %s", proc->argv[0], uv_strerror(error));
        fail(run, "can't be started");
        return;
    }
    run->alive = true;
    run->state = ECC_PROC_STARTING;
    run->pid = run->process.pid;
    run->start_ticks = ecc_start_ticks(run->pid);
}

/* ------------------------------------------------------------------ a change */

void ecc_run_become_next(struct ecc_run *run)
{
    const struct ecc_proc *was = run->proc;

    if (!run->proving && run->state != ECC_PROC_FAILED)
        run->before = was->once ? NULL : was;
    if (run->restored)
        run->touch = ECC_TOUCH_RESTORED;
    else if (was->once)
        run->touch = ECC_TOUCH_MIGRATED;
    else if (run->touch != ECC_TOUCH_STARTED && run->touch != ECC_TOUCH_REBUILT)
        run->touch = !run->before ? ECC_TOUCH_STARTED : strcmp(was->version, run->next->version) ? ECC_TOUCH_REBUILT : ECC_TOUCH_RESTARTED;
    run->proc = run->next;
    run->next = NULL;
    if (run->restored)
        run->before = NULL;
    run->proving = true;
    run->given_up = false;
    run->failures = 0;
    run->reason[0] = '\0';
    run->state = ECC_PROC_WAITING;
}

bool ecc_run_reload(struct ecc_run *run)
{
    if (run->state != ECC_PROC_READY || ecc_write_private(run->next->reload_path, run->next->reload))
        return false;
    run->proc = run->next;
    run->next = NULL;
    run->touch = ECC_TOUCH_RELOADED;
    uv_process_kill(&run->process, SIGHUP); /* one that ends just then reads the file when it starts again */
    return true;
}

void ecc_run_stop(struct ecc_run *run)
{
    run->state = ECC_PROC_STOPPING;
    run->stopping_since = ecc_sup_now(run->sup);
    uv_process_kill(&run->process, run->proc->stop_signal);
    uv_process_kill(&run->process, SIGCONT); /* one that is stopped on purpose would not hear it */
}

void ecc_run_kill_late(struct ecc_run *run)
{
    if (ecc_sup_now(run->sup) - run->stopping_since <= ECC_STOP_WITHIN_MS)
        return;
    ecc_up_progress(run->sup->up, "%s does not stop, ending it by force", run->proc->name);
    run->stopping_since = ecc_sup_now(run->sup); /* once */
    uv_process_kill(&run->process, SIGKILL);
}

/* ------------------------------------------------------------------ probes */

static void restart_users(struct ecc_sup *sup)
{
    for (size_t i = 0; i < sup->up->runs.n; i++) {
        struct ecc_run *run = sup->up->runs.items[i];
        if (!run->proc->uses_address || !run->alive || run->proc->once || run->state == ECC_PROC_STOPPING)
            continue;
        run->restarts++;
        ecc_run_stop(run);
    }
}

static void probed(struct ecc_run *run, bool good)
{
    ecc_run_close_probe(run);
    run->due = ecc_sup_now(run->sup) + (run->state == ECC_PROC_STARTING ? ECC_TICK_MS : PROBE_EVERY_MS);
    if (!run->alive || run->state == ECC_PROC_STOPPING)
        return;
    if (good) {
        bool came_back = run->state == ECC_PROC_STARTING && (run->restarts > 0 || run->before || run->restored);
        if (run->state != ECC_PROC_READY)
            ecc_sup_hurry(run->sup);
        run->state = ECC_PROC_READY;
        run->reason[0] = '\0';
        if (came_back && run->proc->address_changes)
            restart_users(run->sup);
    } else if (run->state == ECC_PROC_READY) {
        run->state = ECC_PROC_UNREADY;
    }
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct ecc_run *run = handle->data;

    (void)size;
    *buf = uv_buf_init(run->reply + run->got, (unsigned)(sizeof run->reply - 1 - run->got));
}

/* One line, whatever it was. */
static void note_reason(struct ecc_run *run, const char *text)
{
    snprintf(run->reason, sizeof run->reason, "%s", text);
    for (char *p = run->reason; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            *p = ' ';
    for (size_t n = strlen(run->reason); n && run->reason[n - 1] == ' ';)
        run->reason[--n] = '\0';
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct ecc_run *run = stream->data;

    (void)buf;
    if (n > 0)
        run->got += (size_t)n;
    if (n == 0 || (n > 0 && run->got < sizeof run->reply - 1 && !memchr(run->reply, '\n', run->got)))
        return;
    run->reply[run->got] = '\0';
    bool good = !strncmp(run->reply, "HTTP/1.1 200", 12);
    const char *body = strstr(run->reply, "\r\n\r\n");
    if (!good && body)
        note_reason(run, body + 4);
    probed(run, good);
}

static void on_write(uv_write_t *write, int status)
{
    if (status && status != UV_ECANCELED)
        probed(write->data, false);
}

static void on_connect(uv_connect_t *connect, int status)
{
    static char request[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct ecc_run *run = connect->data;
    uv_buf_t buf = uv_buf_init(request, sizeof request - 1);

    if (status == UV_ECANCELED)
        return;
    if (status || run->proc->probe == ECC_PROBE_TCP) {
        probed(run, status == 0);
        return;
    }
    run->got = 0;
    run->write.data = run;
    if (uv_write(&run->write, (uv_stream_t *)&run->tcp, &buf, 1, on_write) || uv_read_start((uv_stream_t *)&run->tcp, on_alloc, on_read))
        probed(run, false);
}

static void probe(struct ecc_run *run)
{
    const struct ecc_proc *proc = run->proc;
    struct sockaddr_in address;

    if (proc->probe == ECC_PROBE_FILE) {
        struct stat st;
        probed(run, stat(proc->probe_path, &st) == 0 && st.st_size > 0);
        return;
    }
    if (proc->probe == ECC_PROBE_POSTGRES) { /* a Unix socket of this machine: answers at once */
        probed(run, PQping(proc->probe_path) == PQPING_OK);
        return;
    }
    if (run->open)
        return; /* the last probe's socket is still closing */
    uv_ip4_addr("127.0.0.1", proc->port, &address);
    uv_tcp_init(&run->sup->loop, &run->tcp);
    run->handles++;
    run->tcp.data = run->connect.data = run;
    run->probing = run->open = true;
    run->due = ecc_sup_now(run->sup) + PROBE_WITHIN_MS;
    if (uv_tcp_connect(&run->connect, &run->tcp, (struct sockaddr *)&address, on_connect))
        probed(run, false);
}

/* A probe that got no answer in time has failed; the next one is made when it is time. */
static void probe_when_due(struct ecc_run *run)
{
    if (ecc_sup_now(run->sup) < run->due)
        return;
    if (run->probing)
        probed(run, false);
    else
        probe(run);
}

/* ------------------------------------------------------------------ the tick */

/* One that is new has as long as ready_within_ms. */
static void be_ready_in_time(struct ecc_run *run)
{
    char what[64];

    if (!run->proving || run->restored || run->state == ECC_PROC_READY || !run->alive ||
        ecc_sup_now(run->sup) - run->started <= (uint64_t)run->proc->ready_within_ms)
        return;
    snprintf(what, sizeof what, "is not ready after %.1f s", run->proc->ready_within_ms / 1000.0);
    fail(run, what);
}

void ecc_run_step(struct ecc_run *run)
{
    if (run->next && run->state != ECC_PROC_STOPPING && ecc_sup_may_replace(run)) {
        if (run->alive)
            ecc_run_stop(run);
        else
            ecc_run_become_next(run);
    }
    if (run->alive && run->state != ECC_PROC_STOPPING && ecc_fault_holds(run->sup->held.faults, run->proc->name))
        ecc_run_stop(run);
    switch (run->state) {
    case ECC_PROC_WAITING:
        if ((!run->proving || run->proc->stage <= run->sup->stage) && can_start(run))
            start(run);
        break;
    case ECC_PROC_BACKOFF:
        if (ecc_sup_now(run->sup) >= run->due && can_start(run))
            start(run);
        break;
    case ECC_PROC_STARTING:
        if (!run->proc->once)
            probe_when_due(run);
        if (run->state == ECC_PROC_STARTING)
            be_ready_in_time(run);
        break;
    case ECC_PROC_READY:
    case ECC_PROC_UNREADY:
        if (run->probing || run->proc->probe == ECC_PROBE_HTTP)
            probe_when_due(run);
        if (run->state == ECC_PROC_UNREADY && run->sup->keeps_on)
            be_ready_in_time(run);
        break;
    case ECC_PROC_STOPPING: /* to be started again, or to go */
        ecc_run_kill_late(run);
        break;
    case ECC_PROC_ENDED:
    case ECC_PROC_FAILED:
        break;
    }
}
