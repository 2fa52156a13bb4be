/* Sending, open loop: request k is due at start + k / rate, whatever became of those before it, and its answer's time counts from then.
 *
 * A timer of the kernel that is set to the next due time wakes the loop, and everything that is due by then goes out; a few hundred in
 * one turn, so that answers are taken meanwhile. A request that would be one too many in flight is dropped and counted. Each is sent
 * once: a connection that breaks is an answer like any other. One for which no connection could be made was not sent, and goes to the next
 * replica, as a load balancer does it. How late requests are sent is measured, too: it says whether the generator kept up.
 *
 * Ctrl-C ends the sending, a second one the waiting for answers.
 */
#include "load.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { TURN = 256, LIVE_MS = 500, LIVE_LINE_MS = 5000 };

struct flight {
    struct engine *engine;
    struct ecc_load_part *part;
    const struct ecc_answers *answers;
    uint64_t due;
    size_t refused;      /* replicas that could not be reached, one after the other */
    size_t replica;      /* the last one */
    struct flight *next; /* free */
};

struct engine {
    struct ecc_load *load;
    struct ecc_spread spread;
    uint64_t start, due;      /* ns */
    uint64_t at;              /* the next request */
    unsigned in_flight, most;
    int timer;                /* descriptor */
    uv_poll_t wake;
    uv_signal_t interrupts[2];
    uv_timer_t live;
    struct flight *free, *flights;
    struct ec_buf head, body;
    int open;                 /* handles */
    bool sending, gave_up, ended;
    uint64_t window_from, window_sent; /* the live line's */
    struct ecc_histogram *window;
};

/* ------------------------------------------------------------------ judging */

static struct ec_str header(const struct ec_http_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->nheaders; i++)
        if (reply->headers[i].name.n == strlen(name) && !strncasecmp(reply->headers[i].name.p, name, strlen(name)))
            return reply->headers[i].value;
    return (struct ec_str){NULL, 0};
}

/* The last part of a problem's type. */
static void problem_name(const struct ec_http_reply *reply, char *name, size_t size)
{
    json_t *body = json_loadb(reply->body.p, reply->body.n, 0, NULL);
    const char *type = json_string_value(json_object_get(body, "type")), *last = type ? strrchr(type, '/') : NULL;

    snprintf(name, size, "%s", last ? last + 1 : type ? type : "");
    json_decref(body);
}

static bool has_header(const struct ecc_load_part *part, const struct ecc_answers *answers, struct ec_str value)
{
    struct ec_buf wanted = {0};
    bool same;

    ecc_pieces_text(&part->expect, answers, &wanted);
    same = value.p && value.n == wanted.n && !memcmp(value.p, wanted.p, wanted.n);
    ec_buf_free(&wanted);
    return same;
}

enum ecc_load_verdict ecc_load_judge(const struct ecc_load_part *part, const struct ecc_answers *answers, enum ec_http_outcome outcome,
                                     const struct ec_http_reply *reply, char *text, size_t size)
{
    static const char *const outcomes[] = {
        [EC_HTTP_REFUSED] = "connection refused", [EC_HTTP_LATE] = "no connection", [EC_HTTP_BROKEN] = "connection broken",
        [EC_HTTP_TIMED_OUT] = "no answer", [EC_HTTP_MALFORMED] = "malformed answer",
    };
    const struct ecc_scenario *s = part->scenario;
    char name[64] = "";

    if (outcome != EC_HTTP_OK) {
        snprintf(text, size, "%s", outcomes[outcome]);
        return ECC_LOAD_ERROR;
    }
    if (reply->status >= 400)
        problem_name(reply, name, sizeof name);
    if (reply->status == s->expect_status && (!part->error_name || !strcmp(part->error_name, name))) {
        struct ec_str value = s->expect_header ? header(reply, s->expect_header) : (struct ec_str){NULL, 0};
        if (!s->expect_header || has_header(part, answers, value))
            return ECC_LOAD_OK;
        snprintf(text, size, "%d, %s: %.*s", reply->status, s->expect_header, value.p ? (int)value.n : 4, value.p ? value.p : "none");
        return ECC_LOAD_ERROR;
    }
    if (reply->status == 202 && s->when->route->accepted)
        return ECC_LOAD_ACCEPTED;
    snprintf(text, size, "%d%s%s", reply->status, name[0] ? " " : "", name);
    return ECC_LOAD_ERROR;
}

