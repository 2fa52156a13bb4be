/* Every statement that was ever sent, by its address: a small number, the server's name for it, its measure. */
#ifndef EC_PG_STATEMENT_H
#define EC_PG_STATEMENT_H

#include "pg.h"

struct ec_pg_statement {
    const struct ec_sql *sql;
    char name[64];
    struct ec_metric *seconds, *requests, *errors;
};
size_t ec_pg_statement_id(const struct ec_sql *sql);      /* from 0, without gaps */
const struct ec_pg_statement *ec_pg_statement(size_t id); /* until the next ec_pg_statement_id */
void ec_pg_statement_count(size_t id, const struct ec_pg_reply *reply, uint64_t sent_ns); /* it was answered */

/* The span of a statement that was answered, of a task's program; began_ns by uv_hrtime. */
void ec_pg_statement_tell(const struct ec_task *task, const struct ec_sql *sql, const struct ec_pg_reply *reply, uint64_t began_ns);

/* What a connection has prepared, by number. */
enum {
    EC_PG_UNPREPARED,
    EC_PG_PARSE_SENT,
    EC_PG_PARSE_UNSURE, /* sent before a sync: when something before it failed, the server has skipped it, and nobody knows yet */
    EC_PG_PREPARED,
};
struct ec_pg_prepared {
    uint8_t *v;
    size_t n;
    bool sent; /* since the last sync */
};
void ec_pg_prepared_synced(struct ec_pg_prepared *prepared);
uint8_t *ec_pg_prepared(struct ec_pg_prepared *prepared, size_t id); /* until the next call */
void ec_pg_prepared_forget(struct ec_pg_prepared *prepared);

#endif
