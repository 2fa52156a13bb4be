/* The rules of a sandbox: conditions and values over the request, the stores and the reply being made, as jansson documents.
 *
 * What is not there is null: a field that was not sent, an object that was not kept, a member that it does not have. Values are new
 * references, owned by whoever asked.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "random.h"
#include "sandbox.h"

struct scope { json_t *request, *stores, *reply; };

static json_t *evaluate(const struct scope *scope, const struct ec_sbx_value *value);

static json_t *follow(json_t *at, const char *path)
{
    size_t n;

    while (at && path && *path) {
        n = strcspn(path, ".");
        at = json_object_getn(at, path, n);
        path += n + (path[n] == '.');
    }
    return at ? json_incref(at) : json_null();
}

static char *key_text(const struct scope *scope, const struct ec_sbx_value *key)
{
    json_t *value = evaluate(scope, key);
    char *text =
        json_is_string(value) ? strdup(json_string_value(value)) : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

    if (!text)
        abort();
    json_decref(value);
    return text;
}

/* The kept object, borrowed; or NULL. */
static json_t *kept(const struct scope *scope, const struct ec_sbx_value *value)
{
    char *key = key_text(scope, value->key);
    json_t *object = json_object_get(json_object_get(scope->stores, value->text), key);

    free(key);
    return object;
}

static json_t *token(const char *prefix)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint8_t random[24];
    char text[25];
    size_t i;

    ec_random(random, sizeof(random));
    for (i = 0; i < 24; i++)
        text[i] = letters[random[i] % (sizeof(letters) - 1)];
    text[24] = '\0';
    return json_sprintf("%s%s", prefix ? prefix : "", text);
}

static json_t *evaluate(const struct scope *scope, const struct ec_sbx_value *value)
{
    const struct ec_sbx_member *member;
    json_t *out;

    switch (value->kind) {
    case EC_SBX_JSON:
        out = json_loads(value->text, JSON_DECODE_ANY, NULL);
        return out ? out : json_null();
    case EC_SBX_REQUEST:
        return follow(scope->request, value->path);
    case EC_SBX_STORE:
        return follow(kept(scope, value), value->path);
    case EC_SBX_REPLY:
        return follow(scope->reply, value->path);
    case EC_SBX_OBJECT:
        out = json_object();
        for (member = value->members; member && member->value; member++)
            json_object_set_new(out, member->name, evaluate(scope, member->value));
        return out;
    case EC_SBX_LIST:
        out = json_array();
        for (member = value->members; member && member->value; member++)
            json_array_append_new(out, evaluate(scope, member->value));
        return out;
    case EC_SBX_TOKEN:
        return token(value->text);
    case EC_SBX_TIMESTAMP:
        return json_integer((json_int_t)time(NULL));
    }
    return json_null();
}

/* -1, 0, 1; 2 when the two can't be compared. */
static int compare(json_t *a, json_t *b)
{
    int order;

    if (json_is_integer(a) && json_is_integer(b))
        return (json_integer_value(a) > json_integer_value(b)) - (json_integer_value(a) < json_integer_value(b));
    if (json_is_number(a) && json_is_number(b))
        return (json_number_value(a) > json_number_value(b)) - (json_number_value(a) < json_number_value(b));
    if (json_is_string(a) && json_is_string(b)) {
        order = strcmp(json_string_value(a), json_string_value(b));
        return (order > 0) - (order < 0);
    }
    return json_equal(a, b) ? 0 : 2;
}

