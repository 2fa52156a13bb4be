/* The outbox relay, with a bus that the test is. */
#include "db_test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "relay.h"
#include "tx.h"

enum { MAX = 3000 };
struct handed {
    const struct ec_relay_row *row;
    void (*delivered)(void *data, bool ok);
    void *data;
};

static struct {
    bool ready, full;
    struct handed waiting[MAX];
    int n;               /* handed over, not answered */
    char trail[MAX][40]; /* "key:body" in the order of delivery */
    int ndelivered, nhanded;
    int fail_next; /* deliveries that fail */
    bool at_once;  /* answered in the next turn */
} bus;

static bool bus_ready(void)
{
    return bus.ready;
}

static bool bus_produce(const struct ec_relay_row *row, void (*delivered)(void *data, bool ok), void *data)
{
    int i;

    if (bus.full || bus.n == MAX)
        return false;
    for (i = 0; i < bus.n; i++) /* never two of a key at once */
        assert_false(ec_str_eq(bus.waiting[i].row->key, row->key) && ec_str_eq(bus.waiting[i].row->topic, row->topic));
    bus.waiting[bus.n++] = (struct handed){row, delivered, data};
    bus.nhanded++;
    return true;
}

static const struct ec_relay_sink sink = {bus_ready, bus_produce};

/* Answers the one that was handed over last: the bus has no order among keys. */
static void answer_one(void)
{
    struct handed handed = bus.waiting[--bus.n];
    bool ok = bus.fail_next <= 0;

    bus.fail_next--;
    if (ok)
        snprintf(bus.trail[bus.ndelivered++], sizeof(bus.trail[0]), "%.*s:%.*s", (int)handed.row->key.n, handed.row->key.p,
                 (int)handed.row->body.n, handed.row->body.p);
    handed.delivered(handed.data, ok);
}

static void answer_all(void)
{
    while (bus.n)
        answer_one();
}

static void begin(void)
{
    memset(&bus, 0, sizeof(bus));
    bus.ready = true;
    pg_server_run(db_server, "TRUNCATE ec.outbox RESTART IDENTITY");
    ec_relay_register(&sink);
    db_open(NULL);
}

static void end(void)
{
    db_close();
    ec_relay_register(NULL);
}

static void publish(const char *rows)
{
    char sql[1000];

    snprintf(
        sql, sizeof(sql),
        "INSERT INTO ec.outbox (event_id, topic, key, type, body) SELECT gen_random_uuid(), 't', k, 'E.v1', b FROM (VALUES %s) v(k, b)",
        rows);
    pg_server_run(db_server, sql);
}

static long left(void)
{
    return pg_server_count(db_server, "SELECT count(*) FROM ec.outbox");
}

static void assert_order(const char *key, const char *expected)
{
    char text[1000] = "";
    size_t n = strlen(key);
    int i;

    for (i = 0; i < bus.ndelivered; i++)
        if (strncmp(bus.trail[i], key, n) == 0 && bus.trail[i][n] == ':')
            strcat(text, bus.trail[i] + n + 1);
    assert_string_equal(text, expected);
}

static void test_relays(void **state)
{
    (void)state;
    begin();
    publish("('a', '1'), ('b', '1'), ('a', '2'), ('a', '3'), ('b', '2')");
    DB_UNTIL(bus.n == 2); /* the first of each key */
    assert_int_equal(left(), 5);
    while (bus.ndelivered < 5) {
        answer_all();
        db_turn();
    }
    DB_UNTIL(left() == 0);
    assert_order("a", "123");
    assert_order("b", "12");
    end();
}

static void test_failure_keeps_order(void **state)
{
    (void)state;
    begin();
    publish("('a', '1'), ('a', '2'), ('b', '1'), ('a', '3')");
    DB_UNTIL(bus.n == 2);
    bus.fail_next = 2; /* both */
    answer_all();
    assert_int_equal(bus.n, 0); /* nothing of a overtakes */
    DB_UNTIL(bus.n == 2);
    while (bus.ndelivered < 4) {
        answer_all();
        db_turn();
    }
    DB_UNTIL(left() == 0);
    assert_order("a", "123");
    assert_order("b", "1");
    /* the second of a key fails: the first is not sent again, the third waits */
    bus.ndelivered = 0;
    publish("('c', '1'), ('c', '2'), ('c', '3')");
    DB_UNTIL(bus.n == 1);
    answer_one();
    assert_int_equal(bus.n, 1);
    bus.fail_next = 1;
    answer_one();
    DB_UNTIL(left() == 2);
    while (bus.ndelivered < 3) {
        answer_all();
        db_turn();
    }
    DB_UNTIL(left() == 0);
    assert_order("c", "123");
    end();
}

