/* ecomc fault [TEXT] [FILE] [--end]: breaks a part of what is up on purpose, as the language assumes it (`thing-svc hangs`), until --end.
 * Without TEXT: what is broken; with --end alone: all of it is mended.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "verify/verify.h"

static int list(struct ecc_cli *cli, const struct ecc_up *up)
{
    json_t *faults = ecc_faults_read(up->home), *fault;
    size_t i;

    if (cli->format == ECC_FORMAT_JSON) {
        json_dumpf(faults, stdout, JSON_INDENT(1));
        putchar('\n');
    } else {
        if (!json_array_size(faults))
            puts("nothing is broken on purpose");
        json_array_foreach(faults, i, fault)
        {
            const char *text = json_string_value(json_object_get(fault, "text")), *by = json_string_value(json_object_get(fault, "by"));
            printf("%s (by %s)\n", text ? text : "?", by ? by : "?");
        }
    }
    json_decref(faults);
    return ECC_EXIT_OK;
}

/* What the text means is the language's to say: it is read as if it stood in a scenario. */
static int assumption(struct ecc_cli *cli, struct ecc_topology *topology, const char *text, const struct ecc_assume **out)
{
    int code;

    if (!topology->model->nscenarios)
        return ecc_say_error(ECC_EXIT_FAILED, "the topology has no scenario in which something could be assumed");
    const char *name = topology->model->scenarios[0]->name;
    if ((code = ecc_assume_more(cli, topology, topology->model->scenarios[0], &text, 1)))
        return code;
    for (size_t i = 0; i < topology->model->nscenarios; i++) {
        const struct ecc_scenario *s = topology->model->scenarios[i];
        if (!strcmp(s->name, name) && s->nassumes)
            *out = &s->assumes[s->nassumes - 1];
    }
    return *out ? 0 : ecc_say_error(ECC_EXIT_USAGE, "'%s' is not understood", text);
}

static int change(struct ecc_cli *cli, struct ecc_up *up, struct ecc_topology *topology, const char *text, bool end)
{
    const struct ecc_assume *assume = NULL;
    int code;

    if (!text)
        return ecc_fault_mend(up, "hand", NULL);
    if ((code = assumption(cli, topology, text, &assume)))
        return code;
    up->model = topology->model;
    text = ecc_assume_text(&cli->arena, assume);
    if (end)
        return ecc_is_broken(up, text) ? ecc_fault_mend(up, "hand", text)
                                       : ecc_say_error(ECC_EXIT_FAILED, "`%s` is not so by hand; `ecomc fault` lists what is", text);
    const char *why = ecc_unbreakable(up, assume);
    return why ? ecc_say_error(ECC_EXIT_FAILED, "`%s` can't be made true: %s", text, why) : ecc_break(up, assume, "hand");
}

int ecc_cmd_fault(struct ecc_cli *cli)
{
    struct ecc_up up = {.replicas = 1};
    struct ecc_topology topology;
    json_t *state = NULL;
    bool end = false;
    const struct ecc_option options[] = {{"--end", NULL, &end}};
    int code = ecc_cli_options(cli, options, 1, 2);

    if (code)
        return code;
    if (cli->format != ECC_FORMAT_TEXT && cli->format != ECC_FORMAT_JSON)
        return ecc_say_error(ECC_EXIT_USAGE, "fault has the formats text and json");
    const char *text = cli->nargs && strchr(cli->args[0], ' ') ? cli->args[0] : NULL; /* a file's name has none, an assumption has */
    if (cli->nargs > (text ? 2 : 1))
        return ecc_say_error(ECC_EXIT_USAGE, "fault takes what is to be so, as `assume` has it: ecomc fault 'thing-svc hangs'");
    const char *file = cli->nargs > (text ? 1 : 0) ? cli->args[text ? 1 : 0] : "topology.ecom";
    if ((code = ecc_topology_load(cli, file, &topology)))
        return code;
    if (!topology.model)
        return ecc_topology_report(cli, &topology);
    if ((code = ecc_audit_attach(cli, &up, &topology, &state)))
        return code;
    json_decref(state);
    if (!text && !end)
        return list(cli, &up);
    int lock = ecc_faults_lock(up.home);
    if (lock < 0)
        return ecc_say_error(ECC_EXIT_FAILED, "`ecomc verify` is at work here, and makes faults of its own");
    code = change(cli, &up, &topology, text, end);
    close(lock);
    return code;
}
