/* From one schema to the next. First the old schema is brought to the new names, so that what only changed its name compares equal; then
 * what is left is taken away, made and changed, in an order that PostgreSQL can follow. What would lose data, or can't work on a table
 * that has rows, is an error unless the topology says how. */
#include <string.h>

#include "schema_diff.h"

/* ------------------------------------------------------------------ names of parts */

struct parts {
    struct ecc_schema_part *items;
    size_t n;
};

static struct ecc_schema_part *find_part(struct parts parts, const char *name)
{
    for (size_t i = 0; i < parts.n; i++) {
        if (strcmp(parts.items[i].name, name) == 0)
            return &parts.items[i];
    }
    return NULL;
}

/* The values of `CHECK (x IN ('a', 'b'))`, or NULL. An enum's values are words: none has a comma in it. */
static const char *listed(const char *sql)
{
    const char *list = strstr(sql, " IN ('");

    return strncmp(sql, "CHECK (", 7) == 0 && list ? list + strlen(" IN (") : NULL;
}

static bool lists_all(const char *from, const char *in)
{
    for (size_t n; (n = strcspn(from, ",)")) > 0; from += n + (from[n] == ',' ? 2 : 0)) {
        const char *at = in;
        while (at && (strncmp(at, from, n) != 0 || strcspn(at, ",)") != n)) {
            at = strchr(at, ',');
            at = at ? at + 2 : NULL;
        }
        if (!at)
            return false;
        if (from[n] != ',')
            break;
    }
    return true;
}

/* Another order of an enum's values is not another constraint: a migration would lock the table for nothing. */
static bool same_sql(const char *a, const char *b, const char *name)
{
    const char *x = listed(a), *y = listed(b);
    size_t n = strlen(name);

    if (strcmp(a, b) == 0)
        return true;
    return x && y && n > 5 && strcmp(name + n - 5, "_enum") == 0 && x - a == y - b && strncmp(a, b, (size_t)(x - a)) == 0 &&
           lists_all(x, y) && lists_all(y, x);
}

static bool same_part(struct parts parts, const struct ecc_schema_part *part)
{
    const struct ecc_schema_part *other = find_part(parts, part->name);

    return other && same_sql(other->sql, part->sql, part->name);
}

/* The name of a constraint follows its table and columns; where only that changed, it is renamed. */
static void rename_parts(struct schema_diff *d, const struct ecc_schema_table *table, struct parts next, struct parts old, bool indexes)
{
    for (size_t i = 0; i < next.n; i++) {
        for (size_t j = 0; j < old.n && !find_part(old, next.items[i].name); j++) {
            const char *from = old.items[j].name, *to = next.items[i].name;
            if (find_part(next, from) || strcmp(old.items[j].sql, next.items[i].sql) != 0)
                continue;
            const char *up = indexes ? FMT(d, "ALTER INDEX %s RENAME TO %s;\n", Q(d, from), Q(d, to))
                                     : FMT(d, "ALTER TABLE %s RENAME CONSTRAINT %s TO %s;\n", Q(d, table->name), Q(d, from), Q(d, to));
            const char *down = indexes ? FMT(d, "ALTER INDEX %s RENAME TO %s;\n", Q(d, to), Q(d, from))
                                       : FMT(d, "ALTER TABLE %s RENAME CONSTRAINT %s TO %s;\n", Q(d, table->name), Q(d, to), Q(d, from));
            schema_change(d, PHASE_CHANGE, FMT(d, "alter_%s", table->name), up, down);
            old.items[j].name = to;
        }
    }
}

/* ------------------------------------------------------------------ constraints and indexes */

#define PARTS(list) ((struct parts){(list).items, (list).n})

enum part_kind { PART_INDEX, PART_KEY, PART_CHECK, PART_FOREIGN_KEY };

static enum part_kind kind_of(const struct ecc_schema_part *part, bool index)
{
    if (index)
        return PART_INDEX;
    if (part->table)
        return PART_FOREIGN_KEY;
    return strncmp(part->sql, "CHECK ", 6) == 0 ? PART_CHECK : PART_KEY;
}

