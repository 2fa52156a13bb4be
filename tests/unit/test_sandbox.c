/* A sandbox as a process: what it takes and refuses, its rules, stores, idempotency, ledger and faults. */
#include "ec_sandbox.h"
#include "http_test.h"

#include <jansson.h>
#include <signal.h>
#include <sys/wait.h>

struct inner { struct ec_str name, pin; };
static const struct ec_field inner_fields[] = {
    {.name = "name", .kind = EC_TEXT, .offset = offsetof(struct inner, name)},
    {.name = "pin", .kind = EC_SECRET, .flags = EC_OPTIONAL, .offset = offsetof(struct inner, pin)},
};
static const struct ec_record inner_record = {"Inner", sizeof(struct inner), inner_fields, 2, NULL};

struct pay { int64_t amount; struct ec_str method; struct inner meta; struct ec_str note; };
static const struct ec_field pay_fields[] = {
    {.name = "amount", .kind = EC_INT, .flags = EC_BOUNDED, .offset = offsetof(struct pay, amount), .min = 1, .max = INT64_MAX},
    {.name = "method", .kind = EC_TEXT, .offset = offsetof(struct pay, method)},
    {.name = "meta", .kind = EC_RECORD, .offset = offsetof(struct pay, meta), .of = &inner_record},
    {.name = "note", .kind = EC_TEXT, .flags = EC_OPTIONAL, .offset = offsetof(struct pay, note)},
};
static const struct ec_record pay_record = {"Pay", sizeof(struct pay), pay_fields, 4, NULL};

struct refund { struct ec_str payment; };
static const struct ec_field refund_fields[] = {{.name = "payment", .kind = EC_TEXT, .offset = offsetof(struct refund, payment)}};
static const struct ec_record refund_record = {"Refund", sizeof(struct refund), refund_fields, 1, NULL};

/* pay:    method == "bad"            402 { error: { code: "declined" } }
 *         amount > 100 and not (method == "big")  400 { limit: 100 }
 *         else                       200 { id: token("p_") amount: amount name: meta.name at: timestamp() list: [amount, null] } keep
 * payments[reply.id] refund: missing payments[payment]  404 { } payments[payment].state.refunded == true   409 { } else 200 { amount:
 * payments[payment].amount } set payments[payment].state.refunded = true
 */
#define J(json) {.kind = EC_SBX_JSON, .text = json}
static const struct ec_sbx_value v_bad = J("\"bad\""), v_big = J("\"big\""), v_true = J("true"), v_null = J("null"), v_100 = J("100"),
                                 v_declined = J("\"declined\""), v_method = {.kind = EC_SBX_REQUEST, .path = "method"},
                                 v_amount = {.kind = EC_SBX_REQUEST, .path = "amount"},
                                 v_name = {.kind = EC_SBX_REQUEST, .path = "meta.name"},
                                 v_payment = {.kind = EC_SBX_REQUEST, .path = "payment"}, v_reply_id = {.kind = EC_SBX_REPLY, .path = "id"},
                                 v_token = {.kind = EC_SBX_TOKEN, .text = "p_"}, v_now = {.kind = EC_SBX_TIMESTAMP};
static const struct ec_sbx_member m_code[] = {{"code", &v_declined}, {NULL, NULL}};
static const struct ec_sbx_value v_code = {.kind = EC_SBX_OBJECT, .members = m_code};
static const struct ec_sbx_member m_error[] = {{"error", &v_code}, {NULL, NULL}};
static const struct ec_sbx_value v_error = {.kind = EC_SBX_OBJECT, .members = m_error};
static const struct ec_sbx_member m_limit[] = {{"limit", &v_100}, {NULL, NULL}};
static const struct ec_sbx_value v_limit = {.kind = EC_SBX_OBJECT, .members = m_limit};
static const struct ec_sbx_member m_list[] = {{NULL, &v_amount}, {NULL, &v_null}, {NULL, NULL}};
static const struct ec_sbx_value v_list = {.kind = EC_SBX_LIST, .members = m_list};
static const struct ec_sbx_member m_paid[] = {{"id", &v_token}, {"amount", &v_amount}, {"name", &v_name},
                                              {"at", &v_now},   {"list", &v_list},     {NULL, NULL}};
