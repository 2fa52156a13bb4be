/* The only way in: a request from outside becomes the task of a route's program, or a refusal.
 *
 * read -> route -> one round trip to Redis (limit, the session of a known token, the cached value of a GET that nothing but the limit can
 * still refuse) -> token -> keyspace or program -> reply. A limit with a lease may need none (lease.c), nor does a value that this process
 * has (cache_near.c). What is wrong with the parameters is found first, since reading them costs least, and told last: a caller who may
 * not come in isn't told what a route expects.
 *
 * Nothing of the request goes on as it came: the program's calls are written anew from the frame, so no header from outside reaches a service.
 *
 * The limit counts a known identity, otherwise the address; a token that is not known yet is counted by its address before anybody is
 * asked about it, or, when the limit is by identity alone, by what the answer says.
 *
 * Health paths are on a listener of their own (ADMIN_PORT), which stays open while the gateway drains.
 */
#include "gateway.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "health.h"
#include "json.h"
#include "random.h"
#include "redis.h"
#include "trace.h"

/* dsl/check_timeouts.c holds the routes against the deadline. */
enum { DEADLINE_MS = 30000, MAX_TOKEN = 8192, MAX_CLIENT_KEY = 255, MAX_KEY = 200 };

static struct {
    const struct ec_gateway *of;
    char *host, *cert, *key;
    int port, admin_port;
    int64_t max_requests;
    struct ec_http_server *server, *admin;
} gateway;

static void after_redis(struct gw_request *request);

/* ------------------------------------------------------------------ the program */

static void on_finish(struct ec_task *task)
{
    EC_CRASH_BEFORE("%s.answer", ec_crash_program(task->program));
    gw_reply_task(task->owner);
}

static void hash_into(uint8_t out[16], struct gw_request *request)
{
    struct ec_buf buf = {0};
    uint8_t digest[32];

    ec_buf_add(&buf, request->route->name.p, request->route->name.n);
    ec_buf_add(&buf, "\n", 1);
    ec_buf_add(&buf, request->http->target.p, request->http->target.n);
    ec_buf_add(&buf, "\n", 1);
    ec_buf_add(&buf, request->http->body.p, request->http->body.n);
    ec_sha256(buf.p, buf.n, digest);
    memcpy(out, digest, 16);
    ec_buf_free(&buf);
}

static bool is_visible(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < 0x21 || p[i] > 0x7e)
            return false;
    return true;
}

/* The client's key, made unique to who sends it and what for. */
static void set_key(struct gw_request *request)
{
    const struct ec_route *route = request->route->route;
    struct ec_str who = request->verdict ? request->verdict->subject : ec_str_of(request->http->peer);
    char *key = ec_arena_printf(request->task->arena, "client/%.*s/%s%s/%.*s", (int)who.n, who.p, route->method, route->path,
                                (int)request->client_key.n, request->client_key.p);
    size_t n = strlen(key);
    uint8_t digest[32];
    char hex[65];

    if (n > MAX_KEY || !is_visible(key, n)) {
        ec_sha256(key, n, digest);
        ec_hex(digest, sizeof(digest), hex);
        key = ec_arena_printf(request->task->arena, "client/%s", hex);
    }
    request->task->key = ec_str_of(key);
    hash_into(request->task->request_hash, request);
}

void gw_run(struct gw_request *request)
{
    if (request->client_key.n)
        set_key(request);
    request->task->owner = request;
    request->task->finish = on_finish;
    ec_task_start_now(request->task);
}

static void after_cache(struct gw_request *request)
{
    if (gw_cache_serve(request))
        gw_run(request);
}

/* Behind a token that was not known, or a session, the value is asked for in a round trip of its own. */
static void after_own_trip(struct gw_request *request)
{
    ec_cache_tell(&request->task->trace, request->route->route->cache->keyspace, "get",
                  request->cached.p ? "hit" : request->cache_answered ? "miss" : "refused", request->redis_began_ns);
    after_cache(request);
}

static void ask_cache(struct gw_request *request)
{
    request->redis_began_ns = ec_span_clock();
    if (!gw_cache_ask(request, after_own_trip))
        after_cache(request);
}

/* Everybody has let the request in. */
static void let_in(struct gw_request *request)
{
    const struct ec_route *route = request->route->route;

    if (request->wrong)
        gw_reply_problem(request, request->wrong, request->wrong_detail, 0);
    else if (ec_task_expired(request->task))
        gw_reply_problem(request, &ec_error_timeout, NULL, 0);
    else if (!route->cache)
        gw_run(request);
    else if (request->cache_asked || request->near)
        after_cache(request);
    else
        ask_cache(request);
}

