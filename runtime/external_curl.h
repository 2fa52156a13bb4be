/* HTTPS requests to providers: libcurl's multi interface on the loop. What a request means is external.c's business. */
#ifndef EC_EXTERNAL_CURL_H
#define EC_EXTERNAL_CURL_H

#include "app.h"

enum { EC_CURL_MAX_REPLY = 1024 * 1024, EC_CURL_MAX_HEADERS = 8 };

enum ec_curl_outcome {
    EC_CURL_OK,
    EC_CURL_REFUSED,   /* not sent: no name, no connection, or not the host that it should be */
    EC_CURL_LATE,      /* not sent: the time passed before */
    EC_CURL_BROKEN,    /* sent, or partly */
    EC_CURL_TIMED_OUT, /* likewise */
    EC_CURL_MALFORMED, /* no HTTP, or too large */
};

struct ec_curl_request { /* all of it lives until done */
    const char *method, *url;
    const char *headers[EC_CURL_MAX_HEADERS]; /* "Name: value"; NULL ends it */
    struct ec_str body; /* p NULL: none */
    int64_t timeout_ms;
    bool plain;         /* http:// is allowed: the environment says loopback */
    bool repeatable;    /* may be sent again on a new connection when a reused one turned out closed */
    void (*done)(void *data, enum ec_curl_outcome outcome, int status, struct ec_str body, int retry_after_s, const char *why);
    void *data;
};

int ec_curl_start(uv_loop_t *loop, const char *ca_file, const char **why); /* ca_file: beside the system's, or NULL */
void ec_curl_send(const struct ec_curl_request *request); /* done comes from the loop, once */
void ec_curl_stop(void);                                  /* what is in flight is broken */

#endif
