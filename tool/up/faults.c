/* .ecom/faults.json: what is broken on purpose at the moment, by whom, and how it is mended.
 *
 * A fault is written down before it is made and crossed out after it is mended, so whoever comes after a crash knows what is left to mend.
 * Three kinds: `stopped` (SIGSTOP: connections are made, and nobody answers), `held` (the supervisor ends the process and does not start it
 * again while this stands here: connections are refused), `scripted` (a sandbox answers as told). Who makes faults holds a lock, so that
 * there is one at a time; one by `verify` whose lock is free was left by one that was killed.
 */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../audit/audit.h"

/* ------------------------------------------------------------------ the file */

static const char *path_of(struct ecc_up *up)
{
    return ecc_arena_printf(up->arena, "%s/faults.json", up->home);
}

static int write_down(struct ecc_up *up, json_t *list)
{
    json_t *file = json_pack("{s:O}", "faults", list);
    char *text = json_dumps(file, JSON_INDENT(1));
    int code = 0;

    if (!json_array_size(list))
        code = unlink(path_of(up)) && errno != ENOENT;
    else
        code = !text || ecc_write_private(path_of(up), text);
    free(text);
    json_decref(file);
    return code ? ecc_say_error(ECC_EXIT_IO, "%s: %s", path_of(up), strerror(errno)) : 0;
}

bool ecc_fault_holds(const struct json_t *faults, const char *process)
{
    json_t *fault, *name;
    size_t i, k;

    json_array_foreach((json_t *)faults, i, fault)
    {
        const char *kind = json_string_value(json_object_get(fault, "kind"));
        json_array_foreach(json_object_get(fault, "processes"), k, name)
        {
            if (kind && !strcmp(kind, "held") && json_is_string(name) && !strcmp(json_string_value(name), process))
                return true;
        }
    }
    return false;
}

