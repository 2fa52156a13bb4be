/* The process: configuration, modules in order, listeners, drain.
 *
 * ec_main reads the environment (every module's `configure` adds its mistakes to one list, shown together, exit 78), starts the
 * modules in order, serves, and on SIGTERM or SIGINT: not ready, stop accepting, wait for tasks (at most EC_DRAIN_MS, 20 s), stop the
 * modules in reverse, exit 0. One process state: there is one ec_app.
 */
#ifndef EC_APP_H
#define EC_APP_H

#include <uv.h>

#include "task.h"

struct ec_config_errors { struct ec_buf text; int n; };

/* A command of the process beside `serve` and `version`, such as `migrate`. Only the module that has it is configured, nothing is started,
 * and app->loop is there. argv[0] is the command's name. Returns the exit code. */
struct ec_command {
    const char *name, *usage; /* "migrate [up|down|status|baseline] [--seed]" */
    int (*run)(struct ec_app *app, int argc, char **argv);
};

struct ec_module {
    const char *name;
    /* Read the environment. Adds lines to errors; starts nothing. NULL: nothing to do; so for each of these. */
    void (*configure)(struct ec_app *app, struct ec_config_errors *errors);
    /* Starts; returns 0 or -1 with a message in *why (static or leaked: the process ends). Connecting goes on in the background. */
    int (*start)(struct ec_app *app, const char **why);
    /* Why the process is not ready, or NULL when this module is. */
    const char *(*not_ready)(struct ec_app *app);
    void (*drain)(struct ec_app *app); /* take no new work */
    bool (*idle)(struct ec_app *app);  /* nothing in flight: drain is complete */
    void (*stop)(struct ec_app *app);  /* closes its handles; called once */
    const struct ec_command *commands; /* name NULL ends it; or NULL */
};

struct ec_app {
    uv_loop_t *loop;
    const struct ec_service *service;
    struct ec_uuid instance;  /* random, of this process */
    bool draining;
    int64_t drain_delay_ms;   /* EC_DRAIN_DELAY_MS: how long a drain still takes in what comes */
    const char *version;      /* EC_VERSION of the environment or "dev" */
    bool development;         /* EC_DEVELOPMENT: whoever reaches the probes may set back what a story would find */
};

extern struct ec_app ec_app;

bool ec_app_reuse_port(void); /* several workers share the listeners */
int ec_app_port(struct ec_config_errors *errors, const char *name, int dflt); /* dflt 0: required */

/* The next line of what is left of a setting's `others`; p NULL: there is none. */
struct ec_str ec_line_next(struct ec_str *rest);

/* Environment. NAME or NAME_FILE (trailing newline dropped); a value is never in a message. Returns malloc'd, or NULL and, when
 * required, a line in errors. */
char *ec_config_get(struct ec_config_errors *errors, const char *name, const char *dflt, bool required);
int64_t ec_config_int(struct ec_config_errors *errors, const char *name, int64_t dflt, int64_t min, int64_t max);
void ec_config_settings(struct ec_config_errors *errors, struct ec_setting *const *settings); /* fills in text and the value of its kind */
void ec_config_error(struct ec_config_errors *errors, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ------------------------------------------------------------------ logs: one JSON line an event, on stderr */

enum ec_log_level { EC_LOG_DEBUG, EC_LOG_INFO, EC_LOG_WARN, EC_LOG_ERROR };
/* Members come as name, kind, value: ec_log(EC_LOG_INFO, task, "message", EC_L_STR("op", name), EC_L_INT("ms", 5)); task may be NULL: it
 * gives trace_id. Level from LOG_LEVEL. Written in batches once a turn, flushed at exit and before abort. */
struct ec_log_member { const char *name; int kind; struct ec_str text; int64_t i; };
#define EC_L_STR(name, cstr) ((struct ec_log_member){(name), 0, ec_str_of(cstr), 0})
#define EC_L_TEXT(name, str) ((struct ec_log_member){(name), 0, (str), 0})
#define EC_L_INT(name, value) ((struct ec_log_member){(name), 1, {NULL, 0}, (int64_t)(value)})
void ec_log_write(enum ec_log_level level, const struct ec_task *task, const char *message, const struct ec_log_member *members, size_t n);
#define ec_log(level, task, message, ...)                                                                                             \
    ec_log_write((level), (task), (message), (const struct ec_log_member[]){{0}, ##__VA_ARGS__},                                       \
                 sizeof((const struct ec_log_member[]){{0}, ##__VA_ARGS__}) / sizeof(struct ec_log_member))
struct ec_str ec_str_of(const char *cstr);
void ec_log_flush(void);
/* From now on lines are gathered and written once a turn of the loop; without a loop each is written at once. */
void ec_log_attach(uv_loop_t *loop);
void ec_log_detach(void); /* before uv_loop_close */
void ec_log_configure(struct ec_config_errors *errors); /* LOG_LEVEL */
void ec_panic(const char *why) __attribute__((noreturn)); /* a broken rule of the runtime: a last line, then abort */

/* ------------------------------------------------------------------ metrics: Prometheus text at /metrics */

/* What several workers tell is added up; of a gauge that is EC_GAUGE_MOST or _LEAST, the highest or the lowest counts. */
enum ec_metric_type { EC_COUNTER, EC_GAUGE, EC_GAUGE_MOST, EC_GAUGE_LEAST, EC_HISTOGRAM };
struct ec_metric; /* one time series */
/* Finds or makes the series of a family with these labels (label string ready-made: `edge="a -> b",outcome="ok"`, values escaped by
 * ec_metric_label). Look up once, keep the pointer. help is the family's. Histogram buckets: 0.5 ms to 60 s, seconds. */
struct ec_metric *ec_metric(enum ec_metric_type type, const char *family, const char *help, const char *labels);
void ec_metric_add(struct ec_metric *metric, double value);
void ec_metric_set(struct ec_metric *metric, double value);
void ec_metric_observe(struct ec_metric *metric, double seconds);
double ec_metric_value(const struct ec_metric *metric);
void ec_metric_label(struct ec_buf *buf, const char *name, const char *value); /* adds name="value", after a comma when buf has some */
void ec_metrics_write(struct ec_buf *buf);
/* Workers of one process, which all write what all of them have counted. The parent shares before it forks n of them, a worker joins as one
 * of 0 to n - 1 before it has any series, and takes up the counters of who was that before; the parent leaves for one that has died, whose
 * gauges end with it. */
void ec_metrics_share(int n);
void ec_metrics_join(int worker);
void ec_metrics_leave(int worker);
bool ec_metrics_shared(void);

#endif
