/* The pool, and the module that starts everything that lives on the database: pool, transactions, group lane, inbox, outbox relay.
 *
 * EC_PG_POOL connections (8), each lent to one user at a time, the lowest free one first so that its prepared statements and the server's
 * caches stay warm. Who finds none waits in line, at most WAIT_MS and at most WAITERS of them; beyond that the answer is
 * unavailable with a time to come again, at once, since a queue that can't be served in time serves nobody. While no connection
 * has been up for a second nobody waits.
 *
 * Once connected, the schema is compared with the migrations that this binary knows; until it fits the process is not ready, and the
 * background work (relay, sagas, clean-up) rests. It is asked again every second.
 */
#include "pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "group.h"
#include "inbox.h"
#include "migrate.h"
#include "outbox.h"
#include "pg_statement.h"
#include "schema.h"
#include "tx.h"

enum { POOL_DEFAULT = 8, POOL_MAX = 64, WAITERS = 1024, WAIT_MS = 5000, TICK_MS = 20, DOWN_MS = 1000, SCHEMA_MS = 1000 };

struct pooled {
    struct ec_pg_conn *conn;
    bool up, lent;
};

static struct {
    struct pooled *v;
    int n, up, lent;
    bool open;
    struct ec_pg_wait *first, **end;
    int waiting;
    struct ec_pg_wait *failed, **failed_end;
    uint64_t down_since_ns; /* 0: some connection is up */
    bool down_logged;
    uv_timer_t tick, fail, schema;
    struct ec_metric *size, *connected, *in_use, *queue, *wait_seconds, *refused;
} pool;

static struct {
    bool fits, asking;
    char why[256];
    struct ec_pg_wait wait;
    struct ec_pg_cmd query, sync;
} schema;

/* ------------------------------------------------------------------ lending */

static void publish_state(void)
{
    ec_metric_set(pool.connected, pool.up);
    ec_metric_set(pool.in_use, pool.lent);
    ec_metric_set(pool.queue, pool.waiting);
}

static struct pooled *free_one(void)
{
    int i;

    for (i = 0; i < pool.n; i++) {
        struct pooled *pooled = &pool.v[i];

        if (pooled->up && !pooled->lent && ec_pg_conn_up(pooled->conn) && !ec_pg_conn_busy(pooled->conn))
            return pooled;
    }
    return NULL;
}

static void lend(struct pooled *pooled, struct ec_pg_wait *wait)
{
    pooled->lent = true;
    pool.lent++;
    ec_pg_conn_renew(pooled->conn);
    ec_metric_observe(pool.wait_seconds, (double)(uv_hrtime() - wait->since_ns) / 1e9);
    publish_state();
    wait->conn = pooled->conn;
    wait->got(wait, pooled->conn, NULL);
}

static void serve(void)
{
    struct pooled *pooled;

    while (pool.first && (pooled = free_one())) {
        struct ec_pg_wait *wait = pool.first;

        pool.first = wait->next;
        if (!pool.first)
            pool.end = &pool.first;
        pool.waiting--;
        lend(pooled, wait);
    }
    if (!pool.first && pool.open)
        uv_timer_stop(&pool.tick);
}

static void on_fail(uv_timer_t *timer)
{
    struct ec_pg_wait *wait = pool.failed, *next;

    (void)timer;
    pool.failed = NULL;
    pool.failed_end = &pool.failed;
    for (; wait; wait = next) {
        bool passed = wait->deadline_ns && uv_hrtime() >= wait->deadline_ns;

        next = wait->next;
        wait->got(wait, NULL, passed ? &ec_error_timeout : &ec_error_unavailable);
    }
}

static void refuse(struct ec_pg_wait *wait)
{
    ec_metric_add(pool.refused, 1);
    wait->next = NULL;
    *pool.failed_end = wait;
    pool.failed_end = &wait->next;
    uv_timer_start(&pool.fail, on_fail, 0, 0);
}

static bool down_for_long(void)
{
    return pool.down_since_ns && uv_hrtime() - pool.down_since_ns > (uint64_t)DOWN_MS * 1000000;
}

static void on_tick(uv_timer_t *timer)
{
    uint64_t now = uv_hrtime();
    struct ec_pg_wait **at = &pool.first;
    bool down = down_for_long();

    while (*at) {
        struct ec_pg_wait *wait = *at;

        if (down || now - wait->since_ns > (uint64_t)WAIT_MS * 1000000 || (wait->deadline_ns && now >= wait->deadline_ns)) {
            *at = wait->next;
            pool.waiting--;
            refuse(wait);
        } else {
            at = &wait->next;
        }
    }
    pool.end = at;
    publish_state();
    if (!pool.first)
        uv_timer_stop(timer);
}

