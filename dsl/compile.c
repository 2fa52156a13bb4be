/* The front end's one entry: text to checked model. Memory: all of it is in the caller's arena. */
#include "model.h"

#include "arena.h"
#include "diag.h"
#include "parse.h"
#include "resolve.h"

const struct ecc_model *ecc_compile(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags)
{
    const struct ecc_ast_file *file = ecc_parse(arena, source, diags);

    /* names that a broken part would have declared are missing: whatever came after would only cascade */
    if (diags->errors)
        return NULL;
    struct ecc_model *model = ECC_NEW(arena, struct ecc_model);
    ecc_resolve(arena, source, file, diags, model, NULL);
    return diags->errors ? NULL : model;
}
