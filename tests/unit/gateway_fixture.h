/* A gateway of twelve routes on a real Redis, its programs fakes that count, and a client of it. */
#ifndef GATEWAY_FIXTURE_H
#define GATEWAY_FIXTURE_H

#include "redis_fixture.h"

#include "gateway.h"
#include "http.h"
#include "json.h"
#include "task.h"

/* ------------------------------------------------------------------ a small topology */

struct thing { struct ec_str name; int64_t price; };
static const struct ec_field thing_fields[] = {
    {.name = "name", .kind = EC_TEXT, .offset = offsetof(struct thing, name)},
    {.name = "price", .kind = EC_INT, .offset = offsetof(struct thing, price)},
};
static const struct ec_record thing_record = {.name = "Thing", .size = sizeof(struct thing), .fields = thing_fields, .nfields = 2};
static const struct ec_keyspace things = {.name = "things", .cache = "memory", .value = &thing_record, .ttl_ms = 60000};

struct who { struct ec_uuid user; struct ec_str session; };
static const struct ec_field who_fields[] = {
    {.name = "user", .kind = EC_UUID, .offset = offsetof(struct who, user)},
    {.name = "session", .kind = EC_TEXT, .offset = offsetof(struct who, session)},
};
static const struct ec_record who_record = {.name = "Who", .size = sizeof(struct who), .fields = who_fields, .nfields = 2};
static const struct ec_keyspace sessions = {.name = "sessions", .cache = "memory", .value = &who_record, .ttl_ms = 60000};

struct name_path { struct ec_str name; };
static const struct ec_field name_fields[] = {
    {.name = "name", .kind = EC_TEXT, .flags = EC_BOUNDED, .min = 1, .max = 20, .offset = offsetof(struct name_path, name)},
};
static const struct ec_record name_record = {.name = "path", .size = sizeof(struct name_path), .fields = name_fields, .nfields = 1};

struct id_path { struct ec_uuid id; };
static const struct ec_field id_fields[] = {{.name = "id", .kind = EC_UUID, .offset = offsetof(struct id_path, id)}};
static const struct ec_record id_record = {.name = "path", .size = sizeof(struct id_path), .fields = id_fields, .nfields = 1};

struct page { int64_t limit; struct ec_str after; };
static const struct page page_preset = {.limit = 20, .after = {"", 0}};
static const struct ec_field page_fields[] = {
    {.name = "limit", .kind = EC_INT, .flags = EC_BOUNDED | EC_DEFAULT, .min = 1, .max = 100, .offset = offsetof(struct page, limit)},
    {.name = "after", .kind = EC_TEXT, .flags = EC_DEFAULT, .offset = offsetof(struct page, after)},
};
static const struct ec_record page_record = {.name = "query", .size = sizeof(struct page), .fields = page_fields, .nfields = 2, .preset = &page_preset};

struct frame { struct name_path path; struct id_path id; struct page query; struct thing body; struct who identity; struct thing out; };

static struct {
    int calls;
    char key[256];
    struct frame frame;
    char name[64], session[64], trace[33];
    bool accept;
    const struct ec_error *fail;
    struct ec_task *held[4096];
    int nheld;
    bool hold;
} seen;

static void route_run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        seen.calls++;
        seen.frame = *f;
        snprintf(seen.key, sizeof(seen.key), "%.*s", (int)task->key.n, task->key.p);
        snprintf(seen.name, sizeof(seen.name), "%.*s", (int)f->path.name.n, f->path.name.p ? f->path.name.p : "");
        snprintf(seen.session, sizeof(seen.session), "%.*s", (int)f->identity.session.n, f->identity.session.p ? f->identity.session.p : "");
        for (int i = 0; i < 16; i++)
            snprintf(seen.trace + 2 * i, 3, "%02x", task->trace.trace_id[i]);
        if (seen.hold) {
            seen.held[seen.nheld++] = task;
            task->step = 1;
            return;
        }
        EC_AWAIT(task, 1, ec_task_resume_soon(task));
        if (seen.fail) {
            task->detail = "about the inside";
            ec_fail_with(task, seen.fail);
            return;
        }
        f->out = (struct thing){f->path.name.p ? ec_arena_copy(task->arena, f->path.name) : EC_STR("made/1"), 4200 + seen.calls};
        if (seen.accept)
            ec_accept(task, &f->out);
        else
            ec_reply(task, &f->out);
    }
}

static const struct ec_program route_program = {.name = "GET /things", .run = route_run, .frame_size = sizeof(struct frame), .out = &thing_record};

static const struct ec_error error_token = {"bad-token", 401, "The token is not valid"};
struct auth_frame { struct ec_str token; struct who out; };
static int auth_calls;
static bool auth_down;

