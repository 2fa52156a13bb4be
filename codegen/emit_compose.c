/* compose.yaml and stack.yaml: the system as containers, on one machine by Compose and on a swarm; compose.dev.yaml and stack.dev.yaml, to
 * be merged into them, put sandboxes in the place of providers, and compose.dev.yaml adds Prometheus and Grafana.
 *
 * Two files, because one can't be both: `docker stack deploy` refuses `depends_on` with conditions and memory limits where Compose has
 * them, and leaves out unasked what it can't do (security_opt). On a swarm everybody waits for what he needs by himself, and a migration is
 * tried again until its database is there. What is written here is understood by docker-compose 1.29 and Compose v2, and by the stack
 * files' version 3.8.
 *
 * A container sees whom it talks to by the networks of networks.h; `<process>_outside` leads to the providers, and a gateway's
 * `<gateway>_public` to those who ask. Values of secrets are nowhere: files, by `ecomc secrets`. Text with a $ of its own is written $$.
 */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "codegen.h"
#include "cnames.h"
#include "networks.h"
#include "yaml.h"

#define PROGRAM_USER "${EC_USER:-10001:10001}" /* owns the files of the secrets; ecomc secrets tells it */
#define SECRETS_AT "/run/secrets/"

struct size {
    const char *cpus, *memory, *pids;
};

static const struct size size_program = {"1.0", "256M", "256"}, size_database = {"1.0", "512M", "256"}, size_cache = {"0.5", "256M", "64"},
                         size_bus = {"1.5", "1G", "1024"}, size_watcher = {"0.5", "512M", "256"};

/* Who is in which network: sorted by member, then as the networks are. */
struct place {
    const char *member;
    size_t network;
};
struct places {
    struct place *items;
    size_t n, cap;
};

struct out {
    struct ecc_arena *arena;
    const struct ecc_model *model;
    const struct ecc_deploy *deploy;
    struct ecc_networks nets;
    bool swarm;
    struct places places;
    struct ecc_yaml *services, *networks, *volumes, *secrets;
};

/* ------------------------------------------------------------------ small parts */

static struct ecc_yaml *words(struct ecc_arena *arena, size_t n, const char *const *items)
{
    struct ecc_yaml *list = ecc_yaml_list(arena);

    list->flow = true;
    for (size_t i = 0; i < n; i++)
        ecc_yaml_add_text(list, items[i]);
    return list;
}
#define WORDS(arena, ...) words(arena, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]){__VA_ARGS__})

/* Memory alone, gone with the container. */
static void put_tmpfs(struct out *o, struct ecc_yaml *service, size_t n, const char *const *paths)
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
#define PUT_TMPFS(o, service, ...) \
    put_tmpfs(o, service, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]){__VA_ARGS__})

static void put_size(struct out *o, struct ecc_yaml *service, const struct size *size)
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

enum end { STAYS, ENDS }; /* a job ends, and is begun again only when it fails */

/* What every container has. user NULL: as its image says. */
static void put_common(struct out *o, struct ecc_yaml *service, const char *user, const struct size *size, const char *grace, enum end end)
{
    if (user)
        ecc_yaml_put_text(service, "user", user);
    ecc_yaml_put_raw(service, "read_only", "true");
    ecc_yaml_put(service, "cap_drop", WORDS(o->arena, "ALL"));
    if (!o->swarm) {
        ecc_yaml_put(service, "security_opt", WORDS(o->arena, "no-new-privileges:true"));
        ecc_yaml_put_text(service, "restart", end == ENDS ? "no" : "unless-stopped");
    }
    if (grace)
        ecc_yaml_put_text(service, "stop_grace_period", grace);
    put_size(o, service, size);
}

/* replicas: a number, or a variable that holds one. */
static struct ecc_yaml *put_deploy(struct out *o, struct ecc_yaml *service, const char *replicas, enum end end)
{
    if (!o->swarm)
        return NULL;
    struct ecc_yaml *deploy = ecc_yaml_put_map(service, "deploy");
    ecc_yaml_put(deploy, "replicas", *replicas == '$' ? ecc_yaml_text(o->arena, replicas) : ecc_yaml_raw(o->arena, replicas));
    ecc_yaml_put_text(deploy, "endpoint_mode", "dnsrr"); /* a virtual address forgets connections that were idle for a quarter of an hour */
    struct ecc_yaml *restart = ecc_yaml_put_map(deploy, "restart_policy");
    ecc_yaml_put_text(restart, "condition", end == ENDS ? "on-failure" : "any");
    ecc_yaml_put_text(restart, "delay", "2s");
    return deploy;
}

