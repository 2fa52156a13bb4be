/* ecomc doctor: what this machine has of what `up` and `test` need, a line each, and what to install. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct need {
    const char *program, *package, *what;
    bool optional;
} needs[] = {
    {"cc", "gcc", "C compiler", false},
    {"meson", "meson", "build", false},
    {"ninja", "ninja-build", "build", false},
    {"pkg-config", "pkg-config", "build", false},
    {"re2c", "re2c", "the compiler's lexer", false},
    {"lemon", "lemon", "the compiler's grammar", false},
    {"postgres", "postgresql-15", "databases of `up`", false},
    {"redis-server", "redis-server", "cache of `up`", false},
    {"java", "openjdk-17-jre-headless", "`up --kafka apache`", true},
    {"mvn", "maven", "`up --kafka apache`", true},
    {"clang", "clang", "the tests' second compiler", true},
};

static bool on_path(struct ecc_arena *arena, const char *program)
{
    const char *path = getenv("PATH");
    char *copy = ecc_arena_printf(arena, "%s:/usr/lib/postgresql/15/bin:/usr/sbin", path ? path : "/usr/bin:/bin"), *rest = NULL;

    for (char *dir = strtok_r(copy, ":", &rest); dir; dir = strtok_r(NULL, ":", &rest))
        if (!access(ecc_arena_printf(arena, "%s/%s", dir, program), X_OK))
            return true;
    return false;
}

int ecc_cmd_doctor(struct ecc_cli *cli)
{
    const char *missing = "";
    int code = ecc_cli_options(cli, NULL, 0, 0);

    if (code)
        return code;
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        const struct need *need = &needs[i];
        bool found = on_path(&cli->arena, need->program);
        printf("%-8s %-13s %s\n", found ? "found" : need->optional ? "optional" : "missing", need->program, need->what);
        if (!found && !need->optional)
            missing = ecc_arena_printf(&cli->arena, "%s %s", missing, need->package);
    }
    if (!*missing)
        return ECC_EXIT_OK;
    printf("\ninstall what is missing: apt-get install%s\n", missing);
    return ECC_EXIT_FAILED;
}
