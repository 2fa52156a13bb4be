/* The server on real sockets: framing, order, limits, the end of connections. */
#include "http_world.h"

static void keep_alive(void **state)
{
    struct world *w = open_world();
    int fd = dial(w), i;

    (void)state;
    for (i = 0; i < 3; i++) {
        r.n = 0;
        send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        expect_text(&w->loop, fd, &r, "\r\n\r\nhello");
        assert_non_null(strstr(r.p, "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\ndate: "));
        assert_non_null(strstr(r.p, "\r\nx-a: b\r\n"));
        assert_null(strstr(r.p, "connection:"));
    }
    send_text(fd, "GET /query?a=%20b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect_end(&w->loop, fd, &r);
    assert_non_null(strstr(r.p, "connection: close\r\n\r\na=%20b"));
    close(fd);
    fd = dial(w);
    send_text(fd, "GET /old HTTP/1.0\r\n\r\n");
    expect_end(&w->loop, fd, &r);
    assert_non_null(strstr(r.p, "\r\n\r\n/old"));
    close(fd);
    fd = dial(w);
    send_text(fd, "GET http://b/x?y HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&w->loop, fd, &r, "\r\n\r\n/x");
    close(fd);
    close_world(w);
}

static void bodiless(void **state)
{
    struct world *w = open_world();
    int fd = dial(w);

    (void)state;
    send_text(fd, "GET /none HTTP/1.1\r\nHost: a\r\n\r\nHEAD /abc HTTP/1.1\r\nHost: a\r\n\r\nGET /z HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&w->loop, fd, &r, "\r\n\r\n/z");
    assert_int_equal(count_of(r.p, "content-length"), 2);
    assert_non_null(strstr(r.p, "content-length: 4\r\n"));
    assert_null(strstr(r.p, "/abc"));
    close(fd);
    close_world(w);
}

static void problems(void **state)
{
    struct world *w = open_world();
    int fd = dial(w);

    (void)state;
    send_text(fd, "GET /problem HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&w->loop, fd, &r,
                "\r\n\r\n{\"type\":\"/problems/conflict\",\"title\":\"A request with this key is in progress\",\"status\":409,"
                "\"detail\":\"say \\\"no\\\"\",\"trace_id\":\"30313233343536373839616263646566\"}");
    assert_non_null(strstr(r.p, "content-type: application/problem+json\r\n"));
    assert_non_null(strstr(r.p, "retry-after: 1\r\n"));
    close(fd);
    close_world(w);
}

static void byte_by_byte(void **state)
{
    static const char text[] = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\n...\r\n0\r\n\r\n"
                               "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nworld";
    struct world *w = open_world();
    int fd = dial(w);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(text) - 1; i++) {
        send_bytes(fd, text + i, 1);
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    expect_text(&w->loop, fd, &r, "world");
    assert_non_null(strstr(r.p, "content-length: 8\r\n"));
    assert_non_null(strstr(r.p, "hello..."));
    assert_int_equal(w->handled, 2);
    close(fd);
    close_world(w);
}

static void pipelined_in_order(void **state)
{
    struct world *w = open_world();
    int fd = dial(w), i;
    char want[16];

    (void)state;
    for (i = 0; i < 5; i++)
        send_text(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    send_text(fd, "GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(&w->loop, w->handled == 6);
    receive_some(fd, &r);
    assert_int_equal(r.n, 0);
    for (i = 4; i >= 0; i--) {
        sprintf(want, "<%d>", i);
        answer(w, i, want);
    }
    expect_text(&w->loop, fd, &r, "/last");
    assert_int_equal(count_of(r.p, "HTTP/1.1 200"), 6);
    assert_true(strstr(r.p, "<0>") < strstr(r.p, "<1>") && strstr(r.p, "<1>") < strstr(r.p, "<4>") &&
                strstr(r.p, "<4>") < strstr(r.p, "/last"));
    close(fd);
    close_world(w);
}

static void a_bounded_pipeline(void **state)
{
    struct world *w = open_world();
    int fd = dial(w), i;

    (void)state;
    for (i = 0; i < 200; i++)
        send_text(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(&w->loop, w->handled == 64);
    for (i = 0; i < 20; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(w->handled, 64);
    for (i = 0; i < 200; i++) {
        TURN_UNTIL(&w->loop, w->nheld > i);
        answer(w, i, "ok");
    }
    TURN_UNTIL(&w->loop, (receive_some(fd, &r), count_of(r.p, "\r\n\r\nok") == 200));
    close(fd);
    close_world(w);
}

static void refused(void **state)
{
    static const struct { const char *text; int status; const char *name;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400, "/problems/bad-request"},
        {"GET / HTTP/9.1\r\nHost: a\r\n\r\n", 505, "/problems/version-not-supported"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "/problems/not-implemented"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n", 413, "/problems/too-large"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffff0\r\n", 413, "/problems/too-large"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello", 400, "/problems/bad-request"},
        {"POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417, "/problems/expectation-failed"},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled "
         "HTTP/1.1\r\nHost: a\r\n\r\n",
         400, "/problems/bad-request"},
    };
    struct world *w = open_world();
    char line[32];
    size_t i;
    int fd;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fd = dial(w);
        send_text(fd, cases[i].text);
        expect_end(&w->loop, fd, &r);
        sprintf(line, "HTTP/1.1 %d ", cases[i].status);
        if (!strstr(r.p, line) || !strstr(r.p, cases[i].name) || !strstr(r.p, "connection: close"))
            fail_msg("%s gave %s", cases[i].text, r.p);
        assert_int_equal(count_of(r.p, "\r\ndate: "), 1);
        close(fd);
    }
    assert_int_equal(w->handled, 0);
    close_world(w);
}

static void a_refusal_waits_its_turn(void **state)
{
    struct world *w = open_world();
    int fd = dial(w);

    (void)state;
    send_text(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\nGET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(&w->loop, w->nheld == 1);
    receive_some(fd, &r);
    assert_int_equal(r.n, 0);
    answer(w, 0, "first");
    expect_end(&w->loop, fd, &r);
    assert_true(strstr(r.p, "first") && strstr(r.p, "first") < strstr(r.p, "HTTP/1.1 400"));
    assert_int_equal(w->handled, 1);
    close(fd);
    close_world(w);
}

static void continue_100(void **state)
{
    struct world *w = open_world();
    int fd = dial(w);

    (void)state;
    send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    expect_text(&w->loop, fd, &r, "HTTP/1.1 100 Continue\r\n\r\n");
    send_text(fd, "hello");
    expect_text(&w->loop, fd, &r, "hello");
    /* Only after the answer before it, and not at all when the body is refused or there already. */
    r.n = 0;
    send_text(fd,
              "GET /hold HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    TURN_UNTIL(&w->loop, w->nheld == 1);
    receive_some(fd, &r);
    assert_int_equal(r.n, 0);
    answer(w, 0, "first");
    expect_text(&w->loop, fd, &r, "firstHTTP/1.1 100 Continue\r\n\r\n");
    send_text(fd, "later");
    expect_text(&w->loop, fd, &r, "later");
    r.n = 0;
    send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nhere");
    expect_text(&w->loop, fd, &r, "here");
    assert_null(strstr(r.p, "100 Continue"));
    r.n = 0;
    send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n");
    expect_end(&w->loop, fd, &r);
    assert_int_equal(count_of(r.p, "HTTP/1.1"), 1);
    assert_non_null(strstr(r.p, "HTTP/1.1 413"));
    close(fd);
    close_world(w);
}

static void gone_clients(void **state)
{
    struct world *w = open_world();
    int fd = dial(w);

    (void)state;
    send_text(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\nGET /hold HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: "
                  "a\r\nContent-Length: 9\r\n\r\n12");
    TURN_UNTIL(&w->loop, w->nheld == 2);
    assert_int_equal(w->gone, 0);
    close(fd);
    TURN_UNTIL(&w->loop, w->gone == 2);
    answer(w, 0, "nobody hears it");
    ec_http_close(w->held[1]);
    assert_int_equal(w->handled, 2);
    /* The server goes while a request is held. */
    fd = dial(w);
    send_text(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(&w->loop, w->nheld == 3);
    ec_http_server_stop(w->server);
    assert_int_equal(w->gone, 3);
    close_loop(&w->loop);
    answer(w, 2, "nobody");
    close(fd);
    free(w);
}

static void answers_in_pieces(void **state)
{
    static char large[64 * 1024];
    struct world *w = open_world();
    int fd = dial(w), taken = 0;

    (void)state;
    send_text(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\nGET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(&w->loop, w->nheld == 2);
    ec_http_stream(w->held[1], EC_STR("text/event-stream"), EC_STR("x-a: b\r\n")); /* waits for its turn, with all that it has by then */
    assert_true(ec_http_stream_write(w->held[1], EC_STR("<one>")));
    answer(w, 0, "first");
    expect_text(&w->loop, fd, &r, "<one>");
    assert_true(strstr(r.p, "first") < strstr(r.p, "x-a: b\r\n"));
    assert_null(strstr(strstr(r.p, "first"), "content-length"));
    assert_non_null(strstr(r.p, "connection: close\r\n"));
    assert_true(ec_http_stream_write(w->held[1], EC_STR("<two>")));
    expect_text(&w->loop, fd, &r, "<two>");
    send_text(fd, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"); /* nothing comes after it */
    for (int i = 0; i < 20; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(w->handled, 2);
    ec_http_stream_end(w->held[1]);
    expect_end(&w->loop, fd, &r);
    assert_string_equal(strstr(r.p, "<one>"), "<one><two>");
    close(fd);
    /* A client that does not take it costs so much and no more; one that goes is told. */
    fd = dial(w);
    send_text(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(&w->loop, w->nheld == 3);
    ec_http_stream(w->held[2], EC_STR("text/event-stream"), (struct ec_str){NULL, 0});
    for (int i = 0; i < 1000; i++) {
        taken += ec_http_stream_write(w->held[2], (struct ec_str){large, sizeof(large)});
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    assert_true(taken < 500);
    close(fd);
    TURN_UNTIL(&w->loop, w->gone == 1);
    assert_false(ec_http_stream_write(w->held[2], EC_STR("nobody")));
    ec_http_stream_end(w->held[2]);
    close_world(w);
}

static void faults(void **state)
{
    struct world *w = open_world();
    int fd = dial(w);

    (void)state;
    send_text(fd, "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_end(&w->loop, fd, &r);
    assert_non_null(strstr(r.p, "content-length: 10\r\n"));
    assert_string_equal(strstr(r.p, "\r\n\r\n"), "\r\n\r\n0123");
    close(fd);
    fd = dial(w);
    send_text(fd, "GET /close HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_end(&w->loop, fd, &r);
    assert_int_equal(r.n, 0);
    close(fd);
    close_world(w);
}

static void slow_clients(void **state)
{
    struct world *w = open_with((struct ec_http_server_options){.header_timeout_ms = 200, .body_timeout_ms = 200, .idle_timeout_ms = 200});
    int fd = dial(w), i;
    uint64_t began;

    (void)state;
    /* A head that grows by a byte now and then is not saved by that. */
    began = uv_hrtime();
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (i = 0; !r.end && i < 3000; i++) {
        if (send(fd, i % 20 ? "x" : "X: y\r\n", i % 20 ? 1 : 6, MSG_NOSIGNAL) < 0)
            break;
        uv_run(&w->loop, UV_RUN_NOWAIT);
        receive_some(fd, &r);
        usleep(2000);
    }
    assert_true(uv_hrtime() - began < 3000000000ull);
    assert_non_null(strstr(r.p, "HTTP/1.1 408"));
    close(fd);
    fd = dial(w);
    send_text(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    expect_end(&w->loop, fd, &r);
    assert_non_null(strstr(r.p, "HTTP/1.1 408"));
    assert_int_equal(w->handled, 0);
    close(fd);
    /* Idle: closed without a word. */
    fd = dial(w);
    expect_end(&w->loop, fd, &r);
    assert_int_equal(r.n, 0);
    close(fd);
    fd = dial(w);
    send_text(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_end(&w->loop, fd, &r);
    assert_int_equal(count_of(r.p, "HTTP/1.1"), 1);
    close(fd);
    /* A request at work is not idle. */
    fd = dial(w);
    send_text(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    began = uv_hrtime();
    while (uv_hrtime() - began < 500000000ull) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_int_equal(w->gone, 0);
    answer(w, 0, "done");
    expect_text(&w->loop, fd, &r, "done");
    close(fd);
    close_world(w);
}

static int read_slowly(struct world *w, int fd)
{
    static char sink[16384];
    ssize_t got;
    int total = 0;

    for (;;) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
        got = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return total;
        if (got > 0)
            total += (int)got;
        else
            usleep(100);
    }
}

static void slow_readers(void **state)
{
    struct world *w = open_with((struct ec_http_server_options){.body_timeout_ms = 300});
    int fd = dial(w), small = 4096;
    uint64_t began;

    (void)state;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    send_text(fd, "GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /large HTTP/1.1\r\nHost: "
                  "a\r\nConnection: close\r\n\r\n");
    /* It does not read at all: the connection goes, and what was answered with it. */
    began = uv_hrtime();
    TURN_UNTIL(&w->loop, w->handled > 0 && ec_http_server_idle(w->server));
    assert_true(uv_hrtime() - began > 200000000ull);
    close(fd);
    /* One that reads gets everything. */
    fd = dial(w);
    send_text(fd, "GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_in_range(read_slowly(w, fd), 2 * LARGE, 2 * LARGE + 1000);
    close(fd);
    close_world(w);
}

/* Large bodies go from where they stand, as far as the kernel takes them: between small ones, more than it takes, and to HEAD none. */
static void large_answers_in_order(void **state)
{
    static const size_t sizes[] = {10, 16383, 16384, 200000, 50, LARGE, 33000, 1000000, LARGE, 1};
    enum { N = sizeof(sizes) / sizeof(sizes[0]) };
    static char body[LARGE], sent[2 << 20], got[12 << 20];
    struct world *w = open_with((struct ec_http_server_options){0});
    int fd = dial(w);
    size_t n = 0, done = 0, have = 0, i;
    char *at = got;

    (void)state;
    for (i = 0; i < sizeof(body); i++)
        body[i] = byte_at(i);
    for (i = 0; i < N; i++) {
        if (sizes[i] == LARGE) {
            n += (size_t)sprintf(sent + n, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
            continue;
        }
        n += (size_t)sprintf(sent + n, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", sizes[i]);
        memcpy(sent + n, body, sizes[i]);
        n += sizes[i];
    }
    n += (size_t)sprintf(sent + n, "HEAD /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    for (;;) {
        ssize_t moved = done < n ? send(fd, sent + done, n - done, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

        if (moved > 0)
            done += (size_t)moved;
        uv_run(&w->loop, UV_RUN_NOWAIT);
        moved = recv(fd, got + have, sizeof(got) - 1 - have, MSG_DONTWAIT);
        if (moved == 0)
            break;
        if (moved > 0)
            have += (size_t)moved;
        else
            assert_true(errno == EAGAIN);
    }
    got[have] = '\0';
    for (i = 0; i < N; i++) {
        char *length = strstr(at, "content-length: "), *end = strstr(at, "\r\n\r\n");

        assert_true(at == strstr(at, "HTTP/1.1 200 OK\r\n") && length && length < end);
        assert_int_equal(strtoul(length + strlen("content-length: "), NULL, 10), sizes[i]);
        assert_memory_equal(end + 4, body, sizes[i]);
        at = end + 4 + sizes[i];
    }
    assert_non_null(strstr(at, "content-length: 4194304\r\n"));
    assert_string_equal(strstr(at, "\r\n\r\n"), "\r\n\r\n");
    close(fd);
    close_world(w);
}

/* The rest of a large body is read to where it will stand: also when it never comes, comes too late, or its client has gone. */
static void large_bodies_cut_short(void **state)
{
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n";
    static char part[200000];
    struct world *w = open_with((struct ec_http_server_options){.body_timeout_ms = 300});
    int fd = dial(w), i;

    (void)state;
    send_text(fd, head);
    for (i = 0; i < 3; i++) {
        send_bytes(fd, part, sizeof(part));
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    expect_text(&w->loop, fd, &r, "HTTP/1.1 408 ");
    send_bytes(fd, part, sizeof(part));
    expect_end(&w->loop, fd, &r);
    close(fd);
    fd = dial(w);
    send_text(fd, head);
    send_bytes(fd, part, sizeof(part));
    for (i = 0; i < 20; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    close(fd);
    TURN_UNTIL(&w->loop, ec_http_server_idle(w->server));
    assert_int_equal(w->handled, 0);
    close_world(w);
}

static void draining(void **state)
{
    struct world *w = open_world();
    int idle = dial(w), busy = dial(w), late;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)ec_http_server_port(w->server)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    (void)state;
    send_text(busy, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    TURN_UNTIL(&w->loop, w->nheld == 1);
    ec_http_server_drain(w->server, 0);
    expect_end(&w->loop, idle, &r);
    late = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&address, sizeof(address)), -1);
    assert_false(ec_http_server_idle(w->server));
    r.end = false;
    answer(w, 0, "bye");
    expect_end(&w->loop, busy, &r);
    assert_non_null(strstr(r.p, "connection: close\r\n\r\nbye"));
    assert_true(ec_http_server_idle(w->server));
    close(idle);
    close(busy);
    close(late);
    close_world(w);
}

/* For a while it takes everything in and says goodbye to each, so that nobody meets the moment at which it stops listening. */
static void draining_takes_its_time(void **state)
{
    struct world *w = open_world();
    int idle = dial(w), late;

    (void)state;
    ec_http_server_drain(w->server, 300);
    assert_false(ec_http_server_idle(w->server));
    late = dial(w);
    send_text(late, "GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_end(&w->loop, late, &r);
    assert_non_null(strstr(r.p, "connection: close\r\n\r\n/late"));
    send_text(idle, "GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
    r.end = false;
    expect_end(&w->loop, idle, &r);
    assert_non_null(strstr(r.p, "connection: close\r\n\r\n/idle"));
    close(idle);
    idle = dial(w);
    r.end = false;
    expect_end(&w->loop, idle, &r); /* at the end of the delay */
    assert_true(ec_http_server_idle(w->server));
    close(late);
    late = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(late,
                             (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET,
                                                                      .sin_port = htons((uint16_t)ec_http_server_port(w->server)),
                                                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                             sizeof(struct sockaddr_in)),
                     -1);
    close(idle);
    close(late);
    close_world(w);
}

static void too_many_connections(void **state)
{
    struct world *w = open_with((struct ec_http_server_options){.max_connections = 2});
    int a = dial(w), b = dial(w), c;

    (void)state;
    send_text(a, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&w->loop, a, &r, "/a");
    send_text(b, "GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_text(&w->loop, b, &r, "/b");
    c = dial(w);
    expect_end(&w->loop, c, &r);
    close(a);
    close(c);
    TURN_UNTIL(&w->loop, (c = dial(w), send_text(c, "GET /c HTTP/1.1\r\nHost: a\r\n\r\n"), uv_run(&w->loop, UV_RUN_NOWAIT), usleep(1000),
                          uv_run(&w->loop, UV_RUN_NOWAIT), receive_some(c, &r), close(c), strstr(r.p, "/c")));
    close(b);
    close_world(w);
}

static void an_address_in_use(void **state)
{
    struct world *w = open_world();
    struct ec_http_server_options options = {.host = "127.0.0.1", .port = ec_http_server_port(w->server), .handle = handle};
    const char *why = NULL;

    (void)state;
    assert_null(ec_http_server_start(&w->loop, &options, &why));
    assert_non_null(strstr(why, "is in use"));
    options.host = "nowhere.invalid";
    assert_null(ec_http_server_start(&w->loop, &options, &why));
    options.host = "127.0.0.1";
    options.port = 0;
    options.tls_cert = options.tls_key = "/nonexistent.pem";
    assert_null(ec_http_server_start(&w->loop, &options, &why));
    assert_non_null(strstr(why, "/nonexistent.pem"));
    close_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keep_alive),           cmocka_unit_test(bodiless),
        cmocka_unit_test(problems),             cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(pipelined_in_order),   cmocka_unit_test(a_bounded_pipeline),
        cmocka_unit_test(refused),              cmocka_unit_test(a_refusal_waits_its_turn),
        cmocka_unit_test(continue_100),         cmocka_unit_test(gone_clients),
        cmocka_unit_test(faults),               cmocka_unit_test(answers_in_pieces),
                      cmocka_unit_test(slow_clients),
        cmocka_unit_test(slow_readers),         cmocka_unit_test(large_answers_in_order),
        cmocka_unit_test(draining),             cmocka_unit_test(large_bodies_cut_short),
        cmocka_unit_test(draining_takes_its_time),
        cmocka_unit_test(too_many_connections), cmocka_unit_test(an_address_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
