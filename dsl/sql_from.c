/* Scopes: the tables of a query, their columns, and what names mean there. */
#include "sql_internal.h"

#include <string.h>

#include "diag.h"
#include "sql_names.h"

void sql_add_column(struct sql_ctx *ctx, struct sql_columns *columns, const char *name, struct sql_value value)
{
    value.param = 0;
    value.column = name;
    value.literal = NULL;
    ECC_PUSH(ctx->arena, columns, ((struct sql_column){.name = name, .value = value}));
}

struct sql_rel *sql_add_rel(struct sql_ctx *ctx, struct sql_from *from, const char *name)
{
    struct sql_rel *rel = ECC_NEW(ctx->arena, struct sql_rel);

    rel->name = name;
    ECC_PUSH(ctx->arena, from, rel);
    return rel;
}

void sql_add_table(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_table *table, const char *alias)
{
    struct sql_rel *rel = sql_add_rel(ctx, from, alias && *alias ? alias : table->name);

    rel->table = table;
    for (size_t i = 0; i < table->ncolumns; i++)
        sql_add_column(ctx, &rel->columns, table->columns[i].name, sql_of_type(table->columns[i].type));
}

static const struct ecc_table *find_table(struct ecc_table *const *tables, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(tables[i]->name, name) == 0)
            return tables[i];
    return NULL;
}

static const char *nearest_table(struct sql_ctx *ctx, struct ecc_table *const *tables, size_t n, const char *name)
{
    const char **names = ECC_NEW_ARRAY(ctx->arena, const char *, n + 1);

    for (size_t i = 0; i < n; i++)
        names[i] = tables[i]->name;
    return ecc_did_you_mean(name, names, n);
}

const char *sql_called_now(const struct ecc_table *table, const char *was)
{
    for (size_t i = 0; i < table->ncolumns; i++)
        if (table->columns[i].was && strcmp(table->columns[i].was, was) == 0)
            return table->columns[i].name;
    return NULL;
}

static const char *meant(struct sql_ctx *ctx, const char *near)
{
    return near ? sql_format(ctx, "did you mean `%s`?", near) : NULL;
}

static void no_table(struct sql_ctx *ctx, int64_t at, const char *name)
{
    const char *near = nearest_table(ctx, ctx->scope->tables, ctx->scope->ntables, name);

    sql_meant(ctx, sql_problem(ctx, at, meant(ctx, near), "this service has no table `%s`", name), name, near);
}

/* A table of one of several nodes: the schema says whose. */
static const struct ecc_table *find_in_schema(struct sql_ctx *ctx, const char *schema, const char *name, int64_t at)
{
    size_t n = ctx->scope->nschemas;
    const char **names = ECC_NEW_ARRAY(ctx->arena, const char *, n);
    const struct ecc_table *table;

    for (size_t i = 0; i < n; i++) {
        const struct ecc_sql_schema *s = &ctx->scope->schemas[i];
        names[i] = s->name;
        if (!*schema && find_table(s->tables, s->ntables, name)) {
            sql_problem(ctx, at, sql_format(ctx, "write `%s.%s`", s->name, name), "several nodes are asked here: `%s` needs its schema",
                        name);
            return NULL;
        }
        if (strcmp(s->name, schema) != 0)
            continue;
        if (!(table = find_table(s->tables, s->ntables, name)))
            sql_problem(ctx, at, meant(ctx, nearest_table(ctx, s->tables, s->ntables, name)), "there is no table `%s.%s`", schema, name);
        if (s->node)
            sql_note(ctx, ECC_REF_NODE, s->node, schema, at, 0);
        if (table)
            sql_note(ctx, ECC_REF_TABLE, table, name, at, 1);
        return table;
    }
    if (*schema)
        sql_problem(ctx, at, meant(ctx, ecc_did_you_mean(schema, names, n)), "no node that is asked here has the schema `%s`", schema);
    else
        sql_problem(ctx, at, "several nodes are asked here: write `schema.table`", "no node that is asked here has a table `%s`", name);
    return NULL;
}

