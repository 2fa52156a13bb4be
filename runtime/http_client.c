/* The keep-alive client of internal hops: origins, the queue of calls, outcomes.
 *
 * A call takes an idle connection of the least busy origin, or a new one while the bound allows, or waits in line (bounded, too). An
 * origin that refused is avoided for a second (so is one that only fails, and one of which the user says so, ec_http_avoid), and a call
 * that no connection could be made for goes on to the next origin: nothing was sent, so nothing is repeated. Calls are pooled with their
 * timers.
 *
 * What can be known inside ec_http_send (a full queue, a refused connection) is told from the loop, by the call's timer.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "http_client.h"
#include "json.h"

/* ------------------------------------------------------------------ origins */

static const char *origin_parse(struct ec_origin *origin, const char *url, size_t n)
{
    static const char scheme[] = "http://";
    const char *host, *end, *colon = NULL, *close;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&origin->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&origin->address;
    size_t host_length;
    long port = 80;
    char *rest;

    if (n <= sizeof(scheme) - 1 || memcmp(url, scheme, sizeof(scheme) - 1) != 0)
        return "is not a list of http://host:port";
    host = url + sizeof(scheme) - 1;
    end = url + n;
    if (end[-1] == '/')
        end--;
    if (*host == '[') {
        close = memchr(host, ']', (size_t)(end - host));
        if (!close)
            return "has a malformed address";
        colon = close + 1 < end ? close + 1 : NULL;
        host++;
        host_length = (size_t)(close - host);
    } else {
        colon = memchr(host, ':', (size_t)(end - host));
        host_length = (size_t)((colon ? colon : end) - host);
    }
    origin->host = strndup(host, host_length);
    if (!origin->host)
        abort();
    if (host_length == 0 || strspn(origin->host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") != host_length)
        return "has a malformed host";
    if (colon) {
        port = *colon == ':' ? strtol(colon + 1, &rest, 10) : 0;
        if (port < 1 || port > 65535 || rest != end || colon[1] < '0' || colon[1] > '9')
            return "has a malformed port";
    }
    if (asprintf(&origin->port, "%ld", port) < 0 ||
        asprintf(&origin->host_line, strchr(origin->host, ':') ? "host: [%s]:%ld\r\n\r\n" : "host: %s:%ld\r\n\r\n", origin->host, port) < 0)
        abort();
    origin->numeric = uv_ip4_addr(origin->host, (int)port, v4) == 0 || uv_ip6_addr(origin->host, (int)port, v6) == 0;
    if (strcmp(origin->host, "localhost") == 0)
        origin->numeric = uv_ip4_addr("127.0.0.1", (int)port, v4) == 0;
    return NULL;
}

static void free_origins(struct ec_http_client *client)
{
    int i;

    for (i = 0; i < client->norigins; i++) {
        free(client->origins[i].host);
        free(client->origins[i].port);
        free(client->origins[i].host_line);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct ec_http_client *client = timer->data;
    struct ec_client_conn *conn, *next;

    for (conn = client->conns; conn; conn = next) {
        next = conn->next;
        if (conn->state == EC_CLIENT_IDLE && uv_now(client->loop) - conn->idle_since > EC_CLIENT_IDLE_MS)
            ec_client_close(conn);
    }
}

/* Fills in origins; says why not, or NULL. */
static const char *parse_urls(struct ec_http_client *client, const char *urls)
{
    const char *why;
    size_t n;

    if (!*urls)
        return "is empty";
    for (;;) {
        n = strcspn(urls, ",");
        if (client->norigins == EC_CLIENT_MAX_ORIGINS)
            return "has too many origins";
        why = origin_parse(&client->origins[client->norigins++], urls, n);
        if (why)
            return why;
        if (urls[n] == '\0')
            return NULL;
        urls += n + 1;
    }
}

const char *ec_http_urls_check(const char *urls)
{
    struct ec_http_client *client = calloc(1, sizeof(*client));
    const char *why;

    if (!client)
        abort();
    why = parse_urls(client, urls);
    free_origins(client);
    free(client);
    return why;
}

struct ec_http_client *ec_http_client_new(uv_loop_t *loop, const char *urls, int max_connections, const char **why)
{
    struct ec_http_client *client = calloc(1, sizeof(*client));

    if (!client)
        abort();
    signal(SIGPIPE, SIG_IGN);
    client->loop = loop;
    client->max_connections = max_connections;
    client->waiting_end = &client->waiting;
    *why = parse_urls(client, urls);
    if (*why) {
        free_origins(client);
        free(client);
        return NULL;
    }
    uv_timer_init(loop, &client->sweep);
    client->sweep.data = client;
    client->handles = 1;
    uv_timer_start(&client->sweep, on_sweep, 5000, 5000);
    uv_unref((uv_handle_t *)&client->sweep);
    return client;
}

void ec_client_handle_closed(struct ec_http_client *client)
{
    struct ec_http_call *call;

    if (--client->handles > 0)
        return;
    while ((call = client->calls)) {
        client->calls = call->all;
        ec_buf_free(&call->request);
        free(call);
    }
    free_origins(client);
    free(client);
}

static void on_timer_closed(uv_handle_t *handle)
{
    ec_client_handle_closed(handle->data);
}

/* What is still in flight ends here: broken when it may have been sent. */
void ec_http_client_stop(struct ec_http_client *client)
{
    struct ec_http_call *call;
    bool sent;

    if (!client || client->stopping)
        return;
    client->stopping = true;
    for (call = client->calls; call;) {
        if (!call->live) {
            call = call->all;
            continue;
        }
        sent = call->conn && call->conn->state == EC_CLIENT_BUSY;
        ec_client_finish(call, call->ended ? call->outcome : sent ? EC_HTTP_BROKEN : EC_HTTP_REFUSED, NULL);
        call = client->calls; /* the callee may have sent anew */
    }
    while (client->conns)
        ec_client_close(client->conns);
    for (call = client->calls; call; call = call->all) {
        call->timer.data = client;
        uv_close((uv_handle_t *)&call->timer, on_timer_closed);
    }
    uv_close((uv_handle_t *)&client->sweep, on_timer_closed);
}

/* ------------------------------------------------------------------ calls */

static void enqueue(struct ec_http_call *call, bool first)
{
    struct ec_http_client *client = call->client;

    call->queued = true;
    client->nwaiting++;
    if (first) {
        call->next = client->waiting;
        client->waiting = call;
        if (!call->next)
            client->waiting_end = &call->next;
    } else {
        call->next = NULL;
        *client->waiting_end = call;
        client->waiting_end = &call->next;
    }
}

static void dequeue(struct ec_http_call *call)
{
    struct ec_http_client *client = call->client;
    struct ec_http_call **at = &client->waiting;

    if (!call->queued)
        return;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (!call->next)
        client->waiting_end = at;
    call->queued = false;
    client->nwaiting--;
}

/* Takes the call out of everything; its connection, if it is still there, can't be used again. */
static void detach(struct ec_http_call *call)
{
    struct ec_client_conn *conn = call->conn;

    dequeue(call);
    uv_timer_stop(&call->timer);
    if (conn) {
        conn->call = NULL;
        conn->origin->busy--;
        call->conn = NULL;
        ec_client_close(conn);
    }
}

static void release(struct ec_http_call *call)
{
    call->live = false;
    call->request.n = 0;
    if (call->request.cap > 64 * 1024)
        ec_buf_free(&call->request);
    call->next = call->client->free_calls;
    call->client->free_calls = call;
}

void ec_client_finish(struct ec_http_call *call, enum ec_http_outcome outcome, const struct ec_http_reply *reply)
{
    void (*done)(void *data, enum ec_http_outcome outcome, const struct ec_http_reply *reply) = call->done;
    struct ec_http_client *client = call->client;
    void *data = call->data;

    /* That the last connection could not be made does not say that nothing came over the one before. */
    if (call->sent && outcome == EC_HTTP_REFUSED)
        outcome = EC_HTTP_BROKEN;
    else if (call->sent && outcome == EC_HTTP_LATE)
        outcome = EC_HTTP_TIMED_OUT;
    detach(call);
    release(call);
    if (!client->stopping)
        ec_client_dispatch(client);
    done(data, outcome, reply);
}

void ec_http_cancel(struct ec_http_call *call)
{
    detach(call);
    release(call);
    ec_client_dispatch(call->client);
}

void ec_client_avoid(struct ec_http_client *client, struct ec_origin *origin)
{
    origin->avoid_until = uv_now(client->loop) + EC_CLIENT_AVOID_MS;
}

void ec_http_avoid(struct ec_http_client *client, const struct ec_http_reply *reply)
{
    ec_client_avoid(client, reply->origin);
}

static void on_timer(uv_timer_t *timer)
{
    struct ec_http_call *call = timer->data;
    enum ec_http_outcome outcome = EC_HTTP_LATE;

    if (call->ended) {
        outcome = call->outcome;
    } else if (call->conn && call->conn->state == EC_CLIENT_BUSY) {
        outcome = EC_HTTP_TIMED_OUT;
    } else if (call->conn) {
        ec_client_avoid(call->client, call->conn->origin);
    }
    ec_client_finish(call, outcome, NULL);
}

void ec_client_finish_soon(struct ec_http_call *call, enum ec_http_outcome outcome)
{
    detach(call);
    call->ended = true;
    call->outcome = outcome;
    uv_timer_start(&call->timer, on_timer, 0, 0);
}

void ec_client_requeue(struct ec_http_call *call)
{
    enqueue(call, true);
    ec_client_dispatch(call->client);
}

/* The least busy origin that this call has not found closed; one that just failed for another call only when there is no other,
 * and of several such the one that has not failed for longest: it may be back. */
static struct ec_origin *choose(struct ec_http_client *client, const struct ec_http_call *call, bool must_be_idle)
{
    struct ec_origin *best = NULL, *origin;
    uint64_t now = uv_now(client->loop), avoid, best_avoid = 0;
    int i;

    for (i = 0; i < client->norigins; i++) {
        origin = &client->origins[i];
        if (call->tried & (1u << i) || (must_be_idle && !origin->idle))
            continue;
        avoid = origin->avoid_until > now ? origin->avoid_until : 0;
        if (!best || avoid < best_avoid ||
            (avoid == best_avoid && (origin->busy < best->busy || (origin->busy == best->busy && origin->idle && !best->idle)))) {
            best = origin;
            best_avoid = avoid;
        }
    }
    return best;
}

void ec_client_dispatch(struct ec_http_client *client)
{
    struct ec_client_conn *conn;
    struct ec_http_call *call;
    struct ec_origin *origin;

    while ((call = client->waiting)) {
        origin = choose(client, call, client->nconns >= client->max_connections);
        if (!origin) {
            if (choose(client, call, false))
                return; /* a connection will be free */
            dequeue(call);
            ec_client_finish_soon(call, EC_HTTP_REFUSED);
            continue;
        }
        /* After a connection turned out stale the others of its age are not trusted. */
        conn = call->retried && client->nconns < client->max_connections ? NULL : ec_client_take_idle(origin);
        if (!conn && client->nconns >= client->max_connections)
            continue; /* the idle ones were stale; the bound has room now, or others are asked */
        dequeue(call);
        origin->busy++;
        if (conn)
            ec_client_write(conn, call);
        else
            ec_client_connect(client, origin, call);
    }
}

struct ec_http_call *ec_http_send(struct ec_http_client *client, struct ec_str head, struct ec_str body, int64_t timeout_ms,
                                  bool repeatable,
                                  void (*done)(void *data, enum ec_http_outcome outcome, const struct ec_http_reply *reply), void *data)
{
    struct ec_http_call *call = client->free_calls;

    if (call) {
        client->free_calls = call->next;
    } else {
        call = calloc(1, sizeof(*call));
        if (!call)
            abort();
        call->client = client;
        uv_timer_init(client->loop, &call->timer);
        call->timer.data = call;
        client->handles++;
        call->all = client->calls;
        client->calls = call;
    }
    call->live = true;
    call->conn = NULL;
    call->tried = 0;
    call->repeatable = repeatable;
    call->retried = call->queued = call->ended = call->sent = false;
    call->done = done;
    call->data = data;
    ec_buf_add(&call->request, head.p, head.n);
    if (body.p)
        ec_buf_int(&call->request, "content-length: ", (int64_t)body.n, "\r\n");
    call->head = call->request.n;
    if (body.n > 0)
        ec_buf_add(&call->request, body.p, body.n);
    if (client->stopping || client->nwaiting >= EC_CLIENT_MAX_WAITING) {
        ec_client_finish_soon(call, EC_HTTP_REFUSED);
        return call;
    }
    uv_timer_start(&call->timer, on_timer, timeout_ms > 0 ? (uint64_t)timeout_ms : 0, 0);
    enqueue(call, false);
    ec_client_dispatch(client);
    return call;
}
