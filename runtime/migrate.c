/* `migrate` and `check-sql`: run once, alone in their process, so they use libpq the plain, waiting way.
 *
 * A session advisory lock makes replicas that start together migrate one after another. Each file is one transaction with the row that
 * records it; what was applied before is compared by its SHA-256 first. `down` takes back the last one that was applied.
 */
#include "migrate.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "pg.h"
#include "schema.h"

enum { CONNECT_TRIES = 20 };

/* ------------------------------------------------------------------ talking to the server */

static void no_notice(void *data, const char *message)
{
    (void)data;
    (void)message;
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
        nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
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

static bool apply(PGconn *pg, const struct ec_migration *migration)
{
    const char *values[] = {migration->version, migration->sha256 ? migration->sha256 : ""};
    PGresult *result;

    if (!run(pg, "BEGIN", migration->version))
        return false;
    if (run(pg, migration->up, migration->version) &&
        (result = ask(pg, "INSERT INTO ec.schema_migrations (version, sha256) VALUES ($1, $2)", 2, values, migration->version))) {
        PQclear(result);
        if (run(pg, "COMMIT", migration->version)) {
            printf("applied %s\n", migration->version);
            return true;
        }
    }
    run(pg, "ROLLBACK", migration->version);
    return false;
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

static bool go_up(PGconn *pg, const struct ec_service *service, bool seed)
{
    PGresult *rows = applied(pg);
    const struct ec_migration *migration;
    bool ok = rows != NULL;
    size_t i;

    for (i = 0; ok && (migration = ec_schema_migration(service, i)); i++) {
        int row = row_of(rows, migration->version);

        ok = row >= 0 ? !changed(rows, row, migration) : apply(pg, migration);
    }
    PQclear(rows);
    return ok && (!seed || seed_database(pg, service));
}

static bool go_down(PGconn *pg, const struct ec_service *service)
{
    PGresult *rows = applied(pg), *result;
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
    } else if (!changed(rows, PQntuples(rows) - 1, migration) && run(pg, "BEGIN", "migrate")) {
        /* The record goes first: the runtime's own migration takes its table along. */
        result = ask(pg, "DELETE FROM ec.schema_migrations WHERE version = $1", 1, values, "migrate");
        ok = result && run(pg, migration->down, migration->version) && run(pg, "COMMIT", migration->version);
        PQclear(result);
        if (ok)
            printf("took back %s\n", migration->version);
        else
            run(pg, "ROLLBACK", migration->version);
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

static int migrate(struct ec_app *app, int argc, char **argv)
{
    const char *verb = NULL;
    bool seed = false, ok;
    PGconn *pg;
    int i;

    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = true;
        else if (!verb && (strcmp(argv[i], "up") == 0 || strcmp(argv[i], "down") == 0 || strcmp(argv[i], "status") == 0))
            verb = argv[i];
        else
            break;
    }
    if (i < argc || (seed && verb && strcmp(verb, "up") != 0)) {
        fprintf(stderr, "usage: migrate [up|down|status] [--seed]\n");
        return 64;
    }
    pg = open_database();
    if (!pg)
        return 1;
    if (verb && strcmp(verb, "status") == 0)
        ok = show_status(pg, app->service);
    else if (!run(pg, "SELECT pg_advisory_lock(7305803319999619444)", "migrate"))
        ok = false;
    else
        ok = verb && strcmp(verb, "down") == 0 ? go_down(pg, app->service) : go_up(pg, app->service, seed);
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
    {"migrate", "migrate [up|down|status] [--seed]", migrate},
    {"check-sql", "check-sql", check_sql},
    {NULL, NULL, NULL},
};
