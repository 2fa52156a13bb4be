/* A scenario from its request to the last event. The order of a gateway's work is that of runtime/gateway.c. */
#include "derive.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "derive_internal.h"

/* ------------------------------------------------------------------ names */

const char *ecc_hop_kind_name(enum ecc_hop_kind kind)
{
    static const char *const names[] = {
#define X(e, n) n,
        ECC_HOP_KINDS(X)
#undef X
    };
    return names[kind];
}

const char *ecc_hop_outcome_name(enum ecc_hop_outcome outcome)
{
    static const char *const names[] = {
#define X(e, n) n,
        ECC_HOP_OUTCOMES(X)
#undef X
    };
    return names[outcome];
}

const char *ecc_hop_phase_name(enum ecc_hop_phase phase)
{
    static const char *const names[] = {
#define X(e, n) n,
        ECC_HOP_PHASES(X)
#undef X
    };
    return names[phase];
}

const char *ecc_hop_to(struct ecc_arena *arena, const struct ecc_hop *hop)
{
    return hop->to ? hop->to->name : ecc_arena_printf(arena, "%s-db", hop->from->name);
}

struct ids {
    struct {
        const char *text;
        int n;
    } *items;
    size_t n, cap;
};

static const char *unique(struct ecc_arena *arena, struct ids *ids, const char *text)
{
    for (size_t i = 0; i < ids->n; i++)
        if (strcmp(ids->items[i].text, text) == 0)
            return ecc_arena_printf(arena, "%s_%d", text, ++ids->items[i].n);
    if (ids->n == ids->cap)
        ids->items = ecc_arena_grow(arena, ids->items, &ids->cap, sizeof *ids->items);
    ids->items[ids->n].text = text;
    ids->items[ids->n++].n = 1;
    return text;
}

static void name_hops(struct ecc_arena *arena, struct ids *ids, struct ecc_hops *hops)
{
    for (size_t i = 0; i < hops->n; i++) {
        struct ecc_hop *hop = hops->items[i];
        hop->id = unique(arena, ids, ecc_arena_printf(arena, "%s.%s", ecc_hop_to(arena, hop), hop->label));
        name_hops(arena, ids, &hop->hops);
    }
}

void ecc_hops_name(struct ecc_arena *arena, struct ecc_hops *hops)
{
    struct ids ids = {0};

    name_hops(arena, &ids, hops);
}

/* ------------------------------------------------------------------ shared by the parts */

/* Of a breaker and of a cache it is what `when` finds; everything else holds from where it stands. */
bool ecc_derive_holds(const struct ecc_derive *d, const struct ecc_assume *a)
{
    bool found = a->kind == ECC_ASSUME_OPEN || a->kind == ECC_ASSUME_HOLDS || a->kind == ECC_ASSUME_MISSES;

    return d->at > (found ? d->scenario->ngiven : a->after);
}

const struct ecc_assume *ecc_derive_assumed(const struct ecc_derive *d, enum ecc_assume_kind kind, const struct ecc_node *node)
{
    for (size_t i = 0; i < d->scenario->nassumes; i++) {
        const struct ecc_assume *a = &d->scenario->assumes[i];
        if (a->kind != kind || a->node != node || !ecc_derive_holds(d, a))
            continue;
        d->met[i] = true;
        return a;
    }
    return NULL;
}

const struct ecc_assume *ecc_derive_fails(const struct ecc_derive *d, const struct ecc_op *op, const struct ecc_ext_call *ext)
{
    for (size_t i = 0; i < d->scenario->nassumes; i++) {
        const struct ecc_assume *a = &d->scenario->assumes[i];
        if (a->kind != ECC_ASSUME_FAILS || a->op != op || a->ext != ext || !ecc_derive_holds(d, a))
            continue;
        d->met[i] = true;
        return a;
    }
    return NULL;
}

const struct ecc_edge *ecc_derive_edge(const struct ecc_node *from, const struct ecc_node *to)
{
    for (size_t i = 0; i < from->nout; i++)
        if (from->out[i]->to == to)
            return from->out[i];
    return NULL;
}

