/* Builds generated/ with meson and ninja into .ecom/services. The runtime is found by pkg-config: the build folder of ecomc itself when
 * it runs from one, else wherever pkg-config finds it installed. */
#include "up.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int ecc_up_services(struct ecc_up *up)
{
    const char *build = ecc_up_path(up, "services"), *log = ecc_up_path(up, "logs/build.log");
    const char *source = ecc_arena_printf(up->arena, "%s/generated", up->root);
    const char *uninstalled = ecc_arena_printf(up->arena, "%s/../meson-uninstalled", up->bin);
    const char *old = getenv("PKG_CONFIG_PATH"), *options = getenv("EC_MESON_OPTIONS");
    const char *env[] = {NULL, NULL};
    int code = 0;

    unlink(log);
    if (!access(uninstalled, F_OK))
        env[0] = old && *old ? ecc_arena_printf(up->arena, "PKG_CONFIG_PATH=%s:%s", uninstalled, old)
                             : ecc_arena_printf(up->arena, "PKG_CONFIG_PATH=%s", uninstalled);
    if (access(ecc_arena_printf(up->arena, "%s/build.ninja", build), F_OK)) {
        const char *setup[16] = {"meson", "setup", build, source};
        size_t n = 4;
        char *words = ecc_arena_strdup(up->arena, options ? options : "");
        for (char *word = strtok(words, " "); word && n + 1 < sizeof setup / sizeof setup[0]; word = strtok(NULL, " "))
            setup[n++] = word;
        code = ecc_up_execute(up, setup, up->root, env, log, false);
    }
    if (!code) {
        const char *ninja[] = {"ninja", "-C", build, NULL};
        ecc_up_progress(up, "building the services ...");
        code = ecc_up_execute(up, ninja, up->root, env, log, false);
    }
    if (code == 127)
        return ecc_say_error(ECC_EXIT_FAILED, "meson and ninja are needed: apt-get install meson ninja-build");
    return code ? ecc_say_error(ECC_EXIT_FAILED, "the services do not build; see %s", log) : 0;
}
