/* Spans against a collector on the same loop: what it is told, in batches, again when it refuses for the moment, and never too much. */
#include "http_test.h"

#include <jansson.h>

#include "random.h"
#include "span.h"

static uv_loop_t loop;
static const struct ec_service service = {.name = "alpha"};
static struct {
    struct ec_http_server *server;
    int port, requests, status;
    char path[128];
    json_t *last;
} collector;

static void handle(struct ec_http_exchange *x, void *data)
{
    const struct ec_http_request *request = ec_http_exchange_request(x);

    (void)data;
    collector.requests++;
    snprintf(collector.path, sizeof(collector.path), "%.*s", (int)request->path.n, request->path.p);
    json_decref(collector.last);
    collector.last = json_loadb(request->body.p, request->body.n, 0, NULL);
    ec_http_reply(x, collector.status, EC_STR("application/json"), (struct ec_str){NULL, 0}, EC_STR("{}"));
}

static int begin(void **state)
{
    const char *why = NULL;

    (void)state;
    collector.status = 200;
    collector.requests = 0;
    ec_app.service = &service;
    ec_app.version = "1.2.3";
    uv_loop_init(&loop);
    ec_app.loop = &loop;
    collector.server = ec_http_server_start(&loop, &(struct ec_http_server_options){.host = "127.0.0.1", .handle = handle}, &why);
    assert_non_null(collector.server);
    collector.port = ec_http_server_port(collector.server);
    return 0;
}

static void configure(const char *path, const char *ratio)
{
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};
    const char *why = NULL;
    char url[128];

    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", collector.port, path);
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url, 1);
    if (ratio)
        setenv("OTEL_TRACES_SAMPLER_ARG", ratio, 1);
    ec_spans_configure(&errors);
    unsetenv("OTEL_TRACES_SAMPLER_ARG");
    assert_int_equal(errors.n, 0);
    assert_true(ec_spans_on);
    assert_int_equal(ec_spans_start(&loop, &why), 0);
}

static int end(void **state)
{
    (void)state;
    ec_spans_stop();
    if (collector.server)
        ec_http_server_stop(collector.server);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    json_decref(collector.last);
    collector.last = NULL;
    return 0;
}

static const struct json_t *span_at(size_t i)
{
    const json_t *scope =
        json_array_get(json_object_get(json_array_get(json_object_get(collector.last, "resourceSpans"), 0), "scopeSpans"), 0);

    return json_array_get(json_object_get(scope, "spans"), i);
}

static const char *attribute(const json_t *of, const char *key)
{
    size_t i;
    json_t *each;

    json_array_foreach(json_object_get(of, "attributes"), i, each) if (!strcmp(json_string_value(json_object_get(each, "key")), key))
    {
        const json_t *value = json_object_get(each, "value");
        const char *text = json_string_value(json_object_get(value, "stringValue"));
        return text ? text : json_string_value(json_object_get(value, "intValue"));
    }
    return NULL;
}

static const char *member(const json_t *of, const char *key)
{
    return json_string_value(json_object_get(of, key));
}

static double counted(const char *family)
{
    return ec_metric_value(ec_metric(EC_COUNTER, family, "", ""));
}

static void a_span_says_where_it_went_and_how(void **state)
{
    struct ec_trace parent, trace;
    char hex[33];

    (void)state;
    configure("/", NULL);
    ec_trace_new(&parent);
    ec_trace_child(&trace, &parent);
    ec_span_end(&(struct ec_span){.trace = &parent, .kind = EC_SPAN_SERVER, .text = EC_STR("GET /\"x\""), .began_ns = uv_hrtime()});
    ec_span_end(&(struct ec_span){.trace = &trace,
                                  .kind = EC_SPAN_CLIENT,
                                  .hop = "external",
                                  .edge = "alpha -> bank",
                                  .name = "Pay",
                                  .outcome = "error",
                                  .status = 402,
                                  .began_ns = uv_hrtime() - 5000000});
    TURN_UNTIL(&loop, collector.requests == 1);
    assert_string_equal(collector.path, "/v1/traces");
    assert_string_equal(member(span_at(0), "name"), "GET /\"x\"");
    assert_null(member(span_at(0), "parentSpanId"));
    ec_hex(trace.trace_id, 16, hex);
    assert_memory_equal(member(span_at(1), "traceId"), hex, 33);
    ec_hex(parent.span_id, 8, hex);
    assert_memory_equal(member(span_at(1), "parentSpanId"), hex, 17);
    assert_memory_equal(member(span_at(0), "spanId"), hex, 17);
    assert_string_equal(attribute(span_at(1), "ecom.hop"), "external");
    assert_string_equal(attribute(span_at(1), "ecom.edge"), "alpha -> bank");
    assert_string_equal(attribute(span_at(1), "ecom.outcome"), "error");
    assert_string_equal(attribute(span_at(1), "http.response.status_code"), "402");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(span_at(1), "status"), "code")), 2);
    assert_int_equal(json_object_size(json_object_get(span_at(0), "status")), 0);
    long long took = atoll(member(span_at(1), "endTimeUnixNano")) - atoll(member(span_at(1), "startTimeUnixNano"));
    assert_true(took >= 5000000 && took < 5000000000ll);
    TURN_UNTIL(&loop, ec_spans_idle());
    const json_t *resource = json_object_get(json_array_get(json_object_get(collector.last, "resourceSpans"), 0), "resource");
    assert_string_equal(attribute(resource, "service.name"), "alpha");
    assert_string_equal(attribute(resource, "service.version"), "1.2.3");
}

