/* A topology as JSON: what is wrong with it, its picture, its scenarios, and where in the text each thing stands. */
#include <string.h>

#include "ast.h"
#include "codegen.h"
#include "studio.h"

/* ------------------------------------------------------------------ places */

struct studio_lines studio_span_lines(const struct studio_view *view, struct ecc_span span)
{
    uint32_t end = span.end > span.start ? span.end - 1 : span.start;

    return (struct studio_lines){ecc_source_line(&view->source, span.start) + 1, ecc_source_line(&view->source, end) + 1};
}

/* The blocks `database` have no span of their own. */
static struct ecc_span database_span(const struct ecc_ast_database *db)
{
    struct ecc_span span = db->span;

    for (size_t i = 0; i < db->tables.n; i++)
        span.end = db->tables.items[i]->span.end > span.end ? db->tables.items[i]->span.end : span.end;
    for (size_t i = 0; i < db->seeds.n; i++)
        span.end = db->seeds.items[i]->span.end > span.end ? db->seeds.items[i]->span.end : span.end;
    return span;
}

static bool is_node(enum ecc_ast_decl_kind kind)
{
    return kind == ECC_AST_DECL_CLIENT || kind == ECC_AST_DECL_BUS || kind == ECC_AST_DECL_CACHE || kind == ECC_AST_DECL_EXTERNAL ||
           kind == ECC_AST_DECL_SERVICE || kind == ECC_AST_DECL_GATEWAY;
}

bool studio_node_lines(const struct studio_view *view, const char *node, struct studio_lines *lines)
{
    size_t n = strlen(node);
    bool database = n > 3 && strcmp(node + n - 3, "-db") == 0;

    for (size_t i = 0; i < view->file->decls.n; i++) {
        const struct ecc_ast_decl *d = view->file->decls.items[i];
        if (!d->name.text || !is_node(d->kind))
            continue;
        if (strcmp(d->name.text, node) == 0) {
            *lines = studio_span_lines(view, d->span);
            return true;
        }
        if (database && d->kind == ECC_AST_DECL_SERVICE && d->u.service.database.present && strlen(d->name.text) == n - 3 &&
            memcmp(d->name.text, node, n - 3) == 0) {
            *lines = studio_span_lines(view, database_span(&d->u.service.database));
            return true;
        }
    }
    return false;
}

bool studio_edge_lines(const struct studio_view *view, const char *from, const char *to, struct studio_lines *lines)
{
    size_t n = strlen(from);

    for (size_t i = 0; i < view->file->decls.n; i++) {
        const struct ecc_ast_decl *d = view->file->decls.items[i];
        if (d->kind == ECC_AST_DECL_EDGE && d->u.edge.from.text && d->u.edge.to.text && strcmp(d->u.edge.from.text, from) == 0 &&
            strcmp(d->u.edge.to.text, to) == 0) {
            *lines = studio_span_lines(view, d->span);
            return true;
        }
    }
    return strncmp(to, from, n) == 0 && strcmp(to + n, "-db") == 0 && studio_node_lines(view, to, lines);
}

struct list {
    struct ecc_writer *w;
    const char *sep;
};

static void put_place(struct list *list, const char *name, struct studio_lines lines)
{
    ecc_w(list->w, "%s%s: {\"line\": %u, \"end_line\": %u}", list->sep, ecc_quote_json(list->w->arena, name), lines.first, lines.last);
    list->sep = ",\n  ";
}

static void put_steps(struct list *list, const struct studio_view *view, const struct ecc_hops *hops)
{
    for (size_t i = 0; i < hops->n; i++) {
        put_place(list, hops->items[i]->id, studio_span_lines(view, hops->items[i]->span));
        put_steps(list, view, &hops->items[i]->hops);
    }
}

static void write_places(struct ecc_writer *w, const struct studio_view *view, const struct ecc_derived *const *derived)
{
    struct list nodes = {w, "\n  "}, edges = nodes, scenarios = nodes;
    const struct ecc_model *m = view->model;
    struct studio_lines lines;

    ecc_w(w, "{\"nodes\": {");
    for (size_t i = 0; i < m->nnodes; i++) {
        const struct ecc_node *node = m->nodes[i];
        if (studio_node_lines(view, node->name, &lines))
            put_place(&nodes, node->name, lines);
        const char *database = ecc_arena_printf(w->arena, "%s-db", node->name);
        if (node->kind == ECC_NODE_SERVICE && node->u.service.has_database && studio_node_lines(view, database, &lines))
            put_place(&nodes, database, lines);
    }
    ecc_w(w, "},\n \"edges\": {");
    for (size_t i = 0; i < m->nedges; i++)
        if (studio_edge_lines(view, m->edges[i]->from->name, m->edges[i]->to->name, &lines))
            put_place(&edges, ecc_arena_printf(w->arena, "%s -> %s", m->edges[i]->from->name, m->edges[i]->to->name), lines);
    ecc_w(w, "},\n \"scenarios\": {");
    for (size_t i = 0; i < view->file->decls.n; i++) {
        const struct ecc_ast_decl *d = view->file->decls.items[i];
        if (d->kind == ECC_AST_DECL_SCENARIO && d->name.text)
            put_place(&scenarios, d->name.text, studio_span_lines(view, d->span));
    }
    ecc_w(w, "},\n \"steps\": {");
    for (size_t i = 0; i < m->nscenarios; i++) {
        struct list steps = {w, "\n  "};
        ecc_w(w, "%s%s: {", i ? "},\n " : "\n ", ecc_quote_json(w->arena, m->scenarios[i]->name));
        put_steps(&steps, view, &derived[i]->hops);
    }
    ecc_w(w, "%s}}", m->nscenarios ? "}" : "");
}

