/* Recorded traces against derived ones. Each scenario of two topologies is acted out: every hop becomes the spans that its processes would
 * tell, once as derived and then with each single hop left out, asked twice, ended otherwise or moved, and what is told must be that one
 * thing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "cnames.h"
#include "diag.h"
#include "resolve.h"
#include "source.h"
#include "traces.h"

static const char trace_id[] = "0123456789abcdef0123456789abcdef";
static struct ecc_arena arena;
static struct ecc_traces *traces;
static unsigned spans;
static uint64_t clock_us;

/* What is acted otherwise than derived. */
static struct {
    const struct ecc_hop *left_out, *doubled, *otherwise, *swapped; /* swapped: comes after its next sibling */
    int loops;                                                      /* how often those of a loop come */
    bool without_maybe;
    bool at_hand; /* tokens of the limit */
    uint64_t pause_us; /* between requests */
} act;

static bool leased; /* the gateway's limit gets a lease */

static void put_lease(char *text, size_t *n)
{
    static const char lease[] = " lease 20";
    char *at;

    text[*n] = '\0';
    at = strstr(text, "burst 200");
    assert_non_null(at);
    at += strlen("burst 200");
    memmove(at + sizeof lease - 1, at, strlen(at) + 1);
    memcpy(at, lease, sizeof lease - 1);
    *n += sizeof lease - 1;
}

static const struct ecc_model *compile(const char *path)
{
    static struct ecc_source source;
    struct ecc_diags diags = {.arena = &arena};
    FILE *file = fopen(path, "re");
    char *text = ecc_arena_alloc(&arena, 1 << 20);
    size_t at, n;

    assert_non_null(file);
    n = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    if (leased)
        put_lease(text, &n);
    assert_int_equal(ecc_source_init(&source, &arena, path, text, n, &at), ECC_SOURCE_OK);
    const struct ecc_model *model = ecc_compile(&arena, &source, &diags);
    assert_non_null(model);
    return model;
}

/* ------------------------------------------------------------------ acting */

static void span_of(const struct ecc_hop *hop, const char *id, const char *parent, uint64_t start, uint64_t end, const char *label)
{
    bool request = hop->kind == ECC_HOP_REQUEST;
    struct ecc_otlp_span span = {.service = request ? hop->to->name : hop->from->name,
                                 .name = label,
                                 .hop = ecc_hop_kind_name(hop->kind),
                                 .outcome = ecc_hop_outcome_name(hop->outcome),
                                 .error = hop->error ? ecc_kebab(&arena, hop->error->name) : NULL,
                                 .status = hop->status,
                                 .start_us = start,
                                 .end_us = end};

    if (!request)
        span.edge = ecc_arena_printf(&arena, "%s -> %s", hop->from->name, ecc_hop_to(&arena, hop));
    if (hop == act.otherwise) {
        span.outcome = hop->outcome == ECC_HOP_IS_FAILED ? "ok" : "failed";
        span.error = NULL;
    }
    strcpy(span.trace_id, trace_id);
    strcpy(span.id, id);
    strcpy(span.parent, parent);
    ecc_traces_add(traces, &span);
}

static const char *new_id(void)
{
    return ecc_arena_printf(&arena, "%016x", ++spans);
}

static void act_all(const struct ecc_hops *hops, const char *parent);

static void act_one(const struct ecc_hop *hop, const char *parent, const char *label)
{
    const char *id = new_id(), *inside = new_id();
    uint64_t start = ++clock_us;

    act_all(&hop->hops, inside); /* the receiver's own span stands between */
    struct ecc_otlp_span own = {.service = ecc_hop_to(&arena, hop), .name = "inside", .start_us = start, .end_us = ++clock_us};
    strcpy(own.trace_id, trace_id);
    strcpy(own.id, inside);
    strcpy(own.parent, id);
    ecc_traces_add(traces, &own);
    span_of(hop, id, parent, start, ++clock_us, label);
    if (hop->kind == ECC_HOP_REQUEST)
        clock_us += act.pause_us;
}

static bool with_limit(const struct ecc_hop *hop)
{
    return hop->kind == ECC_HOP_CACHE && !strncmp(hop->label, "limit, ", 7);
}

