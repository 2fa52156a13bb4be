/* What a query with groups, DISTINCT or a lock may say: a column that has no one value in its group, or no place in the order, is refused
 * as PostgreSQL does it. */
#include "sql_internal.h"

#include <string.h>

struct column_at {
    size_t rel;
    const char *name;
};

/* The column of this query that a reference means; rel is from->n when it means another's. */
static struct column_at column_of(const struct sql_from *from, const struct ecc_sql_node *node)
{
    const struct ecc_sql_node *fields = ecc_sql_at(ecc_sql_body(node), "fields");
    const char *first = ecc_sql_string(fields, 0), *name = fields->n > 1 ? ecc_sql_string(fields, 1) : first;
    struct column_at at = {from->n, name};

    for (size_t i = 0; i < from->n && at.rel == from->n; i++) {
        const struct sql_rel *rel = from->items[i];
        if (fields->n > 1 && strcmp(rel->name, first) != 0)
            continue;
        for (size_t j = 0; j < rel->columns.n; j++) {
            const struct sql_column *column = &rel->columns.items[j];
            if (column->name && strcmp(column->name, name) == 0 && (fields->n > 1 || !column->hidden))
                at.rel = i;
        }
    }
    return at;
}

/* Two trees that say the same: places apart, and `t.a` is `a`. */
static bool same(const struct sql_from *from, const struct ecc_sql_node *a, const struct ecc_sql_node *b)
{
    if (!a || !b)
        return a == b;
    if (ecc_sql_is(a, "ColumnRef") && ecc_sql_is(b, "ColumnRef")) {
        struct column_at x = column_of(from, a), y = column_of(from, b);
        return x.rel == y.rel && strcmp(x.name, y.name) == 0;
    }
    if (!a->text != !b->text || (a->text && strcmp(a->text, b->text) != 0))
        return false;
    const struct ecc_sql_node *x = a->first, *y = b->first;
    for (;; x = x->next, y = y->next) {
        while (x && x->key && strcmp(x->key, "location") == 0)
            x = x->next;
        while (y && y->key && strcmp(y->key, "location") == 0)
            y = y->next;
        if (!x || !y)
            return x == y;
        if (!x->key != !y->key || (x->key && strcmp(x->key, y->key) != 0) || !same(from, x, y))
            return false;
    }
}

static const struct ecc_sql_node *value_of(const struct ecc_sql_node *target)
{
    return ecc_sql_at(ecc_sql_body(target), "val");
}

/* The target that an item of GROUP BY, ORDER BY or DISTINCT ON means by its number or name; else the item itself. columns_first: a column
 * of FROM goes before a name of a result (GROUP BY). */
static const struct ecc_sql_node *meant(const struct sql_from *from, const struct ecc_sql_node *targets, const struct ecc_sql_node *item,
                                        bool columns_first)
{
    const struct ecc_sql_node *number = ecc_sql_is(item, "A_Const") ? ecc_sql_at(ecc_sql_body(item), "ival") : NULL;
    const struct ecc_sql_node *fields = ecc_sql_is(item, "ColumnRef") ? ecc_sql_at(ecc_sql_body(item), "fields") : NULL;

    if (number) {
        const struct ecc_sql_node *target = ecc_sql_item(targets, (size_t)(ecc_sql_int(number, "ival") - 1));
        return target ? value_of(target) : item;
    }
    if (!fields || fields->n != 1 || (columns_first && column_of(from, item).rel < from->n))
        return item;
    for ECC_SQL_EACH (target, targets) {
        if (strcmp(ecc_sql_text(ecc_sql_body(target), "name"), ecc_sql_string(fields, 0)) == 0)
            return value_of(target);
    }
    return item;
}

/* ------------------------------------------------------------------ groups */

struct groups {
    struct sql_ctx *ctx;
    const struct sql_from *from;
    struct {
        const struct ecc_sql_node **items;
        size_t n, cap;
    } items;
};

static void add_items(struct groups *g, const struct ecc_sql_node *targets, const struct ecc_sql_node *list)
{
    for ECC_SQL_EACH (item, list) {
        if (ecc_sql_is(item, "GroupingSet"))
            add_items(g, targets, ecc_sql_at(ecc_sql_body(item), "content"));
        else if (ecc_sql_is(item, "RowExpr"))
            add_items(g, targets, ecc_sql_at(ecc_sql_body(item), "args"));
        else
            ECC_PUSH(g->ctx->arena, &g->items, meant(g->from, targets, item, true));
    }
}

