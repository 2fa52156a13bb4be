/* Load without a system: how a mix is spread, what a request looks like, what is refused, how an answer is judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "load.h"

static char said[512]; /* the last line on stderr */

int ecc_say_error(int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(said, sizeof said, format, args);
    va_end(args);
    return code;
}

/* ------------------------------------------------------------------ the mix */

static void count(const int *percent, size_t n, uint64_t total, uint64_t *counts, unsigned char *order)
{
    struct ecc_spread spread;

    memset(counts, 0, n * sizeof *counts);
    ecc_spread_init(&spread, percent, n, total);
    for (uint64_t i = 0; i < total; i++) {
        size_t chosen = ecc_spread_next(&spread);
        assert_true(chosen < n);
        counts[chosen]++;
        if (order)
            order[i] = (unsigned char)chosen;
    }
}

static void spread_is_exact(void **state)
{
    static const int shares[][3] = {{70, 30, 0}, {99, 1, 0}, {34, 33, 33}, {1, 98, 1}, {50, 25, 25}};
    uint64_t counts[3];

    (void)state;
    for (size_t s = 0; s < sizeof shares / sizeof shares[0]; s++)
        for (uint64_t total = 1; total <= 1000; total++) {
            count(shares[s], 3, total, counts, NULL);
            for (size_t i = 0; i < 3; i++) {
                int64_t off = (int64_t)counts[i] * 100 - (int64_t)total * shares[s][i];
                assert_true(total % 100 ? off > -200 && off < 200 : off == 0);
            }
        }
    count((const int[]){70, 30}, 2, 50, counts, NULL);
    assert_int_equal(counts[1], 15);
}

static void spread_is_shuffled_and_repeatable(void **state)
{
    static const int percent[] = {70, 30};
    unsigned char one[1000], two[1000];
    uint64_t counts[2];
    int differ = 0, runs = 0;

    (void)state;
    count(percent, 2, 1000, counts, one);
    count(percent, 2, 1000, counts, two);
    assert_memory_equal(one, two, sizeof one);
    for (size_t i = 100; i < 1000; i++)
        differ += one[i] != one[i - 100]; /* no block is like the one before it */
    assert_true(differ > 200);
    for (size_t i = 2; i < 1000; i++)
        runs += one[i] == 1 && one[i - 1] == 1;
    assert_true(runs > 50); /* a Bresenham line alone never has two of thirty in a row */
}

static void one_scenario_is_all(void **state)
{
    uint64_t counts[1];

    (void)state;
    count((const int[]){100}, 1, 12345, counts, NULL);
    assert_int_equal(counts[0], 12345);
}

/* ------------------------------------------------------------------ a small topology */

