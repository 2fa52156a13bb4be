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

static bool one_of(const char *word, const char *const *list)
{
    for (; *list; list++) {
        if (strcmp(word, *list) == 0)
            return true;
    }
    return false;
}

static bool is_small(struct sql_value value)
{
    return value.base == SQL_INT && value.pg && strcmp(value.pg, "int8") != 0;
}

/* A parameter takes the type of what it meets. That must be its own: beside a small literal a bigint would become an int4, beside an
 * interval a time would become one, and beside another parameter it has none. */
static void meet(struct sql_ctx *ctx, struct sql_value param, struct sql_value other)
{
    if (other.base == SQL_BAD || other.base == SQL_UNKNOWN || other.base == SQL_OTHER)
        return;
    if (other.param || other.base == SQL_UNTYPED || other.base != param.base || is_small(other))
        sql_want_cast(ctx, param, SQL_CAST_ALWAYS);
}

static void meet_each(struct sql_ctx *ctx, struct sql_value a, struct sql_value b)
{
    meet(ctx, a, b);
    meet(ctx, b, a);
}

/* Which operator PostgreSQL would take; reported when there is none. Its result has the base BAD or UNKNOWN when that is so. */
static struct sql_value choose(struct sql_ctx *ctx, const char *op, struct sql_value a, struct sql_value b, int64_t at, struct sql_choice *out)
{
    char left = sql_value_letter(a), right = sql_value_letter(b), unknown = sql_letter("unknown");
    struct sql_choice without;
    const struct sql_value both[] = {a, b};

    *out = (struct sql_choice){{0}, 0, false};
    if (a.base == SQL_BAD || b.base == SQL_BAD)
        return sql_of(SQL_BAD, false);
    if (!left || !right)
        return sql_of(SQL_UNKNOWN, true);
    enum sql_found found = sql_choose_operator(op, left, right, out);
    enum sql_found bare = a.param || b.param ? sql_choose_operator(op, a.param ? unknown : left, b.param ? unknown : right, &without) : SQL_NO_MATCH;
    if (found != SQL_FOUND) {
        const char *help = found == SQL_AMBIGUOUS ? "say by a cast what the one or the other is" : NULL;
        if (bare == SQL_FOUND)
            help = sql_cast_params(ctx, both, 2, &without);
        sql_problem(ctx, at, help, "there is no `%s %s %s`", sql_describe(ctx, a), op, sql_describe(ctx, b));
        return sql_of(SQL_BAD, false);
    }
    if (a.param || b.param)
        sql_settle_params(ctx, both, 2, &without, bare);
    sql_check_literal(ctx, out->args[0], a, at);
    sql_check_literal(ctx, out->args[1], b, at);
    return sql_of_letter(ctx, out->result, a.nullable || b.nullable);
}

/* Comparisons are told about in the words of the language; then whether there is such an operator. */
static struct sql_value compare(struct sql_ctx *ctx, const char *op, struct sql_value a, struct sql_value b, int64_t at)
{
    size_t before = ctx->problems->n;
    struct sql_choice choice;

    meet_each(ctx, a, b);
    sql_check_compare(ctx, a, b, at);
    if (ctx->problems->n == before)
        choose(ctx, op, a, b, at, &choice);
    return sql_of(SQL_BOOL, a.nullable || b.nullable);
}

