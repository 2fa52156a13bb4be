/* One connection to Redis as bytes: commands out, replies in. What is asked of it, and what a lost one means, is redis.c's. */
#ifndef EC_REDIS_WIRE_H
#define EC_REDIS_WIRE_H

#include "redis.h"

struct ec_redis_wire;

/* Called from the loop only, never inside one of the calls below; each may close the connection. */
struct ec_redis_wire_calls {
    void (*open)(void);
    void (*reply)(const struct ec_redis_reply *reply, uint64_t now_ns); /* in the order of the commands; now_ns: when it was read */
    void (*lost)(const char *why);                                      /* to be closed; nothing else is called */
};

/* Begins to connect: to the path of a Unix socket, or where that is NULL to an address. NULL with why: it can't be. */
struct ec_redis_wire *ec_redis_wire_open(uv_loop_t *loop, const struct sockaddr *address, const char *path,
                                         const struct ec_redis_wire_calls *calls, const char **why);
void ec_redis_wire_send(struct ec_redis_wire *wire, size_t argc, const struct ec_str *argv); /* argv is copied */
void ec_redis_wire_close(struct ec_redis_wire *wire);                                        /* at once; frees itself in a later turn */

#endif
