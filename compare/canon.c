/* What a construct says, as text: without its place, its layout, or an order that means nothing. Two constructs are the same when their
 * texts are. */
#include <inttypes.h>
#include <stdlib.h>

#include "internal.h"

#define FMT(...) ecc_arena_printf(arena, __VA_ARGS__)

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *join(struct ecc_arena *arena, const char **items, size_t n)
{
    struct ecc_writer w;

    ecc_writer_init(&w, arena);
    for (size_t i = 0; i < n; i++) {
        if (i)
            ecc_w_text(&w, ", ", 2);
        ecc_w_text(&w, items[i], strlen(items[i]));
    }
    return w.data;
}

const char *ecc_join_sorted(struct ecc_arena *arena, const char **items, size_t n)
{
    if (n)
        qsort(items, n, sizeof *items, by_text);
    return join(arena, items, n);
}

/* White space outside of quotes is one space. */
const char *ecc_canon_sql(struct ecc_arena *arena, const char *sql)
{
    char *out = ecc_arena_alloc(arena, strlen(sql) + 1), *p = out, quote = 0;

    for (; *sql; sql++) {
        if (quote) {
            quote = *sql == quote ? 0 : quote;
        } else if (*sql == '\'' || *sql == '"') {
            quote = *sql;
        } else if (strchr(" \t\r\n", *sql)) {
            if (p > out && p[-1] != ' ')
                *p++ = ' ';
            continue;
        }
        *p++ = *sql;
    }
    return out;
}

const char *ecc_canon_record(struct ecc_arena *arena, const struct ecc_record *record)
{
    size_t n = record ? record->nfields : 0;
    const char **items = ECC_NEW_ARRAY(arena, const char *, n);

    for (size_t i = 0; i < n; i++) {
        const struct ecc_field *f = &record->fields[i];
        items[i] = FMT("%s: %s%s%s", f->wire, ecc_canon_type(arena, f->type), f->dflt ? " = " : "", ecc_canon_expr(arena, f->dflt));
    }
    return ecc_join_sorted(arena, items, n);
}

const char *ecc_canon_type(struct ecc_arena *arena, const struct ecc_type *type)
{
    static const char *const names[] = {
#define X(e, n) n,
        ECC_TYPE_KINDS(X)
#undef X
    };
    const char *text = names[type->kind], *bounds = "";

    if (type->kind == ECC_TYPE_ENUM)
        text = type->enum_->name;
    else if (type->kind == ECC_TYPE_RECORD)
        text = type->record->name ? type->record->name : FMT("{ %s }", ecc_canon_record(arena, type->record));
    else if (type->kind == ECC_TYPE_LIST)
        text = FMT("[%s]", ecc_canon_type(arena, type->item));
    else if (type->kind == ECC_TYPE_SAGA)
        text = FMT("saga %s", type->saga->name);
    if (type->bounded) {
        const char *min = type->min == INT64_MIN ? "" : FMT("%" PRId64, type->min),
                   *max = type->max == INT64_MAX ? "" : FMT("%" PRId64, type->max);
        bounds = FMT("(%s..%s)", min, max);
    }
    return FMT("%s%s%s", text, bounds, type->optional ? "?" : "");
}

static const char *operator_of(enum ecc_operator op)
{
    static const char *const words[] = {"==", "!=", "<", "<=", ">", ">=", "and", "or", "not", "+", "-", "*", "-", "+", "present"};

    return words[op];
}

