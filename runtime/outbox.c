/* The outbox: events are rows of the transaction that published them; one relay a service hands them to the bus.
 *
 * The relay has a connection of its own, whose session advisory lock says which replica relays. It reads up to BATCH rows in id order,
 * hands them over, waits until every one is delivered or has failed, and deletes what was delivered in the round trip that reads the
 * next batch. Rows stay until they are delivered, so a transaction that commits late is found later, and a crash repeats at most a batch
 * (consumers know an event by its id).
 *
 * Order: rows of one key (topic and key) are handed over one after another, so that nothing overtakes a failed one; after a failure the
 * rest of that key waits for the next batch, which begins with it. A batch lives in an arena until its last delivery is told, also when
 * the connection is gone by then.
 */
#include "outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "group.h"
#include "json.h"
#include "random.h"
#include "relay.h"
#include "span.h"
#include "trace.h"
#include "tx.h"

enum { BATCH = 500, SLOTS = 1024, TICK_MS = 100, LOCK_TICKS = 10, MEASURE_TICKS = 20, BACKOFF_MAX_MS = 5000, FLIGHT_MS = 10000 };

/* ------------------------------------------------------------------ publishing */

/* Numbered in the order of the transactions. */
static const struct ec_group_set insert_set = {
    {
        .name = "ec.outbox.insert_set",
        .text = "INSERT INTO ec.outbox (event_id, topic, key, type, body, traceparent) SELECT event_id, topic, key, type, body, traceparent "
                "FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY "
                "AS v (event_id, topic, key, type, body, traceparent, n) ORDER BY n",
    },
    .late = true,
};

static const struct ec_sql sql_insert = {
    .name = "ec.outbox.insert",
    .text = "INSERT INTO ec.outbox (event_id, topic, key, type, body, traceparent) VALUES ($1::uuid, $2, $3, $4, $5, $6)",
    .set = &insert_set,
};

struct publish {
    struct ec_tx_rider rider;
    struct ec_pg_values values;
};

static void wake(void);

static void send_publish(struct ec_tx_rider *rider, struct ec_burst *burst)
{
    ec_burst_add(burst, &sql_insert, ((struct publish *)rider)->values, NULL, NULL);
}

static void published(struct ec_tx_rider *rider, struct ec_task *task)
{
    (void)rider;
    (void)task;
    wake();
}

static struct ec_str key_text(struct ec_task *task, const struct ec_event *event, const void *body)
{
    size_t i;

    for (i = 0; i < event->body->nfields; i++) {
        const struct ec_field *field = &event->body->fields[i];
        const void *at = (const char *)body + field->offset;

        if (strcmp(field->name, event->topic->key) != 0 || field->flags & (EC_LIST | EC_OPTIONAL))
            continue;
        switch (field->kind) {
        case EC_TEXT:
        case EC_SECRET:
        case EC_EMAIL:
        case EC_JSON:
            return *(const struct ec_str *)at;
        case EC_INT:
            return ec_text_int(task, *(const int64_t *)at);
        case EC_TIME:
            return ec_text_time(task, *(const int64_t *)at);
        case EC_FLOAT:
            return ec_text_float(task, *(const double *)at);
        case EC_BOOL:
            return ec_text_bool(*(const bool *)at);
        case EC_UUID:
            return ec_text_uuid(task, *(const struct ec_uuid *)at);
        case EC_ENUM:
            return ec_text_enum(field->of, *(const int *)at);
        case EC_RECORD:
            break;
        }
    }
    return EC_STR("");
}

void ec_publish(struct ec_task *task, const struct ec_event *event, const void *body)
{
    struct publish *publish = EC_ALLOC(task, struct publish);
    struct ec_buf json = {0};
    struct ec_uuid id;
    char trace[EC_TRACEPARENT + 1];
    bool ok;

    ec_random(id.b, sizeof(id.b));
    id.b[6] = (uint8_t)(0x40 | (id.b[6] & 0x0f));
    id.b[8] = (uint8_t)(0x80 | (id.b[8] & 0x3f));
    ec_trace_format(&task->trace, trace);
    ec_json_write(&json, event->body, body);
    ok = ec_pg_encode(task->arena,
                      EC_PARAMS(ec_param_uuid(id), ec_param_text(ec_str_of(event->topic->name)), ec_param_text(key_text(task, event, body)),
                                ec_param_text(ec_str_of(ec_arena_printf(task->arena, "%s.v%d", event->name, event->version))),
                                ec_param_text((struct ec_str){json.p, json.n}), ec_param_text(ec_str_of(trace))),
                      &publish->values);
    ec_buf_free(&json);
    if (!ok)
        ec_panic("an event's key has a NUL character");
    publish->rider.send = send_publish;
    publish->rider.committed = published;
    ec_tx_ride(task, &publish->rider);
}

