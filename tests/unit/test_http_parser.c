/* The grammar: what it takes, what it refuses, and that a head is the same however it is cut. */
#include "http_test.h"

#include "http_parse.h"

static struct ec_http_head head;

/* In memory of exactly its size, so that reading past the end is seen. */
static enum ec_http_parse parse(const char *text, size_t n, bool reply)
{
    char *copy = malloc(n ? n : 1);
    enum ec_http_parse r;

    memcpy(copy, text, n);
    r = reply ? ec_http_parse_reply(copy, n, &head) : ec_http_parse_request(copy, n, &head);
    free(copy);
    return r;
}

static void good(const char *text)
{
    size_t i, n = strlen(text);

    for (i = 0; i < n; i++)
        if (parse(text, i, false) != EC_PARSE_MORE)
            fail_msg("not MORE at %zu of %s: %s", i, text, head.why ? head.why : "done");
    if (parse(text, n, false) != EC_PARSE_DONE)
        fail_msg("refused: %s: %s", text, head.why);
    assert_int_equal(head.length, n);
}

static void bad(int status, const char *text, size_t n)
{
    size_t i;

    if (parse(text, n, false) != EC_PARSE_BAD)
        fail_msg("taken: %s", text);
    if (head.bad_status != status)
        fail_msg("%d, not %d: %s", head.bad_status, status, text);
    assert_non_null(head.why);
    for (i = 0; i < n; i++)
        assert_int_not_equal(parse(text, i, false), EC_PARSE_DONE);
}
#define BAD(status, text) bad((status), (text), sizeof(text) - 1)

