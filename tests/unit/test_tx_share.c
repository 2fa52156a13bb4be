/* Transactions that read a row and share their commit: whose row is whose, and what is refused, given back, locked, lost. */
#include "db_test.h"

#include <libpq-fe.h>

#include "group.h"
#include "tx.h"

enum { MANY = 60 };

struct placed {
    struct ec_uuid id;
    struct ec_str name;
    int64_t n;
};
static const struct ec_record placed_record = {
    .name = "Placed",
    .size = sizeof(struct placed),
    .nfields = 3,
    .fields =
        (const struct ec_field[]){
            {.name = "id", .kind = EC_UUID, .offset = offsetof(struct placed, id)},
            {.name = "name", .kind = EC_TEXT, .offset = offsetof(struct placed, name)},
            {.name = "n", .kind = EC_INT, .offset = offsetof(struct placed, n)},
        },
};

struct frame {
    struct {
        int64_t n;
        const char *stock; /* whose row it takes one of */
        bool slow;
    } in;
    struct ec_uuid id;
    struct placed out;
};

/* One statement, so that it is the only one that is waited for: what is taken, and its number. */
static const struct ec_sql sql_place = {
    .name = "unit.place",
    .text = "WITH s AS (UPDATE stock SET n = n - 1 WHERE name = $3 RETURNING name) "
            "INSERT INTO places (id, n, name) SELECT $1::uuid, $2::bigint, name FROM s RETURNING id, name, n",
    .row = &placed_record,
};
static const struct ec_sql sql_slow = {
    .name = "unit.place_slow",
    .text = "WITH s AS (SELECT $3 AS name, pg_sleep(0.4)) "
            "INSERT INTO places (id, n, name) SELECT $1::uuid, $2::bigint, name FROM s RETURNING id, name, n",
    .row = &placed_record,
};
/* Of place-5: another has its claim by the commit. */
static const struct ec_sql sql_robbed = {
    .name = "unit.place_robbed",
    .text = "WITH r AS (UPDATE ec.inbox SET lease_until = lease_until + interval '1 s' WHERE key = 'place-5') "
            "INSERT INTO places (id, n, name) VALUES ($1::uuid, $2::bigint, $3) RETURNING id, name, n",
    .row = &placed_record,
};
static const struct ec_sql sql_log = {.name = "unit.log_place", .text = "INSERT INTO log (id, n) VALUES ($1::uuid, $2::bigint)"};

static struct ec_uuid places[MANY]; /* the id that each of them had, as often as it came by */
static int runs[MANY];

static void place_run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_claim(task));
        EC_AWAIT(task, 2, ec_tx_begin_shared(task));
        f->id = ec_new_id(task);
        if (runs[f->in.n]++ && task->program->repeat == EC_REPEAT_CLAIM)
            assert_true(ec_uuid_eq(places[f->in.n], f->id)); /* another time it is the same */
        places[f->in.n] = f->id;
        EC_AWAIT(task, 3,
                 ec_sql_one(task, f->in.slow ? &sql_slow : &sql_place, &f->out,
                            EC_PARAMS(ec_param_uuid(f->id), ec_param_int(f->in.n), ec_param_text(ec_str_of(f->in.stock)))));
        EC_EXPECT_ROW(task);
        ec_sql_defer(task, &sql_log, EC_PARAMS(ec_param_uuid(f->out.id), ec_param_int(f->out.n)));
        EC_AWAIT(task, 4, ec_tx_commit(task, &f->out, true));
        ec_reply(task, &f->out);
    }
}

static void place_atomic(struct ec_task *task)
{
    if (task->step == 0) {
        task->step = 2;
        ec_tx_begin_shared(task);
        return;
    }
    place_run(task);
}

/* Without a key, and with nothing that goes with the commit. */
static void bare_run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_tx_begin_shared(task));
        EC_AWAIT(task, 2,
                 ec_sql_one(task, &sql_place, &f->out,
                            EC_PARAMS(ec_param_uuid(ec_new_id(task)), ec_param_int(f->in.n), ec_param_text(ec_str_of(f->in.stock)))));
        EC_EXPECT_ROW(task);
        EC_AWAIT(task, 3, ec_tx_commit(task, &f->out, true));
        ec_reply(task, &f->out);
    }
}

