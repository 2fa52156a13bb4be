/* Two passes: the first finds everything that a unit reaches, in an order in which C can declare it; the second hands out names, those
 * that are written in the topology before those that are made up, so that an inline record never takes a declared one's name. */
#include "shapes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "defer.h"
#include "shapes_find.h"
#include "walk.h"

/* ------------------------------------------------------------------ address -> shape */

struct ecc_index {
    struct { const void *key; void *value; } *slots;
    size_t n, cap;
};

static size_t index_slot(const struct ecc_index *index, const void *key)
{
    uint64_t h = (uint64_t)(uintptr_t)key * 11400714819323198485u;
    size_t i = (size_t)(h >> 20) & (index->cap - 1);

    while (index->slots[i].key && index->slots[i].key != key)
        i = (i + 1) & (index->cap - 1);
    return i;
}

void *ecc_shapes_find(const struct ecc_shapes *shapes, const void *key)
{
    return key ? shapes->index->slots[index_slot(shapes->index, key)].value : NULL;
}

static void put(struct ecc_shapes *shapes, const void *key, void *value)
{
    struct ecc_index *index = shapes->index;

    if ((index->n + 1) * 2 > index->cap) {
        struct ecc_index bigger = {.cap = index->cap * 2, .n = index->n};
        bigger.slots = ecc_arena_array(shapes->arena, bigger.cap, sizeof *bigger.slots);
        for (size_t i = 0; i < index->cap; i++) {
            if (index->slots[i].key)
                bigger.slots[index_slot(&bigger, index->slots[i].key)] = index->slots[i];
        }
        *index = bigger;
    }
    size_t i = index_slot(index, key);
    index->slots[i].key = key;
    index->slots[i].value = value;
    index->n++;
}

void ecc_shapes_replace(struct ecc_shapes *shapes, const void *key, void *value)
{
    shapes->index->slots[index_slot(shapes->index, key)].value = value;
}

/* ------------------------------------------------------------------ first pass */

struct collector {
    struct ecc_shapes *shapes;
    struct ecc_arena *arena;
    const struct ecc_program_shape *program; /* whose statements are visited, or NULL */
};

static void add_type(struct collector *c, const struct ecc_type *type, const char *fallback);

#define NAME(c, ...) ecc_arena_printf((c)->arena, __VA_ARGS__)

static struct ecc_enum_shape *add_enum(struct collector *c, const struct ecc_enum *enum_)
{
    struct ecc_enum_shape *shape = ecc_shapes_find(c->shapes, enum_);

    if (!shape) {
        shape = ECC_NEW(c->arena, struct ecc_enum_shape);
        shape->enum_ = enum_;
        put(c->shapes, enum_, shape);
        ECC_PUSH(c->arena, &c->shapes->enums, shape);
    }
    return shape;
}

/* fallback names a record that has no name of its own. */
static struct ecc_shape *add_record(struct collector *c, const struct ecc_record *record, const char *fallback)
{
    if (!record || !record->nfields)
        return NULL;
    struct ecc_shape *shape = ecc_shapes_find(c->shapes, record);
    if (shape)
        return shape;
    shape = ECC_NEW(c->arena, struct ecc_shape);
    shape->record = record;
    shape->name = ecc_snake(c->arena, record->name ? record->name : fallback);
    put(c->shapes, record, shape);
    for (size_t i = 0; i < record->nfields; i++) {
        add_type(c, record->fields[i].type, NAME(c, "%s_%s", shape->name, record->fields[i].name));
        shape->preset |= record->fields[i].dflt != NULL;
    }
    ECC_PUSH(c->arena, &c->shapes->records, shape);
    return shape;
}

static void add_type(struct collector *c, const struct ecc_type *type, const char *fallback)
{
    bool listed = type->kind == ECC_TYPE_LIST;

    if (listed)
        type = type->item;
    if (type->kind == ECC_TYPE_ENUM) {
        struct ecc_enum_shape *shape = add_enum(c, type->enum_);
        shape->listed |= listed;
    } else if (type->kind == ECC_TYPE_RECORD) {
        struct ecc_shape *shape = add_record(c, type->record, fallback);
        if (shape)
            shape->listed |= listed;
    } else if (type->kind == ECC_TYPE_LIST) {
        add_type(c, type, fallback);
    }
}

static void add_error(struct collector *c, const struct ecc_error *error)
{
    if (!error || ecc_shapes_find(c->shapes, error))
        return;
    struct ecc_error_shape *shape = ECC_NEW(c->arena, struct ecc_error_shape);
    shape->error = error;
    put(c->shapes, error, shape);
    ECC_PUSH(c->arena, &c->shapes->errors, shape);
}

