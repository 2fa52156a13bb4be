/* The shared part of tests on a database. */
#include "db_test.h"

#include "json.h"
#include "random.h"

struct pg_server *db_server;
struct ec_service db_service = {.name = "unit-svc"};

static const struct ec_module *const *others;
static uv_timer_t beat;

int db_group_setup(void **state)
{
    (void)state;
    setenv("LOG_LEVEL", getenv("DB_TEST_LOG") ? "debug" : "error", 1);
    db_server = pg_server_start();
    if (!db_server)
        exit(77); /* nothing to test with */
    ec_app.service = &db_service;
    ec_pg_configure(strdup(pg_server_url(db_server)));
    return db_migrate("up", NULL);
}

int db_group_teardown(void **state)
{
    (void)state;
    pg_server_stop(db_server);
    return 0;
}

int db_migrate(const char *verb, const char *option)
{
    char *argv[] = {(char *)"migrate", (char *)(uintptr_t)verb, (char *)(uintptr_t)option, NULL};

    return ec_migrate_commands[0].run(&ec_app, option ? 3 : 2, argv);
}

void db_cut(void)
{
    pg_server_run(db_server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> "
                             "pg_backend_pid()");
}

static void on_beat(uv_timer_t *timer)
{
    (void)timer;
}

void db_open_unready(const struct ec_module *const *more)
{
    struct ec_config_errors errors = {{0}, 0};
    const char *why = NULL;
    size_t i;

    if (ec_app.loop) {
        fprintf(stderr, "a test before this one has failed and left its process state\n");
        pg_server_stop(db_server);
        exit(1);
    }
    setenv("DATABASE_URL", pg_server_url(db_server), 1);
    ec_app.loop = calloc(1, sizeof(*ec_app.loop));
    assert_int_equal(uv_loop_init(ec_app.loop), 0);
    ec_app.draining = false;
    ec_random(ec_app.instance.b, sizeof(ec_app.instance.b));
    ec_log_configure(&errors);
    ec_log_attach(ec_app.loop);
    uv_timer_init(ec_app.loop, &beat);
    uv_timer_start(&beat, on_beat, 5, 5);
    others = more;
    ec_module_pg.configure(&ec_app, &errors);
    assert_int_equal(errors.n, 0);
    assert_int_equal(ec_module_pg.start(&ec_app, &why), 0);
    for (i = 0; more && more[i]; i++) {
        if (more[i]->configure)
            more[i]->configure(&ec_app, &errors);
        assert_int_equal(more[i]->start(&ec_app, &why), 0);
    }
    ec_buf_free(&errors.text);
}

void db_open(const struct ec_module *const *more)
{
    db_open_unready(more);
    DB_UNTIL(ec_module_pg.not_ready(&ec_app) == NULL);
}

static void close_rest(uv_handle_t *handle, void *data)
{
    (void)data;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void db_close(void)
{
    size_t n = 0;

    while (others && others[n])
        n++;
    while (n--)
        if (others[n]->stop)
            others[n]->stop(&ec_app);
    ec_module_pg.stop(&ec_app);
    ec_tasks_stop();
    ec_log_detach();
    uv_walk(ec_app.loop, close_rest, NULL);
    while (uv_run(ec_app.loop, UV_RUN_DEFAULT))
        ;
    assert_int_equal(uv_loop_close(ec_app.loop), 0);
    free(ec_app.loop);
    ec_app.loop = NULL;
    assert_int_equal(ec_tasks_live, 0);
}

void db_turn(void)
{
    uv_run(ec_app.loop, UV_RUN_ONCE);
}

void db_pass(int ms)
{
    uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;

    while (uv_hrtime() < until)
        db_turn();
}

static void keep(struct ec_task *task)
{
    struct ended *ended = task->owner;
    struct ec_buf buf = {0};

    ended->over = true;
    ended->error = task->error;
    ended->accepted = task->accepted;
    ended->unknown = task->unknown;
    ended->retry_after_s = task->retry_after_s;
    snprintf(ended->name, sizeof(ended->name), "%s", task->error ? task->error->name : "");
    snprintf(ended->detail, sizeof(ended->detail), "%s", task->detail ? task->detail : "");
    if (!task->error && task->program->out && task->out) {
        ec_json_write(&buf, task->program->out, task->out);
        snprintf(ended->out, sizeof(ended->out), "%.*s", (int)buf.n, buf.p);
        ec_buf_free(&buf);
    }
    ec_task_free(task);
}

struct ec_task *db_task(const struct ec_program *program, struct ended *ended)
{
    struct ec_task *task = ec_task_new(&ec_app, program);

    memset(ended, 0, sizeof(*ended));
    task->owner = ended;
    task->finish = keep;
    task->deadline_ns = uv_hrtime() + 10000000000u;
    return task;
}

void db_key(struct ec_task *task, const char *key, const char *undoes)
{
    if (key)
        task->key = ec_arena_copy(task->arena, ec_str_of(key));
    if (undoes)
        task->undoes = ec_arena_copy(task->arena, ec_str_of(undoes));
}

void db_run(const struct ec_program *program, struct ended *ended, const char *key, const char *undoes)
{
    struct ec_task *task = db_task(program, ended);

    db_key(task, key, undoes);
    ec_task_start(task);
    DB_UNTIL(ended->over);
}
