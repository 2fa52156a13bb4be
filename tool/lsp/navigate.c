/* From a name to its declaration and its uses, and what it is. */
#include "server.h"

#include <stdlib.h>
#include <string.h>

/* Where a name is declared: of a result column that takes its name from something else, the place in the SQL. */
static bool declared_at(const struct lsp_view *view, const struct ecc_ref *ref, struct ecc_span *span)
{
    const struct ecc_refs *refs = &view->analysis.refs;
    const struct ecc_ref *decl = ecc_ref_declaration(refs, ref);

    if (decl || ref->decl.end) {
        *span = decl ? decl->span : ref->decl;
        return true;
    }
    for (size_t i = 0; i < refs->results.n; i++) {
        const struct ecc_result *result = refs->results.items[i];
        if (result->field != ref->entity)
            continue;
        *span = result->column && result->column->span.end ? result->column->span : result->place;
        return true;
    }
    return false;
}

static bool is_name(const struct ecc_ref *ref)
{
    return ref && ref->kind != ECC_REF_SQL;
}

json_t *lsp_definition(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    struct lsp_place place;
    struct ecc_span span;
    json_t *range;

    if (!lsp_place_of(s, params, &place, failure))
        return NULL;
    struct lsp_found found = lsp_find(&place, false);
    if (!is_name(found.ref) || !declared_at(found.view, found.ref, &span) || !lsp_found_range(&found, &place, span, &range))
        return json_null();
    return lsp_location(place.doc, range);
}

json_t *lsp_references(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    bool declaration = json_is_true(json_object_get(json_object_get(params, "context"), "includeDeclaration"));
    struct lsp_place place;
    json_t *out, *range;

    if (!lsp_place_of(s, params, &place, failure))
        return NULL;
    struct lsp_found found = lsp_find(&place, true);
    out = json_array();
    for (size_t i = 0; is_name(found.ref) && i < found.view->analysis.refs.n; i++) {
        const struct ecc_ref *r = &found.view->analysis.refs.items[i];
        if (ecc_ref_same(r, found.ref) && (declaration || !r->declares) && lsp_found_range(&found, &place, r->span, &range))
            json_array_append_new(out, lsp_location(place.doc, range));
    }
    return out;
}

json_t *lsp_highlight(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    struct lsp_place place;
    json_t *out, *range;

    if (!lsp_place_of(s, params, &place, failure))
        return NULL;
    struct lsp_found found = lsp_find(&place, true);
    out = json_array();
    for (size_t i = 0; is_name(found.ref) && i < found.view->analysis.refs.n; i++) {
        const struct ecc_ref *r = &found.view->analysis.refs.items[i];
        if (ecc_ref_same(r, found.ref) && lsp_found_range(&found, &place, r->span, &range))
            json_array_append_new(out, json_pack("{s:o, s:i}", "range", range, "kind", r->declares ? 3 : 2));
    }
    return out;
}

/* ------------------------------------------------------------------ hover */

/* Comments that stand right above the line of a declaration, without their slashes. */
static void comment_above(FILE *out, const struct lsp_view *view, struct ecc_span decl)
{
    const struct ecc_spans *comments = &view->analysis.file->comments;
    uint32_t line = ecc_source_line(&view->topology.source, decl.start);
    size_t first = comments->n, last = 0;

    for (size_t i = comments->n; i-- > 0;) {
        uint32_t at = ecc_source_line(&view->topology.source, comments->items[i].start), begin = view->topology.source.lines[at];
        bool alone = strspn(view->topology.source.text + begin, " \t") == comments->items[i].start - begin;
        if (at + 1 + (last ? last - first : 0) == line && alone) {
            last = last ? last : i + 1;
            first = i;
        } else if (at < line && last) {
            break;
        }
    }
    if (last)
        fputc('\n', out);
    for (size_t i = first; i < last; i++) {
        struct ecc_span c = comments->items[i];
        uint32_t from = c.start + (uint32_t)strspn(view->topology.source.text + c.start, "/ ");
        fprintf(out, "%.*s\n", (int)(c.end > from ? c.end - from : 0), view->topology.source.text + from);
    }
}

json_t *lsp_hover(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    struct lsp_place place;
    struct ecc_span span;
    json_t *range, *out;
    char *text = NULL;
    size_t length;

    if (!lsp_place_of(s, params, &place, failure))
        return NULL;
    struct lsp_found found = lsp_find(&place, false);
    if (!found.ref || !lsp_found_range(&found, &place, found.ref->span, &range))
        return json_null();
    FILE *file = open_memstream(&text, &length);
    if (!file)
        s->host.oom(s->host.context);
    lsp_describe(file, found.view, found.ref);
    if (declared_at(found.view, found.ref, &span))
        comment_above(file, found.view, span);
    fclose(file);
    out = *text ? json_pack("{s:o, s:O}", "contents", lsp_markup(s, text), "range", range) : json_null();
    json_decref(range);
    free(text);
    return out;
}
