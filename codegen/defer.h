/* Which statements of a transaction nobody waits for. */
#ifndef ECC_DEFER_H
#define ECC_DEFER_H

#include "model.h"

/* May the statement, SQL of the program, go out with whatever its transaction sends next? */
bool ecc_is_deferred(const struct ecc_program *program, const struct ecc_stmt *stmt);

/* Is the statement a write that is in no transaction? */
bool ecc_is_lone(const struct ecc_program *program, const struct ecc_stmt *stmt);

#endif
