/* Expressions: names, paths, literals, functions, and fitting a value to the type that is wanted.
 *
 * An expression is resolved with the type that is expected of it, if any, which guides but does not force: an enum's value needs it, so do
 * `{ }` and a few literals. ecc_fit_expr then wraps what differs in a CONVERT or reports it. Where something has been reported the
 * type is unknown and nothing more is said.
 */
#include "resolve.h"

#include <inttypes.h>
#include <string.h>

struct ecc_expr *ecc_expr_new(struct ecc_resolver *r, enum ecc_expr_kind kind, const struct ecc_type *type, struct ecc_span span)
{
    struct ecc_expr *expr = ECC_NEW(r->arena, struct ecc_expr);

    expr->kind = kind;
    expr->type = type;
    expr->span = span;
    return expr;
}

const struct ecc_expr *ecc_expr_unknown(struct ecc_resolver *r, struct ecc_span span)
{
    return ecc_expr_new(r, ECC_EXPR_NULL, &ecc_type_unknown, span);
}

/* ------------------------------------------------------------------ fitting */

static void report_misfit(struct ecc_resolver *r, const struct ecc_expr *expr, const struct ecc_type *type, const char *what)
{
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_TYPE, expr->span, "%s%sneeds %s, but this is %s", what ? what : "", what ? " " : "",
                                  ecc_type_name(r->arena, type), ecc_type_name(r->arena, expr->type));
    const struct ecc_type *from = expr->type, *to = type;

    if (!what)
        d->message = ecc_arena_printf(r->arena, "%s is needed here, but this is %s", ecc_type_name(r->arena, type),
                                      ecc_type_name(r->arena, expr->type));
    while (from->kind == ECC_TYPE_LIST && to->kind == ECC_TYPE_LIST)
        from = from->item, to = to->item;
    if (from->kind != ECC_TYPE_RECORD || to->kind != ECC_TYPE_RECORD)
        return;
    const struct ecc_field *theirs, *ours = ecc_record_misfit(from->record, to->record, &theirs);
    if (!ours)
        return;
    if (theirs)
        ecc_diag_help(r->diags, d, "its field `%s` is %s, where %s is needed", ours->name, ecc_type_name(r->arena, theirs->type),
                      ecc_type_name(r->arena, ours->type));
    else
        ecc_diag_help(r->diags, d, "it has no field `%s`", ours->name);
    if (ours->span.end)
        ecc_diag_second(d, ours->span, "needed here");
}

const struct ecc_expr *ecc_fit_expr(struct ecc_resolver *r, const struct ecc_expr *expr, const struct ecc_type *type, const char *what)
{
    if (ECC_IS_UNKNOWN(expr->type) || ECC_IS_UNKNOWN(type))
        return expr;
    if (expr->kind == ECC_EXPR_NULL && type->optional)
        return ecc_expr_new(r, ECC_EXPR_NULL, type, expr->span);
    enum ecc_fit fit = ecc_type_fit(expr->type, type);
    if (fit == ECC_FIT_SAME || fit == ECC_FIT_CONVERT)
        ecc_refer_fit(r, expr->type, type);
    switch (fit) {
    case ECC_FIT_SAME:
        return expr;
    case ECC_FIT_CONVERT: {
        struct ecc_expr *out = ecc_expr_new(r, ECC_EXPR_CONVERT, type, expr->span);
        out->u.convert = expr;
        return out;
    }
    case ECC_FIT_ABSENT: {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_ABSENT, expr->span, "this may be absent, but %s%s%s is needed", what ? what : "",
                                      what ? " must be there: " : "", ecc_type_name(r->arena, type));
        ecc_diag_help(r->diags, d, "use it inside `when ... { }`, or say what happens with `none ->`");
        return ecc_expr_unknown(r, expr->span);
    }
    case ECC_FIT_NOT:
        report_misfit(r, expr, type, what);
        break;
    }
    return ecc_expr_unknown(r, expr->span);
}

const struct ecc_expr *ecc_resolve_to(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast,
                                      const struct ecc_type *type, const char *what)
{
    return ecc_fit_expr(r, ecc_resolve_expr(r, body, ast, type), type, what);
}

/* ------------------------------------------------------------------ literals */

