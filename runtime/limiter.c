/* A token bucket as one number: the time at which the bucket will be full again (GCRA). A request moves it on by the time that a token
 * takes to come back; it is refused when that would lie further ahead than a whole bucket takes. One key a client, gone when the
 * bucket is full; the clock is that of Redis, so gateways need not agree on theirs.
 *
 * When Redis does not answer, the limit's `when down` decides; nothing is counted then.
 */
#include "lease.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

/* Takes as many tokens as are wanted and there; none is a refusal. Returns how many, tokens left, microseconds until full, microseconds
 * until the next. Numbers stay below 2^53. */
static struct ec_redis_script take_script = {
    .text = "local t = redis.call('TIME')\n"
            "local now = tonumber(t[1]) * 1000000 + tonumber(t[2])\n"
            "local token, size, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])\n"
            "local full = tonumber(redis.call('GET', KEYS[1]) or now) or now\n"
            "if full < now then full = now end\n"
            "if full > now + size then full = now + size end\n"
            "if full + token - now > size then\n"
            "  return {0, 0, full - now, full + token - now - size}\n"
            "end\n"
            "local take = math.min(want, math.floor((size - (full - now)) / token))\n"
            "local next = full + take * token\n"
            "redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000) + 1)\n"
            "return {take, math.floor((size - (next - now)) / token), next - now, 0}\n",
};

struct take {
    const struct ec_limit *limit;
    void (*done)(void *data, const struct ec_limit_verdict *verdict);
    void *data;
};

static struct ec_metric *allowed, *refused, *unknown, *local;

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

void ec_limiter_ask(const struct ec_limit *limit, struct ec_str who, int want, ec_redis_done *done, void *data)
{
    struct ec_buf key = {0};
    char token[24], size[24], wanted[24];
    int64_t token_us = ec_limiter_token_us(limit);

    ec_redis_script_add(&take_script);
    ec_buf_str(&key, "limit:");
    ec_buf_add(&key, who.p, who.n);
    ec_redis_eval(&take_script, 5,
                  (const struct ec_str[]){EC_STR("1"),
                                          {key.p, key.n},
                                          {token, ec_int_format(token_us, token)},
                                          {size, ec_int_format(token_us * limit->burst, size)},
                                          {wanted, ec_int_format(want, wanted)}},
                  done, data);
    ec_buf_free(&key);
}

bool ec_limiter_granted(const struct ec_redis_reply *reply, struct ec_limit_grant *grant)
{
    static uint64_t said_ms;

    if (reply && reply->type == EC_REDIS_ARRAY && reply->n == 4) {
        *grant = (struct ec_limit_grant){reply->items[0].i, reply->items[1].i, reply->items[2].i, reply->items[3].i};
        return true;
    }
    if (reply && uv_now(ec_app.loop) - said_ms > 10000) { /* not a script of ours, or a server that can't write */
        said_ms = uv_now(ec_app.loop);
        ec_log(EC_LOG_ERROR, NULL, "the limiter's script failed", EC_L_TEXT("why", reply->text));
    }
    return false;
}

static void on_taken(void *data, const struct ec_redis_reply *reply)
{
    struct take take = *(struct take *)data;
    struct ec_limit_verdict verdict = {.allowed = take.limit->when_down_allow, .retry_s = 1};
    struct ec_limit_grant grant;

    free(data);
    if (ec_limiter_granted(reply, &grant)) {
        verdict.known = true;
        verdict.allowed = grant.n == 1;
        verdict.remaining = grant.left;
        verdict.reset_s = ec_limiter_seconds(grant.full_us);
        verdict.retry_s = grant.retry_us > 0 ? ec_limiter_seconds(grant.retry_us) : 1;
    }
    ec_limiter_count(&verdict);
    take.done(take.data, &verdict);
}

void ec_limiter_take(const struct ec_limit *limit, struct ec_str who, void (*done)(void *data, const struct ec_limit_verdict *verdict),
                     void *data)
{
    struct take *take;

    if (limit->lease && ec_lease_take(limit, who, done, data))
        return;
    take = malloc(sizeof(*take));
    if (!take)
        abort();
    *take = (struct take){limit, done, data};
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
