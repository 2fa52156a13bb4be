/* The runtime's one header for generated code.
 *
 * A process is one libuv loop. Work is a task: a frame (a struct of the generated code) and a `run` function that is entered again
 * at `task->step` each time something that it awaited is complete. Rules that everything here keeps:
 *
 *  - An operation never completes inside the call that starts it: completion always comes from a later turn of the loop.
 *  - One operation is in flight for a task at a time (ec_fork gives it branches for more).
 *  - Inputs are consumed during the call that starts the operation; outputs are written before the task is resumed, so they must
 *    live in the frame.
 *  - Everything a task allocates is in its arena and goes with it; a task is freed only when nothing is in flight.
 *  - Failure is `task->error`: NULL, or a static description. Nothing else says whether the last operation worked.
 *
 * No library's header is included here. Sizes are bytes, times milliseconds, unless a name says otherwise.
 */
#ifndef EC_H
#define EC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crash.h"

/* ------------------------------------------------------------------ values */

/* Text, secret, email, json (the raw document). Not NUL-terminated. p NULL: an optional value that is absent. */
struct ec_str {
    const char *p;
    size_t n;
};

struct ec_uuid {
    uint8_t b[16];
};

/* Times are int64_t: microseconds since 1970-01-01T00:00:00Z. */
/* Of a string literal, and of nothing else: the "" makes sure. */
#define EC_STR(literal) ((struct ec_str){"" literal, sizeof(literal) - 1})

/* Every list has this shape with its own item type; optional items do not exist. */
struct ec_list { void *v; size_t n; };
struct ec_str_list { struct ec_str *v; size_t n; };
struct ec_int_list { int64_t *v; size_t n; };
struct ec_float_list { double *v; size_t n; };
struct ec_bool_list { bool *v; size_t n; };
struct ec_uuid_list { struct ec_uuid *v; size_t n; };

/* In structs: text, secret, email and json are ec_str, optional or not. int and time are int64_t, float double, bool bool, uuid ec_uuid,
 * an enum its C enum (sizeof(int), values from 0 in source order), a record its struct by value, a list {v, n}. An optional int,
 * time, float, bool, uuid, enum or record is a pointer to one, NULL when absent; an optional list has v NULL when absent. */
enum ec_kind { EC_TEXT, EC_SECRET, EC_EMAIL, EC_JSON, EC_INT, EC_FLOAT, EC_BOOL, EC_UUID, EC_TIME, EC_ENUM, EC_RECORD };

struct ec_enum {
    const char *name;
    const char *const *values;
    int n;
};

enum {
    EC_OPTIONAL = 1,
    EC_LIST = 2,
    EC_BOUNDED = 4,
    EC_DEFAULT = 8, /* absent is allowed: the struct is preset */
    EC_NULL = 16,   /* JSON has null when it is absent */
};

struct ec_field {
    const char *name;  /* JSON member, form key, SQL column */
    enum ec_kind kind; /* of the item, for a list */
    unsigned flags;
    size_t offset;
    int64_t min, max; /* with EC_BOUNDED: code points of a text, value of an int */
    int64_t list_min, list_max; /* of a list; list_max 0: no bound */
    const void *of;   /* EC_ENUM: struct ec_enum; EC_RECORD: struct ec_record */
    const char *was;  /* the name that it had in the version before, or NULL: written as well, and read in its place */
};

/* Drives JSON in and out, form encoding, rows of SQL results, saga state. */
struct ec_record {
    const char *name;
    size_t size;
    const struct ec_field *fields;
    size_t nfields;
    const void *preset; /* a struct with the defaults, or NULL: zeroed */
};

bool ec_str_eq(struct ec_str a, struct ec_str b);
int ec_str_cmp(struct ec_str a, struct ec_str b); /* bytes */
bool ec_uuid_eq(struct ec_uuid a, struct ec_uuid b);

/* ------------------------------------------------------------------ errors */

struct ec_error {
    const char *name;  /* kebab-case: the end of the problem's type */
    int status;
    const char *title;
};

