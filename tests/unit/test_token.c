/* Service tokens and tokens of users: what is accepted, and every way of forging one that RFC 8725 names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjose/cjose.h>
#include <cmocka.h>

#include "json.h"
#include "jws.h"
#include "token.h"

static uv_loop_t loop;
static const struct ec_service alpha = {.name = "alpha"}, beta = {.name = "beta"};
static char *alpha_private, *beta_private, *alpha_public, *beta_public;

static void make_key(const char *kid, char **private_json, char **public_json)
{
    cjose_err err;
    cjose_jwk_t *jwk = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &err);

    assert_true(cjose_jwk_set_kid(jwk, kid, strlen(kid), &err));
    *private_json = cjose_jwk_to_json(jwk, true, &err);
    *public_json = cjose_jwk_to_json(jwk, false, &err);
    cjose_jwk_release(jwk);
}

static void set_keys(void)
{
    struct ec_buf set = {NULL, 0, 0};

    ec_buf_printf(&set, "{\"keys\":[%s,%s]}", alpha_public, beta_public);
    ec_buf_reserve(&set, 1)[0] = 0;
    setenv("EC_SERVICE_KEYS", set.p, 1);
    ec_buf_free(&set);
    setenv("EC_SERVICE_KEY", alpha_private, 1);
}

static void configure(const struct ec_service *self)
{
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};

    ec_app.service = self;
    ec_token_configure_sign(&ec_app, &errors);
    ec_token_configure_verify(&ec_app, &errors);
    ec_token_configure_verify(&ec_app, &errors); /* a second module: read once */
    if (errors.n)
        fail_msg("%.*s", (int)errors.text.n, errors.text.p);
}

static int setup(void **state)
{
    (void)state;
    set_keys();
    configure(&alpha);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ec_token_stop();
    return 0;
}

static void signed_and_verified(void **state)
{
    struct ec_str token = ec_token_for("beta"), again;
    char *copy = strndup(token.p, token.n);
    size_t i;

    (void)state;
    assert_true(token.n > 100);
    again = ec_token_for("beta");
    assert_ptr_equal(token.p, again.p); /* kept */
    assert_false(ec_str_eq(ec_token_for("gamma"), again));
    assert_null(ec_token_caller(again)); /* we are alpha, it is for beta */
    ec_app.service = &beta;
    assert_string_equal(ec_token_caller(ec_str_of(copy)), "alpha");
    assert_string_equal(ec_token_caller(ec_str_of(copy)), "alpha"); /* from what is kept */
    for (i = 0; i < strlen(copy); i += 7) { /* changed anywhere */
        char before = copy[i];

        copy[i] = before == 'A' ? 'B' : before == '.' ? 'x' : 'A';
        assert_null(ec_token_caller(ec_str_of(copy)));
        copy[i] = before;
    }
    assert_null(ec_token_caller((struct ec_str){copy, strlen(copy) - 1}));
    assert_null(ec_token_caller((struct ec_str){NULL, 0}));
    free(copy);
}

/* A token of claims as given, signed by alpha. */
static const char *caller_of(const char *typ, const char *kid, const char *format, int64_t iat, int64_t exp)
{
    char *name;
    const char *why;
    struct ec_jws_key *key = ec_jws_key_p256(ec_str_of(alpha_private), true, &name, &why);
    struct ec_buf token = {NULL, 0, 0};
    char claims[400];
    const char *caller;

    snprintf(claims, sizeof(claims), format, (long long)iat, (long long)exp);
    assert_true(ec_jws_sign(key, typ, kid, ec_str_of(claims), &token));
    caller = ec_token_caller((struct ec_str){token.p, token.n});
    ec_buf_free(&token);
    ec_jws_key_free(key);
    free(name);
    return caller;
}