static void add_errors(struct collector *c, const struct ecc_error *const *errors, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_error(c, errors[i]);
}

static void add_thing(struct collector *c, const void *of, const char *name)
{
    ECC_PUSH(c->arena, &c->shapes->things, ((struct ecc_thing){of, name}));
    put(c->shapes, of, (void *)name);
}

static void add_topic(struct collector *c, const struct ecc_topic *topic)
{
    if (!topic || ecc_shapes_find(c->shapes, topic))
        return;
    add_thing(c, topic, NAME(c, "%s_topic", ecc_snake(c->arena, topic->name)));
    ECC_PUSH(c->arena, &c->shapes->topics, topic);
}

static void add_event(struct collector *c, const struct ecc_event *event)
{
    if (ecc_shapes_find(c->shapes, event))
        return;
    add_record(c, event->body, event->id);
    add_thing(c, event, NAME(c, "%s_event", ecc_snake(c->arena, event->id)));
    ECC_PUSH(c->arena, &c->shapes->events, event);
    add_topic(c, event->topic);
}

static void add_keyspace(struct collector *c, const struct ecc_keyspace *keyspace)
{
    if (!keyspace || ecc_shapes_find(c->shapes, keyspace))
        return;
    add_record(c, keyspace->value, NAME(c, "%s_%s", keyspace->cache->name, keyspace->name));
    add_type(c, keyspace->key->type, "key");
    add_thing(c, keyspace, NAME(c, "%s_%s_keyspace", ecc_snake(c->arena, keyspace->cache->name), ecc_snake(c->arena, keyspace->name)));
    ECC_PUSH(c->arena, &c->shapes->keyspaces, keyspace);
}

static void add_setting(struct collector *c, const struct ecc_setting *setting)
{
    if (!setting || ecc_shapes_find(c->shapes, setting))
        return;
    add_type(c, setting->type, setting->name);
    add_thing(c, setting, NAME(c, "%s_setting", ecc_snake(c->arena, setting->name)));
}

static void add_secret(struct collector *c, const char *env)
{
    for (size_t i = 0; env && i < c->shapes->secrets.n; i++) {
        if (strcmp(c->shapes->secrets.items[i].of, env) == 0)
            return;
    }
    if (env)
        ECC_PUSH(c->arena, &c->shapes->secrets, ((struct ecc_thing){env, NAME(c, "%s_setting", ecc_snake(c->arena, env))}));
}

static void add_external(struct collector *c, const struct ecc_node *node)
{
    if (ecc_shapes_find(c->shapes, node))
        return;
    for (size_t i = 0; i < node->u.external.nsettings; i++)
        add_setting(c, node->u.external.settings[i]);
    add_setting(c, node->u.external.auth_user);
    add_secret(c, node->u.external.auth_secret);
    add_thing(c, node, NAME(c, "%s_external", ecc_snake(c->arena, node->name)));
    ECC_PUSH(c->arena, &c->shapes->externals, node);
}

static void add_edge(struct collector *c, const struct ecc_edge *edge)
{
    if (!edge || ecc_shapes_find(c->shapes, edge) || (edge->to->kind != ECC_NODE_SERVICE && edge->to->kind != ECC_NODE_EXTERNAL))
        return;
    add_error(c, edge->on_open);
    add_error(c, edge->on_failure);
    add_thing(c, edge, NAME(c, "%s_edge", ecc_snake(c->arena, edge->to->name)));
    ECC_PUSH(c->arena, &c->shapes->edges, edge);
    if (edge->to->kind == ECC_NODE_EXTERNAL)
        add_external(c, edge->to);
}

