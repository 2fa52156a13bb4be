/* Databases: the steps of a migration (codegen/schema.h), told to people. The tables of a service that is gone altogether are only left
 * behind. */
#include "internal.h"
#include "schema.h"

static const char *sql_or_none(const char *sql)
{
    return sql ? sql : "none";
}

/* Is it `<table>_<column>_` and what the schema names a column's own constraints by? */
static bool names_column(const char *part, const char *table, const char *column)
{
    static const char *const ends[] = {"key", "enum", "range", "check", "fkey"};
    size_t t = strlen(table), c = strlen(column);

    if (strncmp(part, table, t) != 0 || part[t] != '_' || strncmp(part + t + 1, column, c) != 0 || part[t + 1 + c] != '_')
        return false;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (strcmp(part + t + 1 + c + 1, ends[i]) == 0)
            return true;
    return false;
}

/* The constraint that a bounded or enum type stands for became wider: `x BETWEEN 1 AND 5` to `... 9`. Only those are understood; of what a
 * person wrote, PostgreSQL alone knows. */
static bool is_wider(const struct ecc_table *old, const struct ecc_table *new_, const char *constraint)
{
    for (size_t i = 0; old && new_ && i < new_->ncolumns; i++) {
        const struct ecc_type *now = new_->columns[i].type, *was = NULL;
        size_t end = strlen(constraint);
        if (!names_column(constraint, new_->name, new_->columns[i].name) || end < 6 ||
            (strcmp(constraint + end - 6, "_range") != 0 && strcmp(constraint + end - 5, "_enum") != 0))
            continue;
        for (size_t j = 0; j < old->ncolumns; j++)
            if (strcmp(old->columns[j].name, new_->columns[i].name) == 0 || ecc_same_text(old->columns[j].name, new_->columns[i].was))
                was = old->columns[j].type;
        if (!was || was->kind != now->kind)
            return false;
        if (now->kind != ECC_TYPE_ENUM)
            return ecc_type_step(was, now) > 0;
        for (size_t j = 0; j < was->enum_->nvalues; j++) {
            bool kept = false;
            for (size_t k = 0; k < now->enum_->nvalues; k++)
                kept |= strcmp(was->enum_->values[j], now->enum_->values[k]) == 0;
            if (!kept)
                return false;
        }
        return true;
    }
    return false;
}

static const struct ecc_schema_step *same_part(const struct ecc_schema_steps *steps, const struct ecc_schema_step *part,
                                               enum ecc_schema_step_kind kind)
{
    for (size_t i = 0; i < steps->n; i++) {
        const struct ecc_schema_step *s = &steps->items[i];
        if (s->kind == kind && s->index == part->index && strcmp(s->table, part->table) == 0 && strcmp(s->name, part->name) == 0)
            return s;
    }
    return NULL;
}

static void tell_part(struct ecc_comparer *c, const struct ecc_node *old, const struct ecc_node *new_, const struct ecc_schema_steps *steps,
                      const struct ecc_schema_step *s)
{
    const char *kind = s->index ? "index" : "constraint", *subject = CFMT(c, "%s %s of %s", kind, s->name, new_->name);
    const struct ecc_table *now = FIND(new_->u.service.tables, new_->u.service.ntables, s->table);
    const struct ecc_table *was = FIND(old->u.service.tables, old->u.service.ntables, now && now->was ? now->was : s->table);

    if (s->kind == ECC_STEP_PART_REMOVED) {
        if (!same_part(steps, s, ECC_STEP_PART_ADDED))
            ecc_differ(c, s->index ? ECC_DIFF_INDEX_REMOVED : ECC_DIFF_CONSTRAINT_REMOVED, false, s->span, subject, "`%s` is gone", s->was);
        return;
    }
    const struct ecc_schema_step *before = same_part(steps, s, ECC_STEP_PART_REMOVED);
    if (!was)
        was = FIND(old->u.service.tables, old->u.service.ntables, s->table);
    if (before && is_wider(was, now, s->name))
        ecc_differ(c, ECC_DIFF_CONSTRAINT_WIDENED, false, s->span, subject, "was `%s` and is `%s`", before->was, s->now);
    else if (before)
        ecc_differ(c, ECC_DIFF_CONSTRAINT_CHANGED, false, s->span, subject, "was `%s` and is `%s`", before->was, s->now);
    else
        ecc_differ(c, s->index ? ECC_DIFF_INDEX_ADDED : ECC_DIFF_CONSTRAINT_ADDED, false, s->span, subject, "new: `%s`", s->now);
}