static void count_kind(struct ecc_load_part *part, const char *text)
{
    size_t i = 0;

    while (i < part->nkinds && strcmp(part->kinds[i].text, text))
        i++;
    if (i == ECC_LOAD_KINDS)
        i--; /* the last one is for all that there was no room for */
    if (i == part->nkinds) {
        snprintf(part->kinds[i].text, sizeof part->kinds[i].text, "%s", i + 1 < ECC_LOAD_KINDS ? text : "others");
        part->nkinds++;
    }
    part->kinds[i].n++;
}

/* ------------------------------------------------------------------ sending */

static void on_closed(uv_handle_t *handle)
{
    struct engine *e = handle->data;

    e->open--;
}

static void close_all(struct engine *e)
{
    if (e->ended)
        return;
    e->ended = true;
    uv_close((uv_handle_t *)&e->wake, on_closed);
    uv_close((uv_handle_t *)&e->live, on_closed);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&e->interrupts[i], on_closed);
}

static void stop_sending(struct engine *e)
{
    if (!e->sending)
        return;
    e->sending = false;
    e->load->seconds = (double)(uv_hrtime() - e->start) / 1e9;
    uv_poll_stop(&e->wake);
    if (!e->in_flight)
        close_all(e);
}

static void on_done(void *data, enum ec_http_outcome outcome, const struct ec_http_reply *reply);

/* A message of its own each time: `unique()` is not used up by one that was not sent. */
static void send_flight(struct flight *flight)
{
    struct engine *e = flight->engine;
    struct ecc_load_part *part = flight->part;
    const struct ecc_sender *sender = NULL;

    flight->answers = part->answers;
    if (part->pool) {
        sender = &part->pool->senders[part->pool->next];
        if (flight->answers)
            flight->answers = &part->answers[part->pool->next];
        part->pool->next = (part->pool->next + 1) % part->pool->n;
    }
    e->head.n = e->body.n = 0;
    ecc_message_write(&part->message, sender, flight->answers, &e->load->uniques, &e->head, &e->body);
    if (flight->refused)
        flight->replica = (flight->replica + 1) % part->target->n;
    else
        flight->replica = ecc_load_next_replica(part->target);
    ec_http_send(part->target->clients[flight->replica], (struct ec_str){e->head.p, e->head.n},
                 (struct ec_str){part->message.has_body ? e->body.p : NULL, e->body.n}, ECC_LOAD_PATIENCE_MS, false, on_done, flight);
}

static void on_done(void *data, enum ec_http_outcome outcome, const struct ec_http_reply *reply)
{
    struct flight *flight = data;
    struct engine *e = flight->engine;
    struct ecc_load_part *part = flight->part;
    uint64_t us = (uv_hrtime() - flight->due) / 1000;
    char text[96] = "";

    if (outcome == EC_HTTP_REFUSED && !e->gave_up && ++flight->refused < part->target->n) {
        send_flight(flight);
        return;
    }
    enum ecc_load_verdict verdict = ecc_load_judge(part, flight->answers, outcome, reply, text, sizeof text);
    if (verdict == ECC_LOAD_ERROR)
        count_kind(part, e->gave_up ? "not waited for" : text);
    ecc_histogram_add(&part->took[verdict], us);
    ecc_histogram_add(e->window, us);
    flight->next = e->free;
    e->free = flight;
    if (--e->in_flight == 0 && !e->sending)
        close_all(e);
}

static void send_next(struct engine *e, uint64_t now)
{
    struct ecc_load *load = e->load;
    struct ecc_load_part *part = &load->parts[ecc_spread_next(&e->spread)];
    struct flight *flight = e->free;

    if (e->in_flight == e->most) {
        part->dropped++;
        load->dropped++;
        return;
    }
    e->free = flight->next;
    *flight = (struct flight){.engine = e, .part = part, .due = e->due};
    e->in_flight++;
    part->sent++;
    load->sent++;
    ecc_histogram_add(load->behind, (now - e->due) / 1000);
    send_flight(flight);
}

static uint64_t due(const struct engine *e, uint64_t k)
{
    uint64_t rate = (uint64_t)e->load->rate;

    return e->start + k / rate * 1000000000u + k % rate * 1000000000u / rate;
}

static void arm(struct engine *e)
{
    struct itimerspec at = {.it_value = {(time_t)(e->due / 1000000000u), (long)(e->due % 1000000000u)}};

    timerfd_settime(e->timer, TFD_TIMER_ABSTIME, &at, NULL); /* a time that has passed fires at once */
}

static void on_wake(uv_poll_t *poll, int status, int events)
{
    struct engine *e = poll->data;
    uint64_t now = uv_hrtime();

    (void)status;
    (void)events; /* the descriptor needs no reading: setting the timer again takes the readiness back */
    for (int i = 0; i < TURN && e->at < e->load->total && e->due <= now; i++) {
        send_next(e, now);
        e->due = due(e, ++e->at);
        now = uv_hrtime();
    }
    if (e->at == e->load->total)
        stop_sending(e);
    else
        arm(e);
}

