/* Wording a syntax error: what was found, what could have stood there in words a person would use, and what was probably meant.
 *
 * What could have stood there comes from the machine itself, which is asked for each token; then groups that have a name of their own
 * ("a statement") replace their members, and what only continues something that may as well end (a dot, an operator) is named only when
 * there is nothing else.
 */
#include "parser.h"

#include <stdio.h>
#include <string.h>

#include "grammar.h"

enum { MAX_KINDS = 256, MAX_NAMED = 6 };

struct expected {
    bool kinds[MAX_KINDS];
    const char *words[MAX_NAMED + 1];
    size_t n;
    bool more;
};

/* A group: its members that are expected are left out, and `name` stands for them, when all of `sure` are expected. */
struct group {
    const char *name; /* NULL: left out without a word */
    const uint16_t *sure;
    const uint16_t *members;
};

#define KINDS(...) ((const uint16_t[]){__VA_ARGS__, 0})
#define T(e) ECC_TOK_##e

static const uint16_t names[] = {T(WORD), T(SNAKE), T(KEBAB), T(PASCAL), T(UPPER), T(MIXED), 0};
static const uint16_t name_parts[] = {T(WORD), T(SNAKE), T(KEBAB), T(MIXED), 0};

static const struct group groups[] = {
    {"a declaration, such as `service` or `edge`", KINDS(T(SERVICE), T(EDGE)),
     KINDS(T(TOPOLOGY), T(ENUM), T(RECORD), T(ERROR), T(EVENT), T(CLIENT), T(BUS), T(CACHE), T(EXTERNAL), T(SERVICE), T(GATEWAY), T(SAGA),
           T(POLICY), T(EDGE), T(FORBID), T(INVARIANT), T(IDENTITY), T(SCENARIO), T(DROP))},
    {"a statement", KINDS(T(LET), T(SQL)),
     KINDS(T(LET), T(SQL), T(TX), T(AWAIT), T(PUBLISH), T(PUT), T(DROP), T(FOR), T(WHEN), T(FAIL), T(RETURN), T(RETURN_BARE), T(ACCEPT),
           T(WORD), T(SNAKE), T(KEBAB), T(MIXED), T(NONE), T(FOUND), T(KEY), T(CATCH), T(LATE), T(ELSE))},
    {"a value", KINDS(T(STRING), T(NULL), T(LBRACKET)),
     KINDS(T(STRING), T(INT), T(FLOAT), T(TRUE), T(FALSE), T(NULL), T(WORD), T(SNAKE), T(KEBAB), T(MIXED), T(PASCAL), T(LBRACE),
           T(LBRACKET), T(LP), T(NOT), T(MINUS), T(MISSING), T(SQL), T(START))},
    {"a field `name: type`", KINDS(T(WORD), T(PASCAL), T(COMMA), T(AS)),
     KINDS(T(WORD), T(SNAKE), T(KEBAB), T(PASCAL), T(UPPER), T(MIXED), T(AS), T(ASSIGN), T(WAS), T(COMMA), T(QUESTION), T(LP))},
    {"a type", KINDS(T(WORD), T(PASCAL), T(LBRACKET), T(LBRACE)),
     KINDS(T(WORD), T(SNAKE), T(KEBAB), T(PASCAL), T(UPPER), T(MIXED), T(LBRACKET), T(LBRACE))},
    {"a property, such as `timeout 2s`", KINDS(T(HTTP), T(TIMEOUT)),
     KINDS(T(HTTP), T(HTTPS), T(EXTERNAL), T(TIMEOUT), T(RETRY), T(BREAKER), T(CONCURRENCY), T(ON), T(USE), T(PUBLISH), T(CONSUME),
           T(KEYSPACE), T(WORD), T(SNAKE), T(KEBAB), T(PASCAL), T(UPPER), T(MIXED))},
    {"a column", KINDS(T(UNIQUE_RAW), T(INDEX)),
     KINDS(T(WORD), T(SNAKE), T(KEBAB), T(PASCAL), T(UPPER), T(MIXED), T(UNIQUE_RAW), T(PRIMARY_RAW), T(INDEX), T(CHECK), T(WAS),
           T(PRIMARY), T(UNIQUE), T(REFERENCES), T(ASSIGN), T(QUESTION), T(LP))},
    {"a part of a service, such as `op` or `database`", KINDS(T(OP), T(DATABASE)),
     KINDS(T(OP), T(ON), T(DATABASE), T(SETTING), T(JWT), T(WORKERS), T(ASSIGN))},
    {"a part of an external, such as `call` or `sandbox`", KINDS(T(CALL), T(SANDBOX)),
     KINDS(T(CALL), T(SANDBOX), T(BASE), T(SETTING), T(AUTH))},
    {"a part of a gateway, such as `route` or `limit`", KINDS(T(ROUTE), T(LISTEN)), KINDS(T(ROUTE), T(LISTEN), T(AUTH), T(LIMIT))},
    {"a clause, such as `when` or `expect`", KINDS(T(GIVEN), T(ASSUME)), KINDS(T(GIVEN), T(WHEN), T(ASSUME), T(EXPECT), T(SAY))},
    {"`table`, `seed`, `drop`", KINDS(T(TABLE), T(SEED)), KINDS(T(TABLE), T(SEED), T(DROP))},
    {"a name", names, names},
    {"a name", name_parts, name_parts},
    /* These could go on with what has been read; they are hardly what is missing. */
    {NULL, KINDS(T(PLUS), T(STAR)),
     KINDS(T(EQ), T(NE), T(LT), T(LE), T(GT), T(GE), T(PLUS), T(MINUS), T(STAR), T(AND), T(OR), T(DOT), T(LBRACKET), T(LP))},
    {NULL, KINDS(T(COMMA)), KINDS(T(COMMA))},
    {NULL, KINDS(T(DOT), T(LBRACKET)), KINDS(T(DOT), T(LBRACKET), T(LP))},
};

