/* Passwords: argon2id (libsodium) at OWASP's second setting, m = 19 MiB, t = 2, p = 1, off the loop.
 *
 * A hash takes some 20 ms of a core and 19 MiB, so they go in a lane of their own, and a flood of sign-ins takes the memory of two.
 * A job owns copies of what it works on and wipes them; the task only waits. An absent hash is checked against one that nothing fits,
 * so that an unknown user costs the same.
 */
#include "app.h"
#include "lane.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

enum { MAX_PASSWORD = 4096 };
static const unsigned long long OPS = 2;
static const size_t MEMORY = 19456 * 1024;

/* Of the same cost; salt and digest are zeros, which no password gives. */
static const char nobody[] = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct job {
    struct ec_job base;
    bool verifies, absent, ok;
    char hash[crypto_pwhash_STRBYTES];
    struct ec_str *hash_out;
    bool *verdict_out;
    size_t n;
    char password[]; /* n bytes */
};

static void work(struct ec_job *base)
{
    struct job *job = (struct job *)base;

    if (job->verifies)
        job->ok = crypto_pwhash_str_verify(job->hash, job->password, job->n) == 0;
    else
        job->ok = crypto_pwhash_str(job->hash, job->password, job->n, OPS, MEMORY) == 0;
    sodium_memzero(job->password, job->n);
}

static void dropped(struct ec_job *base)
{
    struct job *job = (struct job *)base;

    sodium_memzero(job->password, job->n);
    sodium_memzero(job->hash, sizeof(job->hash));
    free(job);
}

static void done(struct ec_job *base, int status)
{
    struct job *job = (struct job *)base;
    struct ec_task *task = base->task;

    if (!status) {
        if (job->verifies)
            *job->verdict_out = job->ok && !job->absent;
        else if (job->ok)
            *job->hash_out = ec_arena_copy(task->arena, ec_str_of(job->hash));
        else
            ec_task_error(task, &ec_error_unavailable, "there is no memory for a password's hash");
    }
    dropped(base);
}

static struct ec_lane lane = {
    .work = work,
    .done = done,
    .dropped = dropped,
    .full = "too many passwords wait to be checked",
    .late = "the deadline passed before the password could be checked",
};

static void submit(struct ec_task *task, struct ec_str password, struct ec_str *hash_out, const struct ec_str *hash, bool *verdict_out)
{
    struct job *job;

    if (password.n > MAX_PASSWORD) {
        ec_task_fail_soon(task, &ec_error_invalid, "the password is too long");
        return;
    }
    if (ec_lane_refuses(&lane, task))
        return;
    job = calloc(1, sizeof(*job) + password.n);
    if (!job)
        ec_panic("out of memory");
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
    ec_lane_add(&lane, &job->base, task);
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
    return ec_lane_idle(&lane);
}

const struct ec_module ec_module_password = {.name = "password", .start = password_start, .idle = password_idle};
