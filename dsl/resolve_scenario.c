/* Identities and scenarios: requests find their route, bodies are held against what the route reads, clauses against the rest. */
#include "resolve.h"
#include "route_tree.h"

#include <string.h>

/* ------------------------------------------------------------------ requests */

static struct ecc_route *find_route(struct ecc_resolver *r, const struct ecc_ast_request *ast, const struct ecc_node *client,
                                    const struct ecc_node **gateway)
{
    for (size_t i = 0; i < client->nout; i++) {
        const struct ecc_node *g = client->out[i]->to;
        const struct ecc_route_tree *tree = g->kind == ECC_NODE_GATEWAY ? ecc_find(r, &g->u.gateway.auth, "tree") : NULL;
        struct ecc_route *route = tree ? ecc_route_tree_match(tree, ast->method.text, ast->path.text) : NULL;
        ecc_mark(r, client->out[i], "used");
        if (route) {
            *gateway = g;
            return route;
        }
    }
    return NULL;
}

/* The route that a request has nearly met: another method of its path, or a path that is spelt nearly so. */
static const char *near_route(struct ecc_resolver *r, const struct ecc_node *client, const struct ecc_request *q)
{
    struct {
        const char **items;
        size_t n, cap;
    } paths = {0};

    for (size_t i = 0; i < client->nout; i++) {
        const struct ecc_node *g = client->out[i]->to;
        for (size_t k = 0; g->kind == ECC_NODE_GATEWAY && k < g->u.gateway.nroutes; k++) {
            const struct ecc_route *route = g->u.gateway.routes[k];
            if (!strcmp(route->path, q->path))
                return ecc_arena_printf(r->arena, "%s %s", route->method, route->path);
            if (!strcmp(route->method, q->method))
                ECC_PUSH(r->arena, &paths, route->path);
        }
    }
    const char *near = ecc_did_you_mean(q->path, paths.items, paths.n);
    return near ? ecc_arena_printf(r->arena, "%s %s", q->method, near) : NULL;
}

/* `{order.id}` in a text: each is a value of its own. In a path or a query it has its place to itself. */
static struct ecc_refs_in refs_in(struct ecc_resolver *r, const struct ecc_value_scope *scope, const struct ecc_text *text, bool path)
{
    struct ecc_refs_in refs = {.n = 0};

    refs.items = ECC_NEW_ARRAY(r->arena, const struct ecc_sbx_value *, text->length / 2 + 1);
    for (size_t i = 0; i < text->length; i++) {
        if (text->text[i] != '{')
            continue;
        size_t n = strcspn(text->text + i + 1, path ? "}/?&" : "}");
        char next = text->text[i + 1 + n] ? text->text[i + 2 + n] : '\0';
        struct ecc_span here = {text->span.start + (uint32_t)i + 1, text->span.start + (uint32_t)(i + 1 + n)};
        bool whole = !path || ((i && (text->text[i - 1] == '/' || text->text[i - 1] == '=')) && (!next || strchr("/?&", next)));
        if (text->text[i + 1 + n] != '}' || !n || !whole) {
            ecc_diag(r->diags, ECC_E_PATH, (struct ecc_span){here.start - 1, here.end},
                     path ? "a value stands alone between slashes: /things/{answer.field}" : "a value is written {answer.field}");
            return refs;
        }
        const struct ecc_sbx_value *v = ecc_resolve_answer(r, scope, ecc_arena_strndup(r->arena, text->text + i + 1, n), here);
        enum ecc_type_kind kind = v->kind == ECC_SBX_ANSWER && !ECC_IS_UNKNOWN(v->type) ? v->type->kind : ECC_TYPE_TEXT;
        if (kind == ECC_TYPE_RECORD || kind == ECC_TYPE_LIST || kind == ECC_TYPE_JSON || kind == ECC_TYPE_VOID)
            ecc_diag(r->diags, ECC_E_SCENARIO_BODY, here,
                     "only a text, a number or another plain value can stand in a text, but this is %s", ecc_type_name(r->arena, v->type));
        refs.items[refs.n++] = v;
        i += n + 1;
    }
    return refs;
}

