/* Values of generated code: comparing, text of scalars, optional values, ids. Results live in the task's arena.
 *
 * Ids are UUIDv7. In one process they ascend: milliseconds, then a 12-bit counter that starts anywhere in its lower half each
 * millisecond, then 62 random bits. A keyed task that may run again (`seeded`) derives its ids instead: the milliseconds are the seed's, so
 * they still sort by time, the counter is the task's own, and the rest is a digest of both. The same task repeated makes the same ids.
 */
#include "ec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app.h"
#include "json.h"
#include "random.h"
#include "scalar.h"

bool ec_str_eq(struct ec_str a, struct ec_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int ec_str_cmp(struct ec_str a, struct ec_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;

    if (order)
        return order < 0 ? -1 : 1;
    return a.n < b.n ? -1 : a.n > b.n;
}

bool ec_uuid_eq(struct ec_uuid a, struct ec_uuid b)
{
    return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

struct ec_str ec_str_of(const char *cstr)
{
    return (struct ec_str){cstr, cstr ? strlen(cstr) : 0};
}

/* ------------------------------------------------------------------ memory */

void *ec_alloc(struct ec_task *task, size_t size)
{
    return ec_arena_alloc(task->arena, size);
}

void *ec_alloc_array(struct ec_task *task, size_t n, size_t size)
{
    return ec_arena_array(task->arena, n, size);
}

void *ec_some(struct ec_task *task, const void *value, size_t size)
{
    return memcpy(ec_alloc(task, size), value, size);
}

int64_t *ec_some_int(struct ec_task *task, int64_t value)
{
    return ec_some(task, &value, sizeof(value));
}

double *ec_some_float(struct ec_task *task, double value)
{
    return ec_some(task, &value, sizeof(value));
}

bool *ec_some_bool(struct ec_task *task, bool value)
{
    return ec_some(task, &value, sizeof(value));
}

struct ec_uuid *ec_some_uuid(struct ec_task *task, struct ec_uuid value)
{
    return ec_some(task, &value, sizeof(value));
}

int *ec_some_enum(struct ec_task *task, int value)
{
    return ec_some(task, &value, sizeof(value));
}

/* ------------------------------------------------------------------ text */

static struct ec_str in_arena(struct ec_task *task, const char *text, size_t n)
{
    return ec_arena_copy(task->arena, (struct ec_str){text, n});
}

struct ec_str ec_text_int(struct ec_task *task, int64_t value)
{
    char text[24];

    return in_arena(task, text, ec_int_format(value, text));
}

struct ec_str ec_text_float(struct ec_task *task, double value)
{
    char text[32];

    return in_arena(task, text, ec_float_format(value, text));
}

struct ec_str ec_text_bool(bool value)
{
    return value ? EC_STR("true") : EC_STR("false");
}

struct ec_str ec_text_uuid(struct ec_task *task, struct ec_uuid value)
{
    char text[37];

    ec_uuid_format(value, text);
    return in_arena(task, text, 36);
}

struct ec_str ec_text_time(struct ec_task *task, int64_t value)
{
    char text[40];

    return in_arena(task, text, ec_time_format(value, text));
}

struct ec_str ec_text_enum(const struct ec_enum *of, int value)
{
    return value >= 0 && value < of->n ? ec_str_of(of->values[value]) : EC_STR("");
}

struct ec_str ec_concat(struct ec_task *task, const struct ec_str *parts, size_t n)
{
    size_t i, length = 0;
    char *p, *at;

    for (i = 0; i < n; i++)
        length += parts[i].n;
    p = at = ec_alloc(task, length + 1);
    for (i = 0; i < n; i++)
        if (parts[i].n)
            at = mempcpy(at, parts[i].p, parts[i].n);
    return (struct ec_str){p, length};
}

int64_t ec_text_length(struct ec_str text)
{
    enum { WORDS = 31 }; /* so that no byte of a sum, and not their total, passes 255 */
    const uint64_t ones = 0x0101010101010101u;
    const char *p = ec_present(text).p, *end = p + text.n;
    int64_t n = (int64_t)text.n; /* less the bytes that go on with a character: 10xxxxxx */
    uint64_t word, sum;
    int i;

    while (end - p >= 8) {
        for (sum = 0, i = 0; i < WORDS && end - p >= 8; i++, p += 8) {
            memcpy(&word, p, 8);
            sum += word >> 7 & ~word >> 6 & ones;
        }
        n -= (int64_t)(sum * ones >> 56);
    }
    for (; p < end; p++)
        n -= (*p & 0xc0) == 0x80;
    return n;
}

/* ------------------------------------------------------------------ time and ids */

int64_t ec_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void put_time(struct ec_uuid *id, uint64_t ms, unsigned counter)
{
    int i;

    for (i = 0; i < 6; i++)
        id->b[i] = (uint8_t)(ms >> (40 - 8 * i));
    id->b[6] = (uint8_t)(0x70 | (counter >> 8 & 0x0f));
    id->b[7] = (uint8_t)counter;
    id->b[8] = (uint8_t)(0x80 | (id->b[8] & 0x3f));
}

static struct ec_uuid fresh(void)
{
    static uint64_t last_ms;
    static unsigned counter;
    uint64_t ms = (uint64_t)(ec_now() / 1000);
    struct ec_uuid id;

    ec_random(id.b + 8, 8);
    if (ms > last_ms) {
        last_ms = ms;
        counter = (unsigned)(ec_random_u64() & 0x7ff);
    } else if (++counter > 0xfff) { /* more than the counter holds, or the clock went back: the time is carried on */
        last_ms++;
        counter = 0;
    }
    put_time(&id, last_ms, counter);
    return id;
}

struct ec_uuid ec_new_id(struct ec_task *task)
{
    uint8_t input[20], digest[32];
    struct ec_uuid id;
    uint64_t ms = 0;
    uint32_t count;
    int i;

    if (!task)
        return fresh();
    while (task->parent) /* branches share one count */
        task = task->parent;
    count = task->ids++;
    if (!task->seeded)
        return fresh();
    memcpy(input, task->seed.b, 16);
    for (i = 0; i < 4; i++)
        input[16 + i] = (uint8_t)(count >> (24 - 8 * i));
    ec_sha256(input, sizeof(input), digest);
    for (i = 0; i < 6; i++)
        ms = ms << 8 | task->seed.b[i];
    memcpy(id.b + 8, digest, 8);
    put_time(&id, ms, count);
    return id;
}
