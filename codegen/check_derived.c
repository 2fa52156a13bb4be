/* What scenarios say, held against what is derived of them. Warnings, not errors: a story may hang on rows that it has not made. */
#include <string.h>

#include "arena.h"
#include "derive.h"
#include "diag.h"

static void check_end(struct ecc_diags *diags, const struct ecc_derived *derived)
{
    const struct ecc_scenario *s = derived->scenario;
    const struct ecc_hop *last = derived->hops.n ? derived->hops.items[derived->hops.n - 1] : NULL;
    struct ecc_diag *d;

    if (last && derived->cut)
        ecc_diag(diags, ECC_W_OTHER_END, s->span, "scenario `%s` has no end: its events cause each other", s->name);
    if (!last || derived->cut)
        return;
    if (last->status != s->expect_status || (s->expect_error && last->error && strcmp(s->expect_error->name, last->error->name) != 0)) {
        d = ecc_diag(diags, ECC_W_OTHER_END, s->span, "scenario `%s` expects %d%s%s, but by the topology it ends with %d%s%s", s->name,
                     s->expect_status, s->expect_error ? " " : "", s->expect_error ? s->expect_error->name : "", last->status,
                     last->error ? " " : "", last->error ? last->error->name : "");
        ecc_diag_help(diags, d, "say what leads there: `given` what makes the row, or `assume node.Op fails Error`");
    } else if (s->expect_header && s->expect_value && strcmp(s->expect_header, "X-Cache") == 0 &&
               derived->cached != (strcmp(s->expect_value, "hit") == 0)) {
        ecc_diag(diags, ECC_W_OTHER_END, s->span, "scenario `%s` expects a cache %s, but by the topology it is a %s", s->name,
                 s->expect_value, derived->cached ? "hit" : "miss");
    }
}

/* What is given is played before, and has to succeed. */
static void check_given(struct ecc_diags *diags, const struct ecc_derived *derived)
{
    const struct ecc_scenario *s = derived->scenario;

    for (size_t i = 0; i < s->ngiven; i++)
        if (derived->given[i].error)
            ecc_diag(diags, ECC_W_OTHER_END, s->given[i]->span, "this is given, but by the topology it ends with %d %s",
                     derived->given[i].error->status, derived->given[i].error->name);
}

static const char *in_words(struct ecc_arena *arena, const struct ecc_assume *a)
{
    switch (a->kind) {
    case ECC_ASSUME_FAILS:
        return ecc_arena_printf(arena, "nothing asks %s.%s", a->node->name, a->op ? a->op->name : a->ext->name);
    case ECC_ASSUME_HANGS:
    case ECC_ASSUME_DOWN:
        return ecc_arena_printf(arena, "nothing goes to %s", a->node->name);
    case ECC_ASSUME_OPEN:
        return ecc_arena_printf(arena, "nothing goes along %s -> %s", a->edge->from->name, a->edge->to->name);
    case ECC_ASSUME_HOLDS:
    case ECC_ASSUME_MISSES:
        break;
    }
    return ecc_arena_printf(arena, "nothing reads %s.%s", a->keyspace->cache->name, a->keyspace->name);
}

/* What is assumed has to make a difference, and to be something that a system can be brought to. */
static void check_assumptions(struct ecc_arena *arena, struct ecc_diags *diags, const struct ecc_derived *derived)
{
    const struct ecc_scenario *s = derived->scenario;

    for (size_t i = 0; i < s->nassumes && !derived->cut; i++)
        if (!derived->met[i])
            ecc_diag(diags, ECC_W_NO_WAY, s->assumes[i].span, "this makes no difference: %s here", in_words(arena, &s->assumes[i]));
    if (!derived->forced)
        return;
    const struct ecc_assume *a = derived->forced;
    struct ecc_diag *d =
        ecc_diag(diags, ECC_W_NO_WAY, a->span, "no statement of %s.%s ends with %s", a->node->name, a->op->name, a->error->name);
    ecc_diag_second(d, a->op->span, "this operation");
    ecc_diag_help(diags, d, "assume what leads there: of those whom it calls, which hangs, is down or fails?");
}

void ecc_derive_check(struct ecc_arena *arena, const struct ecc_model *model, struct ecc_diags *diags)
{
    for (size_t i = 0; i < model->nscenarios; i++) {
        const struct ecc_derived *derived = ecc_derive(arena, model, model->scenarios[i]);

        check_given(diags, derived);
        check_assumptions(arena, diags, derived);
        check_end(diags, derived);
        if (derived->unsaid) {
            const struct ecc_edge *edge = derived->unsaid->edge;
            struct ecc_diag *d =
                ecc_diag(diags, ECC_W_UNSAID, derived->unsaid->span, "nothing goes along %s -> %s here", edge->from->name, edge->to->name);
            ecc_diag_help(diags, d, "narrations stand in the order of the story; `ecomc scenario %s` shows it", model->scenarios[i]->name);
        }
    }
}
