/* cjose for JWKs, as in the runtime, OpenSSL for certificates. */
#include "keys.h"

#include <cjose/cjose.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"

static const char *text_of(struct ecc_arena *arena, cjose_jwk_t *key, bool private)
{
    cjose_err error;
    char *text = key ? cjose_jwk_to_json(key, private, &error) : NULL;
    const char *copy = text ? ecc_arena_strdup(arena, text) : NULL;

    cjose_get_dealloc()(text);
    cjose_jwk_release(key);
    return copy;
}

const char *ecc_key_new(struct ecc_arena *arena, const char *kid)
{
    cjose_err error;
    cjose_jwk_t *key = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &error);

    if (key && !cjose_jwk_set_kid(key, kid, strlen(kid), &error)) {
        cjose_jwk_release(key);
        key = NULL;
    }
    return text_of(arena, key, true);
}

const char *ecc_key_public(struct ecc_arena *arena, const char *jwk)
{
    cjose_err error;

    return text_of(arena, cjose_jwk_import(jwk, strlen(jwk), &error), false);
}

const char *ecc_random_hex(struct ecc_arena *arena)
{
    unsigned char bytes[32];
    char *text = ecc_arena_alloc(arena, sizeof bytes * 2 + 1);

    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return NULL;
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return text;
}

/* ------------------------------------------------------------------ certificates */

/* A certificate for name signed by issuer's key (itself when issuer is NULL). */
static X509 *certificate(EVP_PKEY *key, const char *name, const char *names, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *cert = X509_new();
    X509V3_CTX context;
    uint64_t serial;

    if (!cert || RAND_bytes((unsigned char *)&serial, sizeof serial) != 1)
        return NULL;
    X509_set_version(cert, 2);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 10L * 365 * 24 * 3600);
    X509_set_pubkey(cert, key);
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : subject);
    X509V3_set_ctx(&context, issuer ? issuer : cert, cert, NULL, NULL, 0);

    const struct {
        int nid;
        const char *ca, *leaf;
    } extensions[] = {
        {NID_basic_constraints, "critical,CA:TRUE,pathlen:0", "critical,CA:FALSE"},
        {NID_key_usage, "critical,keyCertSign,cRLSign", "critical,digitalSignature"},
        {NID_ext_key_usage, NULL, "serverAuth"},
        {NID_subject_alt_name, NULL, names},
        {NID_subject_key_identifier, "hash", "hash"},
    };
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        const char *value = issuer ? extensions[i].leaf : extensions[i].ca;
        X509_EXTENSION *extension = value ? X509V3_EXT_conf_nid(NULL, &context, extensions[i].nid, value) : NULL;
        if (extension)
            X509_add_ext(cert, extension, -1);
        X509_EXTENSION_free(extension);
    }
    if (!X509_sign(cert, issuer_key ? issuer_key : key, EVP_sha256())) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

static const char *pem(struct ecc_arena *arena, X509 *cert, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *copy = NULL;
    char *text;
    long n;

    if (bio && (!cert || PEM_write_bio_X509(bio, cert)) && (!key || PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) &&
        (n = BIO_get_mem_data(bio, &text)) > 0)
        copy = ecc_arena_strndup(arena, text, (size_t)n);
    BIO_free(bio);
    return copy;
}

bool ecc_authority_new(struct ecc_arena *arena, const char *name, const char *names, struct ecc_authority *made)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *ca = ca_key ? certificate(ca_key, name, NULL, NULL, NULL) : NULL;
    X509 *cert = ca && key ? certificate(key, "localhost", names, ca, ca_key) : NULL;

    *made = (struct ecc_authority){0};
    if (cert)
        *made = (struct ecc_authority){pem(arena, ca, NULL), pem(arena, cert, NULL), pem(arena, NULL, key)};
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return made->ca && made->certificate && made->key;
}

bool ecc_certificate_is_for(const char *text, const char *host)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool is = cert && X509_check_host(cert, host, 0, 0, NULL) == 1;

    X509_free(cert);
    BIO_free(bio);
    return is;
}
