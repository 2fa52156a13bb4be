/* openapi.yaml: what the gateway takes and answers, as OpenAPI 3.1. With several gateways each has one, openapi-<gateway>.yaml.
 *
 * Everything is sorted by what names it, and a path, an operation and a schema are written apart, so a change of the topology is a diff of
 * its size. An operation is called by the operation behind it, or, where several routes lead there or it has several, by method and path.
 */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "codegen.h"
#include "openapi.h"
#include "reads.h"
#include "walk.h"

#define VERSION "1.0.0"
#define JSON "application/json"

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};

static const char about[] =
    "Bodies are JSON in UTF-8, at most 1 MiB. Requests are read strictly: a member or a query parameter that is not described here is\n"
    "refused, as are a member that stands twice, whole numbers beyond 64 bits and texts with NUL.\n"
    "Replies may get more members in time; ignore what you don't know.\n"
    "\n"
    "What is malformed is 400, what does not fit its type 422 with the field's path in `detail`. A refusal is a problem (RFC 9457); the\n"
    "last part of its `type` is the name of what happened. GET is answered to HEAD as well.";

/* ------------------------------------------------------------------ names */

static const char *lower_first(struct ecc_arena *arena, const char *name)
{
    char *text = ecc_arena_strdup(arena, name);

    if (*text >= 'A' && *text <= 'Z')
        *text = (char)(*text - 'A' + 'a');
    return text;
}

/* "BookTrip": "Book trip". */
static const char *words(struct ecc_arena *arena, const char *name)
{
    char *text = ecc_arena_strdup(arena, ecc_snake(arena, name));

    for (char *p = text; *p; p++)
        *p = *p == '_' ? ' ' : *p;
    if (*text >= 'a' && *text <= 'z')
        *text = (char)(*text - 'a' + 'A');
    return text;
}

static bool is_only(const struct ecc_api *api, const struct ecc_route *route)
{
    const struct ecc_gateway *gateway = &api->node->u.gateway;

    for (size_t i = 0; i < gateway->nroutes; i++) {
        const struct ecc_route *other = gateway->routes[i];
        if (other != route && other->call && strcmp(other->call->u.call.op->name, route->call->u.call.op->name) == 0)
            return false;
    }
    return true;
}

/* Pascal: BookTrip, or GetV1TripsIdAll. */
static const char *name_of(const struct ecc_api *api, const struct ecc_route *route)
{
    return route->call && is_only(api, route) ? route->call->u.call.op->name : ecc_pascal(api->arena, route->name);
}

static const char *summary_of(const struct ecc_api *api, const struct ecc_route *route)
{
    const char *text = "";

    if (route->call)
        return words(api->arena, route->call->u.call.op->name);
    for (size_t i = 0; i < route->nbranches; i++)
        text = ecc_arena_printf(api->arena, "%s%s%s", text, !i ? "" : i + 1 < route->nbranches ? ", " : " and ", route->branches[i].name);
    return words(api->arena, text);
}

/* ------------------------------------------------------------------ requests */

static struct ecc_yaml *param_schema(struct ecc_api *api, const struct ecc_field *field, bool path)
{
    struct ecc_type present = *field->type;
    struct ecc_yaml *schema, *dflt = field->dflt ? ecc_json_literal(api->arena, field->dflt) : NULL;

    present.optional = false;                                                             /* nothing in a URL is null */
    if (path && present.kind == ECC_TYPE_TEXT && (!present.bounded || present.min < 1)) { /* a part of a path is never empty */
        present.max = present.bounded ? present.max : INT64_MAX;
        present.min = 1;
        present.bounded = true;
    }
    schema = ecc_json_schema(&api->schemas, &present, ECC_SIDE_REQUEST);
    if (dflt && ecc_yaml_get(schema, "$ref")) {
        struct ecc_yaml *all = ecc_yaml_map(api->arena);
        ecc_yaml_add(ecc_yaml_put_list(all, "allOf"), schema);
        schema = all;
    }
    if (dflt)
        ecc_yaml_put(schema, "default", dflt);
    return schema;
}

static struct ecc_yaml *add_param(struct ecc_yaml *params, const char *name, const char *in, bool required)
{
    struct ecc_yaml *param = ecc_yaml_add_map(params);

    ecc_yaml_put_text(param, "name", name);
    ecc_yaml_put_text(param, "in", in);
    if (required)
        ecc_yaml_put_raw(param, "required", "true");
    return param;
}

