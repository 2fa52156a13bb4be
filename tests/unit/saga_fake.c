/* The fake saga. A step is complete in a later turn of the loop, as a call would be. */
#include "saga_fake.h"

#include <sys/mman.h>
#include <unistd.h>

struct token {
    struct ec_str text;
    int64_t n;
};
struct trip {
    struct {
        struct ec_str subject;
        int64_t amount;
    } params;
    struct token first, second;
    struct ec_str error;
};
struct start_frame {
    struct {
        struct ec_str subject;
        int64_t amount;
    } in;
    struct ec_saga_ref ref;
    bool late;
    struct {
        struct ec_str id;
    } out;
};

struct fake *fake;
static const struct ec_error error_full = {"full", 409, "It is full"};
static const struct ec_error error_away = {"away", 503, "It can't be asked"};

static const struct ec_record params_record = {
    .name = "trip",
    .size = sizeof(((struct trip *)0)->params),
    .nfields = 2,
    .fields =
        (const struct ec_field[]){
            {.name = "subject", .kind = EC_TEXT, .offset = offsetof(struct trip, params.subject)},
            {.name = "amount", .kind = EC_INT, .offset = offsetof(struct trip, params.amount)},
        },
};
static const struct ec_record token_record = {
    .name = "Token",
    .size = sizeof(struct token),
    .nfields = 2,
    .fields =
        (const struct ec_field[]){
            {.name = "text", .kind = EC_TEXT, .offset = offsetof(struct token, text)},
            {.name = "n", .kind = EC_INT, .offset = offsetof(struct token, n)},
        },
};
static const struct ec_record id_record = {
    .name = "Id",
    .size = sizeof(struct ec_str),
    .nfields = 1,
    .fields = (const struct ec_field[]){{.name = "id", .kind = EC_TEXT}},
};

void fake_reset(void)
{
    if (!fake)
        fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(fake, 0, sizeof(*fake));
}

void fake_answer(int step, int phase, enum answer answer, int times)
{
    while (times-- > 0)
        fake->steps[step][phase].answers[fake->steps[step][phase].n++] = answer;
}

void fake_prepare(struct pg_server *server)
{
    pg_server_run(server, "CREATE TABLE IF NOT EXISTS effects (subject text, what text, at timestamptz DEFAULT now())");
    pg_server_run(server, "TRUNCATE effects; TRUNCATE ec.saga, ec.saga_step CASCADE; TRUNCATE ec.inbox; TRUNCATE ec.outbox");
}

/* ------------------------------------------------------------------ steps */

struct held {
    uv_timer_t timer;
    struct ec_task *task;
};

static void held_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void look_again(uv_timer_t *timer)
{
    struct held *held = timer->data;
    struct ec_task *task = held->task;

    if (!fake->let_go)
        return;
    uv_close((uv_handle_t *)timer, held_closed);
    task->error = NULL;
    ec_task_resume(task);
}

static void answer(struct ec_task *task, int step, int phase)
{
    static const char *const names[] = {"first", "second", "third"};
    int n = fake->calls[step][phase]++;
    enum answer what = n < fake->steps[step][phase].n ? fake->steps[step][phase].answers[n] : WORKS;
    struct held *held;
    size_t used = strlen(fake->trail);

    if (used < sizeof(fake->trail) - 32)
        snprintf(fake->trail + used, sizeof(fake->trail) - used, "%s%s/%s%s", used ? " " : "", names[step], phase ? "undo" : "do",
                 task->background ? "!" : "");
    if (fake->ncalls < 8)
        snprintf(fake->keys[fake->ncalls], sizeof(fake->keys[0]), "%.*s", (int)task->key.n, task->key.p);
    fake->ncalls++;
    task->unknown = false;
    task->retry_after_s = 0;
    switch (what) {
    case WORKS:
        task->error = NULL;
        ec_task_resume_soon(task);
        return;
    case REFUSES:
        ec_task_fail_soon(task, &error_full, "no room");
        return;
    case UNKNOWN:
        ec_task_fail_soon(task, &error_away, NULL);
        task->unknown = true;
        return;
    case UNSENT:
        ec_task_fail_soon(task, &error_away, NULL);
        task->retry_after_s = 7;
        return;
    case BUSY:
        ec_task_fail_soon(task, &ec_error_conflict, NULL);
        return;
    case HANGS:
        held = calloc(1, sizeof(*held));
        held->task = task;
        uv_timer_init(ec_app.loop, &held->timer);
        held->timer.data = held;
        uv_timer_start(&held->timer, look_again, 5, 5);
        return;
    case DIES:
        _exit(9);
    }
}