/* ------------------------------------------------------------------ the relay */

static const struct ec_sql sql_lock = {.name = "ec.outbox.lock", .text = "SELECT pg_try_advisory_lock(7305805570779541368)"};
static const struct ec_sql sql_read = {
    .name = "ec.outbox.read",
    .text = "SELECT id, event_id::text, topic, key, type, body, traceparent, created_at::text FROM ec.outbox ORDER BY id LIMIT 500",
};
static const struct ec_sql sql_delete = {.name = "ec.outbox.delete", .text = "DELETE FROM ec.outbox WHERE id = ANY($1::bigint[])"};

/* Also while the bus is away and nothing is read. The oldest row is the first of the primary key; more than some are as good as many. */
static const struct ec_sql sql_measure = {
    .name = "ec.outbox.measure",
    .text = "SELECT (SELECT count(*) FROM (SELECT FROM ec.outbox LIMIT 10000) AS few), "
            "coalesce((SELECT (extract(epoch FROM now() - created_at) * 1000)::bigint FROM ec.outbox ORDER BY id LIMIT 1), 0)",
};

struct row {
    struct ec_relay_row row;
    struct row *next_of_key; /* handed over after this one */
    struct row *last_of_key; /* of the first row of a key, while the chain is built */
    struct row *next_slot;
};

struct topic_count {
    const char *topic;
    struct ec_metric *relayed, *failed;
    struct topic_count *next;
};

static struct {
    const struct ec_relay_sink *sink;
    struct ec_pg_conn *conn;
    bool open, up, locked, asking; /* asking: a lock or a read is under way */
    bool removing;                 /* with the read goes a delete */
    bool dirty;                    /* something was published since the last read began */
    struct ec_arena *batch;        /* NULL: none in flight */
    struct row *rows;
    size_t nrows, pending;
    size_t failures;         /* of the batch */
    struct ec_buf delivered; /* "{1,2,3" */
    size_t ndelivered;
    int lock_ticks, measure_ticks;
    int64_t backoff_ms;
    uint64_t rest_until_ns;
    uv_timer_t tick;
    struct ec_pg_cmd remove, read, sync;
    struct ec_metric *leader, *lag, *waiting;
    struct topic_count *counts;
} relay;

static void read_batch(void);

static void wake(void)
{
    relay.dirty = true;
    if (relay.open && relay.locked && !relay.asking && !relay.batch && uv_hrtime() >= relay.rest_until_ns)
        read_batch();
}

static void batch_over(void)
{
    ec_arena_free(relay.batch);
    relay.batch = NULL;
    relay.rows = NULL;
    if (relay.failures) {
        relay.backoff_ms = relay.backoff_ms ? relay.backoff_ms * 2 : TICK_MS;
        if (relay.backoff_ms > BACKOFF_MAX_MS)
            relay.backoff_ms = BACKOFF_MAX_MS;
        relay.rest_until_ns = uv_hrtime() + (uint64_t)relay.backoff_ms * 1000000;
    } else {
        relay.backoff_ms = 0;
    }
    if (relay.locked)
        read_batch(); /* deletes what was delivered also when nothing is to be read yet */
    else
        relay.ndelivered = relay.delivered.n = 0;
}

static void done_with(size_t n)
{
    relay.pending -= n;
    if (relay.pending == 0)
        batch_over();
}

static void delivered(void *data, bool ok);

/* Returns how many rows are out of the batch without a delivery to wait for. */
static size_t hand_over(struct row *row)
{
    size_t n = 0;

    EC_CRASH_BEFORE("outbox.%.*s", (int)row->row.topic.n, row->row.topic.p);
    if (relay.open && relay.sink && relay.sink->produce(&row->row, delivered, row))
        return 0;
    relay.failures++;
    for (; row; row = row->next_of_key)
        n++;
    return n;
}

