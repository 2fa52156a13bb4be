/* Columns: items of one kind that follow each other without a blank line between begin their parts at the same column.
 *
 * A column begins at a multiple of four, counted from where the item begins, so that a name that is a little longer does not move the
 * others. What is longer than LONGEST moves nobody. An item that is not one line takes no part where it depends on the columns whether it
 * is one: otherwise the next run would see another text.
 */
#include "formatter.h"

#include <string.h>

#include "grammar.h"

enum { LONGEST = 48, STOP = 4, MAX_CELLS = 16 };

struct row {
    size_t from, to;
    size_t cells[MAX_CELLS + 1]; /* where they begin; then where the item ends */
    size_t ncells;
    bool out;
};
ECC_AST_LIST(rows, struct row);

size_t ecc_fmt_next(const struct ecc_fmt *f, size_t i, size_t end, bool element)
{
    const struct ecc_fmt_token *t = f->tokens.items;

    for (i = t[i].match > i ? t[i].match + 1 : i + 1; i < end; i = t[i].match > i ? t[i].match + 1 : i + 1)
        if (element ? t[i].element : t[i].item)
            break;
    return i < end ? i : end;
}

size_t ecc_fmt_width_of(unsigned kind)
{
    return kind == ECC_TOK_SEED ? 140 : 120; /* rows of a table that is read down its columns */
}

/* Must this bracket be broken, whatever its length? */
static bool broken(const struct ecc_fmt *f, size_t i)
{
    const struct ecc_fmt_token *t = &f->tokens.items[i];

    if (t->match == i + 1)
        return false; /* empty */
    switch (t->shape) {
    case ECC_FMT_ITEMS:
        return true;
    case ECC_FMT_BLOCK:
        if (t[1].newline || ecc_fmt_next(f, i + 1, t->match, false) < t->match)
            return true;
        for (size_t k = i + 1; k < t->match; k++) /* SQL over several lines */
            if (memchr(f->tokens.items[k].text, '\n', f->tokens.items[k].length))
                return true;
        return false;
    case ECC_FMT_MEMBERS:
    case ECC_FMT_NAMES:
        return t[1].newline;
    }
    return false;
}

bool ecc_fmt_fits(const struct ecc_fmt *f, size_t from, size_t to, size_t column, size_t after)
{
    for (size_t i = from; i <= to; i++) {
        const struct ecc_fmt_token *t = &f->tokens.items[i];
        const char *line = memchr(t->text, '\n', t->length);

        if (i > from && (t->ncomments || t->forced))
            return false;
        if (t->match > i && t->match <= to && broken(f, i))
            return false;
        column += i > from ? t->space : 0;
        if (line) {
            if (column + ecc_fmt_width(t->text, (size_t)(line - t->text)) > f->width)
                return false;
            line = (const char *)memrchr(t->text, '\n', t->length) + 1;
            column = ecc_fmt_width(line, (size_t)(t->text + t->length - line));
        } else {
            column += ecc_fmt_width(t->text, t->length);
        }
        column += t->comma;
        if (column > f->width)
            return false;
    }
    return column + after <= f->width;
}

/* Of the tokens from..to on one line; SIZE_MAX when they have no width. */
static size_t width(const struct ecc_fmt *f, size_t from, size_t to)
{
    size_t n = 0;

    for (size_t i = from; i <= to; i++) {
        const struct ecc_fmt_token *t = &f->tokens.items[i];

        if ((i > from && t->ncomments) || (t->match > i && broken(f, i)) || memchr(t->text, '\n', t->length))
            return SIZE_MAX;
        n += (i > from ? t->space : 0) + ecc_fmt_width(t->text, t->length) + t->comma;
    }
    return n;
}

/* Do they depend on being one line? */
static bool whole(unsigned kind)
{
    return kind == ECC_TOK_ENUM || kind == ECC_TOK_RECORD || kind == ECC_TOK_EVENT || kind == ECC_TOK_POLICY || kind == ECC_TOK_EDGE ||
           kind == ECC_TOK_TOPIC || kind == ECC_TOK_SEED;
}

