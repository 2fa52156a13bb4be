/* Taking over: sagas whose lease has run out, of replicas that crashed, hang or were stopped.
 *
 * One statement of the group lane takes up to TAKE_LIMIT of them that nobody else is taking (SKIP LOCKED), raises their fence, and gives
 * their rows together with the replies of the steps that are done. The instances are built when the rows come and go on when it is
 * committed. Sagas that this binary doesn't know, by name and version, are left alone: they are another binary's, newer or older. Every ten
 * seconds they are counted (ec_saga_unknown), once a minute the log names them.
 */
#include <string.h>

#include "json.h"
#include "saga.h"
#include "trace.h"

enum { TAKE_LIMIT = 100, COUNT_EVERY = 10, TELL_EVERY = 60 /* seconds */, TELL_LIMIT = 10 };

static const struct ec_sql sql_take = {
    /* $1 owner $2 names $3 versions */
    .name = "ec.saga.take",
    .text =
        "WITH due AS MATERIALIZED (SELECT id FROM ec.saga WHERE state IN ('running', 'compensating') AND lease_until <= now() AND "
        "(name, version) IN (SELECT * FROM unnest($2::text[], $3::int[])) ORDER BY lease_until LIMIT 100 FOR UPDATE SKIP LOCKED), "
        "t AS (UPDATE ec.saga g SET owner = $1::uuid, fence = g.fence + 1, lease_until = now() + interval '5 s' FROM due "
        "WHERE g.id = due.id RETURNING g.*) "
        "SELECT t.id::text, t.name, t.version, t.state, t.step, t.params::text, t.error, t.detail, t.fence, t.attempts, "
        "greatest(0, (extract(epoch FROM t.next_at - now()) * 1000)::bigint), t.traceparent, "
        "p.step, p.reply::text, (extract(epoch FROM now() - t.created_at) * 1000)::bigint FROM t LEFT JOIN ec.saga_step p ON p.saga_id = t.id AND p.phase = 'do' AND p.state = 'done' ORDER BY t.id",
};

static const struct ec_sql sql_strangers = {
    /* $1 names $2 versions */
    .name = "ec.saga.strangers",
    .text = "SELECT name, version, count(*) FROM ec.saga WHERE state IN ('running', 'compensating') AND lease_until <= now() AND "
            "(name, version) NOT IN (SELECT * FROM unnest($1::text[], $2::int[])) GROUP BY 1, 2 ORDER BY 3 DESC",
};

static struct {
    struct ec_group_unit unit, strangers;
    struct ec_arena *arena;
    const struct ec_service *service;
    bool busy, counting;
    int ticks, tell_at;
    struct ec_metric *unknown;
    struct ec_instance *taken[TAKE_LIMIT];
    size_t n;
} take;

static const struct ec_saga *known_saga(struct ec_str name, int64_t version)
{
    const struct ec_saga *const *saga;

    for (saga = take.service->sagas; saga && *saga; saga++)
        if (ec_str_eq(ec_str_of((*saga)->name), name) && (*saga)->version == version)
            return *saga;
    return NULL;
}

static bool read_reply(struct ec_instance *instance, struct ec_str step, struct ec_str reply)
{
    struct ec_json_error wrong;
    size_t i;

    for (i = 0; i < instance->saga->nsteps; i++) {
        const struct ec_saga_step *known = &instance->saga->steps[i];

        if (!ec_str_eq(ec_str_of(known->name), step))
            continue;
        return !known->result || !reply.p ||
               ec_json_read(instance->arena, ec_arena_copy(instance->arena, reply), known->result,
                            (char *)instance->data + known->result_offset, EC_JSON_LENIENT, &wrong) == EC_JSON_OK;
    }
    return false;
}

static const char *copy_cell(struct ec_arena *arena, const struct pg_result *result, int row, int column)
{
    return ec_pg_null(result, row, column) ? NULL : ec_arena_copy(arena, ec_pg_cell(result, row, column)).p;
}

