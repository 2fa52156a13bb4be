/* The inbox: one outcome a key, for programs that are one transaction and for programs that claim; revoking. */
#include "db_test.h"

#include "inbox.h"

enum ending { WORKS, REFUSES, BREAKS /* 503 */, UNDECLARED /* 404, not declared */, NO_LAST /* replies without a last commit */, ACCEPTS };

struct in {
    int64_t n;
    enum ending ending;
    bool *hold;
    struct ec_uuid *ids;
};
struct out {
    int64_t n, count;
};
struct frame {
    struct in in;
    struct out out;
    uv_timer_t *timer;
};

static const struct ec_record in_record = {.name = "In", .size = sizeof(struct in)};
static const struct ec_record out_record = {
    .name = "Out",
    .size = sizeof(struct out),
    .nfields = 2,
    .fields = (const struct ec_field[]){{.name = "n", .kind = EC_INT}, {.name = "count", .kind = EC_INT, .offset = sizeof(int64_t)}},
};
static const struct ec_error error_sad = {"sad", 409, "Sad"}, error_down = {"down", 503, "Down"};
static const struct ec_error *const errors[] = {&error_sad, &error_down, NULL};
static const struct ec_sql sql_effect = {
    .name = "unit.effect2",
    .text = "WITH i AS (INSERT INTO marks (n) VALUES ($1) RETURNING n) SELECT n, (SELECT count(*) + 1 FROM marks) FROM i",
    .row = &out_record};
static const struct ec_sql sql_unmark = {.name = "unit.unmark", .text = "DELETE FROM marks WHERE n = $1"};

static bool let_go;

/* Holds the program until let_go, as a call would. */
static void held_closed(uv_handle_t *handle)
{
    free(handle);
}

static void look_again(uv_timer_t *timer)
{
    struct ec_task *task = timer->data;

    if (!let_go)
        return;
    uv_close((uv_handle_t *)timer, held_closed);
    task->error = NULL;
    ec_task_resume(task);
}

static void hold(struct ec_task *task)
{
    uv_timer_t *timer = malloc(sizeof(*timer));

    uv_timer_init(ec_app.loop, timer);
    timer->data = task;
    uv_timer_start(timer, look_again, 2, 2);
}

static void run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_claim(task));
        if (f->in.ids)
            *f->in.ids = ec_new_id(task);
        if (f->in.hold) {
            *f->in.hold = true;
            EC_AWAIT(task, 2, hold(task));
        }
        EC_AWAIT(task, 3, ec_tx_begin(task));
        EC_AWAIT(task, 4, ec_sql_one(task, &sql_effect, &f->out, EC_PARAMS(ec_param_int(f->in.n))));
        EC_EXPECT_ROW(task);
        if (f->in.ending == REFUSES) {
            ec_task_error(task, &error_sad, "number %d", (int)f->in.n);
            ec_fail(task);
            return;
        }
        if (f->in.ending == BREAKS || f->in.ending == UNDECLARED) {
            ec_fail_with(task, f->in.ending == BREAKS ? &error_down : &ec_error_not_found);
            return;
        }
        EC_AWAIT(task, 5, ec_tx_commit(task, f->in.ending == NO_LAST || f->in.ending == ACCEPTS ? NULL : &f->out, true));
        if (f->in.ending == ACCEPTS)
            ec_accept(task, &f->out);
        else
            ec_reply(task, &f->out);
    }
}

/* The same body, without the claim. */
static void run_atomic(struct ec_task *task)
{
    if (task->step == 0)
        task->step = 1;
    task->error = NULL;
    if (task->step == 1) {
        struct frame *f = EC_FRAME(task, struct frame);

        if (f->in.hold && !*f->in.hold) { /* once */
            *f->in.hold = true;
            hold(task);
            return;
        }
        task->step = 3;
        ec_tx_begin(task);
        return;
    }
    run(task);
}

static void run_undo(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        if (task->program->repeat == EC_REPEAT_CLAIM) {
            EC_AWAIT(task, 1, ec_claim(task));
        }
        EC_AWAIT(task, 2, ec_tx_begin(task));
        if (f->in.ending == BREAKS) {
            ec_fail_with(task, &error_down);
            return;
        }
        EC_AWAIT(task, 3, ec_sql_exec(task, &sql_unmark, EC_PARAMS(ec_param_int(f->in.n))));
        if (f->in.ending == REFUSES) {
            ec_fail_with(task, &error_sad);
            return;
        }
        EC_AWAIT(task, 4, ec_tx_commit(task, NULL, true));
        ec_reply(task, NULL);
    }
}

