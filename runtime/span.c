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

struct batch { /* spans with commas between */
    struct ec_buf text;
    int n;
    struct batch *next;
};

static struct {
    char *endpoint, *path; /* the origin, and what stands behind it */
    double ratio;
    int64_t a_second; /* at most; 0: as many as there are */
    double tokens;
    uint64_t filled_ns, read_ns; /* read_ns: when wall_ahead_ns was taken, 0: not yet */
    int64_t wall_ahead_ns;
    int passed; /* traces that began here since the last one that is recorded */
    struct ec_http_client *client;
    struct batch *first, **end, *filling; /* the first goes next; filling is the last or NULL */
    size_t bytes;                         /* of all */
    int tries;
    bool started, in_flight, ending;
    struct ec_metric *sent, *dropped;
} spans;

#define WALL_NS 60000000000u

static uv_timer_t timer; /* closes after the rest has been forgotten */

static void flush(void);

/* ------------------------------------------------------------------ sending */

static void on_timer(uv_timer_t *handle)
{
    (void)handle;
    flush();
}

static void later(int64_t ms)
{
    if (!uv_is_active((uv_handle_t *)&timer))
        uv_timer_start(&timer, on_timer, (uint64_t)ms, 0);
}

static void forget_first(void)
{
    struct batch *batch = spans.first;

    spans.first = batch->next;
    if (!spans.first)
        spans.end = &spans.first;
    if (spans.filling == batch)
        spans.filling = NULL;
    spans.bytes -= batch->text.n;
    ec_buf_free(&batch->text);
    free(batch);
}

static bool for_the_moment(enum ec_http_outcome outcome, const struct ec_http_reply *reply)
{
    if (outcome != EC_HTTP_OK)
        return outcome != EC_HTTP_MALFORMED;
    return reply->status == 429 || reply->status == 502 || reply->status == 503 || reply->status == 504;
}

static void on_sent(void *data, enum ec_http_outcome outcome, const struct ec_http_reply *reply)
{
    bool taken = outcome == EC_HTTP_OK && reply->status >= 200 && reply->status < 300;

    (void)data;
    if (!spans.started) /* stopped meanwhile */
        return;
    spans.in_flight = false;
    if (!taken && !spans.ending && for_the_moment(outcome, reply) && ++spans.tries < TRIES) {
        later((int64_t)RETRY_MS * spans.tries);
        return;
    }
    spans.tries = 0;
    do { /* a process that ends does not ask again for each */
        ec_metric_add(taken ? spans.sent : spans.dropped, spans.first->n);
        forget_first();
    } while (!taken && spans.ending && spans.first);
    if (spans.first)
        later(spans.first == spans.filling ? FLUSH_MS : 0);
}

static void add_attribute(struct ec_buf *buf, const char *key, struct ec_str value)
{
    ec_buf_str(buf, buf->n && buf->p[buf->n - 1] == '}' ? ",{\"key\":\"" : "{\"key\":\"");
    ec_buf_str(buf, key);
    ec_buf_str(buf, "\",\"value\":{\"stringValue\":");
    ec_json_write_text(buf, value);
    ec_buf_str(buf, "}}");
}

