/* Answers: a body with the route's status, 202 with a Location, nothing, or a problem; with the limit's fields. Each ends the request: its
 * task is freed, and with it all that the request holds. */
#include "gateway.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

static const struct ec_gateway *gateway;
static int64_t in_flight;
static struct ec_metric *gauge, *unrouted;
static struct ec_buf headers, out;

int64_t gw_in_flight(void)
{
    return in_flight;
}

void gw_request_begin(void)
{
    in_flight++;
    ec_metric_set(gauge, (double)in_flight);
}

static void end(struct gw_request *request, int status, const struct ec_error *error)
{
    struct gw_route *route = request->route;
    struct ec_task *task = request->task;
    int class = status / 100;

    if (class >= 2 && class <= 5)
        ec_metric_add(route->requests[class], 1);
    if (ec_spans_on)
        ec_span_end(&(struct ec_span){.trace = &task->trace,
                                      .kind = EC_SPAN_SERVER,
                                      .hop = "request",
                                      .text = route->name,
                                      .outcome = status >= 400 ? "error" : "ok",
                                      .error = error ? error->name : NULL,
                                      .status = status,
                                      .weight = task->stands_for,
                                      .began_ns = task->started_ns});
    ec_metric_observe(route->seconds, (double)(uv_hrtime() - task->started_ns) * 1e-9);
    in_flight--;
    ec_metric_set(gauge, (double)in_flight);
    gw_verdict_release(request->verdict);
    ec_task_free(task); /* the request is in its arena */
}

static void add_common(struct gw_request *request)
{
    headers.n = 0;
    if (request->limited)
        ec_limiter_headers(&headers, gateway->limit, &request->limit);
    if (request->hit || request->miss)
        ec_buf_str(&headers, request->hit ? "X-Cache: hit\r\n" : "X-Cache: miss\r\n");
}

static struct ec_str text_of(const struct ec_buf *buf)
{
    return (struct ec_str){buf->p, buf->n};
}

void gw_reply_body(struct gw_request *request, int status, struct ec_str body)
{
    bool empty = status == 204 || status == 205 || status == 304;

    add_common(request);
    ec_http_reply(request->exchange, status, empty ? (struct ec_str){NULL, 0} : EC_STR("application/json"), text_of(&headers),
                  empty ? (struct ec_str){NULL, 0} : body);
    end(request, status, NULL);
}

void gw_reply_problem(struct gw_request *request, const struct ec_error *error, const char *detail, int retry_after_s)
{
    add_common(request);
    if (request->limited && !request->limit.allowed)
        retry_after_s = 0; /* the limit's fields have it */
    else if (error->status == 503 && retry_after_s <= 0)
        retry_after_s = 1;
    if (retry_after_s > 0)
        ec_buf_int(&headers, "Retry-After: ", retry_after_s, "\r\n");
    if (error->status == 401) /* RFC 9110, 15.5.2: always with a challenge, also where a password was wrong */
        ec_buf_str(&headers, request->token.p ? "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n" : "WWW-Authenticate: Bearer\r\n");
    if (error->status >= 500) {
        ec_log(error->status == 500 ? EC_LOG_ERROR : EC_LOG_WARN, request->task, "request failed", EC_L_TEXT("route", request->route->name),
               EC_L_STR("error", error->name), EC_L_STR("detail", detail));
        detail = NULL; /* what happens inside is not for the outside */
    }
    ec_http_problem(request->exchange, error, detail, request->task->trace.trace_id, text_of(&headers));
    end(request, error->status, error);
}

void gw_refuse(struct ec_http_exchange *exchange, struct gw_route *route, const struct ec_error *error, const char *detail,
               const char *lines)
{
    ec_metric_add(route ? route->requests[error->status / 100] : unrouted, 1);
    ec_http_problem(exchange, error, detail, NULL, ec_str_of(lines));
}

/* ------------------------------------------------------------------ what a program has replied */

static void add_encoded(struct ec_buf *buf, struct ec_str text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] && strchr(plain, text.p[i]))
            ec_buf_add(buf, &text.p[i], 1);
        else
            ec_buf_printf(buf, "%%%02X", (unsigned char)text.p[i]);
    }
}

/* The template's {name}s are members of the reply. */
static void add_location(struct ec_task *task, const char *template)
{
    const struct ec_record *record = task->program->out;

    ec_buf_str(&headers, "Location: ");
    for (const char *at = template; *at;) {
        size_t n = strcspn(at, "{");

        ec_buf_add(&headers, at, n);
        at += n;
        if (!*at)
            break;
        n = strcspn(at, "}");
        for (size_t i = 0; record && task->out && i < record->nfields; i++)
            if (strlen(record->fields[i].name) == n - 1 && !memcmp(record->fields[i].name, at + 1, n - 1))
                add_encoded(&headers, gw_field_text(task, &record->fields[i], task->out));
        at += n + (at[n] == '}');
    }
    ec_buf_str(&headers, "\r\n");
}

void gw_reply_task(struct gw_request *request)
{
    struct ec_task *task = request->task;
    const struct ec_route *route = request->route->route;
    int status = route->status;

    out.n = 0;
    if (!task->error) {
        if (task->program->out && task->out)
            ec_json_write(&out, task->program->out, task->out);
        else
            ec_buf_str(&out, "{}");
    }
    if (request->flight)
        gw_cache_over(request, text_of(&out));
    if (task->error) {
        gw_reply_problem(request, task->error, task->detail, task->retry_after_s);
        return;
    }
    if (!task->accepted) {
        gw_reply_body(request, status, text_of(&out));
        return;
    }
    add_common(request);
    if (route->accepted)
        add_location(task, route->accepted);
    ec_http_reply(request->exchange, 202, EC_STR("application/json"), text_of(&headers), text_of(&out));
    end(request, 202, NULL);
}

void gw_reply_open(const struct ec_gateway *of)
{
    gateway = of;
    in_flight = 0;
    gauge = ec_metric(EC_GAUGE, "ec_gateway_in_flight", "Requests that are not answered yet", "");
    unrouted = ec_metric(EC_COUNTER, "ec_gateway_unrouted_total", "Requests that no route took", "");
    if (of->limit)
        ec_limiter_open();
}

void gw_reply_close(void)
{
    ec_buf_free(&headers);
    ec_buf_free(&out);
}