/* ------------------------------------------------------------------ beside it */

static void on_live(uv_timer_t *timer)
{
    struct engine *e = timer->data;
    const struct ecc_load *load = e->load;
    char p50[32], p99[32], ok[32], accepted[32], errors[32];
    uint64_t now = uv_hrtime();
    double seconds = (double)(now - e->window_from) / 1e9, rate = (double)(load->sent - e->window_sent) / seconds;
    bool terminal = isatty(STDERR_FILENO);

    ecc_load_time(p50, sizeof p50, ecc_histogram_at(e->window, 50));
    ecc_load_time(p99, sizeof p99, ecc_histogram_at(e->window, 99));
    ecc_load_number(ok, sizeof ok, ecc_load_count(load, ECC_LOAD_OK));
    ecc_load_number(accepted, sizeof accepted, ecc_load_count(load, ECC_LOAD_ACCEPTED));
    ecc_load_number(errors, sizeof errors, ecc_load_count(load, ECC_LOAD_ERROR));
    fprintf(stderr, "%s%5.1f s  %6.0f/s  ok %s  accepted %s  errors %s  p50 %s  p99 %s  in flight %u%s", terminal ? "\r\033[?7l" : "",
            (double)(now - e->start) / 1e9, rate, ok, accepted, errors, p50, p99, e->in_flight,
            terminal ? "\033[K\033[?7h" : "\n"); /* no wrap: a line is a row */
    ecc_histogram_clear(e->window);
    e->window_from = now;
    e->window_sent = load->sent;
}

static void on_interrupt(uv_signal_t *handle, int number)
{
    struct engine *e = handle->data;

    (void)number;
    if (e->sending) {
        e->load->interrupted = true;
        stop_sending(e);
        return;
    }
    e->gave_up = true;
    for (size_t i = 0; i < e->load->ntargets; i++)
        for (size_t k = 0; k < e->load->targets[i].n; k++) {
            ec_http_client_stop(e->load->targets[i].clients[k]); /* tells each call that it is over, and goes */
            e->load->targets[i].clients[k] = NULL;
        }
}

/* Each request in flight has a connection: as many as descriptors are to be had. */
static unsigned most_in_flight(void)
{
    enum { OTHERS = 64 };
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 512;
    limit.rlim_cur = limit.rlim_max < ECC_LOAD_IN_FLIGHT + OTHERS ? limit.rlim_max : ECC_LOAD_IN_FLIGHT + OTHERS;
    if (setrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur <= OTHERS)
        return 512;
    return (unsigned)limit.rlim_cur - OTHERS;
}

int ecc_load_run(struct ecc_load *load)
{
    struct engine e = {.load = load, .most = most_in_flight(), .sending = true, .open = 4};
    int percent[ECC_SPREAD_MOST], live = isatty(STDERR_FILENO) ? LIVE_MS : LIVE_LINE_MS;

    for (size_t i = 0; i < load->nparts; i++)
        percent[i] = load->parts[i].percent;
    ecc_spread_init(&e.spread, percent, load->nparts, load->total);
    e.flights = calloc(e.most, sizeof *e.flights);
    e.window = calloc(1, sizeof *e.window);
    e.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (!e.flights || !e.window || e.timer < 0)
        return ecc_say_error(ECC_EXIT_IO, "no timer can be made: out of descriptors or memory");
    for (unsigned i = 0; i < e.most; i++) {
        e.flights[i].next = e.free;
        e.free = &e.flights[i];
    }
    uv_poll_init(&load->loop, &e.wake, e.timer);
    uv_timer_init(&load->loop, &e.live);
    e.wake.data = e.live.data = &e;
    for (int i = 0; i < 2; i++) {
        uv_signal_init(&load->loop, &e.interrupts[i]);
        e.interrupts[i].data = &e;
        uv_signal_start(&e.interrupts[i], on_interrupt, i ? SIGTERM : SIGINT);
    }
    uv_poll_start(&e.wake, UV_READABLE, on_wake);
    uv_timer_start(&e.live, on_live, (uint64_t)live, (uint64_t)live);
    e.start = e.due = e.window_from = uv_hrtime();
    arm(&e);
    while (e.open)
        uv_run(&load->loop, UV_RUN_ONCE);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    close(e.timer);
    ec_buf_free(&e.head);
    ec_buf_free(&e.body);
    free(e.flights);
    free(e.window);
    return 0;
}
