/* The list of crash points, which must be what the running system can pass: no more, so that a test can ask for each, and no less.
 *
 * Two points, before and after, stand around every await that the emitters have printed (ecc_shapes_await). The runtime's own follow from
 * the model: the answer of an operation that somebody calls, the steps of a saga, a topic that is published to, the message of a consumer.
 * `outcome` is what the inbox writes about a key when a program has ended, so it needs a key that reaches the program: from a saga's step,
 * an event, a route that is idempotent, or a program that has one and calls. Hand-written operations are not looked into.
 */
#include "crash_points.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "walk.h"
#include "writer.h"

struct point { const char *name, *service, *kind, *program, *phase; };

struct list {
    struct ecc_arena *arena;
    const char *service;
    struct { struct point *items; size_t n, cap; } points;
    struct { const struct ecc_op **items; size_t n, cap; } keyed, done; /* may be asked with a key; and as something else than an undo */
    struct { const struct ecc_topic **items; size_t n, cap; } topics;   /* published to by the service at hand */
    bool as_do;
};

static void add(struct list *l, const char *what, const char *phase, const char *kind, const char *program)
{
    const char *name = ecc_arena_printf(l->arena, "%s:%s:%s", l->service, what, phase);

    ECC_PUSH(l->arena, &l->points, ((struct point){name, l->service, kind, program, phase}));
}

static void add_both(struct list *l, const char *what, const char *before, const char *after, const char *program)
{
    add(l, what, "before", before, program);
    add(l, what, "after", after, program);
}

/* ------------------------------------------------------------------ which operations may have a key */

static void mark_keyed(struct list *l, const struct ecc_op *op);

static void mark_called(void *context, const struct ecc_stmt *stmt)
{
    if (stmt->kind == ECC_STMT_CALL && stmt->u.call.op)
        mark_keyed(context, stmt->u.call.op);
}

static bool has(const struct ecc_op *const *items, size_t n, const struct ecc_op *op)
{
    for (size_t i = 0; i < n; i++)
        if (items[i] == op)
            return true;
    return false;
}

static void mark_keyed(struct list *l, const struct ecc_op *op)
{
    bool as_do = l->as_do;

    if (as_do && !has(l->done.items, l->done.n, op))
        ECC_PUSH(l->arena, &l->done, op);
    if (has(l->keyed.items, l->keyed.n, op))
        return;
    ECC_PUSH(l->arena, &l->keyed, op);
    l->as_do = true; /* what it calls is no undo */
    ecc_walk_block(&(struct ecc_walker){.stmt = mark_called, .context = l}, &op->program.body);
    l->as_do = as_do;
}

static void find_keyed(struct list *l, const struct ecc_model *model)
{
    const struct ecc_walker calls = {.stmt = mark_called, .context = l};

    for (size_t i = 0; i < model->nsagas; i++) {
        const struct ecc_saga *saga = model->sagas[i];

        for (size_t k = 0; k < saga->nsteps; k++) {
            l->as_do = true;
            ecc_walk_stmt(&calls, saga->steps[k].run);
            l->as_do = false;
            if (saga->steps[k].undo)
                ecc_walk_stmt(&calls, saga->steps[k].undo);
        }
        l->as_do = true;
        if (saga->done.repeat == ECC_REPEAT_CLAIM)
            ecc_walk_block(&calls, &saga->done.body);
        if (saga->failed.repeat == ECC_REPEAT_CLAIM)
            ecc_walk_block(&calls, &saga->failed.body);
    }
    l->as_do = true;
    for (size_t i = 0; i < model->nnodes; i++) {
        const struct ecc_node *node = model->nodes[i];

        for (size_t k = 0; node->kind == ECC_NODE_SERVICE && k < node->u.service.nconsumers; k++)
            ecc_walk_block(&calls, &node->u.service.consumers[k]->program.body);
        for (size_t k = 0; node->kind == ECC_NODE_GATEWAY && k < node->u.gateway.nroutes; k++) {
            const struct ecc_route *route = node->u.gateway.routes[k];

            if (route->idempotent && route->call)
                ecc_walk_stmt(&calls, route->call);
            for (size_t b = 0; route->idempotent && b < route->nbranches; b++)
                ecc_walk_stmt(&calls, route->branches[b].call);
        }
    }
}

/* A failure that is recorded. */
static bool can_be_refused(const struct ecc_op *op)
{
    for (size_t i = 0; i < op->nerrors; i++) {
        const struct ecc_error *error = op->errors[i];

        if (error->status >= 400 && error->status <= 499 && !ecc_is_momentary(error))
            return true;
    }
    return false;
}

static bool has_outcome(const struct list *l, const struct ecc_op *op)
{
    if (op->program.repeat == ECC_REPEAT_CLAIM)
        return has(l->keyed.items, l->keyed.n, op);
    return op->program.repeat == ECC_REPEAT_ATOMIC && has(l->done.items, l->done.n, op) && can_be_refused(op);
}

/* ------------------------------------------------------------------ the runtime's points */

static void note_topic(void *context, const struct ecc_stmt *stmt)
{
    struct list *l = context;

    if (stmt->kind != ECC_STMT_PUBLISH)
        return;
    for (size_t i = 0; i < l->topics.n; i++)
        if (l->topics.items[i] == stmt->u.publish.event->topic)
            return;
    ECC_PUSH(l->arena, &l->topics, stmt->u.publish.event->topic);
}

static void look_into(struct list *l, const struct ecc_program *program)
{
    ecc_walk_block(&(struct ecc_walker){.stmt = note_topic, .context = l}, &program->body);
}

