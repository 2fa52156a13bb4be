/* GETs from a keyspace.
 *
 * What Redis has is sent as it is: it was written by us as JSON of the same record. It is checked once for each value that comes by (the
 * last ones are remembered), since a broken value must read as absent.
 *
 * A miss is fetched once: the first request of a key leads, those that miss while it runs wait for its answer. The flight stays until
 * the answer is stored: what missed before that is told the same answer, what asks later finds it in Redis. A flight is of a key and the version
 * that was read with it, so that nobody who comes after a drop is given an answer from before it.
 */
#include "gateway.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

enum { BUCKETS = 1024, REMEMBERED = 256, REMEMBERED_SIZE = 16384 };

struct gw_flight {
    const struct ec_keyspace *keyspace;
    struct ec_str key;
    struct ec_cache_version version;
    bool over;          /* body is there, being stored */
    struct ec_buf body;
    struct gw_request *first, **end; /* who waits */
    struct gw_flight *next;
    char bytes[];       /* of key */
};

static struct gw_flight *flights[BUCKETS];
static struct { struct ec_buf value; const struct ec_keyspace *keyspace; } remembered[REMEMBERED];

static uint32_t hash_of(struct ec_str key)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < key.n; i++)
        hash = (hash ^ (uint8_t)key.p[i]) * 16777619u;
    return hash;
}

/* ------------------------------------------------------------------ fetching */

struct asked { struct gw_request *request; void (*then)(struct gw_request *request); };

static void on_fetched(void *data, bool answered, struct ec_str value, const struct ec_cache_version *version)
{
    struct asked *asked = data;
    struct gw_request *request = asked->request;

    request->cache_answered = answered;
    request->version = *version;
    if (value.p)
        request->cached = ec_arena_copy(request->task->arena, value);
    asked->then(request);
}

void gw_cache_ask(struct gw_request *request, void (*then)(struct gw_request *request))
{
    const struct ec_route_cache *cache = request->route->route->cache;
    struct asked *asked = ec_arena_alloc(request->task->arena, sizeof(*asked));

    *asked = (struct asked){request, then};
    request->cache_asked = true;
    request->cache_key = cache->key(request->task);
    ec_cache_fetch(cache->keyspace, request->cache_key, on_fetched, asked);
}

static bool is_sound(struct gw_request *request)
{
    const struct ec_keyspace *keyspace = request->route->route->cache->keyspace;
    uint32_t slot = hash_of(request->cache_key) % REMEMBERED;
    struct ec_buf *last = &remembered[slot].value;
    struct ec_json_error error;
    void *scratch;

    if (remembered[slot].keyspace == keyspace && last->n == request->cached.n && !memcmp(last->p, request->cached.p, last->n))
        return true;
    scratch = ec_arena_alloc(request->task->arena, keyspace->value->size);
    if (ec_json_read(request->task->arena, request->cached, keyspace->value, scratch, EC_JSON_LENIENT, &error) != EC_JSON_OK) {
        ec_log(EC_LOG_WARN, request->task, "a cached value does not fit its type and is ignored", EC_L_STR("keyspace", keyspace->name),
               EC_L_STR("path", error.path), EC_L_STR("why", error.message));
        return false;
    }
    if (request->cached.n <= REMEMBERED_SIZE) {
        last->n = 0;
        ec_buf_add(last, request->cached.p, request->cached.n);
        remembered[slot].keyspace = keyspace;
    }
    return true;
}

/* ------------------------------------------------------------------ flights */

static struct gw_flight **flight_find(const struct gw_request *request)
{
    struct gw_flight **at = &flights[hash_of(request->cache_key) % BUCKETS];

    while (*at && ((*at)->keyspace != request->route->route->cache->keyspace || !ec_str_eq((*at)->key, request->cache_key) ||
                   (*at)->version.n != request->version.n || memcmp((*at)->version.text, request->version.text, request->version.n)))
        at = &(*at)->next;
    return at;
}

static void flight_free(struct gw_flight *flight)
{
    struct gw_flight **at = &flights[hash_of(flight->key) % BUCKETS];

    while (*at != flight)
        at = &(*at)->next;
    *at = flight->next;
    ec_buf_free(&flight->body);
    free(flight);
}

bool gw_cache_serve(struct gw_request *request)
{
    const struct ec_keyspace *keyspace = request->route->route->cache->keyspace;
    struct gw_flight **at, *flight;

    if (request->cached.p && is_sound(request)) {
        ec_cache_count(keyspace, "hit");
        request->hit = true;
        gw_reply_body(request, request->route->route->status, request->cached);
        return false;
    }
    ec_cache_count(keyspace, request->cached.p || !request->cache_answered ? "error" : "miss");
    request->miss = true;
    at = flight_find(request);
    flight = *at;
    if (flight && flight->over) {
        gw_reply_body(request, request->route->route->status, (struct ec_str){flight->body.p, flight->body.n});
        return false;
    }
    if (flight) {
        request->next = NULL;
        *flight->end = request;
        flight->end = &request->next;
        return false;
    }
    flight = calloc(1, sizeof(*flight) + request->cache_key.n);
    if (!flight)
        abort();
    flight->keyspace = keyspace;
    if (request->cache_key.n)
        memcpy(flight->bytes, request->cache_key.p, request->cache_key.n);
    flight->key = (struct ec_str){flight->bytes, request->cache_key.n};
    flight->version = request->version;
    flight->end = &flight->first;
    *at = flight;
    request->flight = flight;
    return true;
}

static void on_stored(void *data)
{
    flight_free(data);
}

void gw_cache_over(struct gw_request *request, struct ec_str body)
{
    struct gw_flight *flight = request->flight;
    const struct ec_task *task = request->task;
    struct gw_request *waiter = flight->first, *next;

    request->flight = NULL;
    flight->first = NULL;
    flight->end = &flight->first;
    if (!task->error) {
        flight->over = true;
        ec_buf_add(&flight->body, body.p, body.n);
    }
    for (; waiter; waiter = next) {
        next = waiter->next;
        if (task->error)
            gw_reply_problem(waiter, task->error, task->detail, task->retry_after_s);
        else
            gw_reply_body(waiter, waiter->route->route->status, (struct ec_str){flight->body.p, flight->body.n});
    }
    if (task->error || !request->cache_answered)
        flight_free(flight);
    else
        ec_cache_store(flight->keyspace, flight->key, (struct ec_str){flight->body.p, flight->body.n}, &flight->version, on_stored, flight);
}

void gw_cache_open(void)
{
    for (size_t i = 0; i < REMEMBERED; i++)
        remembered[i].keyspace = NULL;
}

void gw_cache_close(void)
{
    for (size_t i = 0; i < REMEMBERED; i++)
        ec_buf_free(&remembered[i].value);
}
