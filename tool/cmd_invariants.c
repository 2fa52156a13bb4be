/* ecomc invariants [--record] [--within SECONDS]: waits until nothing is under way in what `up` runs, and checks what must hold then: what
 * the compiler derives, and the topology's own invariants. --record notes from now on what is published, so that the next `invariants` can
 * hold the topics against it. Exit 1 when something does not hold. */
#include "audit/audit.h"

#include <stdio.h>

int ecc_cmd_invariants(struct ecc_cli *cli)
{
    bool record = false;
    const char *within = NULL;
    const struct ecc_option options[] = {{"--record", NULL, &record}, {"--within", &within, NULL}};
    struct ecc_topology topology;
    struct ecc_up up = {.replicas = 1};
    struct ecc_audit_checks checks = {0};
    json_t *state;
    int within_ms, code = ecc_cli_options(cli, options, 2, 1);

    if (code)
        return code;
    if ((code = ecc_audit_within(within, &within_ms)))
        return code;
    if ((code = ecc_topology_load(cli, cli->nargs ? cli->args[0] : "topology.ecom", &topology)))
        return code;
    if (!topology.model)
        return ecc_topology_report(cli, &topology);
    if ((code = ecc_audit_attach(cli, &up, &topology, &state)))
        return code;
    json_decref(state);
    if (record)
        return ecc_audit_begin(&up);
    if ((code = ecc_audit_end(&up, within_ms, &checks)))
        return code;
    if (cli->format == ECC_FORMAT_JSON) {
        json_t *list = ecc_audit_json(&checks);
        json_dumpf(list, stdout, JSON_INDENT(1));
        putchar('\n');
        json_decref(list);
    } else {
        ecc_audit_print(&checks);
    }
    return ecc_audit_violations(&checks) ? ECC_EXIT_FAILED : ECC_EXIT_OK;
}
