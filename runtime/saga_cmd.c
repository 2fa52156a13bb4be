/* The command `saga` of a service: what its sagas do, which are stuck, and what a person can do about one.
 *
 *   saga list [--all] [--limit N]     those that have not ended, the stuck ones first; --all: those that have, too
 *   saga show ID                      one of them, with its steps, what is left to undo, and what to do
 *   saga retry ID | saga resolve ...  saga_decide.c
 *
 * It reads and writes the rows that the engine works on, over a connection of its own, so it works with and without processes that run. What is in
 * a row and was not written by the engine is escaped, and of a saga's parameters and replies no secret is shown: they are read by their
 * tables and written without; those of a version that this binary does not have are not shown at all.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "json.h"
#include "saga.h"
#include "trace.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 64, EXIT_IO = 74, EXIT_CONFIG = 78, LIMIT = 100, ALONE_S = 10 };

#define USAGE                                                                                                                     \
    "saga list [--all] [--limit N] | show ID | retry ID | resolve ID undone|kept|done --reason TEXT [--reply JSON]  [--by NAME] " \
    "[--format text|json]"

/* ------------------------------------------------------------------ what a row says */

/* X(enumerator, word): how it is with an instance, the worst first. */
#define CONDITIONS(X)       \
    X(STUCK, "stuck")       \
    X(UNKNOWN, "unknown")   \
    X(ALONE, "alone")       \
    X(WAITS, "waits")       \
    X(RUNS, "runs")         \
    X(ENDED, "ended")

enum condition {
#define X(e, n) e,
    CONDITIONS(X)
#undef X
};
static const char *const condition_names[] = {
#define X(e, n) n,
    CONDITIONS(X)
#undef X
};

struct row {
    const char *id, *name, *state, *error, *detail, *last_error, *created, *ended, *params;
    const struct ec_saga *saga; /* NULL: not of this binary */
    int64_t version, step, attempts, age_s, next_s, alone_s;
    char trace[33]; /* hex, or "" */
    enum condition condition;
};

/* $1 an id, or NULL for all; $2 those that have ended, too; $3 names $4 versions of this binary; $5 how many at most */
static const char select_rows[] =
    "SELECT id, name, version, state, step, attempts, greatest(0, extract(epoch FROM coalesce(ended_at, now()) - created_at))::bigint, "
    "greatest(0, extract(epoch FROM next_at - now()))::bigint, greatest(0, extract(epoch FROM now() - lease_until))::bigint, error, detail, "
    "last_error, traceparent, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), "
    "to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), params FROM ec.saga "
    "WHERE ($1::uuid IS NULL AND ($2::bool OR state IN ('running', 'compensating'))) OR id = $1::uuid "
    "ORDER BY CASE WHEN ended_at IS NOT NULL THEN 4 WHEN attempts > 10 THEN 0 "
    "WHEN (name, version) NOT IN (SELECT * FROM unnest($3::text[], $4::int[])) THEN 1 "
    "WHEN lease_until < now() - interval '10 s' THEN 2 ELSE 3 END, ended_at DESC, created_at LIMIT $5::bigint";

static const char *cell(const PGresult *result, int row, int column)
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

static enum condition condition_of(const struct row *row)
{
    if (row->ended)
        return ENDED;
    if (row->attempts > EC_SAGA_STUCK)
        return STUCK;
    if (!row->saga)
        return UNKNOWN;
    if (row->alone_s >= ALONE_S)
        return ALONE;
    return row->attempts ? WAITS : RUNS;
}

static struct row read_row(const PGresult *result, int at)
{
    struct row row = {.id = cell(result, at, 0),
                      .name = cell(result, at, 1),
                      .version = number(result, at, 2),
                      .state = cell(result, at, 3),
                      .step = number(result, at, 4),
                      .attempts = number(result, at, 5),
                      .age_s = number(result, at, 6),
                      .next_s = number(result, at, 7),
                      .alone_s = number(result, at, 8),
                      .error = cell(result, at, 9),
                      .detail = cell(result, at, 10),
                      .created = cell(result, at, 13),
                      .ended = cell(result, at, 14),
                      .params = cell(result, at, 15)};
    const char *trace = cell(result, at, 12);

