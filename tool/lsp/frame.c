/* Messages out of bytes: `Content-Length: N`, other headers, an empty line, N bytes.
 *
 * A header that can't be followed is told once and skipped up to where the next one may begin. */
#include "server.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_HEADER = 4096, MAX_BODY = 64 * 1024 * 1024 };

void lsp_input_add(struct lsp_input *input, const char *bytes, size_t length, const struct ecc_lsp_host *host)
{
    if (input->at) {
        memmove(input->bytes, input->bytes + input->at, input->n - input->at);
        input->n -= input->at;
        input->at = 0;
    }
    if (input->n + length > input->cap) {
        size_t cap = (input->n + length) * 2;
        char *grown = realloc(input->bytes, cap);
        if (!grown)
            host->oom(host->context);
        input->bytes = grown;
        input->cap = cap;
    }
    if (length)
        memcpy(input->bytes + input->n, bytes, length);
    input->n += length;
}

static enum lsp_frame bad(struct lsp_input *input, size_t skip, const char **why, const char *text)
{
    input->at += skip;
    *why = text;
    return LSP_FRAME_BAD;
}

/* The value of a `Content-Length` line; -1: another header, -2: a malformed one. */
static long length_of(const char *line, const char *end)
{
    static const char name[] = "Content-Length";
    const char *colon = memchr(line, ':', (size_t)(end - line)), *p;
    long value = 0;

    if (!colon)
        return -2;
    if ((size_t)(colon - line) != sizeof name - 1 || strncasecmp(line, name, sizeof name - 1) != 0)
        return -1;
    for (p = colon + 1; p < end && (*p == ' ' || *p == '\t'); p++)
        ;
    if (p == end || !isdigit((unsigned char)*p))
        return -2;
    for (; p < end && isdigit((unsigned char)*p); p++)
        value = value > MAX_BODY ? value : value * 10 + (*p - '0');
    for (; p < end && isspace((unsigned char)*p); p++)
        ;
    return p == end ? value : -2;
}

enum lsp_frame lsp_input_next(struct lsp_input *input, const char **body, size_t *length, const char **why)
{
    if (input->at == input->n)
        return LSP_FRAME_MORE;
    const char *start = input->bytes + input->at, *limit = input->bytes + input->n;
    const char *end = memmem(start, (size_t)(limit - start), "\r\n\r\n", 4);
    long found = -1;

    if (!end && limit - start <= MAX_HEADER)
        return LSP_FRAME_MORE;
    if (!end)
        return bad(input, (size_t)(limit - start), why, "a header is longer than 4096 bytes");
    for (const char *line = start; line < end + 2;) {
        const char *stop = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        long value = length_of(line, stop);
        if (value == -2)
            return bad(input, (size_t)(end + 4 - start), why, "a header is not `Name: value`");
        if (value >= 0)
            found = value;
        line = stop + 2;
    }
    if (found < 0)
        return bad(input, (size_t)(end + 4 - start), why, "a message has no Content-Length");
    if (found > MAX_BODY)
        return bad(input, (size_t)(end + 4 - start), why, "a message is longer than 64 MiB");
    if (limit - (end + 4) < found)
        return LSP_FRAME_MORE;
    *body = end + 4;
    *length = (size_t)found;
    input->at += (size_t)(end + 4 - start) + (size_t)found;
    return LSP_FRAME_WHOLE;
}
