/* The outline of a source: declarations and what they have inside. From the tree, so that it is there whatever else is wrong. */
#include "server.h"

#include <string.h>

enum {
    MODULE = 2,
    NAMESPACE = 3,
    CLASS = 5,
    METHOD = 6,
    FIELD = 8,
    ENUM = 10,
    INTERFACE = 11,
    FUNCTION = 12,
    CONSTANT = 14,
    KEY = 20,
    ENUM_MEMBER = 22,
    STRUCT = 23,
    EVENT = 24,
    OPERATOR = 25
};

struct outline {
    const struct lsp_view *view;
    const struct lsp_document *doc;
    bool flat;         /* SymbolInformation, for clients that know no other; and for all of a workspace */
    const char *query; /* flat: what names must have in them; or NULL */
    const char *container;
    json_t *all; /* flat */
};

static bool matches(const char *name, const char *query)
{
    return !query || !*query || strcasestr(name, query);
}

/* Adds one to `list`; returns where its own go. */
static json_t *add(struct outline *o, json_t *list, int kind, const char *name, const char *detail, struct ecc_span whole,
                   struct ecc_span at)
{
    json_t *children = NULL, *item;

    if (!name || !*name)
        name = "?";
    if (o->flat) {
        if (!matches(name, o->query))
            return list;
        item = json_pack("{s:s, s:i, s:o}", "name", name, "kind", kind, "location", lsp_location(o->doc, lsp_range(&o->view->text, at)));
        if (o->container)
            json_object_set_new(item, "containerName", json_string(o->container));
        json_array_append_new(o->all, item);
        return list;
    }
    if (at.start < whole.start || at.end > whole.end) /* what is chosen lies within */
        at = whole;
    children = json_array();
    item = json_pack("{s:s, s:i, s:o, s:o, s:o}", "name", name, "kind", kind, "range", lsp_range(&o->view->text, whole), "selectionRange",
                     lsp_range(&o->view->text, at), "children", children);
    if (detail)
        json_object_set_new(item, "detail", json_string(detail));
    json_array_append_new(list, item);
    return children;
}

static void add_fields(struct outline *o, json_t *list, const struct ecc_ast_fields *fields)
{
    for (size_t i = 0; i < fields->n; i++)
        add(o, list, FIELD, fields->items[i]->name.text, NULL, fields->items[i]->span, fields->items[i]->name.span);
}

static void add_service(struct outline *o, json_t *list, const struct ecc_ast_decl *d)
{
    const struct ecc_ast_database *db = &d->u.service.database;

    for (size_t i = 0; i < d->u.service.settings.n; i++) {
        const struct ecc_ast_setting *s = d->u.service.settings.items[i];
        add(o, list, CONSTANT, s->field->name.text, "setting", s->span, s->field->name.span);
    }
    for (size_t i = 0; i < db->tables.n; i++) {
        const struct ecc_ast_table *t = db->tables.items[i];
        json_t *columns = add(o, list, CLASS, t->name.text, "table", t->span, t->name.span);
        for (size_t k = 0; k < t->columns.n; k++)
            add(o, columns, FIELD, t->columns.items[k]->name.text, NULL, t->columns.items[k]->span, t->columns.items[k]->name.span);
    }
    for (size_t i = 0; i < d->u.service.ops.n; i++) {
        const struct ecc_ast_op *op = d->u.service.ops.items[i];
        add(o, list, METHOD, op->name.text, "op", op->span, op->name.span);
    }
    for (size_t i = 0; i < d->u.service.consumers.n; i++) {
        const struct ecc_ast_consumer *c = d->u.service.consumers.items[i];
        add(o, list, EVENT, c->event.text, "consumer", c->span, c->event.span);
    }
}

static void add_gateway(struct outline *o, json_t *list, const struct ecc_ast_decl *d)
{
    struct ecc_arena *arena = (struct ecc_arena *)(uintptr_t)&o->view->arena;

    for (size_t i = 0; i < d->u.gateway.routes.n; i++) {
        const struct ecc_ast_route *r = d->u.gateway.routes.items[i];
        add(o, list, INTERFACE, ecc_arena_printf(arena, "%s %s", r->method.text, r->path.text), "route", r->span, r->path.span);
    }
}

