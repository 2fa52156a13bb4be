/* compose.yaml and stack.yaml: the system as containers, on one machine by Compose and on a swarm; compose.dev.yaml and stack.dev.yaml, to
 * be merged into them, put sandboxes in the place of providers, and compose.dev.yaml adds Prometheus and Grafana.
 *
 * Two files, because one can't be both: `docker stack deploy` refuses `depends_on` with conditions and memory limits where Compose has
 * them, and leaves out unasked what it can't do (security_opt). On a swarm everybody waits for what he needs by himself, and a migration is
 * tried again until its database is there. What is written here is understood by docker-compose 1.29 and Compose v2, and by the stack
 * files' version 3.8.
 *
 * compose.yaml has studio, too, which collects spans; it is told of the topology by the file itself, which no other node of a swarm has.
 *
 * A container sees whom it talks to by the networks of networks.h; `<process>_outside` leads to the providers, and a gateway's
 * `<gateway>_public` to those who ask. Values of secrets are nowhere: files, by `ecomc secrets`. Text with a $ of its own is written $$.
 */
#include <string.h>

#include "arena.h"
#include "codegen.h"
#include "cnames.h"
#include "compose.h"

#define STUDIO "studio"
#define PROMETHEUS_PAGE "prometheus-page" /* its name in the network `watch` alone: it listens there, and not where it asks */
static const struct ecc_size size_program = {"1.0", "256M", "256"}, size_watcher = {"0.5", "512M", "256"};

/* ------------------------------------------------------------------ processes */

static const char *image_of(struct ecc_compose *o, const char *name)
{
    return ecc_arena_printf(o->arena, "${EC_REGISTRY:-}%s:${EC_VERSION:-latest}", name);
}

static void put_build(struct ecc_compose *o, struct ecc_yaml *service, const char *target)
{
    const char *context = o->context;

    if (o->swarm)
        return;
    struct ecc_yaml *build = ecc_yaml_put_map(service, "build");
    ecc_yaml_put_text(build, "context", context);
    ecc_yaml_put_text(build, "dockerfile", strcmp(context, ".") ? "generated/Dockerfile" : "Dockerfile");
    ecc_yaml_put_text(build, "target", target);
    struct ecc_yaml *args = ecc_yaml_put_map(build, "args");
    ecc_yaml_put_text(args, "BASE_IMAGE", "${BASE_IMAGE:-debian:bookworm-slim}");
    ecc_yaml_put_text(args, "RUNTIME_IMAGE", "${RUNTIME_IMAGE:-ecom-runtime}");
}

/* NAME of whoever deploys, or nothing: what is empty is absent for the process, which knows its own default. */
static const char *from_outside(struct ecc_compose *o, const struct ecc_deploy_setting *setting)
{
    return ecc_arena_printf(o->arena, setting->required ? "${%s:?must be set}" : "${%s:-}", setting->name);
}

static void put_setting(struct ecc_compose *o, struct ecc_yaml *service, struct ecc_yaml *env, const struct ecc_deploy_setting *setting)
{
    if (setting->secret) {
        ecc_yaml_put_text(env, setting->path ? setting->name : ecc_arena_printf(o->arena, "%s_FILE", setting->name),
                          ecc_arena_printf(o->arena, ECC_SECRETS_AT "%s", setting->secret));
        ecc_compose_secret(service, setting->secret);
    } else if (setting->value) {
        ecc_yaml_put_text(env, setting->name, setting->value);
    } else if (setting->source != ECC_SOURCE_AUTHORITY) {
        ecc_yaml_put_text(env, setting->name, from_outside(o, setting));
    }
}

static void add_migration(struct ecc_compose *o, const struct ecc_process *process)
{
    struct ecc_yaml *service = ecc_compose_service(o, ecc_arena_printf(o->arena, "%s-migrate", process->name), image_of(o, process->name)),
                    *env;

    ecc_compose_depend(o, service, process->database->name, "service_healthy");
    if (o->swarm) /* where a second file adds its words to a command */
        ecc_yaml_put_text(service, "command", "migrate up ${EC_SEED:-}");
    else
        ecc_yaml_put(service, "command", ECC_WORDS(o->arena, "migrate", "up"));
    env = ecc_yaml_put_map(service, "environment");
    for (size_t i = 0; i < process->nsettings; i++)
        if (process->settings[i].source == ECC_SOURCE_DATABASE || !strcmp(process->settings[i].name, "LOG_LEVEL"))
            put_setting(o, service, env, &process->settings[i]);
    ecc_compose_join_all(o, service, process->database->name);
    ecc_compose_deploy(o, service, "1", true);
    ecc_compose_common(o, service, ECC_PROGRAM_USER, &size_program, "30s", true);
}

