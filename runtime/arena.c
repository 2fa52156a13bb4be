/* Arenas and byte buffers.
 *
 * An arena is a list of blocks of one size and a bump pointer; its own header stands at the start of its first block, so that a small
 * request costs no malloc at all: blocks come from a free list of the process and go back to it, bounded, when the arena ends. What does
 * not fit a block has a malloc of its own. Under AddressSanitizer a pooled block is poisoned, so that a pointer into an ended request is
 * found as if the block had been freed.
 *
 * A buffer owns one malloc'd piece that doubles. Neither survives a lack of memory: the process ends, and is started again.
 */
#include "arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define EC_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EC_ASAN 1
#endif
#endif
#ifdef EC_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum { BLOCK = 8192, POOL_MAX = 1024, ALIGN = 16 };

struct block {
    struct block *next;
    size_t size; /* with this header */
};

struct ec_arena {
    char *at, *end;
    struct block *blocks; /* the current one first, the one that holds this struct last */
    struct block *big;
    size_t used;
};

static struct block *pool;
static size_t pooled;

_Static_assert(sizeof(struct block) == ALIGN, "what follows the header is aligned");

static void out_of_memory(void)
{
    static const char text[] = "{\"level\":\"error\",\"msg\":\"out of memory\"}\n";

    fwrite(text, 1, sizeof(text) - 1, stderr);
    abort();
}

static struct block *block_new(void)
{
    struct block *block = pool;

    if (block) {
        ASAN_UNPOISON_MEMORY_REGION(block, BLOCK);
        pool = block->next;
        pooled--;
    } else {
        block = malloc(BLOCK);
        if (!block)
            out_of_memory();
        block->size = BLOCK;
    }
    return block;
}

static void block_free(struct block *block)
{
    if (pooled >= POOL_MAX) {
        free(block);
        return;
    }
    block->next = pool;
    pool = block;
    pooled++;
    ASAN_POISON_MEMORY_REGION(block + 1, BLOCK - sizeof(*block));
}

static size_t aligned(size_t size)
{
    return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

struct ec_arena *ec_arena_new(void)
{
    struct block *block = block_new();
    struct ec_arena *arena = (struct ec_arena *)(block + 1);

    block->next = NULL;
    arena->at = (char *)arena + aligned(sizeof(*arena));
    arena->end = (char *)block + BLOCK;
    arena->blocks = block;
    arena->big = NULL;
    arena->used = 0;
    return arena;
}

void ec_arena_free(struct ec_arena *arena)
{
    struct block *block, *next;

    if (!arena)
        return;
    for (block = arena->big; block; block = next) {
        next = block->next;
        free(block);
    }
    for (block = arena->blocks; block; block = next) { /* the last one holds the arena: its list is read by then */
        next = block->next;
        block_free(block);
    }
}

void *ec_arena_alloc(struct ec_arena *arena, size_t size)
{
    struct block *block;
    char *p;

    if (size > SIZE_MAX / 2)
        out_of_memory();
    size = aligned(size ? size : 1);
    if (size > (size_t)(arena->end - arena->at)) {
        if (size > (BLOCK - sizeof(*block)) / 4) { /* a piece of its own: the rest of the current block stays of use */
            block = calloc(1, sizeof(*block) + size);
            if (!block)
                out_of_memory();
            block->size = sizeof(*block) + size;
            block->next = arena->big;
            arena->big = block;
            arena->used += size;
            return block + 1;
        }
        block = block_new();
        block->next = arena->blocks;
        arena->blocks = block;
        arena->at = (char *)(block + 1);
        arena->end = (char *)block + BLOCK;
    }
    p = arena->at;
    arena->at += size;
    arena->used += size;
    return memset(p, 0, size);
}

void *ec_arena_array(struct ec_arena *arena, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes))
        out_of_memory();
    return ec_arena_alloc(arena, bytes);
}

struct ec_str ec_arena_copy(struct ec_arena *arena, struct ec_str text)
{
    char *p;

    if (!text.p)
        return text;
    p = ec_arena_alloc(arena, text.n + 1);
    memcpy(p, text.p, text.n);
    return (struct ec_str){p, text.n};
}

char *ec_arena_printf(struct ec_arena *arena, const char *format, ...)
{
    va_list args, again;
    char *p;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        n = 0;
    p = ec_arena_alloc(arena, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p;
}

size_t ec_arena_used(const struct ec_arena *arena)
{
    return arena->used;
}

/* ------------------------------------------------------------------ buffers */

char *ec_buf_reserve(struct ec_buf *buf, size_t n)
{
    size_t need, cap;
    char *p;

    if (n <= buf->cap - buf->n)
        return buf->p + buf->n;
    if (__builtin_add_overflow(buf->n, n, &need) || need > SIZE_MAX / 2)
        out_of_memory();
    for (cap = buf->cap ? buf->cap : 256; cap < need; cap *= 2)
        ;
    p = realloc(buf->p, cap);
    if (!p)
        out_of_memory();
    buf->p = p;
    buf->cap = cap;
    return p + buf->n;
}

void ec_buf_add(struct ec_buf *buf, const void *bytes, size_t n)
{
    if (n) {
        memcpy(ec_buf_reserve(buf, n), bytes, n);
        buf->n += n;
    }
}

void ec_buf_str(struct ec_buf *buf, const char *text)
{
    ec_buf_add(buf, text, strlen(text));
}

void ec_buf_printf(struct ec_buf *buf, const char *format, ...)
{
    va_list args, again;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(ec_buf_reserve(buf, 128), 128, format, args);
    va_end(args);
    if (n >= 128)
        n = vsnprintf(ec_buf_reserve(buf, (size_t)n + 1), (size_t)n + 1, format, again);
    va_end(again);
    if (n > 0)
        buf->n += (size_t)n;
}

void ec_buf_free(struct ec_buf *buf)
{
    free(buf->p);
    *buf = (struct ec_buf){NULL, 0, 0};
}
