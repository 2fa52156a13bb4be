/* Types, fields and expressions of the syntax tree. */
#include "build.h"

#include <string.h>

#include "grammar.h"

enum { MAX_EXPR_DEPTH = 200 };

struct ecc_token_list *ecc_token_list(struct ecc_parser *p)
{
    return ECC_NEW(p->arena, struct ecc_token_list);
}

void ecc_token_push(struct ecc_parser *p, struct ecc_token_list *list, struct ecc_token t)
{
    ECC_PUSH(p->arena, list, t);
}

bool ecc_once(struct ecc_parser *p, bool already, struct ecc_token t, const char *what)
{
    if (already)
        ecc_diag(p->diags, ECC_E_TWICE, ecc_span_of(t), "%s is given twice", what);
    return already;
}

/* ------------------------------------------------------------------ types */

static struct ecc_ast_type *new_type(struct ecc_parser *p, enum ecc_ast_type_kind kind, uint32_t start)
{
    struct ecc_ast_type *type = ECC_NEW(p->arena, struct ecc_ast_type);

    type->kind = kind;
    type->min = INT64_MIN;
    type->max = INT64_MAX;
    type->span = ecc_upto(p, start);
    return type;
}

static const struct {
    const char *name;
    enum ecc_type_kind kind;
} builtins[] = {
    {"text", ECC_TYPE_TEXT}, {"secret", ECC_TYPE_SECRET}, {"email", ECC_TYPE_EMAIL}, {"int", ECC_TYPE_INT},   {"float", ECC_TYPE_FLOAT},
    {"bool", ECC_TYPE_BOOL}, {"uuid", ECC_TYPE_UUID},     {"time", ECC_TYPE_TIME},   {"json", ECC_TYPE_JSON},
};

enum { N_BUILTINS = sizeof builtins / sizeof *builtins };

/* What people who come from elsewhere write. */
const char *ecc_type_from_elsewhere(const char *name)
{
    static const char *const pairs[][2] = {
        {"string", "text"},   {"str", "text"},         {"varchar", "text"}, {"char", "text"},    {"integer", "int"},
        {"bigint", "int"},    {"number", "int"},       {"long", "int"},     {"i64", "int"},      {"double", "float"},
        {"real", "float"},    {"decimal", "float"},    {"numeric", "int"},  {"boolean", "bool"}, {"timestamp", "time"},
        {"datetime", "time"}, {"timestamptz", "time"}, {"date", "time"},    {"jsonb", "json"},   {"object", "json"},
        {"any", "json"},      {"password", "secret"},  {"guid", "uuid"},    {"id", "uuid"},
    };

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (strcmp(name, pairs[i][0]) == 0)
            return pairs[i][1];
    return NULL;
}

static void unknown_type(struct ecc_parser *p, struct ecc_name name)
{
    const char *names[N_BUILTINS], *meant = ecc_type_from_elsewhere(name.text);
    struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_UNKNOWN_TYPE_WORD, name.span, "there is no type `%s`", name.text);

    for (size_t i = 0; i < N_BUILTINS; i++)
        names[i] = builtins[i].name;
    if (!meant)
        meant = ecc_did_you_mean(name.text, names, N_BUILTINS);
    if (meant) {
        ecc_diag_help(p->diags, diag, "did you mean `%s`?", meant);
        ecc_diag_fix(diag, name.span, meant);
    } else if (!strcmp(name.text, "null")) {
        ecc_diag_help(p->diags, diag, "what has no `?` behind its type is never null: `text`; what may be is `text?`");
    } else {
        ecc_diag_help(p->diags, diag,
                      "the types are text, secret, email, int, float, bool, uuid, time, json, lists `[type]`, "
                      "records `{ name: type }`, and your own, in PascalCase");
    }
}

struct ecc_ast_type *ecc_type_named(struct ecc_parser *p, struct ecc_token t)
{
    struct ecc_ast_type *type = new_type(p, ECC_AST_TYPE_NAMED, t.start);