/* One that is not there is that of a row of an older binary: it counts from now on. */
static const struct topic_count *count_of(struct ec_str topic)
{
    struct topic_count *count = relay.counts;
    struct ec_buf labels = {0};

    while (count && !ec_str_eq(ec_str_of(count->topic), topic))
        count = count->next;
    if (count)
        return count;
    count = calloc(1, sizeof(*count));
    if (!count || !(count->topic = strndup(topic.p, topic.n)))
        ec_panic("out of memory");
    ec_metric_label(&labels, "topic", count->topic);
    count->relayed = ec_metric(EC_COUNTER, "ec_outbox_relayed_total", "Events that the bus has taken", labels.p);
    count->failed = ec_metric(EC_COUNTER, "ec_outbox_failed_total", "Deliveries that failed and are repeated", labels.p);
    ec_buf_free(&labels);
    count->next = relay.counts;
    relay.counts = count;
    return count;
}

/* The message's span begins when it is handed to the bus; its event is the type without the version. */
static void tell(const struct ec_relay_row *row)
{
    const struct ec_topic *const *topic = ec_app.service->topics;
    size_t n = row->type.n;

    while (topic && *topic && !ec_str_eq(ec_str_of((*topic)->name), row->topic))
        topic++;
    while (n > 0 && row->type.p[n - 1] != '.')
        n--;
    if (row->traceparent.p && topic && *topic && n > 0)
        ec_span_end(&(struct ec_span){.trace = &row->span,
                                      .kind = EC_SPAN_PRODUCER,
                                      .hop = "publish",
                                      .from = ec_app.service->name,
                                      .to = (*topic)->bus,
                                      .text = {row->type.p, n - 1},
                                      .began_ns = row->began_ns});
}

static void delivered(void *data, bool ok)
{
    struct row *row = data, *rest;
    size_t n = 1;

    if (!relay.batch)
        return;
    if (ok) {
        EC_CRASH_AFTER("outbox.%.*s", (int)row->row.topic.n, row->row.topic.p);
        ec_metric_add(count_of(row->row.topic)->relayed, 1);
        if (ec_spans_on)
            tell(&row->row);
        ec_buf_printf(&relay.delivered, "%s%lld", relay.ndelivered++ ? "," : "{", (long long)row->row.id);
        if (row->next_of_key)
            n += hand_over(row->next_of_key);
    } else {
        ec_metric_add(count_of(row->row.topic)->failed, 1);
        relay.failures++;
        for (rest = row->next_of_key; rest; rest = rest->next_of_key)
            n++;
    }
    done_with(n);
}

static uint32_t hash_of(const struct ec_relay_row *row)
{
    uint32_t hash = 2166136261u;
    size_t i;

    for (i = 0; i < row->key.n; i++)
        hash = (hash ^ (uint8_t)row->key.p[i]) * 16777619u;
    return hash % SLOTS;
}

/* Rows of one key become a chain that starts at the first of them. */
static void chain(struct row **slots, struct row *row, bool *first)
{
    struct row **slot = &slots[hash_of(&row->row)], *at;

    for (at = *slot; at; at = at->next_slot)
        if (ec_str_eq(at->row.key, row->row.key) && ec_str_eq(at->row.topic, row->row.topic))
            break;
    *first = !at;
    if (at) {
        at->last_of_key->next_of_key = row;
        at->last_of_key = row;
        return;
    }
    row->last_of_key = row;
    row->next_slot = *slot;
    *slot = row;
}

