/* Options, files, and the way from a path to a compiled topology. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int ecc_cli_options(struct ecc_cli *cli, const struct ecc_option *options, size_t n, int max_args)
{
    int kept = 0;

    for (int i = 0; i < cli->nargs; i++) {
        char *arg = cli->args[i];
        if (arg[0] != '-' || !arg[1]) {
            cli->args[kept++] = arg;
            continue;
        }
        const struct ecc_option *found = NULL;
        size_t length = 0;
        for (size_t k = 0; k < n && !found; k++) {
            length = strlen(options[k].name);
            if (!strncmp(arg, options[k].name, length) && (!arg[length] || arg[length] == '='))
                found = &options[k];
        }
        if (!found)
            return ecc_say_error(ECC_EXIT_USAGE, "%s has no option %s", cli->command, arg);
        if (found->flag) {
            if (arg[length])
                return ecc_say_error(ECC_EXIT_USAGE, "%s takes no value", found->name);
            *found->flag = true;
            continue;
        }
        if (!arg[length] && i + 1 == cli->nargs)
            return ecc_say_error(ECC_EXIT_USAGE, "%s needs a value", found->name);
        const char *value = arg[length] ? arg + length + 1 : cli->args[++i];
        if (found->value)
            *found->value = value;
        else if (found->values->n < sizeof found->values->items / sizeof found->values->items[0])
            found->values->items[found->values->n++] = value;
        else
            return ecc_say_error(ECC_EXIT_USAGE, "%s is given too often", found->name);
    }
    cli->nargs = kept;
    cli->args[kept] = NULL;
    if (kept > max_args)
        return ecc_say_error(ECC_EXIT_USAGE, "%s does not know what to do with '%s'", cli->command, cli->args[max_args]);
    return 0;
}

bool ecc_cli_int(const char *text, long min, long max, long *out)
{
    char *end;

    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < min || value > max)
        return false;
    *out = value;
    return true;
}

char *ecc_read_file(struct ecc_arena *arena, const char *path, size_t *length)
{
    int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
    struct stat st;

    if (fd < 0)
        return NULL;
    if (!fstat(fd, &st) && S_ISDIR(st.st_mode)) {
        close(fd);
        errno = EISDIR;
        return NULL;
    }
    size_t n = 0, cap = st.st_size > 0 ? (size_t)st.st_size + 1 : 64 * 1024;
    char *text = ecc_arena_alloc(arena, cap + 1);
    for (;;) {
        if (n == cap) {
            char *grown = ecc_arena_alloc(arena, cap * 2 + 1);
            memcpy(grown, text, n);
            text = grown;
            cap *= 2;
        }
        ssize_t got = read(fd, text + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int saved = errno;
            close(fd);
            errno = saved;
            return NULL;
        }
        if (got == 0)
            break;
        n += (size_t)got;
        if (n > (size_t)ECC_SOURCE_MAX * 4)
            break;
    }
    close(fd);
    text[n] = '\0';
    *length = n;
    return text;
}

int ecc_topology_load(struct ecc_cli *cli, const char *path, struct ecc_topology *topology)
{
    size_t length;
    char *text = ecc_read_file(&cli->arena, path, &length);

    if (!text && errno == ENOENT)
        return ecc_say_error(ECC_EXIT_IO, "%s: there is no such file; name a topology, or work in the folder that has topology.ecom", path);
    if (!text)
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", path, strerror(errno));
    return ecc_topology_compile(cli, path, text, length, topology);
}

int ecc_topology_compile(struct ecc_cli *cli, const char *path, const char *text, size_t length, struct ecc_topology *topology)
{
    size_t at = 0;

    *topology = (struct ecc_topology){.path = path};
    switch (ecc_source_init(&topology->source, &cli->arena, path, text, length, &at)) {
    case ECC_SOURCE_OK:
        break;
    case ECC_SOURCE_TOO_LARGE:
        return ecc_say_error(ECC_EXIT_FAILED, "%s: larger than %d MiB", path, ECC_SOURCE_MAX / 1024 / 1024);
    case ECC_SOURCE_HAS_NUL:
        return ecc_say_error(ECC_EXIT_FAILED, "%s: a NUL byte at offset %zu; a topology is text", path, at);
    case ECC_SOURCE_NOT_UTF8:
        return ecc_say_error(ECC_EXIT_FAILED, "%s: the byte at offset %zu is not UTF-8; save the file as UTF-8", path, at);
    }
    ecc_diags_init(&topology->diags, &cli->arena);
    topology->model = ecc_compile(&cli->arena, &topology->source, &topology->diags);
    return 0;
}

int ecc_topology_report(const struct ecc_cli *cli, const struct ecc_topology *topology)
{
    FILE *out = cli->format == ECC_FORMAT_TEXT ? stderr : stdout;

    if (topology->diags.n || cli->format != ECC_FORMAT_TEXT)
        ecc_diags_write(&topology->diags, &topology->source, cli->format, cli->color && out == stderr, out);
    return topology->diags.errors ? ECC_EXIT_FAILED : ECC_EXIT_OK;
}
