/* observability/dashboards: Grafana dashboards. `overview` tells of the whole system, a row a concern; `services` has a row a process, and
 * in it what it does, what it waits for, what it costs, and a panel for each of its edges.
 *
 * Rates are over $__rate_interval (at least four scrapes). Positions count within a row; Grafana itself makes room when one is opened.
 * Sources: the dashboard JSON model (schema version 39) and the RED method: rate, errors, duration of whatever is asked for.
 */
#include <string.h>

#include "observe.h"

#include "arena.h"
#include "deploy.h"

enum { WIDTH = 8, HEIGHT = 7, ACROSS = 24, MAX_TARGETS = 3, SCHEMA_VERSION = 39, MAX_UID = 40 };

struct target {
    const char *expr, *legend;
};

struct panel {
    const char *title, *unit; /* Grafana's: reqps, s, percentunit, bytes, short */
    const char *description;  /* or NULL */
    struct target targets[MAX_TARGETS];
    bool seconds_right; /* the second and third are durations, on an axis of their own */
    bool breaker;       /* states, not numbers */
};

struct board {
    struct ecc_writer *w;
    struct ecc_arena *arena;
    int rows, row, x, y;
    bool first_row, first;
};

static const char *json(const struct board *b, const char *text)
{
    return ecc_quote_json(b->arena, text);
}

static const char source[] = "{\"type\": \"prometheus\", \"uid\": \"${datasource}\"}";

/* ------------------------------------------------------------------ panels */

static void put_field_config(struct board *b, const struct panel *panel)
{
    struct ecc_writer *w = b->w;

    ecc_w(w, "\"fieldConfig\": {\"defaults\": {\"unit\": %s, \"min\": 0", json(b, panel->unit));
    if (panel->breaker)
        ecc_w(w, ", \"mappings\": [{\"type\": \"value\", \"options\": {\"0\": {\"text\": \"closed\", \"color\": \"green\"}, "
                 "\"1\": {\"text\": \"half open\", \"color\": \"yellow\"}, \"2\": {\"text\": \"open\", \"color\": \"red\"}}}]");
    ecc_w(w, "}, \"overrides\": [");
    for (int i = 1; i < MAX_TARGETS && panel->seconds_right && panel->targets[i].expr; i++)
        ecc_w(w,
              "%s{\"matcher\": {\"id\": \"byFrameRefID\", \"options\": \"%c\"}, \"properties\": [{\"id\": \"unit\", \"value\": \"s\"}, "
              "{\"id\": \"custom.axisPlacement\", \"value\": \"right\"}]}",
              i > 1 ? ", " : "", 'A' + i);
    ecc_wl(w, "]},");
}

static void put_panel(struct board *b, const struct panel *panel)
{
    struct ecc_writer *w = b->w;

    ecc_w_open(w, "%s{\"type\": \"%s\", \"title\": %s,%s%s \"datasource\": %s,", b->first ? "" : ",",
               panel->breaker ? "state-timeline" : "timeseries", json(b, panel->title), panel->description ? " \"description\": " : "",
               panel->description ? ecc_arena_printf(b->arena, "%s,", json(b, panel->description)) : "", source);
    ecc_wl(w, "\"gridPos\": {\"x\": %d, \"y\": %d, \"w\": %d, \"h\": %d},", b->x, b->y, WIDTH, HEIGHT);
    put_field_config(b, panel);
    if (!panel->breaker)
        ecc_wl(w, "\"options\": {\"legend\": {\"displayMode\": \"list\", \"placement\": \"bottom\", \"showLegend\": true, \"calcs\": []}, "
                  "\"tooltip\": {\"mode\": \"multi\", \"sort\": \"desc\"}},");
    ecc_w_open(w, "\"targets\": [");
    for (int i = 0; i < MAX_TARGETS && panel->targets[i].expr; i++)
        ecc_wl(w, "%s{\"refId\": \"%c\", \"datasource\": %s, \"expr\": %s, \"legendFormat\": %s}", i ? "," : "", 'A' + i, source,
               json(b, panel->targets[i].expr), json(b, panel->targets[i].legend));
    ecc_w_close(w, "]");
    ecc_w_close(w, "}");
    b->first = false;
    b->x += WIDTH;
    if (b->x + WIDTH > ACROSS) {
        b->x = 0;
        b->y += HEIGHT;
    }
}

