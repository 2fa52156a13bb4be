#include "schema.h"

#include <inttypes.h>
#include <string.h>

#include "arena.h"
#include "outset.h"
#include "writer.h"

#define FMT(...) ecc_arena_printf(arena, __VA_ARGS__)

enum { NAME_MAX_BYTES = 63 }; /* PostgreSQL cuts longer names off */

const char *ecc_schema_type(const struct ecc_type *type)
{
    switch (type->kind) {
    case ECC_TYPE_TEXT:
    case ECC_TYPE_SECRET:
    case ECC_TYPE_EMAIL:
    case ECC_TYPE_ENUM:
        return "text";
    case ECC_TYPE_INT:
        return "bigint";
    case ECC_TYPE_FLOAT:
        return "double precision";
    case ECC_TYPE_BOOL:
        return "boolean";
    case ECC_TYPE_UUID:
        return "uuid";
    case ECC_TYPE_TIME:
        return "timestamptz";
    case ECC_TYPE_JSON:
    case ECC_TYPE_RECORD:
    case ECC_TYPE_LIST:
    case ECC_TYPE_SAGA:
    case ECC_TYPE_VOID:
        break;
    }
    return "jsonb";
}

/* A name that is free in the table and fits: cut, with a hash of the whole, where it would be too long or is taken. */
static const char *part_name(struct ecc_arena *arena, const struct ecc_schema_table *table, const char *wanted, const char *sql)
{
    bool taken = strlen(wanted) > NAME_MAX_BYTES;

    for (size_t i = 0; i < table->constraints.n; i++)
        taken |= strcmp(table->constraints.items[i].name, wanted) == 0;
    for (size_t i = 0; i < table->indexes.n; i++)
        taken |= strcmp(table->indexes.items[i].name, wanted) == 0;
    if (!taken)
        return wanted;
    const char *whole = FMT("%s %s", wanted, sql);
    return FMT("%.54s_%.8s", wanted, ecc_sha256_hex(arena, whole, strlen(whole)));
}

/* The words of a list of columns or of an expression: `user_id, id desc` gives user_id_id_desc. */
static const char *words(struct ecc_arena *arena, const char *sql)
{
    char *out = ecc_arena_alloc(arena, strlen(sql) + 1), *p = out;

    for (; *sql; sql++) {
        bool word = (*sql >= 'a' && *sql <= 'z') || (*sql >= '0' && *sql <= '9') || *sql == '_';
        if (word)
            *p++ = *sql;
        else if (p > out && p[-1] != '_')
            *p++ = '_';
    }
    while (p > out && p[-1] == '_')
        p--;
    *p = '\0';
    return out;
}

static void add_constraint(struct ecc_arena *arena, struct ecc_schema_table *table, const char *name, const char *sql,
                           const char *points_at)
{
    name = part_name(arena, table, name, sql);
    ECC_PUSH(arena, &table->constraints, ((struct ecc_schema_part){name, sql, points_at}));
}

static void add_index(struct ecc_arena *arena, struct ecc_schema_table *table, const char *name, const char *sql)
{
    name = part_name(arena, table, name, sql);
    ECC_PUSH(arena, &table->indexes, ((struct ecc_schema_part){name, sql, NULL}));
}

static const char *key_of(struct ecc_arena *arena, const struct ecc_table *table)
{
    for (size_t i = 0; i < table->ncolumns; i++) {
        if (table->columns[i].primary_key)
            return ecc_quote_sql_name(arena, table->columns[i].name);
    }
    for (size_t i = 0; i < table->nconstraints; i++) {
        if (table->constraints[i].kind == ECC_CON_PRIMARY_KEY)
            return table->constraints[i].sql;
    }
    return NULL; /* PostgreSQL finds the key, or says that there is none */
}

/* What the language says of a column's values; the same holds for what other programs write. */
static void add_value_checks(struct ecc_arena *arena, struct ecc_schema_table *table, const struct ecc_column *column)
{
    const struct ecc_type *type = column->type;
    const char *name = ecc_quote_sql_name(arena, column->name);

    if (type->kind == ECC_TYPE_ENUM) {
        const char *values = "";
        for (size_t i = 0; i < type->enum_->nvalues; i++)
            values = FMT("%s%s%s", values, i ? ", " : "", ecc_quote_sql(arena, type->enum_->values[i]));
        add_constraint(arena, table, FMT("%s_%s_enum", table->name, column->name), FMT("CHECK (%s IN (%s))", name, values), NULL);
    } else if (type->bounded && (type->kind == ECC_TYPE_INT || type->kind == ECC_TYPE_TEXT || type->kind == ECC_TYPE_SECRET)) {
        const char *what = type->kind == ECC_TYPE_INT ? name : FMT("char_length(%s)", name), *sql;
        if (type->min == INT64_MIN || (type->kind != ECC_TYPE_INT && type->min <= 0))
            sql = type->max == INT64_MAX ? NULL : FMT("CHECK (%s <= %" PRId64 ")", what, type->max);
        else if (type->max == INT64_MAX)
            sql = FMT("CHECK (%s >= %" PRId64 ")", what, type->min);
        else
            sql = FMT("CHECK (%s BETWEEN %" PRId64 " AND %" PRId64 ")", what, type->min, type->max);
        if (sql)
            add_constraint(arena, table, FMT("%s_%s_range", table->name, column->name), sql, NULL);
    }
}

