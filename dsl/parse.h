/* Text to syntax tree. */
#ifndef ECC_PARSE_H
#define ECC_PARSE_H

#include "ast.h"

struct ecc_arena;
struct ecc_diags;
struct ecc_source;

/* Always returns a tree. When diags has got an error from here, the tree may lack what could not be read (see ast.h). */
const struct ecc_ast_file *ecc_parse(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags);

#endif
