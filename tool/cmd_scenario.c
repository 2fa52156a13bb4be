/* ecomc scenario NAME [FILE]: the hops that are derived of a scenario, as an indented list or as the JSON of generated/studio. Without a
 * name: the scenarios there are. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "codegen.h"

static void print_hops(struct ecc_cli *cli, const struct ecc_hops *hops, int depth)
{
    for (size_t i = 0; i < hops->n; i++) {
        const struct ecc_hop *hop = hops->items[i];

        printf("%*s%s -> %s  %s  %s", depth * 2, "", hop->from->name, ecc_hop_to(&cli->arena, hop), hop->label,
               ecc_hop_outcome_name(hop->outcome));
        if (hop->status)
            printf(" %d", hop->status);
        if (hop->error)
            printf(" %s", hop->error->name);
        if (hop->step)
            printf("  %s %s of %s", hop->phase == ECC_HOP_FOR_UNDO ? "undoes" : "step", hop->step->name, hop->saga->name);
        if (hop->attempt > 1)
            printf("  attempt %d", hop->attempt);
        if (hop->opens)
            printf("  opens the breaker");
        if (hop->beside)
            printf("  beside");
        if (hop->many)
            printf("  for each");
        if (hop->near)
            printf("  or from memory");
        putchar('\n');
        print_hops(cli, &hop->hops, depth + 1);
    }
}

static int list(const struct ecc_model *model)
{
    for (size_t i = 0; i < model->nscenarios; i++)
        printf("%s  %s\n", model->scenarios[i]->name, model->scenarios[i]->title);
    return ECC_EXIT_OK;
}

int ecc_cmd_scenario(struct ecc_cli *cli)
{
    struct ecc_topology topology;
    const char **names;
    int code = ecc_cli_options(cli, NULL, 0, 2);

    if (!code && cli->format != ECC_FORMAT_TEXT && cli->format != ECC_FORMAT_JSON)
        return ecc_say_error(ECC_EXIT_USAGE, "scenario has the formats text and json");
    if (!code)
        code = ecc_topology_load(cli, cli->nargs > 1 ? cli->args[1] : "topology.ecom", &topology);
    if (code)
        return code;
    const struct ecc_model *model = topology.model;
    if (!model)
        return ecc_topology_report(cli, &topology);
    if (!cli->nargs)
        return list(model);
    names = ECC_NEW_ARRAY(&cli->arena, const char *, model->nscenarios);
    for (size_t i = 0; i < model->nscenarios; i++) {
        struct ecc_writer w;

        names[i] = model->scenarios[i]->name;
        if (strcmp(names[i], cli->args[0]) != 0)
            continue;
        const struct ecc_derived *derived = ecc_derive(&cli->arena, model, model->scenarios[i]);
        if (cli->format == ECC_FORMAT_TEXT) {
            print_hops(cli, &derived->hops, 0);
            return ECC_EXIT_OK;
        }
        ecc_writer_init(&w, &cli->arena);
        ecc_write_scenario(&cli->arena, &w, derived);
        fputs(w.data, stdout);
        return ECC_EXIT_OK;
    }
    const char *near = ecc_did_you_mean(cli->args[0], names, model->nscenarios);
    return ecc_say_error(ECC_EXIT_FAILED, "there is no scenario '%s'; %s%s%s", cli->args[0],
                         near ? "did you mean " : "`ecomc scenario` lists them", near ? near : "", near ? "?" : "");
}
