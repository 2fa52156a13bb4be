/* The resolver: what the model says about small topologies, and that the checked-in ones resolve. What is reported is in tests/ui. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "diag.h"
#include "model.h"
#include "source.h"
#include "symbols.h"
#include "types.h"

struct compiled {
    struct ecc_arena arena;
    struct ecc_source source;
    struct ecc_diags diags;
    const struct ecc_model *model;
};

static void compile(struct compiled *c, const char *text)
{
    size_t at;

    ecc_arena_init(&c->arena);
    assert_int_equal(ecc_source_init(&c->source, &c->arena, "test.ecom", text, strlen(text), &at), ECC_SOURCE_OK);
    ecc_diags_init(&c->diags, &c->arena);
    c->model = ecc_compile(&c->arena, &c->source, &c->diags);
}

static void must_compile(struct compiled *c, const char *text)
{
    compile(c, text);
    if (c->diags.errors)
        ecc_diags_write(&c->diags, &c->source, ECC_FORMAT_TEXT, false, stderr);
    assert_non_null(c->model);
}

static const struct ecc_node *node(const struct compiled *c, const char *name)
{
    for (size_t i = 0; i < c->model->nnodes; i++)
        if (strcmp(c->model->nodes[i]->name, name) == 0)
            return c->model->nodes[i];
    fail_msg("no node %s", name);
    return NULL;
}

static const struct ecc_op *op(const struct compiled *c, const char *service, const char *name)
{
    const struct ecc_service *s = &node(c, service)->u.service;

    for (size_t i = 0; i < s->nops; i++)
        if (strcmp(s->ops[i]->name, name) == 0)
            return s->ops[i];
    fail_msg("no operation %s", name);
    return NULL;
}

/* ------------------------------------------------------------------ parts */

static void test_symbols(void **state)
{
    struct ecc_arena arena;
    struct ecc_symbols symbols;
    char one, two;
    static int value;

    (void)state;
    ecc_arena_init(&arena);
    ecc_symbols_init(&symbols, &arena, 0);
    for (int i = 0; i < 5000; i++)
        assert_null(ecc_symbols_add(&symbols, i % 2 ? &one : &two, ecc_arena_printf(&arena, "name_%d", i / 2), &value,
                                    (struct ecc_span){(uint32_t)i, (uint32_t)i + 1}));
    struct ecc_symbol *again = ecc_symbols_add(&symbols, &one, "name_7", NULL, (struct ecc_span){0, 0});
    assert_non_null(again);
    assert_int_equal(again->span.start, 15);
    assert_int_equal(ecc_symbols_find(&symbols, &two, "name_7")->span.start, 14);
    assert_null(ecc_symbols_find(&symbols, &one, "name_9999"));
    assert_null(ecc_symbols_find(&symbols, &symbols, "name_7"));
    assert_string_equal(ecc_symbols_near(&symbols, &one, "nmae_2499"), "name_2499");
    assert_null(ecc_symbols_near(&symbols, &symbols, "name_7"));
    ecc_arena_free(&arena);
}

/* A table on top of another adds nothing to it, until it is merged into it. */
static void test_symbols_on_top(void **state)
{
    struct ecc_arena arena;
    struct ecc_symbols base, top;
    char space;
    static int first, second;

    (void)state;
    ecc_arena_init(&arena);
    ecc_symbols_init(&base, &arena, 0);
    ecc_symbols_init(&top, &arena, 0);
    top.base = &base;
    ecc_symbols_add(&base, &space, "below", &first, (struct ecc_span){1, 2});
    assert_ptr_equal(ecc_symbols_add(&top, &space, "below", &second, (struct ecc_span){3, 4})->value, &first);
    for (int i = 0; i < 3000; i++)
        assert_null(ecc_symbols_add(&top, &space, ecc_arena_printf(&arena, "above_%d", i), &second, (struct ecc_span){5, 6}));
    assert_non_null(ecc_symbols_find(&top, &space, "above_17"));
    assert_null(ecc_symbols_find(&base, &space, "above_17"));
    assert_string_equal(ecc_symbols_near(&top, &space, "belwo"), "below");
    ecc_symbols_merge(&base, &top);
    for (int i = 0; i < 3000; i++)
        assert_ptr_equal(ecc_symbols_find(&base, &space, ecc_arena_printf(&arena, "above_%d", i))->value, &second);
    assert_int_equal(base.n, 3001);
    ecc_symbols_clear(&base);
    assert_null(ecc_symbols_find(&base, &space, "above_17"));
    assert_int_equal(base.n, 0);
    ecc_arena_free(&arena);
}