/* The runtime's own. X(identifier, name, status, title) */
#define EC_ERRORS(X)                                                                                                                  \
    X(bad_request, "bad-request", 400, "The request is malformed")                                                                    \
    X(unauthorized, "unauthorized", 401, "A valid bearer token is needed")                                                            \
    X(forbidden, "forbidden", 403, "The caller may not do this")                                                                      \
    X(not_found, "not-found", 404, "There is nothing here")                                                                           \
    X(method_not_allowed, "method-not-allowed", 405, "The method is not allowed here")                                                \
    X(conflict, "conflict", 409, "A request with this key is in progress")                                                            \
    X(too_large, "too-large", 413, "The request is too large")                                                                        \
    X(unsupported_media, "unsupported-media-type", 415, "The body must be application/json")                                          \
    X(invalid, "invalid", 422, "A field does not fit its type")                                                                       \
    X(key_reused, "key-reused", 422, "This key was used with another request")                                                        \
    X(rate_limited, "rate-limited", 429, "Too many requests")                                                                         \
    X(internal, "internal", 500, "Something went wrong")                                                                              \
    X(bad_gateway, "bad-gateway", 502, "A reply from upstream could not be understood")                                               \
    X(unavailable, "unavailable", 503, "The service can't answer at the moment")                                                      \
    X(timeout, "timeout", 504, "The time for this request has passed")                                                                \
    X(revoked, "revoked", 409, "This work was undone before it was done")
#define X(id, name, status, title) extern const struct ec_error ec_error_##id;
EC_ERRORS(X)
#undef X

/* ------------------------------------------------------------------ tasks */

struct ec_task;
struct ec_app;
struct ec_arena;

/* What can be run: an operation, a consumer, a saga's done or failed, a route. The frame starts zeroed; its first member is the input
 * (`in` of the record, or a pointer the starter gives). */
struct ec_program {
    const char *name; /* "trip-svc.Book" */
    void (*run)(struct ec_task *task);
    size_t frame_size;
    const struct ec_record *in;  /* or NULL */
    const struct ec_record *out; /* or NULL: replies nothing */
    const struct ec_error *const *errors; /* declared; NULL-terminated, or NULL */
    enum ec_repeat { EC_REPEAT_READ, EC_REPEAT_ATOMIC, EC_REPEAT_CLAIM } repeat; /* see Inbox in docs/design.md */
};

struct ec_task {
    /* For generated code. */
    int step;                     /* where run goes on */
    const struct ec_error *error; /* of the last operation, or NULL */
    int64_t rows;                 /* of the last SQL: returned or touched */
    void *frame;
    struct ec_arena *arena;
    /* The runtime's (runtime/task.h). */
    const char *detail;           /* of error, NUL-terminated, in the arena; or NULL */
    bool unknown;                 /* the failed operation may have had its effect */
    bool accepted;                /* the last call was answered with 202; once replied: this task accepts */
    uint8_t state;
    uint8_t restarts;             /* tx.c: runs given up to a deadlock */
    uint16_t starts;              /* saga.c: sagas started */
    uint32_t ids;                 /* handed out by ec_new_id */
    uint32_t calls;               /* call.c: made under a key of its own; part of the keys that it gives on, so reset with ids */
    int retry_after_s;            /* of error, 0: none */
    struct ec_app *app;
    const struct ec_program *program;
    uint64_t deadline_ns;         /* uv_hrtime scale; 0: none */
    struct ec_trace { uint8_t trace_id[16], span_id[8], parent_id[8]; bool sampled; } trace; /* parent_id 0: it began here */
    int stands_for;               /* span.c: traces that began here, of which this one is recorded; 0: no matter */
    struct ec_str key;            /* of a keyed request; n 0: none */
    struct ec_str undoes;         /* the key that this request undoes; n 0: none */
    uint8_t request_hash[16];     /* of the keyed request's body */
    struct ec_uuid seed;          /* of ec_new_id in a keyed task: a UUIDv7 (ec_new_id(NULL)), the ids take its time on */
    bool seeded, claimed, background; /* background: a compensation or repeat; does not trip breakers */
    bool again;                   /* of an event that was sent back: failures that are stored under its keys do not count */
    bool settled;                 /* the key's outcome is stored (a last commit did it): neither hooks.failed nor hooks.replied runs */
    int64_t claim;                /* inbox.c: the lease of the claim, which tells it from a later one */
    struct ec_tx *tx;             /* open transaction */
    struct ec_cache_seen *seen;   /* cache.c: what this task has read as absent */
    struct ec_fork *fork;
    struct ec_task *parent;       /* of a branch */
    const void *out;              /* what was replied */
    void (*finish)(struct ec_task *task); /* tells the starter; frees the task or lets it be freed */
    void *owner;                  /* the starter's */
    struct ec_task *next;         /* in whichever queue the task waits */
    uint64_t started_ns;
};

