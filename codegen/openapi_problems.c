/* The refusals of a gateway's routes: what it says itself (runtime/gateway*.c), and what the operations and the edges behind it declare. A
 * status with one problem is a response that all routes share, one with several is written out where it is. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "openapi.h"

/* clang-format off: a line each, as in EC_ERRORS of runtime/ec.h, whose part this is; tests/documents compares the two. X(enumerator, name,
 * status, title) */
#define OWN_PROBLEMS(X)                                                                      \
    X(BAD_REQUEST, "bad-request", 400, "The request is malformed")                           \
    X(UNAUTHORIZED, "unauthorized", 401, "A valid bearer token is needed")                   \
    X(NOT_FOUND, "not-found", 404, "There is nothing here")                                  \
    X(CONFLICT, "conflict", 409, "A request with this key is in progress")                   \
    X(TOO_LARGE, "too-large", 413, "The request is too large")                               \
    X(UNSUPPORTED_MEDIA, "unsupported-media-type", 415, "The body must be application/json") \
    X(INVALID, "invalid", 422, "A field does not fit its type")                              \
    X(KEY_REUSED, "key-reused", 422, "This key was used with another request")               \
    X(RATE_LIMITED, "rate-limited", 429, "Too many requests")                                \
    X(BAD_GATEWAY, "bad-gateway", 502, "A reply from upstream could not be understood")      \
    X(UNAVAILABLE, "unavailable", 503, "The service can't answer at the moment")             \
    X(TIMEOUT, "timeout", 504, "The time for this request has passed")
/* clang-format on */

enum own {
#define X(e, n, s, t) e,
    OWN_PROBLEMS(X)
#undef X
};

static const struct {
    const char *name, *title;
    int status;
} own_problems[] = {
#define X(e, n, s, t) [e] = {n, t, s},
    OWN_PROBLEMS(X)
#undef X
};

struct problems {
    struct ecc_problem **items;
    size_t n, cap;
};

/* ------------------------------------------------------------------ headers */

static struct ecc_yaml *new_header(struct ecc_api *api, const char *description, const char *type, const char *example)
{
    struct ecc_yaml *header = ecc_yaml_map(api->arena);

    ecc_yaml_put_text(header, "description", description);
    ecc_yaml_put_text(ecc_yaml_put_map(header, "schema"), "type", type);
    if (example)
        ecc_yaml_put_text(header, "example", example);
    return header;
}

/* As runtime/limiter.c tells it. */
static int window_of(const struct ecc_limit *limit)
{
    double exact = limit->burst / limit->per_second;
    int seconds = exact < 1e9 ? (int)exact : 1000000000;

    return seconds < 1 ? 1 : seconds + (seconds < exact);
}

static struct ecc_yaml *make_header(struct ecc_api *api, const char *name)
{
    const struct ecc_limit *limit = api->node->u.gateway.limit;
    struct ecc_yaml *header;

    if (strcmp(name, "RateLimit") == 0)
        return new_header(api, "How many requests are left (r), and the seconds until all are there again (t)", "string",
                          ecc_arena_printf(api->arena, "\"default\";r=%d;t=1", limit->burst - 1));
    if (strcmp(name, "RateLimit-Policy") == 0)
        return new_header(api, "How many requests may come at once (q), and the seconds in which as many come again (w)", "string",
                          ecc_arena_printf(api->arena, "\"default\";q=%d;w=%d", limit->burst, window_of(limit)));
    if (strcmp(name, "Retry-After") == 0) {
        header = new_header(api, "Seconds after which it may be worth another try", "integer", NULL);
        ecc_yaml_put_raw(header, "required", "true");
        ecc_yaml_put_raw(ecc_yaml_get(header, "schema"), "minimum", "1");
        return header;
    }
    if (strcmp(name, "WWW-Authenticate") == 0) {
        header = new_header(api, "The scheme, and what is wrong with the token", "string", "Bearer error=\"invalid_token\"");
        ecc_yaml_put_raw(header, "required", "true");
        return header;
    }
    header = new_header(api, "Whether the reply came from the cache", "string", NULL);
    struct ecc_yaml *values = ecc_yaml_put_list(ecc_yaml_get(header, "schema"), "enum");
    ecc_yaml_add_text(values, "hit");
    ecc_yaml_add_text(values, "miss");
    ecc_yaml_put_raw(header, "required", "true");
    return header;
}

