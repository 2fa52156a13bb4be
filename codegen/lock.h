/* ecom.lock: what has been released. For each service its last schema and its migrations, word for word: a later build
 * writes the same files again and adds one for what has changed since. For each saga the versions that instances may be in flight of, for each
 * event its shape (release.h). JSON, one line an entry, so that it merges and reads well.
 */
#ifndef ECC_LOCK_H
#define ECC_LOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "schema.h"

struct ecc_lock_service {
    const char *name;
    struct ecc_migrations migrations;
    const struct ecc_schema *schema;
};

struct ecc_lock {
    struct ecc_arena *arena;
    struct { struct ecc_lock_service **items; size_t n, cap; } services;
    struct ecc_releases releases;
};

/* NULL with *error set when the text is no lock, or was edited. text NULL: an empty one. */
struct ecc_lock *ecc_lock_read(struct ecc_arena *arena, const char *text, size_t length, const char **error);
struct ecc_lock_service *ecc_lock_service(struct ecc_lock *lock, const char *name); /* made when it is not there */
const char *ecc_lock_write(struct ecc_lock *lock, size_t *length);

#endif
