/* Metrics: counters, gauges and histograms in Prometheus' text format.
 *
 * A family owns its series; both live as long as the process. Series are looked up by whoever counts, once, and then counted through the
 * pointer, so nothing here is faster than it has to be but ec_metric_add and ec_metric_observe. Loop thread only.
 */
#include "app.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

static const double bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
enum { NBOUNDS = sizeof(bounds) / sizeof(bounds[0]) };

struct ec_metric {
    struct ec_metric *next;
    char *labels;
    enum ec_metric_type type;
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

static struct family *families, **families_end = &families;

static char *copy(const char *text)
{
    char *p = strdup(text ? text : "");

    if (!p)
        ec_panic("out of memory");
    return p;
}

static void *zeroed(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        ec_panic("out of memory");
    return p;
}

struct ec_metric *ec_metric(enum ec_metric_type type, const char *name, const char *help, const char *labels)
{
    struct family *family;
    struct ec_metric *metric;

    for (family = families; family; family = family->next)
        if (strcmp(family->name, name) == 0)
            break;
    if (!family) {
        family = zeroed(sizeof(*family));
        family->name = copy(name);
        family->help = copy(help);
        family->type = type;
        family->end = &family->series;
        *families_end = family;
        families_end = &family->next;
    }
    if (family->type != type)
        ec_panic("one metric family has two types");
    if (!labels)
        labels = "";
    for (metric = family->series; metric; metric = metric->next)
        if (strcmp(metric->labels, labels) == 0)
            return metric;
    metric = zeroed(sizeof(*metric));
    metric->labels = copy(labels);
    metric->type = type;
    *family->end = metric;
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

void ec_metrics_write(struct ec_buf *buf)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const struct family *family;
    const struct ec_metric *metric;
    char le[32];
    size_t i;

    for (family = families; family; family = family->next) {
        ec_buf_printf(buf, "# HELP %s ", family->name);
        escaped(buf, family->help, false);
        ec_buf_printf(buf, "\n# TYPE %s %s\n", family->name, types[family->type]);
        for (metric = family->series; metric; metric = metric->next) {
            uint64_t below = 0;

            if (family->type != EC_HISTOGRAM) {
                line(buf, family, "", metric->labels, NULL, metric->value);
                continue;
            }
            if (!metric->count) /* nineteen lines that say nothing; how often something was done is a counter's to say */
                continue;
            for (i = 0; i < NBOUNDS; i++) {
                le[ec_float_format(bounds[i], le)] = 0;
                below += metric->buckets[i];
                line(buf, family, "_bucket", metric->labels, le, (double)below);
            }
            line(buf, family, "_bucket", metric->labels, "+Inf", (double)metric->count);
            line(buf, family, "_sum", metric->labels, NULL, metric->value);
            line(buf, family, "_count", metric->labels, NULL, (double)metric->count);
        }
    }
}
