/* Spans gather as JSON text and go to the collector in batches: when there are BATCH, or FLUSH_MS after the first. One batch is on its way
 * at a time; one that is refused for the moment is sent again a few times, then dropped and counted. What comes while too much waits is
 * dropped and counted as well: a collector that is away costs memory up to MOST bytes and nothing else.
 *
 * Sources: OpenTelemetry protocol 1.3 (opentelemetry.io/docs/specs/otlp), its JSON encoding (ids in hex, 64-bit numbers as text), the SDK's
 * environment variables.
 */
#include "span.h"

#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "json.h"
#include "random.h"

enum { BATCH = 256, FLUSH_MS = 100, MOST = 4 * 1024 * 1024, TRIES = 4, SEND_MS = 5000, RETRY_MS = 500 };

bool ec_spans_on;

static struct {
    char *endpoint;
    const char *path; /* in it, behind the origin */
    double ratio;
    uv_loop_t *loop;
    uv_timer_t timer;
    struct ec_http_client *client;
    struct ec_buf gathered, sending; /* spans with commas between; a whole request body */
    int n, tries;
    bool started, in_flight, stopping;
    struct ec_metric *sent, *dropped;
    int sending_n;
} spans;

/* ------------------------------------------------------------------ sending */

static void flush(void);

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
    flush();
}

static void later(int64_t ms)
{
    if (!spans.stopping && !uv_is_active((uv_handle_t *)&spans.timer)) {
        uv_timer_start(&spans.timer, on_timer, (uint64_t)ms, 0);
        uv_unref((uv_handle_t *)&spans.timer);
    }
}

static bool for_the_moment(enum ec_http_outcome outcome, const struct ec_http_reply *reply)
{
    if (outcome != EC_HTTP_OK)
        return outcome != EC_HTTP_MALFORMED;
    return reply->status == 429 || reply->status == 502 || reply->status == 503 || reply->status == 504;
}

static void on_sent(void *data, enum ec_http_outcome outcome, const struct ec_http_reply *reply)
{
    (void)data;
    spans.in_flight = false;
    if (outcome == EC_HTTP_OK && reply->status >= 200 && reply->status < 300) {
        ec_metric_add(spans.sent, spans.sending_n);
    } else if (for_the_moment(outcome, reply) && ++spans.tries < TRIES && !spans.stopping) {
        later(RETRY_MS * spans.tries);
        return;
    } else {
        ec_metric_add(spans.dropped, spans.sending_n);
    }
    spans.sending.n = 0;
    spans.tries = 0;
    if (spans.n > 0)
        later(spans.n >= BATCH ? 0 : FLUSH_MS);
}

static void add_attribute(struct ec_buf *buf, const char *key, struct ec_str value)
{
    ec_buf_printf(buf, "%s{\"key\":\"%s\",\"value\":{\"stringValue\":", buf->n && buf->p[buf->n - 1] == '}' ? "," : "", key);
    ec_json_write_text(buf, value);
    ec_buf_str(buf, "}}");
}

