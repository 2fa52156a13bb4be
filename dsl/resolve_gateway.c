/* Gateways: authentication, limits, routes.
 *
 * What a route reads from path, query and body is typed by where it goes: `sku: path.sku` makes the path's sku what the operation's
 * parameter sku is. So a first look at the arguments collects the fields (spreads become one argument for each parameter that has
 * none); then variables of those records are bound and the arguments resolved as anywhere else.
 */
#include "resolve.h"
#include "route_tree.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* ------------------------------------------------------------------ fields that arguments ask for */

enum source { PATH, QUERY, BODY, SOURCES };
static const char *const source_names[] = {"path", "query", "body"};

struct drafts { /* of one route */
    struct { struct ecc_field *items; size_t n, cap; } of[SOURCES];
    char spaces[SOURCES]; /* of the fields' names, value: index + 1 */
    const struct ecc_route *route;
    struct ecc_names path_names;
};

static void add_field(struct ecc_resolver *r, struct drafts *d, enum source source, const struct ecc_name *name, const struct ecc_field *param)
{
    const struct ecc_type *type = param->type;
    struct ecc_symbol *e = ecc_symbols_find(&r->symbols, &d->spaces[source], name->text);

    if (e) { /* used twice: both uses must agree */
        struct ecc_field *first = &d->of[source].items[(uintptr_t)e->value - 1];
        if (ecc_type_fit(first->type, type) != ECC_FIT_NOT)
            return;
        ecc_diag(r->diags, ECC_E_ROUTE_FIELD, name->span, "%s.%s is %s for one argument and %s for another", source_names[source],
                 name->text, ecc_type_name(r->arena, first->type), ecc_type_name(r->arena, type));
        first->type = &ecc_type_unknown;
        return;
    }
    if (!ECC_IS_UNKNOWN(type) && source != BODY && (!ecc_type_is_scalar(type) || type->kind == ECC_TYPE_SECRET)) {
        ecc_diag(r->diags, ECC_E_ROUTE_FIELD, name->span, "%s can't come from the %s", ecc_type_name(r->arena, type), source_names[source]);
        type = &ecc_type_unknown;
    }
    if (source == PATH)
        type = ecc_type_present(r->arena, type);
    struct ecc_field field = {.name = name->text, .wire = source == PATH ? name->text : strcmp(name->text, param->name) == 0 ? param->wire : name->text,
                              .was = source != PATH && strcmp(name->text, param->name) == 0 ? param->was : NULL, .type = type,
                              .dflt = source == PATH ? NULL : param->dflt, .span = name->span};
    if (source != PATH && strcmp(name->text, param->name) == 0)
        field.origin = param;
    ECC_PUSH(r->arena, &d->of[source], field);
    ecc_symbols_add(&r->symbols, &d->spaces[source], name->text, (void *)(uintptr_t)d->of[source].n, name->span);
}

static int source_of(const struct ecc_ast_expr *e)
{
    if (e->kind == ECC_AST_EXPR_NAME)
        for (int s = 0; s < SOURCES; s++)
            if (strcmp(e->u.name.text, source_names[s]) == 0)
                return s;
    return -1;
}

/* Fields in expressions that are no argument by themselves: texts. */
static void look_inside(struct ecc_resolver *r, struct drafts *d, const struct ecc_ast_expr *e)
{
    static const struct ecc_field text = {.name = "", .wire = "", .type = &ecc_type_text};

    if (e->kind == ECC_AST_EXPR_MEMBER) {
        int source = source_of(e->u.member.of);
        if (source < 0)
            look_inside(r, d, e->u.member.of);
        else if (!ecc_symbols_find(&r->symbols, &d->spaces[source], e->u.member.name.text))
            add_field(r, d, (enum source)source, &e->u.member.name, &text);
    } else if (e->kind == ECC_AST_EXPR_BINARY) {
        look_inside(r, d, e->u.op.left);
        look_inside(r, d, e->u.op.right);
    } else if (e->kind == ECC_AST_EXPR_UNARY) {
        look_inside(r, d, e->u.op.left);
    } else if (e->kind == ECC_AST_EXPR_LIST) {
        for (size_t i = 0; i < e->u.list.n; i++)
            look_inside(r, d, e->u.list.items[i]);
    } else if (e->kind == ECC_AST_EXPR_RECORD) {
        for (size_t i = 0; i < e->u.record.inits.n; i++)
            look_inside(r, d, e->u.record.inits.items[i]->value);
    }
}

