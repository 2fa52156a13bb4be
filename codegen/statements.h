/* The list of SQL statements and of what the compiler takes their types to be, for a test that asks PostgreSQL. */
#ifndef ECC_STATEMENTS_H
#define ECC_STATEMENTS_H

#include "shapes.h"

/* JSON, NUL-terminated, in the arena: of all units, in the order of services, programs and statements. `type` is PostgreSQL's name; a
 * column of int may also be int2 or int4, one of json also json. */
const char *ecc_statements(struct ecc_arena *arena, struct ecc_shapes *const *units, size_t n);

#endif
