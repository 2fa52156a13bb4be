/* From the model to what is deployed: stores first, then processes with their settings, then who talks to whom, then the secrets that all
 * of it names. The settings are those that runtime/ and main.c read (docs/design.md, "Configuration of a process").
 */
#include "deploy.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "codegen.h"
#include "cnames.h"

struct processes {
    struct ecc_process **items;
    size_t n, cap;
};
struct stores {
    struct ecc_store **items;
    size_t n, cap;
};
struct settings {
    struct ecc_deploy_setting *items;
    size_t n, cap;
};
struct conversations {
    struct ecc_conversation *items;
    size_t n, cap;
};
struct secrets {
    struct ecc_deploy_secret *items;
    size_t n, cap;
};

struct making {
    struct ecc_arena *arena;
    const struct ecc_model *model;
    struct processes processes;
    struct stores stores;
    struct conversations conversations;
    struct secrets secrets;
    struct settings settings; /* of the present process */
    size_t database; /* the next: stores and processes are made in the same order */
    size_t talks;    /* the first conversation of the present process */
    struct secrets shared; /* that several processes may name; the others are each one's own */
};

static bool is_program(const struct ecc_node *node)
{
    return node->kind == ECC_NODE_SERVICE || node->kind == ECC_NODE_GATEWAY;
}

static const struct ecc_store *find_store(struct ecc_store *const *items, size_t n, enum ecc_store_kind kind, const struct ecc_node *node)
{
    for (size_t i = 0; i < n; i++)
        if (items[i]->kind == kind && (kind != ECC_STORE_DATABASE || items[i]->node == node))
            return items[i];
    return NULL;
}

static const struct ecc_store *store_of(const struct making *m, enum ecc_store_kind kind, const struct ecc_node *node)
{
    return find_store(m->stores.items, m->stores.n, kind, node);
}

static int by_process(const void *a, const void *b)
{
    return strcmp((*(struct ecc_process *const *)a)->name, (*(struct ecc_process *const *)b)->name);
}

static int by_store(const void *a, const void *b)
{
    return strcmp((*(struct ecc_store *const *)a)->name, (*(struct ecc_store *const *)b)->name);
}

static int by_setting(const void *a, const void *b)
{
    return strcmp(((const struct ecc_deploy_setting *)a)->name, ((const struct ecc_deploy_setting *)b)->name);
}

static int by_secret(const void *a, const void *b)
{
    return strcmp(((const struct ecc_deploy_secret *)a)->name, ((const struct ecc_deploy_secret *)b)->name);
}

static int by_ends(const void *a, const void *b)
{
    const struct ecc_conversation *x = a, *y = b;
    int from = strcmp(x->from, y->from);

    return from ? from : strcmp(x->to, y->to);
}

static void sort(void *items, size_t n, size_t size, int (*compare)(const void *, const void *))
{
    if (n)
        qsort(items, n, size, compare);
}

/* MAILER_KEY: mailer-key */
static const char *secret_name(struct making *m, const char *env)
{
    char *name = ecc_arena_strdup(m->arena, env);

    for (char *p = name; *p; p++)
        *p = *p == '_' ? '-' : *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    return name;
}

/* ------------------------------------------------------------------ stores */

static void add_store(struct making *m, enum ecc_store_kind kind, const struct ecc_node *node)
{
    struct ecc_store *store = ECC_NEW(m->arena, struct ecc_store);

    store->kind = kind;
    store->node = node;
    store->name = node->name;
    switch (kind) {
    case ECC_STORE_DATABASE:
        store->name = ecc_arena_printf(m->arena, "%s-db", node->name);
        store->port = ECC_DEPLOY_DATABASE_PORT;
        store->user = ecc_snake(m->arena, node->name);
        store->secret = ecc_arena_printf(m->arena, "%s.password", store->name);
        break;
    case ECC_STORE_CACHE:
        store->port = ECC_DEPLOY_CACHE_PORT;
        break;
    case ECC_STORE_BUS:
        store->port = ECC_DEPLOY_BUS_PORT;
        break;
    }
    ECC_PUSH(m->arena, &m->stores, store);
}

