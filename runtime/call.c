/* Internal calls: POST /ops/<Op> on the peer, JSON both ways, the headers of docs/design.md ("Wire between services").
 *
 * Keys. A saga's step, a gateway's route and any other task whose program takes no key of its own gives its key on as it is with its first
 * call: it is the key of that one request. Further calls, and all calls of a program that has taken a key for itself (the inbox holds it),
 * get keys derived from it, for a callee would take a second call under the same key for a repeat: the same again when the program is
 * repeated, because a program is repeated from its start.
 *
 * Answers. Of a 2xx what is not known is passed over and what is optional may be missing, so that a callee may be newer or older than this
 * process; what is needed has to be there. Of a problem only the last part of `type`, `detail`, retry-after and ec-unknown are believed,
 * and only an error that the operation declares, or one of the runtime's own, gets a name here; everything else is "a bad gateway". What
 * the peer says about who may call it is our mistake, not that of whoever asked us, so it does not go on as 401 or 403.
 */
#include <stdlib.h>
#include <string.h>

#include "edge.h"
#include "http.h"
#include "json.h"
#include "random.h"
#include "task.h"
#include "token.h"
#include "trace.h"

enum { MAX_KEY = 200, CONNECTIONS = 64 };

struct call_run {
    struct ec_attempts attempts;
    const struct ec_call *call;
    void *out;
    struct ec_str body; /* in the task's arena, for every attempt */
    struct ec_str key, undoes;
};

/* ------------------------------------------------------------------ answers */

struct problem {
    struct ec_str type, detail;
};

static const struct ec_field problem_fields[] = {
    {.name = "type", .kind = EC_TEXT, .flags = EC_OPTIONAL, .offset = offsetof(struct problem, type)},
    {.name = "detail", .kind = EC_TEXT, .flags = EC_OPTIONAL, .offset = offsetof(struct problem, detail)},
};
static const struct ec_record problem_record = {.name = "problem", .size = sizeof(struct problem), .fields = problem_fields, .nfields = 2};

static struct ec_str reply_header(const struct ec_http_reply *reply, const char *name)
{
    size_t i;

    for (i = 0; i < reply->nheaders; i++)
        if (ec_header_is(reply->headers[i].name, name))
            return reply->headers[i].value;
    return (struct ec_str){NULL, 0};
}

static struct ec_str last_part(struct ec_str path)
{
    size_t at = path.n;

    while (at > 0 && path.p[at - 1] != '/')
        at--;
    return (struct ec_str){path.p + at, path.n - at};
}

static bool ours_to_blame(const struct ec_error *error)
{
    return error == &ec_error_unauthorized || error == &ec_error_forbidden || error == &ec_error_method_not_allowed ||
           error == &ec_error_unsupported_media;
}

static struct ec_edge_result read_problem(struct call_run *run, const struct ec_http_reply *reply)
{
    struct ec_arena *arena = run->attempts.task->arena;
    struct ec_edge_result result = {.outcome = EC_EDGE_ANSWERED};
    const struct ec_error *declared, *own;
    struct ec_json_error ignored;
    struct problem problem;
    struct ec_str text;
    int64_t seconds;
    bool said_unknown = reply_header(reply, "ec-unknown").n > 0;

    if (ec_json_read(arena, ec_arena_copy(arena, reply->body), &problem_record, &problem, EC_JSON_LENIENT, &ignored) != EC_JSON_OK)
        problem = (struct problem){{NULL, 0}, {NULL, 0}};
    text = reply_header(reply, "retry-after");
    if (text.n > 0 && ec_int_parse(text, &seconds) && seconds > 0 && seconds <= 3600)
        result.retry_after_s = (int)seconds;
    declared = ec_error_find(run->call->errors, last_part(problem.type));
    own = ec_error_of_runtime(last_part(problem.type));
    if (problem.detail.n > 0)
        result.detail = ec_arena_copy(arena, problem.detail).p;
    if (declared) {
        result.error = declared;
        result.verdict = true;
        result.unknown = said_unknown;
        return result;
    }
    result.error = own ? own : &ec_error_bad_gateway;
    if (reply->status >= 500) {
        result.outcome = EC_EDGE_FAILED;
        result.unknown = said_unknown || reply->status != 503;
        result.again = true;
        if (!own && reply->status == 503)
            result.error = &ec_error_unavailable;
        else if (!own && reply->status == 504)
            result.error = &ec_error_timeout;
        else if (result.error == &ec_error_internal)
            result.error = &ec_error_bad_gateway; /* the peer's failure, seen from here */
        return result;
    }
    result.unknown = said_unknown;
    result.verdict = own == &ec_error_revoked;
    if (!own || ours_to_blame(own)) {
        result.error = &ec_error_bad_gateway;
        result.detail = ec_arena_printf(arena, "%s refused the call with status %d", run->attempts.edge->peer, reply->status);
        /* One whose clock or keys are wrong refuses faster than the others work, and would draw all calls to itself. */
        ec_http_avoid(run->attempts.edge->state->client, reply);
    }
    return result;
}