/* Its claim has to hold until a commit that is not its last. */
static void hold_run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_claim(task));
        EC_AWAIT(task, 2, ec_tx_begin_shared(task));
        EC_AWAIT(task, 3,
                 ec_sql_one(task, f->in.slow ? &sql_robbed : &sql_place, &f->out,
                            EC_PARAMS(ec_param_uuid(ec_new_id(task)), ec_param_int(f->in.n), ec_param_text(ec_str_of(f->in.stock)))));
        EC_EXPECT_ROW(task);
        EC_AWAIT(task, 4, ec_tx_commit(task, NULL, false));
        ec_reply(task, &f->out);
    }
}

static const struct ec_sql sql_keep = {
    .name = "unit.keep_place", .text = "INSERT INTO log (id, n) VALUES (gen_random_uuid(), $1::bigint)", .lone = true};
static const struct ec_sql sql_keep_long = {
    .name = "unit.keep_long", .text = "INSERT INTO log (id, n) SELECT gen_random_uuid(), $1::bigint FROM pg_sleep(5.3)", .lone = true};

static void keep_run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_claim(task));
        EC_AWAIT(task, 2, ec_sql_exec(task, f->in.slow ? &sql_keep_long : &sql_keep, EC_PARAMS(ec_param_int(f->in.n))));
        assert_int_equal(task->rows, 1);
        ec_reply(task, NULL);
    }
}

static const struct ec_record in_record = {.name = "In", .size = sizeof(((struct frame *)0)->in)};
static const struct ec_program claims = {.name = "unit-svc.Place",
                                         .run = place_run,
                                         .frame_size = sizeof(struct frame),
                                         .in = &in_record,
                                         .out = &placed_record,
                                         .repeat = EC_REPEAT_CLAIM};
static const struct ec_program atomic = {.name = "unit-svc.PlaceAtomic",
                                         .run = place_atomic,
                                         .frame_size = sizeof(struct frame),
                                         .in = &in_record,
                                         .out = &placed_record,
                                         .repeat = EC_REPEAT_ATOMIC};

static const struct ec_program keeps = {
    .name = "unit-svc.Keep", .run = keep_run, .frame_size = sizeof(struct frame), .in = &in_record, .repeat = EC_REPEAT_CLAIM};

static const struct ec_program holds = {.name = "unit-svc.Hold",
                                        .run = hold_run,
                                        .frame_size = sizeof(struct frame),
                                        .in = &in_record,
                                        .out = &placed_record,
                                        .repeat = EC_REPEAT_CLAIM};
static const struct ec_program bare = {.name = "unit-svc.Bare",
                                       .run = bare_run,
                                       .frame_size = sizeof(struct frame),
                                       .in = &in_record,
                                       .out = &placed_record,
                                       .repeat = EC_REPEAT_ATOMIC};

static struct ended ended[MANY];

static long count(const char *sql)
{
    return pg_server_count(db_server, sql);
}

static void prepare(void)
{
    pg_server_run(db_server,
                  "DROP TABLE IF EXISTS places, stock, log; CREATE TABLE places (id uuid PRIMARY KEY, n bigint UNIQUE, name text); "
                  "CREATE TABLE log (id uuid, n bigint UNIQUE); CREATE TABLE stock (name text PRIMARY KEY, n bigint); "
                  "INSERT INTO stock VALUES ('a', 1000), ('b', 1000); TRUNCATE ec.inbox");
    memset(ended, 0, sizeof(ended));
    memset(runs, 0, sizeof(runs));
    ec_group_slow_ms = 600000;
    ec_group_shy_ms = 50;
    db_open(NULL);
}

static struct frame *make(const struct ec_program *program, int i, int64_t n, struct ec_task **task)
{
    char key[32];
    struct frame *f;

    snprintf(key, sizeof(key), "place-%d", i);
    *task = db_task(program, &ended[i]);
    db_key(*task, key, NULL);
    f = (*task)->frame;
    f->in.n = n;
    f->in.stock = "a";
    return f;
}

static void place(const struct ec_program *program, int i, int64_t n, const char *stock, bool slow)
{
    struct ec_task *task;
    struct frame *f = make(program, i, n, &task);

    f->in.stock = stock;
    f->in.slow = slow;
    ec_task_start(task);
}

