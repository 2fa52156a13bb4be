/* Signing and checking tokens with libcjose.
 *
 * cjose checks that a key fits the algorithm of the token's header. That alone leaves the choice to whoever made the token, so the header
 * is read here first: its alg must be the key's, its typ the expected one, and nothing may be critical. What it says of keys (jku, x5u,
 * jwk) is not looked at. A key owns its cjose key; everything else is freed before returning.
 */
#include "jws.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cjose/cjose.h>

#include "app.h"
#include "json.h"

enum { MAX_TOKEN = 4096 };

struct ec_jws_key {
    cjose_jwk_t *jwk;
    const char *alg;
};

struct header {
    struct ec_str alg, typ, kid, crit;
};
static const struct ec_field header_fields[] = {
    {.name = "alg", .kind = EC_TEXT, .offset = offsetof(struct header, alg)},
    {.name = "typ", .kind = EC_TEXT, .flags = EC_OPTIONAL, .offset = offsetof(struct header, typ)},
    {.name = "kid", .kind = EC_TEXT, .flags = EC_OPTIONAL, .offset = offsetof(struct header, kid)},
    {.name = "crit", .kind = EC_JSON, .flags = EC_OPTIONAL, .offset = offsetof(struct header, crit)},
};
static const struct ec_record header_record = {"header", sizeof(struct header), header_fields, 4, NULL};

struct jwk {
    struct ec_str kty, crv, kid, d;
};
static const struct ec_field jwk_fields[] = {
    {.name = "kty", .kind = EC_TEXT, .offset = offsetof(struct jwk, kty)},
    {.name = "crv", .kind = EC_TEXT, .flags = EC_OPTIONAL, .offset = offsetof(struct jwk, crv)},
    {.name = "kid", .kind = EC_TEXT, .flags = EC_OPTIONAL, .offset = offsetof(struct jwk, kid)},
    {.name = "d", .kind = EC_SECRET, .flags = EC_OPTIONAL, .offset = offsetof(struct jwk, d)},
};
static const struct ec_record jwk_record = {"jwk", sizeof(struct jwk), jwk_fields, 4, NULL};

static struct ec_jws_key *key_of(cjose_jwk_t *jwk, const char *alg)
{
    struct ec_jws_key *key = malloc(sizeof(*key));

    if (!key)
        ec_panic("out of memory");
    *key = (struct ec_jws_key){jwk, alg};
    return key;
}

static const char *unfit(const struct jwk *jwk, bool private_part)
{
    if (!ec_str_eq(jwk->kty, EC_STR("EC")) || !ec_str_eq(jwk->crv, EC_STR("P-256")))
        return "must be of kty EC on P-256";
    if (private_part && !jwk->d.p)
        return "must have its private part";
    if (!private_part && jwk->d.p)
        return "must be public: it has a private part";
    return NULL;
}

struct ec_jws_key *ec_jws_key_p256(struct ec_str text, bool private_part, char **kid, const char **why)
{
    struct ec_arena *arena = ec_arena_new();
    cjose_jwk_t *imported = NULL;
    struct jwk jwk;
    cjose_err err;

    *kid = NULL;
    if (ec_json_read(arena, text, &jwk_record, &jwk, EC_JSON_LENIENT, NULL) != EC_JSON_OK)
        *why = "must be a JWK";
    else
        *why = unfit(&jwk, private_part);
    if (!*why) {
        imported = cjose_jwk_import(text.p, text.n, &err);
        if (!imported)
            *why = "is not a valid key";
        else if (jwk.kid.p)
            *kid = strndup(jwk.kid.p, jwk.kid.n);
    }
    ec_arena_free(arena);
    return imported ? key_of(imported, "ES256") : NULL;
}

struct ec_jws_key *ec_jws_key_secret(struct ec_str secret)
{
    cjose_jwk_t *jwk;
    cjose_err err;

