/* Values of an analysis: what PostgreSQL's types are to the language, and which may meet. */
#include "sql_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "diag.h"
#include "types.h"

struct sql_value sql_of(enum sql_base base, bool nullable)
{
    return (struct sql_value){.base = base, .nullable = nullable};
}

struct sql_value sql_of_type(const struct ecc_type *type)
{
    struct sql_value value = {.lang = type, .nullable = type->optional};

    if (ECC_IS_UNKNOWN(type)) {
        value.base = SQL_BAD;
        return value;
    }
    switch (type->kind) {
    case ECC_TYPE_TEXT:
    case ECC_TYPE_SECRET:
    case ECC_TYPE_EMAIL:
    case ECC_TYPE_ENUM:
        value.base = SQL_TEXT;
        break;
    case ECC_TYPE_INT:
        value.base = SQL_INT;
        break;
    case ECC_TYPE_FLOAT:
        value.base = SQL_FLOAT;
        break;
    case ECC_TYPE_BOOL:
        value.base = SQL_BOOL;
        break;
    case ECC_TYPE_UUID:
        value.base = SQL_UUID;
        break;
    case ECC_TYPE_TIME:
        value.base = SQL_TIME;
        break;
    case ECC_TYPE_JSON:
    case ECC_TYPE_RECORD:
    case ECC_TYPE_LIST:
        value.base = SQL_JSON;
        break;
    case ECC_TYPE_SAGA:
    case ECC_TYPE_VOID:
        value.base = SQL_BAD;
        break;
    }
    return value;
}

static const struct type_name {
    const char *name;
    enum sql_base base;
} type_names[] = {
    {"bigint", SQL_INT},        {"bit", SQL_OTHER},       {"bool", SQL_BOOL},        {"boolean", SQL_BOOL},    {"bpchar", SQL_TEXT},
    {"bytea", SQL_OTHER},       {"cidr", SQL_OTHER},      {"date", SQL_OTHER},       {"daterange", SQL_OTHER}, {"decimal", SQL_NUMERIC},
    {"float4", SQL_FLOAT},      {"float8", SQL_FLOAT},    {"inet", SQL_OTHER},       {"int", SQL_INT},         {"int2", SQL_INT},
    {"int4", SQL_INT},          {"int4range", SQL_OTHER}, {"int8", SQL_INT},         {"int8range", SQL_OTHER}, {"integer", SQL_INT},
    {"interval", SQL_INTERVAL}, {"json", SQL_JSON},       {"jsonb", SQL_JSON},       {"jsonpath", SQL_OTHER},  {"macaddr", SQL_OTHER},
    {"money", SQL_OTHER},       {"name", SQL_TEXT},       {"numeric", SQL_NUMERIC},  {"numrange", SQL_OTHER},  {"oid", SQL_OTHER},
    {"point", SQL_OTHER},       {"record", SQL_OTHER},    {"regclass", SQL_OTHER},   {"smallint", SQL_INT},    {"text", SQL_TEXT},
    {"time", SQL_OTHER},        {"timestamp", SQL_OTHER}, {"timestamptz", SQL_TIME}, {"timetz", SQL_OTHER},    {"tsquery", SQL_OTHER},
    {"tsrange", SQL_OTHER},     {"tstzrange", SQL_OTHER}, {"tsvector", SQL_OTHER},   {"uuid", SQL_UUID},       {"varbit", SQL_OTHER},
    {"varchar", SQL_TEXT},      {"void", SQL_OTHER},      {"xid", SQL_OTHER},        {"xml", SQL_OTHER},
};

struct sql_value sql_of_type_name(struct sql_ctx *ctx, const struct ecc_sql_node *type_name, bool nullable)
{
    const struct ecc_sql_node *names = ecc_sql_at(type_name, "names");
    const char *name = names ? ecc_sql_string(names, names->n - 1) : "";
    size_t n = sizeof type_names / sizeof *type_names;
    const char *all[sizeof type_names / sizeof *type_names];