/* ------------------------------------------------------------------ rows and the whole */

/* A row that is closed holds its panels. */
static void open_row(struct board *b, const char *title, bool collapsed)
{
    ecc_w_open(b->w, "%s{\"type\": \"row\", \"title\": %s, \"collapsed\": %s,", b->first_row ? "" : ",", json(b, title),
               collapsed ? "true" : "false");
    ecc_wl(b->w, "\"id\": %d, \"gridPos\": {\"x\": 0, \"y\": %d, \"w\": %d, \"h\": 1},", ++b->rows, b->row, ACROSS);
    ecc_w_open(b->w, "\"panels\": [");
    if (!collapsed) {
        ecc_w_close(b->w, "]");
        ecc_w_close(b->w, "}");
    }
    b->x = 0;
    b->y = collapsed ? 1 : b->row + 1;
    b->first = collapsed; /* of what stands in it */
    b->first_row = false;
}

static void close_row(struct board *b, bool collapsed)
{
    if (collapsed) {
        ecc_w_close(b->w, "]");
        ecc_w_close(b->w, "}");
        b->row++;
    } else {
        b->row = b->x ? b->y + HEIGHT : b->y;
    }
}

static struct board open_board(struct ecc_codegen *cg, const char *name, const char *title)
{
    struct board b = {.w = ecc_codegen_file(cg, NULL), .arena = cg->arena, .first_row = true};
    const char *system = cg->model->name ? cg->model->name : "system", *shown = cg->model->title ? cg->model->title : system;
    struct ecc_writer *w = b.w;

    w->width = 2;
    ecc_w_open(w, "{");
    ecc_wl(w, "\"uid\": %s,", json(&b, ecc_arena_printf(cg->arena, "%.*s-%s", (int)(MAX_UID - 1 - strlen(name)), system, name)));
    ecc_wl(w, "\"title\": %s,", json(&b, ecc_arena_printf(cg->arena, "%s: %s", shown, title)));
    ecc_wl(w, "\"description\": \"%s\",", ECC_BANNER);
    ecc_wl(w, "\"annotations\": {\"list\": []},");
    ecc_wl(w, "\"tags\": [\"ecom\"],");
    ecc_wl(w, "\"editable\": false,");
    ecc_wl(w, "\"graphTooltip\": 1,");
    ecc_wl(w, "\"refresh\": \"10s\",");
    ecc_wl(w, "\"schemaVersion\": %d,", SCHEMA_VERSION);
    ecc_wl(w, "\"time\": {\"from\": \"now-30m\", \"to\": \"now\"},");
    ecc_wl(w, "\"timezone\": \"browser\",");
    ecc_wl(w, "\"templating\": {\"list\": [{\"type\": \"datasource\", \"name\": \"datasource\", \"label\": \"Data source\", \"query\": "
              "\"prometheus\"}]},");
    ecc_wl(w, "\"links\": [{\"type\": \"dashboards\", \"title\": \"Dashboards\", \"tags\": [\"ecom\"], \"asDropdown\": false, \"icon\": "
              "\"external link\", "
              "\"includeVars\": true, \"keepTime\": true, \"targetBlank\": false, \"tooltip\": \"\"}],");
    ecc_w_open(w, "\"panels\": [");
    return b;
}

static void close_board(struct ecc_codegen *cg, struct board *b, const char *name)
{
    ecc_w_close(b->w, "]");
    ecc_w_close(b->w, "}");
    ecc_outset_add_writer(cg->out, ecc_arena_printf(cg->arena, "observability/dashboards/%s.json", name), b->w);
}

/* ------------------------------------------------------------------ expressions */

#define RATE "[$__rate_interval]"

static const char *rate(const struct board *b, const char *by, const char *counter, const char *labels)
{
    return ecc_arena_printf(b->arena, "sum by (%s) (rate(%s%s%s%s" RATE "))", by, counter, *labels ? "{" : "", labels, *labels ? "}" : "");
}

static const char *quantile(const struct board *b, const char *q, const char *by, const char *histogram, const char *labels)
{
    return ecc_arena_printf(b->arena, "histogram_quantile(%s, sum by (le%s%s) (rate(%s_bucket%s%s%s" RATE ")))", q, *by ? ", " : "", by,
                            histogram, *labels ? "{" : "", labels, *labels ? "}" : "");
}