static void envelope(void)
{
    struct ec_buf *buf = &spans.sending;
    char id[37];

    ec_uuid_format(ec_app.instance, id);
    ec_buf_str(buf, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    add_attribute(buf, "service.name", ec_str_of(ec_app.service->name));
    add_attribute(buf, "service.version", ec_str_of(ec_app.version));
    add_attribute(buf, "service.instance.id", (struct ec_str){id, 36});
    ec_buf_str(buf, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"ecom\"},\"spans\":[");
    ec_buf_add(buf, spans.gathered.p, spans.gathered.n);
    ec_buf_str(buf, "]}]}]}");
    spans.sending_n = spans.n;
    spans.gathered.n = 0;
    spans.n = 0;
}

static void flush(void)
{
    static struct ec_buf head;

    if (spans.in_flight || !spans.started)
        return;
    if (!spans.sending.n) {
        if (!spans.n)
            return;
        envelope();
    }
    head.n = 0;
    ec_buf_printf(&head, "POST %s HTTP/1.1\r\ncontent-type: application/json\r\n", spans.path);
    spans.in_flight = true;
    ec_http_send(spans.client, (struct ec_str){head.p, head.n}, (struct ec_str){spans.sending.p, spans.sending.n}, SEND_MS, true, on_sent,
                 NULL);
}

/* ------------------------------------------------------------------ one span */

static void add_ids(struct ec_buf *buf, const struct ec_trace *trace)
{
    static const uint8_t none[8];
    char trace_id[33], span_id[17];

    ec_hex(trace->trace_id, 16, trace_id);
    ec_hex(trace->span_id, 8, span_id);
    ec_buf_printf(buf, "{\"traceId\":\"%.32s\",\"spanId\":\"%.16s\"", trace_id, span_id);
    if (memcmp(trace->parent_id, none, sizeof(none)) != 0) {
        ec_hex(trace->parent_id, 8, span_id);
        ec_buf_printf(buf, ",\"parentSpanId\":\"%.16s\"", span_id);
    }
}

static bool went_wrong(const char *outcome)
{
    static const char *const well[] = {"ok", "hit", "miss"};

    for (size_t i = 0; i < sizeof(well) / sizeof(*well); i++)
        if (strcmp(outcome, well[i]) == 0)
            return false;
    return true;
}

void ec_span_end(const struct ec_span *span)
{
    struct ec_buf *buf = &spans.gathered;
    const char *outcome = span->outcome ? span->outcome : "ok";
    int64_t now = ec_now() * 1000;
    int64_t began = now - (int64_t)(uv_hrtime() - span->began_ns);
    char text[24];

    if (!ec_spans_on || !spans.started || !span->trace->sampled)
        return;
    if (buf->n > MOST) {
        ec_metric_add(spans.dropped, 1);
        return;
    }
    if (spans.n)
        ec_buf_add(buf, ",", 1);
    add_ids(buf, span->trace);
    ec_buf_str(buf, ",\"name\":");
    ec_json_write_text(buf, span->name ? ec_str_of(span->name) : span->text);
    ec_buf_printf(buf, ",\"kind\":%d,\"startTimeUnixNano\":\"%lld\",\"endTimeUnixNano\":\"%lld\",\"attributes\":[", span->kind,
                  (long long)began, (long long)now);
    if (span->hop)
        add_attribute(buf, "ecom.hop", ec_str_of(span->hop));
    if (span->edge) {
        add_attribute(buf, "ecom.edge", ec_str_of(span->edge));
    } else if (span->from && span->to) {
        char edge[256];
        int n = snprintf(edge, sizeof(edge), "%s -> %s", span->from, span->to);
        add_attribute(buf, "ecom.edge", (struct ec_str){edge, (size_t)(n < (int)sizeof(edge) ? n : (int)sizeof(edge) - 1)});
    }
    add_attribute(buf, "ecom.outcome", ec_str_of(outcome));
    if (span->status)
        ec_buf_printf(buf, ",{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"%.*s\"}}",
                      (int)ec_int_format(span->status, text), text);
    ec_buf_printf(buf, "],\"status\":{%s}}", went_wrong(outcome) ? "\"code\":2" : "");
    spans.n++;
    if (spans.n >= BATCH && !spans.in_flight)
        flush();
    else
        later(FLUSH_MS);
}

/* ------------------------------------------------------------------ the process */

bool ec_spans_sampled(void)
{
    return spans.ratio >= 1 || (spans.ratio > 0 && ec_random_unit() < spans.ratio);
}

/* The base of OTLP/HTTP: signals have paths of their own below it. */
static void take_endpoint(struct ec_config_errors *errors, char *url)
{
    char *path = strstr(url, "://");
    size_t n = strlen(url);
    const char *why;

    while (n > 0 && url[n - 1] == '/')
        url[--n] = '\0';
    path = path ? strchr(path + 3, '/') : NULL;
    spans.path = "/v1/traces";
    if (path) {
        char *whole = malloc(strlen(path) + sizeof("/v1/traces"));
        if (!whole)
            abort();
        strcat(strcpy(whole, path), "/v1/traces");
        spans.path = whole; /* of the process */
        *path = '\0';
    }
    why = ec_http_urls_check(url);
    if (why)
        ec_config_error(errors, "OTEL_EXPORTER_OTLP_ENDPOINT %s", why);
    spans.endpoint = url;
    ec_spans_on = true;
}

void ec_spans_configure(struct ec_config_errors *errors)
{
    char *url = ec_config_get(errors, "OTEL_EXPORTER_OTLP_ENDPOINT", NULL, false);
    char *ratio = ec_config_get(errors, "OTEL_TRACES_SAMPLER_ARG", "1", false);

    if (ratio && (!ec_float_parse(ec_str_of(ratio), &spans.ratio) || spans.ratio < 0 || spans.ratio > 1))
        ec_config_error(errors, "OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1");
    free(ratio);
    if (url && *url)
        take_endpoint(errors, url);
}

int ec_spans_start(uv_loop_t *loop, const char **why)
{
    if (!ec_spans_on)
        return 0;
    spans.client = ec_http_client_new(loop, spans.endpoint, 1, why);
    if (!spans.client)
        return -1;
    spans.loop = loop;
    spans.sent = ec_metric(EC_COUNTER, "ec_spans_sent_total", "Spans that the collector has taken", "");
    spans.dropped =
        ec_metric(EC_COUNTER, "ec_spans_dropped_total", "Spans that the collector has not taken, or that too much was waiting for", "");
    uv_timer_init(loop, &spans.timer);
    spans.started = true;
    return 0;
}

bool ec_spans_idle(void)
{
    if (!spans.started)
        return true;
    flush();
    return !spans.in_flight && !spans.n && !spans.sending.n;
}

void ec_spans_stop(void)
{
    if (!spans.started)
        return;
    spans.stopping = true;
    spans.started = false;
    uv_close((uv_handle_t *)&spans.timer, NULL);
    ec_http_client_stop(spans.client);
    ec_buf_free(&spans.gathered);
    ec_buf_free(&spans.sending);
}
