/* Reading dead letters and sending them back, by clients of librdkafka's own that live as long as a command.
 *
 * Sent back is what the message was, bytes, key and headers, to the topic that it came from; the headers of the letter are left out, and
 * two are set: the group that it is for, so that no other of the topic's groups takes it again, and where it stood first, for a message
 * without an id is known by that. A letter is marked once its message has arrived. Between the two a crash makes it be sent again, which
 * the inbox knows by the event's id.
 */
#include "bus_letters.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

enum { ANSWER_MS = 10000, SILENT_MS = 15000, POLL_MS = 200 };
#define SEND_MS "10000"

struct part {
    char *topic;
    int32_t partition;
    int64_t from, end; /* end -1: not known yet */
    bool over;
};

struct mark {
    const char *topic; /* the part's */
    int32_t partition;
    int64_t offset, at_ms;
};

struct bus_letters {
    rd_kafka_t *reader, *writer;
    struct part *parts;
    struct mark *marks;
    size_t nparts, nmarks, room;
    bool marked; /* the first reading is over */
};

static char last_error[256]; /* of a client: why nothing comes */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* ------------------------------------------------------------------ clients */

static void on_error(rd_kafka_t *rk, int error, const char *reason, void *data)
{
    (void)rk;
    (void)error;
    (void)data;
    snprintf(last_error, sizeof(last_error), "%s", reason);
}

static void silent(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text;
}

static rd_kafka_conf_t *new_conf(const char *role)
{
    rd_kafka_conf_t *conf = ec_bus_conf(role);

    ec_bus_set(conf, "log.queue", "false");
    rd_kafka_conf_set_log_cb(conf, silent);
    rd_kafka_conf_set_error_cb(conf, on_error);
    return conf;
}

static rd_kafka_t *new_client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char why[256];
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));

    if (!rk) {
        rd_kafka_conf_destroy(conf);
        say("the bus: %s", why);
    }
    return rk;
}

static void no_answer(void)
{
    say("the bus does not answer%s%s", last_error[0] ? ": " : "; is KAFKA_BROKERS right?", last_error);
}

static rd_kafka_t *new_reader(void)
{
    rd_kafka_conf_t *conf = new_conf("dead-letters");
    char group[200];
    rd_kafka_t *rk;

    snprintf(group, sizeof(group), "%s.dead-letters", ec_app.service->name); /* is asked for, but nothing is joined or committed */
    ec_bus_set(conf, "group.id", group);
    ec_bus_set(conf, "enable.auto.commit", "false");
    ec_bus_set(conf, "enable.auto.offset.store", "false");
    ec_bus_set(conf, "enable.partition.eof", "true");
    ec_bus_set(conf, "auto.offset.reset", "error");
    ec_bus_set(conf, "fetch.wait.max.ms", "20");
    rk = new_client(RD_KAFKA_CONSUMER, conf);
    if (rk)
        rd_kafka_poll_set_consumer(rk);
    return rk;
}

/* ------------------------------------------------------------------ partitions */

static void add_part(struct bus_letters *letters, const char *topic, int32_t partition, int64_t from)
{
    letters->parts = realloc(letters->parts, (letters->nparts + 1) * sizeof(*letters->parts));
    if (!letters->parts)
        abort();
    letters->parts[letters->nparts] = (struct part){.topic = strdup(topic), .partition = partition, .from = from, .end = -1};
    if (!letters->parts[letters->nparts++].topic)
        abort();
}

static bool is_letters_topic(const char *name)
{
    const struct ec_topic *const *topic = ec_app.service->topics;
    char letters[300];

    for (; topic && *topic; topic++) {
        snprintf(letters, sizeof(letters), "%s" BUS_LETTER_TOPIC_END, (*topic)->name);
        if (!strcmp(letters, name))
            return true;
    }
    return false;
}

static struct bus_letters *open_parts(const char *only, int32_t partition, int64_t from)
{
    struct bus_letters *letters = calloc(1, sizeof(*letters));
    const struct rd_kafka_metadata *metadata;

