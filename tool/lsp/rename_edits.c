/* What has to be written where so that a name changes and nothing else does.
 *
 * - Each reference gets the new name; a node's schema in SQL its snake form.
 * - Records fit each other by the names of their fields. Fields that meet because a value as a whole was fitted change together; where one
 *   comes from a `...x`, the member is written out: `total: x.total_cents`.
 * - A result column of SQL that has its name from a column keeps it, by `AS old`; one that is renamed itself gets `AS new`. A `*` that has
 *   such a column is written out.
 * - What a database or the wire knew by the old name is told by `was(old)`. Where the JSON is not ours to change (a provider's, rows that
 *   exist, SQL that takes it apart, sagas under way), its name stays, by `as "old"`. */
#include "rename.h"
#include "lexer.h"
#include "grammar.h"

#include <stdlib.h>
#include <string.h>

static void edit(struct rename *r, uint32_t start, uint32_t end, const char *text)
{
    struct rename_edit e = {{start, end}, text};

    for (size_t i = 0; i < r->edits.n; i++) /* a query may be looked at twice */
        if (r->edits.items[i].span.start == start && r->edits.items[i].span.end == end)
            return;
    ECC_PUSH(r->arena, &r->edits, e);
}

static struct ecc_ref ref_of_field(const struct ecc_field *field)
{
    return (struct ecc_ref){.decl = ecc_field_decl(field), .kind = ECC_REF_FIELD, .name = field->name, .entity = field};
}

static bool has(const struct rename *r, const struct ecc_ref *ref)
{
    for (size_t i = 0; i < r->names.n; i++)
        if (ecc_ref_same(&r->names.items[i], ref))
            return true;
    return false;
}

bool rename_has_field(const struct rename *r, const struct ecc_field *field)
{
    struct ecc_ref ref = ref_of_field(field);

    return has(r, &ref);
}

bool rename_is_column(const struct rename *r, const struct ecc_column *column)
{
    return column && r->what->kind == ECC_REF_COLUMN && column->span.end && column->span.start == r->what->decl.start;
}

static bool is_result(const struct rename *r, const struct ecc_field *field)
{
    const struct ecc_results *results = &r->view->analysis.refs.results;

    for (size_t i = 0; i < results->n; i++)
        if (results->items[i]->field == field)
            return true;
    return false;
}

/* ------------------------------------------------------------------ what changes together */

