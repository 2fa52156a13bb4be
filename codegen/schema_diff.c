/* From one schema to the next. First the old schema is brought to the new names, so that what only changed its name compares equal; then
 * what is left is taken away, made and changed, in an order that PostgreSQL can follow. What would lose data, or can't work on a table
 * that has rows, is an error unless the topology says how. */
#include <string.h>

#include "arena.h"
#include "outset.h"
#include "schema.h"
#include "writer.h"

#define FMT(d, ...) ecc_arena_printf((d)->arena, __VA_ARGS__)
#define Q(d, name) ecc_quote_sql_name((d)->arena, name)

struct diff {
    struct ecc_arena *arena;
    const struct ecc_model *model;
    const struct ecc_node *service;
    const struct ecc_schema *next;
    struct ecc_schema old; /* renamed as it goes */
    struct ecc_diags *diags;
    struct { struct ecc_change_sql *items; size_t n, cap; } changes;
    const char *slug; /* says what the first change is */
    struct ecc_schema_steps *steps; /* or NULL: nobody asks */
};

static void change(struct diff *d, const char *slug, const char *up, const char *down)
{
    if (!d->slug)
        d->slug = slug;
    ECC_PUSH(d->arena, &d->changes, ((struct ecc_change_sql){up, down}));
}

static void step(struct diff *d, struct ecc_schema_step what)
{
    if (d->steps)
        ECC_PUSH(d->arena, d->steps, what);
}

#define STEP(d, what, ...) step(d, (struct ecc_schema_step){.kind = ECC_STEP_##what, __VA_ARGS__})

/* ------------------------------------------------------------------ new names */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Every whole word `from` between start and stop becomes `to`. */
static const char *replace_word(struct diff *d, const char *sql, size_t start, size_t stop, const char *from, const char *to)
{
    struct ecc_writer w;
    size_t n = strlen(from);

    ecc_writer_init(&w, d->arena);
    for (size_t i = 0; sql[i];) {
        bool here = i >= start && i + n <= stop && strncmp(sql + i, from, n) == 0 && (!i || !is_word(sql[i - 1])) && !is_word(sql[i + n]);
        ecc_w_text(&w, here ? to : sql + i, here ? strlen(to) : 1);
        i += here ? n : 1;
    }
    return w.data;
}

/* Where the part that speaks of another table begins: the length for anything but a foreign key. */
static size_t own_part(const struct ecc_schema_part *part)
{
    const char *references = part->table ? strstr(part->sql, " REFERENCES ") : NULL;

    return references ? (size_t)(references - part->sql) : strlen(part->sql);
}

static void rename_in_parts(struct diff *d, const char *table, const char *column, const char *to)
{
    for (size_t i = 0; i < d->old.tables.n; i++) {
        struct ecc_schema_table *t = d->old.tables.items[i];
        for (size_t j = 0; j < t->constraints.n; j++) {
            struct ecc_schema_part *part = &t->constraints.items[j];
            size_t own = own_part(part);
            if (part->table && strcmp(part->table, table) == 0) {
                part->sql = replace_word(d, part->sql, own + strlen(" REFERENCES "), strlen(part->sql), column ? column : table, to);
                if (!column)
                    part->table = to;
            }
            if (column && strcmp(t->name, table) == 0)
                part->sql = replace_word(d, part->sql, 0, own_part(part), column, to);
        }
        for (size_t j = 0; column && strcmp(t->name, table) == 0 && j < t->indexes.n; j++)
            t->indexes.items[j].sql = replace_word(d, t->indexes.items[j].sql, 0, strlen(t->indexes.items[j].sql), column, to);
    }
}

static struct ecc_schema_table *old_table(struct diff *d, const char *name)
{
    return (struct ecc_schema_table *)ecc_schema_find(&d->old, name);
}

static void rename_tables(struct diff *d)
{
    for (size_t i = 0; i < d->next->tables.n; i++) {
        const struct ecc_schema_table *table = d->next->tables.items[i];
        struct ecc_schema_table *was = table->was && !old_table(d, table->name) ? old_table(d, table->was) : NULL;
        if (!was || ecc_schema_find(d->next, table->was))
            continue;
        STEP(d, TABLE_RENAMED, .table = table->name, .was = table->was, .now = table->name, .span = table->span);
        change(d, FMT(d, "rename_%s", table->was), FMT(d, "ALTER TABLE %s RENAME TO %s;\n", Q(d, table->was), Q(d, table->name)),
               FMT(d, "ALTER TABLE %s RENAME TO %s;\n", Q(d, table->name), Q(d, table->was)));
        rename_in_parts(d, table->was, NULL, table->name);
        was->name = table->name;
    }
}