/* Rows are compared column by column: (a, b) with (c, d), or with what a subquery gives. */
static struct sql_value compare_rows(struct sql_ctx *ctx, struct sql_from *from, const char *op, const struct ecc_sql_node *row,
                                     const struct ecc_sql_node *other)
{
    const struct ecc_sql_node *left = ecc_sql_at(ecc_sql_body(row), "args"), *right = ecc_sql_at(ecc_sql_body(other), "args");
    struct sql_columns columns = {0};
    size_t i = 0, n = ecc_sql_is(other, "RowExpr") && right ? right->n : 0;
    bool nullable = false;

    if (!ecc_sql_is(other, "RowExpr")) {
        sql_query(ctx, from, NULL, ecc_sql_at(ecc_sql_body(other), "subselect"), &columns);
        n = columns.n;
        nullable = true; /* no row */
    }
    if (!left || left->n != n) {
        sql_problem(ctx, sql_at_of(row), NULL, "these rows have %zu and %zu columns", left ? left->n : 0, n);
        return sql_of(SQL_BOOL, true);
    }
    for ECC_SQL_EACH (item, left) {
        struct sql_value a = sql_expr(ctx, from, item);
        struct sql_value b = columns.n ? columns.items[i].value : sql_expr(ctx, from, ecc_sql_item(right, i));
        nullable |= compare(ctx, op, a, b, sql_at_of(item)).nullable;
        i++;
    }
    return sql_of(SQL_BOOL, nullable);
}

static bool is_row_of(const struct ecc_sql_node *node)
{
    const char *type = ecc_sql_is(node, "SubLink") ? ecc_sql_text(ecc_sql_body(node), "subLinkType") : "";

    return ecc_sql_is(node, "RowExpr") || strcmp(type, "EXPR_SUBLINK") == 0;
}

static struct sql_value prefix(struct sql_ctx *ctx, const char *op, struct sql_value b, int64_t at)
{
    struct sql_choice choice;
    char right = sql_value_letter(b);

    sql_want_cast(ctx, b, SQL_CAST_ALWAYS);
    if (!right)
        return sql_of(b.base == SQL_BAD ? SQL_BAD : SQL_UNKNOWN, b.nullable);
    if (sql_choose_operator(op, 0, right, &choice) != SQL_FOUND) {
        sql_problem(ctx, at, NULL, "there is no `%s %s`", op, sql_describe(ctx, b));
        return sql_of(SQL_BAD, b.nullable);
    }
    return sql_of_letter(ctx, choice.result, b.nullable);
}