/* Of two names that are as near it is the first, wherever the table has them. */
static void test_near_is_by_name(void **state)
{
    struct ecc_arena arena;
    struct ecc_symbols symbols;
    char spaces[300]; /* where a name is in the table depends on the address of its space */
    static int value;

    (void)state;
    ecc_arena_init(&arena);
    ecc_symbols_init(&symbols, &arena, 0);
    for (size_t i = 0; i < sizeof spaces; i += 16) {
        ecc_symbols_add(&symbols, &spaces[i], "part2", &value, (struct ecc_span){1, 2});
        ecc_symbols_add(&symbols, &spaces[i], "part1", &value, (struct ecc_span){3, 4});
        assert_string_equal(ecc_symbols_near(&symbols, &spaces[i], "part3"), "part1");
    }
    ecc_arena_free(&arena);
}

static void test_fit(void **state)
{
    struct ecc_arena arena;
    struct ecc_field ab[] = {{.name = "a", .type = &ecc_type_uuid}, {.name = "b", .type = &ecc_type_int}};
    struct ecc_field ba[] = {{.name = "b", .type = &ecc_type_int}, {.name = "a", .type = &ecc_type_text}, {.name = "c", .type = &ecc_type_int}};
    struct ecc_record narrow = {.fields = ab, .nfields = 2}, wide = {.fields = ba, .nfields = 3}, same = {.fields = ab, .nfields = 2};

    (void)state;
    ecc_arena_init(&arena);
    const struct ecc_type *text = ecc_type_optional(&arena, &ecc_type_text);
    assert_int_equal(ecc_type_fit(&ecc_type_uuid, &ecc_type_text), ECC_FIT_CONVERT);
    assert_int_equal(ecc_type_fit(&ecc_type_email, &ecc_type_text), ECC_FIT_CONVERT);
    assert_int_equal(ecc_type_fit(&ecc_type_text, &ecc_type_secret), ECC_FIT_CONVERT);
    assert_int_equal(ecc_type_fit(&ecc_type_secret, &ecc_type_text), ECC_FIT_NOT);
    assert_int_equal(ecc_type_fit(&ecc_type_text, &ecc_type_uuid), ECC_FIT_NOT);
    assert_int_equal(ecc_type_fit(&ecc_type_int, &ecc_type_float), ECC_FIT_NOT);
    assert_int_equal(ecc_type_fit(&ecc_type_text, text), ECC_FIT_CONVERT);
    assert_int_equal(ecc_type_fit(text, &ecc_type_text), ECC_FIT_ABSENT);
    assert_int_equal(ecc_type_fit(text, text), ECC_FIT_SAME);
    assert_int_equal(ecc_type_fit(&ecc_type_unknown, &ecc_type_int), ECC_FIT_SAME);
    const struct ecc_type *n = ecc_type_of_record(&arena, &narrow), *w = ecc_type_of_record(&arena, &wide);
    const struct ecc_type *s = ecc_type_of_record(&arena, &same);
    assert_int_equal(ecc_type_fit(n, n), ECC_FIT_SAME);
    assert_int_equal(ecc_type_fit(n, s), ECC_FIT_CONVERT);
    assert_int_equal(ecc_type_fit(n, w), ECC_FIT_NOT); /* no c */
    assert_int_equal(ecc_type_fit(w, n), ECC_FIT_NOT); /* its a is a text */
    assert_int_equal(ecc_type_fit(ecc_type_list_of(&arena, n), ecc_type_list_of(&arena, s)), ECC_FIT_CONVERT);
    assert_string_equal(ecc_type_name(&arena, ecc_type_list_of(&arena, text)), "[text?]");
    ecc_arena_free(&arena);
}

