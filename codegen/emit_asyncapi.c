/* asyncapi.yaml: what is on the buses, as AsyncAPI 3.0: a channel a topic and one for its dead letters, who sends what there and which
 * group takes it, and each version of each event with the headers that the runtime writes (runtime/bus_relay.c: CloudEvents in binary
 * mode; runtime/bus_dead_letter.c).
 *
 * Everything is sorted by what names it. Names of topics have no underscore, so one between a service, what it does and a topic can't be
 * mistaken.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "codegen.h"
#include "json_schema.h"
#include "walk.h"

#define VERSION "1.0.0"
#define BINDING "0.5.0"

struct events {
    const struct ecc_event **items;
    size_t n, cap;
};

struct doc {
    struct ecc_arena *arena;
    const struct ecc_model *model;
    struct ecc_json_schemas schemas;
    const char *cloud_event; /* the schema of what all messages have in their headers */
    struct ecc_yaml *servers, *channels, *operations, *messages;
    struct events *published; /* for each node, of the services */
    size_t own; /* the operations from here on are of the service that is looked at */
    bool letters;
};

/* ------------------------------------------------------------------ who publishes what */

struct publishing {
    struct ecc_arena *arena;
    struct events *events;
};

static void add_event(struct ecc_arena *arena, struct events *to, const struct ecc_event *event)
{
    for (size_t i = 0; i < to->n; i++)
        if (to->items[i] == event)
            return;
    ECC_PUSH(arena, to, event);
}

static void note_publish(void *context, const struct ecc_stmt *stmt)
{
    const struct publishing *p = context;

    if (stmt->kind == ECC_STMT_PUBLISH)
        add_event(p->arena, p->events, stmt->u.publish.event);
}

static int by_id(const void *a, const void *b)
{
    return strcmp((*(const struct ecc_event *const *)a)->id, (*(const struct ecc_event *const *)b)->id);
}

static struct events published(struct ecc_arena *arena, const struct ecc_service *service)
{
    struct events events = {0};
    struct publishing p = {arena, &events};
    const struct ecc_walker walker = {.stmt = note_publish, .context = &p};

    for (size_t i = 0; i < service->nops; i++)
        ecc_walk_block(&walker, &service->ops[i]->program.body);
    for (size_t i = 0; i < service->nconsumers; i++)
        ecc_walk_block(&walker, &service->consumers[i]->program.body);
    for (size_t i = 0; i < service->nsagas; i++) {
        ecc_walk_block(&walker, &service->sagas[i]->done.body);
        ecc_walk_block(&walker, &service->sagas[i]->failed.body);
    }
    if (events.n)
        qsort(events.items, events.n, sizeof *events.items, by_id);
    return events;
}

/* ------------------------------------------------------------------ headers */

static struct ecc_yaml *property(struct ecc_yaml *properties, const char *name, const char *description)
{
    struct ecc_yaml *schema = ecc_yaml_put_map(properties, name);

    ecc_yaml_put_text(schema, "type", "string");
    if (description)
        ecc_yaml_put_text(schema, "description", description);
    return schema;
}

static struct ecc_yaml *headers_of(struct ecc_arena *arena, const char *const *required, size_t n, struct ecc_yaml **properties)
{
    struct ecc_yaml *schema = ecc_yaml_map(arena), *list;

    ecc_yaml_put_text(schema, "type", "object");
    list = ecc_yaml_put_list(schema, "required");
    for (size_t i = 0; i < n; i++)
        ecc_yaml_add_text(list, required[i]);
    *properties = ecc_yaml_put_map(schema, "properties");
    return schema;
}