static const struct ecc_expr *resolve_text(struct ecc_resolver *r, const struct ecc_ast_expr *ast, const struct ecc_type *expected,
                                           bool forms)
{
    const struct ecc_type *type = &ecc_type_text;
    const char *why = NULL;

    if (expected && expected->kind == ECC_TYPE_SECRET) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_SECRET_LITERAL, ast->span, "a secret is written in the source");
        ecc_diag_help(r->diags, d, "take it from the environment: setting name: secret env NAME");
        return ecc_expr_unknown(r, ast->span);
    }
    bool shaped = expected && (expected->kind == ECC_TYPE_EMAIL ||
                               (forms && (expected->kind == ECC_TYPE_UUID || expected->kind == ECC_TYPE_TIME)));
    if (shaped || (expected && expected->kind == ECC_TYPE_TEXT)) {
        type = ecc_type_present(r->arena, expected);
        if (!ecc_text_fits(expected, ast->u.text.text, &why)) {
            ecc_diag(r->diags, ECC_E_LITERAL, ast->span, "\"%s\" is not %s", ast->u.text.text,
                     expected->kind == ECC_TYPE_TEXT ? ecc_type_name(r->arena, expected) : why);
            return ecc_expr_unknown(r, ast->span);
        }
    }
    struct ecc_expr *expr = ecc_expr_new(r, ECC_EXPR_TEXT, type, ast->span);
    expr->u.text = ast->u.text.text;
    return expr;
}

static const struct ecc_expr *resolve_int(struct ecc_resolver *r, const struct ecc_ast_expr *ast, const struct ecc_type *expected)
{
    struct ecc_expr *expr;

    if (expected && expected->kind == ECC_TYPE_FLOAT) {
        expr = ecc_expr_new(r, ECC_EXPR_FLOAT, &ecc_type_float, ast->span);
        expr->u.f = (double)ast->u.i;
        return expr;
    }
    if (expected && expected->kind == ECC_TYPE_INT && expected->bounded && (ast->u.i < expected->min || ast->u.i > expected->max)) {
        ecc_diag(r->diags, ECC_E_LITERAL, ast->span, "%" PRId64 " is not %s", ast->u.i, ecc_type_name(r->arena, expected));
        return ecc_expr_unknown(r, ast->span);
    }
    expr = ecc_expr_new(r, ECC_EXPR_INT, &ecc_type_int, ast->span);
    expr->u.i = ast->u.i;
    return expr;
}

static const struct ecc_expr *enum_value(struct ecc_resolver *r, const struct ecc_type *type, const struct ecc_name *name)
{
    struct ecc_expr *expr = ecc_expr_new(r, ECC_EXPR_ENUM, ecc_type_present(r->arena, type), name->span);

    expr->u.text = name->text;
    return expr;
}

static const struct ecc_expr *resolve_null(struct ecc_resolver *r, const struct ecc_ast_expr *ast, const struct ecc_type *expected)
{
    if (expected && (expected->optional || ECC_IS_UNKNOWN(expected)))
        return ecc_expr_new(r, ECC_EXPR_NULL, expected, ast->span);
    if (expected)
        ecc_diag(r->diags, ECC_E_ABSENT, ast->span, "null, but %s is needed", ecc_type_name(r->arena, expected));
    else
        ecc_diag(r->diags, ECC_E_NO_TYPE, ast->span, "null of no known type");
    return ecc_expr_unknown(r, ast->span);
}

/* text, int, float, bool; NULL for anything else */
static const struct ecc_expr *plain_literal(struct ecc_resolver *r, const struct ecc_ast_expr *ast, const struct ecc_type *expected,
                                            bool forms)
{
    struct ecc_expr *expr;

    switch (ast->kind) {
    case ECC_AST_EXPR_TEXT:
        return resolve_text(r, ast, expected, forms);
    case ECC_AST_EXPR_INT:
        return resolve_int(r, ast, expected);
    case ECC_AST_EXPR_FLOAT:
        expr = ecc_expr_new(r, ECC_EXPR_FLOAT, &ecc_type_float, ast->span);
        expr->u.f = ast->u.f;
        return expr;
    case ECC_AST_EXPR_BOOL:
        expr = ecc_expr_new(r, ECC_EXPR_BOOL, &ecc_type_bool, ast->span);
        expr->u.b = ast->u.b;
        return expr;
    default:
        return NULL;
    }
}

