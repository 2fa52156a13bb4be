/* What there is to observe of a topology, and who writes what of it: emit_observe.c Prometheus and Grafana's provisioning, emit_alerts.c
 * rules and their tests, emit_dashboards.c the dashboards. The names of metrics are those of docs/metrics.md.
 */
#ifndef ECC_OBSERVE_H
#define ECC_OBSERVE_H

#include "codegen.h"
#include "yaml.h"

/* X(name, label, what there is one of) */
#define ECC_SEEN_KINDS(X)                                                                                                             \
    X(PROCESS, NULL, "service or gateway")                                                                                            \
    X(OPS, NULL, "service with operations")                                                                                           \
    X(ROUTE, "route", "route of a gateway")                                                                                           \
    X(LIMIT, NULL, "gateway with a limit")                                                                                            \
    X(EDGE, "edge", "edge that carries calls")                                                                                        \
    X(BREAKER, "edge", "edge with a breaker")                                                                                         \
    X(SAGA, "saga", "saga")                                                                                                           \
    X(SAGA_OWNER, NULL, "service with sagas")                                                                                         \
    X(PUBLISHER, NULL, "service that publishes")                                                                                      \
    X(GROUP, "group", "group of consumers")                                                                                           \
    X(KEYSPACE, "keyspace", "keyspace of a cache, of each who uses it")                                                               \
    X(REDIS, NULL, "process with a connection to Redis")                                                                              \
    X(DATABASE, NULL, "service with a database")
enum ecc_seen_kind {
#define X(name, label, what) ECC_SEEN_##name,
    ECC_SEEN_KINDS(X)
#undef X
};

struct ecc_seen {
    enum ecc_seen_kind kind;
    const struct ecc_node *node;
    const char *job;           /* the process's name: what Prometheus calls its job */
    const char *label, *value; /* what tells it from others of the job; or NULL */
};

struct ecc_seen_list { /* by the names of nodes: their order in the text means nothing */
    struct ecc_seen *items;
    size_t n, cap;
};

const struct ecc_seen *ecc_seen_first(const struct ecc_seen_list *seen, enum ecc_seen_kind kind); /* or NULL */
const char *ecc_seen_labels(struct ecc_arena *arena, const struct ecc_seen *seen);                /* job="a",edge="a -> b" */

/* Those that go out, then those from a bus. */
const struct ecc_edge **ecc_edges_by_peer(struct ecc_arena *arena, const struct ecc_node *node, size_t *n);

/* Fills alerts.yml and alerts_test.yml. */
void ecc_observe_alerts(const struct ecc_seen_list *seen, struct ecc_yaml *document, struct ecc_yaml *test_document);
/* Adds dashboards/overview.json and dashboards/services.json. */
void ecc_observe_dashboards(struct ecc_codegen *cg, const struct ecc_seen_list *seen);

#endif