static void auth_run(struct ec_task *task)
{
    struct auth_frame *f = EC_FRAME(task, struct auth_frame);

    switch (task->step) {
    case 0:
        auth_calls++;
        EC_AWAIT(task, 1, ec_task_resume_soon(task));
        if (auth_down) {
            ec_fail_with(task, &ec_error_unavailable);
        } else if (f->token.n < 5 || memcmp(f->token.p, "good-", 5)) {
            ec_fail_with(task, &error_token);
        } else {
            f->out.user.b[15] = (uint8_t)f->token.p[5];
            f->out.session = (struct ec_str){f->token.p + 5, f->token.n - 5};
            ec_reply(task, &f->out);
        }
    }
}
static const struct ec_program auth_program = {.name = "auth", .run = auth_run, .frame_size = sizeof(struct auth_frame), .out = &who_record};

static struct ec_str while_key(struct ec_task *task, const void *identity)
{
    (void)task;
    return ((const struct who *)identity)->session;
}
static struct ec_gateway_auth auth = {
    .program = &auth_program, .identity = &who_record, .cache_ms = 60000, .while_keyspace = &sessions, .while_key = while_key};

static struct ec_str thing_key(struct ec_task *task)
{
    return EC_FRAME(task, struct frame)->path.name;
}
static struct ec_str own_key(struct ec_task *task)
{
    return EC_FRAME(task, struct frame)->identity.session;
}
static const struct ec_route_cache own_cache = {.keyspace = &things, .key = own_key};
static const struct ec_route_cache thing_cache = {.keyspace = &things, .key = thing_key};
static struct ec_keyspace near_things = {
    .name = "near-things", .cache = "memory", .value = &thing_record, .ttl_ms = 60000, .near_ms = 60000};
static const struct ec_route_cache near_cache = {.keyspace = &near_things, .key = thing_key};

static const struct ec_route list_route = {.method = "GET", .path = "/v1/things", .program = &route_program, .query = &page_record,
                                           .query_offset = offsetof(struct frame, query), .status = 200};
static const struct ec_route make_route = {.method = "POST", .path = "/v1/things", .auth = true, .program = &route_program, .body = &thing_record,
                                           .body_offset = offsetof(struct frame, body), .identity_offset = offsetof(struct frame, identity),
                                           .status = 201, .accepted = "/v1/things/{name}", .idempotent = true};
static const struct ec_route get_route = {.method = "GET", .path = "/v1/things/{name}", .program = &route_program, .path_params = &name_record,
                                          .path_offset = offsetof(struct frame, path), .status = 200, .cache = &thing_cache};
static const struct ec_route top_route = {.method = "DELETE", .path = "/v1/things/top", .program = &route_program, .status = 204};
static const struct ec_route reset_route = {.method = "PATCH", .path = "/v1/things/top", .program = &route_program, .status = 205};
static const struct ec_route id_route = {.method = "GET", .path = "/v1/ids/{id}", .program = &route_program, .path_params = &id_record,
                                         .path_offset = offsetof(struct frame, id), .status = 200};
static const struct ec_route me_route = {.method = "GET", .path = "/v1/me", .auth = true, .program = &route_program,
                                         .identity_offset = offsetof(struct frame, identity), .status = 200};
static const struct ec_route own_route = {.method = "GET", .path = "/v1/me/{name}", .auth = true, .program = &route_program, .path_params = &name_record,
                                           .path_offset = offsetof(struct frame, path), .identity_offset = offsetof(struct frame, identity),
                                           .status = 200, .cache = &own_cache};

static const struct ec_route near_route = {.method = "GET", .path = "/v1/near/{name}", .program = &route_program, .path_params = &name_record,
                                           .path_offset = offsetof(struct frame, path), .status = 200, .cache = &near_cache};
static const struct ec_route mine_route = {.method = "GET", .path = "/v1/mine/{name}", .auth = true, .program = &route_program,
                                           .path_params = &name_record, .path_offset = offsetof(struct frame, path),
                                           .identity_offset = offsetof(struct frame, identity), .status = 200, .cache = &near_cache};

static const struct ec_route_node nodes[] = {
    [0] = {.first = 1, .nchildren = 1},
    [1] = {.segment = "v1", .first = 2, .nchildren = 5},
    [2] = {.segment = "ids", .any = 7},
    [3] = {.segment = "me", .any = 12, .routes = (const struct ec_route *const[]){&me_route, NULL}},
    [4] = {.segment = "mine", .any = 11},
    [5] = {.segment = "near", .any = 10},
    [6] = {.segment = "things", .first = 8, .nchildren = 1, .any = 9, .routes = (const struct ec_route *const[]){&list_route, &make_route, NULL}},
    [7] = {.routes = (const struct ec_route *const[]){&id_route, NULL}},
    [8] = {.segment = "top", .routes = (const struct ec_route *const[]){&top_route, &reset_route, NULL}},
    [9] = {.routes = (const struct ec_route *const[]){&get_route, NULL}},
    [10] = {.routes = (const struct ec_route *const[]){&near_route, NULL}},
    [11] = {.routes = (const struct ec_route *const[]){&mine_route, NULL}},
    [12] = {.routes = (const struct ec_route *const[]){&own_route, NULL}},
};
static struct ec_limit limit;
static struct ec_gateway gateway = {.auth = &auth, .limit = &limit, .nodes = nodes, .nnodes = 13};
static const struct ec_module *const modules[] = {&ec_module_redis, &ec_module_gateway, NULL};
static const struct ec_service service = {.name = "front", .modules = modules, .gateway = &gateway, .port = 8080};