/* A new column brings its own constraints, one that goes takes them along. */
static bool of_a_column(const struct ecc_schema_steps *steps, const struct ecc_schema_step *part)
{
    enum ecc_schema_step_kind kind = part->kind == ECC_STEP_PART_ADDED ? ECC_STEP_COLUMN_ADDED : ECC_STEP_COLUMN_REMOVED;

    for (size_t i = 0; i < steps->n; i++) {
        const struct ecc_schema_step *s = &steps->items[i];
        if (s->kind == kind && !part->index && strcmp(s->table, part->table) == 0 && names_column(part->name, s->table, s->name))
            return true;
    }
    return false;
}

static void tell(struct ecc_comparer *c, const struct ecc_node *old, const struct ecc_node *new_, const struct ecc_schema_steps *steps,
                 const struct ecc_schema_step *s)
{
    const char *service = new_->name;
    const char *table = CFMT(c, "table %s of %s", s->table, service),
               *column = s->name ? CFMT(c, "column %s.%s of %s", s->table, s->name, service) : "";

    switch (s->kind) {
    case ECC_STEP_TABLE_ADDED:
        ecc_differ(c, ECC_DIFF_TABLE_ADDED, false, s->span, table, "new table");
        break;
    case ECC_STEP_TABLE_REMOVED:
        ecc_differ(c, ECC_DIFF_TABLE_REMOVED, true, s->span, table, "table is gone%s",
                   s->refused ? CFMT(c, ", without a `drop %s.%s \"why\"`", service, s->table) : "");
        break;
    case ECC_STEP_TABLE_RENAMED:
        ecc_differ(c, ECC_DIFF_TABLE_RENAMED, false, s->span, table, "was %s", s->was);
        break;
    case ECC_STEP_COLUMN_ADDED:
        ecc_differ(c, s->refused ? ECC_DIFF_COLUMN_NEEDED : ECC_DIFF_COLUMN_ADDED, false, s->span, column, "new column, %s%s", s->now,
                   s->refused ? ", that can't be null and has no default" : "");
        break;
    case ECC_STEP_COLUMN_REMOVED:
        ecc_differ(c, ECC_DIFF_COLUMN_REMOVED, true, s->span, column, "column is gone%s",
                   s->refused ? CFMT(c, ", without a `drop %s.%s.%s \"why\"`", service, s->table, s->name) : "");
        break;
    case ECC_STEP_COLUMN_RENAMED:
        ecc_differ(c, ECC_DIFF_COLUMN_RENAMED, false, s->span, column, "was %s", s->was);
        break;
    case ECC_STEP_COLUMN_TYPE:
        ecc_differ(c, s->refused ? ECC_DIFF_COLUMN_NARROWED : ECC_DIFF_COLUMN_WIDENED, false, s->span, column, "was %s and is %s", s->was,
                   s->now);
        break;
    case ECC_STEP_COLUMN_DEFAULT:
        ecc_differ(c, ECC_DIFF_COLUMN_DEFAULT_CHANGED, false, s->span, column, "its default was %s and is %s", sql_or_none(s->was),
                   sql_or_none(s->now));
        break;
    case ECC_STEP_COLUMN_NULLABLE:
        ecc_differ(c, ECC_DIFF_COLUMN_NULLABLE, false, s->span, column, "may be null now");
        break;
    case ECC_STEP_COLUMN_NOT_NULL:
        ecc_differ(c, s->refused ? ECC_DIFF_COLUMN_NOT_NULL_BARE : ECC_DIFF_COLUMN_NOT_NULL, false, s->span, column,
                   "may not be null any more");
        break;
    case ECC_STEP_PART_ADDED:
    case ECC_STEP_PART_REMOVED:
        if (!of_a_column(steps, s))
            tell_part(c, old, new_, steps, s);
        break;
    }
}

