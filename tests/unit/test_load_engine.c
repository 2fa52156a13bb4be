/* The engine against a server of its own in another process, which answers one request after another, each as slowly as its path says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

static const char text[] =
    "topology \"T\"\n"
    "record Thing { how: text }\n"
    "client web \"Web\"\n"
    "service shop \"Shop\" { op Get(how: text) -> Thing { return Thing { how: how } } }\n"
    "gateway gate \"Gate\" { listen 8080  route GET \"/{how}\" public -> shop.Get(how: path.how) }\n"
    "edge web -> gate { http }\n"
    "edge gate -> shop { http }\n"
    "scenario fast \"Fast\" { when web GET \"/fast\"  expect 200 }\n"
    "scenario slow \"Slow\" { when web GET \"/slow\"  expect 200 }\n"
    "scenario wrong \"Wrong\" { when web GET \"/wrong\"  expect 200 }\n"
    "scenario close \"Close\" { when web GET \"/close\"  expect 200 }\n"
    "scenario never \"Never\" { when web GET \"/never\"  expect 200 }\n";

enum { SLOW_MS = 20 };

static struct ecc_cli cli;
static struct ecc_source source;
static struct ecc_diags diags;
static const struct ecc_model *model;
static pid_t server;
static int port;

int ecc_say_error(int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    return code;
}

/* ------------------------------------------------------------------ the server */

static void handle(struct ec_http_exchange *exchange, void *data)
{
    const struct ec_http_request *request = ec_http_exchange_request(exchange);

    (void)data;
    if (ec_str_eq(request->path, EC_STR("/slow")))
        usleep(SLOW_MS * 1000); /* and nobody else is served meanwhile */
    if (ec_str_eq(request->path, EC_STR("/close")))
        ec_http_close(exchange);
    else if (ec_str_eq(request->path, EC_STR("/wrong")))
        ec_http_reply(exchange, 409, EC_STR("application/problem+json"), (struct ec_str){NULL, 0},
                      EC_STR("{\"type\":\"/problems/taken\"}"));
    else if (!ec_str_eq(request->path, EC_STR("/never")))
        ec_http_reply(exchange, 200, EC_STR("application/json"), (struct ec_str){NULL, 0}, EC_STR("{}"));
}

static void serve(int out)
{
    struct ec_http_server_options options = {.host = "127.0.0.1", .handle = handle};
    const char *why;
    uv_loop_t loop;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    uv_loop_init(&loop);
    struct ec_http_server *http = ec_http_server_start(&loop, &options, &why);
    port = http ? ec_http_server_port(http) : 0;
    if (write(out, &port, sizeof port) != sizeof port)
        _exit(1);
    uv_run(&loop, UV_RUN_DEFAULT);
    _exit(1);
}

static int begin(void **state)
{
    size_t at;
    int ends[2];

    (void)state;
    ecc_arena_init(&cli.arena);
    if (ecc_source_init(&source, &cli.arena, "test.ecom", text, strlen(text), &at) != ECC_SOURCE_OK)
        return 1;
    ecc_diags_init(&diags, &cli.arena);
    model = ecc_compile(&cli.arena, &source, &diags);
    if (!model) {
        ecc_diags_write(&diags, &source, ECC_FORMAT_TEXT, false, stderr);
        return 1;
    }
    if (pipe(ends))
        return 1;
    server = fork();
    if (server == 0)
        serve(ends[1]);
    return server < 0 || read(ends[0], &port, sizeof port) != sizeof port || !port;
}

static int end(void **state)
{
    (void)state;
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    ecc_arena_free(&cli.arena);
    return 0;
}

/* ------------------------------------------------------------------ cases */

static struct ecc_load *planned(const char *scenario, long rate, uint64_t total, int at)
{
    struct ecc_load *load = ECC_NEW(&cli.arena, struct ecc_load);
    json_t *up = json_pack("{s:[{s:s,s:s,s:i}]}", "processes", "name", "gate", "kind", "gateway", "port", at);

    *load = (struct ecc_load){.cli = &cli, .model = model, .rate = rate, .total = total};
    assert_int_equal(ecc_load_choose(load, scenario, 100), 0);
    assert_int_equal(ecc_load_plan(load, up), 0);
    json_decref(up);
    assert_int_equal(ecc_load_open(load), 0);
    return load;
}

static struct ecc_load *run(const char *scenario, long rate, uint64_t total, int at)
{
    struct ecc_load *load = planned(scenario, rate, total, at);

