/* Spans collected: what is read of a body and what is refused, traces by their ids within their bounds, the live view, and what is handed
 * on to a collector that is slow, refuses, or is away. */
#include "http_test.h"

#include <jansson.h>

#include "arena.h"
#include "traces.h"

#define BODY(spans)                                                                                                             \
    "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"trip-svc\"}}]}," \
    "\"scopeSpans\":[{\"spans\":[" spans "]}]}]}"
#define SPAN(trace, id, more)                                                                                           \
    "{\"traceId\":\"" trace "\",\"spanId\":\"" id "\",\"name\":\"Book\",\"startTimeUnixNano\":\"1700000000000001000\"," \
    "\"endTimeUnixNano\":1700000000000003000" more "}"
#define T1 "0123456789abcdef0123456789abcdef"
#define T2 "1123456789abcdef0123456789abcdef"
#define TEXT(key, value) "{\"key\":\"" key "\",\"value\":{\"stringValue\":\"" value "\"}}"

static struct ecc_traces *traces;

static void keep(void *data, const struct ecc_otlp_span *span)
{
    (void)data;
    ecc_traces_add(traces, span);
}

static int read_body(const char *body, size_t *refused)
{
    const char *why = NULL;
    int n = ecc_otlp_read(body, strlen(body), keep, NULL, refused, &why);

    assert_true((n < 0) == (why != NULL));
    return n;
}

static int begin(void **state)
{
    (void)state;
    traces = ecc_traces_new(1 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ecc_traces_free(traces);
    return 0;
}

/* ------------------------------------------------------------------ bodies */

static void one_span(void **state)
{
    size_t refused;
    const char *body = BODY(
        SPAN("0123456789ABCDEF0123456789abcdef", "00000000000000aa",
             ",\"parentSpanId\":\"00000000000000bb\",\"attributes\":[" TEXT("ecom.hop", "external") "," TEXT(
                 "ecom.edge", "trip-svc -> "
                              "bank") "," TEXT("ecom.outcome",
                                               "failed") "," TEXT("ecom.error",
                                                                  "bad-gateway") "," TEXT("ecom.breaker",
                                                                                          "half-open") ","
                                                                                                       "{\"key\":\"http.response.status_"
                                                                                                       "code\",\"value\":{\"intValue\":"
                                                                                                       "\"503\"}},{\"key\":\"else\","
                                                                                                       "\"value\":{\"boolValue\":true}}]"));

    (void)state;
    assert_int_equal(read_body(body, &refused), 1);
    assert_int_equal(refused, 0);
    const struct ecc_trace *trace = ecc_traces_find(traces, T1);
    assert_non_null(trace);
    assert_int_equal(trace->n, 1);
    const struct ecc_otlp_span *span = trace->spans[0];
    assert_string_equal(span->id, "00000000000000aa");
    assert_string_equal(span->parent, "00000000000000bb");
    assert_string_equal(span->service, "trip-svc");
    assert_string_equal(span->name, "Book");
    assert_string_equal(span->hop, "external");
    assert_string_equal(span->edge, "trip-svc -> bank");
    assert_string_equal(span->outcome, "failed");
    assert_string_equal(span->error, "bad-gateway");
    assert_string_equal(span->breaker, "half-open");
    assert_int_equal(span->status, 503);
    assert_int_equal(span->start_us, 1700000000000001ull);
    assert_int_equal(span->end_us, 1700000000000003ull);
}

static void refused_spans(void **state)
{
    static const char *const bad[] = {
        SPAN("0123", "00000000000000aa", ""),
        SPAN("00000000000000000000000000000000", "00000000000000aa", ""),
        SPAN("g123456789abcdef0123456789abcdef", "00000000000000aa", ""),
        SPAN(T1, "aa", ""),
        SPAN(T1, "00000000000000aa", ",\"parentSpanId\":\"zz\""),
        SPAN(T1, "00000000000000aa", ",\"attributes\":[{\"key\":\"ecom.hop\",\"value\":{\"intValue\":1}}]"),
        SPAN(T1, "00000000000000aa", ",\"attributes\":[{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"7\"}}]"),
        SPAN(T1, "00000000000000aa", ",\"attributes\":[7]"),
        "{\"traceId\":\"" T1 "\",\"spanId\":\"00000000000000aa\",\"name\":\"x\",\"startTimeUnixNano\":\"-1\",\"endTimeUnixNano\":1}",
        "{\"traceId\":\"" T1 "\",\"spanId\":\"00000000000000aa\",\"startTimeUnixNano\":1,\"endTimeUnixNano\":1}",
        "7",
    };
    size_t refused;
    char body[4096];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(body, sizeof body, BODY("%s,%s"), bad[i], SPAN(T2, "00000000000000cc", ""));
        assert_int_equal(read_body(body, &refused), 1);
        assert_int_equal(refused, 1);
        assert_null(ecc_traces_find(traces, T1));
    }
    assert_int_equal(ecc_traces_find(traces, T2)->n, 1); /* the same each time */
}

