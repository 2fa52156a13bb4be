/* The limit of a server on libuv: answers each request with the same bytes by uv_try_write, and looks at nothing of it but where it ends.
 *
 * usage: uv_static PORT BODY_FILE [STATUS_LINE]
 *
 * One loop, one thread, one write for each reply. A connection owns its buffer; what a socket does not take
 * at once is handed to uv_write, whose request owns itself until it is done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { READ_BYTES = 65536, REPLY_MOST = 1 << 21 };

static char reply[REPLY_MOST];
static size_t reply_n;

struct conn {
    uv_tcp_t tcp;
    unsigned seen; /* how much of CR LF CR LF */
    char bytes[READ_BYTES];
};

static void give(uv_handle_t *handle, size_t n, uv_buf_t *buf)
{
    (void)n;
    *buf = uv_buf_init(((struct conn *)handle)->bytes, READ_BYTES);
}

static void gone(uv_handle_t *handle)
{
    free(handle);
}

static void written(uv_write_t *rest, int status)
{
    (void)status; /* one that is broken is read as broken, too */
    free(rest);
}

static int answer(uv_stream_t *stream)
{
    uv_buf_t out = uv_buf_init(reply, (unsigned)reply_n);
    int n = uv_stream_get_write_queue_size(stream) ? 0 : uv_try_write(stream, &out, 1);

    if (n == (int)reply_n)
        return 0;
    uv_write_t *rest = malloc(sizeof *rest);
    out = uv_buf_init(reply + (n > 0 ? n : 0), (unsigned)(reply_n - (size_t)(n > 0 ? n : 0)));
    return rest ? uv_write(rest, stream, &out, 1, written) : UV_ENOMEM;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    static const char end[] = "\r\n\r\n";
    struct conn *conn = (struct conn *)stream;

    for (ssize_t i = 0; i < n; i++) {
        if (conn->seen == 0) { /* bodies are passed over as fast as there is a way */
            const char *next = memchr(buf->base + i, '\r', (size_t)(n - i));
            if (!next)
                break;
            i = next - buf->base;
        }
        char c = buf->base[i];
        conn->seen = c == end[conn->seen] ? conn->seen + 1 : c == '\r';
        if (conn->seen < 4)
            continue;
        conn->seen = 0;
        if (answer(stream))
            n = -1;
    }
    if (n < 0 && !uv_is_closing((uv_handle_t *)stream))
        uv_close((uv_handle_t *)stream, gone);
}

static void on_connection(uv_stream_t *server, int status)
{
    struct conn *conn = status ? NULL : calloc(1, sizeof *conn);

    if (!conn)
        return;
    uv_tcp_init(server->loop, &conn->tcp);
    if (uv_accept(server, (uv_stream_t *)&conn->tcp)) {
        uv_close((uv_handle_t *)&conn->tcp, gone);
        return;
    }
    uv_tcp_nodelay(&conn->tcp, 1);
    uv_read_start((uv_stream_t *)&conn->tcp, give, on_read);
}

int main(int argc, char **argv)
{
    static char body[REPLY_MOST - 1024];
    struct sockaddr_in address;
    uv_tcp_t server;
    FILE *file = argc >= 3 ? fopen(argv[2], "rb") : NULL;

    if (!file) {
        fprintf(stderr, "usage: uv_static PORT BODY_FILE [STATUS_LINE]\n");
        return 64;
    }
    size_t n = fread(body, 1, sizeof body, file);
    fclose(file);
    reply_n = (size_t)snprintf(reply, sizeof reply, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                               argc > 3 ? argv[3] : "200 OK", n);
    memcpy(reply + reply_n, body, n);
    reply_n += n;
    uv_tcp_init(uv_default_loop(), &server);
    uv_ip4_addr("127.0.0.1", atoi(argv[1]), &address);
    if (uv_tcp_bind(&server, (struct sockaddr *)&address, 0) || uv_listen((uv_stream_t *)&server, 1024, on_connection)) {
        fprintf(stderr, "uv_static: port %s can't be had\n", argv[1]);
        return 69;
    }
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
