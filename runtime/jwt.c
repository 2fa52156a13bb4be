/* Tokens of users: signed and checked with a service's own secret (HS256).
 *
 * A token is valid when its signature is ours, its algorithm and typ are the ones we write, issuer and audience are as declared, and its
 * times hold; anything else is "not valid" and no more is said. The key made from a setting's secret is kept per `ec_jwt`. Both
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

struct keyed {
    struct keyed *next;
    const struct ec_jwt *jwt;
    struct ec_jws_key *key;
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

static const struct ec_jws_key *key_of(const struct ec_jwt *jwt)
{
    struct keyed *keyed;

    for (keyed = keys; keyed; keyed = keyed->next)
        if (keyed->jwt == jwt)
            return keyed->key;
    keyed = calloc(1, sizeof(*keyed));
    if (!keyed)
        ec_panic("out of memory");
    keyed->jwt = jwt;
    keyed->key = ec_jws_key_secret(jwt->secret->text);
    if (!keyed->key)
        ec_log(EC_LOG_ERROR, NULL, "the secret of user tokens must have at least 32 bytes", EC_L_STR("env", jwt->secret->env));
    keyed->next = keys;
    keys = keyed;
    return keyed->key;
}

void ec_jwt_sign(struct ec_task *task, const struct ec_jwt *jwt, struct ec_str sub, struct ec_str jti, int64_t exp, struct ec_str *out)
{
    const struct ec_jws_key *key = key_of(jwt);
    struct ec_buf payload = {NULL, 0, 0}, token = {NULL, 0, 0};
    struct claims claims = {ec_str_of(jwt->issuer), ec_str_of(jwt->audience), sub, jti, ec_now() / 1000000, exp / 1000000, NULL};

    task->error = NULL;
    task->rows = 0;
    ec_json_write(&payload, &claims_record, &claims);
    if (key && ec_jws_sign(key, TYP, NULL, (struct ec_str){payload.p, payload.n}, &token))
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
    const struct ec_jws_key *key = key_of(jwt);
    struct ec_buf payload = {NULL, 0, 0};
    struct claims claims;

    task->rows = 0;
    if (!key) {
        ec_task_fail_soon(task, &ec_error_internal, "tokens can't be checked");
        return;
    }
    task->error = NULL;
    if (ec_jws_verify(key, TYP, token, &payload) &&
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
        ec_jws_key_free(keyed->key);
        free(keyed);
    }
}

const struct ec_module ec_module_jwt = {.name = "jwt", .stop = jwt_stop};
