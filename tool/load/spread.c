/* Dealing: whoever is owed most is next (what Bresenham does for two), then the block is shuffled. */
#include "spread.h"

#include <string.h>

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void deal(struct ecc_spread *spread)
{
    spread->filled = spread->left < ECC_SPREAD_BLOCK ? spread->left : ECC_SPREAD_BLOCK;
    spread->left -= spread->filled;
    spread->used = 0;
    for (size_t i = 0; i < spread->filled; i++) {
        size_t most = 0;
        for (size_t k = 0; k < spread->n; k++) {
            spread->credit[k] += spread->percent[k];
            if (spread->credit[k] > spread->credit[most])
                most = k;
        }
        spread->credit[most] -= 100;
        spread->block[i] = (unsigned char)most;
    }
    for (size_t i = spread->filled; i > 1; i--) {
        size_t with = next_random(&spread->random) % i;
        unsigned char held = spread->block[i - 1];
        spread->block[i - 1] = spread->block[with];
        spread->block[with] = held;
    }
}

void ecc_spread_init(struct ecc_spread *spread, const int *percent, size_t n, uint64_t total)
{
    *spread = (struct ecc_spread){.n = n, .left = total};
    memcpy(spread->percent, percent, n * sizeof *percent);
}

size_t ecc_spread_next(struct ecc_spread *spread)
{
    if (spread->used == spread->filled)
        deal(spread);
    return spread->filled ? spread->block[spread->used++] : 0;
}