struct ecc_hop *ecc_derive_hop(struct ecc_derive *d, const struct ecc_at *at, enum ecc_hop_kind kind, const struct ecc_node *to,
                               const struct ecc_edge *edge, const char *label, struct ecc_span span)
{
    struct ecc_hop *hop = ECC_NEW(d->arena, struct ecc_hop);

    hop->kind = kind;
    hop->phase = at->phase;
    hop->from = at->node;
    hop->to = to;
    hop->edge = edge;
    hop->label = label;
    hop->saga = at->saga;
    hop->step = at->step;
    hop->branch = at->branch;
    hop->many = at->many;
    hop->span = span;
    ECC_PUSH(d->arena, at->hops, hop);
    if (++d->nhops >= ECC_DERIVE_HOPS)
        d->cut = true;
    return hop;
}

/* ------------------------------------------------------------------ a request as the client writes it */

static const struct ecc_known *answer_value(struct ecc_derive *d, const struct ecc_sbx_value *v)
{
    const struct ecc_known *value = &ecc_known_null;

    for (size_t i = 0; i < d->answers.n; i++)
        if (d->answers.items[i].request == v->answer)
            value = d->answers.items[i].value;
    for (size_t i = 0; i < v->npath; i++)
        value = ecc_known_field(d->arena, value, v->path[i]);
    return value;
}

static void keep_answer(struct ecc_derive *d, const struct ecc_request *request, const struct ecc_known *value)
{
    const struct ecc_answered answered = {request, value ? value : &ecc_known_null};

    if (request->let)
        ECC_PUSH(d->arena, &d->answers, answered);
}

static const struct ecc_known *client_value(struct ecc_derive *d, const struct ecc_sbx_value *v, const struct ecc_known *same)
{
    struct ecc_known *out;

    switch (v->kind) {
    case ECC_SBX_LITERAL:
        return ecc_derive_literal(d->arena, v->literal);
    case ECC_SBX_TOKEN:
        return ecc_known_some(d->arena, "%s%u%s", v->name, ++d->names, v->npath ? v->path[0] : "");
    case ECC_SBX_ANSWER:
        return answer_value(d, v);
    case ECC_SBX_REPLY: /* same.x */
        for (size_t i = 0; i < v->npath && same; i++)
            same = ecc_known_field(d->arena, same, v->path[i]);
        return same ? same : &ecc_known_null;
    case ECC_SBX_OBJECT:
    case ECC_SBX_LIST:
        out = ecc_known_object(d->arena, v->nitems);
        out->kind = v->kind == ECC_SBX_OBJECT ? ECC_KNOWN_OBJECT : ECC_KNOWN_LIST;
        for (size_t i = 0; i < v->nitems; i++) {
            out->keys[i] = v->kind == ECC_SBX_OBJECT ? v->keys[i] : "";
            out->items[i] = client_value(d, v->items[i], same);
        }
        return out;
    case ECC_SBX_REQUEST:
    case ECC_SBX_STORE:
    case ECC_SBX_TIMESTAMP:
        break;
    }
    return &ecc_known_null;
}

static const struct ecc_known *text_as(struct ecc_derive *d, const char *text, const struct ecc_type *type)
{
    if (type->kind == ECC_TYPE_INT)
        return ecc_known_int(d->arena, strtoll(text, NULL, 10));
    if (type->kind == ECC_TYPE_BOOL)
        return ecc_known_bool(d->arena, strcmp(text, "true") == 0);
    return ecc_known_text(d->arena, text);
}

static const struct ecc_type *type_in(const struct ecc_record *record, const char *name)
{
    for (size_t i = 0; record && i < record->nfields; i++)
        if (strcmp(record->fields[i].name, name) == 0 || strcmp(record->fields[i].wire, name) == 0)
            return record->fields[i].type;
    return NULL;
}

/* text is `{order.id}` where an answer's field stands: the next of refs. */
static void add_param(struct ecc_derive *d, struct ecc_known *object, const struct ecc_record *record, const char *name, const char *text,
                      const struct ecc_refs_in *refs, size_t *ref)
{
    const struct ecc_type *type = type_in(record, name);
    const struct ecc_sbx_value *answer = *text == '{' && *ref < refs->n ? refs->items[(*ref)++] : NULL;

    if (!type || !record || object->n >= record->nfields)
        return;
    object->keys[object->n] = name;
    object->items[object->n++] = answer ? answer_value(d, answer) : text_as(d, text, type);
}

