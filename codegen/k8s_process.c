/* A process's folder: Deployment and Service of each; its settings; of what may run more than once an autoscaler and a disruption budget;
 * of who has a database the Job that migrates it.
 *
 * A migration is a Job and no init container: it happens once a release and not once a pod, it may talk to nothing but the database, and a
 * pod that is started by chance runs none. Nobody has to wait for it: a process is not ready while its database lacks a migration that it
 * knows, so a rollout stops at the first new pod and the old ones go on serving until the Job is through.
 *
 * A pod that ends is taken out of its Service while it gets its signal, and neither waits for the other. So it still takes in what comes
 * for EC_DRAIN_DELAY_MS, and says meanwhile to whoever is connected that it goes; a hook that delayed the signal would let them be met by
 * a connection that is closed. Then it has its EC_DRAIN_MS, and some more before it is killed.
 */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "k8s.h"

enum { LEAVE_MS = 5000, MORE_S = 10 };

static const char *drain_ms(const struct ecc_process *process)
{
    for (size_t i = 0; i < process->nsettings; i++)
        if (strcmp(process->settings[i].name, "EC_DRAIN_MS") == 0)
            return process->settings[i].dflt;
    return "0"; /* a sandbox ends at once */
}

/* ------------------------------------------------------------------ what a pod has */

void ecc_k8s_confine(struct ecc_yaml *pod, struct ecc_yaml *container, int user)
{
    struct ecc_yaml *context = ecc_yaml_at(pod, "securityContext"), *id = ecc_yaml_int(pod->arena, user), *drop;

    ecc_yaml_put_raw(context, "runAsNonRoot", "true");
    ecc_yaml_put(context, "runAsUser", id);
    ecc_yaml_put(context, "runAsGroup", id);
    ecc_yaml_put(context, "fsGroup", id);
    ecc_yaml_put_text(ecc_yaml_put_map(context, "seccompProfile"), "type", "RuntimeDefault");
    ecc_yaml_put_raw(pod, "automountServiceAccountToken", "false");
    ecc_yaml_put_raw(pod, "enableServiceLinks", "false"); /* they are variables, and might be taken for settings */
    context = ecc_yaml_at(container, "securityContext");
    ecc_yaml_put_raw(context, "allowPrivilegeEscalation", "false");
    ecc_yaml_put_raw(context, "readOnlyRootFilesystem", "true");
    drop = ecc_yaml_put_list(ecc_yaml_put_map(context, "capabilities"), "drop");
    ecc_yaml_add_text(drop, "ALL");
    drop->flow = true;
}

void ecc_k8s_resources(struct ecc_yaml *container, const char *cpu, const char *memory, const char *limit)
{
    ecc_yaml_put_text(ecc_yaml_at(container, "resources.requests"), "cpu", cpu);
    ecc_yaml_put_text(ecc_yaml_at(container, "resources.requests"), "memory", memory);
    ecc_yaml_put_text(ecc_yaml_at(container, "resources.limits"), "memory", limit);
}

void ecc_k8s_spread(struct ecc_yaml *pod, const char *app)
{
    static const char *const keys[] = {"topology.kubernetes.io/zone", "kubernetes.io/hostname"};
    struct ecc_yaml *list = ecc_yaml_put_list(pod, "topologySpreadConstraints");

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct ecc_yaml *spread = ecc_yaml_add_map(list), *hash;

        ecc_yaml_put_raw(spread, "maxSkew", "1");
        ecc_yaml_put_text(spread, "topologyKey", keys[i]);
        ecc_yaml_put_text(spread, "whenUnsatisfiable", "ScheduleAnyway");
        ecc_yaml_put_text(ecc_yaml_at(spread, "labelSelector.matchLabels"), "app", app);
        hash = ecc_yaml_put_list(spread, "matchLabelKeys"); /* the pods of one release among themselves */
        ecc_yaml_add_text(hash, "pod-template-hash");
        hash->flow = true;
    }
}

static void add_file(struct ecc_yaml *items, const char *key, const char *path)
{
    struct ecc_yaml *item = ecc_yaml_add_map(items);

    ecc_yaml_put_text(item, "key", key);
    ecc_yaml_put_text(item, "path", path);
    item->flow = true;
}

static struct ecc_yaml *source(struct ecc_yaml *sources, const char *secret)
{
    struct ecc_yaml *map = ecc_yaml_put_map(ecc_yaml_add_map(sources), "secret");

    ecc_yaml_put_text(map, "name", secret);
    return ecc_yaml_put_list(map, "items");
}

static bool is_mounted(const struct ecc_deploy_setting *setting)
{
    return setting->secret && setting->source != ECC_SOURCE_AUTHORITY;
}

