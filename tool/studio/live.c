/* What runs: read from where `up` leaves it. And what goes on in it just now, told to each page that asks, once a second, for as long as it
 * stays. */
#include <stdlib.h>
#include <string.h>

#include "studio.h"
#include "traces.h"

void studio_live_add(struct studio *studio, const struct ecc_otlp_span *span)
{
    if (studio->live)
        ecc_live_add(studio->live, span, uv_now(&studio->loop));
}

/* ------------------------------------------------------------------ events */

enum { EVERY_MS = 1000 };

struct listener {
    struct studio *studio;
    struct ec_http_exchange *exchange;
    struct listener *next;
};

static void on_gone(struct ec_http_exchange *exchange, void *data)
{
    struct listener *listener = data, **at = &listener->studio->listeners;

    while (*at != listener)
        at = &(*at)->next;
    *at = listener->next;
    free(listener);
    ec_http_stream_end(exchange);
}

/* The processes of each node: how the worst of them is. */
static void write_nodes(struct ecc_writer *w, const json_t *state)
{
    const char *sep = "";
    json_t *process;
    size_t i;

    json_array_foreach(json_object_get(state, "processes"), i, process)
    {
        const char *name = json_string_value(json_object_get(process, "name")), *how = json_string_value(json_object_get(process, "state"));
        const char *kind = json_string_value(json_object_get(process, "kind"));
        static const char sandbox[] = "-sandbox";
        if (!name || !how || !kind || !strcmp(kind, "migration") || !strcmp(kind, "studio") || !strcmp(how, "deployed"))
            continue;
        size_t n = strlen(name), tail = sizeof sandbox - 1;
        if (!strcmp(kind, "sandbox") && n > tail && !strcmp(name + n - tail, sandbox))
            name = ecc_arena_strndup(w->arena, name, n - tail);
        ecc_w(w, "%s{\"node\":%s,\"state\":%s}", sep, ecc_quote_json(w->arena, name), ecc_quote_json(w->arena, how));
        sep = ",";
    }
}

static json_t *running_state(struct studio_request *r, const struct ecc_model **model)
{
    json_t *state = NULL;

    for (const struct studio_example *e = studio_examples(r); e && !state; e = e->next) {
        state = studio_state(r, e);
        *model = e->view.model;
    }
    return state;
}

static void tell_all(struct studio *studio)
{
    struct studio_request r = {.studio = studio};
    const struct ecc_model *model = NULL;
    struct ecc_writer w;

    ecc_arena_init(&r.arena);
    ecc_writer_init(&w, &r.arena);
    json_t *state = running_state(&r, &model), *edges = ecc_live_edges(studio->live, model, uv_now(&studio->loop));
    char *text = json_dumps(edges, JSON_COMPACT | JSON_REAL_PRECISION(6));
    ecc_w(&w, "event: traffic\ndata: {\"edges\":%s,\"nodes\":[", text ? text : "[]");
    write_nodes(&w, state);
    ecc_w(&w, "]}\n\n");
    for (struct listener *l = studio->listeners, *next; l; l = next) {
        next = l->next;
        ec_http_stream_write(l->exchange, (struct ec_str){w.data, w.n});
    }
    free(text);
    json_decref(edges);
    json_decref(state);
    ecc_arena_free(&r.arena);
}

static void on_second(uv_timer_t *timer)
{
    struct studio *studio = timer->data;

    if (studio->listeners)
        tell_all(studio);
    else
        uv_timer_stop(timer);
}

void studio_live_open(struct studio *studio)
{
    uv_timer_init(&studio->loop, &studio->second);
    studio->second.data = studio;
    studio->live = ecc_live_new();
}

void studio_live_close(struct studio *studio)
{
    uv_close((uv_handle_t *)&studio->second, NULL);
    ecc_live_free(studio->live);
    studio->live = NULL;
}

void studio_live_events(struct studio_request *r)
{
    struct listener *listener = calloc(1, sizeof *listener);

    if (!listener)
        abort();
    *listener = (struct listener){r->studio, r->exchange, r->studio->listeners};
    r->studio->listeners = listener;
    ec_http_exchange_set(r->exchange, listener, on_gone);
    studio_stream(r->exchange, "text/event-stream");
    if (!uv_is_active((uv_handle_t *)&r->studio->second))
        uv_timer_start(&r->studio->second, on_second, 0, EVERY_MS);
}

/* ------------------------------------------------------------------ processes */

static const char *text_of(struct studio_request *r, const json_t *process, const char *name)
{
    const char *text = json_string_value(json_object_get(process, name));

    return ecc_quote_json(&r->arena, text ? text : "");
}

void studio_live(struct studio_request *r)
{
    const struct studio_example *e = studio_examples(r);
    json_t *state = NULL, *process;
    struct ecc_writer w;
    size_t i;

    while (e && !(state = studio_state(r, e)))
        e = e->next;
    ecc_writer_init(&w, &r->arena);
    ecc_w(&w, "{\"up\": %s", state ? "true" : "false");
    if (state)
        ecc_w(&w, ", \"example\": %s, \"ready\": %s, \"processes\": [", ecc_quote_json(&r->arena, e->id),
              json_is_true(json_object_get(state, "ready")) ? "true" : "false");
    json_array_foreach(json_object_get(state, "processes"), i, process)
        ecc_w(&w, "%s\n {\"name\": %s, \"kind\": %s, \"state\": %s, \"restarts\": %d}", i ? "," : "", text_of(r, process, "name"),
              text_of(r, process, "kind"), text_of(r, process, "state"), (int)json_integer_value(json_object_get(process, "restarts")));
    ecc_wl(&w, state ? "]}" : ", \"processes\": []}");
    json_decref(state);
    studio_json(r, 200, &w);
}
