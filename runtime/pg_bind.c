/* Between structs and PostgreSQL's text format.
 *
 * Parameters become text in an arena; the server infers their types from the statement. Result cells are copied into the arena where a
 * struct keeps a pointer into them, because the result goes when the callback returns.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "pg.h"
#include "random.h"

/* ------------------------------------------------------------------ parameters */

struct ec_param ec_param_text(struct ec_str value)
{
    if (!value.p)
        return (struct ec_param){.kind = EC_PARAM_NULL};
    return (struct ec_param){.kind = EC_PARAM_TEXT, .u.text = value};
}

struct ec_param ec_param_int(int64_t value)
{
    return (struct ec_param){.kind = EC_PARAM_INT, .u.i = value};
}

struct ec_param ec_param_float(double value)
{
    return (struct ec_param){.kind = EC_PARAM_FLOAT, .u.f = value};
}

struct ec_param ec_param_bool(bool value)
{
    return (struct ec_param){.kind = EC_PARAM_BOOL, .u.b = value};
}

struct ec_param ec_param_uuid(struct ec_uuid value)
{
    return (struct ec_param){.kind = EC_PARAM_UUID, .u.uuid = value};
}

struct ec_param ec_param_time(int64_t value)
{
    return (struct ec_param){.kind = EC_PARAM_TIME, .u.i = value};
}

struct ec_param ec_param_enum(const struct ec_enum *of, int value)
{
    return ec_param_text(ec_text_enum(of, value));
}

struct ec_param ec_param_opt_int(const int64_t *value)
{
    return value ? ec_param_int(*value) : (struct ec_param){.kind = EC_PARAM_NULL};
}

struct ec_param ec_param_opt_float(const double *value)
{
    return value ? ec_param_float(*value) : (struct ec_param){.kind = EC_PARAM_NULL};
}

struct ec_param ec_param_opt_bool(const bool *value)
{
    return value ? ec_param_bool(*value) : (struct ec_param){.kind = EC_PARAM_NULL};
}

struct ec_param ec_param_opt_uuid(const struct ec_uuid *value)
{
    return value ? ec_param_uuid(*value) : (struct ec_param){.kind = EC_PARAM_NULL};
}

struct ec_param ec_param_opt_time(const int64_t *value)
{
    return value ? ec_param_time(*value) : (struct ec_param){.kind = EC_PARAM_NULL};
}

struct ec_param ec_param_opt_enum(const struct ec_enum *of, const int *value)
{
    return value ? ec_param_enum(of, *value) : (struct ec_param){.kind = EC_PARAM_NULL};
}

struct ec_param ec_param_json(const struct ec_field *field, const void *value)
{
    return (struct ec_param){.kind = EC_PARAM_JSON, .u.json = {field, value}};
}

struct ec_param ec_param_bytes(struct ec_arena *arena, const void *bytes, size_t n)
{
    char *hex = ec_arena_alloc(arena, 2 * n + 3);

    memcpy(hex, "\\x", 2);
    ec_hex(bytes, n, hex + 2);
    return ec_param_text((struct ec_str){hex, 2 * n + 2});
}

static bool absent(const struct ec_field *field, const void *value)
{
    if (!(field->flags & EC_OPTIONAL))
        return false;
    if (field->flags & EC_LIST)
        return !((const struct ec_list *)value)->v;
    if (field->kind <= EC_JSON)
        return !((const struct ec_str *)value)->p;
    return !*(const void *const *)value;
}

static const char *json_text(struct ec_arena *arena, const struct ec_field *field, const void *value)
{
    struct ec_buf buf = {0};
    const char *text;

    ec_json_write_field(&buf, field, value);
    text = ec_arena_copy(arena, (struct ec_str){buf.p ? buf.p : "", buf.n}).p;
    ec_buf_free(&buf);
    return text;
}

