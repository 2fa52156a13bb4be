/* Values of keyspaces with `near`, in the memory of the process that has read them.
 *
 * How old they may be: a value's time counts from when its read was sent, so what somebody else puts or drops is seen by everybody `near`
 * later at most, and a value that was about to end in Redis lives at most ttl + near. Whether Redis can be reached does not matter: the
 * time goes on, and nothing is kept any longer for its being away.
 *
 * What this process itself puts or drops is seen by it at once. The value goes, and the generation of its key is another: a read that is on
 * its way was sent under the one before, and what it brings is not kept. Generations are of many keys each, which costs now and then a
 * value that could have been kept.
 *
 * Bounds: EC_NEAR_VALUES, EC_NEAR_BYTES with what each costs beside its bytes, EC_NEAR_LARGEST; whoever was asked for longest ago makes
 * room. Clients choose keys, so buckets are chosen by a keyed hash. A value is one block of malloc, and nothing but the table points at it.
 */
#include "cache_near.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "siphash.h"

enum { BUCKETS = 65536, GENERATIONS = 4096, SWEEP = 4 };

struct near { /* the key's bytes and the value's follow */
    struct near *next;            /* in its bucket */
    struct near *newer, *older;   /* by when it was asked for */
    const struct ec_keyspace *keyspace;
    uint64_t hash, until_ns;
    uint32_t nkey, nvalue;
    char bytes[];
};

static struct near *buckets[BUCKETS];
static uint32_t generations[GENERATIONS];
static struct near *newest, *oldest;
static size_t nvalues, nbytes;
static struct ec_metric *gauge;

void ec_near_open(void)
{
    gauge = ec_metric(EC_GAUGE, "ec_cache_near_bytes", "What values of keyspaces with `near` take of the process's memory", "");
}

size_t ec_near_values(void)
{
    return nvalues;
}

size_t ec_near_bytes(void)
{
    return nbytes;
}

static uint64_t hash_of(const struct ec_keyspace *keyspace, struct ec_str key)
{
    static uint8_t secret[16];
    static bool made;

    if (!made)
        ec_random(secret, sizeof(secret));
    made = true;
    return ec_siphash(secret, key.p, key.n) ^ (uintptr_t)keyspace;
}

static uint32_t *generation_of(uint64_t hash)
{
    return &generations[(hash >> 32) % GENERATIONS];
}

static size_t cost_of(const struct near *near)
{
    return sizeof(*near) + near->nkey + near->nvalue;
}

/* ------------------------------------------------------------------ the table */

static struct near *find(const struct ec_keyspace *keyspace, struct ec_str key, uint64_t hash)
{
    struct near *near = buckets[hash % BUCKETS];

    while (near && (near->hash != hash || near->keyspace != keyspace || near->nkey != key.n ||
                    (key.n && memcmp(near->bytes, key.p, key.n))))
        near = near->next;
    return near;
}

static void take_out(struct near *near)
{
    *(near->newer ? &near->newer->older : &newest) = near->older;
    *(near->older ? &near->older->newer : &oldest) = near->newer;
}

static void put_first(struct near *near)
{
    near->newer = NULL;
    near->older = newest;
    *(newest ? &newest->newer : &oldest) = near;
    newest = near;
}

static void drop(struct near *near)
{
    struct near **at = &buckets[near->hash % BUCKETS];

    while (*at != near)
        at = &(*at)->next;
    *at = near->next;
    take_out(near);
    nvalues--;
    nbytes -= cost_of(near);
    free(near);
}

static void tell(void)
{
    if (gauge)
        ec_metric_set(gauge, (double)nbytes);
}

/* Room for one that costs so much; a few that have ended go with it, so that what nobody asks for any more does not stay for good. */
static void make_room(size_t cost, uint64_t now)
{
    while (oldest && (nvalues >= EC_NEAR_VALUES || nbytes + cost > EC_NEAR_BYTES))
        drop(oldest);
    for (int i = 0; i < SWEEP && oldest && now >= oldest->until_ns; i++)
        drop(oldest);
}

/* ------------------------------------------------------------------ what a cache asks of it */

bool ec_near_find(const struct ec_keyspace *keyspace, struct ec_str key, struct ec_str *value, struct ec_near_read *read)
{
    struct near *near;

    if (keyspace->near_ms <= 0)
        return false;
    read->hash = hash_of(keyspace, key);
    read->generation = *generation_of(read->hash);
    read->sent_ns = uv_hrtime();
    near = find(keyspace, key, read->hash);
    if (!near)
        return false;
    if (read->sent_ns >= near->until_ns) {
        drop(near);
        tell();
        return false;
    }
    if (near != newest) {
        take_out(near);
        put_first(near);
    }
    *value = (struct ec_str){near->bytes + near->nkey, near->nvalue};
    return true;
}

void ec_near_keep(const struct ec_keyspace *keyspace, struct ec_str key, struct ec_str value, const struct ec_near_read *read)
{
    uint64_t now = uv_hrtime(), until;
    struct near *near, **bucket;

    if (keyspace->near_ms <= 0 || read->generation != *generation_of(read->hash) || key.n + value.n > EC_NEAR_LARGEST)
        return;
    until = read->sent_ns + (uint64_t)keyspace->near_ms * 1000000;
    near = find(keyspace, key, read->hash);
    if (now >= until || (near && near->until_ns >= until)) /* another read, sent later, has been answered before */
        return;
    if (near)
        drop(near);
    make_room(sizeof(*near) + key.n + value.n, now);
    near = malloc(sizeof(*near) + key.n + value.n);
    if (!near)
        abort();
    *near = (struct near){
        .keyspace = keyspace, .hash = read->hash, .until_ns = until, .nkey = (uint32_t)key.n, .nvalue = (uint32_t)value.n};
    if (key.n)
        memcpy(near->bytes, key.p, key.n);
    memcpy(near->bytes + key.n, value.p, value.n);
    bucket = &buckets[near->hash % BUCKETS];
    near->next = *bucket;
    *bucket = near;
    put_first(near);
    nvalues++;
    nbytes += cost_of(near);
    tell();
}

void ec_near_forget(const struct ec_keyspace *keyspace, struct ec_str key)
{
    struct near *near;
    uint64_t hash;

    if (keyspace->near_ms <= 0)
        return;
    hash = hash_of(keyspace, key);
    ++*generation_of(hash);
    near = find(keyspace, key, hash);
    if (near) {
        drop(near);
        tell();
    }
}

void ec_near_forget_all(void)
{
    for (size_t i = 0; i < GENERATIONS; i++)
        generations[i]++;
    while (oldest)
        drop(oldest);
    tell();
}
