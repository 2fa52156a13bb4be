/* `saga retry` and `saga resolve`: what a person does about a saga that does not get on.
 *
 * Either acts as a replica that takes the saga over and lets go of it in the same transaction: the fence goes up, so whoever ran it writes
 * nothing more, and the lease is over, so the next one takes it within a second. Nobody's call is broken off; what it brings is not stored,
 * and the same key is asked again, as after any taking over.
 *
 * resolve says of the call that is stuck how it ended: `undone` (of an undo: a person has done it), `kept` (of an undo: it is given up, the
 * step's effect stays), `done` (of a step that can't be undone: a person has done it; with a reply where later steps read one). It is
 * refused unless the saga is stuck, and each decision is a row of ec.saga_decision, with who, when and why. The participant knows nothing
 * of it: what it still holds under the step's key is what the person has seen to. `ecomc invariants` tells these apart.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "saga_cmd.h"

static int failed(PGconn *pg, PGresult *result)
{
    fprintf(stderr, "nothing is changed: %s", PQresultErrorMessage(result));
    PQclear(result);
    PQclear(PQexec(pg, "ROLLBACK"));
    return EC_SAGA_EXIT_IO;
}

static int refused(PGconn *pg, PGresult *row)
{
    PQclear(row);
    PQclear(PQexec(pg, "ROLLBACK"));
    return EC_SAGA_EXIT_FAILED;
}

static void said(bool json, const char *id, const char *what, const char *next)
{
    if (json)
        printf("{\"id\":\"%s\",\"what\":\"%s\",\"next\":\"%s\"}\n", id, what, next);
    else
        printf("%s  %s; next: %s\n", id, what, next);
    fflush(stdout);
}

/* Opens a transaction and locks the row: name, version, state, step, attempts, how long its lease is over. NULL: *code says how to end. */
static PGresult *locked(PGconn *pg, const char *id, int *code)
{
    PGresult *row = PQexec(pg, "BEGIN");

    PQclear(row);
    row = PQexecParams(
        pg,
        "SELECT name, version, state, step, attempts, lease_until <= now(), ended_at IS NOT NULL FROM ec.saga WHERE id = $1::uuid "
        "FOR UPDATE",
        1, NULL, (const char *const[]){id}, NULL, NULL, 0);
    if (PQresultStatus(row) != PGRES_TUPLES_OK) {
        *code = failed(pg, row);
        return NULL;
    }
    if (PQntuples(row) == 1 && PQgetvalue(row, 0, 6)[0] != 't')
        return row;
    if (!PQntuples(row))
        fprintf(stderr, "%s has no saga %s\n", ec_app.service->name, id);
    else
        fprintf(stderr, "saga %s has ended (%s); there is nothing to do\n", id, PQgetvalue(row, 0, 2));
    *code = refused(pg, row);
    return NULL;
}

static bool run(PGconn *pg, const char *sql, int n, const char *const *values, int *code)
{
    PGresult *result = PQexecParams(pg, sql, n, NULL, values, NULL, NULL, 0);

    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK) {
        *code = failed(pg, result);
        return false;
    }
    PQclear(result);
    return true;
}

#define LET_GO "owner = NULL, fence = fence + 1, lease_until = now(), attempts = 0, next_at = NULL, last_error = NULL"

static const char sql_decided[] = "INSERT INTO ec.saga_decision (saga_id, what, step, reason, by_whom) VALUES ($1::uuid, $2, $3, $4, $5)";

int ec_saga_cmd_retry(PGconn *pg, const char *id, const char *by, const char *reason, bool json)
{
    int code = EC_SAGA_EXIT_DONE;
    PGresult *row = locked(pg, id, &code);
    const struct ec_saga *saga;
    int64_t step;
    const char *name;

    if (!row)
        return code;
    if (strtoll(PQgetvalue(row, 0, 4), NULL, 10) == 0 && PQgetvalue(row, 0, 5)[0] != 't') {
        fprintf(stderr, "saga %s is under way, and waits for nothing\n", id);
        return refused(pg, row);
    }
    saga = ec_saga_known(PQgetvalue(row, 0, 0), strtoll(PQgetvalue(row, 0, 1), NULL, 10));
    step = strtoll(PQgetvalue(row, 0, 3), NULL, 10);
    name = saga && step >= 0 && step < (int64_t)saga->nsteps ? saga->steps[step].name : NULL;
    PQclear(row);
    if (!run(pg, "UPDATE ec.saga SET " LET_GO " WHERE id = $1::uuid", 1, (const char *const[]){id}, &code) ||
        !run(pg, sql_decided, 5, (const char *const[]){id, "retry", name, reason, by}, &code) || !run(pg, "COMMIT", 0, NULL, &code))
        return code;
    said(json, id, "is due at once", name ? name : saga ? "the end" : "a binary that has its version");
    return EC_SAGA_EXIT_DONE;
}

/* ------------------------------------------------------------------ resolve */

struct resolving {
    PGconn *pg;
    const char *id, *what, *reply;
    const struct ec_saga *saga;
    const struct ec_saga_step *step;
    int at;
    bool back;
};

