/* The parser's loop: which token the machine gets next, and where it goes on after a mistake.
 *
 * Two decisions are made here, both by asking the machine.
 * - Is this word a keyword? It is when the machine, with all that it has on its stack, could take it as one. Otherwise it is a name. A
 *   few words would be taken too eagerly and look at their neighbours first (keyword_here).
 * - Where to go on? Of the lists that are open, innermost first, the one that could take the next token and the one after it, at a token
 *   that begins a line or closes the list's bracket. What lies between is left out.
 * Brackets have been matched before (brackets.c), so that a place in a list is known by its depth.
 */
#include "parse.h"

#include <string.h>

#include "build.h"
#include "grammar.h"

enum {
    MAX_ERRORS = 1000, /* more than are shown; what follows is no topology */
    MAX_GUESSES = 500, /* words that are compared with all keywords */
};

static bool is_name(unsigned kind)
{
    return kind == ECC_TOK_WORD || kind == ECC_TOK_SNAKE || kind == ECC_TOK_KEBAB || kind == ECC_TOK_PASCAL || kind == ECC_TOK_UPPER ||
           kind == ECC_TOK_MIXED || ecc_token_is_keyword(kind);
}

/* What a keyword is as a name. */
static unsigned name_of(unsigned kind)
{
    return kind == ECC_TOK_WHEN_DOWN || kind == ECC_TOK_DEAD_LETTER ? ECC_TOK_KEBAB : ECC_TOK_WORD;
}

/* The list ends with three tokens of kind 0: t[1] and t[2] exist. */
static bool keyword_here(const struct ecc_token *t, const struct ecc_token *before)
{
    unsigned next = t[1].kind;

    if (before->kind == ECC_TOK_DOT || next == ECC_TOK_DOT || next == ECC_TOK_COLON)
        return false;
    switch (t->kind) {
    case ECC_TOK_NONE:
        return next == ECC_TOK_ARROW || before->kind == ECC_TOK_AUTH;
    case ECC_TOK_FOUND:
        return next == ECC_TOK_ARROW;
    case ECC_TOK_CHECK:
    case ECC_TOK_INDEX:
        return next == ECC_TOK_RAW;
    case ECC_TOK_WAS:
        return next == ECC_TOK_LP;
    case ECC_TOK_LET:
        return before->kind != ECC_TOK_GIVEN || t[2].kind == ECC_TOK_ASSIGN;
    case ECC_TOK_LATE:
    case ECC_TOK_ELSE:
        return next == ECC_TOK_LBRACE;
    case ECC_TOK_MISSING:
        return is_name(next);
    case ECC_TOK_START:
        return is_name(next) && t[2].kind == ECC_TOK_LP;
    }
    return true;
}

/* Does a statement or a suffix begin here, so that a `return` before it has no value? */
static bool ends_return(const struct ecc_token *t)
{
    switch (t->kind) {
    case ECC_TOK_LET:
    case ECC_TOK_SQL:
    case ECC_TOK_TX:
    case ECC_TOK_AWAIT:
    case ECC_TOK_PUBLISH:
    case ECC_TOK_PUT:
    case ECC_TOK_DROP:
    case ECC_TOK_FOR:
    case ECC_TOK_WHEN:
    case ECC_TOK_FAIL:
    case ECC_TOK_RETURN:
    case ECC_TOK_ACCEPT:
    case ECC_TOK_CATCH:
    case ECC_TOK_KEY:
    case ECC_TOK_LATE:
    case ECC_TOK_ELSE:
    case ECC_TOK_NONE:
    case ECC_TOK_FOUND:
        return is_name(t[1].kind) || t[1].kind == ECC_TOK_LBRACE || t[1].kind == ECC_TOK_ARROW || t[1].kind == ECC_TOK_LP ||
               t[1].kind == ECC_TOK_STRING || t[1].kind == ECC_TOK_INT;
    case ECC_TOK_RBRACE:
    case 0:
        return true;
    }
    return is_name(t->kind) && t[1].kind == ECC_TOK_DOT && t[2].kind == ECC_TOK_PASCAL;
}

/* What the machine is to be given for t; *accepted: whether it takes it. */
static struct ecc_token classify(struct ecc_machine *m, const struct ecc_token *t, const struct ecc_token *before, bool *accepted)
{
    struct ecc_token token = *t;