static void no_bodies(void **state)
{
    static const char *const bad[] = {"", "{", "[]", "7", "{\"resourceSpans\":7}"};
    static const char *const empty[] = {"{}", "{\"resourceSpans\":[]}", "{\"resourceSpans\":[7,{\"scopeSpans\":[{}, {\"spans\":7}]}]}"};
    size_t refused;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(read_body(bad[i], &refused), -1);
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        assert_int_equal(read_body(empty[i], &refused), 0);
}

/* ------------------------------------------------------------------ traces */

static void numbered(uint64_t trace, uint64_t span, const char *name)
{
    struct ecc_otlp_span s = {.service = "trip-svc", .name = name};

    snprintf(s.trace_id, sizeof s.trace_id, "%032llx", (unsigned long long)trace);
    snprintf(s.id, sizeof s.id, "%016llx", (unsigned long long)span);
    ecc_traces_add(traces, &s);
}

static void the_oldest_goes(void **state)
{
    char id[33];

    (void)state;
    ecc_traces_free(traces);
    traces = ecc_traces_new(100 * 1000);
    for (uint64_t i = 1; i <= 5000; i++) {
        numbered(i, 1, "a name that takes some room");
        assert_true(ecc_traces_bytes(traces) <= 100 * 1000);
    }
    snprintf(id, sizeof id, "%032x", 5000);
    assert_non_null(ecc_traces_find(traces, id));
    snprintf(id, sizeof id, "%032x", 1);
    assert_null(ecc_traces_find(traces, id));
    assert_true(ecc_traces_count(traces) > 50 && ecc_traces_count(traces) < 500);
    snprintf(id, sizeof id, "%032x", 5000 - (int)ecc_traces_count(traces));
    assert_null(ecc_traces_find(traces, id));
    snprintf(id, sizeof id, "%032x", 5001 - (int)ecc_traces_count(traces));
    assert_non_null(ecc_traces_find(traces, id));
}

static void bounds_of_a_trace(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= ECC_TRACE_SPANS + 10; i++)
        numbered(7, i, "x");
    numbered(8, 1, "first");
    numbered(8, 1, "sent again");
    const struct ecc_trace *trace = ecc_traces_find(traces, "00000000000000000000000000000008");
    assert_int_equal(trace->n, 1);
    assert_string_equal(trace->spans[0]->name, "first");
    assert_true(ecc_traces_find(traces, "00000000000000000000000000000007") == NULL ||
                ecc_traces_find(traces, "00000000000000000000000000000007")->n == ECC_TRACE_SPANS);
}

/* What is given out reads back to the same. */
static void there_and_back(void **state)
{
    size_t refused;

    (void)state;
    read_body(BODY(SPAN(T1, "00000000000000aa", ",\"attributes\":[" TEXT("ecom.hop", "call") "," TEXT("ecom.edge", "a -> b") "]") "," SPAN(
                  T1, "00000000000000ab", ",\"parentSpanId\":\"00000000000000aa\"")),
              &refused);
    json_t *otlp = ecc_trace_otlp(ecc_traces_find(traces, T1)), *again;
    char *text = json_dumps(otlp, 0);
    ecc_traces_free(traces);
    traces = ecc_traces_new(1 << 20);
    assert_int_equal(read_body(text, &refused), 2);
    assert_int_equal(refused, 0);
    again = ecc_trace_otlp(ecc_traces_find(traces, T1));
    assert_true(json_equal(otlp, again));
    json_decref(otlp);
    json_decref(again);
    free(text);
}