static void rename_columns(struct diff *d, const struct ecc_schema_table *table, struct ecc_schema_table *old)
{
    for (size_t i = 0; i < table->columns.n; i++) {
        const struct ecc_schema_column *column = &table->columns.items[i];
        if (!column->was || ecc_schema_column(old, column->name) || ecc_schema_column(table, column->was))
            continue;
        struct ecc_schema_column *was = (struct ecc_schema_column *)ecc_schema_column(old, column->was);
        if (!was)
            continue;
        STEP(d, COLUMN_RENAMED, .table = table->name, .name = column->name, .was = column->was, .now = column->name,
             .span = column->span);
        change(d, FMT(d, "rename_%s_%s", table->name, column->was),
               FMT(d, "ALTER TABLE %s RENAME COLUMN %s TO %s;\n", Q(d, table->name), Q(d, column->was), Q(d, column->name)),
               FMT(d, "ALTER TABLE %s RENAME COLUMN %s TO %s;\n", Q(d, table->name), Q(d, column->name), Q(d, column->was)));
        rename_in_parts(d, table->name, column->was, column->name);
        was->name = column->name;
    }
}

struct parts { struct ecc_schema_part *items; size_t n; };

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
static void rename_parts(struct diff *d, const struct ecc_schema_table *table, struct parts next, struct parts old, bool indexes)
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
            change(d, FMT(d, "alter_%s", table->name), up, down);
            old.items[j].name = to;
        }
    }
}

/* ------------------------------------------------------------------ constraints and indexes */

static const char *add_part_sql(struct diff *d, const struct ecc_schema_table *table, const struct ecc_schema_part *part, bool index)
{
    if (index)
        return ecc_schema_index_sql(d->arena, table, part);
    return FMT(d, "ALTER TABLE %s ADD CONSTRAINT %s %s;\n", Q(d, table->name), Q(d, part->name), part->sql);
}

static const char *drop_part_sql(struct diff *d, const struct ecc_schema_table *table, const struct ecc_schema_part *part, bool index)
{
    if (index)
        return FMT(d, "DROP INDEX %s;\n", Q(d, part->name));
    return FMT(d, "ALTER TABLE %s DROP CONSTRAINT %s;\n", Q(d, table->name), Q(d, part->name));
}

/* What `from` has and `against` has not. */
static void parts_change(struct diff *d, const struct ecc_schema_table *table, struct parts from, struct parts against, bool index, bool add)
{
    for (size_t i = 0; i < from.n; i++) {
        const struct ecc_schema_part *part = &from.items[i];
        if (same_part(against, part))
            continue;
        const char *make = add_part_sql(d, table, part, index), *take = drop_part_sql(d, table, part, index);
        step(d, (struct ecc_schema_step){.kind = add ? ECC_STEP_PART_ADDED : ECC_STEP_PART_REMOVED, .table = table->name, .name = part->name,
                                         .was = add ? NULL : part->sql, .now = add ? part->sql : NULL, .index = index, .span = table->span});
        change(d, FMT(d, "alter_%s", table->name), add ? make : take, add ? take : make);
    }
}

#define PARTS(list) ((struct parts){(list).items, (list).n})

static void all_parts(struct diff *d, bool add)
{
    for (size_t i = 0; i < d->next->tables.n; i++) {
        const struct ecc_schema_table *table = d->next->tables.items[i], *old = ecc_schema_find(&d->old, table->name);
        if (!old)
            continue;
        parts_change(d, table, add ? PARTS(table->constraints) : PARTS(old->constraints), add ? PARTS(old->constraints) : PARTS(table->constraints),
                     false, add);
        parts_change(d, table, add ? PARTS(table->indexes) : PARTS(old->indexes), add ? PARTS(old->indexes) : PARTS(table->indexes), true, add);
    }
}

/* ------------------------------------------------------------------ columns */

static const struct ecc_drop *find_drop(const struct diff *d, const char *table, const char *column)
{
    for (size_t i = 0; i < d->model->ndrops; i++) {
        const struct ecc_drop *drop = d->model->drops[i];
        bool same = drop->service == d->service && strcmp(drop->table, table) == 0;
        if (same && (column ? drop->column && strcmp(drop->column, column) == 0 : !drop->column))
            return drop;
    }
    return NULL;
}

