/* What ecom.lock keeps of a saga or an event, and what a later compilation makes of it.
 *
 * A release is text of the language: the declaration with the records it uses written out, so that it means the same when they are changed;
 * enums follow as they were, and so do the answers of a saga's steps that are read later. What it publishes has its version. Recursive
 * records stay names.
 *
 *   saga book-trip on trip-svc(trip: { id: uuid  class: Class }) { step seat  do ... }
 *   record Seat { number: int }
 *   enum Class { first second }
 */
#ifndef ECC_RELEASE_H
#define ECC_RELEASE_H

#include "ast.h"
#include "model.h"

struct ecc_arena;
struct ecc_diags;
struct ecc_pasts;

/* ------------------------------------------------------------------ release_text.c */

/* With a line break at its end. decl: of the saga, in source. */
const char *ecc_release_saga(struct ecc_arena *arena, const struct ecc_source *source, const struct ecc_ast_decl *decl,
                             const struct ecc_model *model, const struct ecc_saga *saga);
const char *ecc_release_answer(struct ecc_arena *arena, const char *step); /* the name of the record: seat_row gives SeatRow */
const char *ecc_release_event(struct ecc_arena *arena, const struct ecc_event *event);
const char *ecc_release_canonical(struct ecc_arena *arena, const char *text); /* for whoever reads it */

/* Do two releases say the same? Layout and commas don't count. body: only what a saga does, not its parameters' types and what follows. */
bool ecc_release_same(struct ecc_arena *arena, const char *a, const char *b, bool body);

/* ------------------------------------------------------------------ release.c: the steps of ecc_compile_after */

/* Sets `release` of the sagas and events that the topology itself declares. */
void ecc_release_texts(struct ecc_arena *arena, const struct ecc_source *source, const struct ecc_ast_file *file, struct ecc_model *model);
/* Which releases have to be compiled as well: those that are not word for word what is declared now, and not dropped. */
void ecc_release_pick(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_releases *releases, struct ecc_pasts *past);
/* What was found in releases, which stand from `length` on, is told of the saga or event that they are of. */
void ecc_release_reports(struct ecc_arena *arena, const struct ecc_model *model, size_t length, const struct ecc_pasts *past,
                         struct ecc_diags *diags);
/* Gives sagas their versions, holds shapes against each other, and sets model->releases. */
void ecc_release_number(struct ecc_arena *arena, struct ecc_model *model, const struct ecc_releases *releases, struct ecc_pasts *past,
                        struct ecc_diags *diags);

#endif