static void test_literals(void **state)
{
    const char *why;
    struct ecc_type bounded = {.kind = ECC_TYPE_TEXT, .bounded = true, .min = 2, .max = 3};

    (void)state;
    assert_true(ecc_text_fits(&bounded, "\xc3\xa9t\xc3\xa9", &why)); /* three code points */
    assert_false(ecc_text_fits(&bounded, "\xc3\xa9", &why));
    assert_true(ecc_text_fits(&ecc_type_uuid, "018f3a5e-0000-7000-8000-000000000000", &why));
    assert_false(ecc_text_fits(&ecc_type_uuid, "018f3a5e-0000-7000-8000-00000000000g", &why));
    assert_true(ecc_text_fits(&ecc_type_time, "2030-01-31T12:00:00.5+01:00", &why));
    assert_false(ecc_text_fits(&ecc_type_time, "2030-01-31", &why));
    assert_true(ecc_text_fits(&ecc_type_email, "ada@example.test", &why));
    assert_false(ecc_text_fits(&ecc_type_email, "@example.test", &why));
}

/* ------------------------------------------------------------------ programs */

#define DATABASE "database postgres { table t { id uuid primary key  n int  note text? } }\n"

static void test_repeat(void **state)
{
    struct compiled c;

    (void)state;
    must_compile(&c,
        "topology \"T\"\n"
        "record Item { n: int }\n"
        "external post \"P\" { base \"https://post.example\" env POST_URL  call Send POST \"/s\" json { n: int }  call Look GET \"/l\" }\n"
        "service b-svc \"B\" { " DATABASE " op Look(id: uuid) { let x = sql maybe \"\"\"SELECT n FROM t WHERE id = :id\"\"\" }\n"
        "  op Write(id: uuid) { sql exec \"\"\"DELETE FROM t WHERE id = :id\"\"\" } }\n"
        "service c-svc \"C\" { op Pass(id: uuid) { b-svc.Write(id: id) } }\n"
        "service a-svc \"A\" { " DATABASE
        "  op Read(id: uuid) { let x = sql many \"\"\"SELECT n FROM t\"\"\" }\n"
        "  op One(id: uuid) { sql exec \"\"\"DELETE FROM t WHERE id = :id\"\"\" }\n"
        "  op Two(id: uuid) { sql exec \"\"\"DELETE FROM t\"\"\"  sql exec \"\"\"DELETE FROM t\"\"\" }\n"
        "  op Tx(id: uuid) { tx { sql exec \"\"\"DELETE FROM t\"\"\"  sql exec \"\"\"DELETE FROM t\"\"\" } }\n"
        "  op Loop(ids: [uuid]) { for id in ids { sql exec \"\"\"DELETE FROM t WHERE id = :id\"\"\" } }\n"
        "  op Hash(id: uuid, p: secret) { let h = password.hash(p)  sql exec \"\"\"DELETE FROM t WHERE id = :id\"\"\" }\n"
        "  op CallsRead(id: uuid) { b-svc.Look(id: id)  post.Look() }\n"
        "  op CallsWrite(id: uuid) { b-svc.Write(id: id) }\n"
        "  op CallsPass(id: uuid) { c-svc.Pass(id: id) }\n"
        "  op Sends(id: uuid) { post.Send(n: 1) }\n"
        "  op Starts(id: uuid) { tx { let s = start move(id: id) } }\n"
        "  op Custom(id: uuid) custom\n"
        "}\n"
        "saga move on a-svc (id: uuid) { step one do b-svc.Write(id: id)  done { sql exec \"\"\"DELETE FROM t WHERE id = :id\"\"\" } }\n"
        "edge a-svc -> b-svc { http }\nedge a-svc -> c-svc { http }\nedge c-svc -> b-svc { http }\nedge a-svc -> post { https external }\n");
    assert_int_equal(op(&c, "a-svc", "Read")->program.repeat, ECC_REPEAT_READ);
    assert_int_equal(op(&c, "a-svc", "One")->program.repeat, ECC_REPEAT_ATOMIC);
    assert_int_equal(op(&c, "a-svc", "Two")->program.repeat, ECC_REPEAT_CLAIM);
    assert_int_equal(op(&c, "a-svc", "Tx")->program.repeat, ECC_REPEAT_ATOMIC);
    assert_int_equal(op(&c, "a-svc", "Loop")->program.repeat, ECC_REPEAT_CLAIM);
    assert_int_equal(op(&c, "a-svc", "Hash")->program.repeat, ECC_REPEAT_ATOMIC);
    assert_int_equal(op(&c, "a-svc", "CallsRead")->program.repeat, ECC_REPEAT_READ);
    assert_int_equal(op(&c, "a-svc", "CallsWrite")->program.repeat, ECC_REPEAT_CLAIM);
    assert_int_equal(op(&c, "a-svc", "CallsPass")->program.repeat, ECC_REPEAT_CLAIM);
    assert_int_equal(op(&c, "a-svc", "Sends")->program.repeat, ECC_REPEAT_CLAIM);
    assert_int_equal(op(&c, "a-svc", "Starts")->program.repeat, ECC_REPEAT_CLAIM);
    assert_int_equal(op(&c, "a-svc", "Custom")->program.repeat, ECC_REPEAT_CLAIM);
    assert_int_equal(op(&c, "c-svc", "Pass")->program.repeat, ECC_REPEAT_READ); /* nowhere to keep a barrier */
    assert_int_equal(c.model->sagas[0]->done.repeat, ECC_REPEAT_ATOMIC);
    assert_int_equal(c.model->sagas[0]->failed.repeat, ECC_REPEAT_READ);
    const struct ecc_op *write = op(&c, "b-svc", "Write");
    assert_int_equal(write->ncallers, 2);
    assert_string_equal(write->callers[0]->name, "a-svc");
    assert_string_equal(write->callers[1]->name, "c-svc");
    ecc_arena_free(&c.arena);
}

