/* Shared by codegen/schema_*.c: the state of one comparison of two schemas. Not for anybody else.
 *
 * Each change goes to a phase. A phase is a migration, one transaction; but a statement that PostgreSQL takes only outside a transaction, or
 * that goes through a large table and so commits as it goes, is a migration by itself. No statement both waits for a long time and keeps
 * others waiting: what locks a table against everybody is over at once, and what reads all rows lets others read and write.
 */
#ifndef ECC_SCHEMA_DIFF_H
#define ECC_SCHEMA_DIFF_H

#include "arena.h"
#include "outset.h"
#include "schema.h"
#include "writer.h"

enum schema_phase {
    PHASE_SHADOW,   /* second columns for what is renamed; old names that are not wanted any more go */
    PHASE_COPY,     /* alone: values and indexes of the second columns */
    PHASE_CHANGE,   /* names, tables, columns, checks that are not asked of the old rows yet */
    PHASE_BUILD,    /* alone: values where there were none, indexes */
    PHASE_SETTLE,   /* checks are asked of the old rows; keys, not null */
    PHASE_VALIDATE, /* the same for what needs a key that was only just made */
    PHASE_DROP,     /* columns and tables that nobody reads */
    PHASES
};

struct schema_diff {
    struct ecc_arena *arena;
    const struct ecc_model *model;
    const struct ecc_node *service;
    struct ecc_schema *next;
    struct ecc_schema old; /* renamed as it goes */
    struct ecc_diags *diags;
    struct { struct schema_change { const char *slug, *up, *down; } *items; size_t n, cap; } changes[PHASES];
    struct ecc_schema_steps *steps; /* or NULL: nobody asks */
};

#define FMT(d, ...) ecc_arena_printf((d)->arena, __VA_ARGS__)
#define Q(d, name) ecc_quote_sql_name((d)->arena, name)

/* slug: says in the migration's name what the first change of a phase is. up and down end in a newline, or are empty. */
void schema_change(struct schema_diff *d, enum schema_phase phase, const char *slug, const char *up, const char *down);
void schema_step(struct schema_diff *d, struct ecc_schema_step what);
#define STEP(d, what, ...) schema_step(d, (struct ecc_schema_step){.kind = ECC_STEP_##what, __VA_ARGS__})
struct ecc_schema_table *schema_old_table(struct schema_diff *d, const char *name);

/* A DO block that goes through the table by a few pages at a time and commits after each, so that no row is locked for long and a second
 * run has less to do. Rows that come meanwhile are somebody else's care: a trigger's or a default's. */
const char *schema_fill(struct schema_diff *d, const char *table, const char *set, const char *where);

/* schema_diff.c: fills the changes. */
void schema_compare(struct schema_diff *d);

/* schema_rename.c: tables and columns get their new names, and the old schema, too. What was renamed in an earlier release and has no
 * `was` any more loses the old name. */
void schema_renames(struct schema_diff *d);

/* The error of a change that can't be made while an old name stands. */
void schema_refuse_kept(struct schema_diff *d, struct ecc_span span, const char *what, const char *kept);

#endif
