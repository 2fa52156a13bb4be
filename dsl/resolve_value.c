/* Values that are dynamic JSON: what a sandbox replies and keeps, what a scenario sends. Names in a sandbox are fields of the request. */
#include "resolve.h"

#include <string.h>

static struct ecc_sbx_value *value_new(struct ecc_resolver *r, enum ecc_sbx_kind kind)
{
    struct ecc_sbx_value *v = ECC_NEW(r->arena, struct ecc_sbx_value);

    v->kind = kind;
    return v;
}

static struct ecc_sbx_value *literal(struct ecc_resolver *r, const struct ecc_ast_expr *ast)
{
    struct ecc_sbx_value *v = value_new(r, ECC_SBX_LITERAL);
    struct ecc_expr *e = ecc_expr_new(r, ECC_EXPR_NULL, &ecc_type_unknown, ast->span);

    switch (ast->kind) {
    case ECC_AST_EXPR_TEXT:
        e->kind = ECC_EXPR_TEXT;
        e->type = &ecc_type_text;
        e->u.text = ast->u.text.text;
        break;
    case ECC_AST_EXPR_INT:
        e->kind = ECC_EXPR_INT;
        e->type = &ecc_type_int;
        e->u.i = ast->u.i;
        break;
    case ECC_AST_EXPR_FLOAT:
        e->kind = ECC_EXPR_FLOAT;
        e->type = &ecc_type_float;
        e->u.f = ast->u.f;
        break;
    case ECC_AST_EXPR_BOOL:
        e->kind = ECC_EXPR_BOOL;
        e->type = &ecc_type_bool;
        e->u.b = ast->u.b;
        break;
    default:
        e->type = ecc_type_optional(r->arena, &ecc_type_json);
        break;
    }
    v->literal = e;
    return v;
}

/* Appends a field to the path of a value. */
static void add_path(struct ecc_resolver *r, struct ecc_sbx_value *v, const char *name)
{
    const char **path = ECC_NEW_ARRAY(r->arena, const char *, v->npath + 1);

    if (v->npath)
        memcpy(path, v->path, v->npath * sizeof *path);
    path[v->npath++] = name;
    v->path = path;
}

static struct ecc_sbx_value *wrong(struct ecc_resolver *r, const struct ecc_ast_expr *ast, const char *why)
{
    ecc_diag(r->diags, ECC_E_SANDBOX, ast->span, "%s", why);
    struct ecc_sbx_value *v = value_new(r, ECC_SBX_LITERAL);
    v->literal = ecc_expr_unknown(r, ast->span);
    return v;
}

/* ------------------------------------------------------------------ answers that have a name */

static const char only[] = "only literals, unique(...), same.field and the named answers of earlier requests can stand here";

static struct ecc_sbx_value *of_answer(struct ecc_resolver *r, const struct ecc_value_scope *scope, const struct ecc_name *name)
{
    struct ecc_request *request = scope->answers ? ecc_find_name(r, scope->answers, name) : NULL;
    struct ecc_sbx_value *v = value_new(r, request ? ECC_SBX_ANSWER : ECC_SBX_LITERAL);

    v->name = name->text;
    v->answer = request;
    v->type = request ? request->result : NULL;
    if (request)
        return v;
    struct ecc_diag *d = ecc_unknown(r, scope->answers, name, ECC_E_UNKNOWN_NAME, "earlier answer called");
    if (!d->help)
        ecc_diag_help(r->diags, d, "%s", only);
    v->literal = ecc_expr_unknown(r, name->span);
    return v;
}

static void of_field(struct ecc_resolver *r, struct ecc_sbx_value *v, const struct ecc_name *name)
{
    if (v->kind != ECC_SBX_ANSWER)
        return; /* reported */
    add_path(r, v, name->text);
    if (ECC_IS_UNKNOWN(v->type) || v->type->kind == ECC_TYPE_JSON)
        return;
    const struct ecc_field *f = v->type->kind == ECC_TYPE_RECORD ? ecc_find_name(r, v->type->record, name) : NULL;
    if (!f)
        ecc_unknown(r, v->type->kind == ECC_TYPE_RECORD ? v->type->record : NULL, name, ECC_E_UNKNOWN_FIELD, "field of the answer called");
    v->type = f ? f->type : &ecc_type_unknown;
}

static struct ecc_sbx_value *answer(struct ecc_resolver *r, const struct ecc_value_scope *scope, const struct ecc_ast_expr *ast)
{
    if (ast->kind == ECC_AST_EXPR_NAME)
        return of_answer(r, scope, &ast->u.name);
    if (ast->kind != ECC_AST_EXPR_MEMBER)
        return wrong(r, ast, only);
    struct ecc_sbx_value *v = answer(r, scope, ast->u.member.of);
    of_field(r, v, &ast->u.member.name);
    return v;
}

