/* Services: settings, operations' signatures, consumers; and, in a later pass, the bodies. The database is resolve_database.c's. */
#include "resolve.h"

#include <string.h>

/* The runtime takes no token of more than 4096 bytes, and each has both of these, where a byte may be six in JSON and is 4/3 in base64. */
enum { LONGEST_PARTY = 200 };

static void check_party(struct ecc_resolver *r, const char *what, const struct ecc_text *text)
{
    if (strlen(text->text) > LONGEST_PARTY)
        ecc_diag(r->diags, ECC_E_TOO_LONG, text->span, "the %s of tokens has %zu bytes, and can have %d: it stands in each of them", what,
                 strlen(text->text), LONGEST_PARTY);
}

static struct ecc_jwt *resolve_jwt(struct ecc_resolver *r, const struct ecc_ast_jwt *ast)
{
    if (!ast)
        return NULL;
    struct ecc_jwt *jwt = ECC_NEW(r->arena, struct ecc_jwt);
    ecc_check_env(r, &ast->secret);
    check_party(r, "issuer", &ast->issuer);
    check_party(r, "audience", &ast->audience);
    *jwt = (struct ecc_jwt){ast->issuer.text, ast->audience.text, ast->secret.text};
    return jwt;
}

static struct ecc_op *resolve_op(struct ecc_resolver *r, const struct ecc_ast_op *ast, const struct ecc_node *node)
{
    struct ecc_op *op = ECC_NEW(r->arena, struct ecc_op);
    struct ecc_record *params = ECC_NEW(r->arena, struct ecc_record);

    op->name = ast->name.text;
    op->was = ast->was.text;
    op->service = node;
    op->custom = ast->custom;
    op->span = ast->name.span;
    params->span = ast->name.span;
    ecc_resolve_fields(r, params, &ast->params, ECC_REF_PARAM);
    op->params = params;
    op->result = ast->result ? ecc_resolve_type(r, ast->result) : &ecc_type_void;
    if (ast->result && !ECC_IS_UNKNOWN(op->result) && (op->result->kind != ECC_TYPE_RECORD || op->result->optional)) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_RESULT, ast->result->span, "an operation returns a record, not %s",
                                      ecc_type_name(r->arena, op->result));
        ecc_diag_help(r->diags, d, "make it a field of one");
        op->result = &ecc_type_unknown;
    }
    ecc_resolve_errors(r, &ast->errors, &op->errors, &op->nerrors);
    return op;
}

static struct ecc_consumer *resolve_consumer(struct ecc_resolver *r, const struct ecc_ast_consumer *ast, const struct ecc_node *node)
{
    struct ecc_consumer *c = ECC_NEW(r->arena, struct ecc_consumer);

    c->event = ecc_lookup_event(r, &ast->event, ast->version, "on");
    c->topic = ecc_lookup(r, &r->spaces->topics, &ast->topic, ECC_E_UNKNOWN_TOPIC, "topic");
    c->service = node;
    c->group = ast->group.text;
    c->retries = 5;
    c->backoff_min_ms = 200;
    c->backoff_max_ms = 30000;
    c->dead_letter = !ast->has_then || ast->dead_letter;
    c->span = ast->event.span;
    if (ast->has_retry) {
        ecc_in_range(r, ast->retries, 0, 1000, ast->span, "the number of retries");
        c->retries = (int)ast->retries;
        c->backoff_min_ms = ast->backoff.min_ms;
        c->backoff_max_ms = ast->backoff.max_ms;
    }
    if (c->event && c->topic && c->event->topic != c->topic) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_UNKNOWN_EVENT, ast->topic.span, "topic %s does not carry event `%s`", c->topic->name,
                                      c->event->name);
        if (c->event->topic) {
            ecc_diag_help(r->diags, d, "it is in topic %s", c->event->topic->name);
            ecc_diag_second(d, c->event->topic->span, "this one does");
        }
    }
    return c;
}

