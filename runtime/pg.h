/* PostgreSQL from the runtime's side: connections that pipeline statements, and the pool of them.
 *
 * A connection is lent to one user at a time, who sends statements and closes each burst with ec_pg_sync. Statements between two syncs that
 * have no BEGIN are one transaction of their own. Answers come in order, one call of `done` for each command, from a later turn of
 * the loop; also when the connection is lost (EC_PG_LOST), so nobody waits for ever.
 */
#ifndef EC_PG_H
#define EC_PG_H

#include "app.h"

struct ec_pg_conn;
struct pg_result; /* libpq's PGresult; read with the functions below */

enum ec_pg_status {
    EC_PG_OK,
    EC_PG_FAILED,  /* the server refused it */
    EC_PG_SKIPPED, /* one before it in the same burst failed */
    EC_PG_LOST,    /* the connection is gone: what the server did is not known */
};

struct ec_pg_reply {
    enum ec_pg_status status;
    const struct pg_result *result; /* with OK; valid during the call */
    int64_t rows;                   /* returned, or touched by what returns none */
    const char *tag;                /* "COMMIT"; a COMMIT that says ROLLBACK has not committed */
    const char *sqlstate;           /* FAILED: five characters, else "" */
    const char *message;            /* or NULL; may hold data of the statement: not for logs when sqlstate begins with 22 or 23 */
};

struct ec_pg_cmd { /* the sender's memory, until done is called */
    void (*done)(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply);
    void *data;
    /* pg_conn.c's */
    const struct ec_sql *sql;
    struct ec_pg_cmd *next;
    uint64_t sent_ns;
    uint8_t kind;
};

/* Text-format values, NULL for NULL. Read during the call. */
struct ec_pg_values {
    const char *const *v;
    int n;
};

void ec_pg_send(struct ec_pg_conn *conn, struct ec_pg_cmd *cmd, const struct ec_sql *sql, struct ec_pg_values values);
void ec_pg_sync(struct ec_pg_conn *conn,
                struct ec_pg_cmd *cmd); /* cmd: told when all before it is answered, and committed where that is due */
/* cmd: told when all before it is answered. The transaction stays open, whatever was said of its statements, until a sync. */
void ec_pg_flush(struct ec_pg_conn *conn, struct ec_pg_cmd *cmd);
/* What is in flight is cancelled at that time (uv_hrtime scale), and lost a second later when the server doesn't answer. 0: none. */
void ec_pg_deadline(struct ec_pg_conn *conn, uint64_t deadline_ns);
void ec_pg_abandon(struct ec_pg_conn *conn, const char *why); /* its state is not known: it is closed in the next turn, and made again */

/* A connection apart from the pool, for the group lane and the relay: connects, and again when it is lost, by itself. */
struct ec_pg_conn_options {
    const char *role;    /* for logs */
    const char *options; /* further server settings, " -c lock_timeout=500", or NULL */
    void (*up)(struct ec_pg_conn *conn, void *data);
    void (*lost)(struct ec_pg_conn *conn, void *data); /* after everything in flight has been told */
    void (*idle)(struct ec_pg_conn *conn, void *data); /* or NULL: a cancel that was under way is over */
    void *data;
};
struct ec_pg_conn *ec_pg_conn_new(const struct ec_pg_conn_options *options);
void ec_pg_conn_stop(struct ec_pg_conn *conn); /* closes and frees; what is in flight is not told any more */
/* After a loss everything sent is told as lost, also when the connection is up again, until its user has said that it knows: in `up`, or
 * when the pool lends it anew. */
void ec_pg_conn_renew(struct ec_pg_conn *conn);
bool ec_pg_conn_up(const struct ec_pg_conn *conn);
bool ec_pg_conn_busy(const struct ec_pg_conn *conn); /* something is in flight, or a cancel is under way */
const char *ec_pg_why(void);                         /* why the last attempt to connect failed; "" */

/* ------------------------------------------------------------------ the pool (pg.c) */

/* A wish for a connection; the asker's memory until got is called. That may be inside ec_pg_acquire when a connection is free: got only
 * sends. With conn NULL, error says why, always in a later turn. */
struct ec_pg_wait {
    void (*got)(struct ec_pg_wait *wait, struct ec_pg_conn *conn, const struct ec_error *error);
    void *data;
    uint64_t deadline_ns; /* 0: none; the pool's own bound holds as well */
    /* pg.c's */
    struct ec_pg_wait *next;
    uint64_t since_ns;
    struct ec_pg_conn *conn;
};
void ec_pg_configure(const char *url); /* malloc'd, or NULL; kept */
const char *ec_pg_url(void);
void ec_pg_acquire(struct ec_pg_wait *wait);
void ec_pg_release(struct ec_pg_conn *conn); /* nothing in flight, no transaction open */
bool ec_pg_ready(void);                      /* connected, and the schema is what this binary expects */
int ec_pg_retry_after_s(void);

/* ------------------------------------------------------------------ values (pg_bind.c) */

/* Parameters as text in the arena. false: one can't be sent (a NUL byte). */
bool ec_pg_encode(struct ec_arena *arena, const struct ec_param *params, size_t n, struct ec_pg_values *out);
struct ec_param ec_param_bytes(struct ec_arena *arena, const void *bytes, size_t n); /* bytea */

/* Row i into a struct of the record (zeroed before), columns by position. Returns NULL or what is wrong, in the arena. */
const char *ec_pg_read_row(struct ec_arena *arena, const struct pg_result *result, int i, const struct ec_record *record, void *out);
bool ec_pg_null(const struct pg_result *result, int row, int column);
struct ec_str ec_pg_cell(const struct pg_result *result, int row, int column); /* p NULL: NULL; NUL-terminated; the result's memory */
int ec_pg_rows(const struct pg_result *result);
int64_t ec_pg_count(const struct pg_result *result); /* returned, or touched by what returns none */
/* That row from a column on, as a result of its own, to be freed; row -1: without a row. */
struct pg_result *ec_pg_row_alone(const struct pg_result *result, int row, int column);
void ec_pg_row_free(struct pg_result *result);

/* The error of a reply that is not OK: unavailable, timeout or internal; internal ones are logged. */
const struct ec_error *ec_pg_error(const struct ec_task *task, const struct ec_sql *sql, const struct ec_pg_reply *reply);
bool ec_pg_repeatable(const struct ec_pg_reply *reply); /* deadlock or serialization failure: the transaction may be tried again */

#endif