static const struct ecc_node *first_of(const struct making *m, enum ecc_node_kind kind)
{
    const struct ecc_node *first = NULL;

    for (size_t i = 0; i < m->model->nnodes; i++)
        if (m->model->nodes[i]->kind == kind && (!first || strcmp(m->model->nodes[i]->name, first->name) < 0))
            first = m->model->nodes[i];
    return first;
}

static void add_stores(struct making *m)
{
    const struct ecc_node *cache = first_of(m, ECC_NODE_CACHE), *bus = first_of(m, ECC_NODE_BUS);

    for (size_t i = 0; i < m->model->nnodes; i++)
        if (m->model->nodes[i]->kind == ECC_NODE_SERVICE && m->model->nodes[i]->u.service.has_database)
            add_store(m, ECC_STORE_DATABASE, m->model->nodes[i]);
    if (cache)
        add_store(m, ECC_STORE_CACHE, cache);
    if (bus)
        add_store(m, ECC_STORE_BUS, bus);
}

/* ------------------------------------------------------------------ settings */

static struct ecc_deploy_setting *add(struct making *m, enum ecc_source_kind source, const char *name, const char *what)
{
    for (size_t i = 0; i < m->settings.n; i++) /* two externals may share a setting */
        if (!strcmp(m->settings.items[i].name, name))
            return &m->settings.items[i];
    ECC_PUSH(m->arena, &m->settings, ((struct ecc_deploy_setting){.name = name, .source = source, .what = what}));
    return &m->settings.items[m->settings.n - 1];
}

static void add_value(struct making *m, enum ecc_source_kind source, const char *name, const char *value, const char *what)
{
    struct ecc_deploy_setting *setting = add(m, source, name, what);

    setting->value = value;
    setting->required = true;
}

static struct ecc_deploy_setting *add_secret(struct making *m, enum ecc_source_kind source, const char *name, const char *secret,
                                             const char *what)
{
    struct ecc_deploy_setting *setting = add(m, source, name, what);

    setting->secret = secret;
    setting->required = true;
    return setting;
}

static void add_tuning(struct making *m, const char *name, const char *dflt, const char *what)
{
    add(m, ECC_SOURCE_TUNING, name, what)->dflt = dflt;
}

static void add_declared(struct making *m, const struct ecc_setting *declared, const struct ecc_node *external)
{
    const char *what = external ? ecc_arena_printf(m->arena, "`%s` of %s", declared->name, external->name)
                                : ecc_arena_printf(m->arena, "the setting `%s`", declared->name);
    struct ecc_deploy_setting *setting = add(m, ECC_SOURCE_GIVEN, declared->env, what);

    setting->node = external;
    setting->required = !declared->dflt;
    if (declared->type->kind == ECC_TYPE_SECRET && setting->required)
        setting->secret = secret_name(m, declared->env);
    else
        setting->dflt = ecc_setting_default(m->arena, declared);
}

static void add_credentials(struct making *m, const struct ecc_node *external)
{
    const struct ecc_external *x = &external->u.external;

    if (x->auth_secret)
        add_secret(m, ECC_SOURCE_GIVEN, x->auth_secret, secret_name(m, x->auth_secret),
                   ecc_arena_printf(m->arena, "the credentials at %s", external->name))
            ->node = external;
    for (size_t i = 0; i < x->nsettings; i++)
        add_declared(m, x->settings[i], external);
}

static void add_external(struct making *m, const struct ecc_node *external)
{
    const struct ecc_external *x = &external->u.external;

    if (x->base_env) {
        struct ecc_deploy_setting *setting =
            add(m, ECC_SOURCE_BASE, x->base_env, ecc_arena_printf(m->arena, "where %s is, in place of the topology's URL", external->name));
        setting->node = external;
        setting->dflt = x->base;
    }
    add_credentials(m, external);
}

/* ------------------------------------------------------------------ who talks to whom */

