/* Expressions to C.
 *
 * An emitter gives the place of each variable (`f->order`, `saga->error`), and gets the text of an expression in the C type of the one
 * or the other side. Text may have several lines: they are indented as if the expression began in column 0, and ecc_w puts the
 * present indentation in front. Conversions that need a loop or a test become static functions of the file (`helpers`), each once.
 * All text lives in the arena.
 */
#ifndef ECC_EMIT_EXPR_H
#define ECC_EMIT_EXPR_H

#include "model.h"

struct ecc_arena;
struct ecc_shapes;
struct ecc_writer;

struct ecc_place {
    const char *text; /* a C lvalue, or a pointer to one */
    bool pointer;
};

struct ecc_helper { const char *key, *name, *text; };

struct ecc_exprs { /* of one C file */
    struct ecc_arena *arena;
    struct ecc_shapes *shapes;
    struct ecc_place (*place)(const void *context, const struct ecc_var *var);
    const void *context;
    bool keeps; /* the value outlives the statement: a list goes to the task's arena */
    struct { struct ecc_helper *items; size_t n, cap; } helpers;
};

/* In the C type of the expression itself, for a condition or between commas. */
const char *ecc_expr_c(struct ecc_exprs *x, const struct ecc_expr *expr);
/* In the C type of `to`. */
const char *ecc_expr_fit(struct ecc_exprs *x, const struct ecc_type *to, const struct ecc_expr *expr);
/* A pointer to the value: of a record or list that exists, or of a compound literal. */
const char *ecc_expr_pointer(struct ecc_exprs *x, const struct ecc_type *to, const struct ecc_expr *expr);
/* As text, whatever scalar it is. */
const char *ecc_expr_as_text(struct ecc_exprs *x, const struct ecc_expr *expr);
/* As the language has it, for comments: `order.lines`; NULL for anything but a path. */
const char *ecc_expr_path(struct ecc_arena *arena, const struct ecc_expr *expr);

void ecc_emit_helpers(struct ecc_exprs *x, struct ecc_writer *w);

/* Optional, and of a type whose optional values are pointers. */
bool ecc_is_pointer(const struct ecc_type *type);

/* A variable that is a member: `of` is what stands before its name, with `.` or `->`. */
struct ecc_place ecc_place_member(struct ecc_arena *arena, const char *of, const char *member, const struct ecc_type *type);
/* Of a setting. */
struct ecc_place ecc_place_setting(const struct ecc_shapes *shapes, const struct ecc_var *var);

#endif
