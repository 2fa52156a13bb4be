/* An edge clique cover of the graph of conversations, found greedily: from the first pair that has no network yet, everybody joins who
 * talks to all who are in and needs at least one of them. A pair each would do, too, but an engine has room for some thirty networks.
 */
#include "networks.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "outset.h"

enum { LONGEST = 48, KEPT = 39 };

/* One end of a conversation; each has two. */
struct way {
    size_t to;
    bool covered; /* they share a network */
};
struct member {
    const char *name;
    struct way *ways;
    size_t n, cap;
};
struct graph {
    struct member *items; /* sorted by name */
    size_t n, cap;
};

static struct way *way_to(const struct graph *g, size_t from, size_t to)
{
    for (size_t i = 0; i < g->items[from].n; i++)
        if (g->items[from].ways[i].to == to)
            return &g->items[from].ways[i];
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

static size_t place_of(const struct graph *g, const char *name)
{
    const struct member wanted = {.name = name};

    return (size_t)((const struct member *)bsearch(&wanted, g->items, g->n, sizeof wanted, by_name) - g->items);
}

static void add_way(struct ecc_arena *arena, struct graph *g, size_t from, size_t to)
{
    struct member *m = &g->items[from];

    if (way_to(g, from, to))
        return;
    if (m->n == m->cap)
        m->ways = ecc_arena_grow(arena, m->ways, &m->cap, sizeof *m->ways);
    m->ways[m->n++] = (struct way){.to = to};
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *ecc_network_name(struct ecc_arena *arena, const char **members, size_t n)
{
    const char *name = members[0];

    for (size_t i = 1; i < n; i++)
        name = ecc_arena_printf(arena, "%s_%s", name, members[i]);
    size_t length = strlen(name);
    if (length <= LONGEST)
        return name;
    return ecc_arena_printf(arena, "%.*s-%.8s", KEPT, name, ecc_sha256_hex(arena, name, length));
}

/* Does it talk to everybody who is in, and to one of them without a network so far? */
static bool joins(const struct graph *g, const size_t *in, size_t n, size_t who)
{
    bool needs = false;

    for (size_t i = 0; i < n; i++) {
        const struct way *way = way_to(g, in[i], who); /* none to itself */
        if (!way)
            return false;
        needs |= !way->covered;
    }
    return needs;
}

static void add_network(struct ecc_arena *arena, struct ecc_networks *to, struct graph *g, size_t a, size_t b)
{
    size_t few = g->items[a].n < g->items[b].n ? a : b; /* who joins is among those whom either talks to */
    size_t *in = ECC_NEW_ARRAY(arena, size_t, g->items[few].n + 2), n = 0;

    in[n++] = a;
    in[n++] = b;
    for (size_t i = 0; i < g->items[few].n; i++)
        if (joins(g, in, n, g->items[few].ways[i].to))
            in[n++] = g->items[few].ways[i].to;
    const char **members = ECC_NEW_ARRAY(arena, const char *, n);
    for (size_t i = 0; i < n; i++) {
        members[i] = g->items[in[i]].name;
        for (size_t k = 0; k < n; k++)
            if (k != i)
                way_to(g, in[i], in[k])->covered = true;
    }
    qsort(members, n, sizeof members[0], by_text);
    ECC_PUSH(arena, to, ((struct ecc_network){ecc_network_name(arena, members, n), members, n}));
}

static void add_members(struct ecc_arena *arena, struct graph *g, const struct ecc_deploy *deploy)
{
    size_t n = 0;

    for (size_t i = 0; i < deploy->nconversations; i++)
        if (!deploy->conversations[i].external) {
            ECC_PUSH(arena, g, ((struct member){.name = deploy->conversations[i].from}));
            ECC_PUSH(arena, g, ((struct member){.name = deploy->conversations[i].to}));
        }
    if (g->n)
        qsort(g->items, g->n, sizeof g->items[0], by_name);
    for (size_t i = 0; i < g->n; i++)
        if (!n || strcmp(g->items[n - 1].name, g->items[i].name) != 0)
            g->items[n++] = g->items[i];
    g->n = n;
}

struct ecc_networks ecc_networks(struct ecc_arena *arena, const struct ecc_deploy *deploy)
{
    struct ecc_networks networks = {0};
    struct graph g = {0};

    add_members(arena, &g, deploy);
    for (size_t i = 0; i < deploy->nconversations; i++) {
        const struct ecc_conversation *c = &deploy->conversations[i];
        if (c->external)
            continue;
        add_way(arena, &g, place_of(&g, c->from), place_of(&g, c->to));
        add_way(arena, &g, place_of(&g, c->to), place_of(&g, c->from));
    }
    for (size_t i = 0; i < deploy->nconversations; i++) {
        const struct ecc_conversation *c = &deploy->conversations[i];
        if (c->external)
            continue;
        size_t a = place_of(&g, c->from), b = place_of(&g, c->to);
        if (!way_to(&g, a, b)->covered)
            add_network(arena, &networks, &g, a, b);
    }
    return networks;
}
