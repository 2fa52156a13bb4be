/* The supervisor: one libuv loop that starts processes stage by stage, probes them, restarts what dies and stops all in reverse.
 *
 * A process is READY once its probe succeeds (a one-shot once it has exited with 0); the next stage starts when every process of the
 * stage is. Before everything was ready once, a process that can't be started ends the whole `up` with one line that names its log.
 * After that a process that dies is restarted with exponential backoff. A single timer of 50 ms drives probes, limits and backoff;
 * exits and probes report by callbacks. Handles live in struct run, one a process, freed by the arena after the loop has closed them.
 */
#include "up.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "show.h"

enum { TICK_MS = 50, STOP_WITHIN_MS = 25000, PROBE_EVERY_MS = 1000, TRIES_AT_START = 3, CALM_MS = 30000 };

const char *const ecc_proc_state_names[] = {
#define X(e, n) n,
    ECC_PROC_STATES(X)
#undef X
};

struct run {
    struct ecc_proc *proc;
    struct supervisor *sup;
    uv_process_t process;
    bool alive;           /* process is running */
    uint64_t started, due; /* ms; due: next probe or restart */
    uint64_t stopping_since;
    uv_tcp_t tcp;
    bool probing, open; /* open: tcp is not closed yet */
    uv_connect_t connect;
    uv_write_t write;
    char reply[1024];
    size_t got;
};

struct supervisor {
    struct ecc_up *up;
    uv_loop_t loop;
    uv_timer_t tick;
    uv_signal_t sigint, sigterm, sighup; /* the last: the terminal was closed */
    struct run *runs;
    size_t n;
    enum ecc_stage stage;
    bool complete;  /* everything was ready once */
    bool stopping;
    int code;
    uint32_t shown; /* fingerprint of what was last written and drawn */
};

static uint64_t now(struct supervisor *sup)
{
    return uv_now(&sup->loop);
}

/* ------------------------------------------------------------------ starting */

static char *file_text(struct ecc_up *up, const char *path)
{
    size_t n;
    char *text = ecc_read_file(up->arena, path, &n);

    while (text && n && (text[n - 1] == '\n' || text[n - 1] == ' '))
        text[--n] = '\0';
    return text;
}

/* The environment with every NAME=@file filled in. */
static char **environment(struct ecc_up *up, const struct ecc_proc *proc)
{
    char **env = ECC_NEW_ARRAY(up->arena, char *, proc->env.n + 1);

    for (size_t i = 0; i < proc->env.n; i++) {
        const char *item = proc->env.items[i], *at = strstr(item, "=@");
        char *text = at && strchr(item, '=') == at ? file_text(up, at + 2) : NULL;
        env[i] = text ? ecc_arena_printf(up->arena, "%.*s=%s", (int)(at - item), item, text) : (char *)item;
    }
    return env;
}

/* Is every file there that the environment wants? A broker that is on its way has no address yet. */
static bool can_start(const struct ecc_proc *proc)
{
    for (size_t i = 0; i < proc->env.n; i++) {
        const char *equals = strchr(proc->env.items[i], '=');
        if (equals && equals[1] == '@' && access(equals + 2, R_OK))
            return false;
    }
    return true;
}

static void stop_all(struct supervisor *sup, int code);

/* The last line of the log, for a message. */
static const char *last_words(struct ecc_up *up, const char *log)
{
    char *text = file_text(up, log);
    char *line = text ? strrchr(text, '\n') : NULL;

    if (!text || !*text)
        return "it said nothing";
    line = line ? line + 1 : text;
    if (strlen(line) > 300)
        line[300] = '\0';
    return line;
}

static void give_up(struct run *run, const char *what)
{
    struct ecc_up *up = run->sup->up;

    if (run->sup->stopping)
        return;
    const char *why = run->proc->reason[0] ? run->proc->reason : last_words(up, run->proc->log);
    ecc_up_progress(up, "ecomc: %s %s: %s (log: %s)", run->proc->name, what, why, run->proc->log);
    stop_all(run->sup, ECC_EXIT_FAILED);
}

static void on_probe_closed(uv_handle_t *handle)
{
    ((struct run *)handle->data)->open = false;
}

static void close_probe(struct run *run)
{
    if (run->probing && !uv_is_closing((uv_handle_t *)&run->tcp))
        uv_close((uv_handle_t *)&run->tcp, on_probe_closed);
    run->probing = false;
}

