/* The plan: which scenarios, who sends them, and which gateways take them. */
#include "load.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cnames.h"

/* ------------------------------------------------------------------ scenarios */

static const struct ecc_scenario *find_scenario(const struct ecc_model *model, const char *name)
{
    for (size_t i = 0; i < model->nscenarios; i++)
        if (!strcmp(model->scenarios[i]->name, name))
            return model->scenarios[i];
    return NULL;
}

static int unknown_scenario(const struct ecc_load *load, const char *name)
{
    const struct ecc_model *model = load->model;
    const char **names = ECC_NEW_ARRAY(&load->cli->arena, const char *, model->nscenarios);

    for (size_t i = 0; i < model->nscenarios; i++)
        names[i] = model->scenarios[i]->name;
    const char *meant = ecc_did_you_mean(name, names, model->nscenarios);
    if (meant)
        return ecc_say_error(ECC_EXIT_USAGE, "there is no scenario '%s'; did you mean '%s'?", name, meant);
    return ecc_say_error(ECC_EXIT_USAGE, "there is no scenario '%s'%s%s", name, model->nscenarios ? "; one that there is: " : "",
                         model->nscenarios ? names[0] : "");
}

/* Does a call of the provider fail so because of what it is asked (its sandbox says when), not because of the way there? */
static bool asked_for(const struct ecc_assume *assume)
{
    for (size_t i = 0; assume->ext && i < assume->ext->nerrors; i++)
        if (assume->ext->errors[i].error == assume->error)
            return assume->node->u.external.has_sandbox;
    return false;
}

const char *ecc_load_refusal(struct ecc_arena *arena, const struct ecc_scenario *scenario)
{
    for (size_t i = 0; i < scenario->nassumes; i++) {
        const struct ecc_assume *a = &scenario->assumes[i];
        switch (a->kind) {
        case ECC_ASSUME_FAILS:
            if (!asked_for(a))
                return ecc_arena_printf(arena, "%s.%s fails with %s", a->node->name, a->op ? a->op->name : a->ext->name, a->error->name);
            break;
        case ECC_ASSUME_HANGS:
            return ecc_arena_printf(arena, "%s hangs", a->node->name);
        case ECC_ASSUME_DOWN:
            return ecc_arena_printf(arena, "%s is down", a->node->name);
        case ECC_ASSUME_OPEN:
            return ecc_arena_printf(arena, "the breaker of %s -> %s is open", a->edge->from->name, a->edge->to->name);
        case ECC_ASSUME_HOLDS:
        case ECC_ASSUME_MISSES:
            break;
        }
    }
    return NULL;
}

static json_t *find_process(const struct json_t *state, const char *name, const char *kind)
{
    json_t *proc;
    size_t i;

    json_array_foreach(json_object_get(state, "processes"), i, proc)
    {
        const char *its = json_string_value(json_object_get(proc, "name")), *what = json_string_value(json_object_get(proc, "kind"));
        if (its && what && !strcmp(its, name) && !strcmp(what, kind))
            return proc;
    }
    return NULL;
}

/* A provider that is to fail must be the sandbox: the real one is not asked to. */
static int check_sandboxes(const struct ecc_load *load, const struct json_t *state, const struct ecc_scenario *scenario)
{
    for (size_t i = 0; i < scenario->nassumes; i++) {
        const struct ecc_assume *a = &scenario->assumes[i];
        if (a->kind == ECC_ASSUME_FAILS && a->ext &&
            !find_process(state, ecc_arena_printf(&load->cli->arena, "%s-sandbox", a->node->name), "sandbox"))
            return ecc_say_error(ECC_EXIT_FAILED, "scenario '%s' needs the sandbox of %s, but what is up talks to the provider itself",
                                 scenario->name, a->node->name);
    }
    return 0;
}

/* ------------------------------------------------------------------ targets */

static const struct ecc_node *gateway_of(const struct ecc_model *model, const struct ecc_route *route)
{
    for (size_t i = 0; i < model->nnodes; i++)
        for (size_t k = 0; model->nodes[i]->kind == ECC_NODE_GATEWAY && k < model->nodes[i]->u.gateway.nroutes; k++)
            if (model->nodes[i]->u.gateway.routes[k] == route)
                return model->nodes[i];
    return NULL;
}

