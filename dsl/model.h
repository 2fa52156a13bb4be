/* The resolved topology: what codegen/ and tool/ read.
 *
 * dsl/resolve builds it from the AST once everything has been checked; after that it is immutable. Every pointer lives in the
 * compilation's arena and is freed with it. Lists are (pointer, count) pairs in source order. Names are as written in the source
 * and NUL-terminated; codegen/ derives C, SQL and JSON spellings from them. Every entity has the span of its declaration, so that
 * later passes can report diagnostics.
 */
#ifndef ECC_MODEL_H
#define ECC_MODEL_H

#include "program.h"

struct ecc_arena;

/* ------------------------------------------------------------------ nodes */

enum ecc_node_kind { ECC_NODE_CLIENT, ECC_NODE_BUS, ECC_NODE_CACHE, ECC_NODE_EXTERNAL, ECC_NODE_SERVICE, ECC_NODE_GATEWAY };

struct ecc_setting { /* a value from the environment */
    const char *name, *env;
    const struct ecc_type *type;
    const struct ecc_expr *dflt; /* or NULL: must be set */
    struct ecc_var *var;
    struct ecc_span span;
};

struct ecc_topic {
    const char *name;
    const struct ecc_bus *bus;
    const char *key;
    int partitions;
    int64_t retention_ms; /* 0: the broker's */
    const struct ecc_event **events;
    size_t nevents;
    struct ecc_span span;
};

struct ecc_bus { struct ecc_topic **topics; size_t ntopics; };

struct ecc_keyspace {
    const char *name;
    const struct ecc_node *cache;
    const struct ecc_field *key;
    const struct ecc_record *value;
    int64_t ttl_ms;
    int64_t near_ms; /* how long a process answers from its own memory what it has read; 0: never */
    struct ecc_span span;
};

struct ecc_cache { struct ecc_keyspace **keyspaces; size_t nkeyspaces; };

enum ecc_encoding { ECC_ENC_NONE, ECC_ENC_FORM, ECC_ENC_JSON, ECC_ENC_QUERY };
enum ecc_ext_auth { ECC_AUTH_NONE, ECC_AUTH_BEARER, ECC_AUTH_BASIC, ECC_AUTH_HEADER };

struct ecc_status_error { int status; const struct ecc_error *error; };

struct ecc_ext_call {
    const char *name;
    const struct ecc_node *external;
    const char *method, *path; /* {name}: a request field or a setting */
    enum ecc_encoding encoding;
    const struct ecc_record *request; /* never NULL, may have no fields */
    const struct ecc_record *reply;   /* NULL: ignored */
    const char *idempotency_header;   /* or NULL */
    struct ecc_status_error *errors;
    size_t nerrors;
    struct ecc_span span;
};

/* Sandbox values are dynamic JSON. */
enum ecc_sbx_kind {
    ECC_SBX_LITERAL,
    ECC_SBX_REQUEST,
    ECC_SBX_STORE,
    ECC_SBX_REPLY,
    ECC_SBX_OBJECT,
    ECC_SBX_LIST,
    ECC_SBX_TOKEN,
    ECC_SBX_TIMESTAMP,
    ECC_SBX_ANSWER, /* only in scenarios: of an earlier request that has a name */
};

struct ecc_sbx_value {
    enum ecc_sbx_kind kind;
    const struct ecc_expr *literal;      /* TEXT INT FLOAT BOOL NULL */
    const char **path;                   /* REQUEST a.b, STORE: fields after the key, REPLY, ANSWER */
    size_t npath;
    const char *name;                    /* STORE: its name; TOKEN: the prefix */
    const struct ecc_sbx_value *key;     /* STORE */
    const char **keys;                   /* OBJECT */
    struct ecc_sbx_value **items;        /* OBJECT, LIST */
    size_t nitems;
    const struct ecc_request *answer; /* ANSWER: to which */
    const struct ecc_type *type;      /* ANSWER */
};

enum ecc_sbx_test { ECC_SBX_ALWAYS, ECC_SBX_MISSING, ECC_SBX_COMPARE, ECC_SBX_AND, ECC_SBX_OR, ECC_SBX_NOT };

struct ecc_sbx_cond {
    enum ecc_sbx_test test;
    enum ecc_operator op; /* COMPARE: EQ NE LT LE GT GE */
    const struct ecc_sbx_value *left, *right;   /* MISSING: left */
    const struct ecc_sbx_cond *a, *b;           /* AND OR NOT */
};

struct ecc_sbx_set { const struct ecc_sbx_value *target, *value; };

