/* ecomc check [FILE]: every diagnostic, nothing written. */
#include "cli.h"

int ecc_cmd_check(struct ecc_cli *cli)
{
    struct ecc_topology topology;
    int code = ecc_cli_options(cli, NULL, 0, 1);

    if (!code)
        code = ecc_topology_load(cli, cli->nargs ? cli->args[0] : "topology.ecom", &topology);
    return code ? code : ecc_topology_report(cli, &topology);
}
