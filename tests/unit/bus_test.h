/* The shared part of tests of relay and consumers: a service with a topic, an event and a consumer, on librdkafka's mock cluster, or on
 * the bus of TEST_KAFKA_BROKERS. */
#ifndef BUS_TEST_H
#define BUS_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "app.h"
#include "bus.h"
#include "bus_producer.h"
#include "json.h"
#include "relay.h"

extern const struct ec_relay_sink *sink; /* the outbox stands in the test: what registers is what we call */

/* What the handler saw, and how often it is to fail. */
struct seen {
    int calls, in_flight, most_in_flight, fail_times;
    const struct ec_error *fail_with;
    const char *fail_detail;
    int64_t n[4096];
    char id[4096][16], key[4096][160], trace[4096][33];
    bool again[4096], sampled[4096];
    struct ec_task *held;
    bool hold;
};
extern struct seen seen;
extern bool not_ready; /* the process's database is away */
extern struct ec_consumer declared;
extern const struct ec_error error_broken;

extern rd_kafka_mock_cluster_t *mock; /* NULL: a bus from outside */
extern const char *brokers;
extern char topic_name[64], dead_name[80], group_name[64], other_group_name[64]; /* new ones for each test */

/* A test's setup and teardown; with another consumer in a group of its own. */
int start_all(void **state);
int start_transactions(void **state); /* the handler is a transaction and nothing else */
int start_two_groups(void **state);
int stop_all(void **state);
int bus_test_run(int (*run)(void)); /* main: with the bus around run */

bool until(bool (*holds)(void), int ms);
bool ready(void);      /* the producer */
bool left(void);       /* the consumers have left their groups */
bool all_closed(void); /* no client is being ended any more */

extern int delivered, undelivered, wanted;
bool all_told(void); /* wanted deliveries */
bool all_seen(void); /* wanted calls of the handler */
void await_seen(int n);
void send_typed(const char *key, int64_t n, const char *type, const char *body); /* body NULL: the usual one */
void send_one(const char *key, int64_t n);

/* A plain message, by the producer, with headers as name, value, ..., NULL. */
void send_raw(const char *topic, struct ec_str key, struct ec_str value, const char *const *headers);

struct letter {
    char reason[128], detail[200], group[64], from[64], partition[8], offset[16], attempts[8], time[40], id[40], note[40];
    char key[32];
    size_t length;
    char value[128];
};
int read_topic(const char *name, struct letter *out, int most); /* what is no mark; returns how many there are */

double outcome(const char *name); /* of the event in the group */
double metric(enum ec_metric_type type, const char *family, const char *labels);
bool one_dead_letter(void);
bool one_dropped(void);

#endif
