/* Tables, columns, constraints and seeds.
 *
 * Default values become SQL text here. SQL text of checks and indexes is held against the table's columns by the SQL analysis.
 */
#include "resolve.h"
#include "sql_check.h"

#include <inttypes.h>
#include <string.h>

static const char *sql_text(struct ecc_resolver *r, const char *text)
{
    size_t n = strlen(text), at = 0;
    char *out = ecc_arena_alloc(r->arena, n * 2 + 3);

    out[at++] = '\'';
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\'')
            out[at++] = '\'';
        out[at++] = text[i];
    }
    out[at++] = '\'';
    return out;
}

static const char *sql_default(struct ecc_resolver *r, const struct ecc_ast_expr *ast, const struct ecc_type *type)
{
    if (ECC_IS_UNKNOWN(type))
        return NULL;
    if (ast->kind == ECC_AST_EXPR_CALL) {
        if (ast->u.call.fn == ECC_AST_FN_NOW && !ast->u.call.args.n && type->kind == ECC_TYPE_TIME)
            return "now()";
        ecc_diag(r->diags, ECC_E_DEFAULT, ast->span, "%s can't be the default of a column of type %s",
                 ecc_ast_function_name(ast->u.call.fn), ecc_type_name(r->arena, type));
        return NULL;
    }
    const struct ecc_expr *e = ecc_resolve_literal(r, ast, type, "the default");
    while (e->kind == ECC_EXPR_CONVERT)
        e = e->u.convert;
    if (ECC_IS_UNKNOWN(e->type))
        return NULL;
    switch (e->kind) {
    case ECC_EXPR_TEXT:
    case ECC_EXPR_ENUM:
        return sql_text(r, e->u.text);
    case ECC_EXPR_INT:
        return ecc_arena_printf(r->arena, "%" PRId64, e->u.i);
    case ECC_EXPR_FLOAT:
        return ecc_arena_printf(r->arena, "%.17g", e->u.f);
    case ECC_EXPR_BOOL:
        return e->u.b ? "true" : "false";
    default:
        return NULL; /* null: no default */
    }
}

static void check_constraint(struct ecc_resolver *r, const struct ecc_table *table, enum ecc_constraint_kind kind,
                             const struct ecc_text *sql, size_t number)
{
    const struct ecc_sql_scope scope = {.notes = ecc_refer_sql(r, sql), .ahead = r->file->ahead, .number = number};
    struct ecc_sql_problems problems = {0};

    ecc_sql_check_constraint(r->arena, table, kind, sql->text, scope, &problems);
    ecc_report_sql(r, sql, &problems);
}

/* The columns of a key, as `a, b`, or NULL of what is no key. */
static const char *columns_of_key(struct ecc_resolver *r, const struct ecc_table *table, size_t i)
{
    const struct ecc_constraint *con = i < table->ncolumns ? NULL : &table->constraints[i - table->ncolumns];
    char *out, *p;

    if (!con)
        return table->columns[i].primary_key || table->columns[i].unique ? table->columns[i].name : NULL;
    if (con->kind != ECC_CON_PRIMARY_KEY && con->kind != ECC_CON_UNIQUE)
        return NULL;
    p = out = ecc_arena_alloc(r->arena, strlen(con->sql) * 2 + 1);
    for (const char *sql = con->sql; *sql; sql++) {
        if (*sql == ',') {
            *p++ = ',';
            *p++ = ' ';
        } else if (!strchr("\" \t\r\n", *sql)) {
            *p++ = *sql;
        }
    }
    *p = '\0';
    return out;
}

/* PostgreSQL would make two of the same key into one, and which name it keeps depends on how they came. A primary key can't be null. */
static void check_keys(struct ecc_resolver *r, const struct ecc_table *table)
{
    for (size_t i = 0; i < table->ncolumns + table->nconstraints; i++) {
        const char *key = columns_of_key(r, table, i);
        struct ecc_span span = i < table->ncolumns ? table->columns[i].span : table->constraints[i - table->ncolumns].span;
        for (size_t j = 0; key && j < i; j++) {
            const char *other = columns_of_key(r, table, j);
            if (other && strcmp(key, other) == 0)
                ecc_diag(r->diags, ECC_E_COLUMN, span, "(%s) is a key already", key);
        }
        if (!key || i < table->ncolumns || table->constraints[i - table->ncolumns].kind != ECC_CON_PRIMARY_KEY)
            continue;
        for (size_t j = 0; j < table->ncolumns; j++) {
            const char *name = table->columns[j].name, *at = table->columns[j].type->optional ? strstr(key, name) : NULL;
            size_t n = strlen(name);
            while (at && ((at > key && at[-1] != ' ') || (at[n] && at[n] != ',')))
                at = strstr(at + 1, name);
            if (at)
                ecc_diag(r->diags, ECC_E_COLUMN, table->columns[j].span, "a primary key can't be optional");
        }
    }
}

