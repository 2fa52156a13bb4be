/* Rows that the story itself has made: what its statements have put into columns is known, and so is whether a statement finds them. Of
 * rows that were there before nothing is known.
 *
 * A row is found by its primary key. Where that, or another condition, is not known, the statement tells nothing, and what it may have
 * changed is forgotten.
 */
#include <string.h>

#include "arena.h"
#include "derive_internal.h"

struct ecc_row {
    const struct ecc_node *node;
    const struct ecc_table *table;
    const struct ecc_known **cells; /* of each column; NULL: not known */
    bool gone;
};

static const struct ecc_known *value_of(struct ecc_derive *d, struct ecc_env *env, const struct ecc_sql *sql,
                                        const struct ecc_sql_operand *o)
{
    switch (o->kind) {
    case ECC_SQL_PARAM:
        return o->param < sql->nparams && sql->params[o->param] ? ecc_env_eval(env, sql->params[o->param]) : NULL;
    case ECC_SQL_TEXT:
        return ecc_known_text(d->arena, o->text);
    case ECC_SQL_INT:
        return ecc_known_int(d->arena, o->i);
    case ECC_SQL_BOOL:
        return ecc_known_bool(d->arena, o->i != 0);
    case ECC_SQL_NULL:
        return &ecc_known_null;
    case ECC_SQL_COMPUTED:
        break;
    }
    return NULL;
}

/* ------------------------------------------------------------------ keys */

static bool in_list(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = list; (p = strstr(p, name)); p += n)
        if ((p == list || strchr("(, ", p[-1])) && (!p[n] || strchr("), ", p[n])))
            return true;
    return false;
}

static bool is_key(const struct ecc_table *table, const struct ecc_column *column)
{
    for (size_t i = 0; i < table->nconstraints; i++)
        if (table->constraints[i].kind == ECC_CON_PRIMARY_KEY && in_list(table->constraints[i].sql, column->name))
            return true;
    return column->primary_key;
}

static size_t key_columns(const struct ecc_table *table)
{
    size_t n = 0;

    for (size_t i = 0; i < table->ncolumns; i++)
        n += is_key(table, &table->columns[i]);
    return n;
}

static const struct ecc_known *cell(const struct ecc_row *row, const struct ecc_column *column)
{
    return row->cells[column - row->table->columns];
}

/* ------------------------------------------------------------------ conditions */

static enum ecc_truth compare(enum ecc_operator op, const struct ecc_known *a, const struct ecc_known *b)
{
    if (!a || !b)
        return ECC_UNKNOWN;
    if (a->kind == ECC_KNOWN_NULL || b->kind == ECC_KNOWN_NULL)
        return ECC_FALSE; /* null, which holds no more */
    return ecc_known_compare(op, a, b);
}

static enum ecc_truth holds(struct ecc_derive *d, struct ecc_env *env, const struct ecc_sql *sql, const struct ecc_row *row,
                            const struct ecc_sql_cond *c)
{
    enum ecc_truth none = ECC_TRUE; /* of the list */

    for (size_t i = 0; i < c->n; i++)
        none = ecc_truth_and(none, ecc_truth_not(compare(c->op, cell(row, c->column), value_of(d, env, sql, &c->operands[i]))));
    return ecc_truth_not(none);
}

struct found {
    struct ecc_row *row; /* it has the key that is asked for */
    size_t at;
    enum ecc_truth rest; /* the other conditions */
};

/* The row that the conditions name by its key; row NULL: there is none that is known of. */
static struct found find(struct ecc_derive *d, struct ecc_env *env, const struct ecc_node *node, const struct ecc_sql *sql)
{
    const struct ecc_sql_effect *e = sql->effect;
    struct found found = {.row = NULL};

