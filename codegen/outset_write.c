/* From the set to the disk, in two passes. The first only reads and decides: what is new, what differs, what was edited by a person. Only
 * when nothing stands in the way does the second write.
 *
 * A folder that is not there yet needs no decision: its files are written at once into a folder beside it, which gets its name when all are
 * there. Of many files, either is done while more are made: making a file or reading one is mostly the kernel's work, which other
 * processors do meanwhile. A worker takes the next few files, and gives back what it has found; a file's content goes when the disk has
 * it. With few files nothing is done before the last is made, and no thread is started.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "outset_disk.h"
#include "writer.h"

enum {
    MANY = 500, /* files that are worth a thread */
    MOST_THREADS = 3,
    BATCH = 32,
    MOST_WAITING = 32 << 20, /* bytes; with more, whoever makes them helps */
};

struct entry { /* of the manifest on the disk */
    const char *path, *hash;
};

struct worker {
    struct ecc_outset_ahead *ahead;
    struct ecc_arena arena; /* for the text of an error */
    struct ecc_disk disk;
    pthread_t thread;
};

struct ecc_outset_ahead {
    struct ecc_outset *out;
    const char *root_path;
    bool dry;
    bool fresh; /* nothing there: root is the folder `temporary`, and not yet `name`, both in `parent` */
    int root;   /* -1: nothing there, and dry */
    int parent;
    const char *name, *temporary;
    struct {
        struct entry *items;
        size_t n, cap;
    } old;                /* sorted by path */
    const char *manifest; /* content on the disk, or NULL */
    const char *error;

    bool (*job)(struct worker *worker, struct ecc_outfile *file);
    pthread_mutex_t lock; /* of what follows, of the set's list, and of what a file has from a worker */
    pthread_cond_t more;
    size_t next, waiting; /* files before next are taken; bytes of the others */
    bool over;            /* no more files will come */
    bool failed;
    struct worker self, workers[MOST_THREADS];
    size_t nworkers;
};

/* ------------------------------------------------------------------ the workers */

/* The next few files, once there are enough, or with the last. False: there is nothing more to do. Locked. */
static bool take(struct ecc_outset_ahead *ahead, bool waits, size_t *from, size_t *n)
{
    for (;;) {
        size_t left = ahead->out->n - ahead->next;
        if (ahead->failed || (!left && (ahead->over || !waits)))
            return false;
        if (left >= BATCH || ahead->over || !waits) {
            *from = ahead->next;
            *n = left < BATCH ? left : BATCH;
            ahead->next += *n;
            return true;
        }
        pthread_cond_wait(&ahead->more, &ahead->lock);
    }
}

static void work(struct worker *worker, bool waits, size_t batches)
{
    struct ecc_outset_ahead *ahead = worker->ahead;
    struct ecc_outfile files[BATCH];
    size_t from, n;

    pthread_mutex_lock(&ahead->lock);
    while (batches-- && take(ahead, waits, &from, &n)) {
        bool fine = true;
        memcpy(files, ahead->out->items + from, n * sizeof *files); /* the list may move meanwhile */
        for (size_t i = 0; i < n; i++)
            ahead->waiting -= files[i].owned ? files[i].length : 0;
        pthread_mutex_unlock(&ahead->lock);
        for (size_t i = 0; i < n && fine; i++)
            fine = ahead->job(worker, &files[i]);
        pthread_mutex_lock(&ahead->lock);
        for (size_t i = 0; i < n; i++) {
            struct ecc_outfile *file = &ahead->out->items[from + i];
            file->content = files[i].content;
            file->owned = files[i].owned;
            file->state = files[i].state;
            memcpy(file->digest, files[i].digest, sizeof file->digest);
        }
        ahead->failed |= !fine;
    }
    pthread_mutex_unlock(&ahead->lock);
}

static void *work_thread(void *data)
{
    work(data, true, SIZE_MAX);
    return NULL;
}