static void add(struct expected *e, const char *word)
{
    if (e->n < MAX_NAMED)
        e->words[e->n++] = word;
    else
        e->more = true;
}

static bool has_all(const struct expected *e, const uint16_t *kinds)
{
    for (; *kinds; kinds++)
        if (!e->kinds[*kinds])
            return false;
    return true;
}

static void collect(struct ecc_parser *p, struct ecc_machine *m, struct expected *e)
{
    bool dropped[MAX_KINDS] = {false};

    for (unsigned kind = 1; kind < ecc_machine_kinds() && kind < MAX_KINDS; kind++)
        e->kinds[kind] = ecc_machine_accepts(m, kind);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        const struct group *g = &groups[i];

        if (!has_all(e, g->sure))
            continue;
        if (g->name)
            add(e, g->name);
        for (const uint16_t *k = g->members; *k; k++) {
            dropped[*k] = !g->name && e->kinds[*k];
            e->kinds[*k] = false;
        }
    }
    for (unsigned kind = 1; kind < ecc_machine_kinds() && kind < MAX_KINDS; kind++) {
        bool sign = kind != ECC_TOK_BAD && kind != ECC_TOK_UNIQUE_RAW && kind != ECC_TOK_PRIMARY_RAW && kind != ECC_TOK_RETURN_BARE;
        const char *name = ecc_token_name(kind);

        if (!e->kinds[kind] || !sign)
            continue;
        /* Keywords and signs are quoted, descriptions are not. */
        add(e, strchr(name, ' ') || kind == ECC_TOK_STRING ? name : ecc_arena_printf(p->arena, "`%s`", name));
    }
    for (unsigned kind = 1; !e->n && kind < MAX_KINDS; kind++)
        if (dropped[kind])
            add(e, ecc_arena_printf(p->arena, "`%s`", ecc_token_name(kind)));
    if (!e->n)
        add(e, ecc_machine_accepts(m, 0) ? "the end of the file" : "something else");
}

static const char *list_words(struct ecc_parser *p, const struct expected *e)
{
    const char *text = e->words[0];

    for (size_t i = 1; i < e->n; i++)
        text = ecc_arena_printf(p->arena, "%s%s%s", text, i + 1 == e->n && !e->more ? " or " : ", ", e->words[i]);
    return e->more ? ecc_arena_printf(p->arena, "%s ...", text) : text;
}

