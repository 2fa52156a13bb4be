/* Metrics: series by labels, histogram buckets, the text format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app.h"

static void series_are_found_again(void **state)
{
    struct ec_metric *a = ec_metric(EC_COUNTER, "calls_total", "Calls", "to=\"a\""),
                     *b = ec_metric(EC_COUNTER, "calls_total", "Calls", "to=\"b\"");

    (void)state;
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(a, ec_metric(EC_COUNTER, "calls_total", "other words", "to=\"a\""));
    assert_ptr_equal(ec_metric(EC_GAUGE, "level", "Level", NULL), ec_metric(EC_GAUGE, "level", "Level", ""));
    ec_metric_add(a, 2);
    ec_metric_add(a, 0.5);
    assert_true(ec_metric_value(a) == 2.5 && ec_metric_value(b) == 0);
}

static void the_text(void **state)
{
    struct ec_metric *seconds = ec_metric(EC_HISTOGRAM, "wait_seconds", "A \\ and\nmore", "op=\"x\"");
    struct ec_buf buf = {NULL, 0, 0}, labels = {NULL, 0, 0};

    (void)state;
    ec_metric_set(ec_metric(EC_GAUGE, "level", "Level", NULL), -3);
    ec_metric_label(&labels, "edge", "a -> \"b\"\\\n");
    ec_metric_label(&labels, "n", "1");
    assert_string_equal(labels.p, "edge=\"a -> \\\"b\\\"\\\\\\n\",n=\"1\"");
    ec_metric_observe(seconds, 0x1p-11);
    ec_metric_observe(seconds, 0x1p-10);
    ec_metric_observe(seconds, 60);
    ec_metric_observe(seconds, 61);
    assert_true(ec_metric_value(seconds) == 4);
    ec_metrics_write(&buf);
    ec_buf_reserve(&buf, 1)[0] = 0;
    assert_non_null(
        strstr(buf.p, "# HELP calls_total Calls\n# TYPE calls_total counter\ncalls_total{to=\"a\"} 2.5\ncalls_total{to=\"b\"} 0\n"));
    assert_non_null(strstr(buf.p, "# TYPE level gauge\nlevel -3\n"));
    assert_non_null(strstr(
        buf.p, "# HELP wait_seconds A \\\\ and\\nmore\n# TYPE wait_seconds histogram\nwait_seconds_bucket{op=\"x\",le=\"0.0005\"} 1\n"
               "wait_seconds_bucket{op=\"x\",le=\"0.001\"} 2\n"));
    assert_non_null(strstr(buf.p, "wait_seconds_bucket{op=\"x\",le=\"60\"} 3\nwait_seconds_bucket{op=\"x\",le=\"+Inf\"} "
                                  "4\nwait_seconds_sum{op=\"x\"} 121.00146484375\n"
                                  "wait_seconds_count{op=\"x\"} 4\n"));
    ec_buf_free(&buf);
    ec_buf_free(&labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(series_are_found_again), cmocka_unit_test(the_text)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
