/* What a request takes in a gateway without the network: its head parsed, its route found, its token checked, its body read and an answer
 * written. tests/bench/guard.py counts the instructions of each.
 */
#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "http.h"
#include "json.h"
#include "jws.h"

enum { TIMES = 500 };

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "guard: %s\n", what);
    exit(1);
}

/* ------------------------------------------------------------------ a head of 480 bytes, as a browser sends it */

static const char request_text[] =
    "GET /v1/shelves/17/things/0190b5b2-7d6c-7aaa-8bbb-0123456789ab?limit=20&after=abc HTTP/1.1\r\n"
    "Host: www.example.test\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Accept-Language: en-GB,en;q=0.7\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef\r\n"
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
    "Connection: keep-alive\r\n"
    "\r\n";

static void count_parse(struct ec_http_head *head)
{
    GUARD("parse", TIMES, TIMES,
          must(ec_http_parse_request(request_text, sizeof request_text - 1, head) == EC_PARSE_DONE, "the head is refused"));
}

/* ------------------------------------------------------------------ a route with two parameters among twelve */

struct ids {
    int64_t shelf;
    struct ec_uuid thing;
};
struct page {
    int64_t limit;
    struct ec_str after;
};
static const struct ec_record ids_record = {
    .name = "path",
    .size = sizeof(struct ids),
    .nfields = 2,
    .fields =
        (const struct ec_field[]){
            {.name = "shelf", .kind = EC_INT, .offset = offsetof(struct ids, shelf)},
            {.name = "thing", .kind = EC_UUID, .offset = offsetof(struct ids, thing)},
        },
};
static const struct ec_record page_record = {
    .name = "query",
    .size = sizeof(struct page),
    .nfields = 2,
    .fields =
        (const struct ec_field[]){
            {.name = "limit", .kind = EC_INT, .flags = EC_BOUNDED, .min = 1, .max = 100, .offset = offsetof(struct page, limit)},
            {.name = "after", .kind = EC_TEXT, .offset = offsetof(struct page, after)},
        },
};
struct route_frame {
    struct ids path;
    struct page query;
};

static void never_run(struct ec_task *task)
{
    (void)task;
}
static const struct ec_program program = {
    .name = "GET /v1/shelves/{shelf}/things/{thing}", .run = never_run, .frame_size = sizeof(struct route_frame)};
static const struct ec_route other = {.method = "GET", .path = "/v1/others", .program = &program, .status = 200};
static const struct ec_route wanted = {.method = "GET",
                                       .path = "/v1/shelves/{shelf}/things/{thing}",
                                       .program = &program,
                                       .path_params = &ids_record,
                                       .query = &page_record,
                                       .path_offset = offsetof(struct route_frame, path),
                                       .query_offset = offsetof(struct route_frame, query),
                                       .status = 200};
static const struct ec_route *const others[] = {&other, NULL};
static const struct ec_route *const here[] = {&wanted, NULL};
static const struct ec_route_node nodes[] = {
    [0] = {.first = 1, .nchildren = 1},
    [1] = {.segment = "v1", .first = 2, .nchildren = 6},
    [2] = {.segment = "baskets", .routes = others},
    [3] = {.segment = "carts", .routes = others},
    [4] = {.segment = "offers", .routes = others},
    [5] = {.segment = "others", .routes = others},
    [6] = {.segment = "sessions", .routes = others},
    [7] = {.segment = "shelves", .any = 8, .routes = others},
    [8] = {.first = 9, .nchildren = 1, .routes = others},
    [9] = {.segment = "things", .any = 10, .routes = others},
    [10] = {.routes = here},
};
static const struct ec_gateway gateway = {.nodes = nodes, .nnodes = sizeof nodes / sizeof *nodes};

static void find(const struct ec_http_request *http)
{
    struct ec_arena *arena = ec_arena_new();
    struct gw_segments segments;
    struct ec_buf allow = {0};
    bool malformed = false;
    struct gw_route *route = gw_route_find(arena, http, &segments, &allow, &malformed);

    must(route && route->route == &wanted, "the route is not found");
    ec_arena_free(arena);
}

static void count_route(const struct ec_http_head *head)
{
    static struct ec_http_request http;
    const char *mark = memchr(head->target.p, '?', head->target.n);

    http = (struct ec_http_request){.method = head->method, .target = head->target};
    http.path = (struct ec_str){head->target.p, (size_t)(mark - head->target.p)};
    http.query = (struct ec_str){mark + 1, head->target.n - http.path.n - 1};
    gw_routes_open(&gateway);
    GUARD("route", TIMES, TIMES, find(&http));
    gw_routes_close();
}

/* ------------------------------------------------------------------ JSON of 560 bytes: a record with a list of records */

