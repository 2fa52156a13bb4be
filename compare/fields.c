/* Types that are read by somebody who is not deployed together with who writes them. A field is known by its name on the wire.
 *
 * What differs in a record or enum that is declared by name is told once for each kind of place that shows it, however many places there
 * are: the first pass only notes who shows what (ecc_shown), ecc_compare_shown then compares each noted pair once. */
#include "internal.h"

/* RETYPED: neither type holds the other. UNNAMED: a name that `was` kept is none any more. */
enum { MAX_DEPTH = 16 };
enum verdict { NEEDED, OFFERED, GONE, RENAMED, NARROWER, WIDER, RETYPED, DEFAULTED, UNNAMED, NVERDICTS };

/* What a verdict is on each surface. */
static const enum ecc_difference_kind kinds[ECC_NSURFACES][NVERDICTS] = {
#define D(e) ECC_DIFF_##e
    [ECC_AT_REQUEST] = {D(REQUEST_FIELD_NEEDED), D(REQUEST_FIELD_ADDED), D(REQUEST_FIELD_REMOVED), D(REQUEST_FIELD_RENAMED),
                        D(REQUEST_FIELD_NARROWED), D(REQUEST_FIELD_WIDENED), D(REQUEST_FIELD_NARROWED), D(REQUEST_DEFAULT_CHANGED),
                        D(REQUEST_NAME_REMOVED)},
    [ECC_AT_REPLY] = {D(REPLY_FIELD_ADDED), D(REPLY_FIELD_ADDED), D(REPLY_FIELD_REMOVED), D(REPLY_FIELD_RENAMED), D(REPLY_FIELD_NARROWED),
                      D(REPLY_FIELD_WIDENED), D(REPLY_FIELD_WIDENED), D(REPLY_FIELD_NARROWED), D(REPLY_NAME_REMOVED)},
    [ECC_AT_EVENT] = {D(EVENT_FIELD_NEEDED), D(EVENT_FIELD_ADDED), D(EVENT_FIELD_REMOVED), D(EVENT_FIELD_RENAMED), D(EVENT_FIELD_CHANGED),
                      D(EVENT_FIELD_WIDENED), D(EVENT_FIELD_CHANGED), D(EVENT_DEFAULT_CHANGED), D(EVENT_NAME_REMOVED)},
    [ECC_AT_PARAM] = {D(PARAM_NEEDED), D(PARAM_ADDED), D(PARAM_REMOVED), D(PARAM_RENAMED), D(PARAM_NARROWED), D(PARAM_WIDENED),
                      D(PARAM_NARROWED), D(PARAM_DEFAULT_CHANGED), D(PARAM_NAME_REMOVED)},
    [ECC_AT_RESULT] = {D(RESULT_FIELD_NEEDED), D(RESULT_FIELD_ADDED), D(RESULT_FIELD_REMOVED), D(RESULT_FIELD_RENAMED),
                       D(RESULT_FIELD_NARROWED), D(RESULT_FIELD_WIDENED), D(RESULT_FIELD_CHANGED), D(RESULT_FIELD_NARROWED),
                       D(RESULT_NAME_REMOVED)},
    [ECC_AT_SAGA] = {D(SAGA_PARAM_ADDED), D(SAGA_PARAM_ADDED), D(SAGA_PARAM_REMOVED), D(SAGA_PARAM_RENAMED), D(SAGA_PARAM_CHANGED),
                     D(SAGA_PARAM_CHANGED), D(SAGA_PARAM_CHANGED), D(SAGA_PARAM_CHANGED), D(SAGA_PARAM_NAME_REMOVED)},
    [ECC_AT_CACHE] = {D(CACHED_VALUE_CHANGED), D(CACHED_VALUE_CHANGED), D(CACHED_VALUE_CHANGED), D(CACHED_VALUE_CHANGED),
                      D(CACHED_VALUE_CHANGED), D(CACHED_VALUE_CHANGED), D(CACHED_VALUE_CHANGED), D(CACHED_VALUE_CHANGED),
                      D(CACHED_VALUE_CHANGED)},
    [ECC_AT_ROW] = {D(ROW_FIELD_NEEDED), D(ROW_FIELD_ADDED), D(ROW_FIELD_REMOVED), D(ROW_FIELD_RENAMED), D(ROW_FIELD_CHANGED),
                    D(ROW_FIELD_WIDENED), D(ROW_FIELD_CHANGED), D(ROW_FIELD_CHANGED), D(ROW_NAME_REMOVED)},
#undef D
};

