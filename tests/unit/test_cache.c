/* Keyspaces: values that do not fit, drops that outlive an outage, and the put that comes too late. */
#include "cache_fixture.h"

static bool no_drops(void)
{
    return ec_cache_pending_drops() == 0;
}

static void test_put_get_drop(void **state)
{
    (void)state;
    act(GET, "a", 0);
    assert_false(found);
    act(PUT, "a", 41);
    act(PUT, "a", 42);
    act(GET, "a", 0);
    assert_true(found);
    assert_int_equal(found_n, 42);
    assert_string_equal(found_name, "a \"name\"");
    act(DROP, "a", 0);
    act(GET, "a", 0);
    assert_false(found);
}

static void test_value_that_does_not_fit(void **state)
{
    static const char *const values[] = {"", "{", "{\"n\":\"x\",\"name\":\"y\"}", "[]", "{\"n\":1}", "\xff"};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        raw("SET", "things:bad", values[i]);
        act(GET, "bad", 0);
        assert_false(found);
    }
    raw("DEL", "things:bad", NULL);
    raw("LPUSH", "things:bad", "not a string");
    act(GET, "bad", 0);
    assert_false(found);
}

/* One that reads nothing, is overtaken by a drop, and stores: nothing may be there. */
static struct ec_cache_version version;
static bool fetched;
static void on_fetched(void *data, bool answered, struct ec_str value, const struct ec_cache_version *at)
{
    (void)data;
    assert_true(answered);
    assert_null(value.p);
    version = *at;
    fetched = true;
}
static bool is_fetched(void)
{
    return fetched;
}
static bool stored;
static void on_stored(void *data)
{
    (void)data;
    stored = true;
}
static bool is_stored(void)
{
    return stored;
}

static void test_late_put_is_refused(void **state)
{
    const struct ec_str value = EC_STR("{\"n\":1,\"name\":\"old\"}");

    (void)state;
    for (int dropped = 1; dropped >= 0; dropped--) {
        fetched = stored = false;
        ec_cache_fetch(&things, EC_STR("late"), on_fetched, NULL);
        assert_true(fixture_until(is_fetched, 5000));
        if (dropped)
            act(DROP, "late", 0);
        ec_cache_store(&things, EC_STR("late"), value, &version, on_stored, NULL);
        assert_true(fixture_until(is_stored, 5000));
        act(GET, "late", 0);
        assert_int_equal(found, !dropped);
    }
}

/* A Redis that was started again has forgotten the drop, and its version with it. */
static void test_late_put_after_a_restart_is_refused(void **state)
{
    (void)state;
    fetched = stored = false;
    ec_cache_fetch(&things, EC_STR("later"), on_fetched, NULL);
    assert_true(fixture_until(is_fetched, 5000));
    act(DROP, "later", 0);
    fixture_redis_stop();
    assert_true(fixture_until(fixture_redis_is_down, 5000));
    fixture_redis_start();
    assert_true(fixture_until(fixture_redis_is_up, 10000));
    ec_cache_store(&things, EC_STR("later"), EC_STR("{\"n\":1,\"name\":\"old\"}"), &version, on_stored, NULL);
    assert_true(fixture_until(is_stored, 5000));
    act(GET, "later", 0);
    assert_false(found);
    act(PUT, "later", 2); /* of a read on this connection */
    act(GET, "later", 0);
    assert_int_equal(found_n, 2);
}

static void test_drop_outlives_an_outage(void **state)
{
    (void)state;
    act(PUT, "kept", 7);
    kill(fixture_redis_pid, SIGSTOP); /* hung: it keeps its data, and we can't reach it */
    act(DROP, "kept", 0);
    assert_int_equal(ec_cache_pending_drops(), 1);
    act(GET, "kept", 0);
    assert_false(found);
    act(PUT, "kept", 8);
    kill(fixture_redis_pid, SIGCONT);
    assert_true(fixture_until(fixture_redis_is_up, 10000));
    act(GET, "kept", 0);
    assert_false(found);
    assert_true(fixture_until(no_drops, 5000));
    act(PUT, "kept", 9);
    act(GET, "kept", 0);
    assert_int_equal(found_n, 9);
}

static void test_down_is_a_miss(void **state)
{
    (void)state;
    fixture_redis_stop();
    assert_true(fixture_until(fixture_redis_is_down, 5000));
    act(PUT, "x", 1);
    act(GET, "x", 0);
    assert_false(found);
    act(DROP, "x", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_get_drop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_value_that_does_not_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_put_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_put_after_a_restart_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drop_outlives_an_outage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_down_is_a_miss, setup, teardown),
    };

    ec_app.loop = uv_default_loop();
    return cmocka_run_group_tests(tests, NULL, fixture_redis_end);
}
