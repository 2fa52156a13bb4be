/* Diagnostics: collected while a compilation runs, shown at the end by whoever asked for it. Nothing in dsl/ or codegen/ prints.
 *
 * A diagnostic has a code from diag_codes.h (one X-macro: code, severity, title), a message, a span, and optionally a second span
 * with its own label, a note, a help line and one fix (replace span by text). All strings live in the compilation's arena.
 */
#ifndef ECC_DIAG_H
#define ECC_DIAG_H

#include <stdbool.h>
#include <stdio.h>

#include "model.h" /* struct ecc_span */

struct ecc_arena;
struct ecc_source;

enum ecc_severity { ECC_ERROR, ECC_WARNING };

enum ecc_code {
#define X(code, severity, name, title) ECC_##name = code,
#include "diag_codes.h"
#undef X
};

struct ecc_diag {
    enum ecc_code code;
    enum ecc_severity severity;
    struct ecc_span span;
    const char *message;
    bool has_second;
    struct ecc_span second;
    const char *second_label;
    const char *note;      /* how it was found out, or NULL */
    const char *help;      /* or NULL */
    bool has_fix;
    struct ecc_span fix_span;
    const char *fix_text;
};

struct ecc_diags {
    struct ecc_arena *arena;
    struct ecc_diag **items;
    size_t n, cap;
    size_t errors; /* how many there were, kept or not */
    struct ecc_diag dropped; /* what the caller gets for one that is not kept */
};

void ecc_diags_init(struct ecc_diags *diags, struct ecc_arena *arena);

/* Adds one and returns it, so that help, second span and fix can be set. Beyond 200 errors it is counted, not kept. */
struct ecc_diag *ecc_diag(struct ecc_diags *diags, enum ecc_code code, struct ecc_span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void ecc_diag_note(struct ecc_diags *diags, struct ecc_diag *diag, const char *format, ...) __attribute__((format(printf, 3, 4)));
void ecc_diag_help(struct ecc_diags *diags, struct ecc_diag *diag, const char *format, ...) __attribute__((format(printf, 3, 4)));
void ecc_diag_second(struct ecc_diag *diag, struct ecc_span span, const char *label);
void ecc_diag_fix(struct ecc_diag *diag, struct ecc_span span, const char *text);

/* Appends what was collected apart, as if it had been said here. */
void ecc_diags_append(struct ecc_diags *diags, const struct ecc_diags *more);

enum ecc_diag_format { ECC_FORMAT_TEXT, ECC_FORMAT_JSON, ECC_FORMAT_SARIF, ECC_FORMAT_GITHUB };

void ecc_diags_sort(struct ecc_diags *diags); /* by place */
/* The first error as it is shown, or NULL: the code that a reader would look up. */
const struct ecc_diag *ecc_diags_first_error(const struct ecc_diags *diags);
enum { ECC_ID_SIZE = 8 };
void ecc_diag_id(const struct ecc_diag *diag, char id[ECC_ID_SIZE]); /* E0400 */

/* Sorted by place. text: `FILE:LINE:COL: error[E0123]: message`, the line, a caret, the second place, note, help. */
void ecc_diags_write(const struct ecc_diags *diags, const struct ecc_source *source, enum ecc_diag_format format, bool color, FILE *out);

/* The nearest of n candidates by edit distance, or NULL when none is near enough to be meant. */
const char *ecc_did_you_mean(const char *word, const char *const *candidates, size_t n);

#endif
