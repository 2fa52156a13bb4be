/* Plans: where a program begins and commits its transaction, what each commit carries, and how names stay apart. Programs are built by
 * hand; a plan is compared as one line of text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "plan.h"

static struct ecc_arena arena;
static struct ecc_type record_type, item_type, item_list, text_type;
static struct ecc_record row, params, item;
static struct ecc_field item_field;
static const struct ecc_error missing = {.name = "Missing", .status = 404};
static const struct ecc_node service = {.kind = ECC_NODE_SERVICE, .name = "thing-svc"};

/* ------------------------------------------------------------------ making programs */

#define BLOCK(...)                                                                                                                    \
    (struct ecc_block){(struct ecc_stmt *[]){__VA_ARGS__}, sizeof((struct ecc_stmt *[]){__VA_ARGS__}) / sizeof(struct ecc_stmt *)}

static struct ecc_stmt *stmt(enum ecc_stmt_kind kind)
{
    struct ecc_stmt *s = ECC_NEW(&arena, struct ecc_stmt);

    s->kind = kind;
    return s;
}

static struct ecc_var *let(const char *name, const struct ecc_type *type)
{
    struct ecc_var *var = ECC_NEW(&arena, struct ecc_var);

    var->kind = ECC_VAR_LET;
    var->name = var->unique = name;
    var->type = type;
    return var;
}

static struct ecc_expr *use(const struct ecc_var *var)
{
    struct ecc_expr *e = ECC_NEW(&arena, struct ecc_expr);

    e->kind = ECC_EXPR_VAR;
    e->type = var->type;
    e->u.var = var;
    return e;
}

static struct ecc_stmt *sql(enum ecc_sql_shape shape, const char *name, bool writes)
{
    struct ecc_stmt *s = stmt(ECC_STMT_SQL);

    s->u.sql = ECC_NEW(&arena, struct ecc_sql);
    s->u.sql->shape = shape;
    s->u.sql->name = name;
    s->u.sql->writes = writes;
    s->u.sql->row = shape == ECC_SQL_EXEC ? NULL : &row;
    if (shape != ECC_SQL_EXEC) {
        struct ecc_type *type = ECC_NEW(&arena, struct ecc_type);

        *type = record_type;
        type->optional = shape == ECC_SQL_MAYBE;
        s->let = let(name, type);
    }
    return s;
}

static struct ecc_stmt *refuse(void)
{
    struct ecc_stmt *s = stmt(ECC_STMT_FAIL);

    s->u.fail.error = &missing;
    return s;
}

static struct ecc_stmt *give(const struct ecc_var *var)
{
    struct ecc_stmt *s = stmt(ECC_STMT_RETURN);

    s->u.expr = var ? use(var) : NULL;
    return s;
}

static struct ecc_stmt *tx(struct ecc_block block)
{
    struct ecc_stmt *s = stmt(ECC_STMT_TX);

    s->u.block = block;
    return s;
}

static struct ecc_stmt *named(enum ecc_stmt_kind kind, const char *name)
{
    struct ecc_stmt *s = stmt(kind);

    if (kind == ECC_STMT_CALL)
        s->u.call.name = name;
    else if (kind == ECC_STMT_GET || kind == ECC_STMT_PUT || kind == ECC_STMT_DROP)
        s->u.cache.name = name;
    else
        s->let = let(name, &text_type);
    return s;
}

static struct ecc_stmt *loop(struct ecc_block body)
{
    struct ecc_stmt *s = stmt(ECC_STMT_FOR);
    struct ecc_var *var = let("part", item_list.item);

    var->kind = ECC_VAR_ITEM;
    s->u.loop.item = var;
    s->u.loop.list = use(let("parts", &item_list));
    s->u.loop.body = body;
    return s;
}

/* ------------------------------------------------------------------ plans as text */

static void show(char *out, const struct ecc_acts *acts);

static void add(char *out, const char *text)
{
    if (*out && out[strlen(out) - 1] != '{')
        strcat(out, " ");
    strcat(out, text);
}

static void show_body(char *out, const struct ecc_acts *acts)
{
    if (acts->n == 0)
        return;
    strcat(out, "{");
    show(out, acts);
    strcat(out, "}");
}

static void show(char *out, const struct ecc_acts *acts)
{
    static const char *const names[] = {
#define X(e) #e,
        ECC_ACT_KINDS(X)
#undef X
    };

    for (size_t i = 0; i < acts->n; i++) {
        const struct ecc_act *act = acts->items[i];

        if (act->kind == ECC_ACT_NOW && act->stmt->kind == ECC_STMT_SQL) {
            add(out, act->stmt->u.sql->name);
            strcat(out, "+deferred");
        } else {
            add(out, act->step ? act->step : names[act->kind]);
        }
        if (act->shared)
            strcat(out, "+shared");
        if (act->kind == ECC_ACT_COMMIT && act->with_out)
            strcat(out, "+out");
        if (act->kind == ECC_ACT_COMMIT && act->last)
            strcat(out, "+last");
        show_body(out, &act->body);
        show_body(out, &act->otherwise);
        for (size_t c = 0; c < act->ncatches; c++)
            show_body(out, &act->catches[c].body);
    }
}