/* `...body`: an argument `name: body.name` for each parameter without one. */
static void spread_source(struct ecc_resolver *r, struct drafts *d, enum source source, const struct ecc_ast_init *ast,
                          const struct ecc_record *params, const void *given, struct ecc_ast_inits *out)
{
    size_t before = out->n;

    for (size_t i = 0; i < params->nfields; i++) {
        struct ecc_field *param = &params->fields[i];
        struct ecc_name name = {param->name, ast->span};
        if (!ecc_mark(r, given, param->name))
            continue;
        add_field(r, d, source, &name, param);
        struct ecc_ast_init *init = ECC_NEW(r->arena, struct ecc_ast_init);
        struct ecc_ast_expr *value = ECC_NEW(r->arena, struct ecc_ast_expr);
        *value = (struct ecc_ast_expr){.kind = ECC_AST_EXPR_MEMBER, .span = ast->span};
        value->u.member.of = ast->value;
        value->u.member.name = name;
        *init = (struct ecc_ast_init){.name = name, .value = value, .span = ast->span};
        ECC_PUSH(r->arena, out, init);
    }
    if (out->n == before)
        ecc_diag(r->diags, ECC_E_SPREAD, ast->span, "this spread gives nothing: every parameter has an argument");
}

static const struct ecc_op *find_op(struct ecc_resolver *r, const struct ecc_ast_remote *call)
{
    const struct ecc_node *node = ecc_find(r, &r->spaces->nodes, call->node.text);

    return node && node->kind == ECC_NODE_SERVICE ? ecc_find(r, &node->u.service.ops, call->op.text) : NULL;
}

/* First look at one call. Returns its arguments with spreads of sources written out. */
static const struct ecc_ast_inits *collect_fields(struct ecc_resolver *r, struct drafts *d, const struct ecc_ast_remote *call)
{
    const struct ecc_op *op = find_op(r, call);
    struct ecc_ast_inits *args = ECC_NEW(r->arena, struct ecc_ast_inits);

    for (size_t i = 0; i < call->args.n; i++) {
        struct ecc_ast_init *a = call->args.items[i];
        const struct ecc_field *param = op && a->name.text ? ecc_find(r, op->params, a->name.text) : NULL;
        int source = a->value->kind == ECC_AST_EXPR_MEMBER ? source_of(a->value->u.member.of) : -1;
        if (a->name.text)
            ecc_mark(r, args, a->name.text);
        if (a->spread && source_of(a->value) >= 0)
            continue;
        ECC_PUSH(r->arena, args, a);
        if (param && source >= 0)
            add_field(r, d, (enum source)source, &a->value->u.member.name, param);
        else
            look_inside(r, d, a->value);
    }
    for (size_t i = 0; op && i < call->args.n; i++) {
        const struct ecc_ast_init *a = call->args.items[i];
        if (a->spread && source_of(a->value) >= 0)
            spread_source(r, d, (enum source)source_of(a->value), a, op->params, args, args);
    }
    return args;
}

/* ------------------------------------------------------------------ records of path, query, body */

static const struct ecc_var *bind_source(struct ecc_resolver *r, struct ecc_body *body, const struct drafts *d, enum source source,
                                         const struct ecc_record **out)
{
    static const enum ecc_var_kind kinds[] = {ECC_VAR_PATH, ECC_VAR_QUERY, ECC_VAR_BODY};
    struct ecc_name name = {source_names[source], d->route->span};

    if (!d->of[source].n)
        return NULL;
    struct ecc_record *record = ECC_NEW(r->arena, struct ecc_record);
    record->fields = d->of[source].items;
    record->nfields = d->of[source].n;
    record->span = d->route->span;
    ecc_index_record(r, record);
    *out = record;
    return ecc_bind(r, body, kinds[source], &name, ecc_type_of_record(r->arena, record));
}

