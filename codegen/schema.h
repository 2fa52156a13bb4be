/* A service's tables as PostgreSQL has them, and the step from one version to the next.
 *
 * A schema is made from the model, or read back from ecom.lock; comparing two gives the statements of migrations and those that take them
 * back (schema_diff.h has how). Everything has a name of its own, so that a later change can be made to it: <table>_pkey, <table>_<column>_key, _fkey, _check,
 * _enum, _range, <table>_<columns>_idx. Definitions are compared as text. All lives in the arena.
 */
#ifndef ECC_SCHEMA_H
#define ECC_SCHEMA_H

#include "diag.h"
#include "model.h"

struct ecc_schema_column {
    const char *name, *was;
    const char *kept;  /* the old name, by which a second column still stands, or NULL */
    const char *type;  /* bigint, text ... */
    const char *dflt;  /* SQL, or NULL */
    bool not_null;
    struct ecc_span span;
};

struct ecc_schema_part { /* a constraint: `UNIQUE (a)`; an index: `(a, b desc)` */
    const char *name;
    const char *sql;
    const char *table; /* that a foreign key points at, or NULL */
};

struct ecc_schema_table {
    const char *name, *was;
    const char *kept, *view; /* the old name, by which a view still stands, and its CREATE; or NULL */
    struct { struct ecc_schema_column *items; size_t n, cap; } columns;
    struct { struct ecc_schema_part *items; size_t n, cap; } constraints;
    struct { struct ecc_schema_part *items; size_t n, cap; } indexes;
    struct ecc_span span;
};

struct ecc_schema {
    struct { struct ecc_schema_table **items; size_t n, cap; } tables;
};

struct ecc_migration {
    const char *name; /* 000001_initial */
    const char *up, *down, *sha256;
    bool no_transaction; /* one statement that runs outside a transaction, and may be run again when it was broken off */
};

struct ecc_migrations { struct ecc_migration **items; size_t n, cap; };

const char *ecc_schema_type(const struct ecc_type *type); /* PostgreSQL's name for what a value of the language is there */
struct ecc_schema *ecc_schema_of(struct ecc_arena *arena, const struct ecc_service *service);
const struct ecc_schema_table *ecc_schema_find(const struct ecc_schema *schema, const char *table);
const struct ecc_schema_column *ecc_schema_column(const struct ecc_schema_table *table, const char *column);

/* From nothing. */
struct ecc_migration *ecc_schema_initial(struct ecc_arena *arena, const struct ecc_schema *schema);

/* Adds the migrations that lead from old to next; none when nothing changed, or when the change needs a word that the topology does not say:
 * then diags has an error. next gets what is kept of old names. */
void ecc_schema_diff(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_node *service, const struct ecc_schema *old,
                     struct ecc_schema *next, struct ecc_diags *diags, struct ecc_migrations *out);

/* The same comparison for people. was and now: what changed, as the kind has it (a name, a type, a default, a definition); NULL: none. A
 * step that the migration refuses, because the topology does not say the word it needs, is a step as well. The span of what is gone is in
 * the old source. */
#define ECC_SCHEMA_STEPS(X)                                                                                                            \
    X(TABLE_ADDED) X(TABLE_REMOVED) X(TABLE_RENAMED)                                                                                   \
    X(COLUMN_ADDED) X(COLUMN_REMOVED) X(COLUMN_RENAMED) X(COLUMN_TYPE) X(COLUMN_DEFAULT) X(COLUMN_NULLABLE) X(COLUMN_NOT_NULL)         \
    X(PART_ADDED) X(PART_REMOVED)

enum ecc_schema_step_kind {
#define X(e) ECC_STEP_##e,
    ECC_SCHEMA_STEPS(X)
#undef X
};

struct ecc_schema_step {
    enum ecc_schema_step_kind kind;
    const char *table, *name; /* name: of the column, constraint or index */
    const char *was, *now;
    bool refused, index;
    struct ecc_span span;
};

struct ecc_schema_steps { struct ecc_schema_step *items; size_t n, cap; };

void ecc_schema_compare(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_node *service, const struct ecc_schema *old,
                        struct ecc_schema *next, struct ecc_schema_steps *out);

/* Shared by the two. */
const char *ecc_schema_create_table(struct ecc_arena *arena, const struct ecc_schema_table *table, bool (*later)(void *, const struct ecc_schema_part *),
                                    void *context);
const char *ecc_schema_column_sql(struct ecc_arena *arena, const struct ecc_schema_column *column);
const char *ecc_schema_index_sql(struct ecc_arena *arena, const struct ecc_schema_table *table, const struct ecc_schema_part *index);

#endif
