/* Many sagas side by side: their writes share commits and statements, and what is stored is what each alone would store. */
#include "saga_fake.h"

enum { MANY = 1000, FEWER = 300, WINDOW = 64 };

static double run_many(const struct ec_program *program, int n, bool works)
{
    static struct ended many[MANY];
    uint64_t start = uv_hrtime();
    int i, next = 0, over = 0;

    memset(many, 0, sizeof(many));
    while (over < n) {
        while (next < n && next - over < WINDOW)
            fake_start(program, &many[next++], NULL, 60000);
        db_turn();
        for (over = 0; over < next && many[over].over; over++)
            ;
    }
    for (i = 0; i < n; i++)
        assert_true(!many[i].error == works);
    return n / ((double)(uv_hrtime() - start) / 1e9);
}

/* Different rows that there are, but for ids and times, each saga with its steps. */
static const char sql_kinds[] =
    "SELECT count(DISTINCT row(s.name, s.version, s.state, s.step, s.error, s.detail, s.owner IS NULL, s.fence, s.lease_until IS NULL, "
    "s.next_at, s.attempts, s.last_error, s.ended_at IS NULL, (SELECT string_agg(row(p.step, p.phase, p.state, p.attempts, p.reply IS NULL, "
    "p.error)::text, ' ' ORDER BY p.at, p.step, p.phase) FROM ec.saga_step p WHERE p.saga_id = s.id))::text) FROM ec.saga s";

static double asked_for_many(const char *statement)
{
    char label[80];

    snprintf(label, sizeof(label), "statement=\"%s\"", statement);
    return ec_metric_value(ec_metric(EC_COUNTER, "ec_sql_requests_total", "SQL statements that were answered", label));
}

static void test_many(void **state)
{
    double grouped, alone;

    (void)state;
    fake_begin();
    grouped = run_many(&start_program, MANY, true);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.saga WHERE state = 'done'"), MANY);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM effects"), MANY);
    assert_true(asked_for_many("ec.saga.advance.many") > 0);
    assert_true(asked_for_many("ec.saga.end_guarded.many") > 0);
    ec_group_limit = 1;
    alone = run_many(&start_program, FEWER, true);
    ec_group_limit = 128;
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM effects"), MANY + FEWER);
    assert_int_equal(pg_server_count(db_server, sql_kinds), 1); /* together and alone store the same */
    printf("sagas of three steps: %.0f/s with group commit, %.0f/s with a commit a write\n", grouped, alone);
    db_close();
}

static void test_many_fail(void **state)
{
    (void)state;
    fake_begin();
    fake_answer(2, 0, REFUSES, 2 * FEWER);
    run_many(&start_program, FEWER, false);
    ec_group_limit = 1;
    run_many(&start_program, FEWER, false);
    ec_group_limit = 128;
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.saga WHERE state = 'failed'"), 2 * FEWER);
    assert_int_equal(pg_server_count(db_server, sql_kinds), 1);
    db_close();
}

static bool all_bare_ended(void)
{
    return pg_server_count(db_server, "SELECT count(*) FROM ec.saga WHERE state = 'done'") == 2 * FEWER;
}

static void test_many_bare(void **state)
{
    (void)state;
    fake_begin();
    run_many(&start_only_program, FEWER, true);
    assert_true(asked_for_many("ec.saga.start.many") > 0);
    assert_true(asked_for_many("ec.saga.end.many") > 0);
    ec_group_limit = 1;
    run_many(&start_only_program, FEWER, true);
    ec_group_limit = 128;
    DB_UNTIL(all_bare_ended());
    assert_int_equal(pg_server_count(db_server, sql_kinds), 1);
    db_close();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many), cmocka_unit_test(test_many_fail), cmocka_unit_test(test_many_bare)};

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
