/* From syntax tree to model: what the files of the resolver share.
 *
 * Work goes in passes, so that names may come in any order: every declaration gets its (empty) entity; then types, then what nodes
 * have to offer (operations' signatures, calls, topics, keyspaces), edges, sagas' steps, the bodies of programs, gateways, scenarios,
 * and at last the checks that need the whole picture. An entity that could not be made whole is reported, and what depends on it
 * gets ecc_type_unknown, which fits everything.
 *
 * Everything lives in the compilation's arena. Spaces of the symbol table are addresses: see symbols.h and the macros below.
 */
#ifndef ECC_RESOLVE_H
#define ECC_RESOLVE_H

#include "arena.h"
#include "ast.h"
#include "diag.h"
#include "model.h"
#include "refs.h"
#include "symbols.h"
#include "types.h"

/* Global spaces; their addresses are what counts. */
struct ecc_spaces { char types, events, errors, nodes, sagas, policies, topics, identities, scenarios, envs; };

/* A call along an edge, wherever it stands: checked when all is known. */
struct ecc_call_site {
    const struct ecc_node *from;
    const struct ecc_stmt *stmt;      /* CALL */
    const struct ecc_op *op;          /* whose body it is in, or NULL */
    const struct ecc_route *route;    /* or NULL */
    const struct ecc_saga *saga;      /* or NULL: step, done or failed */
    bool keyed;                       /* the caller always has a key: a saga's step or end, a consumer */
};

/* What one program does, for `repeat` and the checks. */
struct ecc_effects {
    struct ecc_program *program;
    const struct ecc_node *node;
    int writes;      /* transactions and lone statements that write; one in a loop counts twice */
    bool starts;     /* start or await */
    bool custom;
    bool accepts;
    struct { const struct ecc_stmt **items; size_t n, cap; } calls;
    bool pure;       /* changes nothing, here or by what it calls */
    int state;       /* of the walk that finds it: 0 new, 1 being looked at, 2 known */
};

/* A released version that is compiled behind the topology's own text. What it declares has no name there: nothing else can mean it. */
struct ecc_past {
    const struct ecc_release *release;
    struct ecc_span span;
    struct ecc_saga *saga;
    struct ecc_event *event;
    struct { struct ecc_record **items; size_t n, cap; } answers; /* of the saga's steps whose answer is read, in their order */
    struct { struct ecc_enum **items; size_t n, cap; } enums;     /* as they were */
};
struct ecc_pasts { struct ecc_past *items; size_t n, cap; };

struct ecc_resolver {
    struct ecc_arena *arena;
    struct ecc_pasts *past;           /* or NULL */
    struct ecc_diags *diags;
    const struct ecc_source *source;
    const struct ecc_ast_file *file;
    struct ecc_model *model;
    struct ecc_symbols symbols;
    struct ecc_symbols locals;        /* what only its body asks for: variables, facts, unique names. Small, and emptied: near at hand */
    struct ecc_spaces *spaces;
    void **made;                      /* the entity of file->decls.items[i] */
    struct ecc_refs *refs;            /* where references are noted; NULL: nobody asks */
    struct { struct ecc_call_site *items; size_t n, cap; } calls;
    struct { struct ecc_effects **items; size_t n, cap; } effects;
    struct { struct ecc_drop **items; size_t n, cap; } drops;
    struct { struct ecc_retired **items; size_t n, cap; } retired;
};

struct ecc_past *ecc_past_of(const struct ecc_resolver *r, const struct ecc_ast_decl *decl); /* NULL: it is the topology's own */
/* The event of that version, 0: the only one; NULL after a report. how: "publish", what stands before it. */
struct ecc_event *ecc_lookup_event(struct ecc_resolver *r, const struct ecc_name *name, int64_t version, const char *how);

/* ------------------------------------------------------------------ names (resolve.c) */

