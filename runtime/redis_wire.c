/* A stream of libuv. A command is written as text behind those of the same turn, and all of them leave in the prepare phase, just before
 * the loop would sleep, in one write. What a full socket does not take is `leaving`; what is sent meanwhile gathers for the write after it.
 *
 * Memory: the struct is freed when its two handles have closed; the reader with it, since a reply of it may be what has closed us.
 */
#include "redis_wire.h"

#include <stdlib.h>
#include <string.h>

#include "redis_reader.h"
#include "redis_text.h"

enum { KEEP_BUFFER = 65536, READ_SIZE = 65536, HANDLES = 2 };
enum { PIECE = 4096 }; /* what hiredis is given at once: with each kilobyte of replies it moves all that is left to the front */

struct ec_redis_wire {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } to;
    uv_prepare_t prepare; /* active while `out` has something that no write under way will be followed by */
    uv_connect_t connect;
    uv_write_t write;
    const struct ec_redis_wire_calls *calls;
    struct ec_redis_reader *reader;
    struct ec_buf out, leaving;
    int handles;
    bool closing, writing;
};

static void lost(struct ec_redis_wire *wire, const char *why)
{
    if (!wire->closing)
        wire->calls->lost(why);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char bytes[READ_SIZE];

    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct ec_redis_wire *wire = stream->data;
    uint64_t now = uv_hrtime();
    const struct ec_redis_reply *reply;

    if (n < 0) {
        lost(wire, n == UV_EOF ? "the server has closed the connection" : uv_strerror((int)n));
        return;
    }
    for (size_t at = 0; at < (size_t)n && !wire->closing; at += PIECE) {
        ec_redis_reader_feed(wire->reader, buf->base + at, (size_t)n - at < PIECE ? (size_t)n - at : PIECE);
        while (!wire->closing && (reply = ec_redis_reader_next(wire->reader)))
            wire->calls->reply(reply, now);
    }
    if (ec_redis_reader_error(wire->reader))
        lost(wire, ec_redis_reader_error(wire->reader));
}

/* ------------------------------------------------------------------ commands */

static void flush(struct ec_redis_wire *wire);

static void on_written(uv_write_t *write, int status)
{
    struct ec_redis_wire *wire = write->data;

    wire->writing = false;
    if (wire->closing)
        return;
    if (status < 0) {
        lost(wire, uv_strerror(status));
        return;
    }
    wire->leaving.n = 0;
    if (wire->leaving.cap > KEEP_BUFFER)
        ec_buf_free(&wire->leaving);
    flush(wire);
}

static void flush(struct ec_redis_wire *wire)
{
    uv_buf_t part = uv_buf_init(wire->out.p, (unsigned int)wire->out.n);
    struct ec_buf swap = wire->leaving;
    int wrote;

    if (!wire->out.n)
        return;
    wrote = uv_try_write(&wire->to.stream, &part, 1);
    if (wrote < 0 && wrote != UV_EAGAIN) {
        lost(wire, uv_strerror(wrote));
        return;
    }
    if (wrote == (int)wire->out.n) {
        wire->out.n = 0;
        if (wire->out.cap > KEEP_BUFFER)
            ec_buf_free(&wire->out);
        return;
    }
    wrote = wrote < 0 ? 0 : wrote;
    wire->leaving = wire->out;
    wire->out = swap;
    part = uv_buf_init(wire->leaving.p + wrote, (unsigned int)(wire->leaving.n - (size_t)wrote));
    wire->write.data = wire;
    if ((wrote = uv_write(&wire->write, &wire->to.stream, &part, 1, on_written)) != 0)
        lost(wire, uv_strerror(wrote));
    else
        wire->writing = true;
}

static void on_prepare(uv_prepare_t *prepare)
{
    uv_prepare_stop(prepare);
    flush(prepare->data);
}

void ec_redis_wire_send(struct ec_redis_wire *wire, size_t argc, const struct ec_str *argv)
{
    if (!wire->out.n && !wire->writing)
        uv_prepare_start(&wire->prepare, on_prepare);
    ec_redis_text(&wire->out, argc, argv);
}

/* ------------------------------------------------------------------ begin and end */

static void on_closed(uv_handle_t *handle)
{
    struct ec_redis_wire *wire = handle->data;

    if (--wire->handles)
        return;
    ec_redis_reader_free(wire->reader);
    ec_buf_free(&wire->out);
    ec_buf_free(&wire->leaving);
    free(wire);
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct ec_redis_wire *wire = connect->data;

    if (status == 0)
        status = uv_read_start(&wire->to.stream, on_alloc, on_read);
    if (status < 0)
        lost(wire, uv_strerror(status));
    else
        wire->calls->open();
}

struct ec_redis_wire *ec_redis_wire_open(uv_loop_t *loop, const struct sockaddr *address, const char *path,
                                         const struct ec_redis_wire_calls *calls, const char **why)
{
    struct ec_redis_wire *wire = calloc(1, sizeof(*wire));
    int status = 0;

    if (!wire)
        abort();
    wire->calls = calls;
    wire->reader = ec_redis_reader_new();
    wire->handles = HANDLES;
    if (path)
        uv_pipe_init(loop, &wire->to.pipe, 0);
    else
        uv_tcp_init(loop, &wire->to.tcp);
    uv_prepare_init(loop, &wire->prepare);
    wire->to.handle.data = wire->prepare.data = wire->connect.data = wire;
    if (path) {
        uv_pipe_connect(&wire->connect, &wire->to.pipe, path, on_connect);
    } else {
        uv_tcp_nodelay(&wire->to.tcp, 1);
        status = uv_tcp_connect(&wire->connect, &wire->to.tcp, address, on_connect);
    }
    if (status == 0)
        return wire;
    *why = uv_strerror(status);
    ec_redis_wire_close(wire);
    return NULL;
}

void ec_redis_wire_close(struct ec_redis_wire *wire)
{
    wire->closing = true;
    uv_close(&wire->to.handle, on_closed);
    uv_close((uv_handle_t *)&wire->prepare, on_closed);
}