static const char *add_part_sql(struct schema_diff *d, const struct ecc_schema_table *table, const struct ecc_schema_part *part, bool index,
                                const char *how)
{
    if (index)
        return ecc_schema_index_sql(d->arena, table, part);
    return FMT(d, "ALTER TABLE %s ADD CONSTRAINT %s %s%s;\n", Q(d, table->name), Q(d, part->name), part->sql, how);
}

static const char *drop_part_sql(struct schema_diff *d, const struct ecc_schema_table *table, const struct ecc_schema_part *part,
                                 bool index)
{
    if (index)
        return FMT(d, "DROP INDEX %s;\n", Q(d, part->name));
    return FMT(d, "ALTER TABLE %s DROP CONSTRAINT %s;\n", Q(d, table->name), Q(d, part->name));
}

static const char *validate_sql(struct schema_diff *d, const struct ecc_schema_table *table, const char *name)
{
    return FMT(d, "ALTER TABLE %s VALIDATE CONSTRAINT %s;\n", Q(d, table->name), Q(d, name));
}

/* Made beside the work that goes on: an index of its own, which a key then takes over. */
static void build_index(struct schema_diff *d, const struct ecc_schema_table *table, const struct ecc_schema_part *part, bool unique)
{
    const char *name = Q(d, part->name);

    schema_change(d, PHASE_BUILD, FMT(d, "index_%s", part->name),
                  FMT(d, "CREATE %sINDEX CONCURRENTLY IF NOT EXISTS %s ON %s %s;\n", unique ? "UNIQUE " : "", name, Q(d, table->name),
                      strchr(part->sql, '(')),
                  FMT(d, "DROP INDEX CONCURRENTLY IF EXISTS %s;\n", name));
}

/* Does the key that a foreign key needs come only with this step? */
static bool key_is_new(struct schema_diff *d, const struct ecc_schema_part *part)
{
    const struct ecc_schema_table *old = ecc_schema_find(&d->old, part->table), *next = ecc_schema_find(d->next, part->table);

    for (size_t i = 0; old && next && i < next->constraints.n; i++) {
        const struct ecc_schema_part *key = &next->constraints.items[i];
        if (strncmp(key->sql, "PRIMARY KEY ", 12) == 0)
            return !same_part(PARTS(old->constraints), key);
    }
    return false;
}

/* Of a table that there is: it may have rows. */
static void add_part(struct schema_diff *d, const struct ecc_schema_table *table, const struct ecc_schema_part *part, bool index)
{
    const char *slug = FMT(d, "alter_%s", table->name), *settle = FMT(d, "validate_%s", table->name);
    const char *drop = drop_part_sql(d, table, part, index), *name = part->name;

    STEP(d, PART_ADDED, .table = table->name, .name = name, .now = part->sql, .index = index, .span = table->span);
    switch (kind_of(part, index)) {
    case PART_INDEX:
        build_index(d, table, part, false);
        break;
    case PART_KEY:
        build_index(d, table, part, true);
        schema_change(d, PHASE_SETTLE, settle,
                      FMT(d, "ALTER TABLE %s ADD CONSTRAINT %s %.*sUSING INDEX %s;\n", Q(d, table->name), Q(d, name),
                          (int)strcspn(part->sql, "("), part->sql, Q(d, name)),
                      drop);
        break;
    case PART_CHECK:
        schema_change(d, PHASE_CHANGE, slug, add_part_sql(d, table, part, false, " NOT VALID"), drop);
        schema_change(d, PHASE_SETTLE, settle, validate_sql(d, table, name), "");
        break;
    case PART_FOREIGN_KEY: {
        bool late = key_is_new(d, part);
        schema_change(d, late ? PHASE_SETTLE : PHASE_CHANGE, late ? settle : slug, add_part_sql(d, table, part, false, " NOT VALID"), drop);
        schema_change(d, late ? PHASE_VALIDATE : PHASE_SETTLE, settle, validate_sql(d, table, name), "");
        break;
    }
    }
}

static void drop_part(struct schema_diff *d, const struct ecc_schema_table *table, const struct ecc_schema_part *part, bool index)
{
    STEP(d, PART_REMOVED, .table = table->name, .name = part->name, .was = part->sql, .index = index, .span = table->span);
    schema_change(d, PHASE_CHANGE, FMT(d, "alter_%s", table->name), drop_part_sql(d, table, part, index),
                  add_part_sql(d, table, part, index, ""));
}