static const struct ecc_plan *plan_of(enum ecc_repeat repeat, bool result, struct ecc_block body)
{
    struct ecc_op *op = ECC_NEW(&arena, struct ecc_op);

    op->name = "Do";
    op->service = &service;
    op->params = &params;
    op->result = result ? &record_type : NULL;
    op->program.repeat = repeat;
    op->program.body = body;
    return ecc_plan_op(&arena, op);
}

static void expect(enum ecc_repeat repeat, bool result, struct ecc_block body, const char *expected)
{
    char text[1000] = "";

    show(text, &plan_of(repeat, result, body)->acts);
    assert_string_equal(text, expected);
}

/* ------------------------------------------------------------------ tests */

static void a_read_has_no_transaction(void **state)
{
    struct ecc_stmt *s = sql(ECC_SQL_ONE, "thing", false);

    (void)state;
    s->none = refuse();
    expect(ECC_REPEAT_READ, true, BLOCK(s, give(s->let)), "thing NO_ROW{FAIL} OUT REPLY");
    s = sql(ECC_SQL_ONE, "thing", false);
    expect(ECC_REPEAT_READ, true, BLOCK(s, give(s->let)), "thing EXPECT OUT REPLY");
}

static void a_lone_write_is_wrapped(void **state)
{
    struct ecc_stmt *s = sql(ECC_SQL_ONE, "thing", true), *maybe;

    (void)state;
    s->none = refuse();
    expect(ECC_REPEAT_ATOMIC, true, BLOCK(s, give(s->let)), "tx thing NO_ROW{FAIL} OUT commit+out+last REPLY");
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(sql(ECC_SQL_EXEC, "update_thing", true)), "tx update_thing+deferred commit+last REPLY");
    /* A program that is claimed or only reads is left as it is. */
    expect(ECC_REPEAT_CLAIM, false, BLOCK(sql(ECC_SQL_EXEC, "update_thing", true)), "claim update_thing REPLY");
    /* `none -> return` ends the transaction, `found -> fail` keeps what was written. */
    s = sql(ECC_SQL_EXEC, "update_thing", true);
    s->none = give(NULL);
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(s), "tx+shared update_thing NO_ROW{commit+last REPLY} commit_2+last REPLY");
    maybe = sql(ECC_SQL_MAYBE, "thing", true);
    maybe->found = refuse();
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(maybe), "tx+shared thing TAKE FOUND{commit FAIL} commit_2+last REPLY");
}

static void what_is_computed_goes_before_the_commit(void **state)
{
    struct ecc_stmt *s = sql(ECC_SQL_ONE, "thing", true), *sign = named(ECC_STMT_SIGN, "token");

    (void)state;
    expect(ECC_REPEAT_ATOMIC, true, BLOCK(s, named(ECC_STMT_DROP, "drop_seen"), sign, give(sign->let)),
           "tx thing EXPECT token OUT commit+out+last drop_seen REPLY");
    /* Anything that can fail stays after it: what was written stays written. */
    s = sql(ECC_SQL_ONE, "thing", true);
    expect(ECC_REPEAT_ATOMIC, true, BLOCK(s, refuse()), "tx+shared thing EXPECT commit+last FAIL");
}

static void the_reply_is_known_at_the_end_of_tx(void **state)
{
    struct ecc_stmt *s = sql(ECC_SQL_ONE, "thing", true);

    (void)state;
    expect(ECC_REPEAT_ATOMIC, true, BLOCK(tx(BLOCK(s)), give(s->let)), "tx+shared thing EXPECT OUT commit+out+last REPLY");
    s = sql(ECC_SQL_ONE, "thing", true);
    expect(ECC_REPEAT_ATOMIC, true, BLOCK(tx(BLOCK(s, give(s->let)))), "tx+shared thing EXPECT OUT commit+out+last REPLY");
    s = sql(ECC_SQL_ONE, "thing", true);
    s->none = give(NULL);
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(tx(BLOCK(s, loop(BLOCK(sql(ECC_SQL_EXEC, "update_thing", true)))))),
           "tx+shared thing NO_ROW{commit+last REPLY} FOR{update_thing+deferred} commit_2+last REPLY");
}

