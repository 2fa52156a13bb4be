/* Keyspaces on Redis: `<name>:<key>` holds the value's JSON, with the keyspace's time to live.
 *
 * A value must not outlive its drop. Two ways lead there:
 * - A program reads nothing, asks its database, and is overtaken by another that changes the row and drops the key; then it stores what it
 *   read. So a drop also writes a new random version (`#<name>:<key>`, kept a minute, longer than any request), a read fetches the
 *   version along with the value, and a put after a miss stores only if the version is still the same, on the same connection: a Redis
 *   that was started again has lost versions. A put without a read before it is the word of who wrote the data, and stores.
 * - Redis is away when the drop comes. The drop is kept in memory, at most as long as the value could live, and goes out first on
 *   the next connection; until it has, nothing is stored under its key. What doesn't fit the bound is counted and logged.
 *
 * A cache never fails a task: without an answer a read is a miss, a put is nothing.
 */
#include "cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_count.h"
#include "cache_near.h"
#include "health.h"
#include "json.h"
#include "random.h"
#include "redis.h"
#include "span.h"

enum { VERSION_TTL_MS = 60000, MAX_PENDING = 10000, BUCKETS = 1024, RETRY_MS = 1000 };

struct ec_cache_seen { /* in the task's arena */
    const struct ec_keyspace *keyspace;
    struct ec_str key;
    struct ec_cache_version version;
    struct ec_cache_seen *next;
};

struct drop { /* not yet at Redis; the key's bytes follow */
    struct drop *next;
    uint64_t until_ms;
    bool sent;
    size_t n;
    char key[];
};

static struct drop *drops[BUCKETS];
static size_t ndrops;
static bool full_said;
static uv_timer_t retry;
static bool retry_open;
static unsigned connection; /* counted */

static struct ec_redis_script put_script = {
    .text =
        "if (redis.call('GET', KEYS[2]) or '') == ARGV[3] then return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end return false",
};

static void send_drops(void);

/* ------------------------------------------------------------------ keys */

struct ec_str ec_cache_key(struct ec_buf *buf, const struct ec_keyspace *keyspace, struct ec_str key)
{
    size_t at = buf->n;

    ec_buf_str(buf, keyspace->name);
    ec_buf_add(buf, ":", 1);
    ec_buf_add(buf, key.p, key.n);
    return (struct ec_str){buf->p + at, buf->n - at};
}

struct keys { /* both in one buffer: "#name:key" and, behind the #, "name:key" */
    struct ec_buf buf;
    struct ec_str value, version;
};

static struct keys keys_of(const struct ec_keyspace *keyspace, struct ec_str key)
{
    struct keys keys = {0};

    ec_buf_add(&keys.buf, "#", 1);
    ec_cache_key(&keys.buf, keyspace, key);
    keys.version = (struct ec_str){keys.buf.p, keys.buf.n};
    keys.value = (struct ec_str){keys.buf.p + 1, keys.buf.n - 1};
    return keys;
}

static struct ec_task *root_of(struct ec_task *task)
{
    return task->parent ? task->parent : task;
}

static struct ec_cache_seen *seen_find(struct ec_task *task, const struct ec_keyspace *keyspace, struct ec_str key)
{
    for (struct ec_cache_seen *seen = root_of(task)->seen; seen; seen = seen->next)
        if (seen->keyspace == keyspace && ec_str_eq(seen->key, key))
            return seen;
    return NULL;
}

static void seen_set(struct ec_task *task, const struct ec_keyspace *keyspace, struct ec_str key, const struct ec_cache_version *version)
{
    struct ec_cache_seen *seen = seen_find(task, keyspace, key);

    if (!seen) {
        seen = ec_arena_alloc(task->arena, sizeof(*seen));
        seen->keyspace = keyspace;
        seen->key = ec_arena_copy(task->arena, key);
        seen->next = root_of(task)->seen;
        root_of(task)->seen = seen;
    }
    seen->version = *version;
}

/* ------------------------------------------------------------------ drops that wait */

static size_t bucket_of(struct ec_str key)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < key.n; i++)
        hash = (hash ^ (uint8_t)key.p[i]) * 16777619u;
    return hash % BUCKETS;
}

static struct drop **drop_find(struct ec_str key)
{
    struct drop **at = &drops[bucket_of(key)];

    while (*at && ((*at)->n != key.n || memcmp((*at)->key, key.p, key.n)))
        at = &(*at)->next;
    return at;
}

static void drop_forget(struct drop **at)
{
    struct drop *drop = *at;

    *at = drop->next;
    ndrops--;
    if (ndrops < MAX_PENDING / 2)
        full_said = false;
    free(drop);
}