/* A table whose whole primary key is grouped by has one row in each group. */
static bool has_key(const struct groups *g, size_t rel)
{
    const struct ecc_table *table = g->from->items[rel]->table;
    const char *key = NULL;

    for (size_t i = 0; table && i < table->ncolumns; i++)
        if (table->columns[i].primary_key)
            key = table->columns[i].name;
    for (size_t i = 0; table && i < table->nconstraints; i++)
        if (table->constraints[i].kind == ECC_CON_PRIMARY_KEY)
            key = table->constraints[i].sql;
    if (!key)
        return false;
    for (const char *p = key; *p;) {
        size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_");
        bool found = n == 0;
        for (size_t i = 0; i < g->items.n && !found; i++) {
            if (!ecc_sql_is(g->items.items[i], "ColumnRef"))
                continue;
            struct column_at at = column_of(g->from, g->items.items[i]);
            found = at.rel == rel && strlen(at.name) == n && memcmp(at.name, p, n) == 0;
        }
        if (!found)
            return false;
        p += n ? n : 1;
    }
    return true;
}

static bool is_aggregate(const struct ecc_sql_node *node)
{
    const struct ecc_sql_node *names = ecc_sql_at(ecc_sql_body(node), "funcname");

    return ecc_sql_is(node, "FuncCall") && !ecc_sql_at(ecc_sql_body(node), "over") && sql_is_aggregate(ecc_sql_string(names, names->n - 1));
}

static void check_grouped(struct groups *g, const struct ecc_sql_node *node)
{
    if (!node || node->text || is_aggregate(node) || ecc_sql_is(node, "SubLink") || ecc_sql_is(node, "GroupingFunc"))
        return;
    for (size_t i = 0; i < g->items.n; i++)
        if (same(g->from, g->items.items[i], node))
            return;
    if (ecc_sql_is(node, "ColumnRef")) {
        const struct ecc_sql_node *fields = ecc_sql_at(ecc_sql_body(node), "fields"), *last = ecc_sql_item(fields, fields->n - 1);
        struct column_at at = column_of(g->from, node);
        if (ecc_sql_is(last, "A_Star")) { /* t.*, *: all their columns */
            for (size_t i = 0; i < g->from->n; i++)
                if ((fields->n == 1 || strcmp(g->from->items[i]->name, ecc_sql_string(fields, 0)) == 0) && !has_key(g, i))
                    sql_problem(g->ctx, ecc_sql_int(ecc_sql_body(node), "location"), "write the columns out",
                                "not every column of `%s` is in GROUP BY", g->from->items[i]->name);
            return;
        }
        for (size_t i = 0; at.rel == g->from->n && fields->n == 1 && i < g->from->n; i++) /* a whole row */
            if (strcmp(g->from->items[i]->name, at.name) == 0)
                at.rel = i;
        if (at.rel < g->from->n && !has_key(g, at.rel))
            sql_problem(g->ctx, ecc_sql_int(ecc_sql_body(node), "location"),
                        "add it to GROUP BY, or say which of its values by an aggregate", "`%s` has no one value in a group", at.name);
        return;
    }
    for ECC_SQL_EACH (child, node)
        check_grouped(g, child);
}

static void check_inner(const struct groups *g)
{
    for (size_t i = 0; i < g->from->inner.n; i++) {
        const struct sql_inner *inner = &g->from->inner.items[i];
        bool found = false;
        for (size_t j = 0; j < g->from->n; j++)
            found |= strcmp(g->from->items[j]->name, inner->rel) == 0 && has_key(g, j);
        for (size_t j = 0; j < g->items.n && !found; j++) {
            if (!ecc_sql_is(g->items.items[j], "ColumnRef"))
                continue;
            struct column_at at = column_of(g->from, g->items.items[j]);
            found = at.rel < g->from->n && strcmp(at.name, inner->column) == 0 && strcmp(g->from->items[at.rel]->name, inner->rel) == 0;
        }
        if (!found)
            sql_problem(g->ctx, inner->at, "add it to GROUP BY", "`%s` has no one value in a group", inner->column);
    }
}

