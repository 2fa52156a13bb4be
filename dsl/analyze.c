/* The front end for editors: after mistakes of syntax, too, the parts that could be read get their meaning; what the resolver would say of
 * such a torso is not told. */
#include "analyze.h"

#include "arena.h"
#include "diag.h"
#include "parse.h"
#include "resolve.h"

void ecc_analyze(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags, struct ecc_analysis *analysis)
{
    struct ecc_diags unseen;

    analysis->file = ecc_parse(arena, source, diags);
    analysis->model = ECC_NEW(arena, struct ecc_model);
    analysis->refs = (struct ecc_refs){.arena = arena, .source = source};
    analysis->parsed = !diags->errors;
    ecc_diags_init(&unseen, arena);
    unseen.errors = 1; /* the checks of the whole are for a whole */
    ecc_resolve(arena, source, analysis->file, NULL, analysis->parsed ? diags : &unseen, analysis->model, &analysis->refs);
    ecc_refs_sort(&analysis->refs);
}
