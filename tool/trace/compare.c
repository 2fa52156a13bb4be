/* A recorded trace against the derived one, list of siblings by list of siblings.
 *
 * A recorded hop belongs to the first derived sibling that asks the same along the same edge and is not taken, one with the same end before
 * others. What is left over is missing or extra, whose own consequences are not told again. Of those that belong together the ends are
 * compared, then their order: whoever stands before another in the derivation came before it, unless they are of different branches, of a
 * loop, or nobody waits for one of them. The fewest hops are told to be out of order. Where a difference is no mistake but a matter of
 * time, `allowances` says why.
 */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "cnames.h"
#include "traces.h"

struct comparing {
    struct ecc_arena *arena;
    struct ecc_differences *out;
    uint64_t began_us;    /* of the trace, since 1970 */
    uint64_t *verdict_us; /* when the gateway's auth was asked last, end of it, since 1970; 0: not yet */
};

/* A list of siblings on both sides. */
struct sides {
    const struct ecc_hops *derived;
    struct ecc_hops *recorded;
    const struct ecc_hop *parent; /* derived, or NULL at the top */
    size_t *of_recorded;          /* the derived one of each; NONE */
    bool *found;                  /* of each derived one */
    bool asked_again;             /* the gateway's verdict had run out */
    const struct ecc_auth *auth;
    bool leases;                  /* the gateway's limit */
};

static const size_t NONE = (size_t)-1;

const char *ecc_difference_name(enum ecc_difference_kind kind)
{
    static const char *const names[] = {
#define X(e, n) n,
        ECC_DIFFERENCES(X)
#undef X
    };
    return names[kind];
}

/* ------------------------------------------------------------------ words */

static const char *way(struct ecc_arena *arena, const struct ecc_hop *hop)
{
    return ecc_arena_printf(arena, "%s -> %s %s", hop->from->name, ecc_hop_to(arena, hop), hop->label);
}

static const char *end_of(struct ecc_arena *arena, const struct ecc_hop *hop)
{
    const char *status = hop->status ? ecc_arena_printf(arena, " %d", hop->status) : "";

    return ecc_arena_printf(arena, "%s%s%s%s", ecc_hop_outcome_name(hop->outcome), status, hop->error ? " " : "",
                            hop->error ? hop->error->name : "");
}

static const char *below(struct ecc_arena *arena, const struct sides *s)
{
    return s->parent ? ecc_arena_printf(arena, ", below %s", way(arena, s->parent)) : "";
}

static void tell(struct comparing *c, enum ecc_difference_kind kind, const struct ecc_hop *derived, const struct ecc_hop *recorded,
                 const char *text)
{
    const struct ecc_difference difference = {kind, derived, recorded, text};

    ECC_PUSH(c->arena, c->out, difference);
}

/* ------------------------------------------------------------------ the same message? */

/* `POST /v1/things/{id}/open` is what the gateway calls the route of `POST /v1/things/7/open?now=1`. */
static bool route_fits(const char *route, const char *request)
{
    while (*route && *request && *request != '?') {
        if (*route != '{') {
            if (*route++ != *request++)
                return false;
            continue;
        }
        route += strcspn(route, "}");
        route += *route == '}';
        request += strcspn(request, "/?");
    }
    return !*route && (!*request || *request == '?');
}

/* The token of a request was not remembered any more, so what is behind it could not be asked for along with the limit. */
static bool value_comes_alone(const struct sides *s)
{
    return s->asked_again && !s->auth->while_.keyspace;
}

static bool is_part(const struct ecc_hop *recorded, const char *part, size_t n)
{
    return recorded->kind == ECC_HOP_CACHE && strlen(recorded->label) == n && !strncmp(recorded->label, part, n);
}

/* What a round trip of the gateway may be without: tokens of a limit that are at hand, the session of a token that it remembers no more, a
 * value that it has kept itself (`near`), and one that has come alone. */
static bool may_lack(const struct sides *s, const struct ecc_hop *derived, const char *part, size_t n)
{
    const struct ecc_keyspace *session = s->asked_again ? s->auth->while_.keyspace : NULL;
    const struct ecc_keyspace *const without[] = {session, derived->near};

    if (n == 5 && !strncmp(part, "limit", 5))
        return s->leases;
    for (size_t i = 0; i < s->recorded->n && value_comes_alone(s); i++)
        if (is_part(s->recorded->items[i], part, n))
            return true;
    for (size_t i = 0; i < 2; i++)
        if (without[i] && n == 4 + strlen(without[i]->name) && !strncmp(part, "get ", 4) && !strncmp(part + 4, without[i]->name, n - 4))
            return true;
    return false;
}

