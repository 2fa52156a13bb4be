/* Visits every statement and expression of a program, in source order, outer before inner. */
#ifndef ECC_WALK_H
#define ECC_WALK_H

#include "model.h"

struct ecc_walker {
    void (*stmt)(void *context, const struct ecc_stmt *stmt); /* or NULL; also called for `none` and `found` */
    void (*expr)(void *context, const struct ecc_expr *expr); /* or NULL; every subexpression */
    void *context;
};

void ecc_walk_block(const struct ecc_walker *walker, const struct ecc_block *block);
void ecc_walk_stmt(const struct ecc_walker *walker, const struct ecc_stmt *stmt);
void ecc_walk_expr(const struct ecc_walker *walker, const struct ecc_expr *expr); /* NULL is allowed */

/* Has some consumer of it a dead-letter topic? */
bool ecc_topic_has_letters(const struct ecc_model *model, const struct ecc_topic *topic);

bool ecc_may_accept(const struct ecc_op *op); /* it may answer before the work is done */

void ecc_sort_nodes(const struct ecc_node **nodes, size_t n); /* by name; nodes is not NULL */

#endif
