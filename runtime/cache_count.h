/* What is counted of keyspaces: each has its series, found or made at its first use. */
#ifndef EC_CACHE_COUNT_H
#define EC_CACHE_COUNT_H

#include "app.h"

struct ec_cache_counts {
    const struct ec_keyspace *keyspace;
    struct ec_metric *hit, *miss, *error, *stored, *dropped, *near; /* near NULL: none is kept */
};
struct ec_cache_counts *ec_cache_counts_of(const struct ec_keyspace *keyspace);

struct ec_cache_drop_counts { struct ec_metric *late, *lost; };
extern struct ec_cache_drop_counts ec_cache_drops; /* of all keyspaces */
void ec_cache_count_drops(void);                    /* makes them */

#endif