static void first_run(struct ec_task *task, void *saga)
{
    struct trip *trip = saga;

    trip->first = (struct token){EC_CONCAT(task, EC_STR("first of "), trip->params.subject), 1};
    answer(task, 0, 0);
}

static void first_undo(struct ec_task *task, void *saga)
{
    (void)saga;
    answer(task, 0, 1);
}

static void second_run(struct ec_task *task, void *saga)
{
    struct trip *trip = saga;

    trip->second = (struct token){EC_CONCAT(task, EC_STR("second after "), trip->first.text), trip->first.n + 1};
    answer(task, 1, 0);
}

static void second_undo(struct ec_task *task, void *saga)
{
    (void)saga;
    answer(task, 1, 1);
}

static void third_run(struct ec_task *task, void *saga)
{
    (void)saga;
    answer(task, 2, 0);
}

/* ------------------------------------------------------------------ done and failed */

struct last_frame {
    struct trip *trip;
};

static const struct ec_sql sql_effect = {.name = "unit.effect", .text = "INSERT INTO effects (subject, what) VALUES ($1, $2)"};

static void done_run(struct ec_task *task)
{
    struct last_frame *f = EC_FRAME(task, struct last_frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_tx_begin(task));
        ec_sql_defer(task, &sql_effect, EC_PARAMS(ec_param_text(f->trip->params.subject), ec_param_text(f->trip->second.text)));
        EC_AWAIT(task, 3, ec_tx_commit(task, NULL, true));
        ec_reply(task, NULL);
    }
}

static void failed_run(struct ec_task *task)
{
    struct last_frame *f = EC_FRAME(task, struct last_frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_tx_begin(task));
        ec_sql_defer(task, &sql_effect, EC_PARAMS(ec_param_text(f->trip->params.subject), ec_param_text(f->trip->error)));
        EC_AWAIT(task, 3, ec_tx_commit(task, NULL, true));
        ec_reply(task, NULL);
    }
}

static const struct ec_program done_program = {
    .name = "unit-svc.trip.done", .run = done_run, .frame_size = sizeof(struct last_frame), .repeat = EC_REPEAT_ATOMIC};
static const struct ec_program failed_program = {
    .name = "unit-svc.trip.failed", .run = failed_run, .frame_size = sizeof(struct last_frame), .repeat = EC_REPEAT_ATOMIC};

#define TRIP(v)                                                                                                                           \
    {                                                                                                                                     \
        .name = "trip", .version = v, .state = &params_record, .size = sizeof(struct trip), .error_offset = offsetof(struct trip, error), \
        .steps =                                                                                                                          \
            (const struct ec_saga_step[]){                                                                                                \
                {"first", first_run, first_undo, "fake.First", "fake.Unfirst", &token_record, offsetof(struct trip, first), true},        \
                {"second", second_run, second_undo, "fake.Second", "fake.Unsecond", &token_record, offsetof(struct trip, second), true},  \
                {"third", third_run, NULL, "fake.Third", NULL, NULL, 0, true},                                                            \
            },                                                                                                                            \
        .nsteps = 3, .done = &done_program, .failed = &failed_program,                                                                    \
        .errors = (const struct ec_error *const[]){&error_full, &error_away, NULL},                                                       \
    }
