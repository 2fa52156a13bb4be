/* JSON's tokens, and walking over what no table describes.
 *
 * Strings are checked eight bytes at a time; one without escapes points into the text, another is decoded into the arena. ec_scan_skip
 * checks a value as strictly as the readers of tables do, duplicates included: names of an object are kept on a stack until it closes and
 * then compared, sorted when they are many, so that a hostile object costs n log n.
 */
#include "json_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scalar.h"

enum { MAX_DEPTH = 64 };

/* ------------------------------------------------------------------ errors */

enum ec_json_status ec_scan_wrong(struct ec_scan *r, const char *message)
{
    snprintf(r->error->message, sizeof(r->error->message), "%s", message);
    return EC_JSON_INVALID;
}

enum ec_json_status ec_scan_malformed(struct ec_scan *r, const char *message)
{
    r->error->path[0] = 0;
    snprintf(r->error->message, sizeof(r->error->message), "%s at byte %zu", message, (size_t)(r->p - r->start));
    return EC_JSON_MALFORMED;
}

enum ec_json_status ec_scan_unexpected(struct ec_scan *r)
{
    return ec_scan_malformed(r, r->p == r->end ? "unexpected end" : "unexpected character");
}

/* ------------------------------------------------------------------ tokens */

bool ec_scan_literal(struct ec_scan *r, const char *word, size_t n)
{
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
        return false;
    r->p += n;
    return true;
}

enum ec_json_status ec_scan_enter(struct ec_scan *r)
{
    if (++r->depth > MAX_DEPTH)
        return ec_scan_malformed(r, "nested too deeply");
    r->p++;
    return EC_JSON_OK;
}

static int hex4(const char *p)
{
    int value = 0, i;

    for (i = 0; i < 4; i++) {
        char c = p[i];

        value <<= 4;
        if (c >= '0' && c <= '9')
            value |= c - '0';
        else if (c >= 'a' && c <= 'f')
            value |= c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            value |= c - 'A' + 10;
        else
            return -1;
    }
    return value;
}

/* The escape at r->p, as a code point; -1: not valid. */
static int32_t escape(struct ec_scan *r)
{
    const char *p = r->p + 1;
    int high, low;

    if (p == r->end)
        return -1;
    r->p += 2;
    switch (*p) {
    case '"':
    case '\\':
    case '/':
        return *p;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'u':
        break;
    default:
        r->p -= 2;
        return -1;
    }
    if (r->end - r->p < 4 || (high = hex4(r->p)) < 0)
        return -1;
    if (high < 0xd800 || high > 0xdfff) {
        r->p += 4;
        return high;
    }
    if (high > 0xdbff || r->end - r->p < 10 || r->p[4] != '\\' || r->p[5] != 'u' || (low = hex4(r->p + 6)) < 0xdc00 || low > 0xdfff)
        return -1; /* half a surrogate pair */
    r->p += 10;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static char *put_utf8(char *at, int32_t c)
{
    if (c < 0x80) {
        *at++ = (char)c;
    } else if (c < 0x800) {
        *at++ = (char)(0xc0 | c >> 6);
        *at++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *at++ = (char)(0xe0 | c >> 12);
        *at++ = (char)(0x80 | (c >> 6 & 0x3f));
        *at++ = (char)(0x80 | (c & 0x3f));
    } else {
        *at++ = (char)(0xf0 | c >> 18);
        *at++ = (char)(0x80 | (c >> 12 & 0x3f));
        *at++ = (char)(0x80 | (c >> 6 & 0x3f));
        *at++ = (char)(0x80 | (c & 0x3f));
    }
    return at;
}

/* Advances over what stands for itself; at `"`, `\` or the end, or it is an error. */
static enum ec_json_status plain(struct ec_scan *r)
{
    for (;;) {
        const char *p = r->p;
        unsigned char c;
        size_t n;

        while (r->end - p >= 32 && !ec_special32(p))
            p += 32;
        r->p = p;
        while (r->end - r->p >= 8) {
            uint64_t special = ec_special8(r->p);

            if (special) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
                r->p += __builtin_ctzll(special) / 8;
#endif
                break;
            }
            r->p += 8;
        }
        if (r->p == r->end)
            return ec_scan_unexpected(r);
        c = (unsigned char)*r->p;
        if (c == '"' || c == '\\')
            return EC_JSON_OK;
        if (c < 0x20)
            return ec_scan_malformed(r, "control character in a string");
        n = ec_utf8_sequence((const unsigned char *)r->p, (const unsigned char *)r->end);
        if (n == 0)
            return ec_scan_malformed(r, "not UTF-8");
        r->p += n;
    }
}

/* The string at r->p, which is at its quote. */
enum ec_json_status ec_scan_string(struct ec_scan *r, struct ec_str *out)
{
    enum ec_json_status status;
    const char *start = ++r->p;
    const char *close;
    char *text, *at;
    bool nul = false;

