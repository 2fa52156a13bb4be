/* The internal listener: POST /ops/<Op> from the services that have an edge to this one, and the health paths.
 *
 * A request is taken apart strictly: the caller proves itself with a service token, must be among the operation's callers, and each header
 * of the wire comes at most once and in its form. Then it becomes a task; the exchange is the task's owner and lives until it is answered,
 * so texts of the input point into its body. When the client goes away the work goes on: with a key its reply is asked for again, and
 * without one the answer is dropped.
 *
 * Admission: beyond EC_MAX_TASKS operations in flight the answer is 503 with Retry-After, at once; compensations and repeats are let in
 * a quarter beyond it, since they make room.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "health.h"
#include "json.h"
#include "random.h"
#include "span.h"
#include "token.h"
#include "trace.h"

enum { DEFAULT_DEADLINE_MS = 30000, MAX_DEADLINE_MS = 3600000, MAX_KEY = 200 };

enum outcome { OK, ACCEPTED, REJECTED, FAILED, NOUTCOMES };

struct entry { /* what the process keeps for an operation */
    const struct ec_op *op;
    struct ec_str name;
    struct ec_metric *requests[NOUTCOMES], *seconds;
};

static struct {
    char *host;
    int port;
    int64_t max_tasks, in_flight;
    struct ec_http_server *server;
    struct entry *slots; /* open addressing, a power of two with at least half free */
    size_t nslots;
    struct ec_metric *in_flight_gauge, *refused;
    struct ec_buf out; /* of replies, one at a time */
} ops;

static const struct ec_record nothing_record = {.name = "nothing"};

/* ------------------------------------------------------------------ operations by name */

static size_t slot_of(struct ec_str name)
{
    uint32_t hash = 2166136261u;
    size_t i;

    for (i = 0; i < name.n; i++)
        hash = (hash ^ (unsigned char)name.p[i]) * 16777619u;
    for (i = hash & (ops.nslots - 1); ops.slots[i].op && !ec_str_eq(ops.slots[i].name, name); i = (i + 1) & (ops.nslots - 1))
        ;
    return i;
}

static void count_series(struct entry *entry)
{
    static const char *const outcomes[] = {"ok", "accepted", "rejected", "failed"};
    struct ec_buf labels = {NULL, 0, 0};
    int i;

    for (i = 0; i < NOUTCOMES; i++) {
        labels.n = 0;
        ec_metric_label(&labels, "op", entry->op->name);
        ec_metric_label(&labels, "outcome", outcomes[i]);
        entry->requests[i] = ec_metric(EC_COUNTER, "ec_op_requests_total", "Operations by outcome", labels.p);
    }
    labels.n = 0;
    ec_metric_label(&labels, "op", entry->op->name);
    entry->seconds = ec_metric(EC_HISTOGRAM, "ec_op_seconds", "Time from request to reply of an operation", labels.p);
    ec_buf_free(&labels);
}

static void make_table(const struct ec_op *const *all)
{
    size_t n = 0, i;

    while (all && all[n])
        n++;
    for (ops.nslots = 4; ops.nslots < 4 * n; ops.nslots *= 2) /* each may have an older name, too */
        ;
    ops.slots = calloc(ops.nslots, sizeof(*ops.slots));
    if (!ops.slots)
        ec_panic("out of memory");
    for (i = 0; i < n; i++) {
        struct entry *entry = &ops.slots[slot_of(ec_str_of(all[i]->name))];

        entry->op = all[i];
        entry->name = ec_str_of(all[i]->name);
        count_series(entry);
    }
    for (i = 0; i < n; i++) {
        const struct entry *entry = &ops.slots[slot_of(ec_str_of(all[i]->name))];
        struct entry *older = all[i]->was ? &ops.slots[slot_of(ec_str_of(all[i]->was))] : NULL;

        if (older && !older->op) {
            *older = *entry; /* counted under the present name */
            older->name = ec_str_of(all[i]->was);
        }
    }
}

/* ------------------------------------------------------------------ replies */

static struct ec_str problem_headers(struct ec_buf *buf, const struct ec_task *task, int status)
{
    if (task->retry_after_s > 0 || status == 503)
        ec_buf_int(buf, "retry-after: ", task->retry_after_s > 0 ? task->retry_after_s : 1, "\r\n");
    if (task->unknown)
        ec_buf_str(buf, "ec-unknown: 1\r\n");
    return (struct ec_str){buf->p, buf->n};
}

