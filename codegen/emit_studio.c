/* studio/: the picture of the topology and each scenario's steps, as data.
 *
 * A hop that gets an answer becomes two steps, the message and its reply; what happens in between stands in between. Steps are named
 * after what they do, not numbered, so that a step more is a diff of that size. Positions are never in it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "codegen.h"
#include "derive.h"
#include "walk.h"

struct steps {
    struct ecc_arena *arena;
    struct ecc_writer *w;
    bool any;
};

static const char *json(struct ecc_arena *arena, const char *text)
{
    return ecc_quote_json(arena, text);
}

/* ------------------------------------------------------------------ steps */

static const char *told(struct steps *s, const struct ecc_hop *hop)
{
    const char *from = hop->from->name, *to = ecc_hop_to(s->arena, hop), *again = hop->attempt > 1 ? " again" : "";

    if (hop->say)
        return hop->say;
    switch (hop->kind) {
    case ECC_HOP_REQUEST:
        return ecc_arena_printf(s->arena, "%s asks %s: %s", from, to, hop->label);
    case ECC_HOP_CALL:
    case ECC_HOP_EXTERNAL:
        if (hop->outcome == ECC_HOP_IS_OPEN)
            return ecc_arena_printf(s->arena, "The circuit to %s is open: %s is not sent", to, hop->label);
        if (hop->phase == ECC_HOP_FOR_UNDO && hop->step)
            return ecc_arena_printf(s->arena, "%s undoes %s%s: %s.%s", from, hop->step->name, again, to, hop->label);
        return ecc_arena_printf(s->arena, "%s calls %s.%s%s", from, to, hop->label, again);
    case ECC_HOP_SQL:
        return ecc_arena_printf(s->arena, "%s runs %s in its database", from, hop->label);
    case ECC_HOP_CACHE:
        return ecc_arena_printf(s->arena, "%s asks %s: %s", from, to, hop->label);
    case ECC_HOP_PUBLISH:
        return ecc_arena_printf(s->arena, "%s publishes %s", from, hop->label);
    case ECC_HOP_DELIVER:
        return ecc_arena_printf(s->arena, "%s hears of %s", to, hop->label);
    }
    return hop->label;
}

static const char *answered(struct steps *s, const struct ecc_hop *hop)
{
    const char *to = ecc_hop_to(s->arena, hop);

    if (hop->error)
        return ecc_arena_printf(s->arena, "%s answers %s", to, hop->error->name);
    if (hop->kind != ECC_HOP_CALL && hop->status)
        return ecc_arena_printf(s->arena, "%s answers %d", to, hop->status);
    return ecc_arena_printf(s->arena, "%s answers", to);
}

static bool has_answer(const struct ecc_hop *hop)
{
    if (hop->kind != ECC_HOP_REQUEST && hop->kind != ECC_HOP_CALL && hop->kind != ECC_HOP_EXTERNAL)
        return false;
    return hop->outcome != ECC_HOP_IS_TIMEOUT && hop->outcome != ECC_HOP_IS_REFUSED && hop->outcome != ECC_HOP_IS_OPEN;
}

struct step {
    const char *id, *parent, *from, *to, *kind, *label, *say, *status;
    const struct ecc_hop *hop;
    bool reply;
};

