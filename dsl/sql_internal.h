/* Shared by dsl/sql_*.c: the state of one analysis, values, scopes. Not for anybody else. */
#ifndef ECC_SQL_INTERNAL_H
#define ECC_SQL_INTERNAL_H

#include "sql_check.h"
#include "sql_tree.h"
#include "arena.h"

/* What PostgreSQL would make of an expression, as far as the language cares. */
enum sql_base {
    SQL_BAD,     /* has been reported: fits anything, is not reported again */
    SQL_UNKNOWN, /* not known here: fits anything, but can't be a result */
    SQL_UNTYPED, /* a quoted literal or NULL, takes the type of its surroundings */
    SQL_INT, SQL_FLOAT, SQL_NUMERIC, SQL_BOOL, SQL_TEXT, SQL_UUID, SQL_TIME, SQL_JSON, SQL_INTERVAL,
    SQL_OTHER,   /* a type that the language does not have */
};

struct sql_value {
    enum sql_base base;
    bool nullable;
    const struct ecc_type *lang; /* of a column or parameter as it stands, or NULL */
    const char *pg;              /* OTHER, and INT from a smaller type: PostgreSQL's name */
    const char *literal;         /* text of a quoted literal; NULL for the NULL literal */
    const char *column;          /* name, for messages */
    int param;                   /* number, when it is a bare parameter */
};

struct sql_column {
    const char *name;
    struct sql_value value;
    bool hidden; /* merged by USING */
    bool known;  /* a condition that holds says that it is not null */
    struct ecc_result *noted; /* of a select list, where notes are taken; or NULL */
};

struct sql_columns {
    struct sql_column *items;
    size_t n, cap;
};

struct sql_rel {
    const char *name; /* alias or table */
    const struct ecc_table *table; /* or NULL */
    struct sql_columns columns;
    bool nullable; /* on the outer side of a join */
    bool scalar;   /* a function of one column: its alias alone means that column */
};

struct sql_ctes;

struct sql_from {
    struct sql_from *parent; /* what an inner query also sees */
    struct sql_rel **items;
    size_t n, cap;
    struct sql_ctes *ctes;
    bool merged;                       /* has a join with USING */
    bool grouped;                      /* the query has GROUP BY */
    const struct sql_columns *outputs; /* names that ORDER BY and GROUP BY may use, or NULL */
    bool aggregated;                   /* has an aggregate */
    const char *place;                 /* where window functions can't stand, and aggregates only when this says so; or NULL */
    bool aggregates;
    bool grouping;                     /* results, HAVING and ORDER BY are read: what inner queries use must be grouped */
    struct { struct sql_inner { const char *rel, *column; int64_t at; } *items; size_t n, cap; } inner;
};

struct sql_ctes {
    const char *name;
    struct sql_columns columns;
    struct sql_ctes *next;
};

struct sql_meant { const struct ecc_sql_node *node; const struct ecc_column *column; }; /* what a ColumnRef means */

struct sql_piece { /* a place in both texts where they differ: a parameter, or what is written out */
    uint32_t text_at, text_length, source_at, source_length;
    size_t param;
    const char *written; /* in place of `*`, or of nothing; NULL: a parameter */
};

enum sql_token_kind { SQL_TOKEN_OTHER, SQL_TOKEN_OPEN, SQL_TOKEN_CLOSE, SQL_TOKEN_COLON, SQL_TOKEN_NUMBERED, SQL_TOKEN_ARRAY, SQL_TOKEN_STRING };

struct sql_token {
    uint32_t start, end; /* bytes of the text */
    enum sql_token_kind kind;
};

struct sql_tokens { struct sql_token *items; size_t n, cap; };

struct sql_ctx {
    struct ecc_arena *arena; /* the scratch of `keep`: of this analysis alone */
    struct ecc_arena *keep;  /* what the caller gets */
    const struct ecc_sql_scope *scope;
    struct ecc_sql_problems *problems;
    const char *source;
    uint32_t source_length;
    char *text; /* with $n */
    struct sql_pieces { struct sql_piece *items; size_t n, cap; } pieces, written;
    struct { const char **items; size_t n, cap; } paths;
    struct { const struct ecc_expr **items; size_t n, cap; } params; /* NULL: was reported */
    struct { const char **items; size_t n, cap; } names;
    unsigned char *casts; /* enum sql_cast of each parameter */
    const struct ecc_sql_notes *notes; /* or NULL */
    struct { struct ecc_span *items; size_t n, cap; } tokens; /* of the source, where notes are taken */
    struct { struct sql_meant *items; size_t n, cap; } refs;
    bool failed; /* resolve gave NULL */
    bool lines;  /* a string goes over several lines: their beginnings are its text */
    bool writes;
};

/* Does the text have to say what type a parameter has? PostgreSQL deduces one type for $n from the first place that asks for one, and
 * refuses the statement when another place asks for another, or none does. */