/* Path parameters stand in the record in the path's order, used or not. */
static void order_path(struct ecc_resolver *r, struct drafts *d)
{
    struct ecc_field *fields = ECC_NEW_ARRAY(r->arena, struct ecc_field, d->path_names.n + d->of[PATH].n);
    const char **names = ECC_NEW_ARRAY(r->arena, const char *, d->path_names.n + 1);
    size_t n = 0, used = d->of[PATH].n;

    for (size_t i = 0; i < d->path_names.n; i++) {
        const struct ecc_name *name = &d->path_names.items[i];
        names[i] = name->text;
        const struct ecc_symbol *e = ecc_symbols_find(&r->symbols, &d->spaces[PATH], name->text);
        if (!ecc_mark(r, d, name->text)) {
            ecc_diag(r->diags, ECC_E_DUPLICATE, name->span, "path parameter `%s` is there twice", name->text);
            continue;
        }
        if (e) {
            struct ecc_field *origin = ECC_NEW(r->arena, struct ecc_field);
            fields[n] = d->of[PATH].items[(uintptr_t)e->value - 1];
            *origin = fields[n];
            origin->span = name->span;
            fields[n++].origin = origin;
            ecc_refer(r, (struct ecc_ref){name->span, name->span, ECC_REF_FIELD, true, name->text, origin, NULL});
            used--;
        } else {
            ecc_diag(r->diags, ECC_E_ROUTE_FIELD, name->span, "path parameter `%s` goes nowhere", name->text);
        }
    }
    for (size_t i = 0; used && i < d->of[PATH].n; i++) {
        const struct ecc_field *f = &d->of[PATH].items[i];
        if (ecc_marked(r, d, f->name))
            continue;
        struct ecc_diag *g = ecc_diag(r->diags, ECC_E_ROUTE_FIELD, f->span, "the path has no parameter `%s`", f->name);
        const char *near = ecc_did_you_mean(f->name, names, d->path_names.n);
        ecc_diag_second(g, d->route->span, "this path");
        if (near) {
            ecc_diag_help(r->diags, g, "did you mean `%s`?", near);
            ecc_diag_fix(g, f->span, near);
        }
        fields[n++] = *f; /* said once */
    }
    d->of[PATH].items = fields;
    d->of[PATH].n = d->of[PATH].cap = n;
}

static const char *route_name(struct ecc_resolver *r, const struct ecc_route *route)
{
    size_t n = strlen(route->method) + strlen(route->path) + 2, at = 0;
    char *name = ecc_arena_alloc(r->arena, n);

    for (const char *p = route->method; *p; p++)
        name[at++] = (char)tolower((unsigned char)*p);
    for (const char *p = route->path; *p; p++) {
        if (isalnum((unsigned char)*p))
            name[at++] = (char)tolower((unsigned char)*p);
        else if (*p != '{' && *p != '}' && at && name[at - 1] != '_')
            name[at++] = '_';
    }
    if (at && name[at - 1] == '_')
        at--;
    name[at] = '\0';
    return name;
}

/* ------------------------------------------------------------------ results */

static void call_result(struct ecc_route *route)
{
    route->result = route->call ? route->call->u.call.op->result : &ecc_type_unknown;
}

static void branches_result(struct ecc_resolver *r, const struct ecc_ast_route *ast, struct ecc_route *route)
{
    struct ecc_record *record = ECC_NEW(r->arena, struct ecc_record);

    record->span = route->span;
    record->fields = ECC_NEW_ARRAY(r->arena, struct ecc_field, route->nbranches);
    for (size_t i = 0; i < route->nbranches; i++) {
        const struct ecc_branch *b = &route->branches[i];
        const struct ecc_type *type = b->call ? b->call->u.call.op->result : &ecc_type_unknown;
        if (!ECC_IS_UNKNOWN(type) && type->kind == ECC_TYPE_VOID) {
            ecc_diag(r->diags, ECC_E_NO_VALUE, ast->branches.items[i]->span, "%s gives nothing that could be part of the reply",
                     b->call->u.call.op->name);
            type = &ecc_type_unknown;
        }
        record->fields[record->nfields++] = (struct ecc_field){
            .name = b->name, .wire = b->name, .type = b->required ? type : ecc_type_optional(r->arena, type),
            .null = !b->required, .span = ast->branches.items[i]->name.span};
    }
    ecc_index_record(r, record);
    route->result = ecc_type_of_record(r->arena, record);
}

