/* Tasks: how a run starts, waits, goes on and ends.
 *
 * A task, its frame and its branches are in the task's arena, so one free ends it all; blocks of arenas are pooled, so a small request
 * allocates nothing. `running` is the task whose run is on the stack: it tells a module that completes inside the call that started it,
 * and lets enter() know, without touching it, that the task has gone meanwhile.
 *
 * Ending goes through fixed stations: branches that are still in flight, an open transaction, the inbox, then finish. Each station may
 * take turns of the loop; `stage` in the private part says which comes next.
 *
 * What is to happen in the next turn stands in one queue, served by an idle handle: while it is active the loop doesn't sleep. What a turn
 * adds waits for the turn after it, so that tasks can't keep the loop from its sockets.
 */
#include "task.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "trace.h"

enum state { NEW, QUEUED, RUNNING, WAITING, ENDING, ENDED };
enum outcome { REPLIED, FAILED, ENDED_OUTSIDE };

/* What generated code and modules see is the first member. */
struct whole_task {
    struct ec_task task;
    enum outcome outcome;
    const struct ec_error *error; /* what the task ends with; hooks may run statements that change the visible one */
    const char *detail;
    bool unknown;
    int retry_after_s;
};

struct branch {
    struct ec_task task;
    bool started, required, done;
};

struct ec_fork {
    int n, pending;   /* pending: handed out and not complete */
    bool joining, closing;
    struct branch *branches;
};

struct ec_task_hooks ec_task_hooks;
uint64_t ec_tasks_live;

static struct ec_task *running;

static struct {
    uv_idle_t idle;
    bool open;
    struct ec_task *first, **end;
} queue = {.end = &queue.first};

static void close_transaction(struct ec_task *task);

/* ------------------------------------------------------------------ the queue */

static void enter(struct ec_task *task)
{
    struct ec_task *before = running;

    running = task;
    task->state = RUNNING;
    task->program->run(task);
    if (running == task && task->state == RUNNING) /* otherwise it has ended, and may be freed, or it is queued */
        task->state = WAITING;
    running = before;
}

static void serve_queue(uv_idle_t *idle)
{
    struct ec_task *task = queue.first, *next;

    queue.first = NULL;
    queue.end = &queue.first;
    for (; task; task = next) {
        next = task->next;
        task->next = NULL;
        task->state = WAITING;
        ec_task_resume(task);
    }
    if (!queue.first)
        uv_idle_stop(idle);
}

static void enqueue(struct ec_task *task)
{
    if (task->state == QUEUED)
        ec_panic("a task is completed twice");
    if (!queue.open) {
        uv_idle_init(task->app->loop, &queue.idle);
        queue.open = true;
    }
    if (!queue.first)
        uv_idle_start(&queue.idle, serve_queue);
    task->state = QUEUED;
    task->next = NULL;
    *queue.end = task;
    queue.end = &task->next;
}

void ec_tasks_stop(void)
{
    if (!queue.open)
        return;
    queue.open = false;
    queue.first = NULL;
    queue.end = &queue.first;
    uv_idle_stop(&queue.idle);
    uv_close((uv_handle_t *)&queue.idle, NULL);
}

/* ------------------------------------------------------------------ making and freeing */

struct ec_task *ec_task_new(struct ec_app *app, const struct ec_program *program)
{
    struct ec_arena *arena = ec_arena_new();
    struct whole_task *whole = ec_arena_alloc(arena, sizeof(*whole));
    struct ec_task *task = &whole->task;

    task->arena = arena;
    task->app = app;
    task->program = program;
    task->frame = ec_arena_alloc(arena, program->frame_size);
    if (program->in && program->in->preset)
        memcpy(task->frame, program->in->preset, program->in->size);
    ec_trace_new(&task->trace);
    task->started_ns = uv_hrtime();
    task->state = NEW;
    ec_tasks_live++;
    return task;
}

void ec_task_context(struct ec_task *task, const struct ec_task *from)
{
    task->deadline_ns = from->deadline_ns;
    task->trace = from->trace; /* what it sends is on behalf of the same span */
}

void ec_task_free(struct ec_task *task)
{
    if (task->parent)
        ec_panic("a branch is freed on its own");
    if (task->state == QUEUED || (task->fork && task->fork->pending))
        ec_panic("a task is freed with an operation in flight");
    if (running == task)
        running = NULL;
    ec_tasks_live--;
    ec_arena_free(task->arena);
}