static size_t part_of(const char *label)
{
    const char *comma = strstr(label, ", ");

    return comma ? (size_t)(comma - label) : strlen(label);
}

static const char *behind(const char *label, size_t n)
{
    return label + n + (label[n] ? 2 : 0);
}

/* `limit, get sessions, get things` is what may be asked for; recorded is that in its order, without what may be lacking. */
static bool parts_fit(const struct sides *s, const struct ecc_hop *derived, const char *recorded)
{
    const char *wanted = derived->label;

    while (*wanted) {
        size_t n = part_of(wanted);
        if (*recorded && part_of(recorded) == n && !strncmp(wanted, recorded, n))
            recorded = behind(recorded, n);
        else if (!may_lack(s, derived, wanted, n))
            return false;
        wanted = behind(wanted, n);
    }
    return !*recorded;
}

static bool same_message(const struct sides *s, const struct ecc_hop *derived, const struct ecc_hop *recorded)
{
    if (derived->kind != recorded->kind || strcmp(derived->from->name, recorded->from->name) != 0)
        return false;
    if (derived->to ? !recorded->to || strcmp(derived->to->name, recorded->to->name) != 0 : recorded->to != NULL)
        return false;
    if (!strcmp(derived->label, recorded->label))
        return true;
    if (derived->kind == ECC_HOP_REQUEST)
        return route_fits(recorded->label, derived->label);
    return derived->kind == ECC_HOP_CACHE && parts_fit(s, derived, recorded->label);
}

/* The value, which says whether the round trip has hit, was not asked for in it. */
static bool without_value(const struct ecc_hop *derived, const struct ecc_hop *recorded)
{
    size_t d = strlen(derived->label), r = strlen(recorded->label), n = d;

    if (derived->kind != ECC_HOP_CACHE || (derived->outcome != ECC_HOP_IS_HIT && derived->outcome != ECC_HOP_IS_MISS))
        return false;
    while (n && strncmp(derived->label + n, ", ", 2) != 0)
        n--;
    return n && (r < d - n - 2 || strcmp(recorded->label + r - (d - n - 2), derived->label + n + 2) != 0);
}

/* What the derivation does not say of an end (the error that an attempt in between is seen as) may be anything. */
static bool same_end(const struct ecc_hop *derived, const struct ecc_hop *recorded)
{
    if (without_value(derived, recorded))
        return recorded->outcome == ECC_HOP_IS_OK;
    if (derived->outcome != recorded->outcome || (derived->status && recorded->status && derived->status != recorded->status))
        return false;
    return !derived->error || (recorded->error && !strcmp(derived->error->name, recorded->error->name));
}

/* ------------------------------------------------------------------ who belongs to whom */

static size_t partner(const struct sides *s, const struct ecc_hop *recorded)
{
    size_t second = NONE;

    for (size_t i = 0; i < s->derived->n; i++) {
        const struct ecc_hop *derived = s->derived->items[i];
        if ((s->found[i] && !derived->many) || !same_message(s, derived, recorded))
            continue;
        if (same_end(derived, recorded))
            return i;
        if (second == NONE && !s->found[i])
            second = i;
    }
    return second;
}

/* ------------------------------------------------------------------ allowances */

static bool well(const struct ecc_hop *hop)
{
    return hop->outcome == ECC_HOP_IS_OK || hop->outcome == ECC_HOP_IS_HIT || hop->outcome == ECC_HOP_IS_MISS;
}

/* What failed and the runtime asks again until it holds: an undo, the end of a saga, a step that can't be undone, an event. */
static bool asked_until_it_holds(const struct sides *s, const struct ecc_hop *recorded)
{
    for (size_t i = 0; i < s->derived->n; i++) {
        const struct ecc_hop *d = s->derived->items[i];
        bool again = d->kind == ECC_HOP_DELIVER || d->phase == ECC_HOP_FOR_UNDO || d->phase == ECC_HOP_FOR_DONE ||
                     d->phase == ECC_HOP_FOR_FAILED || (d->phase == ECC_HOP_FOR_DO && d->step && !d->step->undo);
        if (s->found[i] && again && !well(d) && same_message(s, d, recorded))
            return true;
    }
    return false;
}

