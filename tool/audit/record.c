/* Noting what is published: a trigger on each outbox copies its rows, with the transaction that wrote them and what that transaction saw,
 * so that it can be told which of two events came first. .ecom/audit.json has where the topics stood. */
#include "audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char record_sql[] =
    "SET client_min_messages = error; BEGIN;"
    "DROP TABLE IF EXISTS ec.outbox_record CASCADE;"
    "CREATE TABLE ec.outbox_record (id bigint PRIMARY KEY, event_id uuid NOT NULL, topic text NOT NULL, key text NOT NULL, type text NOT "
    "NULL,"
    "  body text NOT NULL, xid xid8 NOT NULL DEFAULT pg_current_xact_id(), snapshot pg_snapshot NOT NULL DEFAULT pg_current_snapshot());"
    "CREATE OR REPLACE FUNCTION ec.outbox_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    "  INSERT INTO ec.outbox_record (id, event_id, topic, key, type, body) VALUES (new.id, new.event_id, new.topic, new.key, new.type, "
    "new.body);"
    "  RETURN NULL; END $$;"
    "CREATE OR REPLACE TRIGGER outbox_note AFTER INSERT ON ec.outbox FOR EACH ROW EXECUTE FUNCTION ec.outbox_note();"
    "INSERT INTO ec.outbox_record (id, event_id, topic, key, type, body) SELECT id, event_id, topic, key, type, body FROM ec.outbox;"
    "COMMIT";
static const char forget_sql[] = "SET client_min_messages = error; BEGIN;"
                                 "DROP TRIGGER IF EXISTS outbox_note ON ec.outbox;"
                                 "DROP FUNCTION IF EXISTS ec.outbox_note();"
                                 "DROP TABLE IF EXISTS ec.outbox_record;"
                                 "COMMIT";

static int each_publisher(struct ecc_up *up, const char *what, const char *sql)
{
    for (size_t i = 0; i < up->model->nnodes; i++) {
        const struct ecc_node *node = up->model->nodes[i];
        if (!ecc_audit_publishes(node))
            continue;
        PGconn *conn = ecc_audit_connect(up, node->name);
        bool fine = conn && ecc_audit_do(conn, ecc_arena_printf(up->arena, "%s: %s", node->name, what), sql);
        PQfinish(conn);
        if (!fine)
            return ECC_EXIT_FAILED;
    }
    return 0;
}

static const char *path(struct ecc_up *up)
{
    return ecc_up_path(up, "audit.json");
}

/* Where each partition of each topic of the model ends; NULL after saying why. */
static json_t *topic_ends(struct ecc_up *up)
{
    struct {
        const char **items;
        size_t n, cap;
    } words = {0};
    const char *brokers = ecc_up_brokers(up);
    json_t *ends = json_object();
    char topic[300], key[400];
    int partition;
    long long low, next;
    pid_t pid;

    if (!brokers)
        return ends;
    ECC_PUSH(up->arena, &words, "ends");
    ECC_PUSH(up->arena, &words, brokers);
    for (size_t i = 0; i < up->model->nnodes; i++)
        for (size_t k = 0; up->model->nodes[i]->kind == ECC_NODE_BUS && k < up->model->nodes[i]->u.bus.ntopics; k++)
            ECC_PUSH(up->arena, &words, up->model->nodes[i]->u.bus.topics[k]->name);
    if (words.n == 2)
        return ends; /* a bus without a topic */
    ECC_PUSH(up->arena, &words, NULL);
    FILE *out = ecc_audit_reader(up, &pid, words.items);
    while (out && fscanf(out, "%255s %d %lld %lld", topic, &partition, &low, &next) == 4) {
        snprintf(key, sizeof key, "%s/%d", topic, partition);
        json_object_set_new(ends, key, json_integer(next));
    }
    if (out && !ecc_audit_reader_close(out, pid))
        return ends;
    json_decref(ends);
    ecc_say_error(ECC_EXIT_FAILED, "the topics could not be read");
    return NULL;
}

int ecc_audit_begin(struct ecc_up *up)
{
    const char *now = NULL;
    int code = each_publisher(up, "what it publishes can't be noted", record_sql);

    if (code)
        return code;
    for (size_t i = 0; i < up->model->nnodes && !now; i++) {
        if (!ecc_audit_publishes(up->model->nodes[i]))
            continue;
        PGconn *conn = ecc_audit_connect(up, up->model->nodes[i]->name);
        PGresult *result = conn ? PQexec(conn, "SELECT clock_timestamp()") : NULL;
        if (PQntuples(result) == 1)
            now = ecc_arena_strdup(up->arena, PQgetvalue(result, 0, 0));
        PQclear(result);
        PQfinish(conn);
    }
    json_t *ends = topic_ends(up); /* after the triggers: what a relay hands over from now on was noted */
    if (!ends)
        return ECC_EXIT_FAILED;
    json_t *state = json_pack("{s:s, s:o}", "since", now ? now : "", "ends", ends);
    char *text = json_dumps(state, JSON_INDENT(1));
    json_decref(state);
    if (!text || ecc_write_private(path(up), text))
        code = ecc_say_error(ECC_EXIT_IO, "%s: %s", path(up), strerror(errno));
    free(text);
    return code;
}

void ecc_record_load(struct ecc_up *up, struct ecc_record_start *start)
{
    json_t *state = json_load_file(path(up), JSON_REJECT_DUPLICATES, NULL);
    const char *since = json_string_value(json_object_get(state, "since"));
    json_t *ends = json_object_get(state, "ends");

    *start = (struct ecc_record_start){0};
    if (state && since && json_is_object(ends))
        *start = (struct ecc_record_start){true, ecc_arena_strdup(up->arena, since), json_incref(ends)};
    json_decref(state);
}

int ecc_audit_forget(struct ecc_up *up)
{
    unlink(path(up));
    return each_publisher(up, "the noting of what it publishes can't be ended", forget_sql);
}