static struct panel rates(const struct board *b, const char *title, const char *by, const char *counter, const char *labels,
                          const char *legend)
{
    return (struct panel){.title = title, .unit = "reqps", .targets = {{rate(b, by, counter, labels), legend}}};
}

static struct panel durations(const struct board *b, const char *title, const char *by, const char *histogram, const char *labels,
                              const char *legend)
{
    return (struct panel){.title = title,
                          .unit = "s",
                          .targets = {{quantile(b, "0.5", by, histogram, labels), ecc_arena_printf(b->arena, "%s p50", legend)},
                                      {quantile(b, "0.99", by, histogram, labels), ecc_arena_printf(b->arena, "%s p99", legend)}}};
}

#define PUT(...) put_panel(b, &(struct panel){__VA_ARGS__})

/* ------------------------------------------------------------------ overview */

static void gateway_row(struct board *b, bool limit)
{
    struct panel panel = rates(b, "Requests by status", "job, status", "ec_gateway_requests_total", "", "{{job}} {{status}}");

    open_row(b, "Gateways", false);
    put_panel(b, &panel);
    PUT(.title = "Share of requests that failed", .unit = "percentunit", .description = "Answers of 5xx, of all. The budget is 0.1 %.",
        .targets = {{"job_route:ec_gateway_errors:ratio_rate5m", "{{route}}"}});
    panel = durations(b, "Duration by gateway", "job", "ec_gateway_seconds", "", "{{job}}");
    put_panel(b, &panel);
    panel = rates(b, "Requests by route", "route", "ec_gateway_requests_total", "", "{{route}}");
    put_panel(b, &panel);
    panel = (struct panel){
        .title = "Slowest routes, p99",
        .unit = "s",
        .targets = {{ecc_arena_printf(b->arena, "topk(5, %s)", quantile(b, "0.99", "route", "ec_gateway_seconds", "")), "{{route}}"}}};
    put_panel(b, &panel);
    if (limit) {
        panel = rates(b, "Limit", "job, verdict", "ec_limiter_requests_total", "", "{{job}} {{verdict}}");
        put_panel(b, &panel);
    } else {
        PUT(.title = "In flight", .unit = "short", .targets = {{"sum by (job) (ec_gateway_in_flight)", "{{job}}"}});
    }
    close_row(b, false);
}

static void process_row(struct board *b)
{
    open_row(b, "Processes", false);
    PUT(.title = "Ready", .unit = "short", .description = "Processes of each service that can work.",
        .targets = {{"sum by (job) (ec_ready)", "{{job}}"}});
    PUT(.title = "Alerts", .unit = "short",
        .targets = {{"count by (alertname, job) (ALERTS{alertstate=\"firing\"})", "{{alertname}} {{job}}"}});
    PUT(.title = "Processors in use", .unit = "short", .targets = {{"sum by (job) (rate(process_cpu_seconds_total" RATE "))", "{{job}}"}});
    close_row(b, false);
}

static void edge_row(struct board *b, bool breakers)
{
    struct panel panel = rates(b, "Calls by edge", "edge", "ec_edge_calls_total", "", "{{edge}}");

    open_row(b, "Edges", false);
    put_panel(b, &panel);
    panel = (struct panel){
        .title = "Calls that went wrong",
        .unit = "reqps",
        .description = "Attempts that were not answered by what was asked for.",
        .targets = {{ecc_arena_printf(b->arena, "%s > 0", rate(b, "edge, outcome", "ec_edge_calls_total", "outcome!~\"ok|error\"")),
                     "{{edge}} {{outcome}}"}}};
    put_panel(b, &panel);
    panel = (struct panel){
        .title = "Duration by edge, p99", .unit = "s", .targets = {{quantile(b, "0.99", "edge", "ec_edge_seconds", ""), "{{edge}}"}}};
    put_panel(b, &panel);
    panel = rates(b, "Repeated attempts", "edge", "ec_edge_retries_total", "", "{{edge}}");
    put_panel(b, &panel);
    PUT(.title = "In flight", .unit = "short", .targets = {{"sum by (edge) (ec_edge_in_flight)", "{{edge}}"}});
    if (breakers)
        PUT(.title = "Circuit breakers", .unit = "short", .breaker = true, .targets = {{"max by (edge) (ec_breaker_state)", "{{edge}}"}});
    close_row(b, false);
}

