/* pg.c, pg_conn.c, pg_bind.c: the pool, values in and out, deadlines, reconnecting. */
#include "db_test.h"

#include <signal.h>

#include "tx.h"

enum colour { RED, GREEN };
static const struct ec_enum colour_enum = {.name = "Colour", .values = (const char *const[]){"red", "green"}, .n = 2};

struct line {
    struct ec_str name;
    int64_t n;
};
static const struct ec_record line_record = {
    .name = "Line",
    .size = sizeof(struct line),
    .fields =
        (const struct ec_field[]){
            {.name = "name", .kind = EC_TEXT, .offset = offsetof(struct line, name)},
            {.name = "n", .kind = EC_INT, .offset = offsetof(struct line, n)},
        },
    .nfields = 2,
};
struct line_list {
    struct line *v;
    size_t n;
};

struct all {
    struct ec_str text, none;
    int64_t i, time;
    int64_t *oi;
    double f;
    bool b;
    bool *ob;
    struct ec_uuid uuid;
    enum colour colour;
    int *ocolour;
    struct line_list lines, olines;
    struct line line;
    struct line *oline;
    struct ec_str json;
};
#define F(member, k, ...)                                                               \
    {                                                                                   \
        .name = #member, .kind = k, .offset = offsetof(struct all, member), __VA_ARGS__ \
    }
static const struct ec_field all_fields[] = {
    F(text, EC_TEXT),
    F(none, EC_TEXT, .flags = EC_OPTIONAL),
    F(i, EC_INT),
    F(time, EC_TIME),
    F(oi, EC_INT, .flags = EC_OPTIONAL),
    F(f, EC_FLOAT),
    F(b, EC_BOOL),
    F(ob, EC_BOOL, .flags = EC_OPTIONAL),
    F(uuid, EC_UUID),
    F(colour, EC_ENUM, .of = &colour_enum),
    F(ocolour, EC_ENUM, .flags = EC_OPTIONAL, .of = &colour_enum),
    F(lines, EC_RECORD, .flags = EC_LIST, .of = &line_record),
    F(olines, EC_RECORD, .flags = EC_LIST | EC_OPTIONAL, .of = &line_record),
    F(line, EC_RECORD, .of = &line_record),
    F(oline, EC_RECORD, .flags = EC_OPTIONAL, .of = &line_record),
    F(json, EC_JSON),
};
static const struct ec_record all_record = {
    .name = "All", .size = sizeof(struct all), .fields = all_fields, .nfields = sizeof(all_fields) / sizeof(all_fields[0])};

static const struct ec_sql sql_echo = {
    .name = "unit.echo",
    .text =
        "SELECT $1::text, $2::text, $3::bigint, $4::timestamptz, $5::bigint, $6::float8, $7::boolean, $8::boolean, $9::uuid, $10::text, "
        "$11::text, $12::jsonb, $13::jsonb, $14::jsonb, $15::jsonb, $16::jsonb",
    .row = &all_record,
};

struct frame {
    struct all in, out;
    int64_t count;
    struct {
        struct line *v;
        size_t n;
    } list;
    const struct ec_sql *sql;
};

static const struct ec_field *field(const char *name)
{
    size_t i;

    for (i = 0; strcmp(all_fields[i].name, name) != 0; i++)
        ;
    return &all_fields[i];
}

static void echo_run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);
    struct all *in = &f->in;

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1,
                 ec_sql_one(task, &sql_echo, &f->out,
                            EC_PARAMS(ec_param_text(in->text), ec_param_text(in->none), ec_param_int(in->i), ec_param_time(in->time),
                                      ec_param_opt_int(in->oi), ec_param_float(in->f), ec_param_bool(in->b), ec_param_opt_bool(in->ob),
                                      ec_param_uuid(in->uuid), ec_param_enum(&colour_enum, (int)in->colour),
                                      ec_param_opt_enum(&colour_enum, in->ocolour), ec_param_json(field("lines"), &in->lines),
                                      ec_param_json(field("olines"), &in->olines), ec_param_json(field("line"), &in->line),
                                      ec_param_json(field("oline"), &in->oline), ec_param_json(field("json"), &in->json))));
        f->count = task->rows;
        ec_reply(task, &f->out);
    }
}

