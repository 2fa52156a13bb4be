/* Types, records, enums, errors, events and settings: from syntax to model.
 *
 * A named type is one struct ecc_type in the space of types, made before any is looked into, so that records may refer to each
 * other. A record that contains itself without an optional or a list between has no size and is refused.
 */
#include "resolve.h"

#include <string.h>

static const struct ecc_type an_event = {.kind = ECC_TYPE_VOID}; /* takes an event's name in the space of types */

static bool may_be_bounded(const struct ecc_ast_type *ast)
{
    if (ast->kind == ECC_AST_TYPE_LIST)
        return true;
    return ast->kind == ECC_AST_TYPE_BUILTIN &&
           (ast->builtin == ECC_TYPE_TEXT || ast->builtin == ECC_TYPE_SECRET || ast->builtin == ECC_TYPE_INT);
}

static void resolve_bounds(struct ecc_resolver *r, const struct ecc_ast_type *ast, struct ecc_type *type)
{
    if (!ast->bounded)
        return;
    if (!may_be_bounded(ast)) {
        ecc_diag(r->diags, ECC_E_BOUNDED, ast->bounds, "only text, secret, int and lists have bounds");
        return;
    }
    bool is_int = ast->kind == ECC_AST_TYPE_BUILTIN && ast->builtin == ECC_TYPE_INT;
    if (!is_int && ((ast->min != INT64_MIN && ast->min < 0) || ast->max < 0)) {
        ecc_diag(r->diags, ECC_E_BOUNDED, ast->bounds, "a length can't be negative");
        return;
    }
    type->bounded = true;
    type->min = ast->min;
    type->max = ast->max;
}

static const struct ecc_type *resolve_item(struct ecc_resolver *r, const struct ecc_ast_type *ast)
{
    const struct ecc_type *item = ecc_resolve_type(r, ast->item);

    if (ECC_IS_UNKNOWN(item))
        return item;
    if (item->kind == ECC_TYPE_LIST) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_LIST_ITEM, ast->item->span, "a list of lists");
        ecc_diag_help(r->diags, d, "make the inner list a field of a record");
        return &ecc_type_unknown;
    }
    if (item->optional) {
        ecc_diag(r->diags, ECC_E_LIST_ITEM, ast->item->span, "the items of a list can't be optional");
        return ecc_type_present(r->arena, item);
    }
    return item;
}

const struct ecc_type *ecc_resolve_type(struct ecc_resolver *r, const struct ecc_ast_type *ast)
{
    struct ecc_type *type = ECC_NEW(r->arena, struct ecc_type);

    switch (ast->kind) {
    case ECC_AST_TYPE_BUILTIN:
        type->kind = ast->builtin;
        break;
    case ECC_AST_TYPE_NAMED: {
        const struct ecc_type *named = ecc_lookup(r, &r->spaces->types, &ast->name, ECC_E_UNKNOWN_TYPE, "type");
        if (named == &an_event) {
            ecc_diag(r->diags, ECC_E_UNKNOWN_TYPE, ast->name.span, "`%s` is an event, not a type", ast->name.text);
            named = NULL;
        }
        if (!named)
            return &ecc_type_unknown;
        *type = *named;
        break;
    }
    case ECC_AST_TYPE_LIST:
        type->kind = ECC_TYPE_LIST;
        type->item = resolve_item(r, ast);
        break;
    case ECC_AST_TYPE_RECORD: {
        struct ecc_record *record = ECC_NEW(r->arena, struct ecc_record);
        record->span = ast->span;
        record->past = r->past && ast->span.start >= r->past->items[0].span.start;
        ecc_resolve_fields(r, record, &ast->fields, ECC_REF_FIELD);
        type->kind = ECC_TYPE_RECORD;
        type->record = record;
        break;
    }
    }
    type->optional = ast->optional;
    resolve_bounds(r, ast, type);
    return type;
}

