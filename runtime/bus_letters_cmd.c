/* The command `dead-letters` of a service that consumes: list, show, replay. */
#include "bus_letters_cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_letters.h"
#include "command.h"
#include "json.h"
#include "random.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 64, LIMIT = 100, SLACK = 1000, BATCH = 256, BATCH_BYTES = 8 << 20 };

#define USAGE "dead-letters list [--limit N] | show ID | replay ID | replay --all  [--format text|json]"

/* ------------------------------------------------------------------ text */

static void put_hex(struct ec_buf *out, struct ec_str bytes)
{
    for (size_t at = 0; at < bytes.n; at += 16) {
        ec_buf_printf(out, "%08zx ", at);
        for (size_t i = at; i < at + 16; i++)
            if (i < bytes.n)
                ec_buf_printf(out, " %02x", (unsigned)(unsigned char)bytes.p[i]);
            else
                ec_buf_str(out, "   ");
        ec_buf_str(out, "  ");
        for (size_t i = at; i < at + 16 && i < bytes.n; i++)
            ec_buf_printf(out, "%c", bytes.p[i] >= ' ' && bytes.p[i] <= '~' ? bytes.p[i] : '.');
        ec_buf_str(out, "\n");
    }
}

static void put_time(struct ec_buf *out, int64_t ms)
{
    char text[40];

    ec_buf_add(out, text, ec_time_format(ms * 1000, text));
}

static void put_id(struct ec_buf *out, const struct bus_letter *letter)
{
    ec_buf_printf(out, "%s/%d/%lld", letter->topic, (int)letter->partition, (long long)letter->message->offset);
}

static struct ec_str header(const struct bus_letter *letter, const char *name)
{
    return bus_message_header(letter->message, name);
}

static void flush(struct ec_buf *out)
{
    if (out->n) /* else p may be NULL, which fwrite does not take */
        fwrite(out->p, 1, out->n, stdout);
    out->n = 0;
}

/* ------------------------------------------------------------------ JSON */

/* Text, or {"hex": ...} of what is none; null when there is nothing. */
static void json_bytes(struct ec_buf *out, const char *name, struct ec_str bytes)
{
    ec_buf_printf(out, "\"%s\":", name);
    if (!bytes.p) {
        ec_buf_str(out, "null");
    } else if (ec_utf8_valid(bytes)) {
        ec_json_write_text(out, bytes);
    } else {
        ec_buf_str(out, "{\"hex\":\"");
        ec_hex(bytes.p, bytes.n, ec_buf_reserve(out, 2 * bytes.n + 1));
        out->n += 2 * bytes.n;
        ec_buf_str(out, "\"}");
    }
}

static void json_number(struct ec_buf *out, const char *name, struct ec_str text)
{
    int64_t value;

    if (ec_int_parse(text, &value))
        ec_buf_printf(out, "\"%s\":%lld", name, (long long)value);
    else
        ec_buf_printf(out, "\"%s\":null", name);
}

static void json_letter(struct ec_buf *out, const struct bus_letter *letter)
{
    const struct {
        const char *name, *header;
    } texts[] = {{"group", BUS_LETTER_GROUP},
                 {"type", "ce_type"},
                 {"event_id", "ce_id"},
                 {"reason", BUS_LETTER_REASON},
                 {"detail", BUS_LETTER_DETAIL}};

    ec_buf_str(out, "{\"id\":\"");
    put_id(out, letter);
    ec_buf_str(out, "\",\"time\":\"");
    put_time(out, letter->message->timestamp_ms);
    ec_buf_str(out, "\",");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_bytes(out, texts[i].name, header(letter, texts[i].header));
        ec_buf_str(out, ",");
    }
    json_number(out, "attempts", header(letter, BUS_LETTER_ATTEMPTS));
    ec_buf_str(out, ",\"source\":{");
    json_bytes(out, "topic", header(letter, BUS_LETTER_TOPIC));
    ec_buf_str(out, ",");
    json_number(out, "partition", header(letter, BUS_LETTER_PARTITION));
    ec_buf_str(out, ",");
    json_number(out, "offset", header(letter, BUS_LETTER_OFFSET));
    ec_buf_str(out, "},\"replayed\":");
    if (letter->replayed_ms) {
        ec_buf_str(out, "\"");
        put_time(out, letter->replayed_ms);
        ec_buf_str(out, "\",");
    } else {
        ec_buf_str(out, "null,");
    }
    json_bytes(out, "key", letter->message->key);
    ec_buf_str(out, ",\"headers\":[");
    for (size_t i = 0; i < letter->message->nheaders; i++) {
        ec_buf_str(out, i ? ",{" : "{");
        json_bytes(out, "name", ec_str_of(letter->message->headers[i].name));
        ec_buf_str(out, ",");
        json_bytes(out, "value", letter->message->headers[i].value);
        ec_buf_str(out, "}");
    }
    ec_buf_str(out, "],");
    json_bytes(out, "value", letter->message->value);
    ec_buf_str(out, "}");
}

