/* Passwords: argon2id (libsodium) at OWASP's second setting, m = 19 MiB, t = 2, p = 1, off the loop.
 *
 * A hash takes some 20 ms of a core and 19 MiB: at most two run at once, the others wait in a queue of 64, and beyond that the answer is
 * "unavailable, come again" at once, so that a flood of sign-ins neither takes the memory nor the thread pool that other modules need.
 * A job owns copies of what it works on and wipes them; the task only waits. An absent hash is checked against one that nothing fits,
 * so that an unknown user costs the same.
 */
#include "app.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

enum { MAX_RUNNING = 2, MAX_WAITING = 64, MAX_PASSWORD = 4096 };
static const unsigned long long OPS = 2;
static const size_t MEMORY = 19456 * 1024;

/* Of the same cost; salt and digest are zeros, which no password gives. */
static const char nobody[] = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct job {
    uv_work_t work;
    struct job *next;
    struct ec_task *task;
    bool verifies, absent, ok;
    char hash[crypto_pwhash_STRBYTES];
    struct ec_str *hash_out;
    bool *verdict_out;
    size_t n;
    char password[]; /* n bytes */
};

static struct job *first, **last = &first;
static int running, waiting;

static void run_next(void);

static void work(uv_work_t *request)
{
    struct job *job = (struct job *)request;

    if (job->verifies)
        job->ok = crypto_pwhash_str_verify(job->hash, job->password, job->n) == 0;
    else
        job->ok = crypto_pwhash_str(job->hash, job->password, job->n, OPS, MEMORY) == 0;
    sodium_memzero(job->password, job->n);
}

static void job_free(struct job *job)
{
    sodium_memzero(job->password, job->n);
    sodium_memzero(job->hash, sizeof(job->hash));
    free(job);
}

static void done(uv_work_t *request, int status)
{
    struct job *job = (struct job *)request;
    struct ec_task *task = job->task;

    running--;
    task->error = NULL;
    task->rows = 0;
    if (status)
        ec_task_error(task, &ec_error_unavailable, "the process is stopping");
    else if (job->verifies)
        *job->verdict_out = job->ok && !job->absent;
    else if (job->ok)
        *job->hash_out = ec_arena_copy(task->arena, ec_str_of(job->hash));
    else
        ec_task_error(task, &ec_error_unavailable, "there is no memory for a password's hash");
    job_free(job);
    run_next();
    ec_task_resume(task);
}

static void run_next(void)
{
    while (first && running < MAX_RUNNING) {
        struct job *job = first;

        first = job->next;
        if (!first)
            last = &first;
        waiting--;
        if (ec_task_expired(job->task)) {
            ec_task_fail_soon(job->task, &ec_error_timeout, "the deadline passed before the password could be checked");
            job_free(job);
            continue;
        }
        running++;
        if (uv_queue_work(job->task->app->loop, &job->work, work, done))
            ec_panic("uv_queue_work takes no work");
    }
}

static void submit(struct ec_task *task, struct ec_str password, struct ec_str *hash_out, const struct ec_str *hash, bool *verdict_out)
{
    struct job *job;

    if (password.n > MAX_PASSWORD) {
        ec_task_fail_soon(task, &ec_error_invalid, "the password is too long");
        return;
    }
    if (waiting >= MAX_WAITING) {
        task->retry_after_s = 1;
        ec_task_fail_soon(task, &ec_error_unavailable, "too many passwords wait to be checked");
        return;
    }
    job = calloc(1, sizeof(*job) + password.n);
    if (!job)
        ec_panic("out of memory");
    job->task = task;
    job->hash_out = hash_out;
    job->verdict_out = verdict_out;
    job->verifies = hash != NULL;
    if (hash) {
        job->absent = !hash->p || hash->n >= sizeof(job->hash);
        if (job->absent)
            memcpy(job->hash, nobody, sizeof(nobody));
        else
            memcpy(job->hash, hash->p, hash->n);
    }
    job->n = password.n;
    if (password.n)
        memcpy(job->password, password.p, password.n);
    *last = job;
    last = &job->next;
    waiting++;
    run_next();
}

void ec_password_hash(struct ec_task *task, struct ec_str password, struct ec_str *out)
{
    submit(task, password, out, NULL, NULL);
}

void ec_password_verify(struct ec_task *task, struct ec_str password, struct ec_str hash, bool *out)
{
    *out = false;
    submit(task, password, NULL, &hash, out);
}

static int password_start(struct ec_app *app, const char **why)
{
    (void)app;
    if (sodium_init() >= 0)
        return 0;
    *why = "libsodium could not be initialised";
    return -1;
}

static bool password_idle(struct ec_app *app)
{
    (void)app;
    return running == 0 && waiting == 0;
}

const struct ec_module ec_module_password = {.name = "password", .start = password_start, .idle = password_idle};
