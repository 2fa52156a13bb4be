#include "topology.h"

#include "arena.h"
#include "derive.h"
#include "lock.h"
#include "model.h"

/* Bytes that are no text are not shown: the place is the beginning of an empty file, the offset is in the message. */
static void refuse(struct ecc_diags *diags, enum ecc_source_error why, size_t at)
{
    const struct ecc_span start = {0, 0};

    if (why == ECC_SOURCE_TOO_LARGE)
        ecc_diag(diags, ECC_E_SOURCE, start, "larger than %d MiB", ECC_SOURCE_MAX / 1024 / 1024);
    else if (why == ECC_SOURCE_HAS_NUL)
        ecc_diag_help(diags, ecc_diag(diags, ECC_E_SOURCE, start, "a NUL byte at offset %zu", at), "a topology is text");
    else
        ecc_diag_help(diags, ecc_diag(diags, ECC_E_SOURCE, start, "the byte at offset %zu is not UTF-8", at), "save the file as UTF-8");
}

bool ecc_topology_take(struct ecc_arena *arena, const char *path, const char *text, size_t length, struct ecc_topology *topology)
{
    size_t at = 0;

    *topology = (struct ecc_topology){.path = path};
    ecc_diags_init(&topology->diags, arena);
    enum ecc_source_error why = ecc_source_init(&topology->source, arena, path, text, length, &at);
    if (why == ECC_SOURCE_OK)
        return true;
    ecc_source_init(&topology->source, arena, path, "", 0, &(size_t){0});
    refuse(&topology->diags, why, at);
    return false;
}

void ecc_topology_check(struct ecc_arena *arena, const char *lock, size_t length, struct ecc_topology *topology)
{
    const char *wrong;
    struct ecc_lock *read = ecc_lock_read(arena, lock, length, &wrong);

    topology->lock = lock;
    topology->lock_length = length;
    topology->locked = read;
    if (!read)
        ecc_diag(&topology->diags, ECC_E_LOCK, (struct ecc_span){0, 0}, "ecom.lock: %s", wrong);
    if (!topology->diags.errors)
        topology->model = ecc_compile_after(arena, &topology->source, &read->releases, &topology->diags);
    if (topology->model)
        ecc_derive_check(arena, topology->model, &topology->diags);
}
