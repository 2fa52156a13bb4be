/* What goes from the inbox and the saga log, what stays, and that neither question reads a whole table. */
#include "saga_fake.h"

#include "clean.h"

static const struct ec_module *const modules[] = {&ec_module_saga, NULL};

static void begin(void)
{
    fake_reset();
    fake_prepare(db_server);
    db_service.sagas = fake_sagas;
}

static void sagas(const char *name, const char *state, const char *ended, int n)
{
    char sql[1024];

    snprintf(sql, sizeof(sql),
             "INSERT INTO ec.saga (id, name, version, state, step, params, created_at, ended_at, lease_until) SELECT gen_random_uuid(), "
             "'%s', 1, '%s', 0, '{}', now() - interval '30 days', %s, NULL FROM generate_series(1, %d)",
             name, state, ended, n);
    pg_server_run(db_server, sql);
}

static long count(const char *sql)
{
    return pg_server_count(db_server, sql);
}

static void run_for_rounds(void)
{
    ec_clean_ms = 20;
    db_open(modules);
}

static void test_old_rows_go(void **state)
{
    (void)state;
    begin();
    sagas("old", "done", "now() - interval '8 days'", 450); /* more than two batches */
    sagas("old", "failed", "now() - interval '7 days 1 minute'", 1);
    sagas("recent", "done", "now() - interval '6 days 23 hours'", 1);
    sagas("stuck", "compensating", "NULL", 1);
    sagas("stuck", "running", "NULL", 1);
    pg_server_run(db_server, "INSERT INTO ec.saga_step (saga_id, step, phase, state) SELECT id, p, 'do', 'done' FROM ec.saga, "
                             "unnest(ARRAY['first', 'second']) AS p");
    pg_server_run(db_server, "INSERT INTO ec.inbox (key, program, state, created_at) SELECT 'old' || i, 'p', 'done', "
                             "now() - interval '8 days' FROM generate_series(1, 450) i");
    pg_server_run(db_server, "INSERT INTO ec.inbox (key, program, state, lease_until, created_at) VALUES "
                             "('recent', 'p', 'done', NULL, now() - interval '6 days'), "
                             "('given up', 'p', 'running', now() - interval '1 s', now() - interval '8 days')");
    run_for_rounds();
    DB_UNTIL(count("SELECT count(*) FROM ec.saga WHERE name = 'old'") == 0);
    DB_UNTIL(count("SELECT count(*) FROM ec.inbox WHERE key <> 'recent'") == 0);
    db_pass(300); /* some rounds more */
    assert_int_equal(count("SELECT count(*) FROM ec.saga"), 3);
    assert_int_equal(count("SELECT count(*) FROM ec.saga_step"), 6);
    assert_int_equal(count("SELECT count(*) FROM ec.inbox"), 1);
    db_close();
}

/* A claim under a live lease, of an event that was sent back after long, keeps its row, and so the saga that it started is kept. */
static void test_a_known_key_keeps_its_saga(void **state)
{
    (void)state;
    begin();
    pg_server_run(db_server, "INSERT INTO ec.inbox (key, program, state, lease_until, created_at) VALUES "
                             "('at work', 'p', 'running', now() + interval '1 hour', now() - interval '9 days')");
    sagas("since", "done", "now() - interval '8 days'", 1);
    sagas("before", "done", "now() - interval '10 days'", 1);
    run_for_rounds();
    DB_UNTIL(count("SELECT count(*) FROM ec.saga WHERE name = 'before'") == 0);
    db_pass(300);
    assert_int_equal(count("SELECT count(*) FROM ec.inbox"), 1);
    assert_int_equal(count("SELECT count(*) FROM ec.saga"), 1);
    pg_server_run(db_server, "UPDATE ec.inbox SET state = 'done', lease_until = NULL");
    DB_UNTIL(count("SELECT count(*) FROM ec.inbox") == 0 && count("SELECT count(*) FROM ec.saga") == 0);
    db_close();
}

/* A repeat of a key while its row is there finds the saga, however long ago it ended. */
static void test_a_repeat_does_not_start_again(void **state)
{
    struct ended first, again;

    (void)state;
    begin();
    run_for_rounds();
    fake_start(&start_program, &first, "client/x/1", 10000);
    DB_UNTIL(first.over);
    assert_null(first.error);
    DB_UNTIL(ec_module_saga.idle(&ec_app));
    pg_server_run(db_server, "UPDATE ec.saga SET ended_at = now() - interval '6 days'");
    pg_server_run(db_server, "UPDATE ec.inbox SET created_at = now() - interval '6 days', state = 'running', reply = NULL, "
                             "lease_until = now() - interval '1 s'");
    db_pass(300);
    fake_start(&start_program, &again, "client/x/1", 10000);
    DB_UNTIL(again.over);
    assert_string_equal(again.out, first.out);
    assert_string_equal(fake->trail, "first/do second/do third/do");
    db_close();
}

static void test_no_table_is_scanned(void **state)
{
    (void)state;
    begin();
    sagas("recent", "done", "now() - random() * interval '6 days'", 20000);
    sagas("old", "done", "now() - interval '8 days'", 100);
    pg_server_run(db_server, "INSERT INTO ec.saga_step (saga_id, step, phase, state) SELECT id, 'first', 'do', 'done' FROM ec.saga");
    pg_server_run(db_server, "INSERT INTO ec.inbox (key, program, state, created_at) SELECT 'k' || i, 'p', 'done', "
                             "now() - random() * interval '6 days' FROM generate_series(1, 20000) i");
    pg_server_run(db_server, "ANALYZE ec.saga, ec.inbox, ec.saga_step");
    pg_server_run(db_server, "SELECT pg_stat_reset()");
    run_for_rounds();
    DB_UNTIL(count("SELECT n_tup_del FROM pg_stat_user_tables WHERE schemaname = 'ec' AND relname = 'saga'") == 100);
    DB_UNTIL(count("SELECT n_tup_del FROM pg_stat_user_tables WHERE schemaname = 'ec' AND relname = 'saga_step'") == 100);
    assert_int_equal(count("SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE schemaname = 'ec' AND relname IN ('saga', "
                           "'saga_step', 'inbox')"),
                     0);
    db_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_rows_go),
        cmocka_unit_test(test_a_known_key_keeps_its_saga),
        cmocka_unit_test(test_a_repeat_does_not_start_again),
        cmocka_unit_test(test_no_table_is_scanned),
    };

    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
