/* The symbol table: open addressing over pointers to entries, grown by doubling. Everything is in the arena. */
#include "symbols.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "diag.h"

enum { FIRST_CAPACITY = 1024 };

static uint64_t hash_of(const void *space, const char *name)
{
    uint64_t h = 14695981039346656037u ^ ((uint64_t)(uintptr_t)space >> 4);

    h *= 1099511628211u;
    for (const char *p = name; *p; p++) {
        h ^= (unsigned char)*p;
        h *= 1099511628211u;
    }
    h ^= h >> 32; /* the low bits choose the slot: let all bits have a say */
    h *= 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

void ecc_symbols_init(struct ecc_symbols *symbols, struct ecc_arena *arena, size_t expected)
{
    symbols->arena = arena;
    symbols->base = NULL;
    symbols->n = 0;
    symbols->cap = FIRST_CAPACITY;
    while (symbols->cap < expected * 2)
        symbols->cap *= 2;
    symbols->slots = ECC_NEW_ARRAY(arena, struct ecc_symbol_slot, symbols->cap);
}

void ecc_symbols_clear(struct ecc_symbols *symbols)
{
    if (symbols->cap > FIRST_CAPACITY)
        ecc_symbols_init(symbols, symbols->arena, 0);
    else if (symbols->n)
        memset(symbols->slots, 0, symbols->cap * sizeof *symbols->slots);
    symbols->n = 0;
}

static size_t slot_of(const struct ecc_symbols *symbols, uint64_t hash, const void *space, const char *name)
{
    size_t mask = symbols->cap - 1, i = (size_t)hash & mask;

    for (; symbols->slots[i].symbol; i = (i + 1) & mask) {
        const struct ecc_symbol *e = symbols->slots[i].symbol;
        if (symbols->slots[i].hash == hash && e->space == space && strcmp(e->name, name) == 0)
            break;
    }
    return i;
}

static void grow(struct ecc_symbols *symbols)
{
    struct ecc_symbol_slot *old = symbols->slots;
    size_t cap = symbols->cap;

    symbols->cap = cap * 2;
    symbols->slots = ECC_NEW_ARRAY(symbols->arena, struct ecc_symbol_slot, symbols->cap);
    for (size_t i = 0; i < cap; i++) {
        size_t at = (size_t)old[i].hash & (symbols->cap - 1);
        if (!old[i].symbol)
            continue;
        while (symbols->slots[at].symbol)
            at = (at + 1) & (symbols->cap - 1);
        symbols->slots[at] = old[i];
    }
}

struct ecc_symbol *ecc_symbols_find(const struct ecc_symbols *symbols, const void *space, const char *name)
{
    uint64_t hash = hash_of(space, name);
    struct ecc_symbol *e = symbols->base ? symbols->base->slots[slot_of(symbols->base, hash, space, name)].symbol : NULL;

    return e ? e : symbols->slots[slot_of(symbols, hash, space, name)].symbol;
}

/* The symbol, made if need be; *made says which. */
static struct ecc_symbol *find_or_make(struct ecc_symbols *symbols, const void *space, const char *name, bool *made)
{
    uint64_t hash = hash_of(space, name);
    struct ecc_symbol *below = symbols->base ? symbols->base->slots[slot_of(symbols->base, hash, space, name)].symbol : NULL;

    *made = false;
    if (below)
        return below;
    size_t at = slot_of(symbols, hash, space, name);
    *made = !symbols->slots[at].symbol;
    if (!*made)
        return symbols->slots[at].symbol;
    if (symbols->n * 2 >= symbols->cap) {
        grow(symbols);
        at = slot_of(symbols, hash, space, name);
    }
    size_t room = strlen(name) + 1;
    struct ecc_symbol *e = ecc_arena_alloc(symbols->arena, sizeof *e + room);
    e->space = space;
    e->name = memcpy(e + 1, name, room);
    symbols->slots[at] = (struct ecc_symbol_slot){hash, e};
    symbols->n++;
    return e;
}

void ecc_symbols_merge(struct ecc_symbols *symbols, const struct ecc_symbols *from)
{
    for (size_t i = 0; i < from->cap; i++) {
        struct ecc_symbol *e = from->slots[i].symbol;
        if (!e)
            continue;
        if (symbols->n * 2 >= symbols->cap)
            grow(symbols);
        size_t at = slot_of(symbols, from->slots[i].hash, e->space, e->name);
        if (!symbols->slots[at].symbol) {
            symbols->slots[at] = from->slots[i];
            symbols->n++;
        }
    }
}

struct ecc_symbol *ecc_symbols_add(struct ecc_symbols *symbols, const void *space, const char *name, void *value, struct ecc_span span)
{
    bool made;
    struct ecc_symbol *e = find_or_make(symbols, space, name, &made);

    if (!made)
        return e;
    e->value = value;
    e->span = span;
    return NULL;
}

struct ecc_symbol *ecc_symbols_entry(struct ecc_symbols *symbols, const void *space, const char *name)
{
    bool made;

    return find_or_make(symbols, space, name, &made);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *ecc_symbols_near(const struct ecc_symbols *symbols, const void *space, const char *word)
{
    struct { const char **items; size_t n, cap; } all = {0};

    for (const struct ecc_symbols *part = symbols; part; part = part->base)
        for (size_t i = 0; i < part->cap; i++) {
            const struct ecc_symbol *e = part->slots[i].symbol;
            if (e && e->space == space && e->value)
                ECC_PUSH(symbols->arena, &all, e->name);
        }
    if (!all.n)
        return NULL;
    qsort(all.items, all.n, sizeof *all.items, by_name); /* of two that are as near the first is meant, wherever the table has them */
    return ecc_did_you_mean(word, all.items, all.n);
}
