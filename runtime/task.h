/* Tasks from the runtime's side: making, starting, completing.
 *
 * A module that implements an operation keeps the task, and later, from a callback of the loop, sets task->error (NULL for success) and
 * task->rows and calls ec_task_resume exactly once. It must not resume from inside the call that started the operation; when the answer
 * is known at once, ec_task_resume_soon does it in the next turn (one idle handle serves the whole queue).
 */
#ifndef EC_TASK_H
#define EC_TASK_H

#include "arena.h"

/* A task with its own arena and a zeroed frame (program->in's preset copied into it). */
struct ec_task *ec_task_new(struct ec_app *app, const struct ec_program *program);
void ec_task_context(struct ec_task *task, const struct ec_task *from); /* deadline and span: it works for that task */
void ec_task_start(struct ec_task *task);       /* first entry of run, in the next turn */
/* The same, inside the call: the task may have ended and be freed when this returns. For who is done with it by then, and answers a client:
 * a loop that first reads all requests and then answers all of them leaves its clients idle meanwhile, and is idle while they work. */
void ec_task_start_now(struct ec_task *task);
void ec_task_resume(struct ec_task *task);      /* enters run at task->step; when the task is a branch, counts towards the join */
void ec_task_resume_soon(struct ec_task *task); /* queues; error and rows are set by now */
void ec_task_fail_soon(struct ec_task *task, const struct ec_error *error, const char *detail); /* detail: copied, or NULL */

/* Ends the task from outside run, at any await: a duplicate's stored reply (out: of program->out), or an error. Rolls back; hooks.failed
 * and hooks.replied are not called: who ends a task so has settled its key. For error, detail is what task->detail says by then. */
void ec_task_end(struct ec_task *task, const struct ec_error *error, const void *out, bool accepted);

/* task->finish is called once, in the turn in which the task has ended and its transaction is closed; it reads error, detail, out and
 * accepted, and must call ec_task_free in the end. */
void ec_task_free(struct ec_task *task);

int64_t ec_task_remaining_ms(const struct ec_task *task); /* until the deadline; INT64_MAX without one; 0 when it has passed */
bool ec_task_expired(const struct ec_task *task);         /* the deadline has passed: start nothing new, fail with ec_error_timeout */
void ec_task_error(struct ec_task *task, const struct ec_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* sets error and detail */

/* Hooks that other modules fill in at start; NULL where the module is not linked. */
struct ec_task_hooks {
    void (*rollback)(struct ec_task *task, void (*then)(struct ec_task *task)); /* tx.c: closes task->tx, then calls then */
    /* inbox.c: a keyed task that is not settled has failed: records the failure or gives the claim back, then calls then. The task's
     * error and detail are kept whatever it does; it may set unknown. */
    void (*failed)(struct ec_task *task, void (*then)(struct ec_task *task));
    /* inbox.c: a claimed task that is not settled has replied: stores the reply (task->out, task->accepted), then calls then; with
     * task->error set the task fails with it instead. */
    void (*replied)(struct ec_task *task, void (*then)(struct ec_task *task));
};
extern struct ec_task_hooks ec_task_hooks;

extern uint64_t ec_tasks_live; /* for drain and tests */

/* Closes the queue's idle handle, which the first queued task has opened on app->loop: before uv_loop_close. */
void ec_tasks_stop(void);

#endif
