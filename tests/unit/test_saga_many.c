/* Many sagas at once: what they write is a few statements a commit (group_set.c), and each gets on as it would alone. */
#include "saga_fake.h"

enum { MANY = 1000, FEWER = 300, WINDOW = 64 };

static long told_of(const char *family, const char *statement)
{
    char label[64];

    snprintf(label, sizeof(label), "statement=\"%s\"", statement);
    return (long)ec_metric_value(ec_metric(EC_COUNTER, family, "", label));
}

/* What the sagas of a commit write is a few statements, none of which the server has refused. */
static void assert_sets(const char *const *sets)
{
    for (; *sets; sets++) {
        assert_in_range(told_of("ec_sql_requests_total", *sets), 1, MANY);
        assert_int_equal(told_of("ec_sql_errors_total", *sets), 0);
    }
}

static bool all_ended(const struct ended *ended, int n)
{
    int i;

    for (i = 0; i < n; i++)
        if (!ended[i].over)
            return false;
    return true;
}

/* Of many whose writes are one statement, some go back, and one is another replica's by now: each gets on as it would alone. */
static void test_many_ways(void **state)
{
    static struct ended ended[40];
    int i;

    (void)state;
    fake_begin();
    fake_answer(2, 0, REFUSES, 10); /* the first ten that come so far are undone */
    fake_answer(1, 0, HANGS, 40);
    for (i = 0; i < 40; i++)
        fake_start(&start_program, &ended[i], NULL, i == 0 ? 1500 : 20000);
    DB_UNTIL(fake->calls[1][0] == 40);
    pg_server_run(db_server, "UPDATE ec.saga SET fence = 7, owner = gen_random_uuid(), lease_until = now() + interval '1 h' "
                             "WHERE id = (SELECT min(id::text)::uuid FROM ec.saga)");
    fake->let_go = true;
    DB_UNTIL(pg_server_count(db_server, "SELECT count(*) FROM ec.saga WHERE state IN ('done', 'failed')") == 39);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.saga WHERE state = 'failed' AND error = 'full'"), 10);
    fake_assert_asked("SELECT string_agg(step || '/' || phase || '=' || state || ' ' || n, ' ' ORDER BY phase, step, state) FROM "
                "(SELECT s.step, phase, s.state, count(*) AS n FROM ec.saga_step s JOIN ec.saga ON id = saga_id WHERE fence <> 7 GROUP BY "
                "1, 2, 3) x",
                "first/do=done 39 second/do=done 39 third/do=done 29 third/do=failed 10 first/undo=done 10 second/undo=done 10");
    fake_assert_asked("SELECT string_agg(p.step || '=' || p.state, ' ' ORDER BY p.step) FROM ec.saga_step p JOIN ec.saga ON id = saga_id "
                "WHERE fence = 7",
                "first=done second=sent"); /* nothing was written for the one that is another's */
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM effects"), 39);
    assert_sets((const char *const[]){"ec.saga.advance_set", "ec.saga.compensate_set", "ec.saga.end_guarded_set", NULL});
    pg_server_run(db_server, "DELETE FROM ec.saga WHERE fence = 7");
    DB_UNTIL(all_ended(ended, 39) || ended[0].over);
    db_close();
}

static double run_many(int n)
{
    static struct ended many[MANY];
    uint64_t start = uv_hrtime();
    int i, next = 0, over = 0;

    memset(many, 0, sizeof(many));
    while (over < n) {
        while (next < n && next - over < WINDOW)
            fake_start(&start_program, &many[next++], NULL, 60000);
        db_turn();
        for (over = 0; over < next && many[over].over; over++)
            ;
    }
    for (i = 0; i < n; i++)
        assert_null(many[i].error);
    return n / ((double)(uv_hrtime() - start) / 1e9);
}

/* Started by one commit, each key once. */
static void test_many_starts(void **state)
{
    static struct ended ended[60];
    char key[32];
    int i;

    (void)state;
    fake_begin();
    for (i = 0; i < 60; i++) {
        snprintf(key, sizeof(key), "client/k%d", i);
        fake_start(&start_only_program, &ended[i], key, 20000);
    }
    DB_UNTIL(all_ended(ended, 60));
    fake_until_ended();
    for (i = 0; i < 60; i++)
        assert_null(ended[i].error);
    assert_sets((const char *const[]){"ec.inbox.barrier_set", "ec.inbox.reply_set", "ec.saga.start_set", NULL});
    assert_int_equal(
        pg_server_count(db_server, "SELECT count(*) FROM ec.saga JOIN ec.inbox ON reply->>'id' = id::text WHERE ec.saga.state = 'done'"),
        60);
    for (i = 0; i < 70; i++) { /* ten are new, and who asks again has the reply of the first time */
        snprintf(key, sizeof(key), "client/k%d", i);
        if (i >= 10)
            fake_start(&start_only_program, &ended[i - 10], key, 20000);
    }
    DB_UNTIL(all_ended(ended, 60));
    fake_until_ended();
    for (i = 0; i < 60; i++)
        assert_null(ended[i].error);
    assert_int_equal(
        pg_server_count(db_server, "SELECT count(*) FROM ec.saga JOIN ec.inbox ON reply->>'id' = id::text WHERE ec.saga.state = 'done'"),
        70);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM effects"), 70);
    for (i = 0; i < 60; i++) /* the end of one without programs is a write of the engine's */
        fake_start(&start_bare_program, &ended[i], NULL, 20000);
    DB_UNTIL(all_ended(ended, 60));
    fake_until_ended();
    assert_sets((const char *const[]){"ec.saga.end_set", "ec.saga.end_guarded_set", NULL});
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.saga WHERE name = 'bare' AND state = 'done'"), 60);
    db_close();
}

static void test_many(void **state)
{
    double grouped, alone;

    (void)state;
    fake_begin();
    grouped = run_many(MANY);
    assert_sets((const char *const[]){"ec.saga.advance_set", "ec.saga.end_guarded_set", NULL});
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.saga WHERE state = 'done'"), MANY);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM effects"), MANY);
    ec_group_limit = 1;
    alone = run_many(FEWER);
    ec_group_limit = 128;
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM effects"), MANY + FEWER);
    printf("sagas of three steps: %.0f/s with group commit, %.0f/s with a commit a write\n", grouped, alone);
    db_close();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_ways),
        cmocka_unit_test(test_many_starts),
        cmocka_unit_test(test_many),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
