/* The keep-alive client of several processes: which of them is asked. */
#include "http_client_fixture.h"

static void several_origins(void **state)
{
    struct ec_http_client *client;
    struct fake g = listen_fake();
    struct outcome o[4];
    int a, b, i;
    OPEN;

    client = client_for(&loop, 8, "http://127.0.0.1:%d,http://127.0.0.1:%d/", f.port, g.port);
    ask(client, "{}", 5000, true, &o[0]);
    ask(client, "{}", 5000, true, &o[1]);
    a = accept_one(&loop, &f);
    b = accept_one(&loop, &g);
    close(a);
    close(b);
    TURN_UNTIL(&loop, o[0].done && o[1].done);
    /* One goes: its calls go to the other, and it is avoided. */
    close(f.fd);
    for (i = 0; i < 4; i++) {
        ask(client, "{}", 5000, false, &o[i]);
        b = accept_one(&loop, &g);
        read_request(&loop, b, "{}");
        send_text(b, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        TURN_UNTIL(&loop, o[i].done);
        assert_int_equal(o[i].outcome, EC_HTTP_OK);
        close(b);
    }
    close(g.fd);
    f = listen_fake();
    CLOSE(client);
}

static void avoided(void **state)
{
    struct ec_http_client *client;
    struct fake g = listen_fake();
    struct outcome o;
    int a, b, i;
    OPEN;

    client = avoiding = client_for(&loop, 8, "http://127.0.0.1:%d,http://127.0.0.1:%d/", f.port, g.port);
    ask(client, "{}", 5000, true, &o);
    a = accept_one(&loop, &f);
    read_request(&loop, a, "{}");
    send_text(a, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
    TURN_UNTIL(&loop, o.done);
    assert_int_equal(o.status, 401);
    ask(client, "{}", 5000, true, &o); /* the first has a connection that is idle, and nothing to do */
    b = accept_one(&loop, &g);
    for (i = 0; i < 3; i++) {
        read_request(&loop, b, "{}");
        send_text(b, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        TURN_UNTIL(&loop, o.done);
        assert_int_equal(o.status, 200);
        if (i < 2)
            ask(client, "{}", 5000, true, &o);
    }
    avoiding = NULL;
    close(a);
    close(b);
    close(g.fd);
    CLOSE(client);
}

/* One that fails at once has always the least to do. */
static void faults(void **state)
{
    static const int statuses[] = {502, 500, 502, 502, 503, 500, 500, 502, 500, 502}; /* the first four are too few */
    struct ec_http_client *client;
    struct fake g = listen_fake();
    struct outcome o, long_one;
    int a, b, c;
    size_t i;
    OPEN;

    client = client_for(&loop, 8, "http://127.0.0.1:%d,http://127.0.0.1:%d/", f.port, g.port);
    ask(client, "{}", 5000, true, &o);
    a = accept_one(&loop, &f);
    ask(client, "{}", 5000, true, &long_one);
    b = accept_one(&loop, &g);
    for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        char text[64];

        read_request(&loop, a, "{}");
        snprintf(text, sizeof(text), "HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n", statuses[i]);
        send_text(a, text);
        TURN_UNTIL(&loop, o.done);
        assert_int_equal(o.status, statuses[i]);
        ask(client, "{}", 5000, true, &o);
    }
    c = accept_one(&loop, &g);
    read_request(&loop, c, "{}");
    close(a);
    close(b);
    close(c);
    close(g.fd);
    CLOSE(client);
}

/* Who says goodbye is left: what is idle there is closed from here, before a request can meet its end, and others are asked. */
static void goodbye(void **state)
{
    struct ec_http_client *client;
    struct fake g = listen_fake();
    struct outcome o, other;
    int a, b, c;
    char byte;
    OPEN;

    client = client_for(&loop, 8, "http://127.0.0.1:%d,http://127.0.0.1:%d/", f.port, g.port);
    ask(client, "{}", 5000, false, &o);
    a = accept_one(&loop, &f);
    ask(client, "{}", 5000, false, &other);
    b = accept_one(&loop, &g);
    read_request(&loop, b, "{}");
    read_request(&loop, a, "{}");
    ask(client, "{}", 5000, false, &o); /* one of them gets a second connection */
    TURN_UNTIL(&loop, (c = accept(f.fd, NULL, NULL)) >= 0);
    read_request(&loop, c, "{}");
    send_text(a, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); /* it is idle then */
    TURN_UNTIL(&loop, o.done);
    memset(&o, 0, sizeof(o));
    send_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    TURN_UNTIL(&loop, o.done);
    TURN_UNTIL(&loop, recv(a, &byte, 1, MSG_DONTWAIT) == 0);
    ask(client, "{}", 5000, false, &o); /* the other has more to do, and is asked */
    TURN_UNTIL(&loop, (a = accept(g.fd, NULL, NULL)) >= 0);
    read_request(&loop, a, "{}");
    assert_true(nobody_came(&loop, &f));
    close(a);
    close(b);
    close(c);
    TURN_UNTIL(&loop, o.done && other.done);
    close(g.fd);
    CLOSE(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_origins),
        cmocka_unit_test(avoided),
        cmocka_unit_test(faults),
        cmocka_unit_test(goodbye),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
