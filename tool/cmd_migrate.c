/* ecomc migrate SERVICE [up|down|status] [--seed] [--print]: the migrations of one service.
 *
 * --print shows the files; otherwise the service's own binary does the work (it holds the same files), on DATABASE_URL or, without it, on the
 * database that `up` runs here.
 */
#include "up/up.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

int ecc_cmd_migrate(struct ecc_cli *cli)
{
    bool seed = false, show = false;
    const struct ecc_option options[] = {{"--seed", NULL, &seed}, {"--print", NULL, &show}};
    struct ecc_topology topology;
    struct ecc_up up = {.replicas = 1};
    int code = ecc_cli_options(cli, options, 2, 2);

    if (code)
        return code;
    if (!cli->nargs)
        return ecc_say_error(ECC_EXIT_USAGE, "migrate needs a service: ecomc migrate SERVICE [up|down|status] [--seed] [--print]");
    const char *service = cli->args[0], *what = cli->nargs > 1 ? cli->args[1] : "up";
    if (strcmp(what, "up") && strcmp(what, "down") && strcmp(what, "status"))
        return ecc_say_error(ECC_EXIT_USAGE, "migrate knows up, down and status, not '%s'", what);
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