/* Finds or adds what a request goes to. */
static int target_of(struct ecc_load *load, const struct json_t *state, const struct ecc_request *request, struct ecc_load_target **found)
{
    const struct ecc_node *node = request->op ? request->op->service : gateway_of(load->model, request->route);
    struct ecc_arena *arena = &load->cli->arena;
    json_t *proc;

    for (size_t i = 0; i < load->ntargets; i++)
        if (load->targets[i].node == node) {
            *found = &load->targets[i];
            return 0;
        }
    struct ecc_load_target *target = *found = &load->targets[load->ntargets];
    *target = (struct ecc_load_target){.node = node};
    target->ports = ECC_NEW_ARRAY(arena, int, json_array_size(json_object_get(state, "processes")));
    if (!request->op && node->u.gateway.tls)
        return ecc_say_error(ECC_EXIT_FAILED, "%s listens with TLS; requests are played by plain HTTP only", node->name);
    for (size_t replica = 1;; replica++) {
        proc = find_process(state, replica > 1 ? ecc_arena_printf(arena, "%s-%zu", node->name, replica) : node->name,
                            request->op ? "service" : "gateway");
        if (!proc)
            break;
        target->ports[target->n++] = (int)json_integer_value(json_object_get(proc, "port"));
    }
    if (!target->n)
        return ecc_say_error(ECC_EXIT_IO, "%s is not up; is this the topology that `ecomc up` runs?", node->name);
    load->ntargets++;
    return 0;
}

size_t ecc_load_next_replica(struct ecc_load_target *target)
{
    target->next = (target->next + 1) % target->n;
    return target->next;
}

/* ------------------------------------------------------------------ identities */

size_t ecc_load_identities(const struct ecc_limit *limit, double rate)
{
    /* a quarter more than needed: a turn is not exact, and what a limit has saved up is not ours */
    double need = limit && limit->per != ECC_PER_ADDRESS ? ceil(1.25 * rate / limit->per_second) : 1;

    return need > ECC_LOAD_IDENTITIES ? ECC_LOAD_IDENTITIES : need < 1 ? 1 : (size_t)need;
}

static int pool_of(struct ecc_load *load, const struct json_t *state, struct ecc_load_part *part)
{
    const struct ecc_identity *identity = part->scenario->identity;
    struct ecc_load_pool *pool = NULL;
    int code;

    for (size_t i = 0; i < load->npools && !pool; i++)
        if (load->pools[i].identity == identity)
            pool = &load->pools[i];
    if (!pool) {
        pool = &load->pools[load->npools++];
        *pool = (struct ecc_load_pool){.identity = identity};
        pool->targets = ECC_NEW_ARRAY(&load->cli->arena, struct ecc_load_target *, identity->nrequests);
        for (size_t i = 0; i < identity->nrequests; i++)
            if ((code = target_of(load, state, identity->requests[i], &pool->targets[i])))
                return code;
    }
    if (part->message.signed_in) {
        pool->rate += (double)load->rate * part->percent / 100;
        pool->limit = part->target->node->u.gateway.limit;
    }
    part->pool = pool;
    return 0;
}

/* ------------------------------------------------------------------ the plan */

int ecc_load_choose(struct ecc_load *load, const char *name, int percent)
{
    const struct ecc_scenario *s = find_scenario(load->model, name);

    if (!s)
        return unknown_scenario(load, name);
    const char *fault = ecc_load_refusal(&load->cli->arena, s);
    if (fault)
        return ecc_say_error(ECC_EXIT_USAGE, "scenario '%s' needs a fault (%s), and load brings none about", s->name, fault);
    for (size_t i = 0; i < load->nparts; i++)
        if (load->parts[i].scenario == s)
            return ecc_say_error(ECC_EXIT_USAGE, "scenario '%s' is named twice", s->name);
    if (load->nparts == ECC_SPREAD_MOST)
        return ecc_say_error(ECC_EXIT_USAGE, "a mix has at most %d scenarios", ECC_SPREAD_MOST);
    load->parts[load->nparts++] = (struct ecc_load_part){.scenario = s, .percent = percent};
    return 0;
}

static int plan_part(struct ecc_load *load, const struct json_t *state, struct ecc_load_part *part)
{
    const struct ecc_scenario *s = part->scenario;
    struct ecc_arena *arena = &load->cli->arena;
    int code;

    if ((code = check_sandboxes(load, state, s)) || (code = target_of(load, state, s->when, &part->target)))
        return code;
    ecc_message_init(&part->message, arena, s->when, s->identity ? s->identity->requests[0] : NULL, s->identity && s->when->route->auth);
    if (s->identity && (code = pool_of(load, state, part)))
        return code;
    part->given = ECC_NEW_ARRAY(arena, struct ecc_load_target *, s->ngiven + 1);
    for (size_t i = 0; i < s->ngiven; i++)
        if ((code = target_of(load, state, s->given[i], &part->given[i])))
            return code;
    if (s->expect_header)
        part->expect = ecc_pieces_of_text(arena, s->expect_value, &s->expect_refs);
    part->error_name = s->expect_error ? ecc_kebab(arena, s->expect_error->name) : NULL;
    part->took = ECC_NEW_ARRAY(arena, struct ecc_histogram, ECC_LOAD_VERDICTS);
    part->kinds = ECC_NEW_ARRAY(arena, struct ecc_load_kind, ECC_LOAD_KINDS);
    return 0;
}

