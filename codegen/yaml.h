/* YAML: a tree of maps, lists and scalars, and the one way in which it is written.
 *
 * Order is that in which things were put. A text is written plain where no reader of YAML 1.1 or 1.2 could take it for anything else, and
 * in double quotes otherwise, so any UTF-8 comes back as it was; a paragraph of printable ASCII is a block. One entry is one line, and
 * nothing is aligned: a change of the tree is a diff of its size. Nodes live in the arena.
 */
#ifndef ECC_YAML_H
#define ECC_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ecc_arena;
struct ecc_writer;

enum ecc_yaml_kind { ECC_YAML_MAP, ECC_YAML_LIST, ECC_YAML_TEXT, ECC_YAML_RAW };

struct ecc_yaml {
    struct ecc_arena *arena;
    enum ecc_yaml_kind kind;
    bool flow; /* on one line, in brackets; a map of `$ref` alone is so anyway */
    uint32_t n, cap;
    const char *text;  /* TEXT; RAW: a number, true, false or null */
    const char **keys; /* MAP */
    struct ecc_yaml **items;
};

struct ecc_yaml *ecc_yaml_map(struct ecc_arena *arena);
struct ecc_yaml *ecc_yaml_list(struct ecc_arena *arena);
struct ecc_yaml *ecc_yaml_text(struct ecc_arena *arena, const char *text);
struct ecc_yaml *ecc_yaml_raw(struct ecc_arena *arena, const char *text);
struct ecc_yaml *ecc_yaml_int(struct ecc_arena *arena, int64_t value);
struct ecc_yaml *ecc_yaml_ref(struct ecc_arena *arena, const char *folder, const char *name); /* $ref: "#/<folder>/<name>" */

/* Adds at the end and gives what was added. A key that is there already gets the new value in its old place. */
struct ecc_yaml *ecc_yaml_put(struct ecc_yaml *map, const char *key, struct ecc_yaml *value);
struct ecc_yaml *ecc_yaml_put_map(struct ecc_yaml *map, const char *key);
struct ecc_yaml *ecc_yaml_put_list(struct ecc_yaml *map, const char *key);
void ecc_yaml_append(struct ecc_yaml *map, const char *key, struct ecc_yaml *value); /* a key that is not there: nobody looks */
void ecc_yaml_put_text(struct ecc_yaml *map, const char *key, const char *text);
void ecc_yaml_put_raw(struct ecc_yaml *map, const char *key, const char *text);
struct ecc_yaml *ecc_yaml_add(struct ecc_yaml *list, struct ecc_yaml *value);
void ecc_yaml_add_text(struct ecc_yaml *list, const char *text);
struct ecc_yaml *ecc_yaml_add_map(struct ecc_yaml *list);
struct ecc_yaml *ecc_yaml_at(struct ecc_yaml *map, const char *path);       /* "spec.template": the map there, made where it is not */
struct ecc_yaml *ecc_yaml_get(const struct ecc_yaml *map, const char *key); /* or NULL */
void ecc_yaml_sort(struct ecc_yaml *map);                                   /* by its keys */

void ecc_yaml_write(struct ecc_writer *w, const struct ecc_yaml *map);
/* A part of what a key of the whole has, whose line is written. */
void ecc_yaml_write_below(struct ecc_writer *w, const struct ecc_yaml *map);

#endif
