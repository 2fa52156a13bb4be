/* What stands at the top level, first half: the words that are shared, buses, caches, externals and services. */
#include "build.h"

#include <string.h>

#include "grammar.h"

static struct ecc_names convert(struct ecc_parser *p, const struct ecc_token_list *list,
                                struct ecc_name (*to)(struct ecc_parser *, struct ecc_token))
{
    struct ecc_names names = {0};

    for (size_t i = 0; i < list->n; i++)
        ECC_PUSH(p->arena, &names, to(p, list->items[i]));
    return names;
}

/* ------------------------------------------------------------------ declarations in general */

struct ecc_ast_decl *ecc_nameless(struct ecc_parser *p, enum ecc_ast_decl_kind kind, struct ecc_token k)
{
    struct ecc_ast_decl *decl = ECC_NEW(p->arena, struct ecc_ast_decl);

    decl->kind = kind;
    decl->span = ecc_upto(p, k.start);
    return decl;
}

static bool is_node(enum ecc_ast_decl_kind kind)
{
    switch (kind) {
    case ECC_AST_DECL_ENUM:
    case ECC_AST_DECL_RECORD:
    case ECC_AST_DECL_ERROR:
    case ECC_AST_DECL_EVENT:
        return false;
    default:
        return true;
    }
}

static struct ecc_ast_decl *named(struct ecc_parser *p, enum ecc_ast_decl_kind kind, struct ecc_token k, struct ecc_token n)
{
    struct ecc_ast_decl *decl = ecc_nameless(p, kind, k);

    decl->name = is_node(kind) ? ecc_ast_kebab(p, n) : ecc_ast_pascal(p, n);
    return decl;
}

/* n: its name; the word k itself where it has none. */
struct ecc_ast_decl *ecc_titled(struct ecc_parser *p, enum ecc_ast_decl_kind kind, struct ecc_token k, struct ecc_token n,
                                struct ecc_token t)
{
    struct ecc_ast_decl *decl = n.start == k.start ? ecc_nameless(p, kind, k) : named(p, kind, k, n);

    decl->title = ecc_string(p, t);
    return decl;
}

void ecc_end_decl(struct ecc_parser *p, struct ecc_ast_decl *decl)
{
    decl->span = ecc_upto(p, decl->span.start);
    for (size_t i = 0; i < p->quoted.n; i++)
        ecc_diag(p->diags, ECC_E_MISPLACED, p->quoted.items[i], "a name in quotes stands only in the objects of a sandbox");
    p->quoted.n = 0;
}

static bool has_name(enum ecc_ast_decl_kind kind)
{
    switch (kind) {
    case ECC_AST_DECL_TOPOLOGY:
    case ECC_AST_DECL_EDGE:
    case ECC_AST_DECL_FORBID:
    case ECC_AST_DECL_INVARIANT:
    case ECC_AST_DECL_DROP:
        return false;
    default:
        return true;
    }
}

void ecc_add_decl(struct ecc_parser *p, struct ecc_ast_decl *decl)
{
    if (decl->name.text || !has_name(decl->kind)) /* one whose head could not be read is left out */
        ECC_PUSH(p->arena, &p->file->decls, decl);
}

/* ------------------------------------------------------------------ shared words */

static void no_defaults(struct ecc_parser *p, const struct ecc_ast_fields *fields)
{
    for (size_t i = 0; i < fields->n; i++) {
        struct ecc_ast_field *field = fields->items[i];

        if (field->dflt)
            ecc_diag(p->diags, ECC_E_MISPLACED, field->dflt->span, "only parameters, fields of events, settings and columns have a default");
        field->dflt = NULL;
    }
}

struct ecc_ast_decl *ecc_decl_enum(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_token_list *values)
{
    struct ecc_ast_decl *decl = named(p, ECC_AST_DECL_ENUM, k, n);

    decl->u.values = convert(p, values, ecc_ast_snake);
    return decl;
}

struct ecc_ast_decl *ecc_decl_record(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_ast_fields *fields)
{
    struct ecc_ast_decl *decl = named(p, ECC_AST_DECL_RECORD, k, n);

