/* Guards that are asked ahead (group.c): what comes twice costs nobody beside it anything, whoever it is beside and whatever happens. */
#include "db_test.h"

#include "group.h"
#include "inbox.h"
#include "tx.h"

enum { N = 40, ROUNDS = 8 };

struct put {
    int64_t n;
    const char *stock; /* of one that reads: whose row it takes one of */
};
struct got {
    int64_t n;
};
static const struct ec_record in_record = {.name = "In", .size = sizeof(struct put)};
static const struct ec_record out_record = {
    .name = "Out",
    .size = sizeof(struct got),
    .nfields = 1,
    .fields = (const struct ec_field[]){{.name = "n", .kind = EC_INT, .offset = offsetof(struct got, n)}},
};
struct frame {
    struct put in;
    struct got out;
};

static const struct ec_sql sql_put = {.name = "unit.put_thing", .text = "INSERT INTO things (n) VALUES ($1::bigint)"};
static const struct ec_sql sql_take = {
    .name = "unit.take_thing",
    .text = "WITH s AS (UPDATE stock SET n = n - 1 WHERE name = $2 RETURNING 1), t AS (INSERT INTO things (n) SELECT $1::bigint FROM s "
            "RETURNING n) SELECT n FROM t",
    .row = &out_record,
};

/* All that it writes goes with its commit. */
static void put_run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_tx_begin(task));
        ec_sql_defer(task, &sql_put, EC_PARAMS(ec_param_int(f->in.n)));
        f->out.n = f->in.n;
        EC_AWAIT(task, 2, ec_tx_commit(task, &f->out, true));
        ec_reply(task, &f->out);
    }
}

/* It opens: what it replies is read. */
static void take_run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_tx_begin_shared(task));
        EC_AWAIT(task, 2, ec_sql_one(task, &sql_take, &f->out, EC_PARAMS(ec_param_int(f->in.n), ec_param_text(ec_str_of(f->in.stock)))));
        EC_EXPECT_ROW(task);
        EC_AWAIT(task, 3, ec_tx_commit(task, &f->out, true));
        ec_reply(task, &f->out);
    }
}

#define PROGRAM(name_, run_)                                                                                                             \
    {                                                                                                                                    \
        .name = name_, .run = run_, .frame_size = sizeof(struct frame), .in = &in_record, .out = &out_record, .repeat = EC_REPEAT_ATOMIC \
    }
static const struct ec_program puts_ = PROGRAM("unit-svc.Put", put_run), takes = PROGRAM("unit-svc.Take", take_run);

static struct ended ended[4 * N];

static struct ec_task *make(const struct ec_program *program, int i, int64_t n, int key)
{
    struct ec_task *task = db_task(program, &ended[i]);
    char name[32];

    snprintf(name, sizeof(name), "thing-%d", key);
    db_key(task, name, NULL);
    *(struct put *)task->frame = (struct put){.n = n, .stock = "a"};
    return task;
}

static void start(const struct ec_program *program, int i, int64_t n, int key)
{
    ec_task_start(make(program, i, n, key));
}

static int metric(const char *name)
{
    return (int)ec_metric_value(ec_metric(EC_COUNTER, name, "", NULL));
}

static int sent(const char *statement)
{
    char label[64];

    snprintf(label, sizeof(label), "statement=\"%s\"", statement);
    return (int)ec_metric_value(ec_metric(EC_COUNTER, "ec_sql_requests_total", "", label));
}

static int asked(void)
{
    return sent("ec.inbox.ahead") + sent("ec.inbox.ahead_set");
}

static long things(void)
{
    return pg_server_count(db_server, "SELECT count(*) FROM things");
}

static void until_over(int n)
{
    for (int i = 0; i < n; i++)
        DB_UNTIL(ended[i].over);
}

static void assert_replied(int i, int64_t n)
{
    char text[32];

    snprintf(text, sizeof(text), "{\"n\":%lld}", (long long)n);
    assert_null(ended[i].error);
    assert_string_equal(ended[i].out, text);
}