#define PROGRAM(name_, run_, repeat_, out_)                                                                                                \
    {                                                                                                                                      \
        .name = name_, .run = run_, .frame_size = sizeof(struct frame), .in = &in_record, .out = out_, .errors = errors, .repeat = repeat_ \
    }
static const struct ec_program atomic = PROGRAM("unit-svc.Atomic", run_atomic, EC_REPEAT_ATOMIC, &out_record);
static const struct ec_program claim = PROGRAM("unit-svc.Claim", run, EC_REPEAT_CLAIM, &out_record);
static const struct ec_program undo_atomic = PROGRAM("unit-svc.UndoAtomic", run_undo, EC_REPEAT_ATOMIC, NULL);
static const struct ec_program undo_claim = PROGRAM("unit-svc.UndoClaim", run_undo, EC_REPEAT_CLAIM, NULL);

static struct ec_task *start(const struct ec_program *program, struct ended *ended, const char *key, const char *undoes, struct in in)
{
    struct ec_task *task = db_task(program, ended);

    ((struct frame *)task->frame)->in = in;
    db_key(task, key, undoes);
    ec_task_start(task);
    return task;
}

static void go(const struct ec_program *program, struct ended *ended, const char *key, const char *undoes, struct in in)
{
    start(program, ended, key, undoes, in);
    DB_UNTIL(ended->over);
}

static void begin(void)
{
    pg_server_run(db_server, "DROP TABLE IF EXISTS marks; CREATE TABLE marks (n bigint); TRUNCATE ec.inbox");
    let_go = false;
    db_open(NULL);
}

static long marks(void)
{
    return pg_server_count(db_server, "SELECT count(*) FROM marks");
}

static void assert_state(const char *key, const char *expected)
{
    char sql[200], *text;

    snprintf(sql, sizeof(sql), "SELECT coalesce(max(state), 'none') FROM ec.inbox WHERE key = '%s'", key);
    text = pg_server_ask(db_server, sql);
    assert_string_equal(text, expected);
    free(text);
}

#define OUT(n, count) "{\"n\":" #n ",\"count\":" #count "}"

static void check_duplicate(const struct ec_program *program)
{
    struct ended ended, many[20];
    int i;

    begin();
    go(program, &ended, "k1", NULL, (struct in){.n = 7});
    assert_null(ended.error);
    assert_string_equal(ended.out, OUT(7, 1));
    assert_state("k1", "done");
    go(program, &ended, "k1", NULL, (struct in){.n = 7});
    assert_null(ended.error);
    assert_string_equal(ended.out, OUT(7, 1));
    assert_int_equal(marks(), 1);
    for (i = 0; i < 20; i++) /* at once: one does it, the others get its reply or are told to come again */
        start(program, &many[i], "k2", NULL, (struct in){.n = 8});
    for (i = 0; i < 20; i++) {
        DB_UNTIL(many[i].over);
        if (many[i].error) {
            assert_ptr_equal(many[i].error, &ec_error_conflict);
            assert_int_equal(program->repeat, EC_REPEAT_CLAIM);
        } else {
            assert_string_equal(many[i].out, OUT(8, 2));
        }
    }
    assert_int_equal(marks(), 2);
    go(program, &ended, NULL, NULL, (struct in){.n = 9}); /* without a key there is no inbox */
    go(program, &ended, NULL, NULL, (struct in){.n = 9});
    assert_int_equal(marks(), 4);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.inbox"), 2);
    db_close();
}

static void test_duplicate(void **state)
{
    (void)state;
    check_duplicate(&atomic);
    check_duplicate(&claim);
}

static long told_of(const char *family, const char *statement)
{
    char label[64];

    snprintf(label, sizeof(label), "statement=\"%s\"", statement);
    return (long)ec_metric_value(ec_metric(EC_COUNTER, family, "", label));
}

/* Keys that come together are one statement, whose members don't see to each other: new ones, one that is done, one that has failed, once
 * with `again`, and one under a live claim. */