static const char *cloud_event(struct doc *d)
{
    static const char *const required[] = {"ce_id", "ce_type", "ce_source", "ce_specversion", "ce_time", "content-type"};
    struct ecc_yaml *properties, *schema = headers_of(d->arena, required, sizeof required / sizeof *required, &properties);

    ecc_yaml_put_text(property(properties, "ce_id", "Of the event; stays the same when the message is sent again"), "format", "uuid");
    property(properties, "ce_type", "The event and its version");
    property(properties, "ce_source", "The service that published it");
    ecc_yaml_put_text(property(properties, "ce_specversion", NULL), "const", "1.0");
    ecc_yaml_put_text(property(properties, "ce_time", "When it was published"), "format", "date-time");
    ecc_yaml_put_text(property(properties, "content-type", NULL), "const", "application/json");
    property(properties, "traceparent", "W3C Trace Context of what published it");
    property(properties, "replay-group", "Of a message that came back from the dead letters: the only group that takes it");
    property(properties, "replay-of", "Of such a message: topic/partition/offset where it stood first");
    return ecc_json_schema_add(&d->schemas, "CloudEvent", schema);
}

/* Those of the common ones that are this event's own. */
static struct ecc_yaml *event_headers(struct doc *d, const struct ecc_event *event)
{
    struct ecc_yaml *schema = ecc_yaml_map(d->arena), *properties, *sources;

    ecc_yaml_put_text(schema, "type", "object");
    ecc_yaml_add(ecc_yaml_put_list(schema, "allOf"), ecc_yaml_ref(d->arena, "components/schemas", d->cloud_event));
    properties = ecc_yaml_put_map(schema, "properties");
    ecc_yaml_put_text(property(properties, "ce_type", NULL), "const", ecc_arena_printf(d->arena, "%s.v%d", event->name, event->version));
    sources = ecc_yaml_list(d->arena);
    for (size_t i = 0; i < d->model->nnodes; i++) {
        const struct events *events = &d->published[i];

        for (size_t k = 0; k < events->n; k++)
            if (events->items[k] == event)
                ecc_yaml_add_text(sources, d->model->nodes[i]->name);
    }
    if (sources->n)
        ecc_yaml_put(property(properties, "ce_source", NULL), "enum", sources);
    return schema;
}

/* ------------------------------------------------------------------ messages */

static struct ecc_yaml *kafka(struct ecc_yaml *of)
{
    return ecc_yaml_put_map(ecc_yaml_put_map(of, "bindings"), "kafka");
}

static void add_event_message(struct doc *d, const struct ecc_event *event)
{
    struct ecc_yaml *message, *binding, *sample;
    const struct ecc_field *key = NULL;

    if (ecc_yaml_get(d->messages, event->id))
        return;
    message = ecc_yaml_put_map(d->messages, event->id);
    ecc_yaml_put_text(message, "name", ecc_arena_printf(d->arena, "%s.v%d", event->name, event->version));
    ecc_yaml_put_text(message, "contentType", "application/json");
    ecc_yaml_put(message, "headers", event_headers(d, event));
    ecc_yaml_put(message, "payload", ecc_json_schema_record(&d->schemas, event->body, ECC_SIDE_EVENT, event->id));
    for (size_t i = 0; event->topic && i < event->body->nfields; i++)
        if (strcmp(event->body->fields[i].name, event->topic->key) == 0)
            key = &event->body->fields[i];
    binding = kafka(message);
    if (key) {
        struct ecc_yaml *schema = ecc_json_schema(&d->schemas, key->type, ECC_SIDE_EVENT);
        if (key->type->kind != ECC_TYPE_TEXT && key->type->kind != ECC_TYPE_UUID && key->type->kind != ECC_TYPE_TIME) {
            schema = ecc_yaml_map(d->arena); /* its text */
            ecc_yaml_put_text(schema, "type", "string");
        }
        ecc_yaml_put_text(schema, "description", ecc_arena_printf(d->arena, "%s, as text", key->wire));
        ecc_yaml_put(binding, "key", schema);
    }
    ecc_yaml_put_text(binding, "bindingVersion", BINDING);
    if ((sample = ecc_json_sample_record(d->arena, event->body)))
        ecc_yaml_put(ecc_yaml_add_map(ecc_yaml_put_list(message, "examples")), "payload", sample);
}

