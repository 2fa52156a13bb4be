/* Completion. What could stand at a place the parser is asked (ecc_parse_expected): its keywords are offered as they are; where a name
 * could stand, the words before it say what of. While there are mistakes of syntax, names come from the last text without. */
#include "complete.h"
#include "types.h"

#include <ctype.h>
#include <string.h>

void complete_add(struct complete *c, int kind, const char *label, const char *detail)
{
    struct ecc_span span = {c->word, c->place->offset};
    size_t i;
    json_t *item;

    json_array_foreach(c->items, i, item) if (strcmp(json_string_value(json_object_get(item, "label")), label) == 0) return;
    item = json_pack("{s:s, s:i, s:o}", "label", label, "kind", kind, "textEdit", lsp_text_edit(&c->place->view->text, span, label));
    if (detail)
        json_object_set_new(item, "detail", json_string(detail));
    json_array_append_new(c->items, item);
}

static unsigned kind(const struct complete *c, size_t back)
{
    return back <= c->next ? c->tokens.items[c->next - back].kind : 0;
}

static bool is_name(unsigned k)
{
    return k == ECC_TOK_WORD || k == ECC_TOK_SNAKE || k == ECC_TOK_KEBAB || k == ECC_TOK_PASCAL || k == ECC_TOK_UPPER ||
           ecc_token_is_keyword(k);
}

/* The bracket that is open around the place; SIZE_MAX: none. */
static size_t open_bracket(const struct complete *c)
{
    size_t depth = 0;

    for (size_t i = c->next; i-- > 0;) {
        unsigned k = c->tokens.items[i].kind;
        if (k == ECC_TOK_RBRACE || k == ECC_TOK_RP || k == ECC_TOK_RBRACKET)
            depth++;
        else if (k == ECC_TOK_LBRACE || k == ECC_TOK_LP || k == ECC_TOK_LBRACKET) {
            if (!depth)
                return i;
            depth--;
        }
    }
    return SIZE_MAX;
}

static const struct ecc_record *record_named(const struct complete *c, const char *name)
{
    const struct ecc_model *m = c->view->analysis.model;

    for (size_t i = 0; i < m->nrecords; i++)
        if (strcmp(m->records[i]->name, name) == 0)
            return m->records[i];
    return NULL;
}

static const struct ecc_record *request_body(const struct complete *c, const char *method, const char *path)
{
    const struct ecc_model *m = c->view->analysis.model;

    for (size_t i = 0; i < m->nnodes; i++)
        for (size_t k = 0; m->nodes[i]->kind == ECC_NODE_GATEWAY && k < m->nodes[i]->u.gateway.nroutes; k++) {
            const struct ecc_route *r = m->nodes[i]->u.gateway.routes[k];
            if (strcmp(r->method, method) == 0 && strlen(path) == strlen(r->path) + 2 && strncmp(path + 1, r->path, strlen(r->path)) == 0)
                return r->body;
        }
    return NULL;
}

/* The record whose members are written in this bracket: arguments of a call, fields of a record or event; or NULL. */
static const struct ecc_record *members_of(struct complete *c, size_t open)
{
    const struct ecc_token *t = &c->tokens.items[open];
    const struct ecc_model *m = c->view->analysis.model;

    if (open < 2)
        return NULL;
    if (t->kind == ECC_TOK_LP && t[-1].kind == ECC_TOK_PASCAL && t[-2].kind == ECC_TOK_DOT && open > 2)
        return complete_params(c, complete_text(c, open - 3), complete_text(c, open - 1));
    for (size_t i = 0; t->kind == ECC_TOK_LP && t[-2].kind == ECC_TOK_START && i < m->nsagas; i++)
        if (strcmp(m->sagas[i]->name, complete_text(c, open - 1)) == 0)
            return m->sagas[i]->params;
    if (t->kind != ECC_TOK_LBRACE)
        return NULL;
    for (size_t i = 0; t[-2].kind == ECC_TOK_PUBLISH && i < m->nevents; i++)
        if (strcmp(m->events[i]->name, complete_text(c, open - 1)) == 0)
            return m->events[i]->body;
    if (t[-1].kind == ECC_TOK_PASCAL && t[-2].kind != ECC_TOK_ARROW && t[-2].kind != ECC_TOK_RECORD)
        return record_named(c, complete_text(c, open - 1));
    if (t[-1].kind == ECC_TOK_STRING && is_name(t[-2].kind))
        return request_body(c, complete_text(c, open - 2), complete_text(c, open - 1));
    return NULL;
}

