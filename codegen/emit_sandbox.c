/* main.c of a sandbox: an external's calls and the rules of its `sandbox`, as tables that the runtime plays.
 *
 * Values and conditions are trees of the macros of the runtime's header. A request's field goes by the name that is on the wire, which
 * is what the sandbox sees.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "codegen.h"

struct sandbox {
    struct ecc_shapes *shapes;
    struct ecc_writer *w;
    const struct ecc_record *request; /* what the rule that is being written reads */
};

static void emit_value(struct sandbox *s, const struct ecc_sbx_value *value);

static const char *quoted(const struct sandbox *s, const char *text)
{
    return ecc_quote_c(s->shapes->arena, text);
}

static const char *joined_path(struct sandbox *s, const struct ecc_sbx_value *value)
{
    const struct ecc_record *record = value->kind == ECC_SBX_REQUEST ? s->request : NULL;
    const char *text = "";

    for (size_t i = 0; i < value->npath; i++) {
        const char *name = value->path[i];
        const struct ecc_record *inner = NULL;

        for (size_t f = 0; record && f < record->nfields; f++) {
            if (strcmp(record->fields[f].name, value->path[i]) != 0)
                continue;
            name = record->fields[f].wire;
            inner = record->fields[f].type->record;
        }
        record = inner;
        text = ecc_arena_printf(s->shapes->arena, "%s%s%s", text, i ? "." : "", name);
    }
    return text;
}

static const char *literal_json(struct sandbox *s, const struct ecc_expr *e)
{
    struct ecc_arena *arena = s->shapes->arena;

    switch (e->kind) {
    case ECC_EXPR_INT:
        return ecc_arena_printf(arena, "%" PRId64, e->u.i);
    case ECC_EXPR_FLOAT:
        return ecc_arena_printf(arena, "%.17g", e->u.f);
    case ECC_EXPR_BOOL:
        return e->u.b ? "true" : "false";
    case ECC_EXPR_TEXT:
    case ECC_EXPR_ENUM:
        return ecc_quote_json(arena, e->u.text);
    case ECC_EXPR_NULL:
    case ECC_EXPR_VAR:
    case ECC_EXPR_FIELD:
    case ECC_EXPR_RECORD:
    case ECC_EXPR_LIST:
    case ECC_EXPR_UNARY:
    case ECC_EXPR_BINARY:
    case ECC_EXPR_CALL:
    case ECC_EXPR_CONVERT:
        break;
    }
    return "null";
}

static void emit_members(struct sandbox *s, const struct ecc_sbx_value *value)
{
    bool object = value->kind == ECC_SBX_OBJECT;

    ecc_w(s->w, "%s(", object ? "EC_VAL_OBJECT" : "EC_VAL_LIST");
    if (value->nitems > 0)
        ecc_w(s->w, "\n");
    s->w->indent++;
    for (size_t i = 0; i < value->nitems; i++) {
        ecc_w(s->w, "{%s, ", object ? quoted(s, value->keys[i]) : "NULL");
        emit_value(s, value->items[i]);
        ecc_w(s->w, "},\n");
    }
    s->w->indent--;
    ecc_w(s->w, ")");
}

/* A pointer to the value. */
static void emit_value(struct sandbox *s, const struct ecc_sbx_value *value)
{
    struct ecc_writer *w = s->w;

    switch (value->kind) {
    case ECC_SBX_LITERAL:
        ecc_w(w, "EC_VAL_JSON(%s)", quoted(s, literal_json(s, value->literal)));
        break;
    case ECC_SBX_REQUEST:
        ecc_w(w, "EC_VAL_REQUEST(%s)", quoted(s, joined_path(s, value)));
        break;
    case ECC_SBX_REPLY:
        ecc_w(w, "EC_VAL_REPLY(%s)", quoted(s, joined_path(s, value)));
        break;
    case ECC_SBX_STORE:
        ecc_w(w, "EC_VAL_STORE(%s, ", quoted(s, value->name));
        if (value->key)
            emit_value(s, value->key);
        else
            ecc_w(w, "NULL");
        ecc_w(w, ", %s)", value->npath > 0 ? quoted(s, joined_path(s, value)) : "NULL");
        break;
    case ECC_SBX_TOKEN:
        ecc_w(w, "EC_VAL_TOKEN(%s)", quoted(s, value->name));
        break;
    case ECC_SBX_ANSWER: /* only in scenarios */
        break;
    case ECC_SBX_TIMESTAMP:
        ecc_w(w, "EC_VAL_TIMESTAMP");
        break;
    case ECC_SBX_OBJECT:
    case ECC_SBX_LIST:
        emit_members(s, value);
        break;
    }
}

