/* Calls to providers: a record becomes a path, a query, a form or a JSON document; the answer becomes a record or an error of the table.
 *
 * Nothing that the topology did not say leaves the process: base from the topology or its environment variable, HTTPS only (plain HTTP
 * only where the variable itself says loopback), no header of the request that we serve is passed on. Values that go into a header or
 * the path are checked or escaped.
 *
 * A provider recognises a repeat by the idempotency header: a hash of the request's key, keyed with the call's name, so that two calls of
 * one request differ and an attempt of tomorrow, after a crash, has the same.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "edge.h"
#include "external_curl.h"
#include "json.h"
#include "random.h"
#include "task.h"

struct base { /* of one external, read from the environment */
    const struct ec_external *external;
    char *url;
    bool plain;
    struct base *next;
};

struct ext_run {
    struct ec_attempts attempts;
    const struct ec_ext_call *call;
    void *out;
    struct ec_curl_request request;
    bool idempotent; /* the header is sent */
};

static struct base *bases;
static char *ca_file;

/* ------------------------------------------------------------------ where it goes */

static bool loopback(const char *host)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
    size_t i, n;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        n = strlen(names[i]);
        if (strncmp(host, names[i], n) == 0 && strchr(":/", host[n])) /* or its end */
            return true;
    }
    return false;
}

static const char *base_mistake(const char *url, bool from_environment, bool *plain)
{
    const char *host;
    size_t n;

    *plain = strncmp(url, "http://", 7) == 0;
    if (!*plain && strncmp(url, "https://", 8) != 0)
        return "must begin with https://";
    host = url + (*plain ? 7 : 8);
    if (*plain && !(from_environment && loopback(host)))
        return "must begin with https:// (plain http is only for 127.0.0.1 and localhost)";
    n = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]");
    if (n == 0 || (host[n] != '\0' && host[n] != '/') || strpbrk(host + n, "?#@\\ \r\n"))
        return "is no URL of a host and a path";
    return NULL;
}

/* Read once; without errors a mistake is logged and NULL is the answer. */
static const struct base *base_of(const struct ec_external *external, struct ec_config_errors *errors)
{
    struct ec_config_errors own = {{NULL, 0, 0}, 0}, *into = errors ? errors : &own;
    struct base *base;
    const char *mistake;
    char *url = NULL;
    bool set, plain;
    size_t n;

    for (base = bases; base; base = base->next)
        if (base->external == external)
            return base;
    if (external->base_env)
        url = ec_config_get(into, external->base_env, NULL, false);
    set = url != NULL;
    if (!set)
        url = strdup(external->base);
    if (!url)
        abort();
    mistake = base_mistake(url, set, &plain);
    if (mistake) {
        ec_config_error(into, "%s %s", set ? external->base_env : external->name, mistake);
        if (!errors)
            ec_log(EC_LOG_ERROR, NULL, "the base of an external can't be used", EC_L_STR("external", external->name),
                   EC_L_STR("why", mistake));
        ec_buf_free(&own.text);
        free(url);
        return NULL;
    }
    for (n = strlen(url); url[n - 1] == '/'; n--)
        url[n - 1] = '\0';
    base = calloc(1, sizeof(*base));
    if (!base)
        abort();
    *base = (struct base){external, url, plain, bases};
    bases = base;
    return base;
}

/* ------------------------------------------------------------------ the request */

static struct ec_str field_text(struct ec_task *task, const struct ec_field *field, const void *value)
{
    const void *p = value;

    if (field->flags & EC_LIST || field->kind == EC_RECORD)
        return (struct ec_str){NULL, 0};
    if (field->kind == EC_TEXT || field->kind == EC_SECRET || field->kind == EC_EMAIL || field->kind == EC_JSON)
        return *(const struct ec_str *)value;
    if (field->flags & EC_OPTIONAL)
        p = *(const void *const *)value;
    if (!p)
        return (struct ec_str){NULL, 0};
    switch (field->kind) {
    case EC_INT:
        return ec_text_int(task, *(const int64_t *)p);
    case EC_FLOAT:
        return ec_text_float(task, *(const double *)p);
    case EC_BOOL:
        return ec_text_bool(*(const bool *)p);
    case EC_UUID:
        return ec_text_uuid(task, *(const struct ec_uuid *)p);
    case EC_TIME:
        return ec_text_time(task, *(const int64_t *)p);
    case EC_ENUM:
        return ec_text_enum(field->of, *(const int *)p);
    default:
        return (struct ec_str){NULL, 0};
    }
}

