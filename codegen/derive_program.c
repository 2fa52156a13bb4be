/* Operations and other programs, statement by statement. */
#include <string.h>

#include "arena.h"
#include "derive_internal.h"

enum flow { NEXT, ENDED };

struct run {
    struct ecc_derive *d;
    struct ecc_at at;
    struct ecc_env *env;
    struct ecc_answer answer;
};

static enum flow run_block(struct run *r, const struct ecc_block *block);

static enum flow failed(struct run *r, const struct ecc_error *error, bool unknown)
{
    r->answer = (struct ecc_answer){.error = error, .unknown = unknown};
    return ENDED;
}

static enum flow replied(struct run *r, const struct ecc_expr *e, bool accepted)
{
    r->answer = (struct ecc_answer){.value = e ? ecc_env_eval(r->env, e) : &ecc_known_null, .accepted = accepted};
    return ENDED;
}

static enum flow out(struct run *r, const struct ecc_stmt *s)
{
    return s->kind == ECC_STMT_FAIL ? failed(r, s->u.fail.error, false) : replied(r, s->u.expr, s->kind == ECC_STMT_ACCEPT);
}

/* ------------------------------------------------------------------ SQL */

static const struct ecc_known *row(struct run *r, const struct ecc_sql *sql)
{
    return ecc_known_row(r->d->arena, sql->row, ecc_arena_printf(r->d->arena, "%s.%s#%u", r->at.node->name, sql->name, ++r->d->names));
}

/* Is this the way out that is assumed? */
static bool steered(const struct run *r, const struct ecc_stmt *s)
{
    return r->at.steer && s->kind == ECC_STMT_FAIL && s->u.fail.error == r->at.steer;
}

/* Where it is not known: the straight way, no row where `found` leaves, a row where `none` does or nothing. */
static enum flow run_sql(struct run *r, const struct ecc_stmt *s)
{
    const struct ecc_sql *sql = s->u.sql;
    struct ecc_hop *hop = ecc_derive_hop(r->d, &r->at, ECC_HOP_SQL, NULL, NULL, sql->name, s->span);
    const struct ecc_known *value = &ecc_known_null;
    struct ecc_row *which;

    hop->many = r->at.many;
    if (s->none && steered(r, s->none))
        return out(r, s->none);
    enum ecc_truth there = ecc_derive_rows(r->d, r->env, r->at.node, sql, &which);
    if (s->none && there == ECC_FALSE)
        return out(r, s->none);
    if (sql->shape == ECC_SQL_ONE || (sql->shape == ECC_SQL_MAYBE && (there == ECC_UNKNOWN ? !s->found : there == ECC_TRUE)))
        value = ecc_derive_result(r->d, sql, which, row(r, sql));
    else if (sql->shape == ECC_SQL_MANY)
        value = ecc_known_some(r->d->arena, "%s.%s#%u", r->at.node->name, sql->name, ++r->d->names);
    ecc_env_bind(r->env, s->let, value);
    return sql->shape == ECC_SQL_MAYBE && there == ECC_TRUE && s->found ? out(r, s->found) : NEXT;
}

/* What a transaction has written is gone when it fails. */
static enum flow run_tx(struct run *r, const struct ecc_stmt *s)
{
    size_t n = r->d->rows.n;
    struct ecc_row **before = ECC_NEW_ARRAY(r->d->arena, struct ecc_row *, n + 1);

    if (n)
        memcpy(before, r->d->rows.items, n * sizeof *before);
    enum flow flow = run_block(r, &s->u.block);
    if (flow == ENDED && r->answer.error) {
        r->d->rows.items = before;
        r->d->rows.n = n;
        r->d->rows.cap = n + 1;
    }
    return flow;
}

/* ------------------------------------------------------------------ calls and sagas */

static enum flow caught(struct run *r, const struct ecc_answer *answer, const struct ecc_catch *catches, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (catches[i].error == answer->error)
            return run_block(r, &catches[i].body);
    return failed(r, answer->error, answer->unknown);
}

static enum flow run_call(struct run *r, const struct ecc_stmt *s)
{
    struct ecc_answer answer = ecc_derive_call(r->d, &r->at, s, r->env);

    if (answer.error)
        return caught(r, &answer, s->u.call.catches, s->u.call.ncatches);
    ecc_env_bind(r->env, s->let, answer.value ? answer.value : &ecc_known_null);
    return NEXT;
}

/* A variable of a saga holds which one was started: a name that leads to it. */
static void run_start(struct run *r, const struct ecc_stmt *s)
{
    struct ecc_started *started = ECC_NEW(r->d->arena, struct ecc_started);
    struct ecc_known *value = ecc_known_object(r->d->arena, 0);
    struct ecc_later later = {.saga = started, .hops = r->at.hops};

    started->saga = s->u.start.saga;
    started->args = ecc_env_eval(r->env, s->u.start.args);
    value->text = ecc_arena_printf(r->d->arena, "saga#%zu", r->d->later.n);
    value->i = (int64_t)r->d->later.n;
    ecc_env_bind(r->env, s->let, value);
    ECC_PUSH(r->d->arena, &r->d->later, later);
}

