/* Names in SQL. */
#ifndef ECC_SQL_NAMES_H
#define ECC_SQL_NAMES_H

struct ecc_arena;

/* In double quotes where it needs them. The name itself, or in the arena. */
const char *ecc_quote_sql_name(struct ecc_arena *arena, const char *name);

#endif
