/* A sandbox's memory outlives its process: a provider does not forget what it has been paid because somebody stops a development system.
 *
 * The journal is a file of JSON lines, one a request, written before the answer goes out: {"entry": of the ledger, "id", "replay": the answer
 * to be repeated, "stores": {store: {key: object}}}; {"emptied": true} for a ledger that was emptied. It is read whole at start, and written
 * anew without what nobody needs any more. A line that was cut by a kill is the last one and had no answer: it is dropped.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox.h"

static FILE *journal;

static void merge(json_t *stores, json_t *touched)
{
    const char *store, *key;
    json_t *objects, *object;

    json_object_foreach(touched, store, objects) {
        if (!json_object_get(stores, store))
            json_object_set_new(stores, store, json_object());
        json_object_foreach(objects, key, object)
            json_object_set(json_object_get(stores, store), key, object);
    }
}

static void replay_line(struct ec_sbx_memory *memory, json_t *line)
{
    const char *id = json_string_value(json_object_get(line, "id"));
    json_t *entry = json_object_get(line, "entry");

    if (json_is_true(json_object_get(line, "emptied")))
        json_array_clear(memory->ledger);
    if (entry)
        json_array_append(memory->ledger, entry);
    if (id)
        json_object_set(memory->replays, id, json_object_get(line, "replay"));
    merge(memory->stores, json_object_get(line, "stores"));
}

static bool put(json_t *line)
{
    bool good = line && json_dumpf(line, journal, JSON_COMPACT) == 0 && fputc('\n', journal) != EOF;

    json_decref(line);
    return good;
}

/* All that is remembered, as the lines that would bring it back. */
static bool put_all(const struct ec_sbx_memory *memory)
{
    const char *id;
    json_t *value;
    size_t i;
    bool good = put(json_pack("{sO}", "stores", memory->stores));

    json_object_foreach(memory->replays, id, value)
        good = put(json_pack("{sssO}", "id", id, "replay", value)) && good;
    json_array_foreach(memory->ledger, i, value)
        good = put(json_pack("{sO}", "entry", value)) && good;
    return fflush(journal) == 0 && good;
}

static void read_all(FILE *file, struct ec_sbx_memory *memory)
{
    char *text = NULL;
    size_t cap = 0;
    ssize_t n;
    json_t *line;

    while ((n = getline(&text, &cap, file)) > 0) {
        line = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
        if (text[n - 1] == '\n' && json_is_object(line))
            replay_line(memory, line);
        json_decref(line);
    }
    free(text);
}

int ec_sbx_journal_open(const char *path, struct ec_sbx_memory *memory, const char **why)
{
    static char message[512];
    char next[4096];
    FILE *file;

    memory->stores = json_object();
    memory->ledger = json_array();
    memory->replays = json_object();
    if (!path)
        return 0;
    if ((file = fopen(path, "re"))) {
        read_all(file, memory);
        fclose(file);
    }
    if (snprintf(next, sizeof(next), "%s.new", path) < (int)sizeof(next) && (file || errno == ENOENT) && (journal = fopen(next, "we")) &&
        put_all(memory) && rename(next, path) == 0)
        return 0;
    snprintf(message, sizeof(message), "EC_SANDBOX_JOURNAL %.400s: %s", path, strerror(errno));
    *why = message;
    ec_sbx_journal_close();
    return -1;
}

void ec_sbx_journal_add(json_t *entry, const char *id, json_t *replay, json_t *touched)
{
    json_t *line;

    if (!journal)
        return;
    line = json_pack("{sO}", "entry", entry);
    if (id)
        json_object_set_new(line, "id", json_string(id));
    if (id)
        json_object_set(line, "replay", replay);
    if (json_object_size(touched) > 0)
        json_object_set(line, "stores", touched);
    if (!put(line) || fflush(journal) != 0)
        ec_log(EC_LOG_ERROR, NULL, "the sandbox's journal can't be written", EC_L_STR("why", strerror(errno)));
}

void ec_sbx_journal_empty(void)
{
    if (journal && (!put(json_pack("{sb}", "emptied", 1)) || fflush(journal) != 0))
        ec_log(EC_LOG_ERROR, NULL, "the sandbox's journal can't be written", EC_L_STR("why", strerror(errno)));
}

void ec_sbx_journal_close(void)
{
    if (journal)
        fclose(journal);
    journal = NULL;
}
