/* The symbol table: one hash table for every name of a topology.
 *
 * A name lives in a space, and a space is any address that stands for it: a service for its operations, a record for its fields, a
 * static tag for what is global. Entries never move and live in the arena. Lookups cost the same however large the topology is.
 */
#ifndef ECC_SYMBOLS_H
#define ECC_SYMBOLS_H

#include "model.h"
#include "refs.h"

struct ecc_arena;

struct ecc_symbol {
    const void *space;
    const char *name; /* stands behind the entry, so that both are read at once */
    void *value;
    struct ecc_span span; /* where it was declared */
    enum ecc_ref_kind kind; /* where references are noted */
};

struct ecc_symbol_slot { /* the hash is here, too, so that a miss costs one cache line */
    uint64_t hash;
    struct ecc_symbol *symbol;
};

struct ecc_symbols {
    struct ecc_arena *arena;
    const struct ecc_symbols *base; /* or NULL: what is there is found, nothing is added to it, nor is one of its entries changed */
    struct ecc_symbol_slot *slots;
    size_t n, cap;
};

/* expected: about how many there will be. */
void ecc_symbols_init(struct ecc_symbols *symbols, struct ecc_arena *arena, size_t expected);

/* All names are forgotten; entries stay where they are. */
void ecc_symbols_clear(struct ecc_symbols *symbols);

/* Entries of `from` that are not there yet. They stay in its arena. */
void ecc_symbols_merge(struct ecc_symbols *symbols, const struct ecc_symbols *from);

/* NULL when there is none. */
struct ecc_symbol *ecc_symbols_find(const struct ecc_symbols *symbols, const void *space, const char *name);

/* Adds a name, unless it is there already: then that entry is returned and nothing changes. Otherwise NULL. */
struct ecc_symbol *ecc_symbols_add(struct ecc_symbols *symbols, const void *space, const char *name, void *value, struct ecc_span span);

/* The same, but an entry is made when there is none, with value NULL. */
struct ecc_symbol *ecc_symbols_entry(struct ecc_symbols *symbols, const void *space, const char *name);

/* The name of that space which the word was probably meant to be, or NULL. Reads the whole table: for diagnostics only. */
const char *ecc_symbols_near(const struct ecc_symbols *symbols, const void *space, const char *word);

#endif
