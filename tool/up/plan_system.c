/* From the model to processes: who runs, with what environment, on which port, in which stage. */
#include "up.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outset.h"

extern char **environ;

/* NAME or NAME_FILE; an empty value is absent, as in a process's own configuration. */
static bool is_set(const char *name)
{
    const char *value = getenv(name);
    char *file;

    if (value && *value)
        return true;
    if (asprintf(&file, "%s_FILE", name) < 0)
        abort();
    value = getenv(file);
    free(file);
    return value && *value;
}

bool ecc_external_is_real(const struct ecc_node *node)
{
    const struct ecc_external *external = &node->u.external;

    return !external->has_sandbox || (external->auth_secret && is_set(external->auth_secret)) || is_set(external->base_env);
}

/* node: whose it is; NULL: it is none of the topology */
static struct ecc_proc *add(struct ecc_up *up, const struct ecc_node *node, const char *name, const char *kind, enum ecc_stage stage)
{
    struct ecc_proc *proc = ECC_NEW(up->arena, struct ecc_proc);

    proc->node = node ? node->name : name;
    proc->name = name;
    proc->kind = kind;
    proc->version = "";
    proc->stage = stage;
    proc->stop_signal = SIGTERM;
    proc->ready_within_ms = up->ready_ms;
    proc->log = ecc_up_path(up, "logs/%s.log", name);
    proc->cwd = up->root;
    ECC_PUSH(up->arena, &up->procs, proc);
    return proc;
}

static void env(struct ecc_up *up, struct ecc_proc *proc, const char *name, const char *value)
{
    ECC_PUSH(up->arena, &proc->env, ecc_arena_printf(up->arena, "%s=%s", name, value));
}

static void env_inherit(struct ecc_up *up, struct ecc_proc *proc, const char *name)
{
    const char *value = getenv(name), *file = getenv(ecc_arena_printf(up->arena, "%s_FILE", name));

    if (value && (*value || !file || !*file))
        env(up, proc, name, value);
    else if (file)
        env(up, proc, ecc_arena_printf(up->arena, "%s_FILE", name), file);
}

/* A secret: ours when we have it, else the one made for development. */
static void env_secret(struct ecc_up *up, struct ecc_proc *proc, const char *name)
{
    if (is_set(name))
        env_inherit(up, proc, name);
    else
        env(up, proc, ecc_arena_printf(up->arena, "%s_FILE", name), ecc_up_path(up, "secrets/%s", name));
}

