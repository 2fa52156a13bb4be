/* A connection of the server: reading, writing, time limits, the end.
 *
 * Reading: one static buffer serves all connections; what is not a whole step of the grammar is kept in `in`, so an idle connection owns
 * no buffer. The rest of a large body is read to where it will stand: once some of it is there, not for an announcement alone, room
 * is made for all, of which only what arrives becomes memory. Reading stops while too many requests are unanswered or the client does not
 * take its answers.
 *
 * Writing: answers gather in `out`. They are tried at once with uv_try_write when nothing else can join them (at the end of a read, or
 * when the only request was answered), else by the server's prepare handle; what the kernel does not take goes through uv_write. A
 * large body is tried from where it stands, so that at most the rest of it is copied.
 *
 * Ending: after the last answer the connection is shut down for writing and read on for a moment (linger), since closing a socket with
 * unread input resets it and may destroy the answer on its way. An end of input while requests are unanswered means that the client is
 * gone: a half-closed client is not told from one that left.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "http_conn.h"

enum { READ_SIZE = 64 * 1024, KEEP_BUFFER = 16 * 1024 };

static char read_buffer[READ_SIZE];
static char plain_buffer[16 * 1024 + 256];

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct ec_conn *conn = handle->data;
    struct ec_http_exchange *x = conn->receiving; /* there is one in that state, and nothing else waits in `in` */

    (void)suggested;
    if (conn->state == EC_CONN_BODY && !conn->tls && x->body.n >= READ_SIZE / 2 && x->body_left >= READ_SIZE)
        *buf = uv_buf_init(ec_buf_reserve(&x->body, x->body_left), (unsigned int)x->body_left);
    else
        *buf = uv_buf_init(read_buffer, sizeof(read_buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

/* ------------------------------------------------------------------ the end */

static void on_closed(uv_handle_t *handle)
{
    struct ec_conn *conn = handle->data;
    struct ec_http_server *server = conn->server;

    ec_buf_free(&conn->in);
    ec_buf_free(&conn->out);
    ec_buf_free(&conn->wire);
    ec_buf_free(&conn->sending);
    ec_tls_free(conn->tls);
    free(conn);
    server->nconns--;
    ec_server_conn_closed(server);
}

void ec_conn_close(struct ec_conn *conn)
{
    struct ec_http_server *server = conn->server;
    struct ec_conn **at;

    if (conn->closing)
        return;
    conn->closing = true;
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    if (conn->dirty) {
        for (at = &server->dirty; *at != conn; at = &(*at)->dirty_next)
            ;
        *at = conn->dirty_next;
        conn->dirty = false;
    }
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
    ec_conn_drop_exchanges(conn);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct ec_conn *conn = shutdown->data;

    if (status < 0)
        ec_conn_close(conn);
}

static void read_start(struct ec_conn *conn)
{
    uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
}

/* Everything is answered and written. */
static void linger(struct ec_conn *conn)
{
    if (conn->eof) {
        ec_conn_close(conn);
        return;
    }
    conn->state = EC_CONN_LINGER;
    conn->in.n = 0;
    conn->deadline = uv_now(conn->server->loop) + EC_CONN_LINGER_MS;
    conn->shutdown.data = conn;
    if (uv_shutdown(&conn->shutdown, (uv_stream_t *)&conn->tcp, on_shutdown) != 0) {
        ec_conn_close(conn);
        return;
    }
    read_start(conn); /* it may have been paused */
}

/* ------------------------------------------------------------------ writing */

static void on_written(uv_write_t *write, int status)
{
    struct ec_conn *conn = write->data;

    conn->writing = false;
    conn->write_deadline = 0;
    if (conn->closing)
        return;
    if (status < 0) {
        ec_conn_close(conn);
        return;
    }
    conn->sending.n = 0;
    if (conn->sending.cap > KEEP_BUFFER)
        ec_buf_free(&conn->sending);
    ec_conn_flush(conn);
}

/* Gives buf to the kernel, or what it does not take at once to uv_write. */
static bool transmit(struct ec_conn *conn, struct ec_buf *buf)
{
    struct ec_buf swap;
    uv_buf_t part = uv_buf_init(buf->p, (unsigned int)buf->n);
    int wrote = uv_try_write((uv_stream_t *)&conn->tcp, &part, 1);

    if (wrote < 0 && wrote != UV_EAGAIN)
        return false;
    if (wrote == (int)buf->n) {
        buf->n = 0;
        if (buf->cap > KEEP_BUFFER)
            ec_buf_free(buf);
        return true;
    }
    wrote = wrote < 0 ? 0 : wrote;
    swap = conn->sending;
    conn->sending = *buf;
    *buf = swap;
    buf->n = 0;
    part = uv_buf_init(conn->sending.p + wrote, (unsigned int)(conn->sending.n - (size_t)wrote));
    conn->write.data = conn;
    if (uv_write(&conn->write, (uv_stream_t *)&conn->tcp, &part, 1, on_written) != 0)
        return false;
    conn->writing = true;
    conn->queued = uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp);
    conn->write_deadline = uv_now(conn->server->loop) + (uint64_t)conn->server->options.body_timeout_ms;
    return true;
}

void ec_conn_add_large(struct ec_conn *conn, const char *p, size_t n)
{
    uv_buf_t parts[] = {uv_buf_init(conn->out.p, (unsigned int)conn->out.n), uv_buf_init((char *)p, (unsigned int)n)};
    size_t wrote = 0;
    int r;

    if (!conn->tls && !conn->writing && (r = uv_try_write((uv_stream_t *)&conn->tcp, parts, 2)) > 0)
        wrote = (size_t)r; /* an error comes again when the rest is flushed */
    if (wrote < conn->out.n) {
        memmove(conn->out.p, conn->out.p + wrote, conn->out.n - wrote);
        conn->out.n -= wrote;
        wrote = 0;
    } else {
        wrote -= conn->out.n;
        conn->out.n = 0;
    }
    ec_buf_add(&conn->out, p + wrote, n - wrote);
}

static bool full(const struct ec_conn *conn)
{
    return conn->outstanding >= EC_CONN_MAX_PIPELINE ||
           conn->out.n + conn->wire.n + (conn->writing ? conn->sending.n : 0) > EC_CONN_MAX_UNSENT;
}

static void input(struct ec_conn *conn, const char *p, size_t n);
static void await_client(struct ec_conn *conn);

void ec_conn_flush(struct ec_conn *conn)
{
    struct ec_buf *buf = conn->tls ? &conn->wire : &conn->out;

    if (conn->closing || conn->state == EC_CONN_LINGER)
        return;
    if (conn->tls) {
        if (conn->out.n > 0 && !ec_tls_write(conn->tls, conn->out.p, conn->out.n)) {
            ec_conn_close(conn);
            return;
        }
        conn->out.n = 0;
        if (conn->state == EC_CONN_ENDED && !conn->first)
            ec_tls_close(conn->tls);
        ec_tls_take(conn->tls, &conn->wire);
    }
    if (conn->writing) {
        await_client(conn);
        return;
    }
    if (buf->n > 0 && !transmit(conn, buf)) {
        ec_conn_close(conn);
        return;
    }
    if (!conn->writing && conn->state == EC_CONN_ENDED && !conn->first) {
        linger(conn);
        return;
    }
    if (conn->paused && !conn->in_input && !full(conn)) {
        conn->paused = false;
        input(conn, NULL, 0);
        if (!conn->closing && !conn->paused && conn->state != EC_CONN_LINGER)
            read_start(conn);
        return;
    }
    if (conn->server->draining && conn->state == EC_CONN_HEAD && ec_conn_idle(conn))
        ec_conn_close(conn);
    else
        await_client(conn);
}

void ec_conn_wrote(struct ec_conn *conn)
{
    if (conn->closing || conn->in_input)
        return; /* a read flushes at its end */
    if (!conn->first)
        ec_conn_flush(conn);
    else
        ec_server_flush_later(conn);
}

/* ------------------------------------------------------------------ time */

/* What the client owes by now. A limit runs from when its kind began, not from the last byte: slowness does not prolong it. */
static void await_client(struct ec_conn *conn)
{
    const struct ec_http_server_options *options = &conn->server->options;
    uint64_t now = uv_now(conn->server->loop);
    enum ec_conn_awaits awaits;

    if (conn->state == EC_CONN_LINGER)
        return;
    if (conn->state == EC_CONN_ENDED || conn->paused)
        awaits = EC_AWAITS_NOTHING;
    else if (conn->receiving)
        awaits = EC_AWAITS_BODY;
    else if (conn->in.n > 0)
        awaits = EC_AWAITS_HEAD;
    else
        awaits = conn->first ? EC_AWAITS_NOTHING : EC_AWAITS_REQUEST;
    if (awaits == conn->awaits)
        return;
    conn->awaits = awaits;
    switch (awaits) {
    case EC_AWAITS_HEAD:
        conn->deadline = now + (uint64_t)options->header_timeout_ms;
        break;
    case EC_AWAITS_BODY:
        conn->deadline = now + (uint64_t)options->body_timeout_ms;
        break;
    case EC_AWAITS_REQUEST:
        conn->deadline = now + (uint64_t)options->idle_timeout_ms;
        break;
    default:
        conn->deadline = 0;
        break;
    }
}

void ec_conn_sweep(struct ec_conn *conn, uint64_t now)
{
    size_t queued;

    if (conn->writing) {
        queued = uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp);
        if (queued < conn->queued) {
            conn->queued = queued;
            conn->write_deadline = now + (uint64_t)conn->server->options.body_timeout_ms;
        } else if (now >= conn->write_deadline) {
            ec_conn_close(conn);
            return;
        }
    }
    if (conn->deadline == 0 || now < conn->deadline) {
        if (conn->awaits == EC_AWAITS_REQUEST && !conn->writing && conn->out.n + conn->wire.n == 0) {
            ec_buf_free(&conn->in);
            ec_buf_free(&conn->out);
            ec_buf_free(&conn->wire);
            ec_buf_free(&conn->sending);
        }
        return;
    }
    if (conn->state == EC_CONN_LINGER || conn->awaits == EC_AWAITS_REQUEST) {
        ec_conn_close(conn);
        return;
    }
    ec_conn_refuse(conn, 408, conn->receiving ? "the body took too long" : "the header section took too long");
    ec_conn_flush(conn);
}

