/* The front end's one entry: text to checked model. Memory: all of it is in the caller's arena.
 *
 * What was released before comes second: the topology is compiled alone, and only where that shows something that ecom.lock has otherwise
 * it is compiled again with those releases behind its text. So an old version of a saga is resolved, checked and generated like any other,
 * against the operations, tables and edges that there are now.
 */
#include "model.h"

#include "arena.h"
#include "diag.h"
#include "parse.h"
#include "release.h"
#include "resolve.h"
#include "source.h"
#include "sql_ahead.h"

#include <string.h>

static struct ecc_model *compile(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_pasts *past, struct ecc_diags *diags,
                                 const struct ecc_ast_file **file)
{
    struct ecc_sql_ahead *ahead = ecc_sql_ahead_begin(arena);
    struct ecc_model *model = ECC_NEW(arena, struct ecc_model);

    *file = ecc_parse_ahead(arena, source, diags, ahead);
    if (!diags->errors) /* names that a broken part would have declared are missing: whatever came after would only cascade */
        ecc_resolve(arena, source, *file, past, diags, model, NULL);
    ecc_sql_ahead_end(ahead);
    return diags->errors ? NULL : model;
}

/* The topology with the releases behind it; where each came to stand is noted. */
static const struct ecc_source *join(struct ecc_arena *arena, const struct ecc_source *own, struct ecc_pasts *past)
{
    struct ecc_source *joined = ECC_NEW(arena, struct ecc_source);
    size_t n = own->length + 1, at;

    for (size_t i = 0; i < past->n; i++)
        n += strlen(past->items[i].release->text) + 1;
    char *text = ecc_arena_alloc(arena, n + 1);
    memcpy(text, own->text, own->length);
    n = own->length;
    text[n++] = '\n';
    for (size_t i = 0; i < past->n; i++) {
        size_t length = strlen(past->items[i].release->text);
        memcpy(text + n, past->items[i].release->text, length);
        past->items[i].span = (struct ecc_span){(uint32_t)n, (uint32_t)(n + length)};
        n += length;
        text[n++] = '\n';
    }
    return ecc_source_init(joined, arena, own->path, text, n, &at) == ECC_SOURCE_OK ? joined : NULL;
}

const struct ecc_model *ecc_compile_after(struct ecc_arena *arena, const struct ecc_source *source, const struct ecc_releases *releases,
                                          struct ecc_diags *diags)
{
    static const struct ecc_releases none;
    size_t said = diags->n, errors = diags->errors;
    const struct ecc_ast_file *file;
    struct ecc_pasts past = {0};
    struct ecc_model *model = compile(arena, source, NULL, diags, &file);

    if (!model)
        return NULL;
    if (!releases)
        releases = &none;
    ecc_release_texts(arena, source, file, model);
    ecc_release_pick(arena, model, releases, &past);
    if (past.n) {
        const struct ecc_source *joined = join(arena, source, &past);
        if (joined) {
            diags->n = said;
            diags->errors = errors;
            struct ecc_model *both = compile(arena, joined, &past, diags, &file);
            ecc_release_reports(arena, model, source->length, &past, diags);
            if (!both)
                return NULL;
            model = both;
            ecc_release_texts(arena, source, file, model);
        }
    }
    ecc_release_number(arena, model, releases, &past, diags);
    return diags->errors ? NULL : model;
}

const struct ecc_model *ecc_compile(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags)
{
    return ecc_compile_after(arena, source, NULL, diags);
}
