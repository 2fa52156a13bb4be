/* Statements that write: INSERT, UPDATE, DELETE. */
#include "sql_internal.h"

#include <string.h>

#include "diag.h"
#include "sql_names.h"

static const struct ecc_column *find_column(struct sql_ctx *ctx, const struct ecc_table *table, const char *name, int64_t at)
{
    for (size_t i = 0; i < table->ncolumns; i++) {
        if (strcmp(table->columns[i].name, name) != 0)
            continue;
        sql_note_after(ctx, &table->columns[i], at);
        return &table->columns[i];
    }
    const char **names = ECC_NEW_ARRAY(ctx->arena, const char *, table->ncolumns + 1);
    for (size_t i = 0; i < table->ncolumns; i++)
        names[i] = table->columns[i].name;
    const char *near = ecc_did_you_mean(name, names, table->ncolumns), *now = sql_called_now(table, name);
    if (now)
        near = now;
    struct ecc_sql_problem *problem =
        sql_problem(ctx, at, near ? sql_format(ctx, "did you mean `%s`?", near) : NULL, "`%s` has no column `%s`", table->name, name);
    sql_declared(problem, table->span);
    sql_meant(ctx, problem, name, near);
    return NULL;
}

/* The table that is written, first in the scope. NULL when there is none. */
static const struct ecc_table *target(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *range_var)
{
    const struct ecc_table *table = sql_find_table(ctx, range_var);
    const struct ecc_sql_node *alias = ecc_sql_at(range_var, "alias");

    ctx->writes = true;
    if (table) {
        sql_add_table(ctx, from, table, alias ? ecc_sql_text(alias, "aliasname") : "");
    } else {
        struct sql_rel *rel = sql_add_rel(ctx, from, alias ? ecc_sql_text(alias, "aliasname") : ecc_sql_text(range_var, "relname"));
        sql_add_column(ctx, &rel->columns, NULL, sql_of(SQL_BAD, false));
    }
    return table;
}

static void assign(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_column *column, const struct ecc_sql_node *value)
{
    if (ecc_sql_is(value, "SetToDefault")) {
        if (column && !column->dflt_sql && !column->type->optional)
            sql_problem(ctx, sql_at_of(value), NULL, "`%s` has no default", column->name);
        return;
    }
    struct sql_value v = sql_expr(ctx, from, value);
    if (column)
        sql_check_assign(ctx, column, v, sql_at_of(value));
}

static void set_list(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_table *table, const struct ecc_sql_node *list)
{
    const struct ecc_sql_node *source = NULL;

    for ECC_SQL_EACH (item, list) {
        const struct ecc_sql_node *set = ecc_sql_body(item), *val = ecc_sql_at(set, "val");
        const char *name = ecc_sql_text(set, "name");
        const struct ecc_column *column = table ? find_column(ctx, table, name, ecc_sql_int(set, "location")) : NULL;
        if (ecc_sql_is(val, "MultiAssignRef")) { /* (a, b) = (x, y) or = (SELECT ...) */
            const struct ecc_sql_node *multi = ecc_sql_body(val), *own = ecc_sql_at(multi, "source");
            int64_t number = ecc_sql_int(multi, "colno");
            if (own)
                source = own;
            if (ecc_sql_is(source, "RowExpr"))
                assign(ctx, from, column, ecc_sql_item(ecc_sql_at(ecc_sql_body(source), "args"), (size_t)(number - 1)));
            else if (own && ecc_sql_is(own, "SubLink"))
                sql_query(ctx, from, NULL, ecc_sql_at(ecc_sql_body(own), "subselect"), &(struct sql_columns){0});
        } else {
            assign(ctx, from, column, val);
        }
    }
}

static bool same_set(const char *sql, const struct ecc_sql_node *elements)
{
    size_t n = 0;

    for (const char *p = sql; *p;) {
        size_t length = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_");
        if (length) {
            bool found = false;
            for ECC_SQL_EACH (item, elements) {
                const char *name = ecc_sql_text(ecc_sql_body(item), "name");
                found |= strlen(name) == length && memcmp(name, p, length) == 0;
            }
            if (!found)
                return false;
            n++;
            p += length;
        } else if (*p == ',' || *p == ' ' || *p == '\n' || *p == '\t' || *p == '(' || *p == ')') {
            p++;
        } else {
            return false;
        }
    }
    return n == elements->n;
}

