/* Types: see types.h. Everything made here is in the caller's arena. */
#include "types.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "arena.h"

const struct ecc_type ecc_type_unknown = {.kind = ECC_TYPE_VOID};
const struct ecc_type ecc_type_text = {.kind = ECC_TYPE_TEXT};
const struct ecc_type ecc_type_secret = {.kind = ECC_TYPE_SECRET};
const struct ecc_type ecc_type_email = {.kind = ECC_TYPE_EMAIL};
const struct ecc_type ecc_type_int = {.kind = ECC_TYPE_INT};
const struct ecc_type ecc_type_float = {.kind = ECC_TYPE_FLOAT};
const struct ecc_type ecc_type_bool = {.kind = ECC_TYPE_BOOL};
const struct ecc_type ecc_type_uuid = {.kind = ECC_TYPE_UUID};
const struct ecc_type ecc_type_time = {.kind = ECC_TYPE_TIME};
const struct ecc_type ecc_type_json = {.kind = ECC_TYPE_JSON};
const struct ecc_type ecc_type_void = {.kind = ECC_TYPE_VOID};

static const struct ecc_type *with_optional(struct ecc_arena *arena, const struct ecc_type *type, bool optional)
{
    if (ECC_IS_UNKNOWN(type) || type->optional == optional)
        return type;
    struct ecc_type *copy = ECC_NEW(arena, struct ecc_type);
    *copy = *type;
    copy->optional = optional;
    return copy;
}

const struct ecc_type *ecc_type_optional(struct ecc_arena *arena, const struct ecc_type *type)
{
    return with_optional(arena, type, true);
}

const struct ecc_type *ecc_type_present(struct ecc_arena *arena, const struct ecc_type *type)
{
    return with_optional(arena, type, false);
}

const struct ecc_type *ecc_type_of_record(struct ecc_arena *arena, const struct ecc_record *record)
{
    struct ecc_type *type = ECC_NEW(arena, struct ecc_type);

    type->kind = ECC_TYPE_RECORD;
    type->record = record;
    return type;
}

const struct ecc_type *ecc_type_list_of(struct ecc_arena *arena, const struct ecc_type *item)
{
    struct ecc_type *type = ECC_NEW(arena, struct ecc_type);

    type->kind = ECC_TYPE_LIST;
    type->item = item;
    return type;
}

static const char *bounds(struct ecc_arena *arena, const struct ecc_type *type)
{
    if (!type->bounded)
        return "";
    if (type->min == INT64_MIN)
        return ecc_arena_printf(arena, "(..%" PRId64 ")", type->max);
    if (type->max == INT64_MAX)
        return ecc_arena_printf(arena, "(%" PRId64 "..)", type->min);
    return ecc_arena_printf(arena, "(%" PRId64 "..%" PRId64 ")", type->min, type->max);
}

const char *ecc_type_name(struct ecc_arena *arena, const struct ecc_type *type)
{
    static const char *const names[] = {
#define X(e, n) [ECC_TYPE_##e] = n,
        ECC_TYPE_KINDS(X)
#undef X
    };
    const char *text = names[type->kind];

    if (ECC_IS_UNKNOWN(type))
        return "something unknown";
    if (type->kind == ECC_TYPE_ENUM)
        text = type->enum_->name;
    else if (type->kind == ECC_TYPE_RECORD)
        text = type->record->name ? type->record->name : "a record";
    else if (type->kind == ECC_TYPE_LIST)
        text = ecc_arena_printf(arena, "[%s]", ecc_type_name(arena, type->item));
    else if (type->kind == ECC_TYPE_SAGA)
        text = ecc_arena_printf(arena, "saga %s", type->saga->name);
    return ecc_arena_printf(arena, "%s%s%s", text, bounds(arena, type), type->optional ? "?" : "");
}

const struct ecc_field *ecc_record_field(const struct ecc_record *record, const char *name)
{
    for (size_t i = 0; i < record->nfields; i++)
        if (strcmp(record->fields[i].name, name) == 0)
            return &record->fields[i];
    return NULL;
}

const struct ecc_field *ecc_record_source(const struct ecc_record *from, const struct ecc_field *field)
{
    const struct ecc_field *source = ecc_record_field(from, field->name);

    return source || !from->past || !field->was ? source : ecc_record_field(from, field->was);
}

bool ecc_type_same(const struct ecc_type *a, const struct ecc_type *b)
{
    if (ECC_IS_UNKNOWN(a) || ECC_IS_UNKNOWN(b))
        return true;
    if (a->kind != b->kind || a->optional != b->optional)
        return false;
    switch (a->kind) {
    case ECC_TYPE_ENUM:
        return a->enum_ == b->enum_;
    case ECC_TYPE_RECORD:
        return a->record == b->record;
    case ECC_TYPE_LIST:
        return ecc_type_same(a->item, b->item);
    case ECC_TYPE_SAGA:
        return a->saga == b->saga;
    default:
        return true;
    }
}

/* Records may refer to each other: a pair that is being compared already is taken to fit. */
struct pair {
    const struct ecc_record *from, *to;
    const struct pair *outer;
};

static enum ecc_fit fit(const struct ecc_type *from, const struct ecc_type *to, const struct pair *outer);

