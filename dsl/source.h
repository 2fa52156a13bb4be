/* A source text and where its lines begin. Text is NUL-terminated (the lexer's sentinel) and has no NUL inside. */
#ifndef ECC_SOURCE_H
#define ECC_SOURCE_H

#include <stddef.h>
#include <stdint.h>

struct ecc_arena;

enum { ECC_SOURCE_MAX = 16 * 1024 * 1024 };

struct ecc_source {
    const char *path; /* as the user gave it; only for diagnostics */
    const char *text;
    uint32_t length;
    const uint32_t *lines; /* offset of each line's first byte */
    uint32_t nlines;
};

enum ecc_source_error { ECC_SOURCE_OK, ECC_SOURCE_TOO_LARGE, ECC_SOURCE_HAS_NUL, ECC_SOURCE_NOT_UTF8 };

/* Copies text into the arena. On an error, *at is the offset of the offending byte. */
enum ecc_source_error ecc_source_init(struct ecc_source *source, struct ecc_arena *arena, const char *path, const char *text,
                                      size_t length, size_t *at);

struct ecc_position { uint32_t line, column; }; /* from 1; columns count code points */
uint32_t ecc_source_line(const struct ecc_source *source, uint32_t offset); /* index into lines; quick on long lines, too */
struct ecc_position ecc_source_position(const struct ecc_source *source, uint32_t offset);

#endif
