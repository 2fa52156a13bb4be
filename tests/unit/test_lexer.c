/* The lexer: kinds and places of tokens, the raw texts, and what it says about text that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "arena.h"
#include "diag.h"
#include "lexer.h"
#include "source.h"

static struct ecc_arena arena;
static struct ecc_source source;
static struct ecc_diags diags;
static struct ecc_tokens tokens;
static struct ecc_spans comments;

static void lex(const char *text)
{
    size_t at;

    assert_int_equal(ecc_source_init(&source, &arena, "x.ecom", text, strlen(text), &at), ECC_SOURCE_OK);
    ecc_diags_init(&diags, &arena);
    tokens = (struct ecc_tokens){0};
    comments = (struct ecc_spans){0};
    ecc_lex(&arena, &source, &diags, &tokens, &comments);
    assert_true(tokens.n > 0);
    assert_int_equal(tokens.items[tokens.n - 1].kind, 0);
}

/* The tokens' texts with `|` between them. */
static const char *texts(void)
{
    const char *all = "";

    for (size_t i = 0; i + 1 < tokens.n; i++)
        all = ecc_arena_printf(&arena, "%s%s%.*s", all, i ? "|" : "", (int)(tokens.items[i].end - tokens.items[i].start),
                               source.text + tokens.items[i].start);
    return all;
}

static const char *name_of(const char *text)
{
    lex(text);
    assert_int_equal(diags.errors, 0);
    assert_int_equal(tokens.n, 2);
    assert_int_equal(tokens.items[0].end, strlen(text));
    return ecc_token_name(tokens.items[0].kind);
}

static void each_keyword_and_sign_is_itself(void **state)
{
    static const char *const words[] = {
#define X(e, name) name,
        ECC_KEYWORDS(X) ECC_PUNCTUATION(X)
#undef X
    };
    size_t nkeywords = 0;

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strchr("{}()[]", words[i][0])) /* alone they don't match */
            continue;
        assert_string_equal(name_of(words[i]), words[i]);
        nkeywords += ecc_token_is_keyword(tokens.items[0].kind);
    }
    assert_true(nkeywords > 100);
}