/* ------------------------------------------------------------------ limit and token */

static bool over_limit(struct gw_request *request)
{
    if (!request->limited || request->limit.allowed)
        return false;
    gw_reply_problem(request, request->limit.known ? &ec_error_rate_limited : &ec_error_unavailable, NULL, 0);
    return true;
}

static void on_limit(void *data, const struct ec_limit_verdict *verdict)
{
    struct gw_request *request = data;

    request->limit = *verdict;
    request->limited = true;
    if (verdict->local)
        request->limit_asked = false;
    if (--request->pending == 0)
        after_redis(request);
}

static void on_identity_limit(void *data, const struct ec_limit_verdict *verdict)
{
    struct gw_request *request = data;

    request->limit = *verdict;
    request->limited = true;
    if (!over_limit(request))
        let_in(request);
}

static void take(struct gw_request *request, bool identity, void (*done)(void *data, const struct ec_limit_verdict *verdict))
{
    struct ec_str kind = identity ? EC_STR("identity/") : EC_STR("address/");
    struct ec_str name = identity ? request->verdict->subject : ec_str_of(request->http->peer);
    char *who = ec_arena_alloc(request->task->arena, kind.n + name.n);

    memcpy(who, kind.p, kind.n);
    if (name.n)
        memcpy(who + kind.n, name.p, name.n);
    ec_limiter_take(gateway.of->limit, (struct ec_str){who, kind.n + name.n}, done, request); /* which may have answered and be gone */
}

static void fill_identity(struct gw_request *request)
{
    memcpy((char *)request->task->frame + request->route->route->identity_offset, request->verdict->identity, gateway.of->auth->identity->size);
}

/* Puts the identity into the frame and lets the request in, or says no. */
static void use_verdict(struct gw_request *request)
{
    const struct gw_verdict *verdict = request->verdict;
    const struct ec_limit *limit = gateway.of->limit;

    if (verdict->error) {
        gw_reply_problem(request, verdict->error->status == 401 ? verdict->error : &ec_error_unauthorized,
                         verdict->error->status == 401 ? verdict->detail : NULL, 0);
        return;
    }
    fill_identity(request);
    if (limit && !request->limited)
        take(request, true, on_identity_limit);
    else
        let_in(request);
}

void gw_authenticated(struct gw_request *request, struct gw_verdict *verdict, const struct ec_error *error, const char *detail, int retry_after_s)
{
    if (!verdict) {
        gw_reply_problem(request, error, detail, retry_after_s);
        return;
    }
    gw_verdict_release(request->verdict);
    request->verdict = verdict;
    use_verdict(request);
}

static void add_part(struct ec_buf *label, bool asked, const char *verb, const char *what)
{
    if (asked)
        ec_buf_printf(label, "%s%s%s", label->n ? ", " : "", verb, what);
}

/* One span for the round trip, whatever was asked in it. */
static void tell_redis(const struct gw_request *request)
{
    const struct ec_keyspace *cached = request->cache_asked ? request->route->route->cache->keyspace : NULL;
    const struct ec_keyspace *session = request->session_asked ? gateway.of->auth->while_keyspace : NULL;
    const char *node = cached ? cached->cache : session ? session->cache : request->limit_asked ? gateway.of->limit->cache : NULL;
    static struct ec_buf label;
    struct ec_trace trace;

    if (!node)
        return;
    label.n = 0;
    add_part(&label, request->limit_asked, "limit", "");
    add_part(&label, session != NULL, "get ", session ? session->name : "");
    add_part(&label, cached != NULL, "get ", cached ? cached->name : "");
    ec_trace_child(&trace, &request->task->trace);
    ec_span_end(&(struct ec_span){.trace = &trace,
                                  .kind = EC_SPAN_CLIENT,
                                  .hop = "cache",
                                  .from = ec_app.service->name,
                                  .to = node,
                                  .text = {label.p, label.n},
                                  .outcome = !ec_redis_up() ? "refused" : !cached ? "ok" : request->cached.p ? "hit" : "miss",
                                  .began_ns = request->redis_began_ns});
}

static void after_redis(struct gw_request *request)
{
    if (ec_spans_on && request->task->trace.sampled)
        tell_redis(request);
    if (over_limit(request))
        return;
    if (!request->route->route->auth) {
        let_in(request);
    } else if (!request->token.p) {
        gw_reply_problem(request, &ec_error_unauthorized, NULL, 0);
    } else if (request->verdict && (!request->session_asked || request->session_there)) {
        use_verdict(request);
    } else {
        gw_auth_validate(request);
    }
}

