/* ecomc up [FILE] [--detach] [--port-base N] [--replicas N] [--kafka embedded|apache]: compile, build, start all, stay.
 *
 * A lock on .ecom/lock is held for as long as the supervisor lives. With --detach the supervisor is a child of its own session, and
 * this process only copies its progress until it says that all is ready (one byte 'R' on the pipe), or is gone.
 */
#include "up/up.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build.h"

static int lock(struct ecc_up *up)
{
    const char *path = ecc_up_path(up, "lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB))
        return ecc_say_error(ECC_EXIT_FAILED, "this system is already up; `ecomc status` shows it, `ecomc down` stops it");
    return 0; /* the descriptor stays open: closing it would give the lock back */
}

/* In the parent: copies what the child says. Returns the exit code. */
static int wait_for_ready(int fd, pid_t child)
{
    char buf[1024];
    bool ready = false;
    int status;

    for (ssize_t n; (n = read(fd, buf, sizeof buf)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        fwrite(buf, 1, (size_t)n, stderr);
        if (memmem(buf, (size_t)n, "\nready\n", 7) || (n == 6 && !memcmp(buf, "ready\n", 6))) {
            ready = true;
            break;
        }
    }
    if (ready)
        return ECC_EXIT_OK;
    if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status))
        return WEXITSTATUS(status);
    return ECC_EXIT_FAILED;
}

/* Goes on in a child without a terminal. Returns -1 in the child, else the exit code of the command. */
static int detach(struct ecc_up *up)
{
    const char *log = ecc_up_path(up, "logs/up.log");
    int pipe_fd[2];

    fflush(NULL);
    if (pipe(pipe_fd))
        return ecc_say_error(ECC_EXIT_IO, "pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        return ecc_say_error(ECC_EXIT_IO, "fork: %s", strerror(errno));
    if (pid) {
        close(pipe_fd[1]);
        return wait_for_ready(pipe_fd[0], pid);
    }
    close(pipe_fd[0]);
    fcntl(pipe_fd[1], F_SETFD, FD_CLOEXEC);
    setsid();
    int null = open("/dev/null", O_RDWR), out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (null >= 0 && out >= 0) {
        dup2(null, 0);
        dup2(out, 1);
        dup2(out, 2);
    }
    up->progress_fd = pipe_fd[1];
    return -1;
}

static int prepare(struct ecc_cli *cli, struct ecc_up *up, struct ecc_topology *topology)
{
    char folder[4200];
    int code;

    snprintf(folder, sizeof folder, "%s/generated", up->root);
    if ((code = lock(up)))
        return code;
    ecc_state_sweep(ecc_up_path(up, "state.json"));
    ecc_up_progress(up, "compiling %s ...", up->topology);
    if ((code = ecc_build_into(cli, topology, folder, false)))
        return code;
    if (!(code = ecc_up_keys(up)) && !(code = ecc_up_postgres(up)) && !(code = ecc_up_kafka(up)) && !(code = ecc_up_plan(up)) &&
        !(code = ecc_up_check_ports(up)))
        code = ecc_up_services(up);
    return code;
}

int ecc_cmd_up(struct ecc_cli *cli)
{
    struct ecc_up up = {.kafka = "embedded", .replicas = 1};
    const char *base = "0", *replicas = "1", *kafka = NULL;
    const struct ecc_option options[] = {
        {"--detach", NULL, &up.detach},
        {"--port-base", &base, NULL},
        {"--replicas", &replicas, NULL},
        {"--kafka", &kafka, NULL},
    };
    struct ecc_topology topology;
    long number;
    int code = ecc_cli_options(cli, options, sizeof options / sizeof options[0], 1);

    if (code)
        return code;
    if (!ecc_cli_int(base, 0, 50000, &number))
        return ecc_say_error(ECC_EXIT_USAGE, "--port-base takes a number from 0 to 50000");
    up.port_base = (int)number;
    if (!ecc_cli_int(replicas, 1, 4, &number))
        return ecc_say_error(ECC_EXIT_USAGE, "--replicas takes a number from 1 to 4");
    up.replicas = (int)number;
    if (kafka && strcmp(kafka, "embedded") && strcmp(kafka, "apache"))
        return ecc_say_error(ECC_EXIT_USAGE, "--kafka takes embedded or apache");
    if (kafka) {
        up.kafka = kafka;
    } else if (getenv("KAFKA_BROKERS")) {
        up.brokers = getenv("KAFKA_BROKERS");
        up.kafka = NULL;
    }
    const char *file = cli->nargs ? cli->args[0] : "topology.ecom";
    if ((code = ecc_topology_load(cli, file, &topology)))
        return code;
    if (!topology.model) /* warnings are for `check` and `build` */
        return ecc_topology_report(cli, &topology);
    up.model = topology.model;
    if ((code = ecc_up_layout(&up, cli, file)) || (code = prepare(cli, &up, &topology)))
        return code;
    if (up.detach && (code = detach(&up)) >= 0)
        return code;
    code = ecc_up_run(&up);
    unlink(ecc_up_path(&up, "state.json"));
    return code;
}
