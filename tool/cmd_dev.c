/* ecomc dev [FILE] [--port-base N] [--replicas N] [--kafka embedded|apache]: like `up`, and takes up each change of the topology.
 *
 * A round goes from one text to what runs: checked, generated, built, and applied to the supervisor, which restarts only what is different.
 * A round that fails says so and leaves everything as it is; what comes in during a round begins another one after it. All of it happens in
 * the supervisor's loop: the build is a child that is waited for by its descriptor, the rest takes some hundredths of a second.
 *
 * A round has an arena of its own, with its model, its generated files and its plan. It goes once no process is of its plan any more and a
 * newer one has been applied.
 */
#include "up/run.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "up/show.h"
#include "up/watch.h"

struct round {
    struct round *older;
    struct ecc_cli cli; /* its arena is the round's */
    struct ecc_up up;
    struct ecc_topology topology;
    struct ecc_up_build build;
    size_t at;                      /* of the build's commands */
    uint64_t began, checked, built; /* ms */
};

struct dev {
    struct ecc_cli *cli;
    struct ecc_up up; /* what does not change: where it lives, how it is run */
    const char *file;
    struct ecc_sup sup;
    struct ecc_watch watch;
    uint64_t seen;          /* how the files looked when the last round began */
    int64_t seen_at;        /* seconds since 1970 */
    struct round *building; /* or NULL */
    struct round *applied;  /* the newest first */
    pid_t child;
    int child_fd;   /* its descriptor, or -1 */
    uv_poll_t poll; /* of that */
    bool told;      /* everything was ready once, and it was said */
    char doing[300];
};

static void look(struct dev *dev);

static uint64_t now(struct dev *dev)
{
    uv_update_time(&dev->sup.loop);
    return uv_now(&dev->sup.loop);
}

/* ------------------------------------------------------------------ rounds */

static struct round *new_round(struct dev *dev)
{
    struct round *round = calloc(1, sizeof *round);

    if (!round)
        abort();
    round->cli = *dev->cli;
    ecc_arena_init(&round->cli.arena);
    round->cli.arena.oom = dev->cli->arena.oom;
    round->up = dev->up;
    round->up.arena = &round->cli.arena;
    round->up.older = dev->applied ? &dev->applied->up : NULL;
    round->began = now(dev);
    return round;
}

static void free_round(struct round *round)
{
    ecc_arena_free(&round->cli.arena);
    free(round);
}

/* The rounds that no process is of any more; the newest stays, for the next one looks at it. */
static void free_old_rounds(struct dev *dev)
{
    for (struct round **at = &dev->applied->older, *round; (round = *at);) {
        if (ecc_sup_uses(&dev->sup, &round->up)) {
            at = &round->older;
            continue;
        }
        *at = round->older;
        free_round(round);
    }
}

static void say_doing(struct dev *dev, const char *what)
{
    snprintf(dev->doing, sizeof dev->doing, "%s %s", what, dev->file);
    dev->up.doing = dev->doing;
}

static void say_waiting(struct dev *dev)
{
    snprintf(dev->doing, sizeof dev->doing, "%s is watched, Ctrl-C stops all", dev->file);
    dev->up.doing = dev->doing;
}

/* Diagnostics have been shown. */
static void give_up_round(struct dev *dev, struct round *round)
{
    bool runs = dev->up.runs.n > 0;

    free_round(round);
    ecc_up_progress(&dev->up,
                    runs ? "%s is not taken up; everything runs on as it is" : "%s can't be brought up yet; waiting until it is mended",
                    dev->file);
    say_waiting(dev);
}

static void on_settled(struct ecc_sup *sup, bool failed)
{
    static const char *const stages[ECC_STAGES + 1] = {"infrastructure", "migrations", "services", "gateways", "stopping"};
    struct dev *dev = sup->data;
    struct round *round = dev->applied;
    struct ecc_arena arena;
    size_t untouched;

    ecc_arena_init(&arena);
    const char *told = ecc_sup_told(sup, &arena, &untouched);
    const char *took = ecc_arena_printf(&arena, "check %.2f s, build %.2f s", (double)round->checked / 1000, (double)round->built / 1000);
    for (size_t i = 0; i <= ECC_STAGES; i++)
        if (sup->took[i] >= 10)
            took = ecc_arena_printf(&arena, "%s, %s %.2f s", took, stages[i], (double)sup->took[i] / 1000);
    double seconds = (double)(now(dev) - round->began) / 1000;
    if (!dev->told && !failed)
        ecc_up_progress(&dev->up, "%zu processes started in %.1f s (%s)", dev->up.runs.n, seconds, took);
    else if (!*told)
        ecc_up_progress(&dev->up, "nothing is different after %.1f s (%s)", seconds, took);
    else
        ecc_up_progress(&dev->up, "%s in %.1f s (%s); %zu other%s untouched", told, seconds, took, untouched, untouched == 1 ? "" : "s");
    if (failed)
        ecc_up_progress(&dev->up, "not all of %s is in force; what is said above has to be mended", dev->file);
    else if (!dev->told)
        ecc_show_ready(&dev->up);
    dev->told |= !failed;
    ecc_arena_free(&arena);
    free_old_rounds(dev);
    say_waiting(dev);
}

