/* Writing JSON: a struct and its table to bytes.
 *
 * Absent optional fields are left out, or null with EC_NULL. A field that was renamed stands there under both names, so that a reader of
 * either version finds it. What is written is always valid: bytes that are not UTF-8 become U+FFFD, numbers that JSON does
 * not have become null. A document of kind json was checked when it was read and is written as it is.
 */
#include <math.h>
#include <string.h>

#include "scalar.h"

/* 1: needs an escape. 2: not ASCII. */
static const unsigned char special[256] = {
    [0 ... 31] = 1, ['"'] = 1, ['\\'] = 1, [128 ... 255] = 2,
};

static inline char *room(struct ec_buf *buf, size_t n)
{
    return buf->cap - buf->n >= n ? buf->p + buf->n : ec_buf_reserve(buf, n);
}

/* For a few bytes, of which the compiler knows how many. */
static inline void put(struct ec_buf *buf, const char *bytes, size_t n)
{
    memcpy(room(buf, n), bytes, n);
    buf->n += n;
}

static void write_escape(struct ec_buf *buf, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    char text[6] = "\\u00";

    switch (c) {
    case '"':
        put(buf, "\\\"", 2);
        return;
    case '\\':
        put(buf, "\\\\", 2);
        return;
    case '\n':
        put(buf, "\\n", 2);
        return;
    case '\r':
        put(buf, "\\r", 2);
        return;
    case '\t':
        put(buf, "\\t", 2);
        return;
    default:
        text[4] = digits[c >> 4];
        text[5] = digits[c & 15];
        ec_buf_add(buf, text, 6);
    }
}

/* Length of what can be copied as it is: ASCII without escapes, and valid UTF-8. */
static size_t plain_length(const unsigned char *p, const unsigned char *end)
{
    const unsigned char *start = p;

    while (p < end) {
        if (!special[*p]) {
            p++;
        } else if (special[*p] == 2) {
            size_t n = ec_utf8_sequence(p, end);

            if (n == 0)
                break;
            p += n;
        } else {
            break;
        }
    }
    return (size_t)(p - start);
}

/* The rest of a text, from the first byte that needs more than copying. */
static void write_escaped(struct ec_buf *buf, const unsigned char *p, const unsigned char *end)
{
    while (p < end) {
        size_t n = plain_length(p, end);

        ec_buf_add(buf, p, n);
        p += n;
        if (p == end)
            break;
        if (*p < 0x80)
            write_escape(buf, *p);
        else
            put(buf, "\xef\xbf\xbd", 3);
        p++;
    }
    put(buf, "\"", 1);
}

void ec_json_write_text(struct ec_buf *buf, struct ec_str text)
{
    const char *p = ec_present(text).p, *end = p + text.n;
    char *at = room(buf, text.n + 2);

    *at++ = '"';
    for (; end - p >= 32 && !ec_special32(p); at += 32, p += 32)
        memcpy(at, p, 32);
    while (end - p >= 8 && !ec_special8(p)) {
        memcpy(at, p, 8);
        at += 8;
        p += 8;
    }
    while (p < end && !special[(unsigned char)*p])
        *at++ = *p++;
    if (p == end)
        *at++ = '"';
    buf->n = (size_t)(at - buf->p);
    if (p < end)
        write_escaped(buf, (const unsigned char *)p, (const unsigned char *)end);
}

size_t ec_item_size(const struct ec_field *field)
{
    switch (field->kind) {
    case EC_TEXT:
    case EC_SECRET:
    case EC_EMAIL:
    case EC_JSON:
        return sizeof(struct ec_str);
    case EC_INT:
    case EC_TIME:
        return sizeof(int64_t);
    case EC_FLOAT:
        return sizeof(double);
    case EC_BOOL:
        return sizeof(bool);
    case EC_UUID:
        return sizeof(struct ec_uuid);
    case EC_ENUM:
        return sizeof(int);
    case EC_RECORD:
        return ((const struct ec_record *)field->of)->size;
    }
    return 0;
}

static void write_record(struct ec_buf *buf, const struct ec_record *record, const void *value, unsigned flags);

