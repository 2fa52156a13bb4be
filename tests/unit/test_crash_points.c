/* Crash points at work: an armed one ends the process that passes it first, once, and leaves its trace; all others are only passed. */
#define EC_CRASH_POINTS
#include "../../runtime/crash.c"

#include <setjmp.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "task.h"

static char folder[] = "/tmp/ecom-crash-XXXXXX";
static const struct ec_service service = {.name = "thing-svc"};

static int setup(void **state)
{
    static const char *const names[] = {"armed", "fired", "passed"};
    char path[200];

    (void)state;
    if (!mkdtemp(folder))
        return -1;
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        if (mkdir(path, 0755))
            return -1;
    }
    ec_app.service = &service;
    return setenv("EC_CRASH_DIR", folder, 1);
}

static int teardown(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

static bool is_there(const char *kind, const char *name)
{
    char path[400];

    snprintf(path, sizeof(path), "%s/%s/%s", folder, kind, name);
    return access(path, F_OK) == 0;
}

static void arm(const char *point)
{
    char path[400];
    FILE *file;

    snprintf(path, sizeof(path), "%s/armed/%s", folder, point);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

/* How a process ends that does this; its id. */
static int end_of(void (*what)(void), pid_t *pid)
{
    int status;

    *pid = fork();
    if (*pid == 0) {
        what();
        _exit(7);
    }
    assert_int_equal(waitpid(*pid, &status, 0), *pid);
    return status;
}

static void pass(void)
{
    EC_CRASH_BEFORE("%s.answer", "GET /things");
    EC_CRASH_AFTER("%s.answer", "GET /things");
}

static void test_fires_once(void **state)
{
    char trace[200];
    pid_t pid;
    int status;

    (void)state;
    status = end_of(pass, &pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_true(is_there("passed", "thing-svc:GET |things.answer:before"));
    assert_true(is_there("passed", "thing-svc:GET |things.answer:after"));
    arm("thing-svc:GET |things.answer:after");
    status = end_of(pass, &pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    snprintf(trace, sizeof(trace), "thing-svc:GET |things.answer:after.%ld", (long)pid);
    assert_true(is_there("fired", trace));
    assert_false(is_there("armed", "thing-svc:GET |things.answer:after"));
    status = end_of(pass, &pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

enum { MAKE_START, MAKE_CALL };

static int entered;

static void make_run(struct ec_task *task)
{
    switch (task->step) {
    case 0:
        EC_AWAIT(task, MAKE_CALL, (void)entered++);
        entered = 100;
    }
}

/* An await is named by the label that stands in the code. */
static void step(void)
{
    struct ec_task task = {0};

    make_run(&task);
    if (entered != 1 || task.step != MAKE_CALL)
        _exit(1);
    make_run(&task);
    if (entered != 100)
        _exit(2);
}

static void test_awaits(void **state)
{
    pid_t pid;
    int status = end_of(step, &pid);

    (void)state;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_true(is_there("passed", "thing-svc:MAKE_CALL:before"));
    assert_true(is_there("passed", "thing-svc:MAKE_CALL:after"));
    arm("thing-svc:MAKE_CALL:before");
    status = end_of(step, &pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_programs(void **state)
{
    (void)state;
    assert_string_equal(ec_crash_program(&(struct ec_program){.name = "thing-svc.Make"}), "Make");
    assert_string_equal(ec_crash_program(&(struct ec_program){.name = "thing-svc GET /x"}), "GET /x");
    assert_string_equal(ec_crash_program(&(struct ec_program){.name = "saga step"}), "saga step");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fires_once),
        cmocka_unit_test(test_awaits),
        cmocka_unit_test(test_programs),
    };
    return cmocka_run_group_tests_name("crash points", tests, setup, teardown);
}
