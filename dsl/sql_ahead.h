/* SQL is parsed on the other processors while the compiler reads on: libpg_query takes a third of a check's time.
 *
 * The parser tells of each text as it comes by it; the resolver takes the tree. The result does not depend on who parses what: a thread does
 * exactly what the resolver would do itself, and the resolver does it where no thread has begun. Few texts, or one processor: no thread at
 * all. Between texts a thread also has the kernel make the pages of the arena's next block.
 */
#ifndef ECC_SQL_AHEAD_H
#define ECC_SQL_AHEAD_H

#include <stddef.h>

struct ecc_arena;
struct ecc_sql_ahead;
struct ecc_sql_node;
struct ecc_text;

/* NULL when it is not worth it; whoever has got one calls ecc_sql_ahead_end, whatever comes of the compilation. */
struct ecc_sql_ahead *ecc_sql_ahead_begin(struct ecc_arena *arena);

/* text: of a statement, or with a prefix of what stands in its parentheses; it lasts until the end. Returns its number. NULL: nothing, 0. */
size_t ecc_sql_ahead_add(struct ecc_sql_ahead *ahead, const char *prefix, struct ecc_text text);

/* The tree of what was added under this number, if its text with prefix and $n is this one, until the end; NULL: the caller parses, and
 * tells what is wrong. Waits while a thread is at it. By any thread, after the last was added. */
const struct ecc_sql_node *ecc_sql_ahead_take(struct ecc_sql_ahead *ahead, size_t number, const char *text);

size_t ecc_sql_ahead_threads(const struct ecc_sql_ahead *ahead); /* that are at it, one for each other processor; NULL: 0 */

void ecc_sql_ahead_end(struct ecc_sql_ahead *ahead); /* NULL: nothing */

#endif