/* The files of a pod's secrets; only: of its database and nothing else. */
static void mount_secrets(struct ecc_k8s *k, struct ecc_yaml *pod, struct ecc_yaml *container, const struct ecc_process *process, bool only)
{
    struct ecc_yaml *sources = ecc_yaml_list(k->arena), *items = NULL, *mount, *volume;

    for (size_t i = 0; i < process->nsettings && !only; i++)
        if (is_mounted(&process->settings[i]) && process->settings[i].source != ECC_SOURCE_DATABASE) {
            if (!items)
                items = source(sources, ECC_K8S_SECRETS);
            add_file(items, process->settings[i].secret, process->settings[i].secret);
        }
    for (size_t i = 0; i < process->nsettings; i++)
        if (process->settings[i].source == ECC_SOURCE_DATABASE) /* CloudNativePG makes the role, its password, and this */
            add_file(source(sources, ecc_arena_printf(k->arena, "%s-app", process->database->name)), "uri", process->settings[i].secret);
    if (!sources->n)
        return;
    mount = ecc_yaml_add_map(ecc_yaml_put_list(container, "volumeMounts"));
    ecc_yaml_put_text(mount, "name", "secrets");
    ecc_yaml_put_text(mount, "mountPath", ECC_K8S_FILES);
    ecc_yaml_put_raw(mount, "readOnly", "true");
    volume = ecc_yaml_add_map(ecc_yaml_put_list(pod, "volumes"));
    ecc_yaml_put_text(volume, "name", "secrets");
    ecc_yaml_put_raw(ecc_yaml_at(volume, "projected"), "defaultMode", "288"); /* 0440: its group is fsGroup */
    ecc_yaml_put(ecc_yaml_at(volume, "projected"), "sources", sources);
}

/* ------------------------------------------------------------------ settings */

static void add_literal(struct ecc_yaml *literals, const char *name, const char *value)
{
    ecc_yaml_add_text(literals, ecc_arena_printf(literals->arena, "%s=%s", name, value));
}

static const char *path_of(struct ecc_k8s *k, const struct ecc_deploy_setting *setting)
{
    return ecc_arena_printf(k->arena, ECC_K8S_FILES "/%s", setting->secret);
}

static void add_settings(struct ecc_k8s *k, struct ecc_yaml *kustomization, const struct ecc_process *process)
{
    struct ecc_yaml *map = ecc_yaml_add_map(ecc_yaml_put_list(kustomization, "configMapGenerator")), *literals;

    ecc_yaml_put_text(map, "name", process->name);
    literals = ecc_yaml_put_list(map, "literals");
    for (size_t i = 0; i < process->nsettings; i++) {
        const struct ecc_deploy_setting *setting = &process->settings[i];

        if (is_mounted(setting))
            add_literal(literals, setting->path ? setting->name : ecc_arena_printf(k->arena, "%s_FILE", setting->name),
                        path_of(k, setting));
        else if (setting->source == ECC_SOURCE_BUS) /* the name that Strimzi gives */
            add_literal(literals, setting->name,
                        ecc_arena_printf(k->arena, "%s-kafka-bootstrap:%d", ecc_deploy_store(k->deploy, ECC_STORE_BUS, NULL)->name,
                                         ECC_DEPLOY_BUS_PORT));
        else if (setting->value)
            add_literal(literals, setting->name, setting->value);
        else if (strcmp(setting->name, "EC_DRAIN_MS") == 0) /* the pod's time to end is made of it */
            add_literal(literals, setting->name, setting->dflt);
        else if (strcmp(setting->name, "EC_DRAIN_DELAY_MS") == 0)
            add_literal(literals, setting->name, ecc_arena_printf(k->arena, "%d", LEAVE_MS));
    }
}

/* ------------------------------------------------------------------ objects */

static void add_port(struct ecc_yaml *ports, const char *name, const char *key, int port)
{
    struct ecc_yaml *made = ecc_yaml_add_map(ports);

    ecc_yaml_put_text(made, "name", name);
    ecc_yaml_put(made, key, ecc_yaml_int(ports->arena, port));
    made->flow = true;
}

static void add_probe(struct ecc_yaml *container, const char *name, const char *path, const char *port, int period, int failures)
{
    struct ecc_yaml *probe = ecc_yaml_put_map(container, name), *get = ecc_yaml_put_map(probe, "httpGet");

    ecc_yaml_put_text(get, "path", path);
    ecc_yaml_put_text(get, "port", port);
    if (strcmp(port, "https") == 0)
        ecc_yaml_put_text(get, "scheme", "HTTPS");
    get->flow = true;
    ecc_yaml_put(probe, "periodSeconds", ecc_yaml_int(container->arena, period));
    ecc_yaml_put(probe, "failureThreshold", ecc_yaml_int(container->arena, failures));
}

static const char *port_name(const struct ecc_process *process)
{
    return process->tls ? "https" : "http";
}

