/* The inbox: claims, barriers, stored outcomes, and the hooks that record how a keyed task ended.
 *
 * A row is `done`, `failed`, `revoked`, or `running` under a lease. The lease's time is the claim's token: a later claim has a later one,
 * so whoever has lost its claim can't finish, fail or give back what is another's by now. Giving a claim back is letting its lease end, not
 * deleting the row: an undo that comes next must know that the work may have begun.
 *
 * An event that is sent back from its dead letters comes with `again`: what is stored as failed under its keys is then taken as not there,
 * or it would fail as before whatever was mended. What is done stays done.
 *
 * Claims, failures and replies are write units of the group lane; barrier and finish are part of the program's own
 * transaction (tx.c), and so is what an undo does (inbox_undo.c).
 */
#include "inbox.h"

#include <stdlib.h>
#include <string.h>

#include "group.h"
#include "json.h"
#include "random.h"

enum { CLAIM_MS = 30000, CLAIM_MORE_MS = 1000 };

/* A row that is there and stays as it is is nobody's. */
#define BARRIER_CONFLICT \
    "ON CONFLICT (key) DO UPDATE SET state = 'done', status = 200, error = NULL, detail = NULL WHERE i.state = 'failed' AND "
#define BARRIER                                                                                                                       \
    "INSERT INTO ec.inbox AS i (key, program, state, status, request_hash) VALUES ($1, $2, 'done', 200, $3::bytea) " BARRIER_CONFLICT \
    "$4::boolean"
#define BARRIERS                                                                                                                           \
    "WITH v AS MATERIALIZED (SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[]) WITH ORDINALITY AS v (key, program, request_hash, " \
    "n)), "                                                                                                                                \
    "passed AS (INSERT INTO ec.inbox AS i (key, program, state, status, request_hash) SELECT key, program, 'done', 200, request_hash "     \
    "FROM v " BARRIER_CONFLICT "($4::boolean[])[array_position($1::text[], i.key)] RETURNING i.key)"

static const struct ec_group_set ahead_set = {
    {.name = "ec.inbox.ahead_set", .text = BARRIERS " SELECT v.n FROM passed JOIN v ON v.key = passed.key"}};

static const struct ec_sql barrier_ahead = {.name = "ec.inbox.ahead", .text = BARRIER " RETURNING 1", .set = &ahead_set};

static const struct ec_group_set barrier_set = {
    {.name = "ec.inbox.barrier_set", .text = BARRIERS EC_GROUP_ALL("$1::text[]", "passed"), .ahead = &barrier_ahead}};

const struct ec_sql ec_inbox_barrier = {
    .name = "ec.inbox.barrier", .text = EC_TX_GUARD(BARRIER), .set = &barrier_set, .ahead = &barrier_ahead};

static const struct ec_sql sql_stored = {
    .name = "ec.inbox.stored",
    .text =
        "SELECT state, status, reply::text, error, detail, request_hash::text, seed::text, lease_until::text FROM ec.inbox WHERE key = $1",
};

static const struct ec_group_set claim_set = {{
    .name = "ec.inbox.claim_set",
    .text = "WITH v AS MATERIALIZED (SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::uuid[], $5::bigint[]) WITH ORDINALITY "
            "AS v (key, program, request_hash, seed, ms, n)), "
            "u AS (INSERT INTO ec.inbox AS i (key, program, state, request_hash, seed, lease_until) "
            "SELECT key, program, 'running', request_hash, seed, clock_timestamp() + ms * interval '1 ms' FROM v "
            "ON CONFLICT (key) DO UPDATE SET lease_until = excluded.lease_until, state = 'running', status = NULL, error = NULL, "
            "detail = NULL, seed = coalesce(i.seed, excluded.seed) "
            "WHERE (i.state = 'running' AND i.lease_until <= clock_timestamp() "
            "OR i.state = 'failed' AND ($6::boolean[])[array_position($1::text[], i.key)]) "
            "AND i.request_hash IS NOT DISTINCT FROM excluded.request_hash RETURNING i.key, i.seed, i.lease_until) "
            "SELECT v.n, u.seed::text, u.lease_until::text FROM u JOIN v ON v.key = u.key",
}};

