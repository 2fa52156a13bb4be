/* Which services have to be brought out before which: from every difference that holds only in one order (kinds.h), and from what is new
 * and used at once. Orders that go in a circle are a difference of their own: no order is right. */
#include <stdlib.h>

#include "internal.h"
#include "walk.h"

static void before(struct ecc_comparer *c, const struct ecc_node *first, const struct ecc_node *then)
{
    if (first == then || !strcmp(first->name, then->name))
        return;
    for (size_t i = 0; i < c->out->order.n; i++)
        if (!strcmp(c->out->order.items[i].first, first->name) && !strcmp(c->out->order.items[i].then, then->name))
            return;
    ECC_PUSH(c->arena, &c->out->order, ((struct ecc_rollout){first->name, then->name}));
}

/* ------------------------------------------------------------------ calls */

static const struct ecc_node *still_there(const struct ecc_comparer *c, const struct ecc_node *node)
{
    const struct ecc_node *now = FIND(c->new_->nodes, c->new_->nnodes, node->name);

    return now && now->kind == node->kind ? now : NULL;
}

static void callee_first(struct ecc_comparer *c, const struct ecc_op *op)
{
    for (size_t i = 0; i < op->ncallers; i++)
        before(c, op->service, op->callers[i]);
}

/* op: as it was; service: where it is, or was. */
static void callers_first(struct ecc_comparer *c, const struct ecc_op *op)
{
    const struct ecc_node *service = still_there(c, op->service);

    for (size_t i = 0; i < op->ncallers && service; i++)
        if (still_there(c, op->callers[i]))
            before(c, op->callers[i], service);
}

static bool has_error(const struct ecc_op *op, const char *name)
{
    return FIND(op->errors, op->nerrors, name) != NULL;
}

static const struct ecc_record *result_of(const struct ecc_op *op)
{
    return op->result->kind == ECC_TYPE_RECORD ? op->result->record : NULL;
}

static void order_op(struct ecc_comparer *c, const struct ecc_op *was, const struct ecc_op *now)
{
    unsigned orders = ecc_compare_orders(c, ECC_AT_PARAM, was->params, now->params);

    if (result_of(was) && result_of(now))
        orders |= ecc_compare_orders(c, ECC_AT_RESULT, result_of(was), result_of(now));
    for (size_t i = 0; i < now->nerrors; i++)
        if (!has_error(was, now->errors[i]->name))
            orders |= 1u << ECC_ORDER_CALLERS_FIRST;
    if (strcmp(was->name, now->name) != 0)
        orders |= 1u << ECC_ORDER_CALLEE_FIRST;
    else if (was->was && !ecc_same_text(was->was, now->was))
        orders |= 1u << ECC_ORDER_CALLERS_FIRST;
    if (orders & 1u << ECC_ORDER_CALLEE_FIRST)
        callee_first(c, now);
    if (orders & 1u << ECC_ORDER_CALLERS_FIRST)
        callers_first(c, was);
    for (size_t i = 0; i < now->ncallers; i++)
        if (!FIND(was->callers, was->ncallers, now->callers[i]->name))
            before(c, now->service, now->callers[i]);
}

static void order_calls(struct ecc_comparer *c, const struct ecc_service *old, const struct ecc_service *new_)
{
    bool renamed;

    for (size_t i = 0; i < new_->nops; i++) {
        const struct ecc_op *was = ecc_op_before(old, new_, new_->ops[i], &renamed);
        if (was)
            order_op(c, was, new_->ops[i]);
        else
            callee_first(c, new_->ops[i]);
    }
    for (size_t i = 0; i < old->nops; i++) {
        bool kept = false;
        for (size_t k = 0; k < new_->nops && !kept; k++)
            kept = ecc_op_before(old, new_, new_->ops[k], &renamed) == old->ops[i];
        if (!kept)
            callers_first(c, old->ops[i]);
    }
}

/* ------------------------------------------------------------------ events */

struct search {
    const struct ecc_event *event;
    bool found;
};

static void look(void *context, const struct ecc_stmt *stmt)
{
    struct search *s = context;

    s->found |= stmt->kind == ECC_STMT_PUBLISH && stmt->u.publish.event == s->event;
}

