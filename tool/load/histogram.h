/* A histogram of times, whose percentiles are exact to three digits: microseconds up to a minute in 17408 counters.
 *
 * Below 2048 each value has its counter; above, each doubling has 1024 counters of equal width, so a value is never told more than one
 * thousandth too large. What takes longer than a minute counts as a minute; the largest value is kept as it was.
 */
#ifndef ECC_HISTOGRAM_H
#define ECC_HISTOGRAM_H

#include <stdint.h>

enum { ECC_HISTOGRAM_MOST = 60 * 1000 * 1000, ECC_HISTOGRAM_COUNTERS = 17 * 1024 };

struct ecc_histogram {
    uint64_t n, max;
    uint64_t counts[ECC_HISTOGRAM_COUNTERS];
};

void ecc_histogram_add(struct ecc_histogram *histogram, uint64_t us);
void ecc_histogram_clear(struct ecc_histogram *histogram);
/* The least value that `percent` of all do not exceed (nearest rank); 0 when there is none. */
uint64_t ecc_histogram_at(const struct ecc_histogram *histogram, double percent);

#endif