static void add_call(struct collector *c, const struct ecc_stmt *stmt)
{
    const struct ecc_op *op = stmt->u.call.op;
    const struct ecc_ext_call *ext = stmt->u.call.ext;
    const void *key = op ? (const void *)op : (const void *)ext;

    add_edge(c, stmt->u.call.edge);
    if (ecc_shapes_find(c->shapes, key))
        return;
    struct ecc_call_shape *call = ECC_NEW(c->arena, struct ecc_call_shape);
    const char *node = ecc_snake(c->arena, op ? op->service->name : ext->external->name);
    const char *prefix = NAME(c, "%s_%s", node, ecc_snake(c->arena, op ? op->name : ext->name));
    *call = (struct ecc_call_shape){.edge = stmt->u.call.edge, .op = op, .ext = ext, .function = prefix};
    put(c->shapes, key, call);
    if (op) {
        call->in = add_record(c, op->params, NAME(c, "%s_in", prefix));
        add_errors(c, op->errors, op->nerrors);
        if (op->result->kind == ECC_TYPE_RECORD)
            call->out = add_record(c, op->result->record, NAME(c, "%s_out", prefix));
        else
            add_type(c, op->result, NAME(c, "%s_out", prefix));
    } else {
        call->in = add_record(c, ext->request, NAME(c, "%s_in", prefix));
        call->out = add_record(c, ext->reply, NAME(c, "%s_out", prefix));
        for (size_t i = 0; i < ext->nerrors; i++)
            add_error(c, ext->errors[i].error);
    }
    ECC_PUSH(c->arena, &c->shapes->calls, call);
}

static void add_sql(struct collector *c, const struct ecc_stmt *stmt)
{
    const struct ecc_sql *sql = stmt->u.sql;
    struct ecc_sql_shape_of *shape = ECC_NEW(c->arena, struct ecc_sql_shape_of);
    struct ecc_shape *row = sql->row ? add_record(c, sql->row, NAME(c, "%s_%s", c->program->prefix, sql->name)) : NULL;

    *shape = (struct ecc_sql_shape_of){.sql = sql, .program = c->program, .row = row};
    shape->function = NAME(c, "db_%s_%s", c->program->prefix, sql->name);
    shape->title = NAME(c, "%s.%s", c->program->title, sql->name);
    shape->deferred = c->program->program && ecc_is_deferred(c->program->program, stmt);
    shape->lone = c->program->program && ecc_is_lone(c->program->program, stmt);
    shape->none = shape->deferred && stmt->none ? stmt->none->u.fail.error : NULL;
    if (row && sql->shape == ECC_SQL_MANY)
        row->listed = true;
    put(c->shapes, sql, shape);
    ECC_PUSH(c->arena, &c->shapes->sqls, shape);
}

static void visit_stmt(void *context, const struct ecc_stmt *stmt)
{
    struct collector *c = context;
    const char *prefix = c->program ? c->program->prefix : c->shapes->prefix;

    switch (stmt->kind) {
    case ECC_STMT_SQL:
        add_sql(c, stmt);
        break;
    case ECC_STMT_CALL:
        add_call(c, stmt);
        for (size_t i = 0; i < stmt->u.call.ncatches; i++)
            add_error(c, stmt->u.call.catches[i].error);
        break;
    case ECC_STMT_START:
        add_record(c, stmt->u.start.saga->params, NAME(c, "%s_saga_in", ecc_snake(c->arena, stmt->u.start.saga->name)));
        add_errors(c, stmt->u.start.saga->errors, stmt->u.start.saga->nerrors);
        break;
    case ECC_STMT_AWAIT:
        for (size_t i = 0; i < stmt->u.await.ncatches; i++)
            add_error(c, stmt->u.await.catches[i].error);
        break;
    case ECC_STMT_PUBLISH:
        add_event(c, stmt->u.publish.event);
        break;
    case ECC_STMT_GET:
    case ECC_STMT_PUT:
    case ECC_STMT_DROP:
        add_keyspace(c, stmt->u.cache.keyspace);
        break;
    case ECC_STMT_HASH:
    case ECC_STMT_VERIFY:
        c->shapes->uses_password = true;
        break;
    case ECC_STMT_SIGN:
    case ECC_STMT_CLAIMS:
        c->shapes->uses_jwt = true;
        break;
    case ECC_STMT_FAIL:
        add_error(c, stmt->u.fail.error);
        break;
    case ECC_STMT_TX:
    case ECC_STMT_NEW_ID:
    case ECC_STMT_LET:
    case ECC_STMT_FOR:
    case ECC_STMT_WHEN:
    case ECC_STMT_RETURN:
    case ECC_STMT_ACCEPT:
        break;
    }
    if (stmt->let)
        add_type(c, stmt->let->type, NAME(c, "%s_%s", prefix, stmt->let->unique ? stmt->let->unique : stmt->let->name));
}

static void visit_expr(void *context, const struct ecc_expr *expr)
{
    struct collector *c = context;

    if (expr->type)
        add_type(c, expr->type, NAME(c, "%s_value", c->program ? c->program->prefix : c->shapes->prefix));
}