/* Locked: no thread begins before all are made. */
static void start(struct ecc_outset_ahead *ahead)
{
    cpu_set_t processors;
    size_t wanted = sched_getaffinity(0, sizeof processors, &processors) ? 1 : (size_t)CPU_COUNT(&processors) - 1;

    wanted = wanted < 1 ? 1 : wanted > MOST_THREADS ? MOST_THREADS : wanted;
    while (ahead->nworkers < wanted &&
           !pthread_create(&ahead->workers[ahead->nworkers].thread, NULL, work_thread, &ahead->workers[ahead->nworkers]))
        ahead->nworkers++;
}

/* All files that are left. */
static bool finish(struct ecc_outset_ahead *ahead)
{
    pthread_mutex_lock(&ahead->lock);
    ahead->over = true;
    if (!ahead->nworkers && ahead->out->n - ahead->next >= MANY)
        start(ahead);
    pthread_cond_broadcast(&ahead->more);
    pthread_mutex_unlock(&ahead->lock);
    work(&ahead->self, false, SIZE_MAX);
    for (size_t i = 0; i < ahead->nworkers; i++)
        pthread_join(ahead->workers[i].thread, NULL);
    const char *error = ahead->self.disk.error;
    for (size_t i = 0; i < ahead->nworkers && !error; i++)
        error = ahead->workers[i].disk.error;
    if (error && !ahead->error)
        ahead->error = ecc_arena_strdup(ahead->out->arena, error);
    ahead->nworkers = 0;
    return !ahead->failed;
}

void ecc_outset_push(struct ecc_outset *out, const struct ecc_outfile *file)
{
    struct ecc_outset_ahead *ahead = out->ahead;

    if (!ahead) {
        ECC_PUSH(out->arena, out, *file);
        return;
    }
    pthread_mutex_lock(&ahead->lock);
    ECC_PUSH(out->arena, out, *file);
    ahead->waiting += file->owned ? file->length : 0;
    if (!ahead->failed && !ahead->nworkers && out->n == MANY)
        start(ahead);
    if (ahead->nworkers && out->n - ahead->next >= BATCH)
        pthread_cond_signal(&ahead->more);
    bool help = ahead->nworkers && ahead->waiting > MOST_WAITING;
    pthread_mutex_unlock(&ahead->lock);
    if (help)
        work(&ahead->self, false, 1);
}

void ecc_outset_own(struct ecc_outset *out, struct ecc_outfile *file)
{
    char *copy = out->ahead ? malloc(file->length + 1) : NULL;

    file->owned = copy != NULL;
    if (!copy)
        copy = ecc_arena_alloc(out->arena, file->length + 1);
    memcpy(copy, file->content, file->length);
    copy[file->length] = '\0';
    file->content = copy;
}

/* ------------------------------------------------------------------ what is done with a file */

static void release(struct ecc_outfile *file)
{
    if (file->owned)
        free((void *)(uintptr_t)file->content);
    file->content = NULL;
    file->owned = false;
}