    for (size_t i = 0; i < n; i++) {
        if (strcmp(type_names[i].name, name) != 0)
            continue;
        if (ecc_sql_at(type_name, "arrayBounds"))
            return (struct sql_value){.base = SQL_OTHER, .nullable = nullable, .pg = sql_format(ctx, "%s[]", name)};
        return (struct sql_value){.base = type_names[i].base, .nullable = nullable, .pg = type_names[i].name};
    }
    for (size_t i = 0; i < n; i++)
        all[i] = type_names[i].name;
    const char *near = ecc_did_you_mean(name, all, n);
    sql_problem(ctx, ecc_sql_int(type_name, "location"), near ? sql_format(ctx, "did you mean `%s`?", near) : NULL, "there is no type `%s`",
                name);
    return sql_of(SQL_BAD, nullable);
}

char sql_value_letter(struct sql_value value)
{
    static const char *const names[] = {
        [SQL_UNTYPED] = "unknown", [SQL_INT] = "int8",          [SQL_FLOAT] = "float8", [SQL_NUMERIC] = "numeric",
        [SQL_BOOL] = "bool",       [SQL_TEXT] = "text",         [SQL_UUID] = "uuid",    [SQL_TIME] = "timestamptz",
        [SQL_JSON] = "jsonb",      [SQL_INTERVAL] = "interval", [SQL_OTHER] = NULL,
    };
    const char *name = value.pg ? value.pg : names[value.base];

    if (name && strcmp(name, "a row") == 0)
        name = "record";
    return name ? sql_letter(name) : 0;
}

struct sql_value sql_of_letter(struct sql_ctx *ctx, char letter, bool nullable)
{
    const char *name = sql_letter_name(ctx, letter);
    struct sql_value value = {.base = letter ? SQL_OTHER : SQL_UNKNOWN, .nullable = nullable, .pg = letter ? name : NULL};

    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
        if (*type_names[i].name == *name && strcmp(type_names[i].name, name) == 0)
            value.base = type_names[i].base;
    }
    return value;
}

const struct ecc_type *sql_language_type(struct ecc_arena *arena, struct sql_value value)
{
    const struct ecc_type *type = value.lang;

    if (!type) {
        switch (value.base) {
        case SQL_BAD:
            return &ecc_type_unknown;
        case SQL_UNTYPED:
            if (!value.literal)
                return NULL;
            type = &ecc_type_text;
            break;
        case SQL_TEXT:
            type = &ecc_type_text;
            break;
        case SQL_INT:
            type = &ecc_type_int;
            break;
        case SQL_FLOAT:
            type = &ecc_type_float;
            break;
        case SQL_BOOL:
            type = &ecc_type_bool;
            break;
        case SQL_UUID:
            type = &ecc_type_uuid;
            break;
        case SQL_TIME:
            type = &ecc_type_time;
            break;
        case SQL_JSON:
            type = &ecc_type_json;
            break;
        case SQL_UNKNOWN:
        case SQL_NUMERIC:
        case SQL_INTERVAL:
        case SQL_OTHER:
            return NULL;
        }
    }
    if (ECC_IS_UNKNOWN(type))
        return type;
    return value.nullable ? ecc_type_optional(arena, type) : ecc_type_present(arena, type);
}

/* "text", "numeric", "StockStatus": for messages. */
const char *sql_describe(struct sql_ctx *ctx, struct sql_value value)
{
    static const char *const names[] = {
        [SQL_BAD] = "unknown",     [SQL_UNKNOWN] = "unknown",   [SQL_UNTYPED] = "a literal",  [SQL_INT] = "int",   [SQL_FLOAT] = "float",
        [SQL_NUMERIC] = "numeric", [SQL_BOOL] = "bool",         [SQL_TEXT] = "text",          [SQL_UUID] = "uuid", [SQL_TIME] = "time",
        [SQL_JSON] = "json",       [SQL_INTERVAL] = "interval", [SQL_OTHER] = "another type",
    };

    if (value.lang)
        return ecc_type_name(ctx->arena, ecc_type_present(ctx->arena, value.lang));
    if (value.base == SQL_OTHER && value.pg)
        return value.pg;
    return names[value.base];
}