/* Two fields may not have one wire name: a JSON object has each member once. */
static void check_wires(struct ecc_resolver *r, struct ecc_record *record)
{
    for (size_t i = 0; i < record->nfields; i++) {
        const struct ecc_field *field = &record->fields[i];
        struct ecc_symbol *first = ecc_symbols_add(&r->symbols, &record->fields, field->wire, (void *)(uintptr_t)field, field->span);
        if (!first)
            continue;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_DUPLICATE, field->span, "two fields are called \"%s\" on the wire", field->wire);
        ecc_diag_second(d, first->span, "the other one");
    }
}

void ecc_resolve_fields(struct ecc_resolver *r, struct ecc_record *record, const struct ecc_ast_fields *fields,
                        enum ecc_ref_kind kind)
{
    record->fields = ECC_NEW_ARRAY(r->arena, struct ecc_field, fields->n);
    record->nfields = 0;
    bool wires = false;
    for (size_t i = 0; i < fields->n; i++) {
        const struct ecc_ast_field *ast = fields->items[i];
        struct ecc_field *field = &record->fields[record->nfields];
        *field = (struct ecc_field){
            .name = ast->name.text,
            .wire = ast->wire.text ? ast->wire.text : ast->name.text,
            .was = ast->was.text,
            .type = ecc_resolve_type(r, ast->type),
            .span = ast->name.span,
        };
        if (ast->dflt) {
            field->dflt = ecc_resolve_literal(r, ast->dflt, field->type, "the default");
            if (field->type->optional && !ECC_IS_UNKNOWN(field->type)) {
                struct ecc_diag *d = ecc_diag(r->diags, ECC_E_DEFAULT, ast->dflt->span, "an optional %s with a default",
                                              ecc_ref_word(kind));
                ecc_diag_help(r->diags, d, "it is never absent: leave the `?` out");
            }
        }
        if (!ecc_declare(r, record, &ast->name, field, kind))
            continue; /* the slot is used by the next one */
        wires = wires || ast->wire.text;
        record->nfields++;
    }
    for (size_t i = 0; !record->past && i < fields->n; i++)
        ecc_check_was(r, record, &record->nfields, &fields->items[i]->was, kind);
    for (size_t i = 0; r->past && i < record->nfields; i++) /* a release may know it by its old name */
        if (record->fields[i].was)
            ecc_symbols_add(&r->symbols, record, record->fields[i].was, &record->fields[i], record->fields[i].span);
    if (wires)
        check_wires(r, record);
}

void ecc_index_record(struct ecc_resolver *r, const struct ecc_record *record)
{
    for (size_t i = 0; i < record->nfields; i++) {
        ecc_symbols_add(&r->symbols, record, record->fields[i].name, &record->fields[i], record->fields[i].span);
        if (r->refs)
            ecc_symbols_find(&r->symbols, record, record->fields[i].name)->kind = ECC_REF_FIELD;
    }
}

/* ------------------------------------------------------------------ declarations */

static void declare_type(struct ecc_resolver *r, const struct ecc_ast_decl *d, enum ecc_type_kind kind, void *entity)
{
    struct ecc_type *type = ECC_NEW(r->arena, struct ecc_type);

    type->kind = kind;
    if (kind == ECC_TYPE_ENUM)
        type->enum_ = entity;
    else
        type->record = entity;
    ecc_declare(r, &r->spaces->types, &d->name, type, ECC_REF_TYPE);
}

static struct ecc_enum *make_enum(struct ecc_resolver *r, const struct ecc_ast_decl *d)
{
    struct ecc_enum *e = ECC_NEW(r->arena, struct ecc_enum);

    e->name = d->name.text;
    e->span = d->name.span;
    e->values = ECC_NEW_ARRAY(r->arena, const char *, d->u.values.n);
    for (size_t i = 0; i < d->u.values.n; i++)
        if (ecc_declare(r, e, &d->u.values.items[i], (void *)(uintptr_t)d->u.values.items[i].text, ECC_REF_VALUE))
            e->values[e->nvalues++] = d->u.values.items[i].text;
    if (!e->nvalues)
        ecc_diag(r->diags, ECC_E_EMPTY, d->name.span, "enum `%s` has no values", e->name);
    return e;
}

