/* ecomc fmt [--check] [FILE ...]: the canonical form of topologies, in place; `-` is from standard input to standard output.
 *
 * A file is replaced whole or not at all: the text goes to a temporary file beside it, with its mode and owner, and that gets its name. A
 * symbolic link stays one; what it names is replaced. A file with errors is left alone. --check writes nothing, names what is not
 * canonical, and exits with 2 when there is any.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format.h"

static bool write_all(int fd, const char *text, size_t length)
{
    while (length) {
        ssize_t n = write(fd, text, length);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            text += n;
            length -= (size_t)n;
        }
    }
    return true;
}

/* Its mode and, where we may, its owner; a file of somebody else that we may write is still theirs afterwards, or it is not replaced. */
static bool like(int fd, const struct stat *old)
{
    struct stat now;

    if (fstat(fd, &now))
        return false;
    if ((now.st_uid != old->st_uid || now.st_gid != old->st_gid) && fchown(fd, old->st_uid, old->st_gid))
        return false;
    return fchmod(fd, old->st_mode & 07777) == 0;
}

static int replace(struct ecc_cli *cli, const char *named, const char *text, size_t length)
{
    char *path = realpath(named, NULL);
    struct stat old;

    if (!path || stat(path, &old)) {
        free(path);
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", named, strerror(errno));
    }
    if (!S_ISREG(old.st_mode) || access(path, W_OK)) {
        bool regular = S_ISREG(old.st_mode);
        free(path);
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", named, regular ? "it may not be written" : "not a regular file; use `-` for a pipe");
    }
    char *temporary = ecc_arena_printf(&cli->arena, "%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    bool good = fd >= 0 && write_all(fd, text, length) && like(fd, &old) && fsync(fd) == 0;
    int error = errno;

    if (fd >= 0 && close(fd) && good) {
        good = false;
        error = errno;
    }
    if (good && rename(temporary, path)) {
        good = false;
        error = errno;
    }
    if (!good && fd >= 0)
        unlink(temporary);
    free(path);
    return good ? ECC_EXIT_OK : ecc_say_error(ECC_EXIT_IO, "%s: %s; it is as it was", named, strerror(error));
}

static int format(struct ecc_cli *cli, const char *path, bool check)
{
    struct ecc_topology topology;
    size_t length;
    int code = ecc_topology_read(cli, path, &topology);
    bool from_stdin = !strcmp(path, "-");

    if (code)
        return code;
    const char *text = ecc_format(&cli->arena, &topology.source, &topology.diags, &length);
    if (topology.diags.n)
        code = ecc_topology_report(cli, &topology);
    if (code)
        return code;
    if (!text)
        return ecc_say_error(ECC_EXIT_INTERNAL, "%s: its canonical form would not mean the same; that is a mistake of ecomc, "
                             "and the file is as it was", path);
    bool same = length == topology.source.length && !memcmp(text, topology.source.text, length);
    if (check) {
        if (!same)
            puts(path);
        return same ? ECC_EXIT_OK : ECC_EXIT_DIFFERENT;
    }
    if (from_stdin) {
        fwrite(text, 1, length, stdout);
        return ECC_EXIT_OK;
    }
    if (same)
        return ECC_EXIT_OK;
    if ((code = replace(cli, path, text, length)) == ECC_EXIT_OK)
        puts(path);
    return code;
}

int ecc_cmd_fmt(struct ecc_cli *cli)
{
    bool check = false;
    const struct ecc_option options[] = {{"--check", NULL, &check}};
    int code = ecc_cli_options(cli, options, 1, 100000), worst = ECC_EXIT_OK;

    if (code)
        return code;
    if (!cli->nargs)
        return format(cli, "topology.ecom", check);
    for (int i = 0; i < cli->nargs; i++) {
        code = format(cli, cli->args[i], check);
        if (worst == ECC_EXIT_OK || (worst == ECC_EXIT_DIFFERENT && code))
            worst = code;
    }
    return worst;
}