static void claims_must_hold(void **state)
{
    static const char good[] = "{\"iss\":\"alpha\",\"aud\":\"beta\",\"iat\":%lld,\"exp\":%lld}", typ[] = "ecom-service+jwt";
    int64_t now = ec_now() / 1000000;

    (void)state;
    ec_app.service = &beta;
    assert_non_null(caller_of(typ, "alpha", good, now, now + 60));
    assert_null(caller_of("JWT", "alpha", good, now, now + 60));
    assert_null(caller_of(typ, "beta", good, now, now + 60)); /* another key than the one named */
    assert_null(caller_of(typ, "nobody", good, now, now + 60));
    assert_null(caller_of(typ, NULL, good, now, now + 60));
    assert_null(caller_of(typ, "alpha", good, now - 120, now - 60));
    assert_null(caller_of(typ, "alpha", good, now + 60, now + 120));
    assert_null(caller_of(typ, "alpha", good, now, now + 86400)); /* longer than a service token may live */
    assert_null(caller_of(typ, "alpha", "{\"iss\":\"beta\",\"aud\":\"beta\",\"iat\":%lld,\"exp\":%lld}", now, now + 60));
    assert_null(caller_of(typ, "alpha", "{\"iss\":\"alpha\",\"aud\":\"gamma\",\"iat\":%lld,\"exp\":%lld}", now, now + 60));
    assert_null(caller_of(typ, "alpha", "{\"iss\":\"alpha\",\"aud\":[\"beta\"],\"iat\":%lld,\"exp\":%lld}", now, now + 60));
    assert_null(
        caller_of(typ, "alpha", "{\"iss\":\"alpha\",\"aud\":\"beta\",\"iat\":%lld,\"exp\":%lld,\"exp\":9999999999}", now - 99, now - 60));
    assert_null(
        caller_of(typ, "alpha", "{\"iss\":\"alpha\",\"aud\":\"beta\",\"nbf\":9999999999,\"iat\":%lld,\"exp\":%lld}", now, now + 60));
    assert_null(caller_of(typ, "alpha", "{\"iss\":\"alpha\",\"aud\":\"beta\",\"iat\":%lld}", now, now + 60));
    assert_null(caller_of(typ, "alpha", "[%lld,%lld]", now, now + 60));
}

static int configured_mistakes(const char *own, const char *set, char text[1000])
{
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};

    ec_token_stop();
    if (own)
        setenv("EC_SERVICE_KEY", own, 1);
    else
        unsetenv("EC_SERVICE_KEY");
    setenv("EC_SERVICE_KEYS", set, 1);
    ec_token_configure_sign(&ec_app, &errors);
    ec_token_configure_verify(&ec_app, &errors);
    snprintf(text, 1000, "%.*s", (int)errors.text.n, errors.text.p ? errors.text.p : "");
    ec_buf_free(&errors.text);
    return errors.n;
}

static void keys_are_checked(void **state)
{
    char set[4000], text[1000];

    (void)state;
    snprintf(set, sizeof(set), "{\"keys\":[%s]}", alpha_public);
    assert_int_equal(configured_mistakes(alpha_private, set, text), 0);
    assert_int_equal(configured_mistakes(NULL, set, text), 1);
    assert_int_equal(configured_mistakes(beta_private, set, text), 1);
    assert_non_null(strstr(text, "another service's key"));
    assert_int_equal(configured_mistakes(alpha_public, set, text), 1);
    assert_non_null(strstr(text, "must have its private part"));
    assert_int_equal(configured_mistakes("{}", "[]", text), 2);
    snprintf(set, sizeof(set), "{\"keys\":[%s,%s,%s]}", alpha_public, alpha_public, beta_private);
    assert_int_equal(configured_mistakes(alpha_private, set, text), 2);
    assert_non_null(strstr(text, "key 1 has the kid of another one"));
    assert_non_null(strstr(text, "key 2 must be public"));
    assert_int_equal(configured_mistakes(alpha_private, "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"x\"}]}", text), 1);
    assert_null(strstr(text, "AAAA"));
}

/* While one key takes another's place, both are the caller's. */
static void two_keys_of_a_caller(void **state)
{
    char *second_private, *second_public, set[4000], text[1000], old[2000];
    struct ec_str token;

    (void)state;
    make_key("alpha.2", &second_private, &second_public);
    snprintf(set, sizeof(set), "{\"keys\":[%s,%s]}", alpha_public, second_public);
    assert_int_equal(configured_mistakes(alpha_private, set, text), 0);
    token = ec_token_for("alpha");
    snprintf(old, sizeof(old), "%.*s", (int)token.n, token.p);
    assert_string_equal(ec_token_caller(ec_str_of(old)), "alpha");
    assert_int_equal(configured_mistakes(second_private, set, text), 0);
    assert_string_equal(ec_token_caller(ec_token_for("alpha")), "alpha");
    assert_string_equal(ec_token_caller(ec_str_of(old)), "alpha");
    snprintf(set, sizeof(set), "{\"keys\":[%s]}", second_public);
    assert_int_equal(configured_mistakes(second_private, set, text), 0);
    assert_string_equal(ec_token_caller(ec_token_for("alpha")), "alpha");
    assert_null(ec_token_caller(ec_str_of(old)));
    free(second_private);
    free(second_public);
    make_key("alphabet.2", &second_private, &second_public);
    assert_int_equal(configured_mistakes(second_private, set, text), 1);
    assert_non_null(strstr(text, "its kid is not alpha, nor alpha.SOMETHING"));
    free(second_private);
    free(second_public);
}

