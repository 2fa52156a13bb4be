/* ecomc up [FILE] [--detach] [--port-base N] [--replicas N] [--kafka embedded|apache]: compile, build, start all, stay.
 *
 * With --detach the supervisor is a child of its own session, and this process only copies its progress until it says that all is ready (the
 * line `ready`), or is gone.
 */
#include "up/up.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t told_to_stop;

static void on_stop(int number)
{
    told_to_stop = number;
}

/* In the parent: copies what the child says. Returns the exit code. */
static int wait_for_ready(int fd, pid_t child, const char *log)
{
    struct sigaction act = {.sa_handler = on_stop}; /* no SA_RESTART: the read below is to end */
    char line[4096];
    size_t n = 0;
    int status;

    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGHUP, &act, NULL);
    for (;;) {
        if (told_to_stop) {
            told_to_stop = 0;
            kill(child, SIGTERM);
        }
        ssize_t got = read(fd, line + n, 1); /* a few short lines: not worth a buffer */
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        if (line[n++] != '\n' && n < sizeof line)
            continue;
        fwrite(line, 1, n, stderr);
        if (n == 6 && !memcmp(line, "ready\n", 6))
            return ECC_EXIT_OK;
        n = 0;
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return ECC_EXIT_FAILED;
    if (WIFSIGNALED(status))
        return ecc_say_error(ECC_EXIT_FAILED, "the supervisor was ended by signal %d; `ecomc down` stops what it left; log: %s", WTERMSIG(status), log);
    return WEXITSTATUS(status) ? WEXITSTATUS(status) : ECC_EXIT_FAILED;
}

/* Goes on in a child without a terminal. Returns -1 in the child, else the exit code of the command. */
static int detach(struct ecc_up *up)
{
    const char *log = ecc_up_path(up, "logs/up.log");
    int pipe_fd[2], null = open("/dev/null", O_RDWR | O_CLOEXEC), out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);

    if (null < 0 || out < 0)
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", null < 0 ? "/dev/null" : log, strerror(errno));
    fflush(NULL);
    if (pipe(pipe_fd))
        return ecc_say_error(ECC_EXIT_IO, "pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        return ecc_say_error(ECC_EXIT_IO, "fork: %s", strerror(errno));
    if (pid) {
        close(pipe_fd[1]);
        return wait_for_ready(pipe_fd[0], pid, log);
    }
    close(pipe_fd[0]);
    fcntl(pipe_fd[1], F_SETFD, FD_CLOEXEC);
    setsid();
    ecc_up_lock_is_mine();
    dup2(null, 0);
    dup2(out, 1);
    dup2(out, 2);
    up->progress_fd = pipe_fd[1];
    return -1;
}

int ecc_cmd_up(struct ecc_cli *cli)
{
    struct ecc_up up = {0};
    struct ecc_topology topology;
    int code = ecc_up_options(cli, &up);

    if (code)
        return code;
    const char *file = cli->nargs ? cli->args[0] : "topology.ecom";
    if ((code = ecc_topology_load(cli, file, &topology)))
        return code;
    if (!topology.model) /* warnings are for `check` and `build` */
        return ecc_topology_report(cli, &topology);
    up.model = topology.model;
    if ((code = ecc_up_layout(&up, cli, file)) || (code = ecc_up_lock(&up)))
        return code;
    ecc_up_progress(&up, "compiling %s ...", file);
    if ((code = ecc_up_prepare(&up, cli, &topology)) || (code = ecc_up_build(&up)) || (code = ecc_up_install(&up)))
        return code;
    if (up.detach && (code = detach(&up)) >= 0)
        return code;
    return ecc_up_run(&up);
}
