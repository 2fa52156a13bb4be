/* The command `saga` of a service: what its sagas do, which are stuck, and what a person can do about one.
 *
 *   saga list [--all] [--limit N]     those that have not ended, the stuck ones first; --all: those that have, too
 *   saga show ID                      saga_show.c
 *   saga retry ID | saga resolve ...  saga_decide.c
 *
 * It reads and writes the rows that the engine works on, over a connection of its own, so it works with and without processes that run.
 * What is in a row and was not written by the engine is escaped, and of a saga's parameters and replies no secret is shown: they are read
 * by their tables and written without; those of a version that this binary does not have are not shown at all.
 */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "json.h"
#include "saga_cmd.h"
#include "trace.h"

enum { EXIT_CONFIG = 78, LIMIT = 100, ALONE_S = 10 };

#define USAGE                                                                                                                     \
    "saga list [--all] [--limit N] | show ID | retry ID | resolve ID undone|kept|done --reason TEXT [--reply JSON]  [--by NAME] " \
    "[--format text|json]"

/* ------------------------------------------------------------------ what a row says */

const char *const ec_saga_condition_names[] = {
#define X(e, n) n,
    EC_SAGA_CONDITIONS(X)
#undef X
};

/* $1 an id, or NULL for all; $2 those that have ended, too; $3 names $4 versions of this binary; $5 how many at most */
static const char select_rows[] =
    "SELECT id, name, version, state, step, attempts, greatest(0, extract(epoch FROM coalesce(ended_at, now()) - created_at))::bigint, "
    "greatest(0, extract(epoch FROM next_at - now()))::bigint, greatest(0, extract(epoch FROM now() - lease_until))::bigint, error, "
    "detail, last_error, traceparent, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), "
    "to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), params FROM ec.saga "
    "WHERE ($1::uuid IS NULL AND ($2::bool OR state IN ('running', 'compensating'))) OR id = $1::uuid "
    "ORDER BY CASE WHEN ended_at IS NOT NULL THEN 4 WHEN attempts > 10 THEN 0 "
    "WHEN (name, version) NOT IN (SELECT * FROM unnest($3::text[], $4::int[])) THEN 1 "
    "WHEN lease_until < now() - interval '10 s' THEN 2 ELSE 3 END, ended_at DESC, created_at LIMIT $5::bigint";