const char *ecc_canon_expr(struct ecc_arena *arena, const struct ecc_expr *expr)
{
    const char **items;
    size_t n = 0;

    if (!expr)
        return "";
    switch (expr->kind) {
    case ECC_EXPR_TEXT:
        return ecc_quote_json(arena, expr->u.text);
    case ECC_EXPR_INT:
        return FMT("%" PRId64, expr->u.i);
    case ECC_EXPR_FLOAT:
        return FMT("%.17g", expr->u.f);
    case ECC_EXPR_BOOL:
        return expr->u.b ? "true" : "false";
    case ECC_EXPR_NULL:
        return "null";
    case ECC_EXPR_ENUM:
        return expr->u.text;
    case ECC_EXPR_VAR:
        return expr->u.var->unique ? expr->u.var->unique : expr->u.var->name;
    case ECC_EXPR_FIELD:
        return FMT("%s.%s", ecc_canon_expr(arena, expr->u.field.of), expr->u.field.field->name);
    case ECC_EXPR_RECORD:
        items = ECC_NEW_ARRAY(arena, const char *, expr->u.record.ninits);
        for (size_t i = 0; i < expr->u.record.ninits; i++)
            if (expr->u.record.inits[i].value)
                items[n++] = FMT("%s: %s", expr->u.record.inits[i].field->name, ecc_canon_expr(arena, expr->u.record.inits[i].value));
        return FMT("{ %s }", ecc_join_sorted(arena, items, n));
    case ECC_EXPR_LIST:
        items = ECC_NEW_ARRAY(arena, const char *, expr->u.list.nitems);
        for (; n < expr->u.list.nitems; n++)
            items[n] = ecc_canon_expr(arena, expr->u.list.items[n]);
        return FMT("[%s]", join(arena, items, n));
    case ECC_EXPR_UNARY:
        return FMT("%s (%s)", operator_of(expr->u.op.op), ecc_canon_expr(arena, expr->u.op.left));
    case ECC_EXPR_BINARY:
        return FMT("(%s %s %s)", ecc_canon_expr(arena, expr->u.op.left), operator_of(expr->u.op.op),
                   ecc_canon_expr(arena, expr->u.op.right));
    case ECC_EXPR_CALL:
        return FMT("%s(%s)", expr->u.call.fn == ECC_FN_LEN ? "len" : "now", ecc_canon_expr(arena, expr->u.call.arg));
    case ECC_EXPR_CONVERT:
        return ecc_canon_expr(arena, expr->u.convert);
    }
    return "";
}

/* ------------------------------------------------------------------ statements */

static void block(struct ecc_writer *w, const struct ecc_block *from);

static void catches(struct ecc_writer *w, const struct ecc_catch *items, size_t n)
{
    w->indent++;
    for (size_t i = 0; i < n; i++) {
        ecc_wl(w, "catch %s", items[i].error->name);
        block(w, &items[i].body);
    }
    w->indent--;
}

static const char *call_of(struct ecc_arena *arena, const struct ecc_stmt *s)
{
    const char *node = s->u.call.op ? s->u.call.op->service->name : s->u.call.ext->external->name;
    const char *args = ecc_canon_expr(arena, s->u.call.args), *key = ecc_canon_expr(arena, s->u.call.key);

    return FMT("%s.%s(%s)%s%s", node, s->u.call.op ? s->u.call.op->name : s->u.call.ext->name, args, *key ? " key " : "", key);
}

static const char *cache_of(struct ecc_arena *arena, const struct ecc_stmt *s)
{
    const struct ecc_keyspace *k = s->u.cache.keyspace;

    return FMT("%s.%s[%s]", k->cache->name, k->name, ecc_canon_expr(arena, s->u.cache.key));
}

