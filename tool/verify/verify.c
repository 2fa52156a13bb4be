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

enum { STEP_MS = 100, SAME_QUIET_MS = 800, DIFFERENT_QUIET_MS = 8000, MOST_MS = 40000, UNDER_WAY_MS = 60000 };

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

/* What is waited for: hops that both have, and differences. What is only tried again is neither. */
static void look(struct ecc_verify *v, struct ecc_verified *out, size_t *seen)
{
    struct ecc_derived *recorded = ecc_verify_trace(v, out->scenario, out->trace_id);

    if (!recorded) {
        recorded = ECC_NEW(v->arena, struct ecc_derived);
        recorded->scenario = out->scenario;
    }
    out->recorded = recorded;
    out->differences = (struct ecc_differences){0};
    ecc_trace_compare(v->arena, out->derived, recorded, &out->differences);
    *seen = out->differences.matched * 1000 + out->differences.n;
}

static void wait_for_trace(struct ecc_verify *v, struct ecc_verified *out)
{
    uint64_t began = now_ms(), quiet_since = began;
    size_t seen = 0, last = (size_t)-1;

    while (!ecc_verify_interrupted) {
        look(v, out, &seen);
        uint64_t now = now_ms();
        if (seen != last)
            quiet_since = now;
        last = seen;
        uint64_t quiet = now - quiet_since;
        if (quiet >= (out->differences.n ? DIFFERENT_QUIET_MS : SAME_QUIET_MS) || now - began > MOST_MS)
            break;
        usleep(STEP_MS * 1000);
    }
}

/* What was held up by a fault goes on after it; the next scenario is to find nothing of it. */
static void wait_until_calm(struct ecc_verify *v)
{
    for (uint64_t began = now_ms(); !ecc_verify_interrupted && now_ms() - began < UNDER_WAY_MS && ecc_audit_under_way(v->up);)
        usleep(STEP_MS * 1000);
}

static int play(struct ecc_verify *v, struct ecc_verified *out)
{
    const struct ecc_scenario *scenario = out->scenario;
    struct ecc_play play = {0};
    int code, mended;

    if ((code = ecc_verify_consumers(v, out->derived)) || (code = ecc_verify_breakers(v, scenario, out->derived)) ||
        (code = ecc_verify_caches(v, out->derived)))
        return code;
    code = ecc_play_open(v, scenario, &play);
    if (!code)
        code = ecc_verify_assume(v, scenario, out->derived);
    if (!code)
        code = ecc_play_when(&play, scenario->when->times, true);
    memcpy(out->trace_id, play.trace_id, sizeof out->trace_id);
    if (!code)
        wait_for_trace(v, out);
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