size_t ec_cache_pending_drops(void)
{
    return ndrops;
}

static void on_retry(uv_timer_t *timer)
{
    (void)timer;
    if (ec_redis_up())
        send_drops();
}

static void retry_later(void)
{
    if (!retry_open) {
        uv_timer_init(ec_app.loop, &retry);
        retry_open = true;
    }
    if (!uv_is_active((uv_handle_t *)&retry))
        uv_timer_start(&retry, on_retry, RETRY_MS, 0);
}

static void stop(void)
{
    ec_near_forget_all();
    if (retry_open)
        uv_close((uv_handle_t *)&retry, NULL);
    retry_open = false;
    for (size_t i = 0; i < BUCKETS; i++)
        while (drops[i])
            drop_forget(&drops[i]);
}

static bool idle(void)
{
    return ndrops == 0 || !ec_redis_up(); /* a Redis that is away can't hold up the end of the process */
}

/* One for the process; the drop's key is looked up again, since it may have been forgotten meanwhile. */
struct sent {
    size_t n;
    char key[];
};

static void on_late_drop(void *data, const struct ec_redis_reply *reply)
{
    struct sent *sent = data;
    struct drop **at = drop_find((struct ec_str){sent->key, sent->n});

    if (*at) {
        (*at)->sent = false;
        if (reply && reply->type != EC_REDIS_ERROR) {
            drop_forget(at);
            ec_metric_add(ec_cache_drops.late, 1);
        } else if (reply) {
            retry_later();
        }
    }
    free(sent);
}

/* The version first: once the value is gone, no put that read the old version may follow. */
static void send_drop(struct ec_str version_key, struct ec_str value_key, const struct ec_cache_version *version, ec_redis_done *done,
                      void *data)
{
    char ttl[24];

    EC_REDIS(NULL, NULL, EC_STR("SET"), version_key, {version->text, version->n}, EC_STR("PX"), {ttl, ec_int_format(VERSION_TTL_MS, ttl)});
    EC_REDIS(done, data, EC_STR("DEL"), value_key);
}

static struct ec_cache_version version_new(void)
{
    struct ec_cache_version version;
    uint8_t bytes[8];
    char hex[17];

    ec_random(bytes, sizeof(bytes));
    ec_hex(bytes, sizeof(bytes), hex);
    memcpy(version.text, hex, 16);
    version.n = 16;
    version.connection = connection;
    return version;
}

bool ec_cache_version_eq(const struct ec_cache_version *a, const struct ec_cache_version *b)
{
    return a->connection == b->connection && a->n == b->n && memcmp(a->text, b->text, a->n) == 0;
}

static void send_drops(void)
{
    uint64_t now = uv_hrtime() / 1000000;

    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct drop **at = &drops[i]; *at;) {
            struct drop *drop = *at;
            struct ec_cache_version version = version_new();
            struct ec_buf buf = {0};
            struct sent *sent;

            if (now >= drop->until_ms && !drop->sent) {
                drop_forget(at);
                continue;
            }
            at = &drop->next;
            if (drop->sent)
                continue;
            sent = malloc(sizeof(*sent) + drop->n);
            if (!sent)
                abort();
            sent->n = drop->n;
            memcpy(sent->key, drop->key, drop->n);
            drop->sent = true;
            ec_buf_add(&buf, "#", 1);
            ec_buf_add(&buf, drop->key, drop->n);
            send_drop((struct ec_str){buf.p, buf.n}, (struct ec_str){buf.p + 1, buf.n - 1}, &version, on_late_drop, sent);
            ec_buf_free(&buf);
        }
    }
}

static void drop_keep(const struct ec_keyspace *keyspace, struct ec_str value_key)
{
    struct drop **at = drop_find(value_key), *drop = *at;

    if (!drop) {
        if (ndrops >= MAX_PENDING) {
            ec_metric_add(ec_cache_drops.lost, 1);
            if (!full_said)
                ec_log(EC_LOG_ERROR, NULL, "too many cache drops wait for redis; values may be stale for their time to live",
                       EC_L_STR("keyspace", keyspace->name));
            full_said = true;
            return;
        }
        drop = malloc(sizeof(*drop) + value_key.n);
        if (!drop)
            abort();
        *drop = (struct drop){.n = value_key.n};
        memcpy(drop->key, value_key.p, value_key.n);
        *at = drop;
        ndrops++;
    }
    drop->until_ms = uv_hrtime() / 1000000 + (uint64_t)keyspace->ttl_ms;
    if (ec_redis_up())
        retry_later();
}

static void on_up(void)
{
    connection++;
    send_drops();
}