/* Each `{name}` of the route takes the segment that stands there. */
static const struct ecc_known *path_of(struct ecc_derive *d, const struct ecc_route *route, const struct ecc_request *request, size_t *ref)
{
    struct ecc_known *out = ecc_known_object(d->arena, route->path_params ? route->path_params->nfields : 0);
    const char *p = request->path;

    out->n = 0;
    for (const char *t = route->path; *t && *p;) {
        if (*t != '{') {
            t++;
            p++;
            continue;
        }
        size_t name = strcspn(t, "}"), segment = strcspn(p, "/?");
        add_param(d, out, route->path_params, ecc_arena_strndup(d->arena, t + 1, name - 1), ecc_arena_strndup(d->arena, p, segment),
                  &request->refs, ref);
        t += t[name] ? name + 1 : name;
        p += segment;
    }
    return out;
}

static const struct ecc_known *query_of(struct ecc_derive *d, const struct ecc_route *route, const struct ecc_request *request, size_t *ref)
{
    struct ecc_known *out = ecc_known_object(d->arena, route->query ? route->query->nfields : 0);
    const char *p = strchr(request->path, '?');

    out->n = 0;
    while (p && *p) {
        size_t n = strcspn(++p, "&"), name = strcspn(p, "=&");
        const char *value = ecc_arena_strndup(d->arena, p + name + (name < n), n - name - (name < n));
        add_param(d, out, route->query, ecc_arena_strndup(d->arena, p, name), value, &request->refs, ref);
        p += n;
    }
    return route->query ? ecc_known_from_wire(d->arena, out, route->query, "query") : out;
}

/* ------------------------------------------------------------------ the gateway */

struct asked {
    struct ecc_derive *d;
    const struct ecc_node *gateway;
    const struct ecc_route *route;
    const char *token;              /* or NULL */
    const struct ecc_known *bearer; /* what it is made of */
    struct ecc_hop *hop;
    struct ecc_at at;
    struct ecc_env env;
    const struct ecc_known *body; /* as the client wrote it */
    struct ecc_answer answer;
    bool hit, miss, near;
};

static const struct ecc_known *known_identity(const struct ecc_derive *d, const char *token)
{
    for (size_t i = d->verdicts.n; token && i-- > 0;)
        if (strcmp(d->verdicts.items[i].token, token) == 0)
            return d->verdicts.items[i].identity;
    return NULL;
}

static struct ecc_hop *trip(struct asked *a, const struct ecc_node *cache, const char *label, enum ecc_hop_outcome outcome)
{
    struct ecc_hop *hop = ecc_derive_hop(a->d, &a->at, ECC_HOP_CACHE, cache, ecc_derive_edge(a->gateway, cache), label, a->route->span);

    hop->outcome = ecc_derive_cache_down(a->d, cache) ? ECC_HOP_IS_REFUSED : outcome;
    return hop;
}

static bool look_in_cache(struct asked *a)
{
    const struct ecc_cache_ref *ref = &a->route->cache;
    const struct ecc_known *found =
        ecc_derive_cached(a->d, a->gateway, ref->keyspace, ecc_env_eval(&a->env, ref->key), &a->near);

    a->hit = found != NULL;
    a->miss = !found;
    if (found)
        a->answer = (struct ecc_answer){.value = found};
    return a->hit;
}

/* What the gateway has itself goes on while the cache is away; else its time may have passed. */
static bool asks_cache(const struct asked *a)
{
    return !a->near || !ecc_derive_cache_down(a->d, a->route->cache.keyspace->cache);
}

/* sure: it asks for something that the gateway has not at hand. */
static void get_trip(struct asked *a, const char *before, bool sure, enum ecc_hop_outcome outcome)
{
    const struct ecc_keyspace *keyspace = a->route->cache.keyspace;
    struct ecc_hop *hop = trip(a, keyspace->cache, ecc_arena_printf(a->d->arena, "%sget %s", before, keyspace->name), outcome);

    hop->near = a->hit && keyspace->near_ms ? keyspace : NULL;
    hop->maybe = hop->near && !sure;
}

