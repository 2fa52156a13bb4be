/* The decoder of chunked bodies. It keeps no input: an unfinished line stays with the caller, who gives it again with what follows. */
#include "http_parse.h"

enum { MAX_OVERHEAD = 64 * 1024 };

/* A body of one-byte chunks costs its reader more than its sender: framing may be at most this much more than the data. */
static bool overhead_ok(struct ec_http_chunks *chunks, size_t framing, const struct ec_buf *body)
{
    chunks->overhead += framing;
    return chunks->overhead <= MAX_OVERHEAD + body->n;
}

enum ec_http_parse ec_http_chunks_read(struct ec_http_chunks *chunks, const char *p, size_t n, size_t *used, struct ec_buf *body,
                                       size_t max)
{
    enum ec_http_parse r;
    size_t length, take;

    *used = 0;
    for (;;) {
        switch (chunks->state) {
        case EC_CHUNK_SIZE:
            r = ec_http_parse_chunk(p + *used, n - *used, &length, &chunks->left);
            if (r != EC_PARSE_DONE)
                return r;
            if (!overhead_ok(chunks, length, body))
                return EC_PARSE_BAD;
            if (chunks->left > max - body->n) {
                chunks->too_large = true;
                return EC_PARSE_BAD;
            }
            *used += length;
            chunks->state = chunks->left > 0 ? EC_CHUNK_DATA : EC_CHUNK_TRAILERS;
            break;
        case EC_CHUNK_DATA:
            take = n - *used < chunks->left ? n - *used : (size_t)chunks->left;
            ec_buf_add(body, p + *used, take);
            *used += take;
            chunks->left -= take;
            if (chunks->left > 0)
                return EC_PARSE_MORE;
            chunks->state = EC_CHUNK_END;
            break;
        case EC_CHUNK_END:
            if (n - *used > 0 && p[*used] != '\r')
                return EC_PARSE_BAD;
            if (n - *used < 2)
                return EC_PARSE_MORE;
            if (p[*used + 1] != '\n' || !overhead_ok(chunks, 2, body))
                return EC_PARSE_BAD;
            *used += 2;
            chunks->state = EC_CHUNK_SIZE;
            break;
        case EC_CHUNK_TRAILERS:
            r = ec_http_parse_trailers(p + *used, n - *used, &length);
            if (r != EC_PARSE_DONE)
                return r;
            *used += length;
            chunks->state = EC_CHUNK_DONE;
            return EC_PARSE_DONE;
        case EC_CHUNK_DONE:
            return EC_PARSE_DONE;
        }
    }
}
