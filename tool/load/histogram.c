/* The counters of a histogram: where a value is counted, and the largest value that a counter stands for. */
#include "histogram.h"

#include <math.h>
#include <string.h>

enum { HALF = 1024 }; /* counters of a doubling */

static unsigned shift_of(uint64_t us)
{
    return us < 2 * HALF ? 0 : 64 - 11 - (unsigned)__builtin_clzll(us); /* leaves eleven bits, the first of them set */
}

static uint64_t largest_of(unsigned counter)
{
    if (counter < 2 * HALF)
        return counter;
    unsigned shift = counter / HALF - 1;

    return ((counter - (uint64_t)shift * HALF + 1) << shift) - 1;
}

void ecc_histogram_add(struct ecc_histogram *histogram, uint64_t us)
{
    if (us > histogram->max)
        histogram->max = us;
    if (us > ECC_HISTOGRAM_MOST)
        us = ECC_HISTOGRAM_MOST;
    unsigned shift = shift_of(us);

    histogram->counts[shift * HALF + (us >> shift)]++;
    histogram->n++;
}

void ecc_histogram_clear(struct ecc_histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

uint64_t ecc_histogram_at(const struct ecc_histogram *histogram, double percent)
{
    uint64_t rank = (uint64_t)ceil(percent / 100 * (double)histogram->n - 1e-6), seen = 0;

    if (!histogram->n)
        return 0;
    if (rank < 1)
        rank = 1;
    if (rank >= histogram->n)
        return histogram->max;
    for (unsigned i = 0; i < ECC_HISTOGRAM_COUNTERS; i++) {
        seen += histogram->counts[i];
        if (seen >= rank)
            return largest_of(i) < histogram->max ? largest_of(i) : histogram->max;
    }
    return histogram->max;
}