/* Why not, told; or true. */
static bool may(struct resolving *r, PGresult *row)
{
    int64_t attempts = strtoll(PQgetvalue(row, 0, 4), NULL, 10);
    bool done = strcmp(r->what, "done") == 0;

    r->saga = ec_saga_known(PQgetvalue(row, 0, 0), strtoll(PQgetvalue(row, 0, 1), NULL, 10));
    r->at = (int)strtol(PQgetvalue(row, 0, 3), NULL, 10);
    r->back = strcmp(PQgetvalue(row, 0, 2), "compensating") == 0;
    if (!r->saga) {
        fprintf(stderr, "this binary does not have version %s of %s, and can't tell what comes next\n", PQgetvalue(row, 0, 1),
                PQgetvalue(row, 0, 0));
        return false;
    }
    if (attempts <= EC_SAGA_STUCK) {
        fprintf(stderr, "saga %s is not stuck: of its present call %" PRId64 " attempts have failed, and it is stuck after more than %d\n",
                r->id, attempts, EC_SAGA_STUCK);
        return false;
    }
    if (r->at < 0 || r->at >= (int)r->saga->nsteps) {
        fprintf(stderr,
                "all steps of saga %s are over, and its end is a transaction of %s itself: mend what that needs, then `saga retry %s`\n",
                r->id, ec_app.service->name, r->id);
        return false;
    }
    r->step = &r->saga->steps[r->at];
    if (r->back == done) {
        fprintf(stderr, "step %s of saga %s %s, so it can be resolved as %s\n", r->step->name, r->id,
                r->back ? "is to be undone" : "goes forward", r->back ? "`undone` or `kept`" : "`done`");
        return false;
    }
    return true;
}

/* The reply as the engine keeps it, or NULL after saying what is wrong; "" where there is none. */
static const char *checked_reply(const struct resolving *r, struct ec_arena *arena)
{
    const struct ec_record *record = r->back ? NULL : r->step->result;
    struct ec_json_error wrong = {"", ""};
    struct ec_buf buf = {0};
    const char *text;
    void *value;

    if (!record && r->reply)
        fprintf(stderr, "nothing reads a reply of step %s; leave --reply out\n", r->step->name);
    else if (record && !r->reply)
        fprintf(stderr, "later steps read the reply of %s: give it as --reply JSON\n", r->step->calls);
    if (!record || !r->reply)
        return !record && !r->reply ? "" : NULL;
    value = ec_arena_alloc(arena, record->size);
    if (ec_json_read(arena, ec_str_of(r->reply), record, value, 0, &wrong) != EC_JSON_OK) {
        fprintf(stderr, "--reply does not fit the reply of %s: %s%s%s\n", r->step->calls, wrong.path, wrong.path[0] ? " " : "",
                wrong.message);
        return NULL;
    }
    ec_json_write(&buf, record, value);
    text = ec_arena_copy(arena, (struct ec_str){buf.p, buf.n}).p;
    ec_buf_free(&buf);
    return text;
}

static int store(struct resolving *r, const char *reply, const char *by, const char *reason, bool json)
{
    int next = r->back ? ec_saga_undo_below(r->saga, r->at - 1) : r->at + 1, code = EC_SAGA_EXIT_DONE;
    bool more = next >= 0 && next < (int)r->saga->nsteps;
    const char *phase = r->back ? "undo" : "do", *next_name = more ? r->saga->steps[next].name : NULL;
    char number[16], told[300];

    snprintf(number, sizeof(number), "%d", next);
    if (!run(r->pg,
             "WITH g AS (UPDATE ec.saga SET step = $2::int, " LET_GO " WHERE id = $1::uuid RETURNING id), "
             "a AS (UPDATE ec.saga_step t SET state = $5, reply = coalesce($6::jsonb, t.reply), error = NULL, at = now() FROM g "
             "WHERE t.saga_id = g.id AND t.step = $3 AND t.phase = $4) "
             "INSERT INTO ec.saga_step (saga_id, step, phase, state, attempts) SELECT id, $7, $4, 'sent', 1 FROM g "
             "WHERE $7::text IS NOT NULL ON CONFLICT DO NOTHING",
             7,
             (const char *const[]){r->id, number, r->step->name, phase, strcmp(r->what, "kept") == 0 ? "failed" : "done",
                                   *reply ? reply : NULL, next_name},
             &code) ||
        !run(r->pg, sql_decided, 5, (const char *const[]){r->id, r->what, r->step->name, reason, by}, &code) ||
        !run(r->pg, "COMMIT", 0, NULL, &code))
        return code;
    snprintf(told, sizeof(told), "%s is %s", r->step->name, r->what);
    said(json, r->id, told, next_name ? next_name : "the end");
    return EC_SAGA_EXIT_DONE;
}

int ec_saga_cmd_resolve(PGconn *pg, const char *id, const char *what, const char *by, const char *reason, const char *reply, bool json)
{
    struct resolving r = {.pg = pg, .id = id, .what = what, .reply = reply};
    struct ec_arena *arena;
    const char *text;
    PGresult *row;
    int code;

    if (strcmp(what, "undone") != 0 && strcmp(what, "kept") != 0 && strcmp(what, "done") != 0) {
        fprintf(stderr, "a saga is resolved as undone, kept or done, not '%s'\n", what);
        return EC_SAGA_EXIT_USAGE;
    }
    if (!reason || !*reason) {
        fprintf(stderr, "a decision needs its reason: --reason TEXT\n");
        return EC_SAGA_EXIT_USAGE;
    }
    row = locked(pg, id, &code);
    if (!row)
        return code;
    if (!may(&r, row))
        return refused(pg, row);
    arena = ec_arena_new();
    text = checked_reply(&r, arena);
    if (text) {
        PQclear(row);
        code = store(&r, text, by, reason, json);
    } else {
        code = refused(pg, row);
    }
    ec_arena_free(arena);
    return code;
}
