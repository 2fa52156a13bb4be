/* What a node, an edge or a step of a scenario is made of: its lines of the topology, the C that comes of it, and its policy.
 *
 * The code is generated anew, in memory. Which parts of it are meant is known by the names that the emitters have for them (shapes.h); a
 * definition of that name begins in the first column of its file, as all of them do, and ends with the bracket that stands there. */
#include "code.h"

#include <stdlib.h>
#include <string.h>

#include "codegen.h"
#include "walk.h"

struct code {
    struct studio_request *r;
    struct ecc_arena *arena;
    const struct studio_view *view;
    struct ecc_outset files;
    struct {
        struct piece {
            const char *file, *text;
            size_t length;
            unsigned first, last;
        } * items;
        size_t n, cap;
    } pieces;
};

/* ------------------------------------------------------------------ pieces of files */

static void add_piece(struct code *c, const struct ecc_outfile *file, const char *from, const char *to)
{
    struct piece piece = {file->path, from, (size_t)(to - from), 1, 0};

    for (size_t i = 0; i < c->pieces.n; i++)
        if (c->pieces.items[i].text == from)
            return;
    for (const char *p = file->content; p < from; p++)
        piece.first += *p == '\n';
    piece.last = piece.first;
    for (const char *p = from; p + 1 < to; p++)
        piece.last += *p == '\n';
    ECC_PUSH(c->arena, &c->pieces, piece);
}

static void add_file(struct code *c, const struct ecc_shapes *unit, const char *name)
{
    const struct ecc_outfile *file = ecc_outset_find(&c->files, ecc_arena_printf(c->arena, "%s/%s", unit->folder, name));

    if (file) /* of an operation that a person writes there is none */
        add_piece(c, file, file->content, file->content + file->length);
}