/* NULL when it was reported. */
const struct ecc_table *sql_find_table(struct sql_ctx *ctx, const struct ecc_sql_node *range_var)
{
    const char *name = ecc_sql_text(range_var, "relname"), *schema = ecc_sql_text(range_var, "schemaname");
    const struct ecc_sql_scope *scope = ctx->scope;
    int64_t at = ecc_sql_int(range_var, "location");

    if (scope->nschemas)
        return find_in_schema(ctx, schema, name, at);
    const struct ecc_table *table = *schema ? NULL : find_table(scope->tables, scope->ntables, name);
    size_t before = ctx->problems->n;
    if (table)
        sql_note(ctx, ECC_REF_TABLE, table, name, at, 0);
    if (*schema)
        sql_problem(ctx, at, "only the service's own tables can be used, without a schema", "there is no table `%s.%s`", schema, name);
    else if (!table)
        no_table(ctx, at, name);
    if (ctx->problems->n > before && !find_table(scope->tables, scope->ntables, name)) {
        ctx->problems->items[ctx->problems->n - 1].schema = ecc_arena_strdup(ctx->keep, schema);
        ctx->problems->items[ctx->problems->n - 1].table = ecc_arena_strdup(ctx->keep, name);
    }
    return table;
}

static const struct sql_columns *find_cte(const struct sql_from *from, const char *name)
{
    for (; from; from = from->parent) {
        for (const struct sql_ctes *cte = from->ctes; cte; cte = cte->next) {
            if (strcmp(cte->name, name) == 0)
                return &cte->columns;
        }
    }
    return NULL;
}

/* AS alias (a, b): the columns in order. */
static void rename_columns(struct sql_ctx *ctx, struct sql_rel *rel, const struct ecc_sql_node *alias)
{
    const struct ecc_sql_node *names = ecc_sql_at(alias, "colnames");
    size_t i = 0;

    for ECC_SQL_EACH (item, names) {
        const char *name = ecc_sql_text(ecc_sql_body(item), "sval");
        if (i < rel->columns.n) {
            rel->columns.items[i].name = name;
            rel->columns.items[i].value.column = name;
        } else {
            sql_problem(ctx, -1, NULL, "`%s` has %zu columns, the alias names more", rel->name, rel->columns.n);
            return;
        }
        i++;
    }
}

