/* What stands around the services: buses with topics and events, caches, providers. */
#include "internal.h"

/* ------------------------------------------------------------------ events */

const struct ecc_event *ecc_event_of(const struct ecc_model *model, const char *name, int version)
{
    for (size_t i = 0; i < model->nevents; i++)
        if (strcmp(model->events[i]->name, name) == 0 && (!version || model->events[i]->version == version))
            return model->events[i];
    return NULL;
}

void ecc_compare_events(struct ecc_comparer *c)
{
    const struct ecc_model *old = c->old, *new_ = c->new_;

    for (size_t i = 0; i < new_->nevents; i++) {
        const struct ecc_event *now = new_->events[i], *was = ecc_event_of(old, now->name, now->version);
        const char *subject = CFMT(c, "event %s v%d", now->name, now->version);
        if (!was) {
            bool known = ecc_event_of(old, now->name, 0);
            ecc_differ(c, known ? ECC_DIFF_EVENT_VERSION_ADDED : ECC_DIFF_EVENT_ADDED, false, now->span, subject,
                       known ? "new version" : "new event");
            continue;
        }
        ecc_compare_records(c, ECC_AT_EVENT, subject, was->body, now->body, was->span, now->span);
        if (was->topic && now->topic && strcmp(was->topic->name, now->topic->name) != 0)
            ecc_differ(c, ECC_DIFF_EVENT_MOVED, false, now->span, subject, "was in topic %s and is in %s", was->topic->name,
                       now->topic->name);
    }
    for (size_t i = 0; i < old->nevents; i++) {
        const struct ecc_event *was = old->events[i];
        if (!ecc_event_of(new_, was->name, was->version))
            ecc_differ(c, ECC_DIFF_EVENT_REMOVED, true, was->span, CFMT(c, "event %s v%d", was->name, was->version), "is gone");
    }
}

/* ------------------------------------------------------------------ topics */

static void compare_topic(struct ecc_comparer *c, const char *subject, const struct ecc_topic *old, const struct ecc_topic *new_)
{
    if (strcmp(old->key, new_->key) != 0)
        ecc_differ(c, ECC_DIFF_TOPIC_KEY_CHANGED, false, new_->span, subject, "its key was %s and is %s", old->key, new_->key);
    if (old->partitions != new_->partitions)
        ecc_differ(c, ECC_DIFF_TOPIC_PARTITIONS_CHANGED, false, new_->span, subject, "had %d partitions and has %d", old->partitions,
                   new_->partitions);
    if (old->retention_ms != new_->retention_ms) {
        bool shorter = new_->retention_ms && (!old->retention_ms || new_->retention_ms < old->retention_ms);
        ecc_differ(c, shorter ? ECC_DIFF_TOPIC_RETENTION_SHORTER : ECC_DIFF_TOPIC_RETENTION_LONGER, false, new_->span, subject,
                   "its retention was %s and is %s", old->retention_ms ? ecc_duration_words(c->arena, old->retention_ms) : "the broker's",
                   new_->retention_ms ? ecc_duration_words(c->arena, new_->retention_ms) : "the broker's");
    }
}

static void compare_topics(struct ecc_comparer *c, const struct ecc_bus *old, const struct ecc_bus *new_)
{
    for (size_t i = 0; i < new_->ntopics; i++) {
        const struct ecc_topic *now = new_->topics[i], *was = FIND(old->topics, old->ntopics, now->name);
        const char *subject = CFMT(c, "topic %s", now->name);
        if (was)
            compare_topic(c, subject, was, now);
        else
            ecc_differ(c, ECC_DIFF_TOPIC_ADDED, false, now->span, subject, "new, key %s, %d partitions", now->key, now->partitions);
    }
    for (size_t i = 0; i < old->ntopics; i++)
        if (!FIND(new_->topics, new_->ntopics, old->topics[i]->name))
            ecc_differ(c, ECC_DIFF_TOPIC_REMOVED, true, old->topics[i]->span, CFMT(c, "topic %s", old->topics[i]->name), "is gone");
}