static void converse(struct making *m, const char *from, const char *to, int port)
{
    for (size_t i = m->talks; i < m->conversations.n; i++)
        if (!strcmp(m->conversations.items[i].to, to))
            return;
    ECC_PUSH(m->arena, &m->conversations, ((struct ecc_conversation){.from = from, .to = to, .port = port}));
}

/* https://host[:port][/path] of the topology */
static void converse_outside(struct making *m, const char *from, const struct ecc_node *external)
{
    const char *base = external->u.external.base, *host = base ? strstr(base, "://") : NULL;
    struct ecc_conversation made = {
        .from = from, .to = external->name, .port = base && !strncmp(base, "http:", 5) ? 80 : 443, .external = external};

    if (host) {
        host += 3;
        size_t n = *host == '[' ? strcspn(host, "]") + (strchr(host, ']') != NULL) : strcspn(host, ":/");
        made.host = ecc_arena_strndup(m->arena, host, n);
        if (host[n] == ':')
            made.port = atoi(host + n + 1);
    }
    ECC_PUSH(m->arena, &m->conversations, made);
}

static const char *url_of(struct making *m, const char *scheme, const char *host, int port)
{
    return ecc_arena_printf(m->arena, "%s%s:%d", scheme, host, port);
}

static void add_cache_and_bus(struct making *m, const struct ecc_process *process, bool cache, bool bus)
{
    const struct ecc_store *redis = store_of(m, ECC_STORE_CACHE, NULL), *kafka = store_of(m, ECC_STORE_BUS, NULL);

    if (cache && redis) {
        add_value(m, ECC_SOURCE_CACHE, "REDIS_URL", url_of(m, "redis://", redis->name, redis->port), "the cache");
        converse(m, process->name, redis->name, redis->port);
    }
    if (bus && kafka) {
        add_value(m, ECC_SOURCE_BUS, "KAFKA_BROKERS", url_of(m, "", kafka->name, kafka->port), "the bus");
        converse(m, process->name, kafka->name, kafka->port);
    }
}

/* What the edges of a process ask for. */
static void add_edges(struct making *m, const struct ecc_process *process)
{
    const struct ecc_node *node = process->node;
    bool bus = false, cache = false, externals = false;

    for (size_t i = 0; i < node->nin; i++)
        bus |= node->in[i]->from->kind == ECC_NODE_BUS;
    for (size_t i = 0; i < node->nout; i++) {
        const struct ecc_node *peer = node->out[i]->to;
        bus |= peer->kind == ECC_NODE_BUS;
        cache |= peer->kind == ECC_NODE_CACHE;
        if (peer->kind == ECC_NODE_SERVICE) {
            const char *name = ecc_arena_printf(m->arena, "%s_URL", ecc_upper(m->arena, peer->name));
            add_value(m, ECC_SOURCE_PEER, name, url_of(m, "http://", peer->name, ECC_DEPLOY_PORT),
                      ecc_arena_printf(m->arena, "where %s is", peer->name));
            add(m, ECC_SOURCE_PEER, name, NULL)->node = peer;
            converse(m, process->name, peer->name, ECC_DEPLOY_PORT);
        } else if (peer->kind == ECC_NODE_EXTERNAL) {
            add_external(m, peer);
            converse_outside(m, process->name, peer);
            externals = true;
        }
    }
    if (node->kind == ECC_NODE_GATEWAY && node->u.gateway.limit && node->u.gateway.limit->cache)
        cache = true;
    add_cache_and_bus(m, process, cache, bus);
    if (externals)
        add(m, ECC_SOURCE_AUTHORITY, "EC_CA_FILE", "a CA that is trusted beside the system's, PEM")->path = true;
}

/* ------------------------------------------------------------------ processes */

static struct ecc_process *add_process(struct making *m, const struct ecc_node *node, enum ecc_process_kind kind, const char *name,
                                       int port)
{
    struct ecc_process *process = ECC_NEW(m->arena, struct ecc_process);

    *process = (struct ecc_process){.kind = kind, .name = name, .node = node, .port = port, .workers = 1};
    ECC_PUSH(m->arena, &m->processes, process);
    m->settings = (struct settings){0};
    m->talks = m->conversations.n;
    add_value(m, ECC_SOURCE_FIXED, "HOST", "0.0.0.0", "the address to listen on");
    add_value(m, ECC_SOURCE_FIXED, "PORT", ecc_arena_printf(m->arena, "%d", port), "the port to listen on");
    return process;
}