static void until_over(int n)
{
    for (int i = 0; i < n; i++)
        DB_UNTIL(ended[i].over);
}

/* Each has one row, one line of the log and one outcome; what is stored for its key is what it was told. */
static void check_whole(int good)
{
    assert_int_equal(count("SELECT count(*) FROM places"), good);
    assert_int_equal(count("SELECT count(*) FROM places p JOIN log l ON l.id = p.id AND l.n = p.n"), good);
    assert_int_equal(count("SELECT count(*) FROM log"), good);
    assert_int_equal(count("SELECT count(*) FROM ec.inbox i JOIN places p ON i.reply->>'id' = p.id::text WHERE i.state = 'done' AND "
                           "(i.reply->>'n')::bigint = p.n"),
                     good);
}

/* ------------------------------------------------------------------ sharing */

static void share(const struct ec_program *program)
{
    char n[32];

    prepare();
    for (int i = 0; i < MANY; i++)
        place(program, i, i, i % 2 ? "a" : "b", false);
    until_over(MANY);
    for (int i = 0; i < MANY; i++) {
        snprintf(n, sizeof(n), "\"name\":\"%s\",\"n\":%d}", i % 2 ? "a" : "b", i);
        assert_null(ended[i].error);
        assert_non_null(strstr(ended[i].out, n)); /* its own row */
        assert_int_equal(runs[i], 1);
    }
    check_whole(MANY);
    assert_int_equal(count("SELECT n FROM stock WHERE name = 'a'"), 1000 - MANY / 2);
    assert_in_range(count("SELECT count(DISTINCT xmin::text) FROM places"), 1, 6);
    db_close();
}

static void test_a_commit_for_many(void **state)
{
    (void)state;
    share(&atomic);
    share(&claims);
}

static void test_nothing_behind_the_row(void **state)
{
    struct ec_task *task;
    char n[32];

    (void)state;
    for (int many = 1; many <= MANY; many += MANY - 1) {
        prepare();
        for (int i = 0; i < many; i++) {
            make(&bare, i, i, &task);
            task->key = (struct ec_str){0};
            ec_task_start(task);
        }
        until_over(many);
        for (int i = 0; i < many; i++) {
            snprintf(n, sizeof(n), "\"name\":\"a\",\"n\":%d}", i);
            assert_null(ended[i].error);
            assert_non_null(strstr(ended[i].out, n));
        }
        assert_int_equal(count("SELECT count(*) FROM places"), many);
        assert_in_range(count("SELECT count(DISTINCT xmin::text) FROM places"), 1, 3);
        db_close();
    }
}

/* A key that comes again gets the first reply, also beside others. */
static void test_repeats(void **state)
{
    struct ec_task *task;

    (void)state;
    prepare();
    for (int i = 0; i < 5; i++)
        place(&atomic, i, i, "a", false);
    until_over(5);
    for (int i = 5; i < 20; i++) { /* three times each */
        make(&atomic, i, i, &task);
        db_key(task, (const char *[]){"place-0", "place-1", "place-2", "place-3", "place-4"}[i % 5], NULL);
        ec_task_start(task);
    }
    place(&atomic, 20, 20, "b", false);
    until_over(21);
    for (int i = 5; i < 20; i++) {
        assert_null(ended[i].error);
        assert_string_equal(ended[i].out, ended[i % 5].out);
    }
    assert_null(ended[20].error);
    check_whole(6);
    db_close();
}

/* ------------------------------------------------------------------ writes outside of transactions */

static void test_lone_writes(void **state)
{
    (void)state;
    prepare();
    pg_server_run(db_server, "INSERT INTO log VALUES ('00000000-0000-0000-0000-000000000001', 3)");
    for (int i = 0; i < MANY; i++)
        place(&keeps, i, i, "a", false);
    until_over(MANY);
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(ended[i].error, i == 3 ? &ec_error_internal : NULL);
    assert_int_equal(count("SELECT count(*) FROM log"), MANY);
    db_close();
    prepare();
    for (int i = 0; i < MANY; i++)
        place(&keeps, i, i, "a", false);
    until_over(MANY);
    for (int i = 0; i < MANY; i++)
        assert_null(ended[i].error);
    assert_int_equal(count("SELECT count(*) FROM log"), MANY);
    assert_in_range(count("SELECT count(DISTINCT xmin::text) FROM log"), 1, 6);
    db_close();
}

