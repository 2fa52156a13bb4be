/* The bus: a broker from outside (KAFKA_BROKERS), the embedded one (ecom-broker, no preparation), or Apache Kafka.
 *
 * Apache Kafka comes from Maven Central by the ordinary client: a pom in .ecom/kafka names it, Maven resolves it, and the jars are
 * copied to .ecom/kafka/libs. It runs in KRaft mode, broker and controller in one process, its storage formatted once.
 */
#include "up.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KAFKA_VERSION "3.9.1"
#define SLF4J_VERSION "1.7.36"

static const char pom[] = "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n"
                          "  <modelVersion>4.0.0</modelVersion>\n"
                          "  <groupId>local</groupId>\n  <artifactId>kafka</artifactId>\n  <version>1</version>\n"
                          "  <dependencies>\n"
                          "    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>"
                          "<version>" KAFKA_VERSION "</version></dependency>\n"
                          "    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>"
                          "<version>" SLF4J_VERSION "</version></dependency>\n"
                          "  </dependencies>\n"
                          "</project>\n";

static int fetch(struct ecc_up *up, const char *libs)
{
    const char *log = ecc_up_path(up, "logs/maven.log"), *pom_path = ecc_up_path(up, "kafka/pom.xml");
    const char *argv[] = {"mvn", "-q", "-B", "-f", pom_path, "dependency:copy-dependencies",
                          ecc_arena_printf(up->arena, "-DoutputDirectory=%s.new", libs), NULL};

    if (!access(libs, F_OK))
        return 0;
    ecc_up_progress(up, "fetching Apache Kafka " KAFKA_VERSION " by Maven ...");
    if (ecc_write_private(pom_path, pom))
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", pom_path, strerror(errno));
    int code = ecc_up_execute(up, argv, NULL, log, false);
    if (code == 127)
        return ecc_say_error(ECC_EXIT_FAILED, "Apache Kafka needs Maven and Java 17: apt-get install maven openjdk-17-jre-headless");
    if (code || rename(ecc_arena_printf(up->arena, "%s.new", libs), libs))
        return ecc_say_error(ECC_EXIT_FAILED, "Apache Kafka could not be fetched by Maven; see %s", log);
    return 0;
}

static int configure(struct ecc_up *up, const char *properties, const char *libs)
{
    int port = ECC_PORT_KAFKA + up->port_base;
    const char *data = ecc_arena_printf(up->arena, "%s/kafka/data", up->home), *log = ecc_up_path(up, "logs/kafka-format.log");
    const char *text = ecc_arena_printf(up->arena,
                                        "process.roles=broker,controller\n"
                                        "node.id=1\n"
                                        "controller.quorum.voters=1@127.0.0.1:%d\n"
                                        "listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d\n"
                                        "advertised.listeners=PLAINTEXT://127.0.0.1:%d\n"
                                        "controller.listener.names=CONTROLLER\n"
                                        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n"
                                        "log.dirs=%s\n"
                                        "offsets.topic.replication.factor=1\n"
                                        "offsets.topic.num.partitions=8\n"
                                        "transaction.state.log.replication.factor=1\n"
                                        "transaction.state.log.min.isr=1\n"
                                        "share.coordinator.state.topic.replication.factor=1\n"
                                        "group.initial.rebalance.delay.ms=0\n"
                                        "auto.create.topics.enable=false\n",
                                        port + 1, port, port + 1, port, data);

    size_t n;
    const char *made = ecc_read_file(up->arena, properties, &n);
    if (made && !strcmp(made, text) && !access(ecc_arena_printf(up->arena, "%s/meta.properties", data), F_OK))
        return 0; /* formatted before */
    if (ecc_write_private(properties, text))
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", properties, strerror(errno));
    const char *argv[] = {"java", "-cp", ecc_arena_printf(up->arena, "%s/*", libs), "kafka.tools.StorageTool", "format",
                          "-t", "ZWNvbS1kZXZlbG9wbWVudA", "-c", properties, "--ignore-formatted", NULL};
    int code = ecc_up_execute(up, argv, NULL, log, false);
    if (code == 127)
        return ecc_say_error(ECC_EXIT_FAILED, "Apache Kafka needs Java 17: apt-get install openjdk-17-jre-headless");
    return code ? ecc_say_error(ECC_EXIT_FAILED, "Apache Kafka's storage could not be formatted; see %s", log) : 0;
}

int ecc_up_kafka(struct ecc_up *up)
{
    const char *libs = ecc_arena_printf(up->arena, "%s/kafka/libs", up->home), *properties = ecc_up_path(up, "kafka/server.properties");
    bool any = false;
    int code;

    for (size_t i = 0; i < up->model->nnodes; i++)
        any |= up->model->nodes[i]->kind == ECC_NODE_BUS;
    if (!any || !up->kafka || strcmp(up->kafka, "apache"))
        return 0;
    up->brokers = ecc_arena_printf(up->arena, "127.0.0.1:%d", ECC_PORT_KAFKA + up->port_base);
    if ((code = fetch(up, libs)))
        return code;
    return configure(up, properties, libs);
}
