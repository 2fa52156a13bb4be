/* Bodies in chunks: the grammar's two entries for them (http_parser.re) and the decoder that server and client share (http_chunk.c). */
#ifndef EC_HTTP_PARSE_H
#define EC_HTTP_PARSE_H

#include "http.h"

enum { EC_HTTP_MAX_CHUNK_LINE = 256 };

/* A chunk's size line, with its extensions, which are dropped; length of the line with CRLF. */
enum ec_http_parse ec_http_parse_chunk(const char *p, size_t n, size_t *length, uint64_t *size);
/* Trailers, checked and dropped, with the empty line. */
enum ec_http_parse ec_http_parse_trailers(const char *p, size_t n, size_t *length);

struct ec_http_chunks {
    enum { EC_CHUNK_SIZE, EC_CHUNK_DATA, EC_CHUNK_END, EC_CHUNK_TRAILERS, EC_CHUNK_DONE } state;
    uint64_t left;      /* of the chunk */
    size_t overhead;    /* bytes of framing since the last byte of data: bounded */
    bool too_large;     /* BAD because the body went past max */
};
/* Takes what it can of p[0..n), adds the data to body and says in *used how much it took. The rest, a piece of a line, must be given
 * again with what follows it. */
enum ec_http_parse ec_http_chunks_read(struct ec_http_chunks *chunks, const char *p, size_t n, size_t *used, struct ec_buf *body,
                                       size_t max);

#endif