static void back_off(struct run *run)
{
    struct supervisor *sup = run->sup;
    struct ecc_proc *proc = run->proc;
    int failures = proc->failures < 7 ? proc->failures : 7;
    uint64_t wait = 200u << failures;

    proc->state = ECC_PROC_BACKOFF;
    proc->failures++;
    run->due = now(sup) + (wait < (uint64_t)sup->up->backoff_ms ? wait : (uint64_t)sup->up->backoff_ms);
}

static void on_exit_(uv_process_t *process, int64_t status, int signal_number)
{
    struct run *run = process->data;
    struct supervisor *sup = run->sup;
    struct ecc_proc *proc = run->proc;

    run->alive = false;
    proc->pid = 0;
    close_probe(run);
    uv_close((uv_handle_t *)process, NULL);
    if (sup->stopping || proc->state == ECC_PROC_STOPPING) {
        bool again = !sup->stopping;
        proc->state = again ? ECC_PROC_WAITING : ECC_PROC_ENDED;
        if (again)
            run->due = 0;
        return;
    }
    if (proc->once && status == 0 && !signal_number) {
        proc->state = ECC_PROC_ENDED;
        return;
    }
    if (now(sup) - run->started > CALM_MS)
        proc->failures = 0;
    if (!sup->complete && (status == 78 || proc->once || proc->failures + 1 >= TRIES_AT_START)) {
        proc->state = ECC_PROC_ENDED;
        give_up(run, signal_number ? "was ended by a signal" : "could not start");
        return;
    }
    if (sup->complete) {
        const char *how = signal_number ? "signal" : "exit code";
        ecc_up_progress(sup->up, "%s ended (%s %d), starting it again; log: %s", proc->name, how, signal_number ? signal_number : (int)status,
                        proc->log);
    }
    proc->restarts++;
    if (proc->probe == ECC_PROBE_FILE)
        unlink(proc->probe_path); /* what it announced holds no more */
    back_off(run);
}

static int start(struct run *run)
{
    struct supervisor *sup = run->sup;
    struct ecc_proc *proc = run->proc;
    int log = open(proc->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE}, {.flags = UV_INHERIT_FD, .data.fd = log}, {.flags = UV_INHERIT_FD, .data.fd = log}};
    uv_process_options_t options = {
        .exit_cb = on_exit_,
        .file = proc->argv[0],
        .args = (char **)proc->argv,
        .env = environment(sup->up, proc),
        .cwd = proc->cwd,
        .flags = UV_PROCESS_DETACHED, /* a Ctrl-C on the terminal is ours alone: we stop them in order */
        .stdio_count = 3,
        .stdio = stdio,
    };

    if (log < 0) {
        ecc_up_progress(sup->up, "ecomc: %s: %s", proc->log, strerror(errno));
        stop_all(sup, ECC_EXIT_IO);
        return -1;
    }
    if (proc->as_postgres && sup->up->switch_user) {
        options.flags |= UV_PROCESS_SETUID | UV_PROCESS_SETGID;
        options.uid = sup->up->pg_uid;
        options.gid = sup->up->pg_gid;
    }
    if (proc->probe == ECC_PROBE_FILE)
        unlink(proc->probe_path);
    int error = uv_spawn(&sup->loop, &run->process, &options);
    close(log);
    run->process.data = run;
    if (error) {
        uv_close((uv_handle_t *)&run->process, NULL);
        ecc_up_progress(sup->up, "ecomc: %s can't be started: %s: %s", proc->name, proc->argv[0], uv_strerror(error));
        stop_all(sup, ECC_EXIT_FAILED);
        return -1;
    }
    run->alive = true;
    run->started = run->due = now(sup);
    proc->state = ECC_PROC_STARTING;
    proc->pid = run->process.pid;
    proc->start_ticks = ecc_start_ticks(proc->pid);
    proc->reason[0] = '\0';
    return 0;
}

/* ------------------------------------------------------------------ probes */

