/* What runs: read from where `up` leaves it. */
#include "studio.h"

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