void ecc_api_header(struct ecc_api *api, struct ecc_yaml *response, const char *name)
{
    struct ecc_yaml *headers = ecc_yaml_get(response, "headers");

    if (!headers)
        headers = ecc_yaml_put_map(response, "headers");
    if (!ecc_yaml_get(api->headers, name))
        ecc_yaml_put(api->headers, name, make_header(api, name));
    ecc_yaml_put(headers, name, ecc_yaml_ref(api->arena, "components/headers", name));
}

void ecc_api_limit_headers(struct ecc_api *api, struct ecc_yaml *response)
{
    if (!api->node->u.gateway.limit)
        return;
    ecc_api_header(api, response, "RateLimit");
    ecc_api_header(api, response, "RateLimit-Policy");
}

/* ------------------------------------------------------------------ problems */

static struct ecc_yaml *text_property(struct ecc_yaml *properties, const char *name, const char *description)
{
    struct ecc_yaml *property = ecc_yaml_put_map(properties, name);

    ecc_yaml_put_text(property, "type", "string");
    ecc_yaml_put_text(property, "description", description);
    return property;
}

void ecc_api_problems_init(struct ecc_api *api)
{
    static const char *const required[] = {"type", "title", "status", "detail"};
    struct ecc_yaml *schema = ecc_yaml_map(api->arena), *properties, *list, *response, *status;

    ecc_yaml_put_text(schema, "description", "Why a request was refused, or failed (RFC 9457)");
    ecc_yaml_put_text(schema, "type", "object");
    list = ecc_yaml_put_list(schema, "required");
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        ecc_yaml_add_text(list, required[i]);
    properties = ecc_yaml_put_map(schema, "properties");
    ecc_yaml_put_text(text_property(properties, "type", "Tells one problem from another"), "format", "uri-reference");
    text_property(properties, "title", "The same for each problem of a type");
    status = ecc_yaml_put_map(properties, "status");
    ecc_yaml_put_text(status, "type", "integer");
    ecc_yaml_put_text(status, "description", "That of the reply");
    text_property(properties, "detail", "What is wrong with this request, and where");
    ecc_yaml_put_text(text_property(properties, "trace_id", "Under which the log has it"), "pattern", "^[0-9a-f]{32}$");
    api->problem = ecc_json_schema_add(&api->schemas, "Problem", schema);
    ecc_cnames_init(&api->names, api->arena);
    api->refused = ecc_cnames_claim(&api->names, "Refused");
    response = ecc_yaml_put_map(api->responses, api->refused);
    ecc_yaml_put_text(response, "description",
                      "Refused by HTTP itself: 408 too slow, 414 a target and 431 headers that are too large, "
                      "417, 501 and 505 what is not supported");
    ecc_yaml_put(ecc_yaml_put_map(ecc_yaml_put_map(response, "content"), "application/problem+json"), "schema",
                 ecc_yaml_ref(api->arena, "components/schemas", api->problem));
}

static void add(struct ecc_api *api, struct problems *to, const char *name, const char *pascal, int status, const char *title)
{
    struct ecc_problem *problem = NULL;

    for (size_t i = 0; i < api->problems.n && !problem; i++)
        if (api->problems.items[i]->status == status && strcmp(api->problems.items[i]->name, name) == 0)
            problem = api->problems.items[i];
    if (!problem) {
        problem = ECC_NEW(api->arena, struct ecc_problem);
        *problem = (struct ecc_problem){.name = name, .title = title, .pascal = pascal, .status = status};
        ECC_PUSH(api->arena, &api->problems, problem);
    }
    for (size_t i = 0; i < to->n; i++)
        if (to->items[i] == problem)
            return;
    ECC_PUSH(api->arena, to, problem);
}

static void add_own(struct ecc_api *api, struct problems *to, enum own which)
{
    add(api, to, own_problems[which].name, ecc_pascal(api->arena, own_problems[which].name), own_problems[which].status,
        own_problems[which].title);
}

