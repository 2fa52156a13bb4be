/* Wires the emitters: a unit for each service and gateway, and for each external that has a sandbox. */
#include "codegen.h"

#include <string.h>

#include "arena.h"
#include "crash_points.h"
#include "deploy.h"
#include "statements.h"

struct units { struct ecc_shapes **items; size_t n, cap; };

struct ecc_writer *ecc_codegen_file(struct ecc_codegen *cg, const char *banner)
{
    struct ecc_writer *w = ECC_NEW(cg->scratch, struct ecc_writer);

    ecc_writer_init(w, cg->scratch);
    if (banner)
        ecc_wl(w, "%s", banner);
    return w;
}

void ecc_codegen_add(struct ecc_codegen *cg, const struct ecc_shapes *shapes, const char *name, struct ecc_writer *w)
{
    size_t length = strlen(name), n;

    if (length > 2 && name[length - 2] == '.' && (name[length - 1] == 'c' || name[length - 1] == 'h'))
        ecc_w_fold_c(w);
    n = w->n;
    while (n > 1 && w->data[n - 1] == '\n' && w->data[n - 2] == '\n')
        n--;
    ecc_outset_add_copy(cg->out, ecc_arena_printf(cg->scratch, "%s/%s", shapes->folder, name), w->data, n);
}

const char *ecc_wire_path(struct ecc_arena *arena, const struct ecc_ext_call *call)
{
    const char *out = "";

    for (const char *p = call->path; *p;) {
        const char *open = strchr(p, '{'), *end = open ? strchr(open, '}') : NULL;
        if (!end)
            return ecc_arena_printf(arena, "%s%s", out, p);
        size_t n = (size_t)(end - open) - 1;
        const char *name = ecc_arena_strndup(arena, open + 1, n);
        for (size_t i = 0; i < call->request->nfields; i++)
            if (!strcmp(call->request->fields[i].name, name)) {
                name = call->request->fields[i].wire;
                break;
            }
        out = ecc_arena_printf(arena, "%s%.*s{%s}", out, (int)(open - p), p, name);
        p = end + 1;
    }
    return out;
}

static void emit_unit(struct ecc_codegen *cg, struct ecc_shapes *shapes)
{
    cg->scratch = ecc_arena_scratch(cg->arena);
    cg->unit = cg->out->n;
    ecc_emit_header(cg, shapes);
    ecc_emit_messages(cg, shapes);
    if (shapes->sandbox) {
        ecc_emit_sandbox(cg, shapes);
    } else {
        ecc_emit_db(cg, shapes);
        ecc_emit_sql(cg, shapes);
        ecc_emit_ops(cg, shapes);
        ecc_emit_consumers(cg, shapes);
        ecc_emit_sagas(cg, shapes);
        ecc_emit_routes(cg, shapes);
        ecc_emit_clients(cg, shapes);
        ecc_emit_service(cg, shapes);
    }
    ecc_emit_meson(cg, shapes);
}

struct ecc_codegen *ecc_codegen_apart(const struct ecc_codegen *cg, struct ecc_codegen *once)
{
    *once = *cg;
    once->arena = once->scratch = ecc_arena_scratch(cg->arena);
    return once;
}

bool ecc_codegen(struct ecc_codegen *cg)
{
    struct units units = {0};
    struct ecc_codegen once;

    for (size_t i = 0; i < cg->model->nnodes; i++) {
        const struct ecc_node *node = cg->model->nodes[i];
        bool sandbox = node->kind == ECC_NODE_EXTERNAL && node->u.external.has_sandbox;

        if (node->kind == ECC_NODE_SERVICE || node->kind == ECC_NODE_GATEWAY || sandbox)
            ECC_PUSH(cg->arena, &units, ecc_shapes_build(cg->arena, cg->model, node, sandbox));
    }
    for (size_t i = 0; i < units.n; i++)
        emit_unit(cg, units.items[i]);
    const struct ecc_deploy *deploy = ecc_deploy(cg->arena, cg->model);
    ecc_emit_studio(ecc_codegen_apart(cg, &once));
    ecc_emit_openapi(ecc_codegen_apart(cg, &once));
    ecc_emit_asyncapi(ecc_codegen_apart(cg, &once));
    ecc_emit_configuration(ecc_codegen_apart(cg, &once), deploy);
    ecc_emit_observe(ecc_codegen_apart(cg, &once), deploy);
    ecc_emit_docker(ecc_codegen_apart(cg, &once), deploy, units.items, units.n);
    ecc_emit_compose(ecc_codegen_apart(cg, &once), deploy);
    ecc_emit_k8s(ecc_codegen_apart(cg, &once), deploy);
    cg->scratch = cg->arena;
    ecc_emit_lock(cg);
    ecc_emit_meson_root(cg, units.items, units.n);
    if (cg->wants_lists) {
        cg->crash_points = ecc_crash_points(cg->arena, cg->model, units.items, units.n);
        cg->statements = ecc_statements(cg->arena, units.items, units.n);
    }
    return cg->diags->errors == 0 && !cg->out->error;
}
