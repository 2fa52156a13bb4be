/* Statements that nobody waits for.
 *
 * A deferred statement goes out with whatever its transaction sends next. One that must touch a row has a guard in its text, so that
 * the server itself keeps what comes behind it from happening; the program needs no look at the answer. A row that many want is then locked
 * for one commit, not for the round trips up to it.
 * Everything is in the task's arena.
 */
#include "tx.h"

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