/* Is there a constraint that ON CONFLICT (...) can mean? */
static void check_conflict_target(struct sql_ctx *ctx, const struct ecc_table *table, const struct ecc_sql_node *infer)
{
    const struct ecc_sql_node *elements = ecc_sql_at(infer, "indexElems");
    bool plain = elements && !ecc_sql_at(infer, "whereClause");

    for ECC_SQL_EACH (item, elements) {
        const char *name = ecc_sql_text(ecc_sql_body(item), "name");
        if (!*name)
            plain = false;
        else if (!find_column(ctx, table, name, ecc_sql_int(infer, "location")))
            return;
    }
    if (!plain)
        return;
    for (size_t i = 0; i < table->ncolumns; i++) {
        if ((table->columns[i].primary_key || table->columns[i].unique) && same_set(table->columns[i].name, elements))
            return;
    }
    for (size_t i = 0; i < table->nconstraints; i++) {
        const struct ecc_constraint *con = &table->constraints[i];
        if ((con->kind == ECC_CON_PRIMARY_KEY || con->kind == ECC_CON_UNIQUE) && same_set(con->sql, elements))
            return;
    }
    sql_problem(ctx, ecc_sql_int(infer, "location"), "make them `unique` or the primary key",
                "`%s` has no unique constraint on these columns", table->name);
}

static void on_conflict(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_table *table, const struct ecc_sql_node *clause)
{
    struct sql_from scope = {.parent = from->parent, .ctes = from->ctes};

    if (!clause || !table)
        return;
    if (ecc_sql_at(clause, "infer"))
        check_conflict_target(ctx, table, ecc_sql_at(clause, "infer"));
    ECC_PUSH(ctx->arena, &scope, from->items[0]);
    /* `excluded` is only reached by its name: a bare column is the target's. */
    struct sql_from excluded = {.parent = from->parent, .ctes = from->ctes};
    sql_add_table(ctx, &excluded, table, "excluded");
    scope.parent = &excluded;
    set_list(ctx, &scope, table, ecc_sql_at(clause, "targetList"));
    if (ecc_sql_at(clause, "whereClause"))
        sql_condition(ctx, &scope, ecc_sql_at(clause, "whereClause"), "WHERE");
}

static void check_missing(struct sql_ctx *ctx, const struct ecc_table *table, const struct ecc_column *const *given, size_t n, int64_t at)
{
    for (size_t i = 0; i < table->ncolumns; i++) {
        const struct ecc_column *column = &table->columns[i];
        bool found = column->dflt_sql || column->type->optional;
        for (size_t j = 0; j < n && !found; j++)
            found = given[j] == column || !given[j];
        if (!found)
            sql_problem(ctx, at, NULL, "`%s.%s` has no default and gets no value", table->name, column->name);
    }
}

static void check_width(struct sql_ctx *ctx, size_t columns, size_t values, int64_t at)
{
    if (columns != values)
        sql_problem(ctx, at, NULL, "INSERT has %zu column%s but %zu value%s", columns, columns == 1 ? "" : "s", values,
                    values == 1 ? "" : "s");
}

void sql_insert(struct sql_ctx *ctx, struct sql_from *parent, struct sql_ctes *ctes, const struct ecc_sql_node *body,
                struct sql_columns *out)
{
    struct sql_from from = {.parent = parent}, outer = {.parent = parent};
    const struct ecc_sql_node *relation = ecc_sql_at(body, "relation"), *select = ecc_sql_at(body, "selectStmt");
    struct {
        const struct ecc_column **items;
        size_t n, cap;
    } columns = {0};