static void make_error(struct ecc_resolver *r, const struct ecc_ast_decl *d)
{
    /* what the runtime says by itself; see EC_ERRORS in runtime/ec.h */
    static const char *const taken[] = {
        "BadRequest", "Unauthorized", "Forbidden", "NotFound", "MethodNotAllowed", "Conflict", "TooLarge", "UnsupportedMediaType",
        "Invalid", "KeyReused", "RateLimited", "Internal", "BadGateway", "Unavailable", "Timeout", "Revoked",
    };
    struct ecc_error *e = ECC_NEW(r->arena, struct ecc_error);

    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(d->name.text, taken[i]) == 0)
            ecc_diag(r->diags, ECC_E_RESERVED, d->name.span, "`%s` is an error that every service has already", d->name.text);
    ecc_in_range(r, d->u.error.status, 400, 599, d->u.error.status_span, "the status of an error");
    *e = (struct ecc_error){d->name.text, (int)d->u.error.status, d->title.text ? d->title.text : d->name.text, d->name.span};
    if (!ecc_declare(r, &r->spaces->errors, &d->name, e, ECC_REF_ERROR))
        return;
    r->model->errors[r->model->nerrors++] = e;
    /* over the wire an error is known by its kebab-case name */
    struct ecc_symbol *other = ecc_symbols_add(&r->symbols, &r->model->errors, ecc_snake_name(r->arena, e->name), e, e->span);
    if (other) {
        struct ecc_diag *g = ecc_diag(r->diags, ECC_E_DUPLICATE, e->span, "on the wire `%s` would be called as another error", e->name);
        ecc_diag_second(g, other->span, "the other one");
    }
}

static struct ecc_event *make_event(struct ecc_resolver *r, const struct ecc_ast_decl *d)
{
    struct ecc_event *e = ECC_NEW(r->arena, struct ecc_event);

    ecc_in_range(r, d->u.event.version, 1, 9999, d->u.event.version_span, "the version of an event");
    e->name = d->name.text;
    e->version = (int)d->u.event.version;
    e->id = e->version == 1 ? e->name : ecc_arena_printf(r->arena, "%sV%d", e->name, e->version);
    e->span = d->name.span;
    e->body = ECC_NEW(r->arena, struct ecc_record);
    e->body->name = e->id;
    e->body->span = d->name.span;
    struct ecc_past *past = ecc_past_of(r, d);
    if (past) {
        past->event = e;
        return e;
    }
    /* Versions of one event share its name; each has an entry of its own, and the first one that of the name. */
    struct ecc_event *first = ecc_find(r, &r->spaces->events, e->name);
    if (!first && !ecc_list_once(r, &r->spaces->types, &d->name, &an_event, "type"))
        return e;
    struct ecc_name versioned = {ecc_arena_printf(r->arena, "%s v%d", e->name, e->version), d->name.span};
    if (!ecc_list_once(r, &r->spaces->events, &versioned, e, "event"))
        return e;
    if (first) {
        first->several = e->several = true;
        ecc_refer(r, (struct ecc_ref){d->name.span, first->span, ECC_REF_EVENT, true, e->name, first, NULL});
    } else {
        ecc_declare(r, &r->spaces->events, &d->name, e, ECC_REF_EVENT);
    }
    r->model->events[r->model->nevents++] = e;
    return e;
}

struct ecc_event *ecc_lookup_event(struct ecc_resolver *r, const struct ecc_name *name, int64_t version, const char *how)
{
    struct ecc_event *event = ecc_lookup(r, &r->spaces->events, name, ECC_E_UNKNOWN_EVENT, "event"), *wanted;

