/* HTTP/1.1 (RFC 9110, 9112): one re2c grammar for requests and replies, a server, and a keep-alive client for internal hops.
 *
 * Server: a connection has a queue of exchanges (pipelining keeps order); an exchange's request lives until it is answered. Every
 * exchange must be answered exactly once, from any later turn or at once. When the client goes away `gone` is called and the answer
 * is dropped. TLS when the server is given a certificate.
 */
#ifndef EC_HTTP_H
#define EC_HTTP_H

#include "app.h"

struct ec_header { struct ec_str name, value; }; /* names as sent; compare with ec_header_is */
enum { EC_HTTP_MAX_HEADERS = 64, EC_HTTP_MAX_HEAD = 16 * 1024, EC_HTTP_MAX_BODY = 1024 * 1024 };

struct ec_http_request {
    struct ec_str method, target, path, query; /* path: before `?`, undecoded; query: after it */
    struct ec_header headers[EC_HTTP_MAX_HEADERS];
    size_t nheaders;
    struct ec_str body; /* whole, chunked is undone */
    bool keep_alive;
    char peer[48];      /* address */
};
struct ec_http_exchange;
struct ec_http_server;

struct ec_str ec_http_header(const struct ec_http_request *request, const char *name); /* p NULL: absent; several: the first */
bool ec_header_is(struct ec_str name, const char *lower);

struct ec_http_server_options {
    const char *host;        /* "127.0.0.1" */
    int port;                /* 0: any; see ec_http_server_port */
    bool reuse_port;
    const char *tls_cert, *tls_key; /* PEM files, or NULL */
    size_t max_body;         /* 0: EC_HTTP_MAX_BODY */
    int header_timeout_ms, body_timeout_ms, idle_timeout_ms; /* 0: 10 s, 20 s, 60 s */
    int max_connections;     /* 0: 4096 */
    /* Called with a whole request. `data` is the server's. */
    void (*handle)(struct ec_http_exchange *exchange, void *data);
    void *data;
};
/* Listens. Returns NULL with a message in *why ("address 127.0.0.1:8080 is in use"). */
struct ec_http_server *ec_http_server_start(uv_loop_t *loop, const struct ec_http_server_options *options, const char **why);
int ec_http_server_port(const struct ec_http_server *server);
/* The end of a server, without a request that fails for it: every reply says `connection: close` from now on, and whoever gets one goes
 * elsewhere. After delay_ms nothing more is accepted and idle connections close, busy ones after their reply. */
void ec_http_server_drain(struct ec_http_server *server, int64_t delay_ms);
bool ec_http_server_idle(const struct ec_http_server *server);
void ec_http_server_stop(struct ec_http_server *server);

const struct ec_http_request *ec_http_exchange_request(const struct ec_http_exchange *exchange);
struct ec_arena *ec_http_exchange_arena(struct ec_http_exchange *exchange); /* freed after the answer is written */
void ec_http_exchange_set(struct ec_http_exchange *exchange, void *data, void (*gone)(struct ec_http_exchange *exchange, void *data));
/* headers: whole lines with CRLF, or n 0; content-length, date and connection are added. body is copied or written before returning.
 * status 204 and 304 have none. */
void ec_http_reply(struct ec_http_exchange *exchange, int status, struct ec_str content_type, struct ec_str headers, struct ec_str body);
/* A 200 in pieces, which ends with its connection: its owner writes until ec_http_stream_end, also when the client is gone (`gone` tells).
 * A piece is left out, and false returned, while the client does not take what it has. */
void ec_http_stream(struct ec_http_exchange *exchange, struct ec_str content_type, struct ec_str headers);
bool ec_http_stream_write(struct ec_http_exchange *exchange, struct ec_str piece);
void ec_http_stream_end(struct ec_http_exchange *exchange);
/* application/problem+json (RFC 9457). detail or NULL; trace_id 16 bytes or NULL; field: the path of the offending field or NULL. */
void ec_http_problem(struct ec_http_exchange *exchange, const struct ec_error *error, const char *detail, const uint8_t *trace_id,
                     struct ec_str headers);
void ec_problem_write(struct ec_buf *buf, const struct ec_error *error, const char *detail, const uint8_t *trace_id);
/* Faults: announces the whole body, sends `keep` bytes of it and closes. */
void ec_http_reply_truncated(struct ec_http_exchange *exchange, int status, struct ec_str content_type, struct ec_str body, size_t keep);
void ec_http_close(struct ec_http_exchange *exchange); /* drops the connection without an answer (faults) */

/* ------------------------------------------------------------------ client */

struct ec_http_client; /* connections to one origin list, kept alive; picks the least loaded, skips one that just failed */
struct ec_http_client *ec_http_client_new(uv_loop_t *loop, const char *urls, int max_connections, const char **why);
const char *ec_http_urls_check(const char *urls); /* why they can't be used, to follow their name; or NULL */
void ec_http_client_stop(struct ec_http_client *client);

struct ec_http_reply {
    int status;
    const struct ec_header *headers;
    size_t nheaders;
    struct ec_str body;
    struct ec_origin *origin; /* who has answered */
};
enum ec_http_outcome {
    EC_HTTP_OK,
    EC_HTTP_REFUSED,   /* not sent: no connection could be made */
    EC_HTTP_LATE,      /* not sent: the time passed while a connection was awaited */
    EC_HTTP_BROKEN,    /* sent, or partly: the outcome is unknown */
    EC_HTTP_TIMED_OUT, /* likewise; the connection is closed */
    EC_HTTP_MALFORMED,
};
struct ec_http_call; /* one request in flight */
/* head: request line and headers with CRLF, without host, content-length and the empty line. Copied. done is called once, never from
 * inside; reply (NULL unless OK) lives until done returns. A request on a reused connection that closed before any byte of the answer is
 * sent again once only if `repeatable`. */
struct ec_http_call *ec_http_send(struct ec_http_client *client, struct ec_str head, struct ec_str body, int64_t timeout_ms,
                                  bool repeatable,
                                  void (*done)(void *data, enum ec_http_outcome outcome, const struct ec_http_reply *reply), void *data);
void ec_http_cancel(struct ec_http_call *call); /* done is not called any more */
/* Whoever gave this answer is not asked for a second, unless there is nobody else. */
void ec_http_avoid(struct ec_http_client *client, const struct ec_http_reply *reply);

/* ------------------------------------------------------------------ parser (http_parser.re), also for tests and fuzzers */

enum ec_http_parse { EC_PARSE_DONE, EC_PARSE_MORE, EC_PARSE_BAD };
struct ec_http_head {
    struct ec_str method, target; /* request */
    int status;                   /* reply */
    int minor;                    /* HTTP/1.minor */
    struct ec_header headers[EC_HTTP_MAX_HEADERS];
    size_t nheaders;
    size_t length;                /* of the head, with the empty line */
    int64_t content_length;       /* -1: none */
    bool chunked, keep_alive, expect_continue, has_host;
    const char *why;              /* BAD */
    int bad_status;               /* 400, 414, 417, 431, 501, 505 */
};
enum ec_http_parse ec_http_parse_request(const char *p, size_t n, struct ec_http_head *head);
enum ec_http_parse ec_http_parse_reply(const char *p, size_t n, struct ec_http_head *head);

#endif