static void many(int n, bool sampled)
{
    struct ec_trace trace;

    ec_trace_new(&trace);
    trace.sampled = sampled;
    for (int i = 0; i < n; i++)
        ec_span_end(
            &(struct ec_span){.trace = &trace, .kind = EC_SPAN_SERVER, .name = "x", .from = "a", .to = "b", .began_ns = uv_hrtime()});
}

static void spans_go_in_batches(void **state)
{
    double sent = counted("ec_spans_sent_total");

    (void)state;
    configure("/below/", NULL);
    many(5000, true);
    many(100, false); /* not sampled */
    TURN_UNTIL(&loop, ec_spans_idle());
    assert_string_equal(collector.path, "/below/v1/traces");
    assert_true(collector.requests >= 20 && collector.requests <= 30);
    assert_true(counted("ec_spans_sent_total") - sent == 5000);
    assert_string_equal(attribute(span_at(0), "ecom.edge"), "a -> b");
}

static void a_collector_that_is_busy_is_asked_again(void **state)
{
    double sent = counted("ec_spans_sent_total"), dropped = counted("ec_spans_dropped_total");

    (void)state;
    configure("", NULL);
    collector.status = 503;
    many(3, true);
    TURN_UNTIL(&loop, collector.requests == 2);
    collector.status = 200;
    TURN_UNTIL(&loop, counted("ec_spans_sent_total") > sent);
    assert_int_equal(collector.requests, 3);
    assert_true(counted("ec_spans_sent_total") - sent == 3);
    collector.status = 400; /* for good */
    many(2, true);
    TURN_UNTIL(&loop, ec_spans_idle());
    assert_int_equal(collector.requests, 4);
    assert_true(counted("ec_spans_dropped_total") - dropped == 2);
}

static void a_collector_that_is_away_costs_no_more_than_its_share(void **state)
{
    double dropped = counted("ec_spans_dropped_total");

    (void)state;
    configure("", NULL);
    ec_http_server_stop(collector.server);
    collector.server = NULL;
    many(60000, true);
    assert_true(counted("ec_spans_dropped_total") - dropped > 10000); /* what did not fit */
    double full = counted("ec_spans_dropped_total");
    TURN_UNTIL(&loop, counted("ec_spans_dropped_total") > full); /* the first batch, tried in vain */
    TURN_UNTIL(&loop, ec_spans_idle());                          /* an end is not held up */
    assert_true(counted("ec_spans_dropped_total") - dropped == 60000);
}

static void the_environment_says_how_much_and_where(void **state)
{
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};

    (void)state;
    configure("", "0");
    assert_int_equal(ec_spans_sample(), 0);
    ec_spans_stop();
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://x", 1);
    setenv("OTEL_TRACES_SAMPLER_ARG", "2", 1);
    ec_spans_configure(&errors);
    assert_int_equal(errors.n, 2);
    unsetenv("OTEL_TRACES_SAMPLER_ARG");
    ec_buf_free(&errors.text);
}

/* A flood is told by a few that stand for the rest. */
static void some_stand_for_all(void **state)
{
    int sum = 0, n = 0, skipped = 0;

    (void)state;
    setenv("EC_TRACES_A_SECOND", "5", 1);
    configure("", NULL);
    unsetenv("EC_TRACES_A_SECOND");
    for (int i = 0; i < 1000; i++) {
        int stands_for = ec_spans_sample();
        n += stands_for > 0;
        sum += stands_for;
        skipped = stands_for ? 0 : skipped + 1;
    }
    assert_int_equal(sum + skipped, 1000);
    assert_true(n >= 5 && n <= 10); /* the bucket, and what time has added */
    uv_sleep(300);
    assert_int_equal(ec_spans_sample(), skipped + 1);
    ec_spans_stop();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(a_span_says_where_it_went_and_how),       T(spans_go_in_batches),
        T(a_collector_that_is_busy_is_asked_again), T(a_collector_that_is_away_costs_no_more_than_its_share),
        T(the_environment_says_how_much_and_where), T(some_stand_for_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
