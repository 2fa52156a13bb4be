/* Reading JSON: bytes to a struct by its table, in one pass and without a tree.
 *
 * Members usually come in the table's order, so the field after the last one is tried first; then all are. Known members that stand
 * twice are seen by a bit each. Paths of errors are put together only when there is one, from the inside out, as the calls return.
 *
 * When the first mistake is one of types, the rest of the text is still walked through: a text that is not JSON at all is said to be so.
 * The text must outlive the struct: text without escapes points into it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_scan.h"
#include "scalar.h"

static enum ec_json_status read_value(struct ec_scan *r, const struct ec_field *field, void *out);

/* Puts a member's name, or an index, before the path of an error that comes from inside. A path that is too long loses its end, and shows it. */
static void inside(struct ec_scan *r, const char *name, size_t index)
{
    static const char cut[] = "...";
    char before[sizeof(r->error->path)], *path = r->error->path;
    const char *dot;
    int n;

    memcpy(before, path, sizeof(before));
    dot = before[0] && before[0] != '[' ? "." : "";
    n = name ? snprintf(path, sizeof(before), "%s%s%s", name, dot, before) : snprintf(path, sizeof(before), "[%zu]%s%s", index, dot, before);
    if (n >= (int)sizeof(before))
        memcpy(path + sizeof(before) - sizeof(cut), cut, sizeof(cut));
}

/* ------------------------------------------------------------------ scalars */

/* What stands here is of another kind: says so, unless it is not JSON. */
static enum ec_json_status other_kind(struct ec_scan *r, const char *message)
{
    enum ec_json_status status = ec_scan_skip(r);

    return status == EC_JSON_MALFORMED ? status : ec_scan_wrong(r, message);
}

static enum ec_json_status read_text(struct ec_scan *r, const struct ec_field *field, struct ec_str *text, const char *must)
{
    enum ec_json_status status;
    char message[160];
    const char *why;

    if (*r->p != '"')
        return other_kind(r, must);
    status = ec_scan_string(r, text);
    if (status)
        return status;
    if (field->kind != EC_EMAIL && !(field->flags & EC_BOUNDED))
        return EC_JSON_OK;
    why = ec_field_text_wrong(field, *text, message);
    return why ? ec_scan_wrong(r, why) : EC_JSON_OK;
}

static enum ec_json_status read_int(struct ec_scan *r, const struct ec_field *field, void *out)
{
    bool whole;
    size_t n = ec_number_length(r->p, r->end, &whole);
    struct ec_str text = {r->p, n};
    char message[160];
    const char *why;
    int64_t value;

    if (n == 0)
        return other_kind(r, "must be a whole number");
    r->p += n;
    if (!ec_whole_parse(text, &value))
        return ec_scan_wrong(r, whole ? "does not fit 64 bits" : "must be a whole number");
    why = ec_field_int_wrong(field, value, message);
    if (why)
        return ec_scan_wrong(r, why);
    *(int64_t *)ec_field_place(r->arena, field, out, sizeof(value)) = value;
    return EC_JSON_OK;
}

static enum ec_json_status read_float(struct ec_scan *r, const struct ec_field *field, void *out)
{
    bool whole;
    size_t n = ec_number_length(r->p, r->end, &whole);
    double value;

    if (n == 0)
        return other_kind(r, "must be a number");
    if (!ec_float_parse((struct ec_str){r->p, n}, &value)) {
        r->p += n;
        return ec_scan_wrong(r, "is too large");
    }
    r->p += n;
    *(double *)ec_field_place(r->arena, field, out, sizeof(value)) = value;
    return EC_JSON_OK;
}

static enum ec_json_status read_bool(struct ec_scan *r, const struct ec_field *field, void *out)
{
    bool value = *r->p == 't';

    if (!ec_scan_literal(r, value ? "true" : "false", value ? 4 : 5))
        return other_kind(r, "must be true or false");
    *(bool *)ec_field_place(r->arena, field, out, sizeof(value)) = value;
    return EC_JSON_OK;
}

static enum ec_json_status read_uuid(struct ec_scan *r, const struct ec_field *field, void *out)
{
    enum ec_json_status status;
    struct ec_uuid value;
    struct ec_str text;

