/* The connection to Redis, as its states.
 *
 * DOWN -> (backoff) RESOLVING -> CONNECTING -> GREETING (AUTH, SELECT, TIME, PING) -> UP. Only UP takes commands; otherwise they fail in
 * the next turn from the queue `failed`. Commands wait for their answers in order; when the connection goes, each is told that it has none.
 * A server that hangs is found by the oldest command's age, or, when nothing is sent, by a PING a second: then the connection is dropped,
 * for what comes behind on it can't be answered sooner. The bytes are `redis_wire.c`'s.
 *
 * Memory: commands come from a free list that never shrinks, as long as the most that ever were in flight.
 */
#include "redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "random.h"
#include "redis_clock.h"
#include "redis_count.h"
#include "redis_where.h"
#include "redis_wire.h"

/* Ages are counted in checks, not in time: when it was this process that stood still, answers wait to be read before the next check. */
enum { COMMAND_CHECKS = 10, CONNECT_TIMEOUT_MS = 1000, CHECK_MS = 50, PING_MS = 1000, BACKOFF_MIN_MS = 50, BACKOFF_MAX_MS = 2000 };

enum state { OFF, DOWN, RESOLVING, CONNECTING, GREETING, UP };

struct command {
    ec_redis_done *done;
    void *data;
    unsigned sent; /* redis.checks by then */
    uint64_t sent_ns;
    struct command *next;
};

struct queue {
    struct command *first, **end;
};

static struct {
    enum state state;
    struct ec_redis_wire *wire; /* CONNECTING, GREETING, UP */
    uv_loop_t *loop;
    uv_timer_t timer; /* DOWN: next attempt; CONNECTING, GREETING: their bound; UP: age of the oldest command, ping */
    uv_idle_t idle;   /* active when `failed` has some */
    uv_getaddrinfo_t resolve;
    bool resolving;
    struct queue sent, failed; /* what has no answer yet; what was not sent and is told so in the next turn */
    struct command *spare;
    bool checking, said_down;
    unsigned checks;
    int attempts;
    struct ec_redis_watch *watches;
    struct ec_redis_where where;
    struct ec_redis_counts counts;
} redis;

static void try_again(void);
static void greet(void);
static void on_timer(uv_timer_t *timer);

/* ------------------------------------------------------------------ commands */

static struct command *command_new(ec_redis_done *done, void *data)
{
    struct command *command = redis.spare;

    if (command)
        redis.spare = command->next;
    else if (!(command = malloc(sizeof(*command))))
        abort();
    *command = (struct command){.done = done, .data = data, .sent = redis.checks};
    return command;
}

static void command_done(struct command *command, const struct ec_redis_reply *reply)
{
    ec_redis_done *done = command->done;
    void *data = command->data;

    command->next = redis.spare;
    redis.spare = command;
    if (done)
        done(data, reply);
}

static void empty(struct queue *queue)
{
    *queue = (struct queue){NULL, &queue->first};
}

static void push(struct queue *queue, struct command *command)
{
    command->next = NULL;
    *queue->end = command;
    queue->end = &command->next;
}

static struct command *pop(struct queue *queue)
{
    struct command *command = queue->first;

    queue->first = command->next;
    if (!queue->first)
        queue->end = &queue->first;
    return command;
}

/* Those who are told may ask again: that is told in a turn of its own. */
static void fail_queued(uv_idle_t *idle)
{
    struct command *command = redis.failed.first, *next;

    empty(&redis.failed);
    for (; command; command = next) {
        next = command->next;
        command_done(command, NULL);
    }
    if (!redis.failed.first && idle)
        uv_idle_stop(idle);
}

static void fail_soon(ec_redis_done *done, void *data)
{
    if (!redis.failed.first)
        uv_idle_start(&redis.idle, fail_queued);
    push(&redis.failed, command_new(done, data));
}

static void say_down(const char *why)
{
    if (!redis.said_down)
        ec_log(EC_LOG_WARN, NULL, "redis is down", EC_L_STR("why", why));
    redis.said_down = true;
}

static void fail_sent(void)
{
    while (redis.sent.first) {
        ec_metric_add(redis.counts.lost, 1);
        command_done(pop(&redis.sent), NULL);
    }
}

static void drop_connection(const char *why)
{
    ec_redis_wire_close(redis.wire);
    redis.wire = NULL;
    say_down(why);
    ec_metric_set(redis.counts.up, 0);
    try_again();
    fail_sent();
}

