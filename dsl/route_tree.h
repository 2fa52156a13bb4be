/* The routes of a gateway by path, to find which one takes a request and whether two could take the same. */
#ifndef ECC_ROUTE_TREE_H
#define ECC_ROUTE_TREE_H

#include "model.h"

struct ecc_arena;
struct ecc_symbols;
struct ecc_route_node;

struct ecc_route_tree {
    struct ecc_arena *arena;
    struct ecc_symbols *symbols;
    struct ecc_route_node *root;
};

void ecc_route_tree_init(struct ecc_route_tree *tree, struct ecc_arena *arena, struct ecc_symbols *symbols);

/* Adds a route, unless one that is there already could match the same request: then that one is returned. Otherwise NULL. */
const struct ecc_route *ecc_route_tree_add(struct ecc_route_tree *tree, struct ecc_route *route);

/* The route that takes a request to a path without parameters (a query after `?` is left aside), or NULL. */
struct ecc_route *ecc_route_tree_match(const struct ecc_route_tree *tree, const char *method, const char *path);

#endif
