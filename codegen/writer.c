#include "writer.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"

void ecc_writer_init(struct ecc_writer *w, struct ecc_arena *arena)
{
    *w = (struct ecc_writer){.arena = arena, .data = ecc_arena_strdup(arena, ""), .width = 4};
}

enum { LARGE = 1 << 20 };

/* Growing doubles, so that what is left behind in the arena is never more than what is used; and less of what is large, for pages that
 * nobody touches cost nothing. */
static void reserve(struct ecc_writer *w, size_t more)
{
    size_t need = w->n + more + 1, cap = w->cap ? w->cap : 1024;

    if (need <= w->cap)
        return;
    while (cap < need)
        cap *= cap < LARGE ? 2 : 4;
    w->data = ecc_arena_longer(w->arena, w->data, w->cap, cap);
    w->cap = cap;
}

void ecc_w_text(struct ecc_writer *w, const char *text, size_t n)
{
    reserve(w, n);
    memcpy(w->data + w->n, text, n);
    w->n += n;
    w->data[w->n] = '\0';
}

static void spaces(struct ecc_writer *w, size_t n)
{
    reserve(w, n);
    memset(w->data + w->n, ' ', n);
    w->n += n;
    w->data[w->n] = '\0';
}

static void indent(struct ecc_writer *w)
{
    spaces(w, (size_t)(w->indent > 0 ? w->indent * w->width : 0));
}

static void write_lines(struct ecc_writer *w, const char *text)
{
    while (*text) {
        size_t length = (size_t)(strchrnul(text, '\n') - text);
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

static void write_plain(struct ecc_writer *w, const char *format, va_list args)
{
    for (const char *next; *format; format = next) {
        if (*format == '%') {
            write_lines(w, va_arg(args, const char *));
            next = format + 2;
            continue;
        }
        next = strchrnul(format, '%');
        if (w->n && w->data[w->n - 1] != '\n' && !memchr(format, '\n', (size_t)(next - format))) {
            ecc_w_text(w, format, (size_t)(next - format));
            continue;
        }
        for (const char *p = format; p < next;) {
            const char *end = memchr(p, '\n', (size_t)(next - p));
            end = end ? end : next;
            if (end > p && (!w->n || w->data[w->n - 1] == '\n'))
                indent(w);
            ecc_w_text(w, p, (size_t)(end - p) + (end < next));
            p = end + 1;
        }
    }
}

static void write_format(struct ecc_writer *w, const char *format, va_list args)
{
    char buffer[512];
    va_list again;

    if (ecc_format_is_plain(format)) {
        write_plain(w, format, args);
        return;
    }
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

/* One line, without its end, in as many as it takes. */
static void fold_line(struct ecc_writer *w, const char *line, size_t n)
{
    size_t margin = strspn(line, " "), indented = margin;
    const char *text = line + margin;
    bool plain = *text == '#' || *text == '*' || (text[0] == '/' && (text[1] == '*' || text[1] == '/'));

    n -= margin;
    do {
        size_t at = !plain && indented + n > MAX_COLUMNS ? fold_at(text, n, MAX_COLUMNS - indented) : 0;
        spaces(w, indented);
        ecc_w_text(w, text, at ? at : n);
        ecc_w_text(w, "\n", 1);
        text += at ? at + 1 : n;
        n -= at ? at + 1 : n;
        indented = margin + 4;
    } while (n);
}

void ecc_w_fold_c(struct ecc_writer *w)
{
    struct ecc_writer folded;
    const char *from = w->data; /* lines from here on stay as they are */

    ecc_writer_init(&folded, w->arena);
    for (const char *line = w->data, *end; *line; line = end + (*end == '\n')) {
        end = strchrnul(line, '\n');
        if (end - line <= MAX_COLUMNS)
            continue;
        ecc_w_text(&folded, from, (size_t)(line - from));
        fold_line(&folded, line, (size_t)(end - line));
        from = end + (*end == '\n');
    }
    if (from == w->data)
        return;
    ecc_w_text(&folded, from, strlen(from));
    w->data = folded.data;
    w->n = folded.n;
    w->cap = folded.cap;
}

/* ------------------------------------------------------------------ quoting */

struct quoted {
    struct ecc_arena *arena;
    char *start, *p;
    size_t room;
};

/* worst: bytes that one byte of the text can become. What was not used of them the arena has again at the end. */
static struct quoted quoted_n(struct ecc_arena *arena, size_t n, size_t worst)
{
    struct quoted q = {.arena = arena, .room = n * worst + 3};

    q.start = q.p = ecc_arena_alloc(arena, q.room);
    return q;
}

static struct quoted quoted(struct ecc_arena *arena, const char *text, size_t worst)
{
    return quoted_n(arena, strlen(text), worst);
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
    ecc_arena_less(q->arena, q->start, q->room, (size_t)(q->p - q->start) + 1);
    return q->start;
}

/* How many bytes at p are a character that changes the direction of what stands around it: in source code it would show something other than
 * what is compiled, and compilers warn of it. */
static size_t bidi(const char *p, size_t n)
{
    const unsigned char *b = (const unsigned char *)p;

    if (n >= 2 && b[0] == 0xd8 && b[1] == 0x9c)
        return 2;
    if (n < 3 || b[0] != 0xe2)
        return 0;
    bool mark = b[1] == 0x80 && (b[2] == 0x8e || b[2] == 0x8f || (b[2] >= 0xaa && b[2] <= 0xae));
    return mark || (b[1] == 0x81 && b[2] >= 0xa6 && b[2] <= 0xa9) ? 3 : 0;
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
    struct quoted q = quoted_n(arena, n, 4);

    *q.p++ = '"';
    for (size_t i = 0; i < n; i++) {
        size_t hidden = bidi(text + i, n - i);
        if (!hidden)
            put_c(&q, (unsigned char)text[i], i ? (unsigned char)text[i - 1] : 0);
        for (size_t k = 0; k < hidden; k++)
            q.p += sprintf(q.p, "\\%03o", (unsigned char)text[i + k]);
        i += hidden ? hidden - 1 : 0;
    }
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
    size_t n = 0;

    while (p[n] && p[n] < 0x80)
        n++;
    if (!p[n])
        return (const char *)p;
    struct quoted q = quoted(arena, (const char *)p, 6);
    while (*p) {
        unsigned c;
        n = code_point(p, &c);

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
        size_t hidden = bidi((const char *)p, strlen((const char *)p));
        p += hidden ? hidden - 1 : 0;
        *q.p++ = hidden || *p < 32 || *p == 127 || *p == '\\' ? ' ' : (char)*p;
    }
    return end(&q);
}