static void test_names(void **state)
{
    struct compiled c;

    (void)state;
    must_compile(&c,
        "topology \"T\"\n"
        "service a-svc \"A\" { " DATABASE "  op Run(flag: bool, n: int) {\n"
        "    when flag { let row = sql maybe \"\"\"SELECT n FROM t\"\"\" } else { let row = sql maybe \"\"\"SELECT n FROM t\"\"\" }\n"
        "    sql exec \"\"\"UPDATE t SET n = :n\"\"\"\n"
        "    sql exec \"\"\"UPDATE t SET n = :n\"\"\"\n"
        "    tx { let kept = sql one \"\"\"SELECT n FROM t\"\"\" }\n"
        "    let sum = kept.n + n\n"
        "  }\n}\n");
    const struct ecc_block *body = &op(&c, "a-svc", "Run")->program.body;
    const struct ecc_stmt *first = body->stmts[0]->u.when.then.stmts[0], *second = body->stmts[0]->u.when.otherwise.stmts[0];
    assert_string_equal(first->let->unique, "row");
    assert_string_equal(second->let->unique, "row_2");
    assert_string_equal(second->let->name, "row");
    assert_string_equal(first->u.sql->name, "row");
    assert_string_equal(second->u.sql->name, "row_2");
    assert_string_equal(body->stmts[1]->u.sql->name, "update_t");
    assert_string_equal(body->stmts[2]->u.sql->name, "update_t_2");
    assert_false(body->stmts[1]->in_tx);
    assert_true(body->stmts[3]->u.block.stmts[0]->in_tx);
    assert_int_equal(body->stmts[4]->u.expr->type->kind, ECC_TYPE_INT); /* kept lives on after its tx */
    ecc_arena_free(&c.arena);
}

static void test_presence(void **state)
{
    struct compiled c;

    (void)state;
    must_compile(&c,
        "topology \"T\"\nrecord Item { id: uuid  note: text? }\nerror Gone 410 \"Gone\"\n"
        "service a-svc \"A\" { " DATABASE "  op Run(id: uuid, item: Item) -> Item errors { Gone } {\n"
        "    let row = sql maybe \"\"\"SELECT id, note FROM t WHERE id = :id\"\"\"\n"
        "    let open = row.note\n"
        "    when row and row.note { let known = row.note + \"!\" }\n"
        "    fail Gone when not item.note\n"
        "    let sure = item.note + \"!\"\n"
        "    let must = sql maybe \"\"\"SELECT id, note FROM t WHERE id = :id\"\"\"  none -> fail Gone\n"
        "    return must\n"
        "  }\n}\n");
    const struct ecc_block *body = &op(&c, "a-svc", "Run")->program.body;
    assert_true(body->stmts[0]->let->type->optional);
    assert_true(body->stmts[1]->u.expr->type->optional); /* a field of what may be absent */
    const struct ecc_expr *sum = body->stmts[2]->u.when.then.stmts[0]->u.expr;
    assert_int_equal(sum->u.op.op, ECC_OP_CONCAT);
    assert_false(sum->u.op.left->type->optional);
    assert_true(sum->u.op.left->u.field.field->type->optional);
    assert_false(sum->u.op.left->u.field.of->type->optional);
    assert_int_equal(body->stmts[2]->u.when.cond->u.op.left->u.op.op, ECC_OP_PRESENT);
    const struct ecc_expr *result = body->stmts[6]->u.expr;
    assert_int_equal(result->kind, ECC_EXPR_CONVERT); /* the row, as an Item */
    assert_string_equal(result->type->record->name, "Item");
    assert_false(result->u.convert->type->optional);
    assert_true(result->u.convert->u.var->type->optional);
    ecc_arena_free(&c.arena);
}