int ecc_faults_lock(const char *home)
{
    char path[4200];
    int fd;

    snprintf(path, sizeof path, "%s/run/faults.lock", home);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* ------------------------------------------------------------------ processes */

static json_t *processes_of(struct ecc_up *up)
{
    json_t *state = ecc_state_read(ecc_arena_printf(up->arena, "%s/state.json", up->home));
    json_t *list = json_incref(json_object_get(state, "processes"));

    json_decref(state);
    return list;
}

static json_t *process_named(json_t *processes, const char *name)
{
    json_t *process;
    size_t i;

    json_array_foreach(processes, i, process)
    {
        const char *its = json_string_value(json_object_get(process, "name"));
        if (its && !strcmp(its, name))
            return process;
    }
    return NULL;
}

const char *const *ecc_fault_processes(struct ecc_up *up, const struct ecc_node *node, size_t *n)
{
    bool external = node->kind == ECC_NODE_EXTERNAL;
    const char *first = external ? ecc_arena_printf(up->arena, "%s-sandbox", node->name) : node->name;
    json_t *processes = processes_of(up);
    const char **names = ECC_NEW_ARRAY(up->arena, const char *, json_array_size(processes) + 1);

    *n = 0;
    for (int replica = 1;; replica++) {
        const char *name = replica > 1 ? ecc_arena_printf(up->arena, "%s-%d", first, replica) : first;
        if (!process_named(processes, name))
            break;
        names[(*n)++] = name;
    }
    json_decref(processes);
    return names;
}

static pid_t pid_of(const json_t *process)
{
    pid_t pid = (pid_t)json_integer_value(json_object_get(process, "pid"));
    uint64_t start = (uint64_t)json_integer_value(json_object_get(process, "start"));

    return pid > 1 && start && ecc_start_ticks(pid) == start ? pid : 0;
}

static void signal_all(struct ecc_up *up, const json_t *names, int number)
{
    json_t *processes = processes_of(up), *name;
    size_t i;

    json_array_foreach((json_t *)names, i, name)
    {
        json_t *process = process_named(processes, json_string_value(name));
        if (process && pid_of(process))
            kill(pid_of(process), number);
    }
    json_decref(processes);
}

static bool all_are(struct ecc_up *up, const json_t *names, bool alive)
{
    json_t *processes = processes_of(up), *name;
    bool all = true;
    size_t i;

    json_array_foreach((json_t *)names, i, name)
    {
        const json_t *process = process_named(processes, json_string_value(name));
        const char *state = json_string_value(json_object_get(process, "state"));
        if (process && alive)
            all = all && state && !strcmp(state, ecc_proc_state_names[ECC_PROC_READY]);
        else if (process)
            all = all && !pid_of(process);
    }
    json_decref(processes);
    return all;
}

static int wait_until(struct ecc_up *up, const json_t *names, bool alive)
{
    enum { STEP_US = 50 * 1000, STEPS = 60 * 20 };

    for (int i = 0; i < STEPS; i++) {
        if (all_are(up, names, alive))
            return 0;
        usleep(STEP_US);
    }
    return ecc_say_error(ECC_EXIT_FAILED, "%s %s within a minute; `ecomc status` shows the system",
                         json_string_value(json_array_get(names, 0)), alive ? "is not ready again" : "does not end");
}

/* SIGSTOP takes effect when the process is looked at next. */
static void wait_until_stopped(struct ecc_up *up, const json_t *names)
{
    json_t *processes = processes_of(up), *name;
    size_t i;

    json_array_foreach((json_t *)names, i, name)
    {
        pid_t pid = pid_of(process_named(processes, json_string_value(name)));
        for (int tries = 0; pid && tries < 1000; tries++) {
            char path[64], text[512] = "";
            snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
            FILE *file = fopen(path, "re");
            size_t got = file ? fread(text, 1, sizeof text - 1, file) : 0;
            if (file)
                fclose(file);
            const char *state = got ? strrchr(text, ')') : NULL;
            if (!state || state[2] == 'T' || state[2] == 't')
                break;
            usleep(1000);
        }
    }
    json_decref(processes);
}

/* ------------------------------------------------------------------ sandboxes */

static int tell_sandbox(struct ecc_up *up, const char *process, const char *body)
{
    json_t *processes = processes_of(up);
    int port = (int)json_integer_value(json_object_get(process_named(processes, process), "port"));
    const char *url = ecc_arena_printf(up->arena, "https://127.0.0.1:%d/_sandbox/faults", port);
    const char *const words[] = {"faults", url, ecc_arena_printf(up->arena, "%s/secrets/ca.pem", up->home), body, NULL};
    char rest[256];
    pid_t pid;

    json_decref(processes);
    FILE *out = ecc_audit_reader(up, &pid, words);
    if (!out)
        return ecc_say_error(ECC_EXIT_IO, "ecom-reader: %s", strerror(errno));
    while (fread(rest, 1, sizeof rest, out) > 0)
        continue;
    return ecc_audit_reader_close(out, pid) ? ECC_EXIT_FAILED : 0;
}

static int script(struct ecc_up *up, const json_t *fault)
{
    json_t *body = json_pack("{s:O, s:s, s:O, s:i}", "call", json_object_get(fault, "call"), "kind", "status", "status",
                             json_object_get(fault, "status"), "times", 1000000);
    char *text = json_dumps(body, JSON_COMPACT);
    int code = tell_sandbox(up, json_string_value(json_array_get(json_object_get(fault, "processes"), 0)), text ? text : "");

    free(text);
    json_decref(body);
    return code;
}

/* ------------------------------------------------------------------ made and mended */

static bool is(const json_t *fault, const char *member, const char *text)
{
    const char *its = json_string_value(json_object_get(fault, member));

    return its && !strcmp(its, text);
}

/* Those that no other fault stops or holds: two may be of one process. The caller's. */
static json_t *freed(json_t *list, const json_t *mended)
{
    json_t *names = json_array(), *name, *fault, *other;
    size_t i, k, m;

    json_array_foreach(json_object_get(mended, "processes"), i, name)
    {
        bool broken = false;
        json_array_foreach(list, k, fault)
        {
            if (fault == mended || is(fault, "kind", "scripted"))
                continue;
            json_array_foreach(json_object_get(fault, "processes"), m, other) broken = broken || json_equal(name, other);
        }
        if (!broken)
            json_array_append(names, name);
    }
    return names;
}

static int mend(struct ecc_up *up, json_t *list, size_t i)
{
    json_t *fault = json_incref(json_array_get(list, i)), *names = freed(list, fault);
    int code = 0, written;

    if (is(fault, "kind", "stopped"))
        signal_all(up, names, SIGCONT);
    else if (is(fault, "kind", "scripted"))
        code = tell_sandbox(up, json_string_value(json_array_get(json_object_get(fault, "processes"), 0)), "");
    json_array_remove(list, i);
    written = write_down(up, list);
    if (!code && !written && !is(fault, "kind", "scripted"))
        code = wait_until(up, names, true);
    json_decref(names);
    json_decref(fault);
    return code ? code : written;
}

int ecc_fault_make(struct ecc_up *up, const struct ecc_fault *fault)
{
    static const char *const kinds[] = {[ECC_FAULT_STOPPED] = "stopped", [ECC_FAULT_HELD] = "held", [ECC_FAULT_SCRIPTED] = "scripted"};
    json_t *list = ecc_faults_read(up->home), *names = json_array(), *made;
    int code;

    for (size_t i = 0; i < fault->nprocesses; i++)
        json_array_append_new(names, json_string(fault->processes[i]));
    made = json_pack("{s:s, s:s, s:s, s:O}", "text", fault->text, "by", fault->by, "kind", kinds[fault->kind], "processes", names);
    if (fault->kind == ECC_FAULT_SCRIPTED) {
        json_object_set_new(made, "call", json_string(fault->call));
        json_object_set_new(made, "status", json_integer(fault->status));
    }
    json_array_append(list, made);
    code = write_down(up, list);
    if (!code && fault->kind == ECC_FAULT_STOPPED) {
        signal_all(up, names, SIGSTOP);
        wait_until_stopped(up, names);
    } else if (!code && fault->kind == ECC_FAULT_HELD) {
        code = wait_until(up, names, false);
    } else if (!code) {
        code = script(up, made);
    }
    json_decref(made);
    json_decref(names);
    json_decref(list);
    return code;
}

int ecc_fault_mend(struct ecc_up *up, const char *by, const char *text)
{
    json_t *list = ecc_faults_read(up->home);
    int code = 0;

    for (size_t i = json_array_size(list); i-- > 0;) { /* the last one first */
        json_t *fault = json_array_get(list, i);
        int failed = 0;
        if ((!by || is(fault, "by", by)) && (!text || is(fault, "text", text)))
            failed = mend(up, list, i);
        code = code ? code : failed;
    }
    json_decref(list);
    return code;
}

void ecc_faults_forget(const char *home)
{
    char path[4200];

    snprintf(path, sizeof path, "%s/faults.json", home);
    unlink(path);
}

/* ------------------------------------------------------------------ the supervisor */

void ecc_held_look(struct ecc_held *held, const char *home)
{
    char path[4200];
    struct stat st = {0};

    snprintf(path, sizeof path, "%s/faults.json", home);
    bool there = stat(path, &st) == 0;
    if (there == held->there &&
        (!there || (st.st_ino == held->inode && st.st_mtim.tv_nsec == held->nsec && st.st_mtim.tv_sec == held->sec)))
        return;
    held->there = there;
    held->inode = st.st_ino;
    held->sec = st.st_mtim.tv_sec;
    held->nsec = st.st_mtim.tv_nsec;
    json_decref(held->faults);
    held->faults = there ? ecc_faults_read(home) : NULL;
}
