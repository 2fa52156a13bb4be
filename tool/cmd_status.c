/* ecomc status [--format=json]: what the supervisor runs. Exit 0 when all of it is ready, else 1. */
#include "up/faults.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is broken on purpose, and by whom; one by `verify` whose lock is free was left by a verify that was killed. */
static void tell_faults(json_t *faults, const char *home)
{
    int lock = ecc_faults_lock(home);
    json_t *fault;
    size_t i;

    json_array_foreach(faults, i, fault)
    {
        const char *text = json_string_value(json_object_get(fault, "text")), *by = json_string_value(json_object_get(fault, "by"));
        bool left = lock >= 0 && by && !strcmp(by, "verify");
        if (text && by)
            printf("on purpose: %s (%s)\n", text,
                   left ? "left by a verify that was killed; the next `ecomc verify` mends it"
                        : !strcmp(by, "verify") ? "`ecomc verify` is at work" : "by hand; `ecomc fault --end` mends it");
    }
    if (lock >= 0)
        close(lock);
}

int ecc_cmd_status(struct ecc_cli *cli)
{
    int code = ecc_cli_options(cli, NULL, 0, 1);

    if (code)
        return code;
    const char *file = cli->nargs ? cli->args[0] : "topology.ecom", *slash = strrchr(file, '/');
    const char *path = slash ? ecc_arena_printf(&cli->arena, "%.*s/.ecom/state.json", (int)(slash - file), file) : ".ecom/state.json";
    json_t *state = ecc_state_read(path), *proc;
    size_t i;

    if (!state) {
        if (cli->format == ECC_FORMAT_JSON)
            puts("{\"up\": false}");
        else
            puts("nothing is up");
        return ECC_EXIT_FAILED;
    }
    const char *home = ecc_arena_strndup(&cli->arena, path, strlen(path) - strlen("/state.json"));
    json_t *faults = ecc_faults_read(home);
    bool ready = json_is_true(json_object_get(state, "ready"));
    if (cli->format == ECC_FORMAT_JSON) {
        json_object_set_new(state, "up", json_true());
        json_object_set(state, "faults", faults);
        json_dumpf(state, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    json_array_foreach(json_object_get(state, "processes"), i, proc)
    {
        const char *name = json_string_value(json_object_get(proc, "name")), *kind = json_string_value(json_object_get(proc, "kind")),
                   *how = json_string_value(json_object_get(proc, "state")), *reason = json_string_value(json_object_get(proc, "reason"));
        int restarts = (int)json_integer_value(json_object_get(proc, "restarts"));
        if (!name || !kind || !how) /* written by something else */
            continue;
        int port = (int)json_integer_value(json_object_get(proc, "port"));
        bool over = !strcmp(kind, "migration") && strcmp(how, ecc_proc_state_names[ECC_PROC_FAILED]) != 0; /* or on its way */
        if (!over)
            ready &= !strcmp(how, ecc_proc_state_names[ECC_PROC_READY]);
        if (cli->format == ECC_FORMAT_JSON || over)
            continue;
        printf("%-28s %-10s %-11s", name, kind, how);
        if (port)
            printf(" :%d", port);
        if (restarts)
            printf("  %d restart%s", restarts, restarts == 1 ? "" : "s");
        if (reason && *reason && strcmp(how, ecc_proc_state_names[ECC_PROC_READY]))
            printf("  %s", reason);
        putchar('\n');
    }
    if (cli->format != ECC_FORMAT_JSON)
        tell_faults(faults, home);
    json_decref(faults);
    json_decref(state);
    return ready ? ECC_EXIT_OK : ECC_EXIT_FAILED;
}
