/* A source as an editor sees it: the diagnostics of ecc_compile, and all that is known in spite of them. Memory: the caller's arena. */
#ifndef ECC_ANALYZE_H
#define ECC_ANALYZE_H

#include "ast.h"
#include "refs.h"

struct ecc_diags;

struct ecc_analysis {
    const struct ecc_ast_file *file;
    struct ecc_model *model; /* never NULL; with errors, parts may be missing, and what depends on them is ecc_type_unknown or NULL */
    struct ecc_refs refs;    /* sorted */
    bool parsed;             /* no mistake of syntax: every declaration of the source is there */
};

/* diags gets what ecc_compile would report. source must outlive the analysis. */
void ecc_analyze(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags, struct ecc_analysis *analysis);

#endif
