/* Spellings of names, and names of C that are free.
 *
 * Names of the language are Pascal, kebab, snake or UPPER; each is split into words and joined again for the target: `thing-svc` and
 * `ThingSvc` both become thing_svc. What C or an earlier name has taken gets trailing underscores; what begins with the runtime's own
 * prefix gets an x_ before it.
 */
#ifndef ECC_CNAMES_H
#define ECC_CNAMES_H

#include <stdbool.h>
#include <stddef.h>

struct ecc_arena;

const char *ecc_snake(struct ecc_arena *arena, const char *name);  /* make_thing */
const char *ecc_upper(struct ecc_arena *arena, const char *name);  /* MAKE_THING */
const char *ecc_kebab(struct ecc_arena *arena, const char *name);  /* make-thing */
const char *ecc_pascal(struct ecc_arena *arena, const char *name); /* MakeThing */

/* Can't be used as a name in generated C: a keyword, a macro of the headers it includes, or the runtime's (ec_, EC_). */
bool ecc_c_reserved(const char *name);

/* A struct member, parameter or local variable: snake, with an underscore where reserved. */
const char *ecc_c_member(struct ecc_arena *arena, const char *name);

/* The names taken so far in one name space of C: tags, or file-scope identifiers. */
struct ecc_cnames {
    struct ecc_arena *arena;
    const char **slots;
    size_t n, cap;
};

void ecc_cnames_init(struct ecc_cnames *names, struct ecc_arena *arena);
const char *ecc_cnames_claim(struct ecc_cnames *names, const char *wanted); /* wanted, or with underscores at its end */
bool ecc_cnames_taken(const struct ecc_cnames *names, const char *name);

#endif