static void a_call_to_come_is_not_the_last_write(void **state)
{
    struct ecc_stmt *call = named(ECC_STMT_CALL, "other_do"), *s = sql(ECC_SQL_ONE, "thing", true);

    (void)state;
    expect(ECC_REPEAT_CLAIM, true, BLOCK(tx(BLOCK(s)), call, give(s->let)), "claim tx+shared thing EXPECT commit other_do OUT REPLY");
    call = named(ECC_STMT_CALL, "other_do");
    s = sql(ECC_SQL_ONE, "thing", true);
    expect(ECC_REPEAT_CLAIM, true, BLOCK(call, tx(BLOCK(s)), give(s->let)), "claim other_do tx+shared thing EXPECT OUT commit+out+last REPLY");
    /* In a loop, what stands before comes again. */
    s = sql(ECC_SQL_EXEC, "update_thing", true);
    expect(ECC_REPEAT_CLAIM, false, BLOCK(loop(BLOCK(tx(BLOCK(s))))), "claim FOR{tx update_thing+deferred commit} REPLY");
}

static void a_transaction_at_the_end_of_a_branch(void **state)
{
    struct ecc_stmt *when = stmt(ECC_STMT_WHEN), *s = sql(ECC_SQL_EXEC, "update_thing", true);
    struct ecc_stmt *read = sql(ECC_SQL_ONE, "thing", false);

    (void)state;
    when->u.when.cond = use(read->let);
    when->u.when.then = BLOCK(tx(BLOCK(s)));
    expect(ECC_REPEAT_ATOMIC, true, BLOCK(read, when, give(read->let)),
           "thing EXPECT WHEN{tx update_thing+deferred OUT commit+out+last REPLY} OUT REPLY");
}

static void a_caught_call(void **state)
{
    struct ecc_stmt *call = named(ECC_STMT_CALL, "other_do");

    (void)state;
    call->u.call.catches = &(struct ecc_catch){&missing, BLOCK(sql(ECC_SQL_EXEC, "update_thing", true), give(NULL))};
    call->u.call.ncatches = 1;
    expect(ECC_REPEAT_CLAIM, false, BLOCK(call), "claim other_do CAUGHT{update_thing REPLY} REPLY");
}

static void a_saga_that_is_awaited(void **state)
{
    struct ecc_stmt *s = sql(ECC_SQL_ONE, "thing", true), *start = stmt(ECC_STMT_START), *await = stmt(ECC_STMT_AWAIT);
    struct ecc_stmt *accept = stmt(ECC_STMT_ACCEPT);

    (void)state;
    start->let = let("placing", &text_type);
    start->u.start.name = "placing";
    await->u.await.saga = use(start->let);
    expect(ECC_REPEAT_CLAIM, true, BLOCK(tx(BLOCK(s, start)), await, give(s->let)),
           "claim tx+shared thing EXPECT NOW commit await_placing LATE{FAIL} OUT REPLY");
    accept->u.expr = use(s->let);
    await->u.await.has_late = true;
    await->u.await.late = BLOCK(accept);
    expect(ECC_REPEAT_CLAIM, true, BLOCK(tx(BLOCK(s, start)), await, give(s->let)),
           "claim tx+shared thing EXPECT NOW commit await_placing LATE{OUT ACCEPT} OUT REPLY");
}

/* An update with `none -> fail`. */
static struct ecc_stmt *update_or_fail(const char *text)
{
    struct ecc_stmt *s = sql(ECC_SQL_EXEC, "update_thing", true);

    s->u.sql->text = text;
    s->none = refuse();
    return s;
}

static void nobody_waits_for_what_decides_nothing(void **state)
{
    static const char plain[] = "UPDATE things SET n = n - $1";
    struct ecc_stmt *one = sql(ECC_SQL_ONE, "thing", true), *fail = refuse();
    const char *waits = "tx update_thing NO_ROW{FAIL} commit+last REPLY";

    (void)state;
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(tx(BLOCK(update_or_fail(plain), sql(ECC_SQL_EXEC, "insert_part", true)))),
           "tx update_thing+deferred insert_part+deferred commit+last REPLY");
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(update_or_fail(plain)), "tx update_thing+deferred commit+last REPLY");
    expect(ECC_REPEAT_ATOMIC, true, BLOCK(tx(BLOCK(update_or_fail(plain), one)), give(one->let)),
           "tx+shared update_thing+deferred thing EXPECT OUT commit+out+last REPLY");
    /* A text that can divide by zero itself, or that no guard fits around. */
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(tx(BLOCK(update_or_fail("UPDATE things SET n = n / $1")))), waits);
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(tx(BLOCK(update_or_fail("UPDATE things SET n = mod(n, $1)")))), waits);
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(tx(BLOCK(update_or_fail("WITH x AS (SELECT 1) UPDATE things SET n = 1")))), waits);
    /* A failure that is decided here must not be told before one that the server would have found first. */
    fail->u.fail.cond = use(let("off", &text_type));
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(tx(BLOCK(update_or_fail(plain), fail))),
           "tx update_thing NO_ROW{FAIL} WHEN{FAIL} commit+last REPLY");
    /* Alone, in a program that does more, it is no transaction. */
    expect(ECC_REPEAT_CLAIM, false, BLOCK(update_or_fail(plain)), "claim update_thing NO_ROW{FAIL} REPLY");
}

