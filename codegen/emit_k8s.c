/* k8s/: what runs the topology in a cluster, as kustomize has it.
 *
 *   base/services/<process>/   a process: Deployment, Service, settings, migration, autoscaler, disruption budget (k8s_process.c)
 *   base/stores/<store>.yaml   a database for CloudNativePG, the bus with its topics for Strimzi, Redis (k8s_stores.c)
 *   base/network/<from>.yaml   nothing may talk, but along a conversation: one NetworkPolicy each (k8s_network.c)
 *   overlays/dev, prod         one of each with the sandboxes; more of each (k8s_overlays.c)
 *
 * A value of a secret is nowhere in it: pods refer to the Secret `secrets`, which has what `ecomc secrets` makes, and to those that
 * CloudNativePG makes for a database. Settings are literals of a generated ConfigMap, whose name has its content's hash, so pods that are
 * told something else are new pods. Lists are sorted by name where order has no meaning.
 */
#include "arena.h"
#include "k8s.h"

struct ecc_yaml *ecc_k8s_object(struct ecc_k8s *k, const char *api, const char *kind, const char *name)
{
    struct ecc_yaml *object = ecc_yaml_map(k->arena);

    ecc_yaml_put_text(object, "apiVersion", api);
    ecc_yaml_put_text(object, "kind", kind);
    if (name)
        ecc_yaml_put_text(ecc_yaml_at(object, "metadata"), "name", name);
    return object;
}

struct ecc_k8s_file ecc_k8s_begin(struct ecc_k8s *k)
{
    return (struct ecc_k8s_file){.w = ecc_codegen_file(k->cg, ECC_BANNER_HASH)};
}

void ecc_k8s_add(struct ecc_k8s_file *file, const struct ecc_yaml *object)
{
    if (file->any)
        ecc_wl(file->w, "---");
    file->any = true;
    ecc_yaml_write(file->w, object);
}

void ecc_k8s_end(struct ecc_k8s *k, const struct ecc_k8s_file *file, const char *path)
{
    ecc_outset_add_writer(k->cg->out, ecc_arena_printf(k->arena, "k8s/%s", path), file->w);
}

void ecc_k8s_write(struct ecc_k8s *k, const char *path, const struct ecc_yaml *object)
{
    struct ecc_k8s_file file = ecc_k8s_begin(k);

    ecc_k8s_add(&file, object);
    ecc_k8s_end(k, &file, path);
}

struct ecc_k8s ecc_k8s_scratch(const struct ecc_k8s *k)
{
    struct ecc_k8s own = *k;

    own.arena = own.cg->scratch = ecc_arena_scratch(k->cg->arena);
    return own;
}

struct ecc_yaml *ecc_k8s_kustomization(struct ecc_k8s *k, struct ecc_yaml **resources)
{
    struct ecc_yaml *made = ecc_k8s_object(k, "kustomize.config.k8s.io/v1beta1", "Kustomization", NULL);

    *resources = ecc_yaml_put_list(made, "resources");
    return made;
}

struct ecc_yaml *ecc_k8s_port(struct ecc_k8s *k, int port)
{
    struct ecc_yaml *made = ecc_yaml_map(k->arena);

    ecc_yaml_put_text(made, "protocol", "TCP");
    ecc_yaml_put(made, "port", ecc_yaml_int(k->arena, port));
    made->flow = true;
    return made;
}

struct ecc_yaml *ecc_k8s_match(struct ecc_k8s *k, const char *label, const char *value)
{
    struct ecc_yaml *made = ecc_yaml_map(k->arena);

    ecc_yaml_put_text(ecc_yaml_put_map(made, "matchLabels"), label, value);
    made->flow = true;
    return made;
}

static void write_base(struct ecc_k8s *k)
{
    const struct ecc_deploy *deploy = k->deploy;
    struct ecc_yaml *resources, *base = ecc_k8s_kustomization(k, &resources), *services, *folder;

    folder = ecc_k8s_kustomization(k, &services);
    for (size_t i = 0; i < deploy->nprocesses; i++) {
        const struct ecc_process *process = deploy->processes[i];
        if (process->kind == ECC_PROCESS_SANDBOX)
            continue;
        ecc_yaml_add_text(services, process->name);
        struct ecc_k8s own = ecc_k8s_scratch(k);
        ecc_k8s_process(&own, ecc_arena_printf(own.arena, "base/services/%s", process->name), process);
    }
    ecc_k8s_write(k, "base/services/kustomization.yaml", folder);
    ecc_yaml_add_text(resources, "network");
    ecc_yaml_add_text(resources, "services");
    if (deploy->nstores)
        ecc_yaml_add_text(resources, "stores");
    ecc_k8s_write(k, "base/kustomization.yaml", base);
    base = ecc_k8s_kustomization(k, &resources); /* whoever names the folder means the base */
    ecc_yaml_add_text(resources, "base");
    ecc_k8s_write(k, "kustomization.yaml", base);
}

void ecc_emit_k8s(struct ecc_codegen *cg, const struct ecc_deploy *deploy)
{
    struct ecc_k8s k = {.cg = cg, .arena = cg->arena, .model = cg->model, .deploy = deploy};
    bool any = false;

    for (size_t i = 0; i < deploy->nprocesses; i++)
        any |= deploy->processes[i]->kind != ECC_PROCESS_SANDBOX;
    if (!any)
        return;
    write_base(&k);
    ecc_k8s_network(&k);
    ecc_k8s_stores(&k);
    ecc_k8s_overlays(&k);
}
