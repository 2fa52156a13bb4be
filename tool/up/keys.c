/* Secrets and keys of a development system, under .ecom/secrets, made once and kept:
 *
 *  - a P-256 key pair for each service and gateway (service tokens); who is called gets the public halves of its callers;
 *  - a random value for each secret that the topology names, unless our own environment has it;
 *  - a certificate authority and one certificate for 127.0.0.1, for the stand-ins.
 */
#include "up.h"

#include <cjose/cjose.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outset.h"

static int failed(const char *path)
{
    return ecc_say_error(ECC_EXIT_IO, "%s: %s", path, strerror(errno));
}

static bool is_program(const struct ecc_node *node)
{
    return node->kind == ECC_NODE_SERVICE || node->kind == ECC_NODE_GATEWAY;
}

static int service_key(struct ecc_up *up, const char *name)
{
    const char *path = ecc_up_path(up, "secrets/%s.jwk", name);
    cjose_err error;
    char *text = NULL;

    if (!access(path, R_OK))
        return 0;
    cjose_jwk_t *key = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &error);
    if (key && cjose_jwk_set_kid(key, name, strlen(name), &error))
        text = cjose_jwk_to_json(key, true, &error);
    int code = 0;
    if (!text)
        code = ecc_say_error(ECC_EXIT_INTERNAL, "a key for %s can't be made", name);
    else if (ecc_write_private(path, text))
        code = failed(path);
    cjose_get_dealloc()(text);
    cjose_jwk_release(key);
    return code;
}

static int service_keys(struct ecc_up *up)
{
    int code = 0;

    for (size_t i = 0; i < up->model->nnodes && !code; i++)
        if (is_program(up->model->nodes[i]))
            code = service_key(up, up->model->nodes[i]->name);
    return code;
}

/* The public half of a key that service_key has made, or NULL after saying why. */
static const char *public_half(struct ecc_up *up, const char *name)
{
    const char *path = ecc_up_path(up, "secrets/%s.jwk", name);
    size_t n;
    char *text = ecc_read_file(up->arena, path, &n), *half = NULL;
    cjose_err error;
    cjose_jwk_t *key = text ? cjose_jwk_import(text, n, &error) : NULL;

    if (key && (half = cjose_jwk_to_json(key, false, &error)))
        text = ecc_arena_strdup(up->arena, half);
    else
        ecc_say_error(ECC_EXIT_IO, "%s: not a key; remove it, and a new one is made", path);
    bool good = half != NULL;
    cjose_get_dealloc()(half);
    cjose_jwk_release(key);
    return good ? text : NULL;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *ecc_up_callers_keys(struct ecc_up *up, const struct ecc_node *node)
{
    const char **names = ECC_NEW_ARRAY(up->arena, const char *, node->nin), *keys = "";
    size_t n = 0;

    for (size_t i = 0; i < node->nin; i++)
        if (is_program(node->in[i]->from))
            names[n++] = node->in[i]->from->name;
    if (n)
        qsort(names, n, sizeof names[0], by_text); /* another order of the edges is no change */
    for (size_t i = 0; i < n; i++) {
        const char *key = public_half(up, names[i]);
        if (!key)
            return NULL;
        keys = ecc_arena_printf(up->arena, "%s%s%s", keys, i ? ", " : "", key);
    }
    keys = ecc_arena_printf(up->arena, "{\"keys\": [%s]}", keys);
    const char *path = ecc_up_path(up, "secrets/%s.callers.%.8s", node->name, ecc_sha256_hex(up->arena, keys, strlen(keys)));
    if (access(path, R_OK) && ecc_write_private(path, keys)) {
        failed(path);
        return NULL;
    }
    return path;
}

static int random_secret(struct ecc_up *up, const char *name)
{
    unsigned char bytes[32];
    char text[sizeof bytes * 2 + 1];
    const char *path = ecc_up_path(up, "secrets/%s", name);

    if (getenv(name) || access(path, R_OK) == 0)
        return 0;
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return ecc_say_error(ECC_EXIT_INTERNAL, "no random bytes are to be had");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return ecc_write_private(path, text) ? failed(path) : 0;
}

static int named_secrets(struct ecc_up *up)
{
    int code = 0;

    for (size_t i = 0; i < up->model->nnodes && !code; i++) {
        const struct ecc_node *node = up->model->nodes[i];
        if (node->kind == ECC_NODE_SERVICE && node->u.service.jwt)
            code = random_secret(up, node->u.service.jwt->secret);
        else if (node->kind == ECC_NODE_EXTERNAL && node->u.external.auth_secret)
            code = random_secret(up, node->u.external.auth_secret);
    }
    return code;
}

/* A certificate for name signed by issuer's key (itself when issuer is NULL). */
static X509 *certificate(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
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

    static const struct { int nid; const char *ca, *leaf; } extensions[] = {
        {NID_basic_constraints, "critical,CA:TRUE,pathlen:0", "critical,CA:FALSE"},
        {NID_key_usage, "critical,keyCertSign,cRLSign", "critical,digitalSignature"},
        {NID_ext_key_usage, NULL, "serverAuth"},
        {NID_subject_alt_name, NULL, "DNS:localhost,IP:127.0.0.1,IP:::1"},
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

static int write_pem(const char *path, X509 *cert, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    int code = -1;

    if (bio && (!cert || PEM_write_bio_X509(bio, cert)) && (!key || PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) &&
        BIO_write(bio, "", 1) == 1 && BIO_get_mem_data(bio, &text) > 0)
        code = ecc_write_private(path, text);
    BIO_free(bio);
    return code;
}

static int authority(struct ecc_up *up)
{
    const char *ca_path = ecc_up_path(up, "secrets/ca.pem"), *cert_path = ecc_up_path(up, "secrets/tls.pem"),
               *key_path = ecc_up_path(up, "secrets/tls.key");
    int code = 0;

    if (!access(ca_path, R_OK) && !access(cert_path, R_OK) && !access(key_path, R_OK))
        return 0;
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *ca = ca_key ? certificate(ca_key, "ecom development authority", NULL, NULL) : NULL;
    X509 *cert = ca && key ? certificate(key, "localhost", ca, ca_key) : NULL;
    if (!cert)
        code = ecc_say_error(ECC_EXIT_INTERNAL, "a certificate can't be made");
    else if (write_pem(key_path, NULL, key) || write_pem(cert_path, cert, NULL) || write_pem(ca_path, ca, NULL))
        code = failed(ca_path);
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key); /* the authority's key is not kept: nobody can sign with it later */
    return code;
}

int ecc_up_keys(struct ecc_up *up)
{
    const char *dir = ecc_up_path(up, "secrets/x");

    (void)dir;
    if (chmod(ecc_up_path(up, "secrets"), 0700))
        return failed("secrets");
    int code = service_keys(up);
    if (!code)
        code = named_secrets(up);
    return code ? code : authority(up);
}