/* ------------------------------------------------------------------ routes */

static void resolve_branches(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_route *ast, struct ecc_route *route,
                             const struct ecc_ast_inits **args)
{
    route->branches = ECC_NEW_ARRAY(r->arena, struct ecc_branch, ast->branches.n);
    for (size_t i = 0; i < ast->branches.n; i++) {
        const struct ecc_ast_branch *b = ast->branches.items[i];
        struct ecc_stmt *call = ecc_resolve_remote(r, body, b->call, args[i], true, b->name.text);
        if (ecc_declare(r, &route->branches, &b->name, (void *)(uintptr_t)b, ECC_REF_BRANCH))
            route->branches[route->nbranches++] = (struct ecc_branch){b->name.text, b->required, call};
    }
    branches_result(r, ast, route);
}

static void resolve_route(struct ecc_resolver *r, const struct ecc_ast_route *ast, const struct ecc_node *node, struct ecc_route *route)
{
    const struct ecc_gateway *g = &node->u.gateway;
    struct drafts *d = ECC_NEW(r->arena, struct drafts); /* its address is a space */
    size_t ncalls = ast->call ? 1 : ast->branches.n;
    const struct ecc_ast_inits **args = ECC_NEW_ARRAY(r->arena, const struct ecc_ast_inits *, ncalls);

    route->method = ast->method.text;
    route->path = ast->path.text;
    route->auth = ast->auth;
    route->span = ast->path.span;
    route->name = ecc_unique_name(r, &g->routes, route_name(r, route));
    route->status = ast->has_status ? (int)ast->status : 200;
    route->idempotent = ast->idempotent;
    route->accepted = ast->accepted.text;
    struct ecc_body *body =
        ecc_body_new(r, ECC_BODY_ROUTE, node, ecc_arena_printf(r->arena, "route %s %s", route->method, route->path));
    body->route = route;
    d->route = route;
    bool path_fine = ecc_path_names(r, &ast->path, &d->path_names);
    for (size_t i = 0; i < ncalls; i++)
        args[i] = collect_fields(r, d, ast->call ? ast->call : ast->branches.items[i]->call);
    if (ast->cache)
        look_inside(r, d, ast->cache->key);
    if (path_fine)
        order_path(r, d);
    route->path_var = bind_source(r, body, d, PATH, &route->path_params);
    route->query_var = bind_source(r, body, d, QUERY, &route->query);
    route->body_var = bind_source(r, body, d, BODY, &route->body);
    if (ast->auth && g->auth) {
        struct ecc_name name = {"identity", route->span};
        const struct ecc_type *type = g->auth->via ? g->auth->via->u.call.op->result : &ecc_type_unknown;
        route->identity_var = ecc_bind(r, body, ECC_VAR_IDENTITY, &name, type);
    } else if (ast->auth) {
        ecc_diag(r->diags, ECC_E_AUTH, ast->path.span, "%s has no `auth`, so no route can need it", node->name);
    }
    if (ast->call) {
        route->call = ecc_resolve_remote(r, body, ast->call, args[0], true, NULL);
        call_result(route);
    } else {
        resolve_branches(r, body, ast, route, args);
    }
    if (ast->cache)
        ecc_resolve_keyed(r, body, ast->cache, &route->cache);
}

/* ------------------------------------------------------------------ auth and limit */

