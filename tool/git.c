/* git as a child process, without a shell: words go as they are. What it says on stderr is not shown, we say what it means. */
#include "git.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The exit status, 127 when git can't be run, -1 with errno when its output can't be read. */
static int run(struct ecc_arena *arena, const char *const *argv, char **text, size_t *length)
{
    posix_spawn_file_actions_t actions;
    int ends[2], status = 0;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC))
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int code = posix_spawnp(&pid, "git", &actions, NULL, (char **)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (code) {
        close(ends[0]);
        return 127;
    }
    *text = ecc_read_stream(arena, ends[0], 0, length);
    int saved = errno;
    close(ends[0]); /* one that says too much ends by it */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    errno = saved;
    if (!*text)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static bool failed(int code, const char *what)
{
    if (code == 127)
        ecc_say_error(ECC_EXIT_IO, "git can't be run; install it, or compare with a file: --against FILE");
    else if (code < 0)
        ecc_say_error(ECC_EXIT_IO, "%s: %s", what, strerror(errno));
    else
        ecc_say_error(ECC_EXIT_IO, "git can't show %s; `git show %s` says why", what, what);
    return false;
}

bool ecc_git_knows(struct ecc_cli *cli, const char *folder, const char *ref)
{
    const char *commit = ecc_arena_printf(&cli->arena, "%s^{commit}", ref), *text;
    const char *const argv[] = {"git", "-C", folder, "rev-parse", "--verify", "--quiet", "--end-of-options", commit, NULL};
    size_t length;
    int code = run(&cli->arena, argv, (char **)&text, &length);

    if (code == 127)
        return failed(code, ref);
    if (code)
        ecc_say_error(ECC_EXIT_IO, "--against %s: there is no such file, and git knows no such commit here; `git rev-parse %s` says why",
                      ref, ref);
    return !code;
}

bool ecc_git_read(struct ecc_cli *cli, const char *folder, const char *ref, const char *name, char **text, size_t *length, bool *absent)
{
    const char *object = ecc_arena_printf(&cli->arena, "%s:./%s", ref, name);
    const char *const list[] = {"git", "-C", folder, "ls-tree", "--name-only", "-z", "--end-of-options", ref, name, NULL};
    const char *const show[] = {"git", "-C", folder, "show", "--no-textconv", "--end-of-options", object, NULL};
    int code = run(&cli->arena, list, text, length);

    if (code)
        return failed(code, object);
    *absent = !*length;
    if (*absent)
        return true;
    code = run(&cli->arena, show, text, length);
    return !code || failed(code, object);
}
