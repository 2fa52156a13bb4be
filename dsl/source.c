/* Source texts: checking on the way in, and the way from a byte offset to what a person calls line and column.
 *
 * The copy, the line table and the path belong to the arena. */
#include "source.h"

#include <stdbool.h>
#include <string.h>

#include "arena.h"

/* The length of the UTF-8 sequence at p, or 0. No overlong forms, no surrogates, nothing above U+10FFFF. */
static size_t sequence(const unsigned char *p, const unsigned char *end)
{
    size_t n;
    uint32_t c, least;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        n = 2, c = p[0] & 0x1f, least = 0x80;
    else if ((p[0] & 0xf0) == 0xe0)
        n = 3, c = p[0] & 0x0f, least = 0x800;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        n = 4, c = p[0] & 0x07, least = 0x10000;
    else
        return 0;
    if ((size_t)(end - p) < n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    return c >= least && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff) ? n : 0;
}

static bool valid_utf8(const char *text, size_t length, size_t *at)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + length;

    while (p < end) {
        uint64_t word;

        if (end - p >= 8 && (memcpy(&word, p, 8), (word & 0x8080808080808080u) == 0)) {
            p += 8;
            continue;
        }
        size_t n = sequence(p, end);
        if (!n) {
            *at = (size_t)(p - (const unsigned char *)text);
            return false;
        }
        p += n;
    }
    return true;
}

enum ecc_source_error ecc_source_init(struct ecc_source *source, struct ecc_arena *arena, const char *path, const char *text, size_t length,
                                      size_t *at)
{
    const char *nul;
    uint32_t nlines = 1, line = 0;

    *source = (struct ecc_source){.path = ecc_arena_strdup(arena, path), .text = ""};
    *at = 0;
    if (!length)
        text = ""; /* and not NULL */
    if (length > ECC_SOURCE_MAX) {
        *at = ECC_SOURCE_MAX;
        return ECC_SOURCE_TOO_LARGE;
    }
    if (length && (nul = memchr(text, '\0', length))) {
        *at = (size_t)(nul - text);
        return ECC_SOURCE_HAS_NUL;
    }
    if (!valid_utf8(text, length, at))
        return ECC_SOURCE_NOT_UTF8;

    source->length = (uint32_t)length;
    source->text = ecc_arena_strndup(arena, text, length);
    const char *end = source->text + length;
    for (const char *p = source->text; (p = memchr(p, '\n', (size_t)(end - p))); p++)
        nlines++;
    uint32_t *lines = ECC_NEW_ARRAY(arena, uint32_t, nlines);
    for (const char *p = source->text; (p = memchr(p, '\n', (size_t)(end - p))); p++)
        lines[++line] = (uint32_t)(p + 1 - source->text);
    source->lines = lines;
    source->nlines = nlines;
    return ECC_SOURCE_OK;
}

uint32_t ecc_source_line(const struct ecc_source *source, uint32_t offset)
{
    uint32_t low = 0, high = source->nlines;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (source->lines[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

struct ecc_position ecc_source_position(const struct ecc_source *source, uint32_t offset)
{
    uint32_t line, column = 1;

    if (!source->nlines)
        return (struct ecc_position){1, 1};
    if (offset > source->length)
        offset = source->length;
    line = ecc_source_line(source, offset);
    for (uint32_t i = source->lines[line]; i < offset; i++)
        column += ((unsigned char)source->text[i] & 0xc0) != 0x80;
    return (struct ecc_position){line + 1, column};
}