/* The value of {name}: a field of the request, which then is not in the body, or a setting. p NULL: there is none. */
static struct ec_str path_value(struct ext_run *run, struct ec_str name, const void *in, bool *in_path)
{
    const struct ec_record *record = run->call->in;
    const struct ec_setting *const *setting;
    size_t i;

    for (i = 0; record && i < record->nfields; i++) {
        if (!ec_str_eq(ec_str_of(record->fields[i].name), name))
            continue;
        in_path[i] = true;
        return field_text(run->attempts.task, &record->fields[i], (const char *)in + record->fields[i].offset);
    }
    for (setting = run->call->external->settings; setting && *setting; setting++)
        if (ec_str_eq(ec_str_of((*setting)->name), name))
            return (*setting)->text;
    return (struct ec_str){NULL, 0};
}

static void add_escaped(struct ec_buf *buf, struct ec_str value)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t i;

    for (i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c ? c : ' '))
            ec_buf_add(buf, &value.p[i], 1);
        else
            ec_buf_add(buf, (char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
    }
}

/* Adds the path; false when a part of it has no value that can stand there. */
static bool add_path(struct ext_run *run, struct ec_buf *url, const void *in, bool *in_path)
{
    const char *at = run->call->path, *close;
    struct ec_str value;

    while (*at) {
        if (*at != '{' || !(close = strchr(at, '}'))) {
            ec_buf_add(url, at++, 1);
            continue;
        }
        value = path_value(run, (struct ec_str){at + 1, (size_t)(close - at - 1)}, in, in_path);
        if (value.n == 0 || memchr(value.p, '\0', value.n) || ec_str_eq(value, EC_STR(".")) || ec_str_eq(value, EC_STR("..")))
            return false;
        add_escaped(url, value);
        at = close + 1;
    }
    return true;
}

/* The record without the fields that went into the path. */
static const struct ec_record *rest_of(struct ec_task *task, const struct ec_record *record, const bool *in_path)
{
    struct ec_record *rest = EC_ALLOC(task, struct ec_record);
    struct ec_field *fields = EC_ALLOC_ARRAY(task, struct ec_field, record->nfields);
    size_t i;

    *rest = *record;
    rest->fields = fields;
    rest->nfields = 0;
    for (i = 0; i < record->nfields; i++)
        if (!in_path[i])
            fields[rest->nfields++] = record->fields[i];
    return rest;
}

static bool header_safe(struct ec_str value)
{
    size_t i;

    for (i = 0; i < value.n; i++)
        if (value.p[i] == '\r' || value.p[i] == '\n' || value.p[i] == '\0')
            return false;
    return true;
}

static const char *authorization(struct ext_run *run)
{
    const struct ec_external *external = run->call->external;
    struct ec_arena *arena = run->attempts.task->arena;
    struct ec_str secret, user;
    char *plain, *encoded;
    size_t n, room;

    if (external->auth == EC_AUTH_NONE)
        return NULL;
    secret = external->auth_secret->text;
    if (external->auth == EC_AUTH_BEARER)
        return ec_arena_printf(arena, "Authorization: Bearer %.*s", (int)secret.n, secret.p);
    if (external->auth == EC_AUTH_HEADER)
        return ec_arena_printf(arena, "%s: %.*s", external->auth_header, (int)secret.n, secret.p);
    user = external->auth_user->text;
    n = user.n + 1 + secret.n;
    plain = ec_arena_printf(arena, "%.*s:%.*s", (int)user.n, user.p, (int)secret.n, secret.p);
    room = sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_ORIGINAL);
    encoded = ec_arena_alloc(arena, room);
    sodium_bin2base64(encoded, room, (const unsigned char *)plain, n, sodium_base64_VARIANT_ORIGINAL);
    return ec_arena_printf(arena, "Authorization: Basic %s", encoded);
}

static const char *idempotency(struct ext_run *run, struct ec_str key)
{
    const struct ec_ext_call *call = run->call;
    struct ec_str name = ec_str_of(ec_arena_printf(run->attempts.task->arena, "%s.%s", call->external->name, call->name));
    uint8_t digest[16];
    char hex[33];

    crypto_generichash(digest, sizeof(digest), (const unsigned char *)key.p, key.n, (const unsigned char *)name.p,
                       name.n < crypto_generichash_KEYBYTES_MAX ? name.n : crypto_generichash_KEYBYTES_MAX);
    ec_hex(digest, sizeof(digest), hex);
    return ec_arena_printf(run->attempts.task->arena, "%s: %s", call->idempotency_header, hex);
}