const struct ec_saga trip_saga = TRIP(1), trip_saga_v2 = TRIP(2);
const struct ec_saga bare_saga = {
    .name = "bare",
    .version = 1,
    .state = &params_record,
    .size = sizeof(struct trip),
    .error_offset = offsetof(struct trip, error),
    .steps = (const struct ec_saga_step[]){{"only", third_run, NULL, "fake.Only", NULL, NULL, 0, false}},
    .nsteps = 1,
};
const struct ec_saga *const fake_sagas[] = {&trip_saga, &bare_saga, NULL};

/* ------------------------------------------------------------------ the starter */

static void start_run(struct ec_task *task)
{
    struct start_frame *f = EC_FRAME(task, struct start_frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_claim(task));
        EC_AWAIT(task, 2, ec_tx_begin(task));
        ec_saga_start(task, task->program == &start_program ? &trip_saga : &bare_saga, &f->in, &f->ref);
        EC_AWAIT(task, 3, ec_tx_commit(task, NULL, true));
        f->out.id = ec_text_uuid(task, f->ref.id);
        EC_AWAIT(task, 4, ec_saga_await(task, &f->ref, &f->late));
        if (f->late)
            ec_accept(task, &f->out);
        else
            ec_reply(task, &f->out);
    }
}

#define START(name_)                                                                                                        \
    {                                                                                                                       \
        .name = name_, .run = start_run, .frame_size = sizeof(struct start_frame), .in = &params_record, .out = &id_record, \
        .errors = (const struct ec_error *const[]){&error_full, NULL}, .repeat = EC_REPEAT_CLAIM,                           \
    }
const struct ec_program start_program = START("unit-svc.Start"), start_bare_program = START("unit-svc.StartBare");

/* One transaction, which does not wait for the saga. */
static void start_only_run(struct ec_task *task)
{
    struct start_frame *f = EC_FRAME(task, struct start_frame);

    switch (task->step) {
    case 0:
        EC_AWAIT(task, 1, ec_tx_begin(task));
        ec_saga_start(task, &trip_saga, &f->in, &f->ref);
        f->out.id = ec_text_uuid(task, f->ref.id);
        EC_AWAIT(task, 2, ec_tx_commit(task, &f->out, true));
        ec_reply(task, &f->out);
    }
}

const struct ec_program start_only_program = {
    .name = "unit-svc.StartOnly",
    .run = start_only_run,
    .frame_size = sizeof(struct start_frame),
    .in = &params_record,
    .out = &id_record,
    .repeat = EC_REPEAT_ATOMIC,
};

struct ec_task *fake_start(const struct ec_program *program, struct ended *ended, const char *key, int deadline_ms)
{
    struct ec_task *task = db_task(program, ended);
    struct start_frame *f = task->frame;

    f->in.subject = EC_STR("s \"1\"");
    f->in.amount = 42;
    task->deadline_ns = uv_hrtime() + (uint64_t)deadline_ms * 1000000;
    db_key(task, key, NULL);
    ec_task_start(task);
    return task;
}

/* ------------------------------------------------------------------ what tests of sagas do */

const struct ec_module *const fake_modules[] = {&ec_module_saga, NULL};

void fake_begin(void)
{
    fake_reset();
    fake_prepare(db_server);
    db_service.sagas = fake_sagas;
    db_open(fake_modules);
}

void fake_until_ended(void)
{
    DB_UNTIL(pg_server_count(db_server, "SELECT count(*) FROM ec.saga WHERE state NOT IN ('done', 'failed')") == 0);
    DB_UNTIL(ec_module_saga.idle(&ec_app)); /* the answer of the last commit has come */
}

void fake_assert_asked(const char *sql, const char *expected)
{
    char *text = pg_server_ask(db_server, sql);

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}
