/* What a statement does to the rows of one table, as far as that is simple: columns that are set, columns that are compared. For whoever
 * follows a story by the text (codegen/derive_rows.c). What is not simple is said to be so: nothing is left out in silence.
 *
 * Everything is in the arena of what the caller keeps.
 */
#include <string.h>

#include "sql_internal.h"

struct reading {
    struct sql_ctx *ctx;
    const struct ecc_table *table;
    struct ecc_sql_effect *out;
    const char *alias;
};

static const struct ecc_column *column_named(const struct ecc_table *table, const char *name)
{
    for (size_t i = 0; i < table->ncolumns; i++)
        if (strcmp(table->columns[i].name, name) == 0)
            return &table->columns[i];
    return NULL;
}

/* `status`, `t.status`; NULL: it is something else. */
static const struct ecc_column *column_of(const struct reading *r, const struct ecc_sql_node *node)
{
    const struct ecc_sql_node *fields = ecc_sql_is(node, "ColumnRef") ? ecc_sql_at(ecc_sql_body(node), "fields") : NULL;

    if (!fields || fields->n > 2 || (fields->n == 2 && strcmp(ecc_sql_string(fields, 0), r->alias) != 0))
        return NULL;
    return column_named(r->table, ecc_sql_string(fields, fields->n - 1));
}

static struct ecc_sql_operand operand_of(struct sql_ctx *ctx, const struct ecc_sql_node *node)
{
    const struct ecc_sql_node *body = ecc_sql_body(node);

    if (ecc_sql_is(node, "ParamRef") && ecc_sql_int(body, "number") > 0)
        return (struct ecc_sql_operand){.kind = ECC_SQL_PARAM, .param = (size_t)ecc_sql_int(body, "number") - 1};
    if (!ecc_sql_is(node, "A_Const"))
        return (struct ecc_sql_operand){.kind = ECC_SQL_COMPUTED};
    if (ecc_sql_at(body, "sval"))
        return (struct ecc_sql_operand){.kind = ECC_SQL_TEXT,
                                        .text = ecc_arena_strdup(ctx->keep, ecc_sql_text(ecc_sql_at(body, "sval"), "sval"))};
    if (ecc_sql_at(body, "ival")) /* 0 is left out */
        return (struct ecc_sql_operand){.kind = ECC_SQL_INT, .i = ecc_sql_int(ecc_sql_at(body, "ival"), "ival")};
    if (ecc_sql_at(body, "boolval"))
        return (struct ecc_sql_operand){.kind = ECC_SQL_BOOL, .i = ecc_sql_bool(ecc_sql_at(body, "boolval"), "boolval")};
    return (struct ecc_sql_operand){.kind = ecc_sql_bool(body, "isnull") ? ECC_SQL_NULL : ECC_SQL_COMPUTED};
}

/* ------------------------------------------------------------------ conditions */

static void add_condition(struct reading *r, const struct ecc_column *column, enum ecc_operator op, const struct ecc_sql_operand *operands,
                          size_t n)
{
    struct ecc_sql_effect *e = r->out;
    struct ecc_sql_cond *conds = ECC_NEW_ARRAY(r->ctx->keep, struct ecc_sql_cond, e->nconds + 1);

    if (e->nconds)
        memcpy(conds, e->conds, e->nconds * sizeof *conds);
    conds[e->nconds++] = (struct ecc_sql_cond){column, op, operands, n};
    e->conds = conds;
}

static bool operator_named(const char *name, enum ecc_operator *op)
{
    static const struct {
        const char *name;
        enum ecc_operator op;
    } all[] = {
        {"=", ECC_OP_EQ}, {"<>", ECC_OP_NE}, {"<", ECC_OP_LT}, {"<=", ECC_OP_LE}, {">", ECC_OP_GT}, {">=", ECC_OP_GE},
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, name) == 0) {
            *op = all[i].op;
            return true;
        }
    return false;
}

