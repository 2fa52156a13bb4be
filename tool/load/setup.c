/* Before the load: identities sign in, one after another, and each scenario's `given` requests are played once.
 *
 * Whoever is told to wait (429, 503) or finds nobody listening waits and asks again, for half a minute. Sign-ups stay a fifth below
 * what the gateway allows an address, so that what it has saved up is there for the load.
 */
#include "load.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000 };

struct answer {
    bool done;
    enum ec_http_outcome outcome;
    int status, retry_after_s;
    json_t *body; /* NULL: none, or no JSON */
};

static void on_answer(void *data, enum ec_http_outcome outcome, const struct ec_http_reply *reply)
{
    struct answer *answer = data;

    answer->done = true;
    answer->outcome = outcome;
    if (!reply)
        return;
    answer->status = reply->status;
    answer->body = json_loadb(reply->body.p, reply->body.n, 0, NULL);
    for (size_t i = 0; i < reply->nheaders; i++)
        if (ec_header_is(reply->headers[i].name, "retry-after"))
            answer->retry_after_s = atoi(reply->headers[i].value.p); /* ends at the line's CR at the latest */
}

static void sleep_ms(struct ecc_load *load, unsigned ms)
{
    if (ms)
        uv_sleep(ms);
    uv_update_time(&load->loop);
}

/* A request with all that it is made of. */
struct asked {
    struct ecc_load_target *target;
    const struct ecc_message *message;
    const struct ecc_sender *sender;
    const struct ecc_answers *answers;
    const char *traceparent; /* or "" */
    const char *who;         /* as a person calls it */
};

/* Sends once and waits for the answer. *sent: the body, for `same`. */
static void ask(struct ecc_load *load, const struct asked *asked, struct answer *answer, json_t **sent)
{
    const struct ecc_message *message = asked->message;
    struct ec_buf head = {0}, body = {0};

    *answer = (struct answer){0};
    ecc_message_write(message, asked->sender, asked->answers, &load->uniques, &head, &body);
    ec_buf_str(&head, asked->traceparent);
    json_decref(*sent);
    *sent = message->has_body ? json_loadb(body.p, body.n, JSON_DECODE_ANY, NULL) : NULL;
    ec_http_send(asked->target->clients[ecc_load_next_replica(asked->target)], (struct ec_str){head.p, head.n},
                 (struct ec_str){message->has_body ? body.p : NULL, body.n}, ECC_LOAD_PATIENCE_MS, false, on_answer, answer);
    while (!answer->done)
        uv_run(&load->loop, UV_RUN_ONCE);
    ec_buf_free(&head);
    ec_buf_free(&body);
}

/* Plays a request until it is let in; answer->body and *sent are the caller's. Returns 0, or an exit code after saying what came. */
static int play(struct ecc_load *load, const struct asked *asked, struct answer *answer, json_t **sent)
{
    const struct ecc_node *node = asked->target->node;
    const struct ecc_limit *limit = node->kind == ECC_NODE_GATEWAY ? node->u.gateway.limit : NULL;
    unsigned pace = limit ? (unsigned)(1000 / (0.8 * limit->per_second)) : 0;
    const struct ecc_request *request = asked->message->request;
    const char *lacks = ecc_message_lacks(&load->cli->arena, asked->message, asked->answers);
    const char *what = request->op ? ecc_arena_printf(&load->cli->arena, "%s.%s", node->name, request->op->name)
                                   : ecc_arena_printf(&load->cli->arena, "%s %s", request->method, request->path);
    uint64_t end = uv_hrtime() / 1000000 + PATIENCE_MS;

    if (lacks)
        return ecc_say_error(ECC_EXIT_FAILED, "%s: %s needs %s, which the answer does not have", asked->who, what, lacks);
    for (;;) {
        ask(load, asked, answer, sent);
        sleep_ms(load, pace);
        if (answer->outcome == EC_HTTP_OK && answer->status >= 200 && answer->status < 300)
            return 0;
        bool later = answer->outcome == EC_HTTP_REFUSED || answer->status == 429 || answer->status == 503;
        unsigned wait = answer->retry_after_s > 0 ? (unsigned)answer->retry_after_s * 1000 : 200;
        if (!later || uv_hrtime() / 1000000 + wait > end)
            break;
        json_decref(answer->body);
        sleep_ms(load, wait);
    }
    const char *type = json_string_value(json_object_get(answer->body, "type")), *name = type ? strrchr(type, '/') : NULL;
    const char *detail = json_string_value(json_object_get(answer->body, "detail"));
    if (answer->outcome != EC_HTTP_OK)
        return ecc_say_error(ECC_EXIT_FAILED, "%s: %s has no answer from %s", asked->who, what, node->name);
    return ecc_say_error(ECC_EXIT_FAILED, "%s: %s is answered %d%s%s%s%s", asked->who, what, answer->status, name ? " " : "",
                         name ? name + 1 : "", detail ? ", " : "", detail ? detail : "");
}

/* ------------------------------------------------------------------ identities */

static int take_token(const struct ecc_identity *identity, json_t *const *replies, struct ecc_sender *sender)
{
    const json_t *at = NULL;

    for (size_t i = 0; i < identity->nrequests; i++)
        if (identity->requests[i]->let && !strcmp(identity->requests[i]->let, identity->token[0]))
            at = replies[i];
    for (size_t i = 1; i < identity->ntoken; i++)
        at = json_object_get(at, identity->token[i]);
    const char *token = json_string_value(at);
    for (const char *p = token; p && *p; p++)
        if (*p <= ' ' || *p > '~')
            token = NULL;
    if (!token || !*token)
        return ecc_say_error(ECC_EXIT_FAILED, "identity '%s': there is no token at %s of the answer", identity->name,
                             identity->token[identity->ntoken - 1]);
    sender->token = strdup(token);
    return 0;
}

