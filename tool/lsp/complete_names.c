/* The names of a model, for completion. Those of a body are what is declared before the place in a block that is still open. */
#include "complete.h"
#include "types.h"

#include <string.h>

#define MODEL(c) ((c)->view->analysis.model)

void complete_nodes(struct complete *c, enum complete_nodes which)
{
    static const char *const words[] = {"client", "bus", "cache", "external", "service", "gateway"};

    for (size_t i = 0; i < MODEL(c)->nnodes; i++) {
        const struct ecc_node *n = MODEL(c)->nodes[i];
        bool fits = which == NODES_ALL || (which == NODES_CALLED && (n->kind == ECC_NODE_SERVICE || n->kind == ECC_NODE_EXTERNAL)) ||
                    (which == NODES_SERVICES && n->kind == ECC_NODE_SERVICE) || (which == NODES_CACHES && n->kind == ECC_NODE_CACHE) ||
                    (which == NODES_CLIENTS && n->kind == ECC_NODE_CLIENT);
        if (fits)
            complete_add(c, ITEM_MODULE, n->name, words[n->kind]);
    }
}

void complete_errors(struct complete *c)
{
    for (size_t i = 0; i < MODEL(c)->nerrors; i++)
        complete_add(c, ITEM_CONSTANT, MODEL(c)->errors[i]->name, MODEL(c)->errors[i]->title);
}

void complete_events(struct complete *c)
{
    for (size_t i = 0; i < MODEL(c)->nevents; i++)
        complete_add(c, ITEM_EVENT, MODEL(c)->events[i]->name, "event");
}

void complete_types(struct complete *c, bool builtins, bool records_only)
{
    static const char *const plain[] = {"text", "secret", "email", "int", "float", "bool", "uuid", "time", "json"};

    for (size_t i = 0; builtins && i < sizeof plain / sizeof *plain; i++)
        complete_add(c, ITEM_TYPE, plain[i], NULL);
    for (size_t i = 0; i < MODEL(c)->nrecords; i++)
        complete_add(c, ITEM_STRUCT, MODEL(c)->records[i]->name, "record");
    for (size_t i = 0; !records_only && i < MODEL(c)->nenums; i++)
        complete_add(c, ITEM_ENUM, MODEL(c)->enums[i]->name, "enum");
}

void complete_methods(struct complete *c)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        complete_add(c, ITEM_CONSTANT, methods[i], NULL);
}

void complete_topics(struct complete *c)
{
    for (size_t i = 0; i < MODEL(c)->nnodes; i++) {
        const struct ecc_node *n = MODEL(c)->nodes[i];
        for (size_t k = 0; n->kind == ECC_NODE_BUS && k < n->u.bus.ntopics; k++)
            complete_add(c, ITEM_VALUE, n->u.bus.topics[k]->name, n->name);
    }
}

void complete_keyspaces(struct complete *c, const char *cache)
{
    for (size_t i = 0; i < MODEL(c)->nnodes; i++) {
        const struct ecc_node *n = MODEL(c)->nodes[i];
        for (size_t k = 0; n->kind == ECC_NODE_CACHE && (!cache || strcmp(cache, n->name) == 0) && k < n->u.cache.nkeyspaces; k++)
            complete_add(c, ITEM_VALUE, n->u.cache.keyspaces[k]->name, n->name);
    }
}

void complete_sagas(struct complete *c)
{
    for (size_t i = 0; i < MODEL(c)->nsagas; i++)
        complete_add(c, ITEM_FUNCTION, MODEL(c)->sagas[i]->name, "saga");
}

static void complete_decls(struct complete *c, enum ecc_ast_decl_kind kind)
{
    const struct ecc_ast_decls *decls = &c->view->analysis.file->decls;

    for (size_t i = 0; i < decls->n; i++)
        if (decls->items[i]->kind == kind)
            complete_add(c, ITEM_VALUE, decls->items[i]->name.text, ecc_ast_decl_name(kind));
}

void complete_policies(struct complete *c)
{
    complete_decls(c, ECC_AST_DECL_POLICY);
}

void complete_identities(struct complete *c)
{
    complete_decls(c, ECC_AST_DECL_IDENTITY);
}

