/* A reply as a line of text: what its reader has to make of bytes. */
#ifndef REDIS_RENDER_H
#define REDIS_RENDER_H

#include "json.h"
#include "redis_reader.h"

static inline void redis_render(struct ec_buf *out, const struct ec_redis_reply *reply)
{
    switch (reply->type) {
    case EC_REDIS_NIL:
        ec_buf_str(out, "nil");
        break;
    case EC_REDIS_INT:
        ec_buf_int(out, "", reply->i, "");
        break;
    case EC_REDIS_TEXT:
    case EC_REDIS_STATUS:
    case EC_REDIS_ERROR:
        ec_buf_str(out, reply->type == EC_REDIS_TEXT ? "'" : reply->type == EC_REDIS_STATUS ? "+" : "-");
        ec_buf_add(out, reply->text.p, reply->text.n);
        ec_buf_str(out, reply->type == EC_REDIS_TEXT ? "'" : "");
        break;
    case EC_REDIS_ARRAY:
        ec_buf_str(out, "[");
        for (size_t i = 0; i < reply->n; i++) {
            ec_buf_str(out, i ? " " : "");
            redis_render(out, &reply->items[i]);
        }
        ec_buf_str(out, "]");
        break;
    }
}

/* Of all replies in n bytes that are fed `step` at a time, each with a '\n'; true when none of them was wrong. `bytes` are copied, so that
 * a pointer into them would be found. */
static inline bool redis_render_all(struct ec_buf *out, const char *bytes, size_t n, size_t step)
{
    struct ec_redis_reader *reader = ec_redis_reader_new();
    const struct ec_redis_reply *reply;
    bool right;

    for (size_t at = 0; at < n; at += step) {
        struct ec_buf part = {0};
        ec_buf_add(&part, bytes + at, n - at < step ? n - at : step);
        ec_redis_reader_feed(reader, part.p, part.n);
        ec_buf_free(&part);
        while ((reply = ec_redis_reader_next(reader))) {
            redis_render(out, reply);
            ec_buf_str(out, "\n");
        }
    }
    right = !ec_redis_reader_error(reader);
    ec_redis_reader_free(reader);
    return right;
}

#endif