static void act_all(const struct ecc_hops *hops, const char *parent)
{
    for (size_t i = 0; i < hops->n; i++) {
        const struct ecc_hop *hop = hops->items[i], *then = NULL;
        int times = hop->many ? act.loops : hop->maybe && act.without_maybe ? 0 : 1;
        if (hop == act.left_out || (hop->kind == ECC_HOP_PUBLISH && hop->outcome == ECC_HOP_IS_REFUSED))
            continue;
        if (hop == act.swapped) {
            then = hop;
            hop = hops->items[++i];
        }
        for (int k = 0; k < times; k++)
            act_one(hop, parent, hop->label + (act.at_hand && with_limit(hop) ? 7 : 0));
        if (then)
            act_one(then, parent, then->label);
        if (hop == act.doubled)
            act_one(hop, parent, "Unasked");
    }
}

static struct ecc_differences played(const struct ecc_model *model, const struct ecc_derived *derived)
{
    struct ecc_differences differences = {0};
    uint64_t verdict_us = 0;

    traces = ecc_traces_new(64 << 20);
    spans = 0;
    clock_us = 1000000;
    act_all(&derived->hops, "ffffffffffffffff");
    struct ecc_derived *recorded = ecc_trace_recorded(&arena, model, derived->scenario, ecc_traces_find(traces, trace_id));
    ecc_trace_compare(&arena, derived, recorded, &verdict_us, &differences);
    ecc_traces_free(traces);
    return differences;
}

static void begin_act(void)
{
    memset(&act, 0, sizeof act);
    act.loops = 1;
}

/* ------------------------------------------------------------------ one thing at a time */

static void expect_one(const struct ecc_differences *differences, enum ecc_difference_kind kind, const struct ecc_hop *hop)
{
    if (differences->n != 1 || differences->items[0].kind != kind) {
        for (size_t i = 0; i < differences->n; i++)
            print_message("%s: %s\n", ecc_difference_name(differences->items[i].kind), differences->items[i].text);
        fail_msg("%zu differences of %s, one that is %s was expected", differences->n, hop->id, ecc_difference_name(kind));
    }
}

static bool certain(const struct ecc_hop *hop)
{
    return !hop->maybe && !hop->many && !(hop->kind == ECC_HOP_PUBLISH && hop->outcome == ECC_HOP_IS_REFUSED);
}

static bool alike(const struct ecc_hop *a, const struct ecc_hop *b)
{
    return a->kind == b->kind && a->from == b->from && a->to == b->to && !strcmp(a->label, b->label);
}

/* Nothing in between may stand for it. */
static bool only_one(const struct ecc_hops *hops, const struct ecc_hop *hop)
{
    for (size_t i = 0; i < hops->n; i++)
        if (hops->items[i] != hop && alike(hops->items[i], hop))
            return false;
    return true;
}

static size_t tried[ECC_DIFFERENCE_CHANGED + 1];

static void vary(const struct ecc_model *model, const struct ecc_derived *derived, const struct ecc_hops *hops)
{
    struct ecc_differences differences;

    for (size_t i = 0; i < hops->n; i++) {
        const struct ecc_hop *hop = hops->items[i], *next = i + 1 < hops->n ? hops->items[i + 1] : NULL;
        vary(model, derived, &hop->hops);
        if (!certain(hop) || !only_one(hops, hop))
            continue;
        begin_act();
        act.left_out = hop;
        if (hop->kind != ECC_HOP_REQUEST) { /* the whole of a request is another matter: it is what was asked */
            differences = played(model, derived);
            expect_one(&differences, ECC_DIFFERENCE_MISSING, hop);
            tried[ECC_DIFFERENCE_MISSING]++;
        }
        begin_act();
        act.doubled = hop;
        differences = played(model, derived);
        expect_one(&differences, ECC_DIFFERENCE_EXTRA, hop);
        tried[ECC_DIFFERENCE_EXTRA]++;
        begin_act();
        act.otherwise = hop;
        differences = played(model, derived);
        expect_one(&differences, ECC_DIFFERENCE_CHANGED, hop);
        assert_ptr_equal(differences.items[0].derived->label, hop->label);
        tried[ECC_DIFFERENCE_CHANGED]++;
        if (!next || !certain(next) || alike(hop, next) || !only_one(hops, next) || hop->kind == ECC_HOP_REQUEST)
            continue;
        begin_act();
        act.swapped = hop;
        differences = played(model, derived);
        if (hop->beside || next->beside || (hop->branch && next->branch && hop->branch != next->branch)) {
            assert_int_equal(differences.n, 0);
            continue;
        }
        expect_one(&differences, ECC_DIFFERENCE_REORDERED, hop);
        tried[ECC_DIFFERENCE_REORDERED]++;
    }
}

