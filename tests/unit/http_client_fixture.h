/* Servers of plain sockets that answer as the test says, byte by byte, and a keep-alive client of theirs. */
#ifndef HTTP_CLIENT_FIXTURE_H
#define HTTP_CLIENT_FIXTURE_H

#include "http_test.h"

/* A server of plain sockets: the test accepts, reads and writes by hand. */
struct fake { int fd, port; };

struct outcome { bool done; enum ec_http_outcome outcome; int status; char body[256]; size_t n; char header[64]; };

static struct fake listen_fake(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    struct fake f;

    f.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(f.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(f.fd, 64), 0);
    getsockname(f.fd, (struct sockaddr *)&address, &length);
    f.port = ntohs(address.sin_port);
    return f;
}

static int accept_one(uv_loop_t *loop, struct fake *f)
{
    int fd = -1;

    TURN_UNTIL(loop, (fd = accept(f->fd, NULL, NULL)) >= 0);
    return fd;
}

static bool nobody_came(uv_loop_t *loop, struct fake *f)
{
    int i, fd;

    for (i = 0; i < 50; i++) {
        uv_run(loop, UV_RUN_NOWAIT);
        fd = accept(f->fd, NULL, NULL);
        if (fd >= 0) {
            close(fd);
            return false;
        }
        usleep(500);
    }
    return true;
}

static struct received r;

static void read_request(uv_loop_t *loop, int fd, const char *end)
{
    r.n = 0;
    r.end = false;
    r.p[0] = '\0';
    expect_text(loop, fd, &r, end);
}

static struct ec_http_client *avoiding; /* tells its client to avoid who answers 401 */

static void on_done(void *data, enum ec_http_outcome outcome, const struct ec_http_reply *reply)
{
    struct outcome *o = data;

    assert_false(o->done);
    o->done = true;
    o->outcome = outcome;
    assert_true((outcome == EC_HTTP_OK) == (reply != NULL));
    if (reply && avoiding && reply->status == 401)
        ec_http_avoid(avoiding, reply);
    if (reply) {
        o->status = reply->status;
        o->n = reply->body.n;
        memcpy(o->body, reply->body.p, reply->body.n < 255 ? reply->body.n : 255);
        if (reply->nheaders > 0)
            memcpy(o->header, reply->headers[0].value.p, reply->headers[0].value.n < 63 ? reply->headers[0].value.n : 63);
    }
}

static struct ec_http_client *client_for(uv_loop_t *loop, int max, const char *format, ...)
{
    struct ec_http_client *client;
    const char *why = NULL;
    char urls[256];
    va_list args;

    va_start(args, format);
    vsnprintf(urls, sizeof(urls), format, args);
    va_end(args);
    client = ec_http_client_new(loop, urls, max, &why);
    if (!client)
        fail_msg("%s", why);
    return client;
}

static struct ec_http_call *ask(struct ec_http_client *client, const char *body, int64_t timeout, bool repeatable, struct outcome *o)
{
    memset(o, 0, sizeof(*o));
    return ec_http_send(client, EC_STR("POST /ops/Do HTTP/1.1\r\nx-a: b\r\n"), (struct ec_str){body, strlen(body)}, timeout, repeatable,
                        on_done, o);
}

#define OPEN                                                                                                                          \
    uv_loop_t loop;                                                                                                                   \
    struct fake f = listen_fake();                                                                                                    \
    (void)state;                                                                                                                      \
    uv_loop_init(&loop)
#define CLOSE(client)                                                                                                                 \
    ec_http_client_stop(client);                                                                                                      \
    close_loop(&loop);                                                                                                                \
    close(f.fd)

#endif
