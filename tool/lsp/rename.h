/* Inside of renaming: rename.c says what a change of a name is and whether it may be; rename_edits.c what has to be written where. */
#ifndef ECC_LSP_RENAME_H
#define ECC_LSP_RENAME_H

#include "server.h"

struct rename_edit { struct ecc_span span; const char *text; };

struct rename {
    const struct lsp_view *view;
    struct ecc_arena *arena; /* of the view */
    const struct ecc_ref *what;
    const char *old, *new_;
    struct { struct ecc_ref *items; size_t n, cap; } names;      /* that change together; the first is what was asked for */
    struct { struct rename_edit *items; size_t n, cap; } edits;  /* sorted by place in the end */
    bool was, wire; /* something got `was(old)`, or `as "old"` */
};

/* All names that must change with the one that was asked for, and every edit. False: failure says why it can't be. */
bool rename_collect(struct rename *r, struct lsp_failure *failure);
bool rename_is_column(const struct rename *r, const struct ecc_column *column);
bool rename_has_field(const struct rename *r, const struct ecc_field *field);

/* The text after the edits. */
const char *rename_apply(struct rename *r, size_t *length);
uint32_t rename_moved(const struct rename *r, uint32_t offset); /* where a place of the old text is in the new one */

#endif
