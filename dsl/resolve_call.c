/* Statements that speak to others: calls along an edge, sagas that are started and awaited, events, cache keys. */
#include "resolve.h"

#include <string.h>

/* An error that comes from elsewhere and is not caught becomes this operation's own. Those of 5xx say "not now": every operation
 * may fail so, and need not declare it. */
void ecc_check_raised(struct ecc_resolver *r, const struct ecc_body *body, const struct ecc_error *error, struct ecc_span span,
                      const char *by)
{
    if (!body->op || error->status >= 500 || ecc_has_error(body->op->errors, body->op->nerrors, error))
        return;
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_UNDECLARED, span, "%s can fail with `%s`, which %s does not declare", by, error->name,
                                  body->what);
    ecc_diag_second(d, body->op->span, "add it to the errors of this operation");
    ecc_diag_help(r->diags, d, "or catch it: catch %s { ... }", error->name);
}

/* ------------------------------------------------------------------ catch */

struct raised { /* what a call or a saga can fail with */
    const struct ecc_error **items;
    size_t n, cap;
};

static void raises(struct ecc_resolver *r, struct raised *list, const struct ecc_error *error)
{
    if (error && !ecc_has_error(list->items, list->n, error))
        ECC_PUSH(r->arena, list, error);
}

static void resolve_catches(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_catches *ast, const struct raised *raised,
                            bool needs_end, const char *by, struct ecc_catch **out, size_t *n)
{
    *out = ECC_NEW_ARRAY(r->arena, struct ecc_catch, ast->n);
    *n = 0;
    for (size_t i = 0; i < ast->n; i++) {
        const struct ecc_ast_catch *c = ast->items[i];
        const struct ecc_error *error = ecc_lookup_error(r, &c->error);
        struct ecc_mark mark = ecc_scope_enter(body);
        bool ends;
        struct ecc_block block = ecc_resolve_block(r, body, &c->body, &ends);
        ecc_scope_leave(body, mark);
        if (!error)
            continue;
        for (size_t k = 0; k < *n; k++)
            if ((*out)[k].error == error)
                ecc_diag(r->diags, ECC_E_DUPLICATE, c->error.span, "error `%s` is caught twice", error->name);
        if (!ecc_has_error(raised->items, raised->n, error)) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_NEVER_RAISED, c->error.span, "%s never fails with `%s`", by, error->name);
            ecc_diag_second(d, error->span, "declared here");
        }
        if (needs_end && !ends)
            ecc_diag(r->diags, ECC_E_CATCH_GOES_ON, c->span, "this catch must end with return, accept or fail: what comes after uses the result");
        (*out)[(*n)++] = (struct ecc_catch){error, block};
    }
}

static bool is_caught(const struct ecc_catch *catches, size_t n, const struct ecc_error *error)
{
    for (size_t i = 0; i < n; i++)
        if (catches[i].error == error)
            return true;
    return false;
}

/* ------------------------------------------------------------------ calls */

static struct ecc_stmt *unknown_remote(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_inits *args)
{
    for (size_t i = 0; i < args->n; i++) /* for what may be wrong in the arguments */
        ecc_resolve_expr(r, body, args->items[i]->value, &ecc_type_unknown);
    return NULL;
}

