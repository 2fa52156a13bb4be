/* Shared by the parts of the comparison. */
#ifndef ECC_COMPARE_INTERNAL_H
#define ECC_COMPARE_INTERNAL_H

#include <string.h>

#include "arena.h"
#include "compare.h"
#include "reads.h"
#include "writer.h"

/* Where a type is read by somebody who is not deployed together with who writes it. */
enum ecc_surface { ECC_AT_REQUEST, ECC_AT_REPLY, ECC_AT_EVENT, ECC_AT_PARAM, ECC_AT_RESULT, ECC_AT_SAGA, ECC_AT_CACHE, ECC_AT_ROW, ECC_NSURFACES };

/* A declared record or enum, once for each surface that shows it. */
struct ecc_shown {
    enum ecc_surface surface;
    const struct ecc_record *old_record, *new_record;
    const struct ecc_enum *old_enum, *new_enum;
    struct { const char **items; size_t n, cap; } places;
};

struct ecc_comparer {
    struct ecc_arena *arena;
    const struct ecc_model *old, *new_;
    struct ecc_comparison *out;
    struct { struct ecc_shown **items; size_t n, cap; } shown;
};

#define CFMT(c, ...) ecc_arena_printf((c)->arena, __VA_ARGS__)

void ecc_differ(struct ecc_comparer *c, enum ecc_difference_kind kind, bool old, struct ecc_span span, const char *subject,
                const char *what, ...)
    __attribute__((format(printf, 6, 7)));

/* The one of that name in a list of pointers to structs with a `name`, or NULL. */
#define FIND(list, n, wanted)                                                                                                          \
    ({                                                                                                                                 \
        __typeof__((list)[0]) found_ = NULL;                                                                                           \
        for (size_t i_ = 0; i_ < (n) && !found_; i_++)                                                                                 \
            if (strcmp((list)[i_]->name, (wanted)) == 0)                                                                               \
                found_ = (list)[i_];                                                                                                   \
        found_;                                                                                                                        \
    })

bool ecc_same_text(const char *a, const char *b); /* either may be NULL */
const char *ecc_duration_words(struct ecc_arena *arena, int64_t ms);

/* fields.c. records: either may be NULL (no fields). `place` says where it is shown. */
void ecc_compare_types(struct ecc_comparer *c, enum ecc_surface surface, const char *place, struct ecc_span old_span,
                       struct ecc_span new_span, const struct ecc_type *old, const struct ecc_type *new_);
void ecc_compare_records(struct ecc_comparer *c, enum ecc_surface surface, const char *place, const struct ecc_record *old,
                         const struct ecc_record *new_, struct ecc_span old_span, struct ecc_span new_span);
void ecc_compare_shown(struct ecc_comparer *c); /* last: the declared ones */
/* Tells nothing: the orders in which both sides can be brought out, 1 << enum ecc_plan_order each. */
unsigned ecc_compare_orders(struct ecc_comparer *c, enum ecc_surface surface, const struct ecc_record *old, const struct ecc_record *new_);
/* The operation as it was, under this name or the one that `was` says; or NULL. */
const struct ecc_op *ecc_op_before(const struct ecc_service *old, const struct ecc_service *new_, const struct ecc_op *op, bool *renamed);
const struct ecc_event *ecc_event_of(const struct ecc_model *model, const char *name, int version); /* version 0: any; or NULL */

/* The parts. */
void ecc_compare_gateway(struct ecc_comparer *c, const struct ecc_node *old, const struct ecc_node *new_);
void ecc_compare_service(struct ecc_comparer *c, const struct ecc_node *old, const struct ecc_node *new_);
void ecc_compare_database(struct ecc_comparer *c, const struct ecc_node *old, const struct ecc_node *new_);
void ecc_compare_around(struct ecc_comparer *c, const struct ecc_node *old, const struct ecc_node *new_); /* bus, cache, external */
void ecc_compare_settings(struct ecc_comparer *c, const char *subject, struct ecc_setting **old, size_t nold,
                          struct ecc_setting **new_, size_t nnew);
void ecc_compare_sagas(struct ecc_comparer *c);
void ecc_compare_events(struct ecc_comparer *c);
void ecc_compare_errors(struct ecc_comparer *c);
void ecc_compare_rollout(struct ecc_comparer *c); /* after all of these */
void ecc_compare_rules(struct ecc_comparer *c); /* edges, forbids, invariants, identities, scenarios */

/* canon.c: what a construct says, as text that does not know where it stood or how it was laid out. One statement a line. */
const char *ecc_canon_type(struct ecc_arena *arena, const struct ecc_type *type);
const char *ecc_canon_expr(struct ecc_arena *arena, const struct ecc_expr *expr); /* NULL: "" */
const char *ecc_canon_block(struct ecc_arena *arena, const struct ecc_block *block);
const char *ecc_canon_stmt(struct ecc_arena *arena, const struct ecc_stmt *stmt);  /* NULL: "" */
const char *ecc_canon_sandbox(struct ecc_arena *arena, const struct ecc_external *external);
const char *ecc_canon_request(struct ecc_arena *arena, const struct ecc_request *request);
const char *ecc_canon_record(struct ecc_arena *arena, const struct ecc_record *record); /* NULL: "" */
const char *ecc_canon_sql(struct ecc_arena *arena, const char *sql);
const char *ecc_join_sorted(struct ecc_arena *arena, const char **items, size_t n);

#endif
