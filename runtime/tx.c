/* SQL of generated code, alone and in transactions.
 *
 * A transaction costs two round trips: BEGIN, the inbox barrier and the first statement go out together, and so do the outbox rows, new
 * sagas, the stored reply and COMMIT; what is deferred (tx_defer.c) waits for one of the two, and some share both with others (tx_share.c).
 * Nothing is taken from the pool before the first statement. Everything is in the task's arena.
 *
 * A duplicate shows as a refused barrier (EC_TX_GUARD), a revoked or lost claim as a refused finish: both roll back, read what is stored
 * for the key and end the task with it. After a deadlock, or a connection lost before the commit, an ATOMIC program is run again from its
 * first step: it has done nothing else than what was rolled back. A commit whose answer is lost leaves task->unknown.
 */
#include "tx.h"

#include <stdlib.h>
#include <string.h>

#include "group.h"
#include "inbox.h"
#include "pg_statement.h"
#include "random.h"

enum { STATEMENT_MS = 30000, INSIST_MS = 5000, RESTARTS = 12 };

void (*ec_tx_before_last)(struct ec_task *task);

static const struct ec_sql sql_begin = {.name = "ec.begin", .text = "BEGIN"};
static const struct ec_sql sql_commit = {.name = "ec.commit", .text = "COMMIT"};
static const struct ec_sql sql_rollback = {.name = "ec.rollback", .text = "ROLLBACK"};
static const struct ec_pg_values no_values = {NULL, 0};

/* ------------------------------------------------------------------ bursts */

struct burst_cmd {
    struct ec_pg_cmd cmd;
    struct ec_burst *burst;
    void (*row)(struct ec_burst *burst, const struct ec_pg_reply *reply, void *data);
    void *data;
};

void ec_burst_note(struct ec_burst *burst, const struct ec_sql *sql, const struct ec_pg_reply *reply)
{
    bool guard = strcmp(reply->sqlstate, "22012") == 0 && sql && strncmp(sql->name, "ec.", 3) == 0;

    if (burst->error)
        return;
    if (sql && sql->none && strcmp(reply->sqlstate, "22012") == 0)
        burst->error = sql->none;
    else
        burst->error = guard ? &ec_error_conflict : ec_pg_error(burst->task, sql, reply);
    burst->failed = sql;
    burst->repeatable = ec_pg_repeatable(reply);
    memcpy(burst->sqlstate, reply->sqlstate, strlen(reply->sqlstate) + 1);
}

static void cmd_done(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    struct burst_cmd *own = cmd->data;
    struct ec_burst *burst = own->burst;

    if (reply->status != EC_PG_SKIPPED)
        ec_pg_statement_tell(burst->task, cmd->sql, reply, cmd->sent_ns);
    switch (reply->status) {
    case EC_PG_OK:
        if (own->row)
            own->row(burst, reply, own->data);
        break;
    case EC_PG_FAILED:
        /* A session that is ended says so, but not how far a commit had come. */
        burst->lost |= strncmp(reply->sqlstate, "57P", 3) == 0;
        ec_burst_note(burst, cmd->sql, reply);
        break;
    case EC_PG_LOST:
        burst->lost = true;
        ec_burst_note(burst, cmd->sql, reply);
        break;
    case EC_PG_SKIPPED:
        break;
    }
}

void ec_burst_add(struct ec_burst *burst, const struct ec_sql *sql, struct ec_pg_values values,
                  void (*row)(struct ec_burst *burst, const struct ec_pg_reply *reply, void *data), void *data)
{
    struct burst_cmd *own;

    if (burst->shared) {
        ec_burst_share_add(burst, sql, values, row, data);
        return;
    }
    own = EC_ALLOC(burst->task, struct burst_cmd);
    own->cmd.done = cmd_done;
    own->cmd.data = own;
    own->burst = burst;
    own->row = row;
    own->data = data;
    ec_pg_send(burst->conn, &own->cmd, sql, values);
}

