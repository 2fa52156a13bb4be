/* Bytes to and from Redis, by a server that sends what it is told, in pieces as it is told: replies that come cut, nested, wrong, or after
 * their connection was closed; commands that leave together, and those that a full socket does not take. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "redis_fixture.h"
#include "redis_render.h"
#include "redis_wire.h"

static struct {
    struct ec_redis_wire *wire;
    struct sockaddr_in address;
    int listener, peer, opened, lost;
    struct ec_buf replies;
    char why[128];
    bool close_at_reply;
} now;

static const char *said(void)
{
    ec_buf_add(&now.replies, "", 1);
    now.replies.n--;
    return now.replies.p;
}

static void hang_up(void)
{
    ec_redis_wire_close(now.wire);
    now.wire = NULL;
}

static void on_open(void)
{
    now.opened++;
}

static void on_reply(const struct ec_redis_reply *reply, uint64_t now_ns)
{
    assert_true(now_ns <= uv_hrtime());
    redis_render(&now.replies, reply);
    ec_buf_str(&now.replies, "\n");
    if (now.close_at_reply)
        hang_up();
}

static void on_lost(const char *why)
{
    now.lost++;
    snprintf(now.why, sizeof(now.why), "%s", why);
    hang_up();
}

static const struct ec_redis_wire_calls calls = {.open = on_open, .reply = on_reply, .lost = on_lost};

static bool is_open(void)
{
    return now.opened == 1;
}

static bool is_lost(void)
{
    return now.lost > 0;
}

static void turns(int n)
{
    for (int i = 0; i < n; i++)
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
}

/* In place of the connection that there is. */
static void open_at(const struct sockaddr_in *address, const char *path)
{
    const char *why = NULL;

    if (now.wire)
        hang_up();
    now.opened = 0;
    now.wire = ec_redis_wire_open(ec_app.loop, (const struct sockaddr *)address, path, &calls, &why);
    assert_non_null(now.wire);
}

static int setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof(now));
    now.listener = fixture_listen(0, &now.address);
    open_at(&now.address, NULL);
    assert_true(fixture_until(is_open, 5000));
    now.peer = accept(now.listener, NULL, NULL);
    assert_true(now.peer >= 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (now.wire)
        hang_up();
    turns(5);
    close(now.peer);
    close(now.listener);
    ec_buf_free(&now.replies);
    return 0;
}

static void tell(const char *bytes, size_t n)
{
    assert_int_equal(send(now.peer, bytes, n, 0), (ssize_t)n);
}

static size_t wanted;

static bool has_said(void)
{
    return now.replies.n >= wanted;
}

static void await(const char *replies)
{
    wanted = strlen(replies);
    assert_true(fixture_until(has_said, 5000));
    turns(2);
    assert_string_equal(said(), replies);
}

#define EVERY_KIND "+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n*3\r\n:1\r\n*2\r\n$1\r\nx\r\n*1\r\n-E\r\n$-1\r\n"
#define AS_TEXT "+OK\n-ERR no\n-7\n'a\r\n'\n''\nnil\nnil\n[]\n[1 ['x' [-E]] nil]\n"

static void test_every_kind_however_cut(void **state)
{
    struct ec_buf out = {0};

    (void)state;
    for (size_t step = 1; step < sizeof(EVERY_KIND); step++) {
        out.n = 0;
        assert_true(redis_render_all(&out, EVERY_KIND, sizeof(EVERY_KIND) - 1, step));
        assert_int_equal(out.n, sizeof(AS_TEXT) - 1);
        assert_memory_equal(out.p, AS_TEXT, out.n);
    }
    ec_buf_free(&out);
}

static void test_what_is_not_redis(void **state)
{
    /* The length of an array alone must not take memory. */
    static const char *const wrong[] = {"HTTP/1.1 400\r\n", "+a\r\n!", ":x\r\n", "*2000000000\r\n", "*1048577\r\n", "$-2\r\n", "*1\r\n?"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct ec_buf out = {0};
        assert_false(redis_render_all(&out, wrong[i], strlen(wrong[i]), 100));
        assert_int_equal(out.n, wrong[i][0] == '+' ? 3 : 0);
        ec_buf_free(&out);
    }
}