static const struct ec_sbx_value v_paid = {.kind = EC_SBX_OBJECT, .members = m_paid};
static const struct ec_sbx_value v_keep = {.kind = EC_SBX_STORE, .text = "payments", .key = &v_reply_id};
static const struct ec_sbx_value v_kept = {.kind = EC_SBX_STORE, .text = "payments", .key = &v_payment};
static const struct ec_sbx_value v_kept_amount = {.kind = EC_SBX_STORE, .text = "payments", .key = &v_payment, .path = "amount"};
static const struct ec_sbx_value v_refunded = {.kind = EC_SBX_STORE, .text = "payments", .key = &v_payment, .path = "state.refunded"};
static const struct ec_sbx_member m_refund[] = {{"amount", &v_kept_amount}, {NULL, NULL}}, m_none[] = {{NULL, NULL}};
static const struct ec_sbx_value v_refund = {.kind = EC_SBX_OBJECT, .members = m_refund},
                                 v_none = {.kind = EC_SBX_OBJECT, .members = m_none};
static const struct ec_sbx_cond c_bad = {.test = EC_SBX_EQ, .left = &v_method, .right = &v_bad},
                                c_over = {.test = EC_SBX_GT, .left = &v_amount, .right = &v_100},
                                c_big = {.test = EC_SBX_EQ, .left = &v_method, .right = &v_big},
                                c_not_big = {.test = EC_SBX_NOT, .a = &c_big},
                                c_limit = {.test = EC_SBX_AND, .a = &c_over, .b = &c_not_big},
                                c_missing = {.test = EC_SBX_MISSING, .left = &v_kept},
                                c_again = {.test = EC_SBX_EQ, .left = &v_refunded, .right = &v_true};
static const struct ec_sbx_rule pay_rules[] = {
    {.when = &c_bad, .status = 402, .body = &v_error},
    {.when = &c_limit, .status = 400, .body = &v_limit},
    {.status = 200, .body = &v_paid, .keep = &v_keep},
    {0},
};
static const struct ec_sbx_set refund_sets[] = {{&v_refunded, &v_true}, {NULL, NULL}};
static const struct ec_sbx_rule refund_rules[] = {
    {.when = &c_missing, .status = 404, .body = &v_none},
    {.when = &c_again, .status = 409, .body = &v_none},
    {.status = 200, .body = &v_refund, .sets = refund_sets},
    {0},
};
static const struct ec_sbx_rule note_rules[] = {{.status = 202}, {0}};
static const struct ec_sbx_call calls[] = {
    {"Pay", "POST", "/v1/pay", EC_ENC_FORM, &pay_record, "Idempotency-Key", pay_rules},
    {"Refund", "POST", "/v1/{account}/pay/{payment}/refund.json", EC_ENC_NONE, &refund_record, NULL, refund_rules},
    {"Note", "POST", "/v1/notes", EC_ENC_JSON, &inner_record, NULL, note_rules},
    {0},
};
static struct ec_setting user = {.name = "account", .env = "TEST_ACCOUNT"},
                         secret = {.name = "TEST_SECRET", .env = "TEST_SECRET", .secret = true};
static const struct ec_sandbox sandbox = {
    .name = "bank", .auth = EC_AUTH_BASIC, .auth_user = &user, .auth_secret = &secret, .calls = calls};

/* refuse when reason == "field" reply 422 { in: field text: message }   refuse when status >= 500 or reason == "key" reply { down: status }
 */
static const struct ec_sbx_value v_reason = {.kind = EC_SBX_REQUEST, .path = "reason"},
                                 v_status = {.kind = EC_SBX_REQUEST, .path = "status"},
                                 v_in = {.kind = EC_SBX_REQUEST, .path = "field"},
                                 v_message = {.kind = EC_SBX_REQUEST, .path = "message"},
                                 v_field = J("\"field\""), v_key = J("\"key\""), v_500 = J("500");
