#include "run.h"
#include "show.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool on_terminal(const struct ecc_up *up)
{
    return up->progress_fd == STDERR_FILENO && isatty(STDERR_FILENO);
}

static const char *state_color(enum ecc_proc_state state)
{
    switch (state) {
    case ECC_PROC_READY:
        return "\033[32m";
    case ECC_PROC_UNREADY:
    case ECC_PROC_BACKOFF:
    case ECC_PROC_FAILED:
        return "\033[31m";
    case ECC_PROC_WAITING:
    case ECC_PROC_STARTING:
    case ECC_PROC_STOPPING:
    case ECC_PROC_ENDED:
        break;
    }
    return "\033[2m";
}

static void line(FILE *out, const struct ecc_up *up, const struct ecc_run *run)
{
    const struct ecc_proc *proc = run->proc;
    char port[16] = "";

    if (proc->shown_port)
        snprintf(port, sizeof port, ":%d", proc->shown_port);
    fprintf(out, "  %-28s %-10s %s%-11s%s %-7s", proc->name, proc->kind, up->color ? state_color(run->state) : "",
            ecc_proc_state_names[run->state], up->color ? "\033[0m" : "", port);
    if (run->restarts)
        fprintf(out, " %d restart%s", run->restarts, run->restarts == 1 ? "" : "s");
    if (run->reason[0] && run->state != ECC_PROC_READY)
        fprintf(out, " %.60s", run->reason);
    fputs("\033[K\n", out);
}

static size_t drawn; /* lines of the table that stand above the cursor */

/* Takes the table away, for a line that is to stay above it. */
void ecc_show_erase(void)
{
    if (drawn)
        fprintf(stderr, "\033[%zuA\033[J", drawn);
    drawn = 0;
}

bool ecc_show_is_drawn(void)
{
    return drawn > 0;
}

/* Redraws the table in place: up as many lines as it has, and over them. On a terminal with fewer rows only what is not ready is named; a
 * line is cut by the terminal (no wrap), so that a line is a row. */
void ecc_show(struct ecc_up *up, bool complete, bool stopping)
{
    struct winsize size = {0};
    size_t rows = 24, shown = 0, ready = 0;

    if (!on_terminal(up) || stopping)
        return;
    if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_row > 2)
        rows = size.ws_row;
    for (size_t i = 0; i < up->runs.n; i++) {
        const struct ecc_run *run = up->runs.items[i];
        shown += run->state != ECC_PROC_ENDED;
        ready += run->state == ECC_PROC_READY;
    }
    bool whole = shown + 2 <= rows;
    if (drawn)
        fprintf(stderr, "\033[%zuA", drawn);
    drawn = 1;
    fprintf(stderr, "\033[?7l%s (%zu of %zu ready)\033[K\n", up->doing ? up->doing : complete ? "running, Ctrl-C stops all of it" : "starting", ready,
            shown);
    for (size_t i = 0; i < up->runs.n && drawn + 1 < rows; i++) {
        const struct ecc_run *run = up->runs.items[i];
        if (run->state == ECC_PROC_ENDED || (!whole && run->state == ECC_PROC_READY))
            continue;
        line(stderr, up, run);
        drawn++;
    }
    fputs("\033[J\033[?7h", stderr);
}

void ecc_show_ready(struct ecc_up *up)
{
    for (size_t i = 0; i < up->runs.n; i++) {
        const struct ecc_proc *proc = up->runs.items[i]->proc;
        if (proc->stage == ECC_STAGE_GATEWAY)
            ecc_up_progress(up, "%s is at http://127.0.0.1:%d", proc->name, proc->shown_port);
        else if (!strcmp(proc->kind, "studio"))
            ecc_up_progress(up, "studio is at http://127.0.0.1:%d", proc->shown_port);
    }
    ecc_up_progress(up, "logs are in %s/logs", up->home);
    ecc_up_progress(up, "ready");
}