/* column OP value, column IN (values), a AND b; a bare column, which is true, and NOT of it. */
static void condition(struct reading *r, const struct ecc_sql_node *node)
{
    static const struct ecc_sql_operand yes = {.kind = ECC_SQL_BOOL, .i = 1};
    const struct ecc_sql_node *body = ecc_sql_body(node);
    const char *kind = ecc_sql_text(body, "kind"), *boolop = ecc_sql_text(body, "boolop");
    const struct ecc_column *column = column_of(r, ecc_sql_is(node, "A_Expr") ? ecc_sql_at(body, "lexpr") : node);
    const struct ecc_sql_node *right = ecc_sql_at(body, "rexpr");
    enum ecc_operator op;

    if (ecc_sql_is(node, "BoolExpr") && strcmp(boolop, "AND_EXPR") == 0) {
        for
            ECC_SQL_EACH(arg, ecc_sql_at(body, "args"))
        condition(r, arg);
        return;
    }
    if (ecc_sql_is(node, "BoolExpr") && strcmp(boolop, "NOT_EXPR") == 0) {
        column = column_of(r, ecc_sql_item(ecc_sql_at(body, "args"), 0));
        if (column)
            add_condition(r, column, ECC_OP_NE, &yes, 1);
    } else if (ecc_sql_is(node, "ColumnRef")) {
        if (column)
            add_condition(r, column, ECC_OP_EQ, &yes, 1);
    } else if (column && ecc_sql_is(node, "A_Expr") && operator_named(ecc_sql_string(ecc_sql_at(body, "name"), 0), &op)) {
        const struct ecc_sql_node *list = strcmp(kind, "AEXPR_IN") == 0 ? ecc_sql_at(ecc_sql_body(right), "items") : NULL;
        size_t n = list ? list->n : 1;
        struct ecc_sql_operand *operands = ECC_NEW_ARRAY(r->ctx->keep, struct ecc_sql_operand, n);
        for (size_t i = 0; i < n; i++)
            operands[i] = operand_of(r->ctx, list ? ecc_sql_item(list, i) : right);
        if (list || strcmp(kind, "AEXPR_OP") == 0)
            add_condition(r, column, op, operands, n);
        else
            r->out->more = true;
        return;
    } else {
        column = NULL;
    }
    r->out->more = r->out->more || !column;
}

/* ------------------------------------------------------------------ what is set, what is given back */

static void add_set(struct reading *r, const struct ecc_column *column, struct ecc_sql_operand value)
{
    struct ecc_sql_effect *e = r->out;
    struct ecc_sql_set *sets = ECC_NEW_ARRAY(r->ctx->keep, struct ecc_sql_set, e->nsets + 1);

    if (e->nsets)
        memcpy(sets, e->sets, e->nsets * sizeof *sets);
    sets[e->nsets++] = (struct ecc_sql_set){column, value};
    e->sets = sets;
}

/* Only columns, constants and what is made of one row: an aggregate gives a row of none. */
static bool plain_results(struct reading *r, const struct ecc_sql_node *targets)
{
    for
        ECC_SQL_EACH(item, targets)
        {
            const struct ecc_sql_node *val = ecc_sql_at(ecc_sql_body(item), "val");
            if (ecc_sql_is(val, "TypeCast"))
                val = ecc_sql_at(ecc_sql_body(val), "arg");
            if (!ecc_sql_is(val, "ColumnRef") && !ecc_sql_is(val, "A_Const") && !ecc_sql_is(val, "CoalesceExpr"))
                return false;
        }
    (void)r;
    return true;
}

static void results(struct reading *r, const struct ecc_sql_node *targets, const struct ecc_record *row)
{
    const struct ecc_column **columns = row ? ECC_NEW_ARRAY(r->ctx->keep, const struct ecc_column *, row->nfields) : NULL;
    size_t n = 0;

    for
        ECC_SQL_EACH(item, targets)
        {
            const struct ecc_sql_node *val = ecc_sql_at(ecc_sql_body(item), "val");
            const struct ecc_sql_node *fields = ecc_sql_is(val, "ColumnRef") ? ecc_sql_at(ecc_sql_body(val), "fields") : NULL;
            bool star = fields && ecc_sql_is(ecc_sql_item(fields, fields->n - 1), "A_Star");
            for (size_t i = 0; row && star && i < r->table->ncolumns && n < row->nfields; i++)
                columns[n++] = &r->table->columns[i];
            if (row && !star && n < row->nfields)
                columns[n++] = column_of(r, val);
        }
    for (; row && n < row->nfields; n++)
        columns[n] = NULL;
    r->out->results = columns;
}

/* ------------------------------------------------------------------ statements */

