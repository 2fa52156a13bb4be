/* Scalars and their text: numbers, uuids, times, email, UTF-8; reading one from text that is not JSON.
 *
 * Readers are exact: what is left over, out of range or not in the one form is refused, so that two parts of a system can't understand
 * the same bytes differently. Nothing here depends on the locale. Text read by ec_scalar_read is copied into the arena: a row of a result
 * or a header need not outlive the call.
 */
#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scalar.h"

/* ------------------------------------------------------------------ UTF-8 */

size_t ec_utf8_sequence(const unsigned char *p, const unsigned char *end)
{
    size_t n, i;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if ((size_t)(end - p) < n)
        return 0;
    /* Overlong forms, surrogates and what is beyond U+10FFFF show in the second byte. */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    for (i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool ec_utf8_valid(struct ec_str text)
{
    const unsigned char *p = (const unsigned char *)ec_present(text).p, *end = p + text.n;

    while (p < end) {
        size_t n = *p < 0x80 ? 1 : ec_utf8_sequence(p, end);

        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

/* ------------------------------------------------------------------ numbers */

bool ec_int_parse(struct ec_str text, int64_t *out)
{
    const char *p = ec_present(text).p, *end = p + text.n;
    bool minus = p < end && *p == '-';
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + minus;

    p += minus;
    if (p == end || (*p == '0' && end - p > 1))
        return false;
    for (; p < end; p++) {
        unsigned digit = (unsigned)(*p - '0');

        if (digit > 9 || value > (limit - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = minus ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

/* `digits` of the number, without its point, times ten to the `exponent`. */
static bool shifted(struct ec_str digits, int64_t exponent, bool minus, int64_t *out)
{
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + minus;
    int64_t kept = (int64_t)digits.n - (memchr(digits.p, '.', digits.n) != NULL) + (exponent < 0 ? exponent : 0), i = 0;

    for (const char *p = digits.p; p < digits.p + digits.n; p++) {
        unsigned digit = (unsigned)(*p - '0');

        if (*p == '.')
            continue;
        if (i++ >= kept ? digit != 0 : value > (limit - digit) / 10)
            return false;
        value = i <= kept ? value * 10 + digit : value;
    }
    for (; exponent > 0 && value > 0; exponent--) {
        if (value > limit / 10)
            return false;
        value *= 10;
    }
    *out = minus ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool ec_whole_parse(struct ec_str text, int64_t *out)
{
    const char *p = text.p, *end = p + text.n, *point, *e = NULL;
    int64_t exponent = 0, limit = 1 << 30;
    bool minus, whole;

    if (ec_int_parse(text, out))
        return true;
    if (text.n == 0 || ec_number_length(p, end, &whole) != text.n || whole)
        return false;
    minus = *p == '-';
    p += minus;
    for (e = p; e < end && (*e | 0x20) != 'e'; e++)
        ;
    for (const char *at = e + 1; at < end; at++) /* of a value that is not 0, a larger one would be out of range anyway */
        exponent = *at >= '0' && *at <= '9' && exponent < limit ? exponent * 10 + (*at - '0') : exponent;
    if (e + 1 < end && e[1] == '-')
        exponent = -exponent;
    point = memchr(p, '.', (size_t)(e - p));
    if (point)
        exponent -= e - point - 1;
    return shifted((struct ec_str){p, (size_t)(e - p)}, exponent, minus, out);
}

size_t ec_int_format(int64_t value, char out[24])
{
    char digits[20], *at = digits + sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    size_t n;

    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    n = (size_t)(digits + sizeof(digits) - at);
    if (value < 0)
        *out++ = '-';
    memcpy(out, at, n);
    out[n] = 0;
    return n + (value < 0);
}

void ec_buf_int(struct ec_buf *buf, const char *before, int64_t value, const char *after)
{
    ec_buf_str(buf, before);
    buf->n += ec_int_format(value, ec_buf_reserve(buf, 24));
    ec_buf_str(buf, after);
}

size_t ec_number_length(const char *p, const char *end, bool *whole)
{
    const char *start = p;

    *whole = true;
    p += p < end && *p == '-';
    if (p == end || *p < '0' || *p > '9')
        return 0;
    if (*p == '0')
        p++;
    else
        while (p < end && *p >= '0' && *p <= '9')
            p++;
    if (p < end && *p == '.') {
        *whole = false;
        p++;
        if (p == end || *p < '0' || *p > '9')
            return 0;
        while (p < end && *p >= '0' && *p <= '9')
            p++;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        *whole = false;
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        if (p == end || *p < '0' || *p > '9')
            return 0;
        while (p < end && *p >= '0' && *p <= '9')
            p++;
    }
    return (size_t)(p - start);
}

bool ec_float_parse(struct ec_str text, double *out)
{
    char copy[400];
    bool whole;
    double value;

    if (text.n == 0 || ec_number_length(text.p, text.p + text.n, &whole) != text.n)
        return false;
    if (text.n >= sizeof(copy)) /* no double needs so many digits to be told from its neighbours */
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    value = strtod(copy, NULL);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

size_t ec_float_format(double value, char out[32])
{
    int digits;

    if (!isfinite(value))
        return (size_t)snprintf(out, 32, "%s", isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
    if (fabs(value) < 1e15 && value == (double)(int64_t)value && !(value == 0 && signbit(value))) /* floor() would need libm */
        return ec_int_format((int64_t)value, out);
    for (digits = 15; digits < 17; digits++) {
        int n = snprintf(out, 32, "%.*g", digits, value);

        if (strtod(out, NULL) == value)
            return (size_t)n;
    }
    return (size_t)snprintf(out, 32, "%.17g", value);
}

/* ------------------------------------------------------------------ uuid */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool ec_uuid_parse(struct ec_str text, struct ec_uuid *out)
{
    const char *p = text.p;
    struct ec_uuid uuid;
    int i;

    if (text.n != 36)
        return false;
    for (i = 0; i < 16; i++) {
        int high, low;

        if ((i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
            return false;
        high = hex_digit(*p++);
        low = hex_digit(*p++);
        if (high < 0 || low < 0)
            return false;
        uuid.b[i] = (uint8_t)(high << 4 | low);
    }
    *out = uuid;
    return true;
}

void ec_uuid_format(struct ec_uuid uuid, char out[37])
{
    static const char digits[] = "0123456789abcdef";
    int i;

    for (i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[uuid.b[i] >> 4];
        *out++ = digits[uuid.b[i] & 15];
    }
    *out = 0;
}

/* ------------------------------------------------------------------ time */

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar, and back: eras of 400 years that begin in March. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t era, year_of_era, day_of_year;

    year -= month <= 2;
    era = (year >= 0 ? year : year - 399) / 400;
    year_of_era = year - era * 400;
    day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t era, day_of_era, year_of_era, day_of_year, shifted;

    days += 719468;
    era = (days >= 0 ? days : days - 146096) / 146097;
    day_of_era = days - era * 146097;
    year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    shifted = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

/* n digits at p, or -1. */
static int digits_at(const char *p, const char *end, int n)
{
    int value = 0;

    if (end - p < n)
        return -1;
    while (n--) {
        if (*p < '0' || *p > '9')
            return -1;
        value = value * 10 + (*p++ - '0');
    }
    return value;
}

static int days_in(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0));
}

/* +hh:mm, and PostgreSQL's +hh; minutes, or false. */
static bool offset_at(const char *p, const char *end, int *minutes)
{
    int hour, minute = 0;

    if (p == end || (*p != '+' && *p != '-'))
        return false;
    hour = digits_at(p + 1, end, 2);
    if (hour < 0 || hour > 23)
        return false;
    if (end - p == 6 && p[3] == ':')
        minute = digits_at(p + 4, end, 2);
    else if (end - p != 3)
        return false;
    if (minute < 0 || minute > 59)
        return false;
    *minutes = (*p == '-' ? -1 : 1) * (hour * 60 + minute);
    return true;
}

bool ec_time_parse(struct ec_str text, int64_t *out)
{
    const char *p = ec_present(text).p, *end = p + text.n;
    int year, month, day, hour, minute, second, offset = 0;
    int64_t micros = 0, scale = 100000;

    if (text.n < 20)
        return false;
    year = digits_at(p, end, 4);
    month = digits_at(p + 5, end, 2);
    day = digits_at(p + 8, end, 2);
    hour = digits_at(p + 11, end, 2);
    minute = digits_at(p + 14, end, 2);
    second = digits_at(p + 17, end, 2);
    if (year < 0 || p[4] != '-' || month < 1 || month > 12 || p[7] != '-' || day < 1 || (p[10] != 'T' && p[10] != 't' && p[10] != ' ') ||
        hour < 0 || hour > 23 || p[13] != ':' || minute < 0 || minute > 59 || p[16] != ':' || second < 0 || second > 60)
        return false;
    if (day > days_in(year, month))
        return false;
    p += 19;
    if (*p == '.') {
        if (++p == end || *p < '0' || *p > '9')
            return false;
        for (; p < end && *p >= '0' && *p <= '9'; p++) { /* beyond microseconds: cut off */
            micros += (*p - '0') * scale;
            scale /= 10;
        }
    }
    if (!(end - p == 1 && (*p == 'Z' || *p == 'z')) && !offset_at(p, end, &offset))
        return false;
    *out = (days_of(year, month, day) * 86400 + hour * 3600 + (minute - offset) * 60 + second) * 1000000 + micros;
    return true;
}

static char *put_digits(char *at, int64_t value, int n)
{
    int i;

    for (i = n - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + n;
}

size_t ec_time_format(int64_t time, char out[40])
{
    int64_t days = time / 86400000000, rest = time % 86400000000, year;
    int month, day;
    char *at = out;

    if (rest < 0) {
        rest += 86400000000;
        days--;
    }
    date_of(days, &year, &month, &day);
    if (year < 0 || year > 9999) {
        at += sprintf(at, "%04lld", (long long)year);
    } else {
        at = put_digits(at, year, 4);
    }
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, day, 2);
    *at++ = 'T';
    at = put_digits(at, rest / 3600000000, 2);
    *at++ = ':';
    at = put_digits(at, rest / 60000000 % 60, 2);
    *at++ = ':';
    at = put_digits(at, rest / 1000000 % 60, 2);
    *at++ = '.';
    at = put_digits(at, rest % 1000000, 6);
    *at++ = 'Z';
    *at = 0;
    return (size_t)(at - out);
}

/* ------------------------------------------------------------------ email */

/* A dot-atom and a domain: what mail systems in use accept, not all of RFC 5321 (no quotes, no literals), ASCII only. */
bool ec_email_valid(struct ec_str text)
{
    static const char atext[] = "!#$%&'*+/=?^_`{|}~-";
    const char *at, *p, *end = ec_present(text).p + text.n;
    size_t label = 0;

    if (text.n < 3 || text.n > 254)
        return false;
    at = memchr(text.p, '@', text.n);
    if (!at || at == text.p || at - text.p > 64 || end - at < 2 || end - at > 254)
        return false;
    for (p = text.p; p < at; p++) {
        bool alnum = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');

        if (*p == '.' ? p == text.p || p + 1 == at || p[1] == '.' : !alnum && (*p == 0 || !strchr(atext, *p)))
            return false;
    }
    for (p = at + 1; p < end; p++) {
        bool alnum = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');

        if (*p == '.') {
            if (label == 0 || p[-1] == '-')
                return false;
            label = 0;
        } else if ((!alnum && (*p != '-' || label == 0)) || ++label > 63) {
            return false;
        }
    }
    return label > 0 && end[-1] != '-';
}

/* ------------------------------------------------------------------ fields */

enum ec_json_status ec_field_wrong(struct ec_json_error *error, const struct ec_field *field, enum ec_json_status status,
                                   const char *message)
{
    if (error) {
        snprintf(error->path, sizeof(error->path), "%s", field->name ? field->name : "");
        snprintf(error->message, sizeof(error->message), "%s", message);
    }
    return status;
}

const char *ec_field_text_wrong(const struct ec_field *field, struct ec_str text, char out[160])
{
    int64_t n;

    if (field->kind == EC_EMAIL && !ec_email_valid(text))
        return "must be an email address";
    if (!(field->flags & EC_BOUNDED))
        return NULL;
    /* A character has one to four bytes: most texts need not be counted. */
    if ((field->max == INT64_MAX || (int64_t)text.n <= field->max) && field->min <= (int64_t)(text.n / 4))
        return NULL;
    n = ec_text_length(text);
    if (n >= field->min && n <= field->max)
        return NULL;
    if (field->max == INT64_MAX)
        snprintf(out, 160, "must have at least %lld character%s", (long long)field->min, field->min == 1 ? "" : "s");
    else if (field->min <= 0)
        snprintf(out, 160, "must have at most %lld characters", (long long)field->max);
    else
        snprintf(out, 160, "must have %lld to %lld characters", (long long)field->min, (long long)field->max);
    return out;
}

const char *ec_field_int_wrong(const struct ec_field *field, int64_t value, char out[160])
{
    if (!(field->flags & EC_BOUNDED) || (value >= field->min && value <= field->max))
        return NULL;
    if (field->max == INT64_MAX)
        snprintf(out, 160, "must be at least %lld", (long long)field->min);
    else if (field->min == INT64_MIN)
        snprintf(out, 160, "must be at most %lld", (long long)field->max);
    else
        snprintf(out, 160, "must be between %lld and %lld", (long long)field->min, (long long)field->max);
    return out;
}

int ec_enum_index(const struct ec_enum *of, struct ec_str text)
{
    int i;

    for (i = 0; i < of->n; i++)
        if (strlen(of->values[i]) == text.n && memcmp(of->values[i], text.p, text.n) == 0)
            return i;
    return -1;
}

const char *ec_enum_wrong(const struct ec_enum *of, char out[160])
{
    size_t at = (size_t)snprintf(out, 160, "must be one of");
    int i;

    for (i = 0; i < of->n && at < 150; i++)
        at += (size_t)snprintf(out + at, 160 - at, " %s", of->values[i]);
    return out;
}

void *ec_field_place(struct ec_arena *arena, const struct ec_field *field, void *out, size_t size)
{
    void *value;

    if (!(field->flags & EC_OPTIONAL))
        return out;
    value = ec_arena_alloc(arena, size);
    memcpy(out, &value, sizeof(value));
    return value;
}

enum ec_json_status ec_scalar_read(struct ec_arena *arena, struct ec_str text, const struct ec_field *field, void *out,
                                   struct ec_json_error *error)
{
    const char *wrong = NULL;
    char message[160];
    int64_t i;
    double f;
    int index;
    struct ec_uuid uuid;
    bool yes;

    text = ec_present(text);
    if ((field->flags & EC_LIST) || field->kind == EC_RECORD || field->kind == EC_JSON)
        return ec_json_read_field(arena, ec_arena_copy(arena, text), field, out, 0, error);
    switch (field->kind) {
    case EC_TEXT:
    case EC_SECRET:
    case EC_EMAIL:
        if (!ec_utf8_valid(text))
            return ec_field_wrong(error, field, EC_JSON_MALFORMED, "is not UTF-8");
        if (text.n && memchr(text.p, 0, text.n))
            return ec_field_wrong(error, field, EC_JSON_INVALID, "must not contain NUL");
        wrong = ec_field_text_wrong(field, text, message);
        if (!wrong)
            *(struct ec_str *)out = ec_arena_copy(arena, text);
        break;
    case EC_INT:
        if (!ec_int_parse(text, &i))
            wrong = "must be a whole number";
        else if (!(wrong = ec_field_int_wrong(field, i, message)))
            *(int64_t *)ec_field_place(arena, field, out, sizeof(i)) = i;
        break;
    case EC_FLOAT:
        if (!ec_float_parse(text, &f))
            wrong = "must be a number";
        else
            *(double *)ec_field_place(arena, field, out, sizeof(f)) = f;
        break;
    case EC_BOOL: /* t and f are PostgreSQL's */
        yes = ec_str_eq(text, EC_STR("true")) || ec_str_eq(text, EC_STR("t"));
        if (!yes && !ec_str_eq(text, EC_STR("false")) && !ec_str_eq(text, EC_STR("f")))
            wrong = "must be true or false";
        else
            *(bool *)ec_field_place(arena, field, out, sizeof(yes)) = yes;
        break;
    case EC_UUID:
        if (!ec_uuid_parse(text, &uuid))
            wrong = "must be a uuid";
        else
            *(struct ec_uuid *)ec_field_place(arena, field, out, sizeof(uuid)) = uuid;
        break;
    case EC_TIME:
        if (!ec_time_parse(text, &i))
            wrong = "must be a time such as 2030-01-31T12:00:00Z";
        else
            *(int64_t *)ec_field_place(arena, field, out, sizeof(i)) = i;
        break;
    case EC_ENUM:
        index = ec_enum_index(field->of, text);
        if (index < 0)
            wrong = ec_enum_wrong(field->of, message);
        else
            *(int *)ec_field_place(arena, field, out, sizeof(index)) = index;
        break;
    case EC_JSON:
    case EC_RECORD:
        break;
    }
    return wrong ? ec_field_wrong(error, field, EC_JSON_INVALID, wrong) : EC_JSON_OK;
}
