/* One connection to PostgreSQL on libuv: asynchronous libpq in pipeline mode.
 *
 * What was sent stands in a queue in the order of the answers: statements, the Parse of a statement that this connection sees for the
 * first time, syncs. Reading pops the queue; a lost connection empties it, telling everyone. A failed burst leaves its unparsed statements
 * unprepared, so the table of prepared statements has a "sent" state beside "ready".
 *
 * The poll handle is made anew with each socket and lives on its own until libuv lets go of it; the connection object stays the same
 * over reconnects, which come with backoff (50 ms to 2 s, jitter). While a cancel is under way (pg_cancel.c) the connection counts as
 * busy, so that it can't hit the next user's statement. A host's name is looked up by libpq, which waits for the answer: give an address
 * or a socket's folder where the resolver is slow.
 *
 * Only this file, pg_cancel.c, pg_bind.c and migrate.c know libpq.
 */
#include "pg.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg_cancel.h"
#include "pg_statement.h"
#include "random.h"

enum { CONNECT_MS = 5000, GRACE_MS = 1000, BACKOFF_MIN_MS = 50, BACKOFF_MAX_MS = 2000 };
enum cmd_kind { QUERY, PARSE, SYNC, FLUSH };
enum state { DOWN, CONNECTING, UP, CLOSING };

struct ec_pg_conn {
    struct ec_pg_conn_options options;
    enum state state;
    PGconn *pg;
    uv_poll_t *poll;
    int events;
    uv_timer_t backoff, deadline, kick;
    int handles; /* of the three timers, that are not closed yet */
    int64_t backoff_ms;
    struct ec_pg_cmd *first, **end;
    struct ec_pg_prepared prepared;
    bool ending;                          /* the NULL that ends the results of a statement is still to come */
    char parse_failed[6], parse_why[200]; /* of the statement that is next in the queue, and will be skipped for it */
    char sync_failed[6];                  /* SQLSTATE of a commit that failed at the sync, which itself is still to come */
    bool abandoned;
    struct ec_pg_cancel *cancel; /* under way */
    bool stale;                  /* lost since ec_pg_conn_renew: its user may believe in a transaction that has gone */
    char why[256];               /* of abandoned */
};

static char last_why[256];

static void connect_now(struct ec_pg_conn *conn);
static void lose(struct ec_pg_conn *conn, const char *why);
static void on_poll(uv_poll_t *poll, int status, int events);

const char *ec_pg_why(void)
{
    return last_why;
}

/* ------------------------------------------------------------------ the socket */

static void free_poll(uv_handle_t *handle)
{
    free(handle);
}

static void close_poll(struct ec_pg_conn *conn)
{
    if (!conn->poll)
        return;
    conn->poll->data = NULL;
    uv_poll_stop(conn->poll);
    uv_close((uv_handle_t *)conn->poll, free_poll);
    conn->poll = NULL;
    conn->events = 0;
}

static void watch(struct ec_pg_conn *conn, int events)
{
    if (conn->events == events)
        return;
    conn->events = events;
    uv_poll_start(conn->poll, events, on_poll);
}

/* The socket may be another one after each step of connecting. */
static bool open_poll(struct ec_pg_conn *conn)
{
    close_poll(conn);
    conn->poll = malloc(sizeof(*conn->poll));
    if (!conn->poll)
        ec_panic("out of memory");
    if (uv_poll_init(ec_app.loop, conn->poll, PQsocket(conn->pg)) != 0) {
        free(conn->poll);
        conn->poll = NULL;
        return false;
    }
    conn->poll->data = conn;
    return true;
}