const struct ecc_ast_decl *complete_around(struct complete *c)
{
    const struct ecc_ast_decls *decls = &c->view->analysis.file->decls;

    for (size_t i = decls->n; i-- > 0;)
        if (decls->items[i]->span.start <= c->at && c->at <= decls->items[i]->span.end)
            return decls->items[i];
    return NULL;
}

const struct ecc_node *complete_node(struct complete *c, const char *name)
{
    for (size_t i = 0; i < MODEL(c)->nnodes; i++)
        if (strcmp(MODEL(c)->nodes[i]->name, name) == 0)
            return MODEL(c)->nodes[i];
    return NULL;
}

void complete_tables(struct complete *c)
{
    const struct ecc_ast_decl *around = complete_around(c);
    const struct ecc_node *node = around && around->name.text ? complete_node(c, around->name.text) : NULL;

    for (size_t i = 0; node && node->kind == ECC_NODE_SERVICE && i < node->u.service.ntables; i++)
        complete_add(c, ITEM_CLASS, node->u.service.tables[i]->name, "table");
}

void complete_record(struct complete *c, const struct ecc_record *record)
{
    for (size_t i = 0; record && i < record->nfields; i++)
        complete_add(c, ITEM_FIELD, record->fields[i].name, lsp_type_name(c->view, record->fields[i].type));
}

void complete_enum(struct complete *c, const struct ecc_enum *enum_)
{
    for (size_t i = 0; i < enum_->nvalues; i++)
        complete_add(c, ITEM_VALUE, enum_->values[i], enum_->name);
}

static const char *signature(struct complete *c, const struct ecc_record *params, const struct ecc_type *result)
{
    const char *text = "(";

    for (size_t i = 0; params && i < params->nfields; i++)
        text = ecc_arena_printf(c->arena, "%s%s%s: %s", text, i ? ", " : "", params->fields[i].name,
                                lsp_type_name(c->view, params->fields[i].type));
    if (result && !ECC_IS_UNKNOWN(result) && result->kind != ECC_TYPE_VOID)
        return ecc_arena_printf(c->arena, "%s) -> %s", text, lsp_type_name(c->view, result));
    return ecc_arena_printf(c->arena, "%s)", text);
}

void complete_members(struct complete *c, const struct ecc_node *node)
{
    const struct ecc_service *s = &node->u.service;
    const struct ecc_external *x = &node->u.external;

    if (node->kind == ECC_NODE_CACHE)
        complete_keyspaces(c, node->name);
    for (size_t i = 0; node->kind == ECC_NODE_SERVICE && i < s->nops; i++)
        complete_add(c, ITEM_METHOD, s->ops[i]->name, signature(c, s->ops[i]->params, s->ops[i]->result));
    for (size_t i = 0; node->kind == ECC_NODE_EXTERNAL && i < x->ncalls; i++)
        complete_add(c, ITEM_METHOD, x->calls[i]->name, signature(c, x->calls[i]->request, NULL));
}

void complete_calls_of_external(struct complete *c)
{
    const struct ecc_ast_decl *around = complete_around(c);
    const struct ecc_node *node = around && around->name.text ? complete_node(c, around->name.text) : NULL;

    if (node && node->kind == ECC_NODE_EXTERNAL)
        complete_members(c, node);
}

const struct ecc_record *complete_params(struct complete *c, const char *node, const char *op)
{
    const struct ecc_node *n = complete_node(c, node);

    for (size_t i = 0; n && n->kind == ECC_NODE_SERVICE && i < n->u.service.nops; i++)
        if (strcmp(n->u.service.ops[i]->name, op) == 0)
            return n->u.service.ops[i]->params;
    for (size_t i = 0; n && n->kind == ECC_NODE_EXTERNAL && i < n->u.external.ncalls; i++)
        if (strcmp(n->u.external.calls[i]->name, op) == 0)
            return n->u.external.calls[i]->request;
    return NULL;
}

/* ------------------------------------------------------------------ variables */

struct scope {
    struct {
        const struct ecc_ref *ref;
        unsigned level;
    } names[500];
    size_t n;
    char opaque[ECC_MAX_DEPTH + 1]; /* of each open brace: do its names end with it? those of a `tx` do not */
    unsigned depth, level;
};

