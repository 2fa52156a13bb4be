/* Tokens: what the service that knows them said, kept for the time that the topology gives.
 *
 * The map is keyed by a hash of the token under a key of this process, so that it holds no token and nobody can aim at its buckets; it
 * is bounded, and the longest unused goes first. A refusal is kept as well, so that repeating it costs the service nothing; a failure to ask is
 * not. One question a token is under way at a time, and all its requests share the answer.
 *
 * A verdict owns a deep copy of the identity; requests hold references, so it may be replaced while they run.
 */
#include "gateway.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "random.h"
#include "trace.h"

enum { BUCKETS = 4096, MAX_ENTRIES = 10000, HASH = 32 };

struct entry {
    uint8_t hash[HASH];
    struct gw_verdict *verdict; /* or NULL */
    bool asking;
    struct gw_request *first, **end; /* who waits for the answer */
    struct entry *chain;             /* in its bucket */
    struct entry *newer, *older;     /* by use */
};

static struct {
    const struct ec_gateway_auth *auth;
    uint8_t secret[HASH];
    struct entry *buckets[BUCKETS];
    struct entry use; /* ring: newest is use.older */
    size_t n;
    struct ec_metric *known, *asked, *refused;
} map;

struct auth_in { struct ec_str token; }; /* the first member of the program's frame */

/* ------------------------------------------------------------------ verdicts */

void gw_verdict_release(struct gw_verdict *verdict)
{
    if (!verdict || --verdict->refs)
        return;
    ec_arena_free(verdict->arena); /* it is in it */
}

static struct gw_verdict *verdict_new(void)
{
    struct ec_arena *arena = ec_arena_new();
    struct gw_verdict *verdict = ec_arena_alloc(arena, sizeof(*verdict));

    verdict->refs = 1;
    verdict->arena = arena;
    verdict->until_ns = uv_hrtime() + (uint64_t)map.auth->cache_ms * 1000000;
    return verdict;
}

/* Who this is: what the topology says, or else the identity's first scalar. */
static struct ec_str subject_of(struct ec_task *task, const void *identity)
{
    const struct ec_record *record = map.auth->identity;

    if (map.auth->subject)
        return map.auth->subject(identity);
    for (size_t i = 0; i < record->nfields; i++) {
        struct ec_str text = gw_field_text(task, &record->fields[i], identity);
        if (text.n)
            return text;
    }
    return EC_STR("");
}

static struct gw_verdict *verdict_of(struct ec_task *task)
{
    struct gw_verdict *verdict = verdict_new();
    struct ec_json_error error;
    struct ec_buf text = {0};

    if (task->error) {
        verdict->error = task->error;
        verdict->detail = task->detail ? ec_arena_copy(verdict->arena, ec_str_of(task->detail)).p : NULL;
        return verdict;
    }
    ec_json_write(&text, map.auth->identity, task->out);
    verdict->identity = ec_arena_alloc(verdict->arena, map.auth->identity->size);
    if (ec_json_read(verdict->arena, ec_arena_copy(verdict->arena, (struct ec_str){text.p, text.n}), map.auth->identity, verdict->identity, EC_JSON_LENIENT,
                     &error) != EC_JSON_OK) {
        ec_log(EC_LOG_ERROR, task, "an identity can't be copied", EC_L_STR("path", error.path), EC_L_STR("why", error.message));
        gw_verdict_release(verdict);
        verdict = NULL;
    } else {
        verdict->subject = ec_arena_copy(verdict->arena, subject_of(task, verdict->identity));
    }
    ec_buf_free(&text);
    return verdict;
}

/* ------------------------------------------------------------------ the map */

static void hash_of(struct ec_str token, uint8_t out[HASH])
{
    struct ec_buf buf = {0};

    ec_buf_add(&buf, map.secret, sizeof(map.secret));
    ec_buf_add(&buf, token.p, token.n);
    ec_sha256(buf.p, buf.n, out);
    ec_buf_free(&buf);
}

static struct entry **entry_find(const uint8_t hash[HASH])
{
    struct entry **at = &map.buckets[(hash[0] | hash[1] << 8) % BUCKETS];

    while (*at && memcmp((*at)->hash, hash, HASH))
        at = &(*at)->chain;
    return at;
}

