/* The public side: routes, who may call them, what they take and give. A route is its method and path; how a parameter of the path is
 * called is nobody's business outside. */
#include "internal.h"

/* The path with every parameter as {}. */
static const char *shape_of(struct ecc_arena *arena, const struct ecc_route *route)
{
    char *out = ecc_arena_strdup(arena, route->path), *to = out;

    for (const char *p = out; *p; p++) {
        *to++ = *p;
        if (*p == '{') {
            while (p[1] && p[1] != '}')
                p++;
        }
    }
    *to = '\0';
    return out;
}

static const struct ecc_route *same_route(struct ecc_arena *arena, const struct ecc_node *gateway, const struct ecc_route *route)
{
    const char *shape = shape_of(arena, route);

    for (size_t i = 0; gateway && i < gateway->u.gateway.nroutes; i++) {
        const struct ecc_route *other = gateway->u.gateway.routes[i];
        if (strcmp(other->method, route->method) == 0 && strcmp(shape_of(arena, other), shape) == 0)
            return other;
    }
    return NULL;
}

/* An argument: a parameter of the path by its place, because its name is nobody's business. */
static const char *argument(struct ecc_arena *arena, const struct ecc_route *route, const struct ecc_expr *expr)
{
    const char *text = ecc_canon_expr(arena, expr);
    int n = 0;

    if (strncmp(text, "path.", 5) != 0)
        return text;
    for (const char *p = strchr(route->path, '{'); p; p = strchr(p + 1, '{')) {
        n++;
        if (strncmp(p + 1, text + 5, strlen(text + 5)) == 0 && p[1 + strlen(text + 5)] == '}')
            return ecc_arena_printf(arena, "path parameter %d", n);
    }
    return text;
}

/* `node.Op(a: identity.a)`. What is handed on under the name that the client sends it by is left out: it is told as a field of the request.
 */
static const char *call_text(struct ecc_arena *arena, const struct ecc_route *route, const struct ecc_stmt *call)
{
    const struct ecc_expr *args = call->u.call.args;
    size_t n = 0, all = args && args->kind == ECC_EXPR_RECORD ? args->u.record.ninits : 0;
    const char **items = ECC_NEW_ARRAY(arena, const char *, all);

    for (size_t i = 0; i < all; i++) {
        const struct ecc_init *init = &args->u.record.inits[i];
        if (!init->value)
            continue;
        const char *text = argument(arena, route, init->value), *dot = strchr(text, '.');
        bool own = (strncmp(text, "body.", 5) == 0 || strncmp(text, "query.", 6) == 0) && strcmp(dot + 1, init->field->name) == 0;
        if (!own)
            items[n++] = ecc_arena_printf(arena, "%s: %s", init->field->name, text);
    }
    return ecc_arena_printf(arena, "%s.%s(%s)", call->u.call.op->service->name, call->u.call.op->name, ecc_join_sorted(arena, items, n));
}

static const char *target_of(struct ecc_arena *arena, const struct ecc_route *route)
{
    const char **items = ECC_NEW_ARRAY(arena, const char *, route->nbranches);

    if (route->call)
        return call_text(arena, route, route->call);
    for (size_t i = 0; i < route->nbranches; i++)
        items[i] = ecc_arena_printf(arena, "%s: %s %s", route->branches[i].name, route->branches[i].required ? "required" : "optional",
                                    call_text(arena, route, route->branches[i].call));
    return ecc_join_sorted(arena, items, route->nbranches);
}

static const char *cache_of(struct ecc_arena *arena, const struct ecc_route *route, const struct ecc_cache_ref *ref)
{
    const struct ecc_keyspace *k = ref->keyspace;

    return k ? ecc_arena_printf(arena, "%s.%s[%s]", k->cache->name, k->name,
                                route ? argument(arena, route, ref->key) : ecc_canon_expr(arena, ref->key))
             : "none";
}

/* ------------------------------------------------------------------ errors */

struct errors {
    const struct ecc_error **items;
    size_t n, cap;
};

static void add_error(struct ecc_arena *arena, struct errors *to, const struct ecc_error *error)
{
    if (error && !FIND(to->items, to->n, error->name))
        ECC_PUSH(arena, to, error);
}

static void add_call(struct ecc_arena *arena, struct errors *to, const struct ecc_stmt *call)
{
    for (size_t i = 0; call->u.call.op && i < call->u.call.op->nerrors; i++)
        add_error(arena, to, call->u.call.op->errors[i]);
    if (call->u.call.edge) {
        add_error(arena, to, call->u.call.edge->on_open);
        add_error(arena, to, call->u.call.edge->on_failure);
    }
}

static struct errors errors_of(struct ecc_arena *arena, const struct ecc_route *route)
{
    struct errors all = {0};

    if (route->call)
        add_call(arena, &all, route->call);
    for (size_t i = 0; i < route->nbranches; i++)
        if (route->branches[i].required)
            add_call(arena, &all, route->branches[i].call);
    return all;
}