/* One round trip for the limit, the session of a token that is known, and the value of a read that nothing but the limit can still refuse.
 * What of these the gateway may have at hand (a limit's lease, a value with `near`) may be missing in it. */
static bool first_trip(struct asked *a)
{
    const struct ecc_gateway *g = &a->gateway->u.gateway;
    const struct ecc_known *identity = a->route->auth ? known_identity(a->d, a->token) : NULL;
    const struct ecc_node *cache = NULL;
    enum ecc_hop_outcome outcome = ECC_HOP_IS_OK;
    const char *label = "";
    bool get = false, sure = false;

    if (g->limit && g->limit->cache) {
        cache = g->limit->cache;
        label = "limit";
        sure = !g->limit->lease;
    }
    if (identity && g->auth && g->auth->while_.keyspace) {
        cache = g->auth->while_.keyspace->cache;
        sure = true;
        label = ecc_arena_printf(a->d->arena, "%s%sget %s", label, *label ? ", " : "", g->auth->while_.keyspace->name);
    }
    if (a->route->cache.keyspace && (!a->route->auth || (identity && !g->auth->while_.keyspace))) {
        if (identity)
            ecc_env_bind(&a->env, a->route->identity_var, identity);
        outcome = look_in_cache(a) ? ECC_HOP_IS_HIT : ECC_HOP_IS_MISS;
        get = asks_cache(a);
    }
    if (get)
        get_trip(a, ecc_arena_printf(a->d->arena, "%s%s", label, *label ? ", " : ""), sure, outcome);
    else if (cache)
        trip(a, cache, label, ECC_HOP_IS_OK)->maybe = !sure;
    return a->hit;
}

/* False when nobody is let in. */
static bool authenticate(struct asked *a)
{
    const struct ecc_auth *auth = a->gateway->u.gateway.auth;
    const struct ecc_known *identity = known_identity(a->d, a->token);
    static const struct ecc_error unauthorized = {.name = "Unauthorized", .status = 401, .title = "No valid token"};

    if (!a->token) {
        a->answer = (struct ecc_answer){.error = &unauthorized};
        return false;
    }
    if (!identity && auth->via) {
        struct ecc_env env = {.arena = a->d->arena};
        const struct ecc_expr *args = auth->via->u.call.args;
        for (size_t i = 0; i < args->u.record.ninits; i++)
            for (const struct ecc_expr *e = args->u.record.inits[i].value; e; e = e->kind == ECC_EXPR_CONVERT ? e->u.convert : NULL)
                if (e->kind == ECC_EXPR_VAR && e->u.var->kind == ECC_VAR_TOKEN)
                    ecc_env_bind(&env, e->u.var, a->bearer);
        a->answer = ecc_derive_call(a->d, &a->at, auth->via, &env);
        if (a->answer.error)
            return false;
        identity = a->answer.value ? a->answer.value : &ecc_known_null;
        struct ecc_verdict verdict = {a->token, identity};
        ECC_PUSH(a->d->arena, &a->d->verdicts, verdict);
        a->answer = (struct ecc_answer){0};
    }
    ecc_env_bind(&a->env, a->route->identity_var, identity ? identity : &ecc_known_null);
    return true;
}

static void run_branches(struct asked *a)
{
    struct ecc_known *out = ecc_known_object(a->d->arena, a->route->nbranches);

    for (size_t i = 0; i < a->route->nbranches; i++) {
        const struct ecc_branch *branch = &a->route->branches[i];
        struct ecc_at at = a->at;
        at.branch = (int)i + 1;
        struct ecc_answer answer = ecc_derive_call(a->d, &at, branch->call, &a->env);
        if (answer.error && branch->required && !a->answer.error)
            a->answer.error = answer.error;
        out->keys[i] = branch->name;
        out->items[i] = answer.error || !answer.value ? &ecc_known_null : answer.value;
    }
    a->answer.value = out;
}

