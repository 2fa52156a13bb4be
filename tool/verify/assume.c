/* What a scenario assumes, made true of the system that is up. */
#include "verify.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../audit/audit.h"

/* ------------------------------------------------------------------ what follows from the rest of the scenario */

static bool ends_so(const struct ecc_hops *hops, const struct ecc_assume *a)
{
    for (size_t i = 0; i < hops->n; i++) {
        const struct ecc_hop *hop = hops->items[i];
        if (hop->to == a->node && !strcmp(hop->label, a->op ? a->op->name : a->ext->name) && hop->error == a->error)
            return true;
        if (ends_so(&hop->hops, a))
            return true;
    }
    return false;
}

/* Does it come about without being assumed, by what is asked? */
static bool comes_by_itself(struct ecc_verify *v, const struct ecc_scenario *scenario, const struct ecc_assume *a)
{
    struct ecc_scenario without = *scenario;
    struct ecc_assume *rest = ECC_NEW_ARRAY(v->arena, struct ecc_assume, scenario->nassumes);

    without.nassumes = 0;
    for (size_t i = 0; i < scenario->nassumes; i++)
        if (&scenario->assumes[i] != a)
            rest[without.nassumes++] = scenario->assumes[i];
    without.assumes = rest;
    return ends_so(&ecc_derive(v->arena, v->model, &without)->hops, a);
}

static bool is_up(struct ecc_verify *v, const struct ecc_node *node)
{
    size_t n;

    ecc_fault_processes(v->up, node, &n);
    return n > 0;
}

/* What a person has broken and the scenario does not assume, or NULL. */
static const char *broken_otherwise(struct ecc_verify *v, const struct ecc_scenario *scenario)
{
    json_t *list = ecc_faults_read(v->up->home), *fault;
    const char *other = NULL;
    size_t i;

    json_array_foreach(list, i, fault)
    {
        const char *text = json_string_value(json_object_get(fault, "text"));
        bool assumed = false;
        for (size_t k = 0; text && k < scenario->nassumes; k++)
            assumed = assumed || !strcmp(ecc_assume_text(v->arena, &scenario->assumes[k]), text);
        if (text && !assumed)
            other = ecc_arena_strdup(v->arena, text);
    }
    json_decref(list);
    return other;
}

const char *ecc_verify_refusal(struct ecc_verify *v, const struct ecc_scenario *scenario)
{
    const char *other = broken_otherwise(v, scenario);

    if (other)
        return ecc_arena_printf(v->arena, "`%s` has been made true by hand; `ecomc fault --end` ends it", other);
    for (size_t i = 0; i < scenario->nassumes; i++) {
        const struct ecc_assume *a = &scenario->assumes[i];
        if ((a->kind == ECC_ASSUME_FAILS && a->ext) || a->kind == ECC_ASSUME_HANGS || a->kind == ECC_ASSUME_DOWN)
            if (!is_up(v, a->node))
                return ecc_arena_printf(v->arena, "`%s` can't be made true: what is up does not run it itself",
                                        ecc_assume_text(v->arena, a));
    }
    return NULL;
}

/* The peer is broken until its callers have had enough, and mended again: the breaker stays open for its time. Somebody else asks: what a
 * gateway remembers of who plays the scenario is not to change. */
static int open_breaker(struct ecc_verify *v, const struct ecc_scenario *scenario, const struct ecc_edge *edge, const char *text)
{
    struct ecc_play play;
    int code = ecc_play_open(v, scenario, NULL, &play);

    if (!code)
        code = ecc_break_node(v->up, text, "verify", edge->to, edge->breaker.timeouts_only);
    for (int i = 0; !code && i < 20 * edge->breaker.trip && ecc_verify_breaker(v, edge) != ECC_BREAKER_OPEN_NOW; i++)
        code = ecc_play_when(&play, 1, false);
    ecc_play_close(&play);
    if (!code && ecc_verify_breaker(v, edge) != ECC_BREAKER_OPEN_NOW)
        code =
            ecc_say_error(ECC_EXIT_FAILED, "the breaker of %s -> %s does not open by what `when` asks", edge->from->name, edge->to->name);
    int mended = ecc_fault_mend(v->up, "verify", text);
    return code ? code : mended;
}

/* Whoever reads through the cache fills it. */
static int fill_cache(struct ecc_verify *v, const struct ecc_scenario *scenario)
{
    struct ecc_play play;
    int code = ecc_play_open(v, scenario, NULL, &play);

    if (!code)
        code = ecc_play_when(&play, 1, false);
    ecc_play_close(&play);
    return code;
}

/* Each replica has breakers of its own: where the story needs one, one replica is left to have it. */
static int leave_one_replica(struct ecc_verify *v, const struct ecc_node *node)
{
    struct ecc_fault fault = {.kind = ECC_FAULT_HELD, .by = "verify"};
    size_t n;
    const char *const *names = ecc_fault_processes(v->up, node, &n);

    if (n < 2 || node->kind != ECC_NODE_SERVICE)
        return 0;
    fault.text = ecc_arena_printf(v->arena, "%s has one replica", node->name);
    fault.processes = names + 1;
    fault.nprocesses = n - 1;
    return ecc_is_broken(v->up, fault.text) ? 0 : ecc_fault_make(v->up, &fault);
}