/* One wait that is followed by the commit alone, on each way. */
static void who_may_share(void **state)
{
    struct ecc_stmt *when = stmt(ECC_STMT_WHEN), *one = sql(ECC_SQL_ONE, "thing", true), *late = sql(ECC_SQL_EXEC, "update_thing", true);

    (void)state;
    when->u.when.cond = use(one->let);
    when->u.when.then = BLOCK(sql(ECC_SQL_EXEC, "note", true));
    when->u.when.otherwise = BLOCK(give(NULL));
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(tx(BLOCK(one, when))),
           "tx+shared thing EXPECT WHEN{note+deferred}{commit+last REPLY} commit_2+last REPLY");
    /* It waits a second time, on one of the ways. */
    when->u.when.then = BLOCK(sql(ECC_SQL_MANY, "notes", true));
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(tx(BLOCK(one, when))),
           "tx thing EXPECT WHEN{notes}{commit+last REPLY} commit_2+last REPLY");
    /* It fails behind it. */
    when->u.when.then = BLOCK(refuse());
    when->u.when.otherwise = (struct ecc_block){0};
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(tx(BLOCK(one, when))), "tx thing EXPECT WHEN{FAIL} commit+last REPLY");
    /* It only fails before, where nothing is open yet. */
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(tx(BLOCK(when, one))), "tx+shared WHEN{FAIL} thing EXPECT commit+last REPLY");
    /* As often as there are items; and what only reads. */
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(tx(BLOCK(loop(BLOCK(one))))), "tx FOR{thing EXPECT} commit+last REPLY");
    expect(ECC_REPEAT_ATOMIC, false, BLOCK(tx(BLOCK(sql(ECC_SQL_ONE, "thing", false), late))),
           "tx thing EXPECT update_thing+deferred commit+last REPLY");
}

static void names_stay_apart(void **state)
{
    struct ecc_stmt *a = named(ECC_STMT_LET, "in"), *b = named(ECC_STMT_LET, "out"), *c = named(ECC_STMT_LET, "int");
    struct ecc_stmt *d = named(ECC_STMT_HASH, "commit");
    const struct ecc_plan *plan;
    char text[200] = "";

    (void)state;
    plan = plan_of(ECC_REPEAT_ATOMIC, true, BLOCK(a, b, c, d, sql(ECC_SQL_MAYBE, "start", true), give(d->let)));
    for (size_t i = 0; i < plan->members.n; i++)
        add(text, plan->members.items[i]->name);
    assert_string_equal(text, "in in_2 out_2 int_ commit start start_row out");
    text[0] = 0;
    for (size_t i = 0; i < plan->steps.n; i++)
        add(text, plan->steps.items[i]->step);
    assert_string_equal(text, "commit tx start_2 commit_2");
    assert_string_equal(ecc_plan_member(plan, c->let)->name, "int_");
    assert_null(ecc_plan_member(plan, let("x", &text_type)));
}

static int setup(void **state)
{
    (void)state;
    ecc_arena_init(&arena);
    text_type = (struct ecc_type){.kind = ECC_TYPE_TEXT};
    item_field = (struct ecc_field){.name = "qty", .wire = "qty", .type = &text_type};
    item = (struct ecc_record){.name = "Part", .fields = &item_field, .nfields = 1};
    row = (struct ecc_record){.fields = &item_field, .nfields = 1};
    record_type = (struct ecc_type){.kind = ECC_TYPE_RECORD, .record = &row};
    item_type = (struct ecc_type){.kind = ECC_TYPE_RECORD, .record = &item};
    item_list = (struct ecc_type){.kind = ECC_TYPE_LIST, .item = &item_type};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ecc_arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_has_no_transaction),
        cmocka_unit_test(a_lone_write_is_wrapped),
        cmocka_unit_test(what_is_computed_goes_before_the_commit),
        cmocka_unit_test(the_reply_is_known_at_the_end_of_tx),
        cmocka_unit_test(a_call_to_come_is_not_the_last_write),
        cmocka_unit_test(a_transaction_at_the_end_of_a_branch),
        cmocka_unit_test(a_caught_call),
        cmocka_unit_test(a_saga_that_is_awaited),
        cmocka_unit_test(nobody_waits_for_what_decides_nothing),
        cmocka_unit_test(who_may_share),
        cmocka_unit_test(names_stay_apart),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