static void add_params(struct ecc_api *api, const struct ecc_route *route, struct ecc_yaml *params)
{
    const struct ecc_record *both[] = {route->path_params, route->query};

    for (int path = 1; path >= 0; path--) {
        const struct ecc_record *record = both[!path];

        for (size_t i = 0; record && i < record->nfields; i++) {
            const struct ecc_field *field = &record->fields[i];
            const char *old = path ? NULL : ecc_field_alias(record, field);
            bool required = path || (!field->type->optional && !field->dflt && !old);
            struct ecc_yaml *param = add_param(params, field->wire, path ? "path" : "query", required), *example;

            if (old && !field->type->optional && !field->dflt)
                ecc_yaml_put_text(param, "description", ecc_arena_printf(api->arena, "Required under this name or as %s", old));
            ecc_yaml_put(param, "schema", param_schema(api, field, path));
            if ((example = ecc_api_param_example(api, route, field, path)))
                ecc_yaml_put(param, "example", example);
            if (!old)
                continue;
            param = add_param(params, old, "query", false);
            ecc_yaml_put_text(param, "description", ecc_arena_printf(api->arena, "The name of %s before it was renamed", field->wire));
            ecc_yaml_put_raw(param, "deprecated", "true");
            ecc_yaml_put(param, "schema", param_schema(api, field, false));
        }
    }
    if (route->idempotent)
        ecc_yaml_add(params, ecc_yaml_ref(api->arena, "components/parameters", "IdempotencyKey"));
}

static void add_key_param(struct ecc_api *api)
{
    struct ecc_yaml *param = ecc_yaml_put_map(api->parameters, "IdempotencyKey"), *schema;

    ecc_yaml_put_text(param, "name", "Idempotency-Key");
    ecc_yaml_put_text(param, "in", "header");
    ecc_yaml_put_text(param, "description",
                      "A request that comes again under its key has its effect once, and gets the first reply; kept for a week");
    schema = ecc_yaml_put_map(param, "schema");
    ecc_yaml_put_text(schema, "type", "string");
    ecc_yaml_put_raw(schema, "minLength", "1");
    ecc_yaml_put_raw(schema, "maxLength", "255");
    ecc_yaml_put_text(schema, "pattern", "^[\\x21-\\x7e]+$");
    ecc_yaml_put_text(param, "example", "018f3a5e-0000-7000-8000-000000000001");
}

static bool needs_body(const struct ecc_record *body)
{
    for (size_t i = 0; i < body->nfields; i++)
        if (!body->fields[i].type->optional && !body->fields[i].dflt)
            return true;
    return false;
}

static void add_body(struct ecc_api *api, const struct ecc_route *route, struct ecc_yaml *operation)
{
    struct ecc_yaml *body, *media;

    if (!route->body)
        return;
    body = ecc_yaml_put_map(operation, "requestBody");
    if (needs_body(route->body))
        ecc_yaml_put_raw(body, "required", "true");
    media = ecc_yaml_put_map(ecc_yaml_put_map(body, "content"), JSON);
    ecc_yaml_put(
        media, "schema",
        ecc_json_schema_record(&api->schemas, route->body, ECC_SIDE_REQUEST, ecc_arena_printf(api->arena, "%sInput", name_of(api, route))));
    ecc_api_body_examples(api, route, media);
}

/* ------------------------------------------------------------------ replies */

static struct ecc_yaml *reply_schema(struct ecc_api *api, const struct ecc_route *route)
{
    struct ecc_yaml *schema;

    if (route->result->kind == ECC_TYPE_RECORD)
        return ecc_json_schema_record(&api->schemas, route->result->record, ECC_SIDE_REPLY,
                                      ecc_arena_printf(api->arena, "%sReply", name_of(api, route)));
    schema = ecc_yaml_map(api->arena); /* of an operation that returns nothing: {} */
    ecc_yaml_put_text(schema, "type", "object");
    return schema;
}

static struct ecc_yaml *add_reply(struct ecc_api *api, const struct ecc_route *route, struct ecc_yaml *responses, int status,
                                  const char *description)
{
    struct ecc_yaml *response = ecc_yaml_put_map(responses, ecc_arena_printf(api->arena, "%d", status));

    ecc_yaml_put_text(response, "description", description);
    ecc_api_limit_headers(api, response);
    if (route->cache.keyspace)
        ecc_api_header(api, response, "X-Cache");
    if (status != 204 && status != 205 && strcmp(route->method, "HEAD") != 0)
        ecc_yaml_put(ecc_yaml_put_map(ecc_yaml_put_map(response, "content"), JSON), "schema", reply_schema(api, route));
    return response;
}

