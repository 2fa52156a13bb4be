/* ecomc version */
#include "cli.h"

#include <stdio.h>

int ecc_cmd_version(struct ecc_cli *cli)
{
    int code = ecc_cli_options(cli, NULL, 0, 0);

    if (!code)
        puts("ecomc " ECC_VERSION);
    return code;
}