static void on_finish(struct ec_task *task)
{
    struct ec_http_exchange *exchange = task->owner;
    struct ec_str name = ec_http_exchange_request(exchange)->path;
    struct entry *entry = &ops.slots[slot_of((struct ec_str){name.p + 5, name.n - 5})];
    const struct ec_error *error = task->error;

    EC_CRASH_BEFORE("%s.answer", ec_crash_program(task->program));
    ops.out.n = 0;
    if (error) {
        if (error->status >= 500)
            ec_log(error->status == 500 ? EC_LOG_ERROR : EC_LOG_WARN, task, "operation failed", EC_L_STR("op", entry->op->name),
                   EC_L_STR("error", error->name), EC_L_STR("detail", task->detail));
        ec_http_problem(exchange, error, task->detail, task->trace.trace_id, problem_headers(&ops.out, task, error->status));
    } else {
        if (task->program->out && task->out)
            ec_json_write(&ops.out, task->program->out, task->out);
        else
            ec_buf_str(&ops.out, "{}");
        ec_http_reply(exchange, task->accepted ? 202 : 200, EC_STR("application/json"), (struct ec_str){NULL, 0},
                      (struct ec_str){ops.out.p, ops.out.n});
    }
    EC_CRASH_AFTER("%s.answer", ec_crash_program(task->program));
    if (ec_spans_on)
        ec_span_end(&(struct ec_span){.trace = &task->trace,
                                      .kind = EC_SPAN_SERVER,
                                      .name = task->program->name,
                                      .outcome = error ? "error" : "ok",
                                      .error = error ? error->name : NULL,
                                      .weight = task->stands_for,
                                      .began_ns = task->started_ns});
    ec_log(EC_LOG_DEBUG, task, "operation", EC_L_STR("op", entry->op->name),
           EC_L_INT("status", error            ? error->status
                              : task->accepted ? 202
                                               : 200),
           EC_L_INT("us", (uv_hrtime() - task->started_ns) / 1000));
    ec_metric_add(entry->requests[!error ? (task->accepted ? ACCEPTED : OK) : error->status < 500 ? REJECTED : FAILED], 1);
    ec_metric_observe(entry->seconds, (double)(uv_hrtime() - task->started_ns) * 1e-9);
    ops.in_flight--;
    ec_metric_set(ops.in_flight_gauge, (double)ops.in_flight);
    ec_task_free(task);
}

static void refuse(struct ec_http_exchange *exchange, const struct ec_error *error, const char *detail, const char *headers)
{
    ec_metric_add(ops.refused, 1);
    ec_http_problem(exchange, error, detail, NULL, ec_str_of(headers));
}

/* ------------------------------------------------------------------ requests */

enum wire { AUTHORIZATION, DEADLINE, KEY, UNDOES, BACKGROUND, AGAIN, TRACEPARENT, CONTENT_TYPE, NWIRE };
static const char *const wire_names[NWIRE] = {
    "authorization", "ec-deadline", "idempotency-key", "ec-undoes", "ec-background", "ec-again", "traceparent", "content-type",
};

/* The values of the wire's headers; a name that comes twice is returned, else NULL. */
static const char *collect(const struct ec_http_request *request, struct ec_str values[NWIRE])
{
    size_t i;
    int k;

    memset(values, 0, NWIRE * sizeof(*values));
    for (i = 0; i < request->nheaders; i++)
        for (k = 0; k < NWIRE; k++) {
            if (!ec_header_is(request->headers[i].name, wire_names[k]))
                continue;
            if (values[k].p)
                return wire_names[k];
            values[k] = request->headers[i].value;
        }
    return NULL;
}

static bool is_key(struct ec_str text)
{
    size_t i;

    if (text.n == 0 || text.n > MAX_KEY)
        return false;
    for (i = 0; i < text.n; i++)
        if (text.p[i] < 0x21 || text.p[i] > 0x7e)
            return false;
    return true;
}

