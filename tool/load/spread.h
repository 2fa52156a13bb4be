/* Which scenario each request of a mix plays.
 *
 * Requests are dealt in blocks of a hundred, so that each block has exactly the percentages; the order inside a block is shuffled by a
 * generator that always begins alike, so a run can be repeated. The last block is as long as what is left, and shuffled within that.
 */
#ifndef ECC_SPREAD_H
#define ECC_SPREAD_H

#include <stddef.h>
#include <stdint.h>

enum { ECC_SPREAD_MOST = 16, ECC_SPREAD_BLOCK = 100 };

struct ecc_spread {
    int percent[ECC_SPREAD_MOST]; /* together 100 */
    size_t n;
    uint64_t left;                /* requests that are not yet in a block */
    int credit[ECC_SPREAD_MOST];
    unsigned char block[ECC_SPREAD_BLOCK];
    size_t filled, used;
    uint64_t random;
};

void ecc_spread_init(struct ecc_spread *spread, const int *percent, size_t n, uint64_t total);
size_t ecc_spread_next(struct ecc_spread *spread); /* at most total times */

#endif