static const char text[] =
    "topology \"T\"\n"
    "record Line { sku: text  qty: int }\n"
    "record Made { id: uuid }\n"
    "record Pass { token: text }\n"
    "error Refused 402 \"No\"\n"
    "error Away 503 \"Away\"\n"
    "client web \"Web\"\n"
    "external bank \"Bank\" {\n"
    "  base \"https://bank.example\" env BANK_URL  auth none\n"
    "  call Pay POST \"/pay\" json { how: text } errors { 402 -> Refused }\n"
    "  sandbox { on Pay when how == \"no\" reply 402  on Pay reply 200 }\n"
    "}\n"
    "cache memo \"Memo\" { keyspace things [sku: text] -> Line  ttl 60s }\n"
    "service door \"Door\" {\n"
    "  op Enter(mail: email, age: int, size: float, old: bool, note: text?, word: text as \"passWord\") { return }\n"
    "  op Open(mail: email, word: text) -> Pass { return Pass { token: \"t\" } }\n"
    "  op Who(token: text) -> Made { let id = new_id()  return Made { id: id } }\n"
    "}\n"
    "service shop \"Shop\" {\n"
    "  op Make(lines: [Line], mail: text, note: text) -> Made errors { Refused Away } {\n"
    "    bank.Pay(how: note)\n"
    "    let id = new_id()\n"
    "    return Made { id: id }\n"
    "  }\n"
    "  op Get(sku: text) -> Line { return Line { sku: sku  qty: 1 } }\n"
    "}\n"
    "gateway gate \"Gate\" {\n"
    "  listen 8080\n"
    "  auth jwt via door.Who(token: token) cache 5s\n"
    "  limit 100/s burst 200 per identity or address in memo when-down allow\n"
    "  route POST \"/enter\" public -> door.Enter(...body)\n"
    "  route POST \"/open\" public -> door.Open(...body) reply 201\n"
    "  route POST \"/made\" auth -> shop.Make(...body) reply 201 accepted at \"/made/{id}\" idempotent\n"
    "  route GET \"/things/{sku}\" public -> shop.Get(sku: path.sku)\n"
    "}\n"
    "edge web -> gate { http }\n"
    "edge gate -> door { http }\n"
    "edge gate -> shop { http breaker { trip 3 consecutive failures open 1s probe 1 } }\n"
    "edge gate -> memo { }\n"
    "edge shop -> bank { https external on failure fail Away }\n"
    "gateway back \"Back\" {\n"
    "  listen 8081\n"
    "  route POST \"/let-in\" public -> door.Enter(...body)\n"
    "}\n"
    "edge web -> back { http }\n"
    "edge back -> door { http }\n"
    "identity someone {\n"
    "  web POST \"/enter\" { mail: unique(\"a\\\"\", \"@x.test\") age: 7 size: 1.5 old: true note: null word: \"p\\\"\\\\ß\" }\n"
    "  let pass = web POST \"/open\" { mail: same.mail word: same.word }\n"
    "  token pass.token\n"
    "}\n"
    "identity guest {\n"
    "  web POST \"/let-in\" { mail: unique(\"a\", \"@x.test\") age: 7 size: 1.5 old: true word: \"p\" }\n"
    "  let pass = web POST \"/open\" { mail: same.mail word: same.word }\n"
    "  token pass.token\n"
    "}\n"
    "scenario visit \"Visit\" {\n"
    "  given guest signed in\n"
    "  when web POST \"/made\" { lines: [{ sku: \"a\" qty: 1 }] mail: same.mail note: \"yes\" }\n"
    "  expect 201\n"
    "}\n"
    "scenario make \"Make\" {\n"
    "  given someone signed in\n"
    "  when web POST \"/made\" { lines: [{ sku: \"a\" qty: 1 }, { sku: \"b\" qty: 2 }] mail: same.mail note: unique(\"n-\", \"-x\") }\n"
    "  expect 201\n"
    "}\n"
    "scenario refused \"Refused\" {\n"
    "  given someone signed in\n"
    "  when web POST \"/made\" { lines: [] mail: \"m\" note: \"no\" }\n"
    "  assume bank.Pay fails Refused\n"
    "  expect 402 Refused\n"
    "}\n"
    "scenario hit \"Hit\" { when web GET \"/things/a b?c=%20\"  assume memo.things holds  expect 200 header \"X-Cache\" \"hit\" }\n"
    "scenario named \"Named\" {\n"
    "  given someone signed in\n"
    "  given let made = web POST \"/made\" { lines: [] mail: \"m\" note: \"n\" }\n"
    "  given door.Enter(mail: same.mail, age: 3, size: 0.5, old: false, word: made.id)\n"
    "  when web GET \"/things/{made.id}?c={made.id}\"\n"
    "  expect 200 header \"X-Made\" \"<{made.id}>\"\n"
    "}\n"
    "scenario hangs \"Hangs\" { assume shop hangs  when web GET \"/things/a\"  expect 200 }\n"
    "scenario down \"Down\" { assume bank down  when web GET \"/things/a\"  expect 200 }\n"
    "scenario open \"Open\" { assume breaker gate -> shop open  when web GET \"/things/a\"  expect 200 }\n"
    "scenario fails \"Fails\" { assume shop.Make fails Refused  when web GET \"/things/a\"  expect 200 }\n"
    "scenario away \"Away\" { assume bank.Pay fails Away  when web GET \"/things/a\"  expect 200 }\n";

static struct ecc_cli cli;
static struct ecc_source source;
static struct ecc_diags diags;
static const struct ecc_model *model;