static void add_location(struct ecc_api *api, const struct ecc_route *route, struct ecc_yaml *response)
{
    struct ecc_yaml *headers = ecc_yaml_get(response, "headers"), *header, *schema;

    if (!headers)
        headers = ecc_yaml_put_map(response, "headers");
    header = ecc_yaml_put_map(headers, "Location");
    ecc_yaml_put_text(header, "description", ecc_arena_printf(api->arena, "Where it is found: %s", route->accepted));
    ecc_yaml_put_raw(header, "required", "true");
    schema = ecc_yaml_put_map(header, "schema");
    ecc_yaml_put_text(schema, "type", "string");
    ecc_yaml_put_text(schema, "format", "uri-reference");
}

static const char *said(int status)
{
    switch (status) {
    case 201:
        return "Created";
    case 204:
        return "Done; there is no content";
    case 205:
        return "Done; start the form anew";
    default:
        return "Done";
    }
}

static void add_responses(struct ecc_api *api, const struct ecc_route *route, struct ecc_yaml *operation)
{
    struct ecc_yaml *responses = ecc_yaml_put_map(operation, "responses"), *response;
    bool accepts = route->call && ecc_may_accept(route->call->u.call.op);

    add_reply(api, route, responses, route->status, said(route->status));
    if (accepts) {
        response = add_reply(api, route, responses, 202, "Accepted: the work goes on after the reply");
        if (route->accepted)
            add_location(api, route, response);
    }
    ecc_api_problems(api, route, responses);
}

/* ------------------------------------------------------------------ operations */

static void add_tag(const struct ecc_stmt *call, struct ecc_yaml *tags)
{
    const char *name = call->u.call.op->service->name;

    for (size_t i = 0; i < tags->n; i++)
        if (strcmp(tags->items[i]->text, name) == 0)
            return;
    ecc_yaml_add_text(tags, name);
}

static struct ecc_yaml *operation_of(struct ecc_api *api, const struct ecc_route *route)
{
    struct ecc_yaml *operation = ecc_yaml_map(api->arena), *tags = ecc_yaml_put_list(operation, "tags"), *params, *security;

    if (route->call)
        add_tag(route->call, tags);
    for (size_t i = 0; i < route->nbranches; i++)
        add_tag(route->branches[i].call, tags);
    ecc_yaml_put_text(operation, "summary", summary_of(api, route));
    ecc_yaml_put_text(operation, "operationId", lower_first(api->arena, name_of(api, route)));
    security = ecc_yaml_put_list(operation, "security");
    if (route->auth)
        ecc_yaml_put_list(ecc_yaml_add_map(security), "bearer");
    params = ecc_yaml_list(api->arena);
    add_params(api, route, params);
    if (params->n)
        ecc_yaml_put(operation, "parameters", params);
    add_body(api, route, operation);
    add_responses(api, route, operation);
    return operation;
}

static int method_rank(const char *method)
{
    int i = 0;

    while (i < 6 && strcmp(methods[i], method) != 0)
        i++;
    return i;
}

static int by_path(const void *a, const void *b)
{
    const struct ecc_route *x = *(const struct ecc_route *const *)a, *y = *(const struct ecc_route *const *)b;
    int n = strcmp(x->path, y->path);

    return n ? n : method_rank(x->method) - method_rank(y->method);
}

static const char *lower(struct ecc_arena *arena, const char *word)
{
    char *text = ecc_arena_strdup(arena, word);

    for (char *p = text; *p; p++)
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
    return text;
}

static void add_paths(struct ecc_api *api, struct ecc_yaml *document)
{
    const struct ecc_gateway *gateway = &api->node->u.gateway;
    const struct ecc_route **routes = ECC_NEW_ARRAY(api->arena, const struct ecc_route *, gateway->nroutes);
    struct ecc_yaml *paths = ecc_yaml_put_map(document, "paths"), *path;

    for (size_t i = 0; i < gateway->nroutes; i++)
        routes[i] = gateway->routes[i];
    qsort(routes, gateway->nroutes, sizeof *routes, by_path);
    for (size_t i = 0; i < gateway->nroutes; i++) {
        path = ecc_yaml_get(paths, routes[i]->path);
        if (!path)
            path = ecc_yaml_put_map(paths, routes[i]->path);
        ecc_yaml_put(path, lower(api->arena, routes[i]->method), operation_of(api, routes[i]));
        if (routes[i]->idempotent && !api->parameters->n)
            add_key_param(api);
    }
}

/* ------------------------------------------------------------------ the document */