static void saga_row(struct board *b)
{
    struct panel panel;

    open_row(b, "Sagas", false);
    PUT(.title = "Under way", .unit = "short",
        .targets = {{"sum by (saga) (ec_saga_running)", "{{saga}} forward"},
                    {"sum by (saga) (ec_saga_compensating)", "{{saga}} back"},
                    {"sum by (saga) (ec_saga_stuck)", "{{saga}} stuck"}});
    panel = rates(b, "Ended", "saga, outcome", "ec_saga_ended_total", "", "{{saga}} {{outcome}}");
    put_panel(b, &panel);
    panel = durations(b, "Duration", "saga", "ec_saga_seconds", "", "{{saga}}");
    put_panel(b, &panel);
    panel = rates(b, "Started", "saga", "ec_saga_started_total", "", "{{saga}}");
    put_panel(b, &panel);
    panel = rates(b, "Repeated calls", "saga", "ec_saga_repeats_total", "", "{{saga}}");
    put_panel(b, &panel);
    PUT(.title = "Of a version that nobody has", .unit = "short", .targets = {{"max by (job) (ec_saga_unknown)", "{{job}}"}});
    close_row(b, false);
}

static void topic_row(struct board *b, bool groups)
{
    struct panel panel = rates(b, "Published", "topic", "ec_outbox_relayed_total", "", "{{topic}}");

    open_row(b, "Topics", false);
    put_panel(b, &panel);
    PUT(.title = "Outbox", .unit = "short", .seconds_right = true,
        .description = "Events that the bus has not taken, and the age of the oldest.",
        .targets = {{"max by (job) (ec_outbox_rows)", "{{job}} events"}, {"max by (job) (ec_outbox_lag_seconds)", "{{job}} age"}});
    panel = rates(b, "Deliveries that failed", "topic", "ec_outbox_failed_total", "", "{{topic}}");
    put_panel(b, &panel);
    if (groups) {
        panel = rates(b, "Handled, by group", "group, outcome", "ec_consumer_events_total", "", "{{group}} {{outcome}}");
        put_panel(b, &panel);
        PUT(.title = "Behind, by group", .unit = "short", .seconds_right = true,
            .description = "Messages that are not handled, and the age of the oldest.",
            .targets = {{"sum by (group) (ec_consumer_lag)", "{{group}} messages"},
                        {"max by (group) (ec_consumer_lag_seconds)", "{{group}} age"}});
        panel = durations(b, "Duration of handlers", "group", "ec_consumer_seconds", "", "{{group}}");
        put_panel(b, &panel);
    }
    close_row(b, false);
}

static void cache_row(struct board *b, bool keyspaces)
{
    struct panel panel;

    open_row(b, "Caches", false);
    if (keyspaces) {
        PUT(.title = "Found, of what was looked for", .unit = "percentunit",
            .targets = {{"sum by (keyspace) (rate(ec_cache_reads_total{outcome=\"hit\"}" RATE
                         ")) / sum by (keyspace) (rate(ec_cache_reads_total" RATE "))",
                         "{{keyspace}}"}});
        panel = rates(b, "Reads", "keyspace, outcome", "ec_cache_reads_total", "", "{{keyspace}} {{outcome}}");
        put_panel(b, &panel);
        PUT(.title = "Stores and drops", .unit = "reqps",
            .targets = {{rate(b, "keyspace", "ec_cache_stores_total", ""), "{{keyspace}} stored"},
                        {rate(b, "keyspace", "ec_cache_drops_total", ""), "{{keyspace}} dropped"}});
    }
    panel = durations(b, "Duration of commands", "job", "ec_redis_seconds", "", "{{job}}");
    put_panel(b, &panel);
    PUT(.title = "Commands that went wrong", .unit = "reqps",
        .targets = {{rate(b, "job", "ec_redis_unanswered_total", ""), "{{job}} unanswered"},
                    {rate(b, "job", "ec_redis_errors_total", ""), "{{job}} refused"}});
    PUT(.title = "Connected", .unit = "short", .targets = {{"sum by (job) (ec_redis_up)", "{{job}}"}});
    close_row(b, false);
}

