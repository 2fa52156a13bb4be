/* New names, while processes of the release before still run and use the old ones.
 *
 * A table is renamed and gets a view by its old name, which can be written through. A column can't have a view: it gets a second column,
 * which is filled and indexed while everybody works, and then takes the old name from it in one short transaction. So all keys,
 * constraints and indexes stay with the column that there was. A trigger gives each what is written to the other. Both stay as long as the
 * topology says `was(old)`; without it the next migration takes them away.
 */
#include <string.h>

#include "schema_diff.h"

/* ------------------------------------------------------------------ names in SQL */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Every whole word `from` between start and stop becomes `to`; both are quoted where the language of SQL asks for it. */
static const char *replace_word(struct schema_diff *d, const char *sql, size_t start, size_t stop, const char *from, const char *to)
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

static bool has_word(struct schema_diff *d, const char *sql, const char *word)
{
    return strcmp(replace_word(d, sql, 0, strlen(sql), word, ""), sql) != 0;
}

/* Where the part that speaks of another table begins: the length for anything but a foreign key. */
static size_t own_part(const struct ecc_schema_part *part)
{
    const char *references = part->table ? strstr(part->sql, " REFERENCES ") : NULL;

    return references ? (size_t)(references - part->sql) : strlen(part->sql);
}

static void rename_in_parts(struct schema_diff *d, const char *table, const char *column, const char *to)
{
    for (size_t i = 0; i < d->old.tables.n; i++) {
        struct ecc_schema_table *t = d->old.tables.items[i];
        for (size_t j = 0; j < t->constraints.n; j++) {
            struct ecc_schema_part *part = &t->constraints.items[j];
            size_t own = own_part(part);
            if (part->table && strcmp(part->table, table) == 0) {
                const char *key = column ? strrchr(part->sql, '(') : NULL; /* REFERENCES table (key): the one or the other */
                size_t from = own + strlen(" REFERENCES "), middle = key ? (size_t)(key - part->sql) : strlen(part->sql);
                if (!column || key)
                    part->sql =
                        replace_word(d, part->sql, column ? middle : from, strlen(part->sql), Q(d, column ? column : table), Q(d, to));
                if (!column)
                    part->table = to;
            }
            if (column && strcmp(t->name, table) == 0)
                part->sql = replace_word(d, part->sql, 0, own_part(part), Q(d, column), Q(d, to));
        }
        for (size_t j = 0; column && strcmp(t->name, table) == 0 && j < t->indexes.n; j++)
            t->indexes.items[j].sql = replace_word(d, t->indexes.items[j].sql, 0, strlen(t->indexes.items[j].sql), Q(d, column), Q(d, to));
    }
}

/* "<name>_was", so that PostgreSQL does not cut it off. */
static const char *kept_name(struct schema_diff *d, const char *name)
{
    const char *hash = strlen(name) > 59 ? ecc_sha256_hex(d->arena, name, strlen(name)) : NULL;

    return Q(d, hash ? FMT(d, "%.50s_%.8s_was", name, hash) : FMT(d, "%s_was", name));
}

/* ------------------------------------------------------------------ the second column of a renamed one */

/* The trigger and its function. kept: the name of the second column, once it has it. */
static const char *trigger_name(struct schema_diff *d, const char *table, const char *kept)
{
    return kept_name(d, FMT(d, "%s_%s", table, kept));
}

static const char *function_sql(struct schema_diff *d, const char *name, const char *body)
{
    return FMT(d, "CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n%s    RETURN NEW;\nEND $$;\n", name,
               body);
}

static const char *trigger_sql(struct schema_diff *d, const char *name, const char *table)
{
    return FMT(d, "CREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION %s();\n", name, Q(d, table), name);
}

/* Before: who writes knows only the old name. After: an INSERT with the old name has it, the other's has null there. */
static const char *one_way(struct schema_diff *d, const char *from, const char *to)
{
    return FMT(d, "    NEW.%s := NEW.%s;\n", Q(d, to), Q(d, from));
}

