/* Metrics: counters, gauges and histograms in Prometheus' text format.
 *
 * A family owns its series; both live as long as the process. Series are looked up by whoever counts, once, and then counted through the
 * pointer, so nothing here is faster than it has to be but ec_metric_add and ec_metric_observe. Loop thread only.
 *
 * Workers: each has a part of memory that all share, at the same address in each, writes there alone and without a lock, and reads the
 * others' when it is asked. A series is linked when it is whole, and never goes, so whoever reads sees whole ones; a number of 8 bytes is
 * read as one that was there. A worker that is started again finds the series of the one before, whose counters go on.
 */
#include "app.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "json.h"

static const double bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
enum { NBOUNDS = sizeof(bounds) / sizeof(bounds[0]) };

struct ec_metric {
    struct ec_metric *next;
    char *labels;
    enum ec_metric_type type;
    bool gone;    /* a gauge of a worker that has died */
    double value; /* of a histogram: the sum */
    uint64_t count;
    uint64_t buckets[NBOUNDS]; /* not cumulative: one increment an observation */
};

struct family {
    struct family *next;
    char *name, *help;
    enum ec_metric_type type;
    struct ec_metric *series, **end;
};

/* What one worker tells. Of a process without workers: on the heap. */
struct teller {
    struct family *families, **end;
    size_t used;
};
enum { SHARE = 16 * 1024 * 1024 }; /* bytes of a worker, of which only what is used is there */

static struct teller alone, *own = &alone;
static char *shared; /* SHARE for each worker, a struct teller first; NULL: there are none */
static int nshared;

static struct teller *teller(int worker)
{
    return shared ? (struct teller *)(shared + (size_t)worker * SHARE) : &alone;
}

static void *zeroed(size_t size)
{
    char *p;

    if (own == &alone) {
        if (!(p = calloc(1, size)))
            ec_panic("out of memory");
        return p;
    }
    size = (size + 15) & ~(size_t)15;
    if (own->used + size > SHARE)
        ec_panic("more metrics than a worker can share");
    p = (char *)own + own->used;
    own->used += size;
    return p;
}

static char *copy(const char *text)
{
    size_t n = strlen(text ? text : "");
    char *p = zeroed(n + 1);

    if (n)
        memcpy(p, text, n);
    return p;
}

/* ------------------------------------------------------------------ workers */

void ec_metrics_share(int n)
{
    shared = mmap(NULL, (size_t)n * SHARE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shared == MAP_FAILED)
        ec_panic("no memory that workers could share");
    nshared = n;
}

bool ec_metrics_shared(void)
{
    return shared != NULL;
}

void ec_metrics_join(int worker)
{
    struct family *family;

    if (own->families)
        ec_panic("a metric before the worker has joined");
    own = teller(worker);
    if (!own->used)
        own->used = (sizeof(*own) + 15) & ~(size_t)15;
    own->end = &own->families;
    for (family = own->families; family; family = family->next) { /* whoever was here may have died at any moment */
        own->end = &family->next;
        for (family->end = &family->series; *family->end; family->end = &(*family->end)->next)
            ;
    }
}

void ec_metrics_leave(int worker)
{
    struct family *family;
    struct ec_metric *metric;

    for (family = teller(worker)->families; family; family = family->next)
        for (metric = family->series; metric && family->type != EC_COUNTER && family->type != EC_HISTOGRAM; metric = metric->next)
            metric->gone = true;
}

/* ------------------------------------------------------------------ series */

/* For the others: whole, or not there. */
#define LINK(end, made) __atomic_store_n((end), (made), __ATOMIC_RELEASE)
#define AT(link) __atomic_load_n(&(link), __ATOMIC_ACQUIRE)

static struct family *family_of(const struct teller *of, const char *name)
{
    struct family *family = AT(of->families);

    while (family && strcmp(family->name, name) != 0)
        family = AT(family->next);
    return family;
}

static struct ec_metric *series_of(const struct family *family, const char *labels)
{
    struct ec_metric *metric = family ? AT(family->series) : NULL;

    while (metric && strcmp(metric->labels, labels) != 0)
        metric = AT(metric->next);
    return metric;
}

struct ec_metric *ec_metric(enum ec_metric_type type, const char *name, const char *help, const char *labels)
{
    struct family *family = family_of(own, name);
    struct ec_metric *metric;

    if (!own->end)
        own->end = &own->families;
    if (!family) {
        family = zeroed(sizeof(*family));
        family->name = copy(name);
        family->help = copy(help);
        family->type = type;
        family->end = &family->series;
        LINK(own->end, family);
        own->end = &family->next;
    }
    if (family->type != type)
        ec_panic("one metric family has two types");
    if (!labels)
        labels = "";
    metric = series_of(family, labels);
    if (metric) {
        if (metric->gone) {
            metric->value = 0;
            metric->gone = false;
        }
        return metric;
    }
    metric = zeroed(sizeof(*metric));
    metric->labels = copy(labels);
    metric->type = type;
    LINK(family->end, metric);
    family->end = &metric->next;
    return metric;
}

void ec_metric_add(struct ec_metric *metric, double value)
{
    metric->value += value;
}

void ec_metric_set(struct ec_metric *metric, double value)
{
    metric->value = value;
}

void ec_metric_observe(struct ec_metric *metric, double seconds)
{
    size_t i;

    for (i = 0; i < NBOUNDS && seconds > bounds[i]; i++)
        ;
    if (i < NBOUNDS)
        metric->buckets[i]++;
    metric->count++;
    metric->value += seconds;
}

