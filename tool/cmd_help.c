/* ecomc help [COMMAND] [--man]: what there is, from the tables of commands.h and options.h. --man writes it as a manual page. */
#include "cli.h"

#include <string.h>

static void print_options(const char *command, const char *title, FILE *out)
{
    const struct ecc_option_text *o;

    for (size_t i = 0; (o = ecc_command_option(command, i)); i++) {
        char left[64];

        snprintf(left, sizeof left, "%s%s%s", o->name, *o->value ? " " : "", o->value);
        fprintf(out, "%s  %-32s %s\n", i ? "" : title, left, o->summary);
    }
}

void ecc_help(const struct ecc_command *command, FILE *out)
{
    if (command) {
        fprintf(out, "usage: ecomc %s%s%s%s\n\n%s\n", command->name, ecc_command_option(command->name, 0) ? " [OPTIONS]" : "",
                *command->arguments ? " " : "", command->arguments, command->summary);
        print_options(command->name, "\n", out);
        print_options("", "\neverywhere:\n", out);
        return;
    }
    size_t n;
    const struct ecc_command *commands = ecc_commands(&n);

    fputs("usage: ecomc COMMAND [OPTIONS] [ARGUMENTS]\n\n", out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].summary);
    fputs("\nEverywhere: --color=auto|always|never  --format=text|json|sarif|github  --help\n"
          "The topology is ./topology.ecom unless a file is named. `ecomc help COMMAND` says what a command takes.\n",
          out);
}

/* ------------------------------------------------------------------ the manual page */

/* Text as roff takes it: no request at the beginning of a line, a hyphen that can be copied. */
static void roff(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '`')
            fputs("\\(ga", stdout);
        else
            putchar(*text);
    }
}

static void man_options(const char *command)
{
    const struct ecc_option_text *o;

    for (size_t i = 0; (o = ecc_command_option(command, i)); i++) {
        fputs(".TP\n\\fB", stdout);
        roff(o->name);
        fputs("\\fR", stdout);
        if (*o->value) {
            fputs(" \\fI", stdout);
            roff(o->value);
            fputs("\\fR", stdout);
        }
        putchar('\n');
        roff(o->summary);
        putchar('\n');
    }
}

static void man(void)
{
    size_t n;
    const struct ecc_command *commands = ecc_commands(&n);

    puts(".TH ECOMC 1 \"\" \"ecomc " ECC_VERSION "\" \"User Commands\"\n"
         ".SH NAME\necomc \\- compiles one text file into a running backend\n"
         ".SH SYNOPSIS\n.B ecomc\n.I COMMAND\n.RI [ OPTIONS ]\n.RI [ ARGUMENTS ]\n"
         ".SH DESCRIPTION\n"
         "One text file says what a backend is: its services, who may talk to whom, their data, their sagas,\n"
         "what happens when something fails.\n"
         ".B ecomc\nchecks it, writes the services from it, and runs them.\n"
         "The topology is\n.I topology.ecom\nin the working folder unless a file is named.\n"
         ".SH COMMANDS");
    for (size_t i = 0; i < n; i++) {
        fputs(".SS \"ecomc ", stdout);
        roff(commands[i].name);
        if (*commands[i].arguments)
            putchar(' ');
        roff(commands[i].arguments);
        fputs("\"\n", stdout);
        roff(commands[i].summary);
        putchar('\n');
        man_options(commands[i].name);
    }
    puts(".SH OPTIONS\nOf every command:");
    man_options("");
    puts(".SH EXIT STATUS\n"
         ".TP\n.B 0\nAll is well.\n.TP\n.B 1\nThe topology has errors, or what was checked does not hold.\n"
         ".TP\n.B 2\nA file would change (\\-\\-check).\n.TP\n.B 64\nThe command line is not understood.\n"
         ".TP\n.B 70\nA mistake of ecomc itself.\n.TP\n.B 74\nA file can't be read or written.\n"
         ".SH FILES\n"
         ".TP\n.I topology.ecom\nthe topology\n.TP\n.I generated/\nwhat \\fBbuild\\fR writes, beside the topology\n"
         ".TP\n.I ecom.lock\nthe released migrations, beside the topology\n.TP\n.I .ecom/\nstate and logs of what is up\n"
         ".SH ENVIRONMENT\n"
         ".TP\n.B NO_COLOR\nno colours, when it is set\n.TP\n.B KAFKA_BROKERS\nbrokers to use in place of one of ours");
}

int ecc_cmd_help(struct ecc_cli *cli)
{
    bool manual = false;
    const struct ecc_option options[] = {{"--man", NULL, &manual}};
    int code = ecc_cli_options(cli, options, 1, 1);

    if (code)
        return code;
    const struct ecc_command *command = cli->nargs ? ecc_command_named(cli->args[0]) : NULL;
    if (cli->nargs && !command)
        return ecc_unknown_command(cli->args[0]);
    if (manual)
        man();
    else
        ecc_help(command, stdout);
    return ECC_EXIT_OK;
}
