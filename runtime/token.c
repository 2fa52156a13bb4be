/* Service tokens: signing our own, checking those of our callers, and keeping both for as long as they are good.
 *
 * Public keys come as one JWKS for all services; a key's kid is its service's name, alone or with `.` and anything behind it, so that a
 * service can have several while one takes another's place. `kid` of a token says which key it must fit, and iss must be the kid's service.
 * A verified token is kept in a small direct-mapped table by a digest of its text. Everything here lives as long as the process.
 */
#include "token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "jws.h"
#include "random.h"

#define TYP "ecom-service+jwt"

enum { LIFETIME_S = 60, RENEW_S = 15, SKEW_S = 5, LONGEST_S = 300, KEPT = 256 };

struct signed_token {
    struct signed_token *next;
    char *audience;
    struct ec_buf text;
    int64_t exp;
};

struct caller { /* a key and whose it is */
    struct caller *next;
    char *kid, *name;
    struct ec_jws_key *key;
};

struct verified {
    uint8_t digest[32];
    const struct caller *caller; /* NULL: free */
    int64_t exp;
};

static struct ec_jws_key *own_key;
static char *own_kid;
static struct signed_token *signed_tokens;
static struct caller *callers;
static struct verified verified[KEPT];
static bool sign_configured, verify_configured;

struct claims {
    struct ec_str iss, aud;
    int64_t iat, exp;
    int64_t *nbf;
};
static const struct ec_field claims_fields[] = {
    {.name = "iss", .kind = EC_TEXT, .offset = offsetof(struct claims, iss)},
    {.name = "aud", .kind = EC_TEXT, .offset = offsetof(struct claims, aud)},
    {.name = "iat", .kind = EC_INT, .offset = offsetof(struct claims, iat)},
    {.name = "exp", .kind = EC_INT, .offset = offsetof(struct claims, exp)},
    {.name = "nbf", .kind = EC_INT, .flags = EC_OPTIONAL, .offset = offsetof(struct claims, nbf)},
};
static const struct ec_record claims_record = {"claims", sizeof(struct claims), claims_fields, 5, NULL};

struct key_set {
    struct ec_str_list keys;
};
static const struct ec_field key_set_fields[] = {
    {.name = "keys", .kind = EC_JSON, .flags = EC_LIST, .offset = offsetof(struct key_set, keys)},
};
static const struct ec_record key_set_record = {"keys", sizeof(struct key_set), key_set_fields, 1, NULL};

static void *zeroed(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        ec_panic("out of memory");
    return p;
}

static char *copied(const char *text)
{
    char *p = strdup(text);

    if (!p)
        ec_panic("out of memory");
    return p;
}

/* The service whose key it is: names of services have no full stop. */
static char *owner_of(const char *kid)
{
    char *owner = copied(kid);

    owner[strcspn(owner, ".")] = '\0';
    return owner;
}

/* ------------------------------------------------------------------ configuration */

void ec_token_configure_sign(struct ec_app *app, struct ec_config_errors *errors)
{
    char *text, *kid = NULL, *owner;
    const char *why = NULL;

    if (sign_configured)
        return;
    sign_configured = true;
    text = ec_config_get(errors, "EC_SERVICE_KEY", NULL, true);
    if (!text)
        return;
    own_key = ec_jws_key_p256(ec_str_of(text), true, &kid, &why);
    own_kid = kid ? kid : copied(app->service->name);
    owner = owner_of(own_kid);
    if (!own_key)
        ec_config_error(errors, "EC_SERVICE_KEY %s", why);
    else if (strcmp(owner, app->service->name) != 0)
        ec_config_error(errors, "EC_SERVICE_KEY is another service's key: its kid is not %s, nor %s.SOMETHING", app->service->name,
                        app->service->name);
    explicit_bzero(text, strlen(text));
    free(text);
    free(owner);
}

static void add_caller(struct ec_config_errors *errors, struct ec_str jwk, size_t index)
{
    struct caller *caller = zeroed(sizeof(*caller)), *other;
    const char *why = NULL;

    caller->key = ec_jws_key_p256(jwk, false, &caller->kid, &why);
    if (caller->key && !caller->kid)
        why = "must have a kid, the service's name";
    for (other = callers; other && !why; other = other->next)
        if (strcmp(other->kid, caller->kid) == 0)
            why = "has the kid of another one";
    if (!why) {
        caller->name = owner_of(caller->kid);
        caller->next = callers;
        callers = caller;
        return;
    }
    ec_config_error(errors, "EC_SERVICE_KEYS: key %zu %s", index, why);
    ec_jws_key_free(caller->key);
    free(caller->kid);
    free(caller);
}