bool ec_pg_encode(struct ec_arena *arena, const struct ec_param *params, size_t n, struct ec_pg_values *out)
{
    const char **v = ec_arena_array(arena, n ? n : 1, sizeof(*v));
    char *text;
    size_t i;

    for (i = 0; i < n; i++) {
        const struct ec_param *param = &params[i];

        switch (param->kind) {
        case EC_PARAM_NULL:
            break;
        case EC_PARAM_TEXT:
            if (param->u.text.n && memchr(param->u.text.p, 0, param->u.text.n))
                return false;
            v[i] = ec_arena_copy(arena, param->u.text).p;
            break;
        case EC_PARAM_INT:
            v[i] = text = ec_arena_alloc(arena, 24);
            text[ec_int_format(param->u.i, text)] = '\0';
            break;
        case EC_PARAM_FLOAT:
            v[i] = text = ec_arena_alloc(arena, 32);
            text[ec_float_format(param->u.f, text)] = '\0';
            break;
        case EC_PARAM_BOOL:
            v[i] = param->u.b ? "t" : "f";
            break;
        case EC_PARAM_UUID:
            v[i] = text = ec_arena_alloc(arena, 37);
            ec_uuid_format(param->u.uuid, text);
            break;
        case EC_PARAM_TIME:
            v[i] = text = ec_arena_alloc(arena, 41);
            text[ec_time_format(param->u.i, text)] = '\0';
            break;
        case EC_PARAM_JSON:
            if (!absent(param->u.json.field, param->u.json.value))
                v[i] = json_text(arena, param->u.json.field, param->u.json.value);
            break;
        }
    }
    *out = (struct ec_pg_values){v, (int)n};
    return true;
}

/* ------------------------------------------------------------------ results */

int ec_pg_rows(const struct pg_result *result)
{
    return PQntuples(result);
}

int64_t ec_pg_count(const struct pg_result *result)
{
    const char *touched;

    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return PQntuples(result);
    touched = PQcmdTuples((struct pg_result *)result);
    return *touched ? strtoll(touched, NULL, 10) : 0;
}

bool ec_pg_null(const struct pg_result *result, int row, int column)
{
    return PQgetisnull(result, row, column);
}

struct ec_str ec_pg_cell(const struct pg_result *result, int row, int column)
{
    if (PQgetisnull(result, row, column))
        return (struct ec_str){NULL, 0};
    return (struct ec_str){PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
}

struct pg_result *ec_pg_row_alone(const struct pg_result *result, int row, int column)
{
    PGresult *alone = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[16] = {{0}};
    int n = PQnfields(result) - column, i;
    bool ok = alone && n <= (int)(sizeof(columns) / sizeof(columns[0]));

