/* Renaming. The edits of rename_edits.c are made, and the result is compiled before it is offered: it must have no mistake that was not
 * there before, and every name must mean what it meant. */
#include "rename.h"

#include <stdlib.h>
#include <string.h>

static bool refuse(struct lsp_failure *failure, const char *why, const char *name)
{
    lsp_fail(failure, LSP_REQUEST_FAILED, why, name);
    return false;
}

/* Can what stands there get another name at all? */
static bool may_be_renamed(const struct lsp_place *place, const struct ecc_ref *ref, struct lsp_failure *failure)
{
    const struct ecc_ref *decl = ref ? ecc_ref_declaration(&place->view->analysis.refs, ref) : NULL;

    if (!place->view->sound || !place->view->analysis.parsed) {
        lsp_fail(failure, LSP_REQUEST_FAILED, "mend the mistakes of syntax first: until then not every use is known");
        return false;
    }
    if (!ref || ecc_ref_spelling(ref->kind) == ECC_SPELLING_NO)
        return refuse(failure, "there is no name here that could be changed%s", "");
    if (ref->kind == ECC_REF_VALUE)
        return refuse(
            failure,
            "`%s` is a value that rows and messages hold: declare the new value beside it, move what has the old one, then take it out",
            ref->name);
    if (!ref->decl.end && ref->kind != ECC_REF_FIELD)
        return refuse(failure, "`%s` is the language's own", ref->name);
    if (ref->decl.end && !decl)
        return refuse(failure, "`%s` is not declared under a name of its own", ref->name);
    return true;
}

json_t *lsp_prepare_rename(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    struct lsp_place place;

    if (!lsp_place_of(s, params, &place, failure))
        return NULL;
    const struct ecc_ref *ref = ecc_ref_at(&place.view->analysis.refs, place.offset);
    if (!may_be_renamed(&place, ref, failure))
        return NULL;
    return json_pack("{s:o, s:s}", "range", lsp_range(&place.view->text, ref->span), "placeholder", ref->name);
}

/* ------------------------------------------------------------------ the new name */

static bool is_spelled(const char *name, enum ecc_spelling spelling)
{
    char mark = spelling == ECC_SPELLING_KEBAB ? '-' : '_';
    bool pascal = spelling == ECC_SPELLING_PASCAL;

    if (pascal ? !(*name >= 'A' && *name <= 'Z') : !(*name >= 'a' && *name <= 'z'))
        return false;
    for (const char *p = name + 1; *p; p++) {
        bool small = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9'), capital = *p >= 'A' && *p <= 'Z';
        if (!small && !(pascal && capital) && !(!pascal && *p == mark && p[-1] != mark && p[1]))
            return false;
    }
    return true;
}

static bool is_valid(const struct ecc_ref *ref, const char *name, struct lsp_failure *failure)
{
    static const char *const words[] = {"", "kebab-case, such as `trip-planner`", "snake_case, such as `trip_planner`",
                                        "PascalCase, such as `TripPlanner`"};
    enum ecc_spelling spelling = ecc_ref_spelling(ref->kind);

    if (is_spelled(name, spelling))
        return true;
    lsp_fail(failure, LSP_REQUEST_FAILED, "`%.60s` can't name this %s: it is written in %s", name, ecc_ref_word(ref->kind),
             words[spelling]);
    return false;
}

/* ------------------------------------------------------------------ is it still the same? */

static const struct ecc_diag *new_error(const struct rename *r, const struct lsp_view *after)
{
    const struct ecc_diags *before = &r->view->topology.diags;

    for (size_t i = 0; i < after->topology.diags.n; i++) {
        const struct ecc_diag *d = after->topology.diags.items[i];
        bool known = d->severity != ECC_ERROR;
        for (size_t k = 0; !known && k < before->n; k++)
            known = before->items[k]->code == d->code && rename_moved(r, before->items[k]->span.start) == d->span.start;
        if (!known)
            return d;
    }
    return NULL;
}

/* Written out anew together with what is around it: `...x`. */
static bool is_rewritten(const struct rename *r, struct ecc_span span)
{
    for (size_t i = 0; i < r->edits.n; i++) {
        struct ecc_span e = r->edits.items[i].span;
        if (e.start <= span.start && span.end <= e.end && e.end - e.start > span.end - span.start)
            return true;
    }
    return false;
}

