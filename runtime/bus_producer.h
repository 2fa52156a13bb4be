/* The process's one producer: for the outbox relay and for dead letters. */
#ifndef EC_BUS_PRODUCER_H
#define EC_BUS_PRODUCER_H

#include "app.h"

#define BUS_LETTER_TOPIC_END ".dead-letter" /* after the topic's name: where its dead letters are */

struct ec_bus_header { const char *name; struct ec_str value; };

struct ec_bus_record {
    const char *topic;
    struct ec_str key, value; /* p NULL: none */
    const struct ec_bus_header *headers;
    size_t nheaders;
    int64_t timestamp_ms; /* 0: now */
};

/* Opened by each module that needs it, closed as often. */
int ec_bus_producer_open(struct ec_app *app, const char **why);
void ec_bus_producer_close(void);
bool ec_bus_producer_ready(void); /* it can send, and the topics are there */
bool ec_bus_producer_idle(void);  /* nothing is on its way */

/* Copies the record. done is called once, in a later turn: ok when the bus has it for good. false: not now, done is not called. */
bool ec_bus_produce(const struct ec_bus_record *record, void (*done)(void *data, bool ok), void *data);

/* For a producer of ours: exactly once and in order into a partition, acknowledged by all. */
struct rd_kafka_conf_s;
void ec_bus_producer_conf(struct rd_kafka_conf_s *conf, const char *timeout_ms);

/* A fatal error as librdkafka would raise it; for tests. */
void ec_bus_producer_break(void);

#endif
