/* The consumer's inside: groups (bus_consumer.c) have partitions (bus_part.c), which have messages; some end as dead letters
 * (bus_dead_letter.c). */
#ifndef EC_BUS_CONSUMER_H
#define EC_BUS_CONSUMER_H

#include "bus.h"
#include "bus_producer.h"

enum bus_message_state {
    BUS_QUEUED,  /* one before it has its lane, or the partition has enough under way */
    BUS_WORKING, /* a task or a dead letter */
    BUS_WAITING, /* for the next attempt, at due_ms of the loop */
    BUS_THROUGH, /* its offset is stored once all before it are through, too */
};

/* One block of memory: what librdkafka gave is copied, so that a message outlives its client. */
struct bus_message {
    struct bus_message *next;      /* in the order of offsets */
    struct bus_message *follower;  /* the next of its lane, not ready before this one is through */
    struct bus_message *next_ready;
    struct bus_part *part;
    enum bus_message_state state;
    int lane;
    int attempts; /* that failed */
    uint64_t due_ms;
    int64_t offset, timestamp_ms;
    struct ec_str key, value; /* p NULL: none */
    struct ec_bus_header *headers;
    size_t nheaders;
};
struct bus_message *bus_message_copy(const rd_kafka_message_t *message);
struct ec_str bus_message_header(const struct bus_message *message, const char *name); /* the last of that name; p NULL: none */

enum { BUS_LANES = 256 };

struct bus_part {
    struct bus_group *group; /* NULL: revoked; what is under way ends without effect on the group */
    char *topic;
    int32_t partition;
    struct bus_message *first, **end; /* all that are not stored */
    struct bus_message *ready, **ready_end;
    struct bus_message *lanes[BUS_LANES]; /* the last message of each that is not through */
    size_t n;
    int working, most; /* messages under way, and how many may be */
    bool going_on;     /* bus_part_continue is on the stack */
    bool more;         /* the queue may have some */
    rd_kafka_queue_t *queue;
    int64_t next_offset; /* after the last one stored; -1: not known */
    uv_timer_t timer;    /* for the first message that waits */
    struct bus_part *next;
};

enum bus_outcome { BUS_DONE, BUS_RETRIED, BUS_DEAD_LETTER, BUS_DROPPED, BUS_SKIPPED, NBUS_OUTCOMES };

struct bus_consumer { /* what the group keeps for a declared consumer */
    const struct ec_consumer *declared;
    struct ec_str type; /* "Shown.v1" */
    struct ec_metric *outcomes[NBUS_OUTCOMES], *seconds;
};

struct bus_group {
    const char *name;
    rd_kafka_t *rk; /* NULL: closed, or being made anew */
    struct ec_bus_port *port;
    struct bus_consumer *consumers;
    size_t nconsumers;
    struct bus_consumer other; /* of messages that no consumer takes: its outcomes */
    struct bus_part *parts;
    bool subscribed, broken, closing;
    struct ec_metric *lag, *age, *assigned, *waiting;
    struct bus_group *next;
};

/* bus_part.c */
/* Before it is assigned, so that nothing of it goes to the group's queue. */
struct bus_part *bus_part_new(struct bus_group *group, const char *topic, int32_t partition);
void bus_part_woken(struct bus_part *part); /* the queue has something, perhaps */
void bus_part_revoke(struct bus_part *part); /* takes it from its group's list; frees it once nothing is under way */
void bus_part_stop(struct bus_part *part);   /* starts nothing more; what is under way goes on */
void bus_message_done(struct bus_message *message, struct bus_consumer *consumer, enum bus_outcome outcome); /* it is through */
void bus_message_left(struct bus_message *message); /* what was under way has ended and changed nothing: the message is another's, or a later process's */
void bus_part_continue(struct bus_part *part); /* with what is ready */
bool bus_part_busy(const struct bus_part *part);
size_t bus_parts_live(void);

/* Headers of a dead letter, after the message's own, and of a message that was sent back from there (docs/design.md, Dead letters). */
#define BUS_LETTER "dead-letter-"
#define BUS_LETTER_REASON BUS_LETTER "reason"
#define BUS_LETTER_DETAIL BUS_LETTER "detail"
#define BUS_LETTER_GROUP BUS_LETTER "group"
#define BUS_LETTER_TOPIC BUS_LETTER "topic"
#define BUS_LETTER_PARTITION BUS_LETTER "partition"
#define BUS_LETTER_OFFSET BUS_LETTER "offset"
#define BUS_LETTER_ATTEMPTS BUS_LETTER "attempts"
#define BUS_LETTER_TIME BUS_LETTER "time"
#define BUS_LETTER_REPLAYED BUS_LETTER "replayed" /* the only header of a mark: the offset of the letter that was sent back */
#define BUS_REPLAY_GROUP "replay-group"
#define BUS_REPLAY_OF "replay-of"

/* bus_dead_letter.c: sends the message, which is under way, away, again and again until the bus has it, then bus_message_done. reason is
 * one of few words, for it is a metric's label; detail may be NULL. Neither has a value of the message. */
void bus_dead_letter(struct bus_message *message, struct bus_consumer *consumer, const char *reason, const char *detail, int attempts);

/* bus_consumer.c */
bool bus_draining(void);
int64_t bus_event_ms(void);
int bus_at_once(void); /* events of different keys of a partition */

#endif
