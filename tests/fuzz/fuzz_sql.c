/* libFuzzer: any bytes as the SQL of a statement or of a constraint. The first byte says which. Every problem must lie within the text, and
 * what is found good must be whole: a row where one is asked for, a type for each of its columns. And our own scanner is held against
 * PostgreSQL's. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <pg_query.h>

#include "arena.h"
#include "sql_check.h"
#include "sql_internal.h"
#include "types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ecc_enum color = {.name = "Color", .values = (const char *[]){"red", "green", "blue"}, .nvalues = 3};
static struct ecc_field part_fields[] = {
    {.name = "k", .wire = "k", .type = &ecc_type_int},
    {.name = "t", .wire = "t", .type = &ecc_type_text},
};
static struct ecc_record part = {.name = "Part", .fields = part_fields, .nfields = 2};
static const struct ecc_type color_type = {.kind = ECC_TYPE_ENUM, .enum_ = &color};
static const struct ecc_type part_type = {.kind = ECC_TYPE_RECORD, .record = &part};
static const struct ecc_type parts_type = {.kind = ECC_TYPE_LIST, .item = &part_type};
static const struct ecc_type text_maybe = {.kind = ECC_TYPE_TEXT, .optional = true};

static struct ecc_column things_columns[] = {
    {.name = "id", .type = &ecc_type_uuid, .primary_key = true},
    {.name = "name", .type = &ecc_type_text, .unique = true},
    {.name = "note", .type = &text_maybe},
    {.name = "n", .type = &ecc_type_int},
    {.name = "color", .type = &color_type, .dflt_sql = "'red'"},
    {.name = "parts", .type = &parts_type, .dflt_sql = "'[]'"},
    {.name = "made", .type = &ecc_type_time, .dflt_sql = "now()"},
    {.name = "ratio", .type = &ecc_type_float, .dflt_sql = "0"},
    {.name = "live", .type = &ecc_type_bool, .dflt_sql = "true"},
    {.name = "doc", .type = &ecc_type_json, .dflt_sql = "'{}'"},
};
static struct ecc_column tags_columns[] = {
    {.name = "thing_id", .type = &ecc_type_uuid},
    {.name = "name", .type = &ecc_type_text},
    {.name = "weight", .type = &ecc_type_int},
};
static struct ecc_constraint tags_key = {.kind = ECC_CON_PRIMARY_KEY, .sql = "thing_id, name"};
static struct ecc_table things = {.name = "things", .columns = things_columns, .ncolumns = sizeof things_columns / sizeof *things_columns};
static struct ecc_table tags = {.name = "tags", .columns = tags_columns, .ncolumns = 3, .constraints = &tags_key, .nconstraints = 1};
static struct ecc_table *const tables[] = {&things, &tags};

struct context {
    struct ecc_arena *arena;
    const char *text;
    size_t length;
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static const struct ecc_expr *resolve(void *context, const char *path, uint32_t at, uint32_t length)
{
    static const struct { const char *path; const struct ecc_type *type; } known[] = {
        {"id", &ecc_type_uuid}, {"n", &ecc_type_int}, {"name", &ecc_type_text}, {"maybe", &text_maybe}, {"color", &color_type},
        {"parts", &parts_type}, {"line.k", &ecc_type_int}, {"at", &ecc_type_time}, {"doc", &ecc_type_json}, {"yes", &ecc_type_bool},
        {"part", &part_type}, {"f", &ecc_type_float},
    };
    const struct context *c = context;

    check(strlen(path) == length && at <= c->length && length <= c->length - at && !memcmp(c->text + at, path, length));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!strcmp(known[i].path, path)) {
            struct ecc_expr *expr = ECC_NEW(c->arena, struct ecc_expr);
            expr->kind = ECC_EXPR_VAR;
            expr->type = known[i].type;
            return expr;
        }
    }
    return NULL;
}

static uint64_t varint(const uint8_t **p, const uint8_t *end)
{
    uint64_t value = 0;

    for (int shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t byte = *(*p)++;
        value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128))
            break;
    }
    return value;
}

/* The next of PostgreSQL's tokens that our scanner has to know: its kind and where it begins. The answer is a protobuf message of two
 * levels: message 2 { 1: start  2: end  4: token }. */