static void write_item(struct ec_buf *buf, const struct ec_field *field, const void *value, unsigned flags)
{
    const struct ec_enum *of;
    const struct ec_str *text;
    char *at;
    int index;

    switch (field->kind) {
    case EC_TEXT:
    case EC_SECRET:
    case EC_EMAIL:
        ec_json_write_text(buf, field->kind == EC_SECRET && flags & EC_JSON_HIDE ? EC_STR("***") : *(const struct ec_str *)value);
        break;
    case EC_JSON:
        text = value;
        if (text->p)
            ec_buf_add(buf, text->p, text->n);
        else
            put(buf, "null", 4);
        break;
    case EC_INT:
        at = room(buf, 24);
        buf->n += ec_int_format(*(const int64_t *)value, at);
        break;
    case EC_TIME:
        at = room(buf, 42);
        at[0] = '"';
        buf->n += ec_time_format(*(const int64_t *)value, at + 1) + 2;
        buf->p[buf->n - 1] = '"';
        break;
    case EC_FLOAT:
        at = room(buf, 32);
        if (isfinite(*(const double *)value))
            buf->n += ec_float_format(*(const double *)value, at);
        else
            put(buf, "null", 4);
        break;
    case EC_BOOL:
        if (*(const bool *)value)
            put(buf, "true", 4);
        else
            put(buf, "false", 5);
        break;
    case EC_UUID:
        at = room(buf, 40);
        at[0] = '"';
        ec_uuid_format(*(const struct ec_uuid *)value, at + 1);
        at[37] = '"';
        buf->n += 38;
        break;
    case EC_ENUM:
        of = field->of;
        index = *(const int *)value;
        if (index >= 0 && index < of->n)
            ec_json_write_text(buf, (struct ec_str){of->values[index], strlen(of->values[index])});
        else
            put(buf, "null", 4);
        break;
    case EC_RECORD:
        write_record(buf, field->of, value, flags);
        break;
    }
}

static void write_list(struct ec_buf *buf, const struct ec_field *field, const struct ec_list *list, unsigned flags)
{
    size_t size = ec_item_size(field), i;

    put(buf, "[", 1);
    for (i = 0; i < list->n; i++) {
        if (i)
            put(buf, ",", 1);
        write_item(buf, field, (const char *)list->v + i * size, flags);
    }
    put(buf, "]", 1);
}

/* Where the value is, or NULL for an optional one that is absent. */
const void *ec_field_present(const struct ec_field *field, const void *value)
{
    const void *pointer;

    if (!(field->flags & EC_OPTIONAL))
        return value;
    if (field->flags & EC_LIST)
        return ((const struct ec_list *)value)->v ? value : NULL;
    if (field->kind <= EC_JSON)
        return ((const struct ec_str *)value)->p ? value : NULL;
    memcpy(&pointer, value, sizeof(pointer));
    return pointer;
}

static void write_present(struct ec_buf *buf, const struct ec_field *field, const void *value, unsigned flags)
{
    if (field->flags & EC_LIST)
        write_list(buf, field, value, flags);
    else
        write_item(buf, field, value, flags);
}

void ec_json_write_field(struct ec_buf *buf, const struct ec_field *field, const void *value)
{
    value = ec_field_present(field, value);
    if (value)
        write_present(buf, field, value, 0);
    else
        put(buf, "null", 4);
}

static void write_member(struct ec_buf *buf, const char *separator, const char *name, const struct ec_field *field, const void *at,
                         unsigned flags)
{
    put(buf, separator, 1);
    ec_json_write_text(buf, (struct ec_str){name, strlen(name)});
    put(buf, ":", 1);
    if (at)
        write_present(buf, field, at, flags);
    else
        put(buf, "null", 4);
}

static void write_record(struct ec_buf *buf, const struct ec_record *record, const void *value, unsigned flags)
{
    const char *separator = "{";
    size_t i;

    for (i = 0; i < record->nfields; i++) {
        const struct ec_field *field = &record->fields[i];
        const void *at = ec_field_present(field, (const char *)value + field->offset);

        if (!at && !(field->flags & EC_NULL))
            continue;
        write_member(buf, separator, field->name, field, at, flags);
        separator = ",";
        if (field->was && !(flags & EC_JSON_NEW_NAMES))
            write_member(buf, separator, field->was, field, at, flags);
    }
    if (*separator == '{')
        put(buf, "{", 1);
    put(buf, "}", 1);
}

void ec_json_write(struct ec_buf *buf, const struct ec_record *record, const void *value)
{
    write_record(buf, record, value, 0);
}

void ec_json_write_with(struct ec_buf *buf, const struct ec_record *record, const void *value, unsigned flags)
{
    write_record(buf, record, value, flags);
}
