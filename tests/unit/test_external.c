/* Calls to providers, over HTTPS with the test's own authority: requests as the topology says them, answers, verification, failures. */
#include <dirent.h>
#include <unistd.h>

#include "http_test.h"

#include "edge.h"
#include "task.h"
#include "tls_test.h"

static const struct ec_error error_declined = {"declined", 402, "Declined"}, error_away = {"away", 503, "Away"};

struct inner { bool on; struct ec_str name; };
static const struct ec_field inner_fields[] = {
    {.name = "on", .kind = EC_BOOL, .offset = offsetof(struct inner, on)},
    {.name = "name", .kind = EC_TEXT, .offset = offsetof(struct inner, name)},
};
static const struct ec_record inner_record = {"Inner", sizeof(struct inner), inner_fields, 2, NULL};

struct in { struct ec_str id, text; int64_t amount; struct inner inner; };
static const struct ec_field in_fields[] = {
    {.name = "id", .kind = EC_TEXT, .offset = offsetof(struct in, id)},
    {.name = "Text", .kind = EC_TEXT, .offset = offsetof(struct in, text)},
    {.name = "amount", .kind = EC_INT, .offset = offsetof(struct in, amount)},
    {.name = "inner", .kind = EC_RECORD, .offset = offsetof(struct in, inner), .of = &inner_record},
};
static const struct ec_record in_record = {"In", sizeof(struct in), in_fields, 4, NULL};

struct out { struct ec_str id; int64_t amount; };
static const struct ec_field out_fields[] = {
    {.name = "id", .kind = EC_TEXT, .offset = offsetof(struct out, id)},
    {.name = "amount", .kind = EC_INT, .offset = offsetof(struct out, amount)},
};
static const struct ec_record out_record = {"Out", sizeof(struct out), out_fields, 2, NULL};

static struct ec_setting account = {.name = "account", .env = "ACCOUNT", .text = {"AC1", 3}},
                         secret = {.name = "KEY", .env = "KEY", .text = {"s3cret", 6}};
static const struct ec_setting *const settings[] = {&account, NULL};
static struct ec_external external = {.name = "bank", .base = "https://bank.invalid", .base_env = "BANK_BASE_URL", .auth = EC_AUTH_BEARER,
                                      .auth_header = "X-Key", .auth_user = &account, .auth_secret = &secret, .settings = settings};
static struct ec_edge edge;
static const struct ec_status_error errors[] = {{402, &error_declined}, {0, NULL}};
static struct ec_ext_call call;
static struct ec_edge *const edges[] = {&edge, NULL};
static const struct ec_external *const externals[] = {&external, NULL};
static const struct ec_service service = {.name = "alpha", .edges = edges, .externals = externals};

static struct {
    struct ec_http_server *server;
    int served, status;
    const char *body, *headers;
    bool hang, drop, cut;
    char seen[4096], idempotency[8][64];
} peer;

static uv_loop_t loop;
static struct authority authority;

static void on_gone(struct ec_http_exchange *x, void *data)
{
    (void)data;
    ec_http_close(x);
}

static void handle(struct ec_http_exchange *x, void *data)
{
    const struct ec_http_request *request = ec_http_exchange_request(x);
    struct ec_str key = ec_http_header(request, "idempotency-key");
    char *to = peer.seen;
    size_t i;

    (void)data;
    to += sprintf(to, "%.*s %.*s\n", (int)request->method.n, request->method.p, (int)request->target.n, request->target.p);
    for (i = 0; i < request->nheaders; i++)
        to += sprintf(to, "%.*s: %.*s\n", (int)request->headers[i].name.n, request->headers[i].name.p, (int)request->headers[i].value.n,
                      request->headers[i].value.p);
    sprintf(to, "\n%.*s", (int)request->body.n, request->body.n ? request->body.p : "");
    if (peer.served < 8)
        sprintf(peer.idempotency[peer.served], "%.*s", (int)key.n, key.n ? key.p : "");
    peer.served++;
    if (peer.hang)
        ec_http_exchange_set(x, NULL, on_gone);
    else if (peer.drop)
        ec_http_close(x);
    else if (peer.cut)
        ec_http_reply_truncated(x, peer.status, EC_STR("application/json"), ec_str_of(peer.body), 3);
    else
        ec_http_reply(x, peer.status, EC_STR("application/json"), ec_str_of(peer.headers ? peer.headers : ""), ec_str_of(peer.body));
}