/* One that takes longer than the lane has patience is done on a connection of its own, and those behind it don't wait for it another time.
 */
static void test_a_long_one(void **state)
{
    struct ec_task *task;
    struct frame *f;

    (void)state;
    prepare();
    ec_group_slow_ms = 250;
    ec_group_shy_ms = 600000;
    f = make(&keeps, 0, 0, &task);
    f->in.slow = true;
    task->deadline_ns += 10000000000u;
    ec_task_start(task);
    DB_UNTIL(
        count(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(5.3)%' AND pid <> pg_backend_pid() AND state = 'active'") ==
        1);
    place(&keeps, 1, 1, "a", false);
    DB_UNTIL(ended[1].over); /* once the lane is free again */
    assert_false(ended[0].over);
    assert_false(ec_group_opens());
    DB_UNTIL(ended[0].over);
    assert_null(ended[0].error);
    assert_null(ended[1].error);
    assert_int_equal(count("SELECT count(*) FROM log"), 2);
    db_close();
}

/* ------------------------------------------------------------------ what fails */

/* One is refused by the database, one finds no row although it has to: neither takes others with it, nor is anything of it left. */
static void test_beside_what_fails(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        prepare();
        pg_server_run(db_server, "INSERT INTO places VALUES ('00000000-0000-0000-0000-000000000001', 7, 'a')");
        for (int i = 0; i < 20; i++)
            place(round ? &claims : &atomic, i, i, i == 13 ? "nothing of that name" : "a", false);
        until_over(20);
        for (int i = 0; i < 20; i++) {
            if (i == 7 || i == 13)
                assert_ptr_equal(ended[i].error, &ec_error_internal);
            else
                assert_null(ended[i].error);
            assert_true(round || !ended[i].unknown); /* who claims a key may have done other things before */
        }
        pg_server_run(db_server, "DELETE FROM places WHERE id = '00000000-0000-0000-0000-000000000001'");
        check_whole(18);
        assert_int_equal(count("SELECT n FROM stock WHERE name = 'a'"), 1000 - 18);
        db_close();
    }
}

/* Claims of many are held by one statement; one that is lost stops its own transaction alone. */
static void test_a_claim_that_is_lost(void **state)
{
    (void)state;
    for (int robbed = 0; robbed < 2; robbed++) {
        prepare();
        for (int i = 0; i < 20; i++)
            place(&holds, i, i, "a", robbed && i == 5);
        until_over(20);
        for (int i = 0; i < 20; i++)
            assert_ptr_equal(ended[i].error, robbed && i == 5 ? &ec_error_conflict : NULL);
        assert_int_equal(count("SELECT count(*) FROM places"), 20 - robbed);
        assert_int_equal(count("SELECT count(*) FROM ec.inbox WHERE state = 'done'"), 20 - robbed);
        if (!robbed)
            assert_in_range(count("SELECT count(DISTINCT xmin::text) FROM places"), 1, 3);
        db_close();
    }
}

/* What goes with the commit is refused: the program has gone on by then, and goes on from its begin. */
static void test_a_commit_that_fails(void **state)
{
    (void)state;
    prepare();
    pg_server_run(db_server, "INSERT INTO log VALUES ('00000000-0000-0000-0000-000000000001', 3)");
    for (int i = 0; i < 10; i++)
        place(&claims, i, i, "a", false);
    until_over(10);
    for (int i = 0; i < 10; i++) {
        if (i == 3)
            assert_ptr_equal(ended[i].error, &ec_error_internal);
        else
            assert_null(ended[i].error);
        assert_int_equal(runs[i], 2);
    }
    pg_server_run(db_server, "DELETE FROM log WHERE id = '00000000-0000-0000-0000-000000000001'");
    check_whole(9);
    db_close();
}

