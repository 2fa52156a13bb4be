#include "lock.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "arena.h"
#include "outset.h"
#include "writer.h"

/* ------------------------------------------------------------------ reading */

static const char *text_of(struct ecc_arena *arena, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? ecc_arena_strdup(arena, text) : NULL;
}

/* A list of lines, each without its newline. */
static const char *lines_of(struct ecc_arena *arena, const json_t *list)
{
    struct ecc_writer w;
    size_t i;
    json_t *line;

    if (!json_is_array(list))
        return NULL;
    ecc_writer_init(&w, arena);
    json_array_foreach(list, i, line)
    {
        if (!json_is_string(line))
            return NULL;
        ecc_w_text(&w, json_string_value(line), json_string_length(line));
        ecc_w_text(&w, "\n", 1);
    }
    return w.data;
}

static bool read_parts(struct ecc_arena *arena, const json_t *list, struct ecc_schema_part **items, size_t *n)
{
    size_t i;
    json_t *item;

    *n = json_array_size(list);
    *items = ECC_NEW_ARRAY(arena, struct ecc_schema_part, *n);
    json_array_foreach(list, i, item)
    {
        (*items)[i] = (struct ecc_schema_part){text_of(arena, item, "name"), text_of(arena, item, "sql"), text_of(arena, item, "table")};
        if (!(*items)[i].name || !(*items)[i].sql)
            return false;
    }
    return true;
}

static const struct ecc_schema *read_schema(struct ecc_arena *arena, const json_t *tables)
{
    struct ecc_schema *schema = ECC_NEW(arena, struct ecc_schema);
    size_t i, j;
    json_t *item, *column;

    if (!json_is_array(tables))
        return NULL;
    json_array_foreach(tables, i, item)
    {
        struct ecc_schema_table *table = ECC_NEW(arena, struct ecc_schema_table);
        table->name = text_of(arena, item, "name");
        table->kept = text_of(arena, item, "was");
        table->view = text_of(arena, item, "view");
        if (!table->name || !table->kept != !table->view)
            return NULL;
        json_array_foreach(json_object_get(item, "columns"), j, column)
        {
            struct ecc_schema_column c = {.name = text_of(arena, column, "name"), .type = text_of(arena, column, "type")};
            c.dflt = text_of(arena, column, "default");
            c.kept = text_of(arena, column, "was");
            c.not_null = !json_is_true(json_object_get(column, "optional"));
            if (!c.name || !c.type)
                return NULL;
            ECC_PUSH(arena, &table->columns, c);
        }
        if (!read_parts(arena, json_object_get(item, "constraints"), &table->constraints.items, &table->constraints.n) ||
            !read_parts(arena, json_object_get(item, "indexes"), &table->indexes.items, &table->indexes.n))
            return NULL;
        ECC_PUSH(arena, &schema->tables, table);
    }
    return schema;
}

static const char *read_service(struct ecc_lock *lock, const char *name, const json_t *from)
{
    struct ecc_arena *arena = lock->arena;
    struct ecc_lock_service *service = ecc_lock_service(lock, ecc_arena_strdup(arena, name));
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(from, "migrations"), i, item)
    {
        struct ecc_migration *m = ECC_NEW(arena, struct ecc_migration);
        *m = (struct ecc_migration){
            .name = text_of(arena, item, "name"),
            .up = lines_of(arena, json_object_get(item, "up")),
            .down = lines_of(arena, json_object_get(item, "down")),
            .sha256 = text_of(arena, item, "sha256"),
            .no_transaction = json_is_false(json_object_get(item, "transaction")),
        };
        if (!m->name || !m->up || !m->down || !m->sha256)
            return ecc_arena_printf(arena, "a migration of %s is not whole", name);
        if (strcmp(m->sha256, ecc_sha256_hex(arena, m->up, strlen(m->up))) != 0)
            return ecc_arena_printf(arena, "migration %s of %s is not as it was released: a change belongs in the topology", m->name, name);
        ECC_PUSH(arena, &service->migrations, m);
    }
    service->schema = read_schema(arena, json_object_get(from, "tables"));
    return service->schema ? NULL : ecc_arena_printf(arena, "the tables of %s can't be read", name);
}

