/* What a saga does next.
 *
 *   do 0, do 1 ... do n-1, done        each answer is stored together with the next `sent`; the last one with the end
 *   do k fails or is unknown: undo k (when unknown), undo k-1 ... undo 0, failed
 *
 * Each call is a task of its own, with the saga's key for that step and phase, so that its memory goes with it; what a step gave is kept as
 * JSON in the instance's arena and read into the saga's struct from there. Outcomes of a do:
 *   success
 *   no effect: the participant refused it for good (a 4xx that is not about the moment), or it was never sent, by any attempt
 *   in progress: it meets an earlier sending of itself, and is asked again under the same key until that has ended, or its lease
 *   unknown: anything else. With an undo it is undone, which also makes its late arrival be refused; without, it is asked again under the
 *   same key until it is known
 * Undos, and what must succeed, are repeated with backoff until they hold. `done` and `failed` are programs whose last commit also ends the
 * instance, fenced, so their effect happens once however often they run.
 */
#include <stdio.h>
#include <string.h>

#include "inbox.h"
#include "json.h"
#include "random.h"
#include "saga.h"
#include "trace.h"

enum { BACKOFF_MIN_MS = 200, BACKOFF_MAX_MS = 30000, PROGRAM_MS = 30000 };

static void call(struct ec_instance *instance);
static void end_saga(struct ec_instance *instance);

/* For crash points, which are not in every build. */
__attribute__((unused)) static const char *phase_of(const struct ec_instance *instance)
{
    return instance->state == EC_SAGA_RUNNING ? "do" : "undo";
}

/* ------------------------------------------------------------------ repeating */