static void check_together(const struct ec_program *program, const char *const *sets)
{
    enum { KEYS = 30 };
    static struct ended ended[KEYS];
    char key[16];
    int i, round;

    begin();
    go(program, &ended[0], "k1", NULL, (struct in){.n = 1});
    go(program, &ended[0], "k2", NULL, (struct in){.n = 2, .ending = REFUSES});
    go(program, &ended[0], "k3", NULL, (struct in){.n = 3, .ending = REFUSES});
    pg_server_run(db_server,
                  "INSERT INTO ec.inbox (key, program, state, lease_until) VALUES ('k4', '', 'running', now() + interval '1 h'), "
                  "('k5', '', 'running', now() - interval '1 h'), ('k6', '', 'revoked', NULL)");
    for (round = 0; round < 2; round++) {
        for (i = 0; i < KEYS; i++) {
            struct ec_task *task;

            snprintf(key, sizeof(key), "k%d", i);
            task = start(program, &ended[i], key, NULL,
                         (struct in){.n = i, .ending = program->repeat == EC_REPEAT_CLAIM && i % 2 ? ACCEPTS : WORKS});
            task->again = i == 3;
        }
        for (i = 0; i < KEYS; i++) {
            DB_UNTIL(ended[i].over);
            if (i == 2)
                assert_string_equal(ended[i].name, "sad");
            else if (i == 4 || (i == 5 && program->repeat == EC_REPEAT_ATOMIC))
                assert_ptr_equal(ended[i].error, &ec_error_conflict);
            else if (i == 6)
                assert_ptr_equal(ended[i].error, &ec_error_revoked);
            else
                assert_null(ended[i].error);
        }
        assert_int_equal(pg_server_count(db_server, "SELECT count(DISTINCT n) FROM marks WHERE n NOT IN (2, 4, 5, 6)"), KEYS - 4);
        assert_int_equal(marks(), program->repeat == EC_REPEAT_ATOMIC ? KEYS - 4 : KEYS - 3);
    }
    for (i = 100; i < 100 + KEYS; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        start(program, &ended[i - 100], key, NULL,
              (struct in){.n = i, .ending = program->repeat == EC_REPEAT_CLAIM && i % 2 ? ACCEPTS : WORKS});
    }
    for (i = 0; i < KEYS; i++) {
        DB_UNTIL(ended[i].over);
        assert_null(ended[i].error);
        assert_int_equal(ended[i].accepted, program->repeat == EC_REPEAT_CLAIM && i % 2);
    }
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.inbox WHERE state = 'done' AND reply->>'n' = substr(key, 2)"),
                     program->repeat == EC_REPEAT_ATOMIC ? 2 * KEYS - 4 : 2 * KEYS - 3);
    for (; *sets; sets++) {
        printf("%s: %ld\n", *sets, told_of("ec_sql_requests_total", *sets));
        assert_true(told_of("ec_sql_requests_total", *sets) > 0);
    }
    db_close();
}

static void test_together(void **state)
{
    (void)state;
    check_together(&atomic, (const char *const[]){NULL});
    check_together(&claim, (const char *const[]){"ec.inbox.claim_set", "ec.inbox.replied_set", NULL});
    assert_int_equal(told_of("ec_sql_errors_total", "ec.inbox.claim_set"), 0);
    assert_int_equal(told_of("ec_sql_errors_total", "ec.inbox.replied_set"), 0);
}

static void check_failures(const struct ec_program *program)
{
    struct ended ended;

    begin();
    go(program, &ended, "f1", NULL, (struct in){.n = 5, .ending = REFUSES});
    assert_string_equal(ended.name, "sad");
    assert_state("f1", "failed");
    go(program, &ended, "f1", NULL, (struct in){.n = 5}); /* it would work now, but its outcome stands */
    assert_string_equal(ended.name, "sad");
    assert_int_equal(ended.error->status, 409);
    assert_string_equal(ended.detail, "number 5");
    assert_int_equal(marks(), 0);
    go(program, &ended, "f2", NULL, (struct in){.n = 5, .ending = BREAKS});
    assert_string_equal(ended.name, "down");
    assert_int_equal(ended.unknown, program->repeat == EC_REPEAT_CLAIM); /* one transaction is rolled back; of more, nobody knows */
    go(program, &ended, "f2", NULL, (struct in){.n = 5});                /* says nothing for good: done again */
    assert_null(ended.error);
    go(program, &ended, "f3", NULL, (struct in){.n = 6, .ending = UNDECLARED});
    assert_string_equal(ended.name, "not-found");
    go(program, &ended, "f3", NULL, (struct in){.n = 6});
    assert_null(ended.error);
    assert_int_equal(marks(), 2);
    db_close();
}

static void test_failures(void **state)
{
    (void)state;
    check_failures(&atomic);
    check_failures(&claim);
}

