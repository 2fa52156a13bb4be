/* The listener: accepts, limits the number of connections, sweeps their deadlines, drains.
 *
 * One timer looks at all connections a few times within the shortest timeout; a timer for each would cost a heap operation a request.
 * A prepare handle runs right before the loop waits for events and writes what the turn's callbacks answered, so pipelined answers that
 * became ready together leave in one write. The server is freed when its handles and connections are closed.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "http_conn.h"

static void free_when_closed(struct ec_http_server *server)
{
    if (server->open_handles > 0 || server->nconns > 0)
        return;
    ec_tls_context_free(server->tls);
    free(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct ec_http_server *server = handle->data;

    server->open_handles--;
    free_when_closed(server);
}

void ec_server_conn_closed(struct ec_http_server *server)
{
    free_when_closed(server);
}

static void on_connection(uv_stream_t *stream, int status)
{
    if (status == 0)
        ec_conn_accept(stream->data);
}

static void on_flush(uv_prepare_t *prepare)
{
    struct ec_http_server *server = prepare->data;
    struct ec_conn *conn;

    while ((conn = server->dirty)) {
        server->dirty = conn->dirty_next;
        conn->dirty = false;
        ec_conn_flush(conn);
    }
    uv_prepare_stop(prepare);
}

void ec_server_flush_later(struct ec_conn *conn)
{
    struct ec_http_server *server = conn->server;

    if (conn->dirty)
        return;
    conn->dirty = true;
    conn->dirty_next = server->dirty;
    server->dirty = conn;
    uv_prepare_start(&server->flush, on_flush);
}

static void on_sweep(uv_timer_t *timer)
{
    struct ec_http_server *server = timer->data;
    uint64_t now = uv_now(server->loop);
    struct ec_conn *conn, *next;

    for (conn = server->conns; conn; conn = next) {
        next = conn->next;
        ec_conn_sweep(conn, now);
    }
}

static const char *explain(const char *host, int port, int error)
{
    static char message[256];

    if (error == EADDRINUSE)
        snprintf(message, sizeof(message), "address %s:%d is in use", host, port);
    else
        snprintf(message, sizeof(message), "can't listen on %s:%d: %s", host, port, strerror(error));
    return message;
}

/* A bound socket, or -1 with errno. libuv has no way to say SO_REUSEPORT before it binds. */
static int bind_socket(const char *host, int port, bool reuse_port, int *bound)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    int fd, on = 1, saved;

    memset(&address, 0, sizeof(address));
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)&address) == 0) {
        length = sizeof(struct sockaddr_in);
    } else if (uv_ip6_addr(host, port, (struct sockaddr_in6 *)&address) == 0) {
        length = sizeof(struct sockaddr_in6);
    } else {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) ||
        bind(fd, (struct sockaddr *)&address, length) != 0 || getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    *bound =
        ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port : ((struct sockaddr_in6 *)&address)->sin6_port);
    return fd;
}

static uint64_t sweep_interval(const struct ec_http_server_options *options)
{
    int least = options->header_timeout_ms;

    if (options->body_timeout_ms < least)
        least = options->body_timeout_ms;
    if (options->idle_timeout_ms < least)
        least = options->idle_timeout_ms;
    return least / 4 < 10 ? 10 : least / 4 > 500 ? 500 : (uint64_t)(least / 4);
}

struct ec_http_server *ec_http_server_start(uv_loop_t *loop, const struct ec_http_server_options *options, const char **why)
{
    struct ec_http_server *server = calloc(1, sizeof(*server));
    struct ec_http_server_options *o;
    int fd, error;

