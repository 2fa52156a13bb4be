/* Between shapes*.c only. */
#ifndef ECC_SHAPES_FIND_H
#define ECC_SHAPES_FIND_H

#include "shapes.h"

void *ecc_shapes_find(const struct ecc_shapes *shapes, const void *key); /* NULL for NULL and for what the unit does not have */
void ecc_shapes_replace(struct ecc_shapes *shapes, const void *key, void *value);
void ecc_shapes_sort(struct ecc_shapes *shapes);
void ecc_shapes_give_names(struct ecc_shapes *shapes);

#endif
