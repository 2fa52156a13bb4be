/* The stand-in of a provider, made from the topology's `sandbox`: an HTTPS server with the provider's paths, credentials, fields, answers
 * and idempotency, with a ledger of what happened and faults on demand (docs/design.md, "Sandboxes").
 *
 * A fault hits the next requests of its call. `status` answers instead of the rules, so nothing has happened; the others (`timeout`,
 * `truncate`, `close`) spoil the answer to a request that has had its effect, which is what a caller can't tell from one that has not;
 * with "effect": false they come before it. Repeats under an idempotency key get the first answer; the same key with another request
 * is refused.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "health.h"
#include "json.h"
#include "sandbox.h"

enum { MAX_LEDGER = 100000 };

struct fault {
    char *call, *kind;
    int status, left, fired;
    bool effect;
    json_t *body;
    char *headers; /* lines that go out with a `status` */
    struct fault *next;
};

static struct {
    const struct ec_sandbox *sandbox;
    uv_loop_t loop;
    struct ec_http_server *server;
    uv_signal_t term, interrupt;
    struct ec_sbx_memory memory; /* replays: "<call> <key>" -> {request, status, reply} */
    struct fault *faults;
} sbx;

/* ------------------------------------------------------------------ answers */

static void answer_with(struct ec_http_exchange *x, int status, json_t *body, const char *headers)
{
    char *text = body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

    ec_http_reply(x, status, text ? EC_STR("application/json") : (struct ec_str){NULL, 0},
                  (struct ec_str){headers, headers ? strlen(headers) : 0}, (struct ec_str){text ? text : "", text ? strlen(text) : 0});
    free(text);
}

static void answer(struct ec_http_exchange *x, int status, json_t *body, bool replayed)
{
    answer_with(x, status, body, replayed ? "idempotent-replayed: true\r\n" : NULL);
}

/* Of the sandbox's own paths. */
static void answer_mistake(struct ec_http_exchange *x, int status, const char *message)
{
    json_t *body = json_pack("{s{ss}}", "error", "message", message);

    answer(x, status, body, false);
    json_decref(body);
}

/* In the provider's own words, when the topology has them. */
static void answer_refusal(struct ec_http_exchange *x, const struct ec_sbx_refusal *refusal, const char *headers)
{
    json_t *body = NULL;
    int status = ec_sbx_refuse(sbx.sandbox, refusal, sbx.memory.stores, &body);

    answer_with(x, status, body, headers);
    json_decref(body);
}

/* What the topology calls a secret is nobody's to read, here too. */
static void hide(json_t *object, const struct ec_record *record)
{
    size_t i, at;
    json_t *value, *item;

    for (i = 0; record && i < record->nfields; i++) {
        const struct ec_field *field = &record->fields[i];
        value = json_object_get(object, field->name);
        if (json_is_array(value) && field->flags & EC_LIST) {
            json_array_foreach(value, at, item) {
                if (field->kind == EC_RECORD)
                    hide(item, field->of);
                else if (field->kind == EC_SECRET)
                    json_array_set_new(value, at, json_string("***"));
            }
        } else if (json_is_object(value) && field->kind == EC_RECORD) {
            hide(value, field->of);
        } else if (json_is_string(value) && field->kind == EC_SECRET) {
            json_object_set_new(object, field->name, json_string("***"));
        }
    }
}