static void compare_route_errors(struct ecc_comparer *c, const char *subject, const struct ecc_route *old, const struct ecc_route *new_)
{
    struct errors before = errors_of(c->arena, old), after = errors_of(c->arena, new_);

    for (size_t i = 0; i < after.n; i++)
        if (!FIND(before.items, before.n, after.items[i]->name))
            ecc_differ(c, ECC_DIFF_ROUTE_ERROR_ADDED, false, new_->span, subject, "new error %s, %d", after.items[i]->name,
                       after.items[i]->status);
    for (size_t i = 0; i < before.n; i++)
        if (!FIND(after.items, after.n, before.items[i]->name))
            ecc_differ(c, ECC_DIFF_ROUTE_ERROR_REMOVED, false, new_->span, subject, "no error %s, %d, any more", before.items[i]->name,
                       before.items[i]->status);
}

/* Errors that a gateway of the new model gives: by a route that was there before, or by whoever looks at tokens. */
static struct errors shown_errors(struct ecc_comparer *c)
{
    struct errors shown = {0};

    for (size_t n = 0; n < c->new_->nnodes; n++) {
        const struct ecc_node *node = c->new_->nodes[n], *was = FIND(c->old->nodes, c->old->nnodes, node->name);
        if (node->kind != ECC_NODE_GATEWAY || !was || was->kind != ECC_NODE_GATEWAY)
            continue;
        if (node->u.gateway.auth)
            add_call(c->arena, &shown, node->u.gateway.auth->via);
        for (size_t i = 0; i < node->u.gateway.nroutes; i++) {
            struct errors all = errors_of(c->arena, node->u.gateway.routes[i]);
            for (size_t j = 0; j < all.n && same_route(c->arena, was, node->u.gateway.routes[i]); j++)
                add_error(c->arena, &shown, all.items[j]);
        }
    }
    return shown;
}

void ecc_compare_errors(struct ecc_comparer *c)
{
    struct errors shown = shown_errors(c);

    for (size_t i = 0; i < c->new_->nerrors; i++) {
        const struct ecc_error *now = c->new_->errors[i], *was = FIND(c->old->errors, c->old->nerrors, now->name);
        const char *subject = CFMT(c, "error %s", now->name);
        if (was && was->status != now->status)
            ecc_differ(c, FIND(shown.items, shown.n, now->name) ? ECC_DIFF_ERROR_STATUS_CHANGED : ECC_DIFF_ERROR_STATUS_CHANGED_INSIDE,
                       false, now->span, subject, "its status was %d and is %d", was->status, now->status);
        if (was && !ecc_same_text(was->title, now->title))
            ecc_differ(c, ECC_DIFF_ERROR_TITLE_CHANGED, false, now->span, subject, "its title was \"%s\" and is \"%s\"", was->title,
                       now->title);
    }
}

/* ------------------------------------------------------------------ one route */

/* The n-th parameter of the path by the name that the other route has for it. */
static const struct ecc_record *path_record(struct ecc_arena *arena, const struct ecc_route *route, const struct ecc_route *names)
{
    struct ecc_record *record = ECC_NEW(arena, struct ecc_record);
    const char *at = route->path, *name = names->path;

    if (!route->path_params)
        return NULL;
    record->span = route->span;
    record->fields = ECC_NEW_ARRAY(arena, struct ecc_field, route->path_params->nfields);
    while ((at = strchr(at, '{')) && (name = strchr(name, '{'))) {
        const char *own = ecc_arena_strndup(arena, at + 1, strcspn(at + 1, "}"));
        for (size_t i = 0; i < route->path_params->nfields; i++)
            if (strcmp(route->path_params->fields[i].name, own) == 0 && record->nfields < route->path_params->nfields) {
                record->fields[record->nfields] = route->path_params->fields[i];
                record->fields[record->nfields++].wire = ecc_arena_strndup(arena, name + 1, strcspn(name + 1, "}"));
            }
        at++, name++;
    }
    return record;
}

