/* ecom-reader: what the audit reads through large libraries, which ecomc itself does without, so that it starts fast.
 *
 * - `topics BROKERS TOPIC...`: every message up to now, a line each as PostgreSQL's COPY takes it: topic, partition, offset, key, id, type,
 *   group, value (key and value as bytea; group: of a dead letter)
 * - `ends BROKERS TOPIC...`: a line a partition: topic, partition, first offset, next offset
 * - `ledger URL CA_FILE`: the document at the URL, over TLS that this CA vouches for
 * - `faults URL CA_FILE FAULT`: gives a sandbox a fault or, where FAULT is empty, ends all of them
 *
 * Exit 0, or 1 after one line on stderr.
 */
#include <curl/curl.h>
#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, POLL_MS = 200 };

static rd_kafka_t *rk;

__attribute__((format(printf, 1, 2))) static int fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("ecom-reader: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return EXIT_FAILURE;
}

static int connect_to(const char *brokers)
{
    /* A fetch that waits at the broker holds up the questions behind it. */
    const char *const settings[][2] = {
        {"bootstrap.servers", brokers},  {"client.id", "ecom-reader"}, {"group.id", "ecom-reader"},
        {"enable.auto.commit", "false"}, {"log_level", "2"},           {"enable.auto.offset.store", "false"},
        {"check.crcs", "true"},          {"fetch.wait.max.ms", "10"},
    };
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof why) != RD_KAFKA_CONF_OK)
            return fail("%s: %s", settings[i][0], why);
    rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    return rk ? 0 : fail("%s: %s", brokers, why);
}

/* One try of partitions_of. */
static rd_kafka_resp_err_t ask_partitions(const char *topic, int64_t **low, rd_kafka_topic_partition_list_t **found)
{
    const struct rd_kafka_metadata *meta = NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_resp_err_t error = handle ? rd_kafka_metadata(rk, 0, handle, &meta, PATIENCE_MS) : rd_kafka_last_error();
    rd_kafka_topic_partition_list_t *list = NULL;

    if (!error && meta->topic_cnt == 1)
        error = meta->topics[0].err;
    bool absent = error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    if (!error || absent) {
        int n = absent ? 0 : meta->topics[0].partition_cnt;
        error = 0;
        list = rd_kafka_topic_partition_list_new(n);
        *low = calloc((size_t)n + 1, sizeof **low);
        for (int i = 0; i < n && !error; i++) {
            int64_t next = 0;
            error = rd_kafka_query_watermark_offsets(rk, topic, i, &(*low)[i], &next, PATIENCE_MS);
            rd_kafka_topic_partition_list_add(list, topic, i)->offset = next;
        }
    }
    if (meta)
        rd_kafka_metadata_destroy(meta);
    if (handle)
        rd_kafka_topic_destroy(handle);
    if (error && list) {
        rd_kafka_topic_partition_list_destroy(list);
        free(*low);
        list = NULL;
    }
    *found = list;
    return error;
}

/* The partitions of a topic, each with its next offset; *low gets their first ones, malloc'd. None when there is no such topic yet. NULL
 * after saying why. */
static rd_kafka_topic_partition_list_t *partitions_of(const char *topic, int64_t **low)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    rd_kafka_resp_err_t error;

    for (int waited = 0;; waited += POLL_MS) {
        error = ask_partitions(topic, low, &list);
        bool passes = error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE || error == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
                      error == RD_KAFKA_RESP_ERR__TRANSPORT; /* the topic is new, or its broker has just come */
        if (!passes || waited >= PATIENCE_MS)
            break;
        usleep(POLL_MS * 1000);
    }
    if (error)
        fail("topic %s: %s", topic, rd_kafka_err2str(error));
    return list;
}

static int ends(char **topics)
{
    for (; *topics; topics++) {
        int64_t *low;
        rd_kafka_topic_partition_list_t *list = partitions_of(*topics, &low);
        if (!list)
            return EXIT_FAILURE;
        for (int i = 0; i < list->cnt; i++)
            printf("%s\t%d\t%lld\t%lld\n", *topics, list->elems[i].partition, (long long)low[i], (long long)list->elems[i].offset);
        rd_kafka_topic_partition_list_destroy(list);
        free(low);
    }
    return EXIT_SUCCESS;
}

static void put_bytes(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;

    if (!bytes) {
        fputs("\\N", stdout);
        return;
    }
    fputs("\\\\x", stdout);
    for (size_t i = 0; i < n; i++)
        printf("%02x", p[i]);
}