/* ------------------------------------------------------------------ values of jsonb */

static bool is_json(const struct ecc_type *type)
{
    return type->kind == ECC_TYPE_JSON || type->kind == ECC_TYPE_RECORD || type->kind == ECC_TYPE_LIST;
}

/* No migration goes into them: what is in the rows has to be read as what the type is now. */
static void compare_values(struct ecc_comparer *c, const char *service, const struct ecc_table *old, const struct ecc_table *new_)
{
    for (size_t i = 0; i < new_->ncolumns; i++) {
        const struct ecc_column *now = &new_->columns[i];
        for (size_t j = 0; j < old->ncolumns; j++) {
            const struct ecc_column *was = &old->columns[j];
            if ((strcmp(was->name, now->name) != 0 && !ecc_same_text(was->name, now->was)) || !is_json(was->type) || !is_json(now->type))
                continue;
            struct ecc_type a = *was->type, b = *now->type;
            a.optional = b.optional = false; /* of the column: told by its step */
            ecc_compare_types(c, ECC_AT_ROW, CFMT(c, "column %s.%s of %s", new_->name, now->name, service), was->span, now->span, &a, &b);
        }
    }
}

/* ------------------------------------------------------------------ seeds */

static const char *seeds_of(struct ecc_arena *arena, const struct ecc_service *service)
{
    const char **rows = ECC_NEW_ARRAY(arena, const char *, service->nseeds);

    for (size_t i = 0; i < service->nseeds; i++) {
        const struct ecc_seed *seed = service->seeds[i];
        const char **values = ECC_NEW_ARRAY(arena, const char *, seed->nvalues);
        for (size_t j = 0; j < seed->nvalues; j++)
            values[j] = ecc_arena_printf(arena, "%s: %s", seed->values[j].column->name, ecc_canon_expr(arena, seed->values[j].value));
        rows[i] = ecc_arena_printf(arena, "%s { %s }", seed->table->name, ecc_join_sorted(arena, values, seed->nvalues));
    }
    return ecc_join_sorted(arena, rows, service->nseeds);
}

void ecc_compare_database(struct ecc_comparer *c, const struct ecc_node *old, const struct ecc_node *new_)
{
    static const struct ecc_node none = {.name = ""};
    struct ecc_schema_steps steps = {0};

    if (!old)
        old = &none;
    if (!new_ || !new_->u.service.has_database) {
        for (size_t i = 0; i < old->u.service.ntables; i++)
            ecc_differ(c, ECC_DIFF_TABLE_ABANDONED, true, old->u.service.tables[i]->span,
                       CFMT(c, "table %s of %s", old->u.service.tables[i]->name, old->name),
                       new_ ? "its service has no database any more" : "its service is gone");
        return;
    }
    ecc_schema_compare(c->arena, c->new_, new_, ecc_schema_of(c->arena, &old->u.service), ecc_schema_of(c->arena, &new_->u.service),
                       &steps);
    for (size_t i = 0; i < steps.n; i++)
        tell(c, old, new_, &steps, &steps.items[i]);
    for (size_t i = 0; i < new_->u.service.ntables; i++) {
        const struct ecc_table *now = new_->u.service.tables[i];
        const struct ecc_table *was = FIND(old->u.service.tables, old->u.service.ntables, now->was ? now->was : now->name);
        if (!was)
            was = FIND(old->u.service.tables, old->u.service.ntables, now->name);
        if (was)
            compare_values(c, new_->name, was, now);
    }
    if (old != &none && strcmp(seeds_of(c->arena, &old->u.service), seeds_of(c->arena, &new_->u.service)) != 0)
        ecc_differ(c, ECC_DIFF_SEEDS_CHANGED, false, new_->span, CFMT(c, "service %s", new_->name), "other seeds, %zu before and %zu now",
                   old->u.service.nseeds, new_->u.service.nseeds);
}