/* start: how long it may take to come up; it is healthy as soon as it is. */
static void put_health(struct ecc_yaml *service, struct ecc_yaml *test, const char *start)
{
    struct ecc_yaml *health = ecc_yaml_put_map(service, "healthcheck");

    ecc_yaml_put(health, "test", test);
    ecc_yaml_put_text(health, "interval", "3s");
    ecc_yaml_put_text(health, "timeout", "5s");
    ecc_yaml_put_raw(health, "retries", "10");
    ecc_yaml_put_text(health, "start_period", start);
}

static void depend(struct out *o, struct ecc_yaml *service, const char *on, const char *condition)
{
    if (o->swarm)
        return;
    struct ecc_yaml *list = ecc_yaml_get(service, "depends_on");
    if (!list)
        list = ecc_yaml_put_map(service, "depends_on");
    ecc_yaml_put_text(ecc_yaml_put_map(list, on), "condition", condition);
}

static void use_secret(struct ecc_yaml *service, const char *name)
{
    struct ecc_yaml *list = ecc_yaml_get(service, "secrets");

    if (!list)
        list = ecc_yaml_put_list(service, "secrets");
    ecc_yaml_add_text(list, name);
}

/* The secrets of the system, or those that sandboxes have beside them. */
static void declare_secrets(struct out *o, bool sandbox)
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

static void declare_network(struct out *o, const char *name, bool internal)
{
    struct ecc_yaml *map = ecc_yaml_map(o->arena);

    ecc_yaml_put_text(map, "driver", o->swarm ? "overlay" : "bridge");
    if (internal)
        ecc_yaml_put_raw(map, "internal", "true");
    ecc_yaml_append(o->networks, name, map);
}

static void join(struct ecc_yaml *service, const char *network)
{
    struct ecc_yaml *list = ecc_yaml_get(service, "networks");

    if (!list)
        list = ecc_yaml_put_list(service, "networks");
    ecc_yaml_add_text(list, network);
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int member = strcmp(x->member, y->member);

    return member ? member : x->network < y->network ? -1 : x->network > y->network;
}

static void find_places(struct out *o)
{
    for (size_t i = 0; i < o->nets.n; i++)
        for (size_t k = 0; k < o->nets.items[i].nmembers; k++)
            ECC_PUSH(o->arena, &o->places, ((struct place){o->nets.items[i].members[k], i}));
    if (o->places.n)
        qsort(o->places.items, o->places.n, sizeof o->places.items[0], by_place);
}

/* The first place of a member; the others follow it. NULL: it has none. */
static const struct place *place_of(const struct out *o, const char *name)
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

static bool is_last(const struct out *o, const struct place *place)
{
    return place + 1 == o->places.items + o->places.n || strcmp(place[1].member, place->member) != 0;
}

static void join_all(struct out *o, struct ecc_yaml *service, const char *name)
{
    for (const struct place *place = place_of(o, name); place; place = is_last(o, place) ? NULL : place + 1)
        join(service, o->nets.items[place->network].name);
}

static const char *image_of(struct out *o, const struct ecc_process *process)
{
    return ecc_arena_printf(o->arena, "${EC_REGISTRY:-}%s:${EC_VERSION:-latest}", process->name);
}

static void put_build(struct out *o, struct ecc_yaml *service, const struct ecc_process *process)
{
    const char *context = ecc_docker_context(o->model);

    if (o->swarm)
        return;
    struct ecc_yaml *build = ecc_yaml_put_map(service, "build");
    ecc_yaml_put_text(build, "context", context);
    ecc_yaml_put_text(build, "dockerfile", strcmp(context, ".") ? "generated/Dockerfile" : "Dockerfile");
    ecc_yaml_put_text(build, "target", process->name);
    struct ecc_yaml *args = ecc_yaml_put_map(build, "args");
    ecc_yaml_put_text(args, "BASE_IMAGE", "${BASE_IMAGE:-debian:bookworm-slim}");
    ecc_yaml_put_text(args, "RUNTIME_IMAGE", "${RUNTIME_IMAGE:-ecom-runtime}");
}