static const struct ec_sql sql_claim = {
    .name = "ec.inbox.claim",
    .text = "INSERT INTO ec.inbox AS i (key, program, state, request_hash, seed, lease_until) "
            "VALUES ($1, $2, 'running', $3::bytea, $4::uuid, clock_timestamp() + $5::bigint * interval '1 ms') "
            "ON CONFLICT (key) DO UPDATE SET lease_until = excluded.lease_until, state = 'running', status = NULL, error = NULL, "
            "detail = NULL, seed = coalesce(i.seed, excluded.seed) "
            "WHERE (i.state = 'running' AND i.lease_until <= clock_timestamp() OR i.state = 'failed' AND $6::boolean) "
            "AND i.request_hash IS NOT DISTINCT FROM excluded.request_hash "
            "RETURNING seed::text, lease_until::text",
    .set = &claim_set,
};

/* Those for many that update or lock rows are functions of migrations 000000_ec_4 and _5 (schema.c). */
static const struct ec_group_set reply_set = {
    {.name = "ec.inbox.reply_set", .text = "SELECT member, touched FROM ec.inbox_reply($1::text[], $2::jsonb[])"}};
static const struct ec_group_set replied_set = {
    {.name = "ec.inbox.replied_set",
     .text = "SELECT member, touched, state FROM ec.inbox_replied($1::text[], $2::timestamptz[], $3::jsonb[], $4::int[])"}};

static const struct ec_sql sql_reply = {
    /* of a barrier's row */
    .name = "ec.inbox.reply",
    .text = "UPDATE ec.inbox SET reply = $2::jsonb WHERE key = $1",
    .set = &reply_set,
};

static const struct ec_group_set finish_set = {
    {.name = "ec.inbox.finish_set",
     .text = "SELECT 1 / (sum(touched) = cardinality($1::text[]))::int FROM ec.inbox_replied($1::text[], $2::timestamptz[], $3::jsonb[], "
             "array_fill(200, ARRAY[cardinality($1::text[])]))"}};

static const struct ec_sql sql_finish = {
    .name = "ec.inbox.finish",
    .text = EC_TX_GUARD("UPDATE ec.inbox SET state = 'done', status = 200, reply = $3::jsonb, lease_until = NULL "
                        "WHERE key = $1 AND state = 'running' AND lease_until = $2::timestamptz"),
    .set = &finish_set,
};

static const struct ec_group_set hold_set = {
    {.name = "ec.inbox.hold_set", .text = "SELECT 1 / (ec.inbox_hold($1::text[], $2::timestamptz[]) = cardinality($1::text[]))::int"}};

static const struct ec_sql sql_hold = {
    /* the claim is still the task's, and stays so until the commit */
    .name = "ec.inbox.hold",
    .text = "WITH guarded AS (SELECT 1 FROM ec.inbox WHERE key = $1 AND state = 'running' AND lease_until = $2::timestamptz FOR UPDATE) "
            "SELECT 1 / count(*) FROM guarded",
    .set = &hold_set,
};

static const struct ec_sql sql_replied = {
    /* status $4; the row is a claim of that lease, or a barrier's without a reply yet */
    .name = "ec.inbox.replied",
    .text = "WITH u AS (UPDATE ec.inbox SET state = 'done', status = $4::int, reply = $3::jsonb, lease_until = NULL WHERE key = $1 AND "
            "(state = 'running' AND lease_until = $2::timestamptz OR $2 IS NULL AND state = 'done' AND reply IS NULL) RETURNING 1) "
            "SELECT (SELECT count(*) FROM u), (SELECT state FROM ec.inbox WHERE key = $1)",
    .set = &replied_set,
};

static const struct ec_sql sql_failed = {
    .name = "ec.inbox.failed",
    .text = "UPDATE ec.inbox SET state = 'failed', status = $3::int, error = $4, detail = $5, lease_until = NULL "
            "WHERE key = $1 AND state = 'running' AND lease_until = $2::timestamptz",
};

