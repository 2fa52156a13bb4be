/* JSON Schema (2020-12, in words that mean the same in draft 7) of the model's types: what openapi.yaml and asyncapi.yaml share.
 *
 * What a schema demands is what the generated readers enforce, and what it promises is what the writers write; so a type has two forms. A
 * request is read strictly: no member but those that are known, an optional one may be null, one with a default may be left out. In an
 * answer what is absent is left out, or null where the model says so, and more may come one day. An event is what any version of its
 * publishers has written. A renamed field is there under both names. Records with a name, enums and the form of an email become
 * components and are referred to; what has no name stands where it is used.
 */
#ifndef ECC_JSON_SCHEMA_H
#define ECC_JSON_SCHEMA_H

#include "cnames.h"
#include "model.h"
#include "yaml.h"

enum ecc_side { ECC_SIDE_REQUEST, ECC_SIDE_REPLY, ECC_SIDE_EVENT };

struct ecc_json_schemas {
    struct ecc_arena *arena;
    struct ecc_cnames names; /* of components */
    struct ecc_yaml *components;
    struct {
        struct ecc_component *items;
        size_t n, cap;
    } known;
};

void ecc_json_schemas_init(struct ecc_json_schemas *s, struct ecc_arena *arena);

/* A schema that may be changed: of a type, as a member is (optional: null, too, where that is read or written). */
struct ecc_yaml *ecc_json_schema(struct ecc_json_schemas *s, const struct ecc_type *type, enum ecc_side side);
/* A reference to a record; one without a name is called `name`, or that with underscores. */
struct ecc_yaml *ecc_json_schema_record(struct ecc_json_schemas *s, const struct ecc_record *record, enum ecc_side side, const char *name);
/* The schema with what stands beside it: `default` of the field, or that it is an old name. */
struct ecc_yaml *ecc_json_schema_field(struct ecc_json_schemas *s, const struct ecc_field *field, enum ecc_side side, const char *old);
/* A component by a free name; gives the name. */
const char *ecc_json_schema_add(struct ecc_json_schemas *s, const char *wanted, struct ecc_yaml *schema);

/* A value that fits, the same each time; name: of the field that it is for. NULL: it would have to be too large to be shown. */
struct ecc_yaml *ecc_json_sample(struct ecc_arena *arena, const struct ecc_type *type, const char *name);
struct ecc_yaml *ecc_json_sample_record(struct ecc_arena *arena, const struct ecc_record *record);
/* A literal of the language. */
struct ecc_yaml *ecc_json_literal(struct ecc_arena *arena, const struct ecc_expr *value);

#endif