/* Fills the task in from the headers; what is wrong, or NULL. */
static const char *context(struct ec_task *task, const struct ec_str values[NWIRE])
{
    int64_t ms = DEFAULT_DEADLINE_MS;

    if (values[DEADLINE].p && (!ec_int_parse(values[DEADLINE], &ms) || ms < 0 || ms > MAX_DEADLINE_MS))
        return "ec-deadline must be milliseconds, at most an hour";
    task->deadline_ns = uv_hrtime() + (uint64_t)ms * 1000000;
    if (values[KEY].p && !is_key(values[KEY]))
        return "idempotency-key must be 1 to 200 visible ASCII characters";
    task->key = ec_arena_copy(task->arena, values[KEY]);
    if (values[UNDOES].p && (!is_key(values[UNDOES]) || !values[KEY].p))
        return "ec-undoes must be a key, beside idempotency-key";
    task->undoes = ec_arena_copy(task->arena, values[UNDOES]);
    if (values[BACKGROUND].p && !ec_str_eq(values[BACKGROUND], EC_STR("1")))
        return "ec-background must be 1";
    task->background = values[BACKGROUND].p != NULL;
    if (values[AGAIN].p && !ec_str_eq(values[AGAIN], EC_STR("1")))
        return "ec-again must be 1";
    task->again = values[AGAIN].p != NULL;
    ec_spans_join(task, values[TRACEPARENT]);
    return NULL;
}

static void hash_body(struct ec_task *task, struct ec_str body)
{
    uint8_t digest[32];

    ec_sha256(body.p, body.n, digest);
    memcpy(task->request_hash, digest, sizeof(task->request_hash));
}

/* Reads the parameters into the frame; false: error and detail are set. */
static bool read_parameters(struct ec_task *task, struct ec_str body)
{
    const struct ec_record *record = task->program->in ? task->program->in : &nothing_record;
    struct ec_json_error error;
    enum ec_json_status status;

    if (body.n == 0)
        body = EC_STR("{}");
    status = ec_json_read(task->arena, body, record, task->frame, 0, &error);
    if (status == EC_JSON_OK)
        return true;
    ec_task_error(task, status == EC_JSON_MALFORMED ? &ec_error_bad_request : &ec_error_invalid, "%s%s%s", error.path,
                  error.path[0] ? " " : "", error.message);
    return false;
}

static void start(struct ec_http_exchange *exchange, const struct entry *entry, const struct ec_str values[NWIRE])
{
    const struct ec_http_request *request = ec_http_exchange_request(exchange);
    struct ec_task *task = ec_task_new(&ec_app, entry->op->program);
    const char *wrong = context(task, values);
    int64_t limit = task->background ? ops.max_tasks + ops.max_tasks / 4 : ops.max_tasks;

    if (wrong) {
        refuse(exchange, &ec_error_bad_request, wrong, NULL);
        ec_task_free(task);
        return;
    }
    if (ops.in_flight >= limit) {
        refuse(exchange, &ec_error_unavailable, "too many operations are in flight", "retry-after: 1\r\n");
        ec_task_free(task);
        return;
    }
    if (!read_parameters(task, request->body)) {
        ec_metric_add(entry->requests[REJECTED], 1);
        ec_http_problem(exchange, task->error, task->detail, task->trace.trace_id, (struct ec_str){NULL, 0});
        ec_task_free(task);
        return;
    }
    if (task->key.n)
        hash_body(task, request->body);
    task->owner = exchange;
    task->finish = on_finish;
    ops.in_flight++;
    ec_metric_set(ops.in_flight_gauge, (double)ops.in_flight);
    if (ec_task_expired(task))
        ec_task_end(task, &ec_error_timeout, NULL, false);
    else
        ec_task_start_now(task);
}

static bool is_json(struct ec_str type)
{
    static const char json[] = "application/json";
    size_t i;

    if (type.n < sizeof(json) - 1)
        return false;
    for (i = 0; i < sizeof(json) - 1; i++)
        if ((type.p[i] | 0x20) != json[i] && type.p[i] != json[i])
            return false;
    return type.n == i || type.p[i] == ';' || type.p[i] == ' ';
}

static bool may_call(const struct ec_op *op, const char *caller)
{
    const char *const *name;

    for (name = op->callers; name && *name; name++)
        if (strcmp(*name, caller) == 0)
            return true;
    return false;
}

