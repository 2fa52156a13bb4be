/* A backlog of events, as the outbox of a service would have sent them.
 *
 * usage: publish BROKERS TOPIC TYPE N
 *
 * N messages of {"id": uuid, "n": number}, keyed by the id, in the binary mode of CloudEvents. One in ten is the message of three before it
 * once more, with the same id, as a producer repeats what it has no answer for. Prints how many different ones there are once the broker
 * has all of them; ends with 1 and a line when it has not taken each.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { TEN = 10, AGAIN = 5, BACK = 3, WAIT_MS = 60000 };

static long delivered;

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    (void)opaque;
    if (message->err)
        fprintf(stderr, "publish: %s\n", rd_kafka_err2str(message->err));
    else
        delivered++;
}

static void fail(const char *what)
{
    fprintf(stderr, "publish: %s\n", what);
    exit(1);
}

/* Of one run no two are the same: half of it is chance, and half counts. */
static void id_of(char out[37], unsigned long long run, long n)
{
    snprintf(out, 37, "%08llx-%04llx-7%03llx-8%03llx-%012llx", run >> 32 & 0xffffffff, run >> 16 & 0xffff, run >> 4 & 0xfff, run & 0xfff,
             (unsigned long long)n & 0xffffffffffff);
}

static void send_one(rd_kafka_t *rk, const char *topic, const char *type, const char *id, long n)
{
    char body[100];
    int length = snprintf(body, sizeof(body), "{\"id\":\"%s\",\"n\":%ld}", id, n);
    rd_kafka_resp_err_t error;

    do {
        error = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(id, strlen(id)),
                                  RD_KAFKA_V_VALUE(body, (size_t)length), RD_KAFKA_V_HEADER("ce_id", id, -1),
                                  RD_KAFKA_V_HEADER("ce_type", type, -1), RD_KAFKA_V_HEADER("ce_source", "bench", -1),
                                  RD_KAFKA_V_HEADER("ce_specversion", "1.0", -1), RD_KAFKA_V_HEADER("content-type", "application/json", -1),
                                  RD_KAFKA_V_END);
        rd_kafka_poll(rk, error == RD_KAFKA_RESP_ERR__QUEUE_FULL ? 10 : 0);
    } while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    if (error)
        fail(rd_kafka_err2str(error));
}

int main(int argc, char **argv)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char said[512], id[37];
    unsigned long long run;
    long count, different = 0;
    rd_kafka_t *rk;

    if (argc != 5 || (count = atol(argv[4])) < 1)
        fail("usage: publish BROKERS TOPIC TYPE N");
    if (getrandom(&run, sizeof(run), 0) != sizeof(run))
        fail("no random number");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    if (rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], said, sizeof(said)) ||
        rd_kafka_conf_set(conf, "enable.idempotence", "true", said, sizeof(said)) ||
        rd_kafka_conf_set(conf, "linger.ms", "5", said, sizeof(said)))
        fail(said);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, said, sizeof(said));
    if (!rk)
        fail(said);
    for (long i = 0; i < count; i++) {
        long n = i % TEN == AGAIN ? i - BACK : i;
        different += n == i;
        id_of(id, run, n);
        send_one(rk, argv[2], argv[3], id, n);
    }
    rd_kafka_flush(rk, WAIT_MS);
    if (delivered != count)
        fail("the broker has not taken all");
    rd_kafka_destroy(rk);
    printf("%ld\n", different);
    return 0;
}