static void add_column(struct diff *d, const struct ecc_schema_table *table, const struct ecc_schema_column *column)
{
    bool refused = column->not_null && !column->dflt;

    STEP(d, COLUMN_ADDED, .table = table->name, .name = column->name, .now = column->type, .refused = refused, .span = column->span);
    if (refused) {
        struct ecc_diag *diag = ecc_diag(d->diags, ECC_E_MIGRATION, column->span, "`%s` is new and can't be null, but rows that exist have no value for it",
                                         column->name);
        ecc_diag_help(d->diags, diag, "give it a default, or make it optional");
        return;
    }
    change(d, FMT(d, "add_%s_%s", table->name, column->name),
           FMT(d, "ALTER TABLE %s ADD COLUMN %s;\n", Q(d, table->name), ecc_schema_column_sql(d->arena, column)),
           FMT(d, "ALTER TABLE %s DROP COLUMN %s;\n", Q(d, table->name), Q(d, column->name)));
}

static void drop_column(struct diff *d, const struct ecc_schema_table *table, const struct ecc_schema_column *column)
{
    const struct ecc_drop *drop = find_drop(d, table->name, column->name);

    STEP(d, COLUMN_REMOVED, .table = table->name, .name = column->name, .was = column->type, .refused = !drop, .span = column->span);
    if (!drop) {
        struct ecc_diag *diag = ecc_diag(d->diags, ECC_E_MIGRATION, table->span, "column `%s` of `%s` is gone, and its data would be", column->name,
                                         table->name);
        ecc_diag_help(d->diags, diag, "say `drop %s.%s.%s \"why\"`, or on the column that it became, `was(%s)`", d->service->name, table->name,
                      column->name, column->name);
        return;
    }
    struct ecc_schema_column again = *column;
    again.not_null = column->not_null && column->dflt;
    change(d, FMT(d, "drop_%s_%s", table->name, column->name),
           FMT(d, "-- %s\nALTER TABLE %s DROP COLUMN %s;\n", ecc_comment_text(d->arena, drop->why), Q(d, table->name), Q(d, column->name)),
           FMT(d, "-- the values are gone\nALTER TABLE %s ADD COLUMN %s;\n", Q(d, table->name), ecc_schema_column_sql(d->arena, &again)));
}

/* Conversions that no value can fail. */
static bool converts(const char *from, const char *to)
{
    if (strcmp(to, "text") == 0)
        return true;
    return (strcmp(from, "bigint") == 0 && strcmp(to, "double precision") == 0) || (strcmp(from, "boolean") == 0 && strcmp(to, "bigint") == 0);
}

static const char *type_sql(struct diff *d, const char *table, const char *column, const char *from, const char *to)
{
    const char *through = strcmp(from, "boolean") == 0 && strcmp(to, "bigint") == 0 ? "::int" : "";

    return FMT(d, "ALTER TABLE %s ALTER COLUMN %s TYPE %s USING %s%s::%s;\n", table, column, to, column, through, to);
}

static void change_type(struct diff *d, const char *t, const struct ecc_schema_table *table, const struct ecc_schema_column *column,
                        const struct ecc_schema_column *old)
{
    const char *c = Q(d, column->name);
    bool fits = converts(old->type, column->type);

    STEP(d, COLUMN_TYPE, .table = table->name, .name = column->name, .was = old->type, .now = column->type, .refused = !fits,
         .span = column->span);
    if (!fits) {
        struct ecc_diag *diag = ecc_diag(d->diags, ECC_E_MIGRATION, column->span, "`%s` was %s and becomes %s, which not every value can", column->name,
                                         old->type, column->type);
        ecc_diag_help(d->diags, diag, "add a column under another name, fill it, and drop this one later");
        return;
    }
    /* A default of the old type may not convert; it is set anew. */
    const char *before = old->dflt ? FMT(d, "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT;\n", t, c) : "";
    const char *after = column->dflt ? FMT(d, "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s;\n", t, c, column->dflt) : "";
    const char *drop = column->dflt ? FMT(d, "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT;\n", t, c) : "";
    const char *restore = old->dflt ? FMT(d, "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s;\n", t, c, old->dflt) : "";
    change(d, FMT(d, "alter_%s_%s", table->name, column->name), FMT(d, "%s%s%s", before, type_sql(d, t, c, old->type, column->type), after),
           FMT(d, "%s%s%s", drop, type_sql(d, t, c, column->type, old->type), restore));
}

