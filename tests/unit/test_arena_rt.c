/* The runtime's arena and byte buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"

static void zeroed_aligned_and_apart(void **state)
{
    struct ec_arena *arena = ec_arena_new();
    unsigned char *pieces[4000];
    size_t sizes[4000], i, k, total = 0;
    unsigned seed = 1;

    (void)state;
    for (i = 0; i < 4000; i++) {
        sizes[i] = (size_t)rand_r(&seed) % (i % 50 == 0 ? 20000 : 200);
        pieces[i] = ec_arena_alloc(arena, sizes[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        for (k = 0; k < sizes[i]; k++)
            if (pieces[i][k])
                fail_msg("not zeroed");
        memset(pieces[i], (int)(i % 255) + 1, sizes[i]);
        total += sizes[i];
    }
    for (i = 0; i < 4000; i++)
        for (k = 0; k < sizes[i]; k++)
            if (pieces[i][k] != i % 255 + 1)
                fail_msg("pieces overlap");
    assert_true(ec_arena_used(arena) >= total);
    ec_arena_free(arena);
    ec_arena_free(NULL);
}

static void reused_blocks_are_zeroed(void **state)
{
    int round;

    (void)state;
    for (round = 0; round < 100; round++) {
        struct ec_arena *arena = ec_arena_new();
        char *p = ec_arena_array(arena, 100, 30);
        int i;

        for (i = 0; i < 3000; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xee, 3000);
        ec_arena_free(arena);
    }
}

static void texts(void **state)
{
    struct ec_arena *arena = ec_arena_new();
    struct ec_str absent = ec_arena_copy(arena, (struct ec_str){NULL, 0}), empty = ec_arena_copy(arena, EC_STR("")), copy;
    char bytes[] = "abc", big[30000];

    (void)state;
    assert_null(absent.p);
    assert_non_null(empty.p);
    copy = ec_arena_copy(arena, (struct ec_str){bytes, 2});
    bytes[0] = 'x';
    assert_string_equal(copy.p, "ab");
    assert_int_equal(copy.n, 2);
    memset(big, 'z', sizeof(big));
    big[sizeof(big) - 1] = 0;
    assert_string_equal(ec_arena_printf(arena, "%s-%d", "n", 7), "n-7");
    assert_int_equal(strlen(ec_arena_printf(arena, "<%s>", big)), sizeof(big) + 1);
    ec_arena_free(arena);
}

static void buffers_grow(void **state)
{
    struct ec_buf buf = {NULL, 0, 0};
    char expected[10], big[1000];
    int i;

    (void)state;
    for (i = 0; i < 10000; i++)
        ec_buf_printf(&buf, "%04d", i);
    assert_int_equal(buf.n, 40000);
    for (i = 0; i < 10000; i += 37) {
        memcpy(expected, buf.p + 4 * i, 4);
        expected[4] = 0;
        assert_int_equal(atoi(expected), i);
    }
    memset(big, 'y', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    buf.n = 0;
    ec_buf_printf(&buf, "%s", big);
    ec_buf_str(&buf, "!");
    ec_buf_add(&buf, NULL, 0);
    assert_int_equal(buf.n, 1000);
    assert_int_equal(buf.p[999], '!');
    memset(ec_buf_reserve(&buf, 100000), 1, 100000);
    assert_int_equal(buf.n, 1000);
    ec_buf_free(&buf);
    assert_null(buf.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_aligned_and_apart),
        cmocka_unit_test(reused_blocks_are_zeroed),
        cmocka_unit_test(texts),
        cmocka_unit_test(buffers_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
