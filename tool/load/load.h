/* `ecomc load`: the plan (which scenarios, from whom, where to), and what became of each request.
 *
 * plan.c makes the plan from the model and from what `up` runs; setup.c signs identities in and plays what is given; engine.c sends,
 * open loop, and judges the answers; report.c tells. Everything lives in the arena of the command but the loop and its clients, which
 * end with ecc_load_close, and what senders have received.
 */
#ifndef ECC_LOAD_H
#define ECC_LOAD_H

#include "cli.h"
#include "histogram.h"
#include "message.h"
#include "spread.h"
#include "up/up.h"

enum {
    ECC_LOAD_IDENTITIES = 1000,    /* at most */
    ECC_LOAD_IN_FLIGHT = 10000,    /* at most; each has a connection */
    ECC_LOAD_PATIENCE_MS = 35000,  /* for an answer: a gateway gives one within 30 s */
    ECC_LOAD_KINDS = 64,           /* of errors told apart; the rest is one kind */
};

/* A gateway, or a service that something is given by, with its replicas, used in turn. */
struct ecc_load_target {
    const struct ecc_node *node;
    int *ports;
    struct ec_http_client **clients;
    size_t n, next;
};

struct ecc_load_pool { /* of one identity, used in turn */
    const struct ecc_identity *identity;
    struct ecc_load_target **targets; /* where each of its requests goes */
    const struct ecc_limit *limit;  /* of the gateway that knows it, or NULL */
    double rate;                    /* requests a second that are its */
    struct ecc_sender *senders;
    size_t n, next;
};

enum ecc_load_verdict { ECC_LOAD_OK, ECC_LOAD_ACCEPTED, ECC_LOAD_ERROR, ECC_LOAD_VERDICTS };

struct ecc_load_kind { char text[96]; uint64_t n; };

struct ecc_load_part { /* a scenario of the mix */
    const struct ecc_scenario *scenario;
    int percent;
    struct ecc_message message;
    struct ecc_load_target *target;
    struct ecc_load_pool *pool;     /* or NULL: nobody is signed in */
    const char *error_name;         /* kebab, or NULL */
    struct ecc_pieces expect;       /* the value of the header that is expected */
    struct ecc_load_target **given; /* where each of them goes */
    struct ecc_answers *answers;    /* of `given`, for each sender; NULL: none has a name */
    size_t nanswers;
    uint64_t sent, dropped;
    struct ecc_histogram *took;     /* by verdict: microseconds from when it was due */
    struct ecc_load_kind *kinds;    /* of errors */
    size_t nkinds;
};

/* Who is told of each `given`, before and after; *traceparent: a header that it is sent with, or "". Returns 0, or an exit code. */
struct ecc_load_watch {
    void *data;
    int (*before)(void *data, size_t given, const char **traceparent);
    int (*after)(void *data, size_t given);
};

struct ecc_load {
    struct ecc_cli *cli;
    const struct ecc_model *model;
    const char *secrets;                /* the folder of the services' keys */
    const struct ecc_load_watch *watch; /* or NULL */
    struct ecc_load_part parts[ECC_SPREAD_MOST];
    size_t nparts;
    struct ecc_load_target *targets;
    size_t ntargets;
    struct ecc_load_pool *pools;
    size_t npools;
    long identities;                /* asked for; 0: as many as the limit needs */
    long rate;                      /* requests a second */
    uint64_t total;
    struct ecc_uniques uniques;
    uv_loop_t loop;
    bool opened;
    /* what was measured */
    uint64_t sent, dropped;
    double seconds;                 /* from the first that was due until the last was sent or dropped */
    bool interrupted;
    struct ecc_histogram *behind;   /* microseconds from when a request was due until it was sent: the generator's own */
};

/* ------------------------------------------------------------------ plan.c */

/* Why this scenario can't be played, or NULL: it needs a fault, which nobody brings about here. */
const char *ecc_load_refusal(struct ecc_arena *arena, const struct ecc_scenario *scenario);
/* How many identities keep a rate below the limit of each. */
size_t ecc_load_identities(const struct ecc_limit *limit, double rate);
/* Each returns 0, or an exit code after one line on stderr. */
int ecc_load_choose(struct ecc_load *load, const char *name, int percent); /* adds a part */
int ecc_load_plan(struct ecc_load *load, const struct json_t *state);      /* the rest of each part, targets and pools; state: of `up` */
int ecc_load_open(struct ecc_load *load);  /* the loop and the clients */
void ecc_load_close(struct ecc_load *load);
size_t ecc_load_next_replica(struct ecc_load_target *target);

/* ------------------------------------------------------------------ setup.c */

int ecc_load_setup(struct ecc_load *load);

/* ------------------------------------------------------------------ service.c */

/* A token by which one of the operation's callers proves itself, good for a minute; the arena's. NULL after saying why there is none. */
char *ecc_load_service_token(struct ecc_load *load, const struct ecc_op *op);

/* ------------------------------------------------------------------ engine.c */

/* What an answer is worth. text[0] is set for an error: its kind. */
enum ecc_load_verdict ecc_load_judge(const struct ecc_load_part *part, const struct ecc_answers *answers, enum ec_http_outcome outcome,
                                     const struct ec_http_reply *reply, char *text, size_t size);
int ecc_load_run(struct ecc_load *load);

/* ------------------------------------------------------------------ report.c */

uint64_t ecc_load_count(const struct ecc_load *load, enum ecc_load_verdict verdict);
void ecc_load_report(const struct ecc_load *load);
struct json_t *ecc_load_report_json(const struct ecc_load *load);
/* "950 us", "12.3 ms", "1.25 s" */
const char *ecc_load_time(char *text, size_t size, uint64_t us);
const char *ecc_load_number(char *text, size_t size, uint64_t n); /* 1,234,567 */

#endif
