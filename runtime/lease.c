/* Leases: `lease M` of a limit. Up to M tokens of a client come from Redis at once and are spent here, so most requests of one who comes
 * often cost no message.
 *
 * Tokens that are here have been taken from the bucket in Redis, so nobody gets more than it gives. What is not spent within the lease's
 * life (the time in which M tokens come back, a second at least), what is forgotten because there are too many clients, and what was
 * granted in an answer that did not arrive, is lost. In some time a process admits what the plain limit would, and what it held when that
 * time began: M at most.
 *
 * One question of a client is under way at a time; who comes meanwhile waits in line. When the answer has fewer tokens than are wanted
 * the first ones get them, and one more question is asked for the others. A refusal answers everybody, and is remembered until the next
 * token comes back: until then Redis can't say otherwise, since all that it grants meanwhile moves that time on. Both times are counted
 * from before the question, so a client waits no longer than by Redis.
 *
 * A verdict from here is given before ec_lease_take returns, and allocates nothing. Memory: a client has a `struct lease`, of which
 * there are MOST, in a table of chains and, while nothing is asked for it, in a queue by their last use. A new one takes the place of the
 * oldest. Clients choose their names, so the table's hash is keyed.
 */
#include "lease.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "siphash.h"

enum { MOST = 16384 }; /* also the number of chains: a power of 2 */

struct waiter {
    void (*done)(void *data, const struct ec_limit_verdict *verdict);
    void *data;
    struct waiter *next;
};

struct lease {
    struct lease *newer, *older; /* by last use, unless asking */
    struct lease *next;          /* in its chain */
    const struct ec_limit *limit;
    uint64_t hash;
    int64_t here, there;         /* tokens: of this lease, and in the bucket when it was taken */
    uint64_t asked_us, until_us; /* when it was asked for, and the end of its life */
    uint64_t full_us, retry_us;  /* when the bucket will be full, and until when it is refused */
    bool asking;
    struct waiter *first, **end;
    size_t n;
    char who[];
};

static struct {
    struct lease **chains; /* NULL: nothing yet */
    size_t n;
    struct lease *newest, *oldest; /* by last use, of those that nothing is asked for */
    uint8_t key[16];
} leases;

/* ------------------------------------------------------------------ the table */

static uint64_t now_us(void)
{
    return uv_hrtime() / 1000;
}

static struct lease **chain_of(uint64_t hash)
{
    return &leases.chains[hash & (MOST - 1)];
}

static void leave_queue(struct lease *lease)
{
    *(lease->newer ? &lease->newer->older : &leases.newest) = lease->older;
    *(lease->older ? &lease->older->newer : &leases.oldest) = lease->newer;
}

static void enter_queue(struct lease *lease)
{
    lease->newer = NULL;
    lease->older = leases.newest;
    *(leases.newest ? &leases.newest->newer : &leases.oldest) = lease;
    leases.newest = lease;
}

static void forget(struct lease *lease)
{
    struct lease **at = chain_of(lease->hash);

    while (*at != lease)
        at = &(*at)->next;
    *at = lease->next;
    leave_queue(lease);
    leases.n--;
    free(lease);
}

static bool is_over(const struct lease *lease, uint64_t now)
{
    return now >= lease->retry_us && (!lease->here || now >= lease->until_us);
}

/* A place for one more: the oldest that say nothing any more go, two at a time, so that a table that was full once gets empty again. */
static bool make_room(uint64_t now)
{
    for (int i = 0; i < 2 && leases.oldest && is_over(leases.oldest, now); i++)
        forget(leases.oldest);
    if (leases.n < MOST)
        return true;
    if (!leases.oldest)
        return false;
    forget(leases.oldest);
    return true;
}

static void open_table(void)
{
    leases.chains = calloc(MOST, sizeof(*leases.chains));
    if (!leases.chains)
        abort();
    ec_random(leases.key, sizeof(leases.key));
}

static struct lease *find(const struct ec_limit *limit, struct ec_str who, uint64_t hash)
{
    struct lease *lease = *chain_of(hash);

    while (lease && (lease->hash != hash || lease->limit != limit || lease->n != who.n || memcmp(lease->who, who.p, who.n) != 0))
        lease = lease->next;
    return lease;
}

static struct lease *add(const struct ec_limit *limit, struct ec_str who, uint64_t hash)
{
    struct lease *lease = calloc(1, sizeof(*lease) + who.n), **chain = chain_of(hash);

    if (!lease)
        abort();
    lease->limit = limit;
    lease->hash = hash;
    lease->end = &lease->first;
    lease->n = who.n;
    memcpy(lease->who, who.p, who.n);
    lease->next = *chain;
    *chain = lease;
    leases.n++;
    enter_queue(lease);
    return lease;
}

/* ------------------------------------------------------------------ verdicts */