static void end_process(struct making *m, struct ecc_process *process)
{
    sort(m->settings.items, m->settings.n, sizeof m->settings.items[0], by_setting);
    process->settings = m->settings.items;
    process->nsettings = m->settings.n;
}

static bool calls_services(const struct ecc_node *node)
{
    for (size_t i = 0; i < node->nout; i++)
        if (node->out[i]->to->kind == ECC_NODE_SERVICE)
            return true;
    return false;
}

static void add_tunings(struct making *m, const struct ecc_process *process)
{
    bool service = process->kind == ECC_PROCESS_SERVICE;

    add_tuning(m, "EC_MAX_TASKS", service ? "1024" : "4096", "requests in flight; beyond it the answer is 503");
    if (process->database)
        add_tuning(m, "EC_PG_POOL", "8", "connections to the database, beside two of its own");
    if (service && process->node->u.service.nconsumers > 0) {
        add_tuning(m, "EC_EVENTS_AT_ONCE", "32", "events of a partition, of different keys, that are handled side by side");
        add_tuning(m, "EC_EVENT_MS", "30000", "milliseconds that the handler of an event may take");
        add_tuning(m, "EC_KAFKA_SESSION_MS", "6000", "milliseconds that a consumer may be silent before its partitions are another's");
    }
    add_tuning(m, "OTEL_EXPORTER_OTLP_ENDPOINT", NULL, "where spans go, http://host:port[/path]; without it none are made");
    add_tuning(m, "OTEL_TRACES_SAMPLER_ARG", "1", "the share of traces that are recorded, 0 to 1");
    add_tuning(m, "EC_TRACES_A_SECOND", "0", "how many of them a second at most; 0: all");
    add_tuning(m, "EC_DRAIN_DELAY_MS", "200", "milliseconds that a stop still takes in what comes, until balancers know of it");
    add_tuning(m, "EC_DRAIN_MS", "20000", "milliseconds that a stop waits for what is in flight");
    add_tuning(m, "LOG_LEVEL", "info", "debug, info, warn or error");
}

static void add_program(struct making *m, const struct ecc_node *node)
{
    bool gateway = node->kind == ECC_NODE_GATEWAY;
    struct ecc_process *process = add_process(m, node, gateway ? ECC_PROCESS_GATEWAY : ECC_PROCESS_SERVICE, node->name,
                                              gateway ? node->u.gateway.port : ECC_DEPLOY_PORT);

    process->admin_port = process->port;
    if (gateway) {
        process->admin_port = process->port + (process->port + 1000 <= 65535 ? 1000 : -1000);
        process->tls = node->u.gateway.tls;
        add_value(m, ECC_SOURCE_FIXED, "ADMIN_PORT", ecc_arena_printf(m->arena, "%d", process->admin_port), "health and metrics");
    } else {
        process->workers = node->u.service.workers > 0 ? node->u.service.workers : 1;
        if (node->u.service.has_database)
            process->database = m->stores.items[m->database++];
        process->has_seed = node->u.service.nseeds > 0;
    }
    if (process->tls) {
        add_secret(m, ECC_SOURCE_CERTIFICATE, "EC_TLS_CERT", ecc_arena_printf(m->arena, "%s.tls.crt", node->name), "its certificate, PEM")
            ->path = true;
        add_secret(m, ECC_SOURCE_CERTIFICATE_KEY, "EC_TLS_KEY", ecc_arena_printf(m->arena, "%s.tls.key", node->name), "its key, PEM")
            ->path = true;
    }
    if (process->database) {
        add_secret(m, ECC_SOURCE_DATABASE, "DATABASE_URL", ecc_arena_printf(m->arena, "%s.url", process->database->name), "its database");
        converse(m, process->name, process->database->name, process->database->port);
    }
    add_edges(m, process);
    if (calls_services(node))
        add_secret(m, ECC_SOURCE_KEY, "EC_SERVICE_KEY", ecc_arena_printf(m->arena, "%s.key", node->name), "the key that signs its calls");
    if (!gateway) {
        const struct ecc_service *service = &node->u.service;
        add_secret(m, ECC_SOURCE_CALLERS, "EC_SERVICE_KEYS", ecc_arena_printf(m->arena, "%s.callers", node->name),
                   "the public keys of its callers");
        if (service->jwt)
            add_secret(m, ECC_SOURCE_TOKEN, service->jwt->secret, secret_name(m, service->jwt->secret), "the key that signs users' tokens");
        for (size_t i = 0; i < service->nsettings; i++)
            add_declared(m, service->settings[i], NULL);
    }
    add_tunings(m, process);
    end_process(m, process);
}