static const char *found_words(struct ecc_parser *p, const struct ecc_token *t)
{
    size_t length = t->end - t->start;
    const char *text = p->source->text + t->start;

    switch (t->kind) {
    case 0:
        return "the end of the file";
    case ECC_TOK_SQLTEXT:
        return "SQL text";
    case ECC_TOK_RAW:
        return "SQL in parentheses";
    case ECC_TOK_STRING:
        if (length > 40)
            return "a string";
        return ecc_arena_printf(p->arena, "%.*s", (int)length, text);
    }
    if (length > 40)
        return ecc_arena_printf(p->arena, "`%.40s...`", text);
    return ecc_arena_printf(p->arena, "`%.*s`", (int)length, text);
}

/* ------------------------------------------------------------------ what was meant */

static bool is_word(const struct ecc_token *t)
{
    return t->kind == ECC_TOK_WORD || t->kind == ECC_TOK_SNAKE || t->kind == ECC_TOK_KEBAB || t->kind == ECC_TOK_PASCAL ||
           t->kind == ECC_TOK_UPPER || t->kind == ECC_TOK_MIXED;
}

/* A word that is nearly a keyword that could stand here. */
static bool help_keyword(struct ecc_parser *p, struct ecc_machine *m, const struct ecc_token *t, struct ecc_diag *diag)
{
    const char *candidates[MAX_KINDS];
    size_t n = 0;

    if (!is_word(t) && !ecc_token_is_keyword(t->kind))
        return false;
    for (unsigned kind = 1; kind < ecc_machine_kinds() && kind < MAX_KINDS; kind++)
        if (ecc_token_is_keyword(kind) && ecc_machine_accepts(m, kind))
            candidates[n++] = ecc_token_name(kind);
    const char *meant = ecc_did_you_mean(ecc_arena_strndup(p->arena, p->source->text + t->start, t->end - t->start), candidates, n);
    if (!meant)
        return false;
    ecc_diag_help(p->diags, diag, "did you mean `%s`?", meant);
    ecc_diag_fix(diag, ecc_span_of(*t), meant);
    return true;
}

/* The word before, at the beginning of a line, was taken for a name, but is nearly a keyword. */
static void help_first_word(struct ecc_parser *p, struct ecc_machine *m, const struct ecc_token *before, struct ecc_diag *diag)
{
    struct ecc_levels levels = ecc_machine_levels(m);
    const char *meant = NULL;

    if (levels.n && (before == p->tokens.items || ecc_begins_line(p, before, before - 1)))
        meant = ecc_nearly_resumes(p, m, levels.items[0], before);
    if (!meant)
        return;
    diag->span = ecc_span_of(*before);
    diag->message = ecc_arena_printf(p->arena, "no statement or declaration begins with %s", found_words(p, before));
    ecc_diag_help(p->diags, diag, "did you mean `%s`?", meant);
    ecc_diag_fix(diag, diag->span, meant);
}

/* before: the token before t, or NULL. */
static bool help_signs(struct ecc_parser *p, struct ecc_machine *m, const struct ecc_token *t, const struct ecc_token *before,
                       struct ecc_diag *diag)
{
    bool joined = before && before->end == t->start;

