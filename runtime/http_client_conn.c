/* Connections of the client: resolving, connecting, one request at a time, its reply, keep-alive.
 *
 * A connection is read all the time, so that one which the server closes while it is idle goes at once. One that has been idle for a
 * while is looked at (MSG_PEEK) before a request is given to it: the end may be in the socket while its event is still in the loop's
 * future. What remains of the race, a server that closes while the request is on its way, is what `repeatable` is for.
 *
 * A reply that arrives whole is parsed where it was read; another gathers in `in`. It is handed to its call when it is complete, after
 * the connection has been given back, so the next call may already use it; its memory is taken from the connection for that long.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http_client.h"

static char read_buffer[64 * 1024];

static void conn_free(struct ec_client_conn *conn)
{
    struct ec_http_client *client = conn->client;

    if (!conn->closed || conn->resolving)
        return;
    ec_buf_free(&conn->in);
    ec_buf_free(&conn->body);
    free(conn);
    ec_client_handle_closed(client);
}

static void on_closed(uv_handle_t *handle)
{
    struct ec_client_conn *conn = handle->data;

    conn->closed = true;
    conn_free(conn);
}

static void leave_idle(struct ec_client_conn *conn)
{
    struct ec_client_conn **at = &conn->origin->idle;

    while (*at != conn)
        at = &(*at)->idle_next;
    *at = conn->idle_next;
}

void ec_client_close(struct ec_client_conn *conn)
{
    if (conn->state == EC_CLIENT_CLOSED)
        return;
    if (conn->state == EC_CLIENT_IDLE)
        leave_idle(conn);
    conn->state = EC_CLIENT_CLOSED;
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        conn->client->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    conn->client->nconns--;
    if (conn->resolving)
        uv_cancel((uv_req_t *)&conn->resolve);
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

/* Takes the call from the connection, which is closed. */
static struct ec_http_call *abandon(struct ec_client_conn *conn)
{
    struct ec_http_call *call = conn->call;

    conn->call = NULL;
    if (call) {
        call->conn = NULL;
        conn->origin->busy--;
    }
    ec_client_close(conn);
    return call;
}

/* No connection: nothing was sent, another origin may be asked. */
static void refused(struct ec_client_conn *conn)
{
    struct ec_http_client *client = conn->client;
    struct ec_http_call *call;

    ec_client_avoid(client, conn->origin);
    call = abandon(conn);
    if (call) {
        call->tried |= 1u << (conn->origin - client->origins);
        ec_client_requeue(call);
    }
}

/* The connection failed with a request on it. */
static void broken(struct ec_client_conn *conn, enum ec_http_outcome outcome)
{
    bool silent = conn->in.n == 0 && !conn->have_head, stale = conn->reused && silent, sent = conn->sent;
    struct ec_http_call *call = abandon(conn);

    if (!call) {
        ec_client_dispatch(conn->client);
        return;
    }
    call->sent |= sent;
    if (outcome == EC_HTTP_BROKEN && !call->retried && ((stale && call->repeatable) || !sent)) {
        call->retried = true;
        ec_client_requeue(call);
    } else {
        ec_client_finish_soon(call, sent ? outcome : EC_HTTP_REFUSED);
    }
}

/* ------------------------------------------------------------------ replies */

static void reset_reply(struct ec_client_conn *conn)
{
    conn->in.n = conn->body.n = 0;
    conn->have_head = conn->chunked = false;
    conn->chunks = (struct ec_http_chunks){.state = EC_CHUNK_SIZE};
}

static void to_idle(struct ec_client_conn *conn)
{
    reset_reply(conn);
    conn->state = EC_CLIENT_IDLE;
    conn->idle_since = uv_now(conn->client->loop);
    conn->idle_next = conn->origin->idle;
    conn->origin->idle = conn;
}

/* An origin that says `connection: close` is about to end, or to forget this client: what is idle there is closed from here, before it is
 * closed from there with a request on its way, and the others are asked for a while. */
static void leave(struct ec_http_client *client, struct ec_origin *origin)
{
    ec_client_avoid(client, origin);
    while (origin->idle)
        ec_client_close(origin->idle);
}

/* One that can only fail fails faster than the others work, and would draw all calls to itself. 503 and 504 say that somebody behind it is
 * missed: by its siblings, too. Envoy's outlier detection by consecutive errors is the model. */
static void judge(struct ec_http_client *client, struct ec_origin *origin, int status)
{
    origin->faults = status == 500 || status == 502 ? origin->faults + 1 : 0;
    if (origin->faults < EC_CLIENT_FAULTS)
        return;
    origin->faults = 0;
    ec_client_avoid(client, origin);
}