bool ec_burst_refused(const struct ec_burst *burst, const struct ec_sql *guard)
{
    return burst->error && burst->failed == guard && strcmp(burst->sqlstate, "22012") == 0;
}

static void commit_row(struct ec_burst *burst, const struct ec_pg_reply *reply, void *data)
{
    (void)data;
    if (strcmp(reply->tag, "COMMIT") == 0 || burst->error)
        return;
    ec_log(EC_LOG_ERROR, burst->task, "a transaction was committed after one of its statements had failed");
    burst->error = &ec_error_internal;
    burst->failed = &sql_commit;
}

static void sync_done(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    struct ec_burst *burst = cmd->data;
    struct ec_tx *tx = burst->task->tx;

    if (reply->status != EC_PG_OK) {
        burst->lost |= reply->status == EC_PG_LOST;
        ec_burst_note(burst, NULL, reply);
    }
    if (!tx)
        ec_pg_release(burst->conn);
    else if (burst->lost)
        tx->lost = true;
    burst->done(burst);
}

static void go(struct ec_burst *burst)
{
    const struct ec_task *task = burst->task;
    struct ec_tx *tx = task->tx;
    uint64_t now = uv_hrtime(), deadline;

    if (tx && !tx->begun) {
        tx->begun = true;
        ec_burst_add(burst, &sql_begin, no_values, NULL, NULL);
        if (tx->barrier)
            ec_inbox_add_barrier(burst);
    }
    if (burst->send)
        burst->send(burst);
    if (burst->commits)
        ec_burst_add(burst, &sql_commit, no_values, commit_row, NULL);
    burst->sync.done = sync_done;
    burst->sync.data = burst;
    ec_pg_sync(burst->conn, &burst->sync);
    deadline = task->deadline_ns ? task->deadline_ns : now + (uint64_t)STATEMENT_MS * 1000000;
    if (burst->insists && deadline < now + (uint64_t)INSIST_MS * 1000000)
        deadline = now + (uint64_t)INSIST_MS * 1000000;
    ec_pg_deadline(burst->conn, deadline);
}

static void got(struct ec_pg_wait *wait, struct ec_pg_conn *conn, const struct ec_error *error)
{
    struct ec_burst *burst = wait->data;

    if (error) {
        burst->error = error;
        burst->done(burst);
        return;
    }
    burst->conn = conn;
    if (burst->task->tx)
        burst->task->tx->conn = conn;
    go(burst);
}

void ec_burst_start(struct ec_burst *burst)
{
    struct ec_tx *tx = burst->task->tx;

    if (tx && tx->conn) {
        burst->conn = tx->conn;
        go(burst);
        return;
    }
    burst->wait.got = got;
    burst->wait.data = burst;
    burst->wait.deadline_ns = burst->insists ? 0 : burst->task->deadline_ns;
    ec_pg_acquire(&burst->wait);
}

/* ------------------------------------------------------------------ opening and closing */

void ec_tx_open(struct ec_task *task, bool barrier)
{
    struct ec_tx *tx = EC_ALLOC(task, struct ec_tx);

    if (task->tx)
        ec_panic("a transaction is begun inside another");
    tx->barrier = barrier;
    tx->end = &tx->riders;
    tx->deferred_end = &tx->deferred;
    task->tx = tx;
}

void ec_tx_close(struct ec_task *task)
{
    struct ec_tx *tx = task->tx;

    task->tx = NULL;
    if (tx->conn)
        ec_pg_release(tx->conn);
}

void ec_tx_ride(struct ec_task *task, struct ec_tx_rider *rider)
{
    struct ec_tx *tx = task->tx;

    if (!tx)
        ec_panic("an event is published or a saga started outside of a transaction");
    rider->next = NULL;
    *tx->end = rider;
    tx->end = &rider->next;
}

struct closing {
    struct ec_burst burst;
    void (*then)(struct ec_task *task);
};

static void send_rollback(struct ec_burst *burst)
{
    ec_burst_add(burst, &sql_rollback, no_values, NULL, NULL);
}