#define EC_FRAME(task, type) ((type *)(task)->frame)

/* Starts an operation and goes on at `next` when it is complete. A failure ends the task. */
#define EC_AWAIT(task, next, start)                                                                                                   \
    EC_AWAIT_CATCH(task, next, start);                                                                                                \
    if ((task)->error) {                                                                                                              \
        ec_fail(task);                                                                                                                \
        return;                                                                                                                       \
    }

/* The same, with the failure left in task->error for ec_caught; then EC_CHECK. */
#define EC_AWAIT_CATCH(task, next, start)                                                                                             \
    (task)->step = (next);                                                                                                            \
    EC_CRASH_BEFORE(#next);                                                                                                           \
    start;                                                                                                                            \
    return;                                                                                                                           \
    case next:                                                                                                                        \
    EC_CRASH_AFTER(#next)

#define EC_CHECK(task)                                                                                                                \
    if ((task)->error) {                                                                                                              \
        ec_fail(task);                                                                                                                \
        return;                                                                                                                       \
    }

/* Is this the error? Then it is cleared. Compares names, so that an error that came over the wire is found. */
bool ec_caught(struct ec_task *task, const struct ec_error *error);

/* Ends of a run; the function returns right after. Each rolls back a transaction that is still open. */
void ec_fail(struct ec_task *task);                                          /* with task->error */
void ec_fail_with(struct ec_task *task, const struct ec_error *error);
void ec_reply(struct ec_task *task, const void *out);                        /* out: of program->out, in the frame; or NULL */
void ec_accept(struct ec_task *task, const void *out);                       /* the same, but the work goes on: 202 */

void *ec_alloc(struct ec_task *task, size_t size); /* zeroed, from the task's arena */
#define EC_ALLOC(task, type) ((type *)ec_alloc((task), sizeof(type)))
#define EC_ALLOC_ARRAY(task, type, n) ((type *)ec_alloc_array((task), (n), sizeof(type)))
void *ec_alloc_array(struct ec_task *task, size_t n, size_t size);

/* Optional values: a pointer to a copy in the arena. */
int64_t *ec_some_int(struct ec_task *task, int64_t value);
double *ec_some_float(struct ec_task *task, double value);
bool *ec_some_bool(struct ec_task *task, bool value);
struct ec_uuid *ec_some_uuid(struct ec_task *task, struct ec_uuid value);
int *ec_some_enum(struct ec_task *task, int value); /* cast to the enum's pointer */
void *ec_some(struct ec_task *task, const void *value, size_t size);

/* Text of a value, in the arena. */
struct ec_str ec_text_int(struct ec_task *task, int64_t value);
struct ec_str ec_text_float(struct ec_task *task, double value);
struct ec_str ec_text_bool(bool value);
struct ec_str ec_text_uuid(struct ec_task *task, struct ec_uuid value);
struct ec_str ec_text_time(struct ec_task *task, int64_t value);
struct ec_str ec_text_enum(const struct ec_enum *of, int value);
struct ec_str ec_concat(struct ec_task *task, const struct ec_str *parts, size_t n);
#define EC_CONCAT(task, ...)                                                                                                          \
    ec_concat((task), (const struct ec_str[]){__VA_ARGS__}, sizeof((const struct ec_str[]){__VA_ARGS__}) / sizeof(struct ec_str))
int64_t ec_text_length(struct ec_str text); /* code points */

int64_t ec_now(void);                            /* the wall clock, microseconds */
struct ec_uuid ec_new_id(struct ec_task *task); /* UUIDv7, RFC 9562; the same again when a keyed task is repeated */

/* Branches that run side by side. ec_fork, then one operation started on each ec_branch, then EC_AWAIT(..., ec_join(task)), which
 * completes when all have; it fails with the first failed required branch. */
void ec_fork(struct ec_task *task, int n);
struct ec_task *ec_branch(struct ec_task *task, int i, bool required);
void ec_join(struct ec_task *task);
bool ec_branch_ok(const struct ec_task *task, int i); /* valid until the next ec_fork */

/* ------------------------------------------------------------------ SQL (pg.c, tx.c) */

struct ec_sql {
    const char *name; /* "trip-svc.Book.trip": also the prepared statement's, shortened by hash when over 63 bytes */
    const char *text; /* $1 ... */
    const struct ec_record *row; /* NULL: nothing is read. Columns are matched by position */
    const struct ec_error *none; /* of one that is deferred: no row is this error, and the text divides by zero then; or NULL */
    bool lone;    /* a write outside of any transaction: it may share its commit with others (tx_share.c) */
    const struct ec_group_set *set; /* the runtime's own alone: the same for many at once (group.h); or NULL */
    const struct ec_sql *ahead;     /* of a guard of the runtime's own: the same that does not fail, but has no row (group.c); or NULL */
};

struct ec_param {
    enum ec_param_kind {
        EC_PARAM_NULL, EC_PARAM_TEXT, EC_PARAM_INT, EC_PARAM_FLOAT, EC_PARAM_BOOL, EC_PARAM_UUID, EC_PARAM_TIME, EC_PARAM_JSON
    } kind;
    union {
        struct ec_str text;
        int64_t i;
        double f;
        bool b;
        struct ec_uuid uuid;
        struct { const struct ec_field *field; const void *value; } json; /* value points at what field describes */
    } u;
};

struct ec_param ec_param_text(struct ec_str value); /* p NULL: NULL */
struct ec_param ec_param_int(int64_t value);
struct ec_param ec_param_float(double value);
struct ec_param ec_param_bool(bool value);
struct ec_param ec_param_uuid(struct ec_uuid value);
struct ec_param ec_param_time(int64_t value);
struct ec_param ec_param_enum(const struct ec_enum *of, int value);
struct ec_param ec_param_opt_int(const int64_t *value);
struct ec_param ec_param_opt_float(const double *value);
struct ec_param ec_param_opt_bool(const bool *value);
struct ec_param ec_param_opt_uuid(const struct ec_uuid *value);
struct ec_param ec_param_opt_time(const int64_t *value);
struct ec_param ec_param_opt_enum(const struct ec_enum *of, const int *value);
struct ec_param ec_param_json(const struct ec_field *field, const void *value); /* a record or a list, sent as JSON */

#define EC_PARAMS(...) (const struct ec_param[]){__VA_ARGS__}, sizeof((const struct ec_param[]){__VA_ARGS__}) / sizeof(struct ec_param)
#define EC_NO_PARAMS NULL, 0

/* In the open transaction of the task, or alone. `out` of the row's struct; for many, an ec_list of them in the arena. `rows` says how
 * many. More than one row for one and maybe is an internal error. A unique, check or foreign-key violation is ec_error_internal. */
void ec_sql_exec(struct ec_task *task, const struct ec_sql *sql, const struct ec_param *params, size_t n);
/* In the open transaction, one whose answer nobody needs. Only remembered here, as ec_publish: it is sent with the transaction's next statement or its
 * commit, which fails with its error. */
void ec_sql_defer(struct ec_task *task, const struct ec_sql *sql, const struct ec_param *params, size_t n);
void ec_sql_one(struct ec_task *task, const struct ec_sql *sql, void *out, const struct ec_param *params, size_t n);
void ec_sql_many(struct ec_task *task, const struct ec_sql *sql, void *list, const struct ec_param *params, size_t n);
/* After ec_sql_one without a `none`: no row is ec_error_internal. */
#define EC_EXPECT_ROW(task)                                                                                                           \
    if ((task)->rows == 0) {                                                                                                          \
        ec_fail_with(task, &ec_error_internal);                                                                                       \
        return;                                                                                                                       \
    }

/* A transaction. In a keyed task of an EC_REPEAT_ATOMIC program the inbox barrier joins it: a duplicate ends the task with its
 * first reply and does not resume it. An EC_REPEAT_ATOMIC program without `tx` has its single statement wrapped so by codegen. */
void ec_tx_begin(struct ec_task *task);
/* The same, of a transaction in which at most one statement is waited for, behind which nothing else is and nothing fails but the commit: it
 * may share its commit with others. Where they can't have it, the program goes on from here a second time, once nothing has happened. */
void ec_tx_begin_shared(struct ec_task *task);
/* Commits. out is the reply when it is known by now (stored with the key, so that a duplicate gets it), else NULL. last: this is the
 * program's last write, so the key is finished and a saga's end is written in the same transaction. */
void ec_tx_commit(struct ec_task *task, const void *out, bool last);
/* `return` or `accept` inside tx: EC_AWAIT the commit with last true, then ec_reply or ec_accept. */

/* First step of an EC_REPEAT_CLAIM program: takes the key. Does nothing for a task without one. A duplicate ends the task with its first
 * reply (or ec_error_conflict while the first is still running) and does not resume it. */
void ec_claim(struct ec_task *task);

/* ------------------------------------------------------------------ calls (call.c, external.c) */

struct ec_edge { /* one for each edge out of a service that carries calls; not const: the runtime keeps its state */
    const char *name; /* "trip-svc -> seat-svc" */
    const char *peer; /* "seat-svc" */
    const char *env;  /* internal: SEAT_SVC_URL, one or more URLs with commas; external: unused */
    int64_t timeout_ms;
    int retries;
    int64_t backoff_min_ms, backoff_max_ms;
    int trip; /* 0: no breaker */
    bool trip_timeouts_only;
    int64_t open_ms;
    int probes;
    int concurrency; /* 0: no bound */
    const struct ec_error *on_open, *on_failure; /* or NULL */
    struct ec_edge_state *state;
};

struct ec_call {
    struct ec_edge *edge;
    const char *op; /* POST /ops/<op> */
    const struct ec_record *in, *out; /* out NULL: nothing comes back */
    const struct ec_error *const *errors; /* the callee's, NULL-terminated, or NULL */
    bool safe; /* writes nothing: may be repeated without a key */
    const char *was; /* the name that it had in the version before, or NULL: keys are made of that, so that a repeat has the same */
};
void ec_call(struct ec_task *task, const struct ec_call *call, const void *in, void *out);

enum ec_encoding { EC_ENC_NONE, EC_ENC_FORM, EC_ENC_JSON, EC_ENC_QUERY };
enum ec_auth { EC_AUTH_NONE, EC_AUTH_BEARER, EC_AUTH_BASIC, EC_AUTH_HEADER };

struct ec_setting { /* read at start; text is set by the runtime */
    const char *name, *env;
    const char *dflt; /* NULL: must be set */
    bool secret;
    bool rotates;     /* its value may be several, one a line: the first is `text`, which is used, the others are accepted beside it */
    size_t at_least;  /* bytes that each of them has, or more */
    struct ec_str text, others;
    enum ec_kind kind; /* EC_TEXT EC_EMAIL EC_INT EC_BOOL EC_FLOAT EC_UUID: checked at start */
    int64_t i;
    double f;
    bool b;
    struct ec_uuid uuid;
};

struct ec_external {
    const char *name;
    const char *base, *base_env;
    enum ec_auth auth;
    const char *auth_header;
    const struct ec_setting *auth_user, *auth_secret;
    const struct ec_setting *const *settings; /* for {name} in paths; NULL-terminated */
};

struct ec_status_error { int status; const struct ec_error *error; };

struct ec_ext_call {
    struct ec_edge *edge;
    const struct ec_external *external;
    const char *name, *method, *path;
    enum ec_encoding encoding;
    const struct ec_record *in, *out;
    const char *idempotency_header; /* or NULL */
    const struct ec_status_error *errors; /* status 0 ends it */
};
/* key: n 0 takes the task's key; the header's value is derived from the call's name and the key. */
void ec_external_call(struct ec_task *task, const struct ec_ext_call *call, struct ec_str key, const void *in, void *out);

/* ------------------------------------------------------------------ events (outbox.c, bus.c) */

struct ec_topic {
    const char *name;
    const char *bus;          /* the node */
    int partitions;
    const char *key;          /* the field */
    const char *const *types; /* of its events, "Shown.v1"; NULL-terminated, or NULL */
    int64_t retention_ms;     /* 0: the bus's own */
};

struct ec_event {
    const char *name;
    int version;
    const struct ec_topic *topic;
    const struct ec_record *body;
};
/* Adds the event to the outbox in the open transaction. Only remembered here: it is sent with the transaction's next statement or its
 * commit, so it is no operation and is not awaited. */
void ec_publish(struct ec_task *task, const struct ec_event *event, const void *body);

struct ec_consumer {
    const struct ec_event *event;
    const char *group; /* the consumer group's full name: <service>.<group> */
    int retries;
    int64_t backoff_min_ms, backoff_max_ms;
    bool dead_letter; /* to <topic>.dead-letter */
    const struct ec_program *program; /* in: the event's body */
};

/* ------------------------------------------------------------------ sagas (saga.c) */

struct ec_saga;

struct ec_saga_step {
    const char *name;
    void (*run)(struct ec_task *task, void *saga); /* starts the call */
    void (*undo)(struct ec_task *task, void *saga); /* or NULL */
    const char *calls, *undoes; /* "stock-svc.Reserve": for people; the second NULL without undo */
    const struct ec_record *result; /* stored with the step; NULL: nothing */
    size_t result_offset;           /* in the saga's struct */
    bool can_fail;                  /* its operation declares errors that decide something: below 500 */
};

struct ec_saga {
    const char *name; /* "book-trip" */
    int version;
    const struct ec_record *state; /* the saga's parameters, at offset 0 of its struct */
    size_t size;                   /* of its struct: parameters, results, `struct ec_str error` */
    size_t error_offset;
    const struct ec_saga_step *steps;
    size_t nsteps;
    const struct ec_program *done, *failed; /* or NULL; the frame's first member is a pointer to the saga's struct */
    const struct ec_error *const *errors;
};

struct ec_saga_ref { struct ec_uuid id; const struct ec_saga *saga; };
/* In the open transaction: the instance is created with it and runs once it is committed. Remembered like ec_publish: not awaited. The id
 * is derived from the task's key where it has one, so that a repeated start is the same saga. */
void ec_saga_start(struct ec_task *task, const struct ec_saga *saga, const void *params, struct ec_saga_ref *out);
/* Completes when the saga has ended, with its error; or, when the deadline is near, with *late true and no error. */
void ec_saga_await(struct ec_task *task, const struct ec_saga_ref *ref, bool *late);

/* ------------------------------------------------------------------ cache (redis.c) */

struct ec_keyspace {
    const char *name;  /* the Redis key is <name>:<key> */
    const char *cache; /* the node */
    const struct ec_record *value;
    int64_t ttl_ms;
    int64_t near_ms; /* how long a process answers from its memory what it has read; 0: never */
};
/* A cache that is down reads as absent and takes no writes; neither fails the task. *out is NULL when absent, else a struct in the arena. */
void ec_cache_get(struct ec_task *task, const struct ec_keyspace *keyspace, struct ec_str key, void **out);
void ec_cache_put(struct ec_task *task, const struct ec_keyspace *keyspace, struct ec_str key, const void *value);
void ec_cache_drop(struct ec_task *task, const struct ec_keyspace *keyspace, struct ec_str key);

/* ------------------------------------------------------------------ work that takes long (work.c) */

/* For custom operations: calls work(data) in a thread of libuv's pool, and resumes the task when it has returned. What takes more than a
 * millisecond, or waits for anything, belongs there: the loop serves everybody else meanwhile. data has to live until then (in `own`, or in
 * the task's arena) and is the work's alone; work does not touch the task. Two run at once, 64 wait; beyond that, and when the deadline has
 * passed before it begins, the operation fails (unavailable, timeout). What has begun is waited for. */
void ec_work(struct ec_task *task, void (*work)(void *data), void *data);

/* ------------------------------------------------------------------ passwords and tokens (password.c, token.c) */

void ec_password_hash(struct ec_task *task, struct ec_str password, struct ec_str *out);
void ec_password_verify(struct ec_task *task, struct ec_str password, struct ec_str hash, bool *out); /* hash.p NULL: false, same work */

struct ec_jwt { const char *issuer, *audience; const struct ec_setting *secret; };
struct ec_claims { struct ec_str sub, jti; int64_t exp; };
void ec_jwt_sign(struct ec_task *task, const struct ec_jwt *jwt, struct ec_str sub, struct ec_str jti, int64_t exp, struct ec_str *out);
/* rows is 1, or 0 for a token that is not valid. */
void ec_jwt_verify(struct ec_task *task, const struct ec_jwt *jwt, struct ec_str token, struct ec_claims *out);

/* ------------------------------------------------------------------ gateway (gateway.c) */

/* A route's program has this at offset 0 of its frame; the records' structs follow at the offsets. */
struct ec_route_cache { const struct ec_keyspace *keyspace; struct ec_str (*key)(struct ec_task *task); };

struct ec_route {
    const char *method, *path;
    bool auth;
    const struct ec_program *program;
    const struct ec_record *path_params, *query, *body; /* or NULL */
    size_t path_offset, query_offset, body_offset, identity_offset; /* in the frame */
    int status;
    const char *accepted; /* or NULL */
    bool idempotent;
    const struct ec_route_cache *cache; /* or NULL */
};

/* A trie of path segments: children of a node stand together, sorted by segment; the parameter child, if any, is `any`. */
struct ec_route_node {
    const char *segment; /* NULL: a parameter */
    int first, nchildren; /* literal children in the node table */
    int any; /* index of the parameter child, 0: none */
    const struct ec_route *const *routes; /* that end here, by method; NULL-terminated, or NULL */
};

struct ec_limit {
    const char *cache;
    double per_second;
    int burst, lease; /* lease: tokens that are taken at once; 0: each request takes its own */
    bool by_identity, by_address, when_down_allow;
};

struct ec_gateway_auth {
    const struct ec_program *program; /* in: {token}; out: the identity */
    const struct ec_record *identity;
    int64_t cache_ms;
    const struct ec_keyspace *while_keyspace; /* or NULL */
    struct ec_str (*while_key)(struct ec_task *task, const void *identity);
    struct ec_str (*subject)(const void *identity); /* reserved, may be NULL */
};

struct ec_gateway {
    bool tls;
    const struct ec_gateway_auth *auth; /* or NULL */
    const struct ec_limit *limit;       /* or NULL */
    const struct ec_route_node *nodes;  /* [0] is the root */
    size_t nnodes;
};

/* ------------------------------------------------------------------ the service */

struct ec_op {
    const char *name;
    const struct ec_program *program;
    const char *const *callers; /* that have an edge; NULL-terminated */
    const char *was;            /* the name that it had in the version before, which callers may still use; or NULL */
};

/* A part of the runtime that a service needs; those not named are not linked. */
struct ec_module;
extern const struct ec_module ec_module_pg;       /* database: pool, inbox, outbox, migrations */
extern const struct ec_module ec_module_saga;
extern const struct ec_module ec_module_redis;
extern const struct ec_module ec_module_producer; /* outbox relay to the bus */
extern const struct ec_module ec_module_consumer;
extern const struct ec_module ec_module_calls;    /* internal */
extern const struct ec_module ec_module_external;
extern const struct ec_module ec_module_password;
extern const struct ec_module ec_module_jwt;
extern const struct ec_module ec_module_ops;      /* the listener for internal operations */
extern const struct ec_module ec_module_gateway;

struct ec_migration {
    const char *version; /* "000001_initial"; NULL ends the list */
    const char *up, *down, *sha256;
    bool no_transaction; /* one statement that runs outside a transaction, and may be run again when it was broken off */
};

struct ec_service {
    const char *name;
    const struct ec_module *const *modules; /* in start order; NULL-terminated */
    struct ec_setting *const *settings;     /* NULL-terminated; each list below likewise, and NULL where there are none */
    const struct ec_op *const *ops;
    struct ec_edge *const *edges;
    const struct ec_external *const *externals; /* their bases are checked at start; one that is not listed, at its first call */
    const struct ec_saga *const *sagas;
    const struct ec_consumer *const *consumers;
    const struct ec_keyspace *const *keyspaces;
    const struct ec_topic *const *topics;   /* published or consumed */
    const struct ec_migration *migrations;
    const char *seed;                       /* SQL or NULL */
    const struct ec_sql *const *statements; /* every one: prepared by a test, and by the pool as used */
    const struct ec_gateway *gateway;
    int port;                               /* public, unless PORT says otherwise; 0 for internal */
    int workers;
};

/* `serve` (default), `migrate [up|down|status|baseline] [--seed]`, `check-sql`, `version`. Returns the exit code. */
int ec_main(int argc, char **argv, const struct ec_service *service);

#endif
