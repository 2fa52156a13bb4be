/* The canonical form of a topology (docs/language.md has its rules).
 *
 * Tokens and comments are kept, each in its place; only the white space between them and commas that mean nothing are made anew. The
 * result has been read again and found to be the same. */
#ifndef ECC_FORMAT_H
#define ECC_FORMAT_H

#include <stddef.h>

struct ecc_arena;
struct ecc_diags;
struct ecc_source;

/* The text, in the arena, with one line break at its end. NULL: diags has an error, or, without one, the result would not have been the
 * same, which is a mistake of ours. */
const char *ecc_format(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags, size_t *length);

#endif