bool ec_conn_idle(const struct ec_conn *conn)
{
    return !conn->first && conn->in.n == 0 && conn->out.n == 0 && conn->wire.n == 0 && !conn->writing;
}

/* ------------------------------------------------------------------ reading */

/* What has come is taken: room for more, and answers on their way. */
static void end_input(struct ec_conn *conn)
{
    conn->in_input = false;
    if (conn->closing)
        return;
    if (full(conn) && conn->state != EC_CONN_ENDED) {
        conn->paused = true;
        uv_read_stop((uv_stream_t *)&conn->tcp);
    }
    ec_conn_flush(conn);
}

static void input(struct ec_conn *conn, const char *p, size_t n)
{
    size_t used;

    conn->in_input = true;
    if (conn->in.n > 0) {
        ec_buf_add(&conn->in, p, n);
        /* A head that comes byte by byte is looked at once a line, or its cost would grow with the square of its length. */
        if (n == 0 || conn->state != EC_CONN_HEAD || conn->in.n >= EC_HTTP_MAX_HEAD || memchr(p, '\n', n)) {
            used = ec_conn_parse(conn, conn->in.p, conn->in.n);
            if (!conn->closing && used > 0) {
                memmove(conn->in.p, conn->in.p + used, conn->in.n - used);
                conn->in.n -= used;
            }
        }
        if (!conn->closing && conn->in.n == 0 && conn->in.cap > KEEP_BUFFER)
            ec_buf_free(&conn->in);
    } else if (n > 0) {
        used = ec_conn_parse(conn, p, n);
        if (!conn->closing && used < n)
            ec_buf_add(&conn->in, p + used, n - used);
    }
    end_input(conn);
}

