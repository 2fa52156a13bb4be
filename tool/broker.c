/* ecom-broker: a Kafka broker for development, in memory, from librdkafka's mock cluster.
 *
 *     ecom-broker --address-file FILE [--topic NAME:PARTITIONS]... [--topics FILE] [--control SOCKET]
 *
 * It listens on a port of loopback that it can't choose, and clients follow the address that a broker announces: so the address is
 * published in FILE (written whole, by rename, once the topics are there) and not on a fixed port. It ends on SIGTERM or SIGINT, and
 * removes the address and the socket. --topics names a file with a line NAME:PARTITIONS for each topic, which is read again on SIGHUP: those that
 * are new are made, the others stay as they are. Nothing is durable: 5 MiB a partition, gone with the process.
 *
 * SOCKET takes faults, a line each, answered by `ok` or `error: why`:
 *     down | up | rtt MS | topic NAME:PARTITIONS | fail API CODE [TIMES] | clear API | leader NAME PARTITION BROKER
 * API is the number of a Kafka request (0 produce, 1 fetch, 11 join group ...), CODE a Kafka error, -195 closes the connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

enum { EXIT_USAGE = 2, MAX_TOPICS = 4096, MAX_LINE = 512, MAX_CLIENTS = 8 };

struct client {
    int fd; /* -1: free */
    size_t n;
    char line[MAX_LINE];
};

static rd_kafka_mock_cluster_t *cluster;
static struct client clients[MAX_CLIENTS];

