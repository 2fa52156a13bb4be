/* An event's whole way: rows of the outbox, the relay, a bus, a group, the inbox, one effect each, in the order of their key; also when the
 * producer fails for good in the middle, handlers fail, and the database's connections break. And the way back of a dead letter. */
#include "db_test.h"

#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "bus.h"
#include "bus_producer.h"

enum { KEYS = 7, EVENTS = 700 };

struct marked { int64_t n; struct ec_str key; };
static const struct ec_field marked_fields[] = {
    {.name = "n", .kind = EC_INT, .offset = offsetof(struct marked, n)},
    {.name = "key", .kind = EC_TEXT, .offset = offsetof(struct marked, key)},
};
static const struct ec_record marked_record = {.name = "Marked", .size = sizeof(struct marked), .fields = marked_fields, .nfields = 2};
static const struct ec_topic topic = {.name = "marks", .partitions = 3, .key = "key"};
static const struct ec_event event = {.name = "Marked", .version = 1, .topic = &topic, .body = &marked_record};

/* ------------------------------------------------------------------ who publishes */

struct publish_frame { struct marked in; };
static int64_t next_n;

static void publish_run(struct ec_task *task)
{
    struct publish_frame *f = EC_FRAME(task, struct publish_frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_tx_begin(task));
        for (int i = 0; i < KEYS; i++) { /* one of each key in a transaction */
            char key[2] = {(char)('a' + i), 0};

            f->in = (struct marked){next_n, ec_str_of(key)};
            ec_publish(task, &event, &f->in);
        }
        next_n++;
        EC_AWAIT(task, 2, ec_tx_commit(task, NULL, true));
        ec_reply(task, NULL);
    }
}
static const struct ec_program publish_program = {.name = "unit.Publish", .run = publish_run, .frame_size = sizeof(struct publish_frame)};

/* ------------------------------------------------------------------ who handles */

static int attempts, fail_every;
static const struct ec_sql sql_effect = {.name = "unit.effect3", .text = "INSERT INTO effects (key, n) VALUES ($1, $2)"};

static void handle_run(struct ec_task *task)
{
    struct publish_frame *f = EC_FRAME(task, struct publish_frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_tx_begin(task));
        EC_AWAIT(task, 2, ec_sql_exec(task, &sql_effect, EC_PARAMS(ec_param_text(f->in.key), ec_param_int(f->in.n))));
        if (fail_every && ++attempts % fail_every == 0) {
            ec_fail_with(task, &ec_error_unavailable);
            return;
        }
        EC_AWAIT(task, 3, ec_tx_commit(task, NULL, true));
        ec_reply(task, NULL);
    }
}
static const struct ec_program handle_program = {
    .name = "unit.on.Marked", .run = handle_run, .frame_size = sizeof(struct publish_frame), .in = &marked_record, .repeat = EC_REPEAT_ATOMIC};
static const struct ec_consumer consumer = {.event = &event, .group = "unit-svc.marks", .retries = 50, .backoff_min_ms = 5, .backoff_max_ms = 50,
                                            .dead_letter = true, .program = &handle_program};

/* ------------------------------------------------------------------ the test */

static long effects(void)
{
    return pg_server_count(db_server, "SELECT count(*) FROM effects");
}

/* Asking connects and waits, which holds the loop up: not in every turn. */
static void until_effects(long n)
{
    for (int i = 0; i < 600 && effects() < n; i++)
        db_pass(50);
    assert_true(effects() >= n);
}

static void test_one_effect_an_event(void **state)
{
    static const struct ec_topic *const topics[] = {&topic, NULL};
    static const struct ec_consumer *const consumers[] = {&consumer, NULL};
    static const struct ec_module *const modules[] = {&ec_module_pg, &ec_module_producer, &ec_module_consumer, NULL};
    static const struct ec_module *const more[] = {&ec_module_producer, &ec_module_consumer, NULL};
    static rd_kafka_mock_cluster_t *mock;
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0);

    (void)state;
    rd_kafka_set_log_level(rk, 0);
    mock = rd_kafka_mock_cluster_new(rk, 1);
    rd_kafka_mock_topic_create(mock, "marks", 3, 1);
    rd_kafka_mock_topic_create(mock, "marks.dead-letter", 3, 1);
    setenv("KAFKA_BROKERS", rd_kafka_mock_cluster_bootstraps(mock), 1);
    pg_server_run(db_server, "CREATE TABLE effects (at bigserial, key text, n bigint)");
    db_service.topics = topics;
    db_service.consumers = consumers;
    db_service.modules = modules;
    fail_every = 13;
    db_open(more);
    for (int i = 0; i < EVENTS / KEYS; i++) {
        struct ended ended = {0};

        db_run(&publish_program, &ended, NULL, NULL);
        if (ended.error) /* the database was restarted meanwhile: nothing was published, or all of it */
            continue;
        if (i == 40) {
            rd_kafka_mock_broker_set_down(mock, -1);
        } else if (i == 45) { /* what was on its way is sent again by another producer */
            ec_bus_producer_break();
            rd_kafka_mock_broker_set_up(mock, -1);
        }
    }
    until_effects(EVENTS / 2);
    pg_server_restart(db_server);
    DB_UNTIL(ec_module_pg.not_ready(&ec_app) == NULL);
    until_effects(EVENTS);
    DB_UNTIL(pg_server_count(db_server, "SELECT count(*) FROM ec.outbox") == 0);
    db_pass(500); /* a second effect would come about in that time */
    assert_int_equal(effects(), EVENTS);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM (SELECT DISTINCT key, n FROM effects) e"), EVENTS);
    assert_int_equal(pg_server_count(db_server, "SELECT count(*) FROM (SELECT n, lag(n) OVER (PARTITION BY key ORDER BY at) AS before FROM effects) e "
                                                "WHERE n < before"), 0);
    assert_true(attempts > EVENTS);
    ec_module_consumer.drain(&ec_app);
    DB_UNTIL(ec_module_consumer.idle(&ec_app));
    db_close();
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(rk);
}