    no_defaults(p, fields);
    decl->u.fields = *fields;
    return decl;
}

struct ecc_ast_decl *ecc_decl_error(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_token status,
                                    struct ecc_token t)
{
    struct ecc_ast_decl *decl = named(p, ECC_AST_DECL_ERROR, k, n);

    decl->u.error.status = ecc_int(p, status);
    decl->u.error.status_span = ecc_span_of(status);
    decl->title = ecc_string(p, t);
    return decl;
}

struct ecc_ast_decl *ecc_decl_event(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_token version,
                                    struct ecc_ast_fields *fields)
{
    struct ecc_ast_decl *decl = named(p, ECC_AST_DECL_EVENT, k, n);

    decl->u.event.version = ecc_version(p, version);
    decl->u.event.version_span = ecc_span_of(version);
    decl->u.event.fields = *fields;
    return decl;
}

/* ------------------------------------------------------------------ buses and caches */

struct ecc_ast_topic *ecc_topic(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_token key,
                                struct ecc_token partitions)
{
    struct ecc_ast_topic *topic = ECC_NEW(p->arena, struct ecc_ast_topic);

    topic->name = ecc_ast_kebab(p, n);
    topic->key = ecc_ast_snake(p, key);
    topic->partitions = ecc_int(p, partitions);
    topic->partitions_span = ecc_span_of(partitions);
    topic->span = ecc_upto(p, k.start);
    return topic;
}

void ecc_topic_retention(struct ecc_parser *p, struct ecc_ast_topic *topic, struct ecc_token k, struct ecc_token duration)
{
    ecc_once(p, topic->retention_ms, k, "`retention`");
    topic->retention_ms = ecc_duration(p, duration);
}

void ecc_add_topic(struct ecc_parser *p, struct ecc_ast_decl *bus, struct ecc_ast_topic *topic, struct ecc_token_list *events)
{
    topic->events = convert(p, events, ecc_ast_pascal);
    topic->span = ecc_upto(p, topic->span.start);
    ECC_PUSH(p->arena, &bus->u.bus.topics, topic);
}

struct ecc_ast_keyspace *ecc_keyspace(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_ast_field *key,
                                      struct ecc_token value, struct ecc_token ttl)
{
    struct ecc_ast_keyspace *space = ECC_NEW(p->arena, struct ecc_ast_keyspace);

    if (key->dflt || key->wire.text || key->was.text)
        ecc_diag(p->diags, ECC_E_MISPLACED, key->span, "a keyspace's key is `name: type`");
    key->dflt = NULL;
    key->wire.text = key->was.text = NULL;
    space->name = ecc_ast_snake(p, n);
    space->key = key;
    space->value = ecc_ast_pascal(p, value);
    space->ttl_ms = ecc_duration(p, ttl);
    space->ttl_span = ecc_span_of(ttl);
    space->span = ecc_upto(p, k.start);
    return space;
}

void ecc_keyspace_near(struct ecc_parser *p, struct ecc_ast_keyspace *space, struct ecc_token k, struct ecc_token duration)
{
    ecc_once(p, space->near_span.end, k, "`near`");
    space->near_ms = ecc_duration(p, duration);
    space->near_span = ecc_span_of(duration);
    space->span = ecc_upto(p, space->span.start);
}

void ecc_add_keyspace(struct ecc_parser *p, struct ecc_ast_decl *cache, struct ecc_ast_keyspace *space)
{
    ECC_PUSH(p->arena, &cache->u.cache.keyspaces, space);
}

/* ------------------------------------------------------------------ externals */

void ecc_external_base(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_token k, struct ecc_token url, struct ecc_token env)
{
    ecc_once(p, decl->u.external.base.text, k, "`base`");
    decl->u.external.base = ecc_string(p, url);
    decl->u.external.base_env = ecc_env(p, env);
}