void sql_check_groups(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *select)
{
    const struct ecc_sql_node *targets = ecc_sql_at(select, "targetList");
    struct groups g = {.ctx = ctx, .from = from};

    if (!from->grouped && !from->aggregated && !ecc_sql_at(select, "havingClause"))
        return;
    for (size_t i = 0; i < from->n; i++)
        for (size_t j = 0; j < from->items[i]->columns.n; j++)
            if (!from->items[i]->columns.items[j].name) /* a table that has been reported */
                return;
    add_items(&g, targets, ecc_sql_at(select, "groupClause"));
    for ECC_SQL_EACH (target, targets)
        check_grouped(&g, value_of(target));
    check_grouped(&g, ecc_sql_at(select, "havingClause"));
    check_inner(&g);
    for ECC_SQL_EACH (item, ecc_sql_at(select, "sortClause"))
        check_grouped(&g, meant(from, targets, ecc_sql_at(ecc_sql_body(item), "node"), false));
}

/* ------------------------------------------------------------------ DISTINCT */

static bool is_target(const struct sql_from *from, const struct ecc_sql_node *targets, const struct ecc_sql_node *node)
{
    for ECC_SQL_EACH (target, targets) {
        const struct ecc_sql_node *val = value_of(target), *fields = ecc_sql_at(ecc_sql_body(val), "fields");
        if (same(from, val, node) || (ecc_sql_is(val, "ColumnRef") && ecc_sql_is(ecc_sql_item(fields, fields->n - 1), "A_Star")))
            return true;
    }
    return false;
}

void sql_check_distinct(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *select)
{
    const struct ecc_sql_node *distinct = ecc_sql_at(select, "distinctClause"), *targets = ecc_sql_at(select, "targetList");
    bool on = distinct && distinct->first && distinct->first->n; /* DISTINCT alone is one empty node */
    size_t matched = 0;

    if (!distinct)
        return;
    for ECC_SQL_EACH (item, ecc_sql_at(select, "sortClause")) {
        const struct ecc_sql_node *node = meant(from, targets, ecc_sql_at(ecc_sql_body(item), "node"), false);
        bool found = false;
        if (!on && !is_target(from, targets, node))
            sql_problem(ctx, sql_at_of(node), "add it to the results", "with DISTINCT, ORDER BY takes what is a result");
        for ECC_SQL_EACH (key, on ? distinct : NULL)
            found |= same(from, meant(from, targets, key, false), node);
        if (on && !found && matched < distinct->n)
            sql_problem(ctx, sql_at_of(node), "begin ORDER BY with them", "with DISTINCT ON, ORDER BY begins with the same expressions");
        if (on && !found)
            return;
        matched++;
    }
}

/* ------------------------------------------------------------------ FOR UPDATE */

void sql_check_lock(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *select)
{
    const struct ecc_sql_node *locks = ecc_sql_at(select, "lockingClause");
    const char *with = ecc_sql_at(select, "larg")             ? "a set operation"
                       : ecc_sql_at(select, "distinctClause") ? "DISTINCT"
                       : from->grouped                        ? "GROUP BY"
                       : ecc_sql_at(select, "havingClause")   ? "HAVING"
                       : from->aggregated                     ? "an aggregate"
                                                              : NULL;

    if (!locks)
        return;
    if (with)
        sql_problem(ctx, -1, NULL, "rows can't be locked with %s: they are no rows of a table", with);
    for ECC_SQL_EACH (lock, locks) {
        const struct ecc_sql_node *names = ecc_sql_at(ecc_sql_body(lock), "lockedRels");
        for (size_t i = 0; i < from->n; i++) {
            bool meant_one = !names || !names->n;
            for ECC_SQL_EACH (name, names)
                meant_one |= strcmp(ecc_sql_text(ecc_sql_body(name), "relname"), from->items[i]->name) == 0;
            if (meant_one && from->items[i]->nullable)
                sql_problem(ctx, -1, "say which table is locked, `FOR UPDATE OF ...`", "`%s` may have no row here that could be locked",
                            from->items[i]->name);
        }
        for ECC_SQL_EACH (name, names) {
            bool found = false;
            for (size_t i = 0; i < from->n; i++)
                found |= strcmp(ecc_sql_text(ecc_sql_body(name), "relname"), from->items[i]->name) == 0;
            if (!found)
                sql_problem(ctx, ecc_sql_int(ecc_sql_body(name), "location"), NULL, "there is no `%s` in this FROM",
                            ecc_sql_text(ecc_sql_body(name), "relname"));
        }
    }
}