const struct ecc_expr *ecc_resolve_literal(struct ecc_resolver *r, const struct ecc_ast_expr *ast, const struct ecc_type *type,
                                           const char *what)
{
    const struct ecc_expr *expr = plain_literal(r, ast, type, true);

    if (!expr && ast->kind == ECC_AST_EXPR_NULL)
        expr = resolve_null(r, ast, type);
    if (!expr && ast->kind == ECC_AST_EXPR_NAME && type->kind == ECC_TYPE_ENUM) {
        if (!ecc_find_name(r, type->enum_, &ast->u.name)) {
            ecc_unknown_value(r, type->enum_, &ast->u.name, NULL);
            return ecc_expr_unknown(r, ast->span);
        }
        expr = enum_value(r, type, &ast->u.name);
    }
    if (!expr) {
        if (ECC_IS_UNKNOWN(type))
            return ecc_expr_unknown(r, ast->span);
        struct ecc_diag *d =
            ecc_diag(r->diags, ECC_E_LITERAL, ast->span, "%s must be a literal of type %s", what, ecc_type_name(r->arena, type));
        if (ast->kind == ECC_AST_EXPR_NAME && type->kind == ECC_TYPE_TIME && !strcmp(ast->u.name.text, "now"))
            ecc_diag_help(r->diags, d, "write `now()`");
        else if (ast->kind == ECC_AST_EXPR_NAME && type->kind == ECC_TYPE_TEXT)
            ecc_diag_help(r->diags, d, "write \"%s\"", ast->u.name.text);
        return ecc_expr_unknown(r, ast->span);
    }
    return ecc_fit_expr(r, expr, type, what);
}

/* ------------------------------------------------------------------ names and paths */

static const struct ecc_var *find_var(struct ecc_resolver *r, const struct ecc_body *body, const char *name)
{
    const struct ecc_var *var = ecc_find_local(r, &body->vars, name);

    if (!var && body->node->kind == ECC_NODE_SERVICE && body->kind != ECC_BODY_ROUTE) {
        const struct ecc_setting *setting = ecc_find(r, &body->node->u.service.settings, name);
        if (setting)
            var = setting->var;
    }
    return var;
}

static const struct ecc_expr *unknown_name(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_name *name,
                                           const struct ecc_type *expected)
{
    const void *space = &body->vars;

    if (body->step && strcmp(body->step, name->text) == 0) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_UNKNOWN_NAME, name->span, "the result of step `%s` is not known to its own calls", name->text);
        ecc_diag_help(r->diags, d, "an undo also runs when no answer came: use what the step was given");
        return ecc_expr_unknown(r, name->span);
    }
    if (body->kind == ECC_BODY_ROUTE && body->route && !body->route->auth && strcmp(name->text, "identity") == 0) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_UNKNOWN_NAME, name->span, "a public route has no identity");
        ecc_diag_help(r->diags, d, "write `auth` instead of `public`");
        return ecc_expr_unknown(r, name->span);
    }
    if (ecc_find(r, &r->spaces->nodes, name->text)) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_UNKNOWN_NAME, name->span, "`%s` is a node, not a value", name->text);
        ecc_diag_help(r->diags, d, "calls and cache reads stand alone: let x = %s...", name->text);
        return ecc_expr_unknown(r, name->span);
    }
    if (expected && expected->kind == ECC_TYPE_ENUM) {
        ecc_unknown_value(r, expected->enum_, name, ecc_arena_printf(r->arena, "name and no value of %s called", expected->enum_->name));
        return ecc_expr_unknown(r, name->span);
    }
    if (!ecc_symbols_near(&r->locals, space, name->text) && body->node->kind == ECC_NODE_SERVICE)
        space = &body->node->u.service.settings;
    ecc_unknown(r, space, name, ECC_E_UNKNOWN_NAME, "name");
    return ecc_expr_unknown(r, name->span);
}

static const struct ecc_expr *resolve_name(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_name *name,
                                           const struct ecc_type *expected)
{
    const struct ecc_var *var = find_var(r, body, name->text);

    if (var) {
        const struct ecc_expr *expr = ecc_expr_var(r, body, var, name->span);
        ecc_refer_var(r, var, name->span, expr->type, false);
        return expr;
    }
    if (expected && expected->kind == ECC_TYPE_ENUM && ecc_find_name(r, expected->enum_, name))
        return enum_value(r, expected, name);
    if (expected && ECC_IS_UNKNOWN(expected))
        return ecc_expr_unknown(r, name->span); /* perhaps a value of an enum that could not be found */
    return unknown_name(r, body, name, expected);
}

