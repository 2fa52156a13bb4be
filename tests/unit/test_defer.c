/* Deferred statements, and transactions that share a commit: what is refused, repeated, lost, locked, and what a row that all want costs.
 */
#include "db_test.h"

#include <libpq-fe.h>

#include "group.h"
#include "tx.h"

struct taken {
    struct ec_str name;
    int64_t n;
};
static const struct ec_record taken_record = {
    .name = "Taken",
    .size = sizeof(struct taken),
    .nfields = 2,
    .fields =
        (const struct ec_field[]){
            {.name = "name", .kind = EC_TEXT, .offset = offsetof(struct taken, name)},
            {.name = "n", .kind = EC_INT, .offset = offsetof(struct taken, n)},
        },
};
enum kind {
    DEFERS,
    WAITS /* as a program that looks at each answer */,
    READS /* one whose answer it needs, behind what it has deferred */
};
struct frame {
    struct {
        const char *id, *name;
        int64_t n;
        enum kind kind;
    } in;
    struct taken out;
};

static const struct ec_error error_sold_out = {"sold-out", 409, "There is none left"};
static const struct ec_sql sql_log = {.name = "unit.log", .text = "INSERT INTO log (id) VALUES ($1)"};
static const struct ec_sql sql_take = {
    .name = "unit.take",
    .text = "WITH touched AS (\nUPDATE stock SET n = n - $2 WHERE name = $1 AND n >= $2\nRETURNING 1)\nSELECT 1 / count(*) FROM touched",
    .none = &error_sold_out,
};
static const struct ec_sql sql_plain = {.name = "unit.plain", .text = "UPDATE stock SET n = n - $2 WHERE name = $1 AND n >= $2"};
static const struct ec_sql sql_read = {.name = "unit.read", .text = "SELECT name, n FROM stock WHERE name = $1", .row = &taken_record};
static bool nul; /* the log's text has one */
#define LOG EC_PARAMS(ec_param_text(nul ? EC_STR("a\0b") : ec_str_of(f->in.id)))
#define TAKE EC_PARAMS(ec_param_text(ec_str_of(f->in.name)), ec_param_int(f->in.n))

static void take_run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_tx_begin(task));
        f->out = (struct taken){ec_str_of(f->in.name), f->in.n};
        if (f->in.kind == WAITS) {
            EC_AWAIT(task, 2, ec_sql_exec(task, &sql_log, LOG));
            EC_AWAIT(task, 3, ec_sql_exec(task, &sql_plain, TAKE));
            if (task->rows == 0) {
                ec_fail_with(task, &error_sold_out);
                return;
            }
        } else {
            ec_sql_defer(task, &sql_log, LOG);
            ec_sql_defer(task, &sql_take, TAKE);
        }
        if (f->in.kind == READS) {
            EC_AWAIT(task, 4, ec_sql_one(task, &sql_read, &f->out, EC_PARAMS(ec_param_text(ec_str_of(f->in.name)))));
            EC_EXPECT_ROW(task);
        }
        EC_AWAIT(task, 5, ec_tx_commit(task, &f->out, true));
        ec_reply(task, &f->out);
    }
}

static const struct ec_record in_record = {.name = "In", .size = sizeof(((struct frame *)0)->in)};
static const struct ec_program take_program = {.name = "unit-svc.Take",
                                               .run = take_run,
                                               .frame_size = sizeof(struct frame),
                                               .in = &in_record,
                                               .out = &taken_record,
                                               .errors = (const struct ec_error *const[]){&error_sold_out, NULL},
                                               .repeat = EC_REPEAT_ATOMIC};

static void prepare(int n)
{
    char sql[200];

    pg_server_run(db_server,
                  "DROP TABLE IF EXISTS stock, log; CREATE TABLE stock (name text PRIMARY KEY, n bigint); CREATE TABLE log (id text, at "
                  "timestamptz DEFAULT clock_timestamp()); TRUNCATE ec.inbox");
    snprintf(sql, sizeof(sql), "INSERT INTO stock VALUES ('a', %d), ('b', %d)", n, n);
    pg_server_run(db_server, sql);
    db_open(NULL);
}

static struct ended ended[600];
static char ids[600][16];