/* ------------------------------------------------------------------ stores */

static struct ecc_yaml *add_service(struct out *o, const char *name, const char *image)
{
    struct ecc_yaml *service = ecc_yaml_map(o->arena);

    ecc_yaml_append(o->services, name, service);
    ecc_yaml_put_text(service, "image", image);
    return service;
}

static void put_volume(struct out *o, struct ecc_yaml *service, const char *name, const char *path)
{
    ecc_yaml_add_text(ecc_yaml_put_list(service, "volumes"), ecc_arena_printf(o->arena, "%s:%s", name, path));
    ecc_yaml_append(o->volumes, name, ecc_yaml_map(o->arena));
}

static void add_database(struct out *o, const struct ecc_store *store)
{
    struct ecc_yaml *service = add_service(o, store->name, "${POSTGRES_IMAGE:-postgres:15-bookworm}"),
                    *env = ecc_yaml_put_map(service, "environment");

    ecc_yaml_put_text(env, "POSTGRES_USER", store->user);
    ecc_yaml_put_text(env, "POSTGRES_DB", store->user);
    ecc_yaml_put_text(env, "POSTGRES_PASSWORD_FILE", ecc_arena_printf(o->arena, SECRETS_AT "%s", store->secret));
    ecc_yaml_put_text(env, "PGDATA", "/var/lib/postgresql/data/pgdata"); /* the folder above may be another user's */
    put_volume(o, service, store->name, "/var/lib/postgresql/data");
    PUT_TMPFS(o, service, "/tmp", "/var/run/postgresql");
    use_secret(service, store->secret);
    join_all(o, service, store->name);
    put_health(service, WORDS(o->arena, "CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-U", store->user, "-d", store->user), "300s");
    put_deploy(o, service, "1", STAYS);
    if (!o->swarm)
        ecc_yaml_put_text(service, "stop_signal", "SIGINT"); /* fast shutdown: on SIGTERM it waits for its clients */
    put_common(o, service, PROGRAM_USER, &size_database, "60s", STAYS);
}

static void add_cache(struct out *o, const struct ecc_store *store)
{
    struct ecc_yaml *service = add_service(o, store->name, "${REDIS_IMAGE:-redis:7.2-bookworm}");

    ecc_yaml_put(service, "command",
                 WORDS(o->arena, "redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--appendonly", "no",
                       "--maxmemory", "192mb", "--maxmemory-policy", "volatile-ttl"));
    PUT_TMPFS(o, service, "/data");
    join_all(o, service, store->name);
    put_health(service, WORDS(o->arena, "CMD", "redis-cli", "ping"), "60s");
    put_deploy(o, service, "1", STAYS);
    put_common(o, service, PROGRAM_USER, &size_cache, NULL, STAYS);
}