static void put_dependencies(struct ecc_compose *o, struct ecc_yaml *service, const struct ecc_process *process)
{
    if (process->database)
        ecc_compose_depend(o, service, ecc_arena_printf(o->arena, "%s-migrate", process->name), "service_completed_successfully");
    const struct ecc_conversation *c;
    for (size_t n = ecc_deploy_from(o->deploy, process->name, &c); n > 0; n--, c++) {
        const struct ecc_process *peer = c->external ? NULL : ecc_deploy_process(o->deploy, c->to);
        if (c->external || (process->database && !strcmp(c->to, process->database->name)))
            continue;
        if (!peer || process->kind == ECC_PROCESS_GATEWAY) /* services may call each other in a circle */
            ecc_compose_depend(o, service, c->to, "service_healthy");
    }
}

/* What the public comes in by: on a swarm by the mesh, or, where EC_PUBLISH=host, on each node that has a replica. */
static void put_public(struct ecc_compose *o, struct ecc_yaml *service, const struct ecc_process *process)
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

static bool goes_outside(const struct ecc_compose *o, const struct ecc_process *process)
{
    const struct ecc_conversation *c;

    for (size_t n = ecc_deploy_from(o->deploy, process->name, &c); n > 0; n--, c++)
        if (c->external)
            return true;
    return false;
}

/* A way out, or in, that nobody else has. */
static void join_own(struct ecc_compose *o, struct ecc_yaml *service, const struct ecc_process *process, const char *what,
                     enum ecc_leads leads)
{
    const char *name = ecc_arena_printf(o->arena, "%s_%s", process->name, what);

    ecc_compose_declare_network(o, name, leads);
    ecc_compose_join(service, name);
}

/* A network for those who watch it, of a process that no network without stores has. */
static const char *watched(const struct ecc_compose *o, const struct ecc_process *process)
{
    return ecc_arena_printf(o->arena, "%s_watched", process->name);
}

/* Spans go to studio, which hands them on to where OTEL_EXPORTER_OTLP_ENDPOINT says: from most networks there is no way to a collector. */
static void put_spans(struct ecc_compose *o, struct ecc_yaml *env)
{
    ecc_yaml_put_text(env, "EC_TRACES_A_SECOND", "${EC_TRACES_A_SECOND:-100}");
    ecc_yaml_put_text(env, "OTEL_EXPORTER_OTLP_ENDPOINT", ecc_arena_printf(o->arena, "http://" STUDIO ":%d", ECC_DEPLOY_STUDIO_PORT));
}

static struct ecc_yaml *add_process(struct ecc_compose *o, const struct ecc_process *process)
{
    struct ecc_yaml *service = ecc_compose_service(o, process->name, image_of(o, process->name)), *env, *deploy;

    put_build(o, service, process->name);
    if (process->kind != ECC_PROCESS_SANDBOX)
        put_dependencies(o, service, process);
    env = ecc_yaml_put_map(service, "environment");
    for (size_t i = 0; i < process->nsettings; i++)
        put_setting(o, service, env, &process->settings[i]);
    if (process->kind != ECC_PROCESS_SANDBOX) {
        ecc_yaml_put_text(env, "EC_VERSION", "${EC_VERSION:-}");
        if (!o->swarm)
            put_spans(o, env);
    }
    ecc_compose_join_all(o, service, process->name);
    if (goes_outside(o, process))
        join_own(o, service, process, "outside", ECC_LEADS_OUT);
    ecc_compose_health(service, ECC_WORDS(o->arena, "CMD", process->name, "health"), "300s");
    deploy = ecc_compose_deploy(o, service, process->kind == ECC_PROCESS_SANDBOX ? "1" : "${EC_REPLICAS:-2}", false);
    if (deploy && process->kind != ECC_PROCESS_SANDBOX) {
        struct ecc_yaml *update = ecc_yaml_put_map(deploy, "update_config");
        ecc_yaml_put_raw(update, "parallelism", "1");
        ecc_yaml_put_text(update, "order", "start-first");
        ecc_yaml_put_text(update, "failure_action", "rollback");
    }
    if (process->kind == ECC_PROCESS_GATEWAY) {
        join_own(o, service, process, "public", ECC_LEADS_IN);
        put_public(o, service, process);
    }
    if (process->kind != ECC_PROCESS_SANDBOX && !o->swarm && !ecc_compose_open_place(o, process->name)) {
        ecc_compose_declare_network(o, watched(o, process), ECC_LEADS_NOWHERE);
        ecc_compose_join(service, watched(o, process));
    }
    if (process->kind != ECC_PROCESS_SANDBOX)
        ecc_compose_alone(o, service, process->name);
    ECC_TMPFS(o, service, "/tmp");
    ecc_compose_common(o, service, ECC_PROGRAM_USER, &size_program, "30s", false);
    return service;
}