static void rolled_back(struct ec_burst *burst)
{
    struct closing *closing = (struct closing *)burst;
    struct ec_task *task = burst->task;

    if (burst->error && !burst->lost)
        ec_pg_abandon(burst->conn, "ROLLBACK failed");
    ec_tx_close(task);
    closing->then(task);
}

/* hooks.rollback */
static void rollback(struct ec_task *task, void (*then)(struct ec_task *task))
{
    struct closing *closing;

    if (!task->tx->begun || task->tx->lost) {
        ec_tx_close(task);
        then(task);
        return;
    }
    closing = EC_ALLOC(task, struct closing);
    closing->burst = (struct ec_burst){.task = task, .send = send_rollback, .done = rolled_back, .insists = true};
    closing->then = then;
    ec_burst_start(&closing->burst);
}

static void send_settle(struct ec_burst *burst)
{
    ec_burst_add(burst, &sql_rollback, no_values, NULL, NULL);
    ec_inbox_add_stored(burst);
}

static void settled(struct ec_burst *burst)
{
    ec_tx_close(burst->task);
    ec_inbox_end(burst);
}

void ec_tx_settle(struct ec_task *task)
{
    struct ec_burst *burst = EC_ALLOC(task, struct ec_burst);

    *burst = (struct ec_burst){.task = task, .send = send_settle, .done = settled, .insists = true};
    if (!task->tx->begun) { /* it was shared, and nothing is open */
        ec_tx_close(task);
        burst->send = ec_inbox_add_stored;
        burst->done = ec_inbox_end;
    }
    ec_burst_start(burst);
}

/* ------------------------------------------------------------------ running an ATOMIC program again */

void ec_tx_go_back(struct ec_task *task, const struct ec_tx_place *place)
{
    task->step = place->step;
    task->starts = place->starts;
    task->ids = place->ids;
    task->calls = place->calls;
    task->error = NULL;
    task->detail = NULL;
    task->rows = 0;
}

struct restart {
    uv_timer_t timer;
    struct ec_task *task;
    struct restart *next;
};

static struct restart *restarts;

static void restart_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void restart_now(uv_timer_t *timer)
{
    struct restart *restart = timer->data, **at;
    struct ec_task *task = restart->task;

    for (at = &restarts; *at != restart; at = &(*at)->next)
        ;
    *at = restart->next;
    uv_close((uv_handle_t *)timer, restart_closed);
    ec_task_resume(task);
}

static void restart(struct ec_task *task)
{
    size_t input = task->program->in ? task->program->in->size : sizeof(void *);
    struct restart *restart = calloc(1, sizeof(*restart));

    if (!restart)
        ec_panic("out of memory");
    if (task->program->frame_size > input)
        memset((char *)task->frame + input, 0, task->program->frame_size - input);
    ec_tx_go_back(task, &(struct ec_tx_place){0});
    restart->task = task;
    restart->next = restarts;
    restarts = restart;
    uv_timer_init(ec_app.loop, &restart->timer);
    restart->timer.data = restart;
    uv_timer_start(&restart->timer, restart_now, (uint64_t)(2 + ec_random_unit() * (16 << (task->restarts < 6 ? task->restarts : 6))), 0);
}

/* A deadlock has a victim that did nothing wrong, and a connection that breaks before the commit takes the transaction with it. Only where
 * nothing but this transaction happened can the program start over. */
static bool restart_after(struct ec_burst *burst)
{
    struct ec_task *task = burst->task;

    if (!(burst->repeatable || (burst->lost && !burst->commits)) || !task->tx || task->program->repeat != EC_REPEAT_ATOMIC ||
        task->parent || task->restarts >= RESTARTS || ec_task_expired(task))
        return false;
    task->restarts++;
    rollback(task, restart);
    return true;
}

/* ------------------------------------------------------------------ statements */

struct statement {
    struct ec_burst burst;
    enum kind { EXEC, ONE, MANY } kind;
    const struct ec_sql *sql;
    struct ec_pg_values values;
    void *out;
    int64_t rows;
    const char *wrong;
};