    status = plain(r);
    if (status)
        return status;
    if (*r->p == '"') {
        *out = (struct ec_str){start, (size_t)(r->p - start)};
        r->p++;
        return EC_JSON_OK;
    }
    /* Decoded text is never longer than its escapes: find the end for a bound. */
    for (close = r->p; close < r->end && *close != '"'; close++)
        if (*close == '\\')
            close++;
    if (close >= r->end) {
        r->p = r->end;
        return ec_scan_unexpected(r);
    }
    at = text = ec_arena_alloc(r->arena, (size_t)(close - start) + 1);
    for (;;) {
        memcpy(at, start, (size_t)(r->p - start));
        at += r->p - start;
        if (*r->p == '"')
            break;
        while (r->p < r->end && *r->p == '\\') {
            int32_t c = escape(r);

            if (c < 0)
                return ec_scan_malformed(r, "escape that is not valid");
            nul |= c == 0;
            at = put_utf8(at, c);
        }
        start = r->p;
        status = plain(r);
        if (status)
            return status;
    }
    r->p++;
    *out = (struct ec_str){text, (size_t)(at - text)};
    return nul ? ec_scan_wrong(r, "must not contain NUL") : EC_JSON_OK;
}

/* ------------------------------------------------------------------ what no table describes */

void ec_scan_push_name(struct ec_scan *r, struct ec_str name)
{
    if (r->nnames == r->cap_names) {
        r->cap_names = r->cap_names ? 2 * r->cap_names : 32;
        r->names = realloc(r->names, r->cap_names * sizeof(*r->names));
        if (!r->names)
            abort();
    }
    r->names[r->nnames++] = name;
}

static int by_length_and_bytes(const void *a, const void *b)
{
    const struct ec_str *x = a, *y = b;

    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    return memcmp(x->p, y->p, x->n);
}

/* Takes the names from `base` on off the stack. */
enum ec_json_status ec_scan_pop_names(struct ec_scan *r, size_t base)
{
    struct ec_str *names = r->names + base;
    size_t n = r->nnames - base, i, k;
    bool twice = false;

    r->nnames = base;
    if (n > 8) {
        qsort(names, n, sizeof(*names), by_length_and_bytes);
        for (i = 1; i < n && !twice; i++)
            twice = by_length_and_bytes(&names[i - 1], &names[i]) == 0;
    } else {
        for (i = 1; i < n && !twice; i++)
            for (k = 0; k < i && !twice; k++)
                twice = by_length_and_bytes(&names[i], &names[k]) == 0;
    }
    return twice ? ec_scan_malformed(r, "a member stands twice in the object that ends") : EC_JSON_OK;
}

/* The name at r->p and its colon. */
enum ec_json_status ec_scan_member_name(struct ec_scan *r, struct ec_str *name)
{
    enum ec_json_status status;

    ec_scan_white(r);
    if (r->p == r->end || *r->p != '"')
        return ec_scan_unexpected(r);
    status = ec_scan_string(r, name);
    if (status)
        return status;
    ec_scan_white(r);
    if (r->p == r->end || *r->p != ':')
        return ec_scan_unexpected(r);
    r->p++;
    ec_scan_white(r);
    return EC_JSON_OK;
}

/* After a value: true at a comma (taken), false at the end (taken); anything else is an error in *status. */
bool ec_scan_another(struct ec_scan *r, char close, enum ec_json_status *status)
{
    *status = EC_JSON_OK;
    ec_scan_white(r);
    if (r->p < r->end && *r->p == ',') {
        r->p++;
        ec_scan_white(r);
        return true;
    }
    if (r->p < r->end && *r->p == close) {
        r->p++;
        r->depth--;
    } else {
        *status = ec_scan_unexpected(r);
    }
    return false;
}

static enum ec_json_status skip_object(struct ec_scan *r)
{
    enum ec_json_status status = ec_scan_enter(r);
    size_t base = r->nnames;
    struct ec_str name;

    if (status)
        return status;
    ec_scan_white(r);
    if (r->p < r->end && *r->p == '}') {
        r->p++;
        r->depth--;
        return EC_JSON_OK;
    }
    do {
        status = ec_scan_member_name(r, &name);
        if (status)
            return status;
        ec_scan_push_name(r, name);
        status = ec_scan_skip(r);
        if (status)
            return status;
    } while (ec_scan_another(r, '}', &status));
    return status ? status : ec_scan_pop_names(r, base);
}

static enum ec_json_status skip_array(struct ec_scan *r)
{
    enum ec_json_status status = ec_scan_enter(r);

    if (status)
        return status;
    ec_scan_white(r);
    if (r->p < r->end && *r->p == ']') {
        r->p++;
        r->depth--;
        return EC_JSON_OK;
    }
    do {
        status = ec_scan_skip(r);
        if (status)
            return status;
    } while (ec_scan_another(r, ']', &status));
    return status;
}

enum ec_json_status ec_scan_skip(struct ec_scan *r)
{
    struct ec_str text;
    size_t n;
    bool whole;

    if (r->p == r->end)
        return ec_scan_unexpected(r);
    switch (*r->p) {
    case '{':
        return skip_object(r);
    case '[':
        return skip_array(r);
    case '"':
        return ec_scan_string(r, &text);
    case 't':
        return ec_scan_literal(r, "true", 4) ? EC_JSON_OK : ec_scan_unexpected(r);
    case 'f':
        return ec_scan_literal(r, "false", 5) ? EC_JSON_OK : ec_scan_unexpected(r);
    case 'n':
        return ec_scan_literal(r, "null", 4) ? EC_JSON_OK : ec_scan_unexpected(r);
    default:
        n = ec_number_length(r->p, r->end, &whole);
        if (n == 0)
            return ec_scan_unexpected(r);
        r->p += n;
        return EC_JSON_OK;
    }
}
