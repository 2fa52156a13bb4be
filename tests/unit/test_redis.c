/* The connection to Redis: pipelining, scripts, a server that goes, that hangs, that comes back. */
#include "redis_fixture.h"

static struct {
    int done, failed;
    char text[64];
    int64_t i;
    enum ec_redis_type type;
} got;
static int wanted;

static bool all_done(void)
{
    return got.done + got.failed >= wanted;
}

static void on_reply(void *data, const struct ec_redis_reply *reply)
{
    (void)data;
    if (!reply) {
        got.failed++;
        return;
    }
    got.done++;
    got.type = reply->type;
    got.i = reply->i;
    snprintf(got.text, sizeof(got.text), "%.*s", (int)reply->text.n, reply->text.p ? reply->text.p : "");
}

static void await(int n)
{
    wanted = n;
    assert_true(fixture_until(all_done, 5000));
}

static void forget(void)
{
    memset(&got, 0, sizeof(got));
}

static int setup(void **state)
{
    (void)state;
    forget();
    fixture_redis_begin();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_module_stop();
    return 0;
}

static void test_values_are_binary(void **state)
{
    struct ec_str value = EC_STR("a\0b\r\n%s");

    (void)state;
    EC_REDIS(on_reply, NULL, EC_STR("SET"), EC_STR("k"), value);
    EC_REDIS(on_reply, NULL, EC_STR("STRLEN"), EC_STR("k"));
    assert_int_equal(got.done, 0); /* never inside the call */
    await(2);
    assert_int_equal(got.i, (int)value.n);
}

static void test_many_in_one_turn(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++)
        EC_REDIS(on_reply, NULL, EC_STR("INCR"), EC_STR("many"));
    await(5000);
    assert_int_equal(got.failed, 0);
    assert_int_equal(got.i, 5000);
}

static void test_script_survives_flush(void **state)
{
    static struct ec_redis_script script = {.text = "return redis.call('INCRBY', KEYS[1], ARGV[1])"};

    (void)state;
    ec_redis_script_add(&script);
    EC_REDIS(on_reply, NULL, EC_STR("PING"));
    await(1);
    assert_int_equal(strlen(script.sha), 40);
    EC_REDIS(on_reply, NULL, EC_STR("SCRIPT"), EC_STR("FLUSH"));
    ec_redis_eval(&script, 3, (struct ec_str[]){EC_STR("1"), EC_STR("s"), EC_STR("7")}, on_reply, NULL);
    await(3);
    assert_int_equal(got.i, 7);
}

static void test_server_error_is_a_reply(void **state)
{
    (void)state;
    EC_REDIS(on_reply, NULL, EC_STR("NOSUCH"));
    await(1);
    assert_int_equal(got.type, EC_REDIS_ERROR);
}

static void test_down_fails_and_comes_back(void **state)
{
    (void)state;
    fixture_redis_stop();
    assert_true(fixture_until(fixture_redis_is_down, 5000));
    EC_REDIS(on_reply, NULL, EC_STR("PING"));
    assert_int_equal(got.failed, 0);
    await(1);
    assert_int_equal(got.failed, 1);
    fixture_redis_start();
    assert_true(fixture_until(fixture_redis_is_up, 10000));
    forget();
    EC_REDIS(on_reply, NULL, EC_STR("PING"));
    await(1);
    assert_int_equal(got.done, 1);
}

static void test_hung_server_is_found(void **state)
{
    (void)state;
    kill(fixture_redis_pid, SIGSTOP);
    EC_REDIS(on_reply, NULL, EC_STR("GET"), EC_STR("k"));
    await(1);
    assert_int_equal(got.failed, 1);
    assert_false(ec_redis_up());
    kill(fixture_redis_pid, SIGCONT);
    assert_true(fixture_until(fixture_redis_is_up, 10000));
}

static void test_hung_idle_server_is_found(void **state)
{
    (void)state;
    kill(fixture_redis_pid, SIGSTOP);
    assert_true(fixture_until(fixture_redis_is_down, 5000)); /* by our own PING */
    kill(fixture_redis_pid, SIGCONT);
    assert_true(fixture_until(fixture_redis_is_up, 10000));
}

static void test_stop_with_commands_in_flight(void **state)
{
    (void)state;
    EC_REDIS(on_reply, NULL, EC_STR("PING"));
    fixture_module_stop();
    assert_int_equal(got.failed, 1);
    fixture_module_start();
}

static void test_urls(void **state)
{
    static const char *const good[] = {"redis://localhost", "redis://:p%40ss@127.0.0.1:6379/3", "redis://u:p@[::1]:1", "unix:///tmp/x.sock"};
    static const char *const bad[] = {"http://x", "redis://", "redis://h:0", "redis://h:99999", "redis://h/x", "rediss://h"};
    const char *why;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(ec_redis_configure(good[i], &why));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(ec_redis_configure(bad[i], &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test_setup_teardown(test_values_are_binary, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_in_one_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_script_survives_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_error_is_a_reply, setup, teardown),
        cmocka_unit_test_setup_teardown(test_down_fails_and_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hung_server_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hung_idle_server_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_with_commands_in_flight, setup, teardown),
    };

    ec_app.loop = uv_default_loop();
    return cmocka_run_group_tests(tests, NULL, fixture_redis_end);
}
