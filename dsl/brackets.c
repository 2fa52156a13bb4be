/* Matching brackets before parsing.
 *
 * A forgotten brace is the one mistake that would make nonsense of everything after it, and the parser, which sees one token at a
 * time, learns of it hundreds of lines too late. So brackets are matched first. When they match, this is one quick pass that
 * gives each token its depth. When they don't, a second pass asks the layout which one it was: a closing brace that begins its line
 * further left than the line of the brace it would close, or a declaration at the left margin, says that something was left open.
 * The token list is then mended, so that the parser always sees balanced brackets and says nothing more about them.
 */
#include "lexer.h"

#include <string.h>

#include "arena.h"
#include "diag.h"
#include "grammar.h"
#include "source.h"

struct open {
    struct ecc_token token;
    uint32_t indent; /* of its line */
};

static unsigned closer_of(unsigned kind)
{
    switch (kind) {
    case ECC_TOK_LBRACE:
        return ECC_TOK_RBRACE;
    case ECC_TOK_LP:
        return ECC_TOK_RP;
    case ECC_TOK_LBRACKET:
        return ECC_TOK_RBRACKET;
    }
    return 0;
}

static bool is_closer(unsigned kind)
{
    return kind == ECC_TOK_RBRACE || kind == ECC_TOK_RP || kind == ECC_TOK_RBRACKET;
}

/* The common case. false: they don't match, or nest too deeply. */
static bool match(struct ecc_tokens *tokens)
{
    uint16_t expected[ECC_MAX_DEPTH];
    uint16_t depth = 0;

    for (size_t i = 0; i < tokens->n; i++) {
        struct ecc_token *t = &tokens->items[i];
        unsigned closer = closer_of(t->kind);

        if (is_closer(t->kind) && (!depth || expected[--depth] != t->kind))
            return false;
        t->depth = depth;
        if (closer) {
            if (depth == ECC_MAX_DEPTH)
                return false;
            expected[depth++] = (uint16_t)closer;
        }
    }
    return depth == 0;
}

/* ------------------------------------------------------------------ mending */

struct mender {
    struct ecc_arena *arena;
    const struct ecc_source *source;
    struct ecc_diags *diags;
    struct ecc_tokens out;
    struct open open[ECC_MAX_DEPTH];
    uint16_t depth;
    long surplus; /* closing braces that are left, less opening ones: above zero, an opening one was forgotten */
};

/* How far the line of offset is indented; *first: nothing but white space stands before offset on it. */
static uint32_t indent_of(const struct ecc_source *source, uint32_t offset, bool *first)
{
    const char *line = source->text + source->lines[ecc_source_line(source, offset)];
    uint32_t indent = (uint32_t)strspn(line, " \t");

    *first = line + indent == source->text + offset;
    return indent;
}

static void put(struct mender *m, struct ecc_token token)
{
    token.depth = m->depth;
    ECC_PUSH(m->arena, &m->out, token);
}

/* Says that the innermost open bracket has no end and puts one in before `before`. */
static void close_forgotten(struct mender *m, const struct ecc_token *before)
{
    const struct open *open = &m->open[--m->depth];
    unsigned closer = closer_of(open->token.kind);
    uint32_t at = m->out.n ? m->out.items[m->out.n - 1].end : 0;
    struct ecc_span span = {before->kind ? before->start : at, before->kind ? before->end : at};
    struct ecc_diag *diag = ecc_diag(m->diags, ECC_E_UNCLOSED, span, "`%s` is missing %s", ecc_token_name(closer),
                                     before->kind ? "before this" : "at the end of the file");

    ecc_diag_second(diag, (struct ecc_span){open->token.start, open->token.end}, "it would close this");
    ecc_diag_fix(diag, (struct ecc_span){at, at}, closer == ECC_TOK_RBRACE ? "\n}" : ecc_token_name(closer));
    put(m, (struct ecc_token){at, at, (uint16_t)closer, 0});
    m->surplus += closer == ECC_TOK_RBRACE;
}

static bool is_open(const struct mender *m, unsigned closer)
{
    for (uint16_t i = m->depth; i > 0; i--)
        if (closer_of(m->open[i - 1].token.kind) == closer)
            return true;
    return false;
}