/* ------------------------------------------------------------------ users */

static struct ec_setting secret = {.name = "jwt_secret", .env = "JWT_SECRET", .secret = true};
static struct ec_setting other_secret = {.name = "other", .env = "OTHER", .secret = true};
static struct ec_setting short_secret = {.name = "short", .env = "SHORT", .secret = true};
static const struct ec_jwt jwt = {"issuer", "audience", &secret}, other = {"issuer", "audience", &other_secret},
                           weak = {"issuer", "audience", &short_secret};
static const struct ec_jwt other_issuer = {"other", "audience", &secret}, other_audience = {"issuer", "other", &secret};

struct frame {
    struct ec_str token;
    struct ec_claims claims;
    const struct ec_jwt *with;
    bool signs;
    int64_t exp;
};
enum { START, DONE };
static int64_t rows;
static const struct ec_error *error;
static char out_token[2000];
static struct ec_claims claims;
static char out_sub[100];

static void start(struct ec_task *task, struct frame *f)
{
    if (f->signs)
        ec_jwt_sign(task, f->with, EC_STR("user-1"), EC_STR("jti-1"), f->exp, &f->token);
    else
        ec_jwt_verify(task, f->with, f->token, &f->claims);
}

static void run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case START:
        EC_AWAIT_CATCH(task, DONE, start(task, f));
        error = task->error;
        rows = task->rows;
        if (f->signs && !error)
            snprintf(out_token, sizeof(out_token), "%.*s", (int)f->token.n, f->token.p);
        claims = f->claims;
        snprintf(out_sub, sizeof(out_sub), "%.*s", (int)claims.sub.n, claims.sub.p ? claims.sub.p : "");
        task->error = NULL;
        ec_reply(task, NULL);
        return;
    }
}
static const struct ec_program program = {.name = "t.Token", .run = run, .frame_size = sizeof(struct frame)};

static void perform(const struct ec_jwt *with, const char *token, int64_t exp)
{
    struct ec_task *task = ec_task_new(&ec_app, &program);
    struct frame *f = EC_FRAME(task, struct frame);

    f->with = with;
    f->signs = !token;
    f->exp = exp;
    if (token)
        f->token = ec_arena_copy(task->arena, ec_str_of(token));
    ec_task_start(task);
    while (ec_tasks_live)
        uv_run(&loop, UV_RUN_NOWAIT);
}

static bool valid(const struct ec_jwt *with, const char *token)
{
    perform(with, token, 0);
    assert_null(error);
    return rows == 1;
}

static void users(void **state)
{
    int64_t exp = (ec_now() / 1000000 + 100) * 1000000;
    size_t i;

    (void)state;
    perform(&jwt, NULL, exp);
    assert_null(error);
    assert_true(valid(&jwt, out_token));
    assert_string_equal(out_sub, "user-1");
    assert_int_equal(claims.exp, exp);
    assert_false(valid(&other, out_token));
    assert_false(valid(&other_issuer, out_token));
    assert_false(valid(&other_audience, out_token));
    for (i = 0; i < strlen(out_token); i += 5) {
        char before = out_token[i];

        out_token[i] = before == 'A' ? 'B' : before == '.' ? 'x' : 'A';
        assert_false(valid(&jwt, out_token));
        out_token[i] = before;
    }
    assert_false(valid(&jwt, ""));
    assert_false(valid(&jwt, "a.b"));
    assert_false(valid(&jwt, "a.b.c.d"));
    assert_false(valid(&jwt, "..."));
    perform(&jwt, NULL, ec_now() - 1000000);
    assert_false(valid(&jwt, out_token)); /* expired */
    perform(&weak, NULL, exp);
    assert_ptr_equal(error, &ec_error_internal);
}