static void prepare(void)
{
    pg_server_run(db_server, "DROP TABLE IF EXISTS things, stock; CREATE TABLE things (n bigint UNIQUE CHECK (n >= 0)); "
                             "CREATE TABLE stock (name text PRIMARY KEY, n bigint); INSERT INTO stock VALUES ('a', 100000); "
                             "TRUNCATE ec.inbox");
    ec_group_slow_ms = 600000;
    db_open(NULL);
}

/* The first that comes twice beside others fails them all; from then on the lane is wary. Returns how many have been run again by then. */
static int make_wary(void)
{
    int before = metric("ec_group_again_total");

    prepare();
    for (int i = 0; i < 3; i++)
        start(&puts_, i, 100000 + i, 100000 + i);
    until_over(3);
    assert_int_equal(metric("ec_group_again_total"), before);
    for (int i = 0; i < 3; i++) /* 100002, 100003, 100004 */
        start(&puts_, i, 100002 + i, 100002 + i);
    until_over(3);
    assert_int_equal(metric("ec_group_again_total"), before + 3);
    for (int i = 0; i < 3; i++)
        assert_replied(i, 100002 + i);
    assert_int_equal(things(), 5);
    return before + 3;
}

static bool comes_again(int i)
{
    return i % 3 == 0 && i + 1 < N;
}

/* Every third comes again, and none of them costs the others their commit. */
static void repeats(const struct ec_program *program)
{
    int again, commits, ahead;

    again = make_wary();
    commits = metric("ec_group_commits_total");
    ahead = asked();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < N; i++) {
            int key = round && comes_again(i) ? (round - 1) * N + i + 1 : round * N + i; /* of the last round, or new */

            start(program, i, round * N + i, key);
        }
        until_over(N);
        for (int i = 0; i < N; i++)
            assert_replied(i, round && comes_again(i) ? (round - 1) * N + i + 1 : round * N + i);
    }
    assert_int_equal(things(), 5 + ROUNDS * N - (ROUNDS - 1) * (N / 3));
    assert_int_equal(metric("ec_group_again_total"), again);
    assert_in_range(metric("ec_group_commits_total") - commits, ROUNDS, 3 * ROUNDS);
    assert_in_range(asked() - ahead, ROUNDS, 4 * ROUNDS);
    db_close();
}

static void test_repeats(void **state)
{
    (void)state;
    repeats(&puts_);
    repeats(&takes);
}

/* Those that open and those that don't, in one flight, some of both again. */
static void test_both(void **state)
{
    int again;

    (void)state;
    again = make_wary();
    for (int i = 0; i < N; i++)
        start(i % 2 ? &takes : &puts_, i, i, i);
    until_over(N);
    for (int i = 0; i < 2 * N; i++) /* each old one by a program of the other kind, between new ones */
        start(i % 4 < 2 ? &takes : &puts_, i, N + i, i % 2 ? i / 2 : N + i);
    until_over(2 * N);
    for (int i = 0; i < 2 * N; i++)
        assert_replied(i, i % 2 ? i / 2 : N + i);
    assert_int_equal(things(), 5 + 2 * N);
    assert_int_equal(pg_server_count(db_server, "SELECT 100000 - n FROM stock"), N / 2 + N / 2);
    assert_int_equal(metric("ec_group_again_total"), again);
    db_close();
}

/* One key twice in one flight: the second finds what the first has written in it, and is told when that is committed. */
static void test_twins(void **state)
{
    int again;

    (void)state;
    again = make_wary();
    for (int i = 0; i < N; i++)
        start(i < N / 2 ? &puts_ : &takes, i, i, i / 2);
    until_over(N);
    for (int i = 0; i < N; i++)
        assert_replied(i, i / 2 * 2);
    assert_int_equal(things(), 5 + N / 2);
    assert_int_equal(metric("ec_group_again_total"), again);
    db_close();
}

/* The first of the two is refused by the server, so nothing of the flight has happened, and the second has its own chance. */
static void test_twin_fails(void **state)
{
    (void)state;
    make_wary();
    for (int i = 0; i < N; i++)
        start(&puts_, i, i == 10 ? -1 : i, i == 11 ? 10 : i);
    until_over(N);
    for (int i = 0; i < N; i++) {
        if (i == 10)
            assert_ptr_equal(ended[i].error, &ec_error_internal);
        else
            assert_replied(i, i);
    }
    assert_int_equal(things(), 5 + N - 1);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.inbox WHERE key = 'thing-10' AND reply->>'n' = '11'"), 1);
    db_close();
}

