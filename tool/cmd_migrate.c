/* ecomc migrate SERVICE [up|down|status|baseline] [--seed] [--print] [--style dbmate|flyway -o DIR]: the migrations of one service.
 *
 * --print shows the files, --style writes them as another tool wants them (golang-migrate takes them as they are); otherwise the service's
 * own binary does the work (it holds the same files), on DATABASE_URL or, without it, on the database that `up` runs here.
 */
#include "up/up.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lock.h"
#include "outset.h"

static int print(struct ecc_cli *cli, const char *service)
{
    const char *pattern = ecc_arena_printf(&cli->arena, "generated/%s/migrations/*.up.sql", service);
    glob_t found;

    if (glob(pattern, 0, NULL, &found))
        return ecc_say_error(ECC_EXIT_FAILED, "there are no migrations at %s; `ecomc build` writes them", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t n;
        char *text = ecc_read_file(&cli->arena, found.gl_pathv[i], &n);
        if (!text)
            return ecc_say_error(ECC_EXIT_IO, "%s: %s", found.gl_pathv[i], strerror(errno));
        fwrite(text, 1, n, stdout);
    }
    globfree(&found);
    return ECC_EXIT_OK;
}

/* ------------------------------------------------------------------ other tools' files */

/* What stands there already must be the same: another tool has its own record of what it applied. */
static int write_once(struct ecc_cli *cli, const char *path, const char *text)
{
    const char *error = NULL;
    size_t n;
    char *there = ecc_read_file(&cli->arena, path, &n);

    if (there && (n != strlen(text) || memcmp(there, text, n) != 0))
        return ecc_say_error(ECC_EXIT_FAILED, "%s is there and has another text; migrations are never changed", path);
    if (!there && !ecc_write_file(&cli->arena, path, text, strlen(text), &error))
        return ecc_say_error(ECC_EXIT_IO, "%s", error);
    return ECC_EXIT_OK;
}

/* One file with both ways. */
static int write_dbmate(struct ecc_cli *cli, const char *folder, const struct ecc_migration *m)
{
    const char *how = m->no_transaction ? " transaction:false" : "";

    return write_once(cli, ecc_arena_printf(&cli->arena, "%s/%s.sql", folder, m->name),
                      ecc_arena_printf(&cli->arena, "-- migrate:up%s\n%s\n-- migrate:down%s\n%s", how, m->up, how, m->down));
}

/* Versioned migrations; their settings in a file beside those that have any. */
static int write_flyway(struct ecc_cli *cli, const char *folder, const struct ecc_migration *m)
{
    size_t digits = strcspn(m->name, "_");
    const char *path = ecc_arena_printf(&cli->arena, "%s/V%.*s__%s.sql", folder, (int)digits, m->name, m->name + digits + 1);
    int code = write_once(cli, path, m->up);

    if (!code && m->no_transaction)
        code = write_once(cli, ecc_arena_printf(&cli->arena, "%s.conf", path), "executeInTransaction=false\n");
    return code;
}

static int write_style(struct ecc_cli *cli, const char *service, const char *style, const char *folder)
{
    static const struct {
        const char *name;
        int (*write)(struct ecc_cli *, const char *, const struct ecc_migration *);
    } styles[] = {{"dbmate", write_dbmate}, {"flyway", write_flyway}};
    const char *error = NULL;
    size_t length = 0, i;
    int code = ECC_EXIT_OK;

    for (i = 0; i < sizeof styles / sizeof *styles && strcmp(styles[i].name, style) != 0; i++)
        ;
    if (i == sizeof styles / sizeof *styles)
        return ecc_say_error(ECC_EXIT_USAGE,
                             "--style is dbmate or flyway, not '%s'; golang-migrate takes generated/%s/migrations as they are", style,
                             service);
    const char *text = ecc_read_file(&cli->arena, "ecom.lock", &length);
    if (!text)
        return ecc_say_error(ECC_EXIT_IO, "ecom.lock: %s; `ecomc build` writes it", strerror(errno));
    struct ecc_lock *lock = ecc_lock_read(&cli->arena, text, length, &error);
    if (!lock)
        return ecc_say_error(ECC_EXIT_FAILED, "ecom.lock: %s", error);
    if (mkdir(folder, 0777) && errno != EEXIST)
        return ecc_say_error(ECC_EXIT_IO, "%s: %s", folder, strerror(errno));
    const struct ecc_migrations *migrations = &ecc_lock_service(lock, service)->migrations;
    for (size_t k = 0; k < migrations->n && !code; k++)
        code = styles[i].write(cli, folder, migrations->items[k]);
    return code;
}

int ecc_cmd_migrate(struct ecc_cli *cli)
{
    bool seed = false, show = false;
    const char *style = NULL, *folder = NULL;
    const struct ecc_option options[] = {
        {"--seed", NULL, &seed}, {"--print", NULL, &show}, {"--style", &style, NULL}, {"-o", &folder, NULL}};
    struct ecc_topology topology;
    struct ecc_up up = {.replicas = 1};
    int code = ecc_cli_options(cli, options, sizeof options / sizeof *options, 2);

    if (code)
        return code;
    if (!cli->nargs)
        return ecc_say_error(ECC_EXIT_USAGE, "migrate needs a service: ecomc migrate SERVICE [up|down|status|baseline] [--seed]");
    const char *service = cli->args[0], *what = cli->nargs > 1 ? cli->args[1] : "up";
    if (strcmp(what, "up") && strcmp(what, "down") && strcmp(what, "status") && strcmp(what, "baseline"))
        return ecc_say_error(ECC_EXIT_USAGE, "migrate knows up, down, status and baseline, not '%s'", what);
    if (!style != !folder)
        return ecc_say_error(ECC_EXIT_USAGE, "--style and -o go together: in which form, and where to");
    if ((code = ecc_topology_load(cli, "topology.ecom", &topology)) || (code = ecc_topology_report(cli, &topology)))
        return code;
    const struct ecc_node *node = NULL;
    for (size_t i = 0; i < topology.model->nnodes; i++)
        if (!strcmp(topology.model->nodes[i]->name, service) && topology.model->nodes[i]->kind == ECC_NODE_SERVICE)
            node = topology.model->nodes[i];
    if (!node || !node->u.service.has_database)
        return ecc_say_error(ECC_EXIT_FAILED, "%s is not a service with a database", service);
    if (show)
        return print(cli, service);
    if (style)
        return write_style(cli, service, style, folder);

    up.model = topology.model;
    if ((code = ecc_up_layout(&up, cli, "topology.ecom")))
        return code;
    const char *binary = ecc_up_path(&up, "services/%s/%s", service, service);
    if (access(binary, X_OK))
        return ecc_say_error(ECC_EXIT_FAILED, "%s is not built yet; `ecomc up` builds it", service);
    if (!getenv("DATABASE_URL") && !getenv("DATABASE_URL_FILE"))
        setenv("DATABASE_URL", ecc_database_url(&up, service), 1);
    fflush(NULL);
    execl(binary, binary, "migrate", what, seed ? "--seed" : NULL, NULL);
    return ecc_say_error(ECC_EXIT_IO, "%s: %s", binary, strerror(errno));
}
