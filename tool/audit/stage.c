/* The stage: one transaction in the first service's database, with copies of what the questions are about. It is never committed. */
#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char tables_sql[] =
    "CREATE SCHEMA ec_audit;"
    "CREATE TABLE ec_audit.saga (service text, id uuid, name text, version int, state text, step int, error text);"
    "CREATE TABLE ec_audit.saga_step (service text, saga_id uuid, step text, phase text, state text);"
    "CREATE TABLE ec_audit.decision (service text, saga_id uuid, step text, what text, reason text, by_whom text, at timestamptz);"
    "CREATE TABLE ec_audit.inbox (service text, key text, program text, state text, created_at timestamptz);"
    "CREATE TABLE ec_audit.outbox (service text, topic text, key text, type text);"
    "CREATE TABLE ec_audit.record (service text, id bigint, event_id text, topic text, key bytea, type text, body bytea, xid xid8,"
    "  snapshot pg_snapshot);"
    "CREATE TABLE ec_audit.message (topic text, partition int, at bigint, key bytea, id text, type text, letter_group text, value bytea);"
    "CREATE TABLE ec_audit.step (service text, saga text, version int, step text, has_undo bool, participant text, do_barrier bool, undo_barrier bool);"
    "CREATE TABLE ec_audit.consumer (service text, group_ text, topic text, type text);"
    "CREATE TABLE ec_audit.beginning (topic text, partition int, at bigint)";

/* What is copied from each service: rows of the last days, since the inbox forgets after a week. %1$s: the service */
static const struct {
    const char *table, *query;
} copies[] = {
    {"saga", "SELECT '%1$s', id, name, version, state, step, error FROM ec.saga WHERE created_at > now() - interval '6 days'"},
    {"saga_step", "SELECT '%1$s', s.saga_id, s.step, s.phase, s.state FROM ec.saga_step s JOIN ec.saga g ON g.id = s.saga_id"
                  " WHERE g.created_at > now() - interval '6 days'"},
    {"decision", "SELECT '%1$s', saga_id, step, what, reason, by_whom, at FROM ec.saga_decision WHERE what <> 'retry'"},
    {"inbox", "SELECT '%1$s', key, program, state, created_at FROM ec.inbox WHERE key NOT LIKE 'client/%%'"},
    {"outbox", "SELECT '%1$s', topic, key, type FROM ec.outbox"},
};
static const char record_query[] =
    "SELECT '%1$s', id, event_id::text, topic, convert_to(key, 'UTF8'), type, convert_to(body, 'UTF8'), xid, snapshot"
    " FROM ec.outbox_record";

/* ------------------------------------------------------------------ connections and the reader */

PGconn *ecc_audit_connect(struct ecc_up *up, const char *service)
{
    PGconn *conn = PQconnectdb(ecc_database_url(up, service));

    if (PQstatus(conn) == CONNECTION_OK)
        return conn;
    ecc_say_error(ECC_EXIT_FAILED, "the database of %s: %s", service, PQerrorMessage(conn));
    PQfinish(conn);
    return NULL;
}

bool ecc_audit_do(PGconn *conn, const char *what, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    bool fine = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

    if (!fine)
        ecc_say_error(ECC_EXIT_FAILED, "%s: %s", what, PQerrorMessage(conn));
    PQclear(result);
    return fine;
}