static const char *both_ways(struct schema_diff *d, const char *kept, const char *name)
{
    const char *o = Q(d, kept), *n = Q(d, name);

    return FMT(
        d,
        "    IF TG_OP = 'INSERT' THEN\n        NEW.%s := coalesce(NEW.%s, NEW.%s);\n        NEW.%s := NEW.%s;\n"
        "    ELSIF NEW.%s IS DISTINCT FROM OLD.%s THEN\n        NEW.%s := NEW.%s;\n    ELSE\n        NEW.%s := NEW.%s;\n    END IF;\n",
        n, o, n, o, n, o, o, n, o, o, n);
}

static const char *drop_trigger_sql(struct schema_diff *d, const char *name, const char *table)
{
    return FMT(d, "DROP TRIGGER %s ON %s;\nDROP FUNCTION %s();\n", name, Q(d, table), name);
}

/* Queries of the processes that know the old name find as fast as before, and their ON CONFLICT finds its key. */
static void copy_index(struct schema_diff *d, const struct ecc_schema_table *table, const char *name, const char *list, bool unique)
{
    const char *index = kept_name(d, name);

    schema_change(
        d, PHASE_COPY, FMT(d, "index_%s_was", name),
        FMT(d, "CREATE %sINDEX CONCURRENTLY IF NOT EXISTS %s ON %s %s;\n", unique ? "UNIQUE " : "", index, Q(d, table->name), list),
        FMT(d, "DROP INDEX CONCURRENTLY IF EXISTS %s;\n", index));
}

static void copy_indexes(struct schema_diff *d, const struct ecc_schema_table *table, const char *from, const char *to)
{
    for (size_t i = 0; i < table->constraints.n; i++) {
        const struct ecc_schema_part *part = &table->constraints.items[i];
        const char *list = strchr(part->sql, '(');
        bool key = strncmp(part->sql, "UNIQUE ", 7) == 0 || strncmp(part->sql, "PRIMARY KEY ", 12) == 0;
        if (key && has_word(d, list, Q(d, from)))
            copy_index(d, table, part->name, replace_word(d, list, 0, strlen(list), Q(d, from), Q(d, to)), true);
    }
    for (size_t i = 0; i < table->indexes.n; i++) {
        const char *list = table->indexes.items[i].sql;
        if (has_word(d, list, Q(d, from)))
            copy_index(d, table, table->indexes.items[i].name, replace_word(d, list, 0, strlen(list), Q(d, from), Q(d, to)), false);
    }
}

static const char *swap_sql(struct schema_diff *d, const char *table, const char *a, const char *b)
{
    const char *t = Q(d, table);

    return FMT(d,
               "ALTER TABLE %s RENAME COLUMN %s TO ec_swap;\nALTER TABLE %s RENAME COLUMN %s TO %s;\n"
               "ALTER TABLE %s RENAME COLUMN ec_swap TO %s;\n",
               t, Q(d, a), t, Q(d, b), Q(d, a), t, Q(d, b));
}

static void expand_column(struct schema_diff *d, const struct ecc_schema_table *table, const struct ecc_schema_column *old, const char *to)
{
    const char *t = Q(d, table->name), *from = old->name, *trigger = trigger_name(d, table->name, from);
    const char *slug = FMT(d, "%s_%s", table->name, from);

    schema_change(d, PHASE_SHADOW, FMT(d, "expand_%s", slug),
                  FMT(d, "ALTER TABLE %s ADD COLUMN %s %s;\n%s%s", t, Q(d, to), old->type, function_sql(d, trigger, one_way(d, from, to)),
                      trigger_sql(d, trigger, table->name)),
                  FMT(d, "%sALTER TABLE %s DROP COLUMN %s;\n", drop_trigger_sql(d, trigger, table->name), t, Q(d, to)));
    schema_change(
        d, PHASE_COPY, FMT(d, "copy_%s", slug),
        schema_fill(d, table->name, FMT(d, "%s = %s", Q(d, to), Q(d, from)), FMT(d, "%s IS DISTINCT FROM %s", Q(d, to), Q(d, from))), "");
    copy_indexes(d, table, from, to);
    schema_change(d, PHASE_CHANGE, FMT(d, "rename_%s", slug),
                  FMT(d, "%s%s", swap_sql(d, table->name, from, to), function_sql(d, trigger, both_ways(d, from, to))),
                  FMT(d, "%s%s", function_sql(d, trigger, one_way(d, from, to)), swap_sql(d, table->name, to, from)));
}