void ecc_external_auth(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_token k, enum ecc_ext_auth kind,
                       const struct ecc_token *who, const struct ecc_token *secret)
{
    struct ecc_ast_ext_auth *auth = ECC_NEW(p->arena, struct ecc_ast_ext_auth);

    ecc_once(p, decl->u.external.auth, k, "`auth`");
    auth->kind = kind;
    if (kind == ECC_AUTH_BASIC)
        auth->setting = ecc_ast_snake(p, *who);
    else if (kind == ECC_AUTH_HEADER)
        auth->header = ecc_string(p, *who);
    if (secret)
        auth->secret = ecc_env(p, *secret);
    auth->span = ecc_upto(p, k.start);
    decl->u.external.auth = auth;
}

struct ecc_ast_setting *ecc_setting(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_ast_type *type,
                                    struct ecc_token env, struct ecc_ast_expr *dflt)
{
    struct ecc_ast_setting *setting = ECC_NEW(p->arena, struct ecc_ast_setting);

    setting->field = ecc_field(p, n, type);
    setting->field->dflt = dflt;
    setting->env = ecc_env(p, env);
    setting->span = ecc_upto(p, k.start);
    return setting;
}

struct ecc_ast_ext_call *ecc_ext_call(struct ecc_parser *p, struct ecc_token k, struct ecc_token n, struct ecc_token method,
                                      struct ecc_token path)
{
    struct ecc_ast_ext_call *call = ECC_NEW(p->arena, struct ecc_ast_ext_call);

    call->name = ecc_ast_pascal(p, n);
    call->method = ecc_method(p, method);
    call->path = ecc_string(p, path);
    call->span = ecc_upto(p, k.start);
    return call;
}

void ecc_ext_call_request(struct ecc_parser *p, struct ecc_ast_ext_call *call, struct ecc_token k, enum ecc_encoding encoding,
                          struct ecc_ast_fields *fields)
{
    ecc_once(p, call->encoding != ECC_ENC_NONE, k, "the request");
    no_defaults(p, fields);
    call->encoding = encoding;
    call->request = *fields;
}

void ecc_ext_call_reply(struct ecc_parser *p, struct ecc_ast_ext_call *call, struct ecc_token k, struct ecc_ast_type *type)
{
    ecc_once(p, call->reply, k, "the reply");
    if ((type->kind != ECC_AST_TYPE_RECORD && type->kind != ECC_AST_TYPE_NAMED) || type->optional || type->bounded) {
        struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_MISPLACED, type->span, "a provider's reply is a record");
        ecc_diag_help(p->diags, diag, "write `-> { name: type ... }` or `-> Record`");
        return;
    }
    if (type->kind == ECC_AST_TYPE_RECORD)
        no_defaults(p, &type->fields);
    call->reply = type;
}

void ecc_ext_call_idempotency(struct ecc_parser *p, struct ecc_ast_ext_call *call, struct ecc_token k, struct ecc_token header)
{
    ecc_once(p, call->idempotency.text, k, "`idempotency`");
    call->idempotency = ecc_string(p, header);
}

void ecc_add_status_error(struct ecc_parser *p, struct ecc_ast_status_errors *errors, struct ecc_token status, struct ecc_token error)
{
    struct ecc_ast_status_error item = {ecc_int(p, status), ecc_span_of(status), ecc_ast_pascal(p, error)};

    ECC_PUSH(p->arena, errors, item);
}

void ecc_ext_call_errors(struct ecc_parser *p, struct ecc_ast_ext_call *call, struct ecc_token k, struct ecc_ast_status_errors *errors)
{
    ecc_once(p, call->errors.n, k, "`errors`");
    call->errors = *errors;
}

void ecc_add_ext_call(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_ast_ext_call *call)
{
    call->span = ecc_upto(p, call->span.start);
    ECC_PUSH(p->arena, &decl->u.external.calls, call);
}

/* ------------------------------------------------------------------ sandboxes */

struct ecc_ast_sandbox *ecc_sandbox(struct ecc_parser *p, struct ecc_token k)
{
    struct ecc_ast_sandbox *sandbox = ECC_NEW(p->arena, struct ecc_ast_sandbox);

    sandbox->present = true;
    sandbox->span = ecc_span_of(k);
    return sandbox;
}

void ecc_add_stores(struct ecc_parser *p, struct ecc_ast_sandbox *sandbox, struct ecc_token_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        ECC_PUSH(p->arena, &sandbox->stores, ecc_ast_snake(p, list->items[i]));
}