    for (size_t i = 0; i < d->rows.n && !found.row; i++) {
        struct ecc_row *row = d->rows.items[i];
        size_t named = 0;
        enum ecc_truth rest = e->more ? ECC_UNKNOWN : ECC_TRUE;
        if (row->node != node || row->table != e->table)
            continue;
        for (size_t k = 0; k < e->nconds; k++) {
            const struct ecc_sql_cond *c = &e->conds[k];
            enum ecc_truth truth = holds(d, env, sql, row, c);
            if (c->op == ECC_OP_EQ && c->n == 1 && is_key(e->table, c->column) && truth == ECC_TRUE)
                named++;
            else
                rest = ecc_truth_and(rest, truth);
        }
        if (named && named == key_columns(e->table))
            found = (struct found){row, i, row->gone ? ECC_FALSE : rest};
    }
    return found;
}

static void forget(struct ecc_derive *d, const struct ecc_node *node, const struct ecc_table *table)
{
    size_t n = 0;

    for (size_t i = 0; i < d->rows.n; i++)
        if (d->rows.items[i]->node != node || (table && d->rows.items[i]->table != table))
            d->rows.items[n++] = d->rows.items[i];
    d->rows.n = n;
}

/* ------------------------------------------------------------------ statements */

static struct ecc_row *copy_of(struct ecc_derive *d, const struct ecc_row *row)
{
    struct ecc_row *copy = ECC_NEW(d->arena, struct ecc_row);

    *copy = *row;
    copy->cells = ECC_NEW_ARRAY(d->arena, const struct ecc_known *, row->table->ncolumns);
    memcpy(copy->cells, row->cells, row->table->ncolumns * sizeof *copy->cells);
    return copy;
}

static void set(struct ecc_derive *d, struct ecc_env *env, const struct ecc_sql *sql, struct ecc_row *row)
{
    for (size_t i = 0; i < sql->effect->nsets; i++)
        row->cells[sql->effect->sets[i].column - row->table->columns] = value_of(d, env, sql, &sql->effect->sets[i].value);
}

/* Of rows that it may have changed, what it sets is not known any more; of one that it may have deleted, nothing. */
static void weaken(struct ecc_derive *d, struct ecc_env *env, const struct ecc_node *node, const struct ecc_sql *sql)
{
    const struct ecc_sql_effect *e = sql->effect;
    size_t n = 0;

    for (size_t i = 0; i < d->rows.n; i++) {
        struct ecc_row *row = d->rows.items[i];
        enum ecc_truth truth = row->node == node && row->table == e->table && !row->gone ? ECC_TRUE : ECC_FALSE;
        for (size_t k = 0; truth != ECC_FALSE && k < e->nconds; k++)
            truth = ecc_truth_and(truth, holds(d, env, sql, row, &e->conds[k]));
        if (truth != ECC_FALSE && e->verb == ECC_SQL_DELETE)
            continue;
        if (truth != ECC_FALSE) {
            row = copy_of(d, row);
            for (size_t k = 0; k < e->nsets; k++)
                row->cells[e->sets[k].column - row->table->columns] = NULL;
        }
        d->rows.items[n++] = row;
    }
    d->rows.n = n;
}

static const struct ecc_known *dflt(struct ecc_derive *d, const struct ecc_column *column)
{
    const char *text = column->dflt_sql;
    size_t n = text ? strlen(text) : 0;

    if (!text)
        return column->type->optional ? &ecc_known_null : NULL;
    if (n >= 2 && text[0] == '\'' && text[n - 1] == '\'' && !memchr(text + 1, '\'', n - 2))
        return ecc_known_text(d->arena, ecc_arena_strndup(d->arena, text + 1, n - 2));
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return ecc_known_bool(d->arena, *text == 't');
    return NULL;
}

static struct ecc_row *made(struct ecc_derive *d, struct ecc_env *env, const struct ecc_node *node, const struct ecc_sql *sql)
{
    const struct ecc_table *table = sql->effect->table;
    struct ecc_row *row = ECC_NEW(d->arena, struct ecc_row);