/* The gateway asks who a token is once its answer of before has run out. */
static bool verdict_ran_out(const struct sides *s, const struct ecc_hop *recorded)
{
    return s->asked_again && recorded->kind == ECC_HOP_CALL && !strcmp(recorded->label, s->auth->via->u.call.op->name) &&
           recorded->to == s->auth->via->u.call.edge->to;
}

/* The value behind a token, for which the gateway had to ask again who that is. */
static bool value_behind_verdict(const struct sides *s, const struct ecc_hop *recorded)
{
    for (size_t i = 0; i < s->derived->n && value_comes_alone(s); i++) {
        const struct ecc_hop *derived = s->derived->items[i];
        for (const char *part = derived->label; derived->kind == ECC_HOP_CACHE && *part; part = behind(part, part_of(part)))
            if (!strncmp(part, "get ", 4) && is_part(recorded, part, part_of(part)))
                return true;
    }
    return false;
}

/* The bus is not there: the event stays in the outbox, and nothing is sent. */
static bool waits_in_the_outbox(const struct ecc_hop *derived)
{
    return derived->kind == ECC_HOP_PUBLISH && derived->outcome == ECC_HOP_IS_REFUSED;
}

/* Nothing of what the round trip would have asked for. */
static bool nothing_to_ask(const struct sides *s, const struct ecc_hop *derived)
{
    return derived->kind == ECC_HOP_CACHE && parts_fit(s, derived, "");
}

/* ------------------------------------------------------------------ order */

static bool ordered(const struct ecc_hop *a, const struct ecc_hop *b)
{
    if (a->beside || b->beside) /* but the steps of a saga that nobody awaits follow each other */
        return a->beside && b->beside && a->saga && a->saga == b->saga && a->kind != ECC_HOP_PUBLISH && b->kind != ECC_HOP_PUBLISH;
    if (a->many && b->many)
        return false;
    return !(a->branch && b->branch && a->branch != b->branch);
}

/* Of two recorded ones, the earlier first: may they come so? */
static bool in_order(const struct sides *s, size_t earlier, size_t later)
{
    size_t a = s->of_recorded[earlier], b = s->of_recorded[later];

    return a == NONE || b == NONE || a <= b || !ordered(s->derived->items[b], s->derived->items[a]);
}

static void compare_order(struct comparing *c, const struct sides *s)
{
    size_t n = s->recorded->n;
    bool *told = ECC_NEW_ARRAY(c->arena, bool, n + 1);

    for (;;) { /* the one that stands wrong to the most others, until nobody does */
        size_t worst = NONE, most = 0, with = NONE;
        for (size_t i = 0; i < n; i++) {
            size_t wrong = 0, other = NONE;
            for (size_t k = 0; k < n && !told[i]; k++)
                if (!told[k] && i != k && !(i < k ? in_order(s, i, k) : in_order(s, k, i))) {
                    wrong++;
                    other = k;
                }
            if (wrong > most) {
                most = wrong;
                worst = i;
                with = other;
            }
        }
        if (worst == NONE)
            return;
        told[worst] = true;
        const struct ecc_hop *hop = s->recorded->items[worst];
        tell(c, ECC_DIFFERENCE_REORDERED, s->derived->items[s->of_recorded[worst]], hop,
             ecc_arena_printf(c->arena, "%s came %s %s%s", way(c->arena, hop), worst < with ? "before" : "after",
                              way(c->arena, s->recorded->items[with]), below(c->arena, s)));
    }
}

/* ------------------------------------------------------------------ the lists */

static void compare_lists(struct comparing *c, const struct ecc_hop *parent, const struct ecc_hops *derived, struct ecc_hops *recorded,
                          const struct ecc_hop *request);

/* What it is there for, as the derivation says. */
static void adopt(struct ecc_hop *hop, const struct ecc_hop *derived)
{
    hop->phase = derived->phase;
    hop->saga = derived->saga;
    hop->step = derived->step;
    hop->attempt = derived->attempt;
    hop->branch = derived->branch;
    hop->beside = derived->beside;
    hop->maybe = derived->maybe;
    hop->many = derived->many;
    hop->say = derived->say;
    if (derived->kind == ECC_HOP_REQUEST)
        hop->label = derived->label;
    if (derived->error && hop->error && !strcmp(derived->error->name, hop->error->name))
        hop->error = derived->error;
}

