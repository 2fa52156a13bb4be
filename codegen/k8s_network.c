/* base/network: nothing comes in and nothing goes out, but names are looked up, and along each conversation of the topology there is one
 * NetworkPolicy, `<from>.<to>`.
 *
 * It selects both ends and says for both at once: out only to `to`, in only from `from`, at the port. A connection needs the sender's
 * egress and the receiver's ingress, so what comes of it is from -> to and never back. What it leaves besides is a process's way to its own
 * replicas, of one that is called and calls at the same port; two policies an edge would shut it, for twice the objects.
 *
 * A client's edge is ingress from anywhere; one to an external egress to whatever is none of the private ranges, since a policy knows
 * addresses and no names. A database's migration takes the way of its service. What the operators' pods need beside that is what they ask
 * for in their manuals; Strimzi adds policies of its own for who may come in to a broker.
 */
#include <string.h>

#include "arena.h"
#include "k8s.h"

enum { OTLP_PORT = 4318 };

/* RFC 1918, 6598, 3927; RFC 4193, 4291 */
static const char *const private4[] = {"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"};
static const char *const private6[] = {"::1/128", "fc00::/7", "fe80::/10"};

static struct ecc_yaml *policy(struct ecc_k8s *k, const char *name, struct ecc_yaml *selector, bool in, bool out)
{
    struct ecc_yaml *made = ecc_k8s_object(k, "networking.k8s.io/v1", "NetworkPolicy", name), *types;

    ecc_yaml_put(ecc_yaml_at(made, "spec"), "podSelector", selector);
    types = ecc_yaml_put_list(ecc_yaml_at(made, "spec"), "policyTypes");
    if (in)
        ecc_yaml_add_text(types, "Ingress");
    if (out)
        ecc_yaml_add_text(types, "Egress");
    types->flow = true;
    return made;
}

/* A rule of `direction`, and its peers (`to` or `from`); ports are added by ecc_k8s_port. */
static struct ecc_yaml *rule(struct ecc_yaml *policy, const char *direction, struct ecc_yaml **ports)
{
    struct ecc_yaml *spec = ecc_yaml_at(policy, "spec"), *rules = ecc_yaml_get(spec, direction), *made;

    made = ecc_yaml_add_map(rules ? rules : ecc_yaml_put_list(spec, direction));
    *ports = ecc_yaml_put_list(made, "ports");
    return made;
}

static struct ecc_yaml *peers(struct ecc_yaml *rule, const char *direction)
{
    return ecc_yaml_put_list(rule, direction);
}

static struct ecc_yaml *in_set(struct ecc_k8s *k, const char *label, const char *const *values, size_t n)
{
    struct ecc_yaml *made = ecc_yaml_map(k->arena), *expression = ecc_yaml_add_map(ecc_yaml_put_list(made, "matchExpressions")), *list;

    ecc_yaml_put_text(expression, "key", label);
    ecc_yaml_put_text(expression, "operator", "In");
    list = ecc_yaml_put_list(expression, "values");
    for (size_t i = 0; i < n; i++)
        ecc_yaml_add_text(list, values[i]);
    expression->flow = true;
    return made;
}

static void add_pods(struct ecc_yaml *peers, struct ecc_yaml *selector)
{
    struct ecc_yaml *peer = ecc_yaml_add_map(peers);

    ecc_yaml_put(peer, "podSelector", selector);
}

static void add_namespace(struct ecc_k8s *k, struct ecc_yaml *peers, const char *name, const char *label, const char *value)
{
    struct ecc_yaml *peer = ecc_yaml_add_map(peers);

    ecc_yaml_put(peer, "namespaceSelector", ecc_k8s_match(k, "kubernetes.io/metadata.name", name));
    if (label)
        ecc_yaml_put(peer, "podSelector", ecc_k8s_match(k, label, value));
}

/* ------------------------------------------------------------------ conversations */