struct ecc_ast_sbx_rule *ecc_rule(struct ecc_parser *p, struct ecc_token k, struct ecc_token call, struct ecc_ast_expr *when,
                                  struct ecc_token status)
{
    struct ecc_ast_sbx_rule *rule = ECC_NEW(p->arena, struct ecc_ast_sbx_rule);

    rule->call = ecc_ast_pascal(p, call);
    rule->when = when;
    rule->status = ecc_int(p, status);
    rule->status_span = ecc_span_of(status);
    rule->span = ecc_upto(p, k.start);
    return rule;
}

/* status: NULL when it stays as it is. */
struct ecc_ast_sbx_rule *ecc_refusal(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_expr *when, const struct ecc_token *status)
{
    struct ecc_ast_sbx_rule *rule = ECC_NEW(p->arena, struct ecc_ast_sbx_rule);

    rule->when = when;
    rule->status = status ? ecc_int(p, *status) : 0;
    rule->status_span = status ? ecc_span_of(*status) : ecc_span_of(k);
    rule->span = ecc_upto(p, k.start);
    return rule;
}

void ecc_rule_body(struct ecc_parser *p, struct ecc_ast_sbx_rule *rule, struct ecc_ast_expr *body)
{
    if (rule->body)
        ecc_diag(p->diags, ECC_E_TWICE, body->span, "the reply's body is given twice");
    rule->body = body;
}

/* store[key] */
static bool is_stored(const struct ecc_ast_expr *expr)
{
    return expr->kind == ECC_AST_EXPR_INDEX && expr->u.index.of->kind == ECC_AST_EXPR_NAME;
}

void ecc_rule_keep(struct ecc_parser *p, struct ecc_ast_sbx_rule *rule, struct ecc_token k, struct ecc_ast_expr *what)
{
    ecc_once(p, rule->keep, k, "`keep`");
    if (is_stored(what))
        rule->keep = what;
    else
        ecc_diag(p->diags, ECC_E_MISPLACED, what->span, "a reply is kept in `store[key]`");
}

void ecc_rule_set(struct ecc_parser *p, struct ecc_ast_sbx_rule *rule, struct ecc_token k, struct ecc_ast_expr *target,
                  struct ecc_ast_expr *value)
{
    struct ecc_ast_sbx_set set = {target, value, ecc_upto(p, k.start)};
    const struct ecc_ast_expr *e = target;

    while (e->kind == ECC_AST_EXPR_MEMBER)
        e = e->u.member.of;
    if (e != target && is_stored(e))
        ECC_PUSH(p->arena, &rule->sets, set);
    else
        ecc_diag(p->diags, ECC_E_MISPLACED, target->span, "what is set is a field of a kept object: `store[key].field`");
}

void ecc_add_rule(struct ecc_parser *p, struct ecc_ast_sandbox *sandbox, struct ecc_ast_sbx_rule *rule)
{
    rule->span = ecc_upto(p, rule->span.start);
    while (p->quoted.n && p->quoted.items[p->quoted.n - 1].start >= rule->span.start)
        p->quoted.n--;
    if (rule->call.text)
        ECC_PUSH(p->arena, &sandbox->rules, rule);
    else
        ECC_PUSH(p->arena, &sandbox->refusals, rule);
}

void ecc_add_sandbox(struct ecc_parser *p, struct ecc_ast_decl *decl, struct ecc_ast_sandbox *sandbox)
{
    struct ecc_ast_sandbox *all = &decl->u.external.sandbox;

    if (!all->present) {
        *all = *sandbox;
        return;
    }
    for (size_t i = 0; i < sandbox->stores.n; i++)
        ECC_PUSH(p->arena, &all->stores, sandbox->stores.items[i]);
    for (size_t i = 0; i < sandbox->rules.n; i++)
        ECC_PUSH(p->arena, &all->rules, sandbox->rules.items[i]);
    for (size_t i = 0; i < sandbox->refusals.n; i++)
        ECC_PUSH(p->arena, &all->refusals, sandbox->refusals.items[i]);
}
