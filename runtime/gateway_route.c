/* Which route a request is for, and its parameters.
 *
 * The path is cut at its slashes first and each segment decoded then, so that an encoded slash is data. The trie is walked with literals
 * before parameters, and back when a literal leads nowhere: a literal may shadow a parameter for one method only. The methods met on the way
 * are those of a 405.
 */
#include "gateway.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

enum { BUCKETS = 256 };

static const struct ec_gateway *gateway;
static struct gw_route *routes[BUCKETS];
static const struct ec_record nothing_record = {.name = "nothing"};

static size_t bucket_of(const struct ec_route *route)
{
    return ((uintptr_t)route >> 4) % BUCKETS;
}

/* ------------------------------------------------------------------ the table */

static const struct ec_field *field_of(const struct ec_record *record, const char *name, size_t n)
{
    for (size_t i = 0; record && i < record->nfields; i++)
        if (strlen(record->fields[i].name) == n && !memcmp(record->fields[i].name, name, n))
            return &record->fields[i];
    return NULL;
}

static void read_template(struct gw_route *to)
{
    const char *at = to->route->path;

    for (int segment = 0; *at; segment++) {
        size_t n;

        at += *at == '/';
        n = strcspn(at, "/");
        if (n > 2 && at[0] == '{' && at[n - 1] == '}') {
            const struct ec_field *field = field_of(to->route->path_params, at + 1, n - 2);

            if (field && to->nparams < GW_MAX_PARAMS) {
                to->params[to->nparams].segment = segment;
                to->params[to->nparams++].field = field;
            }
        }
        at += n;
    }
}

static void count_series(struct gw_route *to)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    struct ec_buf labels = {0};

    for (int i = 2; i < 6; i++) {
        labels.n = 0;
        ec_metric_label(&labels, "route", to->name.p);
        ec_metric_label(&labels, "status", classes[i]);
        ec_buf_add(&labels, "", 1);
        to->requests[i] = ec_metric(EC_COUNTER, "ec_gateway_requests_total", "Requests by route and status", labels.p);
    }
    labels.n = 0;
    ec_metric_label(&labels, "route", to->name.p);
    ec_buf_add(&labels, "", 1);
    to->seconds = ec_metric(EC_HISTOGRAM, "ec_gateway_seconds", "Time from request to reply by route", labels.p);
    ec_buf_free(&labels);
}

static void route_add(const struct ec_route *route)
{
    struct gw_route *to = calloc(1, sizeof(*to));
    struct ec_buf name = {0};

    if (!to)
        abort();
    ec_buf_printf(&name, "%s %s", route->method, route->path);
    to->route = route;
    to->name = (struct ec_str){name.p, name.n};
    ec_buf_add(&name, "", 1);
    to->name.p = name.p; /* the buffer may have moved */
    read_template(to);
    count_series(to);
    to->next = routes[bucket_of(route)];
    routes[bucket_of(route)] = to;
}

void gw_routes_open(const struct ec_gateway *of)
{
    gateway = of;
    for (size_t i = 0; i < of->nnodes; i++)
        for (const struct ec_route *const *route = of->nodes[i].routes; route && *route; route++)
            route_add(*route);
}

void gw_routes_close(void)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        while (routes[i]) {
            struct gw_route *route = routes[i];
            routes[i] = route->next;
            free((char *)(uintptr_t)route->name.p);
            free(route);
        }
    }
}

static struct gw_route *kept(const struct ec_route *route)
{
    struct gw_route *at = routes[bucket_of(route)];

    while (at->route != route)
        at = at->next;
    return at;
}

/* ------------------------------------------------------------------ finding */

static bool cut(struct ec_arena *arena, struct ec_str path, struct gw_segments *out, bool *malformed)
{
    const char *at = path.p, *end = path.p + path.n;

    out->n = 0;
    *malformed = false;
    if (path.n == 0 || *at != '/')
        return false;
    if (path.n == 1)
        return true;
    while (at < end) {
        const char *slash;
        struct ec_str raw;

        at++;
        slash = memchr(at, '/', (size_t)(end - at));
        raw = (struct ec_str){at, (size_t)((slash ? slash : end) - at)};
        if (raw.n == 0 || out->n == GW_MAX_SEGMENTS)
            return false;
        out->raw[out->n] = out->text[out->n] = raw;
        if (memchr(raw.p, '%', raw.n) && !ec_percent_decode(arena, raw, false, &out->text[out->n])) {
            *malformed = true;
            return false;
        }
        out->n++;
        at = slash ? slash : end;
        if (slash && slash + 1 == end)
            return false; /* a slash at the end is another path */
    }
    return true;
}

