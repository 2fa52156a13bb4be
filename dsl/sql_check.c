#include "sql_check.h"

#include <stdio.h>
#include <string.h>

#include <pg_query.h>

#include "arena.h"
#include "sql_ahead.h"
#include "sql_internal.h"
#include "types.h"

const char *sql_format(struct sql_ctx *ctx, const char *format, ...)
{
    char buffer[512];
    va_list args;

    va_start(args, format);
    vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    return ecc_arena_strdup(ctx->arena, buffer);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (unsigned char)c >= 128;
}

/* How long the word is that begins at a place of the source: a name, `:name.field`, a quoted string, or one character. */
static uint32_t word_length(const char *p)
{
    uint32_t n = *p == ':';

    if (*p == '\'' || *p == '"') {
        for (n = 1; p[n] && p[n] != *p; n++)
            ;
        return n + (p[n] != '\0');
    }
    while (is_word(p[n]) || (n && p[n] == '.' && is_word(p[n + 1])))
        n++;
    return n ? n : *p != '\0';
}

static struct ecc_sql_problem *add_problem(struct sql_ctx *ctx, uint32_t source_at, const char *message, const char *help)
{
    uint32_t length = word_length(ctx->source + source_at);

    /* One place is told about once: a second message there follows from the first. */
    for (size_t i = 0; i < ctx->problems->n; i++) {
        if (ctx->problems->items[i].at == source_at && strcmp(ctx->problems->items[i].message, message) == 0)
            return &ctx->problems->items[i];
    }
    struct ecc_sql_problem problem = {.at = source_at, .length = length, .message = ecc_arena_strdup(ctx->keep, message)};
    problem.help = help ? ecc_arena_strdup(ctx->keep, help) : NULL;
    ECC_PUSH(ctx->keep, ctx->problems, problem);
    return &ctx->problems->items[ctx->problems->n - 1];
}

void sql_declared(struct ecc_sql_problem *problem, struct ecc_span span)
{
    problem->has_second = true;
    problem->second = span;
}

void sql_meant(struct sql_ctx *ctx, struct ecc_sql_problem *problem, const char *wrong, const char *meant)
{
    if (!meant)
        return;
    problem->wrong = ecc_arena_strdup(ctx->keep, wrong);
    problem->meant = ecc_arena_strdup(ctx->keep, meant);
}

static uint32_t first_word(const struct sql_ctx *ctx)
{
    return (uint32_t)strspn(ctx->source, " \t\r\n\f");
}

struct ecc_sql_problem *sql_problem(struct sql_ctx *ctx, int64_t at, const char *help, const char *format, ...)
{
    char buffer[512];
    va_list args;

    va_start(args, format);
    vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    uint32_t place = at < 0 || (size_t)at > strlen(ctx->text) ? first_word(ctx) : sql_source_at(ctx, (uint32_t)at);
    return add_problem(ctx, place > ctx->source_length ? ctx->source_length : place, buffer, help);
}

/* libpg_query counts characters, from 1. */
static uint32_t byte_of_character(const char *text, int character)
{
    const char *p = text;

    for (int i = 1; *p && (i < character || ((unsigned char)*p & 0xc0) == 0x80); p++)
        i += ((unsigned char)*p & 0xc0) != 0x80;
    return (uint32_t)(p - text);
}

static void syntax_error(struct sql_ctx *ctx, const PgQueryError *error)
{
    const char *message = error->message ? error->message : "the statement can't be parsed";
    const char *quote = strstr(message, "\"$");
    uint32_t at = byte_of_character(ctx->text, error->cursorpos);
    size_t number = 0;

    if (quote && sscanf(quote, "\"$%zu\"", &number) == 1 && number >= 1 && number <= ctx->paths.n)
        message = sql_format(ctx, "syntax error at or near `:%s`", ctx->paths.items[number - 1]);
    sql_problem(ctx, error->cursorpos > 0 ? (int64_t)at : -1, NULL, "%s", message);
}

static const char *table_name(const struct ecc_sql_node *item)
{
    const struct ecc_sql_node *body = ecc_sql_body(item);

    if (ecc_sql_is(item, "RangeVar"))
        return ecc_sql_text(body, "relname");
    if (ecc_sql_is(item, "JoinExpr"))
        return table_name(ecc_sql_at(body, "larg"));
    if (ecc_sql_is(item, "RangeSubselect"))
        return table_name(ecc_sql_item(ecc_sql_at(ecc_sql_body(ecc_sql_at(body, "subquery")), "fromClause"), 0));
    return "";
}

