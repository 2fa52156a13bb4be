/* Tasks: order of entry, branches, ends with their hooks, deadlines. A fake module completes operations from a timer. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "app.h"

static const struct ec_error error_sad = {"sad", 409, "Sad"};
static const struct ec_error error_sad_over_the_wire = {"sad", 409, "Sad"};

struct frame {
    struct { int64_t n; } in;
    struct ec_task *held[4];
    int64_t sum;
    struct { int64_t result; } out;
};
enum step { START, FIRST, SECOND, JOINED };

static uv_loop_t loop;
static struct ec_app app;
static char trail[256]; /* what happened, in order */
static const void *replied_with;
static struct ec_task *waiting; /* the task whose operation is held back */
static struct ec_uuid noted_ids[3];

static void note(const char *what)
{
    strcat(trail, what);
    strcat(trail, " ");
}

static void on_finish(struct ec_task *task)
{
    note("finish");
    if (task->error)
        note(task->error->name);
    if (task->detail)
        note(task->detail);
    if (task->accepted)
        note("accepted");
    replied_with = task->out;
    ec_task_free(task);
}

static struct ec_task *new_task(const struct ec_program *program)
{
    struct ec_task *task = ec_task_new(&app, program);

    task->finish = on_finish;
    return task;
}

static void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

static int setup(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    app = (struct ec_app){.loop = &loop};
    trail[0] = 0;
    replied_with = NULL;
    waiting = NULL;
    memset(&ec_task_hooks, 0, sizeof(ec_task_hooks));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(ec_tasks_live, 0);
    ec_tasks_stop();
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

/* ---- two operations, one after the other */

static void hold(struct ec_task *task)
{
    note("hold");
    waiting = task;
}

static void run_two(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch ((enum step)task->step) {
    case START:
        note("start");
        EC_AWAIT(task, FIRST, ec_task_resume_soon(task));
        note("first");
        EC_AWAIT_CATCH(task, SECOND, hold(task));
        if (ec_caught(task, &error_sad))
            note("caught");
        EC_CHECK(task);
        note("second");
        f->out.result = f->in.n;
        if (f->out.result == 7)
            note("seven");
        ec_reply(task, &f->out);
        return;
    case JOINED:
        return;
    }
}

static const struct { int64_t n; } two_preset = {7};
static const struct ec_record two_in = {"in", sizeof(two_preset), NULL, 0, &two_preset};
static const struct ec_program two = {.name = "t.Two", .run = run_two, .frame_size = sizeof(struct frame), .in = &two_in};

static void steps_in_turns(void **state)
{
    struct ec_task *task = new_task(&two);

    (void)state;
    assert_int_equal(EC_FRAME(task, struct frame)->in.n, 7);
    ec_task_start(task);
    assert_string_equal(trail, "");
    turn();
    assert_string_equal(trail, "start ");
    turn();
    assert_string_equal(trail, "start first hold ");
    ec_task_resume(task);
    assert_string_equal(trail, "start first hold second seven finish ");
    assert_non_null(replied_with);
}

static void a_caught_error_is_gone(void **state)
{
    struct ec_task *task = new_task(&two);

    (void)state;
    ec_task_start(task);
    turn();
    turn();
    ec_task_error(task, &error_sad_over_the_wire, "because %d", 5);
    task->unknown = true;
    task->retry_after_s = 3;
    ec_task_resume(task);
    assert_string_equal(trail, "start first hold caught second seven finish ");
}

static void another_error_ends_it(void **state)
{
    struct ec_task *task = new_task(&two);

    (void)state;
    ec_task_start(task);
    turn();
    turn();
    ec_task_fail_soon(task, &ec_error_timeout, "too late");
    assert_string_equal(trail, "start first hold ");
    turn();
    assert_string_equal(trail, "start first hold finish timeout too late ");
    assert_null(replied_with);
}

/* ---- branches */

static struct ec_task *branch_ops[3];
static int started_branches;

static void run_fork(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);
    int i;

    switch ((enum step)task->step) {
    case START:
        ec_fork(task, 3);
        for (i = 0; i < started_branches; i++) {
            branch_ops[i] = ec_branch(task, i, i != 1);
            noted_ids[i] = ec_new_id(branch_ops[i]);
        }
        EC_AWAIT(task, JOINED, ec_join(task));
        note(ec_branch_ok(task, 0) ? "0ok" : "0no");
        note(ec_branch_ok(task, 1) ? "1ok" : "1no");
        note(ec_branch_ok(task, 2) ? "2ok" : "2no");
        ec_accept(task, &f->out);
        return;
    case FIRST:
    case SECOND:
        return;
    }
}
static const struct ec_program forked = {.name = "t.Forked", .run = run_fork, .frame_size = sizeof(struct frame)};

