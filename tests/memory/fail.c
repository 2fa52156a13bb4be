/* Preloaded: the allocation numbered EC_FAIL_AT, counted from the start of the process, finds no memory. With EC_FAIL_COUNT the number of
 * allocations is written to that file at the end. It takes the place of what ecomc's own allocator stands on (tool/memory.c). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static long count;

static int fails(void)
{
    static long at = -1;

    if (at < 0) {
        const char *text = getenv("EC_FAIL_AT");
        at = text ? atol(text) : 0;
    }
    if (__atomic_add_fetch(&count, 1, __ATOMIC_RELAXED) != at)
        return 0;
    errno = ENOMEM;
    return 1;
}

#define NEXT(name) \
    static __typeof__(&name) next; \
    if (!next) \
        next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

void *__libc_malloc(size_t size)
{
    NEXT(__libc_malloc);
    return fails() ? NULL : next(size);
}

void *__libc_calloc(size_t n, size_t size)
{
    NEXT(__libc_calloc);
    return fails() ? NULL : next(n, size);
}

void *__libc_realloc(void *old, size_t size)
{
    NEXT(__libc_realloc);
    return fails() ? NULL : next(old, size);
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("EC_FAIL_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;

    if (!file)
        return;
    fprintf(file, "%ld\n", count);
    fclose(file);
}