static const struct ecc_expr *resolve_member(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_expr *of,
                                             const struct ecc_name *name)
{
    struct ecc_span span = {of->span.start, name->span.end};

    if (ECC_IS_UNKNOWN(of->type))
        return ecc_expr_unknown(r, span);
    if (of->type->kind != ECC_TYPE_RECORD) {
        ecc_diag(r->diags, ECC_E_UNKNOWN_FIELD, name->span, "%s has no fields", ecc_type_name(r->arena, of->type));
        return ecc_expr_unknown(r, span);
    }
    const struct ecc_record *record = of->type->record;
    const struct ecc_field *field = ecc_find_name(r, record, name);
    if (!field) {
        ecc_unknown_field(r, record, name, "field");
        return ecc_expr_unknown(r, span);
    }
    const struct ecc_expr *expr = ecc_expr_field(r, body, of, field, span);
    ecc_refer_field(r, field, name->span, expr->type);
    return expr;
}

const struct ecc_expr *ecc_resolve_path(struct ecc_resolver *r, struct ecc_body *body, const char *path, struct ecc_span at)
{
    const struct ecc_expr *expr = NULL;

    for (const char *p = path; p;) {
        const char *dot = strchr(p, '.');
        size_t n = dot ? (size_t)(dot - p) : strlen(p);
        uint32_t start = at.start + (uint32_t)(p - path);
        struct ecc_name name = {ecc_arena_strndup(r->arena, p, n), {start, start + (uint32_t)n}};
        expr = expr ? resolve_member(r, body, expr, &name) : resolve_name(r, body, &name, NULL);
        if (ECC_IS_UNKNOWN(expr->type))
            return NULL;
        p = dot ? dot + 1 : NULL;
    }
    if (expr->type->kind == ECC_TYPE_SAGA || expr->type->kind == ECC_TYPE_VOID) {
        ecc_diag(r->diags, ECC_E_TYPE, at, "%s can't be a parameter of SQL", ecc_type_name(r->arena, expr->type));
        return NULL;
    }
    return expr;
}

/* ------------------------------------------------------------------ lists, functions */

static const struct ecc_expr *resolve_list(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast,
                                           const struct ecc_type *expected)
{
    const struct ecc_type *item = expected && expected->kind == ECC_TYPE_LIST ? expected->item : NULL;
    struct ecc_expr *expr = ecc_expr_new(r, ECC_EXPR_LIST, NULL, ast->span);
    size_t n = ast->u.list.n;

    expr->u.list.items = ECC_NEW_ARRAY(r->arena, const struct ecc_expr *, n);
    for (size_t i = 0; i < n; i++) {
        const struct ecc_expr *e = ecc_resolve_expr(r, body, ast->u.list.items[i], item);
        if (!item && e->type->optional)
            e = ecc_fit_expr(r, e, ecc_type_present(r->arena, e->type), "an item of a list");
        if (!item)
            item = e->type;
        expr->u.list.items[expr->u.list.nitems++] = ecc_fit_expr(r, e, item, "an item of the list");
    }
    if (!item) {
        ecc_diag(r->diags, ECC_E_NO_TYPE, ast->span, "an empty list of no known type");
        return ecc_expr_unknown(r, ast->span);
    }
    if (expected && expected->kind == ECC_TYPE_LIST && expected->bounded && ((int64_t)n < expected->min || (int64_t)n > expected->max)) {
        ecc_diag(r->diags, ECC_E_LITERAL, ast->span, "a list of %zu is not %s", n, ecc_type_name(r->arena, expected));
        return ecc_expr_unknown(r, ast->span);
    }
    if (item->kind == ECC_TYPE_LIST) {
        ecc_diag(r->diags, ECC_E_LIST_ITEM, ast->span, "a list of lists");
        return ecc_expr_unknown(r, ast->span);
    }
    expr->type = ecc_type_list_of(r->arena, item);
    return expr;
}

