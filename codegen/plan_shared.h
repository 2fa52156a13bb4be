/* Which transactions of a plan may share their commit although the program waits for a row in them. */
#ifndef ECC_PLAN_SHARED_H
#define ECC_PLAN_SHARED_H

#include "plan.h"

/* Marks each BEGIN of the plan. */
void ecc_plan_mark_shared(struct ecc_acts *acts);

#endif