    if (t->kind == ECC_TOK_ASSIGN && t[1].kind == ECC_TOK_GT) {
        ecc_diag_help(p->diags, diag, "an arrow is written `->`");
        ecc_diag_fix(diag, (struct ecc_span){t->start, t[1].end}, "->");
    } else if (t->kind == ECC_TOK_ASSIGN && ecc_machine_accepts(m, ECC_TOK_EQ)) {
        ecc_diag_help(p->diags, diag, "values are compared with `==`");
        ecc_diag_fix(diag, ecc_span_of(*t), "==");
    } else if (t->kind == ECC_TOK_ASSIGN && ecc_machine_accepts(m, ECC_TOK_COLON)) {
        ecc_diag_help(p->diags, diag, "a member is written `name: value`");
        ecc_diag_fix(diag, ecc_span_of(*t), ":");
    } else if (t->kind == ECC_TOK_GT && before && before->kind == ECC_TOK_LT && joined) {
        ecc_diag_help(p->diags, diag, "values that differ are compared with `!=`");
        ecc_diag_fix(diag, (struct ecc_span){before->start, t->end}, "!=");
    } else if ((t->kind == ECC_TOK_INT || t->kind == ECC_TOK_FLOAT) && p->source->text[t->start] == '-' &&
               ecc_machine_accepts(m, ECC_TOK_MINUS)) {
        ecc_diag_help(p->diags, diag, "a minus that is an operator has spaces around it");
        ecc_diag_fix(diag, (struct ecc_span){t->start, t->start + 1}, joined ? " - " : "- ");
    } else if (t->kind == ECC_TOK_STRING && ecc_machine_accepts(m, ECC_TOK_SQLTEXT)) {
        ecc_diag_help(p->diags, diag, "SQL stands between triple quotes: \"\"\"...\"\"\"");
    } else if (t->kind == ECC_TOK_SQLTEXT && ecc_machine_accepts(m, ECC_TOK_STRING)) {
        ecc_diag_help(p->diags, diag, "a text stands between single double quotes: \"...\"");
    } else if (t->kind == ECC_TOK_INT && t - p->tokens.items > 1 && t[-2].kind == ECC_TOK_EVENT) {
        ecc_diag_help(p->diags, diag, "the version of an event is written `v%.*s`", (int)(t->end - t->start), p->source->text + t->start);
    } else if (t->kind == ECC_TOK_INT && ecc_machine_accepts(m, ECC_TOK_DURATION)) {
        ecc_diag_help(p->diags, diag, "a duration has a unit: `%.*sms`, `%.*ss`", (int)(t->end - t->start), p->source->text + t->start,
                      (int)(t->end - t->start), p->source->text + t->start);
    } else if (t->kind == ECC_TOK_INT && ecc_machine_accepts(m, ECC_TOK_RATE)) {
        ecc_diag_help(p->diags, diag, "a rate has a unit: `%.*s/s`", (int)(t->end - t->start), p->source->text + t->start);
    } else if (is_word(t) && ecc_machine_accepts(m, ECC_TOK_STRING) && !ecc_machine_accepts(m, ECC_TOK_INT)) {
        ecc_diag_help(p->diags, diag, "text stands between double quotes");
    } else if (t->kind == ECC_TOK_STRING && before && ecc_machine_accepts(m, ECC_TOK_WORD) && !ecc_machine_accepts(m, ECC_TOK_STRING)) {
        ecc_diag_help(p->diags, diag, "a name has no quotes");
    } else {
        return false;
    }
    return true;
}

/* Has the lexer said something about this place, or left something out there? */
static bool already_said(const struct ecc_parser *p, uint32_t from, uint32_t to)
{
    for (size_t i = 0; i < p->lexical; i++) {
        const struct ecc_diag *diag = p->diags->items[i];

        if (diag->span.start < to && diag->span.end > from && diag->code != ECC_E_UNCLOSED)
            return true;
    }
    return false;
}

void ecc_syntax_error(struct ecc_parser *p, struct ecc_machine *m, size_t at)
{
    const struct ecc_token *t = &p->tokens.items[at];
    const struct ecc_token *before = at ? t - 1 : NULL;
    struct expected e = {.n = 0};
    struct ecc_diag *diag;

    if (already_said(p, before ? before->start : 0, t->end))
        return;
    collect(p, m, &e);
    /* When t would be right as the next member of the list, it is the one before it that lacks something. */
    struct ecc_levels levels = ecc_machine_levels(m);
    if (before && levels.n && (!t->kind || ecc_begins_line(p, t, before)) && ecc_resumes(m, levels.items[0], t)) {
        diag = ecc_diag(p->diags, ECC_E_SYNTAX, ecc_span_of(*before), "expected %s after %s", list_words(p, &e), found_words(p, before));
        if (!ecc_help_habit(p, m, before, diag))
            ecc_help_form(p, before, diag);
        return;
    }
    diag = ecc_diag(p->diags, ECC_E_SYNTAX, ecc_span_of(*t), "found %s, expected %s", found_words(p, t), list_words(p, &e));
    if (!ecc_help_habit(p, m, t, diag) && !help_signs(p, m, t, before, diag) && !help_keyword(p, m, t, diag) && before)
        help_first_word(p, m, before, diag);
    if (!diag->help && levels.n && !ecc_machine_level_accepts(m, levels.items[0], ECC_TOK_UNIQUE_RAW, -1)) /* a column may have any name */
        ecc_help_form(p, t, diag);
}
