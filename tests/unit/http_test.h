/* What the tests of HTTP share: a loop that is turned until something is true, and plain sockets to speak to it with. */
#ifndef HTTP_TEST_H
#define HTTP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "http.h"

/* Turns the loop until the condition holds, at most ten seconds. */
#define TURN_UNTIL(loop, condition)                                                                                                   \
    do {                                                                                                                              \
        uint64_t give_up_ = uv_hrtime() + 10000000000ull;                                                                             \
        while (!(condition)) {                                                                                                        \
            uv_run((loop), UV_RUN_NOWAIT);                                                                                            \
            if (uv_hrtime() > give_up_)                                                                                               \
                fail_msg("waited in vain for %s", #condition);                                                                       \
            usleep(200);                                                                                                              \
        }                                                                                                                             \
    } while (0)

static inline int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void send_bytes(int fd, const char *p, size_t n)
{
    assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), n);
}

static inline void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

struct received { char p[1 << 20]; size_t n; bool end; };

static inline void receive_some(int fd, struct received *r)
{
    ssize_t got = recv(fd, r->p + r->n, sizeof(r->p) - 1 - r->n, MSG_DONTWAIT);

    if (got > 0)
        r->n += (size_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
        r->end = true;
    r->p[r->n] = '\0';
}

/* Turns the loop until fd has given this text. */
static inline void expect_text(uv_loop_t *loop, int fd, struct received *r, const char *text)
{
    uint64_t give_up = uv_hrtime() + 10000000000ull;

    while (!strstr(r->p, text)) {
        uv_run(loop, UV_RUN_NOWAIT);
        receive_some(fd, r);
        if (uv_hrtime() > give_up || (r->end && !strstr(r->p, text)))
            fail_msg("did not get \"%s\" but \"%s\"", text, r->p);
    }
}

static inline void expect_end(uv_loop_t *loop, int fd, struct received *r)
{
    TURN_UNTIL(loop, (receive_some(fd, r), r->end));
}

static inline int count_of(const char *text, const char *part)
{
    int n = 0;

    while ((text = strstr(text, part))) {
        n++;
        text += strlen(part);
    }
    return n;
}

static inline void close_loop(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

#endif
