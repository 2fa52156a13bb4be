/* Spellings of names, and names of C that are free. */
#include "arena_fixture.h"

#include "cnames.h"

static void test_spellings(void **state)
{
    static const struct { const char *name, *snake, *upper, *kebab, *pascal; } cases[] = {
        {"thing-svc", "thing_svc", "THING_SVC", "thing-svc", "ThingSvc"},
        {"MakeThing", "make_thing", "MAKE_THING", "make-thing", "MakeThing"},
        {"make_thing", "make_thing", "MAKE_THING", "make-thing", "MakeThing"},
        {"MAIL_FROM", "mail_from", "MAIL_FROM", "mail-from", "MailFrom"},
        {"HTTPServer", "http_server", "HTTP_SERVER", "http-server", "HttpServer"},
        {"V2Thing", "v2_thing", "V2_THING", "v2-thing", "V2Thing"},
        {"a", "a", "A", "a", "A"},
        {"ABC", "abc", "ABC", "abc", "Abc"},
        {"Area51B", "area51_b", "AREA51_B", "area51-b", "Area51B"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(ecc_snake(&arena, cases[i].name), cases[i].snake);
        assert_string_equal(ecc_upper(&arena, cases[i].name), cases[i].upper);
        assert_string_equal(ecc_kebab(&arena, cases[i].name), cases[i].kebab);
        assert_string_equal(ecc_pascal(&arena, cases[i].name), cases[i].pascal);
    }
}

static void test_members(void **state)
{
    (void)state;
    assert_string_equal(ecc_c_member(&arena, "qty"), "qty");
    assert_string_equal(ecc_c_member(&arena, "default"), "default_");
    assert_string_equal(ecc_c_member(&arena, "unix"), "unix_"); /* a macro of GNU C: 1 */
    assert_string_equal(ecc_c_member(&arena, "errno"), "errno_");
    assert_true(ecc_c_reserved("INT64_MAX"));
    assert_true(ecc_c_reserved("UINT_FAST8_MAX"));
    assert_true(ecc_c_reserved("SIZE_MAX"));
    assert_true(ecc_c_reserved("EC_TEXT"));
    assert_true(ecc_c_reserved("_Bool"));
    assert_false(ecc_c_reserved("INTEREST_RATE"));
    assert_false(ecc_c_reserved("echo"));
}

static void test_claims(void **state)
{
    struct ecc_cnames names;

    (void)state;
    ecc_cnames_init(&names, &arena);
    assert_string_equal(ecc_cnames_claim(&names, "order"), "order");
    assert_string_equal(ecc_cnames_claim(&names, "order"), "order_");
    assert_string_equal(ecc_cnames_claim(&names, "order"), "order__");
    assert_string_equal(ecc_cnames_claim(&names, "while"), "while_");
    assert_string_equal(ecc_cnames_claim(&names, "ec_task"), "x_ec_task");
    assert_true(ecc_cnames_taken(&names, "order_"));
    assert_false(ecc_cnames_taken(&names, "orders"));
    /* It grows, and forgets nothing. */
    for (int i = 0; i < 5000; i++)
        ecc_cnames_claim(&names, ecc_arena_printf(&arena, "n%d", i));
    for (int i = 0; i < 5000; i++)
        assert_true(ecc_cnames_taken(&names, ecc_arena_printf(&arena, "n%d", i)));
    assert_true(ecc_cnames_taken(&names, "order__"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_claims),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
