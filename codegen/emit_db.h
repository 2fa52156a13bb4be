/* How a statement's function is declared: shared by the header and db.c. */
#ifndef ECC_EMIT_DB_H
#define ECC_EMIT_DB_H

#include "shapes.h"
#include "writer.h"

/* `void db_make_thing_quote(struct ec_task *task, struct ec_uuid id, struct make_thing_quote *out)`, end, and a newline */
void ecc_db_write_prototype(struct ecc_writer *w, const struct ecc_shapes *shapes, const struct ecc_sql_shape_of *shape, const char *end);

/* "EC_TEXT, .flags = EC_OPTIONAL ...": what a field table says of a type, after .kind = */
const char *ecc_field_traits(struct ecc_arena *arena, const struct ecc_shapes *shapes, const struct ecc_type *type, bool has_default,
                             bool null);

#endif