static void stmt(struct ecc_writer *w, const struct ecc_stmt *s)
{
    static const char *const shapes[] = {"exec", "one", "maybe", "many"};
    struct ecc_arena *arena = w->arena;
    const char *let = s->let ? FMT("let %s = ", s->let->unique ? s->let->unique : s->let->name) : "";
    const char *none = s->none ? FMT(" none -> %s", ecc_canon_stmt(arena, s->none)) : "";
    const char *found = s->found ? FMT(" found -> %s", ecc_canon_stmt(arena, s->found)) : "";

    switch (s->kind) {
    case ECC_STMT_SQL:
        ecc_wl(w, "%ssql %s %s%s%s", let, shapes[s->u.sql->shape], ecc_canon_sql(arena, s->u.sql->source), none, found);
        break;
    case ECC_STMT_TX:
        ecc_wl(w, "tx");
        block(w, &s->u.block);
        break;
    case ECC_STMT_CALL:
        ecc_wl(w, "%s%s", let, call_of(arena, s));
        catches(w, s->u.call.catches, s->u.call.ncatches);
        break;
    case ECC_STMT_START:
        ecc_wl(w, "%sstart %s(%s)", let, s->u.start.saga->name, ecc_canon_expr(arena, s->u.start.args));
        break;
    case ECC_STMT_AWAIT:
        ecc_wl(w, "await %s%s", ecc_canon_expr(arena, s->u.await.saga), s->u.await.has_late ? " late" : "");
        block(w, &s->u.await.late);
        catches(w, s->u.await.catches, s->u.await.ncatches);
        break;
    case ECC_STMT_PUBLISH:
        ecc_wl(w, "publish %s %s", s->u.publish.event->name, ecc_canon_expr(arena, s->u.publish.body));
        break;
    case ECC_STMT_GET:
        ecc_wl(w, "%s%s%s%s", let, cache_of(arena, s), none, found);
        break;
    case ECC_STMT_PUT:
        ecc_wl(w, "put %s = %s", cache_of(arena, s), ecc_canon_expr(arena, s->u.cache.value));
        break;
    case ECC_STMT_DROP:
        ecc_wl(w, "drop %s", cache_of(arena, s));
        break;
    case ECC_STMT_HASH:
    case ECC_STMT_VERIFY:
    case ECC_STMT_SIGN:
    case ECC_STMT_CLAIMS:
        ecc_wl(w, "%sbuiltin %d (%s, %s, %s)%s", let, (int)s->kind, ecc_canon_expr(arena, s->u.builtin.a),
               ecc_canon_expr(arena, s->u.builtin.b), ecc_canon_expr(arena, s->u.builtin.c), none);
        break;
    case ECC_STMT_NEW_ID:
        ecc_wl(w, "%snew_id()", let);
        break;
    case ECC_STMT_LET:
        ecc_wl(w, "%s%s", let, ecc_canon_expr(arena, s->u.expr));
        break;
    case ECC_STMT_FOR:
        ecc_wl(w, "for %s in %s", s->u.loop.item->name, ecc_canon_expr(arena, s->u.loop.list));
        block(w, &s->u.loop.body);
        break;
    case ECC_STMT_WHEN:
        ecc_wl(w, "when %s", ecc_canon_expr(arena, s->u.when.cond));
        block(w, &s->u.when.then);
        if (s->u.when.otherwise.nstmts)
            ecc_wl(w, "else");
        block(w, &s->u.when.otherwise);
        break;
    case ECC_STMT_FAIL:
        ecc_wl(w, "fail %s%s%s", s->u.fail.error->name, s->u.fail.cond ? " when " : "", ecc_canon_expr(arena, s->u.fail.cond));
        break;
    case ECC_STMT_RETURN:
        ecc_wl(w, "return %s", ecc_canon_expr(arena, s->u.expr));
        break;
    case ECC_STMT_ACCEPT:
        ecc_wl(w, "accept %s", ecc_canon_expr(arena, s->u.expr));
        break;
    }
}

static void block(struct ecc_writer *w, const struct ecc_block *from)
{
    w->indent++;
    for (size_t i = 0; i < from->nstmts; i++)
        stmt(w, from->stmts[i]);
    w->indent--;
}

const char *ecc_canon_block(struct ecc_arena *arena, const struct ecc_block *from)
{
    struct ecc_writer w;

    ecc_writer_init(&w, arena);
    block(&w, from);
    return w.data;
}

const char *ecc_canon_stmt(struct ecc_arena *arena, const struct ecc_stmt *from)
{
    struct ecc_writer w;

    ecc_writer_init(&w, arena);
    if (from)
        stmt(&w, from);
    if (w.n && w.data[w.n - 1] == '\n')
        w.data[--w.n] = '\0';
    return w.data;
}

/* ------------------------------------------------------------------ sandboxes and scenarios */

static const char *dotted(struct ecc_arena *arena, const char *first, const char **path, size_t n)
{
    for (size_t i = 0; i < n; i++)
        first = FMT("%s.%s", first, path[i]);
    return first;
}

