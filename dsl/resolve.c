/* The resolver's passes, and names: declaring them once, finding them, and saying what was probably meant.
 *
 * See resolve.h for the order of the passes. Memory: everything belongs to the compilation's arena.
 */
#include "resolve.h"
#include "source.h"

#include <inttypes.h>
#include <string.h>

/* ------------------------------------------------------------------ names */

bool ecc_list_once(struct ecc_resolver *r, const void *space, const struct ecc_name *name, const void *value, const char *what)
{
    struct ecc_symbol *first = ecc_symbols_add(&r->symbols, space, name->text, (void *)(uintptr_t)value, name->span);

    if (!first)
        return true;
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_DUPLICATE, name->span, "%s `%s` is declared twice", what, name->text);
    ecc_diag_second(d, first->span, "first declared here");
    return false;
}

bool ecc_declare(struct ecc_resolver *r, const void *space, const struct ecc_name *name, void *value, enum ecc_ref_kind kind)
{
    if (!ecc_list_once(r, space, name, value, ecc_ref_word(kind)))
        return false;
    if (r->refs) {
        struct ecc_symbol *symbol = ecc_symbols_find(&r->symbols, space, name->text);
        symbol->kind = kind;
        ecc_refer_symbol(r, symbol, name->span, true);
    }
    return true;
}

void *ecc_find(struct ecc_resolver *r, const void *space, const char *name)
{
    struct ecc_symbol *e = ecc_symbols_find(&r->symbols, space, name);

    return e ? e->value : NULL;
}

void *ecc_find_local(struct ecc_resolver *r, const void *space, const char *name)
{
    struct ecc_symbol *e = ecc_symbols_find(&r->locals, space, name);

    return e ? e->value : NULL;
}

void *ecc_find_name(struct ecc_resolver *r, const void *space, const struct ecc_name *name)
{
    struct ecc_symbol *e = ecc_symbols_find(&r->symbols, space, name->text);

    if (!e || !e->value)
        return NULL;
    if (r->refs)
        ecc_refer_symbol(r, e, name->span, false);
    return e->value;
}

struct ecc_diag *ecc_unknown(struct ecc_resolver *r, const void *space, const struct ecc_name *name, enum ecc_code code, const char *what)
{
    struct ecc_diag *d = ecc_diag(r->diags, code, name->span, "there is no %s `%s`", what, name->text);
    /* looking for what was meant reads the whole table: not for errors that are not shown any more */
    bool shown = space && d != &r->diags->dropped;
    const char *near = shown ? ecc_symbols_near(&r->symbols, space, name->text) : NULL;

    if (shown && !near)
        near = ecc_symbols_near(&r->locals, space, name->text);
    if (near) {
        ecc_diag_help(r->diags, d, "did you mean `%s`?", near);
        ecc_diag_fix(d, name->span, near);
    }
    return d;
}

/* Where nothing is nearly spelt so: what there is, unless that is much. */
static void tell_all(struct ecc_resolver *r, struct ecc_diag *d, const char *those, const char *const *names, size_t n)
{
    enum { MUCH = 9 };
    const char *list = "";

    if (d->help || d == &r->diags->dropped || !n || n >= MUCH)
        return;
    for (size_t i = 0; i < n; i++)
        list = ecc_arena_printf(r->arena, "%s%s`%s`", list, !i ? "" : i + 1 == n ? " and " : ", ", names[i]);
    ecc_diag_help(r->diags, d, "%s %s", those, list);
}

void ecc_unknown_value(struct ecc_resolver *r, const struct ecc_enum *type, const struct ecc_name *name, const char *what)
{
    struct ecc_diag *d = ecc_unknown(r, type, name, ECC_E_UNKNOWN_VALUE, what ? what : type->name);

    tell_all(r, d, ecc_arena_printf(r->arena, "%s has", type->name), type->values, type->nvalues);
}

const struct ecc_op *ecc_lookup_op(struct ecc_resolver *r, const struct ecc_node *node, const struct ecc_name *name)
{
    const struct ecc_service *service = &node->u.service;
    const struct ecc_op *op = ecc_find_name(r, &service->ops, name);

    if (op)
        return op;
    const char **names = ECC_NEW_ARRAY(r->arena, const char *, service->nops + 1);
    for (size_t i = 0; i < service->nops; i++)
        names[i] = service->ops[i]->name;
    struct ecc_diag *d =
        ecc_unknown(r, &service->ops, name, ECC_E_UNKNOWN_OP, ecc_arena_printf(r->arena, "operation of %s called", node->name));
    tell_all(r, d, ecc_arena_printf(r->arena, "%s has", node->name), names, service->nops);
    return NULL;
}