    if (*r->p != '"')
        return other_kind(r, "must be a uuid");
    status = ec_scan_string(r, &text);
    if (status)
        return status;
    if (!ec_uuid_parse(text, &value))
        return ec_scan_wrong(r, "must be a uuid");
    *(struct ec_uuid *)ec_field_place(r->arena, field, out, sizeof(value)) = value;
    return EC_JSON_OK;
}

static enum ec_json_status read_time(struct ec_scan *r, const struct ec_field *field, void *out)
{
    static const char must[] = "must be a time such as 2030-01-31T12:00:00Z";
    enum ec_json_status status;
    struct ec_str text;
    int64_t value;

    if (*r->p != '"')
        return other_kind(r, must);
    status = ec_scan_string(r, &text);
    if (status)
        return status;
    if (!ec_time_parse(text, &value))
        return ec_scan_wrong(r, must);
    *(int64_t *)ec_field_place(r->arena, field, out, sizeof(value)) = value;
    return EC_JSON_OK;
}

static enum ec_json_status read_enum(struct ec_scan *r, const struct ec_field *field, void *out)
{
    enum ec_json_status status;
    struct ec_str text;
    char message[160];
    int index;

    if (*r->p != '"')
        return other_kind(r, ec_enum_wrong(field->of, message));
    status = ec_scan_string(r, &text);
    if (status)
        return status;
    index = ec_enum_index(field->of, text);
    if (index < 0)
        return ec_scan_wrong(r, ec_enum_wrong(field->of, message));
    *(int *)ec_field_place(r->arena, field, out, sizeof(index)) = index;
    return EC_JSON_OK;
}

static enum ec_json_status read_document(struct ec_scan *r, struct ec_str *out)
{
    const char *start = r->p;
    enum ec_json_status status = ec_scan_skip(r);

    if (status == EC_JSON_OK)
        *out = (struct ec_str){start, (size_t)(r->p - start)};
    return status;
}

/* ------------------------------------------------------------------ records and lists */

static bool is_name(const char *wanted, struct ec_str name)
{
    /* A name has no NUL: where the wanted one ends early, strncmp sees it. */
    return wanted[0] == (name.n ? name.p[0] : 0) && strncmp(wanted, name.p, name.n) == 0 && wanted[name.n] == 0;
}

static size_t find_field(const struct ec_record *record, struct ec_str name, size_t expected, bool *old)
{
    size_t i;

    *old = false;
    if (expected < record->nfields && is_name(record->fields[expected].name, name))
        return expected;
    for (i = 0; i < record->nfields; i++)
        if (is_name(record->fields[i].name, name))
            return i;
    *old = true;
    for (i = 0; i < record->nfields; i++)
        if (record->fields[i].was && is_name(record->fields[i].was, name))
            return i;
    return SIZE_MAX;
}

/* Fields that have been met, a bit each: in `seen` under their name, in `old` under the one they had before. */
struct met { uint64_t *seen, *old; };

static bool has_bit(const uint64_t *bits, size_t i)
{
    return bits[i / 64] & (uint64_t)1 << i % 64;
}

static void set_bit(uint64_t *bits, size_t i)
{
    bits[i / 64] |= (uint64_t)1 << i % 64;
}

/* The usual case, without looking at the name as a string: the next field's own bytes, its quote and a colon stand here. Takes them. */
static bool takes_name(struct ec_scan *r, const struct ec_field *field)
{
    const char *p = r->p, *name = field->name;

    if (p == r->end || *p++ != '"')
        return false;
    while (p < r->end && *p == *name && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20) {
        p++;
        name++;
    }
    if (*name || r->end - p < 2 || p[0] != '"' || p[1] != ':')
        return false;
    r->p = p + 2;
    ec_scan_white(r);
    return true;
}

static void preset(const struct ec_record *record, void *out)
{
    if (record->preset)
        memcpy(out, record->preset, record->size);
    else if (record->size) /* out may be NULL: a record without fields */
        memset(out, 0, record->size);
}

static enum ec_json_status read_members(struct ec_scan *r, const struct ec_record *record, void *out, struct met met)
{
    size_t expected = 0, base = r->nnames, i;
    enum ec_json_status status;
    struct ec_str name;
    bool old;