static bool publishes(const struct ecc_node *node, const struct ecc_event *event)
{
    const struct ecc_service *s = &node->u.service;
    struct search search = {event, false};
    const struct ecc_walker walker = {.stmt = look, .context = &search};

    if (node->kind != ECC_NODE_SERVICE)
        return false;
    for (size_t i = 0; i < s->nops; i++)
        ecc_walk_block(&walker, &s->ops[i]->program.body);
    for (size_t i = 0; i < s->nconsumers; i++)
        ecc_walk_block(&walker, &s->consumers[i]->program.body);
    for (size_t i = 0; i < s->nsagas; i++) {
        ecc_walk_block(&walker, &s->sagas[i]->done.body);
        ecc_walk_block(&walker, &s->sagas[i]->failed.body);
    }
    return search.found;
}

static void consumers_first(struct ecc_comparer *c, const struct ecc_event *event)
{
    const struct ecc_model *m = c->new_;

    for (size_t i = 0; i < m->nnodes; i++) {
        if (!publishes(m->nodes[i], event))
            continue;
        for (size_t k = 0; k < m->nnodes; k++) {
            const struct ecc_service *s = &m->nodes[k]->u.service;
            for (size_t n = 0; m->nodes[k]->kind == ECC_NODE_SERVICE && n < s->nconsumers; n++)
                if (s->consumers[n]->event == event || (event->topic && s->consumers[n]->topic == event->topic))
                    before(c, m->nodes[k], m->nodes[i]);
        }
    }
}

static void order_events(struct ecc_comparer *c)
{
    for (size_t i = 0; i < c->new_->nevents; i++) {
        const struct ecc_event *now = c->new_->events[i], *was = ecc_event_of(c->old, now->name, now->version);
        if (!was || ecc_compare_orders(c, ECC_AT_EVENT, was->body, now->body) & 1u << ECC_ORDER_CONSUMERS_FIRST)
            consumers_first(c, now);
    }
}

/* ------------------------------------------------------------------ circles */

/* A way from `at` back to `to` along the orders, as text; NULL: there is none. seen: what has been tried. */
static const char *way(struct ecc_comparer *c, const char *at, const char *to, bool *seen)
{
    for (size_t i = 0; i < c->out->order.n; i++) {
        const struct ecc_rollout *o = &c->out->order.items[i];
        if (seen[i] || strcmp(o->first, at) != 0)
            continue;
        seen[i] = true;
        const char *rest = strcmp(o->then, to) == 0 ? "" : way(c, o->then, to, seen);
        if (rest)
            return CFMT(c, " before %s%s", o->then, rest);
    }
    return NULL;
}

static void find_circle(struct ecc_comparer *c)
{
    for (size_t i = 0; i < c->out->order.n; i++) {
        const char *first = c->out->order.items[i].first;
        const char *circle = way(c, first, first, ECC_NEW_ARRAY(c->arena, bool, c->out->order.n));
        const struct ecc_node *node = circle ? FIND(c->new_->nodes, c->new_->nnodes, first) : NULL;
        if (!node)
            continue;
        ecc_differ(c, ECC_DIFF_ORDER_CIRCLE, false, node->span, first, "no order is right: %s%s", first, circle);
        c->out->order.n = 0;
        return;
    }
}

static int by_names(const void *a, const void *b)
{
    const struct ecc_rollout *x = a, *y = b;
    int order = strcmp(x->first, y->first);

    return order ? order : strcmp(x->then, y->then);
}

void ecc_compare_rollout(struct ecc_comparer *c)
{
    static const struct ecc_service none;

    if (c->old == &ecc_no_model || c->new_ == &ecc_no_model)
        return;
    for (size_t i = 0; i < c->new_->nnodes; i++) {
        const struct ecc_node *now = c->new_->nodes[i], *was = FIND(c->old->nodes, c->old->nnodes, now->name);
        if (now->kind == ECC_NODE_SERVICE)
            order_calls(c, was && was->kind == ECC_NODE_SERVICE ? &was->u.service : &none, &now->u.service);
    }
    order_events(c);
    if (c->out->order.n)
        qsort(c->out->order.items, c->out->order.n, sizeof c->out->order.items[0], by_names);
    find_circle(c);
}
