/* ecomc dead-letters SERVICE list|show|replay ...: the dead letters of one service's groups.
 *
 * The service's own binary does the work, for it knows its topics and groups, on KAFKA_BROKERS or, without it, on the bus of what `up` runs
 * here.
 */
#include "up/up.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct ecc_node *consumer_named(const struct ecc_model *model, const char *name)
{
    for (size_t i = 0; i < model->nnodes; i++) {
        const struct ecc_node *node = model->nodes[i];
        if (!strcmp(node->name, name) && node->kind == ECC_NODE_SERVICE && node->u.service.nconsumers > 0)
            return node;
    }
    return NULL;
}

int ecc_cmd_dead_letters(struct ecc_cli *cli)
{
    const char *limit = NULL;
    bool all = false;
    const struct ecc_option options[] = {{"--limit", &limit, NULL}, {"--all", NULL, &all}};
    struct ecc_topology topology;
    struct ecc_up up = {.replicas = 1};
    int code = ecc_cli_options(cli, options, 2, 3);

    if (code)
        return code;
    if (cli->nargs < 2)
        return ecc_say_error(ECC_EXIT_USAGE, "dead-letters needs a service and what to do: ecomc dead-letters SERVICE "
                                             "list [--limit N] | show ID | replay ID | replay --all  [--format json]");
    if (cli->format != ECC_FORMAT_TEXT && cli->format != ECC_FORMAT_JSON)
        return ecc_say_error(ECC_EXIT_USAGE, "dead-letters are shown as text or json");
    const char *service = cli->args[0];
    if ((code = ecc_topology_load(cli, "topology.ecom", &topology)))
        return code;
    if (!topology.model) /* warnings are for `check` and `build` */
        return ecc_topology_report(cli, &topology);
    if (!consumer_named(topology.model, service))
        return ecc_say_error(ECC_EXIT_FAILED, "%s is not a service that consumes events", service);

    up.model = topology.model;
    if ((code = ecc_up_layout(&up, cli, "topology.ecom")))
        return code;
    const char *binary = ecc_up_path(&up, "services/%s/%s", service, service);
    if (access(binary, X_OK))
        return ecc_say_error(ECC_EXIT_FAILED, "%s is not built yet; `ecomc up` builds it", service);
    if (!getenv("KAFKA_BROKERS") && !getenv("KAFKA_BROKERS_FILE")) {
        const char *brokers = ecc_up_brokers(&up);
        if (!brokers)
            return ecc_say_error(ECC_EXIT_FAILED, "no bus is up here; start it with `ecomc up`, or name one in KAFKA_BROKERS");
        setenv("KAFKA_BROKERS", brokers, 1);
    }
    const char *argv[9] = {binary, "dead-letters"};
    size_t n = 2;
    for (int i = 1; i < cli->nargs; i++)
        argv[n++] = cli->args[i];
    if (all)
        argv[n++] = "--all";
    if (limit)
        argv[n++] = ecc_arena_printf(&cli->arena, "--limit=%s", limit);
    if (cli->format == ECC_FORMAT_JSON)
        argv[n++] = "--format=json";
    fflush(NULL);
    execv(binary, (char *const *)(uintptr_t)argv);
    return ecc_say_error(ECC_EXIT_IO, "%s: %s", binary, strerror(errno));
}
