/* What services tell of their messages: kept for a while, counted along the edges, and handed on to OTEL_EXPORTER_OTLP_ENDPOINT. */
#include <stdlib.h>
#include <string.h>

#include "studio.h"
#include "traces.h"

enum { MOST_BYTES = 64 * 1024 * 1024, MOST_FORWARDED = 16 * 1024 * 1024 };

const char *studio_traces_open(struct studio *studio)
{
    const char *endpoint = getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), *why = NULL;

    studio->traces = ecc_traces_new(MOST_BYTES);
    if (endpoint && *endpoint)
        studio->forward = ecc_forward_new(&studio->loop, endpoint, MOST_FORWARDED, &why);
    return why;
}

void studio_traces_close(struct studio *studio)
{
    ecc_forward_stop(studio->forward);
    ecc_traces_free(studio->traces);
}

static void take(void *data, const struct ecc_otlp_span *span)
{
    struct studio *studio = data;

    ecc_traces_add(studio->traces, span);
    studio_live_add(studio, span);
}

void studio_collect(struct studio_request *r)
{
    struct ec_str body = r->http->body;
    const char *why = NULL;
    struct ecc_writer w;
    size_t refused;

    if (ecc_otlp_read(body.p, body.n, take, r->studio, &refused, &why) < 0) {
        studio_problem(r, &studio_error_bad_request, "%s", why);
        return;
    }
    if (r->studio->forward)
        ecc_forward_send(r->studio->forward, body.p, body.n);
    ecc_writer_init(&w, &r->arena);
    if (refused)
        ecc_wl(&w, "{\"partialSuccess\": {\"rejectedSpans\": \"%zu\", \"errorMessage\": \"malformed\"}}", refused);
    else
        ecc_wl(&w, "{}");
    studio_json(r, 200, &w);
}

void studio_trace(struct studio_request *r)
{
    const struct ecc_trace *trace = strlen(r->id) == 32 ? ecc_traces_find(r->studio->traces, r->id) : NULL;

    if (!trace) {
        studio_problem(r, &studio_error_not_found, "there is no such trace, or not any more");
        return;
    }
    json_t *otlp = ecc_trace_otlp(trace);
    char *text = json_dumps(otlp, JSON_COMPACT);
    json_decref(otlp);
    studio_reply(r, 200, "application/json", "cache-control: no-store\r\n", text ? text : "{}", text ? strlen(text) : 2);
    free(text);
}