struct ecc_sbx_rule {
    const struct ecc_ext_call *call; /* NULL: of a `refuse` */
    const struct ecc_sbx_cond *when;
    int status;                      /* 0: as the refusal has it */
    const struct ecc_sbx_value *body;      /* OBJECT or NULL */
    const struct ecc_sbx_value *keep;      /* STORE without fields, or NULL */
    struct ecc_sbx_set *sets;
    size_t nsets;
    struct ecc_span span;
};

struct ecc_external {
    const char *base, *base_env;
    struct ecc_setting **settings;
    size_t nsettings;
    enum ecc_ext_auth auth;
    const char *auth_header;               /* HEADER */
    const struct ecc_setting *auth_user;   /* BASIC */
    const char *auth_secret;               /* environment name, or NULL */
    struct ecc_ext_call **calls;
    size_t ncalls;
    bool has_sandbox;
    const char **stores;
    size_t nstores;
    struct ecc_sbx_rule **rules;
    size_t nrules;
    struct ecc_sbx_rule **refusals;
    size_t nrefusals;
};

struct ecc_column {
    const char *name, *was;
    const struct ecc_type *type;
    bool primary_key, unique;
    const struct ecc_table *references;
    const char *dflt_sql;   /* SQL text of the default, or NULL */
    const char *check_sql;  /* without the outer parentheses, or NULL */
    struct ecc_span span;
};

enum ecc_constraint_kind { ECC_CON_PRIMARY_KEY, ECC_CON_UNIQUE, ECC_CON_CHECK, ECC_CON_INDEX };

struct ecc_constraint { enum ecc_constraint_kind kind; const char *sql; struct ecc_span span; };

struct ecc_seed {
    const struct ecc_table *table;
    struct ecc_init_column { const struct ecc_column *column; const struct ecc_expr *value; } *values;
    size_t nvalues;
    struct ecc_span span;
};

struct ecc_table {
    const char *name, *was;
    struct ecc_column *columns;
    size_t ncolumns;
    struct ecc_constraint *constraints;
    size_t nconstraints;
    struct ecc_span span;
};

/* How an operation or consumer meets a repeated key (docs/design.md, Inbox). */
enum ecc_repeat {
    ECC_REPEAT_READ,   /* writes nothing: no barrier */
    ECC_REPEAT_ATOMIC, /* all writes in one transaction (or one statement), no call, start or await: the barrier joins it */
    ECC_REPEAT_CLAIM,  /* anything else: claimed first, finished with the last reply */
};

struct ecc_program { /* an operation, a consumer, `done`, `failed` */
    struct ecc_block body;
    enum ecc_repeat repeat;
};

struct ecc_op {
    const char *name, *was;
    const struct ecc_node *service;
    const struct ecc_record *params;    /* name NULL */
    const struct ecc_type *result;      /* VOID where nothing */
    const struct ecc_error **errors;
    size_t nerrors;
    bool custom;
    struct ecc_program program;
    const struct ecc_node **callers;    /* nodes with an edge that call it, sorted by name */
    size_t ncallers;
    bool is_undo;                       /* some saga uses it as undo */
    struct ecc_span span;
};
/* Can it end a saga from a step that can't be undone? An error of 5xx is about the moment: the step is repeated. */
bool ecc_op_can_fail(const struct ecc_op *op);

struct ecc_consumer {
    const struct ecc_event *event;
    const struct ecc_topic *topic;
    const struct ecc_node *service;
    const char *group;
    int retries;
    int64_t backoff_min_ms, backoff_max_ms;
    bool dead_letter;                   /* else dropped after the retries */
    const struct ecc_var *var;
    struct ecc_program program;
    struct ecc_span span;
};

struct ecc_jwt { const char *issuer, *audience, *secret; };

struct ecc_service {
    struct ecc_jwt *jwt;                /* or NULL */
    struct ecc_setting **settings;
    size_t nsettings;
    bool has_database;
    struct ecc_table **tables;
    size_t ntables;
    struct ecc_seed **seeds;
    size_t nseeds;
    struct ecc_op **ops;
    size_t nops;
    struct ecc_consumer **consumers;
    size_t nconsumers;
    struct ecc_saga **sagas;            /* that it owns, then their older versions */
    size_t nsagas;
    int workers;                        /* 1 unless said */
};

struct ecc_saga_step {
    const char *name;
    struct ecc_stmt *run;               /* CALL */
    struct ecc_stmt *undo;              /* CALL or NULL */
    const struct ecc_var *result;       /* STEP variable, NULL where the operation returns nothing or nobody reads it */
    struct ecc_span span;
};

