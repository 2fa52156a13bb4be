/* Inside of the parser: what grammar.y, ast.c, parse.c and syntax_error.c share. Nobody else includes this.
 *
 * parse.c lexes, then gives tokens to the machine that lemon made from grammar.y; the machine's actions call the constructors below;
 * syntax_error.c words what is wrong. Everything is allocated in the arena.
 */
#ifndef ECC_PARSER_H
#define ECC_PARSER_H

#include "arena.h"
#include "ast.h"
#include "diag.h"
#include "lexer.h"
#include "parse.h"
#include "source.h"

ECC_AST_LIST(ecc_remotes, struct ecc_ast_expr *);
ECC_AST_LIST(ecc_quotes, struct ecc_span);

enum { ECC_MAX_SYMBOLS = ECC_MAX_KINDS }; /* of the grammar */

struct ecc_parser {
    struct ecc_arena *arena;
    const struct ecc_source *source;
    struct ecc_diags *diags;
    struct ecc_ast_file *file;
    struct ecc_tokens tokens;
    struct ecc_tokens *taken; /* what the machine was given, or NULL: nobody asks */
    uint32_t last; /* where the last token that was given to the machine ends */
    struct ecc_remotes remotes; /* calls of operations that no statement has claimed yet */
    struct ecc_quotes quoted;   /* names in quotes that no sandbox has claimed yet */
    struct ecc_ast_constraints checks; /* of the column that is being read, beyond its first */
    bool opens[ECC_MAX_SYMBOLS]; /* symbols of the grammar that have a bracket which is still open */
    size_t lexical; /* how many of the kept diagnostics are the lexer's */
    unsigned guesses; /* how many words have been compared with keywords */
    uint32_t until;  /* reading ends before the token that begins there or behind it; UINT32_MAX: at the end */
    bool *expected;  /* by kind: what could stand there; or NULL */
    bool overflow; /* the machine's stack was too small: nothing more is read */
};

/* ---- the machine (grammar.y) */

struct ecc_machine;
struct ecc_machine *ecc_machine_new(struct ecc_parser *p);
void ecc_machine_feed(struct ecc_machine *m, const struct ecc_token *token); /* one that it accepts */

/* Would the machine, as it stands, take a token of this kind? */
bool ecc_machine_accepts(struct ecc_machine *m, unsigned kind);

unsigned ecc_machine_kinds(void); /* one more than the largest kind */

/* Finishes what has been read whole: lemon puts such reductions off until the next token comes. */
void ecc_machine_settle(struct ecc_machine *m);

/* Places of the machine's stack that can take up again after a mistake, by leaving out what they had begun; the innermost is the first. */
struct ecc_level {
    size_t at;      /* in the stack */
    unsigned depth; /* how many brackets are open there */
};
ECC_AST_LIST(ecc_levels, struct ecc_level);
struct ecc_levels ecc_machine_levels(struct ecc_machine *m);
/* Would it take `first` there and, unless second is negative, `second` after it? */
bool ecc_machine_level_accepts(struct ecc_machine *m, struct ecc_level level, unsigned first, int second);
void ecc_machine_recover(struct ecc_machine *m, struct ecc_level level);

/* Could the list at this level go on with t and what follows? (parse.c) */
bool ecc_resumes(struct ecc_machine *m, struct ecc_level level, const struct ecc_token *t);

/* A keyword with which the list at this level could go on, and which t is nearly the spelling of, or means elsewhere; or NULL. (parse.c) */
const char *ecc_nearly_resumes(struct ecc_parser *p, struct ecc_machine *m, struct ecc_level level, const struct ecc_token *t);

/* Does t begin its line? before: the token before it. (parse.c) */
bool ecc_begins_line(const struct ecc_parser *p, const struct ecc_token *t, const struct ecc_token *before);

/* ---- wording (syntax_error.c) */

/* The type that is meant by a word of another language's, or NULL. (ast_expr.c) */
const char *ecc_type_from_elsewhere(const char *name);

void ecc_syntax_error(struct ecc_parser *p, struct ecc_machine *m, size_t at);

/* The keyword that is meant by a word of another language's, or 0. (syntax_habit.c) */
unsigned ecc_keyword_from_elsewhere(const struct ecc_parser *p, const struct ecc_token *t);

/* Adds to diag what was meant at t, where the machine stopped, by somebody who comes from elsewhere. False: nothing. (syntax_habit.c) */
bool ecc_help_habit(struct ecc_parser *p, struct ecc_machine *m, const struct ecc_token *t, struct ecc_diag *diag);

/* Where nothing better is known: how the part is written that t stands in, if its keyword is on the same line. (syntax_habit.c) */
void ecc_help_form(struct ecc_parser *p, const struct ecc_token *t, struct ecc_diag *diag);

static inline struct ecc_span ecc_span_of(struct ecc_token t)
{
    return (struct ecc_span){t.start, t.end};
}

/* From the beginning of t to the end of what has been read. */
static inline struct ecc_span ecc_upto(const struct ecc_parser *p, uint32_t start)
{
    return (struct ecc_span){start, p->last > start ? p->last : start};
}

#endif
