/* /livez says that the loop turns; /readyz asks every module whether it can work and lists the reasons of those that can't; /metrics is
 * everything counted, with what the process itself costs read at that moment. With EC_DEVELOPMENT=1, `DELETE /breakers` closes all circuit
 * breakers and forgets what they have counted. Answers are made in the exchange's call: nothing waits.
 */
#include "health.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "json.h"

static struct { /* of the process */
    struct ec_metric *memory, *addresses, *descriptors, *most_descriptors, *cpu, *tasks, *ready, *info;
} of;

bool ec_health_ready(struct ec_buf *reasons)
{
    const struct ec_module *const *module;
    bool ready = !ec_app.draining;

    if (ec_app.draining)
        ec_buf_str(reasons, "\"process\":\"draining\"");
    for (module = ec_app.service ? ec_app.service->modules : NULL; module && *module; module++) {
        const char *why = (*module)->not_ready ? (*module)->not_ready(&ec_app) : NULL;

        if (!why)
            continue;
        if (!ready)
            ec_buf_str(reasons, ",");
        ready = false;
        ec_json_write_text(reasons, ec_str_of((*module)->name));
        ec_buf_str(reasons, ":");
        ec_json_write_text(reasons, ec_str_of(why));
    }
    return ready;
}

static void reply_ready(struct ec_http_exchange *exchange)
{
    struct ec_buf reasons = {NULL, 0, 0}, body = {NULL, 0, 0};
    bool ready = ec_health_ready(&reasons);

    ec_buf_str(&body, ready ? "{\"ready\":true}" : "{\"ready\":false,\"reasons\":{");
    ec_buf_add(&body, reasons.p, reasons.n);
    if (!ready)
        ec_buf_str(&body, "}}");
    ec_http_reply(exchange, ready ? 200 : 503, EC_STR("application/json"), ready ? (struct ec_str){NULL, 0} : EC_STR("retry-after: 1\r\n"),
                  (struct ec_str){body.p, body.n});
    ec_buf_free(&reasons);
    ec_buf_free(&body);
}

static double open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = -3; /* `.`, `..` and the directory itself */

    if (!dir)
        return 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void make_series(void)
{
    struct ec_buf labels = {NULL, 0, 0};
    char id[37];

    of.memory = ec_metric(EC_GAUGE, "process_resident_memory_bytes", "Resident memory", NULL);
    of.addresses = ec_metric(EC_GAUGE, "process_virtual_memory_bytes", "Virtual memory", NULL);
    of.descriptors = ec_metric(EC_GAUGE, "process_open_fds", "Open file descriptors", NULL);
    of.most_descriptors = ec_metric(EC_GAUGE, "process_max_fds", "File descriptors that may be open", NULL);
    of.cpu = ec_metric(EC_COUNTER, "process_cpu_seconds_total", "Processor time, user and system", NULL);
    of.tasks = ec_metric(EC_GAUGE, "ec_tasks", "Tasks that are alive", NULL);
    of.ready = ec_metric(EC_GAUGE_LEAST, "ec_ready", "1 while the process can work, as /readyz says", NULL);
    ec_uuid_format(ec_app.instance, id);
    ec_metric_label(&labels, "service", ec_app.service ? ec_app.service->name : "");
    ec_metric_label(&labels, "version", ec_app.version ? ec_app.version : "");
    ec_metric_label(&labels, "id", id);
    of.info = ec_metric(EC_GAUGE, "ec_info", "What runs here; id is the process's service.instance.id in its spans", labels.p);
    ec_metric_set(of.info, 1);
    ec_buf_free(&labels);
}

static void measure_memory(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long long size = 0, resident = 0;

    if (!file)
        return;
    if (fscanf(file, "%lld %lld", &size, &resident) == 2) {
        ec_metric_set(of.addresses, (double)size * (double)sysconf(_SC_PAGESIZE));
        ec_metric_set(of.memory, (double)resident * (double)sysconf(_SC_PAGESIZE));
    }
    fclose(file);
}

void ec_health_measure(void)
{
    static double told;
    struct ec_buf reasons = {NULL, 0, 0};
    struct rusage usage;
    struct rlimit files;

    if (!of.info)
        make_series();
    measure_memory();
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        double used =
            (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;

        ec_metric_add(of.cpu, used - told); /* beyond what a worker before has used */
        told = used;
    }
    ec_metric_set(of.descriptors, open_descriptors());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        ec_metric_set(of.most_descriptors, (double)files.rlim_cur);
    ec_metric_set(of.tasks, (double)ec_tasks_live);
    ec_metric_set(of.ready, ec_health_ready(&reasons));
    ec_buf_free(&reasons);
}

static void reply_metrics(struct ec_http_exchange *exchange)
{
    struct ec_buf body = {NULL, 0, 0};

    ec_health_measure();
    ec_metrics_write(&body);
    ec_http_reply(exchange, 200, EC_STR("text/plain; version=0.0.4; charset=utf-8"), (struct ec_str){NULL, 0},
                  (struct ec_str){body.p, body.n});
    ec_buf_free(&body);
}

void (*ec_health_renew)(void), (*ec_health_forget)(void);

static bool renewed(struct ec_http_exchange *exchange, const struct ec_http_request *request)
{
    bool breakers = ec_str_eq(request->path, EC_STR("/breakers")), near = ec_str_eq(request->path, EC_STR("/near"));
    void (*renew)(void) = breakers ? ec_health_renew : ec_health_forget;

    if (!ec_app.development || (!breakers && !near))
        return false;
    if (!ec_str_eq(request->method, EC_STR("DELETE"))) {
        ec_http_problem(exchange, &ec_error_method_not_allowed, NULL, NULL, EC_STR("allow: DELETE\r\n"));
        return true;
    }
    if (renew)
        renew();
    ec_http_reply(exchange, 204, (struct ec_str){NULL, 0}, (struct ec_str){NULL, 0}, (struct ec_str){NULL, 0});
    return true;
}

bool ec_health_handle(struct ec_http_exchange *exchange)
{
    const struct ec_http_request *request = ec_http_exchange_request(exchange);

    if (renewed(exchange, request))
        return true;
    bool live = ec_str_eq(request->path, EC_STR("/livez")), ready = ec_str_eq(request->path, EC_STR("/readyz"));

    if (!live && !ready && !ec_str_eq(request->path, EC_STR("/metrics")))
        return false;
    if (!ec_str_eq(request->method, EC_STR("GET")) && !ec_str_eq(request->method, EC_STR("HEAD")))
        ec_http_problem(exchange, &ec_error_method_not_allowed, NULL, NULL, EC_STR("allow: GET, HEAD\r\n"));
    else if (live)
        ec_http_reply(exchange, 200, EC_STR("application/json"), (struct ec_str){NULL, 0}, EC_STR("{\"live\":true}"));
    else if (ready)
        reply_ready(exchange);
    else
        reply_metrics(exchange);
    return true;
}