    row.last_error = row.attempts ? cell(result, at, 11) : NULL;
    row.saga = ec_saga_known(row.name, row.version);
    row.condition = condition_of(&row);
    if (trace && strlen(trace) == EC_TRACEPARENT)
        memcpy(row.trace, trace + 3, 32);
    return row;
}

static bool at_end(const struct row *row)
{
    return row->step < 0 || (row->saga && (size_t)row->step >= row->saga->nsteps);
}

static const char *phase_of(const struct row *row)
{
    return strcmp(row->state, "compensating") == 0 ? "undo" : "do";
}

/* What is under way: a step's name, or the end. */
static const char *step_of(const struct row *row)
{
    if (row->ended || !row->saga)
        return NULL;
    return at_end(row) ? "the end" : row->saga->steps[row->step].name;
}

/* Names are of the language, so they need no quoting in an array. */
static PGresult *ask_rows(PGconn *pg, const char *id, bool all, int64_t limit)
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
static void add_advice(struct ec_buf *out, const struct row *row)
{
    const struct ec_saga_step *step = row->saga && !at_end(row) && !row->ended ? &row->saga->steps[row->step] : NULL;
    bool back = strcmp(phase_of(row), "undo") == 0;

    switch (row->condition) {
    case ENDED:
        ec_buf_str(out, "It has ended; there is nothing to do.");
        return;
    case UNKNOWN:
        ec_buf_printf(out, "This binary does not have version %" PRId64 " of %s: bring out one of %s that has it.", row->version, row->name,
                      ec_app.service->name);
        return;
    case ALONE:
        ec_buf_printf(out, "No process runs it: start %s.", ec_app.service->name);
        return;
    case WAITS:
        ec_buf_printf(out, "Nothing: it is tried again by itself in %" PRId64 " s; `saga retry %s` does so at once.", row->next_s, row->id);
        return;
    case RUNS:
        ec_buf_str(out, "Nothing: it is under way.");
        return;
    case STUCK:
        break;
    }
    if (!row->saga)
        ec_buf_printf(out, "Bring out a binary of %s that has version %" PRId64 " of it.", ec_app.service->name, row->version);
    else if (!step)
        ec_buf_printf(out, "Its end, a program of %s itself, fails: mend what that needs, then `saga retry %s`.", ec_app.service->name, row->id);
    else
        ec_buf_printf(out, "Mend what makes %s fail, then `saga retry %s`. ", back ? step->undoes : step->calls, row->id);
    if (step && back)
        ec_buf_printf(out,
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

static void add_text(struct ec_buf *out, const char *text)
{
    ec_shown_add(out, ec_str_of(text ? text : "-"), false);
}

static void list_line(struct ec_buf *out, const struct row *row)
{
    ec_buf_printf(out, "%-7s  %s  ", condition_names[row->condition], row->id);
    add_text(out, row->name);
    ec_buf_printf(out, " v%" PRId64 "  %s", row->version, row->state);
    if (step_of(row))
        ec_buf_printf(out, "  %s%s", step_of(row), at_end(row) ? "" : strcmp(phase_of(row), "undo") == 0 ? " (undo)" : "");
    ec_buf_str(out, "  age ");
    add_age(out, row->age_s);
    if (row->attempts)
        ec_buf_printf(out, "  attempts %" PRId64, row->attempts);
    if (row->last_error || row->error) {
        ec_buf_str(out, "  ");
        add_text(out, row->last_error ? row->last_error : row->error);
    }
    ec_buf_str(out, "\n");
}

static void json_text(struct ec_buf *out, const char *name, const char *text)
{
    ec_buf_printf(out, ",\"%s\":", name);
    if (text)
        ec_json_write_text(out, ec_str_of(text));
    else
        ec_buf_str(out, "null");
}

/* Without the closing brace. */
static void json_row(struct ec_buf *out, const struct row *row)
{
    ec_buf_printf(out, "{\"id\":\"%s\"", row->id);
    json_text(out, "service", ec_app.service->name);
    json_text(out, "saga", row->name);
    ec_buf_printf(out, ",\"version\":%" PRId64, row->version);
    json_text(out, "condition", condition_names[row->condition]);
    json_text(out, "state", row->state);
    json_text(out, "step", step_of(row));
    json_text(out, "phase", row->ended ? NULL : at_end(row) ? "end" : phase_of(row));
    ec_buf_printf(out, ",\"attempts\":%" PRId64 ",\"age_s\":%" PRId64, row->attempts, row->age_s);
    if (row->condition == WAITS || row->condition == STUCK)
        ec_buf_printf(out, ",\"next_in_s\":%" PRId64, row->next_s);
    json_text(out, "last_error", row->last_error);
    json_text(out, "error", row->error);
    json_text(out, "trace_id", row->trace[0] ? row->trace : NULL);
    json_text(out, "created_at", row->created);
    json_text(out, "ended_at", row->ended);
}

static void flush(struct ec_buf *out)
{
    if (out->n)
        fwrite(out->p, 1, out->n, stdout);
    ec_buf_free(out);
    fflush(stdout);
}

static int list(PGconn *pg, bool all, int64_t limit, bool json)
{
    PGresult *result = ask_rows(pg, NULL, all, limit + 1);
    struct ec_buf out = {0};
    int n, i;

    if (!result)
        return EXIT_IO;
    n = PQntuples(result);
    if (json)
        ec_buf_str(&out, "[");
    for (i = 0; i < n && i < limit; i++) {
        struct row row = read_row(result, i);

        if (json) {
            ec_buf_str(&out, i ? ",\n " : "");
            json_row(&out, &row);
            ec_buf_str(&out, "}");
        } else {
            list_line(&out, &row);
        }
    }
    if (json)
        ec_buf_str(&out, "]\n");
    flush(&out);
    if (!json && n == 0)
        fprintf(stderr, "no saga of %s is under way\n", ec_app.service->name);
    if (n > limit)
        fprintf(stderr, "there are more; --limit N shows them\n");
    PQclear(result);
    return EXIT_DONE;
}

/* ------------------------------------------------------------------ show */

struct shown {
    struct ec_buf out;
    const struct row *row;
    PGresult *steps, *decisions;
    const char **left; /* to be undone */
    size_t nleft;
};

/* JSON of a record without its secrets; empty when the table does not fit. */
static void add_safe(struct ec_buf *out, const struct ec_record *record, const char *text)
{
    struct ec_arena *arena = ec_arena_new();
    struct ec_json_error wrong;
    void *value;

    if (record && text) {
        value = ec_arena_alloc(arena, record->size);
        if (ec_json_read(arena, ec_str_of(text), record, value, EC_JSON_LENIENT, &wrong) == EC_JSON_OK)
            ec_json_write_with(out, record, value, EC_JSON_NEW_NAMES | EC_JSON_HIDE);
    }
    ec_arena_free(arena);
}

static const struct ec_saga_step *step_named(const struct row *row, const char *name)
{
    for (size_t i = 0; row->saga && i < row->saga->nsteps; i++)
        if (strcmp(row->saga->steps[i].name, name) == 0)
            return &row->saga->steps[i];
    return NULL;
}

/* Those that a person or the engine has yet to undo, the next one first; of one that goes forward: that would be undone if it failed. */
static size_t remaining(const struct row *row, const char **names)
{
    int step = (int)row->step - (strcmp(phase_of(row), "do") == 0);
    size_t n = 0;

    for (step = row->saga && !row->ended ? ec_saga_undo_below(row->saga, step) : -1; step >= 0; step = ec_saga_undo_below(row->saga, step - 1))
        names[n++] = row->saga->steps[step].name;
    return n;
}

static void show_text(struct shown *s)
{
    const struct row *row = s->row;
    struct ec_buf *out = &s->out, params = {0};

    list_line(out, row);
    ec_buf_printf(out, "\nbegan     %s\n", row->created);
    if (row->ended)
        ec_buf_printf(out, "ended     %s\n", row->ended);
    if (row->trace[0])
        ec_buf_printf(out, "trace     %s\n", row->trace);
    if (row->error) {
        ec_buf_str(out, "fails by  ");
        add_text(out, row->error);
        ec_buf_str(out, row->detail ? ": " : "");
        add_text(out, row->detail ? row->detail : "");
        ec_buf_str(out, "\n");
    }
    if (row->condition == WAITS || row->condition == STUCK)
        ec_buf_printf(out, "next try  in %" PRId64 " s\n", row->next_s);
    add_safe(&params, row->saga ? row->saga->state : NULL, row->params);
    if (params.n) {
        ec_buf_str(out, "asked     ");
        ec_shown_add(out, (struct ec_str){params.p, params.n}, false);
        ec_buf_str(out, "\n");
    }
    ec_buf_free(&params);
    ec_buf_str(out, "\nsteps\n");
    for (int i = 0; i < PQntuples(s->steps); i++) {
        const struct ec_saga_step *step = step_named(row, cell(s->steps, i, 0));
        bool undo = strcmp(cell(s->steps, i, 1), "undo") == 0;

        ec_buf_printf(out, "  %s  %-7s  %s %s  ", cell(s->steps, i, 4), cell(s->steps, i, 2), undo ? "undo" : "do", cell(s->steps, i, 0));
        ec_buf_printf(out, "%s  attempts %s  key %s/%s/%s", step ? undo ? step->undoes : step->calls : "-", cell(s->steps, i, 3), row->id,
                      cell(s->steps, i, 0), cell(s->steps, i, 1));
        if (cell(s->steps, i, 5)) {
            ec_buf_str(out, "  ");
            add_text(out, cell(s->steps, i, 5));
        }
        ec_buf_str(out, "\n");
    }
    for (int i = 0; i < PQntuples(s->decisions); i++) {
        ec_buf_printf(out, "%s  %s  %s %s  by ", i ? "" : "\ndecisions\n", cell(s->decisions, i, 3), cell(s->decisions, i, 0),
                      cell(s->decisions, i, 1) ? cell(s->decisions, i, 1) : "");
        add_text(out, cell(s->decisions, i, 4));
        ec_buf_str(out, cell(s->decisions, i, 2) ? ": " : "");
        add_text(out, cell(s->decisions, i, 2) ? cell(s->decisions, i, 2) : "");
        ec_buf_str(out, "\n");
    }
    for (size_t i = 0; i < s->nleft; i++)
        ec_buf_printf(out, "%s%s", i ? ", " : strcmp(phase_of(row), "do") == 0 ? "\nundone if it fails: " : "\nleft to undo: ", s->left[i]);
    ec_buf_str(out, s->nleft ? "\n\n" : "\n");
    add_advice(out, row);
    ec_buf_str(out, "\n");
}

static void show_json(struct shown *s)
{
    const struct row *row = s->row;
    struct ec_buf *out = &s->out, text = {0};

    json_row(out, row);
    json_text(out, "detail", row->detail);
    add_safe(&text, row->saga ? row->saga->state : NULL, row->params);
    ec_buf_printf(out, ",\"params\":%.*s,\"steps\":[", text.n ? (int)text.n : 4, text.n ? text.p : "null");
    for (int i = 0; i < PQntuples(s->steps); i++) {
        const struct ec_saga_step *step = step_named(row, cell(s->steps, i, 0));
        bool undo = strcmp(cell(s->steps, i, 1), "undo") == 0;

        ec_buf_printf(out, "%s{\"step\":\"%s\",\"phase\":\"%s\"", i ? "," : "", cell(s->steps, i, 0), cell(s->steps, i, 1));
        json_text(out, "calls", step ? undo ? step->undoes : step->calls : NULL);
        json_text(out, "state", cell(s->steps, i, 2));
        ec_buf_printf(out, ",\"attempts\":%s,\"at\":\"%s\",\"key\":\"%s/%s/%s\"", cell(s->steps, i, 3), cell(s->steps, i, 4), row->id,
                      cell(s->steps, i, 0), cell(s->steps, i, 1));
        json_text(out, "error", cell(s->steps, i, 5));
        text.n = 0;
        add_safe(&text, step && !undo ? step->result : NULL, cell(s->steps, i, 6));
        ec_buf_printf(out, ",\"reply\":%.*s}", text.n ? (int)text.n : 4, text.n ? text.p : "null");
    }
    ec_buf_str(out, "],\"decisions\":[");
    for (int i = 0; i < PQntuples(s->decisions); i++) {
        ec_buf_printf(out, "%s{\"what\":\"%s\"", i ? "," : "", cell(s->decisions, i, 0));
        json_text(out, "step", cell(s->decisions, i, 1));
        json_text(out, "reason", cell(s->decisions, i, 2));
        json_text(out, "at", cell(s->decisions, i, 3));
        json_text(out, "by", cell(s->decisions, i, 4));
        ec_buf_str(out, "}");
    }
    ec_buf_printf(out, "],\"%s\":[", strcmp(phase_of(row), "do") == 0 ? "undone_if_it_fails" : "left_to_undo");
    for (size_t i = 0; i < s->nleft; i++)
        ec_buf_printf(out, "%s\"%s\"", i ? "," : "", s->left[i]);
    text.n = 0;
    add_advice(&text, row);
    ec_buf_str(out, "],\"advice\":");
    ec_json_write_text(out, (struct ec_str){text.p, text.n});
    ec_buf_str(out, "}\n");
    ec_buf_free(&text);
}

static int show(PGconn *pg, const char *id, bool json)
{
    PGresult *result = ask_rows(pg, id, true, 1);
    struct shown s = {.row = NULL};
    struct row row;
    int code = EXIT_DONE;

    if (!result)
        return EXIT_IO;
    if (!PQntuples(result)) {
        fprintf(stderr, "%s has no saga %s\n", ec_app.service->name, id);
        PQclear(result);
        return EXIT_FAILED;
    }
    row = read_row(result, 0);
    s.row = &row;
    s.left = calloc(row.saga ? row.saga->nsteps + 1 : 1, sizeof(*s.left));
    if (!s.left)
        ec_panic("out of memory");
    s.nleft = remaining(&row, s.left);
    s.steps = PQexecParams(pg,
                           "SELECT step, phase, state, attempts, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), error, "
                           "reply FROM ec.saga_step WHERE saga_id = $1::uuid ORDER BY at, phase, step",
                           1, NULL, (const char *const[]){id}, NULL, NULL, 0);
    s.decisions = PQexecParams(pg,
                               "SELECT what, step, reason, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), by_whom "
                               "FROM ec.saga_decision WHERE saga_id = $1::uuid ORDER BY id",
                               1, NULL, (const char *const[]){id}, NULL, NULL, 0);
    if (PQresultStatus(s.steps) != PGRES_TUPLES_OK || PQresultStatus(s.decisions) != PGRES_TUPLES_OK) {
        fprintf(stderr, "the saga can't be read: %s", PQerrorMessage(pg));
        code = EXIT_IO;
    } else if (json) {
        show_json(&s);
    } else {
        show_text(&s);
    }
    flush(&s.out);
    free(s.left);
    PQclear(s.steps);
    PQclear(s.decisions);
    PQclear(result);
    return code;
}

/* ------------------------------------------------------------------ the command */

static int usage(void)
{
    fprintf(stderr, "usage: %s " USAGE "\n", ec_app.service->name);
    return EXIT_USAGE;
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
    const struct { const char *name, **value; } options[] = {
        {"--limit", &most}, {"--format", &format}, {"--reason", &reason}, {"--reply", &reply}, {"--by", &by}};
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
        return EXIT_USAGE;
    }
    if (!lists && !ec_uuid_parse(ec_str_of(words[1]), &uuid)) {
        fprintf(stderr, "an id is a UUID, as `saga list` shows it\n");
        return EXIT_USAGE;
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
        return EXIT_IO;
    }
    if (lists)
        code = list(pg, all, limit, json);
    else if (shows)
        code = show(pg, id, json);
    else if (retries)
        code = ec_saga_cmd_retry(pg, id, by ? by : somebody(), reason, json);
    else
        code = ec_saga_cmd_resolve(pg, id, words[2], by ? by : somebody(), reason, reply, json);
    PQfinish(pg);
    return code;
}

const struct ec_command ec_saga_commands[] = {{"saga", USAGE, run}, {NULL, NULL, NULL}};