static void a_join_waits_for_all(void **state)
{
    struct ec_task *task = new_task(&forked);

    (void)state;
    started_branches = 3;
    ec_task_start(task);
    turn();
    ec_task_resume(branch_ops[2]);
    ec_task_fail_soon(branch_ops[1], &error_sad, NULL);
    turn();
    assert_string_equal(trail, "");
    ec_task_resume(branch_ops[0]);
    assert_string_equal(trail, "0ok 1no 2ok finish accepted ");
}

static void a_branch_never_started_is_complete(void **state)
{
    struct ec_task *task = new_task(&forked);

    (void)state;
    started_branches = 0;
    ec_task_start(task);
    turn();
    assert_string_equal(trail, "");
    turn();
    assert_string_equal(trail, "0no 1no 2no finish accepted ");
}

static void a_required_branch_fails_the_join(void **state)
{
    struct ec_task *task = new_task(&forked);

    (void)state;
    started_branches = 3;
    ec_task_start(task);
    turn();
    ec_task_error(branch_ops[2], &ec_error_unavailable, "two");
    ec_task_resume(branch_ops[2]);
    ec_task_error(branch_ops[0], &error_sad, "zero");
    ec_task_resume(branch_ops[0]);
    ec_task_error(branch_ops[1], &ec_error_internal, "one");
    ec_task_resume(branch_ops[1]);
    assert_string_equal(trail, "finish sad zero ");
}

static void an_end_waits_for_branches(void **state)
{
    struct ec_task *task = new_task(&forked);

    (void)state;
    started_branches = 2;
    ec_task_start(task);
    turn();
    ec_task_end(task, &ec_error_timeout, NULL, false);
    ec_task_resume(branch_ops[0]);
    assert_string_equal(trail, "");
    ec_task_resume(branch_ops[1]);
    assert_string_equal(trail, "finish timeout ");
}

static void branches_share_the_count_of_ids(void **state)
{
    struct ec_task *task = new_task(&forked);
    struct ec_uuid before[3];

    (void)state;
    started_branches = 3;
    task->seeded = true;
    task->seed = ec_new_id(NULL);
    ec_task_start(task);
    turn();
    memcpy(before, noted_ids, sizeof(before));
    assert_false(ec_uuid_eq(before[0], before[1]));
    assert_int_equal(task->ids, 3);
    assert_memory_equal(before[0].b, task->seed.b, 6); /* sorts with the seed's time */
    assert_true(memcmp(before[0].b, before[1].b, 16) < 0 && memcmp(before[1].b, before[2].b, 16) < 0);
    for (int i = 0; i < 3; i++)
        ec_task_resume(branch_ops[i]);
}

/* ---- ends and hooks */

static void (*then_later)(struct ec_task *task);

static void fake_rollback(struct ec_task *task, void (*then)(struct ec_task *task))
{
    note("rollback");
    task->tx = NULL;
    waiting = task;
    then_later = then;
}

static void fake_failed(struct ec_task *task, void (*then)(struct ec_task *task))
{
    note("failed");
    note(task->error->name);
    task->error = &ec_error_internal; /* a statement of its own that went wrong */
    task->detail = NULL;
    then(task);
}

static void fake_replied(struct ec_task *task, void (*then)(struct ec_task *task))
{
    note("replied");
    then(task);
}

static int ending; /* what run_end does */

static void run_end(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    if (ending == 0)
        ec_reply(task, &f->out);
    else if (ending == 1)
        ec_fail_with(task, &error_sad);
    else
        waiting = task;
}
static const struct ec_program ends = {.name = "t.Ends", .run = run_end, .frame_size = sizeof(struct frame), .repeat = EC_REPEAT_CLAIM};

static struct ec_task *ending_task(int how, const char *key, bool claimed, bool tx)
{
    struct ec_task *task = new_task(&ends);

    ec_task_hooks = (struct ec_task_hooks){fake_rollback, fake_failed, fake_replied};
    ending = how;
    task->key = ec_str_of(key);
    task->claimed = claimed;
    task->tx = tx ? (struct ec_tx *)task : NULL;
    ec_task_start(task);
    return task;
}