static void add_decl(struct outline *o, json_t *list, const struct ecc_ast_decl *d)
{
    struct ecc_arena *arena = (struct ecc_arena *)(uintptr_t)&o->view->arena;
    const char *word = ecc_ast_decl_name(d->kind), *container = o->container;
    json_t *inside;

    o->container = d->name.text;
    switch (d->kind) {
    case ECC_AST_DECL_TOPOLOGY:
        o->container = container;
        add(o, list, NAMESPACE, d->title.text, word, d->span, d->title.span);
        break;
    case ECC_AST_DECL_ENUM:
        inside = add(o, list, ENUM, d->name.text, word, d->span, d->name.span);
        for (size_t i = 0; i < d->u.values.n; i++)
            add(o, inside, ENUM_MEMBER, d->u.values.items[i].text, NULL, d->u.values.items[i].span, d->u.values.items[i].span);
        break;
    case ECC_AST_DECL_RECORD:
        add_fields(o, add(o, list, STRUCT, d->name.text, word, d->span, d->name.span), &d->u.fields);
        break;
    case ECC_AST_DECL_EVENT:
        add_fields(o, add(o, list, EVENT, d->name.text, word, d->span, d->name.span), &d->u.event.fields);
        break;
    case ECC_AST_DECL_ERROR:
    case ECC_AST_DECL_POLICY:
        add(o, list, CONSTANT, d->name.text, word, d->span, d->name.span);
        break;
    case ECC_AST_DECL_CLIENT:
        add(o, list, MODULE, d->name.text, word, d->span, d->name.span);
        break;
    case ECC_AST_DECL_BUS:
        inside = add(o, list, MODULE, d->name.text, word, d->span, d->name.span);
        for (size_t i = 0; i < d->u.bus.topics.n; i++)
            add(o, inside, KEY, d->u.bus.topics.items[i]->name.text, "topic", d->u.bus.topics.items[i]->span,
                d->u.bus.topics.items[i]->name.span);
        break;
    case ECC_AST_DECL_CACHE:
        inside = add(o, list, MODULE, d->name.text, word, d->span, d->name.span);
        for (size_t i = 0; i < d->u.cache.keyspaces.n; i++)
            add(o, inside, KEY, d->u.cache.keyspaces.items[i]->name.text, "keyspace", d->u.cache.keyspaces.items[i]->span,
                d->u.cache.keyspaces.items[i]->name.span);
        break;
    case ECC_AST_DECL_EXTERNAL:
        inside = add(o, list, MODULE, d->name.text, word, d->span, d->name.span);
        for (size_t i = 0; i < d->u.external.calls.n; i++)
            add(o, inside, METHOD, d->u.external.calls.items[i]->name.text, "call", d->u.external.calls.items[i]->span,
                d->u.external.calls.items[i]->name.span);
        break;
    case ECC_AST_DECL_SERVICE:
        add_service(o, add(o, list, MODULE, d->name.text, word, d->span, d->name.span), d);
        break;
    case ECC_AST_DECL_GATEWAY:
        add_gateway(o, add(o, list, MODULE, d->name.text, word, d->span, d->name.span), d);
        break;
    case ECC_AST_DECL_SAGA:
        inside = add(o, list, FUNCTION, d->name.text, word, d->span, d->name.span);
        for (size_t i = 0; i < d->u.saga.steps.n; i++)
            add(o, inside, METHOD, d->u.saga.steps.items[i]->name.text, "step", d->u.saga.steps.items[i]->span,
                d->u.saga.steps.items[i]->name.span);
        break;
    case ECC_AST_DECL_EDGE:
    case ECC_AST_DECL_FORBID: {
        const struct ecc_name *from = d->kind == ECC_AST_DECL_EDGE ? &d->u.edge.from : &d->u.forbid.from;
        const struct ecc_name *to = d->kind == ECC_AST_DECL_EDGE ? &d->u.edge.to : &d->u.forbid.to;
        o->container = container;
        add(o, list, OPERATOR, ecc_arena_printf(arena, "%s -> %s", from->text, to->text), word, d->span,
            (struct ecc_span){from->span.start, to->span.end});
        break;
    }
    case ECC_AST_DECL_INVARIANT:
        add(o, list, FUNCTION, d->u.invariant.name.text, word, d->span, d->u.invariant.name.span);
        break;
    case ECC_AST_DECL_IDENTITY:
    case ECC_AST_DECL_SCENARIO:
        add(o, list, FUNCTION, d->name.text, word, d->span, d->name.span);
        break;
    case ECC_AST_DECL_DROP:
        break;
    }
    o->container = container;
}

static void add_all(struct outline *o, json_t *list)
{
    const struct ecc_ast_decls *decls = &o->view->analysis.file->decls;

    for (size_t i = 0; i < decls->n; i++)
        add_decl(o, list, decls->items[i]);
}

json_t *lsp_document_symbol(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    struct lsp_document *doc = lsp_document_of(s, params, failure);
    json_t *all;

    if (!doc)
        return NULL;
    all = json_array();
    struct outline o = {.view = lsp_document_view(s, doc), .doc = doc, .flat = !s->client.hierarchy, .all = all};
    add_all(&o, all);
    return all;
}

json_t *lsp_workspace_symbol(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    const char *query = json_string_value(json_object_get(params, "query"));
    json_t *all;

    if (!query)
        return lsp_fail(failure, LSP_INVALID_PARAMS, "query is missing");
    all = json_array();
    for (struct lsp_document *doc = s->documents; doc; doc = doc->next) {
        struct outline o = {.view = lsp_document_view(s, doc), .doc = doc, .flat = true, .query = query, .all = all};
        add_all(&o, all);
    }
    return all;
}