static void resolve_column(struct ecc_resolver *r, const struct ecc_ast_column *ast, struct ecc_table *table)
{
    struct ecc_column *c = &table->columns[table->ncolumns];

    *c = (struct ecc_column){
        .name = ast->name.text,
        .was = ast->was.text,
        .type = ecc_resolve_type(r, ast->type),
        .primary_key = ast->primary_key,
        .unique = ast->unique,
        .check_sql = ast->check.text,
        .span = ast->name.span,
    };
    if (ast->primary_key && c->type->optional)
        ecc_diag(r->diags, ECC_E_COLUMN, ast->type->span, "a primary key can't be optional");
    if (ast->dflt)
        c->dflt_sql = sql_default(r, ast->dflt, c->type);
    if (ecc_declare(r, table, &ast->name, c, ECC_REF_COLUMN))
        table->ncolumns++;
}

static void resolve_table(struct ecc_resolver *r, const struct ecc_ast_table *ast, struct ecc_table *table)
{
    const struct ecc_ast_column *key = NULL;

    table->name = ast->name.text;
    table->was = ast->was.text;
    table->span = ast->name.span;
    table->columns = ECC_NEW_ARRAY(r->arena, struct ecc_column, ast->columns.n);
    table->constraints = ECC_NEW_ARRAY(r->arena, struct ecc_constraint, ast->constraints.n);
    for (size_t i = 0; i < ast->columns.n; i++) {
        const struct ecc_ast_column *c = ast->columns.items[i];
        if (c->primary_key && key) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_COLUMN, c->name.span, "a second primary key");
            ecc_diag_second(d, key->name.span, "the first one");
            ecc_diag_help(r->diags, d, "a key of several columns is written: primary key (a, b)");
        }
        key = key ? key : c->primary_key ? c : NULL;
        resolve_column(r, c, table);
    }
    for (size_t i = 0; i < ast->columns.n; i++)
        ecc_check_was(r, table, &table->ncolumns, &ast->columns.items[i]->was, ECC_REF_COLUMN);
    if (!table->ncolumns)
        ecc_diag(r->diags, ECC_E_EMPTY, ast->name.span, "table `%s` has no columns", table->name);
    bool keyed = key != NULL;
    for (size_t i = 0; i < ast->constraints.n; i++) {
        const struct ecc_ast_constraint *c = &ast->constraints.items[i];
        if (c->kind == ECC_CON_PRIMARY_KEY && keyed)
            ecc_diag(r->diags, ECC_E_COLUMN, c->span, "a second primary key");
        keyed = keyed || c->kind == ECC_CON_PRIMARY_KEY;
        table->constraints[table->nconstraints++] = (struct ecc_constraint){c->kind, c->sql.text, c->span};
        check_constraint(r, table, c->kind, &c->sql, c->number);
    }
    for (size_t i = 0; i < ast->columns.n; i++)
        if (ast->columns.items[i]->check.text)
            check_constraint(r, table, ECC_CON_CHECK, &ast->columns.items[i]->check, ast->columns.items[i]->check_number);
    check_keys(r, table);
}

/* After all tables: what is referred to has one key column of that type. */
static void resolve_references(struct ecc_resolver *r, const struct ecc_ast_table *ast, struct ecc_table *table, const void *tables)
{
    for (size_t i = 0; i < ast->columns.n; i++) {
        const struct ecc_name *name = &ast->columns.items[i]->references;
        struct ecc_column *c = name->text ? ecc_find(r, table, ast->columns.items[i]->name.text) : NULL;
        const struct ecc_table *other = c ? ecc_lookup(r, tables, name, ECC_E_UNKNOWN_TABLE, "table") : NULL;
        const struct ecc_column *key = NULL;
        if (!other)
            continue;
        for (size_t k = 0; k < other->ncolumns; k++)
            if (other->columns[k].primary_key)
                key = &other->columns[k];
        if (!key) {
            struct ecc_diag *d =
                ecc_diag(r->diags, ECC_E_REFERENCE, name->span, "table `%s` has no primary key of one column", other->name);
            ecc_diag_second(d, other->span, "declared here");
        } else if (!ecc_type_same(ecc_type_present(r->arena, c->type), key->type)) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_REFERENCE, name->span, "%s can't refer to %s", ecc_type_name(r->arena, c->type),
                                          ecc_type_name(r->arena, key->type));
            ecc_diag_second(d, key->span, "the key that it refers to");
        }
        c->references = other;
    }
}