static enum flow run_await(struct run *r, const struct ecc_stmt *s)
{
    const struct ecc_known *which = ecc_env_eval(r->env, s->u.await.saga);
    struct ecc_answer answer;

    if (which->kind != ECC_KNOWN_OBJECT || !which->text || (size_t)which->i >= r->d->later.n || !r->d->later.items[which->i].saga)
        return NEXT; /* was not started on this way */
    answer = ecc_derive_saga(r->d, &r->at, r->d->later.items[which->i].saga);
    if (answer.pending && !answer.error)
        return s->u.await.has_late ? run_block(r, &s->u.await.late) : failed(r, &ecc_derive_timeout, true);
    return answer.error ? caught(r, &answer, s->u.await.catches, s->u.await.ncatches) : NEXT;
}

static void run_publish(struct run *r, const struct ecc_stmt *s)
{
    const struct ecc_event *event = s->u.publish.event;
    const struct ecc_node *bus = NULL;
    const struct ecc_edge *edge = NULL;

    for (size_t i = 0; i < r->at.node->nout && !edge; i++)
        for (size_t k = 0; k < r->at.node->out[i]->npublish; k++)
            if (r->at.node->out[i]->publish[k] == event->topic) {
                edge = r->at.node->out[i];
                bus = edge->to;
            }
    struct ecc_hop *hop = ecc_derive_hop(r->d, &r->at, ECC_HOP_PUBLISH, bus, edge, event->name, s->span);
    struct ecc_later later = {.publish = hop, .event = event, .body = ecc_env_eval(r->env, s->u.publish.body)};
    hop->beside = true; /* the relay sends it when the transaction has been committed */
    hop->many = r->at.many;
    ECC_PUSH(r->d->arena, &r->d->later, later);
}

/* ------------------------------------------------------------------ caches */

static enum flow run_cache(struct run *r, const struct ecc_stmt *s)
{
    const struct ecc_keyspace *keyspace = s->u.cache.keyspace;
    const struct ecc_known *key = ecc_env_eval(r->env, s->u.cache.key), *value = NULL;
    const char *verb = s->kind == ECC_STMT_GET ? "get" : s->kind == ECC_STMT_PUT ? "put" : "drop";
    bool down = ecc_derive_cache_down(r->d, keyspace->cache), near = false;

    if (s->kind == ECC_STMT_GET)
        value = ecc_derive_cached(r->d, r->at.node, keyspace, key, &near);
    if (!near || !down) { /* what the service has itself goes on while the cache is away; else its time may have passed */
        struct ecc_hop *hop = ecc_derive_hop(r->d, &r->at, ECC_HOP_CACHE, keyspace->cache, ecc_derive_edge(r->at.node, keyspace->cache),
                                             ecc_arena_printf(r->d->arena, "%s %s", verb, keyspace->name), s->span);
        hop->many = r->at.many;
        hop->near = value && keyspace->near_ms ? keyspace : NULL;
        hop->maybe = hop->near != NULL;
        if (down)
            hop->outcome = ECC_HOP_IS_REFUSED;
        else if (s->kind == ECC_STMT_GET)
            hop->outcome = value ? ECC_HOP_IS_HIT : ECC_HOP_IS_MISS;
    }
    if (s->kind == ECC_STMT_PUT && !down)
        ecc_derive_keep(r->d, keyspace, key, ecc_env_eval(r->env, s->u.cache.value));
    else if (s->kind == ECC_STMT_DROP)
        ecc_derive_keep(r->d, keyspace, key, NULL);
    if (s->kind != ECC_STMT_GET) {
        ecc_derive_keep_near(r->d, r->at.node, keyspace, key, NULL);
        return NEXT;
    }
    ecc_env_bind(r->env, s->let, value ? value : &ecc_known_null);
    if (value && s->found)
        return out(r, s->found);
    return !value && s->none ? out(r, s->none) : NEXT;
}

/* ------------------------------------------------------------------ the rest */

static enum flow run_for(struct run *r, const struct ecc_stmt *s)
{
    const struct ecc_known *list = ecc_env_eval(r->env, s->u.loop.list);
    bool many = r->at.many, known = list->kind == ECC_KNOWN_LIST;
    size_t n = known ? list->n : list->kind == ECC_KNOWN_NULL ? 0 : 1;
    enum flow flow = NEXT;

    for (size_t i = 0; i < n && flow == NEXT && !r->d->cut; i++) {
        const struct ecc_known *item = known ? list->items[i] : ecc_known_some(r->d->arena, "%s[]", list->text ? list->text : "?");
        r->at.many = many || !known;
        ecc_env_bind(r->env, s->u.loop.item, item);
        flow = run_block(r, &s->u.loop.body);
    }
    r->at.many = many;
    return flow;
}

