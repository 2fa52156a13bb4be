/* The outbox for pg.c: see relay.h for the producer's side and ec_publish in ec.h. */
#ifndef EC_OUTBOX_H
#define EC_OUTBOX_H

#include <stdbool.h>

void ec_outbox_start(void);
void ec_outbox_drain(void);
bool ec_outbox_idle(void);
void ec_outbox_stop(void);

#endif
