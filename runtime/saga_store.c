/* The saga log: every write of the engine is one statement of the group lane, with its fence inside.
 *
 * Each statement updates ec.saga where id and fence fit and does the rest only from that row, so a replica that has lost its lease writes
 * nothing. All are idempotent, as the lane asks. They return how many sagas were touched: 0 means that the fence is another's, or that
 * the saga has ended. A write lives in an arena of its own until it is stored; when the database is away it is tried again.
 */
#include <string.h>

#include "inbox.h"
#include "json.h"
#include "random.h"
#include "saga.h"
#include "trace.h"

enum { AGAIN_MS = 250 };

/* $1 is named again where a step is updated: of a table without statistics PostgreSQL takes the join for cheap without the key, and reads
 * all steps. */
#define FENCED " WHERE id = $1::uuid AND fence = $2::bigint AND state IN ('running', 'compensating') RETURNING id)"
#define ANSWER(step, phase, state, reply, error)                                                                                       \
    ", a AS (UPDATE ec.saga_step t SET state = " state ", reply = coalesce(" reply "::jsonb, t.reply), error = " error ", at = now() " \
    "FROM s WHERE t.saga_id = s.id AND t.saga_id = $1::uuid AND t.step = " step " AND t.phase = " phase ")"
#define SEND(step, phase)                                                                                                        \
    ", n AS (INSERT INTO ec.saga_step (saga_id, step, phase, state, attempts) SELECT id, " step ", " phase ", 'sent', 1 FROM s " \
    "WHERE " step "::text IS NOT NULL ON CONFLICT (saga_id, step, phase) DO NOTHING)"
#define TOUCHED " SELECT count(*) FROM s"

/* Each for many sagas is a function of migration 000000_ec_4 (schema.c). */
#define EACH "SELECT member, touched FROM "

static const struct ec_group_set advance_set = {{
    .name = "ec.saga.advance_set",
    .text = EACH "ec.saga_advance($1::uuid[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::jsonb[], $7::text[])",
}};

static const struct ec_sql sql_advance = {
    /* $3 step $4 answered $5 phase $6 reply $7 next */
    .name = "ec.saga.advance",
    .text = "WITH s AS (UPDATE ec.saga SET step = $3::int, attempts = 0, next_at = NULL, last_error = NULL" FENCED ANSWER(
        "$4", "$5", "'done'", "$6", "NULL") SEND("$7", "$5") TOUCHED,
    .set = &advance_set,
};

static const struct ec_group_set compensate_set = {{
    .name = "ec.saga.compensate_set",
    .text = EACH "ec.saga_compensate($1::uuid[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])",
}};

static const struct ec_sql sql_compensate = {
    /* $3 step $4 answered $5 its state $6 error $7 detail $8 undo */
    .name = "ec.saga.compensate",
    .text = "WITH s AS (UPDATE ec.saga SET state = 'compensating', step = $3::int, error = $6, detail = $7, attempts = 0, next_at = NULL, "
            "last_error = NULL" FENCED ANSWER("$4", "'do'", "$5", "NULL", "$6") SEND("$8", "'undo'") TOUCHED,
    .set = &compensate_set,
};

static const struct ec_sql sql_repeat = {
    /* $3 attempts $4 ms $5 step $6 phase $7 error */
    .name = "ec.saga.repeat",
    .text =
        "WITH s AS (UPDATE ec.saga SET attempts = $3::int, next_at = now() + $4::bigint * interval '1 ms', last_error = $7" FENCED
        ", a AS (UPDATE ec.saga_step t SET state = 'unknown', attempts = $3::int + 1, error = split_part($7, ':', 1), at = now() FROM s "
        "WHERE t.saga_id = s.id AND t.saga_id = $1::uuid AND t.step = $5 AND t.phase = $6)" TOUCHED,
};

/* The last answer is stored, and only the end is left to do. */
static const struct ec_sql sql_repeat_end = {
    /* $3 attempts $4 ms $5 why $6 step $7 state $8 error $9 detail $10 answered $11 phase $12 its state $13 reply */
    .name = "ec.saga.repeat_end",
    .text = "WITH s AS (UPDATE ec.saga SET attempts = $3::int, next_at = now() + $4::bigint * interval '1 ms', last_error = $5, "
            "step = $6::int, state = $7, error = $8, detail = $9" FENCED ANSWER("$10", "$11", "$12", "$13",
                                                                                "CASE WHEN $12 = 'done' THEN NULL ELSE $8 END") TOUCHED,
};