static long most_memory_kb(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* 100 MB of replies that were handed out are not kept. */
static void test_a_reply_ends_with_the_next(void **state)
{
    static const char text[] =
        "*2\r\n:1\r\n$100\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n";
    struct ec_redis_reader *reader = ec_redis_reader_new();
    long before = most_memory_kb();

    (void)state;
    for (int i = 0; i < 500000; i++) {
        ec_redis_reader_feed(reader, text, sizeof(text) - 1);
        assert_non_null(ec_redis_reader_next(reader));
        assert_null(ec_redis_reader_next(reader));
    }
    assert_true(most_memory_kb() - before < 20000);
    ec_redis_reader_free(reader);
}

static void test_replies_in_one_read_and_cut(void **state)
{
    (void)state;
    tell(EVERY_KIND, sizeof(EVERY_KIND) - 1);
    await(AS_TEXT);
    for (size_t i = 0; i < sizeof(EVERY_KIND) - 1; i++) {
        tell(&EVERY_KIND[i], 1);
        turns(2);
    }
    await(AS_TEXT AS_TEXT);
    assert_int_equal(now.lost, 0);
}

static void test_closed_in_a_reply(void **state)
{
    (void)state;
    now.close_at_reply = true;
    tell(":1\r\n:2\r\n:3\r\n", 12);
    await("1\n");
    turns(20);
    assert_string_equal(said(), "1\n");
    assert_int_equal(now.lost, 0); /* whoever closes is not told */
}

static void test_wrong_bytes_lose_it(void **state)
{
    (void)state;
    tell(":1\r\n?\r\n:3\r\n", 11);
    assert_true(fixture_until(is_lost, 5000));
    turns(20);
    assert_string_equal(said(), "1\n");
    assert_int_equal(now.lost, 1);
    assert_non_null(strstr(now.why, "Protocol error"));
}

static void test_end_of_the_server(void **state)
{
    (void)state;
    tell(":1\r\n*2\r\n:2\r\n", 12); /* the second one is not whole */
    shutdown(now.peer, SHUT_RDWR);
    assert_true(fixture_until(is_lost, 5000));
    assert_string_equal(said(), "1\n");
    assert_string_equal(now.why, "the server has closed the connection");
}

static void test_nobody_listens(void **state)
{
    (void)state;
    now.address.sin_port = htons((uint16_t)fixture_free_port());
    open_at(&now.address, NULL);
    assert_true(fixture_until(is_lost, 5000));
    assert_int_equal(now.opened, 0);
    assert_string_equal(now.why, "connection refused");
}

static void test_closed_while_it_connects(void **state)
{
    (void)state;
    open_at(&now.address, NULL);
    hang_up();
    turns(20);
    assert_int_equal(now.opened + now.lost, 0);
}

static void test_unix_socket(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/ec-redis-wire-%d.sock", (int)getpid());
    unlink(address.sun_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    open_at(NULL, address.sun_path);
    assert_true(fixture_until(is_open, 5000));
    close(now.peer);
    now.peer = accept(fd, NULL, NULL);
    tell("+OK\r\n", 5);
    await("+OK\n");
    unlink(address.sun_path);
    close(fd);
}

static void test_what_belongs_together_leaves_together(void **state)
{
    static const char both[] = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*3\r\n$3\r\nSET\r\n$12\r\nabcdefghijkl\r\n$0\r\n\r\n";
    char got[256];

    (void)state;
    ec_redis_wire_send(now.wire, 2, (struct ec_str[]){EC_STR("GET"), EC_STR("a")});
    ec_redis_wire_send(now.wire, 3, (struct ec_str[]){EC_STR("SET"), EC_STR("abcdefghijkl"), {0}});
    assert_int_equal(recv(now.peer, got, sizeof(got), MSG_DONTWAIT), -1); /* not before the turn is over */
    turns(1);
    assert_int_equal(recv(now.peer, got, sizeof(got), 0), sizeof(both) - 1);
    assert_memory_equal(got, both, sizeof(both) - 1);
}

enum { LARGE = 16 << 20, LINES = 3 };

/* The socket is full after the first command; two more are sent meanwhile, the last one while the rest is leaving. */
static void test_a_full_socket(void **state)
{
    struct ec_buf value = {0}, expected = {0}, got = {0};

    (void)state;
    ec_buf_reserve(&value, LARGE);
    value.n = LARGE;
    for (int i = 0; i < LINES; i++) {
        memset(value.p, 'a' + i, LARGE);
        ec_redis_wire_send(now.wire, 1, (struct ec_str[]){{value.p, value.n}});
        ec_buf_str(&expected, "*1\r\n$16777216\r\n");
        ec_buf_add(&expected, value.p, value.n);
        ec_buf_str(&expected, "\r\n");
        turns(3);
    }
    ec_buf_reserve(&got, expected.n + 1);
    assert_int_equal(fcntl(now.peer, F_SETFL, O_NONBLOCK), 0);
    for (int idle = 0; got.n < expected.n && idle < 100000;) {
        ssize_t n = recv(now.peer, got.p + got.n, expected.n + 1 - got.n, 0);
        got.n += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        turns(1);
    }
    turns(5);
    assert_int_equal(got.n, expected.n);
    assert_memory_equal(got.p, expected.p, expected.n);
    assert_int_equal(recv(now.peer, got.p, 1, 0), -1); /* and no more */
    tell("+OK\r\n", 5);
    await("+OK\n");
    ec_buf_free(&value);
    ec_buf_free(&expected);
    ec_buf_free(&got);
}

static void test_lost_with_a_full_socket(void **state)
{
    struct ec_buf value = {0};

    (void)state;
    ec_buf_reserve(&value, LARGE);
    memset(value.p, 'x', LARGE);
    ec_redis_wire_send(now.wire, 1, (struct ec_str[]){{value.p, LARGE}});
    turns(3);
    assert_int_equal(now.lost, 0);
    close(now.peer); /* with bytes that nobody has read: a reset */
    now.peer = dup(now.listener);
    assert_true(fixture_until(is_lost, 5000));
    turns(20);
    assert_int_equal(now.lost, 1);
    ec_buf_free(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_however_cut),
        cmocka_unit_test(test_what_is_not_redis),
        cmocka_unit_test(test_a_reply_ends_with_the_next),
        cmocka_unit_test_setup_teardown(test_replies_in_one_read_and_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed_in_a_reply, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_bytes_lose_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_of_the_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_listens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed_while_it_connects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unix_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_belongs_together_leaves_together, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_with_a_full_socket, setup, teardown),
    };

    ec_app.loop = uv_default_loop();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