static struct ecc_yaml *add_container(struct ecc_yaml *pod, const struct ecc_process *process)
{
    struct ecc_yaml *container = ecc_yaml_add_map(ecc_yaml_put_list(pod, "containers"));

    ecc_yaml_put_text(container, "name", process->name);
    ecc_yaml_put_text(container, "image", process->name);
    return container;
}

static void scraped(struct ecc_yaml *meta, const struct ecc_process *process)
{
    struct ecc_yaml *annotations = ecc_yaml_put_map(meta, "annotations");

    ecc_yaml_put_text(annotations, "prometheus.io/scrape", "true");
    ecc_yaml_put_text(annotations, "prometheus.io/port", ecc_arena_printf(meta->arena, "%d", process->admin_port));
    ecc_yaml_put_text(annotations, "prometheus.io/path", "/metrics");
}

static struct ecc_yaml *deployment(struct ecc_k8s *k, const struct ecc_process *process)
{
    bool sandbox = process->kind == ECC_PROCESS_SANDBOX, admin = process->admin_port && process->admin_port != process->port;
    struct ecc_yaml *made = ecc_k8s_object(k, "apps/v1", "Deployment", process->name), *spec = ecc_yaml_put_map(made, "spec"), *strategy,
                    *meta, *pod, *container, *ports, *from;
    const char *health = admin ? "admin" : port_name(process);
    int end_s = ((sandbox ? 0 : LEAVE_MS) + atoi(drain_ms(process)) + 999) / 1000 + MORE_S;

    ecc_yaml_put(spec, "selector", ecc_k8s_match(k, "app", process->name));
    strategy = ecc_yaml_put_map(spec, "strategy");
    if (sandbox) { /* what it remembers is in its memory: there is one */
        ecc_yaml_put_text(strategy, "type", "Recreate");
    } else {
        ecc_yaml_put_raw(ecc_yaml_at(strategy, "rollingUpdate"), "maxUnavailable", "0");
        ecc_yaml_put_raw(ecc_yaml_at(strategy, "rollingUpdate"), "maxSurge", "1");
    }
    meta = ecc_yaml_at(spec, "template.metadata");
    ecc_yaml_put_text(ecc_yaml_put_map(meta, "labels"), "app", process->name);
    if (process->admin_port) {
        ecc_yaml_put_text(ecc_yaml_at(meta, "labels"), "monitored", "true");
        scraped(meta, process);
    }
    pod = ecc_yaml_at(spec, "template.spec");
    container = add_container(pod, process);
    from = ecc_yaml_put_map(ecc_yaml_add_map(ecc_yaml_put_list(container, "envFrom")), "configMapRef");
    ecc_yaml_put_text(from, "name", process->name);
    ports = ecc_yaml_put_list(container, "ports");
    add_port(ports, port_name(process), "containerPort", process->port);
    if (admin)
        add_port(ports, "admin", "containerPort", process->admin_port);
    add_probe(container, "startupProbe", "/livez", health, 1, 60);
    add_probe(container, "livenessProbe", "/livez", health, 10, 3);
    add_probe(container, "readinessProbe", "/readyz", health, 2, 2);
    ecc_k8s_resources(container, ecc_arena_printf(k->arena, "%dm", 250 * process->workers),
                      ecc_arena_printf(k->arena, "%dMi", 64 * process->workers),
                      ecc_arena_printf(k->arena, "%dMi", 512 * process->workers));
    ecc_yaml_put(pod, "terminationGracePeriodSeconds", ecc_yaml_int(k->arena, end_s));
    ecc_k8s_confine(pod, container, ECC_K8S_USER);
    mount_secrets(k, pod, container, process, false);
    if (!sandbox)
        ecc_k8s_spread(pod, process->name);
    return made;
}

/* A gateway's is for the world, on the port that the world expects; nobody calls it from inside. */
static struct ecc_yaml *service(struct ecc_k8s *k, const struct ecc_process *process)
{
    bool gateway = process->kind == ECC_PROCESS_GATEWAY;
    struct ecc_yaml *made = ecc_k8s_object(k, "v1", "Service", process->name), *port;

    if (gateway)
        ecc_yaml_put_text(ecc_yaml_at(made, "metadata.labels"), "outside", "true");
    ecc_yaml_put_text(ecc_yaml_at(made, "spec.selector"), "app", process->name);
    port = ecc_yaml_add_map(ecc_yaml_put_list(ecc_yaml_at(made, "spec"), "ports"));
    ecc_yaml_put_text(port, "name", port_name(process));
    ecc_yaml_put(port, "port", ecc_yaml_int(k->arena, !gateway ? process->port : process->tls ? 443 : 80));
    ecc_yaml_put_text(port, "targetPort", port_name(process));
    return made;
}

