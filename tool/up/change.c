/* See run.h. What a plan changes: which processes differ, who goes first, and what is told of it. A process is known by its name and kind,
 * and differs when it is made of something else (version), or gets other arguments, environment or ports. */
#include "run.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ differences */

enum difference { SAME, RELOAD, RESTART };

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

/* argv[0] of a program of ours has its version in its name. */
static bool same_arguments(const char **a, const char **b)
{
    for (a++, b++; *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return !*a && !*b;
}

static bool same_environment(const struct ecc_proc *a, const struct ecc_proc *b)
{
    if (a->env.n != b->env.n)
        return false;
    for (size_t i = 0; i < a->env.n; i++)
        if (strcmp(a->env.items[i], b->env.items[i]) != 0)
            return false;
    return true;
}

/* Does every topic that both have stay as it is? A line is NAME:PARTITIONS. */
static bool only_adds(const char *was, const char *is)
{
    for (const char *line = was; *line;) {
        size_t n = strcspn(line, "\n"), name = strcspn(line, ":\n") + 1;
        for (const char *other = is; *other;) {
            size_t m = strcspn(other, "\n");
            if (m >= name && n >= name && !strncmp(line, other, name) && (m != n || strncmp(line, other, n) != 0))
                return false;
            other += m + (other[m] != '\0');
        }
        line += n + (line[n] != '\0');
    }
    return true;
}

static enum difference compare(const struct ecc_proc *was, const struct ecc_proc *is)
{
    if (strcmp(was->version, is->version) != 0 || !same_arguments(was->argv, is->argv) || !same_environment(was, is) ||
        was->port != is->port || was->shown_port != is->shown_port || was->stage != is->stage ||
        !same_text(was->probe_path, is->probe_path) || !same_text(was->reload_path, is->reload_path))
        return RESTART;
    if (same_text(was->reload, is->reload))
        return SAME;
    return only_adds(was->reload, is->reload) ? RELOAD : RESTART;
}

/* ------------------------------------------------------------------ a new plan */

static struct ecc_run *find(const struct ecc_runs *runs, const struct ecc_proc *proc)
{
    for (size_t i = 0; i < runs->n; i++)
        if (!strcmp(runs->items[i]->proc->name, proc->name) && !strcmp(runs->items[i]->proc->kind, proc->kind))
            return runs->items[i];
    return NULL;
}

static struct ecc_run *new_run(struct ecc_sup *sup, const struct ecc_proc *proc)
{
    struct ecc_run *run = calloc(1, sizeof *run);

    if (!run)
        abort();
    run->sup = sup;
    run->proc = proc;
    run->proving = true;
    run->touch = proc->once ? ECC_TOUCH_MIGRATED : ECC_TOUCH_STARTED;
    return run;
}

static void become(struct ecc_run *run, const struct ecc_proc *proc)
{
    if (run->restored) /* it is what has worked before */
        run->restored = run->proving = false;
    run->leaving = false;
    run->next = NULL;
    enum difference difference = run->state == ECC_PROC_FAILED ? RESTART : compare(run->proc, proc);
    if (difference == SAME) {
        run->proc = proc;
        return;
    }
    run->next = proc;
    if (difference == RELOAD)
        ecc_run_reload(run);
}

static void leave(struct ecc_run *run)
{
    run->leaving = true;
    run->next = NULL;
    run->touch = ECC_TOUCH_STOPPED;
}

static void push(struct ecc_runs *runs, struct ecc_run *run)
{
    if (runs->n == runs->cap) {
        runs->cap = runs->cap ? 2 * runs->cap : 32;
        runs->items = realloc(runs->items, runs->cap * sizeof runs->items[0]);
        if (!runs->items)
            abort();
    }
    runs->items[runs->n++] = run;
}

void ecc_sup_apply(struct ecc_sup *sup, const struct ecc_up *plan)
{
    struct ecc_runs was = sup->up->runs, is = {0};

    for (size_t i = 0; i < plan->procs.n; i++) {
        struct ecc_run *run = find(&was, plan->procs.items[i]);
        if (run)
            become(run, plan->procs.items[i]);
        else
            run = new_run(sup, plan->procs.items[i]);
        push(&is, run);
    }
    for (size_t i = 0; i < was.n; i++) {
        if (find(&is, was.items[i]->proc) == was.items[i])
            continue;
        leave(was.items[i]);
        push(&is, was.items[i]);
    }
    free(was.items);
    sup->up->runs = is;
    sup->changing = true;
    sup->failed = false;
    sup->stage = 0;
    sup->stage_began = ecc_sup_now(sup);
    memset(sup->took, 0, sizeof sup->took);
    ecc_sup_hurry(sup);
}

/* ------------------------------------------------------------------ bringing it about */

/* One that is not ready has nothing to lose. One that is waits until every other replica is, so that somebody answers. */
bool ecc_sup_may_replace(const struct ecc_run *run)
{
    const struct ecc_runs *runs = &run->sup->up->runs;

    if (run->restored)
        return true;
    if (run->next->stage > run->sup->stage || (run->proc->once && run->alive))
        return false;
    for (size_t i = 0; i < runs->n && run->state == ECC_PROC_READY; i++) {
        const struct ecc_run *other = runs->items[i];
        if (other != run && !strcmp(other->proc->node, run->proc->node) && !strcmp(other->proc->kind, run->proc->kind) && !other->leaving &&
            other->state != ECC_PROC_READY)
            return false;
    }
    return true;
}

void ecc_sup_abandon(struct ecc_sup *sup)
{
    sup->failed = true;
    for (size_t i = 0; i < sup->up->runs.n; i++) {
        struct ecc_run *run = sup->up->runs.items[i];
        if (run->leaving) {
            run->leaving = false;
            run->touch = ECC_TOUCH_NOTHING;
        }
        if (!run->restored)
            run->next = NULL;
        if (run->state == ECC_PROC_WAITING && run->proving && !run->before && !run->started) { /* it never was */
            run->state = ECC_PROC_ENDED;
            run->leaving = true;
            run->touch = ECC_TOUCH_NOTHING;
        }
    }
}

static bool is_awaited(const struct ecc_run *run)
{
    const struct ecc_sup *sup = run->sup;

    if (run->leaving || run->state == ECC_PROC_FAILED || (run->next ? run->next : run->proc)->stage > sup->stage)
        return false;
    if (run->restored && run->state != ECC_PROC_STOPPING)
        return run->state != ECC_PROC_BACKOFF && run->state != ECC_PROC_READY &&
               (!run->alive || ecc_sup_now(sup) - run->started < (uint64_t)run->proc->ready_within_ms);
    if (run->next)
        return true;
    return run->proving && run->state != ECC_PROC_READY && !(run->proc->once && run->state == ECC_PROC_ENDED);
}

/* The last stage's first. True while one of them lives. */
static bool stop_leaving(struct ecc_sup *sup)
{
    int last = -1;

    for (size_t i = 0; i < sup->up->runs.n; i++) {
        struct ecc_run *run = sup->up->runs.items[i];
        if (!run->leaving)
            continue;
        if (!run->alive)
            run->state = ECC_PROC_ENDED;
        else if ((int)run->proc->stage > last)
            last = (int)run->proc->stage;
    }
    for (size_t i = 0; i < sup->up->runs.n; i++) {
        struct ecc_run *run = sup->up->runs.items[i];
        if (run->leaving && run->alive && (int)run->proc->stage == last && run->state != ECC_PROC_STOPPING)
            ecc_run_stop(run);
    }
    return last >= 0;
}

/* Forgets what has gone. */
static void sweep(struct ecc_sup *sup)
{
    struct ecc_runs *runs = &sup->up->runs;
    size_t n = 0;

    for (size_t i = 0; i < runs->n; i++) {
        struct ecc_run *run = runs->items[i];
        if (run->leaving && !run->alive && run->handles == 0)
            free(run);
        else
            runs->items[n++] = run;
    }
    runs->n = n;
}

void ecc_sup_free_runs(struct ecc_sup *sup)
{
    for (size_t i = 0; i < sup->up->runs.n; i++)
        free(sup->up->runs.items[i]);
    free(sup->up->runs.items);
    sup->up->runs = (struct ecc_runs){0};
}

static void settle(struct ecc_sup *sup)
{
    sup->changing = false;
    for (size_t i = 0; i < sup->up->runs.n; i++) {
        struct ecc_run *run = sup->up->runs.items[i];
        run->proving = run->restored = false;
        run->before = NULL;
    }
    ecc_up_clean_programs(sup->up);
    sup->complete |= !sup->failed;
    ecc_state_write(sup->up, sup->complete); /* before anybody who waits for what is said next asks for it */
    if (sup->settled)
        sup->settled(sup, sup->failed);
    for (size_t i = 0; i < sup->up->runs.n; i++)
        sup->up->runs.items[i]->touch = ECC_TOUCH_NOTHING;
}

static void note_time(struct ecc_sup *sup, size_t stage)
{
    sup->took[stage] += ecc_sup_now(sup) - sup->stage_began;
    sup->stage_began = ecc_sup_now(sup);
}

static bool any_is_awaited(const struct ecc_sup *sup)
{
    for (size_t i = 0; i < sup->up->runs.n; i++)
        if (is_awaited(sup->up->runs.items[i]))
            return true;
    return false;
}

void ecc_sup_advance(struct ecc_sup *sup)
{
    if (!sup->changing) {
        sweep(sup);
        return;
    }
    while (!any_is_awaited(sup) && !sup->failed && sup->stage < ECC_STAGES) { /* beyond the last there is only what goes */
        note_time(sup, sup->stage++);
        ecc_sup_hurry(sup); /* for what is of this stage */
    }
    if (any_is_awaited(sup) || (!sup->failed && stop_leaving(sup)))
        return;
    note_time(sup, ECC_STAGES);
    settle(sup);
}

/* ------------------------------------------------------------------ for who has the plans */

bool ecc_sup_uses(const struct ecc_sup *sup, const struct ecc_up *plan)
{
    for (size_t i = 0; i < sup->up->runs.n; i++) {
        const struct ecc_run *run = sup->up->runs.items[i];
        for (size_t k = 0; k < plan->procs.n; k++)
            if (run->proc == plan->procs.items[k] || run->next == plan->procs.items[k] || run->before == plan->procs.items[k])
                return true;
    }
    return false;
}

const char *ecc_sup_told(const struct ecc_sup *sup, struct ecc_arena *arena, size_t *n_untouched)
{
    static const char *const words[] = {
#define X(e, n) n,
        ECC_TOUCHES(X)
#undef X
    };
    const char *told = "";

    *n_untouched = 0;
    for (size_t touch = 0; touch < ECC_TOUCH_N; touch++) {
        const char *names = "";
        for (size_t i = 0; i < sup->up->runs.n; i++) {
            const struct ecc_run *run = sup->up->runs.items[i];
            if ((size_t)run->touch != touch || (run->leaving && touch == ECC_TOUCH_NOTHING) ||
                (run->proc->once && touch != ECC_TOUCH_MIGRATED))
                continue;
            *n_untouched += touch == ECC_TOUCH_NOTHING;
            names = ecc_arena_printf(arena, "%s%s%s", names, *names ? ", " : "", run->proc->once ? run->proc->node : run->proc->name);
        }
        if (*names && touch != ECC_TOUCH_NOTHING)
            told = ecc_arena_printf(arena, "%s%s%s %s", told, *told ? "; " : "", names, words[touch]);
    }
    return told;
}