/* ------------------------------------------------------------------ behind a dot */

static void after_dot(struct complete *c)
{
    size_t first = c->next - 1; /* of a.b.c. */

    while (first >= 2 && c->tokens.items[first].kind == ECC_TOK_DOT && is_name(c->tokens.items[first - 1].kind) &&
           c->tokens.items[first - 2].kind == ECC_TOK_DOT)
        first -= 2;
    if (!first || !is_name(c->tokens.items[first - 1].kind))
        return;
    const char *root = complete_text(c, --first);
    const struct ecc_type *type = complete_variable(c, root);
    const struct ecc_node *node = complete_node(c, root);
    const struct ecc_ast_decl *around = complete_around(c);
    if (node && first + 2 == c->next && !type) {
        complete_members(c, node);
        for (size_t i = 0; node->kind == ECC_NODE_SERVICE && (!around || around->kind == ECC_AST_DECL_DROP) && i < node->u.service.ntables;
             i++)
            complete_add(c, ITEM_CLASS, node->u.service.tables[i]->name, "table");
        return;
    }
    if (!type && first + 2 == c->next) {
        if (strcmp(root, "path") == 0 || strcmp(root, "query") == 0 || strcmp(root, "body") == 0)
            complete_of_request(c, root);
        return;
    }
    for (size_t i = first + 2; type && i + 1 < c->next; i += 2) {
        const struct ecc_field *f = type->record ? ecc_record_field(type->record, complete_text(c, i)) : NULL;
        type = f ? f->type : NULL;
    }
    if (type && !ECC_IS_UNKNOWN(type) && type->kind == ECC_TYPE_RECORD)
        complete_record(c, type->record);
}

/* ------------------------------------------------------------------ names, by the words before them */

/* Does a list of names go on here that one of these words began? */
static unsigned list_word(const struct complete *c)
{
    for (size_t back = 1; back <= c->next; back++) {
        unsigned k = kind(c, back);
        if (k == ECC_TOK_PUBLISH || k == ECC_TOK_CONSUME || k == ECC_TOK_KEYSPACE)
            return k;
        if (!is_name(k) || k == ECC_TOK_HTTP || k == ECC_TOK_HTTPS || k == ECC_TOK_EXTERNAL)
            return 0;
    }
    return 0;
}

static bool names_in_declaration(struct complete *c, const struct ecc_ast_decl *around, size_t open)
{
    enum ecc_ast_decl_kind in = around ? around->kind : ECC_AST_DECL_TOPOLOGY;
    unsigned word = kind(c, 1), list = list_word(c);
    bool edge =
        open != SIZE_MAX && open >= 4 && c->tokens.items[open].kind == ECC_TOK_LBRACE && c->tokens.items[open - 2].kind == ECC_TOK_ARROW;

    if ((in == ECC_AST_DECL_EDGE || in == ECC_AST_DECL_POLICY || edge) && list) {
        if (list == ECC_TOK_KEYSPACE)
            complete_keyspaces(c, edge ? complete_text(c, open - 1) : NULL);
        else
            complete_topics(c);
        return true;
    }
    if (in == ECC_AST_DECL_BUS && open != SIZE_MAX && c->tokens.items[open].kind == ECC_TOK_LBRACE && c->tokens.items[open].depth > 0) {
        complete_events(c);
        return true;
    }
    if ((in == ECC_AST_DECL_SCENARIO || in == ECC_AST_DECL_IDENTITY) &&
        (word == ECC_TOK_GIVEN || word == ECC_TOK_WHEN || c->kinds[ECC_TOK_TOKEN])) {
        if (word == ECC_TOK_GIVEN) {
            complete_identities(c);
            complete_nodes(c, NODES_SERVICES);
        }
        complete_nodes(c, NODES_CLIENTS);
        return true;
    }
    if (in == ECC_AST_DECL_GATEWAY && word == ECC_TOK_IN) {
        complete_nodes(c, NODES_CACHES);
        return true;
    }
    return false;
}