/* ------------------------------------------------------------------ list */

struct list {
    struct bus_letter *v;
    size_t n, room, limit, all;
};

static int by_time(const void *a, const void *b)
{
    const struct bus_letter *x = a, *y = b;
    int order = (x->message->timestamp_ms > y->message->timestamp_ms) - (x->message->timestamp_ms < y->message->timestamp_ms);

    if (!order)
        order = strcmp(x->topic, y->topic);
    if (!order)
        order = (x->partition > y->partition) - (x->partition < y->partition);
    return order ? order : (x->message->offset > y->message->offset) - (x->message->offset < y->message->offset);
}

/* Leaves the newest of them, in order. */
static void list_cut(struct list *list)
{
    size_t extra = list->n > list->limit ? list->n - list->limit : 0;

    if (!list->n)
        return;
    qsort(list->v, list->n, sizeof(*list->v), by_time);
    for (size_t i = 0; i < extra; i++)
        free(list->v[i].message);
    list->n -= extra;
    memmove(list->v, list->v + extra, list->n * sizeof(*list->v));
}

static void list_push(struct list *list, const struct bus_letter *letter)
{
    if (list->n == list->room) {
        list->room = list->room ? 2 * list->room : 64;
        list->v = realloc(list->v, list->room * sizeof(*list->v));
        if (!list->v)
            abort();
    }
    list->v[list->n++] = *letter;
}

static bool list_add(void *data, struct bus_letter *letter)
{
    struct list *list = data;

    list->all++;
    list_push(list, letter);
    if (list->n >= list->limit + SLACK)
        list_cut(list);
    return true;
}

static void list_free(struct list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->v[i].message);
    free(list->v);
    *list = (struct list){0};
}

static void put_column(struct ec_buf *out, struct ec_str text, const char *none)
{
    ec_buf_str(out, "  ");
    ec_shown_add(out, text.p ? text : ec_str_of(none), false);
}

static void line_of(struct ec_buf *out, const struct bus_letter *letter)
{
    put_id(out, letter);
    ec_buf_str(out, "  ");
    put_time(out, letter->message->timestamp_ms);
    put_column(out, header(letter, BUS_LETTER_GROUP), "-");
    put_column(out, header(letter, "ce_type"), "-");
    put_column(out, letter->message->key, "-");
    put_column(out, header(letter, BUS_LETTER_REASON), "-");
    if (header(letter, BUS_LETTER_DETAIL).p) {
        ec_buf_str(out, ": ");
        ec_shown_add(out, header(letter, BUS_LETTER_DETAIL), false);
    }
    if (letter->replayed_ms)
        ec_buf_str(out, "  (replayed)");
    ec_buf_str(out, "\n");
}

static int list_letters(size_t limit, bool json)
{
    struct bus_letters *letters = bus_letters_open();
    struct list list = {.limit = limit};
    struct ec_buf out = {0};
    bool good = letters && bus_letters_read(letters, list_add, &list);

    list_cut(&list);
    if (good && json)
        ec_buf_str(&out, "[");
    for (size_t i = 0; good && i < list.n; i++) {
        list.v[i].replayed_ms = bus_letters_replayed(letters, &list.v[i]);
        if (json) {
            ec_buf_str(&out, i ? ",\n " : "");
            json_letter(&out, &list.v[i]);
        } else {
            line_of(&out, &list.v[i]);
        }
        flush(&out);
    }
    if (good && json)
        ec_buf_str(&out, "]\n");
    flush(&out);
    if (good && !json && !list.all)
        fprintf(stderr, "there are no dead letters of %s\n", ec_app.service->name);
    if (good && list.all > list.n)
        fprintf(stderr, "%zu older ones are not shown; --limit N shows more\n", list.all - list.n);
    ec_buf_free(&out);
    list_free(&list);
    bus_letters_close(letters);
    return good ? EXIT_DONE : EXIT_FAILED;
}