static void add_sandbox(struct making *m, const struct ecc_node *node)
{
    struct ecc_process *process =
        add_process(m, node, ECC_PROCESS_SANDBOX, ecc_arena_printf(m->arena, "%s-sandbox", node->name), ECC_DEPLOY_SANDBOX_PORT);

    process->tls = true;
    add_secret(m, ECC_SOURCE_CERTIFICATE, "EC_TLS_CERT", "sandbox.tls.crt", "its certificate, PEM")->path = true;
    add_secret(m, ECC_SOURCE_CERTIFICATE_KEY, "EC_TLS_KEY", "sandbox.tls.key", "its key, PEM")->path = true;
    add_credentials(m, node);
    end_process(m, process);
}

/* ------------------------------------------------------------------ secrets */

static void need(struct making *m, struct ecc_deploy_secret secret)
{
    bool shared = secret.kind == ECC_SECRET_GIVEN || secret.kind == ECC_SECRET_TOKEN || !secret.node;

    for (size_t i = 0; shared && i < m->shared.n; i++)
        if (!strcmp(m->shared.items[i].name, secret.name)) {
            m->shared.items[i].sandbox &= secret.sandbox;
            return;
        }
    if (shared)
        ECC_PUSH(m->arena, &m->shared, secret);
    else
        ECC_PUSH(m->arena, &m->secrets, secret);
}

static enum ecc_secret_kind kind_of(enum ecc_source_kind source, bool sandbox)
{
    switch (source) {
    case ECC_SOURCE_DATABASE:
        return ECC_SECRET_DATABASE_URL;
    case ECC_SOURCE_KEY:
        return ECC_SECRET_KEY;
    case ECC_SOURCE_CALLERS:
        return ECC_SECRET_CALLERS;
    case ECC_SOURCE_TOKEN:
        return ECC_SECRET_TOKEN;
    case ECC_SOURCE_CERTIFICATE:
        return sandbox ? ECC_SECRET_SANDBOX_CERTIFICATE : ECC_SECRET_CERTIFICATE;
    case ECC_SOURCE_CERTIFICATE_KEY:
        return sandbox ? ECC_SECRET_SANDBOX_KEY : ECC_SECRET_CERTIFICATE_KEY;
    case ECC_SOURCE_AUTHORITY:
        return ECC_SECRET_SANDBOX_CA;
    case ECC_SOURCE_FIXED:
    case ECC_SOURCE_CACHE:
    case ECC_SOURCE_BUS:
    case ECC_SOURCE_PEER:
    case ECC_SOURCE_BASE:
    case ECC_SOURCE_GIVEN:
    case ECC_SOURCE_TUNING:
        break;
    }
    return ECC_SECRET_GIVEN;
}

