/* Where `up` keeps things, and small file helpers. */
#include "up.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <ctype.h>
#include <grp.h>

#include "show.h"

extern char **environ;

enum {
    LONGEST_SOCKET = 107 - (int)sizeof "/.s.PGSQL.5432" + 1, /* a Unix socket's path has 107 bytes */
    USUAL_NAME = 40, /* room for a service's name: where databases are must not depend on the names that there are just now */
};

int ecc_up_mkdirs(const char *path)
{
    char part[PATH_MAX];
    size_t n = strlen(path);

    if (n >= sizeof part) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(part, path, n + 1);
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p)
            continue;
        char saved = *p;
        *p = '\0';
        if (mkdir(part, 0755) && errno != EEXIST)
            return -1;
        if (!saved) {
            struct stat st;
            if (stat(part, &st))
                return -1;
            errno = ENOTDIR;
            return S_ISDIR(st.st_mode) ? 0 : -1;
        }
        *p = saved;
    }
}

const char *ecc_up_path(struct ecc_up *up, const char *format, ...)
{
    char tail[PATH_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(tail, sizeof tail, format, args);
    va_end(args);
    char *path = ecc_arena_printf(up->arena, "%s/%s", up->home, tail);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    ecc_up_mkdirs(path); /* what fails here is told by whoever opens the file */
    *slash = '/';
    return path;
}

int ecc_write_private(const char *path, const char *text)
{
    char temp[PATH_MAX];
    size_t n = strlen(text), done = 0;

    if (snprintf(temp, sizeof temp, "%s.%d", path, (int)getpid()) >= (int)sizeof temp) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    while (done < n) {
        ssize_t put = write(fd, text + done, n - done);
        if (put < 0 && errno != EINTR)
            break;
        if (put > 0)
            done += (size_t)put;
    }
    if (close(fd) || done < n || rename(temp, path)) {
        int saved = errno;
        unlink(temp);
        errno = saved;
        return -1;
    }
    return 0;
}

void ecc_up_progress(const struct ecc_up *up, const char *format, ...)
{
    char line[2048];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (n < 0)
        return;
    if (n > (int)sizeof line - 2)
        n = sizeof line - 2;
    line[n++] = '\n';
    ecc_show_erase();
    if (up->progress_fd != STDERR_FILENO && write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* the log of a detached supervisor, on a full disk */
    if (write(up->progress_fd, line, (size_t)n) < 0)
        return; /* nobody listens */
}

pid_t ecc_up_spawn(struct ecc_up *up, const char *const *argv, const char *cwd, const char *log, bool as_postgres)
{
    pid_t parent = getpid(), pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_RDONLY), out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
        if (null < 0 || out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
            _exit(126);
        if (as_postgres && up->switch_user && (setgroups(0, NULL) || setgid(up->pg_gid) || setuid(up->pg_uid)))
            _exit(126);
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) || getppid() != parent) /* after setuid, which takes it back */
            _exit(126);
        if (cwd && chdir(cwd))
            _exit(126);
        execvp(argv[0], (char *const *)argv);
        fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    return pid;
}

