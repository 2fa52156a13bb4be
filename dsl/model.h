/* The resolved topology: what codegen/ and tool/ read.
 *
 * dsl/resolve builds it from the AST once everything has been checked; after that it is immutable. Every pointer lives in the
 * compilation's arena and is freed with it. Lists are (pointer, count) pairs in source order. Names are as written in the source
 * and NUL-terminated; codegen/ derives C, SQL and JSON spellings from them. Every entity has the span of its declaration, so that
 * later passes can report diagnostics.
 */
#ifndef ECC_MODEL_H
#define ECC_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ecc_span { /* half-open byte range in the source */
    uint32_t start, end;
};

/* ------------------------------------------------------------------ types */

/* X(enumerator, name in the language) */
#define ECC_TYPE_KINDS(X)                                                                                                             \
    X(TEXT, "text")                                                                                                                   \
    X(SECRET, "secret")                                                                                                               \
    X(EMAIL, "email")                                                                                                                 \
    X(INT, "int")                                                                                                                     \
    X(FLOAT, "float")                                                                                                                 \
    X(BOOL, "bool")                                                                                                                   \
    X(UUID, "uuid")                                                                                                                   \
    X(TIME, "time")                                                                                                                   \
    X(JSON, "json")                                                                                                                   \
    X(ENUM, "enum")                                                                                                                   \
    X(RECORD, "record")                                                                                                               \
    X(LIST, "list")                                                                                                                   \
    X(SAGA, "saga")   /* what `start` gives and `await` takes */                                                                      \
    X(VOID, "nothing") /* an operation without `->`; the result of `sql exec` */

enum ecc_type_kind {
#define X(e, n) ECC_TYPE_##e,
    ECC_TYPE_KINDS(X)
#undef X
};

struct ecc_enum {
    const char *name;
    const char **values;
    size_t nvalues;
    struct ecc_span span;
};

struct ecc_type {
    enum ecc_type_kind kind;
    bool optional;
    bool bounded;     /* min and max say something */
    int64_t min, max; /* text: code points; int: value; list: items. INT64_MIN / INT64_MAX where left out */
    const struct ecc_enum *enum_;
    const struct ecc_record *record; /* RECORD: declared, inline, row of a statement, event body */
    const struct ecc_type *item;     /* LIST */
    const struct ecc_saga *saga;     /* SAGA */
};

struct ecc_field {
    const char *name;
    const char *wire;            /* the JSON or form name; equals name unless `as` */
    const char *was;             /* or NULL */
    const struct ecc_type *type;
    const struct ecc_expr *dflt; /* a literal, or NULL */
    struct ecc_span span;
};

/* name is NULL for an inline record and for a row; codegen names those after the place they stand in. */
struct ecc_record {
    const char *name;
    struct ecc_field *fields;
    size_t nfields;
    struct ecc_span span;
};

struct ecc_error {
    const char *name;
    int status;
    const char *title;
    struct ecc_span span;
};

struct ecc_event {
    const char *name;
    int version;
    struct ecc_record *body; /* body->name is the event's */
    const struct ecc_topic *topic; /* the one that carries it */
    struct ecc_span span;
};

/* ------------------------------------------------------------------ expressions */

#define ECC_EXPR_KINDS(X)                                                                                                             \
    X(TEXT)   /* u.text */                                                                                                            \
    X(INT)    /* u.i */                                                                                                               \
    X(FLOAT)  /* u.f */                                                                                                               \
    X(BOOL)   /* u.b */                                                                                                               \
    X(NULL)                                                                                                                           \
    X(ENUM)   /* u.text: a value of type->enum_ */                                                                                    \
    X(VAR)    /* u.var. A type that is not optional where the variable's (or field's) is: known to be present here, `when x { }` */   \
    X(FIELD)  /* u.field: a field of a record-typed expression */                                                                     \
    X(RECORD) /* u.record: every field of type->record has its initialiser, spreads are expanded */                                   \
    X(LIST)   /* u.list */                                                                                                            \
    X(UNARY)  /* u.op: `not`, `-` */                                                                                                  \
    X(BINARY) /* u.op */                                                                                                              \
    X(CALL)   /* u.call: len, now */                                                                                                  \
    X(CONVERT) /* u.convert: a row or record fitted to another record, uuid or email to text, scalar to text in `+`, present to optional */

enum ecc_expr_kind {
#define X(e) ECC_EXPR_##e,
    ECC_EXPR_KINDS(X)
#undef X
};

enum ecc_operator {
    ECC_OP_EQ, ECC_OP_NE, ECC_OP_LT, ECC_OP_LE, ECC_OP_GT, ECC_OP_GE,
    ECC_OP_AND, ECC_OP_OR, ECC_OP_NOT, ECC_OP_ADD, ECC_OP_SUB, ECC_OP_MUL, ECC_OP_NEG,
    ECC_OP_CONCAT, /* text + text, both sides converted */
    ECC_OP_PRESENT, /* unary: an optional value used as a condition */
};

