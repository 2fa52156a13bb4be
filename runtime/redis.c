/* The connection to Redis: hiredis on polls of the loop.
 *
 * DOWN -> (backoff) RESOLVING -> CONNECTING -> GREETING (AUTH, SELECT, TIME, PING) -> UP. Only UP takes commands; otherwise they fail in the
 * next turn from the queue `failed`. hiredis has the commands that wait for their answer in order, each with our `struct command`; when a
 * connection goes, it calls each with no reply. A server that hangs is found by the oldest command's age, or, when nothing is sent, by
 * a PING a second: then the connection is dropped, for what comes behind on it can't be answered sooner.
 *
 * Writes: hiredis asks for a writable event for each command; we note it and write in the prepare phase, just before the loop would
 * sleep: no epoll_ctl a turn, and what was gathered leaves in one write. Only a full socket is polled for writing.
 *
 * Memory: struct connection is freed when its poll handle has closed; commands come from a free list that never shrinks, as long as
 * the most that ever were in flight.
 */
#include "redis.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "random.h"
#include "redis_clock.h"
#include "redis_count.h"
#include "redis_text.h"
#include "redis_where.h"

/* Ages are counted in checks, not in time: when it was this process that stood still, answers are waiting to be read before the next check. */
enum { COMMAND_CHECKS = 10, CONNECT_TIMEOUT_MS = 1000, CHECK_MS = 50, PING_MS = 1000, BACKOFF_MIN_MS = 50, BACKOFF_MAX_MS = 2000 };
enum { TEXT_KEPT = 65536 };

enum state { OFF, DOWN, RESOLVING, CONNECTING, GREETING, UP };

struct connection {
    uv_poll_t poll;
    redisAsyncContext *context; /* NULL: gone, the poll is closing */
    int events;
    bool dirty, writing;
};

struct command {
    ec_redis_done *done;
    void *data;
    unsigned sent; /* redis.checks by then */
    uint64_t sent_ns;
    struct command *next, *prev; /* in flight, in order; or `next` alone in failed or free */
};