static void add_op(struct list *l, const struct ecc_op *op)
{
    const char *title = ecc_arena_printf(l->arena, "%s.%s", op->service->name, op->name);

    look_into(l, &op->program);
    if (!op->ncallers)
        return;
    add_both(l, ecc_arena_printf(l->arena, "%s.answer", op->name), "send", "send", title);
    if (has_outcome(l, op))
        add_both(l, ecc_arena_printf(l->arena, "%s.outcome", op->name), "commit", "commit", title);
}

static void add_consumer(struct list *l, const struct ecc_consumer *consumer)
{
    const char *name = ecc_arena_printf(l->arena, "%s.%s", consumer->group, consumer->event->id);
    const char *title = ecc_arena_printf(l->arena, "%s.%s", consumer->service->name, name);

    look_into(l, &consumer->program);
    add(l, ecc_arena_printf(l->arena, "%s.message", name), "after", "receive", title);
    if (consumer->dead_letter)
        add_both(l, ecc_arena_printf(l->arena, "%s.dead-letter", name), "send", "send", title);
    if (consumer->program.repeat == ECC_REPEAT_CLAIM)
        add_both(l, ecc_arena_printf(l->arena, "%s.outcome", name), "commit", "commit", title);
}

static void add_end(struct list *l, const struct ecc_saga *saga, const struct ecc_program *program, const char *name)
{
    const char *what = ecc_arena_printf(l->arena, "%s.%s", saga->name, name);
    const char *title = ecc_arena_printf(l->arena, "%s.%s", saga->service->name, what);

    look_into(l, program);
    if (!program->body.nstmts)
        add(l, what, "after", "commit", title);
    else if (program->repeat == ECC_REPEAT_CLAIM)
        add_both(l, ecc_arena_printf(l->arena, "%s.outcome", what), "commit", "commit", title);
}

static void add_saga(struct list *l, const struct ecc_saga *saga)
{
    const char *title = ecc_arena_printf(l->arena, "%s.%s", saga->service->name, saga->name);

    for (size_t i = 0; i < saga->nsteps; i++)
        for (int undo = 0; undo < (saga->steps[i].undo ? 2 : 1); undo++) {
            const char *what = ecc_arena_printf(l->arena, "%s.%s.%s", saga->name, saga->steps[i].name, undo ? "undo" : "do");

            add_both(l, what, "send", "receive", title);
            add(l, ecc_arena_printf(l->arena, "%s.store", what), "after", "commit", title);
        }
    add_end(l, saga, &saga->done, "done");
    add_end(l, saga, &saga->failed, "failed");
}

static void add_service(struct list *l, const struct ecc_service *service)
{
    l->topics.n = 0;
    for (size_t i = 0; i < service->nops; i++)
        add_op(l, service->ops[i]);
    for (size_t i = 0; i < service->nconsumers; i++)
        add_consumer(l, service->consumers[i]);
    for (size_t i = 0; i < service->nsagas; i++)
        if (!service->sagas[i]->past) /* those are passed only by what an older binary has started */
            add_saga(l, service->sagas[i]);
    if (service->nsagas)
        add(l, "take-over", "after", "commit", "");
    if (service->has_database)
        add_both(l, "group", "commit", "commit", "");
    for (size_t i = 0; i < l->topics.n; i++)
        add_both(l, ecc_arena_printf(l->arena, "outbox.%s", l->topics.items[i]->name), "send", "receive", "");
    if (l->topics.n)
        add(l, "outbox", "after", "commit", "");
}

static void add_gateway(struct list *l, const struct ecc_gateway *gateway)
{
    for (size_t i = 0; i < gateway->nroutes; i++) {
        const char *title = ecc_arena_printf(l->arena, "%s %s", gateway->routes[i]->method, gateway->routes[i]->path);

        add(l, ecc_arena_printf(l->arena, "%s.answer", title), "before", "send", title);
    }
}

/* ------------------------------------------------------------------ the list */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct point *)a)->name, ((const struct point *)b)->name);
}

static void add_unit(struct list *l, const struct ecc_shapes *unit)
{
    l->service = unit->node->name;
    for (size_t i = 0; i < unit->awaits.n; i++) {
        const struct ecc_await *await = &unit->awaits.items[i];

        add_both(l, await->label, await->commits ? "commit" : "send", await->commits ? "commit" : "receive", await->program);
    }
    if (unit->node->kind == ECC_NODE_SERVICE)
        add_service(l, &unit->node->u.service);
    else
        add_gateway(l, &unit->node->u.gateway);
}

const char *ecc_crash_points(struct ecc_arena *arena, const struct ecc_model *model, struct ecc_shapes *const *units, size_t n)
{
    struct list l = {.arena = arena};
    struct ecc_writer w;

    find_keyed(&l, model);
    for (size_t i = 0; i < n; i++)
        if (!units[i]->sandbox)
            add_unit(&l, units[i]);
    if (l.points.n)
        qsort(l.points.items, l.points.n, sizeof l.points.items[0], by_name);
    ecc_writer_init(&w, arena);
    w.width = 2;
    ecc_wl(&w, "[");
    for (size_t i = 0; i < l.points.n; i++) {
        const struct point *p = &l.points.items[i];

        ecc_wl(&w, "  {\"point\": %s, \"service\": %s, \"kind\": %s, \"program\": %s, \"phase\": %s}%s", ecc_quote_json(arena, p->name),
               ecc_quote_json(arena, p->service), ecc_quote_json(arena, p->kind), ecc_quote_json(arena, p->program),
               ecc_quote_json(arena, p->phase), i + 1 < l.points.n ? "," : "");
    }
    ecc_wl(&w, "]");
    return ecc_arena_strndup(arena, w.data, w.n);
}