static const char *read_releases(struct ecc_lock *lock, const json_t *list, bool saga)
{
    size_t i;
    json_t *item;

    json_array_foreach (list, i, item) {
        struct ecc_release r = {.saga = saga, .name = text_of(lock->arena, item, "name"),
                                .version = (int)json_integer_value(json_object_get(item, "version"))};
        const json_t *text = json_object_get(item, "text");
        if (!r.name || r.version < 1 || (text && !(r.text = lines_of(lock->arena, text))))
            return ecc_arena_printf(lock->arena, "%s %s can't be read", saga ? "saga" : "event", r.name ? r.name : "without a name");
        ECC_PUSH(lock->arena, &lock->releases, r);
    }
    return NULL;
}

struct ecc_lock *ecc_lock_read(struct ecc_arena *arena, const char *text, size_t length, const char **error)
{
    struct ecc_lock *lock = ECC_NEW(arena, struct ecc_lock);
    json_error_t why;
    const char *name;
    json_t *item;

    lock->arena = arena;
    *error = NULL;
    if (!text)
        return lock;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &why);
    if (!root) {
        *error = ecc_arena_printf(arena, "line %d: %s", why.line, why.text);
        return NULL;
    }
    json_int_t version = json_integer_value(json_object_get(root, "version"));
    if (version != 1 && version != 2) /* 1 knew only databases */
        *error = "its version is neither 1 nor 2: another version of ecomc has written it";
    json_object_foreach(json_object_get(root, "services"), name, item)
    {
        if (!*error)
            *error = read_service(lock, name, item);
    }
    if (!*error)
        *error = read_releases(lock, json_object_get(root, "sagas"), true);
    if (!*error)
        *error = read_releases(lock, json_object_get(root, "events"), false);
    json_decref(root);
    return *error ? NULL : lock;
}

struct ecc_lock_service *ecc_lock_service(struct ecc_lock *lock, const char *name)
{
    for (size_t i = 0; i < lock->services.n; i++) {
        if (strcmp(lock->services.items[i]->name, name) == 0)
            return lock->services.items[i];
    }
    struct ecc_lock_service *service = ECC_NEW(lock->arena, struct ecc_lock_service);
    service->name = name;
    ECC_PUSH(lock->arena, &lock->services, service);
    return service;
}

/* ------------------------------------------------------------------ writing */

#define J(w, text) ecc_quote_json((w)->arena, text)

static void write_lines(struct ecc_writer *w, const char *key, const char *text, const char *end)
{
    ecc_w_open(w, "\"%s\": [", key);
    while (*text) {
        size_t n = strcspn(text, "\n");
        const char *line = ecc_arena_strndup(w->arena, text, n);
        text += n + (text[n] == '\n');
        ecc_wl(w, "%s%s", J(w, line), *text ? "," : "");
    }
    ecc_w_close(w, "]%s", end);
}

static void write_parts(struct ecc_writer *w, const char *key, const struct ecc_schema_part *items, size_t n, const char *end)
{
    if (!n) {
        ecc_wl(w, "\"%s\": []%s", key, end);
        return;
    }
    ecc_w_open(w, "\"%s\": [", key);
    for (size_t i = 0; i < n; i++) {
        const char *table = items[i].table ? ecc_arena_printf(w->arena, ", \"table\": %s", J(w, items[i].table)) : "";
        ecc_wl(w, "{\"name\": %s, \"sql\": %s%s}%s", J(w, items[i].name), J(w, items[i].sql), table, i + 1 < n ? "," : "");
    }
    ecc_w_close(w, "]%s", end);
}

