/* The canonical form: writes the tokens that the other format_*.c have prepared.
 *
 * An item is one line when it fits; else its clauses get lines of their own, and then its brackets are broken from the outermost
 * in. Nothing is written but tokens, comments and the commas of the canonical form; what comes out is read again and compared.
 */
#include "format.h"

#include <string.h>

#include "diag.h"
#include "formatter.h"
#include "grammar.h"
#include "parse.h"

struct printer {
    struct ecc_fmt *f;
    const struct ecc_fmt_token *t;
    struct { char *items; size_t n, cap; } out;
    size_t column;
    bool line; /* the next token begins a line, here: */
    bool blank; /* a blank line may stand before it */
    size_t indent;
    size_t comments; /* where the comments before it stand */
};

static void items(struct printer *p, size_t from, size_t to, size_t indent);
static void span(struct printer *p, size_t from, size_t to, size_t indent, size_t body, size_t after);

/* ------------------------------------------------------------------ bytes */

static void put(struct printer *p, const char *text, size_t length)
{
    const char *line = memrchr(text, '\n', length);

    for (size_t i = 0; i < length; i++)
        ECC_PUSH(p->f->arena, &p->out, text[i]);
    if (line)
        p->column = ecc_fmt_width(line + 1, (size_t)(text + length - line - 1));
    else
        p->column += ecc_fmt_width(text, length);
}

static void spaces(struct printer *p, size_t n)
{
    while (n--)
        put(p, " ", 1);
}

static void line(struct printer *p, size_t indent, bool blank)
{
    if (p->out.n)
        put(p, blank ? "\n\n" : "\n", 1 + blank);
    spaces(p, indent);
}

static void break_before(struct printer *p, size_t indent, bool blank)
{
    p->line = true;
    p->blank = blank;
    p->indent = p->comments = indent;
}

/* One token with the comments before it; where they force it to a new line that nobody asked for, it stands at `elsewhere`. */
static void token(struct printer *p, size_t i, size_t elsewhere)
{
    const struct ecc_fmt_token *t = &p->t[i];
    bool first = !i || (ecc_fmt_opens(p->f, i - 1) && p->line); /* in its bracket: no blank line */

    if (!p->line) {
        p->indent = p->comments = elsewhere;
        p->blank = false;
    }
    for (size_t k = 0; k < t->ncomments; k++) {
        const struct ecc_fmt_comment *c = &p->f->comments.items[t->comment + k];

        if (c->trailing) {
            put(p, "  ", 2);
        } else {
            line(p, p->comments, p->blank && c->blank && !first);
            first = false;
        }
        put(p, c->text, c->length);
        p->line = true;
    }
    if (p->line && t->kind)
        line(p, p->indent, p->blank && t->blank && !first && t->match >= i);
    else if (t->kind)
        spaces(p, t->space);
    put(p, t->text, t->length);
    if (t->comma)
        put(p, ",", 1);
    p->line = p->blank = false;
}

/* Do from..to fit where they come? */
static bool fits(const struct printer *p, size_t from, size_t to, size_t after)
{
    return ecc_fmt_fits(p->f, from, to, p->line || p->t[from].ncomments ? p->indent : p->column + p->t[from].space, after);
}

/* ------------------------------------------------------------------ brackets */

static bool breaks(const struct printer *p, size_t i)
{
    return ecc_fmt_opens(p->f, i) && p->t[i].shape != ECC_FMT_TIGHT;
}

/* The last of the tokens after i that have to be on its line. */
static size_t tail(const struct printer *p, size_t i, size_t to)
{
    while (i < to && !breaks(p, i)) {
        const struct ecc_fmt_token *next = &p->t[i + 1];

        if (next->clause == ECC_FMT_FILL || next->may_break || next->ncomments)
            break;
        i = next->shape == ECC_FMT_TIGHT ? next->match : i + 1;
    }
    return i;
}

/* One element that itself ends with a bracket: the two open and close together. */
static bool hugs(const struct printer *p, size_t open)
{
    size_t close = p->t[open].match, inner = p->t[close - 1].match;
    bool list = p->t[open].shape == ECC_FMT_LIST;

    if (!list && (p->t[open].shape != ECC_FMT_MEMBERS || p->t[open + 1].newline))
        return false;
    if (inner <= open || inner >= close - 1 || p->t[inner].shape == ECC_FMT_TIGHT)
        return false;
    return !p->t[open + 1].ncomments && !p->t[close].ncomments && ecc_fmt_next(p->f, open + 1, close, true) == close;
}

static void elements(struct printer *p, size_t open, size_t indent)
{
    size_t close = p->t[open].match;
    unsigned shape = p->t[open].shape;

    for (size_t i = open + 1, next; i < close; i = next) {
        next = ecc_fmt_next(p->f, i, close, true);
        if (i == open + 1 || shape == ECC_FMT_LIST || p->t[i].newline || !fits(p, i, next - 1, 0))
            break_before(p, indent, shape != ECC_FMT_LIST || p->t[i].ncomments);
        span(p, i, next - 1, indent, indent, 0);
    }
}

