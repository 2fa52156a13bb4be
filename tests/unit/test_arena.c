/* The compiler's arena: alignment, growth, bounds, what happens when memory runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "arena.h"

static void is_zeroed_and_aligned(void **state)
{
    struct ecc_arena arena;

    (void)state;
    ecc_arena_init(&arena);
    for (size_t size = 0; size < 300; size++) {
        unsigned char *p = ecc_arena_alloc(&arena, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, size);
    }
    ecc_arena_free(&arena);
    assert_null(arena.head);
}

static void larger_than_a_block(void **state)
{
    struct ecc_arena arena;

    (void)state;
    ecc_arena_init(&arena);
    char *big = ecc_arena_alloc(&arena, 10 * 1024 * 1024);
    memset(big, 1, 10 * 1024 * 1024);
    char *small = ecc_arena_alloc(&arena, 1);
    assert_int_equal(*small, 0);
    assert_true(arena.total >= 10 * 1024 * 1024);
    ecc_arena_free(&arena);
}

static void lists_keep_what_they_hold(void **state)
{
    struct ecc_arena arena;
    struct {
        int *items;
        size_t n, cap;
    } list = {0};

    (void)state;
    ecc_arena_init(&arena);
    for (int i = 0; i < 10000; i++)
        ECC_PUSH(&arena, &list, i);
    assert_int_equal(list.n, 10000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(list.items[i], i);
    ecc_arena_free(&arena);
}

static void a_list_grows_in_place_while_it_is_the_last(void **state)
{
    struct ecc_arena arena;

    (void)state;
    ecc_arena_init(&arena);
    char *first = ecc_arena_alloc(&arena, 24), *longer = ecc_arena_longer(&arena, first, 24, 1000);
    assert_ptr_equal(first, longer);
    memset(longer, 1, 1000);
    char *behind = ecc_arena_alloc(&arena, 8);
    assert_true(behind >= longer + 1000);
    char *moved = ecc_arena_longer(&arena, longer, 1000, 2000);
    assert_ptr_not_equal(moved, longer);
    for (size_t i = 0; i < 2000; i++)
        assert_int_equal(moved[i], i < 1000);
    assert_int_equal(*behind, 0);
    ecc_arena_free(&arena);
}

/* What a scratch arena was given before is given again, to it or to its parent, and is zeroed. */
static void what_was_used_is_zeroed(void **state)
{
    enum { PIECE = 100 * 1000, PIECES = 300 };
    struct ecc_arena arena;

    (void)state;
    ecc_arena_init(&arena);
    for (int round = 0; round < 4; round++) {
        struct ecc_arena *scratch = ecc_arena_scratch(&arena);
        for (int i = 0; i < PIECES; i++) {
            struct ecc_arena *from = round && i % 3 == 0 ? &arena : scratch;
            unsigned char *p = ecc_arena_alloc(from, PIECE);
            for (size_t k = 0; k < PIECE; k += 997)
                assert_int_equal(p[k], 0);
            assert_int_equal(p[PIECE - 1], 0);
            memset(p, 0xff, PIECE);
        }
    }
    ecc_arena_free(&arena);
    assert_null(arena.spare);
}

/* Room that was not used is there for the next, still zeroed; of what was not made last nothing comes back. */
static void what_was_not_used_is_given_back(void **state)
{
    struct ecc_arena arena;

    (void)state;
    ecc_arena_init(&arena);
    char *first = ecc_arena_alloc(&arena, 1000);
    memset(first, 1, 10);
    ecc_arena_less(&arena, first, 1000, 10);
    char *second = ecc_arena_alloc(&arena, 900);
    assert_true(second >= first + 10 && second < first + 100);
    for (size_t i = 0; i < 900; i++)
        assert_int_equal(second[i], 0);
    ecc_arena_less(&arena, first, 10, 1);
    assert_true((char *)ecc_arena_alloc(&arena, 1) >= second + 900);
    ecc_arena_free(&arena);
}

/* Something large stays with no scratch arena that is asked for again and again, and its memory is used again by whoever needs as much. */
static void one_large_thing_is_not_kept_for_small_ones(void **state)
{
    enum { LARGE = 20 * 1000 * 1000, SMALL = 1000 };
    struct ecc_arena arena;

    (void)state;
    ecc_arena_init(&arena);
    for (int round = 0; round < 3; round++) {
        unsigned char *large = ecc_arena_alloc(ecc_arena_scratch(&arena), LARGE);
        assert_int_equal(large[0], 0);
        assert_int_equal(large[LARGE - 1], 0);
        memset(large, 0xff, LARGE);
        for (int i = 0; i < 10; i++) {
            struct ecc_arena *scratch = ecc_arena_scratch(&arena);
            unsigned char *small = ecc_arena_alloc(scratch, SMALL);
            for (size_t k = 0; k < SMALL; k++)
                assert_int_equal(small[k], 0);
            memset(small, 0xff, SMALL);
            assert_true(scratch->total < LARGE / 4);
        }
    }
    ecc_arena_free(&arena);
}

