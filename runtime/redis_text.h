/* A command as Redis reads it. */
#ifndef EC_REDIS_TEXT_H
#define EC_REDIS_TEXT_H

#include "app.h"

/* Adds it to `out`: an array of bulk strings (RESP). */
void ec_redis_text(struct ec_buf *out, size_t argc, const struct ec_str *argv);

#endif
