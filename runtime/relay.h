/* Between the outbox and the bus: outbox.c owns the rows, the producer owns the bus. All on the loop's thread. */
#ifndef EC_RELAY_H
#define EC_RELAY_H

#include "ec.h"

struct ec_relay_row { /* lives until delivered is called */
    int64_t id;
    struct ec_uuid event_id;
    struct ec_str topic, key, type, body; /* type: "Shown.v1" */
    struct ec_str traceparent;            /* p NULL: none */
    int64_t created_at;
    struct ec_trace span;                 /* of the message, made from traceparent; used only where that is there */
    uint64_t began_ns;
};

struct ec_relay_sink {
    bool (*ready)(void); /* false: nothing is produced; asked again every 100 ms */
    /* Takes the row, and calls delivered exactly once, in a later turn: ok when the bus has it for good. Returns false, and doesn't call
     * it, when it can't take more now. Rows of one key are handed over one after another, each after the delivery of the one before. */
    bool (*produce)(const struct ec_relay_row *row, void (*delivered)(void *data, bool ok), void *data);
};
/* Registers the producer (NULL: takes it away; it has called delivered for all by then, or never will). Before or after the database's
 * start. */
void ec_relay_register(const struct ec_relay_sink *sink);

#endif
