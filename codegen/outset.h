/* The set of generated files: kept in memory, sorted by path, written only where something changed.
 *
 * Emitters add files; nothing touches the disk until ecc_outset_write. A path is relative, of [A-Za-z0-9._-] parts, without `.` and
 * `..`: a name that came from a topology can't leave the output folder, and no symlink inside it is followed. A file is replaced by
 * temporary and rename. `MANIFEST` has the sha256 of each file: a file whose content is not what the manifest says was edited by a
 * person and is left alone, with one clear message; a file that the manifest has and the set has not goes away, unless edited.
 * Content and paths live in the arena.
 */
#ifndef ECC_OUTSET_H
#define ECC_OUTSET_H

#include <stdbool.h>
#include <stddef.h>

struct ecc_arena;
struct ecc_writer;

struct ecc_outfile {
    const char *path;
    const char *content;
    size_t length;
};

struct ecc_outset {
    struct ecc_arena *arena;
    struct ecc_outfile *items;
    size_t n, cap;
    size_t *slots; /* by path: index + 1 */
    size_t nslots;
    const char *error; /* of the first bad add, or NULL */
};

void ecc_outset_init(struct ecc_outset *out, struct ecc_arena *arena);

/* content is not copied, what a writer has is. A bad or repeated path sets out->error and gives false. */
bool ecc_outset_add(struct ecc_outset *out, const char *path, const char *content, size_t length);
bool ecc_outset_add_writer(struct ecc_outset *out, const char *path, const struct ecc_writer *w);
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

/* Brings the folder `root` (made when it is not there) into line with the set. dry: only says what would change. False with
 * report->error set when something can't be done; then no file has been changed, unless the disk itself failed half-way. */
bool ecc_outset_write(struct ecc_outset *out, const char *root, bool dry, struct ecc_outset_report *report);

/* Replaces one file by temporary and rename, only when its content differs; for ecom.lock. */
bool ecc_write_file(struct ecc_arena *arena, const char *path, const char *content, size_t length, const char **error);

const char *ecc_sha256_hex(struct ecc_arena *arena, const void *data, size_t length);

#endif
