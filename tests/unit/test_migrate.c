/* migrate and check-sql. */
#include "db_test.h"

#include "random.h"
#include "schema.h"

static char sums[4][65];
static struct ec_migration list[] = {
    {"000001_initial", "CREATE TABLE fruit (name text PRIMARY KEY);", "DROP TABLE fruit;", sums[0]},
    {"000002_colour", "ALTER TABLE fruit ADD colour text; INSERT INTO fruit VALUES ('old', 'grey');", "ALTER TABLE fruit DROP colour;",
     sums[1]},
    {NULL, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

static void sum(void)
{
    uint8_t hash[32];
    int i;

    for (i = 0; list[i].version; i++) {
        ec_sha256(list[i].up, strlen(list[i].up), hash);
        ec_hex(hash, 32, sums[i]);
    }
}

static int check_sql(void)
{
    char *argv[] = {(char *)"check-sql", NULL};

    return ec_migrate_commands[1].run(&ec_app, 1, argv);
}

static void test_up(void **state)
{
    (void)state;
    sum();
    db_service.migrations = list;
    db_open_unready(NULL); /* a process that runs already sees that it is older than its binary */
    DB_UNTIL(ec_module_pg.not_ready(&ec_app) && strstr(ec_module_pg.not_ready(&ec_app), "lacks migration 000001_initial"));
    assert_int_equal(db_migrate("up", NULL), 0);
    DB_UNTIL(ec_module_pg.not_ready(&ec_app) == NULL);
    db_close();
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.schema_migrations"), (int64_t)ec_schema_own + 2);
    assert_int_equal(db_migrate("up", NULL), 0);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM fruit"), 1); /* not again */
    assert_int_equal(db_migrate("status", NULL), 0);
    assert_int_equal(db_migrate("sideways", NULL), 64);
    assert_int_equal(db_migrate("down", "--seed"), 64);
}

static void test_seed(void **state)
{
    (void)state;
    db_service.seed = "INSERT INTO fruit VALUES ('fig', 'blue') ON CONFLICT DO NOTHING; INSERT INTO fruit VALUES ('kiwi', 'green') ON "
                      "CONFLICT DO NOTHING;";
    assert_int_equal(db_migrate("up", "--seed"), 0);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM fruit"), 3);
    db_service.seed = "INSERT INTO fruit VALUES ('plum', 'blue'); INSERT INTO nowhere VALUES (1);";
    assert_int_equal(db_migrate("up", "--seed"), 1);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM fruit"), 3); /* one transaction */
    db_service.seed = NULL;
}

static void test_failure_leaves_nothing(void **state)
{
    (void)state;
    list[2] = (struct ec_migration){"000003_bad", "ALTER TABLE fruit ADD taste text; SELECT wrong;", NULL, sums[2]};
    sum();
    assert_int_equal(db_migrate("up", NULL), 1);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM information_schema.columns WHERE table_name = 'fruit'"), 2);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.schema_migrations"), (int64_t)ec_schema_own + 2);
    list[2] = (struct ec_migration){NULL, NULL, NULL, NULL};
}

static void test_changed(void **state)
{
    const char *up = list[1].up;

    (void)state;
    list[1].up = "ALTER TABLE fruit ADD color text;";
    sum();
    assert_int_equal(db_migrate("up", NULL), 1);
    assert_int_equal(db_migrate("status", NULL), 1);
    assert_int_equal(db_migrate("down", NULL), 1);
    list[1].up = up;
    sum();
}

static void test_check_sql(void **state)
{
    static const struct ec_field fields[] = {{.name = "name", .kind = EC_TEXT}, {.name = "colour", .kind = EC_TEXT, .offset = 16}};
    static const struct ec_record two = {.name = "Two", .size = 32, .fields = fields, .nfields = 2};
    static const struct ec_sql good = {.name = "fruit.good", .text = "SELECT name, colour FROM fruit WHERE name = $1", .row = &two};
    static const struct ec_sql bad = {.name = "fruit.bad", .text = "SELECT name, weight FROM fruit", .row = &two};
    static const struct ec_sql narrow = {.name = "fruit.narrow", .text = "SELECT name FROM fruit", .row = &two};

    (void)state;
    db_service.statements = (const struct ec_sql *const[]){&good, NULL};
    assert_int_equal(check_sql(), 0);
    db_service.statements = (const struct ec_sql *const[]){&good, &bad, NULL};
    assert_int_equal(check_sql(), 1);
    db_service.statements = (const struct ec_sql *const[]){&narrow, NULL};
    assert_int_equal(check_sql(), 1);
    db_service.statements = NULL;
}

static void test_down(void **state)
{
    (void)state;
    assert_int_equal(db_migrate("down", NULL), 0);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM information_schema.columns WHERE table_name = 'fruit'"), 1);
    assert_int_equal(db_migrate("down", NULL), 0);
    assert_int_equal(db_migrate("down", NULL), 0); /* the runtime's own */
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM pg_constraint WHERE conname = 'saga_step_saga_id_fkey' AND "
                                                "confdeltype = 'c'"), 1);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM pg_trigger WHERE tgname = 'saga_gone'"), 0);
    assert_int_equal(db_migrate("down", NULL), 0);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM pg_proc WHERE proname = 'inbox_hold'"), 0);
    assert_int_equal(db_migrate("down", NULL), 0);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM pg_proc WHERE pronamespace = 'ec'::regnamespace"), 0);
    assert_int_equal(db_migrate("down", NULL), 0);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM pg_class WHERE relname = 'saga_decision'"), 0);
    assert_int_equal(db_migrate("down", NULL), 0);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM pg_indexes WHERE indexname = 'saga_ended'"), 0);
    assert_int_equal(db_migrate("down", NULL), 0); /* the first of them takes the record of itself along */
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM pg_namespace WHERE nspname = 'ec'"), 0);
    assert_int_equal(db_migrate("down", NULL), 0);
    assert_int_equal(db_migrate("status", NULL), 0);
    assert_int_equal(db_migrate("up", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_up),      cmocka_unit_test(test_seed),      cmocka_unit_test(test_failure_leaves_nothing),
        cmocka_unit_test(test_changed), cmocka_unit_test(test_check_sql), cmocka_unit_test(test_down),
    };

    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