static const char *next_line(const char *p, const char *end)
{
    const char *newline = memchr(p, '\n', (size_t)(end - p));

    return newline ? newline + 1 : end;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Does the line define the name: a word of it with `(`, `[` or `=` behind it? */
static bool defines(const char *line, const char *end, const char *name)
{
    size_t n = strlen(name);

    if (line == end || !is_word(*line))
        return false;
    for (const char *p = line; p + n < end; p++) {
        if ((p > line && is_word(p[-1])) || memcmp(p, name, n) != 0 || is_word(p[n]))
            continue;
        return p[n] == '(' || p[n] == '[' || (p[n] == ' ' && p + n + 1 < end && p[n + 1] == '=');
    }
    return false;
}

/* Where the definition that begins at line ends; NULL: it is only declared there. */
static const char *end_of(const char *line, const char *end)
{
    bool open = false;

    for (const char *p = line; p < end; p = next_line(p, end)) {
        const char *stop = next_line(p, end);
        if (*p == '}')
            return stop;
        open = open || memchr(p, '{', (size_t)(stop - p));
        if (!open && stop - p > 1 && stop[-2] == ';')
            break;
    }
    return NULL;
}

/* With the comment right above it. */
static const char *begin_of(const char *content, const char *line)
{
    const char *p = line;

    if (line - content < 4 || memcmp(line - 3, "*/\n", 3) != 0)
        return line;
    do
        for (p--; p > content && p[-1] != '\n';)
            p--;
    while (p > content && memcmp(p, "/*", 2) != 0);
    return memcmp(p, "/*", 2) == 0 && p > content ? p : line; /* the banner is no comment of it */
}

static void add_named(struct code *c, const struct ecc_shapes *unit, const char *name, const char *symbol)
{
    const struct ecc_outfile *file = ecc_outset_find(&c->files, ecc_arena_printf(c->arena, "%s/%s", unit->folder, name));
    const char *end = file ? file->content + file->length : NULL;

    for (const char *p = file ? file->content : NULL; symbol && p && p < end; p = next_line(p, end)) {
        const char *stop = defines(p, next_line(p, end), symbol) ? end_of(p, end) : NULL;
        if (stop) {
            add_piece(c, file, begin_of(file->content, p), stop);
            return;
        }
    }
}

static struct ecc_shapes *unit_of(struct code *c, const struct ecc_node *node)
{
    bool sandbox = node->kind == ECC_NODE_EXTERNAL;

    if (node->kind != ECC_NODE_SERVICE && node->kind != ECC_NODE_GATEWAY && !(sandbox && node->u.external.has_sandbox))
        return NULL;
    return ecc_shapes_build(c->arena, c->view->model, node, sandbox);
}

/* ------------------------------------------------------------------ what is asked for */

static const struct ecc_node *node_named(const struct ecc_model *model, const char *name)
{
    for (size_t i = 0; i < model->nnodes; i++)
        if (strcmp(model->nodes[i]->name, name) == 0)
            return model->nodes[i];
    return NULL;
}

/* The service that a database belongs to: `<service>-db`, which is no node. */
static const struct ecc_node *owner_of(const struct code *c, const char *database)
{
    size_t n = strlen(database);

    if (n <= 3 || strcmp(database + n - 3, "-db") != 0)
        return NULL;
    const struct ecc_node *node = node_named(c->view->model, ecc_arena_strndup(c->arena, database, n - 3));
    return node && node->kind == ECC_NODE_SERVICE && node->u.service.has_database ? node : NULL;
}

static const struct ecc_hop *hop_of(const struct ecc_hops *hops, const char *id)
{
    for (size_t i = 0; i < hops->n; i++) {
        const struct ecc_hop *hop = hops->items[i], *inner;
        if (strcmp(hop->id, id) == 0)
            return hop;
        if ((inner = hop_of(&hop->hops, id)))
            return inner;
    }
    return NULL;
}

/* A step of a scenario as the topology has it; NULL: none, or it is there only under an assumption. */
static const struct ecc_hop *hop_asked(struct code *c)
{
    const char *scenario = studio_query(c->r, "scenario"), *step = studio_query(c->r, "step");
    size_t n = step ? strlen(step) : 0;

    if (n > 6 && strcmp(step + n - 6, ".reply") == 0)
        step = ecc_arena_strndup(c->arena, step, n - 6);
    for (size_t i = 0; scenario && step && i < c->view->model->nscenarios; i++)
        if (strcmp(c->view->model->scenarios[i]->name, scenario) == 0)
            return hop_of(&c->view->derived[i]->hops, step);
    return NULL;
}

/* ------------------------------------------------------------------ nodes */

/* What units have of a topic or keyspace. */
static void add_everywhere(struct code *c, const void *thing)
{
    for (size_t i = 0; i < c->view->model->nnodes; i++) {
        const struct ecc_node *node = c->view->model->nodes[i];
        struct ecc_shapes *unit = node->kind != ECC_NODE_EXTERNAL ? unit_of(c, node) : NULL;
        if (unit)
            add_named(c, unit, "clients.c", ecc_shapes_name(unit, thing));
    }
}

static void add_database(struct code *c, const struct ecc_node *service)
{
    const struct ecc_shapes *unit = unit_of(c, service);
    const char *folder = ecc_arena_printf(c->arena, "%s/migrations/", unit->folder);

    for (size_t i = 0; i < c->files.n; i++) {
        const struct ecc_outfile *file = &c->files.items[i];
        size_t n = strlen(file->path);
        if (strncmp(file->path, folder, strlen(folder)) == 0 && n > 7 && strcmp(file->path + n - 7, ".up.sql") == 0)
            add_piece(c, file, file->content, file->content + file->length);
    }
    add_file(c, unit, "seed.sql");
    add_file(c, unit, "db.c");
}

static void add_node(struct code *c, const struct ecc_node *node)
{
    struct ecc_shapes *unit = unit_of(c, node);

    if (unit)
        add_file(c, unit, "main.c");
    for (size_t i = 0; unit && i < unit->programs.n; i++)
        add_file(c, unit, unit->programs.items[i]->file);
    for (size_t i = 0; node->kind == ECC_NODE_BUS && i < node->u.bus.ntopics; i++)
        add_everywhere(c, node->u.bus.topics[i]);
    for (size_t i = 0; node->kind == ECC_NODE_CACHE && i < node->u.cache.nkeyspaces; i++)
        add_everywhere(c, node->u.cache.keyspaces[i]);
    if (node->kind == ECC_NODE_EXTERNAL)
        add_everywhere(c, node);
}

/* ------------------------------------------------------------------ edges and steps */

struct in_program {
    struct ecc_span span;
    bool found;
};

static void look_at(void *context, const struct ecc_stmt *stmt)
{
    struct in_program *in = context;

    in->found |= stmt->span.start == in->span.start && stmt->span.end == in->span.end;
}

/* The program that sends the hop, and the saga whose step it is. */
static void add_sender(struct code *c, const struct ecc_shapes *unit, const struct ecc_hop *hop)
{
    struct in_program in = {hop->span, false};
    const struct ecc_walker walker = {.stmt = look_at, .context = &in};

    if (hop->saga && ecc_shapes_saga(unit, hop->saga))
        add_file(c, unit, ecc_arena_printf(c->arena, "sagas/%s.c", ecc_shapes_saga(unit, hop->saga)->prefix));
    for (size_t i = 0; i < unit->programs.n; i++) {
        const struct ecc_program_shape *program = unit->programs.items[i];
        in.found = false;
        if (program->program)
            ecc_walk_block(&walker, &program->program->body);
        else if (program->route && program->route->call)
            ecc_walk_stmt(&walker, program->route->call);
        for (size_t k = 0; program->route && k < program->route->nbranches; k++)
            ecc_walk_stmt(&walker, program->route->branches[k].call);
        in.found |= program->route && program->route->span.start == hop->span.start; /* what it asks a cache */
        if (in.found)
            add_file(c, unit, program->file);
    }
    const struct ecc_auth *auth = unit->node->kind == ECC_NODE_GATEWAY ? unit->node->u.gateway.auth : NULL;
    if (auth && auth->via && auth->via->span.start == hop->span.start)
        add_file(c, unit, "gateway.c");
}

/* Does a request's path fit a route's? */
static bool path_fits(const char *route, const char *path)
{
    while (*route && *route != '?' && *path && *path != '?') {
        if (*route == '{') {
            route += strcspn(route, "}") + 1;
            path += strcspn(path, "/?");
        } else if (*route++ != *path++) {
            return false;
        }
    }
    return !*route && (!*path || *path == '?');
}

static bool is_asked(const struct ecc_route *route, const char *label)
{
    size_t n = strlen(route->method);

    return !label || (strncmp(label, route->method, n) == 0 && label[n] == ' ' && path_fits(route->path, label + n + 1));
}

bool studio_names(const char *label, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = label; p && (p = strstr(p, word)); p++)
        if ((p == label || !is_word(p[-1])) && !is_word(p[n]))
            return true;
    return !label;
}

