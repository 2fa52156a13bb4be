/* The saga engine: forward, back, unknown outcomes, crashes, two engines, waiters. */
#include "saga_fake.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG "SELECT string_agg(step || '/' || phase || '=' || p.state, ' ' ORDER BY phase, step) FROM ec.saga_step p"

static void test_forward(void **state)
{
    struct ended ended;

    (void)state;
    fake_begin();
    fake_start(&start_program, &ended, NULL, 10000);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    assert_false(ended.accepted);
    assert_string_equal(fake->trail, "first/do second/do third/do");
    fake_assert_asked("SELECT state FROM ec.saga", "done");
    fake_assert_asked("SELECT '{\"id\":\"' || id || '\"}' FROM ec.saga", ended.out);
    fake_assert_asked("SELECT what FROM effects", "second after first of s \"1\"");
    fake_assert_asked(LOG, "first/do=done second/do=done third/do=done");
    fake_assert_asked("SELECT reply->>'n' FROM ec.saga_step WHERE step = 'second'", "2");
    assert_int_equal(
        pg_server_count(db_server, "SELECT count(*) FROM ec.saga WHERE lease_until IS NULL AND owner IS NULL AND ended_at IS NOT NULL"), 1);
    DB_UNTIL(ec_module_saga.idle(&ec_app));
    db_close();
}

static void test_business_failure(void **state)
{
    struct ended ended;

    (void)state;
    fake_begin();
    fake_answer(2, 0, REFUSES, 1);
    fake_start(&start_program, &ended, NULL, 10000);
    DB_UNTIL(ended.over);
    assert_string_equal(ended.name, "full");
    assert_string_equal(ended.detail, "no room");
    assert_string_equal(fake->trail, "first/do second/do third/do second/undo! first/undo!");
    fake_assert_asked("SELECT state || ' ' || error FROM ec.saga", "failed full");
    fake_assert_asked("SELECT what FROM effects", "full");
    fake_assert_asked(LOG, "first/do=done second/do=done third/do=failed first/undo=done second/undo=done");
    db_close();
}

static void test_first_step_refused(void **state)
{
    struct ended ended;

    (void)state;
    fake_begin();
    fake_answer(0, 0, REFUSES, 1);
    fake_start(&start_program, &ended, NULL, 10000);
    DB_UNTIL(ended.over);
    assert_string_equal(ended.name, "full");
    assert_string_equal(fake->trail, "first/do");
    fake_assert_asked(LOG, "first/do=failed");
    fake_assert_asked("SELECT state || ' ' || error || ' ' || detail FROM ec.saga", "failed full no room");
    db_close();
}

static void test_unsent_has_no_effect(void **state)
{
    struct ended ended;

    (void)state;
    fake_begin();
    fake_answer(1, 0, UNSENT, 1);
    fake_start(&start_program, &ended, NULL, 10000);
    DB_UNTIL(ended.over);
    assert_string_equal(ended.name, "away");
    assert_int_equal(ended.error->status, 503);
    assert_int_equal(ended.retry_after_s, 7);
    assert_string_equal(fake->trail, "first/do second/do first/undo!");
    db_close();
}

static void test_unknown_is_undone(void **state)
{
    struct ended ended;

    (void)state;
    fake_begin();
    fake_answer(1, 0, UNKNOWN, 1);
    fake_start(&start_program, &ended, NULL, 10000);
    DB_UNTIL(ended.over);
    assert_string_equal(ended.name, "away");
    assert_string_equal(fake->trail, "first/do second/do second/undo! first/undo!");
    fake_assert_asked(LOG, "first/do=done second/do=unknown first/undo=done second/undo=done");
    assert_string_equal(fake->keys[2] + 36, "/second/undo");
    db_close();
}

/* A step that meets an earlier sending of itself is asked until that has ended: nothing has failed. */
static void test_in_progress_is_awaited(void **state)
{
    struct ended ended;

    (void)state;
    fake_begin();
    fake_answer(1, 0, BUSY, 2);
    fake_start(&start_program, &ended, NULL, 10000);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    assert_string_equal(fake->trail, "first/do second/do second/do! second/do! third/do");
    assert_string_equal(fake->keys[1], fake->keys[3]);
    fake_assert_asked("SELECT state FROM ec.saga", "done");
    fake_reset(); /* it may turn out to have failed */
    fake_answer(1, 0, BUSY, 1);
    fake_answer(1, 0, REFUSES, 1);
    fake_start(&start_program, &ended, NULL, 10000);
    DB_UNTIL(ended.over);
    assert_string_equal(ended.name, "full");
    assert_string_equal(fake->trail, "first/do second/do second/do! first/undo!");
    db_close();
}