void ec_pg_acquire(struct ec_pg_wait *wait)
{
    struct pooled *pooled = pool.first ? NULL : free_one();

    wait->since_ns = uv_hrtime();
    wait->next = NULL;
    wait->conn = NULL;
    if (pooled) {
        lend(pooled, wait);
        return;
    }
    if (pool.waiting >= WAITERS || down_for_long()) {
        refuse(wait);
        return;
    }
    *pool.end = wait;
    pool.end = &wait->next;
    pool.waiting++;
    if (!uv_is_active((uv_handle_t *)&pool.tick))
        uv_timer_start(&pool.tick, on_tick, TICK_MS, TICK_MS);
}

void ec_pg_release(struct ec_pg_conn *conn)
{
    int i;

    for (i = 0; i < pool.n && pool.v[i].conn != conn; i++)
        ;
    if (i == pool.n || !pool.v[i].lent)
        ec_panic("a connection is given back twice");
    pool.v[i].lent = false;
    pool.lent--;
    publish_state();
    serve();
}

int ec_pg_retry_after_s(void)
{
    return pool.up ? 1 : 2;
}

/* ------------------------------------------------------------------ the schema */

static void ask_schema(uv_timer_t *timer);

static void schema_answer(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    const char *why = NULL;

    (void)cmd;
    if (reply->status == EC_PG_OK)
        why = ec_schema_compare(ec_app.service, reply->result);
    else if (strcmp(reply->sqlstate, "42P01") == 0 || strcmp(reply->sqlstate, "3F000") == 0)
        why = "the database has no schema yet: run `migrate up`";
    else
        why = "the database's schema can't be read";
    if (why && strcmp(why, schema.why) != 0)
        ec_log(EC_LOG_WARN, NULL, "the schema does not fit", EC_L_STR("why", why));
    schema.fits = !why;
    snprintf(schema.why, sizeof(schema.why), "%s", why ? why : "");
}

static void schema_done(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    (void)cmd;
    (void)reply;
    schema.asking = false;
    ec_pg_release(schema.wait.conn);
    if (!schema.fits)
        uv_timer_start(&pool.schema, ask_schema, SCHEMA_MS, 0);
    else
        uv_timer_stop(&pool.schema);
}

static void schema_got(struct ec_pg_wait *wait, struct ec_pg_conn *conn, const struct ec_error *error)
{
    (void)wait;
    if (error) {
        schema.asking = false;
        uv_timer_start(&pool.schema, ask_schema, SCHEMA_MS, 0);
        return;
    }
    schema.query.done = schema_answer;
    schema.sync.done = schema_done;
    ec_pg_send(conn, &schema.query, &ec_schema_applied, (struct ec_pg_values){NULL, 0});
    ec_pg_sync(conn, &schema.sync);
    ec_pg_deadline(conn, uv_hrtime() + 2000000000u);
}

static void ask_schema(uv_timer_t *timer)
{
    (void)timer;
    if (schema.fits || schema.asking)
        return;
    schema.asking = true;
    schema.wait.got = schema_got;
    ec_pg_acquire(&schema.wait);
}

bool ec_pg_ready(void)
{
    return pool.open && pool.up && schema.fits;
}

/* ------------------------------------------------------------------ connections */

static void on_up(struct ec_pg_conn *conn, void *data)
{
    struct pooled *pooled = data;

    (void)conn;
    pooled->up = true;
    pool.up++;
    pool.down_since_ns = 0;
    if (pool.down_logged)
        ec_log(EC_LOG_INFO, NULL, "the database is back");
    pool.down_logged = false;
    publish_state();
    if (!schema.fits)
        ask_schema(NULL);
    serve();
}

static void on_lost(struct ec_pg_conn *conn, void *data)
{
    struct pooled *pooled = data;

    (void)conn;
    pooled->up = false;
    pool.up--;
    if (pool.up == 0)
        pool.down_since_ns = uv_hrtime();
    publish_state();
}

static void on_idle(struct ec_pg_conn *conn, void *data)
{
    (void)conn;
    (void)data;
    serve();
}

/* ------------------------------------------------------------------ the module */

