/* Gateways, edges, scenarios and the other rules of the syntax tree. */
#include "build.h"

#include <string.h>

#include "grammar.h"

const char *ecc_ast_prop_name(enum ecc_ast_prop_kind kind)
{
    static const char *const names[] = {
#define X(e, name) name,
        ECC_AST_PROP_KINDS(X)
#undef X
    };

    return names[kind];
}

const char *ecc_ast_decl_name(enum ecc_ast_decl_kind kind)
{
    static const char *const names[] = {
#define X(e, name) name,
        ECC_AST_DECL_KINDS(X)
#undef X
    };

    return names[kind];
}

/* ------------------------------------------------------------------ gateways */

void ecc_gateway_listen(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_token k, struct ecc_token port, bool tls)
{
    ecc_once(p, decl->u.gateway.port, k, "`listen`");
    decl->u.gateway.port = ecc_int(p, port);
    decl->u.gateway.port_span = ecc_span_of(port);
    decl->u.gateway.tls = tls;
    if (decl->u.gateway.port < 1 || decl->u.gateway.port > 65535) {
        ecc_diag(p->diags, ECC_E_NUMBER, ecc_span_of(port), "a port is a number from 1 to 65535");
        decl->u.gateway.port = 1;
    }
}

void ecc_gateway_auth(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_token k, struct ecc_ast_remote *via,
                      struct ecc_token cache, struct ecc_ast_keyed *while_)
{
    struct ecc_ast_auth *auth = ECC_NEW(p->arena, struct ecc_ast_auth);

    ecc_once(p, decl->u.gateway.auth, k, "`auth`");
    auth->via = via;
    auth->cache_ms = ecc_duration(p, cache);
    auth->cache_span = ecc_span_of(cache);
    auth->while_ = while_;
    auth->span = ecc_upto(p, k.start);
    decl->u.gateway.auth = auth;
}

struct ecc_ast_limit *ecc_quota(struct ecc_parser *p, struct ecc_token rate, struct ecc_token burst)
{
    struct ecc_ast_limit *limit = ECC_NEW(p->arena, struct ecc_ast_limit);

    ecc_rate(p, rate, &limit->count, &limit->period_ms);
    limit->burst = ecc_int(p, burst);
    return limit;
}

void ecc_quota_lease(struct ecc_parser *p, struct ecc_ast_limit *limit, struct ecc_token lease)
{
    limit->lease = ecc_int(p, lease);
    limit->lease_span = ecc_span_of(lease);
}

void ecc_gateway_limit(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_token k, struct ecc_ast_limit *limit,
                       enum ecc_limit_per per, struct ecc_token cache, bool allow)
{
    ecc_once(p, decl->u.gateway.limit, k, "`limit`");
    limit->per = per;
    limit->cache = ecc_ast_kebab(p, cache);
    limit->when_down_allow = allow;
    limit->span = ecc_upto(p, k.start);
    decl->u.gateway.limit = limit;
}

struct ecc_ast_route *ecc_route(struct ecc_parser *p, struct ecc_token k, struct ecc_token method, struct ecc_token path, bool auth)
{
    struct ecc_ast_route *route = ECC_NEW(p->arena, struct ecc_ast_route);

    route->method = ecc_method(p, method);
    route->path = ecc_string(p, path);
    route->auth = auth;
    route->span = ecc_upto(p, k.start);
    return route;
}

struct ecc_ast_route *ecc_route_open(struct ecc_parser *p, struct ecc_token k, struct ecc_token method, struct ecc_token path)
{
    struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_AUTH, ecc_span_of(path), "this route says neither `auth` nor `public`");

    ecc_diag_help(p->diags, diag, "`auth` asks for a token, `public` lets everybody in");
    return ecc_route(p, k, method, path, true);
}

void ecc_route_reply(struct ecc_parser *p, struct ecc_ast_route *route, struct ecc_token k, struct ecc_token status)
{
    ecc_once(p, route->has_status, k, "`reply`");
    route->has_status = true;
    route->status = ecc_int(p, status);
    route->status_span = ecc_span_of(status);
}

void ecc_route_accepted(struct ecc_parser *p, struct ecc_ast_route *route, struct ecc_token k, struct ecc_token path)
{
    ecc_once(p, route->accepted.text, k, "`accepted`");
    route->accepted = ecc_string(p, path);
}

