/* The process: ec_main.
 *
 * `serve` configures every module, so that all mistakes are told at once (exit 78), starts them in order, and turns the loop until a signal
 * asks it to end: then it is not ready, says so in each reply for EC_DRAIN_DELAY_MS, takes no new work, waits until nothing is in flight
 * (at most EC_DRAIN_MS), stops the modules in reverse and exits 0. A second signal ends the wait. With several workers this happens in each
 * child of a parent that only watches them (workers.c). Other commands belong to modules: only the one that has it is configured.
 */
#include "app.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "health.h"
#include "random.h"
#include "span.h"
#include "workers.h"

#ifndef EC_RUNTIME_VERSION
#define EC_RUNTIME_VERSION "dev"
#endif

enum { EXIT_USAGE = 64, EXIT_START = 69, EXIT_CONFIG = 78, DRAIN_POLL_MS = 10, READY_POLL_MS = 20, MEASURE_MS = 1000, CLOSE_MS = 2000 };

static uv_signal_t on_term, on_int;
static uv_timer_t poll_timer, give_up_timer, measure_timer;
static int64_t drain_ms;
static bool ended;

static const struct ec_module *const *modules(void)
{
    static const struct ec_module *const none[] = {NULL};

    return ec_app.service->modules ? ec_app.service->modules : none;
}

/* ------------------------------------------------------------------ end */

