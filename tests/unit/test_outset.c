/* Generated files on the disk: what is written, what is left alone, and what a hostile path or link can't do. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena.h"
#include "outset.h"

static struct ecc_arena arena;
static char folder[64];
static struct ecc_outset_report report;

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

static int setup(void **state)
{
    (void)state;
    ecc_arena_init(&arena);
    strcpy(folder, "/tmp/outset-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    ecc_arena_free(&arena);
    return 0;
}

static const char *in(const char *path)
{
    return ecc_arena_printf(&arena, "%s/%s", folder, path);
}

static const char *slurp(const char *path)
{
    char buffer[4096];
    FILE *file = fopen(in(path), "r");

    if (!file)
        return NULL;
    size_t n = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    return ecc_arena_strndup(&arena, buffer, n);
}

static void spill(const char *path, const char *content)
{
    FILE *file = fopen(in(path), "w");

    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

/* path, content, path, content ..., NULL */
static bool build(int dry, ...)
{
    struct ecc_outset out;
    const char *path;
    va_list args;

    ecc_outset_init(&out, &arena);
    va_start(args, dry);
    while ((path = va_arg(args, const char *))) {
        const char *content = va_arg(args, const char *);
        ecc_outset_add(&out, path, content, strlen(content));
    }
    va_end(args);
    return ecc_outset_write(&out, in("generated"), dry, &report);
}

static const char *changes(void)
{
    static const char signs[] = {'+', '~', '-'};
    const char *text = "";

    for (size_t i = 0; i < report.n; i++)
        text = ecc_arena_printf(&arena, "%s%s%c%s", text, i ? " " : "", signs[report.items[i].kind], report.items[i].path);
    return text;
}

