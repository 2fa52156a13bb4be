/* The list of references: adding, sorting, asking. */
#include "refs.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"

void ecc_ref_add(struct ecc_refs *refs, const struct ecc_ref *ref)
{
    ECC_PUSH(refs->arena, refs, *ref);
}

static int by_place(const void *left, const void *right)
{
    const struct ecc_ref *a = left, *b = right;

    if (a->span.start != b->span.start)
        return a->span.start < b->span.start ? -1 : 1;
    if (a->span.end != b->span.end) /* what is around comes first */
        return a->span.end > b->span.end ? -1 : 1;
    if (a->declares != b->declares)
        return a->declares ? -1 : 1;
    if (a->decl.start != b->decl.start)
        return a->decl.start < b->decl.start ? -1 : 1;
    if (a->kind != b->kind) /* the first is kept: a parameter, not the variable that it is in the body */
        return a->kind < b->kind ? -1 : 1;
    return a->entity == b->entity ? 0 : (uintptr_t)a->entity < (uintptr_t)b->entity ? -1 : 1;
}

bool ecc_ref_same(const struct ecc_ref *a, const struct ecc_ref *b)
{
    if (a->decl.end && b->decl.end)
        return a->decl.start == b->decl.start && a->decl.end == b->decl.end;
    return !a->decl.end && !b->decl.end && a->entity == b->entity;
}

void ecc_refs_sort(struct ecc_refs *refs)
{
    size_t kept = 0;

    if (!refs->n)
        return;
    qsort(refs->items, refs->n, sizeof *refs->items, by_place);
    for (size_t i = 0; i < refs->n; i++) {
        const struct ecc_ref *last = kept ? &refs->items[kept - 1] : NULL, *r = &refs->items[i];
        if (last && last->span.start == r->span.start && last->span.end == r->span.end && ecc_ref_same(last, r))
            continue;
        refs->items[kept++] = *r;
    }
    refs->n = kept;
}

const struct ecc_ref *ecc_ref_at(const struct ecc_refs *refs, uint32_t offset)
{
    const struct ecc_ref *best = NULL;

    for (size_t i = 0; i < refs->n && refs->items[i].span.start <= offset; i++) {
        const struct ecc_ref *r = &refs->items[i];
        /* behind the last letter is still on the name, unless another begins there */
        if (offset > r->span.end || (best && r->span.end - r->span.start > best->span.end - best->span.start && best->span.end > offset))
            continue;
        if (!best || r->span.end > offset || r->span.end - r->span.start < best->span.end - best->span.start) {
            bool same = best && best->span.start == r->span.start && best->span.end == r->span.end;
            best = same ? best : r;
        }
    }
    return best;
}

const struct ecc_ref *ecc_ref_declaration(const struct ecc_refs *refs, const struct ecc_ref *of)
{
    for (size_t i = 0; i < refs->n; i++)
        if (refs->items[i].declares && ecc_ref_same(&refs->items[i], of))
            return &refs->items[i];
    return NULL;
}

struct ecc_span ecc_field_decl(const struct ecc_field *field)
{
    return field->origin ? field->origin->span : field->span;
}

const char *ecc_ref_word(enum ecc_ref_kind kind)
{
    static const char *const words[] = {
#define X(e, word, spelling) [ECC_REF_##e] = word,
        ECC_REF_KINDS(X)
#undef X
    };
    return words[kind];
}

enum ecc_spelling ecc_ref_spelling(enum ecc_ref_kind kind)
{
    static const enum ecc_spelling spellings[] = {
#define X(e, word, spelling) [ECC_REF_##e] = ECC_SPELLING_##spelling,
        ECC_REF_KINDS(X)
#undef X
    };
    return spellings[kind];
}
