/* Diagnostics: order, limits, and each of the formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "diag.h"
#include "explain.h"
#include "source.h"

static struct ecc_arena arena;
static struct ecc_source source;
static struct ecc_diags diags;

static void use(const char *text)
{
    size_t at;

    assert_int_equal(ecc_source_init(&source, &arena, "dir/a b.ecom", text, strlen(text), &at), ECC_SOURCE_OK);
    ecc_diags_init(&diags, &arena);
}

static struct ecc_span of(const char *part)
{
    const char *p = strstr(source.text, part);

    assert_non_null(p);
    return (struct ecc_span){(uint32_t)(p - source.text), (uint32_t)(p - source.text + strlen(part))};
}

/* What is written; in the arena. */
static const char *written(enum ecc_diag_format format, bool color)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    ecc_diags_write(&diags, &source, format, color, out);
    fclose(out);
    const char *copy = ecc_arena_strndup(&arena, text, size);
    free(text);
    return copy;
}

static void text_shows_both_places_and_help(void **state)
{
    (void)state;
    use("record A {\n\tid: uuid\n  \xc3\xa9\xc3\xa9 wrong\n}\n");
    struct ecc_diag *diag = ecc_diag(&diags, ECC_E_SYNTAX, of("wrong"), "found `%s`", "wrong");
    ecc_diag_second(diag, of("id"), "because of this");
    ecc_diag_help(&diags, diag, "leave it out");
    assert_string_equal(written(ECC_FORMAT_TEXT, false), "dir/a b.ecom:3:6: error[E0010]: found `wrong`\n"
                                                         "  |\n"
                                                         "3 |   \xc3\xa9\xc3\xa9 wrong\n"
                                                         "  |      ^^^^^\n"
                                                         "dir/a b.ecom:2:2: note: because of this\n"
                                                         "  |\n"
                                                         "2 | \tid: uuid\n"
                                                         "  | \t^^\n"
                                                         "help: leave it out\n\n");
}

static void text_of_a_span_over_lines_ends_with_its_line(void **state)
{
    (void)state;
    use("one two\r\nthree\n");
    ecc_diag(&diags, ECC_E_SYNTAX, of("two\r\nthree"), "long");
    ecc_diag(&diags, ECC_E_UNCLOSED, (struct ecc_span){source.length, source.length}, "end");
    assert_string_equal(written(ECC_FORMAT_TEXT, false), "dir/a b.ecom:1:5: error[E0010]: long\n  |\n1 | one two\n  |     ^^^...\n\n"
                                                         "dir/a b.ecom:3:1: error[E0011]: end\n  |\n3 | \n  | ^\n\n");
}

static void text_shows_no_control_character(void **state)
{
    (void)state;
    use("a \033[31m b");
    ecc_diag(&diags, ECC_E_CHARACTER, (struct ecc_span){2, 3}, "bad");
    assert_null(strchr(written(ECC_FORMAT_TEXT, false), '\033'));
    assert_non_null(strchr(written(ECC_FORMAT_TEXT, true), '\033'));
}

static void text_cuts_long_lines(void **state)
{
    char line[20001];

    (void)state;
    for (size_t i = 0; i < 20000; i += 2)
        memcpy(line + i, "\xc3\xa9", 2);
    line[20000] = '\0';
    use(line);
    ecc_diag(&diags, ECC_E_SYNTAX, (struct ecc_span){10000, 19000}, "here");
    const char *text = written(ECC_FORMAT_TEXT, false);
    assert_true(strlen(text) < 1000);
    assert_non_null(strstr(text, "...\xc3\xa9"));
    assert_non_null(strstr(text, "\xc3\xa9...\n"));
}

static void sorted_and_limited(void **state)
{
    const char *text;

    (void)state;
    use("abcdefgh");
    for (uint32_t i = 0; i < 250; i++)
        ecc_diag(&diags, ECC_E_SYNTAX, (struct ecc_span){7 - i % 8, 8}, "number %u", i);
    assert_int_equal(diags.errors, 250);
    assert_int_equal(diags.n, 200);
    text = written(ECC_FORMAT_TEXT, false);
    assert_non_null(strstr(text, "50 more errors are not shown\n"));
    for (uint32_t last = 0; (text = strstr(text, "ecom:1:"));) {
        uint32_t column = (uint32_t)strtoul(text += 7, NULL, 10);
        assert_true(column >= last);
        last = column;
    }
}

static json_t *parsed(enum ecc_diag_format format)
{
    json_error_t error;
    json_t *json = json_loads(written(format, false), JSON_REJECT_DUPLICATES, &error);

    if (!json)
        fail_msg("%s", error.text);
    return json;
}

static void one_with_everything(void)
{
    use("first\nse\"cond \xe2\x82\xac third");
    struct ecc_diag *diag = ecc_diag(&diags, ECC_E_SPELLING, of("third"), "say \"%s\" \\ \n%%", "x");
    ecc_diag_second(diag, of("first"), "this");
    ecc_diag_note(&diags, diag, "1 + 1 = %d", 2);
    ecc_diag_help(&diags, diag, "try, this: now");
    ecc_diag_fix(diag, of("third"), "\"fourth\"");
}

