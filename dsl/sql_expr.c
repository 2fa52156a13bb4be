/* The type of an expression. */
#include "sql_internal.h"

#include <string.h>

int64_t sql_at_of(const struct ecc_sql_node *node)
{
    const struct ecc_sql_node *body = ecc_sql_body(node);

    if (!body)
        return -1;
    /* An operator's own place is in the middle. */
    const struct ecc_sql_node *left = ecc_sql_at(body, "lexpr");
    if (!left && (ecc_sql_is(node, "TypeCast") || ecc_sql_is(node, "NullTest")))
        left = ecc_sql_at(body, "arg");
    if (left)
        return sql_at_of(left);
    if (ecc_sql_is(node, "SelectStmt"))
        return sql_at_of(ecc_sql_item(ecc_sql_at(body, "targetList"), 0));
    return ecc_sql_int(body, "location");
}

struct sql_value sql_key(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *node)
{
    struct sql_value value = sql_expr(ctx, from, node);

    sql_want_cast(ctx, value, SQL_CAST_ALWAYS);
    sql_check_equal(ctx, value, sql_at_of(node));
    return value;
}

void sql_keys(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *list)
{
    for ECC_SQL_EACH (item, list)
        sql_key(ctx, from, item);
}

void sql_exprs(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *list)
{
    for ECC_SQL_EACH (item, list)
        sql_want_cast(ctx, sql_expr(ctx, from, item), SQL_CAST_ALWAYS);
}

void sql_stand(struct sql_from *from, const char *place, bool aggregates)
{
    from->place = place;
    from->aggregates = aggregates;
}

void sql_condition(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *node, const char *where)
{
    const char *place = from->place;
    bool aggregates = from->aggregates;

    if (strcmp(where, "WHERE") == 0 || strcmp(where, "ON") == 0 || strcmp(where, "HAVING") == 0 || strcmp(where, "a check") == 0)
        sql_stand(from, where, *where == 'H');
    struct sql_value value = sql_expr(ctx, from, node);
    sql_stand(from, place, aggregates);
    if (value.base > SQL_UNTYPED && value.base != SQL_BOOL)
        sql_problem(ctx, sql_at_of(node), NULL, "%s needs a condition, this is %s", where, sql_describe(ctx, value));
}

static struct sql_value constant(const struct ecc_sql_node *body)
{
    const struct ecc_sql_node *string = ecc_sql_at(body, "sval");
    struct sql_value value = {.base = SQL_UNTYPED};

    if (string)
        value.literal = ecc_sql_text(string, "sval");
    else if (ecc_sql_at(body, "ival"))
        value = (struct sql_value){.base = SQL_INT, .pg = "int4"};
    else if (ecc_sql_at(body, "boolval"))
        value.base = SQL_BOOL;
    else if (ecc_sql_at(body, "fval")) { /* also what doesn't fit 32 bits */
        const char *text = ecc_sql_text(ecc_sql_at(body, "fval"), "fval");
        value.base = strpbrk(text, ".eE") || strlen(text) > 18 ? SQL_NUMERIC : SQL_INT;
    } else if (ecc_sql_at(body, "bsval")) {
        value = (struct sql_value){.base = SQL_OTHER, .pg = "bit"};
    } else {
        value.nullable = true;
    }
    return value;
}