/* An event that was sent back from the dead letters: its stored failure does not count, what is done stays done. */
static void check_again(const struct ec_program *program)
{
    struct ended ended;
    struct ec_task *task;

    begin();
    go(program, &ended, "event/g/1", NULL, (struct in){.n = 5, .ending = REFUSES});
    assert_string_equal(ended.name, "sad");
    assert_state("event/g/1", "failed");
    go(program, &ended, "event/g/1", NULL, (struct in){.n = 5}); /* a usual repeat */
    assert_string_equal(ended.name, "sad");
    task = start(program, &ended, "event/g/1", NULL, (struct in){.n = 5, .ending = REFUSES});
    task->again = true;
    DB_UNTIL(ended.over);
    assert_string_equal(ended.name, "sad");
    assert_state("event/g/1", "failed");
    task = start(program, &ended, "event/g/1", NULL, (struct in){.n = 5});
    task->again = true;
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    assert_string_equal(ended.out, OUT(5, 1));
    assert_state("event/g/1", "done");
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.inbox WHERE error IS NULL AND detail IS NULL AND status = 200"),
                     1);
    for (int i = 0; i < 2; i++) { /* and once more, either way */
        task = start(program, &ended, "event/g/1", NULL, (struct in){.n = 5});
        task->again = i == 0;
        DB_UNTIL(ended.over);
        assert_string_equal(ended.out, OUT(5, 1));
    }
    assert_int_equal(marks(), 1);
    db_close();
}

static void test_again(void **state)
{
    (void)state;
    check_again(&atomic);
    check_again(&claim);
}

static void test_key_reused(void **state)
{
    const struct ec_program *const programs[] = {&atomic, &claim};
    struct ended ended;
    struct ec_task *task;
    int i;

    (void)state;
    begin();
    for (i = 0; i < 2; i++) {
        char key[32];

        snprintf(key, sizeof(key), "client/%d", i);
        go(programs[i], &ended, key, NULL, (struct in){.n = 1});
        assert_null(ended.error);
        task = start(programs[i], &ended, key, NULL, (struct in){.n = 2});
        task->request_hash[3] = 9;
        DB_UNTIL(ended.over);
        assert_ptr_equal(ended.error, &ec_error_key_reused);
        go(programs[i], &ended, key, NULL, (struct in){.n = 1});
        assert_null(ended.error);
    }
    assert_int_equal(marks(), 2);
    db_close();
}

static void test_late_reply(void **state)
{
    struct ended ended;

    (void)state;
    begin();
    go(&claim, &ended, "l1", NULL, (struct in){.n = 1, .ending = NO_LAST});
    assert_null(ended.error);
    go(&claim, &ended, "l1", NULL, (struct in){.n = 1, .ending = NO_LAST});
    assert_string_equal(ended.out, OUT(1, 1));
    assert_false(ended.accepted);
    go(&claim, &ended, "l2", NULL, (struct in){.n = 2, .ending = ACCEPTS});
    assert_true(ended.accepted);
    go(&claim, &ended, "l2", NULL, (struct in){.n = 2, .ending = ACCEPTS});
    assert_true(ended.accepted);
    assert_string_equal(ended.out, OUT(2, 2));
    go(&atomic, &ended, "l3", NULL, (struct in){.n = 3, .ending = NO_LAST}); /* the reply is not known before the commit */
    go(&atomic, &ended, "l3", NULL, (struct in){.n = 3, .ending = NO_LAST});
    assert_string_equal(ended.out, OUT(3, 3));
    assert_int_equal(marks(), 3);
    db_close();
}

static void test_lease(void **state)
{
    struct ended first, second;
    struct ec_uuid id1, id2;
    bool held = false;

    (void)state;
    begin();
    start(&claim, &first, "c1", NULL, (struct in){.n = 1, .hold = &held, .ids = &id1});
    DB_UNTIL(held);
    go(&claim, &second, "c1", NULL, (struct in){.n = 1});
    assert_ptr_equal(second.error, &ec_error_conflict); /* the first is still running */
    assert_true(second.retry_after_s > 0);
    assert_state("c1", "running");
    pg_server_run(db_server, "UPDATE ec.inbox SET lease_until = now() - interval '1 s'");
    go(&claim, &second, "c1", NULL, (struct in){.n = 1, .ids = &id2}); /* taken over, with the same ids */
    assert_null(second.error);
    assert_true(ec_uuid_eq(id1, id2));
    let_go = true;
    DB_UNTIL(first.over); /* its commit is refused; it ends with what is stored */
    assert_null(first.error);
    assert_string_equal(first.out, second.out);
    assert_int_equal(marks(), 1);
    db_close();
}