static void test_life(void **state)
{
    struct stat before, after;

    (void)state;
    assert_true(build(true, "b/x.c", "one\n", "a.c", "two\n", NULL));
    assert_string_equal(changes(), "+a.c +b/x.c");
    assert_int_not_equal(access(in("generated"), F_OK), 0); /* dry touches nothing */

    assert_true(build(false, "b/x.c", "one\n", "a.c", "two\n", NULL));
    assert_string_equal(slurp("generated/b/x.c"), "one\n");
    assert_string_equal(slurp("generated/MANIFEST"), "27dd8ed44a83ff94d557f9fd0412ed5a8cbca69ea04922d88c01184a07300a5a  a.c\n"
                                                     "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806  b/x.c\n");
    assert_int_equal(stat(in("generated/a.c"), &before), 0);

    assert_true(build(false, "a.c", "two\n", "b/x.c", "one\n", NULL));
    assert_string_equal(changes(), "");
    assert_int_equal(stat(in("generated/a.c"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* not written again */

    assert_true(build(false, "a.c", "three\n", "c/d/y.c", "new\n", NULL));
    assert_string_equal(changes(), "~a.c -b/x.c +c/d/y.c");
    assert_string_equal(slurp("generated/a.c"), "three\n");
    assert_int_not_equal(access(in("generated/b"), F_OK), 0); /* the empty folder went, too */
    assert_true(build(false, "a.c", "three\n", "c/d/y.c", "new\n", NULL));
    assert_string_equal(changes(), "");
}

static void test_edited(void **state)
{
    (void)state;
    assert_true(build(false, "a.c", "one\n", "b.c", "two\n", NULL));
    spill("generated/a.c", "mine\n");
    assert_false(build(false, "a.c", "three\n", "b.c", "four\n", NULL));
    assert_non_null(strstr(report.error, "/generated/a.c is not as it was generated"));
    assert_non_null(strstr(report.error, "to a `custom` operation"));
    assert_null(strchr(report.error, '\n'));
    assert_string_equal(slurp("generated/a.c"), "mine\n");
    assert_string_equal(slurp("generated/b.c"), "two\n"); /* nothing was written */
    assert_false(build(false, "b.c", "two\n", NULL));     /* nor is it removed */
    assert_string_equal(slurp("generated/a.c"), "mine\n");
    spill("generated/a.c", "three\n"); /* what would be written anyhow */
    assert_true(build(false, "a.c", "three\n", "b.c", "four\n", NULL));
    spill("generated/own.c", "a person's\n");
    assert_false(build(false, "a.c", "three\n", "b.c", "four\n", "own.c", "ours\n", NULL));
    assert_true(build(false, "a.c", "three\n", "b.c", "four\n", NULL)); /* files that are not ours don't matter */
    assert_string_equal(slurp("generated/own.c"), "a person's\n");
    assert_int_equal(unlink(in("generated/a.c")), 0);
    assert_true(build(false, "a.c", "three\n", "b.c", "four\n", NULL));
    assert_string_equal(slurp("generated/a.c"), "three\n");
}

enum { LOTS = 3000 };

/* LOTS of files in many folders, made while other threads look at them; `odd` has other content. */
static bool build_lots(bool drop, int odd)
{
    struct ecc_outset out;

    ecc_outset_init(&out, &arena);
    ecc_outset_begin(&out, in("generated"), false);
    for (int i = 0; i < LOTS; i++) {
        const char *content = ecc_arena_printf(&arena, "file %d%s\n", i, i == odd ? ", another" : "");
        ecc_outset_add_copy(&out, ecc_arena_printf(&arena, "f%d/%d/x%d.c", i % 7, i % 50, i), content, strlen(content));
    }
    if (!drop)
        return ecc_outset_write(&out, in("generated"), false, &report);
    ecc_outset_drop(&out);
    return true;
}

static void test_lots(void **state)
{
    (void)state;
    assert_true(build_lots(true, 0));
    assert_int_not_equal(access(in("generated"), F_OK), 0);
    assert_int_not_equal(access(in(".generated.new"), F_OK), 0);

    assert_int_equal(mkdir(in(".generated.new"), 0777), 0); /* of a build that was killed */
    assert_int_equal(mkdir(in(".generated.new/f0"), 0777), 0);
    spill(".generated.new/f0/left", "half");
    assert_true(build_lots(false, -1));
    assert_int_equal(report.n, LOTS);
    assert_int_not_equal(access(in(".generated.new"), F_OK), 0);
    assert_int_not_equal(access(in("generated/f0/left"), F_OK), 0);
    for (int i = 0; i < LOTS; i++)
        assert_string_equal(slurp(ecc_arena_printf(&arena, "generated/f%d/%d/x%d.c", i % 7, i % 50, i)),
                            ecc_arena_printf(&arena, "file %d\n", i));

    assert_true(build_lots(false, -1));
    assert_int_equal(report.n, 0);
    assert_true(build_lots(false, 2222));
    assert_string_equal(changes(), "~f3/22/x2222.c");
    assert_string_equal(slurp("generated/f3/22/x2222.c"), "file 2222, another\n");
    spill("generated/f3/22/x2222.c", "mine\n");
    assert_false(build_lots(false, -1));
    assert_non_null(strstr(report.error, "/generated/f3/22/x2222.c is not as it was generated"));
    assert_string_equal(slurp("generated/f3/22/x2222.c"), "mine\n");
}

/* While one build makes the folder, another says so and leaves it alone. */
static void test_two(void **state)
{
    struct ecc_outset first, second;

    (void)state;
    ecc_outset_init(&first, &arena);
    ecc_outset_begin(&first, in("generated"), false);
    ecc_outset_init(&second, &arena);
    ecc_outset_add(&second, "a.c", "two\n", 4);
    assert_false(ecc_outset_write(&second, in("generated"), false, &report));
    assert_non_null(strstr(report.error, "another build is making it"));
    ecc_outset_add(&first, "a.c", "one\n", 4);
    assert_true(ecc_outset_write(&first, in("generated"), false, &report));
    assert_string_equal(slurp("generated/a.c"), "one\n");

    ecc_outset_init(&first, &arena); /* somebody else puts something there meanwhile: it stays */
    ecc_outset_begin(&first, in("other"), false);
    ecc_outset_add(&first, "a.c", "one\n", 4);
    assert_int_equal(mkdir(in("other"), 0777), 0);
    spill("other/own.c", "mine\n");
    assert_false(ecc_outset_write(&first, in("other"), false, &report));
    assert_string_equal(slurp("other/own.c"), "mine\n");
    assert_int_not_equal(access(in("other/a.c"), F_OK), 0);
    assert_int_not_equal(access(in(".other.new"), F_OK), 0);
}

static void test_paths(void **state)
{
    static const char *const bad[] = {"../x", "/etc/x", "a/../x", "a//x",     "",     "a/", "./x",     "a b",
                                      "x;y",  "-rf",    "a\nb",   "MANIFEST", "a/..", "~x", "\xc3\xa4"};
    struct ecc_outset out;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ecc_outset_init(&out, &arena);
        assert_false(ecc_outset_add(&out, bad[i], "x", 1));
        assert_non_null(out.error);
        assert_false(ecc_outset_write(&out, in("generated"), false, &report));
        assert_non_null(report.error);
    }
    ecc_outset_init(&out, &arena);
    assert_true(ecc_outset_add(&out, "a", "x", 1));
    assert_false(ecc_outset_add(&out, "a", "y", 1));
    ecc_outset_init(&out, &arena);
    for (int i = 0; i < 3000; i++)
        assert_true(ecc_outset_add(&out, ecc_arena_printf(&arena, "f%d", i), "x", 1));
    assert_non_null(ecc_outset_find(&out, "f2999"));
    assert_null(ecc_outset_find(&out, "f3000"));
}

static void test_links(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in("generated"), 0777), 0);
    assert_int_equal(mkdir(in("elsewhere"), 0777), 0);
    spill("secret", "keep me\n");
    assert_int_equal(symlink("../elsewhere", in("generated/svc")), 0);
    assert_false(build(false, "svc/x.c", "one\n", NULL));
    assert_int_not_equal(access(in("elsewhere/x.c"), F_OK), 0);
    assert_int_equal(unlink(in("generated/svc")), 0);
    assert_int_equal(symlink("../secret", in("generated/x.c")), 0);
    assert_false(build(false, "x.c", "one\n", NULL));
    assert_string_equal(slurp("secret"), "keep me\n");
    assert_int_equal(unlink(in("generated/x.c")), 0);
    /* A manifest can't name what lies outside. */
    spill("generated/MANIFEST", ecc_arena_printf(&arena, "%s  ../secret\n", ecc_sha256_hex(&arena, "keep me\n", 8)));
    assert_true(build(false, "x.c", "one\n", NULL));
    assert_string_equal(slurp("secret"), "keep me\n");
}

static void test_single_file(void **state)
{
    struct stat before, after;
    const char *error;

    (void)state;
    assert_true(ecc_write_file(&arena, in("lock"), "one", 3, &error));
    assert_int_equal(stat(in("lock"), &before), 0);
    assert_true(ecc_write_file(&arena, in("lock"), "one", 3, &error));
    assert_int_equal(stat(in("lock"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_true(ecc_write_file(&arena, in("lock"), "two", 3, &error));
    assert_string_equal(slurp("lock"), "two");
    assert_null(error);
    assert_false(ecc_write_file(&arena, in("none/lock"), "one", 3, &error));
    assert_non_null(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life, setup, teardown),        cmocka_unit_test_setup_teardown(test_edited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lots, setup, teardown),        cmocka_unit_test_setup_teardown(test_two, setup, teardown),
        cmocka_unit_test_setup_teardown(test_paths, setup, teardown),       cmocka_unit_test_setup_teardown(test_links, setup, teardown),
        cmocka_unit_test_setup_teardown(test_single_file, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
