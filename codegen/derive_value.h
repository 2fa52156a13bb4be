/* What is known of a value while a scenario is derived: itself, or only a name for it. Two values of one name are the same value.
 * Values are immutable and live in the arena.
 */
#ifndef ECC_DERIVE_VALUE_H
#define ECC_DERIVE_VALUE_H

#include "model.h"

struct ecc_arena;

enum ecc_known_kind {
    ECC_KNOWN_SOME, /* there, but not known: text is its name */
    ECC_KNOWN_NULL,
    ECC_KNOWN_TEXT,
    ECC_KNOWN_INT,
    ECC_KNOWN_FLOAT,
    ECC_KNOWN_BOOL,
    ECC_KNOWN_OBJECT,
    ECC_KNOWN_LIST,
};

struct ecc_known {
    enum ecc_known_kind kind;
    const char *text;
    int64_t i;
    double f;
    const char **keys;              /* OBJECT */
    const struct ecc_known **items; /* OBJECT, LIST */
    size_t n;
};

enum ecc_truth { ECC_FALSE, ECC_TRUE, ECC_UNKNOWN };

/* Variables by identity; a parameter's by name in args, too; error: of a saga's `failed`, or NULL. */
struct ecc_bind {
    const struct ecc_var *var;
    const struct ecc_known *value;
};
struct ecc_env {
    struct ecc_arena *arena;
    struct {
        struct ecc_bind *items;
        size_t n, cap;
    } binds;
    const struct ecc_known *args, *error;
};

extern const struct ecc_known ecc_known_null;
const struct ecc_known *ecc_known_some(struct ecc_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
const struct ecc_known *ecc_known_text(struct ecc_arena *arena, const char *text);
const struct ecc_known *ecc_known_int(struct ecc_arena *arena, int64_t i);
const struct ecc_known *ecc_known_bool(struct ecc_arena *arena, bool b);
struct ecc_known *ecc_known_object(struct ecc_arena *arena, size_t n); /* keys and items are to be set */
const struct ecc_known *ecc_known_row(struct ecc_arena *arena, const struct ecc_record *record,
                                      const char *name); /* all that is known is its name */
const struct ecc_known *ecc_known_field(struct ecc_arena *arena, const struct ecc_known *of, const char *name);
const char *ecc_known_print(struct ecc_arena *arena, const struct ecc_known *v); /* a scalar's text: what it is told apart by */
enum ecc_truth ecc_known_compare(enum ecc_operator op, const struct ecc_known *a, const struct ecc_known *b);
enum ecc_truth ecc_truth_not(enum ecc_truth t);
enum ecc_truth ecc_truth_and(enum ecc_truth a, enum ecc_truth b);

void ecc_env_bind(struct ecc_env *env, const struct ecc_var *var, const struct ecc_known *value); /* var NULL: nothing */
const struct ecc_known *ecc_env_eval(struct ecc_env *env, const struct ecc_expr *e);
enum ecc_truth ecc_env_truth(struct ecc_env *env, const struct ecc_expr *e);

/* From names to the wire and back, by a record; what is left out has its default or is null. */
const struct ecc_known *ecc_known_to_wire(struct ecc_arena *arena, const struct ecc_known *v, const struct ecc_type *type);
const struct ecc_known *ecc_known_from_wire(struct ecc_arena *arena, const struct ecc_known *v, const struct ecc_record *record,
                                            const char *name);

#endif