    if (!letters)
        abort();
    last_error[0] = '\0';
    letters->reader = new_reader();
    if (!letters->reader) {
        free(letters);
        return NULL;
    }
    /* All topics: to ask for one that is not there would make it. */
    if (rd_kafka_metadata(letters->reader, 1, NULL, &metadata, ANSWER_MS)) {
        rd_kafka_poll(letters->reader, 0); /* hears of errors */
        no_answer();
        bus_letters_close(letters);
        return NULL;
    }
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const rd_kafka_metadata_topic_t *topic = &metadata->topics[i];

        for (int k = 0; is_letters_topic(topic->topic) && k < topic->partition_cnt; k++)
            if (!only || (!strcmp(only, topic->topic) && topic->partitions[k].id == partition))
                add_part(letters, topic->topic, topic->partitions[k].id, from);
    }
    rd_kafka_metadata_destroy(metadata);
    return letters;
}

struct bus_letters *bus_letters_open(void)
{
    return open_parts(NULL, 0, RD_KAFKA_OFFSET_BEGINNING);
}

struct bus_letters *bus_letters_open_at(const char *topic, int32_t partition, int64_t offset)
{
    struct bus_letters *letters = open_parts(topic, partition, offset);

    if (letters && !letters->nparts) {
        say("%s has no dead letters in %s/%d", ec_app.service->name, topic, (int)partition);
        bus_letters_close(letters);
        return NULL;
    }
    return letters;
}

void bus_letters_close(struct bus_letters *letters)
{
    if (!letters)
        return;
    rd_kafka_destroy_flags(letters->reader, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    if (letters->writer)
        rd_kafka_destroy(letters->writer);
    for (size_t i = 0; i < letters->nparts; i++)
        free(letters->parts[i].topic);
    free(letters->parts);
    free(letters->marks);
    free(letters);
}

/* ------------------------------------------------------------------ reading */

static int by_place(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;
    int order = strcmp(x->topic, y->topic);

    if (!order)
        order = (x->partition > y->partition) - (x->partition < y->partition);
    return order ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

int64_t bus_letters_replayed(struct bus_letters *letters, const struct bus_letter *letter)
{
    const struct mark key = {.topic = letter->topic, .partition = letter->partition, .offset = letter->message->offset};
    const struct mark *found = letters->nmarks ? bsearch(&key, letters->marks, letters->nmarks, sizeof(key), by_place) : NULL;

    return found ? found->at_ms : 0;
}

static void add_mark(struct bus_letters *letters, const struct part *part, int64_t offset, int64_t at_ms)
{
    if (letters->nmarks == letters->room) {
        letters->room = letters->room ? 2 * letters->room : 64;
        letters->marks = realloc(letters->marks, letters->room * sizeof(*letters->marks));
        if (!letters->marks)
            abort();
    }
    letters->marks[letters->nmarks++] = (struct mark){part->topic, part->partition, offset, at_ms > 0 ? at_ms : 1};
}

static bool is_ours(const struct bus_message *message)
{
    struct ec_str group = bus_message_header(message, BUS_LETTER_GROUP);
    size_t n = strlen(ec_app.service->name);

    return group.n > n && !memcmp(group.p, ec_app.service->name, n) && group.p[n] == '.';
}

static void take(struct bus_letters *letters, struct part *part, const rd_kafka_message_t *from,
                 bool (*each)(void *data, struct bus_letter *letter), void *data)
{
    struct bus_message *message = bus_message_copy(from);
    struct bus_letter letter = {.topic = part->topic, .partition = part->partition, .message = message};
    struct ec_str mark = bus_message_header(message, BUS_LETTER_REPLAYED);
    int64_t offset;

    if (mark.p && !bus_message_header(message, BUS_LETTER_GROUP).p) { /* with a group it is a letter, whatever its message came with */
        if (!letters->marked && ec_int_parse(mark, &offset))
            add_mark(letters, part, offset, message->timestamp_ms);
    } else if (each && is_ours(message)) {
        letter.replayed_ms = letters->marked ? bus_letters_replayed(letters, &letter) : 0;
        if (each(data, &letter))
            return;
    }
    free(message);
}

static struct part *part_of(struct bus_letters *letters, const rd_kafka_message_t *message)
{
    for (size_t i = 0; message->rkt && i < letters->nparts; i++)
        if (letters->parts[i].partition == message->partition && !strcmp(letters->parts[i].topic, rd_kafka_topic_name(message->rkt)))
            return &letters->parts[i];
    return NULL;
}

/* Returns how many partitions there is more to read of, after this message; -1: it is an error, and told. */
static int on_message(struct bus_letters *letters, const rd_kafka_message_t *message,
                      bool (*each)(void *data, struct bus_letter *letter), void *data)
{
    struct part *part = part_of(letters, message);

    if (message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF && message->err != RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
        say("the bus: %s", rd_kafka_message_errstr(message));
        return -1;
    }
    if (!part || part->over)
        return 0;
    if (message->err) { /* nothing more, or no such offset any more */
        part->over = true;
        if (!letters->marked)
            part->end = message->offset;
        return 1;
    }
    if (part->end < 0 || message->offset < part->end)
        take(letters, part, message, each, data);
    part->over = part->end >= 0 && message->offset + 1 >= part->end;
    return part->over ? 1 : 0;
}

bool bus_letters_read(struct bus_letters *letters, bool (*each)(void *data, struct bus_letter *letter), void *data)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)letters->nparts);
    size_t left = 0;
    int over, silent_ms = 0;

    for (size_t i = 0; i < letters->nparts; i++) {
        struct part *part = &letters->parts[i];

        part->over = part->end == 0;
        if (part->over)
            continue;
        rd_kafka_topic_partition_list_add(list, part->topic, part->partition)->offset = part->from;
        left++;
    }
    rd_kafka_assign(letters->reader, list);
    rd_kafka_topic_partition_list_destroy(list);
    while (left > 0) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(letters->reader, POLL_MS);

        if (!message) {
            silent_ms += POLL_MS;
            if (silent_ms < SILENT_MS)
                continue;
            no_answer();
            return false;
        }
        silent_ms = 0;
        over = on_message(letters, message, each, data);
        rd_kafka_message_destroy(message);
        if (over < 0)
            return false;
        left -= (size_t)over;
    }
    rd_kafka_assign(letters->reader, NULL);
    if (!letters->marked && letters->nmarks)
        qsort(letters->marks, letters->nmarks, sizeof(*letters->marks), by_place);
    letters->marked = true;
    return true;
}