static void add_calls(struct code *c, struct ecc_shapes *unit, const struct ecc_edge *edge, const char *label)
{
    struct ecc_shapes *peer = unit_of(c, edge->to);

    add_named(c, unit, "clients.c", ecc_shapes_name(unit, edge));
    if (edge->to->kind == ECC_NODE_EXTERNAL)
        add_named(c, unit, "clients.c", ecc_shapes_name(unit, edge->to));
    for (size_t i = 0; i < unit->calls.n; i++) {
        const struct ecc_call_shape *call = unit->calls.items[i];
        const char *name = call->op ? call->op->name : call->ext->name;
        if (call->edge != edge || (label && strcmp(label, name) != 0))
            continue;
        add_named(c, unit, "clients.c", call->table);
        add_named(c, unit, "clients.c", call->function);
        if (peer && call->op && ecc_shapes_program(peer, &call->op->program))
            add_file(c, peer, ecc_shapes_program(peer, &call->op->program)->file);
        if (peer && call->ext)
            add_named(c, peer, "main.c", ecc_arena_printf(c->arena, "%s_rules", ecc_snake(c->arena, call->ext->name)));
    }
}

static void add_topics(struct code *c, struct ecc_shapes *unit, const struct ecc_topic **topics, size_t n, const char *label)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < topics[i]->nevents; k++) {
            if (!studio_names(label, topics[i]->events[k]->name))
                continue;
            add_named(c, unit, "clients.c", ecc_shapes_name(unit, topics[i]));
            add_named(c, unit, "clients.c", ecc_shapes_name(unit, topics[i]->events[k]));
        }
}