void ec_token_configure_verify(struct ec_app *app, struct ec_config_errors *errors)
{
    struct ec_json_error error;
    struct ec_arena *arena;
    struct key_set set;
    char *text;
    size_t i;

    (void)app;
    if (verify_configured)
        return;
    verify_configured = true;
    text = ec_config_get(errors, "EC_SERVICE_KEYS", NULL, true);
    if (!text)
        return;
    arena = ec_arena_new();
    if (ec_json_read(arena, ec_str_of(text), &key_set_record, &set, EC_JSON_LENIENT, &error) != EC_JSON_OK)
        ec_config_error(errors, "EC_SERVICE_KEYS must be a JWKS: {\"keys\": [...]}");
    else
        for (i = 0; i < set.keys.n; i++)
            add_caller(errors, set.keys.v[i], i);
    ec_arena_free(arena);
    free(text);
}

void ec_token_stop(void)
{
    struct signed_token *token;
    struct caller *caller;

    ec_jws_key_free(own_key);
    own_key = NULL;
    free(own_kid);
    own_kid = NULL;
    while ((token = signed_tokens)) {
        signed_tokens = token->next;
        ec_buf_free(&token->text);
        free(token->audience);
        free(token);
    }
    while ((caller = callers)) {
        callers = caller->next;
        ec_jws_key_free(caller->key);
        free(caller->kid);
        free(caller->name);
        free(caller);
    }
    memset(verified, 0, sizeof(verified));
    sign_configured = verify_configured = false;
}

/* ------------------------------------------------------------------ signing */

struct ec_str ec_token_for(const char *audience)
{
    int64_t now = ec_now() / 1000000;
    struct ec_buf payload = {NULL, 0, 0};
    struct signed_token *token;
    struct claims claims;

    for (token = signed_tokens; token; token = token->next)
        if (strcmp(token->audience, audience) == 0)
            break;
    if (!token) {
        token = zeroed(sizeof(*token));
        token->audience = copied(audience);
        token->next = signed_tokens;
        signed_tokens = token;
    }
    /* A clock that was set back leaves tokens that nobody accepts yet: they are signed anew, too. */
    if (token->text.n && token->exp - now >= RENEW_S && token->exp - now <= LIFETIME_S)
        return (struct ec_str){token->text.p, token->text.n};
    claims = (struct claims){ec_str_of(ec_app.service->name), ec_str_of(audience), now, now + LIFETIME_S, NULL};
    ec_json_write(&payload, &claims_record, &claims);
    token->text.n = 0;
    token->exp = claims.exp;
    if (!own_key || !ec_jws_sign(own_key, TYP, own_kid, (struct ec_str){payload.p, payload.n}, &token->text)) {
        ec_log(EC_LOG_ERROR, NULL, "a service token could not be signed", EC_L_STR("audience", audience));
        token->text.n = 0;
    }
    ec_buf_free(&payload);
    return (struct ec_str){token->text.p, token->text.n};
}

/* ------------------------------------------------------------------ verifying */

static const struct caller *caller_with(struct ec_str kid)
{
    const struct caller *caller;

    for (caller = callers; caller; caller = caller->next)
        if (ec_str_eq(ec_str_of(caller->kid), kid))
            return caller;
    return NULL;
}

static bool claims_hold(const struct claims *claims, const struct caller *caller, int64_t now)
{
    return ec_str_eq(claims->iss, ec_str_of(caller->name)) && ec_str_eq(claims->aud, ec_str_of(ec_app.service->name)) &&
           claims->exp > now - SKEW_S && claims->iat <= now + SKEW_S && claims->exp > claims->iat &&
           claims->exp - LONGEST_S <= claims->iat && (!claims->nbf || *claims->nbf <= now + SKEW_S);
}

static const struct caller *verify(struct ec_str token, int64_t now, int64_t *exp)
{
    struct ec_arena *arena = ec_arena_new();
    struct ec_buf payload = {NULL, 0, 0};
    const struct caller *caller = NULL;
    struct claims claims;
    struct ec_str kid;

    if (ec_jws_kid(arena, token, &kid))
        caller = caller_with(kid);
    if (caller &&
        !(ec_jws_verify(caller->key, TYP, token, &payload) &&
          ec_json_read(arena, (struct ec_str){payload.p, payload.n}, &claims_record, &claims, EC_JSON_LENIENT, NULL) == EC_JSON_OK &&
          claims_hold(&claims, caller, now)))
        caller = NULL;
    if (caller)
        *exp = claims.exp;
    ec_buf_free(&payload);
    ec_arena_free(arena);
    return caller;
}

const char *ec_token_caller(struct ec_str token)
{
    int64_t now = ec_now() / 1000000, exp = 0;
    const struct caller *caller;
    struct verified *kept;
    uint8_t digest[32];

    if (!token.p || token.n == 0)
        return NULL;
    ec_sha256(token.p, token.n, digest);
    kept = &verified[digest[0]];
    if (kept->caller && memcmp(kept->digest, digest, sizeof(digest)) == 0 && kept->exp > now - SKEW_S)
        return kept->caller->name;
    caller = verify(token, now, &exp);
    if (!caller)
        return NULL;
    memcpy(kept->digest, digest, sizeof(digest));
    kept->caller = caller;
    kept->exp = exp;
    return caller->name;
}
