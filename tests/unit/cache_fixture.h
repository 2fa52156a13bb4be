/* A keyspace on a real Redis, its operations as tasks, and commands of somebody else. */
#ifndef CACHE_FIXTURE_H
#define CACHE_FIXTURE_H

#include "redis_fixture.h"

#include "cache.h"
#include "task.h"

struct thing {
    int64_t n;
    struct ec_str name;
};

static const struct ec_field thing_fields[] = {
    {.name = "n", .kind = EC_INT, .offset = offsetof(struct thing, n)},
    {.name = "name", .kind = EC_TEXT, .offset = offsetof(struct thing, name)},
};
static const struct ec_record thing_record = {.name = "Thing", .size = sizeof(struct thing), .fields = thing_fields, .nfields = 2};
static struct ec_keyspace things = {.name = "things", .cache = "memory", .value = &thing_record, .ttl_ms = 60000};

enum act { GET, PUT, DROP };

struct frame {
    enum act act;
    struct ec_str key;
    struct thing put;
    struct thing *got;
};

static void run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        if (f->act == GET) {
            EC_AWAIT(task, 1, ec_cache_get(task, &things, f->key, (void **)&f->got));
        } else if (f->act == PUT) {
            EC_AWAIT(task, 2, ec_cache_put(task, &things, f->key, &f->put));
        } else {
            EC_AWAIT(task, 3, ec_cache_drop(task, &things, f->key));
        }
        ec_reply(task, NULL);
    }
}

static const struct ec_program program = {.name = "test.Cache", .run = run, .frame_size = sizeof(struct frame)};

static int running;
static bool found; /* what the last one got */
static int64_t found_n;
static char found_name[32];

static bool has_ended(void)
{
    return running == 0;
}

static void on_finish(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    assert_null(task->error);
    running--;
    if (f->act == GET)
        found = f->got != NULL;
    if (f->got) {
        found_n = f->got->n;
        snprintf(found_name, sizeof(found_name), "%.*s", (int)f->got->name.n, f->got->name.p);
    }
    ec_task_free(task);
}

static void begin(enum act what, const char *key, int64_t n)
{
    struct ec_task *task = ec_task_new(&ec_app, &program);
    struct frame *f = EC_FRAME(task, struct frame);

    *f = (struct frame){.act = what, .key = ec_str_of(key), .put = {n, EC_STR("a \"name\"")}};
    task->finish = on_finish;
    running++;
    ec_task_start(task);
}

static void act(enum act what, const char *key, int64_t n)
{
    begin(what, key, n);
    assert_true(fixture_until(has_ended, 5000));
}

static bool raw_done;
static bool raw_is_done(void)
{
    return raw_done;
}
static void on_raw(void *data, const struct ec_redis_reply *reply)
{
    (void)data;
    assert_non_null(reply);
    raw_done = true;
}
static void raw(const char *command, const char *key, const char *value)
{
    raw_done = false;
    ec_redis_command(value ? 3 : 2, (struct ec_str[]){ec_str_of(command), ec_str_of(key), ec_str_of(value ? value : "")}, on_raw, NULL);
    assert_true(fixture_until(raw_is_done, 5000));
}

static int setup(void **state)
{
    (void)state;
    fixture_redis_begin();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_module_stop();
    ec_tasks_stop();
    uv_run(ec_app.loop, UV_RUN_NOWAIT);
    assert_int_equal(ec_tasks_live, 0);
    return 0;
}

#endif