static void test_spread_and_defaults(void **state)
{
    struct compiled c;

    (void)state;
    must_compile(&c,
        "topology \"T\"\nenum Level { low high }\n"
        "record From { id: uuid  label: uuid  level: Level  extra: int }\nrecord To { id: uuid  label: text  level: Level  note: text? }\n"
        "service b-svc \"B\" { op Take(id: uuid, n: int = 5, note: text?) { return } }\n"
        "service a-svc \"A\" { op Run(from: From) -> To { b-svc.Take(id: from.id)  return To { ...from  level: high } } }\n"
        "edge a-svc -> b-svc { http }\n");
    const struct ecc_block *body = &op(&c, "a-svc", "Run")->program.body;
    const struct ecc_expr *args = body->stmts[0]->u.call.args, *to = body->stmts[1]->u.expr;
    assert_int_equal(args->u.record.ninits, 3);
    assert_non_null(args->u.record.inits[0].value);
    assert_null(args->u.record.inits[1].value);
    assert_int_equal(args->u.record.inits[1].field->dflt->u.i, 5);
    assert_null(args->u.record.inits[2].value);
    assert_string_equal(body->stmts[0]->u.call.name, "b_svc_take");
    assert_int_equal(to->u.record.ninits, 4);
    assert_int_equal(to->u.record.inits[0].value->kind, ECC_EXPR_FIELD);
    assert_int_equal(to->u.record.inits[1].value->kind, ECC_EXPR_CONVERT); /* a uuid as text */
    assert_int_equal(to->u.record.inits[2].value->kind, ECC_EXPR_ENUM);
    assert_string_equal(to->u.record.inits[2].value->u.text, "high");
    assert_null(to->u.record.inits[3].value);
    ecc_arena_free(&c.arena);
}

/* ------------------------------------------------------------------ around services */

static void test_edges(void **state)
{
    struct compiled c;

    (void)state;
    must_compile(&c,
        "topology \"T\"\nerror Busy 503 \"Busy\"\nerror Away 503 \"Away\"\n"
        "policy careful { timeout 2s  retry 2 backoff 10ms..40ms  breaker { trip 3 consecutive failures  open 5s  probe 2 }  on open fail Busy }\n"
        "service b-svc \"B\" { " DATABASE " op Look(id: uuid) { let x = sql maybe \"\"\"SELECT n FROM t WHERE id = :id\"\"\" } }\n"
        "service a-svc \"A\" { op Run(id: uuid) { b-svc.Look(id: id) } }\n"
        "service c-svc \"C\" { op Run(id: uuid) { b-svc.Look(id: id) } }\n"
        "edge a-svc -> b-svc { http  timeout 1s  use careful  on failure fail Away }\nedge c-svc -> b-svc { }\n");
    const struct ecc_edge *e = c.model->edges[0], *plain = c.model->edges[1];
    assert_int_equal(e->timeout_ms, 1000); /* its own, though the policy stands after it */
    assert_int_equal(e->retries, 2);
    assert_int_equal(e->backoff_max_ms, 40);
    assert_true(e->breaker.set);
    assert_false(e->breaker.timeouts_only);
    assert_int_equal(e->breaker.open_ms, 5000);
    assert_string_equal(e->on_open->name, "Busy");
    assert_string_equal(e->on_failure->name, "Away");
    assert_int_equal(plain->timeout_ms, 5000);
    assert_true(plain->http);
    assert_int_equal(node(&c, "b-svc")->nin, 2);
    assert_ptr_equal(node(&c, "a-svc")->out[0], e);
    ecc_arena_free(&c.arena);
}