static void flush(struct ec_pg_conn *conn)
{
    int rest = PQflush(conn->pg);

    if (rest < 0)
        ec_pg_abandon(conn, PQerrorMessage(conn->pg));
    else
        watch(conn, rest ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

/* ------------------------------------------------------------------ answers */

static void answer(struct ec_pg_conn *conn, struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    struct ec_pg_reply failed;
    char state[6];
    size_t id;

    if (cmd->kind != SYNC && cmd->kind != FLUSH) {
        id = ec_pg_statement_id(cmd->sql);
        if (cmd->kind == PARSE) {
            *ec_pg_prepared(&conn->prepared, id) = reply->status == EC_PG_OK ? EC_PG_PREPARED : EC_PG_UNPREPARED;
            if (reply->status == EC_PG_FAILED) {
                memcpy(conn->parse_failed, reply->sqlstate, strnlen(reply->sqlstate, 5) + 1);
                snprintf(conn->parse_why, sizeof(conn->parse_why), "%s", reply->message ? reply->message : "");
            }
            free(cmd);
            return;
        }
        if (conn->parse_failed[0]) {
            failed = (struct ec_pg_reply){.status = EC_PG_FAILED, .sqlstate = state, .message = conn->parse_why, .tag = ""};
            memcpy(state, conn->parse_failed, sizeof(state));
            conn->parse_failed[0] = '\0';
            if (reply->status == EC_PG_SKIPPED)
                reply = &failed;
        }
        if (reply->status == EC_PG_OK || reply->status == EC_PG_FAILED)
            ec_pg_statement_count(id, reply, cmd->sent_ns);
    }
    if (cmd->done)
        cmd->done(cmd, reply);
}

static struct ec_pg_cmd *pop(struct ec_pg_conn *conn)
{
    struct ec_pg_cmd *cmd = conn->first;

    conn->first = cmd->next;
    if (!conn->first)
        conn->end = &conn->first;
    return cmd;
}

static struct ec_pg_reply reply_of(struct ec_pg_conn *conn, PGresult *result)
{
    struct ec_pg_reply reply = {.status = EC_PG_OK, .sqlstate = "", .tag = ""};
    const char *state;

    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        reply.result = result;
        reply.rows = ec_pg_count(result);
        reply.tag = PQcmdStatus(result);
        return reply;
    case PGRES_PIPELINE_SYNC:
        return reply;
    case PGRES_PIPELINE_ABORTED:
        reply.status = EC_PG_SKIPPED;
        return reply;
    default:
        reply.status = EC_PG_FAILED;
        state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        reply.message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        if (!state) { /* made by libpq itself: the connection broke */
            reply.status = EC_PG_LOST;
            ec_pg_abandon(conn, PQresultErrorMessage(result));
            return reply;
        }
        reply.sqlstate = state;
        /* Prepared before the schema changed, or the server forgot it: only a new connection helps. */
        if (strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0 || strcmp(state, "42P05") == 0)
            ec_pg_abandon(conn, "its prepared statements are out of date");
        return reply;
    }
}

/* A sync whose commit failed is told when it comes itself: until then the command stands in the queue. */
static void answer_sync(struct ec_pg_conn *conn, struct ec_pg_reply *reply)
{
    char state[6];

    if (conn->sync_failed[0]) {
        memcpy(state, conn->sync_failed, sizeof(state));
        conn->sync_failed[0] = '\0';
        reply->status = EC_PG_FAILED;
        reply->sqlstate = state;
    }
    if (!conn->first->next)
        uv_timer_stop(&conn->deadline);
    answer(conn, pop(conn), reply);
}

/* Takes one result for the first command in the queue. Returns false when there is none yet. */
static bool take(struct ec_pg_conn *conn)
{
    struct ec_pg_reply reply;
    PGresult *result;

    if (!conn->ending && conn->first->kind == FLUSH) { /* the server says nothing to it */
        answer(conn, pop(conn), &(struct ec_pg_reply){.status = EC_PG_OK, .sqlstate = "", .tag = ""});
        return true;
    }
    if (PQisBusy(conn->pg))
        return false;
    result = PQgetResult(conn->pg);
    if (!result) {
        bool ended = conn->ending;

        conn->ending = false;
        return ended;
    }
    if (!conn->ending) {
        reply = reply_of(conn, result);
        if (conn->first->kind != SYNC) {
            conn->ending = true;
            answer(conn, pop(conn), &reply);
        } else if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            answer_sync(conn, &reply);
        } else {
            conn->ending = true;
            snprintf(conn->sync_failed, sizeof(conn->sync_failed), "%s", *reply.sqlstate ? reply.sqlstate : "XX000");
        }
    }
    PQclear(result);
    return true;
}