static bool literal_fits(const struct ecc_sbx_value *v, const struct ecc_type *type)
{
    if (v->kind == ECC_SBX_ANSWER && !ECC_IS_UNKNOWN(v->type) && !ECC_IS_UNKNOWN(type)) {
        enum ecc_fit fit = ecc_type_fit(v->type, type);
        return fit == ECC_FIT_SAME || fit == ECC_FIT_CONVERT;
    }
    if (v->kind == ECC_SBX_ANSWER)
        return true;
    if (ECC_IS_UNKNOWN(type) || type->kind == ECC_TYPE_JSON || (v->kind == ECC_SBX_LITERAL && ECC_IS_UNKNOWN(v->literal->type)))
        return true;
    if (v->kind == ECC_SBX_OBJECT)
        return type->kind == ECC_TYPE_RECORD;
    if (v->kind == ECC_SBX_LIST)
        return type->kind == ECC_TYPE_LIST;
    if (v->kind != ECC_SBX_LITERAL) /* unique, same: texts */
        return type->kind != ECC_TYPE_RECORD && type->kind != ECC_TYPE_LIST;
    switch (v->literal->kind) {
    case ECC_EXPR_TEXT:
        return ecc_type_is_textual(type) || type->kind == ECC_TYPE_UUID || type->kind == ECC_TYPE_TIME || type->kind == ECC_TYPE_ENUM;
    case ECC_EXPR_INT:
        return type->kind == ECC_TYPE_INT || type->kind == ECC_TYPE_FLOAT;
    case ECC_EXPR_FLOAT:
        return type->kind == ECC_TYPE_FLOAT;
    case ECC_EXPR_BOOL:
        return type->kind == ECC_TYPE_BOOL;
    case ECC_EXPR_NULL:
        return type->optional;
    default:
        return true;
    }
}

static void check_object(struct ecc_resolver *r, const struct ecc_sbx_value *v, const struct ecc_record *record,
                         const struct ecc_ast_inits *inits, struct ecc_span span);

static void check_value(struct ecc_resolver *r, const struct ecc_sbx_value *v, const struct ecc_type *type, const struct ecc_ast_expr *ast,
                        const char *name)
{
    if (!literal_fits(v, type)) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_SCENARIO_BODY, ast->span, "`%s` is %s", name, ecc_type_name(r->arena, type));
        if (v->kind == ECC_SBX_ANSWER)
            ecc_diag_help(r->diags, d, "this is %s", ecc_type_name(r->arena, v->type));
        return;
    }
    if (v->kind == ECC_SBX_LITERAL && v->literal->kind == ECC_EXPR_TEXT && type->kind == ECC_TYPE_ENUM &&
        !ecc_find(r, type->enum_, v->literal->u.text)) {
        ecc_unknown_value(r, type->enum_, &(struct ecc_name){v->literal->u.text, ast->span}, NULL);
        return;
    }
    if (v->kind == ECC_SBX_OBJECT && type->kind == ECC_TYPE_RECORD)
        check_object(r, v, type->record, &ast->u.record.inits, ast->span);
    for (size_t i = 0; v->kind == ECC_SBX_LIST && type->kind == ECC_TYPE_LIST && i < v->nitems; i++)
        check_value(r, v->items[i], type->item, ast->u.list.items[i], name);
}

