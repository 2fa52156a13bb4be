/* base/stores: a database is a Cluster of CloudNativePG, the bus a Kafka of Strimzi (KRaft, with one pool of nodes, and a KafkaTopic for
 * each topic and each dead-letter topic), the cache a Redis of its own, one and in memory, since what it has may be lost.
 *
 * The operators' pods get the label `app` like all others (inheritedMetadata, pod templates). Beside the conversations they need the API
 * server, whose address is each cluster's own, and one another.
 */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "k8s.h"
#include "walk.h"

enum {
    API_PORT = 443,
    API_PORT_DIRECT = 6443,
    POSTGRES_STATUS_PORT = 8000,
    POSTGRES_METRICS_PORT = 9187,
    REDIS_USER = 999,
    OWN_CONNECTIONS = 2, /* the group lane's and the relay's */
    BY_HAND = 20,
};

#define POSTGRES_IMAGE "ghcr.io/cloudnative-pg/postgresql:15"
#define REDIS_IMAGE "redis:7.2-bookworm"
#define STRIMZI "kafka.strimzi.io/v1"
#define CLUSTER_LABEL "strimzi.io/cluster"

/* Pods of an operator's: in and out among themselves, and out to the API server. */
static struct ecc_yaml *among(struct ecc_k8s *k, const char *name, const char *label, const char *value, const int *ports, size_t n,
                              bool in)
{
    struct ecc_yaml *made = ecc_k8s_object(k, "networking.k8s.io/v1", "NetworkPolicy", name), *spec = ecc_yaml_at(made, "spec"), *types,
                    *rules, *rule, *list;

    ecc_yaml_put(spec, "podSelector", ecc_k8s_match(k, label, value));
    types = ecc_yaml_put_list(spec, "policyTypes");
    types->flow = true;
    if (in)
        ecc_yaml_add_text(types, "Ingress");
    ecc_yaml_add_text(types, "Egress");
    for (int out = !in; out < 2; out++) {
        rules = ecc_yaml_put_list(spec, out ? "egress" : "ingress");
        rule = ecc_yaml_add_map(rules);
        list = ecc_yaml_put_list(rule, "ports");
        for (size_t i = 0; i < n; i++)
            ecc_yaml_add(list, ecc_k8s_port(k, ports[i]));
        ecc_yaml_put(ecc_yaml_add_map(ecc_yaml_put_list(rule, out ? "to" : "from")), "podSelector", ecc_k8s_match(k, label, value));
    }
    rule = ecc_yaml_add_map(ecc_yaml_get(spec, "egress"));
    list = ecc_yaml_put_list(rule, "ports");
    ecc_yaml_add(list, ecc_k8s_port(k, API_PORT));
    ecc_yaml_add(list, ecc_k8s_port(k, API_PORT_DIRECT));
    return made;
}

/* ------------------------------------------------------------------ PostgreSQL */

/* The pools of all replicas that there can be, of those that a rollout has beside them, and of whoever looks at it by hand. */
static const char *connections(struct ecc_k8s *k, const struct ecc_store *store)
{
    const struct ecc_process *process = ecc_deploy_process(k->deploy, store->node->name);
    int pool = 0;

    for (size_t i = 0; i < process->nsettings; i++)
        if (strcmp(process->settings[i].name, "EC_PG_POOL") == 0)
            pool = atoi(process->settings[i].dflt);
    return ecc_arena_printf(k->arena, "%d", (pool + OWN_CONNECTIONS) * process->workers * (ECC_K8S_REPLICAS + 1) + BY_HAND);
}

static struct ecc_yaml *cluster(struct ecc_k8s *k, const struct ecc_store *store)
{
    struct ecc_yaml *made = ecc_k8s_object(k, "postgresql.cnpg.io/v1", "Cluster", store->name), *spec = ecc_yaml_put_map(made, "spec"),
                    *wait;