static void run_route(struct asked *a)
{
    const struct ecc_route *route = a->route;

    if (first_trip(a) || (route->auth && !authenticate(a)))
        return;
    if (route->auth && route->cache.keyspace && !a->miss) {
        bool hit = look_in_cache(a);
        if (asks_cache(a))
            get_trip(a, "", false, hit ? ECC_HOP_IS_HIT : ECC_HOP_IS_MISS);
        if (hit)
            return;
    }
    if (route->branches)
        run_branches(a);
    else
        a->answer = ecc_derive_call(a->d, &a->at, route->call, &a->env);
    if (a->miss && !a->answer.error && !ecc_derive_cache_down(a->d, route->cache.keyspace->cache)) {
        ecc_derive_keep(a->d, route->cache.keyspace, ecc_env_eval(&a->env, route->cache.key),
                        a->answer.value ? a->answer.value : &ecc_known_null);
        trip(a, route->cache.keyspace->cache, ecc_arena_printf(a->d->arena, "put %s", route->cache.keyspace->name), ECC_HOP_IS_OK);
    }
}

/* What goes on once there is a reply; what that causes comes to the end of the same list. */
static void settle(struct ecc_derive *d)
{
    for (size_t i = 0; i < d->later.n && !d->cut; i++) {
        struct ecc_later later = d->later.items[i];
        if (later.publish) {
            ecc_derive_deliver(d, &later);
        } else if (!later.saga->ran) {
            struct ecc_at at = {.node = later.saga->saga->service, .hops = later.hops};
            size_t first = later.hops->n;
            ecc_derive_saga(d, &at, later.saga);
            for (size_t k = first; k < later.hops->n; k++)
                later.hops->items[k]->beside = true;
        }
    }
    d->later.n = 0;
}

static struct ecc_answer ask(struct ecc_derive *d, const struct ecc_request *request, struct ecc_hops *hops, const char *token,
                             const struct ecc_known *bearer, const struct ecc_known *same, struct asked *a)
{
    const struct ecc_edge *edge = NULL;
    struct ecc_at at = {.node = request->client, .hops = hops};
    size_t ref = 0;

    *a = (struct asked){.d = d, .route = request->route, .token = token, .bearer = bearer, .env = {.arena = d->arena}};
    for (size_t i = 0; i < request->client->nout && !edge; i++) {
        const struct ecc_node *g = request->client->out[i]->to;
        for (size_t k = 0; g->kind == ECC_NODE_GATEWAY && k < g->u.gateway.nroutes; k++)
            if (g->u.gateway.routes[k] == request->route) {
                edge = request->client->out[i];
                a->gateway = g;
            }
    }
    if (!edge)
        return a->answer;
    a->hop = ecc_derive_hop(d, &at, ECC_HOP_REQUEST, a->gateway, edge, ecc_arena_printf(d->arena, "%s %s", request->method, request->path),
                            request->span);
    a->at = (struct ecc_at){.node = a->gateway, .hops = &a->hop->hops, .keyed = a->route->idempotent};
    a->body = request->body ? client_value(d, request->body, same) : &ecc_known_null;
    ecc_env_bind(&a->env, a->route->path_var, path_of(d, a->route, request, &ref));
    ecc_env_bind(&a->env, a->route->query_var, query_of(d, a->route, request, &ref));
    if (a->route->body)
        ecc_env_bind(&a->env, a->route->body_var, ecc_known_from_wire(d->arena, a->body, a->route->body, "body"));
    run_route(a);
    a->hop->error = a->answer.error;
    a->hop->status = a->answer.error ? a->answer.error->status : a->answer.accepted ? 202 : a->route->status;
    a->hop->outcome = a->answer.error ? ECC_HOP_IS_ERROR : ECC_HOP_IS_OK;
    settle(d);
    return a->answer;
}

/* ------------------------------------------------------------------ the scenario */

