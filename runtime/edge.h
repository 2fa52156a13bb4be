/* What every call along an edge goes through, internal or external: deadline, bulkhead, breaker, attempts with backoff, metrics, and the
 * mapping of failures. The transport (call.c, external.c) sends one attempt at a time and says how it went.
 */
#ifndef EC_EDGE_H
#define EC_EDGE_H

#include "app.h"
#include "breaker.h"
#include "span.h"

enum ec_edge_outcome {
    EC_EDGE_OK,
    EC_EDGE_ANSWERED,  /* an error that the peer means: declared, or any other 4xx */
    EC_EDGE_FAILED,    /* 5xx */
    EC_EDGE_TIMED_OUT,
    EC_EDGE_LATE,      /* the time passed before anything was sent */
    EC_EDGE_REFUSED,   /* no connection: nothing was sent */
    EC_EDGE_BROKEN,
    EC_EDGE_MALFORMED, /* an answer that can't be read */
    EC_EDGE_OPEN,      /* the breaker is open: nothing was sent */
    EC_EDGE_LIMITED,   /* the bulkhead is full, or the deadline has passed: likewise */
    EC_EDGE_OUTCOMES,
};

struct ec_edge_result {
    enum ec_edge_outcome outcome;
    const struct ec_error *error; /* of ANSWERED, and of FAILED when the edge maps nothing; else NULL */
    const char *detail;           /* in the task's arena, or static, or NULL */
    bool unknown;                 /* the effect may have happened */
    bool verdict;                 /* of ANSWERED: the peer says what became of the work, also when an earlier attempt asked for it */
    bool again;                   /* worth another attempt, if it may be repeated */
    int retry_after_s;
    int status;                   /* HTTP, of an external's answer; 0: none */
};

struct ec_edge_state {
    struct ec_edge *edge;
    struct ec_edge_state *next; /* of another edge */
    struct ec_breaker breaker;
    struct ec_retry_budget budget;
    int in_flight;
    struct ec_metric *calls[EC_EDGE_OUTCOMES], *seconds[EC_EDGE_OUTCOMES];
    struct ec_metric *in_flight_gauge, *retries;
    struct ec_metric *breaker_gauge, *changes[EC_BREAKER_STATES]; /* NULL without a breaker */
    struct ec_http_client *client; /* internal */
};

/* A call on its way; in the task's arena, embedded in the transport's. */
struct ec_attempts {
    struct ec_task *task;
    struct ec_edge *edge;
    const char *asked;            /* the operation or the external's call */
    bool repeatable;              /* the peer will not do it twice */
    bool harmless;                /* it has no effect: never unknown */
    void (*send)(struct ec_attempts *attempts);
    /* edge.c's, but for timeout_ms, which send reads. */
    int64_t timeout_ms;
    int attempt;
    struct ec_trace span;         /* of this attempt: send gives it on */
    bool cut, unknown;            /* cut: the deadline gives less than the edge's timeout */
    uint64_t began_ns;
    struct ec_breaker_pass pass;
};

void ec_edge_open(struct ec_edge *edge);                  /* makes its state */
void ec_edges_stop(void);                                 /* no more retries, and calls are refused: before the transports stop */
void ec_edge_close(struct ec_edge *edge);
bool ec_edges_idle(void);                                 /* nothing in flight, no retry waits */
/* From the operation's start. Resumes the task in the end, never from inside. */
void ec_edge_begin(struct ec_attempts *attempts);
/* From the loop: how an attempt went. */
void ec_edge_end(struct ec_attempts *attempts, const struct ec_edge_result *result);

/* The error of an edge's or the runtime's list whose name this is, or NULL. */
const struct ec_error *ec_error_find(const struct ec_error *const *errors, struct ec_str name);
const struct ec_error *ec_error_of_runtime(struct ec_str name);

#endif
