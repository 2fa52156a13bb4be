/* Tokens of a limit that the process has taken from Redis beforehand; between limiter.c and lease.c. */
#ifndef EC_LEASE_H
#define EC_LEASE_H

#include "limiter.h"
#include "redis.h"

/* lease.c */
/* As ec_limiter_take. False: nothing was done, since every place is of somebody who waits for Redis. */
bool ec_lease_take(const struct ec_limit *limit, struct ec_str who, void (*done)(void *data, const struct ec_limit_verdict *verdict),
                   void *data);
void ec_lease_close(void); /* nobody waits any more */

/* limiter.c */
struct ec_limit_grant { int64_t n, left, full_us, retry_us; }; /* n 0: refused; left: in the bucket, besides */
void ec_limiter_ask(const struct ec_limit *limit, struct ec_str who, int want, ec_redis_done *done, void *data);
/* The answer to that. False: Redis did not say. */
bool ec_limiter_granted(const struct ec_limit *limit, struct ec_str who, int want, const struct ec_redis_reply *reply,
                        struct ec_limit_grant *grant);
void ec_limiter_count(const struct ec_limit_verdict *verdict);
int64_t ec_limiter_seconds(int64_t us); /* begun ones count */
int64_t ec_limiter_token_us(const struct ec_limit *limit);

#endif