static bool same_text(const struct ecc_fmt *f, size_t a, size_t b)
{
    const struct ecc_fmt_token *x = &f->tokens.items[a], *y = &f->tokens.items[b];

    return x->length == y->length && !memcmp(x->text, y->text, x->length);
}

/* Does b go on with the columns of a? */
static bool goes_on(const struct ecc_fmt *f, const struct row *a, const struct row *b)
{
    const struct ecc_fmt_token *x = &f->tokens.items[a->from], *y = &f->tokens.items[b->from];

    for (size_t i = 0; i < y->ncomments; i++)
        if (f->comments.items[y->comment + i].blank)
            return false;
    if (x->kind != y->kind ? !ecc_fmt_is_name(x->kind) || !ecc_fmt_is_name(y->kind) : false)
        return false;
    if (y->blank || !a->ncells || !b->ncells)
        return false;
    if (y->kind != ECC_TOK_SEED)
        return true;
    if (a->ncells != b->ncells || !same_text(f, a->from + 1, b->from + 1))
        return false;
    for (size_t i = 0; i < a->ncells; i++)
        if (!same_text(f, a->cells[i], b->cells[i]))
            return false;
    return true;
}

static void set_column(struct ecc_fmt *f, struct row *rows, size_t n, size_t c)
{
    size_t widest = 0;

    for (int set = 0; set < 2; set++)
        for (size_t i = 0; i < n; i++) {
            struct row *r = &rows[i];

            if (r->out || c >= r->ncells)
                continue;
            struct ecc_fmt_token *t = &f->tokens.items[r->cells[c]];
            size_t own = t->ncomments ? SIZE_MAX : width(f, c ? r->cells[c - 1] : r->from, r->cells[c] - 1);

            if (own > LONGEST) { /* nothing behind it has a column either */
                r->ncells = c;
                continue;
            }
            if (!set && own + t->cell > widest)
                widest = own + t->cell;
            if (set)
                t->space = (uint16_t)((widest + STOP - 1) / STOP * STOP - own);
        }
}

static void set_columns(struct ecc_fmt *f, struct row *rows, size_t n, size_t indent)
{
    size_t in;
    bool again = n > 1;

    f->width = ecc_fmt_width_of(f->tokens.items[rows->from].kind);
    while (again) {
        again = false;
        in = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t c = 0; c < rows[i].ncells; c++)
                f->tokens.items[rows[i].cells[c]].space = f->tokens.items[rows[i].cells[c]].cell;
        for (size_t i = 0; i < n; i++)
            in += !rows[i].out;
        if (in < 2)
            return;
        for (size_t c = 0; c < MAX_CELLS; c++)
            set_column(f, rows, n, c);
        for (size_t i = 0; i < n; i++)
            if (!rows[i].out && whole(f->tokens.items[rows[i].from].kind) && !ecc_fmt_fits(f, rows[i].from, rows[i].to, indent, 0))
                rows[i].out = again = true;
    }
}

/* The items from..to-1 of one bracket, and what is inside them. */
static void align(struct ecc_fmt *f, size_t from, size_t to, size_t indent)
{
    struct rows rows = {0};
    size_t begun = 0;

    for (size_t i = from, next; i < to; i = next) {
        struct row row = {.from = i};

        next = ecc_fmt_next(f, i, to, false);
        row.to = next - 1;
        bool seed = f->tokens.items[i].kind == ECC_TOK_SEED;
        for (size_t k = i; k < next; k++) {
            const struct ecc_fmt_token *t = &f->tokens.items[k];

            if (k > i && t->cell && row.ncells < MAX_CELLS)
                row.cells[row.ncells++] = k;
            if (t->match > k && t->shape == ECC_FMT_ITEMS)
                align(f, k + 1, t->match, indent + ECC_FMT_INDENT);
            if (t->match > k && !seed)
                k = t->match;
        }
        if (rows.n && !goes_on(f, &rows.items[rows.n - 1], &row)) {
            set_columns(f, rows.items + begun, rows.n - begun, indent);
            begun = rows.n;
        }
        ECC_PUSH(f->arena, &rows, row);
    }
    if (rows.n)
        set_columns(f, rows.items + begun, rows.n - begun, indent);
}

void ecc_fmt_align(struct ecc_fmt *f)
{
    align(f, 0, f->tokens.n - 1, 0);
}