enum sql_cast { SQL_CAST_NO, SQL_CAST_REPEATED /* when it occurs more than once */, SQL_CAST_ALWAYS };

/* sql_scan.re: the tokens without white space and comments, a sign or a part of an operator each; false when a string or comment does not
 * end. The scanner of PostgreSQL's that libpg_query has is the same, but its answer costs more than the parse. */
bool sql_tokens(struct ecc_arena *arena, const char *text, struct sql_tokens *out);

/* sql_catalog.c: what PostgreSQL makes of a name and of types, which are letters there; 0: a type that is not in its table */
enum { SQL_MOST_ARGUMENTS = 24 };
enum sql_context { SQL_IMPLICIT, SQL_ASSIGNMENT, SQL_EXPLICIT };
enum sql_found { SQL_FOUND, SQL_NO_NAME, SQL_NO_MATCH, SQL_AMBIGUOUS, SQL_UNKNOWABLE /* it is there, with types that are not */ };
struct sql_choice { char args[SQL_MOST_ARGUMENTS], result; bool rows; };
char sql_value_letter(struct sql_value value);
struct sql_value sql_of_letter(struct sql_ctx *ctx, char letter, bool nullable);
char sql_letter(const char *name); /* of int8, int8[], _int8 */
const char *sql_letter_name(struct sql_ctx *ctx, char letter);
char sql_array_letter(char element); /* 0: none */
char sql_element_letter(char letter); /* of an array; 0: it is none */
bool sql_coerces(char from, char to, enum sql_context context);
char sql_common_letter(const char *letters, size_t n); /* of CASE, UNION, ...; 0: there is none */
enum sql_found sql_choose_operator(const char *name, char left, char right, struct sql_choice *out); /* left 0: none */
enum sql_found sql_choose_function(const char *name, const char *args, size_t n, struct sql_choice *out);
char sql_only_result(const char *name); /* that all functions of a name have; 0: there is none */
bool sql_is_aggregate(const char *name);
bool sql_is_window_function(const char *name);
const char *sql_function_like(struct sql_ctx *ctx, const char *name); /* or NULL */

/* sql_params.c */
bool sql_scan(struct sql_ctx *ctx);
/* What the text is after sql_scan, without a look at names. Takes arena's scratch. */
char *sql_numbered(struct ecc_arena *arena, const char *source, size_t length);
/* A choice that was made with the parameters' own types: would it be the same, had they none? Where not, they get their casts. */
void sql_settle_params(struct sql_ctx *ctx, const struct sql_value *values, size_t n, const struct sql_choice *without, enum sql_found found);
/* There is no choice with the parameters' own types, but one without: what to write, or NULL. */
const char *sql_cast_params(struct sql_ctx *ctx, const struct sql_value *values, size_t n, const struct sql_choice *without);
void sql_want_cast(struct sql_ctx *ctx, struct sql_value value, enum sql_cast cast); /* of a value that may be a bare parameter */
/* A table that was migrated has its columns in another order than a new one, and a newer one has more: what is sent names them. */
void sql_write_out(struct sql_ctx *ctx, int64_t text_at, uint32_t length, const char *written);
void sql_finish(struct sql_ctx *ctx); /* writes the text anew, with casts and what is written out; places in it change */
uint32_t sql_source_at(const struct sql_ctx *ctx, uint32_t text_at);

/* sql_effect.c. stmt has been analysed; row: what it gives, or NULL. */
const struct ecc_sql_effect *sql_effect(struct sql_ctx *ctx, const struct ecc_sql_node *stmt, const struct ecc_record *row);

/* sql_check.c. at: in the text with $n; the length is the word's that stands there. help may be NULL.
 * What it gives can be added to, until the next one. */
