/* A redis-server of the test's own on a free port, and a loop that runs until a condition holds. */
#ifndef REDIS_FIXTURE_H
#define REDIS_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <uv.h>

#include "app.h"
#include "redis.h"

static int fixture_port;
static pid_t fixture_redis_pid;

/* A socket that listens on a free port of the loopback, and where. */
static inline int fixture_listen(int flags, struct sockaddr_in *address)
{
    socklen_t n = sizeof(*address);
    int fd = socket(AF_INET, SOCK_STREAM | flags, 0);

    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &n), 0);
    return fd;
}

static inline int fixture_free_port(void)
{
    struct sockaddr_in address;

    close(fixture_listen(0, &address));
    return ntohs(address.sin_port);
}

static inline void fixture_redis_start(void)
{
    char port[16];

    if (!fixture_port)
        fixture_port = fixture_free_port();
    snprintf(port, sizeof(port), "%d", fixture_port);
    fixture_redis_pid = fork();
    if (fixture_redis_pid == 0) {
        execlp("redis-server", "redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", "/tmp",
               "--loglevel", "warning", "--logfile", "/dev/null", (char *)NULL);
        _exit(127);
    }
}

static inline void fixture_redis_stop(void)
{
    if (fixture_redis_pid <= 0)
        return;
    kill(fixture_redis_pid, SIGCONT);
    kill(fixture_redis_pid, SIGKILL);
    waitpid(fixture_redis_pid, NULL, 0);
    fixture_redis_pid = 0;
}

/* Turns of the loop until the condition holds; false when it does not within ms. */
static inline bool fixture_until(bool (*holds)(void), int ms)
{
    uint64_t end = uv_hrtime() + (uint64_t)ms * 1000000;

    while (!holds()) {
        if (uv_hrtime() > end)
            return false;
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
        usleep(100);
    }
    return true;
}

static inline bool fixture_redis_is_up(void)
{
    return ec_redis_up();
}

static inline bool fixture_redis_is_down(void)
{
    return !ec_redis_up();
}

static inline void fixture_module_start(void)
{
    char url[64];
    const char *why = "";

    snprintf(url, sizeof(url), "redis://127.0.0.1:%d/1", fixture_port);
    assert_true(ec_redis_configure(url, &why));
    assert_int_equal(ec_module_redis.start(&ec_app, &why), 0);
}

static inline void fixture_module_stop(void)
{
    ec_module_redis.stop(&ec_app);
    for (int i = 0; i < 20; i++)
        uv_run(ec_app.loop, UV_RUN_NOWAIT);
}

/* What a test begins with: the server, started by the first of them, and the module's connection to it. */
static inline void fixture_redis_begin(void)
{
    if (!fixture_redis_pid)
        fixture_redis_start();
    fixture_module_start();
    assert_true(fixture_until(fixture_redis_is_up, 5000));
}

/* A group's teardown. */
static inline int fixture_redis_end(void **state)
{
    (void)state;
    fixture_redis_stop();
    return 0;
}

#endif