/* The reply is whole: its head at p, its body where it is said. */
static void deliver(struct ec_client_conn *conn, const char *p, size_t head_length, struct ec_str body, bool reusable)
{
    static struct ec_http_head head;
    struct ec_http_call *call = conn->call;
    struct ec_buf in = conn->in, gathered = conn->body;
    struct ec_http_reply reply;

    ec_http_parse_reply(p, head_length, &head);
    reply = (struct ec_http_reply){head.status, head.headers, head.nheaders, body, conn->origin};
    conn->in = conn->body = (struct ec_buf){NULL, 0, 0};
    conn->call = NULL;
    call->conn = NULL;
    conn->origin->busy--;
    if (!head.keep_alive)
        leave(conn->client, conn->origin);
    judge(conn->client, conn->origin, head.status);
    if (reusable && head.keep_alive && !conn->writing && !conn->client->stopping)
        to_idle(conn);
    else
        ec_client_close(conn);
    ec_client_finish(call, EC_HTTP_OK, &reply);
    ec_buf_free(&in);
    ec_buf_free(&gathered);
}

/* Reads a head, past any 1xx. Says how long it is with them and where it begins. */
static enum ec_http_parse reply_head(struct ec_client_conn *conn, const char *p, size_t n, size_t *begin)
{
    static struct ec_http_head head;
    enum ec_http_parse r;
    size_t at = 0;

    for (;;) {
        r = ec_http_parse_reply(p + at, n - at, &head);
        if (r != EC_PARSE_DONE)
            return r;
        if (head.status >= 200)
            break;
        if (head.status == 101)
            return EC_PARSE_BAD;
        at += head.length;
    }
    /* A body that only the end of the connection ends can't be told from one that was cut. */
    if (!head.chunked && head.content_length < 0 && head.status != 304)
        return EC_PARSE_BAD;
    if (head.content_length > EC_CLIENT_MAX_REPLY)
        return EC_PARSE_BAD;
    *begin = at;
    conn->have_head = true;
    conn->head_length = head.length;
    conn->chunked = head.chunked;
    conn->content_length = head.content_length < 0 ? 0 : head.content_length;
    return EC_PARSE_DONE;
}

static void read_chunks(struct ec_client_conn *conn)
{
    size_t rest = conn->in.n - conn->head_length, used;
    char *p = conn->in.p + conn->head_length;

    switch (ec_http_chunks_read(&conn->chunks, p, rest, &used, &conn->body, EC_CLIENT_MAX_REPLY)) {
    case EC_PARSE_BAD:
        broken(conn, EC_HTTP_MALFORMED);
        return;
    case EC_PARSE_MORE:
        memmove(p, p + used, rest - used);
        conn->in.n -= used;
        return;
    case EC_PARSE_DONE:
        deliver(conn, conn->in.p, conn->head_length, (struct ec_str){conn->body.n > 0 ? conn->body.p : "", conn->body.n}, used == rest);
        return;
    }
}

