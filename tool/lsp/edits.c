/* The canonical form as edits of lines: what is canonical already is not touched, so that cursors and marks stay where they are.
 *
 * The shortest way from one list of lines to the other is found by Myers' algorithm (E. Myers, An O(ND) Difference Algorithm and Its
 * Variations, 1986); beyond MOST differences the stretch that differs is replaced as one. */
#include "server.h"
#include "format.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 2000 };

struct line {
    const char *text;
    uint32_t length;
};
struct side {
    struct line *lines;
    size_t n;
};

static struct side split(struct ecc_arena *arena, const char *text, size_t length)
{
    struct side s = {0};
    size_t n = 1;

    for (size_t i = 0; i < length; i++)
        n += text[i] == '\n';
    s.lines = ECC_NEW_ARRAY(arena, struct line, n);
    for (size_t at = 0; at < length;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t next = end ? (size_t)(end - text) + 1 : length;
        s.lines[s.n++] = (struct line){text + at, (uint32_t)(next - at)};
        at = next;
    }
    return s;
}

static bool same(const struct side *a, size_t i, const struct side *b, size_t k)
{
    return a->lines[i].length == b->lines[k].length && memcmp(a->lines[i].text, b->lines[k].text, a->lines[i].length) == 0;
}

struct out {
    const struct lsp_text *text;
    json_t *edits;
    const struct side *a, *b;
};

/* Lines a0..a1 become b0..b1. */
static void replace(struct out *o, size_t a0, size_t a1, size_t b0, size_t b1)
{
    const char *begin = o->text->text;
    struct ecc_span span;

    if (a0 == a1 && b0 == b1)
        return;
    span.start = a0 < o->a->n ? (uint32_t)(o->a->lines[a0].text - begin) : o->text->length;
    span.end = a1 < o->a->n ? (uint32_t)(o->a->lines[a1].text - begin) : o->text->length;
    const char *from = b0 < b1 ? o->b->lines[b0].text : "";
    size_t length = b0 < b1 ? (size_t)(o->b->lines[b1 - 1].text + o->b->lines[b1 - 1].length - from) : 0;
    json_array_append_new(o->edits, json_pack("{s:o, s:s%}", "range", lsp_range(o->text, span), "newText", from, length));
}

/* Furthest points of each round of the search, to walk back on. */
static int **search(const struct side *a, const struct side *b, size_t from, size_t a_end, size_t b_end, int *rounds)
{
    int n = (int)(a_end - from), m = (int)(b_end - from), most = n + m < MOST ? n + m : MOST;
    int **trace = calloc((size_t)most + 1, sizeof *trace), *v = calloc(2 * (size_t)most + 3, sizeof *v);

    *rounds = -1;
    for (int d = 0; trace && v && d <= most && *rounds < 0; d++) {
        trace[d] = malloc((2 * (size_t)d + 3) * sizeof **trace);
        if (!trace[d])
            break;
        memcpy(trace[d], v + most - d, (2 * (size_t)d + 3) * sizeof *v); /* diagonals -d..d, as they were before this round */
        for (int k = -d; k <= d && *rounds < 0; k += 2) {
            int *at = v + most + 1;
            int x = k == -d || (k != d && at[k - 1] < at[k + 1]) ? at[k + 1] : at[k - 1] + 1, y = x - k;
            while (x < n && y < m && same(a, from + (size_t)x, b, from + (size_t)y))
                x++, y++;
            at[k] = x;
            if (x >= n && y >= m)
                *rounds = d;
        }
    }
    free(v);
    return trace;
}

static void difference(struct out *o)
{
    const struct side *a = o->a, *b = o->b;
    size_t from = 0, a_end = a->n, b_end = b->n;
    int rounds;

    while (from < a_end && from < b_end && same(a, from, b, from))
        from++;
    while (a_end > from && b_end > from && same(a, a_end - 1, b, b_end - 1))
        a_end--, b_end--;
    int **trace = search(a, b, from, a_end, b_end, &rounds), n = (int)(a_end - from), m = (int)(b_end - from),
        most = n + m < MOST ? n + m : MOST;
    if (rounds < 0)
        replace(o, from, a_end, from, b_end);
    int x = n, y = m, x_end = n, y_end = m; /* *_end: of the stretch of differences that is being gathered */
    for (int d = rounds; d >= 0; d--) {
        const int *at = trace[d] + d + 1; /* as v was */
        int k = x - y;
        int before = d == 0 ? 0 : k == -d || (k != d && at[k - 1] < at[k + 1]) ? k + 1 : k - 1;
        int px = d == 0 ? 0 : at[before], py = d == 0 ? 0 : px - before;
        int sx = d == 0 ? 0 : before == k + 1 ? px : px + 1, sy = sx - k; /* where the run of equal lines began */
        if (sx < x || d == 0) {                                           /* a run: what has been gathered behind it is one edit */
            replace(o, from + (size_t)x, from + (size_t)x_end, from + (size_t)y, from + (size_t)y_end);
            x_end = sx;
            y_end = d == 0 ? 0 : sy;
        }
        x = px;
        y = py;
    }
    for (int d = 0; trace && d <= most; d++)
        free(trace[d]);
    free(trace);
}

json_t *lsp_formatting(struct ecc_lsp *s, const json_t *params, struct lsp_failure *failure)
{
    struct lsp_document *doc = lsp_document_of(s, params, failure);
    struct ecc_arena arena;
    struct ecc_diags diags;
    size_t length;

    if (!doc)
        return NULL;
    const struct lsp_view *view = lsp_document_view(s, doc);
    if (!view->sound || !view->analysis.parsed) /* it is left as it is; what is wrong has been told */
        return json_null();
    ecc_arena_init(&arena);
    arena.oom = s->host.oom;
    arena.oom_context = s->host.context;
    ecc_diags_init(&diags, &arena);
    const char *text = ecc_format(&arena, &view->topology.source, &diags, &length);
    if (!text) {
        ecc_arena_free(&arena);
        return lsp_fail(failure, LSP_REQUEST_FAILED, "the canonical form would not mean the same; that is a mistake of ecomc");
    }
    struct side a = split(&arena, view->topology.source.text, view->topology.source.length), b = split(&arena, text, length);
    struct out out = {&view->text, json_array(), &a, &b};
    difference(&out);
    ecc_arena_free(&arena);
    return out.edits;
}