/* Blocks of an arena that ends are used again by another: of its own nested scratch arenas, too. */
static void blocks_go_to_whoever_goes_on(void **state)
{
    enum { PIECE = 100 * 1000, PIECES = 200 };
    struct ecc_arena arena, other;

    (void)state;
    ecc_arena_init(&arena);
    ecc_arena_init(&other);
    for (int i = 0; i < PIECES; i++) {
        memset(ecc_arena_alloc(&other, PIECE), 0xff, PIECE);
        memset(ecc_arena_alloc(ecc_arena_scratch(ecc_arena_scratch(&other)), PIECE), 0xff, PIECE);
    }
    ecc_arena_spare(&arena, &other);
    assert_null(other.head);
    assert_null(other.scratch);
    for (int i = 0; i < 3 * PIECES; i++) {
        struct ecc_arena *from = i % 2 ? &arena : ecc_arena_scratch(&arena);
        unsigned char *p = ecc_arena_alloc(from, PIECE);
        for (size_t k = 0; k < PIECE; k += 97)
            assert_int_equal(p[k], 0);
        memset(p, 0xff, PIECE);
    }
    ecc_arena_free(&arena);
}

static void what_is_adopted_stays(void **state)
{
    struct ecc_arena arena, other, empty;

    (void)state;
    ecc_arena_init(&arena);
    ecc_arena_init(&other);
    ecc_arena_init(&empty);
    char *own = ecc_arena_strdup(&arena, "own"), *theirs = ecc_arena_strdup(&other, "theirs");
    for (int i = 0; i < 100; i++)
        memset(ecc_arena_alloc(&other, 100 * 1000), 1, 100 * 1000);
    ecc_arena_alloc(ecc_arena_scratch(&other), 1000);
    size_t total = arena.total + other.total;
    ecc_arena_adopt(&arena, &other);
    ecc_arena_adopt(&arena, &empty);
    assert_int_equal(arena.total, total);
    assert_null(other.head);
    assert_string_equal(own, "own");
    assert_string_equal(theirs, "theirs");
    assert_string_equal(ecc_arena_strdup(&arena, "more"), "more");
    ecc_arena_adopt(&empty, &arena);
    assert_string_equal(theirs, "theirs");
    assert_string_equal(ecc_arena_strdup(&empty, "more"), "more");
    ecc_arena_free(&empty);
}

static void texts_are_copied(void **state)
{
    struct ecc_arena arena;
    char text[] = "shelf and more";

    (void)state;
    ecc_arena_init(&arena);
    const char *copy = ecc_arena_strndup(&arena, text, 5);
    text[0] = 'x';
    assert_string_equal(copy, "shelf");
    assert_string_equal(ecc_arena_strndup(&arena, NULL, 0), "");
    assert_string_equal(ecc_arena_printf(&arena, "%s-%d", copy, 7), "shelf-7");
    ecc_arena_free(&arena);
}

static jmp_buf out;

static void jump(void *context)
{
    *(int *)context = 1;
    longjmp(out, 1);
}

static void sizes_that_overflow_are_out_of_memory(void **state)
{
    struct ecc_arena arena;
    int called = 0;

    (void)state;
    ecc_arena_init(&arena);
    arena.oom = jump;
    arena.oom_context = &called;
    if (!setjmp(out)) {
        ecc_arena_array(&arena, SIZE_MAX / 2, 3);
        fail_msg("an impossible size was given");
    }
    assert_int_equal(called, 1);
    called = 0;
    if (!setjmp(out)) {
        ecc_arena_alloc(&arena, SIZE_MAX - 4);
        fail_msg("an impossible size was given");
    }
    assert_int_equal(called, 1);
    ecc_arena_free(&arena);
}

static void more_than_the_limit_is_out_of_memory(void **state)
{
    struct ecc_arena arena;
    int called = 0;

    (void)state;
    ecc_arena_init(&arena);
    arena.limit = 1024 * 1024;
    arena.oom = jump;
    arena.oom_context = &called;
    ecc_arena_alloc(&arena, 512 * 1024);
    if (!setjmp(out)) {
        ecc_arena_alloc(&arena, 512 * 1024);
        fail_msg("more than the limit was given");
    }
    assert_int_equal(called, 1);
    assert_true(arena.total <= arena.limit);
    if (setjmp(out))
        fail_msg("what is left was not given");
    ecc_arena_alloc(&arena, 16);
    ecc_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_zeroed_and_aligned),
        cmocka_unit_test(larger_than_a_block),
        cmocka_unit_test(lists_keep_what_they_hold),
        cmocka_unit_test(a_list_grows_in_place_while_it_is_the_last),
        cmocka_unit_test(what_was_used_is_zeroed),
        cmocka_unit_test(what_was_not_used_is_given_back),
        cmocka_unit_test(one_large_thing_is_not_kept_for_small_ones),
        cmocka_unit_test(blocks_go_to_whoever_goes_on),
        cmocka_unit_test(what_is_adopted_stays),
        cmocka_unit_test(texts_are_copied),
        cmocka_unit_test(sizes_that_overflow_are_out_of_memory),
        cmocka_unit_test(more_than_the_limit_is_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