/* What an identity's requests leave behind; the token that they give. */
static const struct ecc_known *sign_in(struct ecc_derive *d, const struct ecc_identity *identity, const struct ecc_known **same)
{
    const struct ecc_known *token = &ecc_known_null;
    struct ecc_hops ignored = {0};
    struct asked a;

    for (size_t i = 0; i < identity->nrequests; i++) {
        const struct ecc_request *request = identity->requests[i];
        struct ecc_answer answer = ask(d, request, &ignored, NULL, &ecc_known_null, *same, &a);
        keep_answer(d, request, answer.value);
        if (!i)
            *same = a.body;
        if (!request->let || !identity->ntoken || strcmp(request->let, identity->token[0]) != 0)
            continue;
        token = answer.value ? answer.value : &ecc_known_null;
        for (size_t k = 1; k < identity->ntoken; k++)
            token = ecc_known_field(d->arena, token, identity->token[k]);
    }
    return token;
}

/* An operation that is asked by one of those who may. */
static struct ecc_answer ask_op(struct ecc_derive *d, const struct ecc_request *request, struct ecc_hops *hops,
                                const struct ecc_known *same)
{
    const struct ecc_at at = {.node = request->op->service, .hops = hops, .keyed = true};
    const struct ecc_known *args = ecc_known_from_wire(d->arena, client_value(d, request->body, same), request->op->params, "given");
    struct ecc_answer answer = ecc_derive_op(d, &at, request->op, args);

    settle(d);
    return answer;
}

static void play_given(struct ecc_derive *d, struct ecc_derived *derived, const char *token, const struct ecc_known *bearer,
                       const struct ecc_known *same)
{
    const struct ecc_scenario *s = d->scenario;

    derived->given = ECC_NEW_ARRAY(d->arena, struct ecc_derived_given, s->ngiven + 1);
    for (size_t i = 0; i < s->ngiven; i++) {
        struct ecc_derived_given *given = &derived->given[i];
        struct asked a;

        *given = (struct ecc_derived_given){.held = false};
        d->at = i + 1;
        d->held = false;
        struct ecc_answer answer =
            s->given[i]->op ? ask_op(d, s->given[i], &given->hops, same) : ask(d, s->given[i], &given->hops, token, bearer, same, &a);
        keep_answer(d, s->given[i], answer.value);
        given->error = answer.error;
        given->held = d->held;
    }
    d->at = s->ngiven + 1;
}

/* Narrations come in the order of the story: each goes to the next hop along its edge. */
static const struct ecc_say *narrate(const struct ecc_scenario *s, struct ecc_hops *hops, size_t *next)
{
    for (size_t i = 0; i < hops->n && *next < s->nsays; i++) {
        struct ecc_hop *hop = hops->items[i];
        if (hop->edge == s->says[*next].edge)
            hop->say = s->says[(*next)++].text;
        narrate(s, &hop->hops, next);
    }
    return *next < s->nsays ? &s->says[*next] : NULL;
}

const struct ecc_derived *ecc_derive(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_scenario *scenario)
{
    struct ecc_derive d = {.arena = arena, .model = model, .scenario = scenario};
    struct ecc_derived *derived = ECC_NEW(arena, struct ecc_derived);
    const struct ecc_known *bearer = NULL, *same = NULL;
    const char *token = NULL;
    struct asked a = {0};
    size_t said = 0;

    derived->scenario = scenario;
    d.met = ECC_NEW_ARRAY(arena, bool, scenario->nassumes + 1);
    memset(d.met, 0, scenario->nassumes + 1);
    if (scenario->identity) {
        bearer = sign_in(&d, scenario->identity, &same);
        token = bearer->text ? bearer->text : ecc_known_print(arena, bearer);
    }
    play_given(&d, derived, token, bearer, same);
    d.nhops = 0;
    for (size_t i = 0; i < scenario->nassumes; i++) /* what is assumed of a cache is from now on */
        if (scenario->assumes[i].kind == ECC_ASSUME_MISSES)
            ecc_derive_forget(&d, scenario->assumes[i].keyspace);
    d.breakers.n = 0;
    for (int i = 0; i < scenario->when->times && !d.cut; i++)
        ask(&d, scenario->when, &derived->hops, token, bearer, same, &a);
    derived->cached = a.hit;
    derived->cut = d.cut;
    derived->met = d.met;
    derived->forced = d.forced;
    derived->unsaid = narrate(scenario, &derived->hops, &said);
    ecc_hops_name(arena, &derived->hops);
    return derived;
}
