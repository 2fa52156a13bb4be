/* The server with a certificate: what it serves, and what it refuses. */
#include "http_world.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static char cert_file[] = "/tmp/ec-test-cert-XXXXXX", key_file[] = "/tmp/ec-test-key-XXXXXX";

static int make_certificate(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    FILE *file;

    (void)state;
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    file = fdopen(mkstemp(cert_file), "w");
    PEM_write_X509(file, cert);
    fclose(file);
    file = fdopen(mkstemp(key_file), "w");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
    return 0;
}

static int drop_certificate(void **state)
{
    (void)state;
    unlink(cert_file);
    unlink(key_file);
    return 0;
}

/* A client of its own thread, since OpenSSL's is a blocking one here. */
struct tls_client { uv_thread_t thread; int port, max_version, status; size_t got; char text[256]; bool done; const char *send; };

static void run_tls(void *data)
{
    struct tls_client *c = data;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), n;
    static char sink[65536];
    SSL *ssl;

    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    if (c->max_version)
        SSL_CTX_set_max_proto_version(context, c->max_version);
    ssl = SSL_new(context);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
        SSL_set_fd(ssl, fd);
        c->status = SSL_connect(ssl);
        if (c->status == 1) {
            SSL_write(ssl, c->send, (int)strlen(c->send));
            while ((n = SSL_read(ssl, sink, sizeof(sink))) > 0) {
                if (c->got < sizeof(c->text) - 1) {
                    size_t take = (size_t)n < sizeof(c->text) - 1 - c->got ? (size_t)n : sizeof(c->text) - 1 - c->got;

                    memcpy(c->text + c->got, sink, take);
                }
                c->got += (size_t)n;
            }
            c->status = SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN ? 1 : -2;
        }
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
    __atomic_store_n(&c->done, true, __ATOMIC_RELEASE);
}

static struct tls_client *tls_exchange(struct world *w, const char *text, int max_version)
{
    static struct tls_client c;

    c = (struct tls_client){.port = ec_http_server_port(w->server), .send = text, .max_version = max_version};
    uv_thread_create(&c.thread, run_tls, &c);
    TURN_UNTIL(&w->loop, __atomic_load_n(&c.done, __ATOMIC_ACQUIRE));
    uv_thread_join(&c.thread);
    return &c;
}

static void tls(void **state)
{
    struct world *w = open_with((struct ec_http_server_options){.tls_cert = cert_file, .tls_key = key_file, .header_timeout_ms = 400});
    struct tls_client *c;
    int fd;

    (void)state;
    c = tls_exchange(
        w, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 0);
    assert_int_equal(c->status, 1); /* and close_notify at the end */
    assert_non_null(strstr(c->text, "hello"));
    c = tls_exchange(w, "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", TLS1_2_VERSION);
    assert_int_equal(c->status, 1);
    assert_in_range(c->got, LARGE, LARGE + 1000);
    c = tls_exchange(w, "GET / HTTP/1.1\r\n\r\n", 0);
    assert_non_null(strstr(c->text, "HTTP/1.1 400"));
    c = tls_exchange(w, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", TLS1_1_VERSION);
    assert_int_not_equal(c->status, 1);
    /* Plain text, and a handshake that never comes. */
    fd = dial(w);
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_end(&w->loop, fd, &r);
    assert_null(strstr(r.p, "HTTP"));
    close(fd);
    fd = dial(w);
    expect_end(&w->loop, fd, &r);
    close(fd);
    assert_int_equal(w->handled, 3);
    close_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tls)};

    return cmocka_run_group_tests_name("http_tls", tests, make_certificate, drop_certificate);
}