static void read_answers(struct ec_pg_conn *conn)
{
    if (!PQconsumeInput(conn->pg)) {
        lose(conn, PQerrorMessage(conn->pg));
        return;
    }
    PQisBusy(conn->pg); /* takes in notices also when nothing is waited for */
    while (conn->state == UP && (conn->first || conn->ending) && take(conn))
        ;
    if (conn->state == UP && PQstatus(conn->pg) != CONNECTION_OK)
        lose(conn, PQerrorMessage(conn->pg));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct ec_pg_conn *conn = poll->data;

    if (!conn)
        return;
    if (conn->state == CONNECTING) {
        connect_now(conn);
        return;
    }
    if (status < 0) {
        lose(conn, uv_strerror(status));
        return;
    }
    if (events & UV_READABLE)
        read_answers(conn);
    if (conn->state == UP && (conn->events & UV_WRITABLE || events & UV_WRITABLE))
        flush(conn);
}

/* ------------------------------------------------------------------ connecting */

static void drop_notice(void *data, const char *message)
{
    (void)data;
    (void)message;
}

static void start_connecting(struct ec_pg_conn *conn)
{
    char options[512], name[128];
    /* Over TCP a server that is silent is given up in half a minute, by a cancel too; what stands before dbname, the URL may say otherwise.
     */
    const char *const keys[] = {"keepalives_idle",  "keepalives_interval", "keepalives_count", "tcp_user_timeout", "dbname",
                                "application_name", "client_encoding",     "connect_timeout",  "options",          NULL};
    const char *const values[] = {"10", "5", "3", "20000", ec_pg_url(), name, "UTF8", "5", options, NULL};

    snprintf(name, sizeof(name), "%s", ec_app.service && ec_app.service->name ? ec_app.service->name : "ecom");
    snprintf(options, sizeof(options),
             "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c bytea_output=hex "
             "-c idle_in_transaction_session_timeout=30000%s",
             conn->options.options ? conn->options.options : "");
    conn->state = CONNECTING;
    conn->pg = PQconnectStartParams(keys, values, 1);
    if (!conn->pg)
        ec_panic("out of memory");
    if (PQstatus(conn->pg) == CONNECTION_BAD || !open_poll(conn)) {
        lose(conn, PQerrorMessage(conn->pg));
        return;
    }
    PQsetNoticeProcessor(conn->pg, drop_notice, NULL);
    watch(conn, UV_WRITABLE);
}

static void on_backoff(uv_timer_t *timer)
{
    struct ec_pg_conn *conn = timer->data;

    if (conn->state == CONNECTING) {
        lose(conn, "no answer in time");
        return;
    }
    start_connecting(conn);
    if (conn->state == CONNECTING)
        uv_timer_start(&conn->backoff, on_backoff, CONNECT_MS, 0);
}

static void connect_now(struct ec_pg_conn *conn)
{
    PostgresPollingStatusType step = PQconnectPoll(conn->pg);

    if (step == PGRES_POLLING_FAILED) {
        lose(conn, PQerrorMessage(conn->pg));
        return;
    }
    if (step != PGRES_POLLING_OK) {
        if (!open_poll(conn))
            lose(conn, "its socket can't be watched");
        else
            watch(conn, step == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE);
        return;
    }
    if (!open_poll(conn) || PQsetnonblocking(conn->pg, 1) != 0 || !PQenterPipelineMode(conn->pg)) {
        lose(conn, PQerrorMessage(conn->pg));
        return;
    }
    uv_timer_stop(&conn->backoff);
    conn->backoff_ms = 0;
    conn->state = UP;
    watch(conn, UV_READABLE);
    ec_pg_prepared_forget(&conn->prepared);
    conn->options.up(conn, conn->options.data);
}

static void note_why(const char *why)
{
    size_t n;

    snprintf(last_why, sizeof(last_why), "%s", why);
    for (n = strlen(last_why); n && (last_why[n - 1] == '\n' || last_why[n - 1] == ' '); n--)
        last_why[n - 1] = '\0';
    for (; n; n--)
        if (last_why[n - 1] == '\n')
            last_why[n - 1] = ' ';
}

static void forget_cancel(struct ec_pg_conn *conn)
{
    if (conn->cancel)
        ec_pg_cancel_forget(conn->cancel);
    conn->cancel = NULL;
}