/* Of Apache's image only the two scripts are used, so that another with /opt/kafka does, too. */
static void add_bus(struct out *o, const struct ecc_store *store)
{
    struct ecc_yaml *service = add_service(o, store->name, "${KAFKA_IMAGE:-apache/kafka:3.9.1}"), *env;
    const char *properties = ecc_arena_printf(o->arena,
                                              "process.roles=broker,controller\n"
                                              "node.id=1\n"
                                              "controller.quorum.voters=1@127.0.0.1:9093\n"
                                              "controller.listener.names=CONTROLLER\n"
                                              "listeners=PLAINTEXT://0.0.0.0:%d,CONTROLLER://127.0.0.1:9093\n"
                                              "advertised.listeners=PLAINTEXT://%s:%d\n"
                                              "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n"
                                              "log.dirs=/var/lib/kafka/data/log\n"
                                              "offsets.topic.replication.factor=1\n"
                                              "transaction.state.log.replication.factor=1\n"
                                              "transaction.state.log.min.isr=1\n"
                                              "auto.create.topics.enable=false",
                                              store->port, store->name, store->port);
    static const char script[] =
        "printf '%s\\n' \"$$KAFKA_PROPERTIES\" > /tmp/server.properties "
        "&& /opt/kafka/bin/kafka-storage.sh format --ignore-formatted -t \"$$KAFKA_CLUSTER\" -c /tmp/server.properties "
        "&& exec /opt/kafka/bin/kafka-server-start.sh /tmp/server.properties";

    ecc_yaml_put(service, "entrypoint", WORDS(o->arena, "/bin/sh", "-c", script));
    env = ecc_yaml_put_map(service, "environment");
    ecc_yaml_put_text(env, "KAFKA_PROPERTIES", properties);
    ecc_yaml_put_text(env, "KAFKA_CLUSTER",
                      ecc_arena_printf(o->arena, "%.21sw", ecc_sha256_hex(o->arena, store->name, strlen(store->name))));
    ecc_yaml_put_text(env, "KAFKA_HEAP_OPTS", "${KAFKA_HEAP_OPTS:--Xms256m -Xmx512m}");
    ecc_yaml_put_text(env, "KAFKA_LOG4J_OPTS", "-Dlog4j.configuration=file:/opt/kafka/config/tools-log4j.properties"); /* to stderr alone */
    ecc_yaml_put_text(env, "EXTRA_ARGS", "-name kafkaServer"); /* no log of the collector's */
    ecc_yaml_put_text(env, "LOG_DIR", "/tmp");
    put_volume(o, service, store->name, "/var/lib/kafka/data");
    PUT_TMPFS(o, service, "/tmp");
    join_all(o, service, store->name);
    put_health(service, WORDS(o->arena, "CMD", "bash", "-c", ecc_arena_printf(o->arena, "exec 3<>/dev/tcp/127.0.0.1/%d", store->port)),
               "300s");
    put_deploy(o, service, "1", STAYS);
    put_common(o, service, "${KAFKA_USER:-1000:1000}", &size_bus, "60s", STAYS);
}

static void add_store(struct out *o, const struct ecc_store *store)
{
    switch (store->kind) {
    case ECC_STORE_DATABASE:
        add_database(o, store);
        break;
    case ECC_STORE_CACHE:
        add_cache(o, store);
        break;
    case ECC_STORE_BUS:
        add_bus(o, store);
        break;
    }
}

/* ------------------------------------------------------------------ processes */

/* NAME of whoever deploys, or nothing: what is empty is absent for the process, which knows its own default. */
static const char *from_outside(struct out *o, const struct ecc_deploy_setting *setting)
{
    return ecc_arena_printf(o->arena, setting->required ? "${%s:?must be set}" : "${%s:-}", setting->name);
}

static void put_setting(struct out *o, struct ecc_yaml *service, struct ecc_yaml *env, const struct ecc_deploy_setting *setting)
{
    if (setting->secret) {
        ecc_yaml_put_text(env, setting->path ? setting->name : ecc_arena_printf(o->arena, "%s_FILE", setting->name),
                          ecc_arena_printf(o->arena, SECRETS_AT "%s", setting->secret));
        use_secret(service, setting->secret);
    } else if (setting->value) {
        ecc_yaml_put_text(env, setting->name, setting->value);
    } else if (setting->source != ECC_SOURCE_AUTHORITY) {
        ecc_yaml_put_text(env, setting->name, from_outside(o, setting));
    }
}

static void add_migration(struct out *o, const struct ecc_process *process)
{
    struct ecc_yaml *service = add_service(o, ecc_arena_printf(o->arena, "%s-migrate", process->name), image_of(o, process)), *env;

    depend(o, service, process->database->name, "service_healthy");
    if (o->swarm) /* where a second file adds its words to a command */
        ecc_yaml_put_text(service, "command", "migrate up ${EC_SEED:-}");
    else
        ecc_yaml_put(service, "command", WORDS(o->arena, "migrate", "up"));
    env = ecc_yaml_put_map(service, "environment");
    for (size_t i = 0; i < process->nsettings; i++)
        if (process->settings[i].source == ECC_SOURCE_DATABASE || !strcmp(process->settings[i].name, "LOG_LEVEL"))
            put_setting(o, service, env, &process->settings[i]);
    join_all(o, service, process->database->name);
    put_deploy(o, service, "1", ENDS);
    put_common(o, service, PROGRAM_USER, &size_program, NULL, ENDS);
}

