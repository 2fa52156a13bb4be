/* Inside of outset*.c: the set, and one thread's way to the files below a folder. All access goes through descriptors of directories,
 * opened without following links. */
#ifndef ECC_OUTSET_DISK_H
#define ECC_OUTSET_DISK_H

#include "outset.h"

enum { ECC_PART_MAX = 200, ECC_PATH_LIMIT = 1000 };

extern const char ecc_manifest_name[];

bool ecc_outset_path(const char *path); /* may a generated file have it? */
void ecc_outset_sort(struct ecc_outset *out);
void ecc_outset_push(struct ecc_outset *out, const struct ecc_outfile *file); /* outset_write.c: with its lock, once it has begun */
void ecc_outset_own(struct ecc_outset *out, struct ecc_outfile *file);        /* gives the file a copy of its content */
void ecc_sha256(const void *data, size_t length, unsigned char digest[ECC_SHA256]);
void ecc_sha256_text(const unsigned char digest[ECC_SHA256], char *hex); /* 65 bytes */

struct ecc_disk {
    struct ecc_arena *arena; /* for the text of an error */
    const char *root_path;   /* of messages */
    int root;
    int folder; /* the one opened last, or -1: files come by folder */
    size_t folder_length;
    char folder_path[ECC_PATH_LIMIT + 1];
    char *data; /* what was read last, NUL-terminated */
    size_t length, room;
    const char *error; /* the first, or NULL */
};

void ecc_disk_open(struct ecc_disk *disk, struct ecc_arena *arena, const char *root_path, int root); /* root stays the caller's */
void ecc_disk_close(struct ecc_disk *disk);
bool ecc_disk_fail(struct ecc_disk *disk, const char *path, const char *what); /* false */

enum ecc_disk_result { ECC_DISK_NONE, ECC_DISK_FINE, ECC_DISK_FAILED };
enum ecc_disk_result ecc_disk_read(struct ecc_disk *disk, const char *path);

/* Both make the folders that are missing. */
bool ecc_disk_create(struct ecc_disk *disk, const char *path, const char *content, size_t length);  /* where nobody looks yet */
bool ecc_disk_replace(struct ecc_disk *disk, const char *path, const char *content, size_t length); /* by temporary and rename */

bool ecc_disk_remove(struct ecc_disk *disk, const char *path); /* and the folders that are empty then */
bool ecc_disk_remove_all(int at, const char *name);            /* a folder; false with errno */

#endif
