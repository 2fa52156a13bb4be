/* main.c: the settings of the process and the one table that says what it is. Modules stand in the order in which they start: what takes
 * work in comes last. */
#include <inttypes.h>
#include <string.h>

#include "arena.h"
#include "codegen.h"

static const char *quoted(const struct ecc_shapes *shapes, const char *text)
{
    return ecc_quote_c(shapes->arena, text);
}

struct names { const char **items; size_t n, cap; };

/* ------------------------------------------------------------------ settings */

const char *ecc_setting_default(struct ecc_arena *arena, const struct ecc_setting *setting)
{
    const struct ecc_expr *e = setting->dflt;

    if (!e)
        return NULL;
    while (e->kind == ECC_EXPR_CONVERT)
        e = e->u.convert;
    if (e->kind == ECC_EXPR_INT)
        return ecc_arena_printf(arena, "%" PRId64, e->u.i);
    if (e->kind == ECC_EXPR_FLOAT)
        return ecc_arena_printf(arena, "%.17g", e->u.f);
    if (e->kind == ECC_EXPR_BOOL)
        return e->u.b ? "true" : "false";
    return e->u.text;
}

static void emit_setting(const struct ecc_shapes *shapes, struct ecc_writer *w, struct names *list, const struct ecc_setting *setting)
{
    const char *name = ecc_shapes_name(shapes, setting);

    ecc_w_open(w, "struct ec_setting %s = {", name);
    ecc_wl(w, ".name = %s,", quoted(shapes, setting->name));
    ecc_wl(w, ".env = %s,", quoted(shapes, setting->env));
    if (setting->dflt)
        ecc_wl(w, ".dflt = %s,", quoted(shapes, ecc_setting_default(shapes->arena, setting)));
    if (setting->type->kind == ECC_TYPE_SECRET)
        ecc_wl(w, ".secret = true,");
    ecc_wl(w, ".kind = %s,", setting->type->kind == ECC_TYPE_SECRET ? "EC_TEXT" : ecc_c_kind(setting->type));
    ecc_w_close(w, "};");
    ecc_w_blank(w);
    ECC_PUSH(shapes->arena, list, name);
}

static void emit_secret(const struct ecc_shapes *shapes, struct ecc_writer *w, struct names *list, const char *env)
{
    const char *name = ecc_shapes_secret(shapes, env);

    ecc_w_open(w, "struct ec_setting %s = {", name);
    ecc_wl(w, ".name = %s,", quoted(shapes, ecc_snake(shapes->arena, env)));
    ecc_wl(w, ".env = %s,", quoted(shapes, env));
    ecc_wl(w, ".secret = true,");
    ecc_wl(w, ".rotates = true,");
    if (shapes->node->kind == ECC_NODE_SERVICE && shapes->node->u.service.jwt && !strcmp(shapes->node->u.service.jwt->secret, env))
        ecc_wl(w, ".at_least = 32,");
    ecc_wl(w, ".kind = EC_TEXT,");
    ecc_w_close(w, "};");
    ecc_w_blank(w);
    ECC_PUSH(shapes->arena, list, name);
}

static void emit_settings(const struct ecc_shapes *shapes, struct ecc_writer *w, struct names *list)
{
    const struct ecc_node *node = shapes->node;

    for (size_t i = 0; node->kind == ECC_NODE_SERVICE && i < node->u.service.nsettings; i++)
        emit_setting(shapes, w, list, node->u.service.settings[i]);
    for (size_t i = 0; i < shapes->externals.n; i++) {
        const struct ecc_external *x = &shapes->externals.items[i]->u.external;

        for (size_t k = 0; k < x->nsettings; k++)
            emit_setting(shapes, w, list, x->settings[k]);
    }
    for (size_t i = 0; i < shapes->secrets.n; i++)
        emit_secret(shapes, w, list, shapes->secrets.items[i].of);
}

/* ------------------------------------------------------------------ lists */

