/* Operators: which one PostgreSQL would take, and what it gives. */
#include "sql_internal.h"

#include <string.h>

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
static struct sql_value choose(struct sql_ctx *ctx, const char *op, struct sql_value a, struct sql_value b, int64_t at,
                               struct sql_choice *out)
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
    enum sql_found bare =
        a.param || b.param ? sql_choose_operator(op, a.param ? unknown : left, b.param ? unknown : right, &without) : SQL_NO_MATCH;
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
struct sql_value sql_compare(struct sql_ctx *ctx, const char *op, struct sql_value a, struct sql_value b, int64_t at)
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
        nullable |= sql_compare(ctx, op, a, b, sql_at_of(item)).nullable;
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
    if (one_of(op, comparisons)) { /* at the side that sql_check_compare tells about */
        bool tells_left = b.base != SQL_UNTYPED && (a.param || a.base == SQL_UNTYPED);
        return sql_compare(ctx, op, a, b, tells_left ? at : sql_at_of(right));
    }
    if ((strcmp(op, "->") == 0 || strcmp(op, "->>") == 0) && b.param && b.base == SQL_INT) {
        sql_problem(ctx, sql_at_of(right), sql_format(ctx, "write `:%s::int`", ctx->paths.items[b.param - 1]),
                    "an index into json is an int4");
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
        nullable |= sql_compare(ctx, "=", a, b, sql_at_of(item)).nullable;
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
        const char *help =
            b.param ? sql_format(ctx, "a list is jsonb: `IN (SELECT jsonb_array_elements_text(:%s::jsonb))` goes through its items",
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

struct sql_value sql_operation(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
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
            nullable |= sql_compare(ctx, item == items->first ? ">=" : "<=", a, b, sql_at_of(item)).nullable;
        }
        return sql_of(SQL_BOOL, nullable);
    }
    struct sql_value b = sql_expr(ctx, from, right);
    int64_t at = sql_at_of(b.param ? right : left);
    if (strcmp(kind, "AEXPR_DISTINCT") == 0 || strcmp(kind, "AEXPR_NOT_DISTINCT") == 0) {
        sql_compare(ctx, "=", a, b, at);
        return sql_of(SQL_BOOL, false);
    }
    if (strcmp(kind, "AEXPR_NULLIF") == 0)
        return nullif(ctx, a, b, at);
    struct sql_choice choice; /* LIKE, ILIKE, SIMILAR TO */
    meet_each(ctx, a, b);
    choose(ctx, ecc_sql_string(name, name ? name->n - 1 : 0), a, b, sql_at_of(left), &choice);
    return sql_of(SQL_BOOL, a.nullable || b.nullable);
}
