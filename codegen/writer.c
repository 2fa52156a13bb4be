#include "writer.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"

void ecc_writer_init(struct ecc_writer *w, struct ecc_arena *arena)
{
    *w = (struct ecc_writer){.arena = arena, .data = ecc_arena_strdup(arena, ""), .width = 4};
}

/* Growing doubles, so that what is left behind in the arena is never more than what is used. */
static void reserve(struct ecc_writer *w, size_t more)
{
    size_t need = w->n + more + 1, cap = w->cap ? w->cap : 1024;

    if (need <= w->cap)
        return;
    while (cap < need)
        cap *= 2;
    char *data = ecc_arena_alloc(w->arena, cap);
    memcpy(data, w->data, w->n + 1);
    w->data = data;
    w->cap = cap;
}

void ecc_w_text(struct ecc_writer *w, const char *text, size_t n)
{
    reserve(w, n);
    memcpy(w->data + w->n, text, n);
    w->n += n;
    w->data[w->n] = '\0';
}

static void indent(struct ecc_writer *w)
{
    for (int i = 0; i < w->indent * w->width; i++)
        ecc_w_text(w, " ", 1);
}

static void write_lines(struct ecc_writer *w, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        if (length && (!w->n || w->data[w->n - 1] == '\n'))
            indent(w);
        ecc_w_text(w, text, length);
        text += length;
        if (*text == '\n') {
            ecc_w_text(w, "\n", 1);
            text++;
        }
    }
}

static void write_format(struct ecc_writer *w, const char *format, va_list args)
{
    char buffer[512];
    va_list again;

    va_copy(again, args);
    int length = vsnprintf(buffer, sizeof buffer, format, args);
    if (length >= (int)sizeof buffer) {
        char *text = ecc_arena_alloc(w->arena, (size_t)length + 1);
        vsnprintf(text, (size_t)length + 1, format, again);
        write_lines(w, text);
    } else if (length > 0) {
        write_lines(w, buffer);
    }
    va_end(again);
}

void ecc_w(struct ecc_writer *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_format(w, format, args);
    va_end(args);
}

void ecc_wl(struct ecc_writer *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_format(w, format, args);
    va_end(args);
    ecc_w_text(w, "\n", 1);
}

void ecc_w_open(struct ecc_writer *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_format(w, format, args);
    va_end(args);
    ecc_w_text(w, "\n", 1);
    w->indent++;
}

void ecc_w_close(struct ecc_writer *w, const char *format, ...)
{
    va_list args;

    w->indent--;
    va_start(args, format);
    write_format(w, format, args);
    va_end(args);
    ecc_w_text(w, "\n", 1);
}

void ecc_w_blank(struct ecc_writer *w)
{
    if (w->n && !(w->n >= 2 && w->data[w->n - 1] == '\n' && w->data[w->n - 2] == '\n'))
        ecc_w_text(w, "\n", 1);
}

enum { MAX_COLUMNS = 140 };

/* Where a line may go on below: behind the last of its outermost commas (or slashes) that stand within the columns; 0 for nowhere. */
static size_t fold_at(const char *line, size_t n, size_t room)
{
    size_t at = 0;
    int depth = 0, least = 0;
    char quote = '\0';

    for (size_t i = 0; i + 2 < n && i < room; i++) {
        if (quote) {
            if (line[i] == '\\')
                i++;
            else if (line[i] == quote)
                quote = '\0';
        } else if (line[i] == '"' || line[i] == '\'') {
            quote = line[i];
        } else if (strchr("({[", line[i])) {
            depth++;
        } else if (strchr(")}]", line[i])) {
            depth--;
        } else if (strchr(",/", line[i]) && line[i + 1] == ' ' && (!at || depth <= least)) {
            at = i + 1;
            least = depth;
        }
    }
    return at;
}

void ecc_w_fold_c(struct ecc_writer *w)
{
    struct ecc_writer folded;
    const char *line = w->data;

    ecc_writer_init(&folded, w->arena);
    while (*line) {
        size_t n = strcspn(line, "\n"), margin = strspn(line, " "), at;
        const char *text = line + margin, *next = line + n + (line[n] == '\n');
        bool plain = *text == '#' || *text == '*' || (text[0] == '/' && (text[1] == '*' || text[1] == '/'));

        n -= margin;
        for (size_t indented = margin; n; indented = margin + 4) {
            at = !plain && indented + n > MAX_COLUMNS ? fold_at(text, n, MAX_COLUMNS - indented) : 0;
            for (size_t i = 0; i < indented; i++)
                ecc_w_text(&folded, " ", 1);
            ecc_w_text(&folded, text, at ? at : n);
            ecc_w_text(&folded, "\n", 1);
            text += at ? at + 1 : n;
            n -= at ? at + 1 : n;
        }
        if (text == line + margin && !n)
            ecc_w_text(&folded, "\n", 1);
        line = next;
    }
    w->data = folded.data;
    w->n = folded.n;
    w->cap = folded.cap;
}

/* ------------------------------------------------------------------ quoting */

struct quoted {
    char *start, *p;
};

/* worst: bytes that one byte of the text can become. */
static struct quoted quoted(struct ecc_arena *arena, const char *text, size_t worst)
{
    struct quoted q;

    q.start = q.p = ecc_arena_alloc(arena, strlen(text) * worst + 3);
    return q;
}