static int compile(void **state)
{
    size_t at;

    (void)state;
    ecc_arena_init(&cli.arena);
    if (ecc_source_init(&source, &cli.arena, "test.ecom", text, strlen(text), &at) != ECC_SOURCE_OK)
        return 1;
    ecc_diags_init(&diags, &cli.arena);
    model = ecc_compile(&cli.arena, &source, &diags);
    if (!model)
        ecc_diags_write(&diags, &source, ECC_FORMAT_TEXT, false, stderr);
    return !model;
}

static int release(void **state)
{
    (void)state;
    ecc_arena_free(&cli.arena);
    return 0;
}

static const struct ecc_scenario *scenario(const char *name)
{
    for (size_t i = 0; i < model->nscenarios; i++)
        if (!strcmp(model->scenarios[i]->name, name))
            return model->scenarios[i];
    fail_msg("no scenario %s", name);
    return NULL;
}

/* ------------------------------------------------------------------ messages */

struct written { struct ec_buf head, body; };

static void write_message(struct written *w, const struct ecc_message *message, const struct ecc_sender *sender,
                          struct ecc_uniques *uniques)
{
    w->head.n = w->body.n = 0;
    ecc_message_write(message, sender, NULL, uniques, &w->head, &w->body);
    ec_buf_add(&w->head, "", 1);
    ec_buf_add(&w->body, "", 1);
}

static void first_request(void **state)
{
    struct ecc_uniques uniques = {.run = "abcdefgh"};
    struct ecc_message message;
    struct written w = {0};

    (void)state;
    ecc_message_init(&message, &cli.arena, model->identities[0]->requests[0], NULL, false);
    write_message(&w, &message, NULL, &uniques);
    assert_string_equal(w.head.p, "POST /enter HTTP/1.1\r\naccept: application/json\r\ncontent-type: application/json\r\n");
    assert_string_equal(w.body.p,
                        "{\"mail\":\"a\\\"abcdefgh0@x.test\",\"age\":7,"
                        "\"size\":1.5,\"old\":true,\"note\":null,\"passWord\":\"p\\\"\\\\ß\"}");
    uniques.n = 36 * 36 + 35;
    write_message(&w, &message, NULL, &uniques);
    assert_non_null(strstr(w.body.p, "abcdefgh10z@x.test"));
    ec_buf_free(&w.head);
    ec_buf_free(&w.body);
}

/* same.field is what was sent, by its name on the wire; keys and unique values are fresh each time. */
static void signed_in_request(void **state)
{
    struct ecc_uniques uniques = {.run = "abcdefgh"};
    const struct ecc_identity *identity = model->identities[0];
    struct ecc_sender sender = {"tok.en", json_pack("{s:s, s:s}", "mail", "a\"1@x.test", "passWord", "secret \"word\"")};
    struct ecc_message open, make;
    struct written w = {0};

    (void)state;
    ecc_message_init(&open, &cli.arena, identity->requests[1], identity->requests[0], false);
    write_message(&w, &open, &sender, &uniques);
    assert_string_equal(w.body.p, "{\"mail\":\"a\\\"1@x.test\",\"word\":\"secret \\\"word\\\"\"}");
    assert_null(strstr(w.head.p, "authorization"));
    ecc_message_init(&make, &cli.arena, scenario("make")->when, identity->requests[0], true);
    write_message(&w, &make, &sender, &uniques);
    assert_string_equal(w.head.p, "POST /made HTTP/1.1\r\naccept: application/json\r\ncontent-type: application/json\r\n"
                                  "authorization: Bearer tok.en\r\nidempotency-key: abcdefgh0\r\n");
    assert_string_equal(w.body.p,
                        "{\"lines\":[{\"sku\":\"a\",\"qty\":1},{\"sku\":\"b\",\"qty\":2}],"
                        "\"mail\":\"a\\\"1@x.test\",\"note\":\"n-abcdefgh1-x\"}");
    write_message(&w, &make, &sender, &uniques);
    assert_non_null(strstr(w.head.p, "idempotency-key: abcdefgh2\r\n"));
    assert_non_null(strstr(w.body.p, "\"n-abcdefgh3-x\""));
    ec_buf_free(&w.head);
    ec_buf_free(&w.body);
    json_decref(sender.first);
}

