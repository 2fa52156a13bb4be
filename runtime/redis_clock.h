/* The time by Redis' own clock: processes that share a server agree on it, whatever their own clocks say. */
#ifndef EC_REDIS_CLOCK_H
#define EC_REDIS_CLOCK_H

#include "redis.h"

/* Microseconds since 1970, off by a round trip to Redis at most. False: Redis has not told (there was no connection yet, or it refuses
 * TIME). */
bool ec_redis_clock(int64_t *us);

/* redis.c: asks on a new connection, whose server may be another one, by what sends a command while it is greeted. */
void ec_redis_clock_begin(void (*send)(size_t argc, const struct ec_str *argv, ec_redis_done *done, void *data));

/* What is known of another clock from one question: by how much it is ahead of ours, and how far off that may be. */
struct ec_redis_clock_sample {
    int64_t ahead_us, error_us;
};
/* Of a question asked at `asked`, answered at `now` (microseconds of a clock that is never set) with `told`. */
struct ec_redis_clock_sample ec_redis_clock_sample(uint64_t asked, uint64_t now, int64_t told);
/* Whether `sample`, of `age_us` later than `kept`, is to be used from now on. */
bool ec_redis_clock_better(struct ec_redis_clock_sample sample, struct ec_redis_clock_sample kept, uint64_t age_us);

#endif