/* ------------------------------------------------------------------ sending back */

struct sent {
    rd_kafka_resp_err_t error; /* __IN_PROGRESS until it is told */
    bool refused, arrived;
};

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *data)
{
    struct sent *sent = message->_private;

    (void)rk;
    (void)data;
    sent->error = message->err;
}

static rd_kafka_t *new_writer(void)
{
    rd_kafka_conf_t *conf = new_conf("replay");

    ec_bus_producer_conf(conf, SEND_MS);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    return new_client(RD_KAFKA_PRODUCER, conf);
}

/* Is there still a group that takes what comes from there? Otherwise it would be sent to nobody. */
static const char *why_not(const struct bus_letter *letter, char topic[300])
{
    const struct ec_consumer *const *consumer = ec_app.service->consumers;
    struct ec_str group = bus_message_header(letter->message, BUS_LETTER_GROUP);
    struct ec_str from = bus_message_header(letter->message, BUS_LETTER_TOPIC);
    char letters[320];

    if (!from.n || from.n > 249)
        return "it does not say where it came from";
    snprintf(topic, 300, "%.*s", (int)from.n, from.p);
    snprintf(letters, sizeof(letters), "%s" BUS_LETTER_TOPIC_END, topic);
    if (strcmp(letters, letter->topic))
        return "it came from a topic whose dead letters are not kept here";
    for (; consumer && *consumer; consumer++)
        if (ec_str_eq(ec_str_of((*consumer)->group), group) && !strcmp((*consumer)->event->topic->name, topic))
            return NULL;
    return "its group takes nothing from that topic any more";
}