struct line {
    struct ec_str name;
    int64_t count;
    double weight;
};
struct parcel {
    struct ec_uuid id;
    struct ec_str owner, note;
    bool urgent;
    int64_t at, total;
    struct ec_list lines;
};
static const struct ec_record line_record = {
    .name = "Line",
    .size = sizeof(struct line),
    .nfields = 3,
    .fields =
        (const struct ec_field[]){
            {.name = "name", .kind = EC_TEXT, .flags = EC_BOUNDED, .min = 1, .max = 64, .offset = offsetof(struct line, name)},
            {.name = "count", .kind = EC_INT, .flags = EC_BOUNDED, .min = 1, .max = 1000, .offset = offsetof(struct line, count)},
            {.name = "weight", .kind = EC_FLOAT, .offset = offsetof(struct line, weight)},
        },
};
static const struct ec_record parcel_record = {
    .name = "Parcel",
    .size = sizeof(struct parcel),
    .nfields = 7,
    .fields =
        (const struct ec_field[]){
            {.name = "id", .kind = EC_UUID, .offset = offsetof(struct parcel, id)},
            {.name = "owner", .kind = EC_TEXT, .offset = offsetof(struct parcel, owner)},
            {.name = "note", .kind = EC_TEXT, .offset = offsetof(struct parcel, note)},
            {.name = "urgent", .kind = EC_BOOL, .offset = offsetof(struct parcel, urgent)},
            {.name = "at", .kind = EC_TIME, .offset = offsetof(struct parcel, at)},
            {.name = "total", .kind = EC_INT, .offset = offsetof(struct parcel, total)},
            {.name = "lines", .kind = EC_RECORD, .flags = EC_LIST, .of = &line_record, .offset = offsetof(struct parcel, lines)},
        },
};
static const char parcel_text[] =
    "{\"id\":\"0190b5b2-7d6c-7aaa-8bbb-0123456789ab\",\"owner\":\"somebody@example.test\",\"note\":\"to be left with the neighbours, who "
    "are \\\"at home\\\" \\u2014 mostly\",\"urgent\":true,\"at\":\"2024-05-06T07:08:09.123456Z\",\"total\":1234567,\"lines\":["
    "{\"name\":\"the first line of it\",\"count\":1,\"weight\":0.125},{\"name\":\"the second line\",\"count\":20,\"weight\":17.5},"
    "{\"name\":\"the third of them all\",\"count\":300,\"weight\":1e3},{\"name\":\"the fourth\",\"count\":4,\"weight\":3.14159},"
    "{\"name\":\"the last of all lines\",\"count\":1000,\"weight\":2}]}";

static void read_json(void)
{
    struct ec_arena *arena = ec_arena_new();
    struct ec_json_error error;
    struct parcel parcel;

    must(ec_json_read(arena, (struct ec_str){parcel_text, sizeof parcel_text - 1}, &parcel_record, &parcel, 0, &error) == EC_JSON_OK &&
             parcel.lines.n == 5,
         error.message);
    ec_arena_free(arena);
}

static void write_json(const struct parcel *parcel)
{
    struct ec_buf buf = {0};

    ec_json_write(&buf, &parcel_record, parcel);
    must(buf.n > 400, "the text is short");
    ec_buf_free(&buf);
}

static void count_json(void)
{
    struct ec_arena *arena = ec_arena_new();
    struct ec_json_error error;
    struct parcel parcel;

    GUARD("json-read", TIMES, TIMES, read_json());
    must(ec_json_read(arena, (struct ec_str){parcel_text, sizeof parcel_text - 1}, &parcel_record, &parcel, 0, &error) == EC_JSON_OK,
         error.message);
    GUARD("json-write", TIMES, TIMES, write_json(&parcel));
    ec_arena_free(arena);
}

/* ------------------------------------------------------------------ a token, HS256 */

static void verify(const struct ec_jws_key *key, struct ec_str token)
{
    struct ec_buf payload = {0};

    must(ec_jws_verify(key, "JWT", token, &payload), "the token is refused");
    ec_buf_free(&payload);
}

static void count_jwt(void)
{
    struct ec_jws_key *key = ec_jws_key_secret(EC_STR("a secret of more than thirty-two bytes"));
    struct ec_buf token = {0};
    static const char claims[] =
        "{\"iss\":\"guard\",\"aud\":\"guard\",\"sub\":\"0190b5b2-7d6c-7aaa-8bbb-0123456789ab\",\"jti\":\"1\",\"iat\":1,\"exp\":4102444800}";

    must(key && ec_jws_sign(key, "JWT", NULL, (struct ec_str){claims, sizeof claims - 1}, &token), "the token can't be signed");
    GUARD("jwt", TIMES, TIMES, verify(key, (struct ec_str){token.p, token.n}));
    ec_buf_free(&token);
    ec_jws_key_free(key);
}

int main(void)
{
    static struct ec_http_head head;

    count_parse(&head);
    count_route(&head);
    count_json();
    count_jwt();
    return 0;
}