/* Declares a name; a second one is reported with both places and false. */
bool ecc_declare(struct ecc_resolver *r, const void *space, const struct ecc_name *name, void *value, enum ecc_ref_kind kind);
/* The same of a name that is declared elsewhere: it may stand there once. */
bool ecc_list_once(struct ecc_resolver *r, const void *space, const struct ecc_name *name, const void *value, const char *what);
/* The entity, or NULL after a report with what was probably meant. */
void *ecc_lookup(struct ecc_resolver *r, const void *space, const struct ecc_name *name, enum ecc_code code, const char *what);
void *ecc_find(struct ecc_resolver *r, const void *space, const char *name); /* or NULL, without a word */
void *ecc_find_local(struct ecc_resolver *r, const void *space, const char *name); /* the same in a space of a body's */
void *ecc_find_name(struct ecc_resolver *r, const void *space, const struct ecc_name *name); /* the same of a name in the source */
struct ecc_diag *ecc_unknown(struct ecc_resolver *r, const void *space, const struct ecc_name *name, enum ecc_code code, const char *what);

/* The same of an enum's value; what: or NULL, then the enum's name. Where none is nearly spelt so, those that there are, unless they are many. */
void ecc_unknown_value(struct ecc_resolver *r, const struct ecc_enum *type, const struct ecc_name *name, const char *what);
const struct ecc_op *ecc_lookup_op(struct ecc_resolver *r, const struct ecc_node *node, const struct ecc_name *name); /* of a service; as ecc_lookup */
/* A field that a record does not have; `what` is a field or an argument. The second tells where the record is declared, and what a field that
 * was renamed is called now; the third, the latter alone, of anything that was renamed. */
void ecc_unknown_field(struct ecc_resolver *r, const struct ecc_record *record, const struct ecc_name *name, const char *what);
void ecc_diag_record(struct ecc_resolver *r, struct ecc_diag *unknown, const struct ecc_record *record, const struct ecc_name *name);
/* Behind all declarations of `names`: an old name is nobody's name now, and was nobody else's. `olds` is a space for them. */
void ecc_check_was(struct ecc_resolver *r, const void *names, const void *olds, const struct ecc_name *was, enum ecc_ref_kind kind);
void ecc_renamed(struct ecc_resolver *r, struct ecc_diag *unknown, const struct ecc_name *name, const char *was, const char *now);
const struct ecc_error *ecc_lookup_error(struct ecc_resolver *r, const struct ecc_name *name);
struct ecc_node *ecc_lookup_node(struct ecc_resolver *r, const struct ecc_name *name);
/* A node of that kind, else NULL after a report. */
struct ecc_node *ecc_lookup_kind(struct ecc_resolver *r, const struct ecc_name *name, enum ecc_node_kind kind);
/* The node that a topic's bus is. */
static inline struct ecc_node *ecc_bus_node(const struct ecc_bus *bus)
{
    return (struct ecc_node *)((uintptr_t)bus - offsetof(struct ecc_node, u.bus));
}
/* An environment variable that a process has for itself is refused. */
void ecc_check_env(struct ecc_resolver *r, const struct ecc_name *name);
void ecc_check_header(struct ecc_resolver *r, const struct ecc_text *name, enum ecc_code code); /* a field name, RFC 9110 5.1 */
const char *ecc_node_kind_name(enum ecc_node_kind kind); /* "a service" */
/* Distinct errors of a list; repeats are reported. */
void ecc_resolve_errors(struct ecc_resolver *r, const struct ecc_names *names, const struct ecc_error ***errors, size_t *n);
bool ecc_has_error(const struct ecc_error *const *errors, size_t n, const struct ecc_error *error);
bool ecc_mark(struct ecc_resolver *r, const void *space, const char *name);  /* false when it was marked already */
bool ecc_marked(struct ecc_resolver *r, const void *space, const char *name);
bool ecc_in_range(struct ecc_resolver *r, int64_t value, int64_t min, int64_t max, struct ecc_span span, const char *what);

/* ------------------------------------------------------------------ references (resolve_refs.c); each does nothing when nobody asks */