static struct ec_edge_result read_reply(struct call_run *run, const struct ec_http_reply *reply)
{
    struct ec_task *task = run->attempts.task;
    struct ec_json_error error;

    if (reply->status < 200 || reply->status >= 300)
        return read_problem(run, reply);
    task->accepted = reply->status == 202; /* a route hands it on; any other program says itself how it ends */
    if (!run->call->out || !run->out)      /* nothing comes, or nobody wants it: an undo */
        return (struct ec_edge_result){.outcome = EC_EDGE_OK};
    /* Texts of the struct point into the document, and the reply dies with this callback. */
    if (ec_json_read(task->arena, ec_arena_copy(task->arena, reply->body), run->call->out, run->out, EC_JSON_LENIENT, &error) == EC_JSON_OK)
        return (struct ec_edge_result){.outcome = EC_EDGE_OK};
    ec_log(EC_LOG_ERROR, task, "an answer does not fit its type", EC_L_STR("edge", run->attempts.edge->name), EC_L_STR("op", run->call->op),
           EC_L_STR("path", error.path), EC_L_STR("why", error.message));
    return (struct ec_edge_result){.outcome = EC_EDGE_MALFORMED, .unknown = true};
}

static void on_done(void *data, enum ec_http_outcome outcome, const struct ec_http_reply *reply)
{
    struct call_run *run = data;
    struct ec_edge_result result = {.outcome = EC_EDGE_BROKEN, .unknown = true, .again = true};

    switch (outcome) {
    case EC_HTTP_OK:
        result = read_reply(run, reply);
        break;
    case EC_HTTP_REFUSED:
        result = (struct ec_edge_result){.outcome = EC_EDGE_REFUSED, .again = true};
        break;
    case EC_HTTP_LATE:
        result = (struct ec_edge_result){.outcome = EC_EDGE_LATE, .again = true};
        break;
    case EC_HTTP_TIMED_OUT:
        result.outcome = EC_EDGE_TIMED_OUT;
        break;
    case EC_HTTP_MALFORMED:
        result.outcome = EC_EDGE_MALFORMED;
        result.again = false;
        break;
    case EC_HTTP_BROKEN:
        break;
    }
    ec_edge_end(&run->attempts, &result);
}

/* ------------------------------------------------------------------ requests */

static void add_header(struct ec_buf *head, const char *name, struct ec_str value)
{
    ec_buf_str(head, name);
    ec_buf_add(head, value.p, value.n);
    ec_buf_add(head, "\r\n", 2);
}

static void send_attempt(struct ec_attempts *attempts)
{
    static struct ec_buf head; /* of the loop's thread; the client copies it */
    struct call_run *run = (struct call_run *)attempts;
    struct ec_task *task = attempts->task;
    struct ec_str token = ec_token_for(attempts->edge->peer);
    char traceparent[EC_TRACEPARENT + 1];

    head.n = 0;
    ec_buf_str(&head, "POST /ops/");
    ec_buf_str(&head, run->call->op);
    ec_buf_int(&head, " HTTP/1.1\r\ncontent-type: application/json\r\nec-deadline: ", attempts->timeout_ms, "\r\n");
    if (token.n > 0)
        add_header(&head, "authorization: Bearer ", token);
    if (run->key.n > 0)
        add_header(&head, "idempotency-key: ", run->key);
    if (run->undoes.n > 0)
        add_header(&head, "ec-undoes: ", run->undoes);
    if (task->background)
        ec_buf_str(&head, "ec-background: 1\r\n");
    if (task->again)
        ec_buf_str(&head, "ec-again: 1\r\n");
    ec_trace_format(&attempts->span, traceparent);
    add_header(&head, "traceparent: ", (struct ec_str){traceparent, EC_TRACEPARENT});
    ec_http_send(attempts->edge->state->client, (struct ec_str){head.p, head.n}, run->body, attempts->timeout_ms,
                 attempts->repeatable || attempts->harmless, on_done, run);
}