/* What has failed stays so, but for one that is sent back from its dead letters; what was revoked stays revoked. */
static void test_failed_before(void **state)
{
    int again;

    (void)state;
    again = make_wary();
    pg_server_run(db_server,
                  "INSERT INTO ec.inbox (key, program, state, status, error) VALUES ('thing-3', '', 'failed', 404, 'not-found'), "
                  "('thing-4', '', 'failed', 404, 'not-found'), ('thing-5', '', 'revoked', NULL, NULL)");
    for (int i = 0; i < N; i++) {
        struct ec_task *task = make(i % 2 ? &takes : &puts_, i, i, i);

        task->again = i == 4;
        ec_task_start(task);
    }
    until_over(N);
    for (int i = 0; i < N; i++) {
        if (i == 3)
            assert_ptr_equal(ended[i].error, &ec_error_not_found);
        else if (i == 5)
            assert_ptr_equal(ended[i].error, &ec_error_revoked);
        else
            assert_replied(i, i);
    }
    assert_int_equal(things(), 5 + N - 2);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.inbox WHERE key = 'thing-4' AND state = 'done' AND error IS NULL"),
                     1);
    assert_int_equal(metric("ec_group_again_total"), again);
    db_close();
}

/* When nothing has come twice for a while nobody asks any more; nor where only one could fail. */
static void test_no_longer(void **state)
{
    int ahead, n = 0;

    (void)state;
    make_wary();
    ahead = asked();
    for (; n < 10; n++) {
        start(&puts_, 0, n, n);
        until_over(1);
    }
    assert_int_equal(asked(), ahead);
    for (int round = 0; round < 80; round++, n += 2) {
        start(&puts_, 0, n, n);
        start(&puts_, 1, n + 1, n + 1);
        until_over(2);
        if (round == 0)
            assert_true(asked() > ahead);
        if (round == 70)
            ahead = asked();
    }
    assert_int_equal(asked(), ahead);
    assert_int_equal(things(), 5 + n);
    db_close();
}

/* Connections break at any time: each has one effect, or none and says so; and what was told is what is stored. */
static void test_lost(void **state)
{
    int good = 0, failed = 0, caught = 0;
    char sql[100];

    (void)state;
    make_wary();
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < N; i++) {
            int key = round * N + (i % 4 ? i : i / 8); /* some twice */

            start(i % 3 ? &puts_ : &takes, i, round * N + i, key);
        }
        db_pass(round % 8);
        for (int i = 0; i < N; i++)
            caught += !ended[i].over;
        db_cut();
        until_over(N);
        for (int i = 0; i < N; i++) {
            good += !ended[i].error;
            if (!ended[i].error)
                continue;
            failed++;
            snprintf(sql, sizeof(sql), "SELECT count(*) FROM things WHERE n = %d", round * N + i);
            if (!ended[i].unknown)
                assert_int_equal(pg_server_count(db_server, sql), 0);
            assert_true(ended[i].error == &ec_error_unavailable || ended[i].error == &ec_error_conflict);
        }
    }
    printf("of %d while connections broke %d worked, %d have failed\n", 40 * N, good, failed);
    assert_true(caught > 0); /* the cut was not behind all of them */
    assert_true(good > 20 * N);
    assert_int_equal(things(), pg_server_count(db_server, "SELECT count(*) FROM ec.inbox WHERE state = 'done'"));
    assert_int_equal(things(), pg_server_count(db_server, "SELECT count(*) FROM things t JOIN ec.inbox i ON i.reply->>'n' = t.n::text"));
    db_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeats),    cmocka_unit_test(test_both),          cmocka_unit_test(test_twins),
        cmocka_unit_test(test_twin_fails), cmocka_unit_test(test_failed_before), cmocka_unit_test(test_no_longer),
        cmocka_unit_test(test_lost),
    };

    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
