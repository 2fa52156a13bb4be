/* See cache_count.h. */
#include "cache_count.h"

#include <string.h>

#include "cache.h"
#include "cache_near.h"

enum { MAX_METRICS = 64 };

struct ec_cache_drop_counts ec_cache_drops;

struct ec_cache_counts *ec_cache_counts_of(const struct ec_keyspace *keyspace)
{
    static struct ec_cache_counts all[MAX_METRICS];
    static size_t n;
    struct ec_metric **reads[3];
    struct ec_buf labels = {0};
    struct ec_cache_counts *counts;

    for (size_t i = 0; i < n; i++)
        if (all[i].keyspace == keyspace)
            return &all[i];
    counts = &all[n < MAX_METRICS - 1 ? n++ : n];
    counts->keyspace = keyspace;
    reads[0] = &counts->hit;
    reads[1] = &counts->miss;
    reads[2] = &counts->error;
    ec_metric_label(&labels, "keyspace", keyspace->name);
    counts->stored = ec_metric(EC_COUNTER, "ec_cache_stores_total", "Values given to a cache", labels.p);
    counts->dropped = ec_metric(EC_COUNTER, "ec_cache_drops_total", "Values dropped from a cache, there or not", labels.p);
    if (keyspace->near_ms > 0) {
        counts->near = ec_metric(EC_COUNTER, "ec_cache_near_hits_total", "Hits that the process answered from its own memory", labels.p);
        ec_near_open();
    }
    for (int i = 0; i < 3; i++) {
        static const char *const outcomes[] = {"hit", "miss", "error"};

        labels.n = 0;
        ec_metric_label(&labels, "keyspace", keyspace->name);
        ec_metric_label(&labels, "outcome", outcomes[i]);
        *reads[i] = ec_metric(EC_COUNTER, "ec_cache_reads_total", "Reads of a cache by outcome", labels.p);
    }
    ec_buf_free(&labels);
    return counts;
}

void ec_cache_count_drops(void)
{
    ec_cache_drops.late = ec_metric(EC_COUNTER, "ec_cache_late_drops_total", "Cache drops that reached Redis after it was away", "");
    ec_cache_drops.lost = ec_metric(EC_COUNTER, "ec_cache_lost_drops_total", "Cache drops given up because too many were waiting", "");
}

void ec_cache_open(const struct ec_service *service)
{
    const struct ec_keyspace *const *keyspace = service ? service->keyspaces : NULL;

    if (!keyspace)
        return;
    ec_cache_count_drops();
    for (; *keyspace; keyspace++)
        ec_cache_counts_of(*keyspace);
}

void ec_cache_count(const struct ec_keyspace *keyspace, const char *outcome)
{
    struct ec_cache_counts *counts = ec_cache_counts_of(keyspace);

    ec_metric_add(!strcmp(outcome, "hit") ? counts->hit : !strcmp(outcome, "miss") ? counts->miss : counts->error, 1);
}

void ec_cache_count_near(const struct ec_keyspace *keyspace)
{
    struct ec_cache_counts *counts = ec_cache_counts_of(keyspace);

    ec_metric_add(counts->hit, 1);
    ec_metric_add(counts->near, 1);
}
