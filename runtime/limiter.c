/* A token bucket as one number: the time at which the bucket will be full again (the virtual scheduling of GCRA, ITU-T I.371). A request
 * moves it on by the time that a token takes to come back; it is refused when that would lie further ahead than a whole bucket takes.
 * One key a client, gone some time after the bucket is full; the time is that of Redis' clock, so gateways need not agree on theirs.
 *
 * The key is a number of 63 bits, and a question one BITFIELD, which Redis does as a whole, in less than half of a script's time:
 *
 *               full                  as it was; 0: there was no key
 *   saturating  full - now            0 when the bucket is full
 *   saturating  + TOP - size          at TOP when it is empty, and no further
 *   failing     + a token             nil, and nothing done, when there is none
 *   failing     - (TOP - size) + now  full, as it is now
 *
 * Who wants more than one token has an addition for each half of what is left to want (of 7: 4, 2, 1). Each is at most one more than all
 * behind it together, so as many are taken as there are.
 *
 * How long a key is to live is told by a command of its own, but only when `full` has come into another stretch of time: it then lives
 * until that stretch is over and another one as well, so it is there as long as its bucket is not full, and who comes often costs one
 * command. When a connection ends, or a process, before it has told so of a new key, that key stays until its client comes again.
 *
 * When Redis does not answer, the limit's `when down` decides; nothing is counted then.
 */
#include "lease.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "redis_clock.h"

/* Of an unsigned field of 63 bits. */
static const int64_t TOP = INT64_MAX;
/* As many shares as the halves of a lease, which is half of a burst at most. */
enum { WAS, MISSING, SHIFTED, FIRST_SHARE, SHARES = 20, WORDS = 9 + 4 * (SHARES + 3) };

struct question { /* `BITFIELD key ...` */
    size_t n, additions;
    struct ec_str args[WORDS];
    char numbers[SHARES + 3][24];
};

struct take {
    const struct ec_limit *limit;
    void (*done)(void *data, const struct ec_limit_verdict *verdict);
    void *data;
    size_t n;
    char who[];
};

static struct ec_metric *allowed, *refused, *unknown, *local;
static struct ec_buf key; /* of the command that is being sent */

void ec_limiter_count(const struct ec_limit_verdict *verdict)
{
    ec_metric_add(!verdict->known ? unknown : verdict->allowed ? allowed : refused, 1);
    if (verdict->local)
        ec_metric_add(local, 1);
}

void ec_limiter_open(void)
{
    static const char *const verdicts[] = {"allowed", "refused", "unknown"}; /* unknown: Redis did not say */
    struct ec_metric **const to[] = {&allowed, &refused, &unknown};
    struct ec_buf labels = {0};

    for (int i = 0; i < 3; i++) {
        labels.n = 0;
        ec_metric_label(&labels, "verdict", verdicts[i]);
        *to[i] = ec_metric(EC_COUNTER, "ec_limiter_requests_total", "Requests that a limit was asked for, by verdict", labels.p);
    }
    ec_buf_free(&labels);
    local = ec_metric(EC_COUNTER, "ec_limiter_local_total", "Requests that a limit with a lease decided without asking Redis", "");
}

void ec_limiter_close(void)
{
    ec_lease_close();
    ec_buf_free(&key);
}

int64_t ec_limiter_seconds(int64_t us)
{
    return (us + 999999) / 1000000;
}

int64_t ec_limiter_token_us(const struct ec_limit *limit)
{
    int64_t us = (int64_t)(1e6 / limit->per_second + 0.5); /* libm, for this alone, would be 0.3 MB of each gateway */

    return us > 0 ? us : 1;
}

static void arg(struct question *question, struct ec_str text)
{
    question->args[question->n++] = text;
}

static void overflow(struct question *question, struct ec_str how)
{
    arg(question, EC_STR("OVERFLOW"));
    arg(question, how);
}

static void addition(struct question *question, int64_t of)
{
    char *number = question->numbers[question->additions++];

    arg(question, EC_STR("INCRBY"));
    arg(question, EC_STR("u63"));
    arg(question, EC_STR("0"));
    arg(question, (struct ec_str){number, ec_int_format(of, number)});
}

static int share_of(int *want)
{
    int share = (*want + 1) / 2;

    *want -= share;
    return share;
}

static int64_t size_us(const struct ec_limit *limit)
{
    return ec_limiter_token_us(limit) * limit->burst;
}

static int64_t stretch_us(const struct ec_limit *limit)
{
    int64_t size = size_us(limit);

    return size > 1000000 ? size : 1000000;
}

static struct ec_str key_of(struct ec_str who)
{
    key.n = 0;
    ec_buf_str(&key, "bucket:");
    ec_buf_add(&key, who.p, who.n);
    return (struct ec_str){key.p, key.n};
}