/* What `from` has and `against` has not, of some kinds. */
static void parts_change(struct schema_diff *d, const struct ecc_schema_table *table, struct parts from, struct parts against, bool index,
                         bool foreign_keys,
                         void (*change)(struct schema_diff *, const struct ecc_schema_table *, const struct ecc_schema_part *, bool))
{
    for (size_t i = 0; i < from.n; i++) {
        bool is_foreign_key = kind_of(&from.items[i], index) == PART_FOREIGN_KEY;
        if (is_foreign_key == foreign_keys && !same_part(against, &from.items[i]))
            change(d, table, &from.items[i], index);
    }
}

/* Foreign keys go before the keys that they need. */
static void drop_parts(struct schema_diff *d, bool foreign_keys)
{
    for (size_t i = 0; i < d->next->tables.n; i++) {
        const struct ecc_schema_table *table = d->next->tables.items[i], *old = ecc_schema_find(&d->old, table->name);
        if (!old)
            continue;
        parts_change(d, table, PARTS(old->constraints), PARTS(table->constraints), false, foreign_keys, drop_part);
        if (!foreign_keys)
            parts_change(d, table, PARTS(old->indexes), PARTS(table->indexes), true, false, drop_part);
    }
}

static void add_parts(struct schema_diff *d, bool foreign_keys)
{
    for (size_t i = 0; i < d->next->tables.n; i++) {
        const struct ecc_schema_table *table = d->next->tables.items[i], *old = ecc_schema_find(&d->old, table->name);
        if (!old)
            continue;
        parts_change(d, table, PARTS(table->constraints), PARTS(old->constraints), false, foreign_keys, add_part);
        if (!foreign_keys)
            parts_change(d, table, PARTS(table->indexes), PARTS(old->indexes), true, false, add_part);
    }
}

/* ------------------------------------------------------------------ columns */

static const struct ecc_drop *find_drop(const struct schema_diff *d, const char *table, const char *column)
{
    for (size_t i = 0; i < d->model->ndrops; i++) {
        const struct ecc_drop *drop = d->model->drops[i];
        bool same = drop->service == d->service && strcmp(drop->table, table) == 0;
        if (same && (column ? drop->column && strcmp(drop->column, column) == 0 : !drop->column))
            return drop;
    }
    return NULL;
}

static void add_column(struct schema_diff *d, const struct ecc_schema_table *table, const struct ecc_schema_column *column)
{
    bool refused = column->not_null && !column->dflt;

    STEP(d, COLUMN_ADDED, .table = table->name, .name = column->name, .now = column->type, .refused = refused, .span = column->span);
    if (refused) {
        struct ecc_diag *diag = ecc_diag(d->diags, ECC_E_MIGRATION, column->span,
                                         "`%s` is new and can't be null, but rows that exist have no value for it", column->name);
        ecc_diag_help(d->diags, diag, "give it a default, or make it optional");
        return;
    }
    schema_change(d, PHASE_CHANGE, FMT(d, "add_%s_%s", table->name, column->name),
                  FMT(d, "ALTER TABLE %s ADD COLUMN %s;\n", Q(d, table->name), ecc_schema_column_sql(d->arena, column)),
                  FMT(d, "ALTER TABLE %s DROP COLUMN %s;\n", Q(d, table->name), Q(d, column->name)));
}

static void drop_column(struct schema_diff *d, const struct ecc_schema_table *table, const struct ecc_schema_column *column)
{
    const struct ecc_drop *drop = find_drop(d, table->name, column->name);

    STEP(d, COLUMN_REMOVED, .table = table->name, .name = column->name, .was = column->type, .refused = !drop, .span = column->span);
    if (!drop) {
        struct ecc_diag *diag = ecc_diag(d->diags, ECC_E_MIGRATION, table->span, "column `%s` of `%s` is gone, and its data would be",
                                         column->name, table->name);
        ecc_diag_help(d->diags, diag, "say `drop %s.%s.%s \"why\"`, or on the column that it became, `was(%s)`", d->service->name,
                      table->name, column->name, column->name);
        return;
    }
    if (table->kept) {
        schema_refuse_kept(d, table->span, FMT(d, "column `%s` can't be dropped", column->name), table->kept);
        return;
    }
    struct ecc_schema_column again = *column;
    again.not_null = column->not_null && column->dflt;
    schema_change(
        d, PHASE_DROP, FMT(d, "drop_%s_%s", table->name, column->name),
        FMT(d, "-- %s\nALTER TABLE %s DROP COLUMN %s;\n", ecc_comment_text(d->arena, drop->why), Q(d, table->name), Q(d, column->name)),
        FMT(d, "-- the values are gone\nALTER TABLE %s ADD COLUMN %s;\n", Q(d, table->name), ecc_schema_column_sql(d->arena, &again)));
}

