/* The group lane: writes of different tasks and sagas that are ready together share one commit.
 *
 * A unit is one statement (a WITH that does all its writes at once, its fence included), so that one unit that finds nothing to write
 * doesn't hold up the others: it has touched no row and says so. Or it is the statements of a whole transaction (tx_defer.c). When a group
 * fails, or its answer is lost, every unit of it is run again, alone: so a unit must be idempotent, or say that it is to be run `once`,
 * which is as often as it takes to know that it was or was not committed.
 *
 * A unit that has `opened` is a transaction of which the end depends on what is read in it. The statements of all such units are sent and
 * answered, and the transaction stays open; then each is told, and has to close with what goes with its commit at once, before `opened`
 * returns. What else has gathered by then goes with them. If one of them doesn't close, nothing of it happens, and the others are given
 * back.
 */
#ifndef EC_GROUP_H
#define EC_GROUP_H

#include "pg.h"

struct ec_group_unit;
struct ec_group_statement { /* of a unit that has several; the owner's memory */
    const struct ec_sql *sql;
    struct ec_pg_values values;
    void (*row)(struct ec_group_statement *statement, const struct ec_pg_reply *reply); /* as the unit's */
    struct ec_group_statement *next;
    /* group.c's */
    struct ec_group_unit *unit;
    struct ec_pg_cmd cmd;
};

struct ec_group_unit { /* the owner's memory, with its values, until done is called */
    const struct ec_sql *sql;
    struct ec_pg_values values;
    void (*row)(struct ec_group_unit *unit, const struct ec_pg_reply *reply); /* or NULL; not committed yet, and may be called again */
    void (*done)(struct ec_group_unit *unit);                                 /* from a later turn */
    struct ec_group_statement *statements;                                    /* instead of sql, values and row; NULL: none */
    /* The error of what the server refused for good, alone; NULL: the runtime's own for it. */
    const struct ec_error *(*refused)(struct ec_group_unit *unit, const struct ec_sql *sql, const struct ec_pg_reply *reply);
    void (*opened)(struct ec_group_unit *unit); /* or NULL. The unit is the owner's, unless it has closed */
    void *data;
    bool once;            /* when its answer is lost it has failed, unknown; as one that has opened always has */
    uint64_t deadline_ns; /* 0: ten seconds from now */
    /* outcome */
    const struct ec_error *error; /* NULL: committed */
    bool unknown;                 /* with error: it may have been committed */
    /* With error, of one with statements: nothing of it has happened, since it, or one beside it, met a stranger's lock; of one with
     * `opened`, for whatever reason. Its owner has a better place for it: a connection of its own. */
    bool returned;
    int64_t rows;
    /* group.c's */
    struct ec_group_unit *next;
    struct ec_pg_cmd cmd, sync;
    bool alone, failed, ahead, barred;
};
void ec_group_submit(struct ec_group_unit *unit);
/* In its `opened`, once. Its statements (or none), done and data are new, and those of `opened` have been answered. */
void ec_group_close(struct ec_group_unit *unit);
/* Whether programs' statements are wanted, that have another place to go: not after some had to be given back, or took long. */
bool ec_group_opens(void);

/* A statement for many members of a commit (group_set.c). Its parameters are those of the one, as arrays; the first names the row that is
 * written, and no two members have the same. Its first column is the member, from 1; the others are those of the one. No row is no row of
 * that member's. One that has to touch a row for each of them fails when it has not, and then each is run alone. */
struct ec_group_set {
    struct ec_sql sql;
    bool late; /* it rides with a commit: behind the program's statements */
};
enum { EC_GROUP_SET_PARAMS = 9 };
/* What a guard of a set says: 1, or division by zero where not each of the array had its row. */
#define EC_GROUP_ALL(array, rows) " SELECT 1 / (count(*) = cardinality(" array "))::int FROM " rows

extern int ec_group_limit;   /* statements of members a commit; 1 for comparison */
extern int ec_group_slow_ms; /* a flight that takes longer was slow; tests set it, that don't ask the clock */
extern int ec_group_shy_ms;  /* the first time without programs' statements */

void ec_group_start(void);
bool ec_group_idle(void);
void ec_group_stop(void);

#endif