static bool names_after(struct complete *c, const struct ecc_ast_decl *around)
{
    unsigned before = kind(c, 3);

    switch (kind(c, 1)) {
    case ECC_TOK_EDGE:
    case ECC_TOK_FORBID:
    case ECC_TOK_SAY:
    case ECC_TOK_ASSUME:
    case ECC_TOK_BREAKER:
        complete_nodes(c, NODES_ALL);
        return true;
    case ECC_TOK_VIA:
    case ECC_TOK_DO:
    case ECC_TOK_UNDO:
    case ECC_TOK_REQUIRED:
    case ECC_TOK_OPTIONAL:
        complete_nodes(c, NODES_SERVICES);
        return true;
    case ECC_TOK_ARROW:
        if (before == ECC_TOK_EDGE || before == ECC_TOK_FORBID || before == ECC_TOK_SAY || before == ECC_TOK_BREAKER)
            complete_nodes(c, NODES_ALL);
        else if (c->kinds[ECC_TOK_ALL])
            complete_nodes(c, NODES_SERVICES);
        else if (kind(c, 2) == ECC_TOK_INT)
            complete_errors(c);
        else
            complete_types(c, false, true);
        return true;
    case ECC_TOK_FAIL:
    case ECC_TOK_CATCH:
    case ECC_TOK_FAILS:
        complete_errors(c);
        return true;
    case ECC_TOK_INT:
        if (kind(c, 2) == ECC_TOK_EXPECT)
            complete_errors(c);
        return false;
    case ECC_TOK_USE:
        complete_policies(c);
        return true;
    case ECC_TOK_START:
        complete_sagas(c);
        return true;
    case ECC_TOK_REFERENCES:
    case ECC_TOK_SEED:
        complete_tables(c);
        return true;
    case ECC_TOK_FROM:
        complete_topics(c);
        return true;
    case ECC_TOK_PUBLISH:
        complete_events(c);
        return true;
    case ECC_TOK_PUT:
        complete_nodes(c, NODES_CACHES);
        return true;
    case ECC_TOK_DROP:
        if (around && around->kind == ECC_AST_DECL_SERVICE)
            complete_nodes(c, NODES_CACHES);
        else
            complete_nodes(c, NODES_SERVICES);
        return true;
    case ECC_TOK_ON:
        if (around && around->kind == ECC_AST_DECL_EXTERNAL)
            complete_calls_of_external(c);
        else if (kind(c, 3) == ECC_TOK_SAGA)
            complete_nodes(c, NODES_SERVICES);
        else if (kind(c, 2) == ECC_TOK_STRING)
            complete_nodes(c, NODES_ALL);
        else if (around && around->kind == ECC_AST_DECL_SERVICE)
            complete_events(c);
        return true;
    }
    return false;
}

/* A route, a provider's call, or what a client asks in a story. */
static bool method_follows(struct complete *c, const struct ecc_ast_decl *around)
{
    const struct ecc_node *client = c->next ? complete_node(c, complete_text(c, c->next - 1)) : NULL;

    if (!around || !c->kinds[ECC_TOK_UPPER])
        return false;
    return kind(c, 1) == ECC_TOK_ROUTE || (kind(c, 2) == ECC_TOK_CALL && around->kind == ECC_AST_DECL_EXTERNAL) ||
           (client && client->kind == ECC_NODE_CLIENT);
}

/* ------------------------------------------------------------------ values */