static void prepare(void)
{
    static struct ec_redis_watch watch = {.up = on_up, .idle = idle, .stop = stop};
    static bool done;

    if (done)
        return;
    done = true;
    ec_cache_count_drops();
    ec_redis_watch_add(&watch);
    ec_redis_script_add(&put_script);
    ec_health_forget = ec_near_forget_all;
}

/* ------------------------------------------------------------------ bytes */

struct fetch {
    const struct ec_keyspace *keyspace;
    ec_cache_fetched *done;
    void *data;
    bool dropped; /* what Redis has may be older than a drop that is still here */
};

static void on_fetched(void *data, const struct ec_redis_reply *reply)
{
    struct fetch fetch = *(struct fetch *)data;
    struct ec_cache_version version = {.n = 0, .connection = connection};
    struct ec_str value = {NULL, 0};
    bool answered = reply && reply->type == EC_REDIS_ARRAY && reply->n == 2 && !fetch.dropped;

    free(data);
    if (answered && reply->items[1].type == EC_REDIS_TEXT && reply->items[1].text.n <= sizeof(version.text)) {
        version.n = (uint8_t)reply->items[1].text.n;
        memcpy(version.text, reply->items[1].text.p, version.n);
    }
    if (answered && reply->items[0].type == EC_REDIS_TEXT)
        value = reply->items[0].text;
    fetch.done(fetch.data, answered, value, &version);
}

void ec_cache_fetch(const struct ec_keyspace *keyspace, struct ec_str key, ec_cache_fetched *done, void *data)
{
    struct keys keys = keys_of(keyspace, key);
    struct fetch *fetch = malloc(sizeof(*fetch));

    if (!fetch)
        abort();
    prepare();
    *fetch = (struct fetch){keyspace, done, data, *drop_find(keys.value) != NULL};
    EC_REDIS(on_fetched, fetch, EC_STR("MGET"), keys.value, keys.version);
    ec_buf_free(&keys.buf);
}

struct store {
    void (*done)(void *data);
    void *data;
    const struct ec_keyspace *keyspace;
    size_t n;
    char key[];
};

static void on_stored(void *data, const struct ec_redis_reply *reply)
{
    struct store *store = data, it = *store;

    (void)reply;
    /* A script that Redis has lost is sent twice: what was read between is older. */
    ec_near_forget(it.keyspace, (struct ec_str){store->key, it.n});
    free(store);
    if (it.done)
        it.done(it.data);
}

void ec_cache_store(const struct ec_keyspace *keyspace, struct ec_str key, struct ec_str value, const struct ec_cache_version *version,
                    void (*done)(void *data), void *data)
{
    struct keys keys = keys_of(keyspace, key);
    struct store *store = malloc(sizeof(*store) + key.n);
    char number[24];
    struct ec_str ttl = {number, ec_int_format(keyspace->ttl_ms, number)};
    bool late;

    if (!store)
        abort();
    prepare();
    *store = (struct store){done, data, keyspace, key.n};
    if (key.n)
        memcpy(store->key, key.p, key.n);
    ec_near_forget(keyspace, key);
    late = *drop_find(keys.value) || (version && version->connection != connection);
    ec_metric_add(ec_cache_counts_of(keyspace)->stored, late ? 0 : 1);
    if (late) { /* not before its drop, nor after one that is forgotten */
        EC_REDIS(on_stored, store, EC_STR("PING"));
    } else if (version) {
        struct ec_str args[] = {EC_STR("2"), keys.value, keys.version, value, ttl, {version->text, version->n}};
        ec_redis_eval(&put_script, sizeof(args) / sizeof(*args), args, on_stored, store);
    } else {
        EC_REDIS(on_stored, store, EC_STR("SET"), keys.value, value, EC_STR("PX"), ttl);
    }
    ec_buf_free(&keys.buf);
}

/* ------------------------------------------------------------------ operations of a task */

struct get { /* or put, or drop */
    struct ec_task *task;
    const struct ec_keyspace *keyspace;
    struct ec_str key;
    void **out;
    uint64_t began_ns;
    struct ec_near_read read;
};

void ec_cache_tell(const struct ec_trace *parent, const struct ec_keyspace *keyspace, const char *verb, const char *outcome,
                   uint64_t began_ns)
{
    char label[160];
    struct ec_trace trace;

    if (!ec_spans_on || !parent->sampled)
        return;
    snprintf(label, sizeof(label), "%s %s", verb, keyspace->name);
    ec_trace_child(&trace, parent);
    ec_span_end(&(struct ec_span){.trace = &trace,
                                  .kind = EC_SPAN_CLIENT,
                                  .hop = "cache",
                                  .from = ec_app.service->name,
                                  .to = keyspace->cache,
                                  .name = label,
                                  .outcome = outcome,
                                  .began_ns = began_ns});
}