/* The build is over: the round's plan is what is to run. */
static void apply(struct dev *dev, struct round *round)
{
    ecc_show_erase();
    if (ecc_up_install(&round->up)) {
        give_up_round(dev, round);
        return;
    }
    if (round->up.brokers && !dev->up.brokers)
        dev->up.brokers = ecc_arena_strdup(dev->up.arena, round->up.brokers);
    round->built = now(dev) - round->began - round->checked;
    round->older = dev->applied;
    dev->applied = round;
    say_doing(dev, "starting what is different in");
    ecc_sup_apply(&dev->sup, &round->up);
}

/* ------------------------------------------------------------------ the build */

static void next_command(struct dev *dev, int code);

static void on_poll_closed(uv_handle_t *handle)
{
    struct dev *dev = handle->data;
    int status;

    close(dev->child_fd);
    dev->child_fd = -1;
    if (dev->sup.stopping)
        return; /* who ends the loop waits for the child */
    while (waitpid(dev->child, &status, 0) < 0 && errno == EINTR)
        continue;
    dev->child = 0;
    next_command(dev, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void on_child_ended(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    uv_close((uv_handle_t *)poll, on_poll_closed);
}

/* code: of the command before, 0 at the beginning. */
static void next_command(struct dev *dev, int code)
{
    struct round *round = dev->building;

    if (code) {
        dev->building = NULL;
        ecc_show_erase();
        ecc_up_build_failed(&round->up, &round->build, code);
        give_up_round(dev, round);
        look(dev);
        return;
    }
    if (round->at == round->build.n) {
        dev->building = NULL;
        if (ecc_watch_look(&dev->watch, 0) != dev->seen) /* there is a newer text, which has all of this one */
            free_round(round);
        else
            apply(dev, round);
        look(dev);
        return;
    }
    dev->child = ecc_up_spawn(&round->up, round->build.commands[round->at++], dev->up.root, round->build.log, false);
    dev->child_fd = dev->child > 0 ? pidfd_open(dev->child, 0) : -1;
    if (dev->child_fd < 0) {
        ecc_say_error(ECC_EXIT_IO, "the build can't be started: %s", strerror(errno));
        ecc_sup_stop(&dev->sup, ECC_EXIT_IO);
        return;
    }
    uv_poll_init(&dev->sup.loop, &dev->poll, dev->child_fd);
    dev->poll.data = dev;
    uv_poll_start(&dev->poll, UV_READABLE, on_child_ended);
}

static void end_build(struct dev *dev)
{
    if (dev->child > 0) {
        kill(dev->child, SIGTERM);
        while (waitpid(dev->child, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    if (dev->child_fd >= 0)
        close(dev->child_fd);
    if (dev->building)
        free_round(dev->building);
}

/* ------------------------------------------------------------------ changes */

/* Checks and generates; the rest follows when the build is over. */
static void begin_round(struct dev *dev)
{
    struct round *round = new_round(dev);

    say_doing(dev, "checking");
    ecc_show_erase();
    if (ecc_topology_load(&round->cli, dev->file, &round->topology) ||
        (!round->topology.model && ecc_topology_report(&round->cli, &round->topology)) ||
        ecc_up_prepare(&round->up, &round->cli, &round->topology)) {
        give_up_round(dev, round);
        return;
    }
    round->up.runs = (struct ecc_runs){0}; /* it was asked for ports that are ours */
    round->checked = now(dev) - round->began;
    say_doing(dev, "building");
    ecc_up_build_begin(&round->up, &round->build);
    dev->building = round;
    next_command(dev, 0);
}

/* Begins a round when the files are others than at the last one's beginning, now or when the build that is on its way is over. */
static void look(struct dev *dev)
{
    if (dev->building || dev->sup.stopping)
        return;
    int64_t at = time(NULL);
    uint64_t seen = ecc_watch_look(&dev->watch, dev->seen_at);
    if (dev->watch.error) {
        ecc_show_erase();
        ecc_sup_stop(&dev->sup,
                     ecc_say_error(ECC_EXIT_IO, "the folder of %s can't be watched: %s%s", dev->file, uv_strerror(dev->watch.error),
                                   dev->watch.error == UV_ENOSPC ? "; raise fs.inotify.max_user_watches" : ""));
        return;
    }
    if (seen == dev->seen)
        return;
    dev->seen = seen;
    dev->seen_at = at;
    begin_round(dev);
}

static void on_changed(void *data)
{
    look(data);
}

int ecc_cmd_dev(struct ecc_cli *cli)
{
    struct dev *dev = ECC_NEW(&cli->arena, struct dev);
    int code = ecc_up_options(cli, &dev->up);

    if (code)
        return code;
    dev->cli = cli;
    dev->child_fd = -1;
    dev->file = cli->nargs ? cli->args[0] : "topology.ecom";
    if ((code = ecc_up_layout(&dev->up, cli, dev->file)) || (code = ecc_up_lock(&dev->up)))
        return code;
    char path[PATH_MAX];
    if (!realpath(dev->file, path))
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", dev->file, strerror(errno));
    const char *name = ecc_arena_strdup(&cli->arena, strrchr(path, '/') + 1);
    dev->sup = (struct ecc_sup){.keeps_on = true, .settled = on_settled, .data = dev};
    ecc_sup_open(&dev->sup, &dev->up);
    ecc_watch_open(&dev->watch, &dev->sup.loop, dev->up.root, name, on_changed, dev);
    look(dev);
    code = ecc_sup_run(&dev->sup);
    ecc_watch_free(&dev->watch);
    end_build(dev);
    for (struct round *round = dev->applied, *older; round; round = older) {
        older = round->older;
        free_round(round);
    }
    return code;
}