/* jwt.sign and jwt.verify undo each other; a token from elsewhere has claims of which only the names are known. */
static void run_builtin(struct run *r, const struct ecc_stmt *s)
{
    struct ecc_arena *arena = r->d->arena;
    static const char *const names[] = {"sub", "jti", "exp"};
    const struct ecc_known *value = &ecc_known_null;

    if (s->kind == ECC_STMT_NEW_ID) {
        value = ecc_known_some(arena, "id#%u", ++r->d->names);
    } else if (s->kind == ECC_STMT_HASH) {
        value = ecc_known_some(arena, "hash(%s)", ecc_known_print(arena, ecc_env_eval(r->env, s->u.builtin.a)));
    } else if (s->kind == ECC_STMT_VERIFY) {
        value = ecc_known_some(arena, "verified#%u", ++r->d->names);
    } else if (s->kind == ECC_STMT_SIGN) {
        struct ecc_known *token = ecc_known_object(arena, 3);
        const struct ecc_expr *parts[] = {s->u.builtin.a, s->u.builtin.b, s->u.builtin.c};
        for (size_t i = 0; i < 3; i++) {
            token->keys[i] = names[i];
            token->items[i] = ecc_env_eval(r->env, parts[i]);
        }
        token->text = ecc_arena_printf(arena, "token#%u", ++r->d->names);
        value = token;
    } else {
        const struct ecc_known *token = ecc_env_eval(r->env, s->u.builtin.a);
        value = token;
        if (token->kind != ECC_KNOWN_OBJECT) {
            struct ecc_known *claims = ecc_known_object(arena, 3);
            for (size_t i = 0; i < 3; i++) {
                claims->keys[i] = names[i];
                claims->items[i] = ecc_known_some(arena, "%s.%s", ecc_known_print(arena, token), names[i]);
            }
            value = claims;
        }
    }
    ecc_env_bind(r->env, s->let, value);
}

static enum flow run_stmt(struct run *r, const struct ecc_stmt *s)
{
    switch (s->kind) {
    case ECC_STMT_SQL:
        return run_sql(r, s);
    case ECC_STMT_TX:
        return run_tx(r, s);
    case ECC_STMT_CALL:
        return run_call(r, s);
    case ECC_STMT_START:
        run_start(r, s);
        return NEXT;
    case ECC_STMT_AWAIT:
        return run_await(r, s);
    case ECC_STMT_PUBLISH:
        run_publish(r, s);
        return NEXT;
    case ECC_STMT_GET:
    case ECC_STMT_PUT:
    case ECC_STMT_DROP:
        return run_cache(r, s);
    case ECC_STMT_HASH:
    case ECC_STMT_VERIFY:
    case ECC_STMT_SIGN:
    case ECC_STMT_CLAIMS:
    case ECC_STMT_NEW_ID:
        run_builtin(r, s);
        return NEXT;
    case ECC_STMT_LET:
        ecc_env_bind(r->env, s->let, ecc_env_eval(r->env, s->u.expr));
        return NEXT;
    case ECC_STMT_FOR:
        return run_for(r, s);
    case ECC_STMT_WHEN:
        return run_block(r, ecc_env_truth(r->env, s->u.when.cond) == ECC_TRUE ? &s->u.when.then : &s->u.when.otherwise);
    case ECC_STMT_FAIL:
        return !s->u.fail.cond || steered(r, s) || ecc_env_truth(r->env, s->u.fail.cond) == ECC_TRUE ? failed(r, s->u.fail.error, false)
                                                                                                     : NEXT;
    case ECC_STMT_RETURN:
    case ECC_STMT_ACCEPT:
        return replied(r, s->u.expr, s->kind == ECC_STMT_ACCEPT);
    }
    return NEXT;
}

static enum flow run_block(struct run *r, const struct ecc_block *block)
{
    enum flow flow = NEXT;

    for (size_t i = 0; i < block->nstmts && flow == NEXT && !r->d->cut; i++)
        flow = run_stmt(r, block->stmts[i]);
    return flow;
}

struct ecc_answer ecc_derive_program(struct ecc_derive *d, const struct ecc_at *at, const struct ecc_program *program, struct ecc_env *env)
{
    struct run run = {.d = d, .at = *at, .env = env, .answer = {.value = &ecc_known_null}};

    if (d->depth >= ECC_DERIVE_DEPTH) {
        d->cut = true;
        return run.answer;
    }
    d->depth++;
    run_block(&run, &program->body);
    d->depth--;
    return run.answer;
}

struct ecc_answer ecc_derive_op(struct ecc_derive *d, const struct ecc_at *at, const struct ecc_op *op, const struct ecc_known *args)
{
    struct ecc_env env = {.arena = d->arena, .args = args};

    if (op->custom) {
        const struct ecc_type *t = op->result;
        const char *name = ecc_arena_printf(d->arena, "%s#%u", op->name, ++d->names);
        return (struct ecc_answer){.value = t->kind == ECC_TYPE_RECORD ? ecc_known_row(d->arena, t->record, name)
                                                                       : ecc_known_some(d->arena, "%s", name)};
    }
    return ecc_derive_program(d, at, &op->program, &env);
}
