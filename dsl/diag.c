/* Collecting diagnostics, and guessing what a misspelt word was meant to be. How they are shown is diag_write.c.
 *
 * Everything belongs to the arena of the compilation. */
#include "diag.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "arena.h"

enum { MAX_KEPT = 200 };

static enum ecc_severity severity_of(enum ecc_code code)
{
    switch (code) {
#define X(number, severity, name, title) \
    case ECC_##name:                     \
        return severity;
#include "diag_codes.h"
#undef X
    }
    return ECC_ERROR;
}

void ecc_diags_init(struct ecc_diags *diags, struct ecc_arena *arena)
{
    *diags = (struct ecc_diags){.arena = arena};
}

static bool is_kept(struct ecc_diags *diags, enum ecc_severity severity)
{
    return severity == ECC_ERROR ? diags->errors++ < MAX_KEPT : diags->n < 2 * MAX_KEPT;
}

void ecc_diags_append(struct ecc_diags *diags, const struct ecc_diags *more)
{
    size_t errors = diags->errors + more->errors;

    for (size_t i = 0; i < more->n; i++)
        if (is_kept(diags, more->items[i]->severity))
            ECC_PUSH(diags->arena, diags, more->items[i]);
    diags->errors = errors;
}

static char *format_text(struct ecc_arena *arena, const char *format, va_list args)
{
    va_list again;

    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = ecc_arena_alloc(arena, (size_t)(length < 0 ? 0 : length) + 1);
    if (length > 0)
        vsnprintf(text, (size_t)length + 1, format, args);
    return text;
}

struct ecc_diag *ecc_diag(struct ecc_diags *diags, enum ecc_code code, struct ecc_span span, const char *format, ...)
{
    enum ecc_severity severity = severity_of(code);
    bool kept = is_kept(diags, severity);
    struct ecc_diag *diag = kept ? ECC_NEW(diags->arena, struct ecc_diag) : &diags->dropped;
    va_list args;

    *diag = (struct ecc_diag){.code = code, .severity = severity, .span = span, .message = ""};
    if (!kept)
        return diag;
    va_start(args, format);
    diag->message = format_text(diags->arena, format, args);
    va_end(args);
    ECC_PUSH(diags->arena, diags, diag);
    return diag;
}

void ecc_diag_help(struct ecc_diags *diags, struct ecc_diag *diag, const char *format, ...)
{
    va_list args;

    if (diag == &diags->dropped)
        return;
    va_start(args, format);
    diag->help = format_text(diags->arena, format, args);
    va_end(args);
}

void ecc_diag_note(struct ecc_diags *diags, struct ecc_diag *diag, const char *format, ...)
{
    va_list args;

    if (diag == &diags->dropped)
        return;
    va_start(args, format);
    diag->note = format_text(diags->arena, format, args);
    va_end(args);
}

void ecc_diag_second(struct ecc_diag *diag, struct ecc_span span, const char *label)
{
    diag->has_second = true;
    diag->second = span;
    diag->second_label = label;
}

void ecc_diag_fix(struct ecc_diag *diag, struct ecc_span span, const char *text)
{
    diag->has_fix = true;
    diag->fix_span = span;
    diag->fix_text = text;
}

/* ------------------------------------------------------------------ did you mean */

enum { MAX_WORD = 64 };

/* Spellings of one name: case and the separator don't count. */
static char fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '-' ? '_' : c;
}

/* Optimal string alignment: insert, delete, replace, swap neighbours. Both at most MAX_WORD long. */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
    unsigned rows[3][MAX_WORD + 1];
    unsigned *before = rows[0], *previous = rows[1], *row = rows[2];

    for (size_t j = 0; j <= nb; j++)
        previous[j] = (unsigned)j;
    memcpy(before, previous, sizeof rows[0]);
    for (size_t i = 1; i <= na; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned best = previous[j - 1] + (fold(a[i - 1]) != fold(b[j - 1]));
            if (previous[j] + 1 < best)
                best = previous[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]) && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        unsigned *oldest = before;
        before = previous;
        previous = row;
        row = oldest;
    }
    return previous[nb];
}

const char *ecc_did_you_mean(const char *word, const char *const *candidates, size_t n)
{
    size_t length = strlen(word);
    const char *nearest = NULL;
    unsigned least;

    if (!length || length > MAX_WORD)
        return NULL;
    least = length == 1 ? 1 : length < 3 ? 2 : (unsigned)(length / 3 + 1); /* must be less than this */
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(candidates[i]);
        size_t apart = other > length ? other - length : length - other;

        if (!other || other > MAX_WORD || apart >= least || strcmp(word, candidates[i]) == 0)
            continue;
        unsigned d = distance(word, length, candidates[i], other);
        if (d < least) {
            least = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}