static const struct ec_sbx_member m_in[] = {{"in", &v_in}, {"text", &v_message}, {NULL, NULL}};
static const struct ec_sbx_member m_down[] = {{"down", &v_status}, {NULL, NULL}};
static const struct ec_sbx_value v_refused = {.kind = EC_SBX_OBJECT, .members = m_in};
static const struct ec_sbx_value v_down = {.kind = EC_SBX_OBJECT, .members = m_down};
static const struct ec_sbx_cond c_field = {.test = EC_SBX_EQ, .left = &v_reason, .right = &v_field},
                                c_500 = {.test = EC_SBX_GE, .left = &v_status, .right = &v_500},
                                c_key = {.test = EC_SBX_EQ, .left = &v_reason, .right = &v_key},
                                c_down = {.test = EC_SBX_OR, .a = &c_500, .b = &c_key};
static const struct ec_sbx_rule refusals[] = {
    {.when = &c_field, .status = 422, .body = &v_refused},
    {.when = &c_down, .body = &v_down},
    {0},
};
static const struct ec_sandbox worded = {
    .name = "bank", .auth = EC_AUTH_BASIC, .auth_user = &user, .auth_secret = &secret, .calls = calls, .refusals = refusals};

static pid_t child;
static int port;

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    getsockname(fd, (struct sockaddr *)&address, &length);
    close(fd);
    return ntohs(address.sin_port);
}

