/* observability/: what a running system is watched with. prometheus.yml scrapes every service and gateway, alerts.yml has its rules and
 * alerts_test.yml their tests, dashboards/ what Grafana shows, grafana/provisioning/ how it finds the two.
 *
 * A process's replicas are the addresses that its name has (DNS), as compose and Kubernetes (a headless service) give them.
 */
#include "observe.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "deploy.h"
#include "walk.h"

/* ------------------------------------------------------------------ what there is */

static const char *const label_names[] = {
#define X(name, label, what) [ECC_SEEN_##name] = label,
    ECC_SEEN_KINDS(X)
#undef X
};

const struct ecc_seen *ecc_seen_first(const struct ecc_seen_list *seen, enum ecc_seen_kind kind)
{
    for (size_t i = 0; i < seen->n; i++)
        if (seen->items[i].kind == kind)
            return &seen->items[i];
    return NULL;
}

const char *ecc_seen_labels(struct ecc_arena *arena, const struct ecc_seen *seen)
{
    if (!seen->label)
        return ecc_arena_printf(arena, "job=\"%s\"", seen->job);
    return ecc_arena_printf(arena, "job=\"%s\",%s=\"%s\"", seen->job, seen->label, seen->value);
}

static int by_peer(const void *a, const void *b)
{
    return strcmp((*(const struct ecc_edge *const *)a)->to->name, (*(const struct ecc_edge *const *)b)->to->name);
}

const struct ecc_edge **ecc_edges_by_peer(struct ecc_arena *arena, const struct ecc_node *node, size_t *n)
{
    const struct ecc_edge **edges = ECC_NEW_ARRAY(arena, const struct ecc_edge *, node->nout + node->nin + 1);

    *n = node->nout;
    for (size_t i = 0; i < node->nout; i++)
        edges[i] = node->out[i];
    qsort(edges, *n, sizeof *edges, by_peer);
    for (size_t i = 0; i < node->nin; i++)
        if (node->in[i]->from->kind == ECC_NODE_BUS)
            edges[(*n)++] = node->in[i];
    return edges;
}

static void see(struct ecc_codegen *cg, struct ecc_seen_list *seen, enum ecc_seen_kind kind, const struct ecc_node *node, const char *value)
{
    ECC_PUSH(cg->arena, seen, ((struct ecc_seen){kind, node, node->name, label_names[kind], value}));
}

static void see_edges(struct ecc_codegen *cg, struct ecc_seen_list *seen, const struct ecc_node *node)
{
    bool publishes = false;
    size_t n;
    const struct ecc_edge **edges = ecc_edges_by_peer(cg->arena, node, &n);

    for (size_t i = 0; i < node->nout; i++) {
        const struct ecc_edge *edge = edges[i];

        publishes = publishes || edge->npublish;
        for (size_t k = 0; k < edge->nkeyspaces; k++)
            see(cg, seen, ECC_SEEN_KEYSPACE, node, edge->keyspaces[k]->name);
        if (edge->to->kind == ECC_NODE_CACHE)
            see(cg, seen, ECC_SEEN_REDIS, node, NULL);
        if (!edge->http && !edge->https)
            continue;
        see(cg, seen, ECC_SEEN_EDGE, node, ecc_arena_printf(cg->arena, "%s -> %s", node->name, edge->to->name));
        if (edge->breaker.set)
            see(cg, seen, ECC_SEEN_BREAKER, node, ecc_arena_printf(cg->arena, "%s -> %s", node->name, edge->to->name));
    }
    if (publishes)
        see(cg, seen, ECC_SEEN_PUBLISHER, node, NULL);
}