/* ------------------------------------------------------------------ one of them */

struct one {
    int64_t offset;
    struct bus_letter letter;
    bool found;
};

static bool pick(void *data, struct bus_letter *letter)
{
    struct one *one = data;

    if (letter->message->offset != one->offset)
        return false;
    one->letter = *letter;
    one->found = true;
    return true;
}

/* TOPIC/PARTITION/OFFSET */
static bool parse_id(const char *id, char topic[256], int64_t *partition, int64_t *offset)
{
    const char *second = strrchr(id, '/'), *first = second;

    while (first && first > id && *--first != '/')
        ;
    if (!first || first == id || (size_t)(first - id) > 255)
        return false;
    memcpy(topic, id, (size_t)(first - id));
    topic[first - id] = '\0';
    return ec_int_parse((struct ec_str){first + 1, (size_t)(second - first - 1)}, partition) &&
           ec_int_parse(ec_str_of(second + 1), offset) && *partition >= 0 && *partition <= INT32_MAX && *offset >= 0;
}

/* Reads the letter and what is said of it later. NULL: a line has said why, *code how to end. */
static struct bus_letters *find(const char *id, struct one *one, int *code)
{
    struct bus_letters *letters;
    char topic[256];
    int64_t partition;

    *one = (struct one){0};
    *code = EXIT_USAGE;
    if (!parse_id(id, topic, &partition, &one->offset)) {
        fprintf(stderr, "an id is TOPIC/PARTITION/OFFSET, as `dead-letters list` shows it\n");
        return NULL;
    }
    *code = EXIT_FAILED;
    letters = bus_letters_open_at(topic, (int32_t)partition, one->offset);
    if (letters && bus_letters_read(letters, pick, one)) {
        if (one->found) {
            one->letter.replayed_ms = bus_letters_replayed(letters, &one->letter);
            return letters;
        }
        fprintf(stderr, "%s has no dead letter %s/%lld/%lld\n", ec_app.service->name, topic, (long long)partition, (long long)one->offset);
    }
    free(one->letter.message);
    bus_letters_close(letters);
    return NULL;
}

static void show_line(struct ec_buf *out, const char *name, struct ec_str value)
{
    if (!value.p)
        return;
    ec_buf_printf(out, "%-9s ", name);
    ec_shown_add(out, value, false);
    ec_buf_str(out, "\n");
}

static void show_text(struct ec_buf *out, const struct bus_letter *letter)
{
    const struct bus_message *message = letter->message;

    ec_buf_str(out, "id        ");
    put_id(out, letter);
    ec_buf_str(out, "\ntime      ");
    put_time(out, message->timestamp_ms);
    if (letter->replayed_ms) {
        ec_buf_str(out, "\nreplayed  ");
        put_time(out, letter->replayed_ms);
    }
    ec_buf_str(out, "\n");
    show_line(out, "key", message->key);
    ec_buf_str(out, "\n");
    for (size_t i = 0; i < message->nheaders; i++) {
        ec_shown_add(out, ec_str_of(message->headers[i].name), false);
        ec_buf_str(out, ": ");
        ec_shown_add(out, message->headers[i].value, false);
        ec_buf_str(out, "\n");
    }
    ec_buf_printf(out, "\n%zu bytes\n", message->value.n);
    if (ec_utf8_valid(message->value))
        ec_shown_add(out, message->value, true);
    else
        put_hex(out, message->value);
    if (out->p[out->n - 1] != '\n')
        ec_buf_str(out, "\n");
}

static int show(const char *id, bool json)
{
    struct ec_buf out = {0};
    struct one one;
    int code;
    struct bus_letters *letters = find(id, &one, &code);

    if (!letters)
        return code;
    if (json) {
        json_letter(&out, &one.letter);
        ec_buf_str(&out, "\n");
    } else {
        show_text(&out, &one.letter);
    }
    flush(&out);
    ec_buf_free(&out);
    free(one.letter.message);
    bus_letters_close(letters);
    return EXIT_DONE;
}

/* ------------------------------------------------------------------ replay */

struct replay {
    struct bus_letters *letters;
    struct list batch;
    size_t bytes, sent, failed, before;
    bool json;
};