void ecc_resolve_service(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node)
{
    struct ecc_service *s = &node->u.service;
    const struct ecc_ast_settings *settings = &ast->u.service.settings;
    const struct ecc_ast_ops *ops = &ast->u.service.ops;
    const struct ecc_ast_consumers *consumers = &ast->u.service.consumers;

    s->jwt = resolve_jwt(r, ast->u.service.jwt);
    s->workers = 1;
    if (ast->u.service.workers && ecc_in_range(r, ast->u.service.workers, 1, 256, ast->u.service.workers_span, "the number of workers"))
        s->workers = (int)ast->u.service.workers;
    s->settings = ECC_NEW_ARRAY(r->arena, struct ecc_setting *, settings->n);
    for (size_t i = 0; i < settings->n; i++) {
        struct ecc_setting *setting = ecc_resolve_setting(r, settings->items[i], &s->settings);
        if (setting)
            s->settings[s->nsettings++] = setting;
    }
    ecc_resolve_database(r, ast, node);
    s->ops = ECC_NEW_ARRAY(r->arena, struct ecc_op *, ops->n);
    for (size_t i = 0; i < ops->n; i++) {
        struct ecc_op *op = resolve_op(r, ops->items[i], node);
        if (ecc_declare(r, &s->ops, &ops->items[i]->name, op, ECC_REF_OP))
            s->ops[s->nops++] = op;
    }
    for (size_t i = 0; i < ops->n; i++)
        ecc_check_was(r, &s->ops, &s->nops, &ops->items[i]->was, ECC_REF_OP);
    for (size_t i = 0; r->past && i < s->nops; i++) /* a release may call it by its old name */
        if (s->ops[i]->was)
            ecc_symbols_add(&r->symbols, &s->ops, s->ops[i]->was, s->ops[i], s->ops[i]->span);
    s->consumers = ECC_NEW_ARRAY(r->arena, struct ecc_consumer *, consumers->n);
    for (size_t i = 0; i < consumers->n; i++) {
        struct ecc_consumer *c = resolve_consumer(r, consumers->items[i], node);
        struct ecc_name name = {ecc_arena_printf(r->arena, "%s/%s v%d", c->group, consumers->items[i]->event.text, c->event ? c->event->version : 0),
                                c->span};
        struct ecc_symbol *first = ecc_symbols_add(&r->symbols, &s->consumers, name.text, c, c->span);
        if (first) {
            struct ecc_diag *d = ecc_diag(r->diags, ECC_E_DUPLICATE, c->span, "group %s takes event `%s` twice", c->group,
                                          consumers->items[i]->event.text);
            ecc_diag_second(d, first->span, "first taken here");
        }
        s->consumers[s->nconsumers++] = c;
    }
}

/* ------------------------------------------------------------------ bodies */

static void resolve_op_body(struct ecc_resolver *r, const struct ecc_ast_op *ast, struct ecc_op *op)
{
    struct ecc_body *body =
        ecc_body_new(r, ECC_BODY_OP, op->service, ecc_arena_printf(r->arena, "operation `%s`", op->name));

    body->op = op;
    body->result = op->result;
    ecc_bind_fields(r, body, op->params);
    body->effects->custom = op->custom;
    ecc_symbols_add(&r->symbols, op, "effects", body->effects, op->span);
    if (op->custom) {
        body->effects->program = &op->program;
        ECC_PUSH(r->arena, &r->effects, body->effects);
        return;
    }
    ecc_resolve_program(r, body, &ast->body, &op->program, op->span);
}

/* The edge from the bus that lets the events in. */
static void check_consume_edge(struct ecc_resolver *r, const struct ecc_consumer *c, const struct ecc_ast_consumer *ast)
{
    const struct ecc_edge *edge = ecc_need_edge(r, ecc_bus_node(c->topic->bus), c->service, ast->topic.span,
                                                ecc_arena_printf(r->arena, "{ consume %s }", c->topic->name));

    for (size_t i = 0; edge && i < edge->nconsume; i++)
        if (edge->consume[i] == c->topic) {
            ecc_mark(r, &edge->consume, c->topic->name);
            return;
        }
    if (!edge)
        return;
    struct ecc_diag *d = ecc_diag(r->diags, ECC_E_NO_EDGE, ast->topic.span, "topic %s does not reach %s", c->topic->name, c->service->name);
    ecc_diag_second(d, edge->span, "add `consume` of the topic here");
}

static void resolve_consumer_body(struct ecc_resolver *r, const struct ecc_ast_consumer *ast, struct ecc_consumer *c)
{
    struct ecc_body *body =
        ecc_body_new(r, ECC_BODY_CONSUMER, c->service, ecc_arena_printf(r->arena, "the consumer of `%s`", ast->event.text));

    if (c->topic) {
        check_consume_edge(r, c, ast);
        ecc_mark(r, c->topic, "consumed");
    }
    if (c->event)
        ecc_mark(r, c->event, "consumed");
    c->var = ecc_bind(r, body, ECC_VAR_PARAM, &ast->var, c->event ? ecc_type_of_record(r->arena, c->event->body) : &ecc_type_unknown);
    ecc_resolve_program(r, body, &ast->body, &c->program, c->span);
}

void ecc_resolve_service_bodies(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node)
{
    const struct ecc_ast_ops *ops = &ast->u.service.ops;
    const struct ecc_ast_consumers *consumers = &ast->u.service.consumers;

    ecc_symbols_clear(&r->locals);
    ecc_resolve_seeds(r, ast, node);
    for (size_t i = 0; i < ops->n; i++) {
        struct ecc_symbol *e = ecc_symbols_find(&r->symbols, &node->u.service.ops, ops->items[i]->name.text);
        if (e && e->span.start == ops->items[i]->name.span.start) /* not the second of two */
            resolve_op_body(r, ops->items[i], e->value);
    }
    for (size_t i = 0; i < consumers->n; i++)
        resolve_consumer_body(r, consumers->items[i], node->u.service.consumers[i]);
}
