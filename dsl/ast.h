/* The syntax tree: what the parser read, before any name has a meaning.
 *
 * parse.c builds it through the constructors of ast.c; afterwards it is immutable. Everything lives in the compilation's arena. A node
 * that comes in kinds is a tagged union whose kinds are one X-macro. Every node has a span; every name and every text has a span of
 * its own. Lists are (items, n) in source order.
 *
 * Pointers and names may be absent only where a comment says so: an absent pointer is NULL, an absent name or text has text == NULL.
 * When the parser has reported an error the tree may lack nodes, but each node in it is whole.
 */
#ifndef ECC_AST_H
#define ECC_AST_H

#include "model.h" /* struct ecc_span, enum ecc_operator, enum ecc_type_kind */

struct ecc_arena;

struct ecc_name { /* as written; NUL-terminated */
    const char *text;
    struct ecc_span span;
};

/* A string, SQL or raw text. The span is that of the content, without the quotes or parentheses; text of SQL and raw is byte for byte the
 * content, so that offset i of text is offset span.start + i of the source. Strings have their escapes decoded. */
struct ecc_text {
    const char *text;
    size_t length;
    struct ecc_span span;
};

#define ECC_AST_LIST(list, type)                                                                                                      \
    struct list {                                                                                                                     \
        type *items;                                                                                                                  \
        size_t n, cap;                                                                                                                \
    }

ECC_AST_LIST(ecc_names, struct ecc_name);
ECC_AST_LIST(ecc_spans, struct ecc_span);
ECC_AST_LIST(ecc_ast_fields, struct ecc_ast_field *);
ECC_AST_LIST(ecc_ast_exprs, struct ecc_ast_expr *);
ECC_AST_LIST(ecc_ast_inits, struct ecc_ast_init *);
ECC_AST_LIST(ecc_ast_block, struct ecc_ast_stmt *);
ECC_AST_LIST(ecc_ast_catches, struct ecc_ast_catch *);

struct ecc_ast_range { int64_t min_ms, max_ms; struct ecc_span span; }; /* D..D, in milliseconds */

/* ------------------------------------------------------------------ types */

#define ECC_AST_TYPE_KINDS(X)                                                                                                         \
    X(BUILTIN) /* builtin: TEXT SECRET EMAIL INT FLOAT BOOL UUID TIME JSON */                                                         \
    X(NAMED)   /* name: a record or an enum */                                                                                        \
    X(LIST)    /* item */                                                                                                             \
    X(RECORD)  /* fields: an inline record */

enum ecc_ast_type_kind {
#define X(e) ECC_AST_TYPE_##e,
    ECC_AST_TYPE_KINDS(X)
#undef X
};

struct ecc_ast_type {
    enum ecc_ast_type_kind kind;
    enum ecc_type_kind builtin;
    struct ecc_name name; /* BUILTIN, NAMED */
    struct ecc_ast_type *item;
    struct ecc_ast_fields fields;
    bool optional; /* `?` */
    bool bounded;  /* `(min..max)` was written; on any kind of type: the resolver knows where it is allowed */
    int64_t min, max; /* INT64_MIN, INT64_MAX where left out */
    struct ecc_span bounds;
    struct ecc_span span;
};

struct ecc_ast_field { /* of a record, event, parameter list or call; also a keyspace's key and a setting's name and type */
    struct ecc_name name;
    struct ecc_ast_type *type;
    struct ecc_text wire;        /* as "Wire", or absent */
    struct ecc_ast_expr *dflt;   /* = literal (only in parameters and settings), or NULL */
    struct ecc_name was;         /* was(old), or absent */
    struct ecc_span span;
};

/* ------------------------------------------------------------------ expressions */