static void request_without_body(void **state)
{
    struct ecc_uniques uniques = {.run = "abcdefgh"};
    struct ecc_message message;
    struct written w = {0};

    (void)state;
    ecc_message_init(&message, &cli.arena, scenario("hit")->when, NULL, false);
    assert_false(message.has_body);
    write_message(&w, &message, NULL, &uniques);
    assert_string_equal(w.head.p, "GET /things/a%20b?c=%20 HTTP/1.1\r\naccept: application/json\r\n");
    assert_string_equal(w.body.p, "");
    assert_int_equal(uniques.n, 0);
    ec_buf_free(&w.head);
    ec_buf_free(&w.body);
}

/* What earlier requests were answered stands in paths in percents, in bodies as JSON, in an expected header as it is. */
static void named_answers(void **state)
{
    const struct ecc_scenario *s = scenario("named");
    struct ecc_uniques uniques = {.run = "abcdefgh"};
    struct ecc_answers answers = {0};
    struct ecc_sender sender = {"tok.en", json_pack("{s:s}", "mail", "m@x.test")};
    struct ecc_pieces expected = ecc_pieces_of_text(&cli.arena, s->expect_value, &s->expect_refs);
    struct ecc_message when, given;
    json_t *body = json_pack("{s:s}", "id", "a/b \"c\"");
    struct ec_buf head = {0}, bytes = {0};

    (void)state;
    ecc_message_init(&when, &cli.arena, s->when, NULL, false);
    ecc_message_init(&given, &cli.arena, s->given[1], s->identity->requests[0], true);
    assert_string_equal(ecc_message_lacks(&cli.arena, &when, &answers), "made.id");
    ecc_answers_add(&answers, &cli.arena, s->given[0], body);
    assert_null(ecc_message_lacks(&cli.arena, &when, &answers));
    ecc_message_write(&when, NULL, &answers, &uniques, &head, &bytes);
    ec_buf_add(&head, "", 1);
    assert_non_null(strstr(head.p, "GET /things/a%2Fb%20\"c\"?c=a%2Fb%20\"c\" HTTP/1.1\r\n"));
    head.n = bytes.n = 0;
    ecc_message_write(&given, &sender, &answers, &uniques, &head, &bytes);
    ec_buf_add(&head, "", 1);
    ec_buf_add(&bytes, "", 1);
    assert_string_equal(head.p, "POST /ops/Enter HTTP/1.1\r\naccept: application/json\r\ncontent-type: application/json\r\n"
                                "authorization: Bearer tok.en\r\nidempotency-key: abcdefgh0\r\n");
    assert_string_equal(bytes.p, "{\"mail\":\"m@x.test\",\"age\":3,\"size\":0.5,\"old\":false,\"passWord\":\"a/b \\\"c\\\"\"}");
    bytes.n = 0;
    ecc_pieces_text(&expected, &answers, &bytes);
    ec_buf_add(&bytes, "", 1);
    assert_string_equal(bytes.p, "<a/b \"c\">");
    json_decref(body);
    ecc_answers_free(&answers);
    json_decref(sender.first);
    ec_buf_free(&head);
    ec_buf_free(&bytes);
}

static void runs_differ(void **state)
{
    struct ecc_uniques one, two;

    (void)state;
    ecc_uniques_init(&one);
    ecc_uniques_init(&two);
    assert_int_equal(strlen(one.run), 8);
    assert_string_not_equal(one.run, two.run);
}

/* ------------------------------------------------------------------ what is refused */

