/* OTLP/HTTP in its JSON encoding: ids in hex, 64-bit numbers as text or as numbers, attributes as a list of keys with typed values.
 *
 * Source: opentelemetry.io/docs/specs/otlp (1.3), opentelemetry-proto trace.proto. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "traces.h"

struct reading {
    void (*take)(void *data, const struct ecc_otlp_span *span);
    void *data;
    size_t refused;
    int taken;
};

/* n hex digits, any case; not all of them zero. */
static bool read_id(const json_t *value, char *out, size_t n)
{
    const char *text = json_string_value(value);
    bool any = false;

    if (!text || json_string_length(value) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'F')
            c = (char)(c + 'a' - 'A');
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        any = any || c != '0';
        out[i] = c;
    }
    out[n] = '\0';
    return any;
}

static bool read_number(const json_t *value, int64_t *out)
{
    const char *text = json_string_value(value);
    size_t digits;

    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return *out >= 0;
    }
    digits = text ? strspn(text, "0123456789") : 0;
    if (!digits || digits > 18 + 1 || digits != json_string_length(value))
        return false;
    *out = (int64_t)strtoull(text, NULL, 10);
    return *out >= 0;
}

/* NULL when it is no text, or too long. */
static const char *text_of(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) <= ECC_OTLP_TEXT &&
                   strlen(json_string_value(value)) == json_string_length(value)
               ? json_string_value(value)
               : NULL;
}

/* False: it is there, but nothing that we could keep. */
static bool attribute(const json_t *attribute, struct ecc_otlp_span *span)
{
    const char *key = json_string_value(json_object_get(attribute, "key"));
    const json_t *value = json_object_get(attribute, "value"), *text = json_object_get(value, "stringValue");
    const struct {
        const char *key, **to;
    } texts[] = {{"ecom.hop", &span->hop},
                 {"ecom.edge", &span->edge},
                 {"ecom.outcome", &span->outcome},
                 {"ecom.error", &span->error},
                 {"ecom.breaker", &span->breaker}};
    int64_t number;

    if (!key)
        return false;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!strcmp(key, texts[i].key))
            return (*texts[i].to = text_of(text)) != NULL;
    if (!strcmp(key, "ecom.weight")) {
        bool good = read_number(json_object_get(value, "intValue"), &number) && number > 0 && number <= INT32_MAX;
        span->weight = good ? (int)number : 0;
        return good;
    }
    if (strcmp(key, "http.response.status_code") != 0)
        return true;
    if (!read_number(json_object_get(value, "intValue"), &number) || number < 100 || number > 999)
        return false;
    span->status = (int)number;
    return true;
}

static bool read_span(const json_t *json, const char *service, struct ecc_otlp_span *span)
{
    const json_t *parent = json_object_get(json, "parentSpanId"), *item;
    int64_t start, end;
    size_t i;

    *span = (struct ecc_otlp_span){.service = service, .name = text_of(json_object_get(json, "name"))};
    if (!span->name || !read_id(json_object_get(json, "traceId"), span->trace_id, 32) ||
        !read_id(json_object_get(json, "spanId"), span->id, 16))
        return false;
    if (parent && json_string_length(parent) && !read_id(parent, span->parent, 16))
        return false;
    if (!read_number(json_object_get(json, "startTimeUnixNano"), &start) || !read_number(json_object_get(json, "endTimeUnixNano"), &end))
        return false;
    span->start_us = (uint64_t)start / 1000;
    span->end_us = end > start ? (uint64_t)end / 1000 : span->start_us;
    json_array_foreach(json_object_get(json, "attributes"), i, item)
    {
        if (!attribute(item, span))
            return false;
    }
    return true;
}

static void read_scopes(struct reading *r, const json_t *scopes, const char *service)
{
    struct ecc_otlp_span span;
    json_t *scope, *item;
    size_t i, k;

    json_array_foreach(scopes, i, scope)
    {
        json_array_foreach(json_object_get(scope, "spans"), k, item)
        {
            if (!read_span(item, service, &span)) {
                r->refused++;
                continue;
            }
            r->take(r->data, &span);
            r->taken++;
        }
    }
}

static const char *service_of(const json_t *resource)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(resource, "attributes"), i, item)
    {
        const char *key = json_string_value(json_object_get(item, "key"));
        const char *text = text_of(json_object_get(json_object_get(item, "value"), "stringValue"));
        if (key && text && !strcmp(key, "service.name"))
            return text;
    }
    return "";
}

int ecc_otlp_read(const char *text, size_t n, void (*take)(void *data, const struct ecc_otlp_span *span), void *data, size_t *refused,
                  const char **why)
{
    struct reading r = {take, data, 0, 0};
    json_t *body = json_loadb(text, n, 0, NULL), *resources = json_object_get(body, "resourceSpans"), *item;
    size_t i;

    *refused = 0;
    if (!json_is_object(body) || (resources && !json_is_array(resources))) {
        *why = body ? "it has no list resourceSpans" : "it is no JSON";
        json_decref(body);
        return -1;
    }
    json_array_foreach(resources, i, item)
    {
        read_scopes(&r, json_object_get(item, "scopeSpans"), service_of(json_object_get(item, "resource")));
    }
    json_decref(body);
    *refused = r.refused;
    return r.taken;
}
