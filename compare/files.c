/* The generated files of two models, both in memory: which differ, and by how many lines.
 *
 * Lines are numbered by what they say, the common beginning and end are cut off, and the length of the shortest edit is found by Myers'
 * greedy way: the furthest reach on each diagonal, for one more edit at a time. Only its length is wanted, so nothing of the way is kept.
 */
#include <stdlib.h>

#include "internal.h"

struct lines {
    const uint64_t *ids;
    size_t n;
};

static struct lines lines_of(struct ecc_arena *arena, const char *text, size_t length)
{
    size_t n = 0;

    for (size_t i = 0; i < length; i++)
        n += text[i] == '\n';
    uint64_t *ids = ECC_NEW_ARRAY(arena, uint64_t, n + 1);
    n = 0;
    for (size_t i = 0; i < length;) {
        uint64_t h = 1469598103934665603u; /* FNV-1a of the line: two that differ have the same once in 2^64 */
        for (; i < length && text[i] != '\n'; i++)
            h = (h ^ (unsigned char)text[i]) * 1099511628211u;
        i++;
        ids[n++] = h;
    }
    return (struct lines){ids, n};
}

/* The number of lines to take away and to add, together. */
static size_t edit_length(struct ecc_arena *arena, struct lines a, struct lines b)
{
    size_t max = a.n + b.n;
    size_t *reach = ECC_NEW_ARRAY(arena, size_t, 2 * max + 3), mid = max + 1;

    for (size_t d = 0; d <= max; d++)
        for (size_t j = 0; j <= d; j++) {
            size_t k = mid + 2 * j - d; /* diagonal x - y, from the middle */
            size_t x = j == 0 || (j < d && reach[k - 1] < reach[k + 1]) ? reach[k + 1] : reach[k - 1] + 1;
            size_t y = x + mid - k;
            if (!d)
                x = y = 0;
            while (x < a.n && y < b.n && a.ids[x] == b.ids[y])
                x++, y++;
            reach[k] = x;
            if (x >= a.n && y >= b.n)
                return d;
        }
    return max;
}

void ecc_count_lines(struct ecc_arena *arena, const char *old, size_t nold, const char *new_, size_t nnew, size_t *added, size_t *removed)
{
    struct ecc_arena scratch;
    struct lines a, b;

    ecc_arena_init(&scratch);
    scratch.oom = arena->oom;
    scratch.oom_context = arena->oom_context;
    a = lines_of(&scratch, old, nold);
    b = lines_of(&scratch, new_, nnew);
    while (a.n && b.n && a.ids[0] == b.ids[0])
        a.ids++, b.ids++, a.n--, b.n--;
    while (a.n && b.n && a.ids[a.n - 1] == b.ids[b.n - 1])
        a.n--, b.n--;
    size_t edits = a.n && b.n ? edit_length(&scratch, a, b) : a.n + b.n;
    *added = (edits + b.n - a.n) / 2;
    *removed = edits - *added;
    ecc_arena_free(&scratch);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct ecc_file_change *)a)->path, ((const struct ecc_file_change *)b)->path);
}

static void add(struct ecc_arena *arena, struct ecc_comparison *out, const struct ecc_outfile *old, const struct ecc_outfile *new_)
{
    struct ecc_file_change change = {.path = new_ ? new_->path : old->path,
                                     .kind = !old   ? ECC_CHANGE_ADD
                                             : new_ ? ECC_CHANGE_REPLACE
                                                    : ECC_CHANGE_REMOVE};

    ecc_count_lines(arena, old ? old->content : "", old ? old->length : 0, new_ ? new_->content : "", new_ ? new_->length : 0,
                    &change.added, &change.removed);
    ECC_PUSH(arena, &out->files, change);
}

void ecc_compare_files(struct ecc_arena *arena, const struct ecc_outset *old, const struct ecc_outset *new_, struct ecc_comparison *out)
{
    for (size_t i = 0; i < new_->n; i++) {
        const struct ecc_outfile *was = ecc_outset_find(old, new_->items[i].path);
        if (!was || was->length != new_->items[i].length || memcmp(was->content, new_->items[i].content, was->length) != 0)
            add(arena, out, was, &new_->items[i]);
    }
    for (size_t i = 0; i < old->n; i++)
        if (!ecc_outset_find(new_, old->items[i].path))
            add(arena, out, &old->items[i], NULL);
    if (out->files.n)
        qsort(out->files.items, out->files.n, sizeof out->files.items[0], by_path);
}