const struct ecc_sbx_value *ecc_resolve_answer(struct ecc_resolver *r, const struct ecc_value_scope *scope, const char *text,
                                               struct ecc_span span)
{
    struct ecc_sbx_value *v = NULL;

    for (const char *p = text;;) {
        size_t n = strcspn(p, ".");
        struct ecc_span at = {span.start + (uint32_t)(p - text), span.start + (uint32_t)(p - text + (ptrdiff_t)n)};
        struct ecc_name name = {ecc_arena_strndup(r->arena, p, n), at};
        if (v)
            of_field(r, v, &name);
        else
            v = of_answer(r, scope, &name);
        if (!p[n])
            return v;
        p += n + 1;
    }
}

/* ------------------------------------------------------------------ paths */

static struct ecc_sbx_value *name_value(struct ecc_resolver *r, const struct ecc_value_scope *scope, const struct ecc_ast_expr *ast,
                                        const struct ecc_type **type)
{
    if (scope->scenario)
        return of_answer(r, scope, &ast->u.name);
    const struct ecc_field *field = ecc_find_name(r, scope->request, &ast->u.name);
    if (!field && strcmp(ast->u.name.text, "reply") == 0) {
        if (!scope->reply)
            return wrong(r, ast, "there is no reply here yet");
        *type = &ecc_type_unknown;
        return value_new(r, ECC_SBX_REPLY);
    }
    if (!field) {
        ecc_unknown(r, scope->request, &ast->u.name, ECC_E_UNKNOWN_FIELD,
                    scope->request == r->model->refusal ? "field of a refusal called" : "field of the request called");
        *type = &ecc_type_unknown;
        struct ecc_ast_expr null = {.kind = ECC_AST_EXPR_NULL, .span = ast->span};
        return literal(r, &null);
    }
    struct ecc_sbx_value *v = value_new(r, ECC_SBX_REQUEST);
    add_path(r, v, field->name);
    *type = field->type;
    return v;
}

static struct ecc_sbx_value *store_value(struct ecc_resolver *r, const struct ecc_value_scope *scope, const struct ecc_ast_expr *ast)
{
    const struct ecc_ast_expr *of = ast->u.index.of;

    if (scope->scenario || of->kind != ECC_AST_EXPR_NAME)
        return wrong(r, ast, "only a store of the sandbox has keys");
    struct ecc_sbx_value *v = value_new(r, ECC_SBX_STORE);
    v->name = ecc_lookup(r, scope->stores, &of->u.name, ECC_E_UNKNOWN_NAME, "store");
    if (!v->name)
        v->name = of->u.name.text;
    v->key = ecc_resolve_value(r, scope, ast->u.index.key);
    return v;
}

/* The value, and the type of what it is a path into: unknown where anything may be there. */
static struct ecc_sbx_value *path_value(struct ecc_resolver *r, const struct ecc_value_scope *scope, const struct ecc_ast_expr *ast,
                                        const struct ecc_type **type)
{
    *type = &ecc_type_unknown;
    if (ast->kind == ECC_AST_EXPR_NAME)
        return name_value(r, scope, ast, type);
    if (ast->kind == ECC_AST_EXPR_INDEX)
        return store_value(r, scope, ast);
    if (ast->kind != ECC_AST_EXPR_MEMBER)
        return wrong(r, ast, "this has no fields");
    const struct ecc_type *of;
    struct ecc_sbx_value *v = path_value(r, scope, ast->u.member.of, &of);
    const struct ecc_name *name = &ast->u.member.name;
    if (v->kind == ECC_SBX_LITERAL)
        return v;
    if (v->kind == ECC_SBX_REPLY && !v->npath) {
        bool found = false;
        for (size_t i = 0; i < scope->reply->nitems; i++)
            found = found || strcmp(scope->reply->keys[i], name->text) == 0;
        if (!found)
            ecc_diag(r->diags, ECC_E_UNKNOWN_FIELD, name->span, "the reply has no field `%s`", name->text);
    } else if (v->kind == ECC_SBX_REQUEST && !ECC_IS_UNKNOWN(of)) {
        const struct ecc_field *field = of->kind == ECC_TYPE_RECORD ? ecc_find_name(r, of->record, name) : NULL;
        if (of->kind == ECC_TYPE_RECORD && !field)
            ecc_unknown(r, of->record, name, ECC_E_UNKNOWN_FIELD, "field");
        else if (of->kind != ECC_TYPE_RECORD && of->kind != ECC_TYPE_JSON)
            ecc_diag(r->diags, ECC_E_UNKNOWN_FIELD, name->span, "%s has no fields", ecc_type_name(r->arena, of));
        if (field)
            *type = field->type;
    }
    add_path(r, v, name->text);
    return v;
}

