/* clients.c: everything that leaves the process. Edges with their policy, a function a call, keyspaces, topics, events, tokens. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "codegen.h"
#include "emit_program.h"
#include "walk.h"

static const char *quoted(const struct ecc_shapes *shapes, const char *text)
{
    return ecc_quote_c(shapes->arena, text);
}

static void emit_edge(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_edge *e)
{
    ecc_w_open(w, "struct ec_edge %s = {", ecc_shapes_name(shapes, e));
    ecc_wl(w, ".name = %s,", quoted(shapes, ecc_arena_printf(shapes->arena, "%s -> %s", e->from->name, e->to->name)));
    ecc_wl(w, ".peer = %s,", quoted(shapes, e->to->name));
    if (e->to->kind != ECC_NODE_EXTERNAL)
        ecc_wl(w, ".env = %s,", quoted(shapes, ecc_arena_printf(shapes->arena, "%s_URL", ecc_upper(shapes->arena, e->to->name))));
    ecc_wl(w, ".timeout_ms = %" PRId64 ",", e->timeout_ms);
    if (e->retries > 0) {
        ecc_wl(w, ".retries = %d,", e->retries);
        ecc_wl(w, ".backoff_min_ms = %" PRId64 ",", e->backoff_min_ms);
        ecc_wl(w, ".backoff_max_ms = %" PRId64 ",", e->backoff_max_ms);
    }
    if (e->breaker.set) {
        ecc_wl(w, ".trip = %d,", e->breaker.trip);
        if (e->breaker.timeouts_only)
            ecc_wl(w, ".trip_timeouts_only = true,");
        ecc_wl(w, ".open_ms = %" PRId64 ",", e->breaker.open_ms);
        ecc_wl(w, ".probes = %d,", e->breaker.probes);
    }
    if (e->concurrency > 0)
        ecc_wl(w, ".concurrency = %d,", e->concurrency);
    if (e->on_open)
        ecc_wl(w, ".on_open = &%s,", ecc_shapes_error(shapes, e->on_open));
    if (e->on_failure)
        ecc_wl(w, ".on_failure = &%s,", ecc_shapes_error(shapes, e->on_failure));
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

static void emit_external(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_node *node)
{
    static const char *const auths[] = {
        [ECC_AUTH_NONE] = "NONE", [ECC_AUTH_BEARER] = "BEARER", [ECC_AUTH_BASIC] = "BASIC", [ECC_AUTH_HEADER] = "HEADER"};
    const struct ecc_external *x = &node->u.external;

    ecc_w_open(w, "const struct ec_external %s = {", ecc_shapes_name(shapes, node));
    ecc_wl(w, ".name = %s,", quoted(shapes, node->name));
    ecc_wl(w, ".base = %s,", quoted(shapes, x->base));
    ecc_wl(w, ".base_env = %s,", quoted(shapes, x->base_env));
    ecc_wl(w, ".auth = EC_AUTH_%s,", auths[x->auth]);
    if (x->auth_header)
        ecc_wl(w, ".auth_header = %s,", quoted(shapes, x->auth_header));
    if (x->auth_user)
        ecc_wl(w, ".auth_user = &%s,", ecc_shapes_name(shapes, x->auth_user));
    if (x->auth_secret)
        ecc_wl(w, ".auth_secret = &%s,", ecc_shapes_secret(shapes, x->auth_secret));
    if (x->nsettings > 0) {
        ecc_w(w, ".settings = (const struct ec_setting *const[]){");
        for (size_t i = 0; i < x->nsettings; i++)
            ecc_w(w, "&%s, ", ecc_shapes_name(shapes, x->settings[i]));
        ecc_wl(w, "NULL},");
    }
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

static bool is_safe(const struct ecc_op *op);

static void note_unsafe(void *context, const struct ecc_stmt *stmt)
{
    const char *method;
    bool *safe = context;

    if (stmt->kind != ECC_STMT_CALL || !*safe)
        return;
    method = stmt->u.call.ext ? stmt->u.call.ext->method : "";
    *safe = stmt->u.call.op ? is_safe(stmt->u.call.op) : strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* Writes nothing, neither itself nor through what it calls. A program that keeps no barrier is not enough: where there is no database, none
 * is kept. Calls don't go in a circle. */