void ecc_check_was(struct ecc_resolver *r, const void *names, const void *olds, const struct ecc_name *was, enum ecc_ref_kind kind)
{
    if (!was->text)
        return;
    const struct ecc_symbol *now = ecc_symbols_find(&r->symbols, names, was->text);
    const struct ecc_symbol *other = now ? now : ecc_symbols_add(&r->symbols, olds, was->text, (void *)(uintptr_t)was, was->span);
    if (!other)
        return;
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_DUPLICATE, was->span, now ? "two %ss are called `%s`: one is, one was" : "two %ss were called `%s`",
                                  ecc_ref_word(kind), was->text);
    ecc_diag_second(d, other->span, "the other one");
    if (now)
        ecc_diag_help(r->diags, d, "release the new name alone, and use the old one again when `was(%s)` is gone", was->text);
}

void ecc_renamed(struct ecc_resolver *r, struct ecc_diag *unknown, const struct ecc_name *name, const char *was, const char *now)
{
    if (!was || strcmp(was, name->text) != 0)
        return;
    ecc_diag_help(r->diags, unknown, "it is called `%s` now", now);
    ecc_diag_fix(unknown, name->span, now);
}

void ecc_diag_record(struct ecc_resolver *r, struct ecc_diag *unknown, const struct ecc_record *record, const struct ecc_name *name)
{
    if (record->name && record->span.end)
        ecc_diag_second(unknown, record->span, "declared here");
    for (size_t i = 0; i < record->nfields; i++)
        ecc_renamed(r, unknown, name, record->fields[i].was, record->fields[i].name);
}

void ecc_unknown_field(struct ecc_resolver *r, const struct ecc_record *record, const struct ecc_name *name, const char *what)
{
    const char *of = record->name ? ecc_arena_printf(r->arena, "%s of %s called", what, record->name) : what;

    struct ecc_diag *d = ecc_unknown(r, record, name, ECC_E_UNKNOWN_FIELD, of);
    const char **names = ECC_NEW_ARRAY(r->arena, const char *, record->nfields + 1);

    for (size_t i = 0; i < record->nfields; i++)
        names[i] = record->fields[i].name;
    ecc_diag_record(r, d, record, name);
    tell_all(r, d, record->name ? ecc_arena_printf(r->arena, "%s has", record->name) : ecc_arena_printf(r->arena, "its %ss are", what), names,
             record->nfields);
}

void *ecc_lookup(struct ecc_resolver *r, const void *space, const struct ecc_name *name, enum ecc_code code, const char *what)
{
    void *value = ecc_find_name(r, space, name);

    if (!value)
        ecc_unknown(r, space, name, code, what);
    return value;
}

const struct ecc_error *ecc_lookup_error(struct ecc_resolver *r, const struct ecc_name *name)
{
    return ecc_lookup(r, &r->spaces->errors, name, ECC_E_UNKNOWN_ERROR, "error");
}

struct ecc_node *ecc_lookup_node(struct ecc_resolver *r, const struct ecc_name *name)
{
    return ecc_lookup(r, &r->spaces->nodes, name, ECC_E_UNKNOWN_NODE, "node");
}