static int try_connect(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static int start(const struct ec_sandbox *which)
{
    char text[16];
    int fd, i;

    port = free_port();
    sprintf(text, "%d", port);
    setenv("PORT", text, 1);
    setenv("TEST_ACCOUNT", "AC1", 1);
    setenv("TEST_SECRET", "tok", 1);
    setenv("LOG_LEVEL", "error", 1);
    child = fork();
    if (child == 0)
        exit(ec_sandbox_main(1, (char *[]){(char *)"bank-sandbox", NULL}, which));
    for (i = 0; (fd = try_connect()) < 0 && i < 1000; i++)
        usleep(10000);
    assert_true(fd >= 0);
    close(fd);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return start(&sandbox);
}

static int setup_worded(void **state)
{
    (void)state;
    return start(&worded);
}

static int teardown(void **state)
{
    int status;

    (void)state;
    kill(child, SIGTERM);
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}

/* One request, one connection. The answer's status, 0 without one; its body in `body`. */
static char body[65536], head[4096];
#define AUTH "Authorization: Basic QUMxOnRvaw==\r\n"
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"

static int ask_for(const char *method, const char *path, const char *headers, const char *text, int wait_ms)
{
    static char all[65536];
    struct pollfd fd = {.events = POLLIN};
    size_t n = 0;
    ssize_t got;
    char *end;

    fd.fd = connect_to(port);
    n = (size_t)snprintf(all, sizeof(all), "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", method,
                         path, headers, strlen(text), text);
    send_bytes(fd.fd, all, n);
    n = 0;
    while (poll(&fd, 1, wait_ms) > 0 && (got = recv(fd.fd, all + n, sizeof(all) - 1 - n, 0)) > 0)
        n += (size_t)got;
    close(fd.fd);
    all[n] = '\0';
    head[0] = body[0] = '\0';
    if (n == 0)
        return 0;
    end = strstr(all, "\r\n\r\n");
    assert_non_null(end);
    strcpy(body, end + 4);
    *end = '\0';
    snprintf(head, sizeof(head), "%.4000s", all);
    return atoi(all + 9);
}

static int ask(const char *method, const char *path, const char *headers, const char *text)
{
    return ask_for(method, path, headers, text, 10000);
}

static int pay(const char *text)
{
    return ask("POST", "/v1/pay", AUTH FORM, text);
}

static json_t *parsed(void)
{
    json_t *root = json_loads(body, 0, NULL);

    if (!root)
        fail_msg("no JSON: %s", body);
    return root;
}

static json_t *ledger(void)
{
    assert_int_equal(ask("GET", "/_sandbox/ledger", "", ""), 200);
    return parsed();
}

#define GOOD "amount=12&method=card&meta[name]=x"

static void what_is_refused(void **state)
{
    json_t *l;

    (void)state;
    assert_int_equal(ask("GET", "/livez", "", ""), 200);
    assert_int_equal(ask("GET", "/readyz", "", ""), 200);
    assert_int_equal(ask("POST", "/v1/pay", FORM, GOOD), 401);
    assert_int_equal(ask("POST", "/v1/pay", FORM "Authorization: Basic QUMxOnRvcw==\r\n", GOOD), 401);
    assert_int_equal(ask("POST", "/v1/nothing", AUTH FORM, GOOD), 404);
    assert_int_equal(ask("GET", "/v1/pay", AUTH, ""), 405);
    assert_int_equal(ask("POST", "/v1/pay", AUTH "Content-Type: application/json\r\n", "{}"), 415);
    assert_int_equal(ask("POST", "/v1/notes", AUTH FORM, "{}"), 415);
    assert_int_equal(pay(GOOD "&more=1"), 400);
    assert_non_null(strstr(body, "more"));
    assert_int_equal(pay("amount=0&method=card&meta[name]=x"), 400);
    assert_int_equal(pay("amount=x&method=card&meta[name]=x"), 400);
    assert_int_equal(pay("amount=1&meta[name]=x"), 400);
    assert_int_equal(pay("amount=1&method=card&meta[other]=x"), 400);
    assert_int_equal(ask("POST", "/v1/notes", AUTH "Content-Type: application/json\r\n", "{\"name\":\"x\",\"y\":1}"), 400);
    assert_int_equal(ask("POST", "/v1/OTHER/pay/x/refund.json", AUTH, ""), 404);
    assert_non_null(strstr(body, "account"));
    l = ledger();
    assert_int_equal(json_array_size(l), 0);
    json_decref(l);
}

static void rules_and_stores(void **state)
{
    const char *id;
    char path[128];
    json_t *paid, *l, *entry;

    (void)state;
    assert_int_equal(pay("amount=12&method=bad&meta[name]=x"), 402);
    assert_string_equal(body, "{\"error\":{\"code\":\"declined\"}}");
    assert_int_equal(pay("amount=101&method=card&meta[name]=x"), 400);
    assert_string_equal(body, "{\"limit\":100}");
    assert_int_equal(pay("amount=101&method=big&meta[name]=x+y&note=n"), 200);
    paid = parsed();
    id = json_string_value(json_object_get(paid, "id"));
    assert_int_equal(strlen(id), 26);
    assert_memory_equal(id, "p_", 2);
    assert_int_equal(json_integer_value(json_object_get(paid, "amount")), 101);
    assert_string_equal(json_string_value(json_object_get(paid, "name")), "x y");
    assert_true(json_integer_value(json_object_get(paid, "at")) > 1000000000);
    assert_non_null(strstr(body, "\"list\":[101,null]"));
    assert_int_equal(ask("POST", "/v1/AC1/pay/none/refund.json", AUTH, ""), 404);
    sprintf(path, "/v1/AC1/pay/%s/refund.json", id);
    assert_int_equal(ask("POST", path, AUTH, ""), 200);
    assert_string_equal(body, "{\"amount\":101}");
    assert_int_equal(ask("POST", path, AUTH, ""), 409);
    assert_int_equal(ask("POST", "/v1/notes", AUTH "Content-Type: application/json; charset=utf-8\r\n", "{\"name\":\"x\"}"), 202);
    assert_string_equal(body, "");
    l = ledger();
    assert_int_equal(json_array_size(l), 7);
    entry = json_array_get(l, 4);
    assert_string_equal(json_string_value(json_object_get(entry, "call")), "Refund");
    assert_string_equal(json_string_value(json_object_get(json_object_get(entry, "request"), "payment")), id);
    assert_int_equal(json_integer_value(json_object_get(entry, "status")), 200);
    assert_false(json_boolean_value(json_object_get(entry, "replayed")));
    assert_true(json_is_null(json_object_get(entry, "key")));
    json_decref(l);
    json_decref(paid);
    assert_int_equal(ask("DELETE", "/_sandbox/ledger", "", ""), 204);
    l = ledger();
    assert_int_equal(json_array_size(l), 0);
    json_decref(l);
}

#define KEY AUTH FORM "Idempotency-Key: k1\r\n"

static void idempotency(void **state)
{
    char first[4096];
    json_t *l;

    (void)state;
    assert_int_equal(ask("POST", "/v1/pay", KEY, GOOD), 200);
    strcpy(first, body);
    assert_null(strstr(head, "idempotent-replayed"));
    assert_int_equal(ask("POST", "/v1/pay", KEY, GOOD), 200);
    assert_string_equal(body, first);
    assert_non_null(strstr(head, "idempotent-replayed: true"));
    assert_int_equal(ask("POST", "/v1/pay", KEY, "amount=13&method=card&meta[name]=x"), 400);
    assert_string_equal(body, "{\"error\":{\"type\":\"key\",\"message\":\"this idempotency key was used with another request\"}}");
    assert_int_equal(ask("POST", "/v1/pay", AUTH FORM "Idempotency-Key: k2\r\n", GOOD), 200);
    assert_string_not_equal(body, first);
    l = ledger();
    assert_int_equal(json_array_size(l), 3);
    assert_true(json_boolean_value(json_object_get(json_array_get(l, 1), "replayed")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(l, 1), "key")), "k1");
    json_decref(l);
}