static const struct ec_route_node *literal(const struct ec_route_node *node, struct ec_str segment)
{
    int low = node->first, high = node->first + node->nchildren;

    while (low < high) {
        int middle = (low + high) / 2, order = ec_str_cmp(ec_str_of(gateway->nodes[middle].segment), segment);

        if (order == 0)
            return &gateway->nodes[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void allow_add(struct ec_buf *allow, const char *method)
{
    ec_buf_printf(allow, "%s%s", allow->n ? ", " : "", method);
    if (!strcmp(method, "GET"))
        ec_buf_str(allow, ", HEAD");
}

static const struct ec_route *walk(const struct ec_route_node *node, const struct gw_segments *segments, size_t at, struct ec_str method,
                                   struct ec_buf *allow)
{
    const struct ec_route_node *child;
    const struct ec_route *found;

    if (at == segments->n) {
        for (const struct ec_route *const *route = node->routes; route && *route; route++)
            if (ec_str_eq(ec_str_of((*route)->method), method))
                return *route;
        for (const struct ec_route *const *route = node->routes; route && *route; route++)
            allow_add(allow, (*route)->method);
        return NULL;
    }
    child = literal(node, segments->text[at]);
    if (child && (found = walk(child, segments, at + 1, method, allow)))
        return found;
    return node->any ? walk(&gateway->nodes[node->any], segments, at + 1, method, allow) : NULL;
}

struct gw_route *gw_route_find(struct ec_arena *arena, const struct ec_http_request *http, struct gw_segments *segments, struct ec_buf *allow,
                               bool *malformed)
{
    const struct ec_route *route;

    if (!cut(arena, http->path, segments, malformed))
        return NULL;
    route = walk(&gateway->nodes[0], segments, 0, http->method, allow);
    if (!route && ec_str_eq(http->method, EC_STR("HEAD"))) {
        allow->n = 0;
        route = walk(&gateway->nodes[0], segments, 0, EC_STR("GET"), allow);
    }
    return route ? kept(route) : NULL;
}

/* ------------------------------------------------------------------ reading */

static void wrong(struct gw_request *request, const struct ec_error *error, const struct ec_json_error *why)
{
    if (request->wrong)
        return;
    request->wrong = error;
    request->wrong_detail = why ? ec_arena_printf(request->task->arena, "%s%s%s", why->path, why->path[0] ? " " : "", why->message) : NULL;
}

static void preset(void *to, const struct ec_record *record)
{
    if (record->preset)
        memcpy(to, record->preset, record->size);
}

static bool is_json(struct ec_str type)
{
    static const char json[] = "application/json";

    for (size_t i = 0; i < sizeof(json) - 1; i++)
        if (i >= type.n || (type.p[i] != json[i] && (type.p[i] | 0x20) != json[i]))
            return false;
    return type.n == sizeof(json) - 1 || type.p[sizeof(json) - 1] == ';' || type.p[sizeof(json) - 1] == ' ';
}

static void read_body(struct gw_request *request)
{
    const struct ec_route *route = request->route->route;
    const struct ec_record *record = route->body ? route->body : &nothing_record;
    char *frame = request->task->frame;
    struct ec_json_error error = {"", ""};
    struct ec_str body = request->http->body;
    enum ec_json_status status;

    if (body.n && !is_json(ec_http_header(request->http, "content-type"))) {
        wrong(request, &ec_error_unsupported_media, NULL);
        return;
    }
    if (route->body)
        preset(frame + route->body_offset, record);
    else if (body.n == 0)
        return;
    if (body.n == 0)
        body = EC_STR("{}");
    status = ec_json_read(request->task->arena, body, record, route->body ? (void *)(frame + route->body_offset) : NULL, 0, &error);
    if (status != EC_JSON_OK)
        wrong(request, status == EC_JSON_MALFORMED ? &ec_error_bad_request : &ec_error_invalid, &error);
}

void gw_request_read(struct gw_request *request, const struct gw_segments *segments)
{
    const struct ec_route *route = request->route->route;
    struct ec_arena *arena = request->task->arena;
    char *frame = request->task->frame;
    struct ec_json_error error = {"", ""};
    enum ec_json_status status;

    if (route->path_params)
        preset(frame + route->path_offset, route->path_params);
    for (int i = 0; i < request->route->nparams; i++) {
        const struct ec_field *field = request->route->params[i].field;
        struct ec_str text = segments->text[request->route->params[i].segment];

        /* What can't be a name of anything names nothing. */
        if (ec_scalar_read(arena, text, field, frame + route->path_offset + field->offset, &error) != EC_JSON_OK)
            wrong(request, &ec_error_not_found, NULL);
    }
    if (route->query)
        preset(frame + route->query_offset, route->query);
    if (route->query || request->http->query.n) {
        status = ec_form_read(arena, request->http->query, route->query ? route->query : &nothing_record,
                              route->query ? (void *)(frame + route->query_offset) : NULL, 0, &error);
        if (status != EC_JSON_OK)
            wrong(request, status == EC_JSON_MALFORMED ? &ec_error_bad_request : &ec_error_invalid, &error);
    }
    read_body(request);
}

struct ec_str gw_field_text(struct ec_task *task, const struct ec_field *field, const void *base)
{
    const void *at = (const char *)base + field->offset;

    if (field->flags & EC_LIST)
        return (struct ec_str){NULL, 0};
    if (field->flags & EC_OPTIONAL && field->kind != EC_TEXT && field->kind != EC_SECRET && field->kind != EC_EMAIL && field->kind != EC_JSON &&
        !(at = *(void *const *)at))
        return (struct ec_str){NULL, 0};
    switch (field->kind) {
    case EC_TEXT:
    case EC_SECRET:
    case EC_EMAIL:
        return *(const struct ec_str *)at;
    case EC_INT:
        return ec_text_int(task, *(const int64_t *)at);
    case EC_FLOAT:
        return ec_text_float(task, *(const double *)at);
    case EC_BOOL:
        return ec_text_bool(*(const bool *)at);
    case EC_UUID:
        return ec_text_uuid(task, *(const struct ec_uuid *)at);
    case EC_TIME:
        return ec_text_time(task, *(const int64_t *)at);
    case EC_ENUM:
        return ec_text_enum(field->of, *(const int *)at);
    case EC_JSON:
    case EC_RECORD:
        break;
    }
    return (struct ec_str){NULL, 0};
}
