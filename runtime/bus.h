/* What producer and consumer share: configuration, and a librdkafka queue served by the loop. Only the bus_*.c files include this. */
#ifndef EC_BUS_H
#define EC_BUS_H

#include <librdkafka/rdkafka.h>

#include "app.h"

/* A queue of librdkafka on the loop: it writes to an eventfd when the queue has something; no thread of ours waits for it. */
struct ec_bus_port {
    uv_poll_t poll;
    int fd;
    rd_kafka_queue_t *queue;
    void (*serve)(struct ec_bus_port *port, rd_kafka_event_t *event); /* must not close the port */
    void (*after)(struct ec_bus_port *port);                         /* once a batch of events is served; it may; or NULL */
    void *data;
};

bool ec_bus_configure(struct ec_config_errors *errors); /* KAFKA_BROKERS; for whichever module comes first */
void ec_bus_set_brokers(const char *brokers);           /* for tests */

/* A configuration with what every client of ours has; role is "producer" or a group's name. Set with ec_bus_set; a wrong name or value is
 * a bug and ends the process. */
rd_kafka_conf_t *ec_bus_conf(const char *role);
void ec_bus_set(rd_kafka_conf_t *conf, const char *name, const char *value);

/* Opens a client and takes over its log. The port gets its events. NULL with a line in why. */
rd_kafka_t *ec_bus_open(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct ec_bus_port **port, const char **why);
void ec_bus_serve(struct ec_bus_port *port); /* now; a consumer needs it from time to time, or the group takes it for dead */
/* Closes the port and ends the client in a thread of the pool: that may block. then(data) is called on the loop, or NULL. */
void ec_bus_close(rd_kafka_t *rk, struct ec_bus_port *port, void (*then)(void *data), void *data);
size_t ec_bus_closing(void); /* clients that are still being ended */

/* Asks for all topics, in a thread of the pool; done is called on the loop, with NULL when the bus does not answer, and not at all when the
 * client is closed meanwhile. */
void ec_bus_metadata(rd_kafka_t *rk, void (*done)(void *data, const struct rd_kafka_metadata *metadata), void *data);

/* LOG and ERROR events. Returns true when the error is fatal: the client is of no use any more. */
bool ec_bus_event(rd_kafka_t *rk, const char *role, rd_kafka_event_t *event);

#endif
