/* Examples: what scenarios and identities send to a route, as far as it is known before they are played, and else what fits the types. */
#include <string.h>

#include "arena.h"
#include "openapi.h"
#include "writer.h"

/* ------------------------------------------------------------------ values of a request */

/* `same.x`: what the identity's first request sends under that name. */
static const struct ecc_sbx_value *same(const struct ecc_identity *identity, const struct ecc_sbx_value *value)
{
    const struct ecc_sbx_value *at = identity && identity->nrequests ? identity->requests[0]->body : NULL;

    for (size_t i = 0; i < value->npath && at; i++) {
        const struct ecc_sbx_value *object = at;
        at = NULL;
        for (size_t k = 0; object->kind == ECC_SBX_OBJECT && k < object->nitems; k++)
            if (strcmp(object->keys[k], value->path[i]) == 0)
                at = object->items[k];
    }
    return at == value ? NULL : at;
}

/* NULL: not known, or not before it is played. */
static struct ecc_yaml *value_of(struct ecc_arena *arena, const struct ecc_identity *identity, const struct ecc_sbx_value *value)
{
    struct ecc_yaml *out, *item;

    switch (value->kind) {
    case ECC_SBX_LITERAL:
        return ecc_json_literal(arena, value->literal);
    case ECC_SBX_TOKEN: /* unique(): one of its values */
        return ecc_yaml_text(arena, ecc_arena_printf(arena, "%s1%s", value->name, value->npath ? value->path[0] : ""));
    case ECC_SBX_REPLY: {
        const struct ecc_sbx_value *sent = same(identity, value);
        return sent && sent->kind != ECC_SBX_REPLY ? value_of(arena, identity, sent) : NULL;
    }
    case ECC_SBX_OBJECT:
    case ECC_SBX_LIST:
        out = value->kind == ECC_SBX_OBJECT ? ecc_yaml_map(arena) : ecc_yaml_list(arena);
        for (size_t i = 0; i < value->nitems; i++) {
            if (!(item = value_of(arena, identity, value->items[i])))
                return NULL;
            if (value->kind == ECC_SBX_OBJECT)
                ecc_yaml_put(out, value->keys[i], item);
            else
                ecc_yaml_add(out, item);
        }
        return out;
    case ECC_SBX_REQUEST:
    case ECC_SBX_STORE:
    case ECC_SBX_TIMESTAMP:
    case ECC_SBX_ANSWER:
        break;
    }
    return NULL;
}

/* ------------------------------------------------------------------ requests of a route */

/* Each request to the route that the topology has, with who sends it. */
struct requests {
    const struct ecc_route *route;
    size_t scenario, identity, at;
};
struct sent {
    const char *name, *title;
    const struct ecc_identity *identity;
    const struct ecc_request *request;
};

static bool of_scenario(const struct ecc_model *model, struct requests *r, struct sent *sent)
{
    for (; r->scenario < model->nscenarios; r->scenario++, r->at = 0) {
        const struct ecc_scenario *scenario = model->scenarios[r->scenario];

        while (r->at <= scenario->ngiven) {
            const struct ecc_request *request = r->at < scenario->ngiven ? scenario->given[r->at] : scenario->when;
            r->at++;
            if (request && request->route == r->route) {
                *sent = (struct sent){scenario->name, scenario->title, scenario->identity, request};
                return true;
            }
        }
    }
    return false;
}

static bool next_request(const struct ecc_model *model, struct requests *r, struct sent *sent)
{
    if (of_scenario(model, r, sent))
        return true;
    for (; r->identity < model->nidentities; r->identity++, r->at = 0) {
        const struct ecc_identity *identity = model->identities[r->identity];

        while (r->at < identity->nrequests) {
            const struct ecc_request *request = identity->requests[r->at++];
            if (request->route == r->route) {
                *sent = (struct sent){identity->name, NULL, identity, request};
                return true;
            }
        }
    }
    return false;
}

