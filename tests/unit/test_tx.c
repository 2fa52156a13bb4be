/* tx.c: transactions of programs: commit, rollback, deadlocks, commits whose answer is lost. */
#include "db_test.h"

#include "tx.h"

struct pair {
    struct ec_str name;
    int64_t n;
};
static const struct ec_record pair_record = {
    .name = "Pair",
    .size = sizeof(struct pair),
    .nfields = 2,
    .fields =
        (const struct ec_field[]){
            {.name = "name", .kind = EC_TEXT, .offset = offsetof(struct pair, name)},
            {.name = "n", .kind = EC_INT, .offset = offsetof(struct pair, n)},
        },
};

enum ending { COMMITS, FAILS, CATCHES, EMPTY, PUBLISHES, PUBLISHES_AND_FAILS };
struct frame {
    struct {
        const char *first, *second;
        enum ending ending;
    } in;
    struct pair a, b;
};

static const struct ec_error error_sad = {"sad", 409, "Sad"};
static const struct ec_sql sql_add = {
    .name = "unit.add", .text = "UPDATE counters SET n = n + 1 WHERE name = $1 RETURNING name, n", .row = &pair_record};
static const struct ec_sql sql_bad = {.name = "unit.bad", .text = "INSERT INTO counters (name, n) VALUES ($1, 0)"};
static const struct ec_topic topic = {.name = "things", .partitions = 1, .key = "name"};
static const struct ec_event event = {"Counted", 2, &topic, &pair_record};

static void twice_run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_tx_begin(task));
        if (f->in.ending == EMPTY)
            goto commit;
        EC_AWAIT(task, 2, ec_sql_one(task, &sql_add, &f->a, EC_PARAMS(ec_param_text(ec_str_of(f->in.first)))));
        EC_EXPECT_ROW(task);
        if (f->in.ending == CATCHES) {
            EC_AWAIT_CATCH(task, 3, ec_sql_exec(task, &sql_bad, EC_PARAMS(ec_param_text(ec_str_of(f->in.first)))));
            assert_true(ec_caught(task, &ec_error_internal));
        }
        if (f->in.ending == PUBLISHES || f->in.ending == PUBLISHES_AND_FAILS)
            ec_publish(task, &event, &f->a);
        EC_AWAIT(task, 4, ec_sql_one(task, &sql_add, &f->b, EC_PARAMS(ec_param_text(ec_str_of(f->in.second)))));
        if (f->in.ending == FAILS || f->in.ending == PUBLISHES_AND_FAILS) {
            ec_fail_with(task, &error_sad);
            return;
        }
    commit:
        EC_AWAIT(task, 5, ec_tx_commit(task, &f->b, true));
        ec_reply(task, &f->b);
    }
}

static const struct ec_record in_record = {.name = "In", .size = sizeof(((struct frame *)0)->in)};
static const struct ec_program twice_program = {.name = "unit-svc.Twice",
                                                .run = twice_run,
                                                .frame_size = sizeof(struct frame),
                                                .in = &in_record,
                                                .out = &pair_record,
                                                .errors = (const struct ec_error *const[]){&error_sad, NULL},
                                                .repeat = EC_REPEAT_ATOMIC};

static void prepare(void)
{
    pg_server_run(db_server, "DROP TABLE IF EXISTS counters; CREATE TABLE counters (name text PRIMARY KEY, n bigint); "
                             "INSERT INTO counters VALUES ('a', 0), ('b', 0); TRUNCATE ec.outbox, ec.inbox");
    db_open(NULL);
}

static void twice(struct ended *ended, const char *first, const char *second, enum ending ending)
{
    struct ec_task *task = db_task(&twice_program, ended);
    struct frame *f = task->frame;

    f->in.first = first;
    f->in.second = second;
    f->in.ending = ending;
    ec_task_start(task);
}

static void assert_counters(long a, long b)
{
    assert_int_equal(pg_server_count(db_server, "SELECT n FROM counters WHERE name = 'a'"), a);
    assert_int_equal(pg_server_count(db_server, "SELECT n FROM counters WHERE name = 'b'"), b);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"), 0);
}

