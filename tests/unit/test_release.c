/* Versions: which change of a saga is a new one, how they are counted over several releases, and what an event may become. How a mistake is
 * worded is in tests/ui. */
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

static struct ecc_arena arena;
static struct ecc_releases released;
static const struct ecc_model *model;
static struct ecc_diags diags;

static int setup(void **state)
{
    (void)state;
    ecc_arena_init(&arena);
    released = (struct ecc_releases){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ecc_arena_free(&arena);
    return 0;
}

static const char before[] = "topology \"T\"\n"
                             "enum Size { small large }\n"
                             "service b-svc \"B\" { database postgres { table t { id uuid primary key } }\n"
                             "  op Do(id: uuid, n: int = 1) -> { size: Size } { sql exec \"\"\"DELETE FROM t WHERE id = :id\"\"\"\n"
                             "    return { size: small } }\n"
                             "  op Undo(id: uuid) { sql exec \"\"\"DELETE FROM t WHERE id = :id\"\"\" } }\n"
                             "edge a-svc -> b-svc { http }\n";
static const char around[] = "service a-svc \"A\" { database postgres { table t { id uuid primary key  n int = 0 } }\n"
                             "  op Go(id: uuid) { tx { sql exec \"\"\"INSERT INTO t (id) VALUES (:id)\"\"\" %s } } }\n";

/* Compiles after what was released, and releases it unless there was an error. */
static bool compile(const char *text)
{
    struct ecc_source *source = ECC_NEW(&arena, struct ecc_source);
    size_t at;

    ecc_diags_init(&diags, &arena);
    assert_int_equal(ecc_source_init(source, &arena, "test.ecom", text, strlen(text), &at), ECC_SOURCE_OK);
    model = ecc_compile_after(&arena, source, &released, &diags);
    assert_true(!model == (diags.errors > 0));
    if (model)
        released = model->releases;
    return model;
}

static bool sagas(const char *start, const char *rest)
{
    bool good = compile(ecc_arena_printf(&arena, "%s%s%s", before, ecc_arena_printf(&arena, around, start), rest));

    for (size_t i = 0; !good && i < diags.n; i++)
        if (diags.items[i]->severity == ECC_ERROR && diags.items[i]->code != ECC_E_PAST_SAGA && diags.items[i]->code != ECC_E_DROP)
            fail_msg("%s", diags.items[i]->message);
    return good;
}

/* "move 2 of 1 2 3": the present version, and all that are there. */
static const char *versions(const char *name)
{
    const char *text = "none";
    const struct ecc_node *node = NULL;

    for (size_t i = 0; i < model->nsagas; i++)
        if (strcmp(model->sagas[i]->name, name) == 0)
            text = ecc_arena_printf(&arena, "%d", model->sagas[i]->version);
    for (size_t i = 0; i < model->npast; i++) {
        assert_true(model->past[i]->past);
        if (strcmp(model->past[i]->name, name) == 0)
            text = ecc_arena_printf(&arena, "%s, %d", text, model->past[i]->version);
    }
    for (size_t i = 0; i < model->nnodes; i++)
        if (strcmp(model->nodes[i]->name, "a-svc") == 0)
            node = model->nodes[i];
    assert_int_equal(node->u.service.nsagas, model->nsagas + model->npast); /* the service runs all of them */
    return text;
}

#define MOVE "let x = start move(id: id)"

static void same_version(void **state)
{
    (void)state;
    assert_true(sagas(MOVE, "saga move on a-svc (id: uuid) { step one  do b-svc.Do(id: id, n: 1)  undo b-svc.Undo(id: id)\n"
                            "  done { sql exec \"\"\"UPDATE t SET n = 1\n      WHERE id = :id\"\"\" } }"));
    assert_string_equal(versions("move"), "1");
    /* layout, comments and commas say nothing */
    assert_true(
        sagas(MOVE, "saga move on a-svc (id: uuid,) {\n  // first\n  step one\n    do b-svc.Do(id: id  n: 1)\n    undo b-svc.Undo(id: id)\n"
                    "  done {\n    sql exec \"\"\"UPDATE t SET n = 1 WHERE id = :id\"\"\"\n  }\n}"));
    assert_string_equal(versions("move"), "1");
    /* what it is given may get more that can be absent, and an enum more values: what was stored is still read */
    assert_true(sagas(MOVE, "saga move on a-svc (id: uuid  note: text?  k: int = 2) { step one  do b-svc.Do(id: id, n: 1)\n"
                            "  undo b-svc.Undo(id: id)  done { sql exec \"\"\"UPDATE t SET n = 1 WHERE id = :id\"\"\" } }"));
    assert_string_equal(versions("move"), "1");
    assert_int_equal(released.n, 1);
}

static void new_versions(void **state)
{
    static const char *const changes[] = {
        "saga move on a-svc (id: uuid) { step one  do b-svc.Do(id: id) }",
        "saga move on a-svc (id: uuid) { step two  do b-svc.Do(id: id) }",                                    /* a name */
        "saga move on a-svc (id: uuid) { step two  do b-svc.Do(id: id, n: 2) }",                              /* an argument */
        "saga move on a-svc (id: uuid) { step two  do b-svc.Do(id: id, n: 2)  step x  do b-svc.Do(id: id) }", /* a step */
        "saga move on a-svc (id: uuid) { step x  do b-svc.Do(id: id)  step two  do b-svc.Do(id: id, n: 2) }", /* their order */
        "saga move on a-svc (id: uuid) { step x  do b-svc.Do(id: id) }",                                      /* one less */
        "saga move on a-svc (id: uuid) { step x  do b-svc.Do(id: id)  undo b-svc.Undo(id: id) }",             /* an undo */
        ("saga move on a-svc (id: uuid) { step x  do b-svc.Do(id: id)  undo b-svc.Undo(id: id)\n"
         "  done { sql exec \"\"\"UPDATE t SET n = 7 WHERE id = :id\"\"\" } }"), /* an end */
    };
    const char *expected = NULL;

    (void)state;
    for (int i = 0; i < 8; i++) {
        assert_true(sagas(MOVE, changes[i]));
        expected = expected ? ecc_arena_printf(&arena, "%s, %d", expected, i) : "";
        assert_string_equal(versions("move"), ecc_arena_printf(&arena, "%d%s", i + 1, expected));
    }
    /* a text that was there before is no going back: its instances and those of the first are told apart */
    assert_true(sagas(MOVE, changes[0]));
    assert_string_equal(versions("move"), "9, 1, 2, 3, 4, 5, 6, 7, 8");
}

static void dropped_versions(void **state)
{
    (void)state;
    assert_true(sagas(MOVE, "saga move on a-svc (id: uuid) { step one  do b-svc.Do(id: id) }"));
    assert_true(sagas(MOVE, "saga move on a-svc (id: uuid) { step two  do b-svc.Do(id: id) }"));
    assert_true(sagas(MOVE, "saga move on a-svc (id: uuid) { step two  do b-svc.Do(id: id) } drop saga move v1 \"why\""));
    assert_string_equal(versions("move"), "2");
    assert_true(sagas(MOVE, "saga move on a-svc (id: uuid) { step two  do b-svc.Do(id: id) } drop saga move v1 \"why\""));
    assert_string_equal(versions("move"), "2");
    assert_false(sagas(MOVE, "saga move on a-svc (id: uuid) { step two  do b-svc.Do(id: id) } drop saga move v2 \"why\""));
    assert_false(sagas(MOVE, "saga move on a-svc (id: uuid) { step two  do b-svc.Do(id: id) } drop saga move v9 \"why\""));
    /* gone: what it has started is finished, until it is dropped; its numbers are not given again */
    assert_true(sagas("", ""));
    assert_string_equal(versions("move"), "none, 2");
    assert_true(sagas("", "drop saga move \"why\""));
    assert_string_equal(versions("move"), "none");
    assert_true(sagas(MOVE, "saga move on a-svc (id: uuid) { step one  do b-svc.Do(id: id) }"));
    assert_string_equal(versions("move"), "3");
}

static void what_is_kept(void **state)
{
    (void)state;
    assert_true(sagas(MOVE, "record Box { id: uuid  deep: [{ n: int(1..) }](..3)  was_it: text was(it) }\n"
                            "saga move on a-svc (id: uuid) { step one  do b-svc.Do(id: id)  step two  do b-svc.Undo(id: id) }\n"
                            "saga full on a-svc (box: Box, q: text(1..3) = \"a\\\"b\") { step one_two  do b-svc.Do(id: box.id)\n"
                            "  done { when one_two.size == small { sql exec \"\"\"UPDATE t SET n = 1 WHERE id = :box.id\"\"\" } } }"));
    const char *text = NULL;
    for (size_t i = 0; i < released.n; i++)
        if (strcmp(released.items[i].name, "full") == 0)
            text = released.items[i].text;
    assert_non_null(text);
    assert_non_null(strstr(text, "deep: [{ n: int(1..) }](..3)"));
    assert_non_null(strstr(text, "was_it: text was(it)"));
    assert_non_null(strstr(text, "q: text(1..3) = \"a\\\"b\""));
    assert_non_null(strstr(text, "record OneTwo { size: Size }"));
    assert_non_null(strstr(text, "enum Size { small large }"));
}

static bool event(const char *declarations)
{
    bool good = compile(ecc_arena_printf(&arena, "topology \"T\"\n%s", declarations));

    for (size_t i = 0; !good && i < diags.n; i++)
        if (diags.items[i]->severity == ECC_ERROR && diags.items[i]->code != ECC_E_PAST_EVENT && diags.items[i]->code != ECC_E_DROP)
            fail_msg("%s", diags.items[i]->message);
    return good;
}

static void events(void **state)
{
    static const char first[] = "enum Size { small large } record In { a: int }\n"
                                "event E v1 { id: uuid  size: Size  n: int(1..9)  in: In  note: text?  list: [In] }";
    static const char *const fine[] = {
        "enum Size { small large huge } record In { a: int }\nevent E v1 { id: uuid  size: Size  n: int(1..9)  in: In  note: text?  list: "
        "[In] }",
        "enum Size { small large } record In { a: int  b: text? }\nevent E v1 { list: [In]  id: uuid  size: Size  n: int(1..20)  in: In  "
        "note: text? }",
        "enum Size { small large } record In { a: int }\nevent E v1 { id: uuid  size: Size  n: int  in: In  note: text?  list: [In]  more: "
        "int = 3 }",
        "enum Size { small large } record In { b: int was(a) }\nevent E v1 { id: uuid  size: Size  n: int(1..9)  in: In  list: [In] }",
        "enum Size { small large } record In { a: int }\nevent E v1 { id: uuid  size: Size  n: int(1..9)  in: In  note: text?  list: [In] "
        "}\n"
        "event E v2 { id: uuid }",
    };
    static const char *const wrong[] = {
        "enum Size { small } record In { a: int }\nevent E v1 { id: uuid  size: Size  n: int(1..9)  in: In  note: text?  list: [In] }",
        "enum Size { small large } record In { a: int  b: text }\nevent E v1 { id: uuid  size: Size  n: int(1..9)  in: In  note: text?  "
        "list: [In] }",
        "enum Size { small large } record In { a: text }\nevent E v1 { id: uuid  size: Size  n: int(1..9)  in: In  note: text?  list: [In] "
        "}",
        "enum Size { small large } record In { b: int }\nevent E v1 { id: uuid  size: Size  n: int(1..9)  in: In  note: text?  list: [In] "
        "}",
        "enum Size { small large } record In { a: int }\nevent E v1 { id: uuid  size: Size  n: int(1..5)  in: In  note: text?  list: [In] "
        "}",
        "enum Size { small large } record In { a: int }\nevent E v1 { id: uuid  size: Size  n: float  in: In  note: text?  list: [In] }",
        "enum Size { small large } record In { a: int }\nevent E v1 { id: uuid  size: Size  n: int(1..9)  in: In  note: text  list: [In] }",
        "enum Size { small large } record In { a: int }\nevent E v1 { size: Size  n: int(1..9)  in: In  note: text?  list: [In] }",
        "enum Size { small large } record In { a: int }\nevent E v1 { id: uuid?  size: Size  n: int(1..9)  in: In  note: text?  list: [In] "
        "}",
        "enum Size { small large } record In { a: int }\nevent E v2 { id: uuid }",
        "enum Size { small large } record In { a: int }\n",
    };

    (void)state;
    assert_true(event(first));
    const struct ecc_releases kept = released;
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        released = kept;
        if (!event(fine[i]))
            fail_msg("%s: %s", fine[i], diags.items[0]->message);
        assert_true(event(fine[i])); /* and again, after itself */
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        released = kept;
        if (event(wrong[i]))
            fail_msg("goes through: %s", wrong[i]);
    }
    released = kept;
    assert_true(event("enum Size { small } event E v2 { id: uuid } drop event E v1 \"why\""));
    assert_true(event("enum Size { small } event E v2 { id: uuid }")); /* it is forgotten */
    assert_false(event("event E v2 { id: uuid } drop event E v2 \"why\""));
}

/* Each version of an event is one of its own for the generated code, and the name of the first is as if there were no other. */
static void names_of_versions(void **state)
{
    (void)state;
    assert_true(event("event E v2 { id: uuid } event E v1 { id: uuid  n: int }"));
    assert_int_equal(model->nevents, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(model->events[i]->several);
        assert_string_equal(model->events[i]->id, model->events[i]->version == 1 ? "E" : "EV2");
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(same_version), T(new_versions), T(dropped_versions), T(what_is_kept), T(events), T(names_of_versions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