static void handle(struct ec_http_exchange *exchange, void *data)
{
    const struct ec_http_request *request = ec_http_exchange_request(exchange);
    struct ec_str values[NWIRE], prefix = EC_STR("/ops/");
    const struct entry *entry;
    const char *twice, *caller;

    (void)data;
    if (ec_health_handle(exchange))
        return;
    if (request->path.n <= prefix.n || memcmp(request->path.p, prefix.p, prefix.n) != 0) {
        refuse(exchange, &ec_error_not_found, NULL, NULL);
        return;
    }
    twice = collect(request, values);
    if (twice) {
        ec_metric_add(ops.refused, 1);
        ec_http_problem(exchange, &ec_error_bad_request, ec_arena_printf(ec_http_exchange_arena(exchange), "%s comes twice", twice), NULL,
                        (struct ec_str){NULL, 0});
        return;
    }
    caller = NULL;
    if (values[AUTHORIZATION].n > 7 && strncasecmp(values[AUTHORIZATION].p, "bearer ", 7) == 0)
        caller = ec_token_caller((struct ec_str){values[AUTHORIZATION].p + 7, values[AUTHORIZATION].n - 7});
    if (!caller) {
        refuse(exchange, &ec_error_unauthorized, "a service token is needed", "www-authenticate: Bearer\r\n");
        return;
    }
    entry = &ops.slots[slot_of((struct ec_str){request->path.p + prefix.n, request->path.n - prefix.n})];
    if (!entry->op)
        refuse(exchange, &ec_error_not_found, "there is no such operation", NULL);
    else if (!may_call(entry->op, caller))
        refuse(exchange, &ec_error_forbidden, "there is no edge from this caller", NULL);
    else if (!ec_str_eq(request->method, EC_STR("POST")))
        refuse(exchange, &ec_error_method_not_allowed, NULL, "allow: POST\r\n");
    else if (request->body.n && !is_json(values[CONTENT_TYPE]))
        refuse(exchange, &ec_error_unsupported_media, NULL, NULL);
    else
        start(exchange, entry, values);
}

/* ------------------------------------------------------------------ module */

static void ops_configure(struct ec_app *app, struct ec_config_errors *errors)
{
    ops.host = ec_config_get(errors, "HOST", "127.0.0.1", false);
    ops.port = ec_app_port(errors, "PORT", 0);
    ops.max_tasks = ec_config_int(errors, "EC_MAX_TASKS", 1024, 1, 1000000);
    if (app->service->ops && app->service->ops[0])
        ec_token_configure_verify(app, errors);
}

static int ops_start(struct ec_app *app, const char **why)
{
    struct ec_http_server_options options = {
        .host = ops.host,
        .port = ops.port,
        .reuse_port = ec_app_reuse_port(),
        .handle = handle,
    };

    make_table(app->service->ops);
    ops.in_flight_gauge = ec_metric(EC_GAUGE, "ec_ops_in_flight", "Operations that have begun and not replied", NULL);
    ops.refused = ec_metric(EC_COUNTER, "ec_ops_refused_total", "Requests that became no operation", NULL);
    ops.server = ec_http_server_start(app->loop, &options, why);
    if (!ops.server)
        return -1;
    ec_log(EC_LOG_INFO, NULL, "listening", EC_L_STR("host", ops.host), EC_L_INT("port", ec_http_server_port(ops.server)));
    return 0;
}

static void ops_drain(struct ec_app *app)
{
    (void)app;
    ec_http_server_drain(ops.server, ec_app.drain_delay_ms);
}

static bool ops_idle(struct ec_app *app)
{
    (void)app;
    return ops.in_flight == 0 && ec_http_server_idle(ops.server);
}

static void ops_stop(struct ec_app *app)
{
    (void)app;
    ec_http_server_stop(ops.server);
    free(ops.slots);
    free(ops.host);
    ops.slots = NULL;
    ops.host = NULL;
    ec_buf_free(&ops.out);
    ec_token_stop();
}

const struct ec_module ec_module_ops = {
    .name = "ops",
    .configure = ops_configure,
    .start = ops_start,
    .drain = ops_drain,
    .idle = ops_idle,
    .stop = ops_stop,
};