static void walk_block(struct collector *c, const struct ecc_program_shape *program, const struct ecc_block *block)
{
    struct ecc_walker walker = {visit_stmt, visit_expr, c};

    c->program = program;
    ecc_walk_block(&walker, block);
    c->program = NULL;
}

static void walk_stmt(struct collector *c, const struct ecc_program_shape *program, const struct ecc_stmt *stmt)
{
    struct ecc_walker walker = {visit_stmt, visit_expr, c};

    c->program = program;
    if (stmt)
        ecc_walk_stmt(&walker, stmt);
    c->program = NULL;
}

static void walk_expr(struct collector *c, const struct ecc_expr *expr)
{
    struct ecc_walker walker = {visit_stmt, visit_expr, c};

    ecc_walk_expr(&walker, expr);
}

/* A program's prefix is claimed at once: what stands in it is named after it. */
static struct ecc_program_shape *add_program(struct collector *c, struct ecc_cnames *prefixes, const struct ecc_program *program,
                                             const char *prefix, const char *title)
{
    struct ecc_program_shape *shape = ECC_NEW(c->arena, struct ecc_program_shape);

    shape->program = program;
    shape->prefix = ecc_cnames_claim(prefixes, prefix);
    shape->upper = ecc_upper(c->arena, shape->prefix);
    shape->title = title;
    if (program)
        put(c->shapes, program, shape);
    ECC_PUSH(c->arena, &c->shapes->programs, shape);
    return shape;
}

static void add_op(struct collector *c, struct ecc_cnames *prefixes, const struct ecc_op *op)
{
    struct ecc_program_shape *shape =
        add_program(c, prefixes, &op->program, ecc_snake(c->arena, op->name), NAME(c, "%s.%s", c->shapes->node->name, op->name));

    shape->op = op;
    shape->file = NAME(c, "ops/%s.c", shape->prefix);
    add_record(c, op->params, NAME(c, "%s_in", shape->prefix));
    add_type(c, op->result, NAME(c, "%s_out", shape->prefix));
    add_errors(c, op->errors, op->nerrors);
    walk_block(c, shape, &op->program.body);
}

static void add_consumer(struct collector *c, struct ecc_cnames *prefixes, const struct ecc_consumer *consumer)
{
    struct ecc_program_shape *shape =
        add_program(c, prefixes, &consumer->program,
                    NAME(c, "%s_%s", ecc_snake(c->arena, consumer->group), ecc_snake(c->arena, consumer->event->id)),
                    NAME(c, "%s.%s.%s", c->shapes->node->name, consumer->group, consumer->event->id));

    shape->consumer = consumer;
    shape->file = NAME(c, "consumers/%s.c", shape->prefix);
    add_event(c, consumer->event);
    add_topic(c, consumer->topic);
    walk_block(c, shape, &consumer->program.body);
}

static void add_saga(struct collector *c, struct ecc_cnames *prefixes, const struct ecc_saga *saga)
{
    const char *name = ecc_snake(c->arena, saga->name), *title = NAME(c, "%s.%s", c->shapes->node->name, saga->name);
    struct ecc_saga_shape *shape = ECC_NEW(c->arena, struct ecc_saga_shape);

    if (saga->past) {
        name = NAME(c, "%s_v%d", name, saga->version);
        title = NAME(c, "%s.v%d", title, saga->version);
    }
    shape->prefix = name;

    shape->saga = saga;
    shape->name = NAME(c, "%s_saga", name);
    shape->in = add_record(c, saga->params, NAME(c, "%s_saga_in", name));
    put(c->shapes, saga, shape);
    ECC_PUSH(c->arena, &c->shapes->sagas, shape);
    add_errors(c, saga->errors, saga->nerrors);
    for (size_t i = 0; i < saga->nsteps; i++) {
        if (saga->steps[i].result)
            add_type(c, saga->steps[i].result->type, NAME(c, "%s_%s", name, ecc_snake(c->arena, saga->steps[i].name)));
        walk_stmt(c, NULL, saga->steps[i].run);
        walk_stmt(c, NULL, saga->steps[i].undo);
    }
    for (int i = 0; i < 2; i++) {
        const struct ecc_program *program = i ? &saga->failed : &saga->done;
        const char *what = i ? "failed" : "done";
        struct ecc_program_shape *part = add_program(c, prefixes, program, NAME(c, "%s_%s", name, what), NAME(c, "%s.%s", title, what));
        *(i ? &part->failed : &part->done) = saga;
        part->file = NAME(c, "sagas/%s.c", name);
        walk_block(c, part, &program->body);
    }
}