/* Conversions that no value can fail. */
static bool converts(const char *from, const char *to)
{
    if (strcmp(to, "text") == 0)
        return true;
    return (strcmp(from, "bigint") == 0 && strcmp(to, "double precision") == 0) ||
           (strcmp(from, "boolean") == 0 && strcmp(to, "bigint") == 0);
}

static const char *type_sql(struct schema_diff *d, const char *table, const char *column, const char *from, const char *to)
{
    bool between =
        (strcmp(from, "boolean") == 0 && strcmp(to, "bigint") == 0) || (strcmp(from, "bigint") == 0 && strcmp(to, "boolean") == 0);
    const char *through = between ? "::int" : "";

    return FMT(d, "ALTER TABLE %s ALTER COLUMN %s TYPE %s USING %s%s::%s;\n", table, column, to, column, through, to);
}

static void change_type(struct schema_diff *d, const char *t, const struct ecc_schema_table *table, const struct ecc_schema_column *column,
                        const struct ecc_schema_column *old)
{
    const char *c = Q(d, column->name);
    bool fits = converts(old->type, column->type);

    STEP(d, COLUMN_TYPE, .table = table->name, .name = column->name, .was = old->type, .now = column->type, .refused = !fits,
         .span = column->span);
    if (!fits) {
        struct ecc_diag *diag = ecc_diag(d->diags, ECC_E_MIGRATION, column->span, "`%s` was %s and becomes %s, which not every value can",
                                         column->name, old->type, column->type);
        ecc_diag_help(d->diags, diag, "add a column under another name, fill it, and drop this one later");
        return;
    }
    if (table->kept || column->kept) {
        schema_refuse_kept(d, column->span, FMT(d, "`%s` can't change its type", column->name), table->kept ? table->kept : column->kept);
        return;
    }
    /* A default of the old type may not convert; it is set anew. */
    const char *before = old->dflt ? FMT(d, "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT;\n", t, c) : "";
    const char *after = column->dflt ? FMT(d, "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s;\n", t, c, column->dflt) : "";
    const char *drop = column->dflt ? FMT(d, "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT;\n", t, c) : "";
    const char *restore = old->dflt ? FMT(d, "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s;\n", t, c, old->dflt) : "";
    schema_change(d, PHASE_CHANGE, FMT(d, "alter_%s_%s", table->name, column->name),
                  FMT(d, "%s%s%s", before, type_sql(d, t, c, old->type, column->type), after),
                  FMT(d, "%s%s%s", drop, type_sql(d, t, c, column->type, old->type), restore));
}

static void change_default(struct schema_diff *d, const char *t, const struct ecc_schema_table *table,
                           const struct ecc_schema_column *column, const struct ecc_schema_column *old)
{
    const char *c = Q(d, column->name);
    const char *set = column->dflt ? FMT(d, "SET DEFAULT %s", column->dflt) : "DROP DEFAULT";
    const char *back = old->dflt ? FMT(d, "SET DEFAULT %s", old->dflt) : "DROP DEFAULT";

    STEP(d, COLUMN_DEFAULT, .table = table->name, .name = column->name, .was = old->dflt, .now = column->dflt, .span = column->span);
    schema_change(d, PHASE_CHANGE, FMT(d, "alter_%s_%s", table->name, column->name),
                  FMT(d, "ALTER TABLE %s ALTER COLUMN %s %s;\n", t, c, set), FMT(d, "ALTER TABLE %s ALTER COLUMN %s %s;\n", t, c, back));
}