static void on_session(void *data, const struct ec_redis_reply *reply)
{
    struct gw_request *request = data;

    /* Without an answer the verdict isn't known to hold: its service is asked. */
    request->session_there = reply && reply->type == EC_REDIS_INT && reply->i == 1;
    if (--request->pending == 0)
        after_redis(request);
}

static void on_cache(struct gw_request *request)
{
    if (--request->pending == 0)
        after_redis(request);
}

static void ask_redis(struct gw_request *request)
{
    const struct ec_route *route = request->route->route;
    const struct ec_gateway_auth *auth = gateway.of->auth;
    const struct ec_limit *limit = gateway.of->limit;
    const struct gw_verdict *verdict = request->verdict;
    bool known = verdict && !verdict->error, identity = limit && limit->by_identity && known;

    request->redis_began_ns = ec_span_clock();
    request->pending = 1; /* ours: nothing goes on before all are sent */
    if (limit && (identity || limit->by_address || !route->auth || !request->token.p)) {
        request->pending++;
        request->limit_asked = true;
        take(request, identity, on_limit);
    }
    if (known && auth->while_keyspace) {
        struct ec_buf key = {0};

        request->pending++;
        request->session_asked = true;
        EC_REDIS(on_session, request, EC_STR("EXISTS"),
                 ec_cache_key(&key, auth->while_keyspace, auth->while_key(request->task, verdict->identity)));
        ec_buf_free(&key);
    }
    /* What is behind a token is asked for along with the rest when nothing but the limit can still refuse it. */
    if (route->cache && !request->wrong && (!route->auth || (known && !auth->while_keyspace))) {
        if (route->auth)
            fill_identity(request); /* the key may be of it */
        request->pending += gw_cache_ask(request, on_cache);
    }
    if (--request->pending == 0)
        after_redis(request);
}

/* ------------------------------------------------------------------ the request */

static struct ec_str bearer(const struct ec_http_request *http)
{
    struct ec_str value = ec_http_header(http, "authorization"), none = {NULL, 0};
    size_t seen = 0;

    for (size_t i = 0; i < http->nheaders; i++)
        seen += ec_header_is(http->headers[i].name, "authorization");
    if (seen != 1 || value.n <= 7 || strncasecmp(value.p, "Bearer ", 7))
        return none;
    value.p += 7;
    value.n -= 7;
    while (value.n && *value.p == ' ') {
        value.p++;
        value.n--;
    }
    return value.n && value.n <= MAX_TOKEN && is_visible(value.p, value.n) ? value : none;
}

/* Only of routes that are declared idempotent; elsewhere the header says nothing. */
static void read_client_key(struct gw_request *request)
{
    const struct ec_http_request *http = request->http;
    struct ec_str key = {NULL, 0};
    size_t seen = 0;

    if (!request->route->route->idempotent)
        return;
    for (size_t i = 0; i < http->nheaders; i++) {
        if (ec_header_is(http->headers[i].name, "idempotency-key")) {
            key = http->headers[i].value;
            seen++;
        }
    }
    if (seen == 0)
        return;
    if (seen > 1 || key.n == 0 || key.n > MAX_CLIENT_KEY || !is_visible(key.p, key.n)) {
        request->wrong = &ec_error_bad_request;
        request->wrong_detail = "idempotency-key must come once, 1 to 255 visible ASCII characters";
        return;
    }
    request->client_key = key;
}

static void handle(struct ec_http_exchange *exchange, void *data)
{
    const struct ec_http_request *http = ec_http_exchange_request(exchange);
    struct gw_segments segments;
    struct ec_buf allow = {0};
    struct gw_request *request;
    struct gw_route *route;
    struct ec_task *task;
    bool malformed;

    (void)data;
    route = gw_route_find(ec_http_exchange_arena(exchange), http, &segments, &allow, &malformed);
    if (!route && allow.n) {
        ec_buf_add(&allow, "", 1);
        gw_refuse(exchange, NULL, &ec_error_method_not_allowed, NULL,
                  ec_arena_printf(ec_http_exchange_arena(exchange), "Allow: %s\r\n", allow.p));
    } else if (!route) {
        gw_refuse(exchange, NULL, malformed ? &ec_error_bad_request : &ec_error_not_found, malformed ? "the path is malformed" : NULL,
                  NULL);
    } else if (gw_in_flight() >= gateway.max_requests) {
        gw_refuse(exchange, route, &ec_error_unavailable, "too many requests are in flight", "Retry-After: 1\r\n");
        route = NULL;
    }
    ec_buf_free(&allow);
    if (!route)
        return;
    task = ec_task_new(&ec_app, route->route->program);
    ec_spans_join(task, ec_http_header(http, "traceparent"));
    task->deadline_ns = task->started_ns + (uint64_t)DEADLINE_MS * 1000000;
    request = ec_arena_alloc(task->arena, sizeof(*request));
    request->exchange = exchange;
    request->http = http;
    request->route = route;
    request->task = task;
    gw_request_begin();
    read_client_key(request);
    gw_request_read(request, &segments);
    if (route->route->auth) {
        request->token = bearer(http);
        if (request->token.p)
            request->verdict = gw_auth_known(request->token);
    }
    ask_redis(request);
}