static void test_unknown_without_undo_is_repeated(void **state)
{
    struct ended ended;

    (void)state;
    fake_begin();
    fake_answer(2, 0, UNKNOWN, 2);
    fake_answer(2, 0, UNSENT, 1); /* this one was not sent, but those before it may have been */
    fake_start(&start_program, &ended, NULL, 10000);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    assert_string_equal(fake->trail, "first/do second/do third/do third/do! third/do! third/do!");
    assert_string_equal(fake->keys[2], fake->keys[5]);
    fake_reset(); /* one that must succeed is repeated also after a refusal */
    fake_answer(2, 0, REFUSES, 1);
    fake_start(&start_bare_program, &ended, NULL, 10000);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    assert_string_equal(fake->trail, "third/do third/do!");
    db_close();
}

static void test_failing_undo(void **state)
{
    struct ended ended;

    (void)state;
    fake_begin();
    fake_answer(1, 0, REFUSES, 1);
    fake_answer(0, 1, REFUSES, 1); /* also a refusal is no end of an undo */
    fake_answer(0, 1, UNSENT, 1);
    fake_start(&start_program, &ended, NULL, 10000);
    DB_UNTIL(ended.over);
    assert_string_equal(ended.name, "full"); /* told before the undo holds */
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.saga WHERE state = 'failed'"), 0);
    fake_until_ended();
    assert_string_equal(fake->trail, "first/do second/do first/undo! first/undo! first/undo!");
    fake_assert_asked("SELECT state || ' ' || error FROM ec.saga", "failed full");
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM effects"), 1);
    db_close();
}

static void test_late(void **state)
{
    struct ended ended;

    (void)state;
    fake_begin();
    fake_answer(1, 0, HANGS, 1);
    fake_start(&start_program, &ended, NULL, 400);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    assert_true(ended.accepted);
    fake->let_go = true;
    fake_until_ended();
    DB_UNTIL(ec_module_saga.idle(&ec_app));
    fake_assert_asked("SELECT state FROM ec.saga", "done");
    db_close();
}

/* The same key is the same saga, and the second starter gets the first one's outcome. */
static void test_repeated_start(void **state)
{
    struct ended first, second, third;

    (void)state;
    fake_begin();
    fake_answer(0, 0, HANGS, 1);
    fake_start(&start_program, &first, "client/x/1", 500); /* accepts, while the saga hangs */
    DB_UNTIL(first.over);
    assert_true(first.accepted);
    fake_start(&start_program, &second, "client/x/1", 10000);
    DB_UNTIL(second.over);
    assert_true(second.accepted);
    assert_string_equal(second.out, first.out);
    /* Where the reply was not stored, the program runs again, finds its saga and waits for it. */
    pg_server_run(db_server, "UPDATE ec.inbox SET state = 'running', reply = NULL, lease_until = now() - interval '1 s'");
    fake_start(&start_program, &third, "client/x/1", 10000);
    db_pass(100);
    assert_false(third.over);
    fake->let_go = true;
    DB_UNTIL(third.over);
    assert_null(third.error);
    assert_false(third.accepted);
    assert_string_equal(third.out, first.out);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.saga"), 1);
    assert_string_equal(fake->trail, "first/do second/do third/do");
    db_close();
}

/* ------------------------------------------------------------------ crashes */

/* Runs a saga in a process of its own, which ends (or is killed) somewhere in it. */
static pid_t child(void (*body)(void))
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        db_open(fake_modules);
        body();
        _exit(0);
    }
    return pid;
}

static void start_one(void)
{
    static struct ended ended;

    fake_start(&start_program, &ended, NULL, 10000);
    db_pass(60000);
}