static void overview(struct ecc_codegen *cg, const struct ecc_seen_list *seen)
{
    struct board board = open_board(cg, "overview", "overview"), *b = &board;

    if (ecc_seen_first(seen, ECC_SEEN_ROUTE))
        gateway_row(b, ecc_seen_first(seen, ECC_SEEN_LIMIT));
    process_row(b);
    if (ecc_seen_first(seen, ECC_SEEN_EDGE))
        edge_row(b, ecc_seen_first(seen, ECC_SEEN_BREAKER));
    if (ecc_seen_first(seen, ECC_SEEN_SAGA))
        saga_row(b);
    if (ecc_seen_first(seen, ECC_SEEN_PUBLISHER))
        topic_row(b, ecc_seen_first(seen, ECC_SEEN_GROUP));
    if (ecc_seen_first(seen, ECC_SEEN_REDIS))
        cache_row(b, ecc_seen_first(seen, ECC_SEEN_KEYSPACE));
    close_board(cg, b, "overview");
}

/* ------------------------------------------------------------------ services */

static void call_panel(struct board *b, const struct ecc_edge *edge, const char *title)
{
    const char *labels = ecc_arena_printf(b->arena, "job=\"%s\",edge=\"%s\"", edge->from->name, title);

    PUT(.title = title, .unit = "reqps", .seconds_right = true,
        .targets = {{ecc_arena_printf(b->arena, "%s > 0 or %s", rate(b, "outcome", "ec_edge_calls_total", labels),
                                      rate(b, "outcome", "ec_edge_calls_total", ecc_arena_printf(b->arena, "%s,outcome=\"ok\"", labels))),
                     "{{outcome}}"},
                    {quantile(b, "0.5", "", "ec_edge_seconds", labels), "p50"},
                    {quantile(b, "0.99", "", "ec_edge_seconds", labels), "p99"}});
}

/* "a|b", for =~. Names have nothing that means something there. */
static const char *any_of(struct board *b, const char *list, const char *name)
{
    return list ? ecc_arena_printf(b->arena, "%s|%s", list, name) : name;
}

static void edge_panel(struct board *b, const struct ecc_node *of, const struct ecc_edge *edge)
{
    const char *title = ecc_arena_printf(b->arena, "%s -> %s", edge->from->name, edge->to->name), *list = NULL;

    if (edge->http || edge->https) {
        call_panel(b, edge, title);
        return;
    }
    for (size_t i = 0; i < edge->npublish; i++)
        list = any_of(b, list, edge->publish[i]->name);
    if (list) {
        PUT(.title = title, .unit = "reqps", .seconds_right = true,
            .targets = {
                {rate(b, "topic", "ec_outbox_relayed_total", ecc_arena_printf(b->arena, "job=\"%s\",topic=~\"%s\"", of->name, list)),
                 "{{topic}}"},
                {ecc_arena_printf(b->arena, "max(ec_outbox_lag_seconds{job=\"%s\"})", of->name), "age of the oldest"}});
        return;
    }
    if (edge->nconsume) {
        const char *labels = ecc_arena_printf(b->arena, "job=\"%s\"", of->name);

        PUT(.title = title, .unit = "reqps", .seconds_right = true,
            .targets = {{rate(b, "event, outcome", "ec_consumer_events_total", labels), "{{event}} {{outcome}}"},
                        {ecc_arena_printf(b->arena, "max by (group) (ec_consumer_lag_seconds{%s})", labels), "{{group}} age"},
                        {quantile(b, "0.99", "", "ec_consumer_seconds", labels), "p99"}});
        return;
    }
    for (size_t i = 0; i < edge->nkeyspaces; i++)
        list = any_of(b, list, edge->keyspaces[i]->name);
    if (list) {
        const char *labels = ecc_arena_printf(b->arena, "job=\"%s\",keyspace=~\"%s\"", of->name, list);

        PUT(.title = title, .unit = "reqps",
            .targets = {{rate(b, "keyspace, outcome", "ec_cache_reads_total", labels), "{{keyspace}} {{outcome}}"},
                        {rate(b, "keyspace", "ec_cache_stores_total", labels), "{{keyspace}} stored"},
                        {rate(b, "keyspace", "ec_cache_drops_total", labels), "{{keyspace}} dropped"}});
    } else if (edge->to->kind == ECC_NODE_CACHE && of->kind == ECC_NODE_GATEWAY &&
               of->u.gateway.limit) { /* it holds nothing but the limit */
        PUT(.title = title, .unit = "reqps",
            .targets = {
                {rate(b, "verdict", "ec_limiter_requests_total", ecc_arena_printf(b->arena, "job=\"%s\"", of->name)), "{{verdict}}"}});
    }
}