/* kill -9, and on again with what the journal has; the line that a kill has cut is no line. */
static void memory_outlives_the_process(void **state)
{
    char path[] = "/tmp/ec-sandbox-XXXXXX", first[4096], refund[200];
    json_t *l, *answer;
    FILE *file;
    int status;

    (void)state;
    close(mkstemp(path));
    unlink(path);
    setenv("EC_SANDBOX_JOURNAL", path, 1);
    for (int round = 0; round < 2; round++) {
        start(&sandbox);
        if (round == 0) {
            assert_int_equal(ask("POST", "/v1/pay", KEY, GOOD), 200);
            strcpy(first, body);
            answer = parsed();
            snprintf(refund, sizeof(refund), "/v1/AC1/pay/%s/refund.json", json_string_value(json_object_get(answer, "id")));
            json_decref(answer);
        } else {
            assert_int_equal(ask("POST", "/v1/pay", KEY, GOOD), 200);
            assert_string_equal(body, first);
            assert_non_null(strstr(head, "idempotent-replayed: true"));
            assert_int_equal(ask("POST", refund, AUTH, ""), 200);
        }
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        assert_non_null(file = fopen(path, "a"));
        fputs("{\"entry\": {\"call\": \"Cut", file);
        fclose(file);
    }
    start(&sandbox);
    assert_int_equal(ask("POST", refund, AUTH, ""), 409);
    l = ledger();
    assert_int_equal(json_array_size(l), 4);
    assert_string_equal(json_string_value(json_object_get(json_array_get(l, 2), "call")), "Refund");
    json_decref(l);
    assert_int_equal(ask("DELETE", "/_sandbox/ledger", "", ""), 204);
    teardown(NULL);
    start(&sandbox);
    l = ledger();
    assert_int_equal(json_array_size(l), 0);
    json_decref(l);
    assert_int_equal(ask("POST", refund, AUTH, ""), 409);
    teardown(NULL);
    unsetenv("EC_SANDBOX_JOURNAL");
    unlink(path);
}