static void test_routes(void **state)
{
    struct compiled c;

    (void)state;
    must_compile(&c,
        "topology \"T\"\nrecord Item { id: uuid  n: int }\nrecord Who { user: uuid }\nerror Denied 401 \"Denied\"\n"
        "client app \"App\"\n"
        "service a-svc \"A\" {\n"
        "  op Put(id: uuid, n: int(1..5), tags: [text], user: uuid) -> Item { return Item { id: id  n: n } }\n"
        "  op Find(after: uuid?, limit: int(1..9) = 3, id: uuid) -> Item { return Item { id: id  n: limit } }\n"
        "  op Check(token: secret) -> Who errors { Denied } { fail Denied }\n}\n"
        "gateway front \"F\" {\n"
        "  auth jwt via a-svc.Check(token: token) cache 5s\n"
        "  route PUT \"/items/{id}\" auth -> a-svc.Put(id: path.id, user: identity.user, ...body) reply 201\n"
        "  route GET \"/items/{id}\" public -> a-svc.Find(id: path.id, ...query)\n"
        "  route GET \"/items/{id}/both\" public -> all { one: required a-svc.Find(id: path.id)  two: optional a-svc.Find(id: path.id, limit: 1) }\n"
        "}\nedge app -> front { http }\nedge front -> a-svc { http }\n"
        "scenario look \"Look\" { when app GET \"/items/018f3a5e-0000-7000-8000-000000000000?limit=1\"  expect 200 }\n");
    const struct ecc_gateway *g = &node(&c, "front")->u.gateway;
    const struct ecc_route *put = g->routes[0], *get = g->routes[1], *both = g->routes[2];
    assert_string_equal(put->name, "put_items_id");
    assert_int_equal(put->status, 201);
    assert_int_equal(put->path_params->nfields, 1);
    assert_int_equal(put->path_params->fields[0].type->kind, ECC_TYPE_UUID);
    assert_int_equal(put->body->nfields, 2);
    assert_string_equal(put->body->fields[0].name, "n");
    assert_int_equal(put->body->fields[0].type->max, 5);
    assert_null(put->query);
    assert_string_equal(put->identity_var->type->record->name, "Who");
    assert_int_equal(get->query->nfields, 2);
    assert_true(get->query->fields[0].type->optional);
    assert_int_equal(get->query->fields[1].dflt->u.i, 3);
    assert_null(get->identity_var);
    assert_string_equal(both->name, "get_items_id_both");
    assert_null(both->call);
    assert_false(both->result->record->fields[0].type->optional);
    assert_true(both->result->record->fields[1].type->optional);
    assert_ptr_equal(c.model->scenarios[0]->when->route, get);
    assert_int_equal(g->auth->via->u.call.args->u.record.inits[0].value->u.convert->u.var->kind, ECC_VAR_TOKEN);
    ecc_arena_free(&c.arena);
}