/* n bytes of a body have been read to where they belong. */
static void input_of_body(struct ec_conn *conn, size_t n)
{
    conn->in_input = true;
    ec_conn_body_arrived(conn, n);
    end_input(conn);
}

static void on_end(struct ec_conn *conn)
{
    conn->eof = true;
    if (conn->first || (conn->out.n + conn->wire.n == 0 && !conn->writing)) {
        ec_conn_close(conn);
        return;
    }
    conn->state = EC_CONN_ENDED;
    ec_conn_flush(conn);
}

static void read_tls(struct ec_conn *conn, const char *p, size_t n)
{
    int got;

    if (!ec_tls_receive(conn->tls, p, n)) {
        ec_conn_close(conn);
        return;
    }
    while ((got = ec_tls_read(conn->tls, plain_buffer, sizeof(plain_buffer))) > 0) {
        input(conn, plain_buffer, (size_t)got);
        if (conn->closing || conn->state == EC_CONN_LINGER)
            return;
    }
    ec_conn_flush(conn); /* a handshake's answer, or an alert */
    if (got < 0 && !conn->closing && conn->state != EC_CONN_LINGER)
        on_end(conn);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct ec_conn *conn = stream->data;

    if (n < 0) {
        if (n == UV_EOF && conn->state != EC_CONN_LINGER)
            on_end(conn);
        else
            ec_conn_close(conn);
    } else if (n > 0 && conn->state != EC_CONN_LINGER) {
        if (buf->base != read_buffer)
            input_of_body(conn, (size_t)n);
        else if (conn->tls)
            read_tls(conn, buf->base, (size_t)n);
        else
            input(conn, buf->base, (size_t)n);
    }
}

static void name_peer(struct ec_conn *conn)
{
    struct sockaddr_storage address;
    int length = sizeof(address);

    strcpy(conn->peer, "unknown");
    if (uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&address, &length) != 0)
        return;
    if (address.ss_family == AF_INET)
        uv_ip4_name((struct sockaddr_in *)&address, conn->peer, sizeof(conn->peer));
    else if (address.ss_family == AF_INET6)
        uv_ip6_name((struct sockaddr_in6 *)&address, conn->peer, sizeof(conn->peer));
}

void ec_conn_accept(struct ec_http_server *server)
{
    struct ec_conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        abort();
    conn->server = server;
    conn->tcp.data = conn;
    uv_tcp_init(server->loop, &conn->tcp);
    conn->next = server->conns;
    if (server->conns)
        server->conns->prev = conn;
    server->conns = conn;
    server->nconns++;
    if (uv_accept((uv_stream_t *)&server->listen, (uv_stream_t *)&conn->tcp) != 0 || server->nconns > server->options.max_connections) {
        ec_conn_close(conn);
        return;
    }
    uv_tcp_nodelay(&conn->tcp, 1);
    uv_tcp_keepalive(&conn->tcp, 1, 60);
    name_peer(conn);
    if (server->tls)
        conn->tls = ec_tls_new(server->tls);
    conn->awaits = EC_AWAITS_REQUEST;
    conn->deadline = uv_now(server->loop) + (uint64_t)server->options.header_timeout_ms;
    read_start(conn);
}
