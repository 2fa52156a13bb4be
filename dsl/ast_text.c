/* Names, numbers and texts: from a token's bytes to a value, with the checks that need no context. */
#include "build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grammar.h"

static const char *bytes(const struct ecc_parser *p, struct ecc_token t)
{
    return p->source->text + t.start;
}

static size_t size(struct ecc_token t)
{
    return t.end - t.start;
}

/* ------------------------------------------------------------------ names */

struct ecc_name ecc_name(struct ecc_parser *p, struct ecc_token t)
{
    return (struct ecc_name){ecc_arena_strndup(p->arena, bytes(p, t), size(t)), ecc_span_of(t)};
}

/* The same words in another spelling: `mark` between them, or for '\0' each with a capital. */
static const char *respell(struct ecc_parser *p, const char *word, char mark, bool upper)
{
    char *out = ecc_arena_alloc(p->arena, 2 * strlen(word) + 1), *q = out;
    bool begins = true;

    for (const char *c = word; *c; c++) {
        bool capital = *c >= 'A' && *c <= 'Z', letter = capital || (*c >= 'a' && *c <= 'z');
        bool after_small = c > word && ((c[-1] >= 'a' && c[-1] <= 'z') || (c[-1] >= '0' && c[-1] <= '9'));

        if (*c == '_' || *c == '-') {
            begins = true;
            continue;
        }
        if ((begins || (capital && after_small)) && q > out && mark)
            *q++ = mark;
        char small = capital ? (char)(*c - 'A' + 'a') : *c, big = letter ? (char)(small - 'a' + 'A') : *c;
        bool word_begins = begins || (capital && after_small);
        *q++ = mark ? (upper ? big : small) : word_begins ? big : small;
        begins = false;
    }
    *q = '\0';
    return out;
}

static struct ecc_name spelled(struct ecc_parser *p, struct ecc_token t, bool right, const char *what, const char *spelling, char mark,
                               bool upper)
{
    struct ecc_name name = ecc_name(p, t);
    struct ecc_diag *diag;
    const char *fix;

    if (right || (t.kind == ECC_TOK_PASCAL && strpbrk(name.text, "_-"))) /* of Foo_bar the lexer has spoken */
        return name;
    diag = ecc_diag(p->diags, ECC_E_SPELLING, name.span, "%s are %s, `%s` is not", what, spelling, name.text);
    fix = respell(p, name.text, mark, upper);
    if ((mark || (fix[0] >= 'A' && fix[0] <= 'Z')) && strcmp(fix, name.text) != 0) {
        ecc_diag_help(p->diags, diag, "write `%s`", fix);
        ecc_diag_fix(diag, name.span, fix);
    }
    return name;
}

/* A word that follows no spelling, where it may be a value or a node. */
struct ecc_name ecc_any_name(struct ecc_parser *p, struct ecc_token t)
{
    struct ecc_name name = ecc_name(p, t);

    if (t.kind == ECC_TOK_MIXED) {
        struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_WORD, name.span, "`%s` follows no spelling of the language", name.text);
        if (strchr(name.text, '-') && strchr(name.text, '_'))
            ecc_diag_help(p->diags, diag, "it is one word: a minus that is an operator has spaces around it");
        else
            ecc_diag_help(p->diags, diag, "values are written `%s`, nodes `%s`", respell(p, name.text, '_', false),
                          respell(p, name.text, '-', false));
    }
    return name;
}

struct ecc_name ecc_ast_snake(struct ecc_parser *p, struct ecc_token t)
{
    return spelled(p, t, t.kind == ECC_TOK_WORD || t.kind == ECC_TOK_SNAKE, "fields, columns, variables and values", "snake_case", '_',
                   false);
}

struct ecc_name ecc_ast_kebab(struct ecc_parser *p, struct ecc_token t)
{
    return spelled(p, t, t.kind == ECC_TOK_WORD || t.kind == ECC_TOK_KEBAB, "topologies, nodes, sagas, topics, policies and scenarios", "kebab-case",
                   '-', false);
}

struct ecc_name ecc_ast_pascal(struct ecc_parser *p, struct ecc_token t)
{
    return spelled(p, t, t.kind == ECC_TOK_PASCAL, "types, operations, events and errors", "PascalCase", '\0', true);
}

struct ecc_name ecc_env(struct ecc_parser *p, struct ecc_token t)
{
    bool upper = t.kind == ECC_TOK_UPPER || t.kind == ECC_TOK_PASCAL;