static void add_edge(struct code *c, const struct ecc_edge *edge, const char *label)
{
    struct ecc_shapes *unit = unit_of(c, edge->from), *peer = unit_of(c, edge->to);

    for (size_t i = 0; edge->from->kind == ECC_NODE_CLIENT && peer && i < peer->programs.n; i++)
        if (peer->programs.items[i]->route && is_asked(peer->programs.items[i]->route, label))
            add_file(c, peer, peer->programs.items[i]->file);
    for (size_t i = 0; edge->from->kind == ECC_NODE_BUS && peer && i < peer->programs.n; i++) {
        const struct ecc_consumer *consumer = peer->programs.items[i]->consumer;
        if (consumer && studio_names(label, consumer->event->name))
            add_file(c, peer, peer->programs.items[i]->file);
    }
    if (edge->from->kind == ECC_NODE_BUS && peer)
        add_topics(c, peer, edge->consume, edge->nconsume, label);
    if (!unit)
        return;
    if (edge->http || edge->https)
        add_calls(c, unit, edge, label);
    if (edge->from->kind == ECC_NODE_GATEWAY && edge->from->u.gateway.limit && edge->from->u.gateway.limit->cache == edge->to &&
        studio_names(label, "limit"))
        add_named(c, unit, "gateway.c", "limit");
    add_topics(c, unit, edge->publish, edge->npublish, label);
    for (size_t i = 0; i < edge->nkeyspaces; i++)
        if (studio_names(label, edge->keyspaces[i]->name))
            add_named(c, unit, "clients.c", ecc_shapes_name(unit, edge->keyspaces[i]));
}

/* The statements of a service; those that are called so, or the one that a step runs. */
static void add_statements(struct code *c, const struct ecc_node *service, const char *label, const struct ecc_hop *hop)
{
    const struct ecc_shapes *unit = unit_of(c, service);

    for (size_t i = 0; i < unit->sqls.n; i++) {
        const struct ecc_sql_shape_of *sql = unit->sqls.items[i];
        bool meant = hop ? sql->sql->span.start >= hop->span.start && sql->sql->span.end <= hop->span.end
                         : !label || strcmp(label, sql->sql->name) == 0;
        if (!meant)
            continue;
        add_named(c, unit, "db.c", sql->statement);
        add_named(c, unit, "db.c", sql->function);
    }
}

/* ------------------------------------------------------------------ the answer */

static void write_lines(struct code *c, struct ecc_writer *w, struct studio_lines lines)
{
    const struct ecc_source *source = &c->view->source;
    uint32_t from = source->lines[lines.first - 1], to = lines.last < source->nlines ? source->lines[lines.last] : source->length;

    ecc_w(w, "{\"source\": {\"file\": %s, \"line\": %u, \"end_line\": %u, \"text\": %s},\n", ecc_quote_json(c->arena, source->path),
          lines.first, lines.last, ecc_quote_json(c->arena, ecc_arena_strndup(c->arena, source->text + from, to - from)));
}

static void write_pieces(struct code *c, struct ecc_writer *w)
{
    ecc_w(w, "\"generated\": [");
    for (size_t i = 0; i < c->pieces.n; i++) {
        const struct piece *piece = &c->pieces.items[i];
        ecc_w(w, "%s\n {\"file\": %s, \"line\": %u, \"end_line\": %u, \"text\": %s}", i ? "," : "",
              ecc_quote_json(c->arena, ecc_arena_printf(c->arena, "generated/%s", piece->file)), piece->first, piece->last,
              ecc_quote_json(c->arena, ecc_arena_strndup(c->arena, piece->text, piece->length)));
    }
    ecc_w(w, "],\n");
}