static const char *comparison(enum ecc_operator op)
{
    static const char *const names[] = {[ECC_OP_EQ] = "EQ", [ECC_OP_NE] = "NE", [ECC_OP_LT] = "LT",
                                        [ECC_OP_LE] = "LE", [ECC_OP_GT] = "GT", [ECC_OP_GE] = "GE"};

    return names[op];
}

/* A pointer to the condition. */
static void emit_cond(struct sandbox *s, const struct ecc_sbx_cond *cond)
{
    struct ecc_writer *w = s->w;

    switch (cond->test) {
    case ECC_SBX_ALWAYS:
        ecc_w(w, "NULL");
        return;
    case ECC_SBX_MISSING:
        ecc_w(w, "EC_COND_MISSING(");
        emit_value(s, cond->left);
        break;
    case ECC_SBX_COMPARE:
        ecc_w(w, "EC_COND(%s, ", comparison(cond->op));
        emit_value(s, cond->left);
        ecc_w(w, ", ");
        emit_value(s, cond->right);
        break;
    case ECC_SBX_NOT:
        ecc_w(w, "EC_COND_NOT(");
        emit_cond(s, cond->a);
        break;
    case ECC_SBX_AND:
    case ECC_SBX_OR:
        ecc_w(w, cond->test == ECC_SBX_AND ? "EC_COND_AND(" : "EC_COND_OR(");
        emit_cond(s, cond->a);
        ecc_w(w, ", ");
        emit_cond(s, cond->b);
        break;
    }
    ecc_w(w, ")");
}

static void emit_rule(struct sandbox *s, const struct ecc_sbx_rule *rule)
{
    struct ecc_writer *w = s->w;

    ecc_w_open(w, "{");
    if (rule->when && rule->when->test != ECC_SBX_ALWAYS) {
        ecc_w(w, ".when = ");
        emit_cond(s, rule->when);
        ecc_w(w, ",\n");
    }
    if (rule->status)
        ecc_wl(w, ".status = %d,", rule->status);
    if (rule->body) {
        ecc_w(w, ".body = ");
        emit_value(s, rule->body);
        ecc_w(w, ",\n");
    }
    if (rule->keep) {
        ecc_w(w, ".keep = ");
        emit_value(s, rule->keep);
        ecc_w(w, ",\n");
    }
    if (rule->nsets > 0) {
        ecc_w_open(w, ".sets = (const struct ec_sbx_set[]){");
        for (size_t i = 0; i < rule->nsets; i++) {
            ecc_w(w, "{");
            emit_value(s, rule->sets[i].target);
            ecc_w(w, ", ");
            emit_value(s, rule->sets[i].value);
            ecc_w(w, "},\n");
        }
        ecc_wl(w, "{0},");
        ecc_w_close(w, "},");
    }
    ecc_w_close(w, "},");
}

/* The rules of one call, in their order; the table's name, or NULL without rules. */
static const char *emit_rules(struct sandbox *s, const struct ecc_external *external, const struct ecc_ext_call *call)
{
    const char *name = NULL;

    s->request = call->request;
    for (size_t i = 0; i < external->nrules; i++) {
        if (external->rules[i]->call != call)
            continue;
        if (!name) {
            name = ecc_shapes_claim(s->shapes, ecc_arena_printf(s->shapes->arena, "%s_rules", ecc_snake(s->shapes->arena, call->name)));
            ecc_w_open(s->w, "static const struct ec_sbx_rule %s[] = {", name);
        }
        emit_rule(s, external->rules[i]);
    }
    if (name) {
        ecc_wl(s->w, "{0},");
        ecc_w_close(s->w, "};");
        ecc_w_blank(s->w);
    }
    return name;
}

static void emit_refusals(struct sandbox *s, const struct ecc_external *external)
{
    if (!external->nrefusals)
        return;
    s->request = s->shapes->model->refusal;
    ecc_w_open(s->w, "static const struct ec_sbx_rule refusals[] = {");
    for (size_t i = 0; i < external->nrefusals; i++)
        emit_rule(s, external->refusals[i]);
    ecc_wl(s->w, "{0},");
    ecc_w_close(s->w, "};");
    ecc_w_blank(s->w);
}

