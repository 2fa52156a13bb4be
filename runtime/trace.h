/* W3C trace context: `00-<trace id>-<span id>-<flags>`. */
#ifndef EC_TRACE_H
#define EC_TRACE_H

#include "ec.h"

enum { EC_TRACEPARENT = 55 }; /* its length */

void ec_trace_new(struct ec_trace *trace);                                  /* a trace of its own, sampled */
void ec_trace_child(struct ec_trace *trace,
                    const struct ec_trace *parent); /* the same trace, a span of its own; a new one without parent */
bool ec_trace_parse(struct ec_str text, struct ec_trace *trace);            /* false: not valid, trace is left as it was */
void ec_trace_format(const struct ec_trace *trace, char out[EC_TRACEPARENT + 1]);

#endif
