/* GETs from a keyspace.
 *
 * What Redis has is sent as it is: it was written by us as JSON of the same record. It is checked once for each value that comes by (the
 * last ones are remembered), since a broken value must read as absent. One that is sound is kept for as long as the keyspace's `near` says,
 * and then sent in the turn in which its request has come.
 *
 * A miss is fetched once: the first request of a key leads, those that miss while it runs wait for its answer. The flight stays until
 * the answer is stored: what missed before that is told the same answer, what asks later finds it in Redis. A flight is of a key and the version
 * that was read with it, so that nobody who comes after a drop is given an answer from before it.
 *
 * Without an answer from Redis there is no version, and nobody can tell that a drop came between. Then a request is given only what was asked for
 * after it had come: those that come while a fetch is on its way wait for it to end, and the first of them leads a fetch for all of them. So
 * reads go on, each as fresh as one without a cache, and a key is still fetched once at a time.
 */
#include "gateway.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "redis.h"

enum { BUCKETS = 1024, REMEMBERED = 256, REMEMBERED_SIZE = 16384 };

struct gw_flight {
    const struct ec_keyspace *keyspace;
    struct ec_str key;
    bool answered; /* by Redis, with this version */
    struct ec_cache_version version;
    bool over;     /* body is there, being stored */
    struct ec_buf body;
    struct ec_trace trace; /* of the request that fetched it, while it is stored */
    uint64_t began_ns;
    struct gw_request *first, **end; /* who waits for it */
    struct gw_request *late, **late_end; /* who has come too late for it: not answered */
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

bool gw_cache_ask(struct gw_request *request, void (*then)(struct gw_request *request))
{
    const struct ec_route_cache *cache = request->route->route->cache;
    struct asked *asked;

    request->cache_key = cache->key(request->task);
    request->near = ec_near_find(cache->keyspace, request->cache_key, &request->cached, &request->read);
    if (request->near) {
        if (request->pending > 1)
            request->cached = ec_arena_copy(request->task->arena, request->cached);
        return false;
    }
    asked = ec_arena_alloc(request->task->arena, sizeof(*asked));
    *asked = (struct asked){request, then};
    request->cache_asked = true;
    ec_cache_fetch(cache->keyspace, request->cache_key, on_fetched, asked);
    return true;
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
                   (*at)->answered != request->cache_answered ||
                   (request->cache_answered && !ec_cache_version_eq(&(*at)->version, &request->version))))
        at = &(*at)->next;
    return at;
}

static void flight_new(struct gw_request *request)
{
    struct gw_flight *flight = calloc(1, sizeof(*flight) + request->cache_key.n), **bucket = &flights[hash_of(request->cache_key) % BUCKETS];

    if (!flight)
        abort();
    flight->keyspace = request->route->route->cache->keyspace;
    if (request->cache_key.n)
        memcpy(flight->bytes, request->cache_key.p, request->cache_key.n);
    flight->key = (struct ec_str){flight->bytes, request->cache_key.n};
    flight->answered = request->cache_answered;
    flight->version = request->version;
    flight->end = &flight->first;
    flight->late_end = &flight->late;
    flight->next = *bucket;
    *bucket = flight;
    request->flight = flight;
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

static void wait_in(struct gw_request ***end, struct gw_request *request)
{
    request->next = NULL;
    **end = request;
    *end = &request->next;
}

bool gw_cache_serve(struct gw_request *request)
{
    const struct ec_keyspace *keyspace = request->route->route->cache->keyspace;
    struct gw_flight *flight;

    if (request->near || (request->cached.p && is_sound(request))) {
        if (request->near) {
            ec_cache_count_near(keyspace);
        } else {
            ec_cache_count(keyspace, "hit");
            ec_near_keep(keyspace, request->cache_key, request->cached, &request->read);
        }
        request->hit = true;
        gw_reply_body(request, request->route->route->status, request->cached);
        return false;
    }
    ec_cache_count(keyspace, request->cached.p || !request->cache_answered ? "error" : "miss");
    request->miss = true;
    flight = *flight_find(request);
    if (flight && flight->over) {
        gw_reply_body(request, request->route->route->status, (struct ec_str){flight->body.p, flight->body.n});
        return false;
    }
    if (flight) {
        wait_in(flight->answered ? &flight->end : &flight->late_end, request);
        return false;
    }
    flight_new(request);
    return true;
}

/* The first one that still has time leads; what it gets is for those behind it. */
static void lead(struct gw_request *waiting)
{
    struct gw_request *leader = NULL, *next;

    for (; waiting; waiting = next) {
        next = waiting->next;
        if (leader) {
            wait_in(&leader->flight->end, waiting);
        } else if (ec_task_expired(waiting->task)) {
            gw_reply_problem(waiting, &ec_error_timeout, NULL, 0);
        } else {
            leader = waiting;
            flight_new(leader);
        }
    }
    if (leader)
        gw_run(leader);
}

static void on_stored(void *data)
{
    struct gw_flight *flight = data;

    ec_cache_tell(&flight->trace, flight->keyspace, "put", ec_redis_up() ? "ok" : "refused", flight->began_ns);
    flight_free(flight);
}

void gw_cache_over(struct gw_request *request, struct ec_str body)
{
    struct gw_flight *flight = request->flight;
    const struct ec_task *task = request->task;
    struct gw_request *waiter = flight->first, *late = flight->late, *next;

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
    flight->trace = task->trace;
    flight->began_ns = ec_span_clock();
    if (task->error || !flight->answered) {
        flight_free(flight);
        lead(late);
    } else {
        ec_cache_store(flight->keyspace, flight->key, (struct ec_str){flight->body.p, flight->body.n}, &flight->version, on_stored, flight);
    }
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