    for (uint32_t i = t.start; i < t.end; i++)
        upper = upper && !(p->source->text[i] >= 'a' && p->source->text[i] <= 'z');
    return spelled(p, t, upper, "environment variables", "UPPER_CASE", '_', true);
}

struct ecc_name ecc_method(struct ecc_parser *p, struct ecc_token t)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    struct ecc_name name = ecc_name(p, t);

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(name.text, methods[i]) == 0)
            return name;
    struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_METHOD, name.span, "`%s` is not an HTTP method", name.text);
    const char *meant = ecc_did_you_mean(name.text, methods, sizeof methods / sizeof *methods);
    if (meant) {
        ecc_diag_help(p->diags, diag, "did you mean `%s`?", meant);
        ecc_diag_fix(diag, name.span, meant);
    } else {
        ecc_diag_help(p->diags, diag, "the methods are GET, HEAD, POST, PUT, PATCH and DELETE");
    }
    name.text = "GET";
    return name;
}

/* ------------------------------------------------------------------ texts */

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static void bad_escape(struct ecc_parser *p, const char *from, const char *to)
{
    struct ecc_span span = {(uint32_t)(from - p->source->text), (uint32_t)(to - p->source->text)};
    struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_ESCAPE, span, "`%.*s` is no escape", (int)(to - from > 20 ? 20 : to - from), from);

    ecc_diag_help(p->diags, diag, "a string knows \\\" \\\\ \\n \\t and \\u{hex}");
}

/* One escape that begins at from, a backslash. Returns where it ends. */
static const char *unescape(struct ecc_parser *p, const char *from, const char *end, char **out)
{
    const char *c = from + 1;
    uint32_t code = 0;

    if (c == end)
        return c;
    switch (*c) {
    case '"':
    case '\\':
        *(*out)++ = *c;
        return c + 1;
    case 'n':
        *(*out)++ = '\n';
        return c + 1;
    case 't':
        *(*out)++ = '\t';
        return c + 1;
    case 'u':
        if (c + 1 == end || c[1] != '{')
            break;
        for (c += 2; c < end && strchr("0123456789abcdefABCDEF", *c) && c - from <= 9; c++)
            code = code << 4 | (uint32_t)(*c <= '9' ? *c - '0' : (*c | 0x20) - 'a' + 10);
        if (c == end || *c != '}' || c - from < 4 || code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
            bad_escape(p, from, c < end ? c + 1 : c);
            return c;
        }
        *out += put_utf8(*out, code); /* never longer than the escape itself */
        return c + 1;
    }
    c = from + 2;
    while (c < end && ((unsigned char)*c & 0xc0) == 0x80)
        c++;
    bad_escape(p, from, c);
    return c;
}

struct ecc_text ecc_string(struct ecc_parser *p, struct ecc_token t)
{
    const char *from = bytes(p, t) + 1, *end = p->source->text + t.end;
    struct ecc_text text;

    if (end < from)
        end = from;
    else if (end > from && end[-1] == '"')
        end--; /* there is none when the string was reported as unterminated */
    text.span = (struct ecc_span){t.start + 1, (uint32_t)(end - p->source->text)};
    if (!memchr(from, '\\', (size_t)(end - from))) {
        text.length = (size_t)(end - from);
        text.text = ecc_arena_strndup(p->arena, from, text.length);
        return text;
    }
    char *copy = ecc_arena_alloc(p->arena, (size_t)(end - from) + 1), *out = copy;
    while (from < end) {
        if (*from == '\\')
            from = unescape(p, from, end, &out);
        else
            *out++ = *from++;
    }
    text.text = copy;
    text.length = (size_t)(out - copy);
    return text;
}

static struct ecc_text content(struct ecc_parser *p, struct ecc_token t, const char *open, const char *close)
{
    size_t before = strlen(open), after = strlen(close);
    struct ecc_span span = {t.start + (uint32_t)before, t.end};

    if (size(t) >= before + after && memcmp(p->source->text + t.end - after, close, after) == 0)
        span.end -= (uint32_t)after;
    return (struct ecc_text){ecc_arena_strndup(p->arena, p->source->text + span.start, span.end - span.start), span.end - span.start, span};
}

