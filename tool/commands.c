/* The tables of commands.h and options.h, by name. Everything here is static. */
#include "cli.h"

#include <string.h>

static struct ecc_command commands[] = {
#define X(name, summary) {(char[]){#name}, summary, "", ecc_cmd_##name},
#include "commands.h"
#undef X
};

enum { NCOMMANDS = sizeof commands / sizeof commands[0] };

static const struct { const char *command, *words; } arguments[] = {
#define ARGUMENTS(command, words) {#command, words},
#define OPTION(command, name, value, summary)
#define COMMON(name, value, summary)
#include "options.h"
#undef ARGUMENTS
#undef OPTION
#undef COMMON
};

static const struct { const char *command; struct ecc_option_text text; } options[] = {
#define ARGUMENTS(command, words)
#define OPTION(command, name, value, summary) {#command, {name, value, summary}},
#define COMMON(name, value, summary) {"", {name, value, summary}},
#include "options.h"
#undef ARGUMENTS
#undef OPTION
#undef COMMON
};

/* Is this name of the tables that of the command? */
static bool is_named(const char *name, const char *command)
{
    for (; *name && (*name == *command || (*name == '_' && *command == '-')); name++)
        command++;
    return !*name && !*command;
}

const struct ecc_command *ecc_commands(size_t *n)
{
    for (size_t i = 0; i < NCOMMANDS; i++) {
        for (char *p = commands[i].name; *p; p++)
            if (*p == '_')
                *p = '-';
        for (size_t k = 0; k < sizeof arguments / sizeof arguments[0]; k++)
            if (is_named(arguments[k].command, commands[i].name))
                commands[i].arguments = arguments[k].words;
    }
    *n = NCOMMANDS;
    return commands;
}

const struct ecc_command *ecc_command_named(const char *name)
{
    size_t n;
    const struct ecc_command *all = ecc_commands(&n);

    for (size_t i = 0; i < n; i++)
        if (!strcmp(all[i].name, name))
            return &all[i];
    return NULL;
}

const struct ecc_option_text *ecc_command_option(const char *command, size_t i)
{
    for (size_t k = 0; k < sizeof options / sizeof options[0]; k++)
        if (is_named(options[k].command, command) && !i--)
            return &options[k].text;
    return NULL;
}