static void tell_lost(struct ec_pg_conn *conn)
{
    const struct ec_pg_reply lost = {.status = EC_PG_LOST, .sqlstate = "", .tag = ""};

    while (conn->first)
        answer(conn, pop(conn), &lost);
}

static void lose(struct ec_pg_conn *conn, const char *why)
{
    bool was_up = conn->state == UP;
    int64_t wait;

    note_why(why && *why ? why : "the connection was closed");
    if (was_up)
        ec_log(EC_LOG_WARN, NULL, "a database connection is lost", EC_L_STR("role", conn->options.role), EC_L_STR("why", last_why));
    conn->state = DOWN;
    conn->stale = true;
    conn->abandoned = false;
    forget_cancel(conn);
    close_poll(conn);
    if (conn->pg)
        PQfinish(conn->pg);
    conn->pg = NULL;
    uv_timer_stop(&conn->deadline);
    uv_timer_stop(&conn->kick);
    conn->backoff_ms = was_up ? 0 : conn->backoff_ms;
    wait = conn->backoff_ms ? (int64_t)((double)conn->backoff_ms * (0.5 + ec_random_unit())) : 1;
    conn->backoff_ms = conn->backoff_ms ? conn->backoff_ms * 2 : BACKOFF_MIN_MS;
    if (conn->backoff_ms > BACKOFF_MAX_MS)
        conn->backoff_ms = BACKOFF_MAX_MS;
    uv_timer_start(&conn->backoff, on_backoff, (uint64_t)wait, 0);
    conn->ending = false;
    conn->sync_failed[0] = conn->parse_failed[0] = '\0';
    tell_lost(conn);
    if (was_up && conn->options.lost)
        conn->options.lost(conn, conn->options.data);
}

/* ------------------------------------------------------------------ sending */

static void on_kick(uv_timer_t *timer)
{
    struct ec_pg_conn *conn = timer->data;

    if (conn->abandoned)
        lose(conn, conn->why);
    else if (conn->state != UP || conn->stale)
        tell_lost(conn); /* what was sent after the loss */
}

void ec_pg_abandon(struct ec_pg_conn *conn, const char *why)
{
    if (conn->abandoned || conn->state != UP)
        return;
    snprintf(conn->why, sizeof(conn->why), "%s", why ? why : "");
    conn->abandoned = true;
    uv_timer_start(&conn->kick, on_kick, 0, 0);
}

static bool usable(const struct ec_pg_conn *conn)
{
    return conn->state == UP && !conn->abandoned && !conn->stale;
}

/* What can't be sent is told as lost, in the next turn. */
static void refuse(struct ec_pg_conn *conn)
{
    if (conn->state == UP && !conn->stale)
        ec_pg_abandon(conn, PQerrorMessage(conn->pg));
    else
        uv_timer_start(&conn->kick, on_kick, 0, 0);
}

static void push(struct ec_pg_conn *conn, struct ec_pg_cmd *cmd, enum cmd_kind kind, const struct ec_sql *sql)
{
    cmd->kind = (uint8_t)kind;
    cmd->sql = sql;
    cmd->next = NULL;
    cmd->sent_ns = uv_hrtime();
    *conn->end = cmd;
    conn->end = &cmd->next;
}

void ec_pg_send(struct ec_pg_conn *conn, struct ec_pg_cmd *cmd, const struct ec_sql *sql, struct ec_pg_values values)
{
    size_t id = ec_pg_statement_id(sql);
    uint8_t *state = ec_pg_prepared(&conn->prepared, id);
    bool ok = usable(conn);

    if (ok && *state == EC_PG_UNPREPARED) {
        struct ec_pg_cmd *parse = calloc(1, sizeof(*parse));

        if (!parse)
            ec_panic("out of memory");
        ok = PQsendPrepare(conn->pg, ec_pg_statement(id)->name, sql->text, 0, NULL);
        *state = EC_PG_PARSE_SENT;
        conn->prepared.sent = true;
        push(conn, parse, PARSE, sql);
    }
    push(conn, cmd, QUERY, sql);
    if (ok && *state == EC_PG_PARSE_UNSURE)
        ok = PQsendQueryParams(conn->pg, sql->text, values.n, NULL, values.v, NULL, NULL, 0);
    else if (ok)
        ok = PQsendQueryPrepared(conn->pg, ec_pg_statement(id)->name, values.n, values.v, NULL, NULL, 0);
    if (!ok)
        refuse(conn);
}