void ecc_check_header(struct ecc_resolver *r, const struct ecc_text *name, enum ecc_code code)
{
    const char *p = name->text;

    while (*p && (strchr("!#$%&'*+-.^_`|~", *p) || (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')))
        p++;
    if (*p || p == name->text)
        ecc_diag(r->diags, code, name->span, "this is no name of a header");
}

const char *ecc_node_kind_name(enum ecc_node_kind kind)
{
    static const char *const names[] = {
        [ECC_NODE_CLIENT] = "a client",     [ECC_NODE_BUS] = "a bus",         [ECC_NODE_CACHE] = "a cache",
        [ECC_NODE_EXTERNAL] = "an external", [ECC_NODE_SERVICE] = "a service", [ECC_NODE_GATEWAY] = "a gateway",
    };
    return names[kind];
}

struct ecc_node *ecc_lookup_kind(struct ecc_resolver *r, const struct ecc_name *name, enum ecc_node_kind kind)
{
    struct ecc_node *node = ecc_lookup_node(r, name);

    if (!node || node->kind == kind)
        return node;
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_NODE_KIND, name->span, "`%s` is %s, but %s is needed here", name->text,
                                  ecc_node_kind_name(node->kind), ecc_node_kind_name(kind));
    ecc_diag_second(d, node->span, "declared here");
    return NULL;
}

bool ecc_has_error(const struct ecc_error *const *errors, size_t n, const struct ecc_error *error)
{
    for (size_t i = 0; i < n; i++)
        if (errors[i] == error)
            return true;
    return false;
}

/* RFC 9110 (408), 8470 (425) and 6585 (429). */
bool ecc_is_momentary(const struct ecc_error *error)
{
    return error->status == 408 || error->status == 425 || error->status == 429;
}

bool ecc_op_can_fail(const struct ecc_op *op)
{
    for (size_t i = 0; i < op->nerrors; i++)
        if (op->errors[i]->status < 500)
            return true;
    return false;
}

void ecc_resolve_errors(struct ecc_resolver *r, const struct ecc_names *names, const struct ecc_error ***errors, size_t *n)
{
    *errors = ECC_NEW_ARRAY(r->arena, const struct ecc_error *, names->n);
    *n = 0;
    for (size_t i = 0; i < names->n; i++) {
        const struct ecc_error *error = ecc_lookup_error(r, &names->items[i]);
        if (!error)
            continue;
        struct ecc_symbol *first =
            ecc_symbols_add(&r->symbols, *errors, error->name, (void *)(uintptr_t)error, names->items[i].span);
        if (first) {
            struct ecc_diag *d =
                ecc_diag(r->diags, ECC_E_DUPLICATE, names->items[i].span, "error `%s` is listed twice", error->name);
            ecc_diag_second(d, first->span, "first listed here");
            continue;
        }
        (*errors)[(*n)++] = error;
    }
}

bool ecc_mark(struct ecc_resolver *r, const void *space, const char *name)
{
    return !ecc_symbols_add(&r->symbols, space, name, &r->symbols, (struct ecc_span){0});
}

bool ecc_marked(struct ecc_resolver *r, const void *space, const char *name)
{
    return ecc_symbols_find(&r->symbols, space, name) != NULL;
}

bool ecc_in_range(struct ecc_resolver *r, int64_t value, int64_t min, int64_t max, struct ecc_span span, const char *what)
{
    if (value >= min && value <= max)
        return true;
    ecc_diag(r->diags, ECC_E_RANGE, span, "%s is %" PRId64 ", but it must be from %" PRId64 " to %" PRId64, what, value, min, max);
    return false;
}

const char *ecc_snake_name(struct ecc_arena *arena, const char *name)
{
    size_t n = strlen(name), at = 0;
    char *out = ecc_arena_alloc(arena, n * 2 + 1);

    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool upper = c >= 'A' && c <= 'Z';
        /* a capital begins a word, unless it is one of a run of capitals: HTTPCall is http_call */
        bool after_lower = i && !(name[i - 1] >= 'A' && name[i - 1] <= 'Z') && name[i - 1] != '_' && name[i - 1] != '-';
        bool before_lower = i && name[i + 1] >= 'a' && name[i + 1] <= 'z' && name[i - 1] >= 'A' && name[i - 1] <= 'Z';
        if (upper && (after_lower || before_lower))
            out[at++] = '_';
        out[at++] = upper ? (char)(c + 'a' - 'A') : c == '-' ? '_' : c;
    }
    out[at] = '\0';
    return out;
}

const char *ecc_unique_name(struct ecc_resolver *r, const void *space, const char *name)
{
    struct ecc_symbol *e = ecc_symbols_entry(&r->locals, space, name);
    uintptr_t used = (uintptr_t)e->value;

    if (!used) {
        e->value = (void *)1;
        return name;
    }
    for (;;) { /* the count is kept with the name, so that many of one name cost one look each */
        const char *next = ecc_arena_printf(r->arena, "%s_%" PRIuPTR, name, ++used);
        e->value = (void *)used;
        struct ecc_symbol *other = ecc_symbols_entry(&r->locals, space, next);
        if (!other->value) {
            other->value = (void *)1;
            return next;
        }
    }
}

bool ecc_path_names(struct ecc_resolver *r, const struct ecc_text *path, struct ecc_names *names)
{
    const char *text = path->text;

    *names = (struct ecc_names){0};
    for (size_t i = 0; i < path->length; i++) {
        struct ecc_span here = {path->span.start + (uint32_t)i, path->span.start + (uint32_t)i + 1};
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`|?#", c) || c == '}') {
            ecc_diag(r->diags, ECC_E_PATH, here, "this character can't stand in a path");
            return false;
        }
        if (c != '{')
            continue;
        size_t end = i + 1;
        while (end < path->length && text[end] != '}' && text[end] != '/')
            end++;
        struct ecc_name name = {ecc_arena_strndup(r->arena, text + i + 1, end - i - 1), {here.start + 1, path->span.start + (uint32_t)end}};
        bool fine = end < path->length && text[end] == '}' && end > i + 1 && text[i + 1] >= 'a' && text[i + 1] <= 'z';
        for (const char *p = name.text; *p; p++)
            fine = fine && ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_');
        if (!fine) {
            ecc_diag(r->diags, ECC_E_PATH, here, "a path parameter is written {name}, in lower case");
            return false;
        }
        ECC_PUSH(r->arena, names, name);
        i = end;
    }
    if (path->length && text[0] == '/')
        return true;
    ecc_diag(r->diags, ECC_E_PATH, path->span, "a path begins with /");
    return false;
}

/* ------------------------------------------------------------------ declarations */

static void declare_node(struct ecc_resolver *r, const struct ecc_ast_decl *d, enum ecc_node_kind kind, void **made)
{
    struct ecc_node *node = ECC_NEW(r->arena, struct ecc_node);

    node->kind = kind;
    node->name = d->name.text;
    node->title = d->title.text ? d->title.text : d->name.text;
    node->span = d->name.span;
    *made = node;
    if (ecc_declare(r, &r->spaces->nodes, &d->name, node, ECC_REF_NODE))
        r->model->nodes[r->model->nnodes++] = node;
}

static void declare_saga(struct ecc_resolver *r, const struct ecc_ast_decl *d, void **made)
{
    struct ecc_saga *saga = ECC_NEW(r->arena, struct ecc_saga);

    saga->name = d->name.text;
    saga->span = d->name.span;
    saga->params = ECC_NEW(r->arena, struct ecc_record);
    *made = saga;
    struct ecc_past *past = ecc_past_of(r, d);
    if (past) {
        saga->past = true;
        saga->version = past->release->version;
        past->saga = saga;
        r->model->past[r->model->npast++] = saga;
        return;
    }
    if (ecc_declare(r, &r->spaces->sagas, &d->name, saga, ECC_REF_SAGA))
        r->model->sagas[r->model->nsagas++] = saga;
}

static void declare_title(struct ecc_resolver *r, const struct ecc_ast_decl *d, const struct ecc_ast_decl **first)
{
    if (*first) {
        struct ecc_diag *g = ecc_diag(r->diags, ECC_E_DUPLICATE, d->title.span, "a file is one topology");
        ecc_diag_second(g, (*first)->title.span, "first titled here");
        return;
    }
    *first = d;
    r->model->name = d->name.text;
    r->model->title = d->title.text;
}

static void declare_all(struct ecc_resolver *r)
{
    struct ecc_model *m = r->model;
    const struct ecc_ast_decl *title = NULL;
    size_t n = r->file->decls.n;

#define X(member, type) m->member = ECC_NEW_ARRAY(r->arena, struct type *, n);
    ECC_MODEL_LISTS(X)
#undef X
    for (size_t i = 0; i < n; i++) {
        const struct ecc_ast_decl *d = r->file->decls.items[i];
        switch (d->kind) {
        case ECC_AST_DECL_TOPOLOGY: declare_title(r, d, &title); break;
        case ECC_AST_DECL_CLIENT: declare_node(r, d, ECC_NODE_CLIENT, &r->made[i]); break;
        case ECC_AST_DECL_BUS: declare_node(r, d, ECC_NODE_BUS, &r->made[i]); break;
        case ECC_AST_DECL_CACHE: declare_node(r, d, ECC_NODE_CACHE, &r->made[i]); break;
        case ECC_AST_DECL_EXTERNAL: declare_node(r, d, ECC_NODE_EXTERNAL, &r->made[i]); break;
        case ECC_AST_DECL_SERVICE: declare_node(r, d, ECC_NODE_SERVICE, &r->made[i]); break;
        case ECC_AST_DECL_GATEWAY: declare_node(r, d, ECC_NODE_GATEWAY, &r->made[i]); break;
        case ECC_AST_DECL_SAGA: declare_saga(r, d, &r->made[i]); break;
        case ECC_AST_DECL_POLICY:
            ecc_declare(r, &r->spaces->policies, &d->name, (void *)(uintptr_t)d, ECC_REF_POLICY);
            break;
        default: break; /* resolve_types.c, resolve_edges.c, resolve_scenario.c */
        }
    }
    if (!title) {
        struct ecc_diag *g = ecc_diag(r->diags, ECC_E_NO_TITLE, (struct ecc_span){0, 0}, "the topology has no title");
        ecc_diag_help(r->diags, g, "begin with: topology \"Title\"");
    }
}

struct ecc_past *ecc_past_of(const struct ecc_resolver *r, const struct ecc_ast_decl *decl)
{
    for (size_t i = 0; r->past && i < r->past->n; i++)
        if (decl->span.start >= r->past->items[i].span.start && decl->span.end <= r->past->items[i].span.end)
            return &r->past->items[i];
    return NULL;
}

/* ------------------------------------------------------------------ passes */

#define EACH(decl_kind, call)                                                                                                         \
    do {                                                                                                                              \
        for (size_t i = 0; i < r->file->decls.n; i++) {                                                                               \
            const struct ecc_ast_decl *d = r->file->decls.items[i];                                                                   \
            if (d->kind == ECC_AST_DECL_##decl_kind)                                                                                  \
                call;                                                                                                                 \
        }                                                                                                                             \
    } while (0)

static void resolve_forbid(struct ecc_resolver *r, const struct ecc_ast_decl *d)
{
    const struct ecc_node *from = ecc_lookup_node(r, &d->u.forbid.from), *to = ecc_lookup_node(r, &d->u.forbid.to);

    if (!from || !to)
        return;
    struct ecc_forbid *f = ECC_NEW(r->arena, struct ecc_forbid);
    *f = (struct ecc_forbid){from, to, d->u.forbid.why.text, d->span};
    r->model->forbids[r->model->nforbids++] = f;
}

void ecc_resolve(struct ecc_arena *arena, const struct ecc_source *source, const struct ecc_ast_file *file, struct ecc_pasts *past,
                 struct ecc_diags *diags, struct ecc_model *model, struct ecc_refs *refs)
{
    struct ecc_resolver *r = ECC_NEW(arena, struct ecc_resolver);

    r->arena = arena;
    r->diags = diags;
    r->source = source;
    r->file = file;
    r->past = past;
    r->model = model;
    r->refs = refs;
    r->spaces = ECC_NEW(arena, struct ecc_spaces);
    r->made = ECC_NEW_ARRAY(arena, void *, file->decls.n);
    ecc_symbols_init(&r->symbols, arena, source->length / 24);
    ecc_symbols_init(&r->locals, arena, 0);

    declare_all(r);
    ecc_resolve_types(r);
    EACH(BUS, ecc_resolve_bus(r, d, r->made[i]));
    EACH(CACHE, ecc_resolve_cache(r, d, r->made[i]));
    EACH(EXTERNAL, ecc_resolve_external(r, d, r->made[i]));
    EACH(SERVICE, ecc_resolve_service(r, d, r->made[i]));
    EACH(SAGA, ecc_resolve_saga(r, d, r->made[i]));
    ecc_own_sagas(r);
    ecc_resolve_edges(r);
    EACH(FORBID, resolve_forbid(r, d));
    EACH(SAGA, ecc_resolve_saga_steps(r, d, r->made[i]));
    ecc_resolve_all_bodies(r);
    EACH(SAGA, ecc_resolve_saga_ends(r, d, r->made[i]));
    EACH(DROP, ecc_resolve_drop(r, d->u.drop, NULL));
    model->drops = r->drops.items;
    model->ndrops = r->drops.n;
    model->retired = r->retired.items;
    model->nretired = r->retired.n;
    EACH(GATEWAY, ecc_resolve_gateway(r, d, r->made[i]));
    ecc_find_repeats(r);
    EACH(EXTERNAL, ecc_resolve_sandbox(r, d, r->made[i]));
    EACH(INVARIANT, ecc_resolve_invariant(r, d)); /* after the sandboxes, whose ledgers they may ask */
    ecc_resolve_scenarios(r);
    ecc_check_names(r);
    ecc_check_edges(r);
    ecc_check_events(r);
    ecc_check_sagas(r);
    EACH(GATEWAY, ecc_check_routes(r, d, r->made[i]));
    if (!diags->errors)
        ecc_check_timeouts(r);
    if (!diags->errors) /* a mistake elsewhere makes much look unused */
        ecc_check_unused(r);
}