static void send_message(rd_kafka_t *rk, const struct bus_letter *letter, const char *topic, struct sent *sent)
{
    const struct bus_message *message = letter->message;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->nheaders + 2);
    struct ec_str group = bus_message_header(message, BUS_LETTER_GROUP), of = bus_message_header(message, BUS_REPLAY_OF),
                  partition = bus_message_header(message, BUS_LETTER_PARTITION), offset = bus_message_header(message, BUS_LETTER_OFFSET);
    char place[340];

    for (size_t i = 0; i < message->nheaders; i++) {
        const struct ec_bus_header *header = &message->headers[i];

        if (strncmp(header->name, BUS_LETTER, strlen(BUS_LETTER)) && strcmp(header->name, BUS_REPLAY_GROUP) &&
            strcmp(header->name, BUS_REPLAY_OF))
            rd_kafka_header_add(headers, header->name, -1, header->value.p, (ssize_t)header->value.n);
    }
    snprintf(place, sizeof(place), "%s/%.*s/%.*s", topic, (int)partition.n, partition.p ? partition.p : "", (int)offset.n,
             offset.p ? offset.p : "");
    if (!of.p) /* else it has been here before, and is still known by where it stood first */
        of = ec_str_of(place);
    rd_kafka_header_add(headers, BUS_REPLAY_GROUP, -1, group.p, (ssize_t)group.n);
    rd_kafka_header_add(headers, BUS_REPLAY_OF, -1, of.p, (ssize_t)of.n);
    sent->error = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(message->key.p, message->key.n),
                                    RD_KAFKA_V_VALUE((void *)(uintptr_t)message->value.p, message->value.n),
                                    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(sent),
                                    RD_KAFKA_V_END);
    if (sent->error)
        rd_kafka_headers_destroy(headers);
    else
        sent->error = RD_KAFKA_RESP_ERR__IN_PROGRESS;
}

static void send_mark(rd_kafka_t *rk, const struct bus_letter *letter, struct sent *sent)
{
    char offset[24];

    snprintf(offset, sizeof(offset), "%lld", (long long)letter->message->offset);
    sent->error = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(letter->topic), RD_KAFKA_V_PARTITION(letter->partition), RD_KAFKA_V_VALUE(NULL, 0),
                                    RD_KAFKA_V_HEADER(BUS_LETTER_REPLAYED, offset, -1), RD_KAFKA_V_OPAQUE(sent), RD_KAFKA_V_END);
    if (!sent->error)
        sent->error = RD_KAFKA_RESP_ERR__IN_PROGRESS;
}

static void tell(const struct bus_letter *letter, const char *what, const char *why)
{
    say("%s/%d/%lld %s: %s", letter->topic, (int)letter->partition, (long long)letter->message->offset, what, why);
}

/* Returns once every report is there: a message's own time limit sees to that. */
static void await_reports(rd_kafka_t *rk)
{
    while (rd_kafka_flush(rk, 1000))
        ;
}

static void send_messages(rd_kafka_t *rk, const struct bus_letter *list, struct sent *sent, size_t n)
{
    char topic[300];

    for (size_t i = 0; i < n; i++) {
        const char *why = why_not(&list[i], topic);

        sent[i].refused = why != NULL;
        if (why)
            tell(&list[i], "is not sent back", why);
        else
            send_message(rk, &list[i], topic, &sent[i]);
    }
    await_reports(rk);
    for (size_t i = 0; i < n; i++) {
        sent[i].arrived = !sent[i].refused && !sent[i].error;
        if (sent[i].error)
            tell(&list[i], "is not sent back", rd_kafka_err2str(sent[i].error));
    }
}

static size_t send_marks(rd_kafka_t *rk, struct bus_letter *list, struct sent *sent, size_t n)
{
    size_t done = 0;

    for (size_t i = 0; i < n; i++)
        if (sent[i].arrived)
            send_mark(rk, &list[i], &sent[i]);
    await_reports(rk);
    for (size_t i = 0; i < n; i++) {
        if (!sent[i].arrived)
            continue;
        if (sent[i].error) {
            tell(&list[i], "is sent back, but not marked so", rd_kafka_err2str(sent[i].error));
            continue;
        }
        list[i].replayed_ms = ec_now() / 1000;
        done++;
    }
    return done;
}

size_t bus_letters_send(struct bus_letters *letters, struct bus_letter *list, size_t n)
{
    struct sent *sent = calloc(n ? n : 1, sizeof(*sent));
    size_t done = 0;

    if (!sent)
        abort();
    if (!letters->writer)
        letters->writer = new_writer();
    if (letters->writer) {
        send_messages(letters->writer, list, sent, n);
        done = send_marks(letters->writer, list, sent, n);
    }
    free(sent);
    return done;
}