static int64_t backoff(int attempts, int at_least_s)
{
    int64_t ms = BACKOFF_MIN_MS;
    int i;

    for (i = 1; i < attempts && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    if (ms > BACKOFF_MAX_MS)
        ms = BACKOFF_MAX_MS;
    ms = (int64_t)((double)ms * (0.5 + ec_random_unit() / 2));
    return ms < (int64_t)at_least_s * 1000 ? (int64_t)at_least_s * 1000 : ms;
}

static void sleep_or_release(struct ec_instance *instance, int64_t ms, void (*wake)(struct ec_instance *instance))
{
    if (ec_saga_draining)
        ec_saga_release(instance);
    else
        ec_instance_sleep(instance, ms, wake);
}

static void repeat_stored(struct ec_instance *instance)
{
    EC_CRASH_AFTER("%s.%s.%s.store", instance->saga->name, instance->saga->steps[instance->step].name, phase_of(instance));
    sleep_or_release(instance, backoff(instance->attempts, 0), call);
}

/* Replaces the one before it, in a text that stays as long as the instance. */
static const char *why_of(struct ec_instance *instance, const struct ec_error *error, const char *detail)
{
    enum { ROOM = 300 };

    if (!instance->why)
        instance->why = ec_arena_alloc(instance->arena, ROOM);
    snprintf(instance->why, ROOM, "%s%s%s", error->name, detail ? ": " : "", detail ? detail : "");
    while (!ec_utf8_valid(ec_str_of(instance->why))) /* cut within a character */
        instance->why[strlen(instance->why) - 1] = '\0';
    return instance->why;
}

/* The instance's lease is kept while it sleeps; the row says when it goes on, for whoever has it then. */
static void repeat(struct ec_instance *instance, const struct ec_error *error, const char *detail, int retry_after_s)
{
    int64_t ms;

    instance->attempts++;
    instance->sent_before = true;
    ec_saga_count_repeat(instance->saga);
    ms = backoff(instance->attempts, retry_after_s > 30 ? 30 : retry_after_s);
    ec_saga_repeat(instance, ms, why_of(instance, error, detail), repeat_stored);
}

/* ------------------------------------------------------------------ going forward */

static void sent_next(struct ec_instance *instance)
{
    EC_CRASH_AFTER("%s.%s.%s.store", instance->saga->name, instance->saga->steps[instance->answer.step].name, instance->answer.phase);
    instance->answer.step = -1;
    instance->attempts = 0;
    instance->sent_before = false;
    call(instance);
}

static void do_worked(struct ec_instance *instance, struct ec_str reply)
{
    instance->answer = (struct ec_saga_answer){.step = instance->step, .phase = "do", .state = "done", .reply = reply};
    if ((size_t)instance->step + 1 < instance->saga->nsteps) {
        instance->step++;
        ec_saga_advance(instance, instance->step, sent_next);
    } else {
        instance->attempts = 0;
        end_saga(instance);
    }
}

/* ------------------------------------------------------------------ going back */

int ec_saga_undo_below(const struct ec_saga *saga, int step)
{
    while (step >= 0 && !saga->steps[step].undo)
        step--;
    return step;
}

static void compensate(struct ec_instance *instance, const struct ec_error *error, const char *detail, bool unknown)
{
    int failed = instance->step, undo = ec_saga_undo_below(instance->saga, unknown ? failed : failed - 1);
    struct ec_str *shown = (struct ec_str *)(void *)((char *)instance->data + instance->saga->error_offset);

    instance->error = ec_arena_copy(instance->arena, ec_str_of(error->name)).p;
    instance->error_status = error->status;
    instance->detail = detail ? ec_arena_copy(instance->arena, ec_str_of(detail)).p : NULL;
    *shown = ec_str_of(instance->error);
    instance->state = EC_SAGA_COMPENSATING;
    instance->answer = (struct ec_saga_answer){.step = failed, .phase = "do", .state = unknown ? "unknown" : "failed"};
    instance->attempts = 0;
    if (undo < 0) {
        end_saga(instance);
        return;
    }
    instance->step = undo;
    ec_saga_compensate(instance, undo, sent_next);
}

static void undo_worked(struct ec_instance *instance)
{
    int next = ec_saga_undo_below(instance->saga, instance->step - 1);

    instance->answer = (struct ec_saga_answer){.step = instance->step, .phase = "undo", .state = "done"};
    instance->attempts = 0;
    if (next < 0) {
        end_saga(instance);
        return;
    }
    instance->step = next;
    ec_saga_advance(instance, next, sent_next);
}

/* ------------------------------------------------------------------ calls */

struct call_frame {
    struct ec_instance *instance;
    const struct ec_error *error;
    const char *detail;
    bool unknown;
    int retry_after_s;
};

static void call_run(struct ec_task *task)
{
    struct call_frame *f = EC_FRAME(task, struct call_frame);
    const struct ec_saga_step *step = &f->instance->saga->steps[f->instance->step];

    switch (task->step) {
    case 0:
        task->step = 1;
        EC_CRASH_BEFORE("%s.%s.%s", f->instance->saga->name, step->name, phase_of(f->instance));
        (f->instance->state == EC_SAGA_RUNNING ? step->run : step->undo)(task, f->instance->data);
        return;
    case 1:
        f->error = task->error;
        f->detail = task->detail;
        f->unknown = task->unknown;
        f->retry_after_s = task->retry_after_s;
        task->key.n = task->undoes.n = 0; /* the participant's, not of this service's inbox */
        ec_reply(task, NULL);
        return;
    }
}

static const struct ec_program call_program = {.name = "saga step", .run = call_run, .frame_size = sizeof(struct call_frame)};

bool ec_saga_unknown(const struct ec_error *error, bool unknown, bool sent_before)
{
    if (unknown)
        return true;
    if (ec_error_final(error))
        return false;
    return error->status < 500 || sent_before;
}

static void do_failed(struct ec_instance *instance, const struct call_frame *f)
{
    const struct ec_saga_step *step = &instance->saga->steps[instance->step];
    bool unknown = ec_saga_unknown(f->error, f->unknown, instance->sent_before);
    /* The key is this step's alone, so an earlier sending of it, whose answer was lost with a process or a connection, is at work. */
    bool in_progress = strcmp(f->error->name, ec_error_conflict.name) == 0;

    instance->retry_after_s = f->retry_after_s;
    if (in_progress || (!step->undo && (unknown || !step->can_fail)))
        repeat(instance, f->error, f->detail, f->retry_after_s);
    else
        compensate(instance, f->error, f->detail, unknown);
}

/* What the step gave, as JSON, and read again into the saga's struct: the call's memory goes. */
static bool keep_result(struct ec_instance *instance, struct ec_str *reply)
{
    const struct ec_saga_step *step = &instance->saga->steps[instance->step];
    void *at = (char *)instance->data + step->result_offset;
    struct ec_buf buf = {0};
    struct ec_json_error wrong;

    if (!step->result)
        return true;
    ec_json_write(&buf, step->result, at);
    *reply = ec_arena_copy(instance->arena, (struct ec_str){buf.p, buf.n});
    ec_buf_free(&buf);
    memset(at, 0, step->result->size);
    if (ec_json_read(instance->arena, *reply, step->result, at, EC_JSON_LENIENT, &wrong) == EC_JSON_OK)
        return true;
    ec_log(EC_LOG_ERROR, NULL, "a step's reply can't be kept", EC_L_STR("saga", instance->saga->name), EC_L_STR("step", step->name),
           EC_L_STR("why", wrong.message));
    return false;
}

static void call_finish(struct ec_task *task)
{
    struct call_frame *f = EC_FRAME(task, struct call_frame);
    struct ec_instance *instance = f->instance;
    struct ec_str reply = {NULL, 0};

    instance->busy = false;
    if (ec_instance_gone(instance)) {
        ec_task_free(task);
        return;
    }
    EC_CRASH_AFTER("%s.%s.%s", instance->saga->name, instance->saga->steps[instance->step].name, phase_of(instance));
    if (!f->error && instance->state == EC_SAGA_RUNNING && !keep_result(instance, &reply)) {
        f->error = &ec_error_bad_gateway;
        f->unknown = true;
    }
    if (instance->state == EC_SAGA_RUNNING) {
        if (f->error)
            do_failed(instance, f);
        else
            do_worked(instance, reply);
    } else if (f->error) {
        ec_instance_tell(instance, true); /* it will fail, only nobody knows when the last undo holds */
        repeat(instance, f->error, f->detail, f->retry_after_s);
    } else {
        undo_worked(instance);
    }
    ec_task_free(task);
}

static struct ec_str key_of(struct ec_task *task, const struct ec_instance *instance, const char *phase)
{
    return EC_CONCAT(task, ec_text_uuid(task, instance->id), EC_STR("/"), ec_str_of(instance->saga->steps[instance->step].name),
                     EC_STR("/"), ec_str_of(phase));
}

static void call(struct ec_instance *instance)
{
    struct ec_task *task = ec_task_new(&ec_app, &call_program);

    EC_FRAME(task, struct call_frame)->instance = instance;
    task->trace = instance->trace;
    task->finish = call_finish;
    if (instance->state == EC_SAGA_RUNNING) {
        task->key = key_of(task, instance, "do");
        task->background = instance->sent_before;
    } else {
        task->key = key_of(task, instance, "undo");
        task->undoes = key_of(task, instance, "do");
        task->background = true;
    }
    instance->busy = true;
    ec_task_start(task);
}

/* ------------------------------------------------------------------ the end */

static void ended(struct ec_instance *instance)
{
    ec_saga_count_ended(instance);
    ec_instance_tell(instance, instance->error != NULL);
    ec_instance_drop(instance);
}

static void ended_alone(struct ec_instance *instance)
{
    EC_CRASH_AFTER("%s.%s", instance->saga->name, instance->error ? "failed" : "done");
    ended(instance);
}

static const struct ec_program *last_program(const struct ec_instance *instance)
{
    return instance->state == EC_SAGA_RUNNING ? instance->saga->done : instance->saga->failed;
}

static void end_stored(struct ec_instance *instance)
{
    sleep_or_release(instance, backoff(instance->attempts, 0), end_saga);
}

static void program_finish(struct ec_task *task)
{
    struct ec_instance *instance = task->owner;
    const struct ec_error *error = task->error;

    instance->busy = false;
    if (instance->end_committed) {
        if (!ec_instance_gone(instance))
            ended(instance);
    } else if (ec_instance_gone(instance)) {
        /* another replica runs it again */
    } else if (!error) {
        ec_saga_end(instance, ended); /* a program without a transaction */
    } else if (strcmp(error->name, ec_error_conflict.name) == 0 && !task->key.n) {
        ec_saga_look(instance, ended); /* its commit was refused: by the fence, or because it had been committed */
    } else {
        if (instance->error)
            ec_instance_tell(instance, true);
        instance->attempts++;
        ec_log(EC_LOG_WARN, task, "the end of a saga is tried again", EC_L_STR("program", task->program->name),
               EC_L_STR("error", error->name));
        ec_saga_repeat_end(instance, backoff(instance->attempts, task->retry_after_s), why_of(instance, error, task->detail), end_stored);
    }
    ec_task_free(task);
}

void ec_saga_before_last(struct ec_task *task)
{
    if (task->finish == program_finish)
        ec_saga_ride_end(task->owner, task);
}

/* An ATOMIC program needs no key: the fence in its transaction makes it happen once. One that calls others has one, for them. */
static void end_saga(struct ec_instance *instance)
{
    const struct ec_program *program = last_program(instance);
    struct ec_task *task;

    if (!program) {
        ec_saga_end(instance, ended_alone);
        return;
    }
    task = ec_task_new(&ec_app, program);
    *(void **)task->frame = instance->data;
    task->trace = instance->trace;
    task->owner = instance;
    task->finish = program_finish;
    task->background = true;
    task->deadline_ns = uv_hrtime() + (uint64_t)PROGRAM_MS * 1000000;
    if (program->repeat == EC_REPEAT_CLAIM)
        task->key = EC_CONCAT(task, ec_text_uuid(task, instance->id), instance->error ? EC_STR("/failed") : EC_STR("/done"));
    instance->busy = true;
    ec_task_start(task);
}

void ec_saga_go(struct ec_instance *instance)
{
    void (*next)(struct ec_instance * instance) = instance->step < 0 || (size_t)instance->step == instance->saga->nsteps ? end_saga : call;
    uint64_t now = uv_hrtime();

    if (instance->error)
        *(struct ec_str *)(void *)((char *)instance->data + instance->saga->error_offset) = ec_str_of(instance->error);
    if (instance->wake_ns > now)
        ec_instance_sleep(instance, (int64_t)((instance->wake_ns - now) / 1000000), next);
    else
        next(instance);
}