static const struct ec_sql sql_record = {
    /* the failure of an ATOMIC program, which left no row */
    .name = "ec.inbox.record",
    .text = "INSERT INTO ec.inbox (key, program, state, status, error, detail, request_hash) "
            "VALUES ($1, $2, 'failed', $3::int, $4, $5, $6::bytea) ON CONFLICT (key) DO NOTHING",
};

static const struct ec_sql sql_give_back = {
    .name = "ec.inbox.give_back",
    .text = "UPDATE ec.inbox SET lease_until = clock_timestamp() WHERE key = $1 AND state = 'running' AND lease_until = $2::timestamptz",
};

/* ------------------------------------------------------------------ errors */

bool ec_error_final(const struct ec_error *error)
{
    if (error->status < 400 || error->status > 499 || error->status == 408 || error->status == 425 || error->status == 429)
        return false;
    return strcmp(error->name, ec_error_conflict.name) != 0 && strcmp(error->name, ec_error_key_reused.name) != 0;
}

const struct ec_error *ec_error_named(struct ec_arena *arena, const struct ec_error *const *errors, struct ec_str name, int status)
{
    static const struct ec_error *const own[] = {
#define X(id, kebab, code, title) &ec_error_##id,
        EC_ERRORS(X)
#undef X
    };
    struct ec_error *made;
    size_t i;

    for (; errors && *errors; errors++)
        if (ec_str_eq(ec_str_of((*errors)->name), name))
            return *errors;
    for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (ec_str_eq(ec_str_of(own[i]->name), name))
            return own[i];
    made = ec_arena_alloc(arena, sizeof(*made));
    made->name = made->title = name.p ? ec_arena_copy(arena, name).p : ec_error_internal.name;
    made->status = status ? status : 500;
    return made;
}

static bool declared(const struct ec_program *program, const struct ec_error *error)
{
    const struct ec_error *const *at;

    for (at = program->errors; at && *at; at++)
        if (strcmp((*at)->name, error->name) == 0)
            return true;
    return false;
}

/* ------------------------------------------------------------------ values */

static struct ec_param hash_of(struct ec_task *task)
{
    if (task->key.n < 7 || memcmp(task->key.p, "client/", 7) != 0)
        return (struct ec_param){.kind = EC_PARAM_NULL};
    return ec_param_bytes(task->arena, task->request_hash, sizeof(task->request_hash));
}

static struct ec_param reply_of(struct ec_task *task, const void *out)
{
    struct ec_buf buf = {0};
    struct ec_str text;

    if (!task->program->out || !out)
        return (struct ec_param){.kind = EC_PARAM_NULL};
    ec_json_write(&buf, task->program->out, out);
    text = ec_arena_copy(task->arena, (struct ec_str){buf.p, buf.n});
    ec_buf_free(&buf);
    return ec_param_text(text);
}

static struct ec_pg_values encode(struct ec_task *task, const struct ec_param *params, size_t n)
{
    struct ec_pg_values values;

    if (!ec_pg_encode(task->arena, params, n, &values))
        ec_panic("a key has a NUL character");
    return values;
}

/* ------------------------------------------------------------------ barrier and finish */

bool ec_inbox_joins(const struct ec_task *task)
{
    return task->key.n && task->program->repeat == EC_REPEAT_ATOMIC && !task->settled && !task->parent;
}

void ec_inbox_add_barrier(struct ec_burst *burst)
{
    struct ec_task *task = burst->task;

    ec_burst_add(burst, &ec_inbox_barrier,
                 encode(task, EC_PARAMS(ec_param_text(task->key), ec_param_text(ec_str_of(task->program->name)), hash_of(task),
                                        ec_param_bool(task->again))),
                 NULL, NULL);
}

const struct ec_sql *ec_inbox_finish(struct ec_task *task, const void *out, bool last, struct ec_pg_values *values)
{
    if (!task->key.n || task->settled)
        return NULL;
    if (ec_inbox_joins(task)) {
        if (!last || !out || !task->program->out)
            return NULL;
        *values = encode(task, EC_PARAMS(ec_param_text(task->key), reply_of(task, out)));
        return &sql_reply;
    }
    if (!task->claimed)
        return NULL;
    if (!last || (task->program->out && !out)) {
        *values = encode(task, EC_PARAMS(ec_param_text(task->key), ec_param_time(task->claim)));
        return &sql_hold;
    }
    *values = encode(task, EC_PARAMS(ec_param_text(task->key), ec_param_time(task->claim), reply_of(task, out)));
    return &sql_finish;
}