static void crash_at(int step, int phase, const char *trail, const char *outcome)
{
    int status;

    fake_reset();
    fake_prepare(db_server);
    if (phase)
        fake_answer(2, 0, REFUSES, 1);
    fake_answer(step, phase, DIES, 1);
    waitpid(child(start_one), &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    pg_server_run(db_server, "UPDATE ec.saga SET lease_until = now()"); /* five seconds later */
    db_open(fake_modules);
    fake_until_ended();
    assert_string_equal(fake->trail, trail);
    fake_assert_asked("SELECT state FROM ec.saga", outcome);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM effects"), 1);
    DB_UNTIL(ec_module_saga.idle(&ec_app));
    db_close();
}

static void test_crash(void **state)
{
    (void)state;
    db_service.sagas = fake_sagas;
    crash_at(0, 0, "first/do first/do! second/do third/do", "done");
    crash_at(1, 0, "first/do second/do second/do! third/do", "done");
    fake_assert_asked("SELECT what FROM effects", "second after first of s \"1\""); /* from stored replies */
    crash_at(2, 0, "first/do second/do third/do third/do!", "done");
    crash_at(1, 1, "first/do second/do third/do second/undo! second/undo! first/undo!", "failed");
    crash_at(0, 1, "first/do second/do third/do second/undo! first/undo! first/undo!", "failed");
}

static void test_killed(void **state)
{
    pid_t pid;

    (void)state;
    db_service.sagas = fake_sagas;
    fake_reset();
    fake_prepare(db_server);
    fake_answer(1, 0, HANGS, 1);
    pid = child(start_one);
    while (fake->calls[1][0] == 0)
        usleep(1000);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    db_open(fake_modules);
    db_pass(300);
    assert_int_equal(fake->calls[1][0], 1); /* its lease still holds */
    fake_until_ended();                          /* and then runs out */
    assert_string_equal(fake->trail, "first/do second/do second/do! third/do");
    db_close();
}

/* An unsent repeat after a crash: an attempt before it may have been sent, so the step is undone. */
static void test_unsent_after_crash(void **state)
{
    int status;

    (void)state;
    db_service.sagas = fake_sagas;
    fake_reset();
    fake_prepare(db_server);
    fake_answer(1, 0, DIES, 1);
    fake_answer(1, 0, UNSENT, 1);
    waitpid(child(start_one), &status, 0);
    pg_server_run(db_server, "UPDATE ec.saga SET lease_until = now()");
    db_open(fake_modules);
    fake_until_ended();
    assert_string_equal(fake->trail, "first/do second/do second/do! second/undo! first/undo!");
    db_close();
}

/* A process that was stopped past its lease goes on without harm: its writes are refused, and it drops the saga. */
static void test_two_engines(void **state)
{
    pid_t pid;

    (void)state;
    db_service.sagas = fake_sagas;
    fake_reset();
    fake_prepare(db_server);
    fake_answer(1, 0, HANGS, 1);
    pid = child(start_one);
    while (fake->calls[1][0] == 0)
        usleep(1000);
    kill(pid, SIGSTOP);
    pg_server_run(db_server, "UPDATE ec.saga SET lease_until = now()");
    db_open(fake_modules);
    fake_until_ended();
    assert_int_equal(pg_server_count(db_server, "SELECT fence FROM ec.saga"), 2);
    fake->let_go = true;
    kill(pid, SIGCONT);
    db_pass(500);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_string_equal(fake->trail, "first/do second/do second/do! third/do");
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM effects"), 1);
    fake_assert_asked(LOG, "first/do=done second/do=done third/do=done");
    db_close();
}

/* The last moment: the other engine ends the saga while this one is about to. */
static void test_refused_end(void **state)
{
    struct ended ended;

    (void)state;
    fake_begin();
    fake_answer(2, 0, HANGS, 1);
    fake_start(&start_program, &ended, NULL, 10000);
    DB_UNTIL(fake->calls[2][0] == 1);
    pg_server_run(db_server, "UPDATE ec.saga SET fence = 7, owner = gen_random_uuid(), lease_until = now() + interval '1 h'");
    fake->let_go = true;
    db_pass(300);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM effects"), 0);
    fake_assert_asked("SELECT state FROM ec.saga", "running");
    assert_false(ended.over); /* the waiter looks at the row from now on */
    pg_server_run(db_server, "UPDATE ec.saga SET state = 'failed', error = 'full', detail = 'elsewhere'");
    DB_UNTIL(ended.over);
    assert_string_equal(ended.name, "full");
    assert_string_equal(ended.detail, "elsewhere");
    db_close();
}

static void test_lost_lease_of_a_sleeper(void **state)
{
    struct ended ended;

    (void)state;
    fake_begin();
    fake_answer(2, 0, UNKNOWN, 8);
    fake_start(&start_program, &ended, NULL, 10000);
    DB_UNTIL(fake->calls[2][0] == 4); /* its next wait is longer than a second */
    pg_server_run(db_server, "UPDATE ec.saga SET fence = 7, owner = gen_random_uuid(), lease_until = now() + interval '1 h'");
    db_pass(2500);
    assert_true(fake->calls[2][0] <= 5);
    pg_server_run(db_server, "UPDATE ec.saga SET state = 'done'");
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    db_close();
}

/* The end fails: the row says so, with what is done, and whoever takes the saga over goes on with the end alone. */
static void test_failing_end(void **state)
{
    static const struct { bool fails; const char *trail, *row, *log, *state; } cases[] = {
        {false, "first/do second/do third/do", "running 3 internal", "first/do=done second/do=done third/do=done", "done"},
        {true, "first/do second/do first/undo!", "compensating -1 internal", "first/do=done second/do=failed first/undo=done", "failed"},
    };
    struct ended ended;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        fake_begin();
        pg_server_run(db_server, "ALTER TABLE effects RENAME TO effects_away");
        if (cases[i].fails)
            fake_answer(1, 0, REFUSES, 1);
        fake_start(&start_program, &ended, NULL, 60000);
        DB_UNTIL(pg_server_count(db_server, "SELECT attempts FROM ec.saga") >= 2);
        fake_assert_asked("SELECT state || ' ' || step || ' ' || split_part(last_error, ':', 1) FROM ec.saga", cases[i].row);
        fake_assert_asked(LOG, cases[i].log);
        pg_server_run(db_server, "UPDATE ec.saga SET fence = fence + 1, owner = NULL, lease_until = now(), attempts = 0, next_at = NULL");
        DB_UNTIL(pg_server_count(db_server, "SELECT fence FROM ec.saga WHERE attempts > 0") == 3);
        pg_server_run(db_server, "ALTER TABLE effects_away RENAME TO effects");
        DB_UNTIL(pg_server_count(db_server, "SELECT count(*) FROM ec.saga WHERE ended_at IS NOT NULL") == 1 && ended.over);
        assert_string_equal(fake->trail, cases[i].trail);
        fake_assert_asked(LOG, cases[i].log);
        fake_assert_asked("SELECT state FROM ec.saga", cases[i].state);
        assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM effects"), 1);
        DB_UNTIL(ec_module_saga.idle(&ec_app));
        db_close();
    }
}