static const struct ec_program echo_program = {
    .name = "unit-svc.Echo", .run = echo_run, .frame_size = sizeof(struct frame), .out = &all_record};

static void test_values(void **state)
{
    struct ended ended;
    struct ec_task *task;
    struct frame *f;
    struct line lines[2] = {{EC_STR("a \"quoted\" 'one'"), 1}, {EC_STR("\xc3\xa9"), -2}};
    int64_t nine = 9;
    bool yes = true;
    int green = GREEN;

    (void)state;
    db_open(NULL);
    task = db_task(&echo_program, &ended);
    f = task->frame;
    f->in = (struct all){.text = EC_STR("it's"),
                         .i = INT64_MIN,
                         .time = 1700000000123456,
                         .f = 0.1,
                         .b = true,
                         .colour = RED,
                         .lines = {lines, 2},
                         .line = lines[1],
                         .json = EC_STR("[1, {\"a\": null}]")};
    memset(f->in.uuid.b, 0xab, 16);
    ec_task_start(task);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    assert_string_equal(
        ended.out,
        "{\"text\":\"it's\",\"i\":-9223372036854775808,\"time\":\"2023-11-14T22:13:20.123456Z\",\"f\":0.1,\"b\":true,"
        "\"uuid\":\"abababab-abab-abab-abab-abababababab\",\"colour\":\"red\",\"lines\":[{\"name\":\"a \\\"quoted\\\" 'one'\",\"n\":1},"
        "{\"name\":\"\xc3\xa9\",\"n\":-2}],\"line\":{\"name\":\"\xc3\xa9\",\"n\":-2},\"json\":[1, {\"a\": null}]}");

    task = db_task(&echo_program, &ended);
    f = task->frame;
    f->in = (struct all){.text = EC_STR(""),
                         .none = EC_STR("there"),
                         .oi = &nine,
                         .ob = &yes,
                         .ocolour = &green,
                         .f = -1e300,
                         .time = -1,
                         .olines = {lines, 1},
                         .oline = &lines[0],
                         .line = lines[0],
                         .json = EC_STR("null")};
    ec_task_start(task);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    assert_string_equal(
        ended.out,
        "{\"text\":\"\",\"none\":\"there\",\"i\":0,\"time\":\"1969-12-31T23:59:59.999999Z\",\"oi\":9,\"f\":-1e+300,\"b\":false,\"ob\":true,"
        "\"uuid\":\"00000000-0000-0000-0000-000000000000\",\"colour\":\"red\",\"ocolour\":\"green\",\"lines\":[],"
        "\"olines\":[{\"name\":\"a \\\"quoted\\\" 'one'\",\"n\":1}],\"line\":{\"name\":\"a \\\"quoted\\\" 'one'\",\"n\":1},"
        "\"oline\":{\"name\":\"a \\\"quoted\\\" 'one'\",\"n\":1},\"json\":null}");

    task = db_task(&echo_program, &ended); /* a NUL can't be in a text of PostgreSQL */
    f = task->frame;
    f->in.text = (struct ec_str){"a\0b", 3};
    f->in.json = EC_STR("1");
    ec_task_start(task);
    DB_UNTIL(ended.over);
    assert_ptr_equal(ended.error, &ec_error_invalid);
    db_close();
}

/* ------------------------------------------------------------------ statements that vary */

static void one_run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_sql_one(task, f->sql, &f->out.line, EC_NO_PARAMS));
        f->out.line.n += task->rows * 100;
        ec_reply(task, &f->out.line);
    }
}

static const struct ec_program one_program = {
    .name = "unit-svc.One", .run = one_run, .frame_size = sizeof(struct frame), .out = &line_record};

static void many_run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_sql_many(task, f->sql, &f->list, EC_NO_PARAMS));
        f->out.line = (struct line){f->list.n ? f->list.v[f->list.n - 1].name : EC_STR("none"), task->rows};
        ec_reply(task, &f->out.line);
    }
}