static void see_service(struct ecc_codegen *cg, struct ecc_seen_list *seen, const struct ecc_node *node)
{
    const struct ecc_service *service = &node->u.service;

    if (service->nops)
        see(cg, seen, ECC_SEEN_OPS, node, NULL);
    if (service->has_database)
        see(cg, seen, ECC_SEEN_DATABASE, node, NULL);
    if (service->nsagas)
        see(cg, seen, ECC_SEEN_SAGA_OWNER, node, NULL);
    for (size_t i = 0; i < service->nsagas; i++)
        see(cg, seen, ECC_SEEN_SAGA, node, service->sagas[i]->name);
    for (size_t i = 0; i < service->nconsumers; i++)
        see(cg, seen, ECC_SEEN_GROUP, node, ecc_arena_printf(cg->arena, "%s.%s", node->name, service->consumers[i]->group));
}

static void see_gateway(struct ecc_codegen *cg, struct ecc_seen_list *seen, const struct ecc_node *node)
{
    const struct ecc_gateway *gateway = &node->u.gateway;

    for (size_t i = 0; i < gateway->nroutes; i++)
        see(cg, seen, ECC_SEEN_ROUTE, node, ecc_arena_printf(cg->arena, "%s %s", gateway->routes[i]->method, gateway->routes[i]->path));
    if (gateway->limit)
        see(cg, seen, ECC_SEEN_LIMIT, node, NULL);
}

/* ------------------------------------------------------------------ files */

static void add_yaml(struct ecc_codegen *cg, const char *path, const struct ecc_yaml *document)
{
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_HASH);

    ecc_yaml_write(w, document);
    ecc_outset_add_writer(cg->out, path, w);
}

static void emit_prometheus(struct ecc_codegen *cg, const struct ecc_deploy *deploy, const struct ecc_seen_list *seen)
{
    struct ecc_yaml *document = ecc_yaml_map(cg->arena), *jobs;

    ecc_yaml_put_text(ecc_yaml_put_map(document, "global"), "scrape_interval", "15s");
    ecc_yaml_put_text(ecc_yaml_get(document, "global"), "evaluation_interval", "15s");
    ecc_yaml_add_text(ecc_yaml_put_list(document, "rule_files"), "alerts.yml");
    jobs = ecc_yaml_put_list(document, "scrape_configs");
    for (size_t i = 0; i < seen->n; i++) {
        const struct ecc_process *process = ecc_deploy_process(deploy, seen->items[i].job);
        struct ecc_yaml *job, *dns, *names;

        if (seen->items[i].kind != ECC_SEEN_PROCESS)
            continue;
        job = ecc_yaml_add_map(jobs);
        ecc_yaml_put_text(job, "job_name", process->name);
        dns = ecc_yaml_add_map(ecc_yaml_put_list(job, "dns_sd_configs"));
        names = ecc_yaml_put_list(dns, "names");
        names->flow = true;
        ecc_yaml_add_text(names, process->name);
        ecc_yaml_put_text(dns, "type", "A");
        ecc_yaml_put(dns, "port", ecc_yaml_int(cg->arena, process->admin_port));
        ecc_yaml_put_text(dns, "refresh_interval", "15s");
    }
    add_yaml(cg, "observability/prometheus.yml", document);
}

static void emit_provisioning(struct ecc_codegen *cg)
{
    struct ecc_yaml *document = ecc_yaml_map(cg->arena), *one;

    ecc_yaml_put_raw(document, "apiVersion", "1");
    one = ecc_yaml_add_map(ecc_yaml_put_list(document, "datasources"));
    ecc_yaml_put_text(one, "name", "Prometheus");
    ecc_yaml_put_text(one, "uid", "prometheus");
    ecc_yaml_put_text(one, "type", "prometheus");
    ecc_yaml_put_text(one, "access", "proxy");
    ecc_yaml_put_text(one, "url", "http://prometheus:9090");
    ecc_yaml_put_raw(one, "isDefault", "true");
    ecc_yaml_put_text(ecc_yaml_put_map(one, "jsonData"), "timeInterval", "15s");
    add_yaml(cg, "observability/grafana/provisioning/datasources/prometheus.yml", document);

    document = ecc_yaml_map(cg->arena);
    ecc_yaml_put_raw(document, "apiVersion", "1");
    one = ecc_yaml_add_map(ecc_yaml_put_list(document, "providers"));
    ecc_yaml_put_text(one, "name", "ecom");
    ecc_yaml_put_text(one, "type", "file");
    ecc_yaml_put_raw(one, "disableDeletion", "true");
    ecc_yaml_put_text(ecc_yaml_put_map(one, "options"), "path", "/var/lib/grafana/dashboards");
    add_yaml(cg, "observability/grafana/provisioning/dashboards/ecom.yml", document);
}