bool sql_is_number(struct sql_value value)
{
    return value.base == SQL_INT || value.base == SQL_FLOAT || value.base == SQL_NUMERIC;
}

static bool is_open(struct sql_value value) /* says nothing that could be wrong */
{
    return value.base == SQL_BAD || value.base == SQL_UNKNOWN || value.base == SQL_UNTYPED;
}

static const struct ecc_enum *enum_of(struct sql_value value)
{
    return value.lang && value.lang->kind == ECC_TYPE_ENUM ? value.lang->enum_ : NULL;
}

/* 'helld' where an enum stands: false when it has been reported. */
static bool check_enum_literal(struct sql_ctx *ctx, const struct ecc_enum *of, struct sql_value value, int64_t at)
{
    if (!of || value.base != SQL_UNTYPED || !value.literal)
        return true;
    for (size_t i = 0; i < of->nvalues; i++) {
        if (strcmp(of->values[i], value.literal) != 0)
            continue;
        sql_note(ctx, ECC_REF_VALUE, of, value.literal, at, 0);
        return true;
    }
    const char *near = ecc_did_you_mean(value.literal, of->values, of->nvalues);
    sql_problem(ctx, at, near ? sql_format(ctx, "did you mean '%s'?", near) : NULL, "'%s' is no value of %s", value.literal, of->name);
    return false;
}

const char *sql_cast_name(struct sql_value value)
{
    static const char *const names[] = {
        [SQL_INT] = "bigint", [SQL_FLOAT] = "float8",     [SQL_NUMERIC] = "numeric", [SQL_BOOL] = "boolean",      [SQL_TEXT] = "text",
        [SQL_UUID] = "uuid",  [SQL_TIME] = "timestamptz", [SQL_JSON] = "jsonb",      [SQL_INTERVAL] = "interval", [SQL_OTHER] = NULL,
    };

    return names[value.base];
}

static const char *subject(struct sql_ctx *ctx, struct sql_value value)
{
    if (value.param)
        return sql_format(ctx, "`:%s`", ctx->paths.items[value.param - 1]);
    if (value.column)
        return sql_format(ctx, "`%s`", value.column);
    return "the value";
}

/* NULL where PostgreSQL has no such cast: the help would be the next error. */
static const char *cast_help(struct sql_ctx *ctx, struct sql_value from, struct sql_value to)
{
    if (!sql_cast_name(to) || !sql_coerces(sql_value_letter(from), sql_value_letter(to), SQL_EXPLICIT))
        return NULL;
    if (from.param && from.lang && from.lang->kind == ECC_TYPE_LIST)
        return sql_format(ctx, "a list is jsonb: `jsonb_array_elements_text(:%s::jsonb)` gives its items",
                          ctx->paths.items[from.param - 1]);
    if (from.param)
        return sql_format(ctx, "write `:%s::%s`", ctx->paths.items[from.param - 1], sql_cast_name(to));
    return sql_format(ctx, "add a cast, `(...)::%s`", sql_cast_name(to));
}

static bool is_whole_number(const char *text, const char *least, const char *most)
{
    char *end;

    errno = 0;
    long long n = strtoll(text, &end, 10);
    return end != text && !end[strspn(end, " ")] && !errno && n >= strtoll(least, NULL, 10) && n <= strtoll(most, NULL, 10);
}

static bool is_bool(const char *text)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "1", "0"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (*text && strncasecmp(words[i], text, strlen(text)) == 0 && strcasecmp(text, "o") != 0)
            return true;
    return false;
}