/* The operation, consumer or saga around the place; an empty span when there is none. */
static struct ecc_span body_around(struct complete *c, const struct ecc_ast_decl *d)
{
    if (!d)
        return (struct ecc_span){0, 0};
    if (d->kind == ECC_AST_DECL_SAGA || d->kind == ECC_AST_DECL_SCENARIO || d->kind == ECC_AST_DECL_IDENTITY)
        return d->span;
    for (size_t i = 0; d->kind == ECC_AST_DECL_SERVICE && i < d->u.service.ops.n; i++)
        if (d->u.service.ops.items[i]->span.start <= c->at && c->at <= d->u.service.ops.items[i]->span.end)
            return d->u.service.ops.items[i]->span;
    for (size_t i = 0; d->kind == ECC_AST_DECL_SERVICE && i < d->u.service.consumers.n; i++)
        if (d->u.service.consumers.items[i]->span.start <= c->at && c->at <= d->u.service.consumers.items[i]->span.end)
            return d->u.service.consumers.items[i]->span;
    return (struct ecc_span){0, 0};
}

static bool is_variable(enum ecc_ref_kind kind)
{
    return kind == ECC_REF_VAR || kind == ECC_REF_PARAM || kind == ECC_REF_STEP || kind == ECC_REF_SETTING || kind == ECC_REF_REQUEST;
}

static void pass_token(struct scope *s, const struct ecc_tokens *tokens, size_t i)
{
    if (tokens->items[i].kind == ECC_TOK_LBRACE && s->depth < ECC_MAX_DEPTH) {
        s->opaque[s->depth++] = i == 0 || tokens->items[i - 1].kind != ECC_TOK_TX;
        s->level += s->opaque[s->depth - 1];
    } else if (tokens->items[i].kind == ECC_TOK_RBRACE && s->depth) {
        s->level -= s->opaque[--s->depth];
        while (s->n && s->names[s->n - 1].level > s->level)
            s->n--;
    }
}

/* The name of the `let` whose value is being written at the place: not there yet. Its `none` and `found` have it. */
static uint32_t pending(const struct ecc_ast_block *block, uint32_t at)
{
    for (size_t i = 0; i < block->n; i++) {
        const struct ecc_ast_stmt *s = block->items[i];
        const struct ecc_ast_catches *catches = s->kind == ECC_AST_STMT_CALL ? &s->u.call.catches : &s->u.await.catches;
        uint32_t inner = 0;
        if (at < s->span.start || at > s->span.end)
            continue;
        if (s->let.text && !(s->none && at >= s->none->span.start) && !(s->found && at >= s->found->span.start))
            return s->let.span.start;
        if (s->kind == ECC_AST_STMT_TX)
            inner = pending(&s->u.block, at);
        else if (s->kind == ECC_AST_STMT_FOR)
            inner = pending(&s->u.loop.body, at);
        else if (s->kind == ECC_AST_STMT_WHEN)
            inner = pending(&s->u.when.then, at) | pending(&s->u.when.otherwise, at);
        else if (s->kind == ECC_AST_STMT_AWAIT)
            inner = pending(&s->u.await.late, at);
        for (size_t k = 0; !inner && (s->kind == ECC_AST_STMT_CALL || s->kind == ECC_AST_STMT_AWAIT) && k < catches->n; k++)
            inner = pending(&catches->items[k]->body, at);
        return inner;
    }
    return 0;
}

static uint32_t pending_around(const struct ecc_ast_decl *d, uint32_t at)
{
    uint32_t found = 0;

    for (size_t i = 0; d->kind == ECC_AST_DECL_SERVICE && !found && i < d->u.service.ops.n; i++)
        found = pending(&d->u.service.ops.items[i]->body, at);
    for (size_t i = 0; d->kind == ECC_AST_DECL_SERVICE && !found && i < d->u.service.consumers.n; i++)
        found = pending(&d->u.service.consumers.items[i]->body, at);
    if (d->kind == ECC_AST_DECL_SAGA)
        found = pending(&d->u.saga.done, at) | pending(&d->u.saga.failed, at);
    return found;
}

static struct scope scope_of(struct complete *c)
{
    const struct ecc_ast_decl *around = complete_around(c);
    struct ecc_span body = body_around(c, around);
    const struct ecc_refs *refs = &c->view->analysis.refs;
    uint32_t hidden = around ? pending_around(around, c->at) : 0;
    struct scope s = {.n = 0};
    struct ecc_diags unseen;
    struct ecc_tokens tokens;
    struct ecc_spans comments = {0};
    size_t t = 0;

