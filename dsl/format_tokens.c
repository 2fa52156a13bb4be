/* The formatter's tokens: the source's, with comments hung on the token after them, and commas made canonical.
 *
 * Commas are left out between the members of braces and between names, where they mean nothing, and put between the elements of
 * parentheses and square brackets, where some may be missing. One stays in braces: after a name `missing`, which would be the keyword
 * without it.
 */
#include "formatter.h"

#include <string.h>

#include "grammar.h"

bool ecc_fmt_is_name(unsigned kind)
{
    return kind == ECC_TOK_WORD || kind == ECC_TOK_SNAKE || kind == ECC_TOK_KEBAB || kind == ECC_TOK_PASCAL || kind == ECC_TOK_UPPER ||
           kind == ECC_TOK_MIXED;
}

size_t ecc_fmt_width(const char *text, size_t length)
{
    size_t n = 0;

    for (size_t i = 0; i < length; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static unsigned breaks(const struct ecc_source *source, uint32_t from, uint32_t to)
{
    unsigned n = 0;

    for (const char *p = source->text + from, *end = source->text + to; p < end && n < 2; p++)
        n += *p == '\n';
    return n;
}

static uint32_t without_space(const char *text, uint32_t length)
{
    while (length && (text[length - 1] == ' ' || text[length - 1] == '\t' || text[length - 1] == '\r'))
        length--;
    return length;
}

/* Takes the comments that stand before `until`. *at is where what came before them ends, and is moved behind them. */
static void hang_comments(struct ecc_fmt *f, const struct ecc_source *source, const struct ecc_spans *comments, size_t *next,
                          uint32_t until, uint32_t *at, struct ecc_fmt_token *token)
{
    for (; *next < comments->n && comments->items[*next].start < until; (*next)++) {
        struct ecc_span span = comments->items[*next];
        unsigned lines = breaks(source, *at, span.start);
        struct ecc_fmt_comment comment = {
            .text = source->text + span.start,
            .length = without_space(source->text + span.start, span.end - span.start),
            .trailing = !lines && f->tokens.n && !token->ncomments,
            .blank = lines > 1,
        };

        ECC_PUSH(f->arena, &f->comments, comment);
        token->ncomments++;
        *at = span.end;
    }
}

static bool round_or_square(unsigned kind)
{
    return kind == ECC_TOK_LP || kind == ECC_TOK_LBRACKET;
}

static bool closes(unsigned kind)
{
    return kind == ECC_TOK_RP || kind == ECC_TOK_RBRACKET || kind == ECC_TOK_RBRACE;
}

/* Does a field or an argument with a name begin at t, so that no comma is needed before it? */
static bool begins_member(const struct ecc_token *t)
{
    return t->kind == ECC_TOK_SPREAD || (ecc_fmt_is_name(t->kind) && t[1].kind == ECC_TOK_COLON);
}

void ecc_fmt_tokens(struct ecc_fmt *f, const struct ecc_source *source, const struct ecc_tokens *taken, const struct ecc_spans *comments)
{
    uint32_t open[ECC_MAX_DEPTH + 2];
    size_t nopen = 0, next = 0;
    uint32_t at = 0;
    bool comma = false; /* one stands in the source before the token to come */
    struct ecc_fmt_token token = {0};

    for (size_t i = 0; i < taken->n; i++) {
        const struct ecc_token *t = &taken->items[i];

        if (!token.ncomments)
            token.comment = (uint32_t)f->comments.n;
        hang_comments(f, source, comments, &next, t->start, &at, &token);
        if (t->kind == ECC_TOK_COMMA) { /* what stands before it goes on to the next token */
            comma = true;
            at = t->end;
            continue;
        }
        unsigned lines = breaks(source, at, t->start);
        size_t n = f->tokens.n;
        struct ecc_fmt_token *before = n ? &f->tokens.items[n - 1] : NULL;
        unsigned around = nopen ? f->tokens.items[open[nopen - 1]].kind : 0;

        if (before && round_or_square(around) && !closes(t->kind) && open[nopen - 1] != n - 1)
            before->comma = comma || begins_member(t);
        else if (before && comma && around == ECC_TOK_LBRACE && !closes(t->kind))
            before->comma = before->length == 7 && !memcmp(before->text, "missing", 7);
        token.text = source->text + t->start;
        token.length = t->end - t->start;
        token.kind = t->kind;
        token.match = (uint32_t)n;
        token.newline = lines > 0 || token.ncomments;
        token.blank = lines > 1;
        if (closes(t->kind) && nopen) {
            token.match = open[--nopen];
            f->tokens.items[token.match].match = (uint32_t)n;
        } else if (round_or_square(t->kind) || t->kind == ECC_TOK_LBRACE) {
            open[nopen++] = (uint32_t)n;
        }
        ECC_PUSH(f->arena, &f->tokens, token);
        at = t->end;
        comma = false;
        token = (struct ecc_fmt_token){0};
    }
}

bool ecc_fmt_same(const struct ecc_fmt *a, const struct ecc_fmt *b)
{
    if (a->tokens.n != b->tokens.n || a->comments.n != b->comments.n)
        return false;
    for (size_t i = 0; i < a->tokens.n; i++) {
        const struct ecc_fmt_token *x = &a->tokens.items[i], *y = &b->tokens.items[i];

        if (x->kind != y->kind || x->length != y->length || memcmp(x->text, y->text, x->length) || x->comma != y->comma ||
            x->ncomments != y->ncomments || x->shape != y->shape || x->item != y->item)
            return false;
    }
    for (size_t i = 0; i < a->comments.n; i++)
        if (a->comments.items[i].length != b->comments.items[i].length ||
            memcmp(a->comments.items[i].text, b->comments.items[i].text, a->comments.items[i].length))
            return false;
    return true;
}
