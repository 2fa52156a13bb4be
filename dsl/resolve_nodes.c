/* Buses with their topics, caches with their keyspaces. */
#include "resolve.h"

#include <string.h>

/* ------------------------------------------------------------------ buses */

enum { LONGEST_TOPIC = 249 - (int)sizeof ".dead-letter" + 1 }; /* a bus has names of 249 characters */

static bool can_be_key(const struct ecc_type *type)
{
    return ecc_type_is_scalar(type) && !type->optional && type->kind != ECC_TYPE_SECRET && type->kind != ECC_TYPE_FLOAT;
}

static void check_key(struct ecc_resolver *r, const struct ecc_ast_topic *ast, const struct ecc_event *event)
{
    const struct ecc_field *field = ecc_find_name(r, event->body, &ast->key);

    if (!field) {
        struct ecc_diag *d = ecc_unknown(r, event->body, &ast->key, ECC_E_TOPIC_KEY, ecc_arena_printf(r->arena, "field of event %s called", event->name));
        ecc_diag_second(d, event->span, "every event of a topic has the topic's key");
    } else if (!ECC_IS_UNKNOWN(field->type) && !can_be_key(field->type)) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_TOPIC_KEY, ast->key.span, "%s can't be a key", ecc_type_name(r->arena, field->type));
        ecc_diag_second(d, field->span, "declared here");
    }
}

static struct ecc_topic *resolve_topic(struct ecc_resolver *r, const struct ecc_ast_topic *ast, const struct ecc_bus *bus)
{
    struct ecc_topic *topic = ECC_NEW(r->arena, struct ecc_topic);
    struct { const struct ecc_event **items; size_t n, cap; } events = {0};

    topic->name = ast->name.text;
    topic->bus = bus;
    topic->key = ast->key.text;
    topic->retention_ms = ast->retention_ms;
    topic->span = ast->name.span;
    ecc_in_range(r, (int64_t)strlen(topic->name), 1, LONGEST_TOPIC, ast->name.span, "the length of a topic's name");
    ecc_in_range(r, ast->partitions, 1, 10000, ast->partitions_span, "the number of partitions");
    topic->partitions = (int)ast->partitions;
    if (!ast->events.n)
        ecc_diag(r->diags, ECC_E_EMPTY, ast->name.span, "topic `%s` carries no event", topic->name);
    for (size_t i = 0; i < ast->events.n; i++) {
        struct ecc_event *event = ecc_lookup(r, &r->spaces->events, &ast->events.items[i], ECC_E_UNKNOWN_EVENT, "event");
        if (!event)
            continue;
        if (event->topic) {
            struct ecc_diag *d =
                ecc_diag(r->diags, ECC_E_DUPLICATE, ast->events.items[i].span, "event `%s` has a topic already", event->name);
            ecc_diag_second(d, event->topic->span, "it is carried by this one");
            continue;
        }
        struct ecc_event **all = event->several ? r->model->events : &event;
        for (size_t k = 0, n = event->several ? r->model->nevents : 1; k < n; k++) { /* all of its versions */
            if (strcmp(all[k]->name, event->name) != 0)
                continue;
            all[k]->topic = topic;
            check_key(r, ast, all[k]);
            ECC_PUSH(r->arena, &events, all[k]);
        }
    }
    topic->events = events.items;
    topic->nevents = events.n;
    return topic;
}

void ecc_resolve_bus(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node)
{
    const struct ecc_ast_topics *topics = &ast->u.bus.topics;
    struct ecc_bus *bus = &node->u.bus;

    bus->topics = ECC_NEW_ARRAY(r->arena, struct ecc_topic *, topics->n);
    for (size_t i = 0; i < topics->n; i++) {
        struct ecc_topic *topic = resolve_topic(r, topics->items[i], bus);
        if (ecc_declare(r, &r->spaces->topics, &topics->items[i]->name, topic, ECC_REF_TOPIC))
            bus->topics[bus->ntopics++] = topic;
    }
}

/* ------------------------------------------------------------------ caches */

enum { MOST_NEAR_MS = 60000 };

/* What others put and drop is seen that much later: a bound, and a small one. */
static void check_near(struct ecc_resolver *r, const struct ecc_ast_keyspace *ast)
{
    if (!ast->near_span.end || !ecc_in_range(r, ast->near_ms, 1, MOST_NEAR_MS, ast->near_span, "`near` in milliseconds"))
        return;
    if (ast->ttl_ms > 0 && ast->near_ms > ast->ttl_ms) {
        struct ecc_diag *d = ecc_diag(r->diags, ECC_E_RANGE, ast->near_span, "`near` must not be longer than the ttl");
        ecc_diag_second(d, ast->ttl_span, "the cache itself forgets the value after this");
    }
}

static struct ecc_keyspace *resolve_keyspace(struct ecc_resolver *r, const struct ecc_ast_keyspace *ast, const struct ecc_node *node)
{
    struct ecc_keyspace *keyspace = ECC_NEW(r->arena, struct ecc_keyspace);
    struct ecc_field *key = ECC_NEW(r->arena, struct ecc_field);
    struct ecc_ast_type named = {.kind = ECC_AST_TYPE_NAMED, .name = ast->value, .span = ast->value.span};
    const struct ecc_type *value = ecc_resolve_type(r, &named);

    *key = (struct ecc_field){.name = ast->key->name.text, .wire = ast->key->name.text, .type = ecc_resolve_type(r, ast->key->type),
                              .span = ast->key->name.span};
    if (!ECC_IS_UNKNOWN(key->type) && !can_be_key(key->type))
        ecc_diag(r->diags, ECC_E_TYPE, ast->key->type->span, "%s can't be a key", ecc_type_name(r->arena, key->type));
    if (!ECC_IS_UNKNOWN(value) && value->kind != ECC_TYPE_RECORD)
        ecc_diag(r->diags, ECC_E_TYPE, ast->value.span, "a keyspace holds a record, not %s", ecc_type_name(r->arena, value));
    else if (!ECC_IS_UNKNOWN(value))
        keyspace->value = value->record;
    if (ast->ttl_ms <= 0)
        ecc_diag(r->diags, ECC_E_RANGE, ast->ttl_span, "a ttl must be longer than nothing");
    check_near(r, ast);
    keyspace->name = ast->name.text;
    keyspace->cache = node;
    keyspace->key = key;
    keyspace->ttl_ms = ast->ttl_ms;
    keyspace->near_ms = ast->near_ms;
    keyspace->span = ast->name.span;
    return keyspace;
}

void ecc_resolve_cache(struct ecc_resolver *r, const struct ecc_ast_decl *ast, struct ecc_node *node)
{
    const struct ecc_ast_keyspaces *all = &ast->u.cache.keyspaces;
    struct ecc_cache *cache = &node->u.cache;

    cache->keyspaces = ECC_NEW_ARRAY(r->arena, struct ecc_keyspace *, all->n);
    for (size_t i = 0; i < all->n; i++) {
        struct ecc_keyspace *keyspace = resolve_keyspace(r, all->items[i], node);
        if (ecc_declare(r, &cache->keyspaces, &all->items[i]->name, keyspace, ECC_REF_KEYSPACE))
            cache->keyspaces[cache->nkeyspaces++] = keyspace;
    }
}
