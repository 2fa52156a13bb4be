/* Sources: what is refused and where, and places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "source.h"

static struct ecc_arena arena;

static enum ecc_source_error init(struct ecc_source *source, const char *text, size_t length, size_t *at)
{
    return ecc_source_init(source, &arena, "x.ecom", text, length, at);
}

static void places(void **state)
{
    static const char text[] = "a\n\xc3\xa9\xf0\x9f\x93\x9a.\n\nlast";
    static const struct {
        uint32_t offset, line, column;
    } cases[] = {{0, 1, 1}, {1, 1, 2}, {2, 2, 1}, {4, 2, 2}, {8, 2, 3}, {9, 2, 4}, {10, 3, 1}, {11, 4, 1}, {15, 4, 5}, {99, 4, 5}};
    struct ecc_source source;
    size_t at;

    (void)state;
    assert_int_equal(init(&source, text, strlen(text), &at), ECC_SOURCE_OK);
    assert_int_equal(source.nlines, 4);
    assert_int_equal(source.text[source.length], 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ecc_position p = ecc_source_position(&source, cases[i].offset);
        assert_int_equal(p.line, cases[i].line);
        assert_int_equal(p.column, cases[i].column);
    }
}

static void empty(void **state)
{
    struct ecc_source source;
    size_t at;

    (void)state;
    assert_int_equal(init(&source, NULL, 0, &at), ECC_SOURCE_OK);
    assert_int_equal(source.nlines, 1);
    assert_int_equal(ecc_source_position(&source, 0).line, 1);
}

static void refused(void **state)
{
    static const struct {
        const char *text;
        size_t length;
        enum ecc_source_error error;
        size_t at;
    } cases[] = {
        {"ab\0c", 4, ECC_SOURCE_HAS_NUL, 2},
        {"\xff", 1, ECC_SOURCE_NOT_UTF8, 0},
        {"12345678\x80", 9, ECC_SOURCE_NOT_UTF8, 8},
        {"x\xc0\xaf", 3, ECC_SOURCE_NOT_UTF8, 1},        /* overlong */
        {"\xe0\x80\xaf", 3, ECC_SOURCE_NOT_UTF8, 0},     /* overlong */
        {"\xed\xa0\x80", 3, ECC_SOURCE_NOT_UTF8, 0},     /* surrogate */
        {"\xf4\x90\x80\x80", 4, ECC_SOURCE_NOT_UTF8, 0}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", 4, ECC_SOURCE_NOT_UTF8, 0},
        {"ok\xe2\x82", 4, ECC_SOURCE_NOT_UTF8, 2}, /* cut off */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ecc_source source;
        size_t at = 99;
        assert_int_equal(init(&source, cases[i].text, cases[i].length, &at), cases[i].error);
        assert_int_equal(at, cases[i].at);
    }
}

static void too_large(void **state)
{
    struct ecc_source source;
    size_t at, length = ECC_SOURCE_MAX + 1u;
    char *text = malloc(length);

    (void)state;
    assert_non_null(text);
    memset(text, ' ', length);
    assert_int_equal(init(&source, text, length, &at), ECC_SOURCE_TOO_LARGE);
    assert_int_equal(init(&source, text, ECC_SOURCE_MAX, &at), ECC_SOURCE_OK);
    free(text);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(places, begin, end),
        cmocka_unit_test_setup_teardown(empty, begin, end),
        cmocka_unit_test_setup_teardown(refused, begin, end),
        cmocka_unit_test_setup_teardown(too_large, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