/* Into the task's arena; NULL when it does not fit. */
static void *read_value(struct ec_task *task, const struct ec_keyspace *keyspace, struct ec_str value)
{
    void *found = ec_arena_alloc(task->arena, keyspace->value->size);
    struct ec_str copy = ec_arena_copy(task->arena, value); /* texts of the struct point into it */
    struct ec_json_error error;

    if (ec_json_read(task->arena, copy, keyspace->value, found, EC_JSON_LENIENT, &error) == EC_JSON_OK)
        return found;
    ec_log(EC_LOG_WARN, task, "a cached value does not fit its type and is ignored", EC_L_STR("keyspace", keyspace->name),
           EC_L_STR("path", error.path), EC_L_STR("why", error.message));
    return NULL;
}

static void on_got(void *data, bool answered, struct ec_str value, const struct ec_cache_version *version)
{
    struct get *get = data;
    struct ec_task *task = get->task;

    *get->out = value.p ? read_value(task, get->keyspace, value) : NULL;
    if (*get->out)
        ec_near_keep(get->keyspace, get->key, value, &get->read);
    ec_cache_count(get->keyspace, *get->out ? "hit" : !answered || value.p ? "error" : "miss");
    ec_cache_tell(&task->trace, get->keyspace, "get", *get->out ? "hit" : answered ? "miss" : "refused", get->began_ns);
    if (answered && !*get->out)
        seen_set(task, get->keyspace, get->key, version);
    task->error = NULL;
    task->rows = *get->out ? 1 : 0;
    ec_task_resume(task);
}

void ec_cache_get(struct ec_task *task, const struct ec_keyspace *keyspace, struct ec_str key, void **out)
{
    struct ec_near_read read = {0};
    struct ec_str value;
    struct get *get;

    if (ec_near_find(keyspace, key, &value, &read) && (*out = read_value(task, keyspace, value))) {
        ec_cache_count_near(keyspace);
        task->error = NULL;
        task->rows = 1;
        ec_task_resume_soon(task);
        return;
    }
    get = ec_arena_alloc(task->arena, sizeof(*get));
    *get = (struct get){task, keyspace, ec_arena_copy(task->arena, key), out, ec_span_clock(), read};
    ec_cache_fetch(keyspace, key, on_got, get);
}

static void wrote(struct get *get, const char *verb)
{
    struct ec_task *task = get->task;

    ec_cache_tell(&task->trace, get->keyspace, verb, ec_redis_up() ? "ok" : "refused", get->began_ns);
    task->error = NULL;
    task->rows = 0;
    ec_task_resume(task);
}

static void on_put(void *data)
{
    wrote(data, "put");
}

void ec_cache_put(struct ec_task *task, const struct ec_keyspace *keyspace, struct ec_str key, const void *value)
{
    struct ec_cache_seen *seen = seen_find(task, keyspace, key);
    struct get *put = ec_arena_alloc(task->arena, sizeof(*put));
    struct ec_buf text = {0};

    *put = (struct get){.task = task, .keyspace = keyspace, .began_ns = ec_span_clock()};
    ec_json_write(&text, keyspace->value, value);
    ec_cache_store(keyspace, key, (struct ec_str){text.p, text.n}, seen ? &seen->version : NULL, on_put, put);
    ec_buf_free(&text);
}

static void on_dropped(void *data, const struct ec_redis_reply *reply)
{
    struct get *get = data;

    ec_near_forget(get->keyspace, get->key); /* when Redis has refused it, or was lost, others may have read what was there */
    if (!reply || reply->type == EC_REDIS_ERROR) {
        struct ec_buf buf = {0};
        drop_keep(get->keyspace, ec_cache_key(&buf, get->keyspace, get->key));
        ec_buf_free(&buf);
    }
    wrote(get, "drop");
}

void ec_cache_drop(struct ec_task *task, const struct ec_keyspace *keyspace, struct ec_str key)
{
    struct keys keys = keys_of(keyspace, key);
    struct ec_cache_version version = version_new();
    struct get *get = ec_arena_alloc(task->arena, sizeof(*get));

    prepare();
    ec_metric_add(ec_cache_counts_of(keyspace)->dropped, 1);
    *get = (struct get){.task = task, .keyspace = keyspace, .key = ec_arena_copy(task->arena, key), .began_ns = ec_span_clock()};
    ec_near_forget(keyspace, key);
    if (seen_find(task, keyspace, key))
        seen_set(task, keyspace, key, &version); /* what this task puts after its own drop is new */
    send_drop(keys.version, keys.value, &version, on_dropped, get);
    ec_buf_free(&keys.buf);
}