static void on_reply(const struct ec_redis_reply *reply, uint64_t now_ns)
{
    struct command *command;

    if (!redis.sent.first) {
        drop_connection("it said something that nobody had asked for");
        return;
    }
    command = pop(&redis.sent);
    ec_redis_counts_reply(&redis.counts, reply->type, now_ns > command->sent_ns ? now_ns - command->sent_ns : 0);
    command_done(command, reply);
}

static void send_now(size_t argc, const struct ec_str *argv, ec_redis_done *done, void *data)
{
    struct command *command = command_new(done, data);

    command->sent_ns = uv_hrtime();
    ec_redis_wire_send(redis.wire, argc, argv);
    push(&redis.sent, command);
    if (redis.state == UP && !redis.checking) {
        redis.checking = true;
        uv_timer_start(&redis.timer, on_timer, CHECK_MS, 0);
    }
}

void ec_redis_command(size_t argc, const struct ec_str *argv, ec_redis_done *done, void *data)
{
    if (redis.state == OFF)
        ec_panic("a redis command outside of start and stop");
    ec_metric_add(redis.counts.sent, 1);
    if (redis.state != UP) {
        ec_metric_add(redis.counts.lost, 1);
        fail_soon(done, data);
        return;
    }
    send_now(argc, argv, done, data);
}

bool ec_redis_up(void)
{
    return redis.state == UP;
}

/* ------------------------------------------------------------------ connecting */

static void try_again(void)
{
    int64_t wait = BACKOFF_MIN_MS << (redis.attempts < 6 ? redis.attempts : 6);

    if (wait > BACKOFF_MAX_MS)
        wait = BACKOFF_MAX_MS;
    redis.state = DOWN;
    redis.attempts++;
    redis.checking = false;
    uv_timer_start(&redis.timer, on_timer, (uint64_t)((double)wait * (0.5 + ec_random_unit() / 2)), 0);
}

static const struct ec_redis_wire_calls calls = {.open = greet, .reply = on_reply, .lost = drop_connection};

static void connect_to(const struct sockaddr *address, const char *path)
{
    const char *why = NULL;

    redis.wire = ec_redis_wire_open(redis.loop, address, path, &calls, &why);
    if (!redis.wire) {
        say_down(why);
        try_again();
        return;
    }
    redis.state = CONNECTING;
    uv_timer_start(&redis.timer, on_timer, CONNECT_TIMEOUT_MS, 0);
}

/* Of a host with several addresses each attempt takes the next one. */
static struct addrinfo *choose(struct addrinfo *found, int attempts)
{
    struct addrinfo *chosen = found;

    for (; attempts > 0 && chosen; attempts--)
        chosen = chosen->ai_next ? chosen->ai_next : found;
    return chosen;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    (void)request;
    redis.resolving = false;
    if (redis.state == RESOLVING && status == 0 && found) {
        connect_to(choose(found, redis.attempts)->ai_addr, NULL);
    } else if (redis.state == RESOLVING) {
        say_down("its host has no address");
        try_again();
    }
    uv_freeaddrinfo(found);
}

static void attempt(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    char port[24];

    if (redis.where.path) {
        connect_to(NULL, redis.where.path);
        return;
    }
    redis.state = RESOLVING;
    snprintf(port, sizeof(port), "%d", redis.where.port);
    redis.resolving = uv_getaddrinfo(redis.loop, &redis.resolve, on_resolved, redis.where.host, port, &hints) == 0;
    if (!redis.resolving)
        try_again();
}

static void refused(const struct ec_redis_reply *reply)
{
    char why[160];

    snprintf(why, sizeof(why), "the greeting was refused: %.*s", (int)(reply->text.n > 100 ? 100 : reply->text.n), reply->text.p);
    drop_connection(why);
}

static void on_greeting(void *data, const struct ec_redis_reply *reply)
{
    (void)data;
    if (reply && reply->type == EC_REDIS_ERROR)
        refused(reply);
}

static void on_greeted(void *data, const struct ec_redis_reply *reply)
{
    (void)data;
    if (!reply || redis.state != GREETING)
        return;
    if (reply->type == EC_REDIS_ERROR) {
        refused(reply);
        return;
    }
    redis.state = UP;
    redis.attempts = 0;
    ec_metric_set(redis.counts.up, 1);
    if (redis.said_down)
        ec_log(EC_LOG_INFO, NULL, "redis is up");
    redis.said_down = false;
    redis.checking = false;
    uv_timer_start(&redis.timer, on_timer, PING_MS, 0);
    for (struct ec_redis_watch *watch = redis.watches; watch; watch = watch->next)
        watch->up();
}