static void handle_admin(struct ec_http_exchange *exchange, void *data)
{
    (void)data;
    if (!ec_health_handle(exchange))
        ec_http_problem(exchange, &ec_error_not_found, NULL, NULL, (struct ec_str){NULL, 0});
}

/* ------------------------------------------------------------------ module */

static void gateway_configure(struct ec_app *app, struct ec_config_errors *errors)
{
    const struct ec_service *service = app->service;
    int64_t admin;

    gateway.host = ec_config_get(errors, "HOST", "127.0.0.1", false);
    gateway.port = ec_app_port(errors, "PORT", service->port);
    admin = gateway.port && gateway.port + 1000 <= 65535 ? gateway.port + 1000 : 0;
    gateway.admin_port = (int)ec_config_int(errors, "ADMIN_PORT", admin, 0, 65535);
    gateway.max_requests = ec_config_int(errors, "EC_MAX_TASKS", 4096, 1, 1000000);
    if (service->gateway && service->gateway->tls) {
        gateway.cert = ec_config_get(errors, "EC_TLS_CERT", NULL, true);
        gateway.key = ec_config_get(errors, "EC_TLS_KEY", NULL, true);
    }
}

static void gateway_stop(struct ec_app *app)
{
    (void)app;
    if (gateway.server)
        ec_http_server_stop(gateway.server);
    if (gateway.admin)
        ec_http_server_stop(gateway.admin);
    gateway.server = gateway.admin = NULL;
    if (gw_in_flight() == 0) { /* otherwise the drain's time is over, and what is in flight still uses the tables until the process ends */
        gw_auth_close();
        gw_cache_close();
        ec_limiter_close();
        gw_routes_close();
        gw_reply_close();
    }
    free(gateway.host);
    free(gateway.cert);
    free(gateway.key);
    gateway.host = gateway.cert = gateway.key = NULL;
}

static int gateway_start(struct ec_app *app, const char **why)
{
    struct ec_http_server_options options = {
        .host = gateway.host,
        .port = gateway.port,
        .reuse_port = ec_app_reuse_port(),
        .tls_cert = gateway.cert,
        .tls_key = gateway.key,
        .handle = handle,
    };
    struct ec_http_server_options admin = {
        .host = gateway.host, .port = gateway.admin_port, .reuse_port = ec_app_reuse_port(), .handle = handle_admin};

    gateway.of = app->service->gateway;
    gw_reply_open(gateway.of);
    gw_routes_open(gateway.of);
    gw_cache_open();
    if (gateway.of->auth)
        gw_auth_open(gateway.of->auth);
    gateway.admin = ec_http_server_start(app->loop, &admin, why);
    if (gateway.admin)
        gateway.server = ec_http_server_start(app->loop, &options, why);
    if (!gateway.server) {
        gateway_stop(app);
        return -1;
    }
    ec_log(EC_LOG_INFO, NULL, "listening", EC_L_STR("host", gateway.host), EC_L_INT("port", ec_http_server_port(gateway.server)),
           EC_L_INT("admin_port", ec_http_server_port(gateway.admin)));
    return 0;
}

int ec_gateway_port(void)
{
    return gateway.server ? ec_http_server_port(gateway.server) : 0;
}

int ec_gateway_admin_port(void)
{
    return gateway.admin ? ec_http_server_port(gateway.admin) : 0;
}

static void gateway_drain(struct ec_app *app)
{
    (void)app;
    ec_http_server_drain(gateway.server, ec_app.drain_delay_ms);
}

static bool gateway_idle(struct ec_app *app)
{
    (void)app;
    return gw_in_flight() == 0 && ec_http_server_idle(gateway.server);
}

const struct ec_module ec_module_gateway = {
    .name = "gateway",
    .configure = gateway_configure,
    .start = gateway_start,
    .drain = gateway_drain,
    .idle = gateway_idle,
    .stop = gateway_stop,
};