static bool holds(const struct scope *scope, const struct ec_sbx_cond *cond)
{
    json_t *left, *right;
    bool absent;
    int order;

    switch (cond->test) {
    case EC_SBX_AND:
        return holds(scope, cond->a) && holds(scope, cond->b);
    case EC_SBX_OR:
        return holds(scope, cond->a) || holds(scope, cond->b);
    case EC_SBX_NOT:
        return !holds(scope, cond->a);
    case EC_SBX_MISSING:
        left = evaluate(scope, cond->left);
        absent = json_is_null(left);
        json_decref(left);
        return absent;
    default:
        break;
    }
    left = evaluate(scope, cond->left);
    right = evaluate(scope, cond->right);
    order = compare(left, right);
    json_decref(left);
    json_decref(right);
    switch (cond->test) {
    case EC_SBX_EQ:
        return order == 0;
    case EC_SBX_NE:
        return order != 0;
    case EC_SBX_LT:
        return order == -1;
    case EC_SBX_LE:
        return order == -1 || order == 0;
    case EC_SBX_GT:
        return order == 1;
    case EC_SBX_GE:
        return order == 1 || order == 0;
    default:
        return false;
    }
}

static void touch(json_t *touched, const char *store, const char *key, json_t *object)
{
    json_t *of_store = json_object_get(touched, store);

    if (!of_store)
        json_object_set_new(touched, store, of_store = json_object());
    json_object_set(of_store, key, object);
}

static void keep(const struct scope *scope, const struct ec_sbx_value *target, json_t *touched)
{
    json_t *store = json_object_get(scope->stores, target->text);
    char *key = key_text(scope, target->key);

    if (!store) {
        store = json_object();
        json_object_set_new(scope->stores, target->text, store);
    }
    json_object_set_new(store, key, json_deep_copy(scope->reply));
    touch(touched, target->text, key, json_object_get(store, key));
    free(key);
}

/* Sets a member of a kept object, making the objects on the way; an object that is not there is left so. */
static void set(const struct scope *scope, const struct ec_sbx_set *set, json_t *touched)
{
    json_t *at = kept(scope, set->target), *next;
    const char *path = set->target->path;
    char *key;
    size_t n;

    if (!at || !path)
        return;
    key = key_text(scope, set->target->key);
    touch(touched, set->target->text, key, at);
    free(key);
    while (path[n = strcspn(path, ".")] == '.') {
        next = json_object_getn(at, path, n);
        if (!json_is_object(next)) {
            next = json_object();
            json_object_setn_new(at, path, n, next);
        }
        at = next;
        path += n + 1;
    }
    json_object_set_new(at, path, evaluate(scope, set->value));
}

int ec_sbx_apply(const struct ec_sbx_call *call, json_t *request, json_t *stores, json_t *touched, json_t **reply)
{
    struct scope scope = {request, stores, NULL};
    const struct ec_sbx_rule *rule;
    const struct ec_sbx_set *one;

    *reply = NULL;
    for (rule = call->rules; rule->status; rule++)
        if (!rule->when || holds(&scope, rule->when))
            break;
    if (!rule->status)
        return 0;
    if (rule->body)
        scope.reply = evaluate(&scope, rule->body);
    if (rule->keep && scope.reply)
        keep(&scope, rule->keep, touched);
    for (one = rule->sets; one && one->target; one++)
        set(&scope, one, touched);
    *reply = scope.reply;
    return rule->status;
}

int ec_sbx_refuse(const struct ec_sandbox *sandbox, const struct ec_sbx_refusal *refusal, json_t *stores, json_t **reply)
{
    struct scope scope = {.stores = stores};
    const struct ec_sbx_rule *rule;
    int status = refusal->status;

    for (rule = sandbox->refusals; rule && rule->body; rule++) {
        if (!scope.request)
            scope.request = json_pack("{sissss?ss}", "status", status, "reason", refusal->reason, "field", refusal->field, "message",
                                      refusal->message);
        if (!rule->when || holds(&scope, rule->when))
            break;
    }
    if (rule && rule->body) {
        *reply = evaluate(&scope, rule->body);
        status = rule->status ? rule->status : status;
    } else {
        *reply = json_pack("{s{ssss}}", "error", "type", refusal->reason, "message", refusal->message);
    }
    json_decref(scope.request);
    return status;
}