static void each_scenario(const char *path)
{
    const struct ecc_model *model;

    ecc_arena_init(&arena);
    model = compile(path);
    assert_true(model->nscenarios > 0);
    memset(tried, 0, sizeof tried);
    for (size_t i = 0; i < model->nscenarios; i++) {
        const struct ecc_derived *derived = ecc_derive(&arena, model, model->scenarios[i]);
        if (derived->cut)
            continue;
        for (int variant = 0; variant < 4; variant++) { /* what depends on time or on rows makes no difference */
            begin_act();
            act.loops = variant;
            act.without_maybe = variant % 2;
            act.at_hand = leased && variant % 2;
            struct ecc_differences differences = played(model, derived);
            for (size_t k = 0; k < differences.n; k++)
                print_message("%s: %s\n", ecc_difference_name(differences.items[k].kind), differences.items[k].text);
            assert_int_equal(differences.n, 0);
            assert_true(differences.matched > 0);
        }
        vary(model, derived, &derived->hops);
    }
    assert_true(tried[ECC_DIFFERENCE_MISSING] > 20 && tried[ECC_DIFFERENCE_EXTRA] > 20);
    assert_true(tried[ECC_DIFFERENCE_CHANGED] > 20 && tried[ECC_DIFFERENCE_REORDERED] > 10);
    ecc_arena_free(&arena);
}

static void shop(void **state)
{
    (void)state;
    each_scenario(SOURCE_ROOT "/topology.ecom");
}

/* Whether the gateway has tokens at hand makes no difference. */
static void leased_shop(void **state)
{
    (void)state;
    leased = true;
    each_scenario(SOURCE_ROOT "/topology.ecom");
    leased = false;
}

/* ... but without a lease it can't have any. */
static void limit_unasked(void **state)
{
    size_t n = 0;

    (void)state;
    ecc_arena_init(&arena);
    const struct ecc_model *model = compile(SOURCE_ROOT "/topology.ecom");
    for (size_t i = 0; i < model->nscenarios; i++) {
        const struct ecc_derived *derived = ecc_derive(&arena, model, model->scenarios[i]);
        size_t with = 0;
        for (size_t k = 0; k < derived->hops.n; k++)
            for (size_t m = 0; m < derived->hops.items[k]->hops.n; m++)
                with += with_limit(derived->hops.items[k]->hops.items[m]);
        begin_act();
        act.at_hand = true;
        struct ecc_differences differences = played(model, derived);
        assert_int_equal(differences.n, 2 * with);
        n += with;
    }
    assert_true(n > 2);
    ecc_arena_free(&arena);
}

static void rides(void **state)
{
    (void)state;
    each_scenario(SOURCE_ROOT "/tests/scenarios/rides.ecom");
}

/* ------------------------------------------------------------------ allowances */

static const struct ecc_derived *derived_of(const struct ecc_model *model, const char *name)
{
    for (size_t i = 0; i < model->nscenarios; i++)
        if (!strcmp(model->scenarios[i]->name, name))
            return ecc_derive(&arena, model, model->scenarios[i]);
    fail_msg("no scenario %s", name);
    return NULL;
}

static struct ecc_hop *find(const struct ecc_hops *hops, const char *id)
{
    for (size_t i = 0; i < hops->n; i++) {
        if (!strcmp(hops->items[i]->id, id))
            return hops->items[i];
        struct ecc_hop *below = find(&hops->items[i]->hops, id);
        if (below)
            return below;
    }
    return NULL;
}

