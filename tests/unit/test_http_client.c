/* The keep-alive client against servers that answer as the test says, byte by byte. */
#include "http_client_fixture.h"

static void replies_in_all_framings(void **state)
{
    static const char *const framings[] = {
        "HTTP/1.1 201 Created\r\nX: first\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 201 Created\r\nX: first\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nT: u\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 201 Created\r\nX: first\r\nContent-Length: 5\r\n\r\nhello",
    };
    struct ec_http_client *client;
    struct outcome o;
    size_t i, at, n, step;
    int fd = -1;
    OPEN;

    client = client_for(&loop, 4, "http://127.0.0.1:%d", f.port);
    for (i = 0; i < 3; i++) {
        n = strlen(framings[i]);
        for (step = 1; step <= n; step = step < 4 ? step + 1 : step * 2 < n || step == n ? step * 2 : n) {
            ask(client, "{}", 5000, false, &o);
            assert_false(o.done);
            if (fd < 0)
                fd = accept_one(&loop, &f);
            read_request(&loop, fd, "\r\n\r\n{}");
            for (at = 0; at < n; at += step) {
                assert_false(o.done);
                send_bytes(fd, framings[i] + at, at + step < n ? step : n - at);
                uv_run(&loop, UV_RUN_NOWAIT);
            }
            TURN_UNTIL(&loop, o.done);
            assert_int_equal(o.outcome, EC_HTTP_OK);
            assert_int_equal(o.status, 201);
            assert_int_equal(o.n, 5);
            assert_string_equal(o.body, "hello");
            assert_string_equal(o.header, "first");
        }
    }
    assert_int_equal(count_of(r.p, "POST /ops/Do HTTP/1.1\r\nx-a: b\r\ncontent-length: 2\r\nhost: 127.0.0.1:"), 1);
    assert_true(nobody_came(&loop, &f)); /* one connection served them all */
    close(fd);
    CLOSE(client);
}

static void malformed_replies(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        "SSH-2.0-x\r\n",
    };
    struct ec_http_client *client;
    struct outcome o;
    size_t i;
    int fd;
    OPEN;

    client = client_for(&loop, 4, "http://127.0.0.1:%d", f.port);
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ask(client, "{}", 5000, true, &o);
        fd = accept_one(&loop, &f);
        read_request(&loop, fd, "{}");
        send_text(fd, texts[i]);
        TURN_UNTIL(&loop, o.done);
        if (o.outcome != EC_HTTP_MALFORMED)
            fail_msg("%d for %s", o.outcome, texts[i]);
        close(fd);
    }
    CLOSE(client);
}

static void more_than_the_reply(void **state)
{
    struct ec_http_client *client;
    struct outcome o;
    int fd;
    OPEN;

    client = client_for(&loop, 4, "http://127.0.0.1:%d", f.port);
    ask(client, "{}", 5000, true, &o);
    fd = accept_one(&loop, &f);
    read_request(&loop, fd, "{}");
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
    TURN_UNTIL(&loop, o.done);
    assert_int_equal(o.outcome, EC_HTTP_OK);
    expect_end(&loop, fd, &r);
    close(fd);
    /* Nor is a connection kept that said close. */
    ask(client, "{}", 5000, true, &o);
    fd = accept_one(&loop, &f);
    read_request(&loop, fd, "{}");
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    TURN_UNTIL(&loop, o.done);
    expect_end(&loop, fd, &r);
    close(fd);
    CLOSE(client);
}

static void failures_told_apart(void **state)
{
    struct ec_http_client *client;
    struct outcome o;
    int fd;
    OPEN;

    client = client_for(&loop, 4, "http://127.0.0.1:%d", f.port);
    ask(client, "{}", 100, true, &o);
    fd = accept_one(&loop, &f);
    TURN_UNTIL(&loop, o.done);
    assert_int_equal(o.outcome, EC_HTTP_TIMED_OUT);
    read_request(&loop, fd, "{}");
    expect_end(&loop, fd, &r);
    close(fd);
    /* Broken on a new connection: not again, however repeatable. */
    ask(client, "{}", 5000, true, &o);
    fd = accept_one(&loop, &f);
    read_request(&loop, fd, "{}");
    close(fd);
    TURN_UNTIL(&loop, o.done);
    assert_int_equal(o.outcome, EC_HTTP_BROKEN);
    assert_true(nobody_came(&loop, &f));
    ask(client, "{}", 5000, true, &o);
    fd = accept_one(&loop, &f);
    read_request(&loop, fd, "{}");
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    close(fd);
    TURN_UNTIL(&loop, o.done);
    assert_int_equal(o.outcome, EC_HTTP_BROKEN);
    close(f.fd);
    ask(client, "{}", 5000, true, &o);
    assert_false(o.done);
    TURN_UNTIL(&loop, o.done);
    assert_int_equal(o.outcome, EC_HTTP_REFUSED);
    f = listen_fake();
    CLOSE(client);
}

