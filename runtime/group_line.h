/* Units that have gathered and wait for the lane, in their order. group.c's alone. */
#ifndef EC_GROUP_LINE_H
#define EC_GROUP_LINE_H

#include "group.h"

struct ec_group_line {
    struct ec_group_unit *first, **end; /* end: where the next goes; NULL of an empty one */
};

void ec_group_line_add(struct ec_group_line *line, struct ec_group_unit *unit);
/* Before all others, in their order. */
void ec_group_line_back(struct ec_group_line *line, struct ec_group_unit *units);
/* Those that are to run alone or not, that open or not, in their order, as many as have room for `room` statements; one of more when `sent`
 * is 0. Adds to `sent` how many statements they have. */
struct ec_group_unit *ec_group_line_take(struct ec_group_line *line, bool alone, bool opens, int room, int *sent);
/* Those whose deadline has come, or all. */
struct ec_group_unit *ec_group_line_expired(struct ec_group_line *line, uint64_t now, bool all);

#endif
