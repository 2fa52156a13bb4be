/* overlays/: what differs between a cluster to try things in and one for the world. Both are changes by kind, so that a service more is
 * none here: a patch that is named for a kind meets every object of it.
 *
 * dev: one of each, small; each external that has a sandbox is its sandbox, told to who calls it, and the ways to the real ones are gone.
 * prod: more of each, and the gateways' Services are the world's.
 */
#include "arena.h"
#include "k8s.h"

static void add_target(struct ecc_yaml *entry, const char *kind, const char *label)
{
    struct ecc_yaml *target = ecc_yaml_put_map(entry, "target");

    ecc_yaml_put_text(target, "kind", kind);
    if (label)
        ecc_yaml_put_text(target, "labelSelector", label);
    target->flow = true;
}

static void add_patch(struct ecc_yaml *patches, const char *kind, const char *label, const char *text)
{
    struct ecc_yaml *entry = ecc_yaml_add_map(patches);

    add_target(entry, kind, label);
    ecc_yaml_put_text(entry, "patch", text);
}

static void add_removal(struct ecc_k8s *k, struct ecc_yaml *patches, const char *api, const char *kind, const char *label)
{
    add_patch(patches, kind, label,
              ecc_arena_printf(k->arena, "$patch: delete\napiVersion: %s\nkind: %s\nmetadata: {name: any}", api, kind));
}

/* A patch is of the object that it names. */
static const char *of(struct ecc_k8s *k, const char *api, const char *kind, const char *spec)
{
    return ecc_arena_printf(k->arena, "apiVersion: %s\nkind: %s\nmetadata: {name: any}\nspec:\n%s", api, kind, spec);
}

static bool has_store(const struct ecc_k8s *k, enum ecc_store_kind kind)
{
    for (size_t i = 0; i < k->deploy->nstores; i++)
        if (k->deploy->stores[i]->kind == kind)
            return true;
    return false;
}

/* ------------------------------------------------------------------ sandboxes */

static const struct ecc_process *sandbox_of(const struct ecc_k8s *k, const struct ecc_node *external)
{
    for (size_t i = 0; i < k->deploy->nprocesses; i++)
        if (k->deploy->processes[i]->kind == ECC_PROCESS_SANDBOX && k->deploy->processes[i]->node == external)
            return k->deploy->processes[i];
    return NULL;
}

/* Who calls externals that have sandboxes: their settings, and the CA that signed these. */
static void add_caller(struct ecc_k8s *k, const struct ecc_process *process, struct ecc_yaml *maps, struct ecc_yaml *patches)
{
    struct ecc_yaml *literals = ecc_yaml_list(k->arena), *map, *entry;

    for (size_t i = 0; i < process->nsettings; i++) {
        const struct ecc_deploy_setting *setting = &process->settings[i];
        const struct ecc_process *sandbox = setting->source == ECC_SOURCE_BASE ? sandbox_of(k, setting->node) : NULL;
        if (sandbox)
            ecc_yaml_add_text(literals, ecc_arena_printf(k->arena, "%s=https://%s:%d", setting->name, sandbox->name, sandbox->port));
    }
    if (!literals->n)
        return;
    ecc_yaml_add_text(literals, "EC_CA_FILE=/run/sandbox/sandbox.ca");
    map = ecc_yaml_add_map(maps);
    ecc_yaml_put_text(map, "name", process->name);
    ecc_yaml_put_text(map, "behavior", "merge");
    ecc_yaml_put(map, "literals", literals);
    entry = ecc_yaml_add_map(patches);
    ecc_yaml_put_text(entry, "patch",
                      ecc_arena_printf(k->arena,
                                       "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: %s}\nspec:\n  template:\n    spec:\n"
                                       "      containers:\n        - name: %s\n          volumeMounts:\n"
                                       "            - {name: sandbox, mountPath: /run/sandbox, readOnly: true}\n"
                                       "      volumes:\n        - name: sandbox\n"
                                       "          secret: {secretName: " ECC_K8S_SECRETS ", items: [{key: sandbox.ca, path: sandbox.ca}]}",
                                       process->name, process->name));
}

/* Their folders, and a policy for each conversation with one. */
static void add_sandboxes(struct ecc_k8s *k, struct ecc_yaml *resources)
{
    struct ecc_yaml *names = ecc_yaml_map(k->arena);
    struct ecc_k8s_file network = ecc_k8s_begin(k);

    for (size_t i = 0; i < k->deploy->nprocesses; i++) {
        const struct ecc_process *process = k->deploy->processes[i];
        if (process->kind != ECC_PROCESS_SANDBOX)
            continue;
        ecc_yaml_put_map(names, process->name);
        ecc_k8s_process(k, ecc_arena_printf(k->arena, "overlays/dev/%s", process->name), process);
    }
    for (size_t i = 0; i < k->deploy->nconversations; i++) {
        struct ecc_conversation c = k->deploy->conversations[i];
        const struct ecc_process *sandbox = c.external ? sandbox_of(k, c.external) : NULL;
        if (!sandbox)
            continue;
        c.external = NULL;
        c.to = sandbox->name;
        c.port = sandbox->port;
        ecc_k8s_add(&network, ecc_k8s_edge(k, &c));
    }
    if (network.any) {
        ecc_k8s_end(k, &network, "overlays/dev/network.yaml");
        ecc_yaml_put_map(names, "network.yaml");
    }
    ecc_yaml_sort(names);
    for (size_t i = 0; i < names->n; i++)
        ecc_yaml_add_text(resources, names->keys[i]);
}