/* X(enumerator, spelling, statement): a function that the language has. statement: only as the whole right side of `let`. */
#define ECC_AST_FUNCTIONS(X)                                                                                                          \
    X(LEN, "len", false)                                                                                                              \
    X(NOW, "now", false)                                                                                                              \
    X(NEW_ID, "new_id", true)                                                                                                         \
    X(HASH, "password.hash", true)                                                                                                    \
    X(VERIFY, "password.verify", true)                                                                                                \
    X(SIGN, "jwt.sign", true)                                                                                                         \
    X(CLAIMS, "jwt.verify", true)                                                                                                     \
    X(TOKEN, "token", false)         /* sandbox */                                                                                    \
    X(TIMESTAMP, "timestamp", false) /* sandbox */                                                                                    \
    X(UNIQUE, "unique", false)       /* scenarios and identities */

enum ecc_ast_function {
#define X(e, name, statement) ECC_AST_FN_##e,
    ECC_AST_FUNCTIONS(X)
#undef X
};

#define ECC_AST_EXPR_KINDS(X)                                                                                                         \
    X(TEXT)    /* u.text */                                                                                                           \
    X(INT)     /* u.i */                                                                                                              \
    X(FLOAT)   /* u.f */                                                                                                              \
    X(BOOL)    /* u.b */                                                                                                              \
    X(NULL)                                                                                                                           \
    X(NAME)    /* u.name: a variable, an enum's value, a field of the request in a sandbox */                                         \
    X(MEMBER)  /* u.member: of.name */                                                                                                \
    X(INDEX)   /* u.index: of[key]; cache.space[key], or store[key] in a sandbox */                                                   \
    X(CALL)    /* u.call: a function of the language; see also FUNCTIONS */                                                           \
    X(REMOTE)  /* u.remote: only in ECC_AST_STMT_CALL and where a struct ecc_ast_remote stands; an error elsewhere, reported */       \
    X(RECORD)  /* u.record: Name { ... } or { ... } */                                                                                \
    X(LIST)    /* u.list */                                                                                                           \
    X(UNARY)   /* u.op.left; NOT, NEG */                                                                                              \
    X(BINARY)  /* u.op; ADD may turn out to be CONCAT */                                                                              \
    X(MISSING) /* u.missing: `missing store[key]`, an INDEX; only in a sandbox */

enum ecc_ast_expr_kind {
#define X(e) ECC_AST_EXPR_##e,
    ECC_AST_EXPR_KINDS(X)
#undef X
};

/* One member of `{ ... }` or one argument: `name: value`, `...value`, or, in arguments only, `value` alone (name absent). */
struct ecc_ast_init {
    struct ecc_name name;
    bool spread;
    struct ecc_ast_expr *value;
    struct ecc_span span;
};

struct ecc_ast_remote { /* node.Op(args) */
    struct ecc_name node, op;
    struct ecc_ast_inits args; /* each has a name or is a spread */
    struct ecc_span span;
};

struct ecc_ast_expr {
    enum ecc_ast_expr_kind kind;
    unsigned depth; /* of the expressions below it; bounded, so that walks may recurse */
    struct ecc_span span;
    union {
        struct ecc_text text;
        int64_t i;
        double f;
        bool b;
        struct ecc_name name;
        struct { struct ecc_ast_expr *of; struct ecc_name name; } member;
        struct { struct ecc_ast_expr *of, *key; } index;
        struct { enum ecc_ast_function fn; struct ecc_name name; struct ecc_ast_inits args; } call; /* name: as written, dots and all */
        struct ecc_ast_remote *remote;
        struct { struct ecc_name type; struct ecc_ast_inits inits; } record; /* type may be absent; inits have names or are spreads */
        struct ecc_ast_exprs list;
        struct { enum ecc_operator op; struct ecc_span op_span; struct ecc_ast_expr *left, *right; } op;
        struct ecc_ast_expr *missing;
    } u;
};

struct ecc_ast_keyed { /* cache.space[key] */
    struct ecc_name cache, space;
    struct ecc_ast_expr *key;
    struct ecc_span span;
};

/* ------------------------------------------------------------------ statements */