    type->name = ecc_name(p, t);
    type->span = type->name.span;
    if (t.kind == ECC_TOK_PASCAL)
        return type;
    type->kind = ECC_AST_TYPE_BUILTIN;
    type->builtin = ECC_TYPE_JSON;
    for (size_t i = 0; i < N_BUILTINS; i++) {
        if (strcmp(builtins[i].name, type->name.text) == 0) {
            type->builtin = builtins[i].kind;
            return type;
        }
    }
    unknown_type(p, type->name);
    return type;
}

struct ecc_ast_type *ecc_type_list(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_type *item)
{
    struct ecc_ast_type *type = new_type(p, ECC_AST_TYPE_LIST, k.start);

    type->item = item;
    return type;
}

struct ecc_ast_type *ecc_type_record(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_fields *fields)
{
    struct ecc_ast_type *type = new_type(p, ECC_AST_TYPE_RECORD, k.start);

    type->fields = *fields;
    return type;
}

struct ecc_ast_type *ecc_type_bounded(struct ecc_parser *p, struct ecc_ast_type *type, struct ecc_bounds bounds)
{
    type->bounded = true;
    type->min = bounds.min;
    type->max = bounds.max;
    type->bounds = bounds.span;
    type->span.end = bounds.span.end;
    (void)p;
    return type;
}

void ecc_ast_optional(struct ecc_parser *p, struct ecc_ast_type *type)
{
    type->optional = true;
    type->span.end = ecc_upto(p, type->span.start).end;
}

struct ecc_bounds ecc_bounds(struct ecc_parser *p, struct ecc_token k, const struct ecc_token *min, const struct ecc_token *max)
{
    struct ecc_bounds bounds = {INT64_MIN, INT64_MAX, ecc_upto(p, k.start)};

    if (min)
        bounds.min = ecc_int(p, *min);
    if (max)
        bounds.max = ecc_int(p, *max);
    if (bounds.min > bounds.max) {
        ecc_diag(p->diags, ECC_E_BOUNDS, bounds.span, "the lower bound is above the upper one");
        bounds.max = bounds.min;
    }
    return bounds;
}

struct ecc_ast_range ecc_range(struct ecc_parser *p, struct ecc_token min, struct ecc_token max)
{
    struct ecc_ast_range range = {ecc_duration(p, min), ecc_duration(p, max), {min.start, max.end}};

    if (range.min_ms > range.max_ms) {
        ecc_diag(p->diags, ECC_E_BOUNDS, range.span, "the shorter duration comes first");
        range.max_ms = range.min_ms;
    }
    return range;
}

/* ------------------------------------------------------------------ fields */

struct ecc_ast_field *ecc_field(struct ecc_parser *p, struct ecc_token n, struct ecc_ast_type *type)
{
    struct ecc_ast_field *field = ECC_NEW(p->arena, struct ecc_ast_field);

    field->name = ecc_ast_snake(p, n);
    field->type = type;
    field->span = (struct ecc_span){n.start, type->span.end};
    return field;
}

void ecc_field_wire(struct ecc_parser *p, struct ecc_ast_field *field, struct ecc_token k, struct ecc_token t)
{
    ecc_once(p, field->wire.text, k, "`as`");
    field->wire = ecc_string(p, t);
    field->span.end = t.end;
}

void ecc_field_default(struct ecc_parser *p, struct ecc_ast_field *field, struct ecc_token k, struct ecc_ast_expr *value)
{
    ecc_once(p, field->dflt, k, "the default");
    field->dflt = value;
    field->span.end = value->span.end;
}

void ecc_field_was(struct ecc_parser *p, struct ecc_ast_field *field, struct ecc_token k, struct ecc_token n)
{
    ecc_once(p, field->was.text, k, "`was`");
    field->was = ecc_ast_snake(p, n);
    field->span = ecc_upto(p, field->span.start);
}

/* ------------------------------------------------------------------ expressions */

static unsigned depth_over(struct ecc_parser *p, unsigned depth, struct ecc_span span)
{
    /* Said once, where the bound is passed; above it the count begins anew, so that a long chain is one mistake. */
    if (depth < MAX_EXPR_DEPTH)
        return depth + 1;
    ecc_diag(p->diags, ECC_E_TOO_DEEP, span, "this expression has more than %d levels or operators", (int)MAX_EXPR_DEPTH);
    return 0;
}

