/* Passwords: hash and verify off the loop, absent hashes, the bounded queue, deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app.h"

struct frame {
    struct ec_str password, hash;
    bool verifies, verdict;
};
enum { START, DONE };

static uv_loop_t loop;
static char hash[200];
static int finished, refused, late, right;

static void start(struct ec_task *task, struct frame *f)
{
    if (f->verifies)
        ec_password_verify(task, f->password, f->hash, &f->verdict);
    else
        ec_password_hash(task, f->password, &f->hash);
}

static void run(struct ec_task *task)
{
    struct frame *f = EC_FRAME(task, struct frame);

    switch (task->step) {
    case START:
        EC_AWAIT(task, DONE, start(task, f));
        if (!f->verifies)
            snprintf(hash, sizeof(hash), "%.*s", (int)f->hash.n, f->hash.p);
        right += f->verdict;
        ec_reply(task, NULL);
        return;
    }
}
static const struct ec_program program = {.name = "t.Password", .run = run, .frame_size = sizeof(struct frame)};

static void on_finish(struct ec_task *task)
{
    finished++;
    refused += task->error == &ec_error_unavailable && task->retry_after_s == 1;
    late += task->error == &ec_error_timeout;
    ec_task_free(task);
}

static struct ec_task *begin(const char *password, const char *against, bool verifies)
{
    struct ec_task *task = ec_task_new(&ec_app, &program);
    struct frame *f = EC_FRAME(task, struct frame);

    task->finish = on_finish;
    f->password = ec_arena_copy(task->arena, ec_str_of(password));
    f->hash = ec_arena_copy(task->arena, ec_str_of(against));
    f->verifies = verifies;
    ec_task_start(task);
    return task;
}

static void until_done(void)
{
    while (ec_tasks_live)
        uv_run(&loop, UV_RUN_ONCE);
    assert_true(ec_module_password.idle(&ec_app));
}

static int verify(const char *password, const char *against)
{
    right = 0;
    begin(password, against, true);
    until_done();
    return right;
}

static void hash_and_verify(void **state)
{
    char first[200];

    (void)state;
    begin("correct horse", NULL, false);
    until_done();
    assert_int_equal(strncmp(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31), 0);
    strcpy(first, hash);
    begin("correct horse", NULL, false);
    until_done();
    assert_string_not_equal(first, hash); /* salted */
    assert_int_equal(verify("correct horse", first), 1);
    assert_int_equal(verify("correct hors", first), 0);
    assert_int_equal(verify("", first), 0);
    assert_int_equal(verify("correct horse", ""), 0);
    assert_int_equal(verify("correct horse", "$argon2id$nonsense"), 0);
}

static double seconds_of(const char *against)
{
    uint64_t before = uv_hrtime();

    assert_int_equal(verify("some password", against), 0);
    return (double)(uv_hrtime() - before) * 1e-9;
}

static void an_absent_hash_costs_the_same(void **state)
{
    double with, without;

    (void)state;
    assert_int_equal(verify("", NULL), 0);
    seconds_of(NULL);
    with = seconds_of(hash);
    without = seconds_of(NULL);
    assert_true(without > with / 5); /* not the microseconds of a refusal; loose, since other work runs beside */
}

static void the_queue_is_bounded(void **state)
{
    int i;

    (void)state;
    finished = refused = 0;
    for (i = 0; i < 80; i++)
        begin("flood", hash, true);
    until_done();
    assert_int_equal(finished, 80);
    assert_int_equal(refused, 80 - 2 - 64);
}

static void a_late_job_is_not_begun(void **state)
{
    int i;

    (void)state;
    finished = late = 0;
    for (i = 0; i < 6; i++)
        begin("slow", hash, true)->deadline_ns = i < 2 ? 0 : 1;
    until_done();
    assert_int_equal(finished, 6);
    assert_int_equal(late, 4);
}

static void too_long(void **state)
{
    char *password = calloc(1, 5001);

    (void)state;
    memset(password, 'x', 5000);
    finished = 0;
    assert_int_equal(verify(password, hash), 0);
    assert_int_equal(finished, 1);
    free(password);
}

static int group_setup(void **state)
{
    const char *why = NULL;

    (void)state;
    uv_loop_init(&loop);
    ec_app.loop = &loop;
    return ec_module_password.start(&ec_app, &why);
}

static int group_teardown(void **state)
{
    (void)state;
    ec_tasks_stop();
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_and_verify), cmocka_unit_test(an_absent_hash_costs_the_same), cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(a_late_job_is_not_begun), cmocka_unit_test(too_long),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