static void put_dependencies(struct out *o, struct ecc_yaml *service, const struct ecc_process *process)
{
    if (process->database)
        depend(o, service, ecc_arena_printf(o->arena, "%s-migrate", process->name), "service_completed_successfully");
    const struct ecc_conversation *c;
    for (size_t n = ecc_deploy_from(o->deploy, process->name, &c); n > 0; n--, c++) {
        const struct ecc_process *peer = c->external ? NULL : ecc_deploy_process(o->deploy, c->to);
        if (c->external || (process->database && !strcmp(c->to, process->database->name)))
            continue;
        if (!peer || process->kind == ECC_PROCESS_GATEWAY) /* services may call each other in a circle */
            depend(o, service, c->to, "service_healthy");
    }
}

/* What the public comes in by: on a swarm by the mesh, or, where EC_PUBLISH=host, on each node that has a replica. */
static void put_public(struct out *o, struct ecc_yaml *service, const struct ecc_process *process)
{
    const char *env = ecc_arena_printf(o->arena, "%s_PORT", ecc_upper(o->arena, process->name));
    struct ecc_yaml *ports = ecc_yaml_put_list(service, "ports");

    if (!o->swarm) {
        ecc_yaml_add_text(ports, ecc_arena_printf(o->arena, "${%s:-%d}:%d", env, process->port, process->port));
        return;
    }
    struct ecc_yaml *port = ecc_yaml_add_map(ports);
    ecc_yaml_put(port, "target", ecc_yaml_int(o->arena, process->port));
    ecc_yaml_put_text(port, "published", ecc_arena_printf(o->arena, "${%s:-%d}", env, process->port));
    ecc_yaml_put_text(port, "mode", "${EC_PUBLISH:-ingress}");
    ecc_yaml_put_text(ecc_yaml_get(service, "deploy"), "endpoint_mode", "${EC_ENDPOINT:-vip}");
}

static bool goes_outside(const struct out *o, const struct ecc_process *process)
{
    const struct ecc_conversation *c;

    for (size_t n = ecc_deploy_from(o->deploy, process->name, &c); n > 0; n--, c++)
        if (c->external)
            return true;
    return false;
}

/* A way out, or in, that nobody else has. */
static void join_own(struct out *o, struct ecc_yaml *service, const struct ecc_process *process, const char *what)
{
    const char *name = ecc_arena_printf(o->arena, "%s_%s", process->name, what);

    declare_network(o, name, false);
    join(service, name);
}

static struct ecc_yaml *add_process(struct out *o, const struct ecc_process *process)
{
    struct ecc_yaml *service = add_service(o, process->name, image_of(o, process)), *env, *deploy;

    put_build(o, service, process);
    if (process->kind != ECC_PROCESS_SANDBOX)
        put_dependencies(o, service, process);
    env = ecc_yaml_put_map(service, "environment");
    for (size_t i = 0; i < process->nsettings; i++)
        put_setting(o, service, env, &process->settings[i]);
    if (process->kind != ECC_PROCESS_SANDBOX)
        ecc_yaml_put_text(env, "EC_VERSION", "${EC_VERSION:-}");
    join_all(o, service, process->name);
    if (goes_outside(o, process))
        join_own(o, service, process, "outside");
    put_health(service, WORDS(o->arena, "CMD", process->name, "health"), "300s");
    deploy = put_deploy(o, service, process->kind == ECC_PROCESS_SANDBOX ? "1" : "${EC_REPLICAS:-2}", STAYS);
    if (deploy && process->kind != ECC_PROCESS_SANDBOX) {
        struct ecc_yaml *update = ecc_yaml_put_map(deploy, "update_config");
        ecc_yaml_put_raw(update, "parallelism", "1");
        ecc_yaml_put_text(update, "order", "start-first");
        ecc_yaml_put_text(update, "failure_action", "rollback");
    }
    if (process->kind == ECC_PROCESS_GATEWAY) {
        join_own(o, service, process, "public");
        put_public(o, service, process);
    }
    PUT_TMPFS(o, service, "/tmp");
    put_common(o, service, PROGRAM_USER, &size_program, "30s", STAYS);
    return service;
}

/* ------------------------------------------------------------------ the files */

static struct ecc_yaml *begin(struct out *o)
{
    struct ecc_yaml *root = ecc_yaml_map(o->arena);

