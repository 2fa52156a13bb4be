/* meson.build of a unit, and of all of them: generated/ is a project of its own, which finds the runtime through pkg-config. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "codegen.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Where a person's code for an operation stands: beside the topology, not below generated/. */
static void emit_custom(struct ecc_shapes *shapes, struct ecc_writer *w)
{
    const struct ecc_node *node = shapes->node;

    if (node->kind != ECC_NODE_SERVICE || shapes->sandbox)
        return;
    for (size_t i = 0; i < node->u.service.nops; i++)
        if (node->u.service.ops[i]->custom)
            ecc_wl(w, "'../../%s',", ecc_custom_path(shapes->arena, node->u.service.ops[i]));
}

void ecc_emit_meson(struct ecc_codegen *cg, struct ecc_shapes *shapes)
{
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_HASH);
    struct { const char **items; size_t n, cap; } files = {0};

    for (size_t i = cg->unit; i < cg->out->n; i++) {
        const char *path = cg->out->items[i].path;

        if (ends_with(path, ".c"))
            ECC_PUSH(cg->scratch, &files, path + strlen(shapes->folder) + 1);
    }
    if (files.n > 0)
        qsort(files.items, files.n, sizeof files.items[0], by_text);
    ecc_w_open(w, "executable(%s, files(", ecc_quote_meson(cg->arena, shapes->folder));
    for (size_t i = 0; i < files.n; i++)
        ecc_wl(w, "%s,", ecc_quote_meson(cg->arena, files.items[i]));
    emit_custom(shapes, w);
    ecc_w_close(w, "), include_directories: '.', dependencies: runtime)");
    ecc_codegen_add(cg, shapes, "meson.build", w);
}

void ecc_emit_meson_root(struct ecc_codegen *cg, struct ecc_shapes *const *units, size_t n)
{
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_HASH);

    ecc_w_open(w, "project('services', 'c',");
    ecc_wl(w, "meson_version: '>=1.0.0',");
    ecc_wl(w, "default_options: ['c_std=gnu11', 'warning_level=2', 'werror=true', 'buildtype=debugoptimized'])");
    w->indent--;
    ecc_w_blank(w);
    ecc_wl(w, "cc = meson.get_compiler('c')");
    ecc_w_open(w, "add_project_arguments(cc.get_supported_arguments([");
    ecc_wl(w, "'-Wshadow', '-Wstrict-prototypes', '-Wmissing-prototypes', '-Wvla', '-Wimplicit-fallthrough', '-Wjump-misses-init',");
    ecc_wl(w, "'-Wswitch-enum', '-Wno-missing-field-initializers', '-fno-strict-aliasing', '-fno-omit-frame-pointer',");
    ecc_w_close(w, "]), '-D_GNU_SOURCE', language: 'c')");
    ecc_w_blank(w);
    ecc_wl(w, "runtime = dependency('ecom-runtime')");
    ecc_w_blank(w);
    for (size_t i = 0; i < n; i++)
        ecc_wl(w, "subdir(%s)", ecc_quote_meson(cg->arena, units[i]->folder));
    ecc_outset_add_writer(cg->out, "meson.build", w);
}