struct ecc_stmt *ecc_resolve_remote(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_remote *ast,
                                    const struct ecc_ast_inits *args, bool service_only, const char *step)
{
    const struct ecc_node *node = ecc_lookup_node(r, &ast->node);
    const struct ecc_op *op = NULL;
    const struct ecc_ext_call *ext = NULL;

    if (node && node->kind == ECC_NODE_SERVICE) {
        op = ecc_lookup_op(r, node, &ast->op);
    } else if (node && node->kind == ECC_NODE_EXTERNAL && !service_only) {
        ext = ecc_lookup(r, &node->u.external.calls, &ast->op, ECC_E_UNKNOWN_OP,
                         ecc_arena_printf(r->arena, "call of %s called", node->name));
    } else if (node) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_NODE_KIND, ast->node.span, "%s can't be called%s: it is %s", node->name,
                                      service_only ? " from here" : "", ecc_node_kind_name(node->kind));
        ecc_diag_second(d, node->span, "declared here");
    }
    if (!op && !ext)
        return unknown_remote(r, body, args);
    if (node == body->node) {
        ecc_diag(r->diags, ECC_E_SELF_CALL, ast->span, "%s can't call itself", node->name);
        return unknown_remote(r, body, args);
    }
    struct ecc_stmt *stmt = ecc_stmt_new(r, body, ECC_STMT_CALL, ast->span);
    stmt->u.call.edge = ecc_need_edge(r, body->node, node, ast->node.span, NULL);
    stmt->u.call.op = op;
    stmt->u.call.ext = ext;
    stmt->u.call.args = ecc_resolve_record(r, body, op ? op->params : ext->request, args, ast->span, "argument");
    if (!step)
        step = ecc_snake_name(r->arena, ecc_arena_printf(r->arena, "%s_%s", node->name, op ? op->name : ext->name));
    stmt->u.call.name = ecc_unique_name(r, &body->steps, step);
    bool keyed = body->kind == ECC_BODY_STEP || body->kind == ECC_BODY_END || body->kind == ECC_BODY_CONSUMER;
    struct ecc_call_site site = {body->node, stmt, body->op, body->route, body->saga, keyed};
    ECC_PUSH(r->arena, &r->calls, site);
    ECC_PUSH(r->arena, &body->effects->calls, stmt);
    return stmt;
}

/* Without `key` a provider's key comes from the program's own and the call's name: a second such call would be taken for a repeat. */
static void check_key(struct ecc_resolver *r, const struct ecc_body *body, const struct ecc_stmt *stmt, const char *by)
{
    const struct ecc_ext_call *ext = stmt->u.call.ext;
    const struct ecc_effects *e = body->effects;

    if (!ext->idempotency_header)
        return;
    for (size_t i = 0; i < e->calls.n; i++) {
        const struct ecc_stmt *other = e->calls.items[i];
        bool again = other == stmt ? body->loops > 0 : other->u.call.ext == ext;
        if (!again || (stmt->u.call.key && other->u.call.key))
            continue;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_SHARED_KEY, stmt->span, "%s is called more than once under one key", by);
        if (other != stmt)
            ecc_diag_second(d, other->span, "the other call");
        ecc_diag_help(r->diags, d, "say which effect is meant: %s(...) key EXPRESSION", by);
        return;
    }
}

void ecc_resolve_call(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, struct ecc_stmt **out)
{
    const struct ecc_ast_remote *remote = ast->u.call.remote;
    const char *by = ecc_arena_printf(r->arena, "%s.%s", remote->node.text, remote->op.text);
    struct ecc_stmt *stmt = ecc_resolve_remote(r, body, remote, &remote->args, false, ast->let.text);
    const struct ecc_type *type = &ecc_type_unknown;
    struct raised raised = {0};

    if (body->in_tx) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_CALL_IN_TX, ast->span, "a call inside a transaction");
        ecc_diag_second(d, body->tx, "it begins here");
        ecc_diag_help(r->diags, d, "locks would be held while the other side thinks: call before or after the `tx`");
    }
    if (!stmt) {
        struct ecc_stmt nothing = {0};
        ecc_let(r, body, &nothing, ast, type);
        for (size_t i = 0; i < ast->u.call.catches.n; i++) {
            struct ecc_mark mark = ecc_scope_enter(body);
            bool ends;
            ecc_resolve_block(r, body, &ast->u.call.catches.items[i]->body, &ends);
            ecc_scope_leave(body, mark);
        }
        return;
    }
    *out = stmt;
    const struct ecc_op *op = stmt->u.call.op;
    const struct ecc_ext_call *ext = stmt->u.call.ext;
    if (op) {
        type = op->result;
        for (size_t i = 0; i < op->nerrors; i++)
            raises(r, &raised, op->errors[i]);
    } else {
        type = ext->reply ? ecc_type_of_record(r->arena, ext->reply) : &ecc_type_void;
        for (size_t i = 0; i < ext->nerrors; i++)
            raises(r, &raised, ext->errors[i].error);
    }
    if (stmt->u.call.edge) {
        raises(r, &raised, stmt->u.call.edge->on_open);
        raises(r, &raised, stmt->u.call.edge->on_failure);
    }
    if (ast->u.call.key && (!ext || !ext->idempotency_header)) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_KEY, ast->u.call.key->span, "%s takes no key", by);
        ecc_diag_help(r->diags, d, ext ? "its declaration names no idempotency header" : "calls between services get theirs by themselves");
    } else if (ast->u.call.key) {
        stmt->u.call.key = ecc_resolve_to(r, body, ast->u.call.key, &ecc_type_text, "the key");
    }
    if (ext)
        check_key(r, body, stmt, by);
    resolve_catches(r, body, &ast->u.call.catches, &raised, ast->let.text != NULL, by, &stmt->u.call.catches, &stmt->u.call.ncatches);
    for (size_t i = 0; i < raised.n; i++)
        if (!is_caught(stmt->u.call.catches, stmt->u.call.ncatches, raised.items[i]))
            ecc_check_raised(r, body, raised.items[i], remote->op.span, by);
    ecc_let(r, body, stmt, ast, type);
}