    if (o->swarm)
        ecc_yaml_put_text(root, "version", "3.8");
    o->services = ecc_yaml_put_map(root, "services");
    o->networks = ecc_yaml_map(o->arena);
    o->volumes = ecc_yaml_map(o->arena);
    o->secrets = ecc_yaml_map(o->arena);
    return root;
}

static void end(struct ecc_codegen *cg, struct out *o, struct ecc_yaml *root, const char *file, const char *const *about)
{
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_HASH);

    for (; *about; about++)
        ecc_wl(w, "# %s", *about);
    if (o->networks->n)
        ecc_yaml_put(root, "networks", o->networks);
    if (o->volumes->n)
        ecc_yaml_put(root, "volumes", o->volumes);
    if (o->secrets->n)
        ecc_yaml_put(root, "secrets", o->secrets);
    ecc_yaml_write(w, root);
    ecc_outset_add_writer(cg->out, file, w);
}

static void emit_system(struct ecc_codegen *cg, struct out *o, const char *file, const char *const *about)
{
    struct ecc_yaml *root = begin(o);

    declare_secrets(o, false);
    for (size_t i = 0; i < o->nets.n; i++)
        declare_network(o, o->nets.items[i].name, true);
    for (size_t i = 0; i < o->deploy->nstores; i++)
        add_store(o, o->deploy->stores[i]);
    for (size_t i = 0; i < o->deploy->nprocesses; i++) {
        const struct ecc_process *process = o->deploy->processes[i];
        if (process->kind == ECC_PROCESS_SANDBOX)
            continue;
        if (process->database)
            add_migration(o, process);
        add_process(o, process);
    }
    end(cg, o, root, file, about);
}

/* A sandbox has a network with each process that calls its provider, which is told where it is and whom to trust. */
static void add_sandbox(struct out *o, const struct ecc_process *sandbox)
{
    struct ecc_yaml *service = add_process(o, sandbox);

    for (size_t i = 0; i < o->deploy->nconversations; i++) {
        const struct ecc_conversation *c = &o->deploy->conversations[i];
        if (c->external != sandbox->node || !sandbox->node->u.external.base_env)
            continue;
        const char *members[] = {c->from, sandbox->name};
        const char *network = ecc_network_name(o->arena, members, 2);
        struct ecc_yaml *caller = ecc_yaml_get(o->services, c->from), *env;
        if (!caller) {
            caller = ecc_yaml_put_map(o->services, c->from);
            env = ecc_yaml_put_map(caller, "environment");
            ecc_yaml_put_text(env, "EC_CA_FILE", SECRETS_AT "sandbox.ca");
            use_secret(caller, "sandbox.ca");
        }
        env = ecc_yaml_get(caller, "environment");
        ecc_yaml_put_text(env, sandbox->node->u.external.base_env,
                          ecc_arena_printf(o->arena, "https://%s:%d", sandbox->name, sandbox->port));
        declare_network(o, network, true);
        join(caller, network);
        join(service, network);
    }
}

static void seed(struct out *o)
{
    for (size_t i = 0; i < o->deploy->nprocesses; i++)
        if (o->deploy->processes[i]->has_seed)
            ecc_yaml_put(ecc_yaml_put_map(o->services, ecc_arena_printf(o->arena, "%s-migrate", o->deploy->processes[i]->name)), "command",
                         WORDS(o->arena, "migrate", "up", "--seed"));
}

static void mount(struct ecc_yaml *service, const char *from, const char *to)
{
    ecc_yaml_add_text(ecc_yaml_get(service, "volumes"), ecc_arena_printf(service->arena, "./observability/%s:%s:ro", from, to));
}

