/* ecomc build [FILE] [-o DIR] [--check]: the generated folder, and ecom.lock beside the topology. `--crash-points FILE` and `--statements
 * FILE` write the list of crash points, or of SQL statements, instead and nothing else.
 *
 * Everything is made in memory first; nothing is written when there was an error. --check writes nothing and exits with 2 where it would.
 */
#include "build.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codegen.h"

static void show(const struct ecc_outset_report *report, const char *folder, FILE *out)
{
    static const char *const words[] = {"add", "change", "remove"};

    for (size_t i = 0; i < report->n; i++)
        fprintf(out, "%-6s %s/%s\n", words[report->items[i].kind], folder, report->items[i].path);
}

static int write_lists(struct ecc_cli *cli, struct ecc_topology *topology, const char *points, const char *statements)
{
    struct ecc_outset out;
    struct ecc_codegen cg = {
        .arena = &cli->arena,
        .model = topology->model,
        .diags = &topology->diags,
        .out = &out,
        .wants_lists = true,
    };
    const char *error = NULL;

    ecc_outset_init(&out, &cli->arena);
    if (!ecc_codegen(&cg))
        return ecc_say_error(ECC_EXIT_INTERNAL, "%s", out.error ? out.error : "the generation failed without saying why");
    if ((points && !ecc_write_file(&cli->arena, points, cg.crash_points, strlen(cg.crash_points), &error)) ||
        (statements && !ecc_write_file(&cli->arena, statements, cg.statements, strlen(cg.statements), &error)))
        return ecc_say_error(ECC_EXIT_IO, "%s", error);
    return ECC_EXIT_OK;
}

/* A `custom` operation's file is a person's: it is never written here, only missed. */
static int miss_custom(struct ecc_cli *cli, const struct ecc_model *model, const char *folder)
{
    int code = ECC_EXIT_OK;

    for (size_t i = 0; i < model->nnodes; i++) {
        const struct ecc_node *node = model->nodes[i];
        for (size_t k = 0; node->kind == ECC_NODE_SERVICE && k < node->u.service.nops; k++) {
            const struct ecc_op *op = node->u.service.ops[k];
            const char *path = op->custom ? ecc_custom_path(&cli->arena, op) : NULL;
            if (path && access(ecc_arena_printf(&cli->arena, "%s/../%s", folder, path), R_OK))
                code = ecc_say_error(ECC_EXIT_FAILED, "%s.%s is custom and %s is missing: write in it the function that %s/%s/custom.h declares",
                                     node->name, op->name, path, folder, node->name);
        }
    }
    return code;
}

int ecc_build_into(struct ecc_cli *cli, struct ecc_topology *topology, const char *folder, bool check)
{
    const char *lock_path = ecc_beside(&cli->arena, topology->path, "ecom.lock"), *error = NULL;
    struct ecc_outset out;
    struct ecc_outset_report report = {0};
    struct ecc_codegen cg = {
        .arena = &cli->arena,
        .model = topology->model,
        .diags = &topology->diags,
        .out = &out,
        .lock = topology->lock,
        .lock_length = topology->lock_length,
        .locked = topology->locked,
    };
    size_t said = topology->diags.n;
    bool building = !strcmp(cli->command, "build");
    FILE *list = cli->format == ECC_FORMAT_TEXT ? stdout : stderr; /* a machine's document stands alone */

    topology->locked = NULL;
    ecc_outset_init(&out, &cli->arena);
    ecc_outset_begin(&out, folder, check);
    bool good = ecc_codegen(&cg);
    if (topology->diags.errors || !good || out.error)
        ecc_outset_drop(&out);
    if (topology->diags.n > said || building)
        ecc_topology_report(cli, topology);
    if (topology->diags.errors)
        return ECC_EXIT_FAILED;
    if (!good || out.error)
        return ecc_say_error(ECC_EXIT_INTERNAL, "%s", out.error ? out.error : "the generation failed without saying why");

    bool new_lock = cg.new_lock && (!cg.lock || cg.lock_length != cg.new_lock_length || memcmp(cg.lock, cg.new_lock, cg.lock_length));
    if (!ecc_outset_write(&out, folder, check, &report))
        return ecc_say_error(ECC_EXIT_FAILED, "%s", report.error);
    int missed = miss_custom(cli, topology->model, folder);
    if (check) {
        show(&report, folder, list);
        if (new_lock)
            fprintf(list, "%-6s %s\n", cg.lock ? "change" : "add", lock_path);
        return report.n || new_lock ? ECC_EXIT_DIFFERENT : missed;
    }
    if (new_lock && !ecc_write_file(&cli->arena, lock_path, cg.new_lock, cg.new_lock_length, &error))
        return ecc_say_error(ECC_EXIT_IO, "%s", error);
    if (building)
        show(&report, folder, list);
    return missed;
}

int ecc_cmd_build(struct ecc_cli *cli)
{
    const char *folder = NULL, *points = NULL, *statements = NULL;
    bool check = false;
    const struct ecc_option options[] = {
        {"-o", &folder, NULL}, {"--check", NULL, &check}, {"--statements", &statements, NULL}, {"--crash-points", &points, NULL}};
    struct ecc_topology topology;
    int code = ecc_cli_options(cli, options, sizeof options / sizeof options[0], 1);

    if (code)
        return code;
    const char *file = cli->nargs ? cli->args[0] : "topology.ecom";
    if ((code = ecc_topology_load(cli, file, &topology)))
        return code;
    if (topology.diags.errors || points || statements) /* else it is told together with what the generation finds */
        code = ecc_topology_report(cli, &topology);
    if (code)
        return code;
    if (points || statements)
        return write_lists(cli, &topology, points, statements);
    return ecc_build_into(cli, &topology, folder ? folder : ecc_beside(&cli->arena, file, "generated"), check);
}
