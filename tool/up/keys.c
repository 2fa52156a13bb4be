/* Secrets and keys of a development system, under .ecom/secrets, made once and kept:
 *
 *  - a P-256 key pair for each service and gateway (service tokens); who is called gets the public halves of its callers;
 *  - a random value for each secret that the topology names, unless our own environment has it;
 *  - a certificate authority and one certificate for 127.0.0.1, for the stand-ins.
 */
#include "up.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outset.h"
#include "keys.h"

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
    const char *path = ecc_up_path(up, "secrets/%s.jwk", name), *text;

    if (!access(path, R_OK))
        return 0;
    if (!(text = ecc_key_new(up->arena, name)))
        return ecc_say_error(ECC_EXIT_INTERNAL, "a key for %s can't be made", name);
    return ecc_write_private(path, text) ? failed(path) : 0;
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
    const char *path = ecc_up_path(up, "secrets/%s.jwk", name), *half = NULL;
    size_t n;
    char *text = ecc_read_file(up->arena, path, &n);

    if (!text || !(half = ecc_key_public(up->arena, text)))
        ecc_say_error(ECC_EXIT_IO, "%s: not a key; remove it, and a new one is made", path);
    return half;
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
    const char *path = ecc_up_path(up, "secrets/%s", name), *text;

    if (getenv(name) || access(path, R_OK) == 0)
        return 0;
    if (!(text = ecc_random_hex(up->arena)))
        return ecc_say_error(ECC_EXIT_INTERNAL, "no random bytes are to be had");
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

static int authority(struct ecc_up *up)
{
    const char *ca_path = ecc_up_path(up, "secrets/ca.pem"), *cert_path = ecc_up_path(up, "secrets/tls.pem"),
               *key_path = ecc_up_path(up, "secrets/tls.key");
    struct ecc_authority made;

    if (!access(ca_path, R_OK) && !access(cert_path, R_OK) && !access(key_path, R_OK))
        return 0;
    if (!ecc_authority_new(up->arena, "ecom development authority", "DNS:localhost,IP:127.0.0.1,IP:::1", &made))
        return ecc_say_error(ECC_EXIT_INTERNAL, "a certificate can't be made");
    if (ecc_write_private(key_path, made.key) || ecc_write_private(cert_path, made.certificate) || ecc_write_private(ca_path, made.ca))
        return failed(ca_path);
    return 0;
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