static void take_rows(const struct pg_result *result, size_t n)
{
    struct row **slots, **firsts;
    size_t i, nfirsts = 0, gone = 0;

    relay.batch = ec_arena_new();
    relay.rows = ec_arena_array(relay.batch, n, sizeof(*relay.rows));
    slots = ec_arena_array(relay.batch, SLOTS, sizeof(struct row *));
    firsts = ec_arena_array(relay.batch, n, sizeof(struct row *));
    relay.nrows = relay.pending = n;
    relay.failures = 0;
    for (i = 0; i < n; i++) {
        struct ec_relay_row *row = &relay.rows[i].row;
        struct ec_str *const texts[] = {&row->topic, &row->key, &row->type, &row->body, &row->traceparent};
        int at = (int)i, c;
        bool first;

        ec_int_parse(ec_pg_cell(result, at, 0), &row->id);
        ec_uuid_parse(ec_pg_cell(result, at, 1), &row->event_id);
        for (c = 0; c < 5; c++)
            if (!ec_pg_null(result, at, c + 2))
                *texts[c] = ec_arena_copy(relay.batch, ec_pg_cell(result, at, c + 2));
        ec_time_parse(ec_pg_cell(result, at, 7), &row->created_at);
        if (row->traceparent.p && ec_trace_parse(row->traceparent, &row->span))
            ec_trace_child(&row->span, &row->span);
        else
            row->traceparent.p = NULL;
        row->began_ns = ec_span_clock();
        chain(slots, &relay.rows[i], &first);
        if (first)
            firsts[nfirsts++] = &relay.rows[i];
    }
    ec_metric_set(relay.lag, (double)(ec_now() - relay.rows[0].row.created_at) / 1e6);
    relay.pending++; /* so that the batch isn't over while it is handed over */
    for (i = 0; i < nfirsts; i++)
        gone += hand_over(firsts[i]);
    done_with(gone + 1);
}

static void nothing_waits(void)
{
    ec_metric_set(relay.lag, 0);
    ec_metric_set(relay.waiting, 0);
}

static void read_answer(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    (void)cmd;
    if (reply->status == EC_PG_OK && reply->rows > 0 && relay.sink && uv_hrtime() >= relay.rest_until_ns)
        take_rows(reply->result, (size_t)reply->rows);
    else if (reply->status == EC_PG_OK && reply->rows == 0)
        nothing_waits();
}

static void read_synced(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    (void)cmd;
    if (relay.removing && reply->status == EC_PG_OK)
        EC_CRASH_AFTER("outbox");
    relay.asking = false;
    if (!relay.batch && relay.dirty)
        wake();
}

static void read_batch(void)
{
    const char *ids[1];

    if (relay.asking || !ec_pg_conn_up(relay.conn) || ec_pg_conn_busy(relay.conn))
        return;
    if (!relay.ndelivered && (!relay.sink || !relay.sink->ready() || !ec_pg_ready() || uv_hrtime() < relay.rest_until_ns))
        return;
    relay.asking = true;
    relay.dirty = false;
    relay.removing = relay.ndelivered > 0;
    if (relay.ndelivered) {
        ec_buf_add(&relay.delivered, "}", 2);
        ids[0] = relay.delivered.p;
        ec_pg_send(relay.conn, &relay.remove, &sql_delete, (struct ec_pg_values){ids, 1});
    }
    relay.delivered.n = 0;
    relay.ndelivered = 0;
    relay.read.done = read_answer;
    relay.sync.done = read_synced;
    ec_pg_send(relay.conn, &relay.read, &sql_read, (struct ec_pg_values){NULL, 0});
    ec_pg_sync(relay.conn, &relay.sync);
    ec_pg_deadline(relay.conn, uv_hrtime() + (uint64_t)FLIGHT_MS * 1000000);
}

/* ------------------------------------------------------------------ who relays */

static void lock_answer(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    (void)cmd;
    if (reply->status == EC_PG_OK)
        relay.locked = ec_str_eq(ec_pg_cell(reply->result, 0, 0), EC_STR("t"));
    ec_metric_set(relay.leader, relay.locked);
}

static void asked(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    (void)cmd;
    (void)reply;
    relay.asking = false;
    if (relay.locked && !relay.batch)
        read_batch();
}

/* One statement between batches, when the connection is free. */
static void ask(const struct ec_sql *sql, void (*answer)(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply))
{
    if (relay.asking || !ec_pg_conn_up(relay.conn) || ec_pg_conn_busy(relay.conn))
        return;
    relay.asking = true;
    relay.read.done = answer;
    relay.sync.done = asked;
    ec_pg_send(relay.conn, &relay.read, sql, (struct ec_pg_values){NULL, 0});
    ec_pg_sync(relay.conn, &relay.sync);
    ec_pg_deadline(relay.conn, uv_hrtime() + (uint64_t)FLIGHT_MS * 1000000);
}