/* Whatever a module has left open keeps its memory, not the process. */
static void close_rest(uv_handle_t *handle, void *data)
{
    (void)data;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void no_more_waiting(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void stop_modules(size_t n)
{
    while (n-- > 0)
        if (modules()[n]->stop)
            modules()[n]->stop(&ec_app);
}

static void close_loop(void)
{
    uv_timer_t timer;

    ec_tasks_stop();
    uv_timer_init(ec_app.loop, &timer);
    uv_timer_start(&timer, no_more_waiting, CLOSE_MS, 0);
    uv_unref((uv_handle_t *)&timer);
    uv_run(ec_app.loop, UV_RUN_DEFAULT);
    ec_log_detach();
    uv_walk(ec_app.loop, close_rest, NULL);
    uv_run(ec_app.loop, UV_RUN_NOWAIT);
    uv_loop_close(ec_app.loop);
    ec_log_flush();
}

static void end(void)
{
    size_t n = 0;

    if (ended)
        return;
    ended = true;
    if (ec_tasks_live)
        ec_log(EC_LOG_WARN, NULL, "stopping with work in flight", EC_L_INT("tasks", ec_tasks_live));
    while (modules()[n])
        n++;
    stop_modules(n);
    ec_spans_stop();
    uv_close((uv_handle_t *)&poll_timer, NULL);
    uv_close((uv_handle_t *)&give_up_timer, NULL);
    uv_close((uv_handle_t *)&measure_timer, NULL);
    uv_close((uv_handle_t *)&on_term, NULL);
    uv_close((uv_handle_t *)&on_int, NULL);
    uv_stop(ec_app.loop);
}

/* ------------------------------------------------------------------ drain */

static void poll_idle(uv_timer_t *timer)
{
    const struct ec_module *const *module;

    (void)timer;
    if (ec_tasks_live)
        return;
    for (module = modules(); *module; module++)
        if ((*module)->idle && !(*module)->idle(&ec_app))
            return;
    if (ec_spans_idle())
        end();
}

static void give_up(uv_timer_t *timer)
{
    (void)timer;
    end();
}

static void on_signal(uv_signal_t *handle, int number)
{
    const struct ec_module *const *module;

    (void)handle;
    if (ended)
        return;
    if (ec_app.draining) {
        end();
        return;
    }
    ec_app.draining = true;
    ec_log(EC_LOG_INFO, NULL, "draining", EC_L_INT("signal", number), EC_L_INT("tasks", ec_tasks_live));
    for (module = modules(); *module; module++)
        if ((*module)->drain)
            (*module)->drain(&ec_app);
    uv_timer_start(&poll_timer, poll_idle, 0, DRAIN_POLL_MS);
    uv_timer_start(&give_up_timer, give_up, (uint64_t)(ec_app.drain_delay_ms + drain_ms), 0);
}

/* ------------------------------------------------------------------ start */

static void poll_ready(uv_timer_t *timer)
{
    struct ec_buf reasons = {NULL, 0, 0};

    if (ec_app.draining)
        return;
    if (ec_health_ready(&reasons)) {
        ec_log(EC_LOG_INFO, NULL, "ready");
        uv_timer_stop(timer);
    }
    ec_buf_free(&reasons);
}

static void measure(uv_timer_t *timer)
{
    (void)timer;
    ec_health_measure();
}

static int start_modules(void)
{
    const char *why = "no reason given";
    size_t n;

    for (n = 0; modules()[n]; n++) {
        const struct ec_module *module = modules()[n];

        if (!module->start || module->start(&ec_app, &why) == 0)
            continue;
        ec_log(EC_LOG_ERROR, NULL, "the process can't start", EC_L_STR("module", module->name), EC_L_STR("why", why));
        stop_modules(n);
        return -1;
    }
    return 0;
}

static int serve_here(void)
{
    const char *why = NULL;
    static uv_loop_t loop;

    if (uv_loop_init(&loop)) {
        fprintf(stderr, "%s: the event loop can't be made\n", ec_app.service->name);
        return EXIT_START;
    }
    ec_app.loop = &loop;
    ec_app.instance = ec_new_id(NULL);
    ec_log_attach(&loop);
    if (ec_spans_start(&loop, &why)) {
        ec_log(EC_LOG_ERROR, NULL, "spans can't be sent", EC_L_STR("why", why));
        close_loop();
        return EXIT_START;
    }
    if (start_modules()) {
        close_loop();
        return EXIT_START;
    }
    uv_signal_init(&loop, &on_term);
    uv_signal_start(&on_term, on_signal, SIGTERM);
    uv_signal_init(&loop, &on_int);
    uv_signal_start(&on_int, on_signal, SIGINT);
    uv_timer_init(&loop, &poll_timer);
    uv_timer_start(&poll_timer, poll_ready, 0, READY_POLL_MS);
    uv_timer_init(&loop, &give_up_timer);
    uv_timer_init(&loop, &measure_timer);
    if (ec_metrics_shared())
        uv_timer_start(&measure_timer, measure, 0, MEASURE_MS);
    ec_metric_set(ec_metric(EC_GAUGE_LEAST, "process_start_time_seconds", "Start of the process, of the Unix epoch", NULL),
                  (double)ec_now() / 1e6);
    ec_log(EC_LOG_INFO, NULL, "started", EC_L_STR("version", ec_app.version), EC_L_INT("pid", uv_os_getpid()));
    while (!ended)
        uv_run(&loop, UV_RUN_DEFAULT);
    close_loop();
    return 0;
}

/* ------------------------------------------------------------------ commands */

static int tell_mistakes(struct ec_config_errors *errors)
{
    int n = errors->n;
    char *line, *rest = NULL;

    if (n == 0)
        return 0;
    ec_buf_reserve(&errors->text, 1)[0] = 0;
    fprintf(stderr, "%s: %d mistake%s in the configuration:\n", ec_app.service->name, n, n == 1 ? "" : "s");
    for (line = strtok_r(errors->text.p, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        fprintf(stderr, "  %s\n", line);
    ec_buf_free(&errors->text);
    return EXIT_CONFIG;
}

static void configure_process(struct ec_config_errors *errors)
{
    ec_log_configure(errors);
    ec_spans_configure(errors);
    ec_app.version = ec_config_get(errors, "EC_VERSION", EC_RUNTIME_VERSION, false);
    ec_app.development = ec_config_int(errors, "EC_DEVELOPMENT", 0, 0, 1) == 1;
    drain_ms = ec_config_int(errors, "EC_DRAIN_MS", 20000, 0, 3600000);
    ec_app.drain_delay_ms = ec_config_int(errors, "EC_DRAIN_DELAY_MS", 200, 0, 600000);
}

static int serve(void)
{
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};
    const struct ec_module *const *module;
    struct rlimit files;

    configure_process(&errors);
    ec_config_settings(&errors, ec_app.service->settings);
    for (module = modules(); *module; module++)
        if ((*module)->configure)
            (*module)->configure(&ec_app, &errors);
    if (errors.n)
        return tell_mistakes(&errors);
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (ec_app.service->workers > 1)
        return ec_workers_run(ec_app.service->workers, serve_here, EXIT_START);
    return serve_here();
}

static int run_command(const struct ec_module *module, const struct ec_command *command, int argc, char **argv)
{
    struct ec_config_errors errors = {{NULL, 0, 0}, 0};
    static uv_loop_t loop;
    int code;

    configure_process(&errors);
    if (module->configure)
        module->configure(&ec_app, &errors);
    if (errors.n)
        return tell_mistakes(&errors);
    signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&loop))
        return EXIT_START;
    ec_app.loop = &loop;
    ec_app.instance = ec_new_id(NULL);
    code = command->run(&ec_app, argc, argv);
    close_loop();
    return code;
}

static int usage(void)
{
    const struct ec_module *const *module;
    const struct ec_command *command;

    fprintf(stderr, "usage: %s [serve]\n       %s health\n       %s version\n", ec_app.service->name, ec_app.service->name,
            ec_app.service->name);
    for (module = modules(); *module; module++)
        for (command = (*module)->commands; command && command->name; command++)
            fprintf(stderr, "       %s %s\n", ec_app.service->name, command->usage ? command->usage : command->name);
    return EXIT_USAGE;
}

int ec_main(int argc, char **argv, const struct ec_service *service)
{
    const char *name = argc > 1 ? argv[1] : "serve";
    const struct ec_module *const *module;
    const struct ec_command *command;

    ec_app.service = service;
    if (strcmp(name, "serve") == 0 && argc <= 2)
        return serve();
    if (strcmp(name, "health") == 0 && argc == 2)
        return ec_health_of_service();
    if (strcmp(name, "version") == 0 && argc == 2) {
        const char *version = getenv("EC_VERSION");

        printf("%s %s\n", service->name, version && *version ? version : EC_RUNTIME_VERSION);
        return 0;
    }
    for (module = modules(); *module; module++)
        for (command = (*module)->commands; command && command->name; command++)
            if (strcmp(command->name, name) == 0)
                return run_command(*module, command, argc - 1, argv + 1);
    return usage();
}