static const char *url;

void ec_pg_configure(const char *value)
{
    url = value;
}

const char *ec_pg_url(void)
{
    return url;
}

static void configure(struct ec_app *app, struct ec_config_errors *errors)
{
    (void)app;
    free((char *)(uintptr_t)url);
    url = ec_config_get(errors, "DATABASE_URL", NULL, true);
    pool.n = (int)ec_config_int(errors, "EC_PG_POOL", POOL_DEFAULT, 1, POOL_MAX);
}

static int start(struct ec_app *app, const char **why)
{
    int i;

    (void)why;
    pool.v = calloc((size_t)pool.n, sizeof(*pool.v));
    if (!pool.v)
        ec_panic("out of memory");
    pool.end = &pool.first;
    pool.failed_end = &pool.failed;
    pool.down_since_ns = uv_hrtime();
    uv_timer_init(app->loop, &pool.tick);
    uv_timer_init(app->loop, &pool.fail);
    uv_timer_init(app->loop, &pool.schema);
    pool.size = ec_metric(EC_GAUGE, "ec_pg_pool_size", "Connections that the pool may hold", NULL);
    pool.connected = ec_metric(EC_GAUGE, "ec_pg_pool_connected", "Connections of the pool that are up", NULL);
    pool.in_use = ec_metric(EC_GAUGE, "ec_pg_pool_in_use", "Connections of the pool that are lent", NULL);
    pool.queue = ec_metric(EC_GAUGE, "ec_pg_pool_waiting", "Tasks that wait for a connection", NULL);
    pool.wait_seconds = ec_metric(EC_HISTOGRAM, "ec_pg_pool_wait_seconds", "Time that a connection was waited for", NULL);
    pool.refused = ec_metric(EC_COUNTER, "ec_pg_pool_refused_total", "Tasks that got no connection", NULL);
    ec_metric_set(pool.size, pool.n);
    for (const struct ec_sql *const *sql = app->service->statements; sql && *sql; sql++)
        ec_pg_statement_id(*sql); /* its series are there from the start */
    pool.open = true;
    for (i = 0; i < pool.n; i++)
        pool.v[i].conn =
            ec_pg_conn_new(&(struct ec_pg_conn_options){.role = "pool", .up = on_up, .lost = on_lost, .idle = on_idle, .data = &pool.v[i]});
    ec_tx_start();
    ec_group_start();
    ec_inbox_start();
    ec_clean_start();
    ec_outbox_start();
    return 0;
}

static const char *not_ready(struct ec_app *app)
{
    static char text[512];

    (void)app;
    if (!pool.up) {
        snprintf(text, sizeof(text), "the database can't be reached: %s", *ec_pg_why() ? ec_pg_why() : "not connected yet");
        if (down_for_long() && !pool.down_logged) {
            ec_log(EC_LOG_WARN, NULL, "the database can't be reached", EC_L_STR("why", ec_pg_why()));
            pool.down_logged = true;
        }
        return text;
    }
    if (!schema.fits)
        return *schema.why ? schema.why : "the database's schema is not known yet";
    return NULL;
}

static void drain(struct ec_app *app)
{
    (void)app;
    ec_outbox_drain();
}

static bool idle(struct ec_app *app)
{
    (void)app;
    return pool.lent == 0 && pool.waiting == 0 && ec_group_idle() && ec_outbox_idle();
}

static void stop(struct ec_app *app)
{
    int i;

    (void)app;
    ec_outbox_stop();
    ec_clean_stop();
    ec_inbox_stop();
    ec_group_stop();
    ec_tx_stop();
    pool.open = false;
    for (i = 0; i < pool.n; i++)
        ec_pg_conn_stop(pool.v[i].conn);
    free(pool.v);
    pool.v = NULL;
    pool.up = pool.lent = pool.waiting = 0;
    pool.first = NULL;
    pool.end = &pool.first;
    uv_close((uv_handle_t *)&pool.tick, NULL);
    uv_close((uv_handle_t *)&pool.fail, NULL);
    uv_close((uv_handle_t *)&pool.schema, NULL);
    schema.fits = schema.asking = false;
    schema.why[0] = '\0';
}

const struct ec_module ec_module_pg = {
    .name = "pg",
    .configure = configure,
    .start = start,
    .not_ready = not_ready,
    .drain = drain,
    .idle = idle,
    .stop = stop,
    .commands = ec_migrate_commands,
};