static const struct ecc_table *table_of(struct reading *r, const struct ecc_sql_node *relation)
{
    const struct ecc_sql_scope *scope = r->ctx->scope;

    for (size_t i = 0; i < scope->ntables; i++)
        if (strcmp(scope->tables[i]->name, ecc_sql_text(relation, "relname")) == 0)
            r->table = scope->tables[i];
    r->alias = ecc_sql_text(ecc_sql_at(relation, "alias"), "aliasname");
    if (r->table && !*r->alias)
        r->alias = r->table->name;
    return r->table;
}

static bool select_of(struct reading *r, const struct ecc_sql_node *body)
{
    static const char *const other[] = {"distinctClause", "groupClause", "havingClause", "windowClause", "limitCount",
                                        "limitOffset",    "withClause",  "valuesLists",  "larg"};
    const struct ecc_sql_node *from = ecc_sql_at(body, "fromClause"), *relation = ecc_sql_item(from, 0);

    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (ecc_sql_at(body, other[i]))
            return false;
    if (!from || from->n != 1 || !ecc_sql_is(relation, "RangeVar") || !table_of(r, ecc_sql_body(relation)) ||
        !plain_results(r, ecc_sql_at(body, "targetList")))
        return false;
    r->out->verb = ECC_SQL_SELECT;
    return true;
}

static bool insert_of(struct reading *r, const struct ecc_sql_node *body)
{
    const struct ecc_sql_node *lists = ecc_sql_at(ecc_sql_body(ecc_sql_at(body, "selectStmt")), "valuesLists");
    const struct ecc_sql_node *conflict = ecc_sql_at(body, "onConflictClause"), *cols = ecc_sql_at(body, "cols");
    size_t i = 0;

    if (ecc_sql_at(body, "withClause") || !lists || lists->n != 1)
        return false;
    const struct ecc_sql_node *items = ecc_sql_at(ecc_sql_body(lists->first), "items");
    for
        ECC_SQL_EACH(col, cols)
        {
            const struct ecc_column *column = column_named(r->table, ecc_sql_text(ecc_sql_body(col), "name"));
            if (column)
                add_set(r, column, operand_of(r->ctx, ecc_sql_item(items, i)));
            i++;
        }
    r->out->verb = ECC_SQL_INSERT;
    r->out->conflict = conflict != NULL;
    r->out->skips = conflict && strcmp(ecc_sql_text(conflict, "action"), "ONCONFLICT_NOTHING") == 0;
    return true;
}

static bool change_of(struct reading *r, const struct ecc_sql_node *body, enum ecc_sql_verb verb)
{
    if (ecc_sql_at(body, "withClause") || ecc_sql_at(body, "fromClause") || ecc_sql_at(body, "usingClause"))
        return false;
    for
        ECC_SQL_EACH(item, verb == ECC_SQL_UPDATE ? ecc_sql_at(body, "targetList") : NULL)
        {
            const struct ecc_sql_node *target = ecc_sql_body(item);
            const struct ecc_column *column = column_named(r->table, ecc_sql_text(target, "name"));
            if (column)
                add_set(r, column, operand_of(r->ctx, ecc_sql_at(target, "val")));
        }
    r->out->verb = verb;
    return true;
}

const struct ecc_sql_effect *sql_effect(struct sql_ctx *ctx, const struct ecc_sql_node *stmt, const struct ecc_record *row)
{
    struct reading r = {.ctx = ctx, .out = ECC_NEW(ctx->keep, struct ecc_sql_effect), .alias = ""};
    const struct ecc_sql_node *body = ecc_sql_body(stmt);
    bool select = ecc_sql_is(stmt, "SelectStmt"), simple = false;

    *r.out = (struct ecc_sql_effect){.verb = ECC_SQL_OTHER};
    if (select)
        simple = select_of(&r, body);
    else if (table_of(&r, ecc_sql_at(body, "relation")))
        simple = ecc_sql_is(stmt, "InsertStmt") ? insert_of(&r, body)
                                                : change_of(&r, body, ecc_sql_is(stmt, "UpdateStmt") ? ECC_SQL_UPDATE : ECC_SQL_DELETE);
    r.out->table = r.table;
    if (!simple)
        return r.out;
    if (ecc_sql_at(body, "whereClause"))
        condition(&r, ecc_sql_at(body, "whereClause"));
    results(&r, ecc_sql_at(body, select ? "targetList" : "returningList"), row);
    return r.out;
}