/* A check that holds for every row lets SET NOT NULL pass without reading them. */
static void make_not_null(struct schema_diff *d, const char *t, const struct ecc_schema_table *table,
                          const struct ecc_schema_column *column)
{
    const char *c = Q(d, column->name), *check = Q(d, FMT(d, "ec_not_null_%.51s", column->name)),
               *slug = FMT(d, "%s_%s", table->name, column->name);
    const char *add = FMT(d, "ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID;\n", t, check, c);
    const char *drop = FMT(d, "ALTER TABLE %s DROP CONSTRAINT %s;\n", t, check);

    schema_change(d, PHASE_CHANGE, FMT(d, "alter_%s", slug), add, drop);
    schema_change(d, PHASE_SETTLE, FMT(d, "validate_%s", slug),
                  FMT(d, "ALTER TABLE %s VALIDATE CONSTRAINT %s;\nALTER TABLE %s ALTER COLUMN %s SET NOT NULL;\n%s", t, check, t, c, drop),
                  FMT(d, "%sALTER TABLE %s ALTER COLUMN %s DROP NOT NULL;\n", add, t, c));
}

static bool becomes_not_null(const struct ecc_schema_column *column, const struct ecc_schema_table *old)
{
    const struct ecc_schema_column *was = ecc_schema_column(old, column->name);

    return was && !was->not_null && column->not_null && column->dflt;
}

/* All of a table's at once: a row that got one value and not yet the other would not hold the other's check. */
static void fill(struct schema_diff *d, const struct ecc_schema_table *table, const struct ecc_schema_table *old)
{
    const struct ecc_schema_column *only = NULL;
    const char *set = "", *where = "";
    size_t n = 0;

    for (size_t i = 0; i < table->columns.n; i++) {
        const struct ecc_schema_column *column = &table->columns.items[i];
        const char *c = Q(d, column->name);
        if (!becomes_not_null(column, old))
            continue;
        set = FMT(d, "%s%s%s = coalesce(%s, %s)", set, n ? ", " : "", c, c, column->dflt);
        where = FMT(d, "%s%s%s IS NULL", where, n ? " OR " : "", c);
        only = column;
        n++;
    }
    if (n == 1)
        schema_change(d, PHASE_BUILD, FMT(d, "fill_%s_%s", table->name, only->name),
                      schema_fill(d, table->name, FMT(d, "%s = DEFAULT", Q(d, only->name)), where), "");
    else if (n > 1)
        schema_change(d, PHASE_BUILD, FMT(d, "fill_%s", table->name), schema_fill(d, table->name, set, FMT(d, "(%s)", where)), "");
}

static void change_null(struct schema_diff *d, const char *t, const struct ecc_schema_table *table, const struct ecc_schema_column *column)
{
    const char *c = Q(d, column->name);

    schema_step(d, (struct ecc_schema_step){.kind = column->not_null ? ECC_STEP_COLUMN_NOT_NULL : ECC_STEP_COLUMN_NULLABLE,
                                            .table = table->name,
                                            .name = column->name,
                                            .refused = column->not_null && !column->dflt,
                                            .span = column->span});
    if (!column->not_null) {
        schema_change(d, PHASE_CHANGE, FMT(d, "alter_%s_%s", table->name, column->name),
                      FMT(d, "ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL;\n", t, c),
                      FMT(d, "ALTER TABLE %s ALTER COLUMN %s SET NOT NULL;\n", t, c));
    } else if (column->dflt) {
        make_not_null(d, t, table, column);
    } else {
        struct ecc_diag *diag = ecc_diag(d->diags, ECC_E_MIGRATION, column->span,
                                         "`%s` was optional, and rows that exist may have no value for it", column->name);
        ecc_diag_help(d->diags, diag, "give it a default, which they get");
    }
}

static void change_columns(struct schema_diff *d, const struct ecc_schema_table *table, const struct ecc_schema_table *old)
{
    const char *t = Q(d, table->name);

    for (size_t i = 0; i < table->columns.n; i++) {
        const struct ecc_schema_column *column = &table->columns.items[i], *was = ecc_schema_column(old, column->name);
        if (!was) {
            add_column(d, table, column);
            continue;
        }
        bool retyped = strcmp(was->type, column->type) != 0;
        if (retyped)
            change_type(d, t, table, column, was);
        else if (!was->dflt != !column->dflt || (was->dflt && strcmp(was->dflt, column->dflt) != 0))
            change_default(d, t, table, column, was);
        if (was->not_null != column->not_null)
            change_null(d, t, table, column);
    }
    fill(d, table, old);
    for (size_t i = 0; i < old->columns.n; i++) {
        if (!ecc_schema_column(table, old->columns.items[i].name))
            drop_column(d, table, &old->columns.items[i]);
    }
}