static void work_panels(struct board *b, const struct ecc_node *node, const char *labels)
{
    bool gateway = node->kind == ECC_NODE_GATEWAY;
    const char *by = gateway ? "route" : "op", *legend = gateway ? "{{route}}" : "{{op}}";
    struct panel panel;

    if (!gateway && !node->u.service.nops)
        return;
    panel = gateway ? rates(b, "Requests", "route, status", "ec_gateway_requests_total", labels, "{{route}} {{status}}")
                    : rates(b, "Operations", "op, outcome", "ec_op_requests_total", labels, "{{op}} {{outcome}}");
    put_panel(b, &panel);
    panel = durations(b, "Duration", by, gateway ? "ec_gateway_seconds" : "ec_op_seconds", labels, legend);
    put_panel(b, &panel);
    PUT(.title = "In flight", .unit = "short",
        .targets = {{ecc_arena_printf(b->arena, "sum(%s{%s})", gateway ? "ec_gateway_in_flight" : "ec_ops_in_flight", labels), "requests"},
                    {ecc_arena_printf(b->arena, "sum(ec_tasks{%s})", labels), "tasks"}});
}

static void database_panels(struct board *b, const char *labels)
{
    PUT(.title = "Connections to the database", .unit = "short",
        .targets = {{ecc_arena_printf(b->arena, "sum(ec_pg_pool_size{%s})", labels), "at most"},
                    {ecc_arena_printf(b->arena, "sum(ec_pg_pool_in_use{%s})", labels), "in use"},
                    {ecc_arena_printf(b->arena, "sum(ec_pg_pool_waiting{%s})", labels), "waited for"}});
    PUT(.title = "Waiting for a connection", .unit = "s",
        .targets = {{quantile(b, "0.5", "", "ec_pg_pool_wait_seconds", labels), "p50"},
                    {quantile(b, "0.99", "", "ec_pg_pool_wait_seconds", labels), "p99"}});
    PUT(.title = "Slowest statements, p99", .unit = "s",
        .targets = {
            {ecc_arena_printf(b->arena, "topk(5, %s)", quantile(b, "0.99", "statement", "ec_sql_seconds", labels)), "{{statement}}"}});
    PUT(.title = "Statements", .unit = "reqps",
        .targets = {{ecc_arena_printf(b->arena, "sum(rate(ec_sql_requests_total{%s}" RATE "))", labels), "all"},
                    {ecc_arena_printf(b->arena, "sum(rate(ec_sql_errors_total{%s}" RATE "))", labels), "refused"}});
}

static void process_panels(struct board *b, const char *labels)
{
    PUT(.title = "Processors in use", .unit = "short",
        .targets = {
            {ecc_arena_printf(b->arena, "sum by (instance) (rate(process_cpu_seconds_total{%s}" RATE "))", labels), "{{instance}}"}});
    PUT(.title = "Memory", .unit = "bytes",
        .targets = {{ecc_arena_printf(b->arena, "sum by (instance) (process_resident_memory_bytes{%s})", labels), "{{instance}}"}});
}

static void services(struct ecc_codegen *cg, const struct ecc_seen_list *seen)
{
    struct board board = open_board(cg, "services", "services"), *b = &board;

    for (size_t i = 0; i < seen->n; i++) {
        const struct ecc_node *node = seen->items[i].node;
        const char *labels;
        const struct ecc_edge **edges;
        size_t n;

        if (seen->items[i].kind != ECC_SEEN_PROCESS)
            continue;
        b->arena = ecc_arena_scratch(cg->arena);
        labels = ecc_seen_labels(b->arena, &seen->items[i]);
        open_row(b, node->name, true);
        work_panels(b, node, labels);
        if (node->kind == ECC_NODE_SERVICE && node->u.service.has_database)
            database_panels(b, labels);
        process_panels(b, labels);
        edges = ecc_edges_by_peer(b->arena, node, &n);
        for (size_t k = 0; k < n; k++)
            edge_panel(b, node, edges[k]);
        close_row(b, true);
    }
    close_board(cg, b, "services");
}

void ecc_observe_dashboards(struct ecc_codegen *cg, const struct ecc_seen_list *seen)
{
    overview(cg, seen);
    services(cg, seen);
}
