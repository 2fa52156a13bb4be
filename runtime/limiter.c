/* A token bucket as one number: the time at which the bucket will be full again (GCRA). A request moves it on by the time that a token
 * takes to come back; it is refused when that would lie further ahead than a whole bucket takes. One key a client, gone when the
 * bucket is full; the clock is that of Redis, so gateways need not agree on theirs.
 *
 * When Redis does not answer, the limit's `when down` decides; nothing is counted then.
 */
#include "limiter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "redis.h"

/* Returns allowed, tokens left, microseconds until full, microseconds until the next. Numbers stay below 2^53. */
static struct ec_redis_script take_script = {
    .text = "local t = redis.call('TIME')\n"
            "local now = tonumber(t[1]) * 1000000 + tonumber(t[2])\n"
            "local token, size = tonumber(ARGV[1]), tonumber(ARGV[2])\n"
            "local full = tonumber(redis.call('GET', KEYS[1]) or now) or now\n"
            "if full < now then full = now end\n"
            "if full > now + size then full = now + size end\n"
            "local next = full + token\n"
            "if next - now > size then\n"
            "  return {0, 0, full - now, next - now - size}\n"
            "end\n"
            "redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000) + 1)\n"
            "return {1, math.floor((size - (next - now)) / token), next - now, 0}\n",
};

struct take {
    const struct ec_limit *limit;
    void (*done)(void *data, const struct ec_limit_verdict *verdict);
    void *data;
};

static struct ec_metric *allowed, *refused, *unknown;

static void count(const struct ec_limit_verdict *verdict)
{
    ec_metric_add(!verdict->known ? unknown : verdict->allowed ? allowed : refused, 1);
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
}

static int64_t seconds(int64_t us)
{
    return (us + 999999) / 1000000;
}

static void on_taken(void *data, const struct ec_redis_reply *reply)
{
    struct take take = *(struct take *)data;
    struct ec_limit_verdict verdict = {.allowed = take.limit->when_down_allow, .retry_s = 1};
    static uint64_t said_ms;

    free(data);
    if (reply && reply->type == EC_REDIS_ARRAY && reply->n == 4) {
        verdict.known = true;
        verdict.allowed = reply->items[0].i == 1;
        verdict.remaining = reply->items[1].i;
        verdict.reset_s = seconds(reply->items[2].i);
        verdict.retry_s = seconds(reply->items[3].i);
        if (verdict.retry_s < 1)
            verdict.retry_s = 1;
    } else if (reply && uv_now(ec_app.loop) - said_ms > 10000) { /* not a script of ours, or a server that can't write */
        said_ms = uv_now(ec_app.loop);
        ec_log(EC_LOG_ERROR, NULL, "the limiter's script failed", EC_L_TEXT("why", reply->text));
    }
    count(&verdict);
    take.done(take.data, &verdict);
}

void ec_limiter_take(const struct ec_limit *limit, struct ec_str who, void (*done)(void *data, const struct ec_limit_verdict *verdict),
                     void *data)
{
    struct take *take = malloc(sizeof(*take));
    struct ec_buf key = {0};
    char token[24], size[24];
    double token_us = 1e6 / limit->per_second;
    struct ec_str args[4] = {EC_STR("1")};

    if (!take)
        abort();
    ec_redis_script_add(&take_script);
    *take = (struct take){limit, done, data};
    ec_buf_str(&key, "limit:");
    ec_buf_add(&key, who.p, who.n);
    args[1] = (struct ec_str){key.p, key.n};
    args[2] = (struct ec_str){token, ec_int_format(llround(token_us) > 0 ? llround(token_us) : 1, token)};
    args[3] = (struct ec_str){size, ec_int_format(llround(token_us) > 0 ? llround(token_us) * limit->burst : limit->burst, size)};
    ec_redis_eval(&take_script, 4, args, on_taken, take);
    ec_buf_free(&key);
}

void ec_limiter_headers(struct ec_buf *buf, const struct ec_limit *limit, const struct ec_limit_verdict *verdict)
{
    int64_t window = (int64_t)ceil(limit->burst / limit->per_second);

    if (verdict->known)
        ec_buf_printf(buf, "RateLimit-Policy: \"default\";q=%d;w=%lld\r\nRateLimit: \"default\";r=%lld;t=%lld\r\n", limit->burst,
                      (long long)(window > 0 ? window : 1), (long long)verdict->remaining, (long long)verdict->reset_s);
    if (!verdict->allowed)
        ec_buf_printf(buf, "Retry-After: %lld\r\n", (long long)verdict->retry_s);
}
