/* The parse tree of libpg_query: its JSON as a tree of nodes in the arena.
 *
 * A small reader of its own: the document comes from the library, is well-formed, and is read once per statement, so that
 * neither hash tables nor checks of a general parser are paid for. Missing members read as NULL, 0, false or "".
 */
#ifndef ECC_SQL_TREE_H
#define ECC_SQL_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ecc_arena;

struct ecc_sql_node {
    const char *key;  /* in its object, or NULL */
    const char *text; /* string, or a literal's text (number, true, false); NULL for object and array */
    struct ecc_sql_node *first, *next;
    size_t n; /* children */
};

/* NULL when the tree is nested deeper than an analysis should follow. */
struct ecc_sql_node *ecc_sql_tree(struct ecc_arena *arena, const char *json);

const struct ecc_sql_node *ecc_sql_at(const struct ecc_sql_node *node, const char *key);
const char *ecc_sql_text(const struct ecc_sql_node *node, const char *key);
int64_t ecc_sql_int(const struct ecc_sql_node *node, const char *key);
bool ecc_sql_bool(const struct ecc_sql_node *node, const char *key);

/* A node of the grammar is an object with one member, its kind: {"ColumnRef": {...}}. */
const char *ecc_sql_kind(const struct ecc_sql_node *node); /* "" for anything else */
const struct ecc_sql_node *ecc_sql_body(const struct ecc_sql_node *node);
bool ecc_sql_is(const struct ecc_sql_node *node, const char *kind);

/* The i-th name of a list of String nodes, or "" */
const char *ecc_sql_string(const struct ecc_sql_node *list, size_t i);
const struct ecc_sql_node *ecc_sql_item(const struct ecc_sql_node *list, size_t i);

#define ECC_SQL_EACH(item, list) (const struct ecc_sql_node *item = (list) ? (list)->first : NULL; item; item = item->next)

#endif