    if (!ecc_token_is_keyword(t->kind)) {
        *accepted = ecc_machine_accepts(m, t->kind);
        return token;
    }
    switch (t->kind) {
    case ECC_TOK_UNIQUE:
        if (t[1].kind == ECC_TOK_RAW)
            token.kind = ECC_TOK_UNIQUE_RAW;
        break;
    case ECC_TOK_PRIMARY:
        if (t[1].kind == ECC_TOK_KEY && t[2].kind == ECC_TOK_RAW)
            token.kind = ECC_TOK_PRIMARY_RAW;
        break;
    case ECC_TOK_RETURN:
        if (ends_return(t + 1))
            token.kind = ECC_TOK_RETURN_BARE;
        break;
    }
    if (keyword_here(t, before) && (*accepted = ecc_machine_accepts(m, token.kind)))
        return token;
    token.kind = (uint16_t)name_of(t->kind);
    *accepted = ecc_machine_accepts(m, token.kind);
    return token;
}

bool ecc_begins_line(const struct ecc_parser *p, const struct ecc_token *t, const struct ecc_token *before)
{
    uint32_t from = before->end;

    return t->start > from && memchr(p->source->text + from, '\n', t->start - from);
}

/* Could a list go on with t? Its kind as a keyword if it is one: taking every unknown word for a name would find a place too soon. */
bool ecc_resumes(struct ecc_machine *m, struct ecc_level level, const struct ecc_token *t)
{
    unsigned kind = t->kind, next = t[1].kind;

    if (ecc_token_is_keyword(kind) && !keyword_here(t, t - 1))
        kind = name_of(kind);
    if (kind == ECC_TOK_UNIQUE && next == ECC_TOK_RAW)
        kind = ECC_TOK_UNIQUE_RAW;
    if (kind == ECC_TOK_PRIMARY && t[2].kind == ECC_TOK_RAW)
        kind = ECC_TOK_PRIMARY_RAW;
    if (kind == ECC_TOK_RETURN && ends_return(t + 1))
        kind = ECC_TOK_RETURN_BARE;
    if (kind == ECC_TOK_RBRACE || kind == ECC_TOK_RP || kind == ECC_TOK_RBRACKET || kind == ECC_TOK_LBRACE || kind == 0 ||
        kind == ECC_TOK_RETURN_BARE)
        return ecc_machine_level_accepts(m, level, kind, -1);
    return ecc_machine_level_accepts(m, level, kind, (int)next) ||
           (ecc_token_is_keyword(next) && ecc_machine_level_accepts(m, level, kind, (int)name_of(next)));
}

const char *ecc_nearly_resumes(struct ecc_parser *p, struct ecc_machine *m, struct ecc_level level, const struct ecc_token *t)
{
    const char *words[ECC_MAX_SYMBOLS];
    size_t n = 0;

    if (t->kind != ECC_TOK_WORD || p->guesses++ >= MAX_GUESSES)
        return NULL;
    unsigned meant = ecc_keyword_from_elsewhere(p, t);
    if (meant && ecc_machine_level_accepts(m, level, meant, -1))
        return ecc_token_name(meant);
    for (unsigned kind = 1; kind < ecc_machine_kinds(); kind++)
        if (ecc_token_is_keyword(kind) && ecc_machine_level_accepts(m, level, kind, -1))
            words[n++] = ecc_token_name(kind);
    return ecc_did_you_mean(ecc_arena_strndup(p->arena, p->source->text + t->start, t->end - t->start), words, n);
}

/* May the list at this level be taken up at token i? `from` is the one that was not accepted. */
static bool takes_up(struct ecc_parser *p, struct ecc_machine *m, struct ecc_level level, size_t i, size_t from)
{
    const struct ecc_token *t = &p->tokens.items[i];

    if (t->kind == ECC_TOK_RBRACE || t->kind == ECC_TOK_RP || t->kind == ECC_TOK_RBRACKET)
        return level.depth == t->depth + 1u && ecc_resumes(m, level, t);
    if (level.depth != t->depth)
        return false;
    if (t->kind == ECC_TOK_LBRACE || t->kind == 0)
        return ecc_resumes(m, level, t);
    if (i && ecc_begins_line(p, t, t - 1))
        return ecc_resumes(m, level, t) || (i > from && ecc_nearly_resumes(p, m, level, t));
    return i > 0 && ecc_token_is_keyword(t->kind) && keyword_here(t, t - 1) && ecc_resumes(m, level, t);
}

