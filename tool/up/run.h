/* The supervisor's inside: the life of one process (run.c), the loop with its stages (supervisor.c), and what a change of the plan does to
 * what runs (change.c).
 *
 * A run is READY once its probe succeeds (a one-shot is ENDED once it has exited with 0). A plan is brought about stage by stage: a stage
 * begins when every process of the ones before it that is new or different is ready. What is different is stopped and started as it is to
 * be, one replica of a node after another; what is not wanted any more is stopped last. With `keeps_on` a process that does not get ready
 * becomes again what it was before, nothing more of the change is begun, and the loop goes on; without, it is the end of all.
 *
 * Runs are made and freed by change.c. What `proc`, `next` and `before` point to is the caller's, who asks ecc_sup_uses before it goes.
 */
#ifndef ECC_RUN_H
#define ECC_RUN_H

#include <uv.h>

#include "faults.h"
#include "up.h"

enum { ECC_TICK_MS = 50, ECC_STOP_WITHIN_MS = 25000 };

/* What became of a process in a change. X(enumerator, as it is told) */
#define ECC_TOUCHES(X)                                                                                                                \
    X(NOTHING, "untouched")                                                                                                           \
    X(MIGRATED, "migrated")                                                                                                           \
    X(RELOADED, "told of its new topics")                                                                                             \
    X(REBUILT, "rebuilt and restarted")                                                                                               \
    X(RESTARTED, "restarted")                                                                                                         \
    X(STARTED, "started")                                                                                                             \
    X(STOPPED, "stopped")                                                                                                             \
    X(RESTORED, "as before")

enum ecc_touch {
#define X(e, n) ECC_TOUCH_##e,
    ECC_TOUCHES(X)
#undef X
    ECC_TOUCH_N
};

struct ecc_sup;

struct ecc_run {
    const struct ecc_proc *proc; /* what it is, or was when it lived last */
    struct ecc_sup *sup;
    enum ecc_proc_state state;
    pid_t pid;
    uint64_t start_ticks;    /* from /proc, tells a reused pid */
    int restarts, failures;  /* failures in a row */
    char reason[200];        /* why it is not ready */

    const struct ecc_proc *next;   /* what it becomes when its turn comes, or NULL */
    const struct ecc_proc *before; /* what it was, until the change has worked; or NULL */
    bool proving;            /* new or different: the change waits until it is ready */
    bool restored;           /* it did not get ready, and is to be what it was */
    bool given_up;           /* it did not get ready, and was nothing before */
    bool leaving;            /* not wanted any more */
    enum ecc_touch touch;

    uv_process_t process;
    bool alive;              /* process is running */
    int handles;             /* that are not closed yet */
    uint64_t started, due;   /* ms; due: next probe or restart */
    uint64_t stopping_since;
    uv_tcp_t tcp;
    bool probing, open;      /* open: tcp is not closed yet */
    uv_connect_t connect;
    uv_write_t write;
    char reply[1024];
    size_t got;
};

struct ecc_sup {
    struct ecc_up *up;       /* up->runs is what there is */
    uv_loop_t loop;
    uv_timer_t tick;
    uv_signal_t sigint, sigterm, sighup; /* the last: the terminal was closed */
    bool keeps_on;
    void (*settled)(struct ecc_sup *sup, bool failed); /* a change is over; may be NULL */
    void *data;              /* of whoever set it */
    bool changing, failed;   /* a change is under way; something of it did not work */
    enum ecc_stage stage;    /* of the change, later of the stopping */
    uint64_t stage_began, took[ECC_STAGES + 1]; /* ms; the last: the stopping of what goes */
    bool complete;           /* everything was ready once */
    bool stopping;
    int code;
    struct ecc_held held;    /* what is kept down on purpose */
    uint32_t shown;          /* fingerprint of what was last written and drawn */
};

/* supervisor.c */
void ecc_sup_open(struct ecc_sup *sup, struct ecc_up *up); /* *sup is zero but for keeps_on, settled and data */
int ecc_sup_run(struct ecc_sup *sup); /* until all is stopped; closes it; returns the exit code */
void ecc_sup_stop(struct ecc_sup *sup, int code);
void ecc_sup_hurry(struct ecc_sup *sup); /* the next tick comes at once: something has happened */

/* change.c */
void ecc_sup_apply(struct ecc_sup *sup, const struct ecc_up *plan);
void ecc_sup_advance(struct ecc_sup *sup);   /* of a change: the next stage, when it is time */
bool ecc_sup_may_replace(const struct ecc_run *run); /* its `next` can have its place */
void ecc_sup_abandon(struct ecc_sup *sup);   /* a process did not get ready: nothing more of the change is begun */
void ecc_sup_free_runs(struct ecc_sup *sup);
bool ecc_sup_uses(const struct ecc_sup *sup, const struct ecc_up *plan);
/* "a, b restarted; c started"; every process counts but one-shots. n_untouched: how many were left alone. */
const char *ecc_sup_told(const struct ecc_sup *sup, struct ecc_arena *arena, size_t *n_untouched);

/* run.c */
void ecc_run_step(struct ecc_run *run);
void ecc_run_stop(struct ecc_run *run);
void ecc_run_kill_late(struct ecc_run *run);
void ecc_run_become_next(struct ecc_run *run); /* of one that does not live */
bool ecc_run_reload(struct ecc_run *run);      /* it takes `next` without a restart; false: it can't at the moment */
void ecc_run_close_probe(struct ecc_run *run);

static inline uint64_t ecc_sup_now(const struct ecc_sup *sup)
{
    return uv_now(&sup->loop);
}

#endif