static void check_object(struct ecc_resolver *r, const struct ecc_sbx_value *v, const struct ecc_record *record,
                         const struct ecc_ast_inits *inits, struct ecc_span span)
{
    bool open = false; /* what is no field may have meant one that is missing */

    for (size_t i = 0; i < inits->n; i++) {
        const struct ecc_name *name = &inits->items[i]->name;
        if (!name->text || inits->items[i]->spread)
            return; /* reported */
        const struct ecc_field *f = ecc_find(r, &record->fields, name->text) ? ecc_find(r, &record->fields, name->text)
                                                                             : ecc_find(r, record, name->text);
        if (f) /* does nothing when it was written as on the wire */
            ecc_refer_field(r, f, name->span, f->type);
        open = open || !f;
        if (!f)
            ecc_diag_record(r, ecc_unknown(r, record, name, ECC_E_SCENARIO_BODY, "field of the request called"), record, name);
        else if (v->nitems == inits->n)
            check_value(r, v->items[i], f->type, inits->items[i]->value, f->name);
    }
    for (size_t i = 0; !open && i < record->nfields; i++) {
        const struct ecc_field *f = &record->fields[i];
        if (f->type->optional || f->dflt || ECC_IS_UNKNOWN(f->type))
            continue;
        bool found = false;
        for (size_t k = 0; !found && k < v->nitems; k++)
            found = strcmp(v->keys[k], f->wire) == 0 || strcmp(v->keys[k], f->name) == 0;
        if (!found)
            ecc_diag(r->diags, ECC_E_SCENARIO_BODY, span, "the request lacks `%s`", f->wire);
    }
}

/* What an operation is asked by one of those who call it: nobody else may. */
static void resolve_op(struct ecc_resolver *r, const struct ecc_value_scope *scope, const struct ecc_ast_remote *ast, struct ecc_request *q)
{
    const struct ecc_node *node = ecc_lookup_kind(r, &ast->node, ECC_NODE_SERVICE);

    q->body = ecc_resolve_object(r, scope, &ast->args);
    if (node)
        q->op = ecc_lookup_op(r, node, &ast->op);
    if (!q->op)
        return;
    q->result = q->op->result ? q->op->result : &ecc_type_void;
    if (!q->op->ncallers) {
        struct ecc_diag *d =
            ecc_diag(r->diags, ECC_E_SCENARIO, ast->span, "nobody calls %s.%s, so it can't be given", node->name, q->op->name);
        ecc_diag_second(d, q->op->span, "declared here");
    }
    check_object(r, q->body, q->op->params, &ast->args, ast->span);
}

static struct ecc_request *resolve_request(struct ecc_resolver *r, const struct ecc_ast_request *ast, const struct ecc_value_scope *scope,
                                           const struct ecc_node **gateway)
{
    struct ecc_request *q = ECC_NEW(r->arena, struct ecc_request);

    q->let = ast->let.text;
    q->result = &ecc_type_unknown;
    q->times = (int)ast->times;
    q->span = ast->span;
    if (ast->remote) {
        resolve_op(r, scope, ast->remote, q);
        return q;
    }
    struct ecc_node *client = ecc_lookup_kind(r, &ast->client, ECC_NODE_CLIENT);
    q->client = client;
    q->method = ast->method.text;
    q->path = ast->path.text;
    q->refs = refs_in(r, scope, &ast->path, true);
    ecc_in_range(r, ast->times, 1, 1000, ast->span, "`times`");
    if (ast->body)
        q->body = ecc_resolve_value(r, scope, ast->body);
    if (!client)
        return q;
    q->route = find_route(r, ast, client, gateway);
    if (!q->route) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_SCENARIO_ROUTE, ast->path.span, "no route takes %s %s", q->method, q->path);
        const char *near = near_route(r, client, q);
        if (near)
            ecc_diag_help(r->diags, d, "did you mean %s?", near);
    } else if (ast->body && !q->route->body) {
        ecc_diag(r->diags, ECC_E_SCENARIO_BODY, ast->body->span, "%s %s has no body", q->method, q->route->path);
    } else if (q->route->body && !ast->body) {
        for (size_t i = 0; i < q->route->body->nfields; i++)
            if (!q->route->body->fields[i].type->optional && !q->route->body->fields[i].dflt) {
                ecc_diag(r->diags, ECC_E_SCENARIO_BODY, ast->span, "%s %s needs a body", q->method, q->route->path);
                break;
            }
    } else if (ast->body && q->body->kind == ECC_SBX_OBJECT) {
        check_object(r, q->body, q->route->body, &ast->body->u.record.inits, ast->body->span);
    }
    if (q->route && q->route->result)
        q->result = q->route->result;
    return q;
}

