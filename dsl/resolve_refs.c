/* What the resolver notes for refs.h: names with their meaning, fields that meet by their names, what SQL names. */
#include "resolve.h"
#include "source.h"
#include "sql_check.h"

#include <string.h>

static const struct ecc_span nowhere = {0, 0};

void ecc_refer(struct ecc_resolver *r, struct ecc_ref ref)
{
    size_t length = ref.span.end - ref.span.start;

    if (!r->refs || !ref.name || ref.span.end > r->source->length)
        return;
    if (strlen(ref.name) == length && memcmp(r->source->text + ref.span.start, ref.name, length) == 0)
        ecc_ref_add(r->refs, &ref);
}

void ecc_refer_field(struct ecc_resolver *r, const struct ecc_field *field, struct ecc_span span, const struct ecc_type *type)
{
    struct ecc_ref *last = r->refs && r->refs->n ? &r->refs->items[r->refs->n - 1] : NULL;

    /* the look that found it has noted it already, without its type there */
    if (last && last->entity == field && last->span.start == span.start)
        last->type = type;
    else
        ecc_refer(r, (struct ecc_ref){span, ecc_field_decl(field), ECC_REF_FIELD, false, field->name, field, type});
}

void ecc_refer_symbol(struct ecc_resolver *r, const struct ecc_symbol *symbol, struct ecc_span span, bool declares)
{
    struct ecc_ref ref = {span, symbol->span, symbol->kind, declares, symbol->name, symbol->value, NULL};

    if (ref.kind == ECC_REF_NONE)
        return;
    if (ref.kind == ECC_REF_FIELD || ref.kind == ECC_REF_PARAM)
        ref.decl = ecc_field_decl(ref.entity);
    ecc_refer(r, ref);
}

void ecc_refer_var(struct ecc_resolver *r, const struct ecc_var *var, struct ecc_span span, const struct ecc_type *type, bool declares)
{
    bool declared = var->kind == ECC_VAR_PARAM || var->kind == ECC_VAR_LET || var->kind == ECC_VAR_ITEM || var->kind == ECC_VAR_SETTING ||
                    var->kind == ECC_VAR_STEP;

    /* the others are the language's own: `path`, `identity`, `error` */
    if (declared || !declares)
        ecc_refer(r, (struct ecc_ref){span, declared ? var->span : nowhere, ECC_REF_VAR, declares, var->name, var, type});
}

void ecc_refer_edge(struct ecc_resolver *r, const struct ecc_edge *edge, struct ecc_span span)
{
    struct ecc_ref ref = {span, edge->span, ECC_REF_EDGE, span.start == edge->span.start, edge->to->name, edge, NULL};

    if (r->refs)
        ecc_ref_add(r->refs, &ref);
}

/* ------------------------------------------------------------------ fields that meet */

static void meet(struct ecc_resolver *r, const struct ecc_field *from, const struct ecc_field *to, struct ecc_span spread,
                 struct ecc_span value)
{
    struct ecc_meeting m = {from, to, spread, value};

    ECC_PUSH(r->refs->arena, &r->refs->meetings, m);
}

void ecc_refer_fit(struct ecc_resolver *r, const struct ecc_type *from, const struct ecc_type *to)
{
    if (!r->refs)
        return;
    while (from->kind == ECC_TYPE_LIST && to->kind == ECC_TYPE_LIST)
        from = from->item, to = to->item;
    if (ECC_IS_UNKNOWN(from) || ECC_IS_UNKNOWN(to) || from->kind != ECC_TYPE_RECORD || to->kind != ECC_TYPE_RECORD ||
        from->record == to->record)
        return;
    /* each pair once: records may contain each other */
    if (!ecc_mark(r, from->record, ecc_arena_printf(r->arena, "%p", (const void *)to->record)))
        return;
    for (size_t i = 0; i < to->record->nfields; i++) {
        const struct ecc_field *ours = &to->record->fields[i], *theirs = ecc_record_field(from->record, ours->name);
        if (!theirs)
            continue;
        meet(r, theirs, ours, nowhere, nowhere);
        ecc_refer_fit(r, theirs->type, ours->type);
    }
}

void ecc_refer_spread(struct ecc_resolver *r, const struct ecc_ast_init *ast, const struct ecc_field *from, const struct ecc_field *to)
{
    if (r->refs)
        meet(r, from, to, ast->span, ast->value->span);
}

/* ------------------------------------------------------------------ SQL */

struct noting {
    struct ecc_resolver *r;
    uint32_t start; /* of the text in the source */
};

static struct ecc_span moved(const struct noting *n, struct ecc_span span)
{
    return (struct ecc_span){span.start + n->start, span.end + n->start};
}

static void note_name(void *context, enum ecc_ref_kind kind, const void *entity, const char *name, struct ecc_span span)
{
    const struct noting *n = context;
    struct ecc_ref ref = {moved(n, span), nowhere, kind, false, name, entity, NULL};
    const struct ecc_symbol *symbol;

    switch (kind) {
    case ECC_REF_TABLE:
        ref.decl = ((const struct ecc_table *)entity)->span;
        break;
    case ECC_REF_COLUMN:
        ref.decl = ((const struct ecc_column *)entity)->span;
        break;
    case ECC_REF_NODE:
        ref.name = ((const struct ecc_node *)entity)->name;
        ref.decl = ((const struct ecc_node *)entity)->span;
        break;
    case ECC_REF_VALUE: /* entity: its enum */
        symbol = ecc_symbols_find(&n->r->symbols, entity, name);
        if (!symbol)
            return;
        ref.decl = symbol->span;
        ref.entity = symbol->value;
        break;
    default:
        return;
    }
    if (ref.span.end <= n->r->source->length)
        ecc_ref_add(n->r->refs, &ref);
}

static void note_result(void *context, struct ecc_result *result)
{
    const struct noting *n = context;

    result->place = moved(n, result->place);
    ECC_PUSH(n->r->refs->arena, &n->r->refs->results, result);
}

static void note_alias(void *context, const struct ecc_result *result)
{
    const struct noting *n = context;
    struct ecc_ref ref = {result->place, nowhere, ECC_REF_FIELD, true, result->name, result->field, result->field->type};

    ecc_ref_add(n->r->refs, &ref);
}

const struct ecc_sql_notes *ecc_refer_sql(struct ecc_resolver *r, const struct ecc_text *text)
{
    if (!r->refs)
        return NULL;
    struct ecc_sql_notes *notes = ECC_NEW(r->arena, struct ecc_sql_notes);
    struct noting *n = ECC_NEW(r->arena, struct noting);
    *n = (struct noting){r, text->span.start};
    *notes = (struct ecc_sql_notes){note_name, note_result, note_alias, n};
    return notes;
}

void ecc_refer_statement(struct ecc_resolver *r, const struct ecc_sql *sql)
{
    struct ecc_ref ref = {sql->span, sql->span, ECC_REF_SQL, true, sql->name, sql, NULL};

    if (r->refs)
        ecc_ref_add(r->refs, &ref);
}