struct ecc_sql_problem *sql_problem(struct sql_ctx *ctx, int64_t at, const char *help, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void sql_declared(struct ecc_sql_problem *problem, struct ecc_span span);
/* Nothing where meant is NULL. */
void sql_meant(struct sql_ctx *ctx, struct ecc_sql_problem *problem, const char *wrong, const char *meant);
const char *sql_format(struct sql_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* sql_notes.c; each does nothing when no notes are taken. part: of a dotted name that begins there. */
void sql_note(struct sql_ctx *ctx, enum ecc_ref_kind kind, const void *entity, const char *name, int64_t text_at, size_t part);
void sql_note_after(struct sql_ctx *ctx, const struct ecc_column *column, int64_t text_at); /* the next word that is its name */
void sql_note_using(struct sql_ctx *ctx, const struct ecc_column *column);
void sql_note_column(struct sql_ctx *ctx, const struct sql_rel *rel, const struct sql_column *column, const struct ecc_sql_node *ref);
void sql_note_locks(struct sql_ctx *ctx, const struct sql_from *from, const struct ecc_sql_node *clauses);
void sql_note_table(struct sql_ctx *ctx, const struct sql_rel *rel, int64_t text_at);
const struct ecc_column *sql_table_column(const struct sql_rel *rel, const struct sql_column *column); /* or NULL */
/* origin: the ColumnRef that gives the name, or NULL */
struct ecc_result *sql_note_target(struct sql_ctx *ctx, const struct ecc_sql_node *target, const char *name,
                                   const struct ecc_sql_node *origin);
struct ecc_result *sql_note_star(struct sql_ctx *ctx, const struct ecc_sql_node *ref, const struct sql_rel *rel,
                                 const struct sql_column *column, bool qualified);
void sql_note_row(struct sql_ctx *ctx, const struct ecc_record *row, const struct sql_columns *columns);

/* sql_values.c */
struct sql_value sql_of(enum sql_base base, bool nullable);
struct sql_value sql_of_type(const struct ecc_type *type);
struct sql_value sql_of_type_name(struct sql_ctx *ctx, const struct ecc_sql_node *type_name, bool nullable);
const struct ecc_type *sql_language_type(struct ecc_arena *arena, struct sql_value value); /* NULL: none */
const char *sql_cast_name(struct sql_value value); /* PostgreSQL's name of the base type, or NULL */
const char *sql_describe(struct sql_ctx *ctx, struct sql_value value);
bool sql_is_number(struct sql_value value);
struct sql_value sql_unify(struct sql_ctx *ctx, struct sql_value a, struct sql_value b, int64_t at, const char *what);
void sql_check_equal(struct sql_ctx *ctx, struct sql_value value, int64_t at); /* json can't be sorted, grouped or made distinct */
void sql_check_literal(struct sql_ctx *ctx, char letter, struct sql_value value, int64_t at); /* '' is no uuid */
void sql_check_compare(struct sql_ctx *ctx, struct sql_value a, struct sql_value b, int64_t at);
void sql_check_assign(struct sql_ctx *ctx, const struct ecc_column *column, struct sql_value value, int64_t at);

/* sql_from.c */
const char *sql_called_now(const struct ecc_table *table, const char *was); /* the column that was called so, or NULL */
struct sql_rel *sql_add_rel(struct sql_ctx *ctx, struct sql_from *from, const char *name);
void sql_add_column(struct sql_ctx *ctx, struct sql_columns *columns, const char *name, struct sql_value value);
void sql_add_table(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_table *table, const char *alias);
const struct ecc_table *sql_find_table(struct sql_ctx *ctx, const struct ecc_sql_node *range_var);
void sql_from_item(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *item);
struct sql_value sql_column_ref(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body);
bool sql_star(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body, struct sql_columns *out);
void sql_learn(struct sql_from *from, const struct ecc_sql_node *condition); /* what a condition that holds says */
void sql_forget(struct sql_from *from, const char *column);

/* sql_expr.c */
void sql_stand(struct sql_from *from, const char *place, bool aggregates); /* what follows stands there; NULL: where anything may */
struct sql_value sql_expr(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *node);
struct sql_value sql_key(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *node); /* that is sorted or grouped by */
void sql_keys(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *list);
void sql_exprs(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *list);
void sql_condition(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *node, const char *where);
int64_t sql_at_of(const struct ecc_sql_node *node); /* where an expression begins, or -1 */

/* sql_operator.c */
struct sql_value sql_compare(struct sql_ctx *ctx, const char *op, struct sql_value a, struct sql_value b, int64_t at);
struct sql_value sql_operation(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body); /* of an A_Expr */

/* sql_func.c */
struct sql_value sql_function(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *body);
void sql_function_columns(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *call, const char *alias, struct sql_columns *out);

/* sql_group.c: of a SELECT whose parts have been analysed */
void sql_check_groups(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *select);
void sql_check_distinct(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *select);
void sql_check_lock(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *select);

/* sql_query.c, sql_write.c: one statement, its result columns */
void sql_query(struct sql_ctx *ctx, struct sql_from *parent, struct sql_ctes *ctes, const struct ecc_sql_node *node, struct sql_columns *out);
void sql_select(struct sql_ctx *ctx, struct sql_from *parent, struct sql_ctes *ctes, const struct ecc_sql_node *body, struct sql_columns *out);
void sql_targets(struct sql_ctx *ctx, struct sql_from *from, const struct ecc_sql_node *list, struct sql_columns *out);
struct sql_ctes *sql_with(struct sql_ctx *ctx, struct sql_from *parent, struct sql_ctes *ctes, const struct ecc_sql_node *with);
void sql_insert(struct sql_ctx *ctx, struct sql_from *parent, struct sql_ctes *ctes, const struct ecc_sql_node *body, struct sql_columns *out);
void sql_update(struct sql_ctx *ctx, struct sql_from *parent, struct sql_ctes *ctes, const struct ecc_sql_node *body, struct sql_columns *out);
void sql_delete(struct sql_ctx *ctx, struct sql_from *parent, struct sql_ctes *ctes, const struct ecc_sql_node *body, struct sql_columns *out);

#endif