static bool is_uuid(const char *text)
{
    size_t digits = 0;

    for (; *text; text++) {
        if (*text != '-' && *text != '{' && *text != '}' && !isxdigit((unsigned char)*text))
            return false;
        digits += isxdigit((unsigned char)*text) != 0;
    }
    return digits == 32;
}

/* Times have too many forms to read them here; but there is no time without a digit, but for a few words. */
static bool may_be_time(const char *text)
{
    static const char *const words[] = {"now", "today", "tomorrow", "yesterday", "epoch", "infinity", "-infinity", "allballs"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(words[i], text) == 0)
            return true;
    return strpbrk(text, "0123456789") != NULL;
}

void sql_check_equal(struct sql_ctx *ctx, struct sql_value value, int64_t at)
{
    if (value.base == SQL_JSON && value.pg && strcmp(value.pg, "json") == 0)
        sql_problem(ctx, at, "a cast to jsonb makes it comparable", "json can't be compared");
}

/* What PostgreSQL reads already when the statement is prepared. */
void sql_check_literal(struct sql_ctx *ctx, char letter, struct sql_value value, int64_t at)
{
    const char *type = sql_letter_name(ctx, letter), *text = value.literal;
    bool good = true;
    char *end;

    if (value.base != SQL_UNTYPED || !text)
        return;
    if (strcmp(type, "int8") == 0)
        good = is_whole_number(text, "-9223372036854775808", "9223372036854775807");
    else if (strcmp(type, "int4") == 0)
        good = is_whole_number(text, "-2147483648", "2147483647");
    else if (strcmp(type, "int2") == 0)
        good = is_whole_number(text, "-32768", "32767");
    else if (strcmp(type, "float8") == 0 || strcmp(type, "float4") == 0 || strcmp(type, "numeric") == 0)
        good = (strtod(text, &end), end != text) && !end[strspn(end, " ")];
    else if (strcmp(type, "bool") == 0)
        good = is_bool(text);
    else if (strcmp(type, "uuid") == 0)
        good = is_uuid(text);
    else if (strcmp(type, "json") == 0 || strcmp(type, "jsonb") == 0)
        good = strpbrk(text, "{[\"0123456789tfn") != NULL;
    else if (strncmp(type, "timestamp", 9) == 0 || strcmp(type, "date") == 0 || strcmp(type, "interval") == 0)
        good = may_be_time(text);
    else if (strcmp(type + (strlen(type) > 2 ? strlen(type) - 2 : 0), "[]") == 0)
        good = *text == '{' || *text == '[';
    if (!good)
        sql_problem(ctx, at, NULL, "'%s' is no %s", text, type);
}

void sql_check_compare(struct sql_ctx *ctx, struct sql_value a, struct sql_value b, int64_t at)
{
    if (!check_enum_literal(ctx, enum_of(a), b, at) || !check_enum_literal(ctx, enum_of(b), a, at))
        return;
    if (is_open(a) || is_open(b) || a.base == SQL_OTHER || b.base == SQL_OTHER)
        return;
    if (a.base == b.base) {
        if (enum_of(a) && enum_of(b) && enum_of(a) != enum_of(b))
            sql_problem(ctx, at, NULL, "%s is %s, but %s is %s", subject(ctx, a), sql_describe(ctx, a), subject(ctx, b),
                        sql_describe(ctx, b));
        return;
    }
    if (sql_is_number(a) && sql_is_number(b))
        return;
    if (a.param) { /* tell about the parameter first */
        struct sql_value swap = a;
        a = b;
        b = swap;
    }
    sql_problem(ctx, at, cast_help(ctx, b, a), "%s is %s, but %s is %s", subject(ctx, b), sql_describe(ctx, b), subject(ctx, a),
                sql_describe(ctx, a));
}