static struct {
    enum state state;
    struct connection *connection;
    uv_loop_t *loop;
    uv_timer_t timer;     /* DOWN: next attempt; CONNECTING, GREETING: their bound; UP: age of the oldest command, ping */
    uv_prepare_t prepare; /* active when a connection is dirty */
    uv_idle_t idle;       /* active when `failed` has some */
    uv_getaddrinfo_t resolve;
    bool resolving;
    int handles;
    struct command oldest; /* sentinel of a ring */
    struct command *failed, **failed_end, *spare;
    size_t in_flight;
    bool checking, said_down;
    unsigned checks;
    int attempts;
    struct ec_redis_watch *watches;
    struct ec_redis_where where;
    struct ec_redis_counts counts;
    struct ec_buf text; /* of the command that is being sent */
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

static void fail_queued(uv_idle_t *idle)
{
    struct command *command = redis.failed, *next;

    redis.failed = NULL;
    redis.failed_end = &redis.failed;
    for (; command; command = next) {
        next = command->next;
        command_done(command, NULL);
    }
    if (!redis.failed && idle)
        uv_idle_stop(idle);
}

static void fail_soon(ec_redis_done *done, void *data)
{
    struct command *command = command_new(done, data);

    if (!redis.failed)
        uv_idle_start(&redis.idle, fail_queued);
    *redis.failed_end = command;
    redis.failed_end = &command->next;
}

/* Arrays in arrays are not needed by any command of ours and read as nil. */
static void reply_read(const redisReply *from, struct ec_redis_reply *to, struct ec_redis_reply *items)
{
    *to = (struct ec_redis_reply){.type = EC_REDIS_NIL};
    switch (from->type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        to->type = from->type == REDIS_REPLY_STRING ? EC_REDIS_TEXT : from->type == REDIS_REPLY_STATUS ? EC_REDIS_STATUS : EC_REDIS_ERROR;
        to->text = (struct ec_str){from->str, from->len};
        break;
    case REDIS_REPLY_INTEGER:
        to->type = EC_REDIS_INT;
        to->i = from->integer;
        break;
    case REDIS_REPLY_ARRAY:
        if (!items)
            break;
        to->type = EC_REDIS_ARRAY;
        to->n = from->elements < EC_REDIS_MAX_ITEMS ? from->elements : EC_REDIS_MAX_ITEMS;
        to->items = items;
        for (size_t i = 0; i < to->n; i++)
            reply_read(from->element[i], &items[i], NULL);
        break;
    default:
        break;
    }
}

static void say_down(const char *why)
{
    if (!redis.said_down)
        ec_log(EC_LOG_WARN, NULL, "redis is down", EC_L_STR("why", why));
    redis.said_down = true;
}

/* From now on nothing is sent on this connection; hiredis is about to tell, or has told, every command on it. */
static void lost(struct connection *connection, const char *why)
{
    if (redis.connection != connection)
        return;
    redis.connection = NULL;
    if (redis.state == OFF)
        return;
    say_down(why);
    ec_metric_set(redis.counts.up, 0);
    try_again();
}

static void on_reply(redisAsyncContext *context, void *raw, void *data)
{
    struct command *command = data;
    struct ec_redis_reply reply, items[EC_REDIS_MAX_ITEMS];

    command->prev->next = command->next;
    command->next->prev = command->prev;
    redis.in_flight--;
    if (!raw) {
        lost(context->data, context->err ? context->errstr : "the connection was closed");
        ec_metric_add(redis.counts.lost, 1);
        command_done(command, NULL);
        return;
    }
    reply_read(raw, &reply, items);
    ec_redis_counts_reply(&redis.counts, reply.type, command->sent_ns);
    command_done(command, &reply);
}

static void send_now(size_t argc, const struct ec_str *argv, ec_redis_done *done, void *data)
{
    struct command *command = command_new(done, data);

    command->sent_ns = uv_hrtime();
    ec_redis_text(&redis.text, argc, argv);
    if (redisAsyncFormattedCommand(redis.connection->context, on_reply, command, redis.text.p, redis.text.n) != REDIS_OK) {
        command->next = redis.spare;
        redis.spare = command;
        fail_soon(done, data);
        return;
    }
    command->prev = redis.oldest.prev;
    command->next = &redis.oldest;
    redis.oldest.prev->next = command;
    redis.oldest.prev = command;
    redis.in_flight++;
    if (redis.text.cap > TEXT_KEPT)
        ec_buf_free(&redis.text);
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
    if (redis.state != UP || !redis.connection) {
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

/* ------------------------------------------------------------------ the poll under hiredis */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct connection *connection = poll->data;

    /* An error is for hiredis to find: it reads, fails, and takes the connection down. */
    if (connection->context && ((events & UV_READABLE) || status < 0))
        redisAsyncHandleRead(connection->context);
    if (connection->context && (events & UV_WRITABLE)) {
        connection->writing = true;
        redisAsyncHandleWrite(connection->context);
        if (connection->context)
            connection->writing = false;
    }
}

static void poll_for(struct connection *connection, int events)
{
    if (connection->events == events)
        return;
    connection->events = events;
    if (events)
        uv_poll_start(&connection->poll, events, on_poll);
    else
        uv_poll_stop(&connection->poll);
}

static void write_gathered(uv_prepare_t *prepare)
{
    struct connection *connection = redis.connection;

    uv_prepare_stop(prepare);
    if (!connection || !connection->dirty)
        return;
    connection->dirty = false;
    connection->writing = true;
    redisAsyncHandleWrite(connection->context); /* may end the connection; the struct lives until its poll has closed */
    connection->writing = false;
}

static void add_read(void *data)
{
    struct connection *connection = data;

    poll_for(connection, connection->events | UV_READABLE);
}

static void del_read(void *data)
{
    struct connection *connection = data;

    poll_for(connection, connection->events & ~UV_READABLE);
}

static void add_write(void *data)
{
    struct connection *connection = data;

    if (connection->writing || redis.state == CONNECTING) {
        poll_for(connection, connection->events | UV_WRITABLE);
    } else if (!connection->dirty) {
        connection->dirty = true;
        uv_prepare_start(&redis.prepare, write_gathered);
    }
}

static void del_write(void *data)
{
    struct connection *connection = data;

    poll_for(connection, connection->events & ~UV_WRITABLE);
}

static void poll_closed(uv_handle_t *handle)
{
    redis.handles--;
    free(handle->data);
}

static void cleanup(void *data)
{
    struct connection *connection = data;

    lost(connection, connection->context->err ? connection->context->errstr : "the connection was closed");
    connection->context = NULL;
    uv_close((uv_handle_t *)&connection->poll, poll_closed);
}

/* ------------------------------------------------------------------ connecting */

static void drop_connection(const char *why)
{
    struct connection *connection = redis.connection;

    if (!connection)
        return;
    lost(connection, why);
    redisAsyncFree(connection->context); /* tells the commands, then calls cleanup */
}

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

static void on_connect(const redisAsyncContext *context, int status)
{
    if (status == REDIS_OK && redis.connection && redis.connection->context == context)
        greet();
}

static void connect_to(redisAsyncContext *context)
{
    struct connection *connection;

    if (!context || context->err) {
        say_down(context ? context->errstr : "out of memory");
        if (context)
            redisAsyncFree(context);
        try_again();
        return;
    }
    connection = calloc(1, sizeof(*connection));
    if (!connection || uv_poll_init(redis.loop, &connection->poll, context->c.fd)) {
        free(connection);
        redisAsyncFree(context);
        try_again();
        return;
    }
    redis.handles++;
    connection->poll.data = connection;
    connection->context = context;
    context->data = connection;
    context->ev.data = connection;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = cleanup;
    redis.connection = connection;
    redis.state = CONNECTING;
    redisAsyncSetConnectCallback(context, on_connect); /* asks for writable */
    uv_timer_start(&redis.timer, on_timer, CONNECT_TIMEOUT_MS, 0);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    char address[64] = "";

    (void)request;
    redis.resolving = false;
    if (redis.state != RESOLVING) {
        uv_freeaddrinfo(found);
        return;
    }
    if (status == 0 && found->ai_family == AF_INET)
        uv_ip4_name((struct sockaddr_in *)found->ai_addr, address, sizeof(address));
    else if (status == 0 && found->ai_family == AF_INET6)
        uv_ip6_name((struct sockaddr_in6 *)found->ai_addr, address, sizeof(address));
    uv_freeaddrinfo(found);
    if (!address[0]) {
        say_down("its host has no address");
        try_again();
        return;
    }
    connect_to(redisAsyncConnect(address, redis.where.port));
}

static void attempt(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

    if (redis.where.path) {
        connect_to(redisAsyncConnectUnix(redis.where.path));
        return;
    }
    redis.state = RESOLVING;
    redis.resolving = uv_getaddrinfo(redis.loop, &redis.resolve, on_resolved, redis.where.host, NULL, &hints) == 0;
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
    if (redis.oldest.next == &redis.oldest) {
        EC_REDIS(NULL, NULL, EC_STR("PING"));
        return; /* the command has started the timer */
    }
    if (++redis.checks - redis.oldest.next->sent > COMMAND_CHECKS) {
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
    redis.oldest.next = redis.oldest.prev = &redis.oldest;
    redis.failed_end = &redis.failed;
    ec_redis_counts_open(&redis.counts, app->service);
    uv_timer_init(app->loop, &redis.timer);
    uv_prepare_init(app->loop, &redis.prepare);
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
    return !redis.failed;
}

static void redis_stop(struct ec_app *app)
{
    struct connection *connection = redis.connection;

    (void)app;
    if (redis.state == OFF)
        return;
    for (struct ec_redis_watch *watch = redis.watches; watch; watch = watch->next)
        if (watch->stop)
            watch->stop();
    redis.state = DOWN; /* what the callbacks start now fails, below */
    redis.connection = NULL;
    if (connection)
        redisAsyncFree(connection->context);
    while (redis.failed)
        fail_queued(NULL);
    redis.state = OFF;
    ec_buf_free(&redis.text);
    if (redis.resolving)
        uv_cancel((uv_req_t *)&redis.resolve);
    uv_close((uv_handle_t *)&redis.timer, NULL);
    uv_close((uv_handle_t *)&redis.prepare, NULL);
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
