/* A tree of path segments, one level a segment, below the method. A node has children by literal, kept in the symbol table under the
 * node's address, and at most one for a parameter. */
#include "route_tree.h"

#include <string.h>

#include "arena.h"
#include "symbols.h"

struct ecc_route_node {
    struct ecc_route_node *param;
    struct { struct ecc_route_node **items; size_t n, cap; } literals;
    struct ecc_route *route; /* that ends here */
};

void ecc_route_tree_init(struct ecc_route_tree *tree, struct ecc_arena *arena, struct ecc_symbols *symbols)
{
    tree->arena = arena;
    tree->symbols = symbols;
    tree->root = ECC_NEW(arena, struct ecc_route_node);
}

static struct ecc_route_node *literal_child(const struct ecc_route_tree *tree, const struct ecc_route_node *node, const char *segment)
{
    struct ecc_symbol *e = ecc_symbols_find(tree->symbols, node, segment);

    return e ? e->value : NULL;
}

static struct ecc_route_node *make_child(struct ecc_route_tree *tree, struct ecc_route_node *node, const char *segment, bool param)
{
    struct ecc_route_node *child = param ? node->param : literal_child(tree, node, segment);

    if (child)
        return child;
    child = ECC_NEW(tree->arena, struct ecc_route_node);
    if (param) {
        node->param = child;
    } else {
        ecc_symbols_add(tree->symbols, node, segment, child, (struct ecc_span){0});
        ECC_PUSH(tree->arena, &node->literals, child);
    }
    return child;
}

struct segments { const char **items; size_t n, cap; };

static struct segments split(const struct ecc_route_tree *tree, const char *path)
{
    struct segments s = {0};
    size_t length = strcspn(path, "?");

    for (const char *p = path, *end = path + length; p < end;) {
        const char *slash = memchr(p + 1, '/', (size_t)(end - p - 1));
        const char *stop = slash ? slash : end;
        ECC_PUSH(tree->arena, &s, ecc_arena_strndup(tree->arena, p + 1, (size_t)(stop - p - 1)));
        p = stop;
    }
    return s;
}

static bool is_param(const char *segment)
{
    return strchr(segment, '{') != NULL;
}

/* A route below node that could match what the segments from `at` on match. */
static struct ecc_route *overlap(const struct ecc_route_tree *tree, const struct ecc_route_node *node, const struct segments *s, size_t at)
{
    struct ecc_route *found = NULL;

    if (at == s->n)
        return node->route;
    if (node->param)
        found = overlap(tree, node->param, s, at + 1);
    if (is_param(s->items[at])) {
        for (size_t i = 0; !found && i < node->literals.n; i++)
            found = overlap(tree, node->literals.items[i], s, at + 1);
    } else if (!found) {
        const struct ecc_route_node *child = literal_child(tree, node, s->items[at]);
        if (child)
            found = overlap(tree, child, s, at + 1);
    }
    return found;
}

const struct ecc_route *ecc_route_tree_add(struct ecc_route_tree *tree, struct ecc_route *route)
{
    struct segments s = split(tree, route->path);
    struct ecc_route_node *node = make_child(tree, tree->root, route->method, false);
    const struct ecc_route *other = overlap(tree, node, &s, 0);

    if (other)
        return other;
    for (size_t i = 0; i < s.n; i++)
        node = make_child(tree, node, s.items[i], is_param(s.items[i]));
    node->route = route;
    return NULL;
}

struct ecc_route *ecc_route_tree_match(const struct ecc_route_tree *tree, const char *method, const char *path)
{
    const struct ecc_route_node *node = literal_child(tree, tree->root, method);

    if (!node)
        return NULL;
    struct segments s = split(tree, path);
    return overlap(tree, node, &s, 0);
}
