#include "arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1 /* clang's name of it */
#endif
#endif

#define ALIGNED(size) (((size) + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1))

enum { FIRST_BLOCK = 64 * 1024, HUGE_PAGE = 2 * 1024 * 1024 };

struct ecc_arena_block {
    struct ecc_arena_block *next;
    size_t size, mapped; /* bytes of data; bytes of the mapping, or 0: from the heap */
    size_t dirty;        /* of one that is not filled any more: bytes of data that were used */
    max_align_t data[];
};

static const size_t LARGEST_BLOCK = 2 * HUGE_PAGE - sizeof(struct ecc_arena_block);

/* Large blocks are pages of their own, huge ones where there are any: a model of a thousand services is read all over, and most of the time
 * that takes is for pages that are touched the first time or not in the TLB. Not under the sanitizer, which watches the heap. */
static struct ecc_arena_block *map_block(size_t bytes)
{
#ifdef __SANITIZE_ADDRESS__
    (void)bytes;
    return NULL;
#else
    if (bytes > SIZE_MAX - 2 * HUGE_PAGE)
        return NULL;
    size_t size = (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    char *area = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        return NULL;
    size_t before = (size_t)(-(uintptr_t)area & (HUGE_PAGE - 1));
    if (before)
        munmap(area, before);
    munmap(area + before + size, HUGE_PAGE - before);
    struct ecc_arena_block *block = (struct ecc_arena_block *)(area + before);
    madvise(block, size, MADV_HUGEPAGE);
    block->mapped = size;
    block->size = size - sizeof *block;
    return block;
#endif
}

struct ecc_arena_block *ecc_arena_block_new(void)
{
    struct ecc_arena_block *block = map_block(sizeof *block + LARGEST_BLOCK);

    if (block)
        madvise(block, block->mapped, MADV_POPULATE_WRITE); /* where that fails they come when they are used */
    return block;
}

void ecc_arena_give(struct ecc_arena *arena, struct ecc_arena_block *block)
{
    block->next = arena->spare;
    arena->spare = block;
}

static void free_blocks(struct ecc_arena_block *block)
{
    while (block) {
        struct ecc_arena_block *next = block->next;
        if (block->mapped)
            munmap(block, block->mapped);
        else
            free(block);
        block = next;
    }
}

/* One that was made for one thing had room that may never have been touched. */
static void clean(struct ecc_arena_block *block, size_t used)
{
    struct ecc_arena_block head = *block;

    if (block->mapped && block->size > LARGEST_BLOCK && !madvise(block, block->mapped, MADV_DONTNEED))
        *block = head;
    else
        memset(block->data, 0, used);
}

/* A block of at least that size that nobody has, out of the list, or NULL. Zeroing what was used of it takes a fraction of what new pages
 * take, which the kernel zeroes and the machine below may have to find first. */
static struct ecc_arena_block *take_spare(struct ecc_arena *arena, size_t need, size_t most)
{
    for (struct ecc_arena_block **at = &arena->spare; *at; at = &(*at)->next) {
        struct ecc_arena_block *block = *at;
        if (block->size < need || block->size > most)
            continue;
        *at = block->next;
        clean(block, block->dirty);
        return block;
    }
    return NULL;
}

/* The arena's first block is filled no more. */
static void leave(struct ecc_arena *arena)
{
    if (arena->next)
        arena->head->dirty = (size_t)(arena->next - (char *)arena->head->data);
}

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
    if (arena->scratch)
        ecc_arena_free(arena->scratch);
    free_blocks(arena->head);
    free_blocks(arena->spare);
    arena->head = arena->spare = NULL;
    arena->next = arena->end = NULL;
    arena->total = 0;
    arena->scratch = NULL;
}

/* What is mapped of a list of blocks becomes spare, the rest goes. */
static void spare_blocks(struct ecc_arena *arena, struct ecc_arena_block *block)
{
    while (block) {
        struct ecc_arena_block *next = block->next;
        if (block->mapped)
            ecc_arena_give(arena, block);
        else
            free(block);
        block = next;
    }
}

static void spare_all(struct ecc_arena *arena, struct ecc_arena *from)
{
    leave(from);
    if (from->scratch)
        spare_all(arena, from->scratch);
    spare_blocks(arena, from->head);
    spare_blocks(arena, from->spare);
}

void ecc_arena_spare(struct ecc_arena *arena, struct ecc_arena *other)
{
    spare_all(arena, other);
    *other = (struct ecc_arena){0};
}

void ecc_arena_adopt(struct ecc_arena *arena, struct ecc_arena *other)
{
    struct ecc_arena_block **at = &arena->head;

    if (other->scratch)
        ecc_arena_free(other->scratch);
    leave(other);
    if (*at)
        at = &(*at)->next; /* the first is the one that is filled */
    else
        *arena = (struct ecc_arena){.oom = arena->oom, .oom_context = arena->oom_context, .limit = arena->limit};
    struct ecc_arena_block *rest = *at;
    *at = other->head;
    while (*at)
        at = &(*at)->next;
    *at = rest;
    arena->total += other->total;
    other->head = NULL;
    other->scratch = NULL;
    ecc_arena_free(other);
}

/* Keeps the block that was made last, and as spare ones those that are mapped. The sanitizer is to see whoever still reads
 * what was there. */
