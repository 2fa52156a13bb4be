/* Writing a topology back: only over what the writer has seen.
 *
 * The new text is written beside the file and put in its place in one step, which gives back what stood there. Is that not what the writer
 * has seen, they change places again. So nothing of anybody is lost, whoever writes at the same time. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "studio.h"

static const char *tag_of(struct studio_request *r, const char *path)
{
    size_t n;
    const char *text = studio_read(&r->arena, path, &n);

    return text ? studio_tag(&r->arena, text, n) : "";
}

/* The text in a file of its own, with mode and owner of the one that it is to replace. 0 or errno. */
static int write_beside(char *temp, const struct stat *like, const char *text, size_t n)
{
    int fd = mkostemp(temp, O_CLOEXEC), failed = 0;

    if (fd < 0)
        return errno;
    for (size_t done = 0; done < n && !failed;) {
        ssize_t put = write(fd, text + done, n - done);
        if (put < 0 && errno != EINTR)
            failed = errno;
        if (put > 0)
            done += (size_t)put;
    }
    if (!failed && fchown(fd, like->st_uid, like->st_gid) && errno != EPERM) /* whose group we are not in, keeps its content and mode */
        failed = errno;
    if (!failed && (fchmod(fd, like->st_mode & 07777) || fsync(fd)))
        failed = errno;
    if (close(fd) && !failed)
        failed = errno;
    if (failed)
        unlink(temp);
    return failed;
}

static int exchange(const char *a, const char *b)
{
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) ? errno : 0;
}

/* What stood there was not what the writer has seen: it goes back. Somebody may have written once more in between; then what came back is
 * not what was put there last, and is the one that has to stay. */
static int give_back(struct studio_request *r, const char *temp, const char *path, const char *put)
{
    enum { TRIES = 100 };

    for (int i = 0; i < TRIES; i++) {
        const char *theirs = tag_of(r, temp);
        int failed = exchange(temp, path);
        if (failed)
            return failed; /* temp stays: it is theirs */
        if (strcmp(tag_of(r, temp), put) == 0) {
            unlink(temp);
            return ESTALE;
        }
        put = theirs;
    }
    return EBUSY;
}

/* 0, ESTALE, or another errno; the file is whole in each case. put: the tag of what is in temp. */
static int put_in_place(struct studio_request *r, const char *temp, const char *path, struct ec_str seen, const char *put)
{
    int failed = exchange(temp, path);

    if (!failed && !studio_tag_in(seen, tag_of(r, temp)))
        return give_back(r, temp, path, put);
    if (failed == EINVAL || failed == ENOSYS) /* a file system that can't exchange: looked at once more, right before */
        failed = !studio_tag_in(seen, tag_of(r, path)) ? ESTALE : rename(temp, path) ? errno : 0;
    unlink(temp);
    return failed;
}

static int replace(struct studio_request *r, const char *file, struct ec_str seen, const char *text, size_t n, const char *tag)
{
    char path[PATH_MAX];
    struct stat st;
    int failed;

    if (!realpath(file, path) || stat(path, &st)) /* a link stays one */
        return errno;
    if (!S_ISREG(st.st_mode))
        return EINVAL;
    char *temp = ecc_arena_printf(&r->arena, "%s.XXXXXX", path);
    if ((failed = write_beside(temp, &st, text, n)))
        return failed;
    return put_in_place(r, temp, path, seen, tag);
}

void studio_replace(struct studio_request *r)
{
    struct ec_str seen = ec_http_header(r->http, "if-match");
    const struct studio_example *e = studio_example_named(r);
    const char *text;
    size_t n;
    int failed;

    if (!e || !(text = studio_sent_text(r, &n)))
        return;
    const char *tag = studio_tag(&r->arena, text, n), *headers = ecc_arena_printf(&r->arena, "etag: %s\r\n", tag);
    if (!seen.p)
        studio_problem(r, &studio_error_unconditional, "name the etag of the text that this one was made from");
    else if (!studio_tag_in(seen, e->tag) || (failed = replace(r, e->path, seen, text, n, tag)) == ESTALE)
        studio_problem(r, &studio_error_stale, "%s is another than the one that was changed here", e->path);
    else if (failed)
        studio_problem(r, failed == EACCES || failed == EPERM || failed == EROFS ? &studio_error_conflict : &studio_error_internal,
                       "%s: %s", e->path, strerror(failed));
    else
        studio_reply(r, 204, "", headers, "", 0);
}