static const char *suggest_name(struct sql_ctx *ctx, const struct ecc_sql_node *stmt)
{
    static const struct {
        const char *kind, *verb;
    } verbs[] = {{"InsertStmt", "insert"}, {"UpdateStmt", "update"}, {"DeleteStmt", "delete"}};
    const struct ecc_sql_node *body = ecc_sql_body(stmt);
    const char *verb = "select", *table = NULL;

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (ecc_sql_is(stmt, verbs[i].kind)) {
            verb = verbs[i].verb;
            table = ecc_sql_text(ecc_sql_at(body, "relation"), "relname");
        }
    }
    if (!table)
        table = table_name(ecc_sql_item(ecc_sql_at(body, "fromClause"), 0));
    for (const char *p = table; *p; p++) {
        if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_'))
            return verb;
    }
    return *table ? sql_format(ctx, "%s_%s", verb, table) : verb;
}

static bool is_field_name(const char *name)
{
    const char *p = name;

    if (!p || *p < 'a' || *p > 'z')
        return false;
    for (; *p; p++) {
        if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || (*p == '_' && p[1] != '_' && p[1])))
            return false;
    }
    return true;
}

static int64_t target_at(const struct ecc_sql_node *stmt, size_t columns, size_t i)
{
    const struct ecc_sql_node *body = ecc_sql_body(stmt);
    const struct ecc_sql_node *list = ecc_sql_at(body, ecc_sql_is(stmt, "SelectStmt") ? "targetList" : "returningList");

    if (!list || list->n != columns) /* a star, or VALUES */
        i = 0;
    const struct ecc_sql_node *target = ecc_sql_item(list, i);
    return target ? sql_at_of(ecc_sql_at(ecc_sql_body(target), "val")) : -1;
}

static const struct ecc_record *make_row(struct sql_ctx *ctx, const struct ecc_sql_node *stmt, const struct sql_columns *columns)
{
    struct ecc_record *row = ECC_NEW(ctx->keep, struct ecc_record);

    row->fields = ECC_NEW_ARRAY(ctx->keep, struct ecc_field, columns->n);
    row->nfields = columns->n;
    for (size_t i = 0; i < columns->n; i++) {
        const struct sql_column *column = &columns->items[i];
        int64_t at = target_at(stmt, columns->n, i);
        const char *name = column->name;
        const struct ecc_type *type = sql_language_type(ctx->keep, column->value);
        if (column->value.base == SQL_BAD && !name)
            name = "unknown"; /* `*` of a table that has been reported */
        else if (!is_field_name(name))
            sql_problem(ctx, at, "add `AS name`", "result column %zu has no name that a field can have", i + 1);
        if (!is_field_name(name))
            name = sql_format(ctx, "column%zu", i + 1);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(row->fields[j].name, name) == 0 && column->value.base != SQL_BAD) {
                sql_problem(ctx, at, "add `AS name` to one of them", "two result columns are called `%s`", name);
                break;
            }
        }
        if (!type) {
            const char *cast = column->value.base == SQL_NUMERIC ? "bigint" : "text";
            const char *pg = column->value.base == SQL_UNKNOWN ? NULL : sql_describe(ctx, column->value);
            const char *help = sql_format(ctx, "add a cast, such as `(...)::%s AS %s`", cast, name);
            if (pg && column->value.base != SQL_UNTYPED)
                sql_problem(ctx, at, help, "result column `%s` is %s, which the language does not have", name, pg);
            else
                sql_problem(ctx, at, help, "the type of result column `%s` can't be inferred", name);
            type = &ecc_type_unknown;
        }
        name = ecc_arena_strdup(ctx->keep, name);
        row->fields[i] = (struct ecc_field){.name = name, .wire = name, .type = type};
    }
    sql_note_row(ctx, row, columns);
    return row;
}

static bool check_kind(struct sql_ctx *ctx, const struct ecc_sql_node *stmt)
{
    static const char *const taken[] = {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt"};
    const char *kind = ecc_sql_kind(stmt);

    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        if (strcmp(kind, taken[i]) == 0)
            return true;
    }
    if (strcmp(kind, "TransactionStmt") == 0)
        sql_problem(ctx, -1, "write `tx { ... }`", "transactions are not made by SQL");
    else if (strstr(kind, "Create") || strstr(kind, "Alter") || strstr(kind, "Drop") || strstr(kind, "Index") || strstr(kind, "Truncate"))
        sql_problem(ctx, -1, "tables are declared in `database`", "a statement can't change the schema");
    else
        sql_problem(ctx, -1, NULL, "only SELECT, VALUES, INSERT, UPDATE and DELETE are taken here");
    return false;
}