static void classes(void **state)
{
    static const char *const cases[][2] = {
        {"book", "a name"},
        {"a1", "a name"},
        {"book_id", "a snake_case name"},
        {"desk-svc-2", "a kebab-case name"},
        {"LendBook", "a PascalCase name"},
        {"GET", "a PascalCase name"},
        {"A_KEY", "an UPPER_CASE name"},
        {"camelCase", "a name in another spelling"},
        {"a_b-c", "a name in another spelling"},
        {"_x", "a name in another spelling"},
        {"\"a \\\" b\"", "a string"},
        {"\"\"", "a string"},
        {"\"\"\"a \"b\" c\"\"\"", "SQL text"},
        {"\"\"\"\"quoted\"\"\"\"", "SQL text"},
        {"12", "a whole number"},
        {"-1_000", "a whole number"},
        {"0.5", "a number"},
        {"-0.5", "a number"},
        {"200ms", "a duration such as `200ms`"},
        {"7d", "a duration such as `200ms`"},
        {"100/s", "a rate such as `100/s`"},
        {"5/h", "a rate such as `100/s`"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(name_of(cases[i][0]), cases[i][1]);
}

static void neighbours(void **state)
{
    (void)state;
    lex("text(1..64) a..b x->y 200ms..30s ...body a==b c!=d e<=f desk-svc->b 3 - 2 -1 a- b");
    assert_int_equal(diags.errors, 0);
    assert_string_equal(texts(), "text|(|1|..|64|)|a|..|b|x|->|y|200ms|..|30s|...|body|a|==|b|c|!=|d|e|<=|f|desk-svc|->|b|3|-|2|-1|a|-|b");
}

static void comments_are_kept_aside(void **state)
{
    (void)state;
    lex("// one\na // two\r\n\"// no\" \"\"\"-- // no\"\"\" // end");
    assert_string_equal(texts(), "a|\"// no\"|\"\"\"-- // no\"\"\"");
    assert_int_equal(comments.n, 3);
    assert_int_equal(comments.items[0].start, 0);
    assert_int_equal(comments.items[0].end, 6);
    assert_int_equal(comments.items[2].end, source.length);
}

static void raw_only_in_a_table(void **state)
{
    (void)state;
    lex("table t { a int check (a > (1)) unique (a, 'x)') primary key (\"(\") index ( -- )\n a) b text(1..2) } check (a) unique (\"x\", b) "
        "table { } index (c)");
    assert_int_equal(diags.errors, 0);
    assert_string_equal(texts(),
                        "table|t|{|a|int|check|(a > (1))|unique|(a, 'x)')|primary|key|(\"(\")|index|( -- )\n a)|b|text|(|1|..|2|)|}|"
                        "check|(|a|)|unique|(|\"x\"|,|b|)|table|{|}|index|(|c|)");
    lex("table t { place { check (x) } key (y) }");
    assert_string_equal(texts(), "table|t|{|place|{|check|(|x|)|}|key|(|y|)|}");
}

static void depth_is_counted(void **state)
{
    static const unsigned depths[] = {0, 0, 0, 1, 1, 2, 1, 0, 0};

    (void)state;
    lex("a b { c [ d ] }");
    for (size_t i = 0; i < tokens.n; i++)
        assert_int_equal(tokens.items[i].depth, depths[i]);
}

static void mistakes(void **state)
{
    static const struct {
        const char *text;
        enum ecc_code code;
        const char *left; /* the tokens that remain */
    } cases[] = {
        {"a ; b", ECC_E_CHARACTER, "a|b"},
        {"a \x01 b", ECC_E_CHARACTER, "a|b"},
        {"a \xe2\x82\xac b", ECC_E_CHARACTER, "a|b"},
        {"a # b\nc", ECC_E_CHARACTER, "a|c"},
        {"a /* b\n* ** */ c", ECC_E_CHARACTER, "a|c"},
        {"a 'b c' d", ECC_E_CHARACTER, "a|'b c'|d"},
        {"a /v1/{id}/x d", ECC_E_CHARACTER, "a|/v1/{id}/x|d"},
        {"\"open\nb", ECC_E_UNTERMINATED_STRING, "\"open|b"},
        {"\"open \\", ECC_E_UNTERMINATED_STRING, "\"open \\"},
        {"{ \"open }", ECC_E_UNTERMINATED_STRING, "{|\"open|}"},
        {"a \"\"\"open", ECC_E_UNTERMINATED_SQL, "a|\"\"\"open"},
        {"sql \"\"\"open\n  let x = sql \"\"\"b\"\"\" c", ECC_E_UNTERMINATED_SQL, "sql|\"\"\"open|let|x|=|sql|\"\"\"b\"\"\"|c"},
        {"table t { check (a }\n}", ECC_E_UNTERMINATED_RAW, "table|t|{|check|(a }|}"},
        {"3x a", ECC_E_NUMBER, "3x|a"},
        {"1_000_ a", ECC_E_NUMBER, "1_000_|a"},
        {"1/x", ECC_E_NUMBER, "1/x"},
        {"Foo_bar", ECC_E_WORD, "Foo_bar"},
        {"a { b", ECC_E_UNCLOSED, "a|{|b|"},
        {"a } b", ECC_E_UNOPENED, "a|b"},
        {"( a } b )", ECC_E_UNOPENED, "(|a|b|)"},
        {"{ ( a } b", ECC_E_UNCLOSED, "{|(|a||}|b"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lex(cases[i].text);
        if (diags.errors != 1)
            fail_msg("%s: %zu errors", cases[i].text, diags.errors);
        assert_int_equal(diags.items[0]->code, cases[i].code);
        assert_string_equal(texts(), cases[i].left);
    }
}

static void nesting_is_bounded(void **state)
{
    char text[100001];
    uint16_t deepest = 0;

    (void)state;
    memset(text, '[', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    lex(text);
    assert_int_equal(diags.errors, 1);
    assert_int_equal(diags.items[0]->code, ECC_E_TOO_DEEP);
    for (size_t i = 0; i < tokens.n; i++)
        if (tokens.items[i].depth > deepest)
            deepest = tokens.items[i].depth;
    assert_true(deepest < ECC_MAX_DEPTH);
    assert_int_equal(tokens.n, 2 * ECC_MAX_DEPTH + 1);
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
        TEST(each_keyword_and_sign_is_itself),
        TEST(classes),
        TEST(neighbours),
        TEST(comments_are_kept_aside),
        TEST(raw_only_in_a_table),
        TEST(depth_is_counted),
        TEST(mistakes),
        TEST(nesting_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
