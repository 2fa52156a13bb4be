/* hiredis' reader, which has us make the parts of a reply. They are in one arena, which ends with the reply: hiredis' own take a malloc
 * each, and the answer to a question for a limit has seven.
 */
#include "redis_reader.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

enum { MAX_ITEMS = 1 << 20 };

struct ec_redis_reader {
    redisReader *reader;
    struct ec_arena *arena; /* of the reply that is being read, or was handed out; or NULL */
    bool whole;             /* it was handed out */
};

/* What is read next is an item of the array around it, or a reply of its own. */
static struct ec_redis_reply *place(const redisReadTask *task, enum ec_redis_type type)
{
    struct ec_redis_reader *reader = task->privdata;
    struct ec_redis_reply *around = task->parent ? task->parent->obj : NULL, *reply;

    if (!reader->arena)
        reader->arena = ec_arena_new();
    reply = around ? (struct ec_redis_reply *)&around->items[task->idx] : ec_arena_alloc(reader->arena, sizeof(*reply));
    reply->type = type;
    return reply;
}

static void *make_text(const redisReadTask *task, char *p, size_t n)
{
    enum ec_redis_type type = task->type == REDIS_REPLY_ERROR    ? EC_REDIS_ERROR
                              : task->type == REDIS_REPLY_STATUS ? EC_REDIS_STATUS
                                                                 : EC_REDIS_TEXT;
    struct ec_redis_reply *reply = place(task, type);
    struct ec_redis_reader *reader = task->privdata;

    reply->text = ec_arena_copy(reader->arena, (struct ec_str){p, n}); /* hiredis moves its bytes */
    return reply;
}

#if HIREDIS_MAJOR >= 1
static void *make_array(const redisReadTask *task, size_t n)
#else
static void *make_array(const redisReadTask *task, int n)
#endif
{
    struct ec_redis_reader *reader = task->privdata;
    struct ec_redis_reply *reply;

    if (n > MAX_ITEMS)
        return NULL; /* an error of the reader: no answer to us is that long, and its length alone would take the memory */
    reply = place(task, EC_REDIS_ARRAY);
    reply->n = (size_t)n;
    reply->items = ec_arena_array(reader->arena, reply->n, sizeof(*reply));
    return reply;
}

static void *make_int(const redisReadTask *task, long long i)
{
    struct ec_redis_reply *reply = place(task, EC_REDIS_INT);

    reply->i = i;
    return reply;
}

static void *make_nil(const redisReadTask *task)
{
    return place(task, EC_REDIS_NIL);
}

static void leave(void *reply)
{
    (void)reply; /* the arena has it */
}

static void end_reply(struct ec_redis_reader *reader)
{
    if (reader->arena)
        ec_arena_free(reader->arena);
    reader->arena = NULL;
}

struct ec_redis_reader *ec_redis_reader_new(void)
{
    static redisReplyObjectFunctions makers = {
        .createString = make_text, .createArray = make_array, .createInteger = make_int, .createNil = make_nil, .freeObject = leave};
    struct ec_redis_reader *reader = calloc(1, sizeof(*reader));

    if (!reader || !(reader->reader = redisReaderCreateWithFunctions(&makers)))
        abort();
    reader->reader->privdata = reader;
    return reader;
}

void ec_redis_reader_free(struct ec_redis_reader *reader)
{
    redisReaderFree(reader->reader);
    end_reply(reader);
    free(reader);
}

void ec_redis_reader_feed(struct ec_redis_reader *reader, const char *p, size_t n)
{
    redisReaderFeed(reader->reader, p, n);
}

const struct ec_redis_reply *ec_redis_reader_next(struct ec_redis_reader *reader)
{
    void *reply = NULL;

    if (reader->whole)
        end_reply(reader);
    reader->whole = redisReaderGetReply(reader->reader, &reply) == REDIS_OK && reply;
    return reply;
}

const char *ec_redis_reader_error(const struct ec_redis_reader *reader)
{
    return reader->reader->err ? reader->reader->errstr : NULL;
}