static void add_declared(struct ecc_api *api, struct problems *to, const struct ecc_error *error)
{
    if (error)
        add(api, to, ecc_kebab(api->arena, error->name), error->name, error->status, error->title);
}

/* What a call may end with, beside the gateway's own words. */
static void add_call(struct ecc_api *api, struct problems *to, const struct ecc_stmt *call)
{
    for (size_t i = 0; i < call->u.call.op->nerrors; i++)
        add_declared(api, to, call->u.call.op->errors[i]);
    if (call->u.call.edge) {
        add_declared(api, to, call->u.call.edge->on_open);
        add_declared(api, to, call->u.call.edge->on_failure);
    }
}

/* Who validates a token says 401 in its own words. Any other 4xx of it is 401, too, but for those that say nothing of the token: they go
 * on, as does what the edge makes of a failure (runtime/gateway_auth.c). */
static void add_auth(struct ecc_api *api, struct problems *to)
{
    const struct ecc_stmt *via = api->node->u.gateway.auth->via;
    struct problems all = {0};

    add_own(api, to, UNAUTHORIZED);
    add_call(api, &all, via);
    for (size_t i = 0; i < all.n; i++) {
        const struct ecc_problem *p = all.items[i];
        if (p->status == 401 || p->status >= 500 || p->status == 408 || p->status == 409 || p->status == 429)
            add(api, to, p->name, p->pascal, p->status, p->title);
    }
}

static int by_status(const void *a, const void *b)
{
    const struct ecc_problem *x = *(const struct ecc_problem *const *)a, *y = *(const struct ecc_problem *const *)b;

    return x->status != y->status ? x->status - y->status : strcmp(x->name, y->name);
}

static struct problems collect(struct ecc_api *api, const struct ecc_route *route)
{
    struct problems to = {0};

    add_own(api, &to, BAD_REQUEST);
    add_own(api, &to, TOO_LARGE);
    add_own(api, &to, UNSUPPORTED_MEDIA);
    add_own(api, &to, INVALID);
    add_own(api, &to, BAD_GATEWAY);
    add_own(api, &to, UNAVAILABLE);
    add_own(api, &to, TIMEOUT);
    if (route->path_params)
        add_own(api, &to, NOT_FOUND);
    if (route->idempotent) {
        add_own(api, &to, CONFLICT);
        add_own(api, &to, KEY_REUSED);
    }
    if (api->node->u.gateway.limit)
        add_own(api, &to, RATE_LIMITED);
    if (route->auth)
        add_auth(api, &to);
    if (route->call)
        add_call(api, &to, route->call);
    for (size_t i = 0; i < route->nbranches; i++)
        if (route->branches[i].required)
            add_call(api, &to, route->branches[i].call);
    if (to.n)
        qsort(to.items, to.n, sizeof *to.items, by_status);
    return to;
}

/* ------------------------------------------------------------------ responses */

static void put_const(struct ecc_yaml *properties, const char *name, struct ecc_yaml *value)
{
    struct ecc_yaml *property = ecc_yaml_put_map(properties, name);

    property->flow = true;
    ecc_yaml_put(property, "const", value);
}

/* As it comes where an operation says no more: runtime/problem.c. */
static void put_example(struct ecc_api *api, struct ecc_yaml *schema, const char *type, const struct ecc_problem *problem)
{
    struct ecc_yaml *example = ecc_yaml_add_map(ecc_yaml_put_list(schema, "examples"));

    example->flow = true;
    ecc_yaml_put_text(example, "type", type);
    ecc_yaml_put_text(example, "title", problem->title);
    ecc_yaml_put(example, "status", ecc_yaml_int(api->arena, problem->status));
    ecc_yaml_put_text(example, "detail", problem->title);
}