static void add_range_var(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
{
    const char *name = ecc_sql_text(body, "relname");
    const struct ecc_sql_node *alias = ecc_sql_at(body, "alias");
    const char *as = alias ? ecc_sql_text(alias, "aliasname") : name;
    const struct sql_columns *cte = *ecc_sql_text(body, "schemaname") ? NULL : find_cte(from, name);

    if (cte) {
        struct sql_rel *rel = sql_add_rel(ctx, from, as);
        for (size_t i = 0; i < cte->n; i++)
            sql_add_column(ctx, &rel->columns, cte->items[i].name, cte->items[i].value);
    } else {
        const struct ecc_table *table = sql_find_table(ctx, body);
        if (!table) { /* its columns are anything */
            sql_add_rel(ctx, from, as)->table = NULL;
            sql_add_column(ctx, &from->items[from->n - 1]->columns, NULL, sql_of(SQL_BAD, false));
            return;
        }
        sql_add_table(ctx, from, table, as);
    }
    rename_columns(ctx, from->items[from->n - 1], alias);
}

static void add_subselect(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
{
    const struct ecc_sql_node *alias = ecc_sql_at(body, "alias");
    struct sql_columns columns = {0};
    struct sql_from outer = {.parent = from->parent, .ctes = from->ctes};

    sql_query(ctx, ecc_sql_bool(body, "lateral") ? from : &outer, NULL, ecc_sql_at(body, "subquery"), &columns);
    struct sql_rel *rel = sql_add_rel(ctx, from, alias ? ecc_sql_text(alias, "aliasname") : "");
    rel->columns = columns;
    for (size_t i = 0; i < columns.n; i++)
        columns.items[i].value.column = columns.items[i].name;
    rename_columns(ctx, rel, alias);
}

static void add_function(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
{
    const struct ecc_sql_node *alias = ecc_sql_at(body, "alias"), *defs = ecc_sql_at(body, "coldeflist");
    const char *as = alias ? ecc_sql_text(alias, "aliasname") : "";
    struct sql_columns columns = {0};

    for ECC_SQL_EACH (item, ecc_sql_at(body, "functions")) {
        const struct ecc_sql_node *items = ecc_sql_at(ecc_sql_body(item), "items"), *own = ecc_sql_item(items, 1);
        const struct ecc_sql_node *call = ecc_sql_item(items, 0);
        if (!ecc_sql_is(call, "FuncCall")) { /* current_date and the like */
            sql_add_column(ctx, &columns, *as ? as : "value", sql_expr(ctx, from, call));
            continue;
        }
        sql_function_columns(ctx, from, ecc_sql_body(call), as, defs || (own && own->n) ? NULL : &columns);
        if (ecc_sql_is(own, "List"))
            defs = ecc_sql_at(ecc_sql_body(own), "items");
        for ECC_SQL_EACH (def, defs) {
            const struct ecc_sql_node *column = ecc_sql_body(def);
            sql_add_column(ctx, &columns, ecc_sql_text(column, "colname"), sql_of_type_name(ctx, ecc_sql_at(column, "typeName"), true));
        }
        if (!*as)
            as = ecc_sql_string(ecc_sql_at(ecc_sql_body(call), "funcname"), 0);
    }
    if (ecc_sql_bool(body, "ordinality"))
        sql_add_column(ctx, &columns, "ordinality", sql_of(SQL_INT, false));
    struct sql_rel *rel = sql_add_rel(ctx, from, as);
    rel->columns = columns;
    rel->scalar = columns.n == 1 && !defs;
    rename_columns(ctx, rel, alias);
}

static struct sql_column *column_of(struct sql_rel *rel, const char *name)
{
    for (size_t i = 0; i < rel->columns.n; i++) {
        if (rel->columns.items[i].name && strcmp(rel->columns.items[i].name, name) == 0)
            return &rel->columns.items[i];
    }
    return NULL;
}

static bool is_anything(const struct sql_rel *rel) /* the table has been reported */
{
    return rel->columns.n == 1 && !rel->columns.items[0].name;
}

static void merge_using(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *join, size_t left, size_t right)
{
    bool keep_right = strcmp(ecc_sql_text(join, "jointype"), "JOIN_RIGHT") == 0;

    for ECC_SQL_EACH (item, ecc_sql_at(join, "usingClause")) {
        const char *name = ecc_sql_text(ecc_sql_body(item), "sval");
        struct sql_column *a = NULL, *b = NULL;
        for (size_t i = left; i < from->n; i++) {
            struct sql_column *column = column_of(from->items[i], name);
            const struct ecc_column *known = column ? sql_table_column(from->items[i], column) : NULL;
            if (known)
                sql_note_using(ctx, known);
            if (column && !column->hidden) {
                if (i < right)
                    a = column;
                else
                    b = column;
            }
            if (is_anything(from->items[i]))
                return;
        }
        if (!a || !b) {
            sql_problem(ctx, sql_at_of(ecc_sql_at(join, "larg")), NULL, "USING (%s): a side of the join has no such column", name);
            continue;
        }
        sql_check_compare(ctx, a->value, b->value, sql_at_of(ecc_sql_at(join, "larg")));
        (keep_right ? a : b)->hidden = true;
        from->merged = true;
    }
}

void sql_from_item(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *item)
{
    const struct ecc_sql_node *body = ecc_sql_body(item);

    if (ecc_sql_is(item, "RangeVar")) {
        add_range_var(ctx, from, body);
    } else if (ecc_sql_is(item, "RangeSubselect")) {
        add_subselect(ctx, from, body);
    } else if (ecc_sql_is(item, "RangeFunction")) {
        add_function(ctx, from, body);
    } else if (ecc_sql_is(item, "JoinExpr")) {
        const char *type = ecc_sql_text(body, "jointype");
        size_t left = from->n;
        sql_from_item(ctx, from, ecc_sql_at(body, "larg"));
        size_t right = from->n;
        sql_from_item(ctx, from, ecc_sql_at(body, "rarg"));
        if (ecc_sql_bool(body, "isNatural"))
            sql_problem(ctx, sql_at_of(ecc_sql_at(body, "rarg")), "say which columns join, with ON or USING",
                        "NATURAL JOIN changes with the tables");
        merge_using(ctx, from, body, left, right);
        const struct ecc_sql_node *quals = ecc_sql_at(body, "quals");
        if (quals) {
            sql_condition(ctx, from, quals, "ON");
            if (strcmp(type, "JOIN_INNER") == 0)
                sql_learn(from, quals);
        }
        bool outer_left = strcmp(type, "JOIN_RIGHT") == 0 || strcmp(type, "JOIN_FULL") == 0;
        bool outer_right = strcmp(type, "JOIN_LEFT") == 0 || strcmp(type, "JOIN_FULL") == 0;
        for (size_t i = left; i < from->n; i++) {
            if (i < right ? outer_left : outer_right) {
                from->items[i]->nullable = true;
                for (size_t j = 0; j < from->items[i]->columns.n; j++)
                    from->items[i]->columns.items[j].known = false;
            }
        }
        if (ecc_sql_at(body, "alias"))
            sql_problem(ctx, -1, "give the tables their aliases", "a join can't have an alias here");
    } else {
        sql_problem(ctx, ecc_sql_int(body, "location"), NULL, "this kind of FROM is not understood here");
    }
}

static struct sql_value value_of(const struct sql_rel *rel, const struct sql_column *column)
{
    struct sql_value value = column->value;

    value.nullable = (value.nullable || rel->nullable) && !column->known;
    return value;
}

static bool is_system_column(const char *name)
{
    static const char *const names[] = {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static struct sql_rel *find_own(struct sql_from *from, const char *name)
{
    for (size_t i = 0; i < from->n; i++) {
        if (strcmp(from->items[i]->name, name) == 0)
            return from->items[i];
    }
    return NULL;
}

static struct sql_rel *find_rel(struct sql_from *from, const char *name)
{
    struct sql_rel *rel = NULL;

    for (; from && !rel; from = from->parent)
        rel = find_own(from, name);
    return rel;
}

static struct sql_value no_column(struct sql_ctx *ctx, struct sql_from *from, const struct sql_rel *only, const char *name, int64_t at)
{
    struct {
        const char **items;
        size_t n, cap;
    } names = {0};
    const char *help = NULL, *now = NULL;

    for (struct sql_from *f = from; f; f = f->parent) {
        for (size_t i = 0; i < f->n; i++) {
            if (only && f->items[i] != only)
                continue;
            if (!now && f->items[i]->table)
                now = sql_called_now(f->items[i]->table, name);
            for (size_t j = 0; j < f->items[i]->columns.n; j++) {
                if (f->items[i]->columns.items[j].name)
                    ECC_PUSH(ctx->arena, &names, f->items[i]->columns.items[j].name);
            }
        }
    }
    const char *near = now ? now : ecc_did_you_mean(name, names.items, names.n);
    if (near)
        help = sql_format(ctx, "did you mean `%s`?", near);
    for (size_t i = 0; !help && i < ctx->paths.n; i++) {
        if (strcmp(ctx->paths.items[i], name) == 0)
            help = sql_format(ctx, "the parameter is written `:%s`", name);
    }
    struct ecc_sql_problem *problem = only ? sql_problem(ctx, at, help, "`%s` has no column `%s`", only->name, name)
                                           : sql_problem(ctx, at, help, "there is no column `%s` here", name);
    sql_meant(ctx, problem, name, near);
    return sql_of(SQL_BAD, false);
}

/* A column of an outer query, used by an inner one where the outer has groups. */
static void note_inner(struct sql_ctx *ctx, struct sql_from *own, struct sql_from *outer, const char *rel, const char *column, int64_t at)
{
    if (outer != own && outer->grouping && (!outer->place || outer->aggregates))
        ECC_PUSH(ctx->arena, &outer->inner, ((struct sql_inner){rel, column, at}));
}

static struct sql_value plain_name(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *ref)
{
    const char *name = ecc_sql_string(ecc_sql_at(ref, "fields"), 0);
    int64_t at = ecc_sql_int(ref, "location");

    for (struct sql_from *f = from; f; f = f->parent) {
        const struct sql_rel *in = NULL;
        const struct sql_column *found = NULL;
        for (size_t i = 0; i < f->n; i++) {
            const struct sql_column *column = column_of(f->items[i], name);
            if (is_anything(f->items[i]))
                return sql_of(SQL_BAD, false);
            if (!column || column->hidden)
                continue;
            if (found) {
                sql_problem(ctx, at, sql_format(ctx, "write `%s.%s` or `%s.%s`", in->name, name, f->items[i]->name, name),
                            "`%s` is a column of `%s` and of `%s`", name, in->name, f->items[i]->name);
                return sql_of(SQL_BAD, false);
            }
            in = f->items[i];
            found = column;
        }
        if (found) {
            sql_note_column(ctx, in, found, ref);
            note_inner(ctx, from, f, in->name, name, at);
            return value_of(in, found);
        }
    }
    const struct sql_rel *whole = find_rel(from, name);
    if (whole && whole->scalar)
        return value_of(whole, &whole->columns.items[0]);
    if (whole)
        sql_note_table(ctx, whole, at);
    if (whole)
        return (struct sql_value){.base = SQL_OTHER, .pg = "a row", .nullable = whole->nullable};
    if (from->n && is_system_column(name))
        return (struct sql_value){.base = SQL_OTHER, .pg = name};
    return no_column(ctx, from, NULL, name, at);
}

struct sql_value sql_column_ref(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body)
{
    const struct ecc_sql_node *fields = ecc_sql_at(body, "fields");
    const char *first = ecc_sql_string(fields, 0), *second = ecc_sql_string(fields, 1);
    int64_t at = ecc_sql_int(body, "location");

    if (fields->n == 1 && ecc_sql_is(fields->first, "String"))
        return plain_name(ctx, from, body);
    if (ecc_sql_is(ecc_sql_item(fields, fields->n - 1), "A_Star"))
        return (struct sql_value){.base = SQL_OTHER, .pg = "a row"};
    if (fields->n > 2) {
        sql_problem(ctx, at, "write `alias.column`", "there is no schema `%s` here", first);
        return sql_of(SQL_BAD, false);
    }
    struct sql_rel *rel = find_rel(from, first);
    if (!rel) {
        bool known = false;
        struct {
            const char **items;
            size_t n, cap;
        } names = {0};
        for (struct sql_from *f = from; f; f = f->parent) {
            for (size_t i = 0; i < f->n; i++)
                ECC_PUSH(ctx->arena, &names, f->items[i]->name);
        }
        for (size_t i = 0; i < ctx->scope->ntables; i++)
            known |= strcmp(ctx->scope->tables[i]->name, first) == 0;
        const char *near = ecc_did_you_mean(first, names.items, names.n);
        sql_problem(ctx, at, near ? sql_format(ctx, "did you mean `%s`?", near) : NULL,
                    known ? "table `%s` is not in this FROM, or has another name there" : "there is no `%s` in this FROM", first);
        return sql_of(SQL_BAD, false);
    }
    if (is_anything(rel))
        return sql_of(SQL_BAD, false);
    const struct sql_column *column = column_of(rel, second);
    sql_note_table(ctx, rel, at);
    if (column) {
        sql_note_column(ctx, rel, column, body);
        struct sql_from *in = from;
        while (in->parent && find_own(in, first) != rel)
            in = in->parent;
        note_inner(ctx, from, in, first, second, at);
        return value_of(rel, column);
    }
    if (is_system_column(second))
        return (struct sql_value){.base = SQL_OTHER, .pg = second};
    return no_column(ctx, from, rel, second, at);
}

/* `t . *`: from its beginning to the star. */
static uint32_t star_length(const struct sql_ctx *ctx, int64_t text_at)
{
    const char *at = ctx->source + sql_source_at(ctx, (uint32_t)text_at), *star = strchr(at, '*');

    return star ? (uint32_t)(star + 1 - at) : 0;
}

/* `*` and `t.*`; false when the reference is something else. */
bool sql_star(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body, struct sql_columns *out)
{
    const struct ecc_sql_node *fields = ecc_sql_at(body, "fields");
    const struct sql_rel *only = NULL;
    int64_t at = ecc_sql_int(body, "location");

    if (!fields || !ecc_sql_is(ecc_sql_item(fields, fields->n - 1), "A_Star"))
        return false;
    if (fields->n > 1) {
        only = find_rel(from, ecc_sql_string(fields, 0));
        if (!only) {
            sql_problem(ctx, at, NULL, "there is no `%s` in this FROM", ecc_sql_string(fields, 0));
            return true;
        }
        sql_note_table(ctx, only, at);
    } else if (from->merged) {
        sql_problem(ctx, at, NULL, "with USING, write the columns out instead of `*`");
        return true;
    } else if (!from->n) {
        sql_problem(ctx, at, NULL, "`*` needs a FROM");
        return true;
    }
    const char *written = "";
    for (size_t i = 0; i < (only ? 1 : from->n); i++) {
        const struct sql_rel *rel = only ? only : from->items[i];
        const char *prefix = *rel->name && (only || from->n > 1) ? ecc_quote_sql_name(ctx->arena, rel->name) : "";
        for (size_t j = 0; j < rel->columns.n; j++) {
            const struct sql_column *column = &rel->columns.items[j];
            sql_add_column(ctx, out, column->name, value_of(rel, column));
            out->items[out->n - 1].noted = sql_note_star(ctx, body, rel, column, only || from->n > 1);
            if (column->name)
                written = ecc_arena_printf(ctx->arena, "%s%s%s%s%s", written, *written ? ", " : "", prefix, *prefix ? "." : "",
                                           ecc_quote_sql_name(ctx->arena, column->name));
        }
    }
    sql_write_out(ctx, at, star_length(ctx, at), written);
    return true;
}

static void learn_column(struct sql_from *from, const struct ecc_sql_node *node)
{
    if (!ecc_sql_is(node, "ColumnRef"))
        return;
    const struct ecc_sql_node *fields = ecc_sql_at(ecc_sql_body(node), "fields");
    const char *first = ecc_sql_string(fields, 0), *second = ecc_sql_string(fields, 1);
    for (size_t i = 0; i < from->n; i++) {
        if (fields->n == 2 && strcmp(from->items[i]->name, first) != 0)
            continue;
        struct sql_column *column = column_of(from->items[i], fields->n == 2 ? second : first);
        if (column && !column->hidden)
            column->known = true;
    }
}

/* A row that passed `x IS NOT NULL` or `x = y` has no null there. */
void sql_learn(struct sql_from *from, const struct ecc_sql_node *condition)
{
    const struct ecc_sql_node *body = ecc_sql_body(condition);

    if (ecc_sql_is(condition, "BoolExpr") && strcmp(ecc_sql_text(body, "boolop"), "AND_EXPR") == 0) {
        for ECC_SQL_EACH (arg, ecc_sql_at(body, "args"))
            sql_learn(from, arg);
    } else if (ecc_sql_is(condition, "NullTest") && strcmp(ecc_sql_text(body, "nulltesttype"), "IS_NOT_NULL") == 0) {
        learn_column(from, ecc_sql_at(body, "arg"));
    } else if (ecc_sql_is(condition, "A_Expr") && strcmp(ecc_sql_text(body, "kind"), "AEXPR_OP") == 0) {
        static const char *const strict[] = {"=", "<>", "<", "<=", ">", ">="};
        const char *op = ecc_sql_string(ecc_sql_at(body, "name"), 0);
        for (size_t i = 0; i < sizeof strict / sizeof *strict; i++) {
            if (strcmp(op, strict[i]) == 0) {
                learn_column(from, ecc_sql_at(body, "lexpr"));
                learn_column(from, ecc_sql_at(body, "rexpr"));
            }
        }
    }
}

void sql_forget(struct sql_from *from, const char *column)
{
    for (size_t i = 0; i < from->n && i < 1; i++) { /* the target is the first */
        struct sql_column *found = column_of(from->items[i], column);
        if (found)
            found->known = false;
    }
}