/* id and replay: what a repeat is to be answered, or NULL; touched: what has changed in the stores, or NULL. */
static void record(const struct ec_sbx_call *call, json_t *request, struct ec_str key, int status, json_t *reply, bool replayed,
                   const char *fault, const char *id, json_t *touched)
{
    json_t *entry = json_object();
    char at[40];

    at[ec_time_format(ec_now(), at)] = '\0';
    json_object_set_new(entry, "call", json_string(call->name));
    json_object_set_new(entry, "at", json_string(at));
    request = json_deep_copy(request);
    hide(request, call->in);
    json_object_set_new(entry, "request", request);
    json_object_set_new(entry, "key", key.p ? json_stringn(key.p, key.n) : json_null());
    json_object_set_new(entry, "status", json_integer(status));
    json_object_set_new(entry, "reply", reply ? json_deep_copy(reply) : json_null());
    json_object_set_new(entry, "replayed", json_boolean(replayed));
    if (fault)
        json_object_set_new(entry, "fault", json_string(fault));
    json_array_append_new(sbx.memory.ledger, entry);
    ec_sbx_journal_add(entry, id, id ? json_object_get(sbx.memory.replays, id) : NULL, touched);
    if (json_array_size(sbx.memory.ledger) > MAX_LEDGER)
        json_array_remove(sbx.memory.ledger, 0);
}

/* ------------------------------------------------------------------ faults */

static void free_faults(void)
{
    struct fault *f;

    while ((f = sbx.faults)) {
        sbx.faults = f->next;
        free(f->call);
        free(f->kind);
        free(f->headers);
        json_decref(f->body);
        free(f);
    }
}

static struct fault *take_fault(const char *call)
{
    struct fault *f;

    for (f = sbx.faults; f; f = f->next) {
        if (f->left > 0 && strcmp(f->call, call) == 0) {
            f->left--;
            f->fired++;
            return f;
        }
    }
    return NULL;
}

/* {"name": "value"} as lines of a head; NULL when one can't stand there, or when there are none. */
static char *header_lines(json_t *headers, bool *good)
{
    struct ec_buf lines = {NULL, 0, 0};
    const char *name;
    json_t *value;

    json_object_foreach(headers, name, value) {
        size_t token = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
        const char *text = json_string_value(value);
        if (token == 0 || name[token] || !text || strpbrk(text, "\r\n") || strlen(text) != json_string_length(value))
            *good = false;
        else
            ec_buf_printf(&lines, "%s: %s\r\n", name, text);
    }
    if (lines.n > 0)
        ec_buf_add(&lines, "", 1);
    return lines.p;
}

static void add_fault(struct ec_http_exchange *x, struct ec_str text)
{
    const char *call = NULL, *kind = NULL;
    const struct ec_sbx_call *known = NULL;
    struct fault *f, **end;
    json_t *root, *body = NULL, *headers = NULL;
    int status = 500, times = 1, effect = 1;
    bool good = true;
    char *lines;

    root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    if (!root || json_unpack(root, "{ssss s?i s?i s?b s?o s?o !}", "call", &call, "kind", &kind, "status", &status, "times", &times,
                             "effect", &effect, "body", &body, "headers", &headers) != 0) {
        answer_mistake(x, 400, "a fault is {call, kind, status?, headers?, body?, times?, effect?}");
        json_decref(root);
        return;
    }
    for (known = sbx.sandbox->calls; known->name && strcmp(known->name, call) != 0; known++)
        ;
    if (!known->name || times < 1 || status < 200 || status > 599 ||
        (strcmp(kind, "status") != 0 && strcmp(kind, "timeout") != 0 && strcmp(kind, "truncate") != 0 && strcmp(kind, "close") != 0)) {
        answer_mistake(x, 400, "the call, the kind (status, timeout, truncate, close), the status or times is not known");
        json_decref(root);
        return;
    }
    lines = header_lines(headers, &good);
    if (!good) {
        answer_mistake(x, 400, "headers are {name: text}, each of one line");
        free(lines);
        json_decref(root);
        return;
    }
    f = calloc(1, sizeof(*f));
    if (!f)
        abort();
    *f = (struct fault){strdup(call), strdup(kind), status, times, 0, effect, json_incref(body), lines, NULL};
    for (end = &sbx.faults; *end; end = &(*end)->next)
        ;
    *end = f;
    json_decref(root);
    answer(x, 201, NULL, false);
}

static void list_faults(struct ec_http_exchange *x)
{
    json_t *list = json_array();
    struct fault *f;

    for (f = sbx.faults; f; f = f->next)
        json_array_append_new(list, json_pack("{sssssisisisb}", "call", f->call, "kind", f->kind, "status", f->status, "left", f->left,
                                              "fired", f->fired, "effect", f->effect));
    answer(x, 200, list, false);
    json_decref(list);
}