struct ecc_ast_expr *ecc_expr(struct ecc_parser *p, enum ecc_ast_expr_kind kind, uint32_t start)
{
    struct ecc_ast_expr *expr = ECC_NEW(p->arena, struct ecc_ast_expr);

    expr->kind = kind;
    expr->span = ecc_upto(p, start);
    return expr;
}

static void over(struct ecc_parser *p, struct ecc_ast_expr *expr, const struct ecc_ast_expr *below)
{
    if (below->depth >= expr->depth)
        expr->depth = depth_over(p, below->depth, expr->span);
}

static void over_inits(struct ecc_parser *p, struct ecc_ast_expr *expr, const struct ecc_ast_inits *inits)
{
    for (size_t i = 0; i < inits->n; i++)
        over(p, expr, inits->items[i]->value);
}

struct ecc_ast_expr *ecc_expr_text(struct ecc_parser *p, struct ecc_token t)
{
    struct ecc_ast_expr *expr = ecc_expr(p, ECC_AST_EXPR_TEXT, t.start);

    expr->span = ecc_span_of(t);
    expr->u.text = ecc_string(p, t);
    return expr;
}

struct ecc_ast_expr *ecc_expr_int(struct ecc_parser *p, struct ecc_token t)
{
    struct ecc_ast_expr *expr = ecc_expr(p, ECC_AST_EXPR_INT, t.start);

    expr->span = ecc_span_of(t);
    expr->u.i = ecc_int(p, t);
    return expr;
}

struct ecc_ast_expr *ecc_expr_float(struct ecc_parser *p, struct ecc_token t)
{
    struct ecc_ast_expr *expr = ecc_expr(p, ECC_AST_EXPR_FLOAT, t.start);

    expr->span = ecc_span_of(t);
    expr->u.f = ecc_float(p, t);
    return expr;
}

struct ecc_ast_expr *ecc_expr_bool(struct ecc_parser *p, struct ecc_token t, bool value)
{
    struct ecc_ast_expr *expr = ecc_expr(p, ECC_AST_EXPR_BOOL, t.start);

    expr->span = ecc_span_of(t);
    expr->u.b = value;
    return expr;
}

/* Not checked for its spelling: it may be a node's name, of a call that is being read. */
struct ecc_ast_expr *ecc_expr_name(struct ecc_parser *p, struct ecc_token t)
{
    struct ecc_ast_expr *expr = ecc_expr(p, ECC_AST_EXPR_NAME, t.start);

    expr->u.name = ecc_any_name(p, t);
    expr->span = expr->u.name.span;
    return expr;
}

static struct ecc_ast_expr *member(struct ecc_parser *p, struct ecc_ast_expr *of, struct ecc_name name, uint32_t end)
{
    struct ecc_ast_expr *expr = ecc_expr(p, ECC_AST_EXPR_MEMBER, of->span.start);

    expr->u.member.of = of;
    expr->u.member.name = name;
    expr->span.end = end;
    over(p, expr, of);
    return expr;
}

struct ecc_ast_expr *ecc_expr_member(struct ecc_parser *p, struct ecc_ast_expr *of, struct ecc_token n)
{
    return member(p, of, ecc_any_name(p, n), n.end);
}

struct ecc_ast_expr *ecc_expr_index(struct ecc_parser *p, struct ecc_ast_expr *of, struct ecc_ast_expr *key)
{
    struct ecc_ast_expr *expr = ecc_expr(p, ECC_AST_EXPR_INDEX, of->span.start);

    expr->u.index.of = of;
    expr->u.index.key = key;
    over(p, expr, of);
    over(p, expr, key);
    return expr;
}

struct ecc_ast_expr *ecc_expr_missing(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_expr *what)
{
    struct ecc_ast_expr *expr = ecc_expr(p, ECC_AST_EXPR_MISSING, k.start);

    if (what->kind != ECC_AST_EXPR_INDEX) {
        ecc_diag(p->diags, ECC_E_MISPLACED, what->span, "`missing` asks for `store[key]`");
        struct ecc_ast_expr *index = ecc_expr(p, ECC_AST_EXPR_INDEX, what->span.start);
        index->u.index.of = index->u.index.key = what;
        index->depth = what->depth + 1;
        what = index;
    }
    expr->u.missing = what;
    over(p, expr, what);
    return expr;
}

