/* Queries: SELECT, VALUES, set operations, WITH, and the result columns that they give. */
#include "sql_internal.h"

#include <string.h>

/* The name that PostgreSQL gives a result column without AS; NULL where it has none. *origin: the ColumnRef that it is the name of. */
static const char *derived_name(const struct ecc_sql_node *node, const struct ecc_sql_node **origin)
{
    const struct ecc_sql_node *body = ecc_sql_body(node);
    const struct ecc_sql_node *list;

    if (ecc_sql_is(node, "ColumnRef") || ecc_sql_is(node, "FuncCall")) {
        list = ecc_sql_at(body, ecc_sql_is(node, "ColumnRef") ? "fields" : "funcname");
        if (ecc_sql_is(node, "ColumnRef"))
            *origin = body;
        return ecc_sql_string(list, list->n - 1);
    }
    if (ecc_sql_is(node, "TypeCast")) {
        const char *name = derived_name(ecc_sql_at(body, "arg"), origin);
        list = ecc_sql_at(ecc_sql_at(body, "typeName"), "names");
        return name ? name : ecc_sql_string(list, list->n - 1);
    }
    if (ecc_sql_is(node, "CollateClause"))
        return derived_name(ecc_sql_at(body, "arg"), origin);
    if (ecc_sql_is(node, "CoalesceExpr"))
        return "coalesce";
    if (ecc_sql_is(node, "MinMaxExpr"))
        return strcmp(ecc_sql_text(body, "op"), "IS_LEAST") == 0 ? "least" : "greatest";
    if (ecc_sql_is(node, "A_Expr") && strcmp(ecc_sql_text(body, "kind"), "AEXPR_NULLIF") == 0)
        return "nullif";
    if (ecc_sql_is(node, "CaseExpr")) {
        const char *name = ecc_sql_at(body, "defresult") ? derived_name(ecc_sql_at(body, "defresult"), origin) : NULL;
        return name ? name : "case";
    }
    if (ecc_sql_is(node, "SubLink")) {
        const char *type = ecc_sql_text(body, "subLinkType");
        if (strcmp(type, "EXISTS_SUBLINK") == 0)
            return "exists";
        if (strcmp(type, "ARRAY_SUBLINK") == 0)
            return "array";
        if (strcmp(type, "EXPR_SUBLINK") == 0) {
            const struct ecc_sql_node *target = ecc_sql_item(ecc_sql_at(ecc_sql_body(ecc_sql_at(body, "subselect")), "targetList"), 0);
            const char *name = ecc_sql_text(ecc_sql_body(target), "name");
            const struct ecc_sql_node *inner = NULL; /* it keeps its own name */
            return *name ? name : target ? derived_name(ecc_sql_at(ecc_sql_body(target), "val"), &inner) : NULL;
        }
    }
    if (ecc_sql_is(node, "SQLValueFunction"))
        return strstr(ecc_sql_text(body, "op"), "CURRENT_TIMESTAMP") ? "current_timestamp" : NULL;
    if (ecc_sql_is(node, "A_ArrayExpr"))
        return "array";
    return NULL;
}

void sql_targets(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *list, struct sql_columns *out)
{
    for ECC_SQL_EACH (item, list) {
        const struct ecc_sql_node *target = ecc_sql_body(item), *val = ecc_sql_at(target, "val");
        const struct ecc_sql_node *origin = NULL;
        const char *name = ecc_sql_text(target, "name");
        if (ecc_sql_is(val, "ColumnRef") && sql_star(ctx, from, ecc_sql_body(val), out))
            continue;
        struct sql_value value = sql_expr(ctx, from, val);
        sql_want_cast(ctx, value, SQL_CAST_ALWAYS);
        if (!*name)
            name = derived_name(val, &origin);
        if (!name)
            name = "?column?"; /* as PostgreSQL calls it; a column without a name is one of a table that has been reported */
        const char *literal = value.literal;
        sql_add_column(ctx, out, name, value);
        out->items[out->n - 1].value.literal = literal;
        out->items[out->n - 1].noted = sql_note_target(ctx, target, name, origin);
    }
}

/* Is a result meant, by its name or number? */
static bool names_output(struct sql_ctx *ctx, const struct sql_columns *outputs, const struct ecc_sql_node *node)
{
    if (ecc_sql_is(node, "A_Const")) {
        const struct ecc_sql_node *number = ecc_sql_at(ecc_sql_body(node), "ival");
        int64_t n = number ? ecc_sql_int(number, "ival") : 0;
        if (n < 1 || n > (int64_t)outputs->n)
            sql_problem(ctx, sql_at_of(node), NULL, "this is no number of a result");
        else
            sql_check_equal(ctx, outputs->items[n - 1].value, sql_at_of(node));
        return true;
    }
    const struct ecc_sql_node *fields = ecc_sql_at(ecc_sql_body(node), "fields");
    if (!ecc_sql_is(node, "ColumnRef") || fields->n != 1)
        return false;
    for (size_t i = 0; i < outputs->n; i++) {
        if (outputs->items[i].name && strcmp(outputs->items[i].name, ecc_sql_string(fields, 0)) == 0) {
            sql_check_equal(ctx, outputs->items[i].value, sql_at_of(node));
            return true;
        }
    }
    return false;
}