static void env_common(struct ecc_up *up, struct ecc_proc *proc)
{
    static const char *const names[] = {
        "PATH", "HOME", "TMPDIR", "TZ", "LOG_LEVEL", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        env_inherit(up, proc, names[i]);
    for (char **e = environ; *e; e++) /* tuning of the runtime */
        if (!strncmp(*e, "EC_", 3) && strncmp(*e, "EC_SERVICE_KEY", 14) && strncmp(*e, "EC_TLS_", 7))
            ECC_PUSH(up->arena, &proc->env, *e);
    env(up, proc, "LANG", "C.UTF-8");
    env(up, proc, "HOST", "127.0.0.1");
    env(up, proc, "EC_DEVELOPMENT", "1");
}

/* Spans go to studio, which hands them on. */
static void env_spans(struct ecc_up *up, struct ecc_proc *proc)
{
    env(up, proc, "OTEL_EXPORTER_OTLP_ENDPOINT", ecc_arena_printf(up->arena, "http://127.0.0.1:%d", ECC_PORT_STUDIO + up->port_base));
    env_inherit(up, proc, "OTEL_TRACES_SAMPLER_ARG");
    if (!getenv("EC_TRACES_A_SECOND"))
        env(up, proc, "EC_TRACES_A_SECOND", "100"); /* enough to see, and load costs no more for it */
}

static const char **argv_of(struct ecc_up *up, size_t n, const char *const *words)
{
    const char **argv = ECC_NEW_ARRAY(up->arena, const char *, n + 1);

    memcpy(argv, words, n * sizeof *argv);
    return argv;
}
#define ARGV(up, ...) argv_of(up, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]){__VA_ARGS__})

static const char *number(struct ecc_up *up, int value)
{
    return ecc_arena_printf(up->arena, "%d", value);
}

/* ------------------------------------------------------------------ infrastructure */

static void add_database(struct ecc_up *up, const struct ecc_node *node)
{
    const char *dir = ecc_database_dir(up, node->name);
    struct ecc_proc *proc = add(up, node, ecc_arena_printf(up->arena, "%s-db", node->name), "database", ECC_STAGE_INFRA);

    proc->argv = ARGV(up, ecc_arena_printf(up->arena, "%s/postgres", up->pg_bin), "-D", dir, "-k", dir, "-c", "listen_addresses=", "-c",
                      "shared_buffers=16MB", "-c", "max_connections=100", "-c", "jit=off", "-c", "logging_collector=off", "-c",
                      "log_min_messages=warning");
    proc->as_postgres = true;
    proc->cwd = "/";
    proc->stop_signal = SIGINT; /* fast shutdown */
    proc->probe = ECC_PROBE_POSTGRES;
    proc->probe_path = ecc_arena_printf(up->arena, "%s&connect_timeout=2", ecc_database_url(up, node->name));
    env(up, proc, "LANG", "C.UTF-8");
    env_inherit(up, proc, "PATH");
}

static void add_cache(struct ecc_up *up, const struct ecc_node *node)
{
    struct ecc_proc *proc = add(up, node, node->name, "cache", ECC_STAGE_INFRA);

    proc->probe = ECC_PROBE_TCP;
    proc->port = proc->shown_port = ECC_PORT_REDIS + up->port_base;
    proc->argv = ARGV(up, "redis-server", "--bind", "127.0.0.1", "--port", number(up, proc->port), "--save", "", "--appendonly", "no", "--dir",
                      ecc_arena_printf(up->arena, "%s/run", up->home), "--loglevel", "warning");
    env_inherit(up, proc, "PATH");
}

static const char *last_topics(const struct ecc_up *up, const char *broker)
{
    for (size_t i = 0; up->older && i < up->older->procs.n; i++) {
        const struct ecc_proc *proc = up->older->procs.items[i];
        if (proc->reload && !strcmp(proc->name, broker))
            return proc->reload;
    }
    return "";
}

/* A line NAME:PARTITIONS for each topic. A broker that runs can't lose one: those that it had stay in the list, so that one that comes back
 * with other partitions is seen to differ. */
static const char *topics_of(struct ecc_up *up, const struct ecc_node *node)
{
    const struct ecc_bus *bus = &node->u.bus;
    const char *text = "";

    for (size_t i = 0; i < bus->ntopics; i++)
        text = ecc_arena_printf(up->arena, "%s%s:%d\n%s.dead-letter:%d\n", text, bus->topics[i]->name, bus->topics[i]->partitions,
                                bus->topics[i]->name, bus->topics[i]->partitions);
    for (const char *line = last_topics(up, node->name); *line;) {
        size_t name = strcspn(line, ":") + 1, n = strcspn(line, "\n") + 1;
        bool named = false;
        for (const char *at = text; *at && !named; at += strcspn(at, "\n") + 1)
            named = !strncmp(at, line, name);
        if (!named)
            text = ecc_arena_printf(up->arena, "%s%.*s", text, (int)n, line);
        line += n;
    }
    return text;
}

static void add_broker(struct ecc_up *up, const struct ecc_node *node)
{
    struct ecc_proc *proc = add(up, node, node->name, "bus", ECC_STAGE_INFRA);

    env_inherit(up, proc, "PATH");
    if (!strcmp(up->kafka, "apache")) {
        proc->argv = ARGV(up, "java", "-Xms256m", "-Xmx512m", "-cp", ecc_arena_printf(up->arena, "%s/kafka/libs/*", up->home), "kafka.Kafka",
                          ecc_arena_printf(up->arena, "%s/kafka/server.properties", up->home));
        proc->probe = ECC_PROBE_TCP;
        proc->port = proc->shown_port = ECC_PORT_KAFKA + up->port_base;
        proc->ready_within_ms = 3 * up->ready_ms;
        return;
    }
    const char *address = ecc_up_path(up, "run/%s.address", node->name);
    proc->reload_path = ecc_up_path(up, "run/%s.topics", node->name);
    proc->reload = topics_of(up, node);
    proc->argv = ARGV(up, ecc_arena_printf(up->arena, "%s/ecom-broker", up->bin), "--address-file", address, "--topics", proc->reload_path);
    proc->probe = ECC_PROBE_FILE;
    proc->probe_path = address;
    proc->address_changes = true;
}

static void add_sandbox(struct ecc_up *up, const struct ecc_node *node)
{
    int port = ecc_up_port(up, node);
    const struct ecc_external *external = &node->u.external;
    struct ecc_proc *proc = add(up, node, ecc_arena_printf(up->arena, "%s-sandbox", node->name), "sandbox", ECC_STAGE_INFRA);

    proc->unit = proc->name;
    proc->argv = ARGV(up, proc->name);
    proc->probe = ECC_PROBE_TCP;
    proc->port = proc->shown_port = port;
    env_common(up, proc);
    env(up, proc, "PORT", number(up, port));
    env(up, proc, "EC_TLS_CERT", ecc_up_path(up, "secrets/tls.pem"));
    env(up, proc, "EC_TLS_KEY", ecc_up_path(up, "secrets/tls.key"));
    env(up, proc, "EC_SANDBOX_JOURNAL", ecc_up_path(up, "sandbox/%s.jsonl", node->name));
    if (external->auth_secret)
        env_secret(up, proc, external->auth_secret);
    for (size_t i = 0; i < external->nsettings; i++)
        env_inherit(up, proc, external->settings[i]->env);
}

static void add_studio(struct ecc_up *up)
{
    const char *slash = strrchr(up->topology, '/'), *file = slash ? slash + 1 : up->topology; /* it starts in the folder */
    struct ecc_proc *proc = add(up, NULL, "studio", "studio", ECC_STAGE_INFRA);

    proc->probe = ECC_PROBE_TCP;
    proc->port = proc->shown_port = ECC_PORT_STUDIO + up->port_base;
    proc->argv = ARGV(up, ecc_arena_printf(up->arena, "%s/ecom-studio", up->bin), file, "--port", number(up, proc->port));
    env_common(up, proc);
    env_inherit(up, proc, "OTEL_EXPORTER_OTLP_ENDPOINT"); /* where it hands on what it is told */
}

/* ------------------------------------------------------------------ services */

static void env_edges(struct ecc_up *up, struct ecc_proc *proc, const struct ecc_node *node)
{
    bool bus = false, cache = false, sandboxed = false;

    for (size_t i = 0; i < node->nin; i++)
        bus |= node->in[i]->from->kind == ECC_NODE_BUS;
    for (size_t i = 0; i < node->nout; i++) {
        const struct ecc_node *peer = node->out[i]->to;
        int port = ecc_up_port(up, peer);
        bus |= peer->kind == ECC_NODE_BUS;
        cache |= peer->kind == ECC_NODE_CACHE;
        if (peer->kind == ECC_NODE_SERVICE) {
            char *urls = "";
            for (int r = 0; r < up->replicas; r++)
                urls = ecc_arena_printf(up->arena, "%s%shttp://127.0.0.1:%d", urls, r ? "," : "", port + 100 * r);
            env(up, proc, ecc_env_name(up->arena, peer->name, "_URL"), urls);
        } else if (peer->kind == ECC_NODE_EXTERNAL) {
            const struct ecc_external *external = &peer->u.external;
            if (ecc_external_is_real(peer)) {
                env_inherit(up, proc, external->base_env);
            } else {
                env(up, proc, external->base_env, ecc_arena_printf(up->arena, "https://127.0.0.1:%d", port));
                sandboxed = true;
            }
            if (external->auth_secret)
                env_secret(up, proc, external->auth_secret);
            for (size_t k = 0; k < external->nsettings; k++)
                env_inherit(up, proc, external->settings[k]->env);
        }
    }
    if (sandboxed)
        env(up, proc, "EC_CA_FILE", ecc_up_path(up, "secrets/ca.pem"));
    if (cache)
        env(up, proc, "REDIS_URL", ecc_arena_printf(up->arena, "redis://127.0.0.1:%d", ECC_PORT_REDIS + up->port_base));
    if (bus && up->brokers) {
        env(up, proc, "KAFKA_BROKERS", up->brokers);
    } else if (bus) {
        for (size_t i = 0; i < up->model->nnodes; i++)
            if (up->model->nodes[i]->kind == ECC_NODE_BUS)
                env(up, proc, "KAFKA_BROKERS", ecc_arena_printf(up->arena, "@%s", ecc_up_path(up, "run/%s.address", up->model->nodes[i]->name)));
        proc->uses_address = true;
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of what the migrations and the seed of a service are made: they run again when it changes. */
static const char *migrations_version(struct ecc_up *up, const char *service)
{
    size_t n;
    const char *text = ecc_read_file(up->arena, ecc_arena_printf(up->arena, "%s/generated/%s/migrations.c", up->root, service), &n);

    return text ? ecc_sha256_hex(up->arena, text, n) : "";
}

static int add_service(struct ecc_up *up, const struct ecc_node *node, int replica)
{
    bool gateway = node->kind == ECC_NODE_GATEWAY;
    int port = ecc_up_port(up, node) + (gateway ? replica : 100 * replica);
    const char *name = replica ? ecc_arena_printf(up->arena, "%s-%d", node->name, replica + 1) : node->name;
    struct ecc_proc *proc = add(up, node, name, gateway ? "gateway" : "service", gateway ? ECC_STAGE_GATEWAY : ECC_STAGE_SERVICE);

    proc->unit = node->name;
    proc->argv = ARGV(up, node->name);
    env_common(up, proc);
    env_spans(up, proc);
    env(up, proc, "PORT", number(up, port));
    proc->probe = ECC_PROBE_HTTP;
    proc->shown_port = proc->port = port;
    if (gateway) {
        proc->port = ecc_up_admin_port(up, node) + replica;
        env(up, proc, "ADMIN_PORT", number(up, proc->port));
        if (node->u.gateway.tls) {
            env(up, proc, "EC_TLS_CERT", ecc_up_path(up, "secrets/tls.pem"));
            env(up, proc, "EC_TLS_KEY", ecc_up_path(up, "secrets/tls.key"));
        }
    }
    env(up, proc, "EC_SERVICE_KEY_FILE", ecc_up_path(up, "secrets/%s.jwk", node->name));
    env_edges(up, proc, node);
    if (!gateway) {
        const struct ecc_service *service = &node->u.service;
        const char *keys = ecc_up_callers_keys(up, node);
        if (!keys)
            return ECC_EXIT_IO;
        env(up, proc, "EC_SERVICE_KEYS_FILE", keys);
        if (service->has_database)
            env(up, proc, "DATABASE_URL", ecc_database_url(up, node->name));
        if (service->jwt)
            env_secret(up, proc, service->jwt->secret);
        for (size_t i = 0; i < service->nsettings; i++)
            env_inherit(up, proc, service->settings[i]->env);
        if (service->has_database && !replica) {
            struct ecc_proc *migrate = add(up, node, ecc_arena_printf(up->arena, "%s-migrate", node->name), "migration", ECC_STAGE_MIGRATE);
            migrate->unit = node->name;
            migrate->version = migrations_version(up, node->name);
            migrate->argv = ARGV(up, node->name, "migrate", "up", "--seed");
            migrate->once = true;
            migrate->ready_within_ms = 10 * 60 * 1000; /* a large table takes its time */
            env_common(up, migrate);
            env(up, migrate, "DATABASE_URL", ecc_database_url(up, node->name));
        }
    }
    return 0;
}

static int add_all(struct ecc_up *up)
{
    bool cache = false;
    int code = 0;

    add_studio(up);
    for (size_t i = 0; i < up->model->nnodes; i++) {
        const struct ecc_node *node = up->model->nodes[i];
        if (node->kind == ECC_NODE_SERVICE && node->u.service.has_database)
            add_database(up, node);
        else if (node->kind == ECC_NODE_CACHE && !cache) {
            add_cache(up, node);
            cache = true;
        } else if (node->kind == ECC_NODE_BUS && (!up->brokers || up->kafka))
            add_broker(up, node);
        else if (node->kind == ECC_NODE_EXTERNAL && !ecc_external_is_real(node))
            add_sandbox(up, node);
    }
    for (size_t i = 0; i < up->model->nnodes; i++)
        for (int r = 0; r < up->replicas && !code; r++)
            if (up->model->nodes[i]->kind == ECC_NODE_SERVICE || up->model->nodes[i]->kind == ECC_NODE_GATEWAY)
                code = add_service(up, up->model->nodes[i], r);
    return code;
}

int ecc_up_plan(struct ecc_up *up)
{
    int code = ecc_up_place(up);

    if (code || (code = add_all(up)))
        return code;
    for (size_t i = 0; i < up->procs.n; i++) { /* another order of the edges is no change */
        struct ecc_proc *proc = up->procs.items[i];
        if (proc->env.n)
            qsort(proc->env.items, proc->env.n, sizeof proc->env.items[0], by_text);
    }
    return 0;
}