static struct ecc_schema_table *table_of(struct ecc_arena *arena, const struct ecc_table *from)
{
    struct ecc_schema_table *table = ECC_NEW(arena, struct ecc_schema_table);

    table->name = from->name;
    table->was = from->was;
    table->span = from->span;
    for (size_t i = 0; i < from->ncolumns; i++) {
        const struct ecc_column *column = &from->columns[i];
        ECC_PUSH(arena, &table->columns,
                 ((struct ecc_schema_column){.name = column->name,
                                             .was = column->was,
                                             .type = ecc_schema_type(column->type),
                                             .dflt = column->dflt_sql,
                                             .not_null = !column->type->optional,
                                             .span = column->span}));
    }
    for (size_t i = 0; i < from->ncolumns; i++) {
        const struct ecc_column *column = &from->columns[i];
        const char *name = ecc_quote_sql_name(arena, column->name);
        if (column->primary_key)
            add_constraint(arena, table, FMT("%s_pkey", table->name), FMT("PRIMARY KEY (%s)", name), NULL);
        if (column->unique)
            add_constraint(arena, table, FMT("%s_%s_key", table->name, column->name), FMT("UNIQUE (%s)", name), NULL);
        add_value_checks(arena, table, column);
        if (column->check_sql)
            add_constraint(arena, table, FMT("%s_%s_check", table->name, column->name), FMT("CHECK (%s)", column->check_sql), NULL);
        if (column->references) {
            const char *key = key_of(arena, column->references), *other = ecc_quote_sql_name(arena, column->references->name);
            const char *sql = FMT("FOREIGN KEY (%s) REFERENCES %s%s%s%s", name, other, key ? " (" : "", key ? key : "", key ? ")" : "");
            add_constraint(arena, table, FMT("%s_%s_fkey", table->name, column->name), sql, column->references->name);
        }
    }
    for (size_t i = 0; i < from->nconstraints; i++) {
        const struct ecc_constraint *con = &from->constraints[i];
        switch (con->kind) {
        case ECC_CON_PRIMARY_KEY:
            add_constraint(arena, table, FMT("%s_pkey", table->name), FMT("PRIMARY KEY (%s)", con->sql), NULL);
            break;
        case ECC_CON_UNIQUE:
            add_constraint(arena, table, FMT("%s_%s_key", table->name, words(arena, con->sql)), FMT("UNIQUE (%s)", con->sql), NULL);
            break;
        case ECC_CON_CHECK:
            add_constraint(arena, table, FMT("%s_check_%.8s", table->name, ecc_sha256_hex(arena, con->sql, strlen(con->sql))),
                           FMT("CHECK (%s)", con->sql), NULL);
            break;
        case ECC_CON_INDEX:
            add_index(arena, table, FMT("%s_%s_idx", table->name, words(arena, con->sql)), FMT("(%s)", con->sql));
            break;
        }
    }
    return table;
}

struct ecc_schema *ecc_schema_of(struct ecc_arena *arena, const struct ecc_service *service)
{
    struct ecc_schema *schema = ECC_NEW(arena, struct ecc_schema);

    for (size_t i = 0; i < service->ntables; i++) {
        struct ecc_schema_table *table = table_of(arena, service->tables[i]);
        ECC_PUSH(arena, &schema->tables, table);
    }
    return schema;
}

const struct ecc_schema_table *ecc_schema_find(const struct ecc_schema *schema, const char *table)
{
    for (size_t i = 0; i < schema->tables.n; i++) {
        if (strcmp(schema->tables.items[i]->name, table) == 0)
            return schema->tables.items[i];
    }
    return NULL;
}

const struct ecc_schema_column *ecc_schema_column(const struct ecc_schema_table *table, const char *column)
{
    for (size_t i = 0; i < table->columns.n; i++) {
        if (strcmp(table->columns.items[i].name, column) == 0)
            return &table->columns.items[i];
    }
    return NULL;
}