static const struct ecc_expr *resolve_function(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast)
{
    const struct ecc_ast_inits *args = &ast->u.call.args;
    enum ecc_ast_function fn = ast->u.call.fn;
    struct ecc_expr *expr;

    if (fn != ECC_AST_FN_LEN && fn != ECC_AST_FN_NOW) {
        bool statement = fn == ECC_AST_FN_NEW_ID || fn == ECC_AST_FN_HASH || fn == ECC_AST_FN_VERIFY || fn == ECC_AST_FN_SIGN ||
                         fn == ECC_AST_FN_CLAIMS;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_FUNCTION, ast->span, "%s can't stand here", ecc_ast_function_name(fn));
        ecc_diag_help(r->diags, d, statement ? "give it a name first: let x = %s(...)" : "%s belongs to a sandbox or a scenario",
                      ecc_ast_function_name(fn));
        return ecc_expr_unknown(r, ast->span);
    }
    size_t want = fn == ECC_AST_FN_LEN ? 1 : 0;
    if (args->n != want || (want && (args->items[0]->name.text || args->items[0]->spread))) {
        ecc_diag(r->diags, ECC_E_FUNCTION, ast->span, "%s takes %s", ecc_ast_function_name(fn),
                 want ? "one argument, without a name" : "no argument");
        return ecc_expr_unknown(r, ast->span);
    }
    expr = ecc_expr_new(r, ECC_EXPR_CALL, fn == ECC_AST_FN_LEN ? &ecc_type_int : &ecc_type_time, ast->span);
    expr->u.call.fn = fn == ECC_AST_FN_LEN ? ECC_FN_LEN : ECC_FN_NOW;
    if (!want)
        return expr;
    const struct ecc_expr *arg = ecc_resolve_expr(r, body, args->items[0]->value, NULL);
    const struct ecc_type *t = arg->type;
    if (!ECC_IS_UNKNOWN(t) && t->kind != ECC_TYPE_LIST && !ecc_type_is_textual(t)) {
        ecc_diag(r->diags, ECC_E_TYPE, arg->span, "len needs a list or a text, but this is %s", ecc_type_name(r->arena, t));
        return ecc_expr_unknown(r, ast->span);
    }
    expr->u.call.arg = ecc_fit_expr(r, arg, ecc_type_present(r->arena, t), "len");
    return expr;
}

const struct ecc_expr *ecc_resolve_expr(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast,
                                        const struct ecc_type *expected)
{
    switch (ast->kind) {
    case ECC_AST_EXPR_TEXT:
    case ECC_AST_EXPR_INT:
    case ECC_AST_EXPR_FLOAT:
    case ECC_AST_EXPR_BOOL:
        return plain_literal(r, ast, expected, false);
    case ECC_AST_EXPR_NULL:
        return resolve_null(r, ast, expected);
    case ECC_AST_EXPR_NAME:
        return resolve_name(r, body, &ast->u.name, expected);
    case ECC_AST_EXPR_MEMBER:
        return resolve_member(r, body, ecc_resolve_expr(r, body, ast->u.member.of, NULL), &ast->u.member.name);
    case ECC_AST_EXPR_CALL:
        return resolve_function(r, body, ast);
    case ECC_AST_EXPR_LIST:
        return resolve_list(r, body, ast, expected);
    case ECC_AST_EXPR_UNARY:
    case ECC_AST_EXPR_BINARY:
        return ecc_resolve_operator(r, body, ast);
    case ECC_AST_EXPR_RECORD: {
        const struct ecc_type *type = expected && expected->kind == ECC_TYPE_RECORD ? expected : NULL;
        if (ast->u.record.type.text) {
            struct ecc_ast_type named = {.kind = ECC_AST_TYPE_NAMED, .name = ast->u.record.type, .span = ast->u.record.type.span};
            type = ecc_resolve_type(r, &named);
        } else if (!type) {
            if (!expected || !ECC_IS_UNKNOWN(expected))
                ecc_diag(r->diags, ECC_E_NO_TYPE, ast->span, expected ? "a record, where %s is needed" : "a record of no known type%s",
                         expected ? ecc_type_name(r->arena, expected) : "");
            return ecc_expr_unknown(r, ast->span);
        }
        if (ECC_IS_UNKNOWN(type))
            return ecc_expr_unknown(r, ast->span);
        if (type->kind != ECC_TYPE_RECORD) {
            ecc_diag(r->diags, ECC_E_TYPE, ast->span, "%s is not a record", ecc_type_name(r->arena, type));
            return ecc_expr_unknown(r, ast->span);
        }
        return ecc_resolve_record(r, body, type->record, &ast->u.record.inits, ast->span, "field");
    }
    case ECC_AST_EXPR_INDEX:
    case ECC_AST_EXPR_REMOTE:
    case ECC_AST_EXPR_MISSING:
        break;
    }
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_FUNCTION, ast->span, "this can't stand inside an expression");
    ecc_diag_help(r->diags, d, "calls and cache reads stand alone: let x = ...");
    return ecc_expr_unknown(r, ast->span);
}
