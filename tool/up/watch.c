/* See watch.h. A file is known by its path, inode, size and time of change. */
#include "watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { QUIET_MS = 50, LONGEST_MS = 1000, DEEPEST = 4 };

struct ecc_watch_folder {
    struct ecc_watch_folder *next;
    uv_fs_event_t event;
    ino_t inode;
    bool seen;
    char path[];
};

static void on_quiet(uv_timer_t *timer)
{
    struct ecc_watch *watch = timer->data;

    watch->first = 0;
    watch->changed(watch->data);
}

/* A moment of quiet, but not for ever: somebody else may write here all the time. */
static void on_event(uv_fs_event_t *event, const char *name, int events, int status)
{
    struct ecc_watch *watch = event->data;
    uint64_t now = uv_now(watch->loop);

    (void)name;
    (void)events;
    (void)status;
    if (!watch->first)
        watch->first = now;
    uint64_t left = watch->first + LONGEST_MS > now ? watch->first + LONGEST_MS - now : 0;
    uv_timer_start(&watch->quiet, on_quiet, left < QUIET_MS ? left : QUIET_MS, 0);
}

static void on_folder_closed(uv_handle_t *handle)
{
    free((char *)handle - offsetof(struct ecc_watch_folder, event));
}

static void watch_folder(struct ecc_watch *watch, const char *path, ino_t inode)
{
    for (struct ecc_watch_folder *folder = watch->folders; folder; folder = folder->next)
        if (folder->inode == inode && !strcmp(folder->path, path)) {
            folder->seen = true;
            return;
        }
    struct ecc_watch_folder *folder = calloc(1, sizeof *folder + strlen(path) + 1);
    if (!folder)
        abort();
    strcpy(folder->path, path);
    folder->inode = inode;
    folder->seen = true;
    uv_fs_event_init(watch->loop, &folder->event);
    folder->event.data = watch;
    int error = uv_fs_event_start(&folder->event, on_event, path, 0);
    if (error) {
        watch->error = error;
        uv_close((uv_handle_t *)&folder->event, on_folder_closed);
        return;
    }
    folder->next = watch->folders;
    watch->folders = folder;
}

/* Those that were not seen in the last look are gone. */
static void forget_folders(struct ecc_watch *watch)
{
    for (struct ecc_watch_folder **at = &watch->folders, *folder; (folder = *at);) {
        if (folder->seen) {
            folder->seen = false;
            at = &folder->next;
            continue;
        }
        *at = folder->next;
        uv_close((uv_handle_t *)&folder->event, on_folder_closed);
    }
}

/* ------------------------------------------------------------------ looking */

static uint64_t add(uint64_t hash, const void *data, size_t n) /* FNV-1a */
{
    for (const unsigned char *p = data; n--; p++)
        hash = (hash ^ *p) * 1099511628211u;
    return hash;
}

static uint64_t add_file(uint64_t hash, const char *path, const struct stat *st)
{
    const int64_t numbers[] = {(int64_t)st->st_ino, (int64_t)st->st_size, (int64_t)st->st_mtim.tv_sec, (int64_t)st->st_mtim.tv_nsec};

    return add(add(hash, path, strlen(path)), numbers, sizeof numbers);
}

static bool is_code(const char *name)
{
    const char *dot = strrchr(name, '.');

    return name[0] != '.' && dot && (!strcmp(dot, ".c") || !strcmp(dot, ".h"));
}

/* The order of a folder means nothing, so its files are added up. */
static uint64_t look_at_code(struct ecc_watch *watch, const char *path, int64_t since, int depth)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    struct stat st;
    uint64_t sum = 0;

    if (!folder)
        return 0;
    if (!fstat(dirfd(folder), &st))
        watch_folder(watch, path, st.st_ino); /* before its files are looked at: nothing can come in between */
    while ((entry = readdir(folder))) {
        char name[4096];
        if (entry->d_name[0] == '.' || snprintf(name, sizeof name, "%s/%s", path, entry->d_name) >= (int)sizeof name || stat(name, &st))
            continue;
        if (S_ISDIR(st.st_mode) && depth < DEEPEST)
            sum += look_at_code(watch, name, since, depth + 1);
        if (!S_ISREG(st.st_mode) || !is_code(entry->d_name))
            continue;
        if (since && st.st_ctim.tv_sec >= since && st.st_mtim.tv_sec < since && !utimensat(AT_FDCWD, name, NULL, 0) && stat(name, &st))
            continue;
        sum += add_file(14695981039346656037u, name, &st);
    }
    closedir(folder);
    return sum;
}

uint64_t ecc_watch_look(struct ecc_watch *watch, int64_t since)
{
    char path[4096];
    struct stat st = {0};
    uint64_t hash = 14695981039346656037u;

    if (!stat(watch->root, &st))
        watch_folder(watch, watch->root, st.st_ino);
    snprintf(path, sizeof path, "%s/%s", watch->root, watch->file);
    if (!stat(path, &st))
        hash = add_file(hash, path, &st);
    snprintf(path, sizeof path, "%s/custom", watch->root);
    uint64_t code = look_at_code(watch, path, since, 0);
    forget_folders(watch);
    return add(hash, &code, sizeof code);
}

void ecc_watch_open(struct ecc_watch *watch, uv_loop_t *loop, const char *root, const char *file, void (*changed)(void *data), void *data)
{
    *watch = (struct ecc_watch){.loop = loop, .root = root, .file = file, .changed = changed, .data = data};
    uv_timer_init(loop, &watch->quiet);
    watch->quiet.data = watch;
}

void ecc_watch_free(struct ecc_watch *watch)
{
    for (struct ecc_watch_folder *folder = watch->folders, *next; folder; folder = next) {
        next = folder->next;
        free(folder);
    }
    watch->folders = NULL;
}