struct ecc_ast_expr *ecc_expr_unary(struct ecc_parser *p, enum ecc_operator op, struct ecc_token k, struct ecc_ast_expr *of)
{
    struct ecc_ast_expr *expr = ecc_expr(p, ECC_AST_EXPR_UNARY, k.start);

    expr->u.op.op = op;
    expr->u.op.op_span = ecc_span_of(k);
    expr->u.op.left = of;
    over(p, expr, of);
    return expr;
}

struct ecc_ast_expr *ecc_expr_binary(struct ecc_parser *p, enum ecc_operator op, struct ecc_token k, struct ecc_ast_expr *left,
                                     struct ecc_ast_expr *right)
{
    struct ecc_ast_expr *expr = ecc_expr(p, ECC_AST_EXPR_BINARY, left->span.start);

    expr->u.op.op = op;
    expr->u.op.op_span = ecc_span_of(k);
    expr->u.op.left = left;
    expr->u.op.right = right;
    over(p, expr, left);
    over(p, expr, right);
    return expr;
}

struct ecc_ast_expr *ecc_expr_list(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_exprs *items)
{
    struct ecc_ast_expr *expr = ecc_expr(p, ECC_AST_EXPR_LIST, k.start);

    expr->u.list = *items;
    for (size_t i = 0; i < items->n; i++)
        over(p, expr, items->items[i]);
    return expr;
}

struct ecc_ast_expr *ecc_expr_record(struct ecc_parser *p, struct ecc_token k, const struct ecc_token *type, struct ecc_ast_inits *inits)
{
    struct ecc_ast_expr *expr = ecc_expr(p, ECC_AST_EXPR_RECORD, k.start);

    if (type)
        expr->u.record.type = ecc_ast_pascal(p, *type);
    expr->u.record.inits = *inits;
    over_inits(p, expr, inits);
    return expr;
}

struct ecc_ast_init *ecc_init(struct ecc_parser *p, const struct ecc_token *n, struct ecc_ast_expr *value)
{
    struct ecc_ast_init *init = ECC_NEW(p->arena, struct ecc_ast_init);

    if (n)
        init->name = ecc_ast_snake(p, *n);
    init->value = value;
    init->span = (struct ecc_span){n ? n->start : value->span.start, value->span.end};
    return init;
}

/* A provider's own spelling, where the language has another: only in a sandbox. */
static struct ecc_name quoted(struct ecc_parser *p, struct ecc_token t)
{
    struct ecc_text text = ecc_string(p, t);
    struct ecc_span span = ecc_span_of(t);
    const char *snake = "abcdefghijklmnopqrstuvwxyz0123456789_";
    struct ecc_diag *diag;

    ECC_PUSH(p->arena, &p->quoted, span);
    if (!text.length || strlen(text.text) != text.length || strpbrk(text.text, ".\"\\\n\t")) {
        ecc_diag(p->diags, ECC_E_SPELLING, span, "this is not the name of a member");
    } else if (text.text[0] >= 'a' && text.text[0] <= 'z' && strspn(text.text, snake) == text.length) {
        diag = ecc_diag(p->diags, ECC_E_SPELLING, span, "this name needs no quotes");
        ecc_diag_help(p->diags, diag, "write `%s`", text.text);
        ecc_diag_fix(diag, span, text.text);
    }
    return (struct ecc_name){text.text, span};
}

struct ecc_ast_init *ecc_init_quoted(struct ecc_parser *p, struct ecc_token n, struct ecc_ast_expr *value)
{
    struct ecc_ast_init *init = ecc_init(p, NULL, value);

    init->name = quoted(p, n);
    init->span.start = n.start;
    return init;
}

struct ecc_ast_expr *ecc_expr_quoted(struct ecc_parser *p, struct ecc_ast_expr *of, struct ecc_token n)
{
    return member(p, of, quoted(p, n), n.end);
}

struct ecc_ast_init *ecc_init_spread(struct ecc_parser *p, struct ecc_token k, struct ecc_ast_expr *value)
{
    struct ecc_ast_init *init = ecc_init(p, NULL, value);

    init->spread = true;
    init->span.start = k.start;
    return init;
}