static const struct ec_program many_program = {
    .name = "unit-svc.Many", .run = many_run, .frame_size = sizeof(struct frame), .out = &line_record};

static void ask(const struct ec_program *program, const struct ec_sql *sql, struct ended *ended, int deadline_ms)
{
    struct ec_task *task = db_task(program, ended);

    ((struct frame *)task->frame)->sql = sql;
    if (deadline_ms)
        task->deadline_ns = uv_hrtime() + (uint64_t)deadline_ms * 1000000;
    ec_task_start(task);
}

static void test_rows(void **state)
{
    static const struct ec_sql none = {.name = "unit.none", .text = "SELECT 'x', 1 WHERE false", .row = &line_record};
    static const struct ec_sql two = {.name = "unit.two", .text = "SELECT 'x', g FROM generate_series(1, 2) g", .row = &line_record};
    static const struct ec_sql null = {.name = "unit.null", .text = "SELECT NULL::text, 1", .row = &line_record};
    static const struct ec_sql wide = {.name = "unit.wide", .text = "SELECT 'x', 1, 2", .row = &line_record};
    static const struct ec_sql wrong = {.name = "unit.wrong", .text = "SELECT nothing FROM nowhere", .row = &line_record};
    static const struct ec_sql lots = {
        .name = "unit.lots", .text = "SELECT repeat('y', 100) || g, g FROM generate_series(1, 20000) g ORDER BY g", .row = &line_record};
    static const struct ec_sql long_name = {
        .name = "unit.a-statement-with-a-name-that-is-longer-than-the-server-keeps-for-names-of-statements.first",
        .text = "SELECT 'long', 1",
        .row = &line_record};
    static const struct ec_sql long_name_2 = {
        .name = "unit.a-statement-with-a-name-that-is-longer-than-the-server-keeps-for-names-of-statements.second",
        .text = "SELECT 'longer', 2",
        .row = &line_record};
    struct ended ended;

    (void)state;
    db_open(NULL);
    ask(&one_program, &none, &ended, 0);
    DB_UNTIL(ended.over);
    assert_string_equal(ended.out, "{\"name\":\"\",\"n\":0}");
    ask(&one_program, &two, &ended, 0);
    DB_UNTIL(ended.over);
    assert_ptr_equal(ended.error, &ec_error_internal);
    ask(&one_program, &null, &ended, 0);
    DB_UNTIL(ended.over);
    assert_ptr_equal(ended.error, &ec_error_internal);
    ask(&one_program, &wide, &ended, 0);
    DB_UNTIL(ended.over);
    assert_ptr_equal(ended.error, &ec_error_internal);
    ask(&one_program, &wrong, &ended, 0);
    DB_UNTIL(ended.over);
    assert_ptr_equal(ended.error, &ec_error_internal);
    assert_false(ended.unknown);
    ask(&many_program, &none, &ended, 0);
    DB_UNTIL(ended.over);
    assert_string_equal(ended.out, "{\"name\":\"none\",\"n\":0}");
    ask(&many_program, &lots, &ended, 0);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    assert_non_null(strstr(ended.out, "20000\",\"n\":20000}"));
    ask(&one_program, &long_name, &ended, 0);
    DB_UNTIL(ended.over);
    assert_string_equal(ended.out, "{\"name\":\"long\",\"n\":101}");
    ask(&one_program, &long_name_2, &ended, 0);
    DB_UNTIL(ended.over);
    assert_string_equal(ended.out, "{\"name\":\"longer\",\"n\":102}");
    ask(&one_program, &wrong, &ended, 0); /* once more: its name is not taken by what failed to be prepared */
    DB_UNTIL(ended.over);
    assert_ptr_equal(ended.error, &ec_error_internal);
    db_close();
}

static const struct ec_sql sql_sleep = {.name = "unit.sleep", .text = "SELECT 'slept', 1 FROM pg_sleep(3)", .row = &line_record};
static const struct ec_sql sql_quick = {.name = "unit.quick", .text = "SELECT 'quick', 1", .row = &line_record};