static bool gather(struct rename *r, struct lsp_failure *failure)
{
    const struct ecc_refs *refs = &r->view->analysis.refs;
    bool more = true;

    ECC_PUSH(r->arena, &r->names, *r->what);
    while (more) {
        more = false;
        for (size_t i = 0; i < refs->meetings.n; i++) {
            const struct ecc_meeting *m = &refs->meetings.items[i];
            bool from = rename_has_field(r, m->from), to = rename_has_field(r, m->to);
            if (m->spread.end || from == to)
                continue;
            ECC_PUSH(r->arena, &r->names, ref_of_field(from ? m->to : m->from));
            more = true;
        }
        for (size_t i = 1; i < refs->n; i++) { /* two meanings at one place: a topic's key, USING */
            const struct ecc_ref *a = &refs->items[i - 1], *b = &refs->items[i];
            if (a->span.start != b->span.start || a->span.end != b->span.end || has(r, a) == has(r, b))
                continue;
            ECC_PUSH(r->arena, &r->names, has(r, a) ? *b : *a);
            more = true;
        }
    }
    for (size_t i = 0; i < r->names.n; i++) {
        const struct ecc_ref *n = &r->names.items[i];
        if (n->decl.end || (n->kind == ECC_REF_FIELD && is_result(r, n->entity)))
            continue;
        lsp_fail(failure, LSP_REQUEST_FAILED, "`%s` is the language's own", n->name);
        return false;
    }
    if (r->what->kind == ECC_REF_COLUMN && r->names.n > 1) {
        lsp_fail(failure, LSP_REQUEST_FAILED, "`%s` is the name of columns of two tables, in USING: write the condition with ON first",
                 r->old);
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ references */

static const char *snake(struct rename *r, const char *name)
{
    char *out = ecc_arena_strdup(r->arena, name);

    for (char *p = out; *p; p++)
        *p = *p == '-' ? '_' : *p;
    return out;
}

static void edit_references(struct rename *r)
{
    const struct ecc_refs *refs = &r->view->analysis.refs;

    for (size_t i = 0; i < refs->n; i++) {
        const struct ecc_ref *ref = &refs->items[i];
        const char *there = ecc_arena_strndup(r->arena, r->view->topology.source.text + ref->span.start, ref->span.end - ref->span.start);
        if (!has(r, ref))
            continue;
        if (ref->kind == ECC_REF_NODE && strcmp(there, r->old) != 0)
            edit(r, ref->span.start, ref->span.end, snake(r, r->new_));
        else
            edit(r, ref->span.start, ref->span.end, r->new_);
    }
}

/* ------------------------------------------------------------------ SQL */

static const char *star(struct rename *r, size_t first)
{
    const struct ecc_results *results = &r->view->analysis.refs.results;
    uint32_t place = results->items[first]->place.start;
    const char *text = "";

    for (size_t i = first; i < results->n && results->items[i]->place.start == place; i++) {
        const struct ecc_result *c = results->items[i];
        const char *name = rename_is_column(r, c->column) ? r->new_ : c->name;
        const char *as = name != c->name ? c->name : c->field && rename_has_field(r, c->field) ? r->new_ : NULL;
        if (i > first && strcmp(c->name, results->items[first]->name) == 0)
            break; /* looked at a second time */
        text = ecc_arena_printf(r->arena, "%s%s%s%s%s%s%s", text, *text ? ", " : "", c->qualifier ? c->qualifier : "",
                                c->qualifier ? "." : "", name, as ? " AS " : "", as ? as : "");
    }
    return text;
}

static void edit_results(struct rename *r)
{
    const struct ecc_results *results = &r->view->analysis.refs.results;

    for (size_t i = 0; i < results->n; i++) {
        const struct ecc_result *c = results->items[i];
        bool column = rename_is_column(r, c->column), field = c->field && rename_has_field(r, c->field);
        if (!column && !field)
            continue;
        if (c->how == ECC_RESULT_IMPLIED) {
            edit(r, c->place.start, c->place.start, ecc_arena_printf(r->arena, " AS %s", field ? r->new_ : r->old));
        } else if (c->how == ECC_RESULT_STAR) {
            size_t first = i;
            while (first && results->items[first - 1]->place.start == c->place.start)
                first--;
            edit(r, c->place.start, c->place.end, star(r, first));
        }
    }
}

/* ------------------------------------------------------------------ spreads */

/* A spread that would give nothing any more is written out whole. */
static void edit_spreads(struct rename *r)
{
    const struct ecc_meetings *all = &r->view->analysis.refs.meetings;

    for (size_t i = 0; i < all->n; i++) {
        struct ecc_span spread = all->items[i].spread;
        const char *text = "";
        bool gives = false;
        if (!spread.end || rename_has_field(r, all->items[i].from) == rename_has_field(r, all->items[i].to))
            continue;
        for (size_t k = 0; k < all->n; k++) {
            const struct ecc_meeting *m = &all->items[k];
            bool from = rename_has_field(r, m->from), to = rename_has_field(r, m->to);
            if (m->spread.start != spread.start || m->spread.end != spread.end)
                continue;
            gives = gives || from == to;
            if (from != to)
                text = ecc_arena_printf(r->arena, "%s, %s: %.*s.%s", text, to ? r->new_ : r->old, (int)(m->value.end - m->value.start),
                                        r->view->topology.source.text + m->value.start, from ? r->new_ : r->old);
        }
        if (gives)
            edit(r, spread.end, spread.end, text);
        else
            edit(r, spread.start, spread.end, text + 2);
    }
}

/* ------------------------------------------------------------------ was and as */

struct declared { /* one of them, in the tree */
    const struct ecc_ast_field *field;
    const struct ecc_ast_column *column;
    const struct ecc_ast_table *table;
    const struct ecc_ast_op *op;
};

static bool in_fields(const struct ecc_ast_fields *fields, uint32_t at, struct declared *out)
{
    for (size_t i = 0; i < fields->n; i++) {
        const struct ecc_ast_type *type = fields->items[i]->type;
        if (fields->items[i]->name.span.start == at)
            out->field = fields->items[i];
        while (type->kind == ECC_AST_TYPE_LIST)
            type = type->item;
        if (out->field || (type->kind == ECC_AST_TYPE_RECORD && in_fields(&type->fields, at, out)))
            return true;
    }
    return false;
}

static void in_service(const struct ecc_ast_decl *d, uint32_t at, struct declared *out)
{
    for (size_t i = 0; i < d->u.service.ops.n; i++) {
        const struct ecc_ast_op *op = d->u.service.ops.items[i];
        if (op->name.span.start == at)
            out->op = op;
        in_fields(&op->params, at, out);
    }
    for (size_t i = 0; i < d->u.service.database.tables.n; i++) {
        const struct ecc_ast_table *t = d->u.service.database.tables.items[i];
        if (t->name.span.start == at)
            out->table = t;
        for (size_t k = 0; k < t->columns.n; k++)
            if (t->columns.items[k]->name.span.start == at)
                out->column = t->columns.items[k];
    }
}

static struct declared find_declared(const struct rename *r, uint32_t at)
{
    const struct ecc_ast_decls *decls = &r->view->analysis.file->decls;
    struct declared out = {0};

    for (size_t i = 0; i < decls->n; i++) {
        const struct ecc_ast_decl *d = decls->items[i];
        if (at < d->span.start || at >= d->span.end)
            continue;
        if (d->kind == ECC_AST_DECL_RECORD)
            in_fields(&d->u.fields, at, &out);
        else if (d->kind == ECC_AST_DECL_EVENT)
            in_fields(&d->u.event.fields, at, &out);
        else if (d->kind == ECC_AST_DECL_SAGA)
            in_fields(&d->u.saga.params, at, &out);
        else if (d->kind == ECC_AST_DECL_SERVICE)
            in_service(d, at, &out);
        for (size_t k = 0; d->kind == ECC_AST_DECL_EXTERNAL && k < d->u.external.calls.n; k++) {
            const struct ecc_ast_ext_call *call = d->u.external.calls.items[k];
            in_fields(&call->request, at, &out);
            if (call->reply && call->reply->kind == ECC_AST_TYPE_RECORD)
                in_fields(&call->reply->fields, at, &out);
        }
    }
    return out;
}

struct kept { /* records whose JSON is not ours to change */
    struct rename *r;
    struct {
        const struct ecc_record **items;
        size_t n, cap;
    } records;
};

static void keep_record(struct kept *k, const struct ecc_record *record);

static void keep_type(struct kept *k, const struct ecc_type *type)
{
    while (type && type->kind == ECC_TYPE_LIST)
        type = type->item;
    if (type && type->kind == ECC_TYPE_RECORD)
        keep_record(k, type->record);
}

static void keep_record(struct kept *k, const struct ecc_record *record)
{
    for (size_t i = 0; i < k->records.n; i++)
        if (k->records.items[i] == record)
            return;
    if (!record)
        return;
    ECC_PUSH(k->r->arena, &k->records, record);
    for (size_t i = 0; i < record->nfields; i++)
        keep_type(k, record->fields[i].type);
}

static void keep_node(struct kept *k, const struct ecc_node *node)
{
    const struct ecc_service *s = &node->u.service;
    const struct ecc_external *x = &node->u.external;

    for (size_t i = 0; node->kind == ECC_NODE_SERVICE && i < s->ntables; i++)
        for (size_t c = 0; c < s->tables[i]->ncolumns; c++)
            keep_type(k, s->tables[i]->columns[c].type);
    for (size_t i = 0; node->kind == ECC_NODE_EXTERNAL && i < x->ncalls; i++) {
        keep_record(k, x->calls[i]->request);
        keep_record(k, x->calls[i]->reply);
    }
}

static void keep_saga(struct kept *k, const struct ecc_saga *saga)
{
    keep_record(k, saga->params);
    for (size_t i = 0; i < saga->nsteps; i++)
        if (saga->steps[i].result)
            keep_type(k, saga->steps[i].result->type);
}

static bool is_kept(struct rename *r, uint32_t decl)
{
    const struct ecc_model *m = r->view->analysis.model;
    const struct ecc_refs *refs = &r->view->analysis.refs;
    struct kept k = {.r = r};

    for (size_t i = 0; i < m->nnodes; i++)
        keep_node(&k, m->nodes[i]);
    for (size_t i = 0; i < m->nsagas; i++)
        keep_saga(&k, m->sagas[i]);
    for (size_t i = 0; i < refs->n; i++) {
        const struct ecc_sql *sql = refs->items[i].entity;
        for (size_t p = 0; refs->items[i].kind == ECC_REF_SQL && p < sql->nparams; p++)
            keep_type(&k, sql->params[p] ? sql->params[p]->type : NULL);
    }
    for (size_t i = 0; i < k.records.n; i++)
        for (size_t f = 0; f < k.records.items[i]->nfields; f++)
            if (k.records.items[i]->fields[f].span.end && k.records.items[i]->fields[f].span.start == decl)
                return true;
    return false;
}

/* `was(x)` is there: it stays, for it says what was released; unless that is what it is called again. True: nothing is to be added. */
static bool has_was(struct rename *r, const struct ecc_name *was)
{
    const char *text = r->view->topology.source.text;
    uint32_t start, end;

    if (!was->text)
        return false;
    if (strcmp(was->text, r->new_) != 0)
        return true;
    for (start = was->span.start; start && text[start] != 'w'; start--)
        ;
    while (start && (text[start - 1] == ' ' || text[start - 1] == '\n'))
        start--;
    for (end = was->span.end; text[end] && text[end] != ')'; end++)
        ;
    edit(r, start, end + (text[end] == ')'), "");
    return true;
}

/* Behind the parenthesis that closes an operation's parameters. */
static uint32_t end_of_params(struct rename *r, const struct ecc_ast_op *op)
{
    struct ecc_diags unseen;
    struct ecc_tokens tokens;
    struct ecc_spans comments = {0};
    unsigned depth = 0;

    ecc_diags_init(&unseen, r->arena);
    ecc_lex(r->arena, &r->view->topology.source, &unseen, &tokens, &comments);
    for (size_t i = 0; i < tokens.n; i++) {
        if (tokens.items[i].start <= op->name.span.start)
            continue;
        depth += tokens.items[i].kind == ECC_TOK_LP;
        if (tokens.items[i].kind == ECC_TOK_RP && --depth == 0)
            return tokens.items[i].end;
    }
    return op->name.span.end;
}

static void add_was(struct rename *r, uint32_t at, const char *before, const char *after)
{
    edit(r, at, at, ecc_arena_printf(r->arena, "%swas(%s)%s", before, r->old, after));
    r->was = true;
}

static void table_was(struct rename *r, const struct ecc_ast_table *table)
{
    const char *text = r->view->topology.source.text;
    uint32_t at = table->name.span.end;

    while (text[at] && text[at] != '{')
        at++;
    at += text[at] == '{';
    size_t blank = strspn(text + at, " \t\r");
    if (text[at + blank] != '\n') {
        add_was(r, at, " ", "");
        return;
    }
    const char *next = text + at + blank;
    while (*next == '\n')
        next += 1 + (strspn(next + 1, " \t\r") && next[1 + strspn(next + 1, " \t\r")] == '\n' ? strspn(next + 1, " \t\r") : 0);
    add_was(r, at, ecc_arena_printf(r->arena, "\n%.*s", (int)strspn(next, " \t"), next), "");
}

static void edit_declarations(struct rename *r)
{
    for (size_t i = 0; i < r->names.n; i++) {
        const struct ecc_ref *n = &r->names.items[i];
        struct declared d = n->decl.end ? find_declared(r, n->decl.start) : (struct declared){0};
        if (d.column && !has_was(r, &d.column->was))
            add_was(r, d.column->span.end, "  ", "");
        else if (d.table && !has_was(r, &d.table->was))
            table_was(r, d.table);
        else if (d.op && !has_was(r, &d.op->was))
            add_was(r, end_of_params(r, d.op), " ", "");
        else if (d.field && !d.field->wire.text && is_kept(r, n->decl.start)) {
            edit(r, d.field->span.end, d.field->span.end, ecc_arena_printf(r->arena, " as \"%s\"", r->old));
            r->wire = true;
        } else if (d.field && !d.field->wire.text && !has_was(r, &d.field->was)) {
            add_was(r, d.field->span.end, " ", "");
        }
    }
}

/* ------------------------------------------------------------------ all */

static int by_place(const void *a, const void *b)
{
    const struct rename_edit *x = a, *y = b;

    if (x->span.start != y->span.start)
        return x->span.start < y->span.start ? -1 : 1;
    return x->span.end < y->span.end ? -1 : x->span.end > y->span.end;
}

bool rename_collect(struct rename *r, struct lsp_failure *failure)
{
    if (!gather(r, failure))
        return false;
    edit_references(r);
    edit_results(r);
    edit_spreads(r);
    edit_declarations(r);
    qsort(r->edits.items, r->edits.n, sizeof *r->edits.items, by_place);
    return true;
}

const char *rename_apply(struct rename *r, size_t *length)
{
    const struct ecc_source *source = &r->view->topology.source;
    size_t n = source->length, at = 0;
    uint32_t from = 0;

    for (size_t i = 0; i < r->edits.n; i++)
        n += strlen(r->edits.items[i].text);
    char *out = ecc_arena_alloc(r->arena, n + 1);
    for (size_t i = 0; i < r->edits.n; i++) {
        const struct rename_edit *e = &r->edits.items[i];
        if (e->span.start < from)
            continue; /* within another */
        memcpy(out + at, source->text + from, e->span.start - from);
        at += e->span.start - from;
        memcpy(out + at, e->text, strlen(e->text));
        at += strlen(e->text);
        from = e->span.end;
    }
    memcpy(out + at, source->text + from, source->length - from);
    *length = at + source->length - from;
    out[*length] = '\0';
    return out;
}

uint32_t rename_moved(const struct rename *r, uint32_t offset)
{
    int64_t by = 0;

    for (size_t i = 0; i < r->edits.n && r->edits.items[i].span.start <= offset; i++) {
        const struct rename_edit *e = &r->edits.items[i];
        if (e->span.end <= offset && (e->span.start < offset || e->span.start == e->span.end))
            by += (int64_t)strlen(e->text) - (int64_t)(e->span.end - e->span.start);
    }
    return (uint32_t)((int64_t)offset + by);
}
