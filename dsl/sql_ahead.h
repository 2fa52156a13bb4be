/* Statements are parsed on the other processors while the resolver works: libpg_query takes a third of a check's time.
 *
 * The result does not depend on who parses what: a thread does exactly what the resolver would do itself, and the resolver does it where no
 * thread has begun. Few statements, or one processor: no thread at all.
 */
#ifndef ECC_SQL_AHEAD_H
#define ECC_SQL_AHEAD_H

#include <stdbool.h>
#include <stddef.h>

#include <pg_query.h>

struct ecc_arena;
struct ecc_ast_sqls;
struct ecc_sql_ahead;

/* texts: of the statements, in source order; they outlive what is begun here. NULL when it is not worth it. */
struct ecc_sql_ahead *ecc_sql_ahead_begin(struct ecc_arena *arena, const struct ecc_ast_sqls *texts);

/* The i-th statement's parse, of this text with $n, which the caller frees; false: the caller parses. Waits while a thread is at it. */
bool ecc_sql_ahead_take(struct ecc_sql_ahead *ahead, size_t i, const char *text, PgQueryParseResult *out);

void ecc_sql_ahead_end(struct ecc_sql_ahead *ahead); /* NULL: nothing */

#endif