    do {
        ec_scan_white(r);
        if (expected < record->nfields && takes_name(r, &record->fields[expected])) {
            i = expected;
            old = false;
        } else {
            status = ec_scan_member_name(r, &name);
            if (status)
                return status;
            i = find_field(record, name, expected, &old);
        }
        if (i == SIZE_MAX) {
            if (!(r->flags & EC_JSON_LENIENT)) {
                char key[64];

                snprintf(key, sizeof(key), "%.*s", (int)(name.n < 60 ? name.n : 60), name.p);
                status = other_kind(r, "is not known here");
                if (status == EC_JSON_INVALID)
                    r->error->path[0] = 0, inside(r, key, 0);
                return status;
            }
            ec_scan_push_name(r, name);
            status = ec_scan_skip(r);
            if (status)
                return status;
            continue;
        }
        if (has_bit(old ? met.old : met.seen, i))
            return ec_scan_malformed(r, "a member stands twice in one object");
        set_bit(old ? met.old : met.seen, i);
        if (old && has_bit(met.seen, i)) { /* it has its value */
            status = ec_scan_skip(r);
            if (status)
                return status;
            continue;
        }
        expected = i + 1;
        status = read_value(r, &record->fields[i], (char *)out + record->fields[i].offset);
        if (status) {
            if (status == EC_JSON_INVALID)
                inside(r, record->fields[i].name, 0);
            return status;
        }
    } while (ec_scan_another(r, '}', &status));
    return status || r->nnames == base ? status : ec_scan_pop_names(r, base);
}

static enum ec_json_status read_record(struct ec_scan *r, const struct ec_record *record, void *out)
{
    uint64_t few[2] = {0, 0};
    struct met met = {&few[0], &few[1]};
    enum ec_json_status status;
    size_t i;

    if (r->p == r->end)
        return ec_scan_unexpected(r);
    if (*r->p != '{')
        return other_kind(r, "must be an object");
    status = ec_scan_enter(r);
    if (status)
        return status;
    preset(record, out);
    if (record->nfields > 64) {
        met.seen = ec_arena_array(r->arena, (record->nfields + 63) / 64, sizeof(*met.seen));
        met.old = ec_arena_array(r->arena, (record->nfields + 63) / 64, sizeof(*met.old));
    }
    ec_scan_white(r);
    if (r->p < r->end && *r->p == '}') {
        r->p++;
        r->depth--;
    } else {
        status = read_members(r, record, out, met);
        if (status)
            return status;
    }
    for (i = 0; i < record->nfields; i++) {
        const struct ec_field *field = &record->fields[i];

        if (has_bit(met.seen, i) || has_bit(met.old, i) || (field->flags & (EC_OPTIONAL | EC_DEFAULT)))
            continue;
        r->error->path[0] = 0;
        inside(r, field->name, 0);
        return ec_scan_wrong(r, "is required");
    }
    return EC_JSON_OK;
}

static const char *count_wrong(const struct ec_field *field, char out[160])
{
    if (field->list_max && field->list_min > 0)
        snprintf(out, 160, "must have %lld to %lld items", (long long)field->list_min, (long long)field->list_max);
    else if (field->list_max)
        snprintf(out, 160, "must have at most %lld items", (long long)field->list_max);
    else
        snprintf(out, 160, "must have at least %lld item%s", (long long)field->list_min, field->list_min == 1 ? "" : "s");
    return out;
}

static enum ec_json_status read_list(struct ec_scan *r, const struct ec_field *field, struct ec_list *list)
{
    struct ec_field item = *field;
    size_t size = ec_item_size(field), n = 0, cap = 0;
    char *items = NULL, *grown, message[160];
    enum ec_json_status status;

    if (*r->p != '[')
        return other_kind(r, "must be a list");
    status = ec_scan_enter(r);
    if (status)
        return status;
    item.flags &= ~(unsigned)(EC_LIST | EC_OPTIONAL);
    ec_scan_white(r);
    if (r->p < r->end && *r->p == ']') {
        r->p++;
        r->depth--;
    } else {
        do {
            if (field->list_max && n == (size_t)field->list_max)
                return ec_scan_wrong(r, count_wrong(field, message));
            if (n == cap) {
                cap = cap ? 2 * cap : 4;
                grown = ec_arena_array(r->arena, cap, size);
                if (n)
                    memcpy(grown, items, n * size);
                items = grown;
            }
            status = read_value(r, &item, items + n * size);
            if (status) {
                if (status == EC_JSON_INVALID)
                    inside(r, NULL, n);
                return status;
            }
            n++;
        } while (ec_scan_another(r, ']', &status));
        if (status)
            return status;
    }
    if (n < (size_t)(field->list_min > 0 ? field->list_min : 0))
        return ec_scan_wrong(r, count_wrong(field, message));
    list->v = items ? items : ec_arena_alloc(r->arena, 1); /* v NULL would say absent */
    list->n = n;
    return EC_JSON_OK;
}

