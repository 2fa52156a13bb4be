/* Can what was written by one version of a type be read by another? JSON, by names on the wire; members that are not known are ignored. */
#ifndef ECC_READS_H
#define ECC_READS_H

#include "model.h"

struct ecc_arena;

/* Where a field was known by another name before: that one, on the wire. NULL: it was not, or a field of the record has it. */
const char *ecc_field_alias(const struct ecc_record *record, const struct ecc_field *field);

/* <0 new_ is narrower, 0 the same, >0 wider or another. Of what is not a record, a list or an enum. */
int ecc_type_step(const struct ecc_type *old, const struct ecc_type *new_);

/* NULL: every value of `written` can be read as `reader`. Else the first thing that can't, for a message: "`lines[].note` is required, and
 * was not sent". growing: what has only become wider is no matter. */
const char *ecc_misread(struct ecc_arena *arena, const struct ecc_record *reader, const struct ecc_record *written, bool growing);

#endif
