/* Old rows of the inbox and of the saga log go, a few at a time, so that neither grows for ever.
 *
 * Once a minute each table is asked for its oldest rows, in a write unit of the group lane: short enough not to be felt by those who share
 * its commit. A batch that was full is followed by the next after a pause, so a service that writes much is kept up with. Each question
 * reads an index in its order and stops, whatever the size of the table. Replicas do the same side by side: what one has locked the others
 * skip.
 *
 * A saga is kept for a week after its end, and for as long as a key is known that may have started it: a repeat of that key finds the saga
 * that it started, instead of starting it again. One that has not ended has no `ended_at`, and stays.
 */
#include "clean.h"

#include "group.h"
#include "random.h"

enum { MINUTE_MS = 60000, PAUSE_MS = 50, BATCH = 200 };

#define OLDEST(key, from, column, more) \
    " WHERE " key " = ANY(ARRAY(SELECT " key " FROM " from " WHERE " more " ORDER BY " column " LIMIT 200 FOR UPDATE SKIP LOCKED))"

static const struct ec_sql statements[] = {
    {.name = "ec.clean.inbox",
     .text = "DELETE FROM ec.inbox" OLDEST("key", "ec.inbox", "created_at",
                                           "created_at < now() - interval '7 days' AND (lease_until IS NULL OR lease_until <= now())")},
    {.name = "ec.clean.saga", /* its steps go with it */
     .text = "DELETE FROM ec.saga" OLDEST("id", "ec.saga", "ended_at",
                                          "ended_at < least(now() - interval '7 days', (SELECT min(created_at) FROM ec.inbox))")},
};
enum { STATEMENTS = sizeof(statements) / sizeof(statements[0]) };

int ec_clean_ms = MINUTE_MS;

static struct {
    uv_timer_t timer;
    struct ec_group_unit unit;
    size_t at; /* whose turn it is */
    bool open;
} clean;

static void on_timer(uv_timer_t *timer);

static void sleep_for(uint64_t ms)
{
    uv_timer_start(&clean.timer, on_timer, ms, 0);
}

static void done(struct ec_group_unit *unit)
{
    if (!clean.open)
        return;
    if (!unit->error && unit->rows == BATCH) {
        sleep_for(PAUSE_MS);
        return;
    }
    clean.at = (clean.at + 1) % STATEMENTS;
    sleep_for(clean.at ? PAUSE_MS : (uint64_t)ec_clean_ms);
}

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
    if (!ec_pg_ready()) {
        sleep_for((uint64_t)ec_clean_ms);
        return;
    }
    clean.unit = (struct ec_group_unit){.sql = &statements[clean.at], .done = done};
    ec_group_submit(&clean.unit);
}

void ec_clean_start(void)
{
    clean.open = true;
    clean.at = 0;
    uv_timer_init(ec_app.loop, &clean.timer);
    sleep_for((uint64_t)(ec_clean_ms * (0.5 + ec_random_unit()))); /* replicas that start together do not clean together */
}

void ec_clean_stop(void)
{
    if (!clean.open)
        return;
    clean.open = false;
    uv_close((uv_handle_t *)&clean.timer, NULL);
}
