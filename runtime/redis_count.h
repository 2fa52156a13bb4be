/* What is told of the connection to Redis. Series live as long as the process. */
#ifndef EC_REDIS_COUNT_H
#define EC_REDIS_COUNT_H

#include "app.h"
#include "redis.h"

struct ec_redis_counts { struct ec_metric *up, *sent, *lost, *errors, *seconds; };

void ec_redis_counts_open(struct ec_redis_counts *counts, const struct ec_service *service); /* and those of the service's keyspaces */
void ec_redis_counts_reply(const struct ec_redis_counts *counts, enum ec_redis_type type, uint64_t took_ns);

#endif
