/* Exchanges: a request is taken from a connection's input, handed to the server's handler when it is whole, and answered in its turn.
 *
 * A request's head is copied into the exchange's arena, so that the connection's input can go on; a body that is there in one piece is
 * copied with it, another gathers in a buffer whose memory grows with what has arrived, never with what was announced. An exchange is freed when
 * its answer is in the connection's output, or, when the client is gone, as soon as it is answered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http_conn.h"
#include "json.h"

enum { MAX_FREE = 128 };

static struct ec_http_exchange *free_list;
static int nfree;

static struct ec_http_exchange *exchange_new(struct ec_conn *conn)
{
    struct ec_http_exchange *x = free_list;

    if (x) {
        free_list = x->next;
        nfree--;
    } else {
        x = malloc(sizeof(*x));
        if (!x)
            abort();
    }
    /* All but the headers, which nheaders covers. */
    x->request.method = x->request.target = x->request.path = x->request.query = x->request.body = (struct ec_str){NULL, 0};
    x->request.nheaders = 0;
    x->request.keep_alive = false;
    memcpy(x->request.peer, conn->peer, sizeof(x->request.peer));
    x->next = NULL;
    x->arena = ec_arena_new();
    x->body = x->out = (struct ec_buf){NULL, 0, 0};
    x->body_left = 0;
    x->chunks = (struct ec_http_chunks){.state = EC_CHUNK_SIZE};
    x->data = NULL;
    x->gone = NULL;
    x->handed = x->answered = x->close = x->head_only = x->old = x->stream = false;
    x->conn = conn;
    if (conn->last)
        conn->last->next = x;
    else
        conn->first = x;
    conn->last = x;
    conn->outstanding++;
    return x;
}

static void exchange_free(struct ec_http_exchange *x)
{
    ec_arena_free(x->arena);
    ec_buf_free(&x->body);
    ec_buf_free(&x->out);
    if (nfree < MAX_FREE) {
        x->next = free_list;
        free_list = x;
        nfree++;
    } else {
        free(x);
    }
}

/* The connection is gone: what its owner has not answered yet stays until then. */
void ec_conn_drop_exchanges(struct ec_conn *conn)
{
    struct ec_http_exchange *x;

    while ((x = conn->first)) {
        conn->first = x->next;
        x->next = NULL;
        x->conn = NULL;
        if (!x->handed || x->answered)
            exchange_free(x);
        else if (x->gone)
            x->gone(x, x->data);
    }
    conn->last = conn->receiving = NULL;
    conn->outstanding = 0;
}

/* ------------------------------------------------------------------ requests */

static struct ec_str moved(struct ec_str s, const char *from, const char *to)
{
    return (struct ec_str){to + (s.p - from), s.n};
}

/* Path and query of the target: the absolute form loses scheme and authority. */
static void split_target(struct ec_http_request *request)
{
    struct ec_str path = request->target;
    const char *at;

    if (path.p[0] == 'h' || path.p[0] == 'H') {
        at = (const char *)memchr(path.p, ':', path.n) + 3;
        while (at < path.p + path.n && *at != '/')
            at++;
        path = (struct ec_str){at, (size_t)(path.p + path.n - at)};
        if (path.n == 0)
            path = EC_STR("/");
    }
    at = memchr(path.p, '?', path.n);
    request->path = (struct ec_str){path.p, at ? (size_t)(at - path.p) : path.n};
    if (at)
        request->query = (struct ec_str){at + 1, path.n - request->path.n - 1};
}

static void take_head(struct ec_http_exchange *x, const char *p, const struct ec_http_head *head, size_t body)
{
    char *copy = ec_arena_alloc(x->arena, head->length + body + 1);
    size_t i;

    memcpy(copy, p, head->length + body);
    x->request.method = moved(head->method, p, copy);
    x->request.target = moved(head->target, p, copy);
    x->request.nheaders = head->nheaders;
    for (i = 0; i < head->nheaders; i++) {
        x->request.headers[i].name = moved(head->headers[i].name, p, copy);
        x->request.headers[i].value = moved(head->headers[i].value, p, copy);
    }
    x->request.keep_alive = head->keep_alive;
    x->request.body = (struct ec_str){copy + head->length, body};
    x->head_only = head->method.n == 4 && memcmp(head->method.p, "HEAD", 4) == 0;
    x->old = head->minor == 0;
    split_target(&x->request);
}