#define ECC_AST_STMT_KINDS(X)                                                                                                         \
    X(SQL)     /* u.sql */                                                                                                            \
    X(TX)      /* u.block */                                                                                                          \
    X(CALL)    /* u.call */                                                                                                           \
    X(START)   /* u.start */                                                                                                          \
    X(AWAIT)   /* u.await */                                                                                                          \
    X(PUBLISH) /* u.publish */                                                                                                        \
    X(GET)     /* u.keyed */                                                                                                          \
    X(PUT)     /* u.put */                                                                                                            \
    X(DROP)    /* u.keyed */                                                                                                          \
    X(LET)     /* u.expr: a value, or a CALL of one of the functions of the language */                                               \
    X(FOR)     /* u.loop */                                                                                                           \
    X(WHEN)    /* u.when */                                                                                                           \
    X(FAIL)    /* u.fail */                                                                                                           \
    X(RETURN)  /* u.expr, or NULL */                                                                                                  \
    X(ACCEPT)  /* u.expr */

enum ecc_ast_stmt_kind {
#define X(e) ECC_AST_STMT_##e,
    ECC_AST_STMT_KINDS(X)
#undef X
};

struct ecc_ast_catch {
    struct ecc_name error;
    struct ecc_ast_block body;
    struct ecc_span span;
};

struct ecc_ast_stmt {
    enum ecc_ast_stmt_kind kind;
    struct ecc_span span;
    struct ecc_name let;         /* absent: no `let x =` */
    struct ecc_ast_stmt *none;   /* none -> OUT: FAIL (without a condition), RETURN or ACCEPT; or NULL. SQL, GET, LET */
    struct ecc_ast_stmt *found;  /* likewise; SQL, GET */
    union {
        struct { enum ecc_sql_shape shape; struct ecc_text text; size_t number; /* in the file's `ahead` */ } sql;
        struct ecc_ast_block block;
        struct { struct ecc_ast_remote *remote; struct ecc_ast_expr *key; /* or NULL */ struct ecc_ast_catches catches; } call;
        struct { struct ecc_name saga; struct ecc_ast_inits args; } start;
        struct { struct ecc_name saga; bool has_late; struct ecc_ast_block late; struct ecc_ast_catches catches; } await; /* a variable */
        struct { struct ecc_name event; int64_t version; struct ecc_ast_expr *body; } publish; /* version 0: not said; body: RECORD without a type */
        struct ecc_ast_keyed *keyed;
        struct { struct ecc_ast_keyed *keyed; struct ecc_ast_expr *value; } put;
        struct ecc_ast_expr *expr;
        struct { struct ecc_name item; struct ecc_ast_expr *list; struct ecc_ast_block body; } loop;
        struct { struct ecc_ast_expr *cond; struct ecc_ast_block then, otherwise; bool has_else; } when;
        struct { struct ecc_name error; struct ecc_ast_expr *cond; } fail; /* cond NULL: always */
    } u;
};

/* ------------------------------------------------------------------ parts of nodes */

struct ecc_ast_setting { /* setting name: type env NAME [= literal]; field.dflt may be NULL */
    struct ecc_ast_field *field;
    struct ecc_name env;
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_settings, struct ecc_ast_setting *);

struct ecc_ast_topic {
    struct ecc_name name, key;
    int64_t partitions;
    struct ecc_span partitions_span;
    int64_t retention_ms; /* 0: not given */
    struct ecc_names events;
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_topics, struct ecc_ast_topic *);

struct ecc_ast_keyspace { /* keyspace name [key: type] -> Type ttl D [near D] */
    struct ecc_name name;
    struct ecc_ast_field *key;
    struct ecc_name value;
    int64_t ttl_ms;
    struct ecc_span ttl_span;
    int64_t near_ms;
    struct ecc_span near_span; /* empty: not given */
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_keyspaces, struct ecc_ast_keyspace *);

#include "ast_external.h"

struct ecc_ast_jwt {
    struct ecc_text issuer, audience;
    struct ecc_name secret;
    struct ecc_span span;
};