static void check_shape(struct sql_ctx *ctx, const struct ecc_sql_node *stmt, enum ecc_sql_shape shape, size_t columns)
{
    if (shape == ECC_SQL_EXEC && columns)
        sql_problem(ctx, ecc_sql_is(stmt, "SelectStmt") ? -1 : target_at(stmt, 0, 0),
                    ecc_sql_is(stmt, "SelectStmt") ? "write `let x = sql one`, `maybe` or `many`"
                                                   : "leave RETURNING out, or write `let x = sql one`",
                    "`sql exec` has no use for rows");
    else if (shape != ECC_SQL_EXEC && !columns)
        sql_problem(ctx, -1, "add RETURNING, or write `sql exec`", "this statement gives no rows");
}

static struct sql_ctx context(struct ecc_arena *keep, const struct ecc_sql_scope *scope, const char *sql, size_t length,
                              struct ecc_sql_problems *problems)
{
    struct ecc_arena *arena = scope->notes ? keep : ecc_arena_scratch(keep); /* who takes notes keeps what they name */
    const char *copy = ecc_arena_strndup(arena, sql, length);

    return (struct sql_ctx){
        .arena = arena,
        .keep = keep,
        .scope = scope,
        .problems = problems,
        .source = copy,
        .source_length = (uint32_t)strlen(copy),
        .text = ecc_arena_strdup(arena, ""),
        .notes = scope->notes,
    };
}

/* The only statement of the text, or NULL. */
static const struct ecc_sql_node *parse(struct sql_ctx *ctx)
{
    const struct ecc_sql_scope *scope = ctx->scope;
    const struct ecc_sql_node *tree = NULL, *stmts;

    if (scope->ahead)
        tree = ecc_sql_ahead_take(scope->ahead, scope->number, ctx->text);
    if (!tree) {
        PgQueryParseResult result = pg_query_parse(ctx->text);
        if (result.error)
            syntax_error(ctx, result.error);
        else if (!(tree = ecc_sql_tree(ctx->arena, result.parse_tree)))
            sql_problem(ctx, -1, NULL, "the statement is nested too deeply");
        pg_query_free_parse_result(result);
    }
    if (!tree)
        return NULL;
    stmts = ecc_sql_at(tree, "stmts");
    if (!stmts || !stmts->n) {
        sql_problem(ctx, -1, NULL, "the statement is empty");
        return NULL;
    }
    if (stmts->n > 1) {
        int64_t at = ecc_sql_int(ecc_sql_item(stmts, 1), "stmt_location");
        at += (int64_t)strspn(ctx->text + at, " \t\r\n\f");
        sql_problem(ctx, at, "write a second `sql`", "one statement at a time");
        return NULL;
    }
    return ecc_sql_at(stmts->first, "stmt");
}

static const char *trimmed(struct ecc_arena *arena, const char *text)
{
    size_t from = strspn(text, " \t\r\n\f"), to = strlen(text);

    while (to > from && strchr(" \t\r\n\f", text[to - 1]))
        to--;
    return ecc_arena_strndup(arena, text + from, to - from);
}

/* Lines after the first lose what they are all indented by in the source. */
static const char *outdented(const struct sql_ctx *ctx, const char *text)
{
    size_t common = SIZE_MAX;

    if (ctx->lines || !strchr(text, '\n'))
        return text;
    char *out = ecc_arena_alloc(ctx->keep, strlen(text) + 1), *p = out;
    for (const char *line = strchr(text, '\n'); line; line = strchr(line + 1, '\n')) {
        size_t n = strspn(line + 1, " ");
        if (line[1 + n] && line[1 + n] != '\n' && n < common)
            common = n;
    }
    for (; *text; text++) {
        *p++ = *text;
        if (*text == '\n') {
            size_t n = strspn(text + 1, " ");
            text += n < common ? n : common;
        }
    }
    *p = '\0';
    return out;
}

bool ecc_sql_check(struct ecc_arena *arena, const struct ecc_sql_scope *scope, const char *sql, size_t length, enum ecc_sql_shape shape,
                   struct ecc_sql *out, struct ecc_sql_problems *problems)
{
    struct sql_ctx ctx = context(arena, scope, sql, length, problems);
    size_t before = problems->n;

    out->shape = shape;
    out->source = trimmed(arena, ctx.source);
    out->name = "select";
    out->row = NULL;
    out->effect = NULL;
    bool scanned = sql_scan(&ctx);
    const char *uncast = ctx.text;
    out->params = ctx.params.items;
    out->param_names = ctx.names.items;
    out->nparams = ctx.params.n;
    const struct ecc_sql_node *stmt = scanned ? parse(&ctx) : NULL;
    if (stmt && check_kind(&ctx, stmt)) {
        struct sql_columns columns = {0};
        sql_query(&ctx, NULL, NULL, stmt, &columns);
        out->name = ecc_arena_strdup(arena, suggest_name(&ctx, stmt));
        if (problems->n == before || columns.n)
            check_shape(&ctx, stmt, shape, columns.n);
        if (shape != ECC_SQL_EXEC)
            out->row = make_row(&ctx, stmt, &columns);
        if (problems->n == before)
            out->effect = sql_effect(&ctx, stmt, out->row);
    }
    out->writes = ctx.writes;
    if (problems->n == before)
        sql_finish(&ctx);
    out->text = outdented(&ctx, trimmed(arena, problems->n == before ? ctx.text : uncast));
    return problems->n == before && !ctx.failed;
}

