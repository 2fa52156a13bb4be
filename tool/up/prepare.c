/* From the command line and a topology to a plan: what `up` does once and `dev` for each text. */
#include "up.h"

#include <stdlib.h>
#include <string.h>

#include "../build.h"

static int milliseconds(const char *name, const char *usual, int *out)
{
    const char *text = getenv(name);
    long number;

    if (!ecc_cli_int(text && *text ? text : usual, 100, 3600 * 1000, &number))
        return ecc_say_error(ECC_EXIT_USAGE, "%s is a number of milliseconds from 100 to 3600000, not '%s'", name, text);
    *out = (int)number;
    return 0;
}

int ecc_up_options(struct ecc_cli *cli, struct ecc_up *up)
{
    const char *base = "0", *replicas = "1", *kafka = NULL, *outside = getenv("KAFKA_BROKERS");
    const struct ecc_option options[] = {
        {"--port-base", &base, NULL},
        {"--replicas", &replicas, NULL},
        {"--kafka", &kafka, NULL},
        {"--detach", NULL, &up->detach}, /* last: it is of `up` alone */
    };
    long number;
    int code = ecc_cli_options(cli, options, strcmp(cli->command, "up") ? 3 : 4, 1);

    if (code)
        return code;
    if (!ecc_cli_int(base, 0, 50000, &number))
        return ecc_say_error(ECC_EXIT_USAGE, "--port-base takes a number from 0 to 50000");
    up->port_base = (int)number;
    if (!ecc_cli_int(replicas, 1, 4, &number))
        return ecc_say_error(ECC_EXIT_USAGE, "--replicas takes a number from 1 to 4");
    up->replicas = (int)number;
    if ((code = milliseconds("EC_READY_MS", "30000", &up->ready_ms)) || (code = milliseconds("EC_BACKOFF_MS", "10000", &up->backoff_ms)))
        return code;
    if (kafka && strcmp(kafka, "embedded") && strcmp(kafka, "apache"))
        return ecc_say_error(ECC_EXIT_USAGE, "--kafka takes embedded or apache");
    up->kafka = kafka ? kafka : "embedded";
    if (!kafka && outside && *outside) {
        up->brokers = outside;
        up->kafka = NULL;
    }
    return 0;
}

int ecc_up_prepare(struct ecc_up *up, struct ecc_cli *cli, struct ecc_topology *topology)
{
    int code;

    up->model = topology->model;
    if ((code = ecc_build_into(cli, topology, ecc_arena_printf(up->arena, "%s/generated", up->root), false)) || (code = ecc_up_keys(up)) ||
        (code = ecc_up_postgres(up)) || (code = ecc_up_kafka(up)) || (code = ecc_up_plan(up)))
        return code;
    return ecc_up_check_ports(up);
}
