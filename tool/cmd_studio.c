/* ecomc studio [FILE] [--port N]: becomes ecom-studio, which stands beside it. */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int ecc_cmd_studio(struct ecc_cli *cli)
{
    const char *port = "3000";
    const struct ecc_option options[] = {{"--port", &port, NULL, NULL}};
    char path[PATH_MAX];
    long number;
    int code = ecc_cli_options(cli, options, 1, 1);

    if (code)
        return code;
    if (!ecc_cli_int(port, 0, 65535, &number))
        return ecc_say_error(ECC_EXIT_USAGE, "--port takes a number from 0 to 65535; 0: any that is free");
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n < 0)
        return ecc_say_error(ECC_EXIT_IO, "/proc/self/exe: %s", strerror(errno));
    path[n] = '\0';
    const char *program = ecc_beside(&cli->arena, path, "ecom-studio"), *file = cli->nargs ? cli->args[0] : "topology.ecom";
    fflush(stdout);
    execl(program, program, file, "--port", port, (char *)NULL);
    return ecc_say_error(ECC_EXIT_IO, "%s: %s", program, strerror(errno));
}