/* Nobody is answered; the exchange goes with its client. */
static void on_gone(struct ec_http_exchange *x, void *data)
{
    (void)data;
    ec_http_close(x);
}

/* Answers as the fault says. */
static void spoil(struct ec_http_exchange *x, const struct fault *f, int status, json_t *reply)
{
    char *text;

    if (strcmp(f->kind, "timeout") == 0) {
        ec_http_exchange_set(x, NULL, on_gone);
    } else if (strcmp(f->kind, "close") == 0) {
        ec_http_close(x);
    } else {
        text = reply ? json_dumps(reply, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("{\"cut\": true}");
        if (!text)
            abort();
        ec_http_reply_truncated(x, status, EC_STR("application/json"), (struct ec_str){text, strlen(text)}, strlen(text) / 2);
        free(text);
    }
}

/* ------------------------------------------------------------------ calls */

/* The first answer under this key: NULL when there is none. Refuses and says so when it was for another request. */
static json_t *replay_of(const char *id, const char *request, bool *reused)
{
    json_t *first = json_object_get(sbx.memory.replays, id);

    *reused = first && strcmp(json_string_value(json_object_get(first, "request")), request) != 0;
    return first;
}

static void serve_call(struct ec_http_exchange *x, const struct ec_sbx_call *call, json_t *request)
{
    struct ec_arena *arena = ec_http_exchange_arena(x);
    struct ec_str key = {NULL, 0};
    struct fault *fault;
    json_t *reply = NULL, *first = NULL, *touched = NULL;
    char *canonical = NULL;
    const char *id = NULL;
    bool reused = false;
    int status = 0;

    if (call->idempotency_header)
        key = ec_http_header(ec_http_exchange_request(x), call->idempotency_header);
    if (key.n > 255) {
        answer_refusal(x, &(struct ec_sbx_refusal){400, "key", NULL, "the idempotency key is too long"}, NULL);
        return;
    }
    if (key.n > 0) {
        id = ec_arena_printf(arena, "%s %.*s", call->name, (int)key.n, key.p);
        canonical = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);
        first = replay_of(id, canonical, &reused);
    }
    fault = take_fault(call->name);
    if (reused) {
        answer_refusal(x, &(struct ec_sbx_refusal){400, "key", NULL, "this idempotency key was used with another request"}, NULL);
    } else if (fault && strcmp(fault->kind, "status") == 0) {
        record(call, request, key, fault->status, fault->body, false, fault->kind, NULL, NULL);
        if (fault->body)
            answer_with(x, fault->status, fault->body, fault->headers);
        else
            answer_refusal(x, &(struct ec_sbx_refusal){fault->status, "fault", NULL, "a fault was asked for"}, fault->headers);
    } else if (fault && !fault->effect) {
        record(call, request, key, 0, NULL, false, fault->kind, NULL, NULL);
        spoil(x, fault, 200, NULL);
    } else {
        if (first) {
            status = (int)json_integer_value(json_object_get(first, "status"));
            reply = json_incref(json_object_get(first, "reply"));
            if (json_is_null(reply))
                reply = NULL;
        } else {
            status = ec_sbx_apply(call, request, sbx.memory.stores, touched = json_object(), &reply);
        }
        if (status == 0) {
            answer_mistake(x, 500, "no rule of the sandbox fits this request");
        } else {
            if (id && !first)
                json_object_set_new(sbx.memory.replays, id,
                                    json_pack("{sssisO?}", "request", canonical, "status", status, "reply", reply));
            record(call, request, key, status, reply, first != NULL, fault ? fault->kind : NULL, first ? NULL : id, touched);
            if (fault)
                spoil(x, fault, status, reply);
            else
                answer(x, status, reply, first != NULL);
        }
        json_decref(reply);
        json_decref(touched);
    }
    free(canonical);
}