/* ------------------------------------------------------------------ calls */

static const struct {
    const char *name;
    bool statement;
} functions[] = {
#define X(e, name, statement) {name, statement},
    ECC_AST_FUNCTIONS(X)
#undef X
};

enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

const char *ecc_ast_function_name(enum ecc_ast_function fn)
{
    return functions[fn].name;
}

/* Calls that only a statement may hold wait here until one does. */
static struct ecc_ast_expr *waiting(struct ecc_parser *p, struct ecc_ast_expr *expr)
{
    ECC_PUSH(p->arena, &p->remotes, expr);
    return expr;
}

void ecc_claim(struct ecc_parser *p, const struct ecc_ast_expr *expr)
{
    for (size_t i = p->remotes.n; i > 0; i--) {
        if (p->remotes.items[i - 1] == expr) {
            memmove(&p->remotes.items[i - 1], &p->remotes.items[i], (p->remotes.n - i) * sizeof *p->remotes.items);
            p->remotes.n--;
            return;
        }
    }
}

void ecc_report_unclaimed(struct ecc_parser *p)
{
    for (size_t i = 0; i < p->remotes.n; i++) {
        const struct ecc_ast_expr *expr = p->remotes.items[i];
        struct ecc_diag *diag;

        if (expr->kind == ECC_AST_EXPR_REMOTE)
            diag = ecc_diag(p->diags, ECC_E_CALL_IN_EXPRESSION, expr->span, "a call of `%s.%s` is a statement, not a value",
                            expr->u.remote->node.text, expr->u.remote->op.text);
        else
            diag = ecc_diag(p->diags, ECC_E_CALL_IN_EXPRESSION, expr->span, "`%s` is a statement, not a value", expr->u.call.name.text);
        ecc_diag_help(p->diags, diag, "give the result a name first: `let x = ...`, then use x");
    }
    p->remotes.n = 0;
}

static void unknown_function(struct ecc_parser *p, const struct ecc_ast_expr *callee, struct ecc_name name)
{
    const char *names[N_FUNCTIONS];
    struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_UNKNOWN_FUNCTION, name.span, "there is no function `%s`", name.text);

    for (size_t i = 0; i < N_FUNCTIONS; i++)
        names[i] = functions[i].name;
    const char *meant = ecc_did_you_mean(name.text, names, N_FUNCTIONS);
    if (meant) {
        ecc_diag_help(p->diags, diag, "did you mean `%s`?", meant);
        ecc_diag_fix(diag, name.span, meant);
    } else if (callee->kind == ECC_AST_EXPR_MEMBER) {
        ecc_diag_help(p->diags, diag, "operations are written in PascalCase: `%.*s.Operation(...)`",
                      (int)(strrchr(name.text, '.') ? strrchr(name.text, '.') - name.text : 0), name.text);
    } else {
        ecc_diag_help(p->diags, diag, "what the language has no function for belongs into SQL");
    }
}

struct ecc_ast_expr *ecc_expr_invoke(struct ecc_parser *p, struct ecc_ast_expr *callee, struct ecc_ast_inits *args)
{
    static struct ecc_ast_inits none;
    struct ecc_ast_expr *expr = ecc_expr(p, ECC_AST_EXPR_CALL, callee->span.start);
    struct ecc_span span = callee->span;

    expr->u.call.name = (struct ecc_name){ecc_arena_strndup(p->arena, p->source->text + span.start, span.end - span.start), span};
    expr->u.call.args = args ? *args : none;
    over_inits(p, expr, &expr->u.call.args);
    for (size_t i = 0; i < N_FUNCTIONS; i++) {
        if (strcmp(functions[i].name, expr->u.call.name.text) == 0) {
            expr->u.call.fn = (enum ecc_ast_function)i;
            return functions[i].statement ? waiting(p, expr) : expr;
        }
    }
    unknown_function(p, callee, expr->u.call.name);
    expr->u.call.fn = ECC_AST_FN_NOW;
    return expr;
}

struct ecc_ast_expr *ecc_expr_remote(struct ecc_parser *p, struct ecc_ast_expr *node, struct ecc_token op, struct ecc_ast_inits *args)
{
    struct ecc_ast_expr *expr = ecc_expr(p, ECC_AST_EXPR_REMOTE, node->span.start);
    struct ecc_ast_remote *remote = ECC_NEW(p->arena, struct ecc_ast_remote);