static void greet(void)
{
    char number[24];

    redis.state = GREETING;
    if (redis.where.password && redis.where.user)
        send_now(3, (struct ec_str[]){EC_STR("AUTH"), ec_str_of(redis.where.user), ec_str_of(redis.where.password)}, on_greeting, NULL);
    else if (redis.where.password)
        send_now(2, (struct ec_str[]){EC_STR("AUTH"), ec_str_of(redis.where.password)}, on_greeting, NULL);
    if (redis.where.database)
        send_now(2, (struct ec_str[]){EC_STR("SELECT"), {number, ec_int_format(redis.where.database, number)}}, on_greeting, NULL);
    ec_redis_clock_begin(send_now);
    send_now(1, (struct ec_str[]){EC_STR("PING")}, on_greeted, NULL);
}

static void on_timer(uv_timer_t *timer)
{
    redis.checking = false;
    switch (redis.state) {
    case OFF:
    case RESOLVING:
        return;
    case DOWN:
        attempt();
        return;
    case CONNECTING:
    case GREETING:
        drop_connection("it does not answer");
        return;
    case UP:
        break;
    }
    if (!redis.sent.first) {
        EC_REDIS(NULL, NULL, EC_STR("PING"));
        return; /* the command has started the timer */
    }
    if (++redis.checks - redis.sent.first->sent > COMMAND_CHECKS) {
        drop_connection("it does not answer");
        return;
    }
    redis.checking = true;
    uv_timer_start(timer, on_timer, CHECK_MS, 0);
}

void ec_redis_watch_add(struct ec_redis_watch *watch)
{
    for (struct ec_redis_watch *at = redis.watches; at; at = at->next)
        if (at == watch)
            return;
    watch->next = redis.watches;
    redis.watches = watch;
    if (redis.state == UP)
        watch->up();
}

/* ------------------------------------------------------------------ the module */

bool ec_redis_configure(const char *url, const char **why)
{
    ec_redis_where_free(&redis.where);
    return ec_redis_where_parse(url, &redis.where, why);
}

static void redis_configure(struct ec_app *app, struct ec_config_errors *errors)
{
    char *url = ec_config_get(errors, "REDIS_URL", NULL, true);
    const char *why = NULL;

    (void)app;
    if (url && !ec_redis_configure(url, &why))
        ec_config_error(errors, "REDIS_URL: %s", why);
    free(url);
}

static int redis_start(struct ec_app *app, const char **why)
{
    (void)why;
    redis.loop = app->loop;
    empty(&redis.sent);
    empty(&redis.failed);
    ec_redis_counts_open(&redis.counts, app->service);
    uv_timer_init(app->loop, &redis.timer);
    uv_idle_init(app->loop, &redis.idle);
    redis.attempts = 0;
    redis.said_down = false;
    attempt();
    return 0;
}

static bool redis_idle(struct ec_app *app)
{
    (void)app;
    for (struct ec_redis_watch *watch = redis.watches; watch; watch = watch->next)
        if (watch->idle && !watch->idle())
            return false;
    return !redis.failed.first;
}

static void redis_stop(struct ec_app *app)
{
    (void)app;
    if (redis.state == OFF)
        return;
    for (struct ec_redis_watch *watch = redis.watches; watch; watch = watch->next)
        if (watch->stop)
            watch->stop();
    redis.state = DOWN; /* what the callbacks start now fails, below */
    if (redis.wire)
        ec_redis_wire_close(redis.wire);
    redis.wire = NULL;
    fail_sent();
    while (redis.failed.first)
        fail_queued(NULL);
    redis.state = OFF;
    if (redis.resolving)
        uv_cancel((uv_req_t *)&redis.resolve);
    uv_close((uv_handle_t *)&redis.timer, NULL);
    uv_close((uv_handle_t *)&redis.idle, NULL);
    while (redis.spare) {
        struct command *next = redis.spare->next;
        free(redis.spare);
        redis.spare = next;
    }
    ec_redis_where_free(&redis.where);
}

const struct ec_module ec_module_redis = {
    .name = "redis",
    .configure = redis_configure,
    .start = redis_start,
    .idle = redis_idle,
    .stop = redis_stop,
};
