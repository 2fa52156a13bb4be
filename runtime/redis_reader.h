/* Bytes of Redis (RESP 2) to replies. */
#ifndef EC_REDIS_READER_H
#define EC_REDIS_READER_H

#include "redis.h"

struct ec_redis_reader;

struct ec_redis_reader *ec_redis_reader_new(void);
void ec_redis_reader_free(struct ec_redis_reader *reader);
void ec_redis_reader_feed(struct ec_redis_reader *reader, const char *p, size_t n); /* copied */
/* The next whole one, which lives until the next call; NULL: there is none yet, or an error. */
const struct ec_redis_reply *ec_redis_reader_next(struct ec_redis_reader *reader);
/* Why what was fed is not Redis', as long as the reader lives, or NULL. Nothing comes behind it. */
const char *ec_redis_reader_error(const struct ec_redis_reader *reader);

#endif