static const struct ec_sql sql_release = {
    .name = "ec.saga.release",
    .text = "WITH s AS (UPDATE ec.saga SET lease_until = now()" FENCED TOUCHED,
};

/* $3 state $4 step $5 phase $6 its state $7 reply $8 error $9 detail */
#define END                                                                                                                   \
    "WITH s AS (UPDATE ec.saga SET state = $3, error = $8, detail = $9, ended_at = now(), owner = NULL, lease_until = NULL, " \
    "next_at = NULL" FENCED ANSWER("$4", "$5", "$6", "$7", "CASE WHEN $6 = 'done' THEN NULL ELSE $8 END")
#define ENDS "ec.saga_end($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::text[], $9::text[])"
static const struct ec_group_set end_set = {{.name = "ec.saga.end_set", .text = EACH ENDS}};
static const struct ec_group_set end_guarded_set = {{.name = "ec.saga.end_guarded_set", .text = EC_GROUP_ALL("$1::uuid[]", ENDS)},
                                                    .late = true};
static const struct ec_sql sql_end = {.name = "ec.saga.end", .text = END TOUCHED, .set = &end_set};
static const struct ec_sql sql_end_guarded = {
    .name = "ec.saga.end_guarded", .text = END " SELECT 1 / count(*) FROM s", .set = &end_guarded_set};

static const struct ec_sql sql_look = {.name = "ec.saga.look", .text = "SELECT state, fence FROM ec.saga WHERE id = $1::uuid"};

static const struct ec_group_set start_set = {
    {
        .name = "ec.saga.start_set",
        .text = "WITH i AS MATERIALIZED (SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::jsonb[], $5::uuid[], $6::text[], "
                "$7::text[]) WITH ORDINALITY AS v (id, name, version, params, owner, traceparent, first, n)), "
                "s AS (INSERT INTO ec.saga (id, name, version, state, step, params, owner, fence, lease_until, traceparent) "
                "SELECT id, name, version, 'running', 0, params, owner, 1, now() + interval '5 s', traceparent FROM i "
                "ON CONFLICT (id) DO NOTHING RETURNING id), "
                "n AS (INSERT INTO ec.saga_step (saga_id, step, phase, state, attempts) "
                "SELECT s.id, i.first, 'do', 'sent', 1 FROM s JOIN i ON i.id = s.id) SELECT i.n FROM s JOIN i ON i.id = s.id",
    },
    .late = true,
};

static const struct ec_sql sql_start = {
    /* $3 version $4 params $5 owner $6 traceparent $7 first step */
    .name = "ec.saga.start",
    .text = "WITH s AS (INSERT INTO ec.saga (id, name, version, state, step, params, owner, fence, lease_until, traceparent) "
            "VALUES ($1::uuid, $2, $3::int, 'running', 0, $4::jsonb, $5::uuid, 1, now() + interval '5 s', $6) ON CONFLICT (id) DO NOTHING "
            "RETURNING id) "
            "INSERT INTO ec.saga_step (saga_id, step, phase, state, attempts) SELECT id, $7, 'do', 'sent', 1 FROM s",
    .set = &start_set,
};

/* ------------------------------------------------------------------ writes */

struct ec_saga_write {
    struct ec_group_unit unit;
    struct ec_arena *arena;
    struct ec_instance *instance;
    void (*then)(struct ec_instance *instance);
    bool touched;
};

static struct ec_param text_or_null(const char *text)
{
    return ec_param_text(text ? ec_str_of(text) : (struct ec_str){NULL, 0});
}

static const char *step_name(const struct ec_instance *instance, int step)
{
    return step >= 0 && (size_t)step < instance->saga->nsteps ? instance->saga->steps[step].name : NULL;
}