struct frame { struct in in; struct out out; struct ec_str key; };
static struct { bool ended, unknown; const struct ec_error *error; int retry_after_s; char id[64]; int64_t amount; } end;
static struct in given;
static struct ec_str given_key;

static void run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case 0:
        f->in = given;
        EC_AWAIT_CATCH(task, 1, ec_external_call(task, &call, given_key, &f->in, &f->out));
        end.error = task->error;
        end.unknown = task->unknown;
        end.retry_after_s = task->retry_after_s;
        end.amount = f->out.amount;
        if (!task->error)
            snprintf(end.id, sizeof(end.id), "%.*s", (int)f->out.id.n, f->out.id.n ? f->out.id.p : "");
        task->error = NULL;
        ec_reply(task, NULL);
    }
}

static void on_finish(struct ec_task *task)
{
    end.ended = true;
    ec_task_free(task);
}

static const struct ec_program program = {.name = "alpha.Test", .run = run, .frame_size = sizeof(struct frame)};

static void go(const char *task_key)
{
    struct ec_task *task = ec_task_new(&ec_app, &program);

    task->finish = on_finish;
    if (task_key)
        task->key = ec_str_of(task_key);
    memset(&end, 0, sizeof(end));
    ec_task_start(task);
    TURN_UNTIL(&loop, end.ended);
}

static void start_peer(const char *cert)
{
    char pem[64], key[64];
    struct ec_http_server_options options = {.handle = handle};
    const char *why = NULL;

    if (cert) {
        snprintf(pem, sizeof(pem), "%s.pem", cert);
        snprintf(key, sizeof(key), "%s.key", cert);
        options.tls_cert = tls_file(&authority, pem);
        options.tls_key = tls_file(&authority, key);
    }
    peer.server = ec_http_server_start(&loop, &options, &why);
    if (!peer.server)
        fail_msg("%s", why);
}

static void start_module(const char *base_format, bool trusted)
{
    struct ec_config_errors mistakes = {{NULL, 0, 0}, 0};
    const char *why = NULL;
    char url[64];

    snprintf(url, sizeof(url), base_format, ec_http_server_port(peer.server));
    setenv("BANK_BASE_URL", url, 1);
    if (trusted)
        setenv("EC_CA_FILE", tls_file(&authority, "ca.pem"), 1);
    else
        unsetenv("EC_CA_FILE");
    ec_module_external.configure(&ec_app, &mistakes);
    if (mistakes.n)
        fail_msg("%.*s", (int)mistakes.text.n, mistakes.text.p);
    if (ec_module_external.start(&ec_app, &why) != 0)
        fail_msg("%s", why);
}

static int setup_bare(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    memset(&peer, 0, sizeof(peer));
    peer.status = 200;
    peer.body = "{\"id\":\"p1\",\"amount\":5,\"more\":[1,{}]}";
    edge = (struct ec_edge){.name = "alpha -> bank", .peer = "bank", .timeout_ms = 5000, .backoff_min_ms = 1, .backoff_max_ms = 2};
    call = (struct ec_ext_call){.edge = &edge,
                                .external = &external,
                                .name = "Pay",
                                .method = "POST",
                                .path = "/v1/pay",
                                .encoding = EC_ENC_FORM,
                                .in = &in_record,
                                .out = &out_record,
                                .idempotency_header = "Idempotency-Key",
                                .errors = errors};
    external.auth = EC_AUTH_BEARER;
    secret.text = EC_STR("s3cret");
    given = (struct in){EC_STR("i/d"), EC_STR("a b&c"), 12, {true, EC_STR("\xc3\xa4")}};
    given_key = (struct ec_str){NULL, 0};
    ec_app.loop = &loop;
    ec_app.service = &service;
    return 0;
}