/* The first line signs, all are accepted; what is not there any more is refused. */
static void two_secrets(void **state)
{
#define OLD "an older secret of 32 bytes or so, for users"
#define NEW "a newer secret of 32 bytes or so, for all the"
    static struct ec_setting old = {.env = "OLD"}, both = {.env = "BOTH"}, turned = {.env = "TURNED"}, new = {.env = "NEW"};
    const struct ec_jwt by_old = {"i", "a", &old}, by_both = {"i", "a", &both}, by_turned = {"i", "a", &turned}, by_new = {"i", "a", &new};
    const struct ec_jwt *const all[] = {&by_old, &by_both, &by_turned, &by_new};
    static const bool accepts[4][4] = {{true, true, true, false}, {true, true, true, false}, {false, true, true, true}, {false, true, true, true}};
    int64_t exp = (ec_now() / 1000000 + 100) * 1000000;
    char token[sizeof(out_token)];

    (void)state;
    old.text = ec_str_of(OLD);
    new.text = ec_str_of(NEW);
    both = (struct ec_setting){.env = "BOTH", .text = ec_str_of(OLD), .others = ec_str_of(NEW)};
    turned = (struct ec_setting){.env = "TURNED", .text = ec_str_of(NEW), .others = ec_str_of("x" OLD "\n" OLD)};
    for (size_t i = 0; i < 4; i++) {
        perform(all[i], NULL, exp);
        memcpy(token, out_token, sizeof(token));
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(valid(all[k], token), accepts[i][k]);
    }
    ec_module_jwt.stop(&ec_app); /* the settings go */
}

static void base64url(struct ec_buf *buf, const char *text)
{
    cjose_err err;
    char *out;
    size_t n;

    assert_true(cjose_base64url_encode((const uint8_t *)text, strlen(text), &out, &n, &err));
    ec_buf_add(buf, out, n);
    free(out);
}

/* A token with any header, signed (or not) with the right secret by hand. */
static void forged_headers(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\",\"typ\":\"JWT\"}",
        "{\"alg\":\"None\",\"typ\":\"JWT\"}",
        "{\"alg\":\"HS384\",\"typ\":\"JWT\"}",
        "{\"alg\":\"RS256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"hs256\",\"typ\":\"JWT\"}",
        "{\"typ\":\"JWT\"}",
        "{\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"typ\":\"ecom-service+jwt\"}",
        "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"HS256\",\"alg\":\"none\",\"typ\":\"JWT\"}",
        "[]",
        "{\"alg\":5,\"typ\":\"JWT\"}",
    };
    char payload[200];
    size_t i;

    (void)state;
    snprintf(payload, sizeof(payload), "{\"iss\":\"issuer\",\"aud\":\"audience\",\"sub\":\"a\",\"jti\":\"b\",\"iat\":0,\"exp\":%lld}",
             (long long)(ec_now() / 1000000 + 100));
    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct ec_buf token = {NULL, 0, 0};

        base64url(&token, headers[i]);
        ec_buf_str(&token, ".");
        base64url(&token, payload);
        ec_buf_str(&token, ".");
        ec_buf_reserve(&token, 1)[0] = 0;
        if (valid(&jwt, token.p))
            fail_msg("accepted: %s", headers[i]);
        ec_buf_free(&token);
    }
}

/* HS256 keyed with the public key of an ES256 service: the confusion that a library without a bound algorithm falls for. */
static void a_public_key_is_no_secret(void **state)
{
    struct ec_jws_key *key = ec_jws_key_secret(ec_str_of(alpha_public));
    struct ec_buf token = {NULL, 0, 0};
    char payload[200];
    int64_t now = ec_now() / 1000000;

    (void)state;
    ec_app.service = &beta;
    snprintf(payload, sizeof(payload), "{\"iss\":\"alpha\",\"aud\":\"beta\",\"iat\":%lld,\"exp\":%lld}", (long long)now,
             (long long)now + 60);
    assert_true(ec_jws_sign(key, "ecom-service+jwt", "alpha", ec_str_of(payload), &token));
    assert_null(ec_token_caller((struct ec_str){token.p, token.n}));
    ec_buf_free(&token);
    ec_jws_key_free(key);
}

static int group_setup(void **state)
{
    (void)state;
    make_key("alpha", &alpha_private, &alpha_public);
    make_key("beta", &beta_private, &beta_public);
    secret.text = EC_STR("0123456789abcdef0123456789abcdef");
    other_secret.text = EC_STR("0123456789abcdef0123456789abcdeX");
    short_secret.text = EC_STR("0123456789abcdef");
    uv_loop_init(&loop);
    ec_app.loop = &loop;
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    ec_module_jwt.stop(&ec_app);
    ec_tasks_stop();
    uv_run(&loop, UV_RUN_DEFAULT);
    free(alpha_private);
    free(alpha_public);
    free(beta_private);
    free(beta_public);
    return uv_loop_close(&loop);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(signed_and_verified), T(claims_must_hold), T(keys_are_checked), T(two_keys_of_a_caller), T(users), T(two_secrets), T(forged_headers), T(a_public_key_is_no_secret),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