static void test_saga(void **state)
{
    struct compiled c;

    (void)state;
    must_compile(&c,
        "topology \"T\"\nrecord Item { n: int }\nerror Gone 410 \"Gone\"\nerror Busy 503 \"Busy\"\n"
        "service b-svc \"B\" { " DATABASE
        "  op Do(id: uuid) -> Item errors { Gone } { sql exec \"\"\"DELETE FROM t WHERE id = :id\"\"\" none -> fail Gone  return Item { n: 1 } }\n"
        "  op Undo(id: uuid) { sql exec \"\"\"DELETE FROM t WHERE id = :id\"\"\" }\n"
        "  op Last(n: int) { sql exec \"\"\"UPDATE t SET n = :n\"\"\" } }\n"
        "service a-svc \"A\" { " DATABASE "  op Run(id: uuid) errors { Gone } { tx { let s = start move(id: id) }  await s } }\n"
        "saga move on a-svc (id: uuid) {\n"
        "  step first do b-svc.Do(id: id) undo b-svc.Undo(id: id)\n"
        "  step second do b-svc.Last(n: first.n)\n"
        "  done { sql exec \"\"\"UPDATE t SET n = :first.n WHERE id = :id\"\"\" }\n"
        "  failed { sql exec \"\"\"UPDATE t SET note = :error WHERE id = :id\"\"\" }\n}\n"
        "edge a-svc -> b-svc { http  on failure fail Busy }\n");
    const struct ecc_saga *s = c.model->sagas[0];
    assert_int_equal(s->nsteps, 2);
    assert_int_equal(s->nerrors, 2);
    assert_string_equal(s->errors[0]->name, "Gone");
    assert_string_equal(s->errors[1]->name, "Busy");
    assert_int_equal(s->steps[0].result->kind, ECC_VAR_STEP);
    assert_null(s->steps[1].result);
    assert_string_equal(s->steps[0].undo->u.call.name, "first_undo");
    assert_ptr_equal(s->done.body.stmts[0]->u.sql->params[0]->u.field.of->u.var, s->steps[0].result);
    assert_int_equal(s->failed.body.stmts[0]->u.sql->params[0]->u.var->kind, ECC_VAR_ERROR);
    assert_true(op(&c, "b-svc", "Undo")->is_undo);
    assert_false(op(&c, "b-svc", "Do")->is_undo);
    assert_int_equal(node(&c, "a-svc")->u.service.nsagas, 1);
    ecc_arena_free(&c.arena);
}

static void test_seeds_and_tables(void **state)
{
    struct compiled c;

    (void)state;
    must_compile(&c,
        "topology \"T\"\nenum Level { low high }\n"
        "service a-svc \"A\" { database postgres {\n"
        "  table a { id uuid primary key  level Level = high  at time = now()  label text = \"it's\"  n int? }\n"
        "  table b { a_id uuid? references a  x int  check (x > 0) }\n"
        "  seed a { id: \"018f3a5e-0000-7000-8000-000000000000\"  level: low }\n} }\ndrop a-svc.a.old \"gone\"\n");
    const struct ecc_service *s = &node(&c, "a-svc")->u.service;
    assert_string_equal(s->tables[0]->columns[1].dflt_sql, "'high'");
    assert_string_equal(s->tables[0]->columns[2].dflt_sql, "now()");
    assert_string_equal(s->tables[0]->columns[3].dflt_sql, "'it''s'");
    assert_ptr_equal(s->tables[1]->columns[0].references, s->tables[0]);
    assert_int_equal(s->seeds[0]->nvalues, 2);
    assert_int_equal(s->seeds[0]->values[0].value->kind, ECC_EXPR_TEXT);
    assert_int_equal(s->seeds[0]->values[1].value->kind, ECC_EXPR_ENUM);
    assert_int_equal(c.model->ndrops, 1);
    assert_string_equal(c.model->drops[0]->column, "old");
    ecc_arena_free(&c.arena);
}

/* ------------------------------------------------------------------ mistakes */

static void test_no_cascade(void **state)
{
    struct compiled c;

    (void)state;
    compile(&c, "topology \"T\"\nrecord Item { id: uuid  kind: Kinnd }\n"
                "service a-svc \"A\" { op Get(item: Itme) -> Item {\n"
                "  let a = item.id\n  let b = a + 1\n  when b == 3 and item.kind == small { return item }\n"
                "  for x in item.list { let y = x.z }\n  return Item { ...item } } }\n");
    assert_null(c.model);
    assert_int_equal(c.diags.errors, 2);
    ecc_arena_free(&c.arena);
}

static void test_second_place(void **state)
{
    struct compiled c;

    (void)state;
    compile(&c, "topology \"T\"\nenum A { x }\nenum A { y }\n");
    assert_null(c.model);
    assert_int_equal(c.diags.errors, 1);
    assert_true(c.diags.items[0]->has_second);
    assert_int_equal(ecc_source_position(&c.source, c.diags.items[0]->second.start).line, 2);
    assert_int_equal(ecc_source_position(&c.source, c.diags.items[0]->span.start).line, 3);
    ecc_arena_free(&c.arena);
}