static void flush(void)
{
    static struct ec_buf head;
    struct ec_buf body = {0};
    char id[37];

    if (spans.in_flight || !spans.started || !spans.first)
        return;
    if (spans.filling == spans.first)
        spans.filling = NULL;
    ec_uuid_format(ec_app.instance, id);
    ec_buf_str(&body, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    add_attribute(&body, "service.name", ec_str_of(ec_app.service->name));
    add_attribute(&body, "service.version", ec_str_of(ec_app.version));
    add_attribute(&body, "service.instance.id", (struct ec_str){id, 36});
    ec_buf_str(&body, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"ecom\"},\"spans\":[");
    ec_buf_add(&body, spans.first->text.p, spans.first->text.n);
    ec_buf_str(&body, "]}]}]}");
    head.n = 0;
    ec_buf_printf(&head, "POST %s HTTP/1.1\r\ncontent-type: application/json\r\n", spans.path);
    spans.in_flight = true;
    ec_http_send(spans.client, (struct ec_str){head.p, head.n}, (struct ec_str){body.p, body.n}, SEND_MS, true, on_sent, NULL);
    ec_buf_free(&body);
}

/* Where the next span goes, with its comma. */
static struct batch *room(void)
{
    struct batch *batch = spans.filling;

    if (!batch) {
        batch = calloc(1, sizeof(*batch));
        if (!batch)
            abort();
        *spans.end = batch;
        spans.end = &batch->next;
        spans.filling = batch;
    }
    if (batch->n) {
        ec_buf_add(&batch->text, ",", 1);
        spans.bytes++;
    }
    return batch;
}

/* ------------------------------------------------------------------ one span */

static void add_id(struct ec_buf *buf, const char *before, const uint8_t *id, size_t n)
{
    char hex[33];

    ec_hex(id, n, hex);
    ec_buf_str(buf, before);
    ec_buf_add(buf, hex, 2 * n);
    ec_buf_str(buf, "\"");
}

static void add_ids(struct ec_buf *buf, const struct ec_trace *trace)
{
    static const uint8_t none[8];

    add_id(buf, "{\"traceId\":\"", trace->trace_id, 16);
    add_id(buf, ",\"spanId\":\"", trace->span_id, 8);
    if (memcmp(trace->parent_id, none, sizeof(none)) != 0)
        add_id(buf, ",\"parentSpanId\":\"", trace->parent_id, 8);
}

static bool went_wrong(const char *outcome)
{
    static const char *const well[] = {"ok", "hit", "miss"};

    for (size_t i = 0; i < sizeof(well) / sizeof(*well); i++)
        if (strcmp(outcome, well[i]) == 0)
            return false;
    return true;
}

/* The wall clock's nanoseconds at a time of uv_hrtime. The two are read together now and then, not for each span: what begins later in a
 * process is later in its spans, too. */
static int64_t wall_ns(uint64_t ns)
{
    uint64_t now = uv_hrtime();

    if (!spans.read_ns || now - spans.read_ns > WALL_NS) {
        spans.read_ns = now;
        spans.wall_ahead_ns = ec_now() * 1000 - (int64_t)now;
    }
    return (int64_t)ns + spans.wall_ahead_ns;
}

void ec_span_end(const struct ec_span *span)
{
    const char *outcome = span->outcome ? span->outcome : "ok";
    int64_t now, began;
    struct batch *batch;
    struct ec_buf *buf;
    size_t before;

    if (!spans.started || !span->trace->sampled)
        return;
    if (spans.bytes > MOST) {
        ec_metric_add(spans.dropped, 1);
        return;
    }
    now = wall_ns(uv_hrtime());
    began = wall_ns(span->began_ns);
    batch = room();
    buf = &batch->text;
    before = buf->n;
    add_ids(buf, span->trace);
    ec_buf_str(buf, ",\"name\":");
    ec_json_write_text(buf, span->name ? ec_str_of(span->name) : span->text);
    ec_buf_int(buf, ",\"kind\":", span->kind, "");
    ec_buf_int(buf, ",\"startTimeUnixNano\":\"", began, "\"");
    ec_buf_int(buf, ",\"endTimeUnixNano\":\"", now, "\",\"attributes\":[");
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
    if (span->error)
        add_attribute(buf, "ecom.error", ec_str_of(span->error));
    if (span->breaker)
        add_attribute(buf, "ecom.breaker", ec_str_of(span->breaker));
    if (span->status)
        ec_buf_int(buf, ",{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"", span->status, "\"}}");
    if (span->weight)
        ec_buf_int(buf, ",{\"key\":\"ecom.weight\",\"value\":{\"intValue\":\"", span->weight, "\"}}");
    ec_buf_str(buf, went_wrong(outcome) ? "],\"status\":{\"code\":2}}" : "],\"status\":{}}");
    spans.bytes += buf->n - before;
    if (++batch->n < BATCH) {
        later(FLUSH_MS);
        return;
    }
    spans.filling = NULL;
    flush();
}

/* ------------------------------------------------------------------ the process */

int ec_spans_sample(void)
{
    bool chosen = spans.ratio >= 1 || (spans.ratio > 0 && ec_random_unit() < spans.ratio);
    uint64_t now = ec_span_clock();
    int stands_for = ++spans.passed;

    if (!now)
        return chosen; /* it is told to nobody, but what comes after may ask for it */
    if (spans.a_second > 0) {
        spans.tokens += (double)(now - spans.filled_ns) / 1e9 * (double)spans.a_second;
        if (spans.tokens > (double)spans.a_second)
            spans.tokens = (double)spans.a_second;
        spans.filled_ns = now;
        chosen = chosen && spans.tokens >= 1;
        spans.tokens -= chosen;
    }
    if (!chosen)
        return 0;
    spans.passed = 0;
    return stands_for;
}

void ec_spans_join(struct ec_task *task, struct ec_str traceparent)
{
    struct ec_trace parent;

    if (ec_trace_parse(traceparent, &parent)) {
        ec_trace_child(&task->trace, &parent);
    } else {
        task->stands_for = ec_spans_sample();
        task->trace.sampled = task->stands_for > 0;
    }
}

/* The base of OTLP/HTTP: signals have paths of their own below it. */
static void take_endpoint(struct ec_config_errors *errors, char *url)
{
    size_t n = strlen(url);
    char *path = strstr(url, "://");
    const char *why;

    while (n > 0 && url[n - 1] == '/')
        url[--n] = '\0';
    path = path ? strchr(path + 3, '/') : NULL;
    spans.path = malloc((path ? strlen(path) : 0) + sizeof("/v1/traces"));
    if (!spans.path)
        abort();
    strcat(strcpy(spans.path, path ? path : ""), "/v1/traces");
    if (path)
        *path = '\0';
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
    char *a_second = ec_config_get(errors, "EC_TRACES_A_SECOND", "0", false);

    if (ratio && (!ec_float_parse(ec_str_of(ratio), &spans.ratio) || spans.ratio < 0 || spans.ratio > 1))
        ec_config_error(errors, "OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1");
    if (a_second && (!ec_int_parse(ec_str_of(a_second), &spans.a_second) || spans.a_second < 0 || spans.a_second > 1000000))
        ec_config_error(errors, "EC_TRACES_A_SECOND must be a number from 0 to 1000000; 0: as many as there are");
    free(a_second);
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
    spans.sent = ec_metric(EC_COUNTER, "ec_spans_sent_total", "Spans that the collector has taken", "");
    spans.dropped =
        ec_metric(EC_COUNTER, "ec_spans_dropped_total", "Spans that the collector has not taken, or that too much was waiting for", "");
    uv_timer_init(loop, &timer);
    spans.end = &spans.first;
    spans.started = true;
    return 0;
}

bool ec_spans_idle(void)
{
    if (!spans.started)
        return true;
    spans.ending = true;
    flush();
    return !spans.first;
}

void ec_spans_stop(void)
{
    if (spans.started) {
        spans.started = false;
        uv_close((uv_handle_t *)&timer, NULL);
        ec_http_client_stop(spans.client);
        while (spans.first)
            forget_first();
    }
    free(spans.endpoint);
    free(spans.path);
    memset(&spans, 0, sizeof(spans));
    ec_spans_on = false;
}