static void add_letter_messages(struct doc *d)
{
    static const char *const required[] = {"dead-letter-reason", "dead-letter-group",    "dead-letter-topic", "dead-letter-partition",
                                           "dead-letter-offset", "dead-letter-attempts", "dead-letter-time"};
    static const char *const mark[] = {"dead-letter-replayed"};
    struct ecc_yaml *message, *headers, *properties, *payload;

    if (d->letters)
        return;
    d->letters = true;
    message = ecc_yaml_put_map(d->messages, "dead-letter");
    ecc_yaml_put_text(message, "name", "dead-letter");
    ecc_yaml_put_text(message, "summary", "A message that a group could not handle: key, bytes and headers as they came, and why");
    headers = headers_of(d->arena, required, sizeof required / sizeof *required, &properties);
    property(properties, "dead-letter-reason", "malformed, invalid, unknown-type, or the error that its handler last failed with");
    property(properties, "dead-letter-detail", "What was said of it, never a value of the message");
    property(properties, "dead-letter-group", "Who could not handle it");
    property(properties, "dead-letter-topic", "Where it was");
    property(properties, "dead-letter-partition", NULL);
    property(properties, "dead-letter-offset", NULL);
    property(properties, "dead-letter-attempts", "How often its handler was tried");
    ecc_yaml_put_text(property(properties, "dead-letter-time", NULL), "format", "date-time");
    ecc_yaml_put(message, "headers", headers);
    payload = ecc_yaml_put_map(message, "payload");
    ecc_yaml_put_text(payload, "description", "The bytes as they came: those of an event, or what could not be read as one");
    message = ecc_yaml_put_map(d->messages, "dead-letter-mark");
    ecc_yaml_put_text(message, "name", "dead-letter-mark");
    ecc_yaml_put_text(message, "summary", "A letter of this partition was sent back to its topic; without key and value");
    headers = headers_of(d->arena, mark, 1, &properties);
    property(properties, "dead-letter-replayed", "The letter's offset");
    ecc_yaml_put(message, "headers", headers);
}

/* ------------------------------------------------------------------ channels */

static const char *letter_channel(struct doc *d, const struct ecc_topic *topic)
{
    return ecc_arena_printf(d->arena, "%s_dead-letter", topic->name);
}

static struct ecc_yaml *add_channel(struct doc *d, const struct ecc_node *bus, const struct ecc_topic *topic, bool letters,
                                    struct ecc_yaml **binding)
{
    const char *address = letters ? ecc_arena_printf(d->arena, "%s.dead-letter", topic->name) : topic->name;
    struct ecc_yaml *channel = ecc_yaml_map(d->arena), *messages;

    ecc_yaml_append(d->channels, letters ? letter_channel(d, topic) : topic->name, channel);
    ecc_yaml_put_text(channel, "address", address);
    ecc_yaml_put_text(channel, "description",
                      letters ? ecc_arena_printf(d->arena, "What a group could not handle of %s", topic->name)
                              : ecc_arena_printf(d->arena, "Events of one %s stand in the order in which they were published", topic->key));
    ecc_yaml_add(ecc_yaml_put_list(channel, "servers"), ecc_yaml_ref(d->arena, "servers", bus->name));
    messages = ecc_yaml_put_map(channel, "messages");
    *binding = kafka(channel);
    ecc_yaml_put_text(*binding, "topic", address);
    ecc_yaml_put(*binding, "partitions", ecc_yaml_int(d->arena, topic->partitions));
    return messages;
}

static void add_message(struct doc *d, struct ecc_yaml *messages, const char *name)
{
    ecc_yaml_put(messages, name, ecc_yaml_ref(d->arena, "components/messages", name));
}

