/* The list of crash points: where a process of the system commits, sends or receives (docs/design.md, Crash points). */
#ifndef ECC_CRASH_POINTS_H
#define ECC_CRASH_POINTS_H

#include "shapes.h"

/* JSON, NUL-terminated, in the arena: of all units, after their files were made. Sorted by point. */
const char *ecc_crash_points(struct ecc_arena *arena, const struct ecc_model *model, struct ecc_shapes *const *units, size_t n);

#endif