static void change_default(struct diff *d, const char *t, const struct ecc_schema_table *table, const struct ecc_schema_column *column,
                           const struct ecc_schema_column *old)
{
    const char *c = Q(d, column->name);
    const char *set = column->dflt ? FMT(d, "SET DEFAULT %s", column->dflt) : "DROP DEFAULT";
    const char *back = old->dflt ? FMT(d, "SET DEFAULT %s", old->dflt) : "DROP DEFAULT";

    STEP(d, COLUMN_DEFAULT, .table = table->name, .name = column->name, .was = old->dflt, .now = column->dflt,
         .span = column->span);
    change(d, FMT(d, "alter_%s_%s", table->name, column->name), FMT(d, "ALTER TABLE %s ALTER COLUMN %s %s;\n", t, c, set),
           FMT(d, "ALTER TABLE %s ALTER COLUMN %s %s;\n", t, c, back));
}

static void change_null(struct diff *d, const char *t, const struct ecc_schema_table *table, const struct ecc_schema_column *column)
{
    const char *c = Q(d, column->name), *slug = FMT(d, "alter_%s_%s", table->name, column->name);
    const char *set = FMT(d, "ALTER TABLE %s ALTER COLUMN %s SET NOT NULL;\n", t, c);
    const char *free_ = FMT(d, "ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL;\n", t, c);

    step(d, (struct ecc_schema_step){.kind = column->not_null ? ECC_STEP_COLUMN_NOT_NULL : ECC_STEP_COLUMN_NULLABLE, .table = table->name,
                                     .name = column->name, .refused = column->not_null && !column->dflt, .span = column->span});
    if (!column->not_null) {
        change(d, slug, free_, set);
    } else if (column->dflt) {
        change(d, slug, FMT(d, "UPDATE %s SET %s = DEFAULT WHERE %s IS NULL;\n%s", t, c, c, set), free_);
    } else {
        struct ecc_diag *diag = ecc_diag(d->diags, ECC_E_MIGRATION, column->span, "`%s` was optional, and rows that exist may have no value for it",
                                         column->name);
        ecc_diag_help(d->diags, diag, "give it a default, which they get");
    }
}

static void change_columns(struct diff *d, const struct ecc_schema_table *table, const struct ecc_schema_table *old)
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

static void make_tables(struct diff *d)
{
    for (size_t i = 0; i < d->next->tables.n; i++) {
        const struct ecc_schema_table *table = d->next->tables.items[i];
        if (ecc_schema_find(&d->old, table->name))
            continue;
        STEP(d, TABLE_ADDED, .table = table->name, .span = table->span);
        change(d, FMT(d, "add_%s", table->name), ecc_schema_create_table(d->arena, table, is_foreign_key, NULL),
               FMT(d, "DROP TABLE %s;\n", Q(d, table->name)));
    }
}

static void foreign_keys(struct diff *d, const struct ecc_schema_table *table, bool add)
{
    for (size_t i = 0; i < table->constraints.n; i++) {
        const struct ecc_schema_part *part = &table->constraints.items[i];
        if (!part->table)
            continue;
        const char *make = add_part_sql(d, table, part, false), *take = drop_part_sql(d, table, part, false);
        change(d, FMT(d, "%s_%s", add ? "alter" : "drop", table->name), add ? make : take, add ? take : make);
    }
}

static void drop_tables(struct diff *d)
{
    for (size_t i = 0; i < d->old.tables.n; i++) {
        const struct ecc_schema_table *table = d->old.tables.items[i];
        if (ecc_schema_find(d->next, table->name))
            continue;
        const struct ecc_drop *drop = find_drop(d, table->name, NULL);
        STEP(d, TABLE_REMOVED, .table = table->name, .refused = !drop, .span = table->span);
        if (!drop) {
            struct ecc_diag *diag = ecc_diag(d->diags, ECC_E_MIGRATION, d->service->span, "table `%s` of %s is gone, and its data would be", table->name,
                                             d->service->name);
            ecc_diag_help(d->diags, diag, "say `drop %s.%s \"why\"`, or in the table that it became, `was(%s)`", d->service->name, table->name,
                          table->name);
            continue;
        }
        change(d, FMT(d, "drop_%s", table->name),
               FMT(d, "-- %s\nDROP TABLE %s;\n", ecc_comment_text(d->arena, drop->why), Q(d, table->name)),
               FMT(d, "-- the rows are gone\n%s", ecc_schema_create_table(d->arena, table, is_foreign_key, NULL)));
    }
}