static void touched_row(struct ec_group_unit *unit, const struct ec_pg_reply *reply)
{
    ((struct ec_saga_write *)unit)->touched = reply->rows == 1 && !ec_str_eq(ec_pg_cell(reply->result, 0, 0), EC_STR("0"));
}

static void rewrite(struct ec_instance *instance)
{
    ec_saga_resubmit(instance);
}

static void written(struct ec_group_unit *unit)
{
    struct ec_saga_write *write = (struct ec_saga_write *)unit;
    struct ec_instance *instance = write->instance;
    void (*then)(struct ec_instance * instance) = write->then;

    if (unit->error && !instance->dropped) {
        instance->busy = false;
        instance->write = write;
        ec_instance_sleep(instance, AGAIN_MS + (int64_t)(ec_random_unit() * AGAIN_MS), rewrite);
        return;
    }
    instance->busy = false;
    instance->write = NULL;
    if (ec_instance_gone(instance)) {
        ec_arena_free(write->arena);
        return;
    }
    if (!write->touched)
        ec_saga_look(instance, then);
    else
        then(instance);
    ec_arena_free(write->arena);
}

void ec_saga_forget_write(struct ec_instance *instance)
{
    ec_arena_free(instance->write->arena);
    instance->write = NULL;
}

void ec_saga_resubmit(struct ec_instance *instance)
{
    struct ec_saga_write *write = instance->write;

    instance->busy = true;
    write->unit.deadline_ns = 0;
    ec_group_submit(&write->unit);
}

static struct ec_arena *begin_write(struct ec_instance *instance, struct ec_saga_write **write, void (*then)(struct ec_instance *instance))
{
    struct ec_arena *arena = ec_arena_new();

    *write = ec_arena_alloc(arena, sizeof(**write));
    (*write)->arena = arena;
    (*write)->instance = instance;
    (*write)->then = then;
    (*write)->unit.row = touched_row;
    (*write)->unit.done = written;
    return arena;
}

static void submit(struct ec_saga_write *write, const struct ec_sql *sql, const struct ec_param *params, size_t n)
{
    write->unit.sql = sql;
    if (!ec_pg_encode(write->arena, params, n, &write->unit.values))
        ec_panic("a saga's values have a NUL character");
    write->instance->busy = true;
    write->instance->write = write;
    ec_group_submit(&write->unit);
}

#define ID ec_param_uuid(instance->id), ec_param_int(instance->fence)

void ec_saga_advance(struct ec_instance *instance, int next, void (*then)(struct ec_instance *instance))
{
    struct ec_saga_write *write;

    begin_write(instance, &write, then);
    submit(write, &sql_advance,
           EC_PARAMS(ID, ec_param_int(next), text_or_null(step_name(instance, instance->answer.step)), text_or_null(instance->answer.phase),
                     ec_param_text(instance->answer.reply), text_or_null(step_name(instance, next))));
}

void ec_saga_compensate(struct ec_instance *instance, int undo, void (*then)(struct ec_instance *instance))
{
    struct ec_saga_write *write;

    begin_write(instance, &write, then);
    submit(write, &sql_compensate,
           EC_PARAMS(ID, ec_param_int(undo), text_or_null(step_name(instance, instance->answer.step)), text_or_null(instance->answer.state),
                     text_or_null(instance->error), text_or_null(instance->detail), text_or_null(step_name(instance, undo))));
}

void ec_saga_repeat(struct ec_instance *instance, int64_t ms, const char *why, void (*then)(struct ec_instance *instance))
{
    struct ec_saga_write *write;

    begin_write(instance, &write, then);
    submit(write, &sql_repeat,
           EC_PARAMS(ID, ec_param_int(instance->attempts), ec_param_int(ms), text_or_null(step_name(instance, instance->step)),
                     text_or_null(instance->state == EC_SAGA_RUNNING ? "do" : "undo"), text_or_null(why)));
}

