/* A request's memory: blocks from a per-process free list, a bump pointer, freed at once when the task ends. Not thread-safe: loop only. */
#ifndef EC_ARENA_H
#define EC_ARENA_H

#include "ec.h"

struct ec_arena *ec_arena_new(void);
void ec_arena_free(struct ec_arena *arena);
void *ec_arena_alloc(struct ec_arena *arena, size_t size);      /* zeroed, 16-aligned; aborts the process when memory is out */
void *ec_arena_array(struct ec_arena *arena, size_t n, size_t size);
struct ec_str ec_arena_copy(struct ec_arena *arena, struct ec_str text); /* also NUL-terminated, beyond n */
char *ec_arena_printf(struct ec_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t ec_arena_used(const struct ec_arena *arena);

/* A growing byte buffer on malloc, for what outlives a task or is written to a socket. */
struct ec_buf { char *p; size_t n, cap; };
void ec_buf_add(struct ec_buf *buf, const void *bytes, size_t n);
void ec_buf_str(struct ec_buf *buf, const char *text);
void ec_buf_printf(struct ec_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *ec_buf_reserve(struct ec_buf *buf, size_t n); /* room for n more bytes; the caller adds to buf->n */
void ec_buf_free(struct ec_buf *buf);

#endif