static void write_step(struct steps *s, const struct step *step)
{
    const struct ecc_hop *hop = step->hop;
    struct ecc_writer *w = s->w;

    ecc_w(w, "%s    {\"id\": %s", s->any ? ",\n" : "", json(s->arena, step->id));
    s->any = true;
    if (step->parent)
        ecc_w(w, ", \"parent\": %s", json(s->arena, step->parent));
    ecc_w(w, ", \"from\": %s, \"to\": %s", json(s->arena, step->from), json(s->arena, step->to));
    ecc_w(w, ", \"edge\": %s", json(s->arena, ecc_arena_printf(s->arena, "%s -> %s", hop->from->name, ecc_hop_to(s->arena, hop))));
    ecc_w(w, ", \"kind\": \"%s\", \"label\": %s", step->kind, json(s->arena, step->label));
    ecc_w(w, ", \"status\": \"%s\", \"phase\": \"%s\"", step->status, ecc_hop_phase_name(hop->phase));
    if (hop->saga)
        ecc_w(w, ", \"saga\": %s", json(s->arena, hop->saga->name));
    if (hop->step)
        ecc_w(w, ", \"step\": %s", json(s->arena, hop->step->name));
    if (hop->branch)
        ecc_w(w, ", \"parallel\": %d", hop->branch);
    if (hop->beside)
        ecc_w(w, ", \"beside\": true");
    if (hop->maybe)
        ecc_w(w, ", \"maybe\": true");
    if (hop->many)
        ecc_w(w, ", \"many\": true");
    if (hop->opens && (step->reply || !has_answer(hop)))
        ecc_w(w, ", \"opens\": true");
    if (hop->error && (step->reply || !has_answer(hop)))
        ecc_w(w, ", \"error\": %s", json(s->arena, hop->error->name));
    if (hop->status && step->reply)
        ecc_w(w, ", \"http\": %d", hop->status);
    if (hop->recorded) {
        uint64_t at = step->reply ? hop->end_us : hop->start_us, until = step->reply || has_answer(hop) ? at : hop->end_us;
        ecc_w(w, ", \"start_ms\": %.3f, \"end_ms\": %.3f", (double)at / 1000, (double)until / 1000);
    }
    ecc_w(w, ", \"say\": %s}", json(s->arena, step->say));
}

static void write_hops(struct steps *s, const struct ecc_hops *hops, const char *parent)
{
    for (size_t i = 0; i < hops->n; i++) {
        const struct ecc_hop *hop = hops->items[i];
        const char *to = ecc_hop_to(s->arena, hop);
        const char *id = hop->id;
        bool two = has_answer(hop);
        struct step step = {id,
                            parent,
                            hop->from->name,
                            to,
                            ecc_hop_kind_name(hop->kind),
                            hop->label,
                            told(s, hop),
                            two ? "sent" : ecc_hop_outcome_name(hop->outcome),
                            hop,
                            false};

        write_step(s, &step);
        write_hops(s, &hop->hops, id);
        if (!two)
            continue;
        step = (struct step){ecc_arena_printf(s->arena, "%s.reply", id), id,  to,  hop->from->name, "reply", hop->label, answered(s, hop),
                             ecc_hop_outcome_name(hop->outcome),         hop, true};
        write_step(s, &step);
    }
}

void ecc_write_scenario(struct ecc_arena *arena, struct ecc_writer *w, const struct ecc_derived *derived)
{
    const struct ecc_scenario *scenario = derived->scenario;
    struct steps s = {.arena = arena, .w = w};

    ecc_wl(w, "{");
    ecc_wl(w, "  \"schema\": 1,");
    ecc_wl(w, "  \"name\": %s,", json(arena, scenario->name));
    ecc_wl(w, "  \"title\": %s,", json(arena, scenario->title));
    ecc_w(w, "  \"expect\": {\"status\": %d", scenario->expect_status);
    if (scenario->expect_error)
        ecc_w(w, ", \"error\": %s", json(arena, scenario->expect_error->name));
    if (scenario->expect_header)
        ecc_w(w, ", \"header\": %s, \"value\": %s", json(arena, scenario->expect_header), json(arena, scenario->expect_value));
    ecc_wl(w, "},");
    if (derived->cut)
        ecc_wl(w, "  \"cut\": true,");
    ecc_wl(w, "  \"steps\": [");
    write_hops(&s, &derived->hops, NULL);
    ecc_wl(w, "\n  ]");
    ecc_wl(w, "}");
}

/* ------------------------------------------------------------------ the picture */

static const char *protocol_of(const struct ecc_edge *edge)
{
    if (edge->to->kind == ECC_NODE_BUS || edge->from->kind == ECC_NODE_BUS)
        return "kafka";
    if (edge->to->kind == ECC_NODE_CACHE)
        return "redis";
    return edge->https ? "https" : "http";
}

static const char *const kinds[] = {
    [ECC_NODE_CLIENT] = "client",     [ECC_NODE_BUS] = "bus",         [ECC_NODE_CACHE] = "cache",
    [ECC_NODE_EXTERNAL] = "external", [ECC_NODE_SERVICE] = "service", [ECC_NODE_GATEWAY] = "gateway",
};