void ec_saga_repeat_end(struct ec_instance *instance, int64_t ms, const char *why, void (*then)(struct ec_instance *instance))
{
    const struct ec_saga_answer *answer = &instance->answer;
    bool failed = instance->error != NULL;
    struct ec_saga_write *write;

    begin_write(instance, &write, then);
    submit(write, &sql_repeat_end,
           EC_PARAMS(ID, ec_param_int(instance->attempts), ec_param_int(ms), text_or_null(why),
                     ec_param_int(failed ? -1 : (int64_t)instance->saga->nsteps), text_or_null(failed ? "compensating" : "running"),
                     text_or_null(instance->error), text_or_null(instance->detail), text_or_null(step_name(instance, answer->step)),
                     text_or_null(answer->phase), text_or_null(answer->state), ec_param_text(answer->reply)));
}

static void released(struct ec_instance *instance)
{
    ec_instance_drop(instance);
}

void ec_saga_release(struct ec_instance *instance)
{
    struct ec_saga_write *write;

    begin_write(instance, &write, released);
    submit(write, &sql_release, EC_PARAMS(ID));
}

/* ------------------------------------------------------------------ the end */

static struct ec_pg_values end_values(struct ec_arena *arena, struct ec_instance *instance)
{
    const struct ec_saga_answer *answer = &instance->answer;
    bool failed = instance->error != NULL;
    struct ec_pg_values values;

    if (!ec_pg_encode(arena,
                      EC_PARAMS(ID, text_or_null(failed ? "failed" : "done"), text_or_null(step_name(instance, answer->step)),
                                text_or_null(answer->phase), text_or_null(answer->state), ec_param_text(answer->reply),
                                text_or_null(instance->error), text_or_null(instance->detail)),
                      &values))
        ec_panic("a saga's values have a NUL character");
    return values;
}

void ec_saga_end(struct ec_instance *instance, void (*then)(struct ec_instance *instance))
{
    struct ec_saga_write *write;
    struct ec_arena *arena = begin_write(instance, &write, then);

    write->unit.sql = &sql_end;
    write->unit.values = end_values(arena, instance);
    instance->busy = true;
    instance->write = write;
    ec_group_submit(&write->unit);
}

struct end_rider {
    struct ec_tx_rider rider;
    struct ec_instance *instance;
};

static void send_end(struct ec_tx_rider *rider, struct ec_burst *burst)
{
    ec_burst_add(burst, &sql_end_guarded, end_values(burst->task->arena, ((struct end_rider *)rider)->instance), NULL, NULL);
}

static void end_committed(struct ec_tx_rider *rider, struct ec_task *task)
{
    (void)task;
    ((struct end_rider *)rider)->instance->end_committed = true;
}

void ec_saga_ride_end(struct ec_instance *instance, struct ec_task *task)
{
    struct end_rider *rider = EC_ALLOC(task, struct end_rider);

    rider->rider.send = send_end;
    rider->rider.committed = end_committed;
    rider->rider.fences = true;
    rider->instance = instance;
    ec_tx_ride(task, &rider->rider);
}

/* ------------------------------------------------------------------ a refused write */

struct look {
    struct ec_saga_write write;
    void (*ended)(struct ec_instance *instance);
    bool ended_by_us;
};

static void look_row(struct ec_group_unit *unit, const struct ec_pg_reply *reply)
{
    struct look *look = (struct look *)unit;
    struct ec_str state;
    int64_t fence = 0;

    look->ended_by_us = false;
    if (reply->rows != 1)
        return;
    state = ec_pg_cell(reply->result, 0, 0);
    ec_int_parse(ec_pg_cell(reply->result, 0, 1), &fence);
    look->ended_by_us = fence == look->write.instance->fence && (ec_str_eq(state, EC_STR("done")) || ec_str_eq(state, EC_STR("failed")));
}

static void looked(struct ec_group_unit *unit)
{
    struct look *look = (struct look *)unit;
    struct ec_instance *instance = look->write.instance;
    void (*ended)(struct ec_instance * instance) = look->ended;
    bool ours = !unit->error && look->ended_by_us;

    instance->busy = false;
    instance->write = NULL;
    ec_arena_free(look->write.arena);
    if (ec_instance_gone(instance))
        return;
    /* Not ours, or nobody knows: whoever holds the lease goes on, which after a while may be this process again. */
    if (ours) {
        instance->end_committed = true;
        ended(instance);
    } else {
        ec_instance_drop(instance);
    }
}