/* ------------------------------------------------------------------ keyspaces */

static const char *near_words(struct ecc_comparer *c, const struct ecc_keyspace *keyspace)
{
    return keyspace->near_ms ? ecc_duration_words(c->arena, keyspace->near_ms) : "none";
}

static void compare_keyspaces(struct ecc_comparer *c, const char *cache, const struct ecc_cache *old, const struct ecc_cache *new_)
{
    for (size_t i = 0; i < new_->nkeyspaces; i++) {
        const struct ecc_keyspace *now = new_->keyspaces[i], *was = FIND(old->keyspaces, old->nkeyspaces, now->name);
        const char *subject = CFMT(c, "keyspace %s.%s", cache, now->name);
        if (!was) {
            ecc_differ(c, ECC_DIFF_KEYSPACE_ADDED, false, now->span, subject, "new, ttl %s%s%s", ecc_duration_words(c->arena, now->ttl_ms),
                       now->near_ms ? ", near " : "", now->near_ms ? near_words(c, now) : "");
            continue;
        }
        const char *before = ecc_canon_type(c->arena, was->key->type), *after = ecc_canon_type(c->arena, now->key->type);
        if (strcmp(before, after) != 0)
            ecc_differ(c, ECC_DIFF_KEYSPACE_KEY_CHANGED, false, now->span, subject, "its key was %s and is %s", before, after);
        if (was->ttl_ms != now->ttl_ms)
            ecc_differ(c, ECC_DIFF_KEYSPACE_TTL_CHANGED, false, now->span, subject, "its ttl was %s and is %s",
                       ecc_duration_words(c->arena, was->ttl_ms), ecc_duration_words(c->arena, now->ttl_ms));
        if (was->near_ms != now->near_ms)
            ecc_differ(c, ECC_DIFF_KEYSPACE_NEAR_CHANGED, false, now->span, subject, "its near was %s and is %s", near_words(c, was),
                       near_words(c, now));
        struct ecc_type a = {.kind = ECC_TYPE_RECORD, .record = was->value}, b = {.kind = ECC_TYPE_RECORD, .record = now->value};
        ecc_compare_types(c, ECC_AT_CACHE, subject, was->span, now->span, &a, &b);
    }
    for (size_t i = 0; i < old->nkeyspaces; i++)
        if (!FIND(new_->keyspaces, new_->nkeyspaces, old->keyspaces[i]->name))
            ecc_differ(c, ECC_DIFF_KEYSPACE_REMOVED, true, old->keyspaces[i]->span,
                       CFMT(c, "keyspace %s.%s", cache, old->keyspaces[i]->name), "is gone");
}

/* ------------------------------------------------------------------ providers */

static const char *auth_text(struct ecc_comparer *c, const struct ecc_external *e)
{
    static const char *const kinds[] = {"none", "bearer", "basic", "header"};

    return CFMT(c, "%s%s%s%s%s%s%s", kinds[e->auth], e->auth_header ? " " : "", e->auth_header ? e->auth_header : "",
                e->auth_user ? " " : "", e->auth_user ? e->auth_user->name : "", e->auth_secret ? " secret " : "",
                e->auth_secret ? e->auth_secret : "");
}