/* From here on its answer has a name. */
static void name_answer(struct ecc_resolver *r, const void *space, const struct ecc_ast_request *ast, struct ecc_request *q)
{
    if (!q->let)
        return;
    if (strcmp(q->let, "same") == 0)
        ecc_diag(r->diags, ECC_E_DUPLICATE, ast->let.span, "`same` is what the identity's first request sends");
    else
        ecc_declare(r, space, &ast->let, q, ECC_REF_REQUEST);
}

/* ------------------------------------------------------------------ identities */

static void check_token(struct ecc_resolver *r, const struct ecc_ast_decl *ast, const struct ecc_identity *id)
{
    const struct ecc_names *token = &ast->u.identity.token;
    const struct ecc_request *from = NULL;

    if (!token->n) {
        ecc_diag(r->diags, ECC_E_IDENTITY, ast->name.span, "identity `%s` does not say where its token is", id->name);
        return;
    }
    for (size_t i = 0; i < id->nrequests; i++)
        if (id->requests[i]->let && strcmp(id->requests[i]->let, token->items[0].text) == 0)
            from = id->requests[i];
    if (!from) {
        ecc_diag(r->diags, ECC_E_IDENTITY, token->items[0].span, "no request of identity `%s` is called `%s`", id->name, token->items[0].text);
        return;
    }
    ecc_find_name(r, &id->requests, &token->items[0]);
    const struct ecc_type *type = from->route ? from->route->result : &ecc_type_unknown;
    for (size_t i = 1; i < token->n && !ECC_IS_UNKNOWN(type); i++) {
        const struct ecc_field *f = type->kind == ECC_TYPE_RECORD ? ecc_find_name(r, type->record, &token->items[i]) : NULL;
        if (!f) {
            ecc_unknown(r, type->kind == ECC_TYPE_RECORD ? type->record : NULL, &token->items[i], ECC_E_UNKNOWN_FIELD,
                        "field of the reply called");
            return;
        }
        type = f->type;
    }
    if (!ECC_IS_UNKNOWN(type) && !ecc_type_is_textual(type))
        ecc_diag(r->diags, ECC_E_IDENTITY, token->items[token->n - 1].span, "a token is a text, but this is %s", ecc_type_name(r->arena, type));
}

static void resolve_identity(struct ecc_resolver *r, const struct ecc_ast_decl *ast)
{
    struct ecc_identity *id = ECC_NEW(r->arena, struct ecc_identity);
    const struct ecc_ast_requests *requests = &ast->u.identity.requests;
    const struct ecc_names *token = &ast->u.identity.token;
    const struct ecc_node *gateway = NULL;

    id->name = ast->name.text;
    id->span = ast->name.span;
    if (!ecc_declare(r, &r->spaces->identities, &ast->name, id, ECC_REF_IDENTITY))
        return;
    id->requests = ECC_NEW_ARRAY(r->arena, struct ecc_request *, requests->n);
    for (size_t i = 0; i < requests->n; i++) {
        const struct ecc_value_scope scope = {.scenario = true, .same = i ? id->requests[0] : NULL, .answers = &id->requests};
        id->requests[i] = resolve_request(r, requests->items[i], &scope, &gateway);
        id->nrequests++;
        name_answer(r, &id->requests, requests->items[i], id->requests[i]);
        if (id->requests[i]->route && id->requests[i]->route->auth)
            ecc_diag(r->diags, ECC_E_IDENTITY, requests->items[i]->path.span, "this route needs the token that is only being fetched");
    }
    id->token = ECC_NEW_ARRAY(r->arena, const char *, token->n);
    for (size_t i = 0; i < token->n; i++)
        id->token[id->ntoken++] = token->items[i].text;
    check_token(r, ast, id);
    r->model->identities[r->model->nidentities++] = id;
}

