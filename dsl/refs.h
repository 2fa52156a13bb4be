/* References: where each name of a source is declared and where it is used. For whoever works on the source itself, such as an editor.
 *
 * The resolver notes a reference wherever it gives a name its meaning, when it was asked to (`struct ecc_resolver.refs`); `check` and
 * `build` don't ask. Declarations are told apart by the place of their name, so that two entities with one declaration (a parameter and
 * the variable of that name in the body) are one; what is declared nowhere (`jwt.verify`'s claims, a column of a row) by its entity.
 *
 * Beside them stands what a change of a name has to know and no reference says: fields that meet by their names alone, and the result
 * columns of SQL that take their names from something else. Everything is in the compilation's arena.
 */
#ifndef ECC_REFS_H
#define ECC_REFS_H

#include "model.h"

struct ecc_arena;
struct ecc_ast_file;

/* X(enumerator, what a person calls it, spelling, what entity is) */
#define ECC_REF_KINDS(X)                                                           \
    X(NONE, "name", NO)                                                            \
    X(NODE, "node", KEBAB)         /* struct ecc_node */                           \
    X(SAGA, "saga", KEBAB)         /* struct ecc_saga */                           \
    X(POLICY, "policy", KEBAB)     /* struct ecc_ast_decl */                       \
    X(TOPIC, "topic", KEBAB)       /* struct ecc_topic */                          \
    X(IDENTITY, "identity", KEBAB) /* struct ecc_identity */                       \
    X(SCENARIO, "scenario", KEBAB) /* struct ecc_scenario */                       \
    X(TYPE, "type", PASCAL)        /* struct ecc_type: of a record or an enum */   \
    X(EVENT, "event", PASCAL)      /* struct ecc_event */                          \
    X(ERROR, "error", PASCAL)      /* struct ecc_error */                          \
    X(OP, "operation", PASCAL)     /* struct ecc_op */                             \
    X(CALL, "call", PASCAL)        /* struct ecc_ext_call */                       \
    X(FIELD, "field", SNAKE)       /* struct ecc_field */                          \
    X(PARAM, "parameter", SNAKE)   /* struct ecc_field */                          \
    X(VALUE, "value", SNAKE)       /* char: its text, as in struct ecc_enum */     \
    X(KEYSPACE, "keyspace", SNAKE) /* struct ecc_keyspace */                       \
    X(STORE, "store", SNAKE)       /* char: its name */                            \
    X(SETTING, "setting", SNAKE)   /* struct ecc_setting */                        \
    X(TABLE, "table", SNAKE)       /* struct ecc_table */                          \
    X(COLUMN, "column", SNAKE)     /* struct ecc_column */                         \
    X(STEP, "step", SNAKE)         /* struct ecc_saga_step */                      \
    X(BRANCH, "branch", SNAKE)     /* struct ecc_ast_branch */                     \
    X(REQUEST, "name", SNAKE)      /* struct ecc_request: whose answer it names */ \
    X(VAR, "name", SNAKE)          /* struct ecc_var */                            \
    X(INVARIANT, "invariant", NO)  /* struct ecc_invariant */                      \
    X(EDGE, "edge", NO)            /* struct ecc_edge; the span has both nodes */  \
    X(SQL, "statement", NO)        /* struct ecc_sql; the span is its text */

enum ecc_ref_kind {
#define X(e, word, spelling) ECC_REF_##e,
    ECC_REF_KINDS(X)
#undef X
};

enum ecc_spelling { ECC_SPELLING_NO, ECC_SPELLING_KEBAB, ECC_SPELLING_SNAKE, ECC_SPELLING_PASCAL };

struct ecc_ref {
    struct ecc_span span; /* of the name, where it stands */
    struct ecc_span decl; /* of the declaration's name; {0, 0}: there is none */
    enum ecc_ref_kind kind;
    bool declares;
    const char *name; /* of what is declared: a schema of SQL has another spelling of it */
    const void *entity;
    const struct ecc_type *type; /* of a variable or field as it is known there, `when x { }`; or NULL */
};

/* A value of one record went where another was wanted: the fields have met by their names. */
struct ecc_meeting {
    const struct ecc_field *from, *to;
    struct ecc_span spread, value; /* of `...x` and of x, which can be said field by field; {0, 0}: the value as a whole */
};

enum ecc_result_how {
    ECC_RESULT_ALIAS,   /* place: the name itself */
    ECC_RESULT_IMPLIED, /* place: where ` AS name` would stand */
    ECC_RESULT_STAR,    /* place: of the `*`, one of whose columns it is */
};

struct ecc_result { /* a result column of a query */
    enum ecc_result_how how;
    struct ecc_span place;
    const char *name;
    const char *qualifier;           /* STAR: of the table, where the columns need one; or NULL */
    const struct ecc_field *field;   /* of the statement's row; NULL: of an inner query */
    const struct ecc_column *column; /* that it has its name from, or NULL */
};

struct ecc_refs {
    struct ecc_arena *arena;
    const struct ecc_source *source;
    struct ecc_ref *items;
    size_t n, cap;
    struct ecc_meetings { struct ecc_meeting *items; size_t n, cap; } meetings;
    struct ecc_results { struct ecc_result **items; size_t n, cap; } results;
};

void ecc_ref_add(struct ecc_refs *refs, const struct ecc_ref *ref);
void ecc_refs_sort(struct ecc_refs *refs); /* by place, each once */

bool ecc_ref_same(const struct ecc_ref *a, const struct ecc_ref *b); /* of one declaration */
/* The innermost at this offset, a name before what is around it; NULL when there is none. Sorted references only. */
const struct ecc_ref *ecc_ref_at(const struct ecc_refs *refs, uint32_t offset);
const struct ecc_ref *ecc_ref_declaration(const struct ecc_refs *refs, const struct ecc_ref *of); /* or NULL */
struct ecc_span ecc_field_decl(const struct ecc_field *field); /* where its name was given */
const char *ecc_ref_word(enum ecc_ref_kind kind);
enum ecc_spelling ecc_ref_spelling(enum ecc_ref_kind kind);

#endif