static int die(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int die(int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("ecom-broker: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}

/* NAME:PARTITIONS; returns why not, or NULL. A topic that is there is left as it is. */
static const char *create_topic(const char *text)
{
    const char *colon = strrchr(text, ':');
    char name[250], *end;
    long partitions;
    rd_kafka_resp_err_t error;

    if (!colon || colon == text || (size_t)(colon - text) >= sizeof(name))
        return "a topic is NAME:PARTITIONS";
    memcpy(name, text, (size_t)(colon - text));
    name[colon - text] = '\0';
    partitions = strtol(colon + 1, &end, 10);
    if (*end || partitions < 1 || partitions > 1000)
        return "a topic has between 1 and 1000 partitions";
    error = rd_kafka_mock_topic_create(cluster, name, (int)partitions, 1);
    return error && error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS ? rd_kafka_err2str(error) : NULL;
}

/* What is wrong with one line does not keep the others away. False when the file can't be read, or a line was wrong. */
static bool create_topics(const char *path)
{
    FILE *file = fopen(path, "re");
    char line[MAX_LINE];
    const char *why;
    bool good = file != NULL;

    if (!file)
        die(0, "%s: %s", path, strerror(errno));
    while (file && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (*line && (why = create_topic(line))) {
            die(0, "%s: %s: %s", path, line, why);
            good = false;
        }
    }
    if (file)
        fclose(file);
    return good;
}

/* ------------------------------------------------------------------ faults */

static const char *obey(char *line)
{
    char *words[5] = {NULL}, *save = NULL;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR, codes[1000];
    int n = 0, times;

    for (char *word = strtok_r(line, " \t\r", &save); word && n < 5; word = strtok_r(NULL, " \t\r", &save))
        words[n++] = word;
    if (n == 1 && !strcmp(words[0], "down")) {
        error = rd_kafka_mock_broker_set_down(cluster, -1);
    } else if (n == 1 && !strcmp(words[0], "up")) {
        error = rd_kafka_mock_broker_set_up(cluster, -1);
    } else if (n == 2 && !strcmp(words[0], "rtt")) {
        error = rd_kafka_mock_broker_set_rtt(cluster, -1, atoi(words[1]));
    } else if (n == 2 && !strcmp(words[0], "topic")) {
        return create_topic(words[1]);
    } else if ((n == 3 || n == 4) && !strcmp(words[0], "fail")) {
        times = n == 4 ? atoi(words[3]) : 1;
        if (times < 1 || times > 1000)
            return "TIMES is between 1 and 1000";
        for (int i = 0; i < times; i++)
            codes[i] = (rd_kafka_resp_err_t)atoi(words[2]);
        rd_kafka_mock_push_request_errors_array(cluster, (int16_t)atoi(words[1]), (size_t)times, codes);
    } else if (n == 2 && !strcmp(words[0], "clear")) {
        rd_kafka_mock_clear_request_errors(cluster, (int16_t)atoi(words[1]));
    } else if (n == 4 && !strcmp(words[0], "leader")) {
        error = rd_kafka_mock_partition_set_leader(cluster, words[1], atoi(words[2]), atoi(words[3]));
    } else {
        return "not a command: down | up | rtt MS | topic NAME:PARTITIONS | fail API CODE [TIMES] | clear API | leader NAME PARTITION BROKER";
    }
    return error ? rd_kafka_err2str(error) : NULL;
}

static void client_close(struct client *client)
{
    close(client->fd);
    client->fd = -1;
}

static void client_read(struct client *client)
{
    ssize_t got = read(client->fd, client->line + client->n, sizeof(client->line) - 1 - client->n);
    char *end, answer[MAX_LINE];
    const char *why;
    int n;

    if (got <= 0) {
        client_close(client);
        return;
    }
    client->n += (size_t)got;
    while ((end = memchr(client->line, '\n', client->n))) {
        *end = '\0';
        why = obey(client->line);
        n = snprintf(answer, sizeof(answer), "%s%s\n", why ? "error: " : "ok", why ? why : "");
        if (send(client->fd, answer, (size_t)n, MSG_NOSIGNAL) != n) {
            client_close(client);
            return;
        }
        client->n -= (size_t)(end + 1 - client->line);
        memmove(client->line, end + 1, client->n);
    }
    if (client->n >= sizeof(client->line) - 1)
        client_close(client);
}

static void client_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    for (int i = 0; fd >= 0 && i < MAX_CLIENTS; i++) {
        if (clients[i].fd < 0) {
            clients[i] = (struct client){.fd = fd};
            return;
        }
    }
    if (fd >= 0)
        close(fd);
}

static int control_open(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mode_t mask;
    int fd, bound;

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(path);
    mask = umask(0177);
    bound = bind(fd, (struct sockaddr *)&address, sizeof(address));
    umask(mask);
    return bound || listen(fd, 8) ? -1 : fd;
}

/* ------------------------------------------------------------------ the process */

static int publish(const char *path, const char *address)
{
    char temporary[4096];
    FILE *file;

    if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    file = fopen(temporary, "we");
    if (!file)
        return -1;
    if (fprintf(file, "%s\n", address) < 0) {
        fclose(file);
        return -1;
    }
    return fclose(file) || rename(temporary, path) ? -1 : 0;
}

/* False: to end. */
static bool obey_signal(int signals, const char *topics_path)
{
    struct signalfd_siginfo info;

    if (read(signals, &info, sizeof(info)) != sizeof(info) || info.ssi_signo != SIGHUP)
        return false;
    if (topics_path)
        create_topics(topics_path);
    return true;
}

static void serve(int signals, int control, const char *topics_path)
{
    struct pollfd polls[MAX_CLIENTS + 2];

    for (;;) {
        polls[0] = (struct pollfd){.fd = signals, .events = POLLIN};
        polls[1] = (struct pollfd){.fd = control, .events = POLLIN};
        for (int i = 0; i < MAX_CLIENTS; i++)
            polls[i + 2] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        if (poll(polls, MAX_CLIENTS + 2, -1) < 0 && errno != EINTR)
            return;
        if (polls[0].revents && !obey_signal(signals, topics_path))
            return;
        for (int i = 0; i < MAX_CLIENTS; i++)
            if (polls[i + 2].revents && clients[i].fd >= 0)
                client_read(&clients[i]);
        if (polls[1].revents)
            client_accept(control);
    }
}

int main(int argc, char **argv)
{
    const char *address_file = NULL, *control_path = NULL, *topics_path = NULL, *topics[MAX_TOPICS], *why;
    char text[256];
    int ntopics = 0, control = -1, signals;
    sigset_t set;
    rd_kafka_conf_t *conf;
    rd_kafka_t *rk;

    for (int i = 1; i < argc; i++) {
        if (i + 1 < argc && !strcmp(argv[i], "--address-file"))
            address_file = argv[++i];
        else if (i + 1 < argc && !strcmp(argv[i], "--control"))
            control_path = argv[++i];
        else if (i + 1 < argc && !strcmp(argv[i], "--topics"))
            topics_path = argv[++i];
        else if (i + 1 < argc && !strcmp(argv[i], "--topic") && ntopics < MAX_TOPICS)
            topics[ntopics++] = argv[++i];
        else
            return die(EXIT_USAGE, "usage: ecom-broker --address-file FILE [--topic NAME:PARTITIONS]... [--topics FILE] [--control SOCKET]");
    }
    if (!address_file)
        return die(EXIT_USAGE, "--address-file is needed");
    for (int i = 0; i < MAX_CLIENTS; i++)
        clients[i].fd = -1;

    /* Blocked before there are threads, which inherit it: signals come by the descriptor alone. */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signals = signalfd(-1, &set, SFD_CLOEXEC);

    conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "client.id", "ecom-broker", text, sizeof(text));
    rd_kafka_conf_set(conf, "log_level", "3", text, sizeof(text));
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (!rk)
        return die(EXIT_FAILURE, "%s", text);
    cluster = rd_kafka_mock_cluster_new(rk, 1);
    if (!cluster)
        return die(EXIT_FAILURE, "the broker can't be made");
    for (int i = 0; i < ntopics; i++)
        if ((why = create_topic(topics[i])))
            return die(EXIT_USAGE, "--topic %s: %s", topics[i], why);
    if (topics_path && !create_topics(topics_path))
        return EXIT_USAGE;
    if (control_path && (control = control_open(control_path)) < 0)
        return die(EXIT_FAILURE, "%s: %s", control_path, strerror(errno));
    if (publish(address_file, rd_kafka_mock_cluster_bootstraps(cluster)))
        return die(EXIT_FAILURE, "%s: %s", address_file, strerror(errno));
    serve(signals, control, topics_path);
    unlink(address_file);
    if (control_path)
        unlink(control_path);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(rk);
    return EXIT_SUCCESS;
}
