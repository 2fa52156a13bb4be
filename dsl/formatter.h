/* Inside of the formatter: what format*.c share. Nobody else includes this.
 *
 * format_tokens.c makes the list of tokens, comments hung on; format_shape.c says what each bracket is, where items, elements and clauses
 * begin and how many spaces stand before a token; format_align.c widens some of them; format.c writes. Everything is in the arena.
 */
#ifndef ECC_FORMATTER_H
#define ECC_FORMATTER_H

#include <stdbool.h>

#include "arena.h"
#include "ast.h"
#include "lexer.h"
#include "source.h"

enum { ECC_FMT_INDENT = 2 };

enum ecc_fmt_shape { /* of a bracket */
    ECC_FMT_NONE,
    ECC_FMT_ITEMS,   /* { }: one item a line, always */
    ECC_FMT_BLOCK,   /* { }: statements; one alone may share the line */
    ECC_FMT_MEMBERS, /* { }: members that two spaces separate; lines as the author has them */
    ECC_FMT_NAMES,   /* { }: the same of names, which one space separates */
    ECC_FMT_LIST,    /* ( ) and [ ]: on one line, or one element a line */
    ECC_FMT_TIGHT,   /* ( ) and [ ]: never broken by itself */
};

enum ecc_fmt_clause {
    ECC_FMT_NO_CLAUSE,
    ECC_FMT_OWN,  /* when its item is no line, on a line of its own */
    ECC_FMT_FILL, /* ... the first of them on a new line, the others where there is room */
};

struct ecc_fmt_comment {
    const char *text;
    uint32_t length;
    bool trailing; /* on the line of the token before it */
    bool blank;    /* a blank line stands before it */
};
ECC_AST_LIST(ecc_fmt_comments, struct ecc_fmt_comment);

struct ecc_fmt_token {
    const char *text;
    uint32_t length;
    uint32_t match;             /* a bracket's other one; else its own index */
    uint32_t comment, ncomments; /* those that stand before it */
    uint16_t kind;              /* as the grammar took it */
    uint16_t space;             /* before it, on one line */
    uint8_t shape, clause, cell; /* shape: of the opening bracket; cell: begins a column, after at least so many spaces */
    bool comma;                 /* one follows, in the canonical form */
    bool newline, blank;        /* in the source: begins its line; a blank line stands before it */
    bool item, element;         /* begins one of the bracket that it is in */
    bool forced;                /* this clause is never on the line of its item */
    bool hang;                  /* what continues the item stands below this token */
    bool may_break;             /* an operator before which a long line goes on */
};
ECC_AST_LIST(ecc_fmt_tokens, struct ecc_fmt_token);

struct ecc_fmt {
    struct ecc_arena *arena;
    struct ecc_fmt_tokens tokens; /* the last has kind 0 */
    struct ecc_fmt_comments comments;
    size_t width; /* of a line, for the item at hand */
};

/* format_tokens.c */
void ecc_fmt_tokens(struct ecc_fmt *f, const struct ecc_source *source, const struct ecc_tokens *taken, const struct ecc_spans *comments);
bool ecc_fmt_same(const struct ecc_fmt *a, const struct ecc_fmt *b);
bool ecc_fmt_is_name(unsigned kind);
size_t ecc_fmt_width(const char *text, size_t length); /* in code points */

/* format_shape.c */
void ecc_fmt_shape(struct ecc_fmt *f);

/* format_align.c */
void ecc_fmt_align(struct ecc_fmt *f);

size_t ecc_fmt_width_of(unsigned kind); /* of a line, in an item that begins so */
/* Would the tokens from..to, the first at this column, and `after` more columns go on one line? SQL over several lines counts as lines. */
bool ecc_fmt_fits(const struct ecc_fmt *f, size_t from, size_t to, size_t column, size_t after);
/* Where the item or element that begins at i ends: before the next one, or before `end`. */
size_t ecc_fmt_next(const struct ecc_fmt *f, size_t i, size_t end, bool element);

static inline bool ecc_fmt_opens(const struct ecc_fmt *f, size_t i)
{
    return f->tokens.items[i].match > i;
}

#endif