static bool path_is(const struct ec_http_request *request, const char *path)
{
    return ec_str_eq(request->path, (struct ec_str){path, strlen(path)});
}

static bool method_is(const struct ec_http_request *request, const char *method)
{
    return ec_str_eq(request->method, (struct ec_str){method, strlen(method)});
}

static void serve_own(struct ec_http_exchange *x, const struct ec_http_request *request)
{
    if (strncmp(request->peer, "127.", 4) != 0 && strcmp(request->peer, "::1") != 0 && strncmp(request->peer, "::ffff:127.", 11) != 0) {
        answer_mistake(x, 404, "there is no such path");
    } else if (path_is(request, "/_sandbox/ledger") && method_is(request, "GET")) {
        answer(x, 200, sbx.memory.ledger, false);
    } else if (path_is(request, "/_sandbox/ledger") && method_is(request, "DELETE")) {
        json_array_clear(sbx.memory.ledger);
        ec_sbx_journal_empty();
        answer(x, 204, NULL, false);
    } else if (path_is(request, "/_sandbox/faults") && method_is(request, "POST")) {
        add_fault(x, request->body);
    } else if (path_is(request, "/_sandbox/faults") && method_is(request, "GET")) {
        list_faults(x);
    } else if (path_is(request, "/_sandbox/faults") && method_is(request, "DELETE")) {
        free_faults();
        answer(x, 204, NULL, false);
    } else {
        answer_mistake(x, 404, "there is no such path");
    }
}

static void handle(struct ec_http_exchange *x, void *data)
{
    const struct ec_http_request *request = ec_http_exchange_request(x);
    struct ec_arena *arena = ec_http_exchange_arena(x);
    struct ec_sbx_refusal refusal;
    struct ec_sbx_match match;
    json_t *fields;

    (void)data;
    if (path_is(request, "/livez") || path_is(request, "/readyz")) {
        ec_http_reply(x, 200, EC_STR("text/plain"), (struct ec_str){NULL, 0}, EC_STR("ok\n"));
    } else if (request->path.n >= 10 && memcmp(request->path.p, "/_sandbox/", 10) == 0) {
        serve_own(x, request);
    } else if (!ec_sbx_authorized(sbx.sandbox, request, arena)) {
        answer_refusal(x, &(struct ec_sbx_refusal){401, "credentials", NULL, "the credentials are not valid"}, NULL);
    } else if (!ec_sbx_find(sbx.sandbox, request, arena, &match, &refusal) ||
               !(fields = ec_sbx_read(sbx.sandbox, &match, request, arena, &refusal))) {
        ec_log(EC_LOG_WARN, NULL, "refused a request", EC_L_TEXT("path", request->path), EC_L_INT("status", refusal.status),
               EC_L_STR("why", refusal.message));
        answer_refusal(x, &refusal, NULL);
    } else {
        serve_call(x, match.call, fields);
        json_decref(fields);
    }
}

/* ------------------------------------------------------------------ the process */

static void on_signal(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    ec_http_server_stop(sbx.server); /* nothing here outlives the process, so nothing is waited for */
    uv_close((uv_handle_t *)&sbx.term, NULL);
    uv_close((uv_handle_t *)&sbx.interrupt, NULL);
}

static void read_settings(struct ec_config_errors *errors)
{
    /* They are const for those who read them; here they are read from the environment. */
    struct ec_setting *list[3] = {NULL, NULL, NULL};
    int n = 0;

    if (sbx.sandbox->auth == EC_AUTH_NONE)
        return;
    list[n++] = (struct ec_setting *)sbx.sandbox->auth_secret;
    if (sbx.sandbox->auth == EC_AUTH_BASIC)
        list[n++] = (struct ec_setting *)sbx.sandbox->auth_user;
    ec_config_settings(errors, list);
}

static void free_settings(void)
{
    if (sbx.sandbox->auth == EC_AUTH_NONE)
        return;
    free((char *)sbx.sandbox->auth_secret->text.p);
    if (sbx.sandbox->auth == EC_AUTH_BASIC)
        free((char *)sbx.sandbox->auth_user->text.p);
}