/* One that has lost its claim can neither fail the key nor give it back. */
static void test_lost_claim(void **state)
{
    struct ended first;
    bool held = false;

    (void)state;
    begin();
    start(&claim, &first, "c2", NULL, (struct in){.n = 1, .ending = REFUSES, .hold = &held});
    DB_UNTIL(held);
    pg_server_run(db_server, "UPDATE ec.inbox SET lease_until = now() + interval '1 h'"); /* another's claim by now */
    let_go = true;
    DB_UNTIL(first.over);
    assert_string_equal(first.name, "sad");
    assert_state("c2", "running");
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.inbox WHERE lease_until > now() + interval '30 min'"), 1);
    db_close();
}

static void check_undo(const struct ec_program *program, const struct ec_program *undo)
{
    struct ended ended, do_ended, undone;
    bool held = false;

    begin();
    /* undo before do */
    go(undo, &ended, "s1/undo", "s1/do", (struct in){.n = 99});
    assert_null(ended.error);
    assert_state("s1/do", "revoked");
    assert_state("s1/undo", "done");
    go(program, &ended, "s1/do", NULL, (struct in){.n = 1});
    assert_ptr_equal(ended.error, &ec_error_revoked);
    assert_int_equal(marks(), 0);
    go(undo, &ended, "s1/undo", "s1/do", (struct in){.n = 99}); /* once more */
    assert_null(ended.error);
    /* do, then undo, then a late repeat of the do */
    go(program, &ended, "s2/do", NULL, (struct in){.n = 2});
    assert_int_equal(marks(), 1);
    go(undo, &ended, "s2/undo", "s2/do", (struct in){.n = 2});
    assert_null(ended.error);
    assert_int_equal(marks(), 0);
    go(program, &ended, "s2/do", NULL, (struct in){.n = 2});
    assert_ptr_equal(ended.error, &ec_error_revoked);
    assert_int_equal(marks(), 0);
    /* an undo whose body fails runs its body again: also when the refusal is one that would be for good elsewhere */
    go(program, &ended, "s3/do", NULL, (struct in){.n = 3});
    go(undo, &ended, "s3/undo", "s3/do", (struct in){.n = 3, .ending = REFUSES});
    assert_string_equal(ended.name, "sad");
    go(undo, &ended, "s3/undo", "s3/do", (struct in){.n = 3, .ending = BREAKS});
    assert_string_equal(ended.name, "down");
    assert_int_equal(marks(), 1);
    go(undo, &ended, "s3/undo", "s3/do", (struct in){.n = 3});
    assert_null(ended.error);
    assert_int_equal(marks(), 0);
    assert_state("s3/do", "revoked");
    /* a do that failed has nothing to undo */
    go(program, &ended, "s4/do", NULL, (struct in){.n = 4, .ending = REFUSES});
    go(undo, &ended, "s4/undo", "s4/do", (struct in){.n = 4, .ending = BREAKS}); /* the body is not reached */
    assert_null(ended.error);
    /* an undo while the do runs */
    start(program, &do_ended, "s5/do", NULL, (struct in){.n = 5, .hold = &held});
    DB_UNTIL(held);
    start(undo, &undone, "s5/undo", "s5/do", (struct in){.n = 5});
    DB_UNTIL(undone.over);
    if (program->repeat == EC_REPEAT_CLAIM) {
        assert_ptr_equal(undone.error, &ec_error_conflict);
        assert_state("s5/do", "running");
        pg_server_run(db_server, "UPDATE ec.inbox SET lease_until = now() - interval '1 s' WHERE key = 's5/do'");
        go(undo, &undone, "s5/undo", "s5/do", (struct in){.n = 5});
    }
    assert_null(undone.error);
    assert_state("s5/do", "revoked");
    let_go = true;
    DB_UNTIL(do_ended.over); /* it comes too late */
    assert_ptr_equal(do_ended.error, &ec_error_revoked);
    assert_int_equal(marks(), 0);
    assert_state("s5/do", "revoked");
    db_close();
}

static void test_undo(void **state)
{
    (void)state;
    check_undo(&atomic, &undo_atomic);
    check_undo(&claim, &undo_atomic);
    check_undo(&atomic, &undo_claim);
    check_undo(&claim, &undo_claim);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duplicate),  cmocka_unit_test(test_together),   cmocka_unit_test(test_failures),
        cmocka_unit_test(test_key_reused), cmocka_unit_test(test_late_reply), cmocka_unit_test(test_lease),
        cmocka_unit_test(test_lost_claim), cmocka_unit_test(test_undo),       cmocka_unit_test(test_again),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
