/* The server's inside: http_server.c listens and sweeps, http_conn.c moves bytes, http_exchange.c makes requests of them and replies. */
#ifndef EC_HTTP_CONN_H
#define EC_HTTP_CONN_H

#include "http_parse.h"
#include "http_tls.h"

enum {
    EC_CONN_MAX_PIPELINE = 64,        /* unanswered requests of a connection; then it is not read on */
    EC_CONN_MAX_UNSENT = 256 * 1024,  /* bytes of answers that the client has not taken; likewise */
    EC_CONN_LARGE = 16 * 1024,        /* bytes of a body from which on it is given to the kernel from where it stands */
    EC_CONN_LINGER_MS = 2000,         /* reading on after the last answer, so that it is not lost to a reset */
};

struct ec_http_server {
    uv_loop_t *loop;
    struct ec_http_server_options options;
    struct ec_tls_context *tls;
    uv_tcp_t listen;
    uv_timer_t sweep;
    uv_timer_t delay;            /* of a drain */
    uv_check_t last;             /* in whose turn the listener ends */
    uv_prepare_t flush;          /* runs right before the loop waits: writes what gathered in a turn */
    struct ec_conn *conns;
    struct ec_conn *dirty;       /* to be flushed */
    int nconns, port;
    int open_handles;            /* of the five above */
    bool draining, stopping, listening;
};

struct ec_conn {
    uv_tcp_t tcp;
    struct ec_http_server *server;
    struct ec_conn *prev, *next, *dirty_next;
    struct ec_tls *tls;
    struct ec_buf in;            /* input that is not yet a whole step of the grammar */
    struct ec_buf out;           /* answers in order, plain */
    struct ec_buf wire;          /* with TLS: encrypted */
    struct ec_buf sending;       /* with the kernel: uv_write is under way */
    size_t queued;               /* of sending, when the sweep last looked */
    uv_write_t write;
    uv_shutdown_t shutdown;
    enum { EC_CONN_HEAD, EC_CONN_BODY, EC_CONN_CHUNKS, EC_CONN_ENDED /* no more requests */, EC_CONN_LINGER } state;
    struct ec_http_exchange *first, *last; /* in the order of their requests; the last may still be receiving */
    struct ec_http_exchange *receiving;
    int outstanding;
    enum ec_conn_awaits { EC_AWAITS_NOTHING, EC_AWAITS_REQUEST, EC_AWAITS_HEAD, EC_AWAITS_BODY } awaits;
    uint64_t deadline;           /* of what is awaited from the client, ms of uv_now; 0: nothing is */
    uint64_t write_deadline;
    bool dirty, writing, in_input, paused, closing, eof, owe_continue;
    char peer[48];
};

struct ec_http_exchange {
    struct ec_conn *conn;        /* NULL: the client is gone */
    struct ec_http_exchange *next;
    struct ec_arena *arena;
    struct ec_http_request request;
    struct ec_buf body;          /* while it comes in pieces */
    size_t body_left;
    struct ec_http_chunks chunks;
    struct ec_buf out;           /* an answer that waits for those before it */
    void *data;
    void (*gone)(struct ec_http_exchange *exchange, void *data);
    bool handed, answered, close, head_only, old, stream; /* old: HTTP/1.0; stream: its answer comes in pieces */
};

/* http_conn.c */
void ec_conn_accept(struct ec_http_server *server);
void ec_conn_close(struct ec_conn *conn);      /* at once */
void ec_conn_wrote(struct ec_conn *conn);      /* something was added to out */
void ec_conn_add_large(struct ec_conn *conn, const char *p, size_t n); /* to out, but for what the kernel takes of both at once */
void ec_conn_flush(struct ec_conn *conn);
void ec_conn_sweep(struct ec_conn *conn, uint64_t now);
bool ec_conn_idle(const struct ec_conn *conn); /* no request, no answer on its way */

/* http_exchange.c: takes requests from conn->in or p[0..n) and says how much it used; stops when the connection ends, is full, or more is
 * wanted. */
void ec_conn_body_arrived(struct ec_conn *conn, size_t n); /* n more bytes stand at the end of receiving->body, behind its n */
size_t ec_conn_parse(struct ec_conn *conn, const char *p, size_t n);
void ec_conn_refuse(struct ec_conn *conn, int status, const char *why); /* an answer in its turn, then the end */
void ec_conn_drop_exchanges(struct ec_conn *conn);

/* http_server.c */
void ec_server_flush_later(struct ec_conn *conn);
void ec_server_conn_closed(struct ec_http_server *server);

#endif
