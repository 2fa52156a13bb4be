/* The text buffer and quoting. What is quoted for C, JSON and the shell is read back by a C compiler's rules, by jansson and by sh. */
#include "arena_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "writer.h"

static void test_indentation(void **state)
{
    struct ecc_writer w;

    (void)state;
    ecc_writer_init(&w, &arena);
    assert_string_equal(w.data, "");
    ecc_w_open(&w, "if (%s) {", "x");
    ecc_wl(&w, "a\nb");
    ecc_w_blank(&w);
    ecc_w_blank(&w);
    ecc_w(&w, "c");
    ecc_w(&w, " + d;\n");
    ecc_w_close(&w, "}");
    assert_string_equal(w.data, "if (x) {\n    a\n    b\n\n    c + d;\n}\n");
    assert_int_equal(w.n, strlen(w.data));

    ecc_writer_init(&w, &arena);
    w.width = 2;
    w.indent = 1;
    ecc_w_c_lines(&w, "one\ntwo\n");
    ecc_wl(&w, ",");
    assert_string_equal(w.data, "  \"one\\n\"\n  \"two\\n\",\n");

    ecc_writer_init(&w, &arena); /* longer than any buffer on a stack */
    for (int i = 0; i < 3000; i++)
        ecc_w(&w, "%0700d", i);
    assert_int_equal(w.n, 3000 * 700);
}

static void test_c(void **state)
{
    (void)state;
    assert_string_equal(ecc_quote_c(&arena, "a\"b\\c\n\t\r\x01" "2\x7f"), "\"a\\\"b\\\\c\\n\\t\\r\\0012\\177\"");
    assert_string_equal(ecc_quote_c(&arena, "what?" "?!"), "\"what?\\?!\""); /* no trigraph */
    assert_string_equal(ecc_quote_c(&arena, "gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\"");
    assert_string_equal(ecc_comment_text(&arena, "a */ b /* c\nd\\"), "a * / b / * c d ");
    assert_string_equal(ecc_comment_text(&arena, "*//*"), "* // *");
}

static void every_byte(char *text)
{
    for (int i = 1; i < 128; i++)
        text[i - 1] = (char)i;
    text[127] = '\0';
}

static void test_json(void **state)
{
    char text[128];

    (void)state;
    every_byte(text);
    json_t *value = json_loads(ecc_quote_json(&arena, text), JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    assert_string_equal(json_string_value(value), text);
    json_decref(value);
}

static void test_shell(void **state)
{
    char text[128], back[256];
    const char *const words[] = {"plain", "", "with space", "$(exit 3)`x`", "it's", "-n", "a;b|c&d", text};

    (void)state;
    every_byte(text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        FILE *pipe = popen(ecc_arena_printf(&arena, "printf %%s %s", ecc_quote_shell(&arena, words[i])), "r");
        assert_non_null(pipe);
        size_t n = fread(back, 1, sizeof back - 1, pipe);
        back[n] = '\0';
        assert_int_equal(pclose(pipe), 0);
        assert_string_equal(back, words[i]);
    }
}

static void test_sql(void **state)
{
    (void)state;
    assert_string_equal(ecc_quote_sql(&arena, "it's \\ done"), "'it''s \\ done'");
    assert_string_equal(ecc_quote_sql_name(&arena, "full_name"), "full_name");
    assert_string_equal(ecc_quote_sql_name(&arena, "order"), "\"order\"");
    assert_string_equal(ecc_quote_sql_name(&arena, "user"), "\"user\"");
    assert_string_equal(ecc_quote_sql_name(&arena, "a\"b"), "\"a\"\"b\"");
    assert_string_equal(ecc_quote_meson(&arena, "it's\n"), "'it\\'s\\x0a'");
    assert_string_equal(ecc_quote_yaml(&arena, "no"), "\"no\"");
}

#define TEN "xxxxxxxxxx"
#define FORTY TEN TEN TEN TEN
#define EIGHTY FORTY FORTY

static void fold(struct ecc_writer *w, const char *text)
{
    ecc_writer_init(w, &arena);
    ecc_w_text(w, text, strlen(text));
    ecc_w_fold_c(w);
}

static void test_fold(void **state)
{
    struct ecc_writer w;

    (void)state;
    fold(&w, "a(b, c);\n\n    d,\n");
    assert_string_equal(w.data, "a(b, c);\n\n    d,\n");
    fold(&w, "    f(" FORTY ", g(" FORTY ", " FORTY "), " FORTY ");\nend\n");
    assert_string_equal(w.data, "    f(" FORTY ", g(" FORTY ", " FORTY "),\n        " FORTY ");\nend\n");
    fold(&w, "f(\"" EIGHTY ", \\\", \", " EIGHTY ");\n");
    assert_string_equal(w.data, "f(\"" EIGHTY ", \\\", \",\n    " EIGHTY ");\n");
    fold(&w, "/* " EIGHTY ", " EIGHTY " */\n#define A " EIGHTY ", " EIGHTY "\n");
    assert_string_equal(w.data, "/* " EIGHTY ", " EIGHTY " */\n#define A " EIGHTY ", " EIGHTY "\n");
    fold(&w, EIGHTY EIGHTY "\n");
    assert_string_equal(w.data, EIGHTY EIGHTY "\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_indentation), cmocka_unit_test(test_c),   cmocka_unit_test(test_json),
        cmocka_unit_test(test_shell),       cmocka_unit_test(test_sql),  cmocka_unit_test(test_fold),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