/* ------------------------------------------------------------------ the rest */

void studio_write_diags(struct ecc_writer *w, const struct studio_view *view)
{
    ecc_w(w, "[");
    for (size_t i = 0; i < view->diags.n; i++) {
        const struct ecc_diag *d = view->diags.items[i];
        struct ecc_position from = ecc_source_position(&view->source, d->span.start), to = ecc_source_position(&view->source, d->span.end);
        char id[ECC_ID_SIZE];
        ecc_diag_id(d, id);
        ecc_w(w,
              "%s\n  {\"severity\": \"%s\", \"code\": \"%s\", \"line\": %u, \"column\": %u, \"end_line\": %u, \"end_column\": %u, "
              "\"message\": %s",
              i ? "," : "", d->severity == ECC_ERROR ? "error" : "warning", id, from.line, from.column, to.line, to.column,
              ecc_quote_json(w->arena, d->message));
        if (d->note)
            ecc_w(w, ", \"note\": %s", ecc_quote_json(w->arena, d->note));
        if (d->help)
            ecc_w(w, ", \"help\": %s", ecc_quote_json(w->arena, d->help));
        ecc_w(w, "}");
    }
    ecc_w(w, "]");
}

static void write_switches(struct ecc_writer *w, const struct studio_view *view)
{
    ecc_w(w, "[");
    for (size_t i = 0; i < view->nswitches; i++) {
        const struct studio_switch *s = &view->switches[i];
        const char *sep = "";
        ecc_w(w, "%s\n  {\"id\": %s, \"label\": %s, \"what\": %s, \"assume\": %s, \"node\": %s, \"real\": \"%s\", \"scenarios\": [",
              i ? "," : "", ecc_quote_json(w->arena, s->id), ecc_quote_json(w->arena, s->label), ecc_quote_json(w->arena, s->what),
              ecc_quote_json(w->arena, s->assume), ecc_quote_json(w->arena, s->node->name), studio_real_name(s->real));
        for (size_t k = 0; k < view->model->nscenarios; k++) {
            if (!s->noticed[k])
                continue;
            ecc_w(w, "%s%s", sep, ecc_quote_json(w->arena, view->model->scenarios[k]->name));
            sep = ", ";
        }
        ecc_w(w, "]}");
    }
    ecc_w(w, "]");
}

static const struct ecc_derived *derived_of(const struct studio_view *view, const char *scenario)
{
    for (size_t i = 0; i < view->model->nscenarios; i++)
        if (strcmp(view->model->scenarios[i]->name, scenario) == 0)
            return view->derived[i];
    return NULL;
}

void studio_write_scenario(struct ecc_writer *w, const struct studio_view *view, const char *name)
{
    ecc_write_scenario(w->arena, w, derived_of(view, name));
}

void studio_write_view(struct ecc_writer *w, const struct studio_view *view, const struct studio_view *assumed, const char *scenario)
{
    const struct ecc_derived **derived;
    const struct ecc_model *m = view->model;

    ecc_w(w, "\"diagnostics\": ");
    studio_write_diags(w, view);
    if (!m)
        return;
    derived = ECC_NEW_ARRAY(w->arena, const struct ecc_derived *, m->nscenarios);
    for (size_t i = 0; i < m->nscenarios; i++)
        derived[i] = assumed && strcmp(m->scenarios[i]->name, scenario) == 0 ? derived_of(assumed, scenario) : view->derived[i];
    ecc_w(w, ",\n\"topology\": ");
    ecc_write_topology(w, m);
    ecc_w(w, ",\n\"scenarios\": [");
    for (size_t i = 0; i < m->nscenarios; i++) {
        ecc_w(w, i ? "," : "");
        ecc_write_scenario(w->arena, w, derived[i]);
    }
    ecc_w(w, "],\n\"switches\": ");
    write_switches(w, view);
    ecc_w(w, ",\n\"places\": ");
    write_places(w, view, derived);
}