static void choose_key(struct call_run *run)
{
    struct ec_task *task = run->attempts.task, *whole = task->parent ? task->parent : task;
    uint8_t digest[32];
    char hex[65];
    struct ec_str key;

    if (task->key.n == 0)
        return;
    if ((!task->program || task->program->repeat == EC_REPEAT_READ) && whole->calls == 0) {
        whole->calls++;
        run->key = task->key;
        run->undoes = task->undoes;
        return;
    }
    key = ec_str_of(ec_arena_printf(task->arena, "%.*s/%u/%s", (int)task->key.n, task->key.p, (unsigned)++whole->calls,
                                    run->call->was ? run->call->was : run->call->op));
    if (key.n > MAX_KEY) {
        ec_sha256(key.p, key.n, digest);
        ec_hex(digest, sizeof(digest), hex);
        key = ec_arena_copy(task->arena, (struct ec_str){hex, 64});
    }
    run->key = key;
}

void ec_call(struct ec_task *task, const struct ec_call *call, const void *in, void *out)
{
    static struct ec_buf body;
    struct call_run *run = EC_ALLOC(task, struct call_run);

    run->attempts.task = task;
    run->attempts.edge = call->edge;
    run->attempts.send = send_attempt;
    run->attempts.asked = call->op;
    run->call = call;
    run->out = out;
    choose_key(run);
    run->attempts.repeatable = run->key.n > 0;
    run->attempts.harmless = call->safe;
    body.n = 0;
    if (call->in)
        ec_json_write(&body, call->in, in);
    else
        ec_buf_str(&body, "{}");
    run->body = ec_arena_copy(task->arena, (struct ec_str){body.p, body.n});
    ec_edge_begin(&run->attempts);
}

/* ------------------------------------------------------------------ the module */

static struct edge_urls {
    struct ec_edge *edge;
    char *urls;
    struct edge_urls *next;
} * configured;

static void configure(struct ec_app *app, struct ec_config_errors *errors)
{
    struct ec_edge *const *edge;
    struct edge_urls *entry;
    const char *why;
    char *urls;

    ec_token_configure_sign(app, errors);
    for (edge = app->service->edges; edge && *edge; edge++) {
        if (!(*edge)->env)
            continue;
        urls = ec_config_get(errors, (*edge)->env, NULL, true);
        if (!urls)
            continue;
        why = ec_http_urls_check(urls);
        if (why)
            ec_config_error(errors, "%s %s", (*edge)->env, why);
        entry = calloc(1, sizeof(*entry));
        if (!entry)
            abort();
        entry->edge = *edge;
        entry->urls = urls;
        entry->next = configured;
        configured = entry;
    }
}

static int start(struct ec_app *app, const char **why)
{
    struct edge_urls *entry;

    for (entry = configured; entry; entry = entry->next) {
        ec_edge_open(entry->edge);
        entry->edge->state->client = ec_http_client_new(app->loop, entry->urls, CONNECTIONS, why);
        if (!entry->edge->state->client)
            return -1;
    }
    return 0;
}

static bool idle(struct ec_app *app)
{
    (void)app;
    return ec_edges_idle();
}

static void stop(struct ec_app *app)
{
    struct edge_urls *entry;

    (void)app;
    ec_edges_stop();
    while ((entry = configured)) {
        configured = entry->next;
        if (entry->edge->state) {
            ec_http_client_stop(entry->edge->state->client);
            ec_edge_close(entry->edge);
        }
        free(entry->urls);
        free(entry);
    }
}

const struct ec_module ec_module_calls = {
    .name = "calls",
    .configure = configure,
    .start = start,
    .idle = idle,
    .stop = stop,
};
