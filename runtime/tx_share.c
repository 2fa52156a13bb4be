/* Transactions that share their commit with others, in the group lane.
 *
 * One that comes to its commit with nothing sent is one unit: barrier, statements, stored reply, events and sagas of many requests share
 * one commit, and a row that all of them want costs them one lock and one fsync together. One that has to read a row first, and knows all
 * the rest then (ec_tx_begin_shared), is a unit that opens: its first burst is sent with those of others, then what goes with its commit. A
 * write outside of any transaction is a unit, too.
 *
 * The lane gives back what meets a stranger's lock, or stands beside something that fails. Then the program goes on from where it began its
 * transaction, of which nothing has happened, and the transaction has a connection of its own. Everything is in the task's arena.
 */
#include "group.h"
#include "inbox.h"
#include "pg_statement.h"
#include "span.h"
#include "tx.h"

enum { INSIST_MS = 5000 };

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

/* A branch has not begun its transaction; and one that has met a deadlock waits better on a connection of its own. */
bool ec_tx_can_share(const struct ec_task *task)
{
    return !task->tx->begun && !task->tx->own && !task->parent && task->restarts == 0;
}

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

/* ------------------------------------------------------------------ outcomes */

static const struct ec_error *refused(struct ec_group_unit *unit, const struct ec_sql *sql, const struct ec_pg_reply *reply)
{
    struct ec_burst *burst = unit->data;

    ec_pg_statement_tell(burst->task, sql, reply, uv_hrtime());
    ec_burst_note(burst, sql, reply);
    return burst->error;
}

/* The program goes on from its begin. */
static void again(struct ec_task *task)
{
    struct ec_tx_place begin = task->tx->begin;
    bool barrier = task->tx->barrier;

    ec_tx_close(task);
    ec_tx_open(task, barrier);
    task->tx->own = true;
    task->tx->begin = begin;
    ec_tx_go_back(task, &begin);
    ec_task_resume(task);
}

static void done(struct ec_group_unit *unit)
{
    struct ec_burst *burst = unit->data;

    if (unit->returned && burst->task->tx) {
        again(burst->task);
        return;
    }
    if (unit->returned) {
        burst->shared = NULL;
        ec_burst_start(burst);
        return;
    }
    /* What the server has refused at last it had not committed before either: it would have refused it for that. */
    burst->lost = unit->error && unit->unknown && !burst->error;
    burst->error = unit->error;
    burst->done(burst);
}

static void opened(struct ec_group_unit *unit)
{
    struct ec_burst *burst = unit->data;

    burst->task->tx->open = unit;
    burst->done(burst); /* by the end of which it is closed, or its task has failed */
}

/* ------------------------------------------------------------------ what begins and what commits */

static void begin(struct ec_burst *burst, struct shared *shared)
{
    const struct ec_task *task = burst->task;
    uint64_t insists = uv_hrtime() + (uint64_t)INSIST_MS * 1000000;

    shared->unit = (struct ec_group_unit){.refused = refused, .done = done, .data = burst, .deadline_ns = task->deadline_ns};
    if (burst->insists && task->deadline_ns < insists)
        shared->unit.deadline_ns = insists;
    shared->end = &shared->unit.statements;
    burst->shared = &shared->unit;
    if (task->tx && task->tx->barrier)
        ec_inbox_add_barrier(burst);
    burst->send(burst);
}

void ec_burst_open(struct ec_burst *burst)
{
    struct shared *shared = EC_ALLOC(burst->task, struct shared);

    begin(burst, shared);
    shared->unit.opened = opened;
    ec_group_submit(&shared->unit);
}

/* Sent again after it was committed, it is refused. */
static bool is_repeatable(const struct ec_task *task)
{
    const struct ec_tx_rider *rider;

    if (!task->tx)
        return false;
    for (rider = task->tx->riders; rider; rider = rider->next)
        if (rider->fences)
            return true;
    return task->tx->barrier;
}

void ec_burst_share(struct ec_burst *burst)
{
    struct ec_tx *tx = burst->task->tx;
    struct shared *shared = tx ? (struct shared *)tx->open : NULL;

    if (!shared) {
        shared = EC_ALLOC(burst->task, struct shared);
        begin(burst, shared);
        shared->unit.once = !is_repeatable(burst->task);
        ec_group_submit(&shared->unit);
        return;
    }
    tx->open = NULL;
    shared->unit.data = burst;
    shared->unit.statements = NULL;
    shared->end = &shared->unit.statements;
    burst->shared = &shared->unit;
    burst->send(burst);
    ec_group_close(&shared->unit);
}
