/* The set of generated files: kept in memory, sorted by path, written only where something changed.
 *
 * Emitters add files; nothing of the folder changes until ecc_outset_write. A path is relative, of [A-Za-z0-9._-] parts, without `.` and
 * `..`: a name that came from a topology can't leave the output folder, and no symlink inside it is followed. A file is replaced by
 * temporary and rename. `MANIFEST` has the sha256 of each file: a file whose content is not what the manifest says was edited by a
 * person and is left alone, with one clear message; a file that the manifest has and the set has not goes away, unless edited.
 * A folder that is not there yet is made beside its place, whole, and renamed.
 * Paths live in the arena; content does, too, or is the set's own until the disk has it.
 */
#ifndef ECC_OUTSET_H
#define ECC_OUTSET_H

#include <stdbool.h>
#include <stddef.h>

struct ecc_arena;
struct ecc_outset_ahead;
struct ecc_writer;

enum { ECC_SHA256 = 32 };

enum ecc_outfile_state { ECC_OUTFILE_NEW, ECC_OUTFILE_ABSENT, ECC_OUTFILE_SAME, ECC_OUTFILE_OTHER, ECC_OUTFILE_EDITED };

struct ecc_outfile {
    const char *path;
    const char *content; /* NULL once the disk has it */
    size_t length;
    bool owned;                   /* the content is from malloc */
    enum ecc_outfile_state state; /* seen from the disk: ecc_outset_write */
    unsigned char digest[ECC_SHA256];
};

struct ecc_outset {
    struct ecc_arena *arena;
    struct ecc_outfile *items;
    size_t n, cap;
    size_t *slots; /* by path: index + 1 */
    size_t nslots;
    const char *error; /* of the first bad add, or NULL */
    struct ecc_outset_ahead *ahead;
};

void ecc_outset_init(struct ecc_outset *out, struct ecc_arena *arena);

/* A bad or repeated path sets out->error and gives false. */
bool ecc_outset_add(struct ecc_outset *out, const char *path, const char *content, size_t length); /* content stays with the caller */
bool ecc_outset_add_copy(struct ecc_outset *out, const char *path, const char *content, size_t length);
bool ecc_outset_add_writer(struct ecc_outset *out, const char *path, const struct ecc_writer *w); /* a copy, too */
const struct ecc_outfile *ecc_outset_find(const struct ecc_outset *out, const char *path);

enum ecc_change_kind { ECC_CHANGE_ADD, ECC_CHANGE_REPLACE, ECC_CHANGE_REMOVE };

struct ecc_change {
    enum ecc_change_kind kind;
    const char *path;
};

struct ecc_outset_report {
    struct ecc_change *items; /* sorted by path; without MANIFEST */
    size_t n, cap;
    const char *error; /* one line, or NULL */
};

/* Of many files, those that are there are compared with the disk by other threads while more are made. Whoever has begun ends with
 * ecc_outset_write or ecc_outset_drop. */
void ecc_outset_begin(struct ecc_outset *out, const char *root, bool dry);
void ecc_outset_drop(struct ecc_outset *out);

/* Brings the folder `root` (made when it is not there) into line with the set. dry: only says what would change. False with
 * report->error set when something can't be done; then no file has been changed, unless the disk itself failed half-way. root and dry are
 * those of ecc_outset_begin, if that was called. */
bool ecc_outset_write(struct ecc_outset *out, const char *root, bool dry, struct ecc_outset_report *report);

/* Replaces one file by temporary and rename, only when its content differs; for ecom.lock. */
bool ecc_write_file(struct ecc_arena *arena, const char *path, const char *content, size_t length, const char **error);

const char *ecc_sha256_hex(struct ecc_arena *arena, const void *data, size_t length);

#endif
