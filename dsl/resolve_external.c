/* External providers: base, settings, authentication, calls; and, in a later pass, the sandbox's rules. */
#include "resolve.h"

#include <string.h>

static void resolve_base(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_external *x)
{
    const struct ecc_text *base = &ast->u.external.base;

    x->base = base->text;
    x->base_env = ast->u.external.base_env.text;
    ecc_check_env(r, &ast->u.external.base_env);
    if (!base->text) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_EXTERNAL, ast->name.span, "external `%s` has no base", ast->name.text);
        ecc_diag_help(r->diags, d, "add: base \"https://...\" env NAME_BASE_URL");
        return;
    }
    bool visible = true;
    for (const char *p = base->text; *p; p++)
        visible &= *p > 32 && *p < 127;
    size_t scheme = strncmp(base->text, "https://", 8) == 0 ? 8 : strncmp(base->text, "http://", 7) == 0 ? 7 : 0;
    if (!scheme || !base->text[scheme] || !visible || strpbrk(base->text + scheme, "\"\\<>?#@") || base->text[strlen(base->text) - 1] == '/')
        ecc_diag(r->diags, ECC_E_EXTERNAL, base->span, "a base is https://host, without a slash at the end");
}

static void resolve_ext_auth(struct ecc_resolver *r, const struct ecc_ast_ext_auth *ast, struct ecc_external *x)
{
    if (!ast)
        return;
    x->auth = ast->kind;
    x->auth_header = ast->header.text;
    x->auth_secret = ast->secret.text;
    ecc_check_env(r, &ast->secret);
    if (ast->kind == ECC_AUTH_BASIC)
        x->auth_user = ecc_lookup(r, &x->settings, &ast->setting, ECC_E_UNKNOWN_SETTING, "setting");
    if (ast->kind != ECC_AUTH_HEADER)
        return;
    ecc_check_header(r, &ast->header, ECC_E_EXTERNAL);
}

static void check_call_path(struct ecc_resolver *r, const struct ecc_ast_ext_call *ast, const struct ecc_ext_call *call, const struct ecc_external *x)
{
    struct ecc_names names;

    if (!ecc_path_names(r, &ast->path, &names))
        return;
    for (size_t i = 0; i < names.n; i++) {
        const struct ecc_field *field = ecc_find_name(r, call->request, &names.items[i]);
        if (field && !ECC_IS_UNKNOWN(field->type) && (!ecc_type_is_scalar(field->type) || field->type->optional)) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_PATH, names.items[i].span, "%s can't stand in a path",
                                          ecc_type_name(r->arena, field->type));
            ecc_diag_second(d, field->span, "declared here");
        }
        if (!field && !ecc_find_name(r, &x->settings, &names.items[i]))
            ecc_unknown(r, call->request, &names.items[i], ECC_E_PATH, "field of the request and no setting called");
    }
}

static struct ecc_ext_call *resolve_ext_call(struct ecc_resolver *r, const struct ecc_ast_ext_call *ast, const struct ecc_node *node)
{
    struct ecc_ext_call *call = ECC_NEW(r->arena, struct ecc_ext_call);
    struct ecc_record *request = ECC_NEW(r->arena, struct ecc_record);

    request->span = ast->name.span;
    ecc_resolve_fields(r, request, &ast->request, ECC_REF_FIELD);
    *call = (struct ecc_ext_call){
        .name = ast->name.text,
        .external = node,
        .method = ast->method.text,
        .path = ast->path.text,
        .encoding = ast->encoding,
        .request = request,
        .idempotency_header = ast->idempotency.text,
        .span = ast->name.span,
    };
    if (ast->reply) {
        const struct ecc_type *reply = ecc_resolve_type(r, ast->reply);
        if (!ECC_IS_UNKNOWN(reply) && reply->kind != ECC_TYPE_RECORD)
            ecc_diag(r->diags, ECC_E_TYPE, ast->reply->span, "a reply is a record, not %s", ecc_type_name(r->arena, reply));
        else if (!ECC_IS_UNKNOWN(reply))
            call->reply = reply->record;
    }
    bool bodiless = strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0;
    if (bodiless && (call->encoding == ECC_ENC_FORM || call->encoding == ECC_ENC_JSON)) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_EXTERNAL, ast->method.span, "%s has no body", call->method);
        ecc_diag_help(r->diags, d, "send the fields as `query`");
    }
    if (call->idempotency_header)
        ecc_check_header(r, &ast->idempotency, ECC_E_EXTERNAL);
    check_call_path(r, ast, call, &node->u.external);
    call->errors = ECC_NEW_ARRAY(r->arena, struct ecc_status_error, ast->errors.n);
    for (size_t i = 0; i < ast->errors.n; i++) {
        const struct ecc_ast_status_error *e = &ast->errors.items[i];
        const struct ecc_error *error = ecc_lookup_error(r, &e->error);
        bool twice = false;
        for (size_t k = 0; k < call->nerrors; k++)
            twice = twice || call->errors[k].status == (int)e->status;
        if (twice)
            ecc_diag(r->diags, ECC_E_DUPLICATE, e->status_span, "status %d is given twice", (int)e->status);
        if (ecc_in_range(r, e->status, 400, 599, e->status_span, "the status of a failure") && error && !twice)
            call->errors[call->nerrors++] = (struct ecc_status_error){(int)e->status, error};
    }
    return call;
}

