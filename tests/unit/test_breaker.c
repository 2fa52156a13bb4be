/* The breaker's states and the retry budget, on a clock of the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "breaker.h"

static int changes;

static void on_change(struct ec_breaker *breaker, void *data)
{
    (void)breaker;
    (void)data;
    changes++;
}

static struct ec_breaker make(int trip, int probes, bool timeouts_only)
{
    changes = 0;
    return (struct ec_breaker){.trip = trip, .probes = probes, .timeouts_only = timeouts_only, .open_ns = 1000, .changed = on_change};
}

static bool run(struct ec_breaker *b, uint64_t now, bool background, enum ec_breaker_verdict verdict)
{
    struct ec_breaker_pass pass;

    if (!ec_breaker_enter(b, now, background, &pass))
        return false;
    ec_breaker_leave(b, now, pass, verdict);
    return true;
}

static void trips_on_consecutive(void **state)
{
    struct ec_breaker b = make(3, 1, true);

    (void)state;
    assert_true(run(&b, 0, false, EC_VERDICT_TIMEOUT));
    assert_true(run(&b, 0, false, EC_VERDICT_TIMEOUT));
    assert_true(run(&b, 0, false, EC_VERDICT_SUCCESS)); /* forgets */
    assert_true(run(&b, 0, false, EC_VERDICT_TIMEOUT));
    assert_true(run(&b, 0, false, EC_VERDICT_FAILURE)); /* does not count here */
    assert_true(run(&b, 0, false, EC_VERDICT_NONE));
    assert_true(run(&b, 0, true, EC_VERDICT_TIMEOUT)); /* background */
    assert_true(run(&b, 0, false, EC_VERDICT_TIMEOUT));
    assert_int_equal(b.state, EC_BREAKER_CLOSED);
    assert_true(run(&b, 0, false, EC_VERDICT_TIMEOUT));
    assert_int_equal(b.state, EC_BREAKER_OPEN);
    assert_false(run(&b, 999, false, EC_VERDICT_SUCCESS));
    assert_false(run(&b, 999, true, EC_VERDICT_SUCCESS));
    assert_int_equal(changes, 1);
    b = make(2, 1, false);
    run(&b, 0, false, EC_VERDICT_FAILURE);
    run(&b, 0, false, EC_VERDICT_TIMEOUT);
    assert_int_equal(b.state, EC_BREAKER_OPEN);
}

static void half_open(void **state)
{
    struct ec_breaker b = make(1, 2, true);
    struct ec_breaker_pass one, two, three;

    (void)state;
    run(&b, 0, false, EC_VERDICT_TIMEOUT);
    assert_true(ec_breaker_enter(&b, 1000, false, &one));
    assert_int_equal(b.state, EC_BREAKER_HALF_OPEN);
    assert_true(ec_breaker_enter(&b, 1000, false, &two));
    assert_false(ec_breaker_enter(&b, 1000, false, &three)); /* exactly two */
    ec_breaker_leave(&b, 1000, one, EC_VERDICT_NONE);        /* cancelled: the permit is there again */
    assert_true(ec_breaker_enter(&b, 1000, false, &one));
    assert_false(ec_breaker_enter(&b, 1000, false, &three));
    ec_breaker_leave(&b, 1000, one, EC_VERDICT_SUCCESS);
    assert_int_equal(b.state, EC_BREAKER_HALF_OPEN);
    assert_false(ec_breaker_enter(&b, 1000, false, &three)); /* a used permit is used */
    ec_breaker_leave(&b, 1000, two, EC_VERDICT_SUCCESS);
    assert_int_equal(b.state, EC_BREAKER_CLOSED);
    /* A failed probe, of whatever kind, opens again for the whole time. */
    run(&b, 2000, false, EC_VERDICT_TIMEOUT);
    assert_true(ec_breaker_enter(&b, 3000, false, &one));
    assert_true(ec_breaker_enter(&b, 3000, false, &two));
    ec_breaker_leave(&b, 3100, one, EC_VERDICT_FAILURE);
    assert_int_equal(b.state, EC_BREAKER_OPEN);
    ec_breaker_leave(&b, 3200, two, EC_VERDICT_SUCCESS); /* too late to say anything */
    assert_int_equal(b.state, EC_BREAKER_OPEN);
    assert_false(run(&b, 4099, false, EC_VERDICT_SUCCESS));
    assert_true(run(&b, 4100, true, EC_VERDICT_SUCCESS)); /* a background call may probe */
    assert_true(run(&b, 4100, false, EC_VERDICT_SUCCESS));
    assert_int_equal(b.state, EC_BREAKER_CLOSED);
}

