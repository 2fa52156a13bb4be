/* The comparison's course: nodes by name and kind, then what belongs to none; sorted by class and place. */
#include "compare.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

const struct ecc_model ecc_no_model = {.title = ""};

const struct ecc_difference_traits *ecc_difference_traits(struct ecc_arena *arena, enum ecc_difference_kind kind)
{
    static const struct ecc_difference_traits all[] = {
#define X(kind, change, class_, consequence) {#kind, ECC_PLAN_##change, ECC_CLASS_##class_, consequence, ECC_ORDER_ANY},
#define XO(kind, change, class_, order, consequence) {#kind, ECC_PLAN_##change, ECC_CLASS_##class_, consequence, ECC_ORDER_##order},
#include "kinds.h"
#undef X
#undef XO
    };
    struct ecc_difference_traits *traits = ECC_NEW(arena, struct ecc_difference_traits);
    char *name = ecc_arena_strdup(arena, all[kind].name);

    for (char *p = name; *p; p++)
        *p = (char)(*p == '_' ? '-' : tolower((unsigned char)*p));
    *traits = all[kind];
    traits->name = name;
    return traits;
}

static enum ecc_plan_class class_of(enum ecc_difference_kind kind)
{
    static const enum ecc_plan_class classes[] = {
#define X(kind, change, class_, consequence) ECC_CLASS_##class_,
#include "kinds.h"
#undef X
#undef XO
    };
    return classes[kind];
}

void ecc_differ(struct ecc_comparer *c, enum ecc_difference_kind kind, bool old, struct ecc_span span, const char *subject,
                const char *what, ...)
{
    va_list args, again;

    va_start(args, what);
    va_copy(again, args);
    size_t n = (size_t)vsnprintf(NULL, 0, what, args);
    char *text = ecc_arena_alloc(c->arena, n + 1);
    vsnprintf(text, n + 1, what, again);
    va_end(args);
    va_end(again);
    for (char *p = text; *p; p++) /* a text of several lines is one here */
        *p = (char)(*p == '\n' ? ' ' : *p);
    ECC_PUSH(c->arena, &c->out->differences, ((struct ecc_difference){kind, subject, text, old, span}));
    c->out->counts[class_of(kind)]++;
}

bool ecc_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

const char *ecc_duration_words(struct ecc_arena *arena, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}};

    for (size_t i = 0; ms && i < sizeof units / sizeof units[0]; i++)
        if (ms % units[i].ms == 0)
            return ecc_arena_printf(arena, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
    return ecc_arena_printf(arena, "%" PRId64 "ms", ms);
}

/* ------------------------------------------------------------------ nodes */

static const struct {
    const char *word;
    enum ecc_difference_kind added, removed;
} node_kinds[] = {
    [ECC_NODE_CLIENT] = {"client", ECC_DIFF_CLIENT_ADDED, ECC_DIFF_CLIENT_REMOVED},
    [ECC_NODE_BUS] = {"bus", ECC_DIFF_BUS_ADDED, ECC_DIFF_BUS_REMOVED},
    [ECC_NODE_CACHE] = {"cache", ECC_DIFF_CACHE_ADDED, ECC_DIFF_CACHE_REMOVED},
    [ECC_NODE_EXTERNAL] = {"external", ECC_DIFF_EXTERNAL_ADDED, ECC_DIFF_EXTERNAL_REMOVED},
    [ECC_NODE_SERVICE] = {"service", ECC_DIFF_SERVICE_ADDED, ECC_DIFF_SERVICE_REMOVED},
    [ECC_NODE_GATEWAY] = {"gateway", ECC_DIFF_GATEWAY_ADDED, ECC_DIFF_GATEWAY_REMOVED},
};

static const struct ecc_node *same_node(const struct ecc_model *model, const struct ecc_node *node)
{
    const struct ecc_node *found = FIND(model->nodes, model->nnodes, node->name);

    return found && found->kind == node->kind ? found : NULL;
}

static void compare_node(struct ecc_comparer *c, const struct ecc_node *old, const struct ecc_node *new_)
{
    const struct ecc_node *node = new_ ? new_ : old;
    const char *subject = CFMT(c, "%s %s", node_kinds[node->kind].word, node->name);

    if (!old)
        ecc_differ(c, node_kinds[node->kind].added, false, node->span, subject, "new %s", node_kinds[node->kind].word);
    else if (!new_)
        ecc_differ(c, node_kinds[node->kind].removed, true, node->span, subject, "%s is gone", node_kinds[node->kind].word);
    else if (!ecc_same_text(old->title, new_->title))
        ecc_differ(c, ECC_DIFF_TITLE_CHANGED, false, node->span, subject, "its title was \"%s\" and is \"%s\"", old->title, new_->title);
    if (node->kind == ECC_NODE_GATEWAY)
        ecc_compare_gateway(c, old, new_);
    else if (node->kind == ECC_NODE_SERVICE)
        ecc_compare_service(c, old, new_);
    else
        ecc_compare_around(c, old, new_);
}

/* ------------------------------------------------------------------ order */

static int by_class_and_place(const void *a, const void *b)
{
    const struct ecc_difference *x = a, *y = b;
    int order = (int)class_of(x->kind) - (int)class_of(y->kind);

    if (!order)
        order = (int)x->old - (int)y->old;
    if (!order)
        order = x->span.start < y->span.start ? -1 : x->span.start > y->span.start;
    if (!order)
        order = strcmp(x->subject, y->subject);
    if (!order)
        order = (int)x->kind - (int)y->kind;
    return order ? order : strcmp(x->what, y->what);
}

void ecc_compare(struct ecc_arena *arena, const struct ecc_model *old, const struct ecc_model *new_, struct ecc_comparison *out)
{
    struct ecc_comparer c = {.arena = arena, .old = old, .new_ = new_, .out = out};

    *out = (struct ecc_comparison){0};
    if (old != &ecc_no_model && new_ != &ecc_no_model && !ecc_same_text(old->name, new_->name))
        ecc_differ(&c, ECC_DIFF_NAME_CHANGED, false, (struct ecc_span){0, 0}, "topology", "its name was %s and is %s",
                   old->name ? ecc_arena_printf(arena, "\"%s\"", old->name) : "none",
                   new_->name ? ecc_arena_printf(arena, "\"%s\"", new_->name) : "none");
    if (old != &ecc_no_model && new_ != &ecc_no_model && !ecc_same_text(old->title, new_->title))
        ecc_differ(&c, ECC_DIFF_TITLE_CHANGED, false, (struct ecc_span){0, 0}, "topology", "its title was \"%s\" and is \"%s\"", old->title,
                   new_->title);
    for (size_t i = 0; i < new_->nnodes; i++)
        compare_node(&c, same_node(old, new_->nodes[i]), new_->nodes[i]);
    for (size_t i = 0; i < old->nnodes; i++)
        if (!same_node(new_, old->nodes[i]))
            compare_node(&c, old->nodes[i], NULL);
    ecc_compare_errors(&c);
    ecc_compare_events(&c);
    ecc_compare_sagas(&c);
    ecc_compare_rules(&c);
    ecc_compare_shown(&c);
    ecc_compare_rollout(&c);
    if (out->differences.n)
        qsort(out->differences.items, out->differences.n, sizeof out->differences.items[0], by_class_and_place);
}