void ec_inbox_finished(struct ec_task *task, const void *out)
{
    if (!task->key.n)
        return;
    if (out || !task->program->out)
        task->settled = true;
    else if (ec_inbox_joins(task))
        task->claimed = true; /* hooks.replied stores what is not known before the commit */
}

/* ------------------------------------------------------------------ stored outcomes */

struct stored {
    bool found, own_hash;
    struct ec_str state, error, detail, reply, seed, lease;
    int64_t status;
};

static void stored_row(struct ec_burst *burst, const struct ec_pg_reply *reply, void *data)
{
    struct stored *stored = data;
    struct ec_arena *arena = burst->task->arena;
    struct ec_str *const columns[] = {&stored->state,  NULL, &stored->reply, &stored->error,
                                      &stored->detail, NULL, &stored->seed,  &stored->lease};
    struct ec_param hash = hash_of(burst->task);
    struct ec_str cell;
    int i;

    if (reply->rows != 1)
        return;
    stored->found = true;
    for (i = 0; i < 8; i++) {
        cell = ec_pg_cell(reply->result, 0, i);
        if (columns[i] && cell.p)
            *columns[i] = ec_arena_copy(arena, cell);
    }
    ec_int_parse(ec_pg_cell(reply->result, 0, 1), &stored->status);
    cell = ec_pg_cell(reply->result, 0, 5);
    stored->own_hash = hash.kind == EC_PARAM_NULL || !cell.p || ec_str_eq(hash.u.text, cell);
}

void ec_inbox_add_stored(struct ec_burst *burst)
{
    struct ec_task *task = burst->task;

    burst->data = EC_ALLOC(task, struct stored);
    ec_burst_add(burst, &sql_stored, encode(task, EC_PARAMS(ec_param_text(task->key))), stored_row, burst->data);
}

static void end_with(struct ec_task *task, const struct stored *stored)
{
    const struct ec_record *record = task->program->out;
    struct ec_json_error wrong;
    void *out = NULL;

    if (!stored->own_hash) {
        ec_task_end(task, &ec_error_key_reused, NULL, false);
    } else if (ec_str_eq(stored->state, EC_STR("done"))) {
        if (record && stored->reply.p) {
            out = ec_alloc(task, record->size);
            if (ec_json_read(task->arena, stored->reply, record, out, EC_JSON_LENIENT, &wrong) != EC_JSON_OK) {
                ec_log(EC_LOG_ERROR, task, "a stored reply does not fit its operation", EC_L_STR("program", task->program->name),
                       EC_L_STR("why", wrong.message));
                ec_task_end(task, &ec_error_internal, NULL, false);
                return;
            }
        }
        ec_task_end(task, NULL, out, stored->status == 202);
    } else if (ec_str_eq(stored->state, EC_STR("failed"))) {
        task->detail = stored->detail.p;
        ec_task_end(task, ec_error_named(task->arena, task->program->errors, stored->error, (int)stored->status), NULL, false);
    } else if (ec_str_eq(stored->state, EC_STR("revoked"))) {
        ec_task_end(task, &ec_error_revoked, NULL, false);
    } else {
        task->retry_after_s = 1;
        ec_task_end(task, &ec_error_conflict, NULL, false);
    }
}

void ec_inbox_end(struct ec_burst *burst)
{
    static const struct stored gone = {.own_hash = true};
    struct ec_task *task = burst->task;
    const struct stored *stored = burst->data;

    task->detail = NULL;
    task->retry_after_s = 0;
    task->unknown = false;
    if (burst->error)
        ec_task_end(task, burst->error, NULL, false);
    else
        end_with(task, stored && stored->found ? stored : &gone);
}

/* ------------------------------------------------------------------ claims */

struct claim {
    struct ec_group_unit unit; /* data: the task */
    struct ec_burst burst;
    struct ec_uuid seed;
    bool claimed;
};

