/* The first level of a keyspace with `near`: what this process has read of Redis, kept in its own memory for at most that long. */
#ifndef EC_CACHE_NEAR_H
#define EC_CACHE_NEAR_H

#include "app.h"

/* A read that has to go to Redis: what it brings is kept unless the process has put or dropped meanwhile. */
struct ec_near_read { uint64_t hash, sent_ns; uint32_t generation; };

enum { EC_NEAR_VALUES = 65536, EC_NEAR_BYTES = 64 << 20, EC_NEAR_LARGEST = 65536 }; /* of a process; the last one is of a value */

/* True: *value is there, until anything else is done with a cache. False: *read is filled in, as of now; ask Redis. */
bool ec_near_find(const struct ec_keyspace *keyspace, struct ec_str key, struct ec_str *value, struct ec_near_read *read);

/* What Redis has answered to that read: sound JSON of the keyspace's record. */
void ec_near_keep(const struct ec_keyspace *keyspace, struct ec_str key, struct ec_str value, const struct ec_near_read *read);

/* This process puts or drops: nothing that was read before is kept, nor what is on its way. */
void ec_near_forget(const struct ec_keyspace *keyspace, struct ec_str key);
void ec_near_forget_all(void);

void ec_near_open(void); /* makes the series; who has a keyspace with `near` does when it starts */
size_t ec_near_values(void);
size_t ec_near_bytes(void);

#endif
