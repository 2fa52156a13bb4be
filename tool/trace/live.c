/* What goes along each edge just now: calls and failures a second over the last ten seconds, the median of the last calls in them, and what
 * the last call said of the edge's breaker. A second's counter is reused when its time has passed. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "traces.h"

#define FROM_CLIENT "? -> "

enum { SECONDS = 10, TIMES = 256, MOST_EDGES = 1000 };

struct count {
    uint64_t second, calls, errors;
};

struct edge {
    char *name;
    struct count counts[SECONDS];
    struct {
        uint64_t at_ms, took_us;
    } times[TIMES];
    size_t ntimes; /* that there have been */
    char breaker[16];
};

struct ecc_live {
    struct edge *edges;
    size_t n, cap;
    int weight; /* where only some traces are recorded, each stands for about as many as the last one said */
};

struct ecc_live *ecc_live_new(void)
{
    struct ecc_live *live = calloc(1, sizeof *live);

    if (!live)
        abort();
    live->weight = 1;
    return live;
}

void ecc_live_free(struct ecc_live *live)
{
    for (size_t i = 0; live && i < live->n; i++)
        free(live->edges[i].name);
    if (live)
        free(live->edges);
    free(live);
}

static struct edge *edge_of(struct ecc_live *live, const char *name)
{
    for (size_t i = 0; i < live->n; i++)
        if (!strcmp(live->edges[i].name, name))
            return &live->edges[i];
    if (live->n == MOST_EDGES)
        return NULL;
    if (live->n == live->cap) {
        live->cap = live->cap ? 2 * live->cap : 32;
        live->edges = realloc(live->edges, live->cap * sizeof *live->edges);
        if (!live->edges)
            abort();
    }
    live->edges[live->n] = (struct edge){.name = strdup(name)};
    if (!live->edges[live->n].name)
        abort();
    return &live->edges[live->n++];
}

void ecc_live_add(struct ecc_live *live, const struct ecc_otlp_span *span, uint64_t now_ms)
{
    static const char *const well[] = {"ok", "hit", "miss"};
    char request[ECC_OTLP_TEXT + sizeof FROM_CLIENT];
    const char *name = span->edge;
    bool good = !span->outcome;
    struct edge *edge;

    if (span->weight)
        live->weight = span->weight;
    if (span->hop && !name) { /* which client, the model says */
        snprintf(request, sizeof request, FROM_CLIENT "%s", span->service);
        name = request;
    }
    edge = span->hop ? edge_of(live, name) : NULL;
    if (edge) {
        struct count *count = &edge->counts[now_ms / 1000 % SECONDS];
        if (count->second != now_ms / 1000)
            *count = (struct count){.second = now_ms / 1000};
        for (size_t i = 0; i < sizeof well / sizeof *well && !good; i++)
            good = !strcmp(span->outcome, well[i]);
        count->calls += (uint64_t)live->weight;
        count->errors += good ? 0 : (uint64_t)live->weight;
        edge->times[edge->ntimes % TIMES].at_ms = now_ms;
        edge->times[edge->ntimes++ % TIMES].took_us = span->end_us - span->start_us;
        if (span->breaker)
            snprintf(edge->breaker, sizeof edge->breaker, "%s", span->breaker);
    }
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static double median_ms(const struct edge *edge, uint64_t now_ms)
{
    uint64_t times[TIMES];
    size_t n = 0, there = edge->ntimes < TIMES ? edge->ntimes : TIMES;

    for (size_t i = 0; i < there; i++)
        if (now_ms - edge->times[i].at_ms < SECONDS * 1000)
            times[n++] = edge->times[i].took_us;
    qsort(times, n, sizeof *times, by_size);
    return n ? (double)times[(n - 1) / 2] / 1000 : 0;
}

struct json_t *ecc_live_edges(struct ecc_live *live, const struct ecc_model *model, uint64_t now_ms)
{
    json_t *out = json_array();
    struct ecc_arena arena;

    ecc_arena_init(&arena);
    for (size_t i = 0; i < live->n; i++) {
        const struct edge *edge = &live->edges[i];
        uint64_t calls = 0, errors = 0;
        const char *name = edge->name;
        if (model && !strncmp(name, FROM_CLIENT, strlen(FROM_CLIENT)))
            name = ecc_trace_edge(&arena, model, &(struct ecc_otlp_span){.hop = "request", .service = name + strlen(FROM_CLIENT)});
        if (!name)
            continue;
        for (size_t k = 0; k < SECONDS; k++)
            if (edge->counts[k].calls && now_ms / 1000 - edge->counts[k].second < SECONDS) {
                calls += edge->counts[k].calls;
                errors += edge->counts[k].errors;
            }
        json_t *told = json_pack("{s:s, s:f, s:f, s:f}", "edge", name, "rate", (double)calls / SECONDS, "errors", (double)errors / SECONDS,
                                 "p50_ms", median_ms(edge, now_ms));
        if (*edge->breaker)
            json_object_set_new(told, "breaker", json_string(edge->breaker));
        json_array_append_new(out, told);
    }
    ecc_arena_free(&arena);
    return out;
}