/* ------------------------------------------------------------------ going on */

void ec_task_start(struct ec_task *task)
{
    if (task->state != NEW)
        ec_panic("a task is started twice");
    task->error = NULL;
    enqueue(task);
}

void ec_task_start_now(struct ec_task *task)
{
    if (task->state != NEW)
        ec_panic("a task is started twice");
    task->error = NULL;
    enter(task);
}

/* The first failed required branch, in their order: which one failed first in time would be left to chance. */
static void join_outcome(struct ec_task *task)
{
    const struct ec_fork *fork = task->fork;
    int i;

    task->error = NULL;
    task->detail = NULL;
    task->unknown = false;
    task->retry_after_s = 0;
    task->rows = 0;
    for (i = 0; i < fork->n && !task->error; i++) {
        const struct branch *branch = &fork->branches[i];

        if (branch->started && branch->required && branch->task.error) {
            task->error = branch->task.error;
            task->detail = branch->task.detail;
            task->unknown = branch->task.unknown;
            task->retry_after_s = branch->task.retry_after_s;
        }
    }
}

static void branch_done(struct branch *branch)
{
    struct ec_task *parent = branch->task.parent;
    struct ec_fork *fork = parent->fork;

    if (branch->done)
        ec_panic("a branch is completed twice");
    if (running == parent)
        ec_panic("an operation is complete inside the call that started it");
    branch->done = true;
    branch->task.state = ENDED;
    fork->pending--;
    if (fork->pending)
        return;
    if (fork->closing) {
        close_transaction(parent);
    } else if (fork->joining) {
        fork->joining = false;
        join_outcome(parent);
        enter(parent);
    }
}

void ec_task_resume(struct ec_task *task)
{
    if (task->parent) {
        branch_done((struct branch *)task);
        return;
    }
    if (task->state != WAITING)
        ec_panic(task->state == RUNNING ? "an operation is complete inside the call that started it"
                                        : "a task that waits for nothing is resumed");
    enter(task);
}

void ec_task_resume_soon(struct ec_task *task)
{
    enqueue(task);
}

void ec_task_fail_soon(struct ec_task *task, const struct ec_error *error, const char *detail)
{
    task->error = error;
    task->detail = detail ? ec_arena_copy(task->arena, ec_str_of(detail)).p : NULL;
    task->rows = 0;
    enqueue(task);
}

void ec_task_error(struct ec_task *task, const struct ec_error *error, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    task->error = error;
    task->detail = ec_arena_copy(task->arena, ec_str_of(text)).p;
}

int64_t ec_task_remaining_ms(const struct ec_task *task)
{
    uint64_t now;

    if (task->deadline_ns == 0)
        return INT64_MAX;
    now = uv_hrtime();
    return now >= task->deadline_ns ? 0 : (int64_t)((task->deadline_ns - now + 999999) / 1000000);
}

bool ec_task_expired(const struct ec_task *task)
{
    return task->deadline_ns && uv_hrtime() >= task->deadline_ns;
}

bool ec_caught(struct ec_task *task, const struct ec_error *error)
{
    if (!task->error || (task->error != error && strcmp(task->error->name, error->name) != 0))
        return false;
    task->error = NULL;
    task->detail = NULL;
    task->unknown = false;
    task->retry_after_s = 0;
    return true;
}

/* ------------------------------------------------------------------ branches */

void ec_fork(struct ec_task *task, int n)
{
    struct ec_fork *fork;

    if (task->parent)
        ec_panic("a branch has branches");
    if (task->fork && task->fork->pending)
        ec_panic("branches of the fork before are in flight");
    fork = ec_alloc(task, sizeof(*fork));
    fork->n = n;
    fork->branches = ec_alloc_array(task, (size_t)n, sizeof(*fork->branches));
    task->fork = fork;
}

struct ec_task *ec_branch(struct ec_task *task, int i, bool required)
{
    struct branch *branch;

    if (!task->fork || i < 0 || i >= task->fork->n)
        ec_panic("there is no such branch");
    branch = &task->fork->branches[i];
    branch->required = required;
    if (branch->started)
        return &branch->task;
    branch->started = true;
    task->fork->pending++;
    branch->task = (struct ec_task){
        .state = WAITING,
        .frame = task->frame,
        .arena = task->arena,
        .app = task->app,
        .program = task->program,
        .deadline_ns = task->deadline_ns,
        .trace = task->trace,
        .key = task->key,
        .undoes = task->undoes,
        .seed = task->seed,
        .seeded = task->seeded,
        .claimed = task->claimed,
        .background = task->background,
        .again = task->again,
        .parent = task,
        .owner = task->owner,
        .started_ns = uv_hrtime(),
    };
    return &branch->task;
}

