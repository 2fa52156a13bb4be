/* The requests of a scenario, one after another, each once; those of `when` with a trace of their own. */
#include "verify.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

volatile int ecc_verify_interrupted;

void ecc_play_hex(char *out, size_t bytes)
{
    unsigned char random[16];

    if (getrandom(random, bytes, 0) != (ssize_t)bytes)
        abort();
    random[0] |= 1; /* never all zero */
    for (size_t i = 0; i < bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", random[i]);
}

int ecc_play_open(struct ecc_verify *v, const struct ecc_scenario *scenario, const struct ecc_load_watch *watch, struct ecc_play *play)
{
    struct ecc_load *load = ECC_NEW(v->arena, struct ecc_load);
    int code;

    *play = (struct ecc_play){.load = load};
    ecc_play_hex(play->trace_id, 16);
    load->cli = v->cli;
    load->model = v->model;
    load->rate = load->identities = 1;
    load->secrets = ecc_up_path(v->up, "secrets");
    load->watch = watch;
    load->parts[load->nparts++] = (struct ecc_load_part){.scenario = scenario, .percent = 100};
    if ((code = ecc_load_plan(load, v->state)))
        return code;
    for (size_t i = 0; i < load->ntargets; i++) /* what a gateway remembers of a token, its replicas do not */
        load->targets[i].n = 1;
    if (!(code = ecc_load_open(load)))
        code = ecc_load_setup(load);
    return code;
}

void ecc_play_close(struct ecc_play *play)
{
    if (play->load)
        ecc_load_close(play->load);
}

struct waiting {
    struct ecc_play *play;
    bool done;
};

static void on_answer(void *data, enum ec_http_outcome outcome, const struct ec_http_reply *reply)
{
    struct waiting *waiting = data;
    struct ecc_load_part *part = &waiting->play->load->parts[0];
    char text[96] = "";

    waiting->done = true;
    if (ecc_load_judge(part, part->answers, outcome, reply, text, sizeof text) == ECC_LOAD_OK)
        waiting->play->answer = NULL;
    else
        waiting->play->answer =
            ecc_arena_printf(&waiting->play->load->cli->arena, "%s", *text ? text : "202, it goes on in the background");
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer; /* the loop comes back to look at the signal */
}

static int send_one(struct ecc_play *play, bool told)
{
    struct ecc_load *load = play->load;
    struct ecc_load_part *part = &load->parts[0];
    const struct ecc_sender *sender = part->pool ? &part->pool->senders[0] : NULL;
    struct ec_buf head = {0}, body = {0};
    struct waiting waiting = {play, false};
    char span[17];
    uv_timer_t tick;

    ecc_play_hex(span, 8);
    ecc_message_write(&part->message, sender, part->answers, &load->uniques, &head, &body);
    ec_buf_printf(&head, "traceparent: 00-%s-%s-%s\r\n", play->trace_id, span, told ? "01" : "00");
    uv_timer_init(&load->loop, &tick);
    uv_timer_start(&tick, on_tick, 100, 100);
    struct ec_http_call *call =
        ec_http_send(part->target->clients[ecc_load_next_replica(part->target)], (struct ec_str){head.p, head.n},
                     (struct ec_str){part->message.has_body ? body.p : NULL, body.n}, ECC_LOAD_PATIENCE_MS, false, on_answer, &waiting);
    while (!waiting.done && !ecc_verify_interrupted)
        uv_run(&load->loop, UV_RUN_ONCE);
    if (!waiting.done)
        ec_http_cancel(call);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&load->loop, UV_RUN_NOWAIT); /* closes the timer, which is ours */
    ec_buf_free(&head);
    ec_buf_free(&body);
    return ecc_verify_interrupted ? ECC_EXIT_FAILED : 0;
}

int ecc_play_when(struct ecc_play *play, int times, bool told)
{
    int code = 0;

    for (int i = 0; i < times && !code; i++)
        code = send_one(play, told);
    return code;
}
