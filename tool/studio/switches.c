/* Switches: what the language can assume of a topology's parts, as a person would flip it. */
#include <string.h>

#include "studio.h"

struct switches {
    struct studio_switch *items;
    size_t n, cap;
};

static const char *called(const struct ecc_node *node)
{
    return node->title && *node->title ? node->title : node->name;
}

static void add_state(struct ecc_arena *arena, struct switches *list, const struct ecc_node *node, enum ecc_assume_kind kind)
{
    const char *word = kind == ECC_ASSUME_HANGS ? "hangs" : "down";
    struct studio_switch new = {
        .id = ecc_arena_printf(arena, "%s.%s", node->name, word),
        .label = ecc_arena_printf(arena, kind == ECC_ASSUME_HANGS ? "%s hangs" : "%s is down", called(node)),
        .assume = ecc_arena_printf(arena, "%s %s", node->name, word),
        .kind = kind,
        .node = node,
    };

    ECC_PUSH(arena, list, new);
}

static void add_refusals(struct ecc_arena *arena, struct switches *list, const struct ecc_node *node)
{
    for (size_t i = 0; i < node->u.external.ncalls; i++) {
        const struct ecc_ext_call *call = node->u.external.calls[i];
        for (size_t k = 0; k < call->nerrors; k++) {
            const struct ecc_error *error = call->errors[k].error;
            struct studio_switch new = {
                .id = ecc_arena_printf(arena, "%s.%s.%s", node->name, call->name, error->name),
                .label = ecc_arena_printf(arena, "%s: %s fails with %s", called(node), call->name, error->name),
                .assume = ecc_arena_printf(arena, "%s.%s fails %s", node->name, call->name, error->name),
                .kind = ECC_ASSUME_FAILS,
                .node = node,
                .ext = call,
                .error = error,
            };
            bool twice = false; /* two statuses may be one error */
            for (size_t j = 0; j < list->n; j++)
                twice |= strcmp(list->items[j].id, new.id) == 0;
            if (!twice)
                ECC_PUSH(arena, list, new);
        }
    }
}

const struct studio_switch *studio_switches(struct ecc_arena *arena, const struct ecc_model *model, size_t *n)
{
    struct switches list = {0};

    for (size_t i = 0; i < model->nnodes; i++) {
        const struct ecc_node *node = model->nodes[i];
        switch (node->kind) {
        case ECC_NODE_EXTERNAL:
            add_refusals(arena, &list, node);
            add_state(arena, &list, node, ECC_ASSUME_HANGS);
            add_state(arena, &list, node, ECC_ASSUME_DOWN);
            break;
        case ECC_NODE_SERVICE:
            add_state(arena, &list, node, ECC_ASSUME_HANGS);
            add_state(arena, &list, node, ECC_ASSUME_DOWN);
            break;
        case ECC_NODE_BUS:
        case ECC_NODE_CACHE:
            add_state(arena, &list, node, ECC_ASSUME_DOWN);
            break;
        case ECC_NODE_CLIENT:
        case ECC_NODE_GATEWAY:
            break; /* without them there is no scenario */
        }
    }
    *n = list.n;
    return list.items;
}

static bool goes_there(const struct studio_switch *s, const struct ecc_hops *hops)
{
    for (size_t i = 0; i < hops->n; i++) {
        const struct ecc_hop *hop = hops->items[i];
        if (hop->to == s->node && (!s->ext || strcmp(hop->label, s->ext->name) == 0))
            return true;
        if (s->node->kind == ECC_NODE_BUS && hop->from == s->node)
            return true;
        if (goes_there(s, &hop->hops))
            return true;
    }
    return false;
}

bool studio_switch_applies(const struct studio_switch *s, const struct ecc_derived *derived)
{
    const struct ecc_scenario *scenario = derived->scenario;

    for (size_t i = 0; i < scenario->nassumes; i++) {
        const struct ecc_assume *a = &scenario->assumes[i];
        if (a->kind == s->kind && a->node == s->node && (!s->ext || (a->ext == s->ext && a->error == s->error)))
            return false;
    }
    return goes_there(s, &derived->hops);
}
