/* observability/alerts.yml: Prometheus' rules for what a topology has, and alerts_test.yml, which shows by promtool that each alert fires
 * on what it is for and on nothing less.
 *
 * A rule is a row of `alerts`: it holds for all edges, sagas, groups alike, by their labels, and is written where the topology has one of
 * them; the first one is what its test tells of. The budget of a route is spent as in the Site Reliability Workbook (Google, 2018, chapter
 * 5, "multiwindow, multi-burn-rate alerts"): of 99.9 % in 30 days, 2 % in an hour or 5 % in six wake somebody, 10 % in three days wait
 * until morning.
 */
#include <string.h>

#include "observe.h"

#include "arena.h"

enum { MAX_SERIES = 3 };

struct input {
    const char *series, *fires, *rests;
}; /* %s: its labels but the outermost brace; values as promtool writes them */

struct alert {
    enum ecc_seen_kind of;
    const char *name, *expr, *after, *severity, *summary; /* severity: page wakes somebody, ticket waits until morning */
    const char *at;                                       /* when the test looks */
    struct input inputs[MAX_SERIES];
};

#define GONE "ServiceGone"
#define GONE_SUMMARY "no process of %s answers"
#define ERRORS(window) "job_route:ec_gateway_errors:ratio_rate" window
#define BURN(long, short, rate) ERRORS(long) " > " rate " and " ERRORS(short) " > " rate