void ecc_resolve_external(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node)
{
    struct ecc_external *x = &node->u.external;
    const struct ecc_ast_settings *settings = &ast->u.external.settings;
    const struct ecc_ast_ext_calls *calls = &ast->u.external.calls;

    resolve_base(r, ast, x);
    x->settings = ECC_NEW_ARRAY(r->arena, struct ecc_setting *, settings->n);
    for (size_t i = 0; i < settings->n; i++) {
        struct ecc_setting *s = ecc_resolve_setting(r, settings->items[i], &x->settings);
        if (s)
            x->settings[x->nsettings++] = s;
    }
    resolve_ext_auth(r, ast->u.external.auth, x);
    x->calls = ECC_NEW_ARRAY(r->arena, struct ecc_ext_call *, calls->n);
    for (size_t i = 0; i < calls->n; i++) {
        struct ecc_ext_call *call = resolve_ext_call(r, calls->items[i], node);
        if (ecc_declare(r, &x->calls, &calls->items[i]->name, call, ECC_REF_CALL))
            x->calls[x->ncalls++] = call;
    }
}

/* ------------------------------------------------------------------ sandbox */

/* A successful reply without a field that callers read would fail every caller. */
static void check_reply(struct ecc_resolver *r, const struct ecc_ast_sbx_rule *ast, const struct ecc_sbx_rule *rule)
{
    const struct ecc_record *reply = rule->call->reply;

    if (!reply || rule->status < 200 || rule->status > 299)
        return;
    for (size_t i = 0; i < reply->nfields; i++) {
        const struct ecc_field *f = &reply->fields[i];
        bool found = f->type->optional;
        for (size_t k = 0; !found && rule->body && k < rule->body->nitems; k++)
            found = strcmp(rule->body->keys[k], f->wire) == 0;
        if (found)
            continue;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_SANDBOX, ast->body ? ast->body->span : ast->status_span,
                                      "the reply lacks `%s`, which %s promises", f->wire, rule->call->name);
        ecc_diag_second(d, f->span, "promised here");
    }
}

static struct ecc_sbx_rule *resolve_rule(struct ecc_resolver *r, const struct ecc_ast_sbx_rule *ast, const struct ecc_external *x)
{
    const struct ecc_ext_call *call = ecc_lookup(r, &x->calls, &ast->call, ECC_E_UNKNOWN_OP, "call");

    if (!call)
        return NULL;
    struct ecc_sbx_rule *rule = ECC_NEW(r->arena, struct ecc_sbx_rule);
    struct ecc_value_scope scope = {.request = call->request, .stores = &x->stores};
    rule->call = call;
    rule->span = ast->span;
    ecc_in_range(r, ast->status, 200, 599, ast->status_span, "the status of a reply");
    rule->status = (int)ast->status;
    if (ast->when)
        rule->when = ecc_resolve_test(r, &scope, ast->when);
    if (ast->body)
        rule->body = ecc_resolve_value(r, &scope, ast->body);
    check_reply(r, ast, rule);
    scope.reply = rule->body;
    if (ast->keep)
        rule->keep = ecc_resolve_value(r, &scope, ast->keep);
    if (ast->keep && !ast->body)
        ecc_diag(r->diags, ECC_E_SANDBOX, ast->keep->span, "there is no reply that could be kept");
    rule->sets = ECC_NEW_ARRAY(r->arena, struct ecc_sbx_set, ast->sets.n);
    for (size_t i = 0; i < ast->sets.n; i++) {
        const struct ecc_sbx_value *target = ecc_resolve_value(r, &scope, ast->sets.items[i].target);
        if (target->kind == ECC_SBX_STORE && !target->npath)
            ecc_diag(r->diags, ECC_E_SANDBOX, ast->sets.items[i].target->span, "`set` changes a field: store[key].field");
        rule->sets[rule->nsets++] = (struct ecc_sbx_set){target, ecc_resolve_value(r, &scope, ast->sets.items[i].value)};
    }
    return rule;
}

