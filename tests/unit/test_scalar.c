/* Scalars and their text: numbers, times, uuids, email addresses; reading a field from text that is not JSON; texts of JSON, by their bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"

enum color { COLOR_RED, COLOR_DARK_BLUE };
static const struct ec_enum color_enum = {"Color", (const char *const[]){"red", "dark_blue"}, 2};

static struct ec_arena *arena;
static struct ec_json_error error;

static int setup(void **state)
{
    (void)state;
    arena = ec_arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ec_arena_free(arena);
    return 0;
}

static void assert_text(struct ec_str text, const char *expected)
{
    assert_int_equal(text.n, strlen(expected));
    assert_memory_equal(text.p, expected, text.n);
}

static void floats(void **state)
{
    static const struct { double value; const char *text; } cases[] = {
        {0, "0"}, {1, "1"}, {-1, "-1"}, {0.1, "0.1"}, {1e21, "1e+21"}, {1.0 / 3, "0.3333333333333333"}, {5e-324, "4.94065645841247e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"}, {123456789012345.0, "123456789012345"},
    };
    char text[32];
    double back;
    unsigned seed = 3;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = ec_float_format(cases[i].value, text);

        assert_string_equal(text, cases[i].text);
        assert_true(ec_float_parse((struct ec_str){text, n}, &back) && back == cases[i].value);
    }
    for (i = 0; i < 20000; i++) {
        uint64_t bits = (uint64_t)rand_r(&seed) << 42 ^ (uint64_t)rand_r(&seed) << 21 ^ (uint64_t)rand_r(&seed);
        double value;
        size_t n;

        memcpy(&value, &bits, sizeof(value));
        if (value != value || value - value != 0)
            continue;
        n = ec_float_format(value, text);
        assert_true(ec_float_parse((struct ec_str){text, n}, &back) && back == value);
    }
}

static void times(void **state)
{
    static const struct { const char *text; int64_t value;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2024-02-29T23:59:59.5Z", 1709251199500000},
        {"2024-01-02 03:04:05.123456+00", 1704164645123456},
        {"2024-01-02T03:04:05+05:30", 1704144845000000},
        {"2024-01-02t03:04:05.1234569z", 1704164645123456},
        {"2024-01-02 03:04:05-03", 1704175445000000},
        {"0001-01-01T00:00:00Z", -62135596800000000},
        {"9999-12-31T23:59:59.999999Z", 253402300799999999},
        {"2016-12-31T23:59:60Z", 1483228800000000},
    };
    static const char *const bad[] = {
        "",
        "2024",
        "2024-01-02",
        "2024-01-02T03:04:05",
        "2024-13-02T03:04:05Z",
        "2023-02-29T03:04:05Z",
        "2024-01-02T24:04:05Z",
        "2024-01-02T03:60:05Z",
        "2024-01-02T03:04:61Z",
        "2024-01-02T03:04:05.Z",
        "2024-01-02T03:04:05ZZ",
        "2024-01-02T03:04:05+5",
        "2024-01-02T03:04:05+24:00",
        "2024-01-02T03:04:05+05:60",
        "2024/01/02T03:04:05Z",
        "infinity",
        "20240102T030405Z",
        "2024-01-02T03:04:05 +00",
        "+024-01-02T03:04:05Z",
    };
    char text[40];
    int64_t value;
    unsigned seed = 5;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(ec_time_parse((struct ec_str){good[i].text, strlen(good[i].text)}, &value));
        assert_int_equal(value, good[i].value);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (ec_time_parse((struct ec_str){bad[i], strlen(bad[i])}, &value))
            fail_msg("accepted: %s", bad[i]);
    for (i = 0; i < 20000; i++) {
        int64_t time = ((int64_t)rand_r(&seed) << 31 | rand_r(&seed)) % 253402300800000000;
        size_t n = ec_time_format(i % 2 ? time : -time % 62135596800000000, text);

        assert_int_equal(n, 27);
        assert_true(ec_time_parse((struct ec_str){text, n}, &value));
        assert_int_equal(value, i % 2 ? time : -time % 62135596800000000);
    }
    assert_true(ec_time_format(INT64_MAX, text) < 40 && ec_time_format(INT64_MIN, text) < 40);
}

/* What JSON takes for a whole number, however it is written. */
static void whole_numbers(void **state)
{
    static const struct { const char *text; int64_t value; } whole[] = {
        {"1", 1}, {"1.0", 1}, {"-0.0", 0}, {"1e3", 1000}, {"1E+3", 1000}, {"10e-1", 1}, {"120.0e-1", 12}, {"-1.50e1", -15},
        {"0.00e-99", 0}, {"0e999999999999", 0}, {"9223372036854775807.000", INT64_MAX}, {"-922337203685477580.8e1", INT64_MIN},
        {"0.0009223372036854775807e22", INT64_MAX},
    };
    static const char *const broken[] = {
        "", "1.5", "1e-1", "0.1e0", "1.", "1e", "1e0x", "0x1", "01.0", "+1.0", " 1.0", "9223372036854775808", "9223372036854775808.0",
        "922337203685477580.8e1", "-9223372036854775809.0", "1e19", "1e999999999999", "1e-999999999999",
    };
    int64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        assert_true(ec_whole_parse((struct ec_str){whole[i].text, strlen(whole[i].text)}, &value));
        assert_int_equal(value, whole[i].value);
    }
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        assert_false(ec_whole_parse((struct ec_str){broken[i], strlen(broken[i])}, &value));
}

