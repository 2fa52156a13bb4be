/* TLS for the server's side of a connection, as a filter between bytes: the sockets stay with http_conn.c. */
#ifndef EC_HTTP_TLS_H
#define EC_HTTP_TLS_H

#include "arena.h"

struct ec_tls_context;
struct ec_tls;

/* Certificate chain and key, PEM files. NULL with a message in *why (static storage, until the next call). */
struct ec_tls_context *ec_tls_context_new(const char *cert, const char *key, const char **why);
void ec_tls_context_free(struct ec_tls_context *context);

struct ec_tls *ec_tls_new(struct ec_tls_context *context);
void ec_tls_free(struct ec_tls *tls);
bool ec_tls_receive(struct ec_tls *tls, const char *p, size_t n); /* what the socket read */
/* Plain text that has arrived: bytes, 0 when more must be received first, -1 when the peer is done or the connection is broken. Call
 * ec_tls_take after it in each case: a handshake or an alert may wait to be sent. */
int ec_tls_read(struct ec_tls *tls, char *p, int n);
bool ec_tls_write(struct ec_tls *tls, const char *p, size_t n); /* plain text to be sent */
void ec_tls_close(struct ec_tls *tls);                          /* adds close_notify */
void ec_tls_take(struct ec_tls *tls, struct ec_buf *wire);      /* adds what the socket must write */

#endif