static void take_claim(struct ec_task *task, struct ec_str seed, struct ec_str lease)
{
    task->seeded = ec_uuid_parse(seed, &task->seed);
    task->claimed = ec_time_parse(lease, &task->claim);
    if (!task->seeded || !task->claimed)
        ec_panic("a claim can't be read");
}

static void claim_row(struct ec_group_unit *unit, const struct ec_pg_reply *reply)
{
    struct claim *claim = (struct claim *)unit;

    claim->claimed = reply->rows == 1;
    if (claim->claimed)
        take_claim(unit->data, ec_pg_cell(reply->result, 0, 0), ec_pg_cell(reply->result, 0, 1));
}

/* The claim failed: a duplicate, or the lost answer of this very claim, which its fresh seed tells. */
static void claim_stored(struct ec_burst *burst)
{
    struct stored *stored = burst->data;
    struct claim *claim = (struct claim *)(void *)((char *)burst - offsetof(struct claim, burst));
    struct ec_task *task = burst->task;
    struct ec_uuid seed;

    if (!burst->error && stored->found && ec_str_eq(stored->state, EC_STR("running")) && stored->seed.p &&
        ec_uuid_parse(stored->seed, &seed) && ec_uuid_eq(seed, claim->seed)) {
        take_claim(task, stored->seed, stored->lease);
        task->error = NULL;
        ec_task_resume(task);
        return;
    }
    ec_inbox_end(burst);
}

static void claim_done(struct ec_group_unit *unit)
{
    struct claim *claim = (struct claim *)unit;
    struct ec_task *task = unit->data;

    if (!unit->error && !claim->claimed) {
        claim->burst = (struct ec_burst){.task = task, .send = ec_inbox_add_stored, .done = claim_stored, .insists = true};
        ec_burst_start(&claim->burst);
        return;
    }
    task->error = unit->error;
    task->claimed = !unit->error;
    task->retry_after_s = unit->error ? ec_pg_retry_after_s() : 0;
    ec_task_resume(task);
}

static struct ec_pg_values claim_values(struct ec_task *task, struct ec_uuid *seed)
{
    int64_t lease = ec_task_remaining_ms(task);

    *seed = ec_new_id(NULL); /* a UUIDv7: ids that derive from it sort by time */
    if (lease == INT64_MAX)
        lease = CLAIM_MS;
    return encode(task, EC_PARAMS(ec_param_text(task->key), ec_param_text(ec_str_of(task->program->name)), hash_of(task),
                                  ec_param_uuid(*seed), ec_param_int(lease + CLAIM_MORE_MS), ec_param_bool(task->again)));
}

static void claim_in_burst(struct ec_burst *burst, const struct ec_pg_reply *reply, void *data)
{
    (void)data;
    if (reply->rows == 1)
        take_claim(burst->task, ec_pg_cell(reply->result, 0, 0), ec_pg_cell(reply->result, 0, 1));
}

void ec_inbox_add_claim(struct ec_burst *burst)
{
    struct ec_uuid seed;

    ec_burst_add(burst, &sql_claim, claim_values(burst->task, &seed), claim_in_burst, NULL);
}

void ec_inbox_add_done(struct ec_burst *burst)
{
    struct ec_task *task = burst->task;

    ec_burst_add(burst, &sql_finish,
                 encode(task, EC_PARAMS(ec_param_text(task->key), ec_param_time(task->claim), ec_param_text((struct ec_str){0}))), NULL,
                 NULL);
}

void ec_claim(struct ec_task *task)
{
    struct claim *claim;

    task->error = NULL;
    task->unknown = false;
    if (!task->key.n || task->claimed || task->settled) {
        ec_task_resume_soon(task);
        return;
    }
    if (ec_task_expired(task)) {
        ec_task_fail_soon(task, &ec_error_timeout, NULL);
        return;
    }
    if (task->undoes.n) {
        ec_tx_open(task, false);
        ec_inbox_undo(task);
        return;
    }
    claim = EC_ALLOC(task, struct claim);
    claim->unit =
        (struct ec_group_unit){.sql = &sql_claim, .row = claim_row, .done = claim_done, .data = task, .deadline_ns = task->deadline_ns};
    claim->unit.values = claim_values(task, &claim->seed);
    ec_group_submit(&claim->unit);
}

