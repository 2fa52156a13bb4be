/* See run.h. One libuv loop with a single timer: each tick looks at every process, at the change that is under way and at what is shown.
 * Signals end everything, in the reverse order of the stages. */
#include "run.h"

#include <jansson.h>
#include <signal.h>
#include <unistd.h>

#include "show.h"

/* ------------------------------------------------------------------ the end */

void ecc_sup_stop(struct ecc_sup *sup, int code)
{
    if (sup->stopping)
        return;
    if (code)
        sup->code = code;
    sup->stopping = true;
    sup->stage = ECC_STAGES - 1;
    ecc_sup_hurry(sup);
}

/* Ends one stage after the other, last one first; true when nothing lives. */
static bool stop_step(struct ecc_sup *sup)
{
    bool alive = false;

    for (size_t i = 0; i < sup->up->runs.n; i++) {
        struct ecc_run *run = sup->up->runs.items[i];
        if (run->proc->stage != sup->stage || !run->alive)
            continue;
        alive = true;
        if (run->state != ECC_PROC_STOPPING)
            ecc_run_stop(run);
        else
            ecc_run_kill_late(run);
    }
    if (alive)
        return false;
    if (sup->stage == 0)
        return true;
    sup->stage--;
    return stop_step(sup);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct ecc_sup *sup = handle->data;

    (void)number;
    if (!sup->stopping)
        ecc_up_progress(sup->up, "stopping ...");
    ecc_sup_stop(sup, 0);
}

/* ------------------------------------------------------------------ the loop */

static void on_tick(uv_timer_t *timer)
{
    struct ecc_sup *sup = timer->data;

    if (sup->stopping) {
        if (stop_step(sup)) {
            uv_timer_stop(timer);
            uv_stop(&sup->loop);
        }
    } else {
        ecc_held_look(&sup->held, sup->up->home);
        for (size_t i = 0; i < sup->up->runs.n && !sup->stopping; i++)
            ecc_run_step(sup->up->runs.items[i]);
        if (!sup->stopping)
            ecc_sup_advance(sup);
    }
    uint32_t fingerprint = ecc_state_fingerprint(sup->up);
    if (fingerprint != sup->shown)
        ecc_state_write(sup->up, sup->complete);
    if (fingerprint != sup->shown || !ecc_show_is_drawn())
        ecc_show(sup->up, sup->complete, sup->stopping);
    sup->shown = fingerprint;
}

void ecc_sup_hurry(struct ecc_sup *sup)
{
    uv_timer_start(&sup->tick, on_tick, 0, ECC_TICK_MS);
}

void ecc_sup_open(struct ecc_sup *sup, struct ecc_up *up)
{
    uv_signal_t *signals[] = {&sup->sigint, &sup->sigterm, &sup->sighup};
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    signal(SIGPIPE, SIG_IGN);
    sup->up = up;
    uv_loop_init(&sup->loop);
    uv_timer_init(&sup->loop, &sup->tick);
    sup->tick.data = sup;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uv_signal_init(&sup->loop, signals[i]);
        signals[i]->data = sup;
        uv_signal_start(signals[i], on_signal, numbers[i]);
    }
    ecc_sup_hurry(sup);
}

static void close_all(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

int ecc_sup_run(struct ecc_sup *sup)
{
    uv_run(&sup->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < sup->up->runs.n; i++)
        ecc_run_close_probe(sup->up->runs.items[i]);
    uv_walk(&sup->loop, close_all, NULL);
    uv_run(&sup->loop, UV_RUN_DEFAULT);
    uv_loop_close(&sup->loop);
    ecc_sup_free_runs(sup);
    unlink(ecc_up_path(sup->up, "state.json"));
    ecc_faults_forget(sup->up->home);
    json_decref(sup->held.faults);
    return sup->code;
}

/* ------------------------------------------------------------------ up */

static void on_ready(struct ecc_sup *sup, bool failed)
{
    struct ecc_up *up = sup->up;

    (void)failed; /* that would have been the end */
    ecc_show_ready(up);
    if (up->detach) { /* nobody reads the pipe any more */
        close(up->progress_fd);
        up->progress_fd = STDERR_FILENO;
    }
}

int ecc_up_run(struct ecc_up *up)
{
    struct ecc_sup sup = {.settled = on_ready};

    ecc_sup_open(&sup, up);
    ecc_up_progress(up, "starting %zu processes ...", up->procs.n);
    ecc_sup_apply(&sup, up);
    return ecc_sup_run(&sup);
}
