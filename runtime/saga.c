/* The saga engine: which instances this process runs, for how long, and who waits for them.
 *
 * Instances are held in memory, found by id, each under a lease of five seconds and a fence. Once a second all leases that are older than
 * that are renewed in one statement, and what has expired is taken over (saga_take.c); short sagas end before they are ever renewed. An
 * instance whose fence is another's is dropped without a word: at once when it is idle, else when what is in flight is over.
 *
 * Waiters of an instance of this process stand at the instance; those of others, and of a dropped one, are looked up together, every
 * 100 ms. A slow tick serves sleeping instances and waiters whose deadline is near: both are counted in tens of milliseconds.
 */
#include "saga.h"

#include <string.h>

#include "group.h"
#include "inbox.h"
#include "json.h"

enum { SLOTS = 4096, TICK_MS = 25, POLL_MS = 100, SECOND_MS = 1000, NEAR_MS = 150 };

struct ec_waiter { /* in its task's arena */
    struct ec_task *task;
    struct ec_saga_ref ref;
    bool *late;
    struct ec_waiter *next;
};

bool ec_saga_draining;

static struct {
    bool open;
    struct ec_instance *slots[SLOTS];
    struct ec_instance *first; /* of all */
    size_t n;
    struct ec_waiter *strays; /* of instances elsewhere */
    size_t nwaiters;
    uv_timer_t tick;
    uint64_t polled_ns, second_ns;
    unsigned renewal;
    bool renewing, polling;
    struct ec_group_unit renew, poll;
    struct ec_arena *renew_arena, *poll_arena;
} engine;

static void on_tick(uv_timer_t *timer);

/* ------------------------------------------------------------------ instances */

static size_t slot_of(struct ec_uuid id)
{
    return ((size_t)id.b[15] | (size_t)id.b[14] << 8) % SLOTS;
}

struct ec_instance *ec_instance_find(struct ec_uuid id)
{
    struct ec_instance *instance = engine.slots[slot_of(id)];

    while (instance && !ec_uuid_eq(instance->id, id))
        instance = instance->next_slot;
    return instance;
}

/* Nothing to serve: once a second is enough. */
static void want_ticks(void)
{
    uint64_t ms = engine.n || engine.nwaiters || !ec_pg_ready() ? TICK_MS : SECOND_MS;

    if (uv_timer_get_repeat(&engine.tick) != ms || !uv_is_active((uv_handle_t *)&engine.tick))
        uv_timer_start(&engine.tick, on_tick, ms, ms);
}

struct ec_instance *ec_instance_new(const struct ec_saga *saga, struct ec_uuid id, int64_t fence)
{
    struct ec_arena *arena = ec_arena_new();
    struct ec_instance *instance = ec_arena_alloc(arena, sizeof(*instance));
    size_t slot = slot_of(id);

    instance->arena = arena;
    instance->saga = saga;
    instance->id = id;
    instance->fence = fence;
    instance->data = ec_arena_alloc(arena, saga->size);
    instance->answer.step = -1;
    instance->leased_ns = uv_hrtime();
    instance->began_ns = (int64_t)instance->leased_ns;
    instance->next_slot = engine.slots[slot];
    engine.slots[slot] = instance;
    instance->next = engine.first;
    instance->link = &engine.first;
    if (engine.first)
        engine.first->link = &instance->next;
    engine.first = instance;
    engine.n++;
    want_ticks();
    return instance;
}

static void unlist(struct ec_instance *instance)
{
    struct ec_instance **at;

    for (at = &engine.slots[slot_of(instance->id)]; *at && *at != instance; at = &(*at)->next_slot)
        ;
    if (*at)
        *at = instance->next_slot;
    *instance->link = instance->next;
    if (instance->next)
        instance->next->link = instance->link;
    instance->link = NULL;
    engine.n--;
}

