/* libFuzzer: any conversation with the language server. It answers each request once, keeps to its frames, and never goes down.
 *
 * The first byte chooses how the rest is taken: as the bytes of a client, in pieces; or as a text and what is done to it, so that
 * positions, edits and requests are met that bytes by chance would not spell: after the text and a NUL come steps of six bytes. */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lsp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static long asked, answered;
static char *buffer;
static size_t filled;

static void check(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

/* Whole messages only: what the server writes is read as a client would. */
static void take(void *unused, const char *bytes, size_t length)
{
    size_t n, head;
    char *end;

    (void)unused;
    buffer = realloc(buffer, filled + length + 1);
    check(buffer != NULL, "there is memory");
    memcpy(buffer + filled, bytes, length);
    filled += length;
    buffer[filled] = '\0';
    while ((end = strstr(buffer, "\r\n\r\n"))) {
        check(sscanf(buffer, "Content-Length: %zu\r\n", &n) == 1, "a frame begins with its length");
        head = (size_t)(end - buffer) + 4;
        if (filled < head + n)
            return;
        json_t *message = json_loadb(buffer + head, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        check(json_is_object(message), "a message is an object");
        if (!json_object_get(message, "method")) {
            check(!json_object_get(message, "result") != !json_object_get(message, "error"), "an answer is a result or an error");
            answered += json_is_integer(json_object_get(message, "id"));
        }
        json_decref(message);
        memmove(buffer, buffer + head + n, filled - head - n + 1);
        filled -= head + n;
    }
}

static void die(void *unused)
{
    (void)unused;
    abort();
}

static void say(struct ecc_lsp *lsp, json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT), head[64];

    asked += json_object_get(message, "id") != NULL;
    ecc_lsp_feed(lsp, head, (size_t)snprintf(head, sizeof head, "Content-Length: %zu\r\n\r\n", strlen(text)));
    ecc_lsp_feed(lsp, text, strlen(text));
    free(text);
    json_decref(message);
}

static json_t *place(unsigned line, unsigned character)
{
    return json_pack("{s:i, s:i}", "line", line, "character", character);
}

static void step(struct ecc_lsp *lsp, const uint8_t *s)
{
    static const char *const methods[] = {"hover",          "definition", "references", "documentHighlight",
                                          "prepareRename",  "rename",     "completion", "signatureHelp",
                                          "documentSymbol", "formatting", "codeAction", "semanticTokens/full"};
    static const char *const words[] = {"",      "x",         ".",   "\"\"\"", "{", "}", "\n", "\r\n", " was(a)", "\xf0\x9f\x92\xb6",
                                        "order", "SELECT * ", ":id", "-> "};
    static const char *const names[] = {"other", "Other", "other-name", "other_name", "id", "A"};
    char method[64];
    json_t *at = place(s[1], s[2]), *range = json_pack("{s:O, s:o}", "start", at, "end", place(s[1] + s[3] % 3u, s[2] + s[4] % 8u));

    if (s[0] % 2) {
        say(lsp, json_pack("{s:s, s:s, s:{s:{s:s, s:i}, s:[{s:o, s:s}]}}", "jsonrpc", "2.0", "method", "textDocument/didChange", "params",
                           "textDocument", "uri", "file:///a", "version", 2, "contentChanges", "range", range, "text",
                           words[s[5] % (sizeof words / sizeof *words)]));
        json_decref(at);
        return;
    }
    snprintf(method, sizeof method, "textDocument/%s", methods[s[5] % (sizeof methods / sizeof *methods)]);
    say(lsp, json_pack("{s:s, s:i, s:s, s:{s:{s:s}, s:o, s:o, s:s, s:{s:b}}}", "jsonrpc", "2.0", "id", 1, "method", method, "params",
                       "textDocument", "uri", "file:///a", "position", at, "range", range, "newName",
                       names[s[4] % (sizeof names / sizeof *names)], "context", "includeDeclaration", 1));
}

static void converse(struct ecc_lsp *lsp, const uint8_t *data, size_t size, int utf8)
{
    const uint8_t *end = memchr(data, 0, size);
    size_t length = end ? (size_t)(end - data) : size;
    json_t *text = json_stringn((const char *)data, length);

    say(lsp, json_pack("{s:s, s:i, s:s, s:{s:{s:{s:[s]}}}}", "jsonrpc", "2.0", "id", 1, "method", "initialize", "params", "capabilities",
                       "general", "positionEncodings", utf8 ? "utf-8" : "utf-16"));
    if (!text) /* no UTF-8 */
        return;
    say(lsp, json_pack("{s:s, s:s, s:{s:{s:s, s:i, s:o}}}", "jsonrpc", "2.0", "method", "textDocument/didOpen", "params", "textDocument",
                       "uri", "file:///a", "version", 1, "text", text));
    for (size_t i = length + 1, n = 0; i + 6 <= size && n < 12; i += 6, n++)
        step(lsp, data + i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ecc_lsp_host host = {take, die, NULL, NULL, "0"};
    struct ecc_lsp *lsp = ecc_lsp_new(&host);

    asked = answered = 0;
    filled = 0;
    if (size && data[0] % 4 == 0) {
        for (size_t i = 1, n; i < size; i += n) {
            n = 1 + data[i] % 64u;
            n = n > size - i ? size - i : n;
            if (!ecc_lsp_feed(lsp, (const char *)data + i, n))
                break;
        }
    } else if (size) {
        converse(lsp, data + 1, size - 1, data[0] % 4 == 2);
        check(asked == answered, "each request is answered once");
    }
    check(!filled, "no frame is left half-written");
    ecc_lsp_free(lsp);
    free(buffer);
    buffer = NULL;
    return 0;
}
