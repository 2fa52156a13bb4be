/* One PostgreSQL instance for each service that has a database.
 *
 * initdb runs once, into a template; each instance's folder is a copy of it, which takes a fraction of the time. The server
 * refuses to run as root, so that root uses the account `postgres`. Instances listen on a Unix socket in their own folder only.
 */
#include "up.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const bin_dirs[] = {
    "/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin", "/usr/local/pgsql/bin", "/usr/bin",
};

static const char *find_bin(struct ecc_up *up)
{
    const char *named = getenv("EC_PG_BIN");

    if (named && !access(ecc_arena_printf(up->arena, "%s/postgres", named), X_OK))
        return named;
    for (size_t i = 0; i < sizeof bin_dirs / sizeof bin_dirs[0]; i++)
        if (!access(ecc_arena_printf(up->arena, "%s/postgres", bin_dirs[i]), X_OK))
            return bin_dirs[i];
    return NULL;
}

/* dir lies under database_home. Under /var/tmp anybody may have made that one: it must be ours, or we would hand away what is not. */
static int make_home(struct ecc_up *up, const char *dir)
{
    struct stat st;

    if (up->database_home != up->home) {
        if (mkdir(up->database_home, 0755) && errno != EEXIST)
            return ecc_say_error(ECC_EXIT_IO, "%s: %s", up->database_home, strerror(errno));
        if (lstat(up->database_home, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
            return ecc_say_error(ECC_EXIT_IO, "%s: not a folder of ours alone; remove it", up->database_home);
    }
    if (ecc_up_mkdirs(dir) || (up->switch_user && chown(dir, up->pg_uid, up->pg_gid)) || chmod(dir, 0700))
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", dir, strerror(errno));
    return 0;
}

static int make_template(struct ecc_up *up, const char *dir, const char *log)
{
    const char *made = ecc_arena_printf(up->arena, "%s/template.new", dir), *final = ecc_arena_printf(up->arena, "%s/template", dir);
    const char *argv[] = {ecc_arena_printf(up->arena, "%s/initdb", up->pg_bin), "-D", made, "-U", "postgres", "-A", "trust", "-N",
                          "--locale=C.UTF-8", "-E", "UTF8", "--wal-segsize=1", NULL};

    if (!access(ecc_arena_printf(up->arena, "%s/PG_VERSION", final), F_OK))
        return 0;
    ecc_up_progress(up, "preparing PostgreSQL ...");
    ecc_up_execute(up, (const char *const[]){"rm", "-rf", made, final, NULL}, NULL, log, false);
    if (ecc_up_execute(up, argv, "/", log, true) || rename(made, final))
        return ecc_say_error(ECC_EXIT_FAILED, "the database's initdb failed; see %s", log);
    return 0;
}

int ecc_up_postgres(struct ecc_up *up)
{
    const char *log = ecc_up_path(up, "logs/initdb.log"), *dir = ecc_arena_printf(up->arena, "%s/pg", up->database_home);
    bool any = false;
    int code;

    for (size_t i = 0; i < up->model->nnodes; i++)
        any |= up->model->nodes[i]->kind == ECC_NODE_SERVICE && up->model->nodes[i]->u.service.has_database;
    if (!any)
        return 0;
    up->pg_bin = find_bin(up);
    if (!up->pg_bin)
        return ecc_say_error(ECC_EXIT_FAILED, "PostgreSQL's server is not installed: apt-get install postgresql-15, or name its folder in EC_PG_BIN");
    if ((code = make_home(up, dir)) || (code = make_template(up, dir, log)))
        return code;
    if (up->database_home != up->home) { /* where to look for it */
        const char *link = ecc_arena_printf(up->arena, "%s/pg", up->home);
        unlink(link);
        if (symlink(dir, link))
            return ecc_say_error(ECC_EXIT_IO, "%s: %s", link, strerror(errno));
    }
    for (size_t i = 0; i < up->model->nnodes; i++) {
        const struct ecc_node *node = up->model->nodes[i];
        if (node->kind != ECC_NODE_SERVICE || !node->u.service.has_database)
            continue;
        const char *final = ecc_database_dir(up, node->name), *made = ecc_arena_printf(up->arena, "%s.new", final);
        if (!access(ecc_arena_printf(up->arena, "%s/PG_VERSION", final), F_OK))
            continue;
        const char *remove[] = {"rm", "-rf", made, final, NULL};
        const char *copy[] = {"cp", "-a", "--reflink=auto", ecc_arena_printf(up->arena, "%s/template", dir), made, NULL};
        if (ecc_up_execute(up, remove, NULL, log, false) || ecc_up_execute(up, copy, NULL, log, false) || rename(made, final))
            return ecc_say_error(ECC_EXIT_IO, "%s can't be made; see %s", final, log);
    }
    return 0;
}
