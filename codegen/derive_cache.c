/* What a story finds in caches: what it has put there and not dropped, what is assumed, and what a process has kept of it (`near`). Each
 * node is one process here, and a story shorter than any `near`: a value that somebody else has dropped since is still answered. */
#include <string.h>

#include "arena.h"
#include "derive_internal.h"

bool ecc_derive_cache_down(const struct ecc_derive *d, const struct ecc_node *cache)
{
    return ecc_derive_assumed(d, ECC_ASSUME_DOWN, cache) || ecc_derive_assumed(d, ECC_ASSUME_HANGS, cache);
}

static const struct ecc_known *near_value(const struct ecc_derive *d, const struct ecc_node *node, const struct ecc_keyspace *keyspace,
                                          const struct ecc_known *key)
{
    const char *text = keyspace->near_ms ? ecc_known_print(d->arena, key) : "";

    for (size_t i = d->near.n; i-- > 0;)
        if (d->near.items[i].node == node && d->near.items[i].keyspace == keyspace && strcmp(d->near.items[i].key, text) == 0)
            return d->near.items[i].value;
    return NULL;
}

static const struct ecc_known *in_cache(struct ecc_derive *d, const struct ecc_keyspace *keyspace, const struct ecc_known *key)
{
    const char *text = ecc_known_print(d->arena, key);

    for (size_t i = 0; i < d->scenario->nassumes; i++)
        if (d->scenario->assumes[i].keyspace == keyspace && ecc_derive_holds(d, &d->scenario->assumes[i]))
            d->met[i] = true;
    for (size_t i = d->cache.n; i-- > 0;)
        if (d->cache.items[i].keyspace == keyspace && strcmp(d->cache.items[i].key, text) == 0)
            return d->cache.items[i].value;
    for (size_t i = 0; i < d->scenario->nassumes; i++)
        if (d->scenario->assumes[i].kind == ECC_ASSUME_HOLDS && d->scenario->assumes[i].keyspace == keyspace &&
            ecc_derive_holds(d, &d->scenario->assumes[i]))
            return ecc_known_row(d->arena, keyspace->value, keyspace->name);
    return NULL;
}

void ecc_derive_keep(struct ecc_derive *d, const struct ecc_keyspace *keyspace, const struct ecc_known *key, const struct ecc_known *value)
{
    struct ecc_cached cached = {NULL, keyspace, ecc_known_print(d->arena, key), value};

    ECC_PUSH(d->arena, &d->cache, cached);
}

void ecc_derive_keep_near(struct ecc_derive *d, const struct ecc_node *node, const struct ecc_keyspace *keyspace,
                          const struct ecc_known *key, const struct ecc_known *value)
{
    struct ecc_cached near = {node, keyspace, ecc_known_print(d->arena, key), value};

    if (keyspace->near_ms)
        ECC_PUSH(d->arena, &d->near, near);
}

const struct ecc_known *ecc_derive_cached(struct ecc_derive *d, const struct ecc_node *node, const struct ecc_keyspace *keyspace,
                                          const struct ecc_known *key, bool *near)
{
    const struct ecc_known *found = near_value(d, node, keyspace, key);

    *near = found != NULL;
    if (found || ecc_derive_cache_down(d, keyspace->cache))
        return found;
    found = in_cache(d, keyspace, key);
    if (found)
        ecc_derive_keep_near(d, node, keyspace, key, found);
    return found;
}

static void forget(struct ecc_cached *items, size_t n, const struct ecc_keyspace *keyspace)
{
    for (size_t i = 0; i < n; i++)
        if (items[i].keyspace == keyspace)
            items[i].value = NULL;
}

void ecc_derive_forget(struct ecc_derive *d, const struct ecc_keyspace *keyspace)
{
    forget(d->cache.items, d->cache.n, keyspace);
    forget(d->near.items, d->near.n, keyspace);
}
