/* A certificate authority of the test's own, and certificates that it signs, as PEM files in a directory of the test's. */
#ifndef TLS_TEST_H
#define TLS_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct authority { EVP_PKEY *key; X509 *cert; char dir[64]; long serial; };

static inline void write_pem(const struct authority *a, const char *name, X509 *cert, EVP_PKEY *key)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", a->dir, name);
    file = fopen(path, "w");
    if (cert)
        PEM_write_X509(file, cert);
    if (key)
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
}

static inline X509 *new_certificate(struct authority *a, EVP_PKEY *key, const char *name, const char *alternatives, bool is_authority)
{
    X509 *cert = X509_new();
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++a->serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, a->cert ? X509_get_subject_name(a->cert) : X509_get_subject_name(cert));
    X509_set_pubkey(cert, key);
    X509V3_set_ctx(&context, a->cert ? a->cert : cert, cert, NULL, NULL, 0);
    extension = is_authority ? X509V3_EXT_conf_nid(NULL, &context, NID_basic_constraints, "critical,CA:TRUE")
                             : X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, alternatives);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(cert, a->key, EVP_sha256());
    return cert;
}

/* ca.pem */
static inline void make_authority(struct authority *a)
{
    snprintf(a->dir, sizeof(a->dir), "/tmp/ec-test-tls-XXXXXX");
    if (!mkdtemp(a->dir))
        abort();
    a->key = EVP_EC_gen("P-256");
    a->cert = new_certificate(a, a->key, "test authority", NULL, true);
    write_pem(a, "ca.pem", a->cert, NULL);
}

/* <name>.pem and <name>.key */
static inline void make_certificate_for(struct authority *a, const char *name, const char *alternatives)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = new_certificate(a, key, name, alternatives, false);
    char file[64];

    snprintf(file, sizeof(file), "%s.pem", name);
    write_pem(a, file, cert, NULL);
    snprintf(file, sizeof(file), "%s.key", name);
    write_pem(a, file, NULL, key);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static inline const char *tls_file(const struct authority *a, const char *name)
{
    static char paths[4][128];
    static int at;

    at = (at + 1) % 4;
    snprintf(paths[at], sizeof(paths[at]), "%s/%s", a->dir, name);
    return paths[at];
}

static inline void drop_authority(struct authority *a, const char *const *names)
{
    for (; *names; names++)
        unlink(tls_file(a, *names));
    unlink(tls_file(a, "ca.pem"));
    rmdir(a->dir);
    X509_free(a->cert);
    EVP_PKEY_free(a->key);
}

#endif
