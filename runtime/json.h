/* JSON between bytes and structs, driven by ec_record tables: no tree in between.
 *
 * Reading is strict (RFC 8259): UTF-8 checked, no NUL, no duplicate members, depth at most 64, integers exact. Unknown members are an
 * error unless lenient. A field that was renamed is read under either name; where both are there, the present one counts. Text is decoded into the arena only when it has escapes; otherwise it points into the input, which must
 * outlive the struct.
 */
#ifndef EC_JSON_H
#define EC_JSON_H

#include "arena.h"

enum ec_json_status { EC_JSON_OK, EC_JSON_MALFORMED /* 400 */, EC_JSON_INVALID /* 422 */ };

struct ec_json_error {
    char path[128];    /* lines[2].qty */
    char message[160]; /* "must be between 1 and 1000" */
};

enum {
    EC_JSON_LENIENT = 1,   /* reading: members that are not known are passed over */
    EC_JSON_NEW_NAMES = 2, /* writing: a field that was renamed has its present name alone */
    EC_JSON_HIDE = 4,      /* writing: a secret is "***", for people */
};

enum ec_json_status ec_json_read(struct ec_arena *arena, struct ec_str text, const struct ec_record *record, void *out, unsigned flags,
                                 struct ec_json_error *error);
/* A single value that field describes (for a column of JSON, a list). out points at the value itself. */
enum ec_json_status ec_json_read_field(struct ec_arena *arena, struct ec_str text, const struct ec_field *field, void *out, unsigned flags,
                                       struct ec_json_error *error);
/* A scalar from text that is not JSON: path and query parameters, SQL columns, headers. */
enum ec_json_status ec_scalar_read(struct ec_arena *arena, struct ec_str text, const struct ec_field *field, void *out,
                                   struct ec_json_error *error);

/* Absent optional fields are left out, or null with EC_NULL. Secrets are written: a wire needs them; logs never take a record. */
void ec_json_write(struct ec_buf *buf, const struct ec_record *record, const void *value);
void ec_json_write_with(struct ec_buf *buf, const struct ec_record *record, const void *value, unsigned flags);
void ec_json_write_field(struct ec_buf *buf, const struct ec_field *field, const void *value);
void ec_json_write_text(struct ec_buf *buf, struct ec_str text); /* with quotes */

/* application/x-www-form-urlencoded, nested with brackets; also a query string. */
void ec_form_write(struct ec_buf *buf, const struct ec_record *record, const void *value);
enum ec_json_status ec_form_read(struct ec_arena *arena, struct ec_str text, const struct ec_record *record, void *out, unsigned flags,
                                 struct ec_json_error *error);
bool ec_percent_decode(struct ec_arena *arena, struct ec_str text, bool plus, struct ec_str *out); /* false: malformed or NUL */

/* Text forms: uuid 36 characters lower-case; time RFC 3339, UTC, microseconds. The readers take PostgreSQL's form as well. */
bool ec_uuid_parse(struct ec_str text, struct ec_uuid *out);
void ec_uuid_format(struct ec_uuid uuid, char out[37]);
bool ec_time_parse(struct ec_str text, int64_t *out);
size_t ec_time_format(int64_t time, char out[40]);
size_t ec_int_format(int64_t value, char out[24]);
/* A number between two texts, where each request passes: printf takes ten times as long. */
void ec_buf_int(struct ec_buf *buf, const char *before, int64_t value, const char *after);
size_t ec_float_format(double value, char out[32]); /* the shortest that reads back the same; NaN and infinities by name */
bool ec_float_parse(struct ec_str text, double *out); /* as in JSON; false also for what no double can hold */
bool ec_int_parse(struct ec_str text, int64_t *out);
bool ec_whole_parse(struct ec_str text, int64_t *out); /* the same of any JSON number without a fraction: 1.0 and 10e-1 are 1 (RFC 8259, 6) */
bool ec_utf8_valid(struct ec_str text);
bool ec_email_valid(struct ec_str text);

#endif
