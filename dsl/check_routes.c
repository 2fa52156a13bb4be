/* Rules of routes: statuses, bodies, what may be cached and under which key, where an accepted request is found. */
#include "resolve.h"

#include <string.h>

static bool is(const struct ecc_route *route, const char *method)
{
    return strcmp(route->method, method) == 0;
}

/* ------------------------------------------------------------------ caching */

struct leaf { const struct ecc_var *var; const struct ecc_field *field; };
struct leaves { struct leaf *items; size_t n, cap; };

/* What of the request an expression reads: fields of path, query and identity. */
static void find_leaves(struct ecc_resolver *r, const struct ecc_expr *e, struct leaves *out)
{
    if (!e)
        return;
    switch (e->kind) {
    case ECC_EXPR_FIELD:
        if (e->u.field.of->kind == ECC_EXPR_VAR)
            ECC_PUSH(r->arena, out, ((struct leaf){e->u.field.of->u.var, e->u.field.field}));
        else
            find_leaves(r, e->u.field.of, out);
        break;
    case ECC_EXPR_VAR:
        ECC_PUSH(r->arena, out, ((struct leaf){e->u.var, NULL}));
        break;
    case ECC_EXPR_RECORD:
        for (size_t i = 0; i < e->u.record.ninits; i++)
            find_leaves(r, e->u.record.inits[i].value, out);
        break;
    case ECC_EXPR_LIST:
        for (size_t i = 0; i < e->u.list.nitems; i++)
            find_leaves(r, e->u.list.items[i], out);
        break;
    case ECC_EXPR_UNARY:
    case ECC_EXPR_BINARY:
        find_leaves(r, e->u.op.left, out);
        find_leaves(r, e->u.op.right, out);
        break;
    case ECC_EXPR_CALL:
        find_leaves(r, e->u.call.arg, out);
        break;
    case ECC_EXPR_CONVERT:
        find_leaves(r, e->u.convert, out);
        break;
    default:
        break;
    }
}

static void check_cache(struct ecc_resolver *r, const struct ecc_ast_route *ast, const struct ecc_route *route)
{
    const struct ecc_keyspace *k = route->cache.keyspace;
    struct leaves args = {0}, key = {0};

    if (!is(route, "GET") || !route->call) {
        ecc_diag(r->diags, ECC_E_ROUTE_CACHE, ast->cache->span, "only a GET of one operation can be cached");
        return;
    }
    if (!ECC_IS_UNKNOWN(route->result) && (route->result->kind != ECC_TYPE_RECORD || route->result->record != k->value)) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_ROUTE_CACHE, ast->cache->span, "keyspace %s does not hold %s", k->name,
                                      ecc_type_name(r->arena, route->result));
        ecc_diag_second(d, k->span, "declared here");
    }
    if (!ecc_op_reads(r, route->call->u.call.op))
        ecc_diag(r->diags, ECC_E_ROUTE_CACHE, ast->cache->span, "%s writes: a cached reply would skip that", route->call->u.call.op->name);
    find_leaves(r, route->call->u.call.args, &args);
    find_leaves(r, route->cache.key, &key);
    for (size_t i = 0; i < args.n; i++) {
        bool found = false;
        for (size_t k2 = 0; k2 < key.n; k2++)
            found = found || (key.items[k2].var == args.items[i].var && key.items[k2].field == args.items[i].field);
        if (found)
            continue;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_ROUTE_CACHE, ast->cache->key->span,
                                      "the reply depends on %s.%s, but the key does not: requests would get each other's replies",
                                      args.items[i].var->name, args.items[i].field ? args.items[i].field->name : "all");
        ecc_diag_help(r->diags, d, "make it part of the key");
        return;
    }
}

/* ------------------------------------------------------------------ accepted */

static void check_accepted(struct ecc_resolver *r, const struct ecc_ast_route *ast, const struct ecc_route *route)
{
    struct ecc_names names;

    if (!ecc_path_names(r, &ast->accepted, &names) || ECC_IS_UNKNOWN(route->result))
        return;
    for (size_t i = 0; i < names.n; i++) {
        const struct ecc_field *f =
            route->result->kind == ECC_TYPE_RECORD ? ecc_find_name(r, route->result->record, &names.items[i]) : NULL;
        if (!f)
            ecc_unknown(r, route->result->kind == ECC_TYPE_RECORD ? route->result->record : NULL, &names.items[i], ECC_E_ACCEPTED,
                        "field of the reply called");
        else if (!ECC_IS_UNKNOWN(f->type) && (!ecc_type_is_scalar(f->type) || f->type->optional || f->type->kind == ECC_TYPE_SECRET))
            ecc_diag(r->diags, ECC_E_ACCEPTED, names.items[i].span, "%s can't stand in a path", ecc_type_name(r->arena, f->type));
    }
    if (!route->call)
        return;
    const struct ecc_effects *effects = ecc_find(r, route->call->u.call.op, "effects");
    if (effects && !effects->accepts && !effects->custom) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_W_NEVER_ACCEPTS, ast->accepted.span, "%s never accepts: this path is never given",
                                      route->call->u.call.op->name);
        ecc_diag_second(d, route->call->u.call.op->span, "declared here");
    }
}

/* ------------------------------------------------------------------ all */

static void check_route(struct ecc_resolver *r, const struct ecc_ast_route *ast, const struct ecc_route *route)
{
    if (ast->has_status && ecc_in_range(r, ast->status, 200, 299, ast->status_span, "the status of a reply")) {
        bool empty = ast->status == 204 || ast->status == 205;
        if (empty && !ECC_IS_UNKNOWN(route->result) && route->result->kind != ECC_TYPE_VOID)
            ecc_diag(r->diags, ECC_E_ROUTE_STATUS, ast->status_span, "%d has no body, but there is a result", route->status);
        if (ast->status == 202)
            ecc_diag(r->diags, ECC_E_ROUTE_STATUS, ast->status_span, "202 is given by itself when the operation accepts");
    }
    if (route->body && (is(route, "GET") || is(route, "HEAD") || is(route, "DELETE"))) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_ROUTE_FIELD, ast->path.span, "%s has no body", route->method);
        ecc_diag_help(r->diags, d, "take the fields from the query: ...query");
    }
    if (route->idempotent && (is(route, "GET") || is(route, "HEAD")))
        ecc_diag(r->diags, ECC_E_IDEMPOTENT, ast->idempotent_span, "%s is idempotent by itself", route->method);
    if (route->idempotent && !route->call && ast->branches.n)
        ecc_diag(r->diags, ECC_E_IDEMPOTENT, ast->idempotent_span, "a route to many can't be idempotent under one key");
    for (const char *p = strchr(route->path, '/'); p && p[1]; p = strchr(p + 1, '/'))
        if (p[1] == '/') {
            ecc_diag(r->diags, ECC_E_PATH, ast->path.span, "an empty part in a path");
            break;
        }
    if (route->cache.keyspace)
        check_cache(r, ast, route);
    if (route->accepted)
        check_accepted(r, ast, route);
}

void ecc_check_routes(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node)
{
    for (size_t i = 0; i < node->u.gateway.nroutes; i++)
        check_route(r, ast->u.gateway.routes.items[i], node->u.gateway.routes[i]);
}