static struct ec_instance *read_instance(const struct pg_result *result, int row, struct ec_uuid id)
{
    struct ec_instance *instance, *old = ec_instance_find(id);
    const struct ec_saga *saga;
    struct ec_json_error wrong;
    int64_t n = 0, fence = 0;

    ec_int_parse(ec_pg_cell(result, row, 2), &n);
    saga = known_saga(ec_pg_cell(result, row, 1), n);
    if (!saga)
        return NULL;
    if (old)
        ec_instance_drop(old); /* this process had lost it, and now takes it over from itself */
    ec_int_parse(ec_pg_cell(result, row, 8), &fence);
    instance = ec_instance_new(saga, id, fence);
    instance->state = ec_str_eq(ec_pg_cell(result, row, 3), EC_STR("compensating")) ? EC_SAGA_COMPENSATING : EC_SAGA_RUNNING;
    ec_int_parse(ec_pg_cell(result, row, 4), &n);
    instance->step = (int)n;
    ec_int_parse(ec_pg_cell(result, row, 9), &n);
    instance->attempts = (int)n;
    instance->sent_before = true;
    ec_int_parse(ec_pg_cell(result, row, 14), &n);
    instance->began_ns -= n * 1000000;
    instance->error = copy_cell(instance->arena, result, row, 6);
    instance->detail = copy_cell(instance->arena, result, row, 7);
    ec_trace_new(&instance->trace);
    ec_trace_parse(ec_pg_cell(result, row, 11), &instance->trace);
    n = 0;
    if (!ec_pg_null(result, row, 10))
        ec_int_parse(ec_pg_cell(result, row, 10), &n);
    instance->wake_ns = n > 0 ? uv_hrtime() + (uint64_t)n * 1000000 : 0;
    if (instance->step < (instance->state == EC_SAGA_RUNNING ? 0 : -1) ||
        instance->step > (int)saga->nsteps - (instance->state == EC_SAGA_RUNNING ? 0 : 1) ||
        ec_json_read(instance->arena, ec_arena_copy(instance->arena, ec_pg_cell(result, row, 5)), saga->state, instance->data,
                     EC_JSON_LENIENT, &wrong) != EC_JSON_OK) {
        ec_log(EC_LOG_ERROR, NULL, "a saga's row can't be read", EC_L_STR("saga", saga->name), EC_L_TEXT("id", ec_pg_cell(result, row, 0)));
        instance->dropped = true;
    }
    return instance;
}

static void forget_taken(void)
{
    while (take.n)
        ec_instance_drop(take.taken[--take.n]);
}

static void take_rows(struct ec_group_unit *unit, const struct ec_pg_reply *reply)
{
    struct ec_instance *instance = NULL;
    int row;

    (void)unit;
    forget_taken(); /* of a run before this one, which was rolled back or whose answer was lost */
    for (row = 0; row < (int)reply->rows; row++) {
        struct ec_uuid id;

        ec_uuid_parse(ec_pg_cell(reply->result, row, 0), &id);
        if (!instance || !ec_uuid_eq(instance->id, id)) {
            instance = take.n < TAKE_LIMIT ? read_instance(reply->result, row, id) : NULL;
            if (!instance)
                continue;
            take.taken[take.n++] = instance;
        }
        if (!ec_pg_null(reply->result, row, 12) &&
            !read_reply(instance, ec_pg_cell(reply->result, row, 12), ec_pg_cell(reply->result, row, 13))) {
            ec_log(EC_LOG_ERROR, NULL, "a saga's stored reply can't be read", EC_L_STR("saga", instance->saga->name),
                   EC_L_TEXT("step", ec_pg_cell(reply->result, row, 12)));
            instance->dropped = true;
        }
    }
}