static void used(struct entry *entry)
{
    if (entry->newer) {
        entry->newer->older = entry->older;
        entry->older->newer = entry->newer;
    }
    entry->older = map.use.older;
    entry->newer = &map.use;
    entry->older->newer = entry;
    map.use.older = entry;
}

static void entry_free(struct entry *entry)
{
    *entry_find(entry->hash) = entry->chain;
    entry->newer->older = entry->older;
    entry->older->newer = entry->newer;
    gw_verdict_release(entry->verdict);
    free(entry);
    map.n--;
}

static void make_room(void)
{
    struct entry *entry = map.use.newer, *next; /* the oldest */

    for (; map.n >= MAX_ENTRIES && entry != &map.use; entry = next) {
        next = entry->newer;
        if (!entry->asking)
            entry_free(entry);
    }
}

struct gw_verdict *gw_auth_known(struct ec_str token)
{
    uint8_t hash[HASH];
    struct entry *entry;

    hash_of(token, hash);
    entry = *entry_find(hash);
    if (!entry || !entry->verdict || uv_hrtime() >= entry->verdict->until_ns)
        return NULL;
    used(entry);
    ec_metric_add(map.known, 1);
    entry->verdict->refs++;
    return entry->verdict;
}

/* ------------------------------------------------------------------ asking */

static void on_finish(struct ec_task *task)
{
    struct entry *entry = task->owner;
    struct gw_request *request = entry->first, *next;
    const struct ec_error *error = task->error;
    /* A refusal is the service's word on the token; anything else says nothing about it. */
    bool told = !error || (error->status >= 400 && error->status < 500 && error->status != 408 && error->status != 409 && error->status != 429);
    struct gw_verdict *verdict = told ? verdict_of(task) : NULL;

    if (!error && !verdict)
        error = &ec_error_bad_gateway;
    gw_verdict_release(entry->verdict);
    entry->verdict = verdict;
    entry->asking = false;
    entry->first = NULL;
    entry->end = &entry->first;
    if (error)
        ec_metric_add(map.refused, 1);
    if (verdict)
        verdict->refs++; /* for as long as it is handed out: an entry may go meanwhile */
    for (; request; request = next) {
        next = request->next;
        if (verdict)
            verdict->refs++;
        gw_authenticated(request, verdict, error, task->detail, task->retry_after_s);
    }
    gw_verdict_release(verdict);
    ec_task_free(task);
}

void gw_auth_validate(struct gw_request *request)
{
    uint8_t hash[HASH];
    struct entry *entry;
    struct ec_task *task;

    hash_of(request->token, hash);
    entry = *entry_find(hash);
    if (!entry) {
        make_room();
        entry = calloc(1, sizeof(*entry));
        if (!entry)
            abort();
        memcpy(entry->hash, hash, HASH);
        entry->end = &entry->first;
        *entry_find(hash) = entry;
        map.n++;
    }
    used(entry);
    request->next = NULL;
    *entry->end = request;
    entry->end = &request->next;
    if (entry->asking)
        return;
    entry->asking = true;
    ec_metric_add(map.asked, 1);
    task = ec_task_new(&ec_app, map.auth->program);
    ec_task_context(task, request->task);
    ((struct auth_in *)task->frame)->token = ec_arena_copy(task->arena, request->token);
    task->owner = entry;
    task->finish = on_finish;
    ec_task_start(task);
}

void gw_auth_open(const struct ec_gateway_auth *auth)
{
    map.auth = auth;
    map.use.newer = map.use.older = &map.use;
    ec_random(map.secret, sizeof(map.secret));
    map.known = ec_metric(EC_COUNTER, "ec_gateway_tokens_known_total", "Tokens whose verdict was kept", "");
    map.asked = ec_metric(EC_COUNTER, "ec_gateway_tokens_asked_total", "Tokens that were validated by their service", "");
    map.refused = ec_metric(EC_COUNTER, "ec_gateway_tokens_refused_total", "Validations that failed", "");
}

void gw_auth_close(void)
{
    struct entry *entry = map.use.newer, *next;

    if (!map.auth)
        return;
    for (; entry != &map.use; entry = next) {
        next = entry->newer;
        if (!entry->asking) /* a question in flight still has its entry */
            entry_free(entry);
    }
    map.auth = NULL;
}
