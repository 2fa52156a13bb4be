/* A circuit breaker, and the budget that bounds retries. Neither has a clock of its own: the caller says what time it is. */
#ifndef EC_BREAKER_H
#define EC_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum ec_breaker_state { EC_BREAKER_CLOSED, EC_BREAKER_HALF_OPEN, EC_BREAKER_OPEN, EC_BREAKER_STATES };
enum ec_breaker_verdict {
    EC_VERDICT_SUCCESS,
    EC_VERDICT_TIMEOUT,
    EC_VERDICT_FAILURE,
    EC_VERDICT_NONE, /* the call says nothing about the peer: cancelled, or cut short by the caller's own deadline */
};

struct ec_breaker {
    int trip, probes;     /* trip 0: always closed */
    bool timeouts_only;
    uint64_t open_ns;
    void (*changed)(struct ec_breaker *breaker, void *data); /* or NULL */
    void *data;
    enum ec_breaker_state state;
    int consecutive;      /* failures in a row, while closed */
    int permits;          /* left, while half open */
    int succeeded;        /* probes, while half open */
    uint64_t open_until;
    uint64_t epoch;       /* counts changes: what was let in before one says nothing after it */
};

struct ec_breaker_pass { uint64_t epoch; bool probe, background; };

/* May a call start? Then it must leave, exactly once. background: its failure does not trip a closed breaker. */
bool ec_breaker_enter(struct ec_breaker *breaker, uint64_t now_ns, bool background, struct ec_breaker_pass *pass);
void ec_breaker_leave(struct ec_breaker *breaker, uint64_t now_ns, struct ec_breaker_pass pass, enum ec_breaker_verdict verdict);
/* As when it was made: closed, and nothing counted. What is on its way has no say any more. */
void ec_breaker_renew(struct ec_breaker *breaker);
int ec_breaker_retry_after_s(const struct ec_breaker *breaker, uint64_t now_ns); /* at least 1 */

/* Each first attempt earns a tenth of a retry, so retries add at most a tenth to the load of a peer that is in trouble; ten are saved
 * for when there is little traffic. */
struct ec_retry_budget { double tokens; };
enum { EC_RETRY_BUDGET_MAX = 10 };
void ec_retry_earn(struct ec_retry_budget *budget);
bool ec_retry_spend(struct ec_retry_budget *budget);
/* Before retry number `retry` (from 0): doubles from min to max; random, a number in [0, 1), spreads the upper half. */
int64_t ec_retry_delay_ms(int64_t min_ms, int64_t max_ms, int retry, double random);

#endif
