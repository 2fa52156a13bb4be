/* See redis_count.h. */
#include "redis_count.h"

#include "cache.h"

void ec_redis_counts_open(struct ec_redis_counts *counts, const struct ec_service *service)
{
    counts->up = ec_metric(EC_GAUGE_LEAST, "ec_redis_up", "1 while the connection to Redis is up", "");
    counts->sent = ec_metric(EC_COUNTER, "ec_redis_commands_total", "Commands to Redis", "");
    counts->lost = ec_metric(EC_COUNTER, "ec_redis_unanswered_total", "Commands to Redis that got no answer", "");
    counts->errors = ec_metric(EC_COUNTER, "ec_redis_errors_total", "Commands that Redis has refused", "");
    counts->seconds = ec_metric(EC_HISTOGRAM, "ec_redis_seconds", "Time of commands to Redis from sending to their answer", "");
    ec_cache_open(service);
}

void ec_redis_counts_reply(const struct ec_redis_counts *counts, enum ec_redis_type type, uint64_t took_ns)
{
    ec_metric_observe(counts->seconds, (double)took_ns / 1e9);
    if (type == EC_REDIS_ERROR)
        ec_metric_add(counts->errors, 1);
}
