/* `migrate` and `check-sql`: run once, alone in their process, so they use libpq the plain, waiting way.
 *
 * A session advisory lock makes replicas that start together migrate one after another; it is asked for again and again, because whoever
 * waits for it inside a statement holds a snapshot, for which CREATE INDEX CONCURRENTLY would wait in turn. Each migration is one
 * transaction with the row that records it, or one statement outside a transaction, which is run again when nothing recorded it. What was
 * applied before is compared by its SHA-256 first. `down` takes back the last one that was applied.
 *
 * Who waits for a table's lock holds up everybody that comes after: a transaction waits two seconds, gives up what it has, lets the others
 * pass and tries again, for a minute or so.
 */
#include "migrate.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "pg.h"
#include "schema.h"

enum { CONNECT_TRIES = 20, LOCK_TRIES = 30 };

/* ------------------------------------------------------------------ talking to the server */

static void no_notice(void *data, const char *message)
{
    (void)data;
    (void)message;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* A server that is only just starting is waited for: ten seconds at most. */
static PGconn *open_database(void)
{
    const char *const keys[] = {"dbname", "connect_timeout", "client_encoding", NULL};
    const char *const values[] = {ec_pg_url(), "5", "UTF8", NULL};
    PGconn *pg;
    int i;

    for (i = 0;; i++) {
        pg = PQconnectdbParams(keys, values, 1);
        if (PQstatus(pg) == CONNECTION_OK || i == CONNECT_TRIES)
            break;
        PQfinish(pg);
        pause_ms(500);
    }
    if (PQstatus(pg) != CONNECTION_OK) {
        fprintf(stderr, "the database can't be reached: %s", PQerrorMessage(pg));
        PQfinish(pg);
        return NULL;
    }
    PQsetNoticeProcessor(pg, no_notice, NULL);
    return pg;
}

/* Any number of statements, without parameters. */
static bool run(PGconn *pg, const char *sql, const char *what)
{
    PGresult *result = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(result);
    bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;

    if (!ok)
        fprintf(stderr, "%s: %s", what, PQresultErrorMessage(result));
    PQclear(result);
    return ok;
}

static PGresult *ask(PGconn *pg, const char *sql, int n, const char *const *values, const char *what)
{
    PGresult *result = PQexecParams(pg, sql, n, NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return result;
    fprintf(stderr, "%s: %s", what, PQresultErrorMessage(result));
    PQclear(result);
    return NULL;
}

/* ------------------------------------------------------------------ what is applied */

/* Rows of version, sha256 and applied_at, in order; no rows when the database is empty. NULL: an error, told. */
static PGresult *applied(PGconn *pg)
{
    PGresult *result = ask(pg, "SELECT to_regclass('ec.schema_migrations') IS NOT NULL", 0, NULL, "migrate");
    bool there;

    if (!result)
        return NULL;
    there = PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    return ask(pg,
               there ? "SELECT version, sha256, applied_at FROM ec.schema_migrations ORDER BY version"
                     : "SELECT ''::text, ''::text, ''::text WHERE false",
               0, NULL, "migrate");
}

static int row_of(const PGresult *rows, const char *version)
{
    int i;

    for (i = 0; i < PQntuples(rows); i++)
        if (strcmp(PQgetvalue(rows, i, 0), version) == 0)
            return i;
    return -1;
}

static bool changed(const PGresult *rows, int row, const struct ec_migration *migration)
{
    if (!migration->sha256 || strcmp(PQgetvalue(rows, row, 1), migration->sha256) == 0)
        return false;
    fprintf(stderr, "migrate: %s was changed after it was applied\n", migration->version);
    return true;
}

/* ------------------------------------------------------------------ up, down, status */

/* What one transaction, or one statement outside of one, came to. */
enum outcome { DONE, LOCKED, FAILED };

static enum outcome outcome_of(PGresult *result, const char *what, bool quiet)
{
    ExecStatusType status = PQresultStatus(result);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    enum outcome outcome = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY ? DONE
                           : state && strcmp(state, "55P03") == 0                                                 ? LOCKED
                                                                                                                  : FAILED;

    if (outcome == FAILED || (outcome == LOCKED && !quiet))
        fprintf(stderr, "%s: %s", what, PQresultErrorMessage(result));
    PQclear(result);
    return outcome;
}

/* The record goes in last and out first: that of the runtime's own migration is in a table that it makes and drops. */
static enum outcome in_transaction(PGconn *pg, const char *sql, const char *record, const char *const *values, bool up, const char *what,
                                   bool quiet)
{
    int n = up ? 2 : 1, i;

    if (!run(pg, "BEGIN", what) || !run(pg, "SET LOCAL lock_timeout = '2s'", what))
        return FAILED;
    for (i = 0; i < 2; i++) {
        PGresult *result = (i == 0) == up ? PQexec(pg, sql) : PQexecParams(pg, record, n, NULL, values, NULL, NULL, 0);
        enum outcome outcome = outcome_of(result, what, quiet);

        if (outcome != DONE) {
            run(pg, "ROLLBACK", what);
            return outcome;
        }
    }
    return run(pg, "COMMIT", what) ? DONE : FAILED;
}

/* CREATE INDEX CONCURRENTLY that was broken off leaves an index that is not valid and stands in its own way. */
static bool drop_invalid(PGconn *pg, const char *sql, const char *what)
{
    const char *values[] = {sql};
    PGresult *rows =
        ask(pg,
            "SELECT format('DROP INDEX CONCURRENTLY %s', i.indexrelid::regclass) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace "
            "AND strpos($1, ' ' || quote_ident(c.relname) || ' ON ') > 0",
            1, values, what);
    bool ok = rows != NULL;
    int i;

    for (i = 0; ok && i < PQntuples(rows); i++)
        ok = run(pg, PQgetvalue(rows, i, 0), what);
    PQclear(rows);
    return ok;
}

static bool alone(PGconn *pg, const char *sql, const char *record, const char *const *values, bool up, const char *what)
{
    PGresult *result;

    if ((up && !drop_invalid(pg, sql, what)) || !run(pg, sql, what))
        return false;
    result = ask(pg, record, up ? 2 : 1, values, what);
    PQclear(result);
    return result != NULL;
}

static bool change(PGconn *pg, const struct ec_migration *migration, bool up)
{
    const char *const values[] = {migration->version, migration->sha256 ? migration->sha256 : ""},
                      *sql = up ? migration->up : migration->down;
    const char *record =
        up ? "INSERT INTO ec.schema_migrations (version, sha256) VALUES ($1, $2)" : "DELETE FROM ec.schema_migrations WHERE version = $1";
    enum outcome outcome = LOCKED;
    int i;

    if (migration->no_transaction)
        return alone(pg, sql, record, values, up, migration->version);
    for (i = 1; outcome == LOCKED && i <= LOCK_TRIES; i++) {
        if (i > 1)
            pause_ms(500);
        outcome = in_transaction(pg, sql, record, values, up, migration->version, i < LOCK_TRIES);
    }
    return outcome == DONE;
}

static bool apply(PGconn *pg, const struct ec_migration *migration)
{
    if (!change(pg, migration, true))
        return false;
    printf("applied %s\n", migration->version);
    return true;
}

/* Another tool has applied the files: they are recorded, and only the runtime's own tables are made. */
static bool record(PGconn *pg, const struct ec_migration *migration)
{
    const char *const values[] = {migration->version, migration->sha256 ? migration->sha256 : ""};
    PGresult *result = ask(pg, "INSERT INTO ec.schema_migrations (version, sha256) VALUES ($1, $2)", 2, values, migration->version);

    if (result)
        printf("recorded %s\n", migration->version);
    PQclear(result);
    return result != NULL;
}

static bool seed_database(PGconn *pg, const struct ec_service *service)
{
    if (!service->seed || !*service->seed)
        return true;
    if (!run(pg, "BEGIN", "seed"))
        return false;
    if (run(pg, service->seed, "seed") && run(pg, "COMMIT", "seed")) {
        printf("seeded\n");
        return true;
    }
    run(pg, "ROLLBACK", "seed");
    return false;
}

static bool go_up(PGconn *pg, const struct ec_service *service, bool seed, bool baseline)
{
    PGresult *rows = applied(pg);
    const struct ec_migration *migration;
    bool ok = rows != NULL;
    size_t i;

    for (i = 0; ok && (migration = ec_schema_migration(service, i)); i++) {
        int row = row_of(rows, migration->version);

        ok = row >= 0 ? !changed(rows, row, migration) : baseline && i >= ec_schema_own ? record(pg, migration) : apply(pg, migration);
    }
    PQclear(rows);
    return ok && (!seed || seed_database(pg, service));
}

static bool go_down(PGconn *pg, const struct ec_service *service)
{
    PGresult *rows = applied(pg);
    const struct ec_migration *migration = NULL, *at;
    const char *values[1];
    bool ok = false;
    size_t i;

    if (!rows)
        return false;
    if (PQntuples(rows) == 0) {
        printf("nothing is applied\n");
        PQclear(rows);
        return true;
    }
    values[0] = PQgetvalue(rows, PQntuples(rows) - 1, 0);
    for (i = 0; (at = ec_schema_migration(service, i)); i++)
        if (strcmp(at->version, values[0]) == 0)
            migration = at;
    if (!migration || !migration->down) {
        fprintf(stderr, "migrate: this binary doesn't know how to take back %s\n", values[0]);
    } else if (!changed(rows, PQntuples(rows) - 1, migration) && change(pg, migration, false)) {
        printf("took back %s\n", migration->version);
        ok = true;
    }
    PQclear(rows);
    return ok;
}

static bool show_status(PGconn *pg, const struct ec_service *service)
{
    PGresult *rows = applied(pg);
    const struct ec_migration *migration;
    bool ok = rows != NULL;
    size_t i;
    int row;

    for (i = 0; rows && (migration = ec_schema_migration(service, i)); i++) {
        row = row_of(rows, migration->version);
        if (row >= 0 && changed(rows, row, migration))
            ok = false;
        printf("%-40s %s\n", migration->version, row >= 0 ? PQgetvalue(rows, row, 2) : "pending");
    }
    PQclear(rows);
    return ok;
}

static bool is_verb(const char *word)
{
    static const char *const verbs[] = {"up", "down", "status", "baseline"};

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(word, verbs[i]) == 0)
            return true;
    return false;
}

/* Until it is ours: who has it lets go at the latest when its connection ends. */
static bool take_lock(PGconn *pg)
{
    for (;;) {
        PGresult *result = ask(pg, "SELECT pg_try_advisory_lock(7305803319999619444)", 0, NULL, "migrate");
        bool ours = result && PQgetvalue(result, 0, 0)[0] == 't';

        PQclear(result);
        if (!result || ours)
            return ours;
        pause_ms(100);
    }
}

static int migrate(struct ec_app *app, int argc, char **argv)
{
    const char *verb = NULL;
    bool seed = false, ok;
    PGconn *pg;
    int i;

    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = true;
        else if (!verb && is_verb(argv[i]))
            verb = argv[i];
        else
            break;
    }
    if (i < argc || (seed && verb && strcmp(verb, "up") != 0)) {
        fprintf(stderr, "usage: migrate [up|down|status|baseline] [--seed]\n");
        return 64;
    }
    pg = open_database();
    if (!pg)
        return 1;
    if (verb && strcmp(verb, "status") == 0)
        ok = show_status(pg, app->service);
    else if (!take_lock(pg))
        ok = false;
    else if (verb && strcmp(verb, "down") == 0)
        ok = go_down(pg, app->service);
    else
        ok = go_up(pg, app->service, seed, verb && strcmp(verb, "baseline") == 0);
    PQfinish(pg);
    fflush(stdout);
    return ok ? 0 : 1;
}

