/* A growing text buffer for generated files, and quoting for each language that is written.
 *
 * Text goes in through printf; a line that has any text gets the present indentation in front. Buffer and quoted strings live in the
 * arena. Quoting takes any bytes: what can't stand in the target is escaped, never passed through.
 */
#ifndef ECC_WRITER_H
#define ECC_WRITER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "sql_names.h"

struct ecc_arena;

struct ecc_writer {
    struct ecc_arena *arena;
    char *data; /* NUL-terminated */
    size_t n, cap;
    int indent; /* levels; change it freely */
    int width;  /* spaces a level: 4; set 2 for YAML and JSON */
};

void ecc_writer_init(struct ecc_writer *w, struct ecc_arena *arena);

/* Adds text; a newline inside ends a line. */
void ecc_w(struct ecc_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same and a newline. */
void ecc_wl(struct ecc_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ecc_w_open(struct ecc_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));  /* a line, then indent + 1 */
void ecc_w_close(struct ecc_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3))); /* indent - 1, then a line */
void ecc_w_blank(struct ecc_writer *w); /* one empty line, unless there is one already or nothing stands before */
void ecc_w_text(struct ecc_writer *w, const char *text, size_t n); /* as it is, no indentation */

/* Breaks each line of C that is over 140 columns, after the outermost comma or division that lets it fit; how a line breaks depends on that line
 * alone, so that a change is not a diff elsewhere. Comments, directives and string literals stay as they are. */
void ecc_w_fold_c(struct ecc_writer *w);

/* A string literal of C over as many lines as the text has: one literal a line, at the present indentation, without a newline at
 * the end. The first literal starts on the present line. */
void ecc_w_c_lines(struct ecc_writer *w, const char *text);

/* With their quotes. */
const char *ecc_quote_c(struct ecc_arena *arena, const char *text);
const char *ecc_quote_json(struct ecc_arena *arena, const char *text);
const char *ecc_quote_sql(struct ecc_arena *arena, const char *text);      /* '...' */
const char *ecc_quote_yaml(struct ecc_arena *arena, const char *text);     /* always double-quoted */
const char *ecc_quote_shell(struct ecc_arena *arena, const char *text);    /* one word */
const char *ecc_quote_meson(struct ecc_arena *arena, const char *text);
const char *ecc_comment_text(struct ecc_arena *arena, const char *text);   /* for inside a comment of C, SQL or #: one line, no end of comment */

#endif