static void say_replayed(struct replay *replay, const struct bus_letter *letter)
{
    struct ec_buf out = {0};

    if (replay->json)
        ec_buf_str(&out, replay->sent ? ",\n \"" : "\"");
    put_id(&out, letter);
    ec_buf_str(&out, replay->json ? "\"" : " replayed\n");
    flush(&out);
    ec_buf_free(&out);
    replay->sent++;
}

static void send_batch(struct replay *replay)
{
    struct list *batch = &replay->batch;
    size_t done = bus_letters_send(replay->letters, batch->v, batch->n);

    replay->failed += batch->n - done;
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->v[i].replayed_ms)
            say_replayed(replay, &batch->v[i]);
        free(batch->v[i].message);
    }
    fflush(stdout);
    batch->n = 0;
    replay->bytes = 0;
}

static bool replay_add(void *data, struct bus_letter *letter)
{
    struct replay *replay = data;

    if (letter->replayed_ms) {
        replay->before++;
        return false;
    }
    list_push(&replay->batch, letter);
    replay->bytes += letter->message->value.n;
    if (replay->batch.n >= BATCH || replay->bytes >= BATCH_BYTES)
        send_batch(replay);
    return true;
}

/* Twice through the topics: what is marked must be known before the first letter is sent, and letters are not kept in memory meanwhile. */
static int replay_all(bool json)
{
    struct replay replay = {.letters = bus_letters_open(), .json = json};
    bool good;

    if (json)
        fputs("[", stdout);
    good = replay.letters && bus_letters_read(replay.letters, NULL, NULL) && bus_letters_read(replay.letters, replay_add, &replay);
    if (replay.batch.n)
        send_batch(&replay);
    if (json)
        fputs("]\n", stdout);
    else if (good)
        fprintf(stderr, "%zu replayed, %zu had been before, %zu failed\n", replay.sent, replay.before, replay.failed);
    list_free(&replay.batch);
    bus_letters_close(replay.letters);
    return good && !replay.failed ? EXIT_DONE : EXIT_FAILED;
}

static int replay_one(const char *id, bool json)
{
    struct replay replay = {.json = json};
    struct one one;
    int code;

    replay.letters = find(id, &one, &code);
    if (!replay.letters)
        return code;
    if (json)
        fputs("[", stdout);
    if (one.letter.replayed_ms) {
        fprintf(stderr, "%s is replayed already; nothing is sent\n", id);
        free(one.letter.message);
    } else {
        list_push(&replay.batch, &one.letter);
        send_batch(&replay);
    }
    if (json)
        fputs("]\n", stdout);
    list_free(&replay.batch);
    bus_letters_close(replay.letters);
    return replay.failed ? EXIT_FAILED : EXIT_DONE;
}

/* ------------------------------------------------------------------ the command */

static int usage(void)
{
    fprintf(stderr, "usage: %s " USAGE "\n", ec_app.service->name);
    return EXIT_USAGE;
}

static int run(struct ec_app *app, int argc, char **argv)
{
    const char *words[2] = {NULL, NULL}, *value;
    int64_t limit = LIMIT;
    bool json = false, all = false, limited = false;
    int n = 0;

    (void)app;
    for (int i = 1; i < argc; i++) {
        if ((value = ec_command_value("--limit", argc, argv, &i))) {
            if (!ec_int_parse(ec_str_of(value), &limit) || limit < 1 || limit > 1000000) {
                fprintf(stderr, "--limit takes a number from 1 to 1000000\n");
                return EXIT_USAGE;
            }
            limited = true;
        } else if ((value = ec_command_value("--format", argc, argv, &i))) {
            json = !strcmp(value, "json");
            if (!json && strcmp(value, "text")) {
                fprintf(stderr, "--format takes text or json\n");
                return EXIT_USAGE;
            }
        } else if (!strcmp(argv[i], "--all")) {
            all = true;
        } else if (argv[i][0] == '-' || n == 2) {
            return usage();
        } else {
            words[n++] = argv[i];
        }
    }
    if (n == 1 && !strcmp(words[0], "list") && !all)
        return list_letters((size_t)limit, json);
    if (n == 2 && !strcmp(words[0], "show") && !all && !limited)
        return show(words[1], json);
    if (n == 1 && !strcmp(words[0], "replay") && all && !limited)
        return replay_all(json);
    if (n == 2 && !strcmp(words[0], "replay") && !all && !limited)
        return replay_one(words[1], json);
    return usage();
}

const struct ec_command ec_dead_letter_commands[] = {{"dead-letters", USAGE, run}, {NULL, NULL, NULL}};