static void receive(struct ec_client_conn *conn, const char *p, size_t n)
{
    bool direct = conn->in.n == 0;
    size_t begin = 0, whole;

    if (!direct) {
        ec_buf_add(&conn->in, p, n);
        p = conn->in.p;
        n = conn->in.n;
    }
    if (!conn->have_head) {
        switch (reply_head(conn, p, n, &begin)) {
        case EC_PARSE_BAD:
            broken(conn, EC_HTTP_MALFORMED);
            return;
        case EC_PARSE_MORE:
            if (direct)
                ec_buf_add(&conn->in, p, n);
            return;
        case EC_PARSE_DONE:
            break;
        }
        if (!direct && begin > 0) {
            memmove(conn->in.p, conn->in.p + begin, conn->in.n - begin);
            conn->in.n -= begin;
            p = conn->in.p;
        } else {
            p += begin;
        }
        n -= begin;
    }
    whole = conn->head_length + (size_t)conn->content_length;
    if (!conn->chunked && n >= whole) {
        deliver(conn, p, conn->head_length, (struct ec_str){p + conn->head_length, (size_t)conn->content_length}, n == whole);
        return;
    }
    if (direct)
        ec_buf_add(&conn->in, p, n);
    if (conn->chunked)
        read_chunks(conn);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(read_buffer, sizeof(read_buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct ec_client_conn *conn = stream->data;

    if (n == 0 || conn->state == EC_CLIENT_CLOSED)
        return;
    if (n < 0)
        broken(conn, EC_HTTP_BROKEN);
    else if (conn->state == EC_CLIENT_IDLE)
        ec_client_close(conn); /* it speaks without being asked */
    else
        receive(conn, buf->base, (size_t)n);
}

/* ------------------------------------------------------------------ requests */

static void on_written(uv_write_t *write, int status)
{
    struct ec_client_conn *conn = write->data;

    conn->writing = false;
    if (status < 0 && conn->state != EC_CLIENT_CLOSED)
        broken(conn, EC_HTTP_BROKEN);
}

void ec_client_write(struct ec_client_conn *conn, struct ec_http_call *call)
{
    struct ec_origin *origin = conn->origin;
    uv_buf_t parts[3];
    int i, wrote;

    call->conn = conn;
    conn->call = call;
    conn->state = EC_CLIENT_BUSY;
    conn->sent = false;
    parts[0] = uv_buf_init(call->request.p, (unsigned int)call->head);
    parts[1] = uv_buf_init(origin->host_line, (unsigned int)strlen(origin->host_line));
    parts[2] = uv_buf_init(call->request.p + call->head, (unsigned int)(call->request.n - call->head));
    wrote = uv_try_write((uv_stream_t *)&conn->tcp, parts, parts[2].len > 0 ? 3 : 2);
    if (wrote < 0 && wrote != UV_EAGAIN) {
        broken(conn, EC_HTTP_BROKEN);
        return;
    }
    conn->sent = true;
    for (i = 0; i < 3 && wrote > 0; i++) {
        size_t take = parts[i].len < (size_t)wrote ? parts[i].len : (size_t)wrote;

        parts[i].base += take;
        parts[i].len -= take;
        wrote -= (int)take;
    }
    if (parts[0].len + parts[1].len + parts[2].len == 0)
        return;
    conn->write.data = conn;
    if (uv_write(&conn->write, (uv_stream_t *)&conn->tcp, parts, 3, on_written) != 0)
        broken(conn, EC_HTTP_BROKEN);
    else
        conn->writing = true;
}

/* An idle connection that is still open, or NULL. */
struct ec_client_conn *ec_client_take_idle(struct ec_origin *origin)
{
    struct ec_client_conn *conn;
    uv_os_fd_t fd;
    char byte;

    while ((conn = origin->idle)) {
        if (uv_now(conn->client->loop) - conn->idle_since > EC_CLIENT_TRUST_MS && uv_fileno((uv_handle_t *)&conn->tcp, &fd) == 0 &&
            (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK))) {
            ec_client_close(conn);
            continue;
        }
        leave_idle(conn);
        conn->state = EC_CLIENT_BUSY;
        conn->reused = true;
        return conn;
    }
    return NULL;
}

/* ------------------------------------------------------------------ connecting */

static void on_connected(uv_connect_t *connect, int status)
{
    struct ec_client_conn *conn = connect->data;

    if (conn->state == EC_CLIENT_CLOSED)
        return;
    if (status != 0) {
        refused(conn);
        return;
    }
    uv_tcp_nodelay(&conn->tcp, 1);
    uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
    ec_client_write(conn, conn->call);
}

static void start_connecting(struct ec_client_conn *conn, const struct sockaddr *address)
{
    conn->state = EC_CLIENT_CONNECTING;
    conn->connect.data = conn;
    if (uv_tcp_connect(&conn->connect, &conn->tcp, address, on_connected) != 0)
        refused(conn);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *list)
{
    struct ec_client_conn *conn = resolve->data;
    struct addrinfo *at;

    conn->resolving = false;
    if (conn->state == EC_CLIENT_CLOSED) {
        uv_freeaddrinfo(list);
        conn_free(conn);
        return;
    }
    if (status != 0) {
        refused(conn);
        return;
    }
    for (at = list; at && at->ai_family != AF_INET; at = at->ai_next)
        ;
    start_connecting(conn, at ? at->ai_addr : list->ai_addr);
    uv_freeaddrinfo(list);
}

void ec_client_connect(struct ec_http_client *client, struct ec_origin *origin, struct ec_http_call *call)
{
    struct ec_client_conn *conn = calloc(1, sizeof(*conn));
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};

    if (!conn)
        abort();
    conn->client = client;
    conn->origin = origin;
    conn->call = call;
    call->conn = conn;
    reset_reply(conn);
    conn->next = client->conns;
    if (conn->next)
        conn->next->prev = conn;
    client->conns = conn;
    client->nconns++;
    client->handles++;
    uv_tcp_init(client->loop, &conn->tcp);
    conn->tcp.data = conn;
    if (origin->numeric) {
        start_connecting(conn, (const struct sockaddr *)&origin->address);
        return;
    }
    conn->state = EC_CLIENT_RESOLVING;
    conn->resolve.data = conn;
    conn->resolving = uv_getaddrinfo(client->loop, &conn->resolve, on_resolved, origin->host, origin->port, &hints) == 0;
    if (!conn->resolving)
        refused(conn);
}
