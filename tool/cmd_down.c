/* ecomc down: asks the supervisor to stop everything and waits until it has; sweeps up after one that was killed.
 *
 * Whoever runs `up` holds the lock and has its process id in the lock's file, from the first moment on (also while it still builds). With
 * the lock in our own hands nobody else runs, and what state.json still names was left behind.
 */
#include "up/up.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Waits for the lock, telling its holder to stop. Returns 0, or an exit code after saying why. */
static int take_over(int fd, const char *path)
{
    pid_t told = 0;

    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
        char text[16] = "";
        if (errno != EWOULDBLOCK && errno != EINTR)
            return ecc_say_error(ECC_EXIT_IO, "%s: %s", path, strerror(errno));
        pid_t pid = pread(fd, text, sizeof text - 1, 0) > 0 ? (pid_t)atoi(text) : 0;
        if (pid > 1 && pid != told) { /* another one: `up` went on in a child meanwhile */
            if (kill(pid, SIGTERM) && errno != ESRCH)
                return ecc_say_error(ECC_EXIT_FAILED, "the supervisor (process %d) can't be stopped: %s", (int)pid, strerror(errno));
            told = pid;
        }
        usleep(50 * 1000); /* the supervisor has limits of its own for every process */
    }
    return 0;
}

int ecc_cmd_down(struct ecc_cli *cli)
{
    int code = ecc_cli_options(cli, NULL, 0, 1);

    if (code)
        return code;
    const char *file = cli->nargs ? cli->args[0] : "topology.ecom", *slash = strrchr(file, '/');
    const char *home = slash ? ecc_arena_printf(&cli->arena, "%.*s/.ecom", (int)(slash - file), file) : ".ecom";
    const char *path = ecc_arena_printf(&cli->arena, "%s/lock", home), *state = ecc_arena_printf(&cli->arena, "%s/state.json", home);
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0 && errno != ENOENT)
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", path, strerror(errno));
    bool up = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
    if (up && (code = take_over(fd, path))) {
        close(fd);
        return code;
    }
    if (!access(state, F_OK)) {
        ecc_state_sweep(state);
        up = true;
    }
    if (fd >= 0)
        close(fd);
    puts(up ? "all is stopped" : "nothing is up");
    return ECC_EXIT_OK;
}