/* After that none is opened for a while: the next ones have connections of their own. */
static void test_shy(void **state)
{
    (void)state;
    for (int long_one = 0; long_one < 2; long_one++) {
        prepare();
        ec_group_shy_ms = long_one ? 600000 : 1;
        pg_server_run(db_server, "INSERT INTO log VALUES ('00000000-0000-0000-0000-000000000001', 3)");
        for (int i = 0; i < 10; i++)
            place(&atomic, i, i, "a", false);
        until_over(10);
        if (!long_one)
            DB_UNTIL(ec_group_opens());
        for (int i = 10; i < 20; i++)
            place(&atomic, i, i, "a", false);
        until_over(20);
        assert_in_range(count("SELECT count(DISTINCT xmin::text) FROM places WHERE n >= 10"), long_one ? 10 : 1, long_one ? 10 : 9);
        assert_true(ec_group_opens() == !long_one);
        db_close();
    }
}

/* ------------------------------------------------------------------ locks and losses */

static void test_a_strangers_lock(void **state)
{
    PGconn *stranger = PQconnectdb(pg_server_url(db_server));

    (void)state;
    prepare();
    PQclear(PQexec(stranger, "BEGIN"));
    PQclear(PQexec(stranger, "UPDATE stock SET n = n WHERE name = 'a'"));
    for (int i = 0; i < 20; i++)
        place(&claims, i, i, i % 10 ? "b" : "a", false);
    for (int i = 0; i < 20; i++)
        if (i % 10)
            DB_UNTIL(ended[i].over);
    db_pass(300);
    assert_false(ended[0].over);
    assert_false(ended[10].over);
    PQclear(PQexec(stranger, "COMMIT"));
    PQfinish(stranger);
    until_over(20);
    for (int i = 0; i < 20; i++)
        assert_null(ended[i].error);
    check_whole(20);
    db_close();
}

/* The lane's connection breaks while transactions are open in it, which nothing has come of: they are made on others. */
static void test_lost_while_open(void **state)
{
    (void)state;
    prepare();
    for (int i = 0; i < 10; i++)
        place(&claims, i, i, "a", i == 0);
    DB_UNTIL(
        count(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.4)%' AND pid <> pg_backend_pid() AND state = 'active'") ==
        1);
    pg_server_run(db_server,
                  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.4)%' AND pid <> pg_backend_pid()");
    until_over(10);
    for (int i = 0; i < 10; i++) {
        assert_null(ended[i].error);
        assert_int_equal(runs[i], 2);
    }
    check_whole(10);
    db_close();
}

/* Connections break at any time: who is told that it worked has one effect, who is told that it did not has none, nobody has two. */
static void test_lost_at_any_time(void **state)
{
    int good = 0, unknown = 0, caught = 0, effects;
    char sql[100];

    (void)state;
    for (int round = 0; round < 12; round++) {
        prepare();
        for (int i = 0; i < MANY; i++)
            place(i % 2 ? &claims : &atomic, i, i, "a", false);
        db_pass(round);
        for (int i = 0; i < MANY; i++)
            caught += !ended[i].over;
        db_cut();
        until_over(MANY);
        for (int i = 0; i < MANY; i++) {
            snprintf(sql, sizeof(sql), "SELECT count(*) FROM places WHERE n = %d", i);
            effects = (int)count(sql);
            if (!ended[i].error)
                assert_int_equal(effects, 1);
            else if (!ended[i].unknown)
                assert_int_equal(effects, 0);
            good += !ended[i].error;
            unknown += ended[i].unknown;
        }
        assert_int_equal(count("SELECT count(*) FROM places p FULL JOIN log l ON l.id = p.id WHERE l.id IS NULL OR p.id IS NULL"), 0);
        assert_int_equal(count("SELECT n + (SELECT count(*) FROM places) FROM stock WHERE name = 'a'"), 1000);
        DB_UNTIL(ec_module_pg.not_ready(&ec_app) == NULL);
        db_close();
    }
    printf("of %d while connections broke %d worked, %d are unknown\n", 12 * MANY, good, unknown);
    assert_true(caught > 0); /* the cut was not behind all of them */
    assert_true(good >= 12 * MANY / 3);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_commit_for_many),
        cmocka_unit_test(test_nothing_behind_the_row),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_lone_writes),
        cmocka_unit_test(test_a_long_one),
        cmocka_unit_test(test_beside_what_fails),
        cmocka_unit_test(test_a_claim_that_is_lost),
        cmocka_unit_test(test_a_commit_that_fails),
        cmocka_unit_test(test_shy),
        cmocka_unit_test(test_a_strangers_lock),
        cmocka_unit_test(test_lost_while_open),
        cmocka_unit_test(test_lost_at_any_time),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