static bool method_is(const struct ec_ext_call *call, const char *method)
{
    return strcmp(call->method, method) == 0;
}

/* Everything of the request that does not change between attempts. Says what is wrong, or NULL. */
static const char *prepare(struct ext_run *run, struct ec_str key, const void *in)
{
    static struct ec_buf url, body;
    const struct ec_ext_call *call = run->call;
    struct ec_task *task = run->attempts.task;
    const struct base *base = base_of(call->external, NULL);
    bool *in_path = EC_ALLOC_ARRAY(task, bool, call->in ? call->in->nfields + 1 : 1);
    const struct ec_record *rest;
    const char **header = run->request.headers;

    if (!base)
        return "it has no base";
    url.n = body.n = 0;
    ec_buf_str(&url, base->url);
    if (!add_path(run, &url, in, in_path))
        return "a part of its path has no value";
    rest = call->in ? rest_of(task, call->in, in_path) : NULL;
    if (call->encoding == EC_ENC_QUERY && rest) {
        ec_buf_str(&url, "?");
        ec_form_write(&url, rest, in);
    } else if (call->encoding == EC_ENC_FORM) {
        *header++ = "Content-Type: application/x-www-form-urlencoded";
        if (rest)
            ec_form_write(&body, rest, in);
    } else if (call->encoding == EC_ENC_JSON) {
        *header++ = "Content-Type: application/json";
        if (rest)
            ec_json_write_with(&body, rest, in, EC_JSON_NEW_NAMES); /* the provider has names of its own */
        else
            ec_buf_str(&body, "{}");
    }
    *header++ = "Accept: application/json";
    *header++ = "User-Agent: ecom";
    *header = authorization(run);
    if (*header && !(header_safe(call->external->auth_secret->text) &&
                     (call->external->auth != EC_AUTH_BASIC || header_safe(call->external->auth_user->text))))
        return "its credentials have a line break";
    header += *header != NULL;
    key = key.n > 0 ? key : task->key;
    run->idempotent = call->idempotency_header && key.n > 0;
    if (run->idempotent)
        *header++ = idempotency(run, key);
    run->request.url = ec_arena_copy(task->arena, (struct ec_str){url.p, url.n}).p;
    run->request.plain = base->plain;
    run->request.method = call->method;
    if (call->encoding == EC_ENC_FORM || call->encoding == EC_ENC_JSON || method_is(call, "POST") || method_is(call, "PUT") ||
        method_is(call, "PATCH"))
        run->request.body = ec_arena_copy(task->arena, (struct ec_str){body.n > 0 ? body.p : "", body.n});
    return NULL;
}

/* ------------------------------------------------------------------ the answer */

static struct ec_edge_result read_answer(struct ext_run *run, int status, struct ec_str body, int retry_after_s)
{
    const struct ec_ext_call *call = run->call;
    struct ec_task *task = run->attempts.task;
    struct ec_edge_result result = {.outcome = EC_EDGE_OK, .retry_after_s = retry_after_s};
    const struct ec_status_error *declared;
    struct ec_json_error error;

    if (status >= 200 && status < 300) {
        if (!call->out)
            return result;
        if (ec_json_read(task->arena, ec_arena_copy(task->arena, body), call->out, run->out, EC_JSON_LENIENT, &error) == EC_JSON_OK)
            return result;
        ec_log(EC_LOG_ERROR, task, "an answer does not fit its type", EC_L_STR("edge", call->edge->name), EC_L_STR("call", call->name),
               EC_L_STR("path", error.path), EC_L_STR("why", error.message));
        return (struct ec_edge_result){.outcome = EC_EDGE_MALFORMED, .unknown = true};
    }
    for (declared = call->errors; declared && declared->status; declared++)
        if (declared->status == status)
            return (struct ec_edge_result){.outcome = EC_EDGE_ANSWERED, .error = declared->error, .verdict = true};
    ec_log(EC_LOG_WARN, task, "a provider refused", EC_L_STR("edge", call->edge->name), EC_L_STR("call", call->name),
           EC_L_INT("status", status));
    if (status >= 500 || status == 429 || status == 408 || (status == 409 && run->idempotent)) {
        result.outcome = EC_EDGE_FAILED;
        result.again = true;
        /* 503, 429 and 408 say that nothing was done; 409, that the same request is being done right now. */
        result.unknown = status != 503 && status != 429 && status != 408;
        result.error = status == 503 || status == 429 ? &ec_error_unavailable : &ec_error_bad_gateway;
        return result;
    }
    result.outcome = EC_EDGE_ANSWERED;
    result.error = &ec_error_bad_gateway;
    result.detail = ec_arena_printf(task->arena, "%s refused the call with status %d", call->edge->peer, status);
    return result;
}