/* The request is whole. */
static void hand(struct ec_conn *conn, struct ec_http_exchange *x)
{
    conn->receiving = NULL;
    conn->owe_continue = false;
    conn->awaits = EC_AWAITS_NOTHING;
    conn->deadline = 0;
    conn->state = x->request.keep_alive ? EC_CONN_HEAD : EC_CONN_ENDED;
    x->handed = true;
    conn->server->options.handle(x, conn->server->options.data);
}

static void give_continue(struct ec_conn *conn)
{
    if (conn->owe_continue && conn->first == conn->receiving) {
        conn->owe_continue = false;
        ec_buf_str(&conn->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
}

static size_t parse_head(struct ec_conn *conn, const char *p, size_t n)
{
    static struct ec_http_head head; /* 2 kB; the loop's thread only, and read before the handler is called */
    size_t max = conn->server->options.max_body, rest;
    struct ec_http_exchange *x;

    switch (ec_http_parse_request(p, n, &head)) {
    case EC_PARSE_MORE:
        return 0;
    case EC_PARSE_BAD:
        ec_conn_refuse(conn, head.bad_status, head.why);
        return n;
    case EC_PARSE_DONE:
        break;
    }
    if (head.content_length > (int64_t)max) {
        ec_conn_refuse(conn, 413, "the body is too large");
        return n;
    }
    x = exchange_new(conn);
    rest = n - head.length;
    if (!head.chunked && (head.content_length <= 0 || (size_t)head.content_length <= rest)) {
        if (head.content_length > 0)
            rest = (size_t)head.content_length;
        else
            rest = 0;
        take_head(x, p, &head, rest);
        rest += head.length;
        hand(conn, x);
        return rest;
    }
    take_head(x, p, &head, 0);
    conn->awaits = EC_AWAITS_NOTHING;
    conn->receiving = x;
    conn->state = head.chunked ? EC_CONN_CHUNKS : EC_CONN_BODY;
    x->body_left = head.chunked ? 0 : (size_t)head.content_length;
    conn->owe_continue = head.expect_continue;
    give_continue(conn);
    return head.length;
}

void ec_conn_body_arrived(struct ec_conn *conn, size_t n)
{
    struct ec_http_exchange *x = conn->receiving;

    x->body.n += n;
    x->body_left -= n;
    if (x->body_left == 0) {
        x->request.body = (struct ec_str){x->body.p, x->body.n};
        hand(conn, x);
    }
}

static size_t parse_body(struct ec_conn *conn, const char *p, size_t n)
{
    struct ec_http_exchange *x = conn->receiving;
    size_t take = n < x->body_left ? n : x->body_left;

    memcpy(ec_buf_reserve(&x->body, take), p, take);
    ec_conn_body_arrived(conn, take);
    return take;
}

static size_t parse_chunks(struct ec_conn *conn, const char *p, size_t n)
{
    struct ec_http_exchange *x = conn->receiving;
    size_t used;

    switch (ec_http_chunks_read(&x->chunks, p, n, &used, &x->body, conn->server->options.max_body)) {
    case EC_PARSE_MORE:
        return used;
    case EC_PARSE_BAD:
        if (x->chunks.too_large)
            ec_conn_refuse(conn, 413, "the body is too large");
        else
            ec_conn_refuse(conn, 400, "a chunk is malformed");
        return n;
    case EC_PARSE_DONE:
        break;
    }
    x->request.body = (struct ec_str){x->body.n > 0 ? x->body.p : "", x->body.n};
    hand(conn, x);
    return used;
}

size_t ec_conn_parse(struct ec_conn *conn, const char *p, size_t n)
{
    size_t used = 0, step = 1;

    while (used < n && step > 0 && !conn->closing) {
        switch (conn->state) {
        case EC_CONN_HEAD:
            step = conn->outstanding < EC_CONN_MAX_PIPELINE ? parse_head(conn, p + used, n - used) : 0;
            break;
        case EC_CONN_BODY:
            step = parse_body(conn, p + used, n - used);
            break;
        case EC_CONN_CHUNKS:
            step = parse_chunks(conn, p + used, n - used);
            break;
        case EC_CONN_ENDED:
        case EC_CONN_LINGER:
            return n;
        }
        used += step;
    }
    return used;
}

/* ------------------------------------------------------------------ answers */

const struct ec_http_request *ec_http_exchange_request(const struct ec_http_exchange *exchange)
{
    return &exchange->request;
}

struct ec_arena *ec_http_exchange_arena(struct ec_http_exchange *exchange)
{
    return exchange->arena;
}

void ec_http_exchange_set(struct ec_http_exchange *exchange, void *data, void (*gone)(struct ec_http_exchange *exchange, void *data))
{
    exchange->data = data;
    exchange->gone = gone;
}

struct ec_str ec_http_header(const struct ec_http_request *request, const char *name)
{
    size_t i;

    for (i = 0; i < request->nheaders; i++)
        if (ec_header_is(request->headers[i].name, name))
            return request->headers[i].value;
    return (struct ec_str){NULL, 0};
}

static const char *reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Other";
    }
}

