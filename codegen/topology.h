/* A topology as `check` sees it: a text, what ecom.lock beside it has, and all that there is to say. One way for the command line, the language
 * server and who else compiles a text in memory. Everything is in the caller's arena. */
#ifndef ECC_TOPOLOGY_H
#define ECC_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>

#include "diag.h"
#include "source.h"

struct ecc_arena;
struct ecc_lock;
struct ecc_model;

struct ecc_topology {
    const char *path;
    struct ecc_source source;
    struct ecc_diags diags;
    const struct ecc_model *model; /* NULL: there were errors, or nobody has checked it */
    const char *lock;              /* what ecom.lock says, or NULL */
    size_t lock_length;
    struct ecc_lock *locked; /* the same as it was read: for one generation, which adds to it */
};

/* The text is copied; path is what it is called. False: it is no text, which is told, and its source is empty. */
bool ecc_topology_take(struct ecc_arena *arena, const char *path, const char *text, size_t length, struct ecc_topology *topology);
/* What there is to say of a text that was taken. lock may be NULL, and is kept. */
void ecc_topology_check(struct ecc_arena *arena, const char *lock, size_t length, struct ecc_topology *topology);

#endif