static double gauge(const char *name)
{
    return ec_metric_value(ec_metric(strstr(name, "_seconds") ? EC_GAUGE_MOST : EC_GAUGE, name, "", ""));
}

static void test_not_ready_and_full(void **state)
{
    (void)state;
    begin();
    bus.ready = false;
    publish("('a', '1')");
    db_pass(300);
    assert_int_equal(bus.nhanded, 0);
    DB_UNTIL(gauge("ec_outbox_rows") == 1 && gauge("ec_outbox_lag_seconds") > 0.3); /* nothing is read, and it is told all the same */
    bus.ready = true;
    bus.full = true;
    db_pass(300);
    bus.full = false;
    DB_UNTIL(bus.n == 1);
    answer_all();
    DB_UNTIL(left() == 0);
    DB_UNTIL(gauge("ec_outbox_rows") == 0 && gauge("ec_outbox_lag_seconds") == 0);
    end();
}

/* A row with a lower id that is committed later is not missed. */
static void test_late_commit(void **state)
{
    pid_t late;

    (void)state;
    begin();
    late = fork();
    if (late == 0) {
        pg_server_run(
            db_server,
            "BEGIN; INSERT INTO ec.outbox (event_id, topic, key, type, body) VALUES (gen_random_uuid(), 't', 'x', 'E.v1', 'late'); "
            "SELECT pg_sleep(1); COMMIT");
        _exit(0);
    }
    DB_UNTIL(pg_server_count(db_server,
                             "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(1)%' AND pid <> pg_backend_pid()") == 1);
    db_pass(100);
    publish("('y', 'early')");
    DB_UNTIL(bus.n == 1);
    answer_all();
    assert_string_equal(bus.trail[0], "y:early");
    DB_UNTIL(bus.n == 1);
    answer_all();
    assert_string_equal(bus.trail[1], "x:late");
    DB_UNTIL(left() == 0);
    waitpid(late, NULL, 0);
    end();
}

static void test_one_relay(void **state)
{
    pid_t other;

    (void)state;
    memset(&bus, 0, sizeof(bus));
    bus.ready = true;
    other = fork();
    if (other == 0) {
        ec_relay_register(&sink);
        db_open(NULL);
        db_pass(60000);
        _exit(0);
    }
    while (pg_server_count(db_server, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") != 1)
        usleep(10000);
    begin();
    publish("('a', '1')");
    db_pass(1300);
    assert_int_equal(bus.nhanded, 0); /* the other has the lock */
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    DB_UNTIL(bus.n == 1);
    answer_all();
    DB_UNTIL(left() == 0);
    end();
}

static void test_lost_connection(void **state)
{
    (void)state;
    begin();
    publish("('a', '1'), ('a', '2')");
    DB_UNTIL(bus.n == 1);
    pg_server_restart(db_server);
    answer_all(); /* the batch of before goes on; its rows are found again */
    DB_UNTIL(ec_module_pg.not_ready(&ec_app) == NULL);
    while (left()) {
        answer_all();
        db_turn();
    }
    assert_true(bus.ndelivered >= 2);
    assert_string_equal(bus.trail[0], "a:1");
    assert_string_equal(bus.trail[bus.ndelivered - 1], "a:2");
    end();
}

static void test_many(void **state)
{
    int i;

    (void)state;
    begin();
    pg_server_run(db_server,
                  "INSERT INTO ec.outbox (event_id, topic, key, type, body) SELECT gen_random_uuid(), 't', 'k' || g % 300, 'E.v1', g FROM "
                  "generate_series(1, 2000) g");
    while (bus.ndelivered < 2000) {
        answer_all();
        db_turn();
    }
    DB_UNTIL(left() == 0);
    for (i = 1; i < 2000; i++) { /* each key's bodies grow */
        int j;
        const char *body = strchr(bus.trail[i], ':');

        for (j = i - 1; j >= 0; j--) {
            const char *before = strchr(bus.trail[j], ':');

            if (before - bus.trail[j] == body - bus.trail[i] && strncmp(bus.trail[j], bus.trail[i], (size_t)(body - bus.trail[i])) == 0) {
                assert_true(atoi(before + 1) < atoi(body + 1));
                break;
            }
        }
    }
    assert_int_equal(bus.nhanded, 2000);
    end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relays),      cmocka_unit_test(test_failure_keeps_order), cmocka_unit_test(test_not_ready_and_full),
        cmocka_unit_test(test_late_commit), cmocka_unit_test(test_one_relay),           cmocka_unit_test(test_lost_connection),
        cmocka_unit_test(test_many),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, db_group_setup, db_group_teardown);
}