static void restart_users(struct supervisor *sup)
{
    for (size_t i = 0; i < sup->n; i++)
        if (sup->runs[i].proc->uses_address && sup->runs[i].alive && !sup->runs[i].proc->once) {
            sup->runs[i].proc->state = ECC_PROC_STOPPING;
            sup->runs[i].proc->restarts++;
            sup->runs[i].stopping_since = now(sup);
            uv_process_kill(&sup->runs[i].process, SIGTERM);
        }
}

static void kill_late(struct run *run)
{
    ecc_up_progress(run->sup->up, "%s does not stop, ending it by force", run->proc->name);
    run->stopping_since = now(run->sup); /* once */
    uv_process_kill(&run->process, SIGKILL);
}

static void probed(struct run *run, bool good)
{
    struct ecc_proc *proc = run->proc;

    close_probe(run);
    run->due = now(run->sup) + (proc->state == ECC_PROC_STARTING ? TICK_MS : PROBE_EVERY_MS);
    if (!run->alive || proc->state == ECC_PROC_STOPPING)
        return;
    if (good) {
        bool came_back = proc->state == ECC_PROC_STARTING && proc->restarts > 0;
        proc->state = ECC_PROC_READY;
        proc->reason[0] = '\0';
        if (came_back && proc->address_changes)
            restart_users(run->sup);
    } else if (proc->state == ECC_PROC_READY) {
        proc->state = ECC_PROC_UNREADY;
    }
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct run *run = handle->data;

    (void)size;
    *buf = uv_buf_init(run->reply + run->got, (unsigned)(sizeof run->reply - 1 - run->got));
}