    ecc_yaml_put_raw(spec, "instances", "3");
    ecc_yaml_put_text(spec, "imageName", POSTGRES_IMAGE);
    ecc_yaml_put_text(ecc_yaml_at(spec, "bootstrap.initdb"), "database", store->user);
    ecc_yaml_put_text(ecc_yaml_at(spec, "bootstrap.initdb"), "owner", store->user);
    wait = ecc_yaml_at(spec, "postgresql.synchronous"); /* what was committed is on another node, too */
    ecc_yaml_put_text(wait, "method", "any");
    ecc_yaml_put_raw(wait, "number", "1");
    ecc_yaml_put_text(ecc_yaml_at(spec, "postgresql.parameters"), "max_connections", connections(k, store));
    ecc_yaml_put_text(ecc_yaml_at(spec, "inheritedMetadata.labels"), "app", store->name);
    ecc_k8s_resources(spec, "100m", "256Mi", "1Gi");
    ecc_yaml_put_text(ecc_yaml_at(spec, "storage"), "size", "10Gi");
    return made;
}

/* From its own instances, from the operator where its manual has it, and whoever reads metrics at its exporter. */
static struct ecc_yaml *replication(struct ecc_k8s *k, const struct ecc_store *store)
{
    const int ports[] = {store->port, POSTGRES_STATUS_PORT};
    struct ecc_yaml *made = among(k, ecc_arena_printf(k->arena, "%s.%s", store->name, store->name), "cnpg.io/cluster", store->name, ports,
                                  2, true),
                    *ingress = ecc_yaml_get(ecc_yaml_at(made, "spec"), "ingress"),
                    *manager = ecc_yaml_add_map(ecc_yaml_get(ingress->items[0], "from")), *exporter = ecc_yaml_add_map(ingress);

    ecc_yaml_put(manager, "namespaceSelector", ecc_k8s_match(k, "kubernetes.io/metadata.name", "cnpg-system"));
    ecc_yaml_put(manager, "podSelector", ecc_k8s_match(k, "app.kubernetes.io/name", "cloudnative-pg"));
    ecc_yaml_add(ecc_yaml_put_list(exporter, "ports"), ecc_k8s_port(k, POSTGRES_METRICS_PORT));
    ecc_yaml_put(ecc_yaml_add_map(ecc_yaml_put_list(exporter, "from")), "namespaceSelector",
                 ecc_k8s_match(k, "kubernetes.io/metadata.name", "monitoring"));
    return made;
}

/* ------------------------------------------------------------------ Kafka */

static struct ecc_yaml *kafka(struct ecc_k8s *k, const struct ecc_store *store)
{
    struct ecc_yaml *made = ecc_k8s_object(k, STRIMZI, "Kafka", store->name), *spec = ecc_yaml_put_map(made, "spec"), *listener, *config,
                    *peer, *users, *apps;

    listener = ecc_yaml_add_map(ecc_yaml_put_list(ecc_yaml_at(spec, "kafka"), "listeners"));
    ecc_yaml_put_text(listener, "name", "plain");
    ecc_yaml_put(listener, "port", ecc_yaml_int(k->arena, store->port));
    ecc_yaml_put_text(listener, "type", "internal");
    ecc_yaml_put_raw(listener, "tls", "false");
    peer = ecc_yaml_add_map(ecc_yaml_put_list(listener, "networkPolicyPeers")); /* without it Strimzi's policy lets everybody in */
    users = ecc_yaml_add_map(ecc_yaml_put_list(ecc_yaml_at(peer, "podSelector"), "matchExpressions"));
    ecc_yaml_put_text(users, "key", "app");
    ecc_yaml_put_text(users, "operator", "In");
    apps = ecc_yaml_put_list(users, "values");
    for (size_t i = 0; i < k->deploy->nconversations; i++)
        if (strcmp(k->deploy->conversations[i].to, store->name) == 0)
            ecc_yaml_add_text(apps, k->deploy->conversations[i].from);
    config = ecc_yaml_at(spec, "kafka.config");
    ecc_yaml_put_raw(config, "auto.create.topics.enable", "false");
    ecc_yaml_put_raw(config, "default.replication.factor", "3");
    ecc_yaml_put_raw(config, "min.insync.replicas", "2");
    ecc_yaml_put_raw(config, "offsets.topic.replication.factor", "3");
    ecc_yaml_put_raw(config, "transaction.state.log.min.isr", "2");
    ecc_yaml_put_raw(config, "transaction.state.log.replication.factor", "3");
    ecc_yaml_at(spec, "entityOperator.topicOperator");
    return made;
}