static void write_table(struct ecc_writer *w, const struct ecc_schema_table *table, const char *end)
{
    ecc_w_open(w, "{");
    ecc_wl(w, "\"name\": %s,", J(w, table->name));
    if (table->kept) { /* the old name, by which a view stands */
        ecc_wl(w, "\"was\": %s,", J(w, table->kept));
        ecc_wl(w, "\"view\": %s,", J(w, table->view));
    }
    ecc_w_open(w, "\"columns\": [");
    for (size_t i = 0; i < table->columns.n; i++) {
        const struct ecc_schema_column *c = &table->columns.items[i];
        const char *dflt = c->dflt ? ecc_arena_printf(w->arena, ", \"default\": %s", J(w, c->dflt)) : "";
        const char *was = c->kept ? ecc_arena_printf(w->arena, ", \"was\": %s", J(w, c->kept)) : "";
        ecc_wl(w, "{\"name\": %s, \"type\": %s%s%s%s}%s", J(w, c->name), J(w, c->type), c->not_null ? "" : ", \"optional\": true", dflt,
               was, i + 1 < table->columns.n ? "," : "");
    }
    ecc_w_close(w, "],");
    write_parts(w, "constraints", table->constraints.items, table->constraints.n, ",");
    write_parts(w, "indexes", table->indexes.items, table->indexes.n, "");
    ecc_w_close(w, "}%s", end);
}

static void write_service(struct ecc_writer *w, const struct ecc_lock_service *service, const char *end)
{
    ecc_w_open(w, "%s: {", J(w, service->name));
    ecc_w_open(w, "\"migrations\": [");
    for (size_t i = 0; i < service->migrations.n; i++) {
        const struct ecc_migration *m = service->migrations.items[i];
        ecc_w_open(w, "{");
        ecc_wl(w, "\"name\": %s,", J(w, m->name));
        ecc_wl(w, "\"sha256\": %s,", J(w, m->sha256));
        if (m->no_transaction)
            ecc_wl(w, "\"transaction\": false,");
        write_lines(w, "up", m->up, ",");
        write_lines(w, "down", m->down, "");
        ecc_w_close(w, "}%s", i + 1 < service->migrations.n ? "," : "");
    }
    ecc_w_close(w, "],");
    ecc_w_open(w, "\"tables\": [");
    for (size_t i = 0; i < service->schema->tables.n; i++)
        write_table(w, service->schema->tables.items[i], i + 1 < service->schema->tables.n ? "," : "");
    ecc_w_close(w, "]");
    ecc_w_close(w, "}%s", end);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct ecc_lock_service *const *)a)->name, (*(struct ecc_lock_service *const *)b)->name);
}

static void write_releases(struct ecc_writer *w, const char *key, const struct ecc_releases *releases, bool saga, const char *end)
{
    const char *separator = "";

    ecc_w(w, "\"%s\": [", key);
    w->indent++;
    for (size_t i = 0; i < releases->n; i++) {
        const struct ecc_release *r = &releases->items[i];
        if (r->saga != saga)
            continue;
        ecc_wl(w, "%s", separator);
        separator = ",";
        if (!r->text) {
            ecc_w(w, "{\"name\": %s, \"version\": %d}", J(w, r->name), r->version);
            continue;
        }
        ecc_w_open(w, "{");
        ecc_wl(w, "\"name\": %s,", J(w, r->name));
        ecc_wl(w, "\"version\": %d,", r->version);
        write_lines(w, "text", r->text, "");
        w->indent--;
        ecc_w(w, "}");
    }
    w->indent--;
    if (*separator)
        ecc_wl(w, "%s", "");
    ecc_wl(w, "]%s", end);
}

const char *ecc_lock_write(struct ecc_lock *lock, size_t *length)
{
    struct ecc_writer w;

    ecc_writer_init(&w, lock->arena);
    w.width = 2;
    if (lock->services.n)
        qsort(lock->services.items, lock->services.n, sizeof *lock->services.items, by_name);
    ecc_w_open(&w, "{");
    ecc_wl(&w, "\"version\": 2,");
    ecc_w_open(&w, "\"services\": {");
    for (size_t i = 0; i < lock->services.n; i++)
        write_service(&w, lock->services.items[i], i + 1 < lock->services.n ? "," : "");
    ecc_w_close(&w, "},");
    write_releases(&w, "sagas", &lock->releases, true, ",");
    write_releases(&w, "events", &lock->releases, false, "");
    ecc_w_close(&w, "}");
    *length = w.n;
    return w.data;
}
