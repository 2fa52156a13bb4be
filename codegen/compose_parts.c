/* The parts that every container has, as Compose writes them and as a stack does. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "compose.h"
#include "deploy.h"

struct ecc_yaml *ecc_compose_words(struct ecc_arena *arena, size_t n, const char *const *items)
{
    struct ecc_yaml *list = ecc_yaml_list(arena);

    list->flow = true;
    for (size_t i = 0; i < n; i++)
        ecc_yaml_add_text(list, items[i]);
    return list;
}

/* Memory alone, gone with the container. */
void ecc_compose_tmpfs(struct ecc_compose *o, struct ecc_yaml *service, size_t n, const char *const *paths)
{
    if (!o->swarm) {
        struct ecc_yaml *list = ecc_yaml_put_list(service, "tmpfs");
        for (size_t i = 0; i < n; i++)
            ecc_yaml_add_text(list, paths[i]);
        return;
    }
    struct ecc_yaml *list = ecc_yaml_get(service, "volumes");
    if (!list)
        list = ecc_yaml_put_list(service, "volumes");
    for (size_t i = 0; i < n; i++) {
        struct ecc_yaml *mount = ecc_yaml_add_map(list);
        ecc_yaml_put_text(mount, "type", "tmpfs");
        ecc_yaml_put_text(mount, "target", paths[i]);
    }
}

static void put_size(struct ecc_compose *o, struct ecc_yaml *service, const struct ecc_size *size)
{
    if (!o->swarm) {
        ecc_yaml_put_raw(service, "cpus", size->cpus);
        ecc_yaml_put_text(service, "mem_limit", size->memory);
        ecc_yaml_put_raw(service, "pids_limit", size->pids);
        return;
    }
    struct ecc_yaml *limits = ecc_yaml_put_map(ecc_yaml_put_map(ecc_yaml_get(service, "deploy"), "resources"), "limits");
    ecc_yaml_put_text(limits, "cpus", size->cpus);
    ecc_yaml_put_text(limits, "memory", size->memory);
}

/* What every container has. user NULL: as its image says. */
void ecc_compose_common(struct ecc_compose *o, struct ecc_yaml *service, const char *user, const struct ecc_size *size, const char *grace,
                        bool ends)
{
    if (user)
        ecc_yaml_put_text(service, "user", user);
    ecc_yaml_put_raw(service, "read_only", "true");
    ecc_yaml_put(service, "cap_drop", ECC_WORDS(o->arena, "ALL"));
    if (!o->swarm) {
        ecc_yaml_put(service, "security_opt", ECC_WORDS(o->arena, "no-new-privileges:true"));
        ecc_yaml_put_text(service, "restart", ends ? "no" : "unless-stopped");
    }
    ecc_yaml_put_text(service, "stop_grace_period", grace);
    put_size(o, service, size);
}

/* replicas: a number, or a variable that holds one. */
struct ecc_yaml *ecc_compose_deploy(struct ecc_compose *o, struct ecc_yaml *service, const char *replicas, bool ends)
{
    if (!o->swarm)
        return NULL;
    struct ecc_yaml *deploy = ecc_yaml_put_map(service, "deploy");
    ecc_yaml_put(deploy, "replicas", *replicas == '$' ? ecc_yaml_text(o->arena, replicas) : ecc_yaml_raw(o->arena, replicas));
    ecc_yaml_put_text(deploy, "endpoint_mode", "dnsrr"); /* a virtual address forgets connections that were idle for a quarter of an hour */
    struct ecc_yaml *restart = ecc_yaml_put_map(deploy, "restart_policy");
    ecc_yaml_put_text(restart, "condition", ends ? "on-failure" : "any");
    ecc_yaml_put_text(restart, "delay", "2s");
    return deploy;
}

/* start: how long it may take to come up; it is healthy as soon as it is. */
void ecc_compose_health(struct ecc_yaml *service, struct ecc_yaml *test, const char *start)
{
    struct ecc_yaml *health = ecc_yaml_put_map(service, "healthcheck");

    ecc_yaml_put(health, "test", test);
    ecc_yaml_put_text(health, "interval", "3s");
    ecc_yaml_put_text(health, "timeout", "5s");
    ecc_yaml_put_raw(health, "retries", "10");
    ecc_yaml_put_text(health, "start_period", start);
}

void ecc_compose_depend(struct ecc_compose *o, struct ecc_yaml *service, const char *on, const char *condition)
{
    if (o->swarm)
        return;
    struct ecc_yaml *list = ecc_yaml_get(service, "depends_on");
    if (!list)
        list = ecc_yaml_put_map(service, "depends_on");
    ecc_yaml_put_text(ecc_yaml_put_map(list, on), "condition", condition);
}

void ecc_compose_secret(struct ecc_yaml *service, const char *name)
{
    struct ecc_yaml *list = ecc_yaml_get(service, "secrets");

    if (!list)
        list = ecc_yaml_put_list(service, "secrets");
    ecc_yaml_add_text(list, name);
}