void ec_limiter_ask(const struct ec_limit *limit, struct ec_str who, int want, ec_redis_done *done, void *data)
{
    int64_t token = ec_limiter_token_us(limit), size = size_us(limit), now;
    struct question question;

    if (!ec_redis_clock(&now)) {
        EC_REDIS(done, data, EC_STR("TIME")); /* which says why, or comes to nothing as any question would */
        return;
    }
    question.n = question.additions = 0;
    arg(&question, EC_STR("BITFIELD"));
    arg(&question, key_of(who));
    arg(&question, EC_STR("GET"));
    arg(&question, EC_STR("u63"));
    arg(&question, EC_STR("0"));
    overflow(&question, EC_STR("SAT"));
    addition(&question, -now);
    addition(&question, TOP - size);
    overflow(&question, EC_STR("FAIL"));
    while (want > 0)
        addition(&question, share_of(&want) * token);
    addition(&question, now - (TOP - size));
    ec_redis_command(question.n, question.args, done, data);
}

static void tell_life(const struct ec_limit *limit, struct ec_str who)
{
    char life[24];

    EC_REDIS(NULL, NULL, EC_STR("PEXPIRE"), key_of(who), {life, ec_int_format((size_us(limit) + 2 * stretch_us(limit)) / 1000 + 1, life)});
}

static bool read_grant(const struct ec_limit *limit, int want, const struct ec_redis_reply *reply, struct ec_limit_grant *grant)
{
    int64_t token = ec_limiter_token_us(limit), size = size_us(limit), missing;

    if (reply->type != EC_REDIS_ARRAY || reply->n <= FIRST_SHARE)
        return false;
    *grant = (struct ec_limit_grant){0};
    missing = reply->items[MISSING].i < size ? reply->items[MISSING].i : size;
    for (size_t i = FIRST_SHARE; want > 0 && i < reply->n; i++) {
        int share = share_of(&want);
        if (reply->items[i].type == EC_REDIS_INT)
            grant->n += share;
    }
    grant->full_us = missing + grant->n * token;
    grant->left = (size - grant->full_us) / token;
    grant->retry_us = grant->n ? 0 : missing + token - size;
    return true;
}

bool ec_limiter_granted(const struct ec_limit *limit, struct ec_str who, int want, const struct ec_redis_reply *reply,
                        struct ec_limit_grant *grant)
{
    static uint64_t said_ms;

    if (reply && read_grant(limit, want, reply, grant)) {
        if (reply->items[WAS].i / stretch_us(limit) != reply->items[reply->n - 1].i / stretch_us(limit))
            tell_life(limit, who);
        return true;
    }
    if (reply && uv_now(ec_app.loop) - said_ms > 10000) { /* not a key of ours, or a server that can't write */
        said_ms = uv_now(ec_app.loop);
        ec_log(EC_LOG_ERROR, NULL, "a limit could not be asked for", EC_L_TEXT("why", reply->text));
    }
    return false;
}

static void on_taken(void *data, const struct ec_redis_reply *reply)
{
    struct take *take = data;
    struct ec_limit_verdict verdict = {.allowed = take->limit->when_down_allow, .retry_s = 1};
    struct ec_limit_grant grant;

    if (ec_limiter_granted(take->limit, (struct ec_str){take->who, take->n}, 1, reply, &grant)) {
        verdict.known = true;
        verdict.allowed = grant.n == 1;
        verdict.remaining = grant.left;
        verdict.reset_s = ec_limiter_seconds(grant.full_us);
        verdict.retry_s = grant.retry_us > 0 ? ec_limiter_seconds(grant.retry_us) : 1;
    }
    ec_limiter_count(&verdict);
    take->done(take->data, &verdict);
    free(take);
}

void ec_limiter_take(const struct ec_limit *limit, struct ec_str who, void (*done)(void *data, const struct ec_limit_verdict *verdict),
                     void *data)
{
    struct take *take;

    if (limit->lease && ec_lease_take(limit, who, done, data))
        return;
    take = malloc(sizeof(*take) + who.n);
    if (!take)
        abort();
    *take = (struct take){limit, done, data, who.n};
    memcpy(take->who, who.p, who.n);
    ec_limiter_ask(limit, who, 1, on_taken, take);
}

void ec_limiter_headers(struct ec_buf *buf, const struct ec_limit *limit, const struct ec_limit_verdict *verdict)
{
    double fills_s = limit->burst / limit->per_second;
    int64_t window = (int64_t)fills_s + ((double)(int64_t)fills_s < fills_s);

    if (verdict->known) {
        ec_buf_int(buf, "RateLimit-Policy: \"default\";q=", limit->burst, "");
        ec_buf_int(buf, ";w=", window > 0 ? window : 1, "\r\n");
        ec_buf_int(buf, "RateLimit: \"default\";r=", verdict->remaining, "");
        ec_buf_int(buf, ";t=", verdict->reset_s, "\r\n");
    }
    if (!verdict->allowed)
        ec_buf_int(buf, "Retry-After: ", verdict->retry_s, "\r\n");
}