/* ------------------------------------------------------------------ studio, Prometheus */

/* Joins of each process one network, in which there is no store: who watches has no way to those, and nobody meets anybody new but him. */
static void join_each(struct ecc_compose *o, struct ecc_yaml *service)
{
    bool *joined = ECC_NEW_ARRAY(o->arena, bool, o->nets.n + 1);

    for (size_t i = 0; i < o->deploy->nprocesses; i++) {
        const struct ecc_process *process = o->deploy->processes[i];
        if (process->kind == ECC_PROCESS_SANDBOX)
            continue;
        const struct ecc_place_in *place = ecc_compose_place(o, process->name), *open = ecc_compose_open_place(o, process->name);
        while (place && !joined[place->network])
            place = ecc_compose_last_place(o, place) ? NULL : place + 1;
        if (place)
            continue;
        if (open)
            joined[open->network] = true;
        ecc_compose_join(service, open ? o->nets.items[open->network].name : watched(o, process));
    }
}

/* Watches: it has the topology and nothing else of the machine, and is published to the machine itself alone. */
static void add_studio(struct ecc_compose *o)
{
    struct ecc_yaml *service = ecc_compose_service(o, STUDIO, image_of(o, STUDIO)), *env;

    put_build(o, service, STUDIO);
    ecc_yaml_put(service, "command",
                 ECC_WORDS(o->arena, "/srv/topology.ecom", "--port", ecc_arena_printf(o->arena, "%d", ECC_DEPLOY_STUDIO_PORT), "--deployed",
                           ecc_arena_printf(o->arena, STUDIO ":%d,localhost:${STUDIO_PORT:-%d},127.0.0.1:${STUDIO_PORT:-%d}",
                                            ECC_DEPLOY_STUDIO_PORT, ECC_DEPLOY_STUDIO_PORT, ECC_DEPLOY_STUDIO_PORT)));
    env = ecc_yaml_put_map(service, "environment");
    ecc_yaml_put_text(env, "OTEL_EXPORTER_OTLP_ENDPOINT", "${OTEL_EXPORTER_OTLP_ENDPOINT:-}");
    ecc_yaml_add_text(ecc_yaml_put_list(service, "volumes"), "${EC_TOPOLOGY:-../topology.ecom}:/srv/topology.ecom:ro");
    join_each(o, service);
    ecc_compose_declare_network(o, STUDIO "_public", ECC_LEADS_OUT); /* to whom it hands spans on */
    ecc_compose_join(service, STUDIO "_public");
    ecc_yaml_add_text(ecc_yaml_put_list(service, "ports"),
                      ecc_arena_printf(o->arena, "127.0.0.1:${STUDIO_PORT:-%d}:%d", ECC_DEPLOY_STUDIO_PORT, ECC_DEPLOY_STUDIO_PORT));
    ecc_compose_health(
        service,
        ECC_WORDS(o->arena, "CMD", "bash", "-c", ecc_arena_printf(o->arena, "exec 3<>/dev/tcp/127.0.0.1/%d", ECC_DEPLOY_STUDIO_PORT)),
        "60s");
    ECC_TMPFS(o, service, "/tmp");
    ecc_compose_common(o, service, ECC_PROGRAM_USER, &size_watcher, "10s", false);
}

/* ------------------------------------------------------------------ the files */

static void begin(struct ecc_compose *o)
{
    o->services = ecc_yaml_map(o->arena);
    o->networks = ecc_yaml_map(o->arena);
    o->volumes = ecc_yaml_map(o->arena);
    o->secrets = ecc_yaml_map(o->arena);
}