static void add_world(struct ecc_yaml *peers, const char *all, const char *const *but, size_t n)
{
    struct ecc_yaml *block = ecc_yaml_put_map(ecc_yaml_add_map(peers), "ipBlock"), *except;

    ecc_yaml_put_text(block, "cidr", all);
    except = ecc_yaml_put_list(block, "except");
    for (size_t i = 0; i < n; i++)
        ecc_yaml_add_text(except, but[i]);
}

static struct ecc_yaml *to_world(struct ecc_k8s *k, const struct ecc_conversation *c, const char *name)
{
    struct ecc_yaml *made = policy(k, name, ecc_k8s_match(k, "app", c->from), false, true), *ports, *out = rule(made, "egress", &ports);

    if (c->external->u.external.has_sandbox)
        ecc_yaml_put_text(ecc_yaml_at(made, "metadata.labels"), "external", "sandboxed"); /* dev has no such way */
    ecc_yaml_add(ports, ecc_k8s_port(k, c->port));
    out = peers(out, "to");
    add_world(out, "0.0.0.0/0", private4, sizeof private4 / sizeof *private4);
    add_world(out, "::/0", private6, sizeof private6 / sizeof *private6);
    return made;
}

static struct ecc_yaml *between(struct ecc_k8s *k, const struct ecc_conversation *c, const char *name)
{
    const struct ecc_process *process = ecc_deploy_process(k->deploy, c->from);
    bool database = process && process->database && strcmp(process->database->name, c->to) == 0;
    const char *ends[] = {c->from, c->to, ecc_arena_printf(k->arena, "%s.migrate", c->from)}, *senders[] = {c->from, ends[2]};
    struct ecc_yaml *made = policy(k, name, in_set(k, "app", ends, database ? 3 : 2), true, true), *ports, *way;

    way = rule(made, "egress", &ports);
    ecc_yaml_add(ports, ecc_k8s_port(k, c->port));
    add_pods(peers(way, "to"), ecc_k8s_match(k, "app", c->to));
    way = rule(made, "ingress", &ports);
    ecc_yaml_add(ports, ecc_k8s_port(k, c->port));
    add_pods(peers(way, "from"), database ? in_set(k, "app", senders, 2) : ecc_k8s_match(k, "app", c->from));
    return made;
}

struct ecc_yaml *ecc_k8s_edge(struct ecc_k8s *k, const struct ecc_conversation *c)
{
    const char *name = ecc_arena_printf(k->arena, "%s.%s", c->from, c->to);

    return c->external ? to_world(k, c, name) : between(k, c, name);
}

static struct ecc_yaml *from_client(struct ecc_k8s *k, const struct ecc_edge *edge)
{
    const char *name = ecc_arena_printf(k->arena, "%s.%s", edge->from->name, edge->to->name);
    struct ecc_yaml *made = policy(k, name, ecc_k8s_match(k, "app", edge->to->name), true, false), *ports;

    rule(made, "ingress", &ports);
    ecc_yaml_add(ports, ecc_k8s_port(k, edge->to->u.gateway.port));
    return made;
}

/* ------------------------------------------------------------------ what all need */

static struct ecc_yaml *deny(struct ecc_k8s *k)
{
    return policy(k, "default-deny", ecc_yaml_map(k->arena), true, true);
}

static struct ecc_yaml *names_of(struct ecc_k8s *k)
{
    struct ecc_yaml *made = policy(k, "dns", ecc_yaml_map(k->arena), false, true), *ports, *way = rule(made, "egress", &ports), *udp;

    udp = ecc_k8s_port(k, 53);
    ecc_yaml_put_text(udp, "protocol", "UDP");
    ecc_yaml_add(ports, udp);
    ecc_yaml_add(ports, ecc_k8s_port(k, 53));
    add_namespace(k, peers(way, "to"), "kube-system", "k8s-app", "kube-dns");
    return made;
}

