/* What one process needs, with the names it has in C: the bridge between the model and every emitter.
 *
 * A unit is a service, a gateway, or an external's sandbox. ecc_shapes_build collects each record, enum and error that the unit's
 * programs, calls, tables of the runtime and routes reach, in an order in which C can declare them, and gives every one a name
 * that is free. The emitters never make up a name of file scope: they ask here, or claim one with ecc_shapes_claim.
 *
 * Names (see docs/design.md):
 *   record ThingPart             struct thing_part, thing_part_record, struct thing_part_list
 *   event ThingMade v1           struct thing_made (body), thing_made_event; v2: thing_made_v2
 *   op MakeThing of this unit    struct make_thing_in; program prefix make_thing
 *   called op parts-svc.Price    struct parts_svc_price_in, function parts_svc_price
 *   external call mailer.Send    struct mailer_send_in, struct mailer_send_out, function mailer_send
 *   row of `let x` in MakeThing  struct make_thing_x, function db_make_thing_x, statement db_make_thing_x_sql
 *   inline record                <where it stands>_<field>
 *   consumer group g, event E    program prefix g_e
 *   saga make-thing              struct make_thing_saga (holds `in`, a member a result, `error`), struct make_thing_saga_in,
 *                                make_thing_saga, program prefixes make_thing_done and make_thing_failed; of its version 1, when that is
 *                                an older one, with make_thing_v1 instead
 *   route get_v1_things          struct get_v1_things_path, _query, _body, _out (aggregation); program prefix get_v1_things
 *   edge to parts-svc            parts_svc_edge
 *   keyspace sessions of redis   redis_sessions_keyspace
 *   topic thing-events           thing_events_topic
 *   external mailer              mailer_external
 *   setting mail_from            mail_from_setting; one that is only an environment name: <name in lower case>_setting
 * Names that the emitters use for statics of their own are taken from the start: jwt, statements, migrations, seed, service, sandbox ...
 * A record without fields has no struct: ecc_shapes_record gives NULL, members and arguments for it are left out, tables have NULL.
 */
#ifndef ECC_SHAPES_H
#define ECC_SHAPES_H

#include "cnames.h"
#include "model.h"

struct ecc_arena;

struct ecc_shape { /* of a record */
    const struct ecc_record *record;
    const char *name;  /* tag of the struct: thing_part */
    const char *table; /* thing_part_record */
    const char *list;  /* tag of its list: thing_part_list */
    bool listed;       /* the list is used, so it is declared */
    bool preset;       /* has defaults: <table>'s preset is <name>_preset */
};

struct ecc_enum_shape {
    const struct ecc_enum *enum_;
    const char *name;   /* tag: thing_state */
    const char *table;  /* thing_state_enum */
    const char *list;   /* tag of its list */
    bool listed;
    const char **values; /* THING_STATE_PENDING, in the enum's order */
};

struct ecc_error_shape {
    const struct ecc_error *error;
    const char *name; /* error_no_room */
};

struct ecc_program_shape {
    const struct ecc_program *program; /* of an op, consumer, done or failed; NULL for a route */
    const struct ecc_op *op;           /* one of these five is set */
    const struct ecc_consumer *consumer;
    const struct ecc_saga *done, *failed;
    const struct ecc_route *route;
    const char *prefix;   /* make_thing */
    const char *name;     /* make_thing_program */
    const char *run;      /* make_thing_run */
    const char *frame;    /* tag: make_thing_frame */
    const char *step;     /* tag: make_thing_step */
    const char *upper;    /* MAKE_THING: steps are MAKE_THING_START ..., claimed with ecc_shapes_claim */
    const char *title;    /* "thing-svc.MakeThing" */
    const char *file;     /* ops/make_thing.c, consumers/things_thing_made.c, sagas/make_thing.c (done and failed), routes/x.c */
};

struct ecc_sql_shape_of { /* a statement */
    const struct ecc_sql *sql;
    const struct ecc_program_shape *program;
    const char *function;        /* db_make_thing_quote */
    const char *statement;       /* db_make_thing_quote_sql */
    const char *title;           /* "thing-svc.MakeThing.quote" */
    const struct ecc_shape *row; /* NULL for exec */
    bool deferred, lone;         /* see defer.h */
    const struct ecc_error *none; /* of one that is deferred: what no row is */
};

struct ecc_call_shape { /* a client function */
    const struct ecc_edge *edge;
    const struct ecc_op *op;        /* internal, or NULL */
    const struct ecc_ext_call *ext; /* external, or NULL */
    const char *function;           /* parts_svc_price_lines */
    const char *table;              /* parts_svc_price_lines_call */
    const struct ecc_shape *in, *out; /* NULL: nothing */
};

struct ecc_saga_shape {
    const struct ecc_saga *saga;
    const char *prefix;          /* make_thing; of an older version make_thing_v1 */
    const char *name;            /* tag of its struct, and the name of its table: make_thing_saga */
    const struct ecc_shape *in;
};

struct ecc_await { /* a step of a program that waits: a crash point before and after it */
    const char *label;   /* of its `case` */
    const char *program; /* "thing-svc.MakeThing" */
    bool commits;
};

/* Any other file-scope name: an edge, a keyspace, a topic, an event, an external, a setting. */
struct ecc_thing {
    const void *of; /* the model's struct */
    const char *name;
};