static int sign_in(struct ecc_load *load, struct ecc_load_pool *pool, const struct ecc_message *messages, struct ecc_sender *sender)
{
    const struct ecc_identity *identity = pool->identity;
    json_t **replies = calloc(identity->nrequests, sizeof *replies);
    const char *who = ecc_arena_printf(&load->cli->arena, "identity '%s'", identity->name);
    struct ecc_answers answers = {0};
    int code = replies ? 0 : ecc_say_error(ECC_EXIT_INTERNAL, "out of memory");

    for (size_t i = 0; !code && i < identity->nrequests; i++) {
        struct answer answer = {0};
        json_t *sent = NULL;
        code = play(load, &(struct asked){pool->targets[i], &messages[i], sender, &answers, "", who}, &answer, &sent);
        replies[i] = answer.body;
        ecc_answers_add(&answers, &load->cli->arena, identity->requests[i], answer.body);
        if (i)
            json_decref(sent);
        else
            sender->first = sent;
    }
    if (!code)
        code = take_token(identity, replies, sender);
    ecc_answers_free(&answers);
    for (size_t i = 0; replies && i < identity->nrequests; i++)
        json_decref(replies[i]);
    free(replies);
    return code;
}

static int fill_pool(struct ecc_load *load, struct ecc_load_pool *pool)
{
    const struct ecc_identity *identity = pool->identity;
    struct ecc_message *messages = ECC_NEW_ARRAY(&load->cli->arena, struct ecc_message, identity->nrequests);
    bool terminal = isatty(STDERR_FILENO);
    int code = 0;

    for (size_t i = 0; i < identity->nrequests; i++)
        ecc_message_init(&messages[i], &load->cli->arena, identity->requests[i], i ? identity->requests[0] : NULL, false);
    if (!terminal && pool->n > 1)
        fprintf(stderr, "%s: %zu to sign in\n", identity->name, pool->n);
    for (size_t i = 0; !code && i < pool->n; i++) {
        if (terminal && pool->n > 1)
            fprintf(stderr, "\r%s: %zu of %zu signed in\033[K", identity->name, i, pool->n);
        code = sign_in(load, pool, messages, &pool->senders[i]);
    }
    if (terminal)
        fputs("\r\033[K", stderr);
    return code;
}

/* ------------------------------------------------------------------ given */

/* One of them; an operation is asked in the name of one of its callers. */
static int play_one(struct ecc_load *load, struct ecc_load_part *part, size_t i, const struct ecc_sender *sender,
                    struct ecc_answers *answers)
{
    const struct ecc_scenario *s = part->scenario;
    const struct ecc_request *request = s->given[i];
    struct ecc_sender caller = {.first = sender ? sender->first : NULL};
    struct ecc_message message;
    struct answer answer = {0};
    json_t *sent = NULL;
    struct asked asked = {part->given[i], &message, sender, answers, "", ecc_arena_printf(&load->cli->arena, "scenario '%s'", s->name)};
    int code = load->watch ? load->watch->before(load->watch->data, i, &asked.traceparent) : 0;

    if (code)
        return code;
    if (request->op) {
        if (!(caller.token = ecc_load_service_token(load, request->op)))
            return ECC_EXIT_FAILED;
        asked.sender = &caller;
    }
    ecc_message_init(&message, &load->cli->arena, request, s->identity ? s->identity->requests[0] : NULL,
                     request->op || (sender && request->route->auth));
    code = play(load, &asked, &answer, &sent);
    if (answers && !code)
        ecc_answers_add(answers, &load->cli->arena, request, answer.body);
    json_decref(answer.body);
    json_decref(sent);
    return code || !load->watch ? code : load->watch->after(load->watch->data, i);
}

/* Once, by one sender; by each where what it was answered is named. */
static int play_given(struct ecc_load *load, struct ecc_load_part *part)
{
    const struct ecc_scenario *s = part->scenario;
    size_t n = 1;
    int code = 0;

    for (size_t i = 0; i < s->ngiven; i++)
        if (s->given[i]->let && !part->answers) {
            n = part->nanswers = part->pool ? part->pool->n : 1;
            part->answers = ECC_NEW_ARRAY(&load->cli->arena, struct ecc_answers, n);
        }
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; !code && i < s->ngiven; i++)
            code = play_one(load, part, i, part->pool ? &part->pool->senders[k] : NULL, part->answers ? &part->answers[k] : NULL);
    for (size_t k = 0; !code && k < n; k++) {
        const char *lacks = ecc_message_lacks(&load->cli->arena, &part->message, part->answers ? &part->answers[k] : NULL);
        if (lacks)
            return ecc_say_error(ECC_EXIT_FAILED, "scenario '%s' needs %s, which the answer does not have", s->name, lacks);
    }
    return code;
}

int ecc_load_setup(struct ecc_load *load)
{
    int code = 0;

    for (size_t i = 0; !code && i < load->npools; i++)
        code = fill_pool(load, &load->pools[i]);
    for (size_t i = 0; !code && i < load->nparts; i++)
        code = play_given(load, &load->parts[i]);
    return code;
}
