/* A gateway: routes/<route>.c with the program of each route, and gateway.c with what stands before them: the trie of paths, who may
 * come in, and how often.
 *
 * A route's frame holds the parts of the request, the identity and the reply, at offsets that the route's table names. One call is
 * one await; an aggregation forks a branch a part and joins them. The trie is built here: the literal children of a node stand together,
 * sorted, so that the runtime only searches.
 */
#include <inttypes.h>
#include <string.h>

#include "arena.h"
#include "codegen.h"
#include "emit_program.h"
#include "walk.h"

struct route_file {
    struct ecc_arena *arena;
    struct ecc_shapes *shapes;
    const struct ecc_route *route;
    const struct ecc_program_shape *shape;
    const struct ecc_shape *path, *query, *body, *identity, *out;
    struct ecc_exprs x;
    const char *identity_at; /* "f->identity", or a pointer's "identity" */
    bool identity_pointer;
};

static const char *quoted(const struct ecc_shapes *shapes, const char *text)
{
    return ecc_quote_c(shapes->arena, text);
}

static const struct ecc_auth *auth_of(const struct ecc_shapes *shapes)
{
    return shapes->node->u.gateway.auth;
}

static const struct ecc_shape *identity_shape(const struct ecc_shapes *shapes)
{
    const struct ecc_auth *auth = auth_of(shapes);

    return auth && auth->via->u.call.op->result->record ? ecc_shapes_record(shapes, auth->via->u.call.op->result->record) : NULL;
}

static struct ecc_place route_place(const void *context, const struct ecc_var *var)
{
    const struct route_file *r = context;

    switch (var->kind) {
    case ECC_VAR_PATH:
        return (struct ecc_place){"f->path", false};
    case ECC_VAR_QUERY:
        return (struct ecc_place){"f->query", false};
    case ECC_VAR_BODY:
        return (struct ecc_place){"f->body", false};
    case ECC_VAR_IDENTITY:
        return (struct ecc_place){r->identity_at, r->identity_pointer};
    case ECC_VAR_TOKEN:
        return (struct ecc_place){"f->in.token", false};
    case ECC_VAR_SETTING:
        return ecc_place_setting(r->shapes, var);
    case ECC_VAR_PARAM:
    case ECC_VAR_LET:
    case ECC_VAR_ITEM:
    case ECC_VAR_STEP:
    case ECC_VAR_ERROR:
    case ECC_VAR_REQUEST:
    case ECC_VAR_REPLY:
        break;
    }
    return (struct ecc_place){var->name, false};
}

static void route_file_init(struct route_file *r, struct ecc_shapes *shapes, const struct ecc_route *route)
{
    *r = (struct route_file){.arena = shapes->arena, .shapes = shapes, .route = route};
    r->x = (struct ecc_exprs){.arena = r->arena, .shapes = shapes, .place = route_place, .context = r};
    r->identity_at = "f->identity";
    if (!route)
        return;
    r->shape = ecc_shapes_route(shapes, route);
    r->path = route->path_params ? ecc_shapes_record(shapes, route->path_params) : NULL;
    r->query = route->query ? ecc_shapes_record(shapes, route->query) : NULL;
    r->body = route->body ? ecc_shapes_record(shapes, route->body) : NULL;
    r->identity = route->auth ? identity_shape(shapes) : NULL;
    r->out = route->result && route->result->kind == ECC_TYPE_RECORD ? ecc_shapes_record(shapes, route->result->record) : NULL;
}

/* ------------------------------------------------------------------ one route */

static const char *call_text(struct route_file *r, const struct ecc_stmt *call, const char *task, const char *out)
{
    return ecc_arena_printf(r->arena, "%s(%s%s)", ecc_shapes_call(r->shapes, call->u.call.op, call->u.call.ext)->function, task,
                            ecc_call_args(&r->x, call, out));
}

static const char *call_title(struct ecc_arena *arena, const struct ecc_stmt *call)
{
    return ecc_arena_printf(arena, "%s.%s", call->u.call.op->service->name, call->u.call.op->name);
}