static void names_that_do_not_resolve(void **state)
{
    struct ec_http_client *client;
    struct outcome o;
    OPEN;

    client = client_for(&loop, 4, "http://no-such-host.invalid:%d", f.port);
    ask(client, "{}", 9000, true, &o);
    TURN_UNTIL(&loop, o.done);
    assert_int_equal(o.outcome, EC_HTTP_REFUSED);
    CLOSE(client);
}

/* Leaves one idle connection, which it returns. */
static int warm(uv_loop_t *loop, struct fake *f, struct ec_http_client *client)
{
    struct outcome o;
    int fd;

    ask(client, "{}", 5000, true, &o);
    fd = accept_one(loop, f);
    read_request(loop, fd, "{}");
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    TURN_UNTIL(loop, o.done);
    return fd;
}

static void stale_connections(void **state)
{
    struct ec_http_client *client;
    struct outcome o;
    int fd, repeatable;
    OPEN;

    client = client_for(&loop, 4, "http://127.0.0.1:%d", f.port);
    for (repeatable = 0; repeatable < 2; repeatable++) {
        fd = warm(&loop, &f, client);
        ask(client, "[1]", 5000, repeatable, &o);
        read_request(&loop, fd, "[1]");
        close(fd); /* the request was read, no byte was answered */
        if (!repeatable) {
            TURN_UNTIL(&loop, o.done);
            assert_int_equal(o.outcome, EC_HTTP_BROKEN);
            assert_true(nobody_came(&loop, &f));
            continue;
        }
        fd = accept_one(&loop, &f);
        read_request(&loop, fd, "[1]");
        assert_false(o.done);
        close(fd); /* once only */
        TURN_UNTIL(&loop, o.done);
        assert_int_equal(o.outcome, EC_HTTP_BROKEN);
        assert_true(nobody_came(&loop, &f));
    }
    /* A byte of an answer, then the end: not again. */
    fd = warm(&loop, &f, client);
    ask(client, "[1]", 5000, true, &o);
    read_request(&loop, fd, "[1]");
    send_text(fd, "H");
    close(fd);
    TURN_UNTIL(&loop, o.done);
    assert_int_equal(o.outcome, EC_HTTP_BROKEN);
    assert_true(nobody_came(&loop, &f));
    /* Closed while idle: noticed before, and nothing was lost even for what can't be repeated. */
    fd = warm(&loop, &f, client);
    usleep(80000);
    uv_update_time(&loop);
    close(fd);
    ask(client, "[1]", 5000, false, &o);
    fd = accept_one(&loop, &f);
    read_request(&loop, fd, "[1]");
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    TURN_UNTIL(&loop, o.done);
    assert_int_equal(o.outcome, EC_HTTP_OK);
    /* Read, then the server is gone: that it can't be sent again does not mean that it was not sent. */
    ask(client, "[1]", 5000, true, &o);
    read_request(&loop, fd, "[1]");
    close(f.fd);
    close(fd);
    TURN_UNTIL(&loop, o.done);
    assert_int_equal(o.outcome, EC_HTTP_BROKEN);
    f = listen_fake();
    CLOSE(client);
}