/* A long chain of services, each calling the next: no walk may depend on the stack or look at everything for each. */
static void test_many(void **state)
{
    struct compiled c;
    enum { SERVICES = 1500 };
    char *text = malloc(SERVICES * 256 + 256), *p = text;

    (void)state;
    assert_non_null(text);
    p += sprintf(p, "topology \"T\"\n");
    for (int i = 0; i < SERVICES; i++) {
        p += sprintf(p, "service s%d \"S\" { op Get(n: int) { ", i);
        p += i + 1 < SERVICES ? sprintf(p, "s%d.Get(n: n) } }\nedge s%d -> s%d { http timeout %dms }\n", i + 1, i, i + 1, (SERVICES - i) * 10)
                              : sprintf(p, "return } }\n");
    }
    must_compile(&c, text);
    assert_int_equal(c.model->nnodes, SERVICES);
    assert_int_equal(c.model->nedges, SERVICES - 1);
    ecc_arena_free(&c.arena);
    free(text);
}

/* ------------------------------------------------------------------ whole files */

static char *read_up(const char *path)
{
    char at[512] = "";

    for (int up = 0; up < 6; up++) {
        char full[1024];
        snprintf(full, sizeof full, "%s%s", at, path);
        FILE *f = fopen(full, "rb");
        if (f) {
            char *text = calloc(1, 4 << 20);
            size_t n = text ? fread(text, 1, (4 << 20) - 1, f) : 0;
            fclose(f);
            if (text && n)
                return text;
            free(text);
        }
        strncat(at, "../", sizeof at - strlen(at) - 1);
    }
    return NULL;
}

static void compile_file(const char *path)
{
    struct compiled c;
    char *text = read_up(path);

    if (!text) {
        print_message("skip: %s is not above the working directory\n", path);
        skip();
    }
    must_compile(&c, text);
    ecc_arena_free(&c.arena);
    free(text);
}

/* What a consumer does without being told: it tries again, and loses nothing. */
static void test_consumers(void **state)
{
    struct compiled c;

    (void)state;
    must_compile(&c,
        "topology \"T\"\nevent Made v1 { id: uuid }\nevent Gone v1 { id: uuid }\nevent Seen v1 { id: uuid }\n"
        "bus stream \"S\" { topic things key id partitions 3 { Made Gone Seen } }\n"
        "service a-svc \"A\" { " DATABASE " op Make(id: uuid) { tx { publish Made { id: id } publish Gone { id: id } publish Seen { id: id } } } }\n"
        "service b-svc \"B\" { " DATABASE "\n"
        "on Made(e) from things group g { sql exec \"\"\"DELETE FROM t WHERE id = :e.id\"\"\" }\n"
        "on Gone(e) from things group g retry 0 backoff 1s..2s { sql exec \"\"\"DELETE FROM t WHERE id = :e.id\"\"\" }\n"
        "on Seen(e) from things group g then drop { sql exec \"\"\"DELETE FROM t WHERE id = :e.id\"\"\" } }\n"
        "edge a-svc -> stream { publish things }\nedge stream -> b-svc { consume things }\n");
    struct ecc_consumer *const *list = node(&c, "b-svc")->u.service.consumers;
    assert_true(list[0]->dead_letter && list[0]->retries == 5 && list[0]->backoff_min_ms == 200 && list[0]->backoff_max_ms == 30000);
    assert_true(list[1]->dead_letter && list[1]->retries == 0);
    assert_true(!list[2]->dead_letter && list[2]->retries == 5);
    ecc_arena_free(&c.arena);
}

static void test_topology(void **state)
{
    (void)state;
    compile_file("topology.ecom");
}

static void test_parcel(void **state)
{
    (void)state;
    compile_file("tests/topologies/parcel.ecom");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symbols), cmocka_unit_test(test_symbols_on_top), cmocka_unit_test(test_near_is_by_name),         cmocka_unit_test(test_fit),       cmocka_unit_test(test_literals),
        cmocka_unit_test(test_repeat),          cmocka_unit_test(test_names),     cmocka_unit_test(test_presence),
        cmocka_unit_test(test_spread_and_defaults), cmocka_unit_test(test_edges), cmocka_unit_test(test_routes),
        cmocka_unit_test(test_saga),            cmocka_unit_test(test_seeds_and_tables), cmocka_unit_test(test_no_cascade),
        cmocka_unit_test(test_second_place),    cmocka_unit_test(test_many),      cmocka_unit_test(test_topology),
        cmocka_unit_test(test_parcel),          cmocka_unit_test(test_consumers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