struct ecc_ast_column {
    struct ecc_name name, was; /* was may be absent */
    struct ecc_ast_type *type;
    bool primary_key, unique;
    struct ecc_name references; /* table, or absent */
    struct ecc_ast_expr *dflt;  /* a literal, a NAME (an enum's value) or a CALL, or NULL */
    struct ecc_text check;      /* or absent */
    size_t check_number;        /* in the file's `ahead` */
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_columns, struct ecc_ast_column *);

struct ecc_ast_constraint {
    enum ecc_constraint_kind kind;
    struct ecc_text sql;
    size_t number; /* in the file's `ahead` */
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_constraints, struct ecc_ast_constraint);

struct ecc_ast_table {
    struct ecc_name name, was; /* was may be absent */
    struct ecc_ast_columns columns;
    struct ecc_ast_constraints constraints; /* a second `check` after one column is here, too */
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_tables, struct ecc_ast_table *);

struct ecc_ast_seed {
    struct ecc_name table;
    struct ecc_ast_inits values;
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_seeds, struct ecc_ast_seed *);

struct ecc_ast_drop { /* drop [service.]table[.column] "why"; drop saga name [vN] "why"; drop event Name vN "why" */
    struct ecc_name service; /* absent inside a database block */
    struct ecc_name table, column, saga, event; /* a table, whose column may be absent, a saga or an event */
    int64_t version; /* of a saga or event; 0: every one */
    struct ecc_text why;
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_drops, struct ecc_ast_drop *);

struct ecc_ast_database { /* several `database` blocks are one */
    bool present;
    struct ecc_ast_tables tables;
    struct ecc_ast_seeds seeds;
    struct ecc_ast_drops drops;
    struct ecc_span span; /* of the word `database` */
};

struct ecc_ast_op {
    struct ecc_name name, was; /* was may be absent */
    struct ecc_ast_fields params;
    struct ecc_ast_type *result; /* or NULL */
    struct ecc_names errors;
    bool custom; /* no body */
    struct ecc_ast_block body;
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_ops, struct ecc_ast_op *);

struct ecc_ast_consumer {
    struct ecc_name event, var, topic, group;
    int64_t version; /* of the event; 0: not said */
    bool has_retry;
    int64_t retries;
    struct ecc_ast_range backoff;
    bool has_then, dead_letter; /* then dead-letter | then drop */
    struct ecc_ast_block body;
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_consumers, struct ecc_ast_consumer *);

struct ecc_ast_step {
    struct ecc_name name;
    struct ecc_ast_remote *run, *undo; /* undo may be NULL */
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_steps, struct ecc_ast_step *);

struct ecc_ast_auth { /* auth jwt via node.Op(args) cache D [while cache.space[key]] */
    struct ecc_ast_remote *via;
    int64_t cache_ms;
    struct ecc_span cache_span;
    struct ecc_ast_keyed *while_; /* or NULL */
    struct ecc_span span;
};

struct ecc_ast_limit {
    int64_t count;    /* in ... */
    int64_t period_ms;
    int64_t burst;
    int64_t lease;    /* lease_span {0}: none is given */
    struct ecc_span lease_span;
    enum ecc_limit_per per;
    struct ecc_name cache;
    bool when_down_allow;
    struct ecc_span span;
};

struct ecc_ast_branch {
    struct ecc_name name;
    bool required;
    struct ecc_ast_remote *call;
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_branches, struct ecc_ast_branch *);

struct ecc_ast_route {
    struct ecc_name method; /* GET, HEAD, POST, PUT, PATCH, DELETE: checked */
    struct ecc_text path;
    bool auth;
    struct ecc_ast_remote *call;      /* NULL: branches */
    struct ecc_ast_branches branches;
    bool has_status;
    int64_t status;
    struct ecc_span status_span;
    struct ecc_text accepted;         /* or absent */
    bool idempotent;
    struct ecc_span idempotent_span;
    struct ecc_ast_keyed *cache;      /* or NULL */
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_routes, struct ecc_ast_route *);

