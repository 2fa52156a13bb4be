/* What operators ask a process: /livez, /readyz and /metrics. */
#ifndef EC_HEALTH_H
#define EC_HEALTH_H

#include "http.h"

/* Answers when the exchange asks for one of them; false: it does not, and is not touched. No token is needed. */
bool ec_health_handle(struct ec_http_exchange *exchange);

/* `DELETE /breakers` and `DELETE /near` of a process of development call them; NULL where there is no edge, and where nothing is kept of a
 * cache. */
extern void (*ec_health_renew)(void), (*ec_health_forget)(void);

/* Adds `"module": "reason"` members of a JSON object for each module that is not ready; true when there is none and the process doesn't
 * drain. */
bool ec_health_ready(struct ec_buf *reasons);

/* Reads what the process itself costs into its metrics, as a scrape of it does: the other workers tell it of all. */
void ec_health_measure(void);

/* The command `health`: is the process that listens there ready? 0, or 1 with the reason on stderr, or its answer on stdout.
 * listens_only: a TCP connection is enough. ec_health_of_service takes host and port from the configuration of ec_app.service; 78. */
int ec_health_command(const char *host, int port, bool listens_only);
int ec_health_of_service(void);

#endif
