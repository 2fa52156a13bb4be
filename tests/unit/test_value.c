/* Values of generated code: text, optional values, ids; trace context. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "app.h"
#include "json.h"
#include "random.h"
#include "trace.h"

static void run(struct ec_task *task)
{
    (void)task;
}
static const struct ec_program program = {.name = "v", .run = run, .frame_size = 16};
static const struct ec_enum color = {"Color", (const char *const[]){"red", "blue"}, 2};
static struct ec_task *task;

static int setup(void **state)
{
    (void)state;
    task = ec_task_new(&ec_app, &program);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ec_task_free(task);
    return 0;
}

static void assert_text(struct ec_str text, const char *expected)
{
    assert_int_equal(text.n, strlen(expected));
    assert_memory_equal(text.p, expected, text.n);
}

static void texts(void **state)
{
    struct ec_uuid uuid = {{1, 2, 3}};

    (void)state;
    assert_text(ec_text_int(task, INT64_MIN), "-9223372036854775808");
    assert_text(ec_text_float(task, 2.5), "2.5");
    assert_text(ec_text_bool(true), "true");
    assert_text(ec_text_uuid(task, uuid), "01020300-0000-0000-0000-000000000000");
    assert_text(ec_text_time(task, 0), "1970-01-01T00:00:00.000000Z");
    assert_text(ec_text_enum(&color, 1), "blue");
    assert_text(ec_text_enum(&color, 2), "");
    assert_text(EC_CONCAT(task, EC_STR("a"), ((struct ec_str){NULL, 0}), EC_STR("bc")), "abc");
    assert_int_equal(ec_text_length(EC_STR("a\xc3\xa9\xf0\x9f\x98\x80")), 3);
    assert_true(ec_str_eq((struct ec_str){NULL, 0}, EC_STR("")));
    assert_int_equal(ec_str_cmp(EC_STR("a"), EC_STR("ab")), -1);
    assert_int_equal(ec_str_cmp(EC_STR("\xff"), EC_STR("a")), 1);
    assert_int_equal(ec_str_cmp(EC_STR("a"), EC_STR("a")), 0);
}

/* Of any length, with any bytes: what counts eight at a time counts as one that counts each. */
static void lengths_of_texts(void **state)
{
    static char text[1200];
    unsigned seed = 3;
    size_t n, i;

    (void)state;
    assert_int_equal(ec_text_length((struct ec_str){NULL, 0}), 0);
    for (i = 0; i < sizeof(text); i++)
        text[i] = (char)(i < 600 ? 0x80 | (rand_r(&seed) >> 4 & 0x3f) : rand_r(&seed) >> 4);
    for (n = 0; n <= sizeof(text); n++) {
        int64_t counted = 0;

        for (i = 0; i < n; i++)
            counted += (text[i] & 0xc0) != 0x80;
        assert_int_equal(ec_text_length((struct ec_str){text, n}), counted);
    }
}

static void optional_values(void **state)
{
    (void)state;
    assert_int_equal(*ec_some_int(task, 5), 5);
    assert_true(*ec_some_float(task, 0.5) == 0.5);
    assert_true(*ec_some_bool(task, true));
    assert_int_equal(*ec_some_enum(task, 3), 3);
    assert_int_equal(ec_some_uuid(task, (struct ec_uuid){{9}})->b[0], 9);
}

static void assert_v7(struct ec_uuid id)
{
    assert_int_equal(id.b[6] >> 4, 7);
    assert_int_equal(id.b[8] >> 6, 2);
}

static void ids_ascend(void **state)
{
    struct ec_uuid before = ec_new_id(NULL), id;
    int64_t ms = 0;
    int i;

    (void)state;
    for (i = 0; i < 6; i++)
        ms = ms << 8 | before.b[i];
    assert_in_range(ec_now() / 1000 - ms, 0, 1000);
    for (i = 0; i < 100000; i++) {
        id = ec_new_id(task);
        assert_v7(id);
        if (memcmp(before.b, id.b, 16) >= 0)
            fail_msg("not ascending after %d ids", i);
        before = id;
    }
}

static void seeded_ids_repeat(void **state)
{
    struct ec_task *other = ec_task_new(&ec_app, &program);
    struct ec_uuid first[100], id;
    int i;

    (void)state;
    task->seed = other->seed = ec_new_id(NULL);
    task->seeded = other->seeded = true;
    for (i = 0; i < 100; i++) {
        first[i] = ec_new_id(task);
        assert_v7(first[i]);
        assert_memory_equal(first[i].b, task->seed.b, 6);
        assert_true(i == 0 || memcmp(first[i - 1].b, first[i].b, 16) < 0);
    }
    for (i = 0; i < 100; i++) {
        id = ec_new_id(other);
        assert_memory_equal(id.b, first[i].b, 16);
    }
    other->ids = 0;
    other->seed.b[15] ^= 1;
    id = ec_new_id(other);
    assert_memory_not_equal(id.b, first[0].b, 16);
    ec_task_free(other);
}

static void a_child_has_its_own_random_bytes(void **state)
{
    uint64_t mine, child;
    int out[2];
    pid_t pid;

    (void)state;
    ec_random_u64();
    assert_int_equal(pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        child = ec_random_u64();
        _exit(write(out[1], &child, sizeof(child)) == sizeof(child) ? 0 : 1);
    }
    mine = ec_random_u64();
    assert_int_equal(read(out[0], &child, sizeof(child)), sizeof(child));
    waitpid(pid, NULL, 0);
    close(out[0]);
    close(out[1]);
    assert_true(mine != child);
    assert_true(ec_random_unit() >= 0 && ec_random_unit() < 1);
}

static void digests(void **state)
{
    uint8_t digest[32];
    char hex[65];

    (void)state;
    ec_sha256("abc", 3, digest);
    ec_hex(digest, 32, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ec_sha256("", 0, digest);
    ec_hex(digest, 4, hex);
    assert_string_equal(hex, "e3b0c442");
}

static void traceparents(void **state)
{
    static const char good[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    static const char *const bad[] = {
        "", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01", "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    };
    struct ec_trace trace, child;
    char text[EC_TRACEPARENT + 1];
    size_t i;

    (void)state;
    assert_true(ec_trace_parse((struct ec_str){good, sizeof(good) - 1}, &trace));
    assert_true(trace.sampled);
    ec_trace_format(&trace, text);
    assert_string_equal(text, good);
    assert_true(ec_trace_parse(EC_STR("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more"), &trace));
    assert_false(trace.sampled);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (ec_trace_parse(ec_str_of(bad[i]), &trace))
            fail_msg("accepted: %s", bad[i]);
    ec_trace_child(&child, &trace);
    assert_memory_equal(child.trace_id, trace.trace_id, 16);
    assert_memory_not_equal(child.span_id, trace.span_id, 8);
    memset(&trace, 0, sizeof(trace));
    ec_trace_child(&child, &trace);
    ec_trace_format(&child, text);
    assert_true(ec_trace_parse(ec_str_of(text), &trace));
}

static void runtime_errors(void **state)
{
    (void)state;
    assert_string_equal(ec_error_unsupported_media.name, "unsupported-media-type");
    assert_int_equal(ec_error_revoked.status, 409);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(texts),   T(lengths_of_texts), T(optional_values), T(ids_ascend),     T(seeded_ids_repeat), T(a_child_has_its_own_random_bytes),
        T(digests), T(traceparents),     T(runtime_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