static void late_failures_of_the_closed_time(void **state)
{
    struct ec_breaker b = make(1, 1, true);
    struct ec_breaker_pass early, probe;

    (void)state;
    assert_true(ec_breaker_enter(&b, 0, false, &early));
    run(&b, 0, false, EC_VERDICT_TIMEOUT);
    ec_breaker_leave(&b, 500, early, EC_VERDICT_TIMEOUT);
    assert_true(ec_breaker_enter(&b, 1000, false, &probe)); /* not prolonged */
    ec_breaker_leave(&b, 1000, probe, EC_VERDICT_SUCCESS);
    assert_int_equal(b.state, EC_BREAKER_CLOSED);
}

static void without_a_breaker(void **state)
{
    struct ec_breaker b = make(0, 1, false);
    int i;

    (void)state;
    for (i = 0; i < 100; i++)
        assert_true(run(&b, 0, false, EC_VERDICT_FAILURE));
}

static void retry_after(void **state)
{
    struct ec_breaker b = make(1, 1, false);

    (void)state;
    b.open_ns = 10000000000ull;
    run(&b, 0, false, EC_VERDICT_FAILURE);
    assert_int_equal(ec_breaker_retry_after_s(&b, 0), 10);
    assert_int_equal(ec_breaker_retry_after_s(&b, 9999999999ull), 1);
    assert_int_equal(ec_breaker_retry_after_s(&b, 20000000000ull), 1);
}

static void the_budget(void **state)
{
    struct ec_retry_budget budget = {EC_RETRY_BUDGET_MAX};
    int i, spent = 0;

    (void)state;
    for (i = 0; i < 10000; i++) {
        ec_retry_earn(&budget);
        while (ec_retry_spend(&budget))
            spent++;
    }
    assert_in_range(spent, 900, 1010); /* a tenth, and what was saved */
}

static void renewed(void **state)
{
    struct ec_breaker b = make(3, 1, false);
    struct ec_breaker_pass late;

    (void)state;
    run(&b, 0, false, EC_VERDICT_FAILURE);
    run(&b, 0, false, EC_VERDICT_FAILURE);
    assert_true(ec_breaker_enter(&b, 0, false, &late));
    ec_breaker_renew(&b); /* counts from nothing, and hears nothing of before */
    ec_breaker_leave(&b, 0, late, EC_VERDICT_FAILURE);
    run(&b, 0, false, EC_VERDICT_FAILURE);
    run(&b, 0, false, EC_VERDICT_FAILURE);
    assert_int_equal(b.state, EC_BREAKER_CLOSED);
    assert_int_equal(changes, 0);
    run(&b, 0, false, EC_VERDICT_FAILURE);
    assert_int_equal(b.state, EC_BREAKER_OPEN);
    ec_breaker_renew(&b);
    assert_int_equal(b.state, EC_BREAKER_CLOSED);
    assert_int_equal(changes, 2);
    assert_true(run(&b, 0, false, EC_VERDICT_SUCCESS));
}

static void delays(void **state)
{
    (void)state;
    assert_int_equal(ec_retry_delay_ms(100, 1000, 0, 0), 50);
    assert_in_range(ec_retry_delay_ms(100, 1000, 0, 0.999), 99, 100);
    assert_int_equal(ec_retry_delay_ms(100, 1000, 2, 0), 200);
    assert_int_equal(ec_retry_delay_ms(100, 1000, 60, 0), 500);
    assert_in_range(ec_retry_delay_ms(0, 0, 3, 0.5), 0, 1);
    assert_in_range(ec_retry_delay_ms(1, INT64_MAX, 200, 0.5), INT64_MAX / 2, INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trips_on_consecutive),
        cmocka_unit_test(half_open),
        cmocka_unit_test(late_failures_of_the_closed_time),
        cmocka_unit_test(without_a_breaker),
        cmocka_unit_test(retry_after),
        cmocka_unit_test(the_budget),
        cmocka_unit_test(renewed),
        cmocka_unit_test(delays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