/* Notes a name of the source. One that does not stand there as it is called was made up by the resolver, and is left out. */
void ecc_refer(struct ecc_resolver *r, struct ecc_ref ref);
void ecc_refer_symbol(struct ecc_resolver *r, const struct ecc_symbol *symbol, struct ecc_span span, bool declares);
void ecc_refer_field(struct ecc_resolver *r, const struct ecc_field *field, struct ecc_span span, const struct ecc_type *type);
void ecc_refer_var(struct ecc_resolver *r, const struct ecc_var *var, struct ecc_span span, const struct ecc_type *type, bool declares);
void ecc_refer_edge(struct ecc_resolver *r, const struct ecc_edge *edge, struct ecc_span span);
void ecc_refer_fit(struct ecc_resolver *r, const struct ecc_type *from, const struct ecc_type *to); /* a value is fitted */
void ecc_refer_spread(struct ecc_resolver *r, const struct ecc_ast_init *ast, const struct ecc_field *from, const struct ecc_field *to);
/* For ecc_sql_check of that text; NULL when nobody asks. */
const struct ecc_sql_notes *ecc_refer_sql(struct ecc_resolver *r, const struct ecc_text *text);
void ecc_refer_statement(struct ecc_resolver *r, const struct ecc_sql *sql);

/* ------------------------------------------------------------------ types (resolve_types.c) */

const struct ecc_type *ecc_resolve_type(struct ecc_resolver *r, const struct ecc_ast_type *type);
/* Fills record->fields and declares them in the space of the record, as FIELD or PARAM. */
void ecc_resolve_fields(struct ecc_resolver *r, struct ecc_record *record, const struct ecc_ast_fields *fields,
                        enum ecc_ref_kind kind);
void ecc_index_record(struct ecc_resolver *r, const struct ecc_record *record); /* declares the fields of one made elsewhere */
void ecc_resolve_types(struct ecc_resolver *r);                                 /* enums, records, errors, events */
struct ecc_setting *ecc_resolve_setting(struct ecc_resolver *r, const struct ecc_ast_setting *ast, const void *space);

/* ------------------------------------------------------------------ bodies */

struct ecc_fact { bool present; }; /* an optional path that is known to be there; the space of its fields' facts */

enum ecc_body_kind { ECC_BODY_OP, ECC_BODY_CONSUMER, ECC_BODY_END, ECC_BODY_STEP, ECC_BODY_ROUTE };

struct ecc_body { /* what is being resolved: an operation, a consumer, a saga's end, its steps' arguments, a route's arguments */
    enum ecc_body_kind kind;
    const struct ecc_node *node;       /* where it runs */
    const char *what;                  /* "operation `Move`" */
    const struct ecc_op *op;           /* or NULL */
    const struct ecc_saga *saga;       /* or NULL */
    const struct ecc_route *route;     /* or NULL */
    const struct ecc_type *result;     /* of `return`; NULL: nothing is returned */
    struct ecc_effects *effects;
    const char *step;                  /* the saga step whose calls are being resolved, or NULL */
    bool in_tx, tx_writes;
    struct ecc_span tx;                /* the word, when in_tx */
    int loops;
    bool has_facts;
    struct { struct ecc_symbol **items; size_t n, cap; } scope;   /* innermost last */
    struct { struct ecc_fact **items; size_t n, cap; } trail;     /* facts in force */
    char vars, uniques, steps;         /* spaces */
};

struct ecc_mark { size_t scope, trail; };

struct ecc_body *ecc_body_new(struct ecc_resolver *r, enum ecc_body_kind kind, const struct ecc_node *node, const char *what);
struct ecc_var *ecc_bind(struct ecc_resolver *r, struct ecc_body *body, enum ecc_var_kind kind, const struct ecc_name *name,
                         const struct ecc_type *type);
void ecc_bind_fields(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_record *params); /* as PARAM variables */
struct ecc_mark ecc_scope_enter(const struct ecc_body *body);
void ecc_scope_leave(struct ecc_body *body, struct ecc_mark mark);
void ecc_facts_leave(struct ecc_body *body, struct ecc_mark mark); /* forgets facts, keeps names */
const char *ecc_unique_name(struct ecc_resolver *r, const void *space, const char *name);
const char *ecc_snake_name(struct ecc_arena *arena, const char *name);

/* ------------------------------------------------------------------ expressions (resolve_expr.c, resolve_record.c, resolve_operator.c) */

/* expected may be NULL; it only guides (an enum's values, `{ }`, literals). The result has its own type: fit it. */
const struct ecc_expr *ecc_resolve_expr(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast,
                                        const struct ecc_type *expected);
