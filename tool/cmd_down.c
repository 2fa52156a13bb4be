/* ecomc down: asks the supervisor to stop everything and waits until it has; sweeps up after one that was killed. */
#include "up/up.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

int ecc_cmd_down(struct ecc_cli *cli)
{
    struct ecc_up up = {.replicas = 1};
    int code = ecc_cli_options(cli, NULL, 0, 1);

    if (code)
        return code;
    const char *file = cli->nargs ? cli->args[0] : "topology.ecom";
    const char *slash = strrchr(file, '/');
    up.arena = &cli->arena;
    up.home = slash ? ecc_arena_printf(up.arena, "%.*s/.ecom", (int)(slash - file), file) : ".ecom";
    const char *path = ecc_arena_printf(up.arena, "%s/state.json", up.home);
    json_t *state = json_load_file(path, 0, NULL);
    if (!state) {
        puts("nothing is up");
        return ECC_EXIT_OK;
    }
    pid_t pid = (pid_t)json_integer_value(json_object_get(state, "supervisor"));
    uint64_t start = (uint64_t)json_integer_value(json_object_get(state, "start"));
    json_decref(state);
    if (pid > 1 && start && ecc_start_ticks(pid) == start) {
        if (kill(pid, SIGTERM))
            return ecc_say_error(ECC_EXIT_FAILED, "the supervisor (process %d) can't be stopped: %s", (int)pid, strerror(errno));
        while (ecc_start_ticks(pid) == start) /* it has limits of its own for every process */
            usleep(50 * 1000);
    }
    if (!access(path, F_OK))
        ecc_state_sweep(path);
    puts("all is stopped");
    return ECC_EXIT_OK;
}