static struct ecc_yaml *pool(struct ecc_k8s *k, const struct ecc_store *store)
{
    struct ecc_yaml *made = ecc_k8s_object(k, STRIMZI, "KafkaNodePool", store->name), *spec, *roles, *volume;

    ecc_yaml_put_text(ecc_yaml_at(made, "metadata.labels"), CLUSTER_LABEL, store->name);
    spec = ecc_yaml_put_map(made, "spec");
    ecc_yaml_put_raw(spec, "replicas", "3");
    roles = ecc_yaml_put_list(spec, "roles");
    ecc_yaml_add_text(roles, "controller");
    ecc_yaml_add_text(roles, "broker");
    roles->flow = true;
    ecc_yaml_put_text(ecc_yaml_at(spec, "storage"), "type", "jbod");
    volume = ecc_yaml_add_map(ecc_yaml_put_list(ecc_yaml_at(spec, "storage"), "volumes"));
    ecc_yaml_put_raw(volume, "id", "0");
    ecc_yaml_put_text(volume, "type", "persistent-claim");
    ecc_yaml_put_text(volume, "size", "10Gi");
    ecc_yaml_put_text(volume, "kraftMetadata", "shared");
    ecc_k8s_resources(spec, "200m", "1Gi", "2Gi");
    ecc_yaml_put_text(ecc_yaml_at(spec, "template.pod.metadata.labels"), "app", store->name);
    return made;
}

static struct ecc_yaml *topic(struct ecc_k8s *k, const struct ecc_store *store, const struct ecc_topic *t, const char *name)
{
    struct ecc_yaml *made = ecc_k8s_object(k, STRIMZI, "KafkaTopic", name), *config = NULL;

    ecc_yaml_put_text(ecc_yaml_at(made, "metadata.labels"), CLUSTER_LABEL, store->name);
    ecc_yaml_put(ecc_yaml_at(made, "spec"), "partitions", ecc_yaml_int(k->arena, t->partitions));
    if (name != t->name) {
        config = ecc_yaml_at(made, "spec.config");
        ecc_yaml_put_text(config, "cleanup.policy", "delete");
        ecc_yaml_put_raw(config, "max.message.bytes", ECC_LETTER_BYTES);
    } else if (t->retention_ms) {
        ecc_yaml_put(ecc_yaml_at(made, "spec.config"), "retention.ms", ecc_yaml_int(k->arena, t->retention_ms));
    }
    return made;
}

static void add_bus(struct ecc_k8s *k, struct ecc_k8s_file *file, const struct ecc_store *store)
{
    static const int ports[] = {9090, 9091}; /* controllers, brokers */
    struct ecc_yaml *topics = ecc_yaml_map(k->arena);

    ecc_k8s_add(file, kafka(k, store));
    ecc_k8s_add(file, pool(k, store));
    ecc_k8s_add(file, among(k, ecc_arena_printf(k->arena, "%s.%s", store->name, store->name), CLUSTER_LABEL, store->name, ports, 2, false));
    for (size_t i = 0; i < k->model->nnodes; i++) {
        const struct ecc_node *node = k->model->nodes[i];
        for (size_t t = 0; node->kind == ECC_NODE_BUS && t < node->u.bus.ntopics; t++) {
            const struct ecc_topic *of = node->u.bus.topics[t];
            const char *letters = ecc_arena_printf(k->arena, "%s.dead-letter", of->name);
            ecc_yaml_append(topics, of->name, topic(k, store, of, of->name));
            if (ecc_topic_has_letters(k->model, of))
                ecc_yaml_append(topics, letters, topic(k, store, of, letters));
        }
    }
    ecc_yaml_sort(topics);
    for (size_t i = 0; i < topics->n; i++)
        ecc_k8s_add(file, topics->items[i]);
}

