#include "outset_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"

enum { FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, FRESH = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC };

const char ecc_manifest_name[] = "MANIFEST";

void ecc_disk_open(struct ecc_disk *disk, struct ecc_arena *arena, const char *root_path, int root)
{
    *disk = (struct ecc_disk){.arena = arena, .root_path = root_path, .root = root, .folder = -1};
}

static void leave_folder(struct ecc_disk *disk)
{
    if (disk->folder >= 0)
        close(disk->folder);
    disk->folder = -1;
}

void ecc_disk_close(struct ecc_disk *disk)
{
    leave_folder(disk);
    free(disk->data);
    disk->data = NULL;
    disk->room = 0;
}

bool ecc_disk_fail(struct ecc_disk *disk, const char *path, const char *what)
{
    if (!disk->error)
        disk->error = ecc_arena_printf(disk->arena, "%s/%s: %s", disk->root_path, path, what);
    return false;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The folder that a path stands in, or -1 with errno. It stays open until another is asked for. */
static int folder_of(struct ecc_disk *disk, const char *path, bool create)
{
    size_t length = (size_t)(base_of(path) - path);

    if (!length)
        return disk->root;
    length--;
    if (disk->folder >= 0 && disk->folder_length == length && memcmp(disk->folder_path, path, length) == 0)
        return disk->folder;
    leave_folder(disk);
    int at = disk->root;
    for (const char *p = path; p < path + length;) {
        size_t n = strcspn(p, "/");
        char part[ECC_PART_MAX + 1];
        snprintf(part, sizeof part, "%.*s", (int)n, p);
        int next = openat(at, part, FOLDER);
        if (next < 0 && errno == ENOENT && create && (mkdirat(at, part, 0777) == 0 || errno == EEXIST))
            next = openat(at, part, FOLDER);
        int error = errno;
        if (at != disk->root)
            close(at);
        if (next < 0) {
            errno = error;
            return -1;
        }
        at = next;
        p += n + 1;
    }
    disk->folder = at;
    disk->folder_length = length;
    memcpy(disk->folder_path, path, length);
    return at;
}

static bool make_room(struct ecc_disk *disk, size_t size)
{
    if (size <= disk->room)
        return true;
    char *data = realloc(disk->data, size);
    if (!data)
        return false;
    disk->data = data;
    disk->room = size;
    return true;
}

enum ecc_disk_result ecc_disk_read(struct ecc_disk *disk, const char *path)
{
    struct stat info;
    int folder = folder_of(disk, path, false);

    if (folder < 0) {
        if (errno == ENOENT)
            return ECC_DISK_NONE;
        ecc_disk_fail(disk, path, errno == ELOOP || errno == ENOTDIR ? "a folder above it is a link or a file" : strerror(errno));
        return ECC_DISK_FAILED;
    }
    int fd = openat(folder, base_of(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT)
            return ECC_DISK_NONE;
        ecc_disk_fail(disk, path, errno == ELOOP ? "is a symbolic link, which is not followed" : strerror(errno));
        return ECC_DISK_FAILED;
    }
    if (fstat(fd, &info) || !S_ISREG(info.st_mode)) {
        close(fd);
        ecc_disk_fail(disk, path, "is not a regular file");
        return ECC_DISK_FAILED;
    }
    size_t size = (size_t)info.st_size;
    bool fine = make_room(disk, size + 1);
    for (disk->length = 0; fine && disk->length < size;) {
        ssize_t got = read(fd, disk->data + disk->length, size - disk->length);
        if (got < 0 && errno == EINTR)
            continue;
        fine = got >= 0;
        if (got <= 0)
            break;
        disk->length += (size_t)got;
    }
    if (!fine)
        ecc_disk_fail(disk, path, strerror(errno));
    else
        disk->data[disk->length] = '\0';
    close(fd);
    return fine ? ECC_DISK_FINE : ECC_DISK_FAILED;
}

/* False with errno; then there is no such file. */
static bool write_new(int folder, const char *name, const char *content, size_t length)
{
    int fd = openat(folder, name, FRESH, 0666), error = 0;

    if (fd < 0)
        return false;
    for (size_t n = 0; n < length && !error;) {
        ssize_t put = write(fd, content + n, length - n);
        if (put >= 0)
            n += (size_t)put;
        else if (errno != EINTR)
            error = errno;
    }
    if (close(fd) && !error)
        error = errno;
    if (!error)
        return true;
    unlinkat(folder, name, 0);
    errno = error;
    return false;
}

bool ecc_disk_create(struct ecc_disk *disk, const char *path, const char *content, size_t length)
{
    int folder = folder_of(disk, path, true);

    return (folder >= 0 && write_new(folder, base_of(path), content, length)) || ecc_disk_fail(disk, path, strerror(errno));
}

bool ecc_disk_replace(struct ecc_disk *disk, const char *path, const char *content, size_t length)
{
    char temporary[ECC_PART_MAX + 16];
    const char *name = base_of(path);
    int folder = folder_of(disk, path, true);

    if (folder < 0)
        return ecc_disk_fail(disk, path, strerror(errno));
    snprintf(temporary, sizeof temporary, ".%s.new", name);
    bool fine = write_new(folder, temporary, content, length);
    if (!fine && errno == EEXIST && !unlinkat(folder, temporary, 0)) /* left behind by a build that was killed */
        fine = write_new(folder, temporary, content, length);
    if (fine && !renameat(folder, temporary, folder, name))
        return true;
    ecc_disk_fail(disk, path, strerror(errno));
    if (fine)
        unlinkat(folder, temporary, 0);
    return false;
}

static void remove_empty_folders(struct ecc_disk *disk, const char *path)
{
    char folder[ECC_PATH_LIMIT + 1];

    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash; (slash = strrchr(folder, '/'));) {
        *slash = '\0';
        int above = folder_of(disk, folder, false);
        bool gone = above >= 0 && unlinkat(above, base_of(folder), AT_REMOVEDIR) == 0;
        leave_folder(disk);
        if (!gone)
            return;
    }
}