static void add_head(struct ecc_api *api, struct ecc_yaml *document)
{
    const struct ecc_gateway *gateway = &api->node->u.gateway;
    struct ecc_yaml *info, *server;

    ecc_yaml_put_text(document, "openapi", "3.1.0");
    info = ecc_yaml_put_map(document, "info");
    ecc_yaml_put_text(info, "title", api->model->title ? api->model->title : api->node->title);
    ecc_yaml_put_text(info, "version", VERSION);
    ecc_yaml_put_text(info, "description", about);
    server = ecc_yaml_add_map(ecc_yaml_put_list(document, "servers"));
    ecc_yaml_put_text(server, "url", ecc_arena_printf(api->arena, "%s://127.0.0.1:%d", gateway->tls ? "https" : "http", gateway->port));
    ecc_yaml_put_text(server, "description", ecc_arena_printf(api->arena, "%s, started by `ecomc up`", api->node->title));
}

/* The services that a route leads to. */
static void add_tags(struct ecc_api *api, struct ecc_yaml *document)
{
    const struct ecc_node **nodes = ECC_NEW_ARRAY(api->arena, const struct ecc_node *, api->model->nnodes);
    const struct ecc_gateway *gateway = &api->node->u.gateway;
    struct ecc_yaml *tags, *tag;
    size_t n = 0;

    for (size_t i = 0; i < api->model->nnodes; i++) {
        bool used = false;
        for (size_t k = 0; k < gateway->nroutes; k++) {
            const struct ecc_route *route = gateway->routes[k];
            used = used || (route->call && route->call->u.call.op->service == api->model->nodes[i]);
            for (size_t b = 0; b < route->nbranches; b++)
                used = used || route->branches[b].call->u.call.op->service == api->model->nodes[i];
        }
        if (used)
            nodes[n++] = api->model->nodes[i];
    }
    ecc_sort_nodes(nodes, n);
    tags = ecc_yaml_put_list(document, "tags");
    for (size_t i = 0; i < n; i++) {
        tag = ecc_yaml_add_map(tags);
        ecc_yaml_put_text(tag, "name", nodes[i]->name);
        ecc_yaml_put_text(tag, "description", nodes[i]->title);
    }
}

static void put_sorted(struct ecc_yaml *components, const char *name, struct ecc_yaml *map)
{
    if (!map->n)
        return;
    ecc_yaml_sort(map);
    ecc_yaml_put(components, name, map);
}

static void add_components(struct ecc_api *api, struct ecc_yaml *document)
{
    struct ecc_yaml *components = ecc_yaml_put_map(document, "components"), *scheme;

    if (api->node->u.gateway.auth) {
        scheme = ecc_yaml_put_map(ecc_yaml_put_map(components, "securitySchemes"), "bearer");
        ecc_yaml_put_text(scheme, "type", "http");
        ecc_yaml_put_text(scheme, "scheme", "bearer");
        ecc_yaml_put_text(scheme, "bearerFormat", "JWT");
    }
    put_sorted(components, "parameters", api->parameters);
    put_sorted(components, "headers", api->headers);
    put_sorted(components, "responses", api->responses);
    put_sorted(components, "schemas", api->schemas.components);
}

static struct ecc_yaml *document_of(struct ecc_codegen *cg, const struct ecc_node *node)
{
    struct ecc_yaml *document = ecc_yaml_map(cg->arena);
    struct ecc_api api = {.arena = cg->arena, .model = cg->model, .node = node};

    api.parameters = ecc_yaml_map(cg->arena);
    api.headers = ecc_yaml_map(cg->arena);
    api.responses = ecc_yaml_map(cg->arena);
    ecc_json_schemas_init(&api.schemas, cg->arena);
    ecc_api_problems_init(&api);
    add_head(&api, document);
    add_tags(&api, document);
    add_paths(&api, document);
    add_components(&api, document);
    return document;
}

void ecc_emit_openapi(struct ecc_codegen *cg)
{
    size_t gateways = 0;

    for (size_t i = 0; i < cg->model->nnodes; i++)
        gateways += cg->model->nodes[i]->kind == ECC_NODE_GATEWAY;
    for (size_t i = 0; i < cg->model->nnodes; i++) {
        const struct ecc_node *node = cg->model->nodes[i];

        if (node->kind != ECC_NODE_GATEWAY)
            continue;
        struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_HASH);
        ecc_yaml_write(w, document_of(cg, node));
        ecc_outset_add_writer(cg->out, gateways > 1 ? ecc_arena_printf(cg->arena, "openapi-%s.yaml", node->name) : "openapi.yaml", w);
    }
}