/* ------------------------------------------------------------------ sagas */

void ecc_resolve_start(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, struct ecc_stmt *stmt)
{
    struct ecc_saga *saga = ecc_lookup(r, &r->spaces->sagas, &ast->u.start.saga, ECC_E_UNKNOWN_SAGA, "saga");
    const struct ecc_type *type = &ecc_type_unknown;

    if (!body->in_tx)
        ecc_diag(r->diags, ECC_E_START, ast->span, "a saga is started inside `tx`: it begins when the transaction is committed");
    if (body->loops)
        ecc_diag(r->diags, ECC_E_START, ast->span, "a saga can't be started in a loop");
    body->effects->starts = true;
    body->tx_writes = true;
    if (saga) {
        if (saga->service && saga->service != body->node) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_START, ast->u.start.saga.span, "saga `%s` belongs to %s, not to %s", saga->name,
                                          saga->service->name, body->node->name);
            ecc_diag_second(d, saga->span, "declared here");
        }
        stmt->u.start.saga = saga;
        stmt->u.start.args = ecc_resolve_record(r, body, saga->params, &ast->u.start.args, ast->span, "argument");
        stmt->u.start.name = ecc_unique_name(r, &body->steps, ast->let.text ? ast->let.text : ecc_snake_name(r->arena, saga->name));
        ecc_mark(r, saga, "started");
        struct ecc_type *t = ECC_NEW(r->arena, struct ecc_type);
        t->kind = ECC_TYPE_SAGA;
        t->saga = saga;
        type = t;
    }
    ecc_let(r, body, stmt, ast, type);
}

void ecc_resolve_await(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, struct ecc_stmt *stmt)
{
    struct ecc_ast_expr name = {.kind = ECC_AST_EXPR_NAME, .span = ast->u.await.saga.span};
    struct raised raised = {0};
    const struct ecc_saga *saga = NULL;

    name.u.name = ast->u.await.saga;
    body->effects->starts = true;
    const struct ecc_expr *expr = ecc_resolve_expr(r, body, &name, NULL);
    stmt->u.await.saga = expr;
    if (body->in_tx) {
        struct ecc_diag *d =
            ecc_diag(r->diags, ECC_E_CALL_IN_TX, ast->span, "a saga can't be awaited inside a transaction: it has not begun yet");
        ecc_diag_second(d, body->tx, "it begins here");
    }
    if (!ECC_IS_UNKNOWN(expr->type)) {
        if (expr->type->kind == ECC_TYPE_SAGA)
            saga = expr->type->saga;
        else
            ecc_diag(r->diags, ECC_E_TYPE, expr->span, "only what `start` gave can be awaited, but this is %s",
                     ecc_type_name(r->arena, expr->type));
    }
    for (size_t i = 0; saga && i < saga->nerrors; i++)
        raises(r, &raised, saga->errors[i]);
    if (ast->u.await.has_late) {
        struct ecc_mark mark = ecc_scope_enter(body);
        bool ends;
        stmt->u.await.has_late = true;
        stmt->u.await.late = ecc_resolve_block(r, body, &ast->u.await.late, &ends);
        ecc_scope_leave(body, mark);
        if (!ends)
            ecc_diag(r->diags, ECC_E_CATCH_GOES_ON, ast->span, "`late` must end with accept, return or fail: the saga is still running");
    }
    const char *by = saga ? ecc_arena_printf(r->arena, "saga `%s`", saga->name) : "the saga";
    resolve_catches(r, body, &ast->u.await.catches, &raised, false, by, &stmt->u.await.catches, &stmt->u.await.ncatches);
    for (size_t i = 0; i < raised.n; i++)
        if (!is_caught(stmt->u.await.catches, stmt->u.await.ncatches, raised.items[i]))
            ecc_check_raised(r, body, raised.items[i], ast->u.await.saga.span, by);
}

