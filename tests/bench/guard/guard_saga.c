/* What a saga of three steps takes in the service that has it, from its start to its end, on a real PostgreSQL and with steps that are
 * answered at once: engine, group commit, libpq. One at a time, so that each commit has the same in it; how often the loop turns while it
 * waits is chance, so the least of several counts stands. tests/bench/guard.py counts.
 */
#include "guard.h"

#include "saga_fake.h"

enum { WARM = 10, TIMES = 1, COUNTS = 200 };

static const struct ec_module *const modules[] = {&ec_module_saga, NULL};

static void one(void)
{
    struct ended ended;

    fake_start(&start_program, &ended, NULL, 10000);
    DB_UNTIL(ended.over);
    assert_null(ended.error);
    DB_UNTIL(ec_module_saga.idle(&ec_app)); /* the answer of the last commit has come */
}

static void sagas(void **state)
{
    (void)state;
    fake_reset();
    fake_prepare(db_server);
    db_service.sagas = fake_sagas;
    db_open(modules);
    for (int i = 0; i < COUNTS; i++)
        GUARD("saga", i ? 0 : WARM, TIMES, one());
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM ec.saga WHERE state = 'done'"), WARM + COUNTS * TIMES);
    db_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sagas)};

    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