static void stations_of_a_failure(void **state)
{
    (void)state;
    ending_task(1, "k", true, true);
    turn();
    assert_string_equal(trail, "rollback ");
    then_later(waiting);
    assert_string_equal(trail, "rollback failed sad finish sad "); /* and not what the hook left */
}

static void a_failure_without_key(void **state)
{
    (void)state;
    ending_task(1, "", false, false);
    turn();
    assert_string_equal(trail, "finish sad ");
}

static void a_claimed_reply_is_stored(void **state)
{
    struct ec_task *task;

    (void)state;
    ending_task(0, "k", true, false);
    turn();
    assert_string_equal(trail, "replied finish ");
    trail[0] = 0;
    task = ending_task(0, "k", true, false);
    task->settled = true;
    turn();
    assert_string_equal(trail, "finish ");
    trail[0] = 0;
    ending_task(0, "k", false, false);
    turn();
    assert_string_equal(trail, "finish ");
}

static void fake_replied_fails(struct ec_task *task, void (*then)(struct ec_task *task))
{
    ec_task_error(task, &ec_error_unavailable, "no database");
    then(task);
}

static void a_reply_that_cannot_be_stored_fails(void **state)
{
    (void)state;
    ending_task(0, "k", true, false);
    ec_task_hooks.replied = fake_replied_fails;
    turn();
    assert_string_equal(trail, "finish unavailable no database ");
    assert_null(replied_with);
}

static void a_reply_inside_a_transaction_is_a_failure(void **state)
{
    (void)state;
    ending_task(0, "k", true, true);
    turn();
    then_later(waiting);
    assert_string_equal(trail, "rollback failed internal finish internal ");
}

static void ended_from_outside(void **state)
{
    static const int stored = 1;
    struct ec_task *task;

    (void)state;
    task = ending_task(2, "k", true, true);
    turn();
    ec_task_end(task, NULL, &stored, true);
    assert_string_equal(trail, "rollback ");
    then_later(waiting);
    assert_string_equal(trail, "rollback finish accepted ");
    assert_ptr_equal(replied_with, &stored);
}

/* ---- context and deadline */

static void deadlines_and_traces(void **state)
{
    struct ec_task *a = new_task(&two), *b = new_task(&two);

    (void)state;
    assert_true(ec_task_remaining_ms(a) == INT64_MAX && !ec_task_expired(a));
    a->deadline_ns = uv_hrtime() + 5000000000u;
    ec_task_context(b, a);
    assert_in_range(ec_task_remaining_ms(b), 1, 5000);
    assert_memory_equal(a->trace.trace_id, b->trace.trace_id, 16);
    assert_memory_equal(a->trace.span_id, b->trace.span_id, 8); /* on behalf of the same span */
    b->deadline_ns = 1;
    assert_true(ec_task_remaining_ms(b) == 0 && ec_task_expired(b));
    ec_task_free(a);
    ec_task_free(b);
}

/* ---- broken rules end the process with a line that says which */

static void dies(void (*what)(void), const char *line)
{
    char text[1024];
    int out[2], status;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        dup2(out[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        what();
        _exit(0);
    }
    close(out[1]);
    n = read(out[0], text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = 0;
    close(out[0]);
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_non_null(strstr(text, line));
}

static void run_at_once(struct ec_task *task)
{
    ec_task_resume(task);
}
static const struct ec_program at_once = {.name = "t.AtOnce", .run = run_at_once, .frame_size = 8};

static void complete_at_once(void)
{
    ec_task_start(new_task(&at_once));
    turn();
}

static void complete_twice(void)
{
    struct ec_task *task = new_task(&two);

    ec_task_start(task);
    turn();
    turn();
    ec_task_resume_soon(task);
    ec_task_resume_soon(task);
}

static void broken_rules(void **state)
{
    (void)state;
    dies(complete_at_once, "inside the call that started it");
    dies(complete_twice, "completed twice");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(steps_in_turns),
        T(a_caught_error_is_gone),
        T(another_error_ends_it),
        T(a_join_waits_for_all),
        T(a_branch_never_started_is_complete),
        T(a_required_branch_fails_the_join),
        T(an_end_waits_for_branches),
        T(branches_share_the_count_of_ids),
        T(stations_of_a_failure),
        T(a_failure_without_key),
        T(a_claimed_reply_is_stored),
        T(a_reply_that_cannot_be_stored_fails),
        T(a_reply_inside_a_transaction_is_a_failure),
        T(ended_from_outside),
        T(deadlines_and_traces),
        T(broken_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