/* ------------------------------------------------------------------ old names that are not wanted any more */

/* The old name serves as long as the topology says `was` and has nothing else of that name. */
static bool still_kept(const struct ecc_schema_table *table, const struct ecc_schema_column *column, const char *kept)
{
    return column && column->was && strcmp(column->was, kept) == 0 && !ecc_schema_column(table, kept);
}

static void contract_column(struct schema_diff *d, const struct ecc_schema_table *table, struct ecc_schema_column *column)
{
    const char *t = Q(d, table->name), *kept = Q(d, column->kept), *trigger = trigger_name(d, table->name, column->kept);

    schema_change(d, PHASE_SHADOW, FMT(d, "contract_%s_%s", table->name, column->kept),
                  FMT(d, "%sALTER TABLE %s DROP COLUMN %s;\n", drop_trigger_sql(d, trigger, table->name), t, kept),
                  FMT(d, "ALTER TABLE %s ADD COLUMN %s %s;\nUPDATE %s SET %s = %s;\n%s%s", t, kept, column->type, t, kept,
                      Q(d, column->name), function_sql(d, trigger, both_ways(d, column->kept, column->name)),
                      trigger_sql(d, trigger, table->name)));
    column->kept = NULL;
}

/* What a table of the old schema is in the next one, or NULL. */
static struct ecc_schema_table *becomes(struct schema_diff *d, const char *name)
{
    struct ecc_schema_table *same = (struct ecc_schema_table *)ecc_schema_find(d->next, name);

    for (size_t i = 0; !same && i < d->next->tables.n; i++) {
        struct ecc_schema_table *table = d->next->tables.items[i];
        if (table->was && strcmp(table->was, name) == 0 && !schema_old_table(d, table->name))
            return table;
    }
    return same;
}

static void contract(struct schema_diff *d)
{
    for (size_t i = 0; i < d->old.tables.n; i++) {
        struct ecc_schema_table *old = d->old.tables.items[i];
        struct ecc_schema_table *next = becomes(d, old->name);
        for (size_t j = 0; j < old->columns.n; j++) {
            struct ecc_schema_column *column = &old->columns.items[j];
            struct ecc_schema_column *now = next ? (struct ecc_schema_column *)ecc_schema_column(next, column->name) : NULL;
            if (column->kept && !(next && still_kept(next, now, column->kept)))
                contract_column(d, old, column);
            else if (column->kept)
                now->kept = column->kept;
        }
        if (!old->kept)
            continue;
        if (next && next->was && strcmp(next->was, old->kept) == 0 && !ecc_schema_find(d->next, old->kept)) {
            next->kept = old->kept;
            next->view = old->view;
        } else {
            schema_change(d, PHASE_SHADOW, FMT(d, "contract_%s", old->kept), FMT(d, "DROP VIEW %s;\n", Q(d, old->kept)), old->view);
            old->kept = old->view = NULL;
        }
    }
}

/* ------------------------------------------------------------------ renames */

void schema_refuse_kept(struct schema_diff *d, struct ecc_span span, const char *what, const char *kept)
{
    struct ecc_diag *diag =
        ecc_diag(d->diags, ECC_E_MIGRATION, span, "%s while the old name `%s` of the release before is kept", what, kept);

    ecc_diag_help(d->diags, diag, "once no process of that release runs, take `was(%s)` away and build", kept);
}

/* now: the columns by the names that they have; before: by those that the view gives them. Both in the same order. */
static const char *view_sql(struct schema_diff *d, const char *view, const char *table, const struct ecc_schema_table *now,
                            const char *const *before)
{
    const char *columns = "";

    for (size_t i = 0; i < now->columns.n; i++) {
        const char *name = now->columns.items[i].name;
        bool same = strcmp(name, before[i]) == 0;
        columns = FMT(d, "%s%s%s%s%s", columns, i ? ", " : "", Q(d, name), same ? "" : " AS ", same ? "" : Q(d, before[i]));
    }
    return FMT(d, "CREATE VIEW %s AS SELECT %s FROM %s;\n", Q(d, view), columns, Q(d, table));
}

