/* What an undo does first: it revokes the key of its do, so that a do that comes late, or is still on its way, is refused.
 *
 * One burst: BEGIN, the undo's own key (the barrier of an ATOMIC program, the claim of another), then the do's key is inserted as revoked,
 * or locked, read and revoked where it stands. What it was before is kept in `detail`, because an undo that is run again has to know
 * whether there is something to undo. Verdicts: not there, or failed      nothing to do: the undo is done with this transaction running
 * under a live lease  nothing is decided: conflict, come again done, or running no more    the body runs; for ATOMIC in this transaction,
 * otherwise after it is committed
 */
#include <string.h>

#include "inbox.h"

static const struct ec_sql sql_insert = {
    .name = "ec.inbox.revoke_absent",
    .text = "INSERT INTO ec.inbox (key, program, state, detail) VALUES ($1, $2, 'revoked', 'absent') ON CONFLICT (key) DO NOTHING",
};

static const struct ec_sql sql_look = {
    .name = "ec.inbox.revoke_look",
    .text = "SELECT CASE WHEN state = 'revoked' THEN detail WHEN state = 'running' AND lease_until > clock_timestamp() THEN 'live' ELSE "
            "state END "
            "FROM ec.inbox WHERE key = $1 FOR UPDATE",
};

static const struct ec_sql sql_revoke = {
    .name = "ec.inbox.revoke",
    .text = "UPDATE ec.inbox SET state = 'revoked', detail = state, lease_until = NULL WHERE key = $1 AND "
            "(state IN ('done', 'failed') OR state = 'running' AND lease_until <= clock_timestamp())",
};

struct undo {
    struct ec_burst burst;
    enum { UNDECIDED, NOTHING, LIVE, BODY } verdict;
};

static void looked(struct ec_burst *burst, const struct ec_pg_reply *reply, void *data)
{
    struct undo *undo = data;
    struct ec_str was;

    (void)burst;
    if (reply->rows != 1)
        return;
    was = ec_pg_cell(reply->result, 0, 0);
    if (ec_str_eq(was, EC_STR("absent")) || ec_str_eq(was, EC_STR("failed")))
        undo->verdict = NOTHING;
    else if (ec_str_eq(was, EC_STR("live")))
        undo->verdict = LIVE;
    else
        undo->verdict = BODY;
}

static void send_undo(struct ec_burst *burst)
{
    struct ec_task *task = burst->task;
    struct ec_pg_values insert, key;

    if (!ec_inbox_joins(task))
        ec_inbox_add_claim(burst);
    if (!ec_pg_encode(task->arena, EC_PARAMS(ec_param_text(task->undoes), ec_param_text(ec_str_of(task->program->name))), &insert) ||
        !ec_pg_encode(task->arena, EC_PARAMS(ec_param_text(task->undoes)), &key))
        ec_panic("a key has a NUL character");
    ec_burst_add(burst, &sql_insert, insert, NULL, NULL);
    ec_burst_add(burst, &sql_look, key, looked, burst);
    ec_burst_add(burst, &sql_revoke, key, NULL, NULL);
}

static void fail(struct ec_burst *burst)
{
    struct ec_task *task = burst->task;

    task->error = burst->error;
    task->unknown = burst->lost && burst->commits;
    task->retry_after_s = burst->error == &ec_error_unavailable ? ec_pg_retry_after_s() : 0;
    ec_task_resume(task); /* it fails, which closes the transaction */
}

static void over(struct ec_burst *burst)
{
    if (burst->error) {
        fail(burst);
        return;
    }
    ec_tx_close(burst->task);
    ec_task_end(burst->task, NULL, NULL, false);
}

static void committed(struct ec_burst *burst)
{
    if (burst->error) {
        fail(burst);
        return;
    }
    ec_tx_close(burst->task);
    burst->task->error = NULL;
    ec_task_resume(burst->task);
}

static void decided(struct ec_burst *burst)
{
    struct undo *undo = (struct undo *)burst;
    struct ec_task *task = burst->task;
    bool atomic = ec_inbox_joins(task);
    struct ec_burst *more;

    if (ec_burst_refused(burst, &ec_inbox_barrier) || (!burst->error && !atomic && !task->claimed)) {
        ec_tx_settle(task);
        return;
    }
    if (burst->error) {
        task->claimed = false;
        fail(burst);
        return;
    }
    if (undo->verdict == LIVE || undo->verdict == UNDECIDED) {
        task->claimed = false;
        task->retry_after_s = 1;
        ec_task_end(task, &ec_error_conflict, NULL, false);
        return;
    }
    if (undo->verdict == BODY && atomic) {
        task->error = NULL;
        ec_task_resume(task);
        return;
    }
    more = EC_ALLOC(task, struct ec_burst);
    *more = (struct ec_burst){.task = task, .commits = true, .insists = true};
    more->send = undo->verdict == NOTHING && !atomic ? ec_inbox_add_done : NULL;
    more->done = undo->verdict == NOTHING ? over : committed;
    ec_burst_start(more);
}

void ec_inbox_undo(struct ec_task *task)
{
    struct undo *undo = EC_ALLOC(task, struct undo);

    undo->burst = (struct ec_burst){.task = task, .send = send_undo, .done = decided};
    ec_burst_start(&undo->burst);
}