static const char *printed(struct ecc_arena *arena, struct ecc_yaml *value)
{
    struct ecc_yaml *map = ecc_yaml_map(arena);
    struct ecc_writer w;

    ecc_writer_init(&w, arena);
    ecc_yaml_put(map, "value", value);
    ecc_yaml_write(&w, map);
    return w.data;
}

void ecc_api_body_examples(struct ecc_api *api, const struct ecc_route *route, struct ecc_yaml *media)
{
    struct requests requests = {.route = route};
    struct ecc_yaml *examples = ecc_yaml_map(api->arena), *value;
    struct { const char **items; size_t n, cap; } texts = {0}; /* of the examples */
    struct sent sent;

    while (next_request(api->model, &requests, &sent)) {
        bool seen = ecc_yaml_get(examples, sent.name) != NULL;
        const char *text;

        value = sent.request->body && !seen ? value_of(api->arena, sent.identity, sent.request->body) : NULL;
        if (!value)
            continue;
        text = printed(api->arena, value);
        for (size_t i = 0; i < texts.n && !seen; i++)
            seen = strcmp(texts.items[i], text) == 0;
        if (seen)
            continue;
        ECC_PUSH(api->arena, &texts, text);
        struct ecc_yaml *example = ecc_yaml_put_map(examples, sent.name);
        if (sent.title)
            ecc_yaml_put_text(example, "summary", sent.title);
        ecc_yaml_put(example, "value", value);
    }
    if (examples->n)
        ecc_yaml_put(media, "examples", examples);
    else if ((value = ecc_json_sample_record(api->arena, route->body)))
        ecc_yaml_put(media, "example", value);
}

/* ------------------------------------------------------------------ parameters */

/* The part of the path that stands where the template has {name}; NULL: none that needs no decoding. */
static const char *path_part(struct ecc_arena *arena, const char *template, const char *path, const char *name)
{
    const char *mark = ecc_arena_printf(arena, "{%s}", name);

    while (*template == '/' && *path == '/') {
        size_t n = strcspn(++template, "/"), m = strcspn(++path, "/?");

        if (n == strlen(mark) && strncmp(template, mark, n) == 0)
            return m && *path != '{' && !memchr(path, '%', m) ? ecc_arena_strndup(arena, path, m) : NULL;
        template += n;
        path += m;
    }
    return NULL;
}

static const char *query_part(struct ecc_arena *arena, const char *path, const char *name)
{
    const char *at = strchr(path, '?');

    while (at && *at) {
        size_t n = strcspn(++at, "=&"), m = at[n] == '=' ? strcspn(at + n + 1, "&") : 0;

        if (n == strlen(name) && strncmp(at, name, n) == 0)
            return m && at[n + 1] != '{' && !memchr(at + n + 1, '%', m) && !memchr(at + n + 1, '+', m)
                       ? ecc_arena_strndup(arena, at + n + 1, m)
                       : NULL;
        at += n;
        at += *at == '=' ? m + 1 : 0;
    }
    return NULL;
}

struct ecc_yaml *ecc_api_param_example(struct ecc_api *api, const struct ecc_route *route, const struct ecc_field *field, bool path)
{
    bool textual = field->type->kind != ECC_TYPE_INT && field->type->kind != ECC_TYPE_FLOAT && field->type->kind != ECC_TYPE_BOOL;
    struct requests requests = {.route = route};
    struct sent sent;

    while (next_request(api->model, &requests, &sent)) {
        const char *text = path ? path_part(api->arena, route->path, sent.request->path, field->wire)
                                : query_part(api->arena, sent.request->path, field->wire);
        if (text)
            return textual ? ecc_yaml_text(api->arena, text) : ecc_yaml_raw(api->arena, text);
    }
    if (field->dflt)
        return NULL; /* it shows what it is */
    return ecc_json_sample(api->arena, field->type, field->name);
}
