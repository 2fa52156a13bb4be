/* Statements that nobody waits for, and transactions that are made of nothing else.
 *
 * A deferred statement goes out with whatever its transaction sends next. One that must touch a row has a guard in its text, so that
 * the server itself keeps what comes behind it from happening; the program needs no look at the answer. A row that many want is then locked
 * for one commit, not for the round trips up to it.
 *
 * When the program comes to its commit and nothing has been sent yet, the whole transaction is one unit of the group lane: barrier,
 * statements, stored reply, events and sagas of many requests share one commit, and a row that all of them want costs them one lock and one
 * fsync together. Everything is in the task's arena.
 */
#include "group.h"
#include "inbox.h"
#include "pg_statement.h"
#include "span.h"
#include "tx.h"

enum { INSIST_MS = 5000 };

/* ------------------------------------------------------------------ deferring */

struct ec_tx_deferred {
    const struct ec_sql *sql;
    struct ec_pg_values values;
    struct ec_tx_deferred *next;
};

void ec_sql_defer(struct ec_task *task, const struct ec_sql *sql, const struct ec_param *params, size_t n)
{
    struct ec_tx *tx = task->tx;
    struct ec_tx_deferred *deferred = EC_ALLOC(task, struct ec_tx_deferred);

    if (!tx)
        ec_panic("a statement is deferred outside of a transaction");
    deferred->sql = sql;
    tx->unsendable |= !ec_pg_encode(task->arena, params, n, &deferred->values);
    *tx->deferred_end = deferred;
    tx->deferred_end = &deferred->next;
}

void ec_tx_send_deferred(struct ec_burst *burst)
{
    struct ec_tx *tx = burst->task->tx;
    const struct ec_tx_deferred *deferred;

    for (deferred = tx->deferred; deferred; deferred = deferred->next)
        ec_burst_add(burst, deferred->sql, deferred->values, NULL, NULL);
    tx->deferred = NULL;
    tx->deferred_end = &tx->deferred;
}

/* ------------------------------------------------------------------ sharing a commit */

struct shared {
    struct ec_group_unit unit; /* data: the burst */
    struct ec_group_statement **end;
};

struct statement {
    struct ec_group_statement statement;
    struct ec_burst *burst;
    void (*row)(struct ec_burst *burst, const struct ec_pg_reply *reply, void *data);
    void *data;
};

static void statement_row(struct ec_group_statement *of, const struct ec_pg_reply *reply)
{
    struct statement *statement = (struct statement *)of;

    ec_pg_statement_tell(statement->burst->task, of->sql, reply, of->cmd.sent_ns);
    if (statement->row)
        statement->row(statement->burst, reply, statement->data);
}

void ec_burst_share_add(struct ec_burst *burst, const struct ec_sql *sql, struct ec_pg_values values,
                        void (*row)(struct ec_burst *burst, const struct ec_pg_reply *reply, void *data), void *data)
{
    struct shared *shared = (struct shared *)burst->shared;
    struct statement *statement = EC_ALLOC(burst->task, struct statement);

    statement->statement.sql = sql;
    statement->statement.values = values;
    statement->statement.row = row || ec_spans_on ? statement_row : NULL;
    statement->burst = burst;
    statement->row = row;
    statement->data = data;
    *shared->end = &statement->statement;
    shared->end = &statement->statement.next;
}

static const struct ec_error *refused(struct ec_group_unit *unit, const struct ec_sql *sql, const struct ec_pg_reply *reply)
{
    struct ec_burst *burst = unit->data;

    ec_pg_statement_tell(burst->task, sql, reply, uv_hrtime());
    ec_burst_note(burst, sql, reply);
    return burst->error;
}

static void done(struct ec_group_unit *unit)
{
    struct ec_burst *burst = unit->data;

    /* What the server has refused at last it had not committed before either: it would have refused it for that. */
    burst->lost = unit->error && unit->unknown && !burst->error;
    burst->error = unit->error;
    burst->repeatable |= unit->locked;
    burst->done(burst);
}

void ec_burst_share(struct ec_burst *burst, bool once)
{
    const struct ec_task *task = burst->task;
    struct shared *shared = EC_ALLOC(burst->task, struct shared);
    uint64_t insists = uv_hrtime() + (uint64_t)INSIST_MS * 1000000;

    shared->unit = (struct ec_group_unit){.refused = refused, .done = done, .data = burst, .once = once, .deadline_ns = insists};
    if (task->deadline_ns > insists)
        shared->unit.deadline_ns = task->deadline_ns;
    shared->end = &shared->unit.statements;
    burst->shared = &shared->unit;
    if (task->tx->barrier)
        ec_inbox_add_barrier(burst);
    burst->send(burst);
    ec_group_submit(&shared->unit);
}