static void empty(struct ecc_arena *arena)
{
#ifdef __SANITIZE_ADDRESS__
    ecc_arena_free(arena);
#else
    struct ecc_arena_block *kept = arena->head;

    if (arena->scratch) { /* it stands in what is taken back */
        spare_all(arena, arena->scratch);
        arena->scratch = NULL;
    }
    if (!kept)
        return;
    leave(arena);
    if (kept->size > LARGEST_BLOCK) { /* nobody needs it again for what is small */
        spare_blocks(arena, kept);
        arena->head = NULL;
        arena->next = arena->end = NULL;
        arena->total = 0;
        return;
    }
    clean(kept, kept->dirty);
    spare_blocks(arena, kept->next);
    kept->next = NULL;
    arena->next = (char *)kept->data;
    arena->total = sizeof *kept + kept->size;
#endif
}

struct ecc_arena *ecc_arena_scratch(struct ecc_arena *arena)
{
    if (!arena->scratch)
        arena->scratch = ECC_NEW(arena, struct ecc_arena);
    empty(arena->scratch);
    spare_blocks(arena->scratch, arena->spare); /* from there they are the parent's, too */
    arena->spare = NULL;
    arena->scratch->oom = arena->oom;
    arena->scratch->oom_context = arena->oom_context;
    arena->scratch->limit = arena->limit;
    return arena->scratch;
}

static void add_block(struct ecc_arena *arena, size_t need)
{
    size_t size = arena->head ? arena->head->size * 2 : FIRST_BLOCK, left = SIZE_MAX;

    if (arena->limit)
        left = arena->limit > arena->total ? arena->limit - arena->total : 0;
    if (size > LARGEST_BLOCK)
        size = LARGEST_BLOCK;
    if (size < need || size > left - sizeof(struct ecc_arena_block))
        size = need;
    if (left < sizeof(struct ecc_arena_block) || size > left - sizeof(struct ecc_arena_block))
        out_of_memory(arena);
    struct ecc_arena_block *block = NULL;
    size_t most = left - sizeof *block;
    if (size >= HUGE_PAGE) {
        block = take_spare(arena, need, most);
        if (!block && arena->scratch)
            block = take_spare(arena->scratch, need, most);
        if (!block && arena->refill && need <= LARGEST_BLOCK && LARGEST_BLOCK <= most)
            block = arena->refill(arena->refill_context);
        if (!block)
            block = map_block(sizeof *block + size);
    }
    if (!block) {
        block = calloc(1, sizeof *block + size);
        if (!block)
            out_of_memory(arena);
        block->size = size;
    }
    leave(arena);
    block->next = arena->head;
    arena->head = block;
    arena->next = (char *)block->data;
    arena->end = arena->next + block->size;
    arena->total += sizeof *block + block->size;
}

void *ecc_arena_more(struct ecc_arena *arena, size_t size)
{
    if (size > SIZE_MAX - (_Alignof(max_align_t) - 1))
        out_of_memory(arena);
    add_block(arena, ALIGNED(size));
    void *p = arena->next;
    arena->next += ALIGNED(size);
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

bool ecc_format_is_plain(const char *format)
{
    for (const char *p = strchr(format, '%'); p; p = strchr(p + 2, '%'))
        if (p[1] != 's')
            return false;
    return true;
}

static char *join(struct ecc_arena *arena, const char *format, va_list args)
{
    enum { REMEMBERED = 8 };
    va_list again;
    size_t n = 1, lengths[REMEMBERED], nargs = 0;

    va_copy(again, args);
    for (const char *p = format; *p; p += *p == '%' ? 2 : 1) {
        size_t length = *p == '%' ? strlen(va_arg(again, const char *)) : 1;
        if (*p == '%' && nargs < REMEMBERED)
            lengths[nargs++] = length;
        n += length;
    }
    va_end(again);
    char *text = ecc_arena_alloc(arena, n), *out = text;
    size_t arg = 0;
    for (const char *p = format; *p;) {
        if (*p != '%') {
            *out++ = *p++;
            continue;
        }
        const char *from = va_arg(args, const char *);
        size_t length = arg < nargs ? lengths[arg++] : strlen(from);
        memcpy(out, from, length);
        out += length;
        p += 2;
    }
    *out = '\0';
    return text;
}

char *ecc_arena_vprintf(struct ecc_arena *arena, const char *format, va_list args)
{
    char buffer[256], *text;
    va_list again;

    if (ecc_format_is_plain(format))
        return join(arena, format, args);
    va_copy(again, args);
    int length = vsnprintf(buffer, sizeof buffer, format, args);
    if (length < (int)sizeof buffer) {
        text = ecc_arena_strndup(arena, buffer, length < 0 ? 0 : (size_t)length);
    } else {
        text = ecc_arena_alloc(arena, (size_t)length + 1);
        vsnprintf(text, (size_t)length + 1, format, again);
    }
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

void *ecc_arena_longer(struct ecc_arena *arena, void *data, size_t old, size_t size)
{
    if (old && (char *)data + ALIGNED(old) == arena->next && size <= SIZE_MAX / 2 &&
        ALIGNED(size) - ALIGNED(old) <= (size_t)(arena->end - arena->next)) {
        arena->next += ALIGNED(size) - ALIGNED(old); /* nothing came behind it: it grows where it is */
        return data;
    }
    void *copy = ecc_arena_alloc(arena, size);
    if (old)
        memcpy(copy, data, old);
    return copy;
}

void ecc_arena_less(struct ecc_arena *arena, void *data, size_t old, size_t size)
{
    if ((char *)data + ALIGNED(old) == arena->next)
        arena->next = (char *)data + ALIGNED(size);
}

void *ecc_arena_grow(struct ecc_arena *arena, void *items, size_t *cap, size_t size)
{
    size_t old = *cap, grown = old ? old * 2 : 8;

    if (size && grown > SIZE_MAX / size)
        out_of_memory(arena);
    *cap = grown;
    return ecc_arena_longer(arena, items, old * size, grown * size);
}