void ec_saga_look(struct ec_instance *instance, void (*ended)(struct ec_instance *instance))
{
    struct ec_arena *arena = ec_arena_new();
    struct look *look = ec_arena_alloc(arena, sizeof(*look));

    look->write.arena = arena;
    look->write.instance = instance;
    look->ended = ended;
    look->write.unit = (struct ec_group_unit){.sql = &sql_look, .row = look_row, .done = looked};
    ec_pg_encode(arena, EC_PARAMS(ec_param_uuid(instance->id)), &look->write.unit.values);
    instance->busy = true;
    instance->write = &look->write;
    ec_group_submit(&look->write.unit);
}

/* ------------------------------------------------------------------ starting */

struct start_rider {
    struct ec_tx_rider rider;
    struct ec_pg_values values;
    const struct ec_saga *saga;
    struct ec_uuid id;
    struct ec_str params;
    bool inserted;
};

static void start_row(struct ec_burst *burst, const struct ec_pg_reply *reply, void *data)
{
    (void)burst;
    ((struct start_rider *)data)->inserted = reply->rows == 1;
}

static void started(struct ec_tx_rider *rider, struct ec_task *task)
{
    struct start_rider *start = (struct start_rider *)rider;
    struct ec_json_error wrong;
    struct ec_instance *instance;

    if (!start->inserted || ec_instance_find(start->id))
        return; /* a repeated start: somebody runs it, or it has ended */
    instance = ec_instance_new(start->saga, start->id, 1);
    ec_saga_count_started(start->saga);
    instance->trace = task->trace;
    if (ec_json_read(instance->arena, ec_arena_copy(instance->arena, start->params), start->saga->state, instance->data, EC_JSON_LENIENT,
                     &wrong) != EC_JSON_OK) {
        ec_log(EC_LOG_ERROR, task, "a saga's own parameters can't be read", EC_L_STR("saga", start->saga->name),
               EC_L_STR("why", wrong.message));
        ec_instance_drop(instance);
        return;
    }
    ec_saga_go(instance);
}

static void send_start(struct ec_tx_rider *rider, struct ec_burst *burst)
{
    struct start_rider *start = (struct start_rider *)rider;

    ec_burst_add(burst, &sql_start, start->values, start_row, start);
}

/* The same id for the same key, saga and place in the program: version 8 of RFC 9562. */
static struct ec_uuid derived_id(struct ec_task *task, const struct ec_saga *saga)
{
    struct ec_buf text = {0};
    struct ec_uuid id;
    uint8_t hash[32];

    if (!task->key.n)
        return ec_new_id(task);
    ec_buf_add(&text, task->key.p, task->key.n);
    ec_buf_printf(&text, "\n%s\n%s\n%u", task->program->name, saga->name, (unsigned)task->starts++);
    ec_sha256(text.p, text.n, hash);
    ec_buf_free(&text);
    memcpy(id.b, hash, sizeof(id.b));
    id.b[6] = (uint8_t)(0x80 | (id.b[6] & 0x0f));
    id.b[8] = (uint8_t)(0x80 | (id.b[8] & 0x3f));
    return id;
}

void ec_saga_start(struct ec_task *task, const struct ec_saga *saga, const void *params, struct ec_saga_ref *out)
{
    struct start_rider *start = EC_ALLOC(task, struct start_rider);
    char trace[EC_TRACEPARENT + 1];
    struct ec_buf json = {0};

    start->rider.send = send_start;
    start->rider.committed = started;
    start->saga = saga;
    start->id = derived_id(task, saga);
    *out = (struct ec_saga_ref){start->id, saga};
    ec_json_write(&json, saga->state, params);
    start->params = ec_arena_copy(task->arena, (struct ec_str){json.p, json.n});
    ec_buf_free(&json);
    ec_trace_format(&task->trace, trace);
    if (!ec_pg_encode(task->arena,
                      EC_PARAMS(ec_param_uuid(start->id), text_or_null(saga->name), ec_param_int(saga->version),
                                ec_param_text(start->params), ec_param_uuid(task->app->instance), text_or_null(trace),
                                text_or_null(saga->steps[0].name)),
                      &start->values))
        ec_panic("a saga's values have a NUL character");
    ec_tx_ride(task, &start->rider);
}