enum ecc_builtin { ECC_FN_LEN, ECC_FN_NOW };

/* Where a variable's value comes from. */
#define ECC_VAR_KINDS(X)                                                                                                              \
    X(PARAM)    /* of an operation or a saga; the event of a consumer */                                                              \
    X(LET)                                                                                                                            \
    X(ITEM)     /* of a `for` */                                                                                                      \
    X(SETTING)  /* of the service or the external */                                                                                  \
    X(STEP)     /* the result of a saga step */                                                                                       \
    X(ERROR)    /* `error` in `failed`: text */                                                                                       \
    X(PATH)     /* gateway: record of the path's parameters */                                                                        \
    X(QUERY)    /* gateway */                                                                                                         \
    X(BODY)     /* gateway */                                                                                                         \
    X(IDENTITY) /* gateway: what the auth operation returned */                                                                       \
    X(TOKEN)    /* gateway: the bearer token, in `auth ... via` */                                                                    \
    X(REQUEST)  /* sandbox: record of the call's fields */                                                                            \
    X(REPLY)    /* sandbox, reply.field */

enum ecc_var_kind {
#define X(e) ECC_VAR_##e,
    ECC_VAR_KINDS(X)
#undef X
};

struct ecc_var {
    enum ecc_var_kind kind;
    const char *name;
    const char *unique; /* name, with _2, _3 ... where an operation declares it more than once: safe as a frame member */
    const struct ecc_type *type;
    struct ecc_span span;
};

struct ecc_init { /* field: expr */
    const struct ecc_field *field;
    const struct ecc_expr *value; /* NULL: left out, the field is optional or has its default */
};

struct ecc_expr {
    enum ecc_expr_kind kind;
    const struct ecc_type *type;
    struct ecc_span span;
    union {
        const char *text;
        int64_t i;
        double f;
        bool b;
        const struct ecc_var *var;
        struct { const struct ecc_expr *of; const struct ecc_field *field; } field;
        struct { struct ecc_init *inits; size_t ninits; } record;
        struct { const struct ecc_expr **items; size_t nitems; } list;
        struct { enum ecc_operator op; const struct ecc_expr *left, *right; } op; /* unary: left */
        struct { enum ecc_builtin fn; const struct ecc_expr *arg; } call;
        const struct ecc_expr *convert; /* to this expression's type */
    } u;
};

/* ------------------------------------------------------------------ SQL */

enum ecc_sql_shape { ECC_SQL_EXEC, ECC_SQL_ONE, ECC_SQL_MAYBE, ECC_SQL_MANY };

struct ecc_sql {
    enum ecc_sql_shape shape;
    const char *source; /* as written, outer white space removed */
    const char *text;   /* with $1 ... $n; one number a distinct parameter expression */
    const char *name;   /* stable step name, unique in its program: the let's name, or verb_table such as update_stock */
    bool writes;        /* anything but a plain SELECT */
    const struct ecc_expr **params; /* VAR or FIELD expressions */
    const char **param_names;       /* line_qty: safe as a C parameter */
    size_t nparams;
    const struct ecc_record *row; /* result columns in order, name NULL; NULL for exec */
    struct ecc_span span;
};

/* ------------------------------------------------------------------ statements */

#define ECC_STMT_KINDS(X)                                                                                                             \
    X(SQL)      /* u.sql */                                                                                                           \
    X(TX)       /* u.block */                                                                                                         \
    X(CALL)     /* u.call: internal operation or external call */                                                                     \
    X(START)    /* u.start */                                                                                                         \
    X(AWAIT)    /* u.await */                                                                                                         \
    X(PUBLISH)  /* u.publish */                                                                                                       \
    X(GET)      /* u.cache */                                                                                                         \
    X(PUT)      /* u.cache */                                                                                                         \
    X(DROP)     /* u.cache */                                                                                                         \
    X(HASH)     /* u.builtin: password.hash(a) */                                                                                     \
    X(VERIFY)   /* u.builtin: password.verify(a, b) */                                                                                \
    X(SIGN)     /* u.builtin: jwt.sign(sub a, jti b, exp c) */                                                                        \
    X(CLAIMS)   /* u.builtin: jwt.verify(a) */                                                                                        \
    X(NEW_ID)                                                                                                                         \
    X(LET)      /* u.expr: a plain value */                                                                                           \
    X(FOR)      /* u.loop */                                                                                                          \
    X(WHEN)     /* u.when */                                                                                                          \
    X(FAIL)     /* u.fail */                                                                                                          \
    X(RETURN)   /* u.expr or NULL; fitted to the operation's result */                                                                \
    X(ACCEPT)   /* u.expr */

enum ecc_stmt_kind {
#define X(e) ECC_STMT_##e,
    ECC_STMT_KINDS(X)
#undef X
};

struct ecc_block {
    struct ecc_stmt **stmts;
    size_t nstmts;
};

struct ecc_catch {
    const struct ecc_error *error;
    struct ecc_block body;
};