void ec_join(struct ec_task *task)
{
    if (!task->fork)
        ec_panic("a join without a fork");
    if (task->fork->pending) {
        task->fork->joining = true;
        return;
    }
    join_outcome(task);
    enqueue(task);
}

bool ec_branch_ok(const struct ec_task *task, int i)
{
    const struct ec_fork *fork = task->fork;

    return fork && i >= 0 && i < fork->n && fork->branches[i].done && !fork->branches[i].task.error;
}

/* ------------------------------------------------------------------ ends */

static void finish(struct ec_task *task)
{
    struct whole_task *whole = (struct whole_task *)task;

    task->error = whole->error;
    task->detail = whole->detail;
    task->unknown |= whole->unknown; /* a hook may have found that nobody knows */
    task->retry_after_s = whole->retry_after_s;
    task->state = ENDED;
    if (task->error)
        task->out = NULL;
    if (task->finish)
        task->finish(task);
    else
        ec_task_free(task);
}

static void keep_error(struct whole_task *whole)
{
    whole->error = whole->task.error;
    whole->detail = whole->task.detail;
    whole->unknown = whole->task.unknown;
    whole->retry_after_s = whole->task.retry_after_s;
}

static void reply_stored(struct ec_task *task)
{
    if (task->error)
        keep_error((struct whole_task *)task);
    finish(task);
}

static void settle(struct ec_task *task)
{
    struct whole_task *whole = (struct whole_task *)task;

    if (task->key.n && !task->settled && whole->outcome != ENDED_OUTSIDE) {
        if (whole->error && ec_task_hooks.failed) {
            ec_task_hooks.failed(task, finish);
            return;
        }
        if (!whole->error && task->claimed && ec_task_hooks.replied) {
            ec_task_hooks.replied(task, reply_stored);
            return;
        }
    }
    finish(task);
}

static void close_transaction(struct ec_task *task)
{
    if (task->tx && ec_task_hooks.rollback)
        ec_task_hooks.rollback(task, settle);
    else
        settle(task);
}

static void end(struct ec_task *task, enum outcome outcome)
{
    struct whole_task *whole = (struct whole_task *)task;

    if (task->parent)
        ec_panic("a branch is ended on its own");
    if (task->state == ENDING || task->state == ENDED)
        ec_panic("a task has ended twice");
    if (task->state == QUEUED)
        ec_panic("a task ends with an operation in flight");
    whole->outcome = outcome;
    keep_error(whole);
    task->state = ENDING;
    if (running == task)
        running = NULL;
    if (task->fork && task->fork->pending)
        task->fork->closing = true; /* the last branch goes on from here */
    else
        close_transaction(task);
}

void ec_fail(struct ec_task *task)
{
    if (!task->error) {
        ec_log(EC_LOG_ERROR, task, "a program has failed without an error", EC_L_STR("program", task->program->name));
        task->error = &ec_error_internal;
    }
    end(task, FAILED);
}

void ec_fail_with(struct ec_task *task, const struct ec_error *error)
{
    task->error = error;
    task->detail = NULL;
    task->unknown = false;
    task->retry_after_s = 0;
    end(task, FAILED);
}

static void reply(struct ec_task *task, const void *out, bool accepted)
{
    if (task->tx) {
        ec_log(EC_LOG_ERROR, task, "a program has replied inside its transaction", EC_L_STR("program", task->program->name));
        ec_fail_with(task, &ec_error_internal);
        return;
    }
    task->error = NULL;
    task->detail = NULL;
    task->unknown = false;
    task->retry_after_s = 0;
    task->out = out;
    task->accepted = accepted;
    end(task, REPLIED);
}

void ec_reply(struct ec_task *task, const void *out)
{
    reply(task, out, false);
}

void ec_accept(struct ec_task *task, const void *out)
{
    reply(task, out, true);
}

void ec_task_end(struct ec_task *task, const struct ec_error *error, const void *out, bool accepted)
{
    if (!error) {
        task->detail = NULL;
        task->unknown = false;
        task->retry_after_s = 0;
    }
    task->error = error;
    task->out = out;
    task->accepted = accepted;
    end(task, ENDED_OUTSIDE);
}
