/* A command as Redis reads it. */
#ifndef EC_REDIS_TEXT_H
#define EC_REDIS_TEXT_H

#include "app.h"

/* Puts it in place of what `out` has: an array of bulk strings (RESP). */
void ec_redis_text(struct ec_buf *out, size_t argc, const struct ec_str *argv);

#endif
