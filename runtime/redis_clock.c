/* TIME is asked while a connection is greeted, and then once a second by whoever wants to know the time. The answer was written somewhere
 * between the question and its arrival: half of that is the most that the middle can be off (RFC 5905, section 8). A sample is used until
 * there is one that is as exact, our clock may have drifted by more than the next one is off, or the two contradict each other, since
 * somebody has set Redis' clock.
 */
#include "redis_clock.h"

#include "json.h"

enum { EVERY_US = 1000000, DRIFT_PER_MILLION = 500 };

static struct {
    bool known, asking;
    uint64_t asked_us, kept_us;
    struct ec_redis_clock_sample kept;
} redis_clock;

static uint64_t now_us(void)
{
    return uv_hrtime() / 1000;
}

struct ec_redis_clock_sample ec_redis_clock_sample(uint64_t asked, uint64_t now, int64_t told)
{
    uint64_t half = (now - asked) / 2;

    return (struct ec_redis_clock_sample){told - (int64_t)(asked + half), (int64_t)half};
}

bool ec_redis_clock_better(struct ec_redis_clock_sample sample, struct ec_redis_clock_sample kept, uint64_t age_us)
{
    int64_t may_be_off = kept.error_us + (int64_t)(age_us / 1000000 * DRIFT_PER_MILLION), apart = sample.ahead_us - kept.ahead_us;

    return sample.error_us <= may_be_off || (apart < 0 ? -apart : apart) > sample.error_us + may_be_off;
}

static void on_told(void *data, const struct ec_redis_reply *reply)
{
    uint64_t now = now_us();
    struct ec_redis_clock_sample sample;
    int64_t s, us;

    (void)data;
    redis_clock.asking = false;
    if (!reply || reply->type != EC_REDIS_ARRAY || reply->n != 2 || !ec_int_parse(reply->items[0].text, &s) ||
        !ec_int_parse(reply->items[1].text, &us))
        return;
    sample = ec_redis_clock_sample(redis_clock.asked_us, now, s * 1000000 + us);
    if (redis_clock.known && !ec_redis_clock_better(sample, redis_clock.kept, now - redis_clock.kept_us))
        return;
    redis_clock.known = true;
    redis_clock.kept = sample;
    redis_clock.kept_us = now;
}

static void ask(void (*send)(size_t argc, const struct ec_str *argv, ec_redis_done *done, void *data), uint64_t now)
{
    redis_clock.asking = true;
    redis_clock.asked_us = now;
    send(1, (struct ec_str[]){EC_STR("TIME")}, on_told, NULL);
}

void ec_redis_clock_begin(void (*send)(size_t argc, const struct ec_str *argv, ec_redis_done *done, void *data))
{
    redis_clock.known = false;
    ask(send, now_us());
}

bool ec_redis_clock(int64_t *us)
{
    uint64_t now = now_us();

    if (redis_clock.known && !redis_clock.asking && now - redis_clock.asked_us > EVERY_US && ec_redis_up())
        ask(ec_redis_command, now);
    *us = (int64_t)now + redis_clock.kept.ahead_us;
    return redis_clock.known;
}
