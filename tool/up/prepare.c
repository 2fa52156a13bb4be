/* From the command line and a topology to a plan: what `up` does once and `dev` for each text. */
#include "up.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../build.h"
#include "cnames.h"

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

/* What the compiler asks of a person stands where it is to be. */
static int check_custom(struct ecc_up *up)
{
    int code = 0;

    for (size_t i = 0; i < up->model->nnodes; i++) {
        const struct ecc_node *node = up->model->nodes[i];
        for (size_t k = 0; node->kind == ECC_NODE_SERVICE && k < node->u.service.nops; k++) {
            const struct ecc_op *op = node->u.service.ops[k];
            const char *path =
                op->custom ? ecc_arena_printf(up->arena, "custom/%s/%s.c", node->name, ecc_snake(up->arena, op->name)) : NULL;
            if (path && access(ecc_arena_printf(up->arena, "%s/%s", up->root, path), R_OK))
                code = ecc_say_error(ECC_EXIT_FAILED, "%s, where the custom operation %s.%s is written, can't be read: %s", path,
                                     node->name, op->name, strerror(errno));
        }
    }
    return code;
}

int ecc_up_prepare(struct ecc_up *up, struct ecc_cli *cli, struct ecc_topology *topology)
{
    int code;

    up->model = topology->model;
    if ((code = check_custom(up)) || (code = ecc_build_into(cli, topology, ecc_arena_printf(up->arena, "%s/generated", up->root), false)) ||
        (code = ecc_up_keys(up)) || (code = ecc_up_postgres(up)) || (code = ecc_up_kafka(up)) || (code = ecc_up_plan(up)))
        return code;
    return ecc_up_check_ports(up);
}