static void bracket(struct printer *p, size_t open, size_t indent, size_t body, size_t after)
{
    size_t close = p->t[open].match;
    unsigned shape = p->t[open].shape;
    size_t outer = shape == ECC_FMT_ITEMS || shape == ECC_FMT_BLOCK ? body : indent;

    token(p, open, indent + 4);
    if (hugs(p, open)) {
        span(p, open + 1, close - 1, indent, body, 1 + p->t[close].space + after);
        token(p, close, indent + 4);
        return;
    }
    if (shape == ECC_FMT_ITEMS || shape == ECC_FMT_BLOCK)
        items(p, open + 1, close, body + ECC_FMT_INDENT);
    else
        elements(p, open, indent + ECC_FMT_INDENT);
    break_before(p, outer, p->t[close].ncomments);
    p->comments = outer + ECC_FMT_INDENT;
    token(p, close, outer);
}

/* The tokens from..to; `after`: how many columns more must stay on the last line. */
static void span(struct printer *p, size_t from, size_t to, size_t indent, size_t body, size_t after)
{
    for (size_t i = from; i <= to; i++) {
        if (p->t[i].may_break && i > from) {
            size_t end = tail(p, i, to);

            if (!fits(p, i, end, end == to ? after : 0))
                break_before(p, indent + 4, false);
        }
        if (breaks(p, i)) {
            size_t close = p->t[i].match, last = tail(p, close, to);

            if (!fits(p, i, last, last == to ? after : 0)) {
                bracket(p, i, indent, body, 0);
                i = close;
                continue;
            }
            for (; i < close; i++)
                token(p, i, indent + 4);
        }
        token(p, i, indent + 4);
        if (p->t[i].hang)
            indent = p->column - ecc_fmt_width(p->t[i].text, p->t[i].length);
    }
}

/* ------------------------------------------------------------------ items */

/* The bracket that an item ends with, and that does not belong to the line of its head; 0: none. */
static size_t body_of(const struct printer *p, size_t from, size_t to)
{
    for (size_t i = from; i <= to; i = p->t[i].match > i ? p->t[i].match + 1 : i + 1)
        if (p->t[i].shape == ECC_FMT_ITEMS ||
            (p->t[i].shape == ECC_FMT_BLOCK && p->t[i - 1].kind != ECC_TOK_LATE && p->t[i - 2].kind != ECC_TOK_CATCH))
            return i;
    return 0;
}

static size_t next_clause(const struct printer *p, size_t i, size_t end)
{
    for (; i < end; i = p->t[i].match > i ? p->t[i].match + 1 : i + 1)
        if (p->t[i].clause)
            return i;
    return end;
}

static void item(struct printer *p, size_t from, size_t to, size_t indent)
{
    size_t body = body_of(p, from, to), end = body ? body : to + 1;
    size_t i = next_clause(p, from + 1, end), hang = 0;
    p->f->width = ecc_fmt_width_of(p->t[from].kind);
    bool filled = false, deep = body || (i < end && p->t[i].clause == ECC_FMT_FILL);

    if (i == end || fits(p, from, body ? body : to, 0) || (p->t[from].kind == ECC_TOK_OP && !fits(p, from, i - 1, 0))) {
        span(p, from, to, indent, indent, 0);
        return;
    }
    for (size_t k = from; k < i; k++)
        if (p->t[k].hang) {
            span(p, from, k, indent, indent, 0);
            hang = p->column - ecc_fmt_width(p->t[k].text, p->t[k].length);
            from = k + 1;
            break;
        }
    size_t below = hang ? hang : indent + (deep ? 4 : ECC_FMT_INDENT);
    span(p, from, i - 1, hang ? hang : indent, indent, 0);
    while (i < end) {
        size_t next = next_clause(p, i + 1, end);
        bool with_body = body && next == end;

        if (p->t[i].clause == ECC_FMT_OWN || !filled || !fits(p, i, with_body ? body : next - 1, 0))
            break_before(p, below, false);
        filled = true;
        span(p, i, next - 1, below, below, with_body ? 2 : 0);
        i = next;
    }
    if (body)
        span(p, body, to, indent, indent, 0);
}

static void items(struct printer *p, size_t from, size_t to, size_t indent)
{
    for (size_t i = from, next; i < to; i = next) {
        next = ecc_fmt_next(p->f, i, to, false);
        break_before(p, indent, true);
        item(p, i, next - 1, indent);
    }
}

/* ------------------------------------------------------------------ the whole */

static bool prepare(struct ecc_fmt *f, struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags)
{
    struct ecc_tokens taken = {0};
    const struct ecc_ast_file *file = ecc_parse_tokens(arena, source, diags, &taken);

    *f = (struct ecc_fmt){.arena = arena};
    if (diags->errors)
        return false;
    ecc_fmt_tokens(f, source, &taken, &file->comments);
    ecc_fmt_shape(f);
    return true;
}

const char *ecc_format(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags, size_t *length)
{
    struct ecc_fmt f, again;
    struct ecc_source written;
    struct ecc_diags unused;
    size_t at;

    if (!prepare(&f, arena, source, diags))
        return NULL;
    ecc_fmt_align(&f);
    struct printer p = {.f = &f, .t = f.tokens.items};
    items(&p, 0, f.tokens.n - 1, 0);
    break_before(&p, 0, true);
    token(&p, f.tokens.n - 1, 0);
    if (p.out.n)
        put(&p, "\n", 1);
    *length = p.out.n;
    put(&p, "", 1);
    ecc_diags_init(&unused, arena);
    if (ecc_source_init(&written, arena, source->path, p.out.items, *length, &at) != ECC_SOURCE_OK ||
        !prepare(&again, arena, &written, &unused) || !ecc_fmt_same(&f, &again))
        return NULL;
    return p.out.items;
}