static const struct alert alerts[] = {
    {ECC_SEEN_PROCESS,
     "ProcessDown",
     "up == 0 and on (job) last_over_time(ec_ready[1d])", /* a Prometheus may watch others, too */
     "1m",
     "page",
     "a process of {{ $labels.job }} does not answer",
     "10m",
     {{"up{%s,instance=\"a\"}", "0x60", "1x60"},
      {"ec_ready{%s,instance=\"a\"}", "1 stale", "1x60"},
      {"up{job=\"another\",instance=\"b\"}", "0x60", "0x60"}}},
    {ECC_SEEN_PROCESS,
     "NotReady",
     "min by (job) (ec_ready) == 0",
     "2m",
     "page",
     "a process of {{ $labels.job }} can't work: /readyz says why",
     "10m",
     {{"ec_ready{%s}", "0x60", "1x60"}}},
    {ECC_SEEN_BREAKER,
     "BreakerOpen",
     "max by (job, edge) (ec_breaker_state) > 0",
     "1m",
     "ticket",
     "{{ $labels.edge }} fails so often that it is not called",
     "10m",
     {{"ec_breaker_state{%s}", "2x60", "0x60"}}},
    {ECC_SEEN_SAGA,
     "SagaStuck",
     "sum by (job, saga) (ec_saga_stuck) > 0",
     "1m",
     "page",
     "{{ $labels.saga }} of {{ $labels.job }} can't go on: its present call keeps failing",
     "10m",
     {{"ec_saga_stuck{%s}", "1x60", "0x60"}}},
    {ECC_SEEN_SAGA_OWNER,
     "SagaUnknown",
     "max by (job) (ec_saga_unknown) > 0",
     "5m",
     "page",
     "sagas of {{ $labels.job }} wait for a binary that has their version",
     "10m",
     {{"ec_saga_unknown{%s}", "1x60", "0x60"}}},
    {ECC_SEEN_PUBLISHER,
     "OutboxLag",
     "max by (job) (ec_outbox_lag_seconds) > 30",
     "1m",
     "page",
     "events of {{ $labels.job }} do not reach the bus",
     "10m",
     {{"ec_outbox_lag_seconds{%s}", "60x60", "10x60"}}},
    {ECC_SEEN_PUBLISHER,
     "OutboxAlone",
     "max by (job) (ec_outbox_leader) == 0",
     "1m",
     "page",
     "no process of {{ $labels.job }} hands its events to the bus",
     "10m",
     {{"ec_outbox_leader{%s}", "0x60", "1x60"}}},
    {ECC_SEEN_GROUP,
     "ConsumerLag",
     "max by (job, group) (ec_consumer_lag_seconds) > 60",
     "2m",
     "page",
     "{{ $labels.group }} is behind: its oldest message waits for over a minute",
     "10m",
     {{"ec_consumer_lag_seconds{%s}", "120x60", "5x60"}}},
    {ECC_SEEN_GROUP,
     "ConsumerAlone",
     "sum by (job, group) (ec_consumer_partitions) == 0",
     "2m",
     "page",
     "no process takes the messages of {{ $labels.group }}",
     "10m",
     {{"ec_consumer_partitions{%s}", "0x60", "4x60"}}},
    {ECC_SEEN_GROUP,
     "DeadLetter",
     "sum by (job, group) (increase(ec_consumer_events_total{outcome=\"dead-letter\"}[15m])) > 0",
     NULL,
     "ticket",
     "{{ $labels.group }} could not handle a message: look at its dead letters",
     "10m",
     {{"ec_consumer_events_total{%s,outcome=\"dead-letter\"}", "0x20 1x40", "0x60"},
      {"ec_consumer_events_total{%s,outcome=\"done\"}", "0+1x60", "0+1x60"}}},
    {ECC_SEEN_GROUP,
     "DeadLetterWaits",
     "sum by (job, group) (ec_dead_letters_waiting) > 0",
     "1m",
     "page",
     "partitions of {{ $labels.group }} stand still: the bus does not take their dead letter",
     "10m",
     {{"ec_dead_letters_waiting{%s}", "1x60", "0x60"}}},
    {ECC_SEEN_DATABASE,
     "PoolExhausted",
     "sum by (job) (increase(ec_pg_pool_refused_total[5m])) > 0",
     NULL,
     "ticket",
     "{{ $labels.job }} has refused work: no connection to its database was free",
     "10m",
     {{"ec_pg_pool_refused_total{%s}", "0x25 1+1x35", "7x60"}}},
    {ECC_SEEN_REDIS,
     "RedisDown",
     "min by (job) (ec_redis_up) == 0",
     "1m",
     "page",
     "{{ $labels.job }} has no connection to Redis",
     "10m",
     {{"ec_redis_up{%s}", "0x60", "1x60"}}},
    {ECC_SEEN_REDIS,
     "CacheStale",
     "sum by (job) (increase(ec_cache_lost_drops_total[15m])) > 0",
     NULL,
     "ticket",
     "{{ $labels.job }} could not drop values from a cache: they stay until their time is over",
     "10m",
     {{"ec_cache_lost_drops_total{%s}", "0x20 3x40", "3x60"}}},
    {ECC_SEEN_ROUTE,
     "ErrorBudgetBurnsFast",
     BURN("1h", "5m", "14.4 * 0.001") " or " BURN("6h", "30m", "6 * 0.001"),
     NULL,
     "page",
     "{{ $labels.route }} spends its error budget of 30 days within a week",
     "90m",
     {{"ec_gateway_requests_total{%s,status=\"5xx\"}", "0+2x150", "0+1x150"},
      {"ec_gateway_requests_total{%s,status=\"2xx\"}", "0+98x150", "0+249x150"}}},
    {ECC_SEEN_ROUTE,
     "ErrorBudgetBurnsSlowly",
     BURN("1d", "2h", "3 * 0.001") " or " BURN("3d", "6h", "0.001"),
     NULL,
     "ticket",
     "{{ $labels.route }} spends its error budget before its 30 days are over",
     "2h",
     {{"ec_gateway_requests_total{%s,status=\"5xx\"}", "0+1x150", "0+1x150"},
      {"ec_gateway_requests_total{%s,status=\"2xx\"}", "0+249x150", "0+9999x150"}}},
};

/* ------------------------------------------------------------------ the rules */

