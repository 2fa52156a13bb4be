/* The saga engine's inside. saga.c: instances, leases, waiters. saga_run.c: what happens next. saga_store.c: rows.
 * saga_take.c: rows of others. saga_count.c: metrics. */
#ifndef EC_SAGA_H
#define EC_SAGA_H

#include "group.h"
#include "tx.h"

enum ec_saga_state { EC_SAGA_RUNNING, EC_SAGA_COMPENSATING };

/* An answer that is not stored yet: it goes with the next write. */
struct ec_saga_answer {
    int step;            /* -1: none */
    const char *phase;   /* "do", "undo" */
    const char *state;   /* "done", "failed", "unknown" */
    struct ec_str reply; /* JSON, or p NULL */
};

enum { EC_SAGA_STUCK = 10 /* attempts of one call, or of the end, that failed: with more of them a person is needed */ };

struct ec_instance {
    struct ec_uuid id;
    const struct ec_saga *saga;
    int64_t fence;
    enum ec_saga_state state;
    int step;         /* whose do, or undo, is under way; when taken over also -1, all is undone, or nsteps, all is done: the end is left */
    int attempts;     /* that failed, of what is under way */
    bool sent_before; /* by an earlier attempt, or by another process: that this one isn't sent doesn't mean that none was */
    void *data;       /* the saga's struct */
    struct ec_arena *arena;
    const char *error, *detail;      /* with which it fails */
    int error_status, retry_after_s; /* retry_after_s 0: none; known only where it failed */
    char *why;                       /* the present call failed last, or NULL */
    struct ec_saga_answer answer;
    struct ec_trace trace;
    int64_t began_ns; /* the start of the saga by uv_hrtime; below 0: before this machine's */
    uint64_t leased_ns;
    unsigned renewal;   /* the last one that found it */
    bool busy;          /* a call, a program or a write is in flight */
    bool dropped;       /* another replica has it: nothing more is to be done */
    bool end_committed; /* by the last commit of done or failed */
    uint64_t wake_ns;   /* asleep until then; 0: not */
    void (*wake)(struct ec_instance *instance);
    struct ec_saga_write *write; /* under way, or to be tried again */
    struct ec_waiter *waiters;
    struct ec_instance *next_slot;
    struct ec_instance *next, **link; /* in the list of all */
};

/* ------------------------------------------------------------------ saga.c */

extern bool ec_saga_draining;
struct ec_instance *ec_instance_new(const struct ec_saga *saga, struct ec_uuid id, int64_t fence); /* in the list */
struct ec_instance *ec_instance_find(struct ec_uuid id);
void ec_instance_tell(struct ec_instance *instance, bool failed); /* its waiters: it has ended, or fails for sure */
void ec_instance_drop(struct ec_instance *instance);              /* out of memory, now or when what is in flight is over */
bool ec_instance_gone(struct ec_instance *instance); /* after something in flight: it is dropped by now, and freed by this call */
void ec_instance_sleep(struct ec_instance *instance, int64_t ms, void (*wake)(struct ec_instance *instance));

/* ------------------------------------------------------------------ saga_count.c */

void ec_saga_count_open(const struct ec_service *service); /* makes the series */
void ec_saga_count_close(void);
void ec_saga_count_started(const struct ec_saga *saga);
void ec_saga_count_repeat(const struct ec_saga *saga);
void ec_saga_count_ended(const struct ec_instance *instance);
void ec_saga_count_all(const struct ec_instance *first); /* what is under way */

/* ------------------------------------------------------------------ saga_run.c */

void ec_saga_go(struct ec_instance *instance); /* new or taken over: does what is next */
void ec_saga_before_last(struct ec_task *task);
bool ec_saga_unknown(const struct ec_error *error, bool unknown, bool sent_before); /* may the do have had its effect? */

/* ------------------------------------------------------------------ saga_store.c */

/* Writes; `then` is called when it is stored. One that can't be stored is tried again until it can, or the lease is another's. */
void ec_saga_advance(struct ec_instance *instance, int next, void (*then)(struct ec_instance *instance));
void ec_saga_compensate(struct ec_instance *instance, int undo, void (*then)(struct ec_instance *instance));
void ec_saga_repeat(struct ec_instance *instance, int64_t ms, const char *why, void (*then)(struct ec_instance *instance));
void ec_saga_repeat_end(struct ec_instance *instance, int64_t ms, const char *why, void (*then)(struct ec_instance *instance));
void ec_saga_release(struct ec_instance *instance);
void ec_saga_end(struct ec_instance *instance, void (*then)(struct ec_instance *instance));
void ec_saga_ride_end(struct ec_instance *instance, struct ec_task *task);
/* Reads the row: the write was refused, so the instance is dropped unless it has ended by this very fence; then `ended` is called. */
void ec_saga_look(struct ec_instance *instance, void (*ended)(struct ec_instance *instance));
void ec_saga_resubmit(struct ec_instance *instance);
void ec_saga_forget_write(struct ec_instance *instance);

/* ------------------------------------------------------------------ saga_cmd.c: the command `saga` */

extern const struct ec_command ec_saga_commands[];
const struct ec_saga *ec_saga_known(const char *name, int64_t version); /* of this binary, or NULL */
int ec_saga_undo_below(const struct ec_saga *saga, int step); /* the step itself or the next one below that has an undo; -1: none */

/* ------------------------------------------------------------------ saga_take.c */

void ec_saga_take_over(const struct ec_service *service);
void ec_saga_take_stop(void);

#endif
