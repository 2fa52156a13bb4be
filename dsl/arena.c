#include "arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 64 * 1024, LARGEST_BLOCK = 4 * 1024 * 1024 };

struct ecc_arena_block {
    struct ecc_arena_block *next;
    size_t size;
    max_align_t data[];
};

static void out_of_memory(struct ecc_arena *arena)
{
    if (arena->oom)
        arena->oom(arena->oom_context);
    abort();
}

void ecc_arena_init(struct ecc_arena *arena)
{
    *arena = (struct ecc_arena){0};
}

void ecc_arena_free(struct ecc_arena *arena)
{
    for (struct ecc_arena_block *block = arena->head; block;) {
        struct ecc_arena_block *next = block->next;
        free(block);
        block = next;
    }
    arena->head = NULL;
    arena->next = arena->end = NULL;
    arena->total = 0;
}

static void add_block(struct ecc_arena *arena, size_t need)
{
    size_t size = arena->head ? arena->head->size * 2 : FIRST_BLOCK, left = arena->limit ? arena->limit - arena->total : SIZE_MAX;

    if (size > LARGEST_BLOCK)
        size = LARGEST_BLOCK;
    if (size < need || size > left - sizeof(struct ecc_arena_block))
        size = need;
    if (left < sizeof(struct ecc_arena_block) || size > left - sizeof(struct ecc_arena_block))
        out_of_memory(arena);
    struct ecc_arena_block *block = calloc(1, sizeof *block + size);
    if (!block)
        out_of_memory(arena);
    block->next = arena->head;
    block->size = size;
    arena->head = block;
    arena->next = (char *)block->data;
    arena->end = arena->next + size;
    arena->total += sizeof *block + size;
}

void *ecc_arena_alloc(struct ecc_arena *arena, size_t size)
{
    size_t mask = _Alignof(max_align_t) - 1;

    if (size > SIZE_MAX - mask)
        out_of_memory(arena);
    size = (size + mask) & ~mask;
    if (!arena->next || size > (size_t)(arena->end - arena->next))
        add_block(arena, size);
    void *p = arena->next;
    arena->next += size;
    return p;
}

void *ecc_arena_array(struct ecc_arena *arena, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        out_of_memory(arena);
    return ecc_arena_alloc(arena, n * size);
}

char *ecc_arena_strndup(struct ecc_arena *arena, const char *text, size_t length)
{
    char *copy = ecc_arena_alloc(arena, length + 1);

    if (length)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *ecc_arena_strdup(struct ecc_arena *arena, const char *text)
{
    return ecc_arena_strndup(arena, text, strlen(text));
}

char *ecc_arena_vprintf(struct ecc_arena *arena, const char *format, va_list args)
{
    va_list again;

    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = ecc_arena_alloc(arena, (size_t)(length < 0 ? 0 : length) + 1);
    if (length >= 0)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

char *ecc_arena_printf(struct ecc_arena *arena, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = ecc_arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

void *ecc_arena_grow(struct ecc_arena *arena, void *items, size_t *cap, size_t size)
{
    size_t old = *cap, grown = old ? old * 2 : 8;
    void *copy = ecc_arena_array(arena, grown, size);

    if (old)
        memcpy(copy, items, old * size);
    *cap = grown;
    return copy;
}