    if (secret.n < 32)
        return NULL;
    jwk = cjose_jwk_create_oct_spec((const uint8_t *)secret.p, secret.n, &err);
    return jwk ? key_of(jwk, "HS256") : NULL;
}

void ec_jws_key_free(struct ec_jws_key *key)
{
    if (!key)
        return;
    cjose_jwk_release(key->jwk);
    free(key);
}

bool ec_jws_sign(const struct ec_jws_key *key, const char *typ, const char *kid, struct ec_str payload, struct ec_buf *out)
{
    cjose_err err;
    cjose_header_t *header = cjose_header_new(&err);
    cjose_jws_t *jws = NULL;
    const char *text = NULL;
    bool ok;

    ok = header && cjose_header_set(header, CJOSE_HDR_ALG, key->alg, &err) && cjose_header_set(header, "typ", typ, &err) &&
         (!kid || cjose_header_set(header, CJOSE_HDR_KID, kid, &err));
    if (ok)
        jws = cjose_jws_sign(key->jwk, header, (const uint8_t *)payload.p, payload.n, &err);
    ok = jws && cjose_jws_export(jws, &text, &err);
    if (ok)
        ec_buf_str(out, text);
    cjose_jws_release(jws);
    cjose_header_release(header);
    return ok;
}

static int base64url_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Without padding, as JWS has it. */
static bool base64url(struct ec_arena *arena, struct ec_str text, struct ec_str *out)
{
    char *p = ec_arena_alloc(arena, text.n), *at = p;
    unsigned bits = 0, held = 0;
    size_t i;

    for (i = 0; i < text.n; i++) {
        int digit = base64url_digit(text.p[i]);

        if (digit < 0)
            return false;
        bits = (bits << 6 | (unsigned)digit) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *at++ = (char)(bits >> held);
        }
    }
    if (held >= 6 || (bits & ((1u << held) - 1)))
        return false;
    *out = (struct ec_str){p, (size_t)(at - p)};
    return true;
}

static bool read_header(struct ec_arena *arena, struct ec_str token, struct header *header)
{
    const char *dot, *second;
    struct ec_str text;

    if (!token.p || token.n > MAX_TOKEN)
        return false;
    dot = memchr(token.p, '.', token.n);
    second = dot ? memchr(dot + 1, '.', token.n - (size_t)(dot + 1 - token.p)) : NULL;
    if (!second || memchr(second + 1, '.', token.n - (size_t)(second + 1 - token.p)))
        return false;
    return base64url(arena, (struct ec_str){token.p, (size_t)(dot - token.p)}, &text) &&
           ec_json_read(arena, text, &header_record, header, EC_JSON_LENIENT, NULL) == EC_JSON_OK;
}

bool ec_jws_kid(struct ec_arena *arena, struct ec_str token, struct ec_str *kid)
{
    struct header header;

    if (!read_header(arena, token, &header) || !header.kid.p)
        return false;
    *kid = header.kid;
    return true;
}

static bool same_text(struct ec_str text, const char *expected, bool any_case)
{
    return text.p && text.n == strlen(expected) && (any_case ? strncasecmp : strncmp)(text.p, expected, text.n) == 0;
}

bool ec_jws_verify(const struct ec_jws_key *key, const char *typ, struct ec_str token, struct ec_buf *payload)
{
    struct ec_arena *arena = ec_arena_new();
    struct header header;
    cjose_jws_t *jws = NULL;
    uint8_t *text = NULL;
    size_t n = 0;
    cjose_err err;
    bool ok;

    ok = read_header(arena, token, &header) && same_text(header.alg, key->alg, false) && same_text(header.typ, typ, true) && !header.crit.p;
    if (ok)
        jws = cjose_jws_import(token.p, token.n, &err);
    ok = jws && cjose_jws_verify(jws, key->jwk, &err) && cjose_jws_get_plaintext(jws, &text, &n, &err);
    if (ok)
        ec_buf_add(payload, text, n);
    cjose_jws_release(jws);
    ec_arena_free(arena);
    return ok;
}