static void stray(struct ec_instance *instance)
{
    struct ec_waiter *waiter;

    while ((waiter = instance->waiters)) {
        instance->waiters = waiter->next;
        waiter->next = engine.strays;
        engine.strays = waiter;
    }
}

void ec_instance_drop(struct ec_instance *instance)
{
    stray(instance);
    if (instance->link)
        unlist(instance);
    instance->dropped = true;
    if (!instance->busy) {
        if (instance->write) /* it waits to be tried again */
            ec_saga_forget_write(instance);
        ec_arena_free(instance->arena);
    }
}

bool ec_instance_gone(struct ec_instance *instance)
{
    if (!instance->dropped)
        return false;
    ec_instance_drop(instance);
    return true;
}

void ec_instance_sleep(struct ec_instance *instance, int64_t ms, void (*wake)(struct ec_instance *instance))
{
    instance->wake_ns = uv_hrtime() + (uint64_t)(ms > 0 ? ms : 0) * 1000000;
    instance->wake = wake;
}

static void wake_up(uint64_t now)
{
    struct ec_instance *instance, *next;

    for (instance = engine.first; instance; instance = next) {
        void (*wake)(struct ec_instance * instance) = instance->wake;

        next = instance->next;
        if (!wake || now < instance->wake_ns)
            continue;
        instance->wake = NULL;
        instance->wake_ns = 0;
        wake(instance);
    }
}

/* ------------------------------------------------------------------ waiters */

static void resolve(struct ec_waiter *waiter, const struct ec_error *error, const char *detail, int retry_after_s)
{
    struct ec_task *task = waiter->task;

    engine.nwaiters--;
    task->error = error;
    task->detail = error && detail ? ec_arena_copy(task->arena, ec_str_of(detail)).p : NULL;
    task->unknown = false;
    task->retry_after_s = error ? retry_after_s : 0;
    ec_task_resume_soon(task);
}

void ec_instance_tell(struct ec_instance *instance, bool failed)
{
    struct ec_waiter *waiter;

    while ((waiter = instance->waiters)) {
        instance->waiters = waiter->next;
        resolve(waiter,
                failed ? ec_error_named(waiter->task->arena, instance->saga->errors, ec_str_of(instance->error), instance->error_status)
                       : NULL,
                instance->detail, instance->retry_after_s);
    }
}

static bool near(const struct ec_task *task)
{
    return ec_task_remaining_ms(task) <= NEAR_MS;
}

static void tell_late(struct ec_waiter **list)
{
    while (*list) {
        struct ec_waiter *waiter = *list;

        if (!near(waiter->task)) {
            list = &waiter->next;
            continue;
        }
        *list = waiter->next;
        *waiter->late = true;
        resolve(waiter, NULL, NULL, 0);
    }
}

void ec_saga_await(struct ec_task *task, const struct ec_saga_ref *ref, bool *late)
{
    struct ec_waiter *waiter = EC_ALLOC(task, struct ec_waiter);
    struct ec_instance *instance = ec_instance_find(ref->id);
    struct ec_waiter **list = instance ? &instance->waiters : &engine.strays;

    *waiter = (struct ec_waiter){.task = task, .ref = *ref, .late = late, .next = *list};
    *late = false;
    *list = waiter;
    engine.nwaiters++;
    want_ticks();
}

/* ------------------------------------------------------------------ waiters of instances elsewhere */

static const struct ec_sql sql_poll = {
    .name = "ec.saga.poll",
    .text = "SELECT id::text, state, error, detail, attempts FROM ec.saga WHERE id = ANY($1::uuid[])",
};