void sql_check_assign(struct sql_ctx *ctx, const struct ecc_column *column, struct sql_value value, int64_t at)
{
    const struct ecc_type *to = column->type;
    struct sql_value target = sql_of_type(to);

    if (value.base == SQL_UNTYPED && !value.literal && !to->optional) {
        sql_declared(sql_problem(ctx, at, NULL, "`%s` can't be null", column->name), column->span);
        return;
    }
    sql_check_literal(ctx, sql_value_letter(target), value, at);
    if (!check_enum_literal(ctx, enum_of(target), value, at) || is_open(value) || is_open(target))
        return;
    const char *what = value.param ? subject(ctx, value) : "the value";
    bool fits = value.base == target.base;
    if (sql_value_letter(value) && sql_value_letter(target))
        fits = sql_coerces(sql_value_letter(value), sql_value_letter(target), SQL_ASSIGNMENT);
    if (value.param && fits && value.lang) {
        const struct ecc_type *from = ecc_type_present(ctx->arena, value.lang), *present = ecc_type_present(ctx->arena, to);
        enum ecc_fit fit = ecc_type_fit(from, present);
        bool stored = to->kind == ECC_TYPE_RECORD || to->kind == ECC_TYPE_LIST || to->kind == ECC_TYPE_ENUM;
        if (stored && fit != ECC_FIT_SAME)
            fits = false;
    }
    if (fits && value.base != target.base)
        sql_want_cast(ctx, value, SQL_CAST_ALWAYS);
    if (!fits) {
        const char *help = value.base == target.base ? NULL : cast_help(ctx, value, target);
        sql_declared(sql_problem(ctx, at, help, "`%s` is %s, but %s is %s", column->name, sql_describe(ctx, target), what,
                                 sql_describe(ctx, value)),
                     column->span);
    } else if (value.param && value.nullable && !to->optional) {
        sql_declared(sql_problem(ctx, at, sql_format(ctx, "write `coalesce(:%s, ...)`", ctx->paths.items[value.param - 1]),
                                 "%s may be absent, but `%s` can't be null", what, column->name),
                     column->span);
    }
}

/* The type of a value that comes from either: CASE, COALESCE, UNION, VALUES. Nullable when one is. */
struct sql_value sql_unify(struct sql_ctx *ctx, struct sql_value a, struct sql_value b, int64_t at, const char *what)
{
    bool nullable = a.nullable || b.nullable;
    struct sql_value out = a;

    if (a.base == SQL_BAD || b.base == SQL_BAD) {
        out = sql_of(SQL_BAD, nullable);
    } else if (a.base == SQL_UNTYPED) {
        sql_check_literal(ctx, sql_value_letter(b), a, at);
        if (enum_of(b) && a.literal) { /* a literal that is no value makes it plain text */
            bool is_value = false;
            for (size_t i = 0; i < b.lang->enum_->nvalues; i++)
                is_value |= strcmp(b.lang->enum_->values[i], a.literal) == 0;
            out = b;
            if (!is_value)
                out.lang = NULL;
        } else {
            out = b;
        }
        if (b.base == SQL_UNTYPED && !b.literal)
            out.literal = a.literal;
    } else if (b.base == SQL_UNTYPED) {
        return sql_unify(ctx, b, a, at, what);
    } else if (!sql_value_letter(a) || !sql_value_letter(b)) {
        out = sql_of(SQL_UNKNOWN, nullable);
    } else {
        char letters[2] = {sql_value_letter(a), sql_value_letter(b)}, common = sql_common_letter(letters, 2);
        bool same = a.lang && b.lang && ecc_type_same(ecc_type_present(ctx->arena, a.lang), ecc_type_present(ctx->arena, b.lang));
        if (!common) {
            sql_problem(ctx, at, cast_help(ctx, b, a), "%s: %s and %s do not go together", what, sql_describe(ctx, a),
                        sql_describe(ctx, b));
            out = sql_of(SQL_BAD, nullable);
        } else if (!same) {
            out = sql_of_letter(ctx, common, nullable);
        }
    }
    out.nullable = nullable;
    out.param = 0;
    out.column = NULL;
    if (out.base != SQL_UNTYPED)
        out.literal = NULL;
    return out;
}