static void rename_table(struct schema_diff *d, struct ecc_schema_table *table, struct ecc_schema_table *was, const char *const *before)
{
    for (size_t i = 0; i < was->columns.n; i++) {
        if (was->columns.items[i].kept)
            schema_refuse_kept(d, table->span, FMT(d, "`%s` can't be renamed", was->name), was->columns.items[i].kept);
    }
    table->kept = table->was;
    STEP(d, TABLE_RENAMED, .table = table->name, .was = table->was, .now = table->name, .span = table->span);
    schema_change(
        d, PHASE_CHANGE, FMT(d, "rename_%s", table->was),
        FMT(d, "ALTER TABLE %s RENAME TO %s;\n%s", Q(d, table->was), Q(d, table->name), view_sql(d, table->was, table->name, was, before)),
        FMT(d, "DROP VIEW %s;\nALTER TABLE %s RENAME TO %s;\n", Q(d, table->was), Q(d, table->name), Q(d, table->was)));
    rename_in_parts(d, table->was, NULL, table->name);
    was->name = table->name;
}

/* The view of a table that is renamed in this step has the column's old name, too. */
static void rename_column(struct schema_diff *d, const struct ecc_schema_table *table, struct ecc_schema_column *column,
                          const struct ecc_schema_table *old, struct ecc_schema_column *was, bool viewed)
{
    STEP(d, COLUMN_RENAMED, .table = table->name, .name = column->name, .was = column->was, .now = column->name, .span = column->span);
    if (viewed) {
        schema_change(d, PHASE_CHANGE, FMT(d, "rename_%s_%s", table->name, column->was),
                      FMT(d, "ALTER TABLE %s RENAME COLUMN %s TO %s;\n", Q(d, table->name), Q(d, column->was), Q(d, column->name)),
                      FMT(d, "ALTER TABLE %s RENAME COLUMN %s TO %s;\n", Q(d, table->name), Q(d, column->name), Q(d, column->was)));
    } else if (old->kept) {
        schema_refuse_kept(d, column->span, FMT(d, "`%s` can't be renamed", column->was), old->kept);
    } else if (strcmp(was->type, column->type) != 0) {
        struct ecc_diag *diag = ecc_diag(d->diags, ECC_E_MIGRATION, column->span, "`%s` gets a new name and a new type at once: %s was %s",
                                         column->name, column->type, was->type);
        ecc_diag_help(d->diags, diag, "rename it in this release, and change its type when `was(%s)` is gone", column->was);
    } else {
        expand_column(d, old, was, column->name);
        column->kept = column->was;
    }
    rename_in_parts(d, table->name, column->was, column->name);
    was->name = column->name;
}

static void rename_columns(struct schema_diff *d, struct ecc_schema_table *table, const struct ecc_schema_table *old, bool viewed)
{
    for (size_t i = 0; i < table->columns.n; i++) {
        struct ecc_schema_column *column = &table->columns.items[i];
        if (!column->was || ecc_schema_column(old, column->name) || ecc_schema_column(table, column->was))
            continue;
        struct ecc_schema_column *was = (struct ecc_schema_column *)ecc_schema_column(old, column->was);
        if (was)
            rename_column(d, table, column, old, was, viewed);
    }
}

void schema_renames(struct schema_diff *d)
{
    contract(d);
    for (size_t i = 0; i < d->next->tables.n; i++) {
        struct ecc_schema_table *table = d->next->tables.items[i], *old = schema_old_table(d, table->name);
        struct ecc_schema_table *was = table->was && !old && !ecc_schema_find(d->next, table->was) ? schema_old_table(d, table->was) : NULL;
        if (!was)
            continue;
        const char **before = ECC_NEW_ARRAY(d->arena, const char *, was->columns.n);
        for (size_t j = 0; j < was->columns.n; j++)
            before[j] = was->columns.items[j].name;
        rename_table(d, table, was, before);
        rename_columns(d, table, was, true);
        table->view = view_sql(d, table->was, table->name, was, before);
    }
    for (size_t i = 0; i < d->next->tables.n; i++) {
        struct ecc_schema_table *table = d->next->tables.items[i], *old = schema_old_table(d, table->name);
        if (old)
            rename_columns(d, table, old, false);
    }
}
