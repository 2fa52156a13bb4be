/* The topologies, read: what there is, what stands in it, what it would come to if it were otherwise. */
#include <string.h>

#include "studio.h"
#include "up/state.h"

static const char *quoted(const struct studio_request *r, const char *text)
{
    return ecc_quote_json((struct ecc_arena *)&r->arena, text);
}

static const char *title_of(const struct studio_example *e)
{
    return e->view.model && e->view.model->title ? e->view.model->title : e->id;
}

/* Whoever runs it knows how its processes are. */
static json_t *deployed_state(const struct ecc_model *model)
{
    json_t *processes = json_array();

    for (size_t i = 0; model && i < model->nnodes; i++) {
        const struct ecc_node *node = model->nodes[i];
        if (node->kind == ECC_NODE_SERVICE || node->kind == ECC_NODE_GATEWAY)
            json_array_append_new(processes, json_pack("{ss ss ss}", "name", node->name, "kind",
                                                       node->kind == ECC_NODE_GATEWAY ? "gateway" : "service", "state", "deployed"));
    }
    return json_pack("{sb so}", "ready", 1, "processes", processes);
}

json_t *studio_state(struct studio_request *r, const struct studio_example *e)
{
    const char *slash = strrchr(e->path, '/');

    if (r->studio->names)
        return e == r->studio->examples ? deployed_state(e->view.model) : NULL;

    return ecc_state_read(ecc_arena_printf(&r->arena, "%.*s.ecom/state.json", slash ? (int)(slash - e->path) + 1 : 0, e->path));
}

void studio_list(struct studio_request *r)
{
    struct ecc_writer w;

    ecc_writer_init(&w, &r->arena);
    ecc_w(&w, "{\"examples\": [");
    for (const struct studio_example *all = studio_examples(r), *e = all; e; e = e->next) {
        json_t *state = studio_state(r, e);
        ecc_w(&w, "%s\n {\"id\": %s, \"title\": %s, \"file\": %s, \"live\": %s, \"scenarios\": [", e == all ? "" : ",", quoted(r, e->id),
              quoted(r, title_of(e)), quoted(r, e->path), state ? "true" : "false");
        json_decref(state);
        for (size_t i = 0; e->view.model && i < e->view.model->nscenarios; i++)
            ecc_w(&w, "%s{\"name\": %s, \"title\": %s}", i ? ", " : "", quoted(r, e->view.model->scenarios[i]->name),
                  quoted(r, e->view.model->scenarios[i]->title));
        ecc_w(&w, "]}");
    }
    ecc_wl(&w, "\n]}");
    studio_json_tagged(r, &w, NULL);
}

void studio_example(struct studio_request *r)
{
    const struct studio_example *e = studio_example_named(r);
    struct ecc_writer w;

    if (!e)
        return;
    ecc_writer_init(&w, &r->arena);
    ecc_wl(&w, "{\"id\": %s, \"title\": %s, \"file\": %s, \"etag\": %s,", quoted(r, e->id), quoted(r, title_of(e)), quoted(r, e->path),
           quoted(r, e->tag));
    studio_write_view(&w, &e->view, NULL, NULL);
    ecc_wl(&w, "}");
    studio_json_tagged(r, &w, NULL);
}

void studio_source(struct studio_request *r)
{
    const struct studio_example *e = studio_example_named(r);
    struct ecc_writer w;

    if (!e)
        return;
    if (e->view.diags.n && e->view.diags.items[0]->code == ECC_E_SOURCE) {
        studio_problem(r, &studio_error_conflict, "%s can't be shown: %s", e->path, e->view.diags.items[0]->message);
        return;
    }
    ecc_writer_init(&w, &r->arena);
    ecc_wl(&w, "{\"file\": %s, \"etag\": %s, \"text\": %s}", quoted(r, e->path), quoted(r, e->tag), quoted(r, e->view.source.text));
    studio_json_tagged(r, &w, e->tag);
}

/* The text of a request, or NULL after an answer. */
const char *studio_sent_text(const struct studio_request *r, size_t *n)
{
    const char *text = studio_text(r, "text");

    *n = json_string_length(json_object_get(r->body, "text"));
    if (!text)
        studio_problem(r, &studio_error_invalid, "send the topology as \"text\"");
    else if (*n > STUDIO_MAX_SOURCE)
        studio_problem(r, &studio_error_too_large, "a topology has at most %d MiB here", STUDIO_MAX_SOURCE / 1024 / 1024);
    return text && *n <= STUDIO_MAX_SOURCE ? text : NULL;
}

void studio_check(struct studio_request *r)
{
    const struct studio_example *e = studio_example_named(r);
    const char *scenario = studio_text(r, "scenario"), *text;
    const struct studio_view *assumed = NULL;
    struct studio_view view;
    struct ecc_writer w;
    size_t n;

    if (!e || !(text = studio_sent_text(r, &n)))
        return;
    studio_view_make(&view, &r->arena, e->path, text, n, e->view.lock, e->view.lock_length);
    studio_view_switches(&view);
    if (studio_scenario(&view, scenario) && !(assumed = studio_assume(r, &view, scenario, json_object_get(r->body, "assume"))))
        return;
    ecc_writer_init(&w, &r->arena);
    ecc_wl(&w, "{");
    studio_write_view(&w, &view, assumed, scenario);
    ecc_wl(&w, "}");
    studio_json(r, 200, &w);
}

void studio_derive(struct studio_request *r)
{
    const struct studio_example *e = studio_example_named(r);
    const char *scenario = studio_text(r, "scenario");
    const struct studio_view *view;
    struct ecc_writer w;

    if (!e)
        return;
    if (!scenario)
        studio_problem(r, &studio_error_invalid, "say which scenario");
    else if (!e->view.model)
        studio_problem(r, &studio_error_conflict, "%s has mistakes", e->path);
    else if (!studio_scenario(&e->view, scenario))
        studio_problem(r, &studio_error_not_found, "there is no scenario called %.100s", scenario);
    else if ((view = studio_assume(r, &e->view, scenario, json_object_get(r->body, "assume")))) {
        ecc_writer_init(&w, &r->arena);
        studio_write_scenario(&w, view, scenario);
        studio_json(r, 200, &w);
    }
}