bool ecc_disk_remove(struct ecc_disk *disk, const char *path)
{
    int folder = folder_of(disk, path, false);

    if (folder < 0 || (unlinkat(folder, base_of(path), 0) && errno != ENOENT))
        return ecc_disk_fail(disk, path, strerror(errno));
    remove_empty_folders(disk, path);
    return true;
}

bool ecc_disk_remove_all(int at, const char *name)
{
    int fd = openat(at, name, FOLDER);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    bool fine = folder != NULL;

    if (!folder) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    for (struct dirent *entry; fine && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            fine = !unlinkat(fd, entry->d_name, 0) || (errno == EISDIR && ecc_disk_remove_all(fd, entry->d_name));
    int error = errno;
    closedir(folder);
    errno = error;
    return fine && !unlinkat(at, name, AT_REMOVEDIR);
}

bool ecc_write_file(struct ecc_arena *arena, const char *path, const char *content, size_t length, const char **error)
{
    const char *slash = strrchr(path, '/');
    const char *parent = !slash ? "." : slash == path ? "/" : ecc_arena_strndup(arena, path, (size_t)(slash - path));
    struct ecc_disk disk;
    int root = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *error = NULL;
    if (root < 0) {
        *error = ecc_arena_printf(arena, "%s: %s", parent, strerror(errno));
        return false;
    }
    ecc_disk_open(&disk, arena, parent, root);
    enum ecc_disk_result result = ecc_disk_read(&disk, base_of(path));
    bool fine = result != ECC_DISK_FAILED;
    if (result == ECC_DISK_NONE || (fine && (disk.length != length || memcmp(disk.data, content, length) != 0)))
        fine = ecc_disk_replace(&disk, base_of(path), content, length);
    ecc_disk_close(&disk);
    close(root);
    *error = disk.error;
    return fine;
}