/* ------------------------------------------------------------------ how a keyed task ended */

struct ending {
    struct ec_group_unit unit;
    void (*then)(struct ec_task *task);
    bool refused, revoked;
};

static void ended(struct ec_group_unit *unit)
{
    struct ending *ending = (struct ending *)unit;
    struct ec_task *task = unit->data;

    if (!unit->error)
        EC_CRASH_AFTER("%s.outcome", ec_crash_program(task->program));
    /* What could not be stored is found out by whoever repeats the key; the outcome itself stands. */
    if (unit->error)
        ec_log(EC_LOG_WARN, task, "the outcome of a key could not be stored", EC_L_STR("program", task->program->name));
    else if (ending->refused)
        task->error = ending->revoked ? &ec_error_revoked : &ec_error_conflict;
    ending->then(task);
}

static void replied_row(struct ec_group_unit *unit, const struct ec_pg_reply *reply)
{
    struct ending *ending = (struct ending *)unit;

    ending->refused = !ec_str_eq(ec_pg_cell(reply->result, 0, 0), EC_STR("1"));
    ending->revoked = ec_str_eq(ec_pg_cell(reply->result, 0, 1), EC_STR("revoked"));
}

static void submit(struct ec_task *task, const struct ec_sql *sql, const struct ec_param *params, size_t n,
                   void (*row)(struct ec_group_unit *unit, const struct ec_pg_reply *reply), void (*then)(struct ec_task *task))
{
    struct ending *ending = EC_ALLOC(task, struct ending);

    ending->unit = (struct ec_group_unit){.sql = sql, .values = encode(task, params, n), .row = row, .done = ended, .data = task};
    ending->then = then;
    EC_CRASH_BEFORE("%s.outcome", ec_crash_program(task->program));
    ec_group_submit(&ending->unit);
}

static void failed(struct ec_task *task, void (*then)(struct ec_task *task))
{
    const struct ec_error *error = task->error;
    struct ec_param key = ec_param_text(task->key), program = ec_param_text(ec_str_of(task->program->name));
    struct ec_param detail = ec_param_text(task->detail ? ec_str_of(task->detail) : (struct ec_str){0});
    /* An undo is asked for until it holds, so no failure of it is for good. */
    bool record = !task->undoes.n && !task->unknown && ec_error_final(error) && declared(task->program, error);

    /* A program that claims may have done some of its work before it failed, and the next to have the claim goes on with it. */
    if (task->claimed && !record)
        task->unknown = true;
    if (task->claimed && record)
        submit(task, &sql_failed,
               EC_PARAMS(key, ec_param_time(task->claim), ec_param_int(error->status), ec_param_text(ec_str_of(error->name)), detail), NULL,
               then);
    else if (task->claimed && task->claim)
        submit(task, &sql_give_back, EC_PARAMS(key, ec_param_time(task->claim)), NULL, then);
    else if (record && ec_inbox_joins(task))
        submit(task, &sql_record,
               EC_PARAMS(key, program, ec_param_int(error->status), ec_param_text(ec_str_of(error->name)), detail, hash_of(task)), NULL,
               then);
    else
        then(task);
}

static void replied(struct ec_task *task, void (*then)(struct ec_task *task))
{
    struct ec_param lease = task->claim ? ec_param_time(task->claim) : (struct ec_param){.kind = EC_PARAM_NULL};

    submit(task, &sql_replied,
           EC_PARAMS(ec_param_text(task->key), lease, reply_of(task, task->out), ec_param_int(task->accepted ? 202 : 200)), replied_row,
           then);
}

/* ------------------------------------------------------------------ the module's part */

void ec_inbox_start(void)
{
    ec_task_hooks.failed = failed;
    ec_task_hooks.replied = replied;
}

void ec_inbox_stop(void)
{
    ec_task_hooks.failed = NULL;
    ec_task_hooks.replied = NULL;
}
