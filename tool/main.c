/* ecomc: reads the command line and hands it to one command. */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int ecc_say_error(int code, const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fputs("ecomc: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}

/* value: the next word, for `--format json`; *skip says that it was taken. `plan` has formats of its own. */
static bool take_common(struct ecc_cli *cli, const char *arg, const char *value, bool *skip, bool *usage)
{
    static const char *const formats[] = {"text", "json", "sarif", "github"};

    if (!strcmp(cli->command, "plan") && !strncmp(arg, "--format", 8))
        return false;
    if (!strcmp(arg, "--color") || !strcmp(arg, "--format")) {
        char joined[32];

        *usage = !value || snprintf(joined, sizeof joined, "%s=%s", arg, value) >= (int)sizeof joined;
        *skip = !*usage;
        return *usage || take_common(cli, joined, NULL, skip, usage);
    }
    if (!strncmp(arg, "--color=", 8)) {
        const char *when = arg + 8;
        if (!strcmp(when, "always"))
            cli->color = cli->color_out = true;
        else if (!strcmp(when, "never"))
            cli->color = cli->color_out = false;
        else if (strcmp(when, "auto"))
            *usage = true;
        return true;
    }
    if (!strncmp(arg, "--format=", 9)) {
        for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
            if (!strcmp(arg + 9, formats[i])) {
                cli->format = (enum ecc_diag_format)i;
                return true;
            }
        *usage = true;
        return true;
    }
    return false;
}

int ecc_unknown_command(const char *name)
{
    const char *names[64];
    size_t n;
    const struct ecc_command *commands = ecc_commands(&n);

    for (size_t i = 0; i < n && i < 64; i++)
        names[i] = commands[i].name;
    const char *meant = ecc_did_you_mean(name, names, n);
    if (meant)
        return ecc_say_error(ECC_EXIT_USAGE, "there is no command '%s'; did you mean '%s'?", name, meant);
    return ecc_say_error(ECC_EXIT_USAGE, "there is no command '%s'; `ecomc help` lists them", name);
}

static int run(const struct ecc_command *command, struct ecc_cli *cli)
{
    int code = ECC_EXIT_OK;

    for (int i = 0; i < cli->nargs; i++)
        if (!strcmp(cli->args[i], "--help") || !strcmp(cli->args[i], "-h")) {
            ecc_help(command, stdout);
            command = NULL;
            break;
        }
    if (command) {
        ecc_arena_init(&cli->arena);
        cli->arena.oom = ecc_out_of_memory;
        code = command->run(cli);
        ecc_arena_free(&cli->arena);
    }
    if (fflush(stdout) || ferror(stdout))
        return ecc_say_error(ECC_EXIT_IO, "standard output can't be written");
    return code;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        ecc_help(NULL, stderr);
        return ECC_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        argv[1] = "help";
    if (!strcmp(argv[1], "--version"))
        argv[1] = "version";

    struct ecc_cli cli = {.command = argv[1], .args = argv + 2};
    const char *no_color = getenv("NO_COLOR");
    cli.color = isatty(STDERR_FILENO) && !(no_color && *no_color);
    cli.color_out = isatty(STDOUT_FILENO) && !(no_color && *no_color);
    for (int i = 2; i < argc; i++) {
        bool usage = false, skip = false;
        if (!take_common(&cli, argv[i], argv[i + 1], &skip, &usage))
            cli.args[cli.nargs++] = argv[i];
        if (usage)
            return ecc_say_error(ECC_EXIT_USAGE, strncmp(argv[i], "--color", 7) ? "--format takes text, json, sarif or github"
                                                                               : "--color takes auto, always or never");
        i += skip;
    }
    cli.args[cli.nargs] = NULL;

    const struct ecc_command *command = ecc_command_named(argv[1]);
    return command ? run(command, &cli) : ecc_unknown_command(argv[1]);
}