/* What of a call differs, by its parts, so that a long one is not told whole. */
static void compare_call(struct ecc_comparer *c, const char *subject, const struct ecc_ext_call *old, const struct ecc_ext_call *new_)
{
    static const char *const encodings[] = {"none", "form", "json", "query"};
    struct ecc_arena *arena = c->arena;
    const char *errors[2];
    const struct ecc_ext_call *sides[2] = {old, new_};

    for (int i = 0; i < 2; i++) {
        const char **items = ECC_NEW_ARRAY(arena, const char *, sides[i]->nerrors);
        for (size_t j = 0; j < sides[i]->nerrors; j++)
            items[j] = CFMT(c, "%d -> %s", sides[i]->errors[j].status, sides[i]->errors[j].error->name);
        errors[i] = ecc_join_sorted(arena, items, sides[i]->nerrors);
    }
    const char *idempotency[2] = {old->idempotency_header ? old->idempotency_header : "",
                                  new_->idempotency_header ? new_->idempotency_header : ""};
    const struct {
        const char *word, *was, *now;
    } parts[] = {
        {"method", old->method, new_->method},
        {"path", old->path, new_->path},
        {"encoding", encodings[old->encoding], encodings[new_->encoding]},
        {"request", ecc_canon_record(arena, old->request), ecc_canon_record(arena, new_->request)},
        {"reply", ecc_canon_record(arena, old->reply), ecc_canon_record(arena, new_->reply)},
        {"idempotency header", idempotency[0], idempotency[1]},
        {"errors", errors[0], errors[1]},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strcmp(parts[i].was, parts[i].now) != 0)
            ecc_differ(c, ECC_DIFF_CALL_CHANGED, false, new_->span, subject, "%s: was `%s`, is `%s`", parts[i].word,
                       *parts[i].was ? parts[i].was : "none", *parts[i].now ? parts[i].now : "none");
}

static void compare_external(struct ecc_comparer *c, const struct ecc_node *old, const struct ecc_node *new_)
{
    static const struct ecc_external none;
    const struct ecc_external *a = old ? &old->u.external : &none, *b = new_ ? &new_->u.external : &none;
    const char *name = new_ ? new_->name : old->name, *subject = CFMT(c, "external %s", name);

    for (size_t i = 0; i < b->ncalls; i++) {
        const struct ecc_ext_call *now = b->calls[i], *was = FIND(a->calls, a->ncalls, now->name);
        if (was)
            compare_call(c, CFMT(c, "%s.%s", name, now->name), was, now);
        else
            ecc_differ(c, ECC_DIFF_CALL_ADDED, false, now->span, CFMT(c, "%s.%s", name, now->name), "new call, %s %s", now->method,
                       now->path);
    }
    for (size_t i = 0; i < a->ncalls; i++)
        if (!FIND(b->calls, b->ncalls, a->calls[i]->name))
            ecc_differ(c, ECC_DIFF_CALL_REMOVED, true, a->calls[i]->span, CFMT(c, "%s.%s", name, a->calls[i]->name), "call is gone");
    if (!old || !new_)
        return;
    if (strcmp(a->base, b->base) != 0 || !ecc_same_text(a->base_env, b->base_env))
        ecc_differ(c, ECC_DIFF_EXTERNAL_CHANGED, false, new_->span, subject, "its base was %s env %s and is %s env %s", a->base,
                   a->base_env ? a->base_env : "none", b->base, b->base_env ? b->base_env : "none");
    if (strcmp(auth_text(c, a), auth_text(c, b)) != 0)
        ecc_differ(c, ECC_DIFF_EXTERNAL_CHANGED, false, new_->span, subject, "auth was %s and is %s", auth_text(c, a), auth_text(c, b));
    ecc_compare_settings(c, subject, a->settings, a->nsettings, b->settings, b->nsettings);
    if (strcmp(ecc_canon_sandbox(c->arena, a), ecc_canon_sandbox(c->arena, b)) != 0)
        ecc_differ(c, ECC_DIFF_SANDBOX_CHANGED, false, new_->span, subject, "its sandbox changed");
}

void ecc_compare_around(struct ecc_comparer *c, const struct ecc_node *old, const struct ecc_node *new_)
{
    static const struct ecc_bus no_bus;
    static const struct ecc_cache no_cache;
    const struct ecc_node *node = new_ ? new_ : old;

    if (node->kind == ECC_NODE_BUS)
        compare_topics(c, old ? &old->u.bus : &no_bus, new_ ? &new_->u.bus : &no_bus);
    else if (node->kind == ECC_NODE_CACHE)
        compare_keyspaces(c, node->name, old ? &old->u.cache : &no_cache, new_ ? &new_->u.cache : &no_cache);
    else if (node->kind == ECC_NODE_EXTERNAL)
        compare_external(c, old, new_);
}
