/* Statements are parsed on the other processors while the resolver works: libpg_query takes a third of a check's time.
 *
 * The result does not depend on who parses what: a thread does exactly what the resolver would do itself, and the resolver does it where no
 * thread has begun. Few statements, or one processor: no thread at all.
 */
#ifndef ECC_SQL_AHEAD_H
#define ECC_SQL_AHEAD_H

#include <stddef.h>

struct ecc_arena;
struct ecc_ast_sqls;
struct ecc_sql_ahead;
struct ecc_sql_node;

/* texts: of the statements, in source order; they outlive what is begun here. NULL when it is not worth it. */
struct ecc_sql_ahead *ecc_sql_ahead_begin(struct ecc_arena *arena, const struct ecc_ast_sqls *texts);

/* The i-th statement's tree, of this text with $n, until the end; NULL: the caller parses, and tells what is wrong. Waits while a thread is
 * at it. */
const struct ecc_sql_node *ecc_sql_ahead_take(struct ecc_sql_ahead *ahead, size_t i, const char *text);

void ecc_sql_ahead_end(struct ecc_sql_ahead *ahead); /* NULL: nothing */

#endif