static void end_burst(struct ec_pg_conn *conn, struct ec_pg_cmd *cmd, enum cmd_kind kind, int (*send)(PGconn *pg))
{
    push(conn, cmd, kind, NULL);
    if (!usable(conn) || !send(conn->pg))
        refuse(conn);
    else
        flush(conn);
}

void ec_pg_sync(struct ec_pg_conn *conn, struct ec_pg_cmd *cmd)
{
    ec_pg_prepared_synced(&conn->prepared);
    end_burst(conn, cmd, SYNC, PQpipelineSync);
}

void ec_pg_flush(struct ec_pg_conn *conn, struct ec_pg_cmd *cmd)
{
    end_burst(conn, cmd, FLUSH, PQsendFlushRequest);
}

/* ------------------------------------------------------------------ deadlines */

static void cancelled(void *data)
{
    struct ec_pg_conn *conn = data;

    conn->cancel = NULL;
    if (!conn->first && conn->options.idle)
        conn->options.idle(conn, conn->options.data);
}

static void on_deadline(uv_timer_t *timer)
{
    struct ec_pg_conn *conn = timer->data;

    if (conn->state != UP || !conn->first)
        return;
    if (conn->cancel) {
        lose(conn, "a statement was cancelled and did not answer");
        return;
    }
    conn->cancel = ec_pg_cancel(conn->pg, cancelled, conn);
    if (conn->cancel)
        uv_timer_start(&conn->deadline, on_deadline, GRACE_MS, 0);
    else
        lose(conn, "a statement can't be cancelled");
}

void ec_pg_deadline(struct ec_pg_conn *conn, uint64_t deadline_ns)
{
    uint64_t now = uv_hrtime();

    if (conn->state != UP || conn->cancel)
        return;
    if (deadline_ns == 0) {
        uv_timer_stop(&conn->deadline);
        return;
    }
    uv_timer_start(&conn->deadline, on_deadline, deadline_ns <= now ? 0 : (deadline_ns - now) / 1000000 + 1, 0);
}

/* ------------------------------------------------------------------ making and closing */

struct ec_pg_conn *ec_pg_conn_new(const struct ec_pg_conn_options *options)
{
    struct ec_pg_conn *conn = calloc(1, sizeof(*conn));
    uv_timer_t *const timers[] = {&conn->backoff, &conn->deadline, &conn->kick};
    size_t i;

    if (!conn)
        ec_panic("out of memory");
    conn->options = *options;
    conn->end = &conn->first;
    for (i = 0; i < 3; i++) {
        uv_timer_init(ec_app.loop, timers[i]);
        timers[i]->data = conn;
        conn->handles++;
    }
    uv_timer_start(&conn->backoff, on_backoff, 0, 0);
    return conn;
}

static void closed(uv_handle_t *handle)
{
    struct ec_pg_conn *conn = handle->data;

    if (--conn->handles)
        return;
    ec_pg_prepared_forget(&conn->prepared);
    free(conn);
}

void ec_pg_conn_stop(struct ec_pg_conn *conn)
{
    conn->state = CLOSING;
    forget_cancel(conn);
    close_poll(conn);
    if (conn->pg)
        PQfinish(conn->pg);
    conn->pg = NULL;
    while (conn->first) {
        struct ec_pg_cmd *cmd = pop(conn);

        if (cmd->kind == PARSE)
            free(cmd);
    }
    uv_close((uv_handle_t *)&conn->backoff, closed);
    uv_close((uv_handle_t *)&conn->deadline, closed);
    uv_close((uv_handle_t *)&conn->kick, closed);
}

void ec_pg_conn_renew(struct ec_pg_conn *conn)
{
    conn->stale = false;
}

bool ec_pg_conn_up(const struct ec_pg_conn *conn)
{
    return conn->state == UP && !conn->abandoned;
}

bool ec_pg_conn_busy(const struct ec_pg_conn *conn)
{
    return conn->first || conn->cancel;
}