    assert_int_equal(ecc_load_run(load), 0);
    ecc_load_close(load);
    assert_int_equal(load->sent + load->dropped, load->total);
    assert_int_equal(ecc_load_count(load, ECC_LOAD_OK) + ecc_load_count(load, ECC_LOAD_ERROR), load->sent);
    return load;
}

static void every_request_is_answered(void **state)
{
    struct ecc_load *load = run("fast", 2000, 1000, port);

    (void)state;
    assert_int_equal(load->sent, 1000);
    assert_int_equal(ecc_load_count(load, ECC_LOAD_OK), 1000);
    assert_true(load->seconds >= 0.499); /* not faster than asked for */
    assert_int_equal(load->behind->n, 1000);
}

/* Twice as many as the server can take: whoever is last waits for all the others, and that counts from when it was due. */
static void time_counts_from_when_it_was_due(void **state)
{
    enum { N = 50 };
    struct ecc_load *load = run("slow", 2 * 1000 / SLOW_MS, N, port);

    (void)state;
    assert_int_equal(ecc_load_count(load, ECC_LOAD_OK), N);
    assert_true(load->parts[0].took[ECC_LOAD_OK].max >= (N * SLOW_MS - N * SLOW_MS / 2) * 1000u);
}

static void errors_have_kinds(void **state)
{
    struct ecc_load *load = run("wrong", 500, 20, port);

    (void)state;
    assert_int_equal(ecc_load_count(load, ECC_LOAD_ERROR), 20);
    assert_int_equal(load->parts[0].nkinds, 1);
    assert_string_equal(load->parts[0].kinds[0].text, "409 taken");
    assert_int_equal(load->parts[0].kinds[0].n, 20);
    load = run("close", 500, 20, port);
    assert_string_equal(load->parts[0].kinds[0].text, "connection broken");
    assert_int_equal(load->parts[0].kinds[0].n, 20);
}

static void nobody_listens(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0); /* held, and not listened on */
    getsockname(fd, (struct sockaddr *)&address, &length);
    struct ecc_load *load = run("fast", 500, 20, ntohs(address.sin_port));
    assert_string_equal(load->parts[0].kinds[0].text, "connection refused");
    assert_int_equal(load->parts[0].kinds[0].n, 20);
    close(fd);
}

/* Ctrl-C from inside the loop, where it can't come when nobody handles it any more: twice at most. */
static void on_interrupt_time(uv_timer_t *timer)
{
    int *times = timer->data;

    if (++*times <= 2)
        raise(SIGINT);
}

static void run_interrupted(struct ecc_load *load, int times_from)
{
    uv_timer_t timer;
    int times = times_from;

    uv_timer_init(&load->loop, &timer);
    timer.data = &times;
    uv_timer_start(&timer, on_interrupt_time, 300, 300);
    assert_int_equal(ecc_load_run(load), 0);
    assert_true(times > times_from);
    uv_close((uv_handle_t *)&timer, NULL);
    ecc_load_close(load);
}

static void an_interrupt_ends_the_sending(void **state)
{
    struct ecc_load *load = planned("fast", 100, 1000000, port);

    (void)state;
    run_interrupted(load, 1);
    assert_true(load->interrupted);
    assert_in_range(load->sent, 1, 999999);
    assert_int_equal(ecc_load_count(load, ECC_LOAD_OK), load->sent);
}

/* When all have been sent the first one does. */
static void a_second_interrupt_ends_the_waiting(void **state)
{
    struct ecc_load *load = planned("never", 1000, 20, port);

    (void)state;
    run_interrupted(load, 0);
    assert_int_equal(ecc_load_count(load, ECC_LOAD_ERROR), load->sent);
    assert_string_equal(load->parts[0].kinds[0].text, "not waited for");
}

/* The last: the limit of descriptors can't be raised again. 80 leave 16 for requests. */
static void too_many_in_flight_are_dropped(void **state)
{
    struct rlimit limit = {80, 80};

    (void)state;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct ecc_load *load = run("slow", 1000, 50, port);
    assert_true(load->sent >= 16);
    assert_true(load->dropped > 0);
    assert_int_equal(load->parts[0].dropped, load->dropped);
    assert_int_equal(ecc_load_count(load, ECC_LOAD_OK), load->sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_is_answered),
        cmocka_unit_test(time_counts_from_when_it_was_due),
        cmocka_unit_test(errors_have_kinds),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(an_interrupt_ends_the_sending),
        cmocka_unit_test(a_second_interrupt_ends_the_waiting),
        cmocka_unit_test(too_many_in_flight_are_dropped),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
