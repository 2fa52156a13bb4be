/* How the compiler takes the words of topologies, for tests/editors/grammar.mjs: of each FILE its name, then a line a token,
 * `START END CLASS`, in bytes; the class is keyword, name, string, number, sql, raw or sign. A file with an error of syntax is left out.
 *
 * usage: words FILE ...
 *
 * Everything of a file is in one arena. */
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "ast.h"
#include "diag.h"
#include "grammar.h"
#include "parse.h"
#include "source.h"

static const char *class_of(unsigned kind)
{
    switch (kind) {
    case ECC_TOK_RETURN_BARE:
    case ECC_TOK_UNIQUE_RAW:
    case ECC_TOK_PRIMARY_RAW:
        return "keyword";
    case ECC_TOK_WORD:
    case ECC_TOK_SNAKE:
    case ECC_TOK_KEBAB:
    case ECC_TOK_PASCAL:
    case ECC_TOK_UPPER:
    case ECC_TOK_MIXED:
        return "name";
    case ECC_TOK_STRING:
        return "string";
    case ECC_TOK_INT:
    case ECC_TOK_FLOAT:
    case ECC_TOK_DURATION:
    case ECC_TOK_RATE:
        return "number";
    case ECC_TOK_SQLTEXT:
        return "sql";
    case ECC_TOK_RAW:
        return "raw";
    }
    return ecc_token_is_keyword(kind) ? "keyword" : "sign";
}

static void words(const char *path, const char *text, size_t length)
{
    struct ecc_arena arena;
    struct ecc_source source;
    struct ecc_diags diags;
    struct ecc_tokens taken = {0};
    size_t at;

    ecc_arena_init(&arena);
    ecc_diags_init(&diags, &arena);
    if (ecc_source_init(&source, &arena, path, text, length, &at) == ECC_SOURCE_OK) {
        ecc_parse_tokens(&arena, &source, &diags, &taken);
        if (!diags.errors) {
            printf("%s\n", path);
            for (size_t i = 0; i + 1 < taken.n; i++)
                printf("%u %u %s\n", taken.items[i].start, taken.items[i].end, class_of(taken.items[i].kind));
        }
    }
    ecc_arena_free(&arena);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        char *text = malloc(ECC_SOURCE_MAX);
        size_t length;

        if (!file || !text) {
            perror(argv[i]);
            return 1;
        }
        length = fread(text, 1, ECC_SOURCE_MAX, file);
        if (ferror(file)) {
            perror(argv[i]);
            return 1;
        }
        fclose(file);
        words(argv[i], text, length);
        free(text);
    }
    return 0;
}