/* ------------------------------------------------------------------ a dead letter that is sent back */

static const struct ec_topic topic_back = {.name = "backs", .partitions = 1, .key = "key", .types = (const char *const[]){"Back.v1", NULL}};
static const struct ec_event event_back = {.name = "Back", .version = 1, .topic = &topic_back, .body = &marked_record};
static const struct ec_consumer consumer_back = {.event = &event_back, .group = "unit-svc.backs", .retries = 1, .backoff_min_ms = 5, .backoff_max_ms = 5,
                                                 .dead_letter = true, .program = &handle_program};

static long counted(const char *family, const char *labels)
{
    return (long)ec_metric_value(ec_metric(EC_COUNTER, family, "", labels));
}

static int sent_back(void)
{
    char *argv[] = {(char[]){"dead-letters"}, (char[]){"replay"}, (char[]){"--all"}, NULL};

    return ec_module_consumer.commands[0].run(&ec_app, 3, argv);
}

static void on_delivered(void *data, bool ok)
{
    *(int *)data += ok;
}

static void publish_back(void)
{
    const struct ec_bus_header headers[] = {{"ce_type", EC_STR("Back.v1")}, {"ce_id", EC_STR("one")}};
    int delivered = 0;

    DB_UNTIL(ec_bus_producer_ready());
    assert_true(ec_bus_produce(&(struct ec_bus_record){"backs", EC_STR("a"), EC_STR("{\"n\":1,\"key\":\"a\"}"), headers, 2, 0}, on_delivered,
                               &delivered));
    DB_UNTIL(delivered);
}

static void test_one_effect_of_a_dead_letter(void **state)
{
    static const char done[] = "group=\"unit-svc.backs\",event=\"Back.v1\",outcome=\"done\"";
    static const struct ec_topic *const topics[] = {&topic_back, NULL};
    static const struct ec_consumer *const consumers[] = {&consumer_back, NULL};
    static const struct ec_module *const modules[] = {&ec_module_pg, &ec_module_consumer, NULL}, *const more[] = {&ec_module_consumer, NULL};
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0);
    rd_kafka_mock_cluster_t *mock;

    (void)state;
    rd_kafka_set_log_level(rk, 0);
    mock = rd_kafka_mock_cluster_new(rk, 1);
    rd_kafka_mock_topic_create(mock, "backs", 1, 1);
    rd_kafka_mock_topic_create(mock, "backs.dead-letter", 1, 1);
    ec_bus_set_brokers(rd_kafka_mock_cluster_bootstraps(mock));
    pg_server_run(db_server, "TRUNCATE effects");
    db_service.topics = topics;
    db_service.consumers = consumers;
    db_service.modules = modules;
    fail_every = 1;
    db_open(more);
    publish_back();
    DB_UNTIL(counted("ec_dead_letters_total", "group=\"unit-svc.backs\",reason=\"unavailable\"") == 1);
    assert_int_equal(effects(), 0);
    fail_every = 0; /* mended */
    assert_int_equal(sent_back(), 0);
    DB_UNTIL(counted("ec_consumer_events_total", done) == 1);
    assert_int_equal(effects(), 1);
    assert_int_equal(sent_back(), 0); /* nothing is left to send */
    publish_back();                   /* a duplicate */
    DB_UNTIL(counted("ec_consumer_events_total", done) == 2);
    assert_int_equal(effects(), 1);
    ec_module_consumer.drain(&ec_app);
    DB_UNTIL(ec_module_consumer.idle(&ec_app));
    db_close();
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(rk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_effect_an_event), cmocka_unit_test(test_one_effect_of_a_dead_letter)};

    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