static const char *value_of(struct ecc_arena *arena, const struct ecc_sbx_value *v)
{
    const char **items;

    if (!v)
        return "";
    switch (v->kind) {
    case ECC_SBX_LITERAL:
        return ecc_canon_expr(arena, v->literal);
    case ECC_SBX_REQUEST:
        return dotted(arena, "request", v->path, v->npath);
    case ECC_SBX_STORE:
        return dotted(arena, FMT("%s[%s]", v->name, value_of(arena, v->key)), v->path, v->npath);
    case ECC_SBX_REPLY:
        return dotted(arena, "reply", v->path, v->npath);
    case ECC_SBX_TOKEN:
        return dotted(arena, FMT("token(%s)", ecc_quote_json(arena, v->name)), v->path, v->npath);
    case ECC_SBX_TIMESTAMP:
        return "timestamp()";
    case ECC_SBX_ANSWER:
        return dotted(arena, v->name, v->path, v->npath);
    case ECC_SBX_OBJECT:
    case ECC_SBX_LIST:
        break;
    }
    items = ECC_NEW_ARRAY(arena, const char *, v->nitems);
    for (size_t i = 0; i < v->nitems; i++)
        items[i] = v->kind == ECC_SBX_LIST ? value_of(arena, v->items[i]) : FMT("%s: %s", v->keys[i], value_of(arena, v->items[i]));
    return v->kind == ECC_SBX_LIST ? FMT("[%s]", join(arena, items, v->nitems)) : FMT("{ %s }", ecc_join_sorted(arena, items, v->nitems));
}

static const char *cond_of(struct ecc_arena *arena, const struct ecc_sbx_cond *c)
{
    if (!c)
        return "";
    switch (c->test) {
    case ECC_SBX_ALWAYS:
        return "always";
    case ECC_SBX_MISSING:
        return FMT("missing %s", value_of(arena, c->left));
    case ECC_SBX_COMPARE:
        return FMT("%s %s %s", value_of(arena, c->left), operator_of(c->op), value_of(arena, c->right));
    case ECC_SBX_AND:
    case ECC_SBX_OR:
        return FMT("(%s %s %s)", cond_of(arena, c->a), c->test == ECC_SBX_AND ? "and" : "or", cond_of(arena, c->b));
    case ECC_SBX_NOT:
        return FMT("not (%s)", cond_of(arena, c->a));
    }
    return "";
}

/* Rules are tried in order; those of different calls do not meet. */
const char *ecc_canon_sandbox(struct ecc_arena *arena, const struct ecc_external *external)
{
    struct ecc_writer w;
    const char **calls = ECC_NEW_ARRAY(arena, const char *, external->ncalls + 1);

    for (size_t k = 0; k <= external->ncalls; k++) {
        const struct ecc_ext_call *call = k < external->ncalls ? external->calls[k] : NULL;
        struct ecc_sbx_rule **rules = call ? external->rules : external->refusals;
        size_t n = call ? external->nrules : external->nrefusals;
        ecc_writer_init(&w, arena);
        ecc_wl(&w, "%s", call ? call->name : "refuse");
        for (size_t i = 0; i < n; i++) {
            const struct ecc_sbx_rule *r = rules[i];
            if (call && r->call != call)
                continue;
            ecc_wl(&w, "when %s reply %d %s keep %s", cond_of(arena, r->when), r->status, value_of(arena, r->body),
                   value_of(arena, r->keep));
            for (size_t j = 0; j < r->nsets; j++)
                ecc_wl(&w, "set %s = %s", value_of(arena, r->sets[j].target), value_of(arena, r->sets[j].value));
        }
        calls[k] = w.data;
    }
    return FMT("%d %s", external->has_sandbox, ecc_join_sorted(arena, calls, external->ncalls + 1));
}

const char *ecc_canon_request(struct ecc_arena *arena, const struct ecc_request *r)
{
    if (r && r->op)
        return FMT("%s %s.%s %s", r->let ? r->let : "", r->op->service->name, r->op->name, value_of(arena, r->body));
    return r ? FMT("%s %s %s %s %s times %d", r->let ? r->let : "", r->client ? r->client->name : "", r->method, r->path,
                   value_of(arena, r->body), r->times)
             : "";
}