void ecc_route_idempotent(struct ecc_parser *p, struct ecc_ast_route *route, struct ecc_token k)
{
    ecc_once(p, route->idempotent, k, "`idempotent`");
    route->idempotent = true;
    route->idempotent_span = ecc_span_of(k);
}

void ecc_route_cache(struct ecc_parser *p, struct ecc_ast_route *route, struct ecc_token k, struct ecc_ast_keyed *cache)
{
    ecc_once(p, route->cache, k, "`cache`");
    route->cache = cache;
}

void ecc_add_branch(struct ecc_parser *p, struct ecc_ast_branches *branches, struct ecc_token n, bool required, struct ecc_ast_remote *call)
{
    struct ecc_ast_branch *branch = ECC_NEW(p->arena, struct ecc_ast_branch);

    branch->name = ecc_ast_snake(p, n);
    branch->required = required;
    branch->call = call;
    branch->span = ecc_upto(p, n.start);
    ECC_PUSH(p->arena, branches, branch);
}

void ecc_add_route(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_ast_route *route)
{
    route->span = ecc_upto(p, route->span.start);
    ECC_PUSH(p->arena, &decl->u.gateway.routes, route);
}

/* ------------------------------------------------------------------ edges */

struct ecc_ast_prop *ecc_prop(struct ecc_parser *p, enum ecc_ast_prop_kind kind, struct ecc_token k)
{
    struct ecc_ast_prop *prop = ECC_NEW(p->arena, struct ecc_ast_prop);

    prop->kind = kind;
    prop->span = ecc_upto(p, k.start);
    return prop;
}

struct ecc_ast_prop *ecc_prop_retry(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_ast_range range)
{
    struct ecc_ast_prop *prop = ecc_prop(p, ECC_AST_PROP_RETRY, k);

    prop->count = ecc_int(p, n);
    prop->range = range;
    return prop;
}

struct ecc_ast_prop *ecc_prop_breaker(struct ecc_parser *p, struct ecc_token k, struct ecc_token trip, bool timeouts_only,
                                      struct ecc_token open, struct ecc_token probes)
{
    struct ecc_ast_prop *prop = ecc_prop(p, ECC_AST_PROP_BREAKER, k);

    prop->count = ecc_int(p, trip);
    prop->timeouts_only = timeouts_only;
    prop->ms = ecc_duration(p, open);
    prop->probes = ecc_int(p, probes);
    return prop;
}

void ecc_prop_name(struct ecc_parser *p, struct ecc_ast_prop *prop, struct ecc_token n)
{
    ECC_PUSH(p->arena, &prop->names, prop->kind == ECC_AST_PROP_KEYSPACE ? ecc_ast_snake(p, n) : ecc_ast_kebab(p, n));
    prop->span.end = n.end;
}

void ecc_add_prop(struct ecc_parser *p, struct ecc_ast_props *props, struct ecc_ast_prop *prop)
{
    for (size_t i = 0; i < props->n; i++) {
        if (props->items[i]->kind != prop->kind)
            continue;
        struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_TWICE, prop->span, "`%s` is given twice", ecc_ast_prop_name(prop->kind));
        ecc_diag_second(diag, props->items[i]->span, "here already");
        return;
    }
    ECC_PUSH(p->arena, props, prop);
}

struct ecc_ast_decl *ecc_decl_policy(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_ast_props *props)
{
    struct ecc_ast_decl *decl = ecc_nameless(p, ECC_AST_DECL_POLICY, k);

    decl->name = ecc_ast_kebab(p, n);
    decl->u.policy = *props;
    for (size_t i = 0; i < props->n; i++) {
        if (props->items[i]->kind != ECC_AST_PROP_USE)
            continue;
        ecc_diag(p->diags, ECC_E_MISPLACED, props->items[i]->span, "a policy can't use another");
        memmove(&decl->u.policy.items[i], &decl->u.policy.items[i + 1], (props->n - i - 1) * sizeof *props->items);
        decl->u.policy.n--;
        break;
    }
    return decl;
}