/* Leaves out tokens from i on until a list can go on, and tells the machine. Returns where. */
static size_t recover(struct ecc_parser *p, struct ecc_machine *m, size_t i)
{
    struct ecc_levels levels = ecc_machine_levels(m);
    size_t from = i;

    for (;; i++) {
        for (size_t k = 0; k < levels.n; k++) {
            if (takes_up(p, m, levels.items[k], i, from)) {
                ecc_machine_recover(m, levels.items[k]);
                return i;
            }
        }
        if (p->tokens.items[i].kind == 0)
            return i;
    }
}

static void run(struct ecc_parser *p, struct ecc_machine *m, bool whole)
{
    const struct ecc_token none = {0};
    size_t i = 0, failed = SIZE_MAX;

    while (!p->overflow) {
        const struct ecc_token *t = &p->tokens.items[i];
        bool accepted;

        if (t->start >= p->until)
            break;
        struct ecc_token token = classify(m, t, i ? t - 1 : &none, &accepted);

        if (accepted) {
            ecc_machine_feed(m, &token);
            if (p->taken)
                ECC_PUSH(p->arena, p->taken, token);
            if (!token.kind)
                return;
            p->last = token.end;
            i++;
            continue;
        }
        if (!whole && !t->kind)
            return; /* the rest was left out, and that has been said */
        ecc_machine_settle(m);
        if (i == failed && t->kind) { /* going on here has not helped */
            i = recover(p, m, i + 1);
            continue;
        }
        ecc_syntax_error(p, m, i);
        p->remotes.n = p->quoted.n = p->checks.n = 0;
        if (p->diags->errors > MAX_ERRORS || i == failed)
            return;
        failed = i;
        i = recover(p, m, i);
    }
    for (unsigned kind = 1; p->expected && !p->overflow && kind < ecc_machine_kinds(); kind++)
        p->expected[kind] = ecc_machine_accepts(m, kind);
}

static const struct ecc_ast_file *parse(struct ecc_parser *p)
{
    const struct ecc_token end = {p->source->length, p->source->length, 0, 0};
    bool whole = ecc_lex(p->arena, p->source, p->diags, &p->tokens, &p->file->comments);

    p->lexical = p->diags->n;
    ECC_PUSH(p->arena, &p->tokens, end); /* so that two tokens may be looked ahead */
    ECC_PUSH(p->arena, &p->tokens, end);
    run(p, ecc_machine_new(p), whole);
    ecc_report_unclaimed(p);
    if (p->overflow)
        ecc_diag(p->diags, ECC_E_TOO_DEEP, (struct ecc_span){p->last, p->last}, "this is nested too deeply");
    return p->file;
}

static struct ecc_parser parser(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags)
{
    return (struct ecc_parser){
        .arena = arena, .source = source, .diags = diags, .file = ECC_NEW(arena, struct ecc_ast_file), .until = UINT32_MAX};
}

const struct ecc_ast_file *ecc_parse(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags)
{
    struct ecc_parser p = parser(arena, source, diags);

    return parse(&p);
}

const struct ecc_ast_file *ecc_parse_ahead(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags,
                                           struct ecc_sql_ahead *ahead)
{
    struct ecc_parser p = parser(arena, source, diags);

    p.file->ahead = ahead;
    return parse(&p);
}

const struct ecc_ast_file *ecc_parse_tokens(struct ecc_arena *arena, const struct ecc_source *source, struct ecc_diags *diags,
                                            struct ecc_tokens *taken)
{
    struct ecc_parser p = parser(arena, source, diags);

    p.taken = taken;
    return parse(&p);
}

void ecc_parse_expected(struct ecc_arena *arena, const struct ecc_source *source, uint32_t offset, bool kinds[ECC_MAX_KINDS])
{
    struct ecc_diags unseen;
    struct ecc_parser p = parser(arena, source, &unseen);
    const struct ecc_token end = {source->length, source->length, 0, 0};

    memset(kinds, 0, ECC_MAX_KINDS * sizeof *kinds);
    ecc_diags_init(&unseen, arena);
    p.until = offset;
    p.expected = kinds;
    ecc_lex(arena, source, &unseen, &p.tokens, &p.file->comments);
    p.lexical = unseen.n;
    ECC_PUSH(arena, &p.tokens, end);
    ECC_PUSH(arena, &p.tokens, end);
    run(&p, ecc_machine_new(&p), true);
}
