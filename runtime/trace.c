/* Trace context of a task: where it comes from and how it goes on. Nothing is allocated.
 *
 * A traceparent that is not valid is not passed on (W3C Trace Context, 4.3): the receiver starts a trace of its own. Later versions than
 * 00 are read as 00 when their first four parts are well formed.
 */
#include "trace.h"

#include <string.h>

#include "random.h"

static bool all_zero(const uint8_t *p, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1; /* upper case is not valid in a traceparent */
}

static bool hex_bytes(const char *p, size_t n, uint8_t *out)
{
    size_t i;

    for (i = 0; i < n; i++) {
        int high = hex_digit(p[2 * i]), low = hex_digit(p[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static void new_span(struct ec_trace *trace)
{
    do
        ec_random(trace->span_id, sizeof(trace->span_id));
    while (all_zero(trace->span_id, sizeof(trace->span_id)));
}

void ec_trace_new(struct ec_trace *trace)
{
    do
        ec_random(trace->trace_id, sizeof(trace->trace_id));
    while (all_zero(trace->trace_id, sizeof(trace->trace_id)));
    memset(trace->parent_id, 0, sizeof(trace->parent_id));
    trace->sampled = true;
    new_span(trace);
}

void ec_trace_child(struct ec_trace *trace, const struct ec_trace *parent)
{
    if (!parent || all_zero(parent->trace_id, sizeof(parent->trace_id))) {
        ec_trace_new(trace);
        return;
    }
    if (trace != parent)
        *trace = *parent;
    memcpy(trace->parent_id, trace->span_id, sizeof(trace->parent_id));
    new_span(trace);
}

bool ec_trace_parse(struct ec_str text, struct ec_trace *trace)
{
    struct ec_trace read;
    uint8_t version, flags;
    const char *p = text.p;

    if (!p || text.n < EC_TRACEPARENT || p[2] != '-' || p[35] != '-' || p[52] != '-')
        return false;
    if (!hex_bytes(p, 1, &version) || version == 0xff || (version == 0 && text.n != EC_TRACEPARENT) ||
        (text.n > EC_TRACEPARENT && p[EC_TRACEPARENT] != '-'))
        return false;
    if (!hex_bytes(p + 3, 16, read.trace_id) || !hex_bytes(p + 36, 8, read.span_id) || !hex_bytes(p + 53, 1, &flags))
        return false;
    if (all_zero(read.trace_id, 16) || all_zero(read.span_id, 8))
        return false;
    memset(read.parent_id, 0, sizeof(read.parent_id));
    read.sampled = flags & 1;
    *trace = read;
    return true;
}

void ec_trace_format(const struct ec_trace *trace, char out[EC_TRACEPARENT + 1])
{
    memcpy(out, "00-", 3);
    ec_hex(trace->trace_id, 16, out + 3);
    out[35] = '-';
    ec_hex(trace->span_id, 8, out + 36);
    memcpy(out + 52, trace->sampled ? "-01" : "-00", 4);
}
