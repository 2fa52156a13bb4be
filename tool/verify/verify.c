/* One scenario: before, play, wait, compare, after.
 *
 * A trace is whole when it is as derived and nothing has come for a while; until then it is waited for, longer where something is missing,
 * for it may still be on its way. What a saga that waits for a broken peer tries again and again makes no difference and holds nothing up.
 */
#include "verify.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../audit/audit.h"

enum { STEP_MS = 100, MOST_MS = 40000, UNDER_WAY_MS = 60000 };

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static size_t count(const struct ecc_hops *hops)
{
    size_t n = hops->n;

    for (size_t i = 0; i < hops->n; i++)
        n += count(&hops->items[i]->hops);
    return n;
}

struct quiet {
    uint64_t same_ms, different_ms;
}; /* how long nothing may come before a trace is taken to be whole */

/* What is waited for: hops that both have, and differences. What is only tried again is neither. */
static void look(struct ecc_verify *v, struct ecc_verified *out, uint64_t *verdict_us, size_t *seen)
{
    struct ecc_derived *recorded = ecc_verify_trace(v, out->scenario, out->trace_id);

    if (!recorded) {
        recorded = ECC_NEW(v->arena, struct ecc_derived);
        recorded->scenario = out->scenario;
    }
    out->recorded = recorded;
    out->differences = (struct ecc_differences){0};
    ecc_trace_compare(v->arena, out->derived, recorded, verdict_us, &out->differences);
    *seen = out->differences.matched * 1000 + out->differences.n;
}

/* verdict_us: as ecc_trace_compare has it. */
static void wait_for_trace(struct ecc_verify *v, struct ecc_verified *out, uint64_t *verdict_us, struct quiet wanted)
{
    uint64_t began = now_ms(), quiet_since = began, before_us = *verdict_us;
    size_t seen = 0, last = (size_t)-1;

    while (!ecc_verify_interrupted) {
        *verdict_us = before_us;
        look(v, out, verdict_us, &seen);
        uint64_t now = now_ms();
        if (seen != last)
            quiet_since = now;
        last = seen;
        uint64_t quiet = now - quiet_since;
        if (quiet >= (out->differences.n ? wanted.different_ms : wanted.same_ms) || now - began > MOST_MS)
            break;
        usleep(STEP_MS * 1000);
    }
}

/* Is something broken by somebody else, who will mend it when he likes? */
static bool stays_broken(struct ecc_verify *v)
{
    json_t *list = ecc_faults_read(v->up->home), *fault;
    bool stays = false;
    size_t i;

    json_array_foreach(list, i, fault)
    {
        const char *by = json_string_value(json_object_get(fault, "by"));
        stays = stays || !by || strcmp(by, "verify") != 0;
    }
    json_decref(list);
    return stays;
}

/* What was held up by a fault goes on after it; the next scenario is to find nothing of it. What a fault that stays holds up is not waited for. */
static void wait_until_calm(struct ecc_verify *v)
{
    if (stays_broken(v))
        return;
    for (uint64_t began = now_ms(); !ecc_verify_interrupted && now_ms() - began < UNDER_WAY_MS && ecc_audit_under_way(v->up);)
        usleep(STEP_MS * 1000);
}

/* ------------------------------------------------------------------ what is given */

/* Each `given` has a trace of its own, by which is seen when all that it causes has happened. */
struct giving {
    struct ecc_verify *v;
    const struct ecc_scenario *scenario;
    const struct ecc_derived *derived;
    uint64_t verdict_us; /* as ecc_trace_compare has it */
    char trace_id[33];
};

static int before_given(void *data, size_t given, const char **traceparent)
{
    struct giving *g = data;
    char span[17];

    ecc_play_hex(g->trace_id, 16);
    ecc_play_hex(span, 8);
    *traceparent = ecc_arena_printf(g->v->arena, "traceparent: 00-%s-%s-01\r\n", g->trace_id, span);
    return ecc_verify_assume(g->v, g->scenario, given);
}

static int after_given(void *data, size_t given)
{
    static const struct quiet quiet = {.same_ms = 200, .different_ms = 3000};
    struct giving *g = data;
    const struct ecc_derived_given *its = &g->derived->given[given];
    struct ecc_derived wanted = {.scenario = g->scenario, .hops = its->hops};
    struct ecc_verified seen = {.scenario = g->scenario, .derived = &wanted};

    memcpy(seen.trace_id, g->trace_id, sizeof seen.trace_id);
    wait_for_trace(g->v, &seen, &g->verdict_us, quiet);
    if (!its->held)
        wait_until_calm(g->v);
    return ecc_verify_interrupted ? ECC_EXIT_FAILED : 0;
}

/* ------------------------------------------------------------------ the play */

static int play(struct ecc_verify *v, struct ecc_verified *out)
{
    static const struct quiet quiet = {.same_ms = 800, .different_ms = 8000};
    const struct ecc_scenario *scenario = out->scenario;
    struct giving giving = {.v = v, .scenario = scenario, .derived = out->derived};
    const struct ecc_load_watch watch = {&giving, before_given, after_given};
    struct ecc_play play = {0};
    int code, mended;

    if ((code = ecc_verify_consumers(v, out->derived)) || (code = ecc_verify_breakers(v, scenario)) ||
        (code = ecc_verify_caches(v, out->derived)) || (code = ecc_verify_alone(v, out->derived)))
        return code;
    code = ecc_play_open(v, scenario, &watch, &play);
    if (!code)
        code = ecc_verify_breakers(v, scenario); /* the story begins here, whatever what is given has met */
    if (!code)
        code = ecc_verify_assume(v, scenario, scenario->ngiven);
    if (!code)
        code = ecc_play_when(&play, scenario->when->times, true);
    memcpy(out->trace_id, play.trace_id, sizeof out->trace_id);
    if (!code)
        wait_for_trace(v, out, &giving.verdict_us, quiet);
    if (!code && play.answer && !v->assumed) {
        const struct ecc_difference wrong = {
            .kind = ECC_DIFFERENCE_CHANGED,
            .text = ecc_arena_printf(v->arena, "the last answer is %s, which is not what the scenario expects", play.answer)};
        ECC_PUSH(v->arena, &out->differences, wrong);
    }
    ecc_play_close(&play);
    mended = ecc_fault_mend(v->up, "verify", NULL);
    if (code || mended)
        return code ? code : mended;
    wait_until_calm(v);
    return 0;
}

int ecc_verify_scenario(struct ecc_verify *v, const struct ecc_scenario *scenario, struct ecc_verified *out)
{
    uint64_t began = now_ms();
    int code;

    *out = (struct ecc_verified){.scenario = scenario, .verdict = ECC_VERIFY_SKIPPED, .derived = ecc_derive(v->arena, v->model, scenario)};
    if (out->derived->cut)
        out->why = "its events cause each other without end";
    else
        out->why = ecc_verify_refusal(v, scenario);
    if (out->why)
        return 0;
    if ((code = play(v, out)) || ecc_verify_interrupted)
        return code ? code : ECC_EXIT_FAILED;
    out->verdict = out->differences.n ? ECC_VERIFY_DIFFERENT : ECC_VERIFY_SAME;
    out->seconds = (double)(now_ms() - began) / 1000;
    return count(&out->recorded->hops) || out->differences.n ? 0 : ECC_EXIT_FAILED;
}