static void ints_uuids_emails(void **state)
{
    static const char *const good_mail[] = {"a@b.example", "first.last+tag@sub.domain.example", "x_%y@a-b.example", "1@2.3"};
    static const char *const bad_mail[] = {
        "",       "a",      "@",      "a@",     "@b",    ".a@b.c",    "a.@b.c",      "a..b@c.d", "a b@c.d",      "a@b..c",  "a@-b.c",
        "a@b-.c", "a@b.c-", "a@b.c.", "a@@b.c", "a@b@c", "\"a\"@b.c", "a@[1.2.3.4]", "a@b_c.d",  "\xc3\xa9@b.c", "a\n@b.c", "a@b.c\n",
    };
    static const int64_t ints[] = {0, 1, -1, 9, 10, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1};
    char text[40];
    struct ec_uuid uuid;
    int64_t value;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
        size_t n = ec_int_format(ints[i], text);
        char expected[32];

        snprintf(expected, sizeof(expected), "%lld", (long long)ints[i]);
        assert_string_equal(text, expected);
        assert_true(ec_int_parse((struct ec_str){text, n}, &value) && value == ints[i]);
    }
    assert_false(ec_int_parse(EC_STR(""), &value));
    assert_false(ec_int_parse(EC_STR("-"), &value));
    assert_false(ec_int_parse(EC_STR("+1"), &value));
    assert_false(ec_int_parse(EC_STR("01"), &value));
    assert_false(ec_int_parse(EC_STR("1 "), &value));
    assert_false(ec_int_parse(EC_STR("9223372036854775808"), &value));
    assert_true(ec_uuid_parse(EC_STR("018F4E3C-7b1a-7000-8000-0123456789AB"), &uuid));
    ec_uuid_format(uuid, text);
    assert_string_equal(text, "018f4e3c-7b1a-7000-8000-0123456789ab");
    assert_false(ec_uuid_parse(EC_STR("018F4E3C-7b1a-7000-8000-0123456789A"), &uuid));
    assert_false(ec_uuid_parse(EC_STR("018F4E3C-7b1a-7000-8000-0123456789Ag"), &uuid));
    assert_false(ec_uuid_parse(EC_STR("018F4E3C07b1a-7000-8000-0123456789AB"), &uuid));
    for (i = 0; i < sizeof(good_mail) / sizeof(good_mail[0]); i++)
        if (!ec_email_valid((struct ec_str){good_mail[i], strlen(good_mail[i])}))
            fail_msg("refused: %s", good_mail[i]);
    for (i = 0; i < sizeof(bad_mail) / sizeof(bad_mail[0]); i++)
        if (ec_email_valid((struct ec_str){bad_mail[i], strlen(bad_mail[i])}))
            fail_msg("accepted: %s", bad_mail[i]);
}