static void forget(void)
{
    ec_sbx_journal_close();
    json_decref(sbx.memory.stores);
    json_decref(sbx.memory.replays);
    json_decref(sbx.memory.ledger);
}

static int run(const struct ec_http_server_options *options, const char *journal)
{
    const char *why = NULL;

    uv_loop_init(&sbx.loop);
    if (ec_sbx_journal_open(journal, &sbx.memory, &why) == 0)
        sbx.server = ec_http_server_start(&sbx.loop, options, &why);
    if (!sbx.server) {
        forget();
        fprintf(stderr, "%s: %s\n", sbx.sandbox->name, why);
        uv_run(&sbx.loop, UV_RUN_DEFAULT);
        uv_loop_close(&sbx.loop);
        return 1;
    }
    ec_log_attach(&sbx.loop);
    uv_signal_init(&sbx.loop, &sbx.term);
    uv_signal_init(&sbx.loop, &sbx.interrupt);
    uv_signal_start(&sbx.term, on_signal, SIGTERM);
    uv_signal_start(&sbx.interrupt, on_signal, SIGINT);
    ec_log(EC_LOG_INFO, NULL, "serving", EC_L_STR("sandbox", sbx.sandbox->name), EC_L_INT("port", ec_http_server_port(sbx.server)));
    uv_run(&sbx.loop, UV_RUN_DEFAULT);
    ec_log_detach();
    uv_run(&sbx.loop, UV_RUN_DEFAULT);
    uv_loop_close(&sbx.loop);
    forget();
    free_faults();
    return 0;
}

static int serve(void)
{
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};
    struct ec_http_server_options options = {.handle = handle};
    char *host, *cert, *key, *journal;
    int code = 78;

    ec_log_configure(&errors);
    host = ec_config_get(&errors, "HOST", "127.0.0.1", false);
    cert = ec_config_get(&errors, "EC_TLS_CERT", NULL, false);
    key = ec_config_get(&errors, "EC_TLS_KEY", NULL, false);
    journal = ec_config_get(&errors, "EC_SANDBOX_JOURNAL", NULL, false);
    options.host = host;
    options.port = ec_app_port(&errors, "PORT", 0);
    options.tls_cert = cert;
    options.tls_key = key;
    if (!cert != !key)
        ec_config_error(&errors, "EC_TLS_CERT and EC_TLS_KEY belong together");
    if (!cert && host && strcmp(host, "127.0.0.1") != 0 && strcmp(host, "localhost") != 0 && strcmp(host, "::1") != 0)
        ec_config_error(&errors, "EC_TLS_CERT and EC_TLS_KEY must be set when HOST is not a loopback address");
    read_settings(&errors);
    if (errors.n > 0)
        fwrite(errors.text.p, 1, errors.text.n, stderr);
    else
        code = run(&options, journal);
    ec_buf_free(&errors.text);
    free_settings();
    free(host);
    free(cert);
    free(key);
    free(journal);
    ec_log_flush();
    return code;
}

static int health(void)
{
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};
    char *host = ec_config_get(&errors, "HOST", "127.0.0.1", false);
    int port = ec_app_port(&errors, "PORT", 0), code = errors.n || !host ? 78 : ec_health_command(host, port, true);

    if (errors.n)
        fwrite(errors.text.p, 1, errors.text.n, stderr);
    ec_buf_free(&errors.text);
    free(host);
    return code;
}

int ec_sandbox_main(int argc, char **argv, const struct ec_sandbox *sandbox)
{
    sbx.sandbox = sandbox;
    if (argc > 1 && strcmp(argv[1], "version") == 0) {
        printf("%s\n", sandbox->name);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "health") == 0)
        return health();
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "serve") != 0)) {
        fprintf(stderr, "usage: %s-sandbox [serve | health | version]\n", sandbox->name);
        return 2;
    }
    return serve();
}