/* ------------------------------------------------------------------ clauses */

static bool callee_fails_with(struct ecc_resolver *r, const struct ecc_assume *a, const struct ecc_error *error)
{
    (void)r;
    if (error->status >= 500)
        return true; /* of the edge that leads there */
    if (a->op)
        return ecc_has_error(a->op->errors, a->op->nerrors, error);
    for (size_t i = 0; a->ext && i < a->ext->nerrors; i++)
        if (a->ext->errors[i].error == error)
            return true;
    return false;
}

static void assume_fails(struct ecc_resolver *r, const struct ecc_ast_clause *c, struct ecc_assume *a)
{
    a->error = ecc_lookup_error(r, &c->u.assume.error);
    if (a->node->kind == ECC_NODE_SERVICE)
        a->op = ecc_lookup(r, &a->node->u.service.ops, &c->u.assume.op, ECC_E_UNKNOWN_OP, "operation");
    else if (a->node->kind == ECC_NODE_EXTERNAL)
        a->ext = ecc_lookup(r, &a->node->u.external.calls, &c->u.assume.op, ECC_E_UNKNOWN_OP, "call");
    else
        ecc_diag(r->diags, ECC_E_NODE_KIND, c->u.assume.node.span, "%s has nothing that could fail", a->node->name);
    if (a->error && (a->op || a->ext) && !callee_fails_with(r, a, a->error)) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_NEVER_RAISED, c->u.assume.error.span, "%s.%s never fails with `%s`", a->node->name,
                                      c->u.assume.op.text, a->error->name);
        ecc_diag_second(d, a->op ? a->op->span : a->ext->span, "declared here");
    }
}

static void resolve_assume(struct ecc_resolver *r, const struct ecc_ast_clause *c, struct ecc_scenario *s)
{
    struct ecc_assume *a = &s->assumes[s->nassumes];
    const struct ecc_node *to;

    *a = (struct ecc_assume){.kind = c->u.assume.kind, .node = ecc_lookup_node(r, &c->u.assume.node), .after = s->ngiven, .span = c->span};
    if (!a->node)
        return;
    switch (a->kind) {
    case ECC_ASSUME_FAILS:
        assume_fails(r, c, a);
        break;
    case ECC_ASSUME_HANGS:
    case ECC_ASSUME_DOWN:
        if (a->node->kind == ECC_NODE_CLIENT || a->node->kind == ECC_NODE_GATEWAY)
            ecc_diag(r->diags, ECC_E_NODE_KIND, c->u.assume.node.span, "%s is %s: a scenario needs it", a->node->name, ecc_node_kind_name(a->node->kind));
        break;
    case ECC_ASSUME_OPEN:
        to = ecc_lookup_node(r, &c->u.assume.to);
        a->edge = to ? ecc_edge_between(r, a->node, to) : NULL;
        if (a->edge)
            ecc_refer_edge(r, a->edge, (struct ecc_span){c->u.assume.node.span.start, c->u.assume.to.span.end});
        if (to && (!a->edge || !a->edge->breaker.set)) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_SCENARIO, c->u.assume.to.span, "there is no edge %s -> %s with a breaker", a->node->name, to->name);
            if (a->edge)
                ecc_diag_second(d, a->edge->span, "this edge has none");
        }
        break;
    case ECC_ASSUME_HOLDS:
    case ECC_ASSUME_MISSES:
        a->node = ecc_lookup_kind(r, &c->u.assume.node, ECC_NODE_CACHE);
        if (a->node)
            a->keyspace = ecc_lookup(r, &a->node->u.cache.keyspaces, &c->u.assume.keyspace, ECC_E_UNKNOWN_KEYSPACE, "keyspace");
        break;
    }
    s->nassumes++;
}

