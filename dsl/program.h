/* What programs are made of: types, expressions, SQL statements, statements. Part of the model (model.h), with its lifetime and
 * rules.
 */
#ifndef ECC_PROGRAM_H
#define ECC_PROGRAM_H

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
    bool null;                   /* written as null when it is absent, not left out */
    struct ecc_span span;
    const struct ecc_field *origin; /* of a request's field: what names it, an operation's parameter or a part of the path; or NULL */
};

/* name is NULL for an inline record and for a row; codegen names those after the place they stand in. */
struct ecc_record {
    const char *name;
    struct ecc_field *fields;
    size_t nfields;
    struct ecc_span span;
    bool past; /* as it was in a release: fits what has been renamed since, or got a field that may be absent */
};

struct ecc_error {
    const char *name;
    int status;
    const char *title;
    struct ecc_span span;
};
bool ecc_is_momentary(const struct ecc_error *error); /* refused for the moment: whoever asks again may be served */

struct ecc_event { /* one version of it */
    const char *name;
    int version;
    const char *id;          /* the name; with the version, ThingMadeV2, from the second one on */
    bool several;            /* other versions of it are declared */
    struct ecc_record *body; /* body->name is id */
    const struct ecc_topic *topic; /* the one that carries it, in every version */
    const char *release;     /* what ecom.lock keeps of it: release.h */
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
    bool used; /* somebody reads it */
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

/* What a statement does to one table (sql_effect.c). */
enum ecc_sql_verb { ECC_SQL_OTHER /* not simple */, ECC_SQL_SELECT, ECC_SQL_INSERT, ECC_SQL_UPDATE, ECC_SQL_DELETE };

struct ecc_sql_operand {
    enum { ECC_SQL_COMPUTED, ECC_SQL_PARAM, ECC_SQL_TEXT, ECC_SQL_INT, ECC_SQL_BOOL, ECC_SQL_NULL } kind;
    size_t param;     /* PARAM: of the statement's */
    const char *text; /* TEXT */
    int64_t i;        /* INT, BOOL */
};
struct ecc_sql_set {
    const struct ecc_column *column;
    struct ecc_sql_operand value;
};
struct ecc_sql_cond {
    const struct ecc_column *column;
    enum ecc_operator op;
    const struct ecc_sql_operand *operands;
    size_t n; /* several: IN */
};

struct ecc_sql_effect {
    enum ecc_sql_verb verb;
    const struct ecc_table *table;  /* that it is about; NULL: not one of the service's, or several */
    const struct ecc_sql_set *sets; /* INSERT, UPDATE */
    size_t nsets;
    const struct ecc_sql_cond *conds; /* all hold of a row that it finds */
    size_t nconds;
    bool more;                         /* there are conditions beside them */
    bool conflict, skips;              /* ON CONFLICT; DO NOTHING */
    const struct ecc_column **results; /* of each field of the row; NULL: it is computed */
};

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
    const struct ecc_sql_effect *effect; /* NULL: it was reported */
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

#endif
