/* The client's inside: http_client.c has the calls and the pool, http_client_conn.c the connections. */
#ifndef EC_HTTP_CLIENT_H
#define EC_HTTP_CLIENT_H

#include <netinet/in.h>

#include "http_parse.h"

enum {
    EC_CLIENT_MAX_REPLY = 8 * 1024 * 1024,
    EC_CLIENT_MAX_WAITING = 1024,
    EC_CLIENT_MAX_ORIGINS = 32,
    EC_CLIENT_IDLE_MS = 30000,    /* less than a server's, so that it is the client that closes */
    EC_CLIENT_TRUST_MS = 50,      /* idle for longer: looked at before it is used again */
    EC_CLIENT_AVOID_MS = 1000,    /* an origin that failed */
    EC_CLIENT_FAULTS = 5,         /* answers of 500 or 502 one after the other: it has failed */
};

struct ec_origin {
    char *host, *port;
    char *host_line;              /* "host: a:1\r\n\r\n": the last line of each head */
    struct sockaddr_storage address;
    bool numeric;                 /* address is known, and no name has to be looked up */
    int busy;                     /* calls on its connections */
    struct ec_client_conn *idle;  /* last used first */
    uint64_t avoid_until;
    int faults;                   /* one after the other */
};

struct ec_http_client {
    uv_loop_t *loop;
    struct ec_origin origins[EC_CLIENT_MAX_ORIGINS];
    int norigins;
    int max_connections, nconns;
    struct ec_http_call *waiting, **waiting_end;
    int nwaiting;
    struct ec_http_call *calls;   /* all that live, in flight or free */
    struct ec_http_call *free_calls;
    struct ec_client_conn *conns;
    uv_timer_t sweep;
    int handles;                  /* open: the timers of calls, the sweep, the connections */
    bool stopping;
};

struct ec_http_call {
    uv_timer_t timer;             /* the timeout; or, when the end is known inside ec_http_send, that end */
    struct ec_http_client *client;
    struct ec_http_call *next;    /* waiting or free */
    struct ec_http_call *all;
    struct ec_client_conn *conn;
    struct ec_buf request;        /* head up to the host line, then the body */
    size_t head;                  /* where the body begins */
    uint32_t tried;               /* origins that refused */
    bool repeatable, retried, live, queued, ended;
    bool sent;                    /* some byte of it, on a connection that is no more */
    enum ec_http_outcome outcome; /* with ended */
    void (*done)(void *data, enum ec_http_outcome outcome, const struct ec_http_reply *reply);
    void *data;
};

struct ec_client_conn {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    uv_getaddrinfo_t resolve;
    struct ec_http_client *client;
    struct ec_origin *origin;
    struct ec_client_conn *prev, *next;      /* all */
    struct ec_client_conn *idle_next;
    struct ec_http_call *call;
    enum { EC_CLIENT_RESOLVING, EC_CLIENT_CONNECTING, EC_CLIENT_IDLE, EC_CLIENT_BUSY, EC_CLIENT_CLOSED } state;
    bool reused, resolving, closed, writing, have_head;
    bool sent;                    /* some byte of the request */
    uint64_t idle_since;
    struct ec_buf in, body;       /* the reply as far as it is here; a chunked body */
    size_t head_length;
    int64_t content_length;
    bool chunked;
    struct ec_http_chunks chunks;
};

/* http_client.c */
void ec_client_dispatch(struct ec_http_client *client);
void ec_client_finish(struct ec_http_call *call, enum ec_http_outcome outcome, const struct ec_http_reply *reply);
void ec_client_finish_soon(struct ec_http_call *call, enum ec_http_outcome outcome);
void ec_client_requeue(struct ec_http_call *call); /* first in line */
void ec_client_avoid(struct ec_http_client *client, struct ec_origin *origin); /* for a while */
void ec_client_handle_closed(struct ec_http_client *client);

/* http_client_conn.c */
void ec_client_connect(struct ec_http_client *client, struct ec_origin *origin, struct ec_http_call *call);
struct ec_client_conn *ec_client_take_idle(struct ec_origin *origin);
void ec_client_write(struct ec_client_conn *conn, struct ec_http_call *call);
void ec_client_close(struct ec_client_conn *conn);

#endif
