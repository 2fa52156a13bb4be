/* A bounded queue before libuv's thread pool, for work that would block the loop.
 *
 * The pool's four threads are everybody's: of one lane's jobs two run at once, some wait, and whoever comes beyond that is told at once to come
 * again, so that a flood takes neither the memory nor the threads that others need. A job is its owner's, embedded in what it works on;
 * from ec_lane_add until `done` or `dropped` it is the lane's. One loop a process: lanes are static and need no lock.
 */
#ifndef EC_LANE_H
#define EC_LANE_H

#include <stdbool.h>

#include <uv.h>

struct ec_lane;
struct ec_task;

struct ec_job {
    uv_work_t request;
    struct ec_job *next;
    struct ec_lane *lane;
    struct ec_task *task; /* resumed after `done`; it waits and is not freed meanwhile */
};

struct ec_lane {
    void (*work)(struct ec_job *job);             /* in a thread of the pool */
    void (*done)(struct ec_job *job, int status); /* on the loop; status: 0, or the work was not done (libuv's error); frees what it owns */
    void (*dropped)(struct ec_job *job);          /* its deadline passed before it could begin; frees what it owns; NULL: nothing is owned */
    const char *full, *late;                      /* details of the two refusals */
    struct ec_job *first, **last;
    int running, waiting;
};

/* True: the lane has no place (unavailable, with Retry-After), the task has been failed, and nothing is to be added. */
bool ec_lane_refuses(struct ec_lane *lane, struct ec_task *task);

/* After ec_lane_refuses said no. */
void ec_lane_add(struct ec_lane *lane, struct ec_job *job, struct ec_task *task);

bool ec_lane_idle(const struct ec_lane *lane);

#endif