struct ecc_saga { /* one version of it */
    const char *name;
    int version;                        /* counted by the compiler, from 1: another text is another version */
    bool past;                          /* an older one, by which instances that it started are finished */
    const char *release;                /* what ecom.lock keeps of it: release.h */
    const struct ecc_node *service;
    const struct ecc_record *params;
    struct ecc_saga_step *steps;
    size_t nsteps;
    struct ecc_program done, failed;    /* may be empty */
    const struct ecc_error **errors;    /* what it can end with: the steps' errors and their edges' */
    size_t nerrors;
    struct ecc_span span;
};

enum ecc_limit_per { ECC_PER_IDENTITY, ECC_PER_ADDRESS, ECC_PER_IDENTITY_OR_ADDRESS };

struct ecc_limit {
    double per_second;
    int burst, lease; /* lease: how many a gateway's process takes at once; 0: each request its own */
    enum ecc_limit_per per;
    const struct ecc_node *cache;
    bool when_down_allow;
};

struct ecc_cache_ref { const struct ecc_keyspace *keyspace; const struct ecc_expr *key; const struct ecc_edge *edge; };

struct ecc_auth {
    struct ecc_stmt *via;               /* CALL; its argument has the TOKEN variable */
    int64_t cache_ms;
    struct ecc_cache_ref while_;        /* keyspace NULL: none */
};

struct ecc_branch { const char *name; bool required; struct ecc_stmt *call; };

struct ecc_route {
    const char *name;                   /* method and path as a snake name: post_v1_orders, get_v1_orders_id_summary */
    const char *method, *path;
    bool auth;
    const struct ecc_record *path_params, *query, *body; /* NULL: none; name NULL */
    const struct ecc_var *path_var, *query_var, *body_var, *identity_var;
    struct ecc_stmt *call;              /* CALL, or NULL: aggregation */
    struct ecc_branch *branches;
    size_t nbranches;
    const struct ecc_type *result;      /* of the call; RECORD of the branches, optional where not required */
    int status;
    const char *accepted;               /* path with {field} of the reply, or NULL */
    bool idempotent;
    struct ecc_cache_ref cache;         /* keyspace NULL: none */
    struct ecc_span span;
};

struct ecc_gateway {
    int port;
    bool tls;
    struct ecc_auth *auth;              /* or NULL */
    struct ecc_limit *limit;            /* or NULL */
    struct ecc_route **routes;
    size_t nroutes;
};

struct ecc_node {
    enum ecc_node_kind kind;
    const char *name, *title;
    struct ecc_span span;
    struct ecc_edge **out, **in;        /* in source order */
    size_t nout, nin;
    union {
        struct ecc_bus bus;
        struct ecc_cache cache;
        struct ecc_external external;
        struct ecc_service service;
        struct ecc_gateway gateway;
    } u;
};

/* ------------------------------------------------------------------ edges and the rest */

struct ecc_breaker { bool set; int trip; bool timeouts_only; int64_t open_ms; int probes; };

struct ecc_edge {
    const struct ecc_node *from, *to;
    bool http, https, external;
    int64_t timeout_ms;                 /* always set: 5000 unless said */
    int retries;
    int64_t backoff_min_ms, backoff_max_ms;
    struct ecc_breaker breaker;
    int concurrency;                    /* 0: no bound */
    const struct ecc_error *on_open, *on_failure; /* or NULL */
    const struct ecc_topic **publish, **consume;
    size_t npublish, nconsume;
    const struct ecc_keyspace **keyspaces;
    size_t nkeyspaces;
    struct ecc_span span;
};

struct ecc_forbid { const struct ecc_node *from, *to; const char *why; struct ecc_span span; };
/* On one service: its tables by their names. Otherwise (wide) each node's are in a schema of its snake name, and an external's sandbox has
 * the table `ledger` there. */
struct ecc_invariant { const char *name; const struct ecc_node **nodes; size_t nnodes; bool wide; const char *sql; struct ecc_span span; };
const char *ecc_schema_name(struct ecc_arena *arena, const struct ecc_node *node); /* trip-svc: trip_svc */
struct ecc_drop { const struct ecc_node *service; const char *table, *column, *why; struct ecc_span span; };
struct ecc_retired { bool saga; const char *name; int version; const char *why; struct ecc_span span; }; /* drop saga|event; version 0: all */

/* `{order.id}` in a text of a scenario: one value for each, in their order. */
struct ecc_refs_in {
    const struct ecc_sbx_value **items;
    size_t n;
};

