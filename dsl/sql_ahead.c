#include "sql_ahead.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>

#include <pg_query.h>

#include "arena.h"
#include "ast.h"
#include "sql_internal.h"

enum { FEWEST_TEXTS = 200, MOST_THREADS = 3 };

struct slot { /* full and tree are in the thread's arena */
    enum { WAITS, BEGUN, PARSED, TAKEN } state;
    const char *prefix;
    struct ecc_text source;
    const char *full;
    const struct ecc_sql_node *tree;
};

struct worker {
    struct ecc_sql_ahead *ahead;
    struct ecc_arena arena;
    pthread_t thread;
};

struct ecc_sql_ahead {
    struct ecc_arena *arena;
    struct ecc_arena list; /* the slots, which only the parser makes more; with the lock held, so it asks for no block of the stock */
    pthread_mutex_t lock;  /* of what follows; a slot's content is the thread's while it is BEGUN */
    struct {
        struct slot *items;
        size_t n, cap;
    } slots;
    size_t next; /* before it nothing waits */
    bool over;
    struct ecc_arena_block *stock; /* the arena's next block, or NULL: it is being made, or can't be had */
    bool stocked;
    pthread_cond_t added, parsed;
    struct worker workers[MOST_THREADS];
    size_t nworkers, wanted;
};

static void parse(struct ecc_arena *arena, struct slot *slot)
{
    const char *copy = ecc_arena_strndup(arena, slot->source.text, slot->source.length);

    slot->full = *slot->prefix ? ecc_arena_printf(arena, "%s%s)", slot->prefix, copy) : sql_numbered(arena, copy, strlen(copy));
    PgQueryParseResult result = pg_query_parse(slot->full);
    if (!result.error)
        slot->tree = ecc_sql_tree(arena, result.parse_tree);
    pg_query_free_parse_result(result);
}

static void *work(void *data)
{
    struct worker *worker = data;
    struct ecc_sql_ahead *ahead = worker->ahead;

    pthread_mutex_lock(&ahead->lock);
    for (;;) {
        while (ahead->next < ahead->slots.n && ahead->slots.items[ahead->next].state != WAITS)
            ahead->next++;
        if (ahead->over)
            break;
        if (!ahead->stocked) {
            ahead->stocked = true;
            pthread_mutex_unlock(&ahead->lock);
            struct ecc_arena_block *block = ecc_arena_block_new();
            pthread_mutex_lock(&ahead->lock);
            ahead->stock = block;
            continue;
        }
        if (ahead->next == ahead->slots.n) {
            pthread_cond_wait(&ahead->added, &ahead->lock);
            continue;
        }
        size_t number = ahead->next++;
        ahead->slots.items[number].state = BEGUN;
        struct slot slot = ahead->slots.items[number]; /* the list may move meanwhile */
        pthread_mutex_unlock(&ahead->lock);
        parse(&worker->arena, &slot);
        pthread_mutex_lock(&ahead->lock);
        slot.state = PARSED;
        ahead->slots.items[number] = slot;
        pthread_cond_broadcast(&ahead->parsed);
    }
    pthread_mutex_unlock(&ahead->lock);
    return NULL;
}

static struct ecc_arena_block *refill(void *context)
{
    struct ecc_sql_ahead *ahead = context;

    pthread_mutex_lock(&ahead->lock);
    struct ecc_arena_block *block = ahead->stock;
    ahead->stock = NULL;
    if (block) {
        ahead->stocked = false;
        pthread_cond_signal(&ahead->added);
    }
    pthread_mutex_unlock(&ahead->lock);
    return block;
}

static void begin_arena(struct ecc_arena *arena, const struct ecc_arena *parent)
{
    ecc_arena_init(arena);
    arena->oom = parent->oom;
    arena->oom_context = parent->oom_context;
}

static void start(struct ecc_sql_ahead *ahead)
{
    for (size_t i = 0; i < ahead->wanted; i++) {
        struct worker *worker = &ahead->workers[i];
        worker->ahead = ahead;
        begin_arena(&worker->arena, ahead->arena);
        if (pthread_create(&worker->thread, NULL, work, worker))
            break;
        ahead->nworkers++;
    }
    ahead->wanted = 0;
    if (ahead->nworkers) {
        ahead->arena->refill = refill;
        ahead->arena->refill_context = ahead;
    }
}

struct ecc_sql_ahead *ecc_sql_ahead_begin(struct ecc_arena *arena)
{
    cpu_set_t processors;

    if (arena->limit) /* who limits memory leaves by a jump, and would leave the threads behind */
        return NULL;
    if (sched_getaffinity(0, sizeof processors, &processors) || CPU_COUNT(&processors) < 2)
        return NULL;
    size_t others = (size_t)CPU_COUNT(&processors) - 1;
    struct ecc_sql_ahead *ahead = ECC_NEW(arena, struct ecc_sql_ahead);
    ahead->arena = arena;
    begin_arena(&ahead->list, arena);
    ahead->wanted = others < MOST_THREADS ? others : MOST_THREADS;
    pthread_mutex_init(&ahead->lock, NULL);
    pthread_cond_init(&ahead->added, NULL);
    pthread_cond_init(&ahead->parsed, NULL);
    return ahead;
}

size_t ecc_sql_ahead_add(struct ecc_sql_ahead *ahead, const char *prefix, struct ecc_text text)
{
    if (!ahead)
        return 0;
    pthread_mutex_lock(&ahead->lock);
    size_t number = ahead->slots.n;
    ECC_PUSH(&ahead->list, &ahead->slots, ((struct slot){.prefix = prefix, .source = text}));
    pthread_cond_signal(&ahead->added);
    pthread_mutex_unlock(&ahead->lock);
    if (number + 1 == FEWEST_TEXTS)
        start(ahead);
    return number;
}

const struct ecc_sql_node *ecc_sql_ahead_take(struct ecc_sql_ahead *ahead, size_t number, const char *text)
{
    const struct ecc_sql_node *tree = NULL;

    if (!ahead->nworkers)
        return NULL;
    pthread_mutex_lock(&ahead->lock);
    struct slot *slot = &ahead->slots.items[number]; /* nobody adds any more: the list does not move */
    while (slot->state == BEGUN)
        pthread_cond_wait(&ahead->parsed, &ahead->lock);
    if (slot->state == WAITS)
        slot->state = TAKEN;
    if (slot->state == PARSED && strcmp(slot->full, text) == 0)
        tree = slot->tree;
    pthread_mutex_unlock(&ahead->lock);
    return tree;
}

size_t ecc_sql_ahead_threads(const struct ecc_sql_ahead *ahead)
{
    return ahead ? ahead->nworkers : 0;
}

void ecc_sql_ahead_end(struct ecc_sql_ahead *ahead)
{
    if (!ahead)
        return;
    pthread_mutex_lock(&ahead->lock);
    ahead->over = true;
    pthread_cond_broadcast(&ahead->added);
    pthread_mutex_unlock(&ahead->lock);
    for (size_t i = 0; i < ahead->nworkers; i++)
        pthread_join(ahead->workers[i].thread, NULL);
    for (size_t i = 0; i < ahead->nworkers; i++)
        ecc_arena_spare(ahead->arena, &ahead->workers[i].arena);
    ecc_arena_free(&ahead->list);
    ahead->arena->refill = NULL;
    if (ahead->stock)
        ecc_arena_give(ahead->arena, ahead->stock);
    pthread_cond_destroy(&ahead->parsed);
    pthread_cond_destroy(&ahead->added);
    pthread_mutex_destroy(&ahead->lock);
}