static struct sql_value case_expr(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
{
    const struct ecc_sql_node *arg = ecc_sql_at(body, "arg"), *otherwise = ecc_sql_at(body, "defresult");
    struct sql_value subject = arg ? sql_expr(ctx, from, arg) : sql_of(SQL_BOOL, false);
    sql_want_cast(ctx, subject, SQL_CAST_ALWAYS);
    struct sql_value out = otherwise ? sql_expr(ctx, from, otherwise) : (struct sql_value){.base = SQL_UNTYPED, .nullable = true};

    sql_want_cast(ctx, out, SQL_CAST_ALWAYS);
    out.param = 0;
    for ECC_SQL_EACH (item, ecc_sql_at(body, "args")) {
        const struct ecc_sql_node *when = ecc_sql_body(item), *result = ecc_sql_at(when, "result");
        if (arg)
            sql_compare(ctx, "=", subject, sql_expr(ctx, from, ecc_sql_at(when, "expr")), sql_at_of(ecc_sql_at(when, "expr")));
        else
            sql_condition(ctx, from, ecc_sql_at(when, "expr"), "WHEN");
        struct sql_value value = sql_expr(ctx, from, result);
        sql_want_cast(ctx, value, SQL_CAST_ALWAYS);
        out = sql_unify(ctx, out, value, sql_at_of(result), "CASE");
    }
    return out;
}

static struct sql_value array_of(struct sql_ctx *ctx, char element)
{
    char letter = sql_array_letter(element == sql_letter("unknown") ? sql_letter("text") : element);

    return letter ? sql_of_letter(ctx, letter, false) : sql_of(SQL_UNKNOWN, false);
}

static struct sql_value array(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *elements)
{
    struct sql_value out = {.base = SQL_UNTYPED};

    for ECC_SQL_EACH (item, elements) {
        struct sql_value value = sql_expr(ctx, from, item);
        sql_want_cast(ctx, value, SQL_CAST_ALWAYS);
        out = item == elements->first ? value : sql_unify(ctx, out, value, sql_at_of(item), "ARRAY");
    }
    if (!elements || !elements->n)
        return sql_of(SQL_UNKNOWN, false);
    return out.base == SQL_BAD ? out : array_of(ctx, sql_value_letter(out));
}

/* COALESCE, GREATEST, LEAST: null only when every argument is. */
static struct sql_value first_present(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body, const char *what)
{
    struct sql_value out = {.base = SQL_UNTYPED};
    bool nullable = true, first = true;

    for ECC_SQL_EACH (item, ecc_sql_at(body, "args")) {
        struct sql_value value = sql_expr(ctx, from, item);
        sql_want_cast(ctx, value, SQL_CAST_ALWAYS);
        nullable = nullable && value.nullable;
        if (first)
            out = value;
        else
            out = sql_unify(ctx, out, value, sql_at_of(item), what);
        first = false;
    }
    out.param = 0;
    out.nullable = nullable;
    return out;
}

static struct sql_value sublink(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
{
    const char *type = ecc_sql_text(body, "subLinkType");
    const struct ecc_sql_node *test = ecc_sql_at(body, "testexpr");
    struct sql_columns columns = {0};
    size_t before = ctx->problems->n;

    sql_query(ctx, from, NULL, ecc_sql_at(body, "subselect"), &columns);
    if (strcmp(type, "EXISTS_SUBLINK") == 0)
        return sql_of(SQL_BOOL, false);
    if (strcmp(type, "ARRAY_SUBLINK") == 0)
        return array_of(ctx, columns.n == 1 ? sql_value_letter(columns.items[0].value) : 0);
    if (test && ecc_sql_is(test, "RowExpr")) {
        const struct ecc_sql_node *args = ecc_sql_at(ecc_sql_body(test), "args");
        size_t i = 0;
        if (args->n != columns.n)
            sql_problem(ctx, sql_at_of(test), NULL, "these rows have %zu and %zu columns", args->n, columns.n);
        for ECC_SQL_EACH (item, args) {
            struct sql_value a = sql_expr(ctx, from, item);
            if (args->n == columns.n)
                sql_compare(ctx, "=", a, columns.items[i++].value, sql_at_of(item));
        }
        return sql_of(SQL_BOOL, true);
    }
    if (columns.n != 1) {
        if (columns.n || ctx->problems->n == before)
            sql_problem(ctx, ecc_sql_int(body, "location"), NULL, "a subquery used as a value has one column, not %zu", columns.n);
        return sql_of(SQL_BAD, true);
    }
    struct sql_value value = columns.items[0].value;
    if (test) {
        const struct ecc_sql_node *name = ecc_sql_at(body, "operName");
        struct sql_value a = sql_expr(ctx, from, test);
        return sql_compare(ctx, name ? ecc_sql_string(name, name->n - 1) : "=", a, value, sql_at_of(test));
    }
    value.nullable = true; /* no row */
    value.column = NULL;
    return value;
}

static struct sql_value value_function(const char *op)
{
    if (strstr(op, "CURRENT_TIMESTAMP"))
        return sql_of(SQL_TIME, false);
    if (strstr(op, "DATE") || strstr(op, "TIME"))
        return (struct sql_value){.base = SQL_OTHER, .pg = strstr(op, "DATE") ? "date" : "time without zone"};
    return sql_of(SQL_TEXT, false);
}

static struct sql_value parameter(struct sql_ctx *ctx, const struct ecc_sql_node *body)
{
    int64_t number = ecc_sql_int(body, "number");

    if (number < 1 || number > (int64_t)ctx->params.n || !ctx->params.items[number - 1])
        return sql_of(SQL_BAD, false);
    struct sql_value value = sql_of_type(ctx->params.items[number - 1]->type);
    value.param = (int)number;
    return value;
}

/* x[i], x[i:j], (x).y */
static struct sql_value indirection(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
{
    struct sql_value value = sql_expr(ctx, from, ecc_sql_at(body, "arg"));

    sql_want_cast(ctx, value, SQL_CAST_ALWAYS);
    for ECC_SQL_EACH (item, ecc_sql_at(body, "indirection")) {
        const struct ecc_sql_node *index = ecc_sql_body(item), *ends[] = {ecc_sql_at(index, "lidx"), ecc_sql_at(index, "uidx")};
        char element = sql_element_letter(sql_value_letter(value));
        bool slice = ecc_sql_bool(index, "is_slice");
        if (value.base == SQL_BAD)
            return value;
        if (!ecc_sql_is(item, "A_Indices") || (!element && value.base != SQL_JSON && value.base != SQL_UNKNOWN) ||
            (slice && value.base == SQL_JSON)) {
            sql_problem(ctx, sql_at_of(ecc_sql_at(body, "arg")), NULL, "%s has no parts that can be reached like this",
                        sql_describe(ctx, value));
            return sql_of(SQL_BAD, true);
        }
        for (size_t i = 0; i < 2; i++) {
            struct sql_value at = ends[i] ? sql_expr(ctx, from, ends[i]) : sql_of(SQL_BAD, false);
            char letter = sql_value_letter(at);
            sql_want_cast(ctx, at, SQL_CAST_ALWAYS);
            if (letter && value.base != SQL_JSON && !sql_coerces(letter, sql_letter("int4"), SQL_ASSIGNMENT))
                sql_problem(ctx, sql_at_of(ends[i]), NULL, "an index is a number, this is %s", sql_describe(ctx, at));
            if (letter && value.base == SQL_JSON && letter != sql_letter("text") &&
                !sql_coerces(letter, sql_letter("int4"), SQL_IMPLICIT) && letter != sql_letter("unknown"))
                sql_problem(ctx, sql_at_of(ends[i]), "write `(...)::int`", "an index into json is a text or an int4, this is %s",
                            sql_describe(ctx, at));
        }
        if (value.base == SQL_JSON && value.pg && strcmp(value.pg, "json") == 0) {
            sql_problem(ctx, sql_at_of(ecc_sql_at(body, "arg")), "a cast makes it jsonb",
                        "json has no parts that can be reached like this");
            return sql_of(SQL_BAD, true);
        }
        if (element && !slice)
            value = sql_of_letter(ctx, element, true);
    }
    value.nullable = true;
    value.lang = value.base == SQL_JSON ? NULL : value.lang;
    value.param = 0;
    return value;
}

/* A text, or an array of texts. */
static struct sql_value collated(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
{
    struct sql_value value = sql_expr(ctx, from, ecc_sql_at(body, "arg"));
    char element = sql_element_letter(sql_value_letter(value));

    if (value.base > SQL_UNTYPED && value.base != SQL_TEXT && (!element || sql_of_letter(ctx, element, false).base != SQL_TEXT))
        sql_problem(ctx, ecc_sql_int(body, "location"), NULL, "only text has a collation, this is %s", sql_describe(ctx, value));
    return value;
}

struct sql_value sql_expr(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *node)
{
    const struct ecc_sql_node *body = ecc_sql_body(node);
    const char *kind = ecc_sql_kind(node);

    switch (*kind) {
    case 'A':
        if (strcmp(kind, "A_Const") == 0)
            return constant(body);
        if (strcmp(kind, "A_Expr") == 0)
            return sql_operation(ctx, from, body);
        if (strcmp(kind, "A_Indirection") == 0)
            return indirection(ctx, from, body);
        if (strcmp(kind, "A_ArrayExpr") == 0) {
            return array(ctx, from, ecc_sql_at(body, "elements"));
        }
        break;
    case 'B':
        if (strcmp(kind, "BoolExpr") == 0) {
            bool nullable = false;
            for ECC_SQL_EACH (arg, ecc_sql_at(body, "args")) {
                struct sql_value value = sql_expr(ctx, from, arg);
                if (value.base > SQL_UNTYPED && value.base != SQL_BOOL)
                    sql_problem(ctx, sql_at_of(arg), NULL, "AND, OR and NOT need conditions, this is %s", sql_describe(ctx, value));
                nullable |= value.nullable;
            }
            return sql_of(SQL_BOOL, nullable);
        }
        if (strcmp(kind, "BooleanTest") == 0) {
            sql_condition(ctx, from, ecc_sql_at(body, "arg"), "IS TRUE");
            return sql_of(SQL_BOOL, false);
        }
        break;
    case 'C':
        if (strcmp(kind, "ColumnRef") == 0)
            return sql_column_ref(ctx, from, body);
        if (strcmp(kind, "CoalesceExpr") == 0)
            return first_present(ctx, from, body, "COALESCE");
        if (strcmp(kind, "CaseExpr") == 0)
            return case_expr(ctx, from, body);
        if (strcmp(kind, "CollateClause") == 0)
            return collated(ctx, from, body);
        break;
    case 'F':
        if (strcmp(kind, "FuncCall") == 0)
            return sql_function(ctx, from, body);
        break;
    case 'G':
        if (strcmp(kind, "GroupingFunc") == 0)
            return sql_of(SQL_INT, false);
        if (strcmp(kind, "GroupingSet") == 0) {
            sql_exprs(ctx, from, ecc_sql_at(body, "content"));
            return sql_of(SQL_UNKNOWN, false);
        }
        break;
    case 'L':
        if (strcmp(kind, "List") == 0) {
            sql_exprs(ctx, from, ecc_sql_at(body, "items"));
            return sql_of(SQL_UNKNOWN, false);
        }
        break;
    case 'M':
        if (strcmp(kind, "MinMaxExpr") == 0)
            return first_present(ctx, from, body, "GREATEST and LEAST");
        break;
    case 'N':
        if (strcmp(kind, "NullTest") == 0) {
            sql_want_cast(ctx, sql_expr(ctx, from, ecc_sql_at(body, "arg")), SQL_CAST_ALWAYS);
            return sql_of(SQL_BOOL, false);
        }
        if (strcmp(kind, "NamedArgExpr") == 0)
            return sql_expr(ctx, from, ecc_sql_at(body, "arg"));
        break;
    case 'P':
        if (strcmp(kind, "ParamRef") == 0)
            return parameter(ctx, body);
        break;
    case 'R':
        if (strcmp(kind, "RowExpr") == 0) {
            sql_exprs(ctx, from, ecc_sql_at(body, "args"));
            return (struct sql_value){.base = SQL_OTHER, .pg = "a row"};
        }
        break;
    case 'S':
        if (strcmp(kind, "SubLink") == 0)
            return sublink(ctx, from, body);
        if (strcmp(kind, "SQLValueFunction") == 0)
            return value_function(ecc_sql_text(body, "op"));
        if (strcmp(kind, "SetToDefault") == 0) {
            sql_problem(ctx, ecc_sql_int(body, "location"), NULL, "DEFAULT can't stand here");
            return sql_of(SQL_BAD, false);
        }
        break;
    case 'T':
        if (strcmp(kind, "TypeCast") == 0) {
            struct sql_value arg = sql_expr(ctx, from, ecc_sql_at(body, "arg"));
            struct sql_value out = sql_of_type_name(ctx, ecc_sql_at(body, "typeName"), arg.nullable);
            char from_letter = sql_value_letter(arg), to = sql_value_letter(out);
            if (from_letter && to && !sql_coerces(from_letter, to, SQL_EXPLICIT)) {
                sql_problem(ctx, sql_at_of(node), NULL, "%s can't become %s", sql_describe(ctx, arg), sql_describe(ctx, out));
                return sql_of(SQL_BAD, arg.nullable);
            }
            if (from_letter != to)
                sql_want_cast(ctx, arg, SQL_CAST_ALWAYS);
            sql_check_literal(ctx, to, arg, sql_at_of(node));
            return out;
        }
        break;
    default:
        break;
    }
    return sql_of(SQL_UNKNOWN, true);
}