    if (node->kind == ECC_AST_EXPR_NAME) {
        remote->node = node->u.name;
    } else {
        ecc_diag(p->diags, ECC_E_MISPLACED, node->span, "an operation is called on a node: `node.%.*s(...)`", (int)(op.end - op.start),
                 p->source->text + op.start);
        remote->node = (struct ecc_name){"", node->span};
    }
    remote->op = ecc_name(p, op);
    remote->args = *args;
    remote->span = expr->span;
    expr->u.remote = remote;
    over_inits(p, expr, args);
    for (size_t i = 0; i < args->n; i++) {
        if (args->items[i]->name.text || args->items[i]->spread)
            continue;
        struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_MISPLACED, args->items[i]->span, "an operation's arguments have names");
        ecc_diag_help(p->diags, diag, "write `name: value`, or `...record` for every field that the operation knows");
        args->items[i]->name = (struct ecc_name){"", args->items[i]->span};
    }
    return waiting(p, expr);
}

struct ecc_ast_remote *ecc_take_remote(struct ecc_parser *p, struct ecc_ast_expr *expr)
{
    struct ecc_ast_remote *remote;

    ecc_claim(p, expr);
    if (expr->kind == ECC_AST_EXPR_REMOTE)
        return expr->u.remote;
    /* A function's name: one that does not exist has been reported. */
    if (expr->u.call.fn != ECC_AST_FN_NOW || strcmp(expr->u.call.name.text, "now") == 0)
        ecc_diag(p->diags, ECC_E_MISPLACED, expr->span, "an operation of a node is called here: `node.Operation(...)`");
    remote = ECC_NEW(p->arena, struct ecc_ast_remote);
    remote->node = remote->op = expr->u.call.name;
    remote->span = expr->span;
    return remote;
}

struct ecc_ast_keyed *ecc_take_keyed(struct ecc_parser *p, struct ecc_ast_expr *expr)
{
    struct ecc_ast_keyed *keyed = ECC_NEW(p->arena, struct ecc_ast_keyed);

    keyed->span = expr->span;
    if (expr->kind == ECC_AST_EXPR_INDEX && expr->u.index.of->kind == ECC_AST_EXPR_MEMBER &&
        expr->u.index.of->u.member.of->kind == ECC_AST_EXPR_NAME) {
        keyed->cache = expr->u.index.of->u.member.of->u.name;
        keyed->space = expr->u.index.of->u.member.name;
        keyed->key = expr->u.index.key;
        return keyed;
    }
    ecc_diag(p->diags, ECC_E_MISPLACED, expr->span, "a keyspace is addressed as `cache.space[key]`");
    keyed->cache = keyed->space = (struct ecc_name){"", expr->span};
    keyed->key = expr;
    return keyed;
}

static bool has_minus(const char *text)
{
    return strchr(text, '-') && !strchr(text, '_'); /* with both it has been reported */
}

/* A path that stands for a value is made of snake_case names; only a cache may be a node's. */
void ecc_check_value(struct ecc_parser *p, const struct ecc_ast_expr *expr)
{
    const struct ecc_ast_expr *e = expr;
    struct ecc_name name = {0};

    while (e->kind == ECC_AST_EXPR_MEMBER || e->kind == ECC_AST_EXPR_INDEX) {
        if (e->kind == ECC_AST_EXPR_INDEX && e->u.index.of->kind == ECC_AST_EXPR_MEMBER)
            return;
        if (e->kind == ECC_AST_EXPR_MEMBER && has_minus(e->u.member.name.text))
            name = e->u.member.name;
        e = e->kind == ECC_AST_EXPR_MEMBER ? e->u.member.of : e->u.index.of;
    }
    if (e->kind == ECC_AST_EXPR_NAME && has_minus(e->u.name.text))
        name = e->u.name;
    if (!name.text)
        return;
    struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_SPELLING, name.span, "`%s` is one word, and not the name of a value", name.text);
    ecc_diag_help(p->diags, diag, "values have snake_case names; a minus that is an operator has spaces around it");
}
