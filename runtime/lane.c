#include "lane.h"

#include "app.h"

enum { MAX_RUNNING = 2, MAX_WAITING = 64 };

static void run_next(struct ec_lane *lane);

static void work(uv_work_t *request)
{
    struct ec_job *job = (struct ec_job *)request;

    job->lane->work(job);
}

static void done(uv_work_t *request, int status)
{
    struct ec_job *job = (struct ec_job *)request;
    struct ec_lane *lane = job->lane;
    struct ec_task *task = job->task;

    lane->running--;
    task->error = NULL;
    task->rows = 0;
    if (status)
        ec_task_error(task, &ec_error_unavailable, "the process is stopping");
    lane->done(job, status);
    run_next(lane);
    ec_task_resume(task);
}

static void run_next(struct ec_lane *lane)
{
    while (lane->first && lane->running < MAX_RUNNING) {
        struct ec_job *job = lane->first;

        lane->first = job->next;
        lane->waiting--;
        if (ec_task_expired(job->task)) {
            ec_task_fail_soon(job->task, &ec_error_timeout, lane->late);
            if (lane->dropped)
                lane->dropped(job);
            continue;
        }
        lane->running++;
        if (uv_queue_work(job->task->app->loop, &job->request, work, done))
            ec_panic("uv_queue_work takes no work");
    }
}

bool ec_lane_refuses(struct ec_lane *lane, struct ec_task *task)
{
    if (lane->waiting < MAX_WAITING)
        return false;
    task->retry_after_s = 1;
    ec_task_fail_soon(task, &ec_error_unavailable, lane->full);
    return true;
}

void ec_lane_add(struct ec_lane *lane, struct ec_job *job, struct ec_task *task)
{
    job->lane = lane;
    job->task = task;
    job->next = NULL;
    if (!lane->first)
        lane->last = &lane->first;
    *lane->last = job;
    lane->last = &job->next;
    lane->waiting++;
    run_next(lane);
}

bool ec_lane_idle(const struct ec_lane *lane)
{
    return lane->running == 0 && lane->waiting == 0;
}