static void take(int i, const char *name, int64_t n, enum kind kind, bool keyed)
{
    struct ec_task *task = db_task(&take_program, &ended[i]);
    struct frame *f = task->frame;

    snprintf(ids[i], sizeof(ids[i]), "k%d", i);
    f->in.id = ids[i];
    f->in.name = name;
    f->in.n = n;
    f->in.kind = kind;
    db_key(task, keyed ? ids[i] : NULL, NULL);
    ec_task_start(task);
}

static long count(const char *sql)
{
    return pg_server_count(db_server, sql);
}

/* ------------------------------------------------------------------ outcomes */

static void test_a_refusal_is_told_as_its_error(void **state)
{
    (void)state;
    prepare(5);
    for (int i = 0; i < 20; i++)
        take(i, "a", 1, DEFERS, true);
    for (int i = 0; i < 20; i++)
        DB_UNTIL(ended[i].over);
    int good = 0;
    for (int i = 0; i < 20; i++) {
        good += !ended[i].error;
        assert_true(!ended[i].error || ended[i].error == &error_sold_out);
        assert_false(ended[i].unknown);
    }
    assert_int_equal(good, 5);
    assert_int_equal(count("SELECT n FROM stock WHERE name = 'a'"), 0);
    assert_int_equal(count("SELECT count(*) FROM log"), 5);
    assert_int_equal(count("SELECT count(*) FROM ec.inbox WHERE state = 'done' AND reply->>'name' = 'a'"), 5);
    DB_UNTIL(count("SELECT count(*) FROM ec.inbox WHERE state = 'failed' AND error = 'sold-out'") == 15);
    db_close();
}

/* The failure of what was deferred comes with the statement that it went out with. */
static void test_before_one_that_is_awaited(void **state)
{
    (void)state;
    prepare(5);
    take(0, "a", 2, READS, true);
    DB_UNTIL(ended[0].over);
    assert_null(ended[0].error);
    assert_string_equal(ended[0].out, "{\"name\":\"a\",\"n\":3}"); /* it has come first */
    take(1, "a", 4, READS, true);
    DB_UNTIL(ended[1].over);
    assert_ptr_equal(ended[1].error, &error_sold_out);
    assert_int_equal(count("SELECT n FROM stock WHERE name = 'a'"), 3);
    take(2, "a", 1, DEFERS, false); /* without a key there is no barrier */
    DB_UNTIL(ended[2].over);
    assert_null(ended[2].error);
    assert_int_equal(count("SELECT n FROM stock WHERE name = 'a'"), 2);
    db_close();
}

static void test_a_repeat_gets_the_stored_reply(void **state)
{
    (void)state;
    prepare(5);
    take(0, "a", 2, DEFERS, true);
    DB_UNTIL(ended[0].over);
    for (int i = 0; i < 3; i++) {
        struct ec_task *task = db_task(&take_program, &ended[1]);
        struct frame *f = task->frame;

        f->in.id = "other";
        f->in.name = "b";
        f->in.n = 1;
        db_key(task, "k0", NULL);
        ec_task_start(task);
        DB_UNTIL(ended[1].over);
        assert_null(ended[1].error);
        assert_string_equal(ended[1].out, "{\"name\":\"a\",\"n\":2}");
    }
    assert_int_equal(count("SELECT count(*) FROM log"), 1);
    assert_int_equal(count("SELECT n FROM stock WHERE name = 'b'"), 5);
    db_close();
}

static void test_a_text_that_can_not_be_sent(void **state)
{
    (void)state;
    prepare(5);
    take(0, "a", 1, DEFERS, true);
    nul = true;
    DB_UNTIL(ended[0].over);
    nul = false;
    assert_ptr_equal(ended[0].error, &ec_error_invalid);
    assert_int_equal(count("SELECT count(*) FROM log"), 0);
    db_close();
}

/* ------------------------------------------------------------------ locks */

