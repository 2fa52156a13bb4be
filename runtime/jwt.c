/* Tokens of users: signed and checked with a service's own secret (HS256).
 *
 * A token is valid when its signature is ours, its algorithm and typ are the ones we write, issuer and audience are as declared, and its
 * times hold; anything else is "not valid" and no more is said. A secret has one line or several: the first signs, any of them is accepted,
 * so that one can take another's place while tokens of both are in use. The keys made of a setting's secret are kept per `ec_jwt`. Both
 * operations take microseconds, so they run at once and complete in the next turn.
 */
#include "app.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "jws.h"

#define TYP "JWT"

enum { SKEW_S = 5 };
static const int64_t MAX_SECONDS = 253402300799; /* the end of year 9999 */

enum { MAX_KEYS = 8 };

struct keyed {
    struct keyed *next;
    const struct ec_jwt *jwt;
    struct ec_jws_key *keys[MAX_KEYS]; /* the first signs */
    size_t n;
};
static struct keyed *keys;

struct claims {
    struct ec_str iss, aud, sub, jti;
    int64_t iat, exp;
    int64_t *nbf;
};
static const struct ec_field claims_fields[] = {
    {.name = "iss", .kind = EC_TEXT, .offset = offsetof(struct claims, iss)},
    {.name = "aud", .kind = EC_TEXT, .offset = offsetof(struct claims, aud)},
    {.name = "sub", .kind = EC_TEXT, .offset = offsetof(struct claims, sub)},
    {.name = "jti", .kind = EC_TEXT, .offset = offsetof(struct claims, jti)},
    {.name = "iat", .kind = EC_INT, .offset = offsetof(struct claims, iat)},
    {.name = "exp", .kind = EC_INT, .offset = offsetof(struct claims, exp)},
    {.name = "nbf", .kind = EC_INT, .flags = EC_OPTIONAL, .offset = offsetof(struct claims, nbf)},
};
static const struct ec_record claims_record = {"claims", sizeof(struct claims), claims_fields, 7, NULL};

static void add_key(struct keyed *keyed, struct ec_str secret)
{
    struct ec_jws_key *key = keyed->n < MAX_KEYS ? ec_jws_key_secret(secret) : NULL;

    if (key)
        keyed->keys[keyed->n++] = key;
    else
        ec_log(EC_LOG_ERROR, NULL, "a secret of user tokens must have at least 32 bytes, and there may be eight",
               EC_L_STR("env", keyed->jwt->secret->env));
}

static const struct keyed *keys_of(const struct ec_jwt *jwt)
{
    struct ec_str others = jwt->secret->others, line;
    struct keyed *keyed;

    for (keyed = keys; keyed; keyed = keyed->next)
        if (keyed->jwt == jwt)
            return keyed;
    keyed = calloc(1, sizeof(*keyed));
    if (!keyed)
        ec_panic("out of memory");
    keyed->jwt = jwt;
    keyed->next = keys;
    keys = keyed;
    add_key(keyed, jwt->secret->text);
    while (keyed->n && (line = ec_line_next(&others)).p)
        add_key(keyed, line);
    return keyed;
}

void ec_jwt_sign(struct ec_task *task, const struct ec_jwt *jwt, struct ec_str sub, struct ec_str jti, int64_t exp, struct ec_str *out)
{
    const struct keyed *with = keys_of(jwt);
    struct ec_buf payload = {NULL, 0, 0}, token = {NULL, 0, 0};
    struct claims claims = {ec_str_of(jwt->issuer), ec_str_of(jwt->audience), sub, jti, ec_now() / 1000000, exp / 1000000, NULL};

    task->error = NULL;
    task->rows = 0;
    ec_json_write(&payload, &claims_record, &claims);
    if (with->n && ec_jws_sign(with->keys[0], TYP, NULL, (struct ec_str){payload.p, payload.n}, &token))
        *out = ec_arena_copy(task->arena, (struct ec_str){token.p, token.n});
    else
        ec_task_error(task, &ec_error_internal, "a token could not be signed");
    ec_buf_free(&payload);
    ec_buf_free(&token);
    ec_task_resume_soon(task);
}

static bool claims_hold(const struct claims *claims, const struct ec_jwt *jwt)
{
    int64_t now = ec_now() / 1000000;

    return ec_str_eq(claims->iss, ec_str_of(jwt->issuer)) && ec_str_eq(claims->aud, ec_str_of(jwt->audience)) && claims->exp > now &&
           claims->exp <= MAX_SECONDS && claims->iat <= now + SKEW_S && (!claims->nbf || *claims->nbf <= now + SKEW_S);
}

void ec_jwt_verify(struct ec_task *task, const struct ec_jwt *jwt, struct ec_str token, struct ec_claims *out)
{
    const struct keyed *with = keys_of(jwt);
    struct ec_buf payload = {NULL, 0, 0};
    struct claims claims;
    bool signed_by_us = false;

    task->rows = 0;
    if (!with->n) {
        ec_task_fail_soon(task, &ec_error_internal, "tokens can't be checked");
        return;
    }
    task->error = NULL;
    for (size_t i = 0; i < with->n && !signed_by_us; i++)
        signed_by_us = ec_jws_verify(with->keys[i], TYP, token, &payload);
    if (signed_by_us &&
        ec_json_read(task->arena, ec_arena_copy(task->arena, (struct ec_str){payload.p, payload.n}), &claims_record, &claims,
                     EC_JSON_LENIENT, NULL) == EC_JSON_OK &&
        claims_hold(&claims, jwt)) {
        *out = (struct ec_claims){claims.sub, claims.jti, claims.exp * 1000000};
        task->rows = 1;
    }
    ec_buf_free(&payload);
    ec_task_resume_soon(task);
}

static void jwt_stop(struct ec_app *app)
{
    struct keyed *keyed;

    (void)app;
    while ((keyed = keys)) {
        keys = keyed->next;
        while (keyed->n)
            ec_jws_key_free(keyed->keys[--keyed->n]);
        free(keyed);
    }
}

const struct ec_module ec_module_jwt = {.name = "jwt", .stop = jwt_stop};