static void answer(const struct lease *lease, bool allowed, bool local, uint64_t now, struct waiter to)
{
    struct ec_limit_verdict verdict = {.known = true, .allowed = allowed, .local = local, .remaining = lease->there + lease->here};

    verdict.reset_s = lease->full_us > now ? ec_limiter_seconds((int64_t)(lease->full_us - now)) : 1;
    verdict.retry_s = lease->retry_us > now ? ec_limiter_seconds((int64_t)(lease->retry_us - now)) : 1;
    ec_limiter_count(&verdict);
    to.done(to.data, &verdict); /* may ask again, and be answered */
}

static void answer_unknown(const struct ec_limit *limit, struct waiter to)
{
    struct ec_limit_verdict verdict = {.allowed = limit->when_down_allow, .retry_s = 1};

    ec_limiter_count(&verdict);
    to.done(to.data, &verdict);
}

static void wait_for(struct lease *lease, struct waiter waiter)
{
    struct waiter *one = malloc(sizeof(*one));

    if (!one)
        abort();
    *one = waiter;
    one->next = NULL;
    *lease->end = one;
    lease->end = &one->next;
}

static struct waiter next_in(struct waiter **line)
{
    struct waiter *first = *line, one = *first;

    *line = one.next;
    free(first);
    return one;
}

static void on_granted(void *data, const struct ec_redis_reply *reply);

static void ask(struct lease *lease)
{
    lease->asked_us = now_us();
    ec_limiter_ask(lease->limit, (struct ec_str){lease->who, lease->n}, lease->limit->lease, on_granted, lease);
}

/* Nothing is asked any more; who waited is the caller's to answer. */
static struct waiter *settle(struct lease *lease)
{
    struct waiter *line = lease->first;

    lease->first = NULL;
    lease->end = &lease->first;
    lease->asking = false;
    enter_queue(lease);
    return line;
}

/* Each answer may cause another request of the same client, and one of somebody else, for whom this lease may be forgotten. */
static void refuse(struct lease *lease, const struct ec_limit_grant *grant, uint64_t now)
{
    struct lease said;
    struct waiter *line;

    lease->there = 0;
    lease->full_us = lease->asked_us + (uint64_t)grant->full_us;
    lease->retry_us = lease->asked_us + (uint64_t)grant->retry_us;
    said = *lease;
    line = settle(lease);
    while (line)
        answer(&said, false, false, now, next_in(&line));
}

static void spend(struct lease *lease, const struct ec_limit_grant *grant, uint64_t now)
{
    double life_us = (double)ec_limiter_token_us(lease->limit) * lease->limit->lease;

    lease->here = grant->n;
    lease->there = grant->left;
    lease->full_us = lease->asked_us + (uint64_t)grant->full_us;
    lease->retry_us = 0;
    lease->until_us = lease->asked_us + (uint64_t)(life_us > 1e6 ? life_us : 1e6);
    while (lease->first && lease->here) {
        struct waiter one = next_in(&lease->first);
        if (!lease->first)
            lease->end = &lease->first;
        lease->here--;
        answer(lease, true, false, now, one);
    }
    if (lease->first)
        ask(lease);
    else
        settle(lease);
}

static void on_granted(void *data, const struct ec_redis_reply *reply)
{
    struct lease *lease = data;
    const struct ec_limit *limit = lease->limit;
    struct ec_limit_grant grant;
    struct waiter *line;

    if (ec_limiter_granted(limit, (struct ec_str){lease->who, lease->n}, limit->lease, reply, &grant)) {
        (grant.n > 0 ? spend : refuse)(lease, &grant, now_us());
        return;
    }
    line = settle(lease);
    while (line)
        answer_unknown(limit, next_in(&line));
}

bool ec_lease_take(const struct ec_limit *limit, struct ec_str who, void (*done)(void *data, const struct ec_limit_verdict *verdict),
                   void *data)
{
    const struct waiter one = {done, data, NULL};
    uint64_t now = now_us(), hash;
    struct lease *lease;

    if (!leases.chains)
        open_table();
    hash = ec_siphash(leases.key, who.p, who.n);
    lease = find(limit, who, hash);
    if (!lease && !make_room(now))
        return false;
    if (!lease)
        lease = add(limit, who, hash);
    if (lease->asking) {
        wait_for(lease, one);
        return true;
    }
    leave_queue(lease);
    if (is_over(lease, now)) {
        lease->here = 0;
        lease->asking = true;
        wait_for(lease, one);
        ask(lease);
        return true;
    }
    enter_queue(lease);
    if (now < lease->retry_us) {
        answer(lease, false, true, now, one);
    } else {
        lease->here--;
        answer(lease, true, true, now, one);
    }
    return true;
}

void ec_lease_close(void)
{
    while (leases.chains && leases.oldest)
        forget(leases.oldest);
    free(leases.chains);
    leases.chains = NULL;
}
