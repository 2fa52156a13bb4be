/* What the readers of JSON, forms and scalars share. Not for other modules: json.h is. */
#ifndef EC_SCALAR_H
#define EC_SCALAR_H

#include <string.h>

#include "json.h"

/* An absent text is read as an empty one: arithmetic on NULL is not defined. */
static inline struct ec_str ec_present(struct ec_str text)
{
    return text.p ? text : (struct ec_str){"", 0};
}

size_t ec_utf8_sequence(const unsigned char *p, const unsigned char *end); /* bytes of the sequence at p < end; 0: not valid */
size_t ec_number_length(const char *p, const char *end, bool *whole);      /* of the JSON number at p; 0: there is none */

/* True for each of eight bytes that is `"`, `\`, a control character or not ASCII, in the byte's high bit: bytes before the first true
 * one are plain, which is all that is asked. */
static inline uint64_t ec_special8(const char *p)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    uint64_t v, quote, backslash;

    memcpy(&v, p, 8);
    quote = v ^ ones * '"';
    backslash = v ^ ones * '\\';
    return ((quote - ones) | (backslash - ones) | (v - ones * 0x20) | v) & high;
}

/* Whether one of 32 bytes is such: as signed numbers, control characters and what is not ASCII are those below a space. Vectors are GCC's
 * and clang's, in whatever registers the machine has. */
static inline bool ec_special32(const char *p)
{
    signed char a __attribute__((vector_size(16))), b __attribute__((vector_size(16)));
    uint64_t any[2];

    memcpy(&a, p, 16);
    memcpy(&b, p + 16, 16);
    a = (a < ' ') | (a == '"') | (a == '\\') | (b < ' ') | (b == '"') | (b == '\\');
    memcpy(any, &a, 16);
    return (any[0] | any[1]) != 0;
}

/* What is wrong with a value by its field's rules, as a message (static or in out), or NULL. A text is UTF-8. */
const char *ec_field_text_wrong(const struct ec_field *field, struct ec_str text, char out[160]);
const char *ec_field_int_wrong(const struct ec_field *field, int64_t value, char out[160]);
const char *ec_enum_wrong(const struct ec_enum *of, char out[160]);
int ec_enum_index(const struct ec_enum *of, struct ec_str text); /* -1: none */

/* Where the value goes: out itself, or for an optional field new memory to which out then points. */
void *ec_field_place(struct ec_arena *arena, const struct ec_field *field, void *out, size_t size);

enum ec_json_status ec_field_wrong(struct ec_json_error *error, const struct ec_field *field, enum ec_json_status status,
                                   const char *message); /* fills in error, returns status */

size_t ec_item_size(const struct ec_field *field); /* of one item of the field's kind, in memory */
/* The value, for a field at `value`; NULL for an optional one that is absent. */
const void *ec_field_present(const struct ec_field *field, const void *value);

#endif
