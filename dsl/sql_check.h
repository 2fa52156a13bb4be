/* Analysis of one SQL statement.
 *
 * The text is scanned for parameters (`:name`, `:name.field`), which become $1 ... $n, parsed by libpg_query and walked against the
 * service's tables: names are resolved, the type and nullability of each result column inferred, and what is assigned or compared is
 * held against the column's type. Nothing is printed and no diagnostic is made here: problems come back with their place in the SQL
 * text as it was given, and the caller knows where that text stands in the source. Everything returned lives in the arena.
 */
#ifndef ECC_SQL_CHECK_H
#define ECC_SQL_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"
#include "refs.h"

struct ecc_arena;

struct ecc_sql_problem {
    uint32_t at, length; /* bytes of the SQL text; length is at least 1 unless the text is empty */
    const char *message;
    const char *help; /* or NULL */
    const char *schema, *table; /* that are not there (schema "": none was given), or both NULL */
    const char *wrong, *meant;  /* a name, and what it is likely to be, or both NULL */
    bool has_second;
    struct ecc_span second; /* in the topology: where the other side is declared */
};

struct ecc_sql_problems {
    struct ecc_sql_problem *items;
    size_t n, cap;
};

/* Whoever wants to know what a statement names (refs.h). Places count from sql[0]. */
struct ecc_sql_notes {
    /* VALUE: entity is the enum */
    void (*name)(void *context, enum ecc_ref_kind kind, const void *entity, const char *name, struct ecc_span span);
    void (*result)(void *context, struct ecc_result *result); /* to keep; may move its place */
    void (*alias)(void *context, const struct ecc_result *result); /* the same one, which is a field of the statement's row */
    void *context;
};

/* What the statement may refer to. */
struct ecc_sql_scope {
    struct ecc_table *const *tables; /* of the service; their columns' types are resolved */
    size_t ntables;
    const struct ecc_sql_schema {
        const char *name;
        struct ecc_table *const *tables;
        size_t ntables;
        const struct ecc_node *node;
    } *schemas; /* in their place, or NULL */
    size_t nschemas;
    /* The value of a parameter path such as "line.qty", a VAR or FIELD expression; NULL when there is none and resolve has reported
     * it by itself. Asked once for each distinct path, with notes again where it is repeated. at and length are the path's place in the
     * SQL text, without the colon. A NULL function refuses parameters. */
    const struct ecc_expr *(*resolve)(void *context, const char *path, uint32_t at, uint32_t length);
    void *context;
    const struct ecc_sql_notes *notes; /* or NULL */
    struct ecc_sql_ahead *ahead; /* that may have parsed the statement by now, under this number; or NULL */
    size_t number;
};

/* Fills out: shape, source (outer white space removed), text, name (a suggestion that the caller makes unique: update_stock), writes,
 * params, param_names and row; not span. text names the columns that `*` means, and those of an INSERT without a list; it has a cast behind $n where PostgreSQL could not tell the parameter's type by itself, or
 * would deduce two ($1::uuid::text). Offsets in problems count from sql[0], white space included. True when problems got nothing
 * and every parameter was resolved; otherwise out->row may be NULL or incomplete, with ecc_type_unknown for a column that has no
 * type, so that the caller can go on. */
bool ecc_sql_check(struct ecc_arena *arena, const struct ecc_sql_scope *scope, const char *sql, size_t length, enum ecc_sql_shape shape,
                   struct ecc_sql *out, struct ecc_sql_problems *problems);

/* SQL text of a table's constraint or a column's check, as in the model: without the outer parentheses. Sees the table's columns only; of the
 * scope's, notes and ahead count. */
bool ecc_sql_check_constraint(struct ecc_arena *arena, const struct ecc_table *table, enum ecc_constraint_kind kind, const char *sql,
                              struct ecc_sql_scope scope, struct ecc_sql_problems *problems);

const char *ecc_sql_constraint_prefix(enum ecc_constraint_kind kind); /* it is parsed behind this, and before a parenthesis */

#endif