/* Words that begin a declaration; `on`, `op` and the like stand inside nodes. */
static bool declares(const struct ecc_token *t)
{
    switch (t->kind) {
    case ECC_TOK_ENUM:
    case ECC_TOK_RECORD:
    case ECC_TOK_EVENT:
    case ECC_TOK_BUS:
    case ECC_TOK_CACHE:
    case ECC_TOK_EXTERNAL:
    case ECC_TOK_SERVICE:
    case ECC_TOK_GATEWAY:
    case ECC_TOK_SAGA:
    case ECC_TOK_POLICY:
    case ECC_TOK_EDGE:
    case ECC_TOK_FORBID:
    case ECC_TOK_INVARIANT:
    case ECC_TOK_SCENARIO:
        return t[1].kind == ECC_TOK_WORD || t[1].kind == ECC_TOK_KEBAB || t[1].kind == ECC_TOK_PASCAL || t[1].kind == ECC_TOK_STRING;
    case ECC_TOK_OP: /* not at the margin, but never inside another */
        return t[1].kind == ECC_TOK_PASCAL;
    }
    return false;
}

static bool at_indent(const struct mender *m, uint32_t indent)
{
    for (uint16_t i = 0; i + 1 < m->depth; i++)
        if (m->open[i].indent == indent)
            return true;
    return false;
}

/* Closes what the layout says was left open before t, a token that begins a line. */
static void close_by_layout(struct mender *m, const struct ecc_token *t, uint32_t indent)
{
    if (t->kind == ECC_TOK_RBRACE) {
        while (m->surplus < 0 && at_indent(m, indent) && m->open[m->depth - 1].indent > indent)
            close_forgotten(m, t);
    } else if (declares(t)) {
        while (m->depth && m->open[m->depth - 1].indent >= indent)
            close_forgotten(m, t);
    }
}

/* Is t, which could close the innermost brace, more likely the end of one that was never opened? The layout says so when t begins its line
 * further right than the line of that brace, or when the line after it is still further right. */
static bool closes_nothing(const struct mender *m, const struct ecc_token *t, uint32_t indent, bool first)
{
    const struct open *open;
    bool begins;

    if (m->surplus <= 0 || t->kind != ECC_TOK_RBRACE || !m->depth)
        return false;
    open = &m->open[m->depth - 1];
    if (first)
        return open->indent < indent;
    if (!memchr(m->source->text + open->token.end, '\n', t->start - open->token.end) || t[1].kind == ECC_TOK_RBRACE)
        return false;
    return t[1].kind && indent_of(m->source, t[1].start, &begins) > open->indent && begins;
}

static void too_deep(struct mender *m, const struct ecc_token *t)
{
    uint32_t end = m->source->length;

    ecc_diag(m->diags, ECC_E_TOO_DEEP, (struct ecc_span){t->start, t->end}, "brackets are nested more than %d deep", (int)ECC_MAX_DEPTH);
    while (m->depth) {
        unsigned closer = closer_of(m->open[--m->depth].token.kind);
        put(m, (struct ecc_token){end, end, (uint16_t)closer, 0});
    }
    put(m, (struct ecc_token){end, end, 0, 0});
}

/* false: too deep, the rest is left out. */
static bool mend(struct mender *m, const struct ecc_tokens *tokens)
{
    for (size_t i = 0; i < tokens->n; i++) {
        const struct ecc_token *t = &tokens->items[i];
        bool first = false, closer = is_closer(t->kind), opener = closer_of(t->kind) != 0;
        uint32_t indent = 0;

        if (opener || t->kind == ECC_TOK_RBRACE || declares(t))
            indent = indent_of(m->source, t->start, &first);
        if (first)
            close_by_layout(m, t, indent);
        if (!t->kind) {
            while (m->depth)
                close_forgotten(m, t);
        } else if (closer) {
            if (!is_open(m, t->kind) || closes_nothing(m, t, indent, first)) {
                m->surplus -= t->kind == ECC_TOK_RBRACE;
                ecc_diag(m->diags, ECC_E_UNOPENED, (struct ecc_span){t->start, t->end}, "this `%s` closes nothing",
                         ecc_token_name(t->kind));
                continue;
            }
            while (closer_of(m->open[m->depth - 1].token.kind) != t->kind)
                close_forgotten(m, t);
            m->depth--;
        } else if (opener && m->depth == ECC_MAX_DEPTH) {
            too_deep(m, t);
            return false;
        }
        put(m, *t);
        if (opener)
            m->open[m->depth++] = (struct open){*t, indent};
    }
    return true;
}

bool ecc_match_brackets(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags, struct ecc_tokens *tokens)
{
    struct mender m = {.arena = arena, .source = source, .diags = diags};

    if (match(tokens))
        return true;
    for (size_t i = 0; i < tokens->n; i++)
        m.surplus += (tokens->items[i].kind == ECC_TOK_RBRACE) - (tokens->items[i].kind == ECC_TOK_LBRACE);
    bool whole = mend(&m, tokens);
    *tokens = m.out;
    return whole;
}