static void test_deadline(void **state)
{
    struct ended slow, ended;
    uint64_t start = uv_hrtime();

    (void)state;
    setenv("EC_PG_POOL", "1", 1);
    db_open(NULL);
    ask(&one_program, &sql_sleep, &slow, 200);
    ask(&one_program, &sql_quick, &ended, 0); /* waits, and then gets the same connection */
    DB_UNTIL(slow.over);
    assert_ptr_equal(slow.error, &ec_error_timeout);
    assert_false(slow.unknown);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    assert_true(uv_hrtime() - start < 2500000000u);
    ask(&one_program, &sql_sleep, &slow, 1500);
    db_turn();
    ask(&one_program, &sql_quick, &ended, 100); /* its time passes in the line */
    DB_UNTIL(ended.over);
    assert_ptr_equal(ended.error, &ec_error_timeout);
    DB_UNTIL(slow.over);
    db_close();
    unsetenv("EC_PG_POOL");
}

static void nothing(uv_work_t *work)
{
    (void)work;
}

static void noted(uv_work_t *work, int status)
{
    (void)status;
    *(bool *)work->data = true;
}

static void test_cancels_leave_the_pool_to_others(void **state)
{
    struct ended slow[8];
    bool done = false;
    uv_work_t work = {.data = &done};
    size_t i;

    (void)state;
    db_open(NULL);
    for (i = 0; i < 8; i++)
        ask(&one_program, &sql_sleep, &slow[i], 1000);
    DB_UNTIL(pg_server_count(db_server, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)%' AND state = 'active' "
                                        "AND pid <> pg_backend_pid()") == 8);
    pg_server_pause(db_server); /* a cancel comes on a connection of its own: that waits for ever */
    for (i = 0; i < 8; i++) {
        DB_UNTIL(slow[i].over);
        assert_non_null(slow[i].error);
    }
    assert_int_equal(uv_queue_work(ec_app.loop, &work, nothing, noted), 0);
    DB_UNTIL(done);
    pg_server_go_on(db_server);
    ask(&one_program, &sql_quick, &slow[0], 0);
    DB_UNTIL(slow[0].over);
    db_close();
}

static void test_line_is_bounded(void **state)
{
    static struct ended many[1100];
    struct ended slow;
    size_t i, refused = 0, served = 0;

    (void)state;
    setenv("EC_PG_POOL", "1", 1);
    db_open(NULL);
    ask(&one_program, &sql_sleep, &slow, 500);
    db_turn();
    for (i = 0; i < 1100; i++)
        ask(&one_program, &sql_quick, &many[i], 0);
    for (i = 0; i < 1100; i++) {
        DB_UNTIL(many[i].over);
        if (many[i].error) {
            assert_ptr_equal(many[i].error, &ec_error_unavailable);
            assert_true(many[i].retry_after_s > 0);
            refused++;
        } else {
            served++;
        }
    }
    assert_int_equal(served, 1024);
    assert_int_equal(refused, 1100 - 1024);
    DB_UNTIL(slow.over);
    db_close();
    unsetenv("EC_PG_POOL");
}

static void test_reconnects(void **state)
{
    struct ended slow, ended;

    (void)state;
    db_open(NULL);
    ask(&one_program, &sql_sleep, &slow, 0);
    DB_UNTIL(pg_server_count(db_server, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)%' AND state = 'active' "
                                        "AND pid <> pg_backend_pid()") == 1);
    pg_server_halt(db_server);
    DB_UNTIL(slow.over);
    assert_ptr_equal(slow.error, &ec_error_unavailable);
    DB_UNTIL(ec_module_pg.not_ready(&ec_app) != NULL);
    assert_non_null(strstr(ec_module_pg.not_ready(&ec_app), "can't be reached"));
    ask(&one_program, &sql_quick, &ended, 0); /* waits a second at most */
    DB_UNTIL(ended.over);
    assert_ptr_equal(ended.error, &ec_error_unavailable);
    pg_server_resume(db_server);
    DB_UNTIL(ec_module_pg.not_ready(&ec_app) == NULL);
    ask(&one_program, &sql_quick, &ended, 0);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    db_close();
}

