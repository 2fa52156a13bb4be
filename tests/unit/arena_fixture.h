/* cmocka, and an arena of the compiler for each test. */
#ifndef ARENA_FIXTURE_H
#define ARENA_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena.h"

static struct ecc_arena arena;

static inline int setup(void **state)
{
    (void)state;
    ecc_arena_init(&arena);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    ecc_arena_free(&arena);
    return 0;
}

#endif