static void add_topic(struct doc *d, const struct ecc_node *bus, const struct ecc_topic *topic)
{
    struct ecc_yaml *binding, *messages = add_channel(d, bus, topic, false, &binding), *config;

    for (size_t i = 0; i < d->model->nevents; i++) { /* a topic carries every version of what it lists */
        const struct ecc_event *event = d->model->events[i];
        if (event->topic != topic)
            continue;
        add_event_message(d, event);
        add_message(d, messages, event->id);
    }
    ecc_yaml_sort(messages);
    if (topic->retention_ms) {
        config = ecc_yaml_put_map(binding, "topicConfiguration");
        ecc_yaml_put(config, "retention.ms", ecc_yaml_int(d->arena, topic->retention_ms));
    }
    ecc_yaml_put_text(binding, "bindingVersion", BINDING);
    if (!ecc_topic_has_letters(d->model, topic))
        return;
    add_letter_messages(d);
    messages = add_channel(d, bus, topic, true, &binding);
    add_message(d, messages, "dead-letter");
    add_message(d, messages, "dead-letter-mark");
    config = ecc_yaml_put_map(binding, "topicConfiguration");
    ecc_yaml_add_text(ecc_yaml_put_list(config, "cleanup.policy"), "delete");
    ecc_yaml_put_raw(config, "max.message.bytes", ECC_LETTER_BYTES);
    ecc_yaml_put_text(binding, "bindingVersion", BINDING);
}

static void add_bus(struct doc *d, const struct ecc_node *bus)
{
    struct ecc_yaml *server = ecc_yaml_put_map(d->servers, bus->name);

    ecc_yaml_put_text(server, "host", "127.0.0.1:9610");
    ecc_yaml_put_text(server, "protocol", "kafka");
    ecc_yaml_put_text(server, "description", ecc_arena_printf(d->arena, "%s, started by `ecomc up --kafka apache`", bus->title));
    for (size_t i = 0; i < bus->u.bus.ntopics; i++)
        add_topic(d, bus, bus->u.bus.topics[i]);
}

/* ------------------------------------------------------------------ operations */

static struct ecc_yaml *operation(struct doc *d, const struct ecc_node *node, const char *action, const char *channel, const char *group)
{
    const char *id = ecc_arena_printf(d->arena, "%s_%s_%s%s%s", node->name, action, channel, group ? "_" : "", group ? group : "");
    struct ecc_yaml *made, *tag, *binding, *groups;

    for (size_t i = d->own; i < d->operations->n; i++)
        if (strcmp(d->operations->keys[i], id) == 0)
            return d->operations->items[i];
    made = ecc_yaml_map(d->arena);
    ecc_yaml_append(d->operations, id, made);
    ecc_yaml_put_text(made, "action", action);
    ecc_yaml_put(made, "channel", ecc_yaml_ref(d->arena, "channels", channel));
    tag = ecc_yaml_add_map(ecc_yaml_put_list(made, "tags"));
    ecc_yaml_put_text(tag, "name", node->name);
    ecc_yaml_put_text(tag, "description", node->title);
    ecc_yaml_put_list(made, "messages");
    if (group && strcmp(action, "receive") == 0) {
        binding = kafka(made);
        groups = ecc_yaml_put_map(binding, "groupId");
        ecc_yaml_put_text(groups, "type", "string");
        ecc_yaml_add_text(ecc_yaml_put_list(groups, "enum"), group);
        ecc_yaml_put_text(binding, "bindingVersion", BINDING);
    }
    return made;
}

static void add_to(struct doc *d, struct ecc_yaml *operation, const char *channel, const char *message)
{
    const char *folder = ecc_arena_printf(d->arena, "channels/%s/messages", channel);
    struct ecc_yaml *messages = ecc_yaml_get(operation, "messages"), *ref = ecc_yaml_ref(d->arena, folder, message);

    for (size_t i = 0; i < messages->n; i++)
        if (strcmp(messages->items[i]->items[0]->text, ref->items[0]->text) == 0)
            return;
    ecc_yaml_add(messages, ref);
}

