/* .ecom/state.json: what the supervisor runs, for `status`, `down` and the tests.
 *
 * Rewritten whole by rename whenever it has changed. state_read.c reads it.
 */
#include "run.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint32_t ecc_state_fingerprint(const struct ecc_up *up)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < up->runs.n; i++) {
        const struct ecc_run *run = up->runs.items[i];
        hash = (hash ^ ((uint32_t)run->pid * 31u + (uint32_t)run->state + 16u * (uint32_t)run->restarts)) * 16777619u;
        for (const char *p = run->reason; *p; p++)
            hash = (hash ^ (unsigned char)*p) * 16777619u;
    }
    for (const char *p = up->doing; p && *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return hash | 1;
}

int ecc_state_write(const struct ecc_up *up, bool ready)
{
    static char *last;
    json_t *procs = json_array();

    for (size_t i = 0; i < up->runs.n; i++) {
        const struct ecc_run *run = up->runs.items[i];
        const struct ecc_proc *proc = run->proc;
        if (run->leaving && !run->alive) /* it has gone; only what is told of the change still names it */
            continue;
        json_array_append_new(procs, json_pack("{s:s, s:s, s:s, s:i, s:I, s:i, s:i, s:i, s:s, s:s}", "name", proc->name, "kind", proc->kind, "state",
                                               ecc_proc_state_names[run->state], "pid", (int)run->pid, "start", (json_int_t)run->start_ticks,
                                               "port", proc->shown_port, "probe_port", proc->port, "restarts", run->restarts, "log",
                                               proc->log, "reason", run->reason));
    }
    json_t *state = json_pack("{s:i, s:I, s:b, s:i, s:s, s:s?, s:o}", "supervisor", (int)getpid(), "start", (json_int_t)ecc_start_ticks(getpid()),
                              "ready", (int)ready, "port_base", up->port_base, "topology", up->topology, "brokers", up->brokers, "processes", procs);
    char *text = json_dumps(state, JSON_INDENT(1));
    json_decref(state);
    int code = 0;
    if (text && (!last || strcmp(last, text))) {
        char path[4200];
        snprintf(path, sizeof path, "%s/state.json", up->home);
        code = ecc_write_private(path, text);
    }
    free(last);
    last = text;
    return code;
}

const char *ecc_up_brokers(struct ecc_up *up)
{
    json_t *state = ecc_state_read(ecc_up_path(up, "state.json"));
    const char *fixed = json_string_value(json_object_get(state, "brokers"));
    char *brokers = fixed ? ecc_arena_strdup(up->arena, fixed) : NULL;
    size_t n;

    for (size_t i = 0; state && !brokers && i < up->model->nnodes; i++)
        if (up->model->nodes[i]->kind == ECC_NODE_BUS)
            brokers = ecc_read_file(up->arena, ecc_up_path(up, "run/%s.address", up->model->nodes[i]->name), &n);
    json_decref(state);
    if (brokers)
        brokers[strcspn(brokers, "\r\n")] = '\0';
    return brokers && *brokers ? brokers : NULL;
}

/* Is it one of those that end in this round? Gateways first, what holds data last. */
static bool of_round(const char *kind, int round)
{
    int its = !strcmp(kind, "gateway") ? 0 : !strcmp(kind, "service") || !strcmp(kind, "migration") ? 1 : 2;

    return its == round;
}

/* Signals what still lives of a round when kill_them. Returns how many those are. */
static int signal_round(const json_t *procs, int round, bool kill_them, int number)
{
    json_t *proc;
    size_t i;
    int alive = 0;

    json_array_foreach(procs, i, proc)
    {
        pid_t pid = (pid_t)json_integer_value(json_object_get(proc, "pid"));
        uint64_t start = (uint64_t)json_integer_value(json_object_get(proc, "start"));
        const char *kind = json_string_value(json_object_get(proc, "kind"));
        if (pid <= 1 || !start || !kind || !of_round(kind, round) || ecc_start_ticks(pid) != start)
            continue;
        alive++;
        if (kill_them)
            kill(pid, number == SIGTERM && !strcmp(kind, "database") ? SIGINT : number); /* SIGINT: the fast shutdown */
        if (kill_them)
            kill(pid, SIGCONT); /* one that was stopped on purpose would not hear it */
    }
    return alive;
}

void ecc_state_sweep(const char *path)
{
    enum { PATIENCE = 100, STEP_US = 100 * 1000 };
    json_t *state = json_load_file(path, 0, NULL), *procs = json_object_get(state, "processes");
    const char *slash = strrchr(path, '/');

    for (int round = 0; round < 3; round++) {
        int wait = 0;
        signal_round(procs, round, true, SIGTERM);
        while (signal_round(procs, round, wait > PATIENCE, SIGKILL) && wait++ < 2 * PATIENCE)
            usleep(STEP_US);
    }
    json_decref(state);
    unlink(path);
    if (slash) {
        char home[4200];
        snprintf(home, sizeof home, "%.*s", (int)(slash - path), path);
        ecc_faults_forget(home);
    }
}
