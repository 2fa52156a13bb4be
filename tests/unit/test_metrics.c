/* Metrics: series by labels, histogram buckets, the text format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* One worker of two, played in a process of its own; then it is gone, and another takes up its counters. */
static void as_worker(int worker, double level)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        ec_metrics_join(worker);
        ec_metric_add(ec_metric(EC_COUNTER, "calls_total", "Calls", NULL), 2);
        ec_metric_set(ec_metric(EC_GAUGE, "level", "Level", NULL), level);
        ec_metric_set(ec_metric(EC_GAUGE_MOST, "highest", "Highest", NULL), level);
        ec_metric_set(ec_metric(EC_GAUGE_LEAST, "lowest", "Lowest", NULL), level);
        ec_metric_set(ec_metric(EC_GAUGE, "who", "Who", worker ? "id=\"1\"" : "id=\"0\""), 1);
        ec_metric_observe(ec_metric(EC_HISTOGRAM, "wait_seconds", "Wait", NULL), 0.2);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void expect_told(const char *what)
{
    struct ec_buf buf = {NULL, 0, 0};

    ec_metrics_write(&buf);
    ec_buf_reserve(&buf, 1)[0] = 0;
    if (!strstr(buf.p, what))
        fail_msg("%s is not in\n%s", what, buf.p);
    ec_buf_free(&buf);
}

static void workers_tell_of_all(void **state)
{
    (void)state;
    ec_metrics_share(2);
    assert_true(ec_metrics_shared());
    as_worker(0, 3);
    as_worker(1, 5);
    expect_told("# TYPE calls_total counter\ncalls_total 4\n# HELP level");
    expect_told("# TYPE level gauge\nlevel 8\n");
    expect_told("# TYPE highest gauge\nhighest 5\n");
    expect_told("# TYPE lowest gauge\nlowest 3\n");
    expect_told("# TYPE who gauge\nwho{id=\"0\"} 1\nwho{id=\"1\"} 1\n# HELP");
    expect_told("wait_seconds_bucket{le=\"0.25\"} 2\n");
    expect_told("wait_seconds_sum 0.4\nwait_seconds_count 2\n");
    ec_metrics_leave(1);
    expect_told("calls_total 4\n");
    expect_told("\nlevel 3\n");
    expect_told("highest 3\n");
    expect_told("# TYPE who gauge\nwho{id=\"0\"} 1\n# HELP");
    as_worker(1, 1);
    expect_told("calls_total 6\n");
    expect_told("\nlevel 4\n");
    expect_told("lowest 1\n");
    expect_told("wait_seconds_count 3\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(series_are_found_again), cmocka_unit_test(the_text)};
    const struct CMUnitTest shared[] = {cmocka_unit_test(workers_tell_of_all)};
    int status = 0;
    pid_t pid = fork(); /* what shares has no series of its own, and shares for ever */

    if (pid == 0)
        return cmocka_run_group_tests(shared, NULL, NULL);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    return (status != 0) + cmocka_run_group_tests(tests, NULL, NULL);
}
