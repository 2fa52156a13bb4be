/* Redis from the runtime's side: one pipelined connection a process. What is sent in one turn of the loop leaves in one write, so commands
 * that belong together share a round trip when they are started in the same turn. */
#ifndef EC_REDIS_H
#define EC_REDIS_H

#include "app.h"

enum ec_redis_type { EC_REDIS_NIL, EC_REDIS_TEXT, EC_REDIS_STATUS, EC_REDIS_INT, EC_REDIS_ERROR, EC_REDIS_ARRAY };

struct ec_redis_reply { /* lives until the callback returns */
    enum ec_redis_type type;
    struct ec_str text; /* TEXT, STATUS, ERROR */
    int64_t i;          /* INT */
    size_t n;           /* ARRAY */
    const struct ec_redis_reply *items;
};
enum { EC_REDIS_MAX_EVAL = 14 };

/* Called once, never inside the call that sent the command. reply NULL: no answer; the connection is down, was lost or did not answer in time,
 * and whether the command had its effect is not known (unless ec_redis_up said no before it was sent). */
typedef void ec_redis_done(void *data, const struct ec_redis_reply *reply);

/* argv is copied; done may be NULL. When the connection is down the command fails in the next turn: what that means is the caller's to decide. */
void ec_redis_command(size_t argc, const struct ec_str *argv, ec_redis_done *done, void *data);
#define EC_REDIS(done, data, ...)                                                                                                     \
    ec_redis_command(sizeof((const struct ec_str[]){__VA_ARGS__}) / sizeof(struct ec_str), (const struct ec_str[]){__VA_ARGS__}, (done), (data))

bool ec_redis_up(void);

/* Called each time the connection has come up, before anything else is sent on it. Registered once, before or after the start. */
struct ec_redis_watch {
    void (*up)(void);
    bool (*idle)(void); /* nothing left to send; or NULL */
    void (*stop)(void); /* the connection goes for good; or NULL */
    struct ec_redis_watch *next;
};
void ec_redis_watch_add(struct ec_redis_watch *watch);

/* A script: loaded each time the connection comes up, called by its hash. */
struct ec_redis_script {
    const char *text;
    char sha[41]; /* "" until it is loaded */
    struct ec_redis_script *next;
    bool added;
};
void ec_redis_script_add(struct ec_redis_script *script);
/* args are those after the script: number of keys, keys, values; at most EC_REDIS_MAX_EVAL. A server that has lost the script
 * (SCRIPT FLUSH) is given its text once. */
void ec_redis_eval(struct ec_redis_script *script, size_t n, const struct ec_str *args, ec_redis_done *done, void *data);

/* For tests and other starters than ec_main. url as in REDIS_URL; false with a line in why when it can't be understood. */
bool ec_redis_configure(const char *url, const char **why);

#endif