static void values(struct complete *c, const struct ecc_record *members)
{
    static const char *const functions[] = {"len", "now", "new_id", "password.hash", "password.verify", "jwt.sign", "jwt.verify"};
    const struct ecc_field *f =
        members && kind(c, 1) == ECC_TOK_COLON && c->next > 1 ? ecc_record_field(members, complete_text(c, c->next - 2)) : NULL;
    bool let = kind(c, 1) == ECC_TOK_ASSIGN && kind(c, 3) == ECC_TOK_LET;

    if (f && f->type && !ECC_IS_UNKNOWN(f->type) && f->type->kind == ECC_TYPE_ENUM)
        complete_enum(c, f->type->enum_);
    complete_variables(c);
    for (size_t i = 0; i < (let ? sizeof functions / sizeof *functions : 2); i++)
        complete_add(c, ITEM_FUNCTION, functions[i], NULL);
    complete_types(c, false, true);
    if (let)
        complete_nodes(c, NODES_CALLED);
    if (let)
        complete_nodes(c, NODES_CACHES);
}

static void names(struct complete *c)
{
    const struct ecc_ast_decl *around = complete_around(c);
    size_t open = open_bracket(c);
    const struct ecc_record *members = open != SIZE_MAX ? members_of(c, open) : NULL;
    unsigned last = kind(c, 1);
    bool type = c->kinds[ECC_TOK_PASCAL] && c->kinds[ECC_TOK_LBRACKET] && c->kinds[ECC_TOK_LBRACE] && !c->kinds[ECC_TOK_STRING];

    if (open != SIZE_MAX && open > 0 && c->tokens.items[open - 1].kind == ECC_TOK_ERRORS) {
        complete_errors(c);
        return;
    }
    if (names_in_declaration(c, around, open) || names_after(c, around))
        return;
    if (method_follows(c, around)) {
        complete_methods(c);
        return;
    }
    if (last == ECC_TOK_AWAIT) {
        complete_variables(c);
        return;
    }
    if (members && last != ECC_TOK_COLON && last != ECC_TOK_SPREAD) {
        complete_record(c, members);
        return;
    }
    if (type && !c->kinds[ECC_TOK_RBRACE])
        complete_types(c, true, false);
    else if (c->kinds[ECC_TOK_STRING] && c->kinds[ECC_TOK_NULL])
        values(c, members);
    else if (c->kinds[ECC_TOK_LET]) /* a statement may be a call */
        complete_nodes(c, NODES_CALLED);
    else if (last == ECC_TOK_SPREAD || last == ECC_TOK_IN)
        complete_variables(c);
}

static void keywords(struct complete *c)
{
    /* behind an open list of names every property of an edge is one more word; a keyword of one letter case is a name there, too */
    for (unsigned k = 1; k < ECC_MAX_KINDS; k++)
        if (c->kinds[k] && ecc_token_is_keyword(k))
            complete_add(c, ITEM_KEYWORD, ecc_token_name(k), NULL);
    if (c->kinds[ECC_TOK_RETURN_BARE])
        complete_add(c, ITEM_KEYWORD, "return", NULL);
    if (c->kinds[ECC_TOK_UNIQUE_RAW])
        complete_add(c, ITEM_KEYWORD, "unique", NULL);
    if (c->kinds[ECC_TOK_PRIMARY_RAW])
        complete_add(c, ITEM_KEYWORD, "primary", NULL);
}

/* ------------------------------------------------------------------ the place */

static bool in_word(char ch)
{
    return isalnum((unsigned char)ch) || ch == '_' || ch == '-';
}

static bool in_comment(const struct ecc_spans *comments, uint32_t offset)
{
    for (size_t i = 0; i < comments->n; i++)
        if (comments->items[i].start < offset && offset <= comments->items[i].end)
            return true;
    return false;
}

/* Where the place is in the view whose names are offered. */
static void choose_view(struct complete *c)
{
    const struct lsp_view *now = c->place->view, *good = c->place->doc->good;

    c->view = now;
    c->at = c->word;
    if (now->analysis.parsed || !good)
        return;
    struct lsp_shift shift = lsp_shift_between(&now->topology.source, &good->topology.source);
    c->view = good;
    if (!lsp_shift_offset(&shift, &c->at))
        c->at = shift.before;
}