static const struct ecc_edge *edge_named(struct code *c, const char *name, const char **from, const char **to)
{
    const char *arrow = strstr(name, " -> ");
    const struct ecc_model *m = c->view->model;

    if (!arrow)
        return NULL;
    *from = ecc_arena_strndup(c->arena, name, (size_t)(arrow - name));
    *to = arrow + 4;
    for (size_t i = 0; i < m->nedges; i++)
        if (strcmp(m->edges[i]->from->name, *from) == 0 && strcmp(m->edges[i]->to->name, *to) == 0)
            return m->edges[i];
    return NULL;
}

/* False when there is no such node. */
static bool answer_node(struct code *c, struct ecc_writer *w, const char *name)
{
    const struct ecc_node *node = node_named(c->view->model, name), *owner = node ? NULL : owner_of(c, name);
    struct studio_lines lines;

    if ((!node && !owner) || !studio_node_lines(c->view, name, &lines))
        return false;
    if (node)
        add_node(c, node);
    else
        add_database(c, owner);
    write_lines(c, w, lines);
    write_pieces(c, w);
    if (node)
        studio_write_node_policy(w, node);
    else
        ecc_wl(w, "\"policy\": []");
    return true;
}

static bool answer_edge(struct code *c, struct ecc_writer *w, const char *name, const char *label, const struct ecc_hop *hop)
{
    const char *from = NULL, *to = NULL;
    const struct ecc_edge *edge = edge_named(c, name, &from, &to);
    const struct ecc_node *owner = !edge && to ? owner_of(c, to) : NULL;
    struct studio_lines lines;

    if ((!edge && (!owner || strcmp(owner->name, from) != 0)) || !studio_edge_lines(c->view, from, to, &lines))
        return false;
    if (hop && unit_of(c, hop->from))
        add_sender(c, unit_of(c, hop->from), hop);
    if (edge)
        add_edge(c, edge, label);
    else
        add_statements(c, owner, label, hop);
    write_lines(c, w, hop ? studio_span_lines(c->view, hop->span) : lines);
    write_pieces(c, w);
    if (edge)
        studio_write_edge_policy(w, edge, label);
    else
        ecc_wl(w, "\"policy\": []");
    return true;
}

static void generate(struct code *c)
{
    struct ecc_diags diags;
    struct ecc_codegen cg = {.arena = c->arena,
                             .model = c->view->model,
                             .diags = &diags,
                             .out = &c->files,
                             .lock = c->view->lock,
                             .lock_length = c->view->lock_length};

    ecc_diags_init(&diags, c->arena);
    ecc_outset_init(&c->files, c->arena);
    ecc_codegen(&cg); /* what it would refuse, it has written nevertheless */
}

void studio_code(struct studio_request *r)
{
    const char *node = studio_query(r, "node"), *edge = studio_query(r, "edge"), *label = studio_query(r, "label");
    const struct studio_example *e = studio_example_named(r);
    struct ecc_writer w;

    if (!e)
        return;
    if (!e->view.model) {
        studio_problem(r, &studio_error_conflict, "%s has mistakes", e->path);
        return;
    }
    struct code c = {.r = r, .arena = &r->arena, .view = &e->view};
    const struct ecc_hop *hop = node ? NULL : hop_asked(&c);
    if (hop) {
        edge = ecc_arena_printf(&r->arena, "%s -> %s", hop->from->name, ecc_hop_to(&r->arena, hop));
        label = hop->label;
    }
    if (!node && !edge) {
        studio_problem(r, &studio_error_bad_request, "say of which node, edge, or step of a scenario");
        return;
    }
    generate(&c);
    ecc_writer_init(&w, &r->arena);
    if (!(node ? answer_node(&c, &w, node) : answer_edge(&c, &w, edge, label, hop))) {
        studio_problem(r, &studio_error_not_found, "there is no %s %.200s", node ? "node" : "edge", node ? node : edge);
        return;
    }
    ecc_wl(&w, "}");
    studio_json_tagged(r, &w, NULL);
}
