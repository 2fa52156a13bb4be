/* The page of each diagnostic code: what the rule is, why it is there, an example that breaks it and the mended one.
 *
 * The pages are docs/explain/<CODE>.md; embed_pages.py makes one table of them at build time and fails where a code has none. A page is a
 * small part of Markdown: `# CODE: title`, paragraphs, `## ...` and fenced examples, which ecc_page_write shows without its signs.
 */
#ifndef ECC_EXPLAIN_H
#define ECC_EXPLAIN_H

#include "diag.h"

struct ecc_page {
    int code;
    enum ecc_severity severity;
    const char *id; /* E0400 */
    const char *title;
    const char *text; /* Markdown */
};

/* In the order of diag_codes.h. */
extern const struct ecc_page ecc_pages[];
extern const size_t ecc_npages;
extern const char *const ecc_page_prelude; /* what stands in front of every example that is not `alone` */

const struct ecc_page *ecc_page(int code); /* or NULL */
void ecc_page_write(const struct ecc_page *page, bool color, FILE *out);
/* The paragraphs between the title and the first example, or the text of the first example in the section; in the arena. */
char *ecc_page_about(struct ecc_arena *arena, const struct ecc_page *page);
char *ecc_page_example(struct ecc_arena *arena, const struct ecc_page *page, const char *section);

#endif