void ecc_resolve_database(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node)
{
    const struct ecc_ast_database *db = &ast->u.service.database;
    struct ecc_service *s = &node->u.service;

    s->has_database = db->present;
    s->tables = ECC_NEW_ARRAY(r->arena, struct ecc_table *, db->tables.n);
    for (size_t i = 0; i < db->tables.n; i++) {
        struct ecc_table *table = ECC_NEW(r->arena, struct ecc_table);
        resolve_table(r, db->tables.items[i], table);
        if (ecc_declare(r, &s->tables, &db->tables.items[i]->name, table, ECC_REF_TABLE))
            s->tables[s->ntables++] = table;
    }
    for (size_t i = 0; i < db->tables.n; i++)
        ecc_check_was(r, &s->tables, &s->ntables, &db->tables.items[i]->was, ECC_REF_TABLE);
    for (size_t i = 0; i < db->tables.n; i++) {
        struct ecc_symbol *e = ecc_symbols_find(&r->symbols, &s->tables, db->tables.items[i]->name.text);
        if (e->span.start == db->tables.items[i]->name.span.start)
            resolve_references(r, db->tables.items[i], e->value, &s->tables);
    }
    for (size_t i = 0; i < db->drops.n; i++)
        ecc_resolve_drop(r, db->drops.items[i], node);
}

/* ------------------------------------------------------------------ seeds */

static void unknown_column(struct ecc_resolver *r, const struct ecc_table *table, const struct ecc_name *name)
{
    struct ecc_diag *d = ecc_unknown(r, table, name, ECC_E_UNKNOWN_FIELD, ecc_arena_printf(r->arena, "column of %s called", table->name));

    ecc_diag_second(d, table->span, "declared here");
    for (size_t i = 0; i < table->ncolumns; i++)
        ecc_renamed(r, d, name, table->columns[i].was, table->columns[i].name);
}

/* What a literal is, in words that are the same for equal ones; or NULL: only the database knows. */
static const char *constant(struct ecc_resolver *r, const struct ecc_expr *value)
{
    const char *operand;

    switch (value->kind) {
    case ECC_EXPR_TEXT:
    case ECC_EXPR_ENUM:
        return ecc_arena_printf(r->arena, "\"%s\"", value->u.text);
    case ECC_EXPR_INT:
        return ecc_arena_printf(r->arena, "%lld", (long long)value->u.i);
    case ECC_EXPR_BOOL:
        return value->u.b ? "true" : "false";
    case ECC_EXPR_UNARY:
        operand = constant(r, value->u.op.left);
        return operand ? ecc_arena_printf(r->arena, "-%s", operand) : NULL;
    default:
        return NULL;
    }
}

/* `sku: "kettle"` of the key `sku`; NULL when one of its columns has a value that only the database knows, or none. */
static const char *value_of_key(struct ecc_resolver *r, const struct ecc_seed *seed, const char *key)
{
    const char *out = "", *value;
    size_t n, i;

    for (const char *at = key; *at; at += n + (at[n] ? 2 : 0)) {
        n = strcspn(at, ",");
        for (i = 0; i < seed->nvalues; i++)
            if (strncmp(seed->values[i].column->name, at, n) == 0 && !seed->values[i].column->name[n])
                break;
        value = i < seed->nvalues ? constant(r, seed->values[i].value) : NULL;
        if (!value)
            return NULL;
        out = ecc_arena_printf(r->arena, "%s%s%.*s: %s", out, *out ? ", " : "", (int)n, at, value);
    }
    return out;
}

/* Rows that are there already stay as they are, so that a seed can come again: of two with the same key the second would never be there. */
static void check_seed(struct ecc_resolver *r, struct ecc_seed *seed)
{
    const struct ecc_table *table = seed->table;

    for (size_t i = 0; i < table->ncolumns + table->nconstraints; i++) {
        const void *space = i < table->ncolumns ? (const void *)&table->columns[i] : &table->constraints[i - table->ncolumns];
        const char *key = columns_of_key(r, table, i), *value = key ? value_of_key(r, seed, key) : NULL;
        const struct ecc_symbol *first = value ? ecc_symbols_add(&r->symbols, space, value, seed, seed->span) : NULL;
        if (!first)
            continue;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_SEED, seed->span, "there is a row of `%s` with %s already", table->name, value);
        ecc_diag_second(d, first->span, "this one, which stays as it is");
        return;
    }
}