static void complete(struct complete *c)
{
    const struct ecc_source *source = &c->place->view->topology.source;
    const struct ecc_token end = {source->length, source->length, 0, 0};
    struct ecc_diags unseen;
    struct ecc_spans comments = {0};

    ecc_diags_init(&unseen, c->arena);
    ecc_lex(c->arena, source, &unseen, &c->tokens, &comments);
    ECC_PUSH(c->arena, &c->tokens, end);
    ECC_PUSH(c->arena, &c->tokens, end);
    c->word = c->place->offset;
    while (c->word && in_word(source->text[c->word - 1]))
        c->word--;
    while (c->word < c->place->offset && source->text[c->word] == '-')
        c->word++;
    choose_view(c);
    if (in_comment(&comments, c->place->offset))
        return;
    while (c->tokens.items[c->next].kind && c->tokens.items[c->next].start < c->word)
        c->next++;
    const struct ecc_token *before = c->next ? &c->tokens.items[c->next - 1] : NULL;
    if (before && before->end > c->word) { /* inside a token */
        if (before->kind == ECC_TOK_SQLTEXT || before->kind == ECC_TOK_RAW)
            complete_sql(c, (struct ecc_span){before->start, before->end});
        return;
    }
    if (kind(c, 1) == ECC_TOK_DOT) {
        after_dot(c);
        return;
    }
    ecc_parse_expected(c->arena, source, c->word, c->kinds);
    names(c);
    keywords(c);
}

json_t *lsp_completion(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    struct lsp_place place;
    struct ecc_arena arena;

    if (!lsp_place_of(s, params, &place, failure))
        return NULL;
    ecc_arena_init(&arena);
    arena.oom = s->host.oom;
    arena.oom_context = s->host.context;
    struct complete c = {.place = &place, .arena = &arena, .items = json_array()};
    complete(&c);
    ecc_arena_free(&arena);
    return json_pack("{s:b, s:o}", "isIncomplete", 0, "items", c.items);
}

/* ------------------------------------------------------------------ signatures */

json_t *lsp_signature_help(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    struct lsp_place place;
    struct ecc_arena arena;
    struct ecc_diags unseen;
    struct ecc_spans comments = {0};
    json_t *out = json_null();

    if (!lsp_place_of(s, params, &place, failure))
        return NULL;
    ecc_arena_init(&arena);
    arena.oom = s->host.oom;
    arena.oom_context = s->host.context;
    struct complete c = {.place = &place, .arena = &arena, .word = place.offset};
    ecc_diags_init(&unseen, &arena);
    ecc_lex(&arena, &place.view->topology.source, &unseen, &c.tokens, &comments);
    choose_view(&c);
    while (c.tokens.items[c.next].kind && c.tokens.items[c.next].start < place.offset)
        c.next++;
    size_t open = open_bracket(&c);
    const struct ecc_record *of = open != SIZE_MAX && c.tokens.items[open].kind == ECC_TOK_LP ? members_of(&c, open) : NULL;
    if (of) {
        const char *label = ecc_arena_printf(&arena, "%s(", complete_text(&c, open - 1));
        json_t *list = json_array();
        json_int_t active = 0;
        for (size_t i = 0; i < of->nfields; i++) {
            const char *one = ecc_arena_printf(&arena, "%s: %s", of->fields[i].name, lsp_type_name(c.view, of->fields[i].type));
            label = ecc_arena_printf(&arena, "%s%s%s", label, i ? ", " : "", one);
            json_array_append_new(list, json_pack("{s:s}", "label", one));
            for (size_t t = open + 1; t + 1 < c.next; t++) /* the last that is named before the place */
                if (c.tokens.items[t + 1].kind == ECC_TOK_COLON && strcmp(complete_text(&c, t), of->fields[i].name) == 0)
                    active = (json_int_t)i;
        }
        out = json_pack("{s:[{s:s, s:o}], s:i, s:I}", "signatures", "label", ecc_arena_printf(&arena, "%s)", label), "parameters", list,
                        "activeSignature", 0, "activeParameter", active);
    }
    ecc_arena_free(&arena);
    return out;
}