/* Prometheus joins of each process one network that is there, so that nobody meets anybody new but Prometheus. */
static void add_prometheus(struct out *o)
{
    struct ecc_yaml *service = add_service(o, "prometheus", "${PROMETHEUS_IMAGE:-prom/prometheus:v2.53.4}");

    ecc_yaml_put(service, "command",
                 WORDS(o->arena, "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus",
                       "--storage.tsdb.retention.time=7d"));
    ecc_yaml_put_list(service, "volumes");
    mount(service, "prometheus.yml", "/etc/prometheus/prometheus.yml");
    mount(service, "alerts.yml", "/etc/prometheus/alerts.yml");
    bool *joined = ECC_NEW_ARRAY(o->arena, bool, o->nets.n + 1);
    for (size_t i = 0; i < o->deploy->nprocesses; i++) {
        const struct place *first = place_of(o, o->deploy->processes[i]->name), *place = first; /* a sandbox has none */
        while (place && !joined[place->network])
            place = is_last(o, place) ? NULL : place + 1;
        if (first && !place) {
            joined[first->network] = true;
            join(service, o->nets.items[first->network].name);
        }
    }
    declare_network(o, "watch", false);
    join(service, "watch"); /* what is published can't be internal alone */
    ecc_yaml_add_text(ecc_yaml_put_list(service, "ports"), "127.0.0.1:${PROMETHEUS_PORT:-9090}:9090");
    PUT_TMPFS(o, service, "/prometheus");
    put_common(o, service, "65534:65534", &size_watcher, NULL, STAYS);
}

static void add_grafana(struct out *o)
{
    struct ecc_yaml *service = add_service(o, "grafana", "${GRAFANA_IMAGE:-grafana/grafana:11.2.0}"),
                    *env = ecc_yaml_put_map(service, "environment");

    ecc_yaml_put_text(env, "GF_AUTH_ANONYMOUS_ENABLED", "true");
    ecc_yaml_put_text(env, "GF_AUTH_DISABLE_LOGIN_FORM", "true");
    ecc_yaml_put_text(env, "GF_ANALYTICS_REPORTING_ENABLED", "false");
    ecc_yaml_put_text(env, "GF_ANALYTICS_CHECK_FOR_UPDATES", "false");
    ecc_yaml_put_list(service, "volumes");
    mount(service, "grafana/provisioning", "/etc/grafana/provisioning");
    mount(service, "dashboards", "/var/lib/grafana/dashboards");
    join(service, "watch");
    ecc_yaml_add_text(ecc_yaml_put_list(service, "ports"), "127.0.0.1:${GRAFANA_PORT:-3001}:3000");
    PUT_TMPFS(o, service, "/tmp", "/var/lib/grafana/plugins", "/var/log/grafana");
    put_common(o, service, "472:0", &size_watcher, NULL, STAYS);
    ecc_yaml_put_text(env, "GF_PATHS_DATA", "/tmp");
}

static void emit_sandboxes(struct ecc_codegen *cg, struct out *o, const char *file, const char *const *about)
{
    struct ecc_yaml *root = begin(o);

    if (!o->swarm)
        seed(o);
    declare_secrets(o, true);
    for (size_t i = 0; i < o->deploy->nprocesses; i++)
        if (o->deploy->processes[i]->kind == ECC_PROCESS_SANDBOX)
            add_sandbox(o, o->deploy->processes[i]);
    if (!o->swarm && ecc_outset_find(cg->out, "observability/prometheus.yml")) {
        add_prometheus(o);
        add_grafana(o);
    }
    if (o->services->n)
        end(cg, o, root, file, about);
}

void ecc_emit_compose(struct ecc_codegen *cg, const struct ecc_deploy *deploy)
{
    static const char *const compose[] = {
        "ecomc secrets && docker compose -p NAME -f generated/compose.yaml up -d --build",
        "docker-compose 1.29 takes it as Compose v2 does. README, \"Ship it\"",
        NULL,
    };
    static const char *const dev[] = {
        "ecomc secrets --sandbox && docker compose -p NAME -f generated/compose.yaml -f generated/compose.dev.yaml up -d --build",
        NULL,
    };
    static const char *const stack[] = {"ecomc secrets && docker stack deploy -c generated/stack.yaml NAME", NULL};
    static const char *const stack_dev[] = {
        "ecomc secrets --sandbox && EC_SEED=--seed docker stack deploy -c generated/stack.yaml -c generated/stack.dev.yaml NAME", NULL};
    struct out o = {.arena = cg->scratch, .model = cg->model, .deploy = deploy};

    o.nets = ecc_networks(o.arena, deploy);
    find_places(&o);
    emit_system(cg, &o, "compose.yaml", compose);
    emit_sandboxes(cg, &o, "compose.dev.yaml", dev);
    o.swarm = true;
    emit_system(cg, &o, "stack.yaml", stack);
    emit_sandboxes(cg, &o, "stack.dev.yaml", stack_dev);
}
