/* Configuration: NAME and NAME_FILE, settings, all mistakes in one list, no value in a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "app.h"

static struct ec_config_errors errors;
static char path[] = "/tmp/ec_config_XXXXXX";

static int setup(void **state)
{
    (void)state;
    unsetenv("X");
    unsetenv("X_FILE");
    errors = (struct ec_config_errors){{NULL, 0, 0}, 0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ec_buf_free(&errors.text);
    return 0;
}

static void write_file(const char *bytes, size_t n)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
    setenv("X_FILE", path, 1);
}

static void assert_errors(const char *expected)
{
    ec_buf_reserve(&errors.text, 1)[0] = 0;
    assert_string_equal(errors.text.p, expected);
}

static void assert_get(const char *expected)
{
    char *text = ec_config_get(&errors, "X", NULL, true);

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
    assert_int_equal(errors.n, 0);
}

static void from_the_environment(void **state)
{
    char *text;

    (void)state;
    setenv("X", "value", 1);
    assert_get("value");
    setenv("X", "", 1);
    text = ec_config_get(&errors, "X", "fallback", true);
    assert_string_equal(text, "fallback");
    free(text);
    assert_null(ec_config_get(&errors, "X", NULL, false));
    assert_int_equal(errors.n, 0);
    assert_null(ec_config_get(&errors, "X", NULL, true));
    assert_errors("X (or X_FILE) must be set\n");
}

static void from_a_file(void **state)
{
    (void)state;
    write_file("secret \n", 8);
    assert_get("secret ");
    write_file("secret\r\n", 8);
    assert_get("secret");
    write_file("a\nb", 3);
    assert_get("a\nb");
}

static void files_that_do_not_do(void **state)
{
    char *big = calloc(1, 2 << 20);

    (void)state;
    write_file("a\0b", 3);
    assert_null(ec_config_get(&errors, "X", NULL, true));
    memset(big, 'x', 2 << 20);
    write_file(big, 2 << 20);
    assert_null(ec_config_get(&errors, "X", "d", true));
    write_file("", 0);
    assert_null(ec_config_get(&errors, "X", NULL, true));
    setenv("X_FILE", "/nowhere/at/all", 1);
    assert_null(ec_config_get(&errors, "X", NULL, false));
    setenv("X", "hunter2", 1);
    assert_null(ec_config_get(&errors, "X", NULL, true));
    assert_int_equal(errors.n, 5);
    assert_errors(
        "X_FILE holds a NUL byte\nX_FILE is larger than 1 MiB\nX (or X_FILE) must be set\nX_FILE can't be read: No such file or directory\n"
        "X and X_FILE are both set\n");
    free(big);
}

static void numbers(void **state)
{
    (void)state;
    assert_int_equal(ec_config_int(&errors, "X", 5, 1, 10), 5);
    setenv("X", "10", 1);
    assert_int_equal(ec_config_int(&errors, "X", 5, 1, 10), 10);
    assert_int_equal(errors.n, 0);
    setenv("X", "11", 1);
    assert_int_equal(ec_config_int(&errors, "X", 5, 1, 10), 5);
    setenv("X", "1x", 1);
    assert_int_equal(ec_config_int(&errors, "X", 5, 1, 10), 5);
    assert_errors("X must be a whole number between 1 and 10\nX must be a whole number between 1 and 10\n");
}

static void ports(void **state)
{
    (void)state;
    assert_int_equal(ec_app_port(&errors, "X", 8080), 8080);
    setenv("X", "0", 1);
    assert_int_equal(ec_app_port(&errors, "X", 8080), 0);
    assert_int_equal(errors.n, 0);
    unsetenv("X");
    ec_app_port(&errors, "X", 0);
    setenv("X", "70000", 1);
    ec_app_port(&errors, "X", 0);
    assert_errors("X (or X_FILE) must be set\nX must be a whole number between 0 and 65535\n");
}

static void settings(void **state)
{
    struct ec_setting from = {.name = "from", .env = "S_FROM", .dflt = "a@b.example", .kind = EC_EMAIL};
    struct ec_setting count = {.name = "count", .env = "S_COUNT", .kind = EC_INT},
                      ratio = {.name = "ratio", .env = "S_RATIO", .kind = EC_FLOAT};
    struct ec_setting on = {.name = "on", .env = "S_ON", .kind = EC_BOOL}, id = {.name = "id", .env = "S_ID", .kind = EC_UUID};
    struct ec_setting key = {.name = "key", .env = "S_KEY", .kind = EC_TEXT, .secret = true};
    struct ec_setting *all[] = {&from, &count, &ratio, &on, &id, &key, NULL};

    (void)state;
    setenv("S_COUNT", "-3", 1);
    setenv("S_RATIO", "0.5", 1);
    setenv("S_ON", "true", 1);
    setenv("S_ID", "00000000-0000-0000-0000-0000000000ff", 1);
    setenv("S_KEY", "k", 1);
    ec_config_settings(&errors, all);
    ec_config_settings(&errors, NULL);
    assert_int_equal(errors.n, 0);
    assert_true(ec_str_eq(from.text, EC_STR("a@b.example")));
    assert_int_equal(count.i, -3);
    assert_true(ratio.f == 0.5 && on.b && id.uuid.b[15] == 0xff);
    setenv("S_FROM", "hunter2", 1);
    setenv("S_COUNT", "hunter2", 1);
    setenv("S_RATIO", "hunter2", 1);
    setenv("S_ON", "hunter2", 1);
    setenv("S_ID", "hunter2", 1);
    setenv("S_KEY", "", 1);
    for (size_t i = 0; all[i]; i++)
        free((void *)all[i]->text.p);
    ec_config_settings(&errors, all);
    assert_errors("S_FROM must be an email address\nS_COUNT must be a whole number\nS_RATIO must be a number\nS_ON must be true or false\n"
                  "S_ID must be a uuid\nS_KEY (or S_KEY_FILE) must be set\n");
    for (size_t i = 0; i < 5; i++)
        free((void *)all[i]->text.p);
}

/* The first line is the value, the others are accepted beside it. */
static void a_setting_of_several(void **state)
{
    struct ec_setting key = {.name = "key", .env = "S_KEY", .kind = EC_TEXT, .secret = true, .rotates = true, .at_least = 4};
    struct ec_setting *all[] = {&key, NULL};
    struct ec_str others, line;

    (void)state;
    setenv("S_KEY", "first\nsecond\nthird", 1);
    ec_config_settings(&errors, all);
    assert_int_equal(errors.n, 0);
    assert_true(ec_str_eq(key.text, EC_STR("first")));
    others = key.others;
    assert_true(ec_str_eq(ec_line_next(&others), EC_STR("second")) && ec_str_eq(ec_line_next(&others), EC_STR("third")));
    line = ec_line_next(&others);
    assert_null(line.p);
    free((void *)key.text.p);
    setenv("S_KEY", "alone", 1);
    ec_config_settings(&errors, all);
    assert_true(errors.n == 0 && key.others.n == 0 && ec_str_eq(key.text, EC_STR("alone")));
    free((void *)key.text.p);
    setenv("S_KEY", "first\n\nthird", 1);
    ec_config_settings(&errors, all);
    free((void *)key.text.p);
    setenv("S_KEY", "abc", 1);
    ec_config_settings(&errors, all);
    free((void *)key.text.p);
    assert_errors("S_KEY must have at least 4 bytes in each line\nS_KEY must have at least 4 bytes in each line\n");
    unsetenv("S_KEY");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(from_the_environment), T(from_a_file), T(files_that_do_not_do), T(numbers), T(ports), T(settings), T(a_setting_of_several)};
    int fd = mkstemp(path), failed;

    if (fd < 0)
        return 1;
    close(fd);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