/* Where it can't be kept, the sandbox doesn't start and says so. */
static void journal_that_cannot_be(void **state)
{
    int status;

    (void)state;
    setenv("EC_SANDBOX_JOURNAL", "/nowhere/journal", 1);
    setenv("PORT", "1", 1);
    setenv("TEST_ACCOUNT", "AC1", 1);
    setenv("TEST_SECRET", "tok", 1);
    fflush(NULL);
    child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        exit(ec_sandbox_main(1, (char *[]){(char *)"bank-sandbox", NULL}, &sandbox));
    }
    waitpid(child, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 1);
    unsetenv("EC_SANDBOX_JOURNAL");
}

static int fault(const char *text)
{
    return ask("POST", "/_sandbox/faults", "", text);
}

static void faults(void **state)
{
    json_t *l;

    (void)state;
    assert_int_equal(fault("{}"), 400);
    assert_int_equal(fault("{\"call\":\"Nothing\",\"kind\":\"status\"}"), 400);
    assert_int_equal(fault("{\"call\":\"Pay\",\"kind\":\"magic\"}"), 400);
    assert_int_equal(fault("{\"call\":\"Pay\",\"kind\":\"status\",\"status\":500,\"times\":2}"), 201);
    assert_int_equal(fault("{\"call\":\"Pay\",\"kind\":\"status\",\"status\":429,\"body\":{\"slow\":1}}"), 201);
    assert_int_equal(pay(GOOD), 500);
    assert_int_equal(ask("POST", "/v1/notes", AUTH "Content-Type: application/json\r\n", "{\"name\":\"x\"}"), 202);
    assert_int_equal(pay(GOOD), 500);
    assert_int_equal(pay(GOOD), 429);
    assert_string_equal(body, "{\"slow\":1}");
    assert_int_equal(pay(GOOD), 200);
    assert_int_equal(ask("GET", "/_sandbox/faults", "", ""), 200);
    l = parsed();
    assert_int_equal(json_array_size(l), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(l, 0), "fired")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(l, 0), "left")), 0);
    json_decref(l);
    /* The effect has happened; the answer does not come. Under the same key it is found. */
    assert_int_equal(ask("DELETE", "/_sandbox/ledger", "", ""), 204);
    assert_int_equal(fault("{\"call\":\"Pay\",\"kind\":\"timeout\"}"), 201);
    assert_int_equal(ask_for("POST", "/v1/pay", KEY, GOOD, 200), 0);
    assert_int_equal(fault("{\"call\":\"Pay\",\"kind\":\"close\"}"), 201);
    assert_int_equal(ask("POST", "/v1/pay", KEY, GOOD), 0);
    assert_int_equal(fault("{\"call\":\"Pay\",\"kind\":\"truncate\"}"), 201);
    assert_int_equal(ask("POST", "/v1/pay", KEY, GOOD), 200);
    assert_true(strlen(body) > 10 && body[strlen(body) - 1] != '}');
    assert_int_equal(fault("{\"call\":\"Pay\",\"kind\":\"close\",\"effect\":false}"), 201);
    assert_int_equal(ask("POST", "/v1/pay", AUTH FORM "Idempotency-Key: k3\r\n", GOOD), 0);
    assert_int_equal(ask("POST", "/v1/pay", KEY, GOOD), 200);
    l = ledger();
    assert_int_equal(json_array_size(l), 5);
    assert_string_equal(json_string_value(json_object_get(json_array_get(l, 0), "fault")), "timeout");
    assert_false(json_boolean_value(json_object_get(json_array_get(l, 0), "replayed")));
    assert_int_equal(json_integer_value(json_object_get(json_array_get(l, 3), "status")), 0);
    assert_true(json_boolean_value(json_object_get(json_array_get(l, 4), "replayed")));
    json_decref(l);
    assert_int_equal(ask("DELETE", "/_sandbox/faults", "", ""), 204);
}

