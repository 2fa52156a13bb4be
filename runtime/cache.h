/* Keyspaces from inside the runtime: bytes instead of structs, for the gateway's route cache. */
#ifndef EC_CACHE_H
#define EC_CACHE_H

#include "app.h"

/* Says that nothing was dropped between a read that found nothing and the write of what was computed since. A Redis that comes up again may
 * have forgotten drops, so what was read on another connection than the present one says nothing. */
struct ec_cache_version { char text[20]; uint8_t n; unsigned connection; };

/* value.p NULL: absent, or the cache is down (answered false: then nothing can be stored, either). */
typedef void ec_cache_fetched(void *data, bool answered, struct ec_str value, const struct ec_cache_version *version);
void ec_cache_fetch(const struct ec_keyspace *keyspace, struct ec_str key, ec_cache_fetched *done, void *data);

bool ec_cache_version_eq(const struct ec_cache_version *a, const struct ec_cache_version *b);

/* Stores, unless the key was or may have been dropped since version was read; version NULL: in any case. done(data) or NULL. */
void ec_cache_store(const struct ec_keyspace *keyspace, struct ec_str key, struct ec_str value, const struct ec_cache_version *version,
                    void (*done)(void *data), void *data);

/* The Redis key of an entry, in a buffer of malloc. */
struct ec_str ec_cache_key(struct ec_buf *buf, const struct ec_keyspace *keyspace, struct ec_str key);

void ec_cache_open(const struct ec_service *service); /* makes the series of its keyspaces; redis.c does when it starts */
void ec_cache_count(const struct ec_keyspace *keyspace, const char *outcome); /* hit, miss, error: for who reads with ec_cache_fetch */
void ec_cache_count_near(const struct ec_keyspace *keyspace);                 /* a hit for which nobody was asked (cache_near.h) */
size_t ec_cache_pending_drops(void);
/* The span of a read or write: verb get, put or drop. */
void ec_cache_tell(const struct ec_trace *parent, const struct ec_keyspace *keyspace, const char *verb, const char *outcome, uint64_t began_ns);

#endif