struct walk {
    struct ecc_comparer *c;
    enum ecc_surface surface;
    const char *subject; /* that differences are told of; NULL: only noted */
    const char *suffix;  /* of what is told: in which places */
    const char *place;   /* that declared records are noted for; NULL: not noted */
    const char *path;    /* of fields, ends in a dot unless empty */
    unsigned *orders;    /* a walk that only finds in which orders the sides may be brought out: a bit each; declared records are gone into */
    int depth;
    struct ecc_span old_span, new_span;
};

static void records(struct walk w, const struct ecc_record *old, const struct ecc_record *new_);
static void enums(const struct walk *w, const struct ecc_enum *old, const struct ecc_enum *new_);

static const char *field_name(const struct walk *w, const char *name)
{
    return *w->path || *name ? ecc_arena_printf(w->c->arena, " `%s%s`", w->path, name) : "";
}

static void tell(const struct walk *w, enum verdict verdict, const char *what)
{
    bool old = verdict == GONE;

    if (w->orders)
        *w->orders |= 1u << ecc_difference_traits(w->c->arena, kinds[w->surface][verdict])->order;
    if (w->subject)
        ecc_differ(w->c, kinds[w->surface][verdict], old, old ? w->old_span : w->new_span, w->subject, "%s%s", what, w->suffix);
}

/* ------------------------------------------------------------------ what is declared */

static void note(const struct walk *w, const struct ecc_record *old, const struct ecc_record *new_, const struct ecc_enum *old_enum,
                 const struct ecc_enum *new_enum)
{
    struct ecc_comparer *c = w->c;
    struct ecc_shown *shown = NULL;

    if (!w->place)
        return;
    for (size_t i = 0; i < c->shown.n && !shown; i++)
        if (c->shown.items[i]->surface == w->surface && c->shown.items[i]->new_record == new_ && c->shown.items[i]->new_enum == new_enum)
            shown = c->shown.items[i];
    if (!shown) {
        shown = ECC_NEW(c->arena, struct ecc_shown);
        shown->surface = w->surface;
        shown->old_record = old;
        shown->new_record = new_;
        shown->old_enum = old_enum;
        shown->new_enum = new_enum;
        ECC_PUSH(c->arena, &c->shown, shown);
    }
    for (size_t i = 0; i < shown->places.n; i++)
        if (strcmp(shown->places.items[i], w->place) == 0)
            return;
    ECC_PUSH(c->arena, &shown->places, w->place);
    struct walk inner = *w; /* only notes */
    inner.subject = NULL;
    if (new_)
        records(inner, old, new_);
}

void ecc_compare_shown(struct ecc_comparer *c)
{
    for (size_t i = 0; i < c->shown.n; i++) {
        const struct ecc_shown *s = c->shown.items[i];
        struct walk w = {.c = c, .surface = s->surface, .path = ""};
        const char *more = s->places.n > 1 ? CFMT(c, " and %zu more", s->places.n - 1) : "";
        w.suffix = CFMT(c, ", in %s%s", s->places.items[0], more);
        w.subject = s->new_record ? CFMT(c, "record %s", s->new_record->name) : CFMT(c, "enum %s", s->new_enum->name);
        w.old_span = s->old_record ? s->old_record->span : s->old_enum->span;
        w.new_span = s->new_record ? s->new_record->span : s->new_enum->span;
        if (s->new_record)
            records(w, s->old_record, s->new_record);
        else
            enums(&w, s->old_enum, s->new_enum);
    }
}