    for (i = 0; ok && i < n; i++)
        columns[i] =
            (PGresAttDesc){.name = PQfname(result, column + i), .typid = PQftype(result, column + i), .typlen = -1, .atttypmod = -1};
    if (ok && n > 0 && row >= 0) {
        ok = PQsetResultAttrs(alone, n, columns);
        for (i = 0; ok && i < n; i++)
            ok = PQsetvalue(alone, 0, i, PQgetisnull(result, row, column + i) ? NULL : PQgetvalue(result, row, column + i),
                            PQgetisnull(result, row, column + i) ? -1 : PQgetlength(result, row, column + i));
    }
    if (!ok)
        ec_panic("out of memory");
    return alone;
}

void ec_pg_row_free(struct pg_result *result)
{
    PQclear(result);
}

/* Where an optional value of this kind stands: its struct has a pointer to it. */
static size_t pointed_size(const struct ec_field *field)
{
    switch (field->kind) {
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
    default:
        return 0;
    }
}

static const char *read_cell(struct ec_arena *arena, struct ec_str cell, const struct ec_field *field, void *at)
{
    struct ec_json_error error = {{0}, {0}};
    struct ec_field plain = *field;
    enum ec_json_status status;

    if (field->flags & EC_OPTIONAL) {
        plain.flags &= ~(unsigned)EC_OPTIONAL;
        if (!(field->flags & EC_LIST) && field->kind > EC_JSON) {
            void *value = ec_arena_alloc(arena, pointed_size(field));

            *(void **)at = value;
            at = value;
        }
    }
    if (field->flags & EC_LIST || field->kind == EC_RECORD) {
        status = ec_json_read_field(arena, ec_arena_copy(arena, cell), &plain, at, EC_JSON_LENIENT, &error);
        if (status == EC_JSON_OK && field->flags & EC_LIST && !((struct ec_list *)at)->v)
            ((struct ec_list *)at)->v = ec_arena_alloc(arena, 1); /* empty is not absent */
        return status == EC_JSON_OK ? NULL : ec_arena_printf(arena, "%s %s", error.path, error.message);
    }
    switch (field->kind) {
    case EC_TEXT:
    case EC_SECRET:
    case EC_EMAIL:
    case EC_JSON: /* what the database holds is taken as it is */
        *(struct ec_str *)at = ec_arena_copy(arena, cell);
        return NULL;
    case EC_BOOL:
        *(bool *)at = cell.n && cell.p[0] == 't';
        return NULL;
    case EC_FLOAT:
        if (ec_float_parse(cell, at))
            return NULL;
        return "is no finite number";
    case EC_INT:
        if (ec_int_parse(cell, at))
            return NULL;
        return "is no integer of 64 bits";
    default:
        status = ec_scalar_read(arena, cell, &plain, at, &error);
        return status == EC_JSON_OK ? NULL : ec_arena_printf(arena, "%s", error.message);
    }
}

const char *ec_pg_read_row(struct ec_arena *arena, const struct pg_result *result, int i, const struct ec_record *record, void *out)
{
    size_t column;

    memset(out, 0, record->size);
    if ((size_t)PQnfields(result) != record->nfields)
        return ec_arena_printf(arena, "%d columns came where %zu are expected", PQnfields(result), record->nfields);
    for (column = 0; column < record->nfields; column++) {
        const struct ec_field *field = &record->fields[column];
        const char *why;

        if (PQgetisnull(result, i, (int)column)) {
            if (field->flags & EC_OPTIONAL)
                continue;
            return ec_arena_printf(arena, "column %s is null", field->name);
        }
        why = read_cell(arena, ec_pg_cell(result, i, (int)column), field, (char *)out + field->offset);
        if (why)
            return ec_arena_printf(arena, "column %s %s", field->name, why);
    }
    return NULL;
}

/* ------------------------------------------------------------------ errors */

bool ec_pg_repeatable(const struct ec_pg_reply *reply)
{
    return reply->status == EC_PG_FAILED && (strcmp(reply->sqlstate, "40P01") == 0 || strcmp(reply->sqlstate, "40001") == 0);
}

const struct ec_error *ec_pg_error(const struct ec_task *task, const struct ec_sql *sql, const struct ec_pg_reply *reply)
{
    const char *state = reply->sqlstate;

    if (reply->status != EC_PG_FAILED)
        return &ec_error_unavailable;
    if (strcmp(state, "57014") == 0)
        return &ec_error_timeout;
    if (ec_pg_repeatable(reply) || strcmp(state, "55P03") == 0 || strncmp(state, "53", 2) == 0 || strncmp(state, "57", 2) == 0 ||
        strncmp(state, "08", 2) == 0 || strcmp(state, "25006") == 0 || strcmp(state, "25P03") == 0)
        return &ec_error_unavailable;
    /* A message of class 22 or 23 may quote the data. */
    ec_log(EC_LOG_ERROR, task, "a statement failed", EC_L_STR("statement", sql ? sql->name : "commit"), EC_L_STR("sqlstate", state),
           EC_L_STR("why", reply->message && strncmp(state, "22", 2) != 0 && strncmp(state, "23", 2) != 0 ? reply->message : ""));
    return &ec_error_internal;
}