/* ------------------------------------------------------------------ SQL */

const char *ecc_schema_column_sql(struct ecc_arena *arena, const struct ecc_schema_column *column)
{
    return FMT("%s %s%s%s%s", ecc_quote_sql_name(arena, column->name), column->type, column->not_null ? " NOT NULL" : "",
               column->dflt ? " DEFAULT " : "", column->dflt ? column->dflt : "");
}

const char *ecc_schema_index_sql(struct ecc_arena *arena, const struct ecc_schema_table *table, const struct ecc_schema_part *index)
{
    return FMT("CREATE INDEX %s ON %s %s;\n", ecc_quote_sql_name(arena, index->name), ecc_quote_sql_name(arena, table->name), index->sql);
}

/* later says which constraints are left to an ALTER TABLE, because what they point at does not stand yet. */
const char *ecc_schema_create_table(struct ecc_arena *arena, const struct ecc_schema_table *table,
                                    bool (*later)(void *, const struct ecc_schema_part *), void *context)
{
    struct ecc_writer w;
    struct {
        const char **items;
        size_t n, cap;
    } lines = {0};

    for (size_t i = 0; i < table->columns.n; i++)
        ECC_PUSH(arena, &lines, ecc_schema_column_sql(arena, &table->columns.items[i]));
    for (size_t i = 0; i < table->constraints.n; i++) {
        const struct ecc_schema_part *part = &table->constraints.items[i];
        if (!later || !later(context, part))
            ECC_PUSH(arena, &lines, FMT("CONSTRAINT %s %s", ecc_quote_sql_name(arena, part->name), part->sql));
    }
    ecc_writer_init(&w, arena);
    ecc_wl(&w, "CREATE TABLE %s (", ecc_quote_sql_name(arena, table->name));
    for (size_t i = 0; i < lines.n; i++) /* not indented by the writer: a check may have a text with lines of its own */
        ecc_wl(&w, "    %s%s", lines.items[i], i + 1 < lines.n ? "," : "");
    ecc_wl(&w, ");");
    for (size_t i = 0; i < table->indexes.n; i++)
        ecc_w(&w, "%s", ecc_schema_index_sql(arena, table, &table->indexes.items[i]));
    return w.data;
}

struct standing {
    const struct ecc_schema *schema;
    size_t n; /* tables that stand, with the one being made */
};

static bool points_ahead(void *context, const struct ecc_schema_part *part)
{
    const struct standing *standing = context;

    for (size_t i = 0; part->table && i < standing->n; i++) {
        if (strcmp(standing->schema->tables.items[i]->name, part->table) == 0)
            return false;
    }
    return part->table != NULL;
}

struct ecc_migration *ecc_schema_initial(struct ecc_arena *arena, const struct ecc_schema *schema)
{
    struct ecc_migration *migration = ECC_NEW(arena, struct ecc_migration);
    struct ecc_writer up, down;

    ecc_writer_init(&up, arena);
    ecc_writer_init(&down, arena);
    for (size_t i = 0; i < schema->tables.n; i++) {
        struct standing standing = {schema, i + 1};
        if (i)
            ecc_w_blank(&up);
        ecc_w(&up, "%s", ecc_schema_create_table(arena, schema->tables.items[i], points_ahead, &standing));
    }
    for (size_t i = 0; i < schema->tables.n; i++) {
        const struct ecc_schema_table *table = schema->tables.items[i];
        struct standing standing = {schema, i + 1};
        for (size_t j = 0; j < table->constraints.n; j++) {
            const struct ecc_schema_part *part = &table->constraints.items[j];
            if (!points_ahead(&standing, part))
                continue;
            ecc_w_blank(&up);
            ecc_wl(&up, "ALTER TABLE %s ADD CONSTRAINT %s %s;", ecc_quote_sql_name(arena, table->name),
                   ecc_quote_sql_name(arena, part->name), part->sql);
            ecc_wl(&down, "ALTER TABLE %s DROP CONSTRAINT %s;", ecc_quote_sql_name(arena, table->name),
                   ecc_quote_sql_name(arena, part->name));
        }
    }
    for (size_t i = schema->tables.n; i--;)
        ecc_wl(&down, "DROP TABLE %s;", ecc_quote_sql_name(arena, schema->tables.items[i]->name));
    *migration =
        (struct ecc_migration){.name = "000001_initial", .up = up.data, .down = down.data, .sha256 = ecc_sha256_hex(arena, up.data, up.n)};
    return migration;
}