struct ecc_ast_decl *ecc_decl_edge(struct ecc_parser *p, struct ecc_token k, struct ecc_token from, struct ecc_token to,
                                   struct ecc_ast_props *props)
{
    struct ecc_ast_decl *decl = ecc_nameless(p, ECC_AST_DECL_EDGE, k);

    decl->u.edge.from = ecc_ast_kebab(p, from);
    decl->u.edge.to = ecc_ast_kebab(p, to);
    decl->u.edge.props = *props;
    return decl;
}

struct ecc_ast_decl *ecc_decl_forbid(struct ecc_parser *p, struct ecc_token k, struct ecc_token from, struct ecc_token to,
                                     struct ecc_token why)
{
    struct ecc_ast_decl *decl = ecc_nameless(p, ECC_AST_DECL_FORBID, k);

    decl->u.forbid.from = ecc_ast_kebab(p, from);
    decl->u.forbid.to = ecc_ast_kebab(p, to);
    decl->u.forbid.why = ecc_string(p, why);
    return decl;
}

struct ecc_ast_decl *ecc_decl_invariant(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, const struct ecc_token_list *nodes,
                                        struct ecc_token sql)
{
    struct ecc_ast_decl *decl = ecc_nameless(p, ECC_AST_DECL_INVARIANT, k);

    decl->u.invariant.name = ecc_string(p, n);
    for (size_t i = 0; i < nodes->n; i++)
        ECC_PUSH(p->arena, &decl->u.invariant.nodes, ecc_ast_kebab(p, nodes->items[i]));
    decl->u.invariant.sql = ecc_ast_sql(p, sql);
    return decl;
}

/* ------------------------------------------------------------------ scenarios */

struct ecc_ast_request *ecc_request(struct ecc_parser *p, struct ecc_token client, struct ecc_token method, struct ecc_token path)
{
    struct ecc_ast_request *request = ECC_NEW(p->arena, struct ecc_ast_request);

    request->client = ecc_ast_kebab(p, client);
    request->method = ecc_method(p, method);
    request->path = ecc_string(p, path);
    request->times = 1;
    request->span = ecc_upto(p, client.start);
    return request;
}

struct ecc_ast_request *ecc_request_remote(struct ecc_parser *p, struct ecc_ast_remote *remote)
{
    struct ecc_ast_request *request = ECC_NEW(p->arena, struct ecc_ast_request);

    request->remote = remote;
    request->times = 1;
    request->span = remote->span;
    return request;
}

void ecc_request_body(struct ecc_parser *p, struct ecc_ast_request *request, struct ecc_ast_expr *body)
{
    if (request->body)
        ecc_diag(p->diags, ECC_E_TWICE, body->span, "the request's body is given twice");
    request->body = body;
    request->span = ecc_upto(p, request->span.start);
}

void ecc_request_times(struct ecc_parser *p, struct ecc_ast_request *request, struct ecc_token k, struct ecc_token n)
{
    ecc_once(p, request->times != 1, k, "`times`");
    request->times = ecc_int(p, n);
    if (request->times < 1 || request->times > 1000) {
        ecc_diag(p->diags, ECC_E_NUMBER, ecc_span_of(n), "a request is sent 1 to 1000 times");
        request->times = 1;
    }
    request->span = ecc_upto(p, request->span.start);
}

struct ecc_ast_decl *ecc_identity(struct ecc_parser *p, struct ecc_token k, struct ecc_token n)
{
    struct ecc_ast_decl *decl = ecc_nameless(p, ECC_AST_DECL_IDENTITY, k);

    decl->name = ecc_ast_kebab(p, n);
    return decl;
}

void ecc_add_request(struct ecc_parser *p, struct ecc_ast_decl *identity, const struct ecc_token *let, struct ecc_ast_request *request)
{
    if (let)
        request->let = ecc_ast_snake(p, *let);
    ECC_PUSH(p->arena, &identity->u.identity.requests, request);
}

static void add_path(struct ecc_parser *p, struct ecc_names *names, const struct ecc_ast_expr *expr)
{
    if (expr->kind == ECC_AST_EXPR_MEMBER) {
        add_path(p, names, expr->u.member.of);
        ECC_PUSH(p->arena, names, expr->u.member.name);
    } else if (expr->kind == ECC_AST_EXPR_NAME) {
        ECC_PUSH(p->arena, names, expr->u.name);
    } else {
        ecc_diag(p->diags, ECC_E_MISPLACED, expr->span, "the token is a field of an answer: `token answer.field`");
    }
}