static bool is_safe(const struct ecc_op *op)
{
    bool safe = op->program.repeat == ECC_REPEAT_READ && !op->custom;

    if (safe)
        ecc_walk_block(&(struct ecc_walker){.stmt = note_unsafe, .context = &safe}, &op->program.body);
    return safe;
}

void ecc_emit_internal_call(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_call_shape *call, const char *table,
                            const char *out)
{
    const struct ecc_op *op = call->op;

    ecc_w_open(w, "static const struct ec_call %s = {", table);
    ecc_wl(w, ".edge = &%s,", ecc_shapes_name(shapes, call->edge));
    ecc_wl(w, ".op = %s,", quoted(shapes, op->name));
    if (call->in)
        ecc_wl(w, ".in = &%s,", call->in->table);
    if (out)
        ecc_wl(w, ".out = &%s,", out);
    ecc_emit_errors(shapes, w, op->errors, op->nerrors);
    if (is_safe(op))
        ecc_wl(w, ".safe = true,");
    if (op->was)
        ecc_wl(w, ".was = %s,", quoted(shapes, op->was));
    ecc_w_close(w, "};");
}

static void emit_external_call(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_call_shape *call)
{
    static const char *const encodings[] = {
        [ECC_ENC_NONE] = "NONE", [ECC_ENC_FORM] = "FORM", [ECC_ENC_JSON] = "JSON", [ECC_ENC_QUERY] = "QUERY"};
    const struct ecc_ext_call *ext = call->ext;

    ecc_w_open(w, "static const struct ec_ext_call %s = {", call->table);
    ecc_wl(w, ".edge = &%s,", ecc_shapes_name(shapes, call->edge));
    ecc_wl(w, ".external = &%s,", ecc_shapes_name(shapes, ext->external));
    ecc_wl(w, ".name = %s,", quoted(shapes, ext->name));
    ecc_wl(w, ".method = %s,", quoted(shapes, ext->method));
    ecc_wl(w, ".path = %s,", quoted(shapes, ecc_wire_path(shapes->arena, ext)));
    ecc_wl(w, ".encoding = EC_ENC_%s,", encodings[ext->encoding]);
    if (call->in)
        ecc_wl(w, ".in = &%s,", call->in->table);
    if (call->out)
        ecc_wl(w, ".out = &%s,", call->out->table);
    if (ext->idempotency_header)
        ecc_wl(w, ".idempotency_header = %s,", quoted(shapes, ext->idempotency_header));
    if (ext->nerrors > 0) {
        ecc_w_open(w, ".errors = (const struct ec_status_error[]){");
        for (size_t i = 0; i < ext->nerrors; i++)
            ecc_wl(w, "{%d, &%s},", ext->errors[i].status, ecc_shapes_error(shapes, ext->errors[i].error));
        ecc_wl(w, "{0},");
        ecc_w_close(w, "},");
    }
    ecc_w_close(w, "};");
}

static void emit_call(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_call_shape *call)
{
    if (call->op)
        ecc_emit_internal_call(shapes, w, call, call->table, call->out ? call->out->table : NULL);
    else
        emit_external_call(shapes, w, call);
    ecc_w_blank(w);
    ecc_w(w, "void %s(struct ec_task *task", call->function);
    if (call->ext)
        ecc_w(w, ", struct ec_str key");
    if (call->in)
        ecc_w(w, ", const struct %s *in", call->in->name);
    if (call->out)
        ecc_w(w, ", struct %s *out", call->out->name);
    ecc_wl(w, ")");
    ecc_w_open(w, "{");
    ecc_wl(w, "%s(task, &%s, %s%s, %s);", call->op ? "ec_call" : "ec_external_call", call->table, call->ext ? "key, " : "",
           call->in ? "in" : "NULL", call->out ? "out" : "NULL");
    ecc_w_close(w, "}");
    ecc_w_blank(w);
}