static struct ecc_yaml *autoscaler(struct ecc_k8s *k, const struct ecc_process *process)
{
    struct ecc_yaml *made = ecc_k8s_object(k, "autoscaling/v2", "HorizontalPodAutoscaler", process->name),
                    *spec = ecc_yaml_put_map(made, "spec"), *target = ecc_yaml_put_map(spec, "scaleTargetRef"), *metric;

    ecc_yaml_put_text(target, "apiVersion", "apps/v1");
    ecc_yaml_put_text(target, "kind", "Deployment");
    ecc_yaml_put_text(target, "name", process->name);
    ecc_yaml_put_raw(spec, "minReplicas", "2");
    ecc_yaml_put(spec, "maxReplicas", ecc_yaml_int(k->arena, ECC_K8S_REPLICAS / 2));
    metric = ecc_yaml_add_map(ecc_yaml_put_list(spec, "metrics"));
    ecc_yaml_put_text(metric, "type", "Resource");
    ecc_yaml_put_text(ecc_yaml_at(metric, "resource"), "name", "cpu");
    ecc_yaml_put_text(ecc_yaml_at(metric, "resource.target"), "type", "Utilization");
    ecc_yaml_put_raw(ecc_yaml_at(metric, "resource.target"), "averageUtilization", "70");
    return made;
}

static struct ecc_yaml *disruption(struct ecc_k8s *k, const struct ecc_process *process)
{
    struct ecc_yaml *made = ecc_k8s_object(k, "policy/v1", "PodDisruptionBudget", process->name), *spec = ecc_yaml_put_map(made, "spec");

    ecc_yaml_put_raw(spec, "minAvailable", "1");
    ecc_yaml_put(spec, "selector", ecc_k8s_match(k, "app", process->name));
    ecc_yaml_put_text(spec, "unhealthyPodEvictionPolicy", "AlwaysAllow"); /* one that never gets ready must not hold a node */
    return made;
}

static struct ecc_yaml *migration(struct ecc_k8s *k, const struct ecc_process *process)
{
    struct ecc_yaml *made = ecc_k8s_object(k, "batch/v1", "Job", ecc_arena_printf(k->arena, "%s-migrate", process->name)),
                    *spec = ecc_yaml_at(made, "spec"), *pod, *container, *args, *env;

    ecc_yaml_put_text(ecc_yaml_at(made, "metadata.labels"), "job", "migrate");
    if (process->has_seed)
        ecc_yaml_put_text(ecc_yaml_at(made, "metadata.labels"), "seed", "true");
    ecc_yaml_put_raw(spec, "backoffLimit", "20"); /* its database may be younger than it: 10 s, 20 s, ... 6 min */
    ecc_yaml_put_text(ecc_yaml_at(spec, "template.metadata.labels"), "app", ecc_arena_printf(k->arena, "%s.migrate", process->name));
    pod = ecc_yaml_at(spec, "template.spec");
    ecc_yaml_put_text(pod, "restartPolicy", "OnFailure");
    container = add_container(pod, process);
    args = ecc_yaml_put_list(container, "args");
    ecc_yaml_add_text(args, "migrate");
    ecc_yaml_add_text(args, "up");
    for (size_t i = 0; i < process->nsettings; i++)
        if (process->settings[i].source == ECC_SOURCE_DATABASE) {
            env = ecc_yaml_add_map(ecc_yaml_put_list(container, "env"));
            ecc_yaml_put_text(env, "name", ecc_arena_printf(k->arena, "%s_FILE", process->settings[i].name));
            ecc_yaml_put_text(env, "value", path_of(k, &process->settings[i]));
        }
    ecc_k8s_resources(container, "50m", "32Mi", "256Mi");
    ecc_k8s_confine(pod, container, ECC_K8S_USER);
    mount_secrets(k, pod, container, process, true);
    return made;
}

void ecc_k8s_process(struct ecc_k8s *k, const char *folder, const struct ecc_process *process)
{
    struct ecc_yaml *resources, *kustomization = ecc_k8s_kustomization(k, &resources);
    struct ecc_k8s_file file = ecc_k8s_begin(k);

    ecc_k8s_add(&file, deployment(k, process));
    ecc_k8s_add(&file, service(k, process));
    if (process->database)
        ecc_k8s_add(&file, migration(k, process));
    if (process->kind != ECC_PROCESS_SANDBOX) {
        ecc_k8s_add(&file, autoscaler(k, process));
        ecc_k8s_add(&file, disruption(k, process));
    }
    ecc_k8s_end(k, &file, ecc_arena_printf(k->arena, "%s/workload.yaml", folder));
    ecc_yaml_add_text(resources, "workload.yaml");
    add_settings(k, kustomization, process);
    ecc_k8s_write(k, ecc_arena_printf(k->arena, "%s/kustomization.yaml", folder), kustomization);
}
