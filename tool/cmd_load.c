/* ecomc load SCENARIO --rate N [--for 30s | --count N] [--mix SCENARIO=PERCENT]... [--identities N] [--strict]
 * [--within SECONDS] [FILE]: plays the request of a scenario against what `up` runs, N times a second whatever the answers do, tells what
 * came of it, and checks that everything adds up after it.
 *
 * Exit 0 when the invariants hold, also with errors in between (they may be deserved: something may have been broken on purpose),
 * unless --strict.
 */
#include "audit/audit.h"
#include "load/load.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RATE = 1000000, DEFAULT_MS = 10000 };
#define MAX_MS (24L * 3600 * 1000)

/* A number with ms, s, m or h. */
static bool duration(const char *text, long *ms)
{
    static const struct { const char *unit; long ms; } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    size_t digits = strspn(text, "0123456789");
    char number[12];

    if (!digits || digits >= sizeof number)
        return false;
    memcpy(number, text, digits);
    number[digits] = '\0';
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (!strcmp(text + digits, units[i].unit) && ecc_cli_int(number, 1, MAX_MS / units[i].ms, ms)) {
            *ms *= units[i].ms;
            return true;
        }
    return false;
}

/* The scenarios with their percentages; what --mix leaves is the first one's. */
static int choose(struct ecc_load *load, const char *first, const struct ecc_cli_values *mix)
{
    long percents[sizeof mix->items / sizeof mix->items[0]], rest = 100;
    const char *names[sizeof mix->items / sizeof mix->items[0]];
    int code;

    for (size_t i = 0; i < mix->n; i++) {
        const char *equals = strchr(mix->items[i], '=');
        if (!equals || equals == mix->items[i] || !ecc_cli_int(equals + 1, 1, 99, &percents[i]))
            return ecc_say_error(ECC_EXIT_USAGE, "--mix is SCENARIO=PERCENT, from 1 to 99, not '%s'", mix->items[i]);
        names[i] = ecc_arena_strndup(&load->cli->arena, mix->items[i], (size_t)(equals - mix->items[i]));
        rest -= percents[i];
    }
    if (rest < 1)
        return ecc_say_error(ECC_EXIT_USAGE, "--mix gives away %ld percent; at least one must be left for %s", 100 - rest, first);
    code = ecc_load_choose(load, first, (int)rest);
    for (size_t i = 0; !code && i < mix->n; i++)
        code = ecc_load_choose(load, names[i], (int)percents[i]);
    return code;
}

static int arguments(struct ecc_load *load, struct ecc_cli_values *mix, bool *strict, int *within_ms)
{
    struct ecc_cli *cli = load->cli;
    const char *rate = NULL, *lasts = NULL, *count = NULL, *identities = NULL, *within = NULL;
    const struct ecc_option options[] = {{"--rate", &rate},  {"--for", &lasts}, {"--count", &count}, {"--identities", &identities},
                                         {"--strict", NULL, strict}, {"--within", &within}, {"--mix", NULL, NULL, mix}};
    long ms = DEFAULT_MS, n;
    int code = ecc_cli_options(cli, options, sizeof options / sizeof options[0], 2);

    if (code)
        return code;
    if (!cli->nargs || !rate)
        return ecc_say_error(ECC_EXIT_USAGE, "load needs a scenario and a rate: ecomc load SCENARIO --rate N [--for 30s | --count N]");
    if (cli->format != ECC_FORMAT_TEXT && cli->format != ECC_FORMAT_JSON)
        return ecc_say_error(ECC_EXIT_USAGE, "load has the formats text and json");
    if (!ecc_cli_int(rate, 1, MAX_RATE, &load->rate))
        return ecc_say_error(ECC_EXIT_USAGE, "--rate is a number of requests a second from 1 to %d, not '%s'", MAX_RATE, rate);
    if (lasts && count)
        return ecc_say_error(ECC_EXIT_USAGE, "either --for or --count says how long, not both");
    if (lasts && !duration(lasts, &ms))
        return ecc_say_error(ECC_EXIT_USAGE, "--for is a time such as 500ms, 30s, 5m or 1h, at most a day, not '%s'", lasts);
    if (count && !ecc_cli_int(count, 1, 1000000000, &n))
        return ecc_say_error(ECC_EXIT_USAGE, "--count is a number of requests from 1 to 1000000000, not '%s'", count);
    if (identities && !ecc_cli_int(identities, 1, ECC_LOAD_IDENTITIES, &load->identities))
        return ecc_say_error(ECC_EXIT_USAGE, "--identities is a number from 1 to %d, not '%s'", ECC_LOAD_IDENTITIES, identities);
    if ((code = ecc_audit_within(within, within_ms)))
        return code;
    load->total = count ? (uint64_t)n : ((uint64_t)load->rate * (uint64_t)ms + 999) / 1000;
    return 0;
}

/* The load between the two halves of the audit. *done: there is something to report. */
static int play(struct ecc_load *load, struct ecc_up *up, int within_ms, bool *done, struct ecc_audit_checks *checks)
{
    int code = ecc_audit_begin(up);

    if (!code)
        code = ecc_load_open(load);
    if (!code)
        code = ecc_load_setup(load);
    if (!code)
        code = ecc_load_run(load);
    ecc_load_close(load);
    if (code) {
        ecc_audit_forget(up);
        return code;
    }
    *done = true;
    if (load->cli->format == ECC_FORMAT_TEXT)
        ecc_load_report(load);
    fflush(stdout);
    return ecc_audit_end(up, within_ms, checks);
}

static void print_json(const struct ecc_load *load, int code, const struct ecc_audit_checks *checks)
{
    json_t *report = ecc_load_report_json(load);

    json_object_set_new(report, "violations", code ? json_null() : json_integer(ecc_audit_violations(checks)));
    json_object_set_new(report, "invariants", ecc_audit_json(checks));
    json_dumpf(report, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(report);
}

int ecc_cmd_load(struct ecc_cli *cli)
{
    struct ecc_load *load = ECC_NEW(&cli->arena, struct ecc_load);
    struct ecc_up up = {.replicas = 1};
    struct ecc_cli_values mix = {.n = 0};
    struct ecc_topology topology;
    bool strict = false, done = false;
    struct ecc_audit_checks checks = {0};
    int within_ms, code;

    load->cli = cli;
    if ((code = arguments(load, &mix, &strict, &within_ms)))
        return code;
    const char *file = cli->nargs > 1 ? cli->args[1] : "topology.ecom";
    if ((code = ecc_topology_load(cli, file, &topology)))
        return code;
    if (!topology.model)
        return ecc_topology_report(cli, &topology);
    load->model = topology.model;
    if ((code = choose(load, cli->args[0], &mix)))
        return code;
    json_t *state;
    if ((code = ecc_audit_attach(cli, &up, &topology, &state)))
        return code;
    load->secrets = ecc_up_path(&up, "secrets");
    code = ecc_load_plan(load, state);
    json_decref(state);
    if (!code)
        code = play(load, &up, within_ms, &done, &checks);
    if (done && cli->format == ECC_FORMAT_JSON)
        print_json(load, code, &checks);
    else if (done && !code)
        ecc_audit_print(&checks);
    if (code)
        return code;
    bool errors = ecc_load_count(load, ECC_LOAD_ERROR) || load->dropped;
    return ecc_audit_violations(&checks) || (strict && errors) ? ECC_EXIT_FAILED : ECC_EXIT_OK;
}
