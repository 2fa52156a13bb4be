/* What a generated sandbox hands to the runtime (sandbox.c): its calls and their rules, as tables. The rest of what it uses is in ec.h. */
#ifndef EC_EC_SANDBOX_H
#define EC_EC_SANDBOX_H

#include "ec.h"

enum ec_sbx_kind { EC_SBX_JSON, EC_SBX_REQUEST, EC_SBX_STORE, EC_SBX_REPLY, EC_SBX_OBJECT, EC_SBX_LIST, EC_SBX_TOKEN, EC_SBX_TIMESTAMP };
struct ec_sbx_member { const char *name; const struct ec_sbx_value *value; };
struct ec_sbx_value {
    enum ec_sbx_kind kind;
    const char *text;               /* JSON: the literal as JSON text; STORE: its name; TOKEN: prefix */
    const char *path;               /* REQUEST, REPLY, STORE: "a.b", or NULL */
    const struct ec_sbx_value *key; /* STORE */
    const struct ec_sbx_member *members; /* OBJECT, LIST (names NULL); value NULL ends it */
};
enum ec_sbx_test { EC_SBX_MISSING, EC_SBX_EQ, EC_SBX_NE, EC_SBX_LT, EC_SBX_LE, EC_SBX_GT, EC_SBX_GE, EC_SBX_AND, EC_SBX_OR, EC_SBX_NOT };
struct ec_sbx_cond {
    enum ec_sbx_test test;
    const struct ec_sbx_value *left, *right;
    const struct ec_sbx_cond *a, *b;
};
struct ec_sbx_set { const struct ec_sbx_value *target, *value; };
struct ec_sbx_rule {
    const struct ec_sbx_cond *when; /* NULL: always */
    int status;
    const struct ec_sbx_value *body; /* or NULL */
    const struct ec_sbx_value *keep; /* or NULL */
    const struct ec_sbx_set *sets;   /* target NULL ends it; or NULL */
};
struct ec_sbx_call {
    const char *name, *method, *path;
    enum ec_encoding encoding;
    const struct ec_record *in;        /* the request is checked against it */
    const char *idempotency_header;    /* or NULL: replayed per key */
    const struct ec_sbx_rule *rules;   /* status 0 ends it */
};
struct ec_sandbox {
    const char *name;
    enum ec_auth auth;
    const char *auth_header;
    const struct ec_setting *auth_user, *auth_secret;
    const struct ec_sbx_call *calls; /* name NULL ends it */
    /* How a request is refused that no rule sees: over {status, reason, field, message}; status 0 keeps the refusal's. Body NULL ends it. */
    const struct ec_sbx_rule *refusals; /* or NULL */
};
/* How the tables are written. Each member of an object or list ends with a comma, the last one too. */
#define EC_VAL(...) (&(const struct ec_sbx_value){__VA_ARGS__})
#define EC_VAL_JSON(json) EC_VAL(.kind = EC_SBX_JSON, .text = (json))
#define EC_VAL_REQUEST(field) EC_VAL(.kind = EC_SBX_REQUEST, .path = (field))
#define EC_VAL_REPLY(field) EC_VAL(.kind = EC_SBX_REPLY, .path = (field))
#define EC_VAL_STORE(store, of, field) EC_VAL(.kind = EC_SBX_STORE, .text = (store), .key = (of), .path = (field))
#define EC_VAL_TOKEN(prefix) EC_VAL(.kind = EC_SBX_TOKEN, .text = (prefix))
#define EC_VAL_TIMESTAMP EC_VAL(.kind = EC_SBX_TIMESTAMP)
#define EC_VAL_OBJECT(...) EC_VAL(.kind = EC_SBX_OBJECT, .members = (const struct ec_sbx_member[]){__VA_ARGS__{NULL, NULL}})
#define EC_VAL_LIST(...) EC_VAL(.kind = EC_SBX_LIST, .members = (const struct ec_sbx_member[]){__VA_ARGS__{NULL, NULL}})
#define EC_COND(how, l, r) (&(const struct ec_sbx_cond){.test = EC_SBX_##how, .left = (l), .right = (r)})
#define EC_COND_MISSING(l) EC_COND(MISSING, l, NULL)
#define EC_COND_AND(x, y) (&(const struct ec_sbx_cond){.test = EC_SBX_AND, .a = (x), .b = (y)})
#define EC_COND_OR(x, y) (&(const struct ec_sbx_cond){.test = EC_SBX_OR, .a = (x), .b = (y)})
#define EC_COND_NOT(x) (&(const struct ec_sbx_cond){.test = EC_SBX_NOT, .a = (x)})

int ec_sandbox_main(int argc, char **argv, const struct ec_sandbox *sandbox);

#endif