/* The date's line, made once a second. */
static struct ec_str date_line(void)
{
    static char line[64];
    static size_t length;
    static time_t of;
    time_t now = time(NULL);
    struct tm tm;

    if (now != of || length == 0) {
        of = now;
        gmtime_r(&now, &tm);
        length = strftime(line, sizeof(line), "date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
    }
    return (struct ec_str){line, length};
}

static char *put(char *to, const char *p, size_t n)
{
    memcpy(to, p, n);
    return to + n;
}
#define PUT(to, literal) put((to), (literal), sizeof(literal) - 1)

/* The head, and the body where it is small enough to be copied: true when it is still to be added. */
static bool write_answer(struct ec_buf *buf, const struct ec_http_exchange *x, int status, struct ec_str type, struct ec_str headers,
                         struct ec_str body, size_t keep)
{
    bool bodiless = status == 204 || status == 304, with = !bodiless && !x->head_only && keep > 0, later = with && keep >= EC_CONN_LARGE;
    struct ec_str date = date_line();
    const char *why = reason(status);
    char digits[24];
    char *start = ec_buf_reserve(buf, 256 + type.n + headers.n + (with && !later ? keep : 0)), *to = start;

    to = PUT(to, "HTTP/1.1 ");
    to = put(to, (char[]){(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10), (char)('0' + status % 10), ' '}, 4);
    to = put(to, why, strlen(why));
    to = PUT(to, "\r\n");
    if (!bodiless) {
        if (type.n > 0) {
            to = PUT(to, "content-type: ");
            to = put(to, type.p, type.n);
            to = PUT(to, "\r\n");
        }
        if (!x->stream) { /* it ends with the connection */
            to = PUT(to, "content-length: ");
            to = put(to, digits, ec_int_format((int64_t)body.n, digits));
            to = PUT(to, "\r\n");
        }
    }
    to = put(to, date.p, date.n);
    if (headers.n > 0)
        to = put(to, headers.p, headers.n);
    if (x->close)
        to = PUT(to, "connection: close\r\n");
    else if (x->old)
        to = PUT(to, "connection: keep-alive\r\n");
    to = PUT(to, "\r\n");
    if (with && !later)
        to = put(to, body.p, keep);
    buf->n += (size_t)(to - start);
    return later;
}

/* Moves the answers that are due into the output. */
static void advance(struct ec_conn *conn)
{
    struct ec_http_exchange *x;

    while ((x = conn->first) && x->answered) {
        if (x->out.n > 0)
            ec_buf_add(&conn->out, x->out.p, x->out.n);
        conn->first = x->next;
        if (!conn->first)
            conn->last = NULL;
        conn->outstanding--;
        exchange_free(x);
    }
    if (x && x->stream && x->out.n > 0) { /* what it has by now */
        ec_buf_add(&conn->out, x->out.p, x->out.n);
        x->out.n = 0;
    }
    give_continue(conn);
}

static struct ec_buf *out_of(struct ec_http_exchange *x)
{
    return x == x->conn->first ? &x->conn->out : &x->out;
}

static void answer(struct ec_http_exchange *x, int status, struct ec_str type, struct ec_str headers, struct ec_str body, size_t keep)
{
    struct ec_conn *conn = x->conn;

    if (!conn) {
        exchange_free(x);
        return;
    }
    /* While the server drains, the last answer of a connection says goodbye. */
    x->close = !x->request.keep_alive || keep < body.n || (conn->server->draining && x == conn->last && conn->in.n == 0);
    if (x->close)
        conn->state = EC_CONN_ENDED;
    if (write_answer(out_of(x), x, status, type, headers, body, keep)) {
        if (x == conn->first)
            ec_conn_add_large(conn, body.p, keep);
        else
            ec_buf_add(&x->out, body.p, keep);
    }
    x->answered = true;
    advance(conn);
    ec_conn_wrote(conn);
}

void ec_http_reply(struct ec_http_exchange *exchange, int status, struct ec_str content_type, struct ec_str headers, struct ec_str body)
{
    answer(exchange, status, content_type, headers, body, body.n);
}

/* ------------------------------------------------------------------ answers in pieces */

void ec_http_stream(struct ec_http_exchange *x, struct ec_str content_type, struct ec_str headers)
{
    x->stream = true;
    if (!x->conn)
        return;
    x->close = true;
    x->conn->state = EC_CONN_ENDED;
    write_answer(out_of(x), x, 200, content_type, headers, (struct ec_str){NULL, 0}, 0);
    ec_conn_wrote(x->conn);
}

bool ec_http_stream_write(struct ec_http_exchange *x, struct ec_str piece)
{
    struct ec_conn *conn = x->conn;

    if (!conn || conn->out.n + conn->wire.n + x->out.n + (conn->writing ? conn->sending.n : 0) > EC_CONN_MAX_UNSENT)
        return false;
    ec_buf_add(out_of(x), piece.p, piece.n);
    ec_conn_wrote(conn);
    return true;
}

void ec_http_stream_end(struct ec_http_exchange *x)
{
    struct ec_conn *conn = x->conn;

    if (!conn) {
        exchange_free(x);
        return;
    }
    x->answered = true;
    advance(conn);
    ec_conn_wrote(conn);
}

void ec_http_reply_truncated(struct ec_http_exchange *exchange, int status, struct ec_str content_type, struct ec_str body, size_t keep)
{
    answer(exchange, status, content_type, (struct ec_str){NULL, 0}, body, keep);
}

void ec_http_close(struct ec_http_exchange *exchange)
{
    struct ec_conn *conn = exchange->conn;

    exchange->gone = NULL;
    exchange->answered = true;
    if (conn)
        ec_conn_close(conn);
    else
        exchange_free(exchange);
}

/* What the grammar refuses and services have no error for. */
static const struct ec_error refusals[] = {
    {"request-timeout", 408, "The request took too long"},
    {"uri-too-long", 414, "The request target is too long"},
    {"expectation-failed", 417, "The expectation can't be met"},
    {"headers-too-large", 431, "The header section is too large"},
    {"not-implemented", 501, "This is not implemented"},
    {"version-not-supported", 505, "This version of HTTP is not supported"},
};

void ec_conn_refuse(struct ec_conn *conn, int status, const char *why)
{
    const struct ec_error *error = status == 413 ? &ec_error_too_large : &ec_error_bad_request;
    struct ec_http_exchange *x = conn->receiving;
    size_t i;

    for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (refusals[i].status == status)
            error = &refusals[i];
    if (!x)
        x = exchange_new(conn);
    x->request.keep_alive = false;
    conn->receiving = NULL;
    conn->owe_continue = false;
    conn->state = EC_CONN_ENDED;
    if (!conn->in_input)
        conn->in.n = 0;
    ec_http_problem(x, error, why, NULL, (struct ec_str){NULL, 0});
}