    if (!server)
        abort();
    signal(SIGPIPE, SIG_IGN); /* libuv writes to sockets whose peer may be gone */
    server->loop = loop;
    server->options = *options;
    o = &server->options;
    if (!o->host)
        o->host = "127.0.0.1";
    o->max_body = o->max_body ? o->max_body : EC_HTTP_MAX_BODY;
    o->header_timeout_ms = o->header_timeout_ms ? o->header_timeout_ms : 10000;
    o->body_timeout_ms = o->body_timeout_ms ? o->body_timeout_ms : 20000;
    o->idle_timeout_ms = o->idle_timeout_ms ? o->idle_timeout_ms : 60000;
    o->max_connections = o->max_connections ? o->max_connections : 4096;
    if (o->tls_cert) {
        server->tls = ec_tls_context_new(o->tls_cert, o->tls_key, why);
        if (!server->tls) {
            free(server);
            return NULL;
        }
    }
    fd = bind_socket(o->host, o->port, o->reuse_port, &server->port);
    if (fd < 0) {
        *why = explain(o->host, o->port, errno);
        ec_tls_context_free(server->tls);
        free(server);
        return NULL;
    }
    uv_tcp_init(loop, &server->listen);
    uv_timer_init(loop, &server->sweep);
    uv_prepare_init(loop, &server->flush);
    uv_timer_init(loop, &server->delay);
    uv_check_init(loop, &server->last);
    server->open_handles = 5;
    server->listen.data = server->sweep.data = server->flush.data = server->delay.data = server->last.data = server;
    server->listening = true;
    error = uv_tcp_open(&server->listen, fd);
    if (error != 0)
        close(fd);
    else
        error = uv_listen((uv_stream_t *)&server->listen, 1024, on_connection);
    if (error != 0) {
        *why = explain(o->host, o->port, -error);
        ec_http_server_stop(server);
        return NULL;
    }
    uv_timer_start(&server->sweep, on_sweep, sweep_interval(o), sweep_interval(o));
    uv_unref((uv_handle_t *)&server->sweep);
    uv_unref((uv_handle_t *)&server->flush);
    return server;
}

int ec_http_server_port(const struct ec_http_server *server)
{
    return server->port;
}

static bool has_unread(struct ec_conn *conn)
{
    int fd, n = 0;

    return uv_fileno((uv_handle_t *)&conn->tcp, &fd) == 0 && ioctl(fd, FIONREAD, &n) == 0 && n > 0;
}

/* Its clients have closed what they had idle here, for a reply told them to: so there is hardly one left on which a request could come
 * just as it is closed. */
static void end_listening(struct ec_http_server *server)
{
    struct ec_conn *conn, *next;

    if (server->listening) {
        server->listening = false;
        uv_close((uv_handle_t *)&server->listen, on_handle_closed);
    }
    for (conn = server->conns; conn; conn = next) {
        next = conn->next;
        if (ec_conn_idle(conn) && conn->state == EC_CONN_HEAD && (server->stopping || !has_unread(conn)))
            ec_conn_close(conn);
    }
}

static void on_last(uv_check_t *check)
{
    struct ec_http_server *server = check->data;

    uv_check_stop(check);
    uv_timer_stop(&server->delay);
    end_listening(server);
}

static void on_turn(uv_timer_t *timer)
{
    (void)timer; /* it is only for the loop to have a turn */
}

/* What has come while the loop was elsewhere is accepted and read first: a connection that waits in the backlog would be reset. */
static void on_delay(uv_timer_t *timer)
{
    struct ec_http_server *server = timer->data;

    uv_check_start(&server->last, on_last);
    uv_timer_start(timer, on_turn, 1, 0);
}

void ec_http_server_drain(struct ec_http_server *server, int64_t delay_ms)
{
    if (server->draining)
        return;
    server->draining = true;
    if (delay_ms > 0)
        uv_timer_start(&server->delay, on_delay, (uint64_t)delay_ms, 0);
    else
        end_listening(server);
}

bool ec_http_server_idle(const struct ec_http_server *server)
{
    const struct ec_conn *conn;

    if (uv_is_active((const uv_handle_t *)&server->delay))
        return false;
    for (conn = server->conns; conn; conn = conn->next)
        if (!ec_conn_idle(conn))
            return false;
    return true;
}

void ec_http_server_stop(struct ec_http_server *server)
{
    if (server->stopping)
        return;
    server->stopping = true;
    server->draining = true;
    end_listening(server);
    while (server->conns)
        ec_conn_close(server->conns);
    uv_close((uv_handle_t *)&server->sweep, on_handle_closed);
    uv_close((uv_handle_t *)&server->flush, on_handle_closed);
    uv_close((uv_handle_t *)&server->delay, on_handle_closed);
    uv_close((uv_handle_t *)&server->last, on_handle_closed);
}
