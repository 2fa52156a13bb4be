/* Places of a text: the client counts lines and, within one, units of UTF-16 or bytes; the compiler counts bytes. */
#include "server.h"

#include <stdlib.h>
#include <string.h>

void lsp_lines_find(struct lsp_lines *lines, const char *text, size_t length, const struct ecc_lsp_host *host)
{
    size_t n = 1, at = 0;

    for (size_t i = 0; i < length; i++)
        n += text[i] == '\n' || (text[i] == '\r' && (i + 1 == length || text[i + 1] != '\n'));
    lines->starts = calloc(n, sizeof *lines->starts);
    if (!lines->starts)
        host->oom(host->context);
    lines->n = n;
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\n' || (text[i] == '\r' && (i + 1 == length || text[i + 1] != '\n')))
            lines->starts[++at] = (uint32_t)i + 1;
}

static uint32_t end_of_line(const struct lsp_text *t, size_t line)
{
    uint32_t end = line + 1 < t->lines.n ? t->lines.starts[line + 1] : t->length;

    while (end > t->lines.starts[line] && (t->text[end - 1] == '\n' || t->text[end - 1] == '\r'))
        end--;
    return end;
}

static uint32_t bytes_of(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

uint32_t lsp_offset(const struct lsp_text *t, uint64_t line, uint64_t character)
{
    if (line >= t->lines.n)
        return t->length;
    uint32_t at = t->lines.starts[line], end = end_of_line(t, line);

    for (uint64_t units = 0; at < end;) {
        uint32_t bytes = bytes_of((unsigned char)t->text[at]);
        units += t->utf8 ? bytes : bytes == 4 ? 2 : 1;
        if (units > character)
            break;
        at += bytes;
    }
    return at < end ? at : end;
}

bool lsp_offset_of(const struct lsp_text *text, const json_t *position, uint32_t *offset)
{
    const json_t *line = json_object_get(position, "line"), *character = json_object_get(position, "character");

    if (!json_is_integer(line) || !json_is_integer(character) || json_integer_value(line) < 0 || json_integer_value(character) < 0)
        return false;
    *offset = lsp_offset(text, (uint64_t)json_integer_value(line), (uint64_t)json_integer_value(character));
    return true;
}

bool lsp_span_of(const struct lsp_text *text, const json_t *range, struct ecc_span *span)
{
    return lsp_offset_of(text, json_object_get(range, "start"), &span->start) &&
           lsp_offset_of(text, json_object_get(range, "end"), &span->end) && span->start <= span->end;
}

json_t *lsp_position(const struct lsp_text *t, uint32_t offset)
{
    size_t low = 0, high = t->lines.n;
    json_int_t units = 0;

    if (offset > t->length)
        offset = t->length;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (t->lines.starts[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    for (uint32_t at = t->lines.starts[low]; at < offset;) {
        uint32_t bytes = bytes_of((unsigned char)t->text[at]);
        units += t->utf8 ? bytes : bytes == 4 ? 2 : 1;
        at += bytes;
    }
    return json_pack("{s:I, s:I}", "line", (json_int_t)low, "character", units);
}

json_t *lsp_range(const struct lsp_text *text, struct ecc_span span)
{
    return json_pack("{s:o, s:o}", "start", lsp_position(text, span.start), "end", lsp_position(text, span.end));
}

json_t *lsp_text_edit(const struct lsp_text *text, struct ecc_span span, const char *with)
{
    return json_pack("{s:o, s:s}", "range", lsp_range(text, span), "newText", with);
}
