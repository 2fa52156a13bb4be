/* Options, files, and the way from a path to a compiled topology. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Do the command and options.h agree on what there is? Else the help would lie. */
static const char *disagreement(const struct ecc_cli *cli, const struct ecc_option *options, size_t n)
{
    const struct ecc_option_text *text;
    size_t listed = 0;

    for (; (text = ecc_command_option(cli->command, listed)); listed++) {
        size_t k = 0;

        while (k < n && strcmp(options[k].name, text->name))
            k++;
        if (k == n || !*text->value != !!options[k].flag)
            return text->name;
    }
    return listed < n ? "one" : NULL;
}

int ecc_cli_options(struct ecc_cli *cli, const struct ecc_option *options, size_t n, int max_args)
{
    int kept = 0;
    const char *wrong = disagreement(cli, options, n);

    if (wrong)
        return ecc_say_error(ECC_EXIT_INTERNAL, "%s and tool/options.h do not agree on its options: %s", cli->command, wrong);
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

char *ecc_read_stream(struct ecc_arena *arena, int fd, size_t expected, size_t *length)
{
    size_t n = 0, cap = expected ? expected + 1 : 64 * 1024;
    char *text = ecc_arena_alloc(arena, cap + 1);

    while (n <= (size_t)ECC_SOURCE_MAX * 4) {
        if (n == cap) {
            char *grown = ecc_arena_alloc(arena, cap * 2 + 1);
            memcpy(grown, text, n);
            text = grown;
            cap *= 2;
        }
        ssize_t got = read(fd, text + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return NULL;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    text[n] = '\0';
    *length = n;
    return text;
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
    char *text = ecc_read_stream(arena, fd, st.st_size > 0 ? (size_t)st.st_size : 0, length);
    int saved = errno;
    close(fd);
    errno = saved;
    return text;
}

const char *ecc_beside(struct ecc_arena *arena, const char *file, const char *name)
{
    const char *slash = strrchr(file, '/');

    return slash ? ecc_arena_printf(arena, "%.*s/%s", (int)(slash - file), file, name) : name;
}

int ecc_topology_read(struct ecc_cli *cli, const char *path, struct ecc_topology *topology)
{
    size_t length;
    char *text = ecc_read_file(&cli->arena, path, &length);

    if (!text && errno == ENOENT)
        return ecc_say_error(ECC_EXIT_IO, "%s: there is no such file; name a topology, or work in the folder that has topology.ecom", path);
    if (!text)
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", path, strerror(errno));
    ecc_topology_take(&cli->arena, path, text, length, topology);
    return 0;
}

int ecc_topology_load(struct ecc_cli *cli, const char *path, struct ecc_topology *topology)
{
    const char *beside = ecc_beside(&cli->arena, path, "ecom.lock"), *lock;
    int code = ecc_topology_read(cli, path, topology);
    size_t length = 0;

    if (code)
        return code;
    lock = ecc_read_file(&cli->arena, beside, &length);
    if (!lock && errno != ENOENT)
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", beside, strerror(errno));
    ecc_topology_check(&cli->arena, lock, length, topology);
    return 0;
}

void ecc_topology_compile(struct ecc_cli *cli, const char *path, const char *text, size_t length, const char *lock, size_t lock_length,
                          struct ecc_topology *topology)
{
    ecc_topology_take(&cli->arena, path, text, length, topology);
    ecc_topology_check(&cli->arena, lock, lock_length, topology);
}

/* `2 errors, 1 warning; learn more: ecomc explain E0400` */
static void sum_up(const struct ecc_diags *diags)
{
    const struct ecc_diag *first = ecc_diags_first_error(diags);
    size_t warnings = 0;
    char id[ECC_ID_SIZE];

    for (size_t i = 0; i < diags->n; i++)
        warnings += diags->items[i]->severity == ECC_WARNING;
    fprintf(stderr, "%zu error%s", diags->errors, diags->errors == 1 ? "" : "s");
    if (warnings)
        fprintf(stderr, ", %zu warning%s", warnings, warnings == 1 ? "" : "s");
    if (first) {
        ecc_diag_id(first, id);
        fprintf(stderr, "; learn more: ecomc explain %s", id);
    }
    fputc('\n', stderr);
}

int ecc_topology_report(const struct ecc_cli *cli, const struct ecc_topology *topology)
{
    FILE *out = cli->format == ECC_FORMAT_TEXT ? stderr : stdout;

    if (topology->diags.n || cli->format != ECC_FORMAT_TEXT)
        ecc_diags_write(&topology->diags, &topology->source, cli->format, cli->color && out == stderr, out);
    if (topology->diags.errors && out == stderr)
        sum_up(&topology->diags);
    return topology->diags.errors ? ECC_EXIT_FAILED : ECC_EXIT_OK;
}