static const struct ecc_field *misfit(const struct ecc_record *from, const struct ecc_record *to, const struct pair *outer,
                                      const struct ecc_field **theirs)
{
    struct pair here = {from, to, outer};

    *theirs = NULL;
    for (const struct pair *p = outer; p; p = p->outer)
        if (p->from == from && p->to == to)
            return NULL;
    for (size_t i = 0; i < to->nfields; i++) {
        /* most records that fit list their fields in the same order */
        const struct ecc_field *f =
            i < from->nfields && strcmp(from->fields[i].name, to->fields[i].name) == 0 ? &from->fields[i]
                                                                                      : ecc_record_source(from, &to->fields[i]);
        if (!f && from->past && (to->fields[i].type->optional || to->fields[i].dflt))
            continue;
        *theirs = f;
        enum ecc_fit how = f ? fit(f->type, to->fields[i].type, &here) : ECC_FIT_NOT;
        if (how == ECC_FIT_NOT || how == ECC_FIT_ABSENT)
            return &to->fields[i];
    }
    return NULL;
}

const struct ecc_field *ecc_record_misfit(const struct ecc_record *from, const struct ecc_record *to, const struct ecc_field **theirs)
{
    return misfit(from, to, NULL, theirs);
}

static enum ecc_fit fit_present(const struct ecc_type *from, const struct ecc_type *to, const struct pair *outer)
{
    const struct ecc_field *theirs;

    if (from->kind != to->kind) {
        if (to->kind == ECC_TYPE_TEXT && (from->kind == ECC_TYPE_UUID || from->kind == ECC_TYPE_EMAIL))
            return ECC_FIT_CONVERT;
        if (to->kind == ECC_TYPE_SECRET && (from->kind == ECC_TYPE_TEXT || from->kind == ECC_TYPE_EMAIL))
            return ECC_FIT_CONVERT;
        return ECC_FIT_NOT;
    }
    switch (from->kind) {
    case ECC_TYPE_ENUM:
        return from->enum_ == to->enum_ ? ECC_FIT_SAME : ECC_FIT_NOT;
    case ECC_TYPE_SAGA:
        return from->saga == to->saga ? ECC_FIT_SAME : ECC_FIT_NOT;
    case ECC_TYPE_LIST: {
        enum ecc_fit item = fit(from->item, to->item, outer);
        return item == ECC_FIT_ABSENT ? ECC_FIT_NOT : item;
    }
    case ECC_TYPE_RECORD:
        if (from->record == to->record)
            return ECC_FIT_SAME;
        return misfit(from->record, to->record, outer, &theirs) ? ECC_FIT_NOT : ECC_FIT_CONVERT;
    default:
        return ECC_FIT_SAME;
    }
}

static enum ecc_fit fit(const struct ecc_type *from, const struct ecc_type *to, const struct pair *outer)
{
    if (ECC_IS_UNKNOWN(from) || ECC_IS_UNKNOWN(to))
        return ECC_FIT_SAME;
    enum ecc_fit how = fit_present(from, to, outer);
    if (how == ECC_FIT_NOT)
        return how;
    if (from->optional && !to->optional)
        return ECC_FIT_ABSENT;
    return from->optional == to->optional ? how : ECC_FIT_CONVERT;
}

enum ecc_fit ecc_type_fit(const struct ecc_type *from, const struct ecc_type *to)
{
    return fit(from, to, NULL);
}

bool ecc_type_is_scalar(const struct ecc_type *type)
{
    switch (type->kind) {
    case ECC_TYPE_TEXT:
    case ECC_TYPE_SECRET:
    case ECC_TYPE_EMAIL:
    case ECC_TYPE_INT:
    case ECC_TYPE_FLOAT:
    case ECC_TYPE_BOOL:
    case ECC_TYPE_UUID:
    case ECC_TYPE_TIME:
    case ECC_TYPE_ENUM:
        return true;
    default:
        return false;
    }
}

bool ecc_type_is_textual(const struct ecc_type *type)
{
    return type->kind == ECC_TYPE_TEXT || type->kind == ECC_TYPE_SECRET || type->kind == ECC_TYPE_EMAIL;
}

static int64_t code_points(const char *text)
{
    int64_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static bool looks_like_uuid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    if (strlen(text) != sizeof form - 1)
        return false;
    for (size_t i = 0; form[i]; i++)
        if (form[i] == '-' ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    return true;
}

static bool looks_like_email(const char *text)
{
    const char *at = strchr(text, '@');

    return at && at != text && at[1] && !strchr(at + 1, '@') && !strpbrk(text, " \t\r\n") && strlen(text) <= 254;
}

static bool looks_like_time(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    size_t i;

    for (i = 0; form[i]; i++) /* stops at the first difference, so never past the end */
        if (form[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
            return false;
    if (text[i] == '.')
        for (i++; isdigit((unsigned char)text[i]);)
            i++;
    if (strcmp(text + i, "Z") == 0)
        return true;
    return (text[i] == '+' || text[i] == '-') && strlen(text + i) == 6 && isdigit((unsigned char)text[i + 1]) &&
           isdigit((unsigned char)text[i + 2]) && text[i + 3] == ':' && isdigit((unsigned char)text[i + 4]) &&
           isdigit((unsigned char)text[i + 5]);
}

bool ecc_text_fits(const struct ecc_type *type, const char *text, const char **why)
{
    switch (type->kind) {
    case ECC_TYPE_EMAIL:
        *why = "an email address";
        return looks_like_email(text);
    case ECC_TYPE_UUID:
        *why = "a uuid such as 018f3a5e-0000-7000-8000-000000000000";
        return looks_like_uuid(text);
    case ECC_TYPE_TIME:
        *why = "a time such as 2030-01-31T12:00:00Z";
        return looks_like_time(text);
    default:
        if (type->bounded && (code_points(text) < type->min || code_points(text) > type->max)) {
            *why = "a text within its bounds";
            return false;
        }
        return true;
    }
}