static bool has_value(const struct ecc_enum *e, const char *value)
{
    for (size_t i = 0; i < e->nvalues; i++)
        if (strcmp(e->values[i], value) == 0)
            return true;
    return false;
}

static void enums(const struct walk *w, const struct ecc_enum *old, const struct ecc_enum *new_)
{
    const char *field = *w->path ? CFMT(w->c, " of `%.*s`", (int)strlen(w->path) - 1, w->path) : "";

    for (size_t i = 0; i < new_->nvalues; i++)
        if (!has_value(old, new_->values[i]))
            tell(w, WIDER, CFMT(w->c, "new value `%s`%s", new_->values[i], field));
    for (size_t i = 0; i < old->nvalues; i++)
        if (!has_value(new_, old->values[i]))
            tell(w, NARROWER, CFMT(w->c, "value `%s`%s is gone", old->values[i], field));
}

/* ------------------------------------------------------------------ types */

static void types(struct walk w, const struct ecc_type *old, const struct ecc_type *new_, const char *name, bool old_may, bool new_may)
{
    struct ecc_arena *arena = w.c->arena;
    const char *field = field_name(&w, name);

    if (old->kind == ECC_TYPE_RECORD && new_->kind == ECC_TYPE_RECORD) {
        struct walk inner = w;
        inner.path = *name ? ecc_arena_printf(arena, "%s%s.", w.path, name) : w.path;
        inner.depth++;
        if (w.orders && w.depth < MAX_DEPTH)
            records(inner, old->record, new_->record);
        else if (old->record->name && ecc_same_text(old->record->name, new_->record->name))
            note(&w, old->record, new_->record, NULL, NULL);
        else
            records(inner, old->record, new_->record);
    } else if (old->kind == ECC_TYPE_ENUM && new_->kind == ECC_TYPE_ENUM) {
        struct walk inner = w;
        inner.path = ecc_arena_printf(arena, "%s%s.", w.path, name);
        if (!w.orders && ecc_same_text(old->enum_->name, new_->enum_->name))
            note(&w, NULL, NULL, old->enum_, new_->enum_);
        else
            enums(&inner, old->enum_, new_->enum_);
    } else {
        int step = ecc_type_step(old, new_);
        int back = ecc_type_step(new_, old);
        const char *words = ecc_arena_printf(arena, "%s was %s and is %s", *field ? field + 1 : "it", ecc_canon_type(arena, old),
                                             ecc_canon_type(arena, new_));
        if (step < 0 && back < 0)
            tell(&w, RETYPED, words);
        else if (step)
            tell(&w, step < 0 ? NARROWER : WIDER, words);
    }
    if (old->kind == ECC_TYPE_LIST && new_->kind == ECC_TYPE_LIST)
        types(w, old->item, new_->item, ecc_arena_printf(arena, "%s[]", name), false, false);
    if (old_may != new_may)
        tell(&w, new_may ? WIDER : NARROWER,
             ecc_arena_printf(arena, "%s %s", *field ? field + 1 : "it", new_may ? "may be absent now" : "may not be absent any more"));
}

static const struct ecc_field *by_wire(const struct ecc_record *record, const char *wire)
{
    for (size_t i = 0; record && i < record->nfields; i++)
        if (strcmp(record->fields[i].wire, wire) == 0)
            return &record->fields[i];
    return NULL;
}

/* The field of old that this one was, under another name: the one that the wire goes on knowing it by. */
static const struct ecc_field *renamed_from(const struct ecc_record *old, const struct ecc_record *new_, const struct ecc_field *field)
{
    const char *alias = ecc_field_alias(new_, field);

    return alias && !by_wire(old, field->wire) ? by_wire(old, alias) : NULL;
}