static int leave_one_where_a_breaker_opens(struct ecc_verify *v, const struct ecc_hops *hops)
{
    int code = 0;

    for (size_t i = 0; !code && i < hops->n; i++) {
        const struct ecc_hop *hop = hops->items[i];
        if (hop->opens || hop->outcome == ECC_HOP_IS_OPEN)
            code = leave_one_replica(v, hop->from);
        if (!code)
            code = leave_one_where_a_breaker_opens(v, &hop->hops);
    }
    return code;
}

int ecc_verify_alone(struct ecc_verify *v, const struct ecc_derived *derived)
{
    return leave_one_where_a_breaker_opens(v, &derived->hops);
}

static int make(struct ecc_verify *v, const struct ecc_scenario *scenario, const struct ecc_assume *a)
{
    switch (a->kind) {
    case ECC_ASSUME_FAILS: /* an operation fails by rows that `given` has made */
        return a->ext && !comes_by_itself(v, scenario, a) ? ecc_break(v->up, a, "verify") : 0;
    case ECC_ASSUME_HANGS:
    case ECC_ASSUME_DOWN:
        return ecc_break(v->up, a, "verify");
    case ECC_ASSUME_OPEN:
        return open_breaker(v, scenario, a->edge, ecc_assume_text(v->arena, a));
    case ECC_ASSUME_HOLDS:
        return fill_cache(v, scenario);
    case ECC_ASSUME_MISSES:
        return ecc_verify_forget(v, a->keyspace);
    }
    return 0;
}

int ecc_verify_assume(struct ecc_verify *v, const struct ecc_scenario *scenario, size_t given)
{
    int code = 0;

    for (size_t i = 0; !code && i < scenario->nassumes; i++) {
        const struct ecc_assume *a = &scenario->assumes[i];
        bool found = a->kind == ECC_ASSUME_OPEN || a->kind == ECC_ASSUME_HOLDS || a->kind == ECC_ASSUME_MISSES;
        if (found ? given == scenario->ngiven : given == a->after)
            code = make(v, scenario, a);
    }
    return code;
}

/* ------------------------------------------------------------------ before and after */

static bool reads(const struct ecc_hops *hops, const struct ecc_keyspace *keyspace, const char *what)
{
    for (size_t i = 0; i < hops->n; i++) {
        const struct ecc_hop *hop = hops->items[i];
        if (hop->kind == ECC_HOP_CACHE && hop->to == keyspace->cache && strstr(hop->label, what))
            return true;
        if (reads(&hop->hops, keyspace, what))
            return true;
    }
    return false;
}

int ecc_verify_breakers(struct ecc_verify *v, const struct ecc_scenario *scenario)
{
    int code = 0;

    for (size_t i = 0; !code && i < v->model->nnodes; i++) {
        const struct ecc_node *node = v->model->nodes[i];
        bool calls = false;
        for (size_t k = 0; k < node->nout; k++)
            calls = calls || node->out[k]->http || node->out[k]->https;
        for (size_t k = 0; k < scenario->nassumes; k++) {
            const struct ecc_assume *a = &scenario->assumes[k];
            calls = calls && (a->node != node || (a->kind != ECC_ASSUME_HANGS && a->kind != ECC_ASSUME_DOWN));
        }
        if (calls && (node->kind == ECC_NODE_SERVICE || node->kind == ECC_NODE_GATEWAY))
            code = ecc_verify_renew(v, node);
    }
    return code;
}

static bool hears(const struct ecc_hops *hops, const struct ecc_node *service)
{
    for (size_t i = 0; i < hops->n; i++)
        if ((hops->items[i]->kind == ECC_HOP_DELIVER && hops->items[i]->to == service) || hears(&hops->items[i]->hops, service))
            return true;
    return false;
}

int ecc_verify_consumers(struct ecc_verify *v, const struct ecc_derived *derived)
{
    enum { STEP_MS = 100, MOST_MS = 60000 };

    for (size_t i = 0; i < v->model->nnodes; i++) {
        const struct ecc_node *node = v->model->nodes[i];
        if (node->kind != ECC_NODE_SERVICE || !hears(&derived->hops, node))
            continue;
        for (int waited = 0; !ecc_verify_gathered(v, node); waited += STEP_MS) {
            if (ecc_verify_interrupted)
                return ECC_EXIT_FAILED;
            if (waited > MOST_MS)
                return ecc_say_error(ECC_EXIT_FAILED, "the consumers of %s do not get their partitions", node->name);
            usleep(STEP_MS * 1000);
        }
    }
    return 0;
}

int ecc_verify_caches(struct ecc_verify *v, const struct ecc_derived *derived)
{
    int code = 0;

    for (size_t i = 0; i < v->model->nnodes; i++) {
        const struct ecc_node *node = v->model->nodes[i];
        for (size_t k = 0; !code && node->kind == ECC_NODE_CACHE && k < node->u.cache.nkeyspaces; k++) {
            const struct ecc_keyspace *keyspace = node->u.cache.keyspaces[k];
            if (reads(&derived->hops, keyspace, ecc_arena_printf(v->arena, "get %s", keyspace->name)))
                code = ecc_verify_forget(v, keyspace);
        }
    }
    return code;
}
