/* The parent of workers: forks before any loop or thread is there, hands signals on, and starts a worker again that has died, after a
 * second. What they count they share (metrics.c). A worker asks the kernel to be ended when its parent is gone.
 */
#include "workers.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app.h"

static pid_t fork_worker(int worker, int (*work)(void), const sigset_t *before)
{
    pid_t parent = getpid(), pid = fork();

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it died before the line above */
        _exit(0);
    sigprocmask(SIG_SETMASK, before, NULL);
    ec_metrics_join(worker);
    exit(work());
}

static void signal_all(const pid_t *pids, int n, int number)
{
    int i;

    for (i = 0; i < n; i++)
        if (pids[i] > 0)
            kill(pids[i], number);
}

/* Takes note of children that have ended. Returns how many are left. */
static int reap(pid_t *pids, int n, int start_failed, int *code, bool *ending)
{
    int status, i, left = 0;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (i = 0; i < n; i++)
            if (pids[i] == pid) {
                pids[i] = 0;
                ec_metrics_leave(i);
            }
        if (WIFEXITED(status) && WEXITSTATUS(status) == start_failed && !*ending) {
            *code = start_failed;
            *ending = true;
            signal_all(pids, n, SIGTERM);
        } else if (!*ending) {
            ec_log(EC_LOG_ERROR, NULL, "a worker has died and is started again", EC_L_INT("pid", pid),
                   EC_L_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
                   EC_L_INT("code", WIFEXITED(status) ? WEXITSTATUS(status) : 0));
        } else if (*code == 0) {
            *code = WIFEXITED(status) ? WEXITSTATUS(status) : 70;
        }
    }
    for (i = 0; i < n; i++)
        left += pids[i] > 0;
    return left;
}

int ec_workers_run(int n, int (*work)(void), int start_failed)
{
    const struct timespec second = {.tv_sec = 1};
    pid_t *pids = calloc((size_t)n, sizeof(*pids));
    bool ending = false;
    sigset_t waited, before;
    int code = 0, i, left;

    if (!pids)
        ec_panic("out of memory");
    sigemptyset(&waited);
    sigaddset(&waited, SIGTERM);
    sigaddset(&waited, SIGINT);
    sigaddset(&waited, SIGCHLD);
    sigprocmask(SIG_BLOCK, &waited, &before);
    ec_log_flush();
    ec_metrics_share(n);
    for (i = 0; i < n; i++)
        pids[i] = fork_worker(i, work, &before);
    do {
        int number = sigtimedwait(&waited, NULL, &second);

        if (number == SIGTERM || number == SIGINT) {
            ending = true;
            signal_all(pids, n, SIGTERM); /* twice: a worker's second signal ends its drain */
        }
        left = reap(pids, n, start_failed, &code, &ending);
        if (number < 0 && errno == EAGAIN && !ending)
            for (i = 0; i < n; i++)
                if (pids[i] <= 0)
                    pids[i] = fork_worker(i, work, &before);
    } while (left > 0 || !ending);
    free(pids);
    return code;
}