static void resolve_expect(struct ecc_resolver *r, const struct ecc_ast_clause *c, const struct ecc_value_scope *scope,
                           struct ecc_scenario *s)
{
    ecc_in_range(r, c->u.expect.status, 100, 599, c->u.expect.status_span, "a status");
    s->expect_status = (int)c->u.expect.status;
    s->expect_header = c->u.expect.header.text;
    s->expect_value = c->u.expect.value.text;
    if (s->expect_header) {
        ecc_check_header(r, &c->u.expect.header, ECC_E_EXPECT);
        s->expect_refs = refs_in(r, scope, &c->u.expect.value, false);
    }
    for (const char *p = s->expect_value; p && *p; p++)
        if ((unsigned char)*p < 32 || *p == 127) {
            ecc_diag(r->diags, ECC_E_EXPECT, c->u.expect.value.span, "a header's value has no control characters");
            break;
        }
    if (!c->u.expect.error.text)
        return;
    s->expect_error = ecc_lookup_error(r, &c->u.expect.error);
    if (s->expect_error && s->expect_error->status != s->expect_status) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_EXPECT, c->u.expect.status_span, "error `%s` is %d, not %d", s->expect_error->name,
                                      s->expect_error->status, s->expect_status);
        ecc_diag_second(d, s->expect_error->span, "declared here");
    }
}

/* What the expectation needs the request's route for. */
static void check_expect(struct ecc_resolver *r, const struct ecc_ast_clause *c, const struct ecc_scenario *s, const struct ecc_node *gateway)
{
    const struct ecc_route *route = s->when ? s->when->route : NULL;
    const struct ecc_error *e = s->expect_error;

    if (!route || !gateway)
        return;
    if (route->auth && !s->identity && s->expect_status != 401)
        ecc_diag(r->diags, ECC_E_SCENARIO, s->when->span, "%s %s needs somebody signed in: given ... signed in", route->method, route->path);
    if (s->expect_status >= 200 && s->expect_status < 300 && s->expect_status != route->status && s->expect_status != 202)
        ecc_diag(r->diags, ECC_E_EXPECT, c->u.expect.status_span, "%s %s replies %d", route->method, route->path, route->status);
    if (!e || e->status >= 500)
        return;
    bool possible = false;
    for (size_t i = 0; i < (route->branches ? route->nbranches : 1); i++) {
        const struct ecc_stmt *call = route->branches ? route->branches[i].call : route->call;
        possible = possible || !call || ecc_has_error(call->u.call.op->errors, call->u.call.op->nerrors, e);
    }
    const struct ecc_auth *auth = route->auth ? gateway->u.gateway.auth : NULL;
    if (auth && auth->via)
        possible = possible || ecc_has_error(auth->via->u.call.op->errors, auth->via->u.call.op->nerrors, e);
    if (!possible) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_EXPECT, c->u.expect.error.span, "%s %s never fails with `%s`", route->method, route->path, e->name);
        ecc_diag_second(d, route->span, "the route");
    }
}

static void resolve_say(struct ecc_resolver *r, const struct ecc_ast_clause *c, struct ecc_scenario *s)
{
    const struct ecc_node *from = ecc_lookup_node(r, &c->u.say.from), *to = ecc_lookup_node(r, &c->u.say.to);
    const struct ecc_edge *edge = from && to ? ecc_edge_between(r, from, to) : NULL;

    if (edge) {
        ecc_refer_edge(r, edge, (struct ecc_span){c->u.say.from.span.start, c->u.say.to.span.end});
        s->says[s->nsays++] = (struct ecc_say){edge, c->u.say.text.text, c->span};
    } else if (from && to) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_NO_EDGE, c->u.say.from.span, "there is no edge %s -> %s", from->name, to->name);
        d->span.end = c->u.say.to.span.end;
        if (ecc_edge_between(r, to, from))
            ecc_diag_help(r->diags, d, "it goes the other way: %s -> %s", to->name, from->name);
    }
}