static int setup(void **state)
{
    setup_bare(state);
    start_peer("good");
    start_module("https://localhost:%d/", true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_true(ec_module_external.idle(&ec_app));
    ec_module_external.stop(&ec_app);
    ec_http_server_stop(peer.server);
    ec_tasks_stop();
    close_loop(&loop);
    return 0;
}

static void forms(void **state)
{
    (void)state;
    go("k1");
    assert_null(end.error);
    assert_string_equal(end.id, "p1");
    assert_int_equal(end.amount, 5);
    assert_non_null(strstr(peer.seen, "POST /v1/pay\n"));
    assert_non_null(strstr(peer.seen, "Authorization: Bearer s3cret\n"));
    assert_non_null(strstr(peer.seen, "Content-Type: application/x-www-form-urlencoded\n"));
    assert_null(strstr(peer.seen, "Expect"));
    assert_non_null(strstr(peer.seen, "Text=a+b%26c") ? strstr(peer.seen, "Text=a+b%26c") : strstr(peer.seen, "Text=a%20b%26c"));
    assert_non_null(strstr(peer.seen, "&amount=12"));
    assert_non_null(strstr(peer.seen, "true"));
    assert_int_equal(strlen(peer.idempotency[0]), 32);
}

static void other_encodings(void **state)
{
    (void)state;
    call.encoding = EC_ENC_JSON;
    call.path = "/v1/{account}/pay/{id}";
    external.auth = EC_AUTH_BASIC;
    go(NULL);
    assert_null(end.error);
    assert_non_null(strstr(peer.seen, "POST /v1/AC1/pay/i%2Fd\n"));
    assert_non_null(strstr(peer.seen, "Authorization: Basic QUMxOnMzY3JldA==\n"));
    assert_non_null(strstr(peer.seen, "\n\n{\"Text\":\"a b&c\",\"amount\":12,\"inner\":{\"on\":true,\"name\":\"\xc3\xa4\"}}"));
    assert_null(strstr(peer.seen, "Idempotency-Key"));
    call.encoding = EC_ENC_QUERY;
    call.method = "GET";
    call.path = "/v1/pay/{id}.json";
    external.auth = EC_AUTH_HEADER;
    go(NULL);
    assert_null(end.error);
    assert_non_null(strstr(peer.seen, "GET /v1/pay/i%2Fd.json?Text=a"));
    assert_non_null(strstr(peer.seen, "X-Key: s3cret\n"));
    call.encoding = EC_ENC_NONE;
    call.in = call.out = NULL;
    call.method = "DELETE";
    call.path = "/x";
    peer.status = 204;
    go(NULL);
    assert_null(end.error);
    assert_non_null(strstr(peer.seen, "DELETE /x\n"));
}

static void keys_of_the_provider(void **state)
{
    (void)state;
    go("k1");
    go("k1");
    go("k2");
    call.name = "Refund";
    go("k1");
    given_key = EC_STR("k2");
    call.name = "Pay";
    go("k1");
    assert_string_equal(peer.idempotency[0], peer.idempotency[1]);
    assert_string_not_equal(peer.idempotency[0], peer.idempotency[2]);
    assert_string_not_equal(peer.idempotency[0], peer.idempotency[3]);
    assert_string_equal(peer.idempotency[2], peer.idempotency[4]);
    given_key = (struct ec_str){NULL, 0};
    go(NULL);
    assert_string_equal(peer.idempotency[5], "");
}

static void refused_before(void **state)
{
    (void)state;
    call.path = "/x/{id}";
    given.id = EC_STR("..");
    go(NULL);
    assert_ptr_equal(end.error, &ec_error_internal);
    given.id = EC_STR("");
    go(NULL);
    assert_ptr_equal(end.error, &ec_error_internal);
    call.path = "/x";
    secret.text = EC_STR("a\r\nX-More: b");
    go(NULL);
    assert_ptr_equal(end.error, &ec_error_internal);
    assert_int_equal(peer.served, 0);
}

static void answers(void **state)
{
    static const struct { int status; const char *body; const struct ec_error *error; bool unknown; } cases[] = {
        {402, "{}", &error_declined, false},     {400, "{}", &ec_error_bad_gateway, false},  {401, "", &ec_error_bad_gateway, false},
        {500, "{}", &ec_error_bad_gateway, true}, {502, "", &ec_error_bad_gateway, true},     {503, "", &ec_error_unavailable, false},
        {429, "", &ec_error_unavailable, false}, {504, "", &ec_error_bad_gateway, true},     {409, "", &ec_error_bad_gateway, true},
        {200, "not JSON", &ec_error_bad_gateway, true}, {200, "{\"id\":5}", &ec_error_bad_gateway, true},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        peer.status = cases[i].status;
        peer.body = cases[i].body;
        go("k");
        if (end.error != cases[i].error || end.unknown != cases[i].unknown)
            fail_msg("%d %s: %s, unknown %d", cases[i].status, cases[i].body, end.error ? end.error->name : "none", end.unknown);
    }
    edge.on_failure = &error_away;
    peer.status = 500;
    go("k");
    assert_ptr_equal(end.error, &error_away);
    peer.status = 429;
    peer.headers = "Retry-After: 7\r\n";
    go("k");
    assert_ptr_equal(end.error, &error_away);
    assert_int_equal(end.retry_after_s, 7);
    peer.status = 402;
    go("k");
    assert_ptr_equal(end.error, &error_declined);
    /* A redirect is an answer, not a way. */
    peer.status = 302;
    peer.headers = "Location: https://localhost/other\r\n";
    peer.served = 0;
    go("k");
    assert_ptr_equal(end.error, &ec_error_bad_gateway);
    assert_int_equal(peer.served, 1);
}

static void failures(void **state)
{
    static char large[2 << 20];

    (void)state;
    edge.timeout_ms = 300;
    peer.hang = true;
    go("k");
    assert_ptr_equal(end.error, &ec_error_timeout);
    assert_true(end.unknown);
    peer.hang = false;
    edge.timeout_ms = 5000;
    peer.drop = true;
    go("k");
    assert_ptr_equal(end.error, &ec_error_bad_gateway);
    assert_true(end.unknown);
    peer.drop = false;
    peer.cut = true;
    go("k");
    assert_ptr_equal(end.error, &ec_error_bad_gateway);
    assert_true(end.unknown);
    peer.cut = false;
    memset(large, ' ', sizeof(large) - 1);
    peer.body = large;
    go("k");
    assert_ptr_equal(end.error, &ec_error_bad_gateway);
    assert_true(end.unknown);
    ec_http_server_drain(peer.server, 0);
    go("k");
    assert_ptr_equal(end.error, &ec_error_unavailable);
    assert_false(end.unknown);
}

static void retries(void **state)
{
    (void)state;
    edge.retries = 2;
    peer.status = 500;
    go("k");
    assert_int_equal(peer.served, 3);
    assert_string_equal(peer.idempotency[0], peer.idempotency[2]);
    peer.served = 0;
    go(NULL); /* no key, no header: once */
    assert_int_equal(peer.served, 1);
    peer.served = 0;
    call.method = "PUT";
    go(NULL);
    assert_int_equal(peer.served, 3);
    peer.served = 0;
    call.method = "POST";
    peer.status = 402;
    go("k");
    assert_int_equal(peer.served, 1);
}

/* A reused connection that closes under a request: only what may be repeated is sent again. */
static void stale_connections(void **state)
{
    (void)state;
    go("k");
    assert_null(end.error);
    peer.served = 0;
    peer.drop = true;
    go(NULL);
    assert_non_null(end.error);
    assert_true(end.unknown);
    assert_int_equal(peer.served, 1);
}

static int sockets(void)
{
    DIR *fds = opendir("/proc/self/fd");
    char link[32];
    int n = 0;

    assert_non_null(fds);
    for (struct dirent *fd; (fd = readdir(fds));)
        n += readlinkat(dirfd(fds), fd->d_name, link, sizeof(link)) > 7 && memcmp(link, "socket:", 7) == 0;
    closedir(fds);
    return n;
}

/* Their connections stay, for the next ones. */
static void many_at_once(void **state)
{
    struct ec_task *task;
    int i, before = sockets();

    (void)state;
    memset(&end, 0, sizeof(end));
    for (i = 0; i < 100; i++) {
        task = ec_task_new(&ec_app, &program);
        task->finish = on_finish;
        ec_task_start(task);
    }
    TURN_UNTIL(&loop, peer.served == 100 && ec_tasks_live == 0);
    assert_null(end.error);
    for (i = 0; i < 10; i++)
        go("k");
    assert_int_equal(sockets() - before, 64); /* both ends of 32 */
}

static void strangers(void **state)
{
    (void)state;
    start_peer("good");
    start_module("https://localhost:%d", false); /* not our authority */
    go("k");
    assert_ptr_equal(end.error, &ec_error_unavailable);
    assert_false(end.unknown);
    ec_module_external.stop(&ec_app);
    ec_http_server_stop(peer.server);
    uv_run(&loop, UV_RUN_NOWAIT); /* what was closed is closed */
    uv_run(&loop, UV_RUN_NOWAIT);
    start_peer("other");
    start_module("https://localhost:%d", true); /* our authority, another host */
    go("k");
    assert_ptr_equal(end.error, &ec_error_unavailable);
    assert_int_equal(peer.served, 0);
}

static void plain_on_loopback(void **state)
{
    (void)state;
    start_peer(NULL);
    start_module("http://127.0.0.1:%d", true);
    go("k");
    assert_null(end.error);
}

static void bases(void **state)
{
    static const char *const wrong[] = {
        "http://bank.example", "ftp://x",      "https://", "https://u@x", "https://x?y", "https://x/#", "http://127.0.0.1.example",
        "http://localhost@x",  "https://x\\y", "x"};
    struct ec_config_errors mistakes = {{NULL, 0, 0}, 0};
    size_t i;

    (void)state;
    start_peer(NULL);
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        setenv("BANK_BASE_URL", wrong[i], 1);
        ec_module_external.configure(&ec_app, &mistakes);
        if (mistakes.n != (int)i + 1)
            fail_msg("taken: %s", wrong[i]);
    }
    ec_buf_free(&mistakes.text);
    start_module("https://127.0.0.1:%d/v1", true);
}

static int group_setup(void **state)
{
    (void)state;
    make_authority(&authority);
    make_certificate_for(&authority, "good", "DNS:localhost,IP:127.0.0.1");
    make_certificate_for(&authority, "other", "DNS:elsewhere.example");
    return 0;
}

static int group_teardown(void **state)
{
    static const char *const names[] = {"good.pem", "good.key", "other.pem", "other.key", NULL};

    (void)state;
    drop_authority(&authority, names);
    return 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BARE(name) cmocka_unit_test_setup_teardown(name, setup_bare, teardown)
    const struct CMUnitTest tests[] = {
        T(forms),    T(other_encodings),   T(keys_of_the_provider), T(refused_before), T(answers),
        T(failures), T(retries),           T(stale_connections),    T(many_at_once),   BARE(strangers),
        BARE(plain_on_loopback), BARE(bases),
    };

    setenv("LOG_LEVEL", "error", 1);
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