static void resume(struct ec_task *task, const struct ec_burst *burst)
{
    task->error = burst->error;
    task->detail = NULL;
    task->retry_after_s = burst->error == &ec_error_unavailable ? ec_pg_retry_after_s() : 0;
    ec_task_resume(task);
}

static void statement_row(struct ec_burst *burst, const struct ec_pg_reply *reply, void *data)
{
    struct statement *statement = data;
    struct ec_arena *arena = burst->task->arena;
    const struct ec_record *record = statement->sql->row;
    struct ec_list *list;
    int i;

    statement->rows = reply->rows;
    if (statement->kind == EXEC || !record)
        return;
    if (statement->kind == ONE) {
        if (reply->rows > 1)
            statement->wrong = "more than one row";
        else if (reply->rows == 1)
            statement->wrong = ec_pg_read_row(arena, reply->result, 0, record, statement->out);
        return;
    }
    list = statement->out;
    list->n = (size_t)reply->rows;
    list->v = ec_arena_array(arena, list->n ? list->n : 1, record->size);
    for (i = 0; i < (int)reply->rows && !statement->wrong; i++)
        statement->wrong = ec_pg_read_row(arena, reply->result, i, record, (char *)list->v + (size_t)i * record->size);
}

static void send_statement(struct ec_burst *burst)
{
    struct statement *statement = (struct statement *)burst;

    if (burst->task->tx)
        ec_tx_send_deferred(burst);
    ec_burst_add(burst, statement->sql, statement->values, statement_row, statement);
}

static void statement_done(struct ec_burst *burst)
{
    struct statement *statement = (struct statement *)burst;
    struct ec_task *task = burst->task;

    if (ec_burst_refused(burst, &ec_inbox_barrier)) {
        ec_tx_settle(task);
        return;
    }
    if (restart_after(burst))
        return;
    if (!burst->error && statement->wrong) {
        ec_log(EC_LOG_ERROR, task, "a statement's rows do not fit", EC_L_STR("statement", statement->sql->name),
               EC_L_STR("why", statement->wrong));
        burst->error = &ec_error_internal;
    }
    task->rows = burst->error ? 0 : statement->rows;
    task->unknown = burst->lost && !task->tx && task->program->repeat != EC_REPEAT_READ;
    resume(task, burst);
}

static void run_statement(struct ec_task *task, enum kind kind, const struct ec_sql *sql, void *out, const struct ec_param *params,
                          size_t n)
{
    struct statement *statement = EC_ALLOC(task, struct statement);

    task->unknown = false;
    if (!ec_pg_encode(task->arena, params, n, &statement->values) || (task->tx && task->tx->unsendable)) {
        ec_task_fail_soon(task, &ec_error_invalid, "a text has a NUL character");
        return;
    }
    if (ec_task_expired(task)) {
        ec_task_fail_soon(task, &ec_error_timeout, NULL);
        return;
    }
    statement->burst = (struct ec_burst){.task = task, .send = send_statement, .done = statement_done};
    statement->kind = kind;
    statement->sql = sql;
    statement->out = out;
    if (task->tx && task->tx->open)
        ec_panic("a shared transaction waits for another statement");
    if (task->tx && task->tx->shares && ec_tx_can_share(task) && ec_group_opens())
        ec_burst_open(&statement->burst);
    else if (!task->tx && sql->lone && ec_group_opens())
        ec_burst_share(&statement->burst);
    else
        ec_burst_start(&statement->burst);
}

void ec_sql_exec(struct ec_task *task, const struct ec_sql *sql, const struct ec_param *params, size_t n)
{
    run_statement(task, EXEC, sql, NULL, params, n);
}

void ec_sql_one(struct ec_task *task, const struct ec_sql *sql, void *out, const struct ec_param *params, size_t n)
{
    run_statement(task, ONE, sql, out, params, n);
}

void ec_sql_many(struct ec_task *task, const struct ec_sql *sql, void *list, const struct ec_param *params, size_t n)
{
    run_statement(task, MANY, sql, list, params, n);
}

