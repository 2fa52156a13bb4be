/* A server with a handler that does whatever the path says, and what the tests of the server ask of it. */
#ifndef HTTP_WORLD_H
#define HTTP_WORLD_H

#include "http_test.h"

struct world {
    uv_loop_t loop;
    struct ec_http_server *server;
    struct ec_http_exchange *held[256];
    int nheld, handled, gone;
    char body[64];
    struct ec_str path;
};

static struct received r;

static inline void on_gone(struct ec_http_exchange *exchange, void *data)
{
    struct world *w = data;

    (void)exchange;
    w->gone++;
}

static inline bool path_is(const struct ec_http_request *request, const char *path)
{
    return request->path.n == strlen(path) && memcmp(request->path.p, path, request->path.n) == 0;
}

/* A byte that says where it is. */
static inline char byte_at(size_t k)
{
    return (char)('a' + (k * 2654435761u >> 13) % 26);
}

enum { LARGE = 4 << 20 }; /* more than a socket takes at once */

static inline void handle(struct ec_http_exchange *exchange, void *data)
{
    static char large[LARGE];
    size_t k;
    const struct ec_http_request *request = ec_http_exchange_request(exchange);
    struct world *w = data;

    w->handled++;
    if (path_is(request, "/hold")) {
        ec_http_exchange_set(exchange, w, on_gone);
        w->held[w->nheld++] = exchange;
    } else if (path_is(request, "/echo")) {
        ec_http_reply(exchange, 200, EC_STR("text/plain"), EC_STR("x-a: b\r\n"), request->body);
    } else if (path_is(request, "/query")) {
        ec_http_reply(exchange, 200, EC_STR("text/plain"), (struct ec_str){NULL, 0}, request->query);
    } else if (path_is(request, "/large")) {
        for (k = large[0] ? LARGE : 0; k < LARGE; k++)
            large[k] = byte_at(k);
        ec_http_reply(exchange, 200, EC_STR("text/plain"), (struct ec_str){NULL, 0}, (struct ec_str){large, sizeof(large)});
    } else if (path_is(request, "/none")) {
        ec_http_reply(exchange, 204, (struct ec_str){NULL, 0}, (struct ec_str){NULL, 0}, (struct ec_str){NULL, 0});
    } else if (path_is(request, "/cut")) {
        ec_http_reply_truncated(exchange, 200, EC_STR("text/plain"), EC_STR("0123456789"), 4);
    } else if (path_is(request, "/close")) {
        ec_http_close(exchange);
    } else if (path_is(request, "/problem")) {
        ec_http_problem(exchange, &ec_error_conflict, "say \"no\"", (const uint8_t *)"0123456789abcdef", EC_STR("retry-after: 1\r\n"));
    } else {
        ec_http_reply(exchange, 200, EC_STR("text/plain"), (struct ec_str){NULL, 0}, request->path);
    }
}

static inline void answer(struct world *w, int i, const char *text)
{
    ec_http_reply(w->held[i], 200, EC_STR("text/plain"), (struct ec_str){NULL, 0}, (struct ec_str){text, strlen(text)});
}

static inline struct world *open_with(struct ec_http_server_options options)
{
    struct world *w = calloc(1, sizeof(*w));
    const char *why = NULL;

    uv_loop_init(&w->loop);
    options.handle = handle;
    options.data = w;
    w->server = ec_http_server_start(&w->loop, &options, &why);
    if (!w->server)
        fail_msg("%s", why);
    memset(&r, 0, sizeof(r));
    return w;
}

static inline struct world *open_world(void)
{
    return open_with((struct ec_http_server_options){.host = "127.0.0.1"});
}

static inline int dial(struct world *w)
{
    r.n = 0;
    r.end = false;
    r.p[0] = '\0';
    return connect_to(ec_http_server_port(w->server));
}

static inline void close_world(struct world *w)
{
    ec_http_server_stop(w->server);
    close_loop(&w->loop);
    free(w);
}

#endif
