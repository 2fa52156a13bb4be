/* libFuzzer: any bytes through source, lexer, parser, resolver with its checks, and a format of diagnostics, which the input chooses.
 * Inputs are changed as mutate.c says. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "diag.h"
#include "parse.h"
#include "resolve.h"
#include "share.h"
#include "source.h"

static void check_span(const struct ecc_source *source, struct ecc_span span)
{
    if (span.start > span.end || span.end > source->length)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *out;
    struct ecc_arena arena;
    struct ecc_source source;
    struct ecc_diags diags;
    size_t at;

    if (!out)
        out = fopen("/dev/null", "w");
    ecc_arena_init(&arena);
    ecc_diags_init(&diags, &arena);
    if (ecc_source_init(&source, &arena, "fuzz.ecom", (const char *)data, size, &at) == ECC_SOURCE_OK) {
        const struct ecc_ast_file *file = ecc_parse(&arena, &source, &diags);

        for (size_t i = 0; i < file->decls.n; i++)
            check_span(&source, file->decls.items[i]->span);
        for (size_t i = 0; i < file->comments.n; i++)
            check_span(&source, file->comments.items[i]);
        if (!diags.errors) {
            struct ecc_model *model = ECC_NEW(&arena, struct ecc_model);
            ecc_resolve(&arena, &source, file, NULL, &diags, model, NULL);
        }
        for (size_t i = 0; i < diags.n; i++) {
            check_span(&source, diags.items[i]->span);
            if (diags.items[i]->has_second)
                check_span(&source, diags.items[i]->second);
            if (diags.items[i]->has_fix)
                check_span(&source, diags.items[i]->fix_span);
        }
        uint32_t h = fuzz_hash(data, size);
        ecc_diags_write(&diags, &source, (enum ecc_diag_format)(h % (ECC_FORMAT_GITHUB + 1)), h & 1 << 8, out);
    }
    ecc_arena_free(&arena);
    return 0;
}
