/* The canonical form: what is put where, and hostile input. Whole files, and that meaning is kept, are tests/fmt/run.py's. */
#include "arena_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "format.h"
#include "source.h"

static struct ecc_diags diags;

static const char *format(const char *text)
{
    struct ecc_source source;
    size_t at, length = 0;

    assert_int_equal(ecc_source_init(&source, &arena, "x.ecom", text, strlen(text), &at), ECC_SOURCE_OK);
    ecc_diags_init(&diags, &arena);
    const char *formatted = ecc_format(&arena, &source, &diags, &length);
    if (formatted)
        assert_int_equal(strlen(formatted), length);
    return formatted;
}

static void expect(const char *text, const char *wanted)
{
    const char *got = format(text);

    assert_non_null(got);
    assert_string_equal(got, wanted);
    assert_string_equal(format(got), wanted);
}

/* A statement of an operation. */
static void statement(const char *text, const char *wanted)
{
    expect(ecc_arena_printf(&arena, "service a-svc \"A\" { op X() {\n%s\n} }", text),
           ecc_arena_printf(&arena, "service a-svc \"A\" {\n  op X() {\n%s  }\n}\n", wanted));
}

static void test_empty(void **state)
{
    (void)state;
    expect("", "");
    expect(" \n\n ", "");
    expect("\n\n// only\n\n\n\n// comments  ", "// only\n\n// comments\n");
    expect("topology\n\"T\"", "topology \"T\"\n");
}

static void test_errors_are_left_to_the_parser(void **state)
{
    (void)state;
    assert_null(format("topology \"T\" {"));
    assert_true(diags.errors > 0);
    assert_null(format("record A { a: \x01 }"));
    assert_true(diags.errors > 0);
}

static void test_commas(void **state)
{
    (void)state;
    expect("record A { a: int, b: text, }", "record A { a: int  b: text }\n");
    expect("enum A { a, b, }", "enum A { a b }\n");
    expect("invariant \"i\" on a, b \"\"\"SELECT 1\"\"\"", "invariant \"i\" on a b \"\"\"SELECT 1\"\"\"\n");
    statement("let x = a.B(a: 1 b: [1,2,] ...c)", "    let x = a.B(a: 1, b: [1, 2], ...c)\n");
    statement("let x = len([1, 2],)", "    let x = len([1, 2])\n");
}

/* Without its comma this one would be the keyword before the name that follows. */
static void test_comma_after_missing(void **state)
{
    (void)state;
    statement("return { a: missing, b: 1, c: start, d: missing }", "    return { a: missing,  b: 1  c: start  d: missing }\n");
}

static void test_minus(void **state)
{
    (void)state;
    statement("let x = a - - 1", "    let x = a - - 1\n");
    statement("let x = a- -1", "    let x = a - -1\n");
    statement("let x = - - a", "    let x = --a\n");
    statement("let x = -(a)", "    let x = -(a)\n");
}

static void test_statements_are_told_apart(void **state)
{
    (void)state;
    statement("return a.B() fail X when a when b { return } a.B() let y = x a.C(x: y)",
              "    return\n    a.B()\n    fail X when a\n    when b { return }\n    a.B()\n    let y = x\n    a.C(x: y)\n");
    statement("for i in l.m { a.B() } publish E { a: 1 } put c.k[a] = R { b: 2 } drop c.k[a] await s late { return } tx { }",
              "    for i in l.m { a.B() }\n    publish E { a: 1 }\n    put c.k[a] = R { b: 2 }\n    drop c.k[a]\n"
              "    await s  late { return }\n    tx { }\n");
    statement("let none = found let found = start let start = none", "    let none = found\n    let found = start\n    let start = none\n");
}

static void test_texts_are_not_touched(void **state)
{
    (void)state;
    statement("sql exec \"\"\"SELECT  1\n\t -- x  \n  , 'a'  \"\"\"", "    sql exec \"\"\"SELECT  1\n\t -- x  \n  , 'a'  \"\"\"\n");
    statement("let x = \"  a // b  \"", "    let x = \"  a // b  \"\n");
    expect("service a-svc \"A\" { database postgres { table t { a int check ( a  >\n 0 ) } } }",
           "service a-svc \"A\" {\n  database postgres {\n    table t {\n      a  int  check ( a  >\n 0 )\n    }\n  }\n}\n");
}

/* 120 columns fit, 121 do not; a column is a character, not a byte. */
static void test_width(void **state)
{
    const char *ninety = "éeeeeeeee éeeeeeeee éeeeeeeee éeeeeeeee éeeeeeeee éeeeeeeee éeeeeeeee éeeeeeeee éeeeeeeee";

    (void)state;
    statement(ecc_arena_printf(&arena, "let x = aa.Bbb(c: 1, d: \"%s\")", ninety),
              ecc_arena_printf(&arena, "    let x = aa.Bbb(c: 1, d: \"%s\")\n", ninety));
    statement(ecc_arena_printf(&arena, "let x = aa.Bbb(c: 1, dd: \"%s\")", ninety),
              ecc_arena_printf(&arena, "    let x = aa.Bbb(\n      c: 1,\n      dd: \"%s\"\n    )\n", ninety));
}

static void test_columns_do_not_depend_on_a_letter(void **state)
{
    (void)state;
    expect("error Aaa 400 \"a\" error B 404 \"b\"", "error Aaa   400 \"a\"\nerror B     404 \"b\"\n");
    expect("error Aaaa 400 \"a\" error B 404 \"b\"", "error Aaaa  400 \"a\"\nerror B     404 \"b\"\n");
    expect("error Aaa 400 \"a\"\n\nerror B 404 \"b\"", "error Aaa  400 \"a\"\n\nerror B  404 \"b\"\n");
}

/* Brackets as deep as they may be, long lines of operators, a comment after each word. */
static void test_hostile(void **state)
{
    char deep[400] = "", *operators = malloc(3000), *commented = malloc(20000);
    const char *words[] = {"record", "A", "{", "a", ":", "[", "text", "(", "1", "..", ")", "]", "?", "was", "(", "b", ")", "}"};

    (void)state;
    for (int i = 0; i < 95; i++)
        strcat(deep, "(");
    strcat(deep, "1");
    for (int i = 0; i < 95; i++)
        strcat(deep, ")");
    statement(ecc_arena_printf(&arena, "let x = %s", deep), ecc_arena_printf(&arena, "    let x = %s\n", deep));
    strcpy(operators, "service a-svc \"A\" { op X() { let x = 1");
    for (int i = 0; i < 190; i++)
        strcat(operators, "+ abcdef");
    strcat(operators, " } }");
    const char *once = format(operators);
    assert_non_null(once);
    for (const char *line = once, *end; (end = strchr(line, '\n')); line = end + 1)
        assert_true(end - line <= 120);
    assert_string_equal(format(once), once);
    *commented = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        strcat(strcat(strcat(commented, words[i]), " // "), "a comment\n");
    once = format(commented);
    assert_non_null(once);
    assert_string_equal(format(once), once);
    free(operators);
    free(commented);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_empty),
        TEST(test_errors_are_left_to_the_parser),
        TEST(test_commas),
        TEST(test_comma_after_missing),
        TEST(test_minus),
        TEST(test_statements_are_told_apart),
        TEST(test_texts_are_not_touched),
        TEST(test_width),
        TEST(test_columns_do_not_depend_on_a_letter),
        TEST(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
