/* Work off the loop: another thread does it, the loop goes on meanwhile, the queue is bounded, and what comes too late is not begun. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app.h"

struct frame { pthread_t thread; };
enum { START, DONE };

static uv_loop_t loop;
static uv_sem_t go;
static int finished, elsewhere, refused, late;

static void wait_for_go(void *data)
{
    struct frame *f = data;

    uv_sem_wait(&go);
    f->thread = pthread_self();
}

static void run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case START:
        EC_AWAIT(task, DONE, ec_work(task, wait_for_go, f));
        elsewhere += !pthread_equal(f->thread, pthread_self());
        ec_reply(task, NULL);
    }
}
static const struct ec_program program = {.name = "t.Work", .run = run, .frame_size = sizeof(struct frame)};

static void on_finish(struct ec_task *task)
{
    finished++;
    refused += task->error == &ec_error_unavailable && task->retry_after_s == 1;
    late += task->error == &ec_error_timeout;
    ec_task_free(task);
}

static void begin(uint64_t deadline_ns)
{
    struct ec_task *task = ec_task_new(&ec_app, &program);

    task->finish = on_finish;
    task->deadline_ns = deadline_ns;
    ec_task_start(task);
}

static void until_done(void)
{
    while (ec_tasks_live)
        uv_run(&loop, UV_RUN_ONCE);
}

static void the_loop_goes_on(void **state)
{
    (void)state;
    finished = elsewhere = 0;
    begin(0);
    for (int i = 0; i < 100; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(finished, 0);
    uv_sem_post(&go);
    until_done();
    assert_int_equal(finished, 1);
    assert_int_equal(elsewhere, 1);
}

static void the_queue_is_bounded(void **state)
{
    (void)state;
    finished = elsewhere = refused = 0;
    for (int i = 0; i < 80; i++)
        begin(0);
    while (finished < 80 - 2 - 64)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(refused, 80 - 2 - 64);
    for (int i = 0; i < 66; i++)
        uv_sem_post(&go);
    until_done();
    assert_int_equal(elsewhere, 66);
}

static void what_is_late_is_not_begun(void **state)
{
    (void)state;
    finished = elsewhere = late = 0;
    for (int i = 0; i < 6; i++)
        begin(i < 2 ? 0 : 1);
    uv_sem_post(&go);
    uv_sem_post(&go);
    until_done();
    assert_int_equal(elsewhere, 2);
    assert_int_equal(late, 4);
}

static int group_setup(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    ec_app.loop = &loop;
    return uv_sem_init(&go, 0);
}

static int group_teardown(void **state)
{
    (void)state;
    ec_tasks_stop();
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_sem_destroy(&go);
    return uv_loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loop_goes_on), cmocka_unit_test(the_queue_is_bounded), cmocka_unit_test(what_is_late_is_not_begun)};

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