/* An undo that timed out is asked again; one that went well is not. */
static void undo_again(void **state)
{
    const struct ecc_model *model;

    (void)state;
    ecc_arena_init(&arena);
    model = compile(SOURCE_ROOT "/topology.ecom");
    const struct ecc_derived *derived = derived_of(model, "circuit-breaker"), *other = derived_of(model, "payment-failure");
    struct ecc_derived again = *derived;
    struct ecc_hop *order = find(&derived->hops, "order-svc.PlaceOrder"), more = *order,
                   undo = *find(&derived->hops, "inventory-svc.Release");
    struct ecc_hop *children[16], request = *derived->hops.items[0], *requests[8], *below[16];

    assert_int_equal(undo.outcome, ECC_HOP_IS_TIMEOUT);
    memcpy(children, order->hops.items, order->hops.n * sizeof *children);
    undo.label = ecc_arena_strdup(&arena, undo.label);
    children[order->hops.n] = &undo;
    more.hops = (struct ecc_hops){children, order->hops.n + 1, 16};
    memcpy(below, request.hops.items, request.hops.n * sizeof *below);
    for (size_t i = 0; i < request.hops.n; i++)
        if (below[i] == order)
            below[i] = &more;
    request.hops.items = below;
    memcpy(requests, derived->hops.items, derived->hops.n * sizeof *requests);
    requests[0] = &request;
    again.hops.items = requests;
    begin_act();
    traces = ecc_traces_new(64 << 20);
    act_all(&again.hops, "ffffffffffffffff");
    struct ecc_differences differences = {0};
    uint64_t verdict_us = 0;
    ecc_trace_compare(&arena, derived, ecc_trace_recorded(&arena, model, derived->scenario, ecc_traces_find(traces, trace_id)), &verdict_us,
                      &differences);
    ecc_traces_free(traces);
    assert_int_equal(differences.n, 0);

    struct ecc_hop *paid = find(&other->hops, "order-svc.PlaceOrder"), *good = find(&other->hops, "inventory-svc.Release");
    struct ecc_hop *twice[16];
    assert_int_equal(good->outcome, ECC_HOP_IS_OK);
    memcpy(twice, paid->hops.items, paid->hops.n * sizeof *twice);
    twice[paid->hops.n] = good;
    struct ecc_derived shorter = *other;
    traces = ecc_traces_new(64 << 20);
    struct ecc_hops saved = paid->hops;
    paid->hops = (struct ecc_hops){twice, saved.n + 1, 16};
    act_all(&shorter.hops, "ffffffffffffffff");
    paid->hops = saved;
    differences = (struct ecc_differences){0};
    verdict_us = 0;
    ecc_trace_compare(&arena, other, ecc_trace_recorded(&arena, model, other->scenario, ecc_traces_find(traces, trace_id)), &verdict_us,
                      &differences);
    ecc_traces_free(traces);
    expect_one(&differences, ECC_DIFFERENCE_EXTRA, good);
    ecc_arena_free(&arena);
}

/* The gateway may ask again who a token is, but not before its answer has run out, which it may have had before this trace. */
static void verdict_again(void **state)
{
    const bool at_hand = leased; /* neither limit nor session is asked for: there is no round trip */
    static const uint64_t pauses[] = {0, 4000000, 5100000}, told[] = {0, 16000000, 14900000};
    const struct ecc_model *model;

    (void)state;
    ecc_arena_init(&arena);
    model = compile(SOURCE_ROOT "/topology.ecom");
    const struct ecc_derived *derived = derived_of(model, "circuit-breaker");
    struct ecc_hop *second = derived->hops.items[1], *children[16];
    struct ecc_hop limit = *second->hops.items[0], *auth = find(&derived->hops, "user-svc.ValidateToken");

    assert_string_equal(limit.label, "limit, get sessions");
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        struct ecc_differences differences = {0};
        struct ecc_hops saved = second->hops;
        uint64_t verdict_us = 0;
        limit.label = "limit";
        children[0] = &limit;
        children[!at_hand] = auth;
        memcpy(children + 1 + !at_hand, saved.items + 1, (saved.n - 1) * sizeof *children);
        second->hops = (struct ecc_hops){children, saved.n + !at_hand, 16};
        begin_act();
        act.pause_us = pauses[i];
        traces = ecc_traces_new(64 << 20);
        act_all(&derived->hops, "ffffffffffffffff");
        second->hops = saved;
        ecc_trace_compare(&arena, derived, ecc_trace_recorded(&arena, model, derived->scenario, ecc_traces_find(traces, trace_id)),
                          &verdict_us, &differences);
        ecc_traces_free(traces);
        assert_int_equal(differences.n, i == 2 ? 0 : at_hand ? 2 : 3); /* another label is one more and one less; and the question */

        struct ecc_derived alone = *derived;
        alone.hops = (struct ecc_hops){&second, 1, 1};
        begin_act();
        clock_us = 20000000;
        traces = ecc_traces_new(64 << 20);
        second->hops = (struct ecc_hops){children, saved.n + !at_hand, 16};
        act_all(&alone.hops, "ffffffffffffffff");
        second->hops = saved;
        differences = (struct ecc_differences){0};
        verdict_us = told[i];
        ecc_trace_compare(&arena, &alone, ecc_trace_recorded(&arena, model, derived->scenario, ecc_traces_find(traces, trace_id)),
                          &verdict_us, &differences);
        ecc_traces_free(traces);
        assert_int_equal(differences.n, i == 2 ? 0 : at_hand ? 2 : 3);
        assert_in_range(verdict_us, 20000000, 20001000);
    }
    ecc_arena_free(&arena);
}

static void verdict_again_at_hand(void **state)
{
    leased = true;
    verdict_again(state);
    leased = false;
}

