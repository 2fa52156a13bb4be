/* Stores as containers: the official images, with what each needs to be started without root and with nothing to write but its data. */
#include <string.h>

#include "arena.h"
#include "compose.h"
#include "outset.h"

static const struct ecc_size size_database = {"1.0", "512M", "256"}, size_cache = {"0.5", "256M", "64"}, size_bus = {"1.5", "1G", "1024"};

static void add_database(struct ecc_compose *o, const struct ecc_store *store)
{
    struct ecc_yaml *service = ecc_compose_service(o, store->name, "${POSTGRES_IMAGE:-postgres:15-bookworm}"),
                    *env = ecc_yaml_put_map(service, "environment");

    ecc_yaml_put_text(env, "POSTGRES_USER", store->user);
    ecc_yaml_put_text(env, "POSTGRES_DB", store->user);
    ecc_yaml_put_text(env, "POSTGRES_PASSWORD_FILE", ecc_arena_printf(o->arena, ECC_SECRETS_AT "%s", store->secret));
    ecc_yaml_put_text(env, "PGDATA", "/var/lib/postgresql/data/pgdata"); /* the folder above may be another user's */
    ecc_compose_volume(o, service, store->name, "/var/lib/postgresql/data");
    ECC_TMPFS(o, service, "/tmp", "/var/run/postgresql");
    ecc_compose_secret(service, store->secret);
    ecc_compose_join_all(o, service, store->name);
    ecc_compose_health(service, ECC_WORDS(o->arena, "CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-U", store->user, "-d", store->user),
                       "300s");
    ecc_compose_deploy(o, service, "1", false);
    if (!o->swarm)
        ecc_yaml_put_text(service, "stop_signal", "SIGINT"); /* fast shutdown: on SIGTERM it waits for its clients */
    ecc_compose_common(o, service, ECC_PROGRAM_USER, &size_database, "60s", false);
}

static void add_cache(struct ecc_compose *o, const struct ecc_store *store)
{
    struct ecc_yaml *service = ecc_compose_service(o, store->name, "${REDIS_IMAGE:-redis:7.2-bookworm}");

    ecc_yaml_put(service, "command",
                 ECC_WORDS(o->arena, "redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--appendonly", "no",
                           "--maxmemory", "192mb", "--maxmemory-policy", "volatile-ttl"));
    ECC_TMPFS(o, service, "/data");
    ecc_compose_join_all(o, service, store->name);
    ecc_compose_health(service, ECC_WORDS(o->arena, "CMD", "redis-cli", "ping"), "60s");
    ecc_compose_deploy(o, service, "1", false);
    ecc_compose_common(o, service, ECC_PROGRAM_USER, &size_cache, "10s", false); /* it has nothing to write */
}

/* Of Apache's image only the two scripts are used, so that another with /opt/kafka does, too. */
static void add_bus(struct ecc_compose *o, const struct ecc_store *store)
{
    struct ecc_yaml *service = ecc_compose_service(o, store->name, "${KAFKA_IMAGE:-apache/kafka:3.9.1}"), *env;
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

    ecc_yaml_put(service, "entrypoint", ECC_WORDS(o->arena, "/bin/sh", "-c", script));
    env = ecc_yaml_put_map(service, "environment");
    ecc_yaml_put_text(env, "KAFKA_PROPERTIES", properties);
    ecc_yaml_put_text(env, "KAFKA_CLUSTER",
                      ecc_arena_printf(o->arena, "%.21sw", ecc_sha256_hex(o->arena, store->name, strlen(store->name))));
    ecc_yaml_put_text(env, "KAFKA_HEAP_OPTS", "${KAFKA_HEAP_OPTS:--Xms256m -Xmx512m}");
    ecc_yaml_put_text(env, "KAFKA_LOG4J_OPTS", "-Dlog4j.configuration=file:/opt/kafka/config/tools-log4j.properties"); /* to stderr alone */
    ecc_yaml_put_text(env, "EXTRA_ARGS", "-name kafkaServer"); /* no log of the collector's */
    ecc_yaml_put_text(env, "LOG_DIR", "/tmp");
    ecc_compose_volume(o, service, store->name, "/var/lib/kafka/data");
    ECC_TMPFS(o, service, "/tmp");
    ecc_compose_join_all(o, service, store->name);
    ecc_compose_health(service,
                       ECC_WORDS(o->arena, "CMD", "bash", "-c", ecc_arena_printf(o->arena, "exec 3<>/dev/tcp/127.0.0.1/%d", store->port)),
                       "300s");
    ecc_compose_deploy(o, service, "1", false);
    ecc_compose_common(o, service, "${KAFKA_USER:-1000:1000}", &size_bus, "60s", false);
}

void ecc_compose_store(struct ecc_compose *o, const struct ecc_store *store)
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
    ecc_compose_alone(o, ecc_yaml_get(o->services, store->name), store->name);
}