/* Parents in a circle, a span above itself, a parent that never came: each stands at the top, once. */
static void no_tree(void **state)
{
    static const char *const spans[][2] = {{"0000000000000001", "0000000000000002"}, {"0000000000000002", "0000000000000001"},
                                           {"0000000000000003", "0000000000000003"}, {"0000000000000004", "00000000000000ff"},
                                           {"0000000000000005", "0000000000000001"}, {"0000000000000006", "0000000000000004"}};
    const struct ecc_model model = {0};
    struct ecc_arena arena;

    (void)state;
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        struct ecc_otlp_span s = {.service = "a", .name = "x", .hop = "call", .edge = i ? "a -> b" : "no edge", .trace_id = T1};
        strcpy(s.id, spans[i][0]);
        strcpy(s.parent, spans[i][1]);
        ecc_traces_add(traces, &s);
    }
    ecc_arena_init(&arena);
    const struct ecc_derived *recorded = ecc_trace_recorded(&arena, &model, NULL, ecc_traces_find(traces, T1));
    assert_int_equal(recorded->hops.n, 5);
    assert_int_equal(recorded->hops.items[3]->hops.n, 1);
    ecc_arena_free(&arena);
}

/* A gateway does not tell its client: it is the one that the scenario has ask, and the first where none is played. */
static void whose_request(void **state)
{
    struct ecc_node app = {.kind = ECC_NODE_CLIENT, .name = "app"}, desk = {.kind = ECC_NODE_CLIENT, .name = "desk"},
                    gate = {.kind = ECC_NODE_GATEWAY, .name = "gate"}, *nodes[] = {&app, &desk, &gate};
    struct ecc_edge of_app = {.from = &app, .to = &gate}, of_desk = {.from = &desk, .to = &gate}, *edges[] = {&of_app, &of_desk};
    const struct ecc_model model = {.nodes = nodes, .nnodes = 3, .edges = edges, .nedges = 2};
    struct ecc_request when = {.client = &desk};
    const struct ecc_scenario scenario = {.when = &when};
    struct ecc_otlp_span span = {.service = "gate", .name = "GET /things", .hop = "request", .trace_id = T1, .id = "0000000000000001"};
    struct ecc_arena arena;

    (void)state;
    ecc_traces_add(traces, &span);
    ecc_arena_init(&arena);
    const struct ecc_derived *recorded = ecc_trace_recorded(&arena, &model, &scenario, ecc_traces_find(traces, T1));
    assert_ptr_equal(recorded->hops.items[0]->from, &desk);
    recorded = ecc_trace_recorded(&arena, &model, NULL, ecc_traces_find(traces, T1));
    assert_ptr_equal(recorded->hops.items[0]->from, &app);
    assert_string_equal(ecc_trace_edge(&arena, &model, &span), "app -> gate");
    ecc_arena_free(&arena);
}

/* ------------------------------------------------------------------ live */

static double number(const json_t *edge, const char *name)
{
    return json_number_value(json_object_get(edge, name));
}

static void live_counts(void **state)
{
    struct ecc_live *live = ecc_live_new();
    struct ecc_otlp_span span = {.name = "Book", .hop = "call", .edge = "a -> b", .outcome = "ok"};
    json_t *edges;

    (void)state;
    for (int i = 0; i < 30; i++) {
        span.end_us = (uint64_t)(i + 1) * 1000;
        span.outcome = i % 3 ? "ok" : "timeout";
        span.breaker = i == 29 ? "open" : "closed";
        ecc_live_add(live, &span, 100000 + (uint64_t)i * 100);
    }
    ecc_live_add(live, &(struct ecc_otlp_span){.name = "inside"}, 100000);
    edges = ecc_live_edges(live, NULL, 103000);
    assert_int_equal(json_array_size(edges), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(edges, 0), "edge")), "a -> b");
    assert_string_equal(json_string_value(json_object_get(json_array_get(edges, 0), "breaker")), "open");
    assert_true(number(json_array_get(edges, 0), "rate") == 3 && number(json_array_get(edges, 0), "errors") == 1);
    assert_true(number(json_array_get(edges, 0), "p50_ms") == 15);
    json_decref(edges);
    edges = ecc_live_edges(live, NULL, 120000); /* it is quiet */
    assert_true(number(json_array_get(edges, 0), "rate") == 0 && number(json_array_get(edges, 0), "p50_ms") == 0);
    json_decref(edges);
    ecc_live_free(live);
}