/* One property of an edge or policy. A property that is written twice is an error of the parser. */
#define ECC_AST_PROP_KINDS(X)                                                                                                         \
    X(HTTP, "http")                                                                                                                   \
    X(HTTPS, "https")                                                                                                                 \
    X(EXTERNAL, "external")                                                                                                           \
    X(TIMEOUT, "timeout")          /* ms */                                                                                           \
    X(RETRY, "retry")              /* count, range */                                                                                 \
    X(BREAKER, "breaker")          /* count: trip, timeouts_only, ms: open, probes */                                                 \
    X(CONCURRENCY, "concurrency")  /* count */                                                                                        \
    X(ON_OPEN, "on open")          /* error */                                                                                        \
    X(ON_FAILURE, "on failure")    /* error */                                                                                        \
    X(PUBLISH, "publish")          /* names: topics */                                                                                \
    X(CONSUME, "consume")          /* names: topics */                                                                                \
    X(KEYSPACE, "keyspace")        /* names: keyspaces */                                                                             \
    X(USE, "use")                  /* names: one policy; in an edge only */

enum ecc_ast_prop_kind {
#define X(e, name) ECC_AST_PROP_##e,
    ECC_AST_PROP_KINDS(X)
#undef X
};

struct ecc_ast_prop {
    enum ecc_ast_prop_kind kind;
    struct ecc_span span;
    int64_t ms, count, probes;
    bool timeouts_only;
    struct ecc_ast_range range;
    struct ecc_name error;
    struct ecc_names names;
};
ECC_AST_LIST(ecc_ast_props, struct ecc_ast_prop *);

/* ------------------------------------------------------------------ scenarios */

struct ecc_ast_request {           /* [let x =] client METHOD "/path" [{ object }] [times N], or, of a `given`, [let x =] node.Op(args) */
    struct ecc_name let;           /* absent, except in an identity or a `given` */
    struct ecc_ast_remote *remote; /* or NULL; with it there is nothing of the rest */
    struct ecc_name client, method;
    struct ecc_text path;
    struct ecc_ast_expr *body; /* RECORD without type, or NULL */
    int64_t times;             /* 1 unless given */
    struct ecc_span span;
};
ECC_AST_LIST(ecc_ast_requests, struct ecc_ast_request *);

#define ECC_AST_CLAUSE_KINDS(X)                                                                                                       \
    X(SIGNED_IN) /* given u.identity signed in */                                                                                     \
    X(GIVEN)     /* u.request */                                                                                                      \
    X(WHEN)      /* u.request */                                                                                                      \
    X(ASSUME)    /* u.assume */                                                                                                       \
    X(EXPECT)    /* u.expect: all but the status may be absent */                                                                     \
    X(SAY)       /* u.say */

enum ecc_ast_clause_kind {
#define X(e) ECC_AST_CLAUSE_##e,
    ECC_AST_CLAUSE_KINDS(X)
#undef X
};

struct ecc_ast_clause {
    enum ecc_ast_clause_kind kind;
    struct ecc_span span;
    union {
        struct ecc_name identity;
        struct ecc_ast_request *request;
        struct { /* by kind: FAILS node op error; HANGS, DOWN node; OPEN node (from) to; HOLDS, MISSES node (the cache) keyspace */
            enum ecc_assume_kind kind;
            struct ecc_name node, op, error, to, keyspace;
        } assume;
        struct { int64_t status; struct ecc_span status_span; struct ecc_name error; struct ecc_text header, value; } expect;
        struct { struct ecc_name from, to; struct ecc_text text; } say;
    } u;
};
ECC_AST_LIST(ecc_ast_clauses, struct ecc_ast_clause *);

/* ------------------------------------------------------------------ top level */

