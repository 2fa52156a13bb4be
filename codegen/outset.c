/* The set in memory: paths, what can't be one, and the index over them. outset_write.c brings it to the disk. */
#include "outset.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define OPENSSL_API_COMPAT 10101 /* the plain functions: what EVP looks up first takes longer than all hashes of a small topology */
#include <openssl/sha.h>

#include "arena.h"
#include "outset_disk.h"
#include "writer.h"

void ecc_sha256(const void *data, size_t length, unsigned char digest[ECC_SHA256])
{
    SHA256_CTX sha;

    SHA256_Init(&sha);
    SHA256_Update(&sha, data, length);
    SHA256_Final(digest, &sha);
}

void ecc_sha256_text(const unsigned char digest[ECC_SHA256], char *hex)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < ECC_SHA256; i++) {
        hex[i * 2] = digits[digest[i] >> 4];
        hex[i * 2 + 1] = digits[digest[i] & 15];
    }
    hex[ECC_SHA256 * 2] = '\0';
}

const char *ecc_sha256_hex(struct ecc_arena *arena, const void *data, size_t length)
{
    unsigned char digest[ECC_SHA256];
    char *hex = ecc_arena_alloc(arena, ECC_SHA256 * 2 + 1);

    ecc_sha256(data, length, digest);
    ecc_sha256_text(digest, hex);
    return hex;
}

/* ------------------------------------------------------------------ the set */

void ecc_outset_init(struct ecc_outset *out, struct ecc_arena *arena)
{
    *out = (struct ecc_outset){.arena = arena};
}

bool ecc_outset_path(const char *path)
{
    if (strlen(path) > ECC_PATH_LIMIT || strcmp(path, ecc_manifest_name) == 0)
        return false;
    for (;;) {
        size_t n = strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
        if (!n || n > ECC_PART_MAX || path[0] == '-' || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
            return false;
        path += n;
        if (!*path)
            return true;
        if (*path++ != '/')
            return false;
    }
}

static size_t slot(const struct ecc_outset *out, const char *path)
{
    uint64_t h = 1469598103934665603u;

    for (const char *p = path; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    size_t i = (size_t)h & (out->nslots - 1);
    while (out->slots[i] && strcmp(out->items[out->slots[i] - 1].path, path) != 0)
        i = (i + 1) & (out->nslots - 1);
    return i;
}

static void index_all(struct ecc_outset *out)
{
    for (size_t i = 0; i < out->n; i++)
        out->slots[slot(out, out->items[i].path)] = i + 1;
}

static bool add(struct ecc_outset *out, const char *path, const char *content, size_t length, bool copy)
{
    if (!ecc_outset_path(path)) {
        if (!out->error)
            out->error = ecc_arena_printf(out->arena, "%.300s can't be the path of a generated file", ecc_quote_json(out->arena, path));
        return false;
    }
    if (ecc_outset_find(out, path)) {
        if (!out->error)
            out->error = ecc_arena_printf(out->arena, "two constructs would be written to %s", path);
        return false;
    }
    struct ecc_outfile file = {.path = ecc_arena_strdup(out->arena, path), .content = content, .length = length};
    if (copy)
        ecc_outset_own(out, &file);
    ecc_outset_push(out, &file);
    if (out->n * 2 > out->nslots) {
        out->nslots = out->nslots ? out->nslots * 2 : 64;
        out->slots = ECC_NEW_ARRAY(out->arena, size_t, out->nslots);
        index_all(out);
    } else {
        out->slots[slot(out, path)] = out->n;
    }
    return true;
}

bool ecc_outset_add(struct ecc_outset *out, const char *path, const char *content, size_t length)
{
    return add(out, path, content, length, false);
}

bool ecc_outset_add_copy(struct ecc_outset *out, const char *path, const char *content, size_t length)
{
    return add(out, path, content, length, true);
}

bool ecc_outset_add_writer(struct ecc_outset *out, const char *path, const struct ecc_writer *w)
{
    return add(out, path, w->data, w->n, true);
}

const struct ecc_outfile *ecc_outset_find(const struct ecc_outset *out, const char *path)
{
    size_t i = out->nslots ? out->slots[slot(out, path)] : 0;

    return i ? &out->items[i - 1] : NULL;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct ecc_outfile *)a)->path, ((const struct ecc_outfile *)b)->path);
}

void ecc_outset_sort(struct ecc_outset *out)
{
    if (out->n)
        qsort(out->items, out->n, sizeof *out->items, by_path);
    if (out->nslots) {
        memset(out->slots, 0, out->nslots * sizeof *out->slots);
        index_all(out);
    }
}