static void faults_are_refused(void **state)
{
    static const struct { const char *scenario, *why; } cases[] = {
        {"make", NULL}, {"refused", NULL}, {"hit", NULL},
        {"hangs", "shop hangs"}, {"down", "bank is down"}, {"open", "the breaker of gate -> shop is open"},
        {"fails", "shop.Make fails with Refused"}, {"away", "bank.Pay fails with Away"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *why = ecc_load_refusal(&cli.arena, scenario(cases[i].scenario));
        if (cases[i].why)
            assert_string_equal(why, cases[i].why);
        else
            assert_null(why);
    }
}

static void choosing(void **state)
{
    struct ecc_load load = {.cli = &cli, .model = model};

    (void)state;
    assert_int_equal(ecc_load_choose(&load, "make", 70), 0);
    assert_int_equal(ecc_load_choose(&load, "make", 30), ECC_EXIT_USAGE);
    assert_string_equal(said, "scenario 'make' is named twice");
    assert_int_equal(ecc_load_choose(&load, "refusd", 30), ECC_EXIT_USAGE);
    assert_string_equal(said, "there is no scenario 'refusd'; did you mean 'refused'?");
    assert_int_equal(ecc_load_choose(&load, "hangs", 30), ECC_EXIT_USAGE);
    assert_string_equal(said, "scenario 'hangs' needs a fault (shop hangs), and load brings none about");
    assert_int_equal(load.nparts, 1);
}

static void planning(void **state)
{
    struct ecc_load load = {.cli = &cli, .model = model, .rate = 1000};
    json_t *up = json_pack("{s:[{s:s,s:s,s:i}, {s:s,s:s,s:i}, {s:s,s:s,s:i}]}", "processes", "name", "gate", "kind", "gateway", "port",
                           1001, "name", "gate-2", "kind", "gateway", "port", 1002, "name", "bank-sandbox",
                           "kind", "sandbox", "port", 1003);

    (void)state;
    assert_int_equal(ecc_load_choose(&load, "make", 60), 0);
    assert_int_equal(ecc_load_choose(&load, "refused", 40), 0);
    assert_int_equal(ecc_load_plan(&load, up), 0);
    assert_int_equal(load.ntargets, 1);
    assert_int_equal(load.targets[0].n, 2);
    assert_int_equal(load.targets[0].ports[1], 1002);
    assert_int_equal(load.npools, 1); /* one identity, of both */
    assert_int_equal(load.pools[0].n, 13);
    assert_string_equal(load.parts[1].error_name, "refused");

    json_array_append_new(json_object_get(up, "processes"), json_pack("{s:s,s:s,s:i}", "name", "back", "kind", "gateway", "port", 1004));
    load = (struct ecc_load){.cli = &cli, .model = model, .rate = 1};
    assert_int_equal(ecc_load_choose(&load, "visit", 100), 0);
    assert_int_equal(ecc_load_plan(&load, up), 0);
    assert_int_equal(load.ntargets, 2); /* each request of the identity goes to its own gateway */
    assert_string_equal(load.pools[0].targets[0]->node->name, "back");
    assert_string_equal(load.pools[0].targets[1]->node->name, "gate");

    json_array_remove(json_object_get(up, "processes"), 2);
    load = (struct ecc_load){.cli = &cli, .model = model, .rate = 10};
    assert_int_equal(ecc_load_choose(&load, "refused", 100), 0);
    assert_int_equal(ecc_load_plan(&load, up), ECC_EXIT_FAILED);
    assert_string_equal(said, "scenario 'refused' needs the sandbox of bank, but what is up talks to the provider itself");
    json_array_clear(json_object_get(up, "processes"));
    load = (struct ecc_load){.cli = &cli, .model = model, .rate = 10};
    assert_int_equal(ecc_load_choose(&load, "hit", 100), 0);
    assert_int_equal(ecc_load_plan(&load, up), ECC_EXIT_IO);
    json_decref(up);
}

static void identities_stay_below_the_limit(void **state)
{
    struct ecc_limit limit = {.per_second = 100, .burst = 200, .per = ECC_PER_IDENTITY_OR_ADDRESS};

    (void)state;
    assert_int_equal(ecc_load_identities(NULL, 5000), 1);
    assert_int_equal(ecc_load_identities(&limit, 1), 1);
    assert_int_equal(ecc_load_identities(&limit, 80), 1);
    assert_int_equal(ecc_load_identities(&limit, 81), 2);
    assert_int_equal(ecc_load_identities(&limit, 5000), 63);
    assert_int_equal(ecc_load_identities(&limit, 1e6), ECC_LOAD_IDENTITIES);
    limit.per = ECC_PER_ADDRESS;
    assert_int_equal(ecc_load_identities(&limit, 5000), 1);
}

/* ------------------------------------------------------------------ judging */

static void judged(const struct ecc_load_part *part, int status, const char *name, const char *cache, enum ecc_load_verdict verdict,
                   const char *kind)
{
    struct ec_header header = {EC_STR("x-cache"), {cache, cache ? strlen(cache) : 0}};
    char body[128] = "{}", told[96] = "";
    struct ec_http_reply reply = {.status = status, .headers = &header, .nheaders = cache ? 1 : 0};

    if (name)
        snprintf(body, sizeof body, "{\"type\":\"/problems/%s\",\"status\":%d}", name, status);
    reply.body = (struct ec_str){body, strlen(body)};
    assert_int_equal(ecc_load_judge(part, NULL, EC_HTTP_OK, &reply, told, sizeof told), verdict);
    assert_string_equal(told, kind);
}

static void answers_are_judged(void **state)
{
    struct ecc_load_part make = {.scenario = scenario("make")}, refused = {.scenario = scenario("refused"), .error_name = "refused"},
                         hit = {.scenario = scenario("hit")};
    char told[96];

    (void)state;
    hit.expect = ecc_pieces_of_text(&cli.arena, hit.scenario->expect_value, &hit.scenario->expect_refs);
    judged(&make, 201, NULL, NULL, ECC_LOAD_OK, "");
    judged(&make, 202, NULL, NULL, ECC_LOAD_ACCEPTED, "");
    judged(&make, 200, NULL, NULL, ECC_LOAD_ERROR, "200");
    judged(&make, 503, "away", NULL, ECC_LOAD_ERROR, "503 away");
    judged(&refused, 402, "refused", NULL, ECC_LOAD_OK, "");
    judged(&refused, 402, "other", NULL, ECC_LOAD_ERROR, "402 other");
    judged(&refused, 402, NULL, NULL, ECC_LOAD_ERROR, "402");
    judged(&refused, 201, NULL, NULL, ECC_LOAD_ERROR, "201");
    judged(&hit, 200, NULL, "hit", ECC_LOAD_OK, "");
    judged(&hit, 200, NULL, "miss", ECC_LOAD_ERROR, "200, X-Cache: miss");
    judged(&hit, 200, NULL, NULL, ECC_LOAD_ERROR, "200, X-Cache: none");
    judged(&hit, 202, NULL, NULL, ECC_LOAD_ERROR, "202"); /* its route accepts nothing */
    assert_int_equal(ecc_load_judge(&hit, NULL, EC_HTTP_REFUSED, NULL, told, sizeof told), ECC_LOAD_ERROR);
    assert_string_equal(told, "connection refused");
    assert_int_equal(ecc_load_judge(&hit, NULL, EC_HTTP_TIMED_OUT, NULL, told, sizeof told), ECC_LOAD_ERROR);
    assert_string_equal(told, "no answer");
}

static void words_of_the_report(void **state)
{
    char t[32];

    (void)state;
    assert_string_equal(ecc_load_time(t, sizeof t, 999), "999 us");
    assert_string_equal(ecc_load_time(t, sizeof t, 1000), "1.00 ms");
    assert_string_equal(ecc_load_time(t, sizeof t, 12345), "12.3 ms");
    assert_string_equal(ecc_load_time(t, sizeof t, 123456), "123 ms");
    assert_string_equal(ecc_load_time(t, sizeof t, 1250000), "1.25 s");
    assert_string_equal(ecc_load_number(t, sizeof t, 0), "0");
    assert_string_equal(ecc_load_number(t, sizeof t, 999), "999");
    assert_string_equal(ecc_load_number(t, sizeof t, 1234567), "1,234,567");
    assert_string_equal(ecc_load_number(t, sizeof t, UINT64_MAX), "18,446,744,073,709,551,615");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spread_is_exact),
        cmocka_unit_test(spread_is_shuffled_and_repeatable),
        cmocka_unit_test(one_scenario_is_all),
        cmocka_unit_test(first_request),
        cmocka_unit_test(signed_in_request),
        cmocka_unit_test(request_without_body),
        cmocka_unit_test(named_answers),
        cmocka_unit_test(runs_differ),
        cmocka_unit_test(faults_are_refused),
        cmocka_unit_test(choosing),
        cmocka_unit_test(planning),
        cmocka_unit_test(identities_stay_below_the_limit),
        cmocka_unit_test(answers_are_judged),
        cmocka_unit_test(words_of_the_report),
    };

    return cmocka_run_group_tests(tests, compile, release);
}
