/* The end of memory: one line, exit 70, whoever asked for it.
 *
 * The arena is not alone: libpg_query, jansson, libuv and the C library allocate, too, and not each of them lives through a failure. So
 * the allocator of the whole process is put behind one that does not return without memory. What stands on the disk is changed without
 * asking for any, and a new folder gets its name when it is whole (codegen/outset_write.c): nothing is half-written then. Under a
 * sanitizer, which has an allocator of its own, only the arena's failures come here.
 */
#include "cli.h"

#include <stdlib.h>
#include <unistd.h>

void ecc_out_of_memory(void *unused)
{
    static const char said[] = "ecomc: out of memory\n";

    (void)unused;
    if (write(STDERR_FILENO, said, sizeof said - 1) < 0)
        _exit(ECC_EXIT_INTERNAL);
    _exit(ECC_EXIT_INTERNAL);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
/* glibc's own allocator under its second name. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static void *taken(void *memory, size_t size)
{
    if (!memory && size)
        ecc_out_of_memory(NULL);
    return memory;
}

void *malloc(size_t size)
{
    return taken(__libc_malloc(size), size);
}

void *calloc(size_t n, size_t size)
{
    return taken(__libc_calloc(n, size), n && size);
}

void *realloc(void *old, size_t size)
{
    return taken(__libc_realloc(old, size), size);
}
#endif