/* Fitted to type, or reported. what: "argument `x`" or NULL. */
const struct ecc_expr *ecc_resolve_to(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast,
                                      const struct ecc_type *type, const char *what);
const struct ecc_expr *ecc_fit_expr(struct ecc_resolver *r, const struct ecc_expr *expr, const struct ecc_type *type, const char *what);
const struct ecc_expr *ecc_resolve_cond(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast);
const struct ecc_expr *ecc_resolve_operator(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_expr *ast);
/* { inits } or (inits) as a RECORD of that record; what: "member", "argument". */
const struct ecc_expr *ecc_resolve_record(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_record *record,
                                          const struct ecc_ast_inits *inits, struct ecc_span span, const char *what);
/* A literal without names in scope: defaults, seeds. uuid and time may be written as text here. */
const struct ecc_expr *ecc_resolve_literal(struct ecc_resolver *r, const struct ecc_ast_expr *ast, const struct ecc_type *type,
                                           const char *what);
/* "a.b.c" in SQL. at: its place in the source. NULL after a report. */
const struct ecc_expr *ecc_resolve_path(struct ecc_resolver *r, struct ecc_body *body, const char *path, struct ecc_span at);
struct ecc_expr *ecc_expr_new(struct ecc_resolver *r, enum ecc_expr_kind kind, const struct ecc_type *type, struct ecc_span span);
const struct ecc_expr *ecc_expr_unknown(struct ecc_resolver *r, struct ecc_span span);
const struct ecc_expr *ecc_expr_var(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_var *var, struct ecc_span span);
const struct ecc_expr *ecc_expr_field(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_expr *of,
                                      const struct ecc_field *field, struct ecc_span span);
/* What holds when cond is truth: optional values are known to be present. */
void ecc_assume_cond(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_expr *cond, bool truth);
void ecc_assume_present(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_expr *expr);

/* ------------------------------------------------------------------ statements (resolve_stmt.c, resolve_call.c, resolve_step.c) */

struct ecc_block ecc_resolve_block(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_block *ast, bool *ends);
struct ecc_stmt *ecc_stmt_new(struct ecc_resolver *r, const struct ecc_body *body, enum ecc_stmt_kind kind, struct ecc_span span);
void ecc_resolve_program(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_block *ast, struct ecc_program *program,
                         struct ecc_span end);
void ecc_let(struct ecc_resolver *r, struct ecc_body *body, struct ecc_stmt *stmt, const struct ecc_ast_stmt *ast,
             const struct ecc_type *type);
/* stmt->u.call but for catches. service_only: externals are refused. NULL after a report. */
struct ecc_stmt *ecc_resolve_remote(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_remote *ast,
                                    const struct ecc_ast_inits *args, bool service_only, const char *step);
void ecc_resolve_call(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, struct ecc_stmt **out);
void ecc_resolve_start(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, struct ecc_stmt *stmt);
void ecc_resolve_await(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, struct ecc_stmt *stmt);
void ecc_resolve_publish(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, struct ecc_stmt *stmt);
/* The keyspace of cache.space[key] and its edge; false after a report. */
bool ecc_resolve_keyed(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_keyed *ast, struct ecc_cache_ref *out);
void ecc_resolve_sql(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, struct ecc_stmt *stmt);
void ecc_resolve_function(struct ecc_resolver *r, struct ecc_body *body, const struct ecc_ast_stmt *ast, struct ecc_stmt *stmt);
void ecc_check_raised(struct ecc_resolver *r, const struct ecc_body *body, const struct ecc_error *error, struct ecc_span span,
                      const char *by);
void ecc_resolve_invariant(struct ecc_resolver *r, const struct ecc_ast_decl *ast); /* resolve_invariant.c */
void ecc_report_sql(struct ecc_resolver *r, const struct ecc_text *text, const void *problems);

/* ------------------------------------------------------------------ the parts of a topology, in the order of the passes */

