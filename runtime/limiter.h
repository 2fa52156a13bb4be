/* Rate limits that several gateways share, in Redis. */
#ifndef EC_LIMITER_H
#define EC_LIMITER_H

#include "app.h"

struct ec_limit_verdict {
    bool known;        /* false: Redis did not answer; `allowed` is what the limit says for that */
    bool allowed;
    bool local;        /* from what the process had at hand: no message was sent, and none waited for */
    int64_t remaining; /* requests left now */
    int64_t reset_s;   /* until the bucket is full again */
    int64_t retry_s;   /* refused: until the next one is allowed, at least 1 */
};

void ec_limiter_open(void);  /* makes the series; once, before the first */
void ec_limiter_close(void); /* what is left of leases is lost; nobody waits any more */

/* Takes one token from the bucket of `who`. Without waiting in between: what else is sent in this turn shares its round trip. With a lease `done` may be
 * called before this returns; `who` is not read after that. */
void ec_limiter_take(const struct ec_limit *limit, struct ec_str who, void (*done)(void *data, const struct ec_limit_verdict *verdict),
                     void *data);

/* Adds `RateLimit-Policy`, `RateLimit` and, when refused, `Retry-After` (draft-ietf-httpapi-ratelimit-headers). Nothing when not known and
 * allowed. */
void ec_limiter_headers(struct ec_buf *buf, const struct ec_limit *limit, const struct ec_limit_verdict *verdict);

#endif