static void emit_comment(struct route_file *r, struct ecc_writer *w)
{
    const struct ecc_route *route = r->route;

    ecc_w(w, "/* %s %s", route->method, ecc_comment_text(r->arena, route->path));
    if (route->call) {
        ecc_wl(w, " -> %s */", call_title(r->arena, route->call));
        return;
    }
    ecc_w(w, "\n");
    for (size_t i = 0; i < route->nbranches; i++)
        ecc_wl(w, " *   %s  %s  %s", route->branches[i].name, route->branches[i].required ? "required" : "optional",
               call_title(r->arena, route->branches[i].call));
    ecc_wl(w, " */");
}

static const struct ecc_shape *branch_shape(struct route_file *r, const struct ecc_branch *branch)
{
    return ecc_shapes_call(r->shapes, branch->call->u.call.op, branch->call->u.call.ext)->out;
}

static void emit_frame(struct route_file *r, struct ecc_writer *w)
{
    ecc_w_open(w, "struct %s {", r->shape->frame);
    if (r->path)
        ecc_wl(w, "struct %s path;", r->path->name);
    if (r->query)
        ecc_wl(w, "struct %s query;", r->query->name);
    if (r->body)
        ecc_wl(w, "struct %s body;", r->body->name);
    if (r->identity)
        ecc_wl(w, "struct %s identity;", r->identity->name);
    if (!r->route->call) {
        ecc_w_open(w, "struct {");
        for (size_t i = 0; i < r->route->nbranches; i++) {
            const struct ecc_branch *branch = &r->route->branches[i];

            if (branch_shape(r, branch))
                ecc_wl(w, "struct %s %s;", branch_shape(r, branch)->name, ecc_c_member(r->arena, branch->name));
        }
        ecc_w_close(w, "} part;");
    }
    if (r->out)
        ecc_wl(w, "struct %s out;", r->out->name);
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

static bool has_frame(const struct route_file *r)
{
    return r->path || r->query || r->body || r->identity || r->out || !r->route->call;
}

static void emit_fork(struct route_file *r, struct ecc_writer *w, const char *step)
{
    const struct ecc_route *route = r->route;

    ecc_wl(w, "ec_fork(task, %zu);", route->nbranches);
    for (size_t i = 0; i < route->nbranches; i++) {
        const struct ecc_branch *b = &route->branches[i];
        const char *task = ecc_arena_printf(r->arena, "ec_branch(task, %zu, %s)", i, b->required ? "true" : "false");
        const char *out = ecc_arena_printf(r->arena, "&f->part.%s", ecc_c_member(r->arena, b->name));

        ecc_wl(w, "%s;", call_text(r, b->call, task, out));
    }
    ecc_wl(w, "EC_AWAIT(task, %s, ec_join(task));", step);
    ecc_w_open(w, "f->out = (struct %s){", r->out->name);
    for (size_t i = 0; i < route->nbranches; i++) {
        const struct ecc_branch *b = &route->branches[i];
        const char *name = ecc_c_member(r->arena, b->name);

        if (!branch_shape(r, b))
            continue;
        if (b->required)
            ecc_wl(w, ".%s = f->part.%s,", name, name);
        else
            ecc_wl(w, ".%s = ec_branch_ok(task, %zu) ? &f->part.%s : NULL,", name, i, name);
    }
    ecc_w_close(w, "};");
}

static void emit_run(struct route_file *r, struct ecc_writer *w)
{
    const struct ecc_route *route = r->route;
    const char *start = ecc_shapes_claim(r->shapes, ecc_arena_printf(r->arena, "%s_START", r->shape->upper));
    const char *name = route->call ? ecc_snake(r->arena, call_title(r->arena, route->call)) : "join", *step;
    const char *reply = r->out ? "&f->out" : "NULL";
    struct ecc_writer body;

    if (route->call)
        name = ecc_shapes_call(r->shapes, route->call->u.call.op, NULL)->function;
    step = ecc_shapes_await(r->shapes, ecc_arena_printf(r->arena, "%s_%s", r->shape->upper, ecc_upper(r->arena, name)), r->shape->title, false);
    ecc_writer_init(&body, r->arena);
    body.indent = 2;
    if (route->call)
        ecc_wl(&body, "EC_AWAIT(task, %s, %s);", step, call_text(r, route->call, "task", r->out ? "&f->out" : NULL));
    else
        emit_fork(r, &body, step);
    if (route->call && ecc_may_accept(route->call->u.call.op)) {
        ecc_w_open(&body, "if (task->accepted) {");
        ecc_wl(&body, "ec_accept(task, %s);", reply);
        ecc_wl(&body, "return;");
        ecc_w_close(&body, "}");
    }
    ecc_wl(&body, "ec_reply(task, %s);", reply);
    ecc_wl(&body, "return;");

    ecc_w_open(w, "enum %s {", r->shape->step);
    ecc_wl(w, "%s,", start);
    ecc_wl(w, "%s,", step);
    ecc_w_close(w, "};");
    ecc_w_blank(w);
    ecc_emit_helpers(&r->x, w);
    ecc_wl(w, "static void %s(struct ec_task *task)", r->shape->run);
    ecc_w_open(w, "{");
    if (strstr(body.data, "f->")) {
        ecc_wl(w, "struct %s *f = EC_FRAME(task, struct %s);", r->shape->frame, r->shape->frame);
        ecc_w_blank(w);
    }
    ecc_wl(w, "switch ((enum %s)task->step) {", r->shape->step);
    ecc_wl(w, "case %s:", start);
    ecc_w_text(w, body.data, body.n);
    ecc_wl(w, "}");
    ecc_w_close(w, "}");
    ecc_w_blank(w);
}

static void emit_route_program(struct route_file *r, struct ecc_writer *w)
{
    const struct ecc_route *route = r->route;

    ecc_w_open(w, "const struct ec_program %s = {", r->shape->name);
    ecc_wl(w, ".name = %s,", quoted(r->shapes, r->shape->title));
    ecc_wl(w, ".run = %s,", r->shape->run);
    if (has_frame(r))
        ecc_wl(w, ".frame_size = sizeof(struct %s),", r->shape->frame);
    if (r->out)
        ecc_wl(w, ".out = &%s,", r->out->table);
    if (route->call)
        ecc_emit_errors(r->shapes, w, route->call->u.call.op->errors, route->call->u.call.op->nerrors);
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

/* The key as text, in a function of its own; its name. */
static const char *emit_cache_key(struct route_file *r, struct ecc_writer *w)
{
    const char *name = ecc_shapes_claim(r->shapes, ecc_arena_printf(r->arena, "%s_cache_key", r->shape->prefix));
    const char *key = ecc_expr_as_text(&r->x, r->route->cache.key);

    ecc_wl(w, "static struct ec_str %s(struct ec_task *task)", name);
    ecc_w_open(w, "{");
    ecc_wl(w, "struct %s *f = EC_FRAME(task, struct %s);", r->shape->frame, r->shape->frame);
    ecc_w_blank(w);
    ecc_wl(w, "return %s;", key);
    ecc_w_close(w, "}");
    ecc_w_blank(w);
    return name;
}

static void emit_part(struct route_file *r, struct ecc_writer *w, const struct ecc_shape *part, const char *record, const char *member)
{
    if (!part)
        return;
    if (record)
        ecc_wl(w, ".%s = &%s,", record, part->table);
    ecc_wl(w, ".%s_offset = offsetof(struct %s, %s),", member, r->shape->frame, member);
}

static void emit_route_table(struct route_file *r, struct ecc_writer *w)
{
    const struct ecc_route *route = r->route;
    const char *key = NULL, *cache = NULL;

    if (route->cache.keyspace) {
        key = emit_cache_key(r, w);
        cache = ecc_shapes_claim(r->shapes, ecc_arena_printf(r->arena, "%s_cache", r->shape->prefix));
        ecc_w_open(w, "static const struct ec_route_cache %s = {", cache);
        ecc_wl(w, ".keyspace = &%s,", ecc_shapes_name(r->shapes, route->cache.keyspace));
        ecc_wl(w, ".key = %s,", key);
        ecc_w_close(w, "};");
        ecc_w_blank(w);
    }
    ecc_w_open(w, "const struct ec_route %s_route = {", r->shape->prefix);
    ecc_wl(w, ".method = %s,", quoted(r->shapes, route->method));
    ecc_wl(w, ".path = %s,", quoted(r->shapes, route->path));
    if (route->auth)
        ecc_wl(w, ".auth = true,");
    ecc_wl(w, ".program = &%s,", r->shape->name);
    emit_part(r, w, r->path, "path_params", "path");
    emit_part(r, w, r->query, "query", "query");
    emit_part(r, w, r->body, "body", "body");
    emit_part(r, w, r->identity, NULL, "identity");
    ecc_wl(w, ".status = %d,", route->status);
    if (route->accepted)
        ecc_wl(w, ".accepted = %s,", quoted(r->shapes, route->accepted));
    if (route->idempotent)
        ecc_wl(w, ".idempotent = true,");
    if (cache)
        ecc_wl(w, ".cache = &%s,", cache);
    ecc_w_close(w, "};");
}

static void emit_route(struct ecc_codegen *cg, struct ecc_shapes *shapes, const struct ecc_route *route)
{
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_C);
    struct route_file r;

    route_file_init(&r, shapes, route);
    ecc_wl(w, "#include \"../%s\"", shapes->header);
    ecc_w_blank(w);
    emit_comment(&r, w);
    if (has_frame(&r))
        emit_frame(&r, w);
    emit_run(&r, w);
    emit_route_program(&r, w);
    emit_route_table(&r, w);
    ecc_codegen_add(cg, shapes, r.shape->file, w);
}

/* ------------------------------------------------------------------ the trie */

struct node {
    const char *segment; /* NULL: a parameter, or the root */
    const char *path;    /* for the comment */
    const char *name;    /* NODE__V1__THINGS__ANY: numbers would move with every route */
    struct { struct node **items; size_t n, cap; } children; /* sorted */
    struct node *any;
    struct { const struct ecc_route **items; size_t n, cap; } routes; /* by method */
    const struct node *first; /* child */
};

static struct node *child(struct ecc_arena *arena, struct node *node, const char *segment)
{
    struct node *made = ECC_NEW(arena, struct node);
    size_t at = 0;

    made->path = ecc_arena_printf(arena, "%s/%s", strcmp(node->path, "/") == 0 ? "" : node->path, ecc_comment_text(arena, segment));
    if (segment[0] == '{') {
        if (!node->any)
            node->any = made;
        return node->any;
    }
    while (at < node->children.n && strcmp(node->children.items[at]->segment, segment) < 0)
        at++;
    if (at < node->children.n && strcmp(node->children.items[at]->segment, segment) == 0)
        return node->children.items[at];
    made->segment = segment;
    ECC_PUSH(arena, &node->children, made);
    memmove(&node->children.items[at + 1], &node->children.items[at], (node->children.n - 1 - at) * sizeof(struct node *));
    node->children.items[at] = made;
    return made;
}

static void add_route(struct ecc_arena *arena, struct node *root, const struct ecc_route *route)
{
    struct node *node = root;
    size_t at = 0;

    for (const char *s = route->path; *s;) {
        size_t n;

        s += *s == '/';
        n = strcspn(s, "/");
        if (n > 0)
            node = child(arena, node, ecc_arena_strndup(arena, s, n));
        s += n;
    }
    while (at < node->routes.n && strcmp(node->routes.items[at]->method, route->method) < 0)
        at++;
    ECC_PUSH(arena, &node->routes, route);
    memmove(&node->routes.items[at + 1], &node->routes.items[at], (node->routes.n - 1 - at) * sizeof node->routes.items[0]);
    node->routes.items[at] = route;
}

static void emit_node(const struct ecc_shapes *shapes, struct ecc_writer *w, const struct node *node)
{
    ecc_w_open(w, "[%s] = { /* %s */", node->name, node->path);
    if (node->segment)
        ecc_wl(w, ".segment = %s,", quoted(shapes, node->segment));
    if (node->children.n > 0)
        ecc_wl(w, ".first = %s, .nchildren = %zu,", node->first->name, node->children.n);
    if (node->any)
        ecc_wl(w, ".any = %s,", node->any->name);
    if (node->routes.n > 0) {
        ecc_w(w, ".routes = (const struct ec_route *const[]){");
        for (size_t i = 0; i < node->routes.n; i++)
            ecc_w(w, "&%s_route, ", ecc_shapes_route(shapes, node->routes.items[i])->prefix);
        ecc_wl(w, "NULL},");
    }
    ecc_w_close(w, "},");
}

struct nodes { struct node **items; size_t n, cap; };

/* No other constant has two underscores in a row. */
static void add_node(struct ecc_arena *arena, struct nodes *nodes, struct node *node, const struct node *parent)
{
    const char *base = !parent || parent == nodes->items[0] ? "NODE" : parent->name;
    char *name = ecc_arena_printf(arena, "%s__%s", base, !parent ? "root" : node->segment ? node->segment : "any");

    for (char *c = name + strlen(base); *c; c++)
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *c) ? *c : '_';
    for (size_t i = 0; i < nodes->n; i++)
        if (strcmp(nodes->items[i]->name, name) == 0) {
            name = ecc_arena_printf(arena, "%s_", name);
            i = (size_t)-1;
        }
    node->name = name;
    ECC_PUSH(arena, nodes, node);
}