/* .member = (TYPE[]){&a, &b, NULL}, one a line. */
static void emit_list(struct ecc_writer *w, const char *member, const char *type, const struct names *list)
{
    if (list->n == 0)
        return;
    ecc_w_open(w, ".%s = (%s[]){", member, type);
    for (size_t i = 0; i < list->n; i++)
        ecc_wl(w, "&%s,", list->items[i]);
    ecc_wl(w, "NULL,");
    ecc_w_close(w, "},");
}

static void emit_ops(struct ecc_shapes *shapes, struct ecc_writer *w, struct names *list)
{
    const struct ecc_service *service = &shapes->node->u.service;

    for (size_t i = 0; i < service->nops; i++) {
        const struct ecc_op *op = service->ops[i];
        const struct ecc_program_shape *program = ecc_shapes_program(shapes, &op->program);
        const char *name = ecc_shapes_claim(shapes, ecc_arena_printf(shapes->arena, "%s_op", program->prefix));

        ecc_w_open(w, "static const struct ec_op %s = {", name);
        ecc_wl(w, ".name = %s,", quoted(shapes, op->name));
        ecc_wl(w, ".program = &%s,", program->name);
        ecc_w(w, ".callers = (const char *const[]){");
        for (size_t c = 0; c < op->ncallers; c++)
            ecc_w(w, "%s, ", quoted(shapes, op->callers[c]->name));
        ecc_wl(w, "NULL},");
        if (op->was)
            ecc_wl(w, ".was = %s,", quoted(shapes, op->was));
        ecc_w_close(w, "};");
        ecc_w_blank(w);
        ECC_PUSH(shapes->arena, list, name);
    }
}

static void emit_consumers(struct ecc_shapes *shapes, struct ecc_writer *w, struct names *list)
{
    const struct ecc_service *service = &shapes->node->u.service;

    for (size_t i = 0; i < service->nconsumers; i++) {
        const struct ecc_consumer *c = service->consumers[i];
        const struct ecc_program_shape *program = ecc_shapes_program(shapes, &c->program);
        const char *name = ecc_shapes_claim(shapes, ecc_arena_printf(shapes->arena, "%s_consumer", program->prefix));

        ecc_w_open(w, "static const struct ec_consumer %s = {", name);
        ecc_wl(w, ".event = &%s,", ecc_shapes_name(shapes, c->event));
        ecc_wl(w, ".group = %s,", quoted(shapes, ecc_arena_printf(shapes->arena, "%s.%s", c->service->name, c->group)));
        if (c->retries > 0) {
            ecc_wl(w, ".retries = %d,", c->retries);
            ecc_wl(w, ".backoff_min_ms = %" PRId64 ",", c->backoff_min_ms);
            ecc_wl(w, ".backoff_max_ms = %" PRId64 ",", c->backoff_max_ms);
        }
        if (c->dead_letter)
            ecc_wl(w, ".dead_letter = true,");
        ecc_wl(w, ".program = &%s,", program->name);
        ecc_w_close(w, "};");
        ecc_w_blank(w);
        ECC_PUSH(shapes->arena, list, name);
    }
}

/* ------------------------------------------------------------------ the service */

static bool publishes(const struct ecc_node *node)
{
    for (size_t i = 0; i < node->nout; i++)
        if (node->out[i]->npublish > 0)
            return true;
    return false;
}

static bool calls_services(const struct ecc_shapes *shapes)
{
    for (size_t i = 0; i < shapes->edges.n; i++)
        if (shapes->edges.items[i]->to->kind != ECC_NODE_EXTERNAL)
            return true;
    return false;
}

static void emit_modules(const struct ecc_shapes *shapes, struct ecc_writer *w)
{
    const struct ecc_node *node = shapes->node;
    bool service = node->kind == ECC_NODE_SERVICE, gateway = node->kind == ECC_NODE_GATEWAY;
    const struct { bool needed; const char *name; } modules[] = {
        {service && node->u.service.has_database, "pg"},
        {shapes->keyspaces.n > 0 || (gateway && node->u.gateway.limit && node->u.gateway.limit->cache), "redis"},
        {service && publishes(node), "producer"},
        {calls_services(shapes), "calls"},
        {shapes->externals.n > 0, "external"},
        {shapes->uses_password, "password"},
        {shapes->uses_jwt, "jwt"},
        {service && node->u.service.nsagas > 0, "saga"},
        {service && node->u.service.nconsumers > 0, "consumer"},
        {service, "ops"},
        {gateway, "gateway"},
    };

    ecc_w_open(w, ".modules = (const struct ec_module *const[]){");
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++)
        if (modules[i].needed)
            ecc_wl(w, "&ec_module_%s,", modules[i].name);
    ecc_wl(w, "NULL,");
    ecc_w_close(w, "},");
}