const char *ecc_sql_constraint_prefix(enum ecc_constraint_kind kind)
{
    return kind == ECC_CON_CHECK ? "SELECT (" : "CREATE INDEX ON t (";
}

bool ecc_sql_check_constraint(struct ecc_arena *arena, const struct ecc_table *table, enum ecc_constraint_kind kind, const char *sql,
                              struct ecc_sql_scope scope, struct ecc_sql_problems *problems)
{
    struct ecc_table *const tables[] = {(struct ecc_table *)table};
    size_t before = problems->n;
    const char *prefix = ecc_sql_constraint_prefix(kind);
    struct sql_from from = {0};

    scope.tables = tables;
    scope.ntables = 1;
    struct sql_ctx ctx = context(arena, &scope, sql, strlen(sql), problems);
    if (!sql_scan(&ctx))
        return false;
    /* Parsed inside its statement, with places moved: the prefix is a piece that has no source. */
    size_t shift = strlen(prefix);
    ctx.text = ecc_arena_printf(ctx.arena, "%s%s)", prefix, ctx.source);
    ECC_PUSH(ctx.arena, &ctx.pieces, ((struct sql_piece){.text_at = 0, .text_length = (uint32_t)shift}));
    const struct ecc_sql_node *stmt = parse(&ctx);
    if (!stmt)
        return false;
    sql_add_table(&ctx, &from, table, NULL);
    const struct ecc_sql_node *body = ecc_sql_body(stmt);
    if (kind == ECC_CON_CHECK && ecc_sql_is(stmt, "SelectStmt") && body->n == 3 && ecc_sql_at(body, "targetList")) {
        const struct ecc_sql_node *target = ecc_sql_body(ecc_sql_item(ecc_sql_at(body, "targetList"), 0));
        if (ecc_sql_at(body, "targetList")->n != 1 || *ecc_sql_text(target, "name"))
            sql_problem(&ctx, (int64_t)shift, NULL, "a check is one condition");
        else
            sql_condition(&ctx, &from, ecc_sql_at(target, "val"), "a check");
    } else if (kind != ECC_CON_CHECK && ecc_sql_is(stmt, "IndexStmt") && !ecc_sql_at(body, "whereClause") && !ecc_sql_at(body, "options") &&
               !ecc_sql_at(body, "indexIncludingParams")) {
        for ECC_SQL_EACH (item, ecc_sql_at(body, "indexParams")) {
            const struct ecc_sql_node *element = ecc_sql_body(item);
            const char *name = ecc_sql_text(element, "name");
            const struct ecc_sql_node *fields = ecc_sql_at(element, "expr");
            if (*name) {
                bool found = false;
                for (size_t i = 0; i < table->ncolumns; i++) {
                    if (strcmp(table->columns[i].name, name) != 0)
                        continue;
                    found = true;
                    sql_note_after(&ctx, &table->columns[i], (int64_t)shift);
                }
                const char *at = strstr(ctx.text + shift, name);
                bool plain = strcmp(ecc_sql_text(element, "ordering"), "SORTBY_DEFAULT") == 0 &&
                             strcmp(ecc_sql_text(element, "nulls_ordering"), "SORTBY_NULLS_DEFAULT") == 0 &&
                             !ecc_sql_at(element, "collation") && !ecc_sql_at(element, "opclass");
                if (!found)
                    sql_problem(&ctx, at ? at - ctx.text : (int64_t)shift, NULL, "`%s` has no column `%s`", table->name, name);
                else if (kind != ECC_CON_INDEX && !plain)
                    sql_problem(&ctx, at ? at - ctx.text : (int64_t)shift, NULL, "a key is made of columns, without an order");
            } else if (kind != ECC_CON_INDEX) {
                sql_problem(&ctx, (int64_t)shift, NULL, "a key is made of columns");
            } else {
                sql_expr(&ctx, &from, fields);
            }
        }
    } else {
        sql_problem(&ctx, (int64_t)shift, NULL, kind == ECC_CON_CHECK ? "a check is one condition" : "a list of columns belongs here");
    }
    return problems->n == before;
}
