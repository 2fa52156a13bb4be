/* What a change of a topology means: two checked models in, a list of differences out.
 *
 * Things are matched by what the outside knows them by (a route by method and path, a field by its name on the wire), so that the order of
 * a source never counts, and `was(old)` is a new name, not a loss. Databases are compared by the step that makes migrations
 * (codegen/schema.h). Nothing is read or written here; all lives in the arena and points into the models.
 */
#ifndef ECC_COMPARE_H
#define ECC_COMPARE_H

#include "model.h"
#include "outset.h"
#include "source.h"

struct ecc_arena;
struct ecc_writer;

/* In the order of a plan. X(enumerator, word) */
#define ECC_PLAN_CLASSES(X) X(BREAKING, "breaking") X(DESTRUCTIVE, "destructive") X(BEHAVIOUR, "behaviour") X(SAFE, "safe")
#define ECC_PLAN_CHANGES(X) X(ADDED, "added") X(CHANGED, "changed") X(RENAMED, "renamed") X(REMOVED, "removed")

enum ecc_plan_class {
#define X(e, word) ECC_CLASS_##e,
    ECC_PLAN_CLASSES(X)
#undef X
    ECC_NCLASSES
};

enum ecc_plan_change {
#define X(e, word) ECC_PLAN_##e,
    ECC_PLAN_CHANGES(X)
#undef X
};

enum ecc_difference_kind {
#define X(kind, change, class_, consequence) ECC_DIFF_##kind,
#include "kinds.h"
#undef X
#undef XO
    ECC_NDIFFS
};

enum ecc_plan_order { ECC_ORDER_ANY, ECC_ORDER_CALLEE_FIRST, ECC_ORDER_CALLERS_FIRST, ECC_ORDER_CONSUMERS_FIRST };

struct ecc_difference_traits {
    const char *name;        /* "route-removed" */
    enum ecc_plan_change change;
    enum ecc_plan_class class_;
    const char *consequence; /* or NULL */
    enum ecc_plan_order order;
};

/* A node has to be brought out, all replicas of it, before the other. */
struct ecc_rollout { const char *first, *then; };

struct ecc_difference {
    enum ecc_difference_kind kind;
    const char *subject; /* "POST /v1/things", "table things of thing-svc" */
    const char *what;    /* "new required field `coupon`" */
    bool old;            /* the span is in the old source */
    struct ecc_span span;
};

struct ecc_file_change {
    const char *path; /* below generated/ */
    enum ecc_change_kind kind;
    size_t added, removed; /* lines */
};

struct ecc_comparison {
    struct { struct ecc_difference *items; size_t n, cap; } differences; /* by class, then by place */
    struct { struct ecc_file_change *items; size_t n, cap; } files;      /* by path */
    struct { struct ecc_rollout *items; size_t n, cap; } order;          /* by name, each pair once */
    size_t counts[ECC_NCLASSES];
};

/* The model of a topology that is not there: everything of the other one is new. */
extern const struct ecc_model ecc_no_model;

const struct ecc_difference_traits *ecc_difference_traits(struct ecc_arena *arena, enum ecc_difference_kind kind);
void ecc_compare(struct ecc_arena *arena, const struct ecc_model *old, const struct ecc_model *new_, struct ecc_comparison *out);
/* The files that differ, and by how many lines. */
void ecc_compare_files(struct ecc_arena *arena, const struct ecc_outset *old, const struct ecc_outset *new_, struct ecc_comparison *out);
/* How many lines of new_ are not in old, and the other way round, in the shortest edit. */
void ecc_count_lines(struct ecc_arena *arena, const char *old, size_t nold, const char *new_, size_t nnew, size_t *added, size_t *removed);

enum ecc_plan_format { ECC_PLAN_TEXT, ECC_PLAN_MD, ECC_PLAN_JSON };

struct ecc_plan_report {
    const struct ecc_comparison *comparison;
    const char *against;             /* how the old side is called: "HEAD", a file */
    const struct ecc_source *old;    /* NULL: there was none */
    const struct ecc_source *new_;
    const char *refused;             /* why `build` would not follow, or NULL */
};
void ecc_plan_write(const struct ecc_plan_report *report, enum ecc_plan_format format, struct ecc_writer *w);

#endif
