/* Two passes over the disk. The first only reads and decides: what is new, what differs, what was edited by a person. Only when nothing
 * stands in the way does the second write. All access goes through descriptors of directories opened without following links. */
#include "outset.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPENSSL_API_COMPAT 10101 /* the plain functions: what EVP looks up first takes longer than all hashes of a small topology */
#include <openssl/sha.h>

#include "arena.h"
#include "writer.h"

enum { PART_MAX = 200, PATH_LIMIT = 1000, HASH_LENGTH = 64 };

static const char manifest_name[] = "MANIFEST";

const char *ecc_sha256_hex(struct ecc_arena *arena, const void *data, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char *hex = ecc_arena_alloc(arena, HASH_LENGTH + 1);
    SHA256_CTX sha;

    SHA256_Init(&sha);
    SHA256_Update(&sha, data, length);
    SHA256_Final(digest, &sha);
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[i * 2] = digits[digest[i] >> 4];
        hex[i * 2 + 1] = digits[digest[i] & 15];
    }
    return hex;
}

/* ------------------------------------------------------------------ the set */

void ecc_outset_init(struct ecc_outset *out, struct ecc_arena *arena)
{
    *out = (struct ecc_outset){.arena = arena};
}

static bool good_path(const char *path)
{
    if (strlen(path) > PATH_LIMIT || strcmp(path, manifest_name) == 0)
        return false;
    for (;;) {
        size_t n = strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
        if (!n || n > PART_MAX || path[0] == '-' || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
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

bool ecc_outset_add(struct ecc_outset *out, const char *path, const char *content, size_t length)
{
    if (!good_path(path)) {
        if (!out->error)
            out->error = ecc_arena_printf(out->arena, "%.300s can't be the path of a generated file", ecc_quote_json(out->arena, path));
        return false;
    }
    if (ecc_outset_find(out, path)) {
        if (!out->error)
            out->error = ecc_arena_printf(out->arena, "two constructs would be written to %s", path);
        return false;
    }
    ECC_PUSH(out->arena, out, ((struct ecc_outfile){ecc_arena_strdup(out->arena, path), content, length}));
    if (out->n * 2 > out->nslots) {
        out->nslots = out->nslots ? out->nslots * 2 : 64;
        out->slots = ECC_NEW_ARRAY(out->arena, size_t, out->nslots);
        index_all(out);
    } else {
        out->slots[slot(out, path)] = out->n;
    }
    return true;
}

bool ecc_outset_add_writer(struct ecc_outset *out, const char *path, const struct ecc_writer *w)
{
    return ecc_outset_add(out, path, ecc_arena_strndup(out->arena, w->data, w->n), w->n);
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

static int by_change_path(const void *a, const void *b)
{
    return strcmp(((const struct ecc_change *)a)->path, ((const struct ecc_change *)b)->path);
}

static void sort(struct ecc_outset *out)
{
    if (out->n)
        qsort(out->items, out->n, sizeof *out->items, by_path);
    if (out->nslots) {
        memset(out->slots, 0, out->nslots * sizeof *out->slots);
        index_all(out);
    }
}

/* ------------------------------------------------------------------ the disk */

struct entry { /* of the manifest on the disk */
    const char *path, *hash;
};

struct work {
    struct ecc_arena *arena;
    struct ecc_outset_report *report;
    const char *root_path;
    int root;
    int folder;              /* the one opened last, or -1 */
    const char *folder_path; /* of it */
    size_t folder_length;
    struct { struct entry *items; size_t n, cap; } old;
    struct { const char **items; size_t n, cap; } edited;
    const char *manifest; /* content on the disk, or NULL */
    size_t manifest_length;
};

static bool fail(struct work *work, const char *path, const char *what)
{
    if (!work->report->error)
        work->report->error = ecc_arena_printf(work->arena, "%s/%s: %s", work->root_path, path, what);
    return false;
}

/* The folder that a path stands in, or -1 with errno. It stays open until another is asked for: paths come sorted. */
static int folder_of(struct work *work, const char *path, bool create)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;

    if (!length)
        return work->root;
    if (work->folder >= 0 && work->folder_length == length && memcmp(work->folder_path, path, length) == 0)
        return work->folder;
    if (work->folder >= 0)
        close(work->folder);
    work->folder = -1;
    int at = work->root;
    for (const char *p = path; p <= slash;) {
        size_t n = strcspn(p, "/");
        char part[PART_MAX + 1];
        snprintf(part, sizeof part, "%.*s", (int)n, p);
        int next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 && errno == ENOENT && create && (mkdirat(at, part, 0777) == 0 || errno == EEXIST))
            next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int error = errno;
        if (at != work->root)
            close(at);
        if (next < 0) {
            errno = error;
            return -1;
        }
        at = next;
        p += n + 1;
    }
    work->folder = at;
    work->folder_path = path;
    work->folder_length = length;
    return at;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

enum read_result { READ_NONE, READ_FINE, READ_FAILED };

/* The content of a regular file. */
static enum read_result read_at(struct work *work, int folder, const char *name, const char *path, char **content, size_t *length)
{
    struct stat info;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        if (errno == ENOENT)
            return READ_NONE;
        fail(work, path, errno == ELOOP ? "is a symbolic link, which is not followed" : strerror(errno));
        return READ_FAILED;
    }
    if (fstat(fd, &info) || !S_ISREG(info.st_mode)) {
        close(fd);
        fail(work, path, "is not a regular file");
        return READ_FAILED;
    }
    size_t size = (size_t)info.st_size, n = 0;
    char *data = ecc_arena_alloc(work->arena, size + 1);
    while (n < size) {
        ssize_t got = read(fd, data + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            close(fd);
            fail(work, path, strerror(errno));
            return READ_FAILED;
        }
        if (got == 0)
            break;
        n += (size_t)got;
    }
    close(fd);
    data[n] = '\0';
    *content = data;
    *length = n;
    return READ_FINE;
}

static enum read_result read_path(struct work *work, const char *path, char **content, size_t *length)
{
    int folder = folder_of(work, path, false);

    if (folder < 0) {
        if (errno == ENOENT)
            return READ_NONE;
        fail(work, path, errno == ELOOP || errno == ENOTDIR ? "a folder above it is a link or a file" : strerror(errno));
        return READ_FAILED;
    }
    return read_at(work, folder, base_of(path), path, content, length);
}

static bool write_at(struct work *work, int folder, const char *name, const char *path, const char *content, size_t length)
{
    char temporary[PART_MAX + 16];

    snprintf(temporary, sizeof temporary, ".%s.new", name);
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST && !unlinkat(folder, temporary, 0)) /* left behind by a build that was killed */
        fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail(work, path, strerror(errno));
    for (size_t n = 0; n < length;) {
        ssize_t put = write(fd, content + n, length - n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            fail(work, path, strerror(errno));
            close(fd);
            unlinkat(folder, temporary, 0);
            return false;
        }
        n += (size_t)put;
    }
    if (close(fd) || renameat(folder, temporary, folder, name)) {
        fail(work, path, strerror(errno));
        unlinkat(folder, temporary, 0);
        return false;
    }
    return true;
}

static int by_entry_path(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

/* Lines of `<sha256>  <path>`, as sha256sum writes them. A line that is not one is as good as absent. */
static bool read_manifest(struct work *work)
{
    char *content = NULL;

    enum read_result result = read_at(work, work->root, manifest_name, manifest_name, &content, &work->manifest_length);
    if (result != READ_FINE)
        return result == READ_NONE;
    work->manifest = ecc_arena_strndup(work->arena, content, work->manifest_length);
    for (char *line = content; *line;) {
        size_t n = strcspn(line, "\n");
        char *next = line + n + (line[n] != '\0');
        line[n] = '\0';
        if (n > HASH_LENGTH + 2 && strspn(line, "0123456789abcdef") == HASH_LENGTH && good_path(line + HASH_LENGTH + 2)) {
            line[HASH_LENGTH] = '\0';
            ECC_PUSH(work->arena, &work->old, ((struct entry){line + HASH_LENGTH + 2, line}));
        }
        line = next;
    }
    if (work->old.n)
        qsort(work->old.items, work->old.n, sizeof *work->old.items, by_entry_path);
    return true;
}

static const struct entry *find_old(const struct work *work, const char *path)
{
    struct entry key = {.path = path};

    return work->old.n ? bsearch(&key, work->old.items, work->old.n, sizeof key, by_entry_path) : NULL;
}

static bool is_ours(struct work *work, const struct entry *entry, const char *content, size_t length)
{
    return entry && strcmp(entry->hash, ecc_sha256_hex(work->arena, content, length)) == 0;
}

static void change(struct work *work, enum ecc_change_kind kind, const char *path)
{
    ECC_PUSH(work->arena, work->report, ((struct ecc_change){kind, path}));
}

static bool decide(struct work *work, const struct ecc_outset *out)
{
    char *content;
    size_t length;

    for (size_t i = 0; i < out->n; i++) {
        const struct ecc_outfile *file = &out->items[i];
        enum read_result result = work->root < 0 ? READ_NONE : read_path(work, file->path, &content, &length);
        if (result == READ_FAILED)
            return false;
        if (result == READ_NONE)
            change(work, ECC_CHANGE_ADD, file->path);
        else if (length == file->length && memcmp(content, file->content, length) == 0)
            continue;
        else if (is_ours(work, find_old(work, file->path), content, length))
            change(work, ECC_CHANGE_REPLACE, file->path);
        else
            ECC_PUSH(work->arena, &work->edited, file->path);
    }
    for (size_t i = 0; i < work->old.n; i++) {
        const char *path = work->old.items[i].path;
        if (ecc_outset_find(out, path))
            continue;
        enum read_result result = read_path(work, path, &content, &length);
        if (result == READ_FAILED)
            return false;
        if (result == READ_FINE && is_ours(work, &work->old.items[i], content, length))
            change(work, ECC_CHANGE_REMOVE, path);
        else if (result == READ_FINE)
            ECC_PUSH(work->arena, &work->edited, path);
    }
    if (work->report->n)
        qsort(work->report->items, work->report->n, sizeof *work->report->items, by_change_path);
    if (work->edited.n) {
        const char *more = work->edited.n > 1 ? ecc_arena_printf(work->arena, " (and %zu more)", work->edited.n - 1) : "";
        work->report->error = ecc_arena_printf(
            work->arena, "%s/%s%s is not as it was generated: move the change to the topology or the runtime, then delete the file to have it written again",
            work->root_path, work->edited.items[0], more);
        return false;
    }
    return true;
}

static void remove_empty_folders(struct work *work, const char *path)
{
    char folder[PATH_LIMIT + 1];

    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash; (slash = strrchr(folder, '/'));) {
        *slash = '\0';
        int above = folder_of(work, folder, false);
        bool gone = above >= 0 && unlinkat(above, base_of(folder), AT_REMOVEDIR) == 0;
        if (work->folder >= 0)
            close(work->folder);
        work->folder = -1; /* its path is on this stack */
        if (!gone)
            return;
    }
}

static const char *new_manifest(struct work *work, const struct ecc_outset *out)
{
    struct ecc_writer w;

    ecc_writer_init(&w, work->arena);
    for (size_t i = 0; i < out->n; i++)
        ecc_wl(&w, "%s  %s", ecc_sha256_hex(work->arena, out->items[i].content, out->items[i].length), out->items[i].path);
    return w.data;
}

static bool apply_one(struct work *work, const struct ecc_outset *out, const struct ecc_change *item)
{
    int folder = folder_of(work, item->path, item->kind != ECC_CHANGE_REMOVE);

    if (folder < 0)
        return fail(work, item->path, strerror(errno));
    if (item->kind == ECC_CHANGE_REMOVE) {
        if (unlinkat(folder, base_of(item->path), 0) && errno != ENOENT)
            return fail(work, item->path, strerror(errno));
        remove_empty_folders(work, item->path);
        return true;
    }
    const struct ecc_outfile *file = ecc_outset_find(out, item->path);
    return write_at(work, folder, base_of(item->path), item->path, file->content, file->length);
}

/* A part of the changes, all of whole top-level folders, and what it is told: with an arena and a report of its own, both only for an error. */
struct part {
    struct work work;
    const struct ecc_outset *out;
    const struct ecc_change *from, *to;
    pthread_mutex_t *start;
    struct ecc_arena arena;
    struct ecc_outset_report report;
    pthread_t thread;
    bool threaded, fine;
};

static void *apply_part(void *data)
{
    struct part *part = data;

    pthread_mutex_lock(part->start);
    pthread_mutex_unlock(part->start);
    part->fine = true;
    for (const struct ecc_change *item = part->from; part->fine && item < part->to; item++)
        part->fine = apply_one(&part->work, part->out, item);
    if (part->work.folder >= 0)
        close(part->work.folder);
    return NULL;
}

enum { MOST_PARTS = 4, LEAST_OF_PART = 500 };

/* Where the next part ends: n further on, and then at the end of a top-level folder. */
static size_t part_end(const struct ecc_outset_report *report, size_t at, size_t n)
{
    size_t i = n >= report->n - at ? report->n : at + n;

    while (i > 0 && i < report->n) {
        const char *before = report->items[i - 1].path, *here = report->items[i].path;
        size_t length = strcspn(before, "/");
        if (strncmp(before, here, length + 1) != 0 || !before[length])
            break;
        i++;
    }
    return i;
}

/* Making a file is mostly the kernel's work, and folders do not stand in each other's way. Nothing begins to write before all threads
 * are made, and no memory is asked for then: running out of it must not leave half of a build. */
static bool apply(struct work *work, const struct ecc_outset *out)
{
    const char *manifest = new_manifest(work, out);
    size_t nparts = work->report->n / LEAST_OF_PART + 1, at = 0;
    pthread_mutex_t start = PTHREAD_MUTEX_INITIALIZER;
    bool fine = true;

    nparts = nparts > MOST_PARTS ? MOST_PARTS : nparts;
    struct part *parts = ECC_NEW_ARRAY(work->arena, struct part, nparts);
    pthread_mutex_lock(&start);
    for (size_t i = 0; i < nparts; i++) {
        struct part *part = &parts[i];
        size_t end = part_end(work->report, at, i + 1 == nparts ? work->report->n : work->report->n / nparts);
        *part = (struct part){.work = *work, .out = out, .from = work->report->items + at, .to = work->report->items + end, .start = &start};
        part->work.folder = -1;
        part->work.arena = &part->arena;
        part->work.report = &part->report;
        part->arena.oom = work->arena->oom;
        part->arena.oom_context = work->arena->oom_context;
        part->threaded = i > 0 && end > at && !pthread_create(&part->thread, NULL, apply_part, part);
        at = end;
    }
    pthread_mutex_unlock(&start);
    for (size_t i = 0; i < nparts; i++)
        if (!parts[i].threaded)
            apply_part(&parts[i]);
    for (size_t i = 0; i < nparts; i++) {
        struct part *part = &parts[i];
        if (part->threaded)
            pthread_join(part->thread, NULL);
        if (!part->fine && fine)
            work->report->error = ecc_arena_strdup(work->arena, part->report.error);
        fine = fine && part->fine;
        ecc_arena_free(&part->arena);
    }
    if (!fine)
        return false;
    if (!work->manifest || strcmp(work->manifest, manifest) != 0)
        return write_at(work, work->root, manifest_name, manifest_name, manifest, strlen(manifest));
    return true;
}

bool ecc_outset_write(struct ecc_outset *out, const char *root, bool dry, struct ecc_outset_report *report)
{
    struct work work = {.arena = out->arena, .report = report, .root_path = root, .root = -1, .folder = -1};
    bool fine = true;

    *report = (struct ecc_outset_report){0};
    if (out->error) {
        report->error = out->error;
        return false;
    }
    sort(out);
    if (!dry && mkdir(root, 0777) && errno != EEXIST)
        fine = fail(&work, "", strerror(errno));
    if (fine) {
        work.root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (work.root < 0 && !(dry && errno == ENOENT))
            fine = fail(&work, "", strerror(errno));
    }
    fine = fine && (work.root < 0 || read_manifest(&work)) && decide(&work, out);
    if (fine && !dry)
        fine = apply(&work, out);
    if (work.folder >= 0)
        close(work.folder);
    if (work.root >= 0)
        close(work.root);
    return fine;
}

bool ecc_write_file(struct ecc_arena *arena, const char *path, const char *content, size_t length, const char **error)
{
    struct ecc_outset_report report = {0};
    const char *slash = strrchr(path, '/');
    const char *parent = !slash ? "." : slash == path ? "/" : ecc_arena_strndup(arena, path, (size_t)(slash - path));
    struct work work = {.arena = arena, .report = &report, .root_path = parent, .folder = -1};
    char *old = NULL;
    size_t old_length = 0;

    *error = NULL;
    work.root = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (work.root < 0) {
        *error = ecc_arena_printf(arena, "%s: %s", parent, strerror(errno));
        return false;
    }
    const char *name = base_of(path);
    enum read_result result = read_at(&work, work.root, name, name, &old, &old_length);
    bool fine = result != READ_FAILED;
    if (result == READ_NONE || (fine && (old_length != length || memcmp(old, content, length) != 0)))
        fine = write_at(&work, work.root, name, name, content, length);
    close(work.root);
    *error = report.error;
    return fine;
}