static struct ecc_yaml *add_map(struct ecc_yaml *list, const char *name, const char *file)
{
    struct ecc_yaml *map = ecc_yaml_add_map(list);

    ecc_yaml_put_text(map, "name", name);
    ecc_yaml_add_text(ecc_yaml_put_list(map, "files"), file);
    return map;
}

/* A dashboard each, because `kubectl apply` takes 256 KiB; the label is the one that Grafana's chart looks for. */
static void emit_config_maps(struct ecc_codegen *cg)
{
    static const char *const dashboards[] = {"overview", "services"};
    struct ecc_yaml *document = ecc_yaml_map(cg->arena), *maps, *options;

    ecc_yaml_put_text(document, "apiVersion", "kustomize.config.k8s.io/v1beta1");
    ecc_yaml_put_text(document, "kind", "Kustomization");
    maps = ecc_yaml_put_list(document, "configMapGenerator");
    add_map(maps, "prometheus-alerts", "alerts.yml");
    for (size_t i = 0; i < sizeof dashboards / sizeof dashboards[0]; i++) {
        struct ecc_yaml *map = add_map(maps, ecc_arena_printf(cg->arena, "dashboard-%s", dashboards[i]),
                                       ecc_arena_printf(cg->arena, "dashboards/%s.json", dashboards[i]));
        ecc_yaml_put_text(ecc_yaml_at(map, "options.labels"), "grafana_dashboard", "1");
    }
    options = ecc_yaml_put_map(document, "generatorOptions");
    ecc_yaml_put_raw(options, "disableNameSuffixHash", "true"); /* who mounts them stands elsewhere, and looks for changes */
    add_yaml(cg, "observability/kustomization.yaml", document);
}

void ecc_emit_observe(struct ecc_codegen *cg, const struct ecc_deploy *deploy)
{
    struct ecc_yaml *alerts = ecc_yaml_map(cg->arena), *tests = ecc_yaml_map(cg->arena);
    const struct ecc_node **nodes = ECC_NEW_ARRAY(cg->arena, const struct ecc_node *, cg->model->nnodes + 1);
    struct ecc_seen_list seen = {0};

    for (size_t i = 0; i < cg->model->nnodes; i++)
        nodes[i] = cg->model->nodes[i];
    ecc_sort_nodes(nodes, cg->model->nnodes);
    for (size_t i = 0; i < cg->model->nnodes; i++) {
        const struct ecc_node *node = nodes[i];

        if (node->kind != ECC_NODE_SERVICE && node->kind != ECC_NODE_GATEWAY)
            continue;
        see(cg, &seen, ECC_SEEN_PROCESS, node, NULL);
        if (node->kind == ECC_NODE_SERVICE)
            see_service(cg, &seen, node);
        else
            see_gateway(cg, &seen, node);
        see_edges(cg, &seen, node);
    }
    if (!seen.n)
        return;
    emit_prometheus(cg, deploy, &seen);
    ecc_observe_alerts(&seen, alerts, tests);
    add_yaml(cg, "observability/alerts.yml", alerts);
    add_yaml(cg, "observability/alerts_test.yml", tests);
    ecc_observe_dashboards(cg, &seen);
    emit_provisioning(cg);
    emit_config_maps(cg);
}
