/* Arena: memory that lives exactly as long as one compilation.
 *
 * A list of blocks that grow geometrically; allocation is a pointer bump, nothing is freed singly. The arena owns everything it
 * hands out. When memory runs out the arena calls its `oom` and, should that return, aborts: callers never see NULL.
 */
#ifndef ECC_ARENA_H
#define ECC_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct ecc_arena_block;

struct ecc_arena {
    struct ecc_arena_block *head;
    char *next, *end;
    size_t total;               /* bytes of its blocks */
    size_t limit;               /* more than this of them is as if there were no more memory; 0: none */
    void (*oom)(void *context); /* exits, also called by a thread of the compiler's; with a limit it may longjmp; may be NULL */
    void *oom_context;
    struct ecc_arena *scratch;
    struct ecc_arena_block *spare; /* of a scratch arena: what it had, and its next blocks or its parent's will be */
    struct ecc_arena_block *(*refill)(void *context); /* may be NULL: one of ecc_arena_block_new that is ready, or NULL */
    void *refill_context;
};

void ecc_arena_init(struct ecc_arena *arena);
void ecc_arena_free(struct ecc_arena *arena);

/* A large block whose pages are there already, made by another thread for the arena's `refill`; NULL when it can't be had. It is given to
 * an arena, if only to be freed with it. */
struct ecc_arena_block *ecc_arena_block_new(void);
void ecc_arena_give(struct ecc_arena *arena, struct ecc_arena_block *block);

void *ecc_arena_more(struct ecc_arena *arena, size_t size); /* in a new block: ecc_arena_alloc calls it when it has to */

/* What other has is gone, and its large blocks are used again by arena. */
void ecc_arena_spare(struct ecc_arena *arena, struct ecc_arena *other);

/* Takes over what other has, which is empty then. */
void ecc_arena_adopt(struct ecc_arena *arena, struct ecc_arena *other);

/* Zeroed, aligned for any type. size 0 gives a valid pointer. */
static inline void *ecc_arena_alloc(struct ecc_arena *arena, size_t size)
{
    const size_t mask = _Alignof(max_align_t) - 1;

    if (!arena->next || size > (size_t)(arena->end - arena->next)) /* what is left is a multiple of the alignment */
        return ecc_arena_more(arena, size);
    char *p = arena->next;
    arena->next += (size + mask) & ~mask;
    return p;
}
#define ECC_NEW(arena, type) ((type *)ecc_arena_alloc((arena), sizeof(type)))
#define ECC_NEW_ARRAY(arena, type, n) ((type *)ecc_arena_array((arena), (n), sizeof(type)))
void *ecc_arena_array(struct ecc_arena *arena, size_t n, size_t size); /* checks the product */

char *ecc_arena_strndup(struct ecc_arena *arena, const char *text, size_t length); /* NUL-terminated */
char *ecc_arena_strdup(struct ecc_arena *arena, const char *text);
char *ecc_arena_printf(struct ecc_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool ecc_format_is_plain(const char *format); /* nothing but %s, as most are: put together at a fifth of what printf takes */
char *ecc_arena_vprintf(struct ecc_arena *arena, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* A second arena for what lasts until it is asked for again: it is empty, calls the same `oom`, and goes with its parent. */
struct ecc_arena *ecc_arena_scratch(struct ecc_arena *arena);

/* A growing list in an arena: `struct { T *items; size_t n, cap; }`. */
#define ECC_PUSH(arena, list, value)                                                                                                  \
    do {                                                                                                                              \
        if ((list)->n == (list)->cap)                                                                                                 \
            (list)->items = ecc_arena_grow((arena), (list)->items, &(list)->cap, sizeof *(list)->items);                              \
        (list)->items[(list)->n++] = (value);                                                                                         \
    } while (0)
/* More room for what was made in this arena, old < size bytes: in place, where nothing was made since, or a copy. */
void *ecc_arena_longer(struct ecc_arena *arena, void *data, size_t old, size_t size);
/* Gives back what is behind the first `size` bytes of what was made last, of old bytes: nobody has written there. */
void ecc_arena_less(struct ecc_arena *arena, void *data, size_t old, size_t size);
void *ecc_arena_grow(struct ecc_arena *arena, void *items, size_t *cap, size_t size);

#endif
