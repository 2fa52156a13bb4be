/* Builds generated/ with meson and ninja into .ecom/services, and puts its programs where they run from. The runtime is found by
 * pkg-config: the build folder of ecomc itself when it runs from one, else wherever pkg-config finds it installed.
 *
 * A process runs from .ecom/bin/<program>.<digest of its content>, a link to what was built: so the next build, also one that fails half
 * way, takes nothing from who runs or is started again, and another content is another name.
 */
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHOWN_LINES = 24 };

static int is_missing(void)
{
    return ecc_say_error(ECC_EXIT_FAILED, "meson and ninja are needed: apt-get install meson ninja-build");
}

static bool is_on_the_path(struct ecc_up *up, const char *program)
{
    const char *path = getenv("PATH");

    for (const char *at = path ? path : ""; *at;) {
        size_t n = strcspn(at, ":");
        if (!access(ecc_arena_printf(up->arena, "%.*s/%s", (int)n, at, program), X_OK))
            return true;
        at += n + (at[n] != '\0');
    }
    return false;
}

void ecc_up_build_begin(struct ecc_up *up, struct ecc_up_build *build)
{
    const char *folder = ecc_up_path(up, "services"), *source = ecc_arena_printf(up->arena, "%s/generated", up->root);
    const char *uninstalled = ecc_arena_printf(up->arena, "%s/../meson-uninstalled", up->bin);
    const char *old = getenv("PKG_CONFIG_PATH"), *options = getenv("EC_MESON_OPTIONS");

    *build = (struct ecc_up_build){.log = ecc_up_path(up, "logs/build.log")};
    unlink(build->log);
    if (!access(uninstalled, F_OK) && (!old || strncmp(old, uninstalled, strlen(uninstalled)) != 0))
        setenv("PKG_CONFIG_PATH", old && *old ? ecc_arena_printf(up->arena, "%s:%s", uninstalled, old) : uninstalled, 1);
    if (access(ecc_arena_printf(up->arena, "%s/build.ninja", folder), F_OK)) {
        if (is_on_the_path(up, "ld.gold"))
            setenv("CC_LD", "gold", 0); /* links in a third of the time of ld.bfd, and a change is mostly a link */
        const char **setup = ECC_NEW_ARRAY(up->arena, const char *, 16);
        size_t n = 0;
        setup[n++] = "meson";
        setup[n++] = "setup";
        setup[n++] = folder;
        setup[n++] = source;
        char *words = ecc_arena_strdup(up->arena, options ? options : "");
        for (char *word = strtok(words, " "); word && n + 1 < 16; word = strtok(NULL, " "))
            setup[n++] = word;
        build->commands[build->n++] = setup;
    }
    const char **ninja = ECC_NEW_ARRAY(up->arena, const char *, 4);
    ninja[0] = "ninja";
    ninja[1] = "-C";
    ninja[2] = folder;
    build->commands[build->n++] = ninja;
}

/* What a compiler said, from the log of ninja or meson: of each step that failed what follows its command, paths as the topology sees them. */
static void show_errors(const char *text)
{
    int left = SHOWN_LINES;
    bool failed = false, command = false;

    for (const char *line = text; *line && left > 0;) {
        size_t n = strcspn(line, "\n");
        bool meson = strstr(line, "ERROR: ") && strstr(line, "ERROR: ") < line + n;
        if (!strncmp(line, "FAILED: ", 8)) {
            failed = command = true;
        } else if (line[0] == '[' || !strncmp(line, "ninja: ", 7)) {
            failed = false;
        } else if (command) {
            command = false; /* the command line of the compiler, which is long and tells nothing */
        } else if ((failed || meson) && n > 0) {
            size_t skip = !strncmp(line, "../../", 6) ? 6 : 0;
            fprintf(stderr, "%.*s\n", (int)(n - skip), line + skip);
            left--;
        }
        line += n + (line[n] != '\0');
    }
}

int ecc_up_build_failed(struct ecc_up *up, const struct ecc_up_build *build, int code)
{
    size_t n;
    const char *text = ecc_read_file(up->arena, build->log, &n);

    if (code == 127)
        return is_missing();
    if (text)
        show_errors(text);
    return ecc_say_error(ECC_EXIT_FAILED, "the services do not build; see %s", build->log);
}

int ecc_up_build(struct ecc_up *up)
{
    struct ecc_up_build build;
    int code = 0;

    ecc_up_build_begin(up, &build);
    ecc_up_progress(up, "building the services ...");
    for (size_t i = 0; i < build.n && !code; i++) {
        code = ecc_up_execute(up, build.commands[i], up->root, build.log, false);
        if (code)
            code = ecc_up_build_failed(up, &build, code);
    }
    return code;
}

/* ------------------------------------------------------------------ where programs run from */

static const char *digest_of(struct ecc_up *up, const char *path)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char *hex = ecc_arena_alloc(up->arena, 17);
    struct ecc_arena arena;
    size_t n;

    ecc_arena_init(&arena);
    char *content = ecc_read_file(&arena, path, &n);
    bool good = content && EVP_Digest(content, n, digest, NULL, EVP_sha256(), NULL) == 1;
    ecc_arena_free(&arena);
    for (int i = 0; good && i < 8; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return good ? hex : NULL;
}

/* What the plan before this one runs from, when it is still what is built: two names of one file. */
static const struct ecc_proc *same_as_before(const struct ecc_up *up, const char *unit, const char *built)
{
    struct stat a, b;

    for (size_t i = 0; up->older && i < up->older->procs.n; i++) {
        const struct ecc_proc *proc = up->older->procs.items[i];
        if (proc->unit && !proc->once && !strcmp(proc->unit, unit))
            return !stat(built, &a) && !stat(proc->argv[0], &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev ? proc : NULL;
    }
    return NULL;
}

static int install(struct ecc_up *up, const char *unit, const char **program, const char **version)
{
    const char *built = ecc_up_path(up, "services/%s/%s", unit, unit);
    const struct ecc_proc *before = same_as_before(up, unit, built);

    if (before) {
        *program = ecc_arena_strdup(up->arena, before->argv[0]);
        *version = ecc_arena_strdup(up->arena, before->version);
        return 0;
    }
    if (!(*version = digest_of(up, built)))
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", built, strerror(errno));
    *program = ecc_up_path(up, "bin/%s.%s", unit, *version);
    if (link(built, *program) && errno != EEXIST)
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", *program, strerror(errno));
    return 0;
}

int ecc_up_install(struct ecc_up *up)
{
    const char *unit = "", *program = NULL, *version = NULL;
    int code;

    for (size_t i = 0; i < up->procs.n; i++) {
        struct ecc_proc *proc = up->procs.items[i];
        if (!proc->unit)
            continue;
        if (strcmp(unit, proc->unit) != 0 && (code = install(up, proc->unit, &program, &version)))
            return code;
        unit = proc->unit; /* a service, its migrations and its replicas stand together */
        proc->argv[0] = program;
        if (!*proc->version)
            proc->version = version;
    }
    return 0;
}

static bool is_used(const struct ecc_up *up, const char *program)
{
    for (size_t i = 0; i < up->runs.n; i++)
        if (!strcmp(up->runs.items[i]->proc->argv[0], program))
            return true;
    return false;
}

void ecc_up_clean_programs(struct ecc_up *up)
{
    const char *path = ecc_arena_printf(up->arena, "%s/bin", up->home);
    DIR *folder = opendir(path);
    struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        char program[4300];
        snprintf(program, sizeof program, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && !is_used(up, program))
            unlink(program);
    }
    if (folder)
        closedir(folder);
}