static bool next_of_theirs(const uint8_t **p, const uint8_t *end, struct sql_token *out)
{
    while (*p < end) {
        uint64_t tag = varint(p, end), value = varint(p, end);
        if (tag != (2 << 3 | 2))
            continue;
        const uint8_t *stop = *p + value;
        uint32_t start = 0, token = 0;
        while (*p < stop) {
            uint64_t field = varint(p, stop) >> 3, number = varint(p, stop);
            start = field == 1 ? (uint32_t)number : start;
            token = field == 4 ? (uint32_t)number : token;
        }
        if (token != 58 && token != 91 && token != 93 && token != 267)
            continue;
        out->start = start;
        out->kind = token == 58 ? SQL_TOKEN_COLON : token == 91 ? SQL_TOKEN_OPEN : token == 93 ? SQL_TOKEN_CLOSE : SQL_TOKEN_NUMBERED;
        return true;
    }
    return false;
}

static void compare_scanners(struct ecc_arena *arena, const char *text)
{
    struct sql_tokens ours = {0};
    bool ends = sql_tokens(arena, text, &ours);
    PgQueryScanResult theirs = pg_query_scan(text);

    check(ends || theirs.error);
    if (!theirs.error) {
        const uint8_t *p = (const uint8_t *)theirs.pbuf.data, *end = p + theirs.pbuf.len;
        struct sql_token token = {0};
        for (size_t i = 0; i < ours.n; i++) {
            enum sql_token_kind kind = ours.items[i].kind;
            if (kind == SQL_TOKEN_OTHER || kind == SQL_TOKEN_ARRAY || kind == SQL_TOKEN_STRING)
                continue;
            check(next_of_theirs(&p, end, &token) && token.kind == kind && token.start == ours.items[i].start);
        }
        check(!next_of_theirs(&p, end, &token));
    }
    pg_query_free_scan_result(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum ecc_constraint_kind constraints[] = {ECC_CON_PRIMARY_KEY, ECC_CON_CHECK};
    struct ecc_arena arena;
    struct ecc_sql_problems problems = {0};
    struct ecc_sql sql = {0};
    bool good;

    /* The compiler hands on text of a source: no NUL, valid UTF-8; here ASCII, the rest is the lexer's business. */
    if (size == 0)
        return 0;
    for (size_t i = 1; i < size; i++)
        if (data[i] == 0 || data[i] >= 0x80)
            return 0;
    ecc_arena_init(&arena);
    const char *text = ecc_arena_strndup(&arena, (const char *)data + 1, size - 1);
    compare_scanners(&arena, text);
    if (data[0] % 8 < 6) {
        struct context context = {&arena, text, size - 1};
        struct ecc_sql_scope scope = {.tables = tables, .ntables = 2, .resolve = data[0] % 8 < 5 ? resolve : NULL, .context = &context};
        enum ecc_sql_shape shape = (enum ecc_sql_shape)(data[0] % 4);
        good = ecc_sql_check(&arena, &scope, text, size - 1, shape, &sql, &problems);
        check(!good || (sql.text && sql.name && (shape == ECC_SQL_EXEC) == !sql.row));
        for (size_t i = 0; good && sql.row && i < sql.row->nfields; i++)
            check(sql.row->fields[i].name && sql.row->fields[i].type && sql.row->fields[i].type->kind != ECC_TYPE_VOID);
        for (size_t i = 0; good && i < sql.nparams; i++)
            check(sql.params[i] && sql.param_names[i]);
    } else {
        good = ecc_sql_check_constraint(&arena, &things, constraints[data[0] % 2], text, (struct ecc_sql_scope){0}, &problems);
    }
    check(!good || problems.n == 0);
    for (size_t i = 0; i < problems.n; i++) { /* one at the very end has length 1, too */
        const struct ecc_sql_problem *p = &problems.items[i];
        check(p->message && p->at < size && p->length <= size - p->at);
    }
    ecc_arena_free(&arena);
    return 0;
}