/* The secrets of the system, or those that sandboxes have beside them. */
void ecc_compose_declare_secrets(struct ecc_compose *o, bool sandbox)
{
    for (size_t i = 0; i < o->deploy->nsecrets; i++) {
        const char *name = o->deploy->secrets[i].name;
        if (o->deploy->secrets[i].sandbox != sandbox)
            continue;
        struct ecc_yaml *secret = ecc_yaml_map(o->arena);
        ecc_yaml_put_text(secret, "file", ecc_arena_printf(o->arena, "${EC_SECRETS:-../.ecom/deploy}/%s", name));
        ecc_yaml_append(o->secrets, name, secret);
    }
}

void ecc_compose_declare_network(struct ecc_compose *o, const char *name, enum ecc_leads leads)
{
    struct ecc_yaml *map = ecc_yaml_map(o->networks->arena);

    ecc_yaml_put_text(map, "driver", o->swarm ? "overlay" : "bridge");
    if (leads == ECC_LEADS_NOWHERE)
        ecc_yaml_put_raw(map, "internal", "true");
    else if (leads == ECC_LEADS_IN && !o->swarm)
        ecc_yaml_put_text(ecc_yaml_put_map(map, "driver_opts"), "com.docker.network.bridge.enable_ip_masquerade", "false");
    ecc_yaml_append(o->networks, ecc_arena_strdup(o->networks->arena, name), map);
}

void ecc_compose_join(struct ecc_yaml *service, const char *network)
{
    struct ecc_yaml *list = ecc_yaml_get(service, "networks");

    if (!list)
        list = ecc_yaml_put_list(service, "networks");
    ecc_yaml_add_text(list, network);
}

/* Joins one more, where it has another name, too; with a name the list is a map. */
void ecc_compose_join_as(struct ecc_yaml *service, const char *network, const char *alias)
{
    struct ecc_yaml *list = ecc_yaml_get(service, "networks"), *map = ecc_yaml_map(service->arena);

    for (size_t i = 0; list && i < list->n; i++)
        ecc_yaml_put_map(map, list->items[i]->text);
    ecc_yaml_put(ecc_yaml_put_map(map, network), "aliases", ecc_compose_words(service->arena, 1, &alias));
    ecc_yaml_put(service, "networks", map);
}

static int by_place(const void *a, const void *b)
{
    const struct ecc_place_in *x = a, *y = b;
    int member = strcmp(x->member, y->member);

    return member ? member : x->network < y->network ? -1 : x->network > y->network;
}

void ecc_compose_places(struct ecc_compose *o)
{
    for (size_t i = 0; i < o->nets.n; i++)
        for (size_t k = 0; k < o->nets.items[i].nmembers; k++)
            ECC_PUSH(o->arena, &o->places, ((struct ecc_place_in){o->nets.items[i].members[k], i}));
    if (o->places.n)
        qsort(o->places.items, o->places.n, sizeof o->places.items[0], by_place);
}

/* The first place of a member; the others follow it. NULL: it has none. */
const struct ecc_place_in *ecc_compose_place(const struct ecc_compose *o, const char *name)
{
    size_t low = 0, high = o->places.n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(o->places.items[middle].member, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < o->places.n && !strcmp(o->places.items[low].member, name) ? &o->places.items[low] : NULL;
}

bool ecc_compose_last_place(const struct ecc_compose *o, const struct ecc_place_in *place)
{
    return place + 1 == o->places.items + o->places.n || strcmp(place[1].member, place->member) != 0;
}

/* A place in a network in which processes are alone. NULL: it has none. */
const struct ecc_place_in *ecc_compose_open_place(const struct ecc_compose *o, const char *name)
{
    for (const struct ecc_place_in *place = ecc_compose_place(o, name); place; place = ecc_compose_last_place(o, place) ? NULL : place + 1) {
        const struct ecc_network *network = &o->nets.items[place->network];
        size_t i = 0;
        while (i < network->nmembers && ecc_deploy_process(o->deploy, network->members[i]))
            i++;
        if (i == network->nmembers)
            return place;
    }
    return NULL;
}

void ecc_compose_join_all(struct ecc_compose *o, struct ecc_yaml *service, const char *name)
{
    for (const struct ecc_place_in *place = ecc_compose_place(o, name); place; place = ecc_compose_last_place(o, place) ? NULL : place + 1)
        ecc_compose_join(service, o->nets.items[place->network].name);
}

/* Who talks to nobody would be given the network that all such have in common, which leads outside. */
void ecc_compose_alone(struct ecc_compose *o, struct ecc_yaml *service, const char *name)
{
    const char *network = ecc_arena_printf(o->arena, "%s_alone", name);

    if (ecc_yaml_get(service, "networks"))
        return;
    ecc_compose_declare_network(o, network, ECC_LEADS_NOWHERE);
    ecc_compose_join(service, network);
}

struct ecc_yaml *ecc_compose_service(struct ecc_compose *o, const char *name, const char *image)
{
    struct ecc_yaml *service = ecc_yaml_map(o->arena);

    ecc_yaml_append(o->services, name, service);
    ecc_yaml_put_text(service, "image", image);
    return service;
}

void ecc_compose_volume(struct ecc_compose *o, struct ecc_yaml *service, const char *name, const char *path)
{
    ecc_yaml_add_text(ecc_yaml_put_list(service, "volumes"), ecc_arena_printf(o->arena, "%s:%s", name, path));
    ecc_yaml_append(o->volumes, name, ecc_yaml_map(o->volumes->arena));
}
