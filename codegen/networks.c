/* An edge clique cover of the graph of conversations, found greedily: from the first pair that has no network yet, everybody joins who talks
 * to all who are in and needs at least one of them. A pair each would do, too, but an engine has room for some thirty networks.
 */
#include "networks.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "outset.h"

enum { LONGEST = 48, KEPT = 39 };

struct graph {
    const char **names;
    size_t n, cap;
    bool *talks, *covered; /* n x n */
};

static size_t place_of(struct ecc_arena *arena, struct graph *g, const char *name)
{
    for (size_t i = 0; i < g->n; i++)
        if (!strcmp(g->names[i], name))
            return i;
    if (g->n == g->cap)
        g->names = ecc_arena_grow(arena, g->names, &g->cap, sizeof *g->names);
    g->names[g->n] = name;
    return g->n++;
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
        if (in[i] == who || !g->talks[who * g->n + in[i]])
            return false;
        needs |= !g->covered[who * g->n + in[i]];
    }
    return needs;
}

static void add_network(struct ecc_arena *arena, struct ecc_networks *to, struct graph *g, size_t a, size_t b)
{
    size_t *in = ECC_NEW_ARRAY(arena, size_t, g->n), n = 0;

    in[n++] = a;
    in[n++] = b;
    for (size_t who = 0; who < g->n; who++)
        if (joins(g, in, n, who))
            in[n++] = who;
    const char **members = ECC_NEW_ARRAY(arena, const char *, n);
    for (size_t i = 0; i < n; i++) {
        members[i] = g->names[in[i]];
        for (size_t k = 0; k < n; k++)
            g->covered[in[i] * g->n + in[k]] = true;
    }
    qsort(members, n, sizeof members[0], by_text);
    ECC_PUSH(arena, to, ((struct ecc_network){ecc_network_name(arena, members, n), members, n}));
}

struct ecc_networks ecc_networks(struct ecc_arena *arena, const struct ecc_deploy *deploy)
{
    struct ecc_networks networks = {0};
    struct graph g = {0};

    for (size_t i = 0; i < deploy->nconversations; i++)
        if (!deploy->conversations[i].external) {
            place_of(arena, &g, deploy->conversations[i].from);
            place_of(arena, &g, deploy->conversations[i].to);
        }
    g.talks = ECC_NEW_ARRAY(arena, bool, g.n * g.n + 1);
    g.covered = ECC_NEW_ARRAY(arena, bool, g.n * g.n + 1);
    for (size_t i = 0; i < deploy->nconversations; i++) {
        if (deploy->conversations[i].external)
            continue;
        size_t a = place_of(arena, &g, deploy->conversations[i].from), b = place_of(arena, &g, deploy->conversations[i].to);
        g.talks[a * g.n + b] = g.talks[b * g.n + a] = true;
    }
    for (size_t i = 0; i < deploy->nconversations; i++) {
        if (deploy->conversations[i].external)
            continue;
        size_t a = place_of(arena, &g, deploy->conversations[i].from), b = place_of(arena, &g, deploy->conversations[i].to);
        if (!g.covered[a * g.n + b])
            add_network(arena, &networks, &g, a, b);
    }
    return networks;
}

bool ecc_network_has(const struct ecc_network *network, const char *member)
{
    for (size_t i = 0; i < network->nmembers; i++)
        if (!strcmp(network->members[i], member))
            return true;
    return false;
}

const struct ecc_network *ecc_network_of(const struct ecc_networks *networks, const char *member)
{
    for (size_t i = 0; i < networks->n; i++)
        if (ecc_network_has(&networks->items[i], member))
            return &networks->items[i];
    return NULL;
}
