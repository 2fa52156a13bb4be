/* `health`: asks the process that runs beside it, with the same configuration, whether it is ready. For who has no client at hand: the
 * health check of a container. It blocks, for three seconds at most; it uses no loop and allocates nothing that outlives it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "health.h"

enum { EXIT_NOT_READY = 1, EXIT_CONFIG = 78, WAIT_S = 3 };

/* A listener on all addresses is asked on loopback. */
static bool address_of(const char *host, int port, struct sockaddr_storage *address, socklen_t *length)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;

    memset(address, 0, sizeof(*address));
    if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (strcmp(host, "::") == 0)
        host = "::1";
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *length = sizeof(*v4);
        return true;
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    *length = sizeof(*v6);
    return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
}

static int connected(const char *host, int port)
{
    struct timeval wait = {WAIT_S, 0};
    struct sockaddr_storage address;
    socklen_t length;
    int fd;

    if (!address_of(host, port, &address, &length)) {
        errno = EINVAL;
        return -1;
    }
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    if (connect(fd, (struct sockaddr *)&address, length) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* The answer's head and body as far as they fit, NUL-terminated; false: there is none. */
static bool ask(int fd, char *reply, size_t size)
{
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    size_t n = 0;
    ssize_t got;

    if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1)
        return false;
    while (n + 1 < size) {
        got = recv(fd, reply + n, size - n - 1, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    reply[n] = '\0';
    return n > 0;
}

int ec_health_command(const char *host, int port, bool listens_only)
{
    char reply[8192], *body;
    int fd = connected(host, port);
    bool ready;

    if (fd < 0) {
        fprintf(stderr, "port %d: %s\n", port, strerror(errno));
        return EXIT_NOT_READY;
    }
    if (listens_only) {
        close(fd);
        return 0;
    }
    if (!ask(fd, reply, sizeof(reply))) {
        fprintf(stderr, "port %d: no answer\n", port);
        close(fd);
        return EXIT_NOT_READY;
    }
    close(fd);
    ready = strncmp(reply, "HTTP/1.1 200 ", 13) == 0;
    body = strstr(reply, "\r\n\r\n");
    printf("%s\n", body ? body + 4 : reply);
    return ready ? 0 : EXIT_NOT_READY;
}

int ec_health_of_service(void)
{
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};
    const struct ec_service *service = ec_app.service;
    char *host = ec_config_get(&errors, "HOST", "127.0.0.1", false);
    int port = ec_app_port(&errors, "PORT", service->port), code;

    if (service->gateway) /* its public listener has no health */
        port = (int)ec_config_int(&errors, "ADMIN_PORT", port && port + 1000 <= 65535 ? port + 1000 : 0, 0, 65535);
    if (errors.n || !host) {
        fwrite(errors.text.p, 1, errors.text.n, stderr);
        code = EXIT_CONFIG;
    } else {
        code = ec_health_command(host, port, false);
    }
    ec_buf_free(&errors.text);
    free(host);
    return code;
}