/* A request of a scenario or an identity; body is a dynamic object (ECC_SBX_OBJECT, `unique`: TOKEN with name prefix and path[0]
 * suffix; `same.x`: REPLY; `order.id`: ANSWER) or NULL. Of a `given` it may be a call of an operation: then op is not NULL, body has its
 * parameters, and client, method, path and route are NULL. */
struct ecc_request {
    const char *let;
    const struct ecc_op *op;
    const struct ecc_node *client;
    const char *method, *path;
    struct ecc_refs_in refs; /* of the path */
    const struct ecc_route *route;
    const struct ecc_sbx_value *body;
    const struct ecc_type *result; /* never NULL */
    int times;
    struct ecc_span span;
};

struct ecc_identity { const char *name; struct ecc_request **requests; size_t nrequests; const char **token; size_t ntoken; struct ecc_span span; };

enum ecc_assume_kind { ECC_ASSUME_FAILS, ECC_ASSUME_HANGS, ECC_ASSUME_DOWN, ECC_ASSUME_OPEN, ECC_ASSUME_HOLDS, ECC_ASSUME_MISSES };

struct ecc_assume {
    enum ecc_assume_kind kind;
    const struct ecc_node *node;
    const struct ecc_op *op;
    const struct ecc_ext_call *ext;
    const struct ecc_error *error;
    const struct ecc_edge *edge;
    const struct ecc_keyspace *keyspace;
    size_t after; /* it holds behind so many of the scenario's `given` */
    struct ecc_span span;
};

struct ecc_say { const struct ecc_edge *edge; const char *text; struct ecc_span span; };

struct ecc_scenario {
    const char *name, *title;
    const struct ecc_identity *identity; /* or NULL */
    struct ecc_request **given;
    size_t ngiven;
    struct ecc_request *when;
    struct ecc_assume *assumes;
    size_t nassumes;
    int expect_status;
    const struct ecc_error *expect_error;
    const char *expect_header, *expect_value;
    struct ecc_refs_in expect_refs; /* of the value */
    struct ecc_say *says;
    size_t nsays;
    struct ecc_span span;
};

/* X(member, struct): every list of the model, in the order of the language reference */
#define ECC_MODEL_LISTS(X)                                                                                                            \
    X(enums, ecc_enum)                                                                                                                \
    X(records, ecc_record)                                                                                                            \
    X(errors, ecc_error)                                                                                                              \
    X(events, ecc_event)                                                                                                              \
    X(nodes, ecc_node)                                                                                                                \
    X(sagas, ecc_saga)                                                                                                                \
    X(past, ecc_saga) /* older versions: in their services' lists, too */                                                             \
    X(edges, ecc_edge)                                                                                                                \
    X(forbids, ecc_forbid)                                                                                                            \
    X(invariants, ecc_invariant)                                                                                                      \
    X(identities, ecc_identity)                                                                                                       \
    X(scenarios, ecc_scenario)                                                                                                        \
    X(drops, ecc_drop)                                                                                                                \
    X(retired, ecc_retired)

/* A version of a saga or an event that was released, as ecom.lock keeps it. */
struct ecc_release {
    bool saga; /* else an event */
    const char *name;
    int version;
    const char *text; /* its declaration; NULL: it was dropped, only its number is kept */
};
struct ecc_releases { struct ecc_release *items; size_t n, cap; };

struct ecc_model {
    const char *name, *title; /* name: of the topology, or NULL */
    struct ecc_releases releases; /* what ecom.lock is to keep: sagas, then events, by name and version */
#define X(member, type)                                                                                                               \
    struct type **member;                                                                                                             \
    size_t n##member;
    ECC_MODEL_LISTS(X)
#undef X
    struct ecc_record *claims;  /* what jwt.verify gives: sub, jti, exp */
    struct ecc_record *refusal; /* what a sandbox's `refuse` may read: status, reason, field, message */
};

/* ------------------------------------------------------------------ building one */

struct ecc_diags;
struct ecc_source;

/* Lexes, parses, resolves and checks. Returns the model, or NULL when diags has an error; diags, never printed here, also gets the
 * warnings. source must outlive the model. */
const struct ecc_model *ecc_compile(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags);

/* The same, after what was released of it (NULL: nothing): sagas get their versions, and those that instances may still be in are compiled
 * as well (model.past); an event whose shape does not keep what was promised is an error. */
const struct ecc_model *ecc_compile_after(struct ecc_arena *arena, const struct ecc_source *source, const struct ecc_releases *releases,
                                          struct ecc_diags *diags);

#endif