/* A header that is a word; anything else is as good as absent. */
static void put_header(const rd_kafka_message_t *message, const char *name)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t n;

    if (rd_kafka_message_headers(message, &headers) || rd_kafka_header_get_last(headers, name, &value, &n) || !n || !value) {
        fputs("\\N", stdout);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = ((const unsigned char *)value)[i];
        if (c <= ' ' || c >= 127 || c == '\\') {
            fputs("\\N", stdout);
            return;
        }
    }
    fwrite(value, 1, n, stdout);
}

static void put_message(const char *topic, const rd_kafka_message_t *message)
{
    printf("%s\t%d\t%lld\t", topic, message->partition, (long long)message->offset);
    put_bytes(message->key, message->key_len);
    putchar('\t');
    put_header(message, "ce_id");
    putchar('\t');
    put_header(message, "ce_type");
    putchar('\t');
    put_header(message, "dead-letter-group");
    putchar('\t');
    put_bytes(message->payload, message->len);
    putchar('\n');
}

static int read_topic(const char *topic)
{
    int64_t *low;
    rd_kafka_topic_partition_list_t *list = partitions_of(topic, &low), *from = rd_kafka_topic_partition_list_new(8);
    int left = 0, quiet_ms = 0;

    for (int i = 0; list && i < list->cnt; i++)
        if (low[i] < list->elems[i].offset) {
            rd_kafka_topic_partition_list_add(from, topic, i)->offset = low[i];
            left++;
        }
    rd_kafka_resp_err_t error = left ? rd_kafka_assign(rk, from) : 0;
    while (!error && left && quiet_ms < PATIENCE_MS) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, POLL_MS);
        if (!message) {
            quiet_ms += POLL_MS;
            continue;
        }
        int64_t *end = &list->elems[message->partition].offset;
        if (!message->err && message->offset < *end) {
            quiet_ms = 0;
            put_message(topic, message);
            if (message->offset == *end - 1) {
                *end = 0;
                left--;
            }
        }
        rd_kafka_message_destroy(message);
    }
    if (rd_kafka_assign(rk, NULL) && !error)
        error = rd_kafka_last_error();
    rd_kafka_topic_partition_list_destroy(from);
    if (!list)
        return EXIT_FAILURE;
    rd_kafka_topic_partition_list_destroy(list);
    free(low);
    if (error)
        return fail("topic %s: %s", topic, rd_kafka_err2str(error));
    return left ? fail("topic %s: nothing came for %d s, and there must be more", topic, PATIENCE_MS / 1000) : EXIT_SUCCESS;
}

static int ledger(const char *url, const char *ca)
{
    CURL *curl = curl_easy_init();
    long status = 0;

    if (!curl)
        return fail("libcurl can't start");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)PATIENCE_MS);
    CURLcode code = curl_easy_perform(curl); /* writes to stdout */
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (code)
        return fail("%s: %s", url, curl_easy_strerror(code));
    return status == 200 ? EXIT_SUCCESS : fail("%s: answered %ld", url, status);
}

/* A fault for a sandbox, or, body empty, an end to all of them. */
static int faults(const char *url, const char *ca, const char *body)
{
    struct curl_slist *headers = curl_slist_append(NULL, "content-type: application/json");
    CURL *curl = curl_easy_init();
    long status = 0;

    if (!curl || !headers)
        return fail("libcurl can't start");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)PATIENCE_MS);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (*body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    else
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "DELETE");
    CURLcode code = curl_easy_perform(curl); /* writes to stdout */
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    if (code)
        return fail("%s: %s", url, curl_easy_strerror(code));
    return status >= 200 && status < 300 ? EXIT_SUCCESS : fail("%s: answered %ld", url, status);
}

int main(int argc, char **argv)
{
    int code;

    if (argc == 4 && !strcmp(argv[1], "ledger"))
        return ledger(argv[2], argv[3]);
    if (argc == 5 && !strcmp(argv[1], "faults"))
        return faults(argv[2], argv[3], argv[4]);
    if (argc < 4 || (strcmp(argv[1], "topics") && strcmp(argv[1], "ends")))
        return fail("usage: ecom-reader topics BROKERS TOPIC... | ends BROKERS TOPIC... | ledger URL CA_FILE | faults URL CA_FILE FAULT");
    if ((code = connect_to(argv[2])))
        return code;
    if (!strcmp(argv[1], "ends"))
        code = ends(argv + 3);
    else
        for (int i = 3; i < argc && !code; i++)
            code = read_topic(argv[i]);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    if (fflush(stdout) || ferror(stdout))
        return fail("standard output can't be written");
    return code;
}