/* A value that the gateway may have itself: its round trip is without it, or it sends none. */
static void from_memory(void **state)
{
    static const struct { const char *scenario; enum ecc_hop_outcome outcome; size_t differences; } cases[] = {
        {"again", ECC_HOP_IS_OK, 0},
        {"again", ECC_HOP_IS_HIT, 1}, /* a limit alone does not hit */
        {"far", ECC_HOP_IS_OK, 2},    /* its keyspace has no first level: another label is one more and one less */
    };
    struct ecc_differences differences;
    const struct ecc_model *model;

    (void)state;
    ecc_arena_init(&arena);
    model = compile(SOURCE_ROOT "/tests/scenarios/near.ecom");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ecc_derived *derived = derived_of(model, cases[i].scenario);
        struct ecc_hop *request = derived->hops.items[2];
        struct ecc_hop limit = *request->hops.items[0], *children[] = {&limit};
        struct ecc_hops saved = request->hops;

        assert_int_equal(request->hops.n, 1);
        assert_int_equal(limit.outcome, ECC_HOP_IS_HIT);
        limit.label = "limit";
        limit.outcome = cases[i].outcome;
        begin_act();
        traces = ecc_traces_new(64 << 20);
        request->hops = (struct ecc_hops){children, 1, 1};
        act_all(&derived->hops, "ffffffffffffffff");
        request->hops = saved;
        differences = (struct ecc_differences){0};
        ecc_trace_compare(&arena, derived, ecc_trace_recorded(&arena, model, derived->scenario, ecc_traces_find(traces, trace_id)),
                          &(uint64_t){0}, &differences);
        ecc_traces_free(traces);
        assert_int_equal(differences.n, cases[i].differences);
    }
    begin_act();
    act.without_maybe = true;
    differences = played(model, derived_of(model, "nobody"));
    assert_int_equal(differences.n, 0);
    ecc_arena_free(&arena);
}

/* The same where there is no session: the value behind the token, else asked for along with the limit, is asked for behind the question. */
static void value_behind_verdict(void **state)
{
    static const uint64_t told[] = {0, 16000000, 14900000};
    const struct ecc_model *model;

    (void)state;
    ecc_arena_init(&arena);
    model = compile(SOURCE_ROOT "/tests/bench/bench.ecom");
    const struct ecc_derived *derived = derived_of(model, "cached-read");
    struct ecc_hop *last = derived->hops.items[0], limit = *last->hops.items[0], get = limit;
    const struct ecc_stmt *via = last->to->u.gateway.auth->via;
    struct ecc_hop question = {.kind = ECC_HOP_CALL, .id = "question", .from = last->to, .to = via->u.call.edge->to, .edge = via->u.call.edge,
                               .label = via->u.call.op->name, .outcome = ECC_HOP_IS_OK, .status = 200};
    struct ecc_hop *children[] = {&limit, &question, &get};
    struct ecc_hops saved = last->hops;

    assert_int_equal(saved.n, 1);
    assert_string_equal(limit.label, "limit, get items");
    limit.label = "limit";
    limit.outcome = ECC_HOP_IS_OK;
    get.label = "get items";
    for (size_t wrong = 0; wrong < 3; wrong++) /* 1: a limit alone does not hit; 2: nobody has asked for the value */
        for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
            static const size_t expected[][2] = {{4, 0}, {4, 1}, {3, 2}};
            struct ecc_differences differences = {0};
            uint64_t verdict_us = told[i];
            limit.outcome = wrong == 1 ? ECC_HOP_IS_HIT : ECC_HOP_IS_OK;
            last->hops = (struct ecc_hops){children, wrong == 2 ? 2 : 3, 3};
            begin_act();
            clock_us = 20000000;
            traces = ecc_traces_new(64 << 20);
            act_all(&derived->hops, "ffffffffffffffff");
            last->hops = saved;
            ecc_trace_compare(&arena, derived, ecc_trace_recorded(&arena, model, derived->scenario, ecc_traces_find(traces, trace_id)),
                              &verdict_us, &differences);
            ecc_traces_free(traces);
            assert_int_equal(differences.n, expected[wrong][i == 2]); /* in time: each of the three is one more, and one is missing */
        }
    ecc_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shop),
        cmocka_unit_test(leased_shop),
        cmocka_unit_test(limit_unasked),
        cmocka_unit_test(rides),
        cmocka_unit_test(from_memory),
        cmocka_unit_test(undo_again),
        cmocka_unit_test(verdict_again),
        cmocka_unit_test(verdict_again_at_hand),
        cmocka_unit_test(value_behind_verdict),
    };

    return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