static void one_field(struct walk w, const struct ecc_field *old, const struct ecc_field *new_)
{
    struct ecc_arena *arena = w.c->arena;
    bool old_may = old->type->optional || old->dflt, new_may = new_->type->optional || new_->dflt;

    types(w, old->type, new_->type, new_->wire, old_may, new_may);
    const char *before = ecc_canon_expr(arena, old->dflt), *after = ecc_canon_expr(arena, new_->dflt);
    if (old_may && new_may && strcmp(before, after) != 0)
        tell(&w, DEFAULTED,
             ecc_arena_printf(arena, "the default of%s was %s and is %s", field_name(&w, new_->wire), *before ? before : "null",
                              *after ? after : "null"));
}

static void records(struct walk w, const struct ecc_record *old, const struct ecc_record *new_)
{
    struct ecc_arena *arena = w.c->arena;
    struct ecc_span old_span = w.old_span, new_span = w.new_span;

    for (size_t i = 0; new_ && i < new_->nfields; i++) {
        const struct ecc_field *field = &new_->fields[i], *was = by_wire(old, field->wire);
        w.new_span = field->span.end ? field->span : new_span;
        w.old_span = old_span;
        if (was) {
            const char *alias = ecc_field_alias(old, was);
            if (alias && !ecc_same_text(alias, ecc_field_alias(new_, field)))
                tell(&w, UNNAMED, ecc_arena_printf(arena, "field%s is not called `%s` as well any more", field_name(&w, field->wire), alias));
            one_field(w, was, field);
        } else if ((was = renamed_from(old, new_, field))) {
            tell(&w, RENAMED, ecc_arena_printf(arena, "field%s was `%s%s`", field_name(&w, field->wire), w.path, was->wire));
            one_field(w, was, field);
        } else {
            bool may = field->type->optional || field->dflt;
            bool read = w.surface != ECC_AT_REPLY && w.surface != ECC_AT_RESULT && w.surface != ECC_AT_CACHE;
            tell(&w, may ? OFFERED : NEEDED,
                 ecc_arena_printf(arena, "new %sfield%s",
                                  !read ? ""
                                  : may ? "optional "
                                        : "required ",
                                  field_name(&w, field->wire)));
        }
    }
    for (size_t i = 0; old && i < old->nfields; i++) {
        const struct ecc_field *field = &old->fields[i];
        bool kept = by_wire(new_, field->wire);
        for (size_t j = 0; new_ && j < new_->nfields && !kept; j++)
            kept = renamed_from(old, new_, &new_->fields[j]) == field;
        w.old_span = field->span.end ? field->span : old_span;
        if (!kept)
            tell(&w, GONE, ecc_arena_printf(arena, "field%s is gone", field_name(&w, field->wire)));
    }
}

void ecc_compare_types(struct ecc_comparer *c, enum ecc_surface surface, const char *place, struct ecc_span old_span,
                       struct ecc_span new_span, const struct ecc_type *old, const struct ecc_type *new_)
{
    struct walk w = {
        .c = c, .surface = surface, .subject = place, .suffix = "", .place = place, .path = "", .old_span = old_span, .new_span = new_span};

    if (old->kind == ECC_TYPE_VOID && new_->kind == ECC_TYPE_VOID)
        return;
    if (old->kind == ECC_TYPE_VOID)
        tell(&w, OFFERED, "it answers with something now");
    else if (new_->kind == ECC_TYPE_VOID)
        tell(&w, GONE, "it answers with nothing now");
    else
        types(w, old, new_, "", old->optional, new_->optional);
}

void ecc_compare_records(struct ecc_comparer *c, enum ecc_surface surface, const char *place, const struct ecc_record *old,
                         const struct ecc_record *new_, struct ecc_span old_span, struct ecc_span new_span)
{
    struct walk w = {
        .c = c, .surface = surface, .subject = place, .suffix = "", .place = place, .path = "", .old_span = old_span, .new_span = new_span};

    records(w, old, new_);
}

unsigned ecc_compare_orders(struct ecc_comparer *c, enum ecc_surface surface, const struct ecc_record *old, const struct ecc_record *new_)
{
    unsigned orders = 0;
    struct walk w = {.c = c, .surface = surface, .suffix = "", .path = "", .orders = &orders};

    records(w, old, new_);
    return orders;
}
