/* Spans: what the process sends and receives, told to a collector (OTLP/HTTP 1.x, JSON encoding).
 *
 * A hop is a message along an edge; its span carries the edge's name (`ecom.edge`), what kind of message it is (`ecom.hop`) and how it went
 * (`ecom.outcome`, `ecom.error`), so that a recorded trace can be held against a derived scenario; what it has made of the edge's breaker is
 * `ecom.breaker`.
 */
#ifndef EC_SPAN_H
#define EC_SPAN_H

#include "app.h"
#include "trace.h"

/* As OTLP numbers them. */
enum ec_span_kind { EC_SPAN_INTERNAL = 1, EC_SPAN_SERVER, EC_SPAN_CLIENT, EC_SPAN_PRODUCER, EC_SPAN_CONSUMER };

struct ec_span {
    const struct ec_trace *trace; /* its own id, its parent's, and whether it is told at all */
    enum ec_span_kind kind;
    const char *hop;       /* request, call, external, sql, cache, publish, deliver; NULL: no message, such as an operation's own span */
    const char *from, *to; /* the edge's ends; both NULL where edge is given, or there is none */
    const char *edge;      /* its name, or NULL */
    const char *name;      /* of the span: what is asked for; NULL: of text */
    struct ec_str text;    /* instead of name */
    const char *outcome;   /* ok hit miss error failed timeout refused open; NULL: ok */
    const char *error;     /* its name, as whoever asked sees it; or NULL */
    const char *breaker;   /* of the edge, as it is after the call: closed half-open open; NULL: it has none */
    int status;            /* HTTP; 0: none */
    int weight;            /* of a trace that began here: for how many it stands; 0: no matter */
    uint64_t began_ns;     /* uv_hrtime */
};

extern bool ec_spans_on; /* a collector is configured: ask before anything is prepared for a span */

/* When a span begins, by uv_hrtime; 0 where none is recorded. */
static inline uint64_t ec_span_clock(void)
{
    return ec_spans_on ? uv_hrtime() : 0;
}

/* It ends now. Nothing without a collector, or when its trace is not sampled. */
void ec_span_end(const struct ec_span *span);

/* The process's: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER_ARG, EC_TRACES_A_SECOND; from start on the loop. Stop sends what is left, for a second at
 * most. */
void ec_spans_configure(struct ec_config_errors *errors);
int ec_spans_start(uv_loop_t *loop, const char **why);
bool ec_spans_idle(void); /* nothing waits to be sent */
void ec_spans_stop(void);
/* Is a trace that begins here recorded? For how many it stands, those since the last one that was and itself; 0: it is not. */
int ec_spans_sample(void);
/* What comes from outside goes on with the trace of its traceparent (p NULL: it has none), or begins one. */
void ec_spans_join(struct ec_task *task, struct ec_str traceparent);

#endif