static struct ecc_sbx_value *member(struct ecc_resolver *r, const struct ecc_value_scope *scope, const struct ecc_ast_expr *ast)
{
    const struct ecc_type *type;

    if (!scope->scenario)
        return path_value(r, scope, ast, &type);
    const struct ecc_ast_expr *of = ast->u.member.of;
    if (of->kind != ECC_AST_EXPR_NAME || strcmp(of->u.name.text, "same") != 0)
        return answer(r, scope, ast);
    if (!scope->same || !scope->same->body)
        return wrong(r, ast, "there is no earlier request whose fields could be the same");
    const struct ecc_record *sent = scope->same->route ? scope->same->route->body : NULL;
    for (size_t i = 0; i < scope->same->body->nitems; i++)
        if (strcmp(scope->same->body->keys[i], ast->u.member.name.text) == 0) {
            struct ecc_sbx_value *v = value_new(r, ECC_SBX_REPLY);
            if (sent)
                ecc_find_name(r, sent, &ast->u.member.name);
            add_path(r, v, ast->u.member.name.text);
            return v;
        }
    return wrong(r, ast, "the identity's first request does not send this field");
}

static struct ecc_sbx_value *call_value(struct ecc_resolver *r, const struct ecc_value_scope *scope, const struct ecc_ast_expr *ast)
{
    const struct ecc_ast_inits *args = &ast->u.call.args;
    enum ecc_ast_function fn = ast->u.call.fn;
    size_t want = fn == ECC_AST_FN_TOKEN ? 1 : fn == ECC_AST_FN_UNIQUE ? 2 : 0;
    struct ecc_sbx_value *v = value_new(r, fn == ECC_AST_FN_TIMESTAMP ? ECC_SBX_TIMESTAMP : ECC_SBX_TOKEN);

    if (scope->scenario ? fn != ECC_AST_FN_UNIQUE : fn != ECC_AST_FN_TOKEN && fn != ECC_AST_FN_TIMESTAMP)
        return wrong(r, ast, scope->scenario ? "only unique(\"prefix\", \"suffix\") can stand here"
                                             : "only token(\"prefix\") and timestamp() can stand here");
    bool fine = args->n == want;
    for (size_t i = 0; fine && i < args->n; i++)
        fine = !args->items[i]->name.text && !args->items[i]->spread && args->items[i]->value->kind == ECC_AST_EXPR_TEXT;
    if (!fine)
        return wrong(r, ast, want == 2 ? "unique takes two texts: unique(\"prefix\", \"suffix\")"
                                       : want ? "token takes a text: token(\"prefix\")" : "timestamp takes no argument");
    if (want)
        v->name = args->items[0]->value->u.text.text;
    if (want == 2)
        add_path(r, v, args->items[1]->value->u.text.text);
    return v;
}

const struct ecc_sbx_value *ecc_resolve_object(struct ecc_resolver *r, const struct ecc_value_scope *scope,
                                               const struct ecc_ast_inits *inits)
{
    struct ecc_sbx_value *v = value_new(r, ECC_SBX_OBJECT);

    v->keys = ECC_NEW_ARRAY(r->arena, const char *, inits->n);
    v->items = ECC_NEW_ARRAY(r->arena, struct ecc_sbx_value *, inits->n);
    for (size_t i = 0; i < inits->n; i++) {
        const struct ecc_ast_init *f = inits->items[i];
        if (f->spread || !f->name.text) {
            ecc_diag(r->diags, ECC_E_SANDBOX, f->span, "nothing can be spread here");
            continue;
        }
        struct ecc_symbol *first = ecc_symbols_add(&r->symbols, v, f->name.text, v, f->name.span);
        if (first) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_DUPLICATE, f->name.span, "field `%s` is given twice", f->name.text);
            ecc_diag_second(d, first->span, "first given here");
            continue;
        }
        v->keys[v->nitems] = f->name.text;
        v->items[v->nitems++] = (struct ecc_sbx_value *)(uintptr_t)ecc_resolve_value(r, scope, f->value);
    }
    return v;
}