/* A line that says how to use it, and the first keys. */
static struct ecc_writer *begin_file(struct ecc_codegen *cg, const struct ecc_compose *o, const char *const *about)
{
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_HASH);

    for (; *about; about++)
        ecc_wl(w, "# %s", *about);
    if (o->swarm)
        ecc_wl(w, "version: \"3.8\"");
    return w;
}

/* The services that there are so far, each time. */
static void write_services(struct ecc_writer *w, const struct ecc_compose *o, bool *any)
{
    if (o->services->n && !*any)
        ecc_wl(w, "services:");
    *any |= o->services->n > 0;
    ecc_yaml_write_below(w, o->services);
}

static void end_file(struct ecc_codegen *cg, struct ecc_compose *o, struct ecc_writer *w, bool any, const char *file)
{
    struct ecc_yaml *rest = ecc_yaml_map(o->arena);

    if (!any)
        ecc_wl(w, "services: {}");
    if (o->networks->n)
        ecc_yaml_put(rest, "networks", o->networks);
    if (o->volumes->n)
        ecc_yaml_put(rest, "volumes", o->volumes);
    if (o->secrets->n)
        ecc_yaml_put(rest, "secrets", o->secrets);
    ecc_yaml_write(w, rest);
    ecc_outset_add_writer(cg->out, file, w);
}

/* For a service that is written before the next is made: of a large system all together are ten times as large as their text. */
static struct ecc_compose one_more(struct ecc_compose *o)
{
    struct ecc_compose one = *o;

    one.arena = ecc_arena_scratch(o->arena);
    one.services = ecc_yaml_map(one.arena);
    return one;
}

static void emit_system(struct ecc_codegen *cg, struct ecc_compose *o, const char *file, const char *const *about)
{
    struct ecc_writer *w = begin_file(cg, o, about);
    bool any = false;

    begin(o);
    ecc_compose_declare_secrets(o, false);
    for (size_t i = 0; i < o->nets.n; i++)
        ecc_compose_declare_network(o, o->nets.items[i].name, ECC_LEADS_NOWHERE);
    for (size_t i = 0; i < o->deploy->nstores; i++) {
        struct ecc_compose one = one_more(o);
        ecc_compose_store(&one, o->deploy->stores[i]);
        write_services(w, &one, &any);
    }
    for (size_t i = 0; i < o->deploy->nprocesses; i++) {
        const struct ecc_process *process = o->deploy->processes[i];
        if (process->kind == ECC_PROCESS_SANDBOX)
            continue;
        struct ecc_compose one = one_more(o);
        if (process->database)
            add_migration(&one, process);
        add_process(&one, process);
        write_services(w, &one, &any);
    }
    if (!o->swarm)
        add_studio(o);
    write_services(w, o, &any);
    end_file(cg, o, w, any, file);
}

/* A sandbox has a network with each process that calls its provider, which is told where it is and whom to trust. */
static void add_sandbox(struct ecc_compose *o, const struct ecc_process *sandbox)
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
            ecc_yaml_put_text(env, "EC_CA_FILE", ECC_SECRETS_AT "sandbox.ca");
            ecc_compose_secret(caller, "sandbox.ca");
        }
        env = ecc_yaml_get(caller, "environment");
        ecc_yaml_put_text(env, sandbox->node->u.external.base_env,
                          ecc_arena_printf(o->arena, "https://%s:%d", sandbox->name, sandbox->port));
        ecc_compose_declare_network(o, network, ECC_LEADS_NOWHERE);
        ecc_compose_join(caller, network);
        ecc_compose_join(service, network);
    }
}

static void seed(struct ecc_compose *o)
{
    for (size_t i = 0; i < o->deploy->nprocesses; i++)
        if (o->deploy->processes[i]->has_seed)
            ecc_yaml_put(ecc_yaml_put_map(o->services, ecc_arena_printf(o->arena, "%s-migrate", o->deploy->processes[i]->name)), "command",
                         ECC_WORDS(o->arena, "migrate", "up", "--seed"));
}

static void mount(struct ecc_yaml *service, const char *from, const char *to)
{
    ecc_yaml_add_text(ecc_yaml_get(service, "volumes"), ecc_arena_printf(service->arena, "./observability/%s:%s:ro", from, to));
}

