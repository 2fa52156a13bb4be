/* A value while it is being written: shared by emit_expr.c and expr_convert.c, nobody else's. */
#ifndef ECC_EXPR_VALUE_H
#define ECC_EXPR_VALUE_H

#include "emit_expr.h"

enum prec { /* of C, higher binds tighter; NOT is kept apart, compilers warn of it beside a comparison */
    PREC_COND = 1, PREC_OR, PREC_AND, PREC_NOT, PREC_EQ, PREC_REL, PREC_ADD, PREC_MUL, PREC_UNARY, PREC_POST
};

struct ecc_val {
    const char *text;
    enum prec prec; /* how tightly the text binds */
    bool pointer;   /* the text is a pointer to the value: an optional number, an item of a list */
    bool path;      /* the text has no effect and may be written twice */
};

#define FMT(x, ...) ecc_arena_printf((x)->arena, __VA_ARGS__)

struct ecc_val ecc_val(const char *text, enum prec prec);
const char *ecc_val_at(struct ecc_exprs *x, struct ecc_val v, enum prec prec); /* in parentheses where it binds less */
struct ecc_val ecc_val_deref(struct ecc_exprs *x, struct ecc_val v);
struct ecc_val ecc_val_convert(struct ecc_exprs *x, const struct ecc_type *to, const struct ecc_type *from, struct ecc_val v);
struct ecc_val ecc_val_text(struct ecc_exprs *x, const struct ecc_type *from, struct ecc_val v); /* of a scalar that is present */
struct ecc_val ecc_val_record(struct ecc_exprs *x, const struct ecc_expr *e);
struct ecc_val ecc_val_list(struct ecc_exprs *x, const struct ecc_expr *e);

const struct ecc_type *ecc_val_present(struct ecc_exprs *x, const struct ecc_type *type); /* without its `?` */
bool ecc_is_text(const struct ecc_type *type);                                           /* kept as struct ec_str */
bool ecc_same_c(struct ecc_exprs *x, const struct ecc_type *a, const struct ecc_type *b); /* apart from `?` */
const char *ecc_absent_c(struct ecc_exprs *x, const struct ecc_type *type);

#endif