static void secrets_are_not_in_the_ledger(void **state)
{
    json_t *l, *meta;

    (void)state;
    assert_int_equal(ask("POST", "/v1/pay", KEY, GOOD "&meta[pin]=hidden"), 200);
    assert_int_equal(ask("POST", "/v1/pay", KEY, GOOD "&meta[pin]=hiddem"), 400); /* it is compared all the same */
    l = ledger();
    assert_null(strstr(body, "hidden"));
    assert_null(strstr(body, "tok"));
    meta = json_object_get(json_object_get(json_array_get(l, 0), "request"), "meta");
    assert_string_equal(json_string_value(json_object_get(meta, "name")), "x");
    assert_string_equal(json_string_value(json_object_get(meta, "pin")), "***");
    json_decref(l);
}

static void fault_headers(void **state)
{
    (void)state;
    assert_int_equal(fault("{\"call\":\"Pay\",\"kind\":\"status\",\"headers\":{\"a b\":\"c\"}}"), 400);
    assert_int_equal(fault("{\"call\":\"Pay\",\"kind\":\"status\",\"headers\":{\"a\":\"c\\r\\nd: e\"}}"), 400);
    assert_int_equal(fault("{\"call\":\"Pay\",\"kind\":\"status\",\"headers\":{\"a\":1}}"), 400);
    assert_int_equal(fault("{\"call\":\"Pay\",\"kind\":\"status\",\"status\":429,"
                           "\"headers\":{\"Retry-After\":\"3\",\"X-Why\":\"slow down\"}}"),
                     201);
    assert_int_equal(pay(GOOD), 429);
    assert_string_equal(body, "{\"error\":{\"type\":\"fault\",\"message\":\"a fault was asked for\"}}");
    assert_non_null(strstr(head, "\r\nRetry-After: 3\r\nX-Why: slow down\r\n"));
    assert_int_equal(pay(GOOD), 200);
    assert_null(strstr(head, "Retry-After"));
}

/* In the provider's words; what no refusal takes, in ours. */
static void refusals_in_words(void **state)
{
    (void)state;
    assert_int_equal(pay("amount=0&method=card&meta[name]=x"), 422);
    assert_string_equal(body, "{\"in\":\"amount\",\"text\":\"amount must be at least 1\"}");
    assert_int_equal(pay("amount=1&method=card&meta[other]=x"), 422);
    assert_memory_equal(body, "{\"in\":\"meta.other\"", 18);
    assert_int_equal(ask("POST", "/v1/notes", AUTH "Content-Type: application/json\r\n", "nonsense"), 422);
    assert_memory_equal(body, "{\"in\":null", 10);
    assert_int_equal(ask("POST", "/v1/pay", FORM, GOOD), 401);
    assert_memory_equal(body, "{\"error\":{\"type\":\"credentials\"", 30);
    assert_int_equal(ask("GET", "/v1/pay", AUTH, ""), 405);
    assert_memory_equal(body, "{\"error\":{\"type\":\"method\"", 25);
    assert_int_equal(ask("POST", "/v1/pay", KEY, GOOD), 200);
    assert_int_equal(ask("POST", "/v1/pay", KEY, GOOD "&note=n"), 400);
    assert_string_equal(body, "{\"down\":400}");
    assert_int_equal(fault("{\"call\":\"Pay\",\"kind\":\"status\",\"status\":503}"), 201);
    assert_int_equal(pay(GOOD), 503);
    assert_string_equal(body, "{\"down\":503}");
}

static void configuration(void **state)
{
    char *argv[] = {(char *)"bank-sandbox", (char *)"more", NULL};
    int status;
    pid_t pid;

    (void)state;
    unsetenv("TEST_SECRET");
    unsetenv("PORT");
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        _exit(ec_sandbox_main(1, argv, &sandbox));
    }
    waitpid(pid, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 78);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(what_is_refused), T(rules_and_stores), T(idempotency), T(faults),
                                       T(secrets_are_not_in_the_ledger), T(fault_headers),
                                       cmocka_unit_test_setup_teardown(refusals_in_words, setup_worded, teardown),
                                       cmocka_unit_test(memory_outlives_the_process),
                                       cmocka_unit_test(journal_that_cannot_be), cmocka_unit_test(configuration)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