FILE *ecc_audit_reader(struct ecc_up *up, pid_t *pid, const char *const *words)
{
    const char *path = ecc_arena_printf(up->arena, "%s/ecom-reader", up->bin);
    posix_spawn_file_actions_t actions;
    size_t n = 0;
    int ends[2], code;

    while (words[n])
        n++;
    const char **argv = ECC_NEW_ARRAY(up->arena, const char *, n + 2);
    argv[0] = path;
    memcpy(argv + 1, words, n * sizeof *argv);
    if (pipe2(ends, O_CLOEXEC))
        return NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    code = posix_spawn(pid, path, &actions, NULL, (char **)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (code) {
        close(ends[0]);
        errno = code;
        return NULL;
    }
    return fdopen(ends[0], "re");
}

int ecc_audit_reader_close(FILE *out, pid_t pid)
{
    int status = 0;

    fclose(out);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return ECC_EXIT_FAILED;
    return WIFEXITED(status) ? WEXITSTATUS(status) : ECC_EXIT_FAILED;
}

bool ecc_audit_publishes(const struct ecc_node *node)
{
    for (size_t i = 0; node->kind == ECC_NODE_SERVICE && node->u.service.has_database && i < node->nout; i++)
        if (node->out[i]->npublish)
            return true;
    return false;
}

/* ------------------------------------------------------------------ copying */

static bool copy_in(struct ecc_audit_stage *stage, const char *table)
{
    PGresult *result = PQexec(stage->conn, ecc_arena_printf(stage->up->arena, "COPY %s FROM STDIN", table));
    bool fine = PQresultStatus(result) == PGRES_COPY_IN;

    PQclear(result);
    return fine;
}

static bool copy_done(struct ecc_audit_stage *stage, const char *table, bool fine)
{
    PGresult *result;

    if (PQputCopyEnd(stage->conn, fine ? NULL : "it could not be read whole") < 0)
        fine = false;
    while ((result = PQgetResult(stage->conn))) {
        if (PQresultStatus(result) != PGRES_COMMAND_OK && fine) {
            ecc_say_error(ECC_EXIT_FAILED, "copying into %s: %s", table, PQerrorMessage(stage->conn));
            fine = false;
        }
        PQclear(result);
    }
    return fine;
}

/* Streams the rows of a query on another connection. */
static bool copy_rows(struct ecc_audit_stage *stage, PGconn *from, const char *query, const char *table)
{
    PGresult *result = PQexec(from, ecc_arena_printf(stage->up->arena, "COPY (%s) TO STDOUT", query));
    bool fine = PQresultStatus(result) == PGRES_COPY_OUT;
    char *row;
    int n;

    PQclear(result);
    if (!fine) {
        ecc_say_error(ECC_EXIT_FAILED, "reading for %s: %s", table, PQerrorMessage(from));
        return false;
    }
    fine = copy_in(stage, table);
    while ((n = PQgetCopyData(from, &row, 0)) > 0) {
        if (fine && PQputCopyData(stage->conn, row, n) < 0)
            fine = false;
        PQfreemem(row);
    }
    result = PQgetResult(from);
    if (n != -1 || PQresultStatus(result) != PGRES_COMMAND_OK) {
        ecc_say_error(ECC_EXIT_FAILED, "reading for %s: %s", table, PQerrorMessage(from));
        fine = false;
    }
    PQclear(result);
    while ((result = PQgetResult(from)))
        PQclear(result);
    return copy_done(stage, table, fine);
}

static bool put_line(struct ecc_audit_stage *stage, const char *line)
{
    return PQputCopyData(stage->conn, line, (int)strlen(line)) > 0;
}

static bool copy_service(struct ecc_audit_stage *stage, const struct ecc_node *node)
{
    PGconn *from = ecc_audit_connect(stage->up, node->name);
    bool fine = from != NULL;

    for (size_t i = 0; fine && i < sizeof copies / sizeof copies[0]; i++) {
        const char *query = ecc_arena_printf(stage->up->arena, copies[i].query, node->name);
        fine = copy_rows(stage, from, query, ecc_arena_printf(stage->up->arena, "ec_audit.%s", copies[i].table));
    }
    if (fine && stage->record.on && ecc_audit_publishes(node))
        fine = copy_rows(stage, from, ecc_arena_printf(stage->up->arena, record_query, node->name), "ec_audit.record");
    PQfinish(from);
    return fine;
}

/* Topics, and their dead letters. */
static bool copy_topics(struct ecc_audit_stage *stage)
{
    struct {
        const char **items;
        size_t n, cap;
    } words = {0};
    struct ecc_up *up = stage->up;
    const char *brokers = ecc_up_brokers(up);
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    pid_t pid;

    if (!brokers)
        return true;
    ECC_PUSH(up->arena, &words, "topics");
    ECC_PUSH(up->arena, &words, brokers);
    for (size_t i = 0; i < up->model->nnodes; i++) {
        const struct ecc_node *node = up->model->nodes[i];
        for (size_t k = 0; node->kind == ECC_NODE_BUS && k < node->u.bus.ntopics; k++) {
            ECC_PUSH(up->arena, &words, node->u.bus.topics[k]->name);
            ECC_PUSH(up->arena, &words, ecc_arena_printf(up->arena, "%s.dead-letter", node->u.bus.topics[k]->name));
        }
    }
    if (words.n == 2)
        return true; /* a bus without a topic */
    ECC_PUSH(up->arena, &words, NULL);
    FILE *out = ecc_audit_reader(up, &pid, words.items);
    bool fine = out && copy_in(stage, "ec_audit.message");
    if (!out) {
        ecc_say_error(ECC_EXIT_FAILED, "%s/ecom-reader: %s", up->bin, strerror(errno));
        return false;
    }
    while (fine && (n = getline(&line, &cap, out)) > 0)
        fine = PQputCopyData(stage->conn, line, (int)n) > 0;
    free(line);
    fine = !ecc_audit_reader_close(out, pid) && fine;
    return copy_done(stage, "ec_audit.message", fine);
}

/* ------------------------------------------------------------------ what the model says */

static const char *flag(bool value)
{
    return value ? "t" : "f";
}

static bool barrier(const struct ecc_op *op)
{
    return op && op->service->u.service.has_database && op->program.repeat != ECC_REPEAT_READ;
}

static bool put_model(struct ecc_audit_stage *stage)
{
    const struct ecc_model *model = stage->up->model;
    struct ecc_arena *arena = stage->up->arena;
    const char *key;
    json_t *value;
    bool fine = copy_in(stage, "ec_audit.step");

    for (size_t i = 0; fine && i < model->nsagas + model->npast; i++) {
        const struct ecc_saga *saga = i < model->nsagas ? model->sagas[i] : model->past[i - model->nsagas];
        for (size_t k = 0; k < saga->nsteps; k++) {
            const struct ecc_saga_step *step = &saga->steps[k];
            const struct ecc_op *run = step->run->u.call.op, *undo = step->undo ? step->undo->u.call.op : NULL;
            fine = fine && put_line(stage, ecc_arena_printf(arena, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", saga->service->name, saga->name,
                                                            saga->version, step->name, flag(undo), run->service->name, flag(barrier(run)),
                                                            flag(barrier(undo))));
        }
    }
    fine = copy_done(stage, "ec_audit.step", fine) && copy_in(stage, "ec_audit.consumer");
    for (size_t i = 0; fine && i < model->nnodes; i++)
        for (size_t k = 0; model->nodes[i]->kind == ECC_NODE_SERVICE && k < model->nodes[i]->u.service.nconsumers; k++) {
            const struct ecc_consumer *c = model->nodes[i]->u.service.consumers[k];
            if (model->nodes[i]->u.service.has_database && c->program.repeat != ECC_REPEAT_READ)
                fine =
                    fine && put_line(stage, ecc_arena_printf(arena, "%s\t%s.%s\t%s\t%s.v%d\n", model->nodes[i]->name, model->nodes[i]->name,
                                                             c->group, c->topic->name, c->event->name, c->event->version));
        }
    fine = copy_done(stage, "ec_audit.consumer", fine) && copy_in(stage, "ec_audit.beginning");
    json_object_foreach(stage->record.ends, key, value)
    {
        const char *slash = strrchr(key, '/');
        fine = fine && put_line(stage, ecc_arena_printf(arena, "%.*s\t%s\t%lld\n", (int)(slash - key), key, slash + 1,
                                                        (long long)json_integer_value(value)));
    }
    return copy_done(stage, "ec_audit.beginning", fine);
}

static const struct ecc_node *host_of(const struct ecc_model *model)
{
    for (size_t i = 0; i < model->nnodes; i++)
        if (model->nodes[i]->kind == ECC_NODE_SERVICE && model->nodes[i]->u.service.has_database)
            return model->nodes[i];
    return NULL;
}

int ecc_audit_stage_open(struct ecc_up *up, struct ecc_audit_stage *stage)
{
    const struct ecc_node *host = host_of(up->model);

    *stage = (struct ecc_audit_stage){.up = up};
    if (!host)
        return 0;
    ecc_record_load(up, &stage->record);
    stage->conn = ecc_audit_connect(up, host->name);
    bool fine = stage->conn &&
                ecc_audit_do(stage->conn, "the audit", "SET client_min_messages = error; SET bytea_output = hex; SET jit = off") &&
                ecc_audit_do(stage->conn, "the audit", "BEGIN") && ecc_audit_do(stage->conn, "the audit", tables_sql);
    for (size_t i = 0; fine && i < up->model->nnodes; i++)
        if (up->model->nodes[i]->kind == ECC_NODE_SERVICE && up->model->nodes[i]->u.service.has_database)
            fine = copy_service(stage, up->model->nodes[i]);
    fine = fine && copy_topics(stage) && put_model(stage) &&
           ecc_audit_do(stage->conn, "the audit",
                        "CREATE INDEX ON ec_audit.inbox (key); CREATE INDEX ON ec_audit.message (id);"
                        "CREATE INDEX ON ec_audit.saga_step (saga_id); ANALYZE ec_audit.inbox, ec_audit.message,"
                        "ec_audit.saga, ec_audit.saga_step, ec_audit.record");
    if (!fine) {
        ecc_audit_stage_close(stage);
        return ECC_EXIT_FAILED;
    }
    PGresult *result =
        PQexec(stage->conn, "SELECT 1 FROM ec_audit.beginning b LEFT JOIN (SELECT topic, partition, min(at) AS low FROM ec_audit.message"
                            " GROUP BY topic, partition) m USING (topic, partition)"
                            " WHERE coalesce(m.low, b.at) > greatest(b.at - 1, 0) LIMIT 1");
    if (PQntuples(result))
        stage->forgotten = "the broker does not have all that was published any more: it was restarted, or keeps too little";
    PQclear(result);
    return 0;
}

void ecc_audit_stage_close(struct ecc_audit_stage *stage)
{
    PQfinish(stage->conn);
    json_decref(stage->record.ends);
    stage->conn = NULL;
    stage->record = (struct ecc_record_start){0};
}

/* ------------------------------------------------------------------ invariants over several nodes */

static bool copy_ledger(struct ecc_audit_stage *stage, const struct ecc_node *node, const char *schema, int port)
{
    struct ecc_up *up = stage->up;
    pid_t pid;
    char *text = NULL;
    size_t cap = 0;
    const char *url = ecc_arena_printf(up->arena, "https://127.0.0.1:%d/_sandbox/ledger", port);
    FILE *out = ecc_audit_reader(up, &pid, (const char *const[]){"ledger", url, ecc_up_path(up, "secrets/ca.pem"), NULL});
    ssize_t n = out ? getdelim(&text, &cap, '\0', out) : -1;
    bool fine = out && !ecc_audit_reader_close(out, pid) && n > 0;

    if (!fine)
        ecc_say_error(ECC_EXIT_FAILED, "the ledger of %s could not be read", node->name);
    const char *sql =
        ecc_arena_printf(up->arena,
                         "CREATE TABLE %s.ledger AS SELECT * FROM jsonb_to_recordset($1::jsonb) AS"
                         " l(call text, at timestamptz, request jsonb, key text, status bigint, reply jsonb, replayed bool, fault text)",
                         schema);
    PGresult *result = fine ? PQexecParams(stage->conn, sql, 1, NULL, (const char *const[]){text}, NULL, NULL, 0) : NULL;
    if (fine && PQresultStatus(result) != PGRES_COMMAND_OK) {
        ecc_say_error(ECC_EXIT_FAILED, "the ledger of %s: %s", node->name, PQerrorMessage(stage->conn));
        fine = false;
    }
    PQclear(result);
    free(text);
    return fine;
}

/* Each table as it is in the database, which may be more than the model knows. */
static bool copy_tables(struct ecc_audit_stage *stage, const struct ecc_node *node, const char *schema)
{
    struct ecc_arena *arena = stage->up->arena;
    PGconn *from = ecc_audit_connect(stage->up, node->name);
    bool fine = from != NULL;

    for (size_t i = 0; fine && i < node->u.service.ntables; i++) {
        const char *name = node->u.service.tables[i]->name, *table = ecc_arena_printf(arena, "%s.\"%s\"", schema, name);
        PGresult *result =
            PQexec(from, ecc_arena_printf(arena,
                                          "SELECT string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY"
                                          " attnum) FROM pg_attribute WHERE attrelid = 'public.\"%s\"'::regclass AND attnum > 0 AND NOT"
                                          " attisdropped",
                                          name));
        fine = PQntuples(result) == 1 &&
               ecc_audit_do(stage->conn, table, ecc_arena_printf(arena, "CREATE TABLE %s (%s)", table, PQgetvalue(result, 0, 0))) &&
               copy_rows(stage, from, ecc_arena_printf(arena, "SELECT * FROM public.\"%s\"", name), table) &&
               ecc_audit_do(stage->conn, table, ecc_arena_printf(arena, "ANALYZE %s", table));
        PQclear(result);
    }
    PQfinish(from);
    return fine;
}

/* The port of a sandbox that runs, from the state of `up`; 0: the real provider is used. */
static int sandbox_port(struct ecc_up *up, const struct ecc_node *node)
{
    json_t *state = ecc_state_read(ecc_up_path(up, "state.json")), *proc;
    const char *wanted = ecc_arena_printf(up->arena, "%s-sandbox", node->name);
    size_t i;
    int port = 0;

    json_array_foreach(json_object_get(state, "processes"), i, proc)
    {
        const char *name = json_string_value(json_object_get(proc, "name"));
        if (name && !strcmp(name, wanted))
            port = (int)json_integer_value(json_object_get(proc, "port"));
    }
    json_decref(state);
    return port;
}

int ecc_audit_stage_invariant(struct ecc_audit_stage *stage, const struct ecc_invariant *invariant, const char **why)
{
    struct ecc_arena *arena = stage->up->arena;

    for (size_t i = 0; i < invariant->nnodes; i++) {
        const struct ecc_node *node = invariant->nodes[i];
        const char *schema = ecc_schema_name(arena, node);
        int port = node->kind == ECC_NODE_EXTERNAL ? sandbox_port(stage->up, node) : 0;
        if (node->kind == ECC_NODE_EXTERNAL && !port) {
            *why = ecc_arena_printf(arena, "%s is the real one here, whose books can't be read", node->name);
            return 0;
        }
        PGresult *result = PQexec(stage->conn, ecc_arena_printf(arena, "SELECT 1 FROM pg_namespace WHERE nspname = '%s'", schema));
        bool there = PQntuples(result) == 1; /* an earlier invariant has it */
        PQclear(result);
        if (there)
            continue;
        if (!ecc_audit_do(stage->conn, schema, ecc_arena_printf(arena, "CREATE SCHEMA %s", schema)) ||
            !(port ? copy_ledger(stage, node, schema, port) : copy_tables(stage, node, schema)))
            return ECC_EXIT_FAILED;
    }
    return 0;
}
