/* group.c: units share commits, and only the one that fails fails. */
#include "db_test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "group.h"

enum { N = 50 };
struct unit {
    struct ec_group_unit unit;
    struct ec_arena *arena;
    bool over;
    int rows_seen;
};

static struct unit units[N];
static const struct ec_sql sql_put = {.name = "unit.put", .text = "INSERT INTO things (id) VALUES ($1::int) RETURNING id"};
static const struct ec_sql sql_keep = {.name = "unit.keep",
                                       .text = "INSERT INTO things (id) VALUES ($1::int) ON CONFLICT DO NOTHING RETURNING id"};
static const struct ec_sql sql_slow = {
    .name = "unit.slow", .text = "INSERT INTO things (id) SELECT $1::int FROM pg_sleep(0.7) ON CONFLICT DO NOTHING RETURNING id"};
static const struct ec_sql sql_lock = {.name = "unit.lock", .text = "UPDATE things SET id = id WHERE id = $1::int"};

static void unit_row(struct ec_group_unit *unit, const struct ec_pg_reply *reply)
{
    (void)reply;
    ((struct unit *)unit)->rows_seen++;
}

static void unit_done(struct ec_group_unit *unit)
{
    struct unit *own = (struct unit *)unit;

    assert_false(own->over);
    own->over = true;
    ec_arena_free(own->arena);
}

static void put(int i, const struct ec_sql *sql, int id)
{
    struct unit *unit = &units[i];

    memset(unit, 0, sizeof(*unit));
    unit->arena = ec_arena_new();
    unit->unit = (struct ec_group_unit){.sql = sql, .row = unit_row, .done = unit_done};
    assert_true(ec_pg_encode(unit->arena, EC_PARAMS(ec_param_int(id)), &unit->unit.values));
    ec_group_submit(&unit->unit);
}

static bool all_over(int n)
{
    int i;

    for (i = 0; i < n; i++)
        if (!units[i].over)
            return false;
    return true;
}

static double commits(void)
{
    return ec_metric_value(ec_metric(EC_COUNTER, "ec_group_commits_total", "Commits of the group lane.", NULL));
}

static void prepare(void)
{
    pg_server_run(db_server, "DROP TABLE IF EXISTS things; CREATE TABLE things (id int PRIMARY KEY)");
    db_open(NULL);
    put(0, &sql_keep, 1000); /* the lane is up */
    DB_UNTIL(units[0].over);
}

static long stored(void)
{
    return pg_server_count(db_server, "SELECT count(*) FROM things WHERE id < 1000");
}

static void test_share(void **state)
{
    double before;
    int i;

    (void)state;
    prepare();
    before = commits();
    for (i = 0; i < N; i++)
        put(i, &sql_put, i);
    DB_UNTIL(all_over(N));
    assert_int_equal((int)(commits() - before), 1);
    for (i = 0; i < N; i++) {
        assert_null(units[i].unit.error);
        assert_int_equal(units[i].unit.rows, 1);
    }
    assert_int_equal(stored(), N);
    assert_int_equal(pg_server_count(db_server, "SELECT count(DISTINCT xmin::text) FROM things WHERE id < 1000"), 1);
    put(0, &sql_keep, 3); /* nothing touched is no failure */
    DB_UNTIL(units[0].over);
    assert_null(units[0].unit.error);
    assert_int_equal(units[0].unit.rows, 0);
    db_close();
}

static void test_one_fails(void **state)
{
    int i;

    (void)state;
    prepare();
    for (i = 0; i < N; i++)
        put(i, &sql_put, i == 20 ? 1000 : i);
    DB_UNTIL(all_over(N));
    for (i = 0; i < N; i++) {
        if (i == 20)
            assert_ptr_equal(units[i].unit.error, &ec_error_internal);
        else
            assert_null(units[i].unit.error);
    }
    assert_int_equal(stored(), N - 1);
    db_close();
}

static void test_gathers(void **state)
{
    double before;
    int i;

    (void)state;
    prepare();
    before = commits();
    put(0, &sql_slow, 0);
    db_pass(50);
    for (i = 1; i < N; i++) { /* in many turns, while the first is under way */
        put(i, &sql_put, i);
        db_turn();
    }
    DB_UNTIL(all_over(N));
    assert_int_equal((int)(commits() - before), 2);
    assert_int_equal(stored(), N);
    db_close();
}

static void test_lost(void **state)
{
    int i;

    (void)state;
    prepare();
    put(0, &sql_slow, 0);
    for (i = 1; i < N; i++)
        put(i, &sql_keep, i);
    DB_UNTIL(pg_server_count(db_server,
                             "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.7)%' AND pid <> pg_backend_pid()") == 1);
    pg_server_run(db_server,
                  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.7)%' AND pid <> pg_backend_pid()");
    DB_UNTIL(all_over(N));
    for (i = 0; i < N; i++)
        assert_null(units[i].unit.error);
    assert_int_equal(stored(), N);
    db_close();
}

/* A stranger holds a row: whoever wants it fails, the others don't. */
static void test_lock(void **state)
{
    pid_t holder;
    int i;

    (void)state;
    prepare();
    holder = fork();
    if (holder == 0) {
        pg_server_run(db_server, "BEGIN; UPDATE things SET id = id WHERE id = 1000; SELECT pg_sleep(4); ROLLBACK");
        _exit(0);
    }
    DB_UNTIL(pg_server_count(db_server,
                             "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(4)%' AND pid <> pg_backend_pid()") == 1);
    db_pass(50);
    for (i = 0; i < N; i++)
        put(i, i == 7 ? &sql_lock : &sql_put, i == 7 ? 1000 : i);
    DB_UNTIL(all_over(N));
    for (i = 0; i < N; i++) {
        if (i == 7)
            assert_ptr_equal(units[i].unit.error, &ec_error_unavailable);
        else
            assert_null(units[i].unit.error);
    }
    waitpid(holder, NULL, 0);
    db_close();
}

static void test_down(void **state)
{
    (void)state;
    prepare();
    pg_server_halt(db_server);
    put(0, &sql_put, 0);
    DB_UNTIL(units[0].over);
    assert_ptr_equal(units[0].unit.error, &ec_error_unavailable);
    pg_server_resume(db_server);
    DB_UNTIL(ec_module_pg.not_ready(&ec_app) == NULL);
    do {
        put(0, &sql_keep, 0);
        DB_UNTIL(units[0].over);
    } while (units[0].unit.error);
    assert_int_equal(stored(), 1);
    db_close();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share), cmocka_unit_test(test_one_fails), cmocka_unit_test(test_gathers),
        cmocka_unit_test(test_lost),  cmocka_unit_test(test_lock),      cmocka_unit_test(test_down),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