static void check_count(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *node, const char *what)
{
    if (!node)
        return;
    struct sql_from none = {.parent = from->parent, .ctes = from->ctes, .place = what};
    struct sql_value value = sql_expr(ctx, &none, node); /* the same for all rows */
    if (value.base > SQL_UNTYPED && !sql_is_number(value))
        sql_problem(ctx, sql_at_of(node), NULL, "%s needs a number, this is %s", what, sql_describe(ctx, value));
}

struct sql_ctes *sql_with(struct sql_ctx *ctx, struct sql_from *parent, struct sql_ctes *ctes, const struct ecc_sql_node *with)
{
    bool recursive = ecc_sql_bool(with, "recursive");

    for ECC_SQL_EACH (item, ecc_sql_at(with, "ctes")) {
        const struct ecc_sql_node *body = ecc_sql_body(item), *query = ecc_sql_at(body, "ctequery"),
                                  *names = ecc_sql_at(body, "aliascolnames");
        struct sql_ctes *cte = ECC_NEW(ctx->arena, struct sql_ctes);
        struct sql_columns columns = {0};
        cte->name = ecc_sql_text(body, "ctename");
        cte->next = ctes;
        bool loops = recursive && ecc_sql_is(query, "SelectStmt") && ecc_sql_at(ecc_sql_body(query), "larg");
        if (loops) { /* the first part says what the columns are */
            size_t problems = ctx->problems->n;
            sql_select(ctx, parent, ctes, ecc_sql_at(ecc_sql_body(query), "larg"), &cte->columns);
            ctx->problems->n = problems; /* they come again below */
            for (size_t i = 0; i < cte->columns.n; i++) {
                cte->columns.items[i].value.nullable = true;
                if (ecc_sql_item(names, i))
                    cte->columns.items[i].name = ecc_sql_string(names, i);
            }
        }
        sql_query(ctx, parent, loops ? cte : ctes, query, &columns);
        for (size_t i = 0; i < columns.n; i++) {
            if (ecc_sql_item(names, i))
                columns.items[i].name = ecc_sql_string(names, i);
            columns.items[i].value.column = columns.items[i].name;
            columns.items[i].value.literal = NULL;
        }
        cte->columns = columns;
        ctes = cte;
    }
    return ctes;
}

static void values(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *lists, struct sql_columns *out)
{
    bool first = true;

    for ECC_SQL_EACH (list, lists) {
        size_t i = 0;
        for ECC_SQL_EACH (item, ecc_sql_at(ecc_sql_body(list), "items")) {
            struct sql_value value = sql_expr(ctx, from, item);
            sql_want_cast(ctx, value, SQL_CAST_ALWAYS);
            if (first) {
                sql_add_column(ctx, out, sql_format(ctx, "column%zu", i + 1), value);
                out->items[i].value.literal = value.literal;
            } else if (i < out->n) {
                out->items[i].value = sql_unify(ctx, out->items[i].value, value, sql_at_of(item), "VALUES");
            }
            i++;
        }
        if (i != out->n)
            sql_problem(ctx, sql_at_of(ecc_sql_item(ecc_sql_at(ecc_sql_body(list), "items"), 0)), NULL,
                        "this row has %zu values, the first has %zu", i, out->n);
        first = false;
    }
}

static void set_operation(struct sql_ctx *ctx, struct sql_from *parent, struct sql_ctes *ctes, const struct ecc_sql_node *body,
                          struct sql_columns *out)
{
    struct sql_columns right = {0};
    const struct ecc_sql_node *rarg = ecc_sql_at(body, "rarg"), *larg = ecc_sql_at(body, "larg");
    bool all = ecc_sql_bool(body, "all"), except = strcmp(ecc_sql_text(body, "op"), "SETOP_EXCEPT") == 0;

    sql_select(ctx, parent, ctes, larg, out);
    sql_select(ctx, parent, ctes, rarg, &right);
    int64_t at = sql_at_of(ecc_sql_item(ecc_sql_at(rarg, "targetList"), 0));
    if (out->n != right.n) {
        if (out->n && right.n)
            sql_problem(ctx, at, NULL, "the sides of a set operation have %zu and %zu columns", out->n, right.n);
        return;
    }
    for (size_t i = 0; i < out->n; i++) {
        bool nullable = out->items[i].value.nullable;
        if (!all)
            sql_check_equal(ctx, out->items[i].value, at);
        out->items[i].value = sql_unify(ctx, out->items[i].value, right.items[i].value, at, "a set operation");
        out->items[i].value.column = out->items[i].name;
        if (out->items[i].value.base == SQL_UNTYPED)
            out->items[i].value = sql_of(SQL_TEXT, out->items[i].value.nullable);
        if (except)
            out->items[i].value.nullable = nullable;
    }
}

