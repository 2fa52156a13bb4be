/* The scanner under the reader of JSON. Not for other modules: json.h is. Each function leaves r->p behind what it has read. */
#ifndef EC_JSON_SCAN_H
#define EC_JSON_SCAN_H

#include "json.h"

struct ec_scan {
    const char *p, *end, *start;
    struct ec_arena *arena;
    struct ec_json_error *error;
    unsigned flags;
    int depth;
    struct ec_str *names; /* of members that no table knows, for the objects that are open; malloc'd */
    size_t nnames, cap_names;
};

/* Both say what is wrong, in r->error, and return the status. */
enum ec_json_status ec_scan_wrong(struct ec_scan *r, const char *message);     /* EC_JSON_INVALID */
enum ec_json_status ec_scan_malformed(struct ec_scan *r, const char *message); /* EC_JSON_MALFORMED, with the place */
enum ec_json_status ec_scan_unexpected(struct ec_scan *r);                     /* the character at r->p, or the end */

static inline void ec_scan_white(struct ec_scan *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
}

bool ec_scan_literal(struct ec_scan *r, const char *word, size_t n); /* false: something else stands here */
enum ec_json_status ec_scan_enter(struct ec_scan *r);                /* an opening bracket: counts the depth */
/* After a value: true at a comma (taken), false at the end (taken); anything else is an error in *status. */
bool ec_scan_another(struct ec_scan *r, char close, enum ec_json_status *status);
enum ec_json_status ec_scan_string(struct ec_scan *r, struct ec_str *out); /* r->p is at the quote */
enum ec_json_status ec_scan_member_name(struct ec_scan *r, struct ec_str *name); /* and its colon */
enum ec_json_status ec_scan_skip(struct ec_scan *r); /* any value */

/* Names of members that no table knows: pushed as they come; popped down to `base` (r->nnames at the object's start) at the object's end,
 * where one that stands twice is an error. */
void ec_scan_push_name(struct ec_scan *r, struct ec_str name);
enum ec_json_status ec_scan_pop_names(struct ec_scan *r, size_t base);

#endif