static void emit_keyspace(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_keyspace *k)
{
    const struct ecc_shape *value = ecc_shapes_record(shapes, k->value);

    ecc_w_open(w, "const struct ec_keyspace %s = {", ecc_shapes_name(shapes, k));
    ecc_wl(w, ".name = %s,", quoted(shapes, k->name));
    ecc_wl(w, ".cache = %s,", quoted(shapes, k->cache->name));
    if (value)
        ecc_wl(w, ".value = &%s,", value->table);
    ecc_wl(w, ".ttl_ms = %" PRId64 ",", k->ttl_ms);
    if (k->near_ms)
        ecc_wl(w, ".near_ms = %" PRId64 ",", k->near_ms);
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *bus_of(const struct ecc_shapes *shapes, const struct ecc_topic *topic)
{
    size_t i = 0;

    while (&shapes->model->nodes[i]->u.bus != topic->bus)
        i++;
    return shapes->model->nodes[i]->name;
}

static void emit_topic(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_topic *topic)
{
    const char **types = ECC_NEW_ARRAY(shapes->arena, const char *, topic->nevents + 1);

    ecc_w_open(w, "const struct ec_topic %s = {", ecc_shapes_name(shapes, topic));
    ecc_wl(w, ".name = %s,", quoted(shapes, topic->name));
    ecc_wl(w, ".bus = %s,", quoted(shapes, bus_of(shapes, topic)));
    ecc_wl(w, ".partitions = %d,", topic->partitions);
    ecc_wl(w, ".key = %s,", quoted(shapes, topic->key));
    if (topic->retention_ms)
        ecc_wl(w, ".retention_ms = %" PRId64 ",", topic->retention_ms);
    ecc_w_open(w, ".types = (const char *const[]){");
    for (size_t i = 0; i < topic->nevents; i++)
        types[i] = ecc_arena_printf(shapes->arena, "%s.v%d", topic->events[i]->name, topic->events[i]->version);
    qsort(types, topic->nevents, sizeof(*types), by_text);
    for (size_t i = 0; i < topic->nevents; i++)
        ecc_wl(w, "%s,", quoted(shapes, types[i]));
    ecc_wl(w, "NULL,");
    ecc_w_close(w, "},");
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

static void emit_event(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_event *event)
{
    const struct ecc_shape *body = ecc_shapes_record(shapes, event->body);

    ecc_w_open(w, "const struct ec_event %s = {", ecc_shapes_name(shapes, event));
    ecc_wl(w, ".name = %s,", quoted(shapes, event->name));
    ecc_wl(w, ".version = %d,", event->version);
    ecc_wl(w, ".topic = &%s,", ecc_shapes_name(shapes, event->topic));
    if (body)
        ecc_wl(w, ".body = &%s,", body->table);
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

static void emit_jwt(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_jwt *jwt)
{
    ecc_w_open(w, "const struct ec_jwt jwt = {");
    ecc_wl(w, ".issuer = %s,", quoted(shapes, jwt->issuer));
    ecc_wl(w, ".audience = %s,", quoted(shapes, jwt->audience));
    ecc_wl(w, ".secret = &%s,", ecc_shapes_secret(shapes, jwt->secret));
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

void ecc_emit_clients(struct ecc_codegen *cg, struct ecc_shapes *s)
{
    const struct ecc_node *node = s->node;
    struct ecc_writer *w;

    if (s->edges.n + s->keyspaces.n + s->topics.n + s->events.n == 0 && !s->uses_jwt)
        return;
    w = ecc_codegen_file(cg, ECC_BANNER_C);
    ecc_wl(w, "#include \"%s\"", s->header);
    ecc_w_blank(w);
    for (size_t i = 0; i < s->edges.n; i++)
        emit_edge(s, w, s->edges.items[i]);
    for (size_t i = 0; i < s->externals.n; i++)
        emit_external(s, w, s->externals.items[i]);
    for (size_t i = 0; i < s->calls.n; i++)
        emit_call(s, w, s->calls.items[i]);
    for (size_t i = 0; i < s->keyspaces.n; i++)
        emit_keyspace(s, w, s->keyspaces.items[i]);
    for (size_t i = 0; i < s->topics.n; i++)
        emit_topic(s, w, s->topics.items[i]);
    for (size_t i = 0; i < s->events.n; i++)
        emit_event(s, w, s->events.items[i]);
    if (s->uses_jwt && node->kind == ECC_NODE_SERVICE && node->u.service.jwt)
        emit_jwt(s, w, node->u.service.jwt);
    ecc_codegen_add(cg, s, "clients.c", w);
}