    ecc_diags_init(&unseen, c->arena);
    ecc_lex(c->arena, &c->view->topology.source, &unseen, &tokens, &comments);
    for (size_t i = 0; around && body.end && i < refs->n; i++) {
        const struct ecc_ref *r = &refs->items[i];
        bool setting = r->kind == ECC_REF_SETTING && around->kind == ECC_AST_DECL_SERVICE && r->span.start >= around->span.start &&
                       r->span.end <= around->span.end;
        if (!r->declares || !is_variable(r->kind) || s.n == sizeof s.names / sizeof *s.names)
            continue;
        if (!setting && (r->span.start < body.start || r->span.end > c->at || r->span.start == hidden))
            continue;
        for (; !setting && t < tokens.n && tokens.items[t].start < r->span.start; t++)
            if (tokens.items[t].start >= body.start)
                pass_token(&s, &tokens, t);
        s.names[s.n].ref = r;
        s.names[s.n++].level = setting ? 0 : s.level;
    }
    for (; t < tokens.n && tokens.items[t].kind && tokens.items[t].start < c->at; t++)
        if (tokens.items[t].start >= body.start)
            pass_token(&s, &tokens, t);
    return s;
}

static const struct ecc_type *type_of(const struct ecc_ref *ref)
{
    const struct ecc_saga_step *step = ref->entity;

    switch (ref->kind) {
    case ECC_REF_VAR:
        return ((const struct ecc_var *)ref->entity)->type;
    case ECC_REF_PARAM:
        return ((const struct ecc_field *)ref->entity)->type;
    case ECC_REF_SETTING:
        return ((const struct ecc_setting *)ref->entity)->type;
    case ECC_REF_STEP:
        return step->result ? step->result->type : NULL;
    case ECC_REF_REQUEST:
        return ((const struct ecc_request *)ref->entity)->result;
    default:
        return NULL;
    }
}

static bool in_gateway(struct complete *c)
{
    const struct ecc_ast_decl *around = complete_around(c);

    return around && around->kind == ECC_AST_DECL_GATEWAY;
}

void complete_variables(struct complete *c)
{
    static const char *const of_routes[] = {"path", "query", "body", "identity", "token"};
    struct scope s = scope_of(c);

    for (size_t i = s.n; i-- > 0;)
        complete_add(c, ITEM_VARIABLE, s.names[i].ref->name, lsp_type_name(c->view, type_of(s.names[i].ref)));
    for (size_t i = 0; in_gateway(c) && i < sizeof of_routes / sizeof *of_routes; i++)
        complete_add(c, ITEM_VARIABLE, of_routes[i], "of the request");
}

const struct ecc_type *complete_variable(struct complete *c, const char *name)
{
    struct scope s = scope_of(c);

    for (size_t i = s.n; i-- > 0;)
        if (strcmp(s.names[i].ref->name, name) == 0)
            return type_of(s.names[i].ref);
    for (size_t i = 0; in_gateway(c) && strcmp(name, "identity") == 0 && i < MODEL(c)->nnodes; i++) {
        const struct ecc_node *n = MODEL(c)->nodes[i];
        if (n->kind == ECC_NODE_GATEWAY && n->u.gateway.auth && n->u.gateway.auth->via)
            return n->u.gateway.auth->via->u.call.op->result;
    }
    return NULL;
}

void complete_of_request(struct complete *c, const char *source)
{
    bool path = strcmp(source, "path") == 0;

    for (size_t i = c->next; i-- > 0;) {
        const struct ecc_token *t = &c->tokens.items[i];
        if (!path && t->kind == ECC_TOK_PASCAL && i > 2 && t[-1].kind == ECC_TOK_DOT && t[1].kind == ECC_TOK_LP) {
            complete_record(c,
                            complete_params(c, complete_text(c, i - 2), complete_text(c, i))); /* whatever it takes may come from there */
            return;
        }
        if (t->kind != ECC_TOK_ROUTE || t[1].kind == 0 || t[2].kind != ECC_TOK_STRING)
            continue;
        for (const char *p = path ? strchr(complete_text(c, i + 2), '{') : NULL; p; p = strchr(p, '{')) {
            size_t n = strcspn(++p, "}");
            complete_add(c, ITEM_FIELD, ecc_arena_strndup(c->arena, p, n), "of the path");
        }
        return;
    }
}