static const char *schema_of(struct ecc_api *api, struct ecc_problem *problem)
{
    struct ecc_yaml *schema, *all, *own;
    const char *type = ecc_arena_printf(api->arena, "/problems/%s", problem->name);

    if (problem->schema)
        return problem->schema;
    schema = ecc_yaml_map(api->arena);
    ecc_yaml_put_text(schema, "description", problem->title);
    all = ecc_yaml_put_list(schema, "allOf");
    ecc_yaml_add(all, ecc_yaml_ref(api->arena, "components/schemas", api->problem));
    own = ecc_yaml_add_map(all);
    ecc_yaml_put_text(own, "type", "object");
    own = ecc_yaml_put_map(own, "properties");
    put_const(own, "type", ecc_yaml_text(api->arena, type));
    put_const(own, "status", ecc_yaml_int(api->arena, problem->status));
    put_example(api, schema, type, problem);
    return problem->schema = ecc_json_schema_add(&api->schemas, ecc_arena_printf(api->arena, "%sProblem", problem->pascal), schema);
}

static struct ecc_yaml *response_of(struct ecc_api *api, struct ecc_problem *const *problems, size_t n)
{
    struct ecc_yaml *response = ecc_yaml_map(api->arena), *schema;
    const char *titles = problems[0]->title;
    int status = problems[0]->status;

    for (size_t i = 1; i < n; i++)
        titles = ecc_arena_printf(api->arena, "%s. %s", titles, problems[i]->title);
    ecc_yaml_put_text(response, "description", titles);
    if (status != 413)
        ecc_api_limit_headers(api, response);
    if (status == 401)
        ecc_api_header(api, response, "WWW-Authenticate");
    if (status == 503 || (n == 1 && strcmp(problems[0]->name, own_problems[RATE_LIMITED].name) == 0))
        ecc_api_header(api, response, "Retry-After");
    if (n == 1) {
        schema = ecc_yaml_ref(api->arena, "components/schemas", schema_of(api, problems[0]));
    } else {
        struct ecc_yaml *either = ecc_yaml_list(api->arena);
        for (size_t i = 0; i < n; i++)
            ecc_yaml_add(either, ecc_yaml_ref(api->arena, "components/schemas", schema_of(api, problems[i])));
        schema = ecc_yaml_map(api->arena);
        ecc_yaml_put(schema, "oneOf", either);
    }
    ecc_yaml_put(ecc_yaml_put_map(ecc_yaml_put_map(response, "content"), "application/problem+json"), "schema", schema);
    return response;
}

/* Every route with `auth` has these, and most no other. */
static bool is_auth_alone(struct ecc_api *api, const struct ecc_route *route, struct ecc_problem *const *problems, size_t n)
{
    struct problems auth = {0};
    size_t same = 0, of_auth = 0;

    if (!route->auth || problems[0]->status != 401)
        return false;
    add_auth(api, &auth);
    for (size_t i = 0; i < auth.n; i++) {
        of_auth += auth.items[i]->status == 401;
        for (size_t k = 0; k < n; k++)
            same += auth.items[i] == problems[k];
    }
    return same == n && of_auth == n;
}

static struct ecc_yaml *shared(struct ecc_api *api, const char **name, const char *wanted, struct ecc_problem *const *problems, size_t n)
{
    if (!*name) {
        *name = ecc_cnames_claim(&api->names, wanted);
        ecc_yaml_put(api->responses, *name, response_of(api, problems, n));
    }
    return ecc_yaml_ref(api->arena, "components/responses", *name);
}

void ecc_api_problems(struct ecc_api *api, const struct ecc_route *route, struct ecc_yaml *responses)
{
    struct problems all = collect(api, route);

    for (size_t i = 0, n; i < all.n; i += n) {
        struct ecc_problem **here = &all.items[i];
        struct ecc_yaml *response;

        for (n = 1; i + n < all.n && here[n]->status == here[0]->status; n++)
            ;
        if (is_auth_alone(api, route, here, n))
            response = shared(api, &api->unauthorized, "Unauthorized", here, n);
        else if (n == 1)
            response = shared(api, &here[0]->response, here[0]->pascal, here, 1);
        else
            response = response_of(api, here, n);
        ecc_yaml_put(responses, ecc_arena_printf(api->arena, "%d", here[0]->status), response);
    }
    ecc_yaml_put(responses, "default", ecc_yaml_ref(api->arena, "components/responses", api->refused));
}