static void put(struct quoted *q, const char *text)
{
    size_t n = strlen(text);

    memcpy(q->p, text, n);
    q->p += n;
}

static const char *end(struct quoted *q)
{
    *q->p = '\0';
    return q->start;
}

/* Octal escapes take at most three digits, unlike hexadecimal ones; `?` is escaped against trigraphs. */
static void put_c(struct quoted *q, unsigned char c, unsigned char before)
{
    switch (c) {
    case '"':
        put(q, "\\\"");
        break;
    case '\\':
        put(q, "\\\\");
        break;
    case '\n':
        put(q, "\\n");
        break;
    case '\t':
        put(q, "\\t");
        break;
    case '\r':
        put(q, "\\r");
        break;
    case '?':
        put(q, before == '?' ? "\\?" : "?");
        break;
    default:
        if (c < 32 || c == 127)
            q->p += sprintf(q->p, "\\%03o", c);
        else
            *q->p++ = (char)c;
    }
}

static const char *quote_c_part(struct ecc_arena *arena, const char *text, size_t n)
{
    struct quoted q;

    q.start = q.p = ecc_arena_alloc(arena, n * 4 + 3);
    *q.p++ = '"';
    for (size_t i = 0; i < n; i++)
        put_c(&q, (unsigned char)text[i], i ? (unsigned char)text[i - 1] : 0);
    *q.p++ = '"';
    return end(&q);
}

const char *ecc_quote_c(struct ecc_arena *arena, const char *text)
{
    return quote_c_part(arena, text, strlen(text));
}

void ecc_w_c_lines(struct ecc_writer *w, const char *text)
{
    do {
        size_t length = strcspn(text, "\n");
        length += text[length] == '\n';
        ecc_w(w, "%s", quote_c_part(w->arena, text, length));
        text += length;
        if (*text)
            ecc_w_text(w, "\n", 1);
    } while (*text);
}

const char *ecc_quote_json(struct ecc_arena *arena, const char *text)
{
    struct quoted q = quoted(arena, text, 6);

    *q.p++ = '"';
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\') {
            *q.p++ = '\\';
            *q.p++ = (char)*p;
        } else if (*p == '\n') {
            put(&q, "\\n");
        } else if (*p == '\t') {
            put(&q, "\\t");
        } else if (*p < 32 || *p == 127) {
            q.p += sprintf(q.p, "\\u%04x", *p);
        } else {
            *q.p++ = (char)*p;
        }
    }
    *q.p++ = '"';
    return end(&q);
}

/* standard_conforming_strings is on: a backslash is one. */
const char *ecc_quote_sql(struct ecc_arena *arena, const char *text)
{
    struct quoted q = quoted(arena, text, 2);

    *q.p++ = '\'';
    for (; *text; text++) {
        if (*text == '\'')
            *q.p++ = '\'';
        *q.p++ = *text;
    }
    *q.p++ = '\'';
    return end(&q);
}

/* One code point of valid UTF-8; its length. */
static size_t code_point(const unsigned char *p, unsigned *out)
{
    size_t n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;

    *out = n == 1 ? *p : *p & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) { /* not UTF-8 after all */
            *out = 0xfffd;
            return i;
        }
        *out = *out << 6 | (p[i] & 0x3fu);
    }
    return n;
}

/* A JSON string is a YAML string, but for characters that YAML takes for line breaks or does not let stand. */
const char *ecc_quote_yaml(struct ecc_arena *arena, const char *text)
{
    const unsigned char *p = (const unsigned char *)ecc_quote_json(arena, text);
    struct quoted q = quoted(arena, (const char *)p, 6);

    while (*p) {
        unsigned c;
        size_t n = code_point(p, &c);

        if ((c >= 0x80 && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff || c == 0xfffd) {
            q.p += sprintf(q.p, "\\u%04x", c);
        } else {
            memcpy(q.p, p, n);
            q.p += n;
        }
        p += n;
    }
    return end(&q);
}

const char *ecc_quote_shell(struct ecc_arena *arena, const char *text)
{
    struct quoted q = quoted(arena, text, 4);

    if (*text && text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+,-")] == '\0')
        return text;
    *q.p++ = '\'';
    for (; *text; text++) {
        if (*text == '\'')
            put(&q, "'\\''");
        else
            *q.p++ = *text;
    }
    *q.p++ = '\'';
    return end(&q);
}

const char *ecc_quote_meson(struct ecc_arena *arena, const char *text)
{
    struct quoted q = quoted(arena, text, 4);

    *q.p++ = '\'';
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '\'' || *p == '\\') {
            *q.p++ = '\\';
            *q.p++ = (char)*p;
        } else if (*p < 32 || *p == 127) {
            q.p += sprintf(q.p, "\\x%02x", *p);
        } else {
            *q.p++ = (char)*p;
        }
    }
    *q.p++ = '\'';
    return end(&q);
}

const char *ecc_comment_text(struct ecc_arena *arena, const char *text)
{
    struct quoted q = quoted(arena, text, 2);

    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool joint = q.p > q.start && ((q.p[-1] == '*' && *p == '/') || (q.p[-1] == '/' && *p == '*'));
        if (joint)
            *q.p++ = ' ';
        *q.p++ = *p < 32 || *p == 127 || *p == '\\' ? ' ' : (char)*p;
    }
    return end(&q);
}