/* ------------------------------------------------------------------ a client */

static struct ec_http_client *client;
static struct {
    int answers, by_status[600];
    enum ec_http_outcome outcome;
    int status;
    char headers[2048], body[4096];
} reply;
static int wanted;

static bool answered(void)
{
    return reply.answers >= wanted;
}

static void on_reply(void *data, enum ec_http_outcome outcome, const struct ec_http_reply *from)
{
    (void)data;
    reply.answers++;
    reply.outcome = outcome;
    reply.status = from ? from->status : 0;
    reply.by_status[reply.status]++;
    reply.headers[0] = reply.body[0] = '\0';
    for (size_t i = 0, n = 0; from && i < from->nheaders; i++)
        n += (size_t)snprintf(reply.headers + n, sizeof(reply.headers) - n, "%.*s: %.*s\n", (int)from->headers[i].name.n,
                              from->headers[i].name.p, (int)from->headers[i].value.n, from->headers[i].value.p);
    if (from)
        snprintf(reply.body, sizeof(reply.body), "%.*s", (int)from->body.n, from->body.p ? from->body.p : "");
}

static void post(const char *line, const char *headers, const char *body)
{
    char head[12000];

    snprintf(head, sizeof(head), "%s HTTP/1.1\r\n%s%s", line, headers ? headers : "", body ? "content-type: application/json\r\n" : "");
    ec_http_send(client, ec_str_of(head), body ? ec_str_of(body) : (struct ec_str){NULL, 0}, 10000, false, on_reply, NULL);
}

static int ask(const char *line, const char *headers, const char *body)
{
    reply.answers = 0;
    wanted = 1;
    post(line, headers, body);
    assert_true(fixture_until(answered, 15000));
    assert_int_equal(reply.outcome, EC_HTTP_OK);
    return reply.status;
}

/* HEAD over a socket of its own: the client of internal hops has no use for it. The whole answer is in reply.headers, nothing after it. */
static int ask_head(const char *path)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)ec_gateway_port())};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char head[256];
    size_t n = 0;
    ssize_t got;

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    snprintf(head, sizeof(head), "HEAD %s HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", path);
    assert_int_equal(send(fd, head, strlen(head), 0), (int)strlen(head));
    for (int turns = 0; turns < 20000; turns++) {
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
        got = recv(fd, reply.headers + n, sizeof(reply.headers) - 1 - n, MSG_DONTWAIT);
        if (got == 0)
            break;
        if (got > 0)
            n += (size_t)got;
        else
            usleep(200);
    }
    close(fd);
    reply.headers[n] = '\0';
    assert_true(n > 4 && !strcmp(reply.headers + n - 4, "\r\n\r\n"));
    return atoi(reply.headers + 9);
}

static bool raw_done;
static bool raw_is_done(void)
{
    return raw_done;
}
static void on_raw(void *data, const struct ec_redis_reply *from)
{
    (void)data;
    (void)from;
    raw_done = true;
}
static void redis(size_t n, const struct ec_str *argv)
{
    raw_done = false;
    ec_redis_command(n, argv, on_raw, NULL);
    assert_true(fixture_until(raw_is_done, 5000));
}
#define REDIS(...) redis(sizeof((struct ec_str[]){__VA_ARGS__}) / sizeof(struct ec_str), (struct ec_str[]){__VA_ARGS__})

static int setup(void **state)
{
    struct ec_config_errors errors = {{0}, 0};
    char url[64];
    const char *why;

    (void)state;
    memset(&seen, 0, sizeof(seen));
    memset(&reply, 0, sizeof(reply));
    auth_calls = 0;
    auth_down = false;
    auth.while_keyspace = &sessions;
    gateway.limit = &limit;
    limit = (struct ec_limit){.per_second = 10000, .burst = 100000, .by_identity = true, .by_address = true, .when_down_allow = true};
    if (!fixture_redis_pid)
        fixture_redis_start();
    fixture_module_start();
    setenv("PORT", "0", 1);
    setenv("ADMIN_PORT", "0", 1);
    ec_module_gateway.configure(&ec_app, &errors);
    assert_int_equal(errors.n, 0);
    assert_int_equal(ec_module_gateway.start(&ec_app, &why), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", ec_gateway_port());
    client = ec_http_client_new(ec_app.loop, url, 2500, &why);
    assert_non_null(client);
    assert_true(fixture_until(fixture_redis_is_up, 5000));
    REDIS(EC_STR("FLUSHALL"));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ec_http_client_stop(client);
    assert_int_equal(gw_in_flight(), 0);
    ec_module_gateway.stop(&ec_app);
    fixture_module_stop();
    ec_tasks_stop();
    for (int i = 0; i < 50; i++)
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
    assert_int_equal(ec_tasks_live, 0);
    return 0;
}

#define assert_has(text) assert_non_null(strstr(reply.headers, text))
#define assert_body(text) assert_non_null(strstr(reply.body, text))

#endif