static void add_secrets_of(struct making *m, const struct ecc_process *process)
{
    bool sandbox = process->kind == ECC_PROCESS_SANDBOX;

    if (process->database)
        need(m, (struct ecc_deploy_secret){
                    .name = process->database->secret, .kind = ECC_SECRET_PASSWORD, .node = process->node, .store = process->database});
    if (sandbox)
        need(m, (struct ecc_deploy_secret){.name = "sandbox.ca", .kind = ECC_SECRET_SANDBOX_CA, .sandbox = true});
    for (size_t i = 0; i < process->nsettings; i++) {
        const struct ecc_deploy_setting *setting = &process->settings[i];
        bool shared = sandbox && setting->path; /* one certificate for all sandboxes */
        if (!setting->secret)
            continue;
        need(m, (struct ecc_deploy_secret){
                    .name = setting->secret,
                    .kind = kind_of(setting->source, sandbox),
                    .node = shared                                ? NULL
                            : setting->source == ECC_SOURCE_GIVEN ? setting->node
                                                                  : process->node,
                    .store = setting->source == ECC_SOURCE_DATABASE ? process->database : NULL,
                    .env = setting->source == ECC_SOURCE_GIVEN || setting->source == ECC_SOURCE_TOKEN ? setting->name : NULL,
                    .sandbox = sandbox,
                });
    }
}

static void add_secrets(struct making *m)
{
    for (size_t i = 0; i < m->processes.n; i++)
        add_secrets_of(m, m->processes.items[i]);
    for (size_t i = 0; i < m->shared.n; i++)
        ECC_PUSH(m->arena, &m->secrets, m->shared.items[i]);
    for (size_t i = 0; i < m->secrets.n; i++) {
        struct ecc_deploy_secret *secret = &m->secrets.items[i];
        if (secret->kind == ECC_SECRET_CERTIFICATE || secret->kind == ECC_SECRET_CERTIFICATE_KEY)
            secret->env = ecc_arena_printf(m->arena, "%s_TLS_%s", ecc_upper(m->arena, secret->node->name),
                                           secret->kind == ECC_SECRET_CERTIFICATE ? "CERT" : "KEY");
    }
}

/* ------------------------------------------------------------------ all */

const struct ecc_deploy *ecc_deploy(struct ecc_arena *arena, const struct ecc_model *model)
{
    struct making m = {.arena = arena, .model = model};
    struct ecc_deploy *deploy = ECC_NEW(arena, struct ecc_deploy);

    add_stores(&m);
    for (size_t i = 0; i < model->nnodes; i++) {
        const struct ecc_node *node = model->nodes[i];
        if (is_program(node))
            add_program(&m, node);
        else if (node->kind == ECC_NODE_EXTERNAL && node->u.external.has_sandbox)
            add_sandbox(&m, node);
    }
    sort(m.processes.items, m.processes.n, sizeof m.processes.items[0], by_process);
    sort(m.stores.items, m.stores.n, sizeof m.stores.items[0], by_store);
    sort(m.conversations.items, m.conversations.n, sizeof m.conversations.items[0], by_ends);
    add_secrets(&m);
    sort(m.secrets.items, m.secrets.n, sizeof m.secrets.items[0], by_secret);
    *deploy = (struct ecc_deploy){
        .processes = m.processes.items,
        .nprocesses = m.processes.n,
        .stores = m.stores.items,
        .nstores = m.stores.n,
        .conversations = m.conversations.items,
        .nconversations = m.conversations.n,
        .secrets = m.secrets.items,
        .nsecrets = m.secrets.n,
    };
    return deploy;
}

const struct ecc_process *ecc_deploy_process(const struct ecc_deploy *deploy, const char *name)
{
    const struct ecc_process wanted = {.name = name}, *key = &wanted;
    struct ecc_process *const *found =
        deploy->nprocesses ? bsearch(&key, deploy->processes, deploy->nprocesses, sizeof deploy->processes[0], by_process) : NULL;

    return found ? *found : NULL;
}

size_t ecc_deploy_from(const struct ecc_deploy *deploy, const char *name, const struct ecc_conversation **first)
{
    size_t low = 0, high = deploy->nconversations, n = 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(deploy->conversations[middle].from, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *first = deploy->nconversations ? deploy->conversations + low : NULL;
    while (low + n < deploy->nconversations && !strcmp(deploy->conversations[low + n].from, name))
        n++;
    return n;
}

const struct ecc_store *ecc_deploy_store(const struct ecc_deploy *deploy, enum ecc_store_kind kind, const struct ecc_node *node)
{
    return find_store(deploy->stores, deploy->nstores, kind, node);
}
