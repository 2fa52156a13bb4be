/* libFuzzer: any text that parses has a canonical form, which has the same tokens and comments and is its own. See tests/fuzz/run.py. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "diag.h"
#include "format.h"
#include "source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ecc_arena arena;
    struct ecc_source source;
    struct ecc_diags diags;
    const char *text = (const char *)data, *before = NULL;
    size_t at, length = size;

    ecc_arena_init(&arena);
    for (int round = 0; round < 2; round++) {
        size_t before_length = length;

        before = text;
        ecc_diags_init(&diags, &arena);
        if (ecc_source_init(&source, &arena, "fuzz.ecom", text, length, &at) != ECC_SOURCE_OK)
            break;
        text = ecc_format(&arena, &source, &diags, &length);
        if (diags.errors && !round)
            break;
        if (!text || diags.errors) /* ecc_format has compared, and found a difference */
            abort();
        if (round && (length != before_length || memcmp(text, before, length)))
            abort();
    }
    ecc_arena_free(&arena);
    return 0;
}
