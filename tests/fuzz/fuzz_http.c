/* Fuzzes the HTTP grammar and the chunk decoder. Beside memory errors it looks for what must hold of every input:
 *  - a head is the same however its bytes are cut, and no proper prefix of it is whole;
 *  - what is whole lies within the input;
 *  - a body of chunks is the same however its bytes are cut.
 *
 * See tests/fuzz/run.py.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static enum ec_http_parse parse(const char *p, size_t n, struct ec_http_head *head, bool reply)
{
    return reply ? ec_http_parse_reply(p, n, head) : ec_http_parse_request(p, n, head);
}

static void heads(const char *p, size_t n, bool reply)
{
    static struct ec_http_head whole, part;
    enum ec_http_parse r = parse(p, n, &whole, reply), before;
    size_t i, end;

    if (r == EC_PARSE_BAD) {
        check(whole.why && whole.bad_status >= 400);
        return;
    }
    end = r == EC_PARSE_DONE ? whole.length : n;
    check(end <= n);
    for (i = 0; i < end; i++) {
        before = parse(p, i, &part, reply);
        check(before == EC_PARSE_MORE);
    }
    if (r != EC_PARSE_DONE)
        return;
    check(parse(p, end, &part, reply) == EC_PARSE_DONE && part.length == end && part.content_length == whole.content_length);
    check(!(whole.chunked && whole.content_length >= 0));
    check(memcmp(p + end - 4, "\r\n\r\n", 4) == 0);
    check(reply || whole.minor == 0 || whole.has_host);
    for (i = 0; i < whole.nheaders; i++) {
        check(whole.headers[i].name.p >= p && whole.headers[i].value.p + whole.headers[i].value.n <= p + end);
        check(whole.headers[i].name.n > 0 && !memchr(whole.headers[i].value.p, '\n', whole.headers[i].value.n));
    }
}

static enum ec_http_parse decode(const char *p, size_t n, size_t step, struct ec_buf *body, size_t *taken)
{
    struct ec_http_chunks chunks = {.state = EC_CHUNK_SIZE};
    enum ec_http_parse r = EC_PARSE_MORE;
    size_t from = 0, to = 0, used;

    body->n = 0;
    while (r == EC_PARSE_MORE && to < n) {
        to = n - to < step ? n : to + step;
        r = ec_http_chunks_read(&chunks, p + from, to - from, &used, body, 256);
        check(used <= to - from && body->n <= 256);
        from += used;
    }
    *taken = from;
    return r;
}

static void chunked(const char *p, size_t n)
{
    static struct ec_buf whole, pieces;
    size_t taken_whole, taken_pieces, step;
    enum ec_http_parse r = decode(p, n, n, &whole, &taken_whole);

    for (step = 1; step < 4; step++) {
        check(decode(p, n, step, &pieces, &taken_pieces) == r);
        if (r == EC_PARSE_DONE)
            check(taken_pieces == taken_whole && pieces.n == whole.n && (whole.n == 0 || memcmp(whole.p, pieces.p, whole.n) == 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1); /* of exactly its size where it matters: p + n is past the end */

    if (!copy)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    copy = realloc(copy, size ? size : 1);
    heads(copy, size, false);
    heads(copy, size, true);
    if (size > 0)
        chunked(copy, size);
    free(copy);
    return 0;
}