static bool has_database(const struct ecc_node *node)
{
    return node->kind == ECC_NODE_SERVICE && node->u.service.has_database;
}

/* What an edge carries, one word each. */
static void list_names(struct ecc_writer *w, const struct ecc_edge *edge)
{
    const char *sep = "";

    if (!edge->npublish && !edge->nconsume && !edge->nkeyspaces)
        return;
    ecc_w(w, ", \"carries\": [");
    for (size_t i = 0; i < edge->npublish; i++, sep = ", ")
        ecc_w(w, "%s%s", sep, json(w->arena, edge->publish[i]->name));
    for (size_t i = 0; i < edge->nconsume; i++, sep = ", ")
        ecc_w(w, "%s%s", sep, json(w->arena, edge->consume[i]->name));
    for (size_t i = 0; i < edge->nkeyspaces; i++, sep = ", ")
        ecc_w(w, "%s%s", sep, json(w->arena, edge->keyspaces[i]->name));
    ecc_w(w, "]");
}

static void edge_policy(struct ecc_writer *w, const struct ecc_edge *edge)
{
    if (!edge->http && !edge->https)
        return;
    ecc_w(w, ", \"timeout_ms\": %" PRId64, edge->timeout_ms);
    if (edge->retries)
        ecc_w(w, ", \"retries\": %d", edge->retries);
    if (edge->concurrency)
        ecc_w(w, ", \"concurrency\": %d", edge->concurrency);
    if (edge->breaker.set)
        ecc_w(w, ", \"breaker\": {\"trip\": %d, \"on\": \"%s\", \"open_ms\": %" PRId64 ", \"probes\": %d}", edge->breaker.trip,
              edge->breaker.timeouts_only ? "timeouts" : "failures", edge->breaker.open_ms, edge->breaker.probes);
}

/* Nodes and edges by their names: the order in the source means nothing. */
struct picture {
    const struct ecc_node **nodes;
    const struct line {
        const char *from, *to;
        const struct ecc_edge *edge;
    } * *lines; /* edge NULL: to the service's database */
    size_t nlines;
};

static int by_ends(const void *a, const void *b)
{
    const struct line *x = *(const struct line *const *)a, *y = *(const struct line *const *)b;
    int n = strcmp(x->from, y->from);

    return n ? n : strcmp(x->to, y->to);
}

static void add_line(struct ecc_arena *arena, struct picture *p, const char *from, const char *to, const struct ecc_edge *edge)
{
    struct line *line = ECC_NEW(arena, struct line);

    *line = (struct line){from, to, edge};
    p->lines[p->nlines++] = line;
}

static struct picture picture_of(struct ecc_arena *arena, const struct ecc_model *m)
{
    struct picture p = {.nodes = ECC_NEW_ARRAY(arena, const struct ecc_node *, m->nnodes),
                        .lines = ECC_NEW_ARRAY(arena, const struct line *, m->nedges + m->nnodes)};

    for (size_t i = 0; i < m->nedges; i++)
        add_line(arena, &p, m->edges[i]->from->name, m->edges[i]->to->name, m->edges[i]);
    for (size_t i = 0; i < m->nnodes; i++) {
        p.nodes[i] = m->nodes[i];
        if (has_database(m->nodes[i]))
            add_line(arena, &p, m->nodes[i]->name, ecc_arena_printf(arena, "%s-db", m->nodes[i]->name), NULL);
    }
    ecc_sort_nodes(p.nodes, m->nnodes);
    qsort(p.lines, p.nlines, sizeof *p.lines, by_ends);
    return p;
}