static void resolve_scenario(struct ecc_resolver *r, const struct ecc_ast_decl *ast)
{
    struct ecc_scenario *s = ECC_NEW(r->arena, struct ecc_scenario);
    const struct ecc_ast_clauses *clauses = &ast->u.scenario.clauses;
    const struct ecc_ast_clause *expect = NULL;
    const struct ecc_node *gateway = NULL, *ignored;

    s->name = ast->name.text;
    s->title = ast->title.text ? ast->title.text : s->name;
    s->span = ast->name.span;
    if (!ecc_declare(r, &r->spaces->scenarios, &ast->name, s, ECC_REF_SCENARIO))
        return;
    s->given = ECC_NEW_ARRAY(r->arena, struct ecc_request *, clauses->n);
    s->assumes = ECC_NEW_ARRAY(r->arena, struct ecc_assume, clauses->n);
    s->says = ECC_NEW_ARRAY(r->arena, struct ecc_say, clauses->n);
    for (size_t i = 0; i < clauses->n; i++) /* first: `same` refers to it */
        if (clauses->items[i]->kind == ECC_AST_CLAUSE_SIGNED_IN) {
            if (s->identity)
                ecc_diag(r->diags, ECC_E_SCENARIO, clauses->items[i]->span, "a scenario has one identity");
            s->identity = ecc_lookup(r, &r->spaces->identities, &clauses->items[i]->u.identity, ECC_E_UNKNOWN_IDENTITY, "identity");
        }
    const struct ecc_value_scope scope = {
        .scenario = true, .same = s->identity && s->identity->nrequests ? s->identity->requests[0] : NULL, .answers = &s->given};
    for (size_t i = 0; i < clauses->n; i++) {
        const struct ecc_ast_clause *c = clauses->items[i];
        switch (c->kind) {
        case ECC_AST_CLAUSE_SIGNED_IN:
            break;
        case ECC_AST_CLAUSE_GIVEN:
            s->given[s->ngiven] = resolve_request(r, c->u.request, &scope, &ignored);
            name_answer(r, &s->given, c->u.request, s->given[s->ngiven]);
            s->ngiven++;
            break;
        case ECC_AST_CLAUSE_WHEN:
            if (s->when) {
                struct ecc_diag *d = ecc_diag(r->diags, ECC_E_SCENARIO, c->span, "a scenario has one `when`");
                ecc_diag_second(d, s->when->span, "the first one");
            }
            s->when = resolve_request(r, c->u.request, &scope, &gateway);
            break;
        case ECC_AST_CLAUSE_ASSUME:
            resolve_assume(r, c, s);
            break;
        case ECC_AST_CLAUSE_EXPECT:
            if (expect) {
                struct ecc_diag *d = ecc_diag(r->diags, ECC_E_SCENARIO, c->span, "a scenario has one `expect`");
                ecc_diag_second(d, expect->span, "the first one");
            }
            expect = c;
            resolve_expect(r, c, &scope, s);
            break;
        case ECC_AST_CLAUSE_SAY:
            resolve_say(r, c, s);
            break;
        }
    }
    for (size_t i = 0; i < s->ngiven; i++)
        if (s->given[i]->route && s->given[i]->route->auth && !s->identity)
            ecc_diag(r->diags, ECC_E_SCENARIO, s->given[i]->span, "%s %s needs somebody signed in: given ... signed in",
                     s->given[i]->method, s->given[i]->route->path);
    if (!s->when || !expect)
        ecc_diag(r->diags, ECC_E_SCENARIO, ast->name.span, "scenario `%s` has no `%s`", s->name, s->when ? "expect" : "when");
    else
        check_expect(r, expect, s, gateway);
    r->model->scenarios[r->model->nscenarios++] = s;
}

void ecc_resolve_scenarios(struct ecc_resolver *r)
{
    for (size_t i = 0; i < r->file->decls.n; i++)
        if (r->file->decls.items[i]->kind == ECC_AST_DECL_IDENTITY)
            resolve_identity(r, r->file->decls.items[i]);
    for (size_t i = 0; i < r->file->decls.n; i++)
        if (r->file->decls.items[i]->kind == ECC_AST_DECL_SCENARIO)
            resolve_scenario(r, r->file->decls.items[i]);
}