static enum ec_json_status read_value(struct ec_scan *r, const struct ec_field *field, void *out)
{
    enum ec_json_status status;
    const struct ec_record *record;
    void *place;

    r->error->path[0] = 0;
    if (r->p == r->end)
        return ec_scan_unexpected(r);
    if (*r->p == 'n' && (field->kind != EC_JSON || (field->flags & (EC_OPTIONAL | EC_LIST)))) {
        if (!ec_scan_literal(r, "null", 4))
            return ec_scan_unexpected(r);
        if (!(field->flags & EC_OPTIONAL))
            return ec_scan_wrong(r, "must not be null");
        if (field->flags & EC_LIST)
            *(struct ec_list *)out = (struct ec_list){NULL, 0};
        else if (field->kind <= EC_JSON)
            *(struct ec_str *)out = (struct ec_str){NULL, 0};
        else
            memset(out, 0, sizeof(void *));
        return EC_JSON_OK;
    }
    if (field->flags & EC_LIST)
        return read_list(r, field, out);
    switch (field->kind) {
    case EC_TEXT:
    case EC_SECRET:
        return read_text(r, field, out, "must be text");
    case EC_EMAIL:
        return read_text(r, field, out, "must be an email address");
    case EC_JSON:
        return read_document(r, out);
    case EC_INT:
        return read_int(r, field, out);
    case EC_FLOAT:
        return read_float(r, field, out);
    case EC_BOOL:
        return read_bool(r, field, out);
    case EC_UUID:
        return read_uuid(r, field, out);
    case EC_TIME:
        return read_time(r, field, out);
    case EC_ENUM:
        return read_enum(r, field, out);
    case EC_RECORD:
        break;
    }
    record = field->of;
    place = field->flags & EC_OPTIONAL ? ec_arena_alloc(r->arena, record->size) : out;
    status = read_record(r, record, place);
    if (status == EC_JSON_OK && place != out)
        memcpy(out, &place, sizeof(place));
    return status;
}

/* ------------------------------------------------------------------ whole texts */

static enum ec_json_status at_end(struct ec_scan *r)
{
    ec_scan_white(r);
    return r->p == r->end ? EC_JSON_OK : ec_scan_malformed(r, "unexpected text after the value");
}

static enum ec_json_status whole(struct ec_arena *arena, struct ec_str text, const struct ec_record *record, const struct ec_field *field,
                                 void *out, unsigned flags, struct ec_json_error *error)
{
    struct ec_json_error unused, other;
    struct ec_scan r = {
        .p = text.p, .end = text.p + text.n, .start = text.p, .arena = arena, .error = error ? error : &unused, .flags = flags};
    enum ec_json_status status;

    r.error->path[0] = r.error->message[0] = 0;
    ec_scan_white(&r);
    status = record ? read_record(&r, record, out) : read_value(&r, field, out);
    if (status == EC_JSON_OK)
        status = at_end(&r);
    if (status == EC_JSON_INVALID) {
        struct ec_scan again = {.p = text.p, .end = text.p + text.n, .start = text.p, .arena = arena, .error = &other, .flags = flags};

        ec_scan_white(&again);
        status = ec_scan_skip(&again);
        if (status == EC_JSON_OK)
            status = at_end(&again);
        free(again.names);
        if (status == EC_JSON_MALFORMED)
            *r.error = other;
        else
            status = EC_JSON_INVALID;
    }
    free(r.names);
    return status;
}

enum ec_json_status ec_json_read(struct ec_arena *arena, struct ec_str text, const struct ec_record *record, void *out, unsigned flags,
                                 struct ec_json_error *error)
{
    return whole(arena, ec_present(text), record, NULL, out, flags, error);
}

enum ec_json_status ec_json_read_field(struct ec_arena *arena, struct ec_str text, const struct ec_field *field, void *out, unsigned flags,
                                       struct ec_json_error *error)
{
    return whole(arena, ec_present(text), NULL, field, out, flags, error);
}