struct ecc_stmt {
    enum ecc_stmt_kind kind;
    struct ecc_span span;
    const struct ecc_var *let;      /* or NULL */
    const struct ecc_stmt *none;    /* FAIL, RETURN or ACCEPT; SQL, GET, CLAIMS */
    const struct ecc_stmt *found;   /* likewise */
    bool in_tx;
    union {
        struct ecc_sql *sql;
        struct ecc_block block;
        struct {
            const char *name;               /* stable step name, unique in its program */
            const struct ecc_edge *edge;    /* an edge of the system */
            const struct ecc_op *op;        /* internal, or NULL */
            const struct ecc_ext_call *ext; /* external, or NULL */
            const struct ecc_expr *args;    /* RECORD of the parameters; type->record is op->params or ext->request */
            const struct ecc_expr *key;     /* external, or NULL */
            struct ecc_catch *catches;
            size_t ncatches;
        } call;
        struct { const char *name; const struct ecc_saga *saga; const struct ecc_expr *args; } start;
        struct { const struct ecc_expr *saga; struct ecc_block late; bool has_late; struct ecc_catch *catches; size_t ncatches; } await;
        struct { const struct ecc_event *event; const struct ecc_expr *body; } publish;
        struct { const char *name; const struct ecc_keyspace *keyspace; const struct ecc_expr *key, *value; } cache;
        struct { const struct ecc_expr *a, *b, *c; } builtin;
        const struct ecc_expr *expr;
        struct { const struct ecc_var *item; const struct ecc_expr *list; struct ecc_block body; } loop;
        struct { const struct ecc_expr *cond; struct ecc_block then, otherwise; } when;
        struct { const struct ecc_error *error; const struct ecc_expr *cond; } fail; /* cond NULL: always */
    } u;
};

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
enum ecc_sbx_kind { ECC_SBX_LITERAL, ECC_SBX_REQUEST, ECC_SBX_STORE, ECC_SBX_REPLY, ECC_SBX_OBJECT, ECC_SBX_LIST, ECC_SBX_TOKEN, ECC_SBX_TIMESTAMP };

struct ecc_sbx_value {
    enum ecc_sbx_kind kind;
    const struct ecc_expr *literal;      /* TEXT INT FLOAT BOOL NULL */
    const char **path;                   /* REQUEST a.b, STORE: fields after the key, REPLY */
    size_t npath;
    const char *name;                    /* STORE: its name; TOKEN: the prefix */
    const struct ecc_sbx_value *key;     /* STORE */
    const char **keys;                   /* OBJECT */
    struct ecc_sbx_value **items;        /* OBJECT, LIST */
    size_t nitems;
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
    const struct ecc_ext_call *call;
    const struct ecc_sbx_cond *when;
    int status;
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
    struct ecc_saga **sagas;            /* that it owns */
    size_t nsagas;
    int workers;                        /* 1 unless said */
};

struct ecc_saga_step {
    const char *name;
    struct ecc_stmt *run;               /* CALL */
    struct ecc_stmt *undo;              /* CALL or NULL */
    const struct ecc_var *result;       /* STEP variable, NULL where the operation returns nothing */
    struct ecc_span span;
};

struct ecc_saga {
    const char *name;
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

struct ecc_limit { double per_second; int burst; enum ecc_limit_per per; const struct ecc_node *cache; bool when_down_allow; };

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
struct ecc_invariant { const char *name; const struct ecc_node *service; const char *sql; struct ecc_span span; };
struct ecc_drop { const struct ecc_node *service; const char *table, *column, *why; struct ecc_span span; };

/* A request of a scenario or an identity; body is a dynamic object (ECC_SBX_OBJECT, `unique`: TOKEN with name prefix and path[0]
 * suffix; `same.x`: REPLY) or NULL. */
struct ecc_request {
    const char *let;
    const struct ecc_node *client;
    const char *method, *path;
    const struct ecc_route *route;
    const struct ecc_sbx_value *body;
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
    X(edges, ecc_edge)                                                                                                                \
    X(forbids, ecc_forbid)                                                                                                            \
    X(invariants, ecc_invariant)                                                                                                      \
    X(identities, ecc_identity)                                                                                                       \
    X(scenarios, ecc_scenario)                                                                                                        \
    X(drops, ecc_drop)

struct ecc_model {
    const char *title;
#define X(member, type)                                                                                                               \
    struct type **member;                                                                                                             \
    size_t n##member;
    ECC_MODEL_LISTS(X)
#undef X
    struct ecc_record *claims; /* what jwt.verify gives: sub, jti, exp */
};

/* ------------------------------------------------------------------ building one */

struct ecc_arena;
struct ecc_diags;
struct ecc_source;

/* Lexes, parses, resolves and checks. Returns the model, or NULL when diags has an error; diags, never printed here, also gets the
 * warnings. source must outlive the model. */
const struct ecc_model *ecc_compile(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags);

#endif
