/* What a custom operation does off the loop: a bounded queue before libuv's thread pool.
 *
 * A job is in the arena of its task, which is not freed while it waits. The pool has four threads, and passwords take two at most: so do these.
 */
#include "app.h"

enum { MAX_RUNNING = 2, MAX_WAITING = 64 };

struct job {
    uv_work_t request;
    struct job *next;
    struct ec_task *task;
    void (*work)(void *data);
    void *data;
};

static struct job *first, **last = &first;
static int running, waiting;

static void run_next(void);

static void work(uv_work_t *request)
{
    struct job *job = (struct job *)request;

    job->work(job->data);
}

static void done(uv_work_t *request, int status)
{
    struct ec_task *task = ((struct job *)request)->task;

    running--;
    task->error = NULL;
    task->rows = 0;
    if (status)
        ec_task_error(task, &ec_error_unavailable, "the process is stopping");
    run_next();
    ec_task_resume(task);
}

static void run_next(void)
{
    while (first && running < MAX_RUNNING) {
        struct job *job = first;

        first = job->next;
        if (!first)
            last = &first;
        waiting--;
        if (ec_task_expired(job->task)) {
            ec_task_fail_soon(job->task, &ec_error_timeout, "the deadline passed before the work could begin");
            continue;
        }
        running++;
        if (uv_queue_work(job->task->app->loop, &job->request, work, done))
            ec_panic("uv_queue_work takes no work");
    }
}

void ec_work(struct ec_task *task, void (*function)(void *data), void *data)
{
    struct job *job;

    if (waiting >= MAX_WAITING) {
        task->retry_after_s = 1;
        ec_task_fail_soon(task, &ec_error_unavailable, "too much work waits");
        return;
    }
    job = ec_arena_alloc(task->arena, sizeof(*job));
    *job = (struct job){.task = task, .work = function, .data = data};
    *last = job;
    last = &job->next;
    waiting++;
    run_next();
}