static void test_schema_missing(void **state)
{
    struct ended ended;

    (void)state;
    pg_server_run(db_server, "ALTER SCHEMA ec RENAME TO hidden");
    db_open_unready(NULL);
    DB_UNTIL(ec_module_pg.not_ready(&ec_app) && strstr(ec_module_pg.not_ready(&ec_app), "migrate up"));
    pg_server_run(db_server, "ALTER SCHEMA hidden RENAME TO ec");
    DB_UNTIL(ec_module_pg.not_ready(&ec_app) == NULL);
    ask(&one_program, &sql_quick, &ended, 0);
    DB_UNTIL(ended.over);
    db_close();
}

/* ------------------------------------------------------------------ a flush */

struct told {
    struct ec_pg_cmd cmd;
    bool over;
    enum ec_pg_status status;
};

static void note(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    struct told *told = (struct told *)cmd;

    told->over = true;
    told->status = reply->status;
}

static void borrow(struct ec_pg_wait *wait, struct ec_pg_conn *conn, const struct ec_error *error)
{
    assert_null(error);
    wait->conn = conn;
}

/* All before it is answered and nothing is committed, until the sync; behind what failed everything is skipped until then. */
static void test_flush(void **state)
{
    static const struct ec_sql put = {.name = "unit.flush_put", .text = "INSERT INTO flushed VALUES (1)"},
                               bad = {.name = "unit.flush_bad", .text = "SELECT 1 / 0"};
    const struct ec_pg_values none = {NULL, 0};
    struct told told[5] = {0};
    struct ec_pg_wait wait = {.got = borrow};

    (void)state;
    pg_server_run(db_server, "CREATE TABLE flushed (n int)");
    db_open(NULL);
    ec_pg_acquire(&wait);
    DB_UNTIL(wait.conn);
    for (int failing = 0; failing < 2; failing++) {
        memset(told, 0, sizeof(told));
        for (int i = 0; i < 5; i++)
            told[i].cmd.done = note;
        ec_pg_send(wait.conn, &told[0].cmd, failing ? &bad : &put, none);
        ec_pg_flush(wait.conn, &told[1].cmd);
        DB_UNTIL(told[1].over);
        assert_true(told[0].over);
        assert_int_equal(told[0].status, failing ? EC_PG_FAILED : EC_PG_OK);
        assert_int_equal(told[1].status, EC_PG_OK);
        assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM flushed"), failing ? 2 : 0);
        ec_pg_send(wait.conn, &told[2].cmd, &put, none);
        ec_pg_flush(wait.conn, &told[3].cmd);
        ec_pg_sync(wait.conn, &told[4].cmd);
        DB_UNTIL(told[4].over);
        assert_int_equal(told[2].status, failing ? EC_PG_SKIPPED : EC_PG_OK);
        assert_int_equal(told[3].status, EC_PG_OK);
        assert_int_equal(told[4].status, EC_PG_OK);
        assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM flushed"), 2);
    }
    db_cut();
    for (int i = 0; i < 3; i++)
        told[i] = (struct told){.cmd = {.done = note}};
    ec_pg_send(wait.conn, &told[0].cmd, &put, none);
    ec_pg_flush(wait.conn, &told[1].cmd);
    DB_UNTIL(told[1].over); /* the server may have said why before it went */
    assert_true(told[0].over);
    assert_int_not_equal(told[0].status, EC_PG_OK);
    ec_pg_sync(wait.conn, &told[2].cmd);
    DB_UNTIL(told[2].over);
    assert_int_equal(told[2].status, EC_PG_LOST);
    db_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),          cmocka_unit_test(test_rows),
        cmocka_unit_test(test_deadline),        cmocka_unit_test(test_cancels_leave_the_pool_to_others),
        cmocka_unit_test(test_line_is_bounded), cmocka_unit_test(test_reconnects),
        cmocka_unit_test(test_flush),           cmocka_unit_test(test_schema_missing),
    };

    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