static struct sql_value operation(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
{
    static const char *const comparisons[] = {"=", "<>", "<", "<=", ">", ">=", NULL};
    static const char *const may_be_null[] = {"->", "->>", "#>", "#>>", "@?", "@@", NULL};
    const struct ecc_sql_node *left = ecc_sql_at(body, "lexpr"), *right = ecc_sql_at(body, "rexpr"), *name = ecc_sql_at(body, "name");
    const char *op = ecc_sql_string(name, name ? name->n - 1 : 0);
    int64_t at = left ? sql_at_of(left) : ecc_sql_int(body, "location");
    struct sql_choice choice;

    if (left && ecc_sql_is(left, "RowExpr") && is_row_of(right) && one_of(op, comparisons))
        return compare_rows(ctx, from, op, left, right);
    struct sql_value b = sql_expr(ctx, from, right);
    if (!left)
        return prefix(ctx, op, b, at);
    struct sql_value a = sql_expr(ctx, from, left);
    if (one_of(op, comparisons))
        return compare(ctx, op, a, b, b.param || b.base == SQL_UNTYPED ? sql_at_of(right) : at);
    if ((strcmp(op, "->") == 0 || strcmp(op, "->>") == 0) && b.param && b.base == SQL_INT) {
        sql_problem(ctx, sql_at_of(right), sql_format(ctx, "write `:%s::int`", ctx->paths.items[b.param - 1]), "an index into json is an int4");
        return sql_of(SQL_BAD, true);
    }
    meet_each(ctx, a, b);
    struct sql_value value = choose(ctx, op, a, b, at, &choice);
    value.nullable = value.nullable || one_of(op, may_be_null);
    return value;
}

static struct sql_value membership(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
{
    const struct ecc_sql_node *list = ecc_sql_at(body, "rexpr"), *left = ecc_sql_at(body, "lexpr");
    bool rows = ecc_sql_is(left, "RowExpr");
    struct sql_value a = rows ? sql_of(SQL_BAD, false) : sql_expr(ctx, from, left);
    bool nullable = a.nullable;

    if (ecc_sql_is(list, "List"))
        list = ecc_sql_at(ecc_sql_body(list), "items");
    for ECC_SQL_EACH (item, rows ? list : NULL)
        nullable |= compare_rows(ctx, from, "=", left, item).nullable;
    for ECC_SQL_EACH (item, rows ? NULL : list) {
        struct sql_value b = sql_expr(ctx, from, item);
        nullable |= compare(ctx, "=", a, b, sql_at_of(item)).nullable;
    }
    return sql_of(SQL_BOOL, nullable);
}

/* x = ANY (array): the array is another type; a list parameter is jsonb and can't stand here. */
static struct sql_value any_all(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
{
    struct sql_value a = sql_expr(ctx, from, ecc_sql_at(body, "lexpr"));
    const struct ecc_sql_node *right = ecc_sql_at(body, "rexpr"), *name = ecc_sql_at(body, "name");
    struct sql_value b = sql_expr(ctx, from, right), element = b;
    char letter = sql_value_letter(b), item = sql_element_letter(letter);
    struct sql_choice choice;

    if (letter && b.base != SQL_UNTYPED && !item) {
        const char *help = b.param ? sql_format(ctx, "a list is jsonb: `IN (SELECT jsonb_array_elements_text(:%s::jsonb))` goes through its items",
                                                ctx->paths.items[b.param - 1])
                                   : NULL;
        sql_problem(ctx, sql_at_of(right), help, "ANY and ALL need an array, this is %s", sql_describe(ctx, b));
    } else if (item) {
        element = sql_of_letter(ctx, item, b.nullable);
        choose(ctx, ecc_sql_string(name, name ? name->n - 1 : 0), a, element, sql_at_of(right), &choice);
    } else {
        sql_want_cast(ctx, a, SQL_CAST_ALWAYS);
    }
    return sql_of(SQL_BOOL, true); /* an array may have null in it */
}

static struct sql_value nullif(struct sql_ctx *ctx, struct sql_value a, struct sql_value b, int64_t at)
{
    struct sql_choice choice;
    size_t before = ctx->problems->n;

    meet_each(ctx, a, b);
    sql_check_compare(ctx, a, b, at);
    if (ctx->problems->n > before)
        return sql_of(SQL_BAD, true);
    struct sql_value value = choose(ctx, "=", a, b, at, &choice);
    if (value.base != SQL_BAD && value.base != SQL_UNKNOWN && choice.args[0] != sql_value_letter(a))
        a = sql_of_letter(ctx, choice.args[0], true);
    a.nullable = true;
    a.param = 0;
    return a;
}

static struct sql_value a_expr(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
{
    const char *kind = ecc_sql_text(body, "kind");
    const struct ecc_sql_node *left = ecc_sql_at(body, "lexpr"), *right = ecc_sql_at(body, "rexpr"), *name = ecc_sql_at(body, "name");

    if (strcmp(kind, "AEXPR_OP") == 0)
        return operation(ctx, from, body);
    if (strcmp(kind, "AEXPR_OP_ANY") == 0 || strcmp(kind, "AEXPR_OP_ALL") == 0)
        return any_all(ctx, from, body);
    if (strcmp(kind, "AEXPR_IN") == 0)
        return membership(ctx, from, body);
    struct sql_value a = sql_expr(ctx, from, left);
    if (strstr(kind, "BETWEEN")) {
        const struct ecc_sql_node *items = ecc_sql_is(right, "List") ? ecc_sql_at(ecc_sql_body(right), "items") : right;
        bool nullable = a.nullable;
        for ECC_SQL_EACH (item, items) {
            struct sql_value b = sql_expr(ctx, from, item);
            nullable |= compare(ctx, item == items->first ? ">=" : "<=", a, b, sql_at_of(item)).nullable;
        }
        return sql_of(SQL_BOOL, nullable);
    }
    struct sql_value b = sql_expr(ctx, from, right);
    int64_t at = sql_at_of(b.param ? right : left);
    if (strcmp(kind, "AEXPR_DISTINCT") == 0 || strcmp(kind, "AEXPR_NOT_DISTINCT") == 0) {
        compare(ctx, "=", a, b, at);
        return sql_of(SQL_BOOL, false);
    }
    if (strcmp(kind, "AEXPR_NULLIF") == 0)
        return nullif(ctx, a, b, at);
    struct sql_choice choice; /* LIKE, ILIKE, SIMILAR TO */
    meet_each(ctx, a, b);
    choose(ctx, ecc_sql_string(name, name ? name->n - 1 : 0), a, b, sql_at_of(left), &choice);
    return sql_of(SQL_BOOL, a.nullable || b.nullable);
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
            compare(ctx, "=", subject, sql_expr(ctx, from, ecc_sql_at(when, "expr")), sql_at_of(ecc_sql_at(when, "expr")));
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
                compare(ctx, "=", a, columns.items[i++].value, sql_at_of(item));
        }
        return sql_of(SQL_BOOL, true);
    }
    if (columns.n != 1) {
        if (columns.n)
            sql_problem(ctx, ecc_sql_int(body, "location"), NULL, "a subquery used as a value has one column, not %zu", columns.n);
        return sql_of(SQL_BAD, true);
    }
    struct sql_value value = columns.items[0].value;
    if (test) {
        const struct ecc_sql_node *name = ecc_sql_at(body, "operName");
        struct sql_value a = sql_expr(ctx, from, test);
        return compare(ctx, name ? ecc_sql_string(name, name->n - 1) : "=", a, value, sql_at_of(test));
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
        if (!ecc_sql_is(item, "A_Indices") || (!element && value.base != SQL_JSON && value.base != SQL_UNKNOWN) || (slice && value.base == SQL_JSON)) {
            sql_problem(ctx, sql_at_of(ecc_sql_at(body, "arg")), NULL, "%s has no parts that can be reached like this", sql_describe(ctx, value));
            return sql_of(SQL_BAD, true);
        }
        for (size_t i = 0; i < 2; i++) {
            struct sql_value at = ends[i] ? sql_expr(ctx, from, ends[i]) : sql_of(SQL_BAD, false);
            char letter = sql_value_letter(at);
            sql_want_cast(ctx, at, SQL_CAST_ALWAYS);
            if (letter && value.base != SQL_JSON && !sql_coerces(letter, sql_letter("int4"), SQL_ASSIGNMENT))
                sql_problem(ctx, sql_at_of(ends[i]), NULL, "an index is a number, this is %s", sql_describe(ctx, at));
            if (letter && value.base == SQL_JSON && letter != sql_letter("text") && !sql_coerces(letter, sql_letter("int4"), SQL_IMPLICIT) && letter != sql_letter("unknown"))
                sql_problem(ctx, sql_at_of(ends[i]), "write `(...)::int`", "an index into json is a text or an int4, this is %s", sql_describe(ctx, at));
        }
        if (value.base == SQL_JSON && value.pg && strcmp(value.pg, "json") == 0) {
            sql_problem(ctx, sql_at_of(ecc_sql_at(body, "arg")), "a cast makes it jsonb", "json has no parts that can be reached like this");
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

struct sql_value sql_expr(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *node)
{
    const struct ecc_sql_node *body = ecc_sql_body(node);
    const char *kind = ecc_sql_kind(node);

    switch (*kind) {
    case 'A':
        if (strcmp(kind, "A_Const") == 0)
            return constant(body);
        if (strcmp(kind, "A_Expr") == 0)
            return a_expr(ctx, from, body);
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
            return sql_expr(ctx, from, ecc_sql_at(body, "arg"));
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