    from.ctes = outer.ctes = ctes = sql_with(ctx, parent, ctes, ecc_sql_at(body, "withClause"));
    const struct ecc_table *table = target(ctx, &from, relation);
    for ECC_SQL_EACH (item, ecc_sql_at(body, "cols")) {
        const struct ecc_sql_node *col = ecc_sql_body(item);
        const struct ecc_column *column = table ? find_column(ctx, table, ecc_sql_text(col, "name"), ecc_sql_int(col, "location")) : NULL;
        for (size_t i = 0; i < columns.n && column; i++) {
            if (columns.items[i] == column)
                sql_problem(ctx, ecc_sql_int(col, "location"), NULL, "`%s` is given twice", column->name);
        }
        ECC_PUSH(ctx->arena, &columns, column);
    }
    if (!columns.n && table && select) {
        const char *names = "";
        for (size_t i = 0; i < table->ncolumns; i++) {
            ECC_PUSH(ctx->arena, &columns, &table->columns[i]);
            names = ecc_arena_printf(ctx->arena, "%s%s%s", names, i ? ", " : "", ecc_quote_sql_name(ctx->arena, table->columns[i].name));
        }
        sql_problem(ctx, ecc_sql_int(relation, "location"), ecc_arena_printf(ctx->arena, "write `%s (%s)`", table->name, names),
                    "name the columns: a table that was migrated has them in another order than a new one");
    }
    if (table)
        check_missing(ctx, table, columns.items, columns.n, ecc_sql_int(relation, "location"));
    const struct ecc_sql_node *lists = ecc_sql_at(ecc_sql_body(select), "valuesLists");
    if (lists) {
        for ECC_SQL_EACH (list, lists) {
            const struct ecc_sql_node *items = ecc_sql_at(ecc_sql_body(list), "items");
            size_t i = 0;
            for ECC_SQL_EACH (item, items) {
                assign(ctx, &outer, i < columns.n ? columns.items[i] : NULL, item);
                i++;
            }
            if (table)
                check_width(ctx, columns.n, i, sql_at_of(ecc_sql_item(items, 0)));
        }
    } else if (select) {
        struct sql_columns values = {0};
        const struct ecc_sql_node *targets = ecc_sql_at(ecc_sql_body(select), "targetList");
        int64_t at = sql_at_of(ecc_sql_item(targets, 0));
        sql_query(ctx, &outer, ctes, select, &values);
        if (table)
            check_width(ctx, columns.n, values.n, at);
        for (size_t i = 0; i < values.n && i < columns.n; i++) {
            /* A bare parameter is held against the column as in VALUES. */
            const struct ecc_sql_node *val =
                targets && targets->n == values.n ? ecc_sql_at(ecc_sql_body(ecc_sql_item(targets, i)), "val") : NULL;
            struct sql_value value = values.items[i].value;
            if (ecc_sql_is(val, "ParamRef"))
                value = sql_expr(ctx, &outer, val);
            if (columns.items[i])
                sql_check_assign(ctx, columns.items[i], value, val ? sql_at_of(val) : at);
        }
    }
    on_conflict(ctx, &from, table, ecc_sql_at(body, "onConflictClause"));
    sql_targets(ctx, &from, ecc_sql_at(body, "returningList"), out);
}

void sql_update(struct sql_ctx *ctx, struct sql_from *parent, struct sql_ctes *ctes, const struct ecc_sql_node *body,
                struct sql_columns *out)
{
    struct sql_from from = {.parent = parent};
    const struct ecc_sql_node *where = ecc_sql_at(body, "whereClause");

    from.ctes = sql_with(ctx, parent, ctes, ecc_sql_at(body, "withClause"));
    const struct ecc_table *table = target(ctx, &from, ecc_sql_at(body, "relation"));
    for ECC_SQL_EACH (item, ecc_sql_at(body, "fromClause"))
        sql_from_item(ctx, &from, item);
    if (where) {
        sql_condition(ctx, &from, where, "WHERE");
        sql_learn(&from, where);
    }
    set_list(ctx, &from, table, ecc_sql_at(body, "targetList"));
    for ECC_SQL_EACH (item, ecc_sql_at(body, "targetList"))
        sql_forget(&from, ecc_sql_text(ecc_sql_body(item), "name"));
    sql_targets(ctx, &from, ecc_sql_at(body, "returningList"), out);
}

void sql_delete(struct sql_ctx *ctx, struct sql_from *parent, struct sql_ctes *ctes, const struct ecc_sql_node *body,
                struct sql_columns *out)
{
    struct sql_from from = {.parent = parent};
    const struct ecc_sql_node *where = ecc_sql_at(body, "whereClause");

    from.ctes = sql_with(ctx, parent, ctes, ecc_sql_at(body, "withClause"));
    target(ctx, &from, ecc_sql_at(body, "relation"));
    for ECC_SQL_EACH (item, ecc_sql_at(body, "usingClause"))
        sql_from_item(ctx, &from, item);
    if (where) {
        sql_condition(ctx, &from, where, "WHERE");
        sql_learn(&from, where);
    }
    sql_targets(ctx, &from, ecc_sql_at(body, "returningList"), out);
}