/* ------------------------------------------------------------------ dev */

static void write_dev(struct ecc_k8s *k)
{
    struct ecc_yaml *resources, *made = ecc_k8s_kustomization(k, &resources), *maps = ecc_yaml_list(k->arena), *patches;

    ecc_yaml_add_text(resources, "../../base");
    add_sandboxes(k, resources);
    patches = ecc_yaml_put_list(made, "patches");
    add_removal(k, patches, "autoscaling/v2", "HorizontalPodAutoscaler", NULL);
    add_removal(k, patches, "policy/v1", "PodDisruptionBudget", NULL);
    add_removal(k, patches, "networking.k8s.io/v1", "NetworkPolicy", "external=sandboxed");
    add_patch(patches, "Deployment", NULL,
              "- {op: replace, path: /spec/template/spec/containers/0/resources/requests, value: {cpu: 10m, memory: 32Mi}}");
    add_patch(patches, "Job", "seed=true", "- {op: add, path: /spec/template/spec/containers/0/args/-, value: \"--seed\"}");
    if (has_store(k, ECC_STORE_DATABASE))
        add_patch(patches, "Cluster", NULL,
                  of(k, "postgresql.cnpg.io/v1", "Cluster",
                     "  instances: 1\n  postgresql: {synchronous: null}\n  resources: {requests: {cpu: 20m, memory: 128Mi}}\n"
                     "  storage: {size: 1Gi}"));
    if (has_store(k, ECC_STORE_BUS)) {
        add_patch(patches, "Kafka", NULL,
                  of(k, "kafka.strimzi.io/v1", "Kafka",
                     "  kafka:\n    config:\n      default.replication.factor: 1\n      min.insync.replicas: 1\n"
                     "      offsets.topic.replication.factor: 1\n"
                     "      transaction.state.log.min.isr: 1\n      transaction.state.log.replication.factor: 1"));
        add_patch(patches, "KafkaNodePool", NULL,
                  "- {op: replace, path: /spec/replicas, value: 1}\n- {op: replace, path: /spec/storage/volumes/0/size, value: 1Gi}\n"
                  "- {op: replace, path: /spec/resources/requests, value: {cpu: 50m, memory: 768Mi}}");
    }
    for (size_t i = 0; i < k->deploy->nprocesses; i++)
        add_caller(k, k->deploy->processes[i], maps, patches);
    if (maps->n)
        ecc_yaml_put(made, "configMapGenerator", maps);
    ecc_k8s_write(k, "overlays/dev/kustomization.yaml", made);
}

/* ------------------------------------------------------------------ prod */

static void write_prod(struct ecc_k8s *k)
{
    struct ecc_yaml *resources, *made = ecc_k8s_kustomization(k, &resources), *patches;

    ecc_yaml_add_text(resources, "../../base");
    patches = ecc_yaml_put_list(made, "patches");
    add_patch(patches, "HorizontalPodAutoscaler", NULL,
              ecc_arena_printf(k->arena,
                               "- {op: replace, path: /spec/minReplicas, value: 3}\n- {op: replace, path: /spec/maxReplicas, value: %d}",
                               ECC_K8S_REPLICAS));
    add_patch(patches, "PodDisruptionBudget", NULL, "- {op: replace, path: /spec/minAvailable, value: 2}");
    add_patch(patches, "Service", "outside=true", /* the limit of an address sees whose it is */
              "- {op: add, path: /spec/type, value: LoadBalancer}\n- {op: add, path: /spec/externalTrafficPolicy, value: Local}");
    if (has_store(k, ECC_STORE_DATABASE))
        add_patch(
            patches, "Cluster", NULL,
            of(k, "postgresql.cnpg.io/v1", "Cluster",
               "  affinity: {podAntiAffinityType: required}\n  resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 2Gi}}\n"
               "  storage: {size: 50Gi}"));
    if (has_store(k, ECC_STORE_BUS))
        add_patch(patches, "KafkaNodePool", NULL,
                  "- {op: replace, path: /spec/storage/volumes/0/size, value: 100Gi}\n"
                  "- {op: replace, path: /spec/resources, value: {requests: {cpu: 500m, memory: 2Gi}, limits: {memory: 4Gi}}}");
    ecc_k8s_write(k, "overlays/prod/kustomization.yaml", made);
}

void ecc_k8s_overlays(struct ecc_k8s *k)
{
    write_dev(k);
    write_prod(k);
}