static struct ecc_sbx_rule *resolve_refusal(struct ecc_resolver *r, const struct ecc_ast_sbx_rule *ast, const struct ecc_external *x)
{
    struct ecc_sbx_rule *rule = ECC_NEW(r->arena, struct ecc_sbx_rule);
    struct ecc_value_scope scope = {.request = r->model->refusal, .stores = &x->stores};

    rule->span = ast->span;
    if (ast->status)
        ecc_in_range(r, ast->status, 400, 599, ast->status_span, "the status of a refusal");
    rule->status = (int)ast->status;
    if (ast->when)
        rule->when = ecc_resolve_test(r, &scope, ast->when);
    rule->body = ecc_resolve_value(r, &scope, ast->body);
    if (ast->keep || ast->sets.n)
        ecc_diag(r->diags, ECC_E_SANDBOX, ast->keep ? ast->keep->span : ast->sets.items[0].span, "a refusal changes nothing");
    return rule;
}

/* One without `when` is the last: what stands after it is never reached. */
static void resolve_refusals(struct ecc_resolver *r, const struct ecc_ast_sbx_rules *asts, struct ecc_external *x)
{
    const struct ecc_sbx_rule *last = NULL;

    x->refusals = ECC_NEW_ARRAY(r->arena, struct ecc_sbx_rule *, asts->n);
    for (size_t i = 0; i < asts->n; i++) {
        struct ecc_sbx_rule *rule = resolve_refusal(r, asts->items[i], x);
        if (last) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_UNREACHABLE, rule->span, "this refusal is never reached");
            ecc_diag_second(d, last->span, "this one takes every one");
        }
        if (!rule->when && !last)
            last = rule;
        x->refusals[x->nrefusals++] = rule;
    }
}

void ecc_resolve_sandbox(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node)
{
    const struct ecc_ast_sandbox *sandbox = &ast->u.external.sandbox;
    struct ecc_external *x = &node->u.external;

    x->has_sandbox = sandbox->present;
    x->stores = ECC_NEW_ARRAY(r->arena, const char *, sandbox->stores.n);
    for (size_t i = 0; i < sandbox->stores.n; i++)
        if (ecc_declare(r, &x->stores, &sandbox->stores.items[i], (void *)(uintptr_t)sandbox->stores.items[i].text, ECC_REF_STORE))
            x->stores[x->nstores++] = sandbox->stores.items[i].text;
    x->rules = ECC_NEW_ARRAY(r->arena, struct ecc_sbx_rule *, sandbox->rules.n);
    for (size_t i = 0; i < sandbox->rules.n; i++) {
        struct ecc_sbx_rule *rule = resolve_rule(r, sandbox->rules.items[i], x);
        if (!rule)
            continue;
        const struct ecc_sbx_rule *last = ecc_find(r, &x->rules, rule->call->name);
        if (last) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_UNREACHABLE, rule->span, "this rule is never reached");
            ecc_diag_second(d, last->span, "this one takes every call of that name");
        } else if (!rule->when) {
            ecc_symbols_add(&r->symbols, &x->rules, rule->call->name, rule, rule->span);
        }
        x->rules[x->nrules++] = rule;
    }
    resolve_refusals(r, &sandbox->refusals, x);
    for (size_t i = 0; sandbox->present && i < x->ncalls; i++) {
        if (ecc_find(r, &x->rules, x->calls[i]->name))
            continue;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_SANDBOX, sandbox->span, "the sandbox has no rule that takes every %s", x->calls[i]->name);
        ecc_diag_second(d, x->calls[i]->span, "declared here");
        ecc_diag_help(r->diags, d, "end with one without `when`: on %s reply ...", x->calls[i]->name);
    }
}