static void resolve_auth(struct ecc_resolver *r, const struct ecc_ast_auth *ast, struct ecc_node *node)
{
    struct ecc_auth *auth = ECC_NEW(r->arena, struct ecc_auth);
    struct ecc_body *body = ecc_body_new(r, ECC_BODY_ROUTE, node, "auth");
    struct ecc_name token = {"token", ast->span}, identity = {"identity", ast->span};

    node->u.gateway.auth = auth;
    auth->cache_ms = ast->cache_ms;
    ecc_bind(r, body, ECC_VAR_TOKEN, &token, &ecc_type_text);
    auth->via = ecc_resolve_remote(r, body, ast->via, &ast->via->args, true, "authenticate");
    const struct ecc_type *type = auth->via ? auth->via->u.call.op->result : &ecc_type_unknown;
    if (type->kind == ECC_TYPE_VOID && !ECC_IS_UNKNOWN(type)) {
        ecc_diag(r->diags, ECC_E_AUTH, ast->via->span, "%s does not say who it is: it has no result", auth->via->u.call.op->name);
        type = &ecc_type_unknown;
    }
    if (!ast->while_)
        return;
    struct ecc_body *verdict = ecc_body_new(r, ECC_BODY_ROUTE, node, "auth");
    ecc_bind(r, verdict, ECC_VAR_IDENTITY, &identity, type);
    ecc_resolve_keyed(r, verdict, ast->while_, &auth->while_);
}

/* Half of the burst at most, so that two gateways can each have tokens of one client. */
static void resolve_lease(struct ecc_resolver *r, const struct ecc_ast_limit *ast, struct ecc_limit *limit)
{
    if (ast->burst < 4)
        ecc_diag(r->diags, ECC_E_RANGE, ast->lease_span, "a burst with a `lease` is %" PRId64 ", but it must be at least 4", ast->burst);
    else if (ecc_in_range(r, ast->lease, 2, ast->burst / 2, ast->lease_span, "a lease"))
        limit->lease = (int)ast->lease;
}

static void resolve_limit(struct ecc_resolver *r, const struct ecc_ast_limit *ast, struct ecc_node *node)
{
    struct ecc_limit *limit = ECC_NEW(r->arena, struct ecc_limit);

    node->u.gateway.limit = limit;
    limit->per_second = ast->period_ms > 0 ? (double)ast->count * 1000 / (double)ast->period_ms : 0;
    limit->burst = (int)ast->burst;
    limit->per = ast->per;
    limit->when_down_allow = ast->when_down_allow;
    limit->cache = ecc_lookup_kind(r, &ast->cache, ECC_NODE_CACHE);
    ecc_in_range(r, ast->count, 1, 1000000, ast->span, "a rate");
    if (ecc_in_range(r, ast->burst, 1, 1000000, ast->span, "a burst") && ast->lease_span.end)
        resolve_lease(r, ast, limit);
    if (limit->cache)
        ecc_need_edge(r, node, limit->cache, ast->cache.span, "{ }");
    if (ast->per != ECC_PER_ADDRESS && !node->u.gateway.auth)
        ecc_diag(r->diags, ECC_E_AUTH, ast->span, "%s has no `auth`, so nobody has an identity", node->name);
}

void ecc_resolve_gateway(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node)
{
    struct ecc_gateway *g = &node->u.gateway;
    const struct ecc_ast_routes *routes = &ast->u.gateway.routes;
    struct ecc_route_tree *tree = ECC_NEW(r->arena, struct ecc_route_tree);

    g->port = 8080;
    if (ast->u.gateway.port && ecc_in_range(r, ast->u.gateway.port, 1, 65535, ast->u.gateway.port_span, "a port"))
        g->port = (int)ast->u.gateway.port;
    g->tls = ast->u.gateway.tls;
    if (ast->u.gateway.auth)
        resolve_auth(r, ast->u.gateway.auth, node);
    if (ast->u.gateway.limit)
        resolve_limit(r, ast->u.gateway.limit, node);
    ecc_route_tree_init(tree, r->arena, &r->symbols);
    ecc_symbols_add(&r->symbols, &g->auth, "tree", tree, node->span);
    g->routes = ECC_NEW_ARRAY(r->arena, struct ecc_route *, routes->n);
    for (size_t i = 0; i < routes->n; i++) {
        struct ecc_route *route = ECC_NEW(r->arena, struct ecc_route);
        resolve_route(r, routes->items[i], node, route);
        g->routes[g->nroutes++] = route;
        const struct ecc_route *other = ecc_route_tree_add(tree, route);
        if (!other)
            continue;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_ROUTE_CONFLICT, route->span, "%s %s can match what another route matches", route->method, route->path);
        ecc_diag_second(d, other->span, "this one");
    }
}
