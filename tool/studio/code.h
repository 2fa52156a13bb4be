/* The policy of a node or an edge, in words: the member "policy" of an object, a list of names and values. policy.c */
#ifndef ECC_STUDIO_CODE_H
#define ECC_STUDIO_CODE_H

#include "studio.h"

void studio_write_node_policy(struct ecc_writer *w, const struct ecc_node *node);
/* label: one message of it; NULL: all. */
void studio_write_edge_policy(struct ecc_writer *w, const struct ecc_edge *edge, const char *label);

/* Is the word one of those that a message's label is made of? label NULL: any. code.c */
bool studio_names(const char *label, const char *word);

#endif