static void emit_trie(const struct ecc_shapes *shapes, struct ecc_writer *w)
{
    const struct ecc_gateway *gateway = &shapes->node->u.gateway;
    struct nodes nodes = {0};
    struct node root = {.path = "/"};

    for (size_t i = 0; i < gateway->nroutes; i++)
        add_route(shapes->arena, &root, gateway->routes[i]);
    add_node(shapes->arena, &nodes, &root, NULL);
    for (size_t i = 0; i < nodes.n; i++) {
        struct node *node = nodes.items[i];

        node->first = node->children.n ? node->children.items[0] : NULL;
        for (size_t c = 0; c < node->children.n; c++)
            add_node(shapes->arena, &nodes, node->children.items[c], node);
        if (node->any)
            add_node(shapes->arena, &nodes, node->any, node);
    }
    ecc_w_open(w, "enum {");
    for (size_t i = 0; i < nodes.n; i++)
        ecc_wl(w, "%s,", nodes.items[i]->name);
    ecc_w_close(w, "};");
    ecc_w_blank(w);
    ecc_w_open(w, "static const struct ec_route_node nodes[] = {");
    for (size_t i = 0; i < nodes.n; i++)
        emit_node(shapes, w, nodes.items[i]);
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

/* ------------------------------------------------------------------ auth and limit */

static void emit_auth_program(struct route_file *r, struct ecc_writer *w, const struct ecc_auth *auth, const struct ecc_shape *identity)
{
    const char *call = call_text(r, auth->via, "task", "&f->out");

    ecc_w_open(w, "struct auth_in {");
    ecc_wl(w, "struct ec_str token;");
    ecc_w_close(w, "};");
    ecc_w_blank(w);
    ecc_w_open(w, "static const struct ec_field auth_in_fields[] = {");
    ecc_wl(w, "{.name = \"token\", .kind = EC_SECRET, .offset = offsetof(struct auth_in, token)},");
    ecc_w_close(w, "};");
    ecc_w_blank(w);
    ecc_w_open(w, "static const struct ec_record auth_in_record = {");
    ecc_wl(w, ".name = \"auth_in\",");
    ecc_wl(w, ".size = sizeof(struct auth_in),");
    ecc_wl(w, ".fields = auth_in_fields,");
    ecc_wl(w, ".nfields = sizeof auth_in_fields / sizeof auth_in_fields[0],");
    ecc_w_close(w, "};");
    ecc_w_blank(w);
    ecc_w_open(w, "struct auth_frame {");
    ecc_wl(w, "struct auth_in in;");
    ecc_wl(w, "struct %s out;", identity->name);
    ecc_w_close(w, "};");
    ecc_w_blank(w);
    ecc_w_open(w, "enum auth_step {");
    ecc_wl(w, "AUTH_START,");
    ecc_wl(w, "%s,", ecc_shapes_await(r->shapes, "AUTH_VALIDATE", "auth", false));
    ecc_w_close(w, "};");
    ecc_w_blank(w);
    ecc_emit_helpers(&r->x, w);
    ecc_wl(w, "/* a bearer token -> %s -> an identity */", call_title(r->arena, auth->via));
    ecc_wl(w, "static void auth_run(struct ec_task *task)");
    ecc_w_open(w, "{");
    ecc_wl(w, "struct auth_frame *f = EC_FRAME(task, struct auth_frame);");
    ecc_w_blank(w);
    ecc_wl(w, "switch ((enum auth_step)task->step) {");
    ecc_wl(w, "case AUTH_START:");
    w->indent++;
    ecc_wl(w, "EC_AWAIT(task, AUTH_VALIDATE, %s);", call);
    ecc_wl(w, "ec_reply(task, &f->out);");
    ecc_wl(w, "return;");
    w->indent--;
    ecc_wl(w, "}");
    ecc_w_close(w, "}");
    ecc_w_blank(w);
    ecc_w_open(w, "static const struct ec_program auth_program = {");
    ecc_wl(w, ".name = %s,", quoted(r->shapes, ecc_arena_printf(r->arena, "%s auth", r->shapes->node->name)));
    ecc_wl(w, ".run = auth_run,");
    ecc_wl(w, ".frame_size = sizeof(struct auth_frame),");
    ecc_wl(w, ".in = &auth_in_record,");
    ecc_wl(w, ".out = &%s,", identity->table);
    ecc_emit_errors(r->shapes, w, auth->via->u.call.op->errors, auth->via->u.call.op->nerrors);
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

static void emit_auth(struct ecc_shapes *shapes, struct ecc_writer *w, const struct ecc_auth *auth)
{
    const struct ecc_shape *identity = identity_shape(shapes);
    struct route_file r;

    route_file_init(&r, shapes, NULL);
    emit_auth_program(&r, w, auth, identity);
    if (auth->while_.keyspace) {
        const char *key;

        r.identity_at = "identity";
        r.identity_pointer = true;
        key = ecc_expr_as_text(&r.x, auth->while_.key);
        ecc_wl(w, "static struct ec_str auth_while_key(struct ec_task *task, const void *of)");
        ecc_w_open(w, "{");
        ecc_wl(w, "const struct %s *identity = of;", identity->name);
        ecc_w_blank(w);
        if (!strstr(key, "(task"))
            ecc_wl(w, "(void)task;");
        ecc_wl(w, "return %s;", key);
        ecc_w_close(w, "}");
        ecc_w_blank(w);
    }
    ecc_w_open(w, "static const struct ec_gateway_auth auth = {");
    ecc_wl(w, ".program = &auth_program,");
    ecc_wl(w, ".identity = &%s,", identity->table);
    ecc_wl(w, ".cache_ms = %" PRId64 ",", auth->cache_ms);
    if (auth->while_.keyspace) {
        ecc_wl(w, ".while_keyspace = &%s,", ecc_shapes_name(shapes, auth->while_.keyspace));
        ecc_wl(w, ".while_key = auth_while_key,");
    }
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

static void emit_limit(struct ecc_writer *w, const struct ecc_limit *limit)
{
    ecc_w_open(w, "static const struct ec_limit limit = {");
    if (limit->cache)
        ecc_wl(w, ".cache = %s,", ecc_quote_c(w->arena, limit->cache->name));
    ecc_wl(w, ".per_second = %.17g,", limit->per_second);
    ecc_wl(w, ".burst = %d,", limit->burst);
    if (limit->lease)
        ecc_wl(w, ".lease = %d,", limit->lease);
    if (limit->per != ECC_PER_ADDRESS)
        ecc_wl(w, ".by_identity = true,");
    if (limit->per != ECC_PER_IDENTITY)
        ecc_wl(w, ".by_address = true,");
    if (limit->when_down_allow)
        ecc_wl(w, ".when_down_allow = true,");
    ecc_w_close(w, "};");
    ecc_w_blank(w);
}

static void emit_gateway(struct ecc_codegen *cg, struct ecc_shapes *shapes)
{
    const struct ecc_gateway *gateway = &shapes->node->u.gateway;
    struct ecc_writer *w = ecc_codegen_file(cg, ECC_BANNER_C);
    bool auth = gateway->auth && identity_shape(shapes);

    ecc_wl(w, "#include \"%s\"", shapes->header);
    ecc_w_blank(w);
    if (auth)
        emit_auth(shapes, w, gateway->auth);
    if (gateway->limit)
        emit_limit(w, gateway->limit);
    emit_trie(shapes, w);
    ecc_w_open(w, "const struct ec_gateway gateway = {");
    if (gateway->tls)
        ecc_wl(w, ".tls = true,");
    if (auth)
        ecc_wl(w, ".auth = &auth,");
    if (gateway->limit)
        ecc_wl(w, ".limit = &limit,");
    ecc_wl(w, ".nodes = nodes,");
    ecc_wl(w, ".nnodes = sizeof nodes / sizeof nodes[0],");
    ecc_w_close(w, "};");
    ecc_codegen_add(cg, shapes, "gateway.c", w);
}

void ecc_emit_routes(struct ecc_codegen *cg, struct ecc_shapes *shapes)
{
    if (shapes->node->kind != ECC_NODE_GATEWAY)
        return;
    for (size_t i = 0; i < shapes->node->u.gateway.nroutes; i++)
        emit_route(cg, shapes, shapes->node->u.gateway.routes[i]);
    emit_gateway(cg, shapes);
}