static void emit_call(struct sandbox *s, const struct ecc_ext_call *call, const char *rules)
{
    static const char *const encodings[] = {
        [ECC_ENC_NONE] = "NONE", [ECC_ENC_FORM] = "FORM", [ECC_ENC_JSON] = "JSON", [ECC_ENC_QUERY] = "QUERY"};
    const struct ecc_shape *in = ecc_shapes_record(s->shapes, call->request);

    ecc_w_open(s->w, "{");
    ecc_wl(s->w, ".name = %s,", quoted(s, call->name));
    ecc_wl(s->w, ".method = %s,", quoted(s, call->method));
    ecc_wl(s->w, ".path = %s,", quoted(s, ecc_wire_path(s->shapes->arena, call)));
    ecc_wl(s->w, ".encoding = EC_ENC_%s,", encodings[call->encoding]);
    if (in)
        ecc_wl(s->w, ".in = &%s,", in->table);
    if (call->idempotency_header)
        ecc_wl(s->w, ".idempotency_header = %s,", quoted(s, call->idempotency_header));
    if (rules)
        ecc_wl(s->w, ".rules = %s,", rules);
    ecc_w_close(s->w, "},");
}

static void emit_setting(struct sandbox *s, const char *name, const char *label, const char *env, const char *dflt, bool secret)
{
    ecc_w_open(s->w, "struct ec_setting %s = {", name);
    ecc_wl(s->w, ".name = %s,", quoted(s, label));
    ecc_wl(s->w, ".env = %s,", quoted(s, env));
    if (dflt)
        ecc_wl(s->w, ".dflt = %s,", quoted(s, dflt));
    if (secret) {
        ecc_wl(s->w, ".secret = true,");
        ecc_wl(s->w, ".rotates = true,");
    }
    ecc_wl(s->w, ".kind = EC_TEXT,");
    ecc_w_close(s->w, "};");
    ecc_w_blank(s->w);
}

void ecc_emit_sandbox(struct ecc_codegen *cg, struct ecc_shapes *shapes)
{
    static const char *const auths[] = {
        [ECC_AUTH_NONE] = "NONE", [ECC_AUTH_BEARER] = "BEARER", [ECC_AUTH_BASIC] = "BASIC", [ECC_AUTH_HEADER] = "HEADER"};
    const struct ecc_external *x = &shapes->node->u.external;
    struct sandbox s = {.shapes = shapes, .w = ecc_codegen_file(cg, ECC_BANNER_C)};
    const char **rules = ECC_NEW_ARRAY(cg->arena, const char *, x->ncalls);
    struct ecc_writer *w = s.w;

    ecc_wl(w, "#include \"%s\"", shapes->header);
    ecc_w_blank(w);
    if (x->auth_user)
        emit_setting(&s, ecc_shapes_name(shapes, x->auth_user), x->auth_user->name, x->auth_user->env,
                     x->auth_user->dflt ? x->auth_user->dflt->u.text : NULL, false);
    if (x->auth_secret)
        emit_setting(&s, ecc_shapes_secret(shapes, x->auth_secret), ecc_snake(cg->arena, x->auth_secret), x->auth_secret, NULL, true);
    for (size_t i = 0; i < x->ncalls; i++)
        rules[i] = emit_rules(&s, x, x->calls[i]);
    emit_refusals(&s, x);
    ecc_w_open(w, "static const struct ec_sbx_call calls[] = {");
    for (size_t i = 0; i < x->ncalls; i++)
        emit_call(&s, x->calls[i], rules[i]);
    ecc_wl(w, "{0},");
    ecc_w_close(w, "};");
    ecc_w_blank(w);
    ecc_w_open(w, "static const struct ec_sandbox sandbox = {");
    ecc_wl(w, ".name = %s,", quoted(&s, shapes->node->name));
    ecc_wl(w, ".auth = EC_AUTH_%s,", auths[x->auth]);
    if (x->auth_header)
        ecc_wl(w, ".auth_header = %s,", quoted(&s, x->auth_header));
    if (x->auth_user)
        ecc_wl(w, ".auth_user = &%s,", ecc_shapes_name(shapes, x->auth_user));
    if (x->auth_secret)
        ecc_wl(w, ".auth_secret = &%s,", ecc_shapes_secret(shapes, x->auth_secret));
    ecc_wl(w, ".calls = calls,");
    if (x->nrefusals)
        ecc_wl(w, ".refusals = refusals,");
    ecc_w_close(w, "};");
    ecc_w_blank(w);
    ecc_wl(w, "int main(int argc, char **argv)");
    ecc_w_open(w, "{");
    ecc_wl(w, "return ec_sandbox_main(argc, argv, &sandbox);");
    ecc_w_close(w, "}");
    ecc_codegen_add(cg, shapes, "main.c", w);
}
