/* Derive: what happens when a scenario is played, worked out from the model alone.
 *
 * A scenario's request is walked through gateway, operations, sagas, caches, breakers, providers' sandboxes and consumers, under the
 * scenario's assumptions. What comes of it is a tree of hops: every message between two nodes, in the order in which a hop's own program
 * sends them. Values are known as far as the topology says them (the request's body, literals, a sandbox's replies), and so are rows that
 * the story itself has made (derive_rows.c). What else a database holds is not, and then the straight way is taken: a row is there where
 * its absence has a way out, and the other way round, `fail ... when` does not fail, the `else` of a `when` is taken.
 *
 * A trace that was recorded has the same form (tool/trace), with times.
 *
 * Hops live in the arena and point into the model.
 */
#ifndef ECC_DERIVE_H
#define ECC_DERIVE_H

#include <stdint.h>

#include "model.h"

struct ecc_arena;

/* X(enumerator, name in JSON) */
#define ECC_HOP_KINDS(X)                                                       \
    X(REQUEST, "request") /* a client asks a gateway */                        \
    X(CALL, "call")       /* an operation, along an edge */                    \
    X(EXTERNAL, "external")                                                    \
    X(SQL, "sql") /* a statement, to the service's own database: to is NULL */ \
    X(CACHE, "cache")                                                          \
    X(PUBLISH, "publish")                                                      \
    X(DELIVER, "deliver") /* the bus hands an event to a consumer */

#define ECC_HOP_OUTCOMES(X)                                         \
    X(OK, "ok")                                                     \
    X(HIT, "hit")                                                   \
    X(MISS, "miss")                                                 \
    X(ERROR, "error")   /* one that the peer means */               \
    X(FAILED, "failed") /* 5xx, or an answer that nobody expects */ \
    X(TIMEOUT, "timeout")                                           \
    X(REFUSED, "refused") /* no connection */                       \
    X(OPEN, "open")       /* the breaker is open: nothing is sent */

/* On whose behalf. */
#define ECC_HOP_PHASES(X) \
    X(REQUEST, "request") \
    X(DO, "do")           \
    X(UNDO, "undo")       \
    X(DONE, "done")       \
    X(FAILED, "failed")   \
    X(EVENT, "event")

enum ecc_hop_kind {
#define X(e, n) ECC_HOP_##e,
    ECC_HOP_KINDS(X)
#undef X
};

enum ecc_hop_outcome {
#define X(e, n) ECC_HOP_IS_##e,
    ECC_HOP_OUTCOMES(X)
#undef X
};

enum ecc_hop_phase {
#define X(e, n) ECC_HOP_FOR_##e,
    ECC_HOP_PHASES(X)
#undef X
};

struct ecc_hops {
    struct ecc_hop **items;
    size_t n, cap;
};

struct ecc_hop {
    const char *id; /* of its step: `<to>.<label>`, with a number where there are several */
    enum ecc_hop_kind kind;
    enum ecc_hop_outcome outcome;
    enum ecc_hop_phase phase;
    const struct ecc_node *from, *to;
    const struct ecc_edge *edge;   /* NULL: SQL */
    const char *label;             /* `POST /v1/orders`, `Reserve`, a statement's name, `get products`, an event */
    const struct ecc_error *error; /* or NULL */
    int status;                    /* REQUEST: of the reply; EXTERNAL: of the answer; else 0 */
    int attempt;                   /* 1 and on: a repeat along the edge */
    const struct ecc_saga *saga;   /* a step's call, `done` or `failed` of it; or NULL */
    const struct ecc_saga_step *step;
    int branch;           /* 1 and on: siblings of other branches are asked beside it */
    bool beside;          /* nobody waits for it: what follows has no order with it */
    bool maybe;           /* depends on time or load: may be missing */
    bool many;            /* of a loop over rows: any number of times */
    const struct ecc_keyspace *near; /* CACHE: what it gets of this keyspace the sender may have itself; or NULL */
    bool opens;           /* the breaker opens by it */
    const char *say;      /* the scenario's narration, or NULL */
    struct ecc_span span; /* what sends it */
    struct ecc_hops hops; /* what its receiver sends */
    bool recorded;        /* it has happened, from start_us to end_us */
    uint64_t start_us, end_us; /* microseconds from when its trace began */
};

/* What one `given` of a scenario causes. */
struct ecc_derived_given {
    struct ecc_hops hops;          /* of an operation: what it sends */
    const struct ecc_error *error; /* it fails with, or NULL */
    bool held;                     /* not all of it comes to an end while what is assumed holds */
};

struct ecc_derived {
    const struct ecc_scenario *scenario;
    struct ecc_derived_given *given; /* one for each of the scenario's */
    struct ecc_hops hops;         /* a REQUEST for each time */
    bool cut;                     /* there is no end: events cause each other */
    uint64_t began_us;            /* recorded: when its trace began, microseconds since 1970 */
    const struct ecc_say *unsaid; /* the first narration of a hop that there is not, or NULL */
    bool cached;                  /* the last reply came from a cache */
    const bool *met;              /* each of the scenario's assumptions: its turn has come */
    const struct ecc_assume *forced; /* nothing in the operation's text ends so; or NULL */
};

const struct ecc_derived *ecc_derive(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_scenario *scenario);

/* Warns of each scenario that ends otherwise than it expects, or narrates what does not happen. */
struct ecc_diags;
void ecc_derive_check(struct ecc_arena *arena, const struct ecc_model *model, struct ecc_diags *diags);

/* Gives each its id. */
void ecc_hops_name(struct ecc_arena *arena, struct ecc_hops *hops);
const char *ecc_hop_kind_name(enum ecc_hop_kind kind);
const char *ecc_hop_outcome_name(enum ecc_hop_outcome outcome);
const char *ecc_hop_phase_name(enum ecc_hop_phase phase);

/* The name of the thing that a hop goes to: a node's, or `<service>-db`. */
const char *ecc_hop_to(struct ecc_arena *arena, const struct ecc_hop *hop);

#endif
