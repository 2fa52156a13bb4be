/* Record literals and argument lists: each field of the record gets its value once, by name or from a spread.
 *
 * Named members come first, wherever they stand; then each `...x`, in order, fills what is still missing and what it has with a fitting
 * type. What is missing after that must be optional or have a default.
 */
#include "resolve.h"

#include <string.h>

struct draft {
    const struct ecc_record *record;
    struct ecc_init *inits;
    struct ecc_span *spans; /* where each was given; {0, 0}: not yet */
    const char *what;       /* "field", "argument" */
    bool open;              /* something was wrong that might have given more: what is missing is not told */
};

static void give(struct ecc_resolver *r, struct ecc_body *body, struct draft *d, const struct ecc_ast_init *ast)
{
    const struct ecc_record *record = d->record;
    const struct ecc_field *field = ecc_find_name(r, record, &ast->name);

    if (!field) {
        ecc_unknown_field(r, record, &ast->name, d->what);
        ecc_resolve_expr(r, body, ast->value, &ecc_type_unknown); /* for what else may be wrong in it */
        d->open = true;
        return;
    }
    size_t i = (size_t)(field - record->fields);
    if (d->spans[i].end) {
        struct ecc_diag *g = ecc_diag(r->diags, ECC_E_DUPLICATE, ast->name.span, "%s `%s` is given twice", d->what, field->name);
        ecc_diag_second(g, d->spans[i], "first given here");
        return;
    }
    d->spans[i] = ast->name.span;
    d->inits[i].value =
        ecc_resolve_to(r, body, ast->value, field->type, ecc_arena_printf(r->arena, "%s `%s`", d->what, field->name));
}

static void spread(struct ecc_resolver *r, struct ecc_body *body, struct draft *d, const struct ecc_ast_init *ast)
{
    const struct ecc_expr *from = ecc_resolve_expr(r, body, ast->value, NULL);
    bool gave = false;

    d->open = d->open || ECC_IS_UNKNOWN(from->type) || from->type->kind != ECC_TYPE_RECORD || from->type->optional;
    if (ECC_IS_UNKNOWN(from->type))
        return;
    if (from->type->kind != ECC_TYPE_RECORD || (from->kind != ECC_EXPR_VAR && from->kind != ECC_EXPR_FIELD)) {
        ecc_diag(r->diags, ECC_E_SPREAD, ast->span, "only a record that has a name can be spread, but this is %s",
                 ecc_type_name(r->arena, from->type));
        return;
    }
    if (from->type->optional) {
        ecc_fit_expr(r, from, ecc_type_present(r->arena, from->type), "what is spread");
        return;
    }
    for (size_t i = 0; i < d->record->nfields; i++) {
        const struct ecc_field *to = &d->record->fields[i];
        const struct ecc_field *theirs = d->spans[i].end ? NULL : ecc_find(r, from->type->record, to->name);
        if (!theirs)
            continue;
        const struct ecc_expr *value = ecc_expr_field(r, body, from, theirs, ast->span);
        enum ecc_fit how = ecc_type_fit(value->type, to->type);
        if (how == ECC_FIT_NOT || how == ECC_FIT_ABSENT)
            continue;
        ecc_refer_spread(r, ast, theirs, to);
        d->inits[i].value = ecc_fit_expr(r, value, to->type, NULL);
        d->spans[i] = ast->span;
        gave = true;
    }
    if (!gave) {
        struct ecc_diag *g = ecc_diag(r->diags, ECC_E_SPREAD, ast->span, "this spread gives nothing");
        ecc_diag_help(r->diags, g, "it has no field that is still missing and fits");
    }
}

static void report_missing(struct ecc_resolver *r, const struct draft *d, const struct ecc_ast_inits *inits, struct ecc_span span)
{
    const char *list = NULL;
    size_t n = 0;
    const struct ecc_field *first = NULL;

    for (size_t i = 0; i < d->record->nfields; i++) {
        const struct ecc_field *f = &d->record->fields[i];
        if (d->spans[i].end || f->type->optional || f->dflt || ECC_IS_UNKNOWN(f->type))
            continue;
        if (n++ < 8)
            list = list ? ecc_arena_printf(r->arena, "%s, `%s`", list, f->name) : ecc_arena_printf(r->arena, "`%s`", f->name);
        if (!first)
            first = f;
    }
    if (!n)
        return;
    struct ecc_diag *g = ecc_diag(r->diags, ECC_E_MISSING, span, "%s %s %s missing", d->what, list, n > 1 ? "are" : "is");
    if (n > 1)
        g->message = ecc_arena_printf(r->arena, "%ss %s%s are missing", d->what, list, n > 8 ? " and more" : "");
    if (first->span.end)
        ecc_diag_second(g, first->span, "declared here");
    for (size_t i = 0; i < inits->n; i++) /* a spread that has it, but with another type, is worth a word */
        if (inits->items[i]->spread) {
            ecc_diag_help(r->diags, g, "a spread gives a field only when its type fits and it can't be absent: `%s` is %s", first->name,
                          ecc_type_name(r->arena, first->type));
            break;
        }
}

const struct ecc_expr *ecc_resolve_record(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_record *record,
                                          const struct ecc_ast_inits *inits, struct ecc_span span, const char *what)
{
    struct ecc_expr *expr = ecc_expr_new(r, ECC_EXPR_RECORD, ecc_type_of_record(r->arena, record), span);
    struct draft d = {record, ECC_NEW_ARRAY(r->arena, struct ecc_init, record->nfields),
                      ECC_NEW_ARRAY(r->arena, struct ecc_span, record->nfields), what, false};

    for (size_t i = 0; i < record->nfields; i++)
        d.inits[i].field = &record->fields[i];
    for (size_t i = 0; i < inits->n; i++)
        if (!inits->items[i]->spread && inits->items[i]->name.text)
            give(r, body, &d, inits->items[i]);
    for (size_t i = 0; i < inits->n; i++)
        if (inits->items[i]->spread)
            spread(r, body, &d, inits->items[i]);
    if (!d.open)
        report_missing(r, &d, inits, span);
    expr->u.record.inits = d.inits;
    expr->u.record.ninits = record->nfields;
    return expr;
}