void ecc_resolve_bus(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node);
void ecc_resolve_cache(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node);
void ecc_resolve_external(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node);
void ecc_resolve_sandbox(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node);
void ecc_resolve_database(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node);
void ecc_resolve_seeds(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node);
void ecc_resolve_drop(struct ecc_resolver *r, const struct ecc_ast_drop *ast, struct ecc_node *service);
void ecc_resolve_service(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node); /* signatures */
void ecc_resolve_service_bodies(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node);
void ecc_resolve_all_bodies(struct ecc_resolver *r); /* of all services, where there are many on several processors (resolve_parts.c) */
void ecc_resolve_saga(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_saga *saga); /* service and parameters */
void ecc_own_sagas(struct ecc_resolver *r); /* after all of them: each service's list */
void ecc_resolve_saga_steps(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_saga *saga);
void ecc_resolve_saga_ends(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_saga *saga);
void ecc_resolve_edges(struct ecc_resolver *r);
void ecc_resolve_gateway(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node);
void ecc_resolve_scenarios(struct ecc_resolver *r);
struct ecc_edge *ecc_edge_between(struct ecc_resolver *r, const struct ecc_node *from, const struct ecc_node *to);
/* The edge, marked as used, or NULL after a report. */
struct ecc_edge *ecc_need_edge(struct ecc_resolver *r, const struct ecc_node *from, const struct ecc_node *to, struct ecc_span span,
                               const char *need);

/* Sandboxes and scenarios: values that are dynamic JSON (resolve_value.c). */
struct ecc_value_scope {
    const struct ecc_record *request; /* sandbox: names are its fields; NULL: a scenario */
    const void *stores;               /* space of the stores */
    const struct ecc_sbx_value *reply;/* the object that is the reply, for reply.field; NULL: not here */
    const struct ecc_request *same;   /* identity's first request, for same.field */
    const void *answers;              /* scenario: space of the requests whose answers have a name by now */
    bool scenario;
};
const struct ecc_sbx_value *ecc_resolve_value(struct ecc_resolver *r, const struct ecc_value_scope *scope, const struct ecc_ast_expr *ast);
const struct ecc_sbx_value *ecc_resolve_object(struct ecc_resolver *r, const struct ecc_value_scope *scope,
                                               const struct ecc_ast_inits *inits);
/* The value of `{order.id}`, given what stands between the braces and where. */
const struct ecc_sbx_value *ecc_resolve_answer(struct ecc_resolver *r, const struct ecc_value_scope *scope, const char *text,
                                               struct ecc_span span);
const struct ecc_sbx_cond *ecc_resolve_test(struct ecc_resolver *r, const struct ecc_value_scope *scope, const struct ecc_ast_expr *ast);

/* {name} parts of a path. Calls each with the name and its place; false at a malformed one (reported). */
bool ecc_path_names(struct ecc_resolver *r, const struct ecc_text *path, struct ecc_names *names);

/* ------------------------------------------------------------------ checks of the whole */

void ecc_find_repeats(struct ecc_resolver *r); /* every program's `repeat`, every operation's callers */
bool ecc_ext_repeats(const struct ecc_ext_call *ext);               /* a provider's call that may be sent twice */
bool ecc_op_reads(struct ecc_resolver *r, const struct ecc_op *op); /* changes nothing anywhere */
/* The call of a provider behind op that would have its effect twice when op is repeated under its key, or NULL. Services remember a key,
 * and so do providers that have a header for it. */
const struct ecc_stmt *ecc_op_doubles(struct ecc_resolver *r, const struct ecc_op *op);
void ecc_check_names(struct ecc_resolver *r);
void ecc_check_edges(struct ecc_resolver *r);
void ecc_check_events(struct ecc_resolver *r);
void ecc_check_sagas(struct ecc_resolver *r);
void ecc_check_timeouts(struct ecc_resolver *r);
void ecc_check_routes(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node);
void ecc_check_unused(struct ecc_resolver *r);

/* The resolver's entry: model is filled; whether it is right is what diags says. refs gets the references, or is NULL.
 * past, or NULL: releases that stand behind the topology in source; gets what they became. */
void ecc_resolve(struct ecc_arena *arena, const struct ecc_source *source, const struct ecc_ast_file *file, struct ecc_pasts *past,
                 struct ecc_diags *diags, struct ecc_model *model, struct ecc_refs *refs);

#endif