static struct ecc_schema copy_of(struct ecc_arena *arena, const struct ecc_schema *schema)
{
    struct ecc_schema copy = {0};

    for (size_t i = 0; i < schema->tables.n; i++) {
        const struct ecc_schema_table *from = schema->tables.items[i];
        struct ecc_schema_table *table = ECC_NEW(arena, struct ecc_schema_table);
        table->name = from->name;
        table->span = from->span;
        for (size_t j = 0; j < from->columns.n; j++)
            ECC_PUSH(arena, &table->columns, from->columns.items[j]);
        for (size_t j = 0; j < from->constraints.n; j++)
            ECC_PUSH(arena, &table->constraints, from->constraints.items[j]);
        for (size_t j = 0; j < from->indexes.n; j++)
            ECC_PUSH(arena, &table->indexes, from->indexes.items[j]);
        ECC_PUSH(arena, &copy.tables, table);
    }
    return copy;
}

static void compare(struct diff *d)
{
    const struct ecc_schema *next = d->next;

    rename_tables(d);
    for (size_t i = 0; i < next->tables.n; i++) {
        const struct ecc_schema_table *table = next->tables.items[i];
        struct ecc_schema_table *was = old_table(d, table->name);
        if (was)
            rename_columns(d, table, was);
    }
    for (size_t i = 0; i < next->tables.n; i++) {
        const struct ecc_schema_table *table = next->tables.items[i];
        struct ecc_schema_table *was = old_table(d, table->name);
        if (was) {
            rename_parts(d, table, PARTS(table->constraints), PARTS(was->constraints), false);
            rename_parts(d, table, PARTS(table->indexes), PARTS(was->indexes), true);
        }
    }
    all_parts(d, false);
    for (size_t i = 0; i < d->old.tables.n; i++) {
        if (!ecc_schema_find(next, d->old.tables.items[i]->name))
            foreign_keys(d, d->old.tables.items[i], false);
    }
    make_tables(d);
    for (size_t i = 0; i < next->tables.n; i++) {
        const struct ecc_schema_table *was = ecc_schema_find(&d->old, next->tables.items[i]->name);
        if (was)
            change_columns(d, next->tables.items[i], was);
    }
    drop_tables(d);
    all_parts(d, true);
    for (size_t i = 0; i < next->tables.n; i++) {
        if (!ecc_schema_find(&d->old, next->tables.items[i]->name))
            foreign_keys(d, next->tables.items[i], true);
    }
}

void ecc_schema_compare(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_node *service, const struct ecc_schema *old,
                        const struct ecc_schema *next, struct ecc_schema_steps *out)
{
    struct ecc_diags unsaid;
    struct diff d = {.arena = arena, .model = model, .service = service, .next = next, .old = copy_of(arena, old), .diags = &unsaid, .steps = out};

    ecc_diags_init(&unsaid, arena);
    compare(&d);
}

struct ecc_migration *ecc_schema_diff(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_node *service,
                                      const struct ecc_schema *old, const struct ecc_schema *next, size_t number, struct ecc_diags *diags)
{
    struct diff d = {.arena = arena, .model = model, .service = service, .next = next, .old = copy_of(arena, old), .diags = diags};
    struct ecc_writer up, down;
    size_t errors = diags->errors;

    compare(&d);
    if (!d.changes.n || diags->errors > errors)
        return NULL;
    ecc_writer_init(&up, arena);
    ecc_writer_init(&down, arena);
    for (size_t i = 0; i < d.changes.n; i++)
        ecc_w(&up, "%s", d.changes.items[i].up);
    for (size_t i = d.changes.n; i--;)
        ecc_w(&down, "%s", d.changes.items[i].down);
    struct ecc_migration *migration = ECC_NEW(arena, struct ecc_migration);
    *migration = (struct ecc_migration){FMT(&d, "%06zu_%.60s", number, d.slug), up.data, down.data, ecc_sha256_hex(arena, up.data, up.n)};
    return migration;
}