static void test_unknown_definition(void **state)
{
    struct ended ended;

    (void)state;
    fake_begin();
    fake_answer(1, 0, HANGS, 1);
    fake_start(&start_program, &ended, NULL, 300);
    DB_UNTIL(ended.over);
    pg_server_run(db_server, "INSERT INTO ec.saga (id, name, version, state, step, params, owner, lease_until) "
                             "VALUES (gen_random_uuid(), 'trip', 2, 'running', 0, '{}', NULL, now() - interval '1 h'), "
                             "(gen_random_uuid(), 'other', 1, 'running', 0, '{}', NULL, now() - interval '1 h')");
    db_pass(1500);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.saga WHERE state = 'running' AND fence = 0"), 2);
    DB_UNTIL(ec_metric_value(ec_metric(EC_GAUGE_MOST, "ec_saga_unknown", "", NULL)) == 2);
    fake->let_go = true;
    DB_UNTIL(ec_module_saga.idle(&ec_app));
    db_close();
}

static void test_database_away(void **state)
{
    struct ended ended;

    (void)state;
    fake_begin();
    fake_answer(1, 0, HANGS, 1);
    fake_start(&start_program, &ended, NULL, 20000);
    DB_UNTIL(fake->calls[1][0] == 1);
    pg_server_halt(db_server);
    fake->let_go = true; /* its answer can't be stored now */
    db_pass(1500);
    pg_server_resume(db_server);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    assert_string_equal(fake->trail, "first/do second/do third/do");
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM effects"), 1);
    db_close();
}

static void test_drain(void **state)
{
    struct ended ended;

    (void)state;
    fake_begin();
    fake_answer(2, 0, UNKNOWN, 3);
    fake_start(&start_program, &ended, NULL, 700);
    DB_UNTIL(ended.over);
    assert_true(ended.accepted);
    ec_module_saga.drain(&ec_app);
    DB_UNTIL(ec_module_saga.idle(&ec_app));
    db_close();
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.saga WHERE state = 'running' AND lease_until <= now()"), 1);
    db_open(fake_modules); /* the next process goes on where it was */
    fake_until_ended();
    fake_assert_asked("SELECT state FROM ec.saga", "done");
    db_close();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_business_failure),
        cmocka_unit_test(test_first_step_refused),
        cmocka_unit_test(test_unsent_has_no_effect),
        cmocka_unit_test(test_unknown_is_undone),
        cmocka_unit_test(test_in_progress_is_awaited),
        cmocka_unit_test(test_unknown_without_undo_is_repeated),
        cmocka_unit_test(test_failing_undo),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_repeated_start),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_unsent_after_crash),
        cmocka_unit_test(test_two_engines),
        cmocka_unit_test(test_refused_end),
        cmocka_unit_test(test_failing_end), cmocka_unit_test(test_lost_lease_of_a_sleeper),
        cmocka_unit_test(test_unknown_definition),
        cmocka_unit_test(test_database_away),
        cmocka_unit_test(test_drain),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