static void recording_rules(struct ecc_yaml *rules)
{
    static const char *const windows[] = {"5m", "30m", "1h", "2h", "6h", "1d", "3d"};

    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        struct ecc_yaml *rule = ecc_yaml_add_map(rules);

        ecc_yaml_put_text(rule, "record", ecc_arena_printf(rules->arena, ERRORS("%s"), windows[i]));
        ecc_yaml_put_text(rule, "expr",
                          ecc_arena_printf(rules->arena,
                                           "sum by (job, route) (rate(ec_gateway_requests_total{status=\"5xx\"}[%s])) / "
                                           "sum by (job, route) (rate(ec_gateway_requests_total[%s]))",
                                           windows[i], windows[i]));
    }
}

static struct ecc_yaml *group(struct ecc_yaml *groups, const char *name)
{
    struct ecc_yaml *to = ecc_yaml_add_map(groups);

    ecc_yaml_put_text(to, "name", name);
    return ecc_yaml_put_list(to, "rules");
}

static struct ecc_yaml *alert_rule(struct ecc_yaml *rules, const char *name, const char *expr, const char *after, const char *severity,
                                   const char *summary)
{
    struct ecc_yaml *rule = ecc_yaml_add_map(rules);

    ecc_yaml_put_text(rule, "alert", name);
    ecc_yaml_put_text(rule, "expr", expr);
    if (after)
        ecc_yaml_put_text(rule, "for", after);
    ecc_yaml_put_text(ecc_yaml_put_map(rule, "labels"), "severity", severity);
    ecc_yaml_put_text(ecc_yaml_put_map(rule, "annotations"), "summary", summary);
    return rule;
}

/* ------------------------------------------------------------------ their tests */

/* The summary as Prometheus tells it of this one. */
static const char *told(struct ecc_arena *arena, const char *summary, const struct ecc_seen *seen)
{
    const char *out = "";

    for (const char *at = summary; *at;) {
        const char *open = strstr(at, "{{ $labels."), *end = open ? strstr(open, " }}") : NULL;
        size_t n = open ? (size_t)(open - at) : strlen(at);

        out = ecc_arena_printf(arena, "%s%.*s", out, (int)n, at);
        if (!open || !end)
            break;
        open += strlen("{{ $labels.");
        out = ecc_arena_printf(arena, "%s%s", out, strncmp(open, "job", 3) == 0 ? seen->job : seen->value);
        at = end + 3;
    }
    return out;
}

static void add_input(struct ecc_yaml *inputs, const char *series, const char *values)
{
    struct ecc_yaml *input = ecc_yaml_add_map(inputs);

    ecc_yaml_put_text(input, "series", series);
    ecc_yaml_put_text(input, "values", values);
}

static struct ecc_yaml *one_test(struct ecc_yaml *tests, const struct alert *alert, const struct ecc_seen *seen, bool fires)
{
    struct ecc_arena *arena = tests->arena;
    struct ecc_yaml *test = ecc_yaml_add_map(tests), *inputs, *rule, *expected, *labels;
    bool long_run = alert->of == ECC_SEEN_ROUTE;