const char *ec_saga_cell(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

static int64_t number(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

const struct ec_saga *ec_saga_known(const char *name, int64_t version)
{
    const struct ec_saga *const *saga;

    for (saga = ec_app.service->sagas; saga && *saga; saga++)
        if (strcmp((*saga)->name, name) == 0 && (*saga)->version == version)
            return *saga;
    return NULL;
}

static enum ec_saga_condition condition_of(const struct ec_saga_row *row)
{
    if (row->ended)
        return EC_SAGA_IS_ENDED;
    if (row->attempts > EC_SAGA_STUCK)
        return EC_SAGA_IS_STUCK;
    if (!row->saga)
        return EC_SAGA_IS_UNKNOWN;
    if (row->alone_s >= ALONE_S)
        return EC_SAGA_IS_ALONE;
    return row->attempts ? EC_SAGA_IS_WAITS : EC_SAGA_IS_RUNS;
}

struct ec_saga_row ec_saga_read_row(const PGresult *result, int at)
{
    struct ec_saga_row row = {.id = ec_saga_cell(result, at, 0),
                              .name = ec_saga_cell(result, at, 1),
                              .version = number(result, at, 2),
                              .state = ec_saga_cell(result, at, 3),
                              .step = number(result, at, 4),
                              .attempts = number(result, at, 5),
                              .age_s = number(result, at, 6),
                              .next_s = number(result, at, 7),
                              .alone_s = number(result, at, 8),
                              .error = ec_saga_cell(result, at, 9),
                              .detail = ec_saga_cell(result, at, 10),
                              .created = ec_saga_cell(result, at, 13),
                              .ended = ec_saga_cell(result, at, 14),
                              .params = ec_saga_cell(result, at, 15)};
    const char *trace = ec_saga_cell(result, at, 12);

    row.last_error = row.attempts ? ec_saga_cell(result, at, 11) : NULL;
    row.saga = ec_saga_known(row.name, row.version);
    row.condition = condition_of(&row);
    if (trace && strlen(trace) == EC_TRACEPARENT)
        memcpy(row.trace, trace + 3, 32);
    return row;
}

static bool at_end(const struct ec_saga_row *row)
{
    return row->step < 0 || (row->saga && (size_t)row->step >= row->saga->nsteps);
}

const char *ec_saga_phase(const struct ec_saga_row *row)
{
    return strcmp(row->state, "compensating") == 0 ? "undo" : "do";
}

/* What is under way: a step's name, or the end. */
static const char *step_of(const struct ec_saga_row *row)
{
    if (row->ended || !row->saga)
        return NULL;
    return at_end(row) ? "the end" : row->saga->steps[row->step].name;
}

/* Names are of the language, so they need no quoting in an array. */
PGresult *ec_saga_ask_rows(PGconn *pg, const char *id, bool all, int64_t limit)
{
    const struct ec_saga *const *saga;
    struct ec_buf names = {0}, versions = {0};
    char most[24];
    PGresult *result;

    for (saga = ec_app.service->sagas; saga && *saga; saga++) {
        ec_buf_printf(&names, "%s%s", names.n ? "," : "{", (*saga)->name);
        ec_buf_printf(&versions, "%s%d", versions.n ? "," : "{", (*saga)->version);
    }
    ec_buf_add(&names, names.n ? "}" : "{}", names.n ? 2 : 3); /* with the NUL */
    ec_buf_add(&versions, versions.n ? "}" : "{}", versions.n ? 2 : 3);
    snprintf(most, sizeof(most), "%" PRId64, limit);
    result = PQexecParams(pg, select_rows, 5, NULL, (const char *const[]){id, all ? "t" : "f", names.p, versions.p, most}, NULL, NULL, 0);
    ec_buf_free(&names);
    ec_buf_free(&versions);
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    fprintf(stderr, "the sagas can't be read: %s", PQresultErrorMessage(result));
    PQclear(result);
    return NULL;
}

/* ------------------------------------------------------------------ what to do */

/* One sentence, or two. */
void ec_saga_add_advice(struct ec_buf *out, const struct ec_saga_row *row)
{
    const struct ec_saga_step *step = row->saga && !at_end(row) && !row->ended ? &row->saga->steps[row->step] : NULL;
    bool back = strcmp(ec_saga_phase(row), "undo") == 0;

    switch (row->condition) {
    case EC_SAGA_IS_ENDED:
        ec_buf_str(out, "It has ended; there is nothing to do.");
        return;
    case EC_SAGA_IS_UNKNOWN:
        ec_buf_printf(out, "This binary does not have version %" PRId64 " of %s: bring out one of %s that has it.", row->version, row->name,
                      ec_app.service->name);
        return;
    case EC_SAGA_IS_ALONE:
        ec_buf_printf(out, "No process runs it: start %s.", ec_app.service->name);
        return;
    case EC_SAGA_IS_WAITS:
        ec_buf_printf(out, "Nothing: it is tried again by itself in %" PRId64 " s; `saga retry %s` does so at once.", row->next_s, row->id);
        return;
    case EC_SAGA_IS_RUNS:
        ec_buf_str(out, "Nothing: it is under way.");
        return;
    case EC_SAGA_IS_STUCK:
        break;
    }
    if (!row->saga)
        ec_buf_printf(out, "Bring out a binary of %s that has version %" PRId64 " of it.", ec_app.service->name, row->version);
    else if (!step)
        ec_buf_printf(out, "Its end, a program of %s itself, fails: mend what that needs, then `saga retry %s`.", ec_app.service->name,
                      row->id);
    else
        ec_buf_printf(out, "Mend what makes %s fail, then `saga retry %s`. ", back ? step->undoes : step->calls, row->id);
    if (step && back)
        ec_buf_printf(
            out,
            "If it can't be mended: `saga resolve %s undone --reason TEXT` when you have undone %s by hand, or `kept` in place of "
            "`undone` when its effect is to stay.",
            row->id, step->calls);
    else if (step)
        ec_buf_printf(out, "If it can't be mended: `saga resolve %s done --reason TEXT%s` when you have done it by hand.", row->id,
                      step->result ? " --reply JSON" : "");
}

/* ------------------------------------------------------------------ list */

static void add_age(struct ec_buf *out, int64_t s)
{
    if (s < 100)
        ec_buf_printf(out, "%" PRId64 "s", s);
    else if (s < 6000)
        ec_buf_printf(out, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
    else if (s < 100 * 3600)
        ec_buf_printf(out, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
    else
        ec_buf_printf(out, "%" PRId64 "d", s / 86400);
}

void ec_saga_add_text(struct ec_buf *out, const char *text)
{
    ec_shown_add(out, ec_str_of(text ? text : "-"), false);
}

void ec_saga_list_line(struct ec_buf *out, const struct ec_saga_row *row)
{
    ec_buf_printf(out, "%-7s  %s  ", ec_saga_condition_names[row->condition], row->id);
    ec_saga_add_text(out, row->name);
    ec_buf_printf(out, " v%" PRId64 "  %s", row->version, row->state);
    if (step_of(row))
        ec_buf_printf(out, "  %s%s", step_of(row), at_end(row) ? "" : strcmp(ec_saga_phase(row), "undo") == 0 ? " (undo)" : "");
    ec_buf_str(out, "  age ");
    add_age(out, row->age_s);
    if (row->attempts)
        ec_buf_printf(out, "  attempts %" PRId64, row->attempts);
    if (row->last_error || row->error) {
        ec_buf_str(out, "  ");
        ec_saga_add_text(out, row->last_error ? row->last_error : row->error);
    }
    ec_buf_str(out, "\n");
}

void ec_saga_json_text(struct ec_buf *out, const char *name, const char *text)
{
    ec_buf_printf(out, ",\"%s\":", name);
    if (text)
        ec_json_write_text(out, ec_str_of(text));
    else
        ec_buf_str(out, "null");
}

/* Without the closing brace. */
void ec_saga_json_row(struct ec_buf *out, const struct ec_saga_row *row)
{
    ec_buf_printf(out, "{\"id\":\"%s\"", row->id);
    ec_saga_json_text(out, "service", ec_app.service->name);
    ec_saga_json_text(out, "saga", row->name);
    ec_buf_printf(out, ",\"version\":%" PRId64, row->version);
    ec_saga_json_text(out, "condition", ec_saga_condition_names[row->condition]);
    ec_saga_json_text(out, "state", row->state);
    ec_saga_json_text(out, "step", step_of(row));
    ec_saga_json_text(out, "phase", row->ended ? NULL : at_end(row) ? "end" : ec_saga_phase(row));
    ec_buf_printf(out, ",\"attempts\":%" PRId64 ",\"age_s\":%" PRId64, row->attempts, row->age_s);
    if (row->condition == EC_SAGA_IS_WAITS || row->condition == EC_SAGA_IS_STUCK)
        ec_buf_printf(out, ",\"next_in_s\":%" PRId64, row->next_s);
    ec_saga_json_text(out, "last_error", row->last_error);
    ec_saga_json_text(out, "error", row->error);
    ec_saga_json_text(out, "trace_id", row->trace[0] ? row->trace : NULL);
    ec_saga_json_text(out, "created_at", row->created);
    ec_saga_json_text(out, "ended_at", row->ended);
}

void ec_saga_print(struct ec_buf *out)
{
    if (out->n)
        fwrite(out->p, 1, out->n, stdout);
    ec_buf_free(out);
    fflush(stdout);
}

static int list(PGconn *pg, bool all, int64_t limit, bool json)
{
    PGresult *result = ec_saga_ask_rows(pg, NULL, all, limit + 1);
    struct ec_buf out = {0};
    int n, i;

    if (!result)
        return EC_SAGA_EXIT_IO;
    n = PQntuples(result);
    if (json)
        ec_buf_str(&out, "[");
    for (i = 0; i < n && i < limit; i++) {
        struct ec_saga_row row = ec_saga_read_row(result, i);

        if (json) {
            ec_buf_str(&out, i ? ",\n " : "");
            ec_saga_json_row(&out, &row);
            ec_buf_str(&out, "}");
        } else {
            ec_saga_list_line(&out, &row);
        }
    }
    if (json)
        ec_buf_str(&out, "]\n");
    ec_saga_print(&out);
    if (!json && n == 0)
        fprintf(stderr, "no saga of %s is under way\n", ec_app.service->name);
    if (n > limit)
        fprintf(stderr, "there are more; --limit N shows them\n");
    PQclear(result);
    return EC_SAGA_EXIT_DONE;
}

/* ------------------------------------------------------------------ the command */

static int usage(void)
{
    fprintf(stderr, "usage: %s " USAGE "\n", ec_app.service->name);
    return EC_SAGA_EXIT_USAGE;
}

static const char *somebody(void)
{
    const char *sudo = getenv("SUDO_USER");
    const struct passwd *account = getpwuid(getuid());

    return sudo && *sudo ? sudo : account ? account->pw_name : "unknown";
}

static int run(struct ec_app *app, int argc, char **argv)
{
    const char *words[3] = {NULL, NULL, NULL}, *reason = NULL, *reply = NULL, *by = NULL, *format = "text", *most = NULL;
    const struct {
        const char *name, **value;
    } options[] = {{"--limit", &most}, {"--format", &format}, {"--reason", &reason}, {"--reply", &reply}, {"--by", &by}};
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};
    int64_t limit = LIMIT;
    bool all = false, json, lists, shows, retries, resolves;
    struct ec_uuid uuid;
    char id[37] = "";
    int n = 0, code;
    PGconn *pg;

    for (int i = 1; i < argc; i++) {
        const char *value = NULL;

        for (size_t k = 0; k < sizeof(options) / sizeof(options[0]) && !value; k++)
            if ((value = ec_command_value(options[k].name, argc, argv, &i)))
                *options[k].value = value;
        if (value)
            continue;
        if (strcmp(argv[i], "--all") == 0)
            all = true;
        else if (argv[i][0] == '-' || n == 3)
            return usage();
        else
            words[n++] = argv[i];
    }
    json = strcmp(format, "json") == 0;
    lists = n == 1 && strcmp(words[0], "list") == 0 && !reason && !reply && !by;
    shows = n == 2 && strcmp(words[0], "show") == 0 && !reason && !reply && !by;
    retries = n == 2 && strcmp(words[0], "retry") == 0 && !reply;
    resolves = n == 3 && strcmp(words[0], "resolve") == 0;
    if ((!json && strcmp(format, "text") != 0) || !(lists || shows || retries || resolves) || (!lists && (all || most)))
        return usage();
    if (most && (!ec_int_parse(ec_str_of(most), &limit) || limit < 1 || limit > 1000000)) {
        fprintf(stderr, "--limit takes a number from 1 to 1000000\n");
        return EC_SAGA_EXIT_USAGE;
    }
    if (!lists && !ec_uuid_parse(ec_str_of(words[1]), &uuid)) {
        fprintf(stderr, "an id is a UUID, as `saga list` shows it\n");
        return EC_SAGA_EXIT_USAGE;
    }
    if (!lists)
        ec_uuid_format(uuid, id);
    ec_module_pg.configure(app, &errors); /* DATABASE_URL is its */
    if (errors.n) {
        fwrite(errors.text.p, 1, errors.text.n, stderr);
        ec_buf_free(&errors.text);
        return EXIT_CONFIG;
    }
    pg = PQconnectdbParams((const char *const[]){"dbname", "connect_timeout", "client_encoding", "application_name", NULL},
                           (const char *const[]){ec_pg_url(), "5", "UTF8", "saga", NULL}, 1);
    if (PQstatus(pg) != CONNECTION_OK) {
        fprintf(stderr, "the database can't be reached: %s", PQerrorMessage(pg));
        PQfinish(pg);
        return EC_SAGA_EXIT_IO;
    }
    if (lists)
        code = list(pg, all, limit, json);
    else if (shows)
        code = ec_saga_cmd_show(pg, id, json);
    else if (retries)
        code = ec_saga_cmd_retry(pg, id, by ? by : somebody(), reason, json);
    else
        code = ec_saga_cmd_resolve(pg, id, words[2], by ? by : somebody(), reason, reply, json);
    PQfinish(pg);
    return code;
}

const struct ec_command ec_saga_commands[] = {{"saga", USAGE, run}, {NULL, NULL, NULL}};