static void requests(void **state)
{
    (void)state;
    good("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(head.keep_alive && head.has_host && !head.chunked);
    assert_int_equal(head.content_length, -1);
    assert_int_equal(head.minor, 1);
    good("POST /a/b?x=1&y=%20/? HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 12\r\nX:\r\nY: \t a b \t \r\n\r\n");
    assert_int_equal(head.content_length, 12);
    assert_int_equal(head.nheaders, 4);
    assert_int_equal(head.headers[2].value.n, 0);
    assert_int_equal(head.headers[3].value.n, 3);
    good("GET http://a:80/x HTTP/1.1\r\nhost: a:80\r\n\r\n");
    good("GET https://a HTTP/1.1\r\nhost: a\r\n\r\n");
    good("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    good("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nExpect: 100-Continue\r\n\r\n");
    assert_true(head.chunked && head.expect_continue);
    good("GET / HTTP/1.0\r\n\r\n");
    assert_false(head.keep_alive);
    good("GET / HTTP/1.0\r\nConnection: foo , Keep-Alive\r\n\r\n");
    assert_true(head.keep_alive);
    good("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n");
    assert_false(head.keep_alive);
    good("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n");
    assert_false(head.keep_alive);
    good("G!#$%&'*+-.^_`|~9 / HTTP/1.1\r\nHost: a\r\nX: \x80\xff\r\n\r\n");
}

static void an_empty_line_before(void **state)
{
    (void)state;
    good("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void request_lines(void **state)
{
    (void)state;
    BAD(400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\nHost: a\r\n\r\n");
    BAD(400, "GET / http/1.1\r\nHost: a\r\n\r\n");
    BAD(400, "GET /\r\nHost: a\r\n\r\n");
    BAD(400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(400, "GET /# HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(400, "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(400, "GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(400, "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(400, "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(501, "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n");
    BAD(505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n");
    BAD(505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n");
}

static void header_lines(void **state)
{
    (void)state;
    BAD(400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a\r\nX\x80: b\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a\r\n\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a\r\n\rX");
}

static void hosts(void **state)
{
    (void)state;
    BAD(400, "GET / HTTP/1.1\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost:\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n");
    BAD(400, "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n");
}

static void framing(void **state)
{
    (void)state;
    BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
    BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n");
    BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n");
    BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n");
    BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n");
    BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n");
    BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n");
    BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n");
    BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n");
    BAD(501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
    BAD(501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n");
    BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b" "chunked\r\n\r\n");
    BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n");
    BAD(400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    BAD(417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n");
}

static void limits(void **state)
{
    static char text[EC_HTTP_MAX_HEAD + 1024];
    size_t n, i;

    (void)state;
    n = (size_t)sprintf(text, "GET /");
    memset(text + n, 'a', EC_HTTP_MAX_HEAD);
    assert_int_equal(parse(text, EC_HTTP_MAX_HEAD - 1, false), EC_PARSE_MORE);
    assert_int_equal(parse(text, EC_HTTP_MAX_HEAD, false), EC_PARSE_BAD);
    assert_int_equal(head.bad_status, 414);
    n = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(text + n, 'a', EC_HTTP_MAX_HEAD);
    assert_int_equal(parse(text, EC_HTTP_MAX_HEAD, false), EC_PARSE_BAD);
    assert_int_equal(head.bad_status, 431);
    strcpy(text + EC_HTTP_MAX_HEAD, "\r\n\r\n");
    assert_int_equal(parse(text, EC_HTTP_MAX_HEAD + 4, false), EC_PARSE_BAD);
    assert_int_equal(head.bad_status, 431);
    n = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (i = 1; i < EC_HTTP_MAX_HEADERS; i++)
        n += (size_t)sprintf(text + n, "X: y\r\n");
    strcpy(text + n, "\r\n");
    assert_int_equal(parse(text, n + 2, false), EC_PARSE_DONE);
    assert_int_equal(head.nheaders, EC_HTTP_MAX_HEADERS);
    strcpy(text + n, "X: y\r\n\r\n");
    assert_int_equal(parse(text, n + 8, false), EC_PARSE_BAD);
    assert_int_equal(head.bad_status, 431);
}

static void replies(void **state)
{
    static const char *const refused[] = {
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 204 OK\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 100 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    size_t i;

    (void)state;
    assert_int_equal(parse("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 41, true), EC_PARSE_DONE);
    assert_int_equal(head.status, 200);
    assert_int_equal(head.length, 38);
    assert_int_equal(head.content_length, 3);
    assert_int_equal(parse("HTTP/1.1 404 \r\n\r\n", 17, true), EC_PARSE_DONE);
    assert_int_equal(head.content_length, -1);
    assert_int_equal(parse("HTTP/1.1 204 No Content\r\n\r\n", 27, true), EC_PARSE_DONE);
    assert_int_equal(head.content_length, 0);
    assert_int_equal(parse("HTTP/1.1 2", 10, true), EC_PARSE_MORE);
    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (parse(refused[i], strlen(refused[i]), true) != EC_PARSE_BAD)
            fail_msg("taken: %s", refused[i]);
}

/* Decodes text given in pieces of `step` bytes. */
static enum ec_http_parse chunks(const char *text, size_t n, size_t step, struct ec_buf *body, size_t *taken)
{
    struct ec_http_chunks c = {.state = EC_CHUNK_SIZE};
    enum ec_http_parse r = EC_PARSE_MORE;
    size_t from = 0, to = 0, used;
    char *copy;

    body->n = 0;
    while (r == EC_PARSE_MORE && to < n) {
        to = to + step < n ? to + step : n;
        copy = malloc(to - from + 1);
        memcpy(copy, text + from, to - from);
        r = ec_http_chunks_read(&c, copy, to - from, &used, body, 100);
        free(copy);
        from += used;
    }
    *taken = from;
    return r;
}

static void chunked_bodies(void **state)
{
    static const char *const refused[] = {
        "5\nhello\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n",     "5\r\nhelloX\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "\r\n",   "g\r\n",
        " 5\r\nhello\r\n",    "5 \r\nhello\r\n",         "5;\r\nhello\r\n",          "5;a=\"\n\"\r\nhello\r\n",   "-1\r\n", "5\rhello",
        "65\r\n",             "fffffffffffffffff\r\n",   "0\r\nX : y\r\n\r\n",       "0\r\nX: y\n\r\n",           "5\r\nhello\n0\r\n\r\n",
        "ffffffffffffffff\r\n", "3\r\nabc\r\n62\r\n",
    };
    static const char text[] = "5;a=b;c=\"x\\\"y\"\r\nhello\r\n1\r\n \r\n0005\r\nworld\r\n0\r\nX: y\r\n\r\nGET";
    struct ec_buf body = {NULL, 0, 0};
    size_t step, i, taken;

    (void)state;
    for (step = 1; step <= sizeof(text); step++) {
        assert_int_equal(chunks(text, sizeof(text) - 1, step, &body, &taken), EC_PARSE_DONE);
        assert_int_equal(body.n, 11);
        assert_memory_equal(body.p, "hello world", 11);
        assert_int_equal(taken, sizeof(text) - 4);
    }
    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        for (step = 1; step < 20; step++)
            if (chunks(refused[i], strlen(refused[i]), step, &body, &taken) != EC_PARSE_BAD)
                fail_msg("taken by %zu: %s", step, refused[i]);
    assert_int_equal(chunks("5\r\nhel", 6, 1, &body, &taken), EC_PARSE_MORE);
    ec_buf_free(&body);
}

static void tiny_chunks_are_bounded(void **state)
{
    struct ec_http_chunks c = {.state = EC_CHUNK_SIZE};
    struct ec_buf body = {NULL, 0, 0};
    char line[600];
    size_t used;
    int i, n = 0;

    (void)state;
    memset(line, 'a', sizeof(line));
    memcpy(line, "1;", 2);
    memcpy(line + 200, "\r\nx\r\n", 5);
    while (ec_http_chunks_read(&c, line, 205, &used, &body, 1 << 20) == EC_PARSE_MORE)
        n++;
    assert_in_range(n, 300, 400);
    ec_buf_free(&body);
    c = (struct ec_http_chunks){.state = EC_CHUNK_SIZE};
    for (i = 0; i < 300; i++)
        line[i] = '0';
    assert_int_equal(ec_http_chunks_read(&c, line, 300, &used, &body, 100), EC_PARSE_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),      cmocka_unit_test(an_empty_line_before), cmocka_unit_test(request_lines),
        cmocka_unit_test(header_lines),  cmocka_unit_test(hosts),                cmocka_unit_test(framing),
        cmocka_unit_test(limits),        cmocka_unit_test(replies),              cmocka_unit_test(chunked_bodies),
        cmocka_unit_test(tiny_chunks_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