struct ecc_text ecc_ast_sql(struct ecc_parser *p, struct ecc_token t)
{
    return content(p, t, "\"\"\"", "\"\"\"");
}

struct ecc_text ecc_raw(struct ecc_parser *p, struct ecc_token t)
{
    return content(p, t, "(", ")");
}

/* ------------------------------------------------------------------ numbers */

static void out_of_range(struct ecc_parser *p, struct ecc_token t, const char *what)
{
    ecc_diag(p->diags, ECC_E_NUMBER, ecc_span_of(t), "this %s is too large", what);
}

/* Digits with `_` between them, perhaps after a minus; *rest is what follows. */
static bool read_int(const char *from, const char *end, int64_t *value, const char **rest)
{
    bool negative = *from == '-';
    int64_t n = 0;

    for (from += negative; from < end && ((*from >= '0' && *from <= '9') || *from == '_'); from++) {
        if (*from == '_')
            continue;
        /* Counted downwards, so that the least number can be read, too. */
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_sub_overflow(n, *from - '0', &n))
            return false;
    }
    if (!negative && __builtin_sub_overflow(0, n, &n))
        return false;
    *value = n;
    *rest = from;
    return true;
}

int64_t ecc_int(struct ecc_parser *p, struct ecc_token t)
{
    const char *rest;
    int64_t value;

    if (read_int(bytes(p, t), p->source->text + t.end, &value, &rest))
        return value;
    out_of_range(p, t, "number");
    return 0;
}

double ecc_float(struct ecc_parser *p, struct ecc_token t)
{
    char *text = ecc_arena_alloc(p->arena, size(t) + 1), *out = text, *end;

    /* strtod would read a comma in some locales; ecomc never calls setlocale, so "C" it is. */
    for (uint32_t i = t.start; i < t.end; i++)
        if (p->source->text[i] != '_')
            *out++ = p->source->text[i];
    errno = 0;
    double value = strtod(text, &end);
    if (errno == ERANGE && value != 0 && (value > 1 || value < -1)) {
        out_of_range(p, t, "number");
        return 0;
    }
    return value;
}

int64_t ecc_duration(struct ecc_parser *p, struct ecc_token t)
{
    const char *unit;
    int64_t value, factor;

    if (!read_int(bytes(p, t), p->source->text + t.end, &value, &unit)) {
        out_of_range(p, t, "duration");
        return 1;
    }
    factor = unit[0] == 'm' && p->source->text + t.end - unit == 2 ? 1
             : unit[0] == 's'                                      ? 1000
             : unit[0] == 'm'                                      ? 60000
             : unit[0] == 'h'                                      ? 3600000
                                                                   : 86400000;
    if (value < 0) {
        ecc_diag(p->diags, ECC_E_NUMBER, ecc_span_of(t), "a duration can't be negative");
        return 1;
    }
    if (__builtin_mul_overflow(value, factor, &value)) {
        out_of_range(p, t, "duration");
        return 1;
    }
    return value;
}

void ecc_rate(struct ecc_parser *p, struct ecc_token t, int64_t *count, int64_t *period_ms)
{
    const char *unit;

    *count = 1;
    *period_ms = 1000;
    if (!read_int(bytes(p, t), p->source->text + t.end, count, &unit)) {
        *count = 1;
        out_of_range(p, t, "rate");
        return;
    }
    *period_ms = unit[1] == 's' ? 1000 : unit[1] == 'm' ? 60000 : 3600000;
    if (*count <= 0) {
        ecc_diag(p->diags, ECC_E_NUMBER, ecc_span_of(t), "a rate must be positive");
        *count = 1;
    }
}

int64_t ecc_version(struct ecc_parser *p, struct ecc_token t)
{
    const char *from = bytes(p, t), *end = p->source->text + t.end, *rest;
    int64_t value;

    if (t.kind == ECC_TOK_WORD && size(t) > 1 && size(t) < 9 && from[0] == 'v' && from[1] >= '1' && from[1] <= '9' &&
        read_int(from + 1, end, &value, &rest) && rest == end)
        return value;
    struct ecc_diag *diag = ecc_diag(p->diags, ECC_E_SYNTAX, ecc_span_of(t), "found `%.*s`, expected a version such as `v1`",
                                     (int)(size(t) > 40 ? 40 : size(t)), from);
    ecc_diag_help(p->diags, diag, "the version of an event or a saga is `v` and a number: `event Name v1 { ... }`");
    return 1;
}
