/* The registry of statements. Statements are constants of the program, so their address is who they are; each connection keeps by number
 * which of them it has prepared. It lives as long as the process.
 */
#include "pg_statement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "span.h"

static struct {
    struct ec_pg_statement *v;
    size_t n, cap;
    uint32_t *slots; /* index + 1, open addressing */
    size_t nslots;
} statements;

static size_t slot_of(const struct ec_sql *sql)
{
    size_t i = ((uintptr_t)sql >> 4) * 0x9e3779b97f4a7c15u >> 20 & (statements.nslots - 1);

    while (statements.slots[i] && statements.v[statements.slots[i] - 1].sql != sql)
        i = (i + 1) & (statements.nslots - 1);
    return i;
}

/* The server's names end at 63 bytes; a longer one ends in its hash instead. */
static void name_statement(struct ec_pg_statement *statement)
{
    size_t n = strlen(statement->sql->name);
    uint8_t hash[32];

    if (n < sizeof(statement->name)) {
        memcpy(statement->name, statement->sql->name, n + 1);
        return;
    }
    ec_sha256(statement->sql->name, n, hash);
    memcpy(statement->name, statement->sql->name, 46);
    statement->name[46] = '~';
    ec_hex(hash, 8, statement->name + 47);
}

size_t ec_pg_statement_id(const struct ec_sql *sql)
{
    struct ec_pg_statement *statement;
    struct ec_buf label = {0};
    size_t i;

    if ((statements.n + 1) * 2 > statements.nslots) {
        statements.nslots = statements.nslots ? statements.nslots * 2 : 128;
        free(statements.slots);
        statements.slots = calloc(statements.nslots, sizeof(*statements.slots));
        statements.cap = statements.nslots / 2;
        statements.v = realloc(statements.v, statements.cap * sizeof(*statements.v));
        if (!statements.slots || !statements.v)
            ec_panic("out of memory");
        for (i = 0; i < statements.n; i++)
            statements.slots[slot_of(statements.v[i].sql)] = (uint32_t)i + 1;
    }
    i = slot_of(sql);
    if (statements.slots[i])
        return statements.slots[i] - 1;
    statement = &statements.v[statements.n];
    statement->sql = sql;
    name_statement(statement);
    ec_metric_label(&label, "statement", sql->name);
    ec_buf_add(&label, "", 1);
    statement->seconds = ec_metric(EC_HISTOGRAM, "ec_sql_seconds", "Time of SQL statements from sending to their answer", label.p);
    statement->requests = ec_metric(EC_COUNTER, "ec_sql_requests_total", "SQL statements that were answered", label.p);
    statement->errors = ec_metric(EC_COUNTER, "ec_sql_errors_total", "SQL statements that the database has refused", label.p);
    ec_buf_free(&label);
    statements.slots[i] = (uint32_t)++statements.n;
    return statements.n - 1;
}

const struct ec_pg_statement *ec_pg_statement(size_t id)
{
    return &statements.v[id];
}

/* A guard's way to say that there is no row (codegen/defer.c). */
static bool is_no_row(const struct ec_sql *sql, const struct ec_pg_reply *reply)
{
    return sql->none && strcmp(reply->sqlstate, "22012") == 0;
}

void ec_pg_statement_count(size_t id, const struct ec_pg_reply *reply, uint64_t sent_ns)
{
    const struct ec_pg_statement *statement = &statements.v[id];

    ec_metric_add(statement->requests, 1);
    if (reply->status != EC_PG_OK && !is_no_row(statement->sql, reply))
        ec_metric_add(statement->errors, 1);
    ec_metric_observe(statement->seconds, (double)(uv_hrtime() - sent_ns) / 1e9);
}

uint8_t *ec_pg_prepared(struct ec_pg_prepared *prepared, size_t id)
{
    size_t n = id < 64 ? 64 : id * 2;

    if (id >= prepared->n) {
        prepared->v = realloc(prepared->v, n);
        if (!prepared->v)
            ec_panic("out of memory");
        memset(prepared->v + prepared->n, EC_PG_UNPREPARED, n - prepared->n);
        prepared->n = n;
    }
    return &prepared->v[id];
}

void ec_pg_prepared_synced(struct ec_pg_prepared *prepared)
{
    size_t i;

    if (!prepared->sent)
        return;
    prepared->sent = false;
    for (i = 0; i < prepared->n; i++)
        if (prepared->v[i] == EC_PG_PARSE_SENT)
            prepared->v[i] = EC_PG_PARSE_UNSURE;
}

void ec_pg_prepared_forget(struct ec_pg_prepared *prepared)
{
    free(prepared->v);
    *prepared = (struct ec_pg_prepared){.v = NULL};
}

/* "trip-svc.Book.insert": the last part is what its program calls it. What the runtime asks for itself has no span. */
void ec_pg_statement_tell(const struct ec_task *task, const struct ec_sql *sql, const struct ec_pg_reply *reply, uint64_t began_ns)
{
    bool no_row = sql && is_no_row(sql, reply);
    struct ec_trace trace;
    char database[128];

    if (!ec_spans_on || !task->trace.sampled || !sql || strncmp(sql->name, "ec.", 3) == 0)
        return;
    snprintf(database, sizeof(database), "%s-db", ec_app.service->name);
    ec_trace_child(&trace, &task->trace);
    ec_span_end(&(struct ec_span){.trace = &trace,
                                  .kind = EC_SPAN_CLIENT,
                                  .hop = "sql",
                                  .from = ec_app.service->name,
                                  .to = database,
                                  .name = strrchr(sql->name, '.') ? strrchr(sql->name, '.') + 1 : sql->name,
                                  .outcome = reply->status == EC_PG_OK || no_row ? "ok" : "failed",
                                  .began_ns = began_ns});
}