/* ------------------------------------------------------------------ Redis */

static struct ecc_yaml *redis(struct ecc_k8s *k, const struct ecc_store *store)
{
    static const char *const words[] = {
        "redis-server", "--bind",      "0.0.0.0", "--protected-mode",   "no",          "--save", "", "--appendonly",
        "no",           "--maxmemory", "192mb",   "--maxmemory-policy", "volatile-ttl"};
    struct ecc_yaml *made = ecc_k8s_object(k, "apps/v1", "Deployment", store->name), *spec = ecc_yaml_put_map(made, "spec"), *pod,
                    *container, *command, *port;

    ecc_yaml_put(spec, "selector", ecc_k8s_match(k, "app", store->name));
    ecc_yaml_put_text(ecc_yaml_at(spec, "strategy"), "type", "Recreate"); /* never two that differ */
    ecc_yaml_put_text(ecc_yaml_at(spec, "template.metadata.labels"), "app", store->name);
    pod = ecc_yaml_at(spec, "template.spec");
    container = ecc_yaml_add_map(ecc_yaml_put_list(pod, "containers"));
    ecc_yaml_put_text(container, "name", store->name);
    ecc_yaml_put_text(container, "image", REDIS_IMAGE);
    command = ecc_yaml_put_list(container, "command");
    command->flow = true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        ecc_yaml_add_text(command, words[i]);
    port = ecc_yaml_add_map(ecc_yaml_put_list(container, "ports"));
    ecc_yaml_put_text(port, "name", "redis");
    ecc_yaml_put(port, "containerPort", ecc_yaml_int(k->arena, store->port));
    port->flow = true;
    for (int live = 0; live < 2; live++)
        ecc_yaml_put_text(ecc_yaml_at(container, live ? "livenessProbe.tcpSocket" : "readinessProbe.tcpSocket"), "port", "redis");
    ecc_k8s_resources(container, "50m", "64Mi", "256Mi");
    ecc_k8s_confine(pod, container, REDIS_USER);
    return made;
}

static void add_cache(struct ecc_k8s *k, struct ecc_k8s_file *file, const struct ecc_store *store)
{
    struct ecc_yaml *service = ecc_k8s_object(k, "v1", "Service", store->name), *port;

    ecc_yaml_put_text(ecc_yaml_at(service, "spec.selector"), "app", store->name);
    port = ecc_yaml_add_map(ecc_yaml_put_list(ecc_yaml_at(service, "spec"), "ports"));
    ecc_yaml_put_text(port, "name", "redis");
    ecc_yaml_put(port, "port", ecc_yaml_int(k->arena, store->port));
    ecc_yaml_put_text(port, "targetPort", "redis");
    ecc_k8s_add(file, redis(k, store));
    ecc_k8s_add(file, service);
}

/* ------------------------------------------------------------------ all */

void ecc_k8s_stores(struct ecc_k8s *k)
{
    struct ecc_yaml *resources, *all = ecc_k8s_kustomization(k, &resources);

    for (size_t i = 0; i < k->deploy->nstores; i++) {
        const struct ecc_store *store = k->deploy->stores[i];
        struct ecc_k8s own = ecc_k8s_scratch(k);
        struct ecc_k8s_file file = ecc_k8s_begin(&own);

        switch (store->kind) {
        case ECC_STORE_DATABASE:
            ecc_k8s_add(&file, cluster(&own, store));
            ecc_k8s_add(&file, replication(&own, store));
            break;
        case ECC_STORE_CACHE:
            add_cache(&own, &file, store);
            break;
        case ECC_STORE_BUS:
            add_bus(&own, &file, store);
            break;
        }
        ecc_k8s_end(&own, &file, ecc_arena_printf(own.arena, "base/stores/%s.yaml", store->name));
        ecc_yaml_add_text(resources, ecc_arena_printf(k->arena, "%s.yaml", store->name));
    }
    if (k->deploy->nstores)
        ecc_k8s_write(k, "base/stores/kustomization.yaml", all);
}