struct ecc_shapes {
    struct ecc_arena *arena;
    const struct ecc_model *model;
    const struct ecc_node *node;
    bool sandbox;
    const char *prefix; /* thing_svc, mailer_sandbox */
    const char *folder; /* thing-svc, mailer-sandbox: under generated/ */
    const char *header; /* thing_svc.h */
    struct ecc_cnames tags, globals;
    struct { struct ecc_enum_shape **items; size_t n, cap; } enums;    /* sorted by name */
    struct { struct ecc_shape **items; size_t n, cap; } records;       /* what is held by value comes first */
    struct { struct ecc_error_shape **items; size_t n, cap; } errors;  /* sorted by name */
    struct { struct ecc_program_shape **items; size_t n, cap; } programs; /* ops, consumers, sagas, routes, each in source order */
    struct { struct ecc_sql_shape_of **items; size_t n, cap; } sqls;   /* in the order of programs and statements */
    struct { struct ecc_call_shape **items; size_t n, cap; } calls;    /* distinct, sorted by function */
    struct { struct ecc_saga_shape **items; size_t n, cap; } sagas;
    struct { const struct ecc_edge **items; size_t n, cap; } edges;        /* that carry calls: to a service or an external; sorted by peer */
    struct { const struct ecc_event **items; size_t n, cap; } events;      /* published or consumed; sorted by name */
    struct { const struct ecc_topic **items; size_t n, cap; } topics;      /* of those events; sorted by name */
    struct { const struct ecc_keyspace **items; size_t n, cap; } keyspaces; /* used by a statement or a route; sorted by C name */
    struct { const struct ecc_node **items; size_t n, cap; } externals;    /* that are called; sorted by name */
    struct { struct ecc_thing *items; size_t n, cap; } things;
    struct { struct ecc_thing *items; size_t n, cap; } secrets; /* of: the environment name */
    struct { struct ecc_await *items; size_t n, cap; } awaits; /* as they are printed */
    struct ecc_index *index; /* address -> shape */
    bool uses_password, uses_jwt;
    const struct ecc_shape *claims; /* the runtime's struct ec_claims: has neither table nor list */
};

/* node: a service, a gateway, or, with sandbox, an external. */
struct ecc_shapes *ecc_shapes_build(struct ecc_arena *arena, const struct ecc_model *model, const struct ecc_node *node, bool sandbox);

/* NULL when the unit has none, or the record has no fields. */
const struct ecc_shape *ecc_shapes_record(const struct ecc_shapes *shapes, const struct ecc_record *record);
const struct ecc_enum_shape *ecc_shapes_enum(const struct ecc_shapes *shapes, const struct ecc_enum *enum_);
const char *ecc_shapes_enum_value(const struct ecc_shapes *shapes, const struct ecc_enum *enum_, const char *value);
const char *ecc_shapes_error(const struct ecc_shapes *shapes, const struct ecc_error *error); /* error_no_room */
const struct ecc_program_shape *ecc_shapes_program(const struct ecc_shapes *shapes, const struct ecc_program *program);
const struct ecc_program_shape *ecc_shapes_route(const struct ecc_shapes *shapes, const struct ecc_route *route);
const struct ecc_sql_shape_of *ecc_shapes_sql(const struct ecc_shapes *shapes, const struct ecc_sql *sql);
const struct ecc_call_shape *ecc_shapes_call(const struct ecc_shapes *shapes, const struct ecc_op *op, const struct ecc_ext_call *ext);
/* The member of the saga's struct that holds a step's result: its name, apart from `in` and `error`. */
const char *ecc_shapes_result(const struct ecc_shapes *shapes, const struct ecc_var *result);
const struct ecc_saga_shape *ecc_shapes_saga(const struct ecc_shapes *shapes, const struct ecc_saga *saga);
/* The name of an edge, event, topic, keyspace, external node or setting (struct ecc_setting). */
const char *ecc_shapes_name(const struct ecc_shapes *shapes, const void *thing);
/* Of a secret that is only an environment name: external.auth_secret, jwt->secret. */
const char *ecc_shapes_secret(const struct ecc_shapes *shapes, const char *env);

/* A name of file scope that nobody else has; for static names and step enumerators. */
const char *ecc_shapes_claim(struct ecc_shapes *shapes, const char *wanted);
/* The same for the label of an await, which is noted. */
const char *ecc_shapes_await(struct ecc_shapes *shapes, const char *wanted, const char *program, bool commits);

/* "struct ec_str", "int64_t *" (optional), "struct thing_part_list": what stands before a member's name. */
const char *ecc_c_type(const struct ecc_shapes *shapes, const struct ecc_type *type);
/* "int64_t *qty": declaration of a member or parameter whose name is already one of C. */
const char *ecc_c_decl(const struct ecc_shapes *shapes, const struct ecc_type *type, const char *name);
/* "const int64_t *qty": of a parameter of a function. Records and lists are handed over by pointer. */
const char *ecc_c_param(const struct ecc_shapes *shapes, const struct ecc_type *type, const char *name);
bool ecc_c_by_pointer(const struct ecc_type *type);
/* Is an optional value of this type a pointer (else absent is p or v NULL)? */
bool ecc_c_optional_pointer(const struct ecc_type *type);
/* EC_TEXT, EC_RECORD ...: the kind of the item, for a list. */
const char *ecc_c_kind(const struct ecc_type *type);

#endif