/* A reference that has no counterpart at its new place, with its declaration at that one's. */
static const struct ecc_ref *lost(const struct rename *r, const struct lsp_view *after)
{
    const struct ecc_refs *old = &r->view->analysis.refs, *new_ = &after->analysis.refs;

    for (size_t i = 0; i < old->n; i++) {
        const struct ecc_ref *o = &old->items[i];
        uint32_t at = rename_moved(r, o->span.start), decl = rename_moved(r, o->decl.start);
        size_t low = 0, high = new_->n;
        bool found = false;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (new_->items[middle].span.start < at)
                low = middle + 1;
            else
                high = middle;
        }
        for (; !found && low < new_->n && new_->items[low].span.start == at; low++) {
            const struct ecc_ref *n = &new_->items[low];
            found = n->kind == o->kind && (o->decl.end ? n->decl.end && n->decl.start == decl : !n->decl.end);
        }
        if (!found && !is_rewritten(r, o->span))
            return o;
    }
    return NULL;
}

static bool is_the_same(struct ecc_lsp *s, const struct lsp_document *doc, struct rename *r, struct lsp_failure *failure)
{
    size_t length;
    const char *text = rename_apply(r, &length);
    /* what a release has to say to it is told of the text, and is no reason to leave it */
    struct lsp_view *after = lsp_view_new(s, doc->path, text, length, false);
    const struct ecc_diag *error = new_error(r, after);
    const struct ecc_ref *gone = error ? NULL : lost(r, after);

    if (error)
        lsp_fail(failure, LSP_REQUEST_FAILED, "`%.60s` can't be called `%.60s`: %.200s (line %u)", r->old, r->new_, error->message,
                 ecc_source_position(&after->topology.source, error->span.start).line);
    else if (gone)
        lsp_fail(failure, LSP_REQUEST_FAILED, "`%.60s` can't be called `%.60s`: then `%.60s` in line %u would mean something else", r->old,
                 r->new_, gone->name, ecc_source_position(&r->view->topology.source, gone->span.start).line);
    lsp_view_free(after);
    return !error && !gone;
}

/* ------------------------------------------------------------------ what to know about it */

static const char *annotation(const struct rename *r)
{
    switch (r->what->kind) {
    case ECC_REF_TABLE:
    case ECC_REF_COLUMN:
        return r->was ? "The database changes by a migration: `was` says what it was called." : "The database changes by a migration.";
    case ECC_REF_NODE:
        return "A node's name is in its address, its tokens and its released migrations (ecom.lock).";
    case ECC_REF_TOPIC:
        return "On the bus this is another topic: what is in the old one is not read.";
    case ECC_REF_EVENT:
        return "On the bus this is another event: programs of other versions do not know it.";
    case ECC_REF_ERROR:
        return "The problem type on the wire changes.";
    case ECC_REF_SAGA:
    case ECC_REF_STEP:
        return "Sagas under way are stored under the old name.";
    case ECC_REF_KEYSPACE:
        return "What is cached under the old name is left to expire.";
    case ECC_REF_BRANCH:
        return "The member of the reply changes on the wire.";
    case ECC_REF_OP:
        return "The path between services changes; `was` tells `ecomc plan` that it is the same operation.";
    default:
        if (r->wire)
            return "Its name in JSON stays, by `as`: rows, providers or sagas under way have it.";
        return r->was ? "Its name in JSON changes: `was` tells `ecomc plan` that it is the same field." : NULL;
    }
}

json_t *lsp_rename(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    const char *name = json_string_value(json_object_get(params, "newName"));
    struct lsp_place place;
    json_t *edits;

    if (!lsp_place_of(s, params, &place, failure))
        return NULL;
    if (!name)
        return lsp_fail(failure, LSP_INVALID_PARAMS, "newName is missing");
    const struct ecc_ref *ref = ecc_ref_at(&place.view->analysis.refs, place.offset);
    if (!may_be_renamed(&place, ref, failure) || !is_valid(ref, name, failure))
        return NULL;
    if (strcmp(name, ref->name) == 0)
        return lsp_workspace_edit(s, place.doc, json_array(), NULL);
    struct rename r = {
        .view = place.view, .arena = (struct ecc_arena *)(uintptr_t)&place.view->arena, .what = ref, .old = ref->name, .new_ = name};
    if (!rename_collect(&r, failure) || !is_the_same(s, place.doc, &r, failure))
        return NULL;
    edits = json_array();
    for (size_t i = 0; i < r.edits.n; i++)
        json_array_append_new(edits, lsp_text_edit(&place.view->text, r.edits.items[i].span, r.edits.items[i].text));
    return lsp_workspace_edit(s, place.doc, edits, annotation(&r));
}