static int by_entry_path(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static const struct entry *find_old(const struct ecc_outset_ahead *ahead, const char *path)
{
    struct entry key = {.path = path};

    return ahead->old.n ? bsearch(&key, ahead->old.items, ahead->old.n, sizeof key, by_entry_path) : NULL;
}

/* Is what was read what the manifest says? */
static bool is_ours(const struct ecc_disk *disk, const struct entry *entry)
{
    unsigned char digest[ECC_SHA256];
    char hex[ECC_SHA256 * 2 + 1];

    if (!entry)
        return false;
    ecc_sha256(disk->data, disk->length, digest);
    ecc_sha256_text(digest, hex);
    return strcmp(entry->hash, hex) == 0;
}

/* The first pass. */
static bool decide(struct worker *worker, struct ecc_outfile *file)
{
    struct ecc_outset_ahead *ahead = worker->ahead;
    struct ecc_disk *disk = &worker->disk;

    ecc_sha256(file->content, file->length, file->digest);
    file->state = ECC_OUTFILE_ABSENT;
    if (ahead->fresh) {
        if (!ecc_disk_create(disk, file->path, file->content, file->length))
            return false;
        release(file);
        return true;
    }
    enum ecc_disk_result result = ahead->root < 0 ? ECC_DISK_NONE : ecc_disk_read(disk, file->path);
    if (result != ECC_DISK_FINE)
        return result == ECC_DISK_NONE;
    if (disk->length == file->length && memcmp(disk->data, file->content, disk->length) == 0) {
        file->state = ECC_OUTFILE_SAME;
        release(file);
    } else {
        file->state = is_ours(disk, find_old(ahead, file->path)) ? ECC_OUTFILE_OTHER : ECC_OUTFILE_EDITED;
    }
    return true;
}

/* The second pass. */
static bool put(struct worker *worker, struct ecc_outfile *file)
{
    if (file->state == ECC_OUTFILE_SAME)
        return true;
    if (!ecc_disk_replace(&worker->disk, file->path, file->content, file->length))
        return false;
    release(file);
    return true;
}

/* ------------------------------------------------------------------ the folder */

static bool fail(struct ecc_outset_ahead *ahead, const char *path, const char *what)
{
    if (!ahead->error)
        ahead->error = ecc_arena_printf(ahead->out->arena, "%s/%s: %s", ahead->root_path, path, what);
    return false;
}

/* Lines of `<sha256>  <path>`, as sha256sum writes them. A line that is not one is as good as absent. */
static bool read_manifest(struct ecc_outset_ahead *ahead)
{
    struct ecc_arena *arena = ahead->out->arena;
    struct ecc_disk *disk = &ahead->self.disk;

    enum ecc_disk_result result = ecc_disk_read(disk, ecc_manifest_name);
    if (result != ECC_DISK_FINE) {
        ahead->error = disk->error ? ecc_arena_strdup(arena, disk->error) : NULL;
        return !ahead->error;
    }
    ahead->manifest = ecc_arena_strndup(arena, disk->data, disk->length);
    for (char *line = ecc_arena_strndup(arena, disk->data, disk->length); *line;) {
        size_t n = strcspn(line, "\n");
        char *next = line + n + (line[n] != '\0');
        line[n] = '\0';
        if (n > ECC_SHA256 * 2 + 2 && strspn(line, "0123456789abcdef") == ECC_SHA256 * 2 && ecc_outset_path(line + ECC_SHA256 * 2 + 2)) {
            line[ECC_SHA256 * 2] = '\0';
            ECC_PUSH(arena, &ahead->old, ((struct entry){line + ECC_SHA256 * 2 + 2, line}));
        }
        line = next;
    }
    if (ahead->old.n)
        qsort(ahead->old.items, ahead->old.n, sizeof *ahead->old.items, by_entry_path);
    return true;
}

/* The folder beside the one that is to be. It is locked, so that another build does not take it for one that was left behind. */
static bool make_temporary(struct ecc_outset_ahead *ahead)
{
    struct ecc_arena *arena = ahead->out->arena;
    char *path = ecc_arena_strdup(arena, ahead->root_path), *slash;
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        path[--n] = '\0';
    slash = strrchr(path, '/');
    ahead->name = slash ? slash + 1 : path;
    ahead->temporary = ecc_arena_printf(arena, ".%s.new", ahead->name);
    if (slash)
        *slash = '\0';
    ahead->parent = open(!slash ? "." : *path ? path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ahead->parent < 0)
        return fail(ahead, "", strerror(errno));
    for (int again = 0; again < 2 && ahead->root < 0; again++) {
        bool made = !mkdirat(ahead->parent, ahead->temporary, 0777);
        if (!made && errno != EEXIST)
            break;
        int fd = openat(ahead->parent, ahead->temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
            close(fd);
            return fail(ahead, "", "another build is making it");
        }
        if (fd >= 0 && made)
            ahead->root = fd;
        else if (fd < 0 || !ecc_disk_remove_all(ahead->parent, ahead->temporary)) /* of a build that was killed */
            again = 2;
        if (fd >= 0 && ahead->root != fd)
            close(fd);
    }
    ahead->fresh = ahead->root >= 0;
    return ahead->fresh || fail(ahead, "", strerror(errno));
}

static bool open_root(struct ecc_outset_ahead *ahead)
{
    ahead->root = open(ahead->root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ahead->root < 0 && errno != ENOENT)
        return fail(ahead, "", strerror(errno));
    return ahead->root >= 0 || ahead->dry || make_temporary(ahead);
}

void ecc_outset_begin(struct ecc_outset *out, const char *root, bool dry)
{
    struct ecc_outset_ahead *ahead = ECC_NEW(out->arena, struct ecc_outset_ahead);

    *ahead = (struct ecc_outset_ahead){.out = out, .root_path = root, .dry = dry, .root = -1, .parent = -1, .job = decide};
    pthread_mutex_init(&ahead->lock, NULL);
    pthread_cond_init(&ahead->more, NULL);
    bool fine = open_root(ahead);
    for (size_t i = 0; i <= MOST_THREADS; i++) {
        struct worker *worker = i ? &ahead->workers[i - 1] : &ahead->self;
        worker->ahead = ahead;
        ecc_arena_init(&worker->arena);
        worker->arena.oom = out->arena->oom;
        worker->arena.oom_context = out->arena->oom_context;
        ecc_disk_open(&worker->disk, &worker->arena, root, ahead->root);
    }
    if (fine && ahead->root >= 0 && !ahead->fresh)
        fine = read_manifest(ahead);
    ahead->failed = !fine;
    for (size_t i = 0; i < out->n; i++)
        ahead->waiting += out->items[i].owned ? out->items[i].length : 0;
    out->ahead = ahead;
}

static void end(struct ecc_outset *out)
{
    struct ecc_outset_ahead *ahead = out->ahead;

    for (size_t i = 0; i <= MOST_THREADS; i++) {
        struct worker *worker = i ? &ahead->workers[i - 1] : &ahead->self;
        ecc_disk_close(&worker->disk);
        ecc_arena_free(&worker->arena);
    }
    if (ahead->fresh) /* it has not got its name */
        ecc_disk_remove_all(ahead->parent, ahead->temporary);
    if (ahead->root >= 0)
        close(ahead->root);
    if (ahead->parent >= 0)
        close(ahead->parent);
    for (size_t i = 0; i < out->n; i++)
        if (out->items[i].owned)
            release(&out->items[i]);
    pthread_cond_destroy(&ahead->more);
    pthread_mutex_destroy(&ahead->lock);
    out->ahead = NULL;
}

void ecc_outset_drop(struct ecc_outset *out)
{
    if (!out->ahead)
        return;
    pthread_mutex_lock(&out->ahead->lock);
    out->ahead->failed = true;
    pthread_mutex_unlock(&out->ahead->lock);
    finish(out->ahead);
    end(out);
}

/* ------------------------------------------------------------------ the report, and the second pass */

static int by_change_path(const void *a, const void *b)
{
    return strcmp(((const struct ecc_change *)a)->path, ((const struct ecc_change *)b)->path);
}

static bool report_all(struct ecc_outset_ahead *ahead, struct ecc_outset_report *report)
{
    const struct ecc_outset *out = ahead->out;
    struct ecc_disk *disk = &ahead->self.disk;
    struct {
        const char **items;
        size_t n, cap;
    } edited = {0};

    for (size_t i = 0; i < out->n; i++) {
        const struct ecc_outfile *file = &out->items[i];
        if (file->state == ECC_OUTFILE_EDITED)
            ECC_PUSH(out->arena, &edited, file->path);
        else if (file->state != ECC_OUTFILE_SAME)
            ECC_PUSH(out->arena, report,
                     ((struct ecc_change){file->state == ECC_OUTFILE_OTHER ? ECC_CHANGE_REPLACE : ECC_CHANGE_ADD, file->path}));
    }
    for (size_t i = 0; i < ahead->old.n; i++) {
        const char *path = ahead->old.items[i].path;
        if (ecc_outset_find(out, path))
            continue;
        enum ecc_disk_result result = ecc_disk_read(disk, path);
        if (result == ECC_DISK_FAILED)
            return false;
        if (result == ECC_DISK_FINE && is_ours(disk, &ahead->old.items[i]))
            ECC_PUSH(out->arena, report, ((struct ecc_change){ECC_CHANGE_REMOVE, path}));
        else if (result == ECC_DISK_FINE)
            ECC_PUSH(out->arena, &edited, path);
    }
    if (report->n)
        qsort(report->items, report->n, sizeof *report->items, by_change_path);
    if (edited.n) {
        const char *more = edited.n > 1 ? ecc_arena_printf(out->arena, " (and %zu more)", edited.n - 1) : "";
        ahead->error = ecc_arena_printf(out->arena,
                                        "%s/%s%s is not as it was generated: move the change to the topology or to a `custom` operation, "
                                        "then delete the file to have it written again",
                                        ahead->root_path, edited.items[0], more);
    }
    return !edited.n;
}

static const char *new_manifest(const struct ecc_outset *out)
{
    struct ecc_writer w;
    char hex[ECC_SHA256 * 2 + 1];

    ecc_writer_init(&w, out->arena);
    for (size_t i = 0; i < out->n; i++) {
        ecc_sha256_text(out->items[i].digest, hex);
        ecc_wl(&w, "%s  %s", hex, out->items[i].path);
    }
    return w.data;
}

/* Running out of memory must not leave half of a build: no memory is asked for from here on. */
static bool write_all(struct ecc_outset_ahead *ahead, const struct ecc_outset_report *report, const char *manifest)
{
    struct ecc_disk *disk = &ahead->self.disk;

    if (ahead->fresh) {
        if (!ecc_disk_create(disk, ecc_manifest_name, manifest, strlen(manifest)))
            return false;
        if (renameat(ahead->parent, ahead->temporary, ahead->parent, ahead->name))
            return fail(ahead, "", strerror(errno));
        ahead->fresh = false;
        return true;
    }
    ahead->job = put;
    ahead->next = report->n ? 0 : ahead->out->n;
    if (!finish(ahead))
        return false;
    for (size_t i = 0; i < report->n; i++)
        if (report->items[i].kind == ECC_CHANGE_REMOVE && !ecc_disk_remove(disk, report->items[i].path))
            return false;
    if (ahead->manifest && strcmp(ahead->manifest, manifest) == 0)
        return true;
    return ecc_disk_replace(disk, ecc_manifest_name, manifest, strlen(manifest));
}

bool ecc_outset_write(struct ecc_outset *out, const char *root, bool dry, struct ecc_outset_report *report)
{
    *report = (struct ecc_outset_report){0};
    if (out->error) {
        report->error = out->error;
        ecc_outset_drop(out);
        return false;
    }
    if (!out->ahead)
        ecc_outset_begin(out, root, dry);
    struct ecc_outset_ahead *ahead = out->ahead;
    bool fine = finish(ahead);
    if (fine) {
        ecc_outset_sort(out);
        fine = report_all(ahead, report) && (dry || write_all(ahead, report, new_manifest(out)));
    }
    if (!fine) {
        const char *error = ahead->error ? ahead->error : ahead->self.disk.error;
        report->error = error ? ecc_arena_strdup(out->arena, error) : "the files can't be written";
    }
    end(out);
    return fine;
}