void ecc_write_topology(struct ecc_writer *w, const struct ecc_model *m)
{
    struct ecc_arena *arena = w->arena;
    const struct picture picture = picture_of(arena, m), *p = &picture;
    const char *sep = "\n";

    ecc_wl(w, "{");
    ecc_wl(w, "  \"schema\": 1,");
    if (m->name)
        ecc_wl(w, "  \"name\": %s,", json(arena, m->name));
    ecc_wl(w, "  \"title\": %s,", json(arena, m->title ? m->title : ""));
    ecc_w(w, "  \"nodes\": [");
    for (size_t i = 0; i < m->nnodes; i++, sep = ",\n") {
        const struct ecc_node *node = p->nodes[i];
        ecc_w(w, "%s    {\"id\": %s, \"kind\": \"%s\", \"title\": %s}", sep, json(arena, node->name), kinds[node->kind],
              json(arena, node->title ? node->title : node->name));
        if (has_database(node))
            ecc_w(w, ",\n    {\"id\": %s, \"kind\": \"database\", \"title\": \"PostgreSQL\", \"of\": %s}",
                  json(arena, ecc_arena_printf(arena, "%s-db", node->name)), json(arena, node->name));
    }
    ecc_wl(w, "\n  ],");
    ecc_w(w, "  \"edges\": [");
    sep = "\n";
    for (size_t i = 0; i < p->nlines; i++, sep = ",\n") {
        const struct line *line = p->lines[i];
        ecc_w(w, "%s    {\"from\": %s, \"to\": %s, \"protocol\": \"%s\"", sep, json(arena, line->from), json(arena, line->to),
              line->edge ? protocol_of(line->edge) : "sql");
        if (line->edge && line->edge->external)
            ecc_w(w, ", \"external\": true");
        if (line->edge) {
            list_names(w, line->edge);
            edge_policy(w, line->edge);
        }
        ecc_w(w, "}");
    }
    ecc_wl(w, "\n  ],");
    ecc_w(w, "  \"scenarios\": [");
    sep = "\n";
    for (size_t i = 0; i < m->nscenarios; i++, sep = ",\n")
        ecc_w(w, "%s    {\"name\": %s, \"title\": %s}", sep, json(arena, m->scenarios[i]->name), json(arena, m->scenarios[i]->title));
    ecc_wl(w, "\n  ]");
    ecc_wl(w, "}");
}

static void emit_topology_js(struct ecc_codegen *cg)
{
    const struct picture picture = picture_of(cg->arena, cg->model), *p = &picture;
    struct ecc_writer *w = ecc_codegen_file(cg, "// " ECC_BANNER);
    const struct ecc_model *m = cg->model;
    struct ecc_arena *arena = cg->arena;

    w->width = 2;
    ecc_w_open(w, "export default function (topology) {");
    ecc_wl(w, "topology.title(%s);", json(arena, m->title ? m->title : ""));
    for (size_t i = 0; i < m->nnodes; i++) {
        const struct ecc_node *node = p->nodes[i];
        ecc_wl(w, "topology.node('%s', { kind: '%s', title: %s });", node->name, kinds[node->kind],
               json(arena, node->title ? node->title : node->name));
        if (has_database(node))
            ecc_wl(w, "topology.node('%s-db', { kind: 'database', title: \"PostgreSQL\", of: '%s' });", node->name, node->name);
    }
    for (size_t i = 0; i < p->nlines; i++)
        ecc_wl(w, "topology.connect('%s', '%s', { protocol: '%s'%s });", p->lines[i]->from, p->lines[i]->to,
               p->lines[i]->edge ? protocol_of(p->lines[i]->edge) : "sql",
               p->lines[i]->edge && p->lines[i]->edge->external ? ", external: true" : "");
    ecc_w_close(w, "}");
    ecc_outset_add_writer(cg->out, "studio/topology.js", w);
}

void ecc_emit_studio(struct ecc_codegen *cg)
{
    struct ecc_writer *topology = ecc_codegen_file(cg, NULL);

    ecc_write_topology(topology, cg->model);
    ecc_outset_add_writer(cg->out, "studio/topology.json", topology);
    emit_topology_js(cg);
    for (size_t i = 0; i < cg->model->nscenarios; i++) {
        const struct ecc_scenario *scenario = cg->model->scenarios[i];
        struct ecc_codegen once, *own = ecc_codegen_apart(cg, &once);
        struct ecc_writer *w = ecc_codegen_file(own, NULL);
        ecc_write_scenario(own->arena, w, ecc_derive(own->arena, cg->model, scenario));
        ecc_outset_add_writer(cg->out, ecc_arena_printf(own->arena, "studio/scenarios/%s.json", scenario->name), w);
    }
}