/* ------------------------------------------------------------------ events */

void ecc_resolve_publish(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, struct ecc_stmt *stmt)
{
    const struct ecc_name *name = &ast->u.publish.event;
    const struct ecc_event *event = ecc_lookup_event(r, name, ast->u.publish.version, "publish");

    if (!body->in_tx) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_PUBLISH, ast->span, "an event is published inside `tx`");
        ecc_diag_help(r->diags, d, "so that it is sent when, and only when, what it tells of is committed");
    }
    body->tx_writes = true;
    if (!event) {
        for (size_t i = 0; i < ast->u.publish.body->u.record.inits.n; i++)
            ecc_resolve_expr(r, body, ast->u.publish.body->u.record.inits.items[i]->value, &ecc_type_unknown);
        return;
    }
    stmt->u.publish.event = event;
    stmt->u.publish.body =
        ecc_resolve_record(r, body, event->body, &ast->u.publish.body->u.record.inits, ast->u.publish.body->span, "field");
    ecc_mark(r, event, "published");
    if (event->topic)
        ecc_mark(r, event->topic, event->name);
    if (!event->topic) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_NO_TOPIC, name->span, "no topic carries event `%s`", event->name);
        ecc_diag_second(d, event->span, "declared here");
        return;
    }
    const struct ecc_node *bus = ecc_bus_node(event->topic->bus);
    const struct ecc_edge *edge = ecc_need_edge(r, body->node, bus, name->span,
                                                ecc_arena_printf(r->arena, "{ publish %s }", event->topic->name));
    for (size_t i = 0; edge && i < edge->npublish; i++)
        if (edge->publish[i] == event->topic) {
            ecc_mark(r, &edge->publish, event->topic->name);
            return;
        }
    if (!edge)
        return;
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_NO_EDGE, name->span, "%s does not publish to topic %s", body->node->name,
                                  event->topic->name);
    ecc_diag_second(d, edge->span, "add `publish` of the topic here");
}

/* ------------------------------------------------------------------ caches */

bool ecc_resolve_keyed(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_keyed *ast, struct ecc_cache_ref *out)
{
    const struct ecc_node *cache = ecc_lookup_kind(r, &ast->cache, ECC_NODE_CACHE);
    const struct ecc_keyspace *keyspace = cache ? ecc_lookup(r, &cache->u.cache.keyspaces, &ast->space, ECC_E_UNKNOWN_KEYSPACE,
                                                             ecc_arena_printf(r->arena, "keyspace of %s called", cache->name))
                                                : NULL;

    if (!keyspace || !keyspace->value) {
        ecc_resolve_expr(r, body, ast->key, &ecc_type_unknown);
        return false;
    }
    out->keyspace = keyspace;
    out->key = ecc_resolve_to(r, body, ast->key, keyspace->key->type, "the key");
    const struct ecc_edge *edge =
        ecc_need_edge(r, body->node, cache, ast->cache.span, ecc_arena_printf(r->arena, "{ keyspace %s }", keyspace->name));
    out->edge = edge;
    for (size_t i = 0; edge && i < edge->nkeyspaces; i++)
        if (edge->keyspaces[i] == keyspace) {
            ecc_mark(r, &edge->keyspaces, keyspace->name);
            return true;
        }
    if (edge) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_NO_EDGE, ast->space.span, "%s has no access to keyspace %s", body->node->name,
                                      keyspace->name);
        ecc_diag_second(d, edge->span, "add `keyspace` here");
    }
    return true;
}
