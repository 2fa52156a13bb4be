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
#include <stdlib.h>
#include <string.h>

struct ecc_arena;

struct ecc_sql_node {
    uint64_t tag;     /* of its key, 0 when it has none */
    const char *key;  /* in its object, or NULL */
    const char *text; /* string, or a literal's text (number, true, false); NULL for object and array */
    struct ecc_sql_node *first, *next;
    size_t n; /* children */
};

/* NULL when the tree is nested deeper than an analysis should follow. */
struct ecc_sql_node *ecc_sql_tree(struct ecc_arena *arena, const char *json);

/* The first eight bytes of a key, of a literal known when this is compiled: most members are told apart by them, without a look at the
 * text, which another processor wrote. */
static inline uint64_t ecc_sql_tag(const char *key)
{
    size_t n = strlen(key);
    uint64_t tag = 0;

    memcpy(&tag, key, n < sizeof tag ? n : sizeof tag);
    return tag;
}

const struct ecc_sql_node *ecc_sql_find(const struct ecc_sql_node *node, uint64_t tag, const char *key);
static inline const struct ecc_sql_node *ecc_sql_at(const struct ecc_sql_node *node, const char *key)
{
    return ecc_sql_find(node, ecc_sql_tag(key), key);
}

static inline const char *ecc_sql_text(const struct ecc_sql_node *node, const char *key)
{
    const struct ecc_sql_node *child = ecc_sql_at(node, key);

    return child && child->text ? child->text : "";
}
static inline int64_t ecc_sql_int(const struct ecc_sql_node *node, const char *key)
{
    return strtoll(ecc_sql_text(node, key), NULL, 10);
}
static inline bool ecc_sql_bool(const struct ecc_sql_node *node, const char *key)
{
    return strcmp(ecc_sql_text(node, key), "true") == 0;
}

/* A node of the grammar is an object with one member, its kind: {"ColumnRef": {...}}. */
const char *ecc_sql_kind(const struct ecc_sql_node *node); /* "" for anything else */
const struct ecc_sql_node *ecc_sql_body(const struct ecc_sql_node *node);
static inline bool ecc_sql_is(const struct ecc_sql_node *node, const char *kind)
{
    return node && node->n == 1 && node->first->key && node->first->tag == ecc_sql_tag(kind) && strcmp(node->first->key, kind) == 0;
}

/* The i-th name of a list of String nodes, or "" */
const char *ecc_sql_string(const struct ecc_sql_node *list, size_t i);
const struct ecc_sql_node *ecc_sql_item(const struct ecc_sql_node *list, size_t i);

#define ECC_SQL_EACH(item, list) (const struct ecc_sql_node *item = (list) ? (list)->first : NULL; item; item = item->next)

#endif