static void emit_things(const struct ecc_shapes *shapes, struct ecc_writer *w)
{
    struct names edges = {0}, externals = {0}, keyspaces = {0}, topics = {0}, sagas = {0};

    for (size_t i = 0; i < shapes->edges.n; i++)
        ECC_PUSH(shapes->arena, &edges, ecc_shapes_name(shapes, shapes->edges.items[i]));
    for (size_t i = 0; i < shapes->externals.n; i++)
        ECC_PUSH(shapes->arena, &externals, ecc_shapes_name(shapes, shapes->externals.items[i]));
    for (size_t i = 0; i < shapes->keyspaces.n; i++)
        ECC_PUSH(shapes->arena, &keyspaces, ecc_shapes_name(shapes, shapes->keyspaces.items[i]));
    for (size_t i = 0; i < shapes->topics.n; i++)
        ECC_PUSH(shapes->arena, &topics, ecc_shapes_name(shapes, shapes->topics.items[i]));
    if (shapes->node->kind == ECC_NODE_SERVICE)
        for (size_t i = 0; i < shapes->node->u.service.nsagas; i++)
            ECC_PUSH(shapes->arena, &sagas, ecc_shapes_saga(shapes, shapes->node->u.service.sagas[i])->name);
    emit_list(w, "edges", "struct ec_edge *const", &edges);
    emit_list(w, "externals", "const struct ec_external *const", &externals);
    emit_list(w, "sagas", "const struct ec_saga *const", &sagas);
    emit_list(w, "keyspaces", "const struct ec_keyspace *const", &keyspaces);
    emit_list(w, "topics", "const struct ec_topic *const", &topics);
}

void ecc_emit_service(struct ecc_codegen *cg, struct ecc_shapes *shapes)
{
    const struct ecc_node *node = shapes->node;
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_C);
    struct names settings = {0}, ops = {0}, consumers = {0};
    bool service = node->kind == ECC_NODE_SERVICE;

    ecc_wl(w, "#include \"%s\"", shapes->header);
    ecc_w_blank(w);
    emit_settings(shapes, w, &settings);
    if (service) {
        emit_ops(shapes, w, &ops);
        emit_consumers(shapes, w, &consumers);
    }
    ecc_w_open(w, "static const struct ec_service service = {");
    ecc_wl(w, ".name = %s,", quoted(shapes, node->name));
    emit_modules(shapes, w);
    emit_list(w, "settings", "struct ec_setting *const", &settings);
    emit_list(w, "ops", "const struct ec_op *const", &ops);
    emit_list(w, "consumers", "const struct ec_consumer *const", &consumers);
    emit_things(shapes, w);
    if (service && node->u.service.has_database) {
        ecc_wl(w, ".migrations = migrations,");
        if (node->u.service.nseeds > 0)
            ecc_wl(w, ".seed = seed,");
    }
    if (shapes->sqls.n > 0)
        ecc_wl(w, ".statements = statements,");
    if (node->kind == ECC_NODE_GATEWAY) {
        ecc_wl(w, ".gateway = &gateway,");
        ecc_wl(w, ".port = %d,", node->u.gateway.port);
    }
    ecc_wl(w, ".workers = %d,", service && node->u.service.workers > 0 ? node->u.service.workers : 1);
    ecc_w_close(w, "};");
    ecc_w_blank(w);
    ecc_wl(w, "int main(int argc, char **argv)");
    ecc_w_open(w, "{");
    ecc_wl(w, "return ec_main(argc, argv, &service);");
    ecc_w_close(w, "}");
    ecc_codegen_add(cg, shapes, "main.c", w);
}