/* A limit that more identities don't help against is told of before it is met. */
static void warn_of_limits(const struct ecc_load *load)
{
    for (size_t i = 0; i < load->ntargets; i++) {
        const struct ecc_node *node = load->targets[i].node;
        const struct ecc_limit *limit = node->kind == ECC_NODE_GATEWAY ? node->u.gateway.limit : NULL;
        double rate = 0;
        for (size_t k = 0; limit && k < load->nparts; k++) {
            const struct ecc_load_part *part = &load->parts[k];
            if (part->target == &load->targets[i] && (limit->per == ECC_PER_ADDRESS || !part->message.signed_in))
                rate += (double)load->rate * part->percent / 100;
        }
        if (limit && rate > limit->per_second)
            fprintf(stderr, "ecomc: note: %.0f/s are counted for one address; beyond %g/s %s answers 429\n", rate, limit->per_second,
                    node->name);
    }
}

int ecc_load_plan(struct ecc_load *load, const struct json_t *state)
{
    struct ecc_arena *arena = &load->cli->arena;
    int code;

    ecc_uniques_init(&load->uniques);
    load->targets = ECC_NEW_ARRAY(arena, struct ecc_load_target, load->model->nnodes + 1);
    load->pools = ECC_NEW_ARRAY(arena, struct ecc_load_pool, load->nparts);
    load->behind = ECC_NEW(arena, struct ecc_histogram);
    for (size_t i = 0; i < load->nparts; i++)
        if ((code = plan_part(load, state, &load->parts[i])))
            return code;
    for (size_t i = 0; i < load->npools; i++) {
        struct ecc_load_pool *pool = &load->pools[i];
        pool->n = load->identities ? (size_t)load->identities : ecc_load_identities(pool->limit, pool->rate);
        pool->senders = ECC_NEW_ARRAY(arena, struct ecc_sender, pool->n);
        if (pool->limit && pool->limit->per != ECC_PER_ADDRESS && pool->rate > pool->limit->per_second * (double)pool->n)
            fprintf(stderr, "ecomc: note: %.0f/s are more than %zu identities may send (%g/s each); the rest is answered 429\n", pool->rate,
                    pool->n, pool->limit->per_second);
    }
    warn_of_limits(load);
    return 0;
}

int ecc_load_open(struct ecc_load *load)
{
    const char *why;

    if (uv_loop_init(&load->loop))
        return ecc_say_error(ECC_EXIT_IO, "no event loop can be made: out of descriptors or memory");
    load->opened = true;
    for (size_t i = 0; i < load->ntargets; i++) {
        struct ecc_load_target *target = &load->targets[i];
        target->clients = ECC_NEW_ARRAY(&load->cli->arena, struct ec_http_client *, target->n);
        for (size_t k = 0; k < target->n; k++) {
            const char *url = ecc_arena_printf(&load->cli->arena, "http://127.0.0.1:%d", target->ports[k]);
            target->clients[k] = ec_http_client_new(&load->loop, url, ECC_LOAD_IN_FLIGHT + 1, &why);
            if (!target->clients[k])
                return ecc_say_error(ECC_EXIT_INTERNAL, "%s %s", url, why);
        }
    }
    return 0;
}

void ecc_load_close(struct ecc_load *load)
{
    for (size_t i = 0; i < load->npools; i++)
        for (size_t k = 0; k < load->pools[i].n; k++) {
            free(load->pools[i].senders[k].token);
            json_decref(load->pools[i].senders[k].first);
        }
    for (size_t i = 0; i < load->nparts; i++)
        for (size_t k = 0; k < load->parts[i].nanswers; k++)
            ecc_answers_free(&load->parts[i].answers[k]);
    if (!load->opened)
        return;
    for (size_t i = 0; i < load->ntargets; i++)
        for (size_t k = 0; load->targets[i].clients && k < load->targets[i].n; k++)
            ec_http_client_stop(load->targets[i].clients[k]);
    uv_run(&load->loop, UV_RUN_DEFAULT);
    uv_loop_close(&load->loop);
}