static void collect_service(struct collector *c, struct ecc_cnames *prefixes)
{
    const struct ecc_service *service = &c->shapes->node->u.service;

    for (size_t i = 0; i < service->nsettings; i++)
        add_setting(c, service->settings[i]);
    if (service->jwt)
        add_secret(c, service->jwt->secret);
    for (size_t i = 0; i < service->nops; i++)
        add_op(c, prefixes, service->ops[i]);
    for (size_t i = 0; i < service->nconsumers; i++)
        add_consumer(c, prefixes, service->consumers[i]);
    for (size_t i = 0; i < service->nsagas; i++)
        add_saga(c, prefixes, service->sagas[i]);
}

static void add_route(struct collector *c, struct ecc_cnames *prefixes, const struct ecc_route *route)
{
    struct ecc_program_shape *shape = add_program(c, prefixes, NULL, ecc_snake(c->arena, route->name),
                                                  NAME(c, "%s %s %s", c->shapes->node->name, route->method, route->path));

    shape->route = route;
    shape->file = NAME(c, "routes/%s.c", shape->prefix);
    put(c->shapes, route, shape);
    add_record(c, route->path_params, NAME(c, "%s_path", shape->prefix));
    add_record(c, route->query, NAME(c, "%s_query", shape->prefix));
    add_record(c, route->body, NAME(c, "%s_body", shape->prefix));
    walk_stmt(c, shape, route->call);
    for (size_t i = 0; i < route->nbranches; i++)
        walk_stmt(c, shape, route->branches[i].call);
    if (route->result)
        add_type(c, route->result, NAME(c, "%s_out", shape->prefix));
    add_keyspace(c, route->cache.keyspace);
    walk_expr(c, route->cache.key);
}

static void collect_gateway(struct collector *c, struct ecc_cnames *prefixes)
{
    const struct ecc_gateway *gateway = &c->shapes->node->u.gateway;

    if (gateway->auth) {
        walk_stmt(c, NULL, gateway->auth->via);
        add_keyspace(c, gateway->auth->while_.keyspace);
        walk_expr(c, gateway->auth->while_.key);
    }
    for (size_t i = 0; i < gateway->nroutes; i++)
        add_route(c, prefixes, gateway->routes[i]);
}

static void collect_sandbox(struct collector *c)
{
    const struct ecc_node *node = c->shapes->node;
    const struct ecc_external *external = &node->u.external;

    add_external(c, node);
    for (size_t i = 0; i < external->ncalls; i++) {
        const struct ecc_ext_call *ext = external->calls[i];
        add_record(c, ext->request, NAME(c, "%s_%s_in", ecc_snake(c->arena, node->name), ecc_snake(c->arena, ext->name)));
    }
}

struct ecc_shapes *ecc_shapes_build(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_node *node, bool sandbox)
{
    struct ecc_shapes *s = ECC_NEW(arena, struct ecc_shapes);
    struct collector c = {.shapes = s, .arena = arena};
    struct ecc_cnames prefixes;

    *s = (struct ecc_shapes){.arena = arena, .model = model, .node = node, .sandbox = sandbox};
    s->prefix = ecc_arena_printf(arena, "%s%s", ecc_snake(arena, node->name), sandbox ? "_sandbox" : "");
    s->folder = ecc_arena_printf(arena, "%s%s", node->name, sandbox ? "-sandbox" : "");
    s->header = ecc_arena_printf(arena, "%s.h", s->prefix);
    ecc_cnames_init(&s->tags, arena);
    ecc_cnames_init(&s->globals, arena);
    ecc_cnames_init(&prefixes, arena);
    s->index = ECC_NEW(arena, struct ecc_index);
    s->index->cap = 256;
    s->index->slots = ecc_arena_array(arena, s->index->cap, sizeof *s->index->slots);
    if (model->claims) {
        struct ecc_shape *claims = ECC_NEW(arena, struct ecc_shape);
        claims->record = model->claims;
        claims->name = "ec_claims";
        s->claims = claims;
        put(s, model->claims, claims);
    }
    if (sandbox)
        collect_sandbox(&c);
    else if (node->kind == ECC_NODE_GATEWAY)
        collect_gateway(&c, &prefixes);
    else
        collect_service(&c, &prefixes);
    for (size_t i = 0; i < node->nout && !sandbox; i++)
        add_edge(&c, node->out[i]);
    ecc_shapes_sort(s);
    ecc_shapes_give_names(s);
    return s;
}