    if (!event)
        return NULL;
    if (!version && !event->several)
        return event;
    if (!version) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_EVENT_VERSION, name->span, "event `%s` has several versions", event->name);
        ecc_diag_second(d, event->span, "one of them");
        ecc_diag_help(r->diags, d, "say which one: `%s %s v%d`", how, event->name, event->version);
        return NULL;
    }
    wanted = ecc_find(r, &r->spaces->events, ecc_arena_printf(r->arena, "%s v%d", event->name, (int)version));
    if (!wanted) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_EVENT_VERSION, name->span, "event `%s` has no version v%d", event->name, (int)version);
        ecc_diag_second(d, event->span, "declared here");
    }
    return wanted;
}

/* ------------------------------------------------------------------ records without a size */

enum { NEW, OPEN, DONE };

struct walk { struct ecc_symbol *state; const struct ecc_record *record; size_t at; };

/* Depth first over fields that are records by value, with a stack of its own: how deep records go is the writer's choice. */
static void find_cycles(struct ecc_resolver *r, const struct ecc_record *root)
{
    static const char tag; /* space of the states */
    struct { struct walk *items; size_t n, cap; } stack = {0};

    struct ecc_symbol *first = ecc_symbols_entry(&r->symbols, &tag, root->name);
    if ((uintptr_t)first->value == DONE)
        return;
    ECC_PUSH(r->arena, &stack, ((struct walk){first, root, 0}));
    while (stack.n) {
        struct walk *top = &stack.items[stack.n - 1];
        top->state->value = (void *)(uintptr_t)OPEN;
        if (top->at == top->record->nfields) {
            top->state->value = (void *)(uintptr_t)DONE;
            stack.n--;
            continue;
        }
        const struct ecc_field *f = &top->record->fields[top->at++];
        if (f->type->kind != ECC_TYPE_RECORD || f->type->optional)
            continue;
        const struct ecc_record *inner = f->type->record;
        /* an inline record can't be reached from itself but through a name */
        struct ecc_symbol *s = inner->name ? ecc_symbols_entry(&r->symbols, &tag, inner->name) : ECC_NEW(r->arena, struct ecc_symbol);
        if ((uintptr_t)s->value == OPEN) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_RECURSIVE, f->span, "a record `%s` would contain itself", inner->name);
            ecc_diag_help(r->diags, d, "make the field optional, or a list");
        } else if ((uintptr_t)s->value == NEW) {
            ECC_PUSH(r->arena, &stack, ((struct walk){s, inner, 0}));
        }
    }
}

static struct ecc_record *builtin(struct ecc_resolver *r, const char *name, size_t n, const char *const *fields,
                                  const struct ecc_type *const *types)
{
    struct ecc_record *record = ECC_NEW(r->arena, struct ecc_record);

    record->name = name;
    record->nfields = n;
    record->fields = ECC_NEW_ARRAY(r->arena, struct ecc_field, n);
    for (size_t i = 0; i < n; i++) {
        record->fields[i].name = record->fields[i].wire = fields[i];
        record->fields[i].type = types[i];
    }
    ecc_index_record(r, record);
    return record;
}

/* Why a sandbox refuses a request before its rules see it; runtime/sandbox_request.c gives them. */
static const struct ecc_type *refusal_reason(struct ecc_resolver *r)
{
    static const char *const reasons[] = {"credentials", "path", "method", "encoding", "field", "key", "fault"};
    struct ecc_enum *e = ECC_NEW(r->arena, struct ecc_enum);
    struct ecc_type *type = ECC_NEW(r->arena, struct ecc_type);

    e->name = "reason";
    e->nvalues = sizeof reasons / sizeof *reasons;
    e->values = ECC_NEW_ARRAY(r->arena, const char *, e->nvalues);
    for (size_t i = 0; i < e->nvalues; i++) {
        e->values[i] = reasons[i];
        ecc_symbols_add(&r->symbols, e, reasons[i], e, (struct ecc_span){0});
    }
    type->kind = ECC_TYPE_ENUM;
    type->enum_ = e;
    return type;
}