int ecc_up_execute(struct ecc_up *up, const char *const *argv, const char *cwd, const char *log, bool as_postgres)
{
    pid_t pid = ecc_up_spawn(up, argv, cwd, log, as_postgres);
    int status;

    if (pid < 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

const char *ecc_env_name(struct ecc_arena *arena, const char *node, const char *suffix)
{
    char *name = ecc_arena_printf(arena, "%s%s", node, suffix);

    for (char *p = name; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    return name;
}

const char *ecc_database_url(struct ecc_up *up, const char *service)
{
    const char *dir = ecc_database_dir(up, service);
    char *host = ecc_arena_alloc(up->arena, 3 * strlen(dir) + 1), *to = host;

    for (const char *p = dir; *p; p++)
        to += isalnum((unsigned char)*p) || strchr("/-_.~", *p) ? sprintf(to, "%c", *p) : sprintf(to, "%%%02X", (unsigned char)*p);
    return ecc_arena_printf(up->arena, "postgresql:///postgres?host=%s&user=postgres", host);
}

const char *ecc_database_dir(struct ecc_up *up, const char *service)
{
    return ecc_arena_printf(up->arena, "%s/pg/%s", up->database_home, service);
}

/* Can uid go through every folder of path? */
static bool reachable(const char *path, uid_t uid, gid_t gid)
{
    char part[PATH_MAX];
    struct stat st;

    if (strlen(path) >= sizeof part)
        return false;
    strcpy(part, path);
    for (char *slash = strrchr(part, '/'); slash; slash = strrchr(part, '/')) {
        if (stat(part, &st))
            return false;
        mode_t need = st.st_uid == uid ? S_IXUSR : st.st_gid == gid ? S_IXGRP : S_IXOTH;
        if (!(st.st_mode & need))
            return false;
        *slash = '\0';
        if (slash == part)
            break;
    }
    return true;
}

static uint32_t path_hash(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a: tells checkouts apart, nothing more */

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

static int find_database_home(struct ecc_up *up)
{
    size_t longest = USUAL_NAME;

    if (geteuid() == 0) {
        struct passwd *account = getpwnam("postgres");
        if (!account)
            return ecc_say_error(ECC_EXIT_FAILED, "there is no account 'postgres'; install postgresql-15 (`ecomc doctor` lists what is missing)");
        up->switch_user = true;
        up->pg_uid = account->pw_uid;
        up->pg_gid = account->pw_gid;
    }
    for (size_t i = 0; up->model && i < up->model->nnodes; i++)
        if (strlen(up->model->nodes[i]->name) > longest)
            longest = strlen(up->model->nodes[i]->name);
    up->database_home = up->home;
    if (strlen(up->home) + strlen("/pg/") + longest > LONGEST_SOCKET || (up->switch_user && !reachable(up->home, up->pg_uid, up->pg_gid)))
        up->database_home = ecc_arena_printf(up->arena, "/var/tmp/ecom-%u-%08x", (unsigned)geteuid(), (unsigned)path_hash(up->home));
    return 0;
}

/* Logs of an earlier run may belong to somebody else: said now, in place of a failure that can't be logged. */
static int check_logs(struct ecc_up *up, const char *folder)
{
    glob_t found;
    int code = 0;

    if (access(folder, W_OK | X_OK))
        return ecc_say_error(ECC_EXIT_IO, "the logs can't be written: %s: %s", folder, strerror(errno));
    if (glob(ecc_arena_printf(up->arena, "%s/*.log", folder), 0, NULL, &found))
        return 0;
    for (size_t i = 0; i < found.gl_pathc && !code; i++)
        if (access(found.gl_pathv[i], W_OK))
            code = ecc_say_error(ECC_EXIT_IO, "the log can't be written: %s: %s", found.gl_pathv[i], strerror(errno));
    globfree(&found);
    return code;
}

int ecc_up_layout(struct ecc_up *up, struct ecc_cli *cli, const char *topology)
{
    char path[PATH_MAX];

    up->arena = &cli->arena;
    up->topology = topology;
    up->color = cli->color;
    up->progress_fd = STDERR_FILENO;
    if (!realpath(topology, path))
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", topology, strerror(errno));
    *strrchr(path, '/') = '\0';
    up->root = ecc_arena_strdup(up->arena, path[0] ? path : "/");
    up->home = ecc_arena_printf(up->arena, "%s/.ecom", up->root);

    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n < 0)
        return ecc_say_error(ECC_EXIT_IO, "/proc/self/exe: %s", strerror(errno));
    path[n] = '\0';
    *strrchr(path, '/') = '\0';
    up->bin = ecc_arena_strdup(up->arena, path);
    const char *logs = ecc_arena_printf(up->arena, "%s/logs", up->home), *run = ecc_arena_printf(up->arena, "%s/run", up->home);
    if (ecc_up_mkdirs(logs))
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", logs, strerror(errno));
    if (ecc_up_mkdirs(run))
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", run, strerror(errno));
    int code = check_logs(up, logs);
    return code ? code : find_database_home(up);
}