double ec_metric_value(const struct ec_metric *metric)
{
    return metric->type == EC_HISTOGRAM ? (double)metric->count : metric->value;
}

static void escaped(struct ec_buf *buf, const char *text, bool quote)
{
    for (; *text; text++) {
        if (*text == '\n')
            ec_buf_str(buf, "\\n");
        else if (*text == '\\')
            ec_buf_str(buf, "\\\\");
        else if (*text == '"' && quote)
            ec_buf_str(buf, "\\\"");
        else
            ec_buf_add(buf, text, 1);
    }
}

void ec_metric_label(struct ec_buf *buf, const char *name, const char *value)
{
    if (buf->n)
        ec_buf_str(buf, ",");
    ec_buf_str(buf, name);
    ec_buf_str(buf, "=\"");
    escaped(buf, value, true);
    ec_buf_str(buf, "\"");
    ec_buf_reserve(buf, 1)[0] = 0; /* so that buf->p serves as a string */
}

static void number(struct ec_buf *buf, double value)
{
    char text[32];

    if (isinf(value))
        ec_buf_str(buf, value < 0 ? "-Inf" : "+Inf");
    else
        ec_buf_add(buf, text, ec_float_format(value, text));
}

static void line(struct ec_buf *buf, const struct family *family, const char *suffix, const char *labels, const char *le, double value)
{
    ec_buf_str(buf, family->name);
    ec_buf_str(buf, suffix);
    if (*labels || le) {
        ec_buf_str(buf, "{");
        ec_buf_str(buf, labels);
        if (le) {
            ec_buf_str(buf, *labels ? ",le=\"" : "le=\"");
            ec_buf_str(buf, le);
            ec_buf_str(buf, "\"");
        }
        ec_buf_str(buf, "}");
    }
    ec_buf_str(buf, " ");
    number(buf, value);
    ec_buf_str(buf, "\n");
}

/* ------------------------------------------------------------------ of all workers */

/* What a series of the workers from `first` on comes to; false: it is of workers that have died. */
static bool gather(const char *family, const char *labels, int first, struct ec_metric *sum)
{
    bool any = false;
    int i, k;

    memset(sum, 0, sizeof(*sum));
    for (i = first; i < (shared ? nshared : 1); i++) {
        const struct ec_metric *metric = series_of(family_of(teller(i), family), labels);

        if (!metric || metric->gone)
            continue;
        if (any && (metric->type == EC_GAUGE_MOST || metric->type == EC_GAUGE_LEAST))
            sum->value = (metric->value > sum->value) == (metric->type == EC_GAUGE_MOST) ? metric->value : sum->value;
        else
            sum->value += metric->value;
        sum->count += metric->count;
        for (k = 0; k < NBOUNDS; k++)
            sum->buckets[k] += metric->buckets[k];
        any = true;
    }
    return any;
}

static void write_histogram(struct ec_buf *buf, const struct family *family, const char *labels, const struct ec_metric *sum)
{
    uint64_t below = 0, count = sum->count;
    char le[32];
    size_t i;

    if (!count) /* nineteen lines that say nothing; how often something was done is a counter's to say */
        return;
    for (i = 0; i < NBOUNDS; i++) {
        le[ec_float_format(bounds[i], le)] = 0;
        below += sum->buckets[i];
        line(buf, family, "_bucket", labels, le, (double)below);
    }
    count = below > count ? below : count; /* of another worker, which has observed something in between */
    line(buf, family, "_bucket", labels, "+Inf", (double)count);
    line(buf, family, "_sum", labels, NULL, sum->value);
    line(buf, family, "_count", labels, NULL, (double)count);
}

/* Is there a series before this worker's? Then it has been written with that. labels NULL: a family. */
static bool is_before(const char *family, const char *labels, int worker)
{
    int i;

    for (i = 0; i < worker; i++) {
        const struct family *there = family_of(teller(i), family);

        if (labels ? series_of(there, labels) != NULL : there != NULL)
            return true;
    }
    return false;
}

static void write_series(struct ec_buf *buf, const char *name, int first)
{
    const struct ec_metric *metric;
    const struct family *family;
    struct ec_metric sum;
    int i;

    for (i = first; i < (shared ? nshared : 1); i++) {
        family = family_of(teller(i), name);
        for (metric = family ? AT(family->series) : NULL; metric; metric = AT(metric->next)) {
            if (is_before(name, metric->labels, i) || !gather(name, metric->labels, i, &sum))
                continue;
            if (family->type == EC_HISTOGRAM)
                write_histogram(buf, family, metric->labels, &sum);
            else
                line(buf, family, "", metric->labels, NULL, sum.value);
        }
    }
}

void ec_metrics_write(struct ec_buf *buf)
{
    static const char *const types[] = {[EC_COUNTER] = "counter",
                                        [EC_GAUGE] = "gauge",
                                        [EC_GAUGE_MOST] = "gauge",
                                        [EC_GAUGE_LEAST] = "gauge",
                                        [EC_HISTOGRAM] = "histogram"};
    const struct family *family;
    int i;

    for (i = 0; i < (shared ? nshared : 1); i++)
        for (family = AT(teller(i)->families); family; family = AT(family->next)) {
            if (is_before(family->name, NULL, i))
                continue;
            ec_buf_printf(buf, "# HELP %s ", family->name);
            escaped(buf, family->help, false);
            ec_buf_printf(buf, "\n# TYPE %s %s\n", family->name, types[family->type]);
            write_series(buf, family->name, i);
        }
}