/* ------------------------------------------------------------------ check-sql */

/* The server parses each statement against the schema and says what it returns. */
static bool check_statement(PGconn *pg, const struct ec_sql *sql)
{
    PGresult *result = PQprepare(pg, "", sql->text, 0, NULL);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    int columns;

    if (!ok)
        fprintf(stderr, "%s: %s", sql->name, PQresultErrorMessage(result));
    PQclear(result);
    if (!ok || !sql->row)
        return ok;
    result = PQdescribePrepared(pg, "");
    columns = PQnfields(result);
    PQclear(result);
    if ((size_t)columns == sql->row->nfields)
        return true;
    fprintf(stderr, "%s: it returns %d columns where %zu are read\n", sql->name, columns, sql->row->nfields);
    return false;
}

static int check_sql(struct ec_app *app, int argc, char **argv)
{
    const struct ec_sql *const *at;
    int n = 0, bad = 0;
    PGconn *pg;

    (void)argv;
    if (argc > 1) {
        fprintf(stderr, "usage: check-sql\n");
        return 64;
    }
    pg = open_database();
    if (!pg)
        return 1;
    for (at = app->service->statements; at && *at; at++) {
        n++;
        bad += !check_statement(pg, *at);
    }
    PQfinish(pg);
    printf("%d of %d statements fit the database\n", n - bad, n);
    fflush(stdout);
    return bad ? 1 : 0;
}

const struct ec_command ec_migrate_commands[] = {
    {"migrate", "migrate [up|down|status|baseline] [--seed]", migrate},
    {"check-sql", "check-sql", check_sql},
    {NULL, NULL, NULL},
};
