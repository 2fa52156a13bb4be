/* Types: the plain ones, optional and present forms, how they read, and what fits what.
 *
 * Types are compared by what they say, never by address, with one exception: `ecc_type_unknown` is the type of whatever has been
 * reported already. It fits everything and everything fits it, so that one mistake is told once.
 */
#ifndef ECC_TYPES_H
#define ECC_TYPES_H

#include "model.h"

struct ecc_arena;

extern const struct ecc_type ecc_type_unknown;
extern const struct ecc_type ecc_type_text, ecc_type_secret, ecc_type_email, ecc_type_int, ecc_type_float, ecc_type_bool,
    ecc_type_uuid, ecc_type_time, ecc_type_json, ecc_type_void;

#define ECC_IS_UNKNOWN(type) ((type) == &ecc_type_unknown)

const struct ecc_type *ecc_type_optional(struct ecc_arena *arena, const struct ecc_type *type);
const struct ecc_type *ecc_type_present(struct ecc_arena *arena, const struct ecc_type *type);
const struct ecc_type *ecc_type_of_record(struct ecc_arena *arena, const struct ecc_record *record);
const struct ecc_type *ecc_type_list_of(struct ecc_arena *arena, const struct ecc_type *item);

/* "text(1..64)?", "[OrderLine]": for messages. */
const char *ecc_type_name(struct ecc_arena *arena, const struct ecc_type *type);

enum ecc_fit {
    ECC_FIT_NOT,
    ECC_FIT_SAME,    /* as it is: bounds are left to whoever reads the value */
    ECC_FIT_CONVERT, /* through ECC_EXPR_CONVERT */
    ECC_FIT_ABSENT,  /* it would fit if it were not optional */
};

/* uuid and email fit text; text fits secret; a value fits its optional; a record fits another that has no fields but its own, with
 * fitting types; a list fits when its items do. */
enum ecc_fit ecc_type_fit(const struct ecc_type *from, const struct ecc_type *to);

/* Why a record doesn't fit: the first field of `to` that `from` lacks or has with another type. NULL when it fits. */
const struct ecc_field *ecc_record_misfit(const struct ecc_record *from, const struct ecc_record *to, const struct ecc_field **theirs);

const struct ecc_field *ecc_record_field(const struct ecc_record *record, const char *name);
/* What of `from` becomes this field of the record that it is fitted to; NULL: nothing, it is absent or gets its default. */
const struct ecc_field *ecc_record_source(const struct ecc_record *from, const struct ecc_field *field);

bool ecc_type_is_scalar(const struct ecc_type *type);   /* has a text form */
bool ecc_type_is_textual(const struct ecc_type *type);  /* text, secret, email */
bool ecc_type_same(const struct ecc_type *a, const struct ecc_type *b);

/* What a literal of that kind must look like. Each gives false for one that doesn't fit; why says what is expected. */
bool ecc_text_fits(const struct ecc_type *type, const char *text, const char **why);

#endif
