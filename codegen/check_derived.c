/* What scenarios say, held against what is derived of them. Warnings, not errors: a story may hang on what a database holds. */
#include <string.h>

#include "derive.h"
#include "diag.h"

static void check_end(struct ecc_diags *diags, const struct ecc_derived *derived)
{
    const struct ecc_scenario *s = derived->scenario;
    const struct ecc_hop *last = derived->hops.n ? derived->hops.items[derived->hops.n - 1] : NULL;
    struct ecc_diag *d;

    if (!last || derived->cut)
        return;
    if (last->status != s->expect_status || (s->expect_error && last->error && strcmp(s->expect_error->name, last->error->name) != 0)) {
        d = ecc_diag(diags, ECC_W_OTHER_END, s->span, "scenario `%s` expects %d%s%s, but by the topology it ends with %d%s%s", s->name,
                     s->expect_status, s->expect_error ? " " : "", s->expect_error ? s->expect_error->name : "", last->status,
                     last->error ? " " : "", last->error ? last->error->name : "");
        ecc_diag_help(diags, d, "say what leads there: `assume node.Op fails Error`; what rows hold is not known");
    } else if (s->expect_header && s->expect_value && strcmp(s->expect_header, "X-Cache") == 0 &&
               derived->cached != (strcmp(s->expect_value, "hit") == 0)) {
        ecc_diag(diags, ECC_W_OTHER_END, s->span, "scenario `%s` expects a cache %s, but by the topology it is a %s", s->name,
                 s->expect_value, derived->cached ? "hit" : "miss");
    }
}

void ecc_derive_check(struct ecc_arena *arena, const struct ecc_model *model, struct ecc_diags *diags)
{
    for (size_t i = 0; i < model->nscenarios; i++) {
        const struct ecc_derived *derived = ecc_derive(arena, model, model->scenarios[i]);

        check_end(diags, derived);
        if (derived->unsaid) {
            const struct ecc_edge *edge = derived->unsaid->edge;
            struct ecc_diag *d =
                ecc_diag(diags, ECC_W_UNSAID, derived->unsaid->span, "nothing goes along %s -> %s here", edge->from->name, edge->to->name);
            ecc_diag_help(diags, d, "narrations stand in the order of the story; `ecomc scenario %s` shows it", model->scenarios[i]->name);
        }
    }
}
