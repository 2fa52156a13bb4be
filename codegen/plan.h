/* Plan: a program of the model, lowered to what its C function does.
 *
 * The statements of an operation, a consumer or a saga's `done` and `failed` become acts: a tree in which nothing is implied any more.
 * Where a transaction begins and commits, which commit is the last one and carries the reply, where a key is claimed, what follows when
 * there is no row: each is an act of its own. An act that waits has a step, which is a `case` of the resumable function. Everything that
 * has to live from one act to another is a member of the frame. emit_program.c prints a plan and decides nothing.
 *
 * A plan lives in the arena that it was made in and points into the model.
 */
#ifndef ECC_PLAN_H
#define ECC_PLAN_H

#include "model.h"

struct ecc_arena;

/* X(enumerator) */
#define ECC_ACT_KINDS(X)                                                                                                              \
    X(CLAIM)  /* takes the key; waits */                                                                                              \
    X(BEGIN)  /* shared; opens the transaction; waits */                                                                              \
    X(COMMIT) /* with_out, last; waits */                                                                                             \
    X(RUN)    /* stmt: SQL, CALL, AWAIT, GET, PUT, DROP, HASH, VERIFY, SIGN, CLAIMS; waits */                                         \
    X(NOW)    /* stmt: LET, NEW_ID, PUBLISH, START, SQL that is deferred */                                                                                 \
    X(TAKE)   /* member points at row when there is one, else it is NULL */                                                           \
    X(EXPECT) /* no row is an internal error */                                                                                       \
    X(NO_ROW) /* body when the last SQL returned or touched nothing */                                                                \
    X(ABSENT) /* body when member is NULL */                                                                                          \
    X(FOUND)  /* body when there was a row, or member is there */                                                                     \
    X(LATE)   /* body when the saga had not ended */                                                                                  \
    X(CAUGHT) /* catches, then the check for any other error */                                                                       \
    X(FOR)                                                                                                                            \
    X(WHEN)   /* cond, body, otherwise */                                                                                             \
    X(OUT)    /* the reply becomes expr */                                                                                            \
    X(FAIL)   /* error */                                                                                                             \
    X(REPLY)                                                                                                                          \
    X(ACCEPT)

enum ecc_act_kind {
#define X(e) ECC_ACT_##e,
    ECC_ACT_KINDS(X)
#undef X
};

struct ecc_acts { struct ecc_act **items; size_t n, cap; };

struct ecc_act_catch { const struct ecc_error *error; struct ecc_acts body; };

struct ecc_act {
    enum ecc_act_kind kind;
    const char *step;            /* of an act that waits: snake, unique in the plan, safe after a prefix */
    const struct ecc_stmt *stmt; /* RUN NOW FOR */
    const struct ecc_member *member; /* TAKE ABSENT FOUND LATE; FOR: the item; RUN NOW: the result, or NULL */
    const struct ecc_member *row;    /* TAKE; RUN of an optional row: where it is read to */
    const struct ecc_member *index;  /* FOR */
    const struct ecc_member *list;   /* FOR: the list, where it has to be computed first; or NULL */
    const struct ecc_expr *expr;     /* WHEN OUT */
    const struct ecc_error *error;   /* FAIL; NULL: the time has passed (LATE without statements) */
    struct ecc_acts body, otherwise;
    struct ecc_act_catch *catches;   /* CAUGHT */
    size_t ncatches;
    bool catching;                   /* RUN: CAUGHT follows, a failure is left in the task */
    bool with_out, last;             /* COMMIT; with_out: REPLY and ACCEPT, too */
    bool shared;                     /* BEGIN: see plan_shared.h */
};

/* X(enumerator) */
#define ECC_MEMBER_KINDS(X)                                                                                                           \
    X(IN)    /* the operation's parameters or the event, by value */                                                                  \
    X(SAGA)  /* pointer to the saga's struct */                                                                                       \
    X(VALUE) /* of type */                                                                                                            \
    X(ROW)   /* struct of record */                                                                                                   \
    X(REF)   /* of a saga that was started */                                                                                         \
    X(LATE)  /* bool */                                                                                                               \
    X(INDEX) /* size_t */                                                                                                             \
    X(ITEM)  /* pointer to a record in a list, or a copy of a scalar: type */                                                         \
    X(OUT)   /* the reply */

enum ecc_member_kind {
#define X(e) ECC_MEMBER_##e,
    ECC_MEMBER_KINDS(X)
#undef X
};

struct ecc_member {
    enum ecc_member_kind kind;
    const char *name; /* unique in the frame, no C keyword */
    const struct ecc_type *type;
    const struct ecc_record *record; /* ROW */
    const struct ecc_var *var;       /* whose value it holds, or NULL */
};

enum ecc_plan_kind { ECC_PLAN_OP, ECC_PLAN_CONSUMER, ECC_PLAN_DONE, ECC_PLAN_FAILED };

struct ecc_plan {
    enum ecc_plan_kind kind;
    const struct ecc_node *service;
    const struct ecc_op *op;             /* OP */
    const struct ecc_consumer *consumer; /* CONSUMER */
    const struct ecc_saga *saga;         /* DONE FAILED */
    const struct ecc_program *program;
    const struct ecc_type *result;       /* NULL: replies nothing, or a record without fields */
    struct ecc_acts acts;
    struct { struct ecc_member **items; size_t n, cap; } members; /* in the order of the frame */
    struct { struct ecc_act **items; size_t n, cap; } steps;      /* acts that wait, in the order of the text */
};

/* Not of a `custom` one: that has no statements. */
const struct ecc_plan *ecc_plan_op(struct ecc_arena *arena, const struct ecc_op *op);
const struct ecc_plan *ecc_plan_consumer(struct ecc_arena *arena, const struct ecc_consumer *consumer);
const struct ecc_plan *ecc_plan_saga_end(struct ecc_arena *arena, const struct ecc_saga *saga, enum ecc_plan_kind kind);

/* The frame's member that holds the variable, or NULL: it is part of the input. */
const struct ecc_member *ecc_plan_member(const struct ecc_plan *plan, const struct ecc_var *var);

#endif