void ecc_resolve_types(struct ecc_resolver *r)
{
    struct ecc_model *m = r->model;

    for (size_t i = 0; i < r->file->decls.n; i++) {
        const struct ecc_ast_decl *d = r->file->decls.items[i];
        if (d->kind == ECC_AST_DECL_ENUM) {
            struct ecc_enum *e = make_enum(r, d);
            struct ecc_past *past = ecc_past_of(r, d);
            if (past) {
                ECC_PUSH(r->arena, &past->enums, e);
                continue;
            }
            declare_type(r, d, ECC_TYPE_ENUM, e);
            m->enums[m->nenums++] = e;
        } else if (d->kind == ECC_AST_DECL_RECORD) {
            struct ecc_record *record = ECC_NEW(r->arena, struct ecc_record);
            record->name = d->name.text;
            record->span = d->name.span;
            r->made[i] = record;
            struct ecc_past *past = ecc_past_of(r, d);
            if (past) {
                record->past = true;
                ECC_PUSH(r->arena, &past->answers, record);
                continue;
            }
            declare_type(r, d, ECC_TYPE_RECORD, record);
            m->records[m->nrecords++] = record;
        } else if (d->kind == ECC_AST_DECL_ERROR) {
            make_error(r, d);
        } else if (d->kind == ECC_AST_DECL_EVENT) {
            r->made[i] = make_event(r, d);
        }
    }
    for (size_t i = 0; i < r->file->decls.n; i++) {
        const struct ecc_ast_decl *d = r->file->decls.items[i];
        if (d->kind == ECC_AST_DECL_RECORD)
            ecc_resolve_fields(r, r->made[i], &d->u.fields, ECC_REF_FIELD);
        else if (d->kind == ECC_AST_DECL_EVENT)
            ecc_resolve_fields(r, ((struct ecc_event *)r->made[i])->body, &d->u.event.fields, ECC_REF_FIELD);
    }
    for (size_t i = 0; i < m->nrecords; i++)
        find_cycles(r, m->records[i]);

    m->claims = builtin(r, "Claims", 3, (const char *const[]){"sub", "jti", "exp"},
                        (const struct ecc_type *const[]){&ecc_type_text, &ecc_type_text, &ecc_type_time});
    m->refusal = builtin(r, "Refusal", 4, (const char *const[]){"status", "reason", "field", "message"},
                         (const struct ecc_type *const[]){&ecc_type_int, refusal_reason(r),
                                                          ecc_type_optional(r->arena, &ecc_type_text), &ecc_type_text});
}

/* ------------------------------------------------------------------ settings */

struct ecc_setting *ecc_resolve_setting(struct ecc_resolver *r, const struct ecc_ast_setting *ast, const void *space)
{
    struct ecc_setting *s = ECC_NEW(r->arena, struct ecc_setting);
    const struct ecc_type *type = ecc_resolve_type(r, ast->field->type);

    s->name = ast->field->name.text;
    s->env = ast->env.text;
    ecc_check_env(r, &ast->env);
    s->span = ast->field->name.span;
    if (!ECC_IS_UNKNOWN(type) && (!ecc_type_is_scalar(type) || type->kind == ECC_TYPE_TIME || type->kind == ECC_TYPE_ENUM)) {
        ecc_diag(r->diags, ECC_E_SETTING, ast->field->type->span, "a setting is text, secret, email, int, float, bool or uuid, not %s",
                 ecc_type_name(r->arena, type));
        type = &ecc_type_unknown;
    } else if (type->optional) {
        ecc_diag(r->diags, ECC_E_SETTING, ast->field->type->span, "a setting can't be optional: give it a default");
        type = ecc_type_present(r->arena, type);
    }
    s->type = type;
    if (ast->field->dflt)
        s->dflt = ecc_resolve_literal(r, ast->field->dflt, type, "the default");
    s->var = ECC_NEW(r->arena, struct ecc_var);
    *s->var = (struct ecc_var){ECC_VAR_SETTING, s->name, s->name, type, s->span};
    return ecc_declare(r, space, &ast->field->name, s, ECC_REF_SETTING) ? s : NULL;
}