    *row = (struct ecc_row){.node = node, .table = table, .cells = ECC_NEW_ARRAY(d->arena, const struct ecc_known *, table->ncolumns)};
    for (size_t i = 0; i < table->ncolumns; i++)
        row->cells[i] = dflt(d, &table->columns[i]);
    set(d, env, sql, row);
    return row;
}

static size_t same_key(const struct ecc_derive *d, const struct ecc_row *new)
{
    for (size_t i = 0; i < d->rows.n; i++) {
        const struct ecc_row *row = d->rows.items[i];
        bool same = row->node == new->node && row->table == new->table &&key_columns(row->table);
        for (size_t k = 0; same && k < row->table->ncolumns; k++)
            same = !is_key(row->table, &row->table->columns[k]) || compare(ECC_OP_EQ, row->cells[k], new->cells[k]) == ECC_TRUE;
        if (same)
            return i;
    }
    return d->rows.n;
}

static enum ecc_truth insert(struct ecc_derive *d, struct ecc_env *env, const struct ecc_node *node, const struct ecc_sql *sql,
                             struct ecc_row **row)
{
    struct ecc_row *new = made(d, env, node, sql);
    size_t at = same_key(d, new);

    if (at == d->rows.n) {
        ECC_PUSH(d->arena, &d->rows, new);
        *row = new;
        return ECC_TRUE;
    }
    if (d->rows.items[at]->gone) {
        d->rows.items[at] = *row = new;
        return ECC_TRUE;
    }
    if (sql->effect->skips)
        return ECC_FALSE;
    if (sql->effect->conflict) { /* what it does then is not followed */
        struct ecc_row *other = copy_of(d, d->rows.items[at]);
        for (size_t i = 0; i < other->table->ncolumns; i++)
            if (!is_key(other->table, &other->table->columns[i]))
                other->cells[i] = NULL;
        d->rows.items[at] = other;
    }
    return ECC_UNKNOWN;
}

enum ecc_truth ecc_derive_rows(struct ecc_derive *d, struct ecc_env *env, const struct ecc_node *node, const struct ecc_sql *sql,
                               struct ecc_row **row)
{
    const struct ecc_sql_effect *e = sql->effect;
    struct found found;

    *row = NULL;
    if (!e || !e->table || e->verb == ECC_SQL_OTHER) {
        if (sql->writes)
            forget(d, node, e ? e->table : NULL);
        return ECC_UNKNOWN;
    }
    if (e->verb == ECC_SQL_INSERT)
        return insert(d, env, node, sql, row);
    found = find(d, env, node, sql);
    if (e->verb == ECC_SQL_SELECT || (found.row && found.rest == ECC_FALSE)) {
        *row = found.row && found.rest == ECC_TRUE ? found.row : NULL;
        return found.row ? found.rest : ECC_UNKNOWN;
    }
    if (!found.row || found.rest == ECC_UNKNOWN) {
        weaken(d, env, node, sql);
        return ECC_UNKNOWN;
    }
    *row = copy_of(d, found.row);
    if (e->verb == ECC_SQL_DELETE)
        (*row)->gone = true;
    else
        set(d, env, sql, *row);
    d->rows.items[found.at] = *row;
    return ECC_TRUE;
}

/* What is known goes into the row that the statement gives; NULL: a value that is computed there. */
const struct ecc_known *ecc_derive_result(struct ecc_derive *d, const struct ecc_sql *sql, const struct ecc_row *row,
                                          const struct ecc_known *result)
{
    struct ecc_known *known;

    if (!row || !sql->effect->results || result->kind != ECC_KNOWN_OBJECT)
        return result;
    known = ecc_known_object(d->arena, result->n);
    for (size_t i = 0; i < result->n; i++) {
        const struct ecc_column *column = sql->effect->results[i];
        known->keys[i] = result->keys[i];
        known->items[i] = column && cell(row, column) ? cell(row, column) : result->items[i];
    }
    return known;
}
