/* The histogram against the sorted list of what was put into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "histogram.h"

static struct ecc_histogram h;

static int clear(void **state)
{
    (void)state;
    ecc_histogram_clear(&h);
    return 0;
}

static void empty(void **state)
{
    (void)state;
    assert_int_equal(ecc_histogram_at(&h, 50), 0);
    assert_int_equal(h.max, 0);
}

static void one_value_is_every_percentile(void **state)
{
    (void)state;
    ecc_histogram_add(&h, 123456);
    assert_int_equal(ecc_histogram_at(&h, 0), 123456);
    assert_int_equal(ecc_histogram_at(&h, 50), 123456);
    assert_int_equal(ecc_histogram_at(&h, 100), 123456);
}

static void nearest_rank(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 1000; i++) /* each exact */
        ecc_histogram_add(&h, i);
    assert_int_equal(ecc_histogram_at(&h, 50), 500);
    assert_int_equal(ecc_histogram_at(&h, 90), 900);
    assert_int_equal(ecc_histogram_at(&h, 99), 990);
    assert_int_equal(ecc_histogram_at(&h, 99.9), 999);
    assert_int_equal(ecc_histogram_at(&h, 100), 1000);
    assert_int_equal(ecc_histogram_at(&h, 0.1), 1);
}

/* Around each power of two, where the width of a counter changes: never less than the value, at most a thousandth more. */
static void three_digits_everywhere(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 26; bit++)
        for (int64_t off = -3; off <= 3; off++) {
            int64_t value = ((int64_t)1 << bit) + off;
            if (value < 0 || value > ECC_HISTOGRAM_MOST)
                continue;
            ecc_histogram_clear(&h);
            ecc_histogram_add(&h, (uint64_t)value);
            ecc_histogram_add(&h, ECC_HISTOGRAM_MOST); /* or the largest value would be told as it was */
            int64_t told = (int64_t)ecc_histogram_at(&h, 50);
            assert_true(told >= value);
            assert_true((double)(told - value) <= (double)value / 1000);
        }
}

static void over_a_minute(void **state)
{
    (void)state;
    for (int i = 0; i < 9; i++)
        ecc_histogram_add(&h, 3600u * 1000 * 1000 + (uint64_t)i);
    ecc_histogram_add(&h, UINT64_MAX);
    assert_int_equal(h.n, 10);
    assert_true(h.max == UINT64_MAX);
    assert_true(ecc_histogram_at(&h, 100) == UINT64_MAX);
    assert_in_range(ecc_histogram_at(&h, 50), ECC_HISTOGRAM_MOST, ECC_HISTOGRAM_MOST + ECC_HISTOGRAM_MOST / 1000);
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void against_a_sorted_list(void **state)
{
    static const double percents[] = {1, 10, 25, 50, 75, 90, 99, 99.9};
    static uint64_t values[20000];
    size_t n = sizeof values / sizeof values[0];

    (void)state;
    srand(1);
    for (size_t i = 0; i < n; i++) {
        values[i] = (uint64_t)exp((double)rand() / RAND_MAX * log(6e7)); /* as many of each magnitude */
        ecc_histogram_add(&h, values[i]);
    }
    qsort(values, n, sizeof values[0], ascending);
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        uint64_t right = values[(size_t)ceil(percents[i] / 100 * (double)n - 1e-6) - 1], told = ecc_histogram_at(&h, percents[i]);
        assert_true(told >= right);
        assert_true((double)(told - right) <= (double)right / 1000);
    }
    assert_int_equal(ecc_histogram_at(&h, 100), values[n - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(empty, clear),
        cmocka_unit_test_setup(one_value_is_every_percentile, clear),
        cmocka_unit_test_setup(nearest_rank, clear),
        cmocka_unit_test_setup(three_digits_everywhere, clear),
        cmocka_unit_test_setup(over_a_minute, clear),
        cmocka_unit_test_setup(against_a_sorted_list, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