static void scalars(void **state)
{
    struct ec_field number = {.name = "limit", .kind = EC_INT, .flags = EC_OPTIONAL | EC_BOUNDED, .min = 1, .max = 100};
    struct ec_field text = {.name = "t", .kind = EC_TEXT}, flag = {.name = "b", .kind = EC_BOOL},
                    color = {.name = "c", .kind = EC_ENUM, .of = &color_enum};
    struct ec_field list = {.name = "l", .kind = EC_INT, .flags = EC_LIST}, ratio = {.name = "r", .kind = EC_FLOAT};
    char bytes[] = "abc";
    struct ec_int_list numbers;
    struct ec_str out;
    int64_t *p = NULL;
    bool b = false;
    double f;
    int c;

    (void)state;
    assert_int_equal(ec_scalar_read(arena, EC_STR("20"), &number, &p, &error), EC_JSON_OK);
    assert_int_equal(*p, 20);
    assert_int_equal(ec_scalar_read(arena, EC_STR("101"), &number, &p, &error), EC_JSON_INVALID);
    assert_string_equal(error.path, "limit");
    assert_string_equal(error.message, "must be between 1 and 100");
    assert_int_equal(ec_scalar_read(arena, EC_STR("1x"), &number, &p, &error), EC_JSON_INVALID);
    assert_int_equal(ec_scalar_read(arena, (struct ec_str){bytes, 3}, &text, &out, &error), EC_JSON_OK);
    bytes[0] = 'x';
    assert_text(out, "abc"); /* a copy */
    assert_int_equal(ec_scalar_read(arena, (struct ec_str){"a\0b", 3}, &text, &out, &error), EC_JSON_INVALID);
    assert_int_equal(ec_scalar_read(arena, EC_STR("\xff"), &text, &out, &error), EC_JSON_MALFORMED);
    assert_int_equal(ec_scalar_read(arena, EC_STR("t"), &flag, &b, &error), EC_JSON_OK);
    assert_true(b);
    assert_int_equal(ec_scalar_read(arena, EC_STR("yes"), &flag, &b, &error), EC_JSON_INVALID);
    assert_int_equal(ec_scalar_read(arena, EC_STR("dark_blue"), &color, &c, &error), EC_JSON_OK);
    assert_int_equal(c, COLOR_DARK_BLUE);
    assert_int_equal(ec_scalar_read(arena, (struct ec_str){"red\0\0\0\0\0\0\0\0", 11}, &color, &c, &error), EC_JSON_INVALID);
    assert_int_equal(ec_scalar_read(arena, (struct ec_str){NULL, 0}, &color, &c, &error), EC_JSON_INVALID);
    assert_false(ec_time_parse((struct ec_str){NULL, 0}, p) || ec_int_parse((struct ec_str){NULL, 0}, p) ||
                 ec_email_valid((struct ec_str){NULL, 0}));
    assert_true(ec_utf8_valid((struct ec_str){NULL, 0}));
    assert_int_equal(ec_scalar_read(arena, EC_STR("dark"), &color, &c, &error), EC_JSON_INVALID);
    assert_int_equal(ec_scalar_read(arena, EC_STR(""), &color, &c, &error), EC_JSON_INVALID);
    assert_int_equal(ec_scalar_read(arena, EC_STR("nan"), &ratio, &f, &error), EC_JSON_INVALID);
    assert_int_equal(ec_scalar_read(arena, EC_STR("[1, 2]"), &list, &numbers, &error), EC_JSON_OK);
    assert_int_equal(numbers.v[1], 2);
}

/* Texts are looked at in pieces of 32 and of 8 bytes: what is special in them is seen at each place, and they come back as they were. */
static void what_is_special_at_each_place(void **state)
{
    static const char *const special[] = {"\"", "\\", "\n", "\x1f", "\x7f", "\xc3\xa9", "\xf0\x9f\x98\x80", " ", "~"};
    const struct ec_field field = {.name = "text", .kind = EC_TEXT};
    struct ec_buf buf = {NULL, 0, 0};
    struct ec_str back = {NULL, 0};
    char text[128];
    size_t at, n, k;

    (void)state;
    for (k = 0; k < sizeof(special) / sizeof(special[0]); k++)
        for (n = strlen(special[k]); n < 80; n++)
            for (at = 0; at + strlen(special[k]) <= n; at++) {
                memset(text, 'x', n);
                memcpy(text + at, special[k], strlen(special[k]));
                buf.n = 0;
                ec_json_write_text(&buf, (struct ec_str){text, n});
                assert_int_equal(ec_json_read_field(arena, (struct ec_str){buf.p, buf.n}, &field, &back, 0, &error), EC_JSON_OK);
                assert_int_equal(back.n, n);
                assert_memory_equal(back.p, text, n);
            }
    for (n = 1; n < 80; n++) /* neither a control character nor half a one stands in a string as it is */
        for (at = 1; at <= n; at++)
            for (k = 0; k < 2; k++) {
                memset(text, 'x', n + 2);
                text[0] = text[n + 1] = '"';
                text[at] = k ? '\x80' : '\x01';
                assert_int_equal(ec_json_read_field(arena, (struct ec_str){text, n + 2}, &field, &back, 0, &error), EC_JSON_MALFORMED);
            }
    ec_buf_free(&buf);
}

/* A bound is of characters, which are one to four bytes. */
static void bounds_are_of_characters(void **state)
{
    static const char *const characters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    struct ec_field field = {.name = "text", .kind = EC_TEXT, .flags = EC_BOUNDED, .min = 3, .max = 20};
    struct ec_str out;
    char text[128];
    int k, n, i, open;

    (void)state;
    for (open = 0; open < 2; open++) {
        if (open)
            field.max = INT64_MAX;
        for (k = 0; k < 4; k++)
            for (n = 0; n <= 30; n++) {
                size_t size = strlen(characters[k]);

                for (i = 0; i < n; i++)
                    memcpy(text + (size_t)i * size, characters[k], size);
                assert_int_equal(ec_scalar_read(arena, (struct ec_str){text, (size_t)n * size}, &field, &out, &error),
                                 n >= 3 && (open || n <= 20) ? EC_JSON_OK : EC_JSON_INVALID);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats),
        cmocka_unit_test(times),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(ints_uuids_emails),
        cmocka_unit_test(scalars),
        cmocka_unit_test(what_is_special_at_each_place),
        cmocka_unit_test(bounds_are_of_characters),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
