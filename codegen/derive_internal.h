/* The parts of derive: what has happened so far (derive_state), and who walks what. */
#ifndef ECC_DERIVE_INTERNAL_H
#define ECC_DERIVE_INTERNAL_H

#include "derive.h"
#include "derive_value.h"

enum { ECC_DERIVE_HOPS = 2000, ECC_DERIVE_DEPTH = 64 };

struct ecc_cached {
    const struct ecc_node *node; /* whose memory; NULL: the cache itself */
    const struct ecc_keyspace *keyspace;
    const char *key;
    const struct ecc_known *value;
};
struct ecc_broken {
    const struct ecc_edge *edge;
    int failures;
    bool open;
};
struct ecc_verdict {
    const char *token;
    const struct ecc_known *identity;
};
struct ecc_kept {
    const struct ecc_external *external;
    const char *store, *key;
    const struct ecc_known *value;
};

struct ecc_answered {
    const struct ecc_request *request;
    const struct ecc_known *value;
};

/* What waits until the request has been replied to: the delivery of an event, a saga that nobody awaits. */
struct ecc_later {
    struct ecc_hop *publish; /* or NULL */
    const struct ecc_event *event;
    const struct ecc_known *body;
    struct ecc_started *saga;
    struct ecc_hops *hops;
};

struct ecc_started {
    const struct ecc_saga *saga;
    const struct ecc_known *args;
    bool ran;
};

struct ecc_derive {
    struct ecc_arena *arena;
    const struct ecc_model *model;
    const struct ecc_scenario *scenario;
    size_t at; /* 0: somebody signs in; n: at the n-th `given`; behind the last one: at `when` */
    struct {
        struct ecc_cached *items;
        size_t n, cap;
    } cache, near;
    struct {
        struct ecc_broken *items;
        size_t n, cap;
    } breakers;
    struct {
        struct ecc_verdict *items;
        size_t n, cap;
    } verdicts;
    struct {
        struct ecc_kept *items;
        size_t n, cap;
    } kept;
    struct {
        struct ecc_later *items;
        size_t n, cap;
    } later;
    struct {
        struct ecc_answered *items;
        size_t n, cap;
    } answers;
    struct {
        struct ecc_row **items; /* immutable: a change is another one */
        size_t n, cap;
    } rows;
    bool *met;                       /* each assumption of the scenario: it has made a difference */
    const struct ecc_assume *forced; /* an operation ends so only because it is assumed; or NULL */
    bool held;                       /* something waits for what is broken: a saga, an event */
    unsigned names; /* given so far */
    size_t nhops;
    int depth;
    bool cut;
};

/* Where hops go, and on whose behalf. */
struct ecc_at {
    const struct ecc_node *node;
    struct ecc_hops *hops;
    enum ecc_hop_phase phase;
    const struct ecc_saga *saga;
    const struct ecc_saga_step *step;
    const struct ecc_error *steer; /* the program is assumed to fail with it, or NULL */
    bool background;               /* nobody waits: breakers do not count it */
    bool keyed;                    /* it can be asked for again */
    bool many;
    int branch;
};

/* How a call, a program or a saga ended. */
struct ecc_answer {
    const struct ecc_error *error; /* NULL: well */
    const struct ecc_known *value;
    bool accepted;
    bool unknown; /* the effect may have happened */
    bool pending; /* a saga that can't end while this lasts */
};

extern const struct ecc_error ecc_derive_timeout, ecc_derive_unavailable, ecc_derive_bad_gateway, ecc_derive_internal;

/* derive.c */
bool ecc_derive_holds(const struct ecc_derive *d, const struct ecc_assume *assume); /* by now */
const struct ecc_assume *ecc_derive_fails(const struct ecc_derive *d, const struct ecc_op *op, const struct ecc_ext_call *ext);
const struct ecc_assume *ecc_derive_assumed(const struct ecc_derive *d, enum ecc_assume_kind kind, const struct ecc_node *node);
struct ecc_hop *ecc_derive_hop(struct ecc_derive *d, const struct ecc_at *at, enum ecc_hop_kind kind, const struct ecc_node *to,
                               const struct ecc_edge *edge, const char *label, struct ecc_span span);
const struct ecc_edge *ecc_derive_edge(const struct ecc_node *from, const struct ecc_node *to);

/* derive_cache.c: value NULL where there is none; the hop is made by the caller, who may ask for several at once. */
const struct ecc_known *ecc_derive_cached(struct ecc_derive *d, const struct ecc_node *node, const struct ecc_keyspace *keyspace,
                                          const struct ecc_known *key, bool *near); /* near: the node has it itself */
void ecc_derive_keep(struct ecc_derive *d, const struct ecc_keyspace *keyspace, const struct ecc_known *key, const struct ecc_known *value);
void ecc_derive_keep_near(struct ecc_derive *d, const struct ecc_node *node, const struct ecc_keyspace *keyspace,
                          const struct ecc_known *key, const struct ecc_known *value);
void ecc_derive_forget(struct ecc_derive *d, const struct ecc_keyspace *keyspace);
bool ecc_derive_cache_down(const struct ecc_derive *d, const struct ecc_node *cache);

/* derive_sandbox.c: status and reply (by wire names; NULL: none) of a provider, as its sandbox has it; without one a reply of which only
 * the name is known. */
int ecc_derive_sandbox(struct ecc_derive *d, const struct ecc_ext_call *call, const struct ecc_known *request,
                       const struct ecc_known **reply);
const struct ecc_known *ecc_derive_literal(struct ecc_arena *arena, const struct ecc_expr *e);

/* derive_call.c */
struct ecc_answer ecc_derive_call(struct ecc_derive *d, const struct ecc_at *at, const struct ecc_stmt *call, struct ecc_env *env);

/* derive_rows.c. A statement is followed: does it find a row, and which? *row: NULL where it finds none, or it is not known. */
struct ecc_row;
enum ecc_truth ecc_derive_rows(struct ecc_derive *d, struct ecc_env *env, const struct ecc_node *node, const struct ecc_sql *sql,
                               struct ecc_row **row);
const struct ecc_known *ecc_derive_result(struct ecc_derive *d, const struct ecc_sql *sql, const struct ecc_row *row,
                                          const struct ecc_known *result);

/* derive_program.c */
struct ecc_answer ecc_derive_op(struct ecc_derive *d, const struct ecc_at *at, const struct ecc_op *op, const struct ecc_known *args);
struct ecc_answer ecc_derive_program(struct ecc_derive *d, const struct ecc_at *at, const struct ecc_program *program, struct ecc_env *env);

/* derive_saga.c */
struct ecc_answer ecc_derive_saga(struct ecc_derive *d, const struct ecc_at *at, struct ecc_started *started);
void ecc_derive_deliver(struct ecc_derive *d, const struct ecc_later *later);

#endif