static void compare_pair(struct comparing *c, const struct sides *s, const struct ecc_hop *derived, struct ecc_hop *recorded)
{
    c->out->matched++;
    if (!same_end(derived, recorded))
        tell(c, ECC_DIFFERENCE_CHANGED, derived, recorded,
             ecc_arena_printf(c->arena, "%s ended with %s, derived is %s%s", way(c->arena, recorded), end_of(c->arena, recorded),
                              end_of(c->arena, derived), below(c->arena, s)));
    adopt(recorded, derived);
    compare_lists(c, derived, &derived->hops, &recorded->hops, derived->kind == ECC_HOP_REQUEST ? recorded : NULL);
}

static bool asks_for_verdict(const struct ecc_auth *auth, const struct ecc_hops *hops, uint64_t *end_us)
{
    for (size_t i = 0; i < hops->n; i++) {
        const struct ecc_hop *hop = hops->items[i];
        if (hop->kind == ECC_HOP_CALL && hop->to == auth->via->u.call.edge->to && !strcmp(hop->label, auth->via->u.call.op->name)) {
            *end_us = hop->end_us;
            return true;
        }
    }
    return false;
}

/* Of a request's messages: had what the gateway knew of the token run out when it came? */
static void look_at_verdict(struct comparing *c, struct sides *s, const struct ecc_hop *request)
{
    const struct ecc_node *gateway = request->to;
    uint64_t before = *c->verdict_us, last_us;

    if (!gateway || gateway->kind != ECC_NODE_GATEWAY || !gateway->u.gateway.auth || !gateway->u.gateway.auth->via)
        return;
    s->auth = gateway->u.gateway.auth;
    if (!asks_for_verdict(s->auth, s->recorded, &last_us))
        return;
    *c->verdict_us = c->began_us + last_us;
    if (asks_for_verdict(s->auth, s->derived, &last_us))
        return;
    s->asked_again = before && c->began_us + request->start_us + 5000 >= before + (uint64_t)s->auth->cache_ms * 1000; /* 5 ms: clocks of two processes */
}

static void compare_lists(struct comparing *c, const struct ecc_hop *parent, const struct ecc_hops *derived, struct ecc_hops *recorded,
                          const struct ecc_hop *request)
{
    struct sides s = {.derived = derived, .recorded = recorded, .parent = parent};

    s.of_recorded = ECC_NEW_ARRAY(c->arena, size_t, recorded->n + 1);
    s.found = ECC_NEW_ARRAY(c->arena, bool, derived->n + 1);
    if (request)
        look_at_verdict(c, &s, request);
    s.leases = request && request->to && request->to->kind == ECC_NODE_GATEWAY && request->to->u.gateway.limit &&
               request->to->u.gateway.limit->lease;
    for (size_t i = 0; i < recorded->n; i++) {
        size_t at = s.of_recorded[i] = partner(&s, recorded->items[i]);
        if (at != NONE) {
            s.found[at] = true;
            compare_pair(c, &s, derived->items[at], recorded->items[i]);
        }
    }
    for (size_t i = 0; i < derived->n; i++) {
        const struct ecc_hop *hop = derived->items[i];
        if (!s.found[i] && !hop->maybe && !hop->many && !waits_in_the_outbox(hop) && !nothing_to_ask(&s, hop))
            tell(c, ECC_DIFFERENCE_MISSING, hop, NULL,
                 ecc_arena_printf(c->arena, "%s (%s) was not seen%s", way(c->arena, hop), end_of(c->arena, hop), below(c->arena, &s)));
    }
    for (size_t i = 0; i < recorded->n; i++) {
        struct ecc_hop *hop = recorded->items[i];
        if (s.of_recorded[i] != NONE)
            continue;
        if (parent)
            hop->phase = parent->phase;
        if (!asked_until_it_holds(&s, hop) && !verdict_ran_out(&s, hop) && !value_behind_verdict(&s, hop))
            tell(c, ECC_DIFFERENCE_EXTRA, NULL, hop,
                 ecc_arena_printf(c->arena, "%s (%s) is not derived%s", way(c->arena, hop), end_of(c->arena, hop), below(c->arena, &s)));
    }
    compare_order(c, &s);
}

void ecc_trace_compare(struct ecc_arena *arena, const struct ecc_derived *derived, struct ecc_derived *recorded,
                       uint64_t *verdict_us, struct ecc_differences *out)
{
    struct comparing c = {.arena = arena, .out = out, .began_us = recorded->began_us, .verdict_us = verdict_us};

    compare_lists(&c, NULL, &derived->hops, &recorded->hops, NULL);
    ecc_hops_name(arena, &recorded->hops); /* what has the derivation's labels now */
}