/* One line, whatever it was. */
static void note_reason(struct ecc_proc *proc, const char *text)
{
    snprintf(proc->reason, sizeof proc->reason, "%s", text);
    for (char *p = proc->reason; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            *p = ' ';
    for (size_t n = strlen(proc->reason); n && proc->reason[n - 1] == ' ';)
        proc->reason[--n] = '\0';
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct run *run = stream->data;

    (void)buf;
    if (n > 0)
        run->got += (size_t)n;
    if (n == 0 || (n > 0 && run->got < sizeof run->reply - 1 && !memchr(run->reply, '\n', run->got)))
        return;
    run->reply[run->got] = '\0';
    bool good = !strncmp(run->reply, "HTTP/1.1 200", 12);
    const char *body = strstr(run->reply, "\r\n\r\n");
    if (!good && body)
        note_reason(run->proc, body + 4);
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
    struct run *run = connect->data;
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

static void probe(struct run *run)
{
    struct ecc_proc *proc = run->proc;
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
    run->tcp.data = run->connect.data = run;
    run->probing = run->open = true;
    run->due = now(run->sup) + 3000;
    if (uv_tcp_connect(&run->connect, &run->tcp, (struct sockaddr *)&address, on_connect))
        probed(run, false);
}

/* ------------------------------------------------------------------ the tick */

static void begin_stop(struct supervisor *sup)
{
    sup->stopping = true;
    sup->stage = ECC_STAGES - 1;
}

static void stop_all(struct supervisor *sup, int code)
{
    if (sup->stopping)
        return;
    if (code)
        sup->code = code;
    begin_stop(sup);
}

/* Ends one stage after the other, last one first; true when nothing lives. */
static bool stop_step(struct supervisor *sup)
{
    bool alive = false;

    for (size_t i = 0; i < sup->n; i++) {
        struct run *run = &sup->runs[i];
        if (run->proc->stage != sup->stage || !run->alive)
            continue;
        alive = true;
        if (run->proc->state != ECC_PROC_STOPPING) {
            run->proc->state = ECC_PROC_STOPPING;
            run->stopping_since = now(sup);
            uv_process_kill(&run->process, run->proc->stop_signal);
        } else if (now(sup) - run->stopping_since > STOP_WITHIN_MS) {
            kill_late(run);
        }
    }
    if (alive)
        return false;
    if (sup->stage == 0)
        return true;
    sup->stage--;
    return stop_step(sup);
}

static void start_step(struct supervisor *sup)
{
    bool all = true;

    for (size_t i = 0; i < sup->n && !sup->stopping; i++) {
        struct run *run = &sup->runs[i];
        struct ecc_proc *proc = run->proc;
        if (proc->stage > sup->stage)
            continue;
        switch (proc->state) {
        case ECC_PROC_WAITING:
            if (can_start(proc))
                start(run);
            break;
        case ECC_PROC_BACKOFF:
            if (now(sup) >= run->due && can_start(proc))
                start(run);
            break;
        case ECC_PROC_STARTING:
            if (!proc->once && !run->probing && now(sup) >= run->due)
                probe(run);
            else if (run->probing && now(sup) >= run->due)
                probed(run, false);
            if (!sup->complete && proc->state == ECC_PROC_STARTING && now(sup) - run->started > (uint64_t)proc->ready_within_ms)
                give_up(run, ecc_arena_printf(sup->up->arena, "is not ready after %.1f s", proc->ready_within_ms / 1000.0));
            break;
        case ECC_PROC_READY:
        case ECC_PROC_UNREADY:
            if (run->probing ? now(sup) >= run->due : proc->probe == ECC_PROBE_HTTP && now(sup) >= run->due) {
                if (run->probing)
                    probed(run, false);
                else
                    probe(run);
            }
            break;
        case ECC_PROC_STOPPING: /* to be started again */
            if (now(sup) - run->stopping_since > STOP_WITHIN_MS)
                kill_late(run);
            break;
        case ECC_PROC_ENDED:
            break;
        }
        all &= proc->state == ECC_PROC_READY || (proc->once && proc->state == ECC_PROC_ENDED);
    }
    if (all && !sup->stopping && !sup->complete) {
        if (sup->stage + 1 < ECC_STAGES) {
            sup->stage++;
            start_step(sup);
        } else {
            sup->complete = true;
            ecc_state_write(sup->up, true); /* before anybody who waits for the word below asks for it */
            ecc_show_ready(sup->up);
            if (sup->up->detach) { /* nobody reads the pipe any more */
                close(sup->up->progress_fd);
                sup->up->progress_fd = STDERR_FILENO;
            }
        }
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct supervisor *sup = timer->data;

    if (sup->stopping) {
        if (stop_step(sup)) {
            uv_timer_stop(timer);
            uv_stop(&sup->loop);
        }
    } else {
        start_step(sup);
    }
    uint32_t fingerprint = ecc_state_fingerprint(sup->up);
    if (fingerprint != sup->shown)
        ecc_state_write(sup->up, sup->complete);
    if (fingerprint != sup->shown || !ecc_show_is_drawn())
        ecc_show(sup->up, sup->complete, sup->stopping);
    sup->shown = fingerprint;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct supervisor *sup = handle->data;

    (void)number;
    if (!sup->stopping)
        ecc_up_progress(sup->up, "stopping ...");
    stop_all(sup, 0);
}

int ecc_up_run(struct ecc_up *up)
{
    struct supervisor sup = {.up = up, .n = up->procs.n};

    signal(SIGPIPE, SIG_IGN);
    sup.runs = ECC_NEW_ARRAY(up->arena, struct run, up->procs.n);
    uv_loop_init(&sup.loop);
    for (size_t i = 0; i < sup.n; i++) {
        sup.runs[i].proc = up->procs.items[i];
        sup.runs[i].sup = &sup;
    }
    uv_timer_init(&sup.loop, &sup.tick);
    uv_signal_init(&sup.loop, &sup.sigint);
    uv_signal_init(&sup.loop, &sup.sigterm);
    uv_signal_init(&sup.loop, &sup.sighup);
    sup.tick.data = sup.sigint.data = sup.sigterm.data = sup.sighup.data = &sup;
    uv_signal_start(&sup.sigint, on_signal, SIGINT);
    uv_signal_start(&sup.sigterm, on_signal, SIGTERM);
    uv_signal_start(&sup.sighup, on_signal, SIGHUP);
    uv_timer_start(&sup.tick, on_tick, 0, TICK_MS);
    ecc_up_progress(up, "starting %zu processes ...", sup.n);
    uv_run(&sup.loop, UV_RUN_DEFAULT);

    for (size_t i = 0; i < sup.n; i++)
        close_probe(&sup.runs[i]);
    uv_close((uv_handle_t *)&sup.tick, NULL);
    uv_close((uv_handle_t *)&sup.sigint, NULL);
    uv_close((uv_handle_t *)&sup.sigterm, NULL);
    uv_close((uv_handle_t *)&sup.sighup, NULL);
    uv_run(&sup.loop, UV_RUN_DEFAULT);
    uv_loop_close(&sup.loop);
    return sup.code;
}