static void add_prometheus(struct ecc_compose *o)
{
    struct ecc_yaml *service = ecc_compose_service(o, "prometheus", "${PROMETHEUS_IMAGE:-prom/prometheus:v2.53.4}");

    ecc_yaml_put(service, "command",
                 ECC_WORDS(o->arena, "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus",
                           "--storage.tsdb.retention.time=7d", "--web.listen-address=" PROMETHEUS_PAGE ":9090"));
    ecc_yaml_put_list(service, "volumes");
    mount(service, "prometheus.yml", "/etc/prometheus/prometheus.yml");
    mount(service, "alerts.yml", "/etc/prometheus/alerts.yml");
    join_each(o, service);
    ecc_compose_declare_network(o, "watch", ECC_LEADS_IN);
    ecc_compose_join_as(service, "watch", PROMETHEUS_PAGE);
    ecc_yaml_add_text(ecc_yaml_put_list(service, "ports"), "127.0.0.1:${PROMETHEUS_PORT:-9090}:9090");
    ECC_TMPFS(o, service, "/prometheus");
    ecc_compose_common(o, service, "65534:65534", &size_watcher, "30s", false);
}

static void add_grafana(struct ecc_compose *o)
{
    struct ecc_yaml *service = ecc_compose_service(o, "grafana", "${GRAFANA_IMAGE:-grafana/grafana:11.2.0}"),
                    *env = ecc_yaml_put_map(service, "environment");

    ecc_yaml_put_text(env, "GF_AUTH_ANONYMOUS_ENABLED", "true");
    ecc_yaml_put_text(env, "GF_AUTH_DISABLE_LOGIN_FORM", "true");
    ecc_yaml_put_text(env, "GF_ANALYTICS_REPORTING_ENABLED", "false");
    ecc_yaml_put_text(env, "GF_ANALYTICS_CHECK_FOR_UPDATES", "false");
    ecc_yaml_put_list(service, "volumes");
    mount(service, "grafana/provisioning", "/etc/grafana/provisioning");
    mount(service, "dashboards", "/var/lib/grafana/dashboards");
    ecc_compose_join(service, "watch");
    ecc_yaml_add_text(ecc_yaml_put_list(service, "ports"), "127.0.0.1:${GRAFANA_PORT:-3001}:3000");
    ECC_TMPFS(o, service, "/tmp", "/var/lib/grafana/plugins", "/var/log/grafana");
    ecc_compose_common(o, service, "472:0", &size_watcher, "10s", false);
    ecc_yaml_put_text(env, "GF_PATHS_DATA", "/tmp");
}

static void emit_sandboxes(struct ecc_codegen *cg, struct ecc_compose *o, const char *file, const char *const *about)
{
    bool any = false;

    begin(o);
    if (!o->swarm)
        seed(o);
    ecc_compose_declare_secrets(o, true);
    for (size_t i = 0; i < o->deploy->nprocesses; i++)
        if (o->deploy->processes[i]->kind == ECC_PROCESS_SANDBOX)
            add_sandbox(o, o->deploy->processes[i]);
    if (!o->swarm && ecc_outset_find(cg->out, "observability/prometheus.yml")) {
        add_prometheus(o);
        add_grafana(o);
    }
    if (o->services->n) {
        struct ecc_writer *w = begin_file(cg, o, about);
        write_services(w, o, &any);
        end_file(cg, o, w, any, file);
    }
}

/* A file with memory of its own, which the next one has again. */
static struct ecc_codegen *apart(const struct ecc_codegen *cg, struct ecc_compose *o, struct ecc_codegen *once)
{
    o->arena = ecc_codegen_apart(cg, once)->arena;
    return once;
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
    struct ecc_compose o = {.arena = cg->scratch, .model = cg->model, .deploy = deploy, .context = ecc_docker_context(cg->model)};
    struct ecc_codegen once;

    o.nets = ecc_networks(o.arena, deploy);
    ecc_compose_places(&o);
    emit_system(apart(cg, &o, &once), &o, "compose.yaml", compose);
    emit_sandboxes(apart(cg, &o, &once), &o, "compose.dev.yaml", dev);
    o.swarm = true;
    emit_system(apart(cg, &o, &once), &o, "stack.yaml", stack);
    emit_sandboxes(apart(cg, &o, &once), &o, "stack.dev.yaml", stack_dev);
}