static void taken(struct ec_group_unit *unit)
{
    size_t n = take.n, i;

    take.busy = false;
    ec_arena_free(take.arena);
    take.arena = NULL;
    if (unit->error) {
        forget_taken();
        return;
    }
    take.n = 0;
    if (n)
        EC_CRASH_AFTER("take-over");
    for (i = 0; i < n; i++) {
        if (take.taken[i]->dropped)
            ec_instance_drop(take.taken[i]);
        else
            ec_saga_go(take.taken[i]);
    }
    if (n)
        ec_log(EC_LOG_INFO, NULL, "sagas are taken over", EC_L_INT("n", n));
    if (n == TAKE_LIMIT && !ec_saga_draining)
        ec_saga_take_over(take.service);
}

static void strangers_row(struct ec_group_unit *unit, const struct ec_pg_reply *reply)
{
    bool tell = take.ticks >= take.tell_at;
    int64_t n = 0, of_one;
    int row;

    (void)unit;
    for (row = 0; row < (int)reply->rows; row++) {
        if (ec_int_parse(ec_pg_cell(reply->result, row, 2), &of_one))
            n += of_one;
        if (tell && row < TELL_LIMIT)
            ec_log(EC_LOG_WARN, NULL, "sagas wait for a binary that has their version", EC_L_TEXT("saga", ec_pg_cell(reply->result, row, 0)),
                   EC_L_TEXT("version", ec_pg_cell(reply->result, row, 1)), EC_L_TEXT("n", ec_pg_cell(reply->result, row, 2)));
    }
    if (tell && n)
        take.tell_at = take.ticks + TELL_EVERY;
    ec_metric_set(take.unknown, (double)n);
}

static void strangers_done(struct ec_group_unit *unit)
{
    ec_arena_free(unit->data);
    take.counting = false;
}

/* Names are of the language, so they need no quoting in an array. */
static void known_lists(struct ec_arena *arena, struct ec_param *names, struct ec_param *versions)
{
    const struct ec_saga *const *saga;
    struct ec_buf n = {0}, v = {0};

    for (saga = take.service->sagas; saga && *saga; saga++) {
        ec_buf_printf(&n, "%s%s", n.n ? "," : "{", (*saga)->name);
        ec_buf_printf(&v, "%s%d", v.n ? "," : "{", (*saga)->version);
    }
    ec_buf_str(&n, n.n ? "}" : "{}");
    ec_buf_str(&v, v.n ? "}" : "{}");
    *names = ec_param_text(ec_arena_copy(arena, (struct ec_str){n.p, n.n}));
    *versions = ec_param_text(ec_arena_copy(arena, (struct ec_str){v.p, v.n}));
    ec_buf_free(&n);
    ec_buf_free(&v);
}

void ec_saga_take_over(const struct ec_service *service)
{
    struct ec_param names, versions;
    struct ec_arena *arena;

    if (take.busy)
        return;
    take.busy = true;
    take.service = service;
    take.arena = ec_arena_new();
    known_lists(take.arena, &names, &versions);
    take.unit = (struct ec_group_unit){.sql = &sql_take, .row = take_rows, .done = taken};
    ec_pg_encode(take.arena, EC_PARAMS(ec_param_uuid(ec_app.instance), names, versions), &take.unit.values);
    ec_group_submit(&take.unit);
    if (take.ticks++ % COUNT_EVERY || take.counting)
        return;
    if (!take.unknown)
        take.unknown = ec_metric(EC_GAUGE_MOST, "ec_saga_unknown", "Sagas in flight whose version this binary does not have, and nobody runs", NULL);
    take.counting = true;
    arena = ec_arena_new();
    known_lists(arena, &names, &versions);
    take.strangers = (struct ec_group_unit){.sql = &sql_strangers, .row = strangers_row, .done = strangers_done, .data = arena};
    ec_pg_encode(arena, EC_PARAMS(names, versions), &take.strangers.values);
    ec_group_submit(&take.strangers);
}

void ec_saga_take_stop(void)
{
    if (take.arena)
        ec_arena_free(take.arena);
    if (take.counting)
        ec_arena_free(take.strangers.data);
    memset(&take, 0, sizeof(take));
}
