/* What a custom operation does off the loop. A job is in the arena of its task, which is not freed while it waits. */
#include "app.h"
#include "lane.h"

struct job {
    struct ec_job base;
    void (*work)(void *data);
    void *data;
};

static void work(struct ec_job *base)
{
    struct job *job = (struct job *)base;

    job->work(job->data);
}

static void done(struct ec_job *base, int status)
{
    (void)base;
    (void)status;
}

static struct ec_lane lane = {
    .work = work,
    .done = done,
    .full = "too much work waits",
    .late = "the deadline passed before the work could begin",
};

void ec_work(struct ec_task *task, void (*function)(void *data), void *data)
{
    if (ec_lane_refuses(&lane, task))
        return;
    struct job *job = ec_arena_alloc(task->arena, sizeof(*job));
    job->work = function;
    job->data = data;
    ec_lane_add(&lane, &job->base, task);
}
