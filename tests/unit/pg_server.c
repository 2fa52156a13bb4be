/* Starts and stops PostgreSQL for tests. It refuses to run as root, so as root it runs as user postgres. Stopped by its process id. */
#include "pg_server.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct pg_server {
    char dir[64], url[256];
    pid_t pid;
    struct passwd *user; /* to run as; NULL: as we are */
};

static void die(const char *what)
{
    fprintf(stderr, "pg_server: %s\n", what);
    exit(1);
}

static pid_t spawn(struct pg_server *server, char *const argv[])
{
    pid_t pid = fork();
    int out;

    if (pid != 0)
        return pid;
    out = open("/dev/null", O_WRONLY);
    dup2(out, 1);
    if (!getenv("PG_SERVER_LOG"))
        dup2(out, 2);
    setpgid(0, 0);
    if (chdir("/") != 0 || (server->user && (setgid(server->user->pw_gid) != 0 || setuid(server->user->pw_uid) != 0)))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGINT); /* a test that is killed takes its server along */
    execv(argv[0], argv);
    _exit(127);
}

static bool answers(struct pg_server *server)
{
    return PQping(server->url) == PQPING_OK;
}

static void start_server(struct pg_server *server)
{
    char data[80];
    char *argv[] = {(char *)"/usr/lib/postgresql/15/bin/postgres",
                    (char *)"-D",
                    data,
                    (char *)"-k",
                    server->dir,
                    (char *)"-c",
                    (char *)"listen_addresses=",
                    (char *)"-c",
                    (char *)"max_connections=60",
                    (char *)"-c",
                    (char *)"shared_buffers=32MB",
                    (char *)"-c",
                    (char *)"jit=off",
                    NULL};
    int i;

    snprintf(data, sizeof(data), "%s/data", server->dir);
    server->pid = spawn(server, argv);
    for (i = 0; i < 1500 && !answers(server); i++) {
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid)
            die("the server has ended");
        usleep(20000);
    }
    if (i == 1500)
        die("the server doesn't answer");
}

struct pg_server *pg_server_start(void)
{
    struct pg_server *server = calloc(1, sizeof(*server));
    char data[80];
    char *argv[] = {(char *)"/usr/lib/postgresql/15/bin/initdb",
                    (char *)"-D",
                    data,
                    (char *)"-A",
                    (char *)"trust",
                    (char *)"-U",
                    (char *)"postgres",
                    (char *)"-N",
                    (char *)"--locale=C.UTF-8",
                    (char *)"-E",
                    (char *)"UTF8",
                    (char *)"--wal-segsize=1",
                    NULL};
    int status;
    pid_t pid;

    if (!server)
        die("out of memory");
    if (access(argv[0], X_OK) != 0) {
        free(server);
        return NULL;
    }
    if (getuid() == 0 && !(server->user = getpwnam("postgres")))
        die("there is no user postgres");
    strcpy(server->dir, "/tmp/ecpg-XXXXXX");
    if (!mkdtemp(server->dir))
        die("no folder");
    if (server->user && chown(server->dir, server->user->pw_uid, server->user->pw_gid) != 0)
        die("the folder can't be given away");
    snprintf(data, sizeof(data), "%s/data", server->dir);
    snprintf(server->url, sizeof(server->url), "postgresql:///postgres?host=%s&user=postgres", server->dir);
    pid = spawn(server, argv);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        die("initdb failed");
    start_server(server);
    return server;
}

const char *pg_server_url(struct pg_server *server)
{
    return server->url;
}

void pg_server_halt(struct pg_server *server)
{
    kill(server->pid, SIGINT); /* fast: connections are ended */
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

void pg_server_resume(struct pg_server *server)
{
    start_server(server);
}

void pg_server_restart(struct pg_server *server)
{
    pg_server_halt(server);
    start_server(server);
}

void pg_server_pause(struct pg_server *server)
{
    kill(server->pid, SIGSTOP);
}

void pg_server_go_on(struct pg_server *server)
{
    kill(server->pid, SIGCONT);
}

void pg_server_stop(struct pg_server *server)
{
    char *argv[] = {(char *)"/bin/rm", (char *)"-rf", server->dir, NULL};
    pid_t pid;

    if (!server)
        return;
    if (server->pid)
        pg_server_halt(server);
    server->user = NULL;
    pid = spawn(server, argv);
    waitpid(pid, NULL, 0);
    free(server);
}

char *pg_server_ask(struct pg_server *server, const char *sql)
{
    PGconn *pg = PQconnectdb(server->url);
    PGresult *result = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(result);
    char *text = NULL;

    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
        fprintf(stderr, "%s\n%s", sql, PQerrorMessage(pg));
        abort();
    }
    if (status == PGRES_TUPLES_OK && PQntuples(result) > 0 && !PQgetisnull(result, 0, 0))
        text = strdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(pg);
    return text;
}

long pg_server_count(struct pg_server *server, const char *sql)
{
    char *text = pg_server_ask(server, sql);
    long n = text ? strtol(text, NULL, 10) : -1;

    free(text);
    return n;
}

void pg_server_run(struct pg_server *server, const char *sql)
{
    free(pg_server_ask(server, sql));
}