static void compare_route(struct ecc_comparer *c, const struct ecc_route *old, const struct ecc_route *new_)
{
    struct ecc_arena *arena = c->arena;
    const char *subject = CFMT(c, "%s %s", new_->method, new_->path), *reply = CFMT(c, "reply of %s", subject);
    const char *before = target_of(arena, old), *after = target_of(arena, new_);

    if (old->auth != new_->auth)
        ecc_differ(c, new_->auth ? ECC_DIFF_ROUTE_AUTH_ADDED : ECC_DIFF_ROUTE_AUTH_REMOVED, false, new_->span, subject, "was %s and is %s",
                   old->auth ? "auth" : "public", new_->auth ? "auth" : "public");
    if (old->status != new_->status)
        ecc_differ(c, ECC_DIFF_ROUTE_STATUS_CHANGED, false, new_->span, subject, "replied %d and replies %d", old->status, new_->status);
    if (!old->accepted && new_->accepted)
        ecc_differ(c, ECC_DIFF_ROUTE_ACCEPTED_ADDED, false, new_->span, subject, "may be accepted, at %s", new_->accepted);
    else if (!ecc_same_text(old->accepted, new_->accepted))
        ecc_differ(c, ECC_DIFF_ROUTE_ACCEPTED_CHANGED, false, new_->span, subject, "was accepted at %s and is at %s", old->accepted,
                   new_->accepted ? new_->accepted : "nowhere");
    if (old->idempotent != new_->idempotent)
        ecc_differ(c, new_->idempotent ? ECC_DIFF_ROUTE_IDEMPOTENT_ADDED : ECC_DIFF_ROUTE_IDEMPOTENT_REMOVED, false, new_->span, subject,
                   "%s", new_->idempotent ? "is idempotent" : "is not idempotent any more");
    const char *cached = cache_of(arena, old, &old->cache), *caches = cache_of(arena, new_, &new_->cache);
    if (strcmp(cached, caches) != 0)
        ecc_differ(c, ECC_DIFF_ROUTE_CACHE_CHANGED, false, new_->span, subject, "its cache was %s and is %s", cached, caches);
    if (strcmp(before, after) != 0)
        ecc_differ(c, ECC_DIFF_ROUTE_TARGET_CHANGED, false, new_->span, subject, "called %s and calls %s", before, after);
    ecc_compare_records(c, ECC_AT_REQUEST, subject, path_record(arena, old, new_), path_record(arena, new_, new_), old->span, new_->span);
    ecc_compare_records(c, ECC_AT_REQUEST, subject, old->query, new_->query, old->span, new_->span);
    ecc_compare_records(c, ECC_AT_REQUEST, subject, old->body, new_->body, old->span, new_->span);
    ecc_compare_types(c, ECC_AT_REPLY, reply, old->span, new_->span, old->result, new_->result);
    compare_route_errors(c, subject, old, new_);
}

/* ------------------------------------------------------------------ the gateway */

static void compare_auth(struct ecc_comparer *c, const char *subject, const struct ecc_node *new_, const struct ecc_auth *old,
                         const struct ecc_auth *now)
{
    struct ecc_arena *arena = c->arena;
    const struct {
        const char *word, *was, *is;
    } parts[] = {
        {"operation", old ? ecc_canon_stmt(arena, old->via) : "none", now ? ecc_canon_stmt(arena, now->via) : "none"},
        {"cache", old ? ecc_duration_words(arena, old->cache_ms) : "none", now ? ecc_duration_words(arena, now->cache_ms) : "none"},
        {"session", old ? cache_of(arena, NULL, &old->while_) : "none", now ? cache_of(arena, NULL, &now->while_) : "none"},
    };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strcmp(parts[i].was, parts[i].is) != 0)
            ecc_differ(c, ECC_DIFF_AUTH_CHANGED, false, new_->span, subject, "the %s of auth was %s and is %s", parts[i].word, parts[i].was,
                       parts[i].is);
}

static const char *limit_text(struct ecc_arena *arena, const struct ecc_limit *limit)
{
    static const char *const per[] = {"identity", "address", "identity or address"};

    if (!limit)
        return "none";
    return ecc_arena_printf(arena, "%g/s burst %d%s per %s in %s, when-down %s", limit->per_second, limit->burst,
                            limit->lease ? ecc_arena_printf(arena, " lease %d", limit->lease) : "", per[limit->per], limit->cache->name,
                            limit->when_down_allow ? "allow" : "refuse");
}

void ecc_compare_gateway(struct ecc_comparer *c, const struct ecc_node *old, const struct ecc_node *new_)
{
    struct ecc_arena *arena = c->arena;

    for (size_t i = 0; new_ && i < new_->u.gateway.nroutes; i++) {
        const struct ecc_route *route = new_->u.gateway.routes[i], *was = same_route(arena, old, route);
        if (was)
            compare_route(c, was, route);
        else
            ecc_differ(c, ECC_DIFF_ROUTE_ADDED, false, route->span, CFMT(c, "%s %s", route->method, route->path), "new route%s",
                       route->auth ? ", with a token" : "");
    }
    for (size_t i = 0; old && i < old->u.gateway.nroutes; i++) {
        const struct ecc_route *route = old->u.gateway.routes[i];
        if (!same_route(arena, new_, route))
            ecc_differ(c, ECC_DIFF_ROUTE_REMOVED, true, route->span, CFMT(c, "%s %s", route->method, route->path), "route is gone");
    }
    if (!old || !new_)
        return;
    const struct ecc_gateway *a = &old->u.gateway, *b = &new_->u.gateway;
    const char *subject = CFMT(c, "gateway %s", new_->name);
    if (a->port != b->port || a->tls != b->tls)
        ecc_differ(c, ECC_DIFF_LISTEN_CHANGED, false, new_->span, subject, "listened on %d%s and listens on %d%s", a->port,
                   a->tls ? " tls" : "", b->port, b->tls ? " tls" : "");
    compare_auth(c, subject, new_, a->auth, b->auth);
    if (strcmp(limit_text(arena, a->limit), limit_text(arena, b->limit)) != 0)
        ecc_differ(c,
                   !a->limit   ? ECC_DIFF_LIMIT_ADDED
                   : !b->limit ? ECC_DIFF_LIMIT_REMOVED
                               : ECC_DIFF_LIMIT_CHANGED,
                   false, new_->span, subject, "its limit was %s and is %s", limit_text(arena, a->limit), limit_text(arena, b->limit));
}