static void add_metrics_ports(struct ecc_k8s *k, struct ecc_yaml *ports)
{
    struct ecc_yaml *seen = ecc_yaml_map(k->arena);

    for (size_t i = 0; i < k->deploy->nprocesses; i++) {
        const char *port = ecc_arena_printf(k->arena, "%d", k->deploy->processes[i]->admin_port);
        if (k->deploy->processes[i]->admin_port && !ecc_yaml_get(seen, port))
            ecc_yaml_put(seen, port, ecc_k8s_port(k, k->deploy->processes[i]->admin_port));
    }
    ecc_yaml_sort(seen);
    for (size_t i = 0; i < seen->n; i++)
        ecc_yaml_add(ports, seen->items[i]);
}

/* Whoever stands in the namespace `monitoring` may read metrics, and is told spans. */
static struct ecc_yaml *monitoring(struct ecc_k8s *k)
{
    struct ecc_yaml *made = policy(k, "monitoring", ecc_k8s_match(k, "monitored", "true"), true, true), *ports, *way;

    way = rule(made, "egress", &ports);
    ecc_yaml_add(ports, ecc_k8s_port(k, OTLP_PORT));
    add_namespace(k, peers(way, "to"), "monitoring", NULL, NULL);
    way = rule(made, "ingress", &ports);
    add_metrics_ports(k, ports);
    add_namespace(k, peers(way, "from"), "monitoring", NULL, NULL);
    return made;
}

/* The policies of the conversations that one begins, in one file. Returns how many there are. */
static size_t write_from(struct ecc_k8s *k, size_t first, struct ecc_yaml *names)
{
    const struct ecc_deploy *deploy = k->deploy;
    const char *from = deploy->conversations[first].from;
    struct ecc_k8s own = ecc_k8s_scratch(k);
    struct ecc_k8s_file file = ecc_k8s_begin(&own);
    size_t i = first;

    for (; i < deploy->nconversations && strcmp(deploy->conversations[i].from, from) == 0; i++)
        ecc_k8s_add(&file, ecc_k8s_edge(&own, &deploy->conversations[i]));
    ecc_k8s_end(&own, &file, ecc_arena_printf(own.arena, "base/network/%s.yaml", from));
    ecc_yaml_append(names, ecc_arena_printf(k->arena, "%s.yaml", from), NULL);
    return i - first;
}

static void write_client(struct ecc_k8s *k, const struct ecc_node *client, struct ecc_yaml *names)
{
    struct ecc_k8s_file file = ecc_k8s_begin(k);
    const char *name = ecc_arena_printf(k->arena, "%s.yaml", client->name);

    for (size_t i = 0; i < k->model->nedges; i++)
        if (k->model->edges[i]->from == client && k->model->edges[i]->to->kind == ECC_NODE_GATEWAY)
            ecc_k8s_add(&file, from_client(k, k->model->edges[i]));
    if (!file.any)
        return;
    ecc_k8s_end(k, &file, ecc_arena_printf(k->arena, "base/network/%s", name));
    ecc_yaml_append(names, name, NULL);
}

void ecc_k8s_network(struct ecc_k8s *k)
{
    struct ecc_k8s_file all = ecc_k8s_begin(k);
    struct ecc_yaml *resources, *kustomization = ecc_k8s_kustomization(k, &resources), *names = ecc_yaml_map(k->arena);

    ecc_k8s_add(&all, deny(k));
    ecc_k8s_add(&all, names_of(k));
    ecc_k8s_add(&all, monitoring(k));
    ecc_k8s_end(k, &all, "base/network/all_pods.yaml");
    ecc_yaml_append(names, "all_pods.yaml", NULL);
    for (size_t i = 0; i < k->deploy->nconversations;)
        i += write_from(k, i, names);
    for (size_t i = 0; i < k->model->nnodes; i++)
        if (k->model->nodes[i]->kind == ECC_NODE_CLIENT)
            write_client(k, k->model->nodes[i], names);
    ecc_yaml_sort(names);
    for (size_t i = 0; i < names->n; i++)
        ecc_yaml_add_text(resources, names->keys[i]);
    ecc_k8s_write(k, "base/network/kustomization.yaml", kustomization);
}