/* X(enumerator, member of u, what a person calls it) */
#define ECC_AST_DECL_KINDS(X)                                                                                                         \
    X(TOPOLOGY, "topology")   /* title */                                                                                             \
    X(ENUM, "enum")                                                                                                                   \
    X(RECORD, "record")                                                                                                               \
    X(ERROR, "error")         /* title */                                                                                             \
    X(EVENT, "event")                                                                                                                 \
    X(CLIENT, "client")       /* title */                                                                                             \
    X(BUS, "bus")             /* title */                                                                                             \
    X(CACHE, "cache")         /* title */                                                                                             \
    X(EXTERNAL, "external")   /* title */                                                                                             \
    X(SERVICE, "service")     /* title */                                                                                             \
    X(GATEWAY, "gateway")     /* title */                                                                                             \
    X(SAGA, "saga")                                                                                                                   \
    X(POLICY, "policy")                                                                                                               \
    X(EDGE, "edge")                                                                                                                   \
    X(FORBID, "forbid")                                                                                                               \
    X(INVARIANT, "invariant")                                                                                                         \
    X(IDENTITY, "identity")                                                                                                           \
    X(SCENARIO, "scenario")   /* title */                                                                                             \
    X(DROP, "drop")

enum ecc_ast_decl_kind {
#define X(e, name) ECC_AST_DECL_##e,
    ECC_AST_DECL_KINDS(X)
#undef X
};

struct ecc_ast_decl {
    enum ecc_ast_decl_kind kind;
    struct ecc_span span;  /* from the first word to the last byte */
    struct ecc_name name;  /* absent: EDGE, FORBID, INVARIANT, DROP; TOPOLOGY: may be */
    struct ecc_text title; /* where the list above says so */
    union {
        struct ecc_names values;                                                   /* ENUM */
        struct ecc_ast_fields fields;                                              /* RECORD */
        struct { int64_t status; struct ecc_span status_span; } error;             /* ERROR */
        struct { int64_t version; struct ecc_span version_span; struct ecc_ast_fields fields; } event;
        struct { struct ecc_ast_topics topics; } bus;
        struct { struct ecc_ast_keyspaces keyspaces; } cache;
        struct {
            struct ecc_text base;    /* absent: not given */
            struct ecc_name base_env;
            struct ecc_ast_ext_auth *auth; /* NULL: not given */
            struct ecc_ast_settings settings;
            struct ecc_ast_ext_calls calls;
            struct ecc_ast_sandbox sandbox;
        } external;
        struct {
            struct ecc_ast_jwt *jwt; /* or NULL */
            struct ecc_ast_settings settings;
            struct ecc_ast_database database;
            struct ecc_ast_ops ops;
            struct ecc_ast_consumers consumers;
            int64_t workers; /* 0: not given */
            struct ecc_span workers_span;
        } service;
        struct {
            int64_t port; /* 0: not given */
            struct ecc_span port_span;
            bool tls;
            struct ecc_ast_auth *auth;   /* or NULL */
            struct ecc_ast_limit *limit; /* or NULL */
            struct ecc_ast_routes routes;
        } gateway;
        struct {
            struct ecc_name service;
            struct ecc_ast_fields params;
            struct ecc_ast_steps steps;
            bool has_done, has_failed;
            struct ecc_ast_block done, failed;
        } saga;
        struct ecc_ast_props policy;
        struct { struct ecc_name from, to; struct ecc_ast_props props; } edge;
        struct { struct ecc_name from, to; struct ecc_text why; } forbid;
        struct { struct ecc_text name; struct ecc_names nodes; struct ecc_text sql; } invariant;
        struct { struct ecc_ast_requests requests; struct ecc_names token; } identity; /* token a.b.c; n == 0: not given */
        struct { struct ecc_ast_clauses clauses; } scenario;
        struct ecc_ast_drop *drop;
    } u;
};
ECC_AST_LIST(ecc_ast_decls, struct ecc_ast_decl *);
struct ecc_ast_file {
    struct ecc_ast_decls decls; /* in source order */
    struct ecc_spans comments;  /* from `//` to the end of the line, in source order */
    struct ecc_sql_ahead *ahead; /* is told of SQL, or NULL */
};

const char *ecc_ast_function_name(enum ecc_ast_function fn);
const char *ecc_ast_decl_name(enum ecc_ast_decl_kind kind);
const char *ecc_ast_prop_name(enum ecc_ast_prop_kind kind);

#endif
