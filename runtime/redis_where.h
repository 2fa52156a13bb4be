/* Where Redis is: REDIS_URL taken apart. */
#ifndef EC_REDIS_WHERE_H
#define EC_REDIS_WHERE_H

#include <stdbool.h>

struct ec_redis_where { /* texts of malloc */
    char *host, *path; /* path: a Unix socket, then there is no host */
    char *user, *password; /* or NULL */
    int port, database;
};
/* What was read by then is left to be freed also when it fails. */
bool ec_redis_where_parse(const char *url, struct ec_redis_where *out, const char **why);
void ec_redis_where_free(struct ec_redis_where *where);

#endif
