/* The connection to Redis: pipelining, scripts, a server that goes, that hangs, that comes back. */
#include <dlfcn.h>
#include <netdb.h>

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

static void on_large(void *data, const struct ec_redis_reply *reply)
{
    assert_int_equal(reply->text.n, 8 << 20);
    assert_memory_equal(reply->text.p, data, reply->text.n);
    on_reply(NULL, reply);
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

/* Both more than a socket takes at once. */
static void test_large_values(void **state)
{
    enum { LARGE = 8 << 20 };
    char *value = malloc(LARGE);

    (void)state;
    memset(value, 'v', LARGE);
    EC_REDIS(on_reply, NULL, EC_STR("SET"), EC_STR("large"), {value, LARGE});
    EC_REDIS(on_large, value, EC_STR("GET"), EC_STR("large"));
    EC_REDIS(on_reply, NULL, EC_STR("STRLEN"), EC_STR("large"));
    await(3);
    assert_int_equal(got.failed, 0);
    assert_int_equal(got.i, LARGE);
    free(value);
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

/* In place of the C library's: a host whose first address nobody listens at. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **), r;

    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!host || strcmp(host, "two-addresses.test"))
        return next(host, port, hints, found);
    if ((r = next("127.0.0.2", port, hints, found)) == 0)
        r = next("127.0.0.1", port, hints, &(*found)->ai_next);
    return r;
}

static void test_a_host_with_two_addresses(void **state)
{
    const char *why = "";
    char url[64];

    (void)state;
    fixture_module_stop();
    snprintf(url, sizeof(url), "redis://two-addresses.test:%d", fixture_port);
    assert_true(ec_redis_configure(url, &why));
    assert_int_equal(ec_module_redis.start(&ec_app, &why), 0);
    assert_true(fixture_until(fixture_redis_is_up, 5000));
}

/* A server that answers as it is told to; the module is greeted by it. */
static int strange_listener, strange_peer;

static bool strange_is_there(void)
{
    strange_peer = accept4(strange_listener, NULL, NULL, SOCK_NONBLOCK);
    return strange_peer >= 0;
}

static void strange_begin(const char *greeting)
{
    struct sockaddr_in address;
    const char *why = "";
    char url[64];

    forget();
    strange_listener = fixture_listen(SOCK_NONBLOCK, &address);
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d", ntohs(address.sin_port));
    assert_true(ec_redis_configure(url, &why));
    assert_int_equal(ec_module_redis.start(&ec_app, &why), 0);
    assert_true(fixture_until(strange_is_there, 5000));
    assert_int_equal(send(strange_peer, greeting, strlen(greeting), 0), (ssize_t)strlen(greeting));
}

static void strange_end(void)
{
    fixture_module_stop();
    close(strange_peer);
    close(strange_listener);
}

#define GREETED "*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n+PONG\r\n"

static void test_an_answer_that_nobody_waits_for(void **state)
{
    (void)state;
    strange_begin(GREETED);
    assert_true(fixture_until(fixture_redis_is_up, 5000));
    assert_int_equal(send(strange_peer, ":1\r\n", 4, 0), 4);
    assert_true(fixture_until(fixture_redis_is_down, 5000));
    strange_end();
}

static void test_a_greeting_that_is_refused(void **state)
{
    (void)state;
    strange_begin("-NOAUTH\r\n-NOAUTH Authentication required.\r\n");
    assert_true(fixture_until(strange_is_there, 5000)); /* it comes again */
    assert_false(ec_redis_up());
    strange_end();
}

/* Whoever is told that the connection is gone asks again: that fails, too, and in a turn of its own. */
static void ask_again(void *data, const struct ec_redis_reply *reply)
{
    int *left = data;

    assert_null(reply);
    got.failed++;
    if ((*left)-- > 0) {
        int before = got.failed;
        EC_REDIS(ask_again, left, EC_STR("GET"), EC_STR("k"));
        assert_int_equal(got.failed, before);
    }
}

static void test_who_asks_again_when_it_is_lost(void **state)
{
    int left = 5;

    (void)state;
    strange_begin(GREETED);
    assert_true(fixture_until(fixture_redis_is_up, 5000));
    EC_REDIS(ask_again, &left, EC_STR("GET"), EC_STR("k"));
    EC_REDIS(on_reply, NULL, EC_STR("GET"), EC_STR("k"));
    shutdown(strange_peer, SHUT_RDWR);
    await(7);
    assert_int_equal(got.failed, 7);
    strange_end();
}

static void test_urls(void **state)
{
    static const char *const good[] = {"redis://localhost", "redis://:p%40ss@127.0.0.1:6379/3", "redis://u:p@[::1]:1", "unix:///tmp/x.sock"};
    char long_path[256];
    static const char *const bad[] = {"http://x", "redis://", "redis://h:0", "redis://h:99999", "redis://h/x", "rediss://h"};
    const char *why;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(ec_redis_configure(good[i], &why));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(ec_redis_configure(bad[i], &why));
    for (int n = 107; n <= 108; n++) { /* unix(7) */
        snprintf(long_path, sizeof(long_path), "unix:///%0*d", n - 1, 0);
        assert_int_equal(ec_redis_configure(long_path, &why), n == 107);
    }
    assert_non_null(strstr(why, "107 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_an_answer_that_nobody_waits_for),
        cmocka_unit_test(test_a_greeting_that_is_refused),
        cmocka_unit_test(test_who_asks_again_when_it_is_lost),
        cmocka_unit_test_setup_teardown(test_values_are_binary, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_in_one_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_script_survives_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_error_is_a_reply, setup, teardown),
        cmocka_unit_test_setup_teardown(test_down_fails_and_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hung_server_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hung_idle_server_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_host_with_two_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_with_commands_in_flight, setup, teardown),
    };

    ec_app.loop = uv_default_loop();
    return cmocka_run_group_tests(tests, NULL, fixture_redis_end);
}