void ecc_identity_token(struct ecc_parser *p, struct ecc_ast_decl *identity, struct ecc_token k, struct ecc_ast_expr *path)
{
    ecc_once(p, identity->u.identity.token.n, k, "`token`");
    identity->u.identity.token = (struct ecc_names){0};
    add_path(p, &identity->u.identity.token, path);
}

static struct ecc_ast_clause *new_clause(struct ecc_parser *p, enum ecc_ast_clause_kind kind, struct ecc_token k)
{
    struct ecc_ast_clause *clause = ECC_NEW(p->arena, struct ecc_ast_clause);

    clause->kind = kind;
    clause->span = ecc_upto(p, k.start);
    return clause;
}

void ecc_add_clause(struct ecc_parser *p, struct ecc_ast_decl *scenario, struct ecc_ast_clause *clause)
{
    clause->span = ecc_upto(p, clause->span.start);
    ECC_PUSH(p->arena, &scenario->u.scenario.clauses, clause);
}

struct ecc_ast_clause *ecc_clause(struct ecc_parser *p, struct ecc_ast_decl *scenario, enum ecc_ast_clause_kind kind, struct ecc_token k)
{
    struct ecc_ast_clause *clause = new_clause(p, kind, k);

    ecc_add_clause(p, scenario, clause);
    return clause;
}

/* b is the operation, the other end of the edge or the keyspace, whichever this kind has. */
void ecc_assume(struct ecc_parser *p, struct ecc_ast_decl *scenario, struct ecc_token k, enum ecc_assume_kind kind, struct ecc_token node,
                const struct ecc_token *b, const struct ecc_token *error)
{
    struct ecc_ast_clause *clause = ecc_clause(p, scenario, ECC_AST_CLAUSE_ASSUME, k);

    clause->u.assume.kind = kind;
    clause->u.assume.node = ecc_ast_kebab(p, node);
    switch (kind) {
    case ECC_ASSUME_FAILS:
        clause->u.assume.op = ecc_ast_pascal(p, *b);
        clause->u.assume.error = ecc_ast_pascal(p, *error);
        break;
    case ECC_ASSUME_OPEN:
        clause->u.assume.to = ecc_ast_kebab(p, *b);
        break;
    case ECC_ASSUME_HOLDS:
    case ECC_ASSUME_MISSES:
        clause->u.assume.keyspace = ecc_ast_snake(p, *b);
        break;
    case ECC_ASSUME_HANGS:
    case ECC_ASSUME_DOWN:
        break;
    }
}

struct ecc_ast_clause *ecc_expect(struct ecc_parser *p, struct ecc_token k, struct ecc_token status)
{
    struct ecc_ast_clause *clause = new_clause(p, ECC_AST_CLAUSE_EXPECT, k);

    clause->u.expect.status = ecc_int(p, status);
    clause->u.expect.status_span = ecc_span_of(status);
    return clause;
}

void ecc_expect_error(struct ecc_parser *p, struct ecc_ast_clause *clause, struct ecc_token error)
{
    ecc_once(p, clause->u.expect.error.text, error, "the error");
    clause->u.expect.error = ecc_ast_pascal(p, error);
}

void ecc_expect_header(struct ecc_parser *p, struct ecc_ast_clause *clause, struct ecc_token k, struct ecc_token name,
                       struct ecc_token value)
{
    ecc_once(p, clause->u.expect.header.text, k, "`header`");
    clause->u.expect.header = ecc_string(p, name);
    clause->u.expect.value = ecc_string(p, value);
}

void ecc_say(struct ecc_parser *p, struct ecc_ast_decl *scenario, struct ecc_token k, struct ecc_token from, struct ecc_token to,
             struct ecc_token text)
{
    struct ecc_ast_clause *clause = ecc_clause(p, scenario, ECC_AST_CLAUSE_SAY, k);

    clause->u.say.from = ecc_ast_kebab(p, from);
    clause->u.say.to = ecc_ast_kebab(p, to);
    clause->u.say.text = ecc_string(p, text);
}
