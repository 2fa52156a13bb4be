/* The second pass of shapes.c: order, and names that are free. */
#include "shapes.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "shapes_find.h"

/* Names that the emitters use for statics of their own. */
static const char *const service_names[] = {
    "consumers", "edges", "jwt", "migrations", "modules", "ops", "sagas", "seed", "service", "settings", "statements", "task", "topics",
};
static const char *const gateway_names[] = {
    "auth", "auth_in_record", "auth_program", "auth_run", "auth_while_key", "gateway", "limit", "modules", "nodes", "service", "settings", "task",
    "topics",
};
static const char *const sandbox_names[] = {"calls", "refusals", "sandbox", "task"};
static const char *const gateway_tags[] = {"auth_frame", "auth_in", "auth_step"};

static int by_enum(const void *a, const void *b)
{
    return strcmp((*(struct ecc_enum_shape *const *)a)->enum_->name, (*(struct ecc_enum_shape *const *)b)->enum_->name);
}

static int by_error(const void *a, const void *b)
{
    return strcmp((*(struct ecc_error_shape *const *)a)->error->name, (*(struct ecc_error_shape *const *)b)->error->name);
}

static int by_event(const void *a, const void *b)
{
    return strcmp((*(const struct ecc_event *const *)a)->name, (*(const struct ecc_event *const *)b)->name);
}

static int by_topic(const void *a, const void *b)
{
    return strcmp((*(const struct ecc_topic *const *)a)->name, (*(const struct ecc_topic *const *)b)->name);
}

static int by_edge(const void *a, const void *b)
{
    return strcmp((*(const struct ecc_edge *const *)a)->to->name, (*(const struct ecc_edge *const *)b)->to->name);
}

static int by_node(const void *a, const void *b)
{
    return strcmp((*(const struct ecc_node *const *)a)->name, (*(const struct ecc_node *const *)b)->name);
}

static int by_call(const void *a, const void *b)
{
    return strcmp((*(struct ecc_call_shape *const *)a)->function, (*(struct ecc_call_shape *const *)b)->function);
}

static int by_keyspace(const void *a, const void *b)
{
    const struct ecc_keyspace *x = *(const struct ecc_keyspace *const *)a, *y = *(const struct ecc_keyspace *const *)b;
    int order = strcmp(x->cache->name, y->cache->name);

    return order ? order : strcmp(x->name, y->name);
}

#define SORT(list, compare)                                                                                                           \
    do {                                                                                                                              \
        if ((list).n)                                                                                                                 \
            qsort((list).items, (list).n, sizeof *(list).items, (compare));                                                          \
    } while (0)

void ecc_shapes_sort(struct ecc_shapes *s)
{
    SORT(s->enums, by_enum);
    SORT(s->errors, by_error);
    SORT(s->events, by_event);
    SORT(s->topics, by_topic);
    SORT(s->edges, by_edge);
    SORT(s->externals, by_node);
    SORT(s->calls, by_call);
    SORT(s->keyspaces, by_keyspace);
}

static const char *tag(struct ecc_shapes *s, const char *wanted)
{
    return ecc_cnames_claim(&s->tags, wanted);
}

static const char *global(struct ecc_shapes *s, const char *wanted)
{
    return ecc_cnames_claim(&s->globals, wanted);
}

#define CLAIM(s, list, how)                                                                                                           \
    do {                                                                                                                              \
        for (size_t claim = 0; claim < sizeof(list) / sizeof *(list); claim++)                                                        \
            how((s), (list)[claim]);                                                                                                  \
    } while (0)
#define FMT(s, ...) ecc_arena_printf((s)->arena, __VA_ARGS__)

static void name_enum(struct ecc_shapes *s, struct ecc_enum_shape *shape)
{
    const char *upper = ecc_upper(s->arena, shape->enum_->name);

    shape->list = tag(s, FMT(s, "%s_list", shape->name));
    shape->table = global(s, FMT(s, "%s_enum", shape->name));
    shape->values = ECC_NEW_ARRAY(s->arena, const char *, shape->enum_->nvalues);
    for (size_t i = 0; i < shape->enum_->nvalues; i++)
        shape->values[i] = global(s, FMT(s, "%s_%s", upper, ecc_upper(s->arena, shape->enum_->values[i])));
}

static void name_record(struct ecc_shapes *s, struct ecc_shape *shape)
{
    shape->table = global(s, FMT(s, "%s_record", shape->name));
    shape->list = tag(s, FMT(s, "%s_list", shape->name));
    ecc_cnames_claim(&s->globals, FMT(s, "%s_fields", shape->name));
    if (shape->preset)
        ecc_cnames_claim(&s->globals, FMT(s, "%s_preset", shape->name));
}

static void name_program(struct ecc_shapes *s, struct ecc_program_shape *p)
{
    p->name = global(s, FMT(s, "%s_program", p->prefix));
    p->run = global(s, FMT(s, "%s_run", p->prefix));
    p->frame = tag(s, FMT(s, "%s_frame", p->prefix));
    p->step = tag(s, FMT(s, "%s_step", p->prefix));
}

void ecc_shapes_give_names(struct ecc_shapes *s)
{
    if (s->sandbox) {
        CLAIM(s, sandbox_names, global);
    } else if (s->node->kind == ECC_NODE_GATEWAY) {
        CLAIM(s, gateway_names, global);
        CLAIM(s, gateway_tags, tag);
    } else {
        CLAIM(s, service_names, global);
    }
    for (size_t i = 0; i < s->enums.n; i++)
        s->enums.items[i]->name = tag(s, ecc_snake(s->arena, s->enums.items[i]->enum_->name));
    for (int made_up = 0; made_up < 2; made_up++) {
        for (size_t i = 0; i < s->records.n; i++) {
            struct ecc_shape *shape = s->records.items[i];
            if ((shape->record->name == NULL) == (made_up != 0))
                shape->name = tag(s, shape->name);
        }
    }
    for (size_t i = 0; i < s->sagas.n; i++)
        s->sagas.items[i]->name = tag(s, global(s, s->sagas.items[i]->name));
    for (size_t i = 0; i < s->enums.n; i++)
        name_enum(s, s->enums.items[i]);
    for (size_t i = 0; i < s->records.n; i++)
        name_record(s, s->records.items[i]);
    for (size_t i = 0; i < s->errors.n; i++)
        s->errors.items[i]->name = global(s, FMT(s, "error_%s", ecc_snake(s->arena, s->errors.items[i]->error->name)));
    for (size_t i = 0; i < s->programs.n; i++)
        name_program(s, s->programs.items[i]);
    for (size_t i = 0; i < s->calls.n; i++) {
        struct ecc_call_shape *call = s->calls.items[i];
        call->function = global(s, call->function);
        call->table = global(s, FMT(s, "%s_call", call->function));
    }
    for (size_t i = 0; i < s->sqls.n; i++) {
        struct ecc_sql_shape_of *sql = s->sqls.items[i];
        sql->function = global(s, sql->function);
        sql->statement = global(s, FMT(s, "%s_sql", sql->function));
    }
    for (size_t i = 0; i < s->things.n; i++) {
        struct ecc_thing *thing = &s->things.items[i];
        thing->name = global(s, thing->name);
        ecc_shapes_replace(s, thing->of, (void *)thing->name);
    }
    for (size_t i = 0; i < s->secrets.n; i++)
        s->secrets.items[i].name = global(s, s->secrets.items[i].name);
}