/* A stranger holds the row: the lane does not wait for him for long, and who wants the row waits on a connection of his own. */
static void test_a_strangers_lock(void **state)
{
    PGconn *stranger = PQconnectdb(pg_server_url(db_server));
    uint64_t begun = uv_hrtime();

    (void)state;
    prepare(100);
    PQclear(PQexec(stranger, "BEGIN"));
    PQclear(PQexec(stranger, "UPDATE stock SET n = n WHERE name = 'a'"));
    for (int i = 0; i < 60; i++) /* some want the row, more than there are connections do not */
        take(i, i % 10 ? "b" : "a", 1, DEFERS, true);
    for (int i = 0; i < 60; i++)
        if (i % 10)
            DB_UNTIL(ended[i].over);
    assert_true(uv_hrtime() - begun < 4000000000u);
    db_pass(700);
    for (int i = 0; i < 60; i++)
        assert_true(i % 10 ? ended[i].over && !ended[i].error : !ended[i].over);
    PQclear(PQexec(stranger, "COMMIT"));
    PQfinish(stranger);
    for (int i = 0; i < 60; i++) {
        DB_UNTIL(ended[i].over);
        assert_null(ended[i].error);
    }
    assert_int_equal(count("SELECT n FROM stock WHERE name = 'a'"), 94);
    assert_int_equal(count("SELECT n FROM stock WHERE name = 'b'"), 46);
    db_close();
}

/* ------------------------------------------------------------------ lost connections */

/* Connections break again and again: whoever is told that it worked has one effect, nobody has two. */
static void test_lost_answers(void **state)
{
    int good = 0, unknown = 0;

    (void)state;
    prepare(100000);
    for (int round = 0; round < 6; round++) {
        for (int i = round * 100; i < round * 100 + 100; i++)
            take(i, i % 2 ? "a" : "b", 1, DEFERS, i % 4 != 0);
        db_pass(5 + round * 3);
        db_cut();
        for (int i = round * 100; i < round * 100 + 100; i++)
            DB_UNTIL(ended[i].over);
        DB_UNTIL(ec_module_pg.not_ready(&ec_app) == NULL);
    }
    for (int i = 0; i < 600; i++) {
        char sql[100];

        snprintf(sql, sizeof(sql), "SELECT count(*) FROM log WHERE id = 'k%d'", i);
        long effects = count(sql);
        assert_in_range(effects, 0, 1);
        if (!ended[i].error)
            assert_int_equal(effects, 1);
        else if (!ended[i].unknown)
            assert_int_equal(effects, 0);
        good += !ended[i].error;
        unknown += ended[i].unknown;
    }
    assert_int_equal(count("SELECT sum(n) + (SELECT count(*) FROM log) FROM stock"), 200000);
    printf("of 600 while connections broke %d worked, %d are unknown\n", good, unknown);
    assert_true(good >= 450); /* those with a key, at least, are asked again until it is known */
    db_close();
}

/* ------------------------------------------------------------------ the row that all want */

static double rate(enum kind kind, int first)
{
    uint64_t begun = uv_hrtime();
    const int n = 300;

    for (int i = first; i < first + n; i++)
        take(i, "a", 1, kind, true);
    for (int i = first; i < first + n; i++) {
        DB_UNTIL(ended[i].over);
        assert_null(ended[i].error);
    }
    return n / ((double)(uv_hrtime() - begun) / 1e9);
}

static void test_a_hot_row(void **state)
{
    double waits, defers;
    long commits;

    (void)state;
    prepare(100000);
    waits = rate(WAITS, 0);
    commits = count("SELECT count(DISTINCT xmin::text) FROM log WHERE id >= 'k'");
    assert_int_equal(commits, 300);
    pg_server_run(db_server, "TRUNCATE log");
    defers = rate(DEFERS, 300);
    commits = count("SELECT count(DISTINCT xmin::text) FROM log");
    printf("one row: %.0f/s when each waits for its answers, %.0f/s with a shared commit (%ld commits for 300)\n", waits, defers, commits);
    assert_true(commits < 100);
    assert_true(defers > waits);
    db_close();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_refusal_is_told_as_its_error),
        cmocka_unit_test(test_before_one_that_is_awaited),
        cmocka_unit_test(test_a_repeat_gets_the_stored_reply),
        cmocka_unit_test(test_a_text_that_can_not_be_sent),
        cmocka_unit_test(test_a_strangers_lock),
        cmocka_unit_test(test_lost_answers),
        cmocka_unit_test(test_a_hot_row),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
