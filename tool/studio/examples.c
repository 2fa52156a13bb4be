/* The topologies that there are: the one that studio was started for, and examples/NAME/topology.ecom beside it. Looked up on the disk when
 * somebody asks, read and compiled when they are other files than last time. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ast.h"
#include "studio.h"

/* ------------------------------------------------------------------ files */

/* EAGAIN: it was another, larger one when it was opened than when it was looked at, or has grown since. */
static char *read_once(struct ecc_arena *arena, const char *path, size_t *length)
{
    struct stat st;
    size_t n = 0, room;
    int fd, failed = 0;

    if (stat(path, &st))
        return NULL;
    if (!S_ISREG(st.st_mode) || st.st_size > STUDIO_MAX_SOURCE) {
        errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
        return NULL;
    }
    room = (size_t)st.st_size + 1;
    char *text = ecc_arena_alloc(arena, room + 1); /* before there is anything that could stay open */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    while (!failed && n < room) {
        ssize_t got = read(fd, text + n, room - n);
        if (got < 0 && errno != EINTR)
            failed = errno;
        if (got == 0)
            break;
        n += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    errno = !failed && n == room ? EAGAIN : failed;
    *length = n;
    return errno ? NULL : text;
}

char *studio_read(struct ecc_arena *arena, const char *path, size_t *length)
{
    char *text = NULL;

    for (int tries = 0; tries < 10 && !text && (!tries || errno == EAGAIN); tries++)
        text = read_once(arena, path, length);
    return text;
}

static struct studio_stamp stamp_of(const char *path)
{
    struct stat st;
    struct studio_stamp stamp = {0};

    clock_gettime(CLOCK_REALTIME_COARSE, &stamp.read);
    if (stat(path, &st))
        return stamp;
    stamp.dev = st.st_dev;
    stamp.ino = st.st_ino;
    stamp.size = st.st_size;
    stamp.changed = st.st_mtim;
    stamp.there = true;
    return stamp;
}

/* The clock of files ticks: what was read in the tick of a change may have changed again since. */
static bool is_settled(const struct studio_stamp *s)
{
    return !s->there || s->read.tv_sec > s->changed.tv_sec + 1 ||
           (s->read.tv_sec - s->changed.tv_sec) * 1000000000L + s->read.tv_nsec - s->changed.tv_nsec > 50000000L;
}

static bool same(const struct studio_stamp *a, const struct studio_stamp *b)
{
    return a->there == b->there && a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec && is_settled(a);
}

/* ------------------------------------------------------------------ the list */

static char *kept(const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        abort();
    return copy;
}

static char *beside(const char *file, const char *name)
{
    const char *slash = strrchr(file, '/');
    char *path;

    if (asprintf(&path, "%.*s%s", slash ? (int)(slash - file) + 1 : 0, file, name) < 0)
        abort();
    return path;
}

/* The name of the folder that the file is in. */
static const char *folder_of(struct ecc_arena *arena, const char *path)
{
    char real[PATH_MAX];
    char *folder = beside(path, "."), *end;
    const char *name = realpath(folder, real) ? real : "topology";

    free(folder);
    end = strrchr(name, '/');
    name = end && end[1] ? end + 1 : name;
    return ecc_arena_strdup(arena, strcmp(name, "/") != 0 ? name : "topology");
}

static bool is_taken(const struct studio *studio, const struct studio_example *but, const char *id)
{
    for (const struct studio_example *e = studio->examples; e && e != but; e = e->next)
        if (e->id && strcmp(e->id, id) == 0)
            return true;
    return false;
}

/* One whose text is broken at the moment keeps the id that it had. */
static void name(struct studio_request *r, struct studio_example *e)
{
    const struct studio *studio = r->studio;
    const char *id = NULL, *wanted;

    for (size_t i = 0; i < e->view.file->decls.n; i++)
        if (e->view.file->decls.items[i]->kind == ECC_AST_DECL_TOPOLOGY)
            id = e->view.file->decls.items[i]->name.text;
    if (!id && e->id && !e->view.model)
        return;
    if (!id || is_taken(studio, e, id))
        id = folder_of(&r->arena, e->path);
    wanted = id;
    for (int n = 2; is_taken(studio, e, id); n++)
        id = ecc_arena_printf(&r->arena, "%s-%d", wanted, n);
    if (!e->id || strcmp(e->id, id) != 0) {
        free(e->id);
        e->id = kept(id);
    }
}

/* What memory there is for it is the request's: when that is not enough, this is tried again next time. */
static void look(struct studio_request *r, struct studio_example *e)
{
    char *beside_it = beside(e->path, "ecom.lock");
    struct studio_stamp text = stamp_of(e->path), lock = stamp_of(beside_it);
    size_t n = 0, lock_length = 0;

    if (e->compiled && same(&e->text, &text) && same(&e->lock, &lock)) {
        free(beside_it);
        return;
    }
    e->compiled = false;
    ecc_arena_free(&e->arena);
    ecc_arena_init(&e->arena);
    const char *lock_path = ecc_arena_strdup(&r->arena, beside_it);
    free(beside_it);
    e->arena.limit = r->arena.limit;
    e->arena.oom = r->arena.oom;
    e->arena.oom_context = r->arena.oom_context;
    e->text = text;
    e->lock = lock;
    const char *locked = studio_read(&e->arena, lock_path, &lock_length);
    e->failed = locked || errno == ENOENT ? 0 : errno;
    const char *content = studio_read(&e->arena, e->path, &n);
    e->failed = content ? e->failed : errno;
    e->tag = studio_tag(&e->arena, content ? content : "", n);
    studio_view_make(&e->view, &e->arena, e->path, content ? content : "", n, locked, lock_length);
    studio_view_switches(&e->view);
    e->arena.oom = NULL; /* nobody takes more of it */
    e->compiled = true;
}

/* Makes the example of that path the one that stands at **end, and moves *end behind it. */
static void find(struct studio_example ***end, const char *path)
{
    struct studio_example **at = *end, *e;

    while (*at && strcmp((*at)->path, path) != 0)
        at = &(*at)->next;
    e = *at;
    if (e) {
        *at = e->next;
    } else {
        e = calloc(1, sizeof *e);
        if (!e)
            abort();
        e->path = kept(path);
        ecc_arena_init(&e->arena);
    }
    e->next = **end;
    **end = e;
    *end = &e->next;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void find_beside(struct studio_request *r, struct studio_example ***end)
{
    char *folder = beside(r->studio->file, "examples");
    const char *root = ecc_arena_strdup(&r->arena, folder);
    struct dirent **names = NULL;
    int n = scandir(root, &names, NULL, by_bytes);

    free(folder);
    for (int i = 0; i < n; i++) {
        char *path;
        if (asprintf(&path, "%s/%s/topology.ecom", root, names[i]->d_name) < 0)
            abort();
        if (names[i]->d_name[0] != '.' && access(path, F_OK) == 0)
            find(end, path);
        free(path);
        free(names[i]);
    }
    free(names);
}

static void forget(struct studio_example *e)
{
    while (e) {
        struct studio_example *next = e->next;
        ecc_arena_free(&e->arena);
        free(e->id);
        free(e->path);
        free(e);
        e = next;
    }
}

struct studio_example *studio_examples(struct studio_request *r)
{
    struct studio_example **end = &r->studio->examples;

    find(&end, r->studio->file);
    find_beside(r, &end);
    forget(*end);
    *end = NULL;
    for (struct studio_example *e = r->studio->examples; e; e = e->next) {
        look(r, e);
        name(r, e);
    }
    return r->studio->examples;
}

void studio_examples_free(struct studio *studio)
{
    forget(studio->examples);
    studio->examples = NULL;
}

struct studio_example *studio_example_named(struct studio_request *r)
{
    struct studio_example *e = studio_examples(r);

    while (e && strcmp(e->id, r->id) != 0)
        e = e->next;
    if (!e)
        studio_problem(r, &studio_error_not_found, "there is no example called %.100s", r->id);
    else if (e->failed)
        studio_problem(r, &studio_error_unavailable, "%s: %s", e->path, strerror(e->failed));
    return e && !e->failed ? e : NULL;
}