static void json_has_all_parts(void **state)
{
    int line, column, end_column, second, fix_start;
    const char *code, *message, *note, *help, *text;

    (void)state;
    one_with_everything();
    json_t *json = parsed(ECC_FORMAT_JSON);
    assert_int_equal(json_unpack(json, "[{s:s, s:s, s:s, s:s, s:{s:i, s:i, s:i}, s:{s:i}, s:{s:i, s:s}}]", "code", &code, "message", &message,
                                 "note", &note, "help", &help, "place", "line", &line, "column", &column, "end_column", &end_column, "second", "line",
                                 &second, "fix", "start", &fix_start, "text", &text),
                     0);
    assert_string_equal(code, "E0013");
    assert_string_equal(message, "say \"x\" \\ \n%");
    assert_string_equal(note, "1 + 1 = 2");
    assert_string_equal(help, "try, this: now");
    assert_string_equal(text, "\"fourth\"");
    assert_int_equal(line, 2);
    assert_int_equal(column, 11);
    assert_int_equal(end_column, 16);
    assert_int_equal(second, 1);
    assert_int_equal(fix_start, of("third").start);
    json_decref(json);
    use("");
    json = parsed(ECC_FORMAT_JSON);
    assert_int_equal(json_array_size(json), 0);
    json_decref(json);
}

static void sarif_has_all_parts(void **state)
{
    const char *version, *rule, *uri, *level, *inserted, *id;
    int line;

    (void)state;
    one_with_everything();
    json_t *json = parsed(ECC_FORMAT_SARIF);
    assert_int_equal(json_unpack(json,
                                 "{s:s, s:[{s:{s:{s:[{s:s}]}}, s:[{s:s, s:s, s:[{s:{s:{s:s}, s:{s:i}}}], s:[{s:[{s:[{s:{s:s}}]}]}]}]}]}",
                                 "version", &version, "runs", "tool", "driver", "rules", "id", &id, "results", "ruleId", &rule, "level",
                                 &level, "locations", "physicalLocation", "artifactLocation", "uri", &uri, "region", "startLine", &line,
                                 "fixes", "artifactChanges", "replacements", "insertedContent", "text", &inserted),
                     0);
    assert_string_equal(version, "2.1.0");
    assert_string_equal(id, "E0013");
    assert_string_equal(rule, "E0013");
    assert_string_equal(level, "error");
    assert_string_equal(uri, "dir/a%20b.ecom");
    assert_string_equal(inserted, "\"fourth\"");
    assert_int_equal(line, 2);
    json_decref(json);
    use("");
    json_decref(parsed(ECC_FORMAT_SARIF));
}

static void github_is_escaped(void **state)
{
    (void)state;
    one_with_everything();
    assert_string_equal(written(ECC_FORMAT_GITHUB, false), "::error file=dir/a b.ecom,line=2,endLine=2,col=11,endColumn=16,title=E0013::"
                                                           "say \"x\" \\ %0A%25%0Anote: 1 + 1 = 2%0Ahelp: try, this: now\n");
    assert_non_null(strstr(written(ECC_FORMAT_TEXT, false), "note: 1 + 1 = 2\nhelp: try, this: now\n"));
}

static void first_error_is_by_place(void **state)
{
    char id[ECC_ID_SIZE];

    (void)state;
    use("one two three");
    assert_null(ecc_diags_first_error(&diags));
    ecc_diag(&diags, ECC_W_UNUSED_EDGE, of("one"), "a warning");
    assert_null(ecc_diags_first_error(&diags));
    ecc_diag(&diags, ECC_E_SYNTAX, of("three"), "said first");
    ecc_diag(&diags, ECC_E_NO_EDGE, of("two"), "stands first");
    ecc_diag_id(ecc_diags_first_error(&diags), id);
    assert_string_equal(id, "E0400");
}

static void each_code_has_its_page(void **state)
{
    (void)state;
    assert_null(ecc_page(0));
    assert_string_equal(ecc_page(ECC_W_UNCONSUMED)->id, "W0702");
    for (size_t i = 0; i < ecc_npages; i++) {
        const struct ecc_page *page = &ecc_pages[i];
        assert_ptr_equal(ecc_page(page->code), page);
        char *about = ecc_page_about(&arena, page), *wrong = ecc_page_example(&arena, page, "Wrong");
        char *mended = ecc_page_example(&arena, page, "Mended");
        assert_true(strlen(about) > 40 && !strstr(about, "##") && !strstr(about, "```"));
        assert_true(wrong && *wrong && !strstr(wrong, "```"));
        assert_true(mended && *mended && !strstr(mended, "```"));
        assert_null(ecc_page_example(&arena, page, "Nothing"));
    }
}

static void did_you_mean(void **state)
{
    static const char *const words[] = {"service", "saga", "one", "when-down", "PlaceBook"};
    static const struct {
        const char *word, *meant;
    } cases[] = {{"servcie", "service"},      {"sevice", "service"},      {"sga", "saga"}, {"on", "one"},     {"when_down", "when-down"},
                 {"place_book", "PlaceBook"}, {"placebook", "PlaceBook"}, {"xyz", NULL},   {"service", NULL}, {"", NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *meant = ecc_did_you_mean(cases[i].word, words, sizeof words / sizeof *words);
        if (cases[i].meant)
            assert_string_equal(meant, cases[i].meant);
        else
            assert_null(meant);
    }
    char longer[5000];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_null(ecc_did_you_mean(longer, words, 5));
}

static int begin(void **state)
{
    (void)state;
    ecc_arena_init(&arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ecc_arena_free(&arena);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_shows_both_places_and_help),
        TEST(text_of_a_span_over_lines_ends_with_its_line),
        TEST(text_shows_no_control_character),
        TEST(text_cuts_long_lines),
        TEST(sorted_and_limited),
        TEST(json_has_all_parts),
        TEST(sarif_has_all_parts),
        TEST(github_is_escaped),
        TEST(first_error_is_by_place),
        TEST(each_code_has_its_page),
        TEST(did_you_mean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