const struct ecc_sbx_value *ecc_resolve_value(struct ecc_resolver *r, const struct ecc_value_scope *scope, const struct ecc_ast_expr *ast)
{
    switch (ast->kind) {
    case ECC_AST_EXPR_TEXT:
    case ECC_AST_EXPR_INT:
    case ECC_AST_EXPR_FLOAT:
    case ECC_AST_EXPR_BOOL:
    case ECC_AST_EXPR_NULL:
        return literal(r, ast);
    case ECC_AST_EXPR_NAME: {
        const struct ecc_type *type;
        return name_value(r, scope, ast, &type);
    }
    case ECC_AST_EXPR_MEMBER:
        return member(r, scope, ast);
    case ECC_AST_EXPR_INDEX:
        return store_value(r, scope, ast);
    case ECC_AST_EXPR_CALL:
        return call_value(r, scope, ast);
    case ECC_AST_EXPR_RECORD:
        if (ast->u.record.type.text)
            ecc_diag(r->diags, ECC_E_SANDBOX, ast->u.record.type.span, "an object here has no type: { field: value }");
        return ecc_resolve_object(r, scope, &ast->u.record.inits);
    case ECC_AST_EXPR_LIST: {
        struct ecc_sbx_value *v = value_new(r, ECC_SBX_LIST);
        v->items = ECC_NEW_ARRAY(r->arena, struct ecc_sbx_value *, ast->u.list.n);
        for (size_t i = 0; i < ast->u.list.n; i++)
            v->items[v->nitems++] = (struct ecc_sbx_value *)(uintptr_t)ecc_resolve_value(r, scope, ast->u.list.items[i]);
        return v;
    }
    default:
        return wrong(r, ast, "there is no arithmetic here: a value is a literal, a name, an object or a list");
    }
}

/* ------------------------------------------------------------------ conditions */

/* A text that is compared with an enum's field and is none of its values would never be met. */
static void check_value_of(struct ecc_resolver *r, const struct ecc_value_scope *scope, const struct ecc_sbx_value *field,
                           const struct ecc_ast_expr *text)
{
    const struct ecc_record *record = scope->request;
    const struct ecc_type *type = NULL;

    if (field->kind != ECC_SBX_REQUEST || text->kind != ECC_AST_EXPR_TEXT)
        return;
    for (size_t i = 0; i < field->npath && record; i++) {
        const struct ecc_field *f = ecc_find(r, record, field->path[i]);
        type = f ? f->type : NULL;
        record = type ? type->record : NULL;
    }
    if (type && type->kind == ECC_TYPE_ENUM && !ecc_find(r, type->enum_, text->u.text.text))
        ecc_unknown_value(r, type->enum_, &(struct ecc_name){text->u.text.text, text->span}, NULL);
}

const struct ecc_sbx_cond *ecc_resolve_test(struct ecc_resolver *r, const struct ecc_value_scope *scope, const struct ecc_ast_expr *ast)
{
    struct ecc_sbx_cond *c = ECC_NEW(r->arena, struct ecc_sbx_cond);

    if (ast->kind == ECC_AST_EXPR_MISSING) {
        c->test = ECC_SBX_MISSING;
        c->left = ecc_resolve_value(r, scope, ast->u.missing);
        return c;
    }
    if (ast->kind == ECC_AST_EXPR_UNARY && ast->u.op.op == ECC_OP_NOT) {
        c->test = ECC_SBX_NOT;
        c->a = ecc_resolve_test(r, scope, ast->u.op.left);
        return c;
    }
    if (ast->kind == ECC_AST_EXPR_BINARY && (ast->u.op.op == ECC_OP_AND || ast->u.op.op == ECC_OP_OR)) {
        c->test = ast->u.op.op == ECC_OP_AND ? ECC_SBX_AND : ECC_SBX_OR;
        c->a = ecc_resolve_test(r, scope, ast->u.op.left);
        c->b = ecc_resolve_test(r, scope, ast->u.op.right);
        return c;
    }
    if (ast->kind == ECC_AST_EXPR_BINARY && ast->u.op.op <= ECC_OP_GE) {
        c->test = ECC_SBX_COMPARE;
        c->op = ast->u.op.op;
        c->left = ecc_resolve_value(r, scope, ast->u.op.left);
        c->right = ecc_resolve_value(r, scope, ast->u.op.right);
        check_value_of(r, scope, c->left, ast->u.op.right);
        check_value_of(r, scope, c->right, ast->u.op.left);
        return c;
    }
    ecc_diag(r->diags, ECC_E_SANDBOX, ast->span, "a condition here is a comparison, `missing store[key]`, and, or, not");
    return c;
}