static void resolve_seed(struct ecc_resolver *r, const struct ecc_ast_seed *ast, struct ecc_service *s)
{
    const struct ecc_table *table = ecc_lookup(r, &s->tables, &ast->table, ECC_E_UNKNOWN_TABLE, "table");

    if (!table)
        return;
    struct ecc_seed *seed = ECC_NEW(r->arena, struct ecc_seed);
    seed->table = table;
    seed->span = ast->span;
    seed->values = ecc_arena_array(r->arena, ast->values.n, sizeof *seed->values);
    bool open = false; /* what has no column may have meant one that is missing */
    for (size_t i = 0; i < ast->values.n; i++) {
        const struct ecc_ast_init *v = ast->values.items[i];
        const struct ecc_column *c = ecc_find_name(r, table, &v->name);
        if (!c) {
            unknown_column(r, table, &v->name);
            open = true;
            continue;
        }
        struct ecc_symbol *first = ecc_symbols_add(&r->symbols, seed, c->name, (void *)(uintptr_t)c, v->name.span);
        if (first) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_DUPLICATE, v->name.span, "column `%s` is given twice", c->name);
            ecc_diag_second(d, first->span, "first given here");
            continue;
        }
        const struct ecc_expr *value = ecc_resolve_literal(r, v->value, c->type, "a seed");
        while (value->kind == ECC_EXPR_CONVERT) /* SQL text takes any literal */
            value = value->u.convert;
        seed->values[seed->nvalues].column = c;
        seed->values[seed->nvalues++].value = value;
    }
    for (size_t i = 0; !open && i < table->ncolumns; i++) {
        const struct ecc_column *c = &table->columns[i];
        if (c->type->optional || c->dflt_sql || ECC_IS_UNKNOWN(c->type) || ecc_find(r, seed, c->name))
            continue;
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_MISSING, ast->table.span, "column `%s` is missing", c->name);
        ecc_diag_second(d, c->span, "it has no default");
    }
    check_seed(r, seed);
    s->seeds[s->nseeds++] = seed;
}

void ecc_resolve_seeds(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node)
{
    const struct ecc_ast_seeds *seeds = &ast->u.service.database.seeds;

    node->u.service.seeds = ECC_NEW_ARRAY(r->arena, struct ecc_seed *, seeds->n);
    for (size_t i = 0; i < seeds->n; i++)
        resolve_seed(r, seeds->items[i], &node->u.service);
}

/* ------------------------------------------------------------------ drops */

/* What was released and is to be forgotten. Whether the version of a saga is the present one, release.c knows. */
static void resolve_retired(struct ecc_resolver *r, const struct ecc_ast_drop *ast)
{
    bool saga = ast->saga.text != NULL;
    struct ecc_retired *retired = ECC_NEW(r->arena, struct ecc_retired);
    struct ecc_span declared = {0};

    *retired = (struct ecc_retired){saga, saga ? ast->saga.text : ast->event.text, (int)ast->version, ast->why.text, ast->span};
    if (!retired->name)
        return;
    if (saga && !ast->version && ecc_find(r, &r->spaces->sagas, retired->name)) {
        const struct ecc_saga *s = ecc_find(r, &r->spaces->sagas, retired->name);
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_DROP, ast->span, "saga `%s` is dropped and declared", s->name);
        ecc_diag_second(d, s->span, "declared here");
        ecc_diag_help(r->diags, d, "to give up an older version of it, name that: `drop saga %s v1 \"why\"`", s->name);
        return;
    }
    if (!saga) {
        const struct ecc_event *e = ecc_find(r, &r->spaces->events, ecc_arena_printf(r->arena, "%s v%d", retired->name, retired->version));
        if (e)
            declared = e->span;
    }
    if (declared.end)
        ecc_diag_second(ecc_diag(r->diags, ECC_E_DROP, ast->span, "event `%s` v%d is dropped and declared", retired->name, retired->version),
                        declared, "declared here");
    ECC_PUSH(r->arena, &r->retired, retired);
}

void ecc_resolve_drop(struct ecc_resolver *r, const struct ecc_ast_drop *ast, struct ecc_node *service)
{
    if (ast->saga.text || ast->event.text) {
        resolve_retired(r, ast);
        return;
    }
    if (!service && ast->service.text)
        service = ecc_lookup_kind(r, &ast->service, ECC_NODE_SERVICE);
    if (!service)
        return;
    /* what is dropped is in the last schema, not in this one */
    const struct ecc_table *table = ecc_find_name(r, &service->u.service.tables, &ast->table);
    const struct ecc_column *column = table && ast->column.text ? ecc_find(r, table, ast->column.text) : NULL;
    if (column || (table && !ast->column.text)) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_DROP, ast->span, "`%s` is dropped and declared", column ? column->name : table->name);
        ecc_diag_second(d, column ? column->span : table->span, "declared here");
    }
    struct ecc_drop *drop = ECC_NEW(r->arena, struct ecc_drop);
    *drop = (struct ecc_drop){service, ast->table.text, ast->column.text, ast->why.text, ast->span};
    ECC_PUSH(r->arena, &r->drops, drop);
}