void sql_select(struct sql_ctx *ctx, struct sql_from *parent, struct sql_ctes *ctes, const struct ecc_sql_node *body,
                struct sql_columns *out)
{
    struct sql_from from = {.parent = parent};
    size_t before = ctx->problems->n;

    ctes = from.ctes = sql_with(ctx, parent, ctes, ecc_sql_at(body, "withClause"));
    if (ecc_sql_at(body, "intoClause"))
        sql_problem(ctx, -1, NULL, "SELECT INTO would make a table");
    if (ecc_sql_at(body, "lockingClause"))
        ctx->writes = true;
    if (ecc_sql_at(body, "larg")) {
        set_operation(ctx, parent, ctes, body, out);
        for ECC_SQL_EACH (item, ecc_sql_at(body, "sortClause")) {
            if (!names_output(ctx, out, ecc_sql_at(ecc_sql_body(item), "node")))
                sql_problem(ctx, sql_at_of(ecc_sql_at(ecc_sql_body(item), "node")), NULL,
                            "here, ORDER BY takes the name of a result column");
        }
    } else if (ecc_sql_at(body, "valuesLists")) {
        values(ctx, &from, ecc_sql_at(body, "valuesLists"), out);
    } else {
        for ECC_SQL_EACH (item, ecc_sql_at(body, "fromClause"))
            sql_from_item(ctx, &from, item);
        const struct ecc_sql_node *where = ecc_sql_at(body, "whereClause"), *group = ecc_sql_at(body, "groupClause");
        const struct ecc_sql_node *distinct = ecc_sql_at(body, "distinctClause");
        if (where) {
            sql_condition(ctx, &from, where, "WHERE");
            sql_learn(&from, where);
        }
        sql_note_locks(ctx, &from, ecc_sql_at(body, "lockingClause"));
        from.grouped = group != NULL;
        from.grouping = true;
        sql_targets(ctx, &from, ecc_sql_at(body, "targetList"), out);
        sql_stand(&from, "GROUP BY", false);
        for ECC_SQL_EACH (item, group) {
            if (!names_output(ctx, out, item))
                sql_key(ctx, &from, item);
        }
        sql_stand(&from, NULL, false);
        if (ecc_sql_at(body, "havingClause"))
            sql_condition(ctx, &from, ecc_sql_at(body, "havingClause"), "HAVING");
        for ECC_SQL_EACH (item, ecc_sql_at(body, "windowClause")) {
            sql_keys(ctx, &from, ecc_sql_at(ecc_sql_body(item), "partitionClause"));
            for ECC_SQL_EACH (sort, ecc_sql_at(ecc_sql_body(item), "orderClause"))
                sql_key(ctx, &from, ecc_sql_at(ecc_sql_body(sort), "node"));
        }
        for ECC_SQL_EACH (item, distinct) { /* DISTINCT alone is one empty node */
            if (item->n && !names_output(ctx, out, item))
                sql_key(ctx, &from, item);
        }
        for ECC_SQL_EACH (item, ecc_sql_at(body, "sortClause")) {
            const struct ecc_sql_node *node = ecc_sql_at(ecc_sql_body(item), "node");
            if (!names_output(ctx, out, node))
                sql_key(ctx, &from, node);
        }
        for (size_t i = 0; distinct && !(distinct->first && distinct->first->n) && i < out->n; i++)
            sql_check_equal(ctx, out->items[i].value, sql_at_of(ecc_sql_at(body, "targetList")->first));
        if (ctx->problems->n == before) {
            sql_check_groups(ctx, &from, body);
            sql_check_distinct(ctx, &from, body);
        }
    }
    sql_check_lock(ctx, &from, body);
    check_count(ctx, &from, ecc_sql_at(body, "limitCount"), "LIMIT");
    check_count(ctx, &from, ecc_sql_at(body, "limitOffset"), "OFFSET");
}

void sql_query(struct sql_ctx *ctx, struct sql_from *parent, struct sql_ctes *ctes, const struct ecc_sql_node *node,
               struct sql_columns *out)
{
    const struct ecc_sql_node *body = ecc_sql_body(node);

    if (ecc_sql_is(node, "SelectStmt"))
        sql_select(ctx, parent, ctes, body, out);
    else if (ecc_sql_is(node, "InsertStmt"))
        sql_insert(ctx, parent, ctes, body, out);
    else if (ecc_sql_is(node, "UpdateStmt"))
        sql_update(ctx, parent, ctes, body, out);
    else if (ecc_sql_is(node, "DeleteStmt"))
        sql_delete(ctx, parent, ctes, body, out);
}