/* ------------------------------------------------------------------ handed on */

static uv_loop_t loop;
static struct {
    struct ec_http_server *server;
    int requests, status;
    struct ec_http_exchange *held; /* an answer that is not given yet */
    bool hold;
    char path[64], last[64];
} other;

static void handle(struct ec_http_exchange *x, void *data)
{
    const struct ec_http_request *request = ec_http_exchange_request(x);

    (void)data;
    other.requests++;
    snprintf(other.path, sizeof(other.path), "%.*s", (int)request->path.n, request->path.p);
    snprintf(other.last, sizeof(other.last), "%.*s", (int)request->body.n, request->body.p);
    if (other.hold)
        other.held = x;
    else
        ec_http_reply(x, other.status, EC_STR("application/json"), (struct ec_str){NULL, 0}, EC_STR("{}"));
}

static void run_until(uint64_t (*count)(const struct ecc_forward *), const struct ecc_forward *forward, uint64_t n)
{
    for (int i = 0; i < 5000 && count(forward) < n; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        uv_sleep(1);
    }
    assert_int_equal(count(forward), n);
}

static void handed_on(void **state)
{
    const char *why = NULL;
    char url[64], big[1000];

    (void)state;
    memset(&other, 0, sizeof other);
    other.status = 200;
    uv_loop_init(&loop);
    other.server = ec_http_server_start(&loop, &(struct ec_http_server_options){.host = "127.0.0.1", .handle = handle}, &why);
    assert_non_null(other.server);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/otel/", ec_http_server_port(other.server));
    struct ecc_forward *forward = ecc_forward_new(&loop, url, 5000, &why);
    assert_non_null(forward);
    ecc_forward_send(forward, "one", 3);
    ecc_forward_send(forward, "two", 3);
    run_until(ecc_forward_sent, forward, 2);
    assert_string_equal(other.path, "/otel/v1/traces");
    assert_string_equal(other.last, "two");
    other.status = 503; /* is not asked twice: it has had its chance */
    ecc_forward_send(forward, "three", 5);
    run_until(ecc_forward_dropped, forward, 1);
    assert_int_equal(other.requests, 3);
    other.hold = true; /* a slow one costs what may wait, and nothing else */
    memset(big, 'x', sizeof big);
    for (int i = 0; i < 100; i++)
        ecc_forward_send(forward, big, sizeof big);
    assert_int_equal(ecc_forward_dropped(forward), 1 + 95);
    while (!other.held)
        uv_run(&loop, UV_RUN_ONCE);
    other.hold = false;
    other.status = 200;
    ec_http_reply(other.held, 200, EC_STR("application/json"), (struct ec_str){NULL, 0}, EC_STR("{}"));
    run_until(ecc_forward_sent, forward, 2 + 5);
    for (int i = 0; i < 3; i++)
        ecc_forward_send(forward, big, sizeof big);
    ecc_forward_stop(forward); /* with one on its way */
    ec_http_server_stop(other.server);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void nowhere(void **state)
{
    const char *why = NULL;

    (void)state;
    uv_loop_init(&loop);
    assert_null(ecc_forward_new(&loop, "ftp://x", 5000, &why));
    assert_non_null(why);
    struct ecc_forward *forward = ecc_forward_new(&loop, "http://127.0.0.1:1", 5000, &why);
    assert_non_null(forward);
    ecc_forward_send(forward, "one", 3);
    run_until(ecc_forward_dropped, forward, 1);
    ecc_forward_stop(forward);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_span, begin, end),
        cmocka_unit_test_setup_teardown(refused_spans, begin, end),
        cmocka_unit_test_setup_teardown(no_bodies, begin, end),
        cmocka_unit_test_setup_teardown(the_oldest_goes, begin, end),
        cmocka_unit_test_setup_teardown(bounds_of_a_trace, begin, end),
        cmocka_unit_test_setup_teardown(there_and_back, begin, end),
        cmocka_unit_test_setup_teardown(no_tree, begin, end),
        cmocka_unit_test_setup_teardown(whose_request, begin, end),
        cmocka_unit_test(live_counts),
        cmocka_unit_test(handed_on),
        cmocka_unit_test(nowhere),
    };

    return cmocka_run_group_tests_name("traces", tests, NULL, NULL);
}