static int by_event(const void *a, const void *b)
{
    return strcmp((*(const struct ecc_consumer *const *)a)->event->id, (*(const struct ecc_consumer *const *)b)->event->id);
}

static void add_service(struct doc *d, const struct ecc_node *node, const struct events *events)
{
    const struct ecc_service *service = &node->u.service;
    const struct ecc_consumer **consumers = ECC_NEW_ARRAY(d->arena, const struct ecc_consumer *, service->nconsumers);

    d->own = d->operations->n;
    for (size_t i = 0; i < events->n; i++)
        if (events->items[i]->topic)
            add_to(d, operation(d, node, "send", events->items[i]->topic->name, NULL), events->items[i]->topic->name, events->items[i]->id);
    for (size_t i = 0; i < service->nconsumers; i++)
        consumers[i] = service->consumers[i];
    qsort(consumers, service->nconsumers, sizeof *consumers, by_event);
    for (size_t i = 0; i < service->nconsumers; i++) {
        const struct ecc_consumer *c = consumers[i];

        add_to(d, operation(d, node, "receive", c->topic->name, c->group), c->topic->name, c->event->id);
        if (c->dead_letter)
            add_to(d, operation(d, node, "send", letter_channel(d, c->topic), c->group), letter_channel(d, c->topic), "dead-letter");
    }
}

/* ------------------------------------------------------------------ the document */

static void put_sorted(struct ecc_yaml *to, const char *name, struct ecc_yaml *map)
{
    if (!map->n)
        return;
    ecc_yaml_sort(map);
    ecc_yaml_put(to, name, map);
}

void ecc_emit_asyncapi(struct ecc_codegen *cg)
{
    struct ecc_yaml *document = ecc_yaml_map(cg->arena), *info, *components;
    struct doc d = {.arena = cg->arena, .model = cg->model};
    struct ecc_writer *w;

    d.servers = ecc_yaml_map(cg->arena);
    d.channels = ecc_yaml_map(cg->arena);
    d.operations = ecc_yaml_map(cg->arena);
    d.messages = ecc_yaml_map(cg->arena);
    ecc_json_schemas_init(&d.schemas, cg->arena);
    d.cloud_event = cloud_event(&d);
    d.published = ECC_NEW_ARRAY(cg->arena, struct events, cg->model->nnodes);
    for (size_t i = 0; i < cg->model->nnodes; i++)
        if (cg->model->nodes[i]->kind == ECC_NODE_SERVICE)
            d.published[i] = published(cg->arena, &cg->model->nodes[i]->u.service);
    for (size_t i = 0; i < cg->model->nnodes; i++)
        if (cg->model->nodes[i]->kind == ECC_NODE_BUS)
            add_bus(&d, cg->model->nodes[i]);
    if (!d.servers->n)
        return;
    for (size_t i = 0; i < cg->model->nnodes; i++)
        if (cg->model->nodes[i]->kind == ECC_NODE_SERVICE)
            add_service(&d, cg->model->nodes[i], &d.published[i]);
    ecc_yaml_put_text(document, "asyncapi", "3.0.0");
    info = ecc_yaml_put_map(document, "info");
    ecc_yaml_put_text(info, "title", cg->model->title ? cg->model->title : "Events");
    ecc_yaml_put_text(info, "version", VERSION);
    ecc_yaml_put_text(info, "description",
                      "Events are CloudEvents in binary mode: the attributes are headers, the value is the event's data as JSON.");
    ecc_yaml_put_text(document, "defaultContentType", "application/json");
    put_sorted(document, "servers", d.servers);
    put_sorted(document, "channels", d.channels);
    put_sorted(document, "operations", d.operations);
    components = ecc_yaml_put_map(document, "components");
    put_sorted(components, "messages", d.messages);
    put_sorted(components, "schemas", d.schemas.components);
    w = ecc_codegen_file(cg, ECC_BANNER_HASH);
    ecc_yaml_write(w, document);
    ecc_outset_add_writer(cg->out, "asyncapi.yaml", w);
}