/* ------------------------------------------------------------------ begin and commit */

static void begin(struct ec_task *task, bool shares)
{
    bool keyed = ec_inbox_joins(task);

    task->unknown = false;
    if (ec_task_expired(task)) {
        ec_task_fail_soon(task, &ec_error_timeout, NULL);
        return;
    }
    ec_tx_open(task, keyed);
    task->tx->shares = shares;
    task->tx->begin = (struct ec_tx_place){task->step, task->starts, task->ids, task->calls};
    if (keyed && task->undoes.n) {
        ec_inbox_undo(task);
        return;
    }
    task->error = NULL;
    ec_task_resume_soon(task);
}

void ec_tx_begin(struct ec_task *task)
{
    begin(task, false);
}

void ec_tx_begin_shared(struct ec_task *task)
{
    begin(task, true);
}

struct commit {
    struct ec_burst burst;
    const void *out;
    bool last;
    const struct ec_sql *finish; /* or NULL */
    struct ec_pg_values values;
};

static void send_commit(struct ec_burst *burst)
{
    struct commit *commit = (struct commit *)burst;
    struct ec_tx_rider *rider;

    if (commit->finish) /* first: a key that is revoked is found before anything else waits for a lock */
        ec_burst_add(burst, commit->finish, commit->values, NULL, NULL);
    ec_tx_send_deferred(burst);
    for (rider = burst->task->tx->riders; rider; rider = rider->next)
        rider->send(rider, burst);
}

static void commit_done(struct ec_burst *burst)
{
    struct commit *commit = (struct commit *)burst;
    struct ec_task *task = burst->task;
    struct ec_tx_rider *rider = task->tx->riders;

    if (ec_burst_refused(burst, &ec_inbox_barrier) || (commit->finish && ec_burst_refused(burst, commit->finish))) {
        ec_tx_settle(task);
        return;
    }
    if (restart_after(burst))
        return;
    if (burst->error) {
        task->unknown = burst->lost; /* the transaction stays the task's, and is closed when it fails */
        resume(task, burst);
        return;
    }
    ec_tx_close(task);
    if (commit->last)
        ec_inbox_finished(task, commit->out);
    for (; rider; rider = rider->next)
        if (rider->committed)
            rider->committed(rider, task);
    resume(task, burst);
}

void ec_tx_commit(struct ec_task *task, const void *out, bool last)
{
    struct commit *commit = EC_ALLOC(task, struct commit);

    task->unknown = false;
    if (ec_task_expired(task) && !task->tx->open) { /* nobody else has to wait for that */
        ec_task_fail_soon(task, &ec_error_timeout, NULL);
        return;
    }
    if (last && ec_tx_before_last)
        ec_tx_before_last(task);
    commit->out = out;
    commit->last = last;
    commit->finish = ec_inbox_finish(task, out, last, &commit->values);
    if (task->tx->unsendable) {
        ec_task_fail_soon(task, &ec_error_invalid, "a text has a NUL character");
        return;
    }
    if (!task->tx->begun && !task->tx->open && !task->tx->deferred && !task->tx->riders && !task->tx->barrier && !commit->finish) {
        ec_tx_close(task); /* nothing was said in it */
        task->error = NULL;
        ec_task_resume_soon(task);
        return;
    }
    commit->burst = (struct ec_burst){.task = task, .send = send_commit, .done = commit_done, .commits = true, .insists = true};
    if (ec_tx_can_share(task))
        ec_burst_share(&commit->burst);
    else
        ec_burst_start(&commit->burst);
}

/* ------------------------------------------------------------------ the module's part */

void ec_tx_start(void)
{
    ec_task_hooks.rollback = rollback;
}

void ec_tx_stop(void)
{
    struct restart *restart;

    for (restart = restarts; restart; restart = restart->next)
        uv_close((uv_handle_t *)&restart->timer, restart_closed);
    restarts = NULL;
    ec_task_hooks.rollback = NULL;
}