static void measure_answer(struct ec_pg_cmd *cmd, const struct ec_pg_reply *reply)
{
    int64_t rows = 0, age_ms = 0;

    (void)cmd;
    if (reply->status != EC_PG_OK)
        return;
    ec_int_parse(ec_pg_cell(reply->result, 0, 0), &rows);
    ec_int_parse(ec_pg_cell(reply->result, 0, 1), &age_ms);
    ec_metric_set(relay.waiting, (double)rows);
    ec_metric_set(relay.lag, age_ms > 0 ? (double)age_ms / 1e3 : 0);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
    if (!relay.up || relay.asking)
        return;
    if (relay.locked && ++relay.measure_ticks >= MEASURE_TICKS) {
        relay.measure_ticks = 0;
        if (ec_pg_ready())
            ask(&sql_measure, measure_answer);
    } else if (!relay.locked) {
        if (++relay.lock_ticks >= LOCK_TICKS) {
            relay.lock_ticks = 0;
            ask(&sql_lock, lock_answer);
        }
    } else if (!relay.batch) {
        read_batch();
    }
}

static void on_up(struct ec_pg_conn *conn, void *data)
{
    (void)data;
    ec_pg_conn_renew(conn);
    relay.up = true;
    relay.lock_ticks = 0;
    ask(&sql_lock, lock_answer);
}

static void on_lost(struct ec_pg_conn *conn, void *data)
{
    (void)conn;
    (void)data;
    relay.up = relay.locked = relay.asking = false;
    ec_metric_set(relay.leader, 0);
    nothing_waits(); /* that this process knows of: the next leader does */
}

/* ------------------------------------------------------------------ the module's part */

/* Only where there is a bus: who publishes nothing has nobody who relays. */
static void count_series(void)
{
    relay.leader = ec_metric(EC_GAUGE, "ec_outbox_leader", "1 where this process relays", NULL);
    relay.lag =
        ec_metric(EC_GAUGE_MOST, "ec_outbox_lag_seconds", "Age of the oldest event that the bus has not taken, where this process relays", NULL);
    relay.waiting =
        ec_metric(EC_GAUGE, "ec_outbox_rows", "Events that the bus has not taken, where this process relays; at most 10000", NULL);
    for (const struct ec_topic *const *topic = ec_app.service->topics; topic && *topic; topic++)
        count_of(ec_str_of((*topic)->name));
}

static void open_relay(void)
{
    if (!relay.open || relay.conn || !relay.sink)
        return;
    count_series();
    relay.conn = ec_pg_conn_new(&(struct ec_pg_conn_options){.role = "relay", .up = on_up, .lost = on_lost});
    uv_timer_start(&relay.tick, on_tick, TICK_MS, TICK_MS);
}

void ec_relay_register(const struct ec_relay_sink *sink)
{
    relay.sink = sink;
    open_relay();
}

void ec_outbox_start(void)
{
    uv_timer_init(ec_app.loop, &relay.tick);
    relay.open = true;
    open_relay();
}

void ec_outbox_drain(void)
{
    wake();
}

bool ec_outbox_idle(void)
{
    bool can = relay.sink && relay.sink->ready() && uv_hrtime() >= relay.rest_until_ns;

    return !relay.locked || (!relay.batch && !relay.asking && !(relay.dirty && can)); /* what can't go now stays for the next process */
}

void ec_outbox_stop(void)
{
    if (!relay.open)
        return;
    relay.open = relay.up = relay.locked = relay.asking = relay.dirty = false;
    if (relay.conn)
        ec_pg_conn_stop(relay.conn);
    relay.conn = NULL;
    if (relay.batch)
        ec_arena_free(relay.batch);
    relay.batch = NULL;
    relay.rest_until_ns = 0;
    relay.backoff_ms = 0;
    relay.ndelivered = 0;
    ec_buf_free(&relay.delivered);
    while (relay.counts) {
        struct topic_count *count = relay.counts;

        relay.counts = count->next;
        free((char *)(uintptr_t)count->topic);
        free(count);
    }
    uv_close((uv_handle_t *)&relay.tick, NULL);
}
