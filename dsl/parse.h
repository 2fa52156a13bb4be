/* Text to syntax tree. */
#ifndef ECC_PARSE_H
#define ECC_PARSE_H

#include "lexer.h"

struct ecc_arena;
struct ecc_diags;
struct ecc_source;
struct ecc_sql_ahead;

/* Always returns a tree. When diags has got an error from here, the tree may lack what could not be read (see ast.h). */
const struct ecc_ast_file *ecc_parse(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags);

/* The same; SQL is told to `ahead` (sql_ahead.h), which may be NULL. */
const struct ecc_ast_file *ecc_parse_ahead(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags,
                                           struct ecc_sql_ahead *ahead);

/* The same; *taken are the tokens as the grammar took them: a keyword that was a name there is one. */
const struct ecc_ast_file *ecc_parse_tokens(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags,
                                            struct ecc_tokens *taken);

enum { ECC_MAX_KINDS = 300 };
/* Which kinds of token could stand at an offset, after all that stands before it and whatever follows. */
void ecc_parse_expected(struct ecc_arena *arena, const struct ecc_source *source, uint32_t offset, bool kinds[ECC_MAX_KINDS]);

#endif
