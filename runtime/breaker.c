/* Closed: `trip` failures in a row open it; one success forgets them. Open: nothing is let in for open_ns. Then half open: exactly `probes`
 * calls are let in; when all of them succeed it closes, the first that fails opens it again. A probe that says nothing gives its permit
 * back, so that a cancelled call can't leave the breaker waiting for ever.
 *
 * A call that was let in before the state changed has no say after it: late timeouts of the closed time don't lengthen the open one.
 */
#include "breaker.h"

static void change(struct ec_breaker *breaker, enum ec_breaker_state state)
{
    breaker->state = state;
    breaker->epoch++;
    breaker->consecutive = 0;
    breaker->permits = state == EC_BREAKER_HALF_OPEN ? (breaker->probes > 0 ? breaker->probes : 1) : 0;
    breaker->succeeded = 0;
    if (breaker->changed)
        breaker->changed(breaker, breaker->data);
}

bool ec_breaker_enter(struct ec_breaker *breaker, uint64_t now_ns, bool background, struct ec_breaker_pass *pass)
{
    if (breaker->state == EC_BREAKER_OPEN && now_ns >= breaker->open_until)
        change(breaker, EC_BREAKER_HALF_OPEN);
    *pass = (struct ec_breaker_pass){breaker->epoch, breaker->state == EC_BREAKER_HALF_OPEN, background};
    if (breaker->state == EC_BREAKER_CLOSED)
        return true;
    if (breaker->permits == 0)
        return false;
    breaker->permits--;
    return true;
}

void ec_breaker_leave(struct ec_breaker *breaker, uint64_t now_ns, struct ec_breaker_pass pass, enum ec_breaker_verdict verdict)
{
    if (breaker->trip == 0 || pass.epoch != breaker->epoch)
        return;
    if (pass.probe) {
        if (verdict == EC_VERDICT_NONE) {
            breaker->permits++;
        } else if (verdict == EC_VERDICT_SUCCESS) {
            if (++breaker->succeeded >= breaker->probes)
                change(breaker, EC_BREAKER_CLOSED);
        } else {
            breaker->open_until = now_ns + breaker->open_ns;
            change(breaker, EC_BREAKER_OPEN);
        }
        return;
    }
    if (verdict == EC_VERDICT_SUCCESS) {
        breaker->consecutive = 0;
        return;
    }
    if (verdict == EC_VERDICT_NONE || pass.background || (breaker->timeouts_only && verdict != EC_VERDICT_TIMEOUT))
        return;
    if (++breaker->consecutive >= breaker->trip) {
        breaker->open_until = now_ns + breaker->open_ns;
        change(breaker, EC_BREAKER_OPEN);
    }
}

void ec_breaker_renew(struct ec_breaker *breaker)
{
    if (breaker->state != EC_BREAKER_CLOSED) {
        change(breaker, EC_BREAKER_CLOSED);
        return;
    }
    breaker->epoch++;
    breaker->consecutive = 0;
}

int ec_breaker_retry_after_s(const struct ec_breaker *breaker, uint64_t now_ns)
{
    uint64_t left = breaker->state == EC_BREAKER_OPEN && breaker->open_until > now_ns ? breaker->open_until - now_ns : 0;
    uint64_t seconds = (left + 999999999) / 1000000000;

    return seconds < 1 ? 1 : seconds > 3600 ? 3600 : (int)seconds;
}

void ec_retry_earn(struct ec_retry_budget *budget)
{
    budget->tokens += 0.1;
    if (budget->tokens > EC_RETRY_BUDGET_MAX)
        budget->tokens = EC_RETRY_BUDGET_MAX;
}

bool ec_retry_spend(struct ec_retry_budget *budget)
{
    if (budget->tokens < 1)
        return false;
    budget->tokens -= 1;
    return true;
}

int64_t ec_retry_delay_ms(int64_t min_ms, int64_t max_ms, int retry, double random)
{
    int64_t delay = min_ms > 0 ? min_ms : 1;

    if (max_ms < delay)
        max_ms = delay;
    while (retry-- > 0 && delay < max_ms)
        delay = delay > max_ms / 2 ? max_ms : delay * 2;
    return delay / 2 + (int64_t)((double)(delay - delay / 2) * random + 0.5);
}