static void bounded_and_waiting(void **state)
{
    struct ec_http_client *client;
    struct outcome o[4], rest[1100];
    int a, b, i, refused = 0;
    OPEN;

    client = client_for(&loop, 2, "http://127.0.0.1:%d", f.port);
    for (i = 0; i < 3; i++)
        ask(client, "{}", 5000, true, &o[i]);
    ask(client, "late", 100, true, &o[3]);
    a = accept_one(&loop, &f);
    b = accept_one(&loop, &f);
    assert_true(nobody_came(&loop, &f));
    TURN_UNTIL(&loop, o[3].done);
    assert_int_equal(o[3].outcome, EC_HTTP_LATE); /* it never left the queue */
    read_request(&loop, b, "{}");
    send_text(b, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    read_request(&loop, b, "{}");
    assert_null(strstr(r.p, "late"));
    assert_false(o[2].done);
    send_text(b, "HTTP/1.1 203 OK\r\nContent-Length: 0\r\n\r\n");
    TURN_UNTIL(&loop, o[2].done);
    assert_int_equal(o[2].status, 203);
    read_request(&loop, a, "{}");
    close(a);
    TURN_UNTIL(&loop, o[0].done && o[1].done);
    /* The queue is bounded. */
    for (i = 0; i < 1100; i++)
        ask(client, "{}", 60000, true, &rest[i]);
    for (i = 0; i < 20; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    for (i = 0; i < 1100; i++)
        refused += rest[i].done && rest[i].outcome == EC_HTTP_REFUSED;
    assert_int_equal(refused, 1100 - 2 - 1024);
    close(b);
    CLOSE(client);
    for (i = 0; i < 1100; i++)
        assert_true(rest[i].done); /* stop ended them */
}

static void cancelled(void **state)
{
    struct ec_http_client *client;
    struct ec_http_call *a, *b, *c;
    struct outcome o[3];
    int fd;
    OPEN;

    client = client_for(&loop, 1, "http://127.0.0.1:%d", f.port);
    a = ask(client, "{}", 5000, true, &o[0]);
    b = ask(client, "{}", 5000, true, &o[1]);
    c = ask(client, "third", 5000, true, &o[2]);
    (void)c;
    fd = accept_one(&loop, &f);
    read_request(&loop, fd, "{}");
    ec_http_cancel(b);
    ec_http_cancel(a);
    expect_end(&loop, fd, &r);
    close(fd);
    fd = accept_one(&loop, &f);
    read_request(&loop, fd, "third");
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    TURN_UNTIL(&loop, o[2].done);
    assert_false(o[0].done || o[1].done);
    close(fd);
    CLOSE(client);
}

static void large_requests(void **state)
{
    static char text[3 << 20], sink[65536];
    struct ec_http_client *client;
    struct outcome o;
    size_t total = 0;
    ssize_t got;
    int fd;
    OPEN;

    memset(text, 'x', sizeof(text) - 1);
    client = client_for(&loop, 1, "http://localhost:%d", f.port);
    ask(client, text, 5000, true, &o);
    fd = accept_one(&loop, &f);
    while (total < sizeof(text)) {
        uv_run(&loop, UV_RUN_NOWAIT);
        got = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);
        if (got > 0)
            total += (size_t)got;
    }
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    TURN_UNTIL(&loop, o.done);
    assert_int_equal(o.outcome, EC_HTTP_OK);
    close(fd);
    CLOSE(client);
}

static void urls(void **state)
{
    static const char *const wrong[] = {"",
                                        "x",
                                        "https://a:1",
                                        "http://",
                                        "http://:80",
                                        "http://a:",
                                        "http://a:0",
                                        "http://a:65536",
                                        "http://a:1x",
                                        "http://a/b",
                                        "http://a:1,",
                                        ",http://a:1",
                                        "http://a b:1",
                                        "http://u@a:1",
                                        "http://[::1",
                                        "http://[::1]x"};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (!ec_http_urls_check(wrong[i]))
            fail_msg("taken: %s", wrong[i]);
    assert_null(ec_http_urls_check("http://a"));
    assert_null(ec_http_urls_check("http://a-b.c:8080/,http://[::1]:80,http://10.0.0.1:1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_in_all_framings), cmocka_unit_test(malformed_replies),         cmocka_unit_test(more_than_the_reply),
        cmocka_unit_test(failures_told_apart),     cmocka_unit_test(names_that_do_not_resolve), cmocka_unit_test(stale_connections),
        cmocka_unit_test(bounded_and_waiting),     cmocka_unit_test(cancelled),                 cmocka_unit_test(large_requests),
        cmocka_unit_test(urls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
