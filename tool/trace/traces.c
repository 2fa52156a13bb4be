/* The traces of the last while, by their ids. Each span is one piece of memory with its texts behind it; a trace is as old as its first
 * span, and the oldest is forgotten when all together take too much. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "traces.h"

enum { SLOTS = 4096, OVERHEAD = 256 };

struct ecc_traces {
    struct ecc_trace *slots[SLOTS];
    struct ecc_trace *oldest, **end;
    size_t n, bytes, most;
    uint64_t changes;
};

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

struct ecc_traces *ecc_traces_new(size_t most_bytes)
{
    struct ecc_traces *traces = must(calloc(1, sizeof *traces));

    traces->most = most_bytes;
    traces->end = &traces->oldest;
    return traces;
}

static struct ecc_trace **slot_of(struct ecc_traces *traces, const char *id)
{
    uint32_t hash = 2166136261u;

    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * 16777619u;
    return &traces->slots[hash % SLOTS];
}

static void free_trace(struct ecc_trace *trace)
{
    for (size_t i = 0; i < trace->n; i++)
        free(trace->spans[i]);
    free(trace->spans);
    free(trace);
}

static void forget_oldest(struct ecc_traces *traces)
{
    struct ecc_trace *trace = traces->oldest, **at = slot_of(traces, trace->id);

    while (*at != trace)
        at = &(*at)->next_of_slot;
    *at = trace->next_of_slot;
    traces->oldest = trace->newer;
    if (!traces->oldest)
        traces->end = &traces->oldest;
    traces->bytes -= trace->bytes;
    traces->n--;
    free_trace(trace);
}

void ecc_traces_free(struct ecc_traces *traces)
{
    if (!traces)
        return;
    while (traces->oldest)
        forget_oldest(traces);
    free(traces);
}

static size_t room_for(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static const char *put(char **at, const char *text)
{
    size_t n = room_for(text);

    if (!text)
        return NULL;
    memcpy(*at, text, n);
    *at += n;
    return *at - n;
}

static struct ecc_otlp_span *copy_span(const struct ecc_otlp_span *span, size_t *bytes)
{
    const char *const from[] = {span->service, span->name, span->hop, span->edge, span->outcome, span->error, span->breaker};
    size_t n = sizeof *span;

    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        n += room_for(from[i]);
    struct ecc_otlp_span *copy = must(malloc(n));
    char *at = (char *)(copy + 1);
    *copy = *span;
    const char **const to[] = {&copy->service, &copy->name, &copy->hop, &copy->edge, &copy->outcome, &copy->error, &copy->breaker};
    for (size_t i = 0; i < sizeof to / sizeof *to; i++)
        *to[i] = put(&at, from[i]);
    *bytes = n + sizeof(void *);
    return copy;
}

const struct ecc_trace *ecc_traces_find(const struct ecc_traces *traces, const char *id)
{
    struct ecc_trace *trace = *slot_of((struct ecc_traces *)traces, id);

    while (trace && strcmp(trace->id, id) != 0)
        trace = trace->next_of_slot;
    return trace;
}

static struct ecc_trace *new_trace(struct ecc_traces *traces, const char *id)
{
    struct ecc_trace *trace = must(calloc(1, sizeof *trace)), **slot = slot_of(traces, id);

    memcpy(trace->id, id, sizeof trace->id);
    trace->bytes = OVERHEAD;
    trace->next_of_slot = *slot;
    *slot = trace;
    *traces->end = trace;
    traces->end = &trace->newer;
    traces->n++;
    traces->bytes += OVERHEAD;
    return trace;
}

void ecc_traces_add(struct ecc_traces *traces, const struct ecc_otlp_span *span)
{
    struct ecc_trace *trace = (struct ecc_trace *)ecc_traces_find(traces, span->trace_id);
    size_t bytes;

    if (!trace)
        trace = new_trace(traces, span->trace_id);
    if (trace->n >= ECC_TRACE_SPANS)
        return;
    for (size_t i = 0; i < trace->n; i++) /* a batch whose answer was lost is sent again */
        if (!strcmp(trace->spans[i]->id, span->id))
            return;
    if (trace->n == trace->cap) {
        trace->cap = trace->cap ? 2 * trace->cap : 16;
        trace->spans = must(realloc(trace->spans, trace->cap * sizeof(void *)));
    }
    trace->spans[trace->n++] = copy_span(span, &bytes);
    trace->bytes += bytes;
    trace->changed = ++traces->changes;
    traces->bytes += bytes;
    while (traces->bytes > traces->most && traces->oldest)
        forget_oldest(traces);
}

size_t ecc_traces_count(const struct ecc_traces *traces)
{
    return traces->n;
}

size_t ecc_traces_bytes(const struct ecc_traces *traces)
{
    return traces->bytes;
}

/* ------------------------------------------------------------------ as OTLP */

static void add(json_t *attributes, const char *key, const char *text)
{
    if (text)
        json_array_append_new(attributes, json_pack("{s:s, s:{s:s}}", "key", key, "value", "stringValue", text));
}

static json_t *nanos(uint64_t us)
{
    char text[32];

    snprintf(text, sizeof text, "%llu000", (unsigned long long)us);
    return json_string(text);
}

static json_t *span_otlp(const struct ecc_otlp_span *span)
{
    json_t *attributes = json_array(), *out;

    add(attributes, "ecom.hop", span->hop);
    add(attributes, "ecom.edge", span->edge);
    add(attributes, "ecom.outcome", span->outcome);
    add(attributes, "ecom.error", span->error);
    add(attributes, "ecom.breaker", span->breaker);
    if (span->weight)
        json_array_append_new(attributes, json_pack("{s:s, s:{s:i}}", "key", "ecom.weight", "value", "intValue", span->weight));
    if (span->status)
        json_array_append_new(attributes,
                              json_pack("{s:s, s:{s:i}}", "key", "http.response.status_code", "value", "intValue", span->status));
    out = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "traceId", span->trace_id, "spanId", span->id, "name", span->name,
                    "startTimeUnixNano", nanos(span->start_us), "endTimeUnixNano", nanos(span->end_us), "attributes", attributes);
    if (*span->parent)
        json_object_set_new(out, "parentSpanId", json_string(span->parent));
    return out;
}

struct json_t *ecc_trace_otlp(const struct ecc_trace *trace)
{
    json_t *resources = json_array(), *spans = NULL;
    const char *service = NULL;

    for (size_t i = 0; i < trace->n; i++) {
        if (!service || strcmp(service, trace->spans[i]->service) != 0) { /* neighbours of a service stand together */
            service = trace->spans[i]->service;
            spans = json_array();
            json_array_append_new(resources, json_pack("{s:{s:[{s:s, s:{s:s}}]}, s:[{s:o}]}", "resource", "attributes", "key",
                                                       "service.name", "value", "stringValue", service, "scopeSpans", "spans", spans));
        }
        json_array_append_new(spans, span_otlp(trace->spans[i]));
    }
    return json_pack("{s:o}", "resourceSpans", resources);
}