/* ------------------------------------------------------------------ tables */

static bool is_foreign_key(void *context, const struct ecc_schema_part *part)
{
    (void)context;
    return part->table != NULL;
}

static void make_tables(struct schema_diff *d)
{
    for (size_t i = 0; i < d->next->tables.n; i++) {
        const struct ecc_schema_table *table = d->next->tables.items[i];
        if (ecc_schema_find(&d->old, table->name))
            continue;
        STEP(d, TABLE_ADDED, .table = table->name, .span = table->span);
        schema_change(d, PHASE_CHANGE, FMT(d, "add_%s", table->name), ecc_schema_create_table(d->arena, table, is_foreign_key, NULL),
                      FMT(d, "DROP TABLE %s;\n", Q(d, table->name)));
    }
}

/* Of new tables, once all of them stand, and of those that go. */
static void foreign_keys(struct schema_diff *d, const struct ecc_schema_table *table, bool add)
{
    for (size_t i = 0; i < table->constraints.n; i++) {
        const struct ecc_schema_part *part = &table->constraints.items[i];
        if (!part->table)
            continue;
        const char *make = add_part_sql(d, table, part, false, ""), *take = drop_part_sql(d, table, part, false);
        bool late = add && key_is_new(d, part);
        schema_change(d, late ? PHASE_SETTLE : PHASE_CHANGE, FMT(d, "%s_%s", add ? "alter" : "drop", table->name), add ? make : take,
                      add ? take : make);
    }
}

static void drop_tables(struct schema_diff *d)
{
    for (size_t i = 0; i < d->old.tables.n; i++) {
        const struct ecc_schema_table *table = d->old.tables.items[i];
        if (ecc_schema_find(d->next, table->name))
            continue;
        const struct ecc_drop *drop = find_drop(d, table->name, NULL);
        STEP(d, TABLE_REMOVED, .table = table->name, .refused = !drop, .span = table->span);
        if (!drop) {
            struct ecc_diag *diag = ecc_diag(d->diags, ECC_E_MIGRATION, d->service->span, "table `%s` of %s is gone, and its data would be",
                                             table->name, d->service->name);
            ecc_diag_help(d->diags, diag, "say `drop %s.%s \"why\"`, or in the table that it became, `was(%s)`", d->service->name,
                          table->name, table->name);
            continue;
        }
        schema_change(d, PHASE_DROP, FMT(d, "drop_%s", table->name),
                      FMT(d, "-- %s\nDROP TABLE %s;\n", ecc_comment_text(d->arena, drop->why), Q(d, table->name)),
                      FMT(d, "-- the rows are gone\n%s", ecc_schema_create_table(d->arena, table, is_foreign_key, NULL)));
    }
}

void schema_compare(struct schema_diff *d)
{
    const struct ecc_schema *next = d->next;

    schema_renames(d);
    for (size_t i = 0; i < next->tables.n; i++) {
        const struct ecc_schema_table *table = next->tables.items[i];
        struct ecc_schema_table *was = schema_old_table(d, table->name);
        if (was) {
            rename_parts(d, table, PARTS(table->constraints), PARTS(was->constraints), false);
            rename_parts(d, table, PARTS(table->indexes), PARTS(was->indexes), true);
        }
    }
    drop_parts(d, true);
    for (size_t i = 0; i < d->old.tables.n; i++) {
        if (!ecc_schema_find(next, d->old.tables.items[i]->name))
            foreign_keys(d, d->old.tables.items[i], false);
    }
    drop_parts(d, false);
    make_tables(d);
    for (size_t i = 0; i < next->tables.n; i++) {
        const struct ecc_schema_table *was = ecc_schema_find(&d->old, next->tables.items[i]->name);
        if (was)
            change_columns(d, next->tables.items[i], was);
    }
    drop_tables(d);
    add_parts(d, false);
    add_parts(d, true);
    for (size_t i = 0; i < next->tables.n; i++) {
        if (!ecc_schema_find(&d->old, next->tables.items[i]->name))
            foreign_keys(d, next->tables.items[i], true);
    }
}
