#include "sql_ahead.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <pg_query.h>

#include "arena.h"
#include "ast.h"
#include "sql_internal.h"

enum { FEWEST_STATEMENTS = 200, MOST_THREADS = 3 };

struct slot { /* text and tree are in the thread's arena */
    enum { WAITS, BEGUN, PARSED, TAKEN } state;
    const char *text;
    const struct ecc_sql_node *tree;
};

struct worker {
    struct ecc_sql_ahead *ahead;
    struct ecc_arena arena;
    pthread_t thread;
};

struct ecc_sql_ahead {
    const struct ecc_ast_sqls *texts;
    struct slot *slots;
    size_t next; /* before it nothing waits */
    pthread_mutex_t lock; /* of everything here but the texts */
    pthread_cond_t parsed;
    struct worker workers[MOST_THREADS];
    size_t nworkers;
};

static void parse(struct ecc_arena *arena, const struct ecc_text *source, struct slot *slot)
{
    const char *copy = ecc_arena_strndup(arena, source->text, source->length);

    slot->text = sql_numbered(arena, copy, strlen(copy));
    PgQueryParseResult result = pg_query_parse(slot->text);
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
        while (ahead->next < ahead->texts->n && ahead->slots[ahead->next].state != WAITS)
            ahead->next++;
        if (ahead->next == ahead->texts->n)
            break;
        const struct ecc_text *source = ahead->texts->items[ahead->next];
        struct slot *slot = &ahead->slots[ahead->next++];
        slot->state = BEGUN;
        pthread_mutex_unlock(&ahead->lock);
        parse(&worker->arena, source, slot);
        pthread_mutex_lock(&ahead->lock);
        slot->state = PARSED;
        pthread_cond_signal(&ahead->parsed);
    }
    pthread_mutex_unlock(&ahead->lock);
    return NULL;
}

struct ecc_sql_ahead *ecc_sql_ahead_begin(struct ecc_arena *arena, const struct ecc_ast_sqls *texts)
{
    cpu_set_t processors;

    if (arena->limit) /* who limits memory leaves by a jump, and would leave the threads behind */
        return NULL;
    if (texts->n < FEWEST_STATEMENTS || sched_getaffinity(0, sizeof processors, &processors) || CPU_COUNT(&processors) < 2)
        return NULL;
    size_t wanted = (size_t)CPU_COUNT(&processors) - 1;
    struct ecc_sql_ahead *ahead = ECC_NEW(arena, struct ecc_sql_ahead);
    ahead->texts = texts;
    ahead->slots = ECC_NEW_ARRAY(arena, struct slot, texts->n);
    pthread_mutex_init(&ahead->lock, NULL);
    pthread_cond_init(&ahead->parsed, NULL);
    for (size_t i = 0; i < wanted && i < MOST_THREADS; i++) {
        struct worker *worker = &ahead->workers[i];
        worker->ahead = ahead;
        ecc_arena_init(&worker->arena);
        worker->arena.oom = arena->oom;
        worker->arena.oom_context = arena->oom_context;
        if (pthread_create(&worker->thread, NULL, work, worker))
            break;
        ahead->nworkers++;
    }
    return ahead;
}

const struct ecc_sql_node *ecc_sql_ahead_take(struct ecc_sql_ahead *ahead, size_t i, const char *text)
{
    struct slot *slot = &ahead->slots[i];

    pthread_mutex_lock(&ahead->lock);
    while (slot->state == BEGUN)
        pthread_cond_wait(&ahead->parsed, &ahead->lock);
    if (slot->state == WAITS)
        slot->state = TAKEN;
    pthread_mutex_unlock(&ahead->lock);
    return slot->state == PARSED && strcmp(slot->text, text) == 0 ? slot->tree : NULL;
}

void ecc_sql_ahead_end(struct ecc_sql_ahead *ahead)
{
    if (!ahead)
        return;
    pthread_mutex_lock(&ahead->lock);
    ahead->next = ahead->texts->n;
    pthread_mutex_unlock(&ahead->lock);
    for (size_t i = 0; i < ahead->nworkers; i++)
        pthread_join(ahead->workers[i].thread, NULL);
    for (size_t i = 0; i < ahead->nworkers; i++)
        ecc_arena_free(&ahead->workers[i].arena);
    pthread_cond_destroy(&ahead->parsed);
    pthread_mutex_destroy(&ahead->lock);
}
