/* Any bytes as what a service tells of its messages: read, kept, made a tree of hops, compared with a scenario. Nothing may crash or leak,
 * no bound may be passed, what is given out again must read back the same, and whoever is compared with itself is the same. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "diag.h"
#include "resolve.h"
#include "source.h"
#include "traces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
    "topology \"T\"\n"
    "record Thing { id: text }\n"
    "client web \"Web\"\n"
    "service shop \"Shop\" {\n"
    "  op Get(id: text) -> Thing { return Thing { id: id } }\n"
    "}\n"
    "gateway gate \"Gate\" { listen 8080\n"
    "  route GET \"/things/{id}\" public -> shop.Get(id: path.id)\n"
    "}\n"
    "edge web -> gate { http }\n"
    "edge gate -> shop { http timeout 1s retry 2 backoff 10ms..1s breaker { trip 3 consecutive failures open 5s probe 1 } }\n"
    "scenario get \"Get\" { assume shop down  when web GET \"/things/a\" times 2  expect 503 }\n";

enum { MOST = 64 * 1024 };

static void keep(void *traces, const struct ecc_otlp_span *span)
{
    ecc_traces_add(traces, span);
    if (ecc_traces_bytes(traces) > MOST)
        abort();
}

static void ids_of(void *ids, const struct ecc_otlp_span *span)
{
    json_object_set_new(ids, span->trace_id, json_true());
}

static void one_trace(const struct ecc_model *model, const struct ecc_trace *trace)
{
    struct ecc_differences differences = {0}, none = {0};
    struct ecc_traces *again = ecc_traces_new(2 * MOST);
    json_t *otlp = ecc_trace_otlp(trace);
    char *written = json_dumps(otlp, JSON_COMPACT);
    struct ecc_arena arena;
    uint64_t verdict_us = 0;
    const char *why;
    size_t refused;

    ecc_arena_init(&arena);
    const struct ecc_derived *derived = ecc_derive(&arena, model, model->scenarios[0]);
    ecc_trace_compare(&arena, derived, ecc_trace_recorded(&arena, model, model->scenarios[0], trace), &verdict_us, &differences);
    if (!written || ecc_otlp_read(written, strlen(written), keep, again, &refused, &why) != (int)trace->n || refused ||
        !ecc_traces_find(again, trace->id))
        abort();
    struct ecc_derived *one = ecc_trace_recorded(&arena, model, model->scenarios[0], trace);
    struct ecc_derived *two = ecc_trace_recorded(&arena, model, model->scenarios[0], ecc_traces_find(again, trace->id));
    ecc_trace_compare(&arena, one, two, &verdict_us, &none);
    for (size_t i = 0; i < none.n; i++)
        if (none.items[i].kind == ECC_DIFFERENCE_MISSING)
            abort();
    ecc_arena_free(&arena);
    ecc_traces_free(again);
    json_decref(otlp);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ecc_arena arena;
    static struct ecc_source source;
    static const struct ecc_model *model;
    struct ecc_traces *traces = ecc_traces_new(MOST);
    struct ecc_live *live;
    json_t *ids = json_object(), *ignored;
    const char *why, *id;
    size_t refused, at;

    if (!model) {
        struct ecc_diags diags;
        ecc_arena_init(&arena);
        if (ecc_source_init(&source, &arena, "x.ecom", text, sizeof text - 1, &at) != ECC_SOURCE_OK)
            abort();
        ecc_diags_init(&diags, &arena);
        model = ecc_compile(&arena, &source, &diags);
        if (!model)
            abort();
    }
    live = ecc_live_new();
    if (ecc_otlp_read((const char *)data, size, keep, traces, &refused, &why) >= 0) {
        ecc_otlp_read((const char *)data, size, ids_of, ids, &refused, &why);
        json_object_foreach(ids, id, ignored)
        {
            const struct ecc_trace *trace = ecc_traces_find(traces, id);
            for (size_t i = 0; trace && i < trace->n; i++)
                ecc_live_add(live, trace->spans[i], 1000 * i);
            if (trace)
                one_trace(model, trace);
        }
    }
    json_decref(ecc_live_edges(live, model, 5000));
    ecc_live_free(live);
    ecc_traces_free(traces);
    json_decref(ids);
    return 0;
}
