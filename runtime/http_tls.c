/* TLS on OpenSSL with two memory BIOs: bytes from the socket go in, bytes for the socket come out, nothing here blocks or owns a socket.
 *
 * TLS 1.2 and up, no renegotiation, no compression, ALPN http/1.1 (a client that insists on another protocol is refused). The context
 * belongs to the server, a filter to its connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "http_tls.h"

struct ec_tls_context {
    SSL_CTX *ssl;
};

struct ec_tls {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
};

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in, unsigned int inlen,
                           void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto((unsigned char **)out, outlen, ours, sizeof(ours) - 1, in, inlen) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

static struct ec_tls_context *refuse(SSL_CTX *ssl, const char **why, const char *what, const char *file)
{
    static char message[512];
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    snprintf(message, sizeof(message), "%s %s: %s", what, file, reason ? reason : "can't be read");
    *why = message;
    ERR_clear_error();
    SSL_CTX_free(ssl);
    return NULL;
}

struct ec_tls_context *ec_tls_context_new(const char *cert, const char *key, const char **why)
{
    struct ec_tls_context *context;
    SSL_CTX *ssl;

    ERR_clear_error();
    ssl = SSL_CTX_new(TLS_server_method());
    if (!ssl)
        return refuse(NULL, why, "TLS for", cert);
    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    SSL_CTX_set_options(ssl,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
    if (SSL_CTX_use_certificate_chain_file(ssl, cert) != 1)
        return refuse(ssl, why, "certificate", cert);
    if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1)
        return refuse(ssl, why, "key", key);
    if (SSL_CTX_check_private_key(ssl) != 1)
        return refuse(ssl, why, "key", key);
    context = calloc(1, sizeof(*context));
    if (!context)
        abort();
    context->ssl = ssl;
    return context;
}

void ec_tls_context_free(struct ec_tls_context *context)
{
    if (!context)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}

struct ec_tls *ec_tls_new(struct ec_tls_context *context)
{
    struct ec_tls *tls = calloc(1, sizeof(*tls));

    if (!tls)
        abort();
    tls->ssl = SSL_new(context->ssl);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (!tls->ssl || !tls->in || !tls->out)
        abort();
    BIO_set_mem_eof_return(tls->in, -1);
    BIO_set_mem_eof_return(tls->out, -1);
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void ec_tls_free(struct ec_tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    free(tls);
}

bool ec_tls_receive(struct ec_tls *tls, const char *p, size_t n)
{
    return BIO_write(tls->in, p, (int)n) == (int)n;
}

int ec_tls_read(struct ec_tls *tls, char *p, int n)
{
    int got, error;

    ERR_clear_error(); /* what an earlier connection left would be taken for this one's */
    got = SSL_read(tls->ssl, p, n);
    if (got > 0)
        return got;
    error = SSL_get_error(tls->ssl, got);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

bool ec_tls_write(struct ec_tls *tls, const char *p, size_t n)
{
    ERR_clear_error();
    return n == 0 || SSL_write(tls->ssl, p, (int)n) == (int)n;
}

void ec_tls_close(struct ec_tls *tls)
{
    ERR_clear_error();
    if (SSL_is_init_finished(tls->ssl) && !(SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN))
        SSL_shutdown(tls->ssl);
}

void ec_tls_take(struct ec_tls *tls, struct ec_buf *wire)
{
    size_t pending = BIO_ctrl_pending(tls->out);
    int got;

    if (pending == 0)
        return;
    got = BIO_read(tls->out, ec_buf_reserve(wire, pending), (int)pending);
    if (got > 0)
        wire->n += (size_t)got;
}
