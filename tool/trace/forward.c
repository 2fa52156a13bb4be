/* See trace.h. The queue is a list; the first body is on its way. */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "http.h"
#include "traces.h"

enum { SEND_MS = 5000 };

struct body {
    struct body *next;
    size_t n;
    char text[];
};

struct ecc_forward {
    struct ec_http_client *client;
    char *head;
    struct body *first, **end;
    size_t bytes, most;
    uint64_t sent, dropped;
    bool in_flight, stopped;
};

static void send_first(struct ecc_forward *forward);

static void forget_first(struct ecc_forward *forward)
{
    struct body *body = forward->first;

    forward->first = body->next;
    if (!forward->first)
        forward->end = &forward->first;
    forward->bytes -= body->n;
    free(body);
}

static void on_sent(void *data, enum ec_http_outcome outcome, const struct ec_http_reply *reply)
{
    struct ecc_forward *forward = data;

    forward->in_flight = false;
    if (outcome == EC_HTTP_OK && reply->status >= 200 && reply->status < 300)
        forward->sent++;
    else
        forward->dropped++;
    forget_first(forward);
    if (!forward->stopped)
        send_first(forward);
}

static void send_first(struct ecc_forward *forward)
{
    struct body *body = forward->first;

    if (!body || forward->in_flight)
        return;
    forward->in_flight = true;
    ec_http_send(forward->client, ec_str_of(forward->head), (struct ec_str){body->text, body->n}, SEND_MS, true, on_sent, forward);
}

struct ecc_forward *ecc_forward_new(struct uv_loop_s *loop, const char *endpoint, size_t most_bytes, const char **why)
{
    struct ecc_forward *forward = calloc(1, sizeof *forward);
    char *url = strdup(endpoint), *path;
    size_t n = strlen(endpoint);

    if (!forward || !url)
        abort();
    while (n > 0 && url[n - 1] == '/')
        url[--n] = '\0';
    path = strstr(url, "://");
    path = path ? strchr(path + 3, '/') : NULL;
    if (asprintf(&forward->head, "POST %s/v1/traces HTTP/1.1\r\ncontent-type: application/json\r\n", path ? path : "") < 0)
        abort();
    if (path)
        *path = '\0';
    *why = ec_http_urls_check(url);
    forward->client = *why ? NULL : ec_http_client_new(loop, url, 1, why);
    free(url);
    if (!forward->client) {
        free(forward->head);
        free(forward);
        return NULL;
    }
    forward->end = &forward->first;
    forward->most = most_bytes;
    return forward;
}

void ecc_forward_send(struct ecc_forward *forward, const char *text, size_t n)
{
    struct body *body = malloc(sizeof *body + n);

    if (!body)
        abort();
    memcpy(body->text, text, n);
    body->n = n;
    body->next = NULL;
    *forward->end = body;
    forward->end = &body->next;
    forward->bytes += n;
    while (forward->bytes > forward->most && forward->first->next) { /* the oldest that is not on its way */
        struct body **at = forward->in_flight ? &forward->first->next : &forward->first, *old = *at;
        if (forward->end == &old->next)
            forward->end = at;
        *at = old->next;
        forward->bytes -= old->n;
        forward->dropped++;
        free(old);
    }
    send_first(forward);
}

void ecc_forward_stop(struct ecc_forward *forward)
{
    if (!forward)
        return;
    forward->stopped = true;
    ec_http_client_stop(forward->client); /* what is on its way is told to have failed */
    free(forward->head);
    while (forward->first)
        forget_first(forward);
    free(forward);
}

uint64_t ecc_forward_dropped(const struct ecc_forward *forward)
{
    return forward->dropped;
}

uint64_t ecc_forward_sent(const struct ecc_forward *forward)
{
    return forward->sent;
}