static void test_commit_and_rollback(void **state)
{
    struct ended ended;

    (void)state;
    prepare();
    twice(&ended, "a", "b", COMMITS);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    assert_string_equal(ended.out, "{\"name\":\"b\",\"n\":1}");
    assert_counters(1, 1);
    twice(&ended, "a", "b", FAILS);
    DB_UNTIL(ended.over);
    assert_ptr_equal(ended.error, &error_sad);
    assert_counters(1, 1);
    twice(&ended, "nobody", "b", COMMITS); /* EC_EXPECT_ROW */
    DB_UNTIL(ended.over);
    assert_ptr_equal(ended.error, &ec_error_internal);
    assert_counters(1, 1);
    twice(&ended, "a", "b", CATCHES); /* a transaction with a failed statement can't be committed any more */
    DB_UNTIL(ended.over);
    assert_ptr_equal(ended.error, &ec_error_internal);
    assert_counters(1, 1);
    twice(&ended, NULL, NULL, EMPTY);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    DB_UNTIL(ec_module_pg.idle(&ec_app));
    db_close();
}

static void test_publish(void **state)
{
    struct ended ended;
    char *row;

    (void)state;
    prepare();
    twice(&ended, "a", "b", PUBLISHES_AND_FAILS);
    DB_UNTIL(ended.over);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.outbox"), 0);
    twice(&ended, "a", "b", PUBLISHES);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    row = pg_server_ask(db_server, "SELECT topic || ' ' || key || ' ' || type || ' ' || body || ' ' || length(traceparent) FROM ec.outbox");
    assert_string_equal(row, "things a Counted.v2 {\"name\":\"a\",\"n\":1} 55");
    free(row);
    db_close();
}

static void test_deadlock(void **state)
{
    struct ended many[40];
    int i;

    (void)state;
    pg_server_run(db_server, "ALTER SYSTEM SET deadlock_timeout = '20ms'");
    pg_server_run(db_server, "SELECT pg_reload_conf()");
    prepare();
    for (i = 0; i < 40; i++)
        twice(&many[i], i % 2 ? "a" : "b", i % 2 ? "b" : "a", COMMITS);
    for (i = 0; i < 40; i++) {
        DB_UNTIL(many[i].over);
        assert_null(many[i].error);
    }
    assert_counters(40, 40);
    assert_true(pg_server_count(db_server, "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'") >= 0);
    db_close();
}

/* A commit that takes long, because of a deferred trigger, and loses its connection meanwhile. */
static void test_lost_commit(void **state)
{
    struct ended ended;

    (void)state;
    prepare();
    pg_server_run(
        db_server,
        "CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(20); RETURN NULL; END'; "
        "CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON counters DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()");
    twice(&ended, "a", "b", COMMITS);
    DB_UNTIL(pg_server_count(db_server, "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'") == 1);
    pg_server_run(db_server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'");
    DB_UNTIL(ended.over);
    assert_ptr_equal(ended.error, &ec_error_unavailable);
    assert_true(ended.unknown);
    db_close();
    pg_server_run(db_server, "DROP TRIGGER slow ON counters");
}

static void test_lost_in_transaction(void **state)
{
    struct ended ended;

    (void)state;
    prepare();
    pg_server_run(db_server, "UPDATE counters SET n = 0");
    twice(&ended, "a", "sleeper", COMMITS);
    DB_UNTIL(ended.over);
    assert_null(ended.error); /* no row, no harm */
    pg_server_restart(db_server);
    DB_UNTIL(ec_module_pg.not_ready(&ec_app) == NULL);
    twice(&ended, "a", "b", COMMITS);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    assert_counters(2, 1);
    db_close();
}

static void test_many_at_once(void **state)
{
    static struct ended many[300];
    int i;

    (void)state;
    prepare();
    for (i = 0; i < 300; i++)
        twice(&many[i], "a", "b", COMMITS);
    for (i = 0; i < 300; i++) {
        DB_UNTIL(many[i].over);
        assert_null(many[i].error);
    }
    assert_counters(300, 300);
    db_close();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit_and_rollback),
        cmocka_unit_test(test_publish),
        cmocka_unit_test(test_deadlock),
        cmocka_unit_test(test_lost_commit),
        cmocka_unit_test(test_lost_in_transaction),
        cmocka_unit_test(test_many_at_once),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
