/* ecomc up [FILE] [--detach] [--port-base N] [--replicas N] [--kafka embedded|apache]: compile, build, start all, stay.
 *
 * A lock on .ecom/lock is held for as long as the supervisor lives; the file holds its process id, for `down`. With --detach the supervisor
 * is a child of its own session, and this process only copies its progress until it says that all is ready (the line `ready`), or is gone.
 */
#include "up/up.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build.h"

static int lock_fd = -1; /* stays open: closing it would give the lock back */

static void write_pid(void)
{
    char text[16];
    int n = snprintf(text, sizeof text, "%-10d\n", (int)getpid()); /* one width: written over, never cut */

    if (pwrite(lock_fd, text, (size_t)n, 0) < 0)
        return; /* a full disk: `down` falls back on the state */
}

static int lock(struct ecc_up *up)
{
    const char *path = ecc_up_path(up, "lock");
    int fd = lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB))
        return ecc_say_error(ECC_EXIT_FAILED, "this system is already up; `ecomc status` shows it, `ecomc down` stops it");
    write_pid();
    return 0;
}

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
    write_pid();
    dup2(null, 0);
    dup2(out, 1);
    dup2(out, 2);
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
    const char *base = "0", *replicas = "1", *kafka = NULL, *ready = getenv("EC_READY_MS");
    const char *backoff = getenv("EC_BACKOFF_MS");
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
    if (!ecc_cli_int(ready && *ready ? ready : "30000", 100, 3600 * 1000, &number))
        return ecc_say_error(ECC_EXIT_USAGE, "EC_READY_MS is a number of milliseconds from 100 to 3600000, not '%s'", ready);
    up.ready_ms = (int)number;
    if (!ecc_cli_int(backoff && *backoff ? backoff : "10000", 100, 3600 * 1000, &number))
        return ecc_say_error(ECC_EXIT_USAGE, "EC_BACKOFF_MS is a number of milliseconds from 100 to 3600000, not '%s'", backoff);
    up.backoff_ms = (int)number;
    if (kafka && strcmp(kafka, "embedded") && strcmp(kafka, "apache"))
        return ecc_say_error(ECC_EXIT_USAGE, "--kafka takes embedded or apache");
    if (kafka) {
        up.kafka = kafka;
    } else if (getenv("KAFKA_BROKERS") && *getenv("KAFKA_BROKERS")) {
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
