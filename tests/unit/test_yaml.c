/* YAML: when a text is plain, how nodes stand, what order they have. tests/documents asks readers of YAML whether they take it as meant. */
#include "arena_fixture.h"

#include <string.h>

#include "writer.h"
#include "yaml.h"

static const char *written(const struct ecc_yaml *map)
{
    struct ecc_writer w;

    ecc_writer_init(&w, &arena);
    ecc_yaml_write(&w, map);
    return w.data;
}

static const char *scalar(const char *text)
{
    struct ecc_yaml *map = ecc_yaml_map(&arena);

    ecc_yaml_put_text(map, "k", text);
    return written(map);
}

static void test_at(void **state)
{
    struct ecc_yaml *map = ecc_yaml_map(&arena);

    (void)state;
    ecc_yaml_put_text(ecc_yaml_at(map, "spec.template"), "a", "one");
    ecc_yaml_put_text(ecc_yaml_at(map, "spec.template"), "b", "two");
    ecc_yaml_put_text(ecc_yaml_at(map, "spec"), "c.d", "three");
    assert_ptr_equal(ecc_yaml_at(map, ""), map);
    assert_string_equal(written(map), "spec:\n  template:\n    a: one\n    b: two\n  c.d: three\n");
}

static void test_scalars(void **state)
{
    static const char *const same[] = {"plain", "two words", "it's a-b_c/d", "/v1/me",       "application/problem+json",
                                       "_x",    "$ref",      "none",         "Null and void"};
    static const char *const other[][2] = {
        {"", "\"\""},
        {" a", "\" a\""},
        {"a ", "\"a \""},
        {"no", "\"no\""},
        {"Yes", "\"Yes\""},
        {"NULL", "\"NULL\""},
        {"1.0", "\"1.0\""},
        {"-", "\"-\""},
        {"~", "\"~\""},
        {"a: b", "\"a: b\""},
        {"a #b", "\"a #b\""},
        {"{id}", "\"{id}\""},
        {"a\"b", "\"a\\\"b\""},
        {"a\tb", "\"a\\tb\""},
        {"\x7f", "\"\\u007f\""},
        {"a, b", "\"a, b\""},
        {"a\\b", "\"a\\\\b\""},
        {"(a)", "\"(a)\""},
        {"caf\xc3\xa9", "\"caf\xc3\xa9\""},
        {"\xc2\x85", "\"\\u0085\""},
        {"a\xe2\x80\xa8", "\"a\\u2028\""},
        {"\xef\xbb\xbf", "\"\\ufeff\""},
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
        {"\xff", "\"\\ufffd\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_string_equal(scalar(same[i]), ecc_arena_printf(&arena, "k: %s\n", same[i]));
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        assert_string_equal(scalar(other[i][0]), ecc_arena_printf(&arena, "k: %s\n", other[i][1]));
}

static void test_paragraphs(void **state)
{
    (void)state;
    assert_string_equal(scalar("one: 1\n\n# two"), "k: |-\n  one: 1\n\n  # two\n");
    assert_string_equal(scalar("one\n"), "k: \"one\\n\"\n");
    assert_string_equal(scalar(" one\ntwo"), "k: \" one\\ntwo\"\n");
    assert_string_equal(scalar("one \ntwo"), "k: \"one \\ntwo\"\n");
    assert_string_equal(scalar("one\n\xc3\xa9"), "k: \"one\\n\xc3\xa9\"\n");
}

static void test_nodes(void **state)
{
    struct ecc_yaml *map = ecc_yaml_map(&arena), *list, *inner;

    (void)state;
    ecc_yaml_put_map(map, "empty");
    ecc_yaml_put(map, "at", ecc_yaml_ref(&arena, "a/b", "C"));
    list = ecc_yaml_put_list(map, "list");
    inner = ecc_yaml_add_map(list);
    ecc_yaml_put_text(inner, "name", "x");
    ecc_yaml_put(ecc_yaml_put_map(inner, "more"), "num", ecc_yaml_int(&arena, -3));
    ecc_yaml_add_text(list, "a\nb");
    ecc_yaml_add_text(ecc_yaml_add(list, ecc_yaml_list(&arena)), "deep");
    inner = ecc_yaml_put_list(map, "flow");
    inner->flow = true;
    ecc_yaml_add_text(inner, "a, b");
    ecc_yaml_add(inner, ecc_yaml_raw(&arena, "null"));
    assert_string_equal(written(map), "empty: {}\n"
                                      "at: {$ref: \"#/a/b/C\"}\n"
                                      "list:\n"
                                      "  - name: x\n"
                                      "    more:\n"
                                      "      num: -3\n"
                                      "  - \"a\\nb\"\n"
                                      "  -\n"
                                      "    - deep\n"
                                      "flow: [\"a, b\", null]\n");
    ecc_yaml_put_raw(map, "at", "1");
    ecc_yaml_sort(map);
    assert_string_equal(map->keys[0], "at");
    assert_string_equal(ecc_yaml_get(map, "at")->text, "1");
    assert_int_equal(map->n, 4);
    assert_null(ecc_yaml_get(map, "nothing"));
}

static void test_long_key(void **state)
{
    struct ecc_yaml *map = ecc_yaml_map(&arena);
    char key[1100];

    (void)state;
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = '\0';
    ecc_yaml_put_text(map, key, "v");
    assert_string_equal(written(map), ecc_arena_printf(&arena, "? %s\n: v\n", key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_paragraphs),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_long_key),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
