/* Dockerfile: one image for each process, from one build of all of them, and studio's, whose program the image has that they are built in.
 * Each has its binary and, by apt (so that a bill of materials finds them), the libraries that it is linked with, and no more; processes
 * with the same libraries share that layer.
 *
 * Stages have a dot in their names, which a process can't have. It is read by the classic builder and by BuildKit alike.
 */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "codegen.h"
#include "deploy.h"

struct words {
    const char **items;
    size_t n, cap;
};
struct image {
    const struct ecc_process *process;
    const char *stage;
};
struct images {
    struct image *items;
    size_t n, cap;
};

static int by_folder(const void *a, const void *b)
{
    return strcmp((*(struct ecc_shapes *const *)a)->folder, (*(struct ecc_shapes *const *)b)->folder);
}

static bool has_setting(const struct ecc_process *process, enum ecc_source_kind source)
{
    for (size_t i = 0; i < process->nsettings; i++)
        if (process->settings[i].source == source)
            return true;
    return false;
}

/* What the program of studio is linked with. */
#define STUDIO_PACKAGES "libjansson4 libpg-query1504.0"

/* What runtime/meson.build links, by the modules that a process names; Debian 12's packages. */
static struct words packages_of(struct ecc_arena *arena, const struct ecc_process *process, const struct ecc_shapes *unit)
{
    bool sandbox = process->kind == ECC_PROCESS_SANDBOX, externals = has_setting(process, ECC_SOURCE_AUTHORITY);
    const struct {
        bool needed;
        const char *name;
    } packages[] = {
        {externals, "ca-certificates"},
        {!sandbox, "libcjose0"},
        {externals, "libcurl4"},
        {has_setting(process, ECC_SOURCE_CACHE), "libhiredis0.14"},
        {sandbox, "libjansson4"},
        {process->database, "libpq5"},
        {has_setting(process, ECC_SOURCE_BUS), "librdkafka1"},
        {sandbox || externals || (unit && unit->uses_password), "libsodium23"},
    };
    struct words list = {0};

    for (size_t i = 0; i < sizeof packages / sizeof packages[0]; i++)
        if (packages[i].needed)
            ECC_PUSH(arena, &list, packages[i].name);
    return list;
}

static const char *joined(struct ecc_arena *arena, const struct words *list, const char *between)
{
    const char *text = list->n ? list->items[0] : "";

    for (size_t i = 1; i < list->n; i++)
        text = ecc_arena_printf(arena, "%s%s%s", text, between, list->items[i]);
    return text;
}

static void emit_install(struct ecc_writer *w, const char *packages)
{
    ecc_wl(w, "RUN apt-get update \\");
    ecc_wl(w, "  && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends %s \\", packages);
    ecc_wl(w, "  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*");
}

static bool has_custom(const struct ecc_model *model)
{
    for (size_t i = 0; i < model->nnodes; i++)
        for (size_t k = 0; model->nodes[i]->kind == ECC_NODE_SERVICE && k < model->nodes[i]->u.service.nops; k++)
            if (model->nodes[i]->u.service.ops[k]->custom)
                return true;
    return false;
}

const char *ecc_docker_context(const struct ecc_model *model)
{
    return has_custom(model) ? ".." : ".";
}

static void emit_build(struct ecc_codegen *cg, struct ecc_writer *w, const struct ecc_deploy *deploy)
{
    bool custom = has_custom(cg->model);
    const char *from = custom ? "generated/" : "";

    ecc_wl(w, "FROM ${RUNTIME_IMAGE} AS ecom.build");
    ecc_wl(w, "COPY %smeson.build /src/generated/", from);
    for (size_t i = 0; i < deploy->nprocesses; i++)
        ecc_wl(w, "COPY %s%s /src/generated/%s", from, deploy->processes[i]->name, deploy->processes[i]->name);
    if (custom)
        ecc_wl(w, "COPY custom /src/custom");
    ecc_wl(w, "RUN meson setup /build /src/generated -Db_pie=true && ninja -C /build \\");
    ecc_wl(w, "  && mkdir /programs && find /build -maxdepth 2 -type f -perm -u+x -exec strip {} + -exec cp -t /programs {} +");
    ecc_w_blank(w);
}

void ecc_emit_docker(struct ecc_codegen *cg, const struct ecc_deploy *deploy, struct ecc_shapes *const *units, size_t n)
{
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_HASH);
    struct words stages = {0};
    struct images images = {0};
    struct ecc_shapes **sorted = ECC_NEW_ARRAY(cg->scratch, struct ecc_shapes *, n + 1);

    for (size_t i = 0; i < n; i++)
        sorted[i] = units[i];

    if (n)
        qsort(sorted, n, sizeof sorted[0], by_folder); /* as the processes are, of which each has its unit */
    ecc_wl(w, "#   docker build -t NAME --target NAME [-f generated/Dockerfile] %s", has_custom(cg->model) ? "." : "generated");
    ecc_wl(w, "# RUNTIME_IMAGE is made by runtime/Dockerfile of ecomc.");
    ecc_wl(w, "ARG RUNTIME_IMAGE=ecom-runtime");
    ecc_wl(w, "ARG BASE_IMAGE=debian:bookworm-slim");
    ecc_w_blank(w);
    emit_build(cg, w, deploy);
    ecc_wl(w, "FROM ${BASE_IMAGE} AS ecom.base");
    emit_install(w, "libssl3 libuv1");
    for (size_t i = 0; i < deploy->nprocesses; i++) {
        const struct ecc_process *process = deploy->processes[i];
        struct words packages = packages_of(cg->scratch, process, sorted[i]);
        const char *stage = ecc_arena_printf(cg->scratch, "with.%s", joined(cg->scratch, &packages, "_"));
        bool known = false;
        for (size_t k = 0; k < stages.n; k++)
            known |= !strcmp(stages.items[k], stage);
        if (!known) {
            ECC_PUSH(cg->scratch, &stages, stage);
            ecc_w_blank(w);
            ecc_wl(w, "FROM ecom.base AS %s", stage);
            emit_install(w, joined(cg->scratch, &packages, " "));
        }
        ECC_PUSH(cg->scratch, &images, ((struct image){process, stage}));
    }
    for (size_t i = 0; i < images.n; i++) {
        const char *name = images.items[i].process->name;
        ecc_w_blank(w);
        ecc_wl(w, "FROM %s AS %s", images.items[i].stage, name);
        ecc_wl(w, "COPY --from=ecom.build /programs/%s /usr/local/bin/", name);
        ecc_wl(w, "RUN [\"%s\", \"version\"]", name);
        ecc_wl(w, "USER 10001:10001");
        ecc_wl(w, "ENTRYPOINT [\"%s\"]", name);
        ecc_wl(w, "CMD [\"serve\"]");
    }
    ecc_w_blank(w);
    ecc_wl(w, "FROM ecom.base AS studio");
    emit_install(w, STUDIO_PACKAGES);
    ecc_wl(w, "COPY --from=ecom.build /usr/bin/ecom-studio /usr/local/bin/");
    ecc_wl(w, "RUN [\"ecom-studio\", \"--version\"]");
    ecc_wl(w, "USER 10001:10001");
    ecc_wl(w, "ENTRYPOINT [\"ecom-studio\"]");
    ecc_outset_add_writer(cg->out, "Dockerfile", w);
    if (has_custom(cg->model))
        ecc_outset_add(cg->out, "Dockerfile.dockerignore", "*\n!generated\n!custom\n", 21);
}