static void poll_row(struct ec_group_unit *unit, const struct ec_pg_reply *reply)
{
    struct ec_waiter **at = &engine.strays;

    (void)unit;
    while (*at) {
        struct ec_waiter *waiter = *at;
        struct ec_str state = {0}, error, detail;
        bool over, failed;
        int64_t attempts = 0;
        int row;

        for (row = 0; row < (int)reply->rows; row++) {
            struct ec_uuid id;

            if (ec_uuid_parse(ec_pg_cell(reply->result, row, 0), &id) && ec_uuid_eq(id, waiter->ref.id))
                break;
        }
        if (row == (int)reply->rows) { /* it came after the question */
            at = &waiter->next;
            continue;
        }
        state = ec_pg_cell(reply->result, row, 1);
        error = ec_pg_cell(reply->result, row, 2);
        detail = ec_pg_cell(reply->result, row, 3);
        ec_int_parse(ec_pg_cell(reply->result, row, 4), &attempts);
        failed = ec_str_eq(state, EC_STR("failed")) || (ec_str_eq(state, EC_STR("compensating")) && attempts > 0);
        over = failed || ec_str_eq(state, EC_STR("done"));
        if (!over) {
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        resolve(waiter, failed ? ec_error_named(waiter->task->arena, waiter->ref.saga->errors, error, 0) : NULL, detail.p, 0);
    }
}

static void poll_done(struct ec_group_unit *unit)
{
    (void)unit;
    ec_arena_free(engine.poll_arena);
    engine.poll_arena = NULL;
    engine.polling = false;
}

static struct ec_param id_list(struct ec_arena *arena, struct ec_buf *buf)
{
    struct ec_str text;

    ec_buf_str(buf, buf->n ? "}" : "{}");
    text = ec_arena_copy(arena, (struct ec_str){buf->p, buf->n});
    ec_buf_free(buf);
    return ec_param_text(text);
}

static void add_id(struct ec_buf *buf, struct ec_uuid id)
{
    char text[37];

    ec_uuid_format(id, text);
    ec_buf_printf(buf, "%s%s", buf->n ? "," : "{", text);
}

static void poll_strays(void)
{
    struct ec_waiter *waiter;
    struct ec_buf ids = {0};

    if (engine.polling || !engine.strays)
        return;
    engine.polling = true;
    engine.poll_arena = ec_arena_new();
    for (waiter = engine.strays; waiter; waiter = waiter->next)
        add_id(&ids, waiter->ref.id);
    engine.poll = (struct ec_group_unit){.sql = &sql_poll, .row = poll_row, .done = poll_done};
    ec_pg_encode(engine.poll_arena, EC_PARAMS(id_list(engine.poll_arena, &ids)), &engine.poll.values);
    ec_group_submit(&engine.poll);
}

/* ------------------------------------------------------------------ leases */

static const struct ec_sql sql_renew = {
    .name = "ec.saga.renew",
    .text = "UPDATE ec.saga SET lease_until = now() + interval '5 s' WHERE id = ANY($1::uuid[]) AND owner = $2::uuid "
            "AND state IN ('running', 'compensating') RETURNING id::text",
};

static void renew_row(struct ec_group_unit *unit, const struct ec_pg_reply *reply)
{
    uint64_t now = uv_hrtime();
    int row;

    (void)unit;
    for (row = 0; row < (int)reply->rows; row++) {
        struct ec_instance *instance;
        struct ec_uuid id;

        ec_uuid_parse(ec_pg_cell(reply->result, row, 0), &id);
        instance = ec_instance_find(id);
        if (!instance)
            continue;
        instance->leased_ns = now;
        if (instance->renewal == engine.renewal)
            instance->renewal = 0; /* found */
    }
}

static void renewed(struct ec_group_unit *unit)
{
    struct ec_instance *instance, *next;

    ec_arena_free(engine.renew_arena);
    engine.renew_arena = NULL;
    engine.renewing = false;
    if (unit->error)
        return;
    for (instance = engine.first; instance; instance = next) {
        next = instance->next;
        /* Not there any more: another's, or ended by a write whose answer is on its way, which then says so. */
        if (instance->renewal == engine.renewal && !instance->busy)
            ec_instance_drop(instance);
    }
}

static void renew(uint64_t now)
{
    struct ec_instance *instance;
    struct ec_buf ids = {0};

    if (engine.renewing)
        return;
    if (++engine.renewal == 0)
        engine.renewal = 1;
    for (instance = engine.first; instance; instance = instance->next) {
        if (now - instance->leased_ns < (uint64_t)SECOND_MS * 1000000)
            continue;
        instance->renewal = engine.renewal;
        add_id(&ids, instance->id);
    }
    if (!ids.n)
        return;
    engine.renewing = true;
    engine.renew_arena = ec_arena_new();
    engine.renew = (struct ec_group_unit){.sql = &sql_renew, .row = renew_row, .done = renewed};
    ec_pg_encode(engine.renew_arena, EC_PARAMS(id_list(engine.renew_arena, &ids), ec_param_uuid(ec_app.instance)), &engine.renew.values);
    ec_group_submit(&engine.renew);
}

/* ------------------------------------------------------------------ the tick */

static void on_tick(uv_timer_t *timer)
{
    uint64_t now = uv_hrtime();
    struct ec_instance *instance;

    (void)timer;
    wake_up(now);
    if (engine.nwaiters) {
        tell_late(&engine.strays);
        for (instance = engine.first; instance; instance = instance->next)
            tell_late(&instance->waiters);
    }
    if (now - engine.polled_ns >= (uint64_t)POLL_MS * 1000000) {
        engine.polled_ns = now;
        poll_strays();
    }
    want_ticks();
    if (now - engine.second_ns < (uint64_t)(SECOND_MS - TICK_MS) * 1000000 || !ec_pg_ready())
        return;
    engine.second_ns = now;
    renew(now);
    ec_saga_count_all(engine.first);
    if (!ec_saga_draining)
        ec_saga_take_over(ec_app.service);
}

/* ------------------------------------------------------------------ the module */

static int start(struct ec_app *app, const char **why)
{
    (void)why;
    memset(&engine, 0, sizeof(engine));
    ec_saga_draining = false;
    ec_saga_count_open(app->service);
    ec_tx_before_last = ec_saga_before_last;
    uv_timer_init(app->loop, &engine.tick);
    engine.open = true;
    uv_timer_start(&engine.tick, on_tick, 0, TICK_MS);
    return 0;
}

static void drain(struct ec_app *app)
{
    struct ec_instance *instance, *next;

    (void)app;
    ec_saga_draining = true;
    for (instance = engine.first; instance; instance = next) {
        next = instance->next;
        if (instance->wake && !instance->busy && !instance->write) {
            instance->wake = NULL;
            ec_saga_release(instance);
        }
    }
}

static bool idle(struct ec_app *app)
{
    (void)app;
    return engine.n == 0 && engine.nwaiters == 0;
}

static void stop(struct ec_app *app)
{
    struct ec_instance *instance, *next;

    (void)app;
    if (!engine.open)
        return;
    engine.open = false;
    ec_tx_before_last = NULL;
    ec_group_stop(); /* what is on its way stands in the arenas that go now */
    for (instance = engine.first; instance; instance = next) {
        bool free_now = !instance->busy || instance->write; /* else a call still has it; the process ends */

        next = instance->next;
        if (instance->write)
            ec_saga_forget_write(instance);
        instance->waiters = NULL;
        if (free_now)
            ec_arena_free(instance->arena);
    }
    if (engine.renew_arena)
        ec_arena_free(engine.renew_arena);
    if (engine.poll_arena)
        ec_arena_free(engine.poll_arena);
    engine.first = NULL;
    ec_saga_take_stop();
    ec_saga_count_close();
    uv_close((uv_handle_t *)&engine.tick, NULL);
}

const struct ec_module ec_module_saga = {
    .name = "saga",
    .start = start,
    .drain = drain,
    .idle = idle,
    .stop = stop,
    .commands = ec_saga_commands,
};