static void on_done(void *data, enum ec_curl_outcome outcome, int status, struct ec_str body, int retry_after_s, const char *why)
{
    struct ext_run *run = data;
    struct ec_edge_result result = {.outcome = EC_EDGE_BROKEN, .unknown = true, .again = true};

    if (outcome != EC_CURL_OK)
        ec_log(EC_LOG_WARN, run->attempts.task, "a provider can't be used", EC_L_STR("edge", run->call->edge->name),
               EC_L_STR("call", run->call->name), EC_L_STR("why", why));
    switch (outcome) {
    case EC_CURL_OK:
        result = read_answer(run, status, body, retry_after_s);
        break;
    case EC_CURL_REFUSED:
        result = (struct ec_edge_result){.outcome = EC_EDGE_REFUSED, .again = true};
        break;
    case EC_CURL_LATE:
        result = (struct ec_edge_result){.outcome = EC_EDGE_LATE, .again = true};
        break;
    case EC_CURL_TIMED_OUT:
        result.outcome = EC_EDGE_TIMED_OUT;
        break;
    case EC_CURL_MALFORMED:
        result.outcome = EC_EDGE_MALFORMED;
        result.again = false;
        break;
    case EC_CURL_BROKEN:
        break;
    }
    result.status = status;
    ec_edge_end(&run->attempts, &result);
}

static void send_attempt(struct ec_attempts *attempts)
{
    struct ext_run *run = (struct ext_run *)attempts;

    run->request.timeout_ms = attempts->timeout_ms;
    ec_curl_send(&run->request);
}

void ec_external_call(struct ec_task *task, const struct ec_ext_call *call, struct ec_str key, const void *in, void *out)
{
    struct ext_run *run = EC_ALLOC(task, struct ext_run);
    const char *mistake;

    run->attempts.task = task;
    run->attempts.edge = call->edge;
    run->attempts.send = send_attempt;
    run->attempts.asked = call->name;
    run->call = call;
    run->out = out;
    mistake = prepare(run, key, in);
    if (mistake) {
        ec_log(EC_LOG_ERROR, task, "a call to a provider can't be made", EC_L_STR("edge", call->edge->name), EC_L_STR("call", call->name),
               EC_L_STR("why", mistake));
        task->unknown = false;
        ec_task_fail_soon(task, &ec_error_internal, NULL);
        return;
    }
    run->attempts.harmless = method_is(call, "GET") || method_is(call, "HEAD");
    run->attempts.repeatable = run->idempotent || run->attempts.harmless || method_is(call, "PUT") || method_is(call, "DELETE");
    run->request.repeatable = run->attempts.repeatable;
    run->request.done = on_done;
    run->request.data = run;
    ec_edge_begin(&run->attempts);
}

/* ------------------------------------------------------------------ the module */

static void configure(struct ec_app *app, struct ec_config_errors *errors)
{
    const struct ec_external *const *external;

    free(ca_file);
    ca_file = ec_config_get(errors, "EC_CA_FILE", NULL, false);
    if (sodium_init() < 0)
        ec_config_error(errors, "libsodium does not start");
    for (external = app->service->externals; external && *external; external++)
        base_of(*external, errors);
}

static int start(struct ec_app *app, const char **why)
{
    struct ec_edge *const *edge;

    for (edge = app->service->edges; edge && *edge; edge++)
        if (!(*edge)->env)
            ec_edge_open(*edge);
    return ec_curl_start(app->loop, ca_file, why);
}

static bool idle(struct ec_app *app)
{
    (void)app;
    return ec_edges_idle();
}

static void stop(struct ec_app *app)
{
    struct ec_edge *const *edge;
    struct base *base;

    ec_edges_stop();
    ec_curl_stop();
    for (edge = app->service->edges; edge && *edge; edge++)
        if (!(*edge)->env)
            ec_edge_close(*edge);
    while ((base = bases)) {
        bases = base->next;
        free(base->url);
        free(base);
    }
    free(ca_file);
    ca_file = NULL;
}

const struct ec_module ec_module_external = {
    .name = "external",
    .configure = configure,
    .start = start,
    .idle = idle,
    .stop = stop,
};