    ecc_yaml_put_text(test, "name", ecc_arena_printf(arena, "%s %s", alert->name, fires ? "fires" : "rests"));
    ecc_yaml_put_text(test, "interval", long_run ? "1m" : "15s");
    inputs = ecc_yaml_put_list(test, "input_series");
    for (size_t i = 0; i < MAX_SERIES && alert->inputs[i].series; i++) {
        const struct input *input = &alert->inputs[i];
        const char *place = strstr(input->series, "%s");

        add_input(inputs,
                  !place ? input->series /* of another system */
                         : ecc_arena_printf(arena, "%.*s%s%s", (int)(place - input->series), input->series, ecc_seen_labels(arena, seen), place + 2),
                  fires ? input->fires : input->rests);
    }
    rule = ecc_yaml_add_map(ecc_yaml_put_list(test, "alert_rule_test"));
    ecc_yaml_put_text(rule, "eval_time", alert->at);
    ecc_yaml_put_text(rule, "alertname", alert->name);
    expected = ecc_yaml_put_list(rule, "exp_alerts");
    if (!fires)
        return test;
    expected = ecc_yaml_add_map(expected);
    labels = ecc_yaml_put_map(expected, "exp_labels");
    ecc_yaml_put_text(labels, "severity", alert->severity);
    ecc_yaml_put_text(labels, "job", seen->job);
    if (seen->label)
        ecc_yaml_put_text(labels, seen->label, seen->value);
    if (strncmp(alert->expr, "up", 2) == 0)
        ecc_yaml_put_text(labels, "instance", "a");
    ecc_yaml_put_text(ecc_yaml_put_map(expected, "exp_annotations"), "summary", told(arena, alert->summary, seen));
    return test;
}

/* Of a process that is gone nothing tells but the name of its job: a rule each. */
static void gone_rules(const struct ecc_seen_list *seen, struct ecc_yaml *rules)
{
    for (size_t i = 0; i < seen->n; i++)
        if (seen->items[i].kind == ECC_SEEN_PROCESS) {
            const char *job = seen->items[i].job, *expr = ecc_arena_printf(rules->arena, "absent(up{job=\"%s\"} == 1)", job);
            const char *summary = ecc_arena_printf(rules->arena, GONE_SUMMARY, job);

            ecc_yaml_put_text(ecc_yaml_get(alert_rule(rules, GONE, expr, "1m", "page", summary), "labels"), "job", job);
        }
}

/* All but the first answer; or all. */
static void gone_test(const struct ecc_seen_list *seen, struct ecc_yaml *tests, bool fires)
{
    const struct ecc_seen *first = ecc_seen_first(seen, ECC_SEEN_PROCESS);
    const struct alert alert = {ECC_SEEN_PROCESS,
                                GONE,
                                "",
                                "1m",
                                "page",
                                ecc_arena_printf(tests->arena, GONE_SUMMARY, first->job),
                                "10m",
                                {{"up{%s,instance=\"a\"}", "0x60", "1x60"}}};
    struct ecc_yaml *test = one_test(tests, &alert, first, fires), *inputs = ecc_yaml_get(test, "input_series");

    for (size_t i = 0; i < seen->n; i++)
        if (seen->items[i].kind == ECC_SEEN_PROCESS && &seen->items[i] != first)
            add_input(inputs, ecc_arena_printf(tests->arena, "up{%s,instance=\"a\"}", ecc_seen_labels(tests->arena, &seen->items[i])),
                      "1x60");
}

void ecc_observe_alerts(const struct ecc_seen_list *seen, struct ecc_yaml *document, struct ecc_yaml *test_document)
{
    struct ecc_yaml *groups = ecc_yaml_put_list(document, "groups"), *rules, *tests;

    ecc_yaml_add_text(ecc_yaml_put_list(test_document, "rule_files"), "alerts.yml");
    ecc_yaml_put_text(test_document, "evaluation_interval", "1m");
    tests = ecc_yaml_put_list(test_document, "tests");
    if (ecc_seen_first(seen, ECC_SEEN_ROUTE))
        recording_rules(group(groups, "budgets"));
    rules = group(groups, "alerts");
    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++) {
        const struct ecc_seen *first = ecc_seen_first(seen, alerts[i].of);

        if (!first)
            continue;
        alert_rule(rules, alerts[i].name, alerts[i].expr, alerts[i].after, alerts[i].severity, alerts[i].summary);
        one_test(tests, &alerts[i], first, true);
        one_test(tests, &alerts[i], first, false);
    }
    gone_rules(seen, group(groups, "processes"));
    gone_test(seen, tests, true);
    gone_test(seen, tests, false);
}
