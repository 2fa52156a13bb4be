/* Traces: what the processes of a system tell of their messages, and how it is held against what a scenario derives.
 *
 * otlp.c reads the bodies that processes send (OTLP/HTTP, JSON; runtime/span.c writes them), traces.c keeps their spans by trace, bounded,
 * the oldest trace goes first; live.c counts along each edge; forward.c hands the bodies on to another collector. recorded.c makes of a
 * trace the tree of hops that derive makes of a scenario, and compare.c holds the one against the other.
 *
 * Traces, the live view and the forwarder own what they keep; trees and differences live in an arena. A span points into what it was read
 * from, or into the trace that keeps it.
 */
#ifndef ECC_TRACES_H
#define ECC_TRACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "derive.h"

struct json_t;
struct uv_loop_s;

/* ------------------------------------------------------------------ otlp.c */

enum {
    ECC_OTLP_TEXT = 1000,   /* bytes of any text of a span; one with a longer text is refused */
    ECC_TRACE_SPANS = 4000, /* of one trace; what comes after is dropped */
};

struct ecc_otlp_span {
    char trace_id[33], id[17], parent[17]; /* lower-case hex; parent "": none */
    const char *service, *name;
    const char *hop, *edge, *outcome, *error, *breaker; /* NULL: not said */
    int weight;                                         /* requests that its trace stands for; 0: not said */
    int status;                                         /* HTTP; 0: not said */
    uint64_t start_us, end_us;                          /* since 1970 */
};

/* Hands over each span of a body, in its order; the span lives until the next one. Returns how many, or -1 when it is no OTLP body at all,
 * with *why. *refused: how many spans of it could not be understood. */
int ecc_otlp_read(const char *text, size_t n, void (*take)(void *data, const struct ecc_otlp_span *span), void *data, size_t *refused,
                  const char **why);

/* ------------------------------------------------------------------ traces.c */

struct ecc_trace {
    char id[33];
    struct ecc_otlp_span **spans; /* as they came; none twice */
    size_t n, cap;
    size_t bytes;
    uint64_t changed; /* counts what came: grows with each span of any trace */
    struct ecc_trace *newer, *next_of_slot;
};

struct ecc_traces;

struct ecc_traces *ecc_traces_new(size_t most_bytes);
void ecc_traces_free(struct ecc_traces *traces);
void ecc_traces_add(struct ecc_traces *traces, const struct ecc_otlp_span *span);
/* NULL: there is none, or not any more. It lives until something is added. */
const struct ecc_trace *ecc_traces_find(const struct ecc_traces *traces, const char *id);
size_t ecc_traces_count(const struct ecc_traces *traces);
size_t ecc_traces_bytes(const struct ecc_traces *traces);
/* A trace as OTLP says it, the caller's to release. */
struct json_t *ecc_trace_otlp(const struct ecc_trace *trace);

/* ------------------------------------------------------------------ live.c */

struct ecc_live;

struct ecc_live *ecc_live_new(void);
void ecc_live_free(struct ecc_live *live);
void ecc_live_add(struct ecc_live *live, const struct ecc_otlp_span *span, uint64_t now_ms);
/* [{"edge", "rate", "errors", "p50_ms", "breaker"?}]: of the last ten seconds, a rate and errors a second; the caller's. model: says which
 * client asks a gateway; NULL: they are `? -> GATEWAY`. */
struct json_t *ecc_live_edges(struct ecc_live *live, const struct ecc_model *model, uint64_t now_ms);

/* ------------------------------------------------------------------ forward.c */

/* Bodies on their way to another collector: one at a time, in order. What waits beyond most_bytes is dropped, oldest first, and counted;
 * nobody waits for it. A body that is refused for the moment, or has no answer, is dropped, too: whoever sent it has had its answer. */
struct ecc_forward;

/* endpoint: as OTEL_EXPORTER_OTLP_ENDPOINT. NULL with *why. */
struct ecc_forward *ecc_forward_new(struct uv_loop_s *loop, const char *endpoint, size_t most_bytes, const char **why);
void ecc_forward_send(struct ecc_forward *forward, const char *body, size_t n);
void ecc_forward_stop(struct ecc_forward *forward);              /* what waits is forgotten; freed by the loop */
uint64_t ecc_forward_dropped(const struct ecc_forward *forward); /* bodies */
uint64_t ecc_forward_sent(const struct ecc_forward *forward);

/* ------------------------------------------------------------------ recorded.c */

/* The edge that a span goes along, or NULL: it is no message. A client's request is along the edge of the first client of its gateway. */
const char *ecc_trace_edge(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_otlp_span *span);
/* The tree of hops of a trace, in the order in which they began; names that the model does not have get nodes and errors of their own. */
struct ecc_derived *ecc_trace_recorded(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_scenario *scenario,
                                       const struct ecc_trace *trace);

/* ------------------------------------------------------------------ compare.c */

#define ECC_DIFFERENCES(X)    \
    X(MISSING, "missing")     \
    X(EXTRA, "extra")         \
    X(REORDERED, "reordered") \
    X(CHANGED, "changed")

enum ecc_difference_kind {
#define X(e, n) ECC_DIFFERENCE_##e,
    ECC_DIFFERENCES(X)
#undef X
};

struct ecc_difference {
    enum ecc_difference_kind kind;
    const struct ecc_hop *derived, *recorded; /* NULL: of an extra, of a missing one */
    const char *text;                         /* one line, both sides */
};

struct ecc_differences {
    struct ecc_difference *items;
    size_t n, cap;
    size_t matched; /* hops that both have */
};

/* Holds a recorded trace against what is derived, as a partial order: siblings come one after another but for those of other branches,
 * those that nobody waits for and those of loops. What a recorded hop is there for (phase, saga, step, narration) it has from its derived
 * one. verdict_us: when the gateway was last told whose the token is (us since 1970, as in spans; 0: never), before this trace and after it. */
void ecc_trace_compare(struct ecc_arena *arena, const struct ecc_derived *derived, struct ecc_derived *recorded,
                       uint64_t *verdict_us, struct ecc_differences *out);
const char *ecc_difference_name(enum ecc_difference_kind kind);

#endif
