/* A program to C: the comment with its steps, the frame, the steps, the resumable `run` and the `struct ec_program`. */
#ifndef ECC_EMIT_PROGRAM_H
#define ECC_EMIT_PROGRAM_H

#include "codegen.h"
#include "emit_expr.h"
#include "plan.h"

void ecc_emit_program(struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_plan *plan);

/* The comment above it. */
void ecc_emit_notes(struct ecc_writer *w, const char *title, const struct ecc_plan *plan);

/* The `struct ec_program` alone. frame: it has one. */
void ecc_emit_program_table(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_program_shape *shape,
                            const struct ecc_shape *in, const struct ecc_type *result, bool frame);

/* ", &in, &out" of a call's C function, after the task and, for an external, its key. out: an expression of C, or NULL where nobody wants
 * the result. */
const char *ecc_call_args(struct ecc_exprs *x, const struct ecc_stmt *call, const char *out);

/* A `struct ec_call` of that name; out: the table that its answer is read by, or NULL. */
void ecc_emit_internal_call(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_call_shape *call, const char *table,
                            const char *out);

/* `.errors = ...,` of a program or a call; nothing when there are none. */
void ecc_emit_errors(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_error *const *errors, size_t n);

#endif
